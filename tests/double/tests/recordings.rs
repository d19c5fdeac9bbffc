//! Recorded requests of a real organization, sent to the double; its answers must have the shape of
//! the recorded ones.
//!
//! `GIT_VSTS_RECORDINGS` names the folder with the `*.jsonl` files: a line is one exchange,
//! `{"request": {"method", "uri", "accept", "body"}, "response": {"status", "headers", "body"}}`.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use common::{Reply, ask, git_must, repository_with};
use double::{Double, Organization, Token};
use serde_json::Value;

const SERVICE: &str = "https://dev.azure.com";
const ORGANIZATION: &str = "fabrikam";

/// Headers whose whole value is the service's word; of the others only presence can be compared.
const EXACT_HEADERS: [&str; 2] = ["content-type", "cache-control"];
const PRESENT_HEADERS: [&str; 5] =
    ["activityid", "x-tfs-processid", "x-tfs-session", "x-vss-e2eid", "content-length"];

/// Keys whose values come from a closed set or from the request, so that they must agree as well.
const EXACT_KEYS: [&str; 20] = [
    "status",
    "state",
    "visibility",
    "name",
    "count",
    "isDisabled",
    "isInMaintenance",
    "isDraft",
    "deploymentType",
    "mergeStatus",
    "title",
    "description",
    "sourceRefName",
    "targetRefName",
    "sourceControlType",
    "gitEnabled",
    "tfvcEnabled",
    "templateName",
    "isDefault",
    "isActive",
];

struct Exchange {
    method: String,
    path: String,
    accept: String,
    body: Value,
    status: u16,
    headers: HashMap<String, String>,
    answer: Value,
}

fn exchanges(file: &PathBuf) -> Vec<Exchange> {
    let text = fs::read_to_string(file).expect("a recording");
    let exchange = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let text =
            |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let headers = line["response"]["headers"].clone();
        Exchange {
            method: text("/request/method").to_owned(),
            path: text("/request/uri")
                .strip_prefix(SERVICE)
                .expect("a request of the service")
                .to_owned(),
            accept: text("/request/accept").to_owned(),
            body: line["request"]["body"].clone(),
            status: line["response"]["status"]
                .as_u64()
                .and_then(|it| it.try_into().ok())
                .expect("a status"),
            headers: serde_json::from_value(headers).expect("headers are texts"),
            answer: by_name(line["response"]["body"].clone()),
        }
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(exchange).collect()
}

