use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{LazyLock, mpsc};
use std::thread;

use super::*;

/// Short, so that no test waits; long enough for a loopback connection on a busy machine.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(10),
    silence: Duration::from_secs(10),
    stall: Stall { window: Duration::from_secs(10), bytes: 1 },
    work: Duration::from_secs(10),
    body: Duration::from_secs(10),
    patience: Duration::from_secs(60),
};
/// For the tests in which silence is what ends it.
const SHORT: Limits = Limits {
    silence: Duration::from_millis(50),
    stall: Stall { window: Duration::from_millis(50), bytes: 1 },
    work: Duration::from_millis(50),
    ..LIMITS
};
/// For those in which an answer takes too long as a whole.
const AT_ONCE: Limits =
    Limits { body: Duration::ZERO, stall: Stall { window: Duration::ZERO, bytes: 64 }, ..LIMITS };
/// For those in which only a server that works is waited for.
const AT_WORK: Limits = Limits { silence: Duration::ZERO, ..LIMITS };

/// What a server does with one connection.
enum Step {
    /// Reads the whole request, sends these bytes and closes.
    Answer(Vec<u8>),
    /// Sends these bytes when the head of the request came, and neither reads nor closes.
    Early(Vec<u8>),
    /// Sends the first bytes when the head of the request came, reads the rest all the same, and
    /// sends the others.
    EarlyAndRead(Vec<u8>, Vec<u8>),
    /// Reads the whole request, and says nothing.
    Silent,
    /// Reads the whole request, and promises an answer again and again.
    Interim,
}

struct Seen {
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(met, _)| met.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A server that answers one connection after the other as it is told, and then no more.
struct Server {
    address: String,
    seen: mpsc::Receiver<Seen>,
}

impl Server {
    fn new(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, seen) = mpsc::channel();
        thread::spawn(move || {
            // Kept open to the end: closing one is an answer of its own.
            let mut open = Vec::new();
            for step in steps {
                let (stream, _) = listener.accept().unwrap();
                open.push(serve(stream, step, &tell));
            }
            // Whoever connects now is seen, and the test fails by it.
            while let Ok((stream, _)) = listener.accept() {
                open.push(serve(stream, Step::Answer(Vec::new()), &tell));
            }
        });
        Self { address, seen }
    }

