//! A push from a repository that libgit2 can't read and git can.

use super::handover::{self, arguments, not_pushed};
use super::send::{self, Done, Options, Signer, show};
use super::{agrees, chosen, pages, refused};
use crate::commands::helper;
use crate::commands::names::{self, Known};
use crate::commands::place::Place;
use crate::commands::report::{self, Report};
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::remote::{Protocol, RemoteUrl};
use crate::repository::{Event, Git, Handover, Refspecs, Remote, Remotes, Settings};
use crate::text::visible;
use crate::ui::Interrupt;

/// What is asked for on the command line.
pub(super) struct Asked<'a> {
    /// The remote.
    pub remote: Option<&'a str>,
    /// What the remote must lead to.
    pub known: &'a Known,
    /// What is pushed, but for what the configuration says.
    pub refspecs: Refspecs,
    /// How.
    pub options: Options,
    /// Open the page of the branch.
    pub open: bool,
    /// Print an object.
    pub json: bool,
}

/// Lets git push, where it can read what `unread` says that libgit2 can't.
///
/// # Errors
/// That, if git can't either or is not there; else as of any push.
pub(super) fn push(context: &Context, asked: Asked<'_>, unread: Error) -> Result<(), Error> {
    let Some(git) = context.git_if_any() else { return Err(unread) };
    // git has its own mind about whom a folder may belong to, and says so where it does not take it.
    let Ok(folder) = git.common_folder(context.directory()) else { return Err(unread) };
    let configuration = context.configuration()?;
    let remotes = Remotes::read(configuration, &folder);
    let remote = remote(context, git, &asked, &remotes)?;
    agrees(context, &remote, asked.known)?;
    let url = names::judge(context, &remote)?;
    let reason = unread.to_string();
    let git = handover::git(context, &asked.options, &reason)?;
    handover::tell(context, &reason)?;
    let refspecs = Refspecs { settings: Settings::read(configuration, remotes)?, ..asked.refspecs };
    handover::check_transport(context, &remote.name)?;
    let (mut helper, mut address, mut is_kept) = (None, None, true);
    if url.protocol == Protocol::Https {
        handover::check_tls(context)?;
        let base = send::address(&remote.push_url)?;
        let signer = Signer::of(context, &base, &url.organization)?;
        let access = signer.access(context, base)?;
        // What is wrong with the sign-in or the repository we tell better than git.
        let wait = |why: &str, pause| context.wait(why, pause);
        access
            .check(&wait)
            .map_err(|error| refused::explain(context, &url, &remote.name, &signer, error))?;
        if let Some(sign_in) = &signer.sign_in {
            let base = handover::origin(&access.url);
            let organization = &url.organization;
            helper = Some(helper::that_answers_only(context, base, organization, sign_in)?);
            is_kept = signer.is_kept();
        }
        address = Some(access.url);
    }
    if !is_kept && !asked.options.no_verify {
        check_hooks(context, git, &url)?;
    }
    let arguments = arguments(&refspecs, &asked.options, &remote.name);
    let dry_run = asked.options.dry_run;
    let progress = context.ui.progress("Counting objects");
    let last_words = Interrupt::install()?
        .last_words("interrupted; the same command again tells what the server has");
    let handover = Handover {
        git,
        url: address.as_ref(),
        helper: helper.as_ref(),
        arguments: &arguments,
        dry_run,
        progress: !progress.is_hidden(),
        hooks: is_kept,
        follow: !asked.options.no_set_upstream,
    };
    let mut on = |event: Event<'_>| show(context, &progress, &last_words, event);
    let pushed = handover.push(context.directory(), &mut on);
    drop((progress, last_words));
    let pushed = pushed.map_err(|error| not_pushed(error, &url))?;
    let report = Report::new(&url, Some(&remote.name), url.url(url.protocol), false)
        .with_references(&pushed);
    let end = report::tell(context, &Place::from(&url), &remote.name, &pushed);
    if asked.open && end.is_ok() && !dry_run {
        let done = Done { references: pushed, is_first: false, url };
        pages::open(context, &done, &[]);
    }
    end.and(report.print(context, asked.json))
}

/// Checks that there is no hook, which git would run with the token of the environment in its own.
fn check_hooks(context: &Context, git: &Git, url: &RemoteUrl) -> Result<(), Error> {
    let folder = git.hooks_folder(context.directory())?;
    let found =
        ["pre-push", "reference-transaction"].into_iter().find(|it| folder.join(it).is_file());
    let Some(hook) = found else { return Ok(()) };
    let message = format!(
        "git runs the hook {hook} here, and the token of this run would be in its environment"
    );
    Err(Error::message(Kind::Failed, message).hint(format!(
        "keep it, `git vsts login {}`, or run no hook with `--no-verify`",
        url.organization
    )))
}

/// The remote that is named, that git would push to, or the only one at Azure DevOps.
fn remote(
    context: &Context,
    git: &Git,
    asked: &Asked<'_>,
    remotes: &Remotes,
) -> Result<Remote, Error> {
    let usage = |message: String| Error::message(Kind::Usage, message);
    if let Some(name) = asked.remote {
        let found = remotes.get(name).cloned();
        return found.ok_or_else(|| usage(format!("there is no remote {}", visible(name))));
    }
    let branch = git.branch(context.directory())?;
    if let Some(remote) = chosen(context, remotes, branch.as_deref())? {
        return Ok(remote);
    }
    let is_azure = |remote: &&Remote| context.service.remote(&remote.push_url).is_ok();
    match remotes.iter().filter(is_azure).collect::<Vec<_>>().as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(usage("nothing here points at Azure DevOps".to_owned())
            .hint("add a remote: `git remote add NAME URL`")),
        several => {
            let names: Vec<_> = several.iter().map(|remote| visible(&remote.name)).collect();
            Err(usage(format!("several remotes are at Azure DevOps: {}", names.join(", ")))
                .hint(format!("name one: `git vsts push {}`", names[0])))
        }
    }
}
