//! A desktop session of its own for one test: a sandbox, a private D-Bus session bus, and
//! gnome-keyring on it.
//!
//! Needs `dbus-daemon` and `dbus-send` (package dbus), `gnome-keyring-daemon` (gnome-keyring),
//! `secret-tool` (libsecret-tools) and, for [`Session::expect_question`], python3. The bus has no
//! service files, so nothing is started on demand, neither a second keyring nor a prompter: a
//! question that nobody is expected to answer is dismissed at once.

use std::fs::{self, DirBuilder};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::Sandbox;

/// What a session has in the way of a keychain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A login keyring, unlocked, empty.
    Unlocked,
    /// The same, not unlocked since its daemon started.
    Locked,
    /// A keyring service without any keyring.
    NoCollection,
    /// A bus with no keyring service.
    Absent,
    /// A keyring service that never answers.
    Hung,
    /// No session bus.
    NoBus,
}

/// What the person does when the keyring asks for its password.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Types it.
    Password,
    /// Presses Cancel.
    Cancel,
    /// Is not there.
    Never,
}

/// The session. Everything in it ends when it is dropped.
pub struct Session {
    /// The home, and the Azure DevOps, of whoever is in the session.
    pub sandbox: Sandbox,
    bus: Option<Child>,
    keyring: Option<Child>,
    prompter: Option<Child>,
    prompter_name: Option<String>,
}

/// The prompter that gnome-keyring's own tests use (gcr-mock-prompter.h; the library's name
/// changed with its version 4): it prints its name on the bus and lives until its input ends.
const PROMPTER: &str = "
import ctypes, sys
def library():
    for name in ('libgcr-base-3.so.1', 'libgcr-4.so.4'):
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            reason = error
    raise reason
gcr = library()
gcr.gcr_mock_prompter_start.restype = ctypes.c_char_p
print(gcr.gcr_mock_prompter_start().decode(), flush=True)
answer, password = sys.argv[1:]
if answer == 'Cancel':
    gcr.gcr_mock_prompter_expect_password_cancel()
else:
    gcr.gcr_mock_prompter_expect_password_ok(password.encode(), None)
if answer == 'Never':
    gcr.gcr_mock_prompter_set_delay_msec(3600000)
sys.stdin.read()
";

/// Of the login keyring.
const PASSWORD: &str = "correct horse";

/// Longer than a slow computer takes to start a daemon.
const START: Duration = Duration::from_secs(20);

const BUS: &str =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"
 \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">
<busconfig>
  <type>session</type>
  <listen>unix:path=RUNTIME/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context=\"default\">
    <allow send_destination=\"*\" eavesdrop=\"true\"/>
    <allow eavesdrop=\"true\"/>
    <allow own=\"*\"/>
  </policy>
</busconfig>
";

impl Session {
    /// Starts a session in this state. Credentials are kept where they are without any setting.
    pub fn start(state: State) -> Self {
        let sandbox = Sandbox::new();
        sandbox.set("GIT_VSTS_STORE", "");
        let runtime = sandbox.home().join("run");
        let made = DirBuilder::new().mode(0o700).create(&runtime);
        made.expect("a folder in the session's home");
        sandbox.set("XDG_RUNTIME_DIR", &runtime.display().to_string());
        let mut session =
            Self { sandbox, bus: None, keyring: None, prompter: None, prompter_name: None };
        session.start_bus();
        session.unlock();
        session.enter(state);
        session
    }

    /// From an unlocked session makes one in this state. Nothing that was kept is lost by it.
    pub fn enter(&mut self, state: State) {
        match state {
            State::Unlocked => {}
            State::Locked => self.lock(),
            State::NoCollection => {
                end(&mut self.keyring);
                fs::rename(self.keyrings(), self.keyrings_away()).expect("the keyring's folder");
                self.start_keyring(None);
            }
            State::Absent => self.end_keyring(),
            State::Hung => self.hang(),
            State::NoBus => {
                self.end_keyring();
                end(&mut self.bus);
                fs::remove_file(self.runtime().join("bus")).expect("the bus's socket");
                self.sandbox.set("DBUS_SESSION_BUS_ADDRESS", "");
            }
        }
    }

