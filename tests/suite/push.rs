//! `git vsts push`

use std::path::{Path, PathBuf};

use double::{Answer, Rule};
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

#[test]
fn a_push_with_a_kept_sign_in_makes_two_requests() {
    let sandbox = Sandbox::connected();
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
    assert_eq!(
        sandbox.requests(),
        [
            "GET /contoso/shop/_git/web/info/refs?service=git-receive-pack 200",
            "POST /contoso/shop/_git/web/git-receive-pack 200",
        ]
    );
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "One");
}

/// Somebody else's clone of what is at the server, in a folder of the home.
struct Colleague<'s> {
    sandbox: &'s Sandbox,
    folder: PathBuf,
}

impl<'s> Colleague<'s> {
    fn clone_of(sandbox: &'s Sandbox, repository: &str) -> Self {
        let folder = sandbox.home().join("colleague");
        let colleague = Self { sandbox, folder };
        let bare = sandbox.contoso().bare("shop", repository);
        let arguments = ["clone", "--quiet", bare.to_str().unwrap(), "colleague"];
        colleague.git_in(&sandbox.home(), &arguments);
        colleague
    }

    fn git_in(&self, folder: &Path, arguments: &[&str]) {
        let output = self.sandbox.finish(&mut self.sandbox.command("git", arguments, folder), "");
        assert_eq!(output.status, 0, "{output}");
    }

    /// Commits and pushes to a branch of the server.
    fn pushes(&self, file: &str, branch: &str) {
        std::fs::write(self.folder.join(file), "theirs\n").unwrap();
        self.git_in(&self.folder, &["add", "--all"]);
        self.git_in(&self.folder, &["commit", "--quiet", "--message", "Theirs"]);
        self.git_in(&self.folder, &["push", "--quiet", "origin", &format!("HEAD:{branch}")]);
    }
}

/// What a run said on stderr, without what the server says of each push.
fn said(output: &Output) -> String {
    let lines = output.stderr.lines();
    let own = lines.filter(|line| {
        !["remote: Analyzing objects", "remote: Storing "].iter().any(|it| line.starts_with(it))
    });
    own.collect::<Vec<_>>().join("\n")
}

/// The references of the repository at the server, each with the subject of its commit.
fn server(sandbox: &Sandbox) -> String {
    let format = "--format=%(refname) %(contents:subject)";
    sandbox.server("shop", "web", &["for-each-ref", format])
}

fn posts(sandbox: &Sandbox) -> usize {
    sandbox.azure.requests().iter().filter(|request| request.method == "POST").count()
}

#[test]
fn a_branch_that_is_pushed_first_follows_its_remote_and_is_up_to_date_then() {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["push"]).status, 0);
    assert_eq!(sandbox.git(["rev-parse", "--abbrev-ref", "main@{upstream}"]), "origin/main");
    assert_eq!(sandbox.git(["rev-parse", "origin/main"]), sandbox.git(["rev-parse", "main"]));
    assert_eq!(sandbox.git(["status", "--short", "--branch"]), "## main...origin/main");
    sandbox.azure.clear_requests();
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (up to date)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(
        sandbox.requests(),
        ["GET /contoso/shop/_git/web/info/refs?service=git-receive-pack 200"]
    );

    sandbox.commit("file", "two\n", "Two");
    let output = sandbox.run(["push"]);
    assert_data_eq!(said(&output), str!["main → origin/main"].raw());
    assert_eq!(sandbox.git(["rev-parse", "origin/main"]), sandbox.git(["rev-parse", "main"]));
    assert_eq!(server(&sandbox), "refs/heads/main Two");
}

#[test]
fn a_branch_follows_nothing_where_that_is_not_wanted() {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["push", "--no-set-upstream"]).status, 0);
    let _ = sandbox.git(["branch", "topic"]);
    assert_eq!(sandbox.run(["push", "--dry-run", "origin", "topic"]).status, 0);
    let branches = ["for-each-ref", "--format=%(refname:short) %(upstream:short)", "refs/heads"];
    assert_eq!(sandbox.git(branches), "main \ntopic");
    // One that follows another goes on following it.
    let _ = sandbox.git(["branch", "--quiet", "--set-upstream-to=main", "topic"]);
    assert_eq!(sandbox.run(["push", "origin", "topic"]).status, 0);
    assert_eq!(sandbox.git(branches), "main \ntopic main");
}

