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

  tip: TARGET comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web -- --depth 1`

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

/// git takes the first word that is no option for what is to be cloned: somebody's folder, with
/// status 0.
#[test]
fn options_of_git_are_options_and_stand_behind_the_target() {
    let sandbox = filled();
    for folder in ["foo", "contoso"] {
        let _ = sandbox.git(["init", "--quiet", folder]);
    }
    let mut said = String::new();
    for arguments in [
        &["shop/web", "--", "foo"][..],
        &["shop/web", "--", "foo", "--depth", "1"],
        &["shop/web", "--", ""],
        &["--", "contoso/shop/web", "c9"],
        &["--", "foo"],
        &["shop/web", "--depth", "1"],
        &["shop/web", "--quite"],
        &["shop/web", "a", "b"],
    ] {
        said += &format!("== {}\n{}", arguments.join(" "), clone(&sandbox, arguments));
    }
    assert_data_eq!(said, str![[r#"
== shop/web -- foo
--- stderr
error: `foo` is no option of `git clone`
hint: the folder comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web site -- --depth 1`
[exit 2]
== shop/web -- foo --depth 1
--- stderr
error: `foo` is no option of `git clone`
hint: the folder comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web site -- --depth 1`
[exit 2]
== shop/web -- 
--- stderr
error: `` is no option of `git clone`
hint: the folder comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web site -- --depth 1`
[exit 2]
== -- contoso/shop/web c9
--- stderr
error: the following required arguments were not provided:
  <TARGET>

  tip: TARGET comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web -- --depth 1`

Usage: git vsts clone <TARGET> [DIR] -- <GIT-OPTIONS>...

For more information, try `-h`.
[exit 2]
== -- foo
--- stderr
error: the following required arguments were not provided:
  <TARGET>

  tip: TARGET comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web -- --depth 1`

Usage: git vsts clone <TARGET> [DIR] -- <GIT-OPTIONS>...

For more information, try `-h`.
[exit 2]
== shop/web --depth 1
--- stderr
error: unexpected argument '--depth' found

  tip: TARGET comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web -- --depth 1`

Usage: git vsts clone <TARGET> [DIR] [-- <GIT-OPTIONS>...]

For more information, try `-h`.
[exit 2]
== shop/web --quite
--- stderr
error: unexpected argument '--quite' found

  tip: a similar argument exists: '--quiet'
  tip: TARGET comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web -- --depth 1`

Usage: git vsts clone --quiet <TARGET> [DIR] [-- <GIT-OPTIONS>...]

For more information, try `-h`.
[exit 2]
== shop/web a b
--- stderr
error: unexpected argument 'b' found

  tip: TARGET comes before ` -- `, and options of `git clone` behind it: `git vsts clone contoso/shop/web -- --depth 1`

Usage: git vsts clone [OPTIONS] <TARGET> [DIR] [-- <GIT-OPTIONS>...]

For more information, try `-h`.
[exit 2]

"#]].raw());
    // git knows best which words are the values of its options, and what is one too many.
    for arguments in [
        &["shop/web", "--", "--no-tags", "foo"][..],
        &["shop/web", "--", "--", "foo"],
        &["shop/web", "--", "--"],
        &["shop/web", "there", "--", "--depth", "1", "foo"],
    ] {
        let output = clone(&sandbox, arguments);
        assert!(output.stderr.starts_with("fatal: Too many arguments.\n"), "{output}");
        assert_eq!(output.status, 1, "{arguments:?}");
    }
    let mut folders: Vec<_> = fs::read_dir(sandbox.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, ["contoso", "foo"]);
}

