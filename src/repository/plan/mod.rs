//! What a push would change: refspecs against what is here and what the server has.
//!
//! It is what git would find (`match_push_refs` and `set_ref_status_for_push` of git's `remote.c`):
//! what is asked for (`asked`), which references that is on both sides (`matching`), which tags go
//! along (`follow`), and what each comes to.

mod asked;
mod follow;
mod matching;

use git2::{ObjectType, Oid};
use thiserror::Error;

use super::advertisement::Advertised;
use super::refspec::Refspec;
use super::remotes::Remotes;
use super::{Head, Remote, Repository};
use crate::configuration::{self, Configuration, Trust};
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
    /// What git's configuration says of a push.
    pub settings: Settings,
}

/// What git's configuration says of a push (git-config(1), `push.*`).
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `push.default`, for a push that names nothing.
    pub default: Option<String>,
    /// `push.followTags`.
    pub follow_tags: bool,
    /// `push.autoSetupRemote`.
    pub auto_setup_remote: bool,
    /// The remotes and branches.
    pub remotes: Remotes,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// One that is a boolean has another value.
    pub fn read(
        configuration: &Configuration,
        remotes: Remotes,
    ) -> Result<Self, configuration::Error> {
        let is_set = |key| Ok(configuration.boolean(key, Trust::Everyone)?.unwrap_or_default());
        Ok(Self {
            default: configuration.get("push.default").map(str::to_owned),
            follow_tags: is_set("push.followTags")?,
            auto_setup_remote: is_set("push.autoSetupRemote")?,
            remotes,
        })
    }
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
    /// Refused here: one of the two objects is no commit, so it can't be told what would be lost.
    NoCommit,
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

impl Refspecs {
    /// Whether nothing is named, so that the configuration says what is pushed.
    pub fn is_default(&self) -> bool {
        self.named.is_empty() && !self.all && !self.tags
    }
}

impl Repository {
    /// What a push without a refspec names, as far as that can be told without asking the server.
    pub fn default_refspecs(&self, refspecs: &Refspecs, remote: &str) -> Vec<String> {
        let planned = self.plan(refspecs, Some(remote), &Advertised::new());
        let spelled = |update: Update| Some(format!("{}:{}", update.source?, update.reference));
        planned.unwrap_or_default().into_iter().filter_map(spelled).collect()
    }
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
    /// Several references here can be meant by it.
    #[error("several references here can be meant by {0}")]
    Several(String),
    /// Several references of the server can be meant by it.
    #[error("several references of the server can be meant by {0}")]
    SeveralThere(String),
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
    /// A setting that must be a refspec is none.
    #[error("{key} is {value}, which is no refspec")]
    MalformedSetting {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
    },
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
    /// The branch follows several, so it can't be told which is meant.
    #[error("{0} follows several branches")]
    SeveralUpstreams(String),
    /// A push to that remote makes it a copy of all that is here.
    #[error("{0} is a mirror: a push would delete there what is not here")]
    Mirror(String),
    /// `push.default` has a value that git does not know.
    #[error("push.default is {0}, which git does not know")]
    NoDefault(String),
    /// `push.default` is `nothing`.
    #[error("push.default is \"nothing\", and no refspec is named")]
    NothingByDefault,
    /// No reference here is one of a pattern.
    #[error("nothing here matches {0}")]
    NoMatch(String),
    /// Only branches of both sides were asked for, and there is none.
    #[error("the server has none of the branches here, and only those of both sides are pushed")]
    NoneInCommon,
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
        let asked = self.asked(refspecs, remote)?;
        let mut wanted = self.matching(&asked, advertised)?;
        if refspecs.settings.follow_tags {
            self.follow_tags(&mut wanted, advertised)?;
        }
        // Last, as in git: what they name is left out whatever it comes from.
        wanted.retain(|it| !asked.iter().any(|refspec| refspec.omits(&it.reference)));
        let known = remote.and_then(|name| refspecs.settings.remotes.get(name));
        let mut updates = Vec::new();
        for wanted in wanted {
            let old = advertised.get(&wanted.reference).copied().unwrap_or(Oid::ZERO_SHA1);
            let force = wanted.force || refspecs.force;
            let kind = match &wanted.source {
                Some(source) => self.kind(source.id, old, &wanted.reference, force, known)?,
                None => Kind::Deleted,
            };
            let new = wanted.source.as_ref().map_or(Oid::ZERO_SHA1, |source| source.id);
            let (named, full) = wanted.source.map(|it| (it.named, it.full)).unzip();
            let source = full.flatten().or_else(|| named.clone());
            updates.push(Update { source, named, new, reference: wanted.reference, old, kind });
        }
        if !updates.is_empty() {
            return Ok(updates);
        }
        Err(match refspecs.named.iter().find(|text| text.contains('*')) {
            Some(text) => Error::NoMatch(visible(text)),
            None if asked.iter().any(Refspec::is_matching) => Error::NoneInCommon,
            None => Error::Nothing,
        })
    }

    /// Checks what can be checked of the refspecs before any server is asked.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub fn check_sources(&self, refspecs: &Refspecs, remote: Option<&str>) -> Result<(), Error> {
        self.check_asked(&self.asked(refspecs, remote)?)
    }

    /// What it comes to that a reference which is `old` shall be `new`, by git's rules for it
    /// (git-push(1), "`<refspec>`").
    fn kind(
        &self,
        new: Oid,
        old: Oid,
        reference: &str,
        force: bool,
        remote: Option<&Remote>,
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
        let commits = self.commit_of(old).zip(self.commit_of(new));
        if let Some((old, new)) = commits
            && (old == new || self.inner.graph_descendant_of(new, old)?)
        {
            return Ok(Kind::FastForward);
        }
        if force {
            return Ok(Kind::Forced);
        }
        if self.inner.odb()?.exists(old) && commits.is_none() {
            return Ok(Kind::NoCommit);
        }
        let Some((old, new)) = commits else {
            return Ok(Kind::Unseen { never_fetched: !self.was_fetched(reference, remote) });
        };
        if self.inner.graph_descendant_of(old, new)? {
            return Ok(Kind::Behind);
        }
        match self.inner.merge_base(old, new) {
            Ok(_) => Ok(Kind::Diverged),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(Kind::Unrelated),
            Err(error) => Err(error.into()),
        }
    }

    /// The commit that an object is or that a tag leads to, if it is here.
    fn commit_of(&self, id: Oid) -> Option<Oid> {
        let object = self.inner.find_object(id, None).ok()?;
        object.peel(ObjectType::Commit).ok().map(|commit| commit.id())
    }

    fn was_fetched(&self, reference: &str, remote: Option<&Remote>) -> bool {
        let noted = remote.and_then(|remote| remote.noted(reference));
        noted.is_some_and(|name| self.inner.find_reference(&name).is_ok())
    }
}

/// A reference's name as a person says it.
pub fn short(reference: &str) -> &str {
    reference
        .strip_prefix("refs/heads/")
        .or_else(|| reference.strip_prefix("refs/tags/"))
        .unwrap_or(reference)
}
