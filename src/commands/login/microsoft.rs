//! A sign-in with a Microsoft account, and what is kept of it.

use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;

use super::{How, Keep, Proved, Wish};
use crate::azure::{self, Identity, NotMade};
use crate::context::{Context, Store};
use crate::credential::{Credential, Entra, Pat};
use crate::error::{Attempted, Error, Kind};
use crate::http;
use crate::remote::Organization;
use crate::signin::microsoft::{self, Authority, Landed, Microsoft, Progress, Tokens};

/// How long a person may take in the browser.
const PATIENCE: Duration = Duration::from_secs(300);
/// For how many days a token is made where nothing is said, and where a policy wants fewer.
const DAYS: u16 = 30;
const FEWER_DAYS: u16 = 7;
/// After how long a code that nobody uses may be one that is blocked, of which Microsoft tells the
/// other device alone.
const SUSPICIOUS: Duration = Duration::from_secs(60);

/// Signs in, and makes what is to be kept.
pub(super) fn sign_in(
    context: &Context,
    organization: &Organization,
    wish: &Wish,
) -> Result<Proved, Error> {
    // Before anybody is asked for anything: a setting that fails later would leave a token behind.
    let keep = kept(context, wish.keep)?;
    context.rest_client(organization)?;
    context.identity_urls()?;
    let authority = authority(context, organization, wish.tenant.as_deref())?;
    let mut ready = wish.signed_in.clone().and_then(|signed_in| signed_in.of(&authority));
    if wish.signed_in.is_some() && ready.is_none() {
        context
            .ui
            .status(format_args!("{organization} is in another directory: sign in there too"));
    }
    loop {
        let signed_in = match ready.take() {
            Some(signed_in) => signed_in,
            None => entra(context, &authority, wish.how, Some(organization))?,
        };
        let account = signed_in.account.clone();
        let made = make(context, organization, keep, wish.days, signed_in);
        if made.is_err() {
            context.check_interrupted()?;
        }
        match made {
            Err(error) if error.is_refused_sign_in() && context.ui.can_ask() => {
                let who = account.as_deref().unwrap_or("this account");
                error.print(&context.ui);
                let prompt = format!("Sign in with another account than {who}?");
                if !context.ui.confirm(&prompt, true, "")? {
                    return Err(Error::printed(Kind::SignedOut));
                }
            }
            made => return made,
        }
    }
}

/// What is kept of a Microsoft sign-in, with regard to where.
///
/// # Errors
/// A token is wanted, and the store keeps none: it would go on being valid, and nobody would know it any more.
pub(super) fn kept(context: &Context, keep: Keep) -> Result<Keep, Error> {
    match (keep, context.store()?) {
        (Keep::Auto, Store::None) => Ok(Keep::Entra),
        (Keep::Pat, Store::None) => {
            let message =
                "the store is `none`: a token would be made that nobody could use or revoke";
            Err(Error::message(Kind::Usage, message).hint(
                "sign in without one, `--credential entra`, or see `GIT_VSTS_STORE` and `git config --show-origin vsts.store`",
            ))
        }
        (keep, _) => Ok(keep),
    }
}

/// A Microsoft sign-in.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    credential: Credential,
    /// Whose it is.
    account: Option<String>,
    /// The id of the directory in which it was made.
    tenant: Option<String>,
}

impl SignedIn {
    /// The same, as one of an organization's directory, if it can be one: it was made where the account is at home, and
    /// is to be renewed where the organization is.
    fn of(mut self, authority: &Authority) -> Option<Self> {
        if !self.tenant.as_deref().is_none_or(|tenant| authority.admits(tenant)) {
            return None;
        }
        if let Credential::Entra(entra) = &mut self.credential {
            authority.tenant().clone_into(&mut entra.tenant);
        }
        Some(self)
    }
}

/// An organization that was chosen from those of an account.
pub(super) struct Chosen {
    pub organization: Organization,
    pub signed_in: SignedIn,
}

