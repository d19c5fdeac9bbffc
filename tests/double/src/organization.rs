//! The handle with which a test builds an organization.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::lfs;
use crate::names::{same, stable_id};
use crate::rest::{self, TokenPolicy};
use crate::state::{OrganizationState, Person, ProjectState, PushRules, RepositoryState, Shared};
use crate::token::{Issued, Kind, Token};

/// How a call of the REST API without a credential that is taken is answered, unless it says
/// `X-TFS-FedAuthRedirect: Suppress`, which makes it 401 always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedOut {
    /// 401.
    Unauthorized,
    /// 302 to the sign-in page, on another host, which answers 200 with HTML.
    Redirect,
    /// 203 with the sign-in page.
    NonAuthoritative,
}

/// A personal access token that the token API made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MadeToken {
    /// Its `authorizationId`.
    pub id: String,
    /// Its `displayName`.
    pub name: String,
    /// Whose it is.
    pub account: String,
    /// Parted by blanks, as they were asked for.
    pub scopes: String,
    /// As the service writes it, such as `2026-12-25T00:00:00Z`.
    pub valid_to: String,
    /// The token.
    pub secret: String,
    /// The service no longer takes it.
    pub revoked: bool,
}

/// An organization. Every method that only changes it gives the handle back, so that they can be
/// written one behind the other; copies of a handle are the same organization.
///
/// # Panics
///
/// Methods that name a project or a repository panic when there is none of that name.
#[derive(Clone)]
pub struct Organization {
    shared: Arc<Shared>,
    name: String,
}

impl Organization {
    pub(crate) fn open(shared: Arc<Shared>, name: &str) -> Organization {
        let mut state = shared.lock();
        if state.organization(name).is_none() {
            state.organizations.push(OrganizationState {
                name: name.to_owned(),
                instance_id: stable_id(&["organization", name]),
                tenant: Some(stable_id(&["tenant", name])),
                people: Vec::new(),
                projects: Vec::new(),
                operations: Vec::new(),
                signed_out: SignedOut::Redirect,
                joins_challenges: false,
                authority: None,
                hides_tenant: false,
                never_seen: Vec::new(),
                status: None,
                token_policy: TokenPolicy::default(),
                operation_polls: 2,
                project_failure: None,
                forbids_projects: false,
                released: (7, 1),
                newest: (7, 2),
                page_size: usize::MAX,
                pull_requests: 0,
            });
        }
        let name = state.organization(name).expect("it was made").name.clone();
        drop(state);
        Organization { shared, name }
    }

    fn change<T>(&self, change: impl FnOnce(&mut OrganizationState) -> T) -> T {
        change(self.shared.lock().organization_mut(&self.name).expect("organizations stay"))
    }

    fn changed(&self, change: impl FnOnce(&mut OrganizationState)) -> Organization {
        self.change(change);
        self.clone()
    }

    fn change_project<T>(&self, project: &str, change: impl FnOnce(&mut ProjectState) -> T) -> T {
        self.change(|organization| {
            let found =
                organization.projects.iter_mut().find(|candidate| candidate.answers_to(project));
            change(found.unwrap_or_else(|| panic!("no project {project}")))
        })
    }

    fn change_repository<T>(
        &self,
        project: &str,
        repository: &str,
        change: impl FnOnce(&mut RepositoryState) -> T,
    ) -> T {
        self.change_project(project, |project| {
            let found = project.repository_mut(repository);
            change(found.unwrap_or_else(|| panic!("no repository {repository}")))
        })
    }

    fn change_rules(
        &self,
        project: &str,
        repository: &str,
        change: impl FnOnce(&mut PushRules),
    ) -> Organization {
        self.change_repository(project, repository, |repository| change(&mut repository.rules));
        self.clone()
    }

    fn folder(&self) -> PathBuf {
        self.shared.root.join(&self.name)
    }

    /// Its name, spelt as the service has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, `{Double::url}/NAME`.
    pub fn url(&self) -> String {
        format!("{}/{}", self.shared.url, self.name)
    }

    /// The `instanceId` of its connection data.
    pub fn id(&self) -> String {
        self.change(|organization| organization.instance_id.clone())
    }

    /// It is backed by the Microsoft Entra tenant of that GUID.
    pub fn tenant(&self, tenant: &str) -> Organization {
        self.changed(|organization| organization.tenant = Some(tenant.to_owned()))
    }

    /// It is backed by personal Microsoft accounts: the tenant it names is all zeros, the `Bearer`
    /// challenge is bare, and an Entra token gets the redirect to the sign-in page unless the
    /// request says `X-VSS-ForceMsaPassThrough: true`.
    pub fn personal_accounts(&self) -> Organization {
        self.changed(|organization| organization.tenant = None)
    }

