//! A URL cut into pieces, as it stands.
//!
//! Nothing here knows whose URL it is.

use percent_encoding::percent_decode_str;

use super::error::Error;
use crate::credential::looks_like_token;
use crate::text;

/// How much of somebody's text a message repeats, in characters.
const SHOWN: usize = 160;

/// A URL cut into pieces as it stands: nothing is decoded, folded or resolved.
pub(super) struct Cut<'a> {
    pub(super) scheme: Scheme,
    /// As it stands; `ssh` for the scp-like form.
    pub(super) scheme_name: &'a str,
    /// Before the last `@` of the authority.
    pub(super) user: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) port: Option<&'a str>,
    /// Without query and fragment.
    pub(super) path: &'a str,
    /// Whether there was a query or a fragment.
    pub(super) decorated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    Http,
    Ssh,
    Other,
}

impl<'a> Cut<'a> {
    pub(super) fn of(url: &'a str) -> Result<Self, Error> {
        if url.is_empty() {
            return Err(Error::Empty);
        }
        if url.starts_with('-') {
            return Err(Error::LeadingDash { text: shown_url(url) });
        }
        if let Some((helper, _)) = remote_helper(url) {
            return Err(Error::RemoteHelper { helper: shown(helper) });
        }
        let cut = match url.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => Self::of_url(scheme, rest),
            _ => Self::of_scp(url).ok_or_else(|| Error::Local { path: shown_url(url) })?,
        };
        if cut.host.starts_with('-') {
            return Err(Error::LeadingDash { text: shown(cut.host) });
        }
        if cut.host.is_empty() || cut.scheme_name.eq_ignore_ascii_case("file") {
            return Err(Error::Local { path: shown_url(url) });
        }
        Ok(cut)
    }

    fn of_url(scheme_name: &'a str, rest: &'a str) -> Self {
        let scheme = match scheme_name.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" => Scheme::Ssh,
            _ => Scheme::Other,
        };
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, host_and_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host_and_port);
        let path_end = after.find(['?', '#']).unwrap_or(after.len());
        Self {
            scheme,
            scheme_name,
            user,
            host,
            port,
            path: &after[..path_end],
            decorated: path_end < after.len(),
        }
    }

    /// `[USER@]HOST:PATH`, where the colon comes before any slash (git-clone(1), "GIT URLS").
    fn of_scp(url: &'a str) -> Option<Self> {
        let bracketed = url.find('[').filter(|at| *at == 0 || url[..*at].ends_with('@'));
        let search_from = match bracketed {
            Some(at) => at + url[at..].find(']')?,
            None => 0,
        };
        let colon = search_from + url[search_from..].find(':')?;
        let (head, path) = (&url[..colon], &url[colon + 1..]);
        // A drive letter is a path on Windows, and nobody's host elsewhere.
        let drive =
            head.len() == 1 && head.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if head.contains('/') || drive {
            return None;
        }
        let (user, host) = match head.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, head),
        };
        Some(Self {
            scheme: Scheme::Ssh,
            scheme_name: "ssh",
            user,
            host,
            port: None,
            path,
            decorated: false,
        })
    }

    /// The host and the port, where it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        match (self.scheme, self.port) {
            (_, None) | (Scheme::Https, Some("443")) | (Scheme::Http, Some("80")) => {
                self.host.to_owned()
            }
            (_, Some(port)) => format!("{}:{port}", self.host),
        }
    }
}

/// HOST and PORT of `HOST[:PORT]`, with IPv6 addresses in brackets.
pub(super) fn split_port(host_and_port: &str) -> (&str, Option<&str>) {
    let from =
        if host_and_port.starts_with('[') { host_and_port.find(']').unwrap_or(0) } else { 0 };
    match host_and_port[from..].find(':') {
        Some(at) => (&host_and_port[..from + at], Some(&host_and_port[from + at + 1..])),
        None => (host_and_port, None),
    }
}

/// The account in a user part. A mail address's `@` can only be written `%40`; nothing else is worth an escape.
pub(super) fn read_user(user: &str, host: &str) -> Result<String, Error> {
    let user = user.strip_suffix(':').unwrap_or(user);
    let account = user.replace("%40", "@");
    // ssh gets the user part as an argument.
    if user.starts_with('-')
        || user.contains('@')
        || account.contains(['%', '\\', ' ', ':'])
        || account.chars().any(char::is_control)
    {
        return Err(Error::User { host: shown(host) });
    }
    Ok(account)
}

/// What holds for the whole text of a URL for one of our hosts.
pub(super) fn check_text(url: &str) -> Result<(), Error> {
    if url.is_empty() {
        return Err(Error::Empty);
    }
    if url.starts_with('-') {
        return Err(Error::LeadingDash { text: shown_url(url) });
    }
    if url.chars().any(char::is_control) {
        return Err(Error::Control { text: shown_url(url) });
    }
    if url.contains('\\') {
        return Err(Error::Backslash { text: shown_url(url) });
    }
    Ok(())
}

/// The raw segments of a path. One slash at the end is no segment: git asks for the same address with and without.
pub(super) fn split<'a>(path: &'a str, url: &str) -> Result<Vec<&'a str>, Error> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<&str> = path.split('/').collect();
    for segment in &segments {
        if segment.is_empty() {
            return Err(Error::EmptySegment { text: shown_url(url) });
        }
        if matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..") {
            return Err(Error::DotSegment { text: shown_url(url) });
        }
    }
    Ok(segments)
}

