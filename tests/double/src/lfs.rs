//! Git LFS below `_git/REPOSITORY/info/lfs`: the Batch API with basic transfers, and as much of
//! locking as a push asks for (docs/api of git-lfs).
//!
//! As the service has them, objects stand below the repository's own address, so that each transfer
//! needs the credential once more; and locking is supported, which git-lfs says on every push.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::git::{self, Found, Place, Service};
use crate::json::Object;
use crate::names::encode;
use crate::refusal::{Refusal, empty, respond};
use crate::server::unserved;
use crate::state::Shared;
use crate::upload::Upload;

const KIND: &str = "application/vnd.git-lfs+json";
/// Of what is no object; a batch of a hundred has 15 KiB.
const LONGEST: u64 = 1024 * 1024;

/// What git-lfs asks for.
pub(crate) struct Address {
    place: Place,
    action: Action,
}

enum Action {
    Batch,
    Object(String),
    Verify(String),
    VerifyLocks,
}

impl Address {
    pub(crate) fn new(before: &[String], after: &[String]) -> Option<Address> {
        let (place, rest) = Place::new(before, after)?;
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let action = match rest[..] {
            ["info", "lfs", "objects", "batch"] => Action::Batch,
            ["info", "lfs", "objects", id] => Action::Object(id.to_owned()),
            ["info", "lfs", "objects", id, "verify"] => Action::Verify(id.to_owned()),
            ["info", "lfs", "locks", "verify"] => Action::VerifyLocks,
            _ => return None,
        };
        Some(Address { place, action })
    }
}

/// Answers a request of git-lfs.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    parts: &Parts,
    mut address: Address,
    mut upload: Upload,
) -> Response {
    address.place = known(shared, address.place);
    let service = match (&address.action, parts.method.as_str()) {
        (Action::Batch, "POST") | (Action::Object(_), "GET") => Service::Fetch,
        (Action::Object(_), "PUT") | (Action::Verify(_) | Action::VerifyLocks, "POST") => {
            Service::Push
        }
        _ => return unserved(shared, parts),
    };
    let found = match git::find(shared, parts, &address.place, service) {
        Ok(found) => found,
        Err(refusal) => {
            git::drain_if_small(parts, &mut upload).await;
            return *refusal;
        }
    };
    let answered = match &address.action {
        Action::Batch => batch(shared, parts, &address.place, &found, &mut upload).await,
        Action::Object(id) if service == Service::Push => keep(&found, id, &mut upload).await,
        Action::Object(id) => object(&found, id),
        Action::Verify(id) => verify(&found, id, &mut upload).await,
        Action::VerifyLocks => Ok(json(200, &Object::new().list("ours", &[]).list("theirs", &[]))),
    };
    answered.unwrap_or_else(|fault| complaint(500, &fault.to_string()))
}

/// git-lfs adds `.git` to the remote's address, and the service takes that for the repository
/// without it, unless there is one of that very name.
fn known(shared: &Shared, place: Place) -> Place {
    let state = shared.lock();
    let organization = state.organization(&place.organization);
    let is_there = |place: &Place| {
        let found = organization.map(|it| it.repository(Some(&place.project), &place.repository));
        found.flatten().is_some()
    };
    match place.repository.strip_suffix(".git") {
        Some(repository) if !is_there(&place) => {
            let is_project_left_out = place.project == place.repository;
            let project = if is_project_left_out { repository } else { &place.project };
            Place { project: project.to_owned(), repository: repository.to_owned(), ..place }
        }
        _ => place,
    }
}

fn json(status: u16, value: &Object) -> Response {
    respond(status, KIND, value.to_string())
}

fn complaint(status: u16, message: &str) -> Response {
    json(status, &Object::new().text("message", message))
}

/// An object as a request names it.
struct Asked {
    id: String,
    size: u64,
}

impl Asked {
    fn of(value: &Value) -> Option<Asked> {
        let id = value["oid"].as_str()?;
        Some(Asked { id: id.to_owned(), size: value["size"].as_u64()? })
    }
}

