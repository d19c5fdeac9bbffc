//! `git vsts logout`

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

#[test]
fn what_was_kept_is_forgotten_and_where_to_revoke_it_is_said() {
    let sandbox = Sandbox::signed_in();
    let output = sandbox.run(["logout", "CONTOSO"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to CONTOSO as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/CONTOSO/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(!sandbox.credentials().exists());
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn nothing_to_forget_is_no_error() {
    let sandbox = Sandbox::new();
    let mut said = String::new();
    for arguments in [&["logout"][..], &["logout", "contoso"], &["logout", "--all"]] {
        said += &format!("== {}\n{}", arguments.join(" "), sandbox.run(arguments));
    }
    assert_data_eq!(
        said,
        str![[r#"
== logout
--- stderr
Nobody is signed in anywhere
[exit 0]
== logout contoso
--- stderr
Not signed in to contoso
[exit 0]
== logout --all
--- stderr
Nobody is signed in anywhere
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn the_only_sign_in_needs_no_name() {
    let sandbox = Sandbox::signed_in();
    assert_data_eq!(
        sandbox.run(["logout"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(!sandbox.credentials().exists());
}

#[test]
fn of_several_sign_ins_one_must_be_named() {
    let sandbox = two();
    assert_data_eq!(
        sandbox.run(["logout"]).to_string(),
        str![[r#"
--- stderr
error: there is no terminal to ask "Organization" on, and ORG is not given
hint: give ORG
[exit 2]

"#]]
        .raw()
    );
    let output = sandbox.run(["logout", "fabrikam"]);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(
        sandbox.run(["status", "--offline", "--json"]).json()["logins"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn all_are_forgotten_of_every_service() {
    let sandbox = two();
    let other = "http://127.0.0.1:9";
    let kept = std::fs::read_to_string(sandbox.credentials()).unwrap();
    let kept = kept.replace(&sandbox.url("fabrikam"), &format!("{other}/fabrikam"));
    std::fs::write(sandbox.credentials(), kept).unwrap();
    assert_data_eq!(
        sandbox.run(["logout", "--all"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
Forgot the sign-in to http://127.0.0.1:9/fabrikam
The token is valid until it expires or is revoked there
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_damaged_record_is_forgotten_too() {
    let sandbox = Sandbox::signed_in();
    let kept = std::fs::read_to_string(sandbox.credentials()).unwrap();
    std::fs::write(sandbox.credentials(), kept.replace("\"pat\"", "\"pet\"")).unwrap();
    let said = sandbox.run(["logout", "contoso"]).to_string();
    assert_data_eq!(
        said,
        str![[r#"
--- stderr
Forgot the sign-in to contoso
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(!sandbox.credentials().exists());
}

#[test]
fn a_file_that_is_none_of_ours_is_left_alone() {
    let sandbox = Sandbox::signed_in();
    std::fs::write(sandbox.credentials(), "{\"mine\": true}").unwrap();
    assert_data_eq!(
        sandbox.run(["logout", "contoso"]).to_string(),
        str![[r#"
--- stderr
error: /home/.local/share/git-vsts/credentials.json is not a credential file of version 1 (line 1)
hint: move the file away, then sign in again
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(std::fs::read_to_string(sandbox.credentials()).unwrap(), "{\"mine\": true}");
}

#[test]
fn a_token_of_the_environment_goes_on_being_used_and_that_is_said() {
    let sandbox = Sandbox::signed_in();
    sandbox.set("GIT_VSTS_PAT", "another-token");
    assert_data_eq!(
        sandbox.run(["logout", "contoso"]).to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
warning: GIT_VSTS_PAT is set, and is used as long as it is
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn one_and_all_do_not_go_together() {
    let output = Sandbox::new().run(["logout", "contoso", "--all"]);
    assert_eq!(output.status, 2, "{output}");
}

/// Signed in to two organizations by tokens that were made.
fn made_for_two() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    for organization in ["contoso", "fabrikam"] {
        let browser = sandbox.browser("ada@contoso.com");
        assert_eq!(sandbox.run(["login", organization, "--web"]).status, 0);
        browser.join().unwrap();
    }
    sandbox.azure.microsoft().next_user_code("ABCD-EFGH");
    sandbox
}

#[test]
fn whoever_gives_up_to_sign_in_for_a_revocation_is_told_where_the_token_lives() {
    let revoke = |sandbox: &Sandbox, arguments: &[&str]| {
        // A code is waited for.
        sandbox.set("BROWSER", "");
        let dialogue = sandbox.on_terminal(arguments).expect("started this yourself");
        let (shown, status) = dialogue.press("\u{3}").end();
        assert_eq!(status, 130, "{shown}");
        shown
    };
    let sandbox = made_for_two();
    assert_data_eq!(revoke(&sandbox, &["logout", "contoso", "--revoke"]), str![[r#"
Forgot the sign-in to contoso as ada@contoso.com
git no longer uses it: taken out of /home/.gitconfig
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: interrupted before the token was revoked; revoke it at https://azure/contoso/_usersSettings/tokens
"#]].raw());
    // All else was done by then.
    let wired = std::fs::read_to_string(sandbox.home().join(".gitconfig")).unwrap();
    assert!(!wired.contains("/contoso") && wired.contains("/fabrikam"), "{wired}");
    assert_data_eq!(
        sandbox.run(["logout", "contoso"]).to_string(),
        str![[r#"
--- stderr
Not signed in to contoso
[exit 0]

"#]]
        .raw()
    );
    let sandbox = made_for_two();
    assert_data_eq!(revoke(&sandbox, &["logout", "--all", "--revoke"]), str![[r#"
Forgot the sign-in to contoso as ada@contoso.com
Forgot the sign-in to fabrikam as ada@contoso.com
git no longer uses it: taken out of /home/.gitconfig
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
error: interrupted before all tokens were revoked; revoke those that are left at https://azure/contoso/_usersSettings/tokens, https://azure/fabrikam/_usersSettings/tokens
"#]].raw());
    assert!(!sandbox.credentials().exists());
}

/// Signed in to two organizations.
fn two() -> Sandbox {
    let sandbox = Sandbox::signed_in();
    sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    let _ = sandbox.sign_in("fabrikam");
    sandbox
}
