//! Names and addresses that must not be taken: a clear error, status 2, nothing sent, nothing
//! stored, nothing half written.

use std::fs;

use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::Sandbox;

/// A repository with a configuration worth keeping.
fn here() -> Sandbox {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    sandbox
}

fn configuration(sandbox: &Sandbox) -> Vec<u8> {
    fs::read(sandbox.work().join(".git/config")).unwrap()
}

/// Runs each command, and gives all that was said. Each must end with status 2, without a request,
/// and leave the configuration, the branch and the credentials as they were.
#[track_caller]
fn refused<const N: usize>(sandbox: &Sandbox, commands: &[[&str; N]]) -> String {
    let state = || {
        let references = sandbox.git(["for-each-ref"]);
        (configuration(sandbox), references, fs::read(sandbox.credentials()).unwrap())
    };
    let before = state();
    let mut said = String::new();
    for command in commands {
        let output = sandbox.run(command);
        assert_eq!(output.status, 2, "{command:?}\n{output}");
        assert_eq!(output.stdout, "", "{command:?}\n{output}");
        assert_eq!(sandbox.requests(), [""; 0], "{command:?}\n{output}");
        assert!(state() == before, "{command:?} changed something\n{output}");
        let shown: Vec<String> = command.iter().map(|it| it.escape_debug().to_string()).collect();
        said.push_str(&format!("$ {}\n{}", shown.join(" "), output.stderr));
    }
    said
}