    fn answering(answers: &[&str]) -> Self {
        Self::new(answers.iter().map(|answer| Step::Answer(answer.as_bytes().to_vec())).collect())
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    fn get(&self, path: &str) -> Request {
        Request::new(Method::GET, self.url(path))
    }

    fn post(&self) -> Request {
        Request::new(Method::POST, self.url("/"))
    }

    /// The requests that were read so far. A request is told of before it is answered.
    fn seen(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}

fn serve(stream: TcpStream, step: Step, tell: &mpsc::Sender<Seen>) -> Option<TcpStream> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    let mut seen = Seen { head, body: Vec::new() };
    let mut stream = stream;
    match step {
        Step::Answer(answer) => {
            seen.body = body(&seen, &mut reader);
            let _ = tell.send(seen);
            let _ = stream.write_all(&answer);
            None
        }
        Step::Silent => {
            seen.body = body(&seen, &mut reader);
            let _ = tell.send(seen);
            Some(stream)
        }
        Step::Interim => {
            seen.body = body(&seen, &mut reader);
            let _ = tell.send(seen);
            while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {}
            None
        }
        Step::Early(answer) => {
            let _ = stream.write_all(&answer);
            let _ = tell.send(seen);
            Some(stream)
        }
        Step::EarlyAndRead(first, rest) => {
            let _ = stream.write_all(&first);
            seen.body = body(&seen, &mut reader);
            let _ = tell.send(seen);
            let _ = stream.write_all(&rest);
            None
        }
    }
}

fn body(seen: &Seen, reader: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(length) = seen.header("content-length") {
        let _ = reader.take(length.parse().unwrap()).read_to_end(&mut body);
    } else if seen.header("transfer-encoding") == Some("chunked") {
        loop {
            let mut size = String::new();
            let _ = reader.read_line(&mut size);
            let Ok(size) = u64::from_str_radix(size.trim(), 16) else { break };
            let _ = reader.by_ref().take(size).read_to_end(&mut body);
            let _ = reader.read_line(&mut String::new());
            if size == 0 {
                break;
            }
        }
    }
    body
}

/// An answer with its length, after which the connection ends.
fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn json(body: &str) -> String {
    answer("200 OK", &["content-type: application/json; charset=utf-8"], body)
}

/// One client for all, since each reads the system's certificates.
fn client(limits: Limits) -> Client {
    static CLIENTS: LazyLock<[Client; 4]> = LazyLock::new(|| {
        [LIMITS, SHORT, AT_ONCE, AT_WORK]
            .map(|limits| Client::new(&Settings { limits, ..Settings::default() }).unwrap())
    });
    CLIENTS.iter().find(|client| client.shared.limits == limits).unwrap().clone()
}

fn never(why: &str, _: Duration) {
    panic!("waits, since {why}");
}

/// An answer as JSON, or what was wrong with it.
fn ask(server: &Server) -> Result<serde_json::Value, Error> {
    client(LIMITS).json(&server.get("/"), &never).map(|(value, _)| value)
}

fn text(mut response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let mut text = Vec::new();
    let mut buffer = [0; 7];
    loop {
        match response.read(&mut buffer).unwrap() {
            0 => return (status, String::from_utf8(text).unwrap()),
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}

fn upload(server: &Server, limits: Limits, bytes: usize) -> Result<Response, Error> {
    let mut upload = client(limits).upload(server.post())?;
    // Pieces of an odd size, as libgit2 writes them.
    let piece: Vec<u8> = (0..=250).collect();
    let mut left = bytes;
    while left > 0 {
        let now = left.min(piece.len());
        upload.write(&piece[..now])?;
        left -= now;
    }
    upload.finish()
}

/// An address at which nobody listens.
fn nowhere() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap()
}

fn refused(error: &Error) -> &Refusal {
    error.refusal().unwrap_or_else(|| panic!("{error:?}"))
}

#[test]
fn every_request_asks_for_a_401_in_place_of_a_sign_in_page_and_says_who_asks() {
    let server = Server::answering(&[&json("{}"), &json("{}"), &json("{}")]);
    let client = client(LIMITS);
    client.send(server.get("/")).unwrap();
    client.json::<serde_json::Value>(&server.post(), &never).unwrap();
    upload(&server, LIMITS, 3 << 20).unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.header("x-tfs-fedauthredirect"), Some("Suppress"), "{}", request.head);
        let agent = concat!("git-vsts/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent), "{}", request.head);
        assert_eq!(request.header("authorization"), None, "{}", request.head);
    }
}

#[test]
fn a_redirect_is_never_followed_and_its_target_sees_nothing() {
    let target = Server::new(Vec::new());
    let here = |path: &str| format!("location: {}", target.url(path));
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let server = Server::answering(&[&answer(status, &[&here("/?secret=1")], "moved")]);
        let request = server.get("/").authorization(Some("Basic c2VjcmV0".to_owned().into()));
        let error = client(LIMITS).json::<()>(&request, &never).unwrap_err();
        assert_eq!(refused(&error).reason, Reason::Redirected, "{status}");
        let expected =
            format!("{} sends the request on to http://{}", server.address, target.address);
        assert_eq!(error.to_string(), expected, "{status}");
        assert_eq!(server.seen()[0].header("authorization"), Some("Basic c2VjcmV0"), "{status}");
    }
    assert!(target.seen().is_empty());
}

#[test]
fn a_redirect_from_https_to_http_is_named_and_not_followed() {
    // It is the answer that leads down; that this one came over http changes nothing of it.
    let server =
        Server::answering(&[&answer("302 Found", &["location: http://dev.azure.com/x"], "")]);
    let error = ask(&server).unwrap_err();
    let expected = format!("{} sends the request on to http://dev.azure.com", server.address);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_user_part_of_a_url_is_not_sent() {
    let server = Server::answering(&[&json("{}")]);
    let mut url = server.url("/a%20b?c=d");
    url.set_username("ada").unwrap();
    url.set_password(Some("secret")).unwrap();
    client(LIMITS).send(Request::new(Method::GET, url)).unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[0].head.lines().next(), Some("GET /a%20b?c=d HTTP/1.1"));
}

#[test]
fn a_header_of_our_own_stands_beside_the_one_that_signs() {
    let server = Server::answering(&[&json("{}")]);
    let request = server
        .get("/")
        .header(HeaderName::from_static("x-extra"), "one")
        .authorization(Some("Bearer abc".to_owned().into()));
    client(LIMITS).send(request).unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("x-extra"), Some("one"));
    assert_eq!(seen[0].header("authorization"), Some("Bearer abc"));
}

#[test]
fn a_header_with_a_line_end_is_not_sent() {
    let server = Server::new(Vec::new());
    let request = server.get("/").authorization(Some("Bearer a\r\nX: y".to_owned().into()));
    let error = client(LIMITS).send(request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the HTTP client can't be set up: a header holds a control character"
    );
    assert!(server.seen().is_empty());
}

