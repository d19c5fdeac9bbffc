//! The one HTTP client, for REST and git alike: proxy, certificates, limits, and what a refusal
//! means.
//!
//! It speaks HTTP/1.1 only: the service has answered 413 to large HTTP/2 bodies. It follows no
//! redirect, so a credential goes to the one origin that the request names. Asynchronous code
//! stays in here: the blocking client of reqwest loses an answer that comes before the end of a
//! streamed upload, and that answer is often the reason why the upload ends.

mod fault;
mod pace;
mod refusal;
mod upload;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use url::Url;

use pace::Pace;

pub use fault::{Error, TlsFault};
pub use pace::Stall;
pub use refusal::{Reason, Refusal, code_in, permission_in};
pub use reqwest::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, WWW_AUTHENTICATE,
};
pub use reqwest::{Method, StatusCode};
pub use upload::Upload;

/// The most bytes of a JSON answer that are read: a list of every project of a large
/// organization is well below it.
const JSON_LIMIT: usize = 16 << 20;
/// The most bytes of a refusal that are read, to find its reason.
const REFUSAL_LIMIT: usize = 64 << 10;
/// How often a repeatable request is sent at most, where the service asks for patience.
const TRIES: u32 = 3;

/// How long what may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the look-up of the name to the end of the TLS handshake.
    pub connect: Duration,
    /// With no byte in either direction.
    pub silence: Duration,
    /// What is too little of an upload, or of an answer of any length, to wait for more of it.
    pub stall: Stall,
    /// From the end of an upload to the answer, and between two parts of that: the server works on
    /// what it got and need not say so, as receive-pack does where it has no side-band. A
    /// connection that is dead ends by [`Limits::silence`] all the same, since the system probes
    /// it meanwhile. git waits for ever; whatever stands before a server seldom waits longer
    /// (Azure's own load balancers four minutes: learn.microsoft.com, "Load Balancer TCP reset and
    /// idle timeout").
    pub work: Duration,
    /// From the head of an answer that is read whole and is short to its end: one that drips is
    /// never silent.
    pub body: Duration,
    /// The longest wait that a `Retry-After` can ask for; a longer one ends the command.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(60),
            stall: Stall { window: Duration::from_secs(120), bytes: 16 << 10 },
            work: Duration::from_secs(300),
            body: Duration::from_secs(120),
            patience: Duration::from_secs(60),
        }
    }
}

/// A line of `http.extraHeader`, `Name: value`, as a header; none for a line that is no header, and
/// for the headers that say whom a request is for and where it ends: with those a setting could
/// send a signed request to another organization of the same host.
pub fn header_line(line: &str) -> Option<(HeaderName, SecretString)> {
    let (name, value) = line.split_once(':')?;
    let name: HeaderName = name.trim().parse().ok()?;
    let steers = [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let steers = steers.contains(&name) || name == header::CONNECTION || name == header::UPGRADE;
    (!steers).then(|| (name, value.trim().to_owned().into()))
}

/// How the network is reached.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The proxy's URL; it may hold a password.
    pub proxy: Option<SecretString>,
    /// Hosts reached without the proxy, in the form of `NO_PROXY`.
    pub no_proxy: Option<String>,
    /// A PEM bundle whose certificates are trusted beside the system's.
    pub certificates: Option<PathBuf>,
    /// Only plain http is spoken, to loopback: the system's certificates, which take a while to
    /// read, are not needed.
    pub plain: bool,
    /// Time limits.
    pub limits: Limits,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        let proxy =
            |settings: &Self| settings.proxy.as_ref().map(|it| it.expose_secret().to_owned());
        proxy(self) == proxy(other)
            && self.no_proxy == other.no_proxy
            && self.certificates == other.certificates
            && self.plain == other.plain
            && self.limits == other.limits
    }
}

/// Waits where the service needs time; told why and how long, so that it can be shown.
///
/// Passed in, so that a test neither sleeps nor prints.
pub type Wait<'a> = &'a dyn Fn(&str, Duration);

