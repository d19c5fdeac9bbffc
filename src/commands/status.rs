use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{login, names};
use crate::azure;
use crate::context::{Context, SignIn};
use crate::error::{Error, Kind};
use crate::remote::{self, Organization, RemoteUrl};
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
    /// Why it is not known whether it is valid; for people.
    #[serde(skip)]
    trouble: Option<Error>,
    #[serde(skip)]
    variable: Option<&'static str>,
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
    },
}

impl Status {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        login::name_overrides(context)?;
        let repository = context.repository()?;
        let organization = here(context, repository.as_ref())?;
        let (logins, mut unread) = self.logins(context, organization.as_ref())?;
        if logins.iter().any(|login| login.variable.is_some()) {
            // A token of the environment needs no keychain, and many who use one have none.
            for error in unread.drain(..) {
                context.ui.warning(format_args!("{error}"));
            }
        }
        let repository = repository.map(|it| Here::of(context, &it)).transpose()?;
        let report = Report { version: env!("CARGO_PKG_VERSION"), logins, repository };
        match self.json {
            // A script would take what is not in the list for what is not signed in.
            true if !unread.is_empty() => {}
            true => {
                let text = serde_json::to_string(&report).expect("it holds nothing but text");
                context.ui.out(format_args!("{text}"))?;
            }
            false => print(context, &report, unread.is_empty())?,
        }
        match unread.pop() {
            Some(last) => {
                unread.iter().for_each(|error| error.print(&context.ui));
                Err(last)
            }
            None => end(organization, &report.logins),
        }
    }

    /// Every sign-in, and why what else may be kept can't be read.
    fn logins(
        &self,
        context: &Context,
        here: Option<&Organization>,
    ) -> Result<(Vec<Login>, Vec<Error>), Error> {
        let mut unread = Vec::new();
        let mut organizations = names::signed_in(context).unwrap_or_else(|error| {
            unread.push(error);
            Vec::new()
        });
        if let Some(here) = here
            && !organizations.contains(here)
            && context.environment_token(here)?.is_some()
        {
            organizations.push(here.clone());
        }
        let mut logins = Vec::new();
        for organization in organizations {
            match context.sign_in(&organization) {
                Ok(Some(sign_in)) => logins.push(self.login(context, &organization, sign_in)),
                Ok(None) => {}
                Err(error) if error.kind() == Kind::Usage => return Err(error),
                Err(error) => unread.push(error),
            }
        }
        Ok((logins, unread))
    }

    fn login(&self, context: &Context, organization: &Organization, sign_in: SignIn) -> Login {
        let (account, valid, trouble) = match self.offline {
            true => (sign_in.account.clone(), None, None),
            false => try_out(context, organization, &sign_in),
        };
        let variable = match sign_in.source {
            crate::context::Source::Environment(variable) => Some(variable),
            crate::context::Source::Store(_) => None,
        };
        Login {
            organization: organization.to_string(),
            url: organization.url(),
            account,
            kind: sign_in.credential.kind(),
            source: sign_in.source.as_str(),
            expires: sign_in.credential.expires(),
            valid,
            trouble,
            variable,
        }
    }
}

type Tried = (Option<String>, Option<bool>, Option<Error>);

fn try_out(context: &Context, organization: &Organization, sign_in: &SignIn) -> Tried {
    let client = match context.rest_client(organization) {
        Ok(client) => client,
        Err(error) => return (sign_in.account.clone(), None, Some(error)),
    };
    let wait = |why: &str, pause| context.wait(why, pause);
    let azure = context.azure(&client, organization, &sign_in.credential, &wait);
    match azure.account() {
        Ok(account) => (Some(account.name), Some(true), None),
        Err(error @ azure::Error::SignedOut { .. }) => {
            (sign_in.account.clone(), Some(false), Some(error.into()))
        }
        Err(error) => (sign_in.account.clone(), None, Some(error.into())),
    }
}

/// The organization that the repository here points at.
fn here(context: &Context, repository: Option<&Repository>) -> Result<Option<Organization>, Error> {
    let Some(repository) = repository else { return Ok(None) };
    let remotes = names::azure_remotes(context, repository)?;
    if let Head::Branch { name } = repository.head()?
        && let Some(followed) = repository.branch_remote(&name)?
        && let Some(found) = remotes.iter().find(|found| found.remote.name == followed)
    {
        return Ok(Some(found.url.organization.clone()));
    }
    Ok(remotes.into_iter().next().map(|found| found.url.organization))
}

fn end(organization: Option<Organization>, logins: &[Login]) -> Result<(), Error> {
    let Some(organization) = organization else { return Ok(()) };
    let url = organization.url();
    match logins.iter().find(|login| login.url.eq_ignore_ascii_case(&url)) {
        Some(login) if login.valid == Some(false) => Err(Error::printed(Kind::SignedOut)),
        // The service could not be asked: that is the end it comes to.
        Some(Login { trouble: Some(trouble), .. }) => Err(Error::printed(trouble.kind())),
        Some(_) => Ok(()),
        None => Err(super::place::not_signed_in(&organization)),
    }
}

impl Here {
    fn of(context: &Context, repository: &Repository) -> Result<Self, Error> {
        let branch = match repository.head()? {
            Head::Branch { name } | Head::Unborn { name } => Some(name),
            Head::Detached => None,
        };
        let directory = repository.directory().display().to_string();
        let remotes = repository.remotes()?;
        let remotes = remotes.into_iter().map(|remote| Pointer::of(context, remote)).collect();
        Ok(Self { directory, branch, remotes })
    }
}

impl Pointer {
    fn of(context: &Context, remote: Remote) -> Self {
        let shown = remote::without_user(&remote.push_url);
        match context.service.remote(&remote.push_url) {
            Ok(url) => Self::azure(remote.name, &url),
            Err(_) => Self::Elsewhere { name: remote.name, url: shown },
        }
    }

    fn azure(name: String, url: &RemoteUrl) -> Self {
        Self::Azure {
            name,
            url: url.url(url.protocol),
            organization: url.organization.to_string(),
            organization_url: url.organization.url(),
            project: url.project.to_string(),
            repository: url.repository.to_string(),
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
        ui.out(format_args!("{}", sentence(login)))?;
        if let Some(trouble) = &login.trouble {
            trouble.print(ui);
        }
    }
    let Some(here) = &report.repository else {
        ui.out(format_args!("No git repository here"))?;
        return Ok(());
    };
    let branch = match &here.branch {
        Some(branch) => format!("on {}", visible(branch)),
        None => "at no branch".to_owned(),
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
            Pointer::Elsewhere { name, url } => {
                ui.out(format_args!("  {}: {url} (not Azure DevOps)", visible(name)))?;
            }
        }
    }
    Ok(())
}

fn sentence(login: &Login) -> String {
    let who = match &login.account {
        Some(account) => format!("signed in as {}", visible(account)),
        None => "signed in".to_owned(),
    };
    let by = match login.kind {
        "pat" => "a personal access token",
        _ => "a Microsoft sign-in",
    };
    let place = match (login.variable, login.source) {
        (Some(variable), _) => format!("in {variable}"),
        (None, "file") => "in a file".to_owned(),
        (None, _) => "in the keychain".to_owned(),
    };
    let until = match login.expires {
        Some(expires) => format!(", until {}", expires.strftime("%-d %b %Y")),
        None => String::new(),
    };
    let valid = match login.valid {
        Some(true) => ", valid",
        Some(false) => ", no longer accepted",
        None => "",
    };
    format!("{}: {who} by {by} {place}{until}{valid}", login.organization)
}
