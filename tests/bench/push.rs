//! What a push takes, whole process, beside git's own: `tests/bench/push` builds and starts this.
//!
//! Both push the same repository to the same server, in turn: the loopback Azure DevOps of the
//! tests under its real name, over TLS, with a token that each has kept in a file. A repository at
//! the server is new for each push, and the one here is as it was before the last.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use double::{Double, Hosts, Organization, Token};

use history::History;
use stopwatch::Cost;

mod history;
mod relay;
mod stopwatch;

/// How long a byte is under way to the server or back, where the server is far.
const FAR: Duration = Duration::from_millis(20);
/// How much more memory than git's is not too much, in bytes.
const MORE_MEMORY: u64 = 50_000_000;
/// What the system trusts, on Debian and Ubuntu; git reads it all the same.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Nothing is packed behind anybody's back, and no disk is waited for.
const CONFIGURATION: &str = "[gc]\n\tauto = 0\n[core]\n\tfsync = none\n[init]\n\tdefaultBranch = main\n\
    [user]\n\tname = Ada Lovelace\n\temail = ada@contoso.com\n";

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some((first, command)) = arguments.split_first()
        && first == stopwatch::ARGUMENT
    {
        return stopwatch::run(command);
    }
    let options = Options::read(&arguments)?;
    let mut bench = Bench::new(options)?;
    let is_missed = bench.run()?;
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What this is to do.
struct Options {
    binary: PathBuf,
    /// Sizes that take seconds, and limits that a busy computer keeps.
    small: bool,
    /// Cases whose names hold it.
    only: String,
    /// More arguments of `git vsts push`.
    more: Vec<OsString>,
}

impl Options {
    fn read(arguments: &[OsString]) -> Result<Self> {
        let (binary, mut rest) = arguments.split_first().ok_or("start it with tests/bench/push")?;
        let mut options =
            Self { binary: binary.into(), small: false, only: String::new(), more: Vec::new() };
        while let Some((first, others)) = rest.split_first() {
            rest = others;
            match first.to_str() {
                Some("--small") => options.small = true,
                Some("--only") => {
                    let (only, others) = rest.split_first().ok_or("--only needs a word")?;
                    options.only = only.to_string_lossy().into_owned();
                    rest = others;
                }
                Some("--") => {
                    options.more = rest.to_vec();
                    break;
                }
                _ => {
                    return Err(
                        "usage: tests/bench/push [--small] [--only WORD] [-- ARGUMENT…]".into()
                    );
                }
            }
        }
        Ok(options)
    }
}

/// What is pushed.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Content {
    files: usize,
    /// Objects that the server has already, all in one pack here; 0 for an empty repository there.
    there: usize,
    /// The least commits and objects that it lacks.
    commits: usize,
    objects: usize,
    /// Whether what it lacks is in a pack.
    packed: bool,
}

/// A line of the table.
struct Case {
    name: String,
    content: Content,
    far: bool,
    /// How often each of the two pushes it.
    times: usize,
    /// The most that ours may take of git's time, in hundredths.
    goal: u64,
}

fn cases(small: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, content: Content, far: bool, times: usize, goal: u64| {
        let (times, goal) = if small { (3, 150) } else { (times, goal) };
        cases.push(Case { name: name.to_owned(), content, far, times, goal });
    };
    let twenty = |packed| Content { files: 20, there: 0, commits: 3, objects: 0, packed };
    let many = |files, objects, packed| Content { files, there: 0, commits: 1, objects, packed };
    let (size, large) = if small { (200, 1_000) } else { (3_000, 90_000) };
    let on_top =
        |commits| Content { files: size, there: large, commits, objects: 0, packed: false };
    let name_on_top = |commits: usize| format!("{commits} commits on {}", grouped(large));
    for (packed, kind) in [(true, "packed"), (false, "loose")] {
        add(&format!("20 files, {kind}"), twenty(packed), false, 31, 65);
    }
    let sizes = [(200, 1_000, 15), (1_000, 10_000, 7), (3_000, 90_000, 9)];
    for (files, objects, times) in sizes.into_iter().take(if small { 1 } else { 3 }) {
        for (packed, kind) in [(true, "packed"), (false, "loose")] {
            let name = format!("{} objects, {kind}", grouped(objects));
            add(&name, many(files, objects, packed), false, times, 105);
        }
    }
    add(&name_on_top(3), on_top(3), false, 31, 80);
    if !small {
        add(&name_on_top(500), on_top(500), false, 11, 105);
    }
    add("20 files, 40 ms away", twenty(false), true, 15, 75);
    add(&format!("{}, 40 ms away", name_on_top(3)), on_top(3), true, 15, 75);
    cases
}