    /// A member; `account` is an address.
    pub fn person(&self, account: &str, display_name: &str) -> Organization {
        self.changed(|organization| {
            organization.people.retain(|person| !same(&person.account, account));
            organization.people.push(Person {
                id: stable_id(&["person", account]),
                account: account.to_owned(),
                display_name: display_name.to_owned(),
            });
        })
    }

    /// A member whom the organization knows from its directory and has never seen: an Entra token of
    /// theirs is refused with 403 TF401444.
    pub fn never_seen(&self, account: &str, display_name: &str) -> Organization {
        self.person(account, display_name);
        self.changed(|organization| organization.never_seen.push(account.to_owned()))
    }

    /// Its `accountStatus` in the list of organizations, such as `disabled` or `deleted`: with these
    /// two it is answered for as one that is not there. Nothing is told if nothing is said.
    pub fn account_status(&self, status: &str) -> Organization {
        self.changed(|organization| organization.status = Some(status.to_owned()))
    }

    /// The `Bearer` challenge names that `authorization_uri` instead of the tenant's.
    pub fn names_authority(&self, authority: &str) -> Organization {
        self.changed(|organization| organization.authority = Some(authority.to_owned()))
    }

    /// No answer has `X-VSS-ResourceTenant`; the tenant is in the `Bearer` challenge alone.
    pub fn hides_tenant(&self) -> Organization {
        self.changed(|organization| organization.hides_tenant = true)
    }

    /// Nobody may make personal access tokens: `disablePatCreationPolicyViolation`.
    pub fn forbids_tokens(&self) -> Organization {
        self.token_error("disablePatCreationPolicyViolation")
    }

    /// Making a personal access token ends with that `patTokenError`, known or not.
    pub fn token_error(&self, error: &str) -> Organization {
        self.changed(|organization| organization.token_policy.error = Some(error.to_owned()))
    }

    /// A personal access token that is to last longer is refused: `patLifespanPolicyViolation`.
    pub fn caps_tokens_at(&self, days: u32) -> Organization {
        self.changed(|organization| organization.token_policy.longest_days = Some(days))
    }

    /// A personal access token that is to last longer is made and ends after so many days.
    pub fn shortens_tokens_to(&self, days: u32) -> Organization {
        self.changed(|organization| organization.token_policy.shortened_days = Some(days))
    }

    /// A personal access token with all scopes (`app_token`) is refused:
    /// `fullScopePatPolicyViolation`.
    pub fn forbids_full_tokens(&self) -> Organization {
        self.changed(|organization| organization.token_policy.forbids_full = true)
    }

    /// Personal access tokens with other scopes than these (parted by blanks) are refused:
    /// `disablePatCreationPolicyViolation`.
    pub fn allows_token_scopes(&self, scopes: &str) -> Organization {
        let scopes = scopes.split_whitespace().map(str::to_owned).collect();
        self.changed(|organization| organization.token_policy.scopes = Some(scopes))
    }

    /// Takes back all that was said of making personal access tokens.
    pub fn permits_tokens(&self) -> Organization {
        self.changed(|organization| organization.token_policy = TokenPolicy::default())
    }

    /// The personal access tokens that the token API made here, the newest last.
    pub fn tokens_made(&self) -> Vec<MadeToken> {
        let state = self.shared.lock();
        let here = |token: &&Issued| token.organization.as_deref() == Some(&self.name);
        let made = |token: &Issued| {
            let made = token.made.as_ref()?;
            Some(MadeToken {
                id: made.id.clone(),
                name: made.name.clone(),
                account: token.account.clone(),
                scopes: token.scopes.join(" "),
                valid_to: rest::time(token.valid_until),
                secret: token.secret.clone(),
                revoked: token.revoked,
            })
        };
        state.tokens.iter().filter(here).filter_map(made).collect()
    }

    /// A `wellFormed`, private project, which as at the service has an empty repository of its own
    /// name. One that is there stays as it is.
    pub fn project(&self, name: &str) -> Organization {
        self.project_of_visibility(name, "private")
    }

    /// A project that everybody may read, signed in or not.
    pub fn public_project(&self, name: &str) -> Organization {
        self.project_of_visibility(name, "public")
    }

    /// A project with that `visibility`: `private`, `public`, `organization`, or one that nobody
    /// has heard of yet.
    pub fn project_of_visibility(&self, name: &str, visibility: &str) -> Organization {
        let mut state = self.shared.lock();
        let organization = state.organization(&self.name).expect("organizations stay");
        if !organization.projects.iter().any(|project| project.answers_to(name)) {
            let made = ProjectState::new(&mut state, &self.name, name, &self.folder());
            let mut project = made.expect("the project's repository can be made");
            visibility.clone_into(&mut project.visibility);
            let organization = state.organization_mut(&self.name).expect("organizations stay");
            organization.projects.push(project);
        }
        drop(state);
        self.clone()
    }

