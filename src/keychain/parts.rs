//! Large secrets in a store of small values.
//!
//! Windows' Credential Manager takes 2,560 bytes a value (`CRED_MAX_CREDENTIAL_BLOB_SIZE`,
//! <https://learn.microsoft.com/en-us/windows/win32/api/wincred/ns-wincred-credentialw>), an Entra refresh
//! token with its JSON may have more. A secret that fits stands under the account's own name, as it is. One
//! that does not is cut into parts named by a random generation, and a *head* under the account's name
//! says which generation, how many parts, and the SHA-256 of the whole. The head is written last, so a
//! write that was cut short leaves what was there before; and a head whose parts do not give its sum is
//! damaged, which is something else than absent.

use std::fmt::Write as _;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Error, LARGEST_SECRET};

/// Begins every head. A secret that begins so is cut up however short it is, so that none is mistaken.
const MARK: &str = "git-vsts parts 1 ";
/// Between an account and the rest of a part's name; no account, being a URL without a fragment, has it.
const SEPARATOR: char = '#';
/// How often something is begun anew when another process changed the values meanwhile.
const TRIES: usize = 8;

/// A store of small values under names.
pub(super) trait SmallStore {
    /// The largest value, in bytes.
    const LIMIT: usize;

    /// The value; `None` if there is none.
    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error>;
    /// Sets or replaces one value, whole or not at all.
    fn set(&self, name: &str, value: &[u8]) -> Result<(), Error>;
    /// True if there was a value.
    fn remove(&self, name: &str) -> Result<bool, Error>;
    /// The names of all values.
    fn names(&self) -> Result<Vec<String>, Error>;
    /// A text of ASCII letters and digits that was never used before.
    fn generation(&self) -> Result<String, Error>;
}

/// Secrets of any size in a small store.
#[derive(Default)]
pub(super) struct Parts<S> {
    store: S,
}

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    generation: String,
    count: usize,
    sum: String,
}

impl<S: SmallStore> Parts<S> {
    /// The secret; `None` if the account has no value.
    ///
    /// # Errors
    /// [`Error::Broken`] when its parts are not those that its head was written for.
    pub(super) fn read(&self, account: &str) -> Result<Option<SecretString>, Error> {
        let broken = || Error::Broken { account: account.to_owned() };
        let mut value = self.store.get(account)?;
        for _ in 0..TRIES {
            let Some(head) = value else { return Ok(None) };
            if let Some(bytes) = self.whole(account, &head)? {
                return std::str::from_utf8(&bytes)
                    .map(|text| Some(text.into()))
                    .map_err(|_| broken());
            }
            // Another process may have replaced it while the parts were read, and then removed them.
            value = self.store.get(account)?;
            if value.as_deref() == Some(&*head) {
                return Err(broken());
            }
        }
        Err(broken())
    }