/// One that pushes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Git,
}

/// What a push took, and what came to the server.
struct Run {
    cost: Cost,
    requests: usize,
    sent: u64,
}

/// A repository here that is pushed, and how to make it what it was.
struct Work {
    directory: PathBuf,
    packed_refs: Option<Vec<u8>>,
    head: String,
    objects: usize,
    /// What the server has before.
    there: Option<Rc<Base>>,
}

/// A repository in one pack.
struct Base {
    directory: PathBuf,
    head: String,
    /// To go on from.
    history: History,
}

struct Bench {
    options: Options,
    /// Answers as long as this lives.
    double: Double,
    organization: Organization,
    hosts: Hosts,
    /// The proxy, far away.
    far: String,
    scratch: tempfile::TempDir,
    works: HashMap<Content, Rc<Work>>,
    /// By how many objects they have.
    bases: HashMap<usize, Rc<Base>>,
    /// Repositories that were made at the server.
    made: usize,
}

impl Bench {
    fn new(options: Options) -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let root = scratch.path().join("server");
        fs::create_dir(&root)?;
        let double = Double::start_in(&root);
        let hosts = double.hosts();
        let proxy = hosts.proxy.strip_prefix("http://").unwrap_or(&hosts.proxy).parse()?;
        let far = format!("http://{}", relay::start(proxy, FAR)?);
        let organization = double.organization("contoso").person("ada@contoso.com", "Ada Lovelace");
        organization.project("shop");
        let bench = Self {
            options,
            double,
            organization,
            hosts,
            far,
            scratch,
            works: HashMap::new(),
            bases: HashMap::new(),
            made: 0,
        };
        bench.sign_in()?;
        Ok(bench)
    }

    /// Each keeps the same token, in a file of its own.
    fn sign_in(&self) -> Result<()> {
        let scopes = "vso.code_manage vso.project";
        let token = self.organization.token(Token::new().scopes(scopes).account("ada@contoso.com"));
        let theirs = self.scratch.path().join("theirs");
        let ours = self.scratch.path().join("ours");
        fs::create_dir(&theirs)?;
        fs::create_dir(&ours)?;
        let helper = "[credential]\n\thelper = store --file ~/credentials\n";
        fs::write(theirs.join(".gitconfig"), format!("{CONFIGURATION}{helper}"))?;
        fs::write(theirs.join("credentials"), format!("https://ada:{token}@dev.azure.com\n"))?;
        fs::write(ours.join(".gitconfig"), CONFIGURATION)?;
        let system = fs::read_to_string(AUTHORITIES).unwrap_or_default();
        let authorities = system + &fs::read_to_string(&self.hosts.authority)?;
        fs::write(self.scratch.path().join("authorities.pem"), authorities)?;

        let mut login = self.command(&self.options.binary, Side::Ours, self.scratch.path());
        login.env("HTTPS_PROXY", &self.hosts.proxy).args(["login", "contoso", "--pat-stdin"]);
        feed(&mut login, |input| writeln!(input, "{token}"))
    }

    /// A program in the surroundings of one of the two: nothing of the user's own settings is there.
    fn command(&self, program: impl AsRef<Path>, side: Side, directory: &Path) -> Command {
        let mut path = OsString::from(self.options.binary.parent().unwrap_or(Path::new("/")));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let authorities = self.scratch.path().join("authorities.pem");
        let home = if side == Side::Ours { "ours" } else { "theirs" };
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.scratch.path().join(home))
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(directory);
        match side {
            Side::Ours => command.env("SSL_CERT_FILE", authorities).env("GIT_VSTS_STORE", "file"),
            Side::Git => command.env("GIT_SSL_CAINFO", authorities),
        };
        command
    }

    /// git, for what is not measured.
    fn git(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command("git", Side::Git, directory);
        command.args(arguments);
        command
    }

    /// Prints the table; whether a goal was missed.
    fn run(&mut self) -> Result<bool> {
        // git asks twice without its token: the service offers it more than one way to sign in.
        println!(
            "| what is pushed | `git vsts push` | `git push` | ratio | goal | CPU | memory | requests | sent |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|"
        );
        let mut missed = Vec::new();
        let mut cases = cases(self.options.small);
        cases.retain(|case| case.name.contains(&self.options.only));
        if cases.is_empty() {
            return Err(
                format!("no line of the table has {} in its name", self.options.only).into()
            );
        }
        for case in cases {
            let work = self.work(&case.content)?;
            eprintln!("{}: {} objects, {} times", case.name, work.objects, case.times);
            let (ours, theirs) = self.measure(&case, &work)?;
            let row = Row { case: &case, ours: &ours, theirs: &theirs };
            println!("{row}");
            missed.extend(row.missed().into_iter().map(|what| format!("{}: {what}", case.name)));
        }
        for what in &missed {
            eprintln!("MISSED {what}");
        }
        Ok(!missed.is_empty())
    }

    /// Both in turn, after one of each that does not count: it finds the files in no cache.
    fn measure(&mut self, case: &Case, work: &Work) -> Result<(Runs, Runs)> {
        let (mut ours, mut theirs) = (Runs::default(), Runs::default());
        for number in 0..=case.times {
            // Neither is always the second one.
            let order = match number % 2 {
                0 => [Side::Ours, Side::Git],
                _ => [Side::Git, Side::Ours],
            };
            for side in order {
                let run =
                    self.push(case, work, side).map_err(|error| self.told(case, side, error))?;
                if number > 0 {
                    if side == Side::Ours { &mut ours } else { &mut theirs }.0.push(run);
                }
            }
        }
        Ok((ours, theirs))
    }

    fn told(&self, case: &Case, side: Side, error: Box<dyn Error>) -> String {
        let who = if side == Side::Ours { "git vsts" } else { "git" };
        let said = fs::read_to_string(self.said()).unwrap_or_default();
        format!("{who} did not push {}: {error}\n{said}", case.name)
    }

    /// Where what it says goes.
    fn said(&self) -> PathBuf {
        self.scratch.path().join("said")
    }

    fn push(&mut self, case: &Case, work: &Work, side: Side) -> Result<Run> {
        let (name, bare) = self.repository_there(work)?;
        work.reset(&name)?;
        self.double.clear_requests();
        let mut command = self.command(std::env::current_exe()?, side, &work.directory);
        command.env("HTTPS_PROXY", if case.far { &self.far } else { &self.hosts.proxy });
        command.args([stopwatch::ARGUMENT, "git"]);
        match side {
            Side::Ours => command.args(["vsts", "push"]).args(&self.options.more),
            // Ours does so by itself where the branch has no upstream.
            Side::Git if work.there.is_none() => command.args(["push", "--set-upstream"]),
            Side::Git => command.arg("push"),
        };
        command.args(["origin", "main"]).stderr(File::create(self.said())?);
        let cost = stopwatch::measure(&mut command)?;
        let arrived = fs::read_to_string(bare.join("refs/heads/main")).unwrap_or_default();
        if arrived.trim() != work.head {
            return Err("main did not arrive".into());
        }
        let requests = self.double.requests();
        self.organization.without_repository("shop", &name);
        fs::remove_dir_all(bare)?;
        let sent = requests.iter().map(|request| request.body_bytes).sum();
        Ok(Run { cost, requests: requests.len(), sent })
    }

    /// A new one at the server, its name and its place.
    fn repository_there(&mut self, work: &Work) -> Result<(String, PathBuf)> {
        self.made += 1;
        let name = format!("web-{}", self.made);
        let bare = self.organization.repository("shop", &name);
        if let Some(there) = &work.there {
            for file in fs::read_dir(there.directory.join(".git/objects/pack"))? {
                let file = file?;
                fs::hard_link(file.path(), bare.join("objects/pack").join(file.file_name()))?;
            }
            fs::write(bare.join("refs/heads/main"), format!("{}\n", there.head))?;
        }
        Ok((name, bare))
    }

    /// The repository with that content, made once.
    fn work(&mut self, content: &Content) -> Result<Rc<Work>> {
        if let Some(work) = self.works.get(content) {
            return Ok(Rc::clone(work));
        }
        let directory = self.scratch.path().join(format!("work-{}", self.works.len()));
        let (there, mut history) = match content.there {
            0 => {
                self.initialise(&directory)?;
                (None, History::new(content.files))
            }
            objects => {
                let base = self.base(content.files, objects)?;
                let mut clone = self.git(self.scratch.path(), &["clone", "--quiet"]);
                succeed(clone.arg("--no-checkout").arg(&base.directory).arg(&directory))?;
                let history = base.history.clone();
                (Some(base), history)
            }
        };
        let before = history.objects();
        let commits = history.commits() + content.commits;
        self.import(&directory, &mut history, commits, content.objects)?;
        if content.packed {
            self.pack(&directory)?;
        }
        let head = self.head(&directory)?;
        let packed_refs = fs::read(directory.join(".git/packed-refs")).ok();
        let objects = history.objects() - before;
        let work = Rc::new(Work { directory, packed_refs, head, objects, there });
        self.works.insert(content.clone(), Rc::clone(&work));
        Ok(work)
    }

    /// The repository of so many objects that is there already, made once.
    fn base(&mut self, files: usize, objects: usize) -> Result<Rc<Base>> {
        if let Some(base) = self.bases.get(&objects) {
            return Ok(Rc::clone(base));
        }
        let directory = self.scratch.path().join(format!("base-{objects}"));
        self.initialise(&directory)?;
        let mut history = History::new(files);
        self.import(&directory, &mut history, 1, objects)?;
        self.pack(&directory)?;
        let head = self.head(&directory)?;
        let base = Rc::new(Base { directory, head, history });
        self.bases.insert(objects, Rc::clone(&base));
        Ok(base)
    }

    fn head(&self, directory: &Path) -> Result<String> {
        let output = self.git(directory, &["rev-parse", "refs/heads/main"]).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn initialise(&self, directory: &Path) -> Result<()> {
        succeed(self.git(self.scratch.path(), &["init", "--quiet"]).arg(directory))
    }

    /// All that comes is loose.
    fn import(
        &self,
        directory: &Path,
        history: &mut History,
        commits: usize,
        objects: usize,
    ) -> Result<()> {
        let loose = "fastimport.unpackLimit=1000000";
        let mut import = self.git(directory, &["-c", loose, "fast-import", "--quiet"]);
        feed(&mut import, |input| history.write(input, commits, objects))
    }

    fn pack(&self, directory: &Path) -> Result<()> {
        succeed(&mut self.git(directory, &["repack", "-a", "-d", "-f", "--quiet"]))?;
        succeed(&mut self.git(directory, &["pack-refs", "--all"]))
    }
}

