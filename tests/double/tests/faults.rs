//! Replaced answers, faults of the line, the log, and the double's own strictness.

mod common;

use std::io::{Read, Write};
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use common::{ask, connect, exchange, parse};
use double::{Answer, Double, Rule, Token};

const PATH: &str = "/contoso/_apis/connectionData";

fn double() -> (Double, String) {
    let double = Double::start();
    let token = double.organization("contoso").token(Token::new());
    (double, token)
}

#[test]
fn an_answer_is_replaced_as_often_as_was_said() {
    let (double, token) = double();
    let rule = Rule::new("GET", "/Contoso/_apis/CONNECTIONDATA").after(1).times(2);
    double.answer(rule, Answer::throttled(7).header("x-more", "1"));
    double.answer(Rule::new("POST", "…"), Answer::status(500));
    double.answer(Rule::any("…").query("never=asked"), Answer::status(500));
    let statuses: Vec<u16> =
        (0..4).map(|_| ask("GET", PATH).token(&token).send(double.url()).status).collect();
    assert_eq!(statuses, [200, 429, 429, 200]);
    assert_eq!(
        double.requests().iter().map(|request| request.status).collect::<Vec<_>>(),
        statuses
    );
}

#[test]
fn a_reason_stands_in_one_place_only() {
    let (double, token) = double();
    let get = || ask("GET", PATH).token(&token).send(double.url());
    let once = || Rule::any(PATH).times(1);

    double.answer(once(), Answer::service_error("VS403: no & never"));
    let reply = get();
    assert_eq!((reply.status, reply.text().as_str()), (401, ""));
    assert_eq!(reply.header("x-tfs-serviceerror"), Some("VS403%3A%20no%20%26%20never"));

    double.answer(once(), Answer::title("VS403463: The policy's <end>"));
    let reply = get();
    assert!(reply.text().contains("<title>VS403463: The policy&#39;s &lt;end></title>"));
    assert!(reply.body.len() > 40_000);

    for (answer, status) in [
        (Answer::conditional_access(), 403),
        (Answer::expired_token(), 401),
        (Answer::html_page(), 200),
        (Answer::sign_in_page(), 203),
        (Answer::redirect("http://127.0.0.1:1/"), 302),
        (Answer::claims_challenge("e30="), 401),
        (Answer::json(418, &serde_json::json!({"a": 1})), 418),
    ] {
        double.answer(once(), answer);
        assert_eq!(get().status, status);
    }
}

#[test]
fn the_real_answer_can_be_given_late_changed_or_in_drops() {
    let (double, token) = double();
    let get = || ask("GET", PATH).token(&token).send(double.url());
    let pause = Duration::from_millis(20);
    let answer = Answer::real().header("retry-after", "3").delay(pause).drip(400, pause);
    double.answer(Rule::any(PATH).times(1), answer);
    let start = Instant::now();
    let reply = get();
    assert!(start.elapsed() >= pause * 3, "{:?}", start.elapsed());
    assert_eq!((reply.status, reply.header("retry-after")), (200, Some("3")));
    assert_eq!(reply.json(), get().json());
}

#[test]
fn an_answer_can_break_off() {
    let (double, token) = double();
    double.answer(Rule::any(PATH).times(1), Answer::real().cut_after(10));
    let reply = ask("GET", PATH).token(&token).send(double.url());
    assert_eq!(reply.body.len(), 10);
    let promised: usize =
        reply.header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    assert!(promised > 500, "{promised}");

    double.answer(Rule::any(PATH).times(1), Answer::raw("HTTP/1.1 200 OK\r\nx-endless: "));
    let raw = exchange(double.url(), &ask("GET", PATH).raw()).expect("bytes");
    assert_eq!(raw, b"HTTP/1.1 200 OK\r\nx-endless: ");

    double.answer(Rule::any(PATH).times(1), Answer::reset());
    let broken = exchange(double.url(), &ask("GET", PATH).raw());
    let kind = broken.expect_err("a reset").kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionReset);
    let statuses: Vec<u16> = double.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 200, 0]);
}

#[test]
fn a_connection_is_kept_over_refusals() {
    let (double, _) = double();
    let request = ask("POST", "/contoso/_apis/projects").json(&serde_json::json!({"name": "n"}));
    let raw = request.suppress().raw();
    let kept = String::from_utf8_lossy(&raw).replace("Connection: close\r\n", "");
    let both = [kept.as_bytes(), &raw].concat();
    let answers = exchange(double.url(), &both).expect("two answers and an end");
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("HTTP/1.1 401 Unauthorized\r\n").count(), 2, "{answers}");
}

