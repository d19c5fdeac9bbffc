use clap::Args;

use super::names::{self, Flags, Known};
use super::place::{self, Place, Wanted};
use super::report::Report;
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::remote;
use crate::repository::Repository;

const FLAGS: Flags =
    Flags { organization: "ORG in TARGET", project: "PROJECT in TARGET", repository: "TARGET" };

/// Add a remote for a repository of Azure DevOps
///
/// Checks that the repository is there before the remote is added. The same remote again changes
/// nothing and succeeds.
#[derive(Args, Debug)]
pub struct RemoteAdd {
    /// The remote's name [default: origin]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The repository: [ORG/]PROJECT/REPO, an address of it, or REPO where the rest is known
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// Add the URL for SSH
    #[arg(long)]
    ssh: bool,
    /// Point a remote of this name that is elsewhere to the repository
    #[arg(long)]
    replace: bool,
    /// Make the repository if it is missing
    #[arg(long)]
    create: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl RemoteAdd {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let repository = here(context)?;
        let (name, target) = self.names()?;
        remote::remote_name(&name)?;
        let place = find(context, target.as_deref(), Some(&repository))?;
        check_name(context, &repository, &name, &place, self.replace)?;
        let sign_in = place::signed_in(context, &place.organization)?;
        let found = place::look(context, &place, &sign_in.credential)?;
        let wanted = Wanted { create: self.create, ..Wanted::default() };
        place::may_make(&place, &found, wanted)?;
        let found = place::make(context, &place, found, &sign_in.credential, wanted)?;
        let url = found.url.url(names::protocol(self.ssh));
        add(context, &repository, &name, &url)?;
        Report::new(&found.url, Some(&name), url, found.made).print(context, self.json)
    }

    /// One argument is the target where it can only be that, or where no remote has such a name.
    fn names(&self) -> Result<(String, Option<String>), Error> {
        let origin = || "origin".to_owned();
        Ok(match (&self.name, &self.target) {
            (Some(name), Some(target)) => (name.clone(), Some(target.clone())),
            (Some(one), None) if one.contains(['/', ':']) => (origin(), Some(one.clone())),
            (Some(name), None) => (name.clone(), None),
            (None, _) => (origin(), None),
        })
    }
}

/// The repository here, which must be there.
pub(super) fn here(context: &Context) -> Result<Repository, Error> {
    context.repository()?.ok_or_else(|| {
        let directory = crate::text::visible(&context.directory().display().to_string());
        Error::message(Kind::Failed, format!("{directory} is in no git repository"))
            .hint("make one: `git vsts init ORG/PROJECT/REPO`")
    })
}

/// The place that a target names; what it leaves open is found elsewhere, or asked for.
pub(super) fn find(
    context: &Context,
    target: Option<&str>,
    repository: Option<&Repository>,
) -> Result<Place, Error> {
    let known = match target {
        Some(target) => context.service.target(target)?.into(),
        None => Known::default(),
    };
    complete(context, names::fill(context, known, repository)?, repository, FLAGS)
}

/// Asks for what is not known; without a terminal names all of it at once.
pub(super) fn complete(
    context: &Context,
    mut known: Known,
    repository: Option<&Repository>,
    flags: Flags,
) -> Result<Place, Error> {
    let missing = names::missing(&known, flags);
    if !missing.is_empty() && !context.ui.can_ask() {
        return Err(Error::message(Kind::Usage, format!("not known: {}", missing.join(", ")))
            .hint("name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`"));
    }
    let organization = match known.organization.take() {
        Some(organization) => organization,
        None => names::ask_organization(context, flags.organization)?,
    };
    let project = match known.project.take() {
        Some(project) => project,
        None => {
            let sign_in = place::signed_in(context, &organization)?;
            names::ask_project(context, &organization, &sign_in, flags.project)?
        }
    };
    let repository = match known.repository.take() {
        Some(repository) => repository,
        None => {
            let folder = repository.map_or(context.directory(), Repository::directory);
            let folder = folder.file_name().and_then(|name| name.to_str());
            names::ask_repository(context, folder, flags.repository)?
        }
    };
    Ok(Place { organization, project, repository })
}

/// Checks that a remote of this name is free, or the one that is wanted.
pub(super) fn check_name(
    context: &Context,
    repository: &Repository,
    name: &str,
    place: &Place,
    replace: bool,
) -> Result<(), Error> {
    let Some(remote) = repository.remote(name)? else { return Ok(()) };
    let same = context.service.remote(&remote.url).is_ok_and(|url| {
        url.organization == place.organization
            && url.project == place.project
            && url.repository == place.repository
    });
    if same || replace {
        return Ok(());
    }
    let url = remote::without_user(&remote.url);
    Err(Error::message(
        Kind::Failed,
        format!("the remote {name} is there already, and points to {url}"),
    )
    .hint(format!(
        "add another, `git vsts remote-add azure {place}`, or point it here with `--replace`"
    )))
}

/// Adds the remote, unless it is there.
pub(super) fn add(
    context: &Context,
    repository: &Repository,
    name: &str,
    url: &str,
) -> Result<(), Error> {
    let before = repository.remote(name)?;
    if let Some(remote) = &before
        && remote.url == url
    {
        context.ui.status(format_args!("Remote {name} is there already: {url}"));
        return Ok(());
    }
    repository.set_remote(name, url)?;
    let done = if before.is_some() { "Changed" } else { "Added" };
    context.ui.status(format_args!("{done} remote {name}: {url}"));
    Ok(())
}