impl Work {
    /// As it was before it was pushed, with a remote of that name.
    fn reset(&self, repository: &str) -> Result<()> {
        let folder = self.directory.join(".git");
        for written in ["refs/remotes", "logs/refs/remotes"] {
            // It may not be there.
            let _ = fs::remove_dir_all(folder.join(written));
        }
        match &self.packed_refs {
            Some(text) => fs::write(folder.join("packed-refs"), text)?,
            None => drop(fs::remove_file(folder.join("packed-refs"))),
        }
        let mut settings = format!(
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
             \tlogallrefupdates = true\n[remote \"origin\"]\n\
             \turl = https://dev.azure.com/contoso/shop/_git/{repository}\n\
             \tfetch = +refs/heads/*:refs/remotes/origin/*\n"
        );
        if self.there.is_some() {
            settings += "[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n";
        }
        Ok(fs::write(folder.join("config"), settings)?)
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Runs it with what is written to it.
fn feed(
    command: &mut Command,
    write: impl FnOnce(&mut BufWriter<std::process::ChildStdin>) -> std::io::Result<()>,
) -> Result<()> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut input = BufWriter::new(child.stdin.take().ok_or("stdin is piped")?);
    let written = write(&mut input).and_then(|()| input.flush());
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(written?)
}

/// All the runs of one side.
#[derive(Default)]
struct Runs(Vec<Run>);

impl Runs {
    /// The middle one of what each took.
    fn median<T: Ord>(&self, of: impl Fn(&Run) -> T) -> T {
        let mut values: Vec<T> = self.0.iter().map(of).collect();
        values.sort_unstable();
        values.swap_remove(values.len() / 2)
    }

    fn wall(&self) -> Duration {
        self.median(|run| run.cost.wall)
    }

    fn cpu(&self) -> Duration {
        self.median(|run| run.cost.cpu)
    }

    fn memory(&self) -> u64 {
        self.median(|run| run.cost.memory)
    }

    fn requests(&self) -> usize {
        self.median(|run| run.requests)
    }

    fn sent(&self) -> u64 {
        self.median(|run| run.sent)
    }
}

struct Row<'a> {
    case: &'a Case,
    ours: &'a Runs,
    theirs: &'a Runs,
}

impl Row<'_> {
    /// In hundredths, rounded as it is shown.
    fn ratio(&self) -> u64 {
        let (ours, theirs) = (self.ours.wall().as_micros(), self.theirs.wall().as_micros());
        u64::try_from((ours * 200 + theirs) / (theirs * 2)).unwrap_or(u64::MAX)
    }

