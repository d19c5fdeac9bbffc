//! `credentials.json`: a file that only its owner may read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{Error, Keychain, Kind, check_size, is_same, private};

const FILE: &str = "credentials.json";
/// Under the lock there is one writer, so one name does. What a killed writer leaves holds secrets; it goes
/// with the next write or deletion and cannot pile up.
const NEW_FILE: &str = "credentials.json.new";
/// A file of its own: the credential file is exchanged by each write, and a lock goes with the file.
const LOCK_FILE: &str = "credentials.lock";

/// The version in the file; another one was written by a program that knows more.
const VERSION: u32 = 1;
/// Far above a hundred organizations with the largest secrets; a larger file is not ours.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;
/// A writer holds the lock for milliseconds. One that was stopped in the middle must not stop us too.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Keeps secrets in `credentials.json` in one folder, unencrypted.
///
/// The file has mode 0600 and its folder 0700. A file that others may read, or that is a link or
/// another user's, is refused, as is a folder that others may write. Nothing is ever written over a file
/// that was not understood.
#[derive(Clone, Debug)]
pub struct File {
    directory: PathBuf,
    patience: Duration,
}

/// The file's content. Secrets are borrowed from the text that was read, which is wiped.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<'a> {
    version: u32,
    #[serde(borrow)]
    accounts: BTreeMap<String, Kept<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<'a> {
    label: Cow<'a, str>,
    /// A JSON object stands here as it is, so that the owner of the file can read it; any other text
    /// stands as a string. Raw, so that it comes back byte for byte.
    #[serde(borrow)]
    secret: &'a RawValue,
}

/// Looked at first: another version may have any other content.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl File {
    /// A store in `directory`, which the first write makes if it is missing.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, patience: LOCK_PATIENCE }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// The file's text; `None` if there is no file or no folder.
    fn load(&self) -> Result<Option<Zeroizing<String>>, Error> {
        if let Err(error) = fs::metadata(&self.directory)
            && error.kind() == ErrorKind::NotFound
        {
            return Ok(None);
        }
        private::check_directory(&self.directory)?;
        let path = self.path();
        let Some(file) = private::open(&path)? else { return Ok(None) };
        let unreadable = |source| Error::Unreadable { path: path.clone(), source };
        let length = file.metadata().map_err(unreadable)?.len();
        if length > LARGEST_FILE {
            return Err(Error::BrokenFile { path, line: None });
        }
        // Room for all at once: a buffer that grows leaves copies of secrets behind.
        let mut text =
            Zeroizing::new(String::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
        match file.take(LARGEST_FILE).read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(Error::BrokenFile { path, line: None })
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    fn parse<'a>(&self, text: &'a str) -> Result<Content<'a>, Error> {
        // Only the line is taken from serde_json's errors: their text quotes the file.
        let broken = |line| Error::BrokenFile { path: self.path(), line };
        let damaged = |error: serde_json::Error| broken(Some(error.line()));
        if serde_json::from_str::<Version>(text).map_err(damaged)?.version != VERSION {
            return Err(broken(None));
        }
        serde_json::from_str(text).map_err(damaged)
    }

    /// Keeps other writers out for as long as the result is held, and removes what a killed one has left.
    fn lock(&self) -> Result<fs::File, Error> {
        let path = self.directory.join(LOCK_FILE);
        let unwritable = |source| Error::Unwritable { path: path.clone(), source };
        let lock = private::create(&path, false).map_err(unwritable)?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(unwritable(source)),
                Err(TryLockError::WouldBlock) if start.elapsed() > self.patience => {
                    return Err(Error::Busy { path, seconds: self.patience.as_secs() });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            }
        }
        let remainder = self.directory.join(NEW_FILE);
        match fs::remove_file(&remainder) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(Error::Unwritable { path: remainder, source })
            }
            _ => Ok(lock),
        }
    }

    /// Puts a new file in the place of the old one; on any error the old one is untouched.
    fn save(&self, content: &Content<'_>) -> Result<(), Error> {
        let path = self.path();
        let saved = if content.accounts.is_empty() {
            fs::remove_file(&path)
        } else {
            self.exchange(&path, content)
        };
        saved
            .and_then(|()| private::sync_directory(&self.directory))
            .map_err(|source| Error::Unwritable { path, source })
    }

    fn exchange(&self, path: &Path, content: &Content<'_>) -> io::Result<()> {
        let new = self.directory.join(NEW_FILE);
        let written = render(content)
            .and_then(|text| write_new(&new, &text))
            .and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            // What is told is why it failed; a remainder goes with the next write.
            let _ = fs::remove_file(&new);
        }
        written
    }
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = private::create(path, true)?;
    file.write_all(text)?;
    // Without it a loss of power after the rename can leave an empty file.
    file.sync_all()
}

