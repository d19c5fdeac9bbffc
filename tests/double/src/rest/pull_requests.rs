//! `_apis/git/repositories/ID/pullRequests`, as far as one is opened.

use axum::response::Response;

use super::connection::subject;
use super::repositories::{self, addresses, missing};
use super::{Call, json};
use crate::json::Object;
use crate::names::stable_id;
use crate::refusal::{error, model_error};
use crate::state::{Person, PullRequest};

pub(super) fn create(call: &Call<'_>) -> Response {
    let text = |pointer: &str| call.body.pointer(pointer).and_then(|value| value.as_str());
    let (Some(source), Some(target), Some(title)) =
        (text("/sourceRefName"), text("/targetRefName"), text("/title"))
    else {
        return model_error(400, "Value cannot be null. Parameter name: gitPullRequestToCreate");
    };
    let mut state = call.shared.lock();
    let organization = call.state_mut(&mut state);
    organization.pull_requests += 1;
    let number = organization.pull_requests;
    let tenant = organization.tenant.clone();
    let found = organization.repository(call.project, call.names[0]);
    let Some((project, repository)) = found.filter(|(_, repository)| !repository.disabled) else {
        return missing(call.names[0]);
    };
    let is_open = |one: &PullRequest| one.source == source && one.target == target;
    if repository.pull_requests.iter().any(is_open) {
        let message = "TF401179: An active pull request for the source and target branch already \
                       exists.";
        return error(409, "GitPullRequestExistsException", message);
    }
    let (Some(from), Some(to)) = (repository.commit(source), repository.commit(target)) else {
        let message = "TF401398: The pull request cannot be activated because the source and/or the \
                       target branch no longer exists.";
        return error(400, "GitPullRequestCannotBeActivated", message);
    };
    let Some(caller) = &call.caller else { return missing(call.names[0]) };
    let api = addresses(call, project, repository).api;
    let address = format!("{api}/pullRequests/{number}");
    let commit =
        |id: &str| Object::new().text("commitId", id).text("url", format!("{api}/commits/{id}"));
    let creator = format!(
        "https://spsprodcin2.vssps.visualstudio.com/A{}/_apis/Identities/{}",
        stable_id(&["host"]),
        caller.person.id
    );
    let links = Object::new()
        .link("self", &address)
        .link("repository", &api)
        .link("workItems", format!("{address}/workitems"))
        .link("sourceBranch", format!("{api}/{source}"))
        .link("targetBranch", format!("{api}/{target}"))
        .link("statuses", format!("{address}/statuses"))
        .link("sourceCommit", format!("{api}/commits/{from}"))
        .link("targetCommit", format!("{api}/commits/{to}"))
        .link("createdBy", &creator)
        .link("iterations", format!("{address}/iterations"));
    let draft = call.body.pointer("/isDraft").and_then(|value| value.as_bool());
    let body = Object::new()
        // Without its default branch, as recorded.
        .object("repository", repositories::describe(call, project, repository, None, false))
        .number("pullRequestId", number)
        .number("codeReviewId", number)
        .text("status", "active")
        .object("createdBy", person(call, &caller.person, &creator, tenant.as_deref()))
        .text("creationDate", "2025-01-10T12:23:52.6038843Z")
        .text("title", title)
        .optional_text("description", text("/description"))
        .text("sourceRefName", source)
        .text("targetRefName", target)
        .text("mergeStatus", "queued")
        .flag("isDraft", draft.unwrap_or(false))
        .text("mergeId", stable_id(&["merge", &address]))
        .object("lastMergeSourceCommit", commit(&from))
        .object("lastMergeTargetCommit", commit(&to))
        .list("reviewers", &[])
        .list("labels", &[])
        .text("url", &address)
        .object("_links", links)
        .flag("supportsIterations", true)
        .text(
            "artifactId",
            format!("vstfs:///Git/PullRequestId/{}%2f{}%2f{number}", project.id, repository.id),
        );
    let (project_id, id) = (project.id.clone(), repository.id.clone());
    let opened = PullRequest { source: source.to_owned(), target: target.to_owned() };
    let project = organization.project_mut(&project_id).expect("it was found under the same lock");
    let repository = project.repository_mut(&id).expect("it was found under the same lock");
    repository.pull_requests.push(opened);
    json(201, &body)
}

fn person(call: &Call<'_>, person: &Person, address: &str, tenant: Option<&str>) -> Object {
    let subject = subject(person, tenant);
    let avatar = format!("{}/_apis/GraphProfile/MemberAvatars/{subject}", call.base());
    Object::new()
        .text("displayName", &person.display_name)
        .text("url", address)
        .object("_links", Object::new().link("avatar", avatar))
        .text("id", &person.id)
        .text("uniqueName", &person.account)
        .text("imageUrl", format!("{}/_api/_common/identityImage?id={}", call.base(), person.id))
        .text("descriptor", subject)
}
