//! A reference that did not get where it should: what is said of it, and what to do.

use super::ask_for;
use crate::http::{code_in, permission_in};
use crate::remote::Organization;
use crate::repository::Kind as Change;
use crate::text::{lines, visible_within};

/// A reference that did not get where it should: what is said of it, and what to do.
pub struct Trouble {
    /// The sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A reference that the server refused: the service's reason in plain words, the code behind it.
pub fn refused_reference(
    organization: &Organization,
    remote: &str,
    reference: &str,
    (reason, is_new): (&str, bool),
) -> Trouble {
    let refusal = format!("{organization} refused the push to {reference}");
    let shown: Vec<_> = lines(reason, 50, 400).collect();
    let whole = shown.join("\n");
    let code = code_in(reason);
    let (said, hint) = match (code, permission_in(reason)) {
        (_, Some(permission)) => {
            let name = visible_within(permission, 60);
            (format!("this account lacks the permission {name} (TF401027)"), ask_for(&name))
        }
        (Some(code @ ("TF402455" | "TF402456")), _) => (
            format!("pull requests only ({code})"),
            format!("push a branch instead: `git vsts push {remote} HEAD:refs/heads/NAME`"),
        ),
        (Some("VS403654"), _) => (
            format!("it holds secrets\n{whole}"),
            "revoke each of them, and take them out of every commit that was not pushed yet, for instance with `git rebase --interactive`".to_owned(),
        ),
        (Some("VS403658"), _) => (
            format!("a file is larger than the repository allows\n{whole}"),
            "take it out of the commits, or keep it with Git LFS: https://git-lfs.com".to_owned(),
        ),
        _ if is_about_move(code, reason) => (
            match code {
                Some(code) => format!("somebody pushed to it meanwhile ({code})"),
                None => "somebody pushed to it meanwhile".to_owned(),
            },
            format!("get their work and push again: `git pull --rebase {remote} {reference}`"),
        ),
        // git's own words (builtin/receive-pack.c).
        _ if reason.contains("shallow update not allowed") => (
            "the clone is shallow, and the server has not what it lacks".to_owned(),
            "get the rest of the history from where it was cloned, `git fetch --unshallow`, and push again".to_owned(),
        ),
        _ if is_new && ["directory file conflict", "failed to update ref"].iter().any(|words| reason.contains(words)) => (
            format!("a branch or tag is in the way of its name\n{whole}"),
            format!("`a` and `a/b` can't both be there: choose another name, or delete the other, `git vsts push --delete {remote} NAME`"),
        ),
        _ if whole.is_empty() => {
            return Trouble { message: format!("{refusal} and gave no reason"), hint: None };
        }
        _ => return Trouble { message: format!("{refusal}: {whole}"), hint: None },
    };
    Trouble { message: format!("{refusal}: {said}"), hint: Some(hint) }
}

/// Whether the reference is no longer what it was when the push was planned: in the service's words,
/// or in git's own.
fn is_about_move(code: Option<&str>, reason: &str) -> bool {
    code == Some("TF401028")
        || ["fetch first", "non-fast-forward", "failed to update ref"]
            .iter()
            .any(|words| reason.contains(words))
}

/// A reference of which the server said nothing that can be understood.
pub fn unknown_reference(remote: &str, reference: &str) -> Trouble {
    Trouble {
        message: format!(
            "it is not known whether {reference} was pushed: the server's report says nothing of it"
        ),
        hint: Some(format!("see what is there: `git ls-remote {remote} {reference}`")),
    }
}

/// A reference that the server has as it was, where it did not say what became of the push.
pub fn unchanged_reference(remote: &str, reference: &str) -> Trouble {
    Trouble {
        message: format!("{reference} was not pushed so far: {remote} has it as it was"),
        hint: Some("run the same command again".to_owned()),
    }
}

/// A reference that could have been sent, and another one could not.
pub fn withheld_reference(reference: &str) -> Trouble {
    Trouble {
        message: format!("{reference} was not sent, since `--atomic` wants all or none"),
        hint: None,
    }
}

/// A reference that was not sent, since commits at the server would be lost.
pub fn held_reference(kind: Change, remote: &str, reference: &str) -> Trouble {
    let pull = format!("get them and push again: `git pull --rebase {remote} {reference}`");
    let (what, hint) = match kind {
        Change::Behind => (
            format!("{reference} is behind: the server has commits that come after it"),
            format!("get them: `git pull {remote} {reference}`"),
        ),
        Change::Diverged => (
            format!(
                "{reference} and the server's went apart: each has commits that the other has not"
            ),
            pull,
        ),
        Change::Unrelated => (
            format!("{reference} and the server's have no commit in common"),
            format!(
                "put yours on top of it, `git pull --rebase {remote} {reference}`, or push to another branch"
            ),
        ),
        Change::Unseen { never_fetched: true } => (
            format!(
                "the server has commits on {reference} that were never fetched; it may have begun on its own, with a README for instance"
            ),
            format!("put yours on top of it: `git pull --rebase {remote} {reference}`"),
        ),
        Change::NoCommit => {
            let message = format!(
                "{reference} was not pushed: what it is at the server, or what it would be, is no commit"
            );
            return Trouble { message, hint: None };
        }
        Change::TagExists => (
            format!("the server has a tag {reference} already, and it is another"),
            format!(
                "choose another name, or replace it: `git vsts push --force {remote} refs/tags/{reference}`"
            ),
        ),
        Change::Stale => (
            format!("{reference} at the server is not what it was said to be (stale info)"),
            format!("`git fetch {remote}`, look at what came, then push again"),
        ),
        _ => (format!("the server has commits on {reference} that are not here"), pull),
    };
    Trouble { message: what, hint: Some(hint) }
}