    /// Gives a project a description.
    pub fn describe(&self, project: &str, description: &str) -> Organization {
        self.change_project(project, |project| project.description = Some(description.to_owned()));
        self.clone()
    }

    /// The project is there, but invisible to everybody who asks.
    pub fn hide(&self, project: &str) -> Organization {
        self.change_project(project, |project| project.hidden = true);
        self.clone()
    }

    /// The GUID of a project.
    pub fn id_of_project(&self, project: &str) -> String {
        self.change_project(project, |project| project.id.clone())
    }

    /// A repository of a project, which is made as well if need be; the path of the bare one.
    pub fn repository(&self, project: &str, name: &str) -> PathBuf {
        self.project(project);
        let project_name = self.change_project(project, |project| project.name.clone());
        let mut state = self.shared.lock();
        let organization = state.organization(&self.name).expect("organizations stay");
        let project = organization.projects.iter().find(|project| project.name == project_name);
        if project.is_some_and(|project| project.repository(name).is_none()) {
            let folder = self.folder();
            let made = RepositoryState::new(&mut state, &self.name, &project_name, name, &folder);
            let repository = made.expect("the repository can be made");
            let organization = state.organization_mut(&self.name).expect("organizations stay");
            let mut projects = organization.projects.iter_mut();
            let project = projects.find(|project| project.name == project_name);
            project.expect("the project was there").repositories.push(repository);
        }
        drop(state);
        self.bare(&project_name, name)
    }

    /// The path of a bare repository.
    pub fn bare(&self, project: &str, repository: &str) -> PathBuf {
        self.change_repository(project, repository, |repository| repository.directory.clone())
    }

