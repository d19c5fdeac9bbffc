//! All that the service knows, behind one lock that is never held while something is awaited.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::answer::LiveRule;
use crate::log::Entry;
use crate::microsoft::MicrosoftState;
use crate::names::{is_id, same, stable_id};
use crate::organization::SignedOut;
use crate::rest::TokenPolicy;
use crate::token::Issued;

/// The process template of a project that nothing else is said of.
pub(crate) const BASIC_PROCESS: &str = "b8a3a935-7e91-48b8-a94c-606d37c3e9f2";

/// What every part of the double shares.
pub(crate) struct Shared {
    /// What stands instead of `https://dev.azure.com`.
    pub(crate) url: String,
    /// The same server as another origin, so that a client which follows the redirect to the
    /// sign-in page with its credential is found out.
    pub(crate) sign_in_url: String,
    pub(crate) root: PathBuf,
    pub(crate) http_backend: PathBuf,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(port: u16, root: PathBuf, http_backend: PathBuf) -> Shared {
        Shared {
            url: format!("http://127.0.0.1:{port}"),
            sign_in_url: format!("http://localhost:{port}/_signin"),
            root,
            http_backend,
            state: Mutex::default(),
        }
    }

    /// A panic elsewhere must not hide behind a second one about the lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) organizations: Vec<OrganizationState>,
    pub(crate) tokens: Vec<Issued>,
    pub(crate) microsoft: MicrosoftState,
    pub(crate) secrets: Vec<String>,
    pub(crate) rules: Vec<LiveRule>,
    pub(crate) requests: Vec<Entry>,
    /// How many requests were forgotten, so that a request under way finds its entry.
    pub(crate) forgotten: usize,
    pub(crate) unserved: Vec<String>,
    pub(crate) unserved_is_expected: bool,
    pub(crate) log_file: Option<File>,
    /// Where the clock stands, if it does not go with the system's.
    pub(crate) clock: Option<SystemTime>,
    /// Counts refusals; the order of the challenges goes with it.
    pub(crate) refusals: usize,
    /// Counts what gets an id, so that a name used twice has two.
    counter: usize,
}

impl State {
    pub(crate) fn organization(&self, name: &str) -> Option<&OrganizationState> {
        self.organizations.iter().find(|organization| same(&organization.name, name))
    }

    /// The organization, unless it is deleted or disabled.
    pub(crate) fn serving(&self, name: &str) -> Option<&OrganizationState> {
        self.organization(name).filter(|organization| {
            !matches!(organization.status.as_deref(), Some("deleted" | "disabled"))
        })
    }

    pub(crate) fn organization_mut(&mut self, name: &str) -> Option<&mut OrganizationState> {
        self.organizations.iter_mut().find(|organization| same(&organization.name, name))
    }

    /// Something that nobody may ever see again, if there is anything.
    pub(crate) fn learn(&mut self, secret: Option<&str>) {
        self.secrets.extend(secret.filter(|secret| !secret.is_empty()).map(str::to_owned));
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.unwrap_or_else(SystemTime::now)
    }

    pub(crate) fn forget_requests(&mut self) {
        self.forgotten += self.requests.len();
        self.requests.clear();
    }

    /// Notes the status that a request is about to get.
    pub(crate) fn finish(&mut self, number: usize, status: u16) {
        let kept = number.checked_sub(self.forgotten);
        let Some(entry) = kept.and_then(|index| self.requests.get_mut(index)) else { return };
        entry.status = status;
        if let Some(file) = &mut self.log_file {
            let line = serde_json::json!({
                "method": entry.method, "path": entry.path, "status": status,
            });
            let written =
                file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.flush());
            written.expect("the log can be written");
        }
    }

    pub(crate) fn new_id(&mut self, parts: &[&str]) -> String {
        self.counter += 1;
        let counter = self.counter.to_string();
        stable_id(&[parts, &[&counter]].concat())
    }
}