#[test]
fn a_body_of_up_to_a_mebibyte_goes_whole_and_a_larger_one_in_chunks() {
    for (bytes, whole) in
        [(0, true), (4, true), (1 << 20, true), ((1 << 20) + 1, false), (5 << 20, false)]
    {
        let server = Server::answering(&[&json("{}")]);
        let response = upload(&server, LIMITS, bytes).unwrap();
        assert_eq!(text(response), (200, "{}".to_owned()));
        let seen = &server.seen()[0];
        assert_eq!(seen.body.len(), bytes);
        assert!(seen.body.iter().enumerate().all(|(at, byte)| *byte as usize == at % 251));
        let length = seen.header("content-length").map(str::to_owned);
        assert_eq!(length, whole.then(|| bytes.to_string()), "{bytes}");
        assert_eq!(seen.header("transfer-encoding"), (!whole).then_some("chunked"), "{bytes}");
    }
}

#[test]
fn an_answer_before_the_end_of_an_upload_keeps_its_status_and_body() {
    let refusal = answer("413 Too Large", &["content-type: text/plain"], "TF402020: too much");
    let refusal = refusal.into_bytes();
    for step in [Step::Early(refusal.clone()), Step::EarlyAndRead(refusal, Vec::new())] {
        let server = Server::new(vec![step]);
        let response = upload(&server, LIMITS, 16 << 20).unwrap();
        assert_eq!(text(response), (413, "TF402020: too much".to_owned()));
    }
}

#[test]
fn an_upload_that_is_refused_in_the_middle_is_not_sent_to_its_end() {
    let refusal = answer("401 Unauthorized", &[], "");
    let server = Server::new(vec![Step::EarlyAndRead(refusal.into_bytes(), Vec::new())]);
    let mut upload = client(LIMITS).upload(server.post()).unwrap();
    let piece = vec![0; 1 << 20];
    for _ in 0..64 {
        upload.write(&piece).unwrap();
    }
    assert!(upload.sent() < 64 << 20, "all {} bytes were sent", upload.sent());
    assert_eq!(upload.finish().unwrap().status(), 401);
}

#[test]
fn an_answer_that_begins_before_the_end_of_an_upload_does_not_end_it() {
    // receive-pack tells its progress while it still reads the pack.
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    let server = Server::new(vec![Step::EarlyAndRead(head.into(), b"{}".to_vec())]);
    let response = upload(&server, LIMITS, 5 << 20).unwrap();
    assert_eq!(text(response), (200, "{}".to_owned()));
    assert_eq!(server.seen.recv().unwrap().body.len(), 5 << 20);
}

#[test]
fn a_silent_server_ends_by_the_limit() {
    let server = Server::new(vec![Step::Silent]);
    let error = client(SHORT).send(server.get("/")).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");

    let server = Server::new(vec![Step::Silent]);
    let error = upload(&server, SHORT, 2 << 20).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");

    // It reads no more after the head, so the upload stands still.
    let server = Server::new(vec![Step::Early(Vec::new())]);
    let error = upload(&server, SHORT, 16 << 20).unwrap_err();
    assert!(matches!(error, Error::Stalled { .. }), "{error:?}");

    // It stops in the middle of its answer.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    let server = Server::new(vec![Step::Early(head.into())]);
    let error = client(SHORT).json::<()>(&server.get("/"), &never).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
}

#[test]
fn how_far_an_upload_has_come_is_told_while_it_is_waited_for() {
    let server = Server::answering(&[&json("{}")]);
    let mut upload = client(LIMITS).upload(server.post()).unwrap();
    upload.write(b"pack").unwrap();
    let (told, wait) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    let waiting = async { wait.await.unwrap() };
    let mut sent = Vec::new();
    let moved = upload.moving(waiting, &mut |bytes| {
        sent.push(bytes);
        let _ = told.take().map(|told| told.send(()));
    });
    moved.unwrap();
    // All of it waits here: so little goes whole, once its length is known.
    assert!(sent.iter().all(|bytes| *bytes == 0) && !sent.is_empty(), "{sent:?}");
    upload.end(&mut |_| {}).unwrap();
    assert_eq!(upload.sent(), 4);
    assert_eq!(upload.finish().unwrap().status(), 200);
}

