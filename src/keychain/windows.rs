//! Credential Manager, through keyring's store.
//!
//! It knows no locking and shows no prompt. A credential is named `ACCOUNT.git-vsts`, which its window
//! shows, so the label is not used: changing a credential's comment would write its value once more, and
//! could bring back one that another process has just replaced. Persistence is local, since the store's
//! default, enterprise, lets a credential roam to other computers
//! (<https://learn.microsoft.com/en-us/windows/win32/api/wincred/ns-wincred-credentialw>).

use std::collections::HashMap;

use keyring_core::{Entry, Error as Keyring};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::parts::{Parts, SmallStore, hexadecimal};
use super::worker::Permission;
use super::{Error, SERVICE};

/// Credential Manager has no connection; this is the way to it.
#[derive(Default)]
pub(super) struct Link {
    parts: Parts<CredentialManager>,
}

impl Link {
    pub(super) fn read(
        &mut self,
        account: &str,
        _permission: &Permission,
    ) -> Result<Option<SecretString>, Error> {
        self.parts.read(account)
    }

    pub(super) fn write(
        &mut self,
        account: &str,
        _label: &str,
        secret: &SecretString,
        _permission: &Permission,
    ) -> Result<(), Error> {
        self.parts.write(account, secret)
    }

    pub(super) fn delete(
        &mut self,
        account: &str,
        _permission: &Permission,
    ) -> Result<bool, Error> {
        self.parts.delete(account)
    }

    pub(super) fn accounts(&mut self, _permission: &Permission) -> Result<Vec<String>, Error> {
        self.parts.accounts()
    }

    pub(super) fn ready(&mut self, _permission: &Permission) -> Result<(), Error> {
        // Fails without a logon session, as under some services and over some remote shells.
        self.parts.accounts().map(drop)
    }
}

#[derive(Default)]
struct CredentialManager;

impl SmallStore for CredentialManager {
    const LIMIT: usize = 2560;

    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        match entry(name).and_then(|entry| entry.get_secret()) {
            Ok(value) => Ok(Some(Zeroizing::new(value))),
            Err(Keyring::NoEntry) => Ok(None),
            Err(error) => Err(classify(&error)),
        }
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        entry(name).and_then(|entry| entry.set_secret(value)).map_err(|error| classify(&error))
    }

    fn remove(&self, name: &str) -> Result<bool, Error> {
        match entry(name).and_then(|entry| entry.delete_credential()) {
            Ok(()) => Ok(true),
            Err(Keyring::NoEntry) => Ok(false),
            Err(error) => Err(classify(&error)),
        }
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        connect().map_err(|error| classify(&error))?;
        // The search knows no attributes, only a regular expression over names. Its store takes a name
        // apart at the last dot, and the service has none.
        let pattern = format!(r"\.{SERVICE}$");
        let found = Entry::search(&HashMap::from([("pattern", pattern.as_str())]))
            .map_err(|error| classify(&error))?;
        let named = found.iter().filter_map(Entry::get_specifiers);
        Ok(named.filter(|(service, _)| service == SERVICE).map(|(_, name)| name).collect())
    }

    fn generation(&self) -> Result<String, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Error::Other { reason: error.to_string() })?;
        Ok(hexadecimal(&bytes))
    }
}

fn entry(name: &str) -> Result<Entry, Keyring> {
    connect()?;
    Entry::new_with_modifiers(SERVICE, name, &HashMap::from([("persistence", "local")]))
}

/// Sets keyring's store up, which takes no connection here and fails for no known reason.
fn connect() -> Result<(), Keyring> {
    match keyring::Entry::store_status() {
        Ok(()) => Ok(()),
        Err(error) => Err(Keyring::NotSupportedByStore(error.to_string())),
    }
}

/// `ERROR_ACCESS_DENIED`, which the store gives as text alone.
const ACCESS_DENIED: &str = "Windows error code 5";

fn classify(error: &Keyring) -> Error {
    match error {
        Keyring::NoStorageAccess(source) => Error::Denied { reason: source.to_string() },
        Keyring::PlatformFailure(source) if source.to_string() == ACCESS_DENIED => {
            Error::Denied { reason: source.to_string() }
        }
        // `Display` and never `Debug`, which in some variants holds the secret.
        error => Error::Other { reason: error.to_string() },
    }
}
