//! Where a secret must not get: arguments, environments of others, output, files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use double::{Answer, Rule};
use expectrl::process::unix::{Signal, WaitStatus};
use expectrl::session::OsSession;
use expectrl::{Eof, Expect as _};
use serde_json::json;
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Sandbox, write_program};

/// The forms in which a secret travels.
fn forms(secret: &str) -> [String; 4] {
    [
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!(":{secret}")),
        STANDARD.encode(format!("ada:{secret}")),
    ]
}

#[track_caller]
fn assert_free(text: &str, secret: &str) {
    for form in forms(secret) {
        assert!(!text.contains(&form), "a secret is in:\n{text}");
    }
}

/// Every file below a folder, with its bytes as far as they are text.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((
                path.clone(),
                String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned(),
            )),
        }
    }
    found
}

/// No file of home and work folder holds the secret but the credential file, if that may.
#[track_caller]
fn assert_files_free(sandbox: &Sandbox, secret: &str, kept: bool) {
    for folder in [sandbox.home(), sandbox.work()] {
        for (path, text) in files(&folder) {
            if !(kept && path == sandbox.credentials()) {
                assert_free(&format!("{}:\n{text}", path.display()), secret);
            }
        }
    }
}

/// Puts programs in place that write down what they and their parents were given: a `git` that goes
/// on as git, and the hooks of a commit and a push.
fn watch_children(sandbox: &Sandbox) -> PathBuf {
    let seen = sandbox.home().join("seen");
    let path = std::env::var("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|it| it.join("git")).find(|it| it.exists()).unwrap();
    let dump = format!(
        "{{ echo \"= $0 $*\"; env; tr '\\0' '\\n' < /proc/$PPID/cmdline; }} >> '{}'",
        seen.display()
    );
    let bin = sandbox.home().join("bin");
    write_program(
        &bin.join("git"),
        &format!("#!/bin/sh\n{dump}\nexec '{}' \"$@\"\n", git.display()),
    );
    for hook in ["pre-commit", "commit-msg", "pre-push"] {
        let environ = format!("cat /proc/$PPID/environ >> '{}'", seen.display());
        write_program(
            &sandbox.work().join(".git/hooks").join(hook),
            &format!("#!/bin/sh\n{dump}\n{environ}\nexit 0\n"),
        );
    }
    sandbox.set("PATH", &format!("{}:{path}", bin.display()));
    seen
}

#[test]
fn no_child_gets_a_secret_in_its_arguments_or_its_environment() {
    for from_environment in [false, true] {
        let sandbox = Sandbox::new();
        sandbox.repository();
        sandbox.write("more", "two\n");
        let seen = watch_children(&sandbox);
        let token = sandbox.token("contoso");
        if from_environment {
            sandbox.set("GIT_VSTS_PAT", &token);
            sandbox.set("AZURE_DEVOPS_EXT_PAT", &token);
            sandbox.set("SYSTEM_ACCESSTOKEN", &token);
        } else {
            let login = ["login", "contoso", "--pat-stdin", "--insecure-storage"];
            assert_eq!(sandbox.run_with_stdin(login, &token).status, 0);
        }
        let arguments = ["init", "contoso/shop/web", "--commit", "More", "--push"];
        let output = sandbox.run(arguments);
        assert_eq!(output.status, 0, "{output}");
        let seen = fs::read_to_string(seen).unwrap();
        // Who was looked at: git itself, and each hook.
        for child in ["bin/git config", "bin/git commit", "pre-commit", "commit-msg", "pre-push"] {
            assert!(seen.contains(child), "{child} in:\n{seen}");
        }
        assert_free(&seen, &token);
        assert_files_free(&sandbox, &token, !from_environment);
    }
}

/// Answers that send the secret back, wherever an answer has text.
fn echoes(secret: &str) -> Vec<Answer> {
    let echo = forms(secret).join(" ");
    let encoded = echo.replace(' ', "%20").replace('=', "%3D");
    vec![
        Answer::error(401, &format!("Key{echo}"), &echo),
        Answer::error(
            403,
            "X",
            &format!("TF401027: You need the Git '{secret}' permission {echo}"),
        ),
        Answer::error(404, "X", &format!("TF401019: {echo}")),
        Answer::error(400, "X", &echo),
        Answer::error(500, "X", &format!("{}{echo}", "x".repeat(380))),
        Answer::error(429, "X", &echo).header("retry-after", "3600"),
        Answer::title(&echo),
        Answer::service_error(&echo),
        Answer::status(401).header("www-authenticate", &format!("Basic realm=\"{echo}\"")),
        Answer::status(503).header("activityid", &echo).header("x-echo", &echo),
        Answer::redirect(&format!("http://portal.example/{secret}?token={encoded}")),
        Answer::redirect(&format!("http://{secret}@portal.example/{secret}")),
        Answer::status(403).header("content-type", "text/plain").body(echo.clone()),
        Answer::status(200).header("content-type", "application/json").body(echo.clone()),
        Answer::raw(format!("HTTP/1.1 200 {echo}\r\n{echo}\r\n\r\n")),
        Answer::json(
            200,
            &json!({"authenticatedUser": {"id": "1", "providerDisplayName": echo,
                    "properties": {"Account": {"$value": echo}}},
                    "id": "1", "name": secret, "remoteUrl": echo, "state": echo, "value": []}),
        ),
    ]
}

/// A sandbox that traces whatever can be traced.
fn traced(sandbox: Sandbox) -> Sandbox {
    for (name, value) in [
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("GIT_TRACE", "1"),
        ("GIT_TRACE_CURL", "1"),
        ("GIT_CURL_VERBOSE", "1"),
        ("GIT_TRACE_PACKET", "1"),
    ] {
        sandbox.set(name, value);
    }
    sandbox
}

#[test]
fn a_login_does_not_print_a_secret_that_comes_back() {
    let sandbox = traced(Sandbox::new());
    let token = sandbox.token("contoso");
    for answer in echoes(&token) {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::any("…"), answer);
        let arguments = ["-v", "-v", "login", "contoso", "--pat-stdin"];
        let output = sandbox.run_with_stdin(arguments, &token);
        assert_free(&output.to_string(), &token);
        assert_files_free(&sandbox, &token, output.status == 0);
    }
}