fn render(content: &Content<'_>) -> io::Result<Zeroizing<Vec<u8>>> {
    // Indentation and names come to less than 256 bytes an account; a label may double when escaped.
    let size = content.accounts.iter().map(|(account, kept)| {
        256 + 2 * account.len() + 2 * kept.label.len() + kept.secret.get().len()
    });
    let mut text = Zeroizing::new(Vec::with_capacity(256 + size.sum::<usize>()));
    serde_json::to_writer_pretty(&mut *text, content)?;
    text.push(b'\n');
    Ok(text)
}

/// The text of a secret as it stands in the file, a string or an object, as it was given to `write`.
fn decode(raw: &RawValue) -> Option<SecretString> {
    match raw.get() {
        object if object.starts_with('{') => Some(object.into()),
        other => serde_json::from_str::<String>(other).ok().map(SecretString::from),
    }
}

/// A secret as it is to stand in the file.
fn encode(secret: &str) -> Box<RawValue> {
    // A raw value drops white space around it, so only a text without any comes back as it was.
    let as_object = secret.starts_with('{') && secret.ends_with('}');
    match serde_json::from_str::<Box<RawValue>>(secret) {
        Ok(object) if as_object => object,
        _ => to_raw_value(secret).expect("a string is always representable in JSON"),
    }
}

impl Keychain for File {
    fn read(&self, account: &str) -> Result<Option<SecretString>, Error> {
        let Some(text) = self.load()? else { return Ok(None) };
        let content = self.parse(&text)?;
        let Some(kept) = content.accounts.get(account) else { return Ok(None) };
        let broken = || Error::Broken { account: account.to_owned() };
        decode(kept.secret).map(Some).ok_or_else(broken)
    }

    fn write(&self, account: &str, label: &str, secret: &SecretString) -> Result<(), Error> {
        check_size(secret)?;
        private::create_directory(&self.directory)?;
        let _lock = self.lock()?;
        let text = self.load()?;
        let raw = encode(secret.expose_secret());
        let mut content = match &text {
            Some(text) => self.parse(text)?,
            None => Content { version: VERSION, accounts: BTreeMap::new() },
        };
        content.accounts.insert(account.to_owned(), Kept { label: label.into(), secret: &raw });
        self.save(&content)?;
        match self.read(account)? {
            Some(kept) if kept.expose_secret() == secret.expose_secret() => Ok(()),
            _ => Err(Error::DifferentAfterWrite { account: account.to_owned() }),
        }
    }

    fn delete(&self, account: &str) -> Result<bool, Error> {
        // Nothing is made, not even a lock, where there is nothing to forget.
        if self.load()?.is_none() && !self.directory.join(NEW_FILE).exists() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let Some(text) = self.load()? else { return Ok(false) };
        let mut content = self.parse(&text)?;
        if content.accounts.remove(account).is_none() {
            return Ok(false);
        }
        self.save(&content)?;
        Ok(true)
    }

    fn replace(
        &self,
        account: &str,
        label: &str,
        old: &SecretString,
        new: Option<&SecretString>,
    ) -> Result<bool, Error> {
        new.map(check_size).transpose()?;
        if self.load()?.is_none() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let Some(text) = self.load()? else { return Ok(false) };
        let mut content = self.parse(&text)?;
        let kept = content.accounts.get(account).and_then(|kept| decode(kept.secret));
        if !kept.is_some_and(|kept| is_same(&kept, old)) {
            return Ok(false);
        }
        let raw = new.map(|new| encode(new.expose_secret()));
        match &raw {
            Some(secret) => {
                content.accounts.insert(account.to_owned(), Kept { label: label.into(), secret });
            }
            None => drop(content.accounts.remove(account)),
        }
        self.save(&content)?;
        Ok(true)
    }

