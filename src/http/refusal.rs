//! What an answer that is not what was asked for means.
//!
//! Azure DevOps says no in many shapes: statuses, a sign-in page with 203 or behind a redirect,
//! JSON with a `typeKey`, plain text, text inside git's pkt-line framing, a header, the title of a
//! page. The reason is looked for in the order status, `typeKey`, code in the message,
//! `X-TFS-ServiceError`, `<title>`; a page of HTML is never passed on.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap};
use serde::Deserialize;
use url::Url;

use super::content_type;
use crate::text::visible_within;

/// The most characters of a server's sentence that are shown.
const MESSAGE_LIMIT: usize = 400;

/// Why a server said no, as far as it can be told from its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No credential, or one that is not accepted; also one whose scope is too small, which only
    /// `connectionData` can tell apart.
    SignedOut,
    /// The token's time is over.
    Expired,
    /// The credential is sound, but its account has no access to the organization (TF400813).
    NotAMember,
    /// The account has to open the organization in a browser once (TF401444).
    NeverSeen,
    /// The organization forbids this kind of token.
    KindForbidden,
    /// The account lacks a permission (403).
    MissingPermission,
    /// A Conditional Access policy forbids this network or device (VS403463).
    NetworkPolicy,
    /// No such repository, or no right to see it, or it is disabled (TF401019).
    NoRepository,
    /// No such project, or no right to see it (TF200016, VS800075).
    NoProject,
    /// Nothing is there (404 without a code): for an organization, that it does not exist.
    NotFound,
    /// The name is taken (TF400948, TF200019).
    NameTaken,
    /// Too many requests (429, TF400733).
    Throttled,
    /// The service is down or overloaded (5xx).
    Unavailable,
    /// The service does not know this version of its interface.
    ApiVersion,
    /// The request body is too large (413).
    TooLarge,
    /// A redirect to somewhere that is no sign-in page; it is never followed.
    Redirected,
    /// The proxy wants a sign-in (407).
    ProxySignIn,
    /// Anything else.
    Other,
}

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who answered: host, and port where one is named.
    pub host: String,
    /// The HTTP status.
    pub status: u16,
    /// What it means.
    pub reason: Reason,
    /// The service's stable name of the error, such as `GitRepositoryNotFoundException`.
    pub type_key: Option<String>,
    /// The service's code, such as `TF401019`.
    pub code: Option<String>,
    /// The service's own sentence without its code, safe to show and of bounded length.
    pub message: Option<String>,
    /// When to try again; sent with 429 and 503, and before throttling starts.
    pub retry_after: Option<Duration>,
    /// Where a redirect leads: scheme and host only.
    pub location: Option<String>,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        let status = self.status;
        match self.reason {
            Reason::SignedOut => write!(formatter, "{host} did not accept the sign-in")?,
            Reason::Expired => write!(formatter, "{host} says that the token has expired")?,
            Reason::NotAMember => write!(formatter, "this account has no access there")?,
            Reason::NeverSeen => write!(formatter, "this account has never been used there")?,
            Reason::KindForbidden => write!(formatter, "this kind of token is forbidden there")?,
            Reason::MissingPermission => write!(formatter, "a permission is missing")?,
            Reason::NetworkPolicy => {
                write!(formatter, "a policy forbids access from this network or device")?;
            }
            Reason::NoRepository => {
                write!(formatter, "there is no such repository, or no right to see it")?;
            }
            Reason::NoProject => {
                write!(formatter, "there is no such project, or no right to see it")?;
            }
            Reason::NotFound => write!(formatter, "nothing is there (status 404)")?,
            Reason::NameTaken => write!(formatter, "the name is taken")?,
            Reason::Throttled => write!(formatter, "{host} asks for fewer requests")?,
            Reason::Unavailable => write!(formatter, "{host} is unavailable (status {status})")?,
            Reason::ApiVersion => write!(formatter, "{host} has another version of its interface")?,
            Reason::TooLarge => write!(formatter, "{host} takes no request as large as this")?,
            Reason::Redirected => match &self.location {
                Some(to) => write!(formatter, "{host} sends the request on to {to}")?,
                None => write!(formatter, "{host} sends the request on to nowhere")?,
            },
            Reason::ProxySignIn => write!(formatter, "the proxy wants a user name and a password")?,
            Reason::Other => write!(formatter, "{host} answered with status {status}")?,
        }
        formatter.write_str(&self.said())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "typeKey")]
    type_key: Option<String>,
    value: Option<Inner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl Refusal {
    /// Reads an answer. `body` may be cut short; `now` turns a `Retry-After` date into a wait.
    pub fn read(
        host: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Self {
        let text = String::from_utf8_lossy(body);
        let json: Body = serde_json::from_slice(body).unwrap_or_default();
        let sentence = json
            .message
            .or(json.value.and_then(|inner| inner.message))
            .or_else(|| plain(headers, &text))
            .or_else(|| service_error(headers))
            .or_else(|| title(headers, &text));
        let (code, message) = sentence.as_deref().map(split).unwrap_or_default();
        let location = location(headers);
        let mut refusal = Self {
            host: host.to_owned(),
            status: status.as_u16(),
            reason: Reason::Other,
            type_key: json.type_key,
            code,
            message,
            retry_after: retry_after(headers, now),
            location,
        };
        refusal.reason = refusal.meaning();
        let says_itself = matches!(refusal.reason, Reason::SignedOut | Reason::Redirected);
        if says_itself && refusal.code.is_none() && is_page(headers) {
            // The title of a sign-in page, or "Object moved", says no more than that.
            refusal.message =
                service_error(headers).map(|text| visible_within(&text, MESSAGE_LIMIT));
        }
        refusal
    }

    /// The refusal of an organization that answers anybody, but as nobody.
    pub fn nobody(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            status: 200,
            reason: Reason::SignedOut,
            type_key: None,
            code: None,
            message: None,
            retry_after: None,
            location: None,
        }
    }

    /// A 401 of which nothing else is known: another program has met it.
    pub fn unauthorized(host: &str) -> Self {
        Self { status: 401, ..Self::nobody(host) }
    }

    /// The service's own words and code, to stand behind a sentence of ours; empty if it had none.
    pub fn said(&self) -> String {
        match (&self.message, &self.code) {
            (Some(message), Some(code)) => format!(": {message} ({code})"),
            (Some(message), None) => format!(": {message}"),
            (None, Some(code)) => format!(" ({code})"),
            (None, None) => String::new(),
        }
    }

    /// The permission that is missing, as `Git 'GenericContribute'` is named in TF401027.
    pub fn permission(&self) -> Option<&str> {
        permission_in(self.message.as_deref()?)
    }

    /// Whether this says that the credential is no good, rather than what it is used for.
    pub fn is_about_sign_in(&self) -> bool {
        use Reason::{Expired, KindForbidden, NeverSeen, NotAMember, SignedOut};
        matches!(self.reason, SignedOut | Expired | NotAMember | NeverSeen | KindForbidden)
    }

    fn meaning(&self) -> Reason {
        let says = |part: &str| self.message.as_deref().is_some_and(|text| text.contains(part));
        let by_type = match self.type_key.as_deref().unwrap_or_default() {
            "GitRepositoryNotFoundException" => Some(Reason::NoRepository),
            "ProjectDoesNotExistException" | "ProjectDoesNotExistWithNameException" => {
                Some(Reason::NoProject)
            }
            "GitRepositoryNameAlreadyExistsException" | "ProjectAlreadyExistsException" => {
                Some(Reason::NameTaken)
            }
            "GitNeedsPermissionException" => Some(Reason::MissingPermission),
            "VssVersionOutOfRangeException" | "VssInvalidPreviewVersionException" => {
                Some(Reason::ApiVersion)
            }
            _ => None,
        };
        let by_code = || match self.code.as_deref().unwrap_or_default() {
            // The service's name for nobody: the credential was not understood at all.
            "TF400813" if says("aaaaaaaa-aaaa-") || says("anonymous") => Some(Reason::SignedOut),
            "TF400813" if says("The user '") => Some(Reason::NotAMember),
            "TF400813" => Some(Reason::SignedOut),
            "TF401444" => Some(Reason::NeverSeen),
            "TF401019" => Some(Reason::NoRepository),
            "TF200016" | "VS800075" => Some(Reason::NoProject),
            "TF400948" | "TF200019" => Some(Reason::NameTaken),
            "TF401027" | "TF50309" => Some(Reason::MissingPermission),
            "VS403463" => Some(Reason::NetworkPolicy),
            "TF400733" => Some(Reason::Throttled),
            _ => None,
        };
        let by_text = || match self.status {
            401 | 302 | 203 if says("has expired") => Some(Reason::Expired),
            401 if says("global Personal Access Token") => Some(Reason::KindForbidden),
            _ => None,
        };
        let by_status = || match self.status {
            // A 2xx that is not what was asked for is the sign-in page.
            200..=299 | 401 => Reason::SignedOut,
            300..=399 if self.location.is_none() || self.leads_to_sign_in() => Reason::SignedOut,
            300..=399 => Reason::Redirected,
            403 => Reason::MissingPermission,
            404 | 410 => Reason::NotFound,
            407 => Reason::ProxySignIn,
            413 => Reason::TooLarge,
            429 => Reason::Throttled,
            500..=599 => Reason::Unavailable,
            _ => Reason::Other,
        };
        by_type.or_else(by_code).or_else(by_text).unwrap_or_else(by_status)
    }

    /// Whether the redirect goes to one of the hosts that the service signs people in at.
    fn leads_to_sign_in(&self) -> bool {
        let Some(host) = self.location.as_deref().and_then(|at| at.split_once("://")) else {
            return false;
        };
        let (scheme, host) = (host.0, host.1.to_ascii_lowercase());
        // A sign-in page is never a step down; a plain one is of a service that stands in here.
        let is_here = host == self.host.to_ascii_lowercase()
            && (scheme == "https" || host.starts_with("127.") || host.starts_with("localhost"));
        host.ends_with(".visualstudio.com")
            || matches!(&*host, "login.microsoftonline.com" | "login.windows.net")
            // Within the host that was asked, a redirect can only be to its sign-in page.
            || is_here
    }
}