    /// The goals that were.
    fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        if self.ratio() > self.case.goal {
            missed.push(format!("{} of git's time", hundredths(self.ratio())));
        }
        let (ours, theirs) = (self.ours.memory(), self.theirs.memory());
        if ours > theirs + MORE_MEMORY {
            missed.push(format!("{} of memory where git takes {}", bytes(ours), bytes(theirs)));
        }
        if self.ours.0.iter().any(|run| run.requests != 2) {
            missed.push(format!("{} requests", self.ours.requests()));
        }
        missed
    }
}

impl std::fmt::Display for Row<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { case, ours, theirs } = self;
        write!(
            formatter,
            "| {} | {} | {} | {} | {} | {} : {} | {} : {} | {} : {} | {} : {} |",
            case.name,
            milliseconds(ours.wall()),
            milliseconds(theirs.wall()),
            hundredths(self.ratio()),
            hundredths(case.goal),
            milliseconds(ours.cpu()),
            milliseconds(theirs.cpu()),
            bytes(ours.memory()),
            bytes(theirs.memory()),
            ours.requests(),
            theirs.requests(),
            bytes(ours.sent()),
            bytes(theirs.sent()),
        )
    }
}

fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

fn milliseconds(duration: Duration) -> String {
    format!("{} ms", grouped((duration.as_micros() as usize + 500) / 1000))
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} kB", (count + 500) / 1000),
        _ => format!("{} MB", (count + 500_000) / 1_000_000),
    }
}

/// `90,000`
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1000), number % 1000),
    }
}
