//! Completion in real shells, on terminals of their own, with the files where `git vsts setup` puts
//! them in a fresh home. What stands in the line after a key is shown by having it printed: the shell
//! itself then takes the words apart.
//!
//! Not shown here is `git vsts` in fish 3.6.0, Debian 12's, which completes no command `git-NAME` as
//! `git NAME` at all (<https://github.com/fish-shell/fish-shell/issues/9457>); and PowerShell, which
//! Debian does not have. With `git -C DIR vsts` the completion for zsh that comes with git completes
//! nothing, since it knows no `-C`; and fish hands on none of git's own options, so that the remotes
//! and branches are those of the folder here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use git_vsts::installation::Places;

use crate::sandbox::Sandbox;
use crate::session::{Session, State};

/// A branch whose name a shell would run, or take for several words.
const HOSTILE: &str = "hostile$(touch${IFS}hostile)'\";&|`id`";

/// A home in which everything is put where it belongs, and a repository with some branches, a second
/// one in `other`, and a sign-in.
fn home() -> Sandbox {
    let sandbox = Sandbox::connected();
    for branch in ["dev", "feature/one", HOSTILE] {
        let _ = sandbox.git(["branch", branch]);
    }
    let _ = sandbox.git(["init", "--quiet", "other"]);
    let url = sandbox.url("contoso/shop/_git/other");
    let _ = sandbox.git(["-C", "other", "remote", "add", "elsewhere", &url]);
    // Under a prefix of its own, beside which the manual goes.
    let program = sandbox.home().join("prefix/bin/git-vsts");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    symlink(env!("CARGO_BIN_EXE_git-vsts"), &program).unwrap();
    let program = program.display().to_string();
    let output = sandbox.finish(&mut sandbox.command(&program, ["setup"], &sandbox.work()), "");
    assert_eq!(output.status, 0, "{output}");
    sandbox
}

/// What the words of the line are after these keys.
fn words(sandbox: &Sandbox, shell: &[&str], keys: &str) -> String {
    let dialogue = sandbox.dialogue(sandbox.command(shell[0], &shell[1..], &sandbox.work()));
    let typed = dialogue
        .expect("READY")
        .press(keys)
        .press("\u{1}printf '<%s>' \u{5};echo\r")
        .press("exit\r");
    let (shown, _) = typed.end();
    // It is shown typed, too, but not so.
    let printed =
        shown.lines().rev().find(|line| line.contains("><")).unwrap_or_else(|| panic!("{shown}"));
    let start = printed.find('<').unwrap();
    printed[start..=printed.rfind('>').unwrap()]
        .replace("><", " ")
        .trim_matches(['<', '>'])
        .to_owned()
}

/// That a name which a shell would run comes into the line as the name that it is, or not at all.
fn check_hostile(sandbox: &Sandbox, shell: &[&str], keys: &str, expected: &str) {
    let words = words(sandbox, shell, keys);
    assert!(words.ends_with(&format!(" push origin {expected}")), "{words}");
    assert!(!sandbox.work().join("hostile").exists(), "the name was run");
}

fn check(sandbox: &Sandbox, shell: &[&str], table: &[(&str, &str)]) {
    for (keys, expected) in table {
        assert_eq!(words(sandbox, shell, keys), *expected, "{keys:?}");
    }
}

const BASH: [&str; 4] = ["bash", "--noprofile", "--rcfile", ".bashrc"];

#[test]
#[ignore = "needs bash-completion: run tests/run"]
fn bash_completes_with_gits_own_completion() {
    let sandbox = home();
    sandbox.write(
        ".bashrc",
        "PS1='READY '\n. /usr/share/bash-completion/bash_completion\nbind 'set enable-bracketed-paste off'\n",
    );
    check(
        &sandbox,
        &BASH,
        &[
            ("git vs\tlogi\t", "git vsts login"),
            ("git vsts lo\t\to\t", "git vsts logout"),
            ("git vsts push --dr\t", "git vsts push --dry-run"),
            ("git vsts push or\tfe\t", "git vsts push origin feature/one"),
            ("git vsts push origin HEAD:fe\t", "git vsts push origin HEAD:feature/one"),
            ("git vsts push --org co\t", "git vsts push --org contoso"),
            ("git vsts push --org=co\t", "git vsts push --org=contoso"),
            ("git -C other vsts push e\t", "git -C other vsts push elsewhere"),
            (
                "git -c a=b --no-pager -C other vsts push e\t",
                "git -c a=b --no-pager -C other vsts push elsewhere",
            ),
            ("git-vsts push or\tfe\t", "git-vsts push origin feature/one"),
            ("git-vsts push --org=co\t", "git-vsts push --org=contoso"),
            // git's own completion goes on as it was.
            ("git push or\tfe\t", "git push origin feature/one"),
        ],
    );
    check_hostile(&sandbox, &BASH, "git vsts push origin hos\t", "hos");
    let command = sandbox.command(BASH[0], &BASH[1..], &sandbox.work());
    let dialogue = sandbox.dialogue(command).expect("READY").press("git vsts lo\t\t\t");
    let _ = dialogue.expect("login ").expect("logout").press("\u{15}exit\r").end();
}

