//! A home of its own, a double of Azure DevOps, and the built binary between them.
//!
//! Nothing of whoever runs the tests reaches the binary: the environment is cleared, git reads no
//! configuration but the sandbox's, author, committer and dates are fixed. What is printed comes
//! back with the sandbox's own paths and addresses replaced by names, and no output may hold a
//! token that the double handed out: each run is checked for it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use double::{Double, Landing, Organization, Token};
use expectrl::Expect as _;
use expectrl::process::unix::{UnixProcess, WaitStatus};
use expectrl::session::OsSession;

/// The scopes that a token needs for everything but making a project.
pub const SCOPES: &str = "vso.code_manage vso.project";
/// How long a dialogue may take, in all its steps.
const PATIENCE: Duration = Duration::from_secs(20);

/// The surroundings of a test.
pub struct Sandbox {
    root: tempfile::TempDir,
    pub azure: Double,
    environment: RefCell<Vec<(String, String)>>,
    /// Secrets beside those that the double handed out.
    secrets: RefCell<Vec<String>>,
}

/// What a run printed, and how it ended.
#[must_use = "what was printed and how it ended is what a test looks at"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub status: i32,
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.stdout.is_empty() {
            write!(formatter, "--- stdout\n{}", self.stdout)?;
        }
        if !self.stderr.is_empty() {
            write!(formatter, "--- stderr\n{}", self.stderr)?;
        }
        writeln!(formatter, "[exit {}]", self.status)
    }
}

impl Output {
    /// The object that `--json` printed.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}

impl Sandbox {
    /// An empty home, and an Azure DevOps with the organization `contoso`, whose project `shop` has
    /// the empty repository `shop` that every project begins with.
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        for folder in ["home", "work", "server", "bin"] {
            fs::create_dir(root.path().join(folder)).expect("it is empty");
        }
        let program = env!("CARGO_BIN_EXE_git-vsts");
        symlink(program, root.path().join("bin/git-vsts")).expect("the folder is empty");
        let azure = Double::start_in(&root.path().join("server"));
        azure.organization("contoso").person("ada@contoso.com", "Ada Lovelace").project("shop");
        let sandbox =
            Self { root, azure, environment: RefCell::default(), secrets: RefCell::default() };
        sandbox.write_home(
            ".gitconfig",
            "[user]\n\tname = Ada Lovelace\n\temail = ada@contoso.com\n[init]\n\tdefaultBranch = main\n",
        );
        sandbox
    }

    /// The same, with a token for `contoso` kept.
    pub fn signed_in() -> Self {
        let sandbox = Self::new();
        sandbox.sign_in("contoso");
        sandbox
    }

    /// Keeps a token for an organization by a real `login`, and gives it.
    pub fn sign_in(&self, organization: &str) -> String {
        let token = self.token(organization);
        let output = self.run_with_stdin(["login", organization, "--pat-stdin"], &token);
        assert_eq!(output.status, 0, "{output}");
        self.azure.clear_requests();
        token
    }

    /// A token of the usual scopes.
    pub fn token(&self, organization: &str) -> String {
        let token = Token::new().scopes(SCOPES).account("ada@contoso.com").valid_days(30);
        self.azure.organization(organization).token(token)
    }

    /// The organization `contoso`.
    pub fn contoso(&self) -> Organization {
        self.azure.organization("contoso")
    }

    /// The folder that commands are started in.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The built binary, as a package would install it: by a link in a folder of its own.
    pub fn program(&self) -> String {
        self.root.path().join("bin/git-vsts").display().to_string()
    }

    /// Where that package's files are, beside its `bin`.
    pub fn share(&self) -> PathBuf {
        self.root.path().join("share")
    }

    /// The home.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Where the file store keeps what is kept.
    pub fn credentials(&self) -> PathBuf {
        self.home().join(".local/share/git-vsts/credentials.json")
    }

    /// Sets a variable for every run from now on; an empty value unsets it.
    pub fn set(&self, name: &str, value: &str) {
        let mut environment = self.environment.borrow_mut();
        environment.retain(|(met, _)| met != name);
        environment.push((name.to_owned(), value.to_owned()));
    }

    /// A secret that no output may hold.
    pub fn secret(&self, secret: &str) {
        self.secrets.borrow_mut().push(secret.to_owned());
    }

    /// Writes a file below the work folder, with its folders.
    pub fn write(&self, path: &str, content: &str) {
        write(&self.work().join(path), content);
    }

    /// Writes a file below the home.
    pub fn write_home(&self, path: &str, content: &str) {
        write(&self.home().join(path), content);
    }

    /// Makes the work folder a repository with one commit on `main`.
    pub fn repository(&self) {
        let _ = self.git(["init", "--quiet"]);
        self.commit("file", "one\n", "One");
    }

    /// The same, with a remote `origin` for `contoso/shop/web`, which is there and empty.
    pub fn connected() -> Self {
        let sandbox = Self::signed_in();
        sandbox.contoso().repository("shop", "web");
        sandbox.repository();
        let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
        sandbox
    }

