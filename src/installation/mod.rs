//! The files that a shell and `man` look for: put in place for one user, and taken back exactly.
//!
//! `git vsts setup` calls it so, with paths that its context knows:
//!
//! ```no_run
//! use git_vsts::installation::{Places, put, take_back};
//! # let (program, data): (&std::path::Path, std::path::PathBuf) = todo!();
//! let places = Places { bash: None, fish: None, manual: Places::manual_of(program, None), data };
//! for outcome in put(&places, false)? {
//!     println!("{:?}: {}: {:?}", outcome.group, outcome.path.display(), outcome.what);
//! }
//! for line in places.zsh_lines() {
//!     println!("{line}");
//! }
//! for outcome in take_back(&places.data, false)? { /* … */ }
//! # Ok::<(), git_vsts::installation::Error>(())
//! ```
//!
//! What was put where stands in `setup.json` in the data directory, with the SHA-256 of each file and
//! the folders that were made for it. Only what is recorded there is ever replaced or removed, and
//! only while it is as it was written: a file that somebody else put there or has changed is theirs.

mod files;
mod manifest;

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use files::{File, files};
use manifest::Manifest;

pub use files::{Shell, completion};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// `man git-vsts`, and so `git vsts --help`.
    Manual,
    /// Completion in bash.
    Bash,
    /// Completion in fish.
    Fish,
    /// Completion in zsh.
    Zsh,
}

/// Where files go. A group without a folder is left out.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of the manual's first section, see [`Places::manual_of`].
    pub manual: Option<PathBuf>,
    /// Where bash-completion looks for a command's file:
    /// `${BASH_COMPLETION_USER_DIR:-${XDG_DATA_HOME:-~/.local/share}/bash-completion}/completions`
    /// (its README, "Where should I install my own local completions?").
    pub bash: Option<PathBuf>,
    /// Where fish looks for the files of programs: `${XDG_DATA_HOME:-~/.local/share}/fish/vendor_completions.d`
    /// (fish-completions(1), "Where to put completions").
    pub fish: Option<PathBuf>,
    /// Our own data directory. What zsh reads is put below it, since zsh has no folder of a user's own.
    pub data: PathBuf,
}

impl Places {
    /// Where `man` looks for the pages of a program: `../share/man` beside the folder `bin` that `PATH`
    /// names (manpath(5)). Windows has no `man`.
    ///
    /// None for a program in another folder, and for the `bin` of a home or of the root: a `share`
    /// beside that is no folder that anybody expects.
    #[must_use]
    pub fn manual_of(program: &Path, home: Option<&Path>) -> Option<PathBuf> {
        let folder = program.parent().filter(|folder| folder.ends_with("bin"))?;
        let prefix = folder.parent().filter(|prefix| prefix.parent().is_some())?;
        let is_home = home.is_some_and(|home| {
            prefix == home || fs::canonicalize(home).is_ok_and(|home| prefix == home)
        });
        (!cfg!(windows) && !is_home).then(|| prefix.join("share/man/man1"))
    }

    /// The lines of a person's `.zshrc` that make zsh find what was put for it.
    #[must_use]
    pub fn zsh_lines(&self) -> [String; 2] {
        let folder = self.zsh().display().to_string().replace('\'', r"'\''");
        [format!("fpath=('{folder}' $fpath)"), "autoload -Uz compinit && compinit".to_owned()]
    }

    fn zsh(&self) -> PathBuf {
        self.data.join("completions")
    }

    fn folder(&self, group: Group) -> Option<PathBuf> {
        match group {
            Group::Manual => self.manual.clone(),
            Group::Bash => self.bash.clone(),
            Group::Fish => self.fish.clone(),
            Group::Zsh => (!cfg!(windows)).then(|| self.zsh()),
        }
    }
}

/// What became of one file.
#[derive(Debug)]
pub struct Outcome {
    /// What it is for.
    pub group: Group,
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub what: What,
}