/// Signs in, and lets the person choose one of the organizations that the account may use.
pub(super) fn choose(context: &Context, how: How, tenant: Option<&str>) -> Result<Chosen, Error> {
    let configured = context.configuration()?.trusted("vsts.tenant");
    let tenant = tenant.or(configured).unwrap_or("organizations");
    let authority = Authority::new(context.login_url(), tenant)?;
    let signed_in = entra(context, &authority, how, None)?;
    let names =
        with_identity(context, &signed_in.credential, |identity| identity.organizations())??;
    let who = signed_in.account.as_deref().unwrap_or("this account");
    if names.is_empty() {
        return Err(Error::message(Kind::SignedOut, format!("{who} is in no organization"))
            .hint("make one at https://aex.dev.azure.com, or sign in with another account"));
    }
    let chosen = context.ui.choose("Organization", &names, 0, "ORG")?;
    let organization = context.service.organization(&names[chosen])?;
    Ok(Chosen { organization, signed_in })
}

/// Where the accounts of an organization sign in: the organization itself knows.
fn authority(
    context: &Context,
    organization: &Organization,
    tenant: Option<&str>,
) -> Result<Authority, Error> {
    let base = context.login_url();
    let configured = context.configuration()?.trusted("vsts.tenant");
    if let Some(tenant) = tenant.or(configured) {
        return Ok(Authority::new(base, tenant)?);
    }
    let wait = |why: &str, pause| context.wait(why, pause);
    let challenge = azure::challenge(&context.rest_client(organization)?, organization, &wait)?;
    let challenges: Vec<&str> = challenge.challenges.iter().map(String::as_str).collect();
    Ok(Authority::of_organization(base, challenge.resource_tenant.as_deref(), &challenges)?)
}

/// Signs somebody in.
fn entra(
    context: &Context,
    authority: &Authority,
    how: How,
    organization: Option<&Organization>,
) -> Result<SignedIn, Error> {
    let client = context.login_client()?;
    let client_id = context.client_id()?;
    let now = || context.clock.now();
    let conceal = |secret: &SecretString| context.ui.conceal(secret);
    let microsoft = Microsoft::new(&client, authority, &client_id, &now)?.concealing(&conceal);
    let attempted = Attempted { organization, in_browser: how != How::Device };
    let advise = |error| Error::of_sign_in(error, attempted);
    let tokens = match how {
        How::Device => by_code(context, &microsoft, &advise)?,
        _ => in_browser(context, &microsoft, &advise)?,
    };
    let personal = tokens.is_personal().unwrap_or_else(|| authority.is_any());
    let credential = Credential::Entra(Entra {
        refresh_token: tokens.refresh_token.unwrap_or_default(),
        access_token: Some(tokens.access_token),
        expires: Some(tokens.expires),
        issued: Some(context.clock.now()),
        previous: None,
        authority: context.other_authority(),
        tenant: authority.tenant().to_owned(),
        personal,
        client: client_id,
    });
    credential.secrets().for_each(|secret| context.ui.conceal(secret));
    Ok(SignedIn { credential, account: tokens.account, tenant: tokens.tenant })
}

/// What a failure at Microsoft means for the person.
type Advise<'a> = &'a dyn Fn(microsoft::Error) -> Error;

fn in_browser(
    context: &Context,
    microsoft: &Microsoft<'_>,
    advise: Advise<'_>,
) -> Result<Tokens, Error> {
    let attempt = microsoft.begin().map_err(advise)?;
    let url = attempt.url.clone();
    if context.has_browser() {
        // The address first: a browser may start and show nothing.
        context.ui.instruction(format_args!("Opening {url} (or visit it yourself)"));
        let ui = context.ui.clone();
        context.start_browser(&url, move |error| {
            ui.warning(format_args!(
                "no browser could be started ({error}); visit the address yourself, or sign in on another device with `--device`"
            ));
        });
    } else {
        // The answer comes to a port of this computer.
        context.ui.instruction(format_args!(
            "Visit {url}\nin a browser on this computer; where that is on another one, sign in with `--device`"
        ));
    }
    let (tokens, landed) = microsoft.end(attempt, PATIENCE).map_err(advise)?;
    say_who(landed, &tokens);
    Ok(tokens)
}

