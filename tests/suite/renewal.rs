//! How a Microsoft sign-in renews itself, and what becomes of it where it can't.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use double::{Answer, Rule};
use jiff::{SignedDuration, Timestamp};

use crate::microsoft::kept_itself;
use crate::sandbox::{Output, Sandbox};

/// How long Microsoft takes where something is to happen meanwhile.
const WHILE: Duration = Duration::from_secs(1);

/// The access token of a personal account, which has no form that could be known.
const OPAQUE: &str = "EwBwA8l6BAAU";

fn kept(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.credentials()).unwrap()
}

/// A field of the kept sign-in.
fn field(sandbox: &Sandbox, name: &str) -> String {
    let text = kept(sandbox);
    let (_, rest) = text.split_once(&format!("\"{name}\":\"")).expect("it is kept");
    rest.split_once('"').unwrap().0.to_owned()
}

/// Makes the kept access token one of an hour that ends in so many seconds, by the clock here.
pub fn ends_in(sandbox: &Sandbox, seconds: i64) {
    let end = Timestamp::now() + SignedDuration::from_secs(seconds);
    let issued = end - SignedDuration::from_hours(1);
    let now = kept(sandbox)
        .replace(&field(sandbox, "expires"), &end.to_string())
        .replace(&field(sandbox, "issued"), &issued.to_string());
    fs::write(sandbox.credentials(), now).unwrap();
}

/// Starts a command, and comes back when it renews, which takes a while.
fn begin(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let token = || Rule::any("…/oauth2/v2.0/token").times(1);
    sandbox.azure.answer(token(), Answer::real().delay(WHILE));
    let program = sandbox.program();
    let mut command = sandbox.command(&program, arguments, &sandbox.work());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    sandbox.azure.clear_requests();
    while !sandbox.requests().iter().any(|request| request.contains("/oauth2/v2.0/token")) {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    child
}

#[track_caller]
fn end(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What git says of a token to its helper.
fn tell_helper(sandbox: &Sandbox, action: &str, token: &str, more: &str) -> Output {
    let host = sandbox.azure.url().trim_start_matches("http://").to_owned();
    let said = format!(
        "protocol=http\nhost={host}\npath=contoso/shop/_git/web\npassword={token}\n{more}\n"
    );
    sandbox.run_with_stdin(["credential", action], &said)
}

#[test]
fn what_git_says_of_the_old_token_meanwhile_does_not_lose_the_renewed_one() {
    for (action, more) in [("erase", ""), ("store", "password_expiry_utc=4000000000\n")] {
        let sandbox = kept_itself();
        sandbox.azure.microsoft().rotates();
        ends_in(&sandbox, 60);
        let before = kept(&sandbox).replace(&field(&sandbox, "access_token"), OPAQUE);
        fs::write(sandbox.credentials(), &before).unwrap();
        let spent = field(&sandbox, "refresh_token");
        let child = begin(&sandbox, &["push", "--quiet"]);
        assert_eq!(tell_helper(&sandbox, action, OPAQUE, more).to_string(), "[exit 0]\n");
        assert!(kept(&sandbox) != before, "{action} changed nothing");
        end(child);
        assert_ne!(field(&sandbox, "refresh_token"), spent, "{action}");
        // The spent one would end the whole sign-in here.
        ends_in(&sandbox, 60);
        sandbox.commit("file", "two\n", "Two");
        let output = sandbox.run(["push", "--quiet"]);
        assert_eq!(output.status, 0, "{action}\n{output}");
        assert_eq!(sandbox.azure.microsoft().accepted("refresh_token"), 2, "{action}");
    }
}

#[test]
fn who_signs_out_or_in_anew_while_an_ended_sign_in_is_renewed_means_that() {
    let sandbox = kept_itself();
    ends_in(&sandbox, 60);
    sandbox.azure.microsoft().revoke_refresh_tokens();
    let child = begin(&sandbox, &["push", "--quiet"]);
    let token = sandbox.token("contoso");
    assert_eq!(tell_helper(&sandbox, "store", &token, "username=ada@contoso.com\n").status, 0);
    assert_eq!(field(&sandbox, "token"), token);
    end(child);
    assert_eq!(field(&sandbox, "token"), token);

    let sandbox = kept_itself();
    ends_in(&sandbox, 60);
    let child = begin(&sandbox, &["push", "--quiet"]);
    assert_eq!(sandbox.run(["logout", "contoso"]).status, 0);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(4));
    assert!(!sandbox.credentials().exists());
}