#[test]
fn a_push_that_is_done_is_told_even_where_the_branch_can_t_be_set_to_follow() {
    let sandbox = Sandbox::connected();
    // Another git that holds the file, since a file that is read-only is no hindrance to root.
    sandbox.write(".git/config.lock", "");
    let output = sandbox.run(["push"]);
    assert_eq!(server(&sandbox), "refs/heads/main One");
    assert_data_eq!(output.to_string(), str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
warning: the branch was not set to follow its remote: /work/.git/config can't be changed: failed to lock file '/work/.git/config.lock' for writing:
main → origin/main (new)
[exit 0]

"#]].raw());
}

#[test]
fn each_form_of_a_refspec_does_what_it_does_with_git() {
    let table: &[(&[&str], &str)] = &[
        (&["origin"], "refs/heads/main Two"),
        (&["origin", "main"], "refs/heads/main Two"),
        (&["origin", "HEAD"], "refs/heads/main Two"),
        (&["origin", "topic"], "refs/heads/topic One"),
        (&["origin", "topic:other"], "refs/heads/other One"),
        (&["origin", "topic:refs/heads/a/b"], "refs/heads/a/b One"),
        (&["origin", "HEAD:refs/heads/x"], "refs/heads/x Two"),
        (&["origin", "@:x", "topic"], "refs/heads/topic One\nrefs/heads/x Two"),
        (&["origin", "HEAD~1:refs/heads/x"], "refs/heads/x One"),
        (&["origin", "light"], "refs/tags/light One"),
        (&["origin", "tag", "light"], "refs/tags/light One"),
        (&["origin", "light:refs/heads/x"], "refs/heads/x One"),
        (&["origin", "heavy"], "refs/tags/heavy Heavy"),
        (&["origin", "--tags"], "refs/tags/heavy Heavy\nrefs/tags/light One"),
        (&["--tags"], "refs/tags/heavy Heavy\nrefs/tags/light One"),
        (&["origin", "--all"], "refs/heads/main Two\nrefs/heads/topic One"),
        (
            &["origin", "--tags", "main", "light"],
            "refs/heads/main Two\nrefs/tags/heavy Heavy\nrefs/tags/light One",
        ),
        (&["origin", "main", "main"], "refs/heads/main Two"),
        (&["origin", "main:x", "topic:x"], ""),
        (&["origin", "nowhere"], ""),
        (&["origin", "HEAD~1"], ""),
        (&["origin", "HEAD~1:x"], ""),
        (&["origin", "ma*n"], ""),
        (&["origin", "main:a:b"], ""),
        (&["origin", "main:a..b"], ""),
        (&["origin", "twice"], ""),
        (&["origin", "refs/heads/twice"], "refs/heads/twice One"),
    ];
    let mut shown = String::new();
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["branch", "topic"]);
    let _ = sandbox.git(["tag", "light"]);
    let _ = sandbox.git(["tag", "--annotate", "--message=Heavy", "heavy"]);
    sandbox.commit("file", "two\n", "Two");
    for (arguments, expected) in table {
        if arguments.iter().any(|argument| argument.contains("twice")) {
            let _ = sandbox.git(["branch", "--force", "twice", "topic"]);
            let _ = sandbox.git(["tag", "--force", "twice", "topic"]);
        }
        let output = sandbox.run([&["push"], *arguments].concat());
        assert_eq!(server(&sandbox), *expected, "{arguments:?}\n{output}");
        let arguments = arguments.join(" ");
        let status = output.status;
        shown.push_str(&format!("$ git vsts push {arguments}\n{}\n[{status}]\n", said(&output)));
        for line in server(&sandbox).lines() {
            let name = line.split(' ').next().unwrap();
            sandbox.server("shop", "web", &["update-ref", "-d", name]);
        }
    }
    assert_data_eq!(
        shown,
        str![[r#"
$ git vsts push origin
main → origin/main (new)
[0]
$ git vsts push origin main
main → origin/main (new)
[0]
$ git vsts push origin HEAD
main → origin/main (new)
[0]
$ git vsts push origin topic
topic → origin/topic (new)
[0]
$ git vsts push origin topic:other
topic → origin/other (new)
[0]
$ git vsts push origin topic:refs/heads/a/b
topic → origin/a/b (new)
[0]
$ git vsts push origin HEAD:refs/heads/x
main → origin/x (new)
[0]
$ git vsts push origin @:x topic
main → origin/x (new)
topic → origin/topic (new)
[0]
$ git vsts push origin HEAD~1:refs/heads/x
HEAD~1 → origin/x (new)
[0]
$ git vsts push origin light
light → origin/light (new)
[0]
$ git vsts push origin tag light
light → origin/light (new)
[0]
$ git vsts push origin light:refs/heads/x
light → origin/x (new)
[0]
$ git vsts push origin heavy
heavy → origin/heavy (new)
[0]
$ git vsts push origin --tags
heavy → origin/heavy (new)
light → origin/light (new)
[0]
$ git vsts push --tags
heavy → origin/heavy (new)
light → origin/light (new)
[0]
$ git vsts push origin --all
main → origin/main (new)
topic → origin/topic (new)
[0]
$ git vsts push origin --tags main light
main → origin/main (new)
light → origin/light (new)
heavy → origin/heavy (new)
[0]
$ git vsts push origin main main
main → origin/main (new)
[0]
$ git vsts push origin main:x topic:x
error: refs/heads/x is named twice
[2]
$ git vsts push origin nowhere
error: nothing here is called nowhere
hint: `git branch --all` and `git tag` list what there is
[1]
$ git vsts push origin HEAD~1
error: HEAD~1 is no branch or tag, and has no name at the server
hint: give it one: `git vsts push origin HEAD~1:refs/heads/NAME`
[2]
$ git vsts push origin HEAD~1:x
error: it can't be told whether x is to be a branch or a tag there
hint: name it in full: refs/heads/x or refs/tags/x
[2]
$ git vsts push origin ma*n
error: nothing here matches ma*n
hint: a pattern is for whole names, `refs/heads/*`; `git for-each-ref` lists them
[1]
$ git vsts push origin main:a:b
error: nothing here is called main:a
hint: `git branch --all` and `git tag` list what there is
[1]
$ git vsts push origin main:a..b
error: main:a..b is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[2]
$ git vsts push origin twice
error: twice is the name of a branch and of a tag
hint: name it in full: refs/heads/twice or refs/tags/twice
[2]
$ git vsts push origin refs/heads/twice
twice → origin/twice (new)
[0]

"#]]
        .raw()
    );
}

#[test]
fn what_is_at_the_server_is_deleted_and_forced_as_asked() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["branch", "topic"]);
    let _ = sandbox.git(["tag", "light"]);
    assert_eq!(sandbox.run(["push", "origin", "main", "topic", "light"]).status, 0);
    sandbox.commit("file", "two\n", "Two");
    assert_eq!(sandbox.run(["push"]).status, 0);
    let table: &[(&[&str], &str)] = &[
        (&["origin", ":topic"], "refs/heads/main Two\nrefs/tags/light One"),
        (&["origin", "topic"], "refs/heads/main Two\nrefs/heads/topic One\nrefs/tags/light One"),
        (&["--delete", "origin", "topic", "light"], "refs/heads/main Two"),
        (&["--delete", "origin", "topic"], "refs/heads/main Two"),
        (&["origin", ":refs/heads/topic"], "refs/heads/main Two"),
        (&["--delete", "origin", "a:b"], "refs/heads/main Two"),
        (&["origin", "topic:main"], "refs/heads/main Two"),
        (&["origin", "+topic:main"], "refs/heads/main One"),
        (&["origin", "main"], "refs/heads/main Two"),
        (&["--force", "origin", "topic:main"], "refs/heads/main One"),
    ];
    let mut shown = String::new();
    for (arguments, expected) in table {
        let output = sandbox.run([&["push"], *arguments].concat());
        assert_eq!(server(&sandbox), *expected, "{arguments:?}\n{output}");
        let arguments = arguments.join(" ");
        let status = output.status;
        shown.push_str(&format!("$ git vsts push {arguments}\n{}\n[{status}]\n", said(&output)));
    }
    assert_eq!(sandbox.git(["rev-parse", "origin/main"]), sandbox.git(["rev-parse", "topic"]));
    let remote = sandbox.git(["for-each-ref", "--format=%(refname)", "refs/remotes/origin"]);
    assert_eq!(remote, "refs/remotes/origin/main");
    assert_data_eq!(
        shown,
        str![[r#"
$ git vsts push origin :topic
origin/topic (deleted)
[0]
$ git vsts push origin topic
topic → origin/topic (new)
Make a pull request for topic: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic
[0]
$ git vsts push --delete origin topic light
origin/topic (deleted)
origin/light (deleted)
[0]
$ git vsts push --delete origin topic
error: the server has no branch or tag called topic
hint: it may be gone already
[1]
$ git vsts push origin :refs/heads/topic
error: the server has no branch or tag called refs/heads/topic
hint: it may be gone already
[1]
$ git vsts push --delete origin a:b
error: a:b is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[2]
$ git vsts push origin topic:main
error: main is behind: the server has commits that come after it
hint: get them: `git pull origin main`
[1]
$ git vsts push origin +topic:main
topic → origin/main (forced)
[0]
$ git vsts push origin main
main → origin/main
[0]
$ git vsts push --force origin topic:main
topic → origin/main (forced)
[0]

"#]]
        .raw()
    );
}

#[test]
fn a_dry_run_sends_nothing() {
    let sandbox = Sandbox::connected();
    let output = sandbox.run(["push", "--dry-run", "--json"]);
    assert_eq!((posts(&sandbox), server(&sandbox)), (0, String::new()));
    assert_eq!(output.json()["references"][0]["status"], "new");
    assert_data_eq!(said(&output), str!["main → origin/main (new, dry run)"].raw());
    assert_eq!(sandbox.git(["for-each-ref", "refs/remotes"]), "");
}

#[test]
fn push_default_is_obeyed() {
    // What is set for the branch, push.default, what comes of it.
    let table = [
        ("", "simple", "refs/heads/topic Two"),
        ("", "current", "refs/heads/topic Two"),
        ("", "upstream", ""),
        ("", "matching", "refs/heads/main Two"),
        ("", "nothing", ""),
        ("main", "simple", ""),
        ("main", "current", "refs/heads/topic Two"),
        ("main", "upstream", "refs/heads/main Two"),
        ("topic", "simple", "refs/heads/topic Two"),
    ];
    let mut shown = String::new();
    for (upstream, default, expected) in table {
        let sandbox = Sandbox::connected();
        assert_eq!(sandbox.run(["push", "--no-set-upstream", "origin", "main"]).status, 0);
        sandbox.commit("file", "two\n", "Two");
        let _ = sandbox.git(["switch", "--quiet", "--create", "topic"]);
        if !upstream.is_empty() {
            let _ = sandbox.git(["config", "branch.topic.remote", "origin"]);
            let merge = format!("refs/heads/{upstream}");
            let _ = sandbox.git(["config", "branch.topic.merge", &merge]);
        }
        let _ = sandbox.git(["config", "push.default", default]);
        sandbox.azure.clear_requests();
        let output = sandbox.run(["push"]);
        let changed: Vec<String> = server(&sandbox)
            .lines()
            .filter(|line| *line != "refs/heads/main One")
            .map(str::to_owned)
            .collect();
        assert_eq!(changed.join("\n"), expected, "{upstream} {default}\n{output}");
        let status = output.status;
        shown.push_str(&format!("{default}, {upstream:?}\n{}\n[{status}]\n", said(&output)));
        assert_eq!(posts(&sandbox), usize::from(!expected.is_empty()));
    }
    assert_data_eq!(
        shown,
        str![[r#"
simple, ""
topic → origin/topic (new)
Make a pull request for topic: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic
[0]
current, ""
topic → origin/topic (new)
Make a pull request for topic: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic
[0]
upstream, ""
error: topic follows no branch of that remote
hint: name what to push: `git vsts push origin BRANCH`
[2]
matching, ""
main → origin/main
[0]
nothing, ""
error: push.default is "nothing", and no refspec is named
hint: name what to push: `git vsts push origin BRANCH`
[2]
simple, "main"
error: topic follows main, which has another name
hint: say which you mean: `git vsts push origin HEAD:main` or `git vsts push origin topic`
[2]
current, "main"
topic → origin/topic (new)
Make a pull request for topic: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic
[0]
upstream, "main"
topic → origin/main
[0]
simple, "topic"
topic → origin/topic (new)
Make a pull request for topic: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic
[0]

"#]]
        .raw()
    );
}

#[test]
fn push_default_of_git_s_command_line_is_obeyed() {
    let sandbox = Sandbox::connected();
    sandbox.set("GIT_CONFIG_PARAMETERS", "'push.default=nothing'");
    let output = sandbox.run(["push"]);
    assert_eq!((output.status, posts(&sandbox)), (2, 0), "{output}");
}

#[test]
fn a_detached_head_names_no_branch() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["switch", "--quiet", "--detach"]);
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: no branch is checked out: HEAD is detached
hint: say where it goes: `git vsts push origin HEAD:refs/heads/BRANCH`
[exit 1]

"#]]
        .raw()
    );
    assert!(sandbox.requests().is_empty());
    let output = sandbox.run(["push", "origin", "HEAD"]);
    assert_data_eq!(
        said(&output),
        str![[r#"
error: no branch is checked out: HEAD is detached
hint: say where it goes: `git vsts push origin HEAD:refs/heads/BRANCH`
"#]]
        .raw()
    );
    let output = sandbox.run(["push", "origin", "HEAD:refs/heads/x"]);
    assert_data_eq!(said(&output), str!["HEAD → origin/x (new)"].raw());
    assert_eq!(server(&sandbox), "refs/heads/x One");
}

#[test]
fn where_there_is_no_commit_the_command_that_makes_one_is_named() {
    let sandbox = Sandbox::signed_in();
    let mut shown = String::new();
    let mut tell = |what: &str, sandbox: &Sandbox| {
        let output = sandbox.run(["push"]);
        shown.push_str(&format!("{what}\n{output}"));
        assert!(sandbox.requests().is_empty());
    };
    tell("no repository", &sandbox);
    let _ = sandbox.git(["init", "--quiet"]);
    tell("an unborn branch", &sandbox);
    sandbox.contoso().repository("shop", "web");
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    tell("an unborn branch with a remote", &sandbox);
    sandbox.commit("file", "one\n", "One");
    let _ = sandbox.git(["switch", "--quiet", "--orphan", "new"]);
    tell("an unborn branch beside another", &sandbox);
    assert_data_eq!(
        shown,
        str![[r#"
no repository
--- stderr
error: /work is in no git repository
hint: `git vsts init contoso/PROJECT/work --commit MESSAGE --push`
[exit 2]
an unborn branch
--- stderr
error: main has no commit yet
hint: `git vsts init contoso/PROJECT/work --commit MESSAGE --push`
[exit 2]
an unborn branch with a remote
--- stderr
error: main has no commit yet
hint: `git vsts init contoso/shop/web --commit MESSAGE --push`
[exit 2]
an unborn branch beside another
--- stderr
error: new has no commit yet
hint: `git vsts init contoso/shop/web --commit MESSAGE --push`
[exit 2]

"#]]
        .raw()
    );
    let output = sandbox.run(["push", "origin", "main"]);
    assert_eq!(output.status, 0, "{output}");
}

#[test]
fn history_that_would_be_lost_is_not_pushed_over() {
    let mut shown = String::new();
    let mut tell = |what: &str, sandbox: &Sandbox, arguments: &[&str]| {
        sandbox.azure.clear_requests();
        let before = server(sandbox);
        let output = sandbox.run([&["push"], arguments].concat());
        shown.push_str(&format!("{what}\n{}\n[{}]\n", said(&output), output.status));
        assert_eq!((posts(sandbox), server(sandbox)), (0, before), "{output}");
    };
    let sandbox = Sandbox::connected();
    sandbox.commit("file", "two\n", "Two");
    assert_eq!(sandbox.run(["push"]).status, 0);
    let _ = sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]);
    tell("behind", &sandbox, &[]);
    sandbox.commit("other", "three\n", "Three");
    tell("diverged", &sandbox, &[]);
    let _ = sandbox.git(["switch", "--quiet", "--orphan", "new"]);
    sandbox.commit("root", "root\n", "Root");
    tell("unrelated", &sandbox, &["origin", "new:main"]);
    Colleague::clone_of(&sandbox, "web").pushes("theirs", "main");
    tell("not fetched", &sandbox, &["origin", "main"]);
    let _ = sandbox.git(["update-ref", "-d", "refs/remotes/origin/main"]);
    tell("never fetched", &sandbox, &["origin", "main"]);

    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["tag", "light"]);
    assert_eq!(sandbox.run(["push", "origin", "light"]).status, 0);
    sandbox.commit("file", "two\n", "Two");
    let _ = sandbox.git(["tag", "--force", "light"]);
    tell("a tag", &sandbox, &["origin", "light"]);
    assert_data_eq!(shown, str![[r#"
behind
error: main is behind: the server has commits that come after it
hint: get them: `git pull origin main`
[1]
diverged
error: main and the server's went apart: each has commits that the other has not
hint: get them and push again: `git pull --rebase origin main`
[1]
unrelated
error: main and the server's have no commit in common
hint: put yours on top of it, `git pull --rebase origin main`, or push to another branch
[1]
not fetched
error: the server has commits on main that are not here
hint: get them and push again: `git pull --rebase origin main`
[1]
never fetched
error: the server has commits on main that were never fetched; it may have begun on its own, with a README for instance
hint: put yours on top of it: `git pull --rebase origin main`
[1]
a tag
error: the server has a tag light already, and it is another
hint: choose another name, or replace it: `git vsts push --force origin refs/tags/light`
[1]

"#]].raw());
    let output = sandbox.run(["push", "--force", "origin", "refs/tags/light"]);
    assert_eq!(output.status, 0, "{output}");
}

#[test]
fn one_reference_that_is_refused_stops_no_other() {
    let sandbox = Sandbox::connected();
    let reason = "TF402455: Pushes to this branch are not permitted; you must use a pull request \
                  to update this branch.";
    sandbox.contoso().policy("shop", "web", "refs/heads/main", reason);
    let _ = sandbox.git(["branch", "topic"]);
    let output = sandbox.run(["push", "--json", "--all"]);
    assert_eq!(server(&sandbox), "refs/heads/topic One");
    assert_data_eq!(output.to_string(), str![[r#"
--- stdout
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":"f56eff49ad9f3c63d884312fde8502704c5cfbff","status":"refused","reason":"TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch."},{"source":"refs/heads/topic","reference":"refs/heads/topic","old":null,"new":"f56eff49ad9f3c63d884312fde8502704c5cfbff","status":"new"}]}
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
error: contoso refused the push to main: pull requests only (TF402455)
hint: push a branch instead: `git vsts push origin HEAD:refs/heads/NAME`
topic → origin/topic (new)
[exit 3]

"#]].raw());
    // The branch here that was refused follows nothing, and the other does.
    let branches = ["for-each-ref", "--format=%(refname:short) %(upstream:short)", "refs/heads"];
    assert_eq!(sandbox.git(branches), "main \ntopic origin/topic");
    assert_eq!(
        sandbox.git(["for-each-ref", "--format=%(refname)", "refs/remotes"]),
        "refs/remotes/origin/topic"
    );
}

#[test]
fn the_object_for_a_script_is_whole() {
    let sandbox = Sandbox::connected();
    let output = sandbox.run(["push", "--json"]);
    assert_data_eq!(output.stdout, str![[r#"
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":"f56eff49ad9f3c63d884312fde8502704c5cfbff","status":"new"}]}

"#]].raw());
    sandbox.commit("file", "two\n", "Two");
    let output = sandbox.run(["push", "--json", "--quiet", "origin", "main", ":nothing"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the server has no branch or tag called nothing
hint: it may be gone already
[exit 1]

"#]]
        .raw()
    );
    let output = sandbox.run(["push", "--quiet", "origin", "main", "HEAD~1:refs/heads/old"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    let output = sandbox.run(["push", "--json", "--quiet", "origin", ":old"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stdout
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false,"references":[{"source":null,"reference":"refs/heads/old","old":"f56eff49ad9f3c63d884312fde8502704c5cfbff","new":null,"status":"deleted"}]}
[exit 0]

"#]].raw());
}

#[test]
fn where_all_names_are_known_the_repository_is_made_and_the_remote_added() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let names = ["push", "--org", "contoso", "--project", "shop", "--repo", "web"];
    let output = sandbox.run(names);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: contoso/shop has no repository web, or this account can't see it
hint: check its spelling, or make it: the same command with `--create`
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["remote"]), "");
    let output = sandbox.run([&names[..], &["--create", "--json"]].concat());
    assert_data_eq!(output.to_string(), str![[r#"
--- stdout
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":true,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":"f56eff49ad9f3c63d884312fde8502704c5cfbff","status":"new"}]}
--- stderr
Created shop/web
Added remote origin: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]].raw());
    assert_eq!(server(&sandbox), "refs/heads/main One");
    assert_eq!(sandbox.git(["remote", "get-url", "origin"]), sandbox.url("contoso/shop/_git/web"));
    // The names are known now, and the same command again changes nothing.
    let output = sandbox.run([&names[..], &["--create"]].concat());
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (up to date)
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    let mut shown = String::new();
    for arguments in [
        &["push"][..],
        &["push", "--create"],
        &["push", "--project", "shop"],
        &["push", "--org", "contoso", "--project", "shop"],
    ] {
        let output = sandbox.run(arguments);
        shown.push_str(&format!("$ git vsts {}\n{output}", arguments.join(" ")));
    }
    assert!(sandbox.requests().is_empty());
    assert_eq!(sandbox.git(["remote"]), "");
    assert_data_eq!(
        shown,
        str![[r#"
$ git vsts push
--- stderr
error: not known: the organization (--org), the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[exit 2]
$ git vsts push --create
--- stderr
error: not known: the organization (--org), the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[exit 2]
$ git vsts push --project shop
--- stderr
error: not known: the organization (--org)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[exit 2]
$ git vsts push --org contoso --project shop
--- stderr
error: not signed in to contoso
hint: sign in with `git vsts login contoso`, or set `GIT_VSTS_PAT` to a token
[exit 4]

"#]]
        .raw()
    );
}

#[test]
fn a_folder_s_name_that_azure_would_not_take_is_not_changed() {
    let sandbox = Sandbox::signed_in();
    let folder = sandbox.work().join("_web.git:x");
    std::fs::create_dir(&folder).unwrap();
    for arguments in
        [&["init", "--quiet"][..], &["commit", "--quiet", "--allow-empty", "--message=One"]]
    {
        let mut command = sandbox.command("git", arguments, &folder);
        assert!(command.status().unwrap().success());
    }
    let arguments = ["push", "--org", "contoso", "--project", "shop", "--create"];
    let output = sandbox.run_in(&folder, arguments, "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: not known: a name for the repository (--repo)
hint: the folder's name can't be one; name it, as in `--repo web.git-x`
[exit 2]

"#]]
        .raw()
    );
    assert!(sandbox.requests().is_empty());
}

#[test]
fn a_remote_elsewhere_is_left_alone_and_another_is_added_beside_it() {
    let sandbox = Sandbox::signed_in();
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    // Nobody answers there; a request would end the run.
    let elsewhere = "https://github.com/ada/web.git";
    let _ = sandbox.git(["remote", "add", "origin", elsewhere]);
    let _ = sandbox.git(["config", "branch.main.remote", "origin"]);
    let _ = sandbox.git(["config", "branch.main.merge", "refs/heads/main"]);
    let names = ["push", "--org", "contoso", "--project", "shop", "--repo", "web"];
    let output = sandbox.run(names);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Added remote azure: https://azure/contoso/shop/_git/web
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → azure/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.git(["remote", "get-url", "origin"]), elsewhere);
    assert_eq!(sandbox.git(["remote", "get-url", "azure"]), sandbox.url("contoso/shop/_git/web"));
    // What the branch followed it follows still.
    assert_eq!(sandbox.git(["config", "branch.main.remote"]), "origin");
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → azure/main (up to date)
[exit 0]

"#]]
        .raw()
    );
    let output = sandbox.run(["push", "origin"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: origin is not at Azure DevOps: https://github.com/ada/web.git
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_remote_is_chosen_by_the_branch_and_never_guessed() {
    let sandbox = Sandbox::connected();
    sandbox.contoso().repository("shop", "api");
    let _ = sandbox.git(["remote", "add", "second", &sandbox.url("contoso/shop/_git/api")]);
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: several remotes are at Azure DevOps: origin, second
hint: name one: `git vsts push origin`
[exit 2]

"#]]
        .raw()
    );
    assert!(sandbox.requests().is_empty());
    let _ = sandbox.git(["config", "remote.pushDefault", "second"]);
    assert_data_eq!(said(&sandbox.run(["push", "--dry-run"])), "main → second/main (new, dry run)");
    let _ = sandbox.git(["config", "branch.main.pushRemote", "origin"]);
    assert_data_eq!(said(&sandbox.run(["push", "--dry-run"])), "main → origin/main (new, dry run)");
}

#[test]
fn a_remote_that_is_named_must_be_one_of_azure_devops() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["remote", "add", "hub", "https://ada:hunter2@github.com/ada/web"]);
    let _ = sandbox.git(["remote", "add", "like", "https://dev.azure.com.evil.example/c/s/_git/w"]);
    let _ = sandbox.git(["remote", "add", "path", "/srv/web.git"]);
    sandbox.secret("hunter2");
    let mut shown = String::new();
    for remote in [
        "hub",
        "like",
        "path",
        "none",
        "https://ada:hunter2@dev.azure.com/contoso/shop/_git/web",
        &sandbox.url("contoso/shop/_git/web"),
        "../web",
        "",
        "--",
    ] {
        let output = sandbox.run(["push", "--", remote]);
        shown.push_str(&format!("{output}"));
    }
    assert!(sandbox.requests().is_empty());
    assert_data_eq!(
        shown,
        str![[r#"
--- stderr
error: hub is not at Azure DevOps: https://github.com/ada/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[exit 2]
--- stderr
error: like is not at Azure DevOps: https://dev.azure.com.evil.example/c/s/_git/w
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[exit 2]
--- stderr
error: path is not at Azure DevOps: /srv/web.git
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[exit 2]
--- stderr
error: there is no remote none
hint: there is hub, like, origin, path
[exit 2]
--- stderr
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
[exit 2]
--- stderr
error: a remote is named, not given as a URL
hint: `git vsts remote-add NAME https://azure/contoso/shop/_git/web` adds it
[exit 2]
--- stderr
error: there is no remote ../web
hint: there is hub, like, origin, path
[exit 2]
--- stderr
error: there is no remote
hint: there is hub, like, origin, path
[exit 2]
--- stderr
error: there is no remote --
hint: there is hub, like, origin, path
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_repository_that_is_gone_is_made_again_where_that_is_asked_for() {
    let sandbox = Sandbox::connected();
    sandbox.contoso().without_repository("shop", "web");
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: contoso/shop has no repository web, or this account can't see it
hint: check its spelling, or make it: the same command with `--create`
[exit 1]

"#]]
        .raw()
    );
    let output = sandbox.run(["push", "--create"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
Created shop/web
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(server(&sandbox), "refs/heads/main One");
}

#[test]
fn a_repository_that_is_disabled_is_not_made_again() {
    let sandbox = Sandbox::connected();
    sandbox.contoso().disable("shop", "web");
    let mut shown = String::new();
    for arguments in [&["push"][..], &["push", "--create"]] {
        shown.push_str(&sandbox.run(arguments).to_string());
    }
    assert_data_eq!(
        shown,
        str![[r#"
--- stderr
error: repository shop/web is disabled
hint: a project administrator can switch it on in the project's settings, under Repositories
[exit 1]
--- stderr
error: repository shop/web is disabled
hint: a project administrator can switch it on in the project's settings, under Repositories
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_large_push_goes_in_chunks_and_arrives_whole() {
    let sandbox = Sandbox::connected();
    // Noise, which no compression makes small.
    let mut noise = vec![0; 6 << 20];
    getrandom::fill(&mut noise).unwrap();
    std::fs::write(sandbox.work().join("noise"), &noise).unwrap();
    sandbox.commit("file", "two\n", "Two");
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
    let requests = sandbox.azure.requests();
    let post = requests.iter().find(|request| request.method == "POST").unwrap();
    assert!(post.chunked && post.content_length.is_none());
    assert!(post.body_bytes > 6 << 20, "{}", post.body_bytes);
    assert_eq!(sandbox.server("shop", "web", &["fsck", "--full", "--strict"]), "");
    let ids = sandbox.server("shop", "web", &["rev-parse", "main", "main:noise"]);
    assert_eq!(ids, sandbox.git(["rev-parse", "main", "main:noise"]));
}

/// The reason of a refusal, and what is said of it.
#[test]
fn the_service_s_reason_is_told_in_plain_words() {
    let sandbox = Sandbox::connected();
    let mut shown = String::new();
    for reason in [
        "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
        "TF401027: You need the Git 'CreateBranch' permission to perform this action. Details: identity 'Build\\5c1', scope 'branch'.",
        "VS403658: The object is 104857601 bytes, which is greater than the 104857600 byte limit for objects in this repository. Blob: 1234.",
        "TF401028: The reference 'refs/heads/main' has already been updated by another client, so you cannot update it. Please try again.",
        "VS403999: Something new.",
        "pre-receive hook declined",
        "",
    ] {
        sandbox.contoso().permit("shop", "web").policy("shop", "web", "refs/heads/main", reason);
        let output = sandbox.run(["push"]);
        assert_eq!(output.status, 3, "{output}");
        shown.push_str(&format!("{}\n", said(&output)));
    }
    sandbox.contoso().permit("shop", "web").secret_scanning("shop", "web");
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 3, "{output}");
    shown.push_str(&said(&output));
    sandbox.contoso().permit("shop", "web");
    assert_eq!(sandbox.run(["push"]).status, 0);
    sandbox.contoso().forbid_force("shop", "web");
    let _ = sandbox.git(["commit", "--amend", "--quiet", "--message=Other"]);
    let output = sandbox.run(["push", "--force"]);
    assert_eq!(output.status, 3, "{output}");
    shown.push_str(&format!("\n{}", said(&output)));
    assert_data_eq!(shown, str![[r#"
error: contoso refused the push to main: pull requests only (TF402455)
hint: push a branch instead: `git vsts push origin HEAD:refs/heads/NAME`
error: contoso refused the push to main: this account lacks the permission CreateBranch (TF401027)
hint: ask a project administrator for the permission "Create branch"
error: contoso refused the push to main: a file is larger than the repository allows
       VS403658: The object is 104857601 bytes, which is greater than the 104857600 byte limit for objects in this repository. Blob: 1234.
hint: take it out of the commits, or keep it with Git LFS: https://git-lfs.com
error: contoso refused the push to main: somebody pushed to it meanwhile (TF401028)
hint: get their work and push again: `git pull --rebase origin main`
error: contoso refused the push to main: VS403999: Something new.
error: contoso refused the push to main: pre-receive hook declined
error: contoso refused the push to main and gave no reason
remote: Checking for credentials and other secrets... (1/1) done (49 ms)
error: contoso refused the push to main: it holds secrets
       error VS403654: The push was rejected because it contains one or more secrets.
       
       Resolve the following secrets before pushing again. For help, see https://aka.ms/advancedsecurity/secret-scanning/push-protection.
       
       Secrets:
       
       commit: f56eff49ad9f3c63d884312fde8502704c5cfbff
       paths: /settings.json(51,74-113) : SEC101/003 : GoogleApiKey
hint: revoke each of them, and take them out of every commit that was not pushed yet, for instance with `git rebase --interactive`
error: contoso refused the push to main: this account lacks the permission ForcePush (TF401027)
hint: ask a project administrator for the permission "Force push"
"#]].raw());
}

#[test]
fn no_report_that_leaves_a_reference_open_is_a_success() {
    let main = "ok refs/heads/main";
    let table = [
        ("of another reference", Answer::push_report(&["unpack ok", "ok refs/heads/other"])),
        ("of no reference", Answer::push_report(&["unpack ok"])),
        ("without unpack", Answer::push_report(&[main])),
        ("of a failed unpack", Answer::push_report(&["unpack index-pack failed", main])),
        ("that is empty", Answer::push_report(&[])),
        ("without a body", Answer::push_report(&[]).body("")),
        ("of garbage", Answer::push_report(&[]).body("0001zzzz")),
        ("that is cut", Answer::push_report(&[]).body("0030\x01000eunpack ok\n0019ok refs/he")),
        ("of a fatal error", Answer::push_report(&[]).body("0010\x03out of disk")),
        ("of HTML", Answer::html_page()),
    ];
    let mut shown = String::new();
    let sandbox = Sandbox::connected();
    for (what, answer) in table {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::new("POST", "…/git-receive-pack"), answer);
        let output = sandbox.run(["push"]);
        assert_ne!(output.status, 0, "{what}");
        assert_eq!(sandbox.git(["for-each-ref", "refs/remotes"]), "", "{what}");
        let config = sandbox.git(["config", "--list", "--local"]);
        assert!(!config.contains("branch.main"), "{what}: {config}");
        shown.push_str(&format!("{what}\n{}\n[{}]\n", said(&output), output.status));
    }
    assert_data_eq!(
        shown,
        str![[r#"
of another reference
warning: the server did not say what became of the push, so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
of no reference
warning: the server did not say what became of the push, so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
without unpack
warning: the server did not say what became of the push, so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
of a failed unpack
error: contoso refused the push to main: index-pack failed
[3]
that is empty
warning: the server did not say what became of the push, so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
without a body
warning: the server did not say what became of the push, so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
of garbage
warning: the server did not say what became of the push, so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
that is cut
warning: the server did not say what became of the push, so it is asked what it has
error: main was not pushed so far: origin has it as it was
hint: run the same command again
[5]
of a fatal error
warning: the server did not say what became of the push, so it is asked what it has
error: contoso refused the push to main: out of disk
[3]
of HTML
error: azure takes the sign-in, but answered git with what is not git's protocol
hint: something on the way may have answered in its place: check the proxy
[5]

"#]]
        .raw()
    );
}

#[test]
fn a_connection_that_ends_after_the_pack_leaves_it_open_what_became_of_it() {
    let sandbox = Sandbox::connected();
    let rule = || Rule::new("POST", "…/git-receive-pack").times(1);
    sandbox.azure.answer(rule(), Answer::reset().after_serving());
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: the server did not say what became of the push (the connection to azure was cut), so it is asked what it has
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(server(&sandbox), "refs/heads/main One");
    // The same command again tells.
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/main (up to date)
[exit 0]

"#]]
        .raw()
    );

    sandbox.commit("file", "two\n", "Two");
    sandbox.azure.answer(rule(), Answer::real().after_serving().cut_after(20));
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
warning: the server did not say what became of the push (the connection to azure was cut), so it is asked what it has
main → origin/main
[exit 0]

"#]]
        .raw()
    );

    // Nor can it be asked.
    sandbox.commit("file", "three\n", "Three");
    sandbox.azure.clear_answers();
    sandbox.azure.answer(rule(), Answer::reset().after_serving());
    sandbox.azure.answer(Rule::new("GET", "…/info/refs").after(1), Answer::reset());
    assert_data_eq!(sandbox.run(["push"]).to_string(), str![[r#"
--- stderr
warning: the server did not say what became of the push (the connection to azure was cut), so it is asked what it has
error: it is not known what the server did with the push
  caused by: the connection to azure was cut
hint: see what is there with `git ls-remote`, then push again
[exit 5]

"#]].raw());
}

#[test]
fn a_connection_that_ends_before_the_pack_leaves_nothing_open() {
    let sandbox = Sandbox::connected();
    let mut shown = String::new();
    for answer in [
        Answer::reset(),
        Answer::real().cut_after(30),
        Answer::status(200).header("content-type", "application/x-git-receive-pack-advertisement"),
        Answer::status(200)
            .header("content-type", "application/x-git-receive-pack-advertisement")
            .body("001f# service=git-receive-pack\n0000zzzz"),
    ] {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::new("GET", "…/info/refs"), answer);
        let output = sandbox.run(["push"]);
        shown.push_str(&output.to_string());
    }
    assert_eq!(posts(&sandbox), 0);
    assert_data_eq!(
        shown,
        str![[r#"
--- stderr
error: the connection to azure was cut
hint: check the network, then run the same command again
[exit 5]
--- stderr
error: the connection to azure was cut
hint: check the network, then run the same command again
[exit 5]
--- stderr
error: the server's answer can't be understood: its list of references is cut short
hint: something on the way may have answered in its place: check the proxy
[exit 5]
--- stderr
error: the server's answer can't be understood: its list of references is malformed
hint: something on the way may have answered in its place: check the proxy
[exit 5]

"#]]
        .raw()
    );
}

#[test]
fn on_a_terminal_all_that_is_missing_is_asked_for_and_made() {
    let sandbox = Sandbox::new();
    let _browser = sandbox.browser("ada@contoso.com");
    sandbox.write("index.html", "<p>Shop</p>\n");
    sandbox.write(".gitignore", "dist\n");
    sandbox.write("dist/out", "x");
    let (shown, status) = sandbox
        .on_terminal(["push"])
        .expect("Make it one")
        .press("y")
        .expect("Commit them")
        .press("y")
        .expect("Organization")
        .answer("contoso")
        .expect("Project")
        .answer("shop")
        .expect("Make the repository")
        .press("y")
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
/work is no git repository yet.
? Make it one? yes
Made a git repository in /work
There is no commit yet.
To be committed, 2 files:
  .gitignore
  index.html
? Commit them? yes
Committed: First commit
Nothing here points at Azure DevOps yet.
? Organization: contoso
Opening https://azure/4d5eec41-5e32-464f-a026-2af287746f91/oauth2/v2.0/authorize?… (or visit it yourself)
Signed in to contoso as ada@contoso.com; kept a token in a file that only you can read until DATE
git uses it too: set in /home/.gitconfig
? Project: shop
? Make the repository shop/work? yes
Created shop/work
Added remote origin: https://azure/contoso/shop/_git/work
remote: Analyzing objects... (4/4) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
https://azure/contoso/shop/_git/work
"#]]
        .raw()
    );
    assert_eq!(status, 0);
    let files = ["ls-tree", "-r", "--name-only", "main"];
    assert_eq!(sandbox.server("shop", "work", &files), ".gitignore\nindex.html");
    assert_eq!(sandbox.git(["rev-parse", "--abbrev-ref", "main@{upstream}"]), "origin/main");
}

#[test]
fn on_a_terminal_a_no_ends_it_before_anything_is_made() {
    let sandbox = Sandbox::signed_in();
    sandbox.write("file", "x");
    let (shown, status) = sandbox.on_terminal(["push"]).expect("Make it one").press("n").end();
    assert_data_eq!(
        shown,
        str![[r#"
/work is no git repository yet.
? Make it one? no
error: there is no repository to push
hint: `git vsts init ORG/PROJECT/REPO` makes one, here and at the service
"#]]
        .raw()
    );
    assert_eq!(status, 1);
    assert!(!sandbox.work().join(".git").exists());

    sandbox.repository();
    let (shown, status) = sandbox
        .on_terminal(["push", "--project", "shop"])
        .expect("Make the repository")
        .press("n")
        .end();
    assert_data_eq!(
        shown,
        str![[r#"
Nothing here points at Azure DevOps yet.
? Make the repository shop/work? no
error: contoso/shop has no repository work, or this account can't see it
hint: check its spelling, or make it: the same command with `--create`
"#]]
        .raw()
    );
    assert_eq!(status, 1);
    assert_eq!(sandbox.git(["remote"]), "");
}

#[test]
fn on_a_terminal_one_of_several_remotes_is_chosen() {
    let sandbox = Sandbox::connected();
    sandbox.contoso().repository("shop", "api");
    let _ = sandbox.git(["remote", "add", "second", &sandbox.url("contoso/shop/_git/api")]);
    let (shown, status) = sandbox.on_terminal(["push"]).expect("Remote").press("\u{1b}[B\r").end();
    assert_data_eq!(
        shown,
        str![[r#"
? Remote: second: https://azure/contoso/shop/_git/api
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → second/main (new)
https://azure/contoso/shop/_git/api
"#]]
        .raw()
    );
    assert_eq!(status, 0);
    assert_eq!(sandbox.server("shop", "api", &["log", "--format=%s", "main"]), "One");
}

#[cfg(unix)]
#[test]
fn a_reference_at_the_server_whose_name_is_no_text_is_in_nobodys_way() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::connected();
    let _ = sandbox.run(["push", "--quiet"]);
    let name = std::ffi::OsStr::from_bytes(b"refs/heads/caf\xe9");
    let bare = sandbox.contoso().bare("shop", "web");
    let mut command = sandbox.command("git", ["update-ref".as_ref(), name, "main".as_ref()], &bare);
    assert_eq!(sandbox.finish(&mut command, "").to_string(), "[exit 0]\n");
    sandbox.commit("file", "two\n", "Two");
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "Two\nOne");
}

#[test]
fn flags_that_name_another_repository_than_the_remote_are_not_passed_over() {
    let sandbox = Sandbox::connected();
    for (flags, status) in [
        (["--repo", "api"], 2),
        (["--project", "warehouse"], 2),
        (["--org", "fabrikam"], 2),
        (["--repo", "WEB"], 0),
    ] {
        let output = sandbox.run(["push"].iter().chain(&flags));
        assert_eq!(output.status, status, "{output}");
    }
    let output = sandbox.run(["push", "--repo", "api"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the remote origin is for contoso/shop/web, and --repo says api
hint: leave it out, or add a remote for the other: `git vsts remote-add NAME ORG/PROJECT/REPO`
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_dry_run_makes_nothing_and_adds_nothing() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let before = sandbox.git(["config", "--list", "--local"]);
    let arguments = ["push", "--dry-run", "--create", "--org", "contoso", "--project", "shop"];
    let output = sandbox.run(arguments.iter().chain(&["--repo", "web"]));
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Would create shop/web
Would add remote origin, and push
[exit 0]

"#]]
        .raw()
    );
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    let output = sandbox.run(["push", "--dry-run", "--create"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Would create shop/web
[exit 0]

"#]]
        .raw()
    );
    let _ = sandbox.git(["remote", "remove", "origin"]);
    assert_eq!(sandbox.git(["config", "--list", "--local"]), before);
    let posts = sandbox.requests().into_iter().filter(|it| !it.starts_with("GET"));
    assert_eq!(posts.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_shallow_clone_is_left_to_git() {
    let sandbox = Sandbox::connected();
    sandbox.commit("file", "two\n", "Two");
    let origin = sandbox.work().display().to_string();
    let clone = sandbox.home().join("clone");
    let mut command = sandbox.command(
        "git",
        [
            "clone",
            "--quiet",
            "--depth=1",
            &format!("file://{origin}"),
            &clone.display().to_string(),
        ],
        &sandbox.home(),
    );
    assert_eq!(sandbox.finish(&mut command, "").status, 0);
    let url = sandbox.url("contoso/shop/_git/web");
    let mut command = sandbox.command("git", ["remote", "set-url", "origin", &url], &clone);
    assert_eq!(sandbox.finish(&mut command, "").status, 0);
    let output = sandbox.run_in(&clone, ["push"], "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
error: contoso refused the push to main: the clone is shallow, and the server has not what it lacks
hint: get the rest of the history from where it was cloned, `git fetch --unshallow`, and push again
[exit 3]

"#]]
        .raw()
    );
}

#[test]
fn a_refused_push_ends_so_even_where_nobody_reads_its_output() {
    let sandbox = Sandbox::connected();
    sandbox.contoso().policy("shop", "web", "refs/heads/main", "TF402455: no");
    // Nobody reads, and whoever does not is gone before the report.
    let script = "set -o pipefail; git vsts push | true";
    let output = sandbox.finish(&mut sandbox.command("bash", ["-c", script], &sandbox.work()), "");
    assert_eq!(output.status, 3, "{output}");
}

#[test]
fn a_token_that_nothing_keeps_is_asked_for_once() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_STORE", "none");
    sandbox.repository();
    let _browser = sandbox.browser("ada@contoso.com");
    let (shown, status) = sandbox
        .on_terminal(["push", "--org", "contoso", "--project", "shop", "--repo", "web", "--create"])
        .end();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(shown.matches("Opening ").count(), 1, "{shown}");
    // Nobody would know it any more.
    assert_eq!(sandbox.contoso().tokens_made().len(), 0);
}

#[test]
fn a_signed_request_goes_to_no_host_that_a_setting_names() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["config", "http.extraHeader", "Host: fabrikam.visualstudio.com"]);
    let _ = sandbox.git(["config", "--add", "http.extraHeader", "X-Corporation: yes"]);
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
    for request in sandbox.azure.requests() {
        let host = sandbox.azure.url().trim_start_matches("http://").to_owned();
        assert_eq!(request.header("host"), Some(&*host));
        assert_eq!(request.header("x-corporation"), Some("yes"));
    }
}

#[cfg(unix)]
#[test]
fn a_branch_whose_name_is_no_text_is_not_left_out_in_silence() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::connected();
    let name = std::ffi::OsStr::from_bytes(b"refs/heads/caf\xe9");
    let _ = sandbox.git(["update-ref".as_ref(), name, "main".as_ref()]);
    let output = sandbox.run(["push", "--all"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the repository can't be read: the name of refs/heads/caf� is not UTF-8
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_branch_in_the_place_of_a_remote_is_told() {
    let output = Sandbox::connected().run(["push", "main"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: there is no remote main
hint: main is a branch here: `git vsts push origin main`
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_project_that_is_missing_is_told_before_anything_is_asked() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let (shown, status) = sandbox.on_terminal(["push", "--project", "nosuch"]).end();
    assert_data_eq!(
        shown,
        str![[r#"
Nothing here points at Azure DevOps yet.
error: contoso has no project nosuch, or this account can't see it
hint: check its spelling, or make it with `git vsts init contoso/nosuch/work --create-project`
"#]]
        .raw()
    );
    assert_eq!(status, 1);
}
