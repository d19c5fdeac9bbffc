//! `git vsts credential`

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

const CONTOSO: &str = "https://dev.azure.com/contoso";
const FABRIKAM: &str = "https://dev.azure.com/fabrikam";
/// What is answered for `contoso`, as [`hosted`] keeps it.
const ANSWER: &str = "username=ada@contoso.com\npassword=contoso-token\n";
/// What git is told to say again: which secret it was (`printf SECRET | sha256sum`, half of it).
const STATE_OF_ACCESS_TOKEN: &str = "state[]=git-vsts:uby9Z8Gb_H_x4fPjwNzguw\n";
const STATE_OF_ENVIRONMENT_TOKEN: &str = "state[]=git-vsts:H1_nXiJ6vbQTkm2Kxa4xKQ\n";
const STATE_OF_CONTOSO_TOKEN: &str = "state[]=git-vsts:tKHre15UziMLcwpzCrC3QA\n";

/// What is kept for an organization: its URL, the account, and the rest of the record.
type Record<'a> = (&'a str, &'a str, &'a str);

const PAT: Record<'_> = (CONTOSO, "ada@contoso.com", r#""kind":"pat","token":"contoso-token""#);
const OTHER_PAT: Record<'_> =
    (FABRIKAM, "ada@fabrikam.com", r#""kind":"pat","token":"fabrikam-token""#);
/// One of ours, that can be renewed.
const ENTRA: Record<'_> = (
    CONTOSO,
    "ada@contoso.com",
    r#""kind":"entra","refresh_token":"the-refresh-token","access_token":"the-access-token","tenant":"t","client":"c""#,
);

