//! The git repository here.
//!
//! libgit2 opens it, and says what is in it. A push is planned here (`plan`), packed by libgit2 or by git (`pack`) and
//! sent over our own HTTP client (`push`, `transport`). What is git's own to do, a commit and a hook, is git's (`git`), and
//! so is a push that needs what libgit2 lacks (`handover`).

mod advertisement;
mod clone;
mod commit;
mod git;
mod handover;
mod hooks;
mod lease;
mod pack;
mod pkt_line;
mod plan;
mod push;
mod refspec;
mod remotes;
mod report;
mod track;
mod transport;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use git2::{ConfigLevel, ErrorClass, ErrorCode, RepositoryInitOptions, RepositoryOpenFlags};
use thiserror::Error;

use crate::configuration::{Configuration, Scope};
use crate::text::visible;

pub use clone::{Clone, Helper};
pub use commit::{Change as Uncommitted, CommitError};
pub use git::{Error as GitError, Git};
pub use git2::Oid as Id;
pub use handover::Handover;
pub use hooks::Error as HookError;
pub use lease::Lease;
pub use pack::{Engine, Error as PackError, Packer, Stage};
pub use plan::{Error as PlanError, Kind, Refspecs, Settings, Update, short};
pub use push::{Answer, Error as PushError, Event, Outcome, Prepared, Push, Pushed};
pub use remotes::{Branch, Remote, Remotes};
pub use transport::Access;

/// A repository of this computer.
pub struct Repository {
    inner: git2::Repository,
}

/// Where `HEAD` points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A branch with a commit.
    Branch {
        /// Its short name.
        name: String,
    },
    /// A branch without one.
    Unborn {
        /// Its short name.
        name: String,
    },
    /// A commit without a branch.
    Detached,
}

impl Head {
    /// The short name of the branch, with a commit or without.
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Branch { name } | Self::Unborn { name } => Some(name),
            Self::Detached => None,
        }
    }
}

/// Why the repository can't be used as asked.
#[derive(Debug, Error)]
pub enum Error {
    /// It belongs to somebody else, so its configuration could run their commands as us
    /// (CVE-2022-24765; `safe.directory`, git-config(1)).
    #[error("the repository {} belongs to somebody else", .path.display())]
    SomebodyElses {
        /// The top of it, as `safe.directory` names it.
        path: PathBuf,
    },
    /// A format that libgit2 can't read.
    #[error("the repository uses {feature}, which only git itself can read")]
    Unsupported {
        /// What it is.
        feature: String,
    },
    /// It can't be opened for another reason.
    #[error("the repository at {} can't be opened: {reason}", .path.display())]
    Unusable {
        /// Where it was looked for.
        path: PathBuf,
        /// What libgit2 said.
        reason: String,
    },
    /// It can't be made.
    #[error("no repository can be made in {}: {reason}", .path.display())]
    NotMade {
        /// Where.
        path: PathBuf,
        /// What libgit2 said.
        reason: String,
    },
    /// Its configuration could not be changed; it is as it was.
    #[error("{} can't be changed: {reason}", .path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A setting that is read after the repository's own file, or included by it, stands in the
    /// way of what would be written there.
    #[error("{key} is set elsewhere too, and that goes before what would be written here")]
    Overridden {
        /// The setting.
        key: String,
    },
    /// Its configuration is being changed by another program, or one left its lock behind.
    #[error("{} is being changed by another git", .path.display())]
    Locked {
        /// The file, beside which the lock lies.
        path: PathBuf,
    },
    /// Something in it can't be read.
    #[error("the repository can't be read: {0}")]
    Unreadable(String),
    /// It has no files of its own.
    #[error("a bare repository has no files to commit")]
    Bare,
}

impl From<git2::Error> for Error {
    fn from(error: git2::Error) -> Self {
        Self::Unreadable(visible(error.message()))
    }
}

impl Repository {
    /// Opens the repository that `directory` is in, as git would find it where `GIT_DIR` is not set.
    ///
    /// # Errors
    /// None is `Ok(None)`; what is there and can't be opened is an error.
    pub fn find(directory: &Path) -> Result<Option<Self>, Error> {
        let nowhere: [&OsStr; 0] = [];
        let flags = RepositoryOpenFlags::FROM_ENV;
        match git2::Repository::open_ext(directory, flags, nowhere) {
            Ok(inner) => Ok(Some(Self { inner })),
            Err(error) if error.code() == ErrorCode::NotFound => {
                // libgit2 says the same of a `.git` that leads nowhere as of none. Of a file or a
                // link further up git says so too, and doesn't look beyond it.
                let leads_nowhere = |folder: &&Path| {
                    let found = folder.join(".git").symlink_metadata();
                    found.is_ok_and(|found| !found.is_dir() || *folder == directory)
                };
                match directory.ancestors().find(leads_nowhere) {
                    Some(folder) => {
                        let reason = "its .git leads to no repository".to_owned();
                        Err(Error::Unusable { path: folder.to_owned(), reason })
                    }
                    None => Ok(None),
                }
            }
            Err(error) => Err(open_error(directory, &error)),
        }
    }

