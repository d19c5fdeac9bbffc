//! The `pre-push` hook

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox, write_program};

/// Tells all that a hook can see of how it was called.
const TELLS: &str = r#"#!/bin/sh
{
    echo "arguments: $*"
    echo "folder: $(pwd)"
    env | grep -E '^GIT_(DIR|WORK_TREE|INDEX_FILE|PREFIX|VSTS_PAT)=' | sort
    cat
} >"$HOME/told"
"#;

/// A connected repository whose `pre-push` is that script.
fn with_hook(script: &str) -> Sandbox {
    let sandbox = Sandbox::connected();
    write_program(&sandbox.work().join(".git/hooks/pre-push"), script);
    sandbox
}

/// What the hook told of its last run, which is forgotten.
fn told(sandbox: &Sandbox) -> Option<String> {
    let file = sandbox.home().join("told");
    let told = fs::read_to_string(&file).ok()?;
    fs::remove_file(file).unwrap();
    Some(told)
}

fn posts(sandbox: &Sandbox) -> usize {
    sandbox.azure.requests().iter().filter(|request| request.method == "POST").count()
}

/// A plain `git push` to the double, signed in.
fn plain_git(sandbox: &Sandbox, directory: &Path, arguments: &[&str]) -> Output {
    use base64::Engine as _;
    let token = sandbox.token("contoso");
    let basic = base64::engine::general_purpose::STANDARD.encode(format!(":{token}"));
    let header = format!("http.extraHeader=Authorization: Basic {basic}");
    let all = [&["-c", &header, "push"], arguments].concat();
    sandbox.finish(&mut sandbox.command("git", all, directory), "")
}

#[test]
fn it_is_told_what_git_tells_it() {
    let sandbox = with_hook(TELLS);
    assert_eq!(sandbox.run(["push"]).status, 0);
    told(&sandbox).unwrap();
    let _ = sandbox.git(["branch", "topic"]);
    let _ = sandbox.git(["tag", "light"]);
    let _ = sandbox.git(["tag", "--annotate", "--message=x", "heavy"]);
    assert_eq!(sandbox.run(["push", "origin", "topic:zebra", "topic:apple"]).status, 0);
    sandbox.commit("file", "two\n", "Two");
    let id = sandbox.git(["rev-parse", "HEAD"]);
    let by_id = format!("{id}:refs/heads/id");
    let table: &[&[&str]] = &[
        &["origin"],
        &["origin", "main"],
        &["origin", "HEAD"],
        &["origin", "@"],
        &["origin", "HEAD:refs/heads/other"],
        &["origin", "HEAD~1:refs/heads/old"],
        &["origin", &by_id],
        &["origin", "refs/heads/topic"],
        &["origin", "topic:new", "main:zebra", "main:apple", "main", "light"],
        &["origin", "tag", "heavy"],
        &["origin", "--tags"],
        &["origin", "--all"],
        &["origin", "main", "--tags"],
        &["origin", ":zebra"],
        &["origin", "--delete", "zebra", "apple"],
        &["origin", "+HEAD~1:main"],
        &["origin", "topic:apple"],
    ];
    for arguments in table {
        // Nothing is sent, so every row begins with the same server.
        let arguments = [*arguments, &["--dry-run"]].concat();
        let git = plain_git(&sandbox, &sandbox.work(), &arguments);
        assert_eq!(git.status, 0, "{arguments:?}\n{git}");
        let expected = told(&sandbox);
        assert!(expected.is_some(), "{arguments:?}");
        let output = sandbox.run([&["push"], &*arguments].concat());
        assert_eq!(output.status, 0, "{arguments:?}\n{output}");
        assert_eq!(told(&sandbox), expected, "{arguments:?}");
    }
    let posts = posts(&sandbox);
    assert_eq!(posts, 2, "a dry run sends nothing");
}

