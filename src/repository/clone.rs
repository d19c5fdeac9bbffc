//! `git clone`, with this program as its credential helper.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret as _, SecretString};

use super::Git;
use super::git::{Error, failed};

/// This program as the only credential helper of one run of git, for what lies at or below a URL.
#[derive(Debug)]
pub struct Helper {
    /// The URL.
    pub url: String,
    /// The value of `credential.helper` that runs it.
    pub helper: OsString,
    /// Variables that this git gets beside its environment, for a helper that can't find the token by itself. They can
    /// be read by this user alone, as opposed to arguments.
    pub variables: Vec<(&'static str, SecretString)>,
}

impl Helper {
    /// Makes it so for a git that is about to be run, and for what that starts.
    pub(super) fn put_on(&self, command: &mut Command) {
        command.args(self.options());
        for (name, value) in &self.variables {
            command.env(name, value.expose_secret());
        }
    }

    fn options(&self) -> Vec<OsString> {
        let setting = |name: &str, value: &OsStr| {
            let mut setting = OsString::from(format!("credential.{}.{name}=", self.url));
            setting.push(value);
            ["-c".into(), setting]
        };
        // The empty one ends the list of those before it (gitcredentials(7)).
        let helpers = [setting("helper", OsStr::new("")), setting("helper", &self.helper)];
        let settings = helpers.into_iter().chain([setting("useHttpPath", OsStr::new("true"))]);
        settings.flatten().collect()
    }
}

/// What is to be cloned, and how.
#[derive(Debug)]
pub struct Clone<'c> {
    /// Where it is.
    pub url: &'c str,
    /// Where it goes. It is always said: one word too many among the options would be cloned in the place of the URL,
    /// and the URL be the folder.
    pub directory: &'c Path,
    /// Further options of `git clone`.
    pub options: &'c [OsString],
    /// Without progress.
    pub quiet: bool,
    /// Who has the credential.
    pub helper: &'c Helper,
}

impl Git {
    /// Clones a repository. What git says goes to our standard error.
    ///
    /// # Errors
    /// [`enum@Error`]; git has told why.
    pub fn clone_repository(&self, directory: &Path, clone: &Clone<'_>) -> Result<(), Error> {
        let mut command = self.command(directory, &[]);
        clone.helper.put_on(&mut command);
        command.arg("clone");
        command.args(clone.quiet.then_some("--quiet")).args(clone.options);
        // What follows is no option, whatever it begins with (CVE-2017-1000117).
        command.arg("--").arg(clone.url).arg(clone.directory);
        self.show(&mut command, "clone")
    }

    /// Runs a git that talks to the person itself.
    fn show(&self, command: &mut Command, action: &str) -> Result<(), Error> {
        let status = command
            .stdin(Stdio::null())
            // Our standard output is data.
            .stdout(std::io::stderr())
            .stderr(Stdio::inherit())
            .status()
            .map_err(|error| self.unusable(error))?;
        match status.success() {
            true => Ok(()),
            false => Err(failed(&[action], status, b"")),
        }
    }
}
