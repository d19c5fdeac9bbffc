//! The pack of a push: which objects the server lacks, and who writes them.
//!
//! libgit2 computes every delta anew, in this process; git starts as a program of its own, and copies the deltas of the
//! packs that it finds. So few objects are libgit2's, and many are git's.

mod by_git;
mod missing;

use git2::{OdbLookupFlags, Oid};
use thiserror::Error;

use super::advertisement::Advertisement;
use super::{Event, Git, GitError, Repository};
use crate::http;
use crate::text::visible;

pub(super) use by_git::listen;
use missing::Object;

/// The most objects that libgit2 packs where git could. As `tests/bench/push` measures it, an object of a pack costs
/// libgit2 an eighth of a millisecond more than git, and the start of git what sixty of them do; a loose one costs both
/// the same, so it is some more than sixty.
const LIMIT: usize = 100;
/// The bytes of all that libgit2 packs where git could: it holds what it compares in memory.
const LARGE: usize = 16 << 20;
/// The most objects of the server's that are looked at one by one where git could do it.
const MOST_TIPS: usize = 1000;

/// What is done with the objects of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// They are looked for.
    Counting,
    /// They are compared with each other.
    Compressing,
    /// They go out.
    Writing,
}

/// Who makes the pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Whoever is faster.
    #[default]
    Auto,
    /// libgit2.
    Git2,
    /// git itself.
    Git,
}

/// Why there is no pack, or only the beginning of one.
#[derive(Debug, Error)]
pub enum Error {
    /// The repository can't be read.
    #[error("the objects can't be packed: {0}")]
    Unreadable(String),
    /// libgit2 takes a history for whole.
    #[error("libgit2 can't pack what a shallow clone has")]
    Shallow,
    /// git can't do it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The server did not take it.
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl From<git2::Error> for Error {
    fn from(error: git2::Error) -> Self {
        Self::Unreadable(visible(error.message()))
    }
}

/// What is to be sent.
pub(super) enum Pack<'a> {
    /// Nothing: references go, and nothing comes.
    None,
    /// These, which libgit2 packs.
    Few(Vec<Object>),
    /// What is reached from some and not from others, which git finds and packs.
    Many(Many<'a>),
}

/// What git finds and packs.
pub(super) struct Many<'a> {
    git: &'a Git,
    wanted: Vec<Oid>,
    had: Vec<Oid>,
    /// Options of git-pack-objects(1), by what the server understands.
    options: Vec<&'static str>,
    why: &'static str,
}

impl Pack<'_> {
    /// Who packs it and why.
    pub(super) fn packer(&self) -> Option<Packer> {
        match self {
            Self::None => None,
            Self::Few(objects) => Some(Packer::Libgit2(objects.len())),
            Self::Many(many) => Some(Packer::Git(many.why)),
        }
    }
}

/// Who packs, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packer {
    /// libgit2, so many objects.
    Libgit2(usize),
    /// git, for this reason.
    Git(&'static str),
}

/// Takes the next bytes of a pack.
type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), http::Error>;

impl Repository {
    /// Finds out what has to be sent, so that the server has `wanted`.
    ///
    /// # Errors
    /// [`enum@Error`]
    pub(super) fn pack<'a>(
        &self,
        wanted: Vec<Oid>,
        server: &Advertisement,
        engine: Engine,
        git: Option<&'a Git>,
    ) -> Result<Pack<'a>, Error> {
        if wanted.is_empty() {
            return Ok(Pack::None);
        }
        let had = self.known(server.objects())?;
        let is_shallow = self.inner.is_shallow();
        let why = match (engine, git) {
            (Engine::Git2, _) | (_, None) if is_shallow => return Err(Error::Shallow),
            (Engine::Git, _) => Some("that was asked for"),
            _ if is_shallow => Some("the clone is shallow"),
            (Engine::Auto, Some(_)) if had.len() > MOST_TIPS => {
                Some("the server has many references")
            }
            _ => None,
        };
        let why = match (why, engine, git) {
            (Some(why), ..) => why,
            (None, Engine::Auto, Some(_)) => match self.few(&wanted, &had) {
                Ok(Ok(few)) => return Ok(Pack::Few(few)),
                Ok(Err(why)) => why,
                // What is not here may be needed for the counting alone.
                Err(_) => "libgit2 can't count what is missing",
            },
            (None, ..) => {
                let all = self.missing(&wanted, &had, usize::MAX)?;
                return Ok(Pack::Few(all.unwrap_or_default()));
            }
        };
        let git = git.ok_or(GitError::Missing)?;
        let options = [
            (!server.can("no-thin"), "--thin"),
            (server.can("ofs-delta"), "--delta-base-offset"),
            (is_shallow, "--shallow"),
        ];
        let options = options.into_iter().filter(|(is_set, _)| *is_set).map(|(_, it)| it).collect();
        Ok(Pack::Many(Many { git, wanted, had, options, why }))
    }

    /// Those of some objects that are here.
    pub(super) fn known(&self, ids: impl Iterator<Item = Oid>) -> Result<Vec<Oid>, Error> {
        let objects = self.inner.odb()?;
        // Or the folder of packs is read anew for each that is not.
        let is_here = |id: &Oid| objects.exists_ext(*id, OdbLookupFlags::NO_REFRESH);
        let mut known: Vec<Oid> = ids.filter(is_here).collect();
        known.sort_unstable();
        known.dedup();
        Ok(known)
    }

    /// The objects to be sent if they are few and small, and else why git packs them sooner.
    fn few(&self, wanted: &[Oid], had: &[Oid]) -> Result<Result<Vec<Object>, &'static str>, Error> {
        let Some(few) = self.missing(wanted, had, LIMIT)? else {
            return Ok(Err("there is much to look at"));
        };
        let objects = self.inner.odb()?;
        let mut bytes = 0;
        for object in &few {
            bytes += objects.read_header(object.id)?.0;
            if bytes > LARGE {
                return Ok(Err("there are large files"));
            }
        }
        Ok(Ok(few))
    }

    /// Writes a pack, from its first byte to its last.
    ///
    /// # Errors
    /// [`enum@Error`]; what was written is no whole pack then.
    pub(super) fn write_pack(
        &self,
        pack: &Pack<'_>,
        sink: Sink<'_>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        match pack {
            Pack::None => Ok(()),
            Pack::Few(objects) => self.write_by_libgit2(objects, sink, on),
            Pack::Many(many) => self.write_by_git(many, sink, on),
        }
    }

    fn write_by_libgit2(
        &self,
        objects: &[Object],
        sink: Sink<'_>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let mut builder = self.inner.packbuilder()?;
        // As many threads as there are processors, where that is worth one.
        builder.set_threads(u32::from(objects.len() <= LIMIT));
        builder.set_progress_callback(|stage, done, total| {
            let stage = match stage {
                git2::PackBuilderStage::AddingObjects => Stage::Counting,
                git2::PackBuilderStage::Deltafication => Stage::Compressing,
            };
            on(Event::Packing { stage, done: done as usize, total: total as usize });
            true
        })?;
        for object in objects {
            builder.insert_object(object.id, object.name.as_deref())?;
        }
        let mut refused = None;
        let written = builder.foreach(|bytes| match sink(bytes) {
            Ok(()) => true,
            Err(error) => {
                refused = Some(error);
                false
            }
        });
        match refused {
            Some(error) => Err(error.into()),
            None => Ok(written?),
        }
    }
}