#[test]
fn it_runs_where_git_runs_it() {
    let sandbox = with_hook(TELLS);
    let _ = sandbox.git(["branch", "topic"]);
    let linked = sandbox.home().join("linked");
    let _ = sandbox.git(["worktree", "add", "--quiet", linked.to_str().unwrap(), "topic"]);
    sandbox.write("sub/file", "x");
    let bare = sandbox.home().join("bare.git");
    let _ = sandbox.git(["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    fs::copy(sandbox.work().join(".git/hooks/pre-push"), bare.join("hooks/pre-push")).unwrap();
    let url = sandbox.url("contoso/shop/_git/web");
    let mut command = sandbox.command("git", ["remote", "set-url", "origin", &url], &bare);
    assert!(command.status().unwrap().success());
    for folder in [&sandbox.work(), &linked, &bare] {
        let arguments = ["origin", "topic", "--dry-run"];
        let git = plain_git(&sandbox, folder, &arguments);
        assert_eq!(git.status, 0, "{git}");
        let expected = told(&sandbox).unwrap();
        let arguments = ["push", "origin", "topic", "--dry-run"];
        let output = sandbox.run_in(folder, arguments, "");
        assert_eq!(output.status, 0, "{output}");
        assert_eq!(told(&sandbox).unwrap(), expected);

        old_git(&sandbox);
        let output = sandbox.run_in(folder, arguments, "");
        assert_eq!(output.status, 0, "{output}");
        assert_eq!(told(&sandbox).unwrap(), expected, "with an old git");
        sandbox.set("PATH", &std::env::var("PATH").unwrap());
    }
    // From a subfolder it is the top all the same.
    let sub = sandbox.work().join("sub");
    let output = sandbox.run_in(&sub, ["push", "origin", "topic", "--dry-run"], "");
    assert_eq!(output.status, 0, "{output}");
    let folder = format!("folder: {}\n", sandbox.work().display());
    let told = told(&sandbox).unwrap();
    assert!(told.contains(&folder), "{told}");
}

/// Puts a git first on `PATH` that says it is 2.30 and knows no `git hook`.
fn old_git(sandbox: &Sandbox) {
    let path = std::env::var("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|folder| folder.join("git"));
    let real = real.into_iter().find(|git| git.is_file()).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in\nversion) echo 'git version 2.30.2' ;;\nhook) exit 129 ;;\n*) exec '{}' \"$@\" ;;\nesac\n",
        real.display()
    );
    let folder = sandbox.home().join("old");
    write_program(&folder.join("git"), &script);
    sandbox.set("PATH", &format!("{}:{path}", folder.display()));
}