/// Told of each answer, for whoever wants to see what is asked: method, address, status, time.
/// None of it is a secret, since no secret is part of an address.
pub type Trace = Arc<dyn Fn(fmt::Arguments<'_>) + Send + Sync>;

/// The client. Building one reads the system's certificates, so do it when a request is to be
/// sent, not before. A clone is the same client.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    inner: reqwest::Client,
    /// `Some` until dropped; see `Drop`.
    runtime: Option<Runtime>,
    limits: Limits,
    /// The proxy's host and port.
    proxy: Option<String>,
    trace: Option<Trace>,
}

/// One request. Nothing is added to its URL, and a user part in it is never sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers beside those that every request has.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// The value of `Authorization`.
    pub authorization: Option<SecretString>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request without a body, a credential, or further headers.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), authorization: None, body: Bytes::new() }
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned().into()));
        self
    }

    /// Signs the request, if there is something to sign with.
    pub fn authorization(mut self, authorization: Option<SecretString>) -> Self {
        self.authorization = authorization;
        self
    }
}

/// An answer whose body has yet to be read.
#[derive(Debug)]
pub struct Response {
    client: Client,
    inner: reqwest::Response,
    host: String,
    rest: Bytes,
    /// How long nothing of the body may come.
    silence: Duration,
}

