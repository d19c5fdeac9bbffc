//! A commit, made by git itself, so that identity, hooks, signing and filters are git's.

use std::path::Path;
use std::process::Stdio;

use super::{Error, Git, GitError, Repository};

/// A file that a commit would take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path below the repository's folder, as bytes show it.
    pub path: String,
    /// Whether its name is one that secrets have.
    pub looks_secret: bool,
}

impl Repository {
    /// What a commit of everything here would take in: changed, deleted and new files, without
    /// those that `.gitignore` names. Nothing of the repository's is run for it.
    ///
    /// # Errors
    /// [`Error::Bare`], or what git said.
    pub fn uncommitted(&self, git: &Git) -> Result<Vec<Change>, CommitError> {
        let directory = self.work_tree()?;
        // `core.fsmonitor` names a program (CVE-2022-24765 and its kin).
        let arguments = [
            "-c",
            "core.fsmonitor=false",
            "--no-optional-locks",
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=all",
        ];
        let said = git.output(directory, &arguments)?.stdout;
        let records = said.split(|byte| *byte == 0).filter(|record| record.len() > 3);
        Ok(records
            .map(|record| {
                let path = String::from_utf8_lossy(&record[3..]).into_owned();
                let deleted = record[..2].contains(&b'D');
                Change { looks_secret: !deleted && looks_secret(&path), path }
            })
            .collect())
    }

    /// Checks that git could commit here: it knows who commits.
    ///
    /// # Errors
    /// [`CommitError::Nobody`] if it does not.
    pub fn can_commit(&self, git: &Git) -> Result<(), CommitError> {
        let directory = self.work_tree()?;
        for who in ["GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"] {
            match git.output(directory, &["var", who]) {
                Ok(_) => {}
                Err(GitError::Failed { said, .. }) => {
                    // Before it stands a page of advice that is git's, and meant for `git commit`.
                    let reason = said.lines().rev().find_map(|line| line.strip_prefix("fatal: "));
                    return Err(CommitError::Nobody { reason: reason.unwrap_or(&said).to_owned() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Commits everything here. What git and its hooks say goes to our standard error.
    ///
    /// # Errors
    /// What git said; nothing was committed then, but the files may be staged.
    pub fn commit(&self, git: &Git, message: &str) -> Result<(), CommitError> {
        let directory = self.work_tree()?;
        git.output(directory, &["add", "--all"])?;
        let message = format!("--message={message}");
        let arguments = ["commit", "--quiet", &message];
        let status = git
            .command(directory, &arguments)
            .stdin(Stdio::null())
            // Our standard output is data.
            .stdout(std::io::stderr())
            .stderr(Stdio::inherit())
            .status()
            .map_err(|error| git.unusable(error))?;
        match status.success() {
            true => Ok(()),
            false => Err(super::git::failed(&["commit"], status, b"").into()),
        }
    }

    fn work_tree(&self) -> Result<&Path, Error> {
        self.inner.workdir().ok_or(Error::Bare)
    }
}

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The repository can't be used for it.
    #[error(transparent)]
    Repository(#[from] Error),
    /// git does not know who commits.
    #[error("git does not know who commits: {reason}")]
    Nobody {
        /// What git said.
        reason: String,
    },
    /// git did not do it.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Whether a file's name is one that a private key or a list of passwords has.
fn looks_secret(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_example = ["example", "sample", "template", "dist"].contains(&extension);
    let is_environment = name == ".env" || name.starts_with(".env.") || name.ends_with(".env");
    let is_key = matches!(extension, "pem" | "key" | "pfx" | "p12" | "kdbx" | "keystore" | "jks");
    let is_ssh = name.starts_with("id_") && extension != "pub";
    // `credentials` is git's own store and the file of several clouds' tools; `credentials.json` is ours among others'.
    let is_known = [
        ".git-credentials",
        ".netrc",
        ".npmrc",
        ".pgpass",
        ".pypirc",
        "_netrc",
        "credentials",
        "credentials.json",
        "credentials.json.new",
        "credentials.toml",
    ];
    let is_known = is_known.contains(&&*name);
    (is_environment && !is_example) || is_key || is_ssh || is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for (path, secret) in [
            (".env", true),
            ("a/.env.local", true),
            ("prod.env", true),
            (".env.example", false),
            ("environment.rs", false),
            ("tls/server.pem", true),
            ("server.KEY", true),
            (".ssh/id_ed25519", true),
            ("id_rsa.pub", false),
            ("src/identity.rs", false),
            (".npmrc", true),
            (".git-credentials", true),
            (".config/git/credentials", true),
            (".local/share/git-vsts/credentials.json", true),
            (".local/share/git-vsts/credentials.json.new", true),
            (".cargo/credentials.toml", true),
            ("src/credentials.rs", false),
            ("credentials/README.md", false),
            ("README.md", false),
        ] {
            assert_eq!(looks_secret(path), secret, "{path}");
        }
    }
}
