//! A push by git itself, where libgit2 lacks what the push needs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use git2::Oid;
use url::Url;

use super::clone::Helper;
use super::git::failed;
use super::pack::listen;
use super::plan::{Kind, Update};
use super::push::{Event, Outcome, Pushed};
use super::{Git, GitError, Repository};

/// The most bytes of git's report that are read: a line a reference.
const REPORT_LIMIT: u64 = 64 << 20;
/// How often it is looked whether git has ended, while it says nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// What git is told for one push over HTTPS.
const SETTINGS: [&str; 10] = [
    "-c",
    "http.followRedirects=false",
    // A transfer of less than a byte a second over so many seconds is none; the server may work that long.
    "-c",
    "http.lowSpeedLimit=1",
    "-c",
    "http.lowSpeedTime=300",
    // Whoever has no credential has none to type either.
    "-c",
    "core.askPass=",
    "-c",
    "credential.interactive=false",
];

/// What git is asked to push.
pub struct Handover<'a> {
    /// The git that does it.
    pub git: &'a Git,
    /// Where it goes over HTTPS.
    pub url: Option<&'a Url>,
    /// Who has the credential, where git needs one.
    pub helper: Option<&'a Helper>,
    /// Further arguments of `git push`: options, the remote, what is pushed.
    pub arguments: &'a [String],
    /// It was told to send nothing.
    pub dry_run: bool,
    /// Somebody is there to see how far it has come.
    pub progress: bool,
    /// It runs the repository's hooks: where it has no secret in its environment.
    pub hooks: bool,
    /// A branch that follows nothing follows what it is pushed to.
    pub follow: bool,
}

/// A line of `git push --porcelain` (git-push(1), "Output").
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    flag: char,
    source: String,
    reference: String,
    summary: String,
    reason: Option<String>,
}

impl Handover<'_> {
    /// Lets git push from a folder whose repository is not read here, so that of each reference it is known what became
    /// of it and not what it was.
    ///
    /// # Errors
    /// [`enum@GitError`] if nothing is known of any reference; it holds what git said.
    pub fn push(
        &self,
        directory: &Path,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Pushed>, GitError> {
        let lines = self.run(directory, on)?;
        Ok(lines.into_iter().map(|line| self.planned(line.outcome(&[]))).collect())
    }

    /// The same as what would have been, where nothing was sent.
    fn planned(&self, pushed: Pushed) -> Pushed {
        match self.dry_run && pushed.is_done() && pushed.update.is_change() {
            true => Pushed { outcome: Outcome::Planned, ..pushed },
            false => pushed,
        }
    }

    fn run(&self, directory: &Path, on: &mut dyn FnMut(Event<'_>)) -> Result<Vec<Line>, GitError> {
        let mut command = self.git.command(directory, &[]);
        if let Some(url) = self.url {
            command.args(SETTINGS).env("GIT_TERMINAL_PROMPT", "0");
            command.env_remove("GIT_ASKPASS").env_remove("SSH_ASKPASS");
            // The longest URL wins, also over what is said for this run alone (git-config(1), `http.<url>.*`).
            command.args(["-c", &format!("http.{url}.followRedirects=false")]);
            match self.helper {
                Some(helper) => helper.put_on(&mut command),
                // A header signs, and nobody else is to be asked.
                None => drop(command.args(["-c", "credential.helper="])),
            }
        }
        if self.follow {
            // A branch that follows none is pushed under its own name, and follows that then.
            command.args(["-c", "push.autoSetupRemote=true"]);
        }
        if !self.hooks {
            // What it is told in its environment is for our helper alone.
            command.args([
                "-c",
                if cfg!(windows) { "core.hooksPath=NUL" } else { "core.hooksPath=/dev/null" },
            ]);
        }
        command.args(["push", "--porcelain"]);
        command.arg(if self.progress { "--progress" } else { "--no-progress" });
        command.args(self.arguments);
        // Its words are read, in whatever language the person has.
        command.env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| self.git.unusable(error))?;
        on(Event::Child(Some(child.id())));
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.git.unusable(std::io::Error::other("it has no pipes")));
        };
        let (heard, hears) = mpsc::channel();
        let (report, reports) = mpsc::channel();
        thread::spawn(move || listen(stderr, &heard));
        thread::spawn(move || read_report(stdout, &report));
        let mut said = Vec::new();
        let status = loop {
            match hears.recv_timeout(PAUSE) {
                Ok(it) => it.tell(&mut said, on),
                Err(RecvTimeoutError::Disconnected) => {
                    break child.wait().map_err(|error| self.git.unusable(error))?;
                }
                // What ssh leaves in the background keeps its standard error open (`ControlPersist`, ssh_config(5)).
                Err(RecvTimeoutError::Timeout) => match child.try_wait() {
                    Ok(Some(status)) => {
                        // It may have said its last words meanwhile.
                        while let Ok(it) = hears.recv_timeout(PAUSE) {
                            it.tell(&mut said, on);
                        }
                        break status;
                    }
                    Ok(None) => {}
                    Err(error) => return Err(self.git.unusable(error)),
                },
            }
        };
        on(Event::Child(None));
        // What stands before is a hook's.
        let mut lines = Vec::new();
        for line in reports {
            match line {
                Reported::To => lines.clear(),
                Reported::Line(line) => lines.push(line),
            }
        }
        match lines.is_empty() && !status.success() {
            true => Err(failed(&["push"], status, &said)),
            false => Ok(lines),
        }
    }
}