#[test]
fn bad_targets_are_refused() {
    let sandbox = here();
    let long = format!("shop/{}", "x".repeat(300));
    let said = refused(
        &sandbox,
        &[
            ["init", "shop/we\u{1b}[2Jb"],
            ["init", "shop/we\nb"],
            ["init", "shop/../web"],
            ["init", "../../web"],
            ["init", "shop/.."],
            ["init", "contoso/shop/_git"],
            ["init", "_apis/web"],
            ["init", "con-/shop/web"],
            ["init", "\u{1f600}/shop/web"],
            ["init", "shop\\web"],
            ["init", "/shop/web"],
            ["init", "a/b/c/d"],
            ["init", "shop//web"],
            ["init", ""],
            ["remote-add", &long],
            ["remote-add", "shop/we\u{1b}[2Jb"],
            ["remote-add", "./web"],
        ],
    );
    assert_data_eq!(said, str![[r#"
$ init shop/we\u{1b}[2Jb
error: `shop/we\x1b[2Jb` has a control character in it
$ init shop/we\nb
error: `shop/we\nb` has a control character in it
$ init shop/../web
error: `shop/../web` has `.` or `..` in its path
$ init ../../web
error: `../../web` has `.` or `..` in its path
$ init shop/..
error: `shop/..` has `.` or `..` in its path
$ init contoso/shop/_git
error: repository name `_git` is reserved
$ init _apis/web
error: project name `_apis` starts with `_`
$ init con-/shop/web
error: organization name `con-` ends with `-`
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ init 😀/shop/web
error: organization name `😀` has `😀` in it, which is a surrogate pair in UTF-16
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ init shop\\web
error: `shop\web` has a backslash in it
hint: name it as [ORG/]PROJECT/REPO, or by its address from the browser
$ init /shop/web
error: `/shop/web` is a path on this computer, not a URL of Azure DevOps
hint: name it as [ORG/]PROJECT/REPO, or by its address from the browser
$ init a/b/c/d
error: `a/b/c/d` has more parts than ORG/PROJECT/REPO
hint: name it as [ORG/]PROJECT/REPO, or by its address from the browser
$ init shop//web
error: `shop//web` has an empty part in its path
$ init 
error: nothing is named
hint: name it as [ORG/]PROJECT/REPO, or by its address from the browser
$ remote-add shop/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
error: repository name `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is longer than 255 characters
$ remote-add shop/we\u{1b}[2Jb
error: `shop/we\x1b[2Jb` has a control character in it
$ remote-add ./web
error: `./web` has `.` or `..` in its path

"#]].raw());
}

#[test]
fn bad_addresses_are_refused() {
    let sandbox = here();
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    let said = refused(
        &sandbox,
        &[
            ["init", "https://dev.azure.com%0d%0ahost=evil/contoso/shop/_git/web"],
            ["init", "https://dev.azure.com/contoso/shop/_git/we%0ab"],
            ["init", "https://dev.azure.com/contoso/shop/_git/we%0Db"],
            ["init", "https://dev.azure.com/contoso/shop/_git/web\r"],
            ["init", "https://dev.azure.com/contoso/shop/_git/we%2Fb"],
            ["init", "https://dev.azure.com/contoso/../shop/_git/web"],
            ["init", "https://dev.azure.com/contoso/%2e%2e/_git/web"],
            ["init", "http://dev.azure.com/contoso/shop/_git/web"],
            ["init", "https://dev.azure.com.evil.example/contoso/shop/_git/web"],
            ["init", "https://evil-dev.azure.com/contoso/shop/_git/web"],
            ["init", "https://dev.\u{430}zure.com/contoso/shop/_git/web"],
            ["init", "https://dev.azure.com@evil.example/contoso/shop/_git/web"],
            ["init", "https://contoso.visualstudio.com.evil.example/shop/_git/web"],
            ["init", "https://dev.azure.com:444/contoso/shop/_git/web"],
            ["init", "https://dev.azure.com./contoso/shop/_git/web"],
            ["init", "https://github.com/ada/web.git"],
            ["init", "ext::sh -c touch% pwned"],
            ["init", "file:///tmp/web"],
            ["init", "file::/tmp/web"],
            ["init", "ssh://-oProxyCommand=touch%20pwned/contoso/shop/web"],
            ["login", "https://dev.azure.com.evil.example/contoso"],
            ["login", "http://dev.azure.com/contoso"],
            ["login", "con\u{1b}toso"],
            ["logout", "con%0atoso"],
            ["logout", ".."],
        ],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ init https://dev.azure.com%0d%0ahost=evil/contoso/shop/_git/web
error: `dev.azure.com%0d%0ahost=evil` can't be a host's name
$ init https://dev.azure.com/contoso/shop/_git/we%0ab
error: `we%0ab` has a control character in it
$ init https://dev.azure.com/contoso/shop/_git/we%0Db
error: `we%0Db` has a control character in it
$ init https://dev.azure.com/contoso/shop/_git/web\r
error: `https://dev.azure.com/contoso/shop/_git/web\r` has a control character in it
$ init https://dev.azure.com/contoso/shop/_git/we%2Fb
error: `we%2Fb` has an escaped slash in it
$ init https://dev.azure.com/contoso/../shop/_git/web
error: `https://dev.azure.com/contoso/../shop/_git/web` has `.` or `..` in its path
$ init https://dev.azure.com/contoso/%2e%2e/_git/web
error: `https://dev.azure.com/contoso/%2e%2e/_git/web` has `.` or `..` in its path
$ init http://dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com is plain http
hint: use https
$ init https://dev.azure.com.evil.example/contoso/shop/_git/web
error: dev.azure.com.evil.example resembles a host of Azure DevOps, and is none
hint: the hosts are dev.azure.com and ORG.visualstudio.com, and no others
$ init https://evil-dev.azure.com/contoso/shop/_git/web
error: evil-dev.azure.com resembles a host of Azure DevOps, and is none
hint: the hosts are dev.azure.com and ORG.visualstudio.com, and no others
$ init https://dev.аzure.com/contoso/shop/_git/web
error: dev.аzure.com resembles a host of Azure DevOps, and is none
hint: the hosts are dev.azure.com and ORG.visualstudio.com, and no others
$ init https://dev.azure.com@evil.example/contoso/shop/_git/web
error: evil.example resembles a host of Azure DevOps, and is none
hint: the hosts are dev.azure.com and ORG.visualstudio.com, and no others
$ init https://contoso.visualstudio.com.evil.example/shop/_git/web
error: contoso.visualstudio.com.evil.example resembles a host of Azure DevOps, and is none
hint: the hosts are dev.azure.com and ORG.visualstudio.com, and no others
$ init https://dev.azure.com:444/contoso/shop/_git/web
error: the URL for dev.azure.com names another port than the service has
$ init https://dev.azure.com./contoso/shop/_git/web
error: dev.azure.com. resembles a host of Azure DevOps, and is none
hint: the hosts are dev.azure.com and ORG.visualstudio.com, and no others
$ init https://github.com/ada/web.git
error: github.com is not a host of Azure DevOps
$ init ext::sh -c touch% pwned
error: `ext::` names a program for git to run, not a URL
$ init file:///tmp/web
error: `file:///tmp/web` is a path on this computer, not a URL of Azure DevOps
hint: name it as [ORG/]PROJECT/REPO, or by its address from the browser
$ init file::/tmp/web
error: `file::` names a program for git to run, not a URL
$ init ssh://-oProxyCommand=touch%20pwned/contoso/shop/web
error: `-oProxyCommand=touch%20pwned` starts with a dash
$ login https://dev.azure.com.evil.example/contoso
error: dev.azure.com.evil.example resembles a host of Azure DevOps, and is none
hint: the hosts are dev.azure.com and ORG.visualstudio.com, and no others
$ login http://dev.azure.com/contoso
error: the URL for dev.azure.com is plain http
hint: use https
$ login con\u{1b}toso
error: organization name `con\x1btoso` has a control character in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ logout con%0atoso
error: organization name `con%0atoso` has `%` in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ logout ..
error: organization name `..` has `.` in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…

"#]]
        .raw()
    );
    assert!(!sandbox.work().join("pwned").exists());
}

/// The double stands instead of the hosted service here, and the hosts of that are foreign.
#[test]
fn the_address_that_stands_instead_is_named_where_the_service_is_refused() {
    let sandbox = Sandbox::connected();
    let mut said = String::new();
    for url in [
        "https://dev.azure.com/contoso/shop/_git/web",
        "https://contoso.visualstudio.com/shop/_git/web",
        "git@ssh.dev.azure.com:v3/contoso/shop/web",
        "https://github.com/ada/web",
    ] {
        said += &format!("$ clone {url}\n{}", sandbox.run(["clone", url]).stderr);
        let _ = sandbox.git(["remote", "set-url", "origin", url]);
        said += &format!("$ push\n{}", sandbox.run(["push", "origin"]).stderr);
    }
    assert_data_eq!(
        said,
        str![[r#"
$ clone https://dev.azure.com/contoso/shop/_git/web
error: dev.azure.com is not a host of Azure DevOps
hint: `GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it
$ push
error: origin is not at Azure DevOps: https://dev.azure.com/contoso/shop/_git/web
hint: `GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it
$ clone https://contoso.visualstudio.com/shop/_git/web
error: contoso.visualstudio.com is not a host of Azure DevOps
hint: `GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it
$ push
error: origin is not at Azure DevOps: https://contoso.visualstudio.com/shop/_git/web
hint: `GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it
$ clone git@ssh.dev.azure.com:v3/contoso/shop/web
error: ssh.dev.azure.com is not a host of Azure DevOps
hint: `GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it
$ push
error: origin is not at Azure DevOps: ssh.dev.azure.com:v3/contoso/shop/web
hint: `GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it
$ clone https://github.com/ada/web
error: github.com is not a host of Azure DevOps
$ push
error: origin is not at Azure DevOps: https://github.com/ada/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it

"#]]
        .raw()
    );
}

#[test]
fn what_an_organization_is_called_is_said_where_a_name_is_none() {
    let sandbox = here();
    let said = refused(
        &sandbox,
        &[["login", "not an org!"], ["login", "https://dev.azure.com/"], ["init", "a!/shop/web"]],
    );
    assert_data_eq!(said, str![[r#"
$ login not an org!
error: organization name `not an org!` has a blank in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ login https://dev.azure.com/
error: dev.azure.com is not a host of Azure DevOps
hint: `GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it
$ init a!/shop/web
error: organization name `a!` has `!` in it
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…

"#]].raw());
}

#[test]
fn what_begins_with_a_dash_is_no_name() {
    let sandbox = here();
    let said = refused(
        &sandbox,
        &[
            ["init", "--", "-shop/web"],
            ["init", "--", "-x"],
            ["init", "--remote=-x", "shop/web"],
            ["init", "--remote=--upload-pack=x", "shop/web"],
            ["init", "--branch=-d", "shop/web"],
            ["remote-add", "--", "-x"],
            ["login", "--", "-x"],
            ["logout", "--", "-x"],
            ["push", "--", "--upload-pack=x"],
            ["push", "--org=-x", "--create"],
            ["push", "--project=-x", "--create"],
            ["push", "--repo=-x", "--create"],
        ],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ init -- -shop/web
error: `-shop/web` starts with a dash
$ init -- -x
error: `-x` starts with a dash
$ init --remote=-x shop/web
error: remote name `-x` starts with `-`
$ init --remote=--upload-pack=x shop/web
error: remote name `--upload-pack=x` starts with `-`
$ init --branch=-d shop/web
error: `-d` can't be a branch's name
$ remote-add -- -x
error: remote name `-x` starts with `-`
$ login -- -x
error: organization name `-x` starts with `-`
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ logout -- -x
error: organization name `-x` starts with `-`
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ push -- --upload-pack=x
error: there is no remote --upload-pack=x
hint: leave it out: `git vsts push` adds one
$ push --org=-x --create
error: organization name `-x` starts with `-`
hint: the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…
$ push --project=-x --create
error: project name `-x` starts with `-`
$ push --repo=-x --create
error: repository name `-x` starts with `-`

"#]]
        .raw()
    );
}

#[test]
fn bad_names_of_remotes_are_refused() {
    let sandbox = here();
    let long = "r".repeat(300);
    let said = refused(
        &sandbox,
        &[
            ["remote-add", "a\"]\n[core]\nfsmonitor=x", "shop/web"],
            ["remote-add", "a b", "shop/web"],
            ["remote-add", "a..b", "shop/web"],
            ["remote-add", "a\u{1b}b", "shop/web"],
            ["remote-add", "a\r", "shop/web"],
            ["remote-add", "a.lock", "shop/web"],
            ["remote-add", "/a", "shop/web"],
            ["remote-add", "a'b", "shop/web"],
            ["remote-add", "", "shop/web"],
            ["remote-add", &long, "shop/web"],
            ["init", "--remote=a\"]\n[core]\nfsmonitor=x", "shop/web"],
        ],
    );
    assert_data_eq!(said, str![[r#"
$ remote-add a\"]\n[core]\nfsmonitor=x shop/web
error: remote name `a"]\n[core]\nfsmonitor=x` has `"` in it
$ remote-add a b shop/web
error: remote name `a b` has a blank in it
$ remote-add a..b shop/web
error: remote name `a..b` has `..` in it or is `.`
$ remote-add a\u{1b}b shop/web
error: remote name `a\x1bb` has a control character in it
$ remote-add a\r shop/web
error: remote name `a\r` has a control character in it
$ remote-add a.lock shop/web
error: remote name `a.lock` is not allowed by git
$ remote-add /a shop/web
error: remote name `/a` starts with `/`
$ remote-add a\'b shop/web
error: remote name `a'b` has `'` in it
$ remote-add  shop/web
error: remote name `` is empty
$ remote-add rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr shop/web
error: remote name `rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr…` is longer than 255 characters
$ init --remote=a\"]\n[core]\nfsmonitor=x shop/web
error: remote name `a"]\n[core]\nfsmonitor=x` has `"` in it

"#]].raw());
}

#[test]
fn a_url_as_the_name_of_a_remote_is_refused() {
    let sandbox = here();
    let url = sandbox.url("contoso/shop/_git/web");
    let said = refused(&sandbox, &[["remote-add", &url, "shop/web"], ["push", &url, "main"]]);
    assert_data_eq!(
        said.replace(sandbox.azure.url(), "https://azure"),
        str![[r#"
$ remote-add https://azure/contoso/shop/_git/web shop/web
error: remote name `https://azure/contoso/shop/_git/web` has `:` in it
$ push https://azure/contoso/shop/_git/web main
error: a remote is named, not given as a URL
hint: `git vsts remote-add NAME https://azure/contoso/shop/_git/web` adds it

"#]]
        .raw()
    );
}

#[test]
fn bad_refspecs_are_refused() {
    let sandbox = here();
    sandbox.contoso().repository("shop", "web");
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    sandbox.secret("s3cr3t-t0ken");
    let mut said = String::new();
    for refspec in [
        "--upload-pack=x",
        "-d",
        "main:a..b",
        "main:refs/heads/a\u{1b}b",
        "a:b:c",
        "ext::x",
        "https://ada:s3cr3t-t0ken@dev.azure.com/x",
    ] {
        let output = sandbox.run(["push", "--", "origin", refspec]);
        assert!(matches!(output.status, 1 | 2), "{refspec}\n{output}");
        assert_eq!(sandbox.requests(), [""; 0], "{refspec}");
        said.push_str(&format!("$ {}\n{output}", refspec.escape_debug()));
    }
    assert_data_eq!(
        said,
        str![[r#"
$ --upload-pack=x
--- stderr
error: --upload-pack=x is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[exit 2]
$ -d
--- stderr
error: -d is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[exit 2]
$ main:a..b
--- stderr
error: main:a..b is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[exit 2]
$ main:refs/heads/a\u{1b}b
--- stderr
error: main:refs/heads/a\x1bb is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[exit 2]
$ a:b:c
--- stderr
error: nothing here is called a:b
hint: `git branch --all` and `git tag` list what there is
[exit 1]
$ ext::x
--- stderr
error: nothing here is called ext:
hint: `git branch --all` and `git tag` list what there is
[exit 1]
$ https://ada:s3cr3t-t0ken@dev.azure.com/x
--- stderr
error: https://dev.azure.com/x is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[exit 2]

"#]]
        .raw()
    );
}

#[test]
fn a_password_in_a_url_is_never_shown_and_never_kept() {
    let sandbox = here();
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    sandbox.secret("s3cr3t-t0ken");
    let url = "https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web";
    let other = "https://ada:s3cr3t-t0ken@github.com/ada/web.git";
    let said = refused(
        &sandbox,
        &[
            ["init", url],
            ["init", other],
            ["remote-add", url],
            ["login", url],
            ["logout", url],
            ["push", url],
            ["push", other],
        ],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ init https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ init https://ada:s3cr3t-t0ken@github.com/ada/web.git
error: the URL for github.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ remote-add https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ login https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ logout https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ push https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ push https://ada:s3cr3t-t0ken@github.com/ada/web.git
error: the URL for github.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL

"#]]
        .raw()
    );
    let branch = format!("--branch={url}");
    let remote = format!("--remote={url}");
    let repository = format!("--repo={url}");
    let said = refused(
        &sandbox,
        &[
            ["remote-add", "azure", url],
            ["remote-add", url, "shop/web"],
            ["init", "shop/web", &branch],
            ["init", "shop/web", &remote],
            ["push", "--org=contoso", &repository],
            ["init", "shop/web", url],
            ["--no-input", "--quiet", url],
        ],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ remote-add azure https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ remote-add https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web shop/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ init shop/web --branch=https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: `https://dev.azure.com/contoso/shop/_git/web` can't be a branch's name
$ init shop/web --remote=https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ push --org=contoso --repo=https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: the URL for dev.azure.com holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ init shop/web https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: this command is not understood, and a URL in it holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
$ --no-input --quiet https://ada:s3cr3t-t0ken@dev.azure.com/contoso/shop/_git/web
error: this command is not understood, and a URL in it holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL

"#]]
        .raw()
    );
}

#[test]
fn a_password_in_the_url_of_a_remote_is_never_shown() {
    let sandbox = here();
    sandbox.secret("s3cr3t-t0ken");
    let url = sandbox.url("contoso/shop/_git/web").replace("://", "://ada:s3cr3t-t0ken@");
    let _ = sandbox.git(["remote", "add", "origin", &url]);
    let said = refused(&sandbox, &[["push"]]);
    assert_data_eq!(
        said,
        str![[r#"
$ push
error: the URL of origin can't be used
  caused by: the URL for 127.0.0.1 holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL

"#]]
        .raw()
    );
    let status = sandbox.run(["status", "--offline"]);
    assert_data_eq!(
        status.to_string(),
        str![[r#"
--- stdout
contoso: signed in as ada@contoso.com by the personal access token in a file
/work, on main
  origin: https://azure/contoso/shop/_git/web (can't be used: the URL for 127.0.0.1 holds a password)
[exit 0]

"#]]
        .raw()
    );
    let json = sandbox.run(["status", "--offline", "--json"]);
    let remote = &json.json()["repository"]["remotes"][0];
    assert_eq!(remote["name"], "origin");
    let added = sandbox.run(["remote-add", "origin", "shop/web"]);
    assert_data_eq!(added.to_string(), str![[r#"
--- stderr
error: the URL of origin can't be used
  caused by: the URL for 127.0.0.1 holds a password
hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL
hint: add another, `git vsts remote-add azure contoso/shop/web`, or point this one there with `--replace`
[exit 2]

"#]].raw());
}

#[test]
fn a_folder_whose_name_the_service_would_not_take_needs_a_name() {
    let sandbox = Sandbox::signed_in();
    sandbox.set("GIT_VSTS_PROJECT", "shop");
    let mut said = String::new();
    for name in ["a:b", "_web", "web.", "we\u{1b}b", &"x".repeat(65), "\u{1f600}"] {
        let folder = sandbox.work().join(name);
        fs::create_dir(&folder).unwrap();
        let output = sandbox.run_in(&folder, ["init"], "");
        said.push_str(&output.to_string());
        assert!(!folder.join(".git").exists());
    }
    assert_data_eq!(
        said,
        str![[r#"
--- stderr
error: not known: a name for the repository (TARGET)
hint: the folder's name can't be one; name it, as in `contoso/shop/a-b`
[exit 2]
--- stderr
error: not known: a name for the repository (TARGET)
hint: the folder's name can't be one; name it, as in `contoso/shop/web`
[exit 2]
--- stderr
error: not known: a name for the repository (TARGET)
hint: the folder's name can't be one; name it, as in `contoso/shop/web`
[exit 2]
--- stderr
error: not known: a name for the repository (TARGET)
hint: the folder's name can't be one; name it, as in `contoso/shop/we-b`
[exit 2]
--- stderr
error: not known: a name for the repository (TARGET)
hint: the folder's name can't be one; name it, as in `contoso/shop/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`
[exit 2]
--- stderr
error: not known: a name for the repository (TARGET)
hint: the folder's name can't be one; name it, as in `contoso/shop/REPO`
[exit 2]

"#]]
        .raw()
    );
    let folder = sandbox.work().join("a:b");
    for command in [&["init", "--quiet"][..], &["commit", "--quiet", "--allow-empty", "-mOne"]] {
        assert!(sandbox.command("git", command, &folder).status().unwrap().success());
    }
    let output = sandbox.run_in(&folder, ["push", "--create"], "");
    assert_data_eq!(
        output.to_string(),
        str![[r#"
--- stderr
error: not known: a name for the repository (--repo)
hint: the folder's name can't be one; name it, as in `--repo a-b`
[exit 2]

"#]]
        .raw()
    );
    assert_eq!(sandbox.requests(), [""; 0]);
}