pub(crate) struct OrganizationState {
    pub(crate) name: String,
    pub(crate) instance_id: String,
    /// None: backed by personal Microsoft accounts.
    pub(crate) tenant: Option<String>,
    pub(crate) people: Vec<Person>,
    pub(crate) projects: Vec<ProjectState>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) signed_out: SignedOut,
    pub(crate) joins_challenges: bool,
    /// Instead of the authority that goes with the tenant.
    pub(crate) authority: Option<String>,
    pub(crate) hides_tenant: bool,
    /// Members who have not been there yet.
    pub(crate) never_seen: Vec<String>,
    /// The `accountStatus`, if one is told.
    pub(crate) status: Option<String>,
    pub(crate) token_policy: TokenPolicy,
    /// How often an operation answers `inProgress` before it ends.
    pub(crate) operation_polls: usize,
    pub(crate) project_failure: Option<String>,
    pub(crate) forbids_projects: bool,
    /// The newest api-version, without and with `-preview`.
    pub(crate) released: (u32, u32),
    pub(crate) newest: (u32, u32),
    pub(crate) page_size: usize,
    pub(crate) pull_requests: u64,
}

impl OrganizationState {
    pub(crate) fn project(&self, name_or_id: &str) -> Option<&ProjectState> {
        self.projects.iter().find(|project| project.answers_to(name_or_id) && !project.hidden)
    }

    pub(crate) fn project_mut(&mut self, name_or_id: &str) -> Option<&mut ProjectState> {
        self.projects.iter_mut().find(|project| project.answers_to(name_or_id) && !project.hidden)
    }

    /// The project and the repository, disabled or not; without a project only an id finds one.
    pub(crate) fn repository(
        &self,
        project: Option<&str>,
        name_or_id: &str,
    ) -> Option<(&ProjectState, &RepositoryState)> {
        if project.is_none() && !is_id(name_or_id) {
            return None;
        }
        let among = self.projects.iter().filter(|candidate| {
            !candidate.hidden && project.is_none_or(|project| candidate.answers_to(project))
        });
        among.into_iter().find_map(|project| Some((project, project.repository(name_or_id)?)))
    }

    pub(crate) fn person(&self, account: &str) -> Option<&Person> {
        self.people.iter().find(|person| same(&person.account, account))
    }

    pub(crate) fn has_public_projects(&self) -> bool {
        self.projects.iter().any(ProjectState::is_public)
    }
}

#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    /// Its address, the "UPN".
    pub(crate) account: String,
    pub(crate) display_name: String,
}

pub(crate) struct ProjectState {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) visibility: String,
    pub(crate) process: String,
    pub(crate) team: String,
    pub(crate) hidden: bool,
    pub(crate) forbids_repositories: bool,
    /// How often the list of repositories still leaves out the one that came with the project.
    pub(crate) list_lags: usize,
    pub(crate) repositories: Vec<RepositoryState>,
}

impl ProjectState {
    pub(crate) fn new(
        state: &mut State,
        organization: &str,
        name: &str,
        folder: &Path,
    ) -> io::Result<ProjectState> {
        let id = state.new_id(&["project", organization, name]);
        let team = state.new_id(&["team", organization, name]);
        // The service makes a repository of the project's name with it.
        let repository = RepositoryState::new(state, organization, name, name, folder)?;
        Ok(ProjectState {
            id,
            name: name.to_owned(),
            description: None,
            visibility: "private".to_owned(),
            process: BASIC_PROCESS.to_owned(),
            team,
            hidden: false,
            forbids_repositories: false,
            list_lags: 0,
            repositories: vec![repository],
        })
    }

    pub(crate) fn answers_to(&self, name_or_id: &str) -> bool {
        if is_id(name_or_id) {
            self.id.eq_ignore_ascii_case(name_or_id)
        } else {
            same(&self.name, name_or_id)
        }
    }

    pub(crate) fn is_public(&self) -> bool {
        self.visibility == "public"
    }

    pub(crate) fn repository(&self, name_or_id: &str) -> Option<&RepositoryState> {
        self.repositories.iter().find(|repository| repository.answers_to(name_or_id))
    }

    pub(crate) fn repository_mut(&mut self, name_or_id: &str) -> Option<&mut RepositoryState> {
        self.repositories.iter_mut().find(|repository| repository.answers_to(name_or_id))
    }
}

pub(crate) struct RepositoryState {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    /// Set by a PATCH or by the first push; see [`RepositoryState::default_branch`].
    pub(crate) chosen_branch: Option<String>,
    pub(crate) disabled: bool,
    pub(crate) pull_requests: Vec<PullRequest>,
    pub(crate) rules: PushRules,
}