    /// Makes it an unlocked session again, whatever became of it.
    pub fn restore(&mut self) {
        end(&mut self.keyring);
        if self.keyrings_away().exists() {
            fs::remove_dir_all(self.keyrings()).expect("the daemon made a folder");
            fs::rename(self.keyrings_away(), self.keyrings()).expect("the keyring's folder");
        }
        if self.bus.is_none() {
            self.start_bus();
        }
        self.unlock();
    }

    /// A session with a sign-in to `contoso` kept, and the token.
    pub fn signed_in() -> (Self, String) {
        let session = Self::start(State::Unlocked);
        let token = session.sandbox.sign_in("contoso");
        (session, token)
    }

    /// The account under which the sign-in to an organization is kept.
    pub fn account(&self, organization: &str) -> String {
        self.sandbox.url(organization)
    }

    /// A program of this session.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        self.sandbox.command(program, arguments, &self.sandbox.home())
    }

    /// The daemon anew, with its login keyring unlocked (and made, if there was none).
    pub fn unlock(&mut self) {
        self.start_keyring(Some(PASSWORD));
    }

    /// From the next [`lock`](Session::lock) on there is somebody to answer one question for the
    /// password.
    pub fn expect_question(&mut self, answer: Answer) {
        end(&mut self.prompter);
        let mut command =
            self.command("python3", &["-c", PROMPTER, &format!("{answer:?}"), PASSWORD]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut prompter = command.spawn().expect("python3");
        let mut name = String::new();
        let output = prompter.stdout.take().expect("it is piped");
        self.prompter = Some(prompter);
        BufReader::new(output).read_line(&mut name).expect("the prompter's name");
        assert!(name.starts_with(':'), "the prompter did not start");
        self.prompter_name = Some(name.trim_end().to_owned());
    }

    /// The daemon anew, with nothing unlocked: attributes are hashed, labels are empty.
    pub fn lock(&mut self) {
        self.start_keyring(None);
    }

    /// Locks the login keyring in the running daemon, which goes on knowing its attributes.
    pub fn lock_softly(&self) {
        let login = "array:objpath:/org/freedesktop/secrets/collection/login";
        let output = self.bus_call(&[
            "--dest=org.freedesktop.secrets",
            "/org/freedesktop/secrets",
            "org.freedesktop.Secret.Service.Lock",
            login,
        ]);
        assert!(output.status.success(), "{output:?}");
    }

    /// From now on the service never answers; it still owns its name.
    fn hang(&self) {
        let keyring = self.keyring.as_ref().expect("a keyring service to hang");
        kill_process(Pid::from_child(keyring), Signal::STOP).expect("our own child");
    }

    /// Stores an item as another program would.
    pub fn plant(&self, attributes: &[&str], label: &str, secret: &[u8]) {
        let arguments = [&["store", "--label", label][..], attributes].concat();
        let mut command = self.command("secret-tool", &arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("secret-tool");
        child.stdin.take().expect("it is piped").write_all(secret).expect("it reads");
        let output = child.wait_with_output().expect("its output");
        assert!(output.status.success(), "{output:?}");
    }

    /// The secret that another program gets for an organization, empty if there is none.
    pub fn lookup(&self, organization: &str) -> String {
        let account = self.account(organization);
        let arguments = ["lookup", "service", "git-vsts", "username", &account];
        let output = self.command("secret-tool", &arguments).output().expect("secret-tool");
        String::from_utf8(output.stdout).expect("a text")
    }

    /// What another program sees of all matching items, a line an attribute, sorted. Times are left
    /// out, and the schema, which gnome-keyring gives to some items and not to others.
    pub fn search(&self, attributes: &[&str]) -> Vec<String> {
        let arguments = [&["search", "--all"][..], attributes].concat();
        let output = self.command("secret-tool", &arguments).output().expect("secret-tool");
        // It writes attributes to stderr and the rest to stdout.
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let shown = |line: &&str| {
            !["created = ", "modified = ", "schema = ", "["]
                .iter()
                .any(|start| line.starts_with(start))
        };
        let mut lines: Vec<_> = text.lines().filter(shown).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    /// How many items of ours there are.
    pub fn items(&self) -> usize {
        let lines = self.search(&["service", "git-vsts"]);
        lines.iter().filter(|line| line.starts_with("secret = ")).count()
    }

    fn runtime(&self) -> PathBuf {
        self.sandbox.home().join("run")
    }

    fn keyrings(&self) -> PathBuf {
        self.sandbox.home().join(".local/share/keyrings")
    }

    fn keyrings_away(&self) -> PathBuf {
        self.keyrings().with_extension("away")
    }

    fn end_keyring(&mut self) {
        end(&mut self.keyring);
        self.wait_for_service(false);
    }

    fn start_bus(&mut self) {
        let runtime = self.runtime();
        let configuration = runtime.join("bus.conf");
        fs::write(&configuration, BUS.replace("RUNTIME", &runtime.display().to_string()))
            .expect("bus.conf");
        let path = configuration.display().to_string();
        let arguments = ["--config-file", &path, "--nofork", "--nopidfile", "--print-address"];
        let mut command = self.command("dbus-daemon", &arguments);
        let mut bus =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("dbus-daemon");
        let mut address = String::new();
        let output = bus.stdout.take().expect("it is piped");
        self.bus = Some(bus);
        BufReader::new(output).read_line(&mut address).expect("the bus's address");
        self.sandbox.set("DBUS_SESSION_BUS_ADDRESS", address.trim_end());
    }

    fn start_keyring(&mut self, password: Option<&str>) {
        self.end_keyring();
        let mut arguments = vec!["--foreground", "--components=secrets"];
        arguments.extend(password.map(|_| "--unlock"));
        let mut command = self.command("gnome-keyring-daemon", &arguments);
        command.envs(self.prompter_name.iter().map(|name| ("GNOME_KEYRING_TEST_PROMPTER", name)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keyring = self.keyring.insert(command.spawn().expect("gnome-keyring-daemon"));
        let mut input = keyring.stdin.take().expect("it is piped");
        // It reads to the end, and a line's end would belong to the password.
        input.write_all(password.unwrap_or_default().as_bytes()).expect("it reads the password");
        drop(input);
        self.wait_for_service(true);
    }

    /// Waits until the service has its name, or has lost it.
    fn wait_for_service(&self, present: bool) {
        let start = Instant::now();
        let wanted = format!("boolean {present}");
        loop {
            let output = self.bus_call(&[
                "--dest=org.freedesktop.DBus",
                "/",
                "org.freedesktop.DBus.NameHasOwner",
                "string:org.freedesktop.secrets",
            ]);
            if String::from_utf8_lossy(&output.stdout).contains(&wanted) {
                return;
            }
            assert!(
                start.elapsed() < START,
                "the keyring service is not as it should be: {output:?}"
            );
            // Nothing tells a program without a bus connection of its own that the name came.
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn bus_call(&self, arguments: &[&str]) -> Output {
        let options = ["--session", "--print-reply", "--reply-timeout=5000"];
        let arguments = [&options[..], arguments].concat();
        self.command("dbus-send", &arguments).output().expect("dbus-send")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        end(&mut self.prompter);
        end(&mut self.keyring);
        end(&mut self.bus);
    }
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        // KILL, since a stopped process hears nothing else.
        let _ = child.kill();
        let _ = child.wait();
    }
}