/// What becomes of a file. With `dry_run`, what would.
#[derive(Debug)]
pub enum What {
    /// It was put there.
    Put,
    /// It was ours, of another version, and was replaced.
    Replaced,
    /// It is ours, and is as it should be.
    AsItShouldBe,
    /// Somebody else, such as a package, has put the same file there.
    SomebodyElsesSame,
    /// Another file stands in its place, which is not ours and was left alone.
    SomebodyElses,
    /// It was ours and was changed since. It was left alone, and after [`take_back`] it is no longer
    /// ours.
    Changed,
    /// It was ours, and was removed.
    Removed,
    /// It was ours, and somebody has removed it.
    Gone,
    /// The system does not let us.
    Refused(io::Error),
}

/// Why nothing could be put in place or taken back.
#[derive(Debug, Error)]
pub enum Error {
    /// What was put in place can't be recorded, so nothing was.
    #[error("{} can't be written", .path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was put in place is not known.
    #[error("{} can't be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The record is not one of ours, or one of a later version.
    #[error("{} is damaged, or was written by a later version", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Puts every file in its place. Running it again changes nothing that is as it should be, and runs
/// at the same time wait for each other. With `dry_run` nothing is written.
///
/// A folder that can't be written is an outcome of its files, and no failure of the others.
///
/// # Errors
/// [`enum@Error`], with nothing put in place.
pub fn put(places: &Places, dry_run: bool) -> Result<Vec<Outcome>, Error> {
    put_files(places, &files(), dry_run)
}

fn put_files(places: &Places, files: &[File], dry_run: bool) -> Result<Vec<Outcome>, Error> {
    if files.iter().all(|file| places.folder(file.group).is_none()) {
        return Ok(Vec::new());
    }
    let mut record = match dry_run {
        true => Manifest::read(&places.data)?,
        false => Manifest::lock(&places.data)?,
    };
    let mut outcomes = Vec::new();
    let mut placed = Vec::new();
    for file in files {
        let Some(folder) = places.folder(file.group) else { continue };
        let path = folder.join(file.name);
        let state = look(&record, &path, file.content);
        placed.push((file, path, state));
    }
    let old = left_by_an_older_version(&record, &placed);
    if !dry_run {
        // Recorded first: a file that was put and is not known as ours would never be taken back.
        let missing = |(_, _, state): &&(_, _, State)| matches!(state, State::Missing);
        for (file, path, _) in placed.iter().filter(missing) {
            record.add(path, file);
        }
        record.save()?;
    }
    for (file, path, state) in placed {
        let what = match state {
            State::Missing | State::OursOld if !dry_run => {
                change(&mut record, &path, file, matches!(state, State::Missing))
            }
            State::Missing => What::Put,
            State::OursOld => What::Replaced,
            State::OursSame => {
                record.add(&path, file);
                What::AsItShouldBe
            }
            State::OursChanged => What::Changed,
            State::TheirsSame => What::SomebodyElsesSame,
            State::Theirs => What::SomebodyElses,
            State::Refused(error) => What::Refused(error),
        };
        outcomes.push(Outcome { group: file.group, path, what });
    }
    for (path, group) in old {
        let what = remove(&mut record, &path, dry_run);
        outcomes.push(Outcome { group, path, what });
    }
    if !dry_run {
        record.save()?;
    }
    Ok(outcomes)
}

/// Removes what [`put`] has put in place and nobody has changed since, then the folders that were
/// made for it and are empty. `data` is [`Places::data`]. With `dry_run` nothing is removed.
///
/// What can't be removed stays recorded, so that a later run can.
///
/// # Errors
/// [`enum@Error`], with nothing removed.
pub fn take_back(data: &Path, dry_run: bool) -> Result<Vec<Outcome>, Error> {
    let mut record = Manifest::read(data)?;
    if record.is_empty() {
        return Ok(Vec::new());
    }
    if !dry_run {
        // Another run may have ended since it was looked at.
        record = Manifest::lock(data)?;
    }
    let mut outcomes = Vec::new();
    for (path, group) in record.files() {
        let what = remove(&mut record, &path, dry_run);
        outcomes.push(Outcome { group, path, what });
    }
    if !dry_run {
        record.end()?;
    }
    Ok(outcomes)
}

/// How a place is found.
#[derive(Debug)]
enum State {
    Missing,
    OursSame,
    OursOld,
    OursChanged,
    TheirsSame,
    Theirs,
    Refused(io::Error),
}

fn look(record: &Manifest, path: &Path, content: &str) -> State {
    if path.to_str().is_none() {
        let reason = "a path that is no text can't be recorded";
        return State::Refused(io::Error::new(ErrorKind::InvalidInput, reason));
    }
    let found = match read(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return State::Missing,
        Err(error) => return State::Refused(error),
    };
    let is_same = found.content.as_deref() == Some(content.as_bytes());
    match record.hash(path) {
        // A run that was killed between the file and its record has left it so.
        Some(_) if is_same => State::OursSame,
        Some(hash) if found.has(hash) => State::OursOld,
        Some(_) => State::OursChanged,
        None if is_same => State::TheirsSame,
        None => State::Theirs,
    }
}

/// What stands at a path.
struct Found {
    /// Whether it is a regular file; a link was not put there by us.
    is_file: bool,
    /// What is in it, or in the file that a link leads to.
    content: Option<Vec<u8>>,
}

impl Found {
    fn has(&self, hash: &str) -> bool {
        self.is_file && self.content.as_deref().is_some_and(|it| manifest::hash(it) == hash)
    }
}

fn read(path: &Path) -> io::Result<Found> {
    let is_file = fs::symlink_metadata(path)?.is_file();
    // Neither a pipe, which would have us wait, nor a link that leads nowhere is like any file of ours.
    let leads_to_file = fs::metadata(path).is_ok_and(|data| data.is_file());
    Ok(Found { is_file, content: leads_to_file.then(|| fs::read(path)).transpose()? })
}

/// Writes one file, whole or not at all.
fn change(record: &mut Manifest, path: &Path, file: &File, is_new: bool) -> What {
    let folder = path.parent().expect("it is a file of a folder");
    let written =
        record.make_folder(folder).and_then(|()| write(folder, path, file.content, is_new));
    match (written, is_new) {
        (Ok(()), true) => What::Put,
        (Ok(()), false) => {
            record.add(path, file);
            What::Replaced
        }
        (Err(error), true) => {
            record.forget(path);
            match error.kind() {
                ErrorKind::AlreadyExists => What::SomebodyElses,
                _ => What::Refused(error),
            }
        }
        (Err(error), false) => What::Refused(error),
    }
}

fn write(folder: &Path, path: &Path, content: &str, is_new: bool) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".git-vsts-").tempfile_in(folder)?;
    file.write_all(content.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Of a temporary file it is 0600, and others read the pages of a prefix that they share.
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    match is_new {
        // What somebody put there a moment ago is theirs.
        true => file.persist_noclobber(path)?,
        false => file.persist(path)?,
    };
    Ok(())
}

