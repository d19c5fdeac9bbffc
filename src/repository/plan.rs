//! What a push would change: refspecs against what is here and what the server has.

use git2::{ObjectType, Oid};
use thiserror::Error;

use super::advertisement::Advertised;
use super::{Head, Repository};
use crate::text::visible;

/// What was asked for on the command line.
#[derive(Clone, Debug, Default)]
pub struct Refspecs {
    /// Refspecs as git-push(1) has them: `[+]SOURCE[:DESTINATION]`, `:DESTINATION`.
    pub named: Vec<String>,
    /// Every branch.
    pub all: bool,
    /// Every tag, beside what is named.
    pub tags: bool,
    /// What is named is to be deleted at the server.
    pub delete: bool,
    /// Refused for no history that would be lost.
    pub force: bool,
    /// `push.default`, for a push that names nothing.
    pub default: Option<String>,
}

/// What happens to a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is new there.
    New,
    /// It moves on.
    FastForward,
    /// It moves elsewhere, and commits may be lost.
    Forced,
    /// It goes.
    Deleted,
    /// Nothing: it is there already.
    UpToDate,
    /// Refused here: the server's is ahead of ours.
    Behind,
    /// Refused here: both went on from a common commit.
    Diverged,
    /// Refused here: they have no commit in common.
    Unrelated,
    /// Refused here: the server has commits that are not here.
    Unseen {
        /// Nothing was ever fetched from that reference, so it may have begun on its own.
        never_fetched: bool,
    },
    /// Refused here: a tag of this name is there already.
    TagExists,
    /// Refused here: the server has not what it was said to have.
    Stale,
}

impl Kind {
    /// Whether it is to be sent.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::New | Self::FastForward | Self::Forced | Self::Deleted)
    }
}

/// One reference of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What is pushed, in full where it is a reference; none deletes.
    pub source: Option<String>,
    /// The same as git tells it to a hook (githooks(5)): `HEAD` stays `HEAD`.
    pub named: Option<String>,
    /// What the reference shall be; zero deletes.
    pub new: Oid,
    /// The reference at the server, in full.
    pub reference: String,
    /// What it is at the server; zero if it is not there.
    pub old: Oid,
    /// What that comes to.
    pub kind: Kind,
}

impl Update {
    /// Whether something is to be different at the server.
    pub fn is_change(&self) -> bool {
        self.kind != Kind::UpToDate
    }
}

/// Why it can't be told what to push.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// There is no commit on the branch.
    #[error("{0} has no commit yet")]
    Unborn(String),
    /// There is no branch whose name could be used.
    #[error("no branch is checked out: HEAD is detached")]
    Detached,
    /// Nothing here is called so.
    #[error("nothing here is called {0}")]
    NoSource(String),
    /// Both a branch and a tag are called so.
    #[error("{0} is the name of a branch and of a tag")]
    Ambiguous(String),
    /// It is not at the server, so it can't be deleted.
    #[error("the server has no branch or tag called {0}")]
    NoDestination(String),
    /// It is no branch and no tag, so it has no name at the server.
    #[error("{0} is no branch or tag, and has no name at the server")]
    NoName(String),
    /// A name without `refs/` that could be a branch or a tag.
    #[error("it can't be told whether {0} is to be a branch or a tag there")]
    NoKind(String),
    /// It is no refspec.
    #[error("{0} is no refspec")]
    Malformed(String),
    /// Two refspecs lead to one reference.
    #[error("{0} is named twice")]
    Twice(String),
    /// The branch follows one of another name, and `push.default` is `simple`.
    #[error("{branch} follows {upstream}, which has another name")]
    OtherName {
        /// The branch here.
        branch: String,
        /// What it follows.
        upstream: String,
    },
    /// `push.default` is `upstream`, and the branch follows none there.
    #[error("{0} follows no branch of that remote")]
    NoUpstream(String),
    /// `push.default` is `nothing`.
    #[error("push.default is \"nothing\", and no refspec is named")]
    NothingByDefault,
    /// There is nothing here that could be pushed.
    #[error("there is nothing to push")]
    Nothing,
    /// The repository can't be read.
    #[error("the repository can't be read: {0}")]
    Unreadable(String),
}