/// The count is what tells whether a server may have acted on a body.
#[test]
fn what_the_network_took_of_an_upload_is_known() {
    for bytes in [4, 1 << 20, (5 << 20) + 1] {
        let server = Server::answering(&[&json("{}")]);
        let mut upload = client(LIMITS).upload(server.post()).unwrap();
        upload.write(&vec![0; bytes]).unwrap();
        assert!(upload.sent() < bytes as u64, "{} of {bytes}", upload.sent());
        upload.finish().unwrap();
        assert!(upload.is_sent() && upload.sent() == bytes as u64, "{} of {bytes}", upload.sent());
    }
    // More than the system's buffers hold, and a server that takes none of it.
    let server = Server::new(vec![Step::Early(Vec::new())]);
    let mut upload = client(SHORT).upload(server.post()).unwrap();
    upload.write(&vec![0; 64 << 20]).unwrap_err();
    assert!(!upload.is_sent());
    // Nobody listens there.
    let mut upload = client(LIMITS).upload(Request::new(Method::POST, nowhere())).unwrap();
    upload.write(b"pack").unwrap();
    upload.finish().unwrap_err();
    assert!(!upload.is_sent());
}

/// A server would take the end of the body for the end of the pack.
#[test]
fn an_upload_that_is_given_up_has_no_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let mut read = Vec::new();
        // That it is cut is as good as that it is closed.
        let _ = listener.accept().unwrap().0.read_to_end(&mut read);
        read
    });
    let mut upload = client(LIMITS).upload(Request::new(Method::POST, url)).unwrap();
    upload.write(&vec![1; 3 << 20]).unwrap();
    drop(upload);
    let read = server.join().unwrap();
    assert!(read.starts_with(b"POST / HTTP/1.1\r\n"));
    assert!(!read.ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_server_that_works_on_an_upload_is_waited_for() {
    let server = Server::answering(&[&json("{}"), &json("{}")]);
    for bytes in [1 << 10, 2 << 20] {
        let response = upload(&server, AT_WORK, bytes).unwrap();
        assert_eq!(text(response), (200, "{}".to_owned()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_upload_to_a_server_that_stops_reading_ends_as_silence_by_the_system_too() {
    let limits = Limits { stall: LIMITS.stall, ..SHORT };
    let client = Client::new(&Settings { limits, plain: true, ..Settings::default() }).unwrap();
    let server = Server::new(vec![Step::Early(Vec::new())]);
    let mut upload = client.upload(server.post()).unwrap();
    upload.write(&vec![0; 16 << 20]).unwrap();
    let error = upload.finish().unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
}

#[test]
fn what_changes_nothing_is_asked_once_more_where_the_connection_is_cut() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    for first in ["", cut] {
        let server = Server::answering(&[first, &json("{}")]);
        assert!(ask(&server).is_ok(), "{first}");
        let server = Server::answering(&[first, first, &json("{}")]);
        let error = ask(&server).unwrap_err();
        assert!(matches!(error, Error::Cut { .. }), "{error:?}");
        assert_eq!(server.seen().len(), 2, "{first}");
        for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            let server = Server::answering(&[first, &json("{}")]);
            let request = Request::new(method, server.url("/"));
            let error = client(LIMITS).json::<()>(&request, &never).unwrap_err();
            assert!(matches!(error, Error::Cut { .. }), "{error:?}");
            assert_eq!(server.seen().len(), 1, "{first}");
        }
    }
    // An upload whose server closes on it is not begun anew.
    let server = Server::answering(&["", &json("{}")]);
    let error = upload(&server, LIMITS, 4).unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn interim_answers_are_passed_over_and_not_for_ever() {
    let many = "HTTP/1.1 100 Continue\r\n\r\n".repeat(50);
    let server = Server::answering(&[&format!("{many}{}", json("{}"))]);
    assert!(ask(&server).is_ok());
    let server = Server::new(vec![Step::Interim]);
    let error = client(SHORT).send(server.get("/")).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
}

#[test]
fn an_answer_that_is_cut_is_told_from_one_that_never_came() {
    let host = |server: &Server| server.address.clone();
    for cut in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
    ] {
        let server = Server::answering(&[cut]);
        let error = ask(&server).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the connection to {} was cut", host(&server)),
            "{cut}"
        );
    }
    let url = nowhere();
    let expected = format!("{} refused the connection", super::host(&url));
    let error = client(LIMITS).send(Request::new(Method::GET, url)).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_no_http_is_refused_in_bounded_memory() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(2 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let chunk = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n8000000000000000\r\n{}";
    for bytes in ["SSH-2.0-OpenSSH_9\r\n\r\n", &endless, &many] {
        let error = ask(&Server::answering(&[bytes])).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?} for {}", &bytes[..18]);
    }
    let error = ask(&Server::answering(&[chunk])).unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error:?}");
}

#[test]
fn a_wait_that_the_service_asks_for_is_kept_and_the_request_repeated() {
    let busy = |seconds: &str| {
        let header = format!("retry-after: {seconds}");
        answer(
            "429 Too Many Requests",
            &["content-type: text/plain", &header],
            "TF400733: slow down.",
        )
    };
    let server = Server::answering(&[&busy("7"), &busy("60"), &json("{\"a\":1}")]);
    let waits = std::cell::RefCell::new(Vec::new());
    let wait = |why: &str, pause: Duration| waits.borrow_mut().push((why.to_owned(), pause));
    let (value, _) = client(LIMITS).json::<serde_json::Value>(&server.get("/"), &wait).unwrap();
    assert_eq!(value["a"], 1);
    let why = format!("{} asks for fewer requests: slow down (TF400733)", server.address);
    let expected = [(why.clone(), Duration::from_secs(7)), (why, Duration::from_secs(60))];
    assert_eq!(*waits.borrow(), expected);
}

#[test]
fn a_request_is_not_repeated_for_ever_nor_where_that_could_do_harm() {
    let busy = answer("503 Unavailable", &["retry-after: 1"], "");
    let long = answer("429 Too Many Requests", &["retry-after: 61"], "");
    let plain = answer("503 Unavailable", &[], "");
    let broken = answer("500 Oops", &["retry-after: 1"], "");
    let refused = answer("401 Unauthorized", &["retry-after: 1"], "");
    for (method, answer, expected) in [
        (Method::GET, &busy, 3),
        (Method::PUT, &busy, 3),
        (Method::DELETE, &busy, 3),
        (Method::POST, &busy, 1),
        (Method::PATCH, &busy, 1),
        (Method::GET, &long, 1),
        (Method::GET, &plain, 1),
        (Method::GET, &broken, 3),
        (Method::GET, &refused, 1),
    ] {
        let server = Server::answering(&[answer; 4].map(String::as_str));
        let waits = std::cell::Cell::new(0);
        let wait = |_: &str, _| waits.set(waits.get() + 1);
        let request = Request::new(method.clone(), server.url("/"));
        client(LIMITS).json::<()>(&request, &wait).unwrap_err();
        let (requests, waits) = (server.seen().len(), waits.get());
        assert_eq!((requests, waits), (expected, expected - 1), "{method} {answer}");
    }
}

#[test]
fn what_is_not_json_is_no_answer() {
    let html = |status| answer(status, &["content-type: text/html"], "<title>Sign In</title>");
    for (answer, reason) in [
        (html("200 OK"), Reason::SignedOut),
        (html("203 Non-Authoritative"), Reason::SignedOut),
        (
            answer("203 Non-Authoritative", &["content-type: application/json"], "{}"),
            Reason::SignedOut,
        ),
        (answer("204 No Content", &[], ""), Reason::SignedOut),
        (html("404 Not Found"), Reason::NotFound),
    ] {
        let error = ask(&Server::answering(&[&answer])).unwrap_err();
        assert_eq!(refused(&error).reason, reason, "{answer}");
        assert!(!error.to_string().contains('<'), "{error}");
    }
    let server = Server::answering(&[&json("{\"a\":")]);
    let error = ask(&server).unwrap_err();
    let expected = format!("{} answered in a form that is not known", server.address);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_json_answer_without_end_is_given_up() {
    let most = format!("\"{}\"", "x".repeat(JSON_LIMIT - 2));
    assert!(ask(&Server::answering(&[&json(&most)])).is_ok());
    let more = format!("\"{}\"", "x".repeat(JSON_LIMIT - 1));
    let server = Server::answering(&[&json(&more)]);
    let error = ask(&server).unwrap_err();
    let expected = format!("{} answered with more than {JSON_LIMIT} bytes", server.address);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_answer_that_drips_is_given_up() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let server = Server::answering(&[answer]);
    let error = client(AT_ONCE).send(server.get("/")).unwrap().json::<Vec<u8>>().unwrap_err();
    let host = &server.address;
    assert_eq!(error.to_string(), format!("the answer of {host} was not complete after 0 s"));
    // A longer one may take its time as long as it moves.
    let server = Server::answering(&[answer]);
    let error = client(AT_ONCE).send(server.get("/")).unwrap().bytes(100).unwrap_err();
    let host = &server.address;
    let expected = format!("the connection to {host} hardly moves: fewer than 0 KiB in 0 s");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_line_of_the_settings_is_a_header_unless_it_says_whom_the_request_is_for() {
    for (line, header) in [
        ("X-Corporation: yes", Some(("x-corporation", "yes"))),
        ("AUTHORIZATION:bearer a:b ", Some(("authorization", "bearer a:b"))),
        ("Host: fabrikam.visualstudio.com", None),
        ("content-length: 0", None),
        ("Transfer-Encoding: chunked", None),
        ("Connection: upgrade", None),
        ("no header", None),
        ("a b: c", None),
    ] {
        let met = header_line(line);
        let met = met.as_ref().map(|(name, value)| (name.as_str(), value.expose_secret()));
        assert_eq!(met, header, "{line}");
    }
}

#[test]
fn a_request_carries_one_authorization() {
    let server = Server::answering(&["HTTP/1.1 204 No Content\r\n\r\n"]);
    let mut request = server.get("/");
    for value in ["Basic one", "Basic two"] {
        request.headers.push((AUTHORIZATION, value.to_owned().into()));
    }
    let _ = client(LIMITS).send(request).unwrap();
    let seen = server.seen();
    let lines = seen[0].head.lines().filter(|line| line.starts_with("authorization:"));
    assert_eq!(lines.collect::<Vec<_>>(), ["authorization: Basic two"]);
}

#[test]
fn nothing_packed_is_asked_for_so_no_answer_can_swell() {
    let server = Server::answering(&[&json("{}")]);
    ask(&server).unwrap();
    assert_eq!(server.seen()[0].header("accept-encoding"), None);
}

#[test]
fn a_file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for junk in [
        "",
        "junk",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "\u{feff}-----BEGIN X-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        std::fs::write(&file, junk).unwrap();
        let settings = Settings { certificates: Some(file.clone()), ..Settings::default() };
        let error = Client::new(&settings).unwrap_err();
        let expected = format!("no certificate could be read from {}", file.display());
        assert_eq!(error.to_string(), expected, "{junk}");
    }
    let missing =
        Settings { certificates: Some(folder.path().join("none")), ..Settings::default() };
    let error = Client::new(&missing).unwrap_err();
    assert!(matches!(error, Error::Certificates { source: Some(_), .. }), "{error:?}");
}

#[test]
fn a_block_that_is_no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let settings = Settings { certificates: Some(file.clone()), ..Settings::default() };
    let error = Client::new(&settings).unwrap_err();
    let expected = format!("no certificate could be read from {}", file.display());
    assert_eq!(error.to_string(), expected);
}

fn through(proxy: &str, no_proxy: Option<&str>) -> Result<Client, Error> {
    Client::new(&Settings {
        proxy: Some(proxy.to_owned().into()),
        no_proxy: no_proxy.map(str::to_owned),
        certificates: None,
        plain: false,
        limits: LIMITS,
    })
}

#[test]
fn a_proxy_that_refuses_is_told_from_the_service() {
    let url = Url::parse("https://dev.azure.com/contoso").unwrap();
    for (status, expected) in [
        (
            "407 Proxy Authentication Required",
            "the proxy wants a user name and a password before it lets dev.azure.com be reached",
        ),
        ("403 Forbidden", "the proxy PROXY did not connect to dev.azure.com"),
        ("502 Bad Gateway", "the proxy PROXY did not connect to dev.azure.com"),
        ("302 Found", "the proxy PROXY did not connect to dev.azure.com"),
    ] {
        let server = Server::answering(&[&answer(status, &[], "")]);
        let client = through(&format!("http://ada:hunter2@{}", server.address), None).unwrap();
        let request = Request::new(Method::GET, url.clone())
            .authorization(Some("Basic c2VjcmV0".to_owned().into()));
        let error = client.send(request).unwrap_err();
        assert_eq!(error.to_string(), expected.replace("PROXY", &server.address));
        let seen = &server.seen()[0];
        assert_eq!(seen.head.lines().next(), Some("CONNECT dev.azure.com:443 HTTP/1.1"));
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.header("proxy-authorization"), Some("Basic YWRhOmh1bnRlcjI="));
        assert!(!format!("{error:?} {client:?}").contains("hunter2"));
    }
}

