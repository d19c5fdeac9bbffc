//! What `init`, `remote-add` and `push` say at their end: one line or one object on stdout.

use serde::Serialize;

use super::place::Place;
use crate::context::Context;
use crate::error::{self, Error, Kind as ErrorKind, held_reference, refused_reference};
use crate::remote::RemoteUrl;
use crate::repository::{Id, Kind, Outcome, Pushed, short};
use crate::text::visible;

/// The object that `--json` prints; documented in the manual, and only ever extended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    organization: String,
    project: String,
    repository: String,
    /// The repository's web page.
    url: String,
    /// The name of the remote here, and its URL.
    remote: Option<String>,
    remote_url: String,
    /// Whether this run made the repository at the service.
    created: bool,
    /// Whether nothing was done, and only what would be is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The references of a push; absent where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<Vec<Reference>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    source: Option<String>,
    reference: String,
    old: Option<String>,
    new: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The page that makes a pull request of a new branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request_url: Option<String>,
}

impl Report {
    /// What there is to say without a push.
    pub fn new(url: &RemoteUrl, remote: Option<&str>, remote_url: String, created: bool) -> Self {
        Self {
            organization: url.organization.to_string(),
            project: url.project.as_str().to_owned(),
            repository: url.repository.as_str().to_owned(),
            url: url.web(),
            remote: remote.map(str::to_owned),
            remote_url,
            created,
            dry_run: false,
            references: None,
        }
    }

    /// Adds what became of each reference.
    pub fn with_references(mut self, pushed: &[Pushed]) -> Self {
        self.references = Some(pushed.iter().map(Reference::from).collect());
        self.dry_run |= pushed.iter().any(|pushed| pushed.outcome == Outcome::Planned);
        self
    }

    /// Adds the page that makes a pull request of a branch.
    pub fn with_pull_request(mut self, reference: &str, page: &str) -> Self {
        let mut references = self.references.iter_mut().flatten();
        if let Some(found) = references.find(|met| met.reference == reference) {
            found.pull_request_url = Some(page.to_owned());
        }
        self
    }

    /// Prints it: the object, or the web page alone.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub fn print(&self, context: &Context, json: bool) -> Result<(), Error> {
        match json {
            true => {
                let text = serde_json::to_string(self).expect("it holds nothing but text");
                context.ui.out(format_args!("{text}"))?;
            }
            false => context.ui.out(format_args!("{}", self.url))?,
        }
        Ok(())
    }
}

impl From<&Pushed> for Reference {
    fn from(pushed: &Pushed) -> Self {
        let update = &pushed.update;
        let shown = |id: Id| Some(id.to_string()).filter(|_| !id.is_zero());
        Self {
            source: update.source.clone(),
            reference: update.reference.clone(),
            old: shown(update.old),
            new: shown(update.new),
            status: status(pushed),
            reason: match &pushed.outcome {
                // As the error shows it: with escapes visible and bounded.
                Outcome::Refused(reason) => {
                    let lines: Vec<_> = crate::text::lines(reason, 50, 400).collect();
                    Some(lines.join("\n"))
                }
                _ => None,
            },
            pull_request_url: None,
        }
    }
}

fn status(pushed: &Pushed) -> &'static str {
    match (&pushed.outcome, pushed.update.kind) {
        (Outcome::Refused(_), _) => "refused",
        (Outcome::Unknown, _) => "unknown",
        (Outcome::Unchanged, _) => "unchanged",
        (Outcome::Withheld, _) => "withheld",
        (_, Kind::New) => "new",
        (_, Kind::FastForward) => "fast-forward",
        (_, Kind::Forced) => "forced",
        (_, Kind::Deleted) => "deleted",
        (_, Kind::UpToDate) => "up-to-date",
        (_, Kind::Behind) => "behind",
        (_, Kind::Diverged) => "diverged",
        (_, Kind::Unrelated) => "unrelated",
        (_, Kind::Unseen { .. }) => "not-fetched",
        (_, Kind::NoCommit) => "no-commit",
        (_, Kind::TagExists) => "exists",
        (_, Kind::Stale) => "stale",
    }
}

/// Tells what became of each reference, and gives the end that it comes to.
///
/// # Errors
/// At least one reference did not get where it should; all was printed then.
pub fn tell(
    context: &Context,
    place: &Place,
    remote: &str,
    pushed: &[Pushed],
) -> Result<(), Error> {
    let mut end = Ok(());
    for pushed in pushed {
        let update = &pushed.update;
        let reference = visible(short(&update.reference));
        let trouble = match &pushed.outcome {
            Outcome::Done | Outcome::Planned => {
                tell_done(context, remote, pushed, &reference);
                continue;
            }
            Outcome::Refused(reason) => {
                end = Err(Error::printed(ErrorKind::RefusedReference));
                let is_new = update.kind == Kind::New;
                refused_reference(&place.organization, remote, &reference, (reason, is_new))
            }
            Outcome::Held => {
                end = end.and(Err(Error::printed(ErrorKind::Failed)));
                held_reference(update.kind, remote, &reference)
            }
            Outcome::Withheld => {
                end = end.and(Err(Error::printed(ErrorKind::Failed)));
                error::withheld_reference(&reference)
            }
            Outcome::Unchanged => {
                end = end.and(Err(Error::printed(ErrorKind::Network)));
                error::unchanged_reference(remote, &reference)
            }
            Outcome::Unknown => {
                end = end.and(Err(Error::printed(ErrorKind::Network)));
                error::unknown_reference(remote, &reference)
            }
        };
        context.ui.error(format_args!("{}", trouble.message));
        if let Some(hint) = trouble.hint {
            context.ui.hint(format_args!("{hint}"));
        }
    }
    end
}

fn tell_done(context: &Context, remote: &str, pushed: &Pushed, reference: &str) {
    let update = &pushed.update;
    let what = match update.kind {
        Kind::New => "new",
        Kind::Forced => "forced",
        Kind::Deleted => "deleted",
        Kind::UpToDate => "up to date",
        _ => "",
    };
    let planned = if pushed.outcome == Outcome::Planned { "dry run" } else { "" };
    let notes: Vec<_> = [what, planned].into_iter().filter(|note| !note.is_empty()).collect();
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!(" ({})", notes.join(", ")),
    };
    match &update.source {
        Some(source) => {
            let source = visible(short(source));
            context.ui.status(format_args!("{source} → {remote}/{reference}{notes}"));
        }
        None => context.ui.status(format_args!("{remote}/{reference}{notes}")),
    }
}
