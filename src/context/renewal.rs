//! The silent renewal of a Microsoft sign-in.
//!
//! A refresh token may be good for one use, and a server may end the whole sign-in where one is used twice (RFC 9700,
//! section 4.14.2). So one process at a time renews: whoever waited for it finds what it kept.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::{Context, SignIn, Source};
use crate::credential::{Credential, Entra, Kept, fingerprint};
use crate::error::{Attempted, Error, Kind};
use crate::http::{self, Limits, Stall};
use crate::remote::Organization;
use crate::signin::microsoft::{self, Authority, LOGIN_URL, Microsoft};

/// How long another process may take to renew.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long Microsoft may take: git waits meanwhile, and others of ours for the lock.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(10),
    stall: Stall { window: Duration::from_secs(10), bytes: 1 },
    work: Duration::from_secs(10),
    body: Duration::from_secs(10),
    patience: Duration::from_secs(5),
};
const PAUSE: Duration = Duration::from_millis(20);

/// What came of it to put something in the place of a sign-in.
enum Put {
    /// It stands there.
    Done,
    /// Another sign-in was there by then, or none, and is still.
    Other(Option<Box<Kept>>),
}

impl Context {
    /// What is kept, with an access token that is good for some minutes, or what there is where it could not be renewed
    /// now. None if the sign-in has ended: that is told, and it is forgotten.
    ///
    /// # Errors
    /// It could not be renewed now, and there is nothing to try; or the store can't be read.
    pub(super) fn renewed(
        &self,
        organization: &Organization,
        kept: Kept,
    ) -> Result<Option<Kept>, Error> {
        // What could not be renewed a moment ago would have to be waited for again, at each question.
        let is_tried = self.not_renewed.borrow().contains(organization)
            && kept.credential.signing_secret().is_some();
        if self.stays_offline.get() || is_tried || !self.is_due(&kept.credential) {
            return Ok(Some(kept));
        }
        let lock = match self.lock(organization) {
            Ok(lock) => lock,
            // Whoever holds the lock, or keeps us from it, must not keep us from a token that is good.
            Err(error) => return self.as_it_is(organization, kept, error),
        };
        let renewed = self.renewed_alone(organization);
        drop(lock);
        renewed
    }

    fn renewed_alone(&self, organization: &Organization) -> Result<Option<Kept>, Error> {
        // Who had the lock before has done it, or has signed out.
        let Some((record, kept)) = self.kept_as_record(organization)? else { return Ok(None) };
        let Credential::Entra(entra) = &kept.credential else { return Ok(Some(kept)) };
        if !self.is_due(&kept.credential) {
            return Ok(Some(kept));
        }
        match self.renew(entra) {
            Ok(credential) => {
                let renewed = Kept { credential, ..kept.clone() };
                self.keep_renewed(organization, record, entra, renewed)
            }
            Err(error) if error.is_end() => {
                let put = self.whole(|| self.put(organization, record, entra, None))?;
                if let Put::Other(kept) = put {
                    return Ok(kept.map(|kept| *kept));
                }
                let ended = Error::from(error)
                    .without_hints()
                    .context(format!("the sign-in to {organization} has ended"))
                    .hint(format!("sign in again: `git vsts login {organization}`"));
                self.warn(&ended);
                Ok(None)
            }
            Err(error) => {
                let attempted = Attempted { organization: Some(organization), in_browser: false };
                self.as_it_is(organization, kept, Error::of_sign_in(error, attempted))
            }
        }
    }

    /// What could not be renewed, if there is something to try: the service may take it still, whatever our clock says,
    /// and is the one to refuse it. git gets nothing that has ended: it would ask nobody else, and fail with that.
    fn as_it_is(
        &self,
        organization: &Organization,
        kept: Kept,
        error: Error,
    ) -> Result<Option<Kept>, Error> {
        let error = error.context(format!("the sign-in to {organization} could not be renewed"));
        match kept.credential.signing_secret() {
            None => Err(error),
            Some((_, Some(end))) if self.answers_git.get() && end <= self.clock.now() => Err(error),
            Some(_) => {
                self.ui.detail(format_args!("{error}"));
                self.not_renewed.borrow_mut().push(organization.clone());
                Ok(Some(kept))
            }
        }
    }