/// What stands on git's standard output.
enum Reported {
    /// That what follows is the report.
    To,
    /// A line of it.
    Line(Line),
}

fn read_report(stdout: ChildStdout, report: &mpsc::Sender<Reported>) {
    let lines = BufReader::new(stdout.take(REPORT_LIMIT)).split(b'\n').map_while(Result::ok);
    for line in lines {
        let line = String::from_utf8_lossy(&line);
        let said = match Line::read(&line) {
            Some(line) => Reported::Line(line),
            None if line.starts_with("To ") => Reported::To,
            None => continue,
        };
        // Nobody may be there to hear it.
        let _ = report.send(said);
    }
}

impl Line {
    /// `FLAG TAB FROM:TO TAB SUMMARY [(REASON)]`
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split('\t');
        let (flag, names, summary) = (parts.next()?, parts.next()?, parts.next()?);
        let flag = flag.chars().next().filter(|_| flag.chars().count() == 1)?;
        let (source, reference) = names.split_once(':')?;
        let with_reason = summary.strip_suffix(')').and_then(|it| it.split_once(" ("));
        let (summary, reason) = match with_reason {
            Some((summary, reason)) => (summary, Some(reason.to_owned())),
            None => (summary, None),
        };
        Some(Self {
            flag,
            source: source.to_owned(),
            reference: reference.to_owned(),
            summary: summary.to_owned(),
            reason,
        })
    }

    fn outcome(self, planned: &[Update]) -> Pushed {
        let reason = self.reason.clone().unwrap_or_default();
        let (kind, outcome) = match (self.flag, &*self.summary, &*reason) {
            (' ', ..) => (Kind::FastForward, Outcome::Done),
            ('+', ..) => (Kind::Forced, Outcome::Done),
            ('-', ..) => (Kind::Deleted, Outcome::Done),
            ('*', ..) => (Kind::New, Outcome::Done),
            ('=', ..) => (Kind::UpToDate, Outcome::Done),
            (_, "[remote rejected]", _) => (self.kind(planned), Outcome::Refused(reason)),
            (_, "[remote failure]", _) => (self.kind(planned), Outcome::Unknown),
            (_, _, "atomic push failed") => (self.kind(planned), Outcome::Withheld),
            (_, _, "already exists" | "would clobber existing tag") => {
                (Kind::TagExists, Outcome::Held)
            }
            (_, _, "stale info" | "remote ref updated since checkout") => {
                (Kind::Stale, Outcome::Held)
            }
            (_, _, "non-fast-forward") => (Kind::Diverged, Outcome::Held),
            (_, _, "fetch first") => (Kind::Unseen { never_fetched: false }, Outcome::Held),
            // git's own words are all there is.
            _ => (self.kind(planned), Outcome::Refused(reason)),
        };
        let planned = planned.iter().find(|update| update.reference == self.reference);
        let update = match planned {
            Some(planned) => Update { kind, ..planned.clone() },
            None => Update {
                source: Some(self.source.clone()).filter(|it| !it.is_empty() && it != "(delete)"),
                named: None,
                new: Oid::ZERO_SHA1,
                reference: self.reference,
                old: Oid::ZERO_SHA1,
                kind,
            },
        };
        Pushed { update, outcome }
    }

    fn kind(&self, planned: &[Update]) -> Kind {
        let planned = planned.iter().find(|update| update.reference == self.reference);
        planned.map_or(Kind::FastForward, |update| update.kind)
    }
}

