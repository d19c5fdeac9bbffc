//! `git vsts remote-add`

use std::fs;
use std::path::Path;

use double::{Answer, Rule, Token};
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

/// A repository here and an empty one, `contoso/shop/web`, at the service.
fn both() -> Sandbox {
    let sandbox = Sandbox::signed_in();
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    sandbox
}

fn configuration(sandbox: &Sandbox) -> Vec<u8> {
    fs::read(sandbox.work().join(".git/config")).unwrap()
}

fn changes(sandbox: &Sandbox) -> Vec<String> {
    sandbox.requests().into_iter().filter(|request| !request.starts_with("GET ")).collect()
}

#[test]
fn a_remote_is_added_and_the_same_again_changes_nothing() {
    let sandbox = both();
    let output = sandbox.run(["remote-add", "origin", "shop/web"]);
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
    assert_data_eq!(
        sandbox.requests().join("\n"),
        str!["GET /contoso/shop/_apis/git/repositories/web?api-version=7.1 200"].raw()
    );
    let before = configuration(&sandbox);
    let again = sandbox.run(["remote-add", "origin", "contoso/SHOP/Web"]);
    assert_data_eq!(
        again.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Remote origin is there already: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(configuration(&sandbox), before);
}

#[test]
fn one_argument_is_a_name_or_a_target() {
    let sandbox = both();
    let target = sandbox.run(["remote-add", "contoso/shop/web"]);
    assert!(target.stderr.contains("Added remote origin: "), "{target}");
    sandbox.contoso().repository("shop", "work");
    let name = sandbox.run(["remote-add", "azure"]);
    assert_data_eq!(
        name.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/work
--- stderr
Added remote azure: https://azure/contoso/shop/_git/work
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_url_is_a_target_too() {
    for url in [
        "{}/contoso/shop/_git/web",
        "{}/contoso/shop/_git/web?path=/a&version=GBmain",
        "{}/contoso/shop/_git/web/pullrequest/7",
    ] {
        let sandbox = both();
        let url = url.replace("{}", sandbox.azure.url());
        let output = sandbox.run(["remote-add", &url]);
        assert_eq!(output.stdout, "https://azure/contoso/shop/_git/web\n", "{output}");
    }
}

#[test]
fn the_remote_is_written_in_the_service_s_own_spelling_and_without_a_user() {
    let sandbox = Sandbox::signed_in();
    sandbox.contoso().repository("My Project", "Größe #1");
    sandbox.repository();
    let output = sandbox.run(["remote-add", "CONTOSO/my project/größe #1"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/My%20Project/_git/Gr%C3%B6%C3%9Fe%20%231
--- stderr
Added remote origin: https://azure/contoso/My%20Project/_git/Gr%C3%B6%C3%9Fe%20%231
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(
        sandbox.git(["config", "remote.origin.url"]),
        sandbox.url("contoso/My%20Project/_git/Gr%C3%B6%C3%9Fe%20%231")
    );
    assert_eq!(
        sandbox.git(["config", "remote.origin.fetch"]),
        "+refs/heads/*:refs/remotes/origin/*"
    );
}

#[test]
fn a_remote_that_is_elsewhere_is_only_replaced_when_asked() {
    let sandbox = both();
    let _ = sandbox.git(["remote", "add", "origin", "https://ada@github.com/ada/web.git"]);
    let before = configuration(&sandbox);
    let output = sandbox.run(["remote-add", "origin", "shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the remote origin is there already, and points to https://github.com/ada/web.git
hint: add another, `git vsts remote-add azure contoso/shop/web`, or point this one there with `--replace`
[exit 1]

"#]].raw());
    assert_eq!(configuration(&sandbox), before);
    assert_eq!(sandbox.requests(), [""; 0]);
    let output = sandbox.run(["remote-add", "origin", "shop/web", "--replace"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Changed remote origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["remote", "get-url", "origin"]), sandbox.url("contoso/shop/_git/web"));
}

#[test]
fn a_remote_that_pushes_elsewhere_is_elsewhere() {
    let sandbox = both();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    let _ =
        sandbox.git(["remote", "set-url", "--push", "origin", "https://github.com/ada/web.git"]);
    let output = sandbox.run(["remote-add", "origin", "shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the remote origin is there already, and points to https://github.com/ada/web.git
hint: add another, `git vsts remote-add azure contoso/shop/web`, or point this one there with `--replace`
[exit 1]

"#]].raw());
    let output = sandbox.run(["remote-add", "origin", "shop/web", "--replace"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Changed remote origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    let pushed_to = sandbox.git(["remote", "get-url", "--push", "--all", "origin"]);
    assert_eq!(pushed_to, sandbox.url("contoso/shop/_git/web"));
}

#[test]
fn a_remote_with_several_urls_is_replaced_whole() {
    let sandbox = both();
    for url in ["https://github.com/ada/web.git", "https://gitlab.com/ada/web.git"] {
        let _ = sandbox.git(["config", "--add", "remote.origin.url", url]);
        let _ = sandbox.git(["config", "--add", "remote.origin.pushurl", url]);
    }
    let output = sandbox.run(["remote-add", "origin", "shop/web", "--replace"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Changed remote origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    let all = sandbox.git(["remote", "get-url", "--all", "origin"]);
    assert_eq!(all, sandbox.url("contoso/shop/_git/web"));
}

#[test]
fn another_setting_that_goes_before_ours_is_told_and_ours_is_taken_back() {
    let sandbox = both();
    sandbox.write(".git/more", "[remote \"origin\"]\n\turl = https://github.com/ada/web.git\n");
    let _ = sandbox.git(["config", "include.path", "more"]);
    let before = configuration(&sandbox);
    let output = sandbox.run(["remote-add", "origin", "shop/api", "--create", "--replace"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Created shop/api
error: remote.origin.url is set elsewhere too, and that goes before what would be written here
hint: `git config --show-origin --get-all remote.origin.url` says where
hint: made so far: the repository contoso/shop/api; once this is settled, the same command goes on
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(configuration(&sandbox), before);
}

#[test]
fn a_remote_in_the_clone_button_s_spelling_is_left_as_it_is() {
    let sandbox = both();
    let url = sandbox.url("contoso/shop/_git/web").replace("://", "://contoso@");
    let _ = sandbox.git(["remote", "add", "origin", &url]);
    let before = configuration(&sandbox);
    let output = sandbox.run(["remote-add", "origin", "shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Remote origin is there already: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(configuration(&sandbox), before);
}

#[test]
fn the_remote_is_for_ssh_where_that_is_asked_for() {
    let sandbox = both();
    let output = sandbox.run(["remote-add", "shop/web", "--ssh"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Added remote origin: git@127.0.0.1:v3/contoso/shop/web
[exit 0]

"#]]
        .raw()
    );
    let output = sandbox.run(["remote-add", "shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the remote origin is there already, and points to 127.0.0.1:v3/contoso/shop/web
hint: add another, `git vsts remote-add azure contoso/shop/web`, or point this one there with `--replace`
[exit 1]

"#]].raw());
    let output = sandbox.run(["remote-add", "shop/web", "--replace", "--json"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stdout
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false}
--- stderr
Changed remote origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]].raw());
    assert_eq!(output.json()["created"], false);
}

#[test]
fn a_missing_repository_is_made_where_that_is_asked_for() {
    let sandbox = both();
    let output = sandbox.run(["remote-add", "shop/api"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: contoso/shop has no repository api, or this account can't see it
hint: check its spelling, or make it: the same command with `--create`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
    let output = sandbox.run(["remote-add", "shop/api", "--create"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/api
--- stderr
Created shop/api
Added remote origin: https://azure/contoso/shop/_git/api
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_missing_project_is_not_made() {
    let sandbox = both();
    let output = sandbox.run(["remote-add", "my tools/api", "--create"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: contoso has no project my tools, or this account can't see it
hint: check its spelling, or make it with `git vsts init 'contoso/my tools/api' --create-project`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn a_folder_that_is_no_repository_gets_no_remote() {
    let sandbox = Sandbox::signed_in();
    let output = sandbox.run(["remote-add", "shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: /work is in no git repository
hint: make one: `git vsts init ORG/PROJECT/REPO`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_configuration_that_is_read_only_is_told_before_anything_is_made() {
    let sandbox = both();
    let file = sandbox.work().join(".git/config");
    let before = configuration(&sandbox);
    let mut permissions = fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&file, permissions).unwrap();
    let output = sandbox.run(["remote-add", "shop/api", "--create"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: /work/.git/config can't be changed: it is read-only
hint: check the file's permissions and the free space
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
    assert_eq!(configuration(&sandbox), before);
}

#[test]
fn a_configuration_that_only_its_owner_may_read_stays_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = both();
    let file = sandbox.work().join(".git/config");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let output = sandbox.run(["remote-add", "shop/web"]);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_linked_work_tree_shares_its_remotes() {
    let sandbox = both();
    let _ = sandbox.git(["worktree", "add", "--quiet", "../linked"]);
    let linked = sandbox.work().join("../linked");
    let output = sandbox.run_in(&linked, ["remote-add", "shop/web"], "");
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(
        sandbox.git(["config", "--local", "remote.origin.url"]),
        sandbox.url("contoso/shop/_git/web")
    );
    let again = sandbox.run(["remote-add", "shop/web"]);
    assert!(again.stderr.starts_with("Remote origin is there already"), "{again}");
}

#[test]
fn a_bare_repository_can_have_a_remote_and_no_commit() {
    let sandbox = both();
    let _ = sandbox.git(["init", "--quiet", "--bare", "bare.git"]);
    let bare = sandbox.work().join("bare.git");
    let output = sandbox.run_in(&bare, ["remote-add", "shop/web"], "");
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
    let output = sandbox.run_in(&bare, ["init", "shop/web", "--commit", "One"], "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: a bare repository has no files to commit
hint: run it in a clone with files
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let sandbox = both();
    let _ = sandbox.git(["init", "--quiet", "other"]);
    let other = sandbox.work().join("other");
    let commit = ["commit", "--quiet", "--allow-empty", "--message", "One"];
    assert!(sandbox.command("git", commit, &other).status().unwrap().success());
    let _ = sandbox.git([
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        "./other",
        "part",
    ]);
    let part = sandbox.work().join("part");
    let before = configuration(&sandbox);
    let output = sandbox.run_in(&part, ["remote-add", "azure", "shop/web"], "");
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(configuration(&sandbox), before);
    let remotes = sandbox.command("git", ["remote"], &part).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&remotes.stdout), "azure\norigin\n");
}

#[test]
fn git_dir_is_believed() {
    let sandbox = both();
    let elsewhere = sandbox.home().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    sandbox.set("GIT_DIR", &sandbox.work().join(".git").display().to_string());
    let output = sandbox.run_in(&elsewhere, ["remote-add", "shop/web"], "");
    assert_eq!(output.status, 0, "{output}");
    assert!(String::from_utf8(configuration(&sandbox)).unwrap().contains("contoso/shop/_git/web"));
    sandbox.set("GIT_DIR", &sandbox.home().join("nowhere").display().to_string());
    let output = sandbox.run_in(&elsewhere, ["remote-add", "shop/web"], "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the repository at /home/nowhere can't be opened: GIT_DIR leads to no repository
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_dot_git_that_leads_nowhere_is_told() {
    let sandbox = Sandbox::signed_in();
    let mut said = String::new();
    fs::create_dir(sandbox.work().join("below")).unwrap();
    let dot_git = sandbox.work().join(".git");
    for kind in ["file", "link", "rubbish", "folder"] {
        match kind {
            "file" => fs::write(&dot_git, "gitdir: /nowhere/at/all\n").unwrap(),
            "link" => std::os::unix::fs::symlink("/nowhere/at/all", &dot_git).unwrap(),
            "rubbish" => fs::write(&dot_git, "hello\n").unwrap(),
            _ => fs::create_dir(&dot_git).unwrap(),
        }
        for command in [&["init", "shop/web"][..], &["remote-add", "shop/web"], &["push"]] {
            said.push_str(&format!("{kind}: {}\n{}", command[0], sandbox.run(command)));
        }
        if kind != "folder" {
            let below = sandbox.run_in(&sandbox.work().join("below"), ["init", "shop/web"], "");
            said.push_str(&format!("{kind}: init in a folder below\n{below}"));
        }
        let _ = fs::remove_file(&dot_git).or_else(|_| fs::remove_dir_all(&dot_git));
    }
    assert_data_eq!(
        said,
        str![[r#"
file: init
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
file: remote-add
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
file: push
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
file: init in a folder below
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
link: init
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
link: remote-add
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
link: push
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
link: init in a folder below
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
rubbish: init
--- stderr
error: the repository at /work can't be opened: the `.git` file at '/work/.git' is malformed
[exit 1]
rubbish: remote-add
--- stderr
error: the repository at /work can't be opened: the `.git` file at '/work/.git' is malformed
[exit 1]
rubbish: push
--- stderr
error: the repository at /work can't be opened: the `.git` file at '/work/.git' is malformed
[exit 1]
rubbish: init in a folder below
--- stderr
error: the repository at /work/below can't be opened: the `.git` file at '/work/.git' is malformed
[exit 1]
folder: init
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
folder: remote-add
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]
folder: push
--- stderr
error: the repository at /work can't be opened: its .git leads to no repository
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_dot_git_that_leads_to_a_repository_is_followed() {
    let sandbox = both();
    let real = sandbox.home().join("real.git");
    fs::rename(sandbox.work().join(".git"), &real).unwrap();
    std::os::unix::fs::symlink(&real, sandbox.work().join(".git")).unwrap();
    let output = sandbox.run(["remote-add", "shop/web"]);
    assert_eq!(output.status, 0, "{output}");
    fs::remove_file(sandbox.work().join(".git")).unwrap();
    sandbox.write(".git", &format!("gitdir: {}\n", real.display()));
    let output = sandbox.run(["remote-add", "shop/web"]);
    assert!(output.stderr.starts_with("Remote origin is there already"), "{output}");
}

#[test]
fn names_are_found_where_the_first_place_says_them() {
    let sandbox = both();
    for (organization, project) in [("fabrikam", "tools"), ("initech", "desk")] {
        sandbox.azure.organization(organization).repository(project, "work");
        let _ = sandbox.sign_in(organization);
    }
    // Nothing says which of the three.
    let output = sandbox.run(["remote-add"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: not known: the organization (ORG in TARGET), the project (PROJECT in TARGET)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[exit 2]

"#]]
        .raw()
    );
    // A remote of the repository here.
    let _ = sandbox.git(["remote", "add", "old", &sandbox.url("contoso/shop/_git/web")]);
    let output = sandbox.run(["remote-add", "one", "web"]);
    assert_eq!(output.stdout, "https://azure/contoso/shop/_git/web\n", "{output}");
    // The repository's own configuration goes before it.
    let _ = sandbox.git(["config", "vsts.organization", "fabrikam"]);
    let _ = sandbox.git(["config", "vsts.project", "tools"]);
    let output = sandbox.run(["remote-add", "two"]);
    assert_eq!(output.stdout, "https://azure/fabrikam/tools/_git/work\n", "{output}");
    // The environment goes before that.
    sandbox.set("GIT_VSTS_ORG", "initech");
    sandbox.set("GIT_VSTS_PROJECT", "desk");
    let output = sandbox.run(["remote-add", "three"]);
    assert_eq!(output.stdout, "https://azure/initech/desk/_git/work\n", "{output}");
    // The argument goes before all.
    let output = sandbox.run(["remote-add", "four", "contoso/shop/web"]);
    assert_eq!(output.stdout, "https://azure/contoso/shop/_git/web\n", "{output}");
}

#[test]
fn an_organization_of_the_repository_s_own_configuration_is_a_bare_name() {
    let sandbox = both();
    for value in ["https://evil.example/contoso", &sandbox.url("contoso"), "con/toso", ""] {
        let _ = sandbox.git(["config", "vsts.organization", value]);
        let output = sandbox.run(["remote-add", "shop/web"]);
        assert_data_eq!(
            output.to_string(),
            str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: vsts.organization in the repository's own configuration (local) is ignored
Added remote origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
            .raw()
        );
        let _ = sandbox.git(["remote", "remove", "origin"]);
    }
}

#[test]
fn a_name_of_the_environment_that_is_none_is_told() {
    let sandbox = both();
    let mut said = String::new();
    for (variable, value) in [
        ("GIT_VSTS_ORG", "con toso"),
        ("GIT_VSTS_ORG", "https://evil.example/contoso"),
        ("GIT_VSTS_ORG", "-x"),
        ("GIT_VSTS_PROJECT", "../shop"),
    ] {
        sandbox.set(variable, value);
        said.push_str(&sandbox.run(["remote-add", "web"]).to_string());
        sandbox.set(variable, "");
    }
    assert_data_eq!(
        said,
        str![[r#"
--- stderr
error: GIT_VSTS_ORG can't be used
  caused by: organization name `con toso` has a blank in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: GIT_VSTS_ORG can't be used
  caused by: evil.example is not a host of Azure DevOps
[exit 2]
--- stderr
error: GIT_VSTS_ORG can't be used
  caused by: organization name `-x` starts with `-`
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
[exit 2]
--- stderr
error: GIT_VSTS_PROJECT can't be used
  caused by: project name `../shop` has `/` in it
[exit 2]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_token_that_may_only_read_is_enough_for_a_repository_that_is_there() {
    let sandbox = both();
    let token = Token::new().scopes("vso.code").account("ada@contoso.com").valid_days(30);
    sandbox.set("GIT_VSTS_PAT", &sandbox.contoso().token(token));
    let output = sandbox.run(["remote-add", "shop/web"]);
    assert_eq!(output.status, 0, "{output}");
    let output = sandbox.run(["remote-add", "other", "shop/api", "--create"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the token's scope does not allow this: "Code: read, write & manage" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
}

#[test]
fn an_answer_can_not_send_the_remote_elsewhere() {
    for url in [
        "https://evil.example/contoso/shop/_git/web",
        "{}/fabrikam/shop/_git/web",
        "ext::sh -c touch% /tmp/pwned",
    ] {
        let sandbox = both();
        let answer = serde_json::json!({ "name": "web", "remoteUrl": url.replace("{}", sandbox.azure.url()) });
        sandbox.azure.answer(
            Rule::new("GET", "/contoso/shop/_apis/git/repositories/web"),
            Answer::json(200, &answer),
        );
        let output = sandbox.run(["remote-add", "shop/web"]);
        assert_eq!(output.stdout, "https://azure/contoso/shop/_git/web\n", "{url}: {output}");
    }
}

#[test]
fn a_configuration_file_behind_a_link_is_changed_where_it_lies() {
    let sandbox = both();
    let real = sandbox.home().join("config");
    let link = sandbox.work().join(".git/config");
    fs::rename(&link, &real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let output = sandbox.run(["remote-add", "shop/web"]);
    assert_eq!(output.status, 0, "{output}");
    assert!(Path::new(&link).symlink_metadata().unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("_git/web"));
}