impl Client {
    /// Builds the client.
    ///
    /// # Errors
    /// [`Error::Proxy`] and [`Error::Certificates`] for settings that can't be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Self::traced(settings, None)
    }

    /// Builds a client that tells of each answer.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn traced(settings: &Settings, trace: Option<Trace>) -> Result<Self, Error> {
        Self::built(settings, trace, |builder| builder)
    }

    /// `adjust` has the last word; a test says there what a name resolves to.
    fn built(
        settings: &Settings,
        trace: Option<Trace>,
        adjust: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, Error> {
        // Without a provider installed, building a client panics.
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // It fails only where one is installed already, which serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.limits.connect)
            // reqwest's own is 30 s, which ends an upload to a server that is slow to read.
            .tcp_user_timeout(settings.limits.silence)
            // A server that works says nothing for longer, and must not be taken for a dead line.
            .tcp_keepalive(settings.limits.silence / 4)
            .tcp_keepalive_interval(settings.limits.silence / 4)
            .tcp_keepalive_retries(3)
            .tcp_nodelay(true)
            .user_agent(concat!("git-vsts/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        let mut proxy_host = None;
        if let Some(proxy) = &settings.proxy {
            let url = fault::proxy_url(proxy)?;
            proxy_host = Some(host(&url));
            builder = builder.proxy(fault::proxy(url, settings.no_proxy.as_deref())?);
        }
        if settings.plain {
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = &settings.certificates {
            builder = builder.tls_certs_merge(fault::certificates(path)?);
        }
        let inner = adjust(builder).build().map_err(|error| fault::setup(&error, settings))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("http")
            .enable_all()
            .build()
            .map_err(|error| Error::Setup(error.to_string()))?;
        let (limits, proxy) = (settings.limits, proxy_host);
        Ok(Self {
            shared: Arc::new(Shared { inner, runtime: Some(runtime), limits, proxy, trace }),
        })
    }

    /// Sends a request and waits for the head of the answer, whatever it says.
    ///
    /// # Errors
    /// What kept it from being answered.
    pub fn send(&self, request: Request) -> Result<Response, Error> {
        let host = host(&request.url);
        let request = self.build(request, None)?;
        let asked = Asked::now(&request);
        let silence = self.shared.limits.silence;
        let answer = self.within(silence, &host, self.shared.inner.execute(request))?;
        self.answered(asked, answer, host)
    }

    /// Starts a request whose body is written piece by piece.
    ///
    /// # Errors
    /// [`Error::Setup`] for a header that can't be sent.
    pub fn upload(&self, request: Request) -> Result<Upload, Error> {
        Upload::start(self, request)
    }

    /// Sends a request and reads a JSON answer. One that may be repeated (anything but POST and
    /// PATCH) is sent up to three times where the service is busy and says for how long, and a GET
    /// once more where the connection is cut.
    ///
    /// # Errors
    /// [`Error::Refused`] for every answer that is not what was asked for.
    pub fn json<T: DeserializeOwned>(
        &self,
        request: &Request,
        wait: Wait<'_>,
    ) -> Result<(T, HeaderMap), Error> {
        let repeatable = request.method != Method::POST && request.method != Method::PATCH;
        let ask = || self.send(request.clone())?.json();
        match repeatable {
            // What was done before the cut would be refused the second time.
            true if request.method != Method::GET => self.when_free(wait, ask),
            true => self.patiently(wait, ask),
            false => ask(),
        }
    }

    /// Asks up to three times, where the service is busy and says for how long, and once more where
    /// the connection is cut. Only for what changes nothing.
    ///
    /// # Errors
    /// The last refusal, or what kept it from being answered.
    pub fn patiently<T>(
        &self,
        wait: Wait<'_>,
        mut ask: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut was_cut = false;
        self.when_free(wait, || match ask() {
            Err(error) if !was_cut && error.is_cut() => {
                was_cut = true;
                ask()
            }
            answer => answer,
        })
    }

    fn when_free<T>(
        &self,
        wait: Wait<'_>,
        mut ask: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            match ask() {
                Err(Error::Refused(refusal)) if tries < TRIES => {
                    let Some(pause) = self.pause(&refusal) else {
                        return Err(Error::Refused(refusal));
                    };
                    wait(&refusal.to_string(), pause);
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// How long to wait before a request that was refused so is sent again, if that helps.
    fn pause(&self, refusal: &Refusal) -> Option<Duration> {
        let busy = matches!(refusal.reason, Reason::Throttled | Reason::Unavailable);
        refusal.retry_after.filter(|pause| busy && *pause <= self.shared.limits.patience)
    }

    fn build(
        &self,
        request: Request,
        body: Option<reqwest::Body>,
    ) -> Result<reqwest::Request, Error> {
        let mut url = request.url;
        // reqwest would make an `Authorization` of it. Both fail only for URLs without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut headers = HeaderMap::new();
        // Microsoft's own clients ask so for a 401 in place of a redirect to a sign-in page.
        headers.insert(
            HeaderName::from_static("x-tfs-fedauthredirect"),
            HeaderValue::from_static("Suppress"),
        );
        for (name, value) in request.headers {
            let value = sensitive(&value)?;
            // A request carries one: git's last setting wins, and the credential before all.
            if name == AUTHORIZATION {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        if let Some(value) = &request.authorization {
            headers.insert(header::AUTHORIZATION, sensitive(value)?);
        }
        if request.method == Method::POST && body.is_none() && request.body.is_empty() {
            // Servers answer 411 to a POST without a length; hyper leaves it out of an empty one.
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut built = reqwest::Request::new(request.method, url);
        *built.headers_mut() = headers;
        *built.body_mut() = match body {
            None if !request.body.is_empty() => Some(request.body.into()),
            body => body,
        };
        Ok(built)
    }

    /// The answer to a request, or what kept it from being answered.
    fn answered(
        &self,
        asked: Asked,
        answer: Result<reqwest::Response, reqwest::Error>,
        host: String,
    ) -> Result<Response, Error> {
        let answer = answer.map_err(|error| self.fault(&error, &host));
        if let Some(trace) = &self.shared.trace {
            let took = asked.start.elapsed().as_millis();
            let Asked { method, url, .. } = asked;
            match &answer {
                Ok(answer) => {
                    trace(format_args!("{method} {url}: {} ({took} ms)", answer.status().as_u16()));
                }
                Err(error) => trace(format_args!("{method} {url}: {error} ({took} ms)")),
            }
        }
        let silence = self.shared.limits.silence;
        Ok(Response { client: self.clone(), inner: answer?, host, rest: Bytes::new(), silence })
    }

    fn fault(&self, error: &reqwest::Error, host: &str) -> Error {
        let proxy = self.shared.proxy.as_deref().unwrap_or_default();
        Error::from_reqwest(error, host, proxy, self.shared.limits.silence)
    }

    fn runtime(&self) -> &Runtime {
        self.shared.runtime.as_ref().expect("it is taken by `drop` alone")
    }

    /// Runs to the end, unless nothing happens for too long.
    fn within<F: Future>(
        &self,
        limit: Duration,
        host: &str,
        future: F,
    ) -> Result<F::Output, Error> {
        self.runtime()
            .block_on(async { tokio::time::timeout(limit, future).await })
            .map_err(|_| Error::Silent { host: host.to_owned(), seconds: limit.as_secs() })
    }
}

/// A request that is on its way.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    url: Url,
    start: Instant,
}

impl Asked {
    fn now(request: &reqwest::Request) -> Self {
        let (method, url) = (request.method().clone(), request.url().clone());
        Self { method, url, start: Instant::now() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A name look-up that hangs can't be cancelled; dropping the runtime would wait for it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Whether it is of this media type, whatever its parameters.
    pub fn is(&self, media_type: &str) -> bool {
        content_type(self.inner.headers()).is_some_and(|met| met.eq_ignore_ascii_case(media_type))
    }

    /// How long nothing of the body may come.
    pub fn patience(&self) -> Duration {
        self.silence
    }

    /// That nothing that is whole came for longer than that.
    pub fn slow(&self) -> Error {
        self.slow_after(self.silence)
    }

    fn slow_after(&self, limit: Duration) -> Error {
        Error::Slow { host: self.host.clone(), seconds: limit.as_secs() }
    }

    /// Reads on into `buffer`; 0 at the end.
    ///
    /// # Errors
    /// [`Error::Silent`] or what cut the connection.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        while self.rest.is_empty() {
            match self.chunk()? {
                Some(chunk) => self.rest = chunk,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }

    /// The whole body of an answer that must be JSON, read into `T`.
    ///
    /// # Errors
    /// [`Error::Refused`] for a refusal, and for a 2xx that is no JSON: the service sends its
    /// sign-in page with 203, and with 200 where a redirect was followed on the way.
    pub fn json<T: DeserializeOwned>(mut self) -> Result<(T, HeaderMap), Error> {
        let status = self.status();
        let is_json = self.is("application/json");
        if !status.is_success() || status == StatusCode::NON_AUTHORITATIVE_INFORMATION || !is_json {
            return Err(self.refusal());
        }
        let body = self.body(JSON_LIMIT)?;
        let value = serde_json::from_slice(&body)
            .map_err(|_| Error::Unreadable { host: self.host.clone() })?;
        Ok((value, self.inner.headers().clone()))
    }

    /// What this answer says, read as a refusal.
    pub fn refusal(mut self) -> Error {
        let body = self.start(REFUSAL_LIMIT);
        let now = Timestamp::now();
        Error::Refused(Box::new(Refusal::read(
            &self.host,
            self.status(),
            self.inner.headers(),
            &body,
            now,
        )))
    }

    /// The whole body, which must not be larger than `limit` bytes.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Stalled`], or what cut the connection.
    pub fn bytes(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        let rule = self.client.shared.limits.stall;
        let mut pace = Pace::new(rule, Instant::now(), 0);
        while let Some(chunk) = self.chunk()? {
            self.append(&mut body, &chunk, limit)?;
            if pace.has_stalled(Instant::now(), body.len() as u64) {
                let (bytes, seconds) = (rule.bytes, rule.window.as_secs());
                return Err(Error::Stalled { host: self.host.clone(), bytes, seconds });
            }
        }
        Ok(body)
    }

    fn body(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        let start = Instant::now();
        while let Some(chunk) = self.chunk()? {
            if start.elapsed() > self.client.shared.limits.body {
                return Err(self.slow_after(self.client.shared.limits.body));
            }
            self.append(&mut body, &chunk, limit)?;
        }
        Ok(body)
    }

    fn append(&self, body: &mut Vec<u8>, chunk: &[u8], limit: usize) -> Result<(), Error> {
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLong { host: self.host.clone(), limit });
        }
        body.extend_from_slice(chunk);
        Ok(())
    }

    /// What there is of the body, up to `limit` bytes: a refusal that is cut short is one still.
    fn start(&mut self, limit: usize) -> Vec<u8> {
        let mut body = Vec::new();
        let start = Instant::now();
        while let Ok(Some(chunk)) = self.chunk() {
            body.extend_from_slice(&chunk);
            if body.len() >= limit || start.elapsed() > self.client.shared.limits.silence {
                body.truncate(limit);
                break;
            }
        }
        body
    }

    fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let client = self.client.clone();
        client
            .within(self.silence, &self.host, self.inner.chunk())?
            .map_err(|error| client.fault(&error, &self.host))
    }
}

/// The host of a URL, with its port where one is named.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim())
}

/// A header's value that no log of a library shows.
fn sensitive(value: &SecretString) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value.expose_secret())
        .map_err(|_| Error::Setup("a header holds a control character".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests;
