//! A push that git does as a whole, where libgit2 lacks what it needs.

use url::Url;

use super::send::{Done, Options, Signer, show};
use crate::commands::helper;
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::remote::{Organization, RemoteUrl};
use crate::repository::{
    self, Access, Answer, Engine, Event, GitError, Handover, Push, PushError, Refspecs, Remote,
    Repository,
};
use crate::text::visible;

/// Settings of the repository's own that git obeys where it pushes, and that run programs or choose where to.
const OBEYED: [&str; 3] = ["core.sshCommand", "core.askPass", "core.gitProxy"];

/// Why git has to do the whole of a push over HTTPS, if it has to.
///
/// # Errors
/// A setting that is none.
pub(super) fn reason(
    context: &Context,
    repository: &Repository,
) -> Result<Option<&'static str>, Error> {
    if let Some(reason) = repository.needs_git() {
        return Ok(Some(reason));
    }
    let configuration = context.configuration()?;
    let is_set = |key: &str| {
        let value = configuration.get(key).unwrap_or_default().to_ascii_lowercase();
        !["", "false", "no", "off", "0"].contains(&&*value)
    };
    let settings = [
        ("push.gpgSign", "push.gpgSign is set"),
        ("push.pushOption", "push.pushOption is set"),
        ("push.recurseSubmodules", "push.recurseSubmodules is set"),
    ];
    Ok(settings.into_iter().find(|(key, _)| is_set(key)).map(|(_, reason)| reason))
}

/// The git that pushes, if it may.
pub(super) fn git<'c>(
    context: &'c Context,
    options: &Options,
    reason: &str,
) -> Result<&'c repository::Git, Error> {
    let git_alone = || Error::message(Kind::Failed, format!("git itself has to push: {reason}"));
    if options.engine == Engine::Git2 {
        return Err(git_alone().hint("leave out `--engine git2`; see `git config vsts.engine`"));
    }
    let git = context.git_if_any();
    git.ok_or_else(|| git_alone().hint("there is no git on PATH: install it, https://git-scm.com"))
}

pub(super) fn tell(context: &Context, reason: &str) -> Result<(), Error> {
    context.ui.detail(format_args!("git pushes: {reason}"));
    let configuration = context.configuration()?;
    for key in OBEYED {
        if let Some(value) = configuration.repositorys_own(key) {
            context.ui.detail(format_args!(
                "git obeys {key} of the repository's own configuration: {}",
                visible(value)
            ));
        }
    }
    Ok(())
}

/// What is asked for, as arguments of `git push`.
pub(super) fn arguments(refspecs: &Refspecs, options: &Options, remote: &str) -> Vec<String> {
    let mut arguments = flags(options);
    let named = [
        (refspecs.all, "--all"),
        (refspecs.tags, "--tags"),
        (refspecs.force, "--force"),
        (refspecs.delete, "--delete"),
        (options.no_verify, "--no-verify"),
    ];
    arguments.extend(named.iter().filter(|(is_set, _)| *is_set).map(|(_, it)| (*it).to_owned()));
    arguments.extend(options.leases.iter().map(ToString::to_string));
    arguments.extend(["--".to_owned(), remote.to_owned()]);
    arguments.extend(refspecs.named.iter().cloned());
    let is_default = refspecs.named.is_empty() && !refspecs.all && !refspecs.tags;
    // What git names itself it would make the branch follow.
    arguments.extend((is_default && options.no_set_upstream).then(|| "HEAD".to_owned()));
    arguments
}

/// Checks that git would not obey what a repository says of TLS, where we do not: it could send the credential to
/// somebody on the way.
///
/// # Errors
/// It would.
pub(super) fn check_tls(context: &Context) -> Result<(), Error> {
    let ignored = context.configuration()?.ignored_here();
    let Some(setting) = ignored.iter().find(|setting| setting.key.starts_with("http.")) else {
        return Ok(());
    };
    let message = format!(
        "git itself would have to push, and would obey {} of the repository's own configuration ({})",
        setting.key, setting.scope
    );
    Err(Error::message(Kind::Failed, message)
        .hint("take it out, or set it in your own: `git config --global`"))
}