#[test]
fn one_that_fails_stops_the_push_before_anything_is_sent() {
    let script = "#!/bin/sh\necho to stdout\necho to stderr >&2\nexit 3\n";
    let sandbox = with_hook(script);
    let expected = str![[r#"
--- stderr
to stdout
to stderr
error: the pre-push hook refused the push (exit status: 3)
hint: nothing was sent; `--no-verify` pushes without the hook
[exit 1]

"#]]
    .raw();
    let output = sandbox.run(["push"]);
    assert_data_eq!(output.to_string(), expected);
    assert_eq!(posts(&sandbox), 0);

    old_git(&sandbox);
    assert_eq!(sandbox.run(["push"]).to_string(), output.to_string());
    assert_eq!(posts(&sandbox), 0);

    let output = sandbox.run(["push", "--no-verify"]);
    assert_eq!(output.status, 0, "{output}");
    assert!(!output.to_string().contains("to stderr"), "{output}");
}

#[test]
fn what_it_prints_is_no_data() {
    let sandbox = with_hook("#!/bin/sh\ncat >/dev/null\necho from the hook\n");
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
from the hook
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn one_that_does_not_read_its_lines_is_no_fault() {
    for script in ["#!/bin/sh\nexit 0\n", "#!/bin/sh\nexec <&-\n"] {
        let sandbox = with_hook(script);
        let output = sandbox.run(["push"]);
        assert_eq!(output.status, 0, "{output}");
    }
}

#[test]
fn it_runs_where_everything_is_up_to_date_as_with_git() {
    let sandbox = with_hook(TELLS);
    assert_eq!(sandbox.run(["push"]).status, 0);
    told(&sandbox).unwrap();
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
    let expected = format!(
        "arguments: origin {}\nfolder: {}\nGIT_PREFIX=\n",
        sandbox.url("contoso/shop/_git/web"),
        sandbox.work().display()
    );
    assert_eq!(told(&sandbox).unwrap(), expected);
}

#[test]
fn it_gets_no_token_of_the_environment() {
    let sandbox = with_hook("#!/bin/sh\ncat >/dev/null\nenv >\"$HOME/told\"\n");
    let names = ["GIT_VSTS_PAT", "AZURE_DEVOPS_EXT_PAT", "SYSTEM_ACCESSTOKEN"];
    let token = sandbox.token("contoso");
    for name in names {
        sandbox.set(name, &token);
    }
    for run in [["push", "--quiet"], ["push", "--dry-run"]] {
        let output = sandbox.run(run);
        assert_eq!(output.status, 0, "{output}");
        let told = told(&sandbox).unwrap();
        assert!(!told.contains(&token) && !names.iter().any(|name| told.contains(name)), "{told}");
        old_git(&sandbox);
    }
}

#[test]
fn its_folder_is_the_one_of_core_hooks_path() {
    let sandbox = Sandbox::connected();
    let absolute = sandbox.home().join("absolute");
    for (value, folder) in [
        (absolute.to_str().unwrap(), &absolute),
        (".hooks", &sandbox.work().join(".hooks")),
        ("~/of home", &sandbox.home().join("of home")),
    ] {
        let _ = sandbox.git(["config", "core.hooksPath", value]);
        write_program(
            &folder.join("pre-push"),
            "#!/bin/sh\ncat >/dev/null\necho \"$0\" >\"$HOME/told\"\n",
        );
        let output = sandbox.run(["push", "--dry-run"]);
        assert_eq!(output.status, 0, "{output}");
        assert!(told(&sandbox).is_some(), "{value}");
        old_git(&sandbox);
        let output = sandbox.run(["push", "--dry-run"]);
        assert_eq!(output.status, 0, "{output}");
        assert!(told(&sandbox).is_some(), "{value} with an old git");
        sandbox.set("PATH", &std::env::var("PATH").unwrap());
    }
}

#[test]
fn the_user_s_own_word_on_its_folder_is_obeyed() {
    let sandbox = with_hook("#!/bin/sh\necho must not run >&2\nexit 1\n");
    sandbox.set("GIT_CONFIG_COUNT", "1");
    sandbox.set("GIT_CONFIG_KEY_0", "core.hooksPath");
    sandbox.set("GIT_CONFIG_VALUE_0", "/dev/null");
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
}

#[test]
fn one_that_is_not_executable_is_left_out_and_git_says_so() {
    let sandbox = with_hook("#!/bin/sh\nexit 1\n");
    let file = sandbox.work().join(".git/hooks/pre-push");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
hint: The '.git/hooks/pre-push' hook was ignored because it's not set as executable.
hint: You can disable this warning with `git config advice.ignoredHook false`.
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/main (new)
[exit 0]

"#]]
        .raw()
    );
    old_git(&sandbox);
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
}

#[test]
fn without_git_a_repository_that_has_one_is_refused() {
    let sandbox = with_hook(TELLS);
    let empty = sandbox.home().join("empty");
    fs::create_dir(&empty).unwrap();
    sandbox.set("PATH", empty.to_str().unwrap());
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the repository has a pre-push hook, and there is no git to run it with
hint: nothing was sent; `--no-verify` pushes without the hook
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(posts(&sandbox), 0);
    let output = sandbox.run(["push", "--no-verify"]);
    assert_eq!(output.status, 0, "{output}");

    let sandbox = Sandbox::connected();
    sandbox.set("PATH", "/nowhere");
    let output = sandbox.run(["push"]);
    assert_eq!(output.status, 0, "{output}");
}
