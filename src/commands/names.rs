//! How a name that is not given is found: the argument, the environment, git's configuration, a
//! remote of the repository here, the only organization signed in, a question.

use super::place;
use crate::azure;
use crate::context::{Context, SignIn};
use crate::error::{Error, Kind};
use crate::remote::{self, Organization, ProjectName, Protocol, RemoteUrl, RepositoryName, Target};
use crate::repository::{Remote, Remotes, Repository};
use crate::ui::Question;

/// A remote of the repository here that is one of Azure DevOps.
#[derive(Clone, Debug)]
pub struct AzureRemote {
    /// As it is configured.
    pub remote: Remote,
    /// As it is read.
    pub url: RemoteUrl,
}

/// What is known of a repository at the service.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The organization.
    pub organization: Option<Organization>,
    /// The project.
    pub project: Option<ProjectName>,
    /// The repository.
    pub repository: Option<RepositoryName>,
}

impl From<Target> for Known {
    fn from(target: Target) -> Self {
        Self {
            organization: target.organization,
            project: target.project,
            repository: Some(target.repository),
        }
    }
}

/// How a command line names each of the three, for a message.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// The organization.
    pub organization: &'static str,
    /// The project.
    pub project: &'static str,
    /// The repository.
    pub repository: &'static str,
}

/// The organization to sign in to.
///
/// # Errors
/// It is not given, not to be found, and nobody can be asked; `flag` is what would have given it.
pub fn organization(
    context: &Context,
    given: Option<&str>,
    flag: &str,
) -> Result<Organization, Error> {
    if let Some(given) = given {
        return Ok(context.service.organization(given)?);
    }
    if let Some(organization) = known_organization(context)? {
        return Ok(organization);
    }
    ask_organization(context, flag).map_err(|error| match context.ui.can_ask() {
        true => error,
        // Nor could the token be asked for.
        false => error
            .without_hints()
            .hint("name it, `git vsts login contoso --pat-stdin < FILE`, or set `GIT_VSTS_ORG`"),
    })
}

/// The organization that a command is about which takes none but those that are signed in.
///
/// # Errors
/// As [`organization`].
pub fn one_signed_in(context: &Context, flag: &str) -> Result<Organization, Error> {
    match known_organization(context)? {
        Some(organization) => Ok(organization),
        None => ask_organization(context, flag),
    }
}

/// Every organization that is signed in.
///
/// # Errors
/// The store can't be read.
pub fn signed_in(context: &Context) -> Result<Vec<Organization>, Error> {
    let accounts = context.keychain()?.accounts()?;
    // The key is in lower case; the record knows the spelling. One of another service (an override
    // that is not in force) is none of ours now.
    let spelled = |key: &String| {
        let organization = context.service.organization(key).ok()?;
        let kept = context.kept(&organization).ok().flatten();
        let spelling = kept.and_then(|kept| context.service.organization(&kept.organization).ok());
        Some(spelling.filter(|it| *it == organization).unwrap_or(organization))
    };
    Ok(accounts.iter().filter_map(spelled).collect())
}

/// The remotes and branches of the repository here as git has them.
///
/// # Errors
/// git could not be asked.
pub fn remotes(context: &Context, repository: &Repository) -> Result<Remotes, Error> {
    Ok(repository.remotes(context.configuration()?))
}

/// The remote of this name as it is now, where this run may have written it.
///
/// # Errors
/// git could not be asked, or the remote is not there.
pub fn written_remote(
    context: &Context,
    repository: &Repository,
    name: &str,
) -> Result<Remote, Error> {
    let remotes = repository.remotes(&context.configuration_now()?);
    remotes.get(name).cloned().ok_or_else(|| {
        let name = crate::text::visible(name);
        Error::message(Kind::Failed, format!("the remote {name} is gone"))
    })
}

/// The remotes of the repository here that are Azure DevOps'.
///
/// # Errors
/// The repository can't be read.
pub fn azure_remotes(
    context: &Context,
    repository: &Repository,
) -> Result<Vec<AzureRemote>, Error> {
    let read = |remote: &Remote| {
        let url = context.service.remote(&remote.push_url).ok()?;
        Some(AzureRemote { remote: remote.clone(), url })
    };
    Ok(remotes(context, repository)?.iter().filter_map(read).collect())
}

