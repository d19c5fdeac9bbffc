use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

const FILES: [File; 4] = [
    File { group: Group::Manual, name: "git-vsts.1", content: "page\n" },
    File { group: Group::Bash, name: "git-vsts", content: "bash\n" },
    File { group: Group::Fish, name: "git-vsts.fish", content: "fish\n" },
    File { group: Group::Zsh, name: "_git-vsts", content: "zsh\n" },
];

struct Home {
    root: TempDir,
    places: Places,
}

impl Home {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let share = root.path().join("home/.local/share");
        let places = Places {
            manual: Places::manual_of(&root.path().join("prefix/bin/git-vsts"), None),
            bash: Some(share.join("bash-completion/completions")),
            fish: Some(share.join("fish/vendor_completions.d")),
            data: share.join("git-vsts"),
        };
        fs::create_dir(root.path().join("home")).unwrap();
        fs::create_dir(root.path().join("prefix")).unwrap();
        Self { root, places }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    fn put(&self) -> Vec<String> {
        self.told(put_files(&self.places, &FILES, false).unwrap())
    }

    fn take_back(&self) -> Vec<String> {
        self.told(take_back(&self.places.data, false).unwrap())
    }

    fn told(&self, outcomes: Vec<Outcome>) -> Vec<String> {
        let tell = |outcome: Outcome| {
            let path = outcome.path.strip_prefix(self.root.path()).unwrap();
            let what = match outcome.what {
                What::Refused(error) => format!("Refused: {}", error.kind()),
                what => format!("{what:?}"),
            };
            format!("{:?} {} {what}", outcome.group, path.display())
        };
        outcomes.into_iter().map(tell).collect()
    }

    /// Every file with what is in it, and every folder; of our own folder only the names.
    fn tree(&self) -> BTreeMap<String, String> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.root.path()).unwrap().display().to_string();
                match path.is_dir() {
                    true => folders.push(path.clone()),
                    false => drop(tree.insert(name.clone(), fs::read_to_string(&path).unwrap())),
                }
                if path.is_dir() {
                    tree.insert(name + "/", String::new());
                }
            }
        }
        tree
    }
}

const PUT: [&str; 4] = [
    "Manual prefix/share/man/man1/git-vsts.1 Put",
    "Bash home/.local/share/bash-completion/completions/git-vsts Put",
    "Fish home/.local/share/fish/vendor_completions.d/git-vsts.fish Put",
    "Zsh home/.local/share/git-vsts/completions/_git-vsts Put",
];

fn all(what: &str) -> Vec<String> {
    let sorted = what == "Removed";
    let mut all: Vec<String> =
        PUT.iter().map(|put| put.strip_suffix("Put").unwrap().to_owned() + what).collect();
    if sorted {
        // In the order of their paths.
        all.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
    }
    all
}

#[test]
fn what_was_put_is_taken_back_with_the_folders_that_were_made() {
    let home = Home::new();
    fs::create_dir_all(home.path("home/.local/share/fish")).unwrap();
    let before = home.tree();
    assert_eq!(home.put(), PUT);
    assert_eq!(
        fs::read_to_string(home.path("prefix/share/man/man1/git-vsts.1")).unwrap(),
        "page\n"
    );
    assert_eq!(home.take_back(), all("Removed"));
    assert_eq!(home.tree(), before);
    assert_eq!(home.take_back(), [""; 0]);
    assert_eq!(home.tree(), before);
}

#[test]
fn a_second_run_changes_nothing() {
    let home = Home::new();
    home.put();
    let before = home.tree();
    assert_eq!(home.put(), all("AsItShouldBe"));
    assert_eq!(home.tree(), before);
}

#[test]
fn a_dry_run_writes_and_removes_nothing_and_says_what_it_would_do() {
    let home = Home::new();
    let before = home.tree();
    assert_eq!(home.told(put_files(&home.places, &FILES, true).unwrap()), PUT);
    assert_eq!(home.tree(), before);
    home.put();
    let before = home.tree();
    assert_eq!(home.told(take_back(&home.places.data, true).unwrap()), all("Removed"));
    assert_eq!(home.tree(), before);
}

