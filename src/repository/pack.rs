//! The pack of a push: which objects the server lacks, and who writes them.
//!
//! libgit2 computes every delta anew, in this process; git starts as a program of its own, and copies the deltas of the
//! packs that it finds. So few objects are libgit2's, and many are git's.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::process::{ChildStderr, ChildStdin, Stdio};
use std::sync::mpsc;
use std::thread;

use git2::{ObjectType, OdbLookupFlags, Oid, Tree};
use thiserror::Error;

use super::advertisement::Advertisement;
use super::git::failed;
use super::{Event, Git, GitError, Repository};
use crate::http;
use crate::text::visible;

/// The most objects that libgit2 packs where git could. As `tests/bench/push` measures it, an object of a pack costs
/// libgit2 an eighth of a millisecond more than git, and the start of git costs what sixty of them do.
const LIMIT: usize = 100;
/// The bytes of all that libgit2 packs where git could: it holds what it compares in memory.
const LARGE: usize = 16 << 20;
/// The most objects of the server's that are looked at one by one where git could do it.
const MOST_TIPS: usize = 1000;
/// The bytes that are taken from git at once.
const PIECE: usize = 64 << 10;
/// The most bytes kept of what git says while it packs.
const SAID: usize = 4096;

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

/// An object to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    id: Oid,
    /// What it is called where it was found: alike names make good deltas.
    name: Option<String>,
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
            (Engine::Git2, _) if is_shallow => return Err(Error::Shallow),
            (Engine::Git, _) => Some("that was asked for"),
            _ if is_shallow => Some("the clone is shallow"),
            (Engine::Auto, Some(_)) if had.len() > MOST_TIPS => {
                Some("the server has many branches")
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
            return Ok(Err("there are many objects"));
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

    /// The objects that are reached from `wanted` and that who has all of `had` lacks; none if they are more than
    /// `limit`.
    ///
    /// A commit whose parent is there needs what is in its tree and not at the same place in its parent's. So what was
    /// moved is sent once more, which costs less than to look at all that is there.
    fn missing(
        &self,
        wanted: &[Oid],
        had: &[Oid],
        limit: usize,
    ) -> Result<Option<Vec<Object>>, Error> {
        let mut missing = Missing { seen: had.iter().copied().collect(), found: Vec::new(), limit };
        let mut commits = Vec::new();
        'wanted: for id in wanted {
            let mut object = self.inner.find_object(*id, None)?;
            while object.kind() == Some(ObjectType::Tag) {
                if !missing.add(object.id(), None) {
                    continue 'wanted;
                }
                object = object.into_tag().map_err(|_| not_a("tag"))?.target()?;
            }
            match object.kind() {
                Some(ObjectType::Commit) => commits.push(object.id()),
                Some(ObjectType::Tree) => {
                    let tree = object.into_tree().map_err(|_| not_a("tree"))?;
                    missing.add_tree(self, tree, &[])?;
                }
                _ => drop(missing.add(object.id(), None)),
            }
        }
        let Some(commits) = self.new_commits(&commits, had, limit)? else { return Ok(None) };
        for id in commits {
            let commit = self.inner.find_commit(id)?;
            missing.add(commit.id(), None);
            let parents = commit.parents().map(|parent| parent.tree());
            let parents = parents.collect::<Result<Vec<_>, _>>()?;
            missing.add_tree(self, commit.tree()?, &parents)?;
            if missing.is_over() {
                return Ok(None);
            }
        }
        Ok(Some(missing.found).filter(|found| found.len() <= limit))
    }

    /// The commits that are reached from some and not from what the server has; none if they are more than `limit`, or
    /// if it takes long to tell. One too many is sent in vain, and does no harm.
    ///
    /// Both sides are walked at once, the newest first, so that it ends where they meet: libgit2's own walk goes through
    /// all of the history before it gives the first.
    fn new_commits(
        &self,
        wanted: &[Oid],
        had: &[Oid],
        limit: usize,
    ) -> Result<Option<Vec<Oid>>, Error> {
        let patience = limit.saturating_mul(50);
        let mut sides: HashMap<Oid, Side> = HashMap::new();
        let mut waiting = BinaryHeap::new();
        // A tag or a branch may be of something that is no commit.
        let is_commit = |id: &Oid| self.inner.find_object(*id, None).ok()?.peel_to_commit().ok();
        for commit in had.iter().filter_map(is_commit) {
            sides.insert(commit.id(), Side::Theirs);
            waiting.push((commit.time().seconds(), commit.id()));
        }
        for id in wanted {
            let commit = self.inner.find_commit(*id)?;
            if !sides.contains_key(id) {
                sides.insert(*id, Side::Ours);
                waiting.push((commit.time().seconds(), *id));
            }
        }
        let mut ours = sides.values().filter(|side| **side == Side::Ours).count();
        let mut found = Vec::new();
        let mut walked = 0;
        while let Some((_, id)) = waiting.pop().filter(|_| ours > 0) {
            walked += 1;
            let side = sides[&id];
            if side == Side::Ours {
                ours -= 1;
                sides.insert(id, Side::Found);
                found.push(id);
            }
            if found.len() > limit || walked > patience {
                return Ok(None);
            }
            for parent in self.inner.find_commit(id)?.parents() {
                match (sides.get(&parent.id()), side) {
                    (None, _) => {
                        sides.insert(parent.id(), side);
                        waiting.push((parent.time().seconds(), parent.id()));
                        ours += usize::from(side == Side::Ours);
                    }
                    (Some(Side::Ours), Side::Theirs) => {
                        sides.insert(parent.id(), Side::Theirs);
                        ours -= 1;
                    }
                    _ => {}
                }
            }
        }
        Ok(Some(found))
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

    /// As git does it for a push of its own (`send-pack.c`, `pack_objects`).
    fn write_by_git(
        &self,
        many: &Many<'_>,
        sink: Sink<'_>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let git = many.git;
        let mut arguments =
            vec!["pack-objects", "--all-progress-implied", "--revs", "--stdout", "--progress"];
        arguments.extend(&many.options);
        let mut command = git.command(self.directory(), &arguments);
        // Its progress is read, in whatever language the person has.
        command.env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| git.unusable(error))?;
        on(Event::Child(Some(child.id())));
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(mut stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(git.unusable(std::io::Error::other("it has no pipes")).into());
        };
        let (heard, hears) = mpsc::channel();
        let listener = thread::spawn(move || listen(stderr, &heard));
        let mut said = Vec::new();
        // One that fails at once does not read it; its status tells.
        let _ = name_objects(stdin, &many.wanted, &many.had);
        let mut piece = vec![0; PIECE];
        let sent = loop {
            match stdout.read(&mut piece) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    hears.try_iter().for_each(|it: Said| it.tell(&mut said, on));
                    if let Err(error) = sink(&piece[..count]) {
                        break Err(Error::from(error));
                    }
                }
                Err(error) => break Err(git.unusable(error).into()),
            }
        };
        // It would wait for ever for somebody to read the rest.
        drop(stdout);
        let status = child.wait().map_err(|error| git.unusable(error))?;
        on(Event::Child(None));
        sent?;
        // git has ended, and so has what it says.
        let _ = listener.join();
        hears.try_iter().for_each(|it| it.tell(&mut said, on));
        match status.success() {
            true => Ok(()),
            false => Err(failed(&arguments, status, &said).into()),
        }
    }
}

