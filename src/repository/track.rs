//! What is known here of the references of a remote: `refs/remotes/…`, or where its refspecs of a
//! fetch say.

use git2::ErrorCode;

use super::push::Pushed;
use super::refspec::{Direction, Refspec, lead};
use super::{Error, Kind, Remote, Repository};
use crate::text::visible;

impl Remote {
    /// The reference here that stands for one of the remote's, by what is fetched from it.
    pub fn noted(&self, reference: &str) -> Option<String> {
        let fetch = self.fetch.iter();
        let fetch: Vec<Refspec> =
            fetch.filter_map(|text| Refspec::parse(text, Direction::Fetch)).collect();
        lead(&fetch, reference).map(|(name, _)| name)
    }
}

impl Repository {
    /// Notes what the server has now, of each reference of which it said so (git-push(1): "update
    /// by push"). Whatever of it can be noted is, also where another can't.
    ///
    /// # Errors
    /// [`Error::NotWritten`] for the first that can't be.
    pub fn track(&self, remote: &Remote, pushed: &[Pushed]) -> Result<(), Error> {
        let mut end = Ok(());
        for pushed in pushed.iter().filter(|pushed| pushed.is_done()) {
            let update = &pushed.update;
            let Some(name) = remote.noted(&update.reference) else { continue };
            let noted = match update.kind {
                Kind::Deleted => self.forget(&name),
                // git did it, and knows what it is.
                _ if update.new.is_zero() => continue,
                _ => self.note(&name, update.new),
            };
            end = end.and(noted.map_err(|error| Error::NotWritten {
                path: visible(&name).into(),
                // Where the system gave no reason, libgit2 ends with the colon before it.
                reason: visible(error.message().trim_end_matches([':', ' '])),
            }));
        }
        end
    }

    fn note(&self, name: &str, id: git2::Oid) -> Result<(), git2::Error> {
        match self.inner.find_reference(name) {
            Ok(known) if known.target() == Some(id) => Ok(()),
            _ => self.inner.reference(name, id, true, "update by push").map(drop),
        }
    }

    fn forget(&self, name: &str) -> Result<(), git2::Error> {
        match self.inner.find_reference(name).and_then(|mut known| known.delete()) {
            Err(error) if error.code() != ErrorCode::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
