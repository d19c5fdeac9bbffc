//! Who may be believed: a repository's own configuration is another person's words

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use snapbox::prelude::*;
use snapbox::{assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

/// A server that answers nobody, and counts who came.
fn listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    std::thread::spawn(move || {
        while listener.accept().is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, came)
}

/// What a run said, without what the server says of each push.
fn said(output: &Output) -> String {
    let lines = output.stderr.lines();
    let own = lines.filter(|line| {
        !["remote: Analyzing objects", "remote: Storing "].iter().any(|it| line.starts_with(it))
    });
    format!("{}\n[{}]\n", own.collect::<Vec<_>>().join("\n"), output.status)
}

fn basic(token: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!(":{token}")))
}

#[test]
fn nothing_that_a_repository_brings_is_run() {
    let sandbox = Sandbox::connected();
    let pwned = sandbox.home().join("pwned");
    let run = format!("touch '{}'; false", pwned.display());
    for key in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.external",
        "credential.helper",
        "gpg.program",
        "alias.config",
        "alias.hook",
        "alias.version",
        "alias.status",
        "remote.origin.receivepack",
        "remote.origin.vcs",
        "uploadpack.packObjectsHook",
    ] {
        let value = match key {
            "credential.helper" | "alias.config" | "alias.hook" | "alias.version"
            | "alias.status" => format!("!{run}"),
            _ => run.clone(),
        };
        let _ = sandbox.git(["config", key, &value]);
    }
    sandbox.write(".git/info/attributes", "* filter=evil diff=evil\n");
    sandbox.write("file", "changed\n");
    sandbox.write("new", "new\n");
    for (hook, mode) in [
        ("post-index-change", 0o755),
        ("reference-transaction", 0o755),
        ("pre-commit", 0o755),
        ("pre-push", 0o644),
    ] {
        let script = format!("#!/bin/sh\ntouch '{}'\n", pwned.display());
        let file = format!(".git/hooks/{hook}");
        sandbox.write(&file, &script);
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(sandbox.work().join(file), permissions).unwrap();
    }
    for arguments in [
        &["status"][..],
        &["status", "--json", "--offline"],
        &["remote-add", "again", "contoso/shop/web"],
        &["init", "contoso/shop/web"],
        &["push", "origin"],
        &["push", "origin", "--dry-run"],
    ] {
        let output = sandbox.run(arguments);
        assert_eq!(output.status, 0, "{arguments:?}\n{output}");
        assert!(!pwned.exists(), "{arguments:?}\n{output}");
    }
}

