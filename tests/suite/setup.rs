//! `git vsts setup`: git's global configuration, and what `login` and `logout` do to it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Child, Command, Stdio};
use std::thread;

use snapbox::{IntoData as _, assert_data_eq, str};

use crate::sandbox::{Output, Sandbox};

/// The sandbox's file as it is, with what differs between runs named.
fn global(sandbox: &Sandbox) -> String {
    named(sandbox, &fs::read_to_string(sandbox.home().join(".gitconfig")).unwrap())
}

fn named(sandbox: &Sandbox, text: &str) -> String {
    text.replace(sandbox.azure.url(), "https://azure").replace(&sandbox.program(), "/bin/git-vsts")
}

/// What git fetches with, where nobody can be asked.
fn fetch(sandbox: &Sandbox, url: &str) -> Output {
    sandbox.set("GIT_TERMINAL_PROMPT", "0");
    let mut command = sandbox.command("git", ["ls-remote", "--heads", url], &sandbox.work());
    let output = sandbox.finish(&mut command, "");
    sandbox.set("GIT_TERMINAL_PROMPT", "");
    output
}

#[test]
fn login_makes_git_ask_for_that_organization_and_no_other() {
    let sandbox = Sandbox::new();
    let before = global(&sandbox);
    let token = sandbox.token("contoso");
    let login = || sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    assert_data_eq!(
        login().to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
git uses it too: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    let after = global(&sandbox);
    assert_data_eq!(
        after.strip_prefix(&before).unwrap(),
        str![[r#"
[credential "https://azure/contoso"]
	# Written by `git vsts setup`; `git vsts setup --undo` takes it back
	helper =
	helper = "!'/bin/git-vsts' credential"
	useHttpPath = true

"#]]
        .raw()
    );
    assert_eq!(fetch(&sandbox, &sandbox.url("contoso/shop/_git/shop")).to_string(), "[exit 0]\n");
    // The second time there is nothing to say of it.
    assert_data_eq!(
        login().to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), after);
}

#[test]
fn login_leaves_git_as_it_is_where_that_is_wanted() {
    let sandbox = Sandbox::new();
    let before = global(&sandbox);
    let token = sandbox.token("contoso");
    let login = ["login", "contoso", "--pat-stdin", "--no-setup"];
    assert_data_eq!(
        sandbox.run_with_stdin(login, &token).to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
[exit 0]

"#]]
        .raw()
    );
    sandbox.set("GIT_VSTS_STORE", "none");
    let login = ["login", "contoso", "--pat-stdin"];
    assert_data_eq!(
        sandbox.run_with_stdin(login, &token).to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept nothing, since the store is `none`
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), before);
}

#[test]
fn logout_takes_back_what_login_wrote_and_nothing_else() {
    let sandbox = Sandbox::new();
    // No line end: what is added has to be told from it all the same.
    sandbox.write_home(".gitconfig", "[user]\n\tname = Ada");
    let before = global(&sandbox);
    sandbox.azure.organization("fabrikam").project("shop");
    sandbox.sign_in("contoso");
    let contoso = global(&sandbox);
    sandbox.sign_in("fabrikam");
    let fabrikam = sandbox.run(["logout", "fabrikam"]);
    assert_data_eq!(
        fabrikam.to_string(),
        str![[r#"
--- stderr
Forgot the sign-in to fabrikam as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/fabrikam/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), contoso);
    sandbox.sign_in("fabrikam");
    assert_eq!(sandbox.run(["logout", "contoso"]).status, 0);
    assert!(!global(&sandbox).contains("contoso"));
    assert_eq!(sandbox.run(["logout", "--all"]).status, 0);
    assert_eq!(global(&sandbox), before);
}

#[test]
fn setup_serves_every_sign_in_and_says_what_it_does() {
    let sandbox = Sandbox::new();
    let before = global(&sandbox);
    let run = |arguments: &[&str]| named(&sandbox, &sandbox.run(arguments).to_string());
    assert_data_eq!(
        run(&["setup"]),
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
Nobody is signed in: `git vsts login ORG` sets git up
[exit 0]

"#]]
        .raw()
    );
    sandbox.azure.organization("fabrikam").project("shop");
    sandbox.sign_in("contoso");
    sandbox.sign_in("fabrikam");
    let wired = global(&sandbox);
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    assert_eq!(global(&sandbox), before);
    assert_data_eq!(
        run(&["setup", "--dry-run"]),
        str![[r#"
--- stdout
[credential "https://azure/contoso"]
	# Written by `git vsts setup`; `git vsts setup --undo` takes it back
	helper =
	helper = "!'/bin/git-vsts' credential"
	useHttpPath = true
[credential "https://azure/fabrikam"]
	# Written by `git vsts setup`; `git vsts setup --undo` takes it back
	helper =
	helper = "!'/bin/git-vsts' credential"
	useHttpPath = true
--- stderr
Would put 11 pages for `man` into /share/man/man1
Would put the completion for bash into /home/.local/share/bash-completion/completions
Would put the completion for fish into /home/.local/share/fish/vendor_completions.d
Would put the completion for zsh into /home/.local/share/git-vsts/completions
Would be put at the end of /home/.gitconfig:
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), before);
    assert_data_eq!(
        run(&["setup"]),
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
git asks `git vsts` for contoso, fabrikam: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), wired);
    assert_data_eq!(
        run(&["setup"]),
        str![[r#"
--- stderr
git asks `git vsts` for contoso, fabrikam already
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        run(&["setup", "--dry-run"]),
        str![[r#"
--- stderr
Nothing would be changed in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        run(&["setup", "--undo", "--dry-run"]),
        str![[r#"
--- stdout
[credential "https://azure/contoso"]
[credential "https://azure/fabrikam"]
--- stderr
Would remove the completion for bash from /home/.local/share/bash-completion/completions
Would remove the completion for fish from /home/.local/share/fish/vendor_completions.d
Would remove the completion for zsh from /home/.local/share/git-vsts/completions
Would remove 11 pages for `man` from /share/man/man1
Would be taken out of /home/.gitconfig:
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), wired);
    assert_data_eq!(
        run(&["setup", "--undo"]),
        str![[r#"
--- stderr
Removed the completion for bash from /home/.local/share/bash-completion/completions
Removed the completion for fish from /home/.local/share/fish/vendor_completions.d
Removed the completion for zsh from /home/.local/share/git-vsts/completions
Removed 11 pages for `man` from /share/man/man1
git no longer asks `git vsts`: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        run(&["setup", "--undo"]),
        str![[r#"
--- stderr
git's configuration has nothing of ours
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), before);
}

#[test]
fn pages_and_completions_are_put_where_they_are_looked_for_and_taken_back() {
    let sandbox = Sandbox::signed_in();
    sandbox.set("SHELL", "/usr/bin/zsh");
    let share = sandbox.home().join(".local/share");
    let page = sandbox.share().join("man/man1/git-vsts.1");
    let files = [
        page.clone(),
        share.join("bash-completion/completions/git-vsts"),
        share.join("fish/vendor_completions.d/git-vsts.fish"),
        share.join("git-vsts/completions/_git-vsts"),
    ];
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
For zsh, put these lines into ~/.zshrc, before any that call compinit:
fpath=('/home/.local/share/git-vsts/completions' $fpath)
autoload -Uz compinit && compinit
git asks `git vsts` for contoso already
[exit 0]

"#]]
        .raw()
    );
    for file in &files {
        assert!(file.is_file(), "{}", file.display());
    }
    fs::write(&page, "mine").unwrap();
    assert_data_eq!(
        sandbox.run(["setup", "--undo"]).to_string(),
        str![[r#"
--- stderr
warning: /share/man/man1/git-vsts.1 was changed since: left as it is
Removed the completion for bash from /home/.local/share/bash-completion/completions
Removed the completion for fish from /home/.local/share/fish/vendor_completions.d
Removed the completion for zsh from /home/.local/share/git-vsts/completions
Removed 10 pages for `man` from /share/man/man1
These lines of ~/.zshrc were for it; the second may serve other completions:
fpath=('/home/.local/share/git-vsts/completions' $fpath)
autoload -Uz compinit && compinit
git no longer asks `git vsts`: taken out of /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(fs::read_to_string(&page).unwrap(), "mine");
    fs::remove_dir_all(sandbox.share()).unwrap();
    // A prefix that is not this user's to change.
    fs::write(sandbox.share(), "no folder").unwrap();
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
warning: can't change 11 pages for `man` in /share/man/man1: Not a directory (os error 20)
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
For zsh, put these lines into ~/.zshrc, before any that call compinit:
fpath=('/home/.local/share/git-vsts/completions' $fpath)
autoload -Uz compinit && compinit
git asks `git vsts` for contoso: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    let left: Vec<_> = fs::read_dir(&share).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["git-vsts"]);
    assert!(!share.join("git-vsts/completions").exists());
}

#[test]
fn a_whole_host_is_served_only_where_that_is_wanted() {
    let sandbox = Sandbox::signed_in();
    let run = |arguments: &[&str]| named(&sandbox, &sandbox.run(arguments).to_string());
    let asked = format!("{}/\n", sandbox.azure.url());
    let fill = || {
        let mut command = sandbox.command("git", ["credential", "fill"], &sandbox.work());
        command.env("GIT_TERMINAL_PROMPT", "0");
        // What it prints is the secret.
        let mut child = command_with_input(&mut command);
        child.stdin.take().unwrap().write_all(format!("url={asked}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap().status.code()
    };
    assert_eq!(fill(), Some(128));
    assert_data_eq!(
        run(&["setup", "--all-organizations"]),
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
git asks `git vsts` for every organization: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(global(&sandbox).contains("[credential \"https://azure\"]"));
    assert_eq!(fill(), Some(0));
    // Nobody has said that this should end when a person signs out.
    assert_data_eq!(
        run(&["logout", "--all"]),
        str![[r#"
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
git no longer uses it: taken out of /home/.gitconfig
git goes on asking `git vsts` for every organization; `git vsts setup --undo` ends that
[exit 0]

"#]]
        .raw()
    );
    assert!(global(&sandbox).contains("[credential \"https://azure\"]"));
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    assert!(!global(&sandbox).contains("credential"));
}

#[test]
fn both_hosts_and_every_spelling_lead_to_the_one_item() {
    let sandbox = Sandbox::new();
    sandbox.set("GIT_VSTS_AZURE_URL", "");
    let token = "A".repeat(52).to_ascii_lowercase();
    // What git approves is kept without asking the service, which is not here.
    sandbox.repository();
    let remote = "https://dev.azure.com/Contoso/shop/_git/web";
    let _ = sandbox.git(["remote", "add", "origin", remote]);
    let approved = format!(
        "protocol=https\nhost=dev.azure.com\npath=contoso/shop/_git/web\nusername=ada\npassword={token}\n"
    );
    assert_eq!(sandbox.run_with_stdin(["credential", "store"], &approved).status, 0);
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
git asks `git vsts` for contoso: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    sandbox.set("GIT_TERMINAL_PROMPT", "0");
    for url in [
        "https://dev.azure.com/contoso/shop/_git/web",
        "https://dev.azure.com/Contoso/shop/_git/web",
        "https://contoso.visualstudio.com/shop/_git/web",
        "https://Contoso.VisualStudio.com/DefaultCollection/shop/_git/web",
    ] {
        let mut command = sandbox.command("git", ["credential", "fill"], &sandbox.work());
        let output = sandbox.finish(&mut command, &format!("url={url}\n"));
        assert!(output.stdout.contains(&format!("password={token}\n")), "{url}: {output}");
    }
    for url in ["https://dev.azure.com/contosox/shop/_git/web", "https://dev.azure.com"] {
        let mut command = sandbox.command("git", ["credential", "fill"], &sandbox.work());
        let output = sandbox.finish(&mut command, &format!("url={url}\n"));
        assert_eq!((output.status, &*output.stdout), (128, ""), "{url}");
    }
}

#[test]
fn a_helper_that_git_asks_after_ours_is_named_with_its_place() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["config", "credential.helper", "store"]);
    let run = || named(&sandbox, &sandbox.run(["setup"]).to_string());
    assert_data_eq!(run(), str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
warning: git hands the credential for https://azure/contoso on to another helper, `store`, set in /work/.git/config, line 10
hint: take that setting out, unless that helper is to keep the credential too
git asks `git vsts` for contoso already
[exit 0]

"#]].raw());
    let _ = sandbox.git(["config", "--unset", "credential.helper"]);
    // In the same file it is ours that can be put last again.
    let _ = sandbox.git(["config", "--global", "credential.helper", "store"]);
    let after = global(&sandbox);
    assert!(after.ends_with("[credential]\n\thelper = store\n"), "{after}");
    assert_data_eq!(
        run(),
        str![[r#"
--- stderr
git asks `git vsts` for contoso: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    assert!(global(&sandbox).contains("[credential]\n\thelper = store\n[credential \"https"));
    assert_data_eq!(
        run(),
        str![[r#"
--- stderr
git asks `git vsts` for contoso already
[exit 0]

"#]]
        .raw()
    );
    let _ = sandbox.git(["config", "include.path", "../more"]);
    sandbox.write("more", "[user]\n\n[credential] helper = !odd\n");
    assert_data_eq!(run(), str![[r#"
--- stderr
warning: git hands the credential for https://azure/contoso on to another helper, `!odd`, set in /work/.git/../more, line 3
hint: take that setting out, unless that helper is to keep the credential too
git asks `git vsts` for contoso already
[exit 0]

"#]].raw());
}

#[test]
fn a_file_that_can_not_be_changed_is_named_and_the_sign_in_is_good() {
    let sandbox = Sandbox::new();
    let path = sandbox.home().join(".gitconfig");
    let token = sandbox.token("contoso");
    let login = || sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let before = fs::read(&path).unwrap();
    assert_data_eq!(
        login().to_string(),
        str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
warning: plain git will not ask `git vsts` for contoso
  caused by: /home/.gitconfig is read-only
hint: put the lines there in another way: `git vsts setup --dry-run` shows them
[exit 0]

"#]]
        .raw()
    );
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
error: /home/.gitconfig is read-only
hint: put the lines there in another way: `git vsts setup --dry-run` shows them
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, "[a]\n\tb = c\\").unwrap();
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
error: /home/.gitconfig ends in the middle of a line that goes on, so nothing can be put at its end
hint: end its last line
[exit 1]

"#]]
        .raw()
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "[a]\n\tb = c\\");
    fs::write(&path, "[a]\nb = c\nwhat is this\n").unwrap();
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
error: git can't read /home/.gitconfig
  caused by: fatal: bad config line 3 in file /home/.gitconfig
hint: mend that line, then run `git vsts setup`
[exit 1]

"#]]
        .raw()
    );
    sandbox.set("GIT_CONFIG_GLOBAL", "/dev/null");
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
error: git's global configuration is /dev/null, which is no file
hint: unset `GIT_CONFIG_GLOBAL`, or let it name a file
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_file_elsewhere_is_changed_where_it_is() {
    let sandbox = Sandbox::new();
    let path = sandbox.home().join(".gitconfig");
    let real = sandbox.home().join("dotfiles/gitconfig");
    fs::create_dir(sandbox.home().join("dotfiles")).unwrap();
    fs::rename(&path, &real).unwrap();
    symlink("dotfiles/gitconfig", &path).unwrap();
    let before = fs::read(&real).unwrap();
    sandbox.sign_in("contoso");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("git-vsts' credential"));
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    assert_eq!(fs::read(&real).unwrap(), before);
    sandbox.set("GIT_CONFIG_GLOBAL", &sandbox.home().join("other").display().to_string());
    assert_data_eq!(
        sandbox.run(["setup"]).to_string(),
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
git asks `git vsts` for contoso: set in /home/other
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(fs::read(&real).unwrap(), before);
}

#[test]
fn a_program_that_others_can_exchange_is_not_put_there() {
    let sandbox = Sandbox::signed_in();
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    let folder = sandbox.home().join("it's $(here)");
    fs::create_dir(&folder).unwrap();
    let link = folder.join("git-vsts");
    symlink(env!("CARGO_BIN_EXE_git-vsts"), &link).unwrap();
    let run = || {
        let mut command = sandbox.command(link.to_str().unwrap(), ["setup"], &sandbox.work());
        sandbox.finish(&mut command, "")
    };
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert_data_eq!(run().to_string(), str![[r#"
--- stderr
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
No pages for `man`: they go beside a folder such as ~/.local/bin, and this program is in /home/it's $(here)
error: others than its owner can write /home/it's $(here)
hint: take that right from others, `chmod go-w '/home/it'\''s $(here)'`, or install git vsts in another folder
[exit 1]

"#]].raw());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_data_eq!(
        run().to_string(),
        str![[r#"
--- stderr
No pages for `man`: they go beside a folder such as ~/.local/bin, and this program is in /home/it's $(here)
git asks `git vsts` for contoso: set in /home/.gitconfig
[exit 0]

"#]]
        .raw()
    );
    // The link is what lasts, and git finds its way through the odd name.
    let there = fs::read_to_string(sandbox.home().join(".gitconfig")).unwrap();
    assert!(there.contains(r"it'\\''s $(here)/git-vsts' credential"), "{there}");
    assert_eq!(fetch(&sandbox, &sandbox.url("contoso/shop/_git/shop")).to_string(), "[exit 0]\n");
}

#[test]
fn a_remote_in_the_services_spelling_is_served_too() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    let token = sandbox.token("contoso");
    let login = ["login", "CONTOSO", "--pat-stdin"];
    assert_eq!(sandbox.run_with_stdin(login, &token).status, 0);
    assert!(!global(&sandbox).contains("azure/contoso"));
    assert_eq!(sandbox.run(["remote-add", "origin", "shop/shop"]).status, 0);
    assert!(global(&sandbox).contains("azure/contoso"));
    assert_eq!(fetch(&sandbox, "origin").to_string(), "[exit 0]\n");
    assert_eq!(sandbox.run(["logout", "contoso"]).status, 0);
    assert!(!global(&sandbox).contains("credential"));
}

#[test]
fn twenty_at_once_leave_it_whole() {
    let sandbox = Sandbox::new();
    let before = global(&sandbox);
    let names: Vec<String> = (0..10).map(|number| format!("organization{number}")).collect();
    for name in &names {
        sandbox.azure.organization(name).project("shop");
    }
    let tokens: Vec<String> = names.iter().map(|name| sandbox.token(name)).collect();
    let logins = names.iter().zip(&tokens).map(|(name, token)| {
        let mut command =
            sandbox.command(&sandbox.program(), ["login", name, "--pat-stdin"], &sandbox.work());
        (command_with_input(&mut command), token.clone())
    });
    let setups = (0..10).map(|_| {
        let mut command = sandbox.command(&sandbox.program(), ["setup"], &sandbox.work());
        (command_with_input(&mut command), String::new())
    });
    let children: Vec<_> = logins.chain(setups).collect();
    let ends: Vec<_> = children
        .into_iter()
        .map(|(mut child, input)| {
            thread::spawn(move || {
                child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
                child.wait_with_output().unwrap()
            })
        })
        .collect();
    for end in ends {
        let output = end.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let after = global(&sandbox);
    for name in &names {
        assert_eq!(after.matches(&format!("[credential \"https://azure/{name}\"]")).count(), 1);
    }
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    assert_eq!(global(&sandbox), before);
    assert!(!sandbox.home().join(".gitconfig.lock").exists());
}

fn command_with_input(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn git_is_not_said_to_ask_where_an_empty_helper_ends_its_list() {
    let sandbox = Sandbox::connected();
    let asks = || sandbox.plain_git(["ls-remote", "--heads", "origin"]).status == 0;
    let _ = sandbox.git(["config", "credential.helper", ""]);
    assert!(!asks());
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    let token = sandbox.token("contoso");
    let mut said = sandbox.run_with_stdin(["login", "contoso", "--pat-stdin"], &token).to_string();
    for _ in 0..2 {
        said += &sandbox.run(["setup"]).to_string();
    }
    let _ = sandbox.git(["config", "--unset", "credential.helper"]);
    assert!(asks());
    // In the same file, or in one that is included there, it is ours that can be put last.
    let url = sandbox.url("contoso");
    sandbox.write_home("late", &format!("[credential \"{url}\"]\n\thelper =\n\thelper = cache\n"));
    let _ = sandbox.git(["config", "--global", "include.path", "~/late"]);
    assert!(!asks());
    said += &sandbox.run(["setup"]).to_string();
    assert!(asks());
    // One on the command line goes after every file.
    sandbox.set("GIT_CONFIG_COUNT", "1");
    sandbox.set("GIT_CONFIG_KEY_0", &format!("credential.{url}.helper"));
    let mut command = sandbox.command(&sandbox.program(), ["setup"], &sandbox.work());
    said += &sandbox.finish(command.env("GIT_CONFIG_VALUE_0", ""), "").to_string();
    assert_data_eq!(said, str![[r#"
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
warning: git does not ask `git vsts` for https://azure/contoso: an empty helper, set in /work/.git/config, line 10, ends its list of helpers
hint: take that setting out, then run `git vsts setup`
[exit 0]
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
warning: git does not ask `git vsts` for https://azure/contoso: an empty helper, set in /work/.git/config, line 10, ends its list of helpers
hint: take that setting out, then run `git vsts setup`
[exit 1]
--- stderr
warning: git does not ask `git vsts` for https://azure/contoso: an empty helper, set in /work/.git/config, line 10, ends its list of helpers
hint: take that setting out, then run `git vsts setup`
[exit 1]
--- stderr
git asks `git vsts` for contoso: set in /home/.gitconfig
[exit 0]
--- stderr
warning: git does not ask `git vsts` for https://azure/contoso: an empty helper, set in the command scope, ends its list of helpers
hint: take that setting out, then run `git vsts setup`
[exit 1]

"#]].raw());
}

#[test]
fn nothing_is_written_where_git_reads_no_global_file() {
    let sandbox = Sandbox::signed_in();
    let before = global(&sandbox);
    let mut said = String::new();
    for name in ["", "/dev/null"] {
        for arguments in [
            &["login", "contoso", "--pat-stdin"][..],
            &["setup"],
            &["setup", "--dry-run"],
            &["setup", "--undo"],
            &["setup", "--undo", "--dry-run"],
            &["logout", "contoso"],
        ] {
            let token = sandbox.token("contoso");
            let mut command = sandbox.command(&sandbox.program(), arguments, &sandbox.work());
            let output = sandbox.finish(command.env("GIT_CONFIG_GLOBAL", name), &token);
            said += &format!("$ GIT_CONFIG_GLOBAL={name} {}\n{output}", arguments.join(" "));
        }
    }
    assert_data_eq!(
        said,
        str![[r#"
$ GIT_CONFIG_GLOBAL= login contoso --pat-stdin
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
warning: plain git will not ask `git vsts` for contoso
  caused by: git reads no global configuration, since `GIT_CONFIG_GLOBAL` is empty
hint: unset `GIT_CONFIG_GLOBAL`, or let it name a file
[exit 0]
$ GIT_CONFIG_GLOBAL= setup
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
error: git reads no global configuration, since `GIT_CONFIG_GLOBAL` is empty
hint: unset `GIT_CONFIG_GLOBAL`, or let it name a file
[exit 1]
$ GIT_CONFIG_GLOBAL= setup --dry-run
--- stderr
error: git reads no global configuration, since `GIT_CONFIG_GLOBAL` is empty
hint: unset `GIT_CONFIG_GLOBAL`, or let it name a file
[exit 1]
$ GIT_CONFIG_GLOBAL= setup --undo
--- stderr
Removed the completion for bash from /home/.local/share/bash-completion/completions
Removed the completion for fish from /home/.local/share/fish/vendor_completions.d
Removed the completion for zsh from /home/.local/share/git-vsts/completions
Removed 11 pages for `man` from /share/man/man1
git's configuration has nothing of ours
[exit 0]
$ GIT_CONFIG_GLOBAL= setup --undo --dry-run
--- stderr
git's configuration has nothing of ours
[exit 0]
$ GIT_CONFIG_GLOBAL= logout contoso
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
[exit 0]
$ GIT_CONFIG_GLOBAL=/dev/null login contoso --pat-stdin
--- stderr
Signed in to contoso as ada@contoso.com; kept the token in a file that only you can read
warning: plain git will not ask `git vsts` for contoso
  caused by: git's global configuration is /dev/null, which is no file
hint: unset `GIT_CONFIG_GLOBAL`, or let it name a file
[exit 0]
$ GIT_CONFIG_GLOBAL=/dev/null setup
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
error: git's global configuration is /dev/null, which is no file
hint: unset `GIT_CONFIG_GLOBAL`, or let it name a file
[exit 1]
$ GIT_CONFIG_GLOBAL=/dev/null setup --dry-run
--- stderr
error: git's global configuration is /dev/null, which is no file
hint: unset `GIT_CONFIG_GLOBAL`, or let it name a file
[exit 1]
$ GIT_CONFIG_GLOBAL=/dev/null setup --undo
--- stderr
Removed the completion for bash from /home/.local/share/bash-completion/completions
Removed the completion for fish from /home/.local/share/fish/vendor_completions.d
Removed the completion for zsh from /home/.local/share/git-vsts/completions
Removed 11 pages for `man` from /share/man/man1
git's configuration has nothing of ours
[exit 0]
$ GIT_CONFIG_GLOBAL=/dev/null setup --undo --dry-run
--- stderr
git's configuration has nothing of ours
[exit 0]
$ GIT_CONFIG_GLOBAL=/dev/null logout contoso
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), before);
    sandbox.write_home("folder/.gitconfig/file", "");
    sandbox.set("HOME", &sandbox.home().join("folder").display().to_string());
    let output = sandbox.run(["setup", "--all-organizations"]).to_string();
    assert_data_eq!(
        output,
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/folder/.local/share/bash-completion/completions
Put the completion for fish into /home/folder/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/folder/.local/share/git-vsts/completions
error: git's global configuration is /home/folder/.gitconfig, which is no file
hint: move away what is there, so that git can write a file
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn a_store_that_only_this_shell_has_set_is_told_where_git_shall_use_it() {
    let sandbox = Sandbox::new();
    let token = sandbox.token("contoso");
    let login = || {
        let arguments = ["login", "contoso", "--pat-stdin"];
        let mut command = sandbox.command(&sandbox.program(), arguments, &sandbox.work());
        // As it is printed: the sandbox leaves such warnings out.
        let mut child = command_with_input(&mut command);
        child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
    };
    let warning = "warning: git finds it where GIT_VSTS_STORE is set; `git config --global vsts.store file` makes it so everywhere\n";
    let said = login();
    assert!(said.contains(warning), "{said}");
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    let _ = sandbox.git(["config", "--global", "vsts.store", "file"]);
    let said = login();
    assert!(!said.contains("GIT_VSTS_STORE"), "{said}");
}

#[test]
fn one_half_is_done_where_the_other_fails() {
    let sandbox = Sandbox::signed_in();
    let before = global(&sandbox);
    let record = sandbox.home().join(".local/share/git-vsts/setup.json");
    fs::write(&record, r#"{"version":2}"#).unwrap();
    let mut said = sandbox.run(["setup", "--undo"]).to_string();
    assert!(!global(&sandbox).contains("credential"));
    said += &sandbox.run(["setup"]).to_string();
    assert_eq!(global(&sandbox), before);
    let path = sandbox.home().join(".gitconfig");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    said += &sandbox.run(["setup", "--undo"]).to_string();
    said += &sandbox.run(["logout"]).to_string();
    assert_data_eq!(
        said,
        str![[r#"
--- stderr
git no longer asks `git vsts`: taken out of /home/.gitconfig
error: /home/.local/share/git-vsts/setup.json is damaged, or was written by a later version
hint: update git vsts, or remove /home/.local/share/git-vsts/setup.json and what it names
[exit 1]
--- stderr
git asks `git vsts` for contoso: set in /home/.gitconfig
error: /home/.local/share/git-vsts/setup.json is damaged, or was written by a later version
hint: update git vsts, or remove /home/.local/share/git-vsts/setup.json and what it names
[exit 1]
--- stderr
error: /home/.local/share/git-vsts/setup.json is damaged, or was written by a later version
hint: update git vsts, or remove /home/.local/share/git-vsts/setup.json and what it names
error: /home/.gitconfig is read-only
hint: take the sections out in another way: `git vsts setup --undo --dry-run` names them
[exit 1]
--- stderr
Forgot the sign-in to contoso as ada@contoso.com
The token is valid until it expires; revoke it at https://azure/contoso/_usersSettings/tokens
warning: git goes on asking `git vsts`
  caused by: /home/.gitconfig is read-only
hint: take the sections out in another way: `git vsts setup --undo --dry-run` names them
[exit 0]

"#]]
        .raw()
    );
    assert_eq!(global(&sandbox), before);
}

#[test]
fn whoever_asks_for_all_and_has_none_is_told() {
    let sandbox = Sandbox::new();
    let all = ["setup", "--all-organizations"];
    let mut said = sandbox.run(all).to_string();
    // That it is there already gives git no token either.
    said += &sandbox.run(all).to_string();
    sandbox.set("SYSTEM_ACCESSTOKEN", "token");
    said += &sandbox.run(all).to_string();
    assert_data_eq!(
        said,
        str![[r#"
--- stderr
Put 11 pages for `man` into /share/man/man1
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
git asks `git vsts` for every organization: set in /home/.gitconfig
warning: nobody is signed in, so git gets nothing there
hint: sign in with `git vsts login ORG`, or set `GIT_VSTS_PAT`
[exit 0]
--- stderr
git asks `git vsts` for every organization already
warning: nobody is signed in, so git gets nothing there
hint: sign in with `git vsts login ORG`, or set `GIT_VSTS_PAT`
[exit 0]
--- stderr
git asks `git vsts` for every organization already
[exit 0]

"#]]
        .raw()
    );
}

#[test]
fn a_repository_chooses_few_spellings_for_the_users_file() {
    let sandbox = Sandbox::signed_in();
    sandbox.repository();
    let spellings =
        ["%63ontoso", "Contoso", "CONTOSO", "C%4FNTOSO", "cOntoso", "coNtoso", "conToso"];
    for (number, spelling) in spellings.iter().enumerate() {
        let url = sandbox.url(&format!("{spelling}/shop/_git/shop"));
        let _ = sandbox.git(["remote", "add", &format!("r{number}"), &url]);
    }
    assert_eq!(sandbox.run(["setup"]).status, 0);
    let after = global(&sandbox);
    let sections: Vec<&str> = after.lines().filter(|line| line.starts_with("[cred")).collect();
    assert_data_eq!(
        sections.join("\n"),
        str![[r#"
[credential "https://azure/contoso"]
[credential "https://azure/Contoso"]
[credential "https://azure/CONTOSO"]
[credential "https://azure/cOntoso"]
"#]]
        .raw()
    );
    // git decodes what it compares.
    for remote in ["r0", "r3"] {
        assert_eq!(sandbox.plain_git(["ls-remote", remote]).status, 0, "{remote}");
    }
}

#[test]
fn a_program_that_man_does_not_look_beside_has_no_pages() {
    let sandbox = Sandbox::signed_in();
    let mut said = String::new();
    for folder in ["bin", "Downloads"] {
        let folder = sandbox.home().join(folder);
        fs::create_dir(&folder).unwrap();
        let link = folder.join("git-vsts");
        symlink(env!("CARGO_BIN_EXE_git-vsts"), &link).unwrap();
        let mut command = sandbox.command(link.to_str().unwrap(), ["setup"], &sandbox.work());
        said += &sandbox.finish(&mut command, "").to_string();
    }
    assert_data_eq!(said, str![[r#"
--- stderr
Put the completion for bash into /home/.local/share/bash-completion/completions
Put the completion for fish into /home/.local/share/fish/vendor_completions.d
Put the completion for zsh into /home/.local/share/git-vsts/completions
No pages for `man`: they go beside a folder such as ~/.local/bin, and this program is in /home/bin
git asks `git vsts` for contoso: set in /home/.gitconfig
[exit 0]
--- stderr
No pages for `man`: they go beside a folder such as ~/.local/bin, and this program is in /home/Downloads
git asks `git vsts` for contoso: set in /home/.gitconfig
[exit 0]

"#]].raw());
    assert!(!sandbox.home().join("share").exists());
}

#[test]
fn where_the_program_is_matters_only_to_what_is_written() {
    let sandbox = Sandbox::signed_in();
    // The sandbox is in a folder for temporary files, and leaves that warning out of what it gives.
    let warns = |arguments: &[&str]| {
        let mut command = sandbox.command(&sandbox.program(), arguments, &sandbox.work());
        String::from_utf8(command.output().unwrap().stderr).unwrap().contains("git will run ")
    };
    assert!(!warns(&["setup", "--dry-run"]));
    assert!(!warns(&["setup"]));
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    assert!(warns(&["setup", "--dry-run"]));
    assert!(warns(&["setup"]));
}

#[test]
fn a_file_with_the_line_ends_of_windows_keeps_them() {
    let sandbox = Sandbox::new();
    let path = sandbox.home().join(".gitconfig");
    let before = fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
    fs::write(&path, &before).unwrap();
    sandbox.sign_in("contoso");
    let wired = fs::read_to_string(&path).unwrap();
    assert_eq!(wired.matches('\n').count(), wired.matches("\r\n").count());
    assert_eq!(fetch(&sandbox, &sandbox.url("contoso/shop/_git/shop")).to_string(), "[exit 0]\n");
    assert_eq!(sandbox.run(["setup", "--undo"]).status, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn undo_names_what_somebody_wrote_by_hand() {
    let sandbox = Sandbox::signed_in();
    let helper = format!("!'{}' credential", sandbox.program());
    let _ = sandbox.git(["config", "--global", "credential.https://dev.azure.com.helper", &helper]);
    let mut said = String::new();
    for arguments in [&["setup", "--undo", "--dry-run"][..], &["setup", "--undo"]] {
        for _ in 0..2 {
            said += &sandbox.run(arguments).to_string();
        }
    }
    assert_data_eq!(
        said,
        str![[r#"
--- stdout
[credential "https://azure/contoso"]
--- stderr
Would be taken out of /home/.gitconfig:
warning: /home/.gitconfig, line 12 runs `git vsts` and was written by hand: left as it is
[exit 0]
--- stdout
[credential "https://azure/contoso"]
--- stderr
Would be taken out of /home/.gitconfig:
warning: /home/.gitconfig, line 12 runs `git vsts` and was written by hand: left as it is
[exit 0]
--- stderr
git no longer asks `git vsts`: taken out of /home/.gitconfig
warning: /home/.gitconfig, line 7 runs `git vsts` and was written by hand: left as it is
[exit 0]
--- stderr
git's configuration has nothing of ours
warning: /home/.gitconfig, line 7 runs `git vsts` and was written by hand: left as it is
[exit 0]

"#]]
        .raw()
    );
    assert!(global(&sandbox).ends_with("helper = !'/bin/git-vsts' credential\n"));
}