fn not_a(kind: &str) -> Error {
    Error::Unreadable(format!("an object that should be a {kind} is none"))
}

/// `^ID` for what is there, `ID` for what shall be (git-pack-objects(1), `--revs`).
fn name_objects(mut stdin: ChildStdin, wanted: &[Oid], had: &[Oid]) -> std::io::Result<()> {
    let mut text = String::with_capacity(42 * (wanted.len() + had.len()));
    for id in had {
        text += &format!("^{id}\n");
    }
    for id in wanted {
        text += &format!("{id}\n");
    }
    stdin.write_all(text.as_bytes())
}

/// What git says on its standard error while it works.
pub(super) enum Said {
    /// How far it has come.
    Step(Stage, usize, usize),
    /// A line of the server's, and whether the next one is to overwrite it.
    Remote(String, bool),
    /// Anything else.
    Line(Vec<u8>),
}

impl Said {
    /// Tells it, or keeps it with what else was said, as long as that is not too much.
    pub(super) fn tell(self, said: &mut Vec<u8>, on: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::Step(stage, done, total) => on(Event::Packing { stage, done, total }),
            Self::Remote(line, false) => on(Event::Remote(&line)),
            Self::Remote(line, true) => on(Event::RemoteProgress(&line)),
            Self::Line(line) if said.len() + line.len() < SAID => {
                said.extend_from_slice(&line);
                said.push(b'\n');
            }
            Self::Line(_) => {}
        }
    }
}

