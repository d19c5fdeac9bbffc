//! Debian's Chromium (package chromium), as the program under test itself starts it, and a person who
//! sits at it by way of WebDriver (package chromium-driver; w3.org/TR/webdriver2).

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// How long something may take to appear on a page, and the driver to answer.
const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(60);

/// Neither a display, nor anything that it does on its own account, nor a host but this computer. As
/// root it does not run in its own sandbox.
const ARGUMENTS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage \
    --no-first-run --disable-background-networking --disable-component-update --disable-sync \
    --remote-debugging-port=0 --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'";

/// What is the browser of whoever sits in a sandbox, and was not started yet.
pub struct Installed {
    pipe: PathBuf,
}

/// It runs, and shows a page.
pub struct Chromium {
    _processes: Processes,
    driver: Child,
    port: u16,
    session: String,
}

/// All of its own, which end with this.
struct Processes(Pid);

impl Drop for Processes {
    fn drop(&mut self) {
        // Not all of them end with the first one.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// Makes Chromium the browser of whoever sits in the sandbox, with more arguments. `edit` is what sed
/// does to the address that it is to open. It is in no terminal's session, or would end with the
/// dialogue, whose page is still to be looked at.
pub fn install(sandbox: &Sandbox, arguments: &str, edit: &str) -> Installed {
    let home = sandbox.home();
    let (pipe, program) = (home.join("chromium-says"), home.join("chromium.sh"));
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
    assert!(made.success());
    let script = format!(
        "#!/bin/sh\nexec >'{}' 2>&1\necho $$\naddress=$(printf '%s' \"$1\" | sed '{edit}')\n\
         exec setsid chromium {ARGUMENTS} --user-data-dir='{}' {arguments} \"$address\"\n",
        pipe.display(),
        home.join("chromium").display(),
    );
    fs::write(&program, script).expect("the home is ours");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is our own");
    sandbox.set("BROWSER", &program.display().to_string());
    Installed { pipe }
}

impl Installed {
    /// Waits until the program under test has started it, and sits down at it.
    pub fn started(self) -> Chromium {
        let mut said = BufReader::new(File::open(self.pipe).expect("it is started"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it says who it is");
        let process = line.trim().parse().ok().and_then(Pid::from_raw);
        let processes = Processes(process.expect("the script's number"));
        let debugger = after(&mut said, "DevTools listening on ws://");
        // It would stand still where nobody reads what it says.
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        let (debugger, _) = debugger.split_once('/').expect("an address with a path");

        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut driver = command.spawn().expect("chromedriver");
        let mut said = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = after(&mut said, "started successfully on port ");
        let port = port.trim_end_matches('.').parse().expect("a port");
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        let mut chromium = Chromium { _processes: processes, driver, port, session: String::new() };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "timeouts": { "implicit": PATIENCE.as_millis() },
            "goog:chromeOptions": { "debuggerAddress": debugger },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = chromium.ask("POST", "/session", &wanted);
        chromium.session = session["sessionId"].as_str().expect("a session").to_owned();
        chromium
    }
}

/// The rest of the first line that has this in it.
fn after(said: &mut impl io::BufRead, mark: &str) -> String {
    let mut all = String::new();
    for line in said.lines() {
        let line = line.expect("a text");
        if let Some((_, rest)) = line.split_once(mark) {
            return rest.to_owned();
        }
        all.push_str(&line);
        all.push('\n');
    }
    panic!("{mark:?} was not said, but:\n{all}");
}

impl Chromium {
    /// Presses the first thing on the page that a CSS selector finds, as soon as it is there.
    #[track_caller]
    pub fn press(&self, selector: &str) {
        let element = self.find("css selector", selector);
        self.on_page("POST", &format!("element/{element}/click"), &json!({}));
    }

    /// Types into it.
    #[track_caller]
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.find("css selector", selector);
        self.on_page("POST", &format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// Waits for a heading or a paragraph that begins so, and gives it whole.
    #[track_caller]
    pub fn reads(&self, text: &str) -> String {
        self.reads_one_of(&[text])
    }

    /// The same for whichever of them comes.
    #[track_caller]
    pub fn reads_one_of(&self, texts: &[&str]) -> String {
        let begins = |text: &&str| format!("starts-with(normalize-space(), '{text}')");
        let begins: Vec<_> = texts.iter().map(begins).collect();
        let path = format!("//*[self::h1 or self::p][{}]", begins.join(" or "));
        let element = self.find("xpath", &path);
        let text = self.on_page("GET", &format!("element/{element}/text"), &Value::Null);
        text.as_str().expect("a text").to_owned()
    }

    /// What stands in the address bar.
    pub fn address(&self) -> String {
        self.on_page("GET", "url", &Value::Null).as_str().expect("a text").to_owned()
    }

    /// The value of an expression of JavaScript's on the page.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.on_page("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.on_page("POST", "goog/cdp/execute", &body)
    }

    /// What the console shows since it was last asked.
    pub fn console(&self) -> Vec<String> {
        let entries = self.on_page("POST", "se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("a list").iter();
        entries.map(|entry| entry["message"].to_string()).collect()
    }

    /// A picture of the page (PNG).
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.on_page("GET", "screenshot", &Value::Null);
        let picture = picture.as_str().expect("a text");
        base64::engine::general_purpose::STANDARD.decode(picture).expect("base64")
    }

    #[track_caller]
    fn find(&self, by: &str, what: &str) -> String {
        let element = self.on_page("POST", "element", &json!({ "using": by, "value": what }));
        let element = element.as_object().and_then(|names| names.values().next()?.as_str());
        element.expect("an element").to_owned()
    }

    #[track_caller]
    fn on_page(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}/{path}", self.session), body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the driver");
        stream.set_read_timeout(Some(LONGEST)).expect("it is a time");
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.port,
        )
        .expect("the driver reads");
        // It keeps the connection, whatever it is asked for, so the body has to be counted.
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).expect("the driver answers");
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().expect("a length");
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).expect("the driver answers");
        let mut answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{method} {path} {body}: {value:#}");
        value
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
