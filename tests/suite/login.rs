//! `git vsts login`

use double::{Answer, Rule, SignedOut, Token};
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

#[test]
fn a_token_from_stdin_is_proved_and_kept() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(
        sandbox.requests(),
        ["GET /contoso/_apis/connectionData?api-version=7.1-preview 200"]
    );
}

#[test]
fn a_refused_token_is_not_kept() {
    let sandbox = Sandbox::new();
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], "stale\n");
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]

"#]].raw());
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_token_is_asked_for_on_a_terminal() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let (shown, status) = sandbox
        .on_terminal(["login", "--pat"])
        .expect("Organization:")
        .answer("contoso")
        .expect("Token for contoso:")
        .answer(&format!("\u{1b}[200~{token}\u{1b}[201~"))
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Organization: contoso
A personal access token signs you in. In the browser, make one at
https://azure/contoso/_usersSettings/tokens
with the scope "Code: read, write & manage". It is shown there once:
copy it and paste it here, where nothing of it is shown.
? Token for contoso: ********
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig

"#]]
        .raw()
    );
    assert_eq!(status, 0);
}

#[test]
fn what_the_service_says_to_a_token_is_told_in_plain_words() {
    let table: Vec<(&str, Answer)> = vec![
        ("401 and nothing", Answer::status(401)),
        (
            "a redirect to the sign-in page",
            Answer::redirect(
                "https://spsprodweu1.vssps.visualstudio.com/_signin?realm=dev.azure.com",
            ),
        ),
        ("a redirect to somewhere else", Answer::redirect("http://portal.example/login?token=x")),
        ("203 and the sign-in page", Answer::sign_in_page()),
        ("200 and the sign-in page", Answer::html_page()),
        ("expired", Answer::expired_token()),
        (
            "not a member",
            Answer::error(
                401,
                "UnauthorizedRequestException",
                "TF400813: The user '5c1f' is not authorized to access this resource.",
            ),
        ),
        (
            "never seen",
            Answer::error(
                401,
                "UnauthorizedRequestException",
                "TF401444: Please sign-in at least once as 5c1f\\ada@contoso.com in a web browser to enable access to the service.",
            ),
        ),
        (
            "a global token, by the header alone",
            Answer::service_error(
                "The organization prohibits access by global Personal Access Tokens (PATs)",
            ),
        ),
        (
            "anonymous, by the header alone",
            Answer::service_error(
                "TF400813: Resource not available for anonymous access. Client authentication required.",
            ),
        ),
        (
            "a policy, by the title alone",
            Answer::title(
                "VS403463: The conditional access policy defined by your administrator has failed.",
            ),
        ),
        ("a policy, in JSON", Answer::conditional_access()),
        ("403 and nothing", Answer::status(403)),
        ("404 and JSON", Answer::error(404, "X", "Page not found.")),
        ("throttled", Answer::throttled(3600)),
        ("down", Answer::status(503)),
        (
            "an error of the service",
            Answer::error(500, "X", "TF24668: The following team project collection is stopped."),
        ),
        ("JSON cut short", Answer::json(200, &serde_json::json!({"authenticatedUser": 1}))),
        ("no JSON", Answer::status(200).header("content-type", "application/json").body("{")),
        ("the connection is reset", Answer::reset()),
        ("no HTTP", Answer::raw("hello\r\n\r\n")),
    ];
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let mut said = String::new();
    for (name, answer) in table {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::any("…"), answer);
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        said += &format!("== {name}\n{output}");
        assert!(!sandbox.credentials().exists(), "{output}");
    }
    assert_data_eq!(said, str![[r#"
== 401 and nothing
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== a redirect to the sign-in page
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== a redirect to somewhere else
--- stderr
error: azure sends the request on to http://portal.example
hint: something on the way answered in its place: check the proxy and the address
[exit 5]
== 203 and the sign-in page
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== 200 and the sign-in page
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== expired
--- stderr
error: the token for contoso has expired: Access Denied: The Personal Access Token used has expired
hint: make a new token at https://azure/contoso/_usersSettings/tokens
[exit 4]
== not a member
--- stderr
error: this account has no access to contoso: The user '5c1f' is not authorized to access this resource (TF400813)
hint: if the token is for another organization, make one at https://azure/contoso/_usersSettings/tokens, else ask to be added to contoso
[exit 4]
== never seen
--- stderr
error: this account was never used in contoso: Please sign-in at least once as 5c1f\ada@contoso.com in a web browser to enable access to the service (TF401444)
hint: open https://azure/contoso in a browser once, then try again
[exit 4]
== a global token, by the header alone
--- stderr
error: contoso forbids this kind of token: The organization prohibits access by global Personal Access Tokens (PATs)
hint: make a token for contoso alone: https://azure/contoso/_usersSettings/tokens
[exit 4]
== anonymous, by the header alone
--- stderr
error: contoso did not accept the sign-in: Resource not available for anonymous access. Client authentication required (TF400813)
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== a policy, by the title alone
--- stderr
error: a policy forbids access from this network or device: The conditional access policy defined by your administrator has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[exit 4]
== a policy, in JSON
--- stderr
error: a policy forbids access from this network or device: The conditional access policy defined by your Microsoft Entra administrator has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[exit 4]
== 403 and nothing
--- stderr
error: this account may not do this in contoso
hint: ask an administrator of contoso whether this account may use it
[exit 4]
== 404 and JSON
--- stderr
error: there is no organization contoso
hint: check its spelling: it is the part after https://dev.azure.com/ in the browser
[exit 1]
== throttled
--- stderr
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 3600 s
[exit 5]
== down
--- stderr
error: azure is unavailable (status 503)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[exit 5]
== an error of the service
--- stderr
error: azure is unavailable (status 500): The following team project collection is stopped (TF24668)
hint: try again in a minute; https://status.dev.azure.com says how the service is
[exit 5]
== JSON cut short
--- stderr
error: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[exit 5]
== no JSON
--- stderr
error: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[exit 5]
== the connection is reset
--- stderr
error: the connection to azure was cut
hint: check the network, then run the same command again
[exit 5]
== no HTTP
--- stderr
error: azure answered in a form that is not known
hint: something on the way may have answered in its place: check the proxy
[exit 5]

"#]].raw());
}

#[test]
fn what_the_double_itself_says_to_a_token() {
    let mut said = String::new();
    let mut tell = |name: &str, sandbox: &Sandbox, organization: &str, token: &str| {
        let output = sandbox.run_with_stdin(["login", organization, "--pat-stdin"], token);
        assert!(!sandbox.credentials().exists(), "{output}");
        said += &format!("== {name}\n{output}");
    };
    let sandbox = Sandbox::new();
    let contoso = sandbox.contoso();
    tell("expired", &sandbox, "contoso", &contoso.token(Token::new().expires_in_past()));
    let revoked = sandbox.token("contoso");
    contoso.revoke(&revoked);
    tell("revoked", &sandbox, "contoso", &revoked);
    sandbox.azure.organization("fabrikam").person("grace@fabrikam.com", "Grace Hopper");
    let elsewhere = sandbox.azure.organization("fabrikam").token(Token::new());
    tell("of another organization", &sandbox, "contoso", &elsewhere);
    tell("no such organization", &sandbox, "contosso", &sandbox.token("contoso"));
    for how in [SignedOut::Unauthorized, SignedOut::Redirect, SignedOut::NonAuthoritative] {
        contoso.signed_out(how);
        tell(&format!("{how:?}"), &sandbox, "contoso", "no-such-token");
    }
    assert_data_eq!(said, str![[r#"
== expired
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== revoked
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== of another organization
--- stderr
error: this account has no access to contoso: The user 'd5d970a4-6ae8-43e0-a4c3-6f18554019d0' is not authorized to access this resource (TF400813)
hint: if the token is for another organization, make one at https://azure/contoso/_usersSettings/tokens, else ask to be added to contoso
[exit 4]
== no such organization
--- stderr
error: there is no organization contosso
hint: check its spelling: it is the part after https://dev.azure.com/ in the browser
[exit 1]
== Unauthorized
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== Redirect
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]
== NonAuthoritative
--- stderr
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
[exit 4]

"#]].raw());
}

/// The `Authorization` of a token.
fn basic(token: &str) -> String {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!(":{token}"));
    format!("Basic {pair}")
}

#[test]
fn what_surrounds_a_piped_token_is_no_part_of_it() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    for stdin in [
        token.clone(),
        format!("{token}\r\n"),
        format!("\u{feff}{token}\r\n"),
        format!("\u{1b}[200~{token}\u{1b}[201~\n"),
        format!("  {token}\n\n"),
    ] {
        sandbox.azure.clear_requests();
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &stdin);
        assert_eq!(output.status, 0, "{output}");
        let requests = sandbox.azure.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].authorization, Some(basic(&token)), "{stdin:?}");
    }
}

