//! `git vsts init`

use std::fs;
use std::path::Path;

use double::{Answer, Rule, Token};
use serde_json::json;
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Sandbox, write_program};

/// The scopes that making a project takes.
const PROJECTS: &str = "vso.code_manage vso.project_manage";

/// The requests that are to change something.
fn changes(sandbox: &Sandbox) -> Vec<String> {
    sandbox.requests().into_iter().filter(|request| !request.starts_with("GET ")).collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder with files that is no repository yet.
fn files() -> Sandbox {
    let sandbox = Sandbox::signed_in();
    sandbox.write("README.md", "# web\n");
    sandbox.write("src/main.rs", "fn main() {}\n");
    sandbox
}

/// Writes a program of the shell.
fn script(path: &Path, lines: &str) {
    write_program(path, &format!("#!/bin/sh\n{lines}\n"));
}

/// A token of these scopes for every run from now on.
fn with_scopes(sandbox: &Sandbox, scopes: &str) {
    let token = Token::new().scopes(scopes).account("ada@contoso.com").valid_days(30);
    sandbox.set("GIT_VSTS_PAT", &sandbox.contoso().token(token));
}

#[test]
fn a_fresh_folder_becomes_a_pushed_repository() {
    let sandbox = files();
    let output = sandbox.run(["init", "contoso/shop/web", "--commit", "First", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Made a git repository in /work
To be committed, 2 files:
  README.md
  src/main.rs
Committed: First
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (5/5) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        sandbox.requests().join("\n"),
        str![[r#"
GET /contoso/shop/_apis/git/repositories/web?api-version=7.1 404
GET /contoso/shop/_apis/git/repositories?api-version=7.1 200
POST /contoso/shop/_apis/git/repositories?api-version=7.1 201
GET /contoso/shop/_git/web/info/refs?service=git-receive-pack 200
POST /contoso/shop/_git/web/git-receive-pack 200
"#]]
        .raw()
    );
    assert_eq!(
        sandbox.server("shop", "web", &["log", "--format=%an: %s", "main"]),
        "Ada Lovelace: First"
    );
    assert_eq!(sandbox.git(["status", "--porcelain", "--branch"]), "## main...origin/main");
    assert_eq!(sandbox.git(["config", "remote.origin.url"]), sandbox.url("contoso/shop/_git/web"));
}

#[test]
fn a_second_run_changes_nothing_and_succeeds() {
    let sandbox = files();
    let command = ["init", "contoso/shop/web", "--commit", "First", "--push"];
    let first = sandbox.run(command);
    assert_eq!(first.status, 0, "{first}");
    let git = sandbox.work().join(".git");
    let before = [bytes(&git.join("config")), bytes(&git.join("HEAD"))];
    let head = sandbox.git(["rev-parse", "HEAD"]);
    sandbox.azure.clear_requests();
    let second = sandbox.run(command);
    assert_data_eq!(
        second.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Nothing to commit
Remote origin is there already: https://azure/contoso/shop/_git/web
main → origin/main (up to date)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(changes(&sandbox), [""; 0]);
    assert_eq!([bytes(&git.join("config")), bytes(&git.join("HEAD"))], before);
    assert_eq!(sandbox.git(["rev-parse", "HEAD"]), head);
}

#[test]
fn names_that_are_spelled_otherwise_the_second_time_change_nothing_either() {
    let sandbox = files();
    let first = sandbox.run(["init", "Contoso/SHOP/web"]);
    assert_data_eq!(
        first.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Made a git repository in /work
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
    let before = bytes(&sandbox.work().join(".git/config"));
    sandbox.azure.clear_requests();
    let second = sandbox.run(["init", "CONTOSO/shop/WEB"]);
    assert_data_eq!(
        second.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Remote origin is there already: https://azure/contoso/shop/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
    assert_eq!(bytes(&sandbox.work().join(".git/config")), before);
}

#[test]
fn without_a_commit_and_a_push_only_the_remote_is_set() {
    let sandbox = files();
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Made a git repository in /work
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["status", "--porcelain"]), "?? README.md\n?? src/");
}

#[test]
fn in_a_subfolder_the_repository_above_is_served() {
    let sandbox = files();
    sandbox.repository();
    let output = sandbox.run_in(&sandbox.work().join("src"), ["init", "shop/web"], "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
    assert!(!sandbox.work().join("src/.git").exists());
}

#[test]
fn in_a_subfolder_the_name_is_that_of_the_repository_above() {
    let sandbox = files();
    sandbox.repository();
    sandbox.set("GIT_VSTS_PROJECT", "shop");
    let output = sandbox.run_in(&sandbox.work().join("src"), ["init"], "");
    assert_eq!(output.stdout, "https://azure/contoso/shop/_git/work\n", "{output}");
}

#[test]
fn a_new_repository_gets_the_branch_that_is_named() {
    let sandbox = files();
    let output = sandbox.run(["init", "shop/web", "--branch", "trunk"]);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(sandbox.git(["symbolic-ref", "HEAD"]), "refs/heads/trunk");
}

#[test]
fn a_branch_without_a_commit_is_renamed_and_pushed() {
    let sandbox = files();
    let _ = sandbox.git(["init", "--quiet"]);
    let output =
        sandbox.run(["init", "shop/web", "--branch", "trunk", "--commit", "One", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
To be committed, 2 files:
  README.md
  src/main.rs
Committed: One
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (5/5) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
trunk → origin/trunk (new)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(
        sandbox.git(["branch", "--all", "--format=%(refname)"]),
        "refs/heads/trunk\nrefs/remotes/origin/trunk"
    );
}

#[test]
fn a_branch_with_commits_is_not_renamed() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let output = sandbox.run(["init", "shop/web", "--branch", "trunk"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the branch here is main, and has commits
hint: `git switch --create trunk` begins another from it
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
    assert_eq!(sandbox.run(["init", "shop/web", "--branch", "main"]).status, 0);
}

#[test]
fn the_remote_may_have_another_name() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", "https://github.com/ada/web.git"]);
    let taken = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(
        taken.to_string(),
        str![[r#"
--- stderr
error: the remote origin is there already, and points to https://github.com/ada/web.git
hint: give the new one another name: `--remote azure`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
    let output = sandbox.run(["init", "shop/web", "--remote", "azure", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Created shop/web
Added remote azure: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → azure/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["config", "remote.origin.url"]), "https://github.com/ada/web.git");
}

#[test]
fn a_new_project_is_made_and_its_own_repository_used_where_the_names_agree() {
    let sandbox = files();
    with_scopes(&sandbox, PROJECTS);
    sandbox.contoso().operation_polls(0);
    let output = sandbox.run([
        "init",
        "Tools/tools",
        "--create-project",
        "--description",
        "What we work with",
        "--commit",
        "One",
        "--push",
    ]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/Tools/_git/Tools
--- stderr
Made a git repository in /work
To be committed, 2 files:
  README.md
  src/main.rs
Committed: One
Created project contoso/Tools
Added remote origin: https://azure/contoso/Tools/_git/Tools
remote: Analyzing objects... (5/5) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        sandbox.requests().join("\n"),
        str![[r#"
GET /contoso/Tools/_apis/git/repositories/tools?api-version=7.1 404
GET /contoso/_apis/projects/Tools?api-version=7.1 404
GET /contoso/_apis/process/processes?api-version=7.1 401
POST /contoso/_apis/projects?api-version=7.1 202
GET /contoso/_apis/operations/b5de68c0-6a72-40dd-a232-29599ffa6129?api-version=7.1 200
GET /contoso/Tools/_apis/git/repositories/tools?api-version=7.1 200
GET /contoso/Tools/_git/Tools/info/refs?service=git-receive-pack 200
POST /contoso/Tools/_git/Tools/git-receive-pack 200
"#]]
        .raw()
    );
    assert_eq!(sandbox.server("Tools", "Tools", &["log", "--format=%s", "main"]), "One");
    let made = sandbox.azure.requests().into_iter().find(|request| request.method == "POST");
    let body = made.and_then(|request| request.json()).expect("a project was made");
    assert_eq!(body["description"], "What we work with");
    sandbox.azure.clear_requests();
    let again = sandbox.run(["init", "tools/TOOLS", "--create-project"]);
    assert_eq!(again.status, 0, "{again}");
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn a_new_project_gets_a_repository_of_another_name() {
    let sandbox = files();
    with_scopes(&sandbox, PROJECTS);
    sandbox.contoso().operation_polls(0);
    let output = sandbox.run(["init", "tools/web", "--create-project"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/tools/_git/web
--- stderr
Made a git repository in /work
Created project contoso/tools
Created tools/web
Added remote origin: https://azure/contoso/tools/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_project_that_the_service_gives_up_on_is_told() {
    let sandbox = files();
    with_scopes(&sandbox, PROJECTS);
    sandbox.contoso().operation_polls(0);
    sandbox.contoso().project_creation_fails("TF30207: Initialization failed.");
    let output = sandbox.run(["init", "tools/web", "--create-project"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Made a git repository in /work
error: project tools could not be made: TF30207: Initialization failed
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/tools/web --create-project` goes on
[exit 1]

"#]]
        .raw()
    );
    assert!(!sandbox.work().join(".git/refs/remotes").exists());
}

#[test]
fn a_token_that_may_make_no_project_is_told_the_scope() {
    let sandbox = files();
    let output = sandbox.run(["init", "tools/web", "--create-project"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: the token's scope does not allow this: "Project and team: read, write & manage" is missing
hint: make a token with "Project and team: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/tools/web --create-project` goes on
[exit 4]

"#]].raw());
}

#[test]
fn an_account_that_may_make_no_project_is_told_the_permission() {
    let sandbox = files();
    with_scopes(&sandbox, PROJECTS);
    sandbox.contoso().operation_polls(0);
    sandbox.contoso().forbid_projects();
    let output = sandbox.run(["init", "tools/web", "--create-project"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: this account may not do this in contoso: The following account does not have sufficient permissions to complete the operation. The following permissions are needed to perform this operation: Create new projects (TF50309)
hint: ask an administrator of the organization for the permission to make projects
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/tools/web --create-project` goes on
[exit 4]

"#]].raw());
}

#[test]
fn a_project_that_is_there_and_can_not_be_seen_has_its_name_taken() {
    let sandbox = files();
    with_scopes(&sandbox, PROJECTS);
    sandbox.contoso().operation_polls(0);
    sandbox.contoso().project("vault").hide("vault");
    let output = sandbox.run(["init", "vault/web", "--create-project"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: the name vault is taken in contoso: The following project already exists on the Azure DevOps Server: vault. You cannot create a new project with the same name as an existing project (TF200019)
hint: it may be out of your sight or in the recycle bin: choose another name
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/vault/web --create-project` goes on
[exit 1]

"#]].raw());
}

#[test]
fn a_missing_project_is_not_made_unasked() {
    let sandbox = files();
    let output = sandbox.run(["init", "tools/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: contoso has no project tools, or this account can't see it
hint: check its spelling, or make it with `git vsts init contoso/tools/web --create-project`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
    assert!(!sandbox.work().join(".git").exists());
}

#[test]
fn a_token_that_may_make_no_repository_is_told_the_scope() {
    let sandbox = files();
    with_scopes(&sandbox, "vso.code_write vso.project");
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: the token's scope does not allow this: "Code: read, write & manage" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/shop/web` goes on
[exit 4]

"#]].raw());
}

#[test]
fn a_token_that_may_read_nothing_is_told_the_scope() {
    let sandbox = files();
    with_scopes(&sandbox, "vso.profile");
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: the token's scope does not allow this: "Code: read" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
    assert!(!sandbox.work().join(".git").exists());
}

#[test]
fn an_account_that_may_make_no_repository_is_told_the_permission() {
    let sandbox = files();
    sandbox.contoso().forbid_repositories("shop");
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: this account may not do this in contoso: You need the Git 'CreateRepository' permission to perform this action. Details: identity 'Ada Lovelace', scope 'project' (TF401027)
hint: ask a project administrator for the permission "Create repository"
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/shop/web` goes on
[exit 4]

"#]].raw());
}

#[test]
fn a_disabled_repository_is_told() {
    let sandbox = files();
    sandbox.contoso().repository("shop", "web");
    sandbox.contoso().disable("shop", "web");
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: repository shop/web is disabled
hint: a project administrator can switch it on in the project's settings, under Repositories
[exit 1]

"#]]
        .raw()
    );
    assert!(!sandbox.work().join(".git").exists());
}

#[test]
fn a_project_that_is_still_being_made_is_told() {
    let sandbox = files();
    let missing = "VS800075: The project with id 'vstfs:///Classification/TeamProject/tools' does not exist, or you do not have permission to access it.";
    sandbox.azure.answer(
        Rule::new("GET", "/contoso/tools/_apis/git/repositories/web"),
        Answer::error(404, "ProjectDoesNotExistException", missing),
    );
    let project = json!({ "id": "x", "name": "tools", "state": "createPending" });
    sandbox
        .azure
        .answer(Rule::new("GET", "/contoso/_apis/projects/tools"), Answer::json(200, &project));
    let output = sandbox.run(["init", "tools/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: project tools is not ready: its state is createPending
hint: it is being made: run the same command again in a minute
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn a_missing_project_is_known_by_each_of_its_shapes() {
    for (status, type_key, message) in [
        (
            404,
            "ProjectDoesNotExistException",
            "VS800075: The project with id 'x' does not exist, or you do not have permission to access it.",
        ),
        (
            400,
            "ProjectDoesNotExistException",
            "VS800075: The project with id 'x' does not exist, or you do not have permission to access it.",
        ),
        (
            404,
            "ProjectDoesNotExistWithNameException",
            "TF200016: The following project does not exist: x.",
        ),
    ] {
        let sandbox = files();
        sandbox.azure.answer(
            Rule::new("GET", "/contoso/tools/_apis/git/repositories/web"),
            Answer::error(status, type_key, message),
        );
        let output = sandbox.run(["init", "tools/web"]);
        assert_eq!(output.status, 1, "{output}");
        assert!(output.stderr.contains("contoso has no project tools"), "{output}");
    }
}

#[test]
fn a_repository_that_can_not_be_seen_has_its_name_taken() {
    let sandbox = files();
    sandbox.azure.answer(
        Rule::new("POST", "…/_apis/git/repositories"),
        Answer::error(
            409,
            "GitRepositoryNameAlreadyExistsException",
            "TF400948: A Git repository with the name web already exists.",
        ),
    );
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: the name web is taken in contoso: A Git repository with the name web already exists (TF400948)
hint: it may be out of your sight or in the recycle bin: choose another name
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/shop/web` goes on
[exit 1]

"#]].raw());
}

#[test]
fn an_organization_that_is_not_there_is_told() {
    let sandbox = files();
    sandbox.set("GIT_VSTS_PAT", "a-token");
    let output = sandbox.run(["init", "fabrikam/shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: there is no organization fabrikam
hint: check its spelling: it is the part after https://dev.azure.com/ in the browser
[exit 1]

"#]]
        .raw()
    );
    assert!(!sandbox.work().join(".git").exists());
}

#[test]
fn a_token_for_code_alone_does_not_hide_that_the_project_is_missing() {
    let sandbox = files();
    sandbox.azure.answer(Rule::new("GET", "/contoso/_apis/projects/tools"), Answer::status(401));
    let output = sandbox.run(["init", "tools/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: contoso has no project tools, or this account can't see it
hint: check its spelling, or make it with `git vsts init contoso/tools/web --create-project`
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_repository_that_another_run_made_meanwhile_is_taken() {
    let sandbox = files();
    sandbox.contoso().repository("shop", "web");
    sandbox.azure.answer(
        Rule::new("GET", "/contoso/shop/_apis/git/repositories/web").times(1),
        Answer::error(
            404,
            "GitRepositoryNotFoundException",
            "TF401019: The Git repository with name or identifier web does not exist.",
        ),
    );
    let empty = json!({ "value": [], "count": 0 });
    sandbox.azure.answer(
        Rule::new("GET", "/contoso/shop/_apis/git/repositories").times(1),
        Answer::json(200, &empty),
    );
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Made a git repository in /work
Added remote origin: https://azure/contoso/shop/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_project_that_another_run_is_making_is_told() {
    let sandbox = files();
    with_scopes(&sandbox, PROJECTS);
    let pending = json!({ "id": "x", "name": "tools", "state": "createPending" });
    sandbox.contoso().project("tools").hide("tools");
    sandbox.azure.answer(
        Rule::new("GET", "/contoso/_apis/projects/tools").after(1),
        Answer::json(200, &pending),
    );
    let output = sandbox.run(["init", "tools/web", "--create-project"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: project tools is not ready: its state is createPending
hint: it is being made: run the same command again in a minute
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/tools/web --create-project` goes on
[exit 1]

"#]].raw());
}

#[test]
fn nothing_is_made_for_a_name_that_the_service_would_not_take() {
    let sandbox = files();
    let mut said = String::new();
    for (target, flag) in [
        ("shop/a:b", "--push"),
        ("shop/_web", "--push"),
        ("shop/\u{1f600}", "--push"),
        ("shop/web.", "--push"),
        (&format!("shop/{}", "x".repeat(65)), "--push"),
        ("con/web", "--create-project"),
        ("tools/we?b", "--create-project"),
    ] {
        let output = sandbox.run(["init", target, "--commit", "One", flag]);
        said.push_str(&output.to_string());
        assert_eq!(output.status, 2, "{target}: {output}");
        assert_eq!(changes(&sandbox), [""; 0]);
        assert!(!sandbox.work().join(".git").exists());
    }
    assert_data_eq!(said, str![[r#"
--- stderr
error: repository name `a:b` has `:` in it
[exit 2]
--- stderr
error: repository name `_web` starts with `_`
[exit 2]
--- stderr
error: repository name `😀` has `😀` in it, which is a surrogate pair in UTF-16
[exit 2]
--- stderr
error: repository name `web.` ends with `.`
[exit 2]
--- stderr
error: repository name `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is longer than 64 characters
[exit 2]
--- stderr
error: project name `con` is reserved
[exit 2]
--- stderr
error: repository name `we?b` has `?` in it
[exit 2]

"#]].raw());
}

#[test]
fn an_unknown_identity_is_told_before_anything_is_made_at_the_service() {
    let sandbox = files();
    sandbox.write_home(".gitconfig", "[user]\n\tuseConfigOnly = true\n");
    let output = sandbox.run(["init", "shop/web", "--commit", "First commit", "--push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
error: git does not know who commits: no email was given and auto-detection is disabled
hint: say who you are: `git config --global user.name NAME` and `git config --global user.email ADDRESS`
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/shop/web --commit 'First commit' --push` goes on
[exit 1]

"#]].raw());
    assert_eq!(changes(&sandbox), [""; 0]);
    sandbox.write_home(
        ".gitconfig",
        "[user]\n\tname = Ada\n\temail = ada@contoso.com\n[init]\n\tdefaultBranch = main\n",
    );
    let again = sandbox.run(["init", "contoso/shop/web", "--commit", "First commit", "--push"]);
    assert_data_eq!(
        again.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
To be committed, 2 files:
  README.md
  src/main.rs
Committed: First commit
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (5/5) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
master → origin/master (new)
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_failing_commit_hook_stops_before_anything_is_made_at_the_service() {
    let sandbox = files();
    let _ = sandbox.git(["init", "--quiet"]);
    script(&sandbox.work().join(".git/hooks/pre-commit"), "echo no commit on a Friday >&2; exit 1");
    let output = sandbox.run(["init", "shop/web", "--commit", "First", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
To be committed, 2 files:
  README.md
  src/main.rs
no commit on a Friday
error: `git commit` failed (exit status: 1)
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn a_signature_that_can_not_be_made_stops_before_anything_is_made_at_the_service() {
    let sandbox = files();
    let signer = sandbox.home().join("signer");
    script(&signer, "echo gpg: no secret key >&2; exit 2");
    sandbox.write_home(
        ".gitconfig",
        &format!(
            "[user]\n\tname = Ada\n\temail = ada@contoso.com\n[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = {}\n",
            signer.display()
        ),
    );
    let output = sandbox.run(["init", "shop/web", "--commit", "First", "--push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
To be committed, 2 files:
  README.md
  src/main.rs
error: gpg failed to sign the data:
gpg: no secret key

fatal: failed to write commit object
error: `git commit` failed (exit status: 128)
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/shop/web --commit First --push` goes on
[exit 1]

"#]].raw());
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn an_empty_folder_has_nothing_to_push() {
    let sandbox = Sandbox::signed_in();
    let output = sandbox.run(["init", "shop/web", "--commit", "First", "--push"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
Nothing to commit
error: /work has no file to push
hint: add a file first
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/shop/web --commit First --push` goes on
[exit 1]

"#]].raw());
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn a_push_without_a_commit_is_told_before_anything_is_made() {
    let sandbox = files();
    let output = sandbox.run(["init", "shop/web", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: there is no commit to push
hint: `git vsts init contoso/shop/web --commit MESSAGE --push` commits all that is here first
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
    assert!(!sandbox.work().join(".git").exists());
    let _ = sandbox.git(["init", "--quiet"]);
    let output = sandbox.run(["init", "shop/web", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: there is no commit to push
hint: `git vsts init contoso/shop/web --commit MESSAGE --push` commits all that is here first
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn a_detached_head_is_not_pushed() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let _ = sandbox.git(["checkout", "--quiet", "--detach"]);
    let output = sandbox.run(["init", "shop/web", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: no branch is checked out: HEAD is detached
hint: say where it goes: `git vsts push REMOTE HEAD:refs/heads/BRANCH`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
    let output = sandbox.run(["init", "shop/web", "--branch", "trunk"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: no branch is checked out: HEAD is detached
hint: `git switch --create trunk` begins one here
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn a_branch_has_a_name_that_git_takes() {
    let sandbox = files();
    for branch in ["-x", "a..b", "a b", "HEAD", "a\u{1b}b", "x.lock", ""] {
        let branch = format!("--branch={branch}");
        let output = sandbox.run(["init", "shop/web", &branch]);
        assert_eq!(output.status, 2, "{branch}: {output}");
        assert_eq!(sandbox.requests(), [""; 0]);
        assert!(!sandbox.work().join(".git").exists());
    }
}

#[test]
fn a_message_that_is_empty_is_none() {
    let sandbox = files();
    let output = sandbox.run(["init", "shop/web", "--commit", "  "]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the message of the commit is empty
[exit 2]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn what_is_committed_is_shown_and_secrets_are_warned_of() {
    let sandbox = files();
    for number in 1..=12 {
        sandbox.write(&format!("doc/{number:02}.txt"), "text\n");
    }
    sandbox.write(".gitignore", "target/\n*.log\n");
    sandbox.write("target/debug/web", "binary\n");
    sandbox.write("web.log", "log\n");
    sandbox.write(".env", "KEY=1\n");
    sandbox.write("keys/server.pem", "-----BEGIN\n");
    sandbox.write("keys/id_ed25519", "-----BEGIN\n");
    let output = sandbox.run(["init", "shop/web", "--commit", "First"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Made a git repository in /work
To be committed, 18 files:
  .env
  .gitignore
  README.md
  doc/01.txt
  doc/02.txt
  doc/03.txt
  doc/04.txt
  doc/05.txt
  doc/06.txt
  doc/07.txt
  and 8 more
warning: .env may hold a secret; name it in .gitignore to leave it out
warning: keys/id_ed25519 may hold a secret; name it in .gitignore to leave it out
warning: keys/server.pem may hold a secret; name it in .gitignore to leave it out
Committed: First
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["ls-files", "target", "web.log"]), "");
}

#[test]
fn the_object_says_all() {
    let sandbox = files();
    let output = sandbox.run(["init", "shop/web", "--commit", "First", "--push", "--json"]);
    assert_data_eq!(output.stdout.clone(), str![[r#"
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":true,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":"539698c1a21ad6096f3b7d20dc62e6bfb51fc317","status":"new"}]}

"#]].raw());
    let again = sandbox.run(["init", "shop/web", "--json"]);
    assert_data_eq!(again.stdout.clone(), str![[r#"
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false}

"#]].raw());
}

#[test]
fn the_remote_is_for_ssh_where_that_is_asked_for() {
    let sandbox = files();
    let output = sandbox.run(["init", "shop/web", "--ssh"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Made a git repository in /work
Created shop/web
Added remote origin: git@127.0.0.1:v3/contoso/shop/web
Nothing is there yet: `git push` sends what is here
[exit 0]

"#]]
        .raw()
    );
    sandbox.azure.clear_requests();
    let again = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(
        again.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Remote origin is there already: git@127.0.0.1:v3/contoso/shop/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(changes(&sandbox), [""; 0]);
    let push = sandbox.run(["init", "shop/web", "--push", "--commit", "One"]);
    assert_data_eq!(
        push.to_string(),
        str![[r#"
--- stderr
error: git itself pushes over SSH
hint: leave `--push` out, and end with `git push --set-upstream origin HEAD`
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_push_over_ssh_is_git_s() {
    let sandbox = files();
    let output = sandbox.run(["init", "shop/web", "--ssh", "--commit", "One", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: git itself pushes over SSH
hint: leave `--push` out, and end with `git push --set-upstream origin HEAD`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
    assert!(!sandbox.work().join(".git").exists());
}

#[test]
fn a_service_that_is_down_leaves_what_is_here() {
    let sandbox = files();
    sandbox.azure.answer(
        Rule::new("POST", "…/_apis/git/repositories").times(1),
        Answer::error(503, "VssServiceException", "TF400898: An Internal Error Occurred."),
    );
    let command = ["init", "shop/web", "--commit", "First commit", "--push"];
    let output = sandbox.run(command);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
To be committed, 2 files:
  README.md
  src/main.rs
Committed: First commit
error: azure is unavailable (status 503): An Internal Error Occurred (TF400898)
hint: try again in a minute; https://status.dev.azure.com says how the service is
hint: made so far: a git repository here and a commit of all that is here; once this is settled, `git vsts init contoso/shop/web --commit 'First commit' --push` goes on
[exit 5]

"#]].raw());
    let again = sandbox.run(command);
    assert_data_eq!(
        again.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Nothing to commit
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (5/5) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_connection_that_is_cut_after_the_repository_was_made_is_gone_on_from() {
    let sandbox = files();
    sandbox.azure.answer(
        Rule::new("POST", "…/_apis/git/repositories").times(1),
        Answer::reset().after_serving(),
    );
    let command = ["init", "shop/web", "--commit", "First commit", "--push"];
    let output = sandbox.run(command);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
To be committed, 2 files:
  README.md
  src/main.rs
Committed: First commit
error: the connection to azure was cut
hint: check the network, then run the same command again
hint: made so far: a git repository here and a commit of all that is here; once this is settled, `git vsts init contoso/shop/web --commit 'First commit' --push` goes on
[exit 5]

"#]].raw());
    let again = sandbox.run(command);
    assert_data_eq!(
        again.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Nothing to commit
Added remote origin: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (5/5) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_repository_that_is_refused_after_its_project_was_made_is_gone_on_from() {
    let sandbox = files();
    with_scopes(&sandbox, PROJECTS);
    sandbox.contoso().operation_polls(0);
    sandbox.azure.answer(
        Rule::new("POST", "…/_apis/git/repositories").times(1),
        Answer::error(503, "VssServiceException", "TF400898: An Internal Error Occurred."),
    );
    let command = ["init", "tools/web", "--create-project", "--description", "Tools of ours"];
    let output = sandbox.run(command);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
Made a git repository in /work
Created project contoso/tools
error: azure is unavailable (status 503): An Internal Error Occurred (TF400898)
hint: try again in a minute; https://status.dev.azure.com says how the service is
hint: made so far: a git repository here and the project contoso/tools; once this is settled, `git vsts init contoso/tools/web --create-project --description 'Tools of ours'` goes on
[exit 5]

"#]].raw());
    let again = sandbox.run(command);
    assert_data_eq!(
        again.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/tools/_git/web
--- stderr
Created tools/web
Added remote origin: https://azure/contoso/tools/_git/web
Nothing is there yet: `git vsts push` sends what is here
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_push_that_is_refused_leaves_the_rest() {
    let sandbox = files();
    sandbox.azure.answer(Rule::any("…/info/refs").times(1), Answer::status(503));
    let output =
        sandbox.run(["init", "shop/web", "--remote", "azure", "--commit", "First", "--push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Made a git repository in /work
To be committed, 2 files:
  README.md
  src/main.rs
Committed: First
Created shop/web
Added remote azure: https://azure/contoso/shop/_git/web
error: azure is unavailable (status 503)
hint: try again in a minute; https://status.dev.azure.com says how the service is
hint: contoso/shop/web is there and the remote is set; `git vsts push azure` does the rest
[exit 5]

"#]]
        .raw()
    );
    let rest = sandbox.run(["push", "azure"]);
    assert_eq!(rest.status, 0, "{rest}");
}

#[test]
fn a_configuration_that_is_read_only_is_told_before_anything_is_made() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let file = sandbox.work().join(".git/config");
    let before = bytes(&file);
    let mut permissions = fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&file, permissions).unwrap();
    let output = sandbox.run(["init", "shop/web"]);
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
    assert_eq!(bytes(&file), before);
}

#[test]
fn a_configuration_that_another_git_is_changing_is_told_before_anything_is_made() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    sandbox.write(".git/config.lock", "");
    let output = sandbox.run(["init", "shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: /work/.git/config is being changed by another git
hint: if no other git is at work, remove /work/.git/config.lock
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(["init"]);
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
    let odd = sandbox.work().join("a:b");
    fs::create_dir(&odd).unwrap();
    let output = sandbox.run_in(&odd, ["init"], "");
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: not known: the organization (ORG in TARGET), the project (PROJECT in TARGET), a name for the repository (TARGET)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[exit 2]

"#]].raw());
    assert_eq!(sandbox.requests(), [""; 0]);
    assert!(!odd.join(".git").exists());
}

#[test]
fn without_a_sign_in_nothing_is_made() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(["init", "contoso/shop/web"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
    assert!(!sandbox.work().join(".git").exists());
}

#[test]
fn a_person_is_asked_for_what_is_not_known() {
    let sandbox = Sandbox::new();
    sandbox.contoso().project("tools");
    let _browser = sandbox.browser("ada@contoso.com");
    let (shown, status) = sandbox
        .on_terminal(["init"])
        .expect("Organization:")
        .answer(&format!("{}/shop/_git/shop?path=/README.md", sandbox.contoso().url()))
        .expect("Project:")
        .press("\u{1b}[B")
        .press("\r")
        .expect("/_git/")
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Organization: https://azure/contoso/shop/_git/shop?path=/README.md
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig
? Project: tools
Made a git repository in /work
Created tools/work
Added remote origin: https://azure/contoso/tools/_git/work
Nothing is there yet: `git vsts push` sends what is here
https://azure/contoso/tools/_git/work
"#]]
        .raw()
    );
    assert_eq!(status, 0);
}

#[test]
fn a_project_is_typed_where_the_token_can_not_list_them() {
    let sandbox = Sandbox::signed_in();
    sandbox.azure.answer(Rule::new("GET", "/contoso/_apis/projects"), Answer::status(401));
    let (shown, status) = sandbox
        .on_terminal(["init"])
        .expect("Project:")
        .answer("_no")
        .expect("Project:")
        .answer("shop")
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Project: _no
  project name `_no` starts with `_`
? Project: shop
Made a git repository in /work
Created shop/work
Added remote origin: https://azure/contoso/shop/_git/work
Nothing is there yet: `git vsts push` sends what is here
https://azure/contoso/shop/_git/work
"#]]
        .raw()
    );
    assert_eq!(status, 0);
}

#[test]
fn a_legal_name_is_offered_where_the_folder_s_is_none() {
    let sandbox = Sandbox::signed_in();
    sandbox.set("GIT_VSTS_PROJECT", "shop");
    let folder = sandbox.work().join("_we:b");
    fs::create_dir(&folder).unwrap();
    let command = sandbox.command(env!("CARGO_BIN_EXE_git-vsts"), ["init"], &folder);
    let (shown, status) = sandbox
        .dialogue(command)
        .expect("Repository (we-b):")
        .answer("a?b")
        .expect("Repository (we-b):")
        .answer("")
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
? Repository: a?b
  repository name `a?b` has `?` in it
? Repository: we-b
Made a git repository in /work/_we:b
Created shop/we-b
Added remote origin: https://azure/contoso/shop/_git/we-b
Nothing is there yet: `git vsts push` sends what is here
https://azure/contoso/shop/_git/we-b
"#]]
        .raw()
    );
    assert_eq!(status, 0);
}

#[test]
fn whoever_leaves_a_question_open_has_nothing_made() {
    let sandbox = Sandbox::signed_in();
    let (shown, status) = sandbox.on_terminal(["init"]).expect("Project").press("\u{1b}").end();
    assert_data_eq!(
        shown,
        str![[r#"
? Project: 
error: cancelled
"#]]
        .raw()
    );
    assert_ne!(status, 0);
    assert!(!sandbox.work().join(".git").exists());
}

#[test]
fn whoever_is_signed_out_signs_in_before_a_project_is_asked_for() {
    let sandbox = Sandbox::new();
    let token = sandbox.sign_in("contoso");
    sandbox.contoso().revoke(&token);
    sandbox.azure.microsoft().next_user_code("ABCD-EFGH");
    let dialogue = sandbox.on_terminal(["init"]).expect("started this yourself");
    let (shown, status) = dialogue.press("\u{3}").end();
    assert_data_eq!(
        shown,
        str![[r#"
error: contoso did not accept the sign-in
On any device, open https://azure/common/oauth2/deviceauth
and type the code ABCD-EFGH
Do so only if you have started this yourself.
"#]]
        .raw()
    );
    assert_eq!(status, 130);
    assert!(!sandbox.work().join(".git").exists());
    // Who gave up has lost nothing.
    assert!(std::fs::read_to_string(sandbox.credentials()).unwrap().contains(&token));
}

#[test]
fn what_may_be_a_secret_is_committed_by_a_person_who_says_so() {
    let sandbox = Sandbox::signed_in();
    sandbox.write(".env", "PASSWORD=x\n");
    let (shown, status) = sandbox
        .on_terminal(["init", "contoso/shop/web", "--commit", "First", "--push"])
        .expect("Commit them all the same?")
        .press("n")
        .end();
    assert_data_eq!(shown, str![[r#"
Made a git repository in /work
To be committed, 1 file:
  .env
warning: .env may hold a secret; name it in .gitignore to leave it out
? Commit them all the same? no
error: nothing was committed
hint: name in .gitignore what is to be left out
hint: made so far: a git repository here; once this is settled, `git vsts init contoso/shop/web --commit First --push` goes on
"#]].raw());
    assert_eq!(status, 1);
    assert!(sandbox.requests().iter().all(|request| request.starts_with("GET")));
}

#[test]
fn an_organization_and_a_project_alone_are_not_taken_for_more() {
    let sandbox = Sandbox::signed_in();
    let output = sandbox.run(["init", "contoso/shop"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: contoso has no project contoso, or this account can't see it
hint: contoso/shop is read as a project and its repository; if shop is the project, name the repository too: `contoso/shop/REPO`
[exit 1]

"#]].raw());
}

#[test]
fn a_token_of_the_environment_that_is_refused_is_named() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_PAT", "stale");
    let output = sandbox.run(["init", "contoso/shop/web"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: contoso did not accept the sign-in
hint: the token is that of GIT_VSTS_PAT: set another, from https://azure/contoso/_usersSettings/tokens, or none
[exit 4]

"#]].raw());
}

/// A home is nobody's repository by intent, and our own file is among what is in it.
#[test]
fn the_home_directory_is_not_committed_unasked() {
    let sandbox = Sandbox::signed_in();
    let home = sandbox.home();
    let init = ["init", "shop/web", "--commit", "All", "--push"];
    assert_data_eq!(sandbox.run_in(&home, init, "").to_string(), str![[r#"
--- stderr
error: this is the home directory: nothing was committed
hint: run it in the folder of what is to be pushed; to keep some files of the home directory, `git add` and `git commit` them, and leave out `--commit`
[exit 2]

"#]].raw());
    assert!(!home.join(".git").exists());
    // A folder of a repository whose root it is.
    assert!(sandbox.command("git", ["init", "--quiet"], &home).status().unwrap().success());
    assert_eq!(sandbox.run_in(&home.join(".local"), init, "").status, 2);
    assert_eq!(sandbox.requests(), [""; 0]);

    let ask = |answer: &str| {
        let command = sandbox.command(&sandbox.program(), init, &home);
        let dialogue = sandbox.dialogue(command);
        let (shown, status) = dialogue.expect("Commit everything in it?").press(answer).end();
        format!("{shown}\n[exit {status}]\n")
    };
    assert_data_eq!(ask("n"), str![[r#"
? This is your home directory. Commit everything in it? no
error: this is the home directory: nothing was committed
hint: run it in the folder of what is to be pushed; to keep some files of the home directory, `git add` and `git commit` them, and leave out `--commit`
[exit 1]

"#]].raw());
    assert_data_eq!(ask("y"), str![[r#"
? This is your home directory. Commit everything in it? yes
error: .local/share/git-vsts/credentials.json holds the credentials that git vsts keeps: nothing was committed
hint: name it in .gitignore to leave it out
[exit 1]

"#]].raw());
    sandbox.write_home(".gitignore", ".local\n");
    assert_data_eq!(
        ask("y"),
        str![[r#"
? This is your home directory. Commit everything in it? yes
To be committed, 2 files:
  .gitconfig
  .gitignore
Committed: All
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (4/4) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    let files = sandbox.server("shop", "web", &["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(files, ".gitconfig\n.gitignore");
}

#[test]
fn our_own_credentials_are_never_committed() {
    for below in [".local", ".local/share/git-vsts"] {
        let sandbox = Sandbox::signed_in();
        let folder = sandbox.home().join(below);
        let output = sandbox.run_in(&folder, ["init", "shop/web", "--commit", "All", "--push"], "");
        assert_eq!(output.status, 1, "{below}: {output}");
        assert!(
            output.stderr.contains(
                "credentials.json holds the credentials that git vsts keeps: nothing was committed\n"
            ),
            "{output}"
        );
        let requests = sandbox.requests();
        assert!(requests.iter().all(|request| request.starts_with("GET ")), "{requests:?}");
        // Whoever takes it out of a history that has it already does well.
        for arguments in [
            &["add", "--force", "--all"][..],
            &["commit", "--quiet", "--message", "All"],
            &["rm", "--quiet", "--cached", "-r", "."],
        ] {
            assert!(sandbox.command("git", arguments, &folder).status().unwrap().success());
        }
        fs::write(folder.join(".gitignore"), "*.json\n*.lock\n").unwrap();
        let output = sandbox.run_in(&folder, ["init", "shop/web", "--commit", "Less"], "");
        assert_eq!(output.status, 0, "{output}");
    }
}
