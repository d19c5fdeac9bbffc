//! Where the browser brings the answer of a sign-in: a listener on loopback, for one answer (RFC 8252, section 7.3).
//!
//! Whatever else comes to its port meanwhile, from another page in the browser or another program, gets a short refusal
//! and ends nothing. Nothing that came in is ever repeated in an answer.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::form_urlencoded;

use crate::credential::same_text;

/// The most bytes of a request's head, and of its body.
const LARGEST: usize = 16 * 1024;
/// How long a request's head, and then its body, may take to come.
const SLOWEST: Duration = Duration::from_secs(2);
/// How long a browser that was sent on may take to come to the page, once all is done.
const ARRIVAL: Duration = Duration::from_secs(2);
/// How long the last answers may take to leave then.
const FAREWELL: Duration = Duration::from_secs(1);
/// The most connections at a time: a browser opens a handful.
const MOST_CONNECTIONS: usize = 32;
/// How long to wait after a connection that could not be taken.
const BREATH: Duration = Duration::from_millis(50);
/// How often another port is tried where somebody holds its twin of IPv6.
const TRIES: usize = 8;
/// Where a browser is sent that brought the answer in its address, so that the address bar does not keep it.
const LANDED: &str = "/signed-in";

/// Why nothing came.
#[derive(Debug, Error)]
pub enum Error {
    /// The system gives no port of loopback.
    #[error("no port of this computer can be listened on for the browser's answer")]
    NoPort(#[source] io::Error),
    /// Nobody signed in.
    #[error("nobody signed in within {minutes} minutes")]
    TimedOut {
        /// How long it was waited for, in minutes.
        minutes: u64,
    },
}

/// What the browser brought (RFC 6749, section 4.1.2).
#[derive(Debug)]
pub enum Answer {
    /// What is exchanged for tokens, once.
    Code {
        /// The code.
        code: SecretString,
        /// Who says that it issued it (RFC 9207), if that was said.
        issuer: Option<String>,
    },
    /// Nothing was granted.
    Refused {
        /// The kind of refusal, such as `access_denied`.
        error: String,
        /// The reason, for people. Somebody else wrote it.
        description: String,
    },
}

/// A listener that waits for one answer.
pub struct Listener {
    port: u16,
    answers: mpsc::Receiver<Answer>,
    page: watch::Sender<Option<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on a free port of 127.0.0.1, and on the same one of ::1 where there is IPv6: a browser that is sent to
    /// `localhost` takes either.
    ///
    /// `state` is what an answer must come with (RFC 6749, section 10.12).
    ///
    /// # Errors
    /// [`Error::NoPort`]
    pub fn open(state: SecretString) -> Result<Self, Error> {
        let sockets = bind().map_err(Error::NoPort)?;
        let port = sockets[0].local_addr().map_err(Error::NoPort)?.port();
        let (sender, answers) = mpsc::channel();
        let (page, pages) = watch::channel(None);
        let shared = Arc::new(Shared {
            port,
            state,
            sender: Mutex::new(Some(sender)),
            page: pages,
            sent_on: watch::Sender::new(false),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::NoPort)?;
        let thread = thread::Builder::new()
            .name("loopback".to_owned())
            .spawn(move || {
                runtime.block_on(serve(sockets, shared));
                runtime.shutdown_timeout(Duration::ZERO);
            })
            .map_err(Error::NoPort)?;
        Ok(Self { port, answers, page, thread: Some(thread) })
    }

    /// Where the browser is to bring the answer. Microsoft knows the name alone, with any port ("Redirect URI
    /// restrictions", learn.microsoft.com).
    pub fn redirect_uri(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Waits for the answer. The browser is kept waiting for [`Listener::show`].
    ///
    /// # Errors
    /// [`Error::TimedOut`]
    pub fn wait(&self, limit: Duration) -> Result<Answer, Error> {
        self.answers
            .recv_timeout(limit)
            .map_err(|_| Error::TimedOut { minutes: limit.as_secs().div_ceil(60) })
    }

    /// Shows a page to the person in the browser, and stops listening. `title` and `text` are text.
    pub fn show(mut self, title: &str, text: &str) {
        let _ = self.page.send(Some(page(title, text)));
        if let Some(thread) = self.thread.take() {
            // It has a limit of its own.
            let _ = thread.join();
        }
    }
}

/// Both sockets, or the first alone where there is no IPv6.
fn bind() -> io::Result<Vec<TcpListener>> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = first.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            Ok(second) => return Ok(vec![first, second]),
            // Whoever holds it could be brought the answer by a browser that takes IPv6 first.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(_) => return Ok(vec![first]),
        }
    }
    Err(last)
}

