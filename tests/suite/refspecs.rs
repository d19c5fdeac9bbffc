//! What a push is about, beside what `git push --dry-run --porcelain` says in the same clone.
//!
//! They differ on purpose where a branch follows nothing yet (`by_git` says why), where there is
//! nothing to push (`by_us`), and in the rows of `where_a_plan_is_not_git_s_that_is_meant`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use git_vsts::configuration::Configuration;
use git_vsts::repository::{Id, Kind, PlanError, Refspecs, Repository, Settings, Update};
use snapbox::{IntoData as _, assert_data_eq, str};

use crate::sandbox::{self, Sandbox};

/// A clone with two servers, which are bare repositories beside it.
struct Clone {
    root: tempfile::TempDir,
    /// What each server has, by its URL.
    advertised: RefCell<BTreeMap<String, BTreeMap<String, Id>>>,
}

/// A push: the settings that it is done with, and its command line.
struct Row<'a> {
    settings: Vec<(String, String)>,
    flags: &'a [&'a str],
    remote: Option<&'a str>,
    words: &'a [&'a str],
}

/// What a push would do: the remote's URL, and each reference as `--porcelain` shows it. Nothing
/// where it can't be told what to push.
type Answer = Option<(String, Vec<String>)>;

impl Clone {
    fn new() -> Self {
        let clone = Self { root: tempfile::tempdir().unwrap(), advertised: RefCell::default() };
        for name in ["origin.git", "fork.git"] {
            clone.git_in(clone.root.path(), &["init", "--quiet", "--bare", name]);
        }
        clone.git_in(clone.root.path(), &["init", "--quiet", "--initial-branch=main", "work"]);
        for name in ["origin", "fork"] {
            clone.git(&["remote", "add", name, &clone.server(name).display().to_string()]);
        }
        let mut n = 0;
        let mut commit = || {
            n += 1;
            clone.git(&["commit", "--quiet", "--allow-empty", "--message", &n.to_string()]);
        };
        let tag = |name| clone.git(&["tag", "--annotate", "--message", name, name]);
        commit();
        clone.git(&["branch", "same"]);
        tag("there");
        tag("first");
        clone.git(&["tag", "light"]);
        clone.git(&["tag", "moved"]);
        let pushed = ["main", "same", "there", "moved", "main:other", "main:refs/pull/1/head"];
        clone.git(&[&["push", "--quiet", "origin"], &pushed[..]].concat());
        clone.git(&["push", "--quiet", "fork", "main"]);
        commit();
        tag("second");
        clone.git(&["tag", "--force", "moved"]);
        // One that went on at the server alone, and was fetched.
        clone.git(&["switch", "--quiet", "--create", "apart", "main~1"]);
        commit();
        clone.git(&["push", "--quiet", "origin", "apart"]);
        clone.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
        commit();
        clone.git(&["branch", "behind", "origin/apart~1"]);
        clone.git(&["push", "--quiet", "origin", "origin/apart:refs/heads/behind"]);
        clone.git(&["switch", "--quiet", "--create", "side/one", "main~1"]);
        commit();
        tag("aside");
        clone.git(&["switch", "--quiet", "--create", "topic", "main"]);
        commit();
        clone.git(&["branch", "twice"]);
        clone.git(&["tag", "twice"]);
        clone.git(&["notes", "add", "--message", "a note"]);
        clone.git(&["update-ref", "refs/stash", "topic"]);
        clone.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
        clone.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
        clone.git(&["config", "branch.same.remote", "origin"]);
        clone.git(&["config", "branch.same.merge", "refs/heads/other"]);
        clone
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn server(&self, name: &str) -> PathBuf {
        self.root.path().join(format!("{name}.git"))
    }

    fn run<S: AsRef<OsStr>>(
        &self,
        directory: &Path,
        settings: &[(String, String)],
        arguments: &[S],
    ) -> Output {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@contoso.com")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@contoso.com")
            .env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (n, (key, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{n}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        command.output().unwrap()
    }

    #[track_caller]
    fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let output = self.run(directory, &[], arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.work(), arguments)
    }

    fn configuration(&self, settings: &[(String, String)]) -> Configuration {
        let list = ["config", "--list", "-z", "--show-scope", "--show-origin"];
        Configuration::parse(&self.run(&self.work(), settings, &list).stdout).unwrap()
    }

    /// What a server has, as it advertises it. A dry run leaves it so.
    fn advertised(&self, url: &str) -> BTreeMap<String, Id> {
        let ask = || {
            let format = "--format=%(refname) %(objectname)";
            let listed = self.git_in(Path::new(url), &["for-each-ref", format]);
            let line = |line: &str| {
                let (name, id) = line.split_once(' ').unwrap();
                (name.to_owned(), id.parse().unwrap())
            };
            listed.lines().map(line).collect()
        };
        self.advertised.borrow_mut().entry(url.to_owned()).or_insert_with(ask).clone()
    }

    /// What git says. Where the branch follows nothing, git would refuse a `simple` push of it
    /// and name `--set-upstream`. That is what ours does without being told, so git is told.
    fn by_git(&self, row: &Row<'_>) -> Answer {
        let mut settings = row.settings.clone();
        let of_default = |(key, _): &&(String, String)| key == "push.default";
        let default = settings.iter().rev().find(of_default).map(|(_, value)| value.as_str());
        if matches!(default, None | Some("simple")) {
            settings.push(("push.autoSetupRemote".to_owned(), "true".to_owned()));
        }
        let mut words = vec!["push", "--dry-run", "--porcelain"];
        words.extend(row.flags);
        words.push("--");
        words.extend(row.remote);
        words.extend(row.words);
        let output = self.run(&self.work(), &settings, &words);
        let said = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<String> = Vec::new();
        let mut url = String::new();
        for line in said.lines() {
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                [flag, names, _] => lines.push(format!("{flag} {names}")),
                [line] => url.push_str(line.strip_prefix("To ").unwrap_or_default()),
                _ => panic!("{line}"),
            }
        }
        lines.sort();
        (output.status.success() || !lines.is_empty()).then_some((url, lines))
    }