impl From<git2::Error> for Error {
    fn from(error: git2::Error) -> Self {
        Self::Unreadable(visible(error.message()))
    }
}

impl Repository {
    /// Finds out what a push to `remote` (its name, if it has one) would change.
    ///
    /// # Errors
    /// [`enum@Error`]; a reference that must not be pushed as it is is no error but a [`Kind`].
    pub fn plan(
        &self,
        refspecs: &Refspecs,
        remote: Option<&str>,
        advertised: &Advertised,
    ) -> Result<Vec<Update>, Error> {
        let mut updates = Vec::new();
        for refspec in self.expand(refspecs, remote, advertised)? {
            let update = self.update(&refspec, remote, advertised)?;
            match updates.iter().find(|met: &&Update| met.reference == update.reference) {
                // A tag that is named, with `--tags` beside it.
                Some(met) if met.new == update.new => {}
                Some(_) => return Err(Error::Twice(visible(&update.reference))),
                None => updates.push(update),
            }
        }
        match updates.is_empty() {
            true => Err(Error::Nothing),
            false => Ok(updates),
        }
    }

    /// Checks what can be checked of the refspecs before any server is asked.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn check_sources(&self, refspecs: &Refspecs, remote: Option<&str>) -> Result<(), Error> {
        if refspecs.delete {
            return refspecs.named.iter().try_for_each(|name| Refspec::delete(name).map(drop));
        }
        for refspec in Refspec::all(&refspecs.named)? {
            if let Some(source) = &refspec.source {
                self.source(source)?;
            }
        }
        if refspecs.named.is_empty() && !refspecs.all && !refspecs.tags {
            self.by_default(refspecs, remote, &Advertised::new()).map(drop)?;
        }
        Ok(())
    }

    fn expand(
        &self,
        refspecs: &Refspecs,
        remote: Option<&str>,
        advertised: &Advertised,
    ) -> Result<Vec<Refspec>, Error> {
        let mut expanded = Vec::new();
        match refspecs.delete {
            true => {
                for name in &refspecs.named {
                    expanded.push(Refspec::delete(name)?);
                }
            }
            false => expanded.extend(Refspec::all(&refspecs.named)?),
        }
        if refspecs.all {
            expanded.extend(self.branches()?.into_iter().map(|(name, _)| Refspec::same(name)));
        }
        if refspecs.tags {
            expanded.extend(
                self.named("refs/tags/*")?.into_iter().map(|(name, _)| Refspec::same(name)),
            );
        }
        if refspecs.named.is_empty() && !refspecs.all && !refspecs.tags {
            expanded = self.by_default(refspecs, remote, advertised)?;
        }
        for refspec in &mut expanded {
            refspec.force |= refspecs.force;
        }
        Ok(expanded)
    }

    /// What `push.default` names (git-config(1)).
    fn by_default(
        &self,
        refspecs: &Refspecs,
        remote: Option<&str>,
        advertised: &Advertised,
    ) -> Result<Vec<Refspec>, Error> {
        let configuration = self.inner.config()?.snapshot()?;
        let default = refspecs.default.as_deref().unwrap_or_default();
        match default {
            "nothing" => return Err(Error::NothingByDefault),
            "matching" => {
                let branches = self.branches()?.into_iter();
                let matching = branches.filter(|(name, _)| advertised.contains_key(name));
                return Ok(matching.map(|(name, _)| Refspec::same(name)).collect());
            }
            _ => {}
        }
        let head = self.head().map_err(|error| Error::Unreadable(error.to_string()))?;
        let name = match head {
            Head::Branch { name } => name,
            Head::Unborn { name } => return Err(Error::Unborn(visible(&name))),
            Head::Detached => return Err(Error::Detached),
        };
        let full = format!("refs/heads/{name}");
        let follows = configuration.get_string(&format!("branch.{name}.remote")).ok();
        let upstream = configuration
            .get_string(&format!("branch.{name}.merge"))
            .ok()
            .filter(|_| follows.is_some() && follows.as_deref() == remote);
        let destination = match (default, upstream) {
            ("current", _) => full.clone(),
            ("upstream" | "tracking", Some(upstream)) => upstream,
            ("upstream" | "tracking", None) => return Err(Error::NoUpstream(visible(&name))),
            (_, Some(upstream)) if upstream != full => {
                let upstream = visible(short(&upstream));
                return Err(Error::OtherName { branch: visible(&name), upstream });
            }
            _ => full.clone(),
        };
        Ok(vec![Refspec { source: Some(full), destination: Some(destination), force: false }])
    }

    fn update(
        &self,
        refspec: &Refspec,
        remote: Option<&str>,
        advertised: &Advertised,
    ) -> Result<Update, Error> {
        let Some(source) = &refspec.source else {
            let name = refspec.destination.as_deref().unwrap_or_default();
            let reference =
                there(name, advertised).ok_or_else(|| Error::NoDestination(visible(name)))?;
            let old = advertised[&reference];
            return Ok(Update {
                source: None,
                named: None,
                new: Oid::ZERO_SHA1,
                reference,
                old,
                kind: Kind::Deleted,
            });
        };
        let (full, new) = self.source(source)?;
        let reference = self.destination(refspec, full.as_deref(), advertised)?;
        let old = advertised.get(&reference).copied().unwrap_or(Oid::ZERO_SHA1);
        let kind = self.kind(new, old, &reference, refspec.force, remote)?;
        let named = match source.as_str() {
            "HEAD" | "@" => "HEAD".to_owned(),
            given => full.clone().unwrap_or_else(|| given.to_owned()),
        };
        let source = Some(full.unwrap_or_else(|| named.clone()));
        Ok(Update { source, named: Some(named), new, reference, old, kind })
    }

    /// What a name stands for here: the reference in full, if it is one, and its object.
    fn source(&self, name: &str) -> Result<(Option<String>, Oid), Error> {
        if name == "HEAD" || name == "@" {
            return match self.head().map_err(|error| Error::Unreadable(error.to_string()))? {
                Head::Branch { name } => self.source(&format!("refs/heads/{name}")),
                Head::Unborn { name } => Err(Error::Unborn(visible(&name))),
                Head::Detached => Ok((None, self.inner.revparse_single("HEAD")?.id())),
            };
        }
        let is_there = |kind| self.inner.find_reference(&format!("refs/{kind}/{name}")).is_ok();
        if is_there("heads") && is_there("tags") {
            return Err(Error::Ambiguous(visible(name)));
        }
        if let Ok(reference) = self.inner.resolve_reference_from_short_name(name) {
            let target = reference.resolve()?.target();
            if let (Ok(full), Some(target)) = (reference.name(), target) {
                return Ok((Some(full.to_owned()), target));
            }
        }
        match self.inner.revparse_single(name) {
            Ok(object) => Ok((None, object.id())),
            Err(_) => Err(Error::NoSource(visible(name))),
        }
    }

    /// The reference that a refspec leads to, by the rules of git-push(1), "<refspec>".
    fn destination(
        &self,
        refspec: &Refspec,
        source: Option<&str>,
        advertised: &Advertised,
    ) -> Result<String, Error> {
        let Some(name) = refspec.destination.as_deref() else {
            let named = refspec.source.as_deref().unwrap_or_default();
            return match source {
                Some(full) => Ok(full.to_owned()),
                None if named == "HEAD" || named == "@" => Err(Error::Detached),
                None => Err(Error::NoName(visible(named))),
            };
        };
        if name.starts_with("refs/") {
            return Ok(name.to_owned());
        }
        if let Some(reference) = there(name, advertised) {
            return Ok(reference);
        }
        match source {
            Some(full) if full.starts_with("refs/heads/") => Ok(format!("refs/heads/{name}")),
            Some(full) if full.starts_with("refs/tags/") => Ok(format!("refs/tags/{name}")),
            _ => Err(Error::NoKind(visible(name))),
        }
    }

    fn kind(
        &self,
        new: Oid,
        old: Oid,
        reference: &str,
        force: bool,
        remote: Option<&str>,
    ) -> Result<Kind, Error> {
        if old == new {
            return Ok(Kind::UpToDate);
        }
        if old.is_zero() {
            return Ok(Kind::New);
        }
        if reference.starts_with("refs/tags/") {
            return Ok(if force { Kind::Forced } else { Kind::TagExists });
        }
        let is_commit = |id| {
            self.inner
                .find_object(id, None)
                .is_ok_and(|object| object.kind() == Some(ObjectType::Commit))
        };
        if is_commit(old) && is_commit(new) && self.inner.graph_descendant_of(new, old)? {
            return Ok(Kind::FastForward);
        }
        if force {
            return Ok(Kind::Forced);
        }
        if !is_commit(old) || !is_commit(new) {
            return Ok(Kind::Unseen { never_fetched: !self.was_fetched(reference, remote) });
        }
        if self.inner.graph_descendant_of(old, new)? {
            return Ok(Kind::Behind);
        }
        match self.inner.merge_base(old, new) {
            Ok(_) => Ok(Kind::Diverged),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(Kind::Unrelated),
            Err(error) => Err(error.into()),
        }
    }

    fn was_fetched(&self, reference: &str, remote: Option<&str>) -> bool {
        let Some((remote, branch)) = remote.zip(reference.strip_prefix("refs/heads/")) else {
            return false;
        };
        self.inner.find_reference(&format!("refs/remotes/{remote}/{branch}")).is_ok()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refspec {
    source: Option<String>,
    destination: Option<String>,
    force: bool,
}

impl Refspec {
    /// Every refspec of the command line, where `tag NAME` is one (git-push(1)).
    fn all(named: &[String]) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        let mut words = named.iter();
        while let Some(word) = words.next() {
            let tag = if word == "tag" { words.next() } else { None };
            all.push(match tag {
                Some(tag) => Self::parse(&format!("refs/tags/{tag}"))?,
                None => Self::parse(word)?,
            });
        }
        Ok(all)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed(shown(text));
        let (force, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (source, destination) = match rest.split_once(':') {
            Some((source, destination)) => (source, Some(destination)),
            None => (rest, None),
        };
        // Patterns and "matching" (`:`) are refspecs to git too; they come with its engine.
        let is_name = |name: &str| !name.starts_with('-') && !name.contains(['*', ':', '^']);
        let valid = match destination {
            None => !source.is_empty() && is_name(source),
            Some(name) => {
                let full = if name.starts_with("refs/") {
                    name.to_owned()
                } else {
                    format!("refs/heads/{name}")
                };
                (source.is_empty() || !source.starts_with('-') && !source.contains('*'))
                    && is_name(name)
                    && git2::Reference::is_valid_name(&full)
            }
        };
        if !valid {
            return Err(malformed());
        }
        Ok(Self {
            source: Some(source.to_owned()).filter(|source| !source.is_empty()),
            destination: destination.map(str::to_owned),
            force,
        })
    }

    fn delete(name: &str) -> Result<Self, Error> {
        match name.contains(':') {
            true => Err(Error::Malformed(shown(name))),
            false => Self::parse(&format!(":{name}")),
        }
    }

    fn same(name: String) -> Self {
        Self { source: Some(name), destination: None, force: false }
    }
}

/// The one reference of the server that a short name stands for.
fn there(name: &str, advertised: &Advertised) -> Option<String> {
    let candidates = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
    let mut found = candidates.into_iter().filter(|name| advertised.contains_key(name));
    found.next().filter(|_| found.next().is_none())
}

/// A reference's name as a person says it.
pub fn short(reference: &str) -> &str {
    reference
        .strip_prefix("refs/heads/")
        .or_else(|| reference.strip_prefix("refs/tags/"))
        .unwrap_or(reference)
}

/// A text that is no refspec may be a URL with a password, which is not repeated.
fn shown(text: &str) -> String {
    match crate::remote::holds_password(text) {
        true => crate::remote::without_user(text),
        false => visible(text),
    }
}
