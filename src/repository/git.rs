//! The git on this computer, for what is git's own to do: its configuration, a commit, a hook.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use thiserror::Error;

use crate::text::visible_bytes;

/// A git program, found once.
#[derive(Clone, Debug)]
pub struct Git {
    program: PathBuf,
    /// Variables of our environment that hold a secret, which no child gets.
    secrets: Vec<OsString>,
    /// Variables that name a path as it is from where this program was started; children are started elsewhere.
    paths: Vec<(&'static str, PathBuf)>,
}

/// Why git did not do what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// There is none on `PATH`.
    #[error("there is no git on PATH")]
    Missing,
    /// It could not be started, or not be talked to.
    #[error("{} can't be run", .program.display())]
    Unusable {
        /// Its path.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("`git {action}` failed ({status})")]
    Failed {
        /// What it was asked to do.
        action: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said, if that was not shown already.
        said: String,
    },
}

impl Git {
    /// Looks for git in the folders of `PATH`.
    ///
    /// Relative ones are passed over: a repository could bring a `git` of its own and be the
    /// current directory (CVE-2025-46334, CVE-2024-40644). Children don't get `secrets`.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn find(path: Option<&OsStr>, secrets: &[&str]) -> Result<Self, Error> {
        let name = format!("git{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(path.unwrap_or_default())
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&name))
            .find(|program| is_program(program))
            .map(|program| Self {
                program,
                secrets: secrets.iter().map(OsString::from).collect(),
                paths: Vec::new(),
            })
            .ok_or(Error::Missing)
    }

    /// The same for a program that was started in `directory`, with those of its variables that name a path (git(1)).
    #[must_use]
    pub fn started_in<'e>(
        mut self,
        directory: &Path,
        value: impl Fn(&'static str) -> Option<&'e OsStr>,
    ) -> Self {
        const NAMES: [&str; 8] = [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_COMMON_DIR",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_SHALLOW_FILE",
            "GIT_CONFIG_GLOBAL",
            "GIT_CONFIG_SYSTEM",
        ];
        let path = |name| Some((name, Path::new(value(name)?)));
        let relative = NAMES
            .into_iter()
            .filter_map(path)
            .filter(|(_, path)| path.is_relative() && !path.as_os_str().is_empty());
        self.paths = relative.map(|(name, path)| (name, directory.join(path))).collect();
        self
    }

    /// git's own view of its configuration, in `directory`: the output of
    /// `git config --list -z --show-scope --show-origin` (git-config(1)). None if this git can't say
    /// it: before 2.26 it knew no scopes, and a setting is worth nothing without the one who made it.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn configuration(&self, directory: &Path) -> Result<Option<Vec<u8>>, Error> {
        /// git's own status for an option that it does not know.
        const USAGE: i32 = 129;
        let arguments = ["config", "--list", "-z", "--show-scope", "--show-origin"];
        match self.output(directory, &arguments) {
            Ok(output) => Ok(Some(output.stdout)),
            Err(Error::Failed { status, .. }) if status.code() == Some(USAGE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The version, such as `[2, 47, 3]`; empty if it can't be told.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn version(&self, directory: &Path) -> Result<Vec<u32>, Error> {
        let said = self.output(directory, &["version"])?.stdout;
        let said = String::from_utf8_lossy(&said);
        let numbers = said.split_whitespace().nth(2).unwrap_or_default();
        Ok(numbers.split('.').map_while(|number| number.parse().ok()).collect())
    }

    /// The folder of the repository that `directory` is in, shared by all its work trees. git refuses one that belongs
    /// to somebody else.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn common_folder(&self, directory: &Path) -> Result<PathBuf, Error> {
        let said = self.output(directory, &["rev-parse", "--git-common-dir"])?.stdout;
        Ok(directory.join(path_of(said.strip_suffix(b"\n").unwrap_or(&said))))
    }

    /// The folder of the hooks, by `core.hooksPath` too.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn hooks_folder(&self, directory: &Path) -> Result<PathBuf, Error> {
        let said = self.output(directory, &["rev-parse", "--git-path", "hooks"])?.stdout;
        Ok(directory.join(path_of(said.strip_suffix(b"\n").unwrap_or(&said))))
    }

    /// The branch that is checked out; none where `HEAD` names a commit, or something that is no text.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn branch(&self, directory: &Path) -> Result<Option<String>, Error> {
        let arguments = ["symbolic-ref", "--quiet", "--short", "HEAD"];
        match self.output(directory, &arguments) {
            Ok(output) => {
                Ok(str::from_utf8(output.stdout.trim_ascii_end()).ok().map(str::to_owned))
            }
            Err(Error::Failed { status, .. }) if status.code() == Some(1) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets a key of the user's own configuration.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn set_global(&self, directory: &Path, key: &str, value: &str) -> Result<(), Error> {
        self.output(directory, &["config", "--global", key, value]).map(drop)
    }

    /// Every value of a key in one file, as git reads it; none if it can't read the file.
    pub fn values_in(&self, directory: &Path, file: &Path, key: &str) -> Option<Vec<Vec<u8>>> {
        let mut command = self.command(directory, &["config", "-z", "--file"]);
        let output = command.arg(file).args(["--get-all", key]).stdin(Stdio::null()).output();
        let output = output.ok().filter(|output| output.status.success())?;
        let values = output.stdout.split_inclusive(|byte| *byte == 0);
        Some(values.map(|value| value[..value.len() - 1].to_vec()).collect())
    }

    /// Runs git with what it says on standard output and error caught.
    pub(super) fn output(&self, directory: &Path, arguments: &[&str]) -> Result<Output, Error> {
        let output = self
            .command(directory, arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.unusable(error))?;
        if !output.status.success() {
            return Err(failed(arguments, output.status, &output.stderr));
        }
        Ok(output)
    }

    /// A git that is about to be run: never through a shell, and without our secrets.
    pub(super) fn command(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(directory);
        for secret in &self.secrets {
            command.env_remove(secret);
        }
        command.envs(self.paths());
        command
    }

    pub(super) fn unusable(&self, source: io::Error) -> Error {
        Error::Unusable { program: self.program.clone(), source }
    }

    /// The variables that a child gets as they are from where it is started.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.paths.iter().map(|(name, path)| (*name, path.as_path()))
    }

    /// The variables that a child must not get.
    pub(super) fn secrets(&self) -> &[OsString] {
        &self.secrets
    }
}

/// What git did not do.
pub(super) fn failed(arguments: &[&str], status: ExitStatus, said: &[u8]) -> Error {
    // Options that set configuration stand before the action; they say nothing to a person.
    let action = arguments.iter().find(|it| !it.starts_with('-') && !it.contains('='));
    let lines = said.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let said = lines.map(visible_bytes).collect::<Vec<_>>().join("\n");
    Error::Failed {
        action: action.unwrap_or(&"").to_string(),
        status,
        said: said.trim_end().to_owned(),
    }
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    OsString::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)).into()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    // git gives UTF-8 there.
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