/// What is known of a repository without asking anybody.
///
/// # Errors
/// A name of the environment or the configuration is none.
pub fn fill(
    context: &Context,
    mut known: Known,
    repository: Option<&Repository>,
) -> Result<Known, Error> {
    if known.organization.is_none() {
        known.organization = known_organization(context)?;
    }
    if known.project.is_none() {
        known.project = known_project(context, known.organization.as_ref())?;
    }
    if known.repository.is_none() {
        let name = folder_name(context, repository).and_then(|name| name.parse().ok());
        known.repository = name.filter(|it: &RepositoryName| it.check_new().is_ok());
    }
    Ok(known)
}

/// What the repository here would be called: the folder's name, where it is a folder's.
pub fn folder_name(context: &Context, repository: Option<&Repository>) -> Option<String> {
    let folder = repository.map_or_else(|| context.directory().to_owned(), Repository::home);
    folder.file_name()?.to_str().map(str::to_owned)
}

/// The names of what nobody knows, each with what would say it.
pub fn missing(known: &Known, flags: Flags) -> Vec<String> {
    let mut missing = Vec::new();
    if known.organization.is_none() {
        missing.push(format!("the organization ({})", flags.organization));
    }
    if known.project.is_none() {
        missing.push(format!("the project ({})", flags.project));
    }
    if known.repository.is_none() {
        missing.push(format!("a name for the repository ({})", flags.repository));
    }
    missing
}

/// The organization's name, asked for. Any address from a browser will do.
pub fn ask_organization(context: &Context, flag: &str) -> Result<Organization, Error> {
    let service = &context.service;
    let answer = context.ui.ask(Question {
        prompt: "Organization",
        default: None,
        flag,
        validate: &|text| service.organization(text).map(drop).map_err(|error| error.to_string()),
    })?;
    Ok(service.organization(&answer)?)
}

/// What stands for the list of a person's organizations, and is no name of one.
const LIST: &str = "list yours";

/// The organization that a command is about; none where a person wants to see a list first.
///
/// # Errors
/// As [`organization`].
pub fn organization_or_list(
    context: &Context,
    given: Option<&str>,
    flag: &str,
) -> Result<Option<Organization>, Error> {
    if given.is_some() || !context.ui.can_ask() {
        return organization(context, given, flag).map(Some);
    }
    if let Some(organization) = known_organization(context)? {
        return Ok(Some(organization));
    }
    let service = &context.service;
    let is_one = |text: &str| match text {
        LIST => Ok(()),
        text => service.organization(text).map(drop).map_err(|error| error.to_string()),
    };
    let answer = context.ui.ask(Question {
        prompt: "Organization",
        default: Some(LIST.to_owned()),
        flag,
        validate: &is_one,
    })?;
    Ok(Some(answer)
        .filter(|answer| answer != LIST)
        .map(|it| service.organization(&it))
        .transpose()?)
}

