mod handover;
mod pages;
mod refused;
mod send;
mod unread;

use clap::{Args, ValueEnum};

use crate::azure;
use crate::commands::commit;
use crate::commands::init;
use crate::commands::names::{self, AzureRemote, Flags, Known};
use crate::commands::place::{self, Found, Place, Wanted};
use crate::commands::remote_add::{self, Wish};
use crate::commands::report::{self, Report};
use crate::context::Context;
use crate::error::{Error, Kind, not_planned};
use crate::remote::RepositoryName;
use crate::repository::{
    Engine, Head, Lease, Pushed, Refspecs, Remote, Remotes, Repository, Settings,
};
use crate::text::{quoted, visible};

pub(in crate::commands) use send::{Options, push};

const FLAGS: Flags = Flags { organization: "--org", project: "--project", repository: "--repo" };

/// Push to Azure DevOps
///
/// Pushes the branch here, or what REFSPEC names. Where something is missing, the sign-in, the
/// remote, the repository, a first commit, it is asked for and done first.
#[derive(Args, Debug)]
pub struct Push {
    /// The remote [default: the one of `git push`, or the only one at Azure DevOps]
    #[arg(value_name = "REMOTE")]
    remote: Option<String>,
    /// What to push, as with `git push`: SOURCE[:DESTINATION], with `+` to force
    #[arg(value_name = "REFSPEC", conflicts_with = "all")]
    refspecs: Vec<String>,
    /// Push every branch
    #[arg(long, conflicts_with_all = ["tags", "delete"])]
    all: bool,
    /// Push every tag, and no branch but what is named
    #[arg(long, conflicts_with = "delete")]
    tags: bool,
    /// Push even where commits at the server are lost by it
    #[arg(short, long)]
    force: bool,
    /// Push even where commits are lost by it, if the server still has what was last seen there
    ///
    /// Or, with REF:COMMIT, if REF there is that commit; none after the colon means that it is not there.
    #[arg(long, value_name = "REF[:COMMIT]", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    force_with_lease: Vec<String>,
    /// Change all references at the server, or none
    #[arg(long)]
    atomic: bool,
    /// Delete what is named at the server
    #[arg(short, long, requires = "refspecs")]
    delete: bool,
    /// Say what would be done, and send nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Don't run the pre-push hook
    #[arg(long)]
    no_verify: bool,
    /// Don't make the branch follow the one at the server
    #[arg(long)]
    no_set_upstream: bool,
    /// The organization, where no remote says it
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// The project, where no remote says it
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// The repository, where no remote says it [default: the folder's name]
    #[arg(long, value_name = "REPO")]
    repo: Option<String>,
    /// Make the repository if it is missing, without asking
    #[arg(long)]
    create: bool,
    /// Open the page of the pull request, or of the branch, in a browser
    #[arg(long)]
    open: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Who packs what is sent: libgit2 in this process, or git, which is faster for much
    #[arg(long, value_name = "ENGINE", value_enum)]
    engine: Option<EngineName>,
}

/// Who packs what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    /// Whoever is faster
    Auto,
    /// libgit2
    Git2,
    /// git
    Git,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Auto => Self::Auto,
            EngineName::Git2 => Self::Git2,
            EngineName::Git => Self::Git,
        }
    }
}

