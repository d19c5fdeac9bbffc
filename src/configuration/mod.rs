//! git's effective configuration, and whose word each setting is.
//!
//! git itself reads it (`git config --list -z --show-scope`), since only git knows `git -c`, `GIT_CONFIG_COUNT`,
//! `GIT_CONFIG_GLOBAL` and every condition of `includeIf`. What is in a repository's own file was written by whoever
//! made that repository: a setting there must not choose where a credential goes, which certificate is believed or
//! where a credential is kept (CVE-2022-24765 and its like). So each value keeps its [`Scope`], and who asks says
//! whom to believe.

mod address;

use std::fmt;

use thiserror::Error;
use url::Url;

use crate::{remote, text};

use address::{Address, Closeness, Reach, Wildcards};

/// How much of a key a message shows, in characters.
const SHOWN: usize = 160;

/// Variables of `http` that decide which server is believed, so never taken from a repository.
const TRUST_ANCHORS: [&str; 4] = ["sslcainfo", "sslcapath", "sslcert", "sslverify"];

/// Why an output of git is no configuration, or a value not what it must be. Values are not shown: they can be secrets.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The output ends in the middle of a record, or has a record without a key.
    #[error("the output of git config is cut short or malformed")]
    Malformed,
    /// Not one of git's spellings of true and false (git-config(1), "Values").
    #[error("the value of {key} is not a boolean")]
    Boolean {
        /// The key, made visible.
        key: String,
    },
}

/// Where a setting was read (git-config(1), "SCOPES").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The machine's file.
    System,
    /// The user's files.
    Global,
    /// The repository's file.
    Local,
    /// The worktree's file.
    Worktree,
    /// `git -c` and `GIT_CONFIG_COUNT`.
    Command,
    /// A scope that this program doesn't know.
    Unknown,
}

impl Scope {
    /// Whether the setting is the user's or the machine's own word.
    pub fn is_trusted(self) -> bool {
        matches!(self, Self::System | Self::Global | Self::Command)
    }

    fn of(name: &[u8]) -> Self {
        match name {
            b"system" => Self::System,
            b"global" => Self::Global,
            b"local" => Self::Local,
            b"worktree" => Self::Worktree,
            b"command" => Self::Command,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::System => "system",
            Self::Global => "global",
            Self::Local => "local",
            Self::Worktree => "worktree",
            Self::Command => "command",
            Self::Unknown => "unknown",
        })
    }
}

/// Whose settings count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// All scopes, as git would have it.
    Everyone,
    /// Only those for which [`Scope::is_trusted`] holds: for sign-in and REST.
    TrustedOnly,
}

impl Trust {
    fn allows(self, scope: Scope) -> bool {
        self == Self::Everyone || scope.is_trusted()
    }
}

/// A setting of the repository's own scopes that is not obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The key, made visible; a URL in it has no user part.
    pub key: String,
    /// Where it stands.
    pub scope: Scope,
}

/// git's effective configuration, in git's order: what stands later wins.
///
/// Keys are compared as git does: section and variable without case, the part between them with case.
#[derive(Clone, Default)]
pub struct Configuration {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    scope: Scope,
    /// Where it stands, as `git config --show-origin` says it.
    origin: Option<String>,
    key: String,
    /// None for a key without `=`, which is true as a boolean.
    value: Option<String>,
}

/// A credential helper that git would ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Helper<'c> {
    /// The value of the setting.
    pub text: &'c str,
    /// Who set it.
    pub scope: Scope,
    /// Where, as `git config --show-origin` says it: `file:` and a path, `command line:`, `blob:`…
    pub origin: Option<&'c str>,
    /// The how manyth variable `helper` in there it is, from 0.
    pub nth: usize,
}

/// The credential helpers of a URL, as [`Configuration::credential_helpers`] finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helpers<'c> {
    /// Those that git would ask, in its order.
    pub asked: Vec<Helper<'c>>,
    /// The last empty one that counts for the whole URL: it ended the list of those before it.
    pub ended_by: Option<Helper<'c>>,
}