    /// Tells of what does not end the command; in one line where git shows it among its own.
    fn warn(&self, error: &Error) {
        match self.answers_git.get() {
            true => error.warn_in_one_line(&self.ui),
            false => error.warn(&self.ui),
        }
    }

    /// Keeps what was renewed before it is used: the token that was renewed with may be good no more.
    fn keep_renewed(
        &self,
        organization: &Organization,
        record: SecretString,
        spent: &Entra,
        renewed: Kept,
    ) -> Result<Option<Kept>, Error> {
        let put = || self.put(organization, record.clone(), spent, Some(&renewed));
        // Once more, since what is not kept now may be lost for good.
        match self.whole(|| put().or_else(|_| put())) {
            Ok(Put::Done) => Ok(Some(renewed)),
            Ok(Put::Other(kept)) => Ok(kept.map(|kept| *kept)),
            Err(error) if error.is_interrupted() => Err(error),
            // It is good for this run at least.
            Err(error) => {
                let what = format!("the renewed sign-in to {organization} could not be kept");
                self.warn(&error.context(what));
                Ok(Some(renewed))
            }
        }
    }

    /// Puts what became of a sign-in in the place of it, nothing where it has ended.
    ///
    /// Its record may have changed meanwhile: git erases an access token, or says until when one is good, without the
    /// lock, since git waits. It is the same sign-in as long as the same token renews it. Another one was meant by
    /// whoever signed in or out.
    fn put(
        &self,
        organization: &Organization,
        record: SecretString,
        sign_in: &Entra,
        new: Option<&Kept>,
    ) -> Result<Put, Error> {
        let mut record = record;
        // Each turn but the last is one in which somebody else has written, so they come to an end.
        while !self.replace(organization, &record, new)? {
            record = match self.kept_as_record(organization)? {
                Some((record, kept)) if kept.credential.is_renewed_by(sign_in) => record,
                other => return Ok(Put::Other(other.map(|(_, kept)| Box::new(kept)))),
            };
        }
        Ok(Put::Done)
    }

    /// Forgets what the service refused of a kept credential, unless another was kept meanwhile. What renews it may be
    /// good still, and stays. Whether nothing is left.
    pub fn forget_refused(&self, organization: &Organization, sign_in: &SignIn) -> bool {
        self.forget(organization);
        let Some((refused, _)) = sign_in.credential.signing_secret() else { return false };
        let Ok(Some((record, kept))) = self.kept_as_record(organization) else { return false };
        if !matches!(sign_in.source, Source::Store(_)) || !kept.credential.is_signed_by(refused) {
            return false;
        }
        let left = kept.credential.clone().without_refused();
        let left = left.map(|credential| Kept { credential, ..kept });
        let replaced = self.whole(|| self.replace(organization, &record, left.as_ref()));
        left.is_none() && matches!(replaced, Ok(true))
    }

    /// Whether it can be renewed, and has no access token or one that ends soon.
    pub(super) fn is_due(&self, credential: &Credential) -> bool {
        let Credential::Entra(entra) = credential else { return false };
        let is_fresh = entra.due().is_none_or(|due| self.clock.now() < due);
        entra.is_renewable() && !(entra.access_token.is_some() && is_fresh)
    }

    fn renew(&self, entra: &Entra) -> Result<Credential, microsoft::Error> {
        let setting = |error: Error| microsoft::Error::Http(http::Error::Setup(error.to_string()));
        if entra.authority != self.other_authority() {
            let issued = entra.authority.as_deref().unwrap_or(LOGIN_URL);
            return Err(microsoft::Error::OtherAuthority {
                issued: crate::remote::without_user(issued),
                used: crate::remote::without_user(self.login_url()),
            });
        }
        let client = self.hasty_login_client(LIMITS).map_err(setting)?;
        let authority = Authority::new(self.login_url(), &entra.tenant)?;
        let now = || self.clock.now();
        let microsoft = Microsoft::new(&client, &authority, &entra.client, &now)?;
        let asked = now();
        let tokens = microsoft.renew(&entra.refresh_token)?;
        let times = (asked, tokens.expires);
        let renewed = entra.clone().renewed(tokens.access_token, times, tokens.refresh_token);
        let credential = Credential::Entra(renewed);
        credential.secrets().for_each(|secret| self.ui.conceal(secret));
        Ok(credential)
    }

