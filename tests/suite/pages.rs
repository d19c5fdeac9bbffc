//! The pages of the service that `git vsts push` tells of and opens.

use std::fs;

use snapbox::{IntoData as _, assert_data_eq, str};

use crate::sandbox::{Sandbox, write_program};

/// A browser that writes down where it was sent to.
fn with_browser(sandbox: &Sandbox) {
    let seen = sandbox.home().join("seen");
    let browser = sandbox.home().join("browser");
    write_program(&browser, &format!("#!/bin/sh\necho \"$1\" >>{}\n", seen.display()));
    sandbox.set("BROWSER", &browser.display().to_string());
}

/// Where it was sent to. It runs beside whoever has opened it.
fn seen(sandbox: &Sandbox, count: usize) -> String {
    let file = sandbox.home().join("seen");
    loop {
        let seen = fs::read_to_string(&file).unwrap_or_default();
        if seen.lines().count() >= count {
            return seen.replace(sandbox.azure.url(), "https://azure");
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_new_branch_has_a_page_that_makes_a_pull_request() {
    let sandbox = Sandbox::connected();
    let mut shown = String::new();
    let mut push = |arguments: &[&str]| {
        let output = sandbox.run([&["push"], arguments].concat());
        let lines = output.stderr.lines().filter(|line| !line.starts_with("remote: "));
        let lines: Vec<_> = lines.map(|line| format!("{line}\n")).collect();
        shown.push_str(&format!("$ git vsts push {}\n{}", arguments.join(" "), lines.concat()));
    };
    // The first branches have none to go into.
    push(&[]);
    let _ = sandbox.git(["switch", "--quiet", "--create", "ada/new+#1"]);
    push(&["--dry-run"]);
    push(&[]);
    push(&[]);
    let _ = sandbox.git(["tag", "v1"]);
    push(&["origin", "v1", "HEAD:refs/heads/other"]);
    // As a clone has it.
    let _ = sandbox.git(["remote", "set-head", "origin", "main"]);
    push(&["origin", "HEAD:third"]);
    for name in ["1", "2", "3", "4", "5", "6"] {
        let _ = sandbox.git(["branch", "--force", name]);
    }
    push(&["origin", "1", "2", "3", "4", "5", "6"]);
    assert_data_eq!(shown, str![[r#"
$ git vsts push 
main → origin/main (new)
$ git vsts push --dry-run
ada/new+#1 → origin/ada/new+#1 (new, dry run)
$ git vsts push 
ada/new+#1 → origin/ada/new+#1 (new)
Make a pull request for ada/new+#1: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=ada%2Fnew%2B%231
$ git vsts push 
ada/new+#1 → origin/ada/new+#1 (up to date)
$ git vsts push origin v1 HEAD:refs/heads/other
v1 → origin/v1 (new)
ada/new+#1 → origin/other (new)
Make a pull request for other: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=other
$ git vsts push origin HEAD:third
ada/new+#1 → origin/third (new)
Make a pull request for third: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=third&targetRef=main
$ git vsts push origin 1 2 3 4 5 6
1 → origin/1 (new)
2 → origin/2 (new)
3 → origin/3 (new)
4 → origin/4 (new)
5 → origin/5 (new)
6 → origin/6 (new)

"#]].raw());
}

#[test]
fn the_default_branch_that_was_asked_about_on_the_way_is_the_one_to_go_into() {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["push"]).status, 0);
    let _ = sandbox.git(["remote", "remove", "origin"]);
    let _ = sandbox.git(["switch", "--quiet", "--create", "topic"]);
    let output =
        sandbox.run(["push", "-q", "--org=contoso", "--project=shop", "--repo=web", "--json"]);
    assert_eq!(
        output.json()["references"][0]["pullRequestUrl"],
        "https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic&targetRef=main"
    );
}

#[test]
fn the_page_is_opened_where_that_is_wanted() {
    let sandbox = Sandbox::connected();
    with_browser(&sandbox);
    assert_eq!(sandbox.run(["push", "--dry-run", "--open"]).status, 0);
    assert_eq!(sandbox.run(["push", "--open", "origin", "nothing"]).status, 1);
    assert_eq!(seen(&sandbox, 0), "");
    let output = sandbox.run(["push", "--open"]);
    assert!(
        output.stderr.ends_with("Opened https://azure/contoso/shop/_git/web?version=GBmain\n"),
        "{output}"
    );
    let _ = seen(&sandbox, 1);
    assert_eq!(sandbox.run(["push", "--open", "origin", "HEAD:topic"]).status, 0);
    assert_data_eq!(
        seen(&sandbox, 2),
        str![[r#"
https://azure/contoso/shop/_git/web?version=GBmain
https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=topic

"#]]
        .raw()
    );
    sandbox.set("BROWSER", "");
    let output = sandbox.run(["push", "--open", "origin", "HEAD:topic"]);
    assert_data_eq!(output.to_string(), str![[r#"
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
main → origin/topic (up to date)
warning: no browser could be started (there is none here): visit https://azure/contoso/shop/_git/web?version=GBtopic
[exit 0]

"#]].raw());
}
