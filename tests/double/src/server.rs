//! The connections, and which part answers what.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::stream;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::answer::{Answer, What, When};
use crate::log::Entry;
use crate::names::stable_id;
use crate::refusal::{Refusal, not_found_page, respond, sign_in_page, text};
use crate::state::Shared;
use crate::upload::{Meter, Upload};
use crate::{git, lfs, microsoft, rest};

/// How long a connection that was answered early is still read from. Without that the kernel would
/// reset it, and the client might never see the answer.
const LINGER: Duration = Duration::from_secs(2);

/// Largest answer of the service that is held in memory to be changed or thrown away.
const HELD: usize = 256 * 1024 * 1024;

/// A free port of 127.0.0.1.
pub(crate) fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of 127.0.0.1");
    listener.set_nonblocking(true).expect("a listener for tokio");
    listener
}

/// The runtime on which everything is served.
pub(crate) struct Server(Runtime);

impl Server {
    pub(crate) fn start(listener: TcpListener, shared: Arc<Shared>) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("double")
            .enable_all()
            .build()
            .expect("a runtime for the double");
        runtime.spawn(accept(listener, shared));
        Server(runtime)
    }

    /// Serves something more, as long as the rest.
    pub(crate) fn spawn(&self, more: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(more);
    }

    /// Ends all connections and the git processes behind them.
    pub(crate) fn stop(self) {
        // On a thread of its own: a runtime must not be waited for where another one runs.
        let stopping = std::thread::spawn(move || self.0.shutdown_timeout(LINGER));
        // A panic there has told its own story.
        let _ = stopping.join();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener for tokio");
    loop {
        // A client that is gone before it was accepted is no reason to stop.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&shared)));
        }
    }
}

/// What happens to a connection instead of an answer.
pub(crate) enum Fault {
    Reset,
    Silent,
    Raw(Vec<u8>),
}

