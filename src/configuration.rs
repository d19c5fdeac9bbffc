//! git's effective configuration, and whose word each setting is.
//!
//! git itself reads it (`git config --list -z --show-scope`), since only git knows `git -c`, `GIT_CONFIG_COUNT`,
//! `GIT_CONFIG_GLOBAL` and every condition of `includeIf`. What is in a repository's own file was written by whoever
//! made that repository: a setting there must not choose where a credential goes, which certificate is believed or
//! where a credential is kept (CVE-2022-24765 and its like). So each value keeps its [`Scope`], and who asks says
//! whom to believe.

use std::fmt;

use thiserror::Error;
use url::Url;

use crate::{remote, text};

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
    key: String,
    /// None for a key without `=`, which is true as a boolean.
    value: Option<String>,
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
    /// Reads the output of `git config --list -z --show-scope`: `scope NUL key LF value NUL`, without the LF where a key
    /// has no value. Bytes that are no UTF-8 become U+FFFD.
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
            let record = String::from_utf8_lossy(fields.next().ok_or(Error::Malformed)?);
            let (key, value) = match record.split_once('\n') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (&*record, None),
            };
            if !key.contains('.') {
                return Err(Error::Malformed);
            }
            entries.push(Entry { scope: Scope::of(scope), key: folded(key), value });
        }
        Ok(Self { entries })
    }

    /// The same from elsewhere (libgit2, where there is no git), in the order in which later ones win.
    pub fn from_entries(
        entries: impl IntoIterator<Item = (Scope, String, Option<String>)>,
    ) -> Self {
        let entries = entries.into_iter();
        Self {
            entries: entries
                .map(|(scope, key, value)| Entry { scope, key: folded(&key), value })
                .collect(),
        }
    }

    /// The value of a key, whoever set it; empty where the key stands without a value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.last(key, Trust::Everyone).map(Entry::text)
    }

    /// The value of a key by the scopes for which [`Scope::is_trusted`] holds.
    pub fn trusted(&self, key: &str) -> Option<&str> {
        self.last(key, Trust::TrustedOnly).map(Entry::text)
    }

    /// Every value of a key in git's order, whoever set it.
    pub fn all(&self, key: &str) -> Vec<&str> {
        let key = folded(key);
        self.entries.iter().filter(|entry| entry.key == key).map(Entry::text).collect()
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

/// How close a pattern is to a URL; ordered as git prefers: length of the host, length of the path, a user.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Closeness {
    host: usize,
    path: usize,
    user: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Allowed,
    Refused,
}

/// A URL as git compares it (git-config(1), `http.<url>.*`): scheme and host in lower case, no default port, escapes
/// only where they must be, `.` and `..` resolved.
struct Address {
    scheme: String,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// With query and fragment, which git compares along.
    path: String,
}

impl Address {
    fn read(url: &str, wildcards: Wildcards) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, host_and_port) = match authority.split_once('@') {
            Some((user, host)) => (Some(normalized_escapes(user)?), host),
            None => (None, authority),
        };
        let user = user.map(|user| user.split(':').next().unwrap_or_default().to_owned());
        let (host, port) = match host_and_port.rfind([':', ']']) {
            Some(at) if host_and_port[at..].starts_with(':') => {
                (&host_and_port[..at], Some(&host_and_port[at + 1..]))
            }
            _ => (host_and_port, None),
        };
        if scheme == "file" && port.is_some_and(|port| !port.is_empty())
            || scheme != "file" && host.is_empty()
        {
            return None;
        }
        let may_be_in_host = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || b".-_[:]".contains(&byte)
                || wildcards == Wildcards::Allowed && byte == b'*'
        };
        if !host.bytes().all(may_be_in_host) {
            return None;
        }
        let port = read_port(&scheme, port)?;
        Some(Self {
            user,
            host: host.to_ascii_lowercase(),
            port,
            path: normalized_path(rest)?,
            scheme,
        })
    }

    /// Whether this pattern is for `url`, and how closely.
    fn matches(&self, url: &Self) -> Option<Closeness> {
        let same_user = self.user.is_none() || self.user == url.user;
        let (pattern, host) = (labels(&self.host), labels(&url.host));
        let same_host = pattern.len() == host.len()
            && pattern
                .iter()
                .zip(&host)
                .all(|(pattern, label)| *pattern == "*" || pattern == label);
        if self.scheme != url.scheme || !same_user || !same_host || self.port != url.port {
            return None;
        }
        let prefix = self.path.strip_suffix('/').unwrap_or(&self.path);
        let rest = url.path.strip_prefix(prefix)?;
        let path = (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len() + 1)?;
        Some(Closeness { host: self.host.len(), path, user: self.user.is_some() })
    }
}

