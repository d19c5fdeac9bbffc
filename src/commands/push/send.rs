//! The push itself: with the sign-in for it, in sight of whoever is there.

use std::cell::Cell;

use secrecy::SecretString;
use url::Url;

use super::{handover, refused, remember};
use crate::commands::{names, place};
use crate::configuration::{Configuration, Trust};
use crate::context::{Context, SignIn, Source, Store};
use crate::error::{Error, Kind};
use crate::http::{self, HeaderName};
use crate::remote::{Organization, Protocol, RemoteUrl};
use crate::repository::{
    Access, Engine, Event, Lease, Packer, Push, Pushed, Refspecs, Remote, Repository, Stage,
};
use crate::ui::{Interrupt, LastWords, Progress};

/// How a push is done, where it is not as usual.
#[derive(Clone, Debug, Default)]
pub(in crate::commands) struct Options {
    /// Nothing is sent.
    pub dry_run: bool,
    /// No hook is run.
    pub no_verify: bool,
    /// No branch is made to follow what it is pushed to.
    pub no_set_upstream: bool,
    /// All or nothing.
    pub atomic: bool,
    /// What must be at the server still.
    pub leases: Vec<Lease>,
    /// Who packs.
    pub engine: Engine,
}

/// A push that was answered.
#[derive(Debug)]
pub(in crate::commands) struct Done {
    /// What became of each reference.
    pub references: Vec<Pushed>,
    /// Whether the repository at the server had nothing before.
    pub is_first: bool,
    /// Where it is.
    pub url: RemoteUrl,
}

/// Pushes to a remote that was judged, with the sign-in for it; once more where that had ended and
/// could be renewed.
pub(in crate::commands) fn push(
    context: &Context,
    repository: &Repository,
    remote: &Remote,
    refspecs: &Refspecs,
    options: &Options,
) -> Result<Done, Error> {
    let hooked = Cell::new(false);
    match push_once(context, repository, remote, refspecs, (options, &hooked)) {
        Err(error) if error.is_refused_sign_in() => {
            let organization = names::judge(context, remote)?.organization;
            place::sign_in_again(context, &organization, error)?;
            // It has judged this push.
            let options =
                &Options { no_verify: options.no_verify || hooked.get(), ..options.clone() };
            push_once(context, repository, remote, refspecs, (options, &hooked))
        }
        done => done,
    }
}

fn push_once(
    context: &Context,
    repository: &Repository,
    remote: &Remote,
    refspecs: &Refspecs,
    (options, hooked): (&Options, &Cell<bool>),
) -> Result<Done, Error> {
    let url = names::judge(context, remote)?;
    if url.protocol == Protocol::Ssh {
        let done = handover::over_ssh(context, repository, (remote, url), refspecs, options)?;
        if !options.dry_run {
            remember(context, repository, remote, &done.references, options);
        }
        return Ok(done);
    }
    let address = address(&remote.push_url)?;
    let signer = Signer::of(context, &address, &url.organization)?;
    let access = signer.access(context, address)?;
    let configuration = context.configuration()?;
    let hooks = configuration.get("core.hooksPath").map(|path| context.home_path(path));
    let wait = |why: &str, pause| context.wait(why, pause);
    let progress = context.ui.progress("Counting objects");
    let push = Push {
        remote: Some(&remote.name),
        url: &remote.push_url,
        refspecs,
        leases: &options.leases,
        dry_run: options.dry_run,
        no_verify: options.no_verify,
        atomic: options.atomic,
        options: &push_options(configuration),
        quiet: progress.is_hidden(),
        engine: options.engine,
        git: context.git_if_any(),
        hooks: hooks.as_deref(),
        wait: &wait,
    };
    let last_words =
        Interrupt::install()?.last_words("interrupted; nothing was changed at the server");
    let mut on = |event: Event<'_>| {
        hooked.set(hooked.get() || matches!(event, Event::Hooked));
        show(context, &progress, &last_words, event);
    };
    let pushed = match handover::reason(context, repository)? {
        Some(reason) => {
            let way = (&access, &signer, &url);
            handover::over_https(context, repository, &push, way, options, reason, &mut on)?
        }
        None => repository.push(&push, &access, &mut on),
    };
    drop((progress, last_words));
    let answer =
        pushed.map_err(|error| refused::explain(context, &url, &remote.name, &signer, error))?;
    let references = answer.references;
    if !options.dry_run {
        remember(context, repository, remote, &references, options);
    }
    Ok(Done { references, is_first: answer.was_empty, url })
}

