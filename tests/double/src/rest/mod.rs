//! The REST API: who may call what in which version; the calls themselves are below.

mod connection;
mod processes;
mod profile;
mod projects;
mod pull_requests;
mod repositories;
mod tokens;

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::authentication::{self, Caller, NotSignedIn};
use crate::json::Object;
use crate::names::encode;
use crate::refusal::{
    Refusal, empty, error, model_error, not_found_page, not_signed_in, put, respond, scope_missing,
};
use crate::server::unserved;
use crate::state::{OrganizationState, Shared, State};
use crate::token::Kind;
use crate::upload::Upload;

pub(crate) use tokens::{TokenPolicy, time};

/// Largest body that the API reads.
const BODY_LIMIT: u64 = 1024 * 1024;

/// `/[ORGANIZATION/[PROJECT/]]_apis/REST…`, decoded.
pub(crate) struct Address {
    pub(crate) organization: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) rest: Vec<String>,
}

/// One call that may be made, with all that it needs.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) organization: &'a str,
    pub(crate) project: Option<&'a str>,
    /// Ids and names in the address, in their order.
    pub(crate) names: Vec<&'a str>,
    pub(crate) query: Vec<(String, String)>,
    /// The api-version that is asked for.
    pub(crate) version: Option<&'a str>,
    pub(crate) body: Value,
    /// None: without a credential, where that is allowed.
    pub(crate) caller: Option<Caller>,
}

impl Call<'_> {
    /// A value of the query; names are compared without case.
    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        value_in(&self.query, name)
    }

    /// The organization's address.
    pub(crate) fn base(&self) -> String {
        format!("{}/{}", self.shared.url, encode(self.organization))
    }

    /// What is known of the organization.
    pub(crate) fn state<'s>(&self, state: &'s State) -> &'s OrganizationState {
        state.organization(self.organization).expect("it was found before and organizations stay")
    }

    pub(crate) fn state_mut<'s>(&self, state: &'s mut State) -> &'s mut OrganizationState {
        state
            .organization_mut(self.organization)
            .expect("it was found before and organizations stay")
    }
}

/// What an address and a method stand for.
struct Resource {
    /// One of these is needed; none are: any credential will do.
    scopes: &'static [&'static str],
    /// There is no released version of it.
    preview_only: bool,
    /// Somebody not signed in may call it where there are public projects.
    open: bool,
    /// No personal access token will do, whatever its scopes.
    entra_only: bool,
    call: fn(&Call<'_>) -> Response,
}

impl Resource {
    const fn new(scopes: &'static [&'static str], call: fn(&Call<'_>) -> Response) -> Resource {
        Resource { scopes, preview_only: false, open: false, entra_only: false, call }
    }