impl Entry {
    fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    fn ignored(&self) -> Ignored {
        Ignored { key: shown_key(&self.key), scope: self.scope }
    }
}

/// Values can be secrets (`http.extraHeader`, a proxy's password) and are left out.
impl fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.entries.iter().map(|entry| (entry.scope, shown_key(&entry.key)));
        formatter.debug_list().entries(keys).finish()
    }
}

impl Configuration {
    /// Reads the output of `git config --list -z --show-scope --show-origin`: `scope NUL origin NUL key LF value NUL`,
    /// without the LF where a key has no value. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(output: &[u8]) -> Result<Self, Error> {
        if output.is_empty() {
            return Ok(Self::default());
        }
        let output = output.strip_suffix(b"\0").ok_or(Error::Malformed)?;
        let mut fields = output.split(|byte| *byte == 0);
        let mut entries = Vec::new();
        while let Some(scope) = fields.next() {
            let origin = String::from_utf8_lossy(fields.next().ok_or(Error::Malformed)?);
            let record = String::from_utf8_lossy(fields.next().ok_or(Error::Malformed)?);
            let (key, value) = match record.split_once('\n') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (&*record, None),
            };
            if !key.contains('.') {
                return Err(Error::Malformed);
            }
            let (scope, origin) = (Scope::of(scope), Some(origin.into_owned()));
            entries.push(Entry { scope, origin, key: folded(key), value });
        }
        Ok(Self { entries })
    }

    /// The same from elsewhere (libgit2, where there is no git), in the order in which later ones win.
    pub fn from_entries(
        entries: impl IntoIterator<Item = (Scope, String, Option<String>)>,
    ) -> Self {
        let entry = |(scope, key, value): (_, String, _)| Entry {
            scope,
            origin: None,
            key: folded(&key),
            value,
        };
        Self { entries: entries.into_iter().map(entry).collect() }
    }

    /// The value of a key, whoever set it; empty where the key stands without a value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.last(key, Trust::Everyone).map(Entry::text)
    }

    /// The value of a key by the scopes for which [`Scope::is_trusted`] holds.
    pub fn trusted(&self, key: &str) -> Option<&str> {
        self.last(key, Trust::TrustedOnly).map(Entry::text)
    }

    /// The value of a key where a scope of the repository's own has the last word.
    pub fn repositorys_own(&self, key: &str) -> Option<&str> {
        let last = self.last(key, Trust::Everyone)?;
        (!last.scope.is_trusted()).then(|| last.text())
    }

    /// Every value of a key in git's order, whoever set it.
    pub fn all(&self, key: &str) -> Vec<&str> {
        let key = folded(key);
        self.entries.iter().filter(|entry| entry.key == key).map(Entry::text).collect()
    }

    /// What stands in the sections of this name (in lower case) that have a subsection, in git's order: the subsection,
    /// the variable in lower case, and the value, none where the key stands without one.
    pub fn subsections<'c>(
        &'c self,
        section: &'c str,
    ) -> impl Iterator<Item = (&'c str, &'c str, Option<&'c str>)> {
        self.entries.iter().filter_map(move |entry| match key_parts(&entry.key) {
            Some((met, Some(subsection), variable)) if met == section => {
                Some((subsection, variable, entry.value.as_deref()))
            }
            _ => None,
        })
    }

    /// The value of a key as a boolean, by git's rules: `true`, `yes`, `on`, a number but 0, or no value; `false`, `no`,
    /// `off`, 0, or empty.
    ///
    /// # Errors
    /// [`Error::Boolean`] for any other text.
    pub fn boolean(&self, key: &str, trust: Trust) -> Result<Option<bool>, Error> {
        self.last(key, trust).map(boolean).transpose()
    }

    /// The value that git takes for a URL, from `SECTION.VARIABLE` and `SECTION.<url>.VARIABLE`, by git's rules
    /// (git-config(1), `http.<url>.*`): scheme, host (`*` for one label), port, path by whole segments, user; the
    /// longer host wins, then the longer path, then a user, then what stands later.
    ///
    /// `http.sslCAInfo`, `sslCAPath`, `sslCert` and `sslVerify` of untrusted scopes count for nobody.
    pub fn for_url(&self, section: &str, variable: &str, url: &Url, trust: Trust) -> Option<&str> {
        self.matching(section, variable, url.as_str(), trust).last().map(|entry| entry.text())
    }

    /// [`Configuration::for_url`] as a boolean.
    ///
    /// # Errors
    /// [`Error::Boolean`].
    pub fn boolean_for_url(
        &self,
        section: &str,
        variable: &str,
        url: &Url,
        trust: Trust,
    ) -> Result<Option<bool>, Error> {
        self.matching(section, variable, url.as_str(), trust)
            .last()
            .map(|entry| boolean(entry))
            .transpose()
    }

    /// [`Configuration::for_url`] for a variable with several values, `http.extraHeader`: as git collects them, an empty
    /// one clears what came before.
    ///
    /// A value counts when none before it was for a closer URL; so a general one **before** a specific one stays, and one
    /// after it does not.
    pub fn all_for_url(&self, section: &str, variable: &str, url: &Url, trust: Trust) -> Vec<&str> {
        let mut values = Vec::new();
        for entry in self.matching(section, variable, url.as_str(), trust) {
            if entry.text().is_empty() {
                values.clear();
            } else {
                values.push(entry.text());
            }
        }
        values
    }

    /// The credential helpers that git would ask, in its order, for what lies at or below a URL (gitcredentials(7),
    /// "CONFIGURATION OPTIONS"): unlike other settings for URLs all that match count, close or not, and an empty one
    /// ends those before it.
    ///
    /// A helper for a part of the URL, or for one user there, counts too: git would hand it what others are asked for.
    pub fn credential_helpers(&self, url: &Url) -> Helpers<'_> {
        let mut helpers = Helpers::default();
        let Some(url) = Address::read(url.as_str(), Wildcards::Refused) else { return helpers };
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(("credential", subsection, "helper")) = key_parts(&entry.key) else {
                continue;
            };
            let reach = subsection.map_or(Reach::All, |pattern| address::reach(pattern, &url));
            let helper = Helper {
                text: entry.text(),
                scope: entry.scope,
                origin: entry.origin.as_deref(),
                nth: self.nth_helper(index),
            };
            match (reach, helper.text) {
                (Reach::None, _) | (Reach::Part, "") => {}
                (Reach::All, "") => helpers = Helpers { asked: Vec::new(), ended_by: Some(helper) },
                _ => helpers.asked.push(helper),
            }
        }
        helpers
    }

    /// The how manyth variable `helper` of its file an entry is, from 0, whatever its section.
    fn nth_helper(&self, index: usize) -> usize {
        let origin = &self.entries[index].origin;
        let is_one = |entry: &&Entry| {
            entry.origin == *origin
                && key_parts(&entry.key).is_some_and(|(.., name)| name == "helper")
        };
        self.entries[..index].iter().filter(is_one).count()
    }

    /// `vsts.organization`: whatever the user's own scopes say, the bare name of a hosted organization in the
    /// repository's.
    pub fn organization(&self) -> Option<&str> {
        self.believed("vsts.organization")
    }

    /// `vsts.project`.
    pub fn project(&self) -> Option<&str> {
        self.believed("vsts.project")
    }

    fn believed(&self, key: &str) -> Option<&str> {
        let mut found = self.entries.iter().rev().filter(|entry| entry.key == key);
        found.find(|entry| entry.scope.is_trusted() || !is_ignored(entry)).map(Entry::text)
    }

    /// The settings of the repository's own scopes that are not obeyed, for a warning: every `vsts.*` but a bare
    /// `vsts.organization` and a `vsts.project`, and the four of `http` that say which server is believed.
    pub fn ignored_here(&self) -> Vec<Ignored> {
        let mut all: Vec<Ignored> = Vec::new();
        for entry in
            self.entries.iter().filter(|entry| !entry.scope.is_trusted() && is_ignored(entry))
        {
            let ignored = entry.ignored();
            if !all.contains(&ignored) {
                all.push(ignored);
            }
        }
        all
    }

    fn last(&self, key: &str, trust: Trust) -> Option<&Entry> {
        let key = folded(key);
        self.entries.iter().rev().find(|entry| entry.key == key && trust.allows(entry.scope))
    }

    /// The entries that git would take, one after the other, while it reads its files once: each at least as close to
    /// the URL as the closest before it.
    fn matching(&self, section: &str, variable: &str, url: &str, trust: Trust) -> Vec<&Entry> {
        let (section, variable) = (section.to_ascii_lowercase(), variable.to_ascii_lowercase());
        let trust = if is_trust_anchor(&section, &variable) { Trust::TrustedOnly } else { trust };
        let Some(url) = Address::read(url, Wildcards::Refused) else { return Vec::new() };
        let mut closest = Closeness::default();
        let mut taken = Vec::new();
        for entry in self.entries.iter().filter(|entry| trust.allows(entry.scope)) {
            let Some((entry_section, subsection, entry_variable)) = key_parts(&entry.key) else {
                continue;
            };
            if entry_section != section || entry_variable != variable {
                continue;
            }
            let closeness = match subsection {
                None => Some(Closeness::default()),
                Some(pattern) => Address::read(pattern, Wildcards::Allowed)
                    .and_then(|pattern| pattern.matches(&url)),
            };
            if let Some(closeness) = closeness.filter(|closeness| *closeness >= closest) {
                closest = closeness;
                taken.push(entry);
            }
        }
        taken
    }
}

