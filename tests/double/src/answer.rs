//! Answers that a test puts in place of the service's, and faults of the line.

use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

use crate::microsoft::Fault;
use crate::names::{encode, stable_id};
use crate::packet::{FLUSH, band, packet};
use crate::refusal::{self, sign_in_page};

/// Which requests are answered otherwise.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Option<String>,
    path: String,
    query: Option<String>,
    times: usize,
    after: usize,
}

impl Rule {
    /// Requests of that method and path. The path is compared as it was sent but without regard to
    /// case, and without the query; `…` in it stands for anything, so `…/info/refs` is a path's
    /// end, `/contoso/…` its beginning, `…/_git/…` a part of it.
    pub fn new(method: &str, path: &str) -> Rule {
        Rule { method: Some(method.to_owned()), ..Rule::any(path) }
    }

    /// Requests of any method, see [`Rule::new`].
    pub fn any(path: &str) -> Rule {
        Rule { method: None, path: path.to_owned(), query: None, times: usize::MAX, after: 0 }
    }

    /// Only where the query (as it was sent) holds that text, such as `service=git-receive-pack`.
    pub fn query(mut self, part: &str) -> Rule {
        self.query = Some(part.to_owned());
        self
    }

    /// Only so often; the service answers itself from then on.
    pub fn times(mut self, times: usize) -> Rule {
        self.times = times;
        self
    }

    /// The service answers the first so many itself.
    pub fn after(mut self, first: usize) -> Rule {
        self.after = first;
        self
    }

    fn fits(&self, parts: &Parts) -> bool {
        self.method.as_deref().is_none_or(|method| method == parts.method.as_str())
            && like(&self.path.to_lowercase(), &parts.uri.path().to_lowercase())
            && self
                .query
                .as_deref()
                .is_none_or(|part| parts.uri.query().unwrap_or_default().contains(part))
    }

    pub(crate) fn live(self, answer: Answer) -> LiveRule {
        LiveRule { rule: self, answer }
    }
}

/// Whether the text is the pattern, in which `…` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

/// A rule in force.
pub(crate) struct LiveRule {
    rule: Rule,
    answer: Answer,
}

impl LiveRule {
    /// The answer, if the request is one that the rule is for; counts it.
    pub(crate) fn take(&mut self, parts: &Parts) -> Option<Answer> {
        if self.rule.times == 0 || !self.rule.fits(parts) {
            return None;
        }
        if self.rule.after > 0 {
            self.rule.after -= 1;
            return None;
        }
        self.rule.times -= 1;
        Some(self.answer.clone())
    }
}

/// An answer instead of the service's own.
///
/// Without more it is given once the request's body was read; see [`Answer::after_reading`] and
/// [`Answer::after_serving`].
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) what: What,
    pub(crate) when: When,
    pub(crate) delay: Duration,
    pub(crate) cut: Option<usize>,
    pub(crate) drip: Option<(usize, Duration)>,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// What the test says.
    Given,
    /// What the service says, with changes.
    Real,
    /// The connection is reset.
    Reset,
    /// Nothing ever comes.
    Silent,
    /// These bytes, whatever they are; then the connection is closed.
    Raw(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// When so many bytes of the body came.
    Reading(u64),
    AfterBody,
    AfterServing,
}

impl Answer {
    fn new(what: What) -> Answer {
        Answer {
            what,
            when: When::AfterBody,
            delay: Duration::ZERO,
            cut: None,
            drip: None,
            status: None,
            headers: Vec::new(),
            body: None,
        }
    }

    /// That status, with no headers but the length and an empty body.
    pub fn status(status: u16) -> Answer {
        Answer::new(What::Given).with_status(status)
    }

    /// JSON as the service sends it.
    pub fn json(status: u16, value: &Value) -> Answer {
        Answer::status(status)
            .header("content-type", "application/json; charset=utf-8")
            .header("cache-control", "no-cache")
            .body(value.to_string())
    }

    /// A refusal in the service's JSON, such as
    /// `Answer::error(403, "VssServiceException", "TF50309: …")`.
    pub fn error(status: u16, type_key: &str, message: &str) -> Answer {
        Answer::status(status)
            .header("content-type", "application/json; charset=utf-8")
            .header("cache-control", "no-cache")
            .header("activityid", &stable_id(&["activity", type_key, message]))
            .body(refusal::error_body(type_key, message))
    }

    /// 401 whose reason stands in `X-TFS-ServiceError` alone, percent-encoded.
    pub fn service_error(text: &str) -> Answer {
        Answer::status(401)
            .header("content-type", "text/html; charset=utf-8")
            .header("www-authenticate", "Bearer")
            .header("www-authenticate", "TFS-Federated")
            .header("x-tfs-serviceerror", &encode(text))
    }

    /// 403 with a page of 40 KB whose reason stands in its title alone, HTML-encoded.
    pub fn title(text: &str) -> Answer {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;");
        let filling = "<!-- .error { margin: 0 } -->\n".repeat(1_400);
        let head = format!("<head>\n<style>{filling}</style>\n<title>{text}</title>\n</head>");
        Answer::status(403)
            .header("content-type", "text/html; charset=utf-8")
            .body(format!("<!DOCTYPE html>\n<html>{head}<body></body></html>\n"))
    }

    /// 200 with the sign-in page, which is where a followed redirect ends.
    pub fn html_page() -> Answer {
        Answer::status(200).header("content-type", "text/html; charset=utf-8").body(sign_in_page())
    }

    /// 203 with the sign-in page.
    pub fn sign_in_page() -> Answer {
        Answer::html_page().with_status(203)
    }

    /// 302 to that address.
    pub fn redirect(location: &str) -> Answer {
        Answer::status(302)
            .header("content-type", "text/html; charset=utf-8")
            .header("location", location)
            .body(refusal::moved_page(location))
    }

