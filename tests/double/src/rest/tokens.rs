//! Personal access tokens: `_apis/tokens/pats` of `vssps.dev.azure.com`
//! (specification/tokens/7.2 in Microsoft's description of the API).

use std::time::{Duration, SystemTime};

use axum::response::Response;
use jiff::Timestamp;

use super::{Call, json};
use crate::json::Object;
use crate::refusal::{empty, error};
use crate::state::{OrganizationState, State};
use crate::token::{Issued, Kind, Made, personal_access_token};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a token lasts for which nothing is asked.
const USUAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The service makes none that lasts longer, whatever the policies.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

const SCOPES: [&str; 19] = [
    "app_token",
    "vso.build",
    "vso.build_execute",
    "vso.code",
    "vso.code_full",
    "vso.code_manage",
    "vso.code_status",
    "vso.code_write",
    "vso.packaging",
    "vso.packaging_manage",
    "vso.packaging_write",
    "vso.profile",
    "vso.project",
    "vso.project_manage",
    "vso.project_write",
    "vso.release",
    "vso.work",
    "vso.work_full",
    "vso.work_write",
];

/// What an organization's administrator says about personal access tokens.
#[derive(Clone, Default)]
pub(crate) struct TokenPolicy {
    /// The `patTokenError` of every creation.
    pub(crate) error: Option<String>,
    pub(crate) longest_days: Option<u32>,
    /// Longer ones are made, but last only so long.
    pub(crate) shortened_days: Option<u32>,
    pub(crate) forbids_full: bool,
    pub(crate) scopes: Option<Vec<String>>,
}

/// What is asked for.
struct Wanted {
    name: String,
    scopes: Vec<String>,
    valid_until: SystemTime,
}

pub(super) fn create(call: &Call<'_>) -> Response {
    let Some(caller) = &call.caller else { return empty(401) };
    let mut state = call.shared.lock();
    let (organization, now) = (call.state(&state), state.now());
    let wanted = match wanted(call, organization, now) {
        Ok(wanted) => wanted,
        Err(fault) => return refused(call, &fault),
    };
    let secret = personal_access_token();
    let made = Made {
        id: state.new_id(&["token", call.organization, &wanted.name]),
        name: wanted.name,
        from: now,
    };
    let token = Issued {
        organization: Some(call.organization.to_owned()),
        scopes: wanted.scopes,
        made: Some(made),
        ..Issued::new(&secret, Kind::Personal, &caller.token.account, wanted.valid_until)
    };
    let shown = shown(call.state(&state), &token, true);
    state.learn(Some(&secret));
    state.tokens.push(token);
    result(Some(shown), "none", None)
}

fn wanted(
    call: &Call<'_>,
    organization: &OrganizationState,
    now: SystemTime,
) -> Result<Wanted, String> {
    let policy = &organization.token_policy;
    let text = |key: &str| call.body[key].as_str().unwrap_or_default();
    let refuse = |error: &str| Err(error.to_owned());
    if let Some(error) = &policy.error {
        return refuse(error);
    }
    let name = text("displayName");
    if name.trim().is_empty() {
        return refuse("displayNameRequired");
    }
    if name.chars().count() > 255 || name.chars().any(char::is_control) {
        return refuse("invalidDisplayName");
    }
    let scopes: Vec<String> = text("scope").split_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() || scopes.iter().any(|scope| !SCOPES.contains(&scope.as_str())) {
        return refuse("invalidScope");
    }
    if call.body["allOrgs"].as_bool() == Some(true) {
        // Since March 2026, everywhere.
        return refuse("globalPATCreationBlocked");
    }
    if policy.forbids_full && scopes.iter().any(|scope| scope == "app_token") {
        return refuse("fullScopePatPolicyViolation");
    }
    let allows = |scope: &String| policy.scopes.as_ref().is_none_or(|known| known.contains(scope));
    if !scopes.iter().all(allows) {
        return refuse("disablePatCreationPolicyViolation");
    }
    let days = |days: Option<u32>| days.map(|days| now + days * DAY);
    let asked = match &call.body["validTo"] {
        serde_json::Value::Null => now + USUAL,
        asked => match asked.as_str().and_then(moment) {
            Some(asked) => asked,
            None => return refuse("invalidValidTo"),
        },
    };
    if asked <= now || asked > now + LONGEST {
        return refuse("invalidValidTo");
    }
    if days(policy.longest_days).is_some_and(|longest| asked > longest) {
        return refuse("patLifespanPolicyViolation");
    }
    let valid_until = days(policy.shortened_days).map_or(asked, |shortened| asked.min(shortened));
    Ok(Wanted { name: name.to_owned(), scopes, valid_until })
}