    fn find<'a>(
        method: &Method,
        in_project: bool,
        rest: &'a [String],
    ) -> Option<(Resource, Vec<&'a str>)> {
        const READ_PROJECT: &[&str] = &["vso.profile", "vso.project"];
        let lower: Vec<String> = rest.iter().map(|segment| segment.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let name = |at: usize| vec![rest[at].as_str()];
        let found = match (method.as_str(), in_project, lower.as_slice()) {
            ("GET", false, ["connectiondata"]) => {
                let resource = Resource::new(&[], connection::get);
                (Resource { preview_only: true, open: true, ..resource }, vec![])
            }
            ("GET", false, ["profile", "profiles", "me"]) => {
                (Resource::new(&["vso.profile"], profile::of_member), vec![])
            }
            (method @ ("GET" | "POST" | "DELETE"), false, ["tokens", "pats"]) => {
                let (scope, call): (&[&str], fn(&Call<'_>) -> Response) = match method {
                    "GET" => (&["vso.pats"], tokens::get),
                    "POST" => (&["vso.pats_manage"], tokens::create),
                    _ => (&["vso.pats_manage"], tokens::delete),
                };
                let resource = Resource::new(scope, call);
                (Resource { preview_only: true, entra_only: true, ..resource }, vec![])
            }
            ("GET", false, ["projects"]) => (Resource::new(READ_PROJECT, projects::list), vec![]),
            ("GET", false, ["projects", _]) => {
                (Resource::new(READ_PROJECT, projects::get), name(1))
            }
            ("POST", false, ["projects"]) => {
                (Resource::new(&["vso.project_manage"], projects::create), vec![])
            }
            ("DELETE", false, ["projects", _]) => {
                (Resource::new(&["vso.project_manage"], projects::delete), name(1))
            }
            ("GET", false, ["operations", _]) => (Resource::new(&[], projects::operation), name(1)),
            ("GET", false, ["process", "processes"]) => {
                (Resource::new(&["vso.work"], processes::list), vec![])
            }
            ("GET", _, ["git", "repositories"]) => {
                (Resource::new(&["vso.code"], repositories::list), vec![])
            }
            ("GET", _, ["git", "repositories", _]) => {
                (Resource::new(&["vso.code"], repositories::get), name(2))
            }
            ("POST", _, ["git", "repositories"]) => {
                (Resource::new(&["vso.code_manage"], repositories::create), vec![])
            }
            ("PATCH", _, ["git", "repositories", _]) => {
                (Resource::new(&["vso.code_manage"], repositories::change), name(2))
            }
            ("DELETE", _, ["git", "repositories", _]) => {
                (Resource::new(&["vso.code_manage"], repositories::delete), name(2))
            }
            ("POST", _, ["git", "repositories", _, "pullrequests"]) => {
                (Resource::new(&["vso.code_write"], pull_requests::create), name(2))
            }
            _ => return None,
        };
        Some(found)
    }
}

/// Answers a call of the API.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    parts: &Parts,
    address: &Address,
    mut upload: Upload,
) -> Response {
    // Read before anything is refused, so that a refusal does not cost the connection.
    let Ok(body) = upload.read(BODY_LIMIT).await else { return empty(400) };
    let query = decode_query(parts.uri.query().unwrap_or_default());
    let version = version(&parts.headers, &query);
    let mut response = match &address.organization {
        Some(organization) => answer(shared, parts, organization, address, query, &version, &body),
        None => profile::serve(shared, parts, &address.rest, &query),
    };
    name_version(&mut response, version.as_deref());
    response
}

fn answer(
    shared: &Shared,
    parts: &Parts,
    organization: &str,
    address: &Address,
    query: Vec<(String, String)>,
    version: &Option<String>,
    body: &[u8],
) -> Response {
    let found = Resource::find(&parts.method, address.project.is_some(), &address.rest);
    let Some((resource, names)) = found else { return unserved(shared, parts) };
    let (organization, caller) = match admit(shared, parts, organization, &resource) {
        Ok(admitted) => admitted,
        Err(refusal) => return *refusal,
    };
    let released = shared.lock().organization(&organization).map(|it| (it.released, it.newest));
    let released = released.expect("it was just found");
    if let Some(refusal) = refuse_version(&parts.method, version.as_deref(), &resource, released) {
        return refusal;
    }
    let body = match json_body(parts, body) {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let project = address.project.as_deref();
    let organization = organization.as_str();
    let version = version.as_deref();
    let call = Call { shared, organization, project, names, query, version, body, caller };
    (resource.call)(&call)
}

/// The organization's own name and who calls it, or how it refuses.
fn admit(
    shared: &Shared,
    parts: &Parts,
    name: &str,
    resource: &Resource,
) -> Result<(String, Option<Caller>), Refusal> {
    let mut state = shared.lock();
    state.refusals += 1;
    let turn = state.refusals;
    let organization = state.serving(name).ok_or_else(|| Box::new(not_found_page()))?;
    match authentication::caller(&state, organization, &parts.headers) {
        Ok(caller) if resource.entra_only && caller.token.kind != Kind::Entra => {
            Err(Box::new(scope_missing(shared, organization, turn, parts)))
        }
        Ok(caller) if caller.token.allows_any(resource.scopes) => {
            Ok((organization.name.clone(), Some(caller)))
        }
        Ok(_) => Err(Box::new(scope_missing(shared, organization, turn, parts))),
        Err(NotSignedIn::Anonymous) if resource.open && organization.has_public_projects() => {
            Ok((organization.name.clone(), None))
        }
        Err(why) => Err(Box::new(not_signed_in(shared, organization, turn, parts, &why))),
    }
}

/// The organization's web page: who is signed out is told the tenant all the same.
pub(crate) fn page(shared: &Shared, parts: &Parts, organization: &str) -> Response {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return unserved(shared, parts);
    }
    match admit(shared, parts, organization, &Resource::new(&[], connection::get)) {
        Err(refusal) => *refusal,
        Ok(_) => {
            let page =
                "<!DOCTYPE html>\n<html><head><title>Projects - Home</title></head></html>\n";
            respond(200, "text/html; charset=utf-8", page)
        }
    }
}

