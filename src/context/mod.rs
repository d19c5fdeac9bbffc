//! All that a command may touch: the terminal, the environment, the configuration, the keychain,
//! the network, the clock. Nothing is opened before it is used.

mod environment;
mod microsoft;
mod network;
mod renewal;

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::azure::{self, Azure};
use crate::configuration::{Configuration, Trust};
use crate::credential::{self, Credential, Kept};
use crate::error::{Error, Kind};
use crate::http::{AUTHORIZATION, Client, Settings, Wait};
use crate::installation::Places;
use crate::keychain::{File, Keychain, Nowhere, System, Unlock};
use crate::remote::{Organization, Service};
use crate::repository::{Git, Repository};
use crate::signin::pat;
use crate::ui::{Hold, Interrupt, Ui};
use crate::wiring::{self, GlobalFile, Program};

pub use environment::{
    ANSWERS_ONLY, Environment, HANDED_TO, HANDED_TOKEN, OVERRIDES, SECRETS, TOKENS, Token,
};

/// How long the keychain may take to answer, in seconds.
const KEYCHAIN_PATIENCE: Duration = Duration::from_secs(3);
/// How long a person may take to unlock it, in seconds.
const UNLOCK_PATIENCE: Duration = Duration::from_secs(120);

/// The variable that holds a pipeline's own token, which is for one organization alone.
const PIPELINE_TOKEN: &str = "SYSTEM_ACCESSTOKEN";

/// Time.
pub trait Clock {
    /// What time it is.
    fn now(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, duration: Duration);
}

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// Where credentials are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The system's keychain.
    Keychain,
    /// A file that only this user can read.
    File,
    /// Nowhere.
    None,
}

/// Where a credential came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The store.
    Store(Store),
    /// This variable of the environment.
    Environment(&'static str),
}

impl Source {
    /// The word of `status --json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store(Store::File) => "file",
            Self::Store(_) => "keychain",
            Self::Environment(_) => "environment",
        }
    }
}

/// A credential that can be used, and where it came from.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The credential.
    pub credential: Credential,
    /// Who it belongs to, if that is known without asking the service.
    pub account: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// The world of a command.
pub struct Context {
    /// The terminal.
    pub ui: Ui,
    /// The environment.
    pub environment: Environment,
    /// Where Azure DevOps answers.
    pub service: Service,
    /// Time.
    pub clock: Box<dyn Clock>,
    directory: PathBuf,
    answers_git: Cell<bool>,
    stays_offline: Cell<bool>,
    git: OnceCell<Option<Git>>,
    configuration: OnceCell<Configuration>,
    store: OnceCell<Store>,
    keychain: OnceCell<Box<dyn Keychain>>,
    clients: RefCell<Vec<(Settings, Client)>>,
    last_wait: RefCell<String>,
    /// Each sign-in is found once in a run, and asked for once where nothing keeps it.
    sign_ins: RefCell<Vec<(Organization, SignIn)>>,
    /// Where a renewal failed in this run, and what there is was used.
    not_renewed: RefCell<Vec<Organization>>,
}

impl Context {
    /// The world as the process has it. `directory` is where the command was started.
    ///
    /// # Errors
    /// An override of the environment that can't be used.
    pub fn new(
        ui: Ui,
        environment: Environment,
        clock: Box<dyn Clock>,
        directory: PathBuf,
    ) -> Result<Self, Error> {
        let at = |variable: &str| {
            let unusable = |error| Error::from(error).context(format!("{variable} can't be used"));
            environment.get(variable).map(Service::at).transpose().map_err(unusable)
        };
        let service = at("GIT_VSTS_AZURE_URL")?.unwrap_or_default();
        // Whoever sets one that can't be used hears of it before it is needed.
        at("GIT_VSTS_SPS_URL")?;
        at("GIT_VSTS_LOGIN_URL")?;
        Ok(Self {
            ui,
            environment,
            service,
            clock,
            directory,
            answers_git: Cell::new(false),
            stays_offline: Cell::new(false),
            git: OnceCell::new(),
            configuration: OnceCell::new(),
            store: OnceCell::new(),
            keychain: OnceCell::new(),
            clients: RefCell::default(),
            last_wait: RefCell::default(),
            sign_ins: RefCell::default(),
            not_renewed: RefCell::default(),
        })
    }

