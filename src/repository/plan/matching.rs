//! Which references of both sides the refspecs of a push are about (`match_push_refs` of git's
//! `remote.c`).

use std::collections::{BTreeMap, HashSet};

use git2::{ErrorCode, Oid};

use super::super::advertisement::Advertised;
use super::super::refspec::{Form, Refspec, matched};
use super::{Error, Head, Repository};
use crate::text::visible;

/// A reference of the server that is to be changed.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What it shall be; none deletes.
    pub source: Option<Source>,
    /// Its name, in full.
    pub reference: String,
    /// Whether history may be lost by it.
    pub force: bool,
}

/// What is pushed.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// As git names it: a reference in full, `HEAD`, or what was typed.
    pub named: String,
    /// The reference, in full, where it is one.
    pub full: Option<String>,
    /// The object.
    pub id: Oid,
}

/// What a name that need not be in full stands for.
enum Found {
    Nothing,
    One(String),
    Several,
}

impl Repository {
    /// Checks that what is named alone is here.
    pub(super) fn check_asked(&self, asked: &[Refspec]) -> Result<(), Error> {
        for refspec in asked {
            if let Form::Single { source: Some(source), destination } = &refspec.form {
                let source = self.source(source)?;
                if destination.is_none() {
                    self.own_name(&source)?;
                }
            }
        }
        Ok(())
    }

    /// What the refspecs come to: first what they name alone, then the rest of their patterns.
    pub(super) fn matching(
        &self,
        asked: &[Refspec],
        advertised: &Advertised,
    ) -> Result<Vec<Wanted>, Error> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for refspec in asked {
            let Form::Single { source, destination } = &refspec.form else { continue };
            let source = source.as_deref().map(|name| self.source(name)).transpose()?;
            let reference =
                self.destination(source.as_ref(), destination.as_deref(), advertised, &wanted)?;
            match wanted.iter().find(|met| met.reference == reference) {
                // git refuses it, and nothing can come of it but what is asked for.
                Some(met) if id(&met.source) == id(&source) => {}
                Some(_) => return Err(Error::Twice(visible(&reference))),
                None => wanted.push(Wanted { source, reference, force: refspec.force }),
            }
        }
        let mut met: HashSet<String> = wanted.iter().map(|it| it.reference.clone()).collect();
        for (name, id) in self.candidates(asked)? {
            let Some((reference, force)) = pattern(asked, &name, advertised) else { continue };
            if met.insert(reference.clone()) {
                let source = Source { named: name.clone(), full: Some(name), id };
                wanted.push(Wanted { source: Some(source), reference, force });
            }
        }
        Ok(wanted)
    }

    /// The references here that a pattern can be about.
    fn candidates(&self, asked: &[Refspec]) -> Result<BTreeMap<String, Oid>, Error> {
        let mut found = BTreeMap::new();
        for refspec in asked {
            let beginning = match &refspec.form {
                Form::Matching => "refs/heads/",
                Form::Pattern { source, .. } => source.split('*').next().unwrap_or_default(),
                Form::Single { .. } | Form::Negative(_) => continue,
            };
            let listed = self.named(&format!("{beginning}*"))?;
            found.extend(listed.into_iter().filter(|(name, _)| is_listed(name)));
        }
        Ok(found)
    }

    /// What a name stands for here.
    pub(super) fn source(&self, name: &str) -> Result<Source, Error> {
        if name == "HEAD" {
            let head = self.head().map_err(|error| Error::Unreadable(error.to_string()))?;
            let full = match head {
                Head::Branch { .. } => {
                    self.inner.find_reference("HEAD")?.symbolic_target()?.map(str::to_owned)
                }
                Head::Unborn { name } => return Err(Error::Unborn(visible(&name))),
                Head::Detached => None,
            };
            let id = self.inner.revparse_single("HEAD")?.id();
            return Ok(Source { named: name.to_owned(), full, id });
        }
        // One that is not listed can be named in full all the same: `refs/stash`.
        let full = self.here(name)?.or_else(|| {
            let is_there = name.starts_with("refs/") && self.inner.find_reference(name).is_ok();
            is_there.then(|| name.to_owned())
        });
        if let Some(full) = full
            && let Some(id) = self.inner.find_reference(&full)?.resolve()?.target()
        {
            return Ok(Source { named: full.clone(), full: Some(full), id });
        }
        match self.inner.revparse_single(name) {
            Ok(object) => Ok(Source { named: name.to_owned(), full: None, id: object.id() }),
            Err(_) => Err(Error::NoSource(visible(name))),
        }
    }

    /// The reference here that a name stands for, in full.
    pub(super) fn here(&self, name: &str) -> Result<Option<String>, Error> {
        let is_there = |name: &str| {
            is_listed(name)
                && self.inner.find_reference(name).is_ok_and(|found| found.resolve().is_ok())
        };
        match find(name, is_there) {
            Found::Nothing => Ok(None),
            Found::One(full) => Ok(Some(full)),
            Found::Several => {
                let both = ["heads", "tags"].map(|kind| format!("refs/{kind}/{name}"));
                Err(match both.iter().all(|name| is_there(name)) {
                    true => Error::Ambiguous(visible(name)),
                    false => Error::Several(visible(name)),
                })
            }
        }
    }

    /// The reference that a refspec leads to, by the rules of git-push(1), "`<refspec>`".
    fn destination(
        &self,
        source: Option<&Source>,
        name: Option<&str>,
        advertised: &Advertised,
        wanted: &[Wanted],
    ) -> Result<String, Error> {
        let own;
        let name = match (name, source) {
            (Some(name), _) => name,
            (None, Some(source)) => {
                own = self.own_name(source)?;
                &own
            }
            (None, None) => unreachable!("a refspec that deletes names what"),
        };
        let is_there = |name: &str| {
            advertised.contains_key(name) || wanted.iter().any(|met| met.reference == name)
        };
        match (find(name, is_there), source) {
            (Found::One(reference), _) => Ok(reference),
            (Found::Several, _) => Err(Error::SeveralThere(visible(name))),
            (Found::Nothing, None) => Err(Error::NoDestination(visible(name))),
            (Found::Nothing, Some(_)) if name.starts_with("refs/") => Ok(name.to_owned()),
            (Found::Nothing, Some(source)) => match self.resolved(source)? {
                Some(full) if full.starts_with("refs/heads/") => Ok(format!("refs/heads/{name}")),
                Some(full) if full.starts_with("refs/tags/") => Ok(format!("refs/tags/{name}")),
                _ => Err(Error::NoKind(visible(name))),
            },
        }
    }

    /// What a source is called at the server where nothing else is said.
    fn own_name(&self, source: &Source) -> Result<String, Error> {
        let no_name = || match source.named.as_str() {
            "HEAD" => Error::Detached,
            other => Error::NoName(visible(other)),
        };
        let resolved = self.resolved(source)?.ok_or_else(no_name)?;
        // What stands for another reference is pushed as that, if it is a branch.
        match resolved == source.named || resolved.starts_with("refs/heads/") {
            true => Ok(resolved),
            false => Err(no_name()),
        }
    }

    /// The reference that a source is, where symbolic ones lead.
    fn resolved(&self, source: &Source) -> Result<Option<String>, Error> {
        let Some(full) = &source.full else { return Ok(None) };
        let resolved = self.inner.find_reference(full)?.resolve()?;
        Ok(resolved.name().ok().map(str::to_owned))
    }

    /// The references of a pattern with what each points at. What points at nothing is left out.
    fn named(&self, pattern: &str) -> Result<Vec<(String, Oid)>, git2::Error> {
        let mut found = Vec::new();
        for reference in self.inner.references_glob(pattern)? {
            let reference = reference?;
            let target = match reference.resolve() {
                Ok(resolved) => resolved.target(),
                Err(error) if error.code() == ErrorCode::NotFound => continue,
                Err(error) => return Err(error),
            };
            // To leave it out would be to claim that all was pushed.
            let name = str::from_utf8(reference.name_bytes()).map_err(|_| {
                let name = crate::text::visible_bytes(reference.name_bytes());
                git2::Error::from_str(&format!("the name of {name} is not UTF-8"))
            })?;
            if let Some(target) = target {
                found.push((name.to_owned(), target));
            }
        }
        Ok(found)
    }

    /// The tags here, with what each points at.
    pub(super) fn tags(&self) -> Result<Vec<(String, Oid)>, Error> {
        Ok(self.named("refs/tags/*")?)
    }
}

