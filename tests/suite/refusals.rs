//! What it comes to where the service, or somebody on the way, says no

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use double::{Answer, Double, Rule, Token};
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

const INFO_REFS: &str = "…/info/refs";
const RECEIVE_PACK: &str = "…/git-receive-pack";
const CONNECTION: &str = "…/_apis/connectionData";

/// How many of the requests carried a credential.
fn signed(sandbox: &Sandbox) -> usize {
    sandbox.azure.requests().iter().filter(|request| request.authorization.is_some()).count()
}

fn is_kept(sandbox: &Sandbox) -> bool {
    std::fs::read_to_string(sandbox.credentials()).is_ok_and(|kept| kept.contains("contoso"))
}

/// What a run said, without what the server says of each push.
fn said(output: &Output) -> String {
    let lines = output.stderr.lines();
    let own = lines.filter(|line| {
        !["remote: Analyzing objects", "remote: Storing "].iter().any(|it| line.starts_with(it))
    });
    format!("{}\n[{}]\n", own.collect::<Vec<_>>().join("\n"), output.status)
}

#[test]
fn a_token_that_git_and_rest_refuse_is_forgotten() {
    let sandbox = Sandbox::connected();
    let contoso = sandbox.contoso();
    for token in sandbox.azure.secrets() {
        contoso.revoke(&token);
    }
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the kept token for contoso is no longer accepted, so it was forgotten
  caused by: contoso did not accept the sign-in
hint: sign in with `git vsts login contoso`
[exit 4]

"#]]
        .raw()
    );
    assert_eq!(signed(&sandbox), 2, "{:?}", sandbox.requests());
    assert!(!is_kept(&sandbox));
    // There is nothing left to be refused.
    sandbox.azure.clear_requests();
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]

"#]]
        .raw()
    );
    assert!(sandbox.requests().is_empty());
}