/// The page on which the person ends in the browser.
fn say_who(landed: Landed, tokens: &Tokens) {
    let title = match &tokens.account {
        Some(account) => format!("Signed in as {account}"),
        None => "Signed in".to_owned(),
    };
    landed.show(&title, "You may close this tab and go back to the terminal.");
}

fn by_code(
    context: &Context,
    microsoft: &Microsoft<'_>,
    advise: Advise<'_>,
) -> Result<Tokens, Error> {
    loop {
        let code = microsoft.device_code().map_err(advise)?;
        context.ui.instruction(format_args!(
            "On any device, open {}\nand type the code {}\nDo so only if you have started this yourself.",
            code.page, code.user_code
        ));
        let line = context.ui.progress("Waiting for the sign-in");
        let (warned, told) = (std::cell::Cell::new(false), std::cell::Cell::new(false));
        let pause = |time: Duration, progress: Progress<'_>| {
            let Progress { waited, left, trouble } = progress;
            if let Some(error) = trouble
                && !told.replace(true)
            {
                context
                    .ui
                    .status(format_args!("{error}; trying again as long as the code is good"));
            }
            line.message(&format!("{} minutes left", left.as_secs().div_ceil(60)));
            if waited >= SUSPICIOUS && !warned.replace(true) {
                context.ui.status(format_args!(
                    "Nobody has used the code yet. Where the other device says that it is not allowed, press Ctrl-C and sign in with `--web`"
                ));
            }
            context.clock.sleep(time);
        };
        match microsoft.use_code(&code, &pause) {
            Err(error @ microsoft::Error::CodeEnded { .. }) if context.ui.can_ask() => {
                drop(line);
                advise(error).without_hints().print(&context.ui);
                if !context.ui.confirm("Get another code?", true, "")? {
                    return Err(Error::printed(Kind::SignedOut));
                }
            }
            used => return used.map_err(advise),
        }
    }
}

