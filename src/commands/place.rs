//! The repository at the service: looked for, and made where that is wanted.

use super::login;
use crate::azure::{self, Azure, Lookup};
use crate::context::{Context, SignIn, Source};
use crate::error::{Error, Kind, sign_in_hint};
use crate::http::{Reason, Refusal};
use crate::remote::{Organization, ProjectName, RemoteUrl, RepositoryName};

/// A repository at the service, by its three names.
#[derive(Clone, Debug)]
pub struct Place {
    /// The organization.
    pub organization: Organization,
    /// The project.
    pub project: ProjectName,
    /// The repository.
    pub repository: RepositoryName,
}

impl From<&RemoteUrl> for Place {
    fn from(url: &RemoteUrl) -> Self {
        Self {
            organization: url.organization.clone(),
            project: url.project.clone(),
            repository: url.repository.clone(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}/{}", self.organization, self.project, self.repository)
    }
}

/// What may be made at the service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Make the repository if it is missing.
    pub create: bool,
    /// Make the project if it is missing.
    pub create_project: bool,
    /// What a new project is about.
    pub description: Option<&'a str>,
}

/// What a run made at the service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// The project, with the repository that comes with it.
    pub project: bool,
    /// The repository.
    pub repository: bool,
}

/// A repository that is there now.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub url: RemoteUrl,
    /// Whether this run made it.
    pub made: bool,
    /// Its default branch in full, if it has one.
    pub default_branch: Option<String>,
}

/// The sign-in to use for an organization; on a terminal a missing one is made.
///
/// # Errors
/// There is none, and nobody to ask.
pub fn signed_in(context: &Context, organization: &Organization) -> Result<SignIn, Error> {
    if let Some(sign_in) = context.sign_in(organization)? {
        return Ok(sign_in);
    }
    if context.ui.can_ask() {
        login::name_overrides(context);
        return login::sign_in(context, organization, &login::usual(context, organization)?);
    }
    let error = not_signed_in(organization);
    Err(match context.is_other_pipeline(organization) {
        true => error.first_hint(format!(
            "`SYSTEM_ACCESSTOKEN` is for the organization of `SYSTEM_COLLECTIONURI`, and that is not {organization}"
        )),
        false => error,
    })
}

/// That there is no sign-in.
pub fn not_signed_in(organization: &Organization) -> Error {
    Error::message(Kind::SignedOut, format!("not signed in to {organization}"))
        .hint(format!("{}, or set `GIT_VSTS_PAT` to a token", sign_in_hint(organization)))
}

