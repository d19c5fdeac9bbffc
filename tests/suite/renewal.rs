//! How a Microsoft sign-in renews itself, and what becomes of it where it can't.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use double::{Answer, Rule, Step};
use jiff::{SignedDuration, Timestamp};
use snapbox::{IntoData as _, assert_data_eq, str};

use crate::microsoft::{ADA, kept_itself};
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

/// What the helper answers.
fn get(sandbox: &Sandbox) -> Output {
    let host = sandbox.azure.url().trim_start_matches("http://").to_owned();
    let asked = format!("protocol=http\nhost={host}\npath=contoso/shop/_git/web\n\n");
    sandbox.run_with_stdin(["credential", "get"], &asked)
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

#[test]
fn the_helper_says_in_one_line_why_it_has_nothing_to_say() {
    for (code, expected) in [
        (
            Some(700_082),
            str![[r#"
--- stderr
warning: the sign-in to contoso has ended: Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS700082); sign in again: `git vsts login contoso`
[exit 0]

"#]],
        ),
        (
            Some(53003),
            str![[r#"
--- stderr
warning: git vsts can't tell git what is kept: the sign-in to contoso could not be renewed: Microsoft refused the sign-in: a policy of the organization (conditional access) forbids it (AADSTS53003)
[exit 0]

"#]],
        ),
        // Microsoft can't be reached.
        (
            None,
            str![[r#"
--- stderr
warning: git vsts can't tell git what is kept: the sign-in to contoso could not be renewed: the connection to azure was cut
[exit 0]

"#]],
        ),
    ] {
        let sandbox = kept_itself();
        ends_in(&sandbox, -60);
        match code {
            Some(code) => drop(sandbox.azure.microsoft().refuse(Step::Renewal, code)),
            None => sandbox.azure.answer(Rule::any("…/oauth2/v2.0/token"), Answer::reset()),
        }
        assert_data_eq!(get(&sandbox).to_string(), expected.raw());
    }
}

#[test]
fn what_has_ended_by_the_clock_here_is_tried_where_it_can_not_be_renewed() {
    let sandbox = kept_itself();
    sandbox.contoso().repository("shop", "api");
    // Nobody at the service has ended it.
    ends_in(&sandbox, -60);
    for trouble in [Some(53003), None] {
        match trouble {
            Some(code) => drop(sandbox.azure.microsoft().refuse(Step::Renewal, code)),
            None => sandbox.azure.answer(Rule::any("…/oauth2/v2.0/token"), Answer::reset()),
        }
        for arguments in [&["push", "-q"][..], &["remote-add", "api", "contoso/shop/api", "-q"]] {
            let output = sandbox.run(arguments);
            assert_eq!((output.status, &*output.stderr), (0, ""), "{trouble:?}\n{output}");
        }
        let json = sandbox.run(["status", "--json"]).json();
        assert_eq!(json["logins"][0]["valid"], serde_json::json!(true), "{trouble:?}");
    }
    // Once a run, not at each question.
    sandbox.azure.clear_requests();
    assert_eq!(sandbox.run(["init", "contoso/shop/api", "--remote", "api"]).status, 0);
    let renewals = sandbox.requests().iter().filter(|it| it.contains("/oauth2/")).count();
    assert_eq!(renewals, 1);
    assert_eq!(sandbox.azure.microsoft().accepted("refresh_token"), 0);
}

#[test]
fn a_sign_in_that_a_policy_keeps_from_being_renewed_is_shown() {
    let sandbox = kept_itself();
    ends_in(&sandbox, -60);
    sandbox.azure.microsoft().expire_access_tokens().refuse(Step::Renewal, 53003);
    assert_data_eq!(sandbox.run(["push"]).to_string(), str![[r#"
--- stderr
error: the sign-in to contoso could not be renewed
  caused by: Microsoft refused the sign-in: a policy of the organization (conditional access) forbids it (AADSTS53003)
hint: use the network or the device that your administrator allows, such as the company's VPN
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
    // Now the token that was refused is gone as well.
    assert_data_eq!(sandbox.run(["status"]).to_string(), str![[r#"
--- stdout
contoso: not signed in; the Microsoft sign-in in a file is not accepted
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: the sign-in to contoso could not be renewed
  caused by: Microsoft refused the sign-in: a policy of the organization (conditional access) forbids it (AADSTS53003)
hint: use the network or the device that your administrator allows, such as the company's VPN
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
    assert_data_eq!(sandbox.run(["status", "--json"]).to_string(), str![[r#"
--- stdout
{"version":"0.1.0","logins":[{"organization":"contoso","url":"https://azure/contoso","account":"ada@contoso.com","kind":"entra","source":"file","expires":null,"valid":false}],"repository":{"directory":"/work","branch":"main","remotes":[{"name":"origin","url":"https://azure/contoso/shop/_git/web","organization":"contoso","organizationUrl":"https://azure/contoso","project":"shop","repository":"web","protocol":"https"}]}}
--- stderr
error: the sign-in to contoso could not be renewed
  caused by: Microsoft refused the sign-in: a policy of the organization (conditional access) forbids it (AADSTS53003)
hint: use the network or the device that your administrator allows, such as the company's VPN
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
    sandbox.azure.microsoft().permit();
    sandbox.azure.answer(Rule::any("…/oauth2/v2.0/token"), Answer::reset());
    assert_data_eq!(sandbox.run(["status"]).to_string(), str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the Microsoft sign-in in a file, but that could not be checked
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: the sign-in to contoso could not be renewed
  caused by: the connection to azure was cut
hint: check the network, then run the same command again
[exit 5]

"#]].raw());
}

#[test]
fn on_a_terminal_every_command_signs_in_again_where_the_sign_in_has_ended() {
    let sandbox = kept_itself();
    sandbox.set("GIT_TERMINAL_PROMPT", "");
    let _ = sandbox.git(["config", "--global", "vsts.credential", "entra"]);
    sandbox.contoso().repository("shop", "api");
    let mut said = String::new();
    for arguments in [
        &["push"][..],
        &["remote-add", "api", "contoso/shop/api"],
        &["init", "contoso/shop/api", "--remote", "api"],
        &["clone", "contoso/shop/api"],
    ] {
        sandbox.azure.microsoft().expire_access_tokens().revoke_refresh_tokens();
        let browser = sandbox.browser(ADA);
        let (shown, status) = sandbox.on_terminal(arguments).end();
        assert_eq!(status, 0, "{arguments:?}\n{shown}");
        browser.join().unwrap();
        said += &format!("$ {}\n{shown}\n", arguments.join(" "));
    }
    assert_data_eq!(said, str![[r#"
$ push
warning: the sign-in to contoso has ended
  caused by: Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS50173)
hint: sign in again: `git vsts login contoso`
error: contoso did not accept the sign-in: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource (TF400813)
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept the sign-in, which renews itself, in a file that only you can read
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
https://azure/contoso/shop/_git/web
$ remote-add api contoso/shop/api
warning: the sign-in to contoso has ended
  caused by: Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS50173)
hint: sign in again: `git vsts login contoso`
error: contoso did not accept the sign-in: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource (TF400813)
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept the sign-in, which renews itself, in a file that only you can read
Added remote api: https://azure/contoso/shop/_git/api
https://azure/contoso/shop/_git/api
$ init contoso/shop/api --remote api
warning: the sign-in to contoso has ended
  caused by: Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS50173)
hint: sign in again: `git vsts login contoso`
error: contoso did not accept the sign-in: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource (TF400813)
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept the sign-in, which renews itself, in a file that only you can read
Remote api is there already: https://azure/contoso/shop/_git/api
Nothing is there yet: `git vsts push` sends what is here
https://azure/contoso/shop/_git/api
$ clone contoso/shop/api
warning: the sign-in to contoso has ended
  caused by: Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS50173)
hint: sign in again: `git vsts login contoso`
error: contoso did not accept the sign-in: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource (TF400813)
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept the sign-in, which renews itself, in a file that only you can read
Cloning into 'api'...
warning: You appear to have cloned an empty repository.

"#]].raw());
}

#[test]
fn on_a_terminal_another_sign_in_takes_the_place_of_a_token_that_is_refused() {
    let sandbox = Sandbox::connected();
    let token = field(&sandbox, "token");
    sandbox.contoso().revoke(&token);
    sandbox.contoso().repository("shop", "api");
    let _browser = sandbox.browser(ADA);
    let (shown, status) = sandbox.on_terminal(["remote-add", "api", "contoso/shop/api"]).end();
    assert_data_eq!(shown, str![[r#"
error: contoso did not accept the sign-in
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
Added remote api: https://azure/contoso/shop/_git/api
https://azure/contoso/shop/_git/api
"#]].raw());
    assert_eq!(status, 0);
}

/// Starts twenty pushes, each of a branch of its own, and gives the renewals that came of it.
fn push_twenty(sandbox: &Sandbox) -> usize {
    let before = sandbox.azure.microsoft().accepted("refresh_token");
    let children: Vec<_> = (0..20)
        .map(|number| {
            let branch = format!("HEAD:refs/heads/{before}/{number}");
            let program = sandbox.program();
            let arguments = ["push", "origin", &branch, "--no-set-upstream"];
            let mut command = sandbox.command(&program, arguments, &sandbox.work());
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    children.into_iter().for_each(end);
    sandbox.azure.microsoft().accepted("refresh_token") - before
}

#[test]
fn twenty_pushes_at_once_renew_a_sign_in_that_rotates_once() {
    let sandbox = kept_itself();
    sandbox.azure.microsoft().rotates();
    ends_in(&sandbox, 60);
    assert_eq!(push_twenty(&sandbox), 1);
    sandbox.azure.microsoft().expire_access_tokens();
    assert_eq!(push_twenty(&sandbox), 1);
    ends_in(&sandbox, 60);
    assert_eq!(sandbox.run(["push", "-q"]).status, 0);
}
