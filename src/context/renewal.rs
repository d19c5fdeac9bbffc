//! The silent renewal of a Microsoft sign-in.
//!
//! A refresh token may be good for one use, and a server may end the whole sign-in where one is used twice (RFC 9700,
//! section 4.14.2). So one process at a time renews: whoever waited for it finds what it kept.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;

use super::{Context, SignIn, Source};
use crate::credential::{Credential, Entra, Kept, fingerprint};
use crate::error::{Error, Kind};
use crate::http::{self, Limits, Stall};
use crate::remote::Organization;
use crate::signin::microsoft::{self, Authority, LOGIN_URL, Microsoft};

/// How long before its end an access token is renewed.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
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
    /// What is kept, with an access token that is good for some minutes. None if the sign-in has ended: that is told,
    /// and it is forgotten.
    ///
    /// # Errors
    /// It could not be renewed now, or not be kept.
    pub(super) fn renewed(
        &self,
        organization: &Organization,
        kept: Kept,
    ) -> Result<Option<Kept>, Error> {
        if self.stays_offline.get() || !self.is_due(&kept.credential) {
            return Ok(Some(kept));
        }
        let lock = match self.lock(organization) {
            Ok(lock) => lock,
            // Whoever holds the lock, or keeps us from it, must not keep us from a token that is good.
            Err(_) if !self.has_ended(&kept) => return Ok(Some(kept)),
            Err(error) => return Err(error),
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
                Error::from(error)
                    .without_hints()
                    .context(format!("the sign-in to {organization} has ended"))
                    .hint(format!("sign in again: `git vsts login {organization}`"))
                    .warn(&self.ui);
                Ok(None)
            }
            // The service may take it still, whatever was in the way.
            Err(_) if !self.has_ended(&kept) => Ok(Some(kept)),
            Err(error) => Err(Error::from(error)
                .context(format!("the sign-in to {organization} could not be renewed"))),
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
                error
                    .context(format!("the renewed sign-in to {organization} could not be kept"))
                    .warn(&self.ui);
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

    /// Whether there is no access token, or one that has ended by our clock.
    fn has_ended(&self, kept: &Kept) -> bool {
        let signing = kept.credential.signing_secret();
        signing.is_none_or(|(_, expires)| expires.is_some_and(|end| end <= self.clock.now()))
    }

    /// Whether it can be renewed and ends in some minutes.
    pub(super) fn is_due(&self, credential: &Credential) -> bool {
        let Credential::Entra(entra) = credential else { return false };
        let is_fresh = |entra: &Entra| {
            let soon = self.clock.now().checked_add(EARLY).unwrap_or(jiff::Timestamp::MAX);
            entra.access_token.is_some() && entra.expires.is_none_or(|expires| soon < expires)
        };
        entra.is_renewable() && !is_fresh(entra)
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
        let tokens = microsoft.renew(&entra.refresh_token)?;
        let entra = entra.clone();
        let renewed = entra.renewed(tokens.access_token, tokens.expires, tokens.refresh_token);
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