/// Every object in the value, the value itself included.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            found.push(value);
            map.values().for_each(|value| objects(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// Lists of what has names are put in their order: the service promises none, and its lists of
/// projects have none.
fn by_name(mut value: Value) -> Value {
    if let Some(list) = value.get_mut("value").and_then(Value::as_array_mut) {
        list.sort_by_key(|one| text(one, "name").unwrap_or_default().to_owned());
    }
    value
}

/// Recorded ids and what the double has instead.
type Ids = HashMap<String, String>;

/// Makes the projects and repositories that were there before the first recorded request.
fn prepare(organization: &Organization, recorded: &[Exchange]) -> Ids {
    let mut ids = Ids::new();
    let created: Vec<&str> = recorded
        .iter()
        .filter(|exchange| exchange.method == "POST")
        .filter_map(|exchange| text(&exchange.body, "name"))
        .collect();
    let mut found = Vec::new();
    recorded.iter().for_each(|exchange| objects(&exchange.answer, &mut found));

    for project in found.iter().filter(|object| object.get("visibility").is_some()) {
        let name = text(project, "name").expect("a project has a name");
        if created.contains(&name) {
            continue;
        }
        let visibility = text(project, "visibility").expect("a visibility");
        organization.project_of_visibility(name, visibility);
        organization.without_repository(name, name);
        let id = text(project, "id").expect("a project has an id").to_owned();
        ids.insert(id, organization.id_of_project(name));
    }
    for repository in found.iter().filter(|object| object.get("remoteUrl").is_some()) {
        let name = text(repository, "name").expect("a repository has a name");
        let project = text(&repository["project"], "name").expect("its project has a name");
        // One that was created here also under the name that it was given later.
        if created.iter().any(|created| name.starts_with(created)) {
            continue;
        }
        organization.repository(project, name);
        if repository["isDisabled"] == true {
            organization.disable(project, name);
        }
        let id = text(repository, "id").expect("a repository has an id").to_owned();
        ids.insert(id, organization.id_of_repository(project, name));
    }
    ids
}

/// Pushes what a recorded pull request is about.
fn prepare_branches(organization: &Organization, recorded: &[Exchange], token: &str) {
    for exchange in recorded.iter().filter(|exchange| exchange.path.ends_with("/pullRequests")) {
        let folder = tempfile::tempdir().expect("a folder");
        repository_with(folder.path(), b"content\n");
        let web = exchange.answer.pointer("/repository/webUrl").and_then(Value::as_str);
        let web = web.and_then(|web| web.strip_prefix(SERVICE)).expect("a repository");
        let base = organization.url().replace(&format!("/{ORGANIZATION}"), "");
        let branches = ["targetRefName", "sourceRefName"]
            .map(|key| format!("HEAD:{}", text(&exchange.body, key).expect("a branch")));
        let url = format!("{base}{web}");
        git_must(folder.path(), token, &["push", "--quiet", &url, &branches[0], &branches[1]]);
    }
}

/// How often the operation that this request began answered `inProgress`.
fn polls(exchange: &Exchange, after: &[Exchange]) -> Option<usize> {
    let operation = text(&exchange.answer, "id").filter(|_| exchange.status == 202)?;
    let is_poll = |later: &&Exchange| {
        later.path.ends_with(operation) && later.answer["status"] == "inProgress"
    };
    Some(after.iter().filter(is_poll).count())
}

fn replaced(text: &str, ids: &Ids) -> String {
    ids.iter().fold(text.to_owned(), |text, (recorded, here)| text.replace(recorded, here))
}

/// Learns the double's ids from where the recorded ones stood.
fn learn(recorded: &Value, here: &Value, ids: &mut Ids) {
    match (recorded, here) {
        (Value::Object(recorded), Value::Object(here)) => {
            if let (Some(Value::String(old)), Some(Value::String(new))) =
                (recorded.get("id"), here.get("id"))
            {
                ids.insert(old.clone(), new.clone());
            }
            for (key, value) in recorded {
                learn(value, here.get(key).unwrap_or(&Value::Null), ids);
            }
        }
        (Value::Array(recorded), Value::Array(here)) => {
            recorded.iter().zip(here).for_each(|(recorded, here)| learn(recorded, here, ids));
        }
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "flag",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn compare(at: &str, recorded: &Value, here: &Value, faults: &mut Vec<String>) {
    match (recorded, here) {
        (Value::Object(recorded), Value::Object(here)) => {
            for key in here.keys().filter(|key| !recorded.contains_key(*key)) {
                faults.push(format!("{at}/{key} is not recorded"));
            }
            for (key, value) in recorded {
                let at = format!("{at}/{key}");
                match here.get(key) {
                    None => faults.push(format!("{at} is missing")),
                    Some(here) if EXACT_KEYS.contains(&key.as_str()) && value != here => {
                        faults.push(format!("{at} is {here}, not {value}"));
                    }
                    Some(here) => compare(&at, value, here, faults),
                }
            }
        }
        (Value::Array(recorded), Value::Array(here)) => {
            if recorded.len() != here.len() {
                faults.push(format!("{at} has {} elements, not {}", here.len(), recorded.len()));
            }
            for (index, (recorded, here)) in recorded.iter().zip(here).enumerate() {
                compare(&format!("{at}/{index}"), recorded, here, faults);
            }
        }
        _ if kind(recorded) != kind(here) => {
            faults.push(format!("{at} is a {}, not a {}", kind(here), kind(recorded)));
        }
        _ => {}
    }
}

/// Which key follows which in the text. A set, since the elements of a list may stand in any order.
fn key_order(text: &str) -> BTreeSet<(String, String)> {
    let keys = keys(text);
    keys.windows(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

fn keys(text: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let after = &rest[start + 1..];
        let mut escaped = false;
        let end = after.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { return keys };
        rest = &after[end + 1..];
        if rest.trim_start().starts_with(':') {
            keys.push(&after[..end]);
        }
    }
    keys
}

fn check(exchange: &Exchange, reply: &Reply, faults: &mut Vec<String>) {
    if reply.status != exchange.status {
        faults.push(format!("the status is {}, not {}", reply.status, exchange.status));
    }
    for name in EXACT_HEADERS {
        let recorded = exchange.headers.get(name).map(String::as_str);
        if reply.header(name) != recorded {
            faults.push(format!("{name} is {:?}, not {recorded:?}", reply.header(name)));
        }
    }
    for name in PRESENT_HEADERS {
        if exchange.headers.contains_key(name) != reply.header(name).is_some() {
            faults.push(format!("{name} is {:?}", reply.header(name)));
        }
    }
    if exchange.answer == "" {
        if !reply.body.is_empty() {
            faults.push(format!("there is a body: {}", reply.text()));
        }
        return;
    }
    compare("", &exchange.answer, &by_name(reply.json()), faults);
}

fn replay(file: &PathBuf, faults: &mut Vec<String>) -> usize {
    let recorded = exchanges(file);
    let lines = fs::read_to_string(file).expect("a recording");
    let lines: Vec<&str> = lines.lines().filter(|line| !line.trim().is_empty()).collect();
    let double = Double::start();
    let organization =
        double.organization(ORGANIZATION).person("jamal@fabrikam.com", "Jamal Hartnett");
    let token = organization.token(Token::new());
    let mut ids = prepare(&organization, &recorded);
    prepare_branches(&organization, &recorded, &token);
    for (number, exchange) in recorded.iter().enumerate() {
        if let Some(polls) = polls(exchange, &recorded[number + 1..]) {
            organization.operation_polls(polls);
        }
        let mut request = ask(&exchange.method, &replaced(&exchange.path, &ids))
            .token(&token)
            .header("Accept", &exchange.accept);
        if !exchange.body.is_null() {
            let body = replaced(&exchange.body.to_string(), &ids);
            request = request.json(&serde_json::from_str(&body).expect("still JSON"));
        }
        let reply = request.send(double.url());
        let mut found = Vec::new();
        check(exchange, &reply, &mut found);
        if !reply.body.is_empty() {
            learn(&exchange.answer, &by_name(reply.json()), &mut ids);
            // The answer is the last "body" of its line.
            let answer = lines[number].rsplit_once("\"body\": ").map_or("", |(_, answer)| answer);
            if key_order(answer) != key_order(&reply.text()) {
                found.push("the keys stand in another order".to_owned());
            }
        }
        let place = format!("{} {} {}", file.display(), exchange.method, exchange.path);
        faults.extend(found.iter().map(|fault| format!("{place}: {fault}")));
    }
    recorded.len()
}

#[test]
#[ignore = "needs GIT_VSTS_RECORDINGS, the folder of recorded answers"]
fn the_double_answers_as_recorded() {
    let folder = std::env::var_os("GIT_VSTS_RECORDINGS").expect("GIT_VSTS_RECORDINGS is set");
    let entries = fs::read_dir(folder).expect("the folder of recorded answers");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let mut faults = Vec::new();
    let replayed: usize = files.iter().map(|file| replay(file, &mut faults)).sum();
    assert!(replayed > 0, "there are no recordings");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
