use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use super::{login, names};
use crate::azure;
use crate::configuration::Trust;
use crate::context::{Context, SignIn, Source};
use crate::credential::Credential;
use crate::error::{Error, Kind};
use crate::http;
use crate::remote::{self, Organization, Protocol, RemoteUrl};
use crate::repository::{Head, Remote, Repository};
use crate::text::visible;

/// Show who is signed in, and what the repository here points at
///
/// Each sign-in is tried against its organization. Ends with status 4 when the organization that
/// the repository here points at has no valid sign-in.
#[derive(Args, Debug)]
pub struct Status {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Ask no server
    #[arg(long)]
    offline: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    logins: Vec<Login>,
    repository: Option<Here>,
}

#[derive(Serialize)]
struct Login {
    organization: String,
    url: String,
    account: Option<String>,
    kind: &'static str,
    source: &'static str,
    expires: Option<Timestamp>,
    valid: Option<bool>,
    /// Why it is not valid, or why that is not known; for people.
    #[serde(skip)]
    trouble: Option<Error>,
    #[serde(skip)]
    variable: Option<&'static str>,
}

impl Login {
    /// Whether it comes from the environment or from git's configuration.
    fn needs_no_store(&self) -> bool {
        self.variable.is_some() || self.source == "configuration"
    }
}

#[derive(Serialize)]
struct Here {
    directory: String,
    branch: Option<String>,
    remotes: Vec<Pointer>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Pointer {
    #[serde(rename_all = "camelCase")]
    Azure {
        name: String,
        url: String,
        organization: String,
        organization_url: String,
        project: String,
        repository: String,
        protocol: String,
    },
    Elsewhere {
        name: String,
        url: String,
        /// Why it is not read, where it is or looks like one of Azure DevOps.
        #[serde(skip)]
        fault: Option<remote::Error>,
    },
}

/// The sign-ins that there are, and what kept others from being read.
struct Found {
    logins: Vec<Login>,
    unread: Vec<Error>,
}

impl Status {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        login::name_overrides(context);
        if self.offline {
            context.stay_offline();
        }
        let repository = context.repository()?;
        let remote = here(context, repository.as_ref())?;
        let organization = remote.as_ref().map(|remote| remote.organization.clone());
        let Found { mut logins, unread } = self.find(context, organization.as_ref())?;
        logins
            .extend(remote.map(|remote| of_configuration(context, &remote)).transpose()?.flatten());
        let repository = repository.map(|it| Here::of(context, &it)).transpose()?;
        let report = Report { version: env!("CARGO_PKG_VERSION"), logins, repository };
        // What signs without a store needs none, and many who use a token so have none.
        let (warnings, errors) = match report.logins.iter().any(Login::needs_no_store) {
            true => (unread, Vec::new()),
            false => (Vec::new(), unread),
        };
        let printed = match self.json {
            // A script would take what is not in the list for what is not signed in.
            true if !errors.is_empty() => Ok(()),
            true => {
                let text = serde_json::to_string(&report).expect("it holds nothing but text");
                context.ui.out(format_args!("{text}")).map_err(Error::from)
            }
            false => print(context, &report, errors.is_empty()),
        };
        // To set `GIT_VSTS_PAT`, for one, is what they advise.
        warnings.into_iter().for_each(|error| error.without_hints().warn(&context.ui));
        // A reader that went away is no reason to end well.
        end(context, organization, report.logins, errors).and(printed)
    }

    fn find(&self, context: &Context, here: Option<&Organization>) -> Result<Found, Error> {
        let mut found = Found { logins: Vec::new(), unread: Vec::new() };
        let mut organizations = names::signed_in(context).unwrap_or_else(|error| {
            found.unread.push(error);
            Vec::new()
        });
        if let Some(here) = here
            && !organizations.contains(here)
            && context.environment_token(here)?.is_some()
        {
            organizations.push(here.clone());
        }
        for organization in organizations {
            match context.sign_in(&organization) {
                Ok(Some(sign_in)) => found.logins.push(self.login(context, &organization, sign_in)),
                Ok(None) => {}
                Err(error) if error.kind() == Kind::Usage => return Err(error),
                Err(error) => match kept(context, &organization) {
                    Some(sign_in) => {
                        let tried = Tried::not_renewed(&sign_in, error);
                        found.logins.push(login_of(&organization, &sign_in, tried));
                    }
                    None => found.unread.push(error),
                },
            }
        }
        Ok(found)
    }

    fn login(&self, context: &Context, organization: &Organization, sign_in: SignIn) -> Login {
        let tried = match self.offline {
            true => Tried { account: sign_in.account.clone(), valid: None, trouble: None },
            false => try_out(context, organization, &sign_in),
        };
        login_of(organization, &sign_in, tried)
    }
}