#[test]
fn no_command_prints_a_secret_that_comes_back() {
    let sandbox = traced(Sandbox::connected());
    let token = sandbox.azure.secrets().pop().unwrap();
    for answer in echoes(&token) {
        sandbox.azure.clear_answers();
        sandbox.azure.answer(Rule::any("…"), answer);
        for command in [
            &["status"][..],
            &["status", "--json"],
            &["init", "contoso/shop/other", "--remote", "other"],
            &["remote-add", "--replace", "other", "contoso/shop/other"],
            &["push", "origin"],
        ] {
            let output = sandbox.run(["-v", "-v"].iter().chain(command));
            assert_free(&output.to_string(), &token);
        }
        assert_files_free(&sandbox, &token, true);
    }
}

/// A report of a push in side band 1, and a line in side band 2 (gitprotocol-pack(5)).
fn report(lines: &[&str], said: &str) -> Answer {
    let packet = |bytes: &[u8]| [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat();
    let lines: Vec<u8> =
        lines.iter().flat_map(|line| packet(format!("{line}\n").as_bytes())).collect();
    let report = packet(&[b"\x01", &lines[..], b"0000"].concat());
    let said = packet(format!("\x02{said}\n").as_bytes());
    Answer::status(200)
        .header("content-type", "application/x-git-receive-pack-result")
        .body([&said[..], &report, b"0000"].concat())
}

#[test]
fn a_push_does_not_print_a_secret_that_comes_back() {
    for from_environment in [false, true] {
        let sandbox = traced(Sandbox::connected());
        let token = sandbox.azure.secrets().pop().unwrap();
        if from_environment {
            assert_eq!(sandbox.run(["logout", "contoso"]).status, 0);
            sandbox.set("GIT_VSTS_PAT", &token);
        }
        let echo = forms(&token).join(" ");
        let refused = format!("ng refs/heads/main {echo}");
        for answer in [
            report(&["unpack ok", &refused], &echo),
            report(&[&format!("unpack {echo}"), "ng refs/heads/main no"], &echo),
            report(&[&echo], &echo),
        ] {
            sandbox.azure.clear_answers();
            sandbox.azure.answer(Rule::new("POST", "…/git-receive-pack"), answer);
            let output = sandbox.run(["-v", "-v", "push"]);
            assert!(output.stderr.contains("***"), "{output}");
            assert_free(&output.to_string(), &token);
        }
        assert_files_free(&sandbox, &token, !from_environment);
    }
}

#[test]
fn a_secret_of_gits_configuration_is_not_printed_either() {
    let sandbox = traced(Sandbox::connected());
    let secret = "the-token-of-a-checkout";
    sandbox.secret(secret);
    let _ = sandbox.git(["config", "http.extraHeader", &format!("Authorization: bearer {secret}")]);
    let echo = forms(secret).join(" ");
    let answer = Answer::status(403).header("content-type", "text/plain").body(echo);
    sandbox.azure.answer(Rule::any("…"), answer);
    let output = sandbox.run(["-v", "-v", "push"]);
    assert_eq!(sandbox.azure.requests()[0].authorization, Some(format!("bearer {secret}")));
    assert_free(&output.to_string(), secret);
}

#[test]
fn a_question_does_not_show_a_secret_that_comes_back() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let echo = forms(&token).join(" ");
    sandbox.azure.answer(Rule::any("…"), Answer::error(500, "X", &echo));
    let (shown, status) = sandbox
        .on_terminal(["login", "contoso", "--pat"])
        .expect("Token for contoso:")
        .answer(&format!("\u{1b}[200~{token}\u{1b}[201~"))
        .end();
    assert_free(&shown, &token);
    assert_eq!(status, 5);
}

