//! A person at a browser, as far as a sign-in needs one: it fills forms in, sends on what wants to
//! be sent on, and follows redirects.

use std::io;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN, USER_AGENT};
use axum::http::{HeaderMap, Request};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

use super::page::unescape;
use crate::names::encode;

/// Largest page that is read.
const PAGE: usize = 1024 * 1024;
/// More pages than any sign-in has.
const PAGES: usize = 10;

/// The page where a person is in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Landing {
    /// Its address, as it stands in the address bar.
    pub address: String,
    /// The status that it came with.
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The page.
    pub page: String,
}

impl Landing {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Opens the address and goes on to the end, with those words for the first form that asks.
pub(super) fn visit(address: &str, words: &[(&str, &str)]) -> Landing {
    // On a thread of its own: one runtime must not wait inside another.
    std::thread::scope(|scope| {
        let visiting = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.and_then(|runtime| runtime.block_on(walk(address, words)))
        });
        let landing = visiting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        landing.unwrap_or_else(|fault| panic!("nobody could sign in: {fault}"))
    })
}

async fn walk(address: &str, words: &[(&str, &str)]) -> io::Result<Landing> {
    let mut landing = fetch(&parse(address)?, None).await?;
    let mut is_asked = true;
    for _ in 0..PAGES {
        let here = parse(&landing.address)?;
        if let (300..400, Some(location)) = (landing.status, landing.header("location")) {
            landing = fetch(&here.join(location).map_err(io::Error::other)?, None).await?;
            continue;
        }
        let Some(form) = Form::in_page(&landing.page) else { return Ok(landing) };
        // A page without a script wants a person, who says it all once.
        let said = match landing.page.contains("<script>") {
            true => &[][..],
            false if is_asked => words,
            false => return Ok(landing),
        };
        is_asked &= said.is_empty();
        let to = here.join(&form.action).map_err(io::Error::other)?;
        landing = fetch(&to, Some((&here, form.filled(said)))).await?;
    }
    Err(io::Error::other("this sign-in has no end"))
}

fn parse(address: &str) -> io::Result<Url> {
    Url::parse(address).map_err(io::Error::other)
}

/// Gets a page, or sends a form that stands on another one.
async fn fetch(url: &Url, form: Option<(&Url, String)>) -> io::Result<Landing> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request =
        Request::builder().uri(target).header(HOST, authority).header(USER_AGENT, "browser");
    let request = match form {
        None => request.body(Body::empty()),
        Some((page, form)) => request
            .method("POST")
            .header(ORIGIN, page.origin().ascii_serialization())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form)),
    };
    let answer = sender.send_request(request.map_err(io::Error::other)?).await;
    let (head, body) = answer.map_err(io::Error::other)?.into_parts();
    let body = to_bytes(Body::new(body), PAGE).await.map_err(io::Error::other)?;
    Ok(Landing {
        address: url.to_string(),
        status: head.status.as_u16(),
        headers: headers(&head.headers),
        page: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text =
        |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// The first form of a page.
struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

impl Form {
    fn in_page(page: &str) -> Option<Form> {
        let (_, form) = page.split_once("<form ")?;
        let (head, inputs) = form.split_once('>')?;
        let inputs = inputs.split("<input ").skip(1).filter_map(|input| input.split_once('>'));
        let hidden = inputs.filter(|(input, _)| input.starts_with("type=\"hidden\""));
        let pair = |(input, _)| Some((attribute(input, "name")?, attribute(input, "value")?));
        Some(Form { action: attribute(head, "action")?, hidden: hidden.filter_map(pair).collect() })
    }

    fn filled(&self, words: &[(&str, &str)]) -> String {
        let hidden = self.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = hidden.chain(words.iter().copied());
        pairs.map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!("{name}=\""))?;
    Some(unescape(value.split_once('"')?.0))
}
