//! `git vsts clone`.

use std::fs;

use snapbox::{IntoData as _, assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

/// A sandbox with something to clone in `contoso/shop/web`, and an empty work folder.
fn filled() -> Sandbox {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
    fs::remove_dir_all(sandbox.work()).unwrap();
    fs::create_dir(sandbox.work()).unwrap();
    sandbox.azure.clear_requests();
    sandbox
}

fn clone(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.run([&["clone"], arguments].concat())
}

/// Plain git in a clone, where nobody can be asked.
fn git_in(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Output {
    let mut command = sandbox.command("git", arguments, &sandbox.work().join(folder));
    command.env("GIT_TERMINAL_PROMPT", "0");
    sandbox.finish(&mut command, "")
}

#[test]
fn a_clone_is_one_in_which_plain_git_works() {
    let sandbox = filled();
    assert_data_eq!(
        clone(&sandbox, &["contoso/shop/web"]).to_string(),
        str![[r#"
--- stderr
Cloning into 'web'...
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(fs::read_to_string(sandbox.work().join("web/file")).unwrap(), "one\n");
    let remote = git_in(&sandbox, "web", &["remote", "get-url", "origin"]);
    assert_eq!(remote.stdout, "https://azure/contoso/shop/_git/web\n");
    fs::write(sandbox.work().join("web/file"), "two\n").unwrap();
    for arguments in [
        &["commit", "--quiet", "--all", "--message", "Two"][..],
        &["push", "--quiet"],
        &["pull", "--quiet"],
    ] {
        let output = git_in(&sandbox, "web", arguments);
        assert_eq!(output.status, 0, "{output}");
    }
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "-1", "main"]), "Two");
}

#[test]
fn the_service_says_how_it_is_spelled_and_the_person_where_it_goes() {
    let sandbox = filled();
    sandbox.contoso().repository("shop", "Web Site");
    for (arguments, folder) in [
        (&["https://contoso@AZURE/Contoso/SHOP/_git/WEB", "a", "--", "--depth", "1"][..], "a"),
        (&["CONTOSO/shop/web", "b", "--", "--no-tags"], "b"),
        (&["contoso/shop/web site"], "Web Site"),
    ] {
        let host = sandbox.azure.url().trim_start_matches("http://");
        let arguments: Vec<String> = arguments
            .iter()
            .map(|it| it.replace("https://", "http://").replace("AZURE", host))
            .collect();
        let output = sandbox.run([&["clone".to_owned()], &arguments[..]].concat());
        assert_eq!(output.status, 0, "{output}");
        let remote = git_in(&sandbox, folder, &["remote", "get-url", "origin"]).stdout;
        assert!(remote.starts_with("https://azure/contoso/shop/_git/"), "{remote}");
        assert_eq!(git_in(&sandbox, folder, &["fetch", "--quiet"]).to_string(), "[exit 0]\n");
    }
}

#[test]
fn an_empty_repository_is_cloned_too() {
    let sandbox = filled();
    assert_data_eq!(
        clone(&sandbox, &["shop/shop"]).to_string(),
        str![[r#"
--- stderr
Cloning into 'shop'...
warning: You appear to have cloned an empty repository.
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        clone(&sandbox, &["-q", "shop/shop", "quiet"]).to_string(),
        str![[r#"
--- stderr
warning: You appear to have cloned an empty repository.
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn what_can_not_be_cloned_is_said_before_git_is_asked() {
    let sandbox = filled();
    for (target, expected) in [
        (
            "contoso/shop/wbe",
            str![[r#"
--- stderr
error: contoso/shop has no repository wbe, or this account can't see it
hint: check its spelling; `git vsts init contoso/shop/wbe` makes one
[exit 1]

"#]],
        ),
        (
            "contoso/shpo/web",
            str![[r#"
--- stderr
error: contoso has no project shpo, or this account can't see it
hint: check its spelling, or make it with `git vsts init contoso/shpo/web --create-project`
[exit 1]

"#]],
        ),
        (
            "fabrikam/shop/web",
            str![[r#"
--- stderr
error: not signed in to fabrikam
hint: sign in with `git vsts login fabrikam`, or set `GIT_VSTS_PAT` to a token
[exit 4]

"#]],
        ),
        (
            "https://github.com/ada/web",
            str![[r#"
--- stderr
error: github.com is not a host of Azure DevOps
[exit 2]

"#]],
        ),
        (
            "-x",
            str![[r#"
--- stderr
error: unexpected argument '-x' found

  tip: to pass '-x' as a value, use '-- -x'

Usage: git vsts clone [OPTIONS] <TARGET> [DIR] [-- <GIT-OPTIONS>...]

For more information, try `-h`.
[exit 2]

"#]],
        ),
    ] {
        assert_data_eq!(clone(&sandbox, &[target]).to_string(), expected.raw());
    }
    assert!(fs::read_dir(sandbox.work()).unwrap().next().is_none());
}

#[test]
fn what_git_can_not_do_is_told_by_git() {
    let sandbox = filled();
    sandbox.write("web/mine", "");
    assert_data_eq!(
        clone(&sandbox, &["shop/web"]).to_string(),
        str![[r#"
--- stderr
fatal: destination path 'web' already exists and is not an empty directory.
error: `git clone` failed (exit status: 128)
[exit 1]

"#]]
        .raw()
    );
    let branch = ["shop/web", "there", "--", "--branch", "none"];
    assert_data_eq!(
        clone(&sandbox, &branch).to_string(),
        str![[r#"
--- stderr
Cloning into 'there'...
fatal: Remote branch none not found in upstream origin
error: `git clone` failed (exit status: 128)
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_token_that_nothing_keeps_reaches_git_all_the_same() {
    let sandbox = filled();
    let token = sandbox.token("contoso");
    assert_eq!(sandbox.run(["logout", "--all"]).status, 0);
    sandbox.set("AZURE_DEVOPS_EXT_PAT", &token);
    assert_data_eq!(
        clone(&sandbox, &["contoso/shop/web"]).to_string(),
        str![[r#"
--- stderr
Cloning into 'web'...
Plain git does not ask `git vsts` for contoso; `git vsts setup --all-organizations` makes it
[exit 0]

"#]]
        .raw()
    );
    let global = fs::read_to_string(sandbox.home().join(".gitconfig")).unwrap();
    assert!(!global.contains("credential"), "{global}");
    let configuration = fs::read_to_string(sandbox.work().join("web/.git/config")).unwrap();
    assert!(!configuration.contains("credential") && !configuration.contains(&token));
    assert_eq!(sandbox.run(["setup", "--all-organizations"]).status, 0);
    assert_eq!(git_in(&sandbox, "web", &["fetch", "--quiet"]).to_string(), "[exit 0]\n");
}
