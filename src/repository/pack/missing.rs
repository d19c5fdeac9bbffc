//! Which objects the server lacks.

use std::collections::{BinaryHeap, HashMap, HashSet};

use git2::{ObjectType, Oid, Tree};

use super::{Error, Repository};

/// An object to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Which.
    pub id: Oid,
    /// What it is called where it was found: alike names make good deltas.
    pub name: Option<String>,
}

impl Repository {
    /// The objects that are reached from `wanted` and that who has all of `had` lacks; none if they are more than
    /// `limit`.
    ///
    /// A commit whose parent is there needs what is in its tree and not at the same place in its parent's. So what was
    /// moved is sent once more, which costs less than to look at all that is there.
    pub(super) fn missing(
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
}

fn not_a(kind: &str) -> Error {
    Error::Unreadable(format!("an object that should be a {kind} is none"))
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
}
