mod microsoft;
mod pasted;

use clap::{Args, ValueEnum};

use super::names;
use super::wire::{self, Wired};
use crate::context::{Context, OVERRIDES, SignIn, Source, Store};
use crate::credential::{self, Credential, Kept, Pat};
use crate::error::{Error, Kind};
use crate::keychain;
use crate::remote::Organization;
use crate::ui::Hold;

pub(super) use microsoft::revoke;

/// Sign in to an Azure DevOps organization
///
/// With a Microsoft account, in the browser or by a code on another device, or with a personal access
/// token that you paste. What comes of it is tried against the organization and kept in the system's
/// keychain: after a Microsoft sign-in a token for this organization and this computer alone, or, where
/// the organization forbids tokens, the sign-in itself. From then on git itself asks `git vsts` for the
/// credential of that organization.
#[derive(Args, Debug)]
pub struct Login {
    /// The organization: its name, or any address of it from a browser
    #[arg(value_name = "ORG")]
    organization: Option<String>,
    /// Sign in with a Microsoft account in the browser
    ///
    /// The default on a terminal where there is a browser.
    #[arg(long, group = "how")]
    web: bool,
    /// Sign in with a Microsoft account on another device, by a code
    ///
    /// The default on a terminal over SSH or without a display. Type the code only if you have started
    /// this yourself.
    #[arg(long, group = "how")]
    device: bool,
    /// Ask for a personal access token, without showing it
    #[arg(long, group = "how")]
    pat: bool,
    /// Read a personal access token from standard input
    #[arg(long, group = "how")]
    pat_stdin: bool,
    /// What to keep after a Microsoft sign-in
    #[arg(long, value_name = "KIND", value_enum, conflicts_with_all = ["pat", "pat_stdin"])]
    credential: Option<Keep>,
    /// For how many days the token that is made shall be good [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=366), conflicts_with_all = ["pat", "pat_stdin"])]
    expires: Option<u16>,
    /// The directory (tenant) that the account is in, by its id or domain
    ///
    /// The organization itself says which, unless this is given.
    #[arg(long, value_name = "ID", conflicts_with_all = ["pat", "pat_stdin"])]
    tenant: Option<String>,
    /// Leave git's configuration as it is
    ///
    /// git then goes on asking whom it asks now; `git vsts push` needs no setting of git's.
    #[arg(long)]
    no_setup: bool,
    /// Keep the credential in a file that only you can read, in place of the keychain
    ///
    /// From then on all credentials are kept there: it sets `vsts.store` to `file` in git's global
    /// configuration.
    #[arg(long)]
    insecure_storage: bool,
}

/// What to keep after a Microsoft sign-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Keep {
    /// A personal access token, or the sign-in itself where tokens are forbidden
    #[default]
    Auto,
    /// A personal access token
    Pat,
    /// The sign-in itself, which renews itself
    Entra,
}

