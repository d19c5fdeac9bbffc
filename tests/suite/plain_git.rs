//! Plain git, with `git vsts` as its credential helper.
//!
//! Most of it is on the service's real hosts, which the double plays behind a proxy, so that git,
//! the helper and their configuration meet the names that they meet outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use double::Double;
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

const CONTOSO: &str = "https://dev.azure.com/contoso";
const OLD_CONTOSO: &str = "https://contoso.visualstudio.com";
const WEB: &str = "https://dev.azure.com/contoso/shop/_git/web";
const OLD_WEB: &str = "https://contoso.visualstudio.com/shop/_git/web";
const FABRIKAM_WEB: &str = "https://dev.azure.com/fabrikam/shop/_git/web";

/// A commit, and a `shop/web` for it at each of these organizations of the hosted service, all of
/// them signed in, which is what makes git ask us.
fn signed_in(organizations: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.hosted();
    for organization in organizations {
        sandbox.azure.organization(organization).repository("shop", "web");
        sandbox.sign_in(organization);
    }
    sandbox.repository();
    sandbox
}

#[track_caller]
fn succeeds(sandbox: &Sandbox, arguments: &[&str]) {
    let output = sandbox.plain_git(arguments);
    assert_eq!(output.status, 0, "{output}");
}

/// Changes with every write, since the file is replaced as a whole.
fn written(sandbox: &Sandbox) -> (u64, i64, i64, Vec<u8>) {
    let file = sandbox.credentials();
    let data = fs::metadata(&file).unwrap();
    (data.ino(), data.mtime(), data.ctime_nsec(), fs::read(file).unwrap())
}

/// Which credentials came to which organization, without what is none.
fn credentials_sent(sandbox: &Sandbox) -> BTreeSet<(String, String)> {
    let requests = sandbox.azure.requests();
    let sent = |request: &double::Request| {
        let organization = request.path.split('/').nth(1)?.to_owned();
        Some((organization, request.authorization.clone()?))
    };
    requests.iter().filter_map(sent).collect()
}

/// git asks here what it would ask on a terminal: the answer is Ada's account, or this token.
fn answer(sandbox: &Sandbox, token: &str) {
    sandbox.write_home("answer", &format!("{token}\n"));
    let script = "#!/bin/sh\nprintf '%s\\n' \"$1\" >>\"$HOME/asked\"\n\
                  case $1 in Username*) echo ada@contoso.com ;; *) cat \"$HOME/answer\" ;; esac\n";
    sandbox.write_home("askpass", script);
    let file = sandbox.home().join("askpass");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.set("GIT_ASKPASS", &file.display().to_string());
}

/// What git has asked since this was last looked at.
fn asked(sandbox: &Sandbox) -> String {
    let file = sandbox.home().join("asked");
    let asked = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(file);
    asked
}

#[test]
fn after_one_sign_in_git_clones_pushes_fetches_and_pulls_on_both_hosts_and_nothing_is_written() {
    let sandbox = signed_in(&["contoso"]);
    let before = written(&sandbox);
    succeeds(&sandbox, &["push", "--quiet", WEB, "main"]);
    for (number, url) in [
        WEB,
        // The service's own clone URL.
        "https://contoso@dev.azure.com/contoso/shop/_git/web",
        "https://dev.azure.com/contoso/shop/_git/_full/web",
        OLD_WEB,
        "https://contoso.visualstudio.com/DefaultCollection/shop/_git/web",
        "https://ada%40contoso.com@contoso.visualstudio.com/shop/_git/web",
    ]
    .into_iter()
    .enumerate()
    {
        let folder = format!("clone-{number}");
        succeeds(&sandbox, &["clone", "--quiet", url, &folder]);
        sandbox.commit("file", &folder, "Another");
        succeeds(&sandbox, &["push", "--quiet", url, "main"]);
        succeeds(&sandbox, &["-C", &folder, "fetch", "--quiet"]);
        succeeds(&sandbox, &["-C", &folder, "pull", "--quiet"]);
        let content = fs::read_to_string(sandbox.work().join(&folder).join("file")).unwrap();
        assert_eq!(content, folder, "{url}");
    }
    assert_eq!(written(&sandbox), before);
}

