//! The silent renewal of a Microsoft sign-in.
//!
//! A refresh token may be good for one use, and a server may end the whole sign-in where one is used twice (RFC 9700,
//! section 4.14.2). So one process at a time renews: whoever waited for it finds what it kept.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use super::Context;
use crate::credential::{Credential, Entra, Kept, fingerprint};
use crate::error::{Error, Kind};
use crate::http;
use crate::remote::Organization;
use crate::signin::microsoft::{self, Authority, Microsoft};

/// How long before its end an access token is renewed.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
/// How long another process may take to renew: as long as its requests may take.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

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
        if self.stays_offline.get() || !self.is_due(&kept) {
            return Ok(Some(kept));
        }
        let _lock = self.lock(organization)?;
        // Who had the lock before has done it.
        let Some(kept) = self.kept(organization)? else { return Ok(None) };
        let Credential::Entra(entra) = &kept.credential else { return Ok(Some(kept)) };
        if !self.is_due(&kept) {
            return Ok(Some(kept));
        }
        match self.renew(entra) {
            Ok(credential) => {
                let kept = Kept { credential, ..kept };
                // Before it is used: the token that was renewed with may be good no more.
                self.keep(organization, &kept)?;
                Ok(Some(kept))
            }
            Err(error) if error.is_end() => {
                let old = kept.to_record();
                self.keychain()?.replace(&organization.key(), "", &old, None)?;
                Error::from(error)
                    .without_hints()
                    .context(format!("the sign-in to {organization} has ended"))
                    .hint(format!("sign in again: `git vsts login {organization}`"))
                    .warn(&self.ui);
                Ok(None)
            }
            // The service may take it still, whatever our clock says.
            Err(_) if entra.access_token.is_some() => Ok(Some(kept)),
            Err(error) => Err(Error::from(error)
                .context(format!("the sign-in to {organization} could not be renewed"))),
        }
    }

    fn is_due(&self, kept: &Kept) -> bool {
        let Credential::Entra(entra) = &kept.credential else { return false };
        let is_fresh = |entra: &Entra| {
            let soon = self.clock.now().checked_add(EARLY).unwrap_or(jiff::Timestamp::MAX);
            entra.access_token.is_some() && entra.expires.is_none_or(|expires| soon < expires)
        };
        entra.is_renewable() && !is_fresh(entra)
    }

    fn renew(&self, entra: &Entra) -> Result<Credential, microsoft::Error> {
        let setting = |error: Error| microsoft::Error::Http(http::Error::Setup(error.to_string()));
        let client = self.login_client().map_err(setting)?;
        let authority = Authority::new(self.login_url(), &entra.tenant)?;
        let now = || self.clock.now();
        let microsoft = Microsoft::new(&client, &authority, &entra.client, &now)?;
        let tokens = microsoft.renew(&entra.refresh_token)?;
        let renewed = Entra {
            access_token: Some(tokens.access_token),
            expires: Some(tokens.expires),
            // One that comes takes the place of the old one; else that goes on.
            refresh_token: tokens.refresh_token.unwrap_or_else(|| entra.refresh_token.clone()),
            ..entra.clone()
        };
        let credential = Credential::Entra(renewed);
        credential.secrets().for_each(|secret| self.ui.conceal(secret));
        Ok(credential)
    }

    fn keep(&self, organization: &Organization, kept: &Kept) -> Result<(), Error> {
        let label = crate::credential::label(organization);
        self.whole(|| Ok(self.keychain()?.write(&organization.key(), &label, &kept.to_record())?))
    }

    /// Keeps other processes of ours from renewing the sign-in to an organization for as long as it is held.
    fn lock(&self, organization: &Organization) -> Result<File, Error> {
        let folder = self.state_directory()?;
        let name = fingerprint(&organization.key().into());
        let path = folder.join(format!("{name}.lock"));
        let unusable = |error: std::io::Error| {
            let shown = crate::text::visible(&path.display().to_string());
            Error::new(Kind::Failed, error).context(format!("{shown} can't be locked"))
        };
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(unusable)?;
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