#[test]
#[ignore = "needs zsh: run tests/run"]
fn zsh_completes_with_its_own_git() {
    let sandbox = home();
    zshrc(&sandbox, "");
    check(&sandbox, &["zsh"], &ZSH);
    check_hostile(&sandbox, &["zsh"], "git vsts push origin hos\t", HOSTILE);
    check(
        &sandbox,
        &["zsh"],
        &[
            ("git vs\tlogi\t", "git vsts login"),
            ("git -C other vsts push e\t", "git -C other vsts push elsewhere"),
        ],
    );
}

#[test]
#[ignore = "needs zsh and git's source: run tests/run"]
fn zsh_completes_with_the_git_that_comes_with_git() {
    let sandbox = home();
    let source =
        PathBuf::from(std::env::var_os("GIT_VSTS_GIT_SOURCE").expect("tests/run says where it is"));
    let completion = source.join("contrib/completion");
    fs::create_dir(sandbox.home().join("zsh")).unwrap();
    fs::copy(completion.join("git-completion.zsh"), sandbox.home().join("zsh/_git")).unwrap();
    let script = completion.join("git-completion.bash").display().to_string();
    zshrc(
        &sandbox,
        &format!("fpath=(~/zsh $fpath)\nzstyle ':completion:*:*:git:*' script {script}\n"),
    );
    check(&sandbox, &["zsh"], &ZSH);
    check_hostile(&sandbox, &["zsh"], "git vsts push origin hos\t", HOSTILE);
}

fn zshrc(sandbox: &Sandbox, more: &str) {
    let data = sandbox.home().join(".local/share/git-vsts");
    let places = Places { manual: None, bash: None, fish: None, data };
    let lines = places.zsh_lines().join("\n");
    sandbox
        .write_home(".zshrc", &format!("PS1='READY '\nunset zle_bracketed_paste\n{more}{lines}\n"));
}

const ZSH: [(&str, &str); 8] = [
    ("git vsts logi\t", "git vsts login"),
    // The second goes through what there is.
    ("git vsts lo\t\t\t\t", "git vsts logout"),
    ("git vsts push --dr\t", "git vsts push --dry-run"),
    ("git vsts push or\tfe\t", "git vsts push origin feature/one"),
    ("git vsts push --org co\t", "git vsts push --org contoso"),
    ("git --no-pager vsts push or\t", "git --no-pager vsts push origin"),
    ("git-vsts push or\tfe\t", "git-vsts push origin feature/one"),
    ("git push or\tfe\t", "git push origin feature/one"),
];

#[test]
#[ignore = "needs fish: run tests/run"]
fn fish_completes() {
    let sandbox = home();
    sandbox.write_home(
        ".config/fish/config.fish",
        "set -g fish_greeting\nset -g fish_autosuggestion_enabled 0\nfunction fish_prompt; echo 'READY '; end\n",
    );
    check(
        &sandbox,
        &["fish"],
        &[
            ("git-vsts logi\t", "git-vsts login"),
            ("git-vsts push --dr\t", "git-vsts push --dry-run"),
            ("git-vsts push or\tfe\t", "git-vsts push origin feature/one"),
            ("git-vsts push --org co\t", "git-vsts push --org contoso"),
            ("git-vsts push --org=co\t", "git-vsts push --org=contoso"),
        ],
    );
    check_hostile(&sandbox, &["fish"], "git-vsts push origin hos\t", HOSTILE);
    assert_eq!(
        complete(&sandbox, "git-vsts lo"),
        "login\tSign in to an Azure DevOps organization\nlogout\tForget the sign-in to an organization\n"
    );
    let expected = match is_broken(&sandbox) {
        true => "",
        false => "login\tSign in to an Azure DevOps organization\n",
    };
    assert_eq!(complete(&sandbox, "git vsts logi"), expected);
}

fn complete(sandbox: &Sandbox, line: &str) -> String {
    let script = format!("complete -C '{line}'");
    let output = sandbox.finish(&mut sandbox.command("fish", ["-c", &script], &sandbox.work()), "");
    assert_eq!((output.stderr.as_str(), output.status), ("", 0));
    output.stdout
}

/// Whether this is the one fish that completes no `git NAME`.
fn is_broken(sandbox: &Sandbox) -> bool {
    let output = sandbox.finish(&mut sandbox.command("fish", ["--version"], &sandbox.work()), "");
    output.stdout.trim().ends_with(" 3.6.0")
}

#[test]
#[ignore = "needs gnome-keyring: run tests/run"]
fn a_keychain_that_is_locked_or_hangs_keeps_nobody_waiting_and_asks_nobody() {
    let (mut session, _) = Session::signed_in();
    let ask = |session: &Session| {
        let arguments = ["--", "git-vsts", "login", "c"];
        let mut command = session.command(env!("CARGO_BIN_EXE_git-vsts"), &arguments);
        session.sandbox.finish(command.env("_GIT_VSTS_COMPLETE", "fish"), "").to_string()
    };
    assert_eq!(ask(&session), "--- stdout\ncontoso\n[exit 0]\n");
    for state in [State::Locked, State::NoCollection, State::Absent, State::Hung, State::NoBus] {
        session.restore();
        session.enter(state);
        let start = Instant::now();
        assert_eq!(ask(&session), "[exit 0]\n", "{state:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{state:?}");
    }
}