/// The line of a text that holds the reason: the one with a code, else the first. git's pkt-line
/// framing may stand before the code, so it is looked for anywhere.
fn plain(headers: &HeaderMap, text: &str) -> Option<String> {
    let plain = content_type(headers).is_some_and(|met| {
        met.eq_ignore_ascii_case("text/plain") || met.starts_with("application/x-git-")
    });
    if !plain {
        return None;
    }
    let coded = text.lines().find_map(|line| code(line).map(|at| line[at.0..].to_owned()));
    coded.or_else(|| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned))
}

/// The header that is sometimes the only explanation; it is percent-encoded.
fn service_error(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("x-tfs-serviceerror")?.as_bytes();
    let value = String::from_utf8_lossy(value);
    let decoded = percent_decode_str(&value).decode_utf8_lossy().replace('+', " ");
    Some(decoded).filter(|text| !text.trim().is_empty())
}

fn title(headers: &HeaderMap, text: &str) -> Option<String> {
    if !is_page(headers) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let words: Vec<_> = text[start..end].split_whitespace().collect();
    Some(words.join(" ")).filter(|title| !title.is_empty())
}

fn is_page(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|met| met.eq_ignore_ascii_case("text/html"))
}

/// Splits `CODE: sentence` into both, wherever the code stands.
fn split(sentence: &str) -> (Option<String>, Option<String>) {
    let show = |text: &str| {
        let text = text.trim().trim_start_matches(':').trim();
        Some(visible_within(text.trim_end_matches('.'), MESSAGE_LIMIT)).filter(|it| !it.is_empty())
    };
    match code(sentence) {
        Some((start, end)) => (Some(sentence[start..end].to_owned()), show(&sentence[end..])),
        None => (None, show(sentence)),
    }
}

