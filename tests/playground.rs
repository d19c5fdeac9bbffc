//! git vsts without an account anywhere: a loopback Azure DevOps, a scratch home, the real binary.
//!
//! `cargo run --example playground` does the main job in front of the reader. With `-- COMMAND …`
//! it runs that command in the same surroundings and ends with its status; with `-- --shell` it
//! opens a shell in them, where a Microsoft sign-in opens your own browser: any password does. The
//! organization `strict` forbids tokens, `short` caps them at seven days, and ada@contoso.com has no
//! access to `closed`.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use double::{Double, Token};

const ORGANIZATION: &str = "contoso";
const PROJECT: &str = "shop";
const ADA: &str = "ada@contoso.com";
/// The directory of all the organizations.
const TENANT: &str = "6f2d8a14-3c0b-4a51-9b57-0d1e5a7c9f42";

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<ExitCode> {
    let playground = Playground::open()?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        None => playground.show().map(|()| ExitCode::SUCCESS),
        Some((only, [])) if only == "--shell" => {
            let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
            playground.run(&shell, &[])
        }
        Some((command, rest)) => playground.run(command, rest),
    }
}

struct Playground {
    /// Answers as long as this lives.
    double: Double,
    scratch: tempfile::TempDir,
    binary: PathBuf,
    token: String,
}

impl Playground {
    fn open() -> Result<Self> {
        let binary = build()?;
        let scratch = tempfile::tempdir()?;
        for folder in ["home", "server"] {
            fs::create_dir(scratch.path().join(folder))?;
        }
        let identity = "[user]\n\tname = Ada Lovelace\n\temail = ada@contoso.com\n[init]\n\tdefaultBranch = main\n";
        fs::write(scratch.path().join("home/.gitconfig"), identity)?;
        let double = Double::start_in(&scratch.path().join("server"));
        double.log_to(&scratch.path().join("requests.jsonl"));
        // Whoever plays may ask for what is not there.
        double.expect_unserved();
        let contoso = double.organization(ORGANIZATION);
        contoso.tenant(TENANT).person(ADA, "Ada Lovelace").project(PROJECT);
        let other = |name| double.organization(name).tenant(TENANT);
        other("strict").person(ADA, "Ada Lovelace").project(PROJECT).forbids_tokens();
        other("short").person(ADA, "Ada Lovelace").project(PROJECT).caps_tokens_at(7);
        other("closed").person("eve@contoso.com", "Eve").project(PROJECT);
        let token = contoso.token(
            Token::new()
                .scopes("vso.code_manage vso.project_manage")
                .account("ada@contoso.com")
                .valid_days(30),
        );
        Ok(Self { double, scratch, binary, token })
    }

    /// The main job, each command with its real output, and the proof that it was done.
    fn show(&self) -> Result<()> {
        let work = self.scratch.path().join("web");
        fs::create_dir(&work)?;
        fs::write(work.join("index.html"), "<h1>Hello</h1>\n")?;
        fs::write(work.join("README"), "A shop window\n")?;
        println!("A folder with two files, and Azure DevOps at {}\n", self.double.url());

        self.step(&work, "git vsts login contoso --pat-stdin", Some(&self.token))?;
        self.step(&work, "git vsts init contoso/shop/web --commit 'Open the shop' --push", None)?;
        self.commit(&work, "<p>Open</p>", "Greet")?;
        self.step(&work, "git vsts push", None)?;

        println!("Plain git asks git vsts from now on, and nobody else (GIT_TERMINAL_PROMPT=0)\n");
        let url = format!("{}/contoso/shop/_git/web", self.double.url());
        self.step(self.scratch.path(), &format!("git clone {url} copy"), None)?;
        let copy = self.scratch.path().join("copy");
        self.commit(&copy, "<p>Till six</p>", "Say until when")?;
        self.step(&copy, "git push", None)?;
        self.step(&work, "git pull", None)?;

        println!("With a Microsoft account, where the double plays browser and person\n");
        for organization in ["contoso", "short", "strict"] {
            self.web(&work, organization, true)?;
        }
        self.web(&work, "closed", false)?;
        let microsoft = self.double.microsoft();
        microsoft.poll_interval(Some(0)).approves_after(1, ADA);
        self.step(&work, "git vsts login contoso --device", None)?;
        self.commit(&work, "<p>Every day</p>", "Say on which days")?;
        self.step(&work, "git vsts push", None)?;
        self.commit(&work, "<p>But Monday</p>", "Say when not")?;
        self.step(&work, "git push", None)?;

        let bare = self.scratch.path().join("server/contoso/shop/web.git");
        println!("The repository that received it:");
        println!("$ git log --oneline main");
        let log = self.quietly(&bare, &["log", "--oneline", "main"])?;
        print!("{log}");
        match log.lines().count() {
            5 => Ok(()),
            count => Err(format!("five commits were pushed, and {count} arrived").into()),
        }
    }

