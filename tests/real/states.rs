//! A keychain that can't be used is named as what it is: never taken for "not signed in", nothing
//! erased on its account, nothing written elsewhere (threats, S3, S7, S15).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::keychain::connect;
use crate::sandbox::Output;
use crate::session::{Session, State};

const COMMANDS: [&[&str]; 6] = [
    &["status"],
    &["status", "--json", "--offline"],
    &["push"],
    &["login", "contoso", "--pat-stdin"],
    &["logout", "contoso"],
    &["logout", "--all"],
];

/// What each command says in this state, and that all is as before once the state has passed.
fn said_in(state: State, each: impl Fn(&[&str], &Output, Duration)) -> String {
    let (mut session, kept) = Session::signed_in();
    connect(&session);
    session.enter(state);
    let sandbox = &session.sandbox;
    let token = sandbox.token("contoso");
    let mut said = String::new();
    for command in COMMANDS {
        let start = Instant::now();
        let output = sandbox.run_with_stdin(command, &token);
        each(command, &output, start.elapsed());
        write!(said, "$ git vsts {}\n{output}", command.join(" ")).unwrap();
    }
    assert_eq!(sandbox.requests(), [""; 0], "nothing is sent");
    for secret in [&token, &kept] {
        assert_eq!(holders(&sandbox.home(), secret), [""; 0]);
    }

    session.restore();
    assert!(session.lookup("contoso").contains(&kept));
    assert_eq!(session.items(), 1);
    let output = session.sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
    said
}

/// The files below a folder that hold a text.
fn holders(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            found.extend(holders(&path, text));
        } else if kind.is_file() {
            let content = fs::read(&path).unwrap();
            let holds = content.windows(text.len()).any(|window| window == text.as_bytes());
            found.extend(holds.then(|| path.display().to_string()));
        }
    }
    found
}

fn at_once(command: &[&str], output: &Output, taken: Duration) {
    assert_eq!(output.status, 1, "{command:?}\n{output}");
    assert!(taken < Duration::from_secs(2), "{command:?} took {taken:?}");
}

/// `logout` asks for no organization that it could not forget.
#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn an_organization_is_not_asked_for_in_vain() {
    let session = Session::start(State::Absent);
    let output = session.sandbox.run(["logout"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]

"#]].raw());
}

/// Both ways of being locked: since the daemon's start, and by a person in between.
#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_keychain_that_was_locked_meanwhile_is_locked_too() {
    let (session, _) = Session::signed_in();
    let sandbox = &session.sandbox;
    connect(&session);
    session.lock_softly();
    let output = sandbox.run(["push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]

"#]].raw());
    for command in [&["status"][..], &["logout", "contoso"], &["logout"]] {
        let output = sandbox.run(command);
        assert_eq!(output.status, 1, "{output}");
        assert!(output.stderr.contains("error: the keychain is locked\n"), "{output}");
    }
    assert_eq!(sandbox.requests(), [""; 0]);
}

/// What a locked keychain shows of its items is enough to know that another one is not there.
#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn another_organization_is_not_signed_in_even_where_the_keychain_is_locked() {
    for since_start in [true, false] {
        let (mut session, _) = Session::signed_in();
        match since_start {
            true => session.lock(),
            false => session.lock_softly(),
        }
        let output = session.sandbox.run(["logout", "fabrikam"]);
        assert_eq!(output.to_string(), "--- stderr\nNot signed in to fabrikam\n[exit 0]\n");
    }
}