#[test]
fn a_silent_service_says_nothing() {
    let (double, _) = double();
    double.answer(Rule::any(PATH), Answer::silent());
    let mut stream = connect(double.url());
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
    stream.write_all(&ask("GET", PATH).raw()).expect("sent");
    let silence = stream.read(&mut [0; 16]).expect_err("no answer").kind();
    let timeouts = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
    assert!(timeouts.contains(&silence), "{silence:?}");
    assert_eq!(double.requests()[0].status, 0);
}

#[test]
fn an_upload_can_be_answered_before_it_came_and_in_its_middle() {
    let (double, _) = double();
    let path = "/contoso/shop/_git/web/git-receive-pack";
    double.answer(Rule::any(path).times(1), Answer::status(413).before_body());
    double.answer(Rule::any(path).times(1), Answer::status(401).after_reading(100_000));
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (chunks, status) in [(0, 413), (2, 401)] {
        let mut stream = connect(double.url());
        stream.write_all(head.as_bytes()).expect("sent");
        for _ in 0..chunks {
            let chunk = [b"10000\r\n".to_vec(), vec![7; 0x10000], b"\r\n".to_vec()].concat();
            stream.write_all(&chunk).expect("sent");
        }
        // No last chunk: the answer comes while the upload is still open, and ends the connection.
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer and an end");
        assert_eq!(parse(&answer).map(|reply| reply.status), Some(status));
    }
    let requests = double.requests();
    assert_eq!(requests[0].body_bytes, 0);
    assert!(requests[1].chunked && requests[1].body_bytes >= 100_000, "{}", requests[1].body_bytes);
}

#[test]
fn a_request_is_logged_as_it_came() {
    let (double, token) = double();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    double.log_to(&log);
    ask("GET", "/contoso/_apis/projects/a%20b?x=%20y")
        .token(&token)
        .header("Accept-Encoding", "GZIP;q=0.5, br")
        .send(double.url());
    ask("POST", "/contoso/_apis/projects")
        .json(&serde_json::json!({"name": "n"}))
        .suppress()
        .send(double.url());
    let requests = double.requests();
    assert_eq!(requests[0].to_string(), "GET /contoso/_apis/projects/a%20b?x=%20y 404");
    assert_eq!(requests[0].authorization_kind(), Some("Basic"));
    assert_eq!(requests[0].user().as_deref(), Some(""));
    assert_eq!(requests[0].accepted_encodings, ["gzip", "br"]);
    assert_eq!((&requests[1].authorization, requests[1].body_bytes), (&None, 12));
    assert_eq!(requests[1].json(), Some(serde_json::json!({"name": "n"})));
    assert_eq!((requests[1].chunked, requests[1].content_length), (false, Some(12)));
    let lines = std::fs::read_to_string(&log).expect("a log");
    assert_eq!(
        lines,
        "{\"method\":\"GET\",\"path\":\"/contoso/_apis/projects/a%20b\",\"status\":404}\n\
         {\"method\":\"POST\",\"path\":\"/contoso/_apis/projects\",\"status\":401}\n"
    );
    double.clear_requests();
    assert!(double.requests().is_empty());
    assert_eq!(double.secrets(), [token]);
}

#[test]
fn a_token_has_the_form_of_2024() {
    let (double, token) = double();
    assert_eq!((token.len(), &token[76..80]), (84, "AZDO"));
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    let another = double.organization("CONTOSO").token(Token::new());
    assert_ne!(token, another);
}

#[test]
fn what_nothing_serves_fails_the_test_in_the_end() {
    let served = |path: &'static str, expected: bool| {
        catch_unwind(move || {
            let (double, token) = double();
            if expected {
                double.expect_unserved();
            }
            ask("GET", path).token(&token).send(double.url()).status
        })
    };
    let told = served("/contoso/_apis/wit/fields?a=b", false).expect_err("a panic");
    let told = told.downcast_ref::<String>().expect("a text");
    assert_eq!(
        told,
        "asked for what this Azure DevOps does not serve:\n  GET /contoso/_apis/wit/fields?a=b"
    );
    assert_eq!(served("/contoso/_apis/wit/fields", true).ok(), Some(404));
    assert!(served("/contoso/shop/_git/web/HEAD", false).is_err(), "the dumb protocol");
    assert_eq!(served("/nobody/_apis/projects", false).ok(), Some(404));
}