    /// Opens the repository that `GIT_DIR` names, which must be set (git(1)).
    ///
    /// # Errors
    /// What is there can't be opened, or nothing is.
    pub fn named_by_environment(git_dir: &Path) -> Result<Self, Error> {
        match git2::Repository::open_from_env() {
            Ok(inner) => Ok(Self { inner }),
            Err(error) if error.code() == ErrorCode::NotFound => {
                let reason = "GIT_DIR leads to no repository".to_owned();
                Err(Error::Unusable { path: git_dir.to_owned(), reason })
            }
            Err(error) => Err(open_error(git_dir, &error)),
        }
    }

    /// Makes a repository in `directory`, with git's template and first branch.
    ///
    /// # Errors
    /// [`Error::NotMade`]
    pub fn init(directory: &Path, branch: Option<&str>) -> Result<Self, Error> {
        let mut options = RepositoryInitOptions::new();
        options.external_template(true).no_reinit(true);
        if let Some(branch) = branch {
            options.initial_head(branch);
        }
        let inner = git2::Repository::init_opts(directory, &options).map_err(|error| {
            Error::NotMade { path: directory.to_owned(), reason: visible(error.message()) }
        })?;
        Ok(Self { inner })
    }

    /// libgit2's view of the configuration in `directory`, where there is no git to ask: it knows
    /// nothing of `git -c`, `GIT_CONFIG_COUNT` and `includeIf "hasconfig:…"`.
    ///
    /// # Errors
    /// [`Error::Unreadable`]
    pub fn configuration(directory: &Path) -> Result<Configuration, Error> {
        match Self::find(directory)? {
            Some(repository) => repository.own_configuration(),
            None => read(&git2::Config::open_default()?),
        }
    }

    /// The same of this repository, for where there is no time to ask git.
    ///
    /// # Errors
    /// [`Error::Unreadable`]
    pub fn own_configuration(&self) -> Result<Configuration, Error> {
        read(&self.inner.config()?)
    }

    /// The folder that a person would call the repository.
    pub fn directory(&self) -> &Path {
        let directory = self.inner.workdir().unwrap_or_else(|| self.inner.path());
        // libgit2's ends with a slash.
        directory.components().as_path()
    }

    /// The folder whose name is the repository's: of a linked worktree that of the main one, of a
    /// bare repository its own without `.git`.
    pub fn home(&self) -> PathBuf {
        let common: PathBuf = self.inner.commondir().components().collect();
        if common.file_name().is_some_and(|name| name == ".git") {
            return common.parent().map_or_else(PathBuf::new, Path::to_owned);
        }
        match self.inner.is_bare() {
            true if common.extension().is_some_and(|extension| extension == "git") => {
                common.with_extension("")
            }
            true => common,
            // A submodule's, or one that `GIT_DIR` names.
            false => self.directory().to_owned(),
        }
    }