fn moment(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok()?.try_into().ok()
}

/// A failure is no failure to HTTP.
fn refused(call: &Call<'_>, fault: &str) -> Response {
    let says_why = call.version.is_some_and(|version| !version.starts_with("7.1"));
    result(None, fault, says_why.then_some("The token could not be made."))
}

fn result(token: Option<Object>, fault: &str, message: Option<&str>) -> Response {
    let object = Object::new();
    let object = match token {
        Some(token) => object.object("patToken", token),
        None => object.null("patToken"),
    };
    json(200, &object.text("patTokenError", fault).optional_text("patTokenErrorMessage", message))
}

fn shown(organization: &OrganizationState, token: &Issued, with_secret: bool) -> Object {
    let made = token.made.as_ref().expect("only tokens that were made are shown");
    let object = Object::new()
        .text("displayName", &made.name)
        .text("validTo", time(token.valid_until))
        .text("scope", token.scopes.join(" "))
        .texts("targetAccounts", &[&organization.instance_id])
        .text("validFrom", time(made.from))
        .text("authorizationId", &made.id);
    match with_secret {
        true => object.text("token", &token.secret),
        false => object.null("token"),
    }
}

/// As the service writes times: UTC, at most 7 digits behind the point and no zeros at the end.
pub(crate) fn time(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).expect("times are within the calendar");
    let whole = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let fraction = format!("{:07}", time.subsec_nanosecond() / 100);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{whole}Z") } else { format!("{whole}.{fraction}Z") }
}

fn is_theirs(call: &Call<'_>, token: &Issued) -> bool {
    let account = call.caller.as_ref().map(|caller| caller.token.account.as_str());
    token.made.is_some()
        && token.organization.as_deref() == Some(call.organization)
        && account == Some(&token.account)
}

fn find<'a>(call: &Call<'_>, state: &'a mut State, id: &str) -> Option<&'a mut Issued> {
    let has_id =
        |token: &Issued| token.made.as_ref().is_some_and(|made| made.id.eq_ignore_ascii_case(id));
    state.tokens.iter_mut().find(|token| is_theirs(call, token) && has_id(token))
}

pub(super) fn get(call: &Call<'_>) -> Response {
    let mut state = call.shared.lock();
    if let Some(id) = call.asked("authorizationId") {
        let Some(token) = find(call, &mut state, id).cloned() else {
            return refused(call, "authorizationNotFound");
        };
        return result(Some(shown(call.state(&state), &token, false)), "none", None);
    }
    let filter = call.asked("displayFilterOption").unwrap_or("active").to_lowercase();
    let now = state.now();
    let fits = |token: &&Issued| match filter.as_str() {
        "all" => true,
        "revoked" => token.revoked,
        "expired" => token.is_expired(now),
        _ => !token.revoked && !token.is_expired(now),
    };
    let theirs = state.tokens.iter().filter(|token| is_theirs(call, token)).filter(fits);
    let tokens: Vec<Object> = theirs.map(|token| shown(call.state(&state), token, false)).collect();
    json(200, &Object::new().text("continuationToken", "").list("patTokens", &tokens))
}

pub(super) fn delete(call: &Call<'_>) -> Response {
    let mut state = call.shared.lock();
    let found = call.asked("authorizationId").and_then(|id| find(call, &mut state, id));
    match found {
        Some(token) => {
            token.revoked = true;
            empty(204)
        }
        None => error(404, "AuthorizationNotFoundException", "The authorization was not found."),
    }
}
