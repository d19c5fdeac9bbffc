//! Stores that outlive nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use super::{Error, Keychain, Kind, check_size};

/// Keeps secrets in the memory of this process. Clones share what they keep.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    secrets: Arc<Mutex<BTreeMap<String, SecretString>>>,
}

impl Memory {
    fn secrets(&self) -> MutexGuard<'_, BTreeMap<String, SecretString>> {
        // A map is whole between two of its own calls, so a panic elsewhere has not harmed it.
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keychain for Memory {
    fn read(&self, account: &str) -> Result<Option<SecretString>, Error> {
        Ok(self.secrets().get(account).cloned())
    }

    fn write(&self, account: &str, _label: &str, secret: &SecretString) -> Result<(), Error> {
        check_size(secret)?;
        self.secrets().insert(account.to_owned(), secret.clone());
        Ok(())
    }

    fn delete(&self, account: &str) -> Result<bool, Error> {
        Ok(self.secrets().remove(account).is_some())
    }

    fn accounts(&self) -> Result<Vec<String>, Error> {
        Ok(self.secrets().keys().cloned().collect())
    }

    fn kind(&self) -> Kind {
        Kind::Memory
    }

    fn ready(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Keeps nothing: what is written is gone (`GIT_VSTS_STORE=none`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Keychain for Nowhere {
    fn read(&self, _account: &str) -> Result<Option<SecretString>, Error> {
        Ok(None)
    }

    fn write(&self, _account: &str, _label: &str, _secret: &SecretString) -> Result<(), Error> {
        Ok(())
    }

    fn delete(&self, _account: &str) -> Result<bool, Error> {
        Ok(false)
    }

    fn accounts(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn kind(&self) -> Kind {
        Kind::None
    }

    fn ready(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::keychain::LARGEST_SECRET;

    fn text(secret: Option<SecretString>) -> Option<String> {
        secret.map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn memory_keeps_the_last_secret_of_each_account_until_it_is_deleted() {
        let memory = Memory::default();
        memory.write("b", "", &"one".into()).unwrap();
        memory.write("a", "", &"two".into()).unwrap();
        memory.write("b", "", &"three".into()).unwrap();

        assert_eq!(text(memory.read("b").unwrap()), Some("three".to_owned()));
        assert_eq!(memory.accounts().unwrap(), ["a", "b"]);
        assert!(memory.delete("b").unwrap());
        assert!(!memory.delete("b").unwrap());
        assert_eq!(text(memory.read("b").unwrap()), None);
        assert_eq!(memory.accounts().unwrap(), ["a"]);
    }

    #[test]
    fn clones_of_a_memory_share_what_they_keep() {
        let memory = Memory::default();
        memory.clone().write("a", "", &"one".into()).unwrap();
        assert_eq!(text(memory.read("a").unwrap()), Some("one".to_owned()));
    }

    #[test]
    fn memory_refuses_what_no_store_takes_and_shows_no_secret() {
        let memory = Memory::default();
        memory.write("a", "", &"hush".into()).unwrap();
        let error = memory.write("a", "", &"x".repeat(LARGEST_SECRET + 1).into()).unwrap_err();
        assert_eq!(error.to_string(), "the credential has 65537 bytes and the store takes 65536");
        assert_eq!(text(memory.read("a").unwrap()), Some("hush".to_owned()));
        assert!(!format!("{memory:?}").contains("hush"));
    }

    #[test]
    fn nowhere_takes_everything_and_keeps_nothing() {
        Nowhere.write("a", "", &"one".into()).unwrap();
        assert_eq!(text(Nowhere.read("a").unwrap()), None);
        assert_eq!(Nowhere.accounts().unwrap(), [""; 0]);
        assert!(!Nowhere.delete("a").unwrap());
    }
}
