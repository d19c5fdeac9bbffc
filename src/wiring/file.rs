//! The file that `git config --global` writes, changed under git's own lock.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Error, Text, shown};

/// How long another program may be at work on the file: git itself holds the lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
/// As many links as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// git's global configuration file.
#[derive(Clone, Debug)]
pub struct GlobalFile {
    path: PathBuf,
    is_named: bool,
}

impl GlobalFile {
    /// The file that `git config --global` writes: what `GIT_CONFIG_GLOBAL` names, else `~/.gitconfig`, unless there is
    /// none and `git/config` in `$XDG_CONFIG_HOME` (by default `~/.config`) is there (git-config(1), "FILES").
    ///
    /// # Errors
    /// [`Error::NoHome`]
    pub fn find(
        named: Option<PathBuf>,
        home: Option<PathBuf>,
        configuration_home: Option<PathBuf>,
    ) -> Result<Self, Error> {
        if let Some(path) = named {
            return Ok(Self { path, is_named: true });
        }
        let own = home.as_ref().map(|home| home.join(".gitconfig"));
        let base = configuration_home.or_else(|| home.map(|home| home.join(".config")));
        let other = base.map(|base| base.join("git").join("config"));
        let path = match (own, other) {
            (Some(own), Some(other)) if !own.exists() && other.exists() => other,
            (Some(own), _) => own,
            (None, Some(other)) => other,
            (None, None) => return Err(Error::NoHome),
        };
        Ok(Self { path, is_named: false })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds; a file that is not there holds nothing.
    ///
    /// # Errors
    /// [`Error::NoFile`], [`Error::NamedNoFile`], [`Error::Unreadable`], [`Error::Encoding`]
    pub fn read(&self) -> Result<Text, Error> {
        let path = shown(&self.path);
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Text::new(b"")),
            Ok(data) if !data.is_file() && self.is_named => {
                return Err(Error::NamedNoFile { path });
            }
            Ok(data) if !data.is_file() => return Err(Error::NoFile { path }),
            _ => {}
        }
        let bytes = fs::read(&self.path)
            .map_err(|source| Error::Unreadable { path: path.clone(), source })?;
        match bytes.contains(&0) {
            true => Err(Error::Encoding { path }),
            false => Ok(Text::new(&bytes)),
        }
    }

    /// Changes it, and says whether anything changed; a change of nothing writes nothing.
    ///
    /// The new file is written beside it under the name of git's lock, looked at by `check`, and put in its place. A
    /// link stays one: what it points to is changed. `pause` waits while another program holds the lock.
    ///
    /// # Errors
    /// [`enum@Error`]; the file is as it was then.
    pub fn edit(
        &self,
        pause: &dyn Fn(Duration),
        change: impl Fn(&mut Text),
        check: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let changed = |before: &Text| {
            let mut after = before.clone();
            change(&mut after);
            (after != *before).then_some(after)
        };
        if changed(&self.read()?).is_none() {
            return Ok(false);
        }
        let target = self.target();
        self.check_writable(&target)?;
        let lock = Lock::take(&target, pause).map_err(|error| self.unwritable(error))?;
        // Only now nobody else changes it.
        let Some(after) = changed(&self.read()?) else { return Ok(false) };
        lock.write(&after.into_bytes(), &target).map_err(|error| self.unwritable(error))?;
        check(&lock.path)?;
        lock.put_in_place_of(&target).map_err(|error| self.unwritable(error))?;
        Ok(true)
    }

    /// What a change is written to: the file that a link leads to, which need not be there.
    fn target(&self) -> PathBuf {
        let mut path = self.path.clone();
        for _ in 0..MOST_LINKS {
            match (fs::read_link(&path), path.parent()) {
                (Ok(link), Some(folder)) => path = folder.join(link),
                _ => break,
            }
        }
        path
    }

    /// Who takes the right to write away from a file wants it to stay, though it could be replaced.
    fn check_writable(&self, target: &Path) -> Result<(), Error> {
        let read_only = || Error::ReadOnly { path: shown(&self.path) };
        match fs::metadata(target) {
            Ok(data) if data.permissions().readonly() => Err(read_only()),
            #[cfg(unix)]
            Ok(_) => {
                rustix::fs::access(target, rustix::fs::Access::WRITE_OK).map_err(|_| read_only())
            }
            _ => Ok(()),
        }
    }

    fn unwritable(&self, error: io::Error) -> Error {
        let path = shown(&self.path);
        match error.kind() {
            ErrorKind::AlreadyExists => Error::Locked { path },
            _ => Error::Unwritable { path, source: error },
        }
    }
}