    /// 429 TF400733 that asks for so many seconds of patience.
    pub fn throttled(seconds: u32) -> Answer {
        let message = "TF400733: The request has been canceled: Request was blocked due to \
                       exceeding usage of resource 'Concurrency' in namespace 'User'.";
        Answer::error(429, "RequestBlockedException", message)
            .header("retry-after", &seconds.to_string())
            .header("x-ratelimit-resource", "Core")
            .header("x-ratelimit-delay", &format!("{seconds}.000"))
            .header("x-ratelimit-limit", "200")
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-reset", "1795000000")
    }

    /// 403 VS403463: a Conditional Access policy of the tenant.
    pub fn conditional_access() -> Answer {
        let message = "VS403463: The conditional access policy defined by your Microsoft Entra \
                       administrator has failed.";
        Answer::error(403, "VssServiceException", message)
    }

    /// 401 for an expired personal access token, in the form that says so; the double itself uses
    /// the form with the empty body.
    pub fn expired_token() -> Answer {
        let message = "Access Denied: The Personal Access Token used has expired.";
        Answer::error(401, "AccessCheckException", message)
    }

    /// The answer of Microsoft's token endpoint with that AADSTS number.
    pub fn aadsts(code: u32) -> Answer {
        let fault = Fault::new(code);
        Answer::json(fault.status(), &fault.body())
    }

    /// 401 with a claims challenge of continuous access evaluation; `claims` is base64.
    pub fn claims_challenge(claims: &str) -> Answer {
        let challenge = format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             error=\"insufficient_claims\", claims=\"{claims}\""
        );
        Answer::status(401)
            .header("content-type", "text/html; charset=utf-8")
            .header("www-authenticate", "TFS-Federated")
            .header("www-authenticate", &challenge)
    }

    /// The report of a push (gitprotocol-pack(5), "Report Status") in side band 1, line by line:
    /// `["unpack ok", "ng refs/heads/main no"]`. No lines at all is an empty report.
    pub fn push_report(lines: &[&str]) -> Answer {
        let lines = lines.iter().map(|line| packet(format!("{line}\n")));
        let report = [lines.collect::<Vec<_>>().concat(), FLUSH.to_vec()].concat();
        Answer::status(200)
            .header("content-type", "application/x-git-receive-pack-result")
            .header("cache-control", "no-cache")
            .body([band(1, &report), FLUSH.to_vec()].concat())
    }

    /// The service's own answer. [`Answer::with_status`], [`Answer::header`], [`Answer::body`],
    /// [`Answer::delay`], [`Answer::cut_after`] and [`Answer::drip`] change it.
    pub fn real() -> Answer {
        Answer::new(What::Real)
    }

    /// No answer: the connection is reset (RST).
    pub fn reset() -> Answer {
        Answer::new(What::Reset)
    }

    /// No answer and no end either: the connection stays open until the client leaves.
    pub fn silent() -> Answer {
        Answer::new(What::Silent)
    }

    /// These bytes instead of an HTTP answer, then the end of the connection: for headers without
    /// end, chunks of absurd size and the like.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer::new(What::Raw(bytes.into()))
    }

    /// Another status.
    pub fn with_status(mut self, status: u16) -> Answer {
        self.status = Some(status);
        self
    }

    /// One more header line.
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = Some(body.into());
        self
    }

    /// Waits so long before the answer.
    pub fn delay(mut self, delay: Duration) -> Answer {
        self.delay = delay;
        self
    }

    /// Promises the whole body by its length and closes the connection after so many bytes of it.
    pub fn cut_after(mut self, bytes: usize) -> Answer {
        self.cut = Some(bytes);
        self
    }

    /// Sends the body in parts of so many bytes, each after such a pause.
    pub fn drip(mut self, bytes: usize, pause: Duration) -> Answer {
        self.drip = Some((bytes.max(1), pause));
        self
    }

    /// Answers before a byte of the request's body was read, and closes the connection.
    pub fn before_body(self) -> Answer {
        self.after_reading(0)
    }

    /// Answers in the middle of the request's body, when so many bytes of it (or all) came, and
    /// closes the connection.
    pub fn after_reading(mut self, bytes: u64) -> Answer {
        self.when = When::Reading(bytes);
        self
    }

    /// Lets the service do what was asked, throws its answer away and gives this one: a push that
    /// went through and whose report is lost.
    pub fn after_serving(mut self) -> Answer {
        self.when = When::AfterServing;
        self
    }

    /// The answer as a response of its own.
    ///
    /// # Panics
    ///
    /// When the test gave a status or a header that HTTP does not have; [`Answer::raw`] is for those.
    pub(crate) fn response(self) -> Response {
        self.change(Response::new(Body::empty()))
    }

    /// What the test said, laid over a response.
    pub(crate) fn change(self, mut response: Response) -> Response {
        if let Some(status) = self.status {
            *response.status_mut() = StatusCode::from_u16(status).expect("a status of HTTP");
        }
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name of HTTP");
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value of HTTP");
            response.headers_mut().append(name, value);
        }
        if let Some(body) = self.body {
            *response.body_mut() = Body::from(body);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn an_ellipsis_stands_for_anything() {
        for (pattern, text, fits) in [
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/b/c", false),
            ("…/info/refs", "/o/p/_git/r/info/refs", true),
            ("…/info/refs", "/o/p/_git/r/info/refs2", false),
            ("/o/…", "/o/p", true),
            ("/o/…", "/oo/p", false),
            ("…/_git/…", "/o/_git/r", true),
            ("/o/…/_git/…/info/refs", "/o/p/_git/r/info/refs", true),
            ("…", "/", true),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} against {text}");
        }
    }
}