impl Login {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        if self.insecure_storage {
            // It will have to write the setting, or the next run looks elsewhere.
            context.git()?;
            context.use_file();
        }
        let keep = self.keep(context)?;
        let given = self.organization.as_deref();
        let (organization, how, signed_in) = match self.takes_a_token() {
            true => (names::organization(context, given, "ORG")?, None, None),
            false => match names::organization_or_list(context, given, "ORG")? {
                Some(organization) => (organization, None, None),
                // Only Microsoft knows which there are, and only of who has signed in there.
                None => {
                    microsoft::kept(context, keep)?;
                    let how = if self.device { How::Device } else { microsofts(context) };
                    let chosen = microsoft::choose(context, how, self.tenant.as_deref())?;
                    (chosen.organization, Some(how), Some(chosen.signed_in))
                }
            },
        };
        name_overrides(context);
        let wish = Wish {
            how: match how {
                Some(how) => how,
                None => self.how(context, &organization)?,
            },
            signed_in,
            keep,
            days: self.expires,
            tenant: self.tenant.clone(),
            setup: if self.no_setup { Setup::Leave } else { Setup::Wire },
        };
        sign_in(context, &organization, &wish)?;
        if self.insecure_storage {
            context.git()?.set_global(context.directory(), "vsts.store", "file")?;
            warn_of_store(context);
        }
        warn_of_environment(context, &organization)
    }

    fn takes_a_token(&self) -> bool {
        self.pat || self.pat_stdin
    }

    /// What is to be kept.
    ///
    /// # Errors
    /// `--expires` says how long a token lives, and none will be made.
    fn keep(&self, context: &Context) -> Result<Keep, Error> {
        let keep = match self.credential {
            Some(keep) => keep,
            None => configured_keep(context)?,
        };
        if self.expires.is_none() {
            return Ok(keep);
        }
        let (why, hint) = match (keep, self.credential, context.store()?) {
            (Keep::Entra, Some(_), _) => ("with `--credential entra`", "leave one of the two out"),
            (Keep::Entra, None, _) => (
                "since `vsts.credential` is `entra`",
                "make a token this time, `--credential pat`, or leave `--expires` out",
            ),
            (Keep::Auto, _, Store::None) => {
                ("since the store is `none`", "leave `--expires` out, or see `GIT_VSTS_STORE`")
            }
            _ => return Ok(keep),
        };
        let message = format!("`--expires` is for a token, and none is made {why}");
        Err(Error::message(Kind::Usage, message).hint(hint))
    }

    /// How the person signs in.
    ///
    /// # Errors
    /// Nobody can be asked and no way is named: a browser or a wait of a quarter of an hour must not begin by itself in a
    /// script. Or it is a Microsoft account's way, and the organization knows none.
    fn how(&self, context: &Context, organization: &Organization) -> Result<How, Error> {
        let is_microsofts =
            self.credential.is_some() || self.tenant.is_some() || self.expires.is_some();
        if (self.web || self.device || is_microsofts) && !organization.is_hosted() {
            let message = format!(
                "{organization} is an Azure DevOps Server, which takes no Microsoft account"
            );
            return Err(Error::message(Kind::Usage, message)
                .hint(format!("paste a token: `git vsts login {organization} --pat`")));
        }
        Ok(match () {
            () if self.web => How::Web,
            () if self.device => How::Device,
            () if self.pat => How::Question,
            () if self.pat_stdin => How::Stdin,
            () if is_microsofts && context.ui.can_ask() => microsofts(context),
            () if is_microsofts => {
                let message =
                    "nobody can be asked how to sign in, and neither --web nor --device is given";
                return Err(Error::message(Kind::Usage, message).hint(
                    "add `--device`, which shows a code for any device, or `--web` where this computer has a browser",
                ));
            }
            () if !organization.is_hosted() || context.askpass().is_some() => How::Question,
            () if context.ui.can_ask() => ask_how(context)?,
            () => return Err(no_way(organization)),
        })
    }
}

fn no_way(organization: &Organization) -> Error {
    let message =
        "nobody can be asked how to sign in, and none of --web, --device and --pat-stdin is given";
    Error::message(Kind::Usage, message)
        .hint(format!(
            "sign in with a Microsoft account: `git vsts login {organization} --device` shows a code for any device, `--web` needs a browser on this computer"
        ))
        .hint(format!("or pipe a token in: `git vsts login {organization} --pat-stdin < FILE`"))
        .hint("or set `GIT_VSTS_PAT` to it, which needs no sign-in")
}

/// How a person signs in where nothing was said: with a Microsoft account, unless nobody is there or
/// it is a server of one's own.
pub(super) fn usual(context: &Context, organization: &Organization) -> Result<Wish, Error> {
    let how = match organization.is_hosted() {
        true => microsofts(context),
        false => How::Question,
    };
    let keep = configured_keep(context)?;
    Ok(Wish { how, signed_in: None, keep, days: None, tenant: None, setup: Setup::Wire })
}

fn microsofts(context: &Context) -> How {
    if context.has_browser() { How::Web } else { How::Device }
}

fn ask_how(context: &Context) -> Result<How, Error> {
    let ways = [
        (How::Web, "with a Microsoft account, in the browser"),
        (How::Device, "with a Microsoft account, by a code on another device"),
        (How::Question, "with a personal access token that you paste"),
    ];
    let usual = microsofts(context);
    let default = ways.iter().position(|(how, _)| *how == usual).unwrap_or_default();
    let items = ways.map(|(_, text)| text.to_owned());
    let chosen = context.ui.choose("Sign in", &items, default, "`--web`, `--device` or `--pat`")?;
    Ok(ways[chosen].0)
}

/// `vsts.credential`, which a repository has no say in.
fn configured_keep(context: &Context) -> Result<Keep, Error> {
    match context.configuration()?.trusted("vsts.credential") {
        None => Ok(Keep::Auto),
        Some(value) => Keep::from_str(value, true).map_err(|_| {
            let value = crate::text::visible_within(value, 40);
            Error::message(Kind::Usage, format!("vsts.credential is `{value}`, which is no kind"))
                .hint("the kinds are `auto`, `pat` and `entra`")
        }),
    }
}

/// How somebody signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// With a Microsoft account in the browser.
    Web,
    /// With a Microsoft account on another device.
    Device,
    /// The person types or pastes a token.
    Question,
    /// A token on standard input.
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