/// Removes a recorded file that is as it was written.
fn remove(record: &mut Manifest, path: &Path, dry_run: bool) -> What {
    let what = match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => What::Gone,
        Err(error) => What::Refused(error),
        Ok(found) if !is_ours(record, path, &found) => What::Changed,
        Ok(_) if dry_run => What::Removed,
        Ok(_) => fs::remove_file(path).map_or_else(What::Refused, |()| What::Removed),
    };
    if !matches!(what, What::Refused(_)) {
        record.forget(path);
    }
    what
}

fn is_ours(record: &Manifest, path: &Path, found: &Found) -> bool {
    let is_recorded = record.hash(path).is_some_and(|hash| found.has(hash));
    // A run that was killed between a replaced file and its record has left it so.
    let is_of_now = || files().iter().any(|it| found.has(&manifest::hash(it.content.as_bytes())));
    is_recorded || is_of_now()
}

/// Files in the folders that we write to which this version has no more.
fn left_by_an_older_version(
    record: &Manifest,
    placed: &[(&File, PathBuf, State)],
) -> Vec<(PathBuf, Group)> {
    let is_beside = |path: &Path| placed.iter().any(|(_, met, _)| met.parent() == path.parent());
    let is_known = |path: &Path| placed.iter().any(|(_, met, _)| met == path);
    let files = record.files().into_iter();
    files.filter(|(path, _)| is_beside(path) && !is_known(path)).collect()
}

#[cfg(test)]
mod tests;