/// What every connection knows.
struct Shared {
    port: u16,
    state: SecretString,
    /// Taken by the one answer.
    sender: Mutex<Option<mpsc::Sender<Answer>>>,
    /// The page that ends it all.
    page: watch::Receiver<Option<String>>,
    /// Whether a browser was sent on to the page and has not come yet.
    sent_on: watch::Sender<bool>,
}

async fn serve(sockets: Vec<TcpListener>, shared: Arc<Shared>) {
    let mut listeners = Vec::new();
    for socket in sockets {
        let made =
            socket.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(socket));
        listeners.extend(made);
    }
    let mut connections = JoinSet::new();
    let (mut page, mut sent_on) = (shared.page.clone(), shared.sent_on.subscribe());
    // It ends with the page, and where nobody waits any more.
    let ended = async {
        if page.wait_for(Option::is_some).await.is_ok() {
            // A browser comes to the page by another connection, for which all may be done too soon.
            let _ = tokio::time::timeout(ARRIVAL, sent_on.wait_for(|sent_on| !sent_on)).await;
        }
    };
    tokio::pin!(ended);
    loop {
        let next = async {
            match &*listeners {
                [first, second] => {
                    tokio::select! { it = first.accept() => it, it = second.accept() => it }
                }
                [first] => first.accept().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            // Each that is silent ends within seconds; until one does the others wait.
            accepted = next, if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, Arc::clone(&shared)));
                }
                // Without descriptors the next try would fail as fast.
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            Some(_) = connections.join_next() => {}
            () = &mut ended => break,
        }
    }
    drop(listeners);
    let _ =
        tokio::time::timeout(FAREWELL, async { while connections.join_next().await.is_some() {} })
            .await;
}

async fn connection(stream: tokio::net::TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    if !peer.ip().is_loopback() {
        return;
    }
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, &shared).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST)
        .max_buf_size(LARGEST)
        .max_headers(64)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if !is_our_host(&request, shared.port) {
        return refusal(StatusCode::BAD_REQUEST);
    }
    match (request.method().clone(), request.uri().path()) {
        (Method::GET, LANDED) => {
            shared.sent_on.send_replace(false);
            landed(shared).await
        }
        (Method::GET, "/") => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            match take(shared, query.as_bytes(), true) {
                Ok(()) => {
                    let mut response = refusal(StatusCode::SEE_OTHER);
                    response
                        .headers_mut()
                        .insert(header::LOCATION, HeaderValue::from_static(LANDED));
                    response
                }
                Err(status) => refusal(status),
            }
        }
        (Method::POST, "/") => post(request, shared).await,
        (_, "/" | LANDED) => refusal(StatusCode::METHOD_NOT_ALLOWED),
        _ => refusal(StatusCode::NOT_FOUND),
    }
}

/// A page of elsewhere can make its own name lead here (DNS rebinding), and is told by the name.
fn is_our_host(request: &Request<Incoming>, port: u16) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| host.strip_suffix(&format!(":{port}"))).is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
    })
}