fn login_of(organization: &Organization, sign_in: &SignIn, tried: Tried) -> Login {
    let variable = match sign_in.source {
        Source::Environment(variable) => Some(variable),
        Source::Store(_) => None,
    };
    Login {
        organization: organization.to_string(),
        url: organization.url(),
        account: tried.account,
        kind: sign_in.credential.kind(),
        source: sign_in.source.as_str(),
        expires: sign_in.credential.expires(),
        valid: tried.valid,
        trouble: tried.trouble,
        variable,
    }
}

/// What is kept for an organization, as it is.
fn kept(context: &Context, organization: &Organization) -> Option<SignIn> {
    let kept = context.kept(organization).ok().flatten()?;
    let account = Some(kept.account).filter(|account| !account.is_empty());
    let source = Source::Store(context.store().ok()?);
    Some(SignIn { credential: kept.credential, account, source })
}

/// What came of it to try a sign-in out.
struct Tried {
    account: Option<String>,
    /// Whether the service takes it, if that is known.
    valid: Option<bool>,
    trouble: Option<Error>,
}

impl Tried {
    /// What the service does not take, or would not, and could not be renewed. Where nobody said so, that is not known.
    fn not_renewed(sign_in: &SignIn, error: Error) -> Self {
        let valid = (error.kind() == Kind::SignedOut).then_some(false);
        Self { account: sign_in.account.clone(), valid, trouble: Some(error) }
    }
}

fn try_out(context: &Context, organization: &Organization, sign_in: &SignIn) -> Tried {
    let account = sign_in.account.clone();
    let answered = match context.ask(organization, sign_in, |azure| azure.account()) {
        Ok(answered) => answered,
        Err(error) => return Tried::not_renewed(sign_in, error),
    };
    match answered {
        Ok(told) => Tried { account: Some(told.name), valid: Some(true), trouble: None },
        Err(error @ azure::Error::SignedOut { .. }) => {
            let error = Error::from(error);
            let error = match sign_in.source {
                Source::Environment(variable) => error
                    .without_hints()
                    .hint(format!("the token is that of {variable}: set another, or unset it")),
                Source::Store(_) => error,
            };
            Tried { account, valid: Some(false), trouble: Some(error) }
        }
        Err(error) => Tried { account, valid: None, trouble: Some(error.into()) },
    }
}

/// The sign-in that git's own configuration holds for a remote, as a pipeline's checkout leaves it.
/// It is for git's requests alone, so it can't be tried out here.
fn of_configuration(context: &Context, remote: &RemoteUrl) -> Result<Option<Login>, Error> {
    if remote.protocol != Protocol::Https {
        return Ok(None);
    }
    let url = Url::parse(&remote.url(Protocol::Https)).expect("it was read from a URL");
    let headers = context.extra_headers(&url, Trust::Everyone)?;
    let Some((_, value)) = headers.iter().find(|(name, _)| *name == http::AUTHORIZATION) else {
        return Ok(None);
    };
    Ok(Some(Login {
        organization: remote.organization.to_string(),
        url: remote.organization.url(),
        account: None,
        kind: Credential::kind_of_header(value),
        source: "configuration",
        expires: None,
        valid: None,
        trouble: None,
        variable: None,
    }))
}

/// The remote of Azure DevOps that the repository here points at: the branch's, else the first.
fn here(context: &Context, repository: Option<&Repository>) -> Result<Option<RemoteUrl>, Error> {
    let Some(repository) = repository else { return Ok(None) };
    let remotes = names::azure_remotes(context, repository)?;
    let all = names::remotes(context, repository)?;
    let branch = repository.head()?.branch().map(str::to_owned);
    let mut chosen = all.chosen(branch.as_deref()).into_iter();
    let found = chosen.find_map(|(_, name)| remotes.iter().find(|it| it.remote.name == name));
    Ok(found.or(remotes.first()).map(|found| found.url.clone()))
}