async fn batch(
    shared: &Arc<Shared>,
    parts: &Parts,
    place: &Place,
    found: &Found,
    upload: &mut Upload,
) -> io::Result<Response> {
    let body: Value = serde_json::from_slice(&upload.read(LONGEST).await?).unwrap_or_default();
    let takes_kind = parts.headers.get("accept").is_some_and(|accept| {
        accept.to_str().is_ok_and(|accept| accept.to_lowercase().starts_with(KIND))
    });
    if !takes_kind {
        return Ok(complaint(406, "the Accept header must be application/vnd.git-lfs+json"));
    }
    let asked: Option<Vec<Asked>> =
        body["objects"].as_array().and_then(|objects| objects.iter().map(Asked::of).collect());
    let service = match body["operation"].as_str() {
        Some("download") => Some(Service::Fetch),
        Some("upload") => Some(Service::Push),
        _ => None,
    };
    let (Some(asked), Some(service)) = (asked, service) else {
        return Ok(complaint(422, "no such batch"));
    };
    // Left out they mean "basic" and "sha256", which the service has nothing beside.
    let is_basic = body["transfers"].as_array().is_none_or(|it| it.contains(&"basic".into()));
    let is_sha256 = body["hash_algo"].as_str().is_none_or(|name| name == "sha256");
    if !is_basic || !is_sha256 {
        return Ok(complaint(409, "only basic transfers of SHA-256 objects"));
    }
    if service == Service::Push
        && let Err(refusal) = may_write(shared, parts, place)
    {
        return Ok(*refusal);
    }
    let base = base(shared, place);
    let objects: Vec<Object> =
        asked.iter().map(|asked| answer(found, &base, service, asked)).collect();
    Ok(json(200, &Object::new().text("transfer", "basic").list("objects", &objects)))
}

/// What a batch is about is known when its body is read, and reading it needs less.
fn may_write(shared: &Shared, parts: &Parts, place: &Place) -> Result<(), Refusal> {
    git::find(shared, parts, place, Service::Push).map(|_| ())
}

/// Without `.git` and without a user part, whatever was asked.
fn base(shared: &Shared, place: &Place) -> String {
    let [organization, project, repository] =
        [&place.organization, &place.project, &place.repository].map(|name| encode(name));
    format!("{}/{organization}/{project}/_git/{repository}/info/lfs/objects", shared.url)
}

/// What is to be done about an object of a batch.
fn answer(found: &Found, base: &str, service: Service, asked: &Asked) -> Object {
    let object = Object::new().text("oid", &asked.id).number("size", asked.size);
    let fault = |code, message| {
        object.clone().object("error", Object::new().number("code", code).text("message", message))
    };
    if !is_id(&asked.id) {
        return fault(422, "no SHA-256 in lower case");
    }
    let kept = fs::metadata(file(found, &asked.id)).map(|data| data.len());
    let url = format!("{base}/{}", asked.id);
    match (service, kept) {
        (_, Ok(size)) if size != asked.size => fault(422, "the object has another size"),
        (Service::Fetch, Ok(_)) => object.object("actions", Object::new().link("download", url)),
        (Service::Fetch, Err(_)) => fault(404, "there is no such object"),
        // Nothing to do: it is there.
        (Service::Push, Ok(_)) => object,
        (Service::Push, Err(_)) => object.object(
            "actions",
            Object::new().link("upload", &url).link("verify", format!("{url}/verify")),
        ),
    }
}

/// Whether this can be the name of an object, and so of a file.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where git-lfs itself has the objects of a bare repository.
pub(crate) fn objects(repository: &Path) -> PathBuf {
    repository.join("lfs/objects")
}

fn file(found: &Found, id: &str) -> PathBuf {
    objects(&found.directory).join(&id[..2]).join(&id[2..4]).join(id)
}

fn object(found: &Found, id: &str) -> io::Result<Response> {
    let content = is_id(id).then(|| fs::read(file(found, id)));
    Ok(match content {
        Some(Ok(content)) => respond(200, "application/octet-stream", Body::from(content)),
        _ => complaint(404, "there is no such object"),
    })
}

async fn keep(found: &Found, id: &str, upload: &mut Upload) -> io::Result<Response> {
    let mut content = Vec::new();
    while let Some(part) = upload.chunk().await? {
        content.extend_from_slice(&part);
    }
    if sha256(&content) != id {
        return Ok(complaint(422, "the content is not what its name says"));
    }
    let file = file(found, id);
    fs::create_dir_all(file.parent().unwrap_or(&found.directory))?;
    fs::write(file, content)?;
    Ok(empty(200))
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn verify(found: &Found, id: &str, upload: &mut Upload) -> io::Result<Response> {
    let body: Value = serde_json::from_slice(&upload.read(LONGEST).await?).unwrap_or_default();
    let asked = Asked::of(&body).filter(|asked| asked.id == id && is_id(id));
    let Some(asked) = asked else { return Ok(complaint(422, "no such object")) };
    Ok(match fs::metadata(file(found, id)) {
        Ok(data) if data.len() == asked.size => empty(200),
        Ok(_) => complaint(422, "the object has another size"),
        Err(_) => complaint(404, "there is no such object"),
    })
}