/// Whether a setting in a repository's own scopes is not obeyed.
fn is_ignored(entry: &Entry) -> bool {
    match key_parts(&entry.key) {
        Some(("vsts", None, "organization")) => remote::organization_name(entry.text()).is_err(),
        Some(("vsts", None, "project")) => entry.text().parse::<remote::ProjectName>().is_err(),
        Some(("vsts", ..)) => true,
        Some((section, _, variable)) => is_trust_anchor(section, variable),
        None => false,
    }
}

fn is_trust_anchor(section: &str, variable: &str) -> bool {
    section == "http" && TRUST_ANCHORS.contains(&variable)
}

/// git-config(1), "Values", boolean; a number may have the suffix k, m or g.
fn boolean(entry: &Entry) -> Result<bool, Error> {
    let Some(value) = &entry.value else { return Ok(true) };
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => return Ok(true),
        "false" | "no" | "off" | "" => return Ok(false),
        _ => {}
    }
    let value = value.trim_start();
    let digits = value.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']).unwrap_or(value);
    let number =
        digits.parse::<i32>().map_err(|_| Error::Boolean { key: shown_key(&entry.key) })?;
    Ok(number != 0)
}

/// A key as git compares it: all in lower case but what is between the first and the last dot.
fn folded(key: &str) -> String {
    match (key.find('.'), key.rfind('.')) {
        (Some(first), Some(last)) => {
            let (section, variable) =
                (key[..first].to_ascii_lowercase(), key[last..].to_ascii_lowercase());
            format!("{section}{}{variable}", &key[first..last])
        }
        _ => key.to_ascii_lowercase(),
    }
}

/// Section, what is between, and variable.
fn key_parts(key: &str) -> Option<(&str, Option<&str>, &str)> {
    let (section, rest) = key.split_once('.')?;
    match rest.rsplit_once('.') {
        Some((subsection, variable)) => Some((section, Some(subsection), variable)),
        None => Some((section, None, rest)),
    }
}

/// A key for people: it can have a URL in it, and that a password.
fn shown_key(key: &str) -> String {
    let shown = match key_parts(key) {
        Some((section, Some(subsection), variable)) => {
            format!("{section}.{}.{variable}", remote::without_user(subsection))
        }
        _ => key.to_owned(),
    };
    text::visible_within(&shown, SHOWN)
}

#[cfg(test)]
mod tests;
