//! Who is asking.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::log::basic;
use crate::names::{same, stable_id};
use crate::state::{OrganizationState, Person, State};
use crate::token::{Issued, Kind};

/// Somebody that the organization knows.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) person: Person,
    pub(crate) token: Issued,
}

/// Why a request is not signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotSignedIn {
    /// No credential came.
    Anonymous,
    /// The credential is none that the service knows, or no longer.
    Unknown,
    /// It has expired; whether it was sent as `Bearer`.
    Expired { bearer: bool },
    /// It is sound, but that user has no business in this organization.
    Stranger { id: String },
    /// An Entra token of another tenant than the organization's; whether it was sent as `Bearer`.
    OtherTenant { bearer: bool },
    /// It is sound, but that member (`TENANT\UPN`) has to open the organization in a browser first.
    NeverSeen { who: String },
    /// An Entra token at an organization of personal accounts.
    PersonalAccounts,
}

/// The token of a request and whether it was sent as `Bearer`.
pub(crate) fn credential(headers: &HeaderMap) -> Option<(String, bool)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    if let Some((_, password)) = basic(header) {
        return Some((password, false));
    }
    let (kind, token) = header.split_once(' ').unwrap_or((header, ""));
    Some((token.trim().to_owned(), kind.eq_ignore_ascii_case("bearer")))
}

/// Finds out who asks an organization.
pub(crate) fn caller(
    state: &State,
    organization: &OrganizationState,
    headers: &HeaderMap,
) -> Result<Caller, NotSignedIn> {
    let token = known_token(state, headers)?;
    let passes_through = headers
        .get("x-vss-forcemsapassthrough")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if token.kind == Kind::Entra && organization.tenant.is_none() && !passes_through {
        return Err(NotSignedIn::PersonalAccounts);
    }
    if let (Kind::Entra, Some(ours), Some(theirs)) =
        (token.kind, &organization.tenant, &token.tenant)
    {
        if !same(ours, theirs) {
            let bearer = credential(headers).is_some_and(|(_, bearer)| bearer);
            return Err(NotSignedIn::OtherTenant { bearer });
        }
        let is_never_seen = |account: &String| same(account, &token.account);
        if organization.never_seen.iter().any(is_never_seen) {
            return Err(NotSignedIn::NeverSeen { who: format!("{theirs}\\{}", token.account) });
        }
        // Taken as the personal account of that address, which has no business here.
        if passes_through && state.microsoft.is_personal(&token.account) {
            return Err(NotSignedIn::Stranger { id: stable_id(&["personal", &token.account]) });
        }
    }
    let elsewhere = token.organization.as_deref().is_some_and(|name| name != organization.name);
    match organization.person(&token.account) {
        Some(person) if !elsewhere => Ok(Caller { person: person.clone(), token }),
        _ => Err(NotSignedIn::Stranger { id: stable_id(&["person", &token.account]) }),
    }
}

/// The token of a request, sound wherever it may belong.
pub(crate) fn known_token(state: &State, headers: &HeaderMap) -> Result<Issued, NotSignedIn> {
    let (secret, bearer) = credential(headers).ok_or(NotSignedIn::Anonymous)?;
    let known = state.tokens.iter().find(|token| token.secret == secret && !token.revoked);
    let token = known.filter(|token| !token.is_foreign).ok_or(NotSignedIn::Unknown)?;
    if token.is_expired(state.now()) {
        return Err(NotSignedIn::Expired { bearer });
    }
    Ok(token.clone())
}