    /// The names (SHA-256) of the Git LFS objects of a repository, sorted.
    pub fn lfs_objects(&self, project: &str, repository: &str) -> Vec<String> {
        let mut folders = vec![lfs::objects(&self.bare(project, repository))];
        let mut names = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    true => folders.push(entry.path()),
                    false => names.push(entry.file_name().to_string_lossy().into_owned()),
                }
            }
        }
        names.sort_unstable();
        names
    }

    /// The GUID of a repository.
    pub fn id_of_repository(&self, project: &str, repository: &str) -> String {
        self.change_repository(project, repository, |repository| repository.id.clone())
    }

    /// The `defaultBranch` of a repository, such as `refs/heads/main`.
    pub fn default_branch(&self, project: &str, repository: &str) -> Option<String> {
        self.change_repository(project, repository, |repository| repository.default_branch())
    }

    /// Takes the repository that every project comes with away again.
    pub fn without_repository(&self, project: &str, repository: &str) -> Organization {
        self.change_project(project, |project| {
            project.repositories.retain(|candidate| !candidate.answers_to(repository));
        });
        self.clone()
    }

    /// Disables a repository: it is listed, but git and a get of it find nothing.
    pub fn disable(&self, project: &str, repository: &str) -> Organization {
        self.change_repository(project, repository, |repository| repository.disabled = true);
        self.clone()
    }

    /// Everybody may read the repository and nobody write: 403 TF401027 in its pkt-line framing,
    /// already at `info/refs?service=git-receive-pack`.
    pub fn read_only(&self, project: &str, repository: &str) -> Organization {
        self.change_rules(project, repository, |rules| rules.read_only = true)
    }

    /// A push to that ref (or to all that begin with what stands before a `*`) is refused with that
    /// reason inside an HTTP 200, as branch policies and missing ref permissions are; other refs
    /// of the same push go through.
    pub fn policy(
        &self,
        project: &str,
        repository: &str,
        reference: &str,
        reason: &str,
    ) -> Organization {
        self.change_rules(project, repository, |rules| {
            rules.policies.push((reference.to_owned(), reason.to_owned()));
        })
    }

    /// A push that rewinds a branch is refused with TF401027 `ForcePush` inside an HTTP 200.
    pub fn forbid_force(&self, project: &str, repository: &str) -> Organization {
        self.change_rules(project, repository, |rules| rules.forbids_force = true)
    }

    /// Every push that brings commits is refused with VS403654: an `unpack` error of several lines
    /// that is repeated for each ref.
    pub fn secret_scanning(&self, project: &str, repository: &str) -> Organization {
        self.change_rules(project, repository, |rules| rules.secret_scanning = true)
    }

    /// `git-receive-pack` says that it can do that as well, for instance `atomic`.
    pub fn push_capability(&self, project: &str, repository: &str, more: &str) -> Organization {
        self.change_rules(project, repository, |rules| {
            rules.more_capabilities.push(more.to_owned());
        })
    }

    /// `git-receive-pack` offers no side band: no progress, a bare report.
    pub fn no_side_band(&self, project: &str, repository: &str) -> Organization {
        self.change_rules(project, repository, |rules| rules.no_side_band = true)
    }

    /// Takes back all that [`Organization::read_only`] and those below it said of a repository.
    pub fn permit(&self, project: &str, repository: &str) -> Organization {
        self.change_rules(project, repository, |rules| *rules = PushRules::default())
    }

    /// How a REST call that is not signed in is answered; [`SignedOut::Redirect`] if nothing is said.
    pub fn signed_out(&self, signed_out: SignedOut) -> Organization {
        self.changed(|organization| organization.signed_out = signed_out)
    }

    /// The challenges of a 401 come as one line parted by commas instead of one line each.
    pub fn joined_challenges(&self) -> Organization {
        self.changed(|organization| organization.joins_challenges = true)
    }

    /// An operation answers `inProgress` so often before it ends; 2 if nothing is said. Holds for
    /// operations that begin afterwards.
    pub fn operation_polls(&self, polls: usize) -> Organization {
        self.changed(|organization| organization.operation_polls = polls)
    }

    /// Making a project is taken (202), and its operation then ends `failed` with that message.
    pub fn project_creation_fails(&self, message: &str) -> Organization {
        self.changed(|organization| organization.project_failure = Some(message.to_owned()))
    }

    /// Nobody may make a project: 403 TF50309.
    pub fn forbid_projects(&self) -> Organization {
        self.changed(|organization| organization.forbids_projects = true)
    }

    /// Nobody may make a repository in that project: 403 TF401027 `CreateRepository`.
    pub fn forbid_repositories(&self, project: &str) -> Organization {
        self.change_project(project, |project| project.forbids_repositories = true);
        self.clone()
    }

    /// The newest api-version is that one, as at an older server; 7.1, with 7.2 in preview, if
    /// nothing is said.
    pub fn newest_api_version(&self, major: u32, minor: u32) -> Organization {
        self.changed(|organization| {
            organization.released = (major, minor);
            organization.newest = (major, minor);
        })
    }

    /// A page of the list of projects holds so many at most, whatever `$top` says.
    pub fn page_size(&self, projects: usize) -> Organization {
        self.changed(|organization| organization.page_size = projects)
    }

    /// A fresh personal access token, in the form of 84 characters, that this organization takes.
    /// Its account becomes a member if it is none, named by what stands before the `@`; where nobody
    /// is a member yet and no account is given, it is that of Ada Lovelace.
    pub fn token(&self, token: Token) -> String {
        let account = self.owner(&token);
        self.issue(token.issue(Kind::Personal, &self.name, &account, self.now()))
    }

    /// A fresh access token of Microsoft Entra, which is taken as `Bearer` and as the password of
    /// `Basic`, by every organization that its account is a member of. That need not be this one.
    pub fn bearer(&self, token: Token) -> String {
        let account = match token.owner() {
            Some(account) => account.to_owned(),
            None => self.owner(&token),
        };
        self.issue(token.issue(Kind::Entra, &self.name, &account, self.now()))
    }

    /// The service no longer takes that token.
    pub fn revoke(&self, token: &str) -> Organization {
        let mut state = self.shared.lock();
        state.tokens.iter_mut().filter(|known| known.secret == token).for_each(|known| {
            known.revoked = true;
        });
        drop(state);
        self.clone()
    }

    fn now(&self) -> SystemTime {
        self.shared.lock().now()
    }

    fn issue(&self, token: Issued) -> String {
        let secret = token.secret.clone();
        let mut state = self.shared.lock();
        state.secrets.push(secret.clone());
        state.tokens.push(token);
        secret
    }

    fn owner(&self, token: &Token) -> String {
        let first = self.change(|organization| {
            organization.people.first().map(|person| person.account.clone())
        });
        let (account, display_name) = match (token.owner(), first) {
            (Some(account), _) => {
                (account.to_owned(), account.split('@').next().unwrap_or(account))
            }
            (None, Some(first)) => (first, ""),
            (None, None) => (format!("ada@{}.com", self.name), "Ada Lovelace"),
        };
        if self.change(|organization| organization.person(&account).is_none()) {
            self.person(&account, display_name);
        }
        account
    }

    /// The folder with this organization's bare repositories, `PROJECT/REPOSITORY.git` below it.
    pub fn directory(&self) -> PathBuf {
        self.folder()
    }
}