    /// Replaces the secret and reads it back.
    pub(super) fn write(&self, account: &str, secret: &SecretString) -> Result<(), Error> {
        for _ in 0..TRIES {
            self.write_once(account, secret.expose_secret().as_bytes())?;
            match self.read(account) {
                Ok(Some(kept)) if kept.expose_secret() == secret.expose_secret() => return Ok(()),
                // Another process wrote in between. The last one to write wins, and that is us.
                Ok(_) | Err(Error::Broken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::DifferentAfterWrite { account: account.to_owned() })
    }

    /// Removes the secret, and all parts that writes cut short have left; true if there was anything.
    pub(super) fn delete(&self, account: &str) -> Result<bool, Error> {
        // The head first: parts without a head are nothing, a head without parts is a damaged secret.
        let mut removed = self.store.remove(account)?;
        let of_account = format!("{account}{SEPARATOR}");
        for name in self.store.names()?.iter().filter(|name| name.starts_with(&of_account)) {
            removed |= self.store.remove(name)?;
        }
        Ok(removed)
    }

    /// The accounts that have a value, in no order.
    pub(super) fn accounts(&self) -> Result<Vec<String>, Error> {
        let names = self.store.names()?;
        Ok(names.into_iter().filter(|name| !name.contains(SEPARATOR)).collect())
    }

    fn write_once(&self, account: &str, secret: &[u8]) -> Result<(), Error> {
        if secret.len() <= S::LIMIT && !secret.starts_with(MARK.as_bytes()) {
            return self.replace(account, secret);
        }
        let head = Head {
            generation: self.store.generation()?,
            count: secret.len().div_ceil(S::LIMIT),
            sum: sum_of(secret),
        };
        let written = self.write_parts(account, &head, secret).and_then(|()| {
            let text = head.to_string();
            self.replace(account, text.as_bytes()).or_else(|error| {
                // An error need not mean that nothing was done.
                let stands = self
                    .store
                    .get(account)?
                    .as_deref()
                    .is_some_and(|value| value == text.as_bytes());
                if stands { Ok(()) } else { Err(error) }
            })
        });
        if written.is_err() {
            self.remove_parts(account, &head);
        }
        written
    }

    fn write_parts(&self, account: &str, head: &Head, secret: &[u8]) -> Result<(), Error> {
        let mut chunks = secret.chunks(S::LIMIT).enumerate();
        chunks.try_for_each(|(index, chunk)| self.store.set(&head.part(account, index), chunk))
    }

    /// Puts a value under the account's name and removes the parts of the one that it replaces.
    fn replace(&self, account: &str, value: &[u8]) -> Result<(), Error> {
        // Looked at as late as can be, so that it is the head that another process may just have written.
        // Parts of a generation that no head names may be about to get theirs, so those are left alone.
        let before = self.store.get(account)?.and_then(|value| Head::parse(&value));
        self.store.set(account, value)?;
        if let Some(Ok(head)) = before {
            self.remove_parts(account, &head);
        }
        Ok(())
    }

    /// Removes what it can: the secret has been dealt with already, and a deletion finds the rest.
    fn remove_parts(&self, account: &str, head: &Head) {
        for index in 0..head.count {
            let _ = self.store.remove(&head.part(account, index));
        }
    }

    /// The secret of a head or of a value that is none; `None` if its parts do not fit.
    fn whole(&self, account: &str, value: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let head = match Head::parse(value) {
            None => return Ok(Some(Zeroizing::new(value.to_vec()))),
            Some(Err(Malformed)) => return Ok(None),
            Some(Ok(head)) => head,
        };
        let mut secret = Zeroizing::new(Vec::with_capacity(head.count * S::LIMIT));
        for index in 0..head.count {
            match self.store.get(&head.part(account, index))? {
                Some(part) => secret.extend_from_slice(&part),
                None => return Ok(None),
            }
        }
        Ok((sum_of(&secret) == head.sum).then_some(secret))
    }
}

/// A value that begins as a head and is none.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

impl Head {
    /// `None` if the value is no head at all.
    fn parse(value: &[u8]) -> Option<Result<Self, Malformed>> {
        let fields = value.strip_prefix(MARK.as_bytes())?;
        Some(std::str::from_utf8(fields).ok().and_then(Self::from_fields).ok_or(Malformed))
    }

    fn from_fields(fields: &str) -> Option<Self> {
        let [generation, count, sum] = fields.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let count = count.parse().ok()?;
        // A part has at least one byte; more parts than that would be asked for one by one.
        (count <= LARGEST_SECRET).then(|| Self {
            generation: generation.into(),
            count,
            sum: sum.into(),
        })
    }

    fn part(&self, account: &str, index: usize) -> String {
        format!("{account}{SEPARATOR}{}.{index}", self.generation)
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{MARK}{} {} {}", self.generation, self.count, self.sum)
    }
}

fn sum_of(secret: &[u8]) -> String {
    hexadecimal(&Sha256::digest(secret))
}

/// Lower-case digits, two a byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    const ACCOUNT: &str = "https://dev.azure.com/contoso";

    /// Values of at most 2,560 bytes, and faults on demand.
    #[derive(Default)]
    struct Fake {
        values: RefCell<BTreeMap<String, Vec<u8>>>,
        generations: Cell<usize>,
        calls: Cell<usize>,
        fault: Cell<Fault>,
        /// What another process sets once the next value has been read.
        meanwhile: RefCell<Option<BTreeMap<String, Vec<u8>>>>,
    }

    #[derive(Clone, Copy, Default)]
    enum Fault {
        #[default]
        None,
        /// The change of this number fails, all others work.
        FailsAt(usize),
        /// The change of this number is made and reported as failed.
        FailsAfter(usize),
        /// From the change of this number on nothing is changed: the process was killed.
        DiesAt(usize),
        /// Values lose their last byte.
        Truncates,
    }

    impl Fake {
        /// Counts a change; true if it is to be made, and whether to report a failure.
        fn change(&self) -> (bool, Result<(), Error>) {
            self.calls.set(self.calls.get() + 1);
            let call = self.calls.get();
            let failure = || Err(Error::Other { reason: "on purpose".into() });
            match self.fault.get() {
                Fault::FailsAt(at) if call == at => (false, failure()),
                Fault::DiesAt(at) if call >= at => (false, failure()),
                Fault::FailsAfter(at) if call == at => (true, failure()),
                _ => (true, Ok(())),
            }
        }
    }

    impl SmallStore for Fake {
        const LIMIT: usize = 2560;

        fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
            let value = self.values.borrow().get(name).cloned().map(Zeroizing::new);
            if let Some(values) = self.meanwhile.take() {
                self.values.replace(values);
            }
            Ok(value)
        }

        fn set(&self, name: &str, value: &[u8]) -> Result<(), Error> {
            assert!(value.len() <= Self::LIMIT, "{name} got {} bytes", value.len());
            let (made, result) = self.change();
            if made {
                let kept = value.len() - usize::from(matches!(self.fault.get(), Fault::Truncates));
                self.values.borrow_mut().insert(name.to_owned(), value[..kept].to_vec());
            }
            result
        }

        fn remove(&self, name: &str) -> Result<bool, Error> {
            let (made, result) = self.change();
            let removed = made && self.values.borrow_mut().remove(name).is_some();
            result.map(|()| removed)
        }

        fn names(&self) -> Result<Vec<String>, Error> {
            Ok(self.values.borrow().keys().cloned().collect())
        }

        fn generation(&self) -> Result<String, Error> {
            self.generations.set(self.generations.get() + 1);
            Ok(format!("g{}", self.generations.get()))
        }
    }