#[test]
fn a_token_that_ends_during_the_push_is_asked_about_once_more() {
    let sandbox = Sandbox::connected();
    sandbox.azure.answer(Rule::new("POST", RECEIVE_PACK), Answer::status(401));
    sandbox.azure.answer(Rule::any(CONNECTION), Answer::expired_token());
    let output = sandbox.run(["push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the kept token for contoso is no longer accepted, so it was forgotten
  caused by: the token for contoso has expired: Access Denied: The Personal Access Token used has expired
hint: sign in with `git vsts login contoso`
[exit 4]

"#]].raw());
    assert_eq!(signed(&sandbox), 3);
    assert!(!is_kept(&sandbox));
}

#[test]
fn a_token_without_the_scope_is_kept_and_the_scope_named() {
    let sandbox = Sandbox::new();
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    let token = sandbox.contoso().token(Token::new().scopes("vso.code vso.project"));
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_eq!(output.status, 0, "{output}");
    sandbox.azure.clear_requests();
    let output = sandbox.run(["push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the token's scope does not allow this: "Code: read, write & manage" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
    assert_eq!(signed(&sandbox), 2);
    assert!(is_kept(&sandbox));
}

#[test]
fn a_refusal_that_can_t_be_settled_forgets_nothing() {
    let mut shown = String::new();
    let sandbox = Sandbox::connected();
    for answer in [
        Answer::throttled(3600),
        Answer::conditional_access(),
        Answer::status(503),
        Answer::reset(),
        Answer::json(200, &serde_json::json!({ "authenticatedUser": null })),
    ] {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::any(INFO_REFS), Answer::status(401));
        sandbox.azure.answer(Rule::any(CONNECTION), answer);
        shown.push_str(&said(&sandbox.run(["push"])));
        assert!(is_kept(&sandbox), "{shown}");
    }
    assert_data_eq!(
        shown,
        str![[r#"
error: azure refused git, and could not be asked why
  caused by: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 3600 s
[5]
error: azure refused git, and could not be asked why
  caused by: a policy forbids access from this network or device: The conditional access policy defined by your Microsoft Entra administrator has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[4]
error: azure refused git, and could not be asked why
  caused by: azure is unavailable (status 503)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
error: azure refused git, and could not be asked why
  caused by: the connection to azure was cut
hint: check the network, then run the same command again
[5]
error: azure refused git, and could not be asked why
  caused by: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[5]

"#]]
        .raw()
    );
}

#[test]
fn a_token_of_the_environment_is_refused_by_its_name() {
    let sandbox = Sandbox::connected();
    let stale = sandbox.token("contoso");
    sandbox.contoso().revoke(&stale);
    let mut shown = String::new();
    for name in ["GIT_VSTS_PAT", "AZURE_DEVOPS_EXT_PAT"] {
        sandbox.set(name, &stale);
        shown.push_str(&said(&sandbox.run(["push"])));
        sandbox.set(name, "");
    }
    sandbox.set("SYSTEM_COLLECTIONURI", &sandbox.url("contoso/"));
    sandbox.set("SYSTEM_ACCESSTOKEN", &stale);
    shown.push_str(&said(&sandbox.run(["push"])));
    assert!(is_kept(&sandbox));
    assert_data_eq!(
        shown,
        str![[r#"
error: contoso did not accept the sign-in
hint: the token is that of GIT_VSTS_PAT: set another, from https://azure/contoso/_usersSettings/tokens, or none
[4]
error: contoso did not accept the sign-in
hint: the token is that of AZURE_DEVOPS_EXT_PAT: set another, from https://azure/contoso/_usersSettings/tokens, or none
[4]
error: contoso did not accept the sign-in
hint: the token is that of SYSTEM_ACCESSTOKEN: set another, from https://azure/contoso/_usersSettings/tokens, or none
[4]

"#]]
        .raw()
    );
}

#[test]
fn each_refusal_at_git_is_told_in_plain_words() {
    let framed = "001f# service=git-receive-pack\n0000000000aaTF401027: You need the Git \
                  'GenericContribute' permission to perform this action. Details: identity \
                  'Build\\5c1', scope 'repository'.\nTF401027: You need the Git \
                  'GenericContribute' permission to perform this action.";
    let text = |status: u16, body: &str| {
        Answer::status(status).header("content-type", "text/plain; charset=utf-8").body(body)
    };
    let table = [
        ("403 in pkt-line framing", text(403, framed)),
        ("403 without a word", Answer::status(403)),
        ("403 of a policy", Answer::conditional_access()),
        (
            "403 of a policy, as a page",
            Answer::title("VS403463: The conditional access policy has failed."),
        ),
        ("203", Answer::sign_in_page()),
        ("200 with a page", Answer::html_page()),
        ("200 of another kind", text(200, "welcome")),
        (
            "302 to a sign-in page",
            Answer::redirect("https://spsprodweu1.vssps.visualstudio.com/_signin?realm=x"),
        ),
        ("404 with a page", Answer::html_page().with_status(404)),
        ("407", Answer::status(407)),
        ("413", Answer::status(413)),
        ("429 for an hour", Answer::throttled(3600)),
        ("503 for ten minutes", Answer::status(503).header("retry-after", "600")),
        ("503", Answer::status(503)),
        ("500", Answer::error(500, "X", "TF400898: An Internal Error Occurred.")),
        ("418", text(418, "I am a teapot")),
    ];
    let mut shown = String::new();
    let sandbox = Sandbox::connected();
    for path in [INFO_REFS, RECEIVE_PACK] {
        for (what, answer) in &table {
            sandbox.azure.clear_answers();
            sandbox.azure.answer(Rule::any(path), answer.clone());
            let output = sandbox.run(["push"]);
            shown.push_str(&format!("# {what} at {path}\n{}", said(&output)));
            // After the pack a breakdown of the server leaves it open what it did.
            let is_open = (*what, path) == ("500", RECEIVE_PACK);
            assert_eq!((output.stdout.is_empty(), is_kept(&sandbox)), (!is_open, true), "{shown}");
            let page = ["<", "doctype", "welcome"];
            assert!(!page.iter().any(|part| shown.contains(part)), "{shown}");
        }
    }
    assert_data_eq!(shown, str![[r##"
# 403 in pkt-line framing at …/info/refs
error: a permission is missing: You need the Git 'GenericContribute' permission to perform this action. Details: identity 'Build\5c1', scope 'repository' (TF401027)
hint: ask a project administrator for the permission "Contribute"
[4]
# 403 without a word at …/info/refs
error: a permission is missing
hint: ask a project administrator for the permission
[4]
# 403 of a policy at …/info/refs
error: a policy forbids access from this network or device: The conditional access policy defined by your Microsoft Entra administrator has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[4]
# 403 of a policy, as a page at …/info/refs
error: a policy forbids access from this network or device: The conditional access policy has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[4]
# 203 at …/info/refs
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 200 with a page at …/info/refs
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 200 of another kind at …/info/refs
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 302 to a sign-in page at …/info/refs
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 404 with a page at …/info/refs
error: contoso/shop/web is there, and git does not find it
  caused by: nothing is there (status 404): Azure DevOps Services | Sign In
[1]
# 407 at …/info/refs
error: the proxy wants a user name and a password
hint: put them into the proxy's address: `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`
[5]
# 413 at …/info/refs
error: azure takes no request as large as this
hint: push it in parts: `git push REMOTE COMMIT:BRANCH` for an older commit first
[1]
# 429 for an hour at …/info/refs
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 3600 s
[5]
# 503 for ten minutes at …/info/refs
error: azure is unavailable (status 503)
hint: try again in 600 s
[5]
# 503 at …/info/refs
error: azure is unavailable (status 503)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
# 500 at …/info/refs
error: azure is unavailable (status 500): An Internal Error Occurred (TF400898)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
# 418 at …/info/refs
error: azure answered with status 418: I am a teapot
[1]
# 403 in pkt-line framing at …/git-receive-pack
error: a permission is missing: You need the Git 'GenericContribute' permission to perform this action. Details: identity 'Build\5c1', scope 'repository' (TF401027)
hint: ask a project administrator for the permission "Contribute"
[4]
# 403 without a word at …/git-receive-pack
error: a permission is missing
hint: ask a project administrator for the permission
[4]
# 403 of a policy at …/git-receive-pack
error: a policy forbids access from this network or device: The conditional access policy defined by your Microsoft Entra administrator has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[4]
# 403 of a policy, as a page at …/git-receive-pack
error: a policy forbids access from this network or device: The conditional access policy has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[4]
# 203 at …/git-receive-pack
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 200 with a page at …/git-receive-pack
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 200 of another kind at …/git-receive-pack
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 302 to a sign-in page at …/git-receive-pack
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]
# 404 with a page at …/git-receive-pack
error: contoso/shop/web is there, and git does not find it
  caused by: nothing is there (status 404): Azure DevOps Services | Sign In
[1]
# 407 at …/git-receive-pack
error: the proxy wants a user name and a password
hint: put them into the proxy's address: `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`
[5]
# 413 at …/git-receive-pack
error: azure takes no request as large as this
hint: one commit alone is too large: keep its large files with Git LFS, https://git-lfs.com
[1]
# 429 for an hour at …/git-receive-pack
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 3600 s
[5]
# 503 for ten minutes at …/git-receive-pack
error: azure is unavailable (status 503)
hint: try again in 600 s
[5]
# 503 at …/git-receive-pack
error: azure is unavailable (status 503)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
# 500 at …/git-receive-pack
warning: the server did not say what became of the push (azure is unavailable (status 500): An Internal Error Occurred (TF400898)), so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
# 418 at …/git-receive-pack
error: azure answered with status 418: I am a teapot
[1]

"##]].raw());
}

#[test]
fn a_busy_service_is_waited_for_before_the_push_and_not_after_it() {
    let sandbox = Sandbox::connected();
    // No time passes: the service asks for none.
    sandbox.azure.answer(Rule::any(INFO_REFS).times(2), Answer::throttled(0));
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(sandbox.requests().len(), 4);

    sandbox.commit("file", "two\n", "Two");
    sandbox.azure.clear_requests();
    sandbox.azure.answer(Rule::any(INFO_REFS), Answer::throttled(0));
    let output = sandbox.run(["push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[exit 5]

"#]].raw());
    assert_eq!(sandbox.requests().len(), 3);

    sandbox.azure.clear_answers();
    sandbox.azure.clear_requests();
    sandbox.azure.answer(Rule::any(RECEIVE_PACK), Answer::throttled(0));
    let output = sandbox.run(["push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[exit 5]

"#]].raw());
    assert_eq!(sandbox.requests().len(), 2);
}

#[test]
fn each_refusal_at_rest_is_told_in_plain_words() {
    let evil = "http://evil.example/?token=x";
    let table = [
        ("401", Answer::status(401)),
        ("401, expired", Answer::expired_token()),
        (
            "401, reason in a header",
            Answer::service_error(
                "The organization prohibits access by global Personal Access Token (PAT) unless you are on an allowlist.",
            ),
        ),
        ("403", Answer::status(403)),
        ("403 of a policy", Answer::conditional_access()),
        ("203", Answer::sign_in_page()),
        ("200 with a page", Answer::html_page()),
        ("302", Answer::redirect(evil)),
        ("307", Answer::redirect(evil).with_status(307)),
        ("404 with a page", Answer::html_page().with_status(404)),
        ("429 for an hour", Answer::throttled(3600)),
        ("503", Answer::status(503)),
        ("JSON of another form", Answer::json(200, &serde_json::json!([1]))),
        ("JSON that is cut", Answer::json(200, &serde_json::json!({"name": "web"})).cut_after(5)),
        ("no answer", Answer::reset()),
    ];
    let mut shown = String::new();
    let sandbox = Sandbox::signed_in();
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    for (what, answer) in &table {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::any("…/_apis/git/repositories/web"), answer.clone());
        let output = sandbox.run(["remote-add", "origin", "contoso/shop/web"]);
        shown.push_str(&format!("# {what}\n{}", said(&output)));
        assert!(output.stdout.is_empty() && is_kept(&sandbox), "{shown}");
        assert!(!shown.contains('<') && !shown.contains("token=x"), "{shown}");
        assert_eq!(sandbox.git(["remote"]), "");
    }
    assert_data_eq!(shown, str![[r##"
# 401
error: the token's scope does not allow this: "Code: read" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[4]
# 401, expired
error: the token's scope does not allow this: "Code: read" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[4]
# 401, reason in a header
error: the token's scope does not allow this: "Code: read" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[4]
# 403
error: this account may not do this in contoso
hint: ask a project administrator for the permission
[4]
# 403 of a policy
error: a policy forbids access from this network or device: The conditional access policy defined by your Microsoft Entra administrator has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[4]
# 203
error: the token's scope does not allow this: "Code: read" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[4]
# 200 with a page
error: the token's scope does not allow this: "Code: read" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[4]
# 302
error: azure sends the request on to http://evil.example
hint: something on the way answered in its place: check the proxy and the address
[5]
# 307
error: azure sends the request on to http://evil.example
hint: something on the way answered in its place: check the proxy and the address
[5]
# 404 with a page
error: contoso/shop has no repository web, or this account can't see it
hint: check its spelling, or make it: the same command with `--create`
[1]
# 429 for an hour
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 3600 s
[5]
# 503
error: azure is unavailable (status 503)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
# JSON of another form
error: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[5]
# JSON that is cut
error: the connection to azure was cut
hint: check the network, then run the same command again
[5]
# no answer
error: the connection to azure was cut
hint: check the network, then run the same command again
[5]

"##]].raw());
}

/// A server that answers nobody, and counts who came.
fn listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    std::thread::spawn(move || {
        while listener.accept().is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, came)
}

#[test]
fn no_redirect_is_followed_by_git_or_rest() {
    let (other, came) = listener();
    let elsewhere = format!("{other}/contoso/shop/_git/web/info/refs?service=git-receive-pack");
    let mut shown = String::new();
    let sandbox = Sandbox::connected();
    for status in [301, 302, 303, 307, 308] {
        for path in [INFO_REFS, RECEIVE_PACK] {
            sandbox.azure.clear_answers();
            let answer = Answer::redirect(&elsewhere).with_status(status);
            sandbox.azure.answer(Rule::any(path), answer);
            let output = sandbox.run(["push"]);
            let text = output.to_string().replace(&other, "http://elsewhere");
            shown = format!("{text}{}", shown.replace(&text, ""));
            assert!(is_kept(&sandbox));
        }
        sandbox.azure.clear_answers();
        let answer = Answer::redirect(&elsewhere).with_status(status);
        sandbox.azure.answer(Rule::any("…/_apis/…"), answer);
        let output = sandbox.run(["remote-add", "again", "contoso/shop/web"]);
        assert_eq!(output.status, 5, "{output}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
    assert_data_eq!(
        shown,
        str![[r#"
--- stderr
error: azure sends the request on to http://elsewhere
hint: something on the way answered in its place: check the proxy and the address
[exit 5]

"#]]
        .raw()
    );
}

#[test]
fn a_redirect_to_another_service_shows_it_nothing() {
    let sandbox = Sandbox::connected();
    let other = Double::start();
    other.organization("contoso").person("eve@evil.example", "Eve").repository("shop", "web");
    let target = format!("{}/contoso/shop/_git/web/info/refs", other.url());
    sandbox.azure.answer(Rule::any(INFO_REFS), Answer::redirect(&target));
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 5, "{output}");
    assert!(other.requests().is_empty());
}

/// What a server may send to a terminal, and what is shown of it.
const NASTY: &str = "\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}31m\ra\u{8}b\u{202e}c\u{200b}d";
const SHOWN: &str = r"\x1b]0;x\x07\x1b[2J\x9b31m\ra\x08b\u{202e}c\u{200b}d";

fn band(number: u8, data: &[u8]) -> Vec<u8> {
    data.chunks(60_000)
        .flat_map(|part| {
            let mut line = format!("{:04x}", part.len() + 5).into_bytes();
            line.push(number);
            line.extend_from_slice(part);
            line
        })
        .collect()
}

fn line(text: &[u8]) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat()
}

fn report(progress: &[u8], lines: &[&[u8]]) -> Answer {
    let lines: Vec<u8> = lines.iter().flat_map(|text| line(text)).collect();
    let report = [&lines[..], b"0000"].concat();
    Answer::push_report(&[]).body([band(2, progress), band(1, &report), b"0000".to_vec()].concat())
}

#[track_caller]
fn is_plain(output: &Output) {
    let text = format!("{}{}", output.stdout, output.stderr);
    let bad = text.chars().find(|it| it.is_control() && *it != '\n');
    assert_eq!(bad, None, "{text:?}");
    assert!(!text.contains(['\u{202e}', '\u{200b}']), "{text:?}");
}

#[test]
fn what_the_server_says_of_a_push_is_shown_with_its_escapes_visible() {
    let sandbox = Sandbox::connected();
    // What stands before a carriage return is overwritten by git too: it is progress.
    let progress = format!("1%\r2%\r{}\nsecond\n", NASTY.replace('\r', "")).into_bytes();
    let refused = format!("ng refs/heads/main {NASTY}\n").into_bytes();
    let answer = report(&progress, &[b"unpack ok\n", &refused]);
    sandbox.azure.answer(Rule::any(RECEIVE_PACK).times(1), answer);
    let output = sandbox.run(["push"]);
    is_plain(&output);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: \x1b]0;x\x07\x1b[2J\x9b31ma\x08b\u{202e}c\u{200b}d
remote: second
error: contoso refused the push to main: \x1b]0;x\x07\x1b[2J\x9b31m\ra\x08b\u{202e}c\u{200b}d
[exit 3]

"#]]
        .raw()
    );
    assert_eq!(output.stderr.matches(SHOWN).count(), 1, "{output}");

    let unpack = format!("unpack {NASTY}\n").into_bytes();
    sandbox.azure.answer(Rule::any(RECEIVE_PACK).times(1), report(b"", &[&unpack]));
    let output = sandbox.run(["push", "--json"]);
    is_plain(&output);
    assert_eq!(output.stderr.matches(SHOWN).count(), 1, "{output}");
    assert_data_eq!(output.stdout, str![[r#"
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":"f56eff49ad9f3c63d884312fde8502704c5cfbff","status":"refused","reason":"\\x1b]0;x\\x07\\x1b[2J\\x9b31m\\ra\\x08b\\u{202e}c\\u{200b}d"}]}

"#]].raw());

    let fatal = band(3, NASTY.as_bytes());
    sandbox.azure.answer(Rule::any(RECEIVE_PACK).times(1), Answer::push_report(&[]).body(fatal));
    let output = sandbox.run(["push"]);
    is_plain(&output);
    assert_eq!(output.stderr.matches(SHOWN).count(), 1, "{output}");
}

#[test]
fn what_is_no_text_or_too_much_of_it_is_shown_in_bounds() {
    let sandbox = Sandbox::connected();
    let long = vec![b'x'; 1 << 20];
    let many = b"y\n".repeat(10_000);
    let progress = [&long[..], b"\n\xff\xfe\x00\n", &many].concat();
    let refused = [b"ng refs/heads/main \xff", &long[..60_000], b"\n"].concat();
    let answer = report(&progress, &[b"unpack ok\n", b"ok \xff\xfe\n", &refused]);
    sandbox.azure.answer(Rule::any(RECEIVE_PACK).times(1), answer);
    let output = sandbox.run(["push"]);
    is_plain(&output);
    assert_eq!(output.status, 3);
    assert!(output.stderr.lines().all(|line| line.chars().count() < 1_100), "a line is too long");
    assert!(output.stderr.len() < 1 << 20, "{} bytes", output.stderr.len());
    assert!(output.stderr.contains("remote: \u{fffd}\u{fffd}\\x00\n"));
}

#[test]
fn references_of_the_server_can_t_play_with_the_terminal() {
    let sandbox = Sandbox::connected();
    let id = "1".repeat(40);
    let first = format!("{id} refs/heads/{NASTY}\0 report-status side-band-64k delete-refs\n");
    let body = [
        line(b"# service=git-receive-pack\n"),
        b"0000".to_vec(),
        line(first.as_bytes()),
        line(format!("{id} refs/heads/\u{fffd}\n").as_bytes()),
        line(&[id.as_bytes(), b" refs/heads/\xff\xfe\n"].concat()),
        b"0000".to_vec(),
    ]
    .concat();
    let answer = Answer::status(200)
        .header("content-type", "application/x-git-receive-pack-advertisement")
        .body(body);
    sandbox.azure.answer(Rule::any(INFO_REFS), answer);
    let output = sandbox.run(["push", "--dry-run"]);
    is_plain(&output);
}

#[test]
fn what_rest_says_is_shown_with_its_escapes_visible() {
    let message = format!("TF400898: {NASTY}");
    let percent: String = NASTY.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let title = format!("<html><head><title>{NASTY}</title></head>");
    let page =
        |status| Answer::status(status).header("content-type", "text/html").body(title.clone());
    let mut shown = String::new();
    for answer in [
        Answer::error(500, "X", &message),
        Answer::error(400, NASTY, NASTY),
        Answer::status(401).header("x-tfs-serviceerror", &percent),
        page(503),
        Answer::status(500).header("content-type", "text/plain").body(NASTY),
        Answer::status(500).header("content-type", "text/plain").body(vec![0xff; 1 << 20]),
    ] {
        let sandbox = Sandbox::signed_in();
        sandbox.repository();
        sandbox.azure.answer(Rule::any("…/_apis/git/repositories/web"), answer.clone());
        let output = sandbox.run(["remote-add", "origin", "contoso/shop/web"]);
        is_plain(&output);
        assert!(output.stderr.len() < 2_000, "{output}");
        shown.push_str(&said(&output));
        // The same at git.
        let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
        sandbox.azure.answer(Rule::any(INFO_REFS), answer);
        is_plain(&sandbox.run(["push"]));
    }
    assert_data_eq!(shown, str![[r#"
error: azure is unavailable (status 500): \x1b]0;x\x07\x1b[2J\x9b31m\ra\x08b\u{202e}c\u{200b}d (TF400898)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
error: azure answered with status 400: \x1b]0;x\x07\x1b[2J\x9b31m\ra\x08b\u{202e}c\u{200b}d
[1]
error: the token's scope does not allow this: "Code: read" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[4]
error: azure is unavailable (status 503): \x1b]0;x\x07\x1b[2J\x9b31m a\x08b\u{202e}c\u{200b}d
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
error: azure is unavailable (status 500): \x1b]0;x\x07\x1b[2J\x9b31m\ra\x08b\u{202e}c\u{200b}d
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]
error: azure is unavailable (status 500): ���������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������������…
hint: try again in a minute; https://status.dev.azure.com says how the service is
[5]

"#]].raw());
}

#[test]
fn names_that_the_service_gives_are_read_as_names() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let url = format!("{}/contoso/{NASTY}/_git/{NASTY}", sandbox.azure.url());
    let answer = serde_json::json!({
        "id": "1", "name": NASTY, "remoteUrl": url, "webUrl": url, "defaultBranch": NASTY,
        "project": { "id": "2", "name": NASTY, "state": "wellFormed" },
    });
    sandbox.azure.answer(Rule::any("…/_apis/git/repositories/web"), Answer::json(200, &answer));
    let output = sandbox.run(["remote-add", "origin", "contoso/shop/web"]);
    is_plain(&output);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Added remote origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["remote", "get-url", "origin"]), sandbox.url("contoso/shop/_git/web"));
}

#[test]
fn an_answer_without_end_is_given_up_in_bounded_memory() {
    let head = "HTTP/1.1 200 OK\r\nx: ";
    let endless = format!("{head}{}", "x".repeat(4 << 20));
    let bomb = Answer::json(200, &serde_json::json!({}))
        .header("content-encoding", "gzip")
        .body(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    let mut shown = String::new();
    for answer in [Answer::raw(endless), bomb] {
        let sandbox = Sandbox::connected();
        sandbox.azure.answer(Rule::any("…"), answer);
        for arguments in [&["push"][..], &["remote-add", "again", "contoso/shop/web"]] {
            let output = sandbox.run(arguments);
            shown.push_str(&format!("$ git vsts {}\n{}", arguments.join(" "), said(&output)));
        }
    }
    assert_data_eq!(
        shown,
        str![[r#"
$ git vsts push
error: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[5]
$ git vsts remote-add again contoso/shop/web
error: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[5]
$ git vsts push
error: azure refused git, and could not be asked why
  caused by: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[5]
$ git vsts remote-add again contoso/shop/web
error: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[5]

"#]]
        .raw()
    );
}
