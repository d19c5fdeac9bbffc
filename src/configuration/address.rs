//! URLs as git compares them in the names of settings.

/// How close a pattern is to a URL; ordered as git prefers: length of the host, length of the path, a user.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Closeness {
    host: usize,
    path: usize,
    user: bool,
}

/// What of a URL a pattern of a credential's setting is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The URL and all below it.
    All,
    /// Something below it, or one user there.
    Part,
    /// Nothing of it.
    None,
}

/// What a pattern of a credential's setting is for.
///
/// It may be a URL in part: `dev.azure.com` or `https://` alone (git's `match_partial_url`).
pub(super) fn reach(pattern: &str, url: &Address) -> Reach {
    let Some(pattern) = Address::read(pattern, Wildcards::Allowed) else {
        return partial_reach(pattern, url);
    };
    let is_for_one_user = pattern.user.is_some();
    let pattern = Address { user: None, ..pattern };
    if pattern.matches(url).is_some() {
        return if is_for_one_user { Reach::Part } else { Reach::All };
    }
    let prefix = url.path.strip_suffix('/').unwrap_or(&url.path);
    let is_below = pattern.path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let pattern = Address { path: url.path.clone(), ..pattern };
    match is_below && pattern.matches(url).is_some() {
        true => Reach::Part,
        false => Reach::None,
    }
}

fn partial_reach(pattern: &str, url: &Address) -> Reach {
    let (scheme, rest) = match pattern.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", pattern),
    };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    let host_of_url = match url.port {
        Some(port) => format!("{}:{port}", url.host),
        None => url.host.clone(),
    };
    let is_here = (scheme.is_empty() || scheme.eq_ignore_ascii_case(&url.scheme))
        && (host.is_empty() || host.eq_ignore_ascii_case(&host_of_url));
    match (is_here, path.trim_matches('/')) {
        (false, _) => Reach::None,
        (true, "") if host.len() == rest.len() => Reach::All,
        // git wants the whole path to be the same, or one user.
        (true, _) => Reach::Part,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcards {
    Allowed,
    Refused,
}

/// A URL as git compares it (git-config(1), `http.<url>.*`): scheme and host in lower case, no default port, escapes
/// only where they must be, `.` and `..` resolved.
#[derive(Clone)]
pub(super) struct Address {
    scheme: String,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// With query and fragment, which git compares along.
    path: String,
}

impl Address {
    pub(super) fn read(url: &str, wildcards: Wildcards) -> Option<Self> {
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
    pub(super) fn matches(&self, url: &Self) -> Option<Closeness> {
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
