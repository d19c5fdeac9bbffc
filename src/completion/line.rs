//! The line that is being typed, which can begin with `git` and options of git's own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// git's options whose value is a word of its own (git(1)).
const WITH_VALUE: [&str; 8] = [
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--config-env",
    "--super-prefix",
    "--attr-source",
];

/// A line, from our own name on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// `git-vsts` and what follows; nothing where nothing was asked.
    pub(super) words: Vec<OsString>,
    /// How many words stood before our own.
    pub(super) left_out: usize,
    /// Where it would be run, which `-C` changes.
    pub(super) directory: PathBuf,
    /// What `--git-dir` names.
    pub(super) git_dir: Option<PathBuf>,
}

impl Line {
    /// Reads the words as the shell has them; `None` where a line of git's has no command.
    pub(super) fn read(words: &[OsString], directory: &Path, home: Option<&OsStr>) -> Option<Self> {
        let mut line = Self {
            words: words.to_vec(),
            left_out: 0,
            directory: directory.to_owned(),
            git_dir: None,
        };
        if words.first().is_none_or(|word| word != "git") {
            return Some(line);
        }
        let mut rest = words.iter().enumerate().skip(1);
        loop {
            let (index, word) = rest.next()?;
            let text = word.to_str().unwrap_or_default();
            if !text.starts_with('-') {
                line.left_out = index;
                line.words = [OsString::from("git-vsts")]
                    .into_iter()
                    .chain(words[index + 1..].to_vec())
                    .collect();
                return Some(line);
            }
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, OsString::from(value)),
                None if WITH_VALUE.contains(&text) => (text, rest.next()?.1.clone()),
                None => continue,
            };
            // Each -C counts from the one before, and --git-dir from the last (git(1)).
            match name {
                "-C" => line.directory.push(expanded(&value, home)),
                "--git-dir" => line.git_dir = Some(expanded(&value, home)),
                _ => {}
            }
        }
    }

    /// Where `--git-dir` leads.
    pub(super) fn git_dir(&self) -> Option<PathBuf> {
        self.git_dir.as_ref().map(|git_dir| self.directory.join(git_dir))
    }
}

/// A path with the home in the place of `~/`, which the shell has not yet looked at.
fn expanded(path: &OsStr, home: Option<&OsStr>) -> PathBuf {
    match (Path::new(path).strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => Path::new(home).join(rest),
        _ => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_was_given_says_where_the_line_is_run() {
        for (line, words, left_out, directory, git_dir) in [
            ("", "", 0, "/here", None),
            ("git-vsts push -C x", "git-vsts push -C x", 0, "/here", None),
            ("git vsts", "git-vsts", 1, "/here", None),
            ("git vsts push", "git-vsts push", 1, "/here", None),
            ("git -C web vsts push or", "git-vsts push or", 3, "/here/web", None),
            ("git -C /a -C b --no-pager v login", "git-vsts login", 6, "/a/b", None),
            ("git -C ~/web -c a=b vsts x", "git-vsts x", 5, "/home/ada/web", None),
            ("git --git-dir=x.git -C y vsts", "git-vsts", 4, "/here/y", Some("/here/y/x.git")),
            ("git --git-dir ~ vsts", "git-vsts", 3, "/here", Some("/home/ada")),
        ] {
            let words_of =
                |line: &str| line.split_whitespace().map(OsString::from).collect::<Vec<_>>();
            let home = Some(OsStr::new("/home/ada"));
            let read = Line::read(&words_of(line), Path::new("/here"), home).unwrap();
            assert_eq!(read.words, words_of(words), "{line}");
            assert_eq!(
                (read.left_out, &*read.directory),
                (left_out, Path::new(directory)),
                "{line}"
            );
            assert_eq!(read.git_dir().as_deref(), git_dir.map(Path::new), "{line}");
        }
        for line in ["git", "git -C", "git -C web", "git --no-pager"] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(Line::read(&words, Path::new("/here"), None), None, "{line}");
        }
    }
}