async fn post(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let is_form = content_type.is_some_and(|it| {
        let media_type = it.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    if !is_form {
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = Limited::new(request.into_body(), LARGEST).collect();
    let body = match tokio::time::timeout(SLOWEST, body).await {
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Ok(Err(_)) => return refusal(StatusCode::BAD_REQUEST),
        Ok(Ok(body)) => body.to_bytes(),
    };
    match take(shared, &body, false) {
        Ok(()) => landed(shared).await,
        Err(status) => refusal(status),
    }
}

/// The page, once it is known what came of it.
async fn landed(shared: &Shared) -> Response<Full<Bytes>> {
    let has_come = shared.sender.lock().unwrap_or_else(PoisonError::into_inner).is_none();
    if !has_come {
        return refusal(StatusCode::NOT_FOUND);
    }
    let mut page = shared.page.clone();
    match page.wait_for(Option::is_some).await {
        Ok(page) => response(StatusCode::OK, page.clone().unwrap_or_default()),
        Err(_) => refusal(StatusCode::GONE),
    }
}

/// Hands the answer on, if it is one and the first. `sends_on`: the browser that brought it is sent to the page.
fn take(shared: &Shared, form: &[u8], sends_on: bool) -> Result<(), StatusCode> {
    let mut found: [Option<String>; 5] = Default::default();
    for (name, value) in form_urlencoded::parse(form) {
        let names = ["state", "code", "iss", "error", "error_description"];
        let Some(index) = names.iter().position(|known| *known == name) else { continue };
        // What is said twice can be read in two ways (RFC 6749, section 3.1).
        if found[index].replace(value.into_owned()).is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
    }
    let [state, code, issuer, error, description] = found;
    let state = SecretString::from(state.unwrap_or_default());
    if !same_text(&state, &shared.state) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let answer = match (error, code) {
        (Some(error), _) => Answer::Refused { error, description: description.unwrap_or_default() },
        (None, Some(code)) if !code.is_empty() => Answer::Code { code: code.into(), issuer },
        _ => return Err(StatusCode::BAD_REQUEST),
    };
    let sender = shared.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    let sender = sender.ok_or(StatusCode::GONE)?;
    // First: whoever waits may have the page at once.
    shared.sent_on.send_replace(sends_on);
    // Where nobody waits any more there is nobody to tell.
    let _ = sender.send(answer);
    Ok(())
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let text = match status {
        StatusCode::GONE => "This sign-in has ended. You may close this tab.",
        StatusCode::SEE_OTHER => "",
        _ => "This is no answer that git vsts waits for. You may close this tab.",
    };
    response(status, page("git vsts", text))
}

fn response(status: StatusCode, page: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page)));
    *response.status_mut() = status;
    let style = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, &policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_str(value).expect("it is plain text"));
    }
    response
}

/// Readable in light and dark, and without anything from elsewhere.
const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; line-height: 1.3; overflow-wrap: anywhere; }
";

fn page(title: &str, text: &str) -> String {
    let paragraphs: String =
        text.lines().map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{paragraphs}</body>\n</html>\n"
    )
}

