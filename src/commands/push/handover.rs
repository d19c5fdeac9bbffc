//! A push that git does as a whole, where libgit2 lacks what it needs.

use url::Url;

use super::send::{Done, Options, Signer, show};
use crate::commands::helper;
use crate::configuration::{Configuration, Trust};
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::http;
use crate::remote::{Protocol, RemoteUrl};
use crate::repository::{
    self, Access, Answer, Engine, Event, GitError, Handover, Push, PushError, Refspecs, Remote,
    Repository,
};
use crate::text::visible;
use crate::ui::Interrupt;

/// Settings that git obeys where it pushes, and of which `-v` tells where they are the repository's own: they run a
/// program, or have a say in the way.
const OBEYED: [&str; 6] = [
    "core.sshCommand",
    "core.askPass",
    "core.gitProxy",
    "http.proxy",
    "http.cookieFile",
    "gpg.program",
];

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
    let settings = [
        (is_on(context.configuration()?, "push.gpgSign") == Some(true), "push.gpgSign is set"),
        (recurses(context)?, "submodules are to be pushed too, or looked at"),
    ];
    Ok(settings.into_iter().find(|(is_set, _)| *is_set).map(|(_, reason)| reason))
}

/// Whether git pushes submodules or looks at them, for which it has to know the names of what it pushes.
fn recurses(context: &Context) -> Result<bool, Error> {
    let configuration = context.configuration()?;
    let push = "push.recurseSubmodules";
    if configuration.get(push).is_some_and(|said| said.eq_ignore_ascii_case("only")) {
        let message =
            "push.recurseSubmodules is `only`, so nothing of this repository is to be pushed";
        return Err(Error::message(Kind::Usage, message)
            .hint("`git config --show-origin push.recurseSubmodules` says who set it"));
    }
    // git's own order: what is said of a push goes before what is said of every command.
    let said = is_on(configuration, push).or_else(|| is_on(configuration, "submodule.recurse"));
    Ok(said == Some(true))
}

/// Whether a setting is on that has more words for it than a boolean, such as `if-asked` or `on-demand`.
fn is_on(configuration: &Configuration, key: &str) -> Option<bool> {
    configuration.boolean(key, Trust::Everyone).unwrap_or(Some(true))
}

/// The git that pushes, if it may.
///
/// # Errors
/// libgit2 was asked for, or there is no git.
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

/// Tells who pushes with `-v`, and what of the repository's own it obeys.
///
/// # Errors
/// git could not be asked.
pub(super) fn tell(context: &Context, reason: &str) -> Result<(), Error> {
    context.ui.detail(format_args!("git pushes: {reason}"));
    let configuration = context.configuration()?;
    for key in OBEYED {
        if let Some(value) = configuration.repositorys_own(key) {
            context.ui.detail(format_args!(
                "git obeys {key} of the repository's own configuration: {}",
                crate::remote::without_user(value)
            ));
        }
    }
    Ok(())
}