    /// Makes this the run of a helper that git waits for: it unlocks nothing, and settings of the
    /// repository's own are ignored without a word, since git itself may obey them.
    pub fn answer_git(&self) {
        self.answers_git.set(true);
    }

    /// Makes this a run that asks no server, so that nothing is renewed.
    pub fn stay_offline(&self) {
        self.stays_offline.set(true);
    }

    /// The program that asks in a window, `GIT_ASKPASS`: for a token alone, and only where there is
    /// no terminal and nothing forbids to ask.
    pub fn askpass(&self) -> Option<&OsStr> {
        let program = self.environment.raw("GIT_ASKPASS")?;
        (!self.ui.can_ask() && !self.ui.is_forbidden_to_ask()).then_some(program)
    }

    /// Where the command was started.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The git on this computer.
    ///
    /// # Errors
    /// There is none.
    pub fn git(&self) -> Result<&Git, Error> {
        self.git_if_any().ok_or_else(|| crate::repository::GitError::Missing.into())
    }

    /// The git on this computer, if there is one.
    pub fn git_if_any(&self) -> Option<&Git> {
        let find = || {
            let git = Git::find(self.environment.raw("PATH"), &SECRETS).ok()?;
            Some(git.started_in(&self.directory, |name| self.environment.raw(name)))
        };
        self.git.get_or_init(find).as_ref()
    }

    /// git's effective configuration here. Settings of the repository's own that are not obeyed are
    /// warned of, once.
    ///
    /// # Errors
    /// git could not be asked.
    pub fn configuration(&self) -> Result<&Configuration, Error> {
        if let Some(configuration) = self.configuration.get() {
            return Ok(configuration);
        }
        let configuration = self.configuration_now()?;
        let ignored =
            if self.answers_git.get() { Vec::new() } else { configuration.ignored_here() };
        for ignored in ignored {
            self.ui.warning(format_args!(
                "{} in the repository's own configuration ({}) is ignored",
                ignored.key, ignored.scope
            ));
        }
        Ok(self.configuration.get_or_init(|| configuration))
    }

    /// git's effective configuration as it is now, after a change of it.
    ///
    /// # Errors
    /// git could not be asked.
    pub fn configuration_now(&self) -> Result<Configuration, Error> {
        let list = match self.git_if_any() {
            Some(git) => git.configuration(&self.directory)?,
            None => None,
        };
        Ok(match list {
            Some(list) => Configuration::parse(&list)?,
            None => Repository::configuration(&self.directory)?,
        })
    }

    /// The file of git's global configuration.
    ///
    /// # Errors
    /// There is no home, or the environment says that git is to read none.
    pub fn global_file(&self) -> Result<GlobalFile, wiring::Error> {
        // git writes `~/.gitconfig` then, and does not read it.
        if self.environment.is_empty("GIT_CONFIG_GLOBAL") {
            return Err(wiring::Error::SwitchedOff);
        }
        let named = self.environment.raw("GIT_CONFIG_GLOBAL");
        let named = named.map(|path| self.directory.join(path));
        let base = self.environment.path("XDG_CONFIG_HOME");
        GlobalFile::find(named, self.environment.home(), base)
    }

    /// This program, by the path that lasts.
    ///
    /// # Errors
    /// The system does not say which file it runs.
    pub fn program(&self) -> Result<Program, Error> {
        let running = std::env::current_exe().map_err(|error| {
            Error::new(Kind::Failed, error).context("it can't be told where git vsts itself is")
        })?;
        let called = std::env::args_os().next().unwrap_or_default();
        let folders = std::env::split_paths(self.environment.raw("PATH").unwrap_or_default());
        Ok(Program::find(&running, &called, &self.directory, folders))
    }

    /// Where the files go that a shell and `man` look for.
    ///
    /// # Errors
    /// There is no home, or the system does not say which file it runs.
    pub fn places(&self) -> Result<Places, Error> {
        let data = self.data_directory()?;
        let program = self.program()?;
        if cfg!(windows) {
            return Ok(Places { manual: None, bash: None, fish: None, data });
        }
        let environment = &self.environment;
        let fallback = || environment.home().map(|home| home.join(".local/share"));
        let base = environment.path("XDG_DATA_HOME").or_else(fallback);
        let own = environment.path("BASH_COMPLETION_USER_DIR");
        let bash = own.or_else(|| base.as_ref().map(|base| base.join("bash-completion")));
        Ok(Places {
            manual: Places::manual_of(program.path(), environment.home().as_deref()),
            bash: bash.map(|bash| bash.join("completions")),
            fish: base.map(|base| base.join("fish/vendor_completions.d")),
            data,
        })
    }