/// How it ends: by what could not be read, else by what is wrong with the sign-in to the
/// organization here. What is wrong elsewhere is no more than a warning.
fn end(
    context: &Context,
    organization: Option<Organization>,
    logins: Vec<Login>,
    unread: Vec<Error>,
) -> Result<(), Error> {
    let url = organization.as_ref().map(Organization::url);
    let is_here =
        |login: &Login| url.as_ref().is_some_and(|url| login.url.eq_ignore_ascii_case(url));
    let (here, elsewhere): (Vec<_>, Vec<_>) = logins.into_iter().partition(is_here);
    let signed_in = here.iter().any(|login| login.trouble.is_none());
    for trouble in elsewhere.into_iter().filter_map(|login| login.trouble) {
        trouble.warn(&context.ui);
    }
    let mut errors = unread.into_iter();
    if let Some(first) = errors.next() {
        errors.for_each(|error| error.print(&context.ui));
        return Err(first);
    }
    match organization {
        Some(organization) if !signed_in => {
            let mut troubles = here.into_iter().filter_map(|login| login.trouble);
            Err(troubles.next().unwrap_or_else(|| super::place::not_signed_in(&organization)))
        }
        _ => Ok(()),
    }
}

impl Here {
    fn of(context: &Context, repository: &Repository) -> Result<Self, Error> {
        let branch = match repository.head()? {
            Head::Branch { name } | Head::Unborn { name } => Some(name),
            Head::Detached => None,
        };
        let directory = repository.directory().display().to_string();
        let remotes = names::remotes(context, repository)?;
        let remotes = remotes.iter().map(|remote| Pointer::of(context, remote.clone())).collect();
        Ok(Self { directory, branch, remotes })
    }
}

impl Pointer {
    fn of(context: &Context, remote: Remote) -> Self {
        let shown = remote::without_user(&remote.push_url);
        match context.service.remote(&remote.push_url) {
            Ok(url) => Self::azure(remote.name, &url),
            Err(error) => {
                let fault = Some(error).filter(|error| !error.is_foreign());
                Self::Elsewhere { name: remote.name, url: shown, fault }
            }
        }
    }

    fn azure(name: String, url: &RemoteUrl) -> Self {
        Self::Azure {
            name,
            url: url.url(url.protocol),
            organization: url.organization.to_string(),
            organization_url: url.organization.url(),
            project: url.project.as_str().to_owned(),
            repository: url.repository.as_str().to_owned(),
            protocol: url.protocol.to_string(),
        }
    }
}

fn print(context: &Context, report: &Report, all_read: bool) -> Result<(), Error> {
    let ui = &context.ui;
    if report.logins.is_empty() && all_read {
        ui.out(format_args!("Not signed in anywhere"))?;
    }
    for login in &report.logins {
        ui.out(format_args!("{}", sentence(login, context.clock.now())))?;
    }
    let Some(here) = &report.repository else {
        ui.out(format_args!("No git repository here"))?;
        return Ok(());
    };
    let branch = match &here.branch {
        Some(branch) => format!("on {}", visible(branch)),
        None => "on no branch (HEAD is detached)".to_owned(),
    };
    ui.out(format_args!("{}, {branch}", visible(&here.directory)))?;
    if here.remotes.is_empty() {
        ui.out(format_args!("  no remote"))?;
    }
    for remote in &here.remotes {
        match remote {
            Pointer::Azure { name, url, .. } => {
                ui.out(format_args!("  {}: {url}", visible(name)))?
            }
            Pointer::Elsewhere { name, url, fault: None } => {
                ui.out(format_args!("  {}: {url} (not Azure DevOps)", visible(name)))?;
            }
            Pointer::Elsewhere { name, url, fault: Some(fault) } => {
                ui.out(format_args!("  {}: {url} (can't be used: {fault})", visible(name)))?;
            }
        }
    }
    Ok(())
}

fn sentence(login: &Login, now: Timestamp) -> String {
    let organization = &login.organization;
    let credential = match (login.kind, login.source) {
        (_, "configuration") => "credential",
        ("pat", _) => "personal access token",
        _ => "Microsoft sign-in",
    };
    let place = match (login.variable, login.source) {
        (Some(variable), _) => format!("in {variable}"),
        (None, "configuration") => "in `http.extraHeader` of git's configuration".to_owned(),
        (None, "file") => "in a file".to_owned(),
        (None, _) => "in the keychain".to_owned(),
    };
    if login.valid == Some(false) {
        return format!("{organization}: not signed in; the {credential} {place} is not accepted");
    }
    let who = match &login.account {
        Some(account) => format!("signed in as {}", visible(account)),
        None => "signed in".to_owned(),
    };
    let until = match login.expires {
        Some(expires) if expires <= now => expires.strftime(", expired %-d %b %Y").to_string(),
        Some(expires) => expires.strftime(", until %-d %b %Y").to_string(),
        None => String::new(),
    };
    let valid = match (login.valid, &login.trouble) {
        (Some(_), _) => ", valid",
        (None, Some(_)) => ", but that could not be checked",
        (None, None) => "",
    };
    format!("{organization}: {who} by the {credential} {place}{until}{valid}")
}
