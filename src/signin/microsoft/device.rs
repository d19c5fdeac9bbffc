//! A sign-in on another device, by a code (RFC 8628).

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

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
/// The longest that a code is waited for, whatever a server says; Microsoft's are good for 15 minutes.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// The most characters of such a page's address.
const LONGEST_PAGE: usize = 200;
/// How many seconds between two polls a server may ask for, and how many it is where it asks for nothing that can be
/// read (RFC 8628, section 3.2): with 0 we would not stop asking, and with hours never notice.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=60;
const INTERVAL: u64 = 5;
/// How long between two polls the doubling ends that a network needs which is gone: whoever comes back is not kept
/// waiting.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
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
#[derive(Clone, Copy, Debug)]
pub struct Progress<'p> {
    /// How long the code has been waited for.
    pub waited: Duration,
    /// How long it will be good for.
    pub left: Duration,
    /// What kept the last poll from being answered.
    pub trouble: Option<&'p http::Error>,
}

impl Microsoft<'_> {
    /// Asks for a code.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn device_code(&self) -> Result<DeviceCode, Error> {
        let no_code = || Error::NoCode { host: self.host() };
        let answer: StandardDeviceAuthorizationResponse = self
            .entra
            .exchange_device_code()
            .add_scopes(scopes())
            .request::<_, EmptyExtraDeviceAuthorizationFields>(&|request| {
                self.send(request).map(with_a_sane_interval)
            })
            .map_err(|error| match error {
                RequestTokenError::Request(error) => Error::Http(error),
                RequestTokenError::ServerResponse(body) => {
                    Error::Refused((&body as &refusal::Body).into())
                }
                _ => no_code(),
            })?;
        (self.conceal)(&answer.device_code().secret().clone().into());
        let page = Url::parse(answer.verification_uri()).map_err(|_| no_code())?;
        let host = page.host_str().unwrap_or_default();
        let is_own =
            Url::parse(self.authority.base()).is_ok_and(|base| base.origin() == page.origin());
        // On another port somebody else may listen.
        let is_usual = page.scheme() == "https" && page.port().is_none();
        let is_known = is_usual && (HOSTS.contains(&host) || PAGES.contains(&host));
        // A user part would be read as the host.
        let has_user = !page.username().is_empty() || page.password().is_some();
        if host.is_empty() || has_user || page.as_str().len() > LONGEST_PAGE {
            return Err(no_code());
        }
        if !is_own && !is_known {
            return Err(Error::UnknownPage { host: visible_within(host, 100) });
        }
        let user_code = answer.user_code().secret().clone();
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if user_code.is_empty() || user_code.len() > 32 || !user_code.bytes().all(may_be) {
            return Err(no_code());
        }
        let lifetime = answer.expires_in().min(LONGEST);
        Ok(DeviceCode { user_code, page, lifetime, inner: answer })
    }

    /// Waits until somebody has signed in with the code, or its time is over: a network that is gone meanwhile ends
    /// nothing. `pause` waits between two polls, and is told how it goes.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn use_code(
        &self,
        code: &DeviceCode,
        pause: &dyn Fn(Duration, Progress<'_>),
    ) -> Result<Tokens, Error> {
        // Added up rather than read from the clock: one that is set meanwhile would end the code, or never.
        let waited = Cell::new(Duration::ZERO);
        let least = Cell::new(Duration::ZERO);
        let trouble: RefCell<Option<http::Error>> = RefCell::default();
        let poll = |request| {
            if waited.get() >= code.lifetime {
                return Ok(stop());
            }
            let start = Instant::now();
            let answer = self.send(request);
            waited.set(waited.get() + start.elapsed());
            match answer {
                Ok(answer) => {
                    trouble.take();
                    Ok(answer)
                }
                Err(error) => {
                    let passes = passes(&error);
                    trouble.replace(Some(error));
                    // After an error of this function the crate doubles its pause (RFC 8628, section 3.5). What it was
                    // is remembered here.
                    if passes { Err(std::fmt::Error) } else { Ok(stop()) }
                }
            }
        };
        let wait = |time: Duration| {
            // Where the doubling ends the crate would also shorten what the server asked for.
            least.set(least.get().max(time));
            let trouble = trouble.borrow();
            let time = least.get().max(trouble.as_ref().map(asked_pause).unwrap_or_default());
            let left = code.lifetime.saturating_sub(waited.get());
            let time = time.min(left);
            pause(time, Progress { waited: waited.get(), left, trouble: trouble.as_ref() });
            waited.set(waited.get() + time);
        };
        let answer = self
            .entra
            .exchange_device_access_token(&code.inner)
            .set_max_backoff_interval(LONGEST_PAUSE)
            // Its own end is one by the clock.
            .request(&poll, wait, Some(Duration::from_secs(u32::MAX.into())));
        let answer = answer.map_err(|error| {
            let RequestTokenError::ServerResponse(refused) = error else {
                return Error::NoToken { host: self.host() };
            };
            let word = match refused.error() {
                DeviceCodeErrorResponseType::Basic(error) => error.as_ref().to_owned(),
                other => other.as_ref().to_owned(),
            };
            match (&*word, trouble.take()) {
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

/// Whether a poll that failed so may be answered a while later.
fn passes(error: &http::Error) -> bool {
    use http::Error as E;
    match error {
        E::UnknownHost { .. }
        | E::ConnectionRefused { .. }
        | E::Unreachable { .. }
        | E::Silent { .. }
        | E::Slow { .. }
        | E::Cut { .. } => true,
        E::Refused(refusal) => {
            matches!(refusal.reason, http::Reason::Throttled | http::Reason::Unavailable)
        }
        _ => false,
    }
}

/// How long a server that is busy asks to be left alone.
fn asked_pause(error: &http::Error) -> Duration {
    let asked = match error {
        http::Error::Refused(refusal) => refusal.retry_after,
        _ => None,
    };
    asked.unwrap_or_default().min(LONGEST_PAUSE)
}

/// The answer with an interval within [`INTERVALS`].
fn with_a_sane_interval(mut answer: HttpResponse) -> HttpResponse {
    let Ok(serde_json::Value::Object(mut said)) = serde_json::from_slice(answer.body()) else {
        return answer;
    };
    let interval = said.get("interval").and_then(serde_json::Value::as_u64).unwrap_or(INTERVAL);
    said.insert("interval".to_owned(), interval.clamp(*INTERVALS.start(), *INTERVALS.end()).into());
    *answer.body_mut() = serde_json::Value::Object(said).to_string().into_bytes();
    answer
}
