//! The built binary against real parts: a keyring, a browser, a server of OAuth, shells. Each test
//! needs something that `cargo test` does not, and is ignored without it; `tests/run` installs it.

#![cfg(target_os = "linux")]

mod browser;
mod chromium;
mod credential;
mod disk;
mod git_own;
mod interrupted;
mod keychain;
mod lfs;
mod manual;
mod oidc;
mod ownership;
mod session;
mod shells;
mod states;
mod unlock;

#[path = "../suite/sandbox.rs"]
#[allow(dead_code, reason = "it is the suite's, which needs more of it")]
mod sandbox;

/// `cargo test` is hermetic, and a file that is not listed above is no test.
#[test]
fn every_test_of_every_file_here_waits_for_tests_run() {
    let main = include_str!("main.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What npm reads is in a folder.
        if path.is_dir() {
            continue;
        }
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if module == "main" {
            continue;
        }
        assert!(main.contains(&format!("\nmod {module};")), "{module}");
        let text = std::fs::read_to_string(&path).unwrap();
        let tests = text.matches("\n#[test]\n").count();
        assert_eq!(text.matches("\n#[test]\n#[ignore = \"needs ").count(), tests, "{module}");
    }
}
