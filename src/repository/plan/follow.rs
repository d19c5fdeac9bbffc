//! Which tags go along with a push (`push.followTags`, git-config(1); `add_missing_tags` of git's
//! `remote.c`).

use std::collections::{HashMap, HashSet};

use git2::{ObjectType, Oid};

use super::super::advertisement::Advertised;
use super::matching::{Source, Wanted};
use super::{Error, Repository};

impl Repository {
    /// Adds every annotated tag that the server lacks and whose commit it has, or will have then.
    pub(super) fn follow_tags(
        &self,
        wanted: &mut Vec<Wanted>,
        advertised: &Advertised,
    ) -> Result<(), Error> {
        let is_known = |name: &str| {
            advertised.contains_key(name) || wanted.iter().any(|it| it.reference == name)
        };
        let objects = self.inner.odb()?;
        let is_annotated =
            |id| objects.read_header(id).is_ok_and(|(_, kind)| kind == ObjectType::Tag);
        let mut missing = Vec::new();
        for (name, id) in self.tags()? {
            if !is_known(&name)
                && is_annotated(id)
                && let Some(commit) = self.commit_of(id)
            {
                missing.push((name, id, commit));
            }
        }
        let commits: HashSet<Oid> = missing.iter().map(|(.., commit)| *commit).collect();
        let reachable = self.reachable(commits, self.tips(wanted, advertised))?;
        for (name, id, commit) in missing {
            if reachable.contains(&commit) {
                let source = Source { named: name.clone(), full: Some(name.clone()), id };
                wanted.push(Wanted { source: Some(source), reference: name, force: false });
            }
        }
        Ok(())
    }

    /// The commits that the server has afterwards, as far as they are known here. git leaves one
    /// among them whose reference is to be deleted.
    fn tips(&self, wanted: &[Wanted], advertised: &Advertised) -> HashSet<Oid> {
        let mut there: HashMap<&str, Oid> =
            advertised.iter().map(|(name, id)| (name.as_str(), *id)).collect();
        for wanted in wanted {
            if let Some(source) = &wanted.source {
                there.insert(&wanted.reference, source.id);
            }
        }
        there.into_values().filter_map(|id| self.commit_of(id)).collect()
    }

    /// Those of the commits that can be reached from any of the tips, found in one walk, which ends
    /// with the last of them.
    fn reachable(&self, sought: HashSet<Oid>, tips: HashSet<Oid>) -> Result<HashSet<Oid>, Error> {
        let mut found: HashSet<Oid> = sought.intersection(&tips).copied().collect();
        if found.len() == sought.len() {
            return Ok(found);
        }
        let mut walk = self.inner.revwalk()?;
        for tip in tips {
            walk.push(tip)?;
        }
        for commit in walk {
            let commit = commit?;
            if sought.contains(&commit) && found.insert(commit) && found.len() == sought.len() {
                break;
            }
        }
        Ok(found)
    }
}