/// What is wanted of a sign-in.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// How.
    pub how: How,
    /// A Microsoft sign-in that there is already.
    signed_in: Option<microsoft::SignedIn>,
    /// What to keep after a Microsoft sign-in.
    pub keep: Keep,
    /// For how many days a token is made.
    pub days: Option<u16>,
    /// In which tenant, if the organization is not to say it.
    pub tenant: Option<String>,
    /// Whether git shall know of it.
    pub setup: Setup,
}

/// What a way to sign in brought: proved, and not kept yet.
struct Proved {
    credential: Credential,
    account: Option<String>,
    /// The Microsoft sign-in by which it was made; it can take back what it made.
    maker: Option<Credential>,
    /// Where something was made at the service: it is to be kept, whatever signal comes meanwhile.
    hold: Option<Hold>,
}

impl From<(Credential, Option<String>)> for Proved {
    fn from((credential, account): (Credential, Option<String>)) -> Self {
        Self { credential, account, maker: None, hold: None }
    }
}

/// Signs in to an organization: asks, proves, keeps, tells, and makes git ask for it.
pub(super) fn sign_in(
    context: &Context,
    organization: &Organization,
    wish: &Wish,
) -> Result<SignIn, Error> {
    let store = context.store()?;
    context.keychain()?.ready().map_err(|error| not_kept(organization, error))?;
    // What could not be replaced later is told before anybody is asked.
    let known = before(context, organization)?;
    let Proved { credential, account, maker, hold } = match wish.how {
        How::Question => pasted::ask_until_taken(context, organization)?.into(),
        How::Stdin => pasted::from_stdin(context, organization)?.into(),
        How::Web | How::Device => microsoft::sign_in(context, organization, wish)?,
    };
    let credential = as_known(credential, known);
    let kept = Kept {
        organization: organization.url(),
        account: account.clone().unwrap_or_default(),
        credential: credential.clone(),
    };
    // A signal that comes meanwhile ends the command, and what was written is written.
    let hold = match hold {
        Some(hold) => hold,
        None => context.hold()?,
    };
    let before = keep(context, organization, &kept, maker.as_ref())?;
    drop(hold);
    context.check_interrupted()?;
    tell(context, organization, &kept, before.as_ref(), store);
    if let Some(before) = before.filter(|before| lives_on(before, &kept, maker.is_some())) {
        tell_where_it_lives(context, organization, &before);
    }
    let sign_in = SignIn { credential, account, source: Source::Store(store) };
    context.remember(organization, &sign_in);
    if wish.setup == Setup::Wire && store != Store::None {
        make_git_ask(context, organization);
    }
    Ok(sign_in)
}

/// What is known of a token that somebody pastes again: when it ends, and its id at the service.
fn as_known(credential: Credential, before: Option<Kept>) -> Credential {
    match (&credential, before.map(|before| before.credential)) {
        (Credential::Pat(pasted), Some(known @ Credential::Pat(_)))
            if known.is_signed_by(&pasted.token) =>
        {
            known
        }
        _ => credential,
    }
}

/// Keeps what was proved, and gives what it replaced. A token of ours that is of no use by that is revoked: the one that
/// was replaced, or the new one where it could not be kept.
fn keep(
    context: &Context,
    organization: &Organization,
    kept: &Kept,
    maker: Option<&Credential>,
) -> Result<Option<Kept>, Error> {
    // Two who sign in at once replace each other's, one after the other. Without a lock it is kept all the same.
    let lock = context.lock(organization).ok();
    let before = before(context, organization);
    let (key, label) = (organization.key(), credential::label(organization));
    let written = before.and_then(|before| {
        let written = context.keychain()?.write(&key, &label, &kept.to_record());
        written.map(|()| before).map_err(|error| not_kept(organization, error))
    });
    drop(lock);
    if let Some(maker) = maker {
        let useless = match &written {
            Ok(Some(before)) if is_of_same_account(before, kept) => Some(&before.credential),
            Ok(_) => None,
            Err(_) => Some(&kept.credential),
        };
        microsoft::revoke_quietly(context, organization, maker, useless);
    }
    written
}

/// The service finds no token of another account, and says of it what it says of one that is revoked already.
fn is_of_same_account(before: &Kept, kept: &Kept) -> bool {
    before.account.eq_ignore_ascii_case(&kept.account)
}

/// Whether what was replaced goes on being valid; it does not where a Microsoft sign-in of the same account revoked it,
/// and what is kept again was not replaced.
fn lives_on(before: &Kept, kept: &Kept, by_microsoft: bool) -> bool {
    let is_kept = before
        .credential
        .signing_secret()
        .is_some_and(|(secret, _)| kept.credential.is_signed_by(secret));
    let is_revoked = by_microsoft && is_of_same_account(before, kept);
    !is_kept && !is_revoked
}