#[test]
fn settings_of_the_repository_s_own_are_left_out_with_a_warning_each() {
    let (evil, came) = listener();
    let settings = format!(
        "[vsts]\n\tstore = none\n\tcredential = pat\n\ttenant = evil\n\tclientId = evil\n\tengine = git\n\
         \tidentity = evil\n\tazureUrl = {evil}\n\torganization = {evil}/contoso\n\tproject = shop\n\
         [http]\n\tsslVerify = false\n\tsslCAInfo = /nowhere\n\tsslCAPath = /nowhere\n\tsslCert = /nowhere\n\
         [http \"{evil}\"]\n\tsslVerify = false\n"
    );
    let mut shown = String::new();
    for is_included in [false, true] {
        let sandbox = Sandbox::connected();
        match is_included {
            true => {
                sandbox.write(".git/more", &settings);
                let _ = sandbox.git(["config", "include.path", "more"]);
            }
            false => {
                let file = sandbox.work().join(".git/config");
                let own = std::fs::read_to_string(&file).unwrap();
                std::fs::write(file, own + &settings).unwrap();
            }
        }
        for arguments in [&["push"][..], &["status"], &["remote-add", "again", "contoso/shop/web"]]
        {
            let output = sandbox.run(arguments);
            let text = said(&output).replace(&evil, "http://evil");
            let text = format!("$ git vsts {}\n{text}", arguments.join(" "));
            if is_included {
                assert!(shown.contains(&text), "{text}");
            } else {
                shown.push_str(&text);
            }
        }
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
    assert_data_eq!(
        shown,
        str![[r#"
$ git vsts push
warning: vsts.store in the repository's own configuration (local) is ignored
warning: vsts.credential in the repository's own configuration (local) is ignored
warning: vsts.tenant in the repository's own configuration (local) is ignored
warning: vsts.clientid in the repository's own configuration (local) is ignored
warning: vsts.engine in the repository's own configuration (local) is ignored
warning: vsts.identity in the repository's own configuration (local) is ignored
warning: vsts.azureurl in the repository's own configuration (local) is ignored
warning: vsts.organization in the repository's own configuration (local) is ignored
warning: http.sslverify in the repository's own configuration (local) is ignored
warning: http.sslcainfo in the repository's own configuration (local) is ignored
warning: http.sslcapath in the repository's own configuration (local) is ignored
warning: http.sslcert in the repository's own configuration (local) is ignored
warning: http.http://evil.sslverify in the repository's own configuration (local) is ignored
main → origin/main (new)
[0]
$ git vsts status
warning: vsts.store in the repository's own configuration (local) is ignored
warning: vsts.credential in the repository's own configuration (local) is ignored
warning: vsts.tenant in the repository's own configuration (local) is ignored
warning: vsts.clientid in the repository's own configuration (local) is ignored
warning: vsts.engine in the repository's own configuration (local) is ignored
warning: vsts.identity in the repository's own configuration (local) is ignored
warning: vsts.azureurl in the repository's own configuration (local) is ignored
warning: vsts.organization in the repository's own configuration (local) is ignored
warning: http.sslverify in the repository's own configuration (local) is ignored
warning: http.sslcainfo in the repository's own configuration (local) is ignored
warning: http.sslcapath in the repository's own configuration (local) is ignored
warning: http.sslcert in the repository's own configuration (local) is ignored
warning: http.http://evil.sslverify in the repository's own configuration (local) is ignored
[0]
$ git vsts remote-add again contoso/shop/web
warning: vsts.store in the repository's own configuration (local) is ignored
warning: vsts.credential in the repository's own configuration (local) is ignored
warning: vsts.tenant in the repository's own configuration (local) is ignored
warning: vsts.clientid in the repository's own configuration (local) is ignored
warning: vsts.engine in the repository's own configuration (local) is ignored
warning: vsts.identity in the repository's own configuration (local) is ignored
warning: vsts.azureurl in the repository's own configuration (local) is ignored
warning: vsts.organization in the repository's own configuration (local) is ignored
warning: http.sslverify in the repository's own configuration (local) is ignored
warning: http.sslcainfo in the repository's own configuration (local) is ignored
warning: http.sslcapath in the repository's own configuration (local) is ignored
warning: http.sslcert in the repository's own configuration (local) is ignored
warning: http.http://evil.sslverify in the repository's own configuration (local) is ignored
Added remote again: https://azure/contoso/shop/_git/web
[0]

"#]]
        .raw()
    );
}

#[test]
fn the_bare_names_of_an_organization_and_a_project_are_believed() {
    let sandbox = Sandbox::signed_in();
    sandbox.contoso().repository("shop", "work");
    sandbox.repository();
    let _ = sandbox.git(["config", "vsts.organization", "contoso"]);
    let _ = sandbox.git(["config", "vsts.project", "shop"]);
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        said(&output),
        str![[r#"
Added remote origin: https://azure/contoso/shop/_git/work
main → origin/main (new)
[0]

"#]]
        .raw()
    );
}

#[test]
fn the_user_s_own_word_is_obeyed_wherever_it_stands() {
    let counted = |sandbox: &Sandbox| {
        sandbox.set("GIT_CONFIG_COUNT", "1");
        sandbox.set("GIT_CONFIG_KEY_0", "vsts.store");
        sandbox.set("GIT_CONFIG_VALUE_0", "none");
    };
    let given = |sandbox: &Sandbox| sandbox.set("GIT_CONFIG_PARAMETERS", "'vsts.store=none'");
    let global = |sandbox: &Sandbox| {
        let _ = sandbox.git(["config", "--global", "vsts.store", "none"]);
    };
    let ways: [&dyn Fn(&Sandbox); 3] = [&counted, &given, &global];
    for way in ways {
        let sandbox = Sandbox::connected();
        sandbox.set("GIT_VSTS_STORE", "");
        // The repository says otherwise, and last.
        let _ = sandbox.git(["config", "vsts.store", "file"]);
        way(&sandbox);
        let output = sandbox.run(["push"]);
        assert_eq!(output.status, 4, "{output}");
        assert!(output.stderr.contains("warning: vsts.store in the repository"), "{output}");
        assert!(sandbox.requests().is_empty());
    }
}

#[test]
fn certificates_are_not_left_unchecked_on_anybody_s_word() {
    let sandbox = Sandbox::connected();
    sandbox.set("GIT_CONFIG_PARAMETERS", "'http.sslVerify=false'");
    let mut shown = said(&sandbox.run(["push"]));
    sandbox.set("GIT_CONFIG_PARAMETERS", "");
    sandbox.set("GIT_SSL_NO_VERIFY", "1");
    shown.push_str(&said(&sandbox.run(["push"])));
    sandbox.set("GIT_SSL_NO_VERIFY", "");
    sandbox.write_home("junk.pem", "junk\n");
    let _ = sandbox.git(["config", "--global", "http.sslCAInfo", "~/junk.pem"]);
    shown.push_str(&said(&sandbox.run(["push"])));
    assert!(sandbox.requests().is_empty());
    assert_data_eq!(shown, str![[r#"
error: http.sslVerify=false would send a credential to whoever answers
hint: name the certificate authority instead: `git config --global http.sslCAInfo FILE`
[2]
error: GIT_SSL_NO_VERIFY would send a credential to whoever answers
hint: name the certificate authority instead: `git config --global http.sslCAInfo FILE`
[2]
error: no certificate could be read from /home/junk.pem
hint: it must hold certificates in PEM form: see `GIT_SSL_CAINFO` and `git config --show-origin http.sslCAInfo`
[2]

"#]].raw());
}

#[test]
fn a_destination_that_is_rewritten_is_judged_where_it_arrives() {
    let (evil, came) = listener();
    let mut shown = String::new();
    for (key, value) in [
        ("url.EVIL/.insteadOf", "AZURE/"),
        ("url.EVIL/.pushInsteadOf", "AZURE/"),
        ("url.EVIL/.insteadOf", "AZURE/contoso/shop/_git/web"),
        ("url.https://evil.example/.insteadOf", "AZURE/"),
        ("url.ext::sh -c evil% .insteadOf", "AZURE/"),
        ("url./srv/.insteadOf", "AZURE/"),
        ("remote.origin.pushurl", "EVIL/contoso/shop/_git/web"),
        ("remote.origin.pushurl", "ext::sh -c evil"),
    ] {
        let sandbox = Sandbox::connected();
        let fill = |text: &str| text.replace("EVIL", &evil).replace("AZURE", sandbox.azure.url());
        let _ = sandbox.git(["config", &fill(key), &fill(value)]);
        for arguments in [&["push", "origin"][..], &["push"]] {
            let output = sandbox.run(arguments);
            let text = said(&output).replace(&evil, "http://evil");
            shown.push_str(&format!("# {key}={value}: {}\n{text}", arguments.join(" ")));
            assert!(sandbox.requests().is_empty(), "{shown}");
        }
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
    assert_data_eq!(
        shown,
        str![[r#"
# url.EVIL/.insteadOf=AZURE/: push origin
error: origin is not at Azure DevOps: http://evil/contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# url.EVIL/.insteadOf=AZURE/: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]
# url.EVIL/.pushInsteadOf=AZURE/: push origin
error: origin is not at Azure DevOps: http://evil/contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# url.EVIL/.pushInsteadOf=AZURE/: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]
# url.EVIL/.insteadOf=AZURE/contoso/shop/_git/web: push origin
error: origin is not at Azure DevOps: http://evil/
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# url.EVIL/.insteadOf=AZURE/contoso/shop/_git/web: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]
# url.https://evil.example/.insteadOf=AZURE/: push origin
error: origin is not at Azure DevOps: https://evil.example/contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# url.https://evil.example/.insteadOf=AZURE/: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]
# url.ext::sh -c evil% .insteadOf=AZURE/: push origin
error: origin is not at Azure DevOps: ext::sh -c evil% contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# url.ext::sh -c evil% .insteadOf=AZURE/: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]
# url./srv/.insteadOf=AZURE/: push origin
error: origin is not at Azure DevOps: /srv/contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# url./srv/.insteadOf=AZURE/: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]
# remote.origin.pushurl=EVIL/contoso/shop/_git/web: push origin
error: origin is not at Azure DevOps: http://evil/contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# remote.origin.pushurl=EVIL/contoso/shop/_git/web: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]
# remote.origin.pushurl=ext::sh -c evil: push origin
error: origin is not at Azure DevOps: ext::sh -c evil
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
[2]
# remote.origin.pushurl=ext::sh -c evil: push
error: not known: the project (--project)
hint: name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`
[2]

"#]]
        .raw()
    );
}

#[test]
fn a_destination_in_another_organization_gets_only_what_was_kept_for_that() {
    for (key, value) in [
        ("remote.origin.pushurl", "AZURE/fabrikam/shop/_git/web"),
        ("url.AZURE/fabrikam/.insteadOf", "AZURE/contoso/"),
        ("url.AZURE/fabrikam/.pushInsteadOf", "AZURE/contoso/"),
    ] {
        let sandbox = Sandbox::connected();
        let fabrikam = sandbox.azure.organization("fabrikam").person("ada@contoso.com", "Ada");
        fabrikam.repository("shop", "web");
        let fill = |text: &str| text.replace("AZURE", sandbox.azure.url());
        let _ = sandbox.git(["config", &fill(key), &fill(value)]);
        let output = sandbox.run(["push"]);
        assert_eq!(output.status, 4, "{output}");
        assert!(output.stderr.starts_with("error: not signed in to fabrikam\n"), "{output}");
        assert!(sandbox.requests().is_empty());

        let token = sandbox.sign_in("fabrikam");
        let output = sandbox.run(["push"]);
        assert_eq!(output.status, 0, "{output}");
        for request in sandbox.azure.requests() {
            assert_eq!(request.authorization, Some(basic(&token)));
            assert!(request.path.starts_with("/fabrikam/"), "{request}");
        }
    }
}

#[test]
fn what_is_kept_for_one_organization_serves_no_other() {
    let sandbox = Sandbox::signed_in();
    sandbox
        .azure
        .organization("fabrikam")
        .person("eve@evil.example", "Eve")
        .repository("shop", "web");
    sandbox.repository();
    for (name, path) in [("a", "fabrikam/shop/_git/web"), ("b", "contosox/shop/_git/web")] {
        let _ = sandbox.git(["remote", "add", name, &sandbox.url(path)]);
        let output = sandbox.run(["push", name]);
        assert_eq!(output.status, 4, "{output}");
    }
    assert!(sandbox.requests().is_empty());
}

#[test]
fn an_authorization_of_the_configuration_signs_git_s_requests_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.contoso().repository("shop", "web");
    sandbox.repository();
    let _ = sandbox.git(["remote", "add", "origin", &sandbox.url("contoso/shop/_git/web")]);
    let token = sandbox.token("contoso");
    let header = format!("Authorization: {}", basic(&token));
    let key = format!("http.{}.extraHeader", sandbox.url("contoso"));
    let _ = sandbox.git(["config", &key, &header]);
    let _ = sandbox.git(["config", "--add", &key, "X-More: yes"]);
    let output = sandbox.run(["push"]);
    assert_data_eq!(
        said(&output),
        str![[r#"
main → origin/main (new)
[0]

"#]]
        .raw()
    );
    let requests = sandbox.azure.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.authorization, Some(basic(&token)));
        let all = request.headers.iter().filter(|(name, _)| name == "authorization");
        assert_eq!(all.count(), 1);
        assert_eq!(request.header("x-more"), Some("yes"));
    }

    // It wins over what is kept, and REST knows nothing of it.
    let kept = sandbox.sign_in("contoso");
    assert_eq!(sandbox.run(["push"]).status, 0);
    assert_eq!(sandbox.run(["remote-add", "again", "contoso/shop/web"]).status, 0);
    for request in sandbox.azure.requests() {
        let is_git = request.path.contains("/_git/");
        let expected = if is_git { basic(&token) } else { basic(&kept) };
        assert_eq!(request.authorization, Some(expected), "{request}");
        assert_eq!(request.header("x-more").is_some(), is_git, "{request}");
    }

    sandbox.contoso().revoke(&token);
    let output = sandbox.run(["push"]);
    assert_data_eq!(said(&output), str![[r#"
error: azure did not accept the sign-in
hint: the sign-in is that of `http.extraHeader`: see `git config --show-origin --name-only --get-regexp extraheader`
[4]

"#]].raw());
    assert!(std::fs::read_to_string(sandbox.credentials()).unwrap().contains("contoso"));
}

#[test]
fn a_proxy_of_the_repository_s_own_gets_no_request_of_rest() {
    let (evil, evil_came) = listener();
    let (good, good_came) = listener();
    let sandbox = Sandbox::new();
    sandbox.repository();
    let _ = sandbox.git(["config", "http.proxy", &evil]);
    // Plain http goes through no proxy, so it is the hosted service that is asked for. Neither
    // proxy lets it be reached.
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    sandbox.set("GIT_VSTS_PAT", "not-a-token-of-the-double");
    sandbox.set("HTTPS_PROXY", &good);
    let output = sandbox.run(["remote-add", "origin", "contoso/shop/web"]);
    assert_eq!(output.status, 5, "{output}");
    assert_eq!(evil_came.load(Ordering::SeqCst), 0);
    assert_ne!(good_came.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_to_be_committed_is_listed_without_running_anything() {
    let sandbox = Sandbox::signed_in();
    let _ = sandbox.git(["init", "--quiet"]);
    sandbox.write("file", "x\n");
    let _ = sandbox.git(["add", "file"]);
    let pwned = sandbox.home().join("pwned");
    let run = format!("touch '{}'; false", pwned.display());
    let _ = sandbox.git(["config", "core.fsmonitor", &run]);
    let (shown, status) = sandbox.on_terminal(["push"]).expect("Commit them?").press("n").end();
    assert_data_eq!(
        shown,
        str![[r#"
There is no commit yet.
To be committed, 1 file:
  file
? Commit them? no
error: there is no commit to push
hint: `git add` what belongs in it, `git commit`, then `git vsts push`
"#]]
        .raw()
    );
    assert_eq!(status, 1);
    assert!(!pwned.exists());
    // git itself does run it.
    let _ = sandbox.git(["status"]);
    assert!(pwned.exists());
}