#[test]
fn a_proxy_without_a_scheme_is_one_of_http_and_no_proxy_holds() {
    let server = Server::answering(&[&json("{}")]);
    let client = through(&server.address, None).unwrap();
    let url = Url::parse("http://example.invalid/x").unwrap();
    client.send(Request::new(Method::GET, url)).unwrap();
    let line = "GET http://example.invalid/x HTTP/1.1";
    assert_eq!(server.seen()[0].head.lines().next(), Some(line));

    let (proxy, server) = (Server::new(Vec::new()), Server::answering(&[&json("{}")]));
    let client = through(&proxy.address, Some("127.0.0.1")).unwrap();
    client.send(server.get("/")).unwrap();
    assert!(proxy.seen().is_empty());
}

#[test]
fn a_proxy_that_can_t_be_used_is_refused_without_its_password() {
    for (proxy, expected) in [
        (
            "socks5://ada:hunter2@h:1",
            "the proxy's address can't be used: socks5 proxies are not supported",
        ),
        ("http://ada:hunter2@[", "the proxy's address can't be used: invalid IPv6 address"),
        ("http://ada:hunter2@h:99999", "the proxy's address can't be used: invalid port number"),
    ] {
        assert_eq!(through(proxy, None).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_host_that_is_not_found_is_named() {
    let url = Url::parse("http://nowhere.invalid/").unwrap();
    let error = client(LIMITS).send(Request::new(Method::GET, url)).unwrap_err();
    assert_eq!(error.to_string(), "nowhere.invalid could not be found");
}

#[test]
fn a_proxy_that_is_not_there_is_told_from_the_service() {
    let request = || Request::new(Method::GET, Url::parse("https://dev.azure.com/").unwrap());
    let address = super::host(&nowhere());
    let client = through(&format!("http://ada:hunter2@{address}"), None).unwrap();
    let error = client.send(request()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the proxy {address} can't be reached: nobody listens there")
    );

    let client = through("http://proxy.invalid:3128", None).unwrap();
    let error = client.send(request()).unwrap_err();
    assert_eq!(error.to_string(), "the proxy proxy.invalid:3128 can't be reached: no such host");

    let server = Server::answering(&[""]);
    let error = through(&server.address, None).unwrap().send(request()).unwrap_err();
    let expected = format!("the proxy {} did not connect to dev.azure.com", server.address);
    assert_eq!(error.to_string(), expected);

    // It answers in the place of the service and is done, which only TLS notices.
    let page = answer("200 OK", &["content-type: text/html"], "<title>Welcome</title>");
    let server = Server::answering(&[&page]);
    let error = through(&server.address, None).unwrap().send(request()).unwrap_err();
    let expected =
        "the connection to dev.azure.com is not secure: it was cut before that was agreed on";
    assert_eq!(error.to_string(), expected);
}

/// A port that neither takes a connection nor refuses one, as long as the sockets live.
struct BlackHole {
    address: std::net::SocketAddr,
    _sockets: Vec<Box<dyn Send>>,
}

impl BlackHole {
    fn new(address: &str, runtime: &Runtime) -> Self {
        let address: std::net::SocketAddr = address.parse().unwrap();
        let _entered = runtime.enter();
        let socket = match address {
            std::net::SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
            std::net::SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        socket.bind(address).unwrap();
        // One connection waits to be accepted, and for another there is no room.
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let first = TcpStream::connect(address).unwrap();
        Self { address, _sockets: vec![Box::new(listener), Box::new(first)] }
    }
}

/// A client for which a host is at these addresses.
fn resolving(limits: Limits, addresses: &[std::net::SocketAddr]) -> Client {
    let settings = Settings { limits, plain: true, ..Settings::default() };
    Client::built(&settings, None, |it| it.resolve_to_addrs("dev.example", addresses)).unwrap()
}

#[test]
fn an_address_that_leads_nowhere_is_passed_over_or_ends_in_time() {
    let runtime = Runtime::new().unwrap();
    let holes = ["[::1]:0", "127.0.0.1:0"].map(|address| BlackHole::new(address, &runtime));
    let holes = holes.each_ref().map(|hole| hole.address);
    let server = Server::answering(&[&json("{}")]);
    let addresses = [holes[0], server.address.parse().unwrap()];
    let url = Url::parse("http://dev.example/").unwrap();
    let request = || Request::new(Method::GET, url.clone());
    // Well before the limit: the other kind of address is tried beside the first.
    let answer = resolving(LIMITS, &addresses).send(request()).unwrap();
    assert_eq!(answer.status(), 200);

    let limits = Limits { connect: Duration::from_millis(50), ..LIMITS };
    let error = resolving(limits, &holes).send(request()).unwrap_err();
    assert_eq!(error.to_string(), "dev.example can't be reached: no connection in time");
}

/// Never answers, as a resolver whose server is behind a dead line.
struct NoAnswer;

impl reqwest::dns::Resolve for NoAnswer {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_name_that_is_looked_up_without_end_ends_in_time() {
    let limits = Limits { connect: Duration::from_millis(50), ..LIMITS };
    let settings = Settings { limits, plain: true, ..Settings::default() };
    let client = Client::built(&settings, None, |it| it.dns_resolver(NoAnswer)).unwrap();
    let url = Url::parse("http://dev.example/").unwrap();
    let error = client.send(Request::new(Method::GET, url)).unwrap_err();
    assert_eq!(error.to_string(), "dev.example can't be reached: no connection in time");
}

/// A server's certificate and key, and the authority that signed it, which is trusted or not.
struct Certificate {
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: rcgen::KeyPair,
    trusted: Option<String>,
}

fn certificate(
    names: &[&str],
    years: (i32, i32),
    trusted: bool,
) -> Result<Certificate, rcgen::Error> {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    let authority = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate()?)?;
    let key = rcgen::KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = rcgen::CertificateParams::new(names)?;
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let chain = vec![params.signed_by(&key, &authority)?.der().clone()];
    Ok(Certificate { chain, key, trusted: trusted.then(|| authority.pem()) })
}

/// One that signed itself; `is_authority` is what `openssl req -x509` makes.
fn self_signed(is_authority: bool, trusted: bool) -> Result<Certificate, rcgen::Error> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])?;
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let itself = params.self_signed(&key)?;
    let trusted = trusted.then(|| itself.pem());
    Ok(Certificate { chain: vec![itself.der().clone()], key, trusted })
}

/// What a server of TLS with that certificate reads, and what comes of the request.
fn over_tls(certificate: Certificate) -> (String, Result<u16, Error>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certificate.key.serialize_der());
    let mut settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificate.chain, key.into())
        .unwrap();
    settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = rustls::ServerConnection::new(Arc::new(settings)).unwrap();
        let mut stream = rustls::Stream::new(&mut connection, &mut stream);
        let mut read = vec![0; 4096];
        let count = stream.read(&mut read).unwrap_or_default();
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        String::from_utf8_lossy(&read[..count]).into_owned()
    });
    let folder = tempfile::tempdir().unwrap();
    let file = certificate.trusted.map(|pem| {
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, pem).unwrap();
        file
    });
    let settings = Settings { certificates: file, limits: LIMITS, ..Settings::default() };
    let request = Request::new(Method::GET, url).authorization(Some("Basic abc".to_owned().into()));
    let answer = Client::new(&settings).unwrap().send(request);
    (server.join().unwrap(), answer.map(|answer| answer.status().as_u16()))
}