    /// Commits a file.
    pub fn commit(&self, path: &str, content: &str, message: &str) {
        self.write(path, content);
        let _ = self.git(["add", "--all"]);
        let _ = self.git(["commit", "--quiet", "--message", message]);
    }

    /// Gives whoever sits here a browser, in which that account signs in once, and the page that this
    /// ends on.
    pub fn browser(&self, account: &str) -> JoinHandle<Landing> {
        let pipe = self.root.path().join("visited");
        let program = self.root.path().join("bin/browser");
        if !pipe.exists() {
            let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
            assert!(made.success());
            let script = format!("#!/bin/sh\nprintf '%s' \"$1\" >'{}'\n", pipe.display());
            write_program(&program, &script);
        }
        self.set("BROWSER", &program.display().to_string());
        let (microsoft, account) = (self.azure.microsoft(), account.to_owned());
        thread::spawn(move || {
            let address =
                fs::read_to_string(&pipe).expect("the browser is started with an address");
            microsoft.sign_in_at(&address, &account)
        })
    }

    /// An address of the double.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.azure.url())
    }

    /// What a bare repository of the server says to a git command.
    pub fn server(&self, project: &str, repository: &str, arguments: &[&str]) -> String {
        let directory = self.contoso().bare(project, repository);
        let mut command = self.command("git", arguments, &directory);
        let output = command.output().expect("git can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("git prints text").trim_end().to_owned()
    }

    /// The requests that the double got since it was last cleared, as `METHOD /path status`.
    pub fn requests(&self) -> Vec<String> {
        self.azure.requests().iter().map(|request| self.named(&request.to_string())).collect()
    }

    /// Runs `git vsts` without a terminal and with nothing on standard input.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Output {
        self.run_with_stdin(arguments, "")
    }

    /// Runs `git vsts` with a text on standard input.
    pub fn run_with_stdin<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
        stdin: &str,
    ) -> Output {
        self.run_in(&self.work(), arguments, stdin)
    }

    /// Runs `git vsts` in another folder.
    pub fn run_in<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        directory: &Path,
        arguments: I,
        stdin: &str,
    ) -> Output {
        let mut command = self.command(&self.program(), arguments, directory);
        self.finish(&mut command, stdin)
    }

    /// Runs git in the work folder; it must succeed.
    #[track_caller]
    pub fn git<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> String {
        let output = self.command("git", arguments, &self.work()).output().expect("git can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("git prints text").trim_end().to_owned()
    }

    /// Starts `git vsts` on a terminal of its own, for a dialogue.
    pub fn on_terminal<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
    ) -> Dialogue<'_> {
        self.dialogue(self.command(&self.program(), arguments, &self.work()))
    }

    /// Starts a command on a terminal of its own.
    pub fn dialogue(&self, command: Command) -> Dialogue<'_> {
        let mut session = OsSession::spawn(command).expect("a terminal can be had");
        session.set_expect_timeout(Some(PATIENCE));
        Dialogue { session, sandbox: self, seen: String::new() }
    }

    /// A command in the sandbox's surroundings.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: I,
        directory: &Path,
    ) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .env("PATH", path(&self.program()))
            .env("HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", "2026-11-25T12:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-11-25T12:00:00Z")
            .env("GIT_VSTS_AZURE_URL", self.azure.url())
            .env("GIT_VSTS_LOGIN_URL", self.azure.url())
            .env("GIT_VSTS_STORE", "file")
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm")
            .env("NO_COLOR", "1");
        for (name, value) in &*self.environment.borrow() {
            match value.is_empty() {
                true => command.env_remove(name),
                false => command.env(name, value),
            };
        }
        command
    }

    /// Runs a command to its end.
    pub fn finish(&self, command: &mut Command, stdin: &str) -> Output {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be run");
        // Whoever does not read it closes it, which is no fault.
        let _ = child.stdin.take().expect("it is piped").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes| self.named(&String::from_utf8(bytes).expect("it prints text"));
        let output = Output {
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            status: output.status.code().unwrap_or_else(|| signal(output.status)),
        };
        self.check(&output.to_string());
        output
    }

    /// Panics if a text holds a secret, plain or in one of the forms that it travels in.
    #[track_caller]
    pub fn check(&self, text: &str) {
        use base64::Engine as _;
        let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
        for secret in self.azure.secrets().into_iter().chain(self.secrets.borrow().clone()) {
            let forms = [secret.clone(), encode(secret.clone()), encode(format!(":{secret}"))];
            for form in forms {
                assert!(!text.contains(&form), "a secret was printed:\n{text}");
            }
        }
    }

    /// From now on the service is the hosted one, which the double plays under its real names.
    pub fn hosted(&self) {
        let hosts = self.azure.hosts();
        let authority = hosts.authority.display().to_string();
        self.set("GIT_VSTS_AZURE_URL", "");
        self.set("HTTPS_PROXY", &hosts.proxy);
        self.set("SSL_CERT_FILE", &authority);
        self.set("GIT_SSL_CAINFO", &authority);
    }

    /// Runs git in the work folder, with nobody to ask, and gives all that it said.
    pub fn plain_git<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Output {
        let mut command = self.command("git", arguments, &self.work());
        self.finish(command.env("GIT_TERMINAL_PROMPT", "0"), "")
    }

    /// A text with what differs between runs replaced by names.
    fn named(&self, text: &str) -> String {
        let host = self.azure.url().trim_start_matches("http://").to_owned();
        let root = self.root.path().display().to_string();
        // What the override says is the same in every test, and tells nothing.
        let warning = |name| format!("warning: {name} is in force: {}\n", self.azure.url());
        // Of where the built binary is, which is another place in each clone.
        // And of the store that every test has set.
        let spot = |line: &&str| {
            !line.starts_with("warning: git will run ")
                && !line
                    .starts_with("warning: git finds it where GIT_VSTS_STORE is set; `git config")
        };
        let text: String = text.split_inclusive('\n').filter(spot).collect();
        text.replace(&warning("GIT_VSTS_AZURE_URL"), "")
            .replace(&warning("GIT_VSTS_LOGIN_URL"), "")
            .replace(self.azure.url(), "https://azure")
            .replace(&host, "azure")
            .replace(&root, "")
            .split_inclusive('\n')
            .map(steady)
            .collect()
    }
}