/// Text within a page (HTML, 13.3, "escaping a string").
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in crate::text::visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, TcpStream, UdpSocket};

    use secrecy::ExposeSecret as _;

    use super::*;

    const STATE: &str = "s3cret-state";
    const LIMIT: Duration = Duration::from_secs(20);

    fn open() -> Listener {
        Listener::open(STATE.into()).unwrap()
    }

    fn connect(port: u16) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// What is answered to a request as it stands, in which PORT is replaced.
    fn ask(port: u16, request: &str) -> String {
        let mut stream = connect(port);
        // Who is refused before the end of a long request may have closed already.
        let _ = stream.write_all(request.replace("PORT", &port.to_string()).as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n")
    }

    fn post(body: &str) -> String {
        format!(
            "POST / HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn status(answer: &str) -> u16 {
        answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_default()
    }

    #[test]
    fn a_posted_answer_is_taken_and_its_page_says_what_came_of_it() {
        let listener = open();
        let port = listener.port;
        let browser =
            thread::spawn(move || ask(port, &post(&format!("code=c0de&state={STATE}&extra=1"))));
        let Answer::Code { code, issuer } = listener.wait(LIMIT).unwrap() else { panic!() };
        assert_eq!((code.expose_secret(), issuer), ("c0de", None));
        listener.show("Signed in as <ada>", "You may close this tab.\nAnd go back.");
        let answer = browser.join().unwrap();
        assert_eq!(status(&answer), 200);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        for header in ["content-security-policy: default-src 'none'", "cache-control: no-store"] {
            assert!(head.contains(header), "{head}");
        }
        assert!(body.contains("<h1>Signed in as &lt;ada&gt;</h1>\n<p>You may close this tab.</p>"));
        assert!(!answer.contains("c0de") && !answer.contains(STATE) && !body.contains("<script"));
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "it still listens");
    }

    #[test]
    fn an_answer_in_the_address_is_taken_and_leaves_the_address_bar() {
        let listener = open();
        let port = listener.port;
        let query = format!("/?code=c0de&state={STATE}&iss=https%3A%2F%2Fissuer.example");
        let answer = ask(port, &get(&query));
        assert_eq!(status(&answer), 303);
        assert!(answer.contains("location: /signed-in\r\n") && !answer.contains("c0de"));
        let Answer::Code { issuer, .. } = listener.wait(LIMIT).unwrap() else { panic!() };
        assert_eq!(issuer.as_deref(), Some("https://issuer.example"));
        let mut browser = connect(port);
        browser.write_all(get(LANDED).replace("PORT", &port.to_string()).as_bytes()).unwrap();
        // Whoever comes later is answered only once the one before was let in.
        assert_eq!(status(&ask(port, &get(&query))), 410);
        listener.show("Signed in", "");
        let mut page = String::new();
        browser.read_to_string(&mut page).unwrap();
        assert_eq!(status(&page), 200);
    }

    #[test]
    fn a_browser_that_is_sent_on_finds_the_page_even_if_all_is_done_before_it_comes() {
        let listener = open();
        let port = listener.port;
        let answer = ask(port, &get(&format!("/?error=access_denied&state={STATE}")));
        assert_eq!(status(&answer), 303);
        assert!(matches!(listener.wait(LIMIT), Ok(Answer::Refused { .. })));
        let pages = listener.page.clone();
        let shown = thread::spawn(|| listener.show("Not signed in", ""));
        // Nothing holds it back any more, unless it knows that somebody is to come.
        while pages.borrow().is_none() {
            thread::yield_now();
        }
        let answer = ask(port, &get(LANDED));
        assert!(answer.contains("<h1>Not signed in</h1>"), "{answer}");
        shown.join().unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "it still listens");
    }

    #[test]
    fn a_refusal_is_an_answer_too() {
        let listener = open();
        let port = listener.port;
        let body = format!("error=access_denied&error_description=no%0Ano&state={STATE}");
        let browser = thread::spawn(move || ask(port, &post(&body)));
        let Answer::Refused { error, description } = listener.wait(LIMIT).unwrap() else {
            panic!()
        };
        assert_eq!((&*error, &*description), ("access_denied", "no\nno"));
        listener.show("Not signed in", "");
        assert_eq!(status(&browser.join().unwrap()), 200);
    }

    #[test]
    fn whatever_else_comes_ends_nothing() {
        let listener = open();
        let port = listener.port;
        let right = format!("code=c&state={STATE}");
        let long = "x".repeat(2 * LARGEST);
        for (request, expected) in [
            (get("/?code=x&state=wrong"), 400),
            (get("/?code=x"), 400),
            (get(&format!("/?state={STATE}")), 400),
            (get(&format!("/?code=&state={STATE}")), 400),
            (get(&format!("/?code=a&code=b&state={STATE}")), 400),
            (get(&format!("/?code=a&state=wrong&state={STATE}")), 400),
            (get("/"), 400),
            (get(LANDED), 404),
            (get(&format!("/other?{right}")), 404),
            (get("/favicon.ico"), 404),
            (get(&format!("/?{right}")).replace("localhost:PORT", "evil.example:PORT"), 400),
            (get(&format!("/?{right}")).replace("localhost:PORT", "localhost"), 400),
            (get(&format!("/?{right}")).replace("Host: localhost:PORT\r\n", ""), 400),
            (get(&format!("/?{right}")).replace("GET", "PUT"), 405),
            (get(&format!("/?{right}")).replace("GET", "OPTIONS"), 405),
            (post(&right).replace("x-www-form-urlencoded", "json"), 415),
            (post(&right).replace("Content-Type: application/x-www-form-urlencoded\r\n", ""), 415),
            (post(&format!("{long}&{right}")), 413),
            (get(&format!("/?{long}&{right}")), 431),
            ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03 TLS hello\r\n\r\n".to_owned(), 400),
        ] {
            let answer = ask(port, &request);
            let shown: String = request.chars().take(120).collect();
            // To a head that is too long some systems answer with a reset alone.
            let got = status(&answer);
            assert!(got == expected || expected == 431 && got == 0, "{shown}: {answer}");
            assert!(!answer.contains("access-control"), "{answer}");
        }
        // Those that say nothing, or not enough, hold nobody up.
        let silent = connect(port);
        let mut slow = connect(port);
        slow.write_all(b"POST / HTTP/1.1\r\nHost: loc").unwrap();
        let browser = thread::spawn(move || ask(port, &post(&right)));
        assert!(matches!(listener.wait(LIMIT), Ok(Answer::Code { .. })));
        listener.show("Signed in", "");
        assert_eq!(status(&browser.join().unwrap()), 200);
        drop((silent, slow));
    }

    #[test]
    fn whoever_sends_too_slowly_is_cut() {
        let listener = open();
        let mut head = connect(listener.port);
        head.write_all(b"GET /?code=x HTTP/1.1\r\nHost: loc").unwrap();
        let mut body = connect(listener.port);
        let whole = post(&format!("code=c&state={STATE}"));
        let request = whole.replace("PORT", &listener.port.to_string());
        body.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
        let (mut head_said, mut body_said) = (String::new(), String::new());
        // The time limit of reading is far longer than theirs.
        head.read_to_string(&mut head_said).unwrap();
        body.read_to_string(&mut body_said).unwrap();
        assert!([0, 408].contains(&status(&head_said)), "{head_said}");
        assert_eq!(status(&body_said), 408, "{body_said}");
        assert!(listener.wait(Duration::ZERO).is_err(), "half an answer was taken");
    }

    #[test]
    fn a_second_answer_changes_nothing() {
        let listener = open();
        let port = listener.port;
        let first = thread::spawn(move || ask(port, &post(&format!("code=one&state={STATE}"))));
        let Answer::Code { code, .. } = listener.wait(LIMIT).unwrap() else { panic!() };
        for second in ["code=two", "error=access_denied"] {
            assert_eq!(status(&ask(port, &post(&format!("{second}&state={STATE}")))), 410);
        }
        assert_eq!(code.expose_secret(), "one");
        assert!(listener.wait(Duration::ZERO).is_err());
        listener.show("Signed in", "");
        assert_eq!(status(&first.join().unwrap()), 200);
    }

    #[test]
    fn it_is_heard_by_both_addresses_of_loopback_and_no_other() {
        let listener = open();
        assert_eq!(listener.redirect_uri(), format!("http://localhost:{}", listener.port));
        let six = SocketAddr::from((Ipv6Addr::LOCALHOST, listener.port));
        let has_six = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        assert_eq!(TcpStream::connect(six).is_ok(), has_six);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, listener.port)).is_ok());
        let mut others = own_addresses();
        // All of 127.0.0.0/8 is this computer to Linux alone.
        others.extend(cfg!(target_os = "linux").then_some(IpAddr::from([127, 0, 0, 2])));
        for other in others {
            let tried = TcpStream::connect_timeout(&SocketAddr::new(other, listener.port), LIMIT);
            let error = tried.map(|_| other).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{other}");
        }
    }

    /// The addresses from which this computer would speak to others: nothing is sent to learn them.
    fn own_addresses() -> Vec<IpAddr> {
        let documented = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
        let speaking = documented.into_iter().filter_map(|(any, other)| {
            let socket = UdpSocket::bind(any).ok()?;
            socket.connect(other).ok()?;
            Some(socket.local_addr().ok()?.ip())
        });
        speaking.filter(|address| !address.is_loopback() && !address.is_unspecified()).collect()
    }

    #[test]
    fn a_crowd_of_silent_connections_does_not_keep_the_browser_out() {
        let listener = open();
        let port = listener.port;
        let crowd: Vec<_> = (0..3 * MOST_CONNECTIONS).map(|_| connect(port)).collect();
        let body = format!("code=c&state={STATE}");
        let browser = thread::spawn(move || ask(port, &post(&body)));
        assert!(matches!(listener.wait(LIMIT), Ok(Answer::Code { .. })));
        listener.show("Signed in", "");
        assert_eq!(status(&browser.join().unwrap()), 200);
        drop(crowd);
    }

    #[test]
    fn a_wait_has_an_end() {
        let error = open().wait(Duration::from_millis(1)).unwrap_err().to_string();
        assert_eq!(error, "nobody signed in within 0 minutes");
    }
}