#[test]
fn a_certificate_with_a_fault_is_refused_by_its_name_and_sees_no_secret() {
    let here = &["127.0.0.1"];
    let now = (2020, 4000);
    for (certificate, expected) in [
        (certificate(here, now, false), TlsFault::UnknownIssuer),
        (certificate(here, (2020, 2021), true), TlsFault::Expired),
        (certificate(here, (3999, 4000), true), TlsFault::NotYetValid),
        (certificate(&["dev.azure.com", "127.0.0.2"], now, true), TlsFault::WrongName),
        (self_signed(false, false), TlsFault::UnknownIssuer),
        (self_signed(true, false), TlsFault::AuthorityAsServer),
        (self_signed(true, true), TlsFault::AuthorityAsServer),
    ] {
        let (read, answer) = over_tls(certificate.unwrap());
        match answer {
            Err(Error::Tls { fault, .. }) => assert_eq!(fault, expected),
            other => panic!("{other:?} where {expected:?} is expected"),
        }
        assert_eq!(read, "");
    }
    // The same server is taken where there is nothing wrong with it.
    for certificate in [certificate(here, now, true), self_signed(false, true)] {
        let (read, answer) = over_tls(certificate.unwrap());
        assert_eq!(answer.unwrap(), 204);
        assert!(read.contains("authorization: Basic abc"), "{read}");
    }
}

