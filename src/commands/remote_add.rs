use clap::Args;

use super::names::{self, Flags, Known};
use super::place::{self, Place, Wanted};
use super::report::Report;
use super::wire;
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::remote::{self, Protocol, RemoteUrl, RepositoryName};
use crate::repository::{Remote, Repository};

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
        let wish = Wish { protocol: Some(names::protocol(self.ssh)), replace: self.replace };
        let hint = || {
            let free =
                names::free_remote(context, &repository).unwrap_or_else(|_| "NAME".to_owned());
            let target = crate::text::quoted(&place.to_string());
            format!(
                "add another, `git vsts remote-add {free} {target}`, or point this one there with `--replace`"
            )
        };
        check_name(context, &repository, &name, &place, wish, hint)?;
        let sign_in = place::signed_in(context, &place.organization)?;
        let found = place::look(context, &place, &sign_in)?;
        let wanted = Wanted { create: self.create, ..Wanted::default() };
        place::may_make(&place, &found, wanted)?;
        let found = place::make(context, &place, found, &sign_in, wanted)?;
        let url = add(context, &repository, &name, &found.url, wish).map_err(|error| {
            match found.made {
                true => error.hint(format!(
                    "made so far: the repository {place}; once this is settled, the same command goes on"
                )),
                false => error,
            }
        })?;
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
        Some(target) => context.service.target(target).map_err(no_target)?.into(),
        None => Known::default(),
    };
    complete(context, names::fill(context, known, repository)?, repository, FLAGS)
}

fn no_target(error: remote::Error) -> Error {
    use remote::Error as E;
    let is_of_form = !matches!(
        error,
        E::Empty
            | E::Form { .. }
            | E::TooManyParts { .. }
            | E::NoRepository { .. }
            | E::Local { .. }
            | E::Backslash { .. }
    );
    let error = Error::from(error);
    match is_of_form {
        true => error,
        false => error.hint("name it as [ORG/]PROJECT/REPO, or by its address from the browser"),
    }
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
        let error = Error::message(Kind::Usage, format!("not known: {}", missing.join(", ")));
        return Err(match &known {
            Known { organization: Some(organization), project: Some(project), .. } => {
                let name = names::folder_name(context, repository)
                    .and_then(|name| RepositoryName::suggest(&name));
                let name = name.map_or_else(|| "REPO".to_owned(), |name| name.to_string());
                let named = match flags.repository.starts_with("--") {
                    true => format!("{} {}", flags.repository, crate::text::quoted(&name)),
                    false => crate::text::quoted(&format!("{organization}/{project}/{name}")),
                };
                error.hint(format!("the folder's name can't be one; name it, as in `{named}`"))
            }
            _ => {
                error.hint("name them in the command, or set `GIT_VSTS_ORG` and `GIT_VSTS_PROJECT`")
            }
        });
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
            let folder = names::folder_name(context, repository);
            names::ask_repository(context, folder.as_deref(), flags.repository)?
        }
    };
    Ok(Place { organization, project, repository })
}

/// Checks that a remote of this name can be added, or is the one that is wanted.
///
/// # Errors
/// It is elsewhere, or the repository's configuration can't be changed.
pub(super) fn check_name(
    context: &Context,
    repository: &Repository,
    name: &str,
    place: &Place,
    wish: Wish,
    hint: impl FnOnce() -> String,
) -> Result<(), Error> {
    let remotes = names::remotes(context, repository)?;
    let Some(remote) = remotes.get(name) else { return Ok(repository.check_writable()?) };
    if is_for(context, remote, place, wish) {
        return Ok(());
    }
    if wish.replace {
        return Ok(repository.check_writable()?);
    }
    let name = crate::text::visible(name);
    for url in [&remote.push_url, &remote.url] {
        if let Err(error @ remote::Error::PasswordInUrl { .. }) = context.service.remote(url) {
            return Err(Error::from(error)
                .context(format!("the URL of {name} can't be used"))
                .hint(hint()));
        }
    }
    let url = remote::without_user(&remote.push_url);
    Err(Error::message(
        Kind::Failed,
        format!("the remote {name} is there already, and points to {url}"),
    )
    .hint(hint()))
}

/// How a remote shall be written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    /// How it shall travel; where nothing is said, one that is there is taken as it is.
    pub protocol: Option<Protocol>,
    /// In place of another of its name.
    pub replace: bool,
}

/// Whether a remote is for the repository that is wanted, for a fetch and for a push. In which of
/// its spellings a person or another program wrote it is theirs to choose.
fn is_for(context: &Context, remote: &Remote, place: &Place, wish: Wish) -> bool {
    let is_it = |url: &str| {
        context.service.remote(url).is_ok_and(|url| {
            url.organization == place.organization
                && url.project == place.project
                && url.repository == place.repository
                && wish.protocol.is_none_or(|wanted| url.protocol == wanted)
        })
    };
    is_it(&remote.url) && is_it(&remote.push_url)
}

/// Adds the remote, unless it is there, and gives the URL that it has.
pub(super) fn add(
    context: &Context,
    repository: &Repository,
    name: &str,
    url: &RemoteUrl,
    wish: Wish,
) -> Result<String, Error> {
    let written = url.url(wish.protocol.unwrap_or(Protocol::Https));
    let remotes = names::remotes(context, repository)?;
    let before = remotes.get(name);
    if let Some(remote) = before {
        let place = Place {
            organization: url.organization.clone(),
            project: url.project.clone(),
            repository: url.repository.clone(),
        };
        let same = remote.url == written && remote.push_url == written;
        if same || (!wish.replace && is_for(context, remote, &place, wish)) {
            let protocol = context.service.remote(&remote.url)?.protocol;
            let url = url.url(protocol);
            context.ui.status(format_args!("Remote {name} is there already: {url}"));
            return Ok(url);
        }
    }
    context.whole(|| Ok(repository.set_remote(name, &written)?))?;
    let done = if before.is_some() { "Changed" } else { "Added" };
    context.ui.status(format_args!("{done} remote {name}: {written}"));
    if let Err(error) = wire::cover(context, &url.organization) {
        error.context(format!("plain git may not ask `git vsts` for {name}")).warn(&context.ui);
    }
    Ok(written)
}
