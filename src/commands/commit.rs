//! A first commit, or one of what is left to commit: shown before it is made.

use std::path::Path;

use crate::context::Context;
use crate::error::{Error, Kind};
use crate::repository::{Repository, Uncommitted};
use crate::text::visible;

/// How many files are named before the rest is counted.
const SHOWN: usize = 10;

/// Refuses a folder in which nobody means everything: the home directory, with what programs keep there for nobody else
/// to see. On a terminal a person may mean it all the same.
///
/// # Errors
/// It is the home directory, and nobody wants that.
pub fn check_folder(context: &Context, directory: &Path) -> Result<(), Error> {
    let home = context.environment.home().and_then(|home| home.canonicalize().ok());
    if home.is_none() || directory.canonicalize().ok() != home {
        return Ok(());
    }
    let question = "This is your home directory. Commit everything in it?";
    let kind = match context.ui.can_ask() {
        true if context.ui.confirm(question, false, "--commit")? => return Ok(()),
        true => Kind::Failed,
        false => Kind::Usage,
    };
    Err(Error::message(kind, "this is the home directory: nothing was committed").hint(
        "run it in the folder of what is to be pushed; \
         to keep some files of the home directory, `git add` and `git commit` them, and leave out `--commit`",
    ))
}

/// Refuses our own secrets, which a push would publish.
fn check_for_ours(
    context: &Context,
    repository: &Repository,
    changes: &[Uncommitted],
) -> Result<(), Error> {
    let ours = context.data_directory().ok().and_then(|folder| folder.canonicalize().ok());
    let Some(ours) = ours else { return Ok(()) };
    let is_ours = |change: &&Uncommitted| {
        let path = repository.directory().join(&change.path);
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        change.looks_secret && folder.as_ref() == Some(&ours)
    };
    let Some(change) = changes.iter().find(is_ours) else { return Ok(()) };
    let path = visible(&change.path);
    let message =
        format!("{path} holds the credentials that git vsts keeps: nothing was committed");
    Err(Error::message(Kind::Failed, message).hint("name it in .gitignore to leave it out"))
}

/// What there is to commit, checked: git is there and knows who commits.
///
/// # Errors
/// It could not be committed.
pub fn prepare(context: &Context, repository: &Repository) -> Result<Vec<Uncommitted>, Error> {
    let git = context.git()?;
    let changes = repository.uncommitted(git)?;
    if !changes.is_empty() {
        check_for_ours(context, repository, &changes)?;
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
pub fn nothing(directory: &Path) -> Error {
    let message = format!("{} has no file to push", directory.display());
    Error::message(Kind::Failed, visible(&message)).hint("add a file first")
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}