/// The service has answered 413 to large bodies over HTTP/2.
#[test]
fn a_server_that_prefers_http_2_is_spoken_to_in_1_1() {
    let certificate = certificate(&["127.0.0.1"], (2020, 4000), true).unwrap();
    let (read, answer) = over_tls(certificate);
    assert_eq!(answer.unwrap(), 204);
    assert!(read.starts_with("GET / HTTP/1.1\r\n"), "{read}");
}

/// What a server that answers the first words of TLS so is taken for.
#[test]
fn tls_that_is_not_agreed_on_is_told_by_its_name() {
    let alert = |code: u8| vec![0x15, 3, 1, 0, 2, 2, code];
    for (answer, expected) in [
        (alert(70), TlsFault::Outdated),
        (alert(40), TlsFault::Outdated),
        (alert(112), TlsFault::Other("received fatal alert: UnrecognisedName".to_owned())),
        (Vec::new(), TlsFault::Cut),
        (b"\x16\x03\x03".to_vec(), TlsFault::Cut),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), TlsFault::NoTls),
        (b"SSH-2.0-OpenSSH_9\r\n".to_vec(), TlsFault::NoTls),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello).unwrap();
            stream.write_all(&answer).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            [&hello[..], &rest].concat()
        });
        let request =
            Request::new(Method::GET, url).authorization(Some("Basic abc".to_owned().into()));
        match client(LIMITS).send(request).unwrap_err() {
            Error::Tls { fault, .. } => assert_eq!(fault, expected),
            other => panic!("{other:?} where {expected:?} is expected"),
        }
        assert!(!String::from_utf8_lossy(&server.join().unwrap()).contains("Basic"));
    }
}