/// Pushes over SSH, where git asks and tells everything itself.
///
/// # Errors
/// git pushed nothing, and said why.
pub(super) fn over_ssh(
    context: &Context,
    repository: &Repository,
    (remote, url): (&Remote, RemoteUrl),
    refspecs: &Refspecs,
    options: &Options,
) -> Result<Done, Error> {
    let reason = "the remote is one over SSH";
    let git = git(context, options, reason)?;
    tell(context, reason)?;
    let arguments = arguments(refspecs, options, &remote.name);
    let handover = Handover { git, helper: None, arguments: &arguments, dry_run: options.dry_run };
    let progress = context.ui.progress("Counting objects");
    let mut on = |event: Event<'_>| show(context, &progress, event);
    let is_first = !repository.has_seen(&remote.name);
    let references = repository.hand_over(&handover, &[], &mut on);
    drop(progress);
    let references = references.map_err(|error| not_pushed(error, &url.organization))?;
    Ok(Done { references, is_first, url })
}

/// Pushes over HTTPS what is planned, after what we ask, check and run before each push.
///
/// # Errors
/// As of a push of our own; [`PushError::Handover`] if git pushed nothing.
pub(super) fn over_https(
    context: &Context,
    repository: &Repository,
    push: &Push<'_>,
    (access, signer, url): (&Access, &Signer, &RemoteUrl),
    options: &Options,
    reason: &str,
    on: &mut dyn FnMut(Event<'_>),
) -> Result<Result<Answer, PushError>, Error> {
    let git = git(context, options, reason)?;
    check_tls(context)?;
    tell(context, reason)?;
    let helper = match &signer.sign_in {
        Some(sign_in) => {
            Some(helper::of(context, origin(&access.url), &url.organization, sign_in)?)
        }
        None => None,
    };
    let prepared = match repository.prepare(push, access) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Err(error)),
    };
    let mut arguments = flags(options);
    // It was run, with none of our secrets in its environment.
    arguments.push("--no-verify".to_owned());
    arguments.extend(["--".to_owned(), push.remote.unwrap_or(push.url).to_owned()]);
    let named = arguments.len();
    arguments.extend(prepared.refspecs());
    if arguments.len() == named {
        return Ok(Ok(prepared.unsent(push.dry_run)));
    }
    let handover =
        Handover { git, helper: helper.as_ref(), arguments: &arguments, dry_run: push.dry_run };
    // From now on git may have changed something there.
    on(Event::Ending);
    Ok(prepared.hand_over(repository, &handover, on).map_err(PushError::Handover))
}

fn flags(options: &Options) -> Vec<String> {
    let flags = [(options.atomic, "--atomic"), (options.dry_run, "--dry-run")];
    flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_owned()).collect()
}

/// The scheme, host and port: what git's credential settings are for.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What git's own words for a push that did not happen come to.
pub(super) fn not_pushed(error: GitError, organization: &Organization) -> Error {
    let GitError::Failed { said, .. } = &error else { return error.into() };
    let is_any = |words: &[&str]| words.iter().any(|words| said.contains(words));
    let keys = || {
        let page = organization.keys_page();
        format!(
            "over SSH it is your key that signs in: add it at {page}, or use HTTPS with `git vsts remote-add --replace`"
        )
    };
    let again = || "check the network, then run the same command again".to_owned();
    let (kind, hint) = match () {
        () if is_any(&[
            "Permission denied",
            "Authentication failed",
            "could not read Username",
        ]) =>
        {
            (Kind::SignedOut, Some(keys()))
        }
        () if is_any(&["Could not resolve", "Connection", "timed out", "unable to access"]) => {
            (Kind::Network, Some(again()))
        }
        () if is_any(&["hash algorithm"]) => {
            (Kind::Failed, Some("Azure DevOps takes repositories of SHA-1 alone".to_owned()))
        }
        () => (Kind::Failed, None),
    };
    let error = Error::from(error).of_kind(kind);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