    /// Where `HEAD` points.
    ///
    /// # Errors
    /// [`Error::Unreadable`]
    pub fn head(&self) -> Result<Head, Error> {
        let head = self.inner.find_reference("HEAD")?;
        let Some(target) = head.symbolic_target()? else { return Ok(Head::Detached) };
        let name = target.strip_prefix("refs/heads/").unwrap_or(target).to_owned();
        match self.inner.find_reference(target) {
            Ok(_) => Ok(Head::Branch { name }),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Head::Unborn { name }),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the branch that has no commit yet another name; nothing if it has it already.
    ///
    /// # Errors
    /// [`Error::NotWritten`]
    pub fn name_unborn_branch(&self, name: &str) -> Result<(), Error> {
        self.inner.set_head(&format!("refs/heads/{name}")).map_err(|error| Error::NotWritten {
            path: self.inner.path().join("HEAD"),
            reason: visible(error.message()),
        })
    }

    /// Checks that its configuration can be changed, so that this is known before anything is made
    /// elsewhere.
    ///
    /// # Errors
    /// [`Error::NotWritten`], [`Error::Locked`]
    pub fn check_writable(&self) -> Result<(), Error> {
        let path = self.configuration_file();
        // It is written anew beside the file, under the file's own name behind every link.
        let file = path.canonicalize().unwrap_or_else(|_| path.clone());
        let not_written =
            |reason: &str| Error::NotWritten { path: path.clone(), reason: reason.to_owned() };
        // git and libgit2 would replace the file all the same; whoever made it so meant it.
        if file.metadata().is_ok_and(|data| data.permissions().readonly()) {
            return Err(not_written("it is read-only"));
        }
        let mut lock = file.clone().into_os_string();
        lock.push(".lock");
        if Path::new(&lock).symlink_metadata().is_ok() {
            return Err(Error::Locked { path: file });
        }
        #[cfg(unix)]
        {
            use rustix::fs::{Access, access};
            let folder = file.parent().unwrap_or(&file);
            access(folder, Access::WRITE_OK).map_err(|error| not_written(&error.to_string()))?;
        }
        Ok(())
    }

    /// Adds a remote, or points one that there is to another URL, for a push as for a fetch, and
    /// reads it back: what was written is what will be read (CVE-2025-48384).
    ///
    /// # Errors
    /// [`Error::NotWritten`] or [`Error::Overridden`], with the file as it was.
    pub fn set_remote(&self, name: &str, url: &str) -> Result<(), Error> {
        let path = self.configuration_file();
        let not_written =
            |reason: &str| Error::NotWritten { path: path.clone(), reason: visible(reason) };
        let before = std::fs::read(&path).map_err(|error| not_written(&error.to_string()))?;
        let error = match self.write_remote(name, url) {
            Ok(read) if read == url => return Ok(()),
            Err(error) if !error.message().contains("included") => not_written(error.message()),
            _ => Error::Overridden { key: format!("remote.{}.url", visible(name)) },
        };
        match std::fs::read(&path) {
            Ok(after) if after != before => match restore(&path, &before) {
                Ok(()) => Err(error),
                Err(fault) => Err(not_written(&format!("{error}; half of it stands ({fault})"))),
            },
            _ => Err(error),
        }
    }

    /// Writes a remote, and gives the URL that is read then.
    fn write_remote(&self, name: &str, url: &str) -> Result<String, git2::Error> {
        let is_known = self.inner.find_remote(name).is_ok();
        self.change_configuration(|configuration| {
            if !is_known {
                return self.inner.remote(name, url).map(drop);
            }
            // A remote can have several of each (git-remote(1), `set-url --add`).
            for key in ["pushurl", "url"] {
                match configuration.remove_multivar(&format!("remote.{name}.{key}"), ".*") {
                    Err(error) if error.code() != ErrorCode::NotFound => return Err(error),
                    _ => {}
                }
            }
            configuration.set_str(&format!("remote.{name}.url"), url)
        })?;
        self.inner.config()?.snapshot()?.get_string(&format!("remote.{name}.url"))
    }

    /// Changes the repository's own configuration. libgit2 writes the file anew with the mode of
    /// any new file; one that only its owner may read stays so, as with git.
    fn change_configuration(
        &self,
        change: impl FnOnce(&mut git2::Config) -> Result<(), git2::Error>,
    ) -> Result<(), git2::Error> {
        let path = self.configuration_file();
        let permissions = path.metadata().map(|data| data.permissions());
        let mut configuration = self.inner.config()?.open_level(ConfigLevel::Local)?;
        let changed = {
            #[cfg(unix)]
            let _private = PrivateFiles::begin();
            change(&mut configuration)
        };
        if let Ok(permissions) = permissions {
            // It failed where the change did too, and is then of no account.
            let _ = std::fs::set_permissions(&path, permissions);
        }
        changed
    }

    fn configuration_file(&self) -> PathBuf {
        self.inner.commondir().join("config")
    }

    /// The default branch at a remote, in full, as far as it is known here: `refs/remotes/REMOTE/HEAD`, which a clone
    /// makes.
    pub fn default_branch(&self, remote: &str) -> Option<String> {
        let here = format!("refs/remotes/{remote}/");
        let head = self.inner.find_reference(&format!("{here}HEAD")).ok()?;
        let target = head.symbolic_target().ok()??.strip_prefix(&here)?.to_owned();
        Some(format!("refs/heads/{target}"))
    }

    /// Whether anything is known here of what a remote has.
    pub fn has_seen(&self, remote: &str) -> bool {
        let references = self.inner.references_glob(&format!("refs/remotes/{remote}/*"));
        references.is_ok_and(|mut references| references.next().is_some())
    }

    /// Whether a branch here has this name.
    pub fn has_branch(&self, name: &str) -> bool {
        self.inner.find_branch(name, git2::BranchType::Local).is_ok()
    }

    /// Makes the branch follow `reference` of `remote`.
    ///
    /// # Errors
    /// [`Error::NotWritten`]
    pub fn set_upstream(&self, branch: &str, remote: &str, reference: &str) -> Result<(), Error> {
        let written = self.change_configuration(|configuration| {
            configuration.set_str(&format!("branch.{branch}.remote"), remote)?;
            configuration.set_str(&format!("branch.{branch}.merge"), reference)
        });
        written.map_err(|error| Error::NotWritten {
            path: self.configuration_file(),
            reason: visible(error.message()),
        })
    }

    /// The short names of the local branches that begin so, in order. One that is no text can't be
    /// typed either.
    ///
    /// # Errors
    /// [`Error::Unreadable`]
    pub fn branch_names(&self, beginning: &str) -> Result<Vec<String>, Error> {
        // What a pattern is made of is in no branch's name (git-check-ref-format(1)).
        if beginning.contains(['*', '?', '[', '\\']) {
            return Ok(Vec::new());
        }
        let pattern = format!("refs/heads/{beginning}*");
        let mut references = self.inner.references_glob(&pattern)?;
        let mut names: Vec<String> = Vec::new();
        // A person waits for them; what each points at would be read for nothing.
        for name in references.names() {
            match name {
                Ok(name) => names.extend(name.strip_prefix("refs/heads/").map(str::to_owned)),
                // Of a name that is no text git2 itself says so, of all else libgit2.
                Err(error) if error.class() == ErrorClass::None => {}
                Err(error) => return Err(error.into()),
            }
        }
        names.sort();
        Ok(names)
    }
}

fn read(configuration: &git2::Config) -> Result<Configuration, Error> {
    let mut found = Vec::new();
    let mut entries = configuration.entries(None)?;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let scope = match entry.level() {
            ConfigLevel::ProgramData | ConfigLevel::System => Scope::System,
            ConfigLevel::XDG | ConfigLevel::Global => Scope::Global,
            ConfigLevel::Worktree => Scope::Worktree,
            ConfigLevel::App => Scope::Command,
            _ => Scope::Local,
        };
        let key = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        let value =
            entry.has_value().then(|| String::from_utf8_lossy(entry.value_bytes()).into_owned());
        found.push((scope, key, value));
    }
    Ok(Configuration::from_entries(found))
}

