//! What must be at the server still, so that a push may lose commits there (git-push(1), `--force-with-lease`).

use git2::Oid;

use super::plan::{self, Kind, Update};
use super::{Remote, Repository};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The reference at the server, as it was named; none is every one.
    reference: Option<String>,
    /// What was named that it is there; none is what was last seen there.
    expected: Option<String>,
}

impl Lease {
    /// Reads `[REF[:COMMIT]]`.
    pub fn parse(text: &str) -> Self {
        let (reference, expected) = match text.split_once(':') {
            Some((reference, expected)) => (reference, Some(expected.to_owned())),
            None => (text, None),
        };
        Self { reference: Some(reference.to_owned()).filter(|it| !it.is_empty()), expected }
    }

    fn is_for(&self, reference: &str) -> bool {
        let Some(named) = &self.reference else { return true };
        // As git finds a reference by a short name (gitrevisions(7)).
        ["", "refs/", "refs/tags/", "refs/heads/"]
            .into_iter()
            .any(|before| reference.strip_prefix(before) == Some(named))
    }
}

/// As git's option.
impl std::fmt::Display for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("--force-with-lease")?;
        if let Some(reference) = &self.reference {
            write!(formatter, "={reference}")?;
        }
        match &self.expected {
            Some(expected) => write!(formatter, ":{expected}"),
            None => Ok(()),
        }
    }
}

impl Repository {
    /// Lets commits be lost where the server has what a lease says, and lets nothing be changed where it has not. Of
    /// several leases the first that names the reference counts, and one without a name for what no other names.
    ///
    /// # Errors
    /// What a lease names is nothing here.
    pub(super) fn apply(
        &self,
        leases: &[Lease],
        remote: Option<&Remote>,
        updates: &mut [Update],
    ) -> Result<(), plan::Error> {
        for update in updates.iter_mut().filter(|update| update.is_change()) {
            let named = leases.iter().filter(|lease| lease.reference.is_some());
            let rest = leases.iter().filter(|lease| lease.reference.is_none());
            let Some(lease) = named.chain(rest).find(|lease| lease.is_for(&update.reference))
            else {
                continue;
            };
            let expected = match (&lease.expected, remote) {
                (Some(none), _) if none.is_empty() => Oid::ZERO_SHA1,
                (Some(named), _) => self
                    .inner
                    .revparse_single(named)
                    .map_err(|_| plan::Error::NoSource(crate::text::visible(named)))?
                    .id(),
                (None, Some(remote)) => remote
                    .noted(&update.reference)
                    .and_then(|name| self.inner.refname_to_id(&name).ok())
                    .unwrap_or(Oid::ZERO_SHA1),
                (None, None) => Oid::ZERO_SHA1,
            };
            update.kind = match update.kind {
                _ if expected != update.old => Kind::Stale,
                kind if kind.is_sent() => kind,
                _ => Kind::Forced,
            };
        }
        Ok(())
    }
}