    fn accounts(&self) -> Result<Vec<String>, Error> {
        let Some(text) = self.load()? else { return Ok(Vec::new()) };
        Ok(self.parse(&text)?.accounts.into_keys().collect())
    }

    fn kind(&self) -> Kind {
        Kind::File
    }

    fn ready(&self) -> Result<(), Error> {
        if let Some(text) = self.load()? {
            self.parse(&text)?;
        }
        let unwritable =
            |path: &Path, source| Err(Error::Unwritable { path: path.to_owned(), source });
        for directory in self.directory.ancestors() {
            // The path that is not there yet is made in the first folder above that is.
            match private::writable(directory) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return unwritable(directory, error),
                Ok(()) if directory.is_dir() => return Ok(()),
                Ok(()) => {
                    return Err(Error::WrongType {
                        path: directory.to_owned(),
                        expected: "folder",
                    });
                }
            }
        }
        unwritable(&self.directory, ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use tempfile::TempDir;

    use super::*;
    use crate::keychain::LARGEST_SECRET;

    const CONTOSO: &str = "https://dev.azure.com/contoso";
    const FABRIKAM: &str = "https://dev.azure.com/fabrikam";

    /// A store in a folder that is not there yet.
    fn store() -> (TempDir, File) {
        let home = TempDir::new().unwrap();
        let directory = home.path().join("share/git-vsts");
        (home, File::new(directory))
    }

    /// A store that holds something.
    fn filled() -> (TempDir, File) {
        let (home, file) = store();
        file.write(CONTOSO, "Contoso", &"hush".into()).unwrap();
        (home, file)
    }

    fn text(secret: Option<SecretString>) -> Option<String> {
        secret.map(|secret| secret.expose_secret().to_owned())
    }

    fn names(file: &File) -> Vec<String> {
        let entries = fs::read_dir(&file.directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    /// What every operation says, with the folder's path left out.
    fn refusals(file: &File) -> [String; 5] {
        let folder = file.directory.display().to_string();
        let said = |error: Error| {
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
            error.to_string().replace(&folder, "FOLDER")
        };
        [
            said(file.read(CONTOSO).unwrap_err()),
            said(file.write(CONTOSO, "Contoso", &"hush".into()).unwrap_err()),
            said(file.delete(CONTOSO).unwrap_err()),
            said(file.accounts().unwrap_err()),
            said(file.ready().unwrap_err()),
        ]
    }

    fn all(refusal: &str) -> [String; 5] {
        [refusal; 5].map(str::to_owned)
    }

    #[test]
    fn any_text_comes_back_byte_for_byte() {
        let (_home, file) = store();
        for secret in [
            "",
            "plain",
            r#"{"version":1,"token":"x"}"#,
            r#"{ "b" : 1, "a" : [ 1.0, 1e5 ], "b" : "\u0041" }"#,
            "{\n  \"a\": 1\n}",
            " {\"a\":1}",
            "{\"a\":1}\n",
            "{not json}",
            r#""a string""#,
            "[1]",
            "null",
            "12",
            "ümläut \u{0} \u{7f}",
            &"x".repeat(LARGEST_SECRET),
        ] {
            file.write(CONTOSO, "", &secret.into()).unwrap();
            assert_eq!(text(file.read(CONTOSO).unwrap()), Some(secret.to_owned()));
        }
    }

    #[test]
    fn the_file_can_be_read_by_its_owner() {
        let (_home, file) = store();
        file.write(FABRIKAM, "Fabrikam \"2\"", &"text".into()).unwrap();
        file.write(CONTOSO, "Contoso", &r#"{"kind":"pat"}"#.into()).unwrap();
        let expected = r#"{
  "version": 1,
  "accounts": {
    "https://dev.azure.com/contoso": {
      "label": "Contoso",
      "secret": {"kind":"pat"}
    },
    "https://dev.azure.com/fabrikam": {
      "label": "Fabrikam \"2\"",
      "secret": "text"
    }
  }
}
"#;
        assert_eq!(fs::read_to_string(file.path()).unwrap(), expected);
        assert_eq!(file.accounts().unwrap(), [CONTOSO, FABRIKAM]);
    }

    #[test]
    fn an_empty_store_holds_nothing_and_looking_makes_nothing() {
        let (home, file) = store();
        assert_eq!(text(file.read(CONTOSO).unwrap()), None);
        assert_eq!(file.accounts().unwrap(), [""; 0]);
        assert!(!file.delete(CONTOSO).unwrap());
        file.ready().unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_last_deletion_leaves_no_file() {
        let (_home, file) = filled();
        file.write(FABRIKAM, "", &"hush".into()).unwrap();
        assert!(file.delete(CONTOSO).unwrap());
        assert!(!file.delete(CONTOSO).unwrap());
        assert_eq!(text(file.read(CONTOSO).unwrap()), None);
        assert_eq!(names(&file), ["credentials.json", "credentials.lock"]);
        assert!(file.delete(FABRIKAM).unwrap());
        assert_eq!(names(&file), ["credentials.lock"]);
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_change() {
        let (_home, file) = filled();
        let remainder = file.directory.join(NEW_FILE);
        fs::write(&remainder, "half a secr").unwrap();
        file.write(FABRIKAM, "", &"hush".into()).unwrap();
        assert_eq!(names(&file), ["credentials.json", "credentials.lock"]);

        fs::remove_file(file.path()).unwrap();
        fs::write(&remainder, "half a secr").unwrap();
        assert!(!file.delete(CONTOSO).unwrap());
        assert_eq!(names(&file), ["credentials.lock"]);
    }

    #[test]
    fn twenty_writers_at_once_lose_nothing() {
        let (_home, file) = store();
        let accounts: Vec<_> =
            (10..30).map(|number| format!("https://dev.azure.com/{number}")).collect();
        let start = Barrier::new(accounts.len());
        thread::scope(|scope| {
            for account in &accounts {
                let (file, start) = (&file, &start);
                scope.spawn(move || {
                    start.wait();
                    file.write(account, "", &account.as_str().into()).unwrap();
                });
            }
        });
        assert_eq!(file.accounts().unwrap(), accounts);
        for account in &accounts {
            assert_eq!(text(file.read(account).unwrap()).as_ref(), Some(account));
        }
    }

    #[test]
    fn what_was_kept_meanwhile_is_not_replaced() {
        let (_home, file) = filled();
        let (hush, new, other) = ("hush".into(), "new".into(), "other".into());
        for (account, old, new, changes, after) in [
            (CONTOSO, &other, None, false, Some("hush")),
            (CONTOSO, &other, Some(&new), false, Some("hush")),
            (FABRIKAM, &hush, Some(&new), false, None),
            (CONTOSO, &hush, Some(&new), true, Some("new")),
            (CONTOSO, &hush, None, false, Some("new")),
            (CONTOSO, &new, None, true, None),
            (CONTOSO, &new, None, false, None),
        ] {
            assert_eq!(file.replace(account, "", old, new).unwrap(), changes);
            assert_eq!(text(file.read(account).unwrap()).as_deref(), after);
        }
    }

    #[test]
    fn of_many_who_replace_at_once_each_replaces_what_it_has_seen() {
        let (_home, file) = store();
        file.write(CONTOSO, "", &"0".into()).unwrap();
        let count = || -> u32 { text(file.read(CONTOSO).unwrap()).unwrap().parse().unwrap() };
        let add_one = || loop {
            let seen = count();
            let (old, new) = (seen.to_string().into(), (seen + 1).to_string().into());
            if file.replace(CONTOSO, "", &old, Some(&new)).unwrap() {
                return;
            }
        };
        thread::scope(|scope| (0..20).for_each(|_| drop(scope.spawn(add_one))));
        assert_eq!(count(), 20);
    }

    #[test]
    fn a_lock_that_is_never_released_is_given_up() {
        let (_home, mut file) = filled();
        // A process that another test starts holds what it inherits until it has begun.
        let _held = file.lock().unwrap();
        file.patience = Duration::ZERO;
        let error = file.write(CONTOSO, "", &"new".into()).unwrap_err().to_string();
        let lock = file.directory.join(LOCK_FILE);
        assert_eq!(error, format!("{} has been locked by another process for 0 s", lock.display()));
        assert_eq!(text(file.read(CONTOSO).unwrap()), Some("hush".to_owned()));
    }

    #[test]
    fn what_is_not_understood_is_damaged_and_never_written_over() {
        let version_2 = r#"{"version":2,"accounts":[],"hush":0}"#;
        let unknown_field = r#"{"version":1,"accounts":{},"hush":0}"#;
        for (content, place) in [
            ("", " (line 1)"),
            ("hush", " (line 1)"),
            ("[]", " (line 1)"),
            ("{\n\"version\":1", " (line 2)"),
            ("{\"version\":\"hush\"}", " (line 1)"),
            ("{}", " (line 1)"),
            ("{\"version\":1}", " (line 1)"),
            ("{\"version\":1,\"accounts\":{\"a\":\"hush\"}}", " (line 1)"),
            (unknown_field, " (line 1)"),
            (version_2, ""),
            ("\u{feff}{\"version\":1,\"accounts\":{}}", " (line 1)"),
        ] {
            let (_home, file) = filled();
            fs::write(file.path(), content).unwrap();
            let refusal =
                format!("FOLDER/credentials.json is not a credential file of version 1{place}");
            assert_eq!(refusals(&file), all(&refusal), "{content}");
            assert_eq!(fs::read_to_string(file.path()).unwrap(), content);
        }
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_files_are_damaged() {
        let refusal = all("FOLDER/credentials.json is not a credential file of version 1");
        let (_home, file) = filled();
        fs::write(file.path(), b"{\xff").unwrap();
        assert_eq!(refusals(&file), refusal);
        fs::OpenOptions::new()
            .write(true)
            .open(file.path())
            .unwrap()
            .set_len(LARGEST_FILE + 1)
            .unwrap();
        assert_eq!(refusals(&file), refusal);
    }

    #[test]
    fn a_secret_of_a_wrong_type_is_damaged_and_can_be_replaced() {
        for secret in ["null", "1", "[\"hush\"]"] {
            let (_home, file) = filled();
            let content = format!(
                r#"{{"version":1,"accounts":{{"{CONTOSO}":{{"label":"","secret":{secret}}}}}}}"#
            );
            fs::write(file.path(), content).unwrap();
            let error = file.read(CONTOSO).unwrap_err().to_string();
            assert_eq!(
                error,
                "what the keychain holds for https://dev.azure.com/contoso is damaged"
            );
            file.write(CONTOSO, "", &"new".into()).unwrap();
            assert_eq!(text(file.read(CONTOSO).unwrap()), Some("new".to_owned()));
        }
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let (_home, file) = filled();
        let before = fs::read(file.path()).unwrap();
        // A folder in the place of the new file.
        fs::create_dir(file.directory.join(NEW_FILE)).unwrap();
        let error = file.write(CONTOSO, "", &"new".into()).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
        let error = file.write(CONTOSO, "", &"x".repeat(LARGEST_SECRET + 1).into()).unwrap_err();
        assert_eq!(error.to_string(), "the credential has 65537 bytes and the store takes 65536");
        assert_eq!(fs::read(file.path()).unwrap(), before);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_before_anything_is_asked() {
        let (home, _file) = store();
        let obstacle = home.path().join("file");
        fs::write(&obstacle, "").unwrap();
        let file = File::new(obstacle.join("git-vsts"));
        let error = file.ready().unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        let error = file.write(CONTOSO, "", &"hush".into()).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
    }

    #[cfg(unix)]
    mod unix {
        use std::fs::Permissions;
        use std::os::unix::fs::{PermissionsExt, chown, symlink};

        use rustix::fs::Mode;

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        fn set_mode(path: &Path, mode: u32) {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }

        #[test]
        fn file_and_folders_are_for_their_owner_whatever_the_umask() {
            let (home, file) = store();
            // Of this process, so of other tests too; all modes there are given or checked one by one.
            let before = rustix::process::umask(Mode::empty());
            file.write(CONTOSO, "", &"hush".into()).unwrap();
            rustix::process::umask(before);
            assert_eq!(mode(&home.path().join("share")), 0o700);
            assert_eq!(mode(&file.directory), 0o700);
            assert_eq!(mode(&file.path()), 0o600);
            assert_eq!(mode(&file.directory.join(LOCK_FILE)), 0o600);
        }

        #[test]
        fn a_folder_that_others_could_read_is_closed_by_a_write() {
            let (_home, file) = filled();
            set_mode(&file.directory, 0o755);
            assert_eq!(text(file.read(CONTOSO).unwrap()), Some("hush".to_owned()));
            file.write(CONTOSO, "", &"hush".into()).unwrap();
            assert_eq!(mode(&file.directory), 0o700);
        }

        #[test]
        fn a_file_that_others_can_use_is_refused_and_stays_as_it_is() {
            for bits in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666] {
                let (_home, file) = filled();
                let before = fs::read(file.path()).unwrap();
                set_mode(&file.path(), bits);
                let refusal =
                    format!("FOLDER/credentials.json can be used by others (mode {bits:04o})");
                assert_eq!(refusals(&file), all(&refusal));
                assert_eq!(fs::read(file.path()).unwrap(), before);
                assert_eq!(mode(&file.path()), bits);
            }
        }

        #[test]
        fn a_folder_that_others_can_write_is_refused_and_nothing_is_put_there() {
            for bits in [0o777, 0o1777, 0o720, 0o702] {
                let (_home, file) = store();
                fs::create_dir_all(&file.directory).unwrap();
                set_mode(&file.directory, bits);
                let refusal = format!("FOLDER can be used by others (mode {bits:04o})");
                assert_eq!(refusals(&file), all(&refusal));
                assert_eq!(names(&file), [""; 0]);
                assert_eq!(mode(&file.directory), bits);
            }
        }

        #[test]
        fn a_symbolic_link_is_refused_and_not_followed() {
            let (home, file) = filled();
            let elsewhere = home.path().join("elsewhere");
            for target_exists in [true, false] {
                fs::rename(file.path(), &elsewhere).unwrap();
                symlink(&elsewhere, file.path()).unwrap();
                let before = fs::read(&elsewhere).unwrap();
                if !target_exists {
                    fs::remove_file(&elsewhere).unwrap();
                }
                assert_eq!(refusals(&file), all("FOLDER/credentials.json is a symbolic link"));
                assert_eq!(fs::read(&elsewhere).ok(), target_exists.then_some(before));
                fs::remove_file(file.path()).unwrap();
                file.write(CONTOSO, "", &"hush".into()).unwrap();
            }
        }

        #[test]
        fn a_link_in_the_place_of_the_lock_or_the_new_file_leads_nowhere() {
            let (home, file) = filled();
            let elsewhere = home.path().join("elsewhere");
            fs::write(&elsewhere, "theirs").unwrap();
            symlink(&elsewhere, file.directory.join(NEW_FILE)).unwrap();
            file.write(CONTOSO, "", &"new".into()).unwrap();
            assert_eq!(text(file.read(CONTOSO).unwrap()), Some("new".to_owned()));

            fs::remove_file(file.directory.join(LOCK_FILE)).unwrap();
            symlink(&elsewhere, file.directory.join(LOCK_FILE)).unwrap();
            let error = file.write(CONTOSO, "", &"newer".into()).unwrap_err();
            assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
            assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs");
        }

        #[test]
        fn what_is_no_file_is_refused_at_once() {
            let (_home, file) = filled();
            fs::remove_file(file.path()).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                file.path(),
                rustix::fs::FileType::Fifo,
                Mode::RUSR | Mode::WUSR,
                0,
            )
            .unwrap();
            assert_eq!(refusals(&file), all("FOLDER/credentials.json is not a file"));
            fs::remove_file(file.path()).unwrap();
            fs::create_dir(file.path()).unwrap();
            assert_eq!(refusals(&file), all("FOLDER/credentials.json is not a file"));
        }

        #[test]
        fn what_belongs_to_another_user_is_refused() {
            let (_home, file) = filled();
            // Only root can give a file away; for others root's own folder will do.
            if rustix::process::geteuid().is_root() {
                chown(file.path(), Some(12345), None).unwrap();
                let refusal = "FOLDER/credentials.json belongs to another user (uid 12345)";
                assert_eq!(refusals(&file), all(refusal));
                chown(&file.directory, Some(12345), None).unwrap();
                assert_eq!(refusals(&file), all("FOLDER belongs to another user (uid 12345)"));
            } else {
                let error = File::new("/etc".into()).read(CONTOSO).unwrap_err();
                assert_eq!(error.to_string(), "/etc belongs to another user (uid 0)");
            }
        }
    }
}
