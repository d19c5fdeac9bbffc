//! How the service says no, in its many ways.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::authentication::NotSignedIn;
use crate::json::Object;
use crate::names::encode;
use crate::organization::SignedOut;
use crate::state::{OrganizationState, Shared};

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const ZERO_TENANT: &str = "00000000-0000-0000-0000-000000000000";

/// A response instead of what was asked for; boxed, since it is far larger than what it stands in for.
pub(crate) type Refusal = Box<Response>;

/// A response of that kind with that body.
pub(crate) fn respond(status: u16, content_type: &str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of HTTP");
    put(&mut response, CONTENT_TYPE, content_type);
    response
}

/// A response without a body.
pub(crate) fn empty(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of HTTP");
    response
}

/// One more header line; its value is ours, or encoded by us.
pub(crate) fn put(response: &mut Response, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("a header value of HTTP");
    response.headers_mut().append(name, value);
}

/// A plain text that git shows to the person (it shows no other).
pub(crate) fn text(status: u16, message: &str) -> Response {
    respond(status, TEXT, message.to_owned())
}

/// The page behind an address that leads nowhere, also that of an organization which is not there.
pub(crate) fn not_found_page() -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>Azure DevOps Services | 404 Not Found</title></head>\
                <body><h1>404 - Page not found</h1></body></html>\n";
    respond(404, HTML, page)
}

/// The page on which a person signs in.
pub(crate) fn sign_in_page() -> String {
    "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>Azure DevOps Services | Sign In</title></head>\
     <body><form method=\"post\"><input name=\"ctx\"/></form></body></html>\n"
        .to_owned()
}

/// The body of a redirect.
pub(crate) fn moved_page(location: &str) -> String {
    let location = location.replace('&', "&amp;");
    format!(
        "<html><head><title>Object moved</title></head><body>\r\n\
         <h2>Object moved to <a href=\"{location}\">here</a>.</h2>\r\n</body></html>\r\n"
    )
}

/// The body of a refusal in JSON.
pub(crate) fn error_body(type_key: &str, message: &str) -> String {
    let space = match type_key {
        key if key.starts_with("Git") => "Microsoft.TeamFoundation.Git.Server",
        key if key.starts_with("Vss") => "Microsoft.VisualStudio.Services.WebApi",
        _ => "Microsoft.TeamFoundation.Core.WebApi",
    };
    Object::new()
        .text("$id", "1")
        .null("innerException")
        .text("message", message)
        .text("typeName", format!("{space}.{type_key}, {space}"))
        .text("typeKey", type_key)
        .number("errorCode", 0)
        .number("eventId", 3000)
        .to_string()
}

/// A refusal in JSON.
pub(crate) fn error(status: u16, type_key: &str, message: &str) -> Response {
    respond(status, "application/json; charset=utf-8", error_body(type_key, message))
}

/// A refusal of the body by the part of the service that reads it.
pub(crate) fn model_error(status: u16, message: &str) -> Response {
    let body =
        Object::new().number("count", 1).object("value", Object::new().text("Message", message));
    respond(status, "application/json; charset=utf-8", body.to_string())
}

fn suppresses_redirects(headers: &HeaderMap) -> bool {
    headers
        .get("x-tfs-fedauthredirect")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"suppress"))
}

/// A REST call that is not signed in.
pub(crate) fn not_signed_in(
    shared: &Shared,
    organization: &OrganizationState,
    turn: usize,
    parts: &Parts,
    why: &NotSignedIn,
) -> Response {
    match why {
        NotSignedIn::Stranger { id } => return stranger(id),
        NotSignedIn::NeverSeen { who } => {
            return error(403, "UnauthorizedRequestException", &sign_in_once(who));
        }
        _ => {}
    }
    let shape = match organization.signed_out {
        _ if suppresses_redirects(&parts.headers) => SignedOut::Unauthorized,
        _ if *why == NotSignedIn::PersonalAccounts => SignedOut::Redirect,
        shape => shape,
    };
    signed_out(shared, organization, turn, parts, shape, Some(why))
}

/// A REST call with a token whose scopes don't reach: 401, and never a word about scopes.
pub(crate) fn scope_missing(
    shared: &Shared,
    organization: &OrganizationState,
    turn: usize,
    parts: &Parts,
) -> Response {
    let shape = match suppresses_redirects(&parts.headers) {
        true => SignedOut::Unauthorized,
        false => SignedOut::NonAuthoritative,
    };
    signed_out(shared, organization, turn, parts, shape, None)
}