/// What is to be kept, proved against the organization.
fn make(
    context: &Context,
    organization: &Organization,
    keep: Keep,
    days: Option<u16>,
    signed_in: SignedIn,
) -> Result<Proved, Error> {
    let SignedIn { credential: entra, account, .. } = signed_in;
    let account = account.as_deref();
    let store = context.store()?;
    let mut why_no_token = None;
    // A token that was made and is not kept would go on being valid.
    let hold = context.hold()?;
    let credential = match keep {
        Keep::Entra => entra.clone(),
        Keep::Auto | Keep::Pat => {
            let made = with_identity(context, &entra, |identity| {
                token(context, organization, days, identity)
            })?;
            match made {
                Ok(token) => Credential::Pat(token),
                Err(NotMade::Failed(error)) => return Err(no_access(error, account)),
                // Another kind of credential would hide that a token may be left.
                Err(error @ NotMade::Lost { .. }) => return Err(error.into()),
                Err(error) if keep == Keep::Auto && entra.is_renewable() => {
                    why_no_token = Some(error);
                    entra.clone()
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    if store != Store::None
        && matches!(credential, Credential::Entra(_))
        && !credential.is_renewable()
    {
        let message =
            "Microsoft gave nothing that renews the sign-in, which would end within the hour";
        return Err(Error::message(Kind::SignedOut, message)
            .hint(format!("paste a token: `git vsts login {organization} --pat`")));
    }
    credential.secrets().for_each(|secret| context.ui.conceal(secret));
    match whose(context, organization, &credential) {
        Ok(named) => {
            if let Some(why) = why_no_token {
                context.ui.status(format_args!("Keeping the Microsoft sign-in itself: {why}"));
            }
            Ok(Proved { credential, account: Some(named), maker: Some(entra), hold: Some(hold) })
        }
        Err(error) => {
            revoke_quietly(context, organization, &entra, Some(&credential));
            Err(match error {
                NotProved::Refused(error) => no_access(error, account),
                NotProved::Failed(error) => error,
            })
        }
    }
}

/// How the organization names the account of a credential, which proves the credential.
fn whose(
    context: &Context,
    organization: &Organization,
    credential: &Credential,
) -> Result<String, NotProved> {
    let client = context.rest_client(organization).map_err(NotProved::Failed)?;
    let wait = |why: &str, pause| context.wait(why, pause);
    let azure = context.azure(&client, organization, credential, &wait);
    Ok(azure.account().map_err(NotProved::Refused)?.name)
}

/// Why a credential was not proved.
enum NotProved {
    /// By what the service said, or by the way to it.
    Refused(azure::Error),
    /// By something here.
    Failed(Error),
}

/// Makes a token, and where a policy caps its life tries once more for less.
fn token(
    context: &Context,
    organization: &Organization,
    days: Option<u16>,
    identity: &Identity<'_>,
) -> Result<Pat, NotMade> {
    let name = format!("git vsts on {}", context.machine());
    let make = |days: u16| {
        let now = context.clock.now();
        let until = now + SignedDuration::from_hours(24 * i64::from(days));
        identity.make_token(organization, &name, now, until)
    };
    let wanted = days.unwrap_or(DAYS);
    match make(wanted) {
        Err(error @ NotMade::TooLong { .. }) if wanted > FEWER_DAYS => {
            context
                .ui
                .status(format_args!("Asking for {FEWER_DAYS} days in place of {wanted}: {error}"));
            make(FEWER_DAYS)
        }
        made => made,
    }
}

/// That the account is the one that may not use the organization, if that is why.
fn no_access(error: azure::Error, account: Option<&str>) -> Error {
    let azure::Error::SignedOut { organization, refusal } = &error else { return error.into() };
    let who = account.unwrap_or("this account");
    let hint = match refusal.reason {
        http::Reason::NotAMember => format!(
            "sign in with the account that uses it, or ask an administrator of {organization} to add {who}"
        ),
        http::Reason::NeverSeen => {
            format!("open {} once in a browser as {who}, then sign in again", organization.url())
        }
        // It is good at Microsoft, so it is one of another directory.
        http::Reason::SignedOut => format!(
            "sign in with the account that uses it; if {who} is that one, name the organization's directory with `--tenant`"
        ),
        _ => return error.into(),
    };
    let context = format!("{who} can't use {organization}");
    Error::from(error).without_hints().context(context).hint(hint)
}

/// Takes back a token that was made and is of no use any more. Where that fails it is told, for it
/// goes on being valid.
pub(super) fn revoke_quietly(
    context: &Context,
    organization: &Organization,
    maker: &Credential,
    useless: Option<&Credential>,
) {
    let Some(Credential::Pat(Pat { id: Some(id), .. })) = useless else { return };
    let revoked = with_identity(context, maker, |identity| identity.revoke_token(organization, id));
    if let Err(error) | Ok(Err(error)) = revoked.map(|done| done.map_err(Error::from)) {
        error
            .without_hints()
            .context("the token made before could not be revoked")
            .hint(format!("revoke it at {}", organization.tokens_page()))
            .warn(&context.ui);
    }
}

/// Revokes a token that was made here, signing in for it as the account that it is of.
///
/// # Errors
/// Nobody signed in, somebody else did, or the service did not revoke it.
pub(in crate::commands) fn revoke(
    context: &Context,
    organization: &Organization,
    account: &str,
    id: &str,
) -> Result<(), Error> {
    if !context.ui.can_ask() {
        let message = "to revoke a token somebody has to sign in, and there is no terminal";
        return Err(Error::message(Kind::SignedOut, message));
    }
    let authority = authority(context, organization, None)?;
    let SignedIn { credential: entra, account: name, .. } =
        entra(context, &authority, super::microsofts(context), Some(organization))?;
    // The service does not say whose a token is that it does not find. What was kept is its own name of the account, which
    // is another than Microsoft's for a guest.
    let who = whose(context, organization, &entra).map_err(|error| match error {
        NotProved::Refused(error) => no_access(error, name.as_deref()),
        NotProved::Failed(error) => error,
    })?;
    if !account.is_empty() && !who.eq_ignore_ascii_case(account) {
        let message = format!("the token is of {account}, and {who} signed in");
        return Err(Error::message(Kind::SignedOut, message));
    }
    with_identity(context, &entra, |identity| identity.revoke_token(organization, id))??;
    Ok(())
}

fn with_identity<T>(
    context: &Context,
    credential: &Credential,
    work: impl FnOnce(&Identity<'_>) -> T,
) -> Result<T, Error> {
    let (base, accounts) = context.identity_urls()?;
    let client = context.trusted_client(&base)?;
    let wait = |why: &str, pause| context.wait(why, pause);
    Ok(work(&Identity {
        client: &client,
        base: &base,
        accounts: &accounts,
        credential,
        headers: Vec::new(),
        wait: &wait,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use double::{Answer, Double, Rule};
    use jiff::Timestamp;

    use super::*;
    use crate::context::{Clock, Environment};
    use crate::http::{Client, Settings};
    use crate::signin::microsoft::CLIENT;
    use crate::ui::{self, Ui};

    /// A clock that is not waited for.
    #[derive(Clone, Default)]
    struct Skipped(Arc<Mutex<Duration>>);

    impl Clock for Skipped {
        fn now(&self) -> Timestamp {
            Timestamp::now()
        }

        fn sleep(&self, duration: Duration) {
            *self.0.lock().unwrap() += duration;
        }
    }

    /// What is said while a code is waited for, and for how long that is.
    fn wait_for_code(double: &Double) -> (String, Duration) {
        let clock = Skipped::default();
        let settings = ui::Settings { no_input: true, ..ui::Settings::default() };
        let ui = Ui::captured(settings, Vec::new());
        let environment = Environment::from_pairs::<String, String>([]);
        let context = Context::new(ui, environment, Box::new(clock.clone()), "/".into()).unwrap();
        let client = Client::new(&Settings { plain: true, ..Settings::default() }).unwrap();
        let authority = Authority::new(double.url(), "organizations").unwrap();
        let now = || context.clock.now();
        let microsoft = Microsoft::new(&client, &authority, CLIENT, &now).unwrap();
        if let Err(error) = by_code(&context, &microsoft, &Error::from) {
            error.print(&context.ui);
        }
        let said = context.ui.captured_stderr().replace(double.url(), "https://azure");
        let host = double.url().trim_start_matches("http://");
        let waited = *clock.0.lock().unwrap();
        (said.replace(host, "azure"), waited)
    }

    #[test]
    fn a_network_that_is_gone_is_told_once_while_a_code_is_waited_for() {
        let double = Double::start();
        double.organization("contoso").person("ada@contoso.com", "Ada Lovelace");
        double.microsoft().next_user_code("ABCD-EFGH").approves_after(0, "ada@contoso.com");
        double.answer(Rule::any("…/oauth2/v2.0/token").times(2), Answer::reset());
        let (said, waited) = wait_for_code(&double);
        snapbox::assert_data_eq!(
            said,
            snapbox::str![[r#"
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
the connection to azure was cut; trying again as long as the code is good

"#]]
        );
        assert_eq!(waited, Duration::from_secs(10 + 20));
    }

    #[test]
    fn a_code_that_nobody_uses_may_be_blocked_and_that_is_told_after_a_minute() {
        let double = Double::start();
        double.organization("contoso").person("ada@contoso.com", "Ada Lovelace");
        double.microsoft().next_user_code("ABCD-EFGH").blocks_devices();
        let (said, waited) = wait_for_code(&double);
        snapbox::assert_data_eq!(
            said,
            snapbox::str![[r#"
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
Nobody has used the code yet. Where the other device says that it is not allowed, press Ctrl-C and sign in with `--web`
error: nobody used the code within 15 minutes
hint: sign in again; where the other device says that it is not allowed, use `--web`

"#]]
        );
        // What the requests took is part of the fifteen minutes.
        assert!((800..=900).contains(&waited.as_secs()), "{waited:?}");
    }
}
