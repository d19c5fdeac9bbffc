//! What is put in place, within the program: a single file is all that `cargo install` installs.

use super::Group;

/// A file to put in a folder of its group's.
pub(super) struct File {
    pub(super) group: Group,
    pub(super) name: &'static str,
    pub(super) content: &'static str,
}

/// The shells that complete `git vsts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash 3.2 or later.
    Bash,
    /// zsh 5 or later.
    Zsh,
    /// fish 3 or later.
    Fish,
    /// PowerShell 5 or later.
    Powershell,
}

/// The script that makes a shell complete `git vsts` and `git-vsts`, as packages install it.
#[must_use]
pub fn completion(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../completions/git-vsts"),
        Shell::Zsh => include_str!("../../completions/_git-vsts"),
        Shell::Fish => include_str!("../../completions/git-vsts.fish"),
        Shell::Powershell => include_str!("../../completions/git-vsts.ps1"),
    }
}

/// What git's own completion for zsh calls, beside what zsh's own calls.
const CONTRIBUTED_ZSH: &str = include_str!("../../completions/_git_vsts");

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../man/", $name)))),*]
    };
}

/// The manual. A test of the suite sees to it that none is missing.
const PAGES: [(&str, &str); 11] = pages![
    "git-vsts.1",
    "git-vsts-clone.1",
    "git-vsts-completions.1",
    "git-vsts-credential.1",
    "git-vsts-init.1",
    "git-vsts-login.1",
    "git-vsts-logout.1",
    "git-vsts-push.1",
    "git-vsts-remote-add.1",
    "git-vsts-setup.1",
    "git-vsts-status.1",
];

pub(super) fn files() -> Vec<File> {
    let page = |(name, content)| File { group: Group::Manual, name, content };
    let bash = File { group: Group::Bash, name: "git-vsts", content: completion(Shell::Bash) };
    let fish = File { group: Group::Fish, name: "git-vsts.fish", content: completion(Shell::Fish) };
    let zsh = File { group: Group::Zsh, name: "_git-vsts", content: completion(Shell::Zsh) };
    let contributed = File { group: Group::Zsh, name: "_git_vsts", content: CONTRIBUTED_ZSH };
    PAGES.into_iter().map(page).chain([bash, fish, zsh, contributed]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_tree_is_within_the_program() {
        for (folder, is_of_folder) in [("man", true), ("completions", false)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let names = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap());
            // PowerShell has no folder that it looks into.
            let there: BTreeSet<String> = names.filter(|name| name != "git-vsts.ps1").collect();
            let files =
                files().into_iter().filter(|file| (file.group == Group::Manual) == is_of_folder);
            let embedded: BTreeSet<String> = files.map(|file| file.name.to_owned()).collect();
            assert_eq!(there, embedded);
        }
    }
}