impl Push {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let known = self.known(context)?;
        let repository = match self.repository(context, &known) {
            Err(unread) if unread.is_beyond_libgit2() => {
                let asked = unread::Asked {
                    remote: self.remote.as_deref(),
                    known: &known,
                    refspecs: self.refspecs(context, Remotes::default())?,
                    options: self.options(context)?,
                    open: self.open,
                    json: self.json,
                };
                return unread::push(context, asked, unread);
            }
            repository => repository?,
        };
        let remotes = names::remotes(context, &repository)?;
        let refspecs = self.refspecs(context, remotes)?;
        let (remote, found) = match self.remote(context, &repository, &refspecs.settings.remotes)? {
            Some(remote) => (remote, None),
            None => match self.connect(context, &repository, known.clone(), &refspecs)? {
                Some((remote, found)) => (remote, Some(found)),
                None => return Ok(()),
            },
        };
        let made = found.as_ref().is_some_and(|found| found.made);
        agrees(context, &remote, &known)?;
        repository
            .check_sources(&refspecs, Some(&remote.name))
            .map_err(|error| not_planned(error, &remote.name))?;
        let options = self.options(context)?;
        let (done, created) = match push(context, &repository, &remote, &refspecs, &options) {
            Err(error) if error.is_missing_repository() => {
                if !self.make_missing(context, &remote, error)? {
                    return Ok(());
                }
                (push(context, &repository, &remote, &refspecs, &options)?, true)
            }
            done => (done?, made),
        };
        let target = repository.default_branch(&remote.name);
        let target = target.or_else(|| found.and_then(|found| found.default_branch));
        let pull_requests = pages::pull_requests(&done, target.as_deref());
        let remote_url = done.url.url(done.url.protocol);
        let mut report = Report::new(&done.url, Some(&remote.name), remote_url, created)
            .with_references(&done.references);
        for pull_request in &pull_requests {
            report = report.with_pull_request(&pull_request.reference, &pull_request.page);
        }
        let end = report::tell(context, &Place::from(&done.url), &remote.name, &done.references);
        pages::tell(context, &pull_requests);
        if self.open && end.is_ok() && !self.dry_run {
            pages::open(context, &done, &pull_requests);
        }
        // A reader that went away is no reason to end well.
        end.and(report.print(context, self.json))
    }

    fn known(&self, context: &Context) -> Result<Known, Error> {
        let organization = self.org.as_deref().map(|it| context.service.organization(it));
        let project = self.project.as_deref().map(str::parse);
        let repository = self.repo.as_deref().map(str::parse::<RepositoryName>);
        Ok(Known {
            organization: organization.transpose()?,
            project: project.transpose()?,
            repository: repository.transpose()?,
        })
    }

    fn refspecs(&self, context: &Context, remotes: Remotes) -> Result<Refspecs, Error> {
        Ok(Refspecs {
            settings: Settings::read(context.configuration()?, remotes)?,
            named: self.refspecs.clone(),
            all: self.all,
            tags: self.tags,
            delete: self.delete,
            force: self.force,
        })
    }

    fn options(&self, context: &Context) -> Result<Options, Error> {
        let leases = self.force_with_lease.iter();
        if let Some(lease) = leases.clone().find(|lease| lease.starts_with(':')) {
            let message = format!("`--force-with-lease={}` names no reference", visible(lease));
            return Err(Error::message(Kind::Usage, message).hint("it is `REF:COMMIT`"));
        }
        Ok(Options {
            dry_run: self.dry_run,
            no_verify: self.no_verify,
            no_set_upstream: self.no_set_upstream,
            atomic: self.atomic,
            leases: leases.map(|it| Lease::parse(it)).collect(),
            engine: match self.engine {
                Some(engine) => engine.into(),
                None => configured_engine(context)?,
            },
        })
    }

    /// The repository here with a commit in it; on a terminal both can be made.
    fn repository(&self, context: &Context, known: &Known) -> Result<Repository, Error> {
        let found = context.repository()?;
        let names_source = !self.refspecs.is_empty() || self.all || self.tags;
        let is_unborn = |repository: &Repository| match repository.head() {
            Ok(Head::Unborn { .. }) => Ok(!names_source),
            Ok(_) => Ok(false),
            Err(error) => Err(Error::from(error)),
        };
        let found = match found {
            Some(repository) if !is_unborn(&repository)? => return Ok(repository),
            found => found,
        };
        if !context.ui.can_ask() {
            return Err(nothing_yet(context, known, found.as_ref()));
        }
        let repository = match found {
            Some(repository) => repository,
            None => {
                let is_empty = |mut files: std::fs::ReadDir| files.next().is_none();
                if std::fs::read_dir(context.directory()).is_ok_and(is_empty) {
                    return Err(commit::nothing(context.directory()));
                }
                let directory = visible(&context.directory().display().to_string());
                context.ui.status(format_args!("{directory} is no git repository yet."));
                if !context.ui.confirm("Make it one?", true, "`git vsts init`")? {
                    return Err(Error::message(Kind::Failed, "there is no repository to push")
                        .hint(
                            "`git vsts init ORG/PROJECT/REPO` makes one, here and at the service",
                        ));
                }
                init::make_here(context, None)?
            }
        };
        first_commit(context, &repository)?;
        Ok(repository)
    }

    /// The remote to push to, if there is one: the one that is named, that git would push to, or the
    /// only one at Azure DevOps. What git's configuration says of others holds for `git push` alone.
    fn remote(
        &self,
        context: &Context,
        repository: &Repository,
        remotes: &Remotes,
    ) -> Result<Option<Remote>, Error> {
        if let Some(name) = &self.remote {
            return match remotes.get(name) {
                Some(remote) => Ok(Some(remote.clone())),
                None => Err(no_remote(context, repository, remotes, name)?),
            };
        }
        let head = repository.head()?;
        if let Some(remote) = chosen(context, remotes, head.branch())? {
            return Ok(Some(remote));
        }
        match names::azure_remotes(context, repository)?.as_slice() {
            [] => resembling(context, remotes).map(|()| None),
            [only] => Ok(Some(only.remote.clone())),
            several => Ok(Some(self.choose(context, several)?)),
        }
    }

    fn choose(&self, context: &Context, remotes: &[AzureRemote]) -> Result<Remote, Error> {
        let shown: Vec<String> =
            remotes.iter().map(|it| format!("{}: {}", it.remote.name, it.url.https())).collect();
        if !context.ui.can_ask() {
            let names: Vec<&str> = remotes.iter().map(|it| it.remote.name.as_str()).collect();
            let message = format!("several remotes are at Azure DevOps: {}", names.join(", "));
            return Err(Error::message(Kind::Usage, message)
                .hint(format!("name one: `git vsts push {}`", names[0])));
        }
        let chosen = context.ui.choose("Remote", &shown, 0, "REMOTE")?;
        Ok(remotes[chosen].remote.clone())
    }

    /// Connects the repository here with one at the service, which may have to be made. A dry run
    /// says what would be done, and ends with nothing.
    fn connect(
        &self,
        context: &Context,
        repository: &Repository,
        known: Known,
        refspecs: &Refspecs,
    ) -> Result<Option<(Remote, Found)>, Error> {
        let name = names::free_remote(context, repository)?;
        if context.ui.can_ask() {
            context.ui.status(format_args!("Nothing here points at Azure DevOps yet."));
        }
        let known = names::fill(context, known, Some(repository))?;
        let place = remote_add::complete(context, known, Some(repository), FLAGS)?;
        repository
            .check_sources(refspecs, Some(&name))
            .map_err(|error| not_planned(error, &name))?;
        let sign_in = place::signed_in(context, &place.organization)?;
        let found = place::look(context, &place, &sign_in)?;
        let create = self.create || self.may_create(context, &place, &found)?;
        let wanted = Wanted { create, ..Wanted::default() };
        place::may_make(&place, &found, wanted)?;
        if self.dry_run {
            tell_what_would_be_made(context, &place, &found);
            context.ui.status(format_args!("Would add remote {name}, and push"));
            return Ok(None);
        }
        let found = place::make(context, &place, found, &sign_in, wanted)?;
        remote_add::add(context, repository, &name, &found.url, Wish::default())?;
        let remote = names::written_remote(context, repository, &name)?;
        Ok(Some((remote, found)))
    }

    /// Asks, where there is something to ask: a project is not made on the way.
    fn may_create(
        &self,
        context: &Context,
        place: &Place,
        found: &azure::Lookup,
    ) -> Result<bool, Error> {
        if !matches!(found, azure::Lookup::NoRepository) || !context.ui.can_ask() {
            return Ok(false);
        }
        let question = format!("Make the repository {}/{}?", place.project, place.repository);
        Ok(context.ui.confirm(&question, true, "--create")?)
    }

    /// The remote is there and its repository is not: it can be made, and the push goes on. False in
    /// a dry run, which says what would be done.
    fn make_missing(
        &self,
        context: &Context,
        remote: &Remote,
        error: Error,
    ) -> Result<bool, Error> {
        let url = names::judge(context, remote)?;
        let place = Place::from(&url);
        if !self.create && !context.ui.can_ask() {
            return Err(error);
        }
        let sign_in = place::signed_in(context, &place.organization)?;
        let found = place::look(context, &place, &sign_in)?;
        let create = self.create || self.may_create(context, &place, &found)?;
        let wanted = Wanted { create, ..Wanted::default() };
        place::may_make(&place, &found, wanted)?;
        if self.dry_run {
            tell_what_would_be_made(context, &place, &found);
            return Ok(false);
        }
        place::make(context, &place, found, &sign_in, wanted)?;
        Ok(true)
    }
}