/// A home where this is kept for the hosted service, which nothing here speaks to.
fn hosted(records: &[Record<'_>]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    keep(&sandbox, records);
    sandbox
}

fn keep(sandbox: &Sandbox, records: &[Record<'_>]) {
    let accounts: Vec<String> = records
        .iter()
        .map(|(organization, account, rest)| {
            let record = format!(
                r#"{{"version":1,"organization":"{organization}","account":"{account}",{rest}}}"#
            );
            format!(r#""{organization}":{{"label":"one","secret":{record}}}"#)
        })
        .collect();
    let content = format!(r#"{{"version":1,"accounts":{{{}}}}}"#, accounts.join(","));
    sandbox.write_home(".local/share/git-vsts/credentials.json", &content);
    let file = sandbox.credentials();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
}

fn credential(sandbox: &Sandbox, action: &str, stdin: &str) -> Output {
    sandbox.run_with_stdin(["credential", action], stdin)
}

/// What it says to git and to the person; it always ends with success.
#[track_caller]
fn said(sandbox: &Sandbox, action: &str, stdin: &str) -> (String, String) {
    let output = credential(sandbox, action, stdin);
    assert_eq!(output.status, 0, "{stdin:?}\n{output}");
    (output.stdout, output.stderr)
}

/// Runs a command that says nothing, in a thread that has no sandbox.
fn finish(command: &mut Command, stdin: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[track_caller]
fn silent(sandbox: &Sandbox, action: &str, stdin: &str) {
    assert_eq!(said(sandbox, action, stdin), (String::new(), String::new()), "{stdin:?}");
}

/// What is kept, secret by secret.
fn kept(sandbox: &Sandbox) -> String {
    let Ok(content) = fs::read_to_string(sandbox.credentials()) else { return String::new() };
    let content: serde_json::Value = serde_json::from_str(&content).unwrap();
    let accounts = content["accounts"].as_object().unwrap();
    let shown = |(key, kept): (&String, &serde_json::Value)| {
        let mut record = kept["secret"].clone();
        record.as_object_mut().unwrap().retain(|key, _| key != "version" && key != "organization");
        format!("{key} {record}\n")
    };
    accounts.iter().map(shown).collect()
}

/// Changes with every write: the file is replaced as a whole.
fn written(sandbox: &Sandbox) -> (u64, i64, i64) {
    let metadata = fs::metadata(sandbox.credentials()).unwrap();
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[test]
fn git_gets_what_is_kept_for_the_organization_that_it_asks_about() {
    let sandbox = hosted(&[PAT, OTHER_PAT]);
    let fabrikam = "username=ada@fabrikam.com\npassword=fabrikam-token\n";
    for (asked, answer) in [
        ("protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\n", ANSWER),
        ("protocol=https\nhost=dev.azure.com\npath=fabrikam/shop/_git/web\n", fabrikam),
        ("protocol=https\nhost=dev.azure.com\npath=Contoso/my shop/_git/100%25\n", ANSWER),
        ("protocol=https\nhost=DEV.AZURE.COM\npath=contoso\n", ANSWER),
        ("protocol=https\nhost=dev.azure.com:443\npath=contoso\n", ANSWER),
        ("protocol=https\nhost=contoso.visualstudio.com\n", ANSWER),
        ("protocol=https\nhost=contoso.visualstudio.com\npath=fabrikam/_git/web\n", ANSWER),
        ("protocol=https\nhost=dev.azure.com\nusername=contoso\n", ANSWER),
        ("protocol=https\nhost=dev.azure.com\nusername=contoso\npath=contoso/a/_git/b\n", ANSWER),
        ("protocol=https\nhost=dev.azure.com\nusername=ADA@contoso.com\npath=contoso\n", ANSWER),
        ("path=contoso\r\nhost=dev.azure.com\r\nprotocol=https\r\n\r\nmore", ANSWER),
        ("protocol=https\nhost=dev.azure.com\npath=contoso\nfoo=bar\nfoo[]=x\n", ANSWER),
        ("capability[]=authtype\nprotocol=https\nhost=dev.azure.com\npath=contoso\n", ANSWER),
        ("protocol=https\nhost=dev.azure.com\npath=contoso\nwwwauth[]=Basic realm=\"x\"\n", ANSWER),
    ] {
        assert_eq!(said(&sandbox, "get", asked), (answer.into(), String::new()), "{asked:?}");
    }
}

/// C1, C2, C7, C9, C10.
#[test]
fn git_gets_nothing_for_what_is_not_ours_or_not_signed_in() {
    let sandbox = hosted(&[PAT, OTHER_PAT]);
    for asked in [
        "",
        "\n",
        "protocol=https\n\nhost=dev.azure.com\npath=contoso\n",
        "protocol=https\npath=contoso\n",
        "host=\nprotocol=https\npath=contoso\n",
        "protocol=\nhost=dev.azure.com\npath=contoso\n",
        "host=dev.azure.com\npath=contoso\n",
        "protocol=http\nhost=dev.azure.com\npath=contoso\n",
        "protocol=http\nhost=127.0.0.1:8080\npath=contoso\n",
        "protocol=ssh\nhost=ssh.dev.azure.com\npath=v3/contoso/shop/web\n",
        "protocol=https\nhost=github.com\npath=contoso\n",
        "protocol=https\nhost=dev.azure.com.evil.example\npath=contoso\n",
        "protocol=https\nhost=evil-dev.azure.com\npath=contoso\n",
        "protocol=https\nhost=dev.azure.com@evil.example\npath=contoso\n",
        "protocol=https\nhost=dev.azure.com:444\npath=contoso\n",
        "protocol=https\nhost=dev.azure.com.\npath=contoso\n",
        "protocol=https\nhost=dev.\u{430}zure.com\npath=contoso\n",
        "protocol=https\nhost=dev.azure.com%0ahost=evil\npath=contoso\n",
        "protocol=https\nhost=a.contoso.visualstudio.com\n",
        "protocol=https\nhost=vs-ssh.visualstudio.com\n",
        "protocol=https\nhost=dev.azure.com\npath=contosox\n",
        "protocol=https\nhost=dev.azure.com\npath=northwind/shop/_git/web\n",
        "protocol=https\nhost=dev.azure.com\nusername=bob@contoso.com\npath=contoso\n",
        "protocol=https\nhost=dev.azure.com\nusername=fabrikam\npath=contoso\n",
        "protocol=https\nhost=contoso.visualstudio.com\nusername=bob\n",
    ] {
        silent(&sandbox, "get", asked);
    }
    assert_eq!(sandbox.requests(), [""; 0]);
}

/// C1, C3, C5, C6.
#[test]
fn a_description_that_could_be_read_differently_is_not_answered_and_that_is_told() {
    let sandbox = hosted(&[PAT]);
    let before = written(&sandbox);
    let long = format!("wwwauth[]={}\nhost=dev.azure.com\n", "x".repeat(1 << 20));
    for (asked, why) in [
        ("protocol=https\nhost=a\nhost=dev.azure.com\n", "host is given twice"),
        (
            "protocol=https\nhost=evil.example\rhost=dev.azure.com\n",
            "line 2 has a control character in it",
        ),
        (
            "protocol=https\nhost=dev.azure.com\npath=contoso\npassword=a\0b\n",
            "line 4 has a control character in it",
        ),
        ("protocol=https\nhost=dev.azure.com\nnonsense\n", "line 3 has no `=`"),
        (
            "protocol=https\nhost=dev.azure.com\nusername=\u{1b}]0;x\u{7}\rPassword: \n",
            "line 3 has a control character in it",
        ),
        (&long, "line 1 is longer than 65536 bytes"),
    ] {
        for (action, failed) in [
            ("get", "git vsts can't tell git what is kept"),
            ("store", "git vsts can't keep what git has proved"),
            ("erase", "git vsts can't forget what was refused"),
        ] {
            let warning =
                format!("warning: {failed}: the description on stdin can't be used: {why}\n");
            assert_eq!(said(&sandbox, action, asked), (String::new(), warning), "{asked:.80}");
        }
    }
    assert_eq!(written(&sandbox), before);
}

/// C13.
#[test]
fn what_a_later_git_may_want_is_ignored() {
    let sandbox = hosted(&[PAT]);
    silent(&sandbox, "frobnicate", "protocol=https\nhost=dev.azure.com\npath=contoso\n");
    silent(&sandbox, "", "");
    assert_eq!(
        said(&sandbox, "capability", ""),
        ("version 0\ncapability authtype\ncapability state\n".into(), String::new())
    );
}

/// C10.
#[test]
fn where_git_does_not_say_which_organization_the_only_one_is_meant() {
    let asked = "protocol=https\nhost=dev.azure.com\n";
    let sandbox = hosted(&[PAT]);
    for more in ["", "username=ada@contoso.com\n", "username=contoso\n", "path=_git/web\n"] {
        let asked = format!("{asked}{more}");
        assert_eq!(said(&sandbox, "get", &asked), (ANSWER.into(), String::new()), "{more}");
    }
    // It may be the name of another organization.
    silent(&sandbox, "get", &format!("{asked}username=fabrikam\n"));

    keep(&sandbox, &[PAT, OTHER_PAT]);
    assert_data_eq!(
        credential(&sandbox, "get", asked).to_string(),
        str![[r#"
--- stderr
warning: several organizations of dev.azure.com are signed in, and git did not say which it needs: let it with `git vsts setup`, or put the name before the host: https://ORG@dev.azure.com/…
[exit 0]

"#]]
        .raw()
    );
    // What is kept for another service is none of these.
    keep(&sandbox, &[PAT, ("http://127.0.0.1:1/contoso", "", r#""kind":"pat","token":"x""#)]);
    assert_eq!(said(&sandbox, "get", asked), (ANSWER.into(), String::new()));
}

#[test]
fn an_account_that_nobody_knows_is_not_taken_for_another_organization() {
    let sandbox = hosted(&[(CONTOSO, "", r#""kind":"pat","token":"contoso-token""#)]);
    for (asked, answer) in [
        ("", "username=contoso\npassword=contoso-token\n"),
        ("path=contoso\n", "username=contoso\npassword=contoso-token\n"),
        ("path=contoso\nusername=bob\n", "username=bob\npassword=contoso-token\n"),
        ("username=fabrikam\n", ""),
        ("username=bob@contoso.com\n", ""),
    ] {
        let asked = format!("protocol=https\nhost=dev.azure.com\n{asked}");
        assert_eq!(said(&sandbox, "get", &asked), (answer.into(), String::new()), "{asked:?}");
    }
}

#[test]
fn the_end_of_a_token_is_told_to_git_and_one_that_has_ended_to_the_person() {
    let asked = "protocol=https\nhost=dev.azure.com\npath=contoso\n";
    let pat = r#""kind":"pat","token":"contoso-token","expires":"#;
    let sandbox = hosted(&[(CONTOSO, "ada", &format!(r#"{pat}"2100-01-01T00:00:00Z""#))]);
    assert_eq!(
        said(&sandbox, "get", asked).0,
        "username=ada\npassword=contoso-token\npassword_expiry_utc=4102444800\n"
    );
    keep(&sandbox, &[(CONTOSO, "ada", &format!(r#"{pat}"2026-01-01T00:00:00Z""#))]);
    assert_data_eq!(
        credential(&sandbox, "get", asked).to_string(),
        str![[r#"
--- stderr
warning: the token for contoso expired on 1 Jan 2026; sign in again with `git vsts login contoso`
[exit 0]

"#]]
        .raw()
    );
    keep(
        &sandbox,
        &[(
            CONTOSO,
            "ada",
            r#""kind":"entra","refresh_token":"the-refresh-token","tenant":"t","client":"c""#,
        )],
    );
    assert_data_eq!(
        credential(&sandbox, "get", asked).to_string(),
        str![[r#"
--- stderr
warning: git vsts can't tell git what is kept: the sign-in to contoso could not be renewed: the sign-in was made at https://login.microsoftonline.com, and https://azure is in use
[exit 0]

"#]]
        .raw()
    );
}

/// C14.
#[test]
fn a_bearer_is_one_only_for_a_git_that_understands_it() {
    let sandbox = hosted(&[ENTRA]);
    for (asked, answer) in [
        ("", "username=ada@contoso.com\npassword=the-access-token\n"),
        (
            "capability[]=state\n",
            &format!(
                "capability[]=state\nusername=ada@contoso.com\npassword=the-access-token\n{STATE_OF_ACCESS_TOKEN}"
            ),
        ),
        (
            "capability[]=authtype\n",
            "capability[]=authtype\nauthtype=Bearer\ncredential=the-access-token\nusername=ada@contoso.com\n",
        ),
    ] {
        let asked = format!("{asked}protocol=https\nhost=dev.azure.com\npath=contoso\n");
        assert_eq!(said(&sandbox, "get", &asked), (answer.into(), String::new()), "{asked:?}");
    }
}

#[test]
fn a_token_of_the_environment_is_answered_and_never_kept() {
    let sandbox = hosted(&[PAT]);
    let before = kept(&sandbox);
    let host = "protocol=https\nhost=dev.azure.com\n";
    let collection = ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/fabrikam/");
    let pipeline = [("SYSTEM_ACCESSTOKEN", "environment-token"), collection];
    for (variables, asked, answer) in [
        (&[("GIT_VSTS_PAT", "environment-token")][..], "path=fabrikam\n", "fabrikam"),
        (&[("GIT_VSTS_PAT", "environment-token")], "path=fabrikam\nusername=bob\n", "bob"),
        (&[("GIT_VSTS_PAT", "environment-token")], "", "git-vsts"),
        (&[("AZURE_DEVOPS_EXT_PAT", "environment-token")], "username=contoso\n", "contoso"),
        (&pipeline, "path=fabrikam\n", "fabrikam"),
        (&pipeline, "username=fabrikam\n", "fabrikam"),
    ] {
        variables.iter().for_each(|(name, value)| sandbox.set(name, value));
        let asked = format!("capability[]=state\n{host}{asked}");
        let answer = format!(
            "capability[]=state\nusername={answer}\npassword=environment-token\n{STATE_OF_ENVIRONMENT_TOKEN}"
        );
        assert_eq!(said(&sandbox, "get", &asked), (answer.clone(), String::new()), "{asked:?}");
        // From a git that knows no state.
        silent(
            &sandbox,
            "store",
            &format!("{host}path=fabrikam\nusername=x\npassword=environment-token\n"),
        );
        silent(
            &sandbox,
            "store",
            &format!("{host}path=contoso\nusername=x\npassword=environment-token\n"),
        );
        silent(
            &sandbox,
            "erase",
            &format!("{host}path=contoso\nusername=contoso\npassword=environment-token\n"),
        );
        variables.iter().for_each(|(name, _)| sandbox.set(name, ""));
        // With the state it is known even where the environment is another one.
        silent(&sandbox, "store", &format!("{host}path=fabrikam\n{answer}"));
    }
    assert_eq!(kept(&sandbox), before);
    // A pipeline's is for its own organization alone.
    pipeline.iter().for_each(|(name, value)| sandbox.set(name, value));
    assert_eq!(said(&sandbox, "get", &format!("{host}path=contoso\n")).0, ANSWER);
    silent(&sandbox, "get", "protocol=https\nhost=github.com\n");
    sandbox.set("SYSTEM_ACCESSTOKEN", "$(System.AccessToken)");
    assert_data_eq!(
        credential(&sandbox, "get", &format!("{host}path=contoso\n")).to_string(),
        str![[r#"
--- stderr
warning: git vsts can't tell git what is kept: SYSTEM_ACCESSTOKEN holds `$(…)`, which the pipeline did not replace
[exit 0]

"#]]
        .raw()
    );
}

/// C1, C2, C12.
#[test]
fn what_git_has_proved_is_kept_if_it_is_new_and_of_use_later() {
    let bearer = "capability[]=authtype\nauthtype=Bearer\ncredential=";
    let jwt = "eyJ0eXAiOiJKV1QifQ.eyJ4IjoxfQ.c2ln";
    let contoso = "https://dev.azure.com/contoso";
    let path = "protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\n";
    let new = format!(r#"{contoso} {{"account":"","kind":"pat","token":"new"}}"#) + "\n";
    let new_by_bob = new.replace(r#""account":"""#, r#""account":"bob""#);
    let with_end = format!(
        r#"{contoso} {{"account":"ada@contoso.com","expires":"2100-01-01T00:00:00Z","kind":"pat","token":"contoso-token"}}"#
    ) + "\n";
    let token = format!(
        r#"{contoso} {{"access_token":"new","account":"","client":"","kind":"entra","refresh_token":"","tenant":""}}"#
    ) + "\n";
    let table: [(&[Record<'_>], String, Option<&str>); 30] = [
        (&[], format!("{path}username=contoso\npassword=new\n"), Some(&new)),
        (&[], format!("{path}username=bob\npassword=new\n"), Some(&new_by_bob)),
        (&[PAT], format!("{path}username=bob\npassword=new\n"), Some(&new_by_bob)),
        (&[ENTRA], format!("{path}username=bob\npassword=new\n"), Some(&new_by_bob)),
        (
            &[],
            "protocol=https\nhost=contoso.visualstudio.com\nusername=bob\npassword=new\n".into(),
            Some(&new_by_bob),
        ),
        // The user part names an organization that is signed in.
        (
            &[PAT],
            "protocol=https\nhost=dev.azure.com\nusername=contoso\npassword=new\n".into(),
            Some(&new),
        ),
        (&[], "protocol=https\nhost=dev.azure.com\nusername=contoso\npassword=new\n".into(), None),
        (&[PAT], "protocol=https\nhost=dev.azure.com\nusername=bob\npassword=new\n".into(), None),
        // Already kept.
        (&[PAT], format!("{path}username=ada@contoso.com\npassword=contoso-token\n"), None),
        (&[PAT], format!("{path}username=bob\npassword=contoso-token\n"), None),
        // It came from here; whoever gives that back with a token typed since has a new one.
        (
            &[],
            format!("{path}username=bob\npassword=contoso-token\n{STATE_OF_CONTOSO_TOKEN}"),
            None,
        ),
        (
            &[PAT],
            format!("{path}username=bob\npassword=new\n{STATE_OF_CONTOSO_TOKEN}"),
            Some(&new_by_bob),
        ),
        (
            &[PAT],
            format!("{path}username=bob\npassword=new\nstate[]=other:x\nstate[]=git-vsts:\n"),
            Some(&new_by_bob),
        ),
        (&[ENTRA], format!("{path}username=bob\npassword=the-access-token\n"), None),
        (&[ENTRA], format!("{bearer}the-access-token\n{path}"), None),
        (
            &[PAT],
            format!("{path}username=b\npassword=contoso-token\npassword_expiry_utc=4102444800\n"),
            Some(&with_end),
        ),
        // Of no use tomorrow.
        (&[], format!("{bearer}new\nephemeral=1\n{path}"), None),
        (&[], format!("{path}username=bob\npassword=new\npassword_expiry_utc=1\n"), None),
        (&[], format!("{path}username=bob\npassword={jwt}\n"), None),
        (&[], format!("{bearer}{jwt}\n{path}"), None),
        (&[PAT], format!("{bearer}new\n{path}"), None),
        (&[], format!("{bearer}new\n{path}"), Some(&token)),
        // Not ours, or nothing.
        (&[], "protocol=https\nhost=github.com\nusername=bob\npassword=new\n".into(), None),
        (
            &[],
            "protocol=http\nhost=dev.azure.com\npath=contoso\nusername=b\npassword=new\n".into(),
            None,
        ),
        (&[], format!("{path}username=bob\n"), None),
        (&[], format!("{path}username=bob\npassword=\n"), None),
        (&[PAT], "protocol=https\npath=contoso\nusername=b\npassword=new\n".into(), None),
        (&[PAT], "protocol=\nhost=dev.azure.com\npath=contoso\npassword=new\n".into(), None),
        (&[PAT], "host=\nprotocol=https\npath=contoso\npassword=new\n".into(), None),
        (
            &[PAT],
            "protocol=https\nhost=dev.azure.com%0ahost=evil\npath=contoso\npassword=new\n".into(),
            None,
        ),
    ];
    for (records, stdin, after) in table {
        let sandbox = hosted(records);
        let (before, content) = (written(&sandbox), kept(&sandbox));
        silent(&sandbox, "store", &stdin);
        match after {
            Some(after) => assert_eq!(kept(&sandbox), after, "{stdin}"),
            None => {
                assert_eq!(written(&sandbox), before, "{stdin}");
                assert_eq!(kept(&sandbox), content);
            }
        }
    }
}

/// C11.
#[test]
fn what_is_kept_while_an_old_secret_is_refused_stays() {
    let path = "protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\nusername=bob\n";
    let sandbox = hosted(&[]);
    for round in 0..20 {
        silent(&sandbox, "store", &format!("{path}password=old-{round}\n"));
        std::thread::scope(|scope| {
            for (action, secret) in [("erase", "old"), ("store", "new"), ("erase", "old")] {
                let stdin = format!("{path}password={secret}-{round}\n");
                let mut command = sandbox.command(
                    env!("CARGO_BIN_EXE_git-vsts"),
                    ["credential", action],
                    &sandbox.work(),
                );
                scope.spawn(move || finish(&mut command, &stdin));
            }
        });
        assert!(kept(&sandbox).contains(&format!("new-{round}")), "{}", kept(&sandbox));
    }
}

/// C1, C2, C11.
#[test]
fn what_was_refused_is_forgotten_and_nothing_else() {
    let path = "protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\n";
    let host = "protocol=https\nhost=dev.azure.com\n";
    let both: &[Record<'_>] = &[PAT, OTHER_PAT];
    let same: &[Record<'_>] =
        &[PAT, (FABRIKAM, "ada@contoso.com", r#""kind":"pat","token":"contoso-token""#)];
    let all = [CONTOSO, FABRIKAM];
    for (records, stdin, left) in [
        (both, format!("{path}username=ada@contoso.com\npassword=contoso-token\n"), &all[1..]),
        (both, format!("{path}username=contoso\npassword=contoso-token\n"), &all[1..]),
        (both, path.to_owned(), &all[1..]),
        (both, format!("{path}username=bob\npassword=contoso-token\n"), &all),
        (both, format!("{path}password=contoso-toke\n"), &all),
        (both, format!("{path}password=fabrikam-token\n"), &all),
        (both, format!("{path}password=\n"), &all),
        (both, host.to_owned(), &all),
        (both, format!("{host}password=contoso-token\n"), &all[1..]),
        (both, format!("{host}username=fabrikam\n"), &all[..1]),
        (same, format!("{host}password=contoso-token\n"), &all),
        (&[PAT], host.to_owned(), &[]),
        (&[PAT], format!("{host}username=ada@contoso.com\n"), &[]),
        (&[PAT], format!("{host}username=fabrikam\n"), &all[..1]),
        (both, "protocol=https\n".to_owned(), &all),
        (both, "host=\nprotocol=https\n".to_owned(), &all),
        (both, "protocol=\nhost=dev.azure.com\n".to_owned(), &all),
        (
            &[PAT],
            "protocol=https\nhost=dev.azure.com%0ahost=evil\npath=contoso\n".to_owned(),
            &all[..1],
        ),
        (&[PAT], "protocol=https\nhost=github.com\n".to_owned(), &all[..1]),
        (&[PAT], "protocol=https\nhost=dev.azure.com\npath=fabrikam\n".to_owned(), &all[..1]),
        (&[PAT], "protocol=https\nhost=contoso.visualstudio.com\n".to_owned(), &[]),
    ] {
        let sandbox = hosted(records);
        silent(&sandbox, "erase", &stdin);
        let kept = kept(&sandbox);
        let kept: Vec<&str> = kept.lines().map(|line| line.split_once(' ').unwrap().0).collect();
        assert_eq!(kept, left, "{stdin}");
    }
}

#[test]
fn an_access_token_that_was_refused_leaves_what_renews_it() {
    let path = "protocol=https\nhost=dev.azure.com\npath=contoso\n";
    let rest = "https://dev.azure.com/contoso {\"account\":\"ada@contoso.com\",\"client\":\"c\",\"kind\":\"entra\",\"previous\":\"uby9Z8Gb_H_x4fPjwNzguw\",\"refresh_token\":\"the-refresh-token\",\"tenant\":\"t\"}\n";
    for (stdin, left) in [
        (format!("{path}username=ada@contoso.com\npassword=the-access-token\n"), rest),
        (format!("authtype=Bearer\ncredential=the-access-token\n{path}"), rest),
        (path.to_owned(), ""),
    ] {
        let sandbox = hosted(&[ENTRA]);
        silent(&sandbox, "erase", &stdin);
        assert_eq!(kept(&sandbox), left, "{stdin}");
    }
}

#[test]
fn trouble_with_the_store_is_one_line_and_git_goes_on() {
    let asked = "protocol=https\nhost=dev.azure.com\npath=contoso\n";
    let sandbox = hosted(&[PAT]);
    let mut all = String::new();
    for (name, content) in [("damaged", "{"), ("of a later version", r#"{"version":2}"#)] {
        fs::write(sandbox.credentials(), content).unwrap();
        for (action, more) in
            [("get", ""), ("store", "username=a\npassword=b\n"), ("erase", "password=b\n")]
        {
            let output = credential(&sandbox, action, &format!("{asked}{more}"));
            all += &format!("== {name}, {action}\n{output}");
        }
        assert_eq!(fs::read_to_string(sandbox.credentials()).unwrap(), content);
    }
    keep(&sandbox, &[(CONTOSO, "ada", r#""kind":"new","token":"x""#)]);
    all += &format!("== a record of another kind\n{}", credential(&sandbox, "get", asked));
    keep(&sandbox, &[(CONTOSO, "ada\\npassword=x", r#""kind":"pat","token":"x""#)]);
    all += &format!("== an account with a line feed\n{}", credential(&sandbox, "get", asked));
    sandbox.set("GIT_VSTS_STORE", "drawer");
    all += &format!("== no store\n{}", credential(&sandbox, "get", asked));
    sandbox.set("GIT_VSTS_STORE", "keychain");
    sandbox.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    all += &format!("== no keychain\n{}", credential(&sandbox, "get", asked));
    assert_data_eq!(all, str![[r#"
== damaged, get
--- stderr
warning: git vsts can't tell git what is kept: /home/.local/share/git-vsts/credentials.json is not a credential file of version 1 (line 1)
[exit 0]
== damaged, store
--- stderr
warning: git vsts can't keep what git has proved: /home/.local/share/git-vsts/credentials.json is not a credential file of version 1 (line 1)
[exit 0]
== damaged, erase
--- stderr
warning: git vsts can't forget what was refused: /home/.local/share/git-vsts/credentials.json is not a credential file of version 1 (line 1)
[exit 0]
== of a later version, get
--- stderr
warning: git vsts can't tell git what is kept: /home/.local/share/git-vsts/credentials.json is not a credential file of version 1
[exit 0]
== of a later version, store
--- stderr
warning: git vsts can't keep what git has proved: /home/.local/share/git-vsts/credentials.json is not a credential file of version 1
[exit 0]
== of a later version, erase
--- stderr
warning: git vsts can't forget what was refused: /home/.local/share/git-vsts/credentials.json is not a credential file of version 1
[exit 0]
== a record of another kind
--- stderr
warning: git vsts can't tell git what is kept: the sign-in to contoso can't be used: the record in the store can't be read
[exit 0]
== an account with a line feed
--- stderr
warning: git vsts can't tell git what is kept: the username has a control character in it
[exit 0]
== no store
--- stderr
warning: git vsts can't tell git what is kept: GIT_VSTS_STORE is `drawer`, which is no store
[exit 0]
== no keychain
--- stderr
warning: git vsts can't tell git what is kept: there is no keychain: no D-Bus session bus (Failed to connect to address `unix:path=/nowhere`: No such file or directory (os error 2))
[exit 0]

"#]].raw());
}

#[test]
fn where_it_is_kept_is_believed_of_the_user_alone_and_the_rest_is_not_told_of() {
    let asked = "protocol=https\nhost=dev.azure.com\npath=contoso\n";
    let sandbox = hosted(&[PAT]);
    sandbox.set("GIT_VSTS_STORE", "");
    sandbox.repository();
    let _ = sandbox.git(["config", "--global", "vsts.store", "file"]);
    let _ = sandbox.git(["config", "vsts.store", "none"]);
    let _ = sandbox.git(["config", "http.sslVerify", "false"]);
    assert_eq!(said(&sandbox, "get", asked), (ANSWER.into(), String::new()));
}

/// C15.
#[test]
fn git_is_not_kept_waiting_where_nobody_is_signed_in() {
    let sandbox = hosted(&[]);
    silent(&sandbox, "get", "protocol=https\nhost=dev.azure.com\npath=contoso\n");
    silent(&sandbox, "get", "protocol=https\nhost=dev.azure.com\n");
    assert_eq!(sandbox.requests(), [""; 0]);
}

/// C15: whatever there is to ask with.
#[test]
fn nobody_is_asked_and_no_browser_is_opened() {
    let sandbox = hosted(&[]);
    let trap = sandbox.home().join("trap");
    let trapped = sandbox.home().join("trapped");
    fs::write(&trap, format!("#!/bin/sh\ntouch '{}'\n", trapped.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    for variable in ["BROWSER", "GIT_ASKPASS", "SSH_ASKPASS", "EDITOR"] {
        sandbox.set(variable, &trap.display().to_string());
    }
    sandbox.set("DISPLAY", ":0");
    let asked = "protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\n";
    for action in ["get", "store", "erase"] {
        silent(&sandbox, action, asked);
    }
    let (shown, status) = sandbox.on_terminal(["credential", "get"]).answer("\u{4}").end();
    assert_eq!((shown.trim(), status), ("", 0));
    assert!(!trapped.exists());

    for variable in ["GIT_ASKPASS", "SSH_ASKPASS"] {
        sandbox.set(variable, "");
    }
    assert_data_eq!(
        git_with_stdin(&sandbox, WITH_PATH, &["credential", "fill"], asked).to_string(),
        str![[r#"
--- stderr
fatal: could not read Username for 'https://dev.azure.com/contoso/shop/_git/web': terminal prompts disabled
[exit 128]

"#]]
        .raw()
    );
    assert!(!trapped.exists());
}

/// Plain git, with our helper and no other.
fn git(sandbox: &Sandbox, settings: &[&str], arguments: &[&str]) -> Output {
    git_with_stdin(sandbox, settings, arguments, "")
}

fn git_with_stdin(sandbox: &Sandbox, settings: &[&str], arguments: &[&str], stdin: &str) -> Output {
    let helper = format!("credential.helper=!'{}' credential", env!("CARGO_BIN_EXE_git-vsts"));
    let mut all = vec!["-c", "credential.helper=", "-c", &helper];
    settings.iter().for_each(|setting| all.extend(["-c", setting]));
    all.extend(arguments);
    let mut command = sandbox.command("git", all, &sandbox.work());
    command.env("GIT_TERMINAL_PROMPT", "0");
    sandbox.finish(&mut command, stdin)
}

/// The same, where git says nothing but what the server told it.
#[track_caller]
fn git_succeeds(sandbox: &Sandbox, settings: &[&str], arguments: &[&str]) {
    let output = git(sandbox, settings, arguments);
    let said = output.stderr.lines().all(|line| line.starts_with("remote: "));
    assert!(output.status == 0 && output.stdout.is_empty() && said, "{arguments:?}\n{output}");
}

const WITH_PATH: &[&str] = &["credential.useHttpPath=true"];

#[test]
fn plain_git_clones_fetches_and_pushes_without_asking_and_nothing_is_written() {
    let sandbox = Sandbox::connected();
    let before = written(&sandbox);
    for settings in [&[][..], WITH_PATH] {
        git_succeeds(&sandbox, settings, &["push", "--quiet", "origin", "main"]);
        git_succeeds(&sandbox, settings, &["fetch", "--quiet", "origin"]);
        let folder = format!("clone{}", settings.len());
        let url = sandbox.url("contoso/shop/_git/web");
        git_succeeds(&sandbox, settings, &["clone", "--quiet", &url, &folder]);
        sandbox.commit("file", &folder, "Another");
    }
    assert_eq!(written(&sandbox), before);
    assert_eq!(sandbox.server("shop", "web", &["rev-list", "--count", "main"]), "2");
}

#[test]
fn a_token_that_the_service_no_longer_takes_is_forgotten_and_git_asks() {
    let sandbox = Sandbox::connected();
    let token = sandbox.sign_in("contoso");
    sandbox.contoso().revoke(&token);
    let mut all = String::new();
    for _ in 0..2 {
        let output = git(&sandbox, WITH_PATH, &["push", "origin", "main"]);
        all += &format!("{output}kept: {}\n", sandbox.credentials().exists());
    }
    assert_data_eq!(
        all,
        str![[r#"
--- stderr
fatal: Authentication failed for 'https://azure/contoso/shop/_git/web/'
[exit 128]
kept: false
--- stderr
fatal: could not read Username for 'https://azure/contoso/shop/_git/web': terminal prompts disabled
[exit 128]
kept: false

"#]]
        .raw()
    );
}

#[test]
fn each_of_two_organizations_of_one_host_gets_its_own() {
    let sandbox = Sandbox::connected();
    sandbox.azure.organization("fabrikam").project("shop").repository("shop", "web");
    sandbox.sign_in("fabrikam");
    // Each `git` below says itself whom to ask.
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    let fabrikam = sandbox.url("fabrikam/shop/_git/web");
    for url in ["origin", &fabrikam] {
        git_succeeds(&sandbox, WITH_PATH, &["push", "--quiet", url, "main"]);
    }
    let named = fabrikam.replace("://", "://fabrikam@");
    git_succeeds(&sandbox, &[], &["fetch", "--quiet", &named]);
    assert_data_eq!(
        git(&sandbox, &[], &["fetch", "origin"]).to_string(),
        str![[r#"
--- stderr
warning: several organizations of azure are signed in, and git did not say which it needs: let it with `git vsts setup`, or put the name before the host: http://ORG@azure/…
fatal: could not read Username for 'https://azure': terminal prompts disabled
[exit 128]

"#]]
        .raw()
    );
}

/// The attributes of which git's own tests for helpers (t0303) ask that they come back.
#[test]
fn what_git_approves_comes_back_from_git() {
    let url = "protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\n";
    let output = |status, stdout: &str, stderr: &str| Output {
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        status,
    };
    let silent = output(0, "", "");
    let asked = "fatal: could not read Username for 'https://dev.azure.com/contoso/shop/_git/web': terminal prompts disabled\n";
    for (capability, credential) in [
        ("", "username=ada\npassword=pass\n"),
        ("", "username=ada\npassword=pass\npassword_expiry_utc=9999999999\n"),
        ("", "username=ada\npassword=pass\noauth_refresh_token=xyzzy\n"),
        ("capability[]=authtype\n", "authtype=Bearer\ncredential=random-token\n"),
    ] {
        let sandbox = hosted(&[]);
        let git = |action: &str, stdin: &str| {
            git_with_stdin(&sandbox, WITH_PATH, &["credential", action], stdin)
        };
        let whole = match capability {
            "" => format!("{url}{credential}"),
            _ => format!("{capability}{credential}{url}"),
        };
        assert_eq!(git("approve", &whole), silent, "{credential}");
        let filled = git("fill", &format!("{capability}{url}"));
        assert_eq!(filled, output(0, &whole, ""));
        // What comes back with its state is not written again.
        let before = written(&sandbox);
        let filled = git("fill", &format!("capability[]=state\n{capability}{url}")).stdout;
        assert!(filled.contains("\nstate[]=git-vsts:"), "{filled}");
        assert_eq!(git("approve", &filled), silent);
        assert_eq!(written(&sandbox), before);
        assert_eq!(git("reject", &whole), silent);
        assert_eq!(git("fill", &format!("{capability}{url}")), output(128, "", asked));
    }
}
