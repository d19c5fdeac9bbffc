//! The program that git is to run.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Error, shown};

/// What marks a folder of things that can be made again, such as cargo's `target` (bford.info/cachedir).
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// This program, by the path under which git shall find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
}

/// A place where a program does not stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A folder for temporary files.
    Temporary,
    /// The output of a build.
    BuildTree,
}

impl Program {
    /// A program at an absolute path.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// How this program was called, where that is a name for `running`, the file that the system says it runs.
    ///
    /// A package manager replaces the file and keeps the link to it, so the link is what lasts; the folders before it
    /// are resolved. `called` is the first argument of the process, `folders` are those of `PATH`.
    pub fn find(
        running: &Path,
        called: &OsStr,
        directory: &Path,
        folders: impl Iterator<Item = PathBuf>,
    ) -> Self {
        let has_folder = Path::new(called).components().count() > 1;
        let named = has_folder.then(|| directory.join(called));
        let searched = folders.filter(|folder| folder.is_absolute() && !has_folder);
        let candidates = named.into_iter().chain(searched.map(|folder| folder.join(called)));
        let running_file = fs::canonicalize(running).ok();
        let is_this = |candidate: &PathBuf| {
            running_file.is_some() && fs::canonicalize(candidate).ok() == running_file
        };
        let found = candidates.filter(|it| !called.is_empty() && is_this(it)).find_map(|it| {
            let folder = fs::canonicalize(it.parent()?).ok()?;
            Some(folder.join(it.file_name()?))
        });
        Self { path: found.unwrap_or_else(|| running.to_owned()) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of `credential.helper` that runs it: a command for the shell, with the path in single quotes
    /// (gitcredentials(7), "CUSTOM HELPERS").
    ///
    /// # Errors
    /// [`Error::Character`]
    pub fn helper(&self) -> Result<Vec<u8>, Error> {
        let path = self.path.as_os_str().as_encoded_bytes();
        if path.iter().any(u8::is_ascii_control) {
            return Err(Error::Character { path: shown(&self.path) });
        }
        let mut value = b"!'".to_vec();
        for byte in path {
            match byte {
                b'\'' => value.extend(br"'\''"),
                byte => value.push(*byte),
            }
        }
        value.extend(b"' credential");
        Ok(value)
    }

    /// [`Program::helper`], as an argument of a command.
    ///
    /// # Errors
    /// [`Error::Character`]
    pub fn setting(&self) -> Result<OsString, Error> {
        let value = self.helper()?;
        #[cfg(unix)]
        let setting = Ok(std::os::unix::ffi::OsStringExt::from_vec(value));
        #[cfg(not(unix))]
        let setting = String::from_utf8(value)
            .map(OsString::from)
            .map_err(|_| Error::Character { path: shown(&self.path) });
        setting
    }

    /// Refuses a program that somebody else could exchange for another: git would run it, and hand it secrets.
    ///
    /// On Windows an access list says who can, which is the installer's to set.
    ///
    /// # Errors
    /// [`Error::WritableByOthers`], [`Error::SomebodyElses`], [`Error::Gone`]
    pub fn check(&self) -> Result<(), Error> {
        if !self.path.exists() {
            return Err(Error::Gone { path: shown(&self.path) });
        }
        #[cfg(unix)]
        super::owner::check(&self.path)?;
        Ok(())
    }

    /// Whether it is in a place where it will not stay.
    pub fn spot(&self, temporary: &[PathBuf]) -> Option<Spot> {
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let path = real(&self.path);
        if path.ancestors().skip(1).any(|folder| folder.join(CACHE_TAG).is_file()) {
            return Some(Spot::BuildTree);
        }
        temporary.iter().any(|folder| path.starts_with(real(folder))).then_some(Spot::Temporary)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    fn program(folder: &Path, name: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\nprintf '%s %s %s\\n' \"$0\" \"$1\" \"$2\"\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_link_that_it_was_called_by_is_kept_and_the_folders_before_it_are_not() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let cellar = program(&root.join("Cellar/1.0"), "git-vsts");
        let bin = root.join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(&cellar, bin.join("git-vsts")).unwrap();
        symlink(&bin, root.join("linked")).unwrap();
        let other = program(&root.join("other"), "git-vsts");
        let path = [PathBuf::from("relative"), other.parent().unwrap().into(), root.join("linked")];
        for (called, expected) in [
            ("git-vsts", bin.join("git-vsts")),
            ("./linked/git-vsts", bin.join("git-vsts")),
            ("Cellar/1.0/git-vsts", cellar.clone()),
            ("somebody-lied", cellar.clone()),
            ("", cellar.clone()),
        ] {
            let found = Program::find(&cellar, called.as_ref(), &root, path.iter().cloned());
            assert_eq!(found.path(), expected, "{called}");
        }
    }

    #[test]
    fn git_and_the_shell_come_back_to_the_very_path() {
        let root = tempfile::tempdir().unwrap();
        for name in
            ["plain", "a b", "it's", "(x)", "$HOME `id`", "\"q\"", r"C:\x\new", "a;b#c", "é%"]
        {
            let path = program(&root.path().join(name), "git-vsts");
            let helper = Program::at(path.clone()).helper().unwrap();
            let mut text = super::super::Text::new(b"");
            let url = "https://dev.azure.com/contoso".to_owned();
            let reach = super::super::Reach::Organization;
            text.add(&super::super::Section { url, reach }, &helper);
            let file = root.path().join("config");
            fs::write(&file, text.into_bytes()).unwrap();
            let value = Command::new("git")
                .args(["config", "--file", file.to_str().unwrap(), "--get-all"])
                .arg("credential.https://dev.azure.com/contoso.helper")
                .output()
                .unwrap();
            let value = String::from_utf8(value.stdout).unwrap();
            let command = value.strip_prefix("\n!").unwrap().trim_end_matches('\n');
            let ran = Command::new("sh").args(["-c", &format!("{command} get")]).output().unwrap();
            let said = String::from_utf8(ran.stdout).unwrap();
            assert_eq!(said, format!("{} credential get\n", path.display()));
        }
        let odd = Program::at("/a\nb/git-vsts".into()).helper().unwrap_err();
        let expected = "the path of this program has a character that git's configuration can't hold: /a\\nb/git-vsts";
        assert_eq!(odd.to_string(), expected);
    }

    #[test]
    fn a_program_that_others_can_exchange_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("opt/bin");
        let path = program(&folder, "git-vsts");
        let own = Program::at(path.clone());
        let check = || own.check().map_err(|error| error.to_string());
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        assert_eq!(check(), Ok(()));
        for (place, mode, is_refused) in [
            (&path, 0o757, true),
            (&path, 0o755, false),
            (&folder, 0o777, true),
            (&folder, 0o1777, false),
            (&root.path().join("opt"), 0o757, true),
        ] {
            set(place, mode).unwrap();
            let refused = format!("others than its owner can write {}", place.display());
            let expected = if is_refused { Err(refused) } else { Ok(()) };
            assert_eq!(check(), expected, "{mode:o}");
            set(place, 0o755).unwrap();
        }
        // Each link on the way says where the next folder is.
        let (link, version) = (root.path().join("link"), root.path().join("opt/current"));
        let elsewhere = program(&root.path().join("srv"), "git-vsts");
        symlink(elsewhere.parent().unwrap(), &version).unwrap();
        symlink("opt/current/git-vsts", &link).unwrap();
        assert!(Program::at(link.clone()).check().is_ok());
        for place in [root.path().join("opt"), root.path().join("srv"), elsewhere] {
            set(&place, 0o757).unwrap();
            let refused = format!("others than its owner can write {}", place.display());
            assert_eq!(Program::at(link.clone()).check().unwrap_err().to_string(), refused);
            set(&place, 0o755).unwrap();
        }
    }

    #[test]
    fn a_program_that_will_not_stay_is_known() {
        let root = tempfile::tempdir().unwrap();
        let build = program(&root.path().join("target/debug"), "git-vsts");
        let spot = |path: &Path, temporary: &[PathBuf]| Program::at(path.into()).spot(temporary);
        assert_eq!(spot(&build, &[]), None);
        assert_eq!(spot(&build, &[root.path().into()]), Some(Spot::Temporary));
        fs::write(root.path().join("target/CACHEDIR.TAG"), "").unwrap();
        assert_eq!(spot(&build, &[]), Some(Spot::BuildTree));
    }
}