/// `vsts.engine`, which a repository has no say in.
fn configured_engine(context: &Context) -> Result<Engine, Error> {
    let Some(value) = context.configuration()?.trusted("vsts.engine") else {
        return Ok(Engine::Auto);
    };
    EngineName::from_str(value, true).map(Engine::from).map_err(|_| {
        let value = crate::text::visible_within(value, 40);
        Error::message(Kind::Usage, format!("vsts.engine is `{value}`, which is no engine"))
            .hint("the engines are `auto`, `git2` and `git`")
    })
}

/// A remote that only resembles one of Azure DevOps is worth a word before another is added.
fn resembling(context: &Context, remotes: &Remotes) -> Result<(), Error> {
    for remote in remotes.iter() {
        if let Err(error) = context.service.remote(&remote.push_url)
            && !error.is_foreign()
        {
            let name = visible(&remote.name);
            return Err(Error::from(error).context(format!("the URL of {name} can't be used")));
        }
    }
    Ok(())
}

/// Whether no push to a remote goes to Azure DevOps.
fn is_elsewhere(context: &Context, remote: &Remote) -> bool {
    let is_foreign = |url: &str| context.service.remote(url).is_err_and(|error| error.is_foreign());
    remote.push_urls().all(is_foreign)
}

/// The remote that git would push to without one, if its settings name one that is not elsewhere.
fn chosen(
    context: &Context,
    remotes: &Remotes,
    branch: Option<&str>,
) -> Result<Option<Remote>, Error> {
    for (key, name) in remotes.chosen(branch) {
        match remotes.get(name) {
            Some(remote) if is_elsewhere(context, remote) => {}
            Some(remote) => return Ok(Some(remote.clone())),
            // A branch can outlive the remote that it came from, or follow another one here.
            None if key.ends_with(".remote") => {}
            None => not_elsewhere(context, &key, name)?,
        }
    }
    Ok(None)
}