#[test]
fn submodules_of_both_hosts_come_along() {
    let sandbox = signed_in(&["contoso"]);
    for repository in ["lib", "old"] {
        sandbox.contoso().repository("shop", repository);
        let url = format!("{CONTOSO}/shop/_git/{repository}");
        succeeds(&sandbox, &["push", "--quiet", &url, "main"]);
    }
    let old = format!("{OLD_CONTOSO}/shop/_git/old");
    let _ = sandbox.git(["remote", "add", "origin", WEB]);
    succeeds(&sandbox, &["submodule", "--quiet", "add", "../lib"]);
    succeeds(&sandbox, &["submodule", "--quiet", "add", &old]);
    sandbox.commit("file", "two\n", "Add submodules");
    succeeds(&sandbox, &["push", "--quiet", "origin", "main"]);
    sandbox.azure.clear_requests();

    succeeds(&sandbox, &["clone", "--quiet", "--recurse-submodules", WEB, "clone"]);
    for folder in ["lib", "old"] {
        assert!(sandbox.work().join("clone").join(folder).join("file").exists(), "{folder}");
    }
    let hosts: BTreeSet<_> = sandbox
        .azure
        .requests()
        .iter()
        .filter(|request| request.path.contains("/old/"))
        .map(|request| request.header("host").unwrap().to_owned())
        .collect();
    assert_eq!(Vec::from_iter(hosts), ["contoso.visualstudio.com"]);
    succeeds(&sandbox, &["-C", "clone", "pull", "--quiet", "--recurse-submodules"]);
    succeeds(&sandbox, &["-C", "clone", "submodule", "--quiet", "update", "--remote"]);
}

/// C7: gh's helper once answered for every host that a submodule named (CVE-2024-53858).
#[test]
fn a_submodule_on_a_host_that_is_not_ours_gets_nothing() {
    let elsewhere = Double::start();
    elsewhere.organization("contoso").repository("shop", "lib");
    let url = format!("{}/contoso/shop/_git/lib", elsewhere.url());
    let sandbox = signed_in(&["contoso"]);
    let commit = sandbox.git(["rev-parse", "HEAD"]);
    let modules = format!("[submodule \"lib\"]\n\tpath = lib\n\turl = {url}\n");
    sandbox.write(".gitmodules", &modules);
    let _ = sandbox.git(["add", ".gitmodules"]);
    let entry = format!("160000,{commit},lib");
    let _ = sandbox.git(["update-index", "--add", "--cacheinfo", &entry]);
    let _ = sandbox.git(["commit", "--quiet", "--message", "Add a submodule"]);
    succeeds(&sandbox, &["push", "--quiet", WEB, "main"]);
    // Here even the helper of every host.
    let helper = format!("credential.helper=!'{}' credential", env!("CARGO_BIN_EXE_git-vsts"));
    for settings in
        [&[][..], &["-c", &helper], &["-c", &helper, "-c", "credential.useHttpPath=true"]]
    {
        let clone = ["clone", "--quiet", "--recurse-submodules", WEB, "clone"];
        let output = sandbox.plain_git([settings, &clone].concat());
        let said = "fatal: could not read Username for 'http://127.0.0.1:";
        assert!(output.status != 0 && output.stderr.contains(said), "{output}");
        fs::remove_dir_all(sandbox.work().join("clone")).unwrap();
    }
    let requests = elsewhere.requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.authorization.is_none()), "{requests:#?}");
}