/// A run on a terminal, step by step.
#[must_use = "a dialogue that is not ended is not looked at"]
pub struct Dialogue<'s> {
    session: OsSession,
    sandbox: &'s Sandbox,
    seen: String,
}

impl Dialogue<'_> {
    /// Waits for a text.
    #[track_caller]
    pub fn expect(mut self, text: &str) -> Self {
        match self.session.expect(text) {
            Ok(found) => self.seen.push_str(&String::from_utf8_lossy(found.as_bytes())),
            Err(error) => panic!("{text:?} was not shown ({error}) after:\n{}", self.seen),
        }
        self
    }

    /// Types a line.
    pub fn answer(mut self, text: &str) -> Self {
        self.session.send(format!("{text}\r")).expect("it is read");
        self
    }

    /// Types without a line end.
    pub fn press(mut self, keys: &str) -> Self {
        self.session.send(keys).expect("it is read");
        self
    }

    /// Waits for the end, and gives all that was shown, and the status.
    #[track_caller]
    pub fn end(mut self) -> (String, i32) {
        match self.session.expect(expectrl::Eof) {
            Ok(found) => self.seen.push_str(&String::from_utf8_lossy(found.as_bytes())),
            Err(error) => panic!("no end ({error}) after:\n{}", self.seen),
        }
        let process: &UnixProcess = self.session.get_process();
        let status = match process.wait().expect("it has ended") {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => panic!("{other:?}"),
        };
        self.sandbox.check(&self.seen);
        (self.sandbox.named(&plain(&self.seen)), status)
    }

    /// Waits for the end of the line, and gives what stands on the rest of it.
    #[allow(dead_code, reason = "it is the real parts that need it")]
    #[track_caller]
    pub fn line(mut self) -> (Self, String) {
        let found = self.session.expect("\r\n").expect("a whole line");
        self.seen.push_str(&String::from_utf8_lossy(found.as_bytes()));
        let line = String::from_utf8_lossy(found.before()).into_owned();
        (self, line)
    }
}

/// A line about a Microsoft sign-in without what is random in it, and without the day of today.
fn steady(line: &str) -> String {
    let end = if line.ends_with('\n') { "\n" } else { "" };
    match (line.split_once("/authorize?"), line.split_once(" until ")) {
        (Some((before, _)), _) if line.starts_with("Opening ") => {
            format!("{before}/authorize?… (or visit it yourself){end}")
        }
        (_, Some((before, _))) if line.starts_with("Signed in to ") => {
            format!("{before} until DATE{end}")
        }
        (_, Some((before, rest))) if line.starts_with("warning: the token that was made ") => {
            let (_, rest) = rest.split_once(';').expect("what to do stands behind the date");
            format!("{before} until DATE;{rest}")
        }
        _ => line.to_owned(),
    }
}

/// What stays on a terminal when all of this was shown on it.
fn plain(shown: &str) -> String {
    let mut terminal = vt100::Parser::new(200, 2000, 0);
    terminal.process(shown.as_bytes());
    terminal.screen().contents().trim_end().to_owned()
}

/// The search path, with the binary's link first, so that `git vsts` is it.
fn path(binary: &str) -> std::ffi::OsString {
    let mut path = Path::new(binary).parent().expect("it is in a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// Writes a program, such as a hook, with its folders.
pub fn write_program(path: &Path, text: &str) {
    write(path, text);
    let runs = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, runs).expect("it is our own");
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("it has a folder")).expect("folders can be made");
    fs::write(path, content).expect("it can be written");
}

#[cfg(unix)]
fn signal(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    128 + status.signal().unwrap_or_default()
}

#[cfg(not(unix))]
fn signal(_: std::process::ExitStatus) -> i32 {
    -1
}
