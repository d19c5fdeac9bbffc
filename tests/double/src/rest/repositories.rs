//! `_apis/git/repositories`.

use axum::response::Response;

use super::projects::{self, missing_in_path};
use super::{Call, json};
use crate::git::missing_repository;
use crate::json::Object;
use crate::names::{encode, is_id, is_repository_name, same};
use crate::refusal::{empty, error, model_error};
use crate::state::{ProjectState, RepositoryState};

pub(super) fn missing(name_or_id: &str) -> Response {
    error(404, "GitRepositoryNotFoundException", &missing_repository(name_or_id))
}

/// The addresses of a repository.
pub(super) struct Addresses {
    /// In the REST API.
    pub(super) api: String,
    pub(super) web: String,
    ssh: String,
    /// Its `remoteUrl`, with the organization as the user part.
    remote: String,
}

pub(super) fn addresses(
    call: &Call<'_>,
    project: &ProjectState,
    repository: &RepositoryState,
) -> Addresses {
    let organization = encode(call.organization);
    let (project_name, name) = (encode(&project.name), encode(&repository.name));
    let web = format!("{}/{project_name}/_git/{name}", call.base());
    Addresses {
        api: format!("{}/{}/_apis/git/repositories/{}", call.base(), project.id, repository.id),
        remote: web.replacen("://", &format!("://{organization}@"), 1),
        ssh: format!("git@ssh.dev.azure.com:v3/{organization}/{project_name}/{name}"),
        web,
    }
}

/// A repository as it stands in lists; `links` only where one alone is asked for.
pub(super) fn describe(
    call: &Call<'_>,
    project: &ProjectState,
    repository: &RepositoryState,
    branch: Option<&str>,
    links: bool,
) -> Object {
    let addresses = addresses(call, project, repository);
    let size = if branch.is_some() { repository.size() } else { 0 };
    Object::new()
        .text("id", &repository.id)
        .text("name", &repository.name)
        .text("url", &addresses.api)
        .object("project", projects::reference(call, project))
        .optional_text("defaultBranch", branch)
        .number("size", size)
        .text("remoteUrl", &addresses.remote)
        .text("sshUrl", &addresses.ssh)
        .text("webUrl", &addresses.web)
        .optional_object("_links", links.then(|| self::links(&addresses, project)))
        .flag("isDisabled", repository.disabled)
        .flag("isInMaintenance", false)
}

fn links(addresses: &Addresses, project: &ProjectState) -> Object {
    let api = &addresses.api;
    let below = ["commits", "refs", "pullRequests", "items", "pushes"];
    let links = Object::new()
        .link("self", api)
        .link("project", format!("vstfs:///Classification/TeamProject/{}", project.id))
        .link("web", &addresses.web)
        .link("ssh", &addresses.ssh);
    below.iter().fold(links, |links, name| links.link(name, format!("{api}/{name}")))
}

pub(super) fn list(call: &Call<'_>) -> Response {
    let mut state = call.shared.lock();
    let organization = call.state_mut(&mut state);
    if let Some(project) = call.project
        && organization.project(project).is_none()
    {
        return missing_in_path(404, project);
    }
    let mut late = Vec::new();
    for project in organization.projects.iter_mut().filter(|project| project.list_lags > 0) {
        if call.project.is_none_or(|asked| project.answers_to(asked)) {
            project.list_lags -= 1;
            late.push(project.id.clone());
        }
    }
    let asked = organization.projects.iter().filter(|project| {
        !project.hidden && call.project.is_none_or(|asked| project.answers_to(asked))
    });
    let is_late = |project: &ProjectState, repository: &RepositoryState| {
        late.contains(&project.id) && repository.name == project.name
    };
    let mut found: Vec<(&ProjectState, &RepositoryState)> = asked
        .flat_map(|project| {
            project.repositories.iter().map(move |repository| (project, repository))
        })
        .filter(|(project, repository)| !is_late(project, repository))
        .collect();
    found.sort_by_key(|(_, repository)| repository.name.to_lowercase());
    let with_links = call.asked("includeLinks").is_some_and(|value| same(value, "true"));
    let describe = |(project, repository): &(&ProjectState, &RepositoryState)| {
        let branch = repository.default_branch();
        describe(call, project, repository, branch.as_deref(), with_links)
    };
    let repositories: Vec<Object> = found.iter().map(describe).collect();
    let count = repositories.len() as u64;
    json(200, &Object::new().list("value", &repositories).number("count", count))
}

pub(super) fn get(call: &Call<'_>) -> Response {
    let state = call.shared.lock();
    let organization = call.state(&state);
    if let Some(project) = call.project
        && organization.project(project).is_none()
    {
        return missing_in_path(404, project);
    }
    match organization.repository(call.project, call.names[0]) {
        Some((project, repository)) if !repository.disabled => {
            let branch = repository.default_branch();
            json(200, &describe(call, project, repository, branch.as_deref(), true))
        }
        _ => missing(call.names[0]),
    }
}

