//! `_apis/process/processes`: the templates of which a project can be made.

use axum::response::Response;

use super::{Call, json};
use crate::json::Object;
use crate::state::BASIC_PROCESS;

/// Id, name, description; in the order of the recorded answer.
const PROCESSES: [(&str, &str, &str); 4] = [
    (
        "6b724908-ef14-45cf-84f8-768b5384da45",
        "Scrum",
        "This template is for teams who follow the Scrum framework.",
    ),
    (
        BASIC_PROCESS,
        "Basic",
        "This template is flexible for any process and great for teams getting started with Azure \
         DevOps.",
    ),
    (
        "adcc42ab-9882-485e-a3ed-7678f01f66bc",
        "Agile",
        "This template is flexible and will work great for most teams using Agile planning methods, \
         including those practicing Scrum.",
    ),
    (
        "27450541-8e31-4150-9947-dc59f998fc01",
        "CMMI",
        "This template is for more formal projects requiring a framework for process improvement and \
         an auditable record of decisions.",
    ),
];

/// The name of a template.
pub(super) fn name_of(id: &str) -> Option<&'static str> {
    let found = PROCESSES.iter().find(|(candidate, _, _)| candidate.eq_ignore_ascii_case(id));
    found.map(|(_, name, _)| *name)
}

pub(super) fn list(call: &Call<'_>) -> Response {
    let base = call.base();
    let process = |(id, name, description): &(&str, &str, &str)| {
        Object::new()
            .text("id", id)
            .text("description", description)
            .flag("isDefault", *id == BASIC_PROCESS)
            .text("type", "system")
            .text("url", format!("{base}/_apis/process/processes/{id}"))
            .text("name", name)
    };
    let processes: Vec<Object> = PROCESSES.iter().map(process).collect();
    json(200, &Object::new().number("count", 4).list("value", &processes))
}
