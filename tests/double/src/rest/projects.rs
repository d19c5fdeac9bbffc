//! Projects, and the operations in which they come and go.

use axum::response::Response;

use super::{CONTINUATION, Call, json, processes};
use crate::json::Object;
use crate::names::{encode, is_id, is_project_name, same};
use crate::refusal::{error, model_error, put};
use crate::state::{BASIC_PROCESS, Effect, Operation, OrganizationState, ProjectState, State};

/// Projects of a page when `$top` says nothing.
const PAGE: usize = 100;

/// The time of every change here: a fixed one, so that whole answers can be compared.
const CHANGED: &str = "2025-01-10T12:13:40.297Z";

/// A project as it stands in lists and within a repository.
pub(super) fn reference(call: &Call<'_>, project: &ProjectState) -> Object {
    described(call, project, project.description.as_deref())
        .number("revision", 12)
        .text("visibility", &project.visibility)
        .text("lastUpdateTime", CHANGED)
}

fn described(call: &Call<'_>, project: &ProjectState, description: Option<&str>) -> Object {
    Object::new()
        .text("id", &project.id)
        .text("name", &project.name)
        .optional_text("description", description)
        .text("url", format!("{}/_apis/projects/{}", call.base(), project.id))
        .text("state", "wellFormed")
}

pub(super) fn list(call: &Call<'_>) -> Response {
    let state = call.shared.lock();
    let organization = call.state(&state);
    let number = |name: &str| call.asked(name).and_then(|value| value.parse::<usize>().ok());
    let skip = number("continuationToken").or(number("$skip")).unwrap_or(0);
    let top = number("$top").unwrap_or(PAGE).min(organization.page_size);
    let asks_for_some = matches!(
        call.asked("stateFilter").map(str::to_lowercase).as_deref(),
        None | Some("wellformed" | "all")
    );
    let seen: Vec<&ProjectState> =
        organization.projects.iter().filter(|project| asks_for_some && !project.hidden).collect();
    let page: Vec<Object> =
        seen.iter().skip(skip).take(top).map(|project| reference(call, project)).collect();
    let body = Object::new().number("count", page.len() as u64).list("value", &page);
    let mut response = json(200, &body);
    if skip + page.len() < seen.len() {
        put(&mut response, CONTINUATION, &(skip + page.len()).to_string());
    }
    response
}

pub(super) fn get(call: &Call<'_>) -> Response {
    let state = call.shared.lock();
    let organization = call.state(&state);
    match organization.project(call.names[0]) {
        Some(project) => json(200, &whole(call, organization, project)),
        None => missing(call.names[0]),
    }
}

fn whole(call: &Call<'_>, organization: &OrganizationState, project: &ProjectState) -> Object {
    let address = format!("{}/_apis/projects/{}", call.base(), project.id);
    let collection =
        format!("{}/_apis/projectCollections/{}", call.base(), organization.instance_id);
    let links = Object::new()
        .link("self", &address)
        .link("collection", collection)
        .link("web", format!("{}/{}", call.base(), encode(&project.name)));
    let team = Object::new()
        .text("id", &project.team)
        .text("name", format!("{} Team", project.name))
        .text("url", format!("{address}/teams/{}", project.team));
    let asks = call.asked("includeCapabilities").is_some_and(|value| same(value, "true"));
    described(call, project, project.description.as_deref())
        .optional_object("capabilities", asks.then(|| capabilities(project)))
        .number("revision", 12)
        .object("_links", links)
        .text("visibility", &project.visibility)
        .object("defaultTeam", team)
        .text("lastUpdateTime", CHANGED)
}

fn capabilities(project: &ProjectState) -> Object {
    let template = Object::new()
        .text("templateName", processes::name_of(&project.process).unwrap_or_default())
        .text("templateTypeId", &project.process);
    // Texts, not booleans.
    let version_control = Object::new()
        .text("sourceControlType", "Git")
        .text("gitEnabled", "True")
        .text("tfvcEnabled", "False");
    Object::new().object("processTemplate", template).object("versioncontrol", version_control)
}

fn missing(name_or_id: &str) -> Response {
    if is_id(name_or_id) {
        return missing_in_path(404, name_or_id);
    }
    let message = format!(
        "TF200016: The following project does not exist: {name_or_id}. Verify that the name of the \
         project is correct and that the project exists on the specified Azure DevOps Server."
    );
    error(404, "ProjectDoesNotExistWithNameException", &message)
}

/// The same fact, by id or where another API has the project in its path: 404 there, 400 elsewhere.
pub(super) fn missing_in_path(status: u16, name_or_id: &str) -> Response {
    let message = format!(
        "VS800075: The project with id 'vstfs:///Classification/TeamProject/{name_or_id}' does not \
         exist, or you do not have permission to access it."
    );
    error(status, "ProjectDoesNotExistException", &message)
}