pub(super) fn create(call: &Call<'_>) -> Response {
    let text = |pointer: &str| call.body.pointer(pointer).and_then(|value| value.as_str());
    let Some(name) = text("/name") else {
        return model_error(
            400,
            "Value cannot be null. Parameter name: gitRepositoryToCreate.Name",
        );
    };
    let Some(asked) = text("/project/id").or(call.project) else {
        return model_error(400, "A project is required to create a repository.");
    };
    let mut state = call.shared.lock();
    let Some(project) = call.state(&state).project(asked) else {
        return missing_in_path(400, asked);
    };
    if project.forbids_repositories {
        let message = format!(
            "TF401027: You need the Git 'CreateRepository' permission to perform this action. \
             Details: identity '{}', scope 'project'.",
            call.caller.as_ref().map_or("", |caller| &caller.person.display_name)
        );
        return error(403, "GitNeedsPermissionException", &message);
    }
    if let Some(refusal) = refuse_name(project, name, None) {
        return refusal;
    }
    let folder = call.shared.root.join(call.organization);
    let (project_id, project_name) = (project.id.clone(), project.name.clone());
    let made = RepositoryState::new(&mut state, call.organization, &project_name, name, &folder);
    let repository = match made {
        Ok(repository) => repository,
        Err(fault) => return error(500, "IOException", &fault.to_string()),
    };
    let project = call.state_mut(&mut state).project_mut(&project_id);
    let project = project.expect("it was found under the same lock");
    let body = describe(call, project, &repository, None, false);
    project.repositories.push(repository);
    json(201, &body)
}

fn refuse_name(project: &ProjectState, name: &str, except: Option<&str>) -> Option<Response> {
    if !is_repository_name(name) {
        let message = format!("TF401025: '{name}' is not a valid name for a Git repository.");
        return Some(error(400, "InvalidGitRepositoryNameException", &message));
    }
    let mut others =
        project.repositories.iter().filter(|repository| Some(repository.id.as_str()) != except);
    if others.any(|repository| same(&repository.name, name)) {
        let message = format!("TF400948: A Git repository with the name {name} already exists.");
        return Some(error(409, "GitRepositoryNameAlreadyExistsException", &message));
    }
    None
}

pub(super) fn change(call: &Call<'_>) -> Response {
    let text = |pointer: &str| call.body.pointer(pointer).and_then(|value| value.as_str());
    let mut state = call.shared.lock();
    let asked = call.names[0];
    // A disabled one is found, since that is how it is enabled again.
    let found = call.state(&state).repository(call.project, asked).filter(|_| is_id(asked));
    let Some((project, repository)) = found else { return missing(asked) };
    let (project_id, id) = (project.id.clone(), repository.id.clone());
    if let Some(refusal) = text("/name").and_then(|name| refuse_name(project, name, Some(&id))) {
        return refusal;
    }
    let branch = text("/defaultBranch");
    if branch.is_some_and(|branch| !branch.starts_with("refs/heads/")) {
        let message = "The default branch must be a full ref name below refs/heads/.";
        return error(400, "VssServiceException", message);
    }
    let project = call.state_mut(&mut state).project_mut(&project_id);
    let project = project.expect("it was found under the same lock");
    let repository = project.repository_mut(&id).expect("it was found under the same lock");
    let renamed = match text("/name") {
        Some(name) if name != repository.name => repository.rename(name),
        _ => Ok(()),
    };
    let done = renamed.and_then(|()| match branch {
        Some(branch) => repository.set_default_branch(branch),
        None => Ok(()),
    });
    if let Err(fault) = done {
        return error(500, "IOException", &fault.to_string());
    }
    if let Some(disabled) = call.body.pointer("/isDisabled").and_then(|value| value.as_bool()) {
        repository.disabled = disabled;
    }
    let project = &*project;
    let repository = project.repository(&id).expect("it was found under the same lock");
    let branch = repository.default_branch();
    json(200, &describe(call, project, repository, branch.as_deref(), false))
}

pub(super) fn delete(call: &Call<'_>) -> Response {
    let mut state = call.shared.lock();
    let asked = call.names[0];
    let found = call.state(&state).repository(call.project, asked).filter(|_| is_id(asked));
    let Some((project, repository)) = found else { return missing(asked) };
    let (project_id, id) = (project.id.clone(), repository.id.clone());
    let directory = repository.directory.clone();
    let project = call.state_mut(&mut state).project_mut(&project_id);
    let project = project.expect("it was found under the same lock");
    project.repositories.retain(|repository| repository.id != id);
    match std::fs::remove_dir_all(&directory) {
        Ok(()) => empty(204),
        Err(fault) => error(500, "IOException", &fault.to_string()),
    }
}
