//! What `git vsts push` does as git does it, whoever packs: all or none, leases, and who packs what.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use double::{Answer, Rule};
use rustix::process::{Pid, Signal, kill_process};
use snapbox::{IntoData as _, assert_data_eq, str};

use crate::sandbox::{Output, Sandbox, write_program};

/// One that pushes to a repository which lets all or nothing be changed.
fn connected() -> Sandbox {
    let sandbox = Sandbox::connected();
    sandbox.contoso().push_capability("shop", "web", "atomic ofs-delta");
    sandbox
}

/// What was told, without how long each request took.
fn told(output: &Output) -> String {
    let lines = output.to_string();
    let lines = lines.lines().filter(|it| !it.starts_with("GET ") && !it.starts_with("POST "));
    lines.map(|line| format!("{line}\n")).collect()
}

fn server(sandbox: &Sandbox) -> String {
    sandbox.server("shop", "web", &["for-each-ref"])
}

#[test]
fn all_references_are_changed_or_none() {
    let sandbox = connected();
    let _ = sandbox.git(["branch", "topic"]);
    let output = sandbox.run(["push", "--atomic", "origin", "main", "topic"]);
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
topic → origin/topic (new)
[exit 0]

"#]]
        .raw()
    );
    let tree = sandbox.git(["rev-parse", "HEAD^{tree}"]);
    let alone = sandbox.git(["commit-tree", "-m", "Alone", &tree]);
    let _ = sandbox.git(["branch", "--force", "topic", &alone]);
    sandbox.commit("file", "two\n", "Two");
    let before = server(&sandbox);
    sandbox.azure.clear_requests();
    let output = sandbox.run(["push", "--atomic", "origin", "main", "topic"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
error: main was not sent, since `--atomic` wants all or none
error: topic and the server's have no commit in common
hint: put yours on top of it, `git pull --rebase origin topic`, or push to another branch
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(server(&sandbox), before);
    // Nothing was asked of the server but what it has.
    assert_eq!(sandbox.requests().len(), 1);
    // One that it refuses takes the others with it.
    let _ = sandbox.git(["branch", "locked"]);
    let reason = "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.";
    sandbox.contoso().policy("shop", "web", "refs/heads/locked", reason);
    let output = sandbox.run(["push", "--atomic", "origin", "main", "locked"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
error: contoso refused the push to main: atomic push failure
error: contoso refused the push to locked: pull requests only (TF402455)
hint: push a branch instead: `git vsts push origin HEAD:refs/heads/NAME`
[exit 3]

"#]]
        .raw()
    );
    assert_eq!(server(&sandbox), before);
}

#[test]
fn a_lease_lets_commits_be_lost_only_where_the_server_has_what_was_seen_there() {
    let sandbox = connected();
    sandbox.commit("file", "two\n", "Two");
    assert_eq!(sandbox.run(["push"]).status, 0);
    let one = sandbox.git(["rev-parse", "HEAD~1"]);
    let two = sandbox.git(["rev-parse", "HEAD"]);
    let rewrite = |content: &str| {
        let _ = sandbox.git(["reset", "--quiet", "--hard", &one]);
        sandbox.commit("file", content, content);
    };
    let mut shown = String::new();
    let mut push = |arguments: &[&str]| {
        let output = sandbox.run([&["push"], arguments, &["--json"]].concat());
        let said = output.stderr.clone();
        let status = output.json()["references"][0]["status"].clone();
        shown.push_str(&format!("$ git vsts push {}\n{status}\n{said}", arguments.join(" ")));
    };
    rewrite("a");
    push(&["--force-with-lease=main:refs/heads/main"]);
    push(&["--force-with-lease=other", "origin", "main"]);
    push(&["--force-with-lease"]);
    rewrite("b");
    push(&["--force-with-lease=refs/heads/main:HEAD@{1}", "--dry-run"]);
    // What was seen there is not what is there.
    let _ = sandbox.git(["update-ref", "refs/remotes/origin/main", &two]);
    push(&["--force-with-lease", "--force-with-lease=unnamed:HEAD"]);
    push(&["--force-with-lease=main:"]);
    let there = sandbox.server("shop", "web", &["rev-parse", "main"]);
    push(&[&format!("--force-with-lease=main:{there}"), "origin", "main"]);
    push(&["--force-with-lease", "origin", "HEAD:new"]);
    assert_data_eq!(
        shown,
        str![[r#"
$ git vsts push --force-with-lease=main:refs/heads/main
"stale"
error: main at the server is not what it was said to be (stale info)
hint: `git fetch origin`, look at what came, then push again
$ git vsts push --force-with-lease=other origin main
"diverged"
error: main and the server's went apart: each has commits that the other has not
hint: get them and push again: `git pull --rebase origin main`
$ git vsts push --force-with-lease
"forced"
remote: Analyzing objects... (6/6) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (forced)
$ git vsts push --force-with-lease=refs/heads/main:HEAD@{1} --dry-run
"stale"
error: main at the server is not what it was said to be (stale info)
hint: `git fetch origin`, look at what came, then push again
$ git vsts push --force-with-lease --force-with-lease=unnamed:HEAD
"stale"
error: main at the server is not what it was said to be (stale info)
hint: `git fetch origin`, look at what came, then push again
$ git vsts push --force-with-lease=main:
"stale"
error: main at the server is not what it was said to be (stale info)
hint: `git fetch origin`, look at what came, then push again
$ git vsts push --force-with-lease=main:b95e22bea4f7f8473e7f7005572880698835cef5 origin main
"forced"
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (forced)
$ git vsts push --force-with-lease origin HEAD:new
"new"
remote: Analyzing objects... (0/0) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/new (new)
Make a pull request for new: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=new

"#]]
        .raw()
    );
}

#[test]
fn who_packs_can_be_chosen_and_makes_no_difference_that_could_be_seen() {
    let mut seen = Vec::new();
    for engine in ["auto", "git2", "git"] {
        let sandbox = connected();
        for index in 0..3 {
            sandbox.commit(&format!("folder/{index}"), &"line\n".repeat(index + 1), "More");
        }
        let _ = sandbox.git(["tag", "--annotate", "--message=One", "v1"]);
        sandbox.azure.clear_requests();
        let output = sandbox.run(["push", "-v", "--engine", engine, "origin", "main", "v1"]);
        let (who, rest): (Vec<_>, Vec<_>) = output
            .stderr
            .lines()
            .filter(|it| !it.contains(" ms)"))
            .partition(|it| it.contains("pack"));
        seen.push((rest.join("\n"), sandbox.requests(), server(&sandbox)));
        let packer = if engine == "git" {
            "git packs: that was asked for"
        } else {
            "libgit2 packs the 16 objects"
        };
        assert_eq!(who, [packer], "{output}");
        let _ = sandbox.server("shop", "web", &["fsck", "--strict"]);
    }
    assert_eq!(seen[0].1.len(), 2);
    assert!(seen.iter().all(|it| *it == seen[0]), "{seen:#?}");
}

#[test]
fn git_packs_what_is_many_where_it_is_there() {
    for (path, packer) in
        [(None, "git packs: there is much to look at"), (Some("/nowhere"), "libgit2 packs")]
    {
        let sandbox = connected();
        for index in 0..120 {
            sandbox.write(&format!("folder {}/{index}", index % 7), &index.to_string());
        }
        sandbox.commit("last", "last\n", "Many");
        if let Some(path) = path {
            sandbox.set("PATH", path);
        }
        let output = sandbox.run(["push", "-v"]);
        assert!(output.stderr.contains(packer), "{output}");
        assert_eq!(output.status, 0);
        sandbox.set("PATH", &std::env::var("PATH").unwrap());
        let _ = sandbox.server("shop", "web", &["fsck", "--strict", "--connectivity-only"]);
        let files = sandbox.server("shop", "web", &["ls-tree", "-r", "--name-only", "main"]);
        assert_eq!(files.lines().count(), 122);
    }
}

#[test]
fn an_engine_that_is_none_is_named_and_a_repository_has_no_say_in_it() {
    let sandbox = connected();
    let _ = sandbox.git(["config", "vsts.engine", "git"]);
    let output = sandbox.run(["push", "-v"]);
    assert!(output.stderr.contains("libgit2 packs"), "{output}");
    let _ = sandbox.git(["config", "--global", "vsts.engine", "quick"]);
    assert_data_eq!(
        sandbox.run(["push"]).to_string(),
        str![[r#"
--- stderr
warning: vsts.engine in the repository's own configuration (local) is ignored
error: vsts.engine is `quick`, which is no engine
hint: the engines are `auto`, `git2` and `git`
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn without_git_libgit2_packs_everything() {
    let sandbox = connected();
    sandbox.set("PATH", "/nowhere");
    let output = sandbox.run(["push", "-v"]);
    assert!(output.stderr.contains("libgit2 packs the 3 objects"), "{output}");
    assert_eq!(output.status, 0);
    let output = sandbox.run(["push", "--engine", "git", "--force", "origin", "HEAD:topic"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: there is no git on PATH
hint: install git, https://git-scm.com
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_shallow_or_partial_clone_is_pushed_from_by_git() {
    let mut shown = String::new();
    for option in ["--depth=1", "--filter=blob:none"] {
        let sandbox = connected();
        sandbox.commit("file", "two\n", "Two");
        assert_eq!(sandbox.run(["push"]).status, 0);
        let clone = sandbox.home().join("clone");
        let path = clone.display().to_string();
        let _ = sandbox.server("shop", "web", &["config", "uploadpack.allowFilter", "true"]);
        let output = sandbox.run(["clone", "contoso/shop/web", &path, "--", option]);
        assert_eq!(output.status, 0, "{output}");
        let git = |arguments: &[&str]| {
            let mut command = sandbox.command("git", arguments, &clone);
            assert_eq!(sandbox.finish(&mut command, "").status, 0);
        };
        git(&["commit", "--quiet", "--allow-empty", "--message=Three"]);
        git(&["switch", "--quiet", "--create", "topic"]);
        for arguments in [
            &["push", "-v"][..],
            &["push", "origin", "main", "--dry-run"],
            &["push", "origin", "main", "topic", "--atomic"],
            &["push", "origin", "main"],
            &["push", "origin", "--delete", "topic"],
            &["push", "--engine", "git2", "origin", "HEAD:other"],
        ] {
            let output = sandbox.run_in(&clone, arguments, "");
            shown.push_str(&format!("$ git vsts {}\n{}", arguments.join(" "), told(&output)));
        }
        shown.push_str(&format!(
            "{}\n",
            sandbox.server("shop", "web", &["for-each-ref", "--format=%(refname) %(subject)"])
        ));
    }
    assert_data_eq!(shown, str![[r#"
$ git vsts push -v
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git packs: the clone is shallow
remote: Analyzing objects... (1/1) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
topic → origin/topic (new)
Make a pull request for topic: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic&targetRef=main
[exit 0]
$ git vsts push origin main --dry-run
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (dry run)
[exit 0]
$ git vsts push origin main topic --atomic
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (0/0) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main
topic → origin/topic (up to date)
[exit 0]
$ git vsts push origin main
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (up to date)
[exit 0]
$ git vsts push origin --delete topic
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
origin/topic (deleted)
[exit 0]
$ git vsts push --engine git2 origin HEAD:other
--- stderr
error: libgit2 can't pack what a shallow clone has
hint: leave out `--engine git2`; see `git config vsts.engine`
[exit 1]
refs/heads/main Three
$ git vsts push -v
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git pushes: the clone is partial
remote: Analyzing objects... (1/1) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
topic → origin/topic (new)
Make a pull request for topic: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic&targetRef=main
[exit 0]
$ git vsts push origin main --dry-run
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (dry run)
[exit 0]
$ git vsts push origin main topic --atomic
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (0/0) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main
topic → origin/topic (up to date)
[exit 0]
$ git vsts push origin main
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (up to date)
[exit 0]
$ git vsts push origin --delete topic
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
origin/topic (deleted)
[exit 0]
$ git vsts push --engine git2 origin HEAD:other
--- stderr
error: git itself has to push: the clone is partial
hint: leave out `--engine git2`; see `git config vsts.engine`
[exit 1]
refs/heads/main Three

"#]].raw());
}

#[test]
fn a_hook_runs_once_before_git_pushes_and_gets_no_token() {
    let sandbox = connected();
    // As in a partial clone.
    let _ = sandbox.git(["config", "remote.origin.promisor", "true"]);
    let hook = "#!/bin/sh\necho \"hook $*\" >&2; cat >&2; env | grep -e PAT= -e HANDED >&2; true\n";
    for name in ["pre-push", "reference-transaction"] {
        write_program(&sandbox.work().join(".git/hooks").join(name), hook);
    }
    let _ = sandbox.git(["config", "core.sshCommand", "ssh -v"]);
    let token = sandbox.token("contoso");
    sandbox.set("GIT_VSTS_PAT", &token);
    sandbox.set("GIT_VSTS_STORE", "none");
    assert_data_eq!(told(&sandbox.run(["push", "-v"])), str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git pushes: the clone is partial
git obeys core.sshCommand of the repository's own configuration: ssh -v
hook origin https://azure/contoso/shop/_git/web
refs/heads/main f56eff49ad9f3c63d884312fde8502704c5cfbff refs/heads/main 0000000000000000000000000000000000000000
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]].raw());
}

#[test]
fn who_is_refused_in_the_middle_signs_in_and_the_push_goes_on() {
    let sandbox = Sandbox::new();
    let token = sandbox.sign_in("contoso");
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    sandbox.contoso().revoke(&token);
    let browser = sandbox.browser("ada@contoso.com");
    let (said, status) = sandbox.on_terminal(["push"]).end();
    browser.join().unwrap();
    assert_data_eq!(said, str![[r#"
error: the kept token for contoso is no longer accepted, so it was forgotten
  caused by: contoso did not accept the sign-in
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
https://azure/contoso/shop/_git/web
"#]].raw());
    assert_eq!(status, 0);
    assert_eq!(server(&sandbox).lines().count(), 1);
}

#[test]
fn what_goes_over_ssh_is_pushed_by_git() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["branch", "a;b"]);
    let _ = sandbox.git(["remote", "add", "ssh", "git@ssh.dev.azure.com:v3/contoso/shop/web"]);
    let bare = sandbox.home().join("bare");
    let _ = sandbox.git(["init", "--quiet", "--bare", &bare.display().to_string()]);
    let speaks = |script: &str| {
        let path = sandbox.home().join("ssh");
        write_program(&path, script);
        sandbox.set("GIT_SSH_COMMAND", &path.display().to_string());
    };
    // Another service than the hosted one has no SSH.
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    let mut shown = String::new();
    let mut push = |arguments: &[&str]| {
        let output = sandbox.run([&["push", "-v"], arguments].concat());
        shown.push_str(&format!("$ git vsts push {}\n{}", arguments.join(" "), told(&output)));
    };
    speaks(&format!("#!/bin/sh\nexec git receive-pack {}\n", bare.display()));
    push(&["ssh", "--dry-run"]);
    push(&["ssh"]);
    push(&["ssh", "--json", "main", "a;b", "--atomic"]);
    push(&["ssh", "--delete", "a;b", "--no-verify"]);
    let _ = sandbox.git(["commit", "--quiet", "--amend", "--message=Other"]);
    push(&["ssh", "main"]);
    push(&["ssh", "main", "--force-with-lease"]);
    speaks(
        "#!/bin/sh\necho 'git@ssh.dev.azure.com: Permission denied (password,publickey).' >&2\nexit 255\n",
    );
    push(&["ssh", "main"]);
    speaks("#!/bin/sh\necho 'ssh: Could not resolve hostname ssh.dev.azure.com' >&2\nexit 255\n");
    push(&["ssh", "main"]);
    assert_data_eq!(shown, str![[r#"
$ git vsts push ssh --dry-run
--- stdout
https://dev.azure.com/contoso/shop/_git/web
--- stderr
git pushes: the remote is one over SSH
main → ssh/main (new, dry run)
[exit 0]
$ git vsts push ssh
--- stdout
https://dev.azure.com/contoso/shop/_git/web
--- stderr
git pushes: the remote is one over SSH
main → ssh/main (new)
[exit 0]
$ git vsts push ssh --json main a;b --atomic
--- stdout
{"organization":"contoso","project":"shop","repository":"web","url":"https://dev.azure.com/contoso/shop/_git/web","remote":"ssh","remoteUrl":"git@ssh.dev.azure.com:v3/contoso/shop/web","created":false,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":"f56eff49ad9f3c63d884312fde8502704c5cfbff","status":"up-to-date"},{"source":"refs/heads/a;b","reference":"refs/heads/a;b","old":null,"new":"f56eff49ad9f3c63d884312fde8502704c5cfbff","status":"new","pullRequestUrl":"https://dev.azure.com/contoso/shop/_git/web/pullrequestcreate?sourceRef=a%3Bb"}]}
--- stderr
git pushes: the remote is one over SSH
main → ssh/main (up to date)
a;b → ssh/a;b (new)
Make a pull request for a;b: https://dev.azure.com/contoso/shop/_git/web/pullrequestcreate?sourceRef=a%3Bb
[exit 0]
$ git vsts push ssh --delete a;b --no-verify
--- stdout
https://dev.azure.com/contoso/shop/_git/web
--- stderr
git pushes: the remote is one over SSH
ssh/a;b (deleted)
[exit 0]
$ git vsts push ssh main
--- stdout
https://dev.azure.com/contoso/shop/_git/web
--- stderr
git pushes: the remote is one over SSH
error: main and the server's went apart: each has commits that the other has not
hint: get them and push again: `git pull --rebase ssh main`
[exit 1]
$ git vsts push ssh main --force-with-lease
--- stdout
https://dev.azure.com/contoso/shop/_git/web
--- stderr
git pushes: the remote is one over SSH
main → ssh/main (forced)
[exit 0]
$ git vsts push ssh main
--- stderr
git pushes: the remote is one over SSH
error: `git push` failed (exit status: 128)
  caused by: git@ssh.dev.azure.com: Permission denied (password,publickey).
             fatal: Could not read from remote repository.
             Please make sure you have the correct access rights
             and the repository exists.
hint: over SSH it is your key that signs in: add it at https://dev.azure.com/contoso/_usersSettings/keys, or use HTTPS with `git vsts remote-add --replace`
[exit 4]
$ git vsts push ssh main
--- stderr
git pushes: the remote is one over SSH
error: `git push` failed (exit status: 128)
  caused by: ssh: Could not resolve hostname ssh.dev.azure.com
             fatal: Could not read from remote repository.
             Please make sure you have the correct access rights
             and the repository exists.
hint: check the network, then run the same command again
[exit 5]

"#]].raw());
    assert_eq!(sandbox.git(["rev-parse", "--abbrev-ref", "main@{upstream}"]), "ssh/main");
}

#[test]
fn a_signal_in_the_middle_ends_at_once_and_what_it_left_is_told() {
    let mut shown = String::new();
    for (path, signal, status) in [
        ("…/info/refs", Signal::INT, 2),
        ("…/info/refs", Signal::TERM, 15),
        ("…/git-receive-pack", Signal::INT, 2),
        ("…/git-receive-pack", Signal::TERM, 15),
    ] {
        let sandbox = connected();
        sandbox.azure.answer(Rule::any(path), Answer::silent());
        let program = sandbox.program();
        let mut command = sandbox.command(&program, ["push"], &sandbox.work());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let path = path.trim_start_matches('…');
        while !sandbox.requests().iter().any(|request| request.contains(path)) {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(status));
        shown.push_str(&format!("{path}\n{}", String::from_utf8(output.stderr).unwrap()));
        assert_eq!(server(&sandbox), "");
        assert_eq!(sandbox.git(["status", "--porcelain"]), "");
        assert_eq!(sandbox.git(["for-each-ref", "refs/remotes"]), "");
    }
    assert_data_eq!(
        shown,
        str![[r#"
/info/refs
error: interrupted; nothing was changed at the server
/info/refs
error: interrupted; nothing was changed at the server
/git-receive-pack
error: interrupted before the server answered; the same command again tells what it did
/git-receive-pack
error: interrupted before the server answered; the same command again tells what it did

"#]]
        .raw()
    );
}

#[test]
fn a_repository_that_git_alone_can_read_is_pushed_from_by_git() {
    let mut shown = String::new();
    for format in ["--ref-format=reftable", "--object-format=sha256"] {
        let sandbox = Sandbox::signed_in();
        sandbox.contoso().repository("shop", "web");
        let _ = sandbox.git(["init", "--quiet", format]);
        sandbox.commit("file", "one\n", "One");
        let mut push = |arguments: &[&str]| {
            let output = sandbox.run([&["push", "-v"], arguments].concat());
            shown.push_str(&format!("$ git vsts push {}\n{}", arguments.join(" "), told(&output)));
        };
        push(&[]);
        let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
        push(&["--dry-run"]);
        push(&[]);
        push(&["--json", "origin", "main", "HEAD:topic"]);
        push(&["--engine", "git2"]);
        push(&["elsewhere"]);
        push(&["--org", "fabrikam"]);
        sandbox.contoso().without_repository("shop", "web");
        push(&[]);
    }
    assert_data_eq!(shown, str![[r#"
$ git vsts push 
--- stderr
error: nothing here points at Azure DevOps
hint: add a remote: `git remote add NAME URL`
[exit 2]
$ git vsts push --dry-run
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git pushes: the repository uses reftable, which only git itself can read
main → origin/main (new, dry run)
[exit 0]
$ git vsts push 
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git pushes: the repository uses reftable, which only git itself can read
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]
$ git vsts push --json origin main HEAD:topic
--- stdout
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":null,"status":"up-to-date"},{"source":"HEAD","reference":"refs/heads/topic","old":null,"new":null,"status":"new"}]}
--- stderr
git pushes: the repository uses reftable, which only git itself can read
remote: Analyzing objects... (0/0) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (up to date)
HEAD → origin/topic (new)
[exit 0]
$ git vsts push --engine git2
--- stderr
error: git itself has to push: the repository uses reftable, which only git itself can read
hint: leave out `--engine git2`; see `git config vsts.engine`
[exit 1]
$ git vsts push elsewhere
--- stderr
error: there is no remote elsewhere
[exit 2]
$ git vsts push --org fabrikam
--- stderr
error: the remote origin is for contoso/shop/web, and --org says fabrikam
hint: leave it out, or add a remote for the other: `git vsts remote-add NAME ORG/PROJECT/REPO`
[exit 2]
$ git vsts push 
--- stderr
git pushes: the repository uses reftable, which only git itself can read
error: contoso/shop has no repository web, or this account can't see it
hint: check its spelling, or make it: the same command with `--create`
[exit 1]
$ git vsts push 
--- stderr
error: nothing here points at Azure DevOps
hint: add a remote: `git remote add NAME URL`
[exit 2]
$ git vsts push --dry-run
--- stderr
git pushes: the repository uses the SHA-256 object format, which only git itself can read
error: `git push` failed (exit status: 1)
  caused by: fatal: the receiving end does not support this repository's hash algorithm
             fatal: the remote end hung up unexpectedly
             error: failed to push some refs to 'https://azure/contoso/shop/_git/web'
hint: Azure DevOps takes repositories of SHA-1 alone
[exit 1]
$ git vsts push 
--- stderr
git pushes: the repository uses the SHA-256 object format, which only git itself can read
error: `git push` failed (exit status: 1)
  caused by: fatal: the receiving end does not support this repository's hash algorithm
             fatal: the remote end hung up unexpectedly
             error: failed to push some refs to 'https://azure/contoso/shop/_git/web'
hint: Azure DevOps takes repositories of SHA-1 alone
[exit 1]
$ git vsts push --json origin main HEAD:topic
--- stderr
git pushes: the repository uses the SHA-256 object format, which only git itself can read
error: `git push` failed (exit status: 1)
  caused by: fatal: the receiving end does not support this repository's hash algorithm
             fatal: the remote end hung up unexpectedly
             error: failed to push some refs to 'https://azure/contoso/shop/_git/web'
hint: Azure DevOps takes repositories of SHA-1 alone
[exit 1]
$ git vsts push --engine git2
--- stderr
error: git itself has to push: the repository uses the SHA-256 object format, which only git itself can read
hint: leave out `--engine git2`; see `git config vsts.engine`
[exit 1]
$ git vsts push elsewhere
--- stderr
error: there is no remote elsewhere
[exit 2]
$ git vsts push --org fabrikam
--- stderr
error: the remote origin is for contoso/shop/web, and --org says fabrikam
hint: leave it out, or add a remote for the other: `git vsts remote-add NAME ORG/PROJECT/REPO`
[exit 2]
$ git vsts push 
--- stderr
git pushes: the repository uses the SHA-256 object format, which only git itself can read
error: contoso/shop has no repository web, or this account can't see it
hint: check its spelling, or make it: the same command with `--create`
[exit 1]

"#]].raw());
}

#[test]
fn what_a_repository_says_of_tls_is_obeyed_by_no_git_that_has_our_credential() {
    let sandbox = connected();
    let _ = sandbox.git(["config", "push.gpgSign", "true"]);
    let key = format!("http.{}.sslVerify", sandbox.azure.url());
    let _ = sandbox.git(["config", &key, "false"]);
    assert_data_eq!(
        sandbox.run(["push"]).to_string(),
        str![[r#"
--- stderr
warning: http.https://azure.sslverify in the repository's own configuration (local) is ignored
error: git itself would have to push, and would obey http.https://azure.sslverify of the repository's own configuration (local)
hint: take it out, or set it in your own: `git config --global`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}

#[test]
fn a_repository_that_is_not_whole_is_told_and_nothing_is_sent() {
    let mut shown = String::new();
    for engine in ["git2", "git"] {
        let sandbox = connected();
        let blob = sandbox.git(["rev-parse", "HEAD:file"]);
        let (folder, file) = blob.split_at(2);
        let path = sandbox.work().join(".git/objects").join(folder).join(file);
        fs::remove_file(&path).unwrap();
        let output = sandbox.run(["push", "--engine", engine]);
        shown.push_str(&format!("{engine}\n{output}"));
        assert_eq!(server(&sandbox), "");
        assert_eq!(sandbox.requests().len(), 1);
    }
    assert_data_eq!(shown, str![[r#"
git2
--- stderr
error: the objects can't be packed: object not found - cannot read header for (5626abf0f72e58d7a153368ba57db4c673c0e171)
hint: nothing was sent; `git fsck` tells whether the repository is whole
[exit 1]
git
--- stderr
error: `git pack-objects` failed (exit status: 128)
  caused by: fatal: unable to read 5626abf0f72e58d7a153368ba57db4c673c0e171
hint: nothing was sent; `git fsck` tells whether the repository is whole
[exit 1]

"#]].raw());
}

#[test]
fn options_of_a_push_are_told_to_the_server_and_one_that_takes_none_gets_nothing() {
    let sandbox = connected();
    let _ = sandbox.git(["config", "--global", "--add", "push.pushOption", "forgotten"]);
    let _ = sandbox.git(["config", "--global", "--add", "push.pushOption", ""]);
    let _ = sandbox.git(["config", "--add", "push.pushOption", "ci.skip"]);
    assert_data_eq!(
        sandbox.run(["push"]).to_string(),
        str![[r#"
--- stderr
error: the server takes no push options
hint: nothing was sent; `git config --show-origin push.pushOption` says who set one
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(server(&sandbox), "");
    sandbox.contoso().push_capability("shop", "web", "push-options");
    assert_eq!(sandbox.run(["push", "origin", "HEAD", "HEAD:topic"]).status, 0);
    assert_eq!(server(&sandbox).lines().count(), 2);
}

#[test]
fn what_moved_while_the_hook_ran_is_lost_by_no_push_of_git_s() {
    let sandbox = connected();
    sandbox.commit("file", "two\n", "Two");
    assert_eq!(sandbox.run(["push"]).status, 0);
    let _ = sandbox.git(["config", "remote.origin.promisor", "true"]);
    let _ = sandbox.git(["commit", "--quiet", "--amend", "--message=Other"]);
    let bare = sandbox.contoso().bare("shop", "web").display().to_string();
    let hook = format!(
        "#!/bin/sh\nunset GIT_DIR\ncd {bare} && git update-ref refs/heads/main \"$(git commit-tree -p main -m Theirs main^{{tree}})\"\n"
    );
    write_program(&sandbox.work().join(".git/hooks/pre-push"), &hook);
    assert_data_eq!(
        sandbox.run(["push", "--force-with-lease"]).to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
error: main at the server is not what it was said to be (stale info)
hint: `git fetch origin`, look at what came, then push again
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.server("shop", "web", &["log", "-1", "--format=%s", "main"]), "Theirs");
    assert_data_eq!(
        sandbox.run(["push", "--force", "--no-verify", "-q"]).to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn what_git_does_not_say_of_its_push_the_server_is_asked() {
    let mut shown = String::new();
    for (what, answer) in [
        ("garbage", Answer::push_report(&[]).body("0001zzzz").after_serving()),
        ("a reset", Answer::reset().after_serving()),
        ("a breakdown", Answer::status(502)),
        ("too large", Answer::status(413)),
        ("a sign-in that ended", Answer::status(401)),
    ] {
        let sandbox = connected();
        let _ = sandbox.git(["config", "remote.origin.promisor", "true"]);
        sandbox.azure.answer(Rule::new("POST", "…/git-receive-pack"), answer);
        shown.push_str(&format!("== {what}\n{}", sandbox.run(["push"])));
    }
    assert_data_eq!(shown, str![[r#"
== garbage
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: the server did not say what became of the push, so it is asked what it has
main → origin/main (new)
[exit 0]
== a reset
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: the server did not say what became of the push, so it is asked what it has
main → origin/main (new)
[exit 0]
== a breakdown
--- stderr
warning: the server did not say what became of the push, so it is asked what it has
error: `git push` failed (exit status: 1)
  caused by: error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502
             send-pack: unexpected disconnect while reading sideband packet
             fatal: the remote end hung up unexpectedly
hint: check the network, then run the same command again
[exit 5]
== too large
--- stderr
warning: the server did not say what became of the push, so it is asked what it has
error: `git push` failed (exit status: 1)
  caused by: error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413
             send-pack: unexpected disconnect while reading sideband packet
             fatal: the remote end hung up unexpectedly
hint: push it in parts, an older commit first, or keep large files with Git LFS
[exit 1]
== a sign-in that ended
--- stderr
warning: the server did not say what became of the push, so it is asked what it has
error: the token's scope does not allow this: "Code: read, write & manage" is missing
hint: make a token with "Code: read, write & manage" at https://azure/contoso/_usersSettings/tokens and sign in with it: `git vsts login contoso --pat`
[exit 4]

"#]].raw());
}

#[test]
fn git_started_from_elsewhere_finds_the_repository_too() {
    let sandbox = connected();
    for engine in ["git2", "git"] {
        let mut command = sandbox.command(
            "git",
            [
                "--git-dir=work/.git",
                "vsts",
                "push",
                "--engine",
                engine,
                "origin",
                &format!("main:{engine}"),
            ],
            sandbox.work().parent().unwrap(),
        );
        let output = sandbox.finish(&mut command, "");
        assert_eq!(output.status, 0, "{output}");
    }
    assert_eq!(server(&sandbox).lines().count(), 2);
}

#[test]
fn a_fatal_word_after_the_change_takes_nothing_from_it() {
    let sandbox = connected();
    let fatal = || Answer::push_report(&[]).body("0016\x03post-receive died");
    let rule = || Rule::new("POST", "…/git-receive-pack");
    sandbox.azure.answer(rule(), fatal());
    assert_data_eq!(
        sandbox.run(["push"]).to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: the server did not say what became of the push, so it is asked what it has
error: contoso refused the push to main: post-receive died
[exit 3]

"#]]
        .raw()
    );
    sandbox.azure.clear_answers();
    sandbox.azure.answer(rule(), fatal().after_serving());
    assert_data_eq!(
        sandbox.run(["push"]).to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: the server did not say what became of the push, so it is asked what it has
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_git_that_pushes_for_us_does_not_outlive_us() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["remote", "add", "ssh", "git@ssh.dev.azure.com:v3/contoso/shop/web"]);
    let parent = sandbox.home().join("parent");
    // It waits for what nobody writes.
    let never = sandbox.home().join("never");
    let script = format!(
        "#!/bin/sh\nmkfifo {never}\necho $PPID >{parent}.new && mv {parent}.new {parent}\nexec cat {never}\n",
        never = never.display(),
        parent = parent.display()
    );
    let ssh = sandbox.home().join("ssh");
    write_program(&ssh, &script);
    sandbox.set("GIT_SSH_COMMAND", &ssh.display().to_string());
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    let mut command = sandbox.command(&sandbox.program(), ["push", "ssh"], &sandbox.work());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let git = loop {
        assert_eq!(child.try_wait().unwrap(), None);
        if let Ok(parent) = fs::read_to_string(&parent) {
            break parent.trim().to_owned();
        }
        std::thread::yield_now();
    };
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: interrupted; the same command again tells what the server has\n"
    );
    while fs::read_to_string(format!("/proc/{git}/comm")).is_ok_and(|name| name == "git\n") {
        std::thread::yield_now();
    }
    // Whoever was left waiting may go.
    let _ = fs::OpenOptions::new().read(true).write(true).open(never);
}

#[test]
fn what_git_pushes_with_names_and_with_a_header_of_somebody_s_own_arrives_too() {
    let mut shown = String::new();
    let token = |sandbox: &Sandbox| {
        let token = sandbox.token("contoso");
        let pair = secrecy::SecretString::from(token);
        git_vsts::credential::Credential::pat(pair).authorization().unwrap()
    };
    for setting in ["on-demand", "check", "only", "header"] {
        let sandbox = connected();
        match setting {
            "header" => {
                use secrecy::ExposeSecret as _;
                let header = token(&sandbox);
                sandbox.secret(header.expose_secret());
                let header = format!("Authorization: {}", header.expose_secret());
                let _ = sandbox.git(["config", "remote.origin.promisor", "true"]);
                let _ = sandbox.git(["config", "http.extraHeader", &header]);
            }
            setting => drop(sandbox.git(["config", "push.recurseSubmodules", setting])),
        }
        let _ = sandbox.git(["branch", "topic"]);
        let output = sandbox.run(["push", "-v", "--atomic", "origin", "main", "topic"]);
        shown.push_str(&format!("== {setting}\n{}", told(&output)));
    }
    assert_data_eq!(
        shown,
        str![[r#"
== on-demand
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git pushes: submodules are to be pushed too, or looked at
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
topic → origin/topic (new)
[exit 0]
== check
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git pushes: submodules are to be pushed too, or looked at
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
topic → origin/topic (new)
[exit 0]
== only
--- stderr
error: push.recurseSubmodules is `only`, so nothing of this repository is to be pushed
hint: `git config --show-origin push.recurseSubmodules` says who set it
[exit 2]
== header
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
git pushes: the clone is partial
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
topic → origin/topic (new)
[exit 0]

"#]]
        .raw()
    );
}
