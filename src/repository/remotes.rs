//! The remotes and branches of a repository as git has them.
//!
//! libgit2 sees those of files that it can read alone, and one push URL of each. git's are all that
//! its configuration names, `git -c` and every include of it, and what lies in `.git/remotes`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::Repository;
use super::refspec::is_name;
use crate::configuration::{Configuration, Trust};

/// A remote as git has it (git-config(1), `remote.<name>.*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// Where a push to it goes: `pushurl` or `url`, after `url.*.pushInsteadOf` and `insteadOf`.
    pub push_url: String,
    /// Where git's push goes besides, one after the other.
    pub further_push_urls: Vec<String>,
    /// Where a fetch from it goes, after `url.*.insteadOf`.
    pub url: String,
    /// The refspecs of a push that names none.
    pub push: Vec<String>,
    /// The refspecs of a fetch, which say what is known here of the references there.
    pub fetch: Vec<String>,
    /// A push to it makes it a copy of all that is here, and deletes what is not.
    pub mirror: bool,
}

impl Remote {
    /// Every URL that git's push goes to.
    pub fn push_urls(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.push_url).chain(&self.further_push_urls).map(String::as_str)
    }
}

/// A branch as git has it (git-config(1), `branch.<name>.*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branch {
    /// The remote of what it follows; `.` is this repository.
    pub remote: Option<String>,
    /// The remote of a push, where that is another.
    pub push_remote: Option<String>,
    /// The references that it follows there.
    pub merges: Vec<String>,
}

/// The remotes and branches of a repository, as git's configuration names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remotes {
    /// In the order of their names.
    all: Vec<Remote>,
    /// The names in the configuration, of what has no URL too.
    configured: Vec<String>,
    branches: BTreeMap<String, Branch>,
    push_default: Option<String>,
}

impl Repository {
    /// The remotes and branches here, by a configuration of it.
    pub fn remotes(&self, configuration: &Configuration) -> Remotes {
        Remotes::read(configuration, self.inner.commondir())
    }
}

impl Remotes {
    /// Reads what the configuration says, and what lies in the repository's folder from before
    /// there was one (gitrepository-layout(5), `remotes` and `branches`).
    pub fn read(configuration: &Configuration, folder: &Path) -> Self {
        let rewrites = Rewrites::read(configuration, "insteadof");
        let push_rewrites = Rewrites::read(configuration, "pushinsteadof");
        let mut raw: BTreeMap<String, Raw> = BTreeMap::new();
        let variables = configuration.subsections("remote");
        // git passes over a name that begins so, with a warning.
        for (name, variable, value) in variables.filter(|(name, ..)| !name.starts_with('/')) {
            raw.entry(name.to_owned()).or_default().take(variable, value.unwrap_or_default());
        }
        let configured: Vec<String> = raw.keys().cloned().collect();
        raw.retain(|name, remote| remote.has_url(name));
        for (name, remote) in legacy(configuration, folder) {
            raw.entry(name).or_insert(remote);
        }
        // git makes none that is called otherwise. Names are given to git and to hooks, where one
        // with a dash would be an option (CVE-2017-1000117 and its like).
        raw.retain(|name, _| !name.starts_with('-') && !name.contains('*') && is_name(name));
        let finish = |(name, raw): (String, Raw)| {
            let key = format!("remote.{name}.mirror");
            // What can't be read may have been meant, and git would end there.
            let mirror = configuration.boolean(&key, Trust::Everyone).unwrap_or(Some(true));
            let remote = raw.finish(name, &rewrites, &push_rewrites)?;
            Some(Remote { mirror: mirror.unwrap_or_default(), ..remote })
        };
        Self {
            all: raw.into_iter().filter_map(finish).collect(),
            configured,
            branches: branches(configuration),
            push_default: configuration.get("remote.pushDefault").map(str::to_owned),
        }
    }

    /// The remotes, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Remote> {
        self.all.iter()
    }

    /// The remote of this name.
    pub fn get(&self, name: &str) -> Option<&Remote> {
        self.all.iter().find(|remote| remote.name == name)
    }

    /// What is said of a branch.
    pub fn branch(&self, name: &str) -> Option<&Branch> {
        self.branches.get(name)
    }

    /// Which settings name a remote to push to without one, each with what it names, the first one
    /// first (git-config(1), `branch.<name>.pushRemote`).
    pub fn chosen(&self, branch: Option<&str>) -> Vec<(String, &str)> {
        let named = branch.and_then(|name| Some((name, self.branch(name)?)));
        let key = |variable: &str| format!("branch.{}.{variable}", branch.unwrap_or_default());
        let push_remote = named.and_then(|(_, branch)| branch.push_remote.as_deref());
        let remote = named.and_then(|(_, branch)| branch.remote.as_deref());
        [
            (key("pushRemote"), push_remote),
            ("remote.pushDefault".to_owned(), self.push_default.as_deref()),
            (key("remote"), remote),
        ]
        .into_iter()
        .filter_map(|(key, name)| Some((key, name?)))
        .collect()
    }

    /// The remote of what a branch follows, or would: the one that it names, the only one, or
    /// `origin`. `pushed` is the one that is pushed to, which git counts too where only a file of
    /// its own names it.
    pub(super) fn followed<'r>(&'r self, branch: &str, pushed: &'r str) -> &'r str {
        if let Some(remote) = self.branch(branch).and_then(|branch| branch.remote.as_deref()) {
            return remote;
        }
        match self.configured.as_slice() {
            [] => pushed,
            [only] if only == pushed => only,
            _ => "origin",
        }
    }

    /// The references that a branch follows. Without a remote they say nothing.
    pub(super) fn merges(&self, branch: &str) -> &[String] {
        let branch = self.branch(branch).filter(|branch| branch.remote.is_some());
        branch.map_or(&[], |branch| &branch.merges)
    }
}

