//! Killed in the middle, or many at once: the old sign-in or the new one, whole (threats, S5, S6).

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use git_vsts::credential::{Credential, Kept};

use crate::session::{Session, State};

/// At how many moments of a run it is killed.
const MOMENTS: u32 = 60;

fn start(session: &Session, arguments: &[&str], token: &str) -> Child {
    let mut command = session.command(env!("CARGO_BIN_EXE_git-vsts"), arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    child
}

/// How long a whole run takes, the middle one of five.
fn usual(session: &Session, run: impl Fn(&Session) -> Child) -> Duration {
    let mut taken: Vec<Duration> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            assert!(run(session).wait().unwrap().success());
            begun.elapsed()
        })
        .collect();
    taken.sort();
    taken[2]
}

/// Kills a run at one of its moments, the first of them at once and the last after its usual end.
fn kill_at(mut child: Child, moment: u32, whole: Duration) {
    // There is nothing to wait for: where it is hit is left to the clock, on purpose.
    thread::sleep(whole * moment / (MOMENTS * 3 / 4));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The token that is kept: of the one item that there is, which is whole.
fn kept(session: &Session) -> String {
    assert_eq!(session.items(), 1);
    let kept = Kept::from_record(&session.lookup("contoso").into()).unwrap();
    assert_eq!(kept.account, "ada@contoso.com");
    let Credential::Pat(pat) = kept.credential else { panic!("a token was kept") };
    pat.token.expose_secret().to_owned()
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_login_killed_at_any_moment_leaves_the_old_sign_in_or_the_new_one() {
    let (session, mut old) = Session::signed_in();
    let login = ["login", "contoso", "--pat-stdin"];
    let whole = usual(&session, |session| start(session, &login, &old));
    let (mut kept_old, mut kept_new) = (0, 0);
    for moment in 0..MOMENTS {
        let new = session.sandbox.token("contoso");
        kill_at(start(&session, &login, &new), moment, whole);
        match kept(&session) {
            token if token == old => kept_old += 1,
            token if token == new => kept_new += 1,
            _ => panic!("neither the old nor the new one, at {moment}"),
        }
        old = kept(&session);
    }
    assert!(kept_old > 0 && kept_new > 0, "{kept_old} old, {kept_new} new: {whole:?} is too long");
    let output = session.sandbox.run(["status"]);
    assert_eq!(output.status, 0, "{output}");
    assert!(output.stdout.contains(", valid\n"), "{output}");
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_first_login_killed_at_any_moment_leaves_nothing_or_the_sign_in() {
    let session = Session::start(State::Unlocked);
    let login = ["login", "contoso", "--pat-stdin"];
    let token = session.sandbox.token("contoso");
    let whole = usual(&session, |session| start(session, &login, &token));
    let (mut none, mut one) = (0, 0);
    for moment in 0..MOMENTS {
        let _ = session.sandbox.run(["logout", "contoso"]);
        kill_at(start(&session, &login, &token), moment, whole);
        match session.items() {
            0 => none += 1,
            _ => {
                assert_eq!(kept(&session), token);
                one += 1;
            }
        }
    }
    assert!(none > 0 && one > 0, "{none} without, {one} with: {whole:?} is too long");
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_logout_killed_at_any_moment_leaves_the_sign_in_or_nothing() {
    let (session, token) = Session::signed_in();
    let logout = ["logout", "contoso"];
    let whole = usual(&session, |session| start(session, &logout, ""));
    let (mut none, mut one) = (0, 0);
    for moment in 0..MOMENTS {
        let output = session.sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        assert_eq!(output.status, 0, "{output}");
        kill_at(start(&session, &logout, ""), moment, whole);
        match session.items() {
            0 => none += 1,
            _ => {
                assert_eq!(kept(&session), token);
                one += 1;
            }
        }
    }
    assert!(none > 0 && one > 0, "{none} without, {one} with: {whole:?} is too long");
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn twenty_first_logins_at_once_leave_one_item_with_the_whole_token_of_one() {
    let session = Session::start(State::Unlocked);
    let sandbox = &session.sandbox;
    let tokens: Vec<String> = (0..20).map(|_| sandbox.token("contoso")).collect();
    let logins: Vec<Child> = tokens
        .iter()
        .map(|token| start(&session, &["login", "contoso", "--pat-stdin"], token))
        .collect();
    for login in logins {
        let output = login.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(tokens.contains(&kept(&session)));
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in the keychain, valid
No git repository here
[exit 0]

"#]]
        .raw()
    );
}
