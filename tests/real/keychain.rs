//! What is kept in a keychain that can be used, seen by us and by another program.

use double::{Answer, Rule, Token};
use serde_json::json;
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::session::{Session, State};

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_sign_in_is_one_item_that_other_programs_can_read() {
    let session = Session::start(State::Unlocked);
    let token = session.sandbox.token("contoso");
    let output = session.sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in this computer's keychain
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    let account = session.account("contoso");
    let record = format!(
        r#"{{"version":1,"organization":"{account}","account":"ada@contoso.com","kind":"pat","token":"{token}"}}"#
    );
    assert_eq!(
        session.search(&["service", "git-vsts"]),
        [
            "attribute.service = git-vsts".to_owned(),
            format!("attribute.username = {account}"),
            "label = Azure DevOps: contoso (git vsts)".to_owned(),
            format!("secret = {record}"),
        ]
    );
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn status_says_that_it_is_in_the_keychain() {
    let (session, _) = Session::signed_in();
    let sandbox = &session.sandbox;
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
    assert_data_eq!(sandbox.run(["status", "--json"]).to_string(), str![[r#"
--- stdout
{"version":"0.1.0","logins":[{"organization":"contoso","url":"https://azure/contoso","account":"ada@contoso.com","kind":"pat","source":"keychain","expires":null,"valid":true}],"repository":null}
[exit 0]

"#]].raw());
    assert_data_eq!(sandbox.run(["status", "--json", "--offline"]).to_string(), str![[r#"
--- stdout
{"version":"0.1.0","logins":[{"organization":"contoso","url":"https://azure/contoso","account":"ada@contoso.com","kind":"pat","source":"keychain","expires":null,"valid":null}],"repository":null}
[exit 0]

"#]].raw());
    let asked = "GET /contoso/_apis/connectionData?api-version=7.1-preview 200";
    assert_eq!(sandbox.requests(), [asked, asked], "`--offline` asks no server");
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_push_takes_it_from_the_keychain() {
    let (session, _) = Session::signed_in();
    let sandbox = &session.sandbox;
    connect(&session);
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests().len(), 2);
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "One");
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_second_sign_in_replaces_the_first() {
    let (session, _) = Session::signed_in();
    let sandbox = &session.sandbox;
    sandbox.contoso().person("grace@contoso.com", "Grace Hopper");
    let token = Token::new().scopes(crate::sandbox::SCOPES).account("grace@contoso.com");
    let token = sandbox.contoso().token(token);
    let output = sandbox.run_with_stdin(["login", "Contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to Contoso as grace@contoso.com; kept the token in this computer's keychain
Replaced the sign-in of ada@contoso.com
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(session.lookup("contoso").contains(&token));
    assert_eq!(session.items(), 1);
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn organizations_are_listed_in_order_and_only_ours() {
    let session = Session::start(State::Unlocked);
    let sandbox = &session.sandbox;
    sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    for organization in ["fabrikam", "contoso"] {
        sandbox.sign_in(organization);
    }
    let other = session.account("adventure-works");
    session.plant(&["service", "another", "username", &other], "another program's", b"{}");
    assert_data_eq!(
        sandbox.run(["status", "--offline"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in the keychain
fabrikam: signed in as ada@contoso.com by the personal access token in the keychain
No git repository here
[exit 0]

"#]]
        .raw()
    );
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn the_only_organization_signed_in_need_not_be_named() {
    let (session, _) = Session::signed_in();
    assert_data_eq!(
        session.sandbox.run(["logout"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(session.items(), 0);
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn what_was_forgotten_is_not_there_for_anybody() {
    let (session, _) = Session::signed_in();
    let sandbox = &session.sandbox;
    sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    sandbox.sign_in("fabrikam");

    assert_data_eq!(
        sandbox.run(["logout", "contoso"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        sandbox.run(["logout", "contoso"]).to_string(),
        str![[r#"
--- stderr
Not signed in to contoso
[exit 0]

"#]]
        .raw()
    );
    assert_eq!((session.lookup("contoso").as_str(), session.items()), ("", 1));
    assert_data_eq!(
        sandbox.run(["logout", "--all"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to fabrikam as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/fabrikam/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        sandbox.run(["logout", "--all"]).to_string(),
        str![[r#"
--- stderr
Nobody is signed in anywhere
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(session.search(&["service", "git-vsts"]), [""; 0]);
}

/// Another program may keep the same two attributes beside a third one (threats, S8).
fn with_a_planted_item(session: &Session, secret: &str) {
    let account = session.account("contoso");
    let attributes = ["service", "git-vsts", "username", &account, "extra", "1"];
    session.plant(&attributes, "planted", secret.as_bytes());
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn of_two_items_the_newest_counts_and_a_sign_in_leaves_one() {
    let (session, _) = Session::signed_in();
    let sandbox = &session.sandbox;
    let organization = sandbox.url("contoso");
    let planted = format!(
        r#"{{"version":1,"organization":"{organization}","account":"planted@contoso.com","kind":"pat","token":"planted"}}"#
    );
    with_a_planted_item(&session, &planted);
    assert_eq!(session.items(), 2);
    assert_data_eq!(
        sandbox.run(["status", "--offline"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as planted@contoso.com by the personal access token in the keychain
No git repository here
[exit 0]

"#]]
        .raw()
    );

    let token = sandbox.sign_in("contoso");
    assert_eq!(session.items(), 1);
    assert!(session.lookup("contoso").contains(&token));
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn of_two_items_a_logout_leaves_none() {
    let (session, _) = Session::signed_in();
    with_a_planted_item(&session, "planted");
    assert_data_eq!(
        session.sandbox.run(["logout", "contoso"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(session.items(), 0);
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn an_item_that_can_not_be_read_is_named_and_a_new_sign_in_takes_its_place() {
    let newer = r#"{"version":2,"new":"thing"}"#;
    for secret in [&b"\xff\xfe"[..], b"no record", newer.as_bytes()] {
        let session = Session::start(State::Unlocked);
        let sandbox = &session.sandbox;
        connect(&session);
        let account = session.account("contoso");
        session.plant(&["service", "git-vsts", "username", &account], "x", secret);
        let pushed = sandbox.run(["push"]);
        let expected = match secret {
            [0xff, ..] => str![[r#"
--- stderr
error: what the keychain holds for https://azure/contoso is damaged
hint: sign in again, which replaces it: `git vsts login https://azure/contoso`
[exit 1]

"#]],
            _ if secret == newer.as_bytes() => str![[r#"
--- stderr
error: the sign-in to contoso can't be used
  caused by: the record in the store has version 2, and this program knows 1
hint: update git vsts
hint: sign in again, which replaces it: `git vsts login contoso`
[exit 1]

"#]],
            _ => str![[r#"
--- stderr
error: the sign-in to contoso can't be used
  caused by: the record in the store can't be read
hint: sign in again, which replaces it: `git vsts login contoso`
[exit 1]

"#]],
        };
        assert_data_eq!(pushed.to_string(), expected.raw());
        assert_eq!(sandbox.requests(), [""; 0]);
        assert_eq!(session.items(), 1, "nothing is erased on its account");
        sandbox.sign_in("contoso");
        assert_eq!(session.items(), 1);
        assert_eq!(sandbox.run(["push"]).status, 0);
    }
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn one_item_that_can_not_be_read_does_not_hide_the_others() {
    let (session, _) = Session::signed_in();
    let sandbox = &session.sandbox;
    let account = session.account("fabrikam");
    session.plant(&["service", "git-vsts", "username", &account], "x", b"no record");
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in the keychain, valid
No git repository here
--- stderr
error: the sign-in to fabrikam can't be used
  caused by: the record in the store can't be read
hint: sign in again, which replaces it: `git vsts login fabrikam`
[exit 1]

"#]]
        .raw()
    );
    assert_data_eq!(
        sandbox.run(["status", "--json"]).to_string(),
        str![[r#"
--- stderr
error: the sign-in to fabrikam can't be used
  caused by: the record in the store can't be read
hint: sign in again, which replaces it: `git vsts login fabrikam`
[exit 1]

"#]]
        .raw()
    );
    assert_data_eq!(
        sandbox.run(["logout", "--all"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
Forgot the sign-in to fabrikam
The token is valid until it expires; revoke it at https://azure/fabrikam/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(session.items(), 0);
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_token_of_8_000_characters_comes_back_whole() {
    let session = Session::start(State::Unlocked);
    let sandbox = &session.sandbox;
    let token = "x1".repeat(4000);
    sandbox.secret(&token);
    let ada = json!({"providerDisplayName": "Ada", "isActive": true, "id": "b0f1",
        "descriptor": "Microsoft.IdentityModel.Claims.ClaimsIdentity;t\\ada@contoso.com",
        "properties": {"Account": {"$type": "System.String", "$value": "ada@contoso.com"}}});
    let data = json!({"authenticatedUser": ada, "authorizedUser": ada, "instanceId": "b0f2"});
    sandbox.azure.answer(Rule::any("…/connectionData"), Answer::json(200, &data));

    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_eq!(output.status, 0, "{output}");
    assert!(session.lookup("contoso").contains(&format!("\"token\":\"{token}\"")));
    assert_eq!(sandbox.run(["status"]).status, 0);
    let sent: Vec<_> = sandbox.azure.requests();
    assert_eq!(sent[0].header("authorization"), sent[1].header("authorization"));
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn the_bus_in_the_runtime_folder_is_found_without_its_address() {
    let (session, _) = Session::signed_in();
    session.sandbox.set("DBUS_SESSION_BUS_ADDRESS", "");
    connect(&session);
    let output = session.sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
}

/// A repository in the work folder whose remote is `contoso/shop/web`, which is there and empty.
pub fn connect(session: &Session) {
    let sandbox = &session.sandbox;
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
}
