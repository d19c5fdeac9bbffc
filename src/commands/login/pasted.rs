//! A personal access token that a person pastes, or that is piped in.

use std::time::Duration;

use secrecy::SecretString;

use crate::azure;
use crate::context::{Context, SECRETS};
use crate::credential::Credential;
use crate::error::{Error, Kind};
use crate::http;
use crate::remote::Organization;
use crate::signin::{askpass, pat};
use crate::ui::{self, SECRET_LIMIT};

/// How often a token is asked for.
const QUESTIONS: u32 = 3;

/// The token on standard input, proved, and whose it is.
pub(super) fn from_stdin(
    context: &Context,
    organization: &Organization,
) -> Result<(Credential, Option<String>), Error> {
    let read = context.ui.read_secret_from_stdin(SECRET_LIMIT).map_err(|error| match error {
        ui::Error::StdinEmpty | ui::Error::StdinIsTerminal => {
            Error::from(error).without_hints().hint(format!(
                "the token comes from a file or a pipe: `git vsts login {organization} --pat-stdin < FILE`"
            ))
        }
        error => error.into(),
    })?;
    try_out(context, organization, &read)
}

/// Asks again where a person mistyped, three times in all.
pub(super) fn ask_until_taken(
    context: &Context,
    organization: &Organization,
) -> Result<(Credential, Option<String>), Error> {
    explain(context, organization);
    for _ in 1..QUESTIONS {
        let pasted = ask(context, organization)?;
        match try_out(context, organization, &pasted) {
            Err(error) if context.ui.can_ask() && may_be_mistyped(&error) => {
                error.print(&context.ui);
            }
            tried => return tried,
        }
    }
    try_out(context, organization, &ask(context, organization)?)
}

fn may_be_mistyped(error: &Error) -> bool {
    error.is_refused_sign_in() || error.kind() == Kind::Usage
}

fn try_out(
    context: &Context,
    organization: &Organization,
    pasted: &SecretString,
) -> Result<(Credential, Option<String>), Error> {
    let credential = Credential::pat(pat::read(pasted)?);
    let account = prove(context, organization, &credential)?;
    Ok((credential, account))
}

fn explain(context: &Context, organization: &Organization) {
    if context.ui.can_ask() {
        context.ui.status(format_args!(
            "A personal access token signs you in. In the browser, make one at\n{}\nwith the scope \"{}\". It is shown there once:\ncopy it and paste it here, where nothing of it is shown.",
            organization.tokens_page(),
            azure::Scope::CodeManage.title()
        ));
    }
}

fn ask(context: &Context, organization: &Organization) -> Result<SecretString, Error> {
    let question = format!("Token for {organization}");
    if let Some(program) = context.askpass() {
        let patience = Duration::from_secs(300);
        let asked = askpass::ask(program, &format!("{question}: "), &SECRETS, patience);
        return asked.map_err(|error| {
            Error::from(error).without_hints().hint(format!(
                "pipe the token in, `git vsts login {organization} --pat-stdin < FILE`, or set `GIT_VSTS_PAT`"
            ))
        });
    }
    let asked = context.ui.ask_secret(&question, "--pat-stdin");
    asked.map_err(|error| match error {
        ui::Error::NotATerminal { .. } | ui::Error::Forbidden { .. } => Error::from(error)
            .without_hints()
            .hint(format!("pipe the token in: `git vsts login {organization} --pat-stdin < FILE`"))
            .hint("or set `GIT_VSTS_PAT` to it, which needs no sign-in"),
        error => error.into(),
    })
}

/// Tries a credential against the organization, and says whose it is. One that git takes and REST
/// does not is good for a push.
fn prove(
    context: &Context,
    organization: &Organization,
    credential: &Credential,
) -> Result<Option<String>, Error> {
    let client = context.rest_client(organization)?;
    let wait = |why: &str, pause| context.wait(why, pause);
    let azure = context.azure(&client, organization, credential, &wait);
    match azure.account() {
        Ok(account) => Ok(Some(account.name)),
        Err(azure::Error::SignedOut { organization, refusal }) => {
            if refusal.reason == http::Reason::SignedOut && azure.git_accepts()? {
                context.ui.warning(format_args!(
                    "{organization} takes this token for git alone: it can push, but `git vsts` can't look for or make repositories with it"
                ));
                return Ok(None);
            }
            Err(refused(organization, refusal))
        }
        Err(azure::Error::Http(http::Error::Refused(refusal)))
            if refusal.reason == http::Reason::MissingPermission =>
        {
            let hint =
                format!("ask an administrator of {organization} whether this account may use it");
            let organization = organization.clone();
            Err(Error::from(azure::Error::MissingPermission { organization, refusal })
                .without_hints()
                .hint(hint))
        }
        Err(error) => Err(error.into()),
    }
}

fn refused(organization: Organization, refusal: Box<http::Refusal>) -> Error {
    let page = organization.tokens_page();
    let hint = match refusal.reason {
        http::Reason::Expired => Some(format!("make a new token at {page}")),
        http::Reason::NotAMember => Some(format!(
            "if the token is for another organization, make one at {page}, else ask to be added to {organization}"
        )),
        http::Reason::SignedOut => Some(format!(
            "it may be mistyped, expired, revoked, or for another organization: make a new one at {page}"
        )),
        _ => None,
    };
    let error = Error::from(azure::Error::SignedOut { organization, refusal });
    match hint {
        Some(hint) => error.without_hints().hint(hint),
        None => error,
    }
}
