//! `git vsts login` with a Microsoft account.

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use double::{Answer, Rule, Step};
use snapbox::{IntoData as _, assert_data_eq, str};

use crate::renewal::ends_in;
use crate::sandbox::{Output, Sandbox};

pub const ADA: &str = "ada@contoso.com";

/// Signs in in the browser, without a terminal.
pub fn web(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let browser = sandbox.browser(ADA);
    let output = sandbox.run([&["login", "contoso", "--web"], arguments].concat());
    browser.join().unwrap();
    output
}

fn device(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.run([&["login", "contoso", "--device"], arguments].concat())
}

/// The requests of the program itself.
fn asked(sandbox: &Sandbox) -> Vec<String> {
    let requests = sandbox.azure.requests().into_iter();
    let own = requests.filter(|request| request.header("user-agent") != Some("browser"));
    own.map(|request| request.to_string()).collect()
}

#[test]
fn a_sign_in_in_the_browser_makes_a_token_for_this_organization_alone() {
    let sandbox = Sandbox::new();
    let browser = sandbox.browser(ADA);
    let output = sandbox.run(["login", "contoso", "--web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig
[exit 0]

"#]].raw());
    let landing = browser.join().unwrap();
    assert_eq!(landing.status, 200);
    assert!(landing.page.contains("<h1>Signed in as ada@contoso.com</h1>"), "{}", landing.page);
    let made = sandbox.contoso().tokens_made();
    let [token] = &*made else { panic!("{made:?}") };
    assert_eq!((&*token.scopes, token.revoked), ("vso.code_manage vso.project", false));
    assert!(token.name.starts_with("git vsts on "), "{}", token.name);
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    assert!(kept.contains(&token.secret) && kept.contains(&token.id), "{kept}");
    assert!(!kept.contains("refresh"), "{kept}");
    assert_data_eq!(
        asked(&sandbox).join("\n"),
        str![[r#"
GET /contoso/_apis/connectionData?api-version=7.1-preview 401
POST /4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/token 200
POST /contoso/_apis/tokens/pats?api-version=7.2-preview.1 200
GET /contoso/_apis/connectionData?api-version=7.1-preview 200
"#]]
        .raw()
    );
}

#[test]
fn a_sign_in_by_a_code_needs_no_browser_here() {
    let sandbox = Sandbox::new();
    sandbox.azure.microsoft().next_user_code("ABCD-EFGH").approves_after(0, ADA);
    assert_data_eq!(
        device(&sandbox, &[]).to_string(),
        str![[r#"
--- stderr
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.contoso().tokens_made().len(), 1);
}

#[test]
fn where_tokens_are_forbidden_the_sign_in_itself_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.contoso().forbids_tokens();
    assert_data_eq!(web(&sandbox, &[]).to_string(), str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Keeping the Microsoft sign-in itself: the policies of contoso forbid personal access tokens (disablePatCreationPolicyViolation)
Signed in to contoso as ada@contoso.com; kept the sign-in, which renews itself, in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]].raw());
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    assert!(kept.contains("\"kind\":\"entra\""), "{kept}");
    assert_data_eq!(web(&sandbox, &["--credential", "pat"]).to_string(), str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
error: the policies of contoso forbid personal access tokens (disablePatCreationPolicyViolation)
hint: keep the sign-in itself: `--credential entra`
[exit 4]

"#]].raw());
}

#[test]
fn a_capped_life_is_asked_for_once_more_and_shorter() {
    let sandbox = Sandbox::new();
    sandbox.contoso().caps_tokens_at(7);
    assert_data_eq!(web(&sandbox, &[]).to_string(), str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Asking for 7 days in place of 30: the policies of contoso want a token that ends sooner
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig
[exit 0]

"#]].raw());
    assert_eq!(sandbox.contoso().tokens_made().len(), 1);
}

#[test]
fn signing_in_again_replaces_and_revokes_what_was_made_before() {
    let sandbox = Sandbox::new();
    assert_eq!(web(&sandbox, &[]).status, 0);
    assert_eq!(web(&sandbox, &[]).status, 0);
    let revoked: Vec<_> = sandbox.contoso().tokens_made().iter().map(|it| it.revoked).collect();
    assert_eq!(revoked, [true, false]);
    let _browser = sandbox.browser(ADA);
    let (said, status) = sandbox.on_terminal(["logout", "contoso", "--revoke"]).end();
    assert_data_eq!(said, str![[r#"
Forgot the sign-in to contoso as ada@contoso.com
git no longer uses it: taken out of /home/.gitconfig
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Revoked the token for contoso
"#]].raw());
    assert_eq!(status, 0);
    assert!(sandbox.contoso().tokens_made().iter().all(|it| it.revoked));
}

#[test]
fn a_token_that_could_not_be_revoked_is_forgotten_and_that_is_said() {
    let sandbox = Sandbox::new();
    assert_eq!(web(&sandbox, &[]).status, 0);
    let output = sandbox.run(["logout", "contoso", "--revoke"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
git no longer uses it: taken out of /home/.gitconfig
error: the token for contoso was not revoked
  caused by: to revoke a token somebody has to sign in, and there is no terminal
hint: revoke it at https://azure/contoso/_usersSettings/tokens
[exit 4]

"#]]
        .raw()
    );
    assert!(!sandbox.credentials().exists());
    assert_eq!(web(&sandbox, &[]).status, 0);
    sandbox.contoso().person("eve@contoso.com", "Eve");
    let _browser = sandbox.browser("eve@contoso.com");
    let (said, status) = sandbox.on_terminal(["logout", "contoso", "--revoke"]).end();
    assert_data_eq!(said, str![[r#"
Forgot the sign-in to contoso as ada@contoso.com
git no longer uses it: taken out of /home/.gitconfig
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
error: the token for contoso was not revoked
  caused by: the token is of ada@contoso.com, and eve@contoso.com signed in
hint: revoke it at https://azure/contoso/_usersSettings/tokens
"#]].raw());
    assert_eq!(status, 4);
    assert!(sandbox.contoso().tokens_made().iter().all(|it| !it.revoked));
}

#[test]
fn a_policy_that_refuses_a_renewal_takes_nothing_away() {
    let sandbox = kept_itself();
    ends_in(&sandbox, 60);
    sandbox.azure.microsoft().refuse(Step::Renewal, 53003);
    // The token is good for a minute still.
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
    sandbox.azure.microsoft().expire_access_tokens();
    assert_data_eq!(sandbox.run(["push"]).to_string(), str![[r#"
--- stderr
error: the sign-in to contoso could not be renewed
  caused by: Microsoft refused the sign-in: a policy of the organization (conditional access) forbids it (AADSTS53003)
hint: use the network or the device that your administrator allows, such as the company's VPN
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
    sandbox.azure.microsoft().permit();
    sandbox.commit("file", "two\n", "Two");
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
}

#[test]
fn a_sign_in_that_could_not_be_renewed_is_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.azure.microsoft().withholds_refresh_tokens();
    let output = web(&sandbox, &["--credential", "entra"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
error: Microsoft gave nothing that renews the sign-in, which would end within the hour
hint: paste a token: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
    assert!(!sandbox.credentials().exists());
}

#[test]
fn an_account_without_access_is_named() {
    let sandbox = Sandbox::new();
    sandbox.azure.organization("fabrikam").person("eve@fabrikam.com", "Eve");
    let browser = sandbox.browser("eve@fabrikam.com");
    let output = sandbox.run(["login", "contoso", "--web", "--tenant", "organizations"]);
    browser.join().unwrap();
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Opening https://azure/organizations/oauth2/v2.0/authorize?… (or visit it yourself)
error: eve@fabrikam.com can't use contoso
  caused by: contoso did not accept the sign-in: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource (TF400813)
hint: sign in with the account that uses it; if eve@fabrikam.com is that one, name the organization's directory with `--tenant`
[exit 4]

"#]].raw());
    assert!(!sandbox.credentials().exists());
}

#[test]
fn an_account_of_the_same_directory_without_access_is_named_too() {
    let sandbox = Sandbox::new();
    let tenant = "11111111-2222-3333-4444-555555555555";
    sandbox.contoso().tenant(tenant);
    sandbox.azure.microsoft().account("eve@contoso.com", "Eve", tenant);
    let browser = sandbox.browser("eve@contoso.com");
    let output = sandbox.run(["login", "contoso", "--web"]);
    browser.join().unwrap();
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Opening https://azure/11111111-2222-3333-4444-555555555555/oauth2/v2.0/authorize?… (or visit it yourself)
error: eve@contoso.com can't use contoso
  caused by: this account has no access to contoso: The user '7247af8f-2ba3-446f-afe4-e96a8b55b714' is not authorized to access this resource (TF400813)
hint: sign in with the account that uses it, or ask an administrator of contoso to add eve@contoso.com
[exit 4]

"#]].raw());
}

#[test]
fn an_organization_of_personal_accounts_takes_one() {
    let sandbox = Sandbox::new();
    sandbox.contoso().personal_accounts();
    assert_data_eq!(
        web(&sandbox, &[]).to_string(),
        str![[r#"
--- stderr
Opening https://azure/organizations/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.contoso().tokens_made().len(), 1);
    let asked = sandbox.azure.requests();
    let is_token = |request: &&double::Request| request.to_string().contains("/tokens/pats");
    let request = asked.iter().find(is_token).unwrap();
    assert_eq!(request.header("x-vss-forcemsapassthrough"), Some("true"));
}

#[test]
fn a_code_that_nobody_used_is_told_with_what_else_to_do() {
    let sandbox = Sandbox::new();
    let microsoft = sandbox.azure.microsoft();
    microsoft.next_user_code("ABCD-EFGH").expires_after(0);
    assert_data_eq!(
        device(&sandbox, &[]).to_string(),
        str![[r#"
--- stderr
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: nobody used the code within 15 minutes
hint: sign in again; where the other device says that it is not allowed, use `--web`
[exit 4]

"#]]
        .raw()
    );
}

#[test]
fn how_long_and_what_is_kept_can_be_said() {
    let sandbox = Sandbox::new();
    assert_eq!(web(&sandbox, &["--expires", "3"]).status, 0);
    let made = sandbox.contoso().tokens_made();
    let ends: jiff::Timestamp = made[0].valid_to.parse().unwrap();
    let hours = ends.duration_since(jiff::Timestamp::now()).as_hours();
    assert!((71..=72).contains(&hours), "{hours}");
    for (arguments, expected) in [
        (
            &["--expires", "0"][..],
            str![[r#"
--- stderr
error: invalid value '0' for '--expires <DAYS>': 0 is not in 1..=366

For more information, try `-h`.
[exit 2]

"#]],
        ),
        (
            &["--credential", "password"],
            str![[r#"
--- stderr
error: invalid value 'password' for '--credential <KIND>'
  [possible values: auto, pat, entra]

For more information, try `-h`.
[exit 2]

"#]],
        ),
        (
            &["--tenant", "../evil"],
            str![[r#"
--- stderr
error: ../evil is no tenant: it is an id or a domain
[exit 2]

"#]],
        ),
        (
            &["--pat-stdin"],
            str![[r#"
--- stderr
error: the argument '--web' cannot be used with '--pat-stdin'

Usage: git vsts login --web <ORG>

For more information, try `-h`.
[exit 2]

"#]],
        ),
    ] {
        let output = sandbox.run([&["login", "contoso", "--web"], arguments].concat());
        assert_data_eq!(output.to_string(), expected.raw());
    }
    let _ = sandbox.git(["config", "--global", "vsts.credential", "maybe"]);
    assert_data_eq!(
        sandbox.run(["login", "contoso", "--web"]).to_string(),
        str![[r#"
--- stderr
error: vsts.credential is `maybe`, which is no kind
hint: the kinds are `auto`, `pat` and `entra`
[exit 2]

"#]]
        .raw()
    );
    let _ = sandbox.git(["config", "--global", "vsts.credential", "entra"]);
    assert_eq!(web(&sandbox, &[]).status, 0);
    assert!(fs::read_to_string(sandbox.credentials()).unwrap().contains("refresh_token"));
}

#[test]
fn what_microsoft_refuses_is_told_in_plain_words() {
    for (step, code, expected) in [
        (
            Step::Answer,
            65004,
            str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
error: Microsoft refused the sign-in: it was declined (AADSTS65004)
hint: sign in again: `git vsts login contoso`
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]],
        ),
        (
            Step::Code,
            53003,
            str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
error: Microsoft refused the sign-in: a policy of the organization (conditional access) forbids it (AADSTS53003)
hint: use the network or the device that your administrator allows, such as the company's VPN
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]],
        ),
        (
            Step::Code,
            99999,
            str![[r#"
--- stderr
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
error: Microsoft refused the sign-in: invalid_grant: AADSTS99999: The sign-in was not successful.
hint: make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]],
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.azure.microsoft().refuse(step, code);
        let browser = sandbox.browser(ADA);
        let output = sandbox.run(["login", "contoso", "--web"]);
        let landing = browser.join().unwrap();
        assert!(landing.page.contains("<h1>Not signed in</h1>"), "{}", landing.page);
        assert_data_eq!(output.to_string(), expected.raw());
    }
    for (code, expected) in [
        (
            530_033,
            str![[r#"
--- stderr
error: Microsoft refused the sign-in: the organization does not allow a sign-in by a code on another device (AADSTS530033)
hint: sign in in the browser, with `--web`
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]],
        ),
        (
            65001,
            str![[r#"
--- stderr
error: Microsoft refused the sign-in: nobody has allowed this program for the account yet (AADSTS65001)
hint: sign in again and accept what Microsoft asks; where it does not ask, an administrator has to allow the program as which git vsts signs in (Visual Studio, unless `GIT_VSTS_CLIENT_ID` or `vsts.clientId` names another)
hint: or make a token at https://azure/contoso/_usersSettings/tokens and paste it: `git vsts login contoso --pat`
[exit 4]

"#]],
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.azure.microsoft().refuse(Step::DeviceCode, code);
        assert_data_eq!(device(&sandbox, &[]).to_string(), expected.raw());
    }
}

#[test]
fn an_organization_that_is_not_there_is_said_to_be_missing() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(["login", "contosoo", "--web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: there is no organization contosoo
hint: check its spelling: it is the part after https://dev.azure.com/ in the browser
[exit 1]

"#]]
        .raw()
    );
    assert!(asked(&sandbox).iter().all(|request| !request.contains("oauth2")));
}

/// A repository with a remote for `contoso/shop/web`, and a Microsoft sign-in that is kept itself.
pub fn kept_itself() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.contoso().repository("shop", "web");
    assert_eq!(web(&sandbox, &["--credential", "entra"]).status, 0);
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    sandbox.azure.clear_requests();
    sandbox.set("GIT_TERMINAL_PROMPT", "0");
    sandbox
}

#[test]
fn a_sign_in_is_renewed_before_it_ends_and_where_the_service_ended_it() {
    let sandbox = kept_itself();
    let renewals = || sandbox.azure.microsoft().accepted("refresh_token");
    assert_eq!(sandbox.run(["push", "--quiet"]).to_string(), str_of_push());
    assert_eq!(renewals(), 0);
    // Our clock says that it is good, and the service that it is not.
    sandbox.azure.microsoft().expire_access_tokens();
    sandbox.commit("file", "two\n", "Two");
    assert_eq!(sandbox.run(["push", "--quiet"]).to_string(), str_of_push());
    assert_eq!(renewals(), 1);
    // Tokens that always end within five minutes are good for most of them, for git's helper too.
    sandbox.azure.microsoft().access_tokens_last(200).expire_access_tokens();
    sandbox.commit("file", "three\n", "Three");
    assert_eq!(sandbox.run(["push", "--quiet"]).to_string(), str_of_push());
    let before = renewals();
    let _ = sandbox.git(["fetch", "--quiet"]);
    assert_eq!(renewals(), before);
    ends_in(&sandbox, 60);
    assert_eq!(sandbox.run(["status", "--offline"]).status, 0);
    assert_eq!(renewals(), before);
    let _ = sandbox.git(["fetch", "--quiet"]);
    assert_eq!(renewals(), before + 1);
}

#[test]
fn what_the_service_ended_early_costs_git_one_try() {
    let sandbox = kept_itself();
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
    sandbox.azure.microsoft().expire_access_tokens();
    let fetch = || {
        let mut command = sandbox.command("git", ["fetch", "--quiet"], &sandbox.work());
        sandbox.finish(&mut command, "")
    };
    // git says that it was refused, which leaves what renews it.
    assert_eq!(fetch().status, 128);
    assert_eq!(fetch().to_string(), "[exit 0]\n");
    assert_eq!(sandbox.azure.microsoft().accepted("refresh_token"), 1);
}

#[test]
fn what_the_service_ended_early_is_renewed_for_every_command() {
    let sandbox = kept_itself();
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
    sandbox.contoso().repository("shop", "api");
    for arguments in [
        &["status"][..],
        &["remote-add", "api", "contoso/shop/api"],
        &["remote-add", "new", "contoso/shop/new", "--create"],
        &["init", "contoso/shop/new", "--remote", "new"],
        &["push", "new"],
        &["clone", "contoso/shop/api"],
        &["clone", "contoso/shop/web"],
    ] {
        let before = sandbox.azure.microsoft().accepted("refresh_token");
        sandbox.azure.microsoft().expire_access_tokens();
        let output = sandbox.run(arguments);
        assert_eq!(output.status, 0, "{arguments:?}\n{output}");
        let renewals = sandbox.azure.microsoft().accepted("refresh_token") - before;
        assert_eq!(renewals, 1, "{arguments:?}");
    }
}

#[test]
fn a_renewed_sign_in_that_can_not_be_kept_is_used_and_that_is_told() {
    let sandbox = kept_itself();
    ends_in(&sandbox, 60);
    let before = fs::read(sandbox.credentials()).unwrap();
    // The new file can't be written then, and the old one can be read.
    let in_the_way = sandbox.credentials().with_file_name("credentials.json.new");
    fs::create_dir(&in_the_way).unwrap();
    assert_data_eq!(
        sandbox.run(["push", "--quiet"]).to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: the renewed sign-in to contoso could not be kept
  caused by: cannot write /home/.local/share/git-vsts/credentials.json.new
  caused by: Is a directory (os error 21)
hint: check the folder's permissions and the free space
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(fs::read(sandbox.credentials()).unwrap(), before);
    fs::remove_dir(&in_the_way).unwrap();
    sandbox.commit("file", "two\n", "Two");
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
}

#[test]
fn an_access_token_that_git_approves_when_it_is_over_replaces_nothing() {
    let sandbox = kept_itself();
    let kept = || fs::read_to_string(sandbox.credentials()).unwrap();
    let token = |text: &str| {
        let (_, rest) = text.split_once("\"access_token\":\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let approve = |token: &str| {
        let host = sandbox.azure.url().trim_start_matches("http://").to_owned();
        let said = format!(
            "protocol=http\nhost={host}\npath=contoso/shop/_git/web\nusername={ADA}\npassword={token}\n"
        );
        assert_eq!(
            sandbox.run_with_stdin(["credential", "store"], &said).to_string(),
            "[exit 0]\n"
        );
    };
    // One of a personal account has no form that could be known.
    let opaque = kept().replace(&token(&kept()), "EwBwA8l6BAAU");
    fs::write(sandbox.credentials(), opaque).unwrap();
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
    let renewed = kept();
    assert_ne!(token(&renewed), "EwBwA8l6BAAU");
    approve("EwBwA8l6BAAU");
    assert_eq!(kept(), renewed);
    // Any other was given by somebody.
    approve("another");
    assert!(kept().contains("\"token\":\"another\""));
}

#[test]
fn a_signal_between_the_making_of_a_token_and_its_keeping_waits_until_it_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.contoso();
    let microsoft = sandbox.azure.microsoft();
    microsoft.next_user_code("ABCD-EFGH").approves_after(0, ADA).poll_interval(Some(0));
    let made = Rule::new("POST", "/contoso/_apis/tokens/pats");
    sandbox.azure.answer(made, Answer::real().delay(Duration::from_millis(300)));
    let program = sandbox.program();
    let arguments = ["login", "contoso", "--device", "--no-setup"];
    let mut command = sandbox.command(&program, arguments, &sandbox.work());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let is_asked = || asked(&sandbox).iter().any(|it| it.contains("/_apis/tokens/pats"));
    while !is_asked() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    let tokens = sandbox.contoso().tokens_made();
    assert_eq!(tokens.len(), 1);
    assert!(fs::read_to_string(sandbox.credentials()).unwrap().contains(&tokens[0].id));
}

fn str_of_push() -> &'static str {
    "--- stdout\nhttps://azure/contoso/shop/_git/web\n[exit 0]\n"
}

#[test]
fn a_sign_in_that_can_not_be_renewed_is_forgotten_and_why_is_told() {
    let sandbox = kept_itself();
    sandbox.azure.microsoft().expire_access_tokens().revoke_refresh_tokens();
    assert_data_eq!(sandbox.run(["push"]).to_string(), str![[r#"
--- stderr
warning: the sign-in to contoso has ended
  caused by: Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS50173)
hint: sign in again: `git vsts login contoso`
error: contoso did not accept the sign-in: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource (TF400813)
hint: sign in with `git vsts login contoso`
[exit 4]

"#]].raw());
    let sandbox = kept_itself();
    ends_in(&sandbox, 60);
    sandbox.azure.microsoft().refuse(Step::Renewal, 700_082);
    assert_data_eq!(
        sandbox.run(["push"]).to_string(),
        str![[r#"
--- stderr
warning: the sign-in to contoso has ended
  caused by: Microsoft refused the sign-in: the sign-in was revoked, or has ended (AADSTS700082)
hint: sign in again: `git vsts login contoso`
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]

"#]]
        .raw()
    );
    assert!(!sandbox.credentials().exists());
}

#[test]
fn twenty_at_once_renew_a_sign_in_that_rotates_without_losing_it() {
    let sandbox = kept_itself();
    let microsoft = sandbox.azure.microsoft();
    microsoft.rotates();
    ends_in(&sandbox, 60);
    let host = sandbox.azure.url().trim_start_matches("http://").to_owned();
    let asked = format!("protocol=http\nhost={host}\npath=contoso/shop/_git/web\n\n");
    let children: Vec<_> = (0..20)
        .map(|_| {
            let program = sandbox.program();
            let mut command = sandbox.command(&program, ["credential", "get"], &sandbox.work());
            let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = piped.spawn().unwrap();
            child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
            child
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.stdout.starts_with(b"username="), "{output:?}");
    }
    // The first one renewed, and the others found what it kept.
    assert_eq!(microsoft.accepted("refresh_token"), 1);
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
}

#[test]
fn who_names_no_organization_chooses_from_those_of_the_account() {
    let sandbox = Sandbox::new();
    sandbox.azure.organization("fabrikam").person(ADA, "Ada Lovelace").project("shop");
    let tenant = "11111111-2222-3333-4444-555555555555";
    sandbox.contoso().tenant(tenant);
    sandbox.azure.organization("fabrikam").tenant(tenant);
    let _browser = sandbox.browser(ADA);
    let (shown, status) = sandbox
        .on_terminal(["login"])
        .expect("Organization (list yours):")
        .answer("")
        .expect("Organization:")
        .press("\u{1b}[B\r")
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Organization: list yours
Opening https://azure/organizations/oauth2/v2.0/authorize?… (or visit it yourself)
? Organization: fabrikam
Signed in to fabrikam as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig

"#]]
        .raw()
    );
    assert_eq!(status, 0);
    assert_eq!(sandbox.azure.organization("fabrikam").tokens_made().len(), 1);
}

/// What is kept of a Microsoft sign-in itself to `fabrikam`, which is chosen from those of the account.
fn choose_fabrikam(sandbox: &Sandbox, browsers: usize) -> String {
    let mut browser = sandbox.browser(ADA);
    let mut dialogue = sandbox.on_terminal(["login", "--credential", "entra"]);
    dialogue = dialogue.expect("Organization (list yours):").answer("");
    for _ in 1..browsers {
        browser.join().unwrap();
        browser = sandbox.browser(ADA);
    }
    let (shown, status) = dialogue.expect("Organization:").press("\u{1b}[B\r").end();
    browser.join().unwrap();
    assert_eq!(status, 0, "{shown}");
    shown
}

#[test]
fn an_organization_of_another_directory_is_signed_in_to_there_and_that_is_said() {
    let sandbox = Sandbox::new();
    let tenant = "11111111-2222-3333-4444-555555555555";
    sandbox.azure.organization("fabrikam").tenant(tenant).person(ADA, "Ada Lovelace");
    assert_data_eq!(choose_fabrikam(&sandbox, 2), str![[r#"
? Organization: list yours
Opening https://azure/organizations/oauth2/v2.0/authorize?… (or visit it yourself)
? Organization: fabrikam
fabrikam is in another directory: sign in there too
Opening https://azure/11111111-2222-3333-4444-555555555555/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to fabrikam as ada@contoso.com; kept the sign-in, which renews itself, in a file that only you can read
git uses it too: set in /home/.gitconfig

"#]].raw());
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    assert!(kept.contains(&format!("\"tenant\":\"{tenant}\"")), "{kept}");
}

#[test]
fn a_sign_in_is_kept_as_one_of_the_organizations_directory() {
    let sandbox = Sandbox::new();
    let tenant = "11111111-2222-3333-4444-555555555555";
    sandbox.contoso().tenant(tenant);
    sandbox.azure.organization("fabrikam").tenant(tenant).person(ADA, "Ada Lovelace");
    choose_fabrikam(&sandbox, 1);
    let kept = fs::read_to_string(sandbox.credentials()).unwrap();
    assert!(kept.contains(&format!("\"tenant\":\"{tenant}\"")), "{kept}");
}

#[test]
fn what_can_not_be_kept_as_it_is_wanted_is_refused_before_anybody_signs_in() {
    let sandbox = Sandbox::new();
    let set = |name: &str, value: &str| {
        let _ = sandbox.git(["config", "--global", name, value]);
    };
    let run = |arguments: &[&str]| {
        sandbox.run([&["login", "contoso", "--web"], arguments].concat()).to_string()
    };
    assert_data_eq!(
        run(&["--credential", "entra", "--expires", "7"]),
        str![[r#"
--- stderr
error: `--expires` is for a token, and none is made with `--credential entra`
hint: leave one of the two out
[exit 2]

"#]]
        .raw()
    );
    set("vsts.credential", "entra");
    assert_data_eq!(
        run(&["--expires", "7"]),
        str![[r#"
--- stderr
error: `--expires` is for a token, and none is made since `vsts.credential` is `entra`
hint: make a token this time, `--credential pat`, or leave `--expires` out
[exit 2]

"#]]
        .raw()
    );
    sandbox.set("GIT_VSTS_STORE", "none");
    assert_data_eq!(run(&["--credential", "pat"]), str![[r#"
--- stderr
error: the store is `none`: a token would be made that nobody could use or revoke
hint: sign in without one, `--credential entra`, or see `GIT_VSTS_STORE` and `git config --show-origin vsts.store`
[exit 2]

"#]].raw());
    set("vsts.credential", "pat");
    assert_data_eq!(run(&[]), str![[r#"
--- stderr
error: the store is `none`: a token would be made that nobody could use or revoke
hint: sign in without one, `--credential entra`, or see `GIT_VSTS_STORE` and `git config --show-origin vsts.store`
[exit 2]

"#]].raw());
    set("vsts.credential", "auto");
    assert_data_eq!(
        run(&["--expires", "7"]),
        str![[r#"
--- stderr
error: `--expires` is for a token, and none is made since the store is `none`
hint: leave `--expires` out, or see `GIT_VSTS_STORE`
[exit 2]

"#]]
        .raw()
    );
    assert_eq!(asked(&sandbox), Vec::<String>::new());
}

#[test]
fn what_a_proxy_answers_is_not_taken_for_the_organization() {
    let sandbox = Sandbox::new();
    let rule = || double::Rule::any("/contoso/_apis/connectionData");
    let denied = double::Answer::title("Blocked by the proxy");
    sandbox.azure.answer(rule().times(1), denied.with_status(404));
    let output = sandbox.run(["login", "contoso", "--web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: azure does not say where its accounts sign in: it answered with status 404: Blocked by the proxy
hint: something on the way may have answered in its place: check the network and the proxy
[exit 5]

"#]].raw());
    sandbox.azure.answer(rule().times(1), double::Answer::throttled(600));
    let output = sandbox.run(["login", "contoso", "--web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 600 s
[exit 5]

"#]].raw());
}

#[test]
fn on_a_terminal_it_is_asked_how() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let (shown, status) = sandbox
        .on_terminal(["login", "contoso"])
        .expect("Sign in")
        .press("\u{1b}[B\r")
        .expect("Token for contoso:")
        .answer(&token)
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Sign in: with a personal access token that you paste
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
fn a_wait_for_microsoft_ends_at_once_where_the_person_gives_up() {
    let sandbox = Sandbox::new();
    for (arguments, shown) in [
        (&["login", "contoso", "--web"][..], "Visit "),
        (&["login", "contoso", "--device"], "started this yourself"),
    ] {
        let (said, status) = sandbox.on_terminal(arguments).expect(shown).press("\u{3}").end();
        assert_eq!(status, 130, "{said}");
    }
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_quiet_sign_in_still_says_where_to_go() {
    let sandbox = Sandbox::new();
    let microsoft = sandbox.azure.microsoft();
    microsoft.next_user_code("ABCD-EFGH").approves_after(0, ADA);
    assert_data_eq!(
        device(&sandbox, &["-q"]).to_string(),
        str![[r#"
--- stderr
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn without_a_browser_the_address_is_enough() {
    let sandbox = Sandbox::new();
    sandbox.set("SSH_CONNECTION", "203.0.113.1 50000 203.0.113.2 22");
    let program = sandbox.program();
    let mut command = sandbox.command(&program, ["login", "contoso", "--web"], &sandbox.work());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(address) = line.strip_prefix("Visit ") {
            break address.to_owned();
        }
    };
    let next = lines.next().unwrap().unwrap();
    let said =
        "in a browser on this computer; where that is on another one, sign in with `--device`";
    assert_eq!(next, said);
    assert_eq!(sandbox.azure.microsoft().sign_in_at(&address, ADA).status, 200);
    assert!(child.wait().unwrap().success());
    assert_eq!(sandbox.contoso().tokens_made().len(), 1);
}

#[test]
fn a_browser_that_does_not_start_is_one_line() {
    let sandbox = Sandbox::new();
    sandbox.set("BROWSER", "/nowhere/browser");
    // Else whatever this computer has would be tried next.
    sandbox.set("PATH", "/nowhere");
    let (said, status) = sandbox
        .on_terminal(["login", "contoso", "--web"])
        .expect("with `--device`")
        .press("\u{3}")
        .end();
    assert_data_eq!(said, str![[r#"
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
warning: no browser could be started (No valid browsers detected. You can specify one in BROWSER environment variable); visit the address yourself, or sign in on another device with `--device`
"#]].raw());
    assert_eq!(status, 130);
}