#[test]
fn a_changed_token_is_forgotten_asked_for_once_and_kept() {
    let sandbox = signed_in(&["contoso"]);
    let old = sandbox.sign_in("contoso");
    let new = sandbox.token("contoso");
    sandbox.contoso().revoke(&old);
    answer(&sandbox, &new);
    let mut all = String::new();
    for _ in 0..3 {
        let output = sandbox.plain_git(["push", "--quiet", WEB, "main"]);
        let kept = fs::read_to_string(sandbox.credentials()).unwrap_or_default();
        let kept = [(&old, "the old token"), (&new, "the new token")]
            .into_iter()
            .find_map(|(token, name)| kept.contains(token).then_some(name));
        let asked = asked(&sandbox);
        all += &format!("== push\n{asked}{output}kept: {}\n", kept.unwrap_or("nothing"));
    }
    assert_data_eq!(
        all,
        str![[r#"
== push
--- stderr
fatal: Authentication failed for 'https://dev.azure.com/contoso/shop/_git/web/'
[exit 128]
kept: nothing
== push
Username for 'https://dev.azure.com/contoso/shop/_git/web': 
Password for 'https://ada%40contoso.com@dev.azure.com/contoso/shop/_git/web': 
--- stderr
remote: Analyzing objects... (3/3) (5 ms)        
remote: Storing packfile... done (62 ms)        
remote: Storing index... done (53 ms)        
[exit 0]
kept: the new token
== push
[exit 0]
kept: the new token

"#]]
        .raw()
    );
    let before = written(&sandbox);
    succeeds(&sandbox, &["fetch", "--quiet", OLD_WEB]);
    assert_eq!((asked(&sandbox).as_str(), written(&sandbox)), ("", before));
    assert_data_eq!(
        sandbox.run(["status"]).to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on main
  no remote
[exit 0]

"#]]
        .raw()
    );
}

/// C10.
#[test]
fn each_of_two_organizations_of_one_host_gets_its_own_token() {
    let sandbox = signed_in(&["contoso", "fabrikam"]);
    for (number, url) in [
        WEB,
        FABRIKAM_WEB,
        OLD_WEB,
        "https://fabrikam.visualstudio.com/shop/_git/web",
        "https://fabrikam@dev.azure.com/fabrikam/shop/_git/web",
    ]
    .into_iter()
    .enumerate()
    {
        succeeds(&sandbox, &["push", "--quiet", url, &format!("main:branch-{number}")]);
        succeeds(&sandbox, &["fetch", "--quiet", url]);
    }
    let sent = credentials_sent(&sandbox);
    // `fabrikam:` is what git makes of a user part before it asks anybody.
    let tokens: Vec<_> = sent.iter().filter(|(_, it)| it != "Basic ZmFicmlrYW06").collect();
    let organizations: Vec<_> = tokens.iter().map(|(organization, _)| organization).collect();
    assert_eq!(organizations, ["contoso", "fabrikam"], "{sent:?}");
}

/// A helper of git's that keeps in the clear, as an earlier one of a person's may.
const STORE: &str = "store --file ~/other";

fn other(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.home().join("other")).unwrap_or_default()
}

#[test]
fn an_organization_that_another_helper_serves_goes_on_being_served_by_it() {
    let sandbox = signed_in(&["contoso"]);
    sandbox.azure.organization("fabrikam").repository("shop", "web");
    let theirs = sandbox.token("fabrikam");
    // In front of what the sign-in has put at the end.
    let configuration = fs::read_to_string(sandbox.home().join(".gitconfig")).unwrap();
    let earlier = format!("[credential]\n\thelper = {STORE}\n{configuration}");
    sandbox.write_home(".gitconfig", &earlier);
    let before = written(&sandbox);
    answer(&sandbox, &theirs);
    let mut all = String::new();
    for url in [WEB, FABRIKAM_WEB, OLD_WEB, FABRIKAM_WEB] {
        let output = sandbox.plain_git(["push", "--quiet", url, "main"]);
        all += &format!("== {url}\n{}{output}", asked(&sandbox));
    }
    assert_data_eq!(
        all,
        str![[r#"
== https://dev.azure.com/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)        
remote: Storing packfile... done (62 ms)        
remote: Storing index... done (53 ms)        
[exit 0]
== https://dev.azure.com/fabrikam/shop/_git/web
Username for 'https://dev.azure.com': 
Password for 'https://ada%40contoso.com@dev.azure.com': 
--- stderr
remote: Analyzing objects... (3/3) (5 ms)        
remote: Storing packfile... done (62 ms)        
remote: Storing index... done (53 ms)        
[exit 0]
== https://contoso.visualstudio.com/shop/_git/web
[exit 0]
== https://dev.azure.com/fabrikam/shop/_git/web
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(written(&sandbox), before);
    assert_eq!(other(&sandbox), format!("https://ada%40contoso.com:{theirs}@dev.azure.com\n"));
    let organizations: Vec<_> =
        credentials_sent(&sandbox).into_iter().map(|(organization, _)| organization).collect();
    assert_eq!(organizations, ["contoso", "fabrikam"]);

    // A refusal there is none of our business, and one here none of theirs.
    sandbox.azure.organization("fabrikam").revoke(&theirs);
    let output = sandbox.plain_git(["push", "--quiet", FABRIKAM_WEB, "main:other"]);
    assert_eq!((output.status, other(&sandbox).as_str(), written(&sandbox)), (128, "", before));
}

#[test]
fn where_somebody_set_the_helper_for_the_whole_host_it_needs_the_path_once_two_are_signed_in() {
    let sandbox = Sandbox::new();
    sandbox.hosted();
    sandbox.repository();
    let sign_in = |organization: &str| {
        sandbox.azure.organization(organization).repository("shop", "web");
        let login = ["login", organization, "--pat-stdin", "--no-setup"];
        let output = sandbox.run_with_stdin(login, &sandbox.token(organization));
        assert_eq!(output.status, 0, "{output}");
    };
    let helper = format!("!'{}' credential", env!("CARGO_BIN_EXE_git-vsts"));
    let _ = sandbox.git(["config", "--global", "credential.https://dev.azure.com.helper", &helper]);
    let with_path = "credential.https://dev.azure.com.useHttpPath";
    sign_in("contoso");
    for (number, value) in ["true", "false"].into_iter().enumerate() {
        let _ = sandbox.git(["config", "--global", with_path, value]);
        succeeds(&sandbox, &["push", "--quiet", WEB, &format!("main:branch-{number}")]);
    }

    sign_in("fabrikam");
    let before = written(&sandbox);
    answer(&sandbox, &sandbox.token("contoso"));
    let mut all = String::new();
    for url in [WEB, "https://fabrikam@dev.azure.com/fabrikam/shop/_git/web"] {
        let output = sandbox.plain_git(["push", "--quiet", url, "main"]);
        all += &format!("== {url}\n{}{output}", asked(&sandbox));
    }
    assert_data_eq!(all, str![[r#"
== https://dev.azure.com/contoso/shop/_git/web
Username for 'https://dev.azure.com': 
Password for 'https://ada%40contoso.com@dev.azure.com': 
--- stderr
warning: several organizations of dev.azure.com are signed in, and git did not say which it needs: let it with `git vsts setup`, or put the name before the host: https://ORG@dev.azure.com/…
remote: Analyzing objects... (0/0) (5 ms)        
remote: Storing packfile... done (62 ms)        
remote: Storing index... done (53 ms)        
[exit 0]
== https://fabrikam@dev.azure.com/fabrikam/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)        
remote: Storing packfile... done (62 ms)        
remote: Storing index... done (53 ms)        
[exit 0]

"#]].raw());
    // What git was told without a path is nobody's, and not kept.
    assert_eq!(written(&sandbox), before);
    let _ = sandbox.git(["config", "--global", with_path, "true"]);
    for url in [WEB, FABRIKAM_WEB] {
        succeeds(&sandbox, &["push", "--quiet", url, "main:with-path"]);
    }
    // And what the warning says is of help.
    let _ = sandbox.git(["config", "--global", with_path, "false"]);
    assert_eq!(sandbox.run(["setup"]).status, 0);
    for url in [WEB, FABRIKAM_WEB, OLD_WEB] {
        succeeds(&sandbox, &["push", "--quiet", url, "main:after-setup"]);
    }
    assert_eq!((asked(&sandbox).as_str(), written(&sandbox)), ("", before));
}

/// Who answers, and who is handed the answer, goes by the order of git's configuration, where an
/// empty helper ends the list before it (gitcredentials(7)). `setup` reports the last of these.
#[test]
fn what_stands_before_our_helper_is_not_asked_and_what_stands_after_it_is_handed_our_token() {
    let sandbox = signed_in(&["contoso"]);
    let token = sandbox.sign_in("contoso");
    let before = written(&sandbox);
    let ours = format!("credential.helper=!'{}' credential", env!("CARGO_BIN_EXE_git-vsts"));
    let store = format!("credential.helper={STORE}");
    let store_here = format!("credential.{CONTOSO}.helper={STORE}");
    let section = format!("credential.{CONTOSO}.helper=");
    let handed = format!("https://ada%40contoso.com:{token}@dev.azure.com/contoso/shop/_git/web\n");
    for (settings, is_answered, is_handed) in [
        (&[][..], true, false),
        // The command line comes last of all.
        (&["credential.helper="], false, false),
        (&[&section], false, false),
        (&["credential.helper=", &ours], true, false),
        (&["credential.helper=", &store, "credential.helper=", &ours], true, false),
        (&["credential.helper=", &store, &ours], true, true),
        (&["credential.helper=", &ours, &store], true, true),
        (&[&store_here], true, true),
        (&[&store], true, true),
    ] {
        let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
        let output = sandbox.plain_git([&arguments[..], &["ls-remote", WEB]].concat());
        assert_eq!(output.status == 0, is_answered, "{settings:?}\n{output}");
        if !is_answered {
            let said = "fatal: could not read Username for \
                        'https://dev.azure.com/contoso/shop/_git/web': terminal prompts disabled\n";
            assert_eq!(output.stderr, said, "{settings:?}");
        }
        let handed = if is_handed { handed.as_str() } else { "" };
        assert_eq!(other(&sandbox), handed, "{settings:?}");
        assert_eq!(written(&sandbox), before, "{settings:?}");
        let _ = fs::remove_file(sandbox.home().join("other"));
    }
}

/// C15: with pipes for all three streams, and hardly an environment.
#[test]
fn git_that_a_desktop_program_starts_gets_the_token_and_the_helper_asks_nobody() {
    let sandbox = signed_in(&["contoso"]);
    for name in ["LC_ALL", "TERM", "NO_COLOR"] {
        sandbox.set(name, "");
    }
    let mut command = sandbox.command("git", ["push", "--quiet", WEB, "main"], &sandbox.work());
    let output = sandbox.finish(&mut command, "");
    assert_eq!(output.status, 0, "{output}");

    // The program's own question is git's to ask, and ours never.
    answer(&sandbox, "nothing");
    let description = "protocol=https\nhost=dev.azure.com\npath=northwind/shop/_git/web\n\n";
    let output = sandbox.run_with_stdin(["credential", "get"], description);
    assert_eq!((output.to_string().as_str(), asked(&sandbox).as_str()), ("[exit 0]\n", ""));

    sandbox.set("GIT_ASKPASS", "");
    let helper = format!("credential.helper=!'{}' credential", env!("CARGO_BIN_EXE_git-vsts"));
    let fill = ["-c", &helper, "-c", "credential.useHttpPath=true", "credential", "fill"];
    let mut command = sandbox.command("git", fill, &sandbox.work());
    let output = sandbox.finish(command.env("GIT_TERMINAL_PROMPT", "0"), description);
    let said = "fatal: could not read Username for \
                'https://dev.azure.com/northwind/shop/_git/web': terminal prompts disabled\n";
    assert_eq!((output.status, output.stderr.as_str()), (128, said));
}

/// A program that speaks the protocol itself may leave the pipe open for its next sentence.
#[test]
fn the_helper_answers_at_the_empty_line_and_waits_for_no_end() {
    let sandbox = signed_in(&["contoso"]);
    let program = env!("CARGO_BIN_EXE_git-vsts");
    let mut command = sandbox.command(program, ["credential", "get"], &sandbox.work());
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("it can be run");
    let mut stdin = child.stdin.take().expect("it is piped");
    let description = "protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\n\n";
    stdin.write_all(description.as_bytes()).expect("it reads");
    let mut stdout = child.stdout.take().expect("it is piped");
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || sender.send(io::read_to_string(&mut stdout)));
    let answer = answer.recv_timeout(Duration::from_secs(20)).expect("an answer, with stdin open");
    assert!(answer.unwrap().starts_with("username=ada@contoso.com\npassword="));
    assert!(child.wait().unwrap().success());
    drop(stdin);
}

/// C4: git-lfs once wrote a line feed of a URL into the protocol (CVE-2024-53263).
#[test]
fn a_remote_whose_url_would_add_a_line_to_the_protocol_is_refused() {
    let sandbox = signed_in(&["contoso"]);
    let mut all = String::new();
    for url in [
        "https://dev.azure.com%0d%0ahost=evil/contoso/shop/_git/web",
        "https://dev.azure.com/contoso/shop/_git/web%0ahost=evil",
        "https://a%0ahost=evil@dev.azure.com/contoso/shop/_git/web",
        "https://a%0dhost=evil@dev.azure.com/contoso/shop/_git/web",
    ] {
        let _ = sandbox.git(["config", "remote.origin.url", url]);
        all += &format!("== {url}\n");
        for arguments in [&["push", "origin", "main"][..], &["remote-add", "azure", url]] {
            all += &format!("$ git vsts {}\n{}", arguments[0], sandbox.run(arguments));
        }
        all += &format!("$ git push\n{}", sandbox.plain_git(["push", "origin", "main"]));
    }
    assert_data_eq!(all, str![[r#"
== https://dev.azure.com%0d%0ahost=evil/contoso/shop/_git/web
$ git vsts push
--- stderr
error: the URL of origin can't be used
  caused by: `dev.azure.com%0d%0ahost=evil` can't be a host's name
[exit 2]
$ git vsts remote-add
--- stderr
error: `dev.azure.com%0d%0ahost=evil` can't be a host's name
[exit 2]
$ git push
--- stderr
warning: url contains a newline in its host component: https://dev.azure.com%0d%0ahost=evil/contoso/shop/_git/web/
fatal: credential url cannot be parsed: https://dev.azure.com%0d%0ahost=evil/contoso/shop/_git/web/
fatal: remote helper 'https' aborted session
[exit 128]
== https://dev.azure.com/contoso/shop/_git/web%0ahost=evil
$ git vsts push
--- stderr
error: the URL of origin can't be used
  caused by: `web%0ahost=evil` has a control character in it
[exit 2]
$ git vsts remote-add
--- stderr
error: `web%0ahost=evil` has a control character in it
[exit 2]
$ git push
--- stderr
warning: url contains a newline in its path component: https://dev.azure.com/contoso/shop/_git/web%0ahost=evil/
fatal: credential url cannot be parsed: https://dev.azure.com/contoso/shop/_git/web%0ahost=evil/
fatal: remote helper 'https' aborted session
[exit 128]
== https://a%0ahost=evil@dev.azure.com/contoso/shop/_git/web
$ git vsts push
--- stderr
error: the URL of origin can't be used
  caused by: the user part of the URL for dev.azure.com is malformed
[exit 2]
$ git vsts remote-add
--- stderr
error: the user part of the URL for dev.azure.com is malformed
[exit 2]
$ git push
--- stderr
warning: url contains a newline in its username component: https://a%0ahost=evil@dev.azure.com/contoso/shop/_git/web/
fatal: credential url cannot be parsed: https://a%0ahost=evil@dev.azure.com/contoso/shop/_git/web/
fatal: remote helper 'https' aborted session
[exit 128]
== https://a%0dhost=evil@dev.azure.com/contoso/shop/_git/web
$ git vsts push
--- stderr
error: the URL of origin can't be used
  caused by: the user part of the URL for dev.azure.com is malformed
[exit 2]
$ git vsts remote-add
--- stderr
error: the user part of the URL for dev.azure.com is malformed
[exit 2]
$ git push
--- stderr
fatal: credential value for username contains carriage return
If this is intended, set `credential.protectProtocol=false`
[exit 128]

"#]].raw());
    // What git itself makes of a user part is no secret of anybody's.
    let sent: Vec<_> = credentials_sent(&sandbox).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(sent, ["Basic YQ1ob3N0PWV2aWw6"], "`a\\rhost=evil:`");
}

/// C6 (CVE-2024-50349).
#[test]
fn a_user_name_in_a_url_paints_no_question_of_its_own() {
    let sandbox = signed_in(&["contoso"]);
    answer(&sandbox, "nothing");
    let mut all = String::new();
    for user in ["%1b]0;x%07Password%20for%20dev.azure.com", "x%0dPassword%20for%20https%3a%2f%2fa"]
    {
        let url = format!("https://{user}@dev.azure.com/contoso/shop/_git/web");
        let _ = sandbox.git(["config", "remote.origin.url", &url]);
        all += &format!("== {user}\n");
        for arguments in [&["push"][..], &["status"], &["remote-add", "azure", &url]] {
            all += &format!("$ git vsts {}\n{}", arguments[0], sandbox.run(arguments));
        }
        let output = sandbox.plain_git(["push", "origin", "main"]);
        all += &format!("$ git push\n{}{output}", asked(&sandbox));
    }
    assert!(!all.contains(['\u{1b}', '\u{7}', '\r']), "{all:?}");
    assert_data_eq!(
        all,
        str![[r#"
== %1b]0;x%07Password%20for%20dev.azure.com
$ git vsts push
--- stderr
error: the URL of origin can't be used
  caused by: the user part of the URL for dev.azure.com is malformed
[exit 2]
$ git vsts status
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on main
  origin: https://dev.azure.com/contoso/shop/_git/web (can't be used: the user part of the URL for dev.azure.com is malformed)
[exit 0]
$ git vsts remote-add
--- stderr
error: the user part of the URL for dev.azure.com is malformed
[exit 2]
$ git push
Password for 'https://%1B%5D0%3Bx%07Password%20for%20dev.azure.com@dev.azure.com/contoso/shop/_git/web': 
--- stderr
warning: git vsts can't tell git what is kept: the description on stdin can't be used: line 6 has a control character in it
warning: git vsts can't forget what was refused: the description on stdin can't be used: line 4 has a control character in it
fatal: Authentication failed for 'https://dev.azure.com/contoso/shop/_git/web/'
[exit 128]
== x%0dPassword%20for%20https%3a%2f%2fa
$ git vsts push
--- stderr
error: the URL of origin can't be used
  caused by: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
[exit 2]
$ git vsts status
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file, valid
/work, on main
  origin: https://dev.azure.com/contoso/shop/_git/web (can't be used: the URL for dev.azure.com holds a password)
[exit 0]
$ git vsts remote-add
--- stderr
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
[exit 2]
$ git push
--- stderr
fatal: credential value for username contains carriage return
If this is intended, set `credential.protectProtocol=false`
[exit 128]

"#]]
        .raw()
    );
}
