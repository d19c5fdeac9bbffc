//! The names of organizations, projects, repositories and remotes: what may be read, and what may be made.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::error::{Error, NameFault, Noun};
use super::hosts::OLD_SSH_LABEL;
use super::spelling::{password_host, shown};
use crate::text;

/// The longest project and repository name, in UTF-16 units (Microsoft, "Naming restrictions and conventions").
const LONGEST_NEW_NAME: usize = 64;
/// The longest organization name (Microsoft, "Naming restrictions and conventions": VS850015 else).
const LONGEST_ORGANIZATION: usize = 50;
/// No name read from elsewhere is longer: the service makes none of more than 64, and no message or request may grow
/// without bound.
const LONGEST_READ_NAME: usize = 255;

/// Characters that no new project or repository may have (Microsoft, "Naming restrictions and conventions").
const FORBIDDEN_IN_NEW: &str = "/:\\~&%;@'\"?<>|#$*}{,+=[]";

/// Project names that the service keeps for itself (same page), without COM1 to LPT10.
const RESERVED_PROJECTS: [&str; 17] = [
    "AUX",
    "CON",
    "DefaultCollection",
    "NUL",
    "PRN",
    "SERVER",
    "SignalR",
    "Web",
    "App_Browsers",
    "App_code",
    "App_Data",
    "App_GlobalResources",
    "App_LocalResources",
    "App_Themes",
    "App_WebResources",
    "bin",
    "web.config",
];

/// Path segments that are words of the service's URL grammar, so never a repository.
const KEYWORDS: [&str; 4] = ["_git", "_ssh", "_full", "_optimized"];

/// Checks that a text is the bare name of a hosted organization: ASCII letters, digits, and dashes inside, at most 50
/// (Microsoft, "Naming restrictions and conventions"). All that a repository's own configuration may say.
///
/// # Errors
/// [`Error::Name`] with the rule.
pub fn organization_name(name: &str) -> Result<(), Error> {
    let fault = |fault| Err(Error::Name { noun: Noun::Organization, name: shown(name), fault });
    if let Some(refused) =
        name.chars().find(|character| !character.is_ascii_alphanumeric() && *character != '-')
    {
        return fault(character_fault(refused));
    }
    if name.is_empty() {
        return fault(NameFault::Empty);
    }
    if name.starts_with('-') {
        return fault(NameFault::Start('-'));
    }
    if name.ends_with('-') {
        return fault(NameFault::End('-'));
    }
    if name.len() > LONGEST_ORGANIZATION {
        return fault(NameFault::TooLong(LONGEST_ORGANIZATION));
    }
    if name.eq_ignore_ascii_case(OLD_SSH_LABEL) {
        return fault(NameFault::Reserved);
    }
    Ok(())
}

/// A name that the service compares without case and returns as it was spelled.
#[derive(Clone)]
struct Name {
    spelled: String,
    folded: String,
}

impl Name {
    /// What the URL grammar and safety ask of any name; the rules of a new one are in [`check_new`].
    fn read(noun: Noun, name: &str) -> Result<Self, Error> {
        check_password(name)?;
        let fault = |fault| Err(Error::Name { noun, name: shown(name), fault });
        if name.trim().is_empty() {
            return fault(NameFault::Empty);
        }
        if name.chars().count() > LONGEST_READ_NAME {
            return fault(NameFault::TooLong(LONGEST_READ_NAME));
        }
        if let Some(refused) =
            name.chars().find(|character| character.is_control() || "/\\".contains(*character))
        {
            return fault(character_fault(refused));
        }
        if name == "." || name == ".." {
            return fault(NameFault::Dots);
        }
        // git and other programs get names as arguments.
        if name.starts_with('-') {
            return fault(NameFault::Start('-'));
        }
        // The first segment after the organization is a page of the service when it starts so.
        if noun == Noun::Project && name.starts_with('_') {
            return fault(NameFault::Start('_'));
        }
        if is_keyword(name) {
            return fault(NameFault::Reserved);
        }
        Ok(Self { spelled: name.to_owned(), folded: name.to_lowercase() })
    }
}

/// A URL that was given in a name's place is refused for its password before it is repeated.
fn check_password(name: &str) -> Result<(), Error> {
    match password_host(name) {
        Some(host) => Err(Error::PasswordInUrl { host: shown(host), azure: false }),
        None => Ok(()),
    }
}

/// The rules of a name to be made; see the callers for their source.
fn check_new(noun: Noun, name: &str) -> Result<(), Error> {
    match new_name_fault(noun, name) {
        Some(fault) => Err(Error::Name { noun, name: shown(name), fault }),
        None => Ok(()),
    }
}

fn new_name_fault(noun: Noun, name: &str) -> Option<NameFault> {
    if name.trim().is_empty() {
        return Some(NameFault::Empty);
    }
    if let Some(refused) = name.chars().find(|character| !may_be_in_new(*character)) {
        return Some(character_fault(refused));
    }
    if let Some(first @ ('_' | '.' | '-' | ' ')) = name.chars().next() {
        return Some(NameFault::Start(first));
    }
    if let Some(last @ ('.' | ' ')) = name.chars().next_back() {
        return Some(NameFault::End(last));
    }
    if name.contains("..") {
        return Some(NameFault::Dots);
    }
    if name.chars().count() > LONGEST_NEW_NAME {
        return Some(NameFault::TooLong(LONGEST_NEW_NAME));
    }
    (noun == Noun::Project && is_reserved_project(name)).then_some(NameFault::Reserved)
}

