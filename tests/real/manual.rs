//! The pages of `man/`, read by both programs that are called `man`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use git_vsts::installation::{Places, put, take_back};

use crate::sandbox::Sandbox;

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut pages: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 8, "{pages:?}");
    pages
}

#[test]
#[ignore = "needs mandoc and man-db: run tests/run"]
fn no_reader_warns_of_a_page() {
    let sandbox = Sandbox::new();
    for page in pages() {
        let page = page.display().to_string();
        for (program, arguments) in [
            ("mandoc", &["-T", "lint", "-W", "warning", &page][..]),
            ("man", &["--warnings", "-E", "UTF-8", "-l", &page]),
        ] {
            let mut command = sandbox.command(program, arguments, &sandbox.work());
            let output = sandbox.finish(&mut command, "");
            assert_eq!((output.stderr.as_str(), output.status), ("", 0), "{page}: {output}");
            // mandoc writes its warnings there.
            assert_eq!(output.stdout.is_empty(), program == "mandoc", "{page}: {output}");
        }
    }
}

#[test]
#[ignore = "needs man-db: run tests/run"]
fn git_shows_the_page_that_was_put_beside_the_program() {
    let sandbox = Sandbox::new();
    let program = sandbox.home().join("prefix/bin/git-vsts");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    symlink(env!("CARGO_BIN_EXE_git-vsts"), &program).unwrap();
    let data = sandbox.home().join(".local/share/git-vsts");
    let places = Places {
        manual: Places::manual_of(&program, None),
        bash: None,
        fish: None,
        data: data.clone(),
    };
    let path = std::env::var("PATH").unwrap();
    sandbox.set("PATH", &format!("{}:{path}", program.parent().unwrap().display()));
    let help = |arguments: &[&str]| {
        sandbox.finish(&mut sandbox.command("git", arguments, &sandbox.work()), "")
    };
    assert_eq!(help(&["vsts", "--help"]).status, 16);
    put(&places, false).unwrap();
    for (arguments, title) in
        [(&["vsts", "--help"][..], "GIT-VSTS(1)"), (&["help", "vsts"], "GIT-VSTS(1)")]
    {
        let output = help(arguments);
        assert!(output.stdout.trim_start().starts_with(title), "{output}");
        assert_eq!((output.stderr.as_str(), output.status), ("", 0));
    }
    let mut command = sandbox.command("man", ["git-vsts-login"], &sandbox.work());
    let output = sandbox.finish(&mut command, "");
    assert!(output.stdout.trim_start().starts_with("GIT-VSTS-LOGIN(1)"), "{output}");
    take_back(&data, false).unwrap();
    assert_eq!(help(&["vsts", "--help"]).status, 16);
}
