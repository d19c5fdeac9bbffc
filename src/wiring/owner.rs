//! Who could put another file in the place of a program.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::{Error, shown};

const ROOT: u32 = 0;
const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// `admin` of macOS, whose members can become root, and whose are the folders of Homebrew.
const MACOS_ADMINISTRATORS: u32 = 80;
/// As many links as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Refuses an absolute path where anybody but root and this user can change what it leads to.
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let user = rustix::process::geteuid().as_raw();
    for step in steps(path) {
        let Ok(data) = fs::symlink_metadata(&step) else { continue };
        let path = || shown(&step);
        match Entry::of(&data).danger(user) {
            Some(Danger::Owner) => return Err(Error::SomebodyElses { path: path() }),
            Some(Danger::Writers) => return Err(Error::WritableByOthers { path: path() }),
            None => {}
        }
    }
    Ok(())
}

/// Everything that the system looks at on the way to a file: each folder, each link, and what is at its end.
fn steps(path: &Path) -> Vec<PathBuf> {
    let mut steps = Vec::new();
    let mut links = 0;
    let mut here = PathBuf::new();
    // The next one is the last.
    let mut rest: Vec<OsString> = parts(path);
    while let Some(part) = rest.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(part);
        steps.push(next.clone());
        match fs::read_link(&next) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                rest.extend(parts(&target));
            }
            _ => here = next,
        }
    }
    steps
}

/// The parts of a path from its end, its root among them: a part that is a root leads there from anywhere.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    mode: u32,
    owner: u32,
    group: u32,
    kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryKind {
    File,
    Folder,
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Danger {
    Owner,
    Writers,
}

impl Entry {
    fn of(data: &Metadata) -> Self {
        let kind = match () {
            () if data.is_symlink() => EntryKind::Link,
            () if data.is_dir() => EntryKind::Folder,
            () => EntryKind::File,
        };
        Self { mode: data.mode(), owner: data.uid(), group: data.gid(), kind }
    }

    /// What somebody else could do, from the view of a user.
    fn danger(self, user: u32) -> Option<Danger> {
        if self.owner != ROOT && self.owner != user {
            return Some(Danger::Owner);
        }
        let is_sticky = self.kind == EntryKind::Folder && self.mode & STICKY != 0;
        // Of a link nobody asks for the rights. In a sticky folder only an entry's owner can exchange it (inode(7)).
        if self.kind == EntryKind::Link || is_sticky {
            return None;
        }
        let by_others = self.mode & WRITABLE_BY_OTHERS != 0;
        let by_group = self.mode & WRITABLE_BY_GROUP != 0 && !self.is_group_trusted();
        (by_others || by_group).then_some(Danger::Writers)
    }

    /// Whether its group is one that root has chosen for it, as `staff` for Debian's /usr/local, one whose members can
    /// become root, or one that its owner alone is in: Debian and Red Hat make each user one of the same number.
    fn is_group_trusted(self) -> bool {
        let is_administrators = cfg!(target_os = "macos") && self.group == MACOS_ADMINISTRATORS;
        self.owner == ROOT || self.group == ROOT || self.group == self.owner || is_administrators
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_user_may_be_able_to_exchange_it() {
        use Danger::{Owner, Writers};
        use EntryKind::{File, Folder, Link};
        const USER: u32 = 1000;
        const STAFF: u32 = 50;
        for (kind, mode, owner, group, danger) in [
            (Folder, 0o755, ROOT, ROOT, None),
            (Folder, 0o755, USER, STAFF, None),
            (Folder, 0o755, 1001, USER, Some(Owner)),
            (File, 0o500, 1001, 1001, Some(Owner)),
            (Link, 0o777, 1001, 1001, Some(Owner)),
            (Folder, 0o1777, 1001, 1001, Some(Owner)),
            (Link, 0o777, USER, STAFF, None),
            (Folder, 0o2775, ROOT, STAFF, None),
            (File, 0o775, ROOT, STAFF, None),
            (Folder, 0o775, USER, USER, None),
            (File, 0o775, USER, ROOT, None),
            (Folder, 0o775, USER, STAFF, Some(Writers)),
            (File, 0o775, USER, STAFF, Some(Writers)),
            (Folder, 0o1775, USER, STAFF, None),
            (File, 0o1775, USER, STAFF, Some(Writers)),
            (Folder, 0o777, ROOT, ROOT, Some(Writers)),
            (Folder, 0o1777, ROOT, ROOT, None),
            (File, 0o757, USER, USER, Some(Writers)),
        ] {
            let entry = Entry { mode, owner, group, kind };
            assert_eq!(entry.danger(USER), danger, "{entry:?}");
        }
    }

    #[test]
    fn every_link_and_folder_on_the_way_is_looked_at() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        for folder in ["bin", "opt", "srv/1.0"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("srv/1.0/git-vsts"), "").unwrap();
        symlink(root.join("srv/1.0"), root.join("opt/current")).unwrap();
        symlink("./../opt/current/git-vsts", root.join("bin/git-vsts")).unwrap();
        let steps = steps(&root.join("bin/git-vsts"));
        let met = steps.iter().filter_map(|step| step.strip_prefix(&root).ok()?.to_str());
        let met: Vec<&str> = met.filter(|step| !step.is_empty()).collect();
        let expected =
            ["bin", "bin/git-vsts", "opt", "opt/current", "srv", "srv/1.0", "srv/1.0/git-vsts"];
        assert_eq!(met, expected);
        assert_eq!(steps[0], Path::new("/"));
        symlink("round", root.join("round")).unwrap();
        assert!(super::steps(&root.join("round")).len() > MOST_LINKS);
    }
}