/// `git` is never redirected: it asks for a credential on 401 alone.
pub(crate) fn git_not_signed_in(
    organization: &OrganizationState,
    turn: usize,
    why: Option<&NotSignedIn>,
) -> Response {
    let body = match why {
        None
        | Some(
            NotSignedIn::Expired { bearer: false }
            | NotSignedIn::OtherTenant { bearer: false }
            | NotSignedIn::Unknown,
        ) => String::new(),
        Some(_) => sign_in_page(),
    };
    let mut response = respond(401, HTML, body);
    challenge(&mut response, organization, turn, why);
    response
}

fn signed_out(
    shared: &Shared,
    organization: &OrganizationState,
    turn: usize,
    parts: &Parts,
    shape: SignedOut,
    why: Option<&NotSignedIn>,
) -> Response {
    match shape {
        SignedOut::Redirect => {
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let reply_to = encode(&format!("{}{path}", shared.url));
            let location =
                format!("{}?realm=dev.azure.com&reply_to={reply_to}", shared.sign_in_url);
            let mut response = respond(302, HTML, moved_page(&location));
            put(&mut response, LOCATION, &location);
            name_tenant(&mut response, organization);
            response
        }
        SignedOut::NonAuthoritative => {
            let mut response = respond(203, HTML, sign_in_page());
            name_tenant(&mut response, organization);
            response
        }
        SignedOut::Unauthorized => {
            let mut response = match why {
                Some(NotSignedIn::Anonymous | NotSignedIn::PersonalAccounts) => {
                    respond(401, HTML, sign_in_page())
                }
                Some(
                    NotSignedIn::Expired { bearer: true }
                    | NotSignedIn::OtherTenant { bearer: true },
                ) => error(
                    401,
                    "UnauthorizedRequestException",
                    "TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized \
                     to access this resource.",
                ),
                _ => respond(401, HTML, Body::empty()),
            };
            challenge(&mut response, organization, turn, why);
            response
        }
    }
}

/// What somebody is told whom the organization has never seen.
pub(crate) fn sign_in_once(who: &str) -> String {
    format!(
        "TF401444: Please sign-in at least once as {who} in a web browser to enable access to the \
         service."
    )
}

/// Someone whom another organization knows.
pub(crate) fn stranger(id: &str) -> Response {
    let message = format!("TF400813: The user '{id}' is not authorized to access this resource.");
    let mut response = error(401, "UnauthorizedRequestException", &message);
    put(&mut response, WWW_AUTHENTICATE, "TFS-Federated");
    put(&mut response, WWW_AUTHENTICATE, "Bearer");
    response
}

fn name_tenant(response: &mut Response, organization: &OrganizationState) {
    if organization.hides_tenant {
        return;
    }
    let tenant = organization.tenant.as_deref().unwrap_or(ZERO_TENANT);
    put(response, HeaderName::from_static("x-vss-resourcetenant"), tenant);
}

/// The headers of a 401. The order of the challenges goes with `turn`, since no client may rely
/// on one.
fn challenge(
    response: &mut Response,
    organization: &OrganizationState,
    turn: usize,
    why: Option<&NotSignedIn>,
) {
    let bearer = match (&organization.authority, &organization.tenant) {
        (Some(authority), _) => format!("Bearer authorization_uri={authority}"),
        (None, Some(tenant)) => {
            format!("Bearer authorization_uri=https://login.microsoftonline.com/{tenant}")
        }
        (None, None) => "Bearer".to_owned(),
    };
    let basic = "Basic realm=\"https://tfsprodcus3.visualstudio.com/\"".to_owned();
    let mut challenges = vec![bearer, basic, "TFS-Federated".to_owned()];
    challenges.rotate_left(turn % 3);
    if organization.joins_challenges {
        challenges = vec![challenges.join(", ")];
    }
    for line in challenges {
        put(response, WWW_AUTHENTICATE, &line);
    }
    name_tenant(response, organization);
    let endpoint = format!("https://vssps.dev.azure.com/{}/", encode(&organization.name));
    put(response, HeaderName::from_static("x-vss-authorizationendpoint"), &endpoint);
    let realm = "https://tfsprodcus3.visualstudio.com/";
    put(response, HeaderName::from_static("x-tfs-fedauthrealm"), realm);
    if why == Some(&NotSignedIn::Anonymous) {
        let text = "TF400813: Resource not available for anonymous access. Client authentication \
                    required.";
        put(response, HeaderName::from_static("x-tfs-serviceerror"), &encode(text));
    }
}