    /// Whether a shell is the one of whoever is here.
    pub fn has_shell(&self, name: &str) -> bool {
        let shell = self.environment.raw("SHELL").map(Path::new);
        shell.is_some_and(|shell| shell.file_name() == Some(name.as_ref()))
    }

    /// The folders of temporary files.
    pub fn temporary_directories() -> Vec<PathBuf> {
        vec![std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()]
    }

    /// The repository here, if there is one.
    ///
    /// # Errors
    /// There is one, and it can't be used.
    pub fn repository(&self) -> Result<Option<Repository>, Error> {
        match self.environment.raw("GIT_DIR") {
            Some(git_dir) => Ok(Some(Repository::named_by_environment(Path::new(git_dir))?)),
            None => Ok(Repository::find(&self.directory)?),
        }
    }

    /// Which store is in use.
    ///
    /// # Errors
    /// A value that names none.
    pub fn store(&self) -> Result<Store, Error> {
        if let Some(store) = self.store.get() {
            return Ok(*store);
        }
        let (name, value) = match self.environment.get("GIT_VSTS_STORE") {
            Some(value) => ("GIT_VSTS_STORE", Some(value)),
            None => ("vsts.store", self.configuration()?.trusted("vsts.store")),
        };
        let store = match value {
            None | Some("keychain") => Store::Keychain,
            Some("file") => Store::File,
            Some("none") => Store::None,
            Some(other) => {
                let other = crate::text::visible_within(other, 40);
                let message = format!("{name} is `{other}`, which is no store");
                return Err(Error::message(Kind::Usage, message)
                    .hint("the stores are `keychain`, `file` and `none`"));
            }
        };
        Ok(*self.store.get_or_init(|| store))
    }

    /// Makes the file the store of this run, whatever the settings say.
    pub fn use_file(&self) {
        // It is set before anything else of the run looks at it.
        let _ = self.store.set(Store::File);
    }

    /// Where credentials are kept.
    ///
    /// # Errors
    /// The store that is set can't be used.
    pub fn keychain(&self) -> Result<&dyn Keychain, Error> {
        if let Some(keychain) = self.keychain.get() {
            return Ok(&**keychain);
        }
        let system = || System::new(self.unlock(), KEYCHAIN_PATIENCE, UNLOCK_PATIENCE);
        // git takes as long to say which store is in use as the bus to be reached.
        let is_asked = self.environment.get("GIT_VSTS_STORE").is_none()
            && self.store.get().is_none()
            && self.configuration.get().is_none();
        let ahead = is_asked.then(|| {
            let system = system();
            system.connect_ahead();
            system
        });
        let keychain: Box<dyn Keychain> = match self.store()? {
            Store::Keychain => Box::new(ahead.unwrap_or_else(system)),
            Store::File => Box::new(File::new(self.data_directory()?)),
            Store::None => Box::new(Nowhere),
        };
        Ok(&**self.keychain.get_or_init(|| keychain))
    }

    /// What is kept for an organization.
    ///
    /// # Errors
    /// The store can't be read; that is never taken for "nothing".
    pub fn kept(&self, organization: &Organization) -> Result<Option<Kept>, Error> {
        Ok(self.kept_as_record(organization)?.map(|(_, kept)| kept))
    }

    /// The same, beside the text that the store holds, for [`Keychain::replace`].
    ///
    /// # Errors
    /// As [`Context::kept`].
    pub fn kept_as_record(
        &self,
        organization: &Organization,
    ) -> Result<Option<(SecretString, Kept)>, Error> {
        let Some(record) = self.keychain()?.read(&organization.key())? else { return Ok(None) };
        let kept = Kept::from_record(&record)
            .and_then(|kept| match kept.organization.to_lowercase() == organization.key() {
                true => Ok(kept),
                // Somebody copied another organization's record here.
                false => Err(credential::Error::Unreadable),
            })
            .map_err(|error| crate::error::unusable_sign_in(organization, error))?;
        kept.credential.secrets().for_each(|secret| self.ui.conceal(secret));
        Ok(Some((record, kept)))
    }

