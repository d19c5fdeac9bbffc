//! A sign-in with a Microsoft account where something goes wrong: nobody to ask, an answer that is lost, a browser that is
//! none, two at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use double::{Answer, Request, Rule};
use snapbox::{IntoData as _, assert_data_eq, str};

use crate::sandbox::{Output, Sandbox, write_program};

const ADA: &str = "ada@contoso.com";

/// Signs in by a code that is used at once.
fn device(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let microsoft = sandbox.azure.microsoft();
    microsoft.next_user_code("ABCD-EFGH").approves_after(0, ADA).poll_interval(Some(1));
    sandbox.run([&["login", "contoso", "--device"], arguments].concat())
}

/// Whether each token that was made is revoked.
fn revoked(sandbox: &Sandbox) -> Vec<bool> {
    sandbox.contoso().tokens_made().iter().map(|token| token.revoked).collect()
}

#[test]
fn where_nobody_can_be_asked_no_sign_in_begins_by_itself() {
    let flagless: [&[&str]; 4] =
        [&[], &["--expires", "7"], &["--credential", "entra"], &["--tenant", "contoso.com"]];
    let sandbox = Sandbox::new();
    sandbox.set("DISPLAY", ":0");
    for arguments in flagless {
        let output = sandbox.run([&["login", "contoso"], arguments].concat());
        assert_eq!(output.status, 2, "{output}");
    }
    assert_data_eq!(
        sandbox.run(["login", "contoso", "--expires", "7"]).to_string(),
        str![[r#"
--- stderr
error: nobody can be asked how to sign in, and neither --web nor --device is given
hint: add `--device`, which shows a code for any device, or `--web` where this computer has a browser
[exit 2]

"#]].raw()
    );
    // On a terminal as well, where it is forbidden to ask.
    for (variable, value, flag) in
        [("CI", "1", None), ("GIT_TERMINAL_PROMPT", "0", None), ("CI", "", Some("--no-input"))]
    {
        sandbox.set(variable, value);
        for arguments in flagless {
            let arguments = ["login", "contoso"].iter().chain(arguments).copied().chain(flag);
            let (said, status) = sandbox.on_terminal(arguments).end();
            assert_eq!(status, 2, "{said}");
            assert!(said.contains("--device"), "{said}");
        }
        sandbox.set(variable, "");
    }
    assert_eq!(sandbox.requests(), [""; 0]);
    // Named by its flag it works without a terminal and with nobody to ask.
    sandbox.set("CI", "1");
    let output = device(&sandbox, &["--expires", "7"]);
    assert_eq!(output.status, 0, "{output}");
}

#[test]
fn a_setting_that_can_not_be_used_is_told_before_anybody_signs_in() {
    let sandbox = Sandbox::new();
    let _ = sandbox.git([
        "config",
        "--global",
        &format!("http.{}/contoso.sslVerify", sandbox.azure.url()),
        "false",
    ]);
    let output = device(&sandbox, &["--tenant", "contoso.com"]);
    assert_eq!(output.status, 2, "{output}");
    assert!(output.stderr.contains("sslVerify"), "{output}");
    assert_eq!(sandbox.requests(), [""; 0]);
}

/// The organization's next answer to somebody who is signed in names them so.
fn is_called(sandbox: &Sandbox, name: &str) {
    let user = serde_json::json!({"id": "7247af8f-2ba3-446f-afe4-e96a8b55b714",
        "properties": {"Account": {"$type": "System.String", "$value": name}}});
    let rule = Rule::new("GET", "/contoso/_apis/connectionData").after(1).times(1);
    let answer = Answer::json(200, &serde_json::json!({ "authenticatedUser": user }));
    sandbox.azure.answer(rule, answer);
}

#[test]
fn a_guest_revokes_a_token_though_the_organization_has_another_name_for_the_account() {
    let sandbox = Sandbox::new();
    for name in ["ada_contoso.com#EXT#@fabrikam.onmicrosoft.com", "Ada Lovelace"] {
        is_called(&sandbox, name);
        let output = device(&sandbox, &[]);
        assert!(output.stderr.contains(&format!("Signed in to contoso as {name};")), "{output}");
        is_called(&sandbox, name);
        sandbox.azure.microsoft().next_user_code("ABCD-EFGH");
        let (said, status) = sandbox.on_terminal(["logout", "contoso", "--revoke"]).end();
        assert!(said.ends_with("\nRevoked the token for contoso"), "{said}");
        assert_eq!(status, 0);
    }
    assert_eq!(revoked(&sandbox), [true, true]);
    // Whose it is is looked at all the same.
    is_called(&sandbox, "Ada Lovelace");
    assert_eq!(device(&sandbox, &[]).status, 0);
    let (said, status) = sandbox.on_terminal(["logout", "contoso", "--revoke"]).end();
    assert!(said.contains("the token is of Ada Lovelace, and ada@contoso.com signed in"), "{said}");
    assert_eq!((status, revoked(&sandbox)), (4, vec![true, true, false]));
}

#[test]
fn a_token_whose_making_got_no_answer_is_found_and_revoked() {
    let answers = [
        Answer::reset().after_serving(),
        Answer::real().cut_after(40),
        Answer::status(503).after_serving(),
        Answer::status(504).after_serving(),
        Answer::json(200, &serde_json::json!("odd")).after_serving(),
        Answer::json(200, &serde_json::json!({"patToken": {}, "patTokenError": "none"}))
            .after_serving(),
    ];
    for answer in answers {
        let sandbox = Sandbox::new();
        // What was made before is not what was lost, though it has the same name.
        assert_eq!(device(&sandbox, &["--expires", "20"]).status, 0);
        sandbox.azure.answer(Rule::new("POST", "…/tokens/pats").times(1), answer);
        let output = device(&sandbox, &[]);
        assert_eq!(output.status, 5, "{output}");
        assert!(!output.stderr.contains("may have been made"), "{output}");
        assert_eq!(revoked(&sandbox), [false, true], "{output}");
    }
}

#[test]
fn a_token_that_is_lost_for_good_is_told_with_the_page_where_it_can_be_revoked() {
    let lists = |sandbox: &Sandbox| {
        let rule = Rule::new("GET", "…/tokens/pats");
        sandbox.azure.answer(rule, Answer::status(500));
    };
    let shortens = |sandbox: &Sandbox| drop(sandbox.contoso().shortens_tokens_to(3));
    let in_the_way: [&dyn Fn(&Sandbox); 2] = [&lists, &shortens];
    for trouble in in_the_way {
        let sandbox = Sandbox::new();
        trouble(&sandbox);
        let lost = Rule::new("POST", "…/tokens/pats").times(1);
        sandbox.azure.answer(lost, Answer::reset().after_serving());
        let output = device(&sandbox, &[]);
        assert_data_eq!(output.to_string(), str![[r#"
--- stderr
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: whether contoso made a token is not known
  caused by: the connection to azure was cut
hint: a token may have been made: look at https://azure/contoso/_usersSettings/tokens, and revoke it there
hint: check the network, then run the same command again
[exit 5]

"#]].raw());
    }
}

#[test]
fn an_answer_that_says_no_is_not_taken_for_a_lost_one() {
    let sandbox = Sandbox::new();
    for answer in [Answer::status(429), Answer::status(400), Answer::conditional_access()] {
        sandbox.azure.answer(Rule::new("POST", "…/tokens/pats").times(1), answer);
        let output = device(&sandbox, &[]);
        assert_ne!(output.status, 0, "{output}");
    }
    assert!(
        sandbox.requests().iter().all(|request| !request.starts_with("GET /contoso/_apis/tokens"))
    );
}

/// A program of the sandbox's own, and its path.
fn script(sandbox: &Sandbox, name: &str, text: &str) -> String {
    let path = sandbox.work().with_file_name("bin").join(name);
    write_program(&path, &format!("#!/bin/sh\n{text}\n"));
    path.display().to_string()
}

/// Where the browser of [`Sandbox::browser`] is.
fn plain_browser(sandbox: &Sandbox) -> String {
    sandbox.work().with_file_name("bin").join("browser").display().to_string()
}

#[test]
fn a_browser_that_stays_in_the_foreground_holds_nothing_up() {
    let sandbox = Sandbox::new();
    let left = sandbox.work().join("left");
    assert!(Command::new("mkfifo").arg(&left).status().unwrap().success());
    let browser = sandbox.browser(ADA);
    // It is there until the person has read the page and leaves it.
    let text = format!("{} \"$1\"\ncat '{}'", plain_browser(&sandbox), left.display());
    sandbox.set("BROWSER", &script(&sandbox, "w3m", &text));
    sandbox.set("DISPLAY", ":0");
    let person = std::thread::spawn(move || {
        let landing = browser.join().unwrap();
        fs::write(left, "").unwrap();
        landing
    });
    let output = sandbox.run(["login", "contoso", "--web"]);
    assert_eq!(output.status, 0, "{output}");
    assert!(person.join().unwrap().page.contains("<h1>Signed in as ada@contoso.com</h1>"));
}

#[test]
fn a_browser_is_started_with_one_address_and_nothing_else() {
    let sandbox = Sandbox::new();
    let browser = sandbox.browser(ADA);
    let log = sandbox.work().join("arguments");
    let text = format!(
        "printf '%s\\n' \"$#\" \"$@\" >'{}'\nexec {} \"$@\"",
        log.display(),
        plain_browser(&sandbox)
    );
    sandbox.set("BROWSER", &script(&sandbox, "firefox", &text));
    let output = sandbox.run(["login", "contoso", "--web"]);
    assert_eq!(output.status, 0, "{output}");
    browser.join().unwrap();
    let said = fs::read_to_string(log).unwrap();
    let ["1", address] = *said.lines().collect::<Vec<_>>() else { panic!("{said}") };
    let start = sandbox.url("4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?");
    assert!(address.starts_with(&start), "{address}");
    // What a shell would take for the end of a command is in it.
    assert!(address.matches('&').count() > 5 && address.ends_with("select_account"), "{address}");
}

#[test]
fn a_text_browser_over_ssh_is_no_browser() {
    let sandbox = Sandbox::new();
    sandbox.set("SSH_CONNECTION", "203.0.113.1 50000 203.0.113.2 22");
    sandbox.set("BROWSER", "w3m");
    let (said, status) = sandbox
        .on_terminal(["login", "contoso", "--expires", "7"])
        .expect("started this yourself")
        .press("\u{3}")
        .end();
    assert!(said.contains("and type the code"), "{said}");
    assert_eq!(status, 130);
}

#[test]
fn a_token_that_can_not_be_kept_is_revoked() {
    let sandbox = Sandbox::new();
    // The new file can't be written then, which shows when it is written.
    let in_the_way = sandbox.credentials().with_file_name("credentials.json.new");
    fs::create_dir_all(&in_the_way).unwrap();
    fs::set_permissions(in_the_way.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    let output = device(&sandbox, &[]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: a token for contoso can't be kept
  caused by: cannot write /home/.local/share/git-vsts/credentials.json.new
  caused by: Is a directory (os error 21)
hint: check the folder's permissions and the free space
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(revoked(&sandbox), [true]);
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_token_that_is_not_proved_is_revoked() {
    for (answer, status) in [
        (Answer::status(500), 5),
        (Answer::status(401), 4),
        (Answer::reset(), 5),
        (Answer::status(503), 5),
        (Answer::conditional_access(), 4),
        (Answer::json(200, &serde_json::json!("odd")), 5),
    ] {
        let sandbox = Sandbox::new();
        // The first tells the directory.
        sandbox.azure.answer(Rule::new("GET", "/contoso/_apis/connectionData").after(1), answer);
        let output = device(&sandbox, &[]);
        assert_eq!((output.status, revoked(&sandbox)), (status, vec![true]), "{output}");
        assert!(!sandbox.credentials().exists());
    }
}

#[test]
fn of_two_who_sign_in_at_once_one_token_is_kept_and_good_and_the_other_revoked() {
    let sandbox = Sandbox::new();
    sandbox.azure.microsoft().approves_after(0, ADA).poll_interval(Some(1));
    let program = sandbox.program();
    let start = || {
        let arguments = ["login", "contoso", "--device", "--no-setup"];
        let mut command = sandbox.command(&program, arguments, &sandbox.work());
        command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    for mut child in [start(), start()] {
        assert!(child.wait().unwrap().success());
    }
    let made = sandbox.contoso().tokens_made();
    let (ended, good): (Vec<_>, Vec<_>) = made.iter().partition(|token| token.revoked);
    assert_eq!((ended.len(), good.len()), (1, 1), "{made:?}");
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    assert!(kept.contains(&good[0].id) && kept.contains(&good[0].secret), "{kept}");
}

/// An account of the directory that is no member of the organization, for the next code.
fn eve(sandbox: &Sandbox) {
    let tenant = "11111111-2222-3333-4444-555555555555";
    sandbox.contoso().tenant(tenant);
    let microsoft = sandbox.azure.microsoft();
    microsoft.account("eve@contoso.com", "Eve", tenant).approves_after(0, "eve@contoso.com");
    microsoft.next_user_code("ABCD-EFGH").poll_interval(Some(1));
}

#[test]
fn an_account_without_access_can_be_changed_for_another() {
    let sandbox = Sandbox::new();
    eve(&sandbox);
    let dialogue = sandbox
        .on_terminal(["login", "contoso", "--device"])
        .expect("another account than eve@contoso.com?");
    sandbox.azure.microsoft().next_user_code("EFGH-ABCD").approves_after(0, ADA);
    let (said, status) = dialogue.press("y").end();
    assert_data_eq!(said, str![[r#"
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: eve@contoso.com can't use contoso
  caused by: this account has no access to contoso: The user '7247af8f-2ba3-446f-afe4-e96a8b55b714' is not authorized to access this resource (TF400813)
hint: sign in with the account that uses it, or ask an administrator of contoso to add eve@contoso.com
? Sign in with another account than eve@contoso.com? yes
On any device, open https://azure/common/oauth2/deviceauth
and type the code EFGH-ABCD
Do so only if you have started this yourself.
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig

"#]].raw());
    assert_eq!(status, 0);
    eve(&sandbox);
    let dialogue = sandbox.on_terminal(["login", "contoso", "--device"]);
    let (said, status) = dialogue.expect("than eve@contoso.com?").press("n").end();
    assert!(said.ends_with("? Sign in with another account than eve@contoso.com? no"), "{said}");
    assert_eq!((status, revoked(&sandbox)), (4, vec![false]));
}

#[test]
fn a_code_that_ended_can_be_changed_for_another() {
    let sandbox = Sandbox::new();
    let expires = || {
        let microsoft = sandbox.azure.microsoft();
        microsoft.next_user_code("ABCD-EFGH").expires_after(0).poll_interval(Some(1));
        sandbox.on_terminal(["login", "contoso", "--device"]).expect("Get another code?")
    };
    let dialogue = expires();
    sandbox.azure.microsoft().next_user_code("EFGH-ABCD").approves_after(0, ADA);
    let (said, status) = dialogue.press("y").end();
    assert_data_eq!(
        said,
        str![[r#"
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: nobody used the code within 15 minutes
? Get another code? yes
On any device, open https://azure/common/oauth2/deviceauth
and type the code EFGH-ABCD
Do so only if you have started this yourself.
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig

"#]]
        .raw()
    );
    assert_eq!(status, 0);
    let (said, status) = expires().press("n").end();
    assert!(said.ends_with("? Get another code? no"), "{said}");
    assert_eq!((status, revoked(&sandbox)), (4, vec![false]));
}

#[test]
fn an_account_that_the_organization_has_never_seen_is_told_to_go_there_once() {
    let sandbox = Sandbox::new();
    let tenant = "11111111-2222-3333-4444-555555555555";
    sandbox.contoso().tenant(tenant).never_seen("eve@contoso.com", "Eve");
    let microsoft = sandbox.azure.microsoft();
    microsoft.next_user_code("ABCD-EFGH").approves_after(0, "eve@contoso.com");
    let output = sandbox.run(["login", "contoso", "--device"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: eve@contoso.com can't use contoso
  caused by: this account was never used in contoso: Please sign-in at least once as 11111111-2222-3333-4444-555555555555\eve@contoso.com in a web browser to enable access to the service (TF401444)
hint: open https://azure/contoso once in a browser as eve@contoso.com, then sign in again
[exit 4]

"#]].raw());
}

#[test]
fn what_a_server_repeats_of_a_secret_is_not_shown() {
    for (flag, parameter) in
        [("--web", "code"), ("--web", "code_verifier"), ("--device", "device_code")]
    {
        let sandbox = Sandbox::new();
        let microsoft = sandbox.azure.microsoft();
        microsoft.echoes(parameter).poll_interval(Some(1)).approves_after(0, ADA);
        let _browser = (flag == "--web").then(|| sandbox.browser(ADA));
        // Of each run it is checked that no secret of the double's is in it.
        let output = sandbox.run(["login", "contoso", flag, "-v"]);
        assert!(output.stderr.contains("AADSTS99999: This is odd: ***"), "{output}");
        assert_eq!(output.status, 4, "{output}");
    }
    let sandbox = Sandbox::new();
    sandbox.azure.microsoft().access_tokens_last(100);
    assert_eq!(device(&sandbox, &["--credential", "entra"]).status, 0);
    sandbox.azure.microsoft().echoes("refresh_token").expire_access_tokens();
    sandbox.contoso().repository("shop", "web");
    let output = sandbox.run(["clone", "contoso/shop/web", "-v"]);
    assert!(output.stderr.contains("AADSTS99999: This is odd: ***"), "{output}");
}

/// Whether a request has a text anywhere.
fn holds(request: &Request, text: &str) -> bool {
    let body = String::from_utf8_lossy(&request.body);
    format!("{request} {:?} {body}", request.headers).contains(text)
}

/// The one value of that name in the record that is kept.
fn kept(sandbox: &Sandbox, name: &str) -> String {
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    let (_, rest) = kept.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn the_tokens_of_a_sign_in_go_to_their_own_hosts_alone() {
    let sandbox = Sandbox::new();
    sandbox.hosted();
    sandbox.set("GIT_VSTS_LOGIN_URL", "");
    sandbox.contoso().repository("shop", "web");
    sandbox.azure.microsoft().verification_uri("https://microsoft.com/devicelogin");
    let output = device(&sandbox, &["--credential", "entra"]);
    assert_eq!(output.status, 0, "{output}");
    let (access, refresh) = (kept(&sandbox, "access_token"), kept(&sandbox, "refresh_token"));
    sandbox.repository();
    let remote = "https://dev.azure.com/contoso/shop/_git/web";
    let _ = sandbox.git(["remote", "add", "origin", remote]);
    assert_eq!(sandbox.run(["push"]).status, 0);
    // Whoever answers with another place gets nothing there.
    let elsewhere = Answer::redirect("https://login.microsoftonline.com/evil");
    sandbox.azure.answer(Rule::any("/contoso/_apis/connectionData"), elsewhere);
    assert_ne!(sandbox.run(["status"]).status, 0);
    // The renewal.
    sandbox.azure.clear_answers();
    sandbox.azure.microsoft().expire_access_tokens();
    assert_eq!(sandbox.run(["remote-add", "two", "contoso/shop/web"]).status, 0);
    let hosts = |secret: &str| {
        let requests = sandbox.azure.requests().into_iter();
        let told = requests.filter(|request| holds(request, secret));
        let mut hosts: Vec<_> =
            told.map(|request| request.header("host").unwrap().to_owned()).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    };
    assert_eq!(hosts(&access), ["dev.azure.com"]);
    assert_eq!(hosts(&refresh), ["login.microsoftonline.com"]);
}

/// Whether each request to the service says that it is of a personal account.
fn passes_through(sandbox: &Sandbox) -> Vec<bool> {
    let requests = sandbox.azure.requests().into_iter();
    let signed = requests.filter(|request| request.authorization_kind() == Some("Bearer"));
    signed.map(|request| request.header("x-vss-forcemsapassthrough").is_some()).collect()
}

#[test]
fn only_a_personal_account_is_said_to_be_one() {
    for is_personal in [false, true] {
        let sandbox = Sandbox::new();
        if is_personal {
            sandbox.contoso().personal_accounts();
        }
        sandbox.azure.microsoft().approves_after(0, ADA).poll_interval(Some(1));
        // Where the account decides, since the organization is chosen from its own.
        let (said, status) = sandbox
            .on_terminal(["login", "--device", "--credential", "entra"])
            .expect("Organization (list yours):")
            .answer("")
            .expect("Organization:")
            .press("\r")
            .end();
        assert_eq!(status, 0, "{said}");
        // What is kept knows it.
        sandbox.azure.microsoft().expire_access_tokens();
        sandbox.repository();
        let output = sandbox.run(["remote-add", "origin", "contoso/shop/shop"]);
        assert_eq!(output.status, 0, "{output}");
        let said = passes_through(&sandbox);
        assert!(said.len() > 3 && said.iter().all(|it| *it == is_personal), "{said:?}");
    }
}