#[test]
fn a_new_version_replaces_what_is_ours_and_removes_what_it_has_no_more() {
    let home = Home::new();
    home.put();
    let [manual, _, fish, zsh] = FILES;
    let files = [
        manual,
        File { content: "new\n", ..fish },
        zsh,
        File { group: Group::Bash, name: "git-vsts.bash", content: "bash\n" },
    ];
    assert_eq!(
        home.told(put_files(&home.places, &files, false).unwrap()),
        [
            "Manual prefix/share/man/man1/git-vsts.1 AsItShouldBe",
            "Fish home/.local/share/fish/vendor_completions.d/git-vsts.fish Replaced",
            "Zsh home/.local/share/git-vsts/completions/_git-vsts AsItShouldBe",
            "Bash home/.local/share/bash-completion/completions/git-vsts.bash Put",
            "Bash home/.local/share/bash-completion/completions/git-vsts Removed",
        ]
    );
    home.take_back();
    assert_eq!(home.tree().keys().collect::<Vec<_>>(), ["home/", "prefix/"]);
}

#[test]
fn another_installation_of_the_program_keeps_its_pages() {
    let home = Home::new();
    home.put();
    let mut places = home.places.clone();
    places.manual = Places::manual_of(&home.path("other/bin/git-vsts"), None);
    put_files(&places, &FILES, false).unwrap();
    assert!(home.path("prefix/share/man/man1/git-vsts.1").exists());
    home.take_back();
    assert_eq!(home.tree().keys().collect::<Vec<_>>(), ["home/", "prefix/"]);
}

#[test]
fn what_somebody_else_put_there_stays_theirs() {
    let home = Home::new();
    let bash = home.places.bash.clone().unwrap();
    fs::create_dir_all(&bash).unwrap();
    for (content, what) in [("theirs", "SomebodyElses"), ("bash\n", "SomebodyElsesSame")] {
        fs::write(bash.join("git-vsts"), content).unwrap();
        let before = home.tree();
        assert_eq!(home.put()[1], PUT[1].replace("Put", what));
        assert_eq!(home.take_back().len(), 3);
        assert_eq!(home.tree(), before);
    }
}

#[test]
fn what_was_changed_since_is_left_and_told() {
    let home = Home::new();
    home.put();
    let path = home.places.bash.clone().unwrap().join("git-vsts");
    fs::write(&path, "changed").unwrap();
    assert_eq!(home.put()[1], PUT[1].replace("Put", "Changed"));
    assert_eq!(home.take_back()[0], PUT[1].replace("Put", "Changed"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "changed");
    assert!(!home.places.data.exists());
    assert_eq!(home.put()[1], PUT[1].replace("Put", "SomebodyElses"));
}

#[test]
fn what_was_removed_since_is_put_again_and_its_absence_is_no_fault() {
    let home = Home::new();
    home.put();
    fs::remove_dir_all(home.places.fish.clone().unwrap()).unwrap();
    assert_eq!(home.put()[2], PUT[2]);
    fs::remove_dir_all(home.places.fish.clone().unwrap()).unwrap();
    assert!(home.take_back().contains(&PUT[2].replace("Put", "Gone")));
    assert_eq!(home.tree().keys().collect::<Vec<_>>(), ["home/", "prefix/"]);
}

#[test]
fn our_own_folder_stays_while_something_else_is_in_it() {
    let home = Home::new();
    home.put();
    fs::write(home.places.data.join("credentials.json"), "{}").unwrap();
    home.take_back();
    let names = home.tree().into_keys().filter(|name| name.contains("git-vsts"));
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["home/.local/share/git-vsts/", "home/.local/share/git-vsts/credentials.json"]
    );
}

#[test]
fn a_run_that_was_killed_in_the_middle_leaves_nothing_that_is_not_known() {
    let home = Home::new();
    home.put();
    // It had written the new file, and not yet recorded it.
    let [manual, bash, fish, zsh] = FILES;
    let new = [manual, File { content: "new\n", ..bash }, fish, zsh];
    fs::write(home.places.bash.clone().unwrap().join("git-vsts"), "new\n").unwrap();
    let told = home.told(put_files(&home.places, &new, false).unwrap());
    assert_eq!(told, all("AsItShouldBe"));
    assert_eq!(home.take_back(), all("Removed"));
}