/// Checks that what a setting names, and is no remote here, is elsewhere: to push to another then
/// would be to push where nobody said so.
fn not_elsewhere(context: &Context, key: &str, name: &str) -> Result<(), Error> {
    let key = visible(key);
    let shown = crate::remote::without_user(name);
    if !name.contains(['/', ':', '\\']) && name != "." {
        let message = format!("{key} names the remote {shown}, which is not there");
        return Err(Error::message(Kind::Usage, message)
            .hint("name the one that you mean: `git vsts push REMOTE`"));
    }
    match context.service.remote(name) {
        Err(error) if error.is_foreign() => Ok(()),
        Err(error) => Err(Error::from(error).context(format!("the URL of {key} can't be used"))),
        Ok(_) => Err(Error::message(
            Kind::Usage,
            format!("{key} must name a remote for `git vsts push`, and is the URL {shown}"),
        )
        .hint(format!("`git vsts remote-add NAME {}` adds it", quoted(&shown)))),
    }
}

/// Checks that the remote leads to what the flags name: they are for where no remote says it, and
/// whoever gives them means them.
fn agrees(context: &Context, remote: &Remote, known: &Known) -> Result<(), Error> {
    let url = names::judge(context, remote)?;
    let named = [
        (
            "--org",
            known
                .organization
                .as_ref()
                .filter(|it| **it != url.organization)
                .map(ToString::to_string),
        ),
        (
            "--project",
            known.project.as_ref().filter(|it| **it != url.project).map(ToString::to_string),
        ),
        (
            "--repo",
            known.repository.as_ref().filter(|it| **it != url.repository).map(ToString::to_string),
        ),
    ];
    let Some((flag, Some(other))) = named.into_iter().find(|(_, other)| other.is_some()) else {
        return Ok(());
    };
    let message =
        format!("the remote {} is for {}, and {flag} says {other}", remote.name, Place::from(&url));
    Err(Error::message(Kind::Usage, message).hint(
        "leave it out, or add a remote for the other: `git vsts remote-add NAME ORG/PROJECT/REPO`",
    ))
}

fn tell_what_would_be_made(context: &Context, place: &Place, found: &azure::Lookup) {
    if !is_there(found) {
        context.ui.status(format_args!("Would create {}/{}", place.project, place.repository));
    }
}

/// Notes here what the server has now, and what follows it. The push is done, and that must be told
/// above all.
fn remember(
    context: &Context,
    repository: &Repository,
    remote: &Remote,
    pushed: &[Pushed],
    options: &Options,
) {
    if let Err(error) = repository.track(remote, pushed) {
        context.ui.warning(format_args!(
            "what {} has now was not noted here: {error}",
            visible(&remote.name)
        ));
    }
    if options.no_set_upstream {
        return;
    }
    if let Err(error) = context.whole(|| set_upstream(context, repository, remote, pushed)) {
        context.ui.warning(format_args!("the branch was not set to follow its remote: {error}"));
    }
}