const ALL: [State; 5] =
    [State::Locked, State::NoCollection, State::Absent, State::Hung, State::NoBus];

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_token_of_the_environment_needs_no_keychain() {
    for state in ALL {
        let session = Session::start(state);
        let sandbox = &session.sandbox;
        connect(&session);
        sandbox.set("GIT_VSTS_PAT", &sandbox.token("contoso"));
        let start = Instant::now();
        assert_eq!(sandbox.run(["push"]).status, 0, "{state:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{state:?}: {:?}", start.elapsed());

        let output = sandbox.run(["status"]);
        assert_eq!(output.status, 0, "{state:?}: {output}");
        assert_eq!(
            output.stdout,
            "contoso: signed in as ada@contoso.com by the personal access token in GIT_VSTS_PAT, valid\n\
             /work, on main\n  origin: https://azure/contoso/shop/_git/web\n"
        );
        let json = sandbox.run(["status", "--json"]).json();
        assert_eq!(json["logins"][0]["source"], "environment", "{state:?}");
        if state == State::Absent {
            assert_data_eq!(output.stderr, str![[r#"
warning: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)

"#]].raw());
        }
    }
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn the_file_is_used_where_it_is_asked_for_and_nothing_else() {
    for state in ALL {
        let session = Session::start(state);
        let sandbox = &session.sandbox;
        let token = sandbox.token("contoso");
        let start = Instant::now();
        let command = ["login", "contoso", "--pat-stdin", "--insecure-storage"];
        let output = sandbox.run_with_stdin(command, &token);
        assert_eq!(output.status, 0, "{state:?}: {output}");
        assert_eq!(sandbox.run(["status"]).status, 0, "{state:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{state:?}: {:?}", start.elapsed());
        let file = sandbox.credentials().display().to_string();
        assert_eq!(holders(&sandbox.home(), &token), [file], "{state:?}");
    }
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn an_address_that_leads_nowhere_is_no_bus() {
    let session = Session::start(State::NoBus);
    let sandbox = &session.sandbox;
    let dead = sandbox.home().join("dead");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let dead = format!("unix:path={}", dead.display());
    for address in ["disabled:", "unix:path=/nonexistent", &dead] {
        sandbox.set("DBUS_SESSION_BUS_ADDRESS", address);
        let output = sandbox.run(["status"]);
        assert_eq!(output.status, 1, "{address}: {output}");
        let start = "error: there is no keychain: no D-Bus session bus (";
        assert!(output.stderr.starts_with(start), "{address}: {output}");
    }
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_locked_keychain_is_locked() {
    let said = said_in(State::Locked, at_once);
    assert_data_eq!(said, str![[r#"
$ git vsts status
--- stdout
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts status --json --offline
--- stderr
error: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts push
--- stderr
error: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts login contoso --pat-stdin
--- stderr
error: a token for contoso can't be kept
  caused by: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts logout contoso
--- stderr
error: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts logout --all
--- stderr
error: the keychain is locked
hint: unlock the keychain, for instance by signing in to the desktop
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]

"#]].raw());
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_keychain_service_without_a_keychain_has_nothing_and_takes_nothing() {
    let said = said_in(State::NoCollection, |_, _, _| ());
    assert_data_eq!(said, str![[r#"
$ git vsts status
--- stdout
Not signed in anywhere
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]
$ git vsts status --json --offline
--- stdout
{"version":"0.1.0","logins":[],"repository":{"directory":"/work","branch":"main","remotes":[{"name":"origin","url":"https://azure/contoso/shop/_git/web","organization":"contoso","organizationUrl":"https://azure/contoso","project":"shop","repository":"web","protocol":"https"}]}}
--- stderr
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]
$ git vsts push
--- stderr
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]
$ git vsts login contoso --pat-stdin
--- stderr
error: a token for contoso can't be kept
  caused by: the keychain service has no default keychain
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts logout contoso
--- stderr
Not signed in to contoso
git no longer uses it: taken out of /home/.gitconfig
[exit 0]
$ git vsts logout --all
--- stderr
Nobody is signed in anywhere
[exit 0]

"#]].raw());
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn an_absent_keychain_service_is_absent() {
    let said = said_in(State::Absent, at_once);
    assert_data_eq!(said, str![[r#"
$ git vsts status
--- stdout
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts status --json --offline
--- stderr
error: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts push
--- stderr
error: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts login contoso --pat-stdin
--- stderr
error: a token for contoso can't be kept
  caused by: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts logout contoso
--- stderr
error: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts logout --all
--- stderr
error: there is no keychain: no Secret Service on the D-Bus session bus (org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets was not provided by any .service files)
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]

"#]].raw());
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_missing_session_bus_is_missing() {
    let said = said_in(State::NoBus, at_once);
    assert_data_eq!(said, str![[r#"
$ git vsts status
--- stdout
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts status --json --offline
--- stderr
error: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts push
--- stderr
error: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts login contoso --pat-stdin
--- stderr
error: a token for contoso can't be kept
  caused by: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts logout contoso
--- stderr
error: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
$ git vsts logout --all
--- stderr
error: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/home/run/bus`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]

"#]].raw());
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_keychain_that_never_answers_is_given_up_after_3_seconds() {
    let said = said_in(State::Hung, |command, output, taken| {
        assert_eq!(output.status, 1, "{command:?}\n{output}");
        let limit = Duration::from_secs(3)..Duration::from_secs(4);
        assert!(limit.contains(&taken), "{command:?} took {taken:?}");
    });
    assert_data_eq!(said, str![[r#"
$ git vsts status
--- stdout
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: the keychain did not answer within 3 s
hint: look whether the keychain waits for an answer in a window
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts status --json --offline
--- stderr
error: the keychain did not answer within 3 s
hint: look whether the keychain waits for an answer in a window
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts push
--- stderr
error: the keychain did not answer within 3 s
hint: look whether the keychain waits for an answer in a window
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts login contoso --pat-stdin
--- stderr
error: a token for contoso can't be kept
  caused by: the keychain did not answer within 3 s
hint: look whether the keychain waits for an answer in a window
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts logout contoso
--- stderr
error: the keychain did not answer within 3 s
hint: look whether the keychain waits for an answer in a window
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]
$ git vsts logout --all
--- stderr
error: the keychain did not answer within 3 s
hint: look whether the keychain waits for an answer in a window
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
[exit 1]

"#]].raw());
}
