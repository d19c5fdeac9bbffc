//! A repository that belongs to somebody else: nothing in it is believed (threats, A2;
//! CVE-2022-24765).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

/// Another user's number; nobody of that number needs to be there.
const SOMEBODY: &str = "4321:4321";

/// A repository of somebody else's in the work folder, whose configuration and hooks would run
/// their commands and send elsewhere.
fn somebody_elses() -> Sandbox {
    let sandbox = Sandbox::connected();
    let trap = format!("touch {}", sandbox.home().join("trapped").display());
    for (key, value) in [
        ("core.fsmonitor", trap.as_str()),
        ("core.sshCommand", trap.as_str()),
        ("core.hooksPath", ".git/hooks"),
        ("vsts.organization", "fabrikam"),
        ("http.proxy", "http://127.0.0.1:1"),
    ] {
        let _ = sandbox.git(["config", key, value]);
    }
    for hook in ["pre-push", "pre-commit"] {
        sandbox.write(&format!(".git/hooks/{hook}"), &format!("#!/bin/sh\n{trap}\n"));
        let hook = sandbox.work().join(".git/hooks").join(hook);
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.write("folder/file", "two\n");
    give_away(&sandbox);
    sandbox
}

fn give_away(sandbox: &Sandbox) {
    give(&sandbox.work());
}

fn give(path: &Path) {
    let mut command = match rustix::process::geteuid().is_root() {
        true => Command::new("chown"),
        false => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "chown"]);
            sudo
        }
    };
    let status = command.args(["-R", SOMEBODY]).arg(path).status().unwrap();
    assert!(status.success(), "giving a file to somebody else needs root or `sudo -n`");
}

#[test]
#[ignore = "needs root: run tests/run"]
fn a_repository_of_somebody_elses_is_refused_and_nothing_of_it_believed() {
    let sandbox = somebody_elses();
    let mut said = String::new();
    for command in [
        &["push"][..],
        &["status"],
        &["init", "contoso/shop/web", "--commit", "Mine", "--push"],
        &["remote-add", "azure", "contoso/shop/web"],
    ] {
        let output = sandbox.run(command);
        said.push_str(&format!("$ git vsts {}\n{output}", command.join(" ")));
    }
    assert_data_eq!(
        said,
        str![[r#"
$ git vsts push
--- stderr
error: the repository /work belongs to somebody else
hint: if you trust it: `git config --global --add safe.directory /work`
[exit 1]
$ git vsts status
--- stderr
error: the repository /work belongs to somebody else
hint: if you trust it: `git config --global --add safe.directory /work`
[exit 1]
$ git vsts init contoso/shop/web --commit Mine --push
--- stderr
error: the repository /work belongs to somebody else
hint: if you trust it: `git config --global --add safe.directory /work`
[exit 1]
$ git vsts remote-add azure contoso/shop/web
--- stderr
error: the repository /work belongs to somebody else
hint: if you trust it: `git config --global --add safe.directory /work`
[exit 1]

"#]]
        .raw()
    );
    // These need no repository, and take none of its words.
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
[exit 0]

"#]]
        .raw()
    );
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
    assert!(!sandbox.home().join("trapped").exists());
    assert_eq!(
        sandbox.requests(),
        ["GET /contoso/_apis/connectionData?api-version=7.1-preview 200"]
    );
}

/// Runs the command that a hint names.
fn follow(sandbox: &Sandbox, stderr: &str) {
    let (_, rest) = stderr.split_once('`').unwrap();
    let (line, _) = rest.split_once('`').unwrap();
    // What is printed is shown without the sandbox's own folder.
    let top = sandbox.work().display().to_string();
    let line = line.replace("/work", &top);
    let status = sandbox.command("sh", ["-c", &line], &sandbox.home()).status().unwrap();
    assert!(status.success(), "{line}");
}

#[test]
#[ignore = "needs root: run tests/run"]
fn the_advice_works_from_a_folder_within_as_well() {
    let sandbox = somebody_elses();
    let folder = sandbox.work().join("folder");
    let output = sandbox.run_in(&folder, ["status"], "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: the repository /work belongs to somebody else
hint: if you trust it: `git config --global --add safe.directory /work`
[exit 1]

"#]]
        .raw()
    );
    follow(&sandbox, &output.stderr);
    let output = sandbox.run_in(&folder, ["status"], "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
}

#[test]
#[ignore = "needs root: run tests/run"]
fn a_configuration_file_stays_its_owners() {
    use std::os::unix::fs::MetadataExt as _;
    let sandbox = Sandbox::new();
    let path = sandbox.home().join(".gitconfig");
    let owner = || {
        let data = fs::metadata(&path).unwrap();
        (format!("{}:{}", data.uid(), data.gid()), data.mode() & 0o777)
    };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    let before = fs::read(&path).unwrap();
    give(&path);
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    if !rustix::process::geteuid().is_root() {
        // It can't be written then, by whoever is neither its owner nor root.
        assert!(output.stderr.contains(".gitconfig is read-only"), "{output}");
        return;
    }
    assert_ne!(fs::read(&path).unwrap(), before);
    assert_eq!(owner(), (SOMEBODY.to_owned(), 0o664));
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(owner(), (SOMEBODY.to_owned(), 0o664));
}

/// libgit2 knows exact folders and `*`, and git also all that is below one (`safe.directory`,
/// git-config(1)).
#[test]
#[ignore = "needs root: run tests/run"]
fn a_repository_that_git_trusts_by_a_rule_of_its_own_is_pushed_from_by_git() {
    let sandbox = Sandbox::connected();
    give_away(&sandbox);
    let below = sandbox.work().parent().unwrap().join("*").display().to_string();
    sandbox.set("GIT_CONFIG_COUNT", "1");
    sandbox.set("GIT_CONFIG_KEY_0", "safe.directory");
    sandbox.set("GIT_CONFIG_VALUE_0", &below);
    assert_data_eq!(sandbox.run(["push", "-q", "--json"]).to_string(), str![[r#"
--- stdout
{"organization":"contoso","project":"shop","repository":"web","url":"https://azure/contoso/shop/_git/web","remote":"origin","remoteUrl":"https://azure/contoso/shop/_git/web","created":false,"references":[{"source":"refs/heads/main","reference":"refs/heads/main","old":null,"new":null,"status":"new"}]}
[exit 0]

"#]].raw());
}
