//! `completions/`, `git vsts completions`, and what a shell is told when it asks.

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

/// What a shell of this name is told of a line whose last word is being typed.
fn answer(sandbox: &Sandbox, shell: &str, line: &[&str]) -> Output {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_git-vsts"), ["--"], &sandbox.work());
    command.args(line).env("_GIT_VSTS_COMPLETE", shell);
    command.env("_CLAP_COMPLETE_INDEX", (line.len() - 1).to_string());
    sandbox.finish(&mut command, "")
}

/// The same for fish, as a list. Nothing else is ever printed.
#[track_caller]
fn told(sandbox: &Sandbox, line: &[&str]) -> Vec<String> {
    let output = answer(sandbox, "fish", line);
    assert_eq!((output.stderr.as_str(), output.status), ("", 0), "{line:?}");
    output.stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn values(sandbox: &Sandbox, line: &[&str]) -> Vec<String> {
    let told = told(sandbox, line).into_iter();
    told.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_command_prints_the_file_that_packages_install() {
    let sandbox = Sandbox::new();
    for (shell, file) in [
        ("bash", "git-vsts"),
        ("zsh", "_git-vsts"),
        ("fish", "git-vsts.fish"),
        ("powershell", "git-vsts.ps1"),
    ] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
        let output = sandbox.run(["completions", shell]);
        assert_eq!(output.stdout, std::fs::read_to_string(folder.join(file)).unwrap());
        assert_eq!((output.stderr.as_str(), output.status), ("", 0));
    }
    assert_data_eq!(
        sandbox.run(["completions", "tcsh"]).to_string(),
        str![[r#"
--- stderr
error: invalid value 'tcsh' for '<SHELL>'
  [possible values: bash, zsh, fish, powershell]

For more information, try `-h`.
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn commands_and_options_come_with_their_help() {
    let sandbox = Sandbox::new();
    assert_data_eq!(
        answer(&sandbox, "zsh", &["git-vsts", "lo"]).to_string(),
        str![[r#"
--- stdout
login:Sign in to an Azure DevOps organization
logout:Forget the sign-in to an organization[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        told(&sandbox, &["git-vsts", ""]).join("\n"),
        str![[r#"
login	Sign in to an Azure DevOps organization
logout	Forget the sign-in to an organization
status	Show who is signed in, and what the repository here points at
init	Make a repository here and at Azure DevOps, and connect them
remote-add	Add a remote for a repository of Azure DevOps
push	Push to Azure DevOps
clone	Clone a repository of Azure DevOps
setup	Make git, `man` and the shell know `git vsts`
completions	Print the completion script of a shell
credential	Answer git's credential protocol, for git to run
help	Print this message or the help of the given subcommand(s)
"#]]
        .raw()
    );
    assert_data_eq!(
        told(&sandbox, &["git-vsts", "push", "-"]).join("\n"),
        str![[r#"
--all	Push every branch
--tags	Push every tag, and no branch but what is named
--force	Push even where commits at the server are lost by it
--force-with-lease	Push even where commits are lost by it, if the server still has what was last seen there
--atomic	Change all references at the server, or none
--delete	Delete what is named at the server
--dry-run	Say what would be done, and send nothing
--no-verify	Don't run the pre-push hook
--no-set-upstream	Don't make the branch follow the one at the server
--org	The organization, where no remote says it
--project	The project, where no remote says it
--repo	The repository, where no remote says it [default: the folder's name]
--create	Make the repository if it is missing, without asking
--open	Open the page of the pull request, or of the branch, in a browser
--json	Print one JSON object
--engine	Who packs what is sent: libgit2 in this process, or git, which is faster for much
--help	Print help (see more with '--help')
--quiet	Print no notes and no progress; the result, warnings and errors stay
--verbose	Print more of what is done (can be repeated)
--no-input	Never ask; what is missing is an error
--color	Whether to colour messages
"#]]
        .raw()
    );
    assert_eq!(values(&sandbox, &["git-vsts", "--color", ""]), ["auto", "always", "never"]);
    assert_eq!(values(&sandbox, &["git-vsts", "completions", "p"]), ["powershell"]);
}

#[test]
fn an_organization_is_one_that_is_signed_in() {
    let sandbox = Sandbox::signed_in();
    sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    sandbox.sign_in("fabrikam");
    for line in [["login", ""], ["logout", ""], ["push", "--org"]] {
        let mut line = vec!["git-vsts", line[0], line[1]];
        if line[2] == "--org" {
            line.push("");
        }
        assert_eq!(values(&sandbox, &line), ["contoso", "fabrikam"]);
    }
    assert_eq!(sandbox.requests(), [""; 0]);
    // Of a service that is not in force.
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    assert_eq!(values(&sandbox, &["git-vsts", "push", "--org", ""]), [""; 0]);
}

#[test]
fn remotes_and_branches_are_those_of_the_repository_that_the_line_is_about() {
    let sandbox = Sandbox::connected();
    for branch in ["dev", "fix/#12"] {
        let _ = sandbox.git(["branch", branch]);
    }
    let _ = sandbox.git(["remote", "add", "github", "https://github.com/ada/web"]);
    let push = |more: &[&'static str]| [&["git-vsts", "push"], more].concat();
    assert_eq!(told(&sandbox, &push(&[""])), ["origin\tcontoso/shop/web"]);
    assert_eq!(values(&sandbox, &push(&["origin", ""])), ["dev", "fix/#12", "main"]);
    assert_eq!(values(&sandbox, &push(&["origin", "dev", "m"])), ["main"]);
    assert_eq!(values(&sandbox, &push(&["origin", "+d"])), ["+dev"]);
    assert_eq!(values(&sandbox, &push(&["origin", "HEAD:d"])), ["HEAD:dev"]);

    let _ = sandbox.git(["init", "--quiet", "other"]);
    let url = sandbox.url("contoso/shop/_git/other");
    let _ = sandbox.git(["-C", "other", "remote", "add", "elsewhere", &url]);
    for line in [
        &["git", "-C", "other", "vsts", "push", ""][..],
        &["git", "-C", "~/../work/other", "vsts", "push", ""],
        &["git", "--no-pager", "--git-dir=other/.git", "-c", "a=b", "vsts", "push", ""],
    ] {
        assert_eq!(values(&sandbox, line), ["elsewhere"], "{line:?}");
    }
    assert_eq!(values(&sandbox, &["git", "-C", "nowhere", "vsts", "push", ""])[0], "--all");
    sandbox.set("GIT_DIR", "other/.git");
    assert_eq!(values(&sandbox, &push(&[""])), ["elsewhere"]);
}

#[test]
fn a_name_that_would_be_run_or_split_is_left_to_shells_that_quote() {
    let sandbox = Sandbox::connected();
    for branch in ["a$(id)b", "a`id`b", "a;id", "a'b", "a\"b", "a{b,c}", "a!b", "a|b", "a>b", "-x"]
    {
        let _ = sandbox.git(["update-ref", &format!("refs/heads/{branch}"), "HEAD"]);
    }
    for name in ["a b", "a*", "-x", "+x", "\u{1b}[2J"] {
        let _ = sandbox.git([
            "config",
            &format!("remote.{name}.url"),
            &sandbox.url("contoso/shop/_git/web"),
        ]);
    }
    for shell in ["bash", "powershell"] {
        let printed = |line: &[&str]| answer(&sandbox, shell, line).stdout;
        assert_eq!(printed(&["git-vsts", "push", "origin", ""]).trim(), "main");
        assert!(printed(&["git-vsts", "push", ""]).starts_with("origin"));
    }
    assert_eq!(values(&sandbox, &["git-vsts", "push", ""]), ["origin"]);
    let branches = values(&sandbox, &["git-vsts", "push", "origin", ""]);
    assert_eq!(branches.len(), 10, "{branches:?}");
    assert!(!branches.contains(&"-x".to_owned()));
}

#[test]
fn whatever_is_wrong_nothing_is_printed() {
    let sandbox = Sandbox::connected();
    let (remote, organization) = (["push", "o"].as_slice(), ["push", "--org", "c"].as_slice());
    for (name, value, line) in [
        ("GIT_VSTS_AZURE_URL", "http://example.com", remote),
        ("GIT_DIR", "/nowhere", remote),
        ("GIT_VSTS_STORE", "nowhere", organization),
        ("HOME", "/nowhere", organization),
        ("_CLAP_COMPLETE_INDEX", "99", organization),
        ("_CLAP_COMPLETE_INDEX", "0", organization),
    ] {
        let line = [&["git-vsts"], line].concat();
        for (is_wrong, words) in [(false, &line), (true, &line)] {
            let arguments = [&["--"], &**words].concat();
            let mut command =
                sandbox.command(env!("CARGO_BIN_EXE_git-vsts"), arguments, &sandbox.work());
            command.env("_GIT_VSTS_COMPLETE", "elvish");
            command.env("_CLAP_COMPLETE_INDEX", (line.len() - 1).to_string());
            if is_wrong {
                command.env(name, value);
            }
            let output = sandbox.finish(&mut command, "");
            assert_eq!((output.stderr.as_str(), output.status), ("", 0), "{name}={value}");
            assert_eq!(output.stdout.is_empty(), is_wrong, "{name}={value}");
        }
    }
    sandbox.write_home(".local/share/git-vsts/credentials.json", "{");
    assert_eq!(told(&sandbox, &["git-vsts", "login", "c"]), [""; 0]);
    for line in [&["git"][..], &["git", "-C", "x"], &["git-vsts", "push", "--nowhere"]] {
        assert_eq!(told(&sandbox, line), [""; 0], "{line:?}");
    }
}

#[test]
fn only_a_shell_is_answered() {
    let sandbox = Sandbox::new();
    for value in ["", "0", "1", "true", "tcsh"] {
        let mut command =
            sandbox.command(env!("CARGO_BIN_EXE_git-vsts"), ["--version"], &sandbox.work());
        let output = sandbox.finish(command.env("_GIT_VSTS_COMPLETE", value), "");
        assert!(output.stdout.starts_with("git-vsts "), "{value}: {output}");
    }
}

/// Another program's variable, and our own where a shell's script has let it out, change no command.
#[test]
fn a_command_is_done_whatever_the_environment_says_of_completion() {
    for (name, value) in [("COMPLETE", "bash"), ("_GIT_VSTS_COMPLETE", "bash")] {
        let sandbox = Sandbox::connected();
        let token = sandbox.sign_in("contoso");
        sandbox.set(name, value);
        assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
        assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "One");
        let host = sandbox.azure.url().trim_start_matches("http://");
        let asked = format!("protocol=http\nhost={host}\npath=contoso/shop/_git/web\n");
        let mut command =
            sandbox.command(&sandbox.program(), ["credential", "get"], &sandbox.work());
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut helper = command.spawn().unwrap();
        std::io::Write::write_all(&mut helper.stdin.take().unwrap(), asked.as_bytes()).unwrap();
        let answer = String::from_utf8(helper.wait_with_output().unwrap().stdout).unwrap();
        assert!(answer.starts_with("username=ada@contoso.com\n"), "{answer}");
        assert!(answer.contains(&format!("\npassword={token}\n")), "{answer}");
    }
}

#[test]
fn what_bash_and_zsh_read_is_for_git_vsts_alone() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_git-vsts"), [""; 0], &sandbox.work());
        let output = sandbox.finish(command.env("_GIT_VSTS_COMPLETE", shell), "");
        assert_eq!((output.stderr.as_str(), output.status), ("", 0), "{shell}");
        // It would take the place of git's own, or be for a command of that very name.
        let is_registration =
            |line: &&str| line.starts_with("comp") || line.contains("arg-completer");
        let for_git =
            output.stdout.lines().filter(is_registration).find(|line| line.contains("git vsts"));
        assert_eq!(for_git, None, "{shell}");
        assert!(output.stdout.contains("git-vsts"), "{shell}: {output}");
    }
}