    /// Signs in in the browser, which may be refused.
    fn web(&self, directory: &Path, organization: &str, is_welcome: bool) -> Result<()> {
        let pipe = self.scratch.path().join("visited");
        let browser = self.scratch.path().join("browser");
        if !pipe.exists() {
            let made = Command::new("mkfifo").arg(&pipe).status()?;
            if !made.success() {
                return Err("mkfifo failed".into());
            }
            let script = format!("#!/bin/sh\nprintf '%s' \"$1\" >'{}'\n", pipe.display());
            fs::write(&browser, script)?;
            fs::set_permissions(&browser, fs::Permissions::from_mode(0o755))?;
        }
        let microsoft = self.double.microsoft();
        let person = thread::spawn(move || {
            let address = fs::read_to_string(&pipe).unwrap_or_default();
            microsoft.sign_in_at(&address, ADA).status
        });
        let line = format!("git vsts login {organization} --web");
        println!("$ {line}");
        let mut command = self.command("sh".as_ref());
        command.env("BROWSER", &browser).args(["-c", &line]).current_dir(directory);
        let status = command.stdin(Stdio::null()).stderr(std::io::stdout()).status()?;
        println!();
        let landed = person.join().map_err(|_| "the browser was not opened")?;
        match (status.success() == is_welcome, landed) {
            (true, 200) => Ok(()),
            _ => Err(format!("`{line}` ended with {status}, and the browser with {landed}").into()),
        }
    }

    /// Adds a line to the page in a clone.
    fn commit(&self, clone: &Path, line: &str, message: &str) -> Result<()> {
        println!("$ echo '{line}' >> index.html && git commit --quiet --all --message '{message}'");
        let page = clone.join("index.html");
        let text = fs::read_to_string(&page)?;
        fs::write(&page, format!("{text}{line}\n"))?;
        self.quietly(clone, &["commit", "--quiet", "--all", "--message", message]).map(drop)
    }

    /// Runs a command line and shows it as a person would type it.
    fn step(&self, directory: &Path, line: &str, stdin: Option<&str>) -> Result<()> {
        println!("$ {}{line}", if stdin.is_some() { "echo $TOKEN | " } else { "" });
        let mut command = self.command("sh".as_ref());
        command.env("GIT_TERMINAL_PROMPT", "0");
        command.args(["-c", line]).current_dir(directory).stdin(Stdio::piped());
        // What goes to stderr is shown in its place among what goes to stdout.
        command.stderr(std::io::stdout());
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().ok_or("stdin is piped")?;
        writeln!(input, "{}", stdin.unwrap_or_default())?;
        drop(input);
        let status = child.wait()?;
        println!();
        match status.success() {
            true => Ok(()),
            false => Err(format!("`{line}` ended with {status}").into()),
        }
    }

    fn quietly(&self, directory: &Path, arguments: &[&str]) -> Result<String> {
        let output =
            self.command("git".as_ref()).args(arguments).current_dir(directory).output()?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }

    fn run(&self, program: &std::ffi::OsStr, arguments: &[OsString]) -> Result<ExitCode> {
        let status = self.command(program).args(arguments).status()?;
        Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
    }

    /// A command in the playground's surroundings: nothing of the user's own settings reaches it.
    fn command(&self, program: &std::ffi::OsStr) -> Command {
        let root = self.scratch.path();
        let home = root.join("home");
        let mut path = OsString::from(self.binary.parent().unwrap_or(Path::new("/")));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let is_ours =
                name.starts_with("GIT_") || name.starts_with("XDG_") || name.starts_with("SYSTEM_");
            if is_ours || name == "AZURE_DEVOPS_EXT_PAT" || name.to_lowercase().ends_with("_proxy")
            {
                command.env_remove(&name);
            }
        }
        command
            .env("PATH", path)
            .env("HOME", &home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_VSTS_AZURE_URL", self.double.url())
            .env("GIT_VSTS_SPS_URL", self.double.url())
            .env("GIT_VSTS_LOGIN_URL", self.double.url())
            .env("GIT_VSTS_STORE", "file")
            .env("PLAYGROUND_ORG", ORGANIZATION)
            .env("PLAYGROUND_PROJECT", PROJECT)
            .env("PLAYGROUND_PAT", &self.token)
            .env("PLAYGROUND_ROOT", root.join("server"))
            .env("PLAYGROUND_LOG", root.join("requests.jsonl"));
        command
    }
}

/// Builds the binary: running an example does not, and the library in its place would prove less.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--quiet",
        "--bin",
        "git-vsts",
        "--message-format=json-render-diagnostics",
    ]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    // What cargo tells an example of its package would be news to the build scripts that look at it,
    // and half of the dependencies would be built once more.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("git-vsts can't be built".into());
    }
    let messages = String::from_utf8(output.stdout)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "git-vsts")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| "cargo names no binary".into())
}
