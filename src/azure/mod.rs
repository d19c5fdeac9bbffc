//! The service's REST interface, as far as it is needed: who am I, projects, repositories.
//!
//! Each call is one method. What a refused call means where the status alone can't say it is
//! settled here: a 401 is either a credential that is no good or one whose scope is too small,
//! and `connectionData`, which takes any scope, tells them apart.

mod identity;
mod model;
mod tenant;

use std::time::Duration;

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;
use url::Url;

use crate::credential::Credential;
use crate::http::{self, CONTENT_TYPE, Client, HeaderName, Method, Reason, Refusal, Request, Wait};
use crate::remote::{Organization, ProjectName, RemoteUrl, RepositoryName, Service};

pub use identity::{Identity, NotMade};
pub use model::{Account, Project, Repository};
pub use tenant::{Challenge, NotTold, challenge};

/// The newest version that is no preview, for all but `connectionData`.
const VERSION: &str = "7.1";
/// `connectionData` never left preview: a released version is refused.
const CONNECTION_VERSION: &str = "7.1-preview";
/// The user id under which the service answers whoever it does not know.
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
/// The process of a new project where the list can't be read: Basic, the default of a new
/// organization. Its id is the same everywhere.
const BASIC_PROCESS: &str = "b8a3a935-7e91-48b8-a94c-606d37c3e9f2";
/// How long the making of a project may take.
const PROJECT_LIMIT: Duration = Duration::from_secs(120);
/// The most entries of one page of a list.
const PAGE: usize = 100;

/// What a call needs, as the page where tokens are made names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `vso.code`
    CodeRead,
    /// `vso.code_manage`
    CodeManage,
    /// `vso.project`
    ProjectRead,
    /// `vso.project_manage`
    ProjectManage,
}

impl Scope {
    /// Its name on the page where a person makes a token.
    pub fn title(self) -> &'static str {
        match self {
            Self::CodeRead => "Code: read",
            Self::CodeManage => "Code: read, write & manage",
            Self::ProjectRead => "Project and team: read",
            Self::ProjectManage => "Project and team: read, write & manage",
        }
    }
}

/// Why a call brought nothing.
#[derive(Debug, Error)]
pub enum Error {
    /// There was no answer, or one that needs no further reading.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// The credential is no good there.
    #[error("{}{}", signed_out(.organization, .refusal.reason), .refusal.said())]
    SignedOut {
        /// Where it was tried.
        organization: Organization,
        /// What the service said.
        refusal: Box<Refusal>,
    },
    /// The credential is good, but not for this.
    #[error("the token's scope does not allow this: \"{}\" is missing", .scope.title())]
    MissingScope {
        /// Where it was tried.
        organization: Organization,
        /// What is missing.
        scope: Scope,
    },
    /// The account may not do this.
    #[error("this account may not do this in {organization}{}", .refusal.said())]
    MissingPermission {
        /// Where it was tried.
        organization: Organization,
        /// What the service said.
        refusal: Box<Refusal>,
    },
    /// There is no such organization.
    #[error("there is no organization {organization}")]
    NoOrganization {
        /// What was asked for.
        organization: Organization,
    },
    /// There is no such project, or the account can't see it.
    #[error("{organization} has no project {project}, or this account can't see it")]
    NoProject {
        /// Where.
        organization: Organization,
        /// What was asked for.
        project: ProjectName,
    },
    /// The project is there but can't be used yet, or any more.
    #[error("project {project} is not ready: its state is {state}")]
    ProjectNotReady {
        /// What was asked for.
        project: ProjectName,
        /// The service's name of its state, such as `createPending`.
        state: String,
    },
    /// The making of the project ended badly.
    #[error("project {project} could not be made: {reason}")]
    ProjectFailed {
        /// What was to be made.
        project: ProjectName,
        /// What the service said.
        reason: String,
    },
    /// The repository was switched off by somebody.
    #[error("repository {project}/{repository} is disabled")]
    Disabled {
        /// The project.
        project: ProjectName,
        /// The repository.
        repository: RepositoryName,
    },
    /// The name of what was to be made is taken by something that can't be seen.
    #[error("the name {name} is taken in {organization}{}", .refusal.said())]
    NameTaken {
        /// Where.
        organization: Organization,
        /// The name.
        name: String,
        /// What the service said.
        refusal: Box<Refusal>,
    },
    /// The service would not take the name, or something else about the request.
    #[error("{organization} did not take the request{}", .refusal.said())]
    NotTaken {
        /// Where.
        organization: Organization,
        /// What the service said.
        refusal: Box<Refusal>,
    },
}

/// What a look for a repository found.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It is there.
    Found(Box<Repository>),
    /// The project is there, the repository is not.
    NoRepository,
    /// The project is not there, or can't be seen.
    NoProject,
}

