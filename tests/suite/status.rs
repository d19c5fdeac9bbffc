//! `git vsts status`

use double::{Answer, Rule, Token};
use serde_json::json;
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

/// The version stands in `--json`; it is not what these tests are about.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn nobody_is_signed_in_and_nothing_is_here() {
    let sandbox = Sandbox::new();
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
Not signed in anywhere
No git repository here
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(
        sandbox.run(["status", "--json"]).json(),
        json!({"version": VERSION, "logins": [], "repository": null})
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_sign_in_and_the_remotes_here_are_told() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["remote", "add", "backup", "https://ada:hunter2@github.com/ada/web"]);
    let _ = sandbox.git(["remote", "add", "share", "/srv/git/web.git"]);
    sandbox.secret("hunter2");
    let output = sandbox.run(["status"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on main
  backup: https://github.com/ada/web (not Azure DevOps)
  origin: https://azure/contoso/shop/_git/web
  share: /srv/git/web.git (not Azure DevOps)
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
fn json_has_the_documented_keys_in_the_documented_order() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["remote", "add", "backup", "https://ada:hunter2@github.com/ada/web"]);
    let _ = sandbox.git(["remote", "add", "ssh", "git@127.0.0.1:v3/contoso/shop/web"]);
    let output = sandbox.run(["status", "--json"]);
    assert_data_eq!(output.to_string().replace(VERSION, "0.0.0"), str![[r#"
--- stdout
{"version":"0.0.0","logins":[{"organization":"contoso","url":"https://azure/contoso","account":"ada@contoso.com","kind":"pat","source":"file","expires":null,"valid":true}],"repository":{"directory":"/work","branch":"main","remotes":[{"name":"backup","url":"https://github.com/ada/web"},{"name":"origin","url":"https://azure/contoso/shop/_git/web","organization":"contoso","organizationUrl":"https://azure/contoso","project":"shop","repository":"web","protocol":"https"},{"name":"ssh","url":"git@127.0.0.1:v3/contoso/shop/web","organization":"contoso","organizationUrl":"https://azure/contoso","project":"shop","repository":"web","protocol":"ssh"}]}}
[exit 0]

"#]].raw());
}

#[test]
fn offline_asks_no_server() {
    let sandbox = Sandbox::connected();
    let output = sandbox.run(["status", "--offline"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    let json = sandbox.run(["status", "--offline", "--json"]).json();
    assert_eq!(json["logins"][0]["valid"], json!(null));
    assert_eq!(json["logins"][0]["account"], json!("ada@contoso.com"));
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_detached_head_is_on_no_branch() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["checkout", "--quiet", "--detach"]);
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on no branch (HEAD is detached)
  origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.run(["status", "--json"]).json()["repository"]["branch"], json!(null));
}

#[test]
fn an_unborn_branch_is_a_branch() {
    let sandbox = Sandbox::new();
    let _ = sandbox.git(["init", "--quiet"]);
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
Not signed in anywhere
/work, on main
  no remote
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn without_a_sign_in_to_the_organization_here_it_ends_with_4() {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["logout", "contoso"]).status, 0);
    for arguments in [&["status"][..], &["status", "--offline"]] {
        let output = sandbox.run(arguments);
        assert_data_eq!(
            output.to_string(),
            str![[r#"
--- stdout
Not signed in anywhere
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]

"#]]
            .raw()
        );
    }
    let output = sandbox.run(["status", "--json"]);
    assert_eq!((output.status, output.json()["logins"].clone()), (4, json!([])));
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_sign_in_to_the_organization_here_that_is_refused_ends_with_4() {
    let sandbox = Sandbox::new();
    let token = sandbox.sign_in("contoso");
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    sandbox.contoso().revoke(&token);
    let output = sandbox.run(["status"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
contoso: not signed in; the personal access token in a file is not accepted
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: contoso did not accept the sign-in
hint: sign in with `git vsts login contoso`
[exit 4]

"#]]
        .raw()
    );
    let output = sandbox.run(["status", "--json"]);
    assert_eq!((output.status, output.json()["logins"][0]["valid"].clone()), (4, json!(false)));
    // It was only looked at: whether to forget it is for a command that uses it.
    assert!(sandbox.credentials().exists());
}

#[test]
fn a_sign_in_elsewhere_that_is_refused_is_a_warning() {
    let sandbox = Sandbox::connected();
    sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    let token = sandbox.sign_in("fabrikam");
    sandbox.azure.organization("fabrikam").revoke(&token);
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, valid
fabrikam: not signed in; the personal access token in a file is not accepted
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
warning: fabrikam did not accept the sign-in
hint: sign in with `git vsts login fabrikam`
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn the_organization_here_is_that_of_the_branchs_remote() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["remote", "add", "a", &sandbox.url("fabrikam/shop/_git/web")]);
    // Of two remotes the first one counts, unless the branch says otherwise.
    assert_eq!(sandbox.run(["status"]).status, 4);
    let _ = sandbox.git(["config", "branch.main.remote", "origin"]);
    assert_eq!(sandbox.run(["status"]).status, 0);
}

#[test]
fn what_could_not_be_asked_is_neither_valid_nor_refused() {
    let mut said = String::new();
    for answer in [Answer::throttled(3600), Answer::reset(), Answer::conditional_access()] {
        let sandbox = Sandbox::connected();
        sandbox.azure.answer(Rule::any("…"), answer);
        said += &sandbox.run(["status"]).to_string();
        assert_eq!(sandbox.run(["status", "--json"]).json()["logins"][0]["valid"], json!(null));
    }
    assert_data_eq!(said, str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, but that could not be checked
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: azure asks for fewer requests: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User' (TF400733)
hint: try again in 3600 s
[exit 5]
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, but that could not be checked
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: the connection to azure was cut
hint: check the network, then run the same command again
[exit 5]
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, but that could not be checked
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: a policy forbids access from this network or device: The conditional access policy defined by your Microsoft Entra administrator has failed (VS403463)
hint: use the network or the device that your administrator allows, such as the company's VPN
[exit 4]

"#]].raw());
}

#[test]
fn a_token_of_the_environment_stands_instead() {
    let sandbox = Sandbox::connected();
    let good = sandbox.token("contoso");
    let mut said = String::new();
    for (variable, token) in [("GIT_VSTS_PAT", &*good), ("AZURE_DEVOPS_EXT_PAT", "no-such-token")] {
        sandbox.set(variable, token);
        said += &sandbox.run(["status"]).to_string();
        let login = sandbox.run(["status", "--offline", "--json"]).json()["logins"][0].clone();
        assert_eq!((&login["source"], &login["account"]), (&json!("environment"), &json!(null)));
        sandbox.set(variable, "");
    }
    assert_data_eq!(
        said,
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in GIT_VSTS_PAT, valid
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]
--- stdout
contoso: not signed in; the personal access token in AZURE_DEVOPS_EXT_PAT is not accepted
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: contoso did not accept the sign-in
hint: the token is that of AZURE_DEVOPS_EXT_PAT: set another, or unset it
[exit 4]

"#]]
        .raw()
    );
}

#[test]
fn a_pipelines_own_token_is_for_its_own_organization() {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["logout", "contoso"]).status, 0);
    sandbox.set("SYSTEM_ACCESSTOKEN", "the-token-of-a-pipeline");
    for (collection, logins) in [("", 0), ("fabrikam", 0), ("CONTOSO/", 1), ("contoso", 1)] {
        let url = if collection.is_empty() { String::new() } else { sandbox.url(collection) };
        sandbox.set("SYSTEM_COLLECTIONURI", &url);
        let json = sandbox.run(["status", "--offline", "--json"]).json();
        assert_eq!(json["logins"].as_array().map(Vec::len), Some(logins), "{collection}");
    }
}

#[test]
fn a_variable_that_a_pipeline_did_not_replace_is_named() {
    let sandbox = Sandbox::connected();
    sandbox.set("GIT_VSTS_PAT", "$(System.AccessToken)");
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stderr
error: GIT_VSTS_PAT holds `$(…)`, which the pipeline did not replace
hint: map it into the step's environment: `GIT_VSTS_PAT: $(System.AccessToken)`
[exit 2]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_header_of_gits_configuration_is_a_sign_in_to_the_organization_here() {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["logout", "contoso"]).status, 0);
    let key = format!("http.{}/.extraHeader", sandbox.azure.url());
    sandbox.secret("the-token-of-a-checkout");
    let _ = sandbox.git(["config", &key, "AUTHORIZATION: bearer the-token-of-a-checkout"]);
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in by the credential in `http.extraHeader` of git's configuration
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    let login = sandbox.run(["status", "--json"]).json()["logins"][0].clone();
    assert_eq!(
        login,
        json!({"organization": "contoso", "url": sandbox.run(["status", "--json"]).json()["logins"][0]["url"],
               "account": null, "kind": "entra", "source": "configuration", "expires": null, "valid": null})
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_sign_in_of_known_end_tells_it() {
    let mut said = String::new();
    for end in ["2100-12-25T00:00:00Z", "2020-01-01T00:00:00Z"] {
        let sandbox = Sandbox::connected();
        let kept = std::fs::read_to_string(sandbox.credentials()).unwrap();
        let kept = kept.replace(r#""kind":"pat","#, &format!(r#""kind":"pat","expires":"{end}","#));
        std::fs::write(sandbox.credentials(), kept).unwrap();
        said += &sandbox.run(["status", "--offline"]).to_string();
        let json = sandbox.run(["status", "--offline", "--json"]).json();
        assert_eq!(json["logins"][0]["expires"], json!(end));
    }
    assert_data_eq!(
        said,
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, until 25 Dec 2100
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, expired 1 Jan 2020
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_store_that_can_not_be_read_is_named_and_not_taken_for_signed_out() {
    let sandbox = Sandbox::connected();
    sandbox.set("GIT_VSTS_STORE", "keychain");
    sandbox.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let mut said = sandbox.run(["status"]).to_string();
    // A script would take an empty list for nobody.
    let output = sandbox.run(["status", "--json"]);
    assert_eq!((output.status, &*output.stdout), (1, ""));
    // With a token of the environment it is not needed.
    let token = sandbox.token("contoso");
    sandbox.set("GIT_VSTS_PAT", &token);
    said += &sandbox.run(["status"]).to_string();
    assert_data_eq!(said, str![[r#"
--- stdout
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/nonexistent`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in GIT_VSTS_PAT, valid
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
warning: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/nonexistent`: No such file or directory (os error 2))
[exit 0]

"#]].raw());
}

#[test]
fn a_record_that_is_damaged_is_named_and_the_others_are_told() {
    let sandbox = Sandbox::connected();
    sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    let _ = sandbox.sign_in("fabrikam");
    let kept = std::fs::read_to_string(sandbox.credentials()).unwrap();
    let damaged = kept.replacen("\"kind\":\"pat\"", "\"kind\":\"pet\"", 1);
    std::fs::write(sandbox.credentials(), &damaged).unwrap();
    let mut said = sandbox.run(["status"]).to_string();
    std::fs::write(
        sandbox.credentials(),
        kept.replacen("\"version\":1,\"org", "\"version\":2,\"org", 1),
    )
    .unwrap();
    said += &sandbox.run(["status"]).to_string();
    assert_data_eq!(
        said,
        str![[r#"
--- stdout
fabrikam: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: the sign-in to contoso can't be used
  caused by: the record in the store can't be read
hint: sign in again, which replaces it: `git vsts login contoso`
[exit 1]
--- stdout
fabrikam: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on main
  origin: https://azure/contoso/shop/_git/web
--- stderr
error: the sign-in to contoso can't be used
  caused by: the record in the store has version 2, and this program knows 1
hint: update git vsts
hint: sign in again, which replaces it: `git vsts login contoso`
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn what_is_foreign_is_shown_without_letting_it_act() {
    let sandbox = Sandbox::new();
    let account = "ada\u{1b}]0;x\u{7}@contoso.com";
    sandbox.contoso().person(account, "Ada");
    let token = sandbox.contoso().token(Token::new().account(account));
    assert_eq!(sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token).status, 0);
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "evil", "https://evil.example/\u{1b}]0;x\u{7}"]);
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada\x1b]0;x\x07@contoso.com by the personal access token in a file, valid
/work, on main
  evil: https://evil.example/\x1b]0;x\x07 (not Azure DevOps)
[exit 0]

"#]]
        .raw()
    );
}