/// Makes each branch that follows nothing follow what was pushed under its own name. What goes elsewhere once, such as
/// to a branch for a pull request, is not where the next push shall go.
fn set_upstream(
    context: &Context,
    repository: &Repository,
    remote: &Remote,
    pushed: &[Pushed],
) -> Result<(), Error> {
    let remotes = names::remotes(context, repository)?;
    for pushed in pushed.iter().filter(|pushed| pushed.is_done()) {
        let update = &pushed.update;
        let branch = update.source.as_deref().and_then(|it| it.strip_prefix("refs/heads/"));
        let Some(branch) = branch else { continue };
        let follows = remotes.branch(branch).is_some_and(|branch| !branch.merges.is_empty());
        if update.reference.strip_prefix("refs/heads/") == Some(branch) && !follows {
            repository.set_upstream(branch, &remote.name, &update.reference)?;
        }
    }
    Ok(())
}

fn first_commit(context: &Context, repository: &Repository) -> Result<(), Error> {
    let changes = commit::prepare(context, repository)?;
    if changes.is_empty() {
        return Err(commit::nothing(repository.directory()));
    }
    context.ui.status(format_args!("There is no commit yet."));
    commit::show(context, &changes);
    let suspicious = changes.iter().any(|change| change.looks_secret);
    if !context.ui.confirm("Commit them?", !suspicious, "`git vsts init --commit MESSAGE`")? {
        return Err(Error::message(Kind::Failed, "there is no commit to push")
            .hint("`git add` what belongs in it, `git commit`, then `git vsts push`"));
    }
    commit::commit(context, repository, "First commit")
}

/// That there is no commit here, and the one command that makes it and pushes.
fn nothing_yet(context: &Context, known: &Known, repository: Option<&Repository>) -> Error {
    let mut known = known.clone();
    // Where the remote is there already, `init` must be told of the same place.
    let remotes = repository.and_then(|repository| names::azure_remotes(context, repository).ok());
    if let Some([only]) = remotes.as_deref() {
        known.organization.get_or_insert_with(|| only.url.organization.clone());
        known.project.get_or_insert_with(|| only.url.project.clone());
        known.repository.get_or_insert_with(|| only.url.repository.clone());
    }
    let known = names::fill(context, known.clone(), repository).unwrap_or(known);
    let name = |it: Option<String>, placeholder: &str| it.unwrap_or_else(|| placeholder.to_owned());
    let target = format!(
        "{}/{}/{}",
        name(known.organization.map(|it| it.to_string()), "ORG"),
        name(known.project.map(|it| it.to_string()), "PROJECT"),
        name(known.repository.map(|it| it.to_string()), "REPO"),
    );
    let directory = visible(&context.directory().display().to_string());
    let message = match repository.map(Repository::head) {
        None => format!("{directory} is in no git repository"),
        Some(Ok(Head::Unborn { name })) => format!("{} has no commit yet", visible(&name)),
        Some(_) => "there is no commit yet".to_owned(),
    };
    Error::message(Kind::Usage, message)
        .hint(format!("`git vsts init {} --commit MESSAGE --push`", quoted(&target)))
}

fn no_remote(
    context: &Context,
    repository: &Repository,
    remotes: &Remotes,
    name: &str,
) -> Result<Error, Error> {
    let shown = crate::remote::without_user(name);
    // A URL in its place is judged as one, so that a password in it is spoken of.
    if name.contains("://") || name.contains('@') {
        context.service.remote(name)?;
        return Ok(Error::message(Kind::Usage, "a remote is named, not given as a URL")
            .hint(format!("`git vsts remote-add NAME {shown}` adds it")));
    }
    let names: Vec<String> = remotes.iter().map(|remote| visible(&remote.name)).collect();
    let error = Error::message(Kind::Usage, format!("there is no remote {shown}"));
    if repository.has_branch(name) {
        let remote = names.first().map_or("REMOTE", String::as_str);
        return Ok(error
            .hint(format!("{shown} is a branch here: `git vsts push {remote} {}`", quoted(name))));
    }
    Ok(match names.is_empty() {
        true => error.hint("leave it out: `git vsts push` adds one"),
        false => error.hint(format!("there is {}", names.join(", "))),
    })
}

fn is_there(found: &azure::Lookup) -> bool {
    matches!(found, azure::Lookup::Found(_))
}