/// The service's code in a text, such as `TF402455`.
pub fn code_in(text: &str) -> Option<&str> {
    code(text).map(|(start, end)| &text[start..end])
}

/// The permission that a text says is missing, as TF401027 names it: `Git 'GenericContribute'`.
pub fn permission_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("need the Git '")?;
    rest.split_once('\'').map(|(name, _)| name)
}

/// Where a code of the service (`TF` or `VS` and at least five digits) begins and ends.
fn code(text: &str) -> Option<(usize, usize)> {
    for (start, _) in text.match_indices("TF").chain(text.match_indices("VS")) {
        let digits = text[start + 2..].bytes().take_while(u8::is_ascii_digit).count();
        if digits >= 5 {
            return Some((start, start + 2 + digits));
        }
    }
    None
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
    Some(Duration::try_from(now.until(date).ok()?).unwrap_or_default())
}

/// Scheme and host of where a redirect leads: the rest may hold what signs somebody in.
fn location(headers: &HeaderMap) -> Option<String> {
    let url = Url::parse(headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, headers, body → reason and the whole sentence.
    fn read(status: u16, headers: &[(&'static str, &str)], body: &str) -> Refusal {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        Refusal::read("dev.azure.com", status, &map, body.as_bytes(), now)
    }

    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
    const TEXT: (&str, &str) = ("content-type", "text/plain");

    #[test]
    fn each_shape_of_a_refusal_is_read() {
        let sign_in = ("location", "https://spsprodweu1.vssps.visualstudio.com/_signin?realm=x");
        type Row<'a> = (u16, &'a [(&'static str, &'a str)], &'a str, Reason, &'a str);
        let table: &[Row<'_>] = &[
            (401, &[HTML], "", Reason::SignedOut, "dev.azure.com did not accept the sign-in"),
            (
                203,
                &[HTML],
                "<html><head><title>Azure DevOps Services | Sign In</title>",
                Reason::SignedOut,
                "dev.azure.com did not accept the sign-in",
            ),
            (200, &[HTML], "<html>", Reason::SignedOut, "dev.azure.com did not accept the sign-in"),
            (
                302,
                &[HTML, sign_in],
                "Object moved",
                Reason::SignedOut,
                "dev.azure.com did not accept the sign-in",
            ),
            (
                302,
                &[HTML, ("location", "http://evil.example/?token=abc")],
                "Object moved",
                Reason::Redirected,
                "dev.azure.com sends the request on to http://evil.example",
            ),
            (
                401,
                &[JSON],
                r#"{"message":"Access Denied: The Personal Access Token used has expired.","typeKey":"AccessCheckException"}"#,
                Reason::Expired,
                "dev.azure.com says that the token has expired: Access Denied: The Personal Access Token used has expired",
            ),
            (
                401,
                &[JSON],
                r#"{"message":"TF400813: The user '5c1' is not authorized to access this resource.","typeKey":"UnauthorizedRequestException"}"#,
                Reason::NotAMember,
                "this account has no access there: The user '5c1' is not authorized to access this resource (TF400813)",
            ),
            (
                401,
                &[JSON],
                r#"{"message":"TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource."}"#,
                Reason::SignedOut,
                "dev.azure.com did not accept the sign-in: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource (TF400813)",
            ),
            (
                401,
                &[
                    HTML,
                    (
                        "x-tfs-serviceerror",
                        "TF400813%3A%20Resource%20not%20available%20for%20anonymous%20access.",
                    ),
                ],
                "<html>",
                Reason::SignedOut,
                "dev.azure.com did not accept the sign-in: Resource not available for anonymous access (TF400813)",
            ),
            (
                401,
                &[
                    HTML,
                    (
                        "x-tfs-serviceerror",
                        "The%20organization%20prohibits%20access%20by%20global%20Personal%20Access%20Token%20%28PAT%29",
                    ),
                ],
                "<html>",
                Reason::KindForbidden,
                "this kind of token is forbidden there: The organization prohibits access by global Personal Access Token (PAT)",
            ),
            (
                403,
                &[HTML],
                "<html><title>\n VS403463: The conditional access policy has failed.</title>",
                Reason::NetworkPolicy,
                "a policy forbids access from this network or device: The conditional access policy has failed (VS403463)",
            ),
            (
                403,
                &[TEXT],
                "001f# service=git-receive-pack\n0000000000aaTF401027: You need the Git 'GenericContribute' permission to perform this action.\nTF401027: x",
                Reason::MissingPermission,
                "a permission is missing: You need the Git 'GenericContribute' permission to perform this action (TF401027)",
            ),
            (
                404,
                &[TEXT],
                "TF401019: The Git repository with name or identifier web does not exist.",
                Reason::NoRepository,
                "there is no such repository, or no right to see it: The Git repository with name or identifier web does not exist (TF401019)",
            ),
            (
                400,
                &[JSON],
                r#"{"message":"VS800075: The project with id 'x' does not exist.","typeKey":"ProjectDoesNotExistException"}"#,
                Reason::NoProject,
                "there is no such project, or no right to see it: The project with id 'x' does not exist (VS800075)",
            ),
            (404, &[HTML], "<html>", Reason::NotFound, "nothing is there (status 404)"),
            (
                400,
                &[JSON],
                r#"{"count":1,"value":{"Message":"The request is invalid."}}"#,
                Reason::Other,
                "dev.azure.com answered with status 400: The request is invalid",
            ),
            (429, &[TEXT], "", Reason::Throttled, "dev.azure.com asks for fewer requests"),
            (
                503,
                &[HTML],
                "<title>Down\u{1b}[2J</title>",
                Reason::Unavailable,
                "dev.azure.com is unavailable (status 503): Down\\x1b[2J",
            ),
            (413, &[], "", Reason::TooLarge, "dev.azure.com takes no request as large as this"),
        ];
        for (status, headers, body, reason, sentence) in table {
            let refusal = read(*status, headers, body);
            assert_eq!(refusal.reason, *reason, "{sentence}");
            assert_eq!(refusal.to_string(), *sentence);
        }
    }

    #[test]
    fn the_missing_permission_is_named() {
        let body = "TF401027: You need the Git 'CreateBranch' permission to perform this action.";
        assert_eq!(read(403, &[TEXT], body).permission(), Some("CreateBranch"));
        assert_eq!(read(403, &[TEXT], "no").permission(), None);
    }

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        for (value, seconds) in [
            ("7", Some(7)),
            ("Wed, 25 Nov 2026 12:00:30 GMT", Some(30)),
            ("Wed, 25 Nov 2026 11:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let wait = read(429, &[("retry-after", value)], "").retry_after;
            assert_eq!(wait, seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_long_answer_is_shown_in_bounded_length() {
        let body = format!("TF401019: {}", "x".repeat(1 << 20));
        assert!(read(404, &[TEXT], &body).to_string().chars().count() < 600);
    }
}