    fn secret(letter: &str, bytes: usize) -> SecretString {
        letter.repeat(bytes).into()
    }

    fn holding(letter: &str, bytes: usize) -> Parts<Fake> {
        let parts = Parts::<Fake>::default();
        parts.write(ACCOUNT, &secret(letter, bytes)).unwrap();
        parts.store.calls.set(0);
        parts
    }

    /// What a read comes to, short enough to compare: a letter and how often it stands there.
    fn outcome(parts: &Parts<Fake>) -> String {
        match parts.read(ACCOUNT) {
            Ok(None) => "nothing".into(),
            Ok(Some(kept)) => {
                let text = kept.expose_secret();
                let letter = text.get(..1).unwrap_or_default();
                assert_eq!(text, letter.repeat(text.len()));
                format!("{letter}×{}", text.len())
            }
            Err(error) => error.to_string(),
        }
    }

    fn names(parts: &Parts<Fake>) -> Vec<String> {
        parts.store.names().unwrap()
    }

    const BROKEN: &str = "what the keychain holds for https://dev.azure.com/contoso is damaged";

    #[test]
    fn a_secret_of_any_size_comes_back_in_as_few_values_as_can_be() {
        for (bytes, values) in
            [(0, 1), (1, 1), (2560, 1), (2561, 3), (5120, 3), (5121, 4), (8192, 5), (65536, 27)]
        {
            let parts = holding("a", bytes);
            assert_eq!(parts.read(ACCOUNT).unwrap().unwrap().expose_secret(), "a".repeat(bytes));
            assert_eq!(names(&parts).len(), values, "{bytes} bytes");
        }
    }

    #[test]
    fn nothing_written_is_nothing_read() {
        assert_eq!(outcome(&Parts::default()), "nothing");
    }

    #[test]
    fn the_old_parts_go_when_another_secret_takes_their_place() {
        let head = [ACCOUNT.to_owned()];
        let parts = holding("a", 8192);
        parts.write(ACCOUNT, &secret("b", 2561)).unwrap();
        assert_eq!(
            names(&parts),
            [ACCOUNT, &format!("{ACCOUNT}#g2.0"), &format!("{ACCOUNT}#g2.1")]
        );
        parts.write(ACCOUNT, &secret("c", 9)).unwrap();
        assert_eq!(names(&parts), head);
    }

