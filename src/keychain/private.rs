//! Files and folders that only their owner may use.
//!
//! On Windows a user's profile is private by its access list, which new files inherit; there are no mode
//! bits to look at, so only links are refused there.

#[cfg(not(unix))]
pub(super) use self::elsewhere::{
    check_directory, create, create_directory, open, sync_directory, writable,
};
#[cfg(unix)]
pub(super) use self::unix::{
    check_directory, create, create_directory, open, sync_directory, writable,
};

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, File, Metadata, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    use std::path::Path;

    use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, accessat, openat};
    use rustix::io::Errno;

    use crate::keychain::Error;

    /// Permission bits, without the type of the file.
    const BITS: u32 = 0o7777;

    /// Makes the folder, and those above it that are missing, for this user alone.
    ///
    /// One that is there already is closed to others if they could only read it; one that they can write
    /// is refused by [`check_directory`], since they may have planted something.
    pub(in crate::keychain) fn create_directory(path: &Path) -> Result<(), Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| Error::Unwritable { path: path.to_owned(), source })?;
        check_directory(path)?;
        let mode = mode_of(&metadata(path)?);
        if mode & 0o077 != 0 {
            let closed = std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700));
            closed.map_err(|source| Error::Unwritable { path: path.to_owned(), source })?;
        }
        Ok(())
    }

    /// Refuses a folder in which another user could put or rename a file.
    pub(in crate::keychain) fn check_directory(path: &Path) -> Result<(), Error> {
        let metadata = metadata(path)?;
        if !metadata.is_dir() {
            return Err(Error::WrongType { path: path.to_owned(), expected: "folder" });
        }
        check(path, &metadata, 0o022)
    }

    /// Opens a file for reading if it is a regular one that only this user can use; `None` if there is none.
    ///
    /// What is checked is what was opened: a path could be exchanged between a check and the opening.
    pub(in crate::keychain) fn open(path: &Path) -> Result<Option<File>, Error> {
        // NONBLOCK, since opening a pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(CWD, path, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(opening_failed(path, errno)),
        };
        let metadata = file
            .metadata()
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        if !metadata.is_file() {
            return Err(Error::WrongType { path: path.to_owned(), expected: "file" });
        }
        check(path, &metadata, 0o077)?;
        Ok(Some(file))
    }

    /// Creates a file for this user alone, and fails if anything stands there, with `io::Error`'s own reason.
    pub(in crate::keychain) fn create(path: &Path, exclusive: bool) -> io::Result<File> {
        let mut flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        flags.set(OFlags::EXCL, exclusive);
        let owner_alone = Mode::RUSR | Mode::WUSR;
        let file = File::from(openat(CWD, path, flags, owner_alone)?);
        // The umask may have taken bits away, and a file that its owner cannot read back is a lost one.
        rustix::fs::fchmod(&file, owner_alone)?;
        Ok(file)
    }

    /// Makes a rename in this folder outlast a loss of power.
    pub(in crate::keychain) fn sync_directory(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Whether this process may create files in the folder, as the system would decide.
    pub(in crate::keychain) fn writable(path: &Path) -> io::Result<()> {
        accessat(CWD, path, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
        Ok(())
    }

    fn metadata(path: &Path) -> Result<Metadata, Error> {
        std::fs::metadata(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })
    }

    fn check(path: &Path, metadata: &Metadata, forbidden: u32) -> Result<(), Error> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::NotOurs { path: path.to_owned(), owner: metadata.uid() });
        }
        match mode_of(metadata) {
            mode if mode & forbidden != 0 => Err(Error::NotPrivate { path: path.to_owned(), mode }),
            _ => Ok(()),
        }
    }

    fn mode_of(metadata: &Metadata) -> u32 {
        metadata.mode() & BITS
    }

    fn opening_failed(path: &Path, errno: Errno) -> Error {
        let path = path.to_owned();
        // NOFOLLOW fails with LOOP, on FreeBSD with MLINK. LOOP may also be about a folder on the way.
        let link = rustix::fs::lstat(&path)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink());
        if link {
            Error::Symlink { path }
        } else {
            Error::Unreadable { path, source: errno.into() }
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::fs::{self, File, OpenOptions};
    use std::io::{self, ErrorKind};
    use std::path::Path;

    use crate::keychain::Error;

    pub(in crate::keychain) fn create_directory(path: &Path) -> Result<(), Error> {
        fs::create_dir_all(path)
            .map_err(|source| Error::Unwritable { path: path.to_owned(), source })?;
        check_directory(path)
    }

    pub(in crate::keychain) fn check_directory(path: &Path) -> Result<(), Error> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(Error::WrongType { path: path.to_owned(), expected: "folder" }),
            Err(source) => Err(Error::Unreadable { path: path.to_owned(), source }),
        }
    }

    pub(in crate::keychain) fn open(path: &Path) -> Result<Option<File>, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(error)),
            Ok(metadata) if metadata.is_symlink() => Err(Error::Symlink { path: path.to_owned() }),
            Ok(metadata) if !metadata.is_file() => {
                Err(Error::WrongType { path: path.to_owned(), expected: "file" })
            }
            Ok(_) => File::open(path).map(Some).map_err(unreadable),
        }
    }

    pub(in crate::keychain) fn create(path: &Path, exclusive: bool) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .create_new(exclusive)
            .open(path)
    }

    // Windows gives no handle to a folder that could be synchronised this way.
    pub(in crate::keychain) fn sync_directory(_path: &Path) -> io::Result<()> {
        Ok(())
    }

    // An access list is evaluated by the system alone, when something is created: all that can be
    // told before is whether the folder is there.
    pub(in crate::keychain) fn writable(path: &Path) -> io::Result<()> {
        std::fs::metadata(path).map(drop)
    }
}