/// What is asked for, as arguments of `git push`.
pub(super) fn arguments(refspecs: &Refspecs, options: &Options, remote: &str) -> Vec<String> {
    let named = [
        (options.atomic, "--atomic"),
        (options.dry_run, "--dry-run"),
        (refspecs.all, "--all"),
        (refspecs.tags, "--tags"),
        (refspecs.force, "--force"),
        (refspecs.delete, "--delete"),
        (options.no_verify, "--no-verify"),
    ];
    let named = named.iter().filter(|(is_set, _)| *is_set);
    let mut arguments: Vec<String> = named.map(|(_, it)| (*it).to_owned()).collect();
    arguments.extend(options.leases.iter().map(ToString::to_string));
    arguments.extend(["--".to_owned(), remote.to_owned()]);
    arguments.extend(refspecs.named.iter().cloned());
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
    check_transport(context, &remote.name)?;
    let mut arguments = arguments(refspecs, options, &remote.name);
    if refspecs.is_default() {
        // By name, since git before 2.37 would push no branch that follows none.
        arguments.extend(repository.default_refspecs(refspecs, &remote.name));
    }
    let progress = context.ui.progress("Counting objects");
    let last_words = Interrupt::install()?
        .last_words("interrupted; the same command again tells what the server has");
    let handover = Handover {
        git,
        url: None,
        helper: None,
        arguments: &arguments,
        dry_run: options.dry_run,
        progress: !progress.is_hidden(),
        hooks: true,
        follow: false,
    };
    let mut on = |event: Event<'_>| show(context, &progress, &last_words, event);
    let is_first = !repository.has_seen(&remote.name);
    let references = repository.hand_over(&handover, &[], &mut on);
    drop((progress, last_words));
    let references = references.map_err(|error| not_pushed(error, &url))?;
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
    push.remote.map_or(Ok(()), |remote| check_transport(context, remote))?;
    let helper = match &signer.sign_in {
        Some(sign_in) => {
            let url = (origin(&access.url), &url.organization);
            Some(helper::that_answers_only(context, url.0, url.1, sign_in)?)
        }
        None => None,
    };
    let prepared = match repository.prepare(push, access, on) {
        Ok(prepared) if !prepared.is_over(push) => prepared,
        Ok(prepared) => return Ok(Ok(prepared.unsent(push))),
        Err(error) => return Ok(Err(error)),
    };
    let (leases, refspecs) = prepared.arguments(recurses(context)?);
    // It was run by us.
    let mut arguments = vec!["--no-verify".to_owned()];
    // One alone is changed or not in any case.
    arguments.extend((options.atomic && leases.len() > 1).then(|| "--atomic".to_owned()));
    arguments.extend(leases);
    arguments.extend(["--".to_owned(), push.remote.unwrap_or(push.url).to_owned()]);
    arguments.extend(refspecs);
    let handover = Handover {
        git,
        url: Some(&access.url),
        helper: helper.as_ref(),
        arguments: &arguments,
        dry_run: false,
        progress: !push.quiet,
        hooks: signer.is_kept(),
        follow: false,
    };
    // From now on git may have changed something there.
    on(Event::Ending);
    let pushed = prepared.hand_over(repository, &handover, access, push.wait, on);
    Ok(pushed.map_err(|error| match is_refused_sign_in(&error) {
        true => {
            let refusal = http::Refusal::unauthorized(url.organization.host());
            PushError::Http(http::Error::Refused(Box::new(refusal)))
        }
        false => PushError::Handover(error),
    }))
}

/// Whether the service refused what git signed in with.
fn is_refused_sign_in(error: &GitError) -> bool {
    let GitError::Failed { said, .. } = error else { return false };
    ["Authentication failed", "HTTP 401", "could not read Username", "could not read Password"]
        .iter()
        .any(|words| said.contains(words))
}

/// Checks that git speaks with the remote itself, and lets no other program do it (`remote.<name>.vcs`,
/// gitremote-helpers(7)).
///
/// # Errors
/// Another would.
pub(super) fn check_transport(context: &Context, remote: &str) -> Result<(), Error> {
    let key = format!("remote.{remote}.vcs");
    match context.configuration()?.get(&key) {
        None => Ok(()),
        Some(program) => Err(Error::message(
            Kind::Failed,
            format!(
                "{} is set, so that `git-remote-{}` would push",
                visible(&key),
                visible(program)
            ),
        )
        .hint("take it out of the configuration, or push with `git push`")),
    }
}

/// The scheme, host and port: what git's credential settings are for.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What git's own words for a push that did not happen come to.
pub(super) fn not_pushed(error: GitError, url: &RemoteUrl) -> Error {
    let GitError::Failed { said, .. } = &error else { return error.into() };
    let is_any = |words: &[&str]| words.iter().any(|words| said.contains(words));
    let keys = || {
        let page = url.organization.keys_page();
        format!(
            "over SSH it is your key that signs in: add it at {page}, or use HTTPS with `git vsts remote-add --replace`"
        )
    };
    let again = || "check the network, then run the same command again".to_owned();
    let status = || format!("`git vsts status` tries the sign-in to {}", url.organization);
    let (kind, hint) = match () {
        () if url.protocol == Protocol::Https
            && (is_refused_sign_in(&error) || is_any(&["HTTP 403"])) =>
        {
            (Kind::SignedOut, Some(status()))
        }
        () if url.protocol == Protocol::Ssh && is_any(&["Permission denied"]) => {
            (Kind::SignedOut, Some(keys()))
        }
        () if is_any(&["Could not resolve", "Connection", "timed out", "unable to access"]) => {
            (Kind::Network, Some(again()))
        }
        () if is_any(&["hash algorithm"]) => {
            (Kind::Failed, Some("Azure DevOps takes repositories of SHA-1 alone".to_owned()))
        }
        () if is_any(&["HTTP 413"]) => (
            Kind::Failed,
            Some(
                "push it in parts, an older commit first, or keep large files with Git LFS"
                    .to_owned(),
            ),
        ),
        () if is_any(&["HTTP 5", "hung up", "disconnect"]) => (Kind::Network, Some(again())),
        () => (Kind::Failed, None),
    };
    let error = Error::from(error).of_kind(kind);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
