//! What a push that was not answered means, and what is forgotten on its account.

use super::handover::not_pushed;
use super::not_planned;
use super::send::Signer;
use crate::azure;
use crate::commands::place::{self, Place, Wanted};
use crate::context::{Context, SignIn, Source};
use crate::error::{Error, Kind, too_large};
use crate::http::{self, Reason};
use crate::remote::{Organization, RemoteUrl};
use crate::repository::PushError;

/// What a push that was not answered means.
///
/// A credential that git refused is asked about once more, by REST: only one that both refuse is
/// forgotten, and only one that was kept.
pub(super) fn explain(
    context: &Context,
    url: &RemoteUrl,
    remote: &str,
    signer: &Signer,
    error: PushError,
) -> Error {
    let refusal = match error {
        PushError::Http(http::Error::Refused(ref refusal)) => refusal.clone(),
        PushError::TooLarge { ref part, .. } => {
            let part = part.as_ref().map(|(commit, reference)| (*commit, reference.clone()));
            return too_large(error, remote, part);
        }
        PushError::Plan(error) => return not_planned(error, remote),
        PushError::Handover(error) => return not_pushed(error, url),
        error => return error.into(),
    };
    let place = Place::from(url);
    match refusal.reason {
        Reason::NoRepository | Reason::NoProject | Reason::NotFound => match &signer.sign_in {
            Some(sign_in) => why_missing(context, &place, sign_in, error),
            None => place::no_repository(&place).missing_repository(),
        },
        _ if !refusal.is_about_sign_in() => Error::from(error),
        _ => match &signer.sign_in {
            Some(sign_in) => settle(context, &place.organization, sign_in, *refusal),
            None => Error::from(error).without_hints().hint(
                "the sign-in is that of `http.extraHeader`: see `git config --show-origin --name-only --get-regexp extraheader`",
            ),
        },
    }
}

/// Why git finds no repository: the service answers git alike where it is not there, where it is
/// disabled and where the project is missing, and REST tells them apart.
fn why_missing(context: &Context, place: &Place, sign_in: &SignIn, error: PushError) -> Error {
    let found = match place::look(context, place, sign_in) {
        Ok(found) => found,
        Err(error) => return error,
    };
    match (place::may_make(place, &found, Wanted::default()), found) {
        (Err(error), azure::Lookup::NoRepository) => error.missing_repository(),
        (Err(error), _) => error,
        (Ok(()), _) => {
            Error::from(error).context(format!("{place} is there, and git does not find it"))
        }
    }
}

fn settle(
    context: &Context,
    organization: &Organization,
    sign_in: &SignIn,
    refusal: http::Refusal,
) -> Error {
    let client = match context.rest_client(organization) {
        Ok(client) => client,
        Err(error) => return error,
    };
    let wait = |why: &str, pause| context.wait(why, pause);
    let told = match context.azure(&client, organization, &sign_in.credential, &wait).account() {
        // A scope that is missing is a 401. A page is from somebody on the way.
        Ok(_) if refusal.status != 401 => {
            return Error::message(
                Kind::Network,
                format!(
                    "{} takes the sign-in, but answered git with what is not git's protocol",
                    refusal.host
                ),
            )
            .hint("something on the way may have answered in its place: check the proxy");
        }
        Ok(_) => {
            let (organization, scope) = (organization.clone(), azure::Scope::CodeManage);
            return azure::Error::MissingScope { organization, scope }.into();
        }
        Err(azure::Error::SignedOut { refusal, .. }) => refusal,
        // It could not be settled, so nothing is forgotten.
        Err(error) => {
            return Error::from(error)
                .context(format!("{} refused git, and could not be asked why", refusal.host));
        }
    };
    let is_bad = place::is_of_token(&refusal) && place::is_of_token(&told);
    let error =
        Error::from(azure::Error::SignedOut { organization: organization.clone(), refusal: told });
    match sign_in.source {
        Source::Store(_) if is_bad => forget(context, organization, sign_in, error),
        _ => place::blame(sign_in, organization, error),
    }
}

/// Forgets a kept credential that is proved to be no good.
fn forget(context: &Context, organization: &Organization, sign_in: &SignIn, error: Error) -> Error {
    match context.forget_refused(organization, sign_in) {
        true => error.context(format!(
            "the kept token for {organization} is no longer accepted, so it was forgotten"
        )),
        false => error,
    }
}