/// Reads what git says, to its end.
pub(super) fn listen(mut stderr: ChildStderr, heard: &mpsc::Sender<Said>) {
    let (mut line, mut piece) = (Vec::new(), [0; 1024]);
    let tell = |line: &mut Vec<u8>, is_progress: bool| {
        let line = std::mem::take(line);
        let remote = line.strip_prefix(b"remote: ").map(String::from_utf8_lossy);
        let said = match (step(&line), remote) {
            (Some((stage, done, total)), _) => Said::Step(stage, done, total),
            (None, Some(remote)) => Said::Remote(remote.trim_end().to_owned(), is_progress),
            (None, None) => Said::Line(line),
        };
        // Nobody may be there to hear it.
        let _ = heard.send(said);
    };
    while let Ok(count @ 1..) = stderr.read(&mut piece) {
        for byte in &piece[..count] {
            match byte {
                b'\r' | b'\n' => tell(&mut line, *byte == b'\r'),
                byte if line.len() < SAID => line.push(*byte),
                _ => {}
            }
        }
    }
    if !line.is_empty() {
        tell(&mut line, false);
    }
}

/// `Compressing objects:  45% (450/1000)`, as git's progress has it; with 0 where there is no end yet.
fn step(line: &[u8]) -> Option<(Stage, usize, usize)> {
    let (title, rest) = str::from_utf8(line).ok()?.split_once(" objects: ")?;
    let stage = match title {
        "Enumerating" | "Counting" => Stage::Counting,
        "Compressing" => Stage::Compressing,
        "Writing" => Stage::Writing,
        _ => return None,
    };
    let steps = rest.split_once('(').and_then(|(_, steps)| steps.split_once(')'));
    let Some((steps, _)) = steps else {
        return Some((stage, rest.trim().trim_end_matches(", done.").parse().ok()?, 0));
    };
    let (done, total) = steps.split_once('/')?;
    Some((stage, done.parse().ok()?, total.parse().ok()?))
}

/// From where a commit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// From what the server has.
    Theirs,
    /// From what it shall have, and not looked at yet.
    Ours,
    /// The same, and looked at.
    Found,
}

/// The objects that were found to be missing.
struct Missing {
    seen: HashSet<Oid>,
    found: Vec<Object>,
    limit: usize,
}

impl Missing {
    fn is_over(&self) -> bool {
        self.found.len() > self.limit
    }

    /// Whether it was not known before.
    fn add(&mut self, id: Oid, name: Option<&str>) -> bool {
        let is_new = self.seen.insert(id);
        if is_new {
            self.found.push(Object { id, name: name.map(str::to_owned) });
        }
        is_new
    }