/// Puts a file back as git changes one: under its lock, whole or not at all.
fn restore(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let permissions = path.metadata()?.permissions();
    let mut file = std::fs::File::options().write(true).create_new(true).open(&lock)?;
    file.set_permissions(permissions)
        .and_then(|()| file.write_all(content))
        .and_then(|()| std::fs::rename(&lock, path))
        .inspect_err(|_| drop(std::fs::remove_file(&lock)))
}

/// New files are only their owner's as long as this lives.
#[cfg(unix)]
struct PrivateFiles(rustix::fs::Mode);

#[cfg(unix)]
impl PrivateFiles {
    fn begin() -> Self {
        Self(rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077)))
    }
}

#[cfg(unix)]
impl Drop for PrivateFiles {
    fn drop(&mut self) {
        rustix::process::umask(self.0);
    }
}

/// Whether a text can be the short name of a branch (git-check-ref-format(1), `--branch`).
pub fn is_branch_name(name: &str) -> bool {
    !name.starts_with('-')
        && name != "HEAD"
        && git2::Reference::is_valid_name(&format!("refs/heads/{name}"))
}

fn open_error(path: &Path, error: &git2::Error) -> Error {
    let message = error.message();
    if error.code() == ErrorCode::Owner {
        // git goes by the top of the worktree (`safe.directory`), and libgit2 names the part of it
        // that is somebody else's.
        let has_git = |folder: &&Path| folder.join(".git").symlink_metadata().is_ok();
        let top = path.ancestors().find(has_git).unwrap_or(path);
        return Error::SomebodyElses { path: top.to_owned() };
    }
    let feature = [
        ("unknown object format", "the SHA-256 object format"),
        ("refstorage", "reftable"),
        ("unsupported extension", "an extension of git's format"),
    ];
    let is_about_format = matches!(error.class(), ErrorClass::Repository | ErrorClass::Config);
    if let Some((_, feature)) = feature.iter().find(|(sign, _)| message.contains(sign))
        && is_about_format
    {
        return Error::Unsupported { feature: (*feature).to_owned() };
    }
    Error::Unusable { path: path.to_owned(), reason: visible(message) }
}