/// What a repository refuses and what it says that it can.
#[derive(Clone, Default)]
pub(crate) struct PushRules {
    pub(crate) read_only: bool,
    pub(crate) secret_scanning: bool,
    pub(crate) forbids_force: bool,
    /// Ref or prefix with `*`, and the reason.
    pub(crate) policies: Vec<(String, String)>,
    pub(crate) more_capabilities: Vec<String>,
    pub(crate) no_side_band: bool,
}

pub(crate) struct PullRequest {
    pub(crate) source: String,
    pub(crate) target: String,
}

impl RepositoryState {
    /// `folder` is that of the organization. A bare repository that is there is taken as it is.
    pub(crate) fn new(
        state: &mut State,
        organization: &str,
        project: &str,
        name: &str,
        folder: &Path,
    ) -> io::Result<RepositoryState> {
        let directory = folder.join(project).join(format!("{name}.git"));
        if !directory.join("HEAD").exists() {
            make_bare(&directory)?;
        }
        Ok(RepositoryState {
            id: state.new_id(&["repository", organization, project, name]),
            name: name.to_owned(),
            directory,
            chosen_branch: None,
            disabled: false,
            pull_requests: Vec::new(),
            rules: PushRules::default(),
        })
    }

    pub(crate) fn answers_to(&self, name_or_id: &str) -> bool {
        if is_id(name_or_id) {
            self.id.eq_ignore_ascii_case(name_or_id)
        } else {
            same(&self.name, name_or_id)
        }
    }

    /// What was chosen, even if it is gone since; else the branch of HEAD if there is one.
    pub(crate) fn default_branch(&self) -> Option<String> {
        if self.chosen_branch.is_some() {
            return self.chosen_branch.clone();
        }
        let head = fs::read_to_string(self.directory.join("HEAD")).ok()?;
        let branch = head.strip_prefix("ref: ")?.trim();
        self.commit(branch).map(|_| branch.to_owned())
    }

    /// What a ref points at, read without git: the lists ask this for every repository.
    pub(crate) fn commit(&self, reference: &str) -> Option<String> {
        if let Ok(loose) = fs::read_to_string(self.directory.join(reference)) {
            return Some(loose.trim().to_owned());
        }
        let packed = fs::read_to_string(self.directory.join("packed-refs")).ok()?;
        let split =
            |line: &str| line.split_once(' ').map(|(id, name)| (id.to_owned(), name == reference));
        packed.lines().filter_map(split).find_map(|(id, is_it)| is_it.then_some(id))
    }

    /// Bytes, 0 for an empty one.
    pub(crate) fn size(&self) -> u64 {
        size_of(&self.directory.join("objects"))
    }

    pub(crate) fn set_default_branch(&mut self, branch: &str) -> io::Result<()> {
        fs::write(self.directory.join("HEAD"), format!("ref: {branch}\n"))?;
        self.chosen_branch = Some(branch.to_owned());
        Ok(())
    }

    pub(crate) fn rename(&mut self, name: &str) -> io::Result<()> {
        let directory = self.directory.with_file_name(format!("{name}.git"));
        fs::rename(&self.directory, &directory)?;
        self.directory = directory;
        name.clone_into(&mut self.name);
        Ok(())
    }
}

fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// gitrepository-layout(5): HEAD, objects and refs are all that a repository needs; `git init`
/// would be a process for each of the hundred projects of a paging test.
fn make_bare(directory: &Path) -> io::Result<()> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        fs::create_dir_all(directory.join(folder))?;
    }
    fs::write(directory.join("config"), BARE_CONFIG)?;
    // Last, since it is what tells that a repository is there.
    fs::write(directory.join("HEAD"), "ref: refs/heads/main\n")
}

/// No maintenance after a push: it would outlive the request and the folder.
const BARE_CONFIG: &str = "\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
\tfsync = none
[http]
\treceivepack = true
[receive]
\tautogc = false
\tunpackLimit = 100
[gc]
\tauto = 0
[uploadpack]
\tallowFilter = true
\tallowTipSHA1InWant = true
";

/// Something that the service does in its own time.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) polls_left: usize,
    /// What happens when it ends; taken then.
    pub(crate) effect: Option<Effect>,
    /// The name that is taken while the operation runs.
    pub(crate) project_name: String,
    pub(crate) failure: Option<String>,
}

pub(crate) enum Effect {
    CreateProject(Box<ProjectState>),
    DeleteProject(String),
}