/// A host's labels. git takes no notice of one dot at the end.
fn labels(host: &str) -> Vec<&str> {
    host.strip_suffix('.').unwrap_or(host).split('.').collect()
}

/// The port where it is not the scheme's own; the outer none is for what is no port.
fn read_port(scheme: &str, port: Option<&str>) -> Option<Option<u16>> {
    let Some(digits) = port.filter(|port| !port.is_empty()) else { return Some(None) };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<u16>().ok().filter(|number| *number != 0)?;
    let default = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Some((default != Some(number)).then_some(number))
}

/// A path with escapes normalized and `.` and `..` resolved, and what follows it.
fn normalized_path(path_and_more: &str) -> Option<String> {
    let end = path_and_more.find(['?', '#']).unwrap_or(path_and_more.len());
    let (path, more) = path_and_more.split_at(end);
    let mut resolved = String::from("/");
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let mut needs_slash = true;
        match normalized_escapes(segment)?.as_str() {
            "." => needs_slash = drop_last(&mut resolved),
            // Above the top there is nothing: git takes such a URL for none.
            ".." if resolved == "/" => return None,
            ".." => {
                drop_last(&mut resolved);
                needs_slash = drop_last(&mut resolved);
            }
            name => resolved.push_str(name),
        }
        if needs_slash && segments.peek().is_some() {
            resolved.push('/');
        }
    }
    resolved.push_str(&normalized_escapes(more)?);
    Some(resolved)
}

/// Drops what follows the last slash, and that slash unless it is the first; whether one is needed before more.
fn drop_last(path: &mut String) -> bool {
    let slash = path.rfind('/').unwrap_or(0);
    path.truncate(slash.max(1));
    slash > 0
}

