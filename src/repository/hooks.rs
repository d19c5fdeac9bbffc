//! The `pre-push` hook (githooks(5)), which libgit2 does not know of.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use thiserror::Error;

use super::{Git, GitError, Repository, Update};

/// Since this version there is `git hook run` with `--to-stdin`.
const HOOK_RUN: [u32; 2] = [2, 36];

/// Why a push did not begin.
#[derive(Debug, Error)]
pub enum Error {
    /// The hook said no.
    #[error("the pre-push hook refused the push ({0})")]
    Refused(ExitStatus),
    /// There is a hook, and no git to run it with.
    #[error("the repository has a pre-push hook, and there is no git to run it with")]
    NoGit,
    /// The hook could not be run.
    #[error("the pre-push hook can't be run: {0}")]
    Unusable(std::io::Error),
    /// git could not be asked.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// What the hook is told beside the references.
pub struct Destination<'a> {
    /// The remote's name, or its URL where it has none.
    pub name: &'a str,
    /// Where the push goes.
    pub url: &'a str,
}

impl Repository {
    /// Runs the hook, if there is one, with git's arguments and lines. What it prints goes to our
    /// standard error.
    ///
    /// # Errors
    /// [`Error::Refused`] if it ended with anything but success; nothing was sent then.
    pub(super) fn pre_push(
        &self,
        git: Option<&Git>,
        to: &Destination<'_>,
        updates: &[&Update],
    ) -> Result<(), Error> {
        let Some(hook) = self.hook("pre-push") else { return Ok(()) };
        let Some(git) = git else { return Err(Error::NoGit) };
        let lines = lines(updates);
        let directory = self.directory();
        let status = match git.version(directory)?.as_slice() >= HOOK_RUN.as_slice() {
            true => run_by_git(git, directory, to, &lines)?,
            false => run_as_git(git, &hook, directory, to, &lines)?,
        };
        match status.success() {
            true => Ok(()),
            false => Err(Error::Refused(status)),
        }
    }

    /// The hook's file, if it is there and may be run, as git looks for it.
    fn hook(&self, name: &str) -> Option<PathBuf> {
        let configured = self.inner.config().ok()?.get_path("core.hooksPath").ok();
        let folder = match configured {
            // githooks(5): relative to where hooks are run, which is the top of the work tree.
            Some(path) => self.directory().join(path),
            None => self.inner.commondir().join("hooks"),
        };
        let hook = folder.join(name);
        is_executable(&hook).then_some(hook)
    }
}

fn run_by_git(
    git: &Git,
    directory: &Path,
    to: &Destination<'_>,
    lines: &str,
) -> Result<ExitStatus, Error> {
    let mut file = tempfile::NamedTempFile::new().map_err(Error::Unusable)?;
    file.write_all(lines.as_bytes()).map_err(Error::Unusable)?;
    let to_stdin = format!("--to-stdin={}", file.path().display());
    let arguments =
        ["hook", "run", "--ignore-missing", &to_stdin, "pre-push", "--", to.name, to.url];
    let mut command = git.command(directory, &arguments);
    // git gives a hook's output to its own standard error; ours is the same.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    command.status().map_err(|error| git.unusable(error).into())
}

fn run_as_git(
    git: &Git,
    hook: &Path,
    directory: &Path,
    to: &Destination<'_>,
    lines: &str,
) -> Result<ExitStatus, Error> {
    let mut command = Command::new(hook);
    command.args([to.name, to.url]).current_dir(directory);
    for secret in git.secrets() {
        command.env_remove(secret);
    }
    command.stdin(Stdio::piped()).stdout(std::io::stderr());
    let mut child = command.spawn().map_err(Error::Unusable)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook that does not read its lines ends before all are written; that is no error.
        let _ = stdin.write_all(lines.as_bytes());
    }
    child.wait().map_err(Error::Unusable)
}

/// `<local ref> <local oid> <remote ref> <remote oid>` for each reference that will change.
fn lines(updates: &[&Update]) -> String {
    updates
        .iter()
        .map(|update| {
            let local = update.source.as_deref().unwrap_or("(delete)");
            format!("{local} {} {} {}\n", update.new, update.reference, update.old)
        })
        .collect()
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file())
}