#[test]
fn without_a_keychain_nothing_is_kept_anywhere_else() {
    for address in ["unix:path=/nonexistent", ""] {
        let sandbox = Sandbox::new();
        let token = sandbox.token("contoso");
        sandbox.set("GIT_VSTS_STORE", "keychain");
        sandbox.set("DBUS_SESSION_BUS_ADDRESS", address);
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        if !address.is_empty() {
            assert_data_eq!(output.to_string(), str![[r#"
--- stderr
error: a token for contoso can't be kept
  caused by: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/nonexistent`: No such file or directory (os error 2))
hint: set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`
hint: a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer
[exit 1]

"#]].raw());
        }
        assert_eq!(output.status, 1, "{output}");
        assert_files_free(&sandbox, &token, false);
        // Told before the person goes to the page and makes a token.
        assert_eq!(sandbox.requests(), [""; 0]);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_file_is_for_its_owner_alone_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let sandbox = Sandbox::new();
        let token = sandbox.token("contoso");
        let script = format!(
            "umask {umask}; exec {} login contoso --pat-stdin",
            env!("CARGO_BIN_EXE_git-vsts")
        );
        let output =
            sandbox.finish(&mut sandbox.command("sh", ["-c", &script], &sandbox.work()), &token);
        assert_eq!(output.status, 0, "{output}");
        assert_eq!(mode(&sandbox.credentials()), 0o600);
        assert_eq!(mode(sandbox.credentials().parent().unwrap()), 0o700);
    }
}

#[test]
fn a_file_that_others_could_have_made_or_read_is_refused() {
    let mut said = String::new();
    for (name, spoil) in [
        ("0644", (|file: &Path| set_mode(file, 0o644)) as fn(&Path)),
        ("0666", |file| set_mode(file, 0o666)),
        ("a folder of 0777", |file| set_mode(file.parent().unwrap(), 0o777)),
        ("a link", |file| {
            fs::rename(file, file.with_extension("moved")).unwrap();
            symlink(file.with_extension("moved"), file).unwrap();
        }),
        ("a folder", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
    ] {
        let sandbox = Sandbox::signed_in();
        spoil(&sandbox.credentials());
        let before = files(&sandbox.home());
        let token = sandbox.token("contoso");
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        said += &format!("== {name}\n{output}");
        assert_eq!(sandbox.run(["status"]).status, 1);
        assert_eq!(sandbox.run(["logout", "contoso"]).status, 1);
        assert_eq!(files(&sandbox.home()), before);
        assert_eq!(sandbox.requests(), [""; 0]);
    }
    assert_data_eq!(
        said,
        str![[r#"
== 0644
--- stderr
error: a token for contoso can't be kept
  caused by: /home/.local/share/git-vsts/credentials.json can be used by others (mode 0644)
hint: nothing was read or written: look who made it so, then set it right or remove it
[exit 1]
== 0666
--- stderr
error: a token for contoso can't be kept
  caused by: /home/.local/share/git-vsts/credentials.json can be used by others (mode 0666)
hint: nothing was read or written: look who made it so, then set it right or remove it
[exit 1]
== a folder of 0777
--- stderr
error: a token for contoso can't be kept
  caused by: /home/.local/share/git-vsts can be used by others (mode 0777)
hint: nothing was read or written: look who made it so, then set it right or remove it
[exit 1]
== a link
--- stderr
error: a token for contoso can't be kept
  caused by: /home/.local/share/git-vsts/credentials.json is a symbolic link
hint: nothing was read or written: look who made it so, then set it right or remove it
[exit 1]
== a folder
--- stderr
error: a token for contoso can't be kept
  caused by: /home/.local/share/git-vsts/credentials.json is not a file
hint: nothing was read or written: look who made it so, then set it right or remove it
[exit 1]

"#]]
        .raw()
    );
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_large_secret_is_kept_whole_or_not_at_all() {
    for (bytes, status) in [(2_561, 0), (8_192, 0), (65_536, 1), (65_537, 2)] {
        let sandbox = Sandbox::new();
        let token = "x1".repeat(bytes).split_off(bytes);
        sandbox.secret(&token);
        let user = json!({"authenticatedUser": {"id": "1", "providerDisplayName": "Ada"}});
        sandbox.azure.answer(Rule::any("…"), Answer::json(200, &user));
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        assert_eq!(output.status, status, "{output}");
        match status {
            0 => assert!(fs::read_to_string(sandbox.credentials()).unwrap().contains(&token)),
            _ => assert!(!sandbox.credentials().exists()),
        }
    }
}

#[test]
fn a_home_that_can_not_be_used_is_told_before_a_token_is_sent() {
    let mut said = String::new();
    for home in ["", "relative/home", "/dev/null/home"] {
        let sandbox = Sandbox::new();
        sandbox.set("HOME", home);
        let token = sandbox.token("contoso");
        let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
        said += &format!("== HOME={home}\n{output}");
        assert_eq!(sandbox.requests(), [""; 0], "{home}");
    }
    assert_data_eq!(
        said,
        str![[r#"
== HOME=
--- stderr
error: there is no home directory to keep a credential file in
hint: set `HOME`, or `GIT_VSTS_PAT` for one run
[exit 1]
== HOME=relative/home
--- stderr
error: there is no home directory to keep a credential file in
hint: set `HOME`, or `GIT_VSTS_PAT` for one run
[exit 1]
== HOME=/dev/null/home
--- stderr
error: a token for contoso can't be kept
  caused by: cannot read /dev/null/home/.local/share/git-vsts
  caused by: Not a directory (os error 20)
hint: check the folder's permissions and the free space
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_home_is_made_where_it_is_missing() {
    let sandbox = Sandbox::new();
    let home = sandbox.home().join("not/yet");
    sandbox.set("HOME", &home.display().to_string());
    let token = sandbox.token("contoso");
    let output = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(mode(&home.join(".local/share/git-vsts/credentials.json")), 0o600);
}

/// A shell that runs `git-vsts` as `$0`.
fn shell(sandbox: &Sandbox, script: &str) -> crate::sandbox::Output {
    let binary = env!("CARGO_BIN_EXE_git-vsts");
    sandbox.finish(&mut sandbox.command("sh", ["-c", script, binary], &sandbox.work()), "")
}

#[test]
fn streams_that_are_closed_do_no_harm() {
    let sandbox = Sandbox::connected();
    let mut said = String::new();
    for script in [
        "exec $0 login contoso --pat-stdin <&-",
        "exec $0 status --offline >&-",
        "exec $0 status --offline 2>&-",
        "exec $0 status --offline <&-",
        "$0 status --offline --json | true",
        "exec $0 status --offline > /dev/full",
        "mkdir gone && cd gone && rmdir ../gone && exec $0 status --offline",
    ] {
        said += &format!("== {script}\n{}", shell(&sandbox, script));
    }
    assert_data_eq!(
        said,
        str![[r#"
== exec $0 login contoso --pat-stdin <&-
--- stderr
error: stdin is empty
hint: the token comes from a file or a pipe: `git vsts login contoso --pat-stdin < FILE`
[exit 2]
== exec $0 status --offline >&-
[exit 0]
== exec $0 status --offline 2>&-
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]
== exec $0 status --offline <&-
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file
/work, on main
  origin: https://azure/contoso/shop/_git/web
[exit 0]
== $0 status --offline --json | true
[exit 0]
== exec $0 status --offline > /dev/full
--- stderr
error: cannot write to stdout: No space left on device (os error 28)
[exit 1]
== mkdir gone && cd gone && rmdir ../gone && exec $0 status --offline
--- stderr
error: the current directory is gone
  caused by: No such file or directory (os error 2)
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_signal_at_the_question_for_a_token_leaves_the_terminal_as_it_was() {
    for (signal, died) in [
        (None, Signal::SIGINT),
        (Some(Signal::SIGINT), Signal::SIGINT),
        (Some(Signal::SIGTERM), Signal::SIGTERM),
    ] {
        let sandbox = Sandbox::new();
        let binary = env!("CARGO_BIN_EXE_git-vsts");
        // A terminal as a login leaves it; expectrl's own is without echo.
        let script = format!("stty sane && exec {binary} login contoso --pat");
        let mut session =
            OsSession::spawn(sandbox.command("sh", ["-c", &script], &sandbox.work())).unwrap();
        let _ = session.expect("Token for contoso:").unwrap();
        assert!(!session.get_process().get_echo().unwrap());
        match signal {
            None => session.send("\u{3}").unwrap(),
            Some(signal) => session.get_process_mut().signal(signal).unwrap(),
        }
        let _ = session.expect(Eof).unwrap();
        assert!(session.get_process().get_echo().unwrap());
        let status = session.get_process().wait().unwrap();
        assert!(matches!(status, WaitStatus::Signaled(_, met, _) if met == died), "{status:?}");
        assert!(!sandbox.credentials().exists());
    }
}
