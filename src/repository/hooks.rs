//! The `pre-push` hook (githooks(5)), which libgit2 does not know of.

use std::ffi::OsString;
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

/// What runs the hook, and what it is told beside the references.
pub struct Call<'a> {
    /// The git that runs it, if there is one.
    pub git: Option<&'a Git>,
    /// `core.hooksPath`, as git has it.
    pub folder: Option<&'a Path>,
    /// The remote's name, or its URL where it has none.
    pub name: &'a str,
    /// Where the push goes.
    pub url: &'a str,
}

impl Repository {
    /// Runs the hook, if there is one, with git's arguments and lines. What it prints goes to our
    /// standard error. As with git it is run where nothing changes too, and is told nothing then.
    ///
    /// # Errors
    /// [`Error::Refused`] if it ended with anything but success; nothing was sent then.
    pub(super) fn pre_push(&self, call: &Call<'_>, updates: &[&Update]) -> Result<(), Error> {
        let hook = self.hook("pre-push", call.folder);
        if !hook.is_file() {
            return Ok(());
        }
        let Some(git) = call.git else {
            return if is_executable(&hook) { Err(Error::NoGit) } else { Ok(()) };
        };
        let lines = lines(updates);
        let status = if git.version(self.directory())?.as_slice() >= HOOK_RUN.as_slice() {
            // One that is not executable is left to git as well, which says that it ignores it.
            run_by_git(git, self.directory(), call, &lines)?
        } else if is_executable(&hook) {
            self.run_as_git(git, &hook, call, &lines)?
        } else {
            return Ok(());
        };
        match status.success() {
            true => Ok(()),
            false => Err(Error::Refused(status)),
        }
    }

    /// Where the hook's file is, if it is there.
    fn hook(&self, name: &str, folder: Option<&Path>) -> PathBuf {
        match folder {
            // githooks(5): relative to where hooks are run, which is the top of the work tree.
            Some(path) => self.directory().join(path).join(name),
            None => self.inner.commondir().join("hooks").join(name),
        }
    }

    /// Runs the hook's file with what git puts into its environment, for a git without `hook run`.
    fn run_as_git(
        &self,
        git: &Git,
        hook: &Path,
        call: &Call<'_>,
        lines: &str,
    ) -> Result<ExitStatus, Error> {
        let mut command = Command::new(hook);
        command.args([call.name, call.url]).current_dir(self.directory());
        for secret in git.secrets() {
            command.env_remove(secret);
        }
        command.envs(git.paths());
        command.env("PATH", path_of_git(git, self.directory())?).env("GIT_PREFIX", "");
        if self.inner.is_bare() {
            command.env("GIT_DIR", ".");
        } else if self.inner.is_worktree() {
            // By its parts, since libgit2 gives it with a slash at the end, and git does not.
            command.env("GIT_DIR", self.inner.path().components().as_path());
        }
        command.stdin(Stdio::piped()).stdout(std::io::stderr());
        let mut child = command.spawn().map_err(Error::Unusable)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A hook that does not read its lines ends before all are written; that is no error.
            let _ = stdin.write_all(lines.as_bytes());
        }
        child.wait().map_err(Error::Unusable)
    }
}

/// `PATH` as git has it: its own programs first.
fn path_of_git(git: &Git, directory: &Path) -> Result<OsString, Error> {
    let said = git.output(directory, &["--exec-path"])?.stdout;
    let own = PathBuf::from(String::from_utf8_lossy(&said).trim_end());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(own).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders).unwrap_or(path))
}

fn run_by_git(
    git: &Git,
    directory: &Path,
    call: &Call<'_>,
    lines: &str,
) -> Result<ExitStatus, Error> {
    let mut file = tempfile::NamedTempFile::new().map_err(Error::Unusable)?;
    file.write_all(lines.as_bytes()).map_err(Error::Unusable)?;
    let to_stdin = format!("--to-stdin={}", file.path().display());
    let arguments =
        ["hook", "run", "--ignore-missing", &to_stdin, "pre-push", "--", call.name, call.url];
    let mut command = git.command(directory, &arguments);
    // git gives a hook's output to its own standard error; ours is the same.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    command.status().map_err(|error| git.unusable(error).into())
}

/// `<local ref> <local oid> <remote ref> <remote oid>` for each reference that will change, in
/// git's order: first those that are at the server already, by name.
fn lines(updates: &[&Update]) -> String {
    let mut updates = updates.to_vec();
    updates.sort_by_key(|update| match update.old.is_zero() {
        true => (true, ""),
        false => (false, update.reference.as_str()),
    });
    updates
        .iter()
        .map(|update| {
            let local = update.named.as_deref().unwrap_or("(delete)");
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