    /// Puts what is new in the place of what was read. False, and nothing is changed, if that was replaced meanwhile.
    fn replace(
        &self,
        organization: &Organization,
        old: &SecretString,
        new: Option<&Kept>,
    ) -> Result<bool, Error> {
        let label = crate::credential::label(organization);
        let new = new.map(Kept::to_record);
        Ok(self.keychain()?.replace(&organization.key(), &label, old, new.as_ref())?)
    }

    /// Keeps other processes of ours from renewing or replacing the sign-in to an organization for as long as the
    /// result is held.
    ///
    /// # Errors
    /// Another has it and does not end, or it can't be had here.
    pub fn lock(&self, organization: &Organization) -> Result<File, Error> {
        let folder = self.state_directory()?;
        let name = fingerprint(&organization.key().into());
        let path = folder.join(format!("{name}.lock"));
        let unusable = |error: std::io::Error| {
            let shown = crate::text::visible(&path.display().to_string());
            Error::new(Kind::Failed, error).context(format!("{shown} can't be locked"))
        };
        let file = private_file(&folder, &path).map_err(unusable)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                    self.clock.sleep(PAUSE);
                    waited += PAUSE;
                }
                Err(TryLockError::WouldBlock) => {
                    let message = format!(
                        "another git vsts renews the sign-in to {organization}, and does not end"
                    );
                    return Err(Error::message(Kind::Failed, message));
                }
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
    }

    /// The folder of what is of this computer alone and can be lost: `$XDG_STATE_HOME/git-vsts`, and the folder of our
    /// data elsewhere.
    fn state_directory(&self) -> Result<PathBuf, Error> {
        if cfg!(any(windows, target_os = "macos")) {
            return self.data_directory();
        }
        let fallback = || self.environment.home().map(|home| home.join(".local/state"));
        let base = self.environment.path("XDG_STATE_HOME").or_else(fallback);
        match base {
            Some(base) => Ok(base.join("git-vsts")),
            None => self.data_directory(),
        }
    }
}