#[test]
fn the_folder_is_the_one_that_git_would_choose() {
    let sandbox = filled();
    let url = sandbox.url("contoso/shop/_git/web");
    for (folder, options) in [
        ("web", &["--origin", "azure"][..]),
        ("web.git", &["--bare"]),
        ("web.git", &["--quiet", "--mirror"]),
        ("web.git", &["--mir"]),
        ("web", &["--branch", "main"]),
    ] {
        let cloned = clone(&sandbox, &[&["shop/web", "--"], options].concat());
        assert_eq!(cloned.status, 0, "{options:?} {cloned}");
        fs::remove_dir_all(sandbox.work().join(folder)).unwrap();
        let plain = [&["clone", "--quiet"], options, &[&url]].concat();
        assert_eq!(sandbox.plain_git(plain).status, 0);
        fs::remove_dir_all(sandbox.work().join(folder)).unwrap();
    }
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

/// A hook of git's that asks for the credential of two organizations, and says which variables that
/// hold a token it has. The token itself is `TOKEN` there.
fn spy(sandbox: &Sandbox, token: &str) -> impl Fn() -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let hook = sandbox.home().join("hooks/post-checkout");
    let said = sandbox.home().join("said");
    let host = sandbox.azure.url().trim_start_matches("http://");
    sandbox.write_home(
        "hooks/post-checkout",
        &format!(
            "#!/bin/sh\n\
             env | sed -n 's/^\\([A-Z_]*\\(PAT\\|TOKEN\\)\\)=.*/\\1/p' | sort >'{said}'\n\
             for organization in contoso fabrikam; do\n\
             printf 'protocol=http\\nhost={host}\\npath=%s/shop/_git/web\\n' $organization |\n\
             git-vsts credential get | sed -n \"s/^password=/$organization gets /p\" >>'{said}'\n\
             done\n",
            said = said.display()
        ),
    );
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let _ = sandbox.git(["config", "--global", "core.hooksPath", "~/hooks"]);
    let token = token.to_owned();
    move || fs::read_to_string(&said).unwrap().replace(&token, "TOKEN")
}