fn branches(configuration: &Configuration) -> BTreeMap<String, Branch> {
    let mut branches: BTreeMap<String, Branch> = BTreeMap::new();
    for (name, variable, value) in configuration.subsections("branch") {
        let value = value.unwrap_or_default().to_owned();
        let branch = branches.entry(name.to_owned()).or_default();
        match variable {
            "remote" => branch.remote = Some(value),
            "pushremote" => branch.push_remote = Some(value),
            "merge" => branch.merges.push(value),
            _ => {}
        }
    }
    branches
}

/// A remote as it is written down.
#[derive(Default)]
struct Raw {
    urls: Vec<String>,
    push_urls: Vec<String>,
    push: Vec<String>,
    fetch: Vec<String>,
}

impl Raw {
    fn take(&mut self, variable: &str, value: &str) {
        let (list, is_url) = match variable {
            "url" => (&mut self.urls, true),
            "pushurl" => (&mut self.push_urls, true),
            "push" => (&mut self.push, false),
            "fetch" => (&mut self.fetch, false),
            _ => return,
        };
        // An empty URL takes back those before it.
        match value.is_empty() && is_url {
            true => list.clear(),
            false => list.push(value.to_owned()),
        }
    }

    /// Whether it leads anywhere. git takes the name for the URL where it only knows where to push.
    fn has_url(&mut self, name: &str) -> bool {
        if self.urls.is_empty() && !self.push_urls.is_empty() {
            self.urls.push(name.to_owned());
        }
        !self.urls.is_empty()
    }

    /// git's `alias_all_urls`: a push URL is rewritten as a URL is; where there is none, those URLs
    /// that are rewritten for a push are the ones, if there are any.
    fn finish(self, name: String, rewrites: &Rewrites, push_rewrites: &Rewrites) -> Option<Remote> {
        let rewritten = |url: &String| rewrites.apply(url).unwrap_or_else(|| url.clone());
        let urls: Vec<String> = self.urls.iter().map(rewritten).collect();
        let mut push_urls: Vec<String> = match self.push_urls.is_empty() {
            true => self.urls.iter().filter_map(|url| push_rewrites.apply(url)).collect(),
            false => self.push_urls.iter().map(rewritten).collect(),
        };
        if push_urls.is_empty() {
            push_urls.clone_from(&urls);
        }
        let mut all: Vec<String> = Vec::new();
        for url in push_urls {
            // The second push to the same place has nothing to do.
            if !all.contains(&url) {
                all.push(url);
            }
        }
        let mut push_urls = all.into_iter();
        Some(Remote {
            name,
            push_url: push_urls.next()?,
            further_push_urls: push_urls.collect(),
            url: urls.into_iter().next()?,
            push: self.push,
            fetch: self.fetch,
            mirror: false,
        })
    }
}

/// `url.<base>.insteadOf` or `pushInsteadOf`: bases with the beginnings that they replace, in the
/// order in which git first meets each base.
struct Rewrites(Vec<(String, Vec<String>)>);

impl Rewrites {
    fn read(configuration: &Configuration, which: &str) -> Self {
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        let variables = configuration.subsections("url");
        for (base, _, value) in variables.filter(|(_, variable, _)| *variable == which) {
            let beginning = value.unwrap_or_default().to_owned();
            match all.iter_mut().find(|(met, _)| met == base) {
                Some((_, beginnings)) => beginnings.push(beginning),
                None => all.push((base.to_owned(), vec![beginning])),
            }
        }
        Self(all)
    }

    /// The URL with the longest of the beginnings replaced, once; the first of several.
    fn apply(&self, url: &str) -> Option<String> {
        let mut longest: Option<(&str, &str)> = None;
        for (base, beginnings) in &self.0 {
            for beginning in beginnings.iter().filter(|beginning| url.starts_with(*beginning)) {
                if longest.is_none_or(|(_, met)| met.len() < beginning.len()) {
                    longest = Some((base, beginning));
                }
            }
        }
        longest.map(|(base, beginning)| format!("{base}{}", &url[beginning.len()..]))
    }
}

/// The remotes of the two older forms.
fn legacy(configuration: &Configuration, folder: &Path) -> Vec<(String, Raw)> {
    let mut found = Vec::new();
    for (name, text) in files(&folder.join("remotes")) {
        let mut raw = Raw::default();
        for line in text.lines().map(str::trim_end) {
            for (word, variable) in [("URL:", "url"), ("Push:", "push"), ("Pull:", "fetch")] {
                if let Some(value) = line.strip_prefix(word) {
                    raw.take(variable, value.trim_start());
                }
            }
        }
        found.push((name, raw));
    }
    for (name, text) in files(&folder.join("branches")) {
        let Some(line) = text.lines().next().map(str::trim).filter(|line| !line.is_empty()) else {
            continue;
        };
        let default = || configuration.get("init.defaultBranch").unwrap_or("master");
        let (url, branch) = line.split_once('#').unwrap_or_else(|| (line, default()));
        let raw = Raw {
            urls: vec![url.to_owned()],
            push: vec![format!("HEAD:refs/heads/{branch}")],
            fetch: vec![format!("refs/heads/{branch}:refs/heads/{name}")],
            push_urls: Vec::new(),
        };
        found.push((name, raw));
    }
    found.retain(|(_, raw)| !raw.urls.is_empty());
    found
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let bytes = fs::read(entry.path()).ok()?;
            Some((name, String::from_utf8_lossy(&bytes).into_owned()))
        })
        .collect()
}
