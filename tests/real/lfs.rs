//! Git LFS, with `git vsts` as git's credential helper.

use std::collections::BTreeSet;
use std::fs;

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

/// The SHA-256 of `a picture` and a line feed, its name with Git LFS.
const PICTURE: &str = "4be03b812f1f04284e6e69ea2426be3e933fc2c6b771ccabf57aff9670c8b2ac";

/// A commit whose picture is with Git LFS, and for each of these organizations, all signed in, a
/// remote of its name.
fn tracking(organizations: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.repository();
    for organization in organizations {
        sandbox.azure.organization(organization).repository("shop", "web");
        sandbox.sign_in(organization);
        let url = sandbox.url(&format!("{organization}/shop/_git/web"));
        let _ = sandbox.git(["remote", "add", organization, &url]);
    }
    let _ = sandbox.git(["lfs", "install"]);
    let _ = sandbox.git(["lfs", "track", "*.png"]);
    sandbox.commit("picture.png", "a picture\n", "Add a picture");
    sandbox
}

/// Plain git with nobody to ask, and an end to waiting.
fn git(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let arguments = [&["60", "git"], arguments].concat();
    let mut command = sandbox.command("timeout", arguments, &sandbox.work());
    sandbox.finish(command.env("GIT_TERMINAL_PROMPT", "0"), "")
}

#[track_caller]
fn git_succeeds(sandbox: &Sandbox, arguments: &[&str]) {
    let output = git(sandbox, arguments);
    assert_eq!(output.status, 0, "{output}");
}

/// Clones a repository into a folder of that name and looks at the picture.
#[track_caller]
fn assert_cloned(sandbox: &Sandbox, url: &str, folder: &str) {
    git_succeeds(sandbox, &["clone", "--quiet", url, folder]);
    assert_has_picture(sandbox, folder);
}

#[track_caller]
fn assert_has_picture(sandbox: &Sandbox, folder: &str) {
    let content = fs::read_to_string(sandbox.work().join(folder).join("picture.png")).unwrap();
    assert_eq!(content, "a picture\n");
}

#[test]
#[ignore = "needs git-lfs: run tests/run"]
fn what_is_tracked_goes_up_and_comes_back_without_asking() {
    let sandbox = tracking(&["contoso"]);
    let before = fs::read(sandbox.credentials()).unwrap();
    git_succeeds(&sandbox, &["push", "--quiet", "contoso", "main"]);
    assert_eq!(sandbox.contoso().lfs_objects("shop", "web"), [PICTURE]);
    let url = sandbox.url("contoso/shop/_git/web");
    assert_cloned(&sandbox, &url, "clone");
    // The service's own clone URL has the organization for a user.
    assert_cloned(&sandbox, &url.replace("://", "://contoso@"), "clone-with-user");

    sandbox.commit("another.png", "another\n", "Add another");
    git_succeeds(&sandbox, &["push", "--quiet", "contoso", "main"]);
    git_succeeds(&sandbox, &["-C", "clone", "pull", "--quiet"]);
    let content = fs::read_to_string(sandbox.work().join("clone/another.png")).unwrap();
    assert_eq!(content, "another\n");
    assert_eq!(fs::read(sandbox.credentials()).unwrap(), before);
}

#[test]
#[ignore = "needs git-lfs: run tests/run"]
fn a_push_and_a_clone_of_ours_take_along_what_is_tracked() {
    let sandbox = tracking(&["contoso"]);
    let output = sandbox.run(["push", "contoso"]);
    // Before it git-lfs has its say, at its own pace.
    assert!(output.stderr.ends_with("main → contoso/main (new)\n"), "{output}");
    assert_eq!(
        (output.stdout.as_str(), output.status),
        ("https://azure/contoso/shop/_git/web\n", 0)
    );
    assert_eq!(sandbox.contoso().lfs_objects("shop", "web"), [PICTURE]);
    let output = sandbox.run(["clone", "contoso/shop/web", "clone"]);
    assert_eq!(output.status, 0, "{output}");
    assert_has_picture(&sandbox, "clone");
}

/// C10.
#[test]
#[ignore = "needs git-lfs: run tests/run"]
fn each_of_two_organizations_gets_its_own_token() {
    let sandbox = tracking(&["contoso", "fabrikam"]);
    for organization in ["contoso", "fabrikam"] {
        git_succeeds(&sandbox, &["push", "--quiet", organization, "main"]);
        let kept = sandbox.azure.organization(organization).lfs_objects("shop", "web");
        assert_eq!(kept, [PICTURE], "{organization}");
        assert_cloned(
            &sandbox,
            &sandbox.url(&format!("{organization}/shop/_git/web")),
            organization,
        );
    }
    // A token that is sent to the other organization would be a second one there.
    let requests = sandbox.azure.requests();
    let tokens: BTreeSet<_> = requests
        .iter()
        .filter_map(|request| {
            Some((request.path.split('/').nth(1)?, request.authorization.as_ref()?))
        })
        .collect();
    assert_eq!(tokens.len(), 2, "{tokens:?}");
}

/// C15. That the remote does not support locking is what git-lfs says of every refusal.
#[test]
#[ignore = "needs git-lfs: run tests/run"]
fn a_token_that_is_no_longer_taken_ends_it() {
    let sandbox = tracking(&["contoso"]);
    git_succeeds(&sandbox, &["push", "--quiet", "contoso", "main"]);
    sandbox.set("GIT_LFS_SKIP_SMUDGE", "1");
    git_succeeds(&sandbox, &["clone", "--quiet", &sandbox.url("contoso/shop/_git/web"), "clone"]);
    sandbox.commit("another.png", "another\n", "Add another");
    let mut all = String::new();
    for arguments in [&["lfs", "push", "contoso", "main"][..], &["-C", "clone", "lfs", "pull"]] {
        let token = sandbox.sign_in("contoso");
        sandbox.contoso().revoke(&token);
        let mut output = git(&sandbox, arguments);
        // How far it has come is shown when there was time to.
        let lines = output.stdout.split_inclusive('\n');
        output.stdout = lines.filter(|line| !line.contains("LFS objects:")).collect();
        let kept = sandbox.credentials().exists();
        all += &format!("== {}\n{output}kept: {kept}\n", arguments.join(" "));
    }
    assert_data_eq!(
        all,
        str![[r#"
== lfs push contoso main
--- stdout
Remote "contoso" does not support the Git LFS locking API. Consider disabling it with:
  $ git config lfs.https://azure/contoso/shop/_git/web.git/info/lfs.locksverify false
--- stderr
fatal: could not read Username for 'https://azure/contoso/shop/_git/web': terminal prompts disabled
fatal: could not read Username for 'https://azure/contoso/shop/_git/web': terminal prompts disabled
batch response: Git credentials for https://azure/contoso/shop/_git/web not found.
[exit 2]
kept: false
== -C clone lfs pull
--- stderr
fatal: could not read Username for 'https://azure/contoso/shop/_git/web': terminal prompts disabled
batch response: Git credentials for https://azure/contoso/shop/_git/web not found.
Failed to fetch some objects from 'https://azure/contoso/shop/_git/web.git/info/lfs'
[exit 2]
kept: false

"#]]
        .raw()
    );
}