    #[test]
    fn a_write_that_fails_anywhere_leaves_the_old_secret_and_no_parts() {
        for (old, new) in [(9, 8192), (8192, 5000), (8192, 9)] {
            let before = names(&holding("a", old));
            // Four parts and a head at most; removing the old parts afterwards is no failure.
            let writes = if new > 2560 { new / 2560 + 2 } else { 1 };
            for at in 1..=writes {
                let parts = holding("a", old);
                parts.store.fault.set(Fault::FailsAt(at));
                let error = parts.write(ACCOUNT, &secret("b", new)).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "the keychain failed (on purpose)",
                    "{old} → {new}, write {at}"
                );
                assert_eq!(outcome(&parts), format!("a×{old}"), "{old} → {new}, write {at}");
                assert_eq!(names(&parts), before, "{old} → {new}, write {at}");
            }
        }
    }

    #[test]
    fn a_head_that_was_written_although_the_store_said_no_keeps_its_parts() {
        let parts = holding("a", 9);
        parts.store.fault.set(Fault::FailsAfter(3));
        parts.write(ACCOUNT, &secret("b", 5000)).unwrap();
        assert_eq!(outcome(&parts), "b×5000");
    }

    #[test]
    fn a_process_killed_anywhere_leaves_the_old_secret_or_the_new_one_and_a_deletion_leaves_nothing()
     {
        for (old, new) in [(9, 8192), (8192, 5000), (8192, 9)] {
            let mut seen = Vec::new();
            for at in 1..=10 {
                let parts = holding("a", old);
                parts.store.fault.set(Fault::DiesAt(at));
                // Whatever it says, the process is dead by then.
                let _ = parts.write(ACCOUNT, &secret("b", new));
                parts.store.fault.set(Fault::None);
                seen.push(outcome(&parts));
                assert!(parts.delete(ACCOUNT).unwrap());
                assert_eq!(names(&parts), [""; 0], "{old} → {new}, killed at {at}");
            }
            seen.dedup();
            assert_eq!(seen, [format!("a×{old}"), format!("b×{new}")], "{old} → {new}");
        }
    }

    #[test]
    fn a_head_whose_parts_do_not_match_is_damaged_and_not_absent() {
        let part = |index| format!("{ACCOUNT}#g1.{index}");
        let head = |text: &str| (ACCOUNT.to_owned(), Some(text.as_bytes().to_vec()));
        let sum = "0".repeat(64);
        for (name, value) in [
            (part(0), None),
            (part(1), None),
            (part(0), Some(b"short".to_vec())),
            (part(1), Some(vec![b'b'; 2440])),
            (part(1), Some(Vec::new())),
            head("git-vsts parts 1 "),
            head("git-vsts parts 1 g1 2"),
            head("git-vsts parts 1 g1 two 00"),
            head("git-vsts parts 1 g1 99999999999 00"),
            head(&format!("git-vsts parts 1 g1 2 {sum}")),
            head(&format!("git-vsts parts 1 g1 2 {sum} more")),
            (ACCOUNT.to_owned(), Some(b"git-vsts parts 1 \xff".to_vec())),
            (ACCOUNT.to_owned(), Some(b"\xff".to_vec())),
        ] {
            let parts = holding("a", 5000);
            match value.clone() {
                Some(value) => parts.store.values.borrow_mut().insert(name.clone(), value),
                None => parts.store.values.borrow_mut().remove(&name),
            };
            assert_eq!(outcome(&parts), BROKEN, "{name}: {value:?}");
            // Signing in anew must be possible all the same.
            parts.write(ACCOUNT, &secret("c", 3000)).unwrap();
            assert_eq!(outcome(&parts), "c×3000", "{name}: {value:?}");
        }
    }

    #[test]
    fn parts_in_the_wrong_order_are_damaged() {
        let parts = Parts::<Fake>::default();
        parts.write(ACCOUNT, &format!("{}{}", "a".repeat(2560), "b".repeat(2560)).into()).unwrap();
        let (one, other) = (format!("{ACCOUNT}#g1.0"), format!("{ACCOUNT}#g1.1"));
        {
            let mut values = parts.store.values.borrow_mut();
            let (first, second) = (values[&one].clone(), values[&other].clone());
            values.extend([(one, second), (other, first)]);
        }
        assert_eq!(outcome(&parts), BROKEN);
    }

    #[test]
    fn a_secret_that_looks_like_a_head_is_a_secret() {
        let parts = Parts::<Fake>::default();
        parts.write(ACCOUNT, &"git-vsts parts 1 g9 1 00".into()).unwrap();
        assert_eq!(
            parts.read(ACCOUNT).unwrap().unwrap().expose_secret(),
            "git-vsts parts 1 g9 1 00"
        );
        assert_eq!(names(&parts).len(), 2);
    }

    #[test]
    fn a_store_that_cuts_values_off_is_noticed() {
        for bytes in [9, 5000] {
            let parts = Parts::<Fake>::default();
            parts.store.fault.set(Fault::Truncates);
            let error = parts.write(ACCOUNT, &secret("a", bytes)).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the store holds something else for https://dev.azure.com/contoso than was written"
            );
        }
    }

    #[test]
    fn a_secret_replaced_while_it_is_read_is_read_anew() {
        let parts = holding("a", 8192);
        let other = holding("b", 5000);
        parts.store.meanwhile.replace(Some(other.store.values.take()));
        assert_eq!(outcome(&parts), "b×5000");
    }

    #[test]
    fn parts_are_no_accounts_and_go_with_their_own_account_only() {
        let parts = holding("a", 8192);
        let neighbour = format!("{ACCOUNT}2");
        parts.write(&neighbour, &secret("b", 8192)).unwrap();
        assert_eq!(parts.accounts().unwrap(), [ACCOUNT, &neighbour]);
        assert!(parts.delete(ACCOUNT).unwrap());
        assert!(!parts.delete(ACCOUNT).unwrap());
        assert_eq!(parts.accounts().unwrap(), [neighbour.as_str()]);
        assert_eq!(parts.read(&neighbour).unwrap().unwrap().expose_secret(), "b".repeat(8192));
    }

    #[test]
    fn an_error_never_holds_the_secret() {
        let parts = holding("a", 5000);
        parts.store.fault.set(Fault::FailsAt(1));
        let error = parts.write(ACCOUNT, &"hush".repeat(1000).into()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