impl Repository {
    /// Lets git push. What it says beside its report is told as by a push of our own.
    ///
    /// # Errors
    /// [`enum@GitError`] if nothing is known of any reference; it holds what git said.
    pub fn hand_over(
        &self,
        handover: &Handover<'_>,
        planned: &[Update],
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Pushed>, GitError> {
        let lines = handover.run(self.directory(), on)?;
        let pushed = lines.into_iter().map(|line| {
            let (old, _) = line.summary.split_once("..").unwrap_or_default();
            let old = self.object(old);
            let mut pushed = line.outcome(planned);
            let is_planned = planned.iter().any(|it| it.reference == pushed.update.reference);
            if !is_planned {
                let source = pushed.update.source.as_deref().unwrap_or_default();
                (pushed.update.new, pushed.update.old) = (self.object(source), old);
            }
            handover.planned(pushed)
        });
        Ok(pushed.collect())
    }

    /// The object of a name; zero where it has none here.
    fn object(&self, name: &str) -> Oid {
        match name {
            "" => Oid::ZERO_SHA1,
            name => self.inner.revparse_single(name).map_or(Oid::ZERO_SHA1, |object| object.id()),
        }
    }

    /// Why libgit2 can't push from here, if it can't.
    pub fn needs_git(&self) -> Option<&'static str> {
        // Objects that it needs may be at the server alone.
        let configuration = self.inner.config().and_then(|mut it| it.snapshot()).ok()?;
        let is_partial = |entry: &git2::ConfigEntry<'_>| {
            let name = entry.name().unwrap_or_default();
            name == "extensions.partialclone"
                || (name.ends_with(".promisor") && entry.value().is_ok_and(|it| it != "false"))
        };
        let mut entries = configuration.entries(None).ok()?;
        while let Some(Ok(entry)) = entries.next() {
            if is_partial(entry) {
                return Some("the clone is partial");
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_reports_is_what_we_report() {
        let refused = |reason: &str| Outcome::Refused(reason.to_owned());
        for (line, kind, outcome) in [
            ("*\trefs/heads/main:refs/heads/main\t[new branch]", Kind::New, Outcome::Done),
            (" \tHEAD:refs/heads/main\t1a2b3c4..5d6e7f8", Kind::FastForward, Outcome::Done),
            (
                "+\tHEAD:refs/heads/main\t1a2b3c4...5d6e7f8 (forced update)",
                Kind::Forced,
                Outcome::Done,
            ),
            ("-\t:refs/heads/main\t[deleted]", Kind::Deleted, Outcome::Done),
            ("=\tHEAD:refs/heads/main\t[up to date]", Kind::UpToDate, Outcome::Done),
            (
                "!\tHEAD:refs/heads/main\t[rejected] (non-fast-forward)",
                Kind::Diverged,
                Outcome::Held,
            ),
            (
                "!\tHEAD:refs/heads/main\t[rejected] (fetch first)",
                Kind::Unseen { never_fetched: false },
                Outcome::Held,
            ),
            ("!\tv1:refs/tags/v1\t[rejected] (already exists)", Kind::TagExists, Outcome::Held),
            ("!\tHEAD:refs/heads/main\t[rejected] (stale info)", Kind::Stale, Outcome::Held),
            (
                "!\tHEAD:refs/heads/main\t[rejected] (atomic push failed)",
                Kind::FastForward,
                Outcome::Withheld,
            ),
            (
                "!\tHEAD:refs/heads/main\t[remote rejected] (TF402455: pull requests (only))",
                Kind::FastForward,
                refused("TF402455: pull requests (only)"),
            ),
            (
                "!\tHEAD:refs/heads/main\t[remote failure] (remote failed to report status)",
                Kind::FastForward,
                Outcome::Unknown,
            ),
            (
                "!\tHEAD:refs/heads/main\t[rejected] (what comes next)",
                Kind::FastForward,
                refused("what comes next"),
            ),
        ] {
            let pushed = Line::read(line).unwrap().outcome(&[]);
            assert_eq!((pushed.update.kind, pushed.outcome), (kind, outcome), "{line}");
        }
        for line in ["To https://dev.azure.com/contoso/shop/_git/web", "Done", ""] {
            assert_eq!(Line::read(line), None, "{line}");
        }
    }
}
