//! The hermetic suite: nothing beyond loopback, no keychain, no terminal but one of its own.

mod bad_input;
mod clone;
mod completions;
mod credential;
mod engines;
mod faults;
mod hooks;
mod init;
mod login;
mod logout;
mod manual;
mod microsoft;
mod pages;
mod plain_git;
mod push;
mod readme;
mod refspecs;
mod refusals;
mod remote_add;
mod renewal;
mod sandbox;
mod secrets;
mod setup;
mod sign_in;
mod status;
mod terminal;
mod trust;

/// A file that is not listed above is no test, and nobody would notice.
#[test]
fn every_file_of_the_suite_is_a_module() {
    let main = include_str!("main.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("\nmod {module};")), "{name}");
    }
}