fn json_body(parts: &Parts, body: &[u8]) -> Result<Value, Refusal> {
    if !matches!(parts.method, Method::POST | Method::PATCH | Method::PUT) {
        return Ok(Value::Null);
    }
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !kind.to_lowercase().starts_with("application/json") {
        let message = format!(
            "The request contains an entity body but the media type '{kind}' is not supported for \
             this resource."
        );
        return Err(Box::new(model_error(415, &message)));
    }
    serde_json::from_slice(body).map_err(|fault| Box::new(model_error(400, &fault.to_string())))
}

/// The parameters of a query or a form.
pub(crate) fn decode_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let split = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(&value.replace('+', " ")))
    };
    pairs.map(split).collect()
}

fn value_in<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = query.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// The api-version that is asked for, in the query or in `Accept`.
fn version(headers: &HeaderMap, query: &[(String, String)]) -> Option<String> {
    if let Some(version) = value_in(query, "api-version") {
        return Some(version.to_owned());
    }
    let accept = headers.get(ACCEPT)?.to_str().ok()?;
    let parameter = |part: &str| {
        let (name, value) = part.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("api-version").then(|| value.trim().to_owned())
    };
    accept.split([';', ',']).find_map(parameter)
}

/// The service repeats the version in its JSON answers.
fn name_version(response: &mut Response, version: Option<&str>) {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (Some("application/json; charset=utf-8"), Some(version)) = (kind, version) else { return };
    if version.bytes().all(|byte| byte.is_ascii_graphic()) {
        response.headers_mut().remove(CONTENT_TYPE);
        let kind = format!("application/json; charset=utf-8; api-version={version}");
        put(response, CONTENT_TYPE, &kind);
    }
}

fn refuse_version(
    method: &Method,
    version: Option<&str>,
    resource: &Resource,
    (released, newest): ((u32, u32), (u32, u32)),
) -> Option<Response> {
    let Some(version) = version else {
        let message = format!(
            "No api-version was supplied for the \"{method}\" request. The version must be supplied \
             either as part of the Accept header (e.g. \"application/json; api-version=1.0\") or as \
             a query parameter (e.g. \"?api-version=1.0\")."
        );
        let needs_one = !matches!(*method, Method::GET | Method::HEAD);
        return needs_one.then(|| error(400, "VssVersionNotSpecifiedException", &message));
    };
    let (number, preview) = match version.split_once('-') {
        Some((number, _)) => (number, true),
        None => (version, false),
    };
    let parsed = number
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    let Some(asked) = parsed else {
        let message = format!("The api-version \"{version}\" is not valid.");
        return Some(error(400, "VssInvalidApiVersionException", &message));
    };
    if asked > newest {
        let (major, minor) = newest;
        let message = format!(
            "The requested REST API version of {number} is out of range for this server. The latest \
             REST API version this server supports is {major}.{minor}."
        );
        return Some(error(400, "VssVersionOutOfRangeException", &message));
    }
    if !preview && (resource.preview_only || asked > released) {
        let message = format!(
            "The requested version \"{number}\" of the resource is under preview. The -preview flag \
             must be supplied in the api-version for such requests. For example: \"{number}-preview\""
        );
        return Some(error(400, "VssInvalidPreviewVersionException", &message));
    }
    None
}

/// An answer with JSON.
pub(crate) fn json(status: u16, object: &Object) -> Response {
    respond(status, "application/json; charset=utf-8", Body::from(object.to_string()))
}

/// A header of the list of projects.
pub(crate) const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuationtoken");

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::version;

    #[test]
    fn the_version_is_asked_for_in_the_query_or_in_accept() {
        for (query, accept, expected) in [
            ("7.1", "", Some("7.1")),
            ("7.1", "application/json;api-version=5.0", Some("7.1")),
            ("", "application/json;api-version=5.0-preview.1", Some("5.0-preview.1")),
            ("", "text/html, application/json; api-version=5.0; x=y", Some("5.0")),
            ("", "application/json", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("accept", HeaderValue::from_static(accept));
            let query = match query {
                "" => vec![],
                query => vec![("Api-Version".to_owned(), query.to_owned())],
            };
            assert_eq!(version(&headers, &query).as_deref(), expected, "{query:?} {accept:?}");
        }
    }
}