    /// What our plan says.
    fn by_us(&self, row: &Row<'_>) -> Result<(String, Vec<String>), PlanError> {
        let repository = Repository::find(&self.work()).unwrap().unwrap();
        let configuration = self.configuration(&row.settings);
        let remotes = repository.remotes(&configuration);
        let branch = repository.head().unwrap().branch().map(str::to_owned);
        let chosen = remotes.chosen(branch.as_deref()).first().map(|(_, name)| *name);
        let name = row.remote.or(chosen).unwrap_or("origin").to_owned();
        let url = remotes.get(&name).unwrap().push_url.clone();
        let has = |flag| row.flags.contains(&flag);
        let refspecs = Refspecs {
            named: row.words.iter().map(|&word| word.to_owned()).collect(),
            all: has("--all"),
            tags: has("--tags"),
            delete: has("--delete"),
            force: has("--force"),
            settings: Settings::read(&configuration, remotes).unwrap(),
        };
        repository.check_sources(&refspecs, Some(&name))?;
        let advertised = self.advertised(&url);
        let mut lines: Vec<String> = match repository.plan(&refspecs, Some(&name), &advertised) {
            // git ends well there, and says "Everything up-to-date". A script that names nothing
            // that there is should hear of it.
            Err(PlanError::Nothing | PlanError::NoMatch(_)) => {
                return Ok((String::new(), Vec::new()));
            }
            planned => planned?.iter().map(shown).collect(),
        };
        lines.sort();
        Ok((url, lines))
    }

    /// How both answer, where they differ.
    fn difference(&self, row: &Row<'_>) -> Option<String> {
        let (git, ours) = (self.by_git(row), self.by_us(row));
        if git.as_ref() == ours.as_ref().ok() {
            return None;
        }
        let settings: Vec<String> =
            row.settings.iter().map(|(key, value)| format!(" -c {key}={value}")).collect();
        let words = [row.flags, row.remote.as_slice(), row.words].concat().join(" ");
        let root = self.root.path().display().to_string();
        let git = git.map_or("refused".to_owned(), |it| it.1.join(", "));
        let ours = ours.map_or_else(|error| error.to_string(), |it| it.1.join(", "));
        let text = format!("git{} push {words}\n git: {git}\nours: {ours}\n", settings.concat());
        Some(text.replace(&root, ""))
    }
}

/// A reference of the plan as `git push --porcelain` shows it.
fn shown(update: &Update) -> String {
    let flag = match update.kind {
        Kind::New => '*',
        Kind::FastForward => ' ',
        Kind::Forced => '+',
        Kind::Deleted => '-',
        Kind::UpToDate => '=',
        Kind::Behind | Kind::Diverged | Kind::Unrelated | Kind::Unseen { .. } => '!',
        Kind::TagExists | Kind::NoCommit | Kind::Stale => '!',
    };
    // git names a source that is no reference as it was typed, and so do we.
    format!("{flag} {}:{}", update.named.as_deref().unwrap_or_default(), update.reference)
}

