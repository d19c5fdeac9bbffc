//! The pages of the service that come after a push: that of a pull request for a new branch, or of the branch.

use url::Url;

use super::send::Done;
use crate::context::Context;
use crate::repository::{Kind, short};
use crate::text::visible;

/// The most new branches of which the page of a pull request is told: whoever pushes more knows what for.
const MOST: usize = 5;

/// A branch that is new at the server, and the page that makes a pull request of it.
pub(super) struct PullRequest {
    /// The reference in full.
    pub reference: String,
    /// The page.
    pub page: String,
}

/// A pull request for each branch that is new at the server, into the default branch `target` if that is known. The
/// first branches of a repository have none to go into.
pub(super) fn pull_requests(done: &Done, target: Option<&str>) -> Vec<PullRequest> {
    let is_new_branch = |reference: &str, kind| {
        kind == Kind::New && reference.starts_with("refs/heads/") && target != Some(reference)
    };
    let new: Vec<_> = done
        .references
        .iter()
        .filter(|it| it.is_done() && is_new_branch(&it.update.reference, it.update.kind))
        .collect();
    if done.is_first || new.len() > MOST {
        return Vec::new();
    }
    let of = |reference: &String| PullRequest {
        page: done.url.pull_request_create(reference, target),
        reference: reference.clone(),
    };
    new.into_iter().map(|it| of(&it.update.reference)).collect()
}

/// Tells them.
pub(super) fn tell(context: &Context, pull_requests: &[PullRequest]) {
    for PullRequest { reference, page } in pull_requests {
        let branch = visible(short(reference));
        context.ui.status(format_args!("Make a pull request for {branch}: {page}"));
    }
}

/// Opens the first of them in a browser, else the page of the branch. That there is none takes nothing from the push.
pub(super) fn open(context: &Context, done: &Done, pull_requests: &[PullRequest]) {
    let branch = || {
        let mut done = done.references.iter().filter(|it| it.is_done() && !it.update.new.is_zero());
        done.find(|it| it.update.reference.starts_with("refs/heads/"))
    };
    let page = match (pull_requests.first(), branch()) {
        (Some(pull_request), _) => pull_request.page.clone(),
        (None, Some(pushed)) => done.url.web_branch(&pushed.update.reference),
        (None, None) => done.url.web(),
    };
    let opened = match Url::parse(&page) {
        Ok(url) if context.has_browser() => context.open_in_browser(&url),
        Ok(_) => Err("there is none here".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match opened {
        Ok(()) => context.ui.status(format_args!("Opened {page}")),
        Err(why) => {
            let why = visible(&why);
            context.ui.warning(format_args!("no browser could be started ({why}): visit {page}"));
        }
    }
}