/// The project, chosen from those that the account can see, or asked for where they can't be listed.
pub fn ask_project(
    context: &Context,
    organization: &Organization,
    sign_in: &SignIn,
    flag: &str,
) -> Result<ProjectName, Error> {
    let projects = match place::ask(context, organization, sign_in, |azure| azure.projects())? {
        Ok(projects) => projects,
        // A token for code alone may not list them, and needs not.
        Err(azure::Error::MissingScope { .. } | azure::Error::MissingPermission { .. }) => {
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    let names: Vec<ProjectName> =
        projects.iter().filter_map(|project| project.name.parse().ok()).collect();
    if names.is_empty() {
        let validate =
            |text: &str| text.parse::<ProjectName>().map(drop).map_err(|error| error.to_string());
        let question = Question { prompt: "Project", default: None, flag, validate: &validate };
        return Ok(context.ui.ask(question)?.parse()?);
    }
    let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
    let chosen = context.ui.choose("Project", &shown, 0, flag)?;
    Ok(names[chosen].clone())
}

/// The repository's name, with the folder's as a suggestion.
pub fn ask_repository(
    context: &Context,
    folder: Option<&str>,
    flag: &str,
) -> Result<RepositoryName, Error> {
    let validate = |text: &str| {
        let name = text.parse::<RepositoryName>().map_err(|error| error.to_string())?;
        name.check_new().map_err(|error| error.to_string())
    };
    let suggestion = folder.and_then(RepositoryName::suggest);
    let answer = context.ui.ask(Question {
        prompt: "Repository",
        default: suggestion.map(|name| name.to_string()),
        flag,
        validate: &validate,
    })?;
    Ok(answer.parse()?)
}

/// The name of a remote that can be added: `origin`, or `azure` where that is taken.
///
/// # Errors
/// Both are taken.
pub fn free_remote(context: &Context, repository: &Repository) -> Result<String, Error> {
    let remotes = remotes(context, repository)?;
    for name in ["origin", "azure"] {
        if remotes.get(name).is_none() {
            return Ok(name.to_owned());
        }
    }
    Err(Error::message(
        Kind::Usage,
        "there are remotes called origin and azure, and both are elsewhere",
    )
    .hint("name another: `git vsts remote-add NAME ORG/PROJECT/REPO`"))
}

/// Why a remote is not one to push to.
///
/// # Errors
/// Always, but for the remote of Azure DevOps that it is.
pub fn judge(context: &Context, remote: &Remote) -> Result<RemoteUrl, Error> {
    let name = crate::text::visible(&remote.name);
    // To push to the first alone would leave the others behind, and nobody would notice.
    if !remote.further_push_urls.is_empty() {
        let urls: Vec<String> = remote.push_urls().map(remote::without_user).collect();
        let message = format!("a push to {name} goes to several URLs: {}", urls.join(", "));
        return Err(Error::message(Kind::Usage, message).hint(format!(
            "`git push {}` pushes to each of them; `git vsts push` needs a remote with one",
            crate::text::quoted(&remote.name)
        )));
    }
    context.service.remote(&remote.push_url).map_err(|error| {
        if error.is_foreign() {
            let url = remote::without_user(&remote.push_url);
            let message = format!("{name} is not at Azure DevOps: {url}");
            let elsewhere = Error::message(Kind::Usage, message);
            return match error.is_replaced() {
                true => elsewhere.hint(crate::error::REPLACED),
                false => elsewhere.hint(
                    "`git vsts remote-add azure ORG/PROJECT/REPO` adds one that is, beside it",
                ),
            };
        }
        Error::from(error).context(format!("the URL of {name} can't be used"))
    })
}

fn known_organization(context: &Context) -> Result<Option<Organization>, Error> {
    if let Some(name) = context.environment.get("GIT_VSTS_ORG") {
        let organization = context.service.organization(name);
        return Ok(Some(organization.map_err(|error| not_usable(error, "GIT_VSTS_ORG"))?));
    }
    if let Some(name) = context.configuration()?.organization() {
        let organization = context.service.organization(name);
        return Ok(Some(organization.map_err(|error| not_usable(error, "vsts.organization"))?));
    }
    if let Some(organization) = remotes_organization(context)? {
        return Ok(Some(organization));
    }
    match signed_in(context) {
        Ok(organizations) => match organizations.as_slice() {
            [organization] => Ok(Some(organization.clone())),
            _ => Ok(None),
        },
        // Another answer may do; if there is none, this is why.
        Err(error) => {
            context.ui.warning(format_args!("it can't be told who is signed in: {error}"));
            Ok(None)
        }
    }
}

fn not_usable(error: remote::Error, setting: &str) -> Error {
    Error::from(error).context(format!("{setting} can't be used"))
}

/// The organization of the remotes here, if all of them that are Azure DevOps' agree.
fn remotes_organization(context: &Context) -> Result<Option<Organization>, Error> {
    let Some(repository) = context.repository().ok().flatten() else { return Ok(None) };
    let remotes = azure_remotes(context, &repository)?;
    let mut organizations = remotes.into_iter().map(|remote| remote.url.organization);
    let first = organizations.next();
    Ok(first.filter(|first| organizations.all(|other| other == *first)))
}

fn known_project(
    context: &Context,
    organization: Option<&Organization>,
) -> Result<Option<ProjectName>, Error> {
    let said = match context.environment.get("GIT_VSTS_PROJECT") {
        Some(name) => Some(("GIT_VSTS_PROJECT", name)),
        None => context.configuration()?.project().map(|name| ("vsts.project", name)),
    };
    if let Some((by, name)) = said {
        let project: Result<ProjectName, _> = name.parse();
        return Ok(Some(project.map_err(|error| not_usable(error, by))?));
    }
    let Some(repository) = context.repository().ok().flatten() else { return Ok(None) };
    let mut projects = azure_remotes(context, &repository)?
        .into_iter()
        .filter(|remote| Some(&remote.url.organization) == organization)
        .map(|remote| remote.url.project);
    let first = projects.next();
    Ok(first.filter(|first| projects.all(|other| other == *first)))
}

/// Which protocol a flag asks for.
pub fn protocol(ssh: bool) -> Protocol {
    if ssh { Protocol::Ssh } else { Protocol::Https }
}
