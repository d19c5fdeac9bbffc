//! A sign-in on another device, by a code (RFC 8628).

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;
use oauth2::{
    DeviceCodeErrorResponseType, EmptyExtraDeviceAuthorizationFields, HttpResponse,
    RequestTokenError, StandardDeviceAuthorizationResponse,
};
use url::Url;

use super::{Error, HOSTS, Microsoft, Refused, Tokens, refusal, scopes};
use crate::http;
use crate::text::visible_within;

/// Where a person types a code, beside the hosts of the sign-in itself.
const PAGES: [&str; 2] = ["microsoft.com", "www.microsoft.com"];
/// How many polls in a row may fail to be answered at all.
const MOST_FAILURES: u32 = 5;
/// The word by which we end the crate's loop, which polls on whatever fails.
const STOPPED: &str = "git_vsts_stopped";

/// A code for another device.
pub struct DeviceCode {
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub page: Url,
    /// How long it is good for.
    pub lifetime: Duration,
    inner: StandardDeviceAuthorizationResponse,
}

/// What there is to tell while nobody has used the code yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How long the code has been waited for.
    pub waited: Duration,
    /// How long it will be good for.
    pub left: Duration,
}

impl Microsoft<'_> {
    /// Asks for a code.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn device_code(&self) -> Result<DeviceCode, Error> {
        let no_token = || Error::NoToken { host: self.host() };
        let answer: StandardDeviceAuthorizationResponse = self
            .entra
            .exchange_device_code()
            .add_scopes(scopes())
            .request::<_, EmptyExtraDeviceAuthorizationFields>(&|request| self.send(request))
            .map_err(|error| match error {
                RequestTokenError::Request(error) => Error::Http(error),
                RequestTokenError::ServerResponse(body) => {
                    Error::Refused((&body as &refusal::Body).into())
                }
                _ => no_token(),
            })?;
        let page = Url::parse(answer.verification_uri()).map_err(|_| no_token())?;
        let host = page.host_str().unwrap_or_default();
        let is_own =
            Url::parse(self.authority.base()).is_ok_and(|base| base.origin() == page.origin());
        let is_known = page.scheme() == "https" && (HOSTS.contains(&host) || PAGES.contains(&host));
        if host.is_empty() {
            return Err(no_token());
        }
        if !is_own && !is_known {
            return Err(Error::UnknownHost { host: visible_within(host, 100) });
        }
        let user_code = answer.user_code().secret().clone();
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if user_code.is_empty() || user_code.len() > 32 || !user_code.bytes().all(may_be) {
            return Err(no_token());
        }
        Ok(DeviceCode { user_code, page, lifetime: answer.expires_in(), inner: answer })
    }

    /// Waits until somebody has signed in with the code. `pause` waits between two polls, and is told how long it takes
    /// already.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn use_code(
        &self,
        code: &DeviceCode,
        pause: &dyn Fn(Duration, Progress),
    ) -> Result<Tokens, Error> {
        let start = (self.now)();
        let failures = Cell::new(0);
        let last: RefCell<Option<http::Error>> = RefCell::default();
        let poll = |request| {
            if since(start, (self.now)()) >= code.lifetime {
                return Ok(stop());
            }
            match self.send(request) {
                Ok(answer) => {
                    failures.set(0);
                    *last.borrow_mut() = None;
                    Ok(answer)
                }
                Err(error) => {
                    failures.set(failures.get() + 1);
                    *last.borrow_mut() = Some(error);
                    // An error of this function is polled after; what it is, is remembered here.
                    if failures.get() < MOST_FAILURES { Err(std::fmt::Error) } else { Ok(stop()) }
                }
            }
        };
        let wait = |time: Duration| {
            let waited = since(start, (self.now)());
            pause(time, Progress { waited, left: code.lifetime.saturating_sub(waited) });
        };
        let answer =
            self.entra.exchange_device_access_token(&code.inner).request(&poll, wait, None);
        let answer = answer.map_err(|error| {
            let RequestTokenError::ServerResponse(refused) = error else {
                return Error::NoToken { host: self.host() };
            };
            let word = match refused.error() {
                DeviceCodeErrorResponseType::Basic(error) => error.as_ref().to_owned(),
                other => other.as_ref().to_owned(),
            };
            match (&*word, last.take()) {
                (STOPPED, Some(error)) => Error::Http(error),
                (STOPPED | "expired_token", _) => {
                    Error::CodeEnded { minutes: code.lifetime.as_secs().div_ceil(60) }
                }
                _ => {
                    let said = refused.error_description().map_or("", String::as_str);
                    Error::Refused(Refused::read(&word, said, &[]))
                }
            }
        })?;
        self.read(&answer).ok_or_else(|| Error::NoToken { host: self.host() })
    }
}

/// An answer that ends the loop.
fn stop() -> HttpResponse {
    let mut response = HttpResponse::new(format!("{{\"error\":\"{STOPPED}\"}}").into_bytes());
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response
}

fn since(start: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(start)).unwrap_or_default()
}