    /// Adds a tree and what is below it, but for what is at the same place in one of others.
    fn add_tree<'repo>(
        &mut self,
        repository: &'repo Repository,
        tree: Tree<'repo>,
        others: &[Tree<'repo>],
    ) -> Result<(), Error> {
        if others.iter().any(|other| other.id() == tree.id()) || !self.seen.insert(tree.id()) {
            return Ok(());
        }
        self.found.push(Object { id: tree.id(), name: None });
        let mut waiting = vec![(tree, others.to_vec())];
        // Not by calling itself: a tree may be deeper than the stack.
        while let Some((tree, others)) = waiting.pop() {
            for entry in &tree {
                let there =
                    others.iter().filter_map(|other| other.get_name_bytes(entry.name_bytes()));
                let there: Vec<_> = there.collect();
                let is_there = there.iter().any(|other| other.id() == entry.id());
                // A submodule's commit is in another repository.
                if is_there || entry.kind() == Some(ObjectType::Commit) {
                    continue;
                }
                if !self.seen.insert(entry.id()) {
                    continue;
                }
                let name = entry.name().ok().map(str::to_owned);
                self.found.push(Object { id: entry.id(), name });
                if self.is_over() {
                    return Ok(());
                }
                if entry.kind() == Some(ObjectType::Tree) {
                    let trees = there.iter().filter(|it| it.kind() == Some(ObjectType::Tree));
                    let trees = trees.map(|it| repository.inner.find_tree(it.id()));
                    let trees = trees.collect::<Result<Vec<_>, _>>()?;
                    waiting.push((repository.inner.find_tree(entry.id())?, trees));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use git2::{Signature, Time};

    use super::*;

    /// A repository whose history is made by chance, always alike for the same seed.
    struct Made {
        _folder: tempfile::TempDir,
        repository: Repository,
        chance: u64,
    }

    impl Made {
        fn new(seed: u64) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let inner = git2::Repository::init_bare(folder.path()).unwrap();
            let chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            Self { _folder: folder, repository: Repository { inner }, chance }
        }

        /// A number below `end` (Marsaglia, "Xorshift RNGs").
        fn below(&mut self, end: usize) -> usize {
            self.chance ^= self.chance << 13;
            self.chance ^= self.chance >> 7;
            self.chance ^= self.chance << 17;
            usize::try_from(self.chance >> 33).unwrap() % end
        }

        /// A tree with a few changes against another: files that are new, the same in two places, gone or moved, whole
        /// folders, and a submodule.
        fn tree(&mut self, before: Option<Oid>, depth: usize) -> Oid {
            let names = ["a", "b", "c", "d"];
            let mut entries: Vec<(String, Oid, i32)> = Vec::new();
            if let Some(before) = before {
                let tree = self.repository.inner.find_tree(before).unwrap();
                for entry in &tree {
                    entries.push((entry.name().unwrap().to_owned(), entry.id(), entry.filemode()));
                }
            }
            for _ in 0..=self.below(3) {
                let name = names[self.below(names.len())].to_owned();
                let old = entries.iter().position(|(met, ..)| *met == name);
                let old = old.map(|at| entries.remove(at));
                match self.below(6) {
                    0 => {}
                    1 if depth > 0 => {
                        let below = old.as_ref().filter(|it| it.2 == 0o040_000).map(|it| it.1);
                        let id = self.tree(below, depth - 1);
                        entries.push((name, id, 0o040_000));
                    }
                    2 if !entries.is_empty() => {
                        let at = self.below(entries.len());
                        let (_, id, mode) = entries[at];
                        entries.push((name, id, mode));
                    }
                    3 => entries.push((name, Oid::from_bytes(&[7; 20]).unwrap(), 0o160_000)),
                    _ => {
                        let text = self.below(12).to_string();
                        let id = self.repository.inner.blob(text.as_bytes()).unwrap();
                        entries.push((name, id, 0o100_644));
                    }
                }
            }
            let mut builder = self.repository.inner.treebuilder(None).unwrap();
            for (name, id, mode) in entries {
                builder.insert(name, id, mode).unwrap();
            }
            builder.write().unwrap()
        }

        fn commit(&mut self, parents: &[Oid]) -> Oid {
            let before =
                parents.first().map(|id| self.repository.inner.find_commit(*id).unwrap().tree_id());
            let tree = self.tree(before, 2);
            let seconds = i64::try_from(self.below(100)).unwrap();
            let inner = &self.repository.inner;
            let ada = Signature::new("Ada", "ada@contoso.com", &Time::new(seconds, 0)).unwrap();
            let tree = inner.find_tree(tree).unwrap();
            let parents: Vec<_> =
                parents.iter().map(|id| inner.find_commit(*id).unwrap()).collect();
            let parents: Vec<_> = parents.iter().collect();
            inner.commit(None, &ada, &ada, "", &tree, &parents).unwrap()
        }

        /// All that is reached from some objects.
        fn reached(&self, from: &[Oid]) -> HashSet<Oid> {
            let (mut reached, mut waiting) = (HashSet::new(), from.to_vec());
            while let Some(id) = waiting.pop() {
                if !reached.insert(id) {
                    continue;
                }
                let object = self.repository.inner.find_object(id, None).unwrap();
                if let Some(commit) = object.as_commit() {
                    waiting.push(commit.tree_id());
                    waiting.extend(commit.parent_ids());
                } else if let Some(tag) = object.as_tag() {
                    waiting.push(tag.target_id());
                } else if let Some(tree) = object.as_tree() {
                    let entries = tree.iter().filter(|it| it.kind() != Some(ObjectType::Commit));
                    waiting.extend(entries.map(|entry| entry.id()));
                }
            }
            reached
        }
    }

    #[test]
    fn what_is_sent_and_what_is_there_make_all_that_is_wanted() {
        for seed in 0..40 {
            let mut made = Made::new(seed);
            let mut commits = vec![made.commit(&[])];
            for _ in 0..12 {
                let parents: Vec<Oid> = match made.below(8) {
                    0 => vec![],
                    1 | 2 => {
                        let (one, other) = (made.below(commits.len()), made.below(commits.len()));
                        if one == other {
                            vec![commits[one]]
                        } else {
                            vec![commits[one], commits[other]]
                        }
                    }
                    _ => vec![commits[made.below(commits.len())]],
                };
                let commit = made.commit(&parents);
                commits.push(commit);
            }
            let pick = |made: &mut Made| commits[made.below(commits.len())];
            let wanted = vec![pick(&mut made), pick(&mut made)];
            let had: Vec<Oid> = (0..made.below(3)).map(|_| pick(&mut made)).collect();
            let found = made.repository.missing(&wanted, &had, usize::MAX).unwrap().unwrap();
            let sent: HashSet<Oid> = found.iter().map(|object| object.id).collect();
            assert_eq!(sent.len(), found.len(), "an object twice, seed {seed}");
            let there = made.reached(&had);
            let all = made.reached(&wanted);
            let lacking: Vec<_> =
                all.iter().filter(|it| !sent.contains(it) && !there.contains(it)).collect();
            assert!(lacking.is_empty(), "seed {seed}: {lacking:?}");
            assert!(sent.is_subset(&all), "seed {seed}");
            // Counting ends at the limit, and one below it is too few.
            if let Some(fewer) = sent.len().checked_sub(1) {
                assert!(made.repository.missing(&wanted, &had, fewer).unwrap().is_none());
            }
        }
    }

    #[test]
    fn a_tag_and_what_is_no_commit_are_sent_as_well() {
        let mut made = Made::new(1);
        let commit = made.commit(&[]);
        let inner = &made.repository.inner;
        let ada = Signature::new("Ada", "ada@contoso.com", &Time::new(0, 0)).unwrap();
        let object = inner.find_object(commit, None).unwrap();
        let tag = inner.tag("v1", &object, &ada, "One", false).unwrap();
        let of_tag =
            inner.tag("v2", &inner.find_object(tag, None).unwrap(), &ada, "", false).unwrap();
        let blob = inner.blob(b"alone").unwrap();
        let tree = inner.find_commit(commit).unwrap().tree_id();
        let sent = |wanted: &[Oid], had: &[Oid]| {
            let found = made.repository.missing(wanted, had, usize::MAX).unwrap().unwrap();
            found.into_iter().map(|object| object.id).collect::<HashSet<_>>()
        };
        assert_eq!(sent(&[of_tag], &[]), made.reached(&[of_tag]));
        assert_eq!(sent(&[of_tag], &[commit]), [tag, of_tag].into());
        assert_eq!(sent(&[of_tag], &[of_tag]), HashSet::new());
        assert_eq!(sent(&[blob], &[commit]), [blob].into());
        assert_eq!(sent(&[tree], &[]), made.reached(&[tree]));
    }

    #[test]
    fn git_s_progress_is_read_and_nothing_else_is() {
        use Stage::{Compressing, Counting, Writing};
        for (line, expected) in [
            ("Enumerating objects: 12", Some((Counting, 12, 0))),
            ("Enumerating objects: 12, done.", Some((Counting, 12, 0))),
            ("Counting objects:  45% (450/1000)", Some((Counting, 450, 1000))),
            ("Compressing objects: 100% (9/9), done.", Some((Compressing, 9, 9))),
            ("Writing objects:  50% (5/10), 1.00 MiB | 640.00 KiB/s", Some((Writing, 5, 10))),
            ("Delta compression using up to 2 threads", None),
            ("fatal: bad objects: (1/2)", None),
            ("Writing objects: x% (x/y)", None),
            ("", None),
        ] {
            assert_eq!(step(line.as_bytes()), expected, "{line}");
        }
    }
}
