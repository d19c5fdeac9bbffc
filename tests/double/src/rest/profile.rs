//! The identity side: `_apis/profile/profiles/me` and `_apis/accounts`.
//!
//! Without an organization in the path it is `app.vssps.visualstudio.com`, which takes no token
//! that is bound to one organization.

use axum::http::request::Parts;
use axum::response::Response;

use super::{Call, json, value_in};
use crate::authentication::{self, NotSignedIn};
use crate::json::Object;
use crate::names::{encode, same, stable_id};
use crate::refusal::{empty, error, stranger};
use crate::server::unserved;
use crate::state::{Person, Shared, State};
use crate::token::Issued;

/// The profile as an organization's host gives it.
pub(super) fn of_member(call: &Call<'_>) -> Response {
    match &call.caller {
        Some(caller) => json(200, &profile(&caller.person)),
        None => empty(401),
    }
}

/// Calls without an organization.
pub(super) fn serve(
    shared: &Shared,
    parts: &Parts,
    rest: &[String],
    query: &[(String, String)],
) -> Response {
    let rest: Vec<String> = rest.iter().map(|segment| segment.to_lowercase()).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let call = match (parts.method.as_str(), rest.as_slice()) {
        ("GET", ["profile", "profiles", "me"]) => my_profile,
        ("GET", ["accounts"]) => accounts,
        _ => return unserved(shared, parts),
    };
    let state = shared.lock();
    let token = match authentication::known_token(&state, &parts.headers) {
        Ok(token) if token.organization.is_none() && token.allows_any(&["vso.profile"]) => token,
        Err(NotSignedIn::Stranger { id }) => return stranger(&id),
        _ => return empty(401),
    };
    call(shared, &state, &token, query)
}

fn person<'a>(state: &'a State, token: &Issued) -> Option<&'a Person> {
    state.organizations.iter().find_map(|organization| organization.person(&token.account))
}

fn my_profile(_: &Shared, state: &State, token: &Issued, _: &[(String, String)]) -> Response {
    match person(state, token) {
        Some(person) => json(200, &profile(person)),
        None => {
            let id = stable_id(&["person", &token.account]);
            let message = format!("VS403421: The profile of {id} does not exist.");
            error(404, "ProfileDoesNotExistException", &message)
        }
    }
}

fn profile(person: &Person) -> Object {
    Object::new()
        .text("displayName", &person.display_name)
        .text("publicAlias", &person.id)
        .text("emailAddress", &person.account)
        .number("coreRevision", 442_710_741)
        .text("timeStamp", "2025-01-10T12:13:40.297+00:00")
        .text("id", &person.id)
        .number("revision", 442_710_741)
}

fn accounts(
    shared: &Shared,
    state: &State,
    token: &Issued,
    query: &[(String, String)],
) -> Response {
    let Some(member) = value_in(query, "memberId").or(value_in(query, "ownerId")) else {
        return error(400, "VssPropertyValidationException", "memberId or ownerId is required.");
    };
    let is_theirs =
        |person: &Person| same(&person.id, member) && same(&person.account, &token.account);
    let theirs =
        state.organizations.iter().filter(|organization| organization.people.iter().any(is_theirs));
    let account = |organization: &crate::state::OrganizationState| {
        Object::new()
            .text("accountId", &organization.instance_id)
            .text("accountUri", format!("{}/{}/", shared.url, encode(&organization.name)))
            .text("accountName", &organization.name)
            .optional_text("accountStatus", organization.status.as_deref())
            .object("properties", Object::new())
    };
    let accounts: Vec<Object> = theirs.map(account).collect();
    json(200, &Object::new().number("count", accounts.len() as u64).list("value", &accounts))
}
