//! What can be wrong with a store, as facts.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use crate::text::visible_within;

/// Why a store could not do what was asked. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no D-Bus session bus, as over SSH, in a container or under cron.
    #[error("there is no keychain: no D-Bus session bus ({})", visible(reason))]
    NoBus {
        /// What the connection failed with.
        reason: String,
    },
    /// The session bus is there and nothing on it keeps secrets.
    #[error(
        "there is no keychain: no Secret Service on the D-Bus session bus ({})",
        visible(reason)
    )]
    NoService {
        /// What the bus said.
        reason: String,
    },
    /// The keychain service runs but has no keychain to put a new item in, as on WSL.
    #[error("the keychain service has no default keychain")]
    NoDefaultCollection,
    /// The keychain is locked and nobody may be asked to unlock it.
    #[error("the keychain is locked")]
    Locked,
    /// The keychain is locked; the question for its password was cancelled or could not be shown.
    #[error(
        "the keychain is locked, and the question for its password was dismissed or could not be shown"
    )]
    Dismissed,
    /// The keychain was silent, now or at an earlier call of this process.
    #[error("the keychain did not answer within {seconds} s")]
    TimedOut {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The keychain, or the system before it, refused access.
    #[error("the keychain refused access ({})", visible(reason))]
    Denied {
        /// What the system said.
        reason: String,
    },
    /// Something is kept for the account and cannot be what was written.
    #[error("what the keychain holds for {} is damaged", visible(account))]
    Broken {
        /// The account.
        account: String,
    },
    /// The credential file is not what this program writes.
    #[error("{} is not a credential file of version 1{}", visible(.path.display()), at(*line))]
    BrokenFile {
        /// The file.
        path: PathBuf,
        /// Where reading ended, counted from 1; `None` when it is well formed but of another version.
        line: Option<usize>,
    },
    /// The secret is larger than the store takes.
    #[error("the credential has {bytes} bytes and the store takes {limit}")]
    TooLarge {
        /// The size.
        bytes: usize,
        /// The largest that is taken.
        limit: usize,
    },
    /// Other users may read the file, or write the folder.
    #[error("{} can be used by others (mode {mode:04o})", visible(.path.display()))]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file or folder belongs to somebody else.
    #[error("{} belongs to another user (uid {owner})", visible(.path.display()))]
    NotOurs {
        /// The file or folder.
        path: PathBuf,
        /// The user who owns it.
        owner: u32,
    },
    /// A symbolic link stands where the file should be.
    #[error("{} is a symbolic link", visible(.path.display()))]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// Something else stands where the file or its folder should be.
    #[error("{} is not a {expected}", visible(.path.display()))]
    WrongType {
        /// What stands there.
        path: PathBuf,
        /// `file` or `folder`.
        expected: &'static str,
    },
    /// The file or folder cannot be read.
    #[error("cannot read {}", visible(.path.display()))]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written; what was in it is unchanged.
    #[error("cannot write {}", visible(.path.display()))]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has held the lock for too long.
    #[error("{} has been locked by another process for {seconds} s", visible(.path.display()))]
    Busy {
        /// The lock.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The write was said to have succeeded, and something else is there.
    #[error("the store holds something else for {} than was written", visible(account))]
    DifferentAfterWrite {
        /// The account.
        account: String,
    },
    /// Any other failure of the system's keychain.
    #[error("the keychain failed ({})", visible(reason))]
    Other {
        /// What it said.
        reason: String,
    },
}

/// Longest foreign text that is shown, in characters: a service may say anything.
const LONGEST_REASON: usize = 300;

/// Foreign text, fit to be shown.
fn visible(text: impl Display) -> String {
    visible_within(&text.to_string(), LONGEST_REASON)
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_a_terminal_and_is_cut() {
        let error = Error::Other { reason: format!("a\x1b]0;x{}", "y".repeat(1_000_000)) };
        let shown = error.to_string();
        assert!(shown.starts_with(r"the keychain failed (a\x1b]0;xyyy"), "{shown}");
        assert!(shown.len() < 400, "{shown}");
    }
}
