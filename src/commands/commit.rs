//! A first commit, or one of what is left to commit: shown before it is made.

use crate::context::Context;
use crate::error::{Error, Kind};
use crate::repository::{Repository, Uncommitted};
use crate::text::visible;

/// How many files are named before the rest is counted.
const SHOWN: usize = 10;

/// What there is to commit, checked: git is there and knows who commits.
///
/// # Errors
/// It could not be committed.
pub fn prepare(context: &Context, repository: &Repository) -> Result<Vec<Uncommitted>, Error> {
    let git = context.git()?;
    let changes = repository.uncommitted(git)?;
    if !changes.is_empty() {
        repository.can_commit(git)?;
    }
    Ok(changes)
}

/// Shows what would be committed, and warns of what looks like a secret.
pub fn show(context: &Context, changes: &[Uncommitted]) {
    let ui = &context.ui;
    ui.status(format_args!("To be committed, {}:", files(changes.len())));
    for change in changes.iter().take(SHOWN) {
        ui.status(format_args!("  {}", visible(&change.path)));
    }
    if changes.len() > SHOWN {
        ui.status(format_args!("  and {} more", changes.len() - SHOWN));
    }
    for change in changes.iter().filter(|change| change.looks_secret) {
        ui.warning(format_args!(
            "{} may hold a secret; name it in .gitignore to leave it out",
            visible(&change.path)
        ));
    }
}

/// Commits all that is left to commit.
///
/// # Errors
/// git or one of its hooks said no.
pub fn commit(context: &Context, repository: &Repository, message: &str) -> Result<(), Error> {
    repository.commit(context.git()?, message)?;
    context.ui.status(format_args!("Committed: {}", visible(message)));
    Ok(())
}

/// That there is nothing to push and nothing to commit either.
pub fn nothing(directory: &std::path::Path) -> Error {
    let message = format!("{} has no file to push", directory.display());
    Error::message(Kind::Failed, visible(&message)).hint("add a file first")
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}