/// The name of a project that is asked for is one that is there or on its way.
fn is_taken(organization: &OrganizationState, name: &str) -> bool {
    let comes = |operation: &Operation| {
        matches!(operation.effect, Some(Effect::CreateProject(_)))
            && same(&operation.project_name, name)
    };
    // Also by one that the caller cannot see.
    organization.projects.iter().any(|project| same(&project.name, name))
        || organization.operations.iter().any(comes)
}

pub(super) fn create(call: &Call<'_>) -> Response {
    let text = |pointer: &str| call.body.pointer(pointer).and_then(|value| value.as_str());
    let Some(name) = text("/name") else {
        return model_error(400, "Value cannot be null. Parameter name: projectToCreate.Name");
    };
    let mut state = call.shared.lock();
    let organization = call.state(&state);
    if organization.forbids_projects {
        let message = "TF50309: The following account does not have sufficient permissions to \
                       complete the operation. The following permissions are needed to perform this \
                       operation: Create new projects.";
        return error(403, "AccessCheckException", message);
    }
    if !is_project_name(name) {
        let message = format!("The following name is not valid for a project: {name}.");
        return error(400, "InvalidProjectNameException", &message);
    }
    if is_taken(organization, name) {
        let message = format!(
            "TF200019: The following project already exists on the Azure DevOps Server: {name}. You \
             cannot create a new project with the same name as an existing project."
        );
        return error(400, "ProjectAlreadyExistsException", &message);
    }
    let process = text("/capabilities/processTemplate/templateTypeId").unwrap_or(BASIC_PROCESS);
    let failure = organization.project_failure.clone().or_else(|| {
        let known = processes::name_of(process).is_some();
        (!known).then(|| format!("VS402368: The process {process} does not exist."))
    });
    let made = match failure {
        Some(_) => None,
        None => {
            let folder = call.shared.root.join(&organization.name);
            match ProjectState::new(&mut state, call.organization, name, &folder) {
                Ok(project) => Some(project),
                Err(fault) => return error(500, "IOException", &fault.to_string()),
            }
        }
    };
    let effect = made.map(|mut project| {
        project.description = text("/description").map(str::to_owned);
        text("/visibility").unwrap_or("private").clone_into(&mut project.visibility);
        process.clone_into(&mut project.process);
        project.list_lags = 1;
        Effect::CreateProject(Box::new(project))
    });
    begin(call, &mut state, name, effect, failure)
}

pub(super) fn delete(call: &Call<'_>) -> Response {
    let mut state = call.shared.lock();
    let id = call.names[0];
    // By id only: the name of a project is no address here.
    let found = call.state(&state).project(id).filter(|_| is_id(id));
    let Some((id, name)) = found.map(|project| (project.id.clone(), project.name.clone())) else {
        return missing_in_path(if is_id(id) { 404 } else { 400 }, id);
    };
    begin(call, &mut state, &name, Some(Effect::DeleteProject(id)), None)
}

fn begin(
    call: &Call<'_>,
    state: &mut State,
    project_name: &str,
    effect: Option<Effect>,
    failure: Option<String>,
) -> Response {
    let id = state.new_id(&["operation", call.organization, project_name]);
    let organization = call.state_mut(state);
    let started = Operation {
        id: id.clone(),
        polls_left: organization.operation_polls,
        effect,
        project_name: project_name.to_owned(),
        failure,
    };
    organization.operations.push(started);
    let body = Object::new()
        .text("id", &id)
        .text("status", "notSet")
        .text("url", format!("{}/_apis/operations/{id}", call.base()));
    json(202, &body)
}

pub(super) fn operation(call: &Call<'_>) -> Response {
    let mut state = call.shared.lock();
    let organization = call.state_mut(&mut state);
    let id = call.names[0];
    let found = organization.operations.iter_mut().find(|operation| same(&operation.id, id));
    let Some(operation) = found else {
        let message = format!("VS402357: Operation {id} does not exist.");
        return error(404, "OperationNotFoundException", &message);
    };
    let failure = operation.failure.clone();
    let project_name = operation.project_name.clone();
    let mut effect = None;
    let status = if operation.polls_left > 0 {
        operation.polls_left -= 1;
        "inProgress"
    } else {
        effect = operation.effect.take();
        if failure.is_some() { "failed" } else { "succeeded" }
    };
    let id = operation.id.clone();
    match effect {
        Some(Effect::CreateProject(project)) => organization.projects.push(*project),
        Some(Effect::DeleteProject(id)) => {
            organization.projects.retain(|project| project.id != id);
            // Else a new project of that name would begin with the old one's commits. There is
            // nothing to remove where no repository was left.
            let folder = call.shared.root.join(&organization.name).join(&project_name);
            let _ = std::fs::remove_dir_all(folder);
        }
        None => {}
    }
    let address = format!("{}/_apis/operations/{id}", call.base());
    let reason = failure.filter(|_| status == "failed");
    let body = Object::new()
        .text("id", &id)
        .text("status", status)
        .text("url", &address)
        .object("_links", Object::new().link("self", &address))
        .optional_text("resultMessage", reason.as_deref());
    json(200, &body)
}
