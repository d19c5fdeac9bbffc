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
        Kind::TagExists | Kind::Stale => '!',
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
        let upstreams = if head.is_empty() { &upstreams[..1] } else { upstreams };
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
