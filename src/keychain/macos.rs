//! Keychain Services, through keyring's store: the login keychain.
//!
//! That keychain is a file of this computer and is never synchronised through iCloud, so nothing has to be
//! said to keep an item on this device. The store sets no label; Keychain Access shows the service, and the
//! account beside it. An item is unique by service and account.

use std::collections::HashMap;

use keyring_core::{Entry, Error as Keyring};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use security_framework::base::Error as Apple;
use security_framework::os::macos::keychain::SecKeychain;

use super::worker::Permission;
use super::{Error, SERVICE};

/// How often a write is begun anew when another process wrote meanwhile.
const TRIES: usize = 8;

/// Results of Keychain Services (`Security/SecBase.h`; -128 is `userCanceledErr` of `MacErrors.h`).
mod code {
    pub(super) const USER_CANCELED: i32 = -128;
    pub(super) const AUTH_FAILED: i32 = -25293;
    pub(super) const NO_SUCH_KEYCHAIN: i32 = -25294;
    pub(super) const DUPLICATE_ITEM: i32 = -25299;
    pub(super) const NO_DEFAULT_KEYCHAIN: i32 = -25307;
    pub(super) const INTERACTION_NOT_ALLOWED: i32 = -25308;
}

/// Keychain Services has no connection; this is the way to it.
#[derive(Default)]
pub(super) struct Link;

impl Link {
    pub(super) fn read(
        &mut self,
        account: &str,
        permission: &Permission,
    ) -> Result<Option<SecretString>, Error> {
        let secret = attempt(permission, || optional(entry(account)?.get_secret()))?;
        secret.map(|bytes| text_of(account, Zeroizing::new(bytes))).transpose()
    }

    pub(super) fn write(
        &mut self,
        account: &str,
        _label: &str,
        secret: &SecretString,
        permission: &Permission,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            attempt(permission, || write_once(account, secret))?;
            let kept = self.read(account, permission)?;
            if kept.is_some_and(|kept| kept.expose_secret() == secret.expose_secret()) {
                return Ok(());
            }
        }
        Err(Error::DifferentAfterWrite { account: account.to_owned() })
    }

    pub(super) fn delete(&mut self, account: &str, permission: &Permission) -> Result<bool, Error> {
        Ok(attempt(permission, || optional(entry(account)?.delete_credential()))?.is_some())
    }

    pub(super) fn accounts(&mut self, permission: &Permission) -> Result<Vec<String>, Error> {
        let found = attempt(permission, || {
            connect()?;
            Entry::search(&HashMap::from([("service", SERVICE)]))
        })?;
        Ok(found.iter().filter_map(Entry::get_specifiers).map(|(_, account)| account).collect())
    }

    pub(super) fn ready(&mut self, permission: &Permission) -> Result<(), Error> {
        // A search reads attributes, which a locked keychain gives too: only a missing one is noticed here.
        // Where nobody may be asked it is the write that finds it locked.
        self.accounts(permission).map(drop)
    }
}

/// Does it without any window; and only if that is what it lacks, and a person is there, with one.
fn attempt<T>(permission: &Permission, work: impl Fn() -> Result<T, Keyring>) -> Result<T, Error> {
    let quiet = {
        let _no_windows =
            SecKeychain::disable_user_interaction().map_err(|error| classify_code(&error))?;
        work()
    };
    match quiet {
        Err(error) if code_of(&error) == Some(code::INTERACTION_NOT_ALLOWED) => {
            permission.obtain()?;
            work().map_err(|error| classify(&error))
        }
        result => result.map_err(|error| classify(&error)),
    }
}

fn write_once(account: &str, secret: &SecretString) -> Result<(), Keyring> {
    match entry(account)?.set_secret(secret.expose_secret().as_bytes()) {
        // Another process made the item after the store had looked for it; the next try replaces it.
        Err(error) if code_of(&error) == Some(code::DUPLICATE_ITEM) => Ok(()),
        result => result,
    }
}

fn entry(account: &str) -> Result<Entry, Keyring> {
    connect()?;
    Entry::new(SERVICE, account)
}

/// Sets keyring's store up, which takes no connection here and fails for no known reason.
fn connect() -> Result<(), Keyring> {
    match keyring::Entry::store_status() {
        Ok(()) => Ok(()),
        Err(error) => Err(Keyring::NotSupportedByStore(error.to_string())),
    }
}

fn optional<T>(result: Result<T, Keyring>) -> Result<Option<T>, Keyring> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Keyring::NoEntry) => Ok(None),
        Err(error) => Err(error),
    }
}

fn text_of(account: &str, bytes: Zeroizing<Vec<u8>>) -> Result<SecretString, Error> {
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(Error::Broken { account: account.to_owned() }),
    }
}

fn apple(error: &Keyring) -> Option<&Apple> {
    match error {
        Keyring::PlatformFailure(source) | Keyring::NoStorageAccess(source) => {
            source.downcast_ref()
        }
        _ => None,
    }
}

fn code_of(error: &Keyring) -> Option<i32> {
    apple(error).map(|error| error.code())
}

fn classify(error: &Keyring) -> Error {
    match (apple(error), error) {
        (Some(error), Keyring::NoStorageAccess(_)) => match classify_code(error) {
            Error::Other { reason } => Error::Denied { reason },
            known => known,
        },
        (Some(error), _) => classify_code(error),
        // `Display` and never `Debug`, which in some variants holds the secret.
        (None, error) => Error::Other { reason: error.to_string() },
    }
}

fn classify_code(error: &Apple) -> Error {
    match error.code() {
        code::INTERACTION_NOT_ALLOWED => Error::Locked,
        code::USER_CANCELED => Error::Dismissed,
        code::AUTH_FAILED => Error::Denied { reason: error.to_string() },
        code::NO_DEFAULT_KEYCHAIN | code::NO_SUCH_KEYCHAIN => Error::NoDefaultCollection,
        _ => Error::Other { reason: error.to_string() },
    }
}