/// Asks the service something as somebody who is signed in; once more where it has ended that, and it could be renewed
/// or, on a terminal, the person has signed in again.
///
/// # Errors
/// As [`Context::ask`], or nobody signed in again.
pub fn ask<T>(
    context: &Context,
    organization: &Organization,
    sign_in: &SignIn,
    question: impl Fn(&Azure<'_>) -> Result<T, azure::Error>,
) -> Result<Result<T, azure::Error>, Error> {
    let refused = match context.ask(organization, sign_in, &question)? {
        Err(error @ azure::Error::SignedOut { .. }) if context.ui.can_ask() => error,
        answered => return Ok(answered),
    };
    let is_left = match (context.sign_in(organization)?, &refused) {
        (None, _) => false,
        // Nothing is forgotten, since git may take it still; what is asked here needs more.
        (Some(kept), azure::Error::SignedOut { refusal, .. }) => {
            let is_renewed = kept.credential.is_renewable();
            is_renewed || !matches!(kept.source, Source::Store(_)) || !is_of_token(refusal)
        }
        (Some(_), _) => true,
    };
    if is_left {
        return Ok(Err(refused));
    }
    let sign_in = sign_in_anew(context, organization, refused.into())?;
    context.ask(organization, &sign_in, &question)
}

/// Whether a refusal is one of the token itself. A page may be from somebody on the way, and what is
/// said of the account or of the kind of token is not for ever.
pub fn is_of_token(refusal: &Refusal) -> bool {
    refusal.status == 401 && matches!(refusal.reason, Reason::SignedOut | Reason::Expired)
}

/// Another sign-in in the place of one that was refused: what renews it may be good still, and else the person can
/// sign in.
///
/// # Errors
/// What was refused, where neither is so; or nobody signed in.
pub fn sign_in_again(
    context: &Context,
    organization: &Organization,
    refused: Error,
) -> Result<(), Error> {
    match context.sign_in(organization)? {
        Some(renewed) if renewed.credential.is_renewable() => Ok(()),
        None if context.ui.can_ask() => sign_in_anew(context, organization, refused).map(drop),
        _ => Err(refused),
    }
}

fn sign_in_anew(
    context: &Context,
    organization: &Organization,
    refused: Error,
) -> Result<SignIn, Error> {
    refused.without_hints().print(&context.ui);
    login::sign_in(context, organization, &login::usual(context, organization)?)
}

/// Looks for a repository, and changes nothing.
///
/// # Errors
/// It can't be looked for, or is there and can't be used.
pub fn look(context: &Context, place: &Place, sign_in: &SignIn) -> Result<Lookup, Error> {
    let look = |azure: &Azure<'_>| azure.repository(&place.project, &place.repository);
    let found = ask(context, &place.organization, sign_in, look)?;
    found.map_err(|error| blame(sign_in, &place.organization, error.into()))
}

/// A sign-in that is refused is that of a variable where one is set: to sign in again is no help.
pub fn blame(sign_in: &SignIn, organization: &Organization, error: Error) -> Error {
    match sign_in.source {
        Source::Environment(variable) if error.is_refused_sign_in() => {
            error.without_hints().hint(format!(
                "the token is that of {variable}: set another, from {}, or none",
                organization.tokens_page()
            ))
        }
        _ => error,
    }
}

/// Whether what is missing may be made.
///
/// # Errors
/// It may not.
pub fn may_make(place: &Place, found: &Lookup, wanted: Wanted<'_>) -> Result<(), Error> {
    let Place { organization, project, repository } = place;
    match found {
        Lookup::Found(_) => Ok(()),
        Lookup::NoRepository if wanted.create => Ok(repository.check_new()?),
        Lookup::NoRepository => Err(no_repository(place)),
        Lookup::NoProject if wanted.create_project => {
            project.check_new()?;
            Ok(repository.check_new()?)
        }
        Lookup::NoProject => {
            let error = crate::azure::Error::NoProject {
                organization: organization.clone(),
                project: project.clone(),
            };
            let error = Error::from(error).without_hints();
            // ORG/PROJECT was given for PROJECT/REPO.
            if project.as_str().eq_ignore_ascii_case(organization.name()) {
                return Err(error.hint(format!(
                    "{project}/{repository} is read as a project and its repository; if {repository} is the project, name the repository too: `{organization}/{repository}/REPO`"
                )));
            }
            let target = crate::text::quoted(&place.to_string());
            Err(error.hint(format!(
                "check its spelling, or make it with `git vsts init {target} --create-project`"
            )))
        }
    }
}

/// That the repository is missing and nobody said that it may be made.
pub fn no_repository(place: &Place) -> Error {
    let Place { organization, project, repository } = place;
    let message = format!(
        "{organization}/{project} has no repository {repository}, or this account can't see it"
    );
    Error::message(Kind::Failed, message)
        .hint("check its spelling, or make it: the same command with `--create`")
}

/// Makes what is missing of a place, of which [`may_make`] said that it may be made.
///
/// # Errors
/// The service did not make it.
pub fn make(
    context: &Context,
    place: &Place,
    found: Lookup,
    sign_in: &SignIn,
    wanted: Wanted<'_>,
) -> Result<Found, Error> {
    make_noting(context, place, found, sign_in, wanted, &mut Made::default())
}

/// [`make`], with a note of what was made, for whoever has to tell what there is after an error.
///
/// # Errors
/// As [`make`].
pub fn make_noting(
    context: &Context,
    place: &Place,
    found: Lookup,
    sign_in: &SignIn,
    wanted: Wanted<'_>,
    made: &mut Made,
) -> Result<Found, Error> {
    let Place { organization, project, repository } = place;
    let mut found = found;
    if matches!(found, Lookup::NoProject) {
        let create = |azure: &Azure<'_>| azure.create_project(project, wanted.description);
        ask(context, organization, sign_in, create)??;
        made.project = true;
        context.ui.status(format_args!("Created project {organization}/{project}"));
        // A new project comes with an empty repository of its own name.
        found = match repository.as_str().to_lowercase() == project.as_str().to_lowercase() {
            true => look(context, place, sign_in)?,
            false => Lookup::NoRepository,
        };
    }
    if let Lookup::Found(found) = found {
        let default_branch = found.default_branch;
        return Ok(Found { url: found.url, made: false, default_branch });
    }
    let create = |azure: &Azure<'_>| azure.create_repository(project, repository);
    let done = ask(context, organization, sign_in, create)??;
    let url = done.repository.url;
    if done.new {
        made.repository = true;
        context.ui.status(format_args!("Created {}/{}", url.project, url.repository));
    }
    Ok(Found { url, made: done.new, default_branch: done.repository.default_branch })
}