fn id(source: &Option<Source>) -> Option<Oid> {
    source.as_ref().map(|source| source.id)
}

/// Where the patterns lead a reference (git's `get_ref_match`): the first that matches; else `:`,
/// for a branch that is there as well.
fn pattern(asked: &[Refspec], name: &str, advertised: &Advertised) -> Option<(String, bool)> {
    let mut matching = None;
    for refspec in asked {
        match &refspec.form {
            Form::Matching if matching.is_none() || refspec.force => {
                matching = Some(refspec.force);
            }
            Form::Pattern { source, destination } => {
                if let Some(middle) = matched(source, name) {
                    let destination = destination.as_ref().unwrap_or(source);
                    return Some((destination.replacen('*', middle, 1), refspec.force));
                }
            }
            _ => {}
        }
    }
    let force = matching?;
    let is_on_both = name.starts_with("refs/heads/") && advertised.contains_key(name);
    is_on_both.then(|| (name.to_owned(), force))
}

/// Whether git counts a reference among those of a repository: what lies in `refs` itself, such as
/// `refs/stash`, it does not.
fn is_listed(name: &str) -> bool {
    name.strip_prefix("refs/").is_some_and(|rest| rest.contains('/'))
}

/// The reference that a name stands for, which may leave out its beginning (gitrevisions(7)). One
/// that is neither a branch nor a tag counts only where there is no other, unless it is named from
/// `refs` on (git's `count_refspec_match`).
fn find(name: &str, is_there: impl Fn(&str) -> bool) -> Found {
    let full = [
        name.to_owned(),
        format!("refs/{name}"),
        format!("refs/tags/{name}"),
        format!("refs/heads/{name}"),
        format!("refs/remotes/{name}"),
        format!("refs/remotes/{name}/HEAD"),
    ];
    let is_strong = |at: usize, full: &str| {
        at < 2 || full.starts_with("refs/heads/") || full.starts_with("refs/tags/")
    };
    let found = full.into_iter().enumerate().filter(|(_, full)| is_there(full));
    let (strong, weak): (Vec<_>, Vec<_>) = found.partition(|(at, full)| is_strong(*at, full));
    let mut found = if strong.is_empty() { weak } else { strong };
    match (found.pop(), found.is_empty()) {
        (None, _) => Found::Nothing,
        (Some((_, full)), true) => Found::One(full),
        (Some(_), false) => Found::Several,
    }
}