#[test]
fn a_record_that_is_not_understood_is_an_error_and_changes_nothing() {
    let home = Home::new();
    home.put();
    let record = home.places.data.join("setup.json");
    for content in ["", "{}", r#"{"version":2}"#, r#"{"version":1,"files":{}}"#] {
        fs::write(&record, content).unwrap();
        let before = home.tree();
        let damaged = format!("{} is damaged, or was written by a later version", record.display());
        assert_eq!(put_files(&home.places, &FILES, false).unwrap_err().to_string(), damaged);
        assert_eq!(take_back(&home.places.data, false).unwrap_err().to_string(), damaged);
        assert_eq!(home.tree(), before);
    }
}

#[test]
fn many_at_once_leave_one_complete_installation() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for turn in 0..20 {
            let places = &home.places;
            scope.spawn(move || match turn % 5 {
                4 => drop(take_back(&places.data, false).unwrap()),
                _ => drop(put_files(places, &FILES, false).unwrap()),
            });
        }
    });
    home.put();
    assert_eq!(home.put(), all("AsItShouldBe"));
    home.take_back();
    assert_eq!(home.tree().keys().collect::<Vec<_>>(), ["home/", "prefix/"]);
}

#[test]
fn the_lines_for_zsh_quote_the_folder() {
    let data = Path::new("/home/o'brien/my data/git-vsts").to_owned();
    let places = Places { manual: None, bash: None, fish: None, data };
    assert_eq!(
        places.zsh_lines(),
        [
            r"fpath=('/home/o'\''brien/my data/git-vsts/completions' $fpath)",
            "autoload -Uz compinit && compinit"
        ]
    );
}

#[cfg(unix)]
#[test]
fn pages_go_beside_a_folder_bin_that_is_no_persons_own() {
    let home = Some(Path::new("/home/ada"));
    for (program, expected) in [
        ("/usr/local/bin/git-vsts", Some("/usr/local/share/man/man1")),
        ("/home/ada/.local/bin/git-vsts", Some("/home/ada/.local/share/man/man1")),
        ("/home/ada/.cargo/bin/git-vsts", Some("/home/ada/.cargo/share/man/man1")),
        ("/home/ada/bin/git-vsts", None),
        ("/home/ada/Downloads/git-vsts", None),
        ("/home/ada/robin/git-vsts", None),
        ("/bin/git-vsts", None),
        ("/opt/git-vsts", None),
        ("/git-vsts", None),
    ] {
        let found = Places::manual_of(Path::new(program), home);
        assert_eq!(found.as_deref(), expected.map(Path::new), "{program}");
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn others_can_read_the_pages_and_write_nothing() {
        let home = Home::new();
        home.put();
        assert_eq!(mode(&home.path("prefix/share/man/man1/git-vsts.1")), 0o644);
        assert_eq!(mode(&home.places.data.join("completions")) & 0o022, 0);
        assert_eq!(mode(&home.places.data), 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_written_hinders_nothing_else() {
        let home = Home::new();
        // A file in the place of the folder refuses root too.
        fs::write(home.path("prefix/share"), "").unwrap();
        let told = home.put();
        assert!(
            told[0].starts_with("Manual prefix/share/man/man1/git-vsts.1 Refused: "),
            "{told:?}"
        );
        assert_eq!(told[1..], PUT[1..]);
        fs::remove_file(home.path("prefix/share")).unwrap();
        assert_eq!(home.put()[0], PUT[0]);
    }

    #[test]
    fn a_link_is_never_written_through_nor_removed() {
        let home = Home::new();
        let theirs = home.path("theirs");
        let bash = home.places.bash.clone().unwrap().join("git-vsts");
        fs::create_dir_all(bash.parent().unwrap()).unwrap();
        symlink(&theirs, &bash).unwrap();
        assert_eq!(home.put()[1], PUT[1].replace("Put", "SomebodyElses"));
        for (content, what) in [("theirs", "SomebodyElses"), ("bash\n", "SomebodyElsesSame")] {
            fs::write(&theirs, content).unwrap();
            assert_eq!(home.put()[1], PUT[1].replace("Put", what));
        }
        home.take_back();
        assert!(fs::symlink_metadata(&bash).unwrap().is_symlink());
        // One that has taken the place of ours.
        fs::remove_file(&bash).unwrap();
        home.put();
        fs::remove_file(&bash).unwrap();
        symlink(&theirs, &bash).unwrap();
        assert!(home.take_back().contains(&PUT[1].replace("Put", "Changed")));
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "bash\n");
    }
}