/// Escapes in capitals, where a character must be escaped or is a delimiter that was; none for a broken one.
fn normalized_escapes(text: &str) -> Option<String> {
    const UNSAFE: &[u8] = b" <>\"%{}|\\^`";
    const DELIMITERS: &[u8] = b":/?#[]@!$&'()*+,;=";
    let mut normalized = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, was_escaped) = if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            // Two hexadecimal digits fit a byte.
            ((high * 16 + low) as u8, true)
        } else {
            (byte, false)
        };
        let escape = !(0x20..0x7F).contains(&byte)
            || UNSAFE.contains(&byte)
            || was_escaped && DELIMITERS.contains(&byte);
        if escape {
            normalized.push_str(&format!("%{byte:02X}"));
        } else {
            normalized.push(char::from(byte));
        }
    }
    Some(normalized)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn parsed(records: &[(&str, &str)]) -> Configuration {
        let output: String =
            records.iter().map(|(scope, record)| format!("{scope}\0{record}\0")).collect();
        Configuration::parse(output.as_bytes()).unwrap()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    /// git with no configuration but the one file.
    fn git(home: &Path, arguments: &[&str]) -> Vec<u8> {
        let mut git = Command::new("git");
        git.env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", home.join("config"))
            .env("GIT_CEILING_DIRECTORIES", home)
            .current_dir(home);
        git.args(arguments).output().unwrap().stdout
    }

    fn read_with_git(home: &Path) -> Configuration {
        Configuration::parse(&git(home, &["config", "--list", "-z", "--show-scope"])).unwrap()
    }

    #[test]
    fn the_last_word_wins_and_a_repository_is_told_apart() {
        let configuration = parsed(&[
            ("system", "vsts.store\ncache"),
            ("global", "vsts.store\nkeychain"),
            ("local", "vsts.store\nnone"),
            ("local", "alias.x\nline one\nline two"),
            ("worktree", "core.bare"),
            ("command", "http.https://A.example/X.proxy\nP"),
            ("submodule", "vsts.tenant\nevil"),
        ]);
        assert_eq!(configuration.get("VSTS.Store"), Some("none"));
        assert_eq!(configuration.trusted("vsts.store"), Some("keychain"));
        assert_eq!(configuration.all("vsts.store"), ["cache", "keychain", "none"]);
        assert_eq!(configuration.get("alias.x"), Some("line one\nline two"));
        assert_eq!(configuration.get("core.bare"), Some(""));
        assert_eq!(configuration.get("HTTP.https://A.example/X.Proxy"), Some("P"));
        assert_eq!(configuration.get("http.https://a.example/X.proxy"), None);
        assert_eq!(configuration.get("vsts.tenant"), Some("evil"));
        assert_eq!(configuration.trusted("vsts.tenant"), None);
        assert_eq!(configuration.get("vsts.identity"), None);
    }

    #[test]
    fn an_output_cut_short_is_no_configuration() {
        for output in [
            "global\0user.name\nada",
            "global\0",
            "\0",
            "global\0user.name\nada\0global\0",
            "global\0odd\0",
        ] {
            assert_eq!(
                Configuration::parse(output.as_bytes()).err(),
                Some(Error::Malformed),
                "{output:?}"
            );
        }
        assert_eq!(Configuration::parse(b"").unwrap().entries.len(), 0);
        assert_eq!(
            Configuration::parse(b"global\0a.b\n\xff\0").unwrap().get("a.b"),
            Some("\u{fffd}")
        );
    }

    #[test]
    fn booleans_are_what_git_takes_for_booleans() {
        let home = tempfile::tempdir().unwrap();
        let values = [
            "true", "YES", "on", "1", "2", "-1", "1k", "false", "No", "off", "0", "", "maybe",
            "1x", "truee", "0k", "+1",
        ];
        let mut file = String::from("[a]\n\tnovalue\n");
        for (index, value) in values.iter().enumerate() {
            file.push_str(&format!("\tv{index} = {value}\n"));
        }
        fs::write(home.path().join("config"), file).unwrap();
        let configuration = read_with_git(home.path());
        assert_eq!(configuration.boolean("a.novalue", Trust::Everyone), Ok(Some(true)));
        assert_eq!(configuration.boolean("a.absent", Trust::Everyone), Ok(None));
        for (index, value) in values.iter().enumerate() {
            let key = format!("a.v{index}");
            let expected = match git(home.path(), &["config", "--bool", &key]).as_slice() {
                b"true\n" => Ok(Some(true)),
                b"false\n" => Ok(Some(false)),
                _ => Err(Error::Boolean { key: key.clone() }),
            };
            assert_eq!(configuration.boolean(&key, Trust::TrustedOnly), expected, "{value:?}");
        }
    }

    const PATTERNS: [&str; 46] = [
        "https://dev.azure.com",
        "https://dev.azure.com/",
        "https://DEV.azure.com/contoso",
        "https://dev.azure.com/contoso/",
        "https://dev.azure.com/Contoso",
        "https://dev.azure.com/contoso/shop",
        "https://dev.azure.com/contos",
        "https://dev.azure.com:443/contoso",
        "https://dev.azure.com:0443",
        "https://dev.azure.com:8443",
        "https://dev.azure.com:/contoso",
        "https://contoso@dev.azure.com",
        "https://contoso@dev.azure.com/contoso",
        "https://contoso:secret@dev.azure.com/contoso",
        "https://@dev.azure.com",
        "https://fabrikam@dev.azure.com",
        "http://dev.azure.com",
        "HTTPS://dev.azure.com/contoso/a/../shop",
        "https://dev.azure.com/contoso/./shop",
        "https://dev.azure.com/../contoso",
        "https://dev.azure.com/contoso/..",
        "https://dev.azure.com/contoso/.",
        "https://dev.azure.com/contoso//shop",
        "https://dev.azure.com/contoso/my%20shop",
        "https://dev.azure.com/contoso/my shop",
        "https://dev.azure.com/contoso/%73hop",
        "https://dev.azure.com/contoso%2Fshop",
        "https://dev.azure.com/contoso%2fshop",
        "https://dev.azure.com/%zz",
        "https://*.azure.com",
        "https://dev.*.com/contoso",
        "https://*.*.com",
        "https://*.com",
        "https://*",
        "https://d*.azure.com",
        "https://*.visualstudio.com",
        "https://dev.azure.com.",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080/contoso",
        "http://[::1]:8080",
        "https://dev.azure.com?x",
        "https://dev.azure.com/contoso?x=1",
        "https://",
        "dev.azure.com",
        "https://dev.azure.com:99999",
        "https://dev.azure.com:0",
    ];

    const URLS: [&str; 34] = [
        "https://dev.azure.com",
        "https://dev.azure.com/",
        "https://dev.azure.com/contoso",
        "https://dev.azure.com/contoso/",
        "https://dev.azure.com/Contoso/shop",
        "https://dev.azure.com/contoso/shop/_git/web",
        "https://dev.azure.com/contosox/shop",
        "https://dev.azure.com:443/contoso/shop",
        "https://dev.azure.com:8443/contoso/shop",
        "https://contoso@dev.azure.com/contoso/shop",
        "https://contoso:pw@dev.azure.com/contoso/shop",
        "https://CONTOSO@dev.azure.com/contoso/shop",
        "https://@dev.azure.com/contoso",
        "https://ada%40contoso.com@dev.azure.com/contoso",
        "http://dev.azure.com/contoso",
        "https://DEV.AZURE.COM/contoso/a/../shop",
        "https://dev.azure.com/contoso/a/b/../../shop/./x",
        "https://dev.azure.com/./contoso",
        "https://dev.azure.com/contoso/..",
        "https://dev.azure.com/contoso/../shop",
        "https://dev.azure.com/contoso/%2e%2e/shop",
        "https://dev.azure.com/contoso//shop",
        "https://dev.azure.com/contoso/my%20shop/_git/web",
        "https://dev.azure.com/contoso/my shop",
        "https://dev.azure.com/contoso%2fshop",
        "https://dev.azure.com/contoso?x=1",
        "https://dev.azure.com/contoso/shop?x=%2f#y",
        "https://contoso.visualstudio.com/shop",
        "https://a.b.visualstudio.com/shop",
        "https://dev.azure.com.evil.example/contoso",
        "https://dev.azure.com./contoso",
        "http://127.0.0.1:8080/contoso/shop",
        "http://[::1]:8080/contoso",
        "https://github.com/x",
    ];

    #[test]
    fn a_pattern_is_for_the_urls_that_git_says_it_is_for() {
        let home = tempfile::tempdir().unwrap();
        // Each pattern has a variable of its own, so that one question to git tells all that match.
        let file: String = PATTERNS
            .iter()
            .enumerate()
            .map(|(index, pattern)| format!("[http \"{pattern}\"]\n\tv{index} = yes\n"))
            .collect();
        fs::write(home.path().join("config"), file).unwrap();
        let configuration = read_with_git(home.path());
        let mut matches = 0;
        for url in URLS {
            let answer =
                String::from_utf8(git(home.path(), &["config", "--get-urlmatch", "http", url]))
                    .unwrap();
            for (index, pattern) in PATTERNS.iter().enumerate() {
                let expected = answer.lines().any(|line| line == format!("http.v{index} yes"));
                let found = configuration
                    .matching("http", &format!("v{index}"), url, Trust::Everyone)
                    .len()
                    == 1;
                assert_eq!(found, expected, "pattern {pattern} for {url}");
                matches += usize::from(expected);
            }
        }
        assert!(matches > 100, "the table says too little: {matches}");
    }

    #[test]
    fn of_several_patterns_the_one_that_git_prefers_wins() {
        let home = tempfile::tempdir().unwrap();
        // Several orders, since of equals the later one wins.
        for step in [1, 5, 17, 45] {
            let mut file = String::from("[http]\n\tproxy = plain\n");
            for turn in 0..PATTERNS.len() {
                let pattern = PATTERNS[turn * step % PATTERNS.len()];
                file.push_str(&format!("[http \"{pattern}\"]\n\tproxy = {turn}\n"));
            }
            file.push_str("[http]\n\tproxy = last\n");
            fs::write(home.path().join("config"), file).unwrap();
            let configuration = read_with_git(home.path());
            for url in URLS {
                let answer = git(home.path(), &["config", "--get-urlmatch", "http.proxy", url]);
                let found = configuration.matching("http", "proxy", url, Trust::Everyone);
                let found =
                    found.last().map_or(String::new(), |entry| format!("{}\n", entry.text()));
                assert_eq!(found, String::from_utf8_lossy(&answer), "step {step}, {url}");
            }
        }
    }

    #[test]
    fn what_is_asked_for_a_url_can_be_the_trusted_word_alone() {
        let configuration = parsed(&[
            ("global", "http.proxy\nhttp://ours"),
            ("local", "http.https://dev.azure.com.proxy\nhttp://theirs"),
            ("global", "http.sslverify\ntrue"),
            ("local", "http.https://dev.azure.com.sslverify\nfalse"),
            ("local", "http.sslcainfo\n/evil.pem"),
            ("global", "http.https://dev.azure.com.sslcainfo\n/ours.pem"),
        ]);
        let azure = url("https://dev.azure.com/contoso/shop/_git/web");
        assert_eq!(
            configuration.for_url("http", "proxy", &azure, Trust::Everyone),
            Some("http://theirs")
        );
        assert_eq!(
            configuration.for_url("http", "proxy", &azure, Trust::TrustedOnly),
            Some("http://ours")
        );
        assert_eq!(
            configuration.for_url("http", "Proxy", &url("https://github.com"), Trust::Everyone),
            Some("http://ours")
        );
        assert_eq!(
            configuration.boolean_for_url("http", "sslVerify", &azure, Trust::Everyone),
            Ok(Some(true))
        );
        assert_eq!(
            configuration.for_url("http", "sslCAInfo", &azure, Trust::Everyone),
            Some("/ours.pem")
        );
        assert_eq!(
            configuration.for_url("http", "sslCAInfo", &url("https://github.com"), Trust::Everyone),
            None
        );
        assert_eq!(configuration.for_url("http", "userAgent", &azure, Trust::Everyone), None);
    }

    #[test]
    fn several_values_gather_until_an_empty_one() {
        let azure = url("https://dev.azure.com/contoso/shop");
        let all = |records: &[(&str, &str)], trust| {
            parsed(records).all_for_url("http", "extraHeader", &azure, trust).join(",")
        };
        let general = ("global", "http.extraheader\nA");
        let specific = ("local", "http.https://dev.azure.com.extraheader\nB");
        let closest = ("global", "http.https://dev.azure.com/contoso.extraheader\nC");
        let reset = ("command", "http.https://dev.azure.com/contoso.extraheader\n");
        assert_eq!(all(&[general, specific, closest], Trust::Everyone), "A,B,C");
        assert_eq!(all(&[general, specific, closest], Trust::TrustedOnly), "A,C");
        assert_eq!(all(&[specific, general], Trust::Everyone), "B");
        assert_eq!(all(&[general, general, specific], Trust::Everyone), "A,A,B");
        assert_eq!(all(&[general, specific, reset, closest], Trust::Everyone), "C");
        assert_eq!(all(&[closest, reset], Trust::Everyone), "");
    }

    #[test]
    fn a_repository_chooses_a_bare_organization_and_a_project_and_no_more() {
        let configuration = parsed(&[
            ("global", "vsts.organization\nhttps://tfs.example.com/tfs/main"),
            ("global", "vsts.store\nfile"),
            ("local", "vsts.organization\nhttps://evil.example/x"),
            ("local", "vsts.project\nshop"),
            ("local", "vsts.store\nnone"),
            ("local", "vsts.store\nfile"),
            ("worktree", "vsts.clientid\nevil"),
            ("local", "vsts.https://a.example.tenant\nevil"),
            ("local", "http.sslverify\nfalse"),
            ("local", "http.https://ada:secret@dev.azure.com.sslcapath\n/x"),
            ("local", "http.proxy\nhttp://p"),
            ("command", "http.sslcert\n/c"),
            ("unknown", "http.sslcert\n/c"),
        ]);
        assert_eq!(configuration.organization(), Some("https://tfs.example.com/tfs/main"));
        assert_eq!(configuration.project(), Some("shop"));
        let ignored: Vec<String> = configuration
            .ignored_here()
            .into_iter()
            .map(|ignored| format!("{} {}", ignored.scope, ignored.key))
            .collect();
        assert_eq!(
            ignored,
            [
                "local vsts.organization",
                "local vsts.store",
                "worktree vsts.clientid",
                "local vsts.https://a.example.tenant",
                "local http.sslverify",
                "local http.https://dev.azure.com.sslcapath",
                "unknown http.sslcert",
            ]
        );
        let configuration = parsed(&[
            ("global", "vsts.organization\nfabrikam"),
            ("local", "vsts.organization\ncontoso"),
        ]);
        assert_eq!(configuration.organization(), Some("contoso"));
        assert_eq!(configuration.ignored_here(), []);
        for refused in ["-x", "..", "a/b", "x.example", "https://dev.azure.com/contoso", ""] {
            let record = format!("vsts.organization\n{refused}");
            assert_eq!(parsed(&[("local", &record)]).organization(), None, "{refused}");
        }
        assert_eq!(parsed(&[("local", "vsts.project\n../x")]).project(), None);
    }

    #[test]
    fn debug_shows_no_value_and_no_password() {
        let configuration = parsed(&[
            ("global", "http.extraheader\nAuthorization: Basic c2VjcmV0"),
            ("global", "http.https://ada:hunter2@dev.azure.com.proxy\nhttp://u:hunter2@p"),
        ]);
        assert_eq!(
            format!("{configuration:?}"),
            "[(Global, \"http.extraheader\"), (Global, \"http.https://dev.azure.com.proxy\")]"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_output_and_no_pattern_panics(output in any::<Vec<u8>>(), pattern in "(https?://)?[a-z@:/.%*\\[\\]?#é0-9-]{0,24}") {
            drop(Configuration::parse(&output));
            let configuration = Configuration::from_entries([(Scope::Local, format!("http.{pattern}.proxy"), None)]);
            configuration.matching("http", "proxy", &pattern, Trust::Everyone);
            drop(format!("{:?}", configuration.ignored_here()));
        }
    }
}
