//! What was asked, for the tests to look at.

use std::sync::Arc;

use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::upload::Meter;

/// One request as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// As it was sent, not decoded and without the query.
    pub path: String,
    /// Behind the `?`, as it was sent; empty if there is none.
    pub query: String,
    /// What it was answered; 0 if it has no answer (yet), as after [`Answer::reset`](crate::Answer::reset).
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The `Authorization` header, secret and all: none means that no credential was sent.
    pub authorization: Option<String>,
    /// How many bytes of the body came, before they were unpacked.
    pub body_bytes: u64,
    /// The first 64 KiB of the body, as they came.
    pub body: Vec<u8>,
    /// Whether the body came in chunks of unknown number (`Transfer-Encoding: chunked`).
    pub chunked: bool,
    /// What the client said the body's length was.
    pub content_length: Option<u64>,
    /// The content codings that the client takes, in lower case and without their weights.
    pub accepted_encodings: Vec<String>,
}

impl Request {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// `Basic` or `Bearer`, as it was written.
    pub fn authorization_kind(&self) -> Option<&str> {
        self.authorization.as_deref()?.split_once(' ').map(|(kind, _)| kind)
    }

    /// The user part of a Basic credential.
    pub fn user(&self) -> Option<String> {
        basic(self.authorization.as_deref()?).map(|(user, _)| user)
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Method, path and query on one line, as for an assertion over all requests:
/// `GET /contoso/_apis/projects?api-version=7.1 200`.
impl std::fmt::Display for Request {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.query.is_empty() { "" } else { "?" };
        write!(formatter, "{} {}{mark}{} {}", self.method, self.path, self.query, self.status)
    }
}

/// User and password of a Basic credential (RFC 7617).
pub(crate) fn basic(authorization: &str) -> Option<(String, String)> {
    let (kind, credential) = authorization.split_once(' ')?;
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credential.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// A request in the log, whose body may still be on its way.
pub(crate) struct Entry {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    query: String,
    headers: Vec<(String, String)>,
    meter: Arc<Meter>,
}

impl Entry {
    pub(crate) fn new(parts: &Parts, meter: Arc<Meter>) -> Entry {
        let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Entry {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            status: 0,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.iter().map(header).collect(),
            meter,
        }
    }

    pub(crate) fn request(&self) -> Request {
        let mut request = Request {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            status: self.status,
            headers: self.headers.clone(),
            authorization: None,
            body_bytes: self.meter.bytes(),
            body: self.meter.kept(),
            chunked: false,
            content_length: None,
            accepted_encodings: Vec::new(),
        };
        request.authorization = request.header("authorization").map(str::to_owned);
        request.chunked = request
            .header("transfer-encoding")
            .is_some_and(|value| value.to_lowercase().contains("chunked"));
        request.content_length =
            request.header("content-length").and_then(|value| value.parse().ok());
        request.accepted_encodings = encodings(request.header("accept-encoding").unwrap_or(""));
        request
    }
}

fn encodings(header: &str) -> Vec<String> {
    let coding = |part: &str| part.split(';').next().unwrap_or("").trim().to_lowercase();
    header.split(',').map(coding).filter(|coding| !coding.is_empty()).collect()
}