#[test]
fn what_is_no_token_is_told_apart_and_sent_nowhere() {
    let sandbox = Sandbox::new();
    let mut said = String::new();
    for stdin in
        ["", " \r\n", "abc 123", "Basic OmFiYzEyMw==", "ada:abc123", "OmFiYzEyMw==", "'abc123'"]
    {
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], stdin);
        said += &format!("== {stdin:?}\n{output}");
    }
    assert_data_eq!(
        said,
        str![[r#"
== ""
--- stderr
error: stdin is empty
hint: the token comes from a file or a pipe: `git vsts login contoso --pat-stdin < FILE`
[exit 2]
== " \r\n"
--- stderr
error: the token is empty
hint: paste the token that the page shows once, when it is made
[exit 2]
== "abc 123"
--- stderr
error: the token has a blank in it, so it is more or less than a token
hint: paste the token alone, as the page shows it once, when it is made
[exit 2]
== "Basic OmFiYzEyMw=="
--- stderr
error: that is the value of an Authorization header, not the token in it
hint: paste the token alone, as the page shows it once, when it is made
[exit 2]
== "ada:abc123"
--- stderr
error: that is a user name and a password with a colon between, not a token alone
hint: paste the token alone, as the page shows it once, when it is made
[exit 2]
== "OmFiYzEyMw=="
--- stderr
error: that is the base64 form of `user:token`, not the token in it
hint: paste the token alone, as the page shows it once, when it is made
[exit 2]
== "'abc123'"
--- stderr
error: the token has quotes around it
hint: paste the token alone, as the page shows it once, when it is made
[exit 2]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
    assert!(!sandbox.credentials().exists());
}

#[test]
fn without_a_terminal_what_is_missing_is_named() {
    let sandbox = Sandbox::new();
    let mut said = String::new();
    for arguments in [&["login"][..], &["login", "contoso"], &["login", "contoso", "--pat"]] {
        said += &format!("== {}\n{}", arguments.join(" "), sandbox.run(arguments));
    }
    assert_data_eq!(
        said,
        str![[r#"
== login
--- stderr
error: there is no terminal to ask "Organization" on, and ORG is not given
hint: name it, `git vsts login contoso --pat-stdin < FILE`, or set `GIT_VSTS_ORG`
[exit 2]
== login contoso
--- stderr
error: nobody can be asked how to sign in, and none of --web, --device and --pat-stdin is given
hint: sign in with a Microsoft account: `git vsts login contoso --device` shows a code for any device, `--web` needs a browser on this computer
hint: or pipe a token in: `git vsts login contoso --pat-stdin < FILE`
hint: or set `GIT_VSTS_PAT` to it, which needs no sign-in
[exit 2]
== login contoso --pat
--- stderr
error: there is no terminal to ask "Token for contoso" on, and --pat-stdin is not given
hint: pipe the token in: `git vsts login contoso --pat-stdin < FILE`
hint: or set `GIT_VSTS_PAT` to it, which needs no sign-in
[exit 2]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn nobody_is_asked_who_wants_no_questions() {
    let mut said = String::new();
    for (variable, value, flag) in
        [("CI", "true", None), ("GIT_TERMINAL_PROMPT", "0", None), ("CI", "", Some("--no-input"))]
    {
        let sandbox = Sandbox::new();
        sandbox.set(variable, value);
        let (shown, status) =
            sandbox.on_terminal(["login", "contoso", "--pat"].into_iter().chain(flag)).end();
        said += &format!(
            "== {variable}={value} {}\n{shown}\n[exit {status}]\n",
            flag.unwrap_or_default()
        );
    }
    assert_data_eq!(
        said,
        str![[r#"
== CI=true 
error: "Token for contoso" may not be asked, and --pat-stdin is not given
hint: pipe the token in: `git vsts login contoso --pat-stdin < FILE`
hint: or set `GIT_VSTS_PAT` to it, which needs no sign-in
[exit 2]
== GIT_TERMINAL_PROMPT=0 
error: "Token for contoso" may not be asked, and --pat-stdin is not given
hint: pipe the token in: `git vsts login contoso --pat-stdin < FILE`
hint: or set `GIT_VSTS_PAT` to it, which needs no sign-in
[exit 2]
== CI= --no-input
error: "Token for contoso" may not be asked, and --pat-stdin is not given
hint: pipe the token in: `git vsts login contoso --pat-stdin < FILE`
hint: or set `GIT_VSTS_PAT` to it, which needs no sign-in
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_question_that_is_left_keeps_nothing() {
    let sandbox = Sandbox::new();
    let (shown, status) = sandbox
        .on_terminal(["login", "contoso", "--pat"])
        .expect("Token for contoso:")
        .press("\u{4}")
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
A personal access token signs you in. In the browser, make one at
https://azure/contoso/_usersSettings/tokens
with the scope "Code: read, write & manage". It is shown there once:
copy it and paste it here, where nothing of it is shown.
? Token for contoso: 
error: cancelled
"#]]
        .raw()
    );
    assert_eq!(status, 1);
    assert_eq!(sandbox.requests(), [""; 0]);
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_token_that_git_alone_takes_is_kept_and_that_is_said() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    sandbox.azure.answer(Rule::any("/contoso/_apis/…"), Answer::status(401));
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
warning: contoso takes this token for git alone: it can push, but `git vsts` can't look for or make repositories with it
Signed in to contoso; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]].raw());
    assert!(sandbox.credentials().exists());
}

#[test]
fn there_is_one_account_an_organization_whatever_its_spelling() {
    let sandbox = Sandbox::new();
    let first = sandbox.token("contoso");
    sandbox.contoso().person("grace@contoso.com", "Grace Hopper");
    let second = sandbox.contoso().token(Token::new().account("grace@contoso.com"));
    let mut said = String::new();
    for (organization, token) in
        [("contoso", &first), ("CONTOSO", &first), ("Contoso", &second), ("contoso", &first)]
    {
        said += &sandbox.run_with_stdin(["login", organization, "--pat-stdin"], token).to_string();
    }
    assert_data_eq!(
        said,
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]
--- stderr
Signed in to CONTOSO as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]
--- stderr
Signed in to Contoso as grace@contoso.com; kept the token in a file that only you can read
Replaced the sign-in of ada@contoso.com
git uses it too: set in /home/.gitconfig
[exit 0]
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
Replaced the sign-in of grace@contoso.com
[exit 0]

"#]]
        .raw()
    );
    let kept = std::fs::read_to_string(sandbox.credentials()).unwrap();
    assert_eq!(kept.matches("\"token\"").count(), 1, "{kept}");
    assert!(!kept.contains(&second));
}

#[test]
fn any_address_of_a_browser_names_the_organization() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    for address in [
        "contoso/",
        "contoso/shop",
        "contoso/shop/_git/web?path=/src/main.rs&version=GBmain",
        "contoso/shop/_git/web/pullrequest/7#1700",
        "contoso/_usersSettings/tokens",
        "contoso/My%20Project/_build?definitionId=12",
        "contoso/_git/web",
    ] {
        sandbox.azure.clear_requests();
        let address = sandbox.url(address);
        let output = sandbox.run_with_stdin(["login", &address, "--pat-stdin"], &token);
        assert_eq!(output.status, 0, "{address}\n{output}");
        assert_eq!(
            sandbox.requests(),
            ["GET /contoso/_apis/connectionData?api-version=7.1-preview 200"],
            "{address}"
        );
    }
}

#[test]
fn what_is_no_organization_is_refused_before_anything_is_asked() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(300);
    let mut said = String::new();
    for organization in [
        "",
        "con\u{1b}]0;x\u{7}toso",
        "con\ntoso",
        "-contoso",
        "..",
        "%2F",
        "con\u{202e}toso",
        "\u{1f389}",
        &long,
        "https://dev.azure.com.evil.example/contoso",
        "https://ada:hunter2@dev.azure.com/contoso",
    ] {
        let output = sandbox.run_with_stdin(["login", "--pat-stdin", "--", organization], "x");
        said += &output.to_string();
    }
    assert_data_eq!(said, str![[r#"
--- stderr
error: organization name `` is empty
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `con\x1b]0;x\x07toso` has a control character in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `con\ntoso` has a control character in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `-contoso` starts with `-`
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `..` has `.` in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `%2F` has `%` in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `con\u{202e}toso` has a control character in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `🎉` has `🎉` in it, which is a surrogate pair in UTF-16
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: organization name `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is longer than 50 characters
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: dev.azure.com.evil.example is not a host of Azure DevOps
[exit 2]
--- stderr
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
[exit 2]

"#]].raw());
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_token_on_the_command_line_is_refused_and_not_repeated() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let old = "a2".repeat(26);
    sandbox.secret(&old);
    sandbox.secret("hunter2hunter2");
    let url = format!("https://ada:{token}@dev.azure.com/contoso/shop/_git/web");
    let mut said = String::new();
    for (name, arguments) in [
        ("login contoso --pat TOKEN", vec!["login", "contoso", "--pat", &token]),
        ("login --pat TOKEN", vec!["login", "--pat", &old]),
        ("login contoso --pat=PASSWORD", vec!["login", "contoso", "--pat=hunter2hunter2"]),
        ("login contoso --pat PASSWORD", vec!["login", "contoso", "--pat", "hunter2hunter2"]),
        (
            "login contoso --pat-stdin=PASSWORD",
            vec!["login", "contoso", "--pat-stdin=hunter2hunter2"],
        ),
        ("login contoso --token=PASSWORD", vec!["login", "contoso", "--token=hunter2hunter2"]),
        ("-q login contoso PASSWORD", vec!["-q", "login", "contoso", "hunter2hunter2"]),
        ("push TOKEN", vec!["push", &token]),
        ("push URL", vec!["push", &url]),
        ("login URL", vec!["login", &url]),
    ] {
        said += &format!("== {name}\n{}", sandbox.run(arguments));
    }
    assert_data_eq!(said, str![[r#"
== login contoso --pat TOKEN
--- stderr
error: a token is never an argument: everybody on this computer can read it there
hint: revoke it, make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== login --pat TOKEN
--- stderr
error: a token is never an argument: everybody on this computer can read it there
hint: revoke it, make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== login contoso --pat=PASSWORD
--- stderr
error: a token is never an argument: everybody on this computer can read it there
hint: revoke it, make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== login contoso --pat PASSWORD
--- stderr
error: `git vsts login` takes one organization; what else was given may be a token, and is not repeated
hint: if it is one, revoke it and make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== login contoso --pat-stdin=PASSWORD
--- stderr
error: `git vsts login` takes one organization; what else was given may be a token, and is not repeated
hint: if it is one, revoke it and make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== login contoso --token=PASSWORD
--- stderr
error: unexpected argument '--token' found

  tip: a similar argument exists: '--tenant'

Usage: git vsts login --tenant <ID> <ORG>

For more information, try `-h`.
[exit 2]
== -q login contoso PASSWORD
--- stderr
error: `git vsts login` takes one organization; what else was given may be a token, and is not repeated
hint: if it is one, revoke it and make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== push TOKEN
--- stderr
error: a token is never an argument: everybody on this computer can read it there
hint: revoke it, make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== push URL
--- stderr
error: a token is never an argument: everybody on this computer can read it there
hint: revoke it, make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]
== login URL
--- stderr
error: a token is never an argument: everybody on this computer can read it there
hint: revoke it, make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`
[exit 2]

"#]].raw());
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn insecure_storage_is_remembered_in_the_users_own_configuration() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_STORE", "");
    // Without the flag there is a keychain or none, and never a file.
    sandbox.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let token = sandbox.token("contoso");
    let arguments = ["login", "contoso", "--pat-stdin", "--insecure-storage"];
    let output = sandbox.run_with_stdin(arguments, &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(sandbox.credentials().exists());
    assert_eq!(sandbox.git(["config", "--global", "vsts.store"]), "file");
    assert_eq!(sandbox.run(["status"]).status, 0);
}

#[test]
fn insecure_storage_says_where_the_environment_says_otherwise() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_STORE", "none");
    let token = sandbox.token("contoso");
    let arguments = ["login", "contoso", "--pat-stdin", "--insecure-storage"];
    let output = sandbox.run_with_stdin(arguments, &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
warning: GIT_VSTS_STORE is `none`, so the file is not looked at as long as it is
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_refused_token_does_not_change_the_store() {
    let sandbox = Sandbox::new();
    let arguments = ["login", "contoso", "--pat-stdin", "--insecure-storage"];
    assert_eq!(sandbox.run_with_stdin(arguments, "stale").status, 4);
    assert!(!sandbox.git(["config", "--global", "--list"]).contains("vsts"));
}

#[test]
fn the_store_none_keeps_nothing_and_says_so() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_STORE", "none");
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept nothing, since the store is `none`
[exit 0]

"#]]
        .raw()
    );
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_store_that_is_none_of_ours_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_STORE", "plain\u{1b}[2J");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], "x");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: GIT_VSTS_STORE is `plain\x1b[2J`, which is no store
hint: the stores are `keychain`, `file` and `none`
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_token_of_the_environment_that_wins_is_warned_of() {
    let mut said = String::new();
    for (variables, name) in [
        (vec![("GIT_VSTS_PAT", "another-token")], "GIT_VSTS_PAT"),
        (vec![("AZURE_DEVOPS_EXT_PAT", "another-token")], "AZURE_DEVOPS_EXT_PAT"),
        (vec![("GIT_VSTS_PAT", "$(MyToken)")], "$(…)"),
        (vec![("SYSTEM_ACCESSTOKEN", "another-token")], "SYSTEM_ACCESSTOKEN"),
        (
            vec![("SYSTEM_ACCESSTOKEN", "another-token"), ("SYSTEM_COLLECTIONURI", "/CONTOSO/")],
            "SYSTEM_ACCESSTOKEN here",
        ),
        (
            vec![("SYSTEM_ACCESSTOKEN", "another-token"), ("SYSTEM_COLLECTIONURI", "/fabrikam/")],
            "SYSTEM_ACCESSTOKEN elsewhere",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.secret("another-token");
        for (variable, value) in variables {
            let value = match variable {
                "SYSTEM_COLLECTIONURI" => format!("{}{value}", sandbox.azure.url()),
                _ => value.to_owned(),
            };
            sandbox.set(variable, &value);
        }
        let token = sandbox.token("contoso");
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        said += &format!("== {name}\n{output}");
    }
    assert_data_eq!(
        said,
        str![[r#"
== GIT_VSTS_PAT
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
warning: GIT_VSTS_PAT is set, and is used instead of what was kept as long as it is
[exit 0]
== AZURE_DEVOPS_EXT_PAT
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
warning: AZURE_DEVOPS_EXT_PAT is set, and is used instead of what was kept as long as it is
[exit 0]
== $(…)
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
warning: GIT_VSTS_PAT holds `$(…)`, which the pipeline did not replace
[exit 0]
== SYSTEM_ACCESSTOKEN
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]
== SYSTEM_ACCESSTOKEN here
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
warning: SYSTEM_ACCESSTOKEN is set, and is used instead of what was kept as long as it is
[exit 0]
== SYSTEM_ACCESSTOKEN elsewhere
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn every_override_is_named() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_SPS_URL", "http://127.0.0.1:1/sps");
    sandbox.set("GIT_VSTS_LOGIN_URL", "https://login.example");
    sandbox.set("GIT_VSTS_CLIENT_ID", "a\u{1b}[2Jb");
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
warning: GIT_VSTS_SPS_URL is in force: http://127.0.0.1:1/sps
warning: GIT_VSTS_LOGIN_URL is in force: https://login.example
warning: GIT_VSTS_CLIENT_ID is in force: a\x1b[2Jb
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn an_override_is_https_or_on_loopback() {
    let sandbox = Sandbox::new();
    let mut said = String::new();
    for variable in ["GIT_VSTS_AZURE_URL", "GIT_VSTS_SPS_URL", "GIT_VSTS_LOGIN_URL"] {
        for value in [
            "http://azure.example",
            "http://127.0.0.1.example",
            "http://ada:hunter2@127.0.0.1",
            "file:///etc",
            "x",
        ] {
            sandbox.set(variable, value);
            let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], "x");
            assert_eq!(output.status, 2, "{output}");
            assert_eq!(sandbox.requests(), [""; 0]);
            said += &output.stderr;
        }
        let before = if variable == "GIT_VSTS_AZURE_URL" { sandbox.azure.url() } else { "" };
        sandbox.set(variable, before);
    }
    assert_data_eq!(
        said,
        str![[r#"
error: GIT_VSTS_AZURE_URL can't be used
  caused by: `http://azure.example` can't stand for Azure DevOps: http is only for loopback
error: GIT_VSTS_AZURE_URL can't be used
  caused by: `http://127.0.0.1.example` can't stand for Azure DevOps: http is only for loopback
error: GIT_VSTS_AZURE_URL can't be used
  caused by: the URL for 127.0.0.1 holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
error: GIT_VSTS_AZURE_URL can't be used
  caused by: `file:///etc` can't stand for Azure DevOps: it is not a plain URL
error: GIT_VSTS_AZURE_URL can't be used
  caused by: `x` can't stand for Azure DevOps: it is not a plain URL
error: GIT_VSTS_SPS_URL can't be used
  caused by: `http://azure.example` can't stand for Azure DevOps: http is only for loopback
error: GIT_VSTS_SPS_URL can't be used
  caused by: `http://127.0.0.1.example` can't stand for Azure DevOps: http is only for loopback
error: GIT_VSTS_SPS_URL can't be used
  caused by: the URL for 127.0.0.1 holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
error: GIT_VSTS_SPS_URL can't be used
  caused by: `file:///etc` can't stand for Azure DevOps: it is not a plain URL
error: GIT_VSTS_SPS_URL can't be used
  caused by: `x` can't stand for Azure DevOps: it is not a plain URL
error: GIT_VSTS_LOGIN_URL can't be used
  caused by: `http://azure.example` can't stand for Azure DevOps: http is only for loopback
error: GIT_VSTS_LOGIN_URL can't be used
  caused by: `http://127.0.0.1.example` can't stand for Azure DevOps: http is only for loopback
error: GIT_VSTS_LOGIN_URL can't be used
  caused by: the URL for 127.0.0.1 holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
error: GIT_VSTS_LOGIN_URL can't be used
  caused by: `file:///etc` can't stand for Azure DevOps: it is not a plain URL
error: GIT_VSTS_LOGIN_URL can't be used
  caused by: `x` can't stand for Azure DevOps: it is not a plain URL

"#]]
        .raw()
    );
}

#[test]
fn a_network_that_is_down_is_no_refusal() {
    let mut said = String::new();
    let label = "x".repeat(64);
    for url in ["http://127.0.0.1:9".to_owned(), format!("https://{label}.example")] {
        let sandbox = Sandbox::new();
        sandbox.set("GIT_VSTS_AZURE_URL", &url);
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], "some-token");
        said += &output.to_string();
        assert!(!sandbox.credentials().exists());
    }
    assert_data_eq!(said, str![[r#"
--- stderr
warning: GIT_VSTS_AZURE_URL is in force: http://127.0.0.1:9
error: 127.0.0.1:9 refused the connection
hint: check the network, then run the same command again
[exit 5]
--- stderr
warning: GIT_VSTS_AZURE_URL is in force: https://xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.example
error: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.example can't be reached: invalid dns name
hint: check the network, then run the same command again
[exit 5]

"#]].raw());
}

#[test]
fn a_throttled_sign_in_is_tried_again() {
    for answer in [Answer::throttled(0), Answer::status(503).header("retry-after", "0")] {
        let sandbox = Sandbox::new();
        let token = sandbox.token("contoso");
        sandbox.azure.answer(Rule::any("…").times(2), answer);
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        assert_eq!(output.status, 0, "{output}");
        assert_eq!(sandbox.requests().len(), 3);
    }
}

#[test]
fn an_account_is_shown_without_letting_it_act() {
    let sandbox = Sandbox::new();
    let account = "ada\u{1b}]0;x\u{7}\u{202e}@contoso.com";
    sandbox.contoso().person(account, "Ada");
    let token = sandbox.contoso().token(Token::new().account(account));
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Signed in to contoso as ada\x1b]0;x\x07\u{202e}@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]].raw());
}

#[test]
fn a_record_that_is_damaged_is_replaced() {
    let sandbox = Sandbox::signed_in();
    let kept = std::fs::read_to_string(sandbox.credentials()).unwrap();
    std::fs::write(sandbox.credentials(), kept.replace("\"pat\"", "\"pet\"")).unwrap();
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_eq!(output.status, 0, "{output}");
    assert!(std::fs::read_to_string(sandbox.credentials()).unwrap().contains(&token));
    assert_eq!(sandbox.run(["status"]).status, 0);
}

#[test]
fn a_name_that_is_no_organization_is_asked_again() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let address = sandbox.url("contoso/shop");
    let (shown, status) = sandbox
        .on_terminal(["login", "--pat"])
        .expect("Organization:")
        .answer("my org")
        .expect("Organization:")
        .answer("https://github.com/contoso")
        .expect("Organization:")
        .answer(&address)
        .expect("Token for contoso:")
        .answer(&token)
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Organization: my org
  organization name `my org` has a blank in it
? Organization: https://github.com/contoso
  github.com is not a host of Azure DevOps
? Organization: https://azure/contoso/shop
A personal access token signs you in. In the browser, make one at
https://azure/contoso/_usersSettings/tokens
with the scope "Code: read, write & manage". It is shown there once:
copy it and paste it here, where nothing of it is shown.
? Token for contoso: ********
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig

"#]]
        .raw()
    );
    assert_eq!(status, 0);
}

#[cfg(unix)]
#[test]
fn git_askpass_asks_where_there_is_no_terminal_and_nothing_forbids_it() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_ASKPASS", "printenv");
    sandbox.set("Token for contoso: ", &sandbox.token("contoso"));
    let output = sandbox.run(["login", "contoso"]);
    assert_eq!(output.status, 0, "{output}");
    let output = sandbox.run(["login", "contoso", "--no-input"]);
    assert_eq!(output.status, 2, "{output}");
    sandbox.set("GIT_ASKPASS", "false");
    let output = sandbox.run(["login", "contoso"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: GIT_ASKPASS ended without an answer (exit status: 1)
hint: pipe the token in, `git vsts login contoso --pat-stdin < FILE`, or set `GIT_VSTS_PAT`
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_variable_that_holds_no_token_is_named() {
    let sandbox = Sandbox::new();
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    for (value, status) in [("\"quoted\"", 2), ("Basic abc", 2), ("a b", 2), (" ", 4)] {
        sandbox.set("GIT_VSTS_PAT", value);
        let output = sandbox.run(["remote-add", "contoso/shop/web"]);
        assert_eq!(output.status, status, "{output}");
    }
    sandbox.set("GIT_VSTS_PAT", "\"quoted\"");
    let output = sandbox.run(["remote-add", "contoso/shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: GIT_VSTS_PAT holds no token
  caused by: the token has quotes around it
hint: paste the token alone, as the page shows it once, when it is made
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_record_of_another_organization_is_not_used() {
    let sandbox = Sandbox::signed_in();
    sandbox.azure.organization("fabrikam").project("shop").repository("shop", "web");
    let kept = std::fs::read_to_string(sandbox.credentials()).unwrap();
    let key = sandbox.url("contoso").to_lowercase();
    let planted =
        kept.replace(&format!("\"{key}\":"), &format!("\"{}\":", sandbox.url("fabrikam")));
    assert_ne!(planted, kept);
    std::fs::write(sandbox.credentials(), planted).unwrap();
    sandbox.repository();
    let output = sandbox.run(["remote-add", "fabrikam/shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the sign-in to fabrikam can't be used
  caused by: the record in the store can't be read
hint: sign in again, which replaces it: `git vsts login fabrikam`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), Vec::<String>::new());
}

#[test]
fn a_token_that_is_mistyped_is_asked_for_again_three_times_in_all() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let (shown, status) = sandbox
        .on_terminal(["login", "contoso", "--pat"])
        .expect("Token for contoso:")
        .answer("mistyped")
        .expect("hint:")
        .expect("Token for contoso:")
        .answer("two words")
        .expect("hint:")
        .expect("Token for contoso:")
        .answer(&token)
        .end();
    assert_data_eq!(shown, str![[r#"
A personal access token signs you in. In the browser, make one at
https://azure/contoso/_usersSettings/tokens
with the scope "Code: read, write & manage". It is shown there once:
copy it and paste it here, where nothing of it is shown.
? Token for contoso: ********
error: contoso did not accept the sign-in
hint: it may be mistyped, expired, revoked, or for another organization: make a new one at https://azure/contoso/_usersSettings/tokens
? Token for contoso: ********
error: the token has a blank in it, so it is more or less than a token
hint: paste the token alone, as the page shows it once, when it is made
? Token for contoso: ********
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig

"#]].raw());
    assert_eq!(status, 0);

    let (shown, status) = Sandbox::new()
        .on_terminal(["login", "contoso", "--pat"])
        .expect("Token for contoso:")
        .answer("one")
        .expect("hint:")
        .expect("Token for contoso:")
        .answer("two")
        .expect("hint:")
        .expect("Token for contoso:")
        .answer("three")
        .end();
    assert_eq!(shown.matches("did not accept").count(), 3, "{shown}");
    assert_eq!(status, 4);
}

#[test]
fn a_token_that_was_made_and_is_replaced_is_revoked_or_it_is_said_where_it_lives() {
    let sandbox = Sandbox::new();
    sandbox.contoso().person("eve@contoso.com", "Eve");
    let web = |account: &str| {
        let browser = sandbox.browser(account);
        let output = sandbox.run(["login", "contoso", "--web"]);
        browser.join().unwrap();
        output.to_string()
    };
    let deletions = || sandbox.requests().iter().filter(|it| it.starts_with("DELETE ")).count();
    let _ = web("ada@contoso.com");
    // Nobody but Ada can revoke it.
    assert_data_eq!(web("eve@contoso.com"), str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as eve@contoso.com; kept a token in a file that only you can read until DATE
Replaced the sign-in of ada@contoso.com
warning: the token that was made for ada@contoso.com goes on being valid until DATE; revoke it at https://azure/contoso/_usersSettings/tokens
[exit 0]

"#]].raw());
    assert_eq!(deletions(), 0);
    let _ = web("eve@contoso.com");
    assert_eq!(deletions(), 1);
    let token = sandbox.token("contoso");
    let paste = |token: &str| {
        sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], token).to_string()
    };
    assert_data_eq!(paste(&token), str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
Replaced the sign-in of eve@contoso.com
warning: the token that was made for eve@contoso.com goes on being valid until DATE; revoke it at https://azure/contoso/_usersSettings/tokens
[exit 0]

"#]].raw());
    let made = sandbox.contoso().tokens_made();
    let revoked: Vec<_> = made.iter().map(|token| (&*token.account, token.revoked)).collect();
    assert_eq!(
        revoked,
        [("ada@contoso.com", false), ("eve@contoso.com", true), ("eve@contoso.com", false)]
    );
    // What was pasted is nobody's to revoke here.
    assert_data_eq!(web("ada@contoso.com"), str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
[exit 0]

"#]].raw());
    // What was made and is pasted again is known still.
    let made = sandbox.contoso().tokens_made().pop().unwrap();
    assert_data_eq!(
        paste(&made.secret),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
[exit 0]

"#]]
        .raw()
    );
    assert!(std::fs::read_to_string(sandbox.credentials()).unwrap().contains(&made.id));
    // And git may replace it.
    let host = sandbox.azure.url().trim_start_matches("http://").to_owned();
    let approved = format!(
        "protocol=http\nhost={host}\npath=contoso/shop/_git/web\nusername=ada@contoso.com\npassword={token}\n\n"
    );
    let said = sandbox.run_with_stdin(["credential", "store"], &approved).to_string();
    assert_data_eq!(said, str![[r#"
--- stderr
warning: the token that was made for ada@contoso.com goes on being valid until DATE; revoke it at https://azure/contoso/_usersSettings/tokens
[exit 0]

"#]].raw());
}