/// Tells of a token that was made here and is kept no more: it goes on being valid, and nobody here knows it.
pub(super) fn tell_where_it_lives(context: &Context, organization: &Organization, before: &Kept) {
    let Credential::Pat(Pat { id: Some(_), expires, .. }) = &before.credential else { return };
    if before.credential.is_expired(context.clock.now()) {
        return;
    }
    let whose = match &*before.account {
        "" => String::new(),
        account => format!(" for {}", crate::text::visible(account)),
    };
    let until = expires.map(|expires| expires.strftime(" until %-d %b %Y").to_string());
    context.ui.warning(format_args!(
        "the token that was made{whose} goes on being valid{}; revoke it at {}",
        until.unwrap_or_default(),
        organization.tokens_page()
    ));
}

/// What was kept is good without it, so nothing that goes wrong here is more than a warning.
fn make_git_ask(context: &Context, organization: &Organization) {
    if context.git_if_any().is_none() {
        return;
    }
    let wired =
        wire::sections(context, organization).and_then(|it| wire::make_git_ask(context, &it));
    match wired {
        // What is in vain was warned of.
        Ok(Wired::Already | Wired::InVain) => {}
        Ok(Wired::Now(file)) => {
            context.ui.status(format_args!("git uses it too: set in {file}"));
            warn_where_only_here(context);
        }
        Err(error) => error
            .context(format!("plain git will not ask `git vsts` for {organization}"))
            .warn(&context.ui),
    }
}

/// Whoever runs git elsewhere, such as an editor started from the desktop, has not the variables of this
/// shell.
fn warn_where_only_here(context: &Context) {
    let Some(store) = context.environment.get("GIT_VSTS_STORE") else { return };
    let lasting = context.configuration().ok().and_then(|it| it.trusted("vsts.store"));
    if lasting.unwrap_or("keychain") != store {
        let store = crate::text::visible_within(store, 40);
        context.ui.warning(format_args!(
            "git finds it where GIT_VSTS_STORE is set; `git config --global vsts.store {store}` makes it so everywhere"
        ));
    }
}

/// What was kept so far. What can't be read names nobody, and is to be replaced.
fn before(context: &Context, organization: &Organization) -> Result<Option<Kept>, Error> {
    match context.keychain()?.read(&organization.key()) {
        Ok(record) => Ok(record.and_then(|record| Kept::from_record(&record).ok())),
        Err(keychain::Error::Broken { .. }) => Ok(None),
        Err(error) => Err(not_kept(organization, error)),
    }
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
    let what = match &kept.credential {
        Credential::Pat(pat) if pat.id.is_some() => "kept a token",
        Credential::Pat(_) => "kept the token",
        Credential::Entra(_) => "kept the sign-in, which renews itself,",
    };
    let until = match kept.credential.expires() {
        Some(expires) => expires.strftime(" until %-d %b %Y").to_string(),
        None => String::new(),
    };
    let where_kept = match store {
        Store::Keychain => format!("{what} in this computer's keychain{until}"),
        Store::File => format!("{what} in a file that only you can read{until}"),
        Store::None => "kept nothing, since the store is `none`".to_owned(),
    };
    context.ui.status(format_args!("Signed in to {organization}{who}; {where_kept}"));
    if let Some(before) = before
        && !before.account.is_empty()
        && !is_of_same_account(before, kept)
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::context::{Environment, SystemClock};
    use crate::remote::Service;
    use crate::ui::{self, Ui};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        login: Login,
    }

    #[test]
    fn a_server_of_ones_own_takes_no_microsoft_account() {
        let ui = Ui::captured(ui::Settings::default(), Vec::new());
        let environment = Environment::from_pairs::<String, String>([]);
        let context = Context::new(ui, environment, Box::new(SystemClock), "/".into()).unwrap();
        let server = "https://tfs.example.com/tfs/DefaultCollection";
        let organization =
            Service::default().with_collection(server).unwrap().organization(server).unwrap();
        let how = |flags: &str| {
            let line = Line::parse_from(["login"].into_iter().chain(flags.split_whitespace()));
            line.login.how(&context, &organization)
        };
        for flags in
            ["--web", "--device", "--tenant contoso.com", "--expires 7", "--credential pat"]
        {
            let error = how(flags).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                (
                    Kind::Usage,
                    format!(
                        "{organization} is an Azure DevOps Server, which takes no Microsoft account"
                    ),
                ),
                "{flags}"
            );
        }
        assert_eq!(how("--pat-stdin").unwrap(), How::Stdin);
        assert_eq!(how("").unwrap(), How::Question);
    }
}