/// Each variable has its rule for whom it is, and keeps it below the git that clones.
#[test]
fn a_token_of_the_environment_is_for_the_same_organizations_in_a_hook_of_the_clone() {
    let sandbox = filled();
    let token = sandbox.token("contoso");
    let said = spy(&sandbox, &token);
    assert_eq!(sandbox.run(["logout", "--all"]).status, 0);
    let collection = sandbox.url("contoso/");
    let collection = ("SYSTEM_COLLECTIONURI", &*collection);
    let pipeline = ("SYSTEM_ACCESSTOKEN", &*token);
    let both = "contoso gets TOKEN\nfabrikam gets TOKEN\n";
    for (number, (variables, expected)) in [
        (&[("GIT_VSTS_PAT", &*token)][..], format!("GIT_VSTS_PAT\n{both}")),
        (&[("AZURE_DEVOPS_EXT_PAT", &token)], format!("AZURE_DEVOPS_EXT_PAT\n{both}")),
        // No more than the one that this run used.
        (&[("GIT_VSTS_PAT", &token), pipeline, collection], format!("GIT_VSTS_PAT\n{both}")),
        (&[pipeline, collection], "SYSTEM_ACCESSTOKEN\ncontoso gets TOKEN\n".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = number.to_string();
        let mut command = sandbox.command(
            &sandbox.program(),
            ["clone", "contoso/shop/web", &folder],
            &sandbox.work(),
        );
        let output = sandbox.finish(command.envs(variables.iter().copied()), "");
        assert_eq!((output.status, said()), (0, expected), "{variables:?} {output}");
    }
}

#[test]
fn a_token_that_is_kept_is_in_no_environment() {
    let sandbox = filled();
    let token = sandbox.sign_in("contoso");
    let said = spy(&sandbox, &token);
    sandbox.set("SYSTEM_ACCESSTOKEN", &sandbox.token("fabrikam"));
    let output = clone(&sandbox, &["contoso/shop/web"]);
    assert_eq!((output.status, &*said()), (0, "contoso gets TOKEN\n"), "{output}");
}

/// One that was typed for this run alone is for the organization that it was typed for.
#[test]
fn a_token_that_only_this_run_knows_is_for_its_organization_alone() {
    let sandbox = filled();
    let token = sandbox.token("contoso");
    let said = spy(&sandbox, &token);
    assert_eq!(sandbox.run(["logout", "--all"]).status, 0);
    sandbox.set("GIT_VSTS_STORE", "none");
    let _browser = sandbox.browser("ada@contoso.com");
    let (shown, status) = sandbox.on_terminal(["clone", "contoso/shop/web"]).end();
    assert_eq!(status, 0, "{shown}");
    let said = said();
    assert!(said.starts_with("_GIT_VSTS_HANDED_TOKEN\ncontoso gets "), "{said}");
    assert!(!said.contains("fabrikam gets"), "{said}");
    assert!(sandbox.work().join("web/file").exists());
}

/// C7, for a second organization of the service itself.
#[test]
fn a_submodule_of_another_organization_gets_no_token_of_a_pipeline() {
    let sandbox = filled();
    let token = sandbox.token("contoso");
    sandbox.azure.organization("fabrikam").repository("shop", "lib");
    assert_eq!(sandbox.run(["setup", "--all-organizations"]).status, 0);
    let _ = sandbox.git(["clone", "--quiet", &sandbox.url("contoso/shop/_git/web"), "."]);
    let commit = sandbox.git(["rev-parse", "HEAD"]);
    let url = sandbox.url("fabrikam/shop/_git/lib");
    sandbox.write(".gitmodules", &format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {url}\n"));
    let _ = sandbox.git(["add", ".gitmodules"]);
    let entry = format!("160000,{commit},lib");
    let _ = sandbox.git(["update-index", "--add", "--cacheinfo", &entry]);
    let _ = sandbox.git(["commit", "--quiet", "--message", "Add a submodule"]);
    let _ = sandbox.git(["push", "--quiet", "origin", "main"]);
    assert_eq!(sandbox.run(["logout", "--all"]).status, 0);
    assert_eq!(sandbox.run(["setup", "--all-organizations"]).status, 0);
    sandbox.azure.clear_requests();

    sandbox.set("SYSTEM_ACCESSTOKEN", &token);
    sandbox.set("SYSTEM_COLLECTIONURI", &sandbox.url("contoso/"));
    sandbox.set("GIT_TERMINAL_PROMPT", "0");
    let output = clone(&sandbox, &["contoso/shop/web", "copy", "--", "--recurse-submodules"]);
    assert!(output.stderr.contains("fatal: could not read Username"), "{output}");
    let requests = sandbox.azure.requests();
    let (theirs, ours): (Vec<_>, Vec<_>) =
        requests.iter().partition(|request| request.path.starts_with("/fabrikam/"));
    assert!(ours.iter().any(|request| request.authorization.is_some()));
    assert!(!theirs.is_empty());
    assert!(theirs.iter().all(|request| request.authorization.is_none()), "{theirs:#?}");
}

/// The clone is there, whatever is the matter with git's global configuration.
#[test]
fn a_clone_that_is_there_is_no_failure() {
    let sandbox = filled();
    let token = sandbox.token("contoso");
    sandbox.set("XDG_DATA_HOME", &sandbox.home().join(".local/share").display().to_string());
    let mut said = String::new();
    for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "")] {
        for token in ["", &token] {
            let folder = format!("{name}-{}", token.is_empty());
            sandbox.set(name, value);
            sandbox.set("GIT_VSTS_PAT", token);
            said.push_str(&clone(&sandbox, &["contoso/shop/web", &folder]).to_string());
        }
        sandbox.set(name, "");
    }
    assert_data_eq!(
        said,
        str![[r#"
--- stderr
Cloning into 'GIT_CONFIG_GLOBAL-true'...
Plain git does not ask `git vsts` for contoso; `git vsts setup` makes it
[exit 0]
--- stderr
Cloning into 'GIT_CONFIG_GLOBAL-false'...
[exit 0]
--- stderr
Cloning into 'HOME-true'...
warning: plain git may not ask `git vsts` in the clone
  caused by: there is no home directory for git's global configuration
hint: set `HOME`
[exit 0]
--- stderr
Cloning into 'HOME-false'...
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_clone_is_there_where_the_global_file_can_not_be_written() {
    let sandbox = filled();
    let global = sandbox.home().join(".gitconfig");
    // Another spelling of the organization is what would have to be written there.
    let text = fs::read_to_string(&global).unwrap().replace("/contoso", "/Contoso");
    fs::write(&global, text).unwrap();
    sandbox.write_home(".gitconfig.lock", "");
    assert_data_eq!(
        clone(&sandbox, &["contoso/shop/web", "copy"]).to_string(),
        str![[r#"
--- stderr
Cloning into 'copy'...
warning: plain git may not ask `git vsts` in the clone
  caused by: /home/.gitconfig is locked by /home/.gitconfig.lock
hint: if no other git is at work, remove /home/.gitconfig.lock
[exit 0]

"#]]
        .raw()
    );
}