fn setting(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn a_push_that_names_nothing_does_what_git_s_would() {
    let clone = Clone::new();
    let mut differences = String::new();
    let mut rows = 0;
    for head in ["main", "topic", "side/one", ""] {
        match head {
            "" => clone.git(&["switch", "--quiet", "--detach", "topic"]),
            branch => clone.git(&["switch", "--quiet", branch]),
        };
        let key = |variable: &str| format!("branch.{head}.{variable}");
        let own = format!("refs/heads/{head}");
        let upstreams: &[Vec<(String, String)>] = &[
            vec![],
            vec![setting(&key("remote"), "origin"), setting(&key("merge"), &own)],
            vec![setting(&key("remote"), "origin"), setting(&key("merge"), "refs/heads/other")],
            vec![setting(&key("remote"), "fork"), setting(&key("merge"), &own)],
            vec![setting(&key("remote"), "fork")],
            vec![setting(&key("merge"), "refs/heads/other")],
            vec![
                setting(&key("remote"), "origin"),
                setting(&key("merge"), &own),
                setting(&key("merge"), "refs/heads/other"),
            ],
        ];
        let upstreams = match head {
            "" => &upstreams[..1],
            "side/one" => &upstreams[..3],
            _ => upstreams,
        };
        let chosen = [
            (vec![], None),
            (vec![setting("remote.pushDefault", "fork")], None),
            (vec![setting(&key("pushRemote"), "fork")], None),
            (
                vec![setting("remote.pushDefault", "origin"), setting(&key("pushRemote"), "fork")],
                None,
            ),
            (vec![setting("remote.pushDefault", "fork")], Some("origin")),
        ];
        for default in ["", "simple", "current", "upstream", "matching", "nothing"] {
            for upstream in upstreams {
                for (choice, remote) in &chosen {
                    if head.is_empty() && choice.iter().any(|(key, _)| key.contains("..")) {
                        continue;
                    }
                    rows += 1;
                    let mut settings = [&upstream[..], choice].concat();
                    if !default.is_empty() {
                        settings.push(setting("push.default", default));
                    }
                    // Each in half of the rows, both in a quarter.
                    settings.extend((rows % 2 == 0).then(|| setting("push.followTags", "true")));
                    settings
                        .extend((rows % 4 < 2).then(|| setting("push.autoSetupRemote", "true")));
                    let row = Row { settings, flags: &[], remote: *remote, words: &[] };
                    differences.extend(clone.difference(&row));
                }
            }
        }
    }
    assert_data_eq!(differences, str![""].raw());
    assert!(rows > 400, "{rows}");
    let _ = clone.git(&["switch", "--quiet", "main"]);
    for default in ["tracking", "Simple", ""] {
        let settings = vec![setting("push.default", default)];
        let row = Row { settings, flags: &[], remote: None, words: &[] };
        assert_eq!(clone.difference(&row), None);
    }
}

#[test]
fn refspecs_name_what_they_name_for_git() {
    let clone = Clone::new();
    let lines: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["--all"], &[]),
        (&["--all", "--force"], &[]),
        (&["--tags"], &[]),
        (&["--tags", "--force"], &["main"]),
        (&["--tags"], &["light", "topic"]),
        (&["--delete"], &["other"]),
        (&["--delete"], &["other", "tag", "there"]),
        (&["--delete"], &["refs/heads/other"]),
        (&["--delete"], &["none"]),
        (&["--delete"], &["a:b"]),
        (&["--delete"], &["+other"]),
        (&["--delete"], &["refs/pull/1/head"]),
        (&["--delete"], &["refs/heads/*"]),
        (&[], &["main"]),
        (&[], &["+main"]),
        (&[], &["topic"]),
        (&[], &["same"]),
        (&[], &["apart"]),
        (&[], &["+apart"]),
        (&["--force"], &["apart", "behind"]),
        (&[], &["behind"]),
        (&[], &["HEAD"]),
        (&[], &["@"]),
        (&[], &["HEAD:new"]),
        (&[], &["@:refs/heads/new"]),
        (&[], &["+@:other"]),
        (&[], &["HEAD~1"]),
        (&[], &["HEAD~1:new"]),
        (&[], &["HEAD~1:other"]),
        (&[], &["HEAD~1:refs/heads/new"]),
        (&[], &["HEAD^{tree}:refs/tags/tree"]),
        (&[], &["HEAD^{tree}:other"]),
        (&[], &["+HEAD^{tree}:other"]),
        (&[], &["main@{0}:refs/heads/new"]),
        (&[], &["tag"]),
        (&[], &["tag", "first"]),
        (&[], &["tag", "none"]),
        (&[], &["first"]),
        (&[], &["first:new"]),
        (&[], &["first:refs/heads/new"]),
        (&[], &["second:main"]),
        (&[], &["moved"]),
        (&[], &["+moved"]),
        (&[], &["main:refs/tags/moved"]),
        (&[], &["main:moved"]),
        (&[], &["twice"]),
        (&[], &["heads/twice"]),
        (&[], &["tags/twice", "refs/heads/twice"]),
        (&[], &["twice:new"]),
        (&[], &["alias"]),
        (&[], &["alias:new"]),
        (&[], &["origin/main"]),
        (&[], &["origin/main:new"]),
        (&[], &["origin/main:refs/heads/new"]),
        (&[], &["origin"]),
        (&[], &["remotes/origin/apart"]),
        (&[], &["refs/remotes/origin/HEAD"]),
        (&[], &["refs/stash"]),
        (&[], &["refs/stash:refs/heads/new"]),
        (&[], &["stash:new"]),
        (&[], &["refs/notes/commits"]),
        (&[], &["notes/commits"]),
        (&[], &["refs/notes/*"]),
        (&[], &["refs/*:refs/copy/*"]),
        (&[], &[":"]),
        (&[], &["+:"]),
        (&[], &[":", "topic"]),
        (&[], &[":", "refs/heads/*"]),
        (&[], &[":other"]),
        (&[], &[":refs/pull/1/head"]),
        (&[], &[":pull/1/head"]),
        (&[], &[":none"]),
        (&[], &["refs/heads/*"]),
        (&[], &["+refs/heads/*"]),
        (&[], &["refs/heads/*:refs/heads/x/*"]),
        (&[], &["refs/heads/side/*:refs/heads/*"]),
        (&[], &["refs/heads/a*t:refs/heads/*"]),
        (&[], &["refs/heads/*", "^refs/heads/apart", "^refs/heads/t*"]),
        (&[], &["refs/heads/*:refs/heads/x/*", "^refs/heads/apart"]),
        (&[], &["refs/heads/*:refs/heads/x/*", "^refs/heads/x/a*"]),
        (&[], &["^refs/heads/main"]),
        (&[], &["main", "^refs/heads/main"]),
        (&[], &["refs/heads/*:refs/tags/*", "refs/tags/*"]),
        (&[], &["refs/heads/t*:refs/heads/one/*", "refs/heads/*:refs/heads/two/*"]),
        (&[], &["main:new", "refs/heads/side/*:refs/heads/*", "topic:one"]),
        (&[], &["main:x", "topic:x"]),
        (&[], &["main", "topic:main"]),
        (&[], &["main:refs/x/y"]),
        (&[], &["main:refs/x"]),
        (&[], &["main:a/b", "main:a.b"]),
        (&[], &["main:", "topic"]),
        (&[], &["main:a:b"]),
        (&[], &["main:a..b"]),
        (&[], &["ma*n"]),
        (&[], &["refs/heads/*:new"]),
        (&[], &["refs/heads/ma*:refs/heads/*/*"]),
        (&[], &["nowhere"]),
        (&[], &["nowhere:new"]),
        (&[], &[""]),
    ];
    let configurations: &[Vec<(String, String)>] = &[
        vec![],
        vec![setting("push.followTags", "true"), setting("push.default", "upstream")],
        vec![
            setting("remote.origin.push", "+refs/heads/*:refs/heads/mine/*"),
            setting("remote.origin.push", "^refs/heads/t*"),
            setting("remote.origin.push", "refs/tags/first"),
        ],
    ];
    let few: &[Vec<(String, String)>] = &[
        vec![setting("remote.origin.push", "refs/heads/main:refs/heads/for/main")],
        vec![setting("remote.origin.push", ":"), setting("push.followTags", "true")],
        vec![setting("remote.origin.push", "HEAD"), setting("remote.origin.push", "+first:new")],
        vec![setting("remote.origin.push", "refs/heads/*:x")],
    ];
    let id = clone.git(&["rev-parse", "main"]);
    let words = [format!("{}:refs/heads/new", id.trim()), id.trim()[..12].to_owned()];
    let words = words.each_ref().map(|word| [word.as_str()]);
    let by_id = words.iter().map(|words| (&[][..], &words[..]));
    let lines: Vec<(&[&str], &[&str])> = lines.iter().copied().chain(by_id).collect();
    let mut differences = String::new();
    for (settings, lines) in configurations
        .iter()
        .map(|settings| (settings, &lines[..]))
        .chain(few.iter().map(|settings| (settings, &lines[..20])))
    {
        for (flags, words) in lines {
            let row = Row { settings: settings.clone(), flags, remote: Some("origin"), words };
            differences.extend(clone.difference(&row));
        }
    }
    assert_data_eq!(differences, str![""].raw());
}

