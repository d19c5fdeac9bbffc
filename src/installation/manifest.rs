//! `setup.json`: what was put where.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::File;
use super::{Error, Group};

const FILE: &str = "setup.json";
/// A file of its own: the record is exchanged by each write, and a lock goes with the file.
const LOCK_FILE: &str = "setup.lock";
/// The version in the file; another one was written by a program that knows more.
const VERSION: u32 = 1;
/// A run holds the lock for milliseconds. One that was stopped in the middle must not stop us too.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// How often to look whether another run is using our folder, once the lock is given up.
const HAND_OVER_LOOKS: u32 = 20;

/// What is recorded, and the lock that keeps other runs out while it is held.
pub(super) struct Manifest {
    folder: PathBuf,
    content: Content,
    saved: Content,
    lock: Option<fs::File>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    files: BTreeMap<PathBuf, Entry>,
    /// Those that were made.
    folders: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    group: Group,
    /// In hexadecimal digits.
    sha256: String,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Manifest {
    /// What is recorded in `folder`, which need not be there.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let content = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Content { version: VERSION, ..Content::default() }
            }
            Err(source) => return Err(Error::Unreadable { path, source }),
            Ok(text) => match serde_json::from_slice::<Version>(&text) {
                Ok(Version { version: VERSION }) => serde_json::from_slice(&text).ok(),
                _ => None,
            }
            .ok_or(Error::Damaged { path })?,
        };
        Ok(Self { folder: folder.to_owned(), saved: content.clone(), content, lock: None })
    }

    /// The same, with `folder` made and other runs kept out.
    pub(super) fn lock(folder: &Path) -> Result<Self, Error> {
        let unwritable = |source| Error::Unwritable { path: folder.to_owned(), source };
        let (lock, made) = lock(folder).map_err(unwritable)?;
        let mut manifest = Self::read(folder)?;
        manifest.content.folders.extend(made);
        manifest.lock = Some(lock);
        Ok(manifest)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content.files.is_empty() && self.content.folders.is_empty()
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Group)> {
        let files = self.content.files.iter();
        files.map(|(path, entry)| (path.clone(), entry.group)).collect()
    }

    /// The hash of what was written to a path.
    pub(super) fn hash(&self, path: &Path) -> Option<&str> {
        self.content.files.get(path).map(|entry| &*entry.sha256)
    }

    pub(super) fn add(&mut self, path: &Path, file: &File) {
        let entry = Entry { group: file.group, sha256: hash(file.content.as_bytes()) };
        self.content.files.insert(path.to_owned(), entry);
    }

    pub(super) fn forget(&mut self, path: &Path) {
        self.content.files.remove(path);
    }

    /// Makes a folder and those above it that are missing, and records them.
    pub(super) fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.content.folders.extend(make(folder, 0o755)?);
        Ok(())
    }

    /// Writes it, whole or not at all, if it has changed.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        if self.content == self.saved {
            return Ok(());
        }
        let path = self.folder.join(FILE);
        write(&self.folder, &path, &self.content)
            .map_err(|source| Error::Unwritable { path, source })?;
        self.saved = self.content.clone();
        Ok(())
    }

    /// Removes the record and the folders in it that are empty, unless there are files to be recorded.
    pub(super) fn end(mut self) -> Result<(), Error> {
        if !self.content.files.is_empty() {
            self.remove_folders();
            return self.save();
        }
        // While other runs are kept out; what is left then is our own folder and those above it.
        self.remove_folders();
        for path in [FILE, LOCK_FILE].map(|name| self.folder.join(name)) {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(Error::Unwritable { path, source });
                }
                _ => {}
            }
        }
        for _ in 0..HAND_OVER_LOOKS {
            self.remove_folders();
            if self.content.folders.is_empty() {
                return Ok(());
            }
            // Another run may have begun before they were gone, and does not know who made them.
            if self.folder.join(LOCK_FILE).exists() {
                let mut next = Self::lock(&self.folder)?;
                next.content.folders.extend(self.content.folders);
                return next.end();
            }
            match fs::read_dir(&self.folder).map(|mut all| all.next().is_some()) {
                // Something else is kept in it.
                Ok(true) if !self.folder.join(LOCK_FILE).exists() => return Ok(()),
                Ok(true) => {}
                // Another run is about to lock it, to make it or to remove it; else others use those above.
                Ok(false) | Err(_) => thread::sleep(LOCK_PAUSE),
            }
        }
        Ok(())
    }

    /// Removes the folders that are empty; one that others use by now is not.
    fn remove_folders(&mut self) {
        // From below: a folder sorts before what is in it.
        for folder in self.content.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
        self.content.folders.retain(|folder| folder.is_dir());
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(content: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes what it is given");
        text
    })
}

/// Waits until no other run holds the lock. Gives the folders that were made for it, too.
fn lock(folder: &Path) -> io::Result<(fs::File, Vec<PathBuf>)> {
    let path = folder.join(LOCK_FILE);
    let start = Instant::now();
    let mut made = Vec::new();
    loop {
        // Credentials may come to lie here.
        let opened = make(folder, 0o700).and_then(|new| {
            made.extend(new);
            fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path)
        });
        let reason = match opened.map(|file| (file.try_lock(), file)) {
            Ok((Ok(()), file)) if is_same(&file, &path) => return Ok((file, made)),
            // The run that held it has just removed it, and its folder perhaps.
            Ok((Ok(()), _)) => continue,
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            Err(error) | Ok((Err(TryLockError::Error(error)), _)) => return Err(error),
            Ok((Err(TryLockError::WouldBlock), _)) => {
                io::Error::new(ErrorKind::WouldBlock, "another `git vsts setup` is at work")
            }
        };
        if start.elapsed() > LOCK_PATIENCE {
            return Err(reason);
        }
        thread::sleep(LOCK_PAUSE);
    }
}

/// Whether a file is still the one at a path: the run that held the lock may have removed it.
#[cfg(unix)]
fn is_same(file: &fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |data: fs::Metadata| (data.dev(), data.ino());
    file.metadata().map(identity).ok() == fs::metadata(path).map(identity).ok()
}

/// What is open can't be removed.
#[cfg(not(unix))]
fn is_same(_: &fs::File, _: &Path) -> bool {
    true
}

/// Makes a folder and those above it, and gives those that were made.
fn make(folder: &Path, mode: u32) -> io::Result<Vec<PathBuf>> {
    let is_missing =
        |path: &&Path| fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    let mut made = Vec::new();
    for path in missing.into_iter().rev() {
        match builder(mode).create(path) {
            Ok(()) => made.push(path.to_owned()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                made.iter().rev().for_each(|made| drop(fs::remove_dir(made)));
                return Err(error);
            }
        }
    }
    Ok(made)
}

#[cfg(unix)]
fn builder(mode: u32) -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = DirBuilder::new();
    // zsh refuses to read from a folder that others can write, as many an umask would have it.
    builder.mode(mode);
    builder
}

#[cfg(not(unix))]
fn builder(_: u32) -> DirBuilder {
    DirBuilder::new()
}

fn write(folder: &Path, path: &Path, content: &Content) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".setup-").tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut file, content)?;
    file.write_all(b"\n")?;
    file.persist(path)?;
    Ok(())
}