fn may_be_in_new(character: char) -> bool {
    // What can't be seen is refused with the control characters: two projects that look alike help nobody.
    let seen = text::visible(character.encode_utf8(&mut [0; 4])).chars().eq([character]);
    seen && u32::from(character) <= 0xFFFF && !FORBIDDEN_IN_NEW.contains(character)
}

fn character_fault(character: char) -> NameFault {
    if text::visible(character.encode_utf8(&mut [0; 4])).chars().ne([character]) {
        NameFault::Control
    } else if u32::from(character) > 0xFFFF {
        NameFault::Surrogate(character)
    } else {
        NameFault::Character(character)
    }
}

fn is_reserved_project(name: &str) -> bool {
    let numbered = |prefix: &str| {
        (1..=10).any(|number| format!("{prefix}{number}").eq_ignore_ascii_case(name))
    };
    RESERVED_PROJECTS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
        || numbered("COM")
        || numbered("LPT")
}

macro_rules! name {
    ($(#[$documentation:meta])* $type:ident, $noun:expr) => {
        $(#[$documentation])*
        #[derive(Clone)]
        pub struct $type(Name);

        impl $type {
            /// The name as it was spelled, for requests and URLs.
            pub fn as_str(&self) -> &str {
                &self.0.spelled
            }

            /// Checks the rules of a name to be made (Microsoft, "Naming restrictions and conventions"), which the API
            /// partly accepts and the web page refuses; also a dash or a blank in front, a blank at the end, `..` and
            /// invisible characters.
            ///
            /// # Errors
            /// [`Error::Name`] with the rule.
            pub fn check_new(&self) -> Result<(), Error> {
                check_new($noun, self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = Error;

            /// Reads the name of one that may exist already: decoded, not empty, without slash, backslash and control
            /// characters, not `.` or `..`, no dash in front, no word of the service's own URLs.
            fn from_str(name: &str) -> Result<Self, Error> {
                Name::read($noun, name).map(Self)
            }
        }

        /// For people: what can't be seen is escaped. [`Self::as_str`] is the name itself.
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&text::visible(self.as_str()))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($type), "({:?})"), self.as_str())
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.0.folded == other.0.folded
            }
        }

        impl Eq for $type {}

        impl Hash for $type {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.folded.hash(state);
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.folded.cmp(&other.0.folded)
            }
        }
    };
}

name! {
    /// A project's name; compared without case.
    ProjectName, Noun::Project
}

name! {
    /// A repository's name; compared without case. A `.git` at its end is part of it: Azure DevOps knows `web` and
    /// `web.git` as two.
    RepositoryName, Noun::Repository
}

impl RepositoryName {
    /// A name that [`RepositoryName::check_new`] takes, close to a folder's; none where nothing is left of it.
    /// A legal name comes back as it is.
    pub fn suggest(folder: &str) -> Option<Self> {
        if check_new(Noun::Repository, folder).is_ok() {
            return folder.parse().ok();
        }
        let mut name = String::new();
        let mut replaced = false;
        for character in folder.chars() {
            // What was one odd place becomes one dash.
            match character {
                '.' if name.ends_with('.') => {}
                allowed if may_be_in_new(allowed) => {
                    name.push(allowed);
                    replaced = false;
                }
                _ if replaced => {}
                _ => {
                    name.push('-');
                    replaced = true;
                }
            }
        }
        let name: String =
            name.trim_start_matches(['_', '.', '-', ' ']).chars().take(LONGEST_NEW_NAME).collect();
        let suggestion: Self = name.trim_end_matches(['.', ' ', '-']).parse().ok()?;
        suggestion.check_new().ok().map(|()| suggestion)
    }
}

/// Checks a remote's name: git's rules for `refs/remotes/NAME/x` (git-check-ref-format(1)), and besides no dash in
/// front and no quotes, brackets or invisible characters, which have broken out of configuration files
/// (CVE-2023-29007, CVE-2025-48384).
///
/// # Errors
/// [`Error::RemoteName`] with the rule.
pub fn remote_name(name: &str) -> Result<(), Error> {
    check_password(name)?;
    let fault = |fault| Err(Error::RemoteName { name: shown(name), fault });
    if name.is_empty() {
        return fault(NameFault::Empty);
    }
    if let Some(first @ ('-' | '/')) = name.chars().next() {
        return fault(NameFault::Start(first));
    }
    if name.ends_with('/') {
        return fault(NameFault::End('/'));
    }
    let refused = |character: char| {
        " ~^:?*[]\\\"'`<>{}".contains(character)
            || matches!(character_fault(character), NameFault::Control)
    };
    if let Some(character) = name.chars().find(|character| refused(*character)) {
        return fault(character_fault(character));
    }
    if name.contains("..") {
        return fault(NameFault::Dots);
    }
    for part in name.split('/') {
        if part.is_empty() {
            return fault(NameFault::Git);
        }
        if part.starts_with('.') {
            return fault(NameFault::Start('.'));
        }
        if part.ends_with(".lock") {
            return fault(NameFault::Git);
        }
    }
    if name.len() > LONGEST_READ_NAME {
        return fault(NameFault::TooLong(LONGEST_READ_NAME));
    }
    Ok(())
}

pub(super) fn is_keyword(segment: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(segment))
}