    /// The token of the environment that may go to an organization, if one is set.
    ///
    /// A pipeline's own token is for the organization that it runs in, and one that another run of
    /// ours hands on for that which it names; neither is for any other.
    ///
    /// # Errors
    /// A variable that a pipeline should have replaced, or a `SYSTEM_COLLECTIONURI` that is none.
    pub fn environment_token(&self, organization: &Organization) -> Result<Option<Token>, Error> {
        let handed_on = || {
            let token = self.environment.handed_on(&organization.key())?;
            self.ui.conceal(&token.token);
            Some(token)
        };
        let Some(Token { variable, token }) = self.token_of_environment()? else {
            return Ok(handed_on());
        };
        let collection = self.environment.get("SYSTEM_COLLECTIONURI");
        let its = collection.and_then(|uri| self.service.organization(uri).ok());
        match variable {
            PIPELINE_TOKEN if its.as_ref() != Some(organization) => Ok(handed_on()),
            _ => Ok(Some(Token { variable, token })),
        }
    }

    /// The token of the environment that may go to whatever organization of the service asks, if one
    /// is set.
    ///
    /// # Errors
    /// As [`Context::environment_token`].
    pub fn environment_token_for_any(&self) -> Result<Option<Token>, Error> {
        Ok(self.token_of_environment()?.filter(|token| token.variable != PIPELINE_TOKEN))
    }

    fn token_of_environment(&self) -> Result<Option<Token>, Error> {
        let found = self.environment.token().map_err(|variable| {
            let message = format!("{variable} holds `$(…)`, which the pipeline did not replace");
            Error::message(Kind::Usage, message).hint(format!(
                "map it into the step's environment: `{variable}: $(System.AccessToken)`"
            ))
        })?;
        let Some(Token { variable, token }) = found else { return Ok(None) };
        self.ui.conceal(&token);
        let token = pat::read(&token)
            .map_err(|error| Error::from(error).context(format!("{variable} holds no token")))?;
        Ok(Some(Token { variable, token }))
    }

    /// The pipeline's own token, if one is set that is not used for this organization: whoever set
    /// it wants to know why.
    pub fn is_other_pipeline(&self, organization: &Organization) -> bool {
        let is_set = self.environment.token().ok().flatten();
        is_set.is_some_and(|token| token.variable == PIPELINE_TOKEN)
            && self.environment_token(organization).is_ok_and(|token| token.is_none())
    }

    /// The credential for an organization: of the environment, else what is kept.
    ///
    /// # Errors
    /// As [`Context::kept`] and [`Context::environment_token`].
    pub fn sign_in(&self, organization: &Organization) -> Result<Option<SignIn>, Error> {
        if let Some(known) = self.remembered(organization) {
            return Ok(Some(known));
        }
        let found = self.find_sign_in(organization)?;
        if let Some(sign_in) = &found {
            self.remember(organization, sign_in);
        }
        Ok(found)
    }

    /// The sign-in of this run, as long as it is good without a renewal; what is kept nowhere can't be renewed.
    fn remembered(&self, organization: &Organization) -> Option<SignIn> {
        let sign_ins = self.sign_ins.borrow();
        let (_, known) = sign_ins.iter().find(|(met, _)| met == organization)?;
        let is_kept = !matches!(known.source, Source::Store(Store::None));
        (!is_kept || !self.is_due(&known.credential)).then(|| known.clone())
    }

    /// Makes a sign-in the one of this run, until [`Context::forget`].
    pub fn remember(&self, organization: &Organization, sign_in: &SignIn) {
        self.forget(organization);
        self.sign_ins.borrow_mut().push((organization.clone(), sign_in.clone()));
    }

    /// Looks for the sign-in afresh from now on.
    pub fn forget(&self, organization: &Organization) {
        self.sign_ins.borrow_mut().retain(|(met, _)| met != organization);
    }

    fn find_sign_in(&self, organization: &Organization) -> Result<Option<SignIn>, Error> {
        if let Some(Token { variable, token }) = self.environment_token(organization)? {
            let credential = Credential::pat(token);
            let source = Source::Environment(variable);
            return Ok(Some(SignIn { credential, account: None, source }));
        }
        let Some(kept) = self.kept(organization)? else { return Ok(None) };
        let Some(kept) = self.renewed(organization, kept)? else { return Ok(None) };
        let account = Some(kept.account).filter(|account| !account.is_empty());
        let source = Source::Store(self.store()?);
        Ok(Some(SignIn { credential: kept.credential, account, source }))
    }