/// A file that nobody else can open: who can may lock it, and so keep us waiting.
fn private_file(folder: &Path, path: &Path) -> std::io::Result<File> {
    let mut directory = std::fs::DirBuilder::new();
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    directory.recursive(true).create(folder)?;
    options.create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use double::Double;
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::context::{Clock, Environment};
    use crate::ui::{self, Ui};

    const ADA: &str = "ada@contoso.com";

    /// The clock of this computer, which somebody else sets.
    #[derive(Clone)]
    struct Hands(Rc<Cell<Timestamp>>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            self.0.get()
        }

        fn sleep(&self, _: Duration) {}
    }

    /// A computer on which somebody has signed in to `contoso` with a Microsoft account, and kept that itself.
    struct World {
        double: Double,
        folder: tempfile::TempDir,
        hands: Hands,
    }

    impl World {
        fn new() -> Self {
            let double = Double::start();
            double.organization("contoso").person(ADA, "Ada Lovelace");
            double.microsoft().approves_after(0, ADA).poll_interval(Some(0));
            let hands = Hands(Rc::new(Cell::new(Timestamp::now())));
            let world = Self { double, folder: tempfile::tempdir().unwrap(), hands };
            world.sign_in();
            world
        }

        fn sign_in(&self) {
            let (context, _) = self.run();
            let client = context.login_client().unwrap();
            let authority = Authority::new(self.double.url(), "organizations").unwrap();
            let now = || context.clock.now();
            let microsoft = Microsoft::new(&client, &authority, microsoft::CLIENT, &now).unwrap();
            let code = microsoft.device_code().unwrap();
            let tokens = microsoft.use_code(&code, &|_, _| ()).unwrap();
            self.keep(Entra {
                refresh_token: tokens.refresh_token.unwrap(),
                access_token: Some(tokens.access_token),
                expires: Some(tokens.expires),
                issued: Some(now()),
                previous: None,
                authority: context.other_authority(),
                tenant: "organizations".to_owned(),
                client: microsoft::CLIENT.to_owned(),
                personal: false,
            });
        }

        fn keep(&self, entra: Entra) {
            let (context, organization) = self.run();
            let credential = Credential::Entra(entra);
            let kept =
                Kept { organization: organization.url(), account: ADA.to_owned(), credential };
            let keychain = context.keychain().unwrap();
            keychain.write(&organization.key(), "contoso", &kept.to_record()).unwrap();
        }

        fn kept(&self) -> Entra {
            let (context, organization) = self.run();
            match context.kept(&organization).unwrap().unwrap().credential {
                Credential::Entra(entra) => entra,
                Credential::Pat(_) => unreachable!("none was made"),
            }
        }

        /// The world of one more command.
        fn run(&self) -> (Context, Organization) {
            let home = self.folder.path().display().to_string();
            let environment = Environment::from_pairs([
                ("HOME", &*home),
                ("GIT_VSTS_STORE", "file"),
                ("GIT_VSTS_AZURE_URL", self.double.url()),
                ("GIT_VSTS_LOGIN_URL", self.double.url()),
            ]);
            let ui = Ui::captured(ui::Settings::default(), Vec::new());
            let directory = self.folder.path().to_owned();
            let clock = Box::new(self.hands.clone());
            let context = Context::new(ui, environment, clock, directory).unwrap();
            let organization = context.service.organization("contoso").unwrap();
            (context, organization)
        }

        /// A command that asks the service who it is.
        fn ask(&self) {
            let (context, organization) = self.run();
            let sign_in = context.sign_in(&organization).unwrap().unwrap();
            let answered = context.ask(&organization, &sign_in, |azure| azure.account());
            assert_eq!(answered.unwrap().unwrap().name, ADA);
        }

        fn renewals(&self) -> usize {
            self.double.microsoft().accepted("refresh_token")
        }

        fn turn(&self, by: SignedDuration) {
            self.hands.0.set(self.hands.0.get() + by);
        }
    }

    #[test]
    fn an_access_token_is_renewed_five_minutes_or_a_tenth_of_its_life_before_its_end() {
        let world = World::new();
        let now = world.hands.now();
        for (life, left, due) in [
            (Some(3600), 301, false),
            (Some(3600), 300, true),
            (Some(3600), 0, true),
            (Some(3600), -1, true),
            // Microsoft gives some a day, and others minutes.
            (Some(86400), 301, false),
            (Some(86400), 300, true),
            (Some(600), 61, false),
            (Some(600), 60, true),
            (Some(100), 100, false),
            (Some(100), 11, false),
            (Some(100), 10, true),
            (Some(0), 1, false),
            (Some(0), 0, true),
            // The clock was set back in between.
            (Some(-3600), 1, false),
            (Some(-3600), 0, true),
            // Kept by an earlier version.
            (None, 301, false),
            (None, 300, true),
        ] {
            let before = world.renewals();
            let expires = now + SignedDuration::from_secs(left);
            let issued = life.map(|life| expires - SignedDuration::from_secs(life));
            world.keep(Entra { expires: Some(expires), issued, ..world.kept() });
            world.ask();
            assert_eq!(world.renewals() - before, usize::from(due), "{life:?} {left}");
        }
    }

    #[test]
    fn an_access_token_without_an_end_is_renewed_when_it_is_refused() {
        let world = World::new();
        world.keep(Entra { expires: None, issued: None, ..world.kept() });
        world.ask();
        assert_eq!(world.renewals(), 0);
        world.double.microsoft().expire_access_tokens();
        world.ask();
        assert_eq!(world.renewals(), 1);
    }

    #[test]
    fn a_clock_that_jumps_by_a_day_costs_one_renewal_at_most() {
        let day = SignedDuration::from_hours(24);
        let times = |world: &World, count: usize| (0..count).for_each(|_| world.ask());
        let behind = World::new();
        behind.turn(-day);
        times(&behind, 5);
        assert_eq!(behind.renewals(), 0);
        // What the service has ended is good for a day still by this clock.
        behind.double.microsoft().expire_access_tokens();
        times(&behind, 5);
        assert_eq!(behind.renewals(), 1);

        let ahead = World::new();
        ahead.turn(day);
        times(&ahead, 5);
        assert_eq!(ahead.renewals(), 1);
        // And is set right.
        ahead.turn(-day);
        times(&ahead, 5);
        assert_eq!(ahead.renewals(), 1);
        ahead.double.microsoft().expire_access_tokens();
        times(&ahead, 5);
        assert_eq!(ahead.renewals(), 2);
    }
}
