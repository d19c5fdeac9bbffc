//! The system's keychain: Secret Service, Keychain Services or Credential Manager.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::SecretString;

use super::platform::Link;
use super::worker::{Patience, Permission, Worker};
use super::{Error, Keychain, Kind, check_size};

/// Set by the first time-out in this process, to the seconds waited.
///
/// It is the process's and not a store's, since keyring connects once a process and leaves every later
/// caller waiting behind a connection that hangs.
static GIVEN_UP: OnceLock<u64> = OnceLock::new();

/// Whether a locked keychain may be unlocked.
pub enum Unlock {
    /// Nothing that can show a prompt is done: for git's helper and for completions.
    Never,
    /// A person is there. The function is called once, just before a prompt may appear, so that the person
    /// learns who asks and why.
    Foreground(Box<dyn Fn() + Send + Sync>),
}

/// The system's keychain.
///
/// An item has service [`SERVICE`](super::SERVICE) and the account as its user name. Every call runs in a
/// thread and within a time limit; after one time-out every further call of this process fails at once.
pub struct System {
    worker: Worker<Link>,
    unlock: Unlock,
    told: AtomicBool,
}

impl System {
    /// The keychain of this user. Nothing is connected to until it is used.
    ///
    /// `patience` is how long an answer is waited for, `unlock_patience` how long from the moment when a
    /// person may have been asked for a password.
    #[must_use]
    pub fn new(unlock: Unlock, patience: Duration, unlock_patience: Duration) -> Self {
        let patience = Patience { answer: patience, unlock: unlock_patience };
        Self { worker: Worker::new(patience, &GIVEN_UP), unlock, told: AtomicBool::new(false) }
    }

    /// Begins to connect, for a caller that has something else to do meanwhile. Nothing is started by it,
    /// no service is spoken to, and an error is met again by whatever is asked first.
    pub fn connect_ahead(&self) {
        #[cfg(target_os = "linux")]
        self.worker.begin(Link::connect_ahead);
    }

    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Link, &Permission) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match &self.unlock {
            Unlock::Never => self.worker.run(None, job),
            Unlock::Foreground(tell) => {
                let tell_once = || {
                    if !self.told.swap(true, Ordering::Relaxed) {
                        tell();
                    }
                };
                self.worker.run(Some(&tell_once), job)
            }
        }
    }
}

impl Keychain for System {
    fn read(&self, account: &str) -> Result<Option<SecretString>, Error> {
        let account = account.to_owned();
        self.run(move |link, permission| link.read(&account, permission))
    }

    fn write(&self, account: &str, label: &str, secret: &SecretString) -> Result<(), Error> {
        check_size(secret)?;
        let (account, label, secret) = (account.to_owned(), label.to_owned(), secret.clone());
        self.run(move |link, permission| link.write(&account, &label, &secret, permission))
    }

    fn delete(&self, account: &str) -> Result<bool, Error> {
        let account = account.to_owned();
        self.run(move |link, permission| link.delete(&account, permission))
    }

    // The others have nothing that keeps a second process out.
    #[cfg(target_os = "linux")]
    fn replace(
        &self,
        account: &str,
        label: &str,
        old: &SecretString,
        new: Option<&SecretString>,
    ) -> Result<bool, Error> {
        new.map(check_size).transpose()?;
        let (account, label) = (account.to_owned(), label.to_owned());
        let (old, new) = (old.clone(), new.cloned());
        self.run(move |link, permission| {
            link.replace(&account, &label, &old, new.as_ref(), permission)
        })
    }

    fn accounts(&self) -> Result<Vec<String>, Error> {
        self.run(|link, permission| {
            let mut accounts = link.accounts(permission)?;
            accounts.sort_unstable();
            accounts.dedup();
            Ok(accounts)
        })
    }

    fn kind(&self) -> Kind {
        Kind::Keychain
    }

    fn ready(&self) -> Result<(), Error> {
        self.run(|link, permission| link.ready(permission))
    }
}