/// One segment of a path, decoded once.
pub(super) fn decode(segment: &str) -> Result<String, Error> {
    let escape = || Error::Escape { text: shown(segment) };
    let well_formed = segment.split('%').skip(1).all(|after| {
        let digits = after.as_bytes();
        digits.len() >= 2 && digits[0].is_ascii_hexdigit() && digits[1].is_ascii_hexdigit()
    });
    if !well_formed {
        return Err(escape());
    }
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| escape())?.into_owned();
    if decoded.chars().any(char::is_control) {
        return Err(Error::Control { text: shown(segment) });
    }
    if decoded.contains('/') {
        return Err(Error::EncodedSlash { text: shown(segment) });
    }
    if decoded.contains('\\') {
        return Err(Error::Backslash { text: shown(segment) });
    }
    Ok(decoded)
}

/// What is left of `path` below `prefix`, at a slash, without case (IIS serves both). The prefix is what we wrote.
pub(super) fn strip_prefix_path<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let prefix = prefix.trim_end_matches('/');
    let start = path.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix))?;
    let rest = &path[start.len()..];
    (rest.is_empty() || rest.starts_with('/') || prefix.is_empty()).then_some(rest)
}

/// RFC 3986 section 3.1.
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// NAME and ADDRESS of `NAME::ADDRESS` (gitremote-helpers(7)).
fn remote_helper(url: &str) -> Option<(&str, &str)> {
    let (helper, address) = url.split_once("::")?;
    let is_helper = !helper.is_empty()
        && helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    is_helper.then_some((helper, address))
}

/// Any URL, scp-like address or path, fit to be shown: without its user part, which can be a secret, and with control
/// characters made visible.
///
/// Where a slash may be a password's, too much is cut rather than too little.
pub fn without_user(url: &str) -> String {
    text::visible(&strip_user(url))
}

/// The host of a URL that has a password, or a token for its user; where there is any doubt, there is one.
pub(super) fn password_host(url: &str) -> Option<&str> {
    let address = without_helpers(url);
    let (start, at) = user_part(address)?;
    let (user, host) = (&address[start..at], &address[at + 1..]);
    let lower = user.to_ascii_lowercase();
    let password = lower
        .split_once(':')
        .map(|(_, password)| password)
        .or_else(|| lower.split_once("%3a").map(|(_, password)| password));
    let secret = password.is_some_and(|password| !password.is_empty()) || is_token(user);
    secret.then(|| host.split(['/', ':', '?', '#', '\\']).next().unwrap_or_default())
}

/// Whether a user part is a personal access token, or anything as long, as an Entra token is. A mail address may be
/// long, and has an `@` or `%40`.
fn is_token(user: &str) -> bool {
    looks_like_token(user) || (user.len() >= 70 && !user.contains("%40") && !user.contains('@'))
}

/// Whether a text is a URL that holds a password or a token, so that it must not be repeated.
pub fn holds_password(text: &str) -> bool {
    password_host(text).is_some()
}

fn without_helpers(mut url: &str) -> &str {
    while let Some((_, address)) = remote_helper(url) {
        url = address;
    }
    url
}

/// Where a user part starts, and where its `@` stands; none where there is no user part.
fn user_part(url: &str) -> Option<(usize, usize)> {
    let Some(start) = authority_start(url) else { return scp_user_part(url) };
    let rest = &url[start..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let at = authority.rfind('@').or_else(|| {
        // `https://ada:pass/word@host`: what stands for a port is none, or before it stands no host of the net, so the
        // slash was the password's.
        let (host, port) = split_port(authority);
        let port = port?;
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let is_host =
            host.contains('.') || host.starts_with('[') || host.eq_ignore_ascii_case("localhost");
        rest.rfind('@').filter(|_| !is_port || !is_host)
    })?;
    Some((start, start + at))
}

/// Where the authority starts in what is a URL, or is one with a slip (`https:/ada:secret@…`) that some readers forgive.
fn authority_start(url: &str) -> Option<usize> {
    match url.split_once("://") {
        Some((scheme, _)) if !scheme.contains(['/', '@']) => return Some(scheme.len() + 3),
        _ => {}
    }
    let after_scheme = match url.split_once(':') {
        Some((scheme, _)) if is_forgiven_scheme(scheme) => scheme.len() + 1,
        _ if url.starts_with("//") => 0,
        _ => return None,
    };
    let slashes = url[after_scheme..].find(|character| character != '/' && character != '\\');
    Some(slashes.map_or(url.len(), |slashes| after_scheme + slashes))
}

fn is_forgiven_scheme(scheme: &str) -> bool {
    ["https", "http", "ftps", "ftp"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

fn scp_user_part(url: &str) -> Option<(usize, usize)> {
    let head = &url[..url.find('/').unwrap_or(url.len())];
    let first_at = head.find('@')?;
    let at = match head.find(':') {
        // `user@host:path`, where the path may have an `@` of its own.
        Some(colon) if first_at < colon => head[..colon].rfind('@')?,
        // `user:password@host:path`, or no colon at all.
        _ => head.rfind('@')?,
    };
    Some((0, at))
}

fn strip_user(url: &str) -> String {
    let address = without_helpers(url);
    let helpers = &url[..url.len() - address.len()];
    match user_part(address) {
        Some((start, at)) => format!("{helpers}{}{}", &address[..start], &address[at + 1..]),
        None => url.to_owned(),
    }
}

/// Somebody's name or host in a message.
pub(super) fn shown(text: &str) -> String {
    text::visible_within(text, SHOWN)
}

/// Somebody's URL in a message.
pub(super) fn shown_url(url: &str) -> String {
    text::visible_within(&strip_user(url), SHOWN)
}