/// What is told to the server beside the references (git-config(1), `push.pushOption`): an empty one ends the list of
/// those before it.
fn push_options(configuration: &Configuration) -> Vec<String> {
    let all = configuration.all("push.pushOption");
    let begin = all.iter().rposition(|option| option.is_empty()).map_or(0, |at| at + 1);
    all[begin..].iter().map(|option| (*option).to_owned()).collect()
}

/// Shows what happens, and what there is to tell if it ends now.
pub(super) fn show(
    context: &Context,
    progress: &Progress,
    last_words: &LastWords,
    event: Event<'_>,
) {
    match event {
        Event::Packer(Packer::Libgit2(1)) => {
            context.ui.detail(format_args!("libgit2 packs the one object"));
        }
        Event::Packer(Packer::Libgit2(count)) => {
            context.ui.detail(format_args!("libgit2 packs the {count} objects"));
        }
        Event::Packer(Packer::Git(why)) => context.ui.detail(format_args!("git packs: {why}")),
        Event::Child(id) => last_words.with_child(id),
        Event::Hooked => {}
        Event::Packing { stage, done, total } => {
            progress.title(match stage {
                Stage::Counting => "Counting objects",
                Stage::Compressing => "Compressing objects",
                Stage::Writing => "Writing objects",
            });
            progress.set(done as u64, Some(total as u64));
        }
        Event::Sending { bytes } => {
            progress.title("Writing objects");
            progress.bytes(bytes);
        }
        Event::Ending => last_words.change(
            "interrupted before the server answered; the same command again tells what it did",
        ),
        Event::Sent => progress.title("Waiting for the server"),
        Event::Remote(line) => context.ui.remote_line(line),
        Event::RemoteProgress(line) => progress.message(line),
        Event::LookingAgain(why) => {
            let why = why.map(|error| format!(" ({error})")).unwrap_or_default();
            context.ui.warning(format_args!(
                "the server did not say what became of the push{why}, so it is asked what it has"
            ));
        }
    }
}

/// What signs the requests of a push.
pub(super) struct Signer {
    /// The sign-in, unless a header signs.
    pub sign_in: Option<SignIn>,
    /// Headers of `http.extraHeader`; an `Authorization` among them stands instead of a sign-in.
    headers: Vec<(HeaderName, SecretString)>,
}

impl Signer {
    /// That of an organization at an address.
    ///
    /// # Errors
    /// There is none, and nobody to ask; or settings that can't be used.
    pub fn of(
        context: &Context,
        address: &Url,
        organization: &Organization,
    ) -> Result<Self, Error> {
        let headers = context.extra_headers(address, Trust::Everyone)?;
        let is_signed = headers.iter().any(|(name, _)| *name == http::AUTHORIZATION);
        let sign_in = match is_signed {
            true => None,
            false => Some(place::signed_in(context, organization)?),
        };
        Ok(Self { sign_in, headers })
    }

    /// Whether our helper finds the credential by itself, so that no other program has it in its environment.
    pub fn is_kept(&self) -> bool {
        let source = self.sign_in.as_ref().map(|sign_in| sign_in.source);
        matches!(source, None | Some(Source::Store(Store::Keychain | Store::File)))
    }

    /// How the server at an address is reached with it.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub fn access(&self, context: &Context, url: Url) -> Result<Access, Error> {
        let sign_in = self.sign_in.as_ref();
        Ok(Access {
            client: context.git_client(&url)?,
            url,
            authorization: sign_in.and_then(|sign_in| sign_in.credential.authorization()),
            headers: self.headers.clone(),
        })
    }
}

/// The URL that a push goes to, without its user part.
pub(super) fn address(url: &str) -> Result<Url, Error> {
    let parsed = Url::parse(url).map_err(|error| {
        Error::message(
            Kind::Usage,
            format!("{} is no URL: {error}", crate::remote::without_user(url)),
        )
    });
    let mut url = parsed?;
    // Both fail only for URLs that can have no user part.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}
