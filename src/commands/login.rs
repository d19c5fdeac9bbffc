use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::{names, wire};
use crate::azure;
use crate::context::{Context, OVERRIDES, SignIn, Source, Store, TOKENS};
use crate::credential::{Credential, Kept};
use crate::error::{Error, Kind};
use crate::http;
use crate::keychain;
use crate::remote::Organization;
use crate::signin::{askpass, pat};
use crate::ui::{self, SECRET_LIMIT};

/// How often a token is asked for.
const QUESTIONS: u32 = 3;

/// Sign in to an Azure DevOps organization
///
/// Asks for a personal access token, tries it against the organization, and keeps it in the
/// system's keychain. A token that the organization refuses is not kept. From then on git itself
/// asks `git vsts` for the credential of that organization.
#[derive(Args, Debug)]
pub struct Login {
    /// The organization: its name, or any address of it from a browser
    #[arg(value_name = "ORG")]
    organization: Option<String>,
    /// Ask for a personal access token, without showing it
    ///
    /// This is the default.
    #[arg(long, conflicts_with = "pat_stdin")]
    pat: bool,
    /// Read a personal access token from standard input
    #[arg(long)]
    pat_stdin: bool,
    /// Leave git's configuration as it is
    ///
    /// git then goes on asking whom it asks now; `git vsts push` needs no setting of git's.
    #[arg(long)]
    no_setup: bool,
    /// Keep the token in a file that only you can read, in place of the keychain
    ///
    /// From then on all credentials are kept there: it sets `vsts.store` to `file` in git's global
    /// configuration.
    #[arg(long)]
    insecure_storage: bool,
}

impl Login {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        if self.insecure_storage {
            // It will have to write the setting, or the next run looks elsewhere.
            context.git()?;
            context.use_file();
        }
        let organization = names::organization(context, self.organization.as_deref(), "ORG")?;
        name_overrides(context);
        let how = match self.pat_stdin {
            true => How::Stdin,
            false => How::Question,
        };
        let setup = if self.no_setup { Setup::Leave } else { Setup::Wire };
        sign_in(context, &organization, how, setup)?;
        if self.insecure_storage {
            context.git()?.set_global(context.directory(), "vsts.store", "file")?;
            warn_of_store(context);
        }
        warn_of_environment(context, &organization)
    }
}

/// How the token comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// The person types or pastes it.
    Question,
    /// Standard input.
    Stdin,
}

/// Whether git shall ask this program for the credential too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// It shall.
    Wire,
    /// It asks whom it asks now.
    Leave,
}

/// Signs in to an organization: asks, proves, keeps, tells, and makes git ask for it.
pub(super) fn sign_in(
    context: &Context,
    organization: &Organization,
    how: How,
    setup: Setup,
) -> Result<SignIn, Error> {
    let store = context.store()?;
    context.keychain()?.ready().map_err(|error| not_kept(organization, error))?;
    let before = before(context, organization)?;
    let (credential, account) = match how {
        How::Question => ask_until_taken(context, organization)?,
        How::Stdin => {
            try_out(context, organization, &context.ui.read_secret_from_stdin(SECRET_LIMIT)?)?
        }
    };
    let kept = Kept {
        organization: organization.url(),
        account: account.clone().unwrap_or_default(),
        credential: credential.clone(),
    };
    context.whole(|| {
        let written =
            context.keychain()?.write(&organization.key(), &label(organization), &kept.to_record());
        written.map_err(|error| not_kept(organization, error))
    })?;
    tell(context, organization, &kept, before.as_ref(), store);
    let sign_in = SignIn { credential, account, source: Source::Store(store) };
    context.remember(organization, &sign_in);
    if setup == Setup::Wire && store != Store::None {
        make_git_ask(context, organization);
    }
    Ok(sign_in)
}

/// What was kept is good without it, so nothing that goes wrong here is more than a warning.
fn make_git_ask(context: &Context, organization: &Organization) {
    if context.git_if_any().is_none() {
        return;
    }
    let wired =
        wire::sections(context, organization).and_then(|sections| wire::wire(context, &sections));
    match wired {
        Ok(None) => {}
        Ok(Some(file)) => context.ui.status(format_args!("git uses it too: set in {file}")),
        Err(error) => error
            .context(format!("plain git will not ask `git vsts` for {organization}"))
            .warn(&context.ui),
    }
}

/// Asks again where a person mistyped, three times in all.
fn ask_until_taken(
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

/// What a keychain's own program calls the item.
pub(super) fn label(organization: &Organization) -> String {
    format!("Azure DevOps: {organization} (git vsts)")
}

/// What was kept so far. What can't be read names nobody, and is to be replaced.
fn before(context: &Context, organization: &Organization) -> Result<Option<Kept>, Error> {
    match context.keychain()?.read(&organization.key()) {
        Ok(record) => Ok(record.and_then(|record| Kept::from_record(&record).ok())),
        Err(keychain::Error::Broken { .. }) => Ok(None),
        Err(error) => Err(not_kept(organization, error)),
    }
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
        return Ok(askpass::ask(program, &format!("{question}: "), &TOKENS, patience)?);
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
                .hint(hint)
                .context("the token was not kept"))
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
    .context("the token was not kept")
}

fn not_kept(organization: &Organization, error: keychain::Error) -> Error {
    Error::from(error).context(format!("a token for {organization} can't be kept"))
}

fn tell(
    context: &Context,
    organization: &Organization,
    kept: &Kept,
    before: Option<&Kept>,
    store: Store,
) {
    let who = match kept.account.is_empty() {
        true => String::new(),
        false => format!(" as {}", kept.account),
    };
    let where_kept = match store {
        Store::Keychain => "kept the token in this computer's keychain",
        Store::File => "kept the token in a file that only you can read",
        Store::None => "kept nothing, since the store is `none`",
    };
    context.ui.status(format_args!("Signed in to {organization}{who}; {where_kept}"));
    if let Some(before) = before
        && !before.account.is_empty()
        && before.account != kept.account
    {
        context.ui.status(format_args!("Replaced the sign-in of {}", before.account));
    }
}

/// Names each override of the environment: a sign-in goes to where they say.
pub(super) fn name_overrides(context: &Context) {
    for (name, value) in overrides(context) {
        context.ui.warning(format_args!("{name} is in force: {value}"));
    }
}

/// The overrides in force, with what they say.
pub(super) fn overrides(context: &Context) -> Vec<(&'static str, String)> {
    let shown = |name| {
        let value = context.environment.get(name)?;
        Some((name, crate::remote::without_user(value)))
    };
    OVERRIDES.into_iter().filter_map(shown).collect()
}

/// The environment wins over the setting, and the next run would look for the token elsewhere.
fn warn_of_store(context: &Context) {
    if let Some(store) = context.environment.get("GIT_VSTS_STORE").filter(|store| *store != "file")
    {
        context.ui.warning(format_args!(
            "GIT_VSTS_STORE is `{}`, so the file is not looked at as long as it is",
            crate::text::visible_within(store, 40)
        ));
    }
}

/// A token of the environment wins over what was just kept; whoever set it may have forgotten.
fn warn_of_environment(context: &Context, organization: &Organization) -> Result<(), Error> {
    match context.environment_token(organization) {
        Ok(None) => Ok(()),
        Ok(Some(token)) => {
            context.ui.warning(format_args!(
                "{} is set, and is used instead of what was kept as long as it is",
                token.variable
            ));
            Ok(())
        }
        Err(error) if error.kind() == Kind::Usage => {
            context.ui.warning(format_args!("{error}"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}
