//! What the tests of the double share: a plain HTTP client and a hermetic git.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// An answer, taken apart.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON, not {self:?}"))
    }

    /// Status, `typeKey` and message on one line, as a table of refusals needs it.
    pub fn refusal(&self) -> String {
        let body = self.json();
        let text = |key: &str| body[key].as_str().unwrap_or("-").to_owned();
        let message = text("message");
        let code = message.split(':').next().unwrap_or_default();
        let code = if code.contains(' ') { "-" } else { code };
        format!("{} {} {code}", self.status, text("typeKey"))
    }
}

/// A request to be sent.
#[derive(Clone)]
pub struct Ask {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub fn ask(method: &str, target: &str) -> Ask {
    Ask { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
}

impl Ask {
    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn token(self, token: &str) -> Ask {
        let credential = STANDARD.encode(format!(":{token}"));
        self.header("Authorization", &format!("Basic {credential}"))
    }

    pub fn bearer(self, token: &str) -> Ask {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn suppress(self) -> Ask {
        self.header("X-TFS-FedAuthRedirect", "Suppress")
    }

    pub fn json(mut self, body: &Value) -> Ask {
        self.body = body.to_string().into_bytes();
        self.header("Content-Type", "application/json")
    }

    pub fn bytes(mut self, body: Vec<u8>) -> Ask {
        self.body = body;
        self
    }

    /// Head and body as they go over the line.
    pub fn raw(&self) -> Vec<u8> {
        let mut raw = format!("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            raw.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            raw.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        [raw.as_bytes(), b"Connection: close\r\n\r\n", &self.body].concat()
    }

    /// Sends it to the server of that address (`http://HOST:PORT`) and reads the answer.
    pub fn send(self, url: &str) -> Reply {
        let raw = exchange(url, &self.raw()).expect("an answer");
        parse(&raw).unwrap_or_else(|| panic!("HTTP, not {}", String::from_utf8_lossy(&raw)))
    }
}

/// Opens a connection.
pub fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    stream
}

/// Sends those bytes and reads to the end of the connection.
pub fn exchange(url: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(url);
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Takes an answer apart; chunks are put together.
pub fn parse(raw: &[u8]) -> Option<Reply> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&raw[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = lines.filter_map(pair).collect();
    let chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &raw[end + 4..];
    let body = if chunked { join(body)? } else { body.to_vec() };
    Some(Reply { status, headers, body })
}

fn join(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}

/// What a git said: its status, then both streams without the addresses that differ each time.
pub struct Said {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Runs git in a folder, with none of this machine's configuration, and with that token as the
/// credential of every address.
pub fn git(folder: &Path, token: &str, arguments: &[&str]) -> Said {
    let credential = STANDARD.encode(format!(":{token}"));
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_AUTHOR_NAME", "Ada Lovelace"),
        ("GIT_AUTHOR_EMAIL", "ada@contoso.com"),
        ("GIT_AUTHOR_DATE", "2026-11-25T12:00:00Z"),
        ("GIT_COMMITTER_NAME", "Ada Lovelace"),
        ("GIT_COMMITTER_EMAIL", "ada@contoso.com"),
        ("GIT_COMMITTER_DATE", "2026-11-25T12:00:00Z"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    if !token.is_empty() {
        let header = format!("http.extraHeader=Authorization: Basic {credential}");
        command.args(["-c", &header]);
    }
    command.args(["-c", "init.defaultBranch=main"]).args(arguments).current_dir(folder);
    let output = command.output().expect("git is installed");
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    };
    Said {
        success: output.status.success(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// A git whose failure is not what the test is about.
pub fn git_must(folder: &Path, token: &str, arguments: &[&str]) -> String {
    let said = git(folder, token, arguments);
    assert!(said.success, "git {arguments:?}: {}", said.stderr);
    said.stdout
}

/// A repository with one commit on `main`, which holds `file` with that content.
pub fn repository_with(folder: &Path, content: &[u8]) {
    git_must(folder, "", &["init", "--quiet"]);
    std::fs::write(folder.join("file"), content).expect("a file");
    git_must(folder, "", &["add", "file"]);
    git_must(folder, "", &["commit", "--quiet", "--message", "first"]);
}