/// A repository that was to be made, and is there now.
#[derive(Clone, Debug)]
pub struct Made {
    /// It.
    pub repository: Repository,
    /// Whether it was this call that made it.
    pub new: bool,
}

/// An organization's REST interface, asked with one credential.
pub struct Azure<'a> {
    /// Who sends.
    pub client: &'a Client,
    /// How a URL in an answer is read.
    pub service: &'a Service,
    /// Which organization is asked.
    pub organization: &'a Organization,
    /// What signs the requests.
    pub credential: &'a Credential,
    /// Further headers of the user's own settings, none of which signs.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// Waits where the service needs time.
    pub wait: Wait<'a>,
}

impl Azure<'_> {
    /// Who the credential belongs to. The best proof of one: a single request, with any scope.
    ///
    /// # Errors
    /// [`Error::SignedOut`] if the credential is no good, also where the organization answers
    /// anybody; [`Error::NoOrganization`].
    pub fn account(&self) -> Result<Account, Error> {
        let request = self.get(&["connectionData"], &[("api-version", CONNECTION_VERSION)]);
        let data: model::ConnectionData = match self.send(&request) {
            Ok(data) => data,
            Err(Error::Http(http::Error::Refused(refusal))) => {
                return Err(self.meaning_of_account(refusal));
            }
            Err(error) => return Err(error),
        };
        // An organization with public projects answers everybody.
        if data.authenticated_user.id == ANONYMOUS {
            let refusal = Box::new(Refusal::nobody(self.organization.host()));
            return Err(self.signed_out(refusal));
        }
        Ok(data.authenticated_user.into())
    }

    /// Looks for a repository by name, in one request where it is there.
    ///
    /// # Errors
    /// [`Error::Disabled`] and [`Error::ProjectNotReady`] where that is why it can't be used.
    pub fn repository(
        &self,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Result<Lookup, Error> {
        let path = [project.as_ref(), "_apis", "git", "repositories", repository.as_ref()];
        let request = self.request(Method::GET, &path, &[("api-version", VERSION)]);
        match self.send::<model::RepositoryAnswer>(&request) {
            Ok(found) if found.is_disabled => Err(disabled(project, repository)),
            Ok(found) => Ok(Lookup::Found(Box::new(self.read(found, project, repository)))),
            Err(error) => match reason(&error) {
                Some(Reason::NoRepository) => self.why_no_repository(project, repository),
                Some(Reason::NoProject | Reason::NotFound) => self.why_no_project(project),
                _ => Err(self.settle(error, Scope::CodeRead)),
            },
        }
    }

    /// The names of the projects that the account can see.
    ///
    /// # Errors
    /// As every call.
    pub fn projects(&self) -> Result<Vec<Project>, Error> {
        let mut projects: Vec<Project> = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = PAGE.to_string();
            let mut query = vec![("api-version", VERSION), ("$top", &*page)];
            if let Some(token) = &token {
                query.push(("continuationToken", token));
            }
            let request = self.get(&["projects"], &query);
            let (list, headers) = self
                .client
                .json::<model::List<model::ProjectAnswer>>(&request, self.wait)
                .map_err(|error| self.settle(error.into(), Scope::ProjectRead))?;
            let is_empty = list.value.is_empty();
            projects.extend(list.value.into_iter().map(Project::from));
            let next = headers
                .get("x-ms-continuationtoken")
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            // A page that leads to nothing or to itself would lead on for ever.
            if next.is_none() || is_empty || next == token {
                return Ok(projects);
            }
            token = next;
        }
    }

    /// Makes a project with git in it, and waits until it is ready.
    ///
    /// # Errors
    /// [`Error::ProjectFailed`] if the service gives up on it, or takes too long.
    pub fn create_project(
        &self,
        project: &ProjectName,
        description: Option<&str>,
    ) -> Result<(), Error> {
        let body = json!({
            "name": project.as_ref(),
            "description": description.unwrap_or_default(),
            "visibility": "private",
            "capabilities": {
                "versioncontrol": { "sourceControlType": "Git" },
                "processTemplate": { "templateTypeId": self.default_process()? },
            },
        });
        let request = self.post(&["_apis", "projects"], &body);
        let started: model::Operation =
            self.send(&request).map_err(|error| self.project_not_made(error, project))?;
        self.finish(project, started)
    }

    /// Makes an empty repository. One that somebody else made in the meantime is as good.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if there is one that is out of sight; [`Error::Disabled`].
    pub fn create_repository(
        &self,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Result<Made, Error> {
        let path = [project.as_ref(), "_apis", "git", "repositories"];
        let request = self.post(&path, &json!({ "name": repository.as_ref() }));
        match self.send::<model::RepositoryAnswer>(&request) {
            Ok(made) => Ok(Made { repository: self.read(made, project, repository), new: true }),
            Err(error) => match reason(&error) {
                Some(Reason::NoProject) => Err(Error::NoProject {
                    organization: self.organization.clone(),
                    project: project.clone(),
                }),
                Some(Reason::NameTaken) => match self.repository(project, repository)? {
                    Lookup::Found(found) => Ok(Made { repository: *found, new: false }),
                    _ => Err(self.not_made(error, repository.as_ref(), Scope::CodeManage)),
                },
                _ => Err(self.not_made(error, repository.as_ref(), Scope::CodeManage)),
            },
        }
    }

    /// Whether git takes the credential, where REST does not: git answers 401 to a bad one before
    /// it looks for the repository, and 404 to a good one where there is none.
    ///
    /// # Errors
    /// What kept it from being answered.
    pub fn git_accepts(&self) -> Result<bool, Error> {
        let path = ["_git", ANONYMOUS, "info", "refs"];
        let request = self.request(Method::GET, &path, &[("service", "git-upload-pack")]);
        let answer = self.client.send(request)?;
        Ok(answer.status() == 404)
    }

    fn why_no_repository(
        &self,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Result<Lookup, Error> {
        // A disabled repository is answered like one that is not there, but it is listed.
        let path = [project.as_ref(), "_apis", "git", "repositories"];
        let request = self.request(Method::GET, &path, &[("api-version", VERSION)]);
        let list: model::List<model::RepositoryAnswer> =
            self.send(&request).map_err(|error| self.settle(error, Scope::CodeRead))?;
        let is_it = |name: &str| name.parse().is_ok_and(|met: RepositoryName| met == *repository);
        let found = list.value.into_iter().find(|met| is_it(&met.name));
        match found {
            Some(found) if found.is_disabled => Err(disabled(project, repository)),
            // Made in the meantime.
            Some(found) => Ok(Lookup::Found(Box::new(self.read(found, project, repository)))),
            None => Ok(Lookup::NoRepository),
        }
    }

    fn why_no_project(&self, project: &ProjectName) -> Result<Lookup, Error> {
        let request = self.get(&["projects", project.as_ref()], &[("api-version", VERSION)]);
        match self.send::<model::ProjectAnswer>(&request) {
            Ok(found) if found.state == "wellFormed" => Ok(Lookup::NoRepository),
            Ok(found) => {
                Err(Error::ProjectNotReady { project: project.clone(), state: found.state })
            }
            Err(error) => match reason(&error) {
                Some(Reason::NoProject) => Ok(Lookup::NoProject),
                // Nothing known of the organization either: settle which of both it is.
                Some(Reason::NotFound) => self.account().map(|_| Lookup::NoProject),
                // The scope for code is enough for all but this question; without it the project's
                // state is not known, and that it could not be found still is.
                _ => match self.settle(error, Scope::ProjectRead) {
                    Error::MissingScope { .. } => Ok(Lookup::NoProject),
                    error => Err(error),
                },
            },
        }
    }

    /// The organization's default process, or Basic where the token may not read the list: that
    /// takes the scope for work items, which nobody should need for a push.
    fn default_process(&self) -> Result<String, Error> {
        let request = self.get(&["process", "processes"], &[("api-version", VERSION)]);
        match self.send::<model::List<model::Process>>(&request) {
            Ok(list) => Ok(list
                .value
                .into_iter()
                .find(|process| process.is_default)
                .map_or_else(|| BASIC_PROCESS.to_owned(), |process| process.id)),
            Err(Error::Http(http::Error::Refused(refusal)))
                if matches!(refusal.status, 401 | 403 | 203 | 302) =>
            {
                Ok(BASIC_PROCESS.to_owned())
            }
            Err(error) => Err(error),
        }
    }

    fn finish(&self, project: &ProjectName, started: model::Operation) -> Result<(), Error> {
        let request = self.get(&["operations", &started.id], &[("api-version", VERSION)]);
        let failed = |reason: String| Error::ProjectFailed { project: project.clone(), reason };
        let mut operation = started;
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(250);
        loop {
            match &*operation.status {
                "succeeded" => return Ok(()),
                "failed" | "cancelled" => {
                    let status = operation.status.clone();
                    return Err(failed(operation.reason().unwrap_or(status)));
                }
                _ if waited >= PROJECT_LIMIT => {
                    return Err(failed(format!("not ready after {} s", waited.as_secs())));
                }
                _ => {}
            }
            (self.wait)(&format!("{project} is being made"), pause);
            waited += pause;
            pause = (pause * 2).min(Duration::from_secs(4));
            operation =
                self.send(&request).map_err(|error| self.settle(error, Scope::ProjectManage))?;
        }
    }

    /// What the service's own URL of a repository says, if it is one of this organization: an
    /// answer can't send what is pushed to another.
    fn read(
        &self,
        found: model::RepositoryAnswer,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Repository {
        let asked = RemoteUrl::new(self.organization, project, repository);
        let url = self
            .service
            .remote(&found.remote_url)
            .ok()
            .filter(|url| url.organization == *self.organization)
            .unwrap_or(asked);
        Repository {
            url,
            is_empty: found.default_branch.is_none(),
            default_branch: found.default_branch,
        }
    }

    fn meaning_of_account(&self, refusal: Box<Refusal>) -> Error {
        match refusal.reason {
            Reason::NotFound => Error::NoOrganization { organization: self.organization.clone() },
            Reason::SignedOut
            | Reason::Expired
            | Reason::NotAMember
            | Reason::NeverSeen
            | Reason::KindForbidden => self.signed_out(refusal),
            _ => Error::Http(http::Error::Refused(refusal)),
        }
    }

    fn signed_out(&self, refusal: Box<Refusal>) -> Error {
        Error::SignedOut { organization: self.organization.clone(), refusal }
    }

    /// What a refused call means, if it needed this scope.
    pub fn settle(&self, error: Error, scope: Scope) -> Error {
        let Error::Http(http::Error::Refused(refusal)) = error else { return error };
        let organization = self.organization.clone();
        match refusal.reason {
            Reason::MissingPermission => Error::MissingPermission { organization, refusal },
            Reason::NotFound => match self.account() {
                Ok(_) => Error::Http(http::Error::Refused(refusal)),
                Err(error) => error,
            },
            _ if refusal.is_about_sign_in() => match self.account() {
                Ok(_) => Error::MissingScope { organization, scope },
                // The first refusal says more about the call than the second.
                Err(Error::SignedOut { .. }) => self.signed_out(refusal),
                Err(error) => error,
            },
            _ => Error::Http(http::Error::Refused(refusal)),
        }
    }

    /// Why a project was not made. Where its name is taken, it may be on its way.
    fn project_not_made(&self, error: Error, project: &ProjectName) -> Error {
        if reason(&error) == Some(Reason::NameTaken)
            && let Err(error @ Error::ProjectNotReady { .. }) = self.why_no_project(project)
        {
            return error;
        }
        self.not_made(error, project.as_ref(), Scope::ProjectManage)
    }

    fn not_made(&self, error: Error, name: &str, scope: Scope) -> Error {
        let Error::Http(http::Error::Refused(refusal)) = error else { return error };
        let organization = self.organization.clone();
        match refusal.reason {
            Reason::NameTaken => Error::NameTaken { organization, name: name.to_owned(), refusal },
            Reason::Other | Reason::ApiVersion => Error::NotTaken { organization, refusal },
            _ => self.settle(Error::Http(http::Error::Refused(refusal)), scope),
        }
    }

    fn send<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        Ok(self.client.json(request, self.wait)?.0)
    }

    fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Request {
        self.request(Method::GET, &[&["_apis"], path].concat(), query)
    }

    fn post(&self, path: &[&str], body: &Value) -> Request {
        let mut request = self
            .request(Method::POST, path, &[("api-version", VERSION)])
            .header(CONTENT_TYPE, "application/json");
        request.body = body.to_string().into();
        request
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> Request {
        let mut url = Url::parse(&self.organization.url())
            .expect("an organization is made from a URL that was parsed");
        url.path_segments_mut().expect("its scheme is http or https").extend(path);
        url.query_pairs_mut().extend_pairs(query);
        let mut request = Request::new(method, url).authorization(self.credential.authorization());
        request.headers.clone_from(&self.headers);
        passing_through(request, self.credential)
    }
}

/// The service takes the token of a personal account only where the request says so, and would take a work account of
/// the same address for the personal one.
fn passing_through(request: Request, credential: &Credential) -> Request {
    match credential.is_personal() {
        true => request.header(HeaderName::from_static("x-vss-forcemsapassthrough"), "true"),
        false => request,
    }
}

/// What a refusal of the credential itself comes to.
fn signed_out(organization: &Organization, reason: Reason) -> String {
    match reason {
        Reason::Expired => format!("the token for {organization} has expired"),
        Reason::NotAMember => format!("this account has no access to {organization}"),
        Reason::NeverSeen => format!("this account was never used in {organization}"),
        Reason::KindForbidden => format!("{organization} forbids this kind of token"),
        _ => format!("{organization} did not accept the sign-in"),
    }
}

fn disabled(project: &ProjectName, repository: &RepositoryName) -> Error {
    Error::Disabled { project: project.clone(), repository: repository.clone() }
}

fn reason(error: &Error) -> Option<Reason> {
    match error {
        Error::Http(http::Error::Refused(refusal)) => Some(refusal.reason),
        _ => None,
    }
}