    /// Asks the service something as somebody who is signed in; once more where it has ended that before its time, and
    /// it could be renewed.
    ///
    /// # Errors
    /// Settings that can't be used, or that the renewal failed; within, what the service answered.
    pub fn ask<T>(
        &self,
        organization: &Organization,
        sign_in: &SignIn,
        question: impl Fn(&Azure<'_>) -> Result<T, azure::Error>,
    ) -> Result<Result<T, azure::Error>, Error> {
        let client = self.rest_client(organization)?;
        let wait = |why: &str, pause| self.wait(why, pause);
        let ask = |sign_in: &SignIn| {
            question(&self.azure(&client, organization, &sign_in.credential, &wait))
        };
        // Whoever asks may hold one that an earlier question has renewed.
        let sign_in = self.remembered(organization).unwrap_or_else(|| sign_in.clone());
        let refused = match ask(&sign_in) {
            Err(error @ azure::Error::SignedOut { .. }) if sign_in.credential.is_renewable() => {
                error
            }
            answered => return Ok(answered),
        };
        self.forget_refused(organization, &sign_in);
        match self.sign_in(organization)? {
            Some(renewed) if renewed.credential.is_renewable() => Ok(ask(&renewed)),
            _ => Ok(Err(refused)),
        }
    }

    /// The service's REST interface.
    pub fn azure<'a>(
        &'a self,
        client: &'a Client,
        organization: &'a Organization,
        credential: &'a Credential,
        wait: Wait<'a>,
    ) -> Azure<'a> {
        // The settings were read for the client already. A header that signs is for git's requests:
        // the credential signs these.
        let url = Url::parse(&organization.url()).ok();
        let headers = url.and_then(|url| self.extra_headers(&url, Trust::TrustedOnly).ok());
        let mut headers = headers.unwrap_or_default();
        headers.retain(|(name, _)| *name != AUTHORIZATION);
        Azure { client, service: &self.service, organization, credential, headers, wait }
    }

    /// Does what must not be cut in half, such as a change of git's configuration, whose lock would
    /// stay: a signal that comes meanwhile ends the command after it.
    ///
    /// # Errors
    /// What went wrong, or that a signal came.
    pub fn whole<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let hold = self.hold()?;
        let done = work();
        drop(hold);
        let done = done?;
        self.check_interrupted()?;
        Ok(done)
    }

    /// The same for work that is done in several places: until the result is dropped a signal is only noted, for
    /// [`Context::check_interrupted`].
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn hold(&self) -> Result<Hold, Error> {
        Ok(Interrupt::install()?.hold())
    }

    /// Ends the command if a signal came while the end was held back.
    ///
    /// # Errors
    /// One came.
    pub fn check_interrupted(&self) -> Result<(), Error> {
        Ok(Interrupt::install()?.check()?)
    }

    /// Waits for the service, and says why if it takes long. The same reason is said once.
    pub fn wait(&self, why: &str, pause: Duration) {
        if pause >= Duration::from_secs(1) && *self.last_wait.borrow() != why {
            self.ui.status(format_args!("{why}; waiting {} s", pause.as_secs()));
            why.clone_into(&mut self.last_wait.borrow_mut());
        }
        self.clock.sleep(pause);
    }

    /// The folder of our own data: `$XDG_DATA_HOME/git-vsts`, and what stands for it elsewhere.
    ///
    /// # Errors
    /// There is no home.
    pub fn data_directory(&self) -> Result<PathBuf, Error> {
        let environment = &self.environment;
        let base = if cfg!(windows) {
            environment.path("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            environment.path("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            let fallback = || environment.path("HOME").map(|home| home.join(".local/share"));
            environment.path("XDG_DATA_HOME").or_else(fallback)
        };
        base.map(|base| base.join("git-vsts")).ok_or_else(|| {
            let message = "there is no home directory to keep a credential file in";
            Error::message(Kind::Failed, message).hint("set `HOME`, or `GIT_VSTS_PAT` for one run")
        })
    }

    fn unlock(&self) -> Unlock {
        if self.answers_git.get() || !self.ui.can_ask() {
            return Unlock::Never;
        }
        let ui = self.ui.clone();
        Unlock::Foreground(Box::new(move || {
            ui.status(format_args!("The keychain is locked; it asks for its password in a window"));
        }))
    }

    /// A path of git's configuration, where `~/` is the home (git-config(1), "pathname").
    pub fn home_path(&self, path: &str) -> PathBuf {
        let home = path.strip_prefix("~/").zip(self.environment.home());
        home.map_or_else(|| PathBuf::from(path), |(rest, home)| home.join(rest))
    }
}

