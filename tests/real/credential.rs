//! git's helper with a real keychain: nothing is written without need, and a keychain that can't be
//! used keeps git waiting for no more than three seconds (threats, S7, C15).

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::keychain::connect;
use crate::sandbox::{Output, Sandbox};
use crate::session::{Session, State};

/// Plain git with our helper alone, and nobody to ask.
fn git(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let helper = format!("credential.helper=!'{}' credential", env!("CARGO_BIN_EXE_git-vsts"));
    let all = [&["-c", "credential.helper=", "-c", &helper][..], arguments].concat();
    let mut command = sandbox.command("git", all, &sandbox.work());
    command.env("GIT_TERMINAL_PROMPT", "0");
    sandbox.finish(&mut command, "")
}

fn description(sandbox: &Sandbox, more: &str) -> String {
    let host = sandbox.azure.url().trim_start_matches("http://");
    format!("protocol=http\nhost={host}\npath=contoso/shop/_git/web\n{more}")
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_push_of_plain_git_writes_nothing_to_the_keychain() {
    let (session, token) = Session::signed_in();
    connect(&session);
    // Each write of ours would give the item our label again.
    let attributes = ["service", "git-vsts", "username", &session.account("contoso")];
    let record = session.lookup("contoso");
    session.plant(&attributes, "planted", record.as_bytes());
    let output = git(&session.sandbox, &["push", "origin", "main"]);
    assert_eq!(output.status, 0, "{output}");
    // As from a git that gives no state back.
    let proved = description(&session.sandbox, &format!("username=ada\npassword={token}\n"));
    let output = session.sandbox.run_with_stdin(["credential", "store"], &proved);
    assert_eq!(output.to_string(), "[exit 0]\n");
    let labels: Vec<String> = session.search(&attributes);
    let labels: Vec<&String> = labels.iter().filter(|it| it.starts_with("label = ")).collect();
    assert_eq!(labels, ["label = planted"]);
    assert_eq!(session.lookup("contoso"), record);
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn what_git_has_proved_and_what_was_refused_reach_the_keychain() {
    let session = Session::start(State::Unlocked);
    let sandbox = &session.sandbox;
    sandbox.secret("proved-by-git");
    let proved = description(sandbox, "username=ada\npassword=proved-by-git\n");
    for (action, kept) in [("erase", false), ("store", true), ("store", true), ("erase", false)] {
        let output = sandbox.run_with_stdin(["credential", action], &proved);
        assert_eq!(output.to_string(), "[exit 0]\n", "{action}");
        assert_eq!(session.lookup("contoso").contains("proved-by-git"), kept, "{action}");
    }
}

/// C11: two processes of ours take turns.
#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn what_is_kept_while_an_old_secret_is_refused_stays_in_the_keychain() {
    let session = Session::start(State::Unlocked);
    let sandbox = &session.sandbox;
    for round in 0..5 {
        let proved = |which: &str| {
            description(sandbox, &format!("username=ada\npassword={which}-{round}\n"))
        };
        let output = sandbox.run_with_stdin(["credential", "store"], &proved("old"));
        assert_eq!(output.to_string(), "[exit 0]\n");
        let children =
            [("erase", "old"), ("store", "new"), ("erase", "old")].map(|(action, which)| {
                let program = env!("CARGO_BIN_EXE_git-vsts");
                let mut command = session.command(program, &["credential", action]);
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.spawn().unwrap();
                child.stdin.take().unwrap().write_all(proved(which).as_bytes()).unwrap();
                child
            });
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        }
        let kept = session.lookup("contoso");
        assert!(kept.contains(&format!("new-{round}")), "{kept}");
    }
}

/// As an IDE has it that was not started from a shell.
#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn the_keychain_is_found_without_the_address_of_the_bus() {
    let (session, _) = Session::signed_in();
    connect(&session);
    session.sandbox.set("DBUS_SESSION_BUS_ADDRESS", "");
    session.sandbox.set("TERM", "");
    let output = git(&session.sandbox, &["push", "--quiet", "origin", "main"]);
    assert_eq!(output.status, 0, "{output}");
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_keychain_that_can_not_be_used_is_named_and_git_goes_on() {
    let mut said = String::new();
    for state in [State::Locked, State::NoCollection, State::Absent, State::Hung, State::NoBus] {
        let (mut session, token) = Session::signed_in();
        connect(&session);
        session.enter(state);
        let sandbox = &session.sandbox;
        sandbox.secret("proved-by-git");
        let refused = format!("password={token}\n");
        for (action, more) in
            [("get", ""), ("store", "username=ada\npassword=proved-by-git\n"), ("erase", &refused)]
        {
            let start = Instant::now();
            let output =
                sandbox.run_with_stdin(["credential", action], &description(sandbox, more));
            let taken = start.elapsed();
            assert!(taken < Duration::from_secs(4), "{action} took {taken:?}");
            write!(said, "== {state:?}, {action}\n{output}").unwrap();
        }
        let output = git(sandbox, &["ls-remote", "origin"]);
        assert!(output.stderr.ends_with("terminal prompts disabled\n"), "{output}");
        session.restore();
        assert!(session.lookup("contoso").contains(&token), "{state:?}");
    }
    assert_data_eq!(said, str![[r#"
== Locked, get
--- stderr
warning: git vsts can't tell git what is kept: the keychain is locked
[exit 0]
== Locked, store
--- stderr
warning: git vsts can't keep what git has proved: the keychain is locked
[exit 0]
== Locked, erase
--- stderr
warning: git vsts can't forget what was refused: the keychain is locked
[exit 0]
== NoCollection, get
[exit 0]
== NoCollection, store
--- stderr
warning: git vsts can't keep what git has proved: the keychain service has no default keychain
[exit 0]
== NoCollection, erase
[exit 0]
== Absent, get
--- stderr
warning: git vsts can't tell git what is kept: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
[exit 0]
== Absent, store
--- stderr
warning: git vsts can't keep what git has proved: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
[exit 0]
== Absent, erase
--- stderr
warning: git vsts can't forget what was refused: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
[exit 0]
== Hung, get
--- stderr
warning: git vsts can't tell git what is kept: the keychain did not answer within 3 s
[exit 0]
== Hung, store
--- stderr
warning: git vsts can't keep what git has proved: the keychain did not answer within 3 s
[exit 0]
== Hung, erase
--- stderr
warning: git vsts can't forget what was refused: the keychain did not answer within 3 s
[exit 0]
== NoBus, get
--- stderr
warning: git vsts can't tell git what is kept: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
[exit 0]
== NoBus, store
--- stderr
warning: git vsts can't keep what git has proved: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
[exit 0]
== NoBus, erase
--- stderr
warning: git vsts can't forget what was refused: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
[exit 0]

"#]].raw());
}