/// Makes hyper let go of the connection.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Small answers must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let fault = Arc::new(Mutex::new(None));
    let service = service_fn(|request| {
        let (shared, fault) = (Arc::clone(&shared), Arc::clone(&fault));
        // Boxed, since hyper gives the connection back only of a future that can be moved.
        Box::pin(async move {
            dispatch(shared, request).await.map_err(|broken| {
                *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(broken);
                Broken
            })
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // How it ends is the client's affair, and seen there.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
    match fault {
        None => close(stream).await,
        Some(Fault::Raw(bytes)) => {
            let _ = stream.write_all(&bytes).await;
            close(stream).await;
        }
        Some(Fault::Reset) => {
            let _ = stream.set_zero_linger();
        }
        Some(Fault::Silent) => {
            // Read on, so that the client's leaving is noticed.
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        }
    }
}

/// Says that nothing more comes and gives the client time to notice.
async fn close(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut buffer = vec![0; 64 * 1024];
    let reading = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    let _ = tokio::time::timeout(LINGER, reading).await;
}

pub(crate) async fn dispatch(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    let meter = Arc::new(Meter::default());
    let upload = Upload::new(Body::new(body), Arc::clone(&meter));
    let (number, answer) = {
        let mut state = shared.lock();
        state.requests.push(Entry::new(&parts, meter));
        let number = state.forgotten + state.requests.len() - 1;
        (number, state.rules.iter_mut().find_map(|rule| rule.take(&parts)))
    };
    let outcome = match answer {
        None => Ok(serve(&shared, &parts, upload).await),
        Some(answer) => replace(&shared, &parts, upload, answer).await,
    };
    let status = match &outcome {
        Ok(response) => response.status().as_u16(),
        Err(Fault::Raw(bytes)) => status_in(bytes),
        Err(Fault::Reset | Fault::Silent) => 0,
    };
    shared.lock().finish(number, status);
    outcome
}

/// The status in bytes that may or may not begin an answer.
fn status_in(bytes: &[u8]) -> u16 {
    let digits = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

async fn replace(
    shared: &Arc<Shared>,
    parts: &Parts,
    mut upload: Upload,
    answer: Answer,
) -> Result<Response, Fault> {
    let mut real = None;
    // A body that breaks off is answered all the same; nobody is there to hear it.
    match (&answer.what, answer.when) {
        (What::Real, _) | (_, When::AfterServing) => {
            let (head, body) = serve(shared, parts, upload).await.into_parts();
            let whole = to_bytes(body, HELD).await.unwrap_or_default();
            real = Some(Response::from_parts(head, Body::from(whole)));
        }
        (_, When::Reading(bytes)) => {
            let _ = upload.read(bytes).await;
        }
        (_, When::AfterBody) => {
            let _ = upload.drain().await;
        }
    }
    tokio::time::sleep(answer.delay).await;
    let (cut, drip) = (answer.cut, answer.drip);
    let response = match answer.what.clone() {
        What::Reset => return Err(Fault::Reset),
        What::Silent => return Err(Fault::Silent),
        What::Raw(bytes) => return Err(Fault::Raw(bytes)),
        What::Given => answer.response(),
        What::Real => answer.change(real.unwrap_or_else(not_found_page)),
    };
    match (cut, drip) {
        (Some(bytes), _) => Err(Fault::Raw(cut_short(response, bytes).await)),
        (None, Some((bytes, pause))) => Ok(dripping(response, bytes, pause).await),
        (None, None) => Ok(response),
    }
}

/// The response as bytes, with all of its body promised and only the first of it there.
async fn cut_short(response: Response, bytes: usize) -> Vec<u8> {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, HELD).await.unwrap_or_default();
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut raw = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_u16()).into_bytes();
    for (name, value) in &head.headers {
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            raw.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    raw.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
    raw.extend_from_slice(&body[..bytes.min(body.len())]);
    raw
}

async fn dripping(response: Response, bytes: usize, pause: Duration) -> Response {
    let (mut head, body) = response.into_parts();
    let body = to_bytes(body, HELD).await.unwrap_or_default();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let parts = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let part = rest.split_to(bytes.min(rest.len()));
        Some((Ok::<Bytes, Infallible>(part), rest))
    });
    Response::from_parts(head, Body::from_stream(parts))
}

/// What the service itself answers.
async fn serve(shared: &Arc<Shared>, parts: &Parts, upload: Upload) -> Response {
    let mut response = match Route::of(parts) {
        Err(refusal) => *refusal,
        // Another host in truth, whose answers have none of the service's marks.
        Ok(Route::Microsoft(address)) => {
            return microsoft::serve(shared, parts, &address, upload).await;
        }
        Ok(Route::SignInPage) => respond(200, "text/html; charset=utf-8", sign_in_page()),
        Ok(Route::Git(address)) => git::serve(shared, parts, address, upload).await,
        Ok(Route::Lfs(address)) => lfs::serve(shared, parts, address, upload).await,
        Ok(Route::Rest(address)) => rest::serve(shared, parts, &address, upload).await,
        Ok(Route::Page(organization)) => rest::page(shared, parts, &organization),
        Ok(Route::Nowhere) => unserved(shared, parts),
    };
    mark(&mut response);
    response
}

/// A request that nothing serves; the test fails for it in the end.
pub(crate) fn unserved(shared: &Shared, parts: &Parts) -> Response {
    shared.lock().unserved.push(format!("{} {}", parts.method, parts.uri));
    not_found_page()
}

/// The headers that all of the service's answers have.
fn mark(response: &mut Response) {
    let activity = stable_id(&[&format!("{:?}", std::time::SystemTime::now())]);
    let process = stable_id(&["process"]);
    let session = stable_id(&["session"]);
    for (name, value) in [
        ("activityid", &activity),
        ("x-tfs-processid", &process),
        ("x-tfs-session", &session),
        ("x-vss-e2eid", &activity),
    ] {
        let value = HeaderValue::from_str(value).expect("a GUID is a header value");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    let headers = response.headers_mut();
    headers.entry("cache-control").or_insert(HeaderValue::from_static("no-cache"));
}

/// Where an address leads.
enum Route {
    SignInPage,
    /// An organization's page.
    Page(String),
    Rest(rest::Address),
    Git(git::Address),
    Lfs(lfs::Address),
    Microsoft(microsoft::Address),
    Nowhere,
}

impl Route {
    fn of(parts: &Parts) -> Result<Route, Refusal> {
        // Two of them are never meant; a real front end refuses them as well.
        if parts.headers.get_all("authorization").iter().count() > 1 {
            return Err(Box::new(text(400, "more than one Authorization header")));
        }
        let path = parts.uri.path().trim_start_matches('/').trim_end_matches('/');
        let decode = |segment: &str| {
            percent_encoding::percent_decode_str(segment).decode_utf8().map(String::from)
        };
        let segments: Result<Vec<String>, _> = path.split('/').map(decode).collect();
        let Ok(segments) = segments else {
            return Err(Box::new(text(400, "Bad Request - Invalid URL")));
        };
        Ok(Route::find(&segments))
    }

    fn find(segments: &[String]) -> Route {
        let at = |name: &str| segments.iter().position(|part| part.eq_ignore_ascii_case(name));
        if let [page] = segments {
            return match page.as_str() {
                "" => Route::Nowhere,
                "_signin" => Route::SignInPage,
                _ => Route::Page(page.clone()),
            };
        }
        if let Some(address) = microsoft::Address::new(segments) {
            return Route::Microsoft(address);
        }
        match (at("_apis"), at("_git")) {
            (Some(at), None) if at <= 2 => Route::Rest(rest::Address {
                organization: (at > 0).then(|| segments[0].clone()),
                project: (at > 1).then(|| segments[1].clone()),
                rest: segments[at + 1..].to_vec(),
            }),
            (None, Some(at @ (1 | 2))) => {
                let (before, after) = (&segments[..at], &segments[at + 1..]);
                let lfs = || lfs::Address::new(before, after).map(Route::Lfs);
                let git = git::Address::new(before, after).map(Route::Git);
                git.or_else(lfs).unwrap_or(Route::Nowhere)
            }
            _ => Route::Nowhere,
        }
    }
}