/// Its path, made visible.
impl fmt::Display for GlobalFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&shown(&self.path))
    }
}

/// git's lock on a file, and what will be in its place. It goes when this is dropped.
struct Lock {
    path: PathBuf,
    /// None once it is in place.
    file: Option<File>,
}

impl Lock {
    fn take(target: &Path, pause: &dyn Fn(Duration)) -> io::Result<Self> {
        let mut name = target.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let mut waited = Duration::ZERO;
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file: Some(file) }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && waited < PATIENCE => {
                    pause(PAUSE);
                    waited += PAUSE;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// With the owner and the rights that the file has.
    fn write(&self, content: &[u8], target: &Path) -> io::Result<()> {
        let Some(mut file) = self.file.as_ref() else { return Ok(()) };
        if let Ok(data) = fs::metadata(target) {
            keep_owner(file, &data)?;
            file.set_permissions(data.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()
    }

    fn put_in_place_of(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.file = None;
        Ok(())
    }
}

/// Gives a new file to who has the old one: root, at work in the home of somebody else, would take the file from them.
#[cfg(unix)]
fn keep_owner(file: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let new = file.metadata()?;
    let group = (new.gid() != old.gid()).then(|| rustix::fs::Gid::from_raw(old.gid()));
    if new.uid() != old.uid() {
        let owner = rustix::fs::Uid::from_raw(old.uid());
        rustix::fs::fchown(file, Some(owner), group)?;
    } else if group.is_some() {
        // One's own file may have a group that one is not in; git does not keep that either.
        let _ = rustix::fs::fchown(file, None, group);
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::cell::Cell;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::wiring::{Reach, Section};

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn file(&self) -> GlobalFile {
            GlobalFile::find(None, Some(self.0.path().into()), None).unwrap()
        }
    }

    fn add(text: &mut Text) {
        let url = "https://dev.azure.com/contoso".to_owned();
        text.add(&Section { url, reach: Reach::Organization }, b"!'/x' credential");
    }

    fn edit(file: &GlobalFile) -> Result<bool, String> {
        file.edit(&|_| {}, add, |_| Ok(())).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_the_file_that_git_writes() {
        let home = Home::new();
        let found = |named: Option<&str>, home: Option<&Path>, base: Option<&Path>| {
            let file = GlobalFile::find(
                named.map(PathBuf::from),
                home.map(PathBuf::from),
                base.map(PathBuf::from),
            );
            file.map(|file| file.path).map_err(|error| error.to_string())
        };
        let here = Some(home.0.path());
        assert_eq!(found(Some("/named"), here, None), Ok("/named".into()));
        assert_eq!(found(None, here, None), Ok(home.path(".gitconfig")));
        fs::create_dir_all(home.path(".config/git")).unwrap();
        fs::write(home.path(".config/git/config"), "").unwrap();
        assert_eq!(found(None, here, None), Ok(home.path(".config/git/config")));
        assert_eq!(found(None, here, Some(&home.path("else"))), Ok(home.path(".gitconfig")));
        fs::write(home.path(".gitconfig"), "").unwrap();
        assert_eq!(found(None, here, None), Ok(home.path(".gitconfig")));
        assert_eq!(found(None, None, Some(&home.path("b"))), Ok(home.path("b/git/config")));
        let homeless = "there is no home directory for git's global configuration".to_owned();
        assert_eq!(found(None, None, None), Err(homeless));
    }

    #[test]
    fn a_link_stays_one_and_the_rights_stay_what_they_are() {
        let home = Home::new();
        fs::create_dir(home.path("dotfiles")).unwrap();
        for target in ["dotfiles/there", "dotfiles/missing"] {
            let link = home.path(".gitconfig");
            symlink(target, &link).unwrap();
            if target == "dotfiles/there" {
                fs::write(home.path(target), "[a]\n").unwrap();
                fs::set_permissions(home.path(target), fs::Permissions::from_mode(0o640)).unwrap();
            }
            assert_eq!(edit(&home.file()), Ok(true));
            assert_eq!(edit(&home.file()), Ok(false));
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
            assert!(fs::read_to_string(home.path(target)).unwrap().contains("contoso"));
            fs::remove_file(&link).unwrap();
        }
        let mode = fs::metadata(home.path("dotfiles/there")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(home.path("dotfiles")).unwrap().count(), 2);
    }

    #[test]
    fn what_can_not_be_changed_is_named_and_left_alone() {
        let home = Home::new();
        let path = home.path(".gitconfig");
        let name = path.display().to_string();
        let utf16: Vec<u8> = "[a]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (content, mode, refused) in [
            (&b"[a]\n"[..], 0o444, format!("{name} is read-only")),
            (&utf16, 0o644, format!("{name} is not text that git can read: it looks like UTF-16")),
        ] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(edit(&home.file()), Err(refused));
            assert_eq!(fs::read(&path).unwrap(), content);
            fs::remove_file(&path).unwrap();
        }
        fs::create_dir(&path).unwrap();
        let refused = format!("git's global configuration is {name}, which is no file");
        assert_eq!(edit(&home.file()), Err(refused));
        let gone = home.path("gone/config");
        let missing = GlobalFile::find(Some(gone.clone()), None, None).unwrap();
        assert_eq!(edit(&missing), Err(format!("{} can't be written", gone.display())));
    }

    #[test]
    fn a_lock_is_waited_for_and_never_broken() {
        let home = Home::new();
        let path = home.path(".gitconfig");
        let lock = home.path(".gitconfig.lock");
        fs::write(&path, "[a]\n").unwrap();
        fs::write(&lock, "").unwrap();
        let waited = Cell::new(Duration::ZERO);
        let pause = |time| waited.set(waited.get() + time);
        let error = home.file().edit(&pause, add, |_| Ok(())).unwrap_err().to_string();
        assert_eq!(error, format!("{0} is locked by {0}.lock", path.display()));
        assert_eq!(waited.get(), PATIENCE);
        assert!(lock.exists());
        let changed_meanwhile = |_| {
            fs::write(&path, "[b]\n").unwrap();
            let _ = fs::remove_file(&lock);
        };
        assert!(home.file().edit(&changed_meanwhile, add, |_| Ok(())).unwrap());
        assert!(fs::read_to_string(&path).unwrap().starts_with("[b]\n[credential"));
        assert!(!lock.exists());
    }

    #[test]
    fn what_the_check_refuses_is_not_put_in_place() {
        let home = Home::new();
        let path = home.path(".gitconfig");
        fs::write(&path, "[a]\n\tb = c\\").unwrap();
        let unfinished = |_: &Path| Err(Error::Unfinished { path: path.display().to_string() });
        let error = home.file().edit(&|_| {}, add, unfinished).unwrap_err().to_string();
        let expected =
            "ends in the middle of a line that goes on, so nothing can be put at its end";
        assert_eq!(error, format!("{} {expected}", path.display()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[a]\n\tb = c\\");
        assert_eq!(fs::read_dir(home.0.path()).unwrap().count(), 1);
    }
}
