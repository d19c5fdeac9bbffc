//! Where credentials are kept: the system's keychain, a private file, memory, or nowhere.
//!
//! This module keeps texts under names and knows neither organizations nor tokens: an *account* is what
//! the caller says it is (an organization's URL in lower case), a *secret* is a text (a versioned JSON).
//! Every store tells three outcomes apart: found, not there, and broken. A store that is locked, absent
//! or silent is broken; it is never taken for one that holds nothing, since a caller would sign in anew
//! or forget what is kept.

mod error;
mod file;
mod memory;
#[cfg(any(windows, test))]
mod parts;
mod private;
#[cfg(target_os = "linux")]
mod sealed;
mod system;
mod worker;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

use secrecy::{ExposeSecret, SecretString};

pub use self::error::Error;
pub use self::file::File;
pub use self::memory::{Memory, Nowhere};
pub use self::system::{System, Unlock};

/// The service under which every item of ours stands in the system's keychain.
///
/// No other tool may use it: listing and forgetting go by this name.
pub const SERVICE: &str = "git-vsts";

/// The largest secret that any store takes, in bytes.
///
/// One limit for all, so that what one store keeps another keeps too. An Entra credential is about
/// 8 KB; 64 KB came back byte for byte from gnome-keyring.
pub const LARGEST_SECRET: usize = 64 * 1024;

/// A place that keeps one secret an account.
pub trait Keychain: Send {
    /// The secret of `account`; `None` when the store was read and holds none.
    ///
    /// # Errors
    /// The store is absent, locked, silent, or what it holds cannot be read.
    fn read(&self, account: &str) -> Result<Option<SecretString>, Error>;

    /// Keeps `secret` in the place of what was there, whole or not at all, and reads it back.
    ///
    /// `label` is the name that the system's keychain shows to a person, where it shows one.
    ///
    /// # Errors
    /// As for [`read`](Keychain::read), and [`Error::TooLarge`], [`Error::Unwritable`],
    /// [`Error::DifferentAfterWrite`].
    fn write(&self, account: &str, label: &str, secret: &SecretString) -> Result<(), Error>;

    /// Forgets `account`, copies and remains included; true if there was something.
    ///
    /// # Errors
    /// As for [`read`](Keychain::read). After an error something may still be kept.
    fn delete(&self, account: &str) -> Result<bool, Error>;

    /// Puts `new` in the place of `old`, or forgets the account where there is no new one; nothing is
    /// changed, and false is the answer, if what is kept is no longer `old`.
    ///
    /// No other process of ours comes between the look and the change, where the store has a way to keep
    /// it out: the file and the Secret Service do.
    ///
    /// # Errors
    /// As for [`write`](Keychain::write) and [`delete`](Keychain::delete).
    fn replace(
        &self,
        account: &str,
        label: &str,
        old: &SecretString,
        new: Option<&SecretString>,
    ) -> Result<bool, Error> {
        let is_old = self.read(account)?.is_some_and(|kept| is_same(&kept, old));
        if is_old {
            match new {
                Some(new) => self.write(account, label, new)?,
                None => drop(self.delete(account)?),
            }
        }
        Ok(is_old)
    }

    /// Every account that has a secret, sorted.
    ///
    /// # Errors
    /// As for [`read`](Keychain::read). A list that may lack something is an error.
    fn accounts(&self) -> Result<Vec<String>, Error>;

    /// What this store is, for a report.
    fn kind(&self) -> Kind;

    /// Whether [`write`](Keychain::write) can work at all; nothing is written and nobody is asked.
    ///
    /// # Errors
    /// What `write` would fail with, as far as can be known without writing.
    fn ready(&self) -> Result<(), Error>;
}

/// The kinds of store, as a report names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The system's keychain.
    Keychain,
    /// A file that only its owner may read.
    File,
    /// The memory of this process.
    Memory,
    /// Nothing is kept.
    None,
}

impl Kind {
    /// The word in `status --json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::File => "file",
            Self::Memory => "memory",
            Self::None => "none",
        }
    }
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// The error for a secret over [`LARGEST_SECRET`].
fn check_size(secret: &SecretString) -> Result<(), Error> {
    match secret.expose_secret().len() {
        bytes if bytes > LARGEST_SECRET => Err(Error::TooLarge { bytes, limit: LARGEST_SECRET }),
        _ => Ok(()),
    }
}