/// Keeps what this process holds in memory out of core dumps and from other programs of this user
/// that would attach to it.
pub fn keep_secrets_out_of_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Where it can't be lowered there is nothing better to do.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::ui;

    /// A clock that only remembers for how long it was to wait.
    #[derive(Clone, Default)]
    struct Remembered(Arc<Mutex<Vec<u64>>>);

    impl Clock for Remembered {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn sleep(&self, duration: Duration) {
            self.0.lock().unwrap().push(duration.as_secs());
        }
    }

    fn context(variables: &[(&str, &str)]) -> (Context, Remembered) {
        let clock = Remembered::default();
        let ui = Ui::captured(ui::Settings::default(), Vec::new());
        let environment = Environment::from_pairs(variables.iter().copied());
        let context = Context::new(ui, environment, Box::new(clock.clone()), "/".into());
        (context.unwrap(), clock)
    }

    #[test]
    fn a_wait_is_told_once_where_it_is_long() {
        let (context, clock) = context(&[]);
        context.wait("dev.azure.com asks for fewer requests", Duration::ZERO);
        context.wait("dev.azure.com asks for fewer requests", Duration::from_secs(7));
        context.wait("dev.azure.com asks for fewer requests", Duration::from_secs(9));
        context.wait("shop is being made", Duration::from_secs(1));
        assert_eq!(
            context.ui.captured_stderr(),
            "dev.azure.com asks for fewer requests; waiting 7 s\nshop is being made; waiting 1 s\n"
        );
        assert_eq!(*clock.0.lock().unwrap(), [0, 7, 9, 1]);
    }

    #[test]
    fn a_token_of_the_environment_goes_where_it_may() {
        let key = Service::default().organization("contoso").unwrap().key();
        let pipeline = ("SYSTEM_ACCESSTOKEN", "token");
        let here = ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/Contoso/");
        let old = ("SYSTEM_COLLECTIONURI", "https://contoso.visualstudio.com/");
        let elsewhere = ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/fabrikam/");
        let junk = ("SYSTEM_COLLECTIONURI", "https://evil.example/contoso");
        let handed_on = (HANDED_TOKEN, "token");
        let table: [(&[_], Option<&str>); 14] = [
            (&[], None),
            (&[("GIT_VSTS_PAT", "token")], Some("GIT_VSTS_PAT")),
            (&[("AZURE_DEVOPS_EXT_PAT", "token"), pipeline], Some("AZURE_DEVOPS_EXT_PAT")),
            (&[("GIT_VSTS_PAT", ""), pipeline, here], Some("SYSTEM_ACCESSTOKEN")),
            (&[pipeline], None),
            (&[pipeline, here], Some("SYSTEM_ACCESSTOKEN")),
            (&[pipeline, old], Some("SYSTEM_ACCESSTOKEN")),
            (&[pipeline, elsewhere], None),
            (&[pipeline, junk], None),
            (&[handed_on, (HANDED_TO, &key)], Some(HANDED_TOKEN)),
            (&[handed_on, (HANDED_TO, &key), pipeline, elsewhere], Some(HANDED_TOKEN)),
            (&[handed_on, (HANDED_TO, "https://dev.azure.com/fabrikam")], None),
            (&[handed_on, (HANDED_TO, "contoso")], None),
            (&[handed_on], None),
        ];
        for (variables, variable) in table {
            let (context, _) = context(variables);
            let organization = context.service.organization("contoso").unwrap();
            let token = context.environment_token(&organization).unwrap();
            assert_eq!(token.as_ref().map(|it| it.variable), variable, "{variables:?}");
            assert!(token.is_none_or(|it| it.token.expose_secret() == "token"));
        }
        let (context, _) = context(&[handed_on, (HANDED_TO, &key)]);
        assert!(context.environment_token_for_any().unwrap().is_none(), "it is for one alone");
    }
}