#[test]
fn where_a_plan_is_not_git_s_that_is_meant() {
    let clone = Clone::new();
    let mirror = vec![setting("remote.origin.mirror", "true")];
    let rows: &[(_, &[&str], &[&str])] = &[
        // What is named twice is pushed once.
        (vec![], &[], &["main", "main"]),
        // That something was deleted which was not there would be no truth. git sends it.
        (vec![], &[], &[":refs/heads/none"]),
        // What looks like an option is no name to begin with.
        (vec![], &[], &["main:-x"]),
        // A mirror deletes there what is not here, the service's own references among it.
        (mirror, &[], &[]),
    ];
    let mut differences = String::new();
    for (settings, flags, words) in rows {
        let row = Row { settings: settings.clone(), flags, remote: Some("origin"), words };
        differences.extend(clone.difference(&row));
    }
    assert_data_eq!(differences, str![[r#"
git push origin main main
 git: refused
ours:   refs/heads/main:refs/heads/main
git push origin :refs/heads/none
 git: - :refs/heads/none
ours: the server has no branch or tag called refs/heads/none
git push origin main:-x
 git: * refs/heads/main:refs/heads/-x
ours: main:-x is no refspec
git -c remote.origin.mirror=true push origin
 git:   refs/heads/main:refs/heads/main, * refs/heads/alias:refs/heads/alias, * refs/heads/side/one:refs/heads/side/one, * refs/heads/topic:refs/heads/topic, * refs/heads/twice:refs/heads/twice, * refs/notes/commits:refs/notes/commits, * refs/remotes/fork/main:refs/remotes/fork/main, * refs/remotes/origin/HEAD:refs/remotes/origin/HEAD, * refs/remotes/origin/apart:refs/remotes/origin/apart, * refs/remotes/origin/behind:refs/remotes/origin/behind, * refs/remotes/origin/main:refs/remotes/origin/main, * refs/remotes/origin/other:refs/remotes/origin/other, * refs/remotes/origin/same:refs/remotes/origin/same, * refs/tags/aside:refs/tags/aside, * refs/tags/first:refs/tags/first, * refs/tags/light:refs/tags/light, * refs/tags/second:refs/tags/second, * refs/tags/twice:refs/tags/twice, + refs/heads/apart:refs/heads/apart, + refs/heads/behind:refs/heads/behind, + refs/tags/moved:refs/tags/moved, - :refs/heads/other, - :refs/pull/1/head, = refs/heads/same:refs/heads/same, = refs/tags/there:refs/tags/there
ours: origin is a mirror: a push would delete there what is not here

"#]].raw());
}

/// What a run said on stderr, without what the server says of each push.
fn said(output: &sandbox::Output) -> String {
    let lines = output.stderr.lines().filter(|line| !line.starts_with("remote: "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Keys and values.
type Set<'a> = &'a [(&'a str, &'a str)];

/// Settings of `git -c`, which libgit2 does not see.
fn set(sandbox: &Sandbox, settings: Set<'_>) {
    let quoted = settings.iter().map(|(key, value)| format!("'{key}={value}'"));
    sandbox.set("GIT_CONFIG_PARAMETERS", &quoted.collect::<Vec<_>>().join(" "));
}

#[test]
fn the_remote_is_git_s_as_long_as_it_is_at_azure_devops() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["remote", "add", "second", &sandbox.url("contoso/shop/_git/api")]);
    let _ = sandbox.git(["remote", "add", "hub", "https://github.com/ada/web"]);
    sandbox.contoso().repository("shop", "api");
    let web = sandbox.url("contoso/shop/_git/web");
    let rows: &[Set<'_>] = &[
        &[],
        &[("remote.pushDefault", "second")],
        &[("branch.main.remote", "second")],
        &[("branch.main.pushRemote", "origin"), ("remote.pushDefault", "second")],
        &[("branch.main.pushRemote", "hub"), ("remote.pushDefault", "second")],
        &[("branch.main.remote", "origin"), ("remote.pushDefault", "hub")],
        &[("branch.main.remote", "gone"), ("remote.pushDefault", "second")],
        &[("branch.main.remote", "."), ("remote.pushDefault", "second")],
        &[("remote.pushDefault", "gone"), ("branch.main.remote", "second")],
        &[("branch.main.pushRemote", "https://github.com/x"), ("branch.main.remote", "second")],
        &[("remote.pushDefault", &web), ("branch.main.remote", "second")],
        &[("remote.pushDefault", "hub")],
        &[
            ("remote.pushDefault", "hub"),
            ("remote.hub.pushurl", "https://github.com/x"),
            ("remote.hub.pushurl", &web),
        ],
    ];
    let mut shown = String::new();
    for settings in rows {
        set(&sandbox, settings);
        let output = sandbox.run(["push", "--dry-run"]);
        for (key, value) in *settings {
            shown.push_str(&format!("{key} {}\n", value.replace(&web, "https://azure/web")));
        }
        shown.push_str(&format!("{}\n[{}]\n", said(&output), output.status));
    }
    assert_data_eq!(shown, str![[r#"
error: several remotes are at Azure DevOps: origin, second
hint: name one: `git vsts push origin`
[2]
remote.pushDefault second
main → second/main (new, dry run)
[0]
branch.main.remote second
main → second/main (new, dry run)
[0]
branch.main.pushRemote origin
remote.pushDefault second
main → origin/main (new, dry run)
[0]
branch.main.pushRemote hub
remote.pushDefault second
main → second/main (new, dry run)
[0]
branch.main.remote origin
remote.pushDefault hub
main → origin/main (new, dry run)
[0]
branch.main.remote gone
remote.pushDefault second
main → second/main (new, dry run)
[0]
branch.main.remote .
remote.pushDefault second
main → second/main (new, dry run)
[0]
remote.pushDefault gone
branch.main.remote second
error: remote.pushDefault names the remote gone, which is not there
hint: name the one that you mean: `git vsts push REMOTE`
[2]
branch.main.pushRemote https://github.com/x
branch.main.remote second
main → second/main (new, dry run)
[0]
remote.pushDefault https://azure/web
branch.main.remote second
error: remote.pushDefault must name a remote for `git vsts push`, and is the URL https://azure/contoso/shop/_git/web
hint: `git vsts remote-add NAME https://azure/contoso/shop/_git/web` adds it
[2]
remote.pushDefault hub
error: several remotes are at Azure DevOps: origin, second
hint: name one: `git vsts push origin`
[2]
remote.pushDefault hub
remote.hub.pushurl https://github.com/x
remote.hub.pushurl https://azure/web
error: a push to hub goes to several URLs: https://github.com/x, https://azure/contoso/shop/_git/web
hint: `git push hub` pushes to each of them; `git vsts push` needs a remote with one
[2]

"#]].raw());
}

#[test]
fn the_address_is_the_one_that_git_would_arrive_at() {
    let sandbox = Sandbox::connected();
    sandbox.contoso().repository("shop", "api");
    let (base, api) = (sandbox.url(""), sandbox.url("contoso/shop/_git/api"));
    let shop = sandbox.url("contoso/shop/_git/");
    let evil = ("url.https://evil.example/.insteadOf", base.as_str());
    let instead = format!("url.{api}.insteadOf");
    let twice = format!("url.{shop}more/.insteadOf");
    let push_instead = format!("url.{api}.pushInsteadOf");
    let web = sandbox.url("contoso/shop/_git/web");
    let rows: &[(&str, Set<'_>)] = &[
        ("origin", &[evil]),
        ("origin", &[("url.https://evil.example/.pushInsteadOf", &base)]),
        ("origin", &[("remote.origin.pushurl", "https://evil.example/x")]),
        ("origin", &[(&instead, &web)]),
        ("origin", &[(&push_instead, &web)]),
        // A push URL is not rewritten by what is for a push alone.
        ("origin", &[(&push_instead, &web), ("remote.origin.pushurl", &web)]),
        ("origin", &[("remote.origin.pushurl", &api), ("remote.origin.pushurl", &web)]),
        (
            "origin",
            &[("remote.origin.pushurl", "https://github.com/x"), ("remote.origin.pushurl", &web)],
        ),
        ("origin", &[("remote.origin.pushurl", &api), ("remote.origin.pushurl", &api)]),
        ("origin", &[("remote.origin.url", &api)]),
        // An empty one takes back those before it.
        ("origin", &[("remote.origin.url", ""), ("remote.origin.url", &api)]),
        ("mine", &[("remote.mine.url", &api)]),
        ("mine", &[("remote.mine.pushurl", &api)]),
        ("mine", &[("remote.mine.url", "az:api"), (&format!("url.{shop}.insteadOf"), "az:")]),
        // What was rewritten is not rewritten again.
        (
            "mine",
            &[
                ("remote.mine.url", "az:api"),
                (&format!("url.{shop}.insteadOf"), "az:"),
                (&twice, &shop),
            ],
        ),
        ("-x", &[("remote.-x.url", &api)]),
        ("old", &[]),
        ("older", &[]),
    ];
    sandbox.write(".git/remotes/old", &format!("URL: {api}\nPush: HEAD:refs/heads/here\n"));
    sandbox.write(".git/branches/older", &format!("{api}#there\n"));
    let mut shown = String::new();
    for (remote, settings) in rows {
        set(&sandbox, settings);
        let output = sandbox.run(["push", "--no-set-upstream", "--", remote]);
        shown.push_str(&format!("$ git vsts push {remote}\n"));
        shown.push_str(&format!("{}{}\n", output.stdout, said(&output)));
        for repository in ["web", "api"] {
            let there =
                sandbox.server("shop", repository, &["for-each-ref", "--format=%(refname)"]);
            for name in there.lines() {
                shown.push_str(&format!("{repository} has {name}\n"));
                let _ = sandbox.server("shop", repository, &["update-ref", "-d", name]);
            }
        }
        // It is where git's own goes, wherever that is named.
        let of_git = sandbox.plain_git(["remote", "get-url", "--push", "--all", remote]).stdout;
        for url in of_git.lines().filter(|_| *remote != "-x") {
            assert!(output.to_string().contains(url), "{url}\n{output}");
        }
        if sandbox.requests().is_empty() {
            shown.push_str("No request was made\n");
        }
        sandbox.azure.clear_requests();
    }
    assert_data_eq!(shown, str![[r#"
$ git vsts push origin
error: origin is not at Azure DevOps: https://evil.example/contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
No request was made
$ git vsts push origin
error: origin is not at Azure DevOps: https://evil.example/contoso/shop/_git/web
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
No request was made
$ git vsts push origin
error: origin is not at Azure DevOps: https://evil.example/x
hint: `git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it
No request was made
$ git vsts push origin
https://azure/contoso/shop/_git/api
main → origin/main (new)
api has refs/heads/main
$ git vsts push origin
https://azure/contoso/shop/_git/api
main → origin/main (new)
api has refs/heads/main
$ git vsts push origin
https://azure/contoso/shop/_git/web
main → origin/main (new)
web has refs/heads/main
$ git vsts push origin
error: a push to origin goes to several URLs: https://azure/contoso/shop/_git/api, https://azure/contoso/shop/_git/web
hint: `git push origin` pushes to each of them; `git vsts push` needs a remote with one
No request was made
$ git vsts push origin
error: a push to origin goes to several URLs: https://github.com/x, https://azure/contoso/shop/_git/web
hint: `git push origin` pushes to each of them; `git vsts push` needs a remote with one
No request was made
$ git vsts push origin
https://azure/contoso/shop/_git/api
main → origin/main (new)
api has refs/heads/main
$ git vsts push origin
error: a push to origin goes to several URLs: https://azure/contoso/shop/_git/web, https://azure/contoso/shop/_git/api
hint: `git push origin` pushes to each of them; `git vsts push` needs a remote with one
No request was made
$ git vsts push origin
https://azure/contoso/shop/_git/api
main → origin/main (new)
api has refs/heads/main
$ git vsts push mine
https://azure/contoso/shop/_git/api
main → mine/main (new)
api has refs/heads/main
$ git vsts push mine
https://azure/contoso/shop/_git/api
main → mine/main (new)
api has refs/heads/main
$ git vsts push mine
https://azure/contoso/shop/_git/api
main → mine/main (new)
api has refs/heads/main
$ git vsts push mine
https://azure/contoso/shop/_git/api
main → mine/main (new)
api has refs/heads/main
$ git vsts push -x
error: there is no remote -x
hint: there is old, older, origin
No request was made
$ git vsts push old
https://azure/contoso/shop/_git/api
main → old/here (new)
api has refs/heads/here
$ git vsts push older
https://azure/contoso/shop/_git/api
main → older/there (new)
api has refs/heads/there

"#]].raw());
}

#[test]
fn what_is_known_of_the_server_is_noted_as_git_would() {
    let sandbox = Sandbox::connected();
    for branch in ["gone", "forced", "apart", "odd/one"] {
        let _ = sandbox.git(["branch", branch]);
    }
    let _ = sandbox.git(["tag", "v1"]);
    let names = ["main", "gone", "forced", "apart", "odd/one", "v1"];
    assert_eq!(sandbox.run([&["push", "origin"], &names[..]].concat()).status, 0);
    let known = |sandbox: &Sandbox| {
        let format = "--format=%(refname) %(contents:subject)";
        sandbox.git(["for-each-ref", format, "refs/remotes", "refs/kept", "refs/tags"])
    };
    assert_data_eq!(
        known(&sandbox),
        str![[r#"
refs/remotes/origin/apart One
refs/remotes/origin/forced One
refs/remotes/origin/gone One
refs/remotes/origin/main One
refs/remotes/origin/odd/one One
refs/tags/v1 One
"#]]
        .raw()
    );

    // A refused one, one that is not there any more, one that went on, one moved elsewhere.
    let _ = sandbox.git(["checkout", "--quiet", "-B", "forced", "main"]);
    let _ = sandbox.git(["commit", "--quiet", "--amend", "--message=Amended"]);
    let _ = sandbox.git(["branch", "--force", "apart", "forced"]);
    let _ = sandbox.git(["switch", "--quiet", "main"]);
    sandbox.commit("file", "two\n", "Two");
    let refspecs = ["main", "+forced", ":gone", "apart"];
    let dry = sandbox.run([&["push", "--dry-run", "origin"], &refspecs[..]].concat());
    assert_eq!(dry.status, 1, "{dry}");
    assert_data_eq!(
        known(&sandbox),
        str![[r#"
refs/remotes/origin/apart One
refs/remotes/origin/forced One
refs/remotes/origin/gone One
refs/remotes/origin/main One
refs/remotes/origin/odd/one One
refs/tags/v1 One
"#]]
        .raw()
    );
    let output = sandbox.run([&["push", "origin"], &refspecs[..]].concat());
    assert_data_eq!(
        said(&output),
        str![[r#"
main → origin/main
forced → origin/forced (forced)
origin/gone (deleted)
error: apart and the server's have no commit in common
hint: put yours on top of it, `git pull --rebase origin apart`, or push to another branch
"#]]
        .raw()
    );
    assert_data_eq!(
        known(&sandbox),
        str![[r#"
refs/remotes/origin/apart One
refs/remotes/origin/forced Amended
refs/remotes/origin/main Two
refs/remotes/origin/odd/one One
refs/tags/v1 One
"#]]
        .raw()
    );
    // git has nothing to add to it.
    let before = known(&sandbox);
    let _ = sandbox.git(["fetch", "--quiet", "origin"]);
    assert_eq!(known(&sandbox), before);
    assert_eq!(sandbox.git(["reflog", "-1", "--format=%gs", "origin/main"]), "update by push");

    // Only what a fetch would bring, and to where it would bring it.
    set(
        &sandbox,
        &[
            ("remote.mine.url", &sandbox.url("contoso/shop/_git/web")),
            ("remote.mine.fetch", "+refs/heads/odd/*:refs/kept/*"),
        ],
    );
    assert_eq!(sandbox.run(["push", "mine", "main", "odd/one", "main:odd/two"]).status, 0);
    assert_data_eq!(
        known(&sandbox),
        str![[r#"
refs/kept/one One
refs/kept/two Two
refs/remotes/origin/apart One
refs/remotes/origin/forced Amended
refs/remotes/origin/main Two
refs/remotes/origin/odd/one One
refs/tags/v1 One
"#]]
        .raw()
    );

    // It is done all the same.
    sandbox.write(".git/refs/kept/two.lock", "");
    let _ = sandbox.git(["branch", "--quiet", "--force", "odd/one", "main"]);
    let output = sandbox.run([
        "push",
        "--force-with-lease",
        "mine",
        "odd/one",
        "odd/one:odd/three",
        "v1:odd/two",
    ]);
    assert_data_eq!(
        format!("{}\n{}\n[{}]\n", said(&output), known(&sandbox), output.status),
        str![[r#"
warning: what mine has now was not noted here: refs/kept/two can't be changed: failed to lock file '/work/.git/refs/kept/two.lock' for writing
odd/one → mine/odd/one
odd/one → mine/odd/three (new)
v1 → mine/odd/two (forced)
Make a pull request for odd/three: https://azure/contoso/shop/_git/web/pullrequestcreate?sourceRef=odd%2Fthree
refs/kept/one Two
refs/kept/three Two
refs/kept/two Two
refs/remotes/origin/apart One
refs/remotes/origin/forced Amended
refs/remotes/origin/main Two
refs/remotes/origin/odd/one One
refs/tags/v1 One
[0]

"#]].raw()
    );
}

#[test]
fn tags_go_along_where_that_is_set() {
    let sandbox = Sandbox::connected();
    let _ = sandbox.git(["tag", "--annotate", "--message=One", "v1"]);
    let _ = sandbox.git(["tag", "light"]);
    let _ = sandbox.git(["config", "push.followTags", "true"]);
    sandbox.commit("file", "two\n", "Two");
    let output = sandbox.run(["push", "origin", "main~1:refs/heads/main"]);
    assert_data_eq!(
        said(&output),
        str![[r#"
main~1 → origin/main (new)
v1 → origin/v1 (new)
"#]]
        .raw()
    );
    let _ = sandbox.git(["tag", "--annotate", "--message=Two", "v2"]);
    assert_data_eq!(
        said(&sandbox.run(["push"])),
        str![[r#"
main → origin/main
v2 → origin/v2 (new)
"#]]
        .raw()
    );
    assert_data_eq!(said(&sandbox.run(["push"])), str!["main → origin/main (up to date)"].raw());
    let _ = sandbox.git(["config", "push.followTags", "perhaps"]);
    assert_data_eq!(
        sandbox.run(["push"]).to_string(),
        str![[r#"
--- stderr
error: the value of push.followtags is not a boolean
hint: look at `git config --list --show-origin`
[exit 1]

"#]]
        .raw()
    );
}

#[test]
fn what_can_t_be_planned_is_said_with_what_helps() {
    let sandbox = Sandbox::connected();
    let rows: &[(Set<'_>, &[&str])] = &[
        (&[("push.default", "sometimes")], &["push"]),
        (&[("push.default", "matching")], &["push"]),
        (&[("remote.origin.push", "main:a..b")], &["push"]),
        (&[("remote.origin.mirror", "true")], &["push"]),
        (
            &[
                ("branch.main.remote", "origin"),
                ("branch.main.merge", "refs/heads/a"),
                ("branch.main.merge", "refs/heads/b"),
            ],
            &["push"],
        ),
        (&[("push.default", "upstream")], &["push"]),
        (&[], &["push", "--", "origin", "refs/heads/x*"]),
        (&[], &["push", "--", "origin", "heads/many"]),
        (&[], &["push", "--", "origin", "tag"]),
        (&[], &["push", "--", "origin", "HEAD^{tree}:x"]),
        (&[], &["push", "--", "origin", "HEAD:refs/heads/release"]),
        (&[], &["push", "--", "origin", "HEAD^{tree}:release"]),
    ];
    let _ = sandbox.git(["branch", "many"]);
    let _ = sandbox.git(["branch", "heads/many"]);
    let mut shown = String::new();
    for (settings, arguments) in rows {
        set(&sandbox, settings);
        for (key, value) in *settings {
            shown.push_str(&format!("{key} {value}\n"));
        }
        shown.push_str(&format!("$ git vsts {}\n{}", arguments.join(" "), sandbox.run(*arguments)));
    }
    assert_data_eq!(
        shown,
        str![[r#"
push.default sometimes
$ git vsts push
--- stderr
error: push.default is "sometimes", which git does not know
hint: it is `simple`, `current`, `upstream`, `matching` or `nothing`
[exit 2]
push.default matching
$ git vsts push
--- stderr
error: the server has none of the branches here, and only those of both sides are pushed
hint: name one that is new there: `git vsts push origin BRANCH`
[exit 1]
remote.origin.push main:a..b
$ git vsts push
--- stderr
error: remote.origin.push is main:a..b, which is no refspec
hint: see where it stands: `git config --show-origin --get-all remote.origin.push`
[exit 2]
remote.origin.mirror true
$ git vsts push
--- stderr
error: origin is a mirror: a push would delete there what is not here
hint: `git push origin` does it; if that is not meant: `git config --unset remote.origin.mirror`
[exit 2]
branch.main.remote origin
branch.main.merge refs/heads/a
branch.main.merge refs/heads/b
$ git vsts push
--- stderr
error: main follows several branches
hint: name what to push: `git vsts push origin BRANCH`
[exit 2]
push.default upstream
$ git vsts push
--- stderr
error: main follows no branch of that remote
hint: name what to push: `git vsts push origin BRANCH`
[exit 2]
$ git vsts push -- origin refs/heads/x*
--- stderr
error: nothing here matches refs/heads/x*
hint: a pattern is for whole names, `refs/heads/*`; `git for-each-ref` lists them
[exit 1]
$ git vsts push -- origin heads/many
--- stderr
error: several references here can be meant by heads/many
hint: name it in full; `git for-each-ref` lists them
[exit 2]
$ git vsts push -- origin tag
--- stderr
error: tag is no refspec
hint: a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete
[exit 2]
$ git vsts push -- origin HEAD^{tree}:x
--- stderr
error: it can't be told whether x is to be a branch or a tag there
hint: name it in full: refs/heads/x or refs/tags/x
[exit 2]
$ git vsts push -- origin HEAD:refs/heads/release
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
remote: Analyzing objects... (3/3) (5 ms)
remote: Storing packfile... done (62 ms)
remote: Storing index... done (53 ms)
main → origin/release (new)
[exit 0]
$ git vsts push -- origin HEAD^{tree}:release
--- stdout
https://azure/contoso/shop/_git/web
--- stderr
error: release was not pushed: what it is at the server, or what it would be, is no commit
[exit 1]

"#]]
        .raw()
    );
}
