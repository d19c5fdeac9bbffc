//! README.md is true: what it shows is what is shown, and each of its commands works.

use std::fs;

use crate::sandbox::Sandbox;

const README: &str = include_str!("../../README.md");

/// The fenced blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```") == Some(language) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The block that begins so; each may be asked for once.
fn block(language: &str, start: &str) -> String {
    let mut found = blocks(language).into_iter().filter(|block| block.starts_with(start));
    let block = found.next().unwrap_or_else(|| panic!("no block begins with {start}"));
    assert_eq!(found.next(), None, "two blocks begin with {start}");
    block
}

#[test]
fn every_block_is_looked_at_here() {
    assert_eq!(blocks("console").len() + blocks("sh").len(), 7);
    assert_eq!(README.matches("\n```").count(), 14, "a block of another language is not run");
}

#[test]
fn the_dialogue_is_the_one_that_is_shown() {
    let sandbox = Sandbox::new();
    let _browser = sandbox.browser("ada@contoso.com");
    let web = sandbox.work().join("web");
    fs::create_dir(&web).unwrap();
    fs::write(web.join("index.html"), "<h1>Hello</h1>\n").unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "One"]]
    {
        assert!(sandbox.command("git", arguments, &web).status().unwrap().success());
    }
    let (shown, status) = sandbox
        .dialogue(sandbox.command("git", ["vsts", "push"], &web))
        .expect("Organization:")
        .answer("contoso")
        .expect("Project:")
        .answer("")
        .expect("Make the repository shop/web")
        .press("y")
        .end();
    // The sandbox keeps in a file, and its service has another address.
    let shown = shown
        .replace("https://azure/", "https://dev.azure.com/")
        .replace("a file that only you can read", "this computer's keychain")
        .replace("/home/.gitconfig", "/home/ada/.gitconfig")
        .replace("until DATE", "until 25 Dec 2026");
    let opening = |line: &str| match line.starts_with("Opening ") {
        true => "Opening https://login.microsoftonline.com/… (or visit it yourself)".to_owned(),
        false => line.to_owned(),
    };
    let shown = shown.lines().map(opening).collect::<Vec<_>>().join("\n");
    assert_eq!(
        format!("$ git vsts push\n{}", shown.trim_end()),
        block("console", "$ git vsts push")
    );
    assert_eq!(status, 0);
}

#[test]
fn the_code_for_another_device_is_shown_like_that() {
    let sandbox = Sandbox::new();
    let microsoft = sandbox.azure.microsoft();
    microsoft.next_user_code("ABCD-EFGH").approves_after(0, "ada@contoso.com");
    let output = sandbox.run(["login", "contoso", "--device"]);
    let shown = output
        .stderr
        .replace("https://azure/common/oauth2/deviceauth", "https://microsoft.com/devicelogin")
        .replace("a file that only you can read", "this computer's keychain")
        .replace("/home/.gitconfig", "/home/ada/.gitconfig")
        .replace("until DATE", "until 25 Dec 2026");
    assert_eq!(
        format!("$ git vsts login contoso --device\n{}", shown.trim_end()),
        block("console", "$ git vsts login contoso --device")
    );
}

#[test]
fn the_first_push_works_as_it_stands() {
    let sandbox = Sandbox::new();
    let _browser = sandbox.browser("ada@contoso.com");
    sandbox.write("index.html", "<h1>Hello</h1>\n");
    let commands = block("sh", "git vsts login contoso");
    let (shown, status) = sandbox
        .dialogue(sandbox.command("sh", ["-e", "-c", &commands], &sandbox.work()))
        .expect("Sign in")
        .press("\r")
        .end();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "First commit");
}

#[test]
fn the_script_works_as_it_stands() {
    let sandbox = Sandbox::new();
    sandbox.set("TOKEN", &sandbox.token("contoso"));
    sandbox.write("index.html", "<h1>Hello</h1>\n");
    let commands = block("sh", "export GIT_VSTS_PAT");
    let output =
        sandbox.finish(&mut sandbox.command("sh", ["-e", "-c", &commands], &sandbox.work()), "");
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(sandbox.server("shop", "web", &["log", "--format=%s", "main"]), "Bootstrap");
    assert!(!sandbox.credentials().exists(), "a token of the environment was kept");
}

#[test]
fn plain_git_works_as_it_stands() {
    let sandbox = Sandbox::connected();
    assert_eq!(sandbox.run(["push", "--quiet"]).status, 0);
    let commands = block("sh", "git vsts clone");
    sandbox.set("GIT_TERMINAL_PROMPT", "0");
    let output =
        sandbox.finish(&mut sandbox.command("sh", ["-e", "-c", &commands], &sandbox.work()), "");
    assert_eq!(output.status, 0, "{output}");
    assert!(sandbox.work().join("copy/file").exists());
}

/// The three commands that can't be run within a test are those that run it: `.ci/run` does.
#[test]
fn the_set_up_commands_are_the_ones_that_ci_runs() {
    assert_eq!(block("sh", "cargo install"), "cargo install --path .");
    let commands = block("sh", "cargo run");
    let commands: Vec<&str> =
        commands.lines().map(|line| line.split('#').next().unwrap().trim_end()).collect();
    assert_eq!(commands, ["cargo run --example playground", "tests/run"]);
    let ci = include_str!("../../.ci/run");
    for command in commands {
        assert!(ci.contains(command), "{command}");
    }
}
