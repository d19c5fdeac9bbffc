//! Organization, project and repository, and every URL that spells them.
//!
//! What a URL says decides where a credential goes, so it is read in one place, by these rules:
//!
//! - The text is judged **as it stands**, before any library normalizes it. A WHATWG parser drops tabs and newlines,
//!   takes `\` for `/` and resolves `%2e%2e`; git and curl do not, and what two readers read differently is an attack
//!   (CVE-2024-53263, CVE-2017-1000117).
//! - Hosts are compared whole, by label. Azure DevOps is `dev.azure.com`, `ssh.dev.azure.com`, and exactly one label
//!   before `.visualstudio.com`; nothing that contains, starts or ends with those.
//! - Names are percent-decoded once, after the URL is split, and encoded once where one is written.
//! - A password in a URL is a leaked secret: it is found before anything else is, and no type here ever holds it.
//!
//! A repository that exists may have a name that the service's web page would refuse today, so reading is lenient
//! (what the URL grammar allows) and [`ProjectName::check_new`], [`RepositoryName::check_new`] hold the rules for a
//! name to be made.

mod error;
mod hosts;
mod names;
mod service;
mod spelling;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

pub use error::{BaseFault, Error, NameFault, Noun};
use hosts::{HOSTED_SSH_HOST, OWN_HOST_SUFFIX};
pub use names::{ProjectName, RepositoryName, organization_name, remote_name};
use service::is_below;
pub use service::{Asked, Service};
use spelling::{Cut, Scheme, split_port};
pub use spelling::{holds_password, without_user};

/// Everything but RFC 3986's unreserved characters: what no reader takes for a delimiter or decodes on its own.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An organization of the hosted service (or of what stands instead of it), or a collection of Azure DevOps Server.
///
/// Equal, ordered and hashed by [`Organization::key`], so that `https://dev.azure.com/Contoso` and
/// `https://contoso.visualstudio.com` are one.
#[derive(Clone)]
pub struct Organization {
    name: String,
    url: String,
    key: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hosted,
    /// Below a base that stands instead of the hosted service, and treated as hosted.
    Instead,
    Server,
}

impl Organization {
    fn new(name: String, url: String, kind: Kind) -> Self {
        Self { key: url.to_lowercase(), name, url, kind }
    }

    /// The name as it was spelled; a collection's is the last part of its URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `https://dev.azure.com/contoso`, the name as it was spelled; never with a slash at its end.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The URL in lower case: what the keychain, locks and comparisons use.
    pub fn key(&self) -> String {
        self.key.clone()
    }

    /// Whether this is the hosted service, or what stands instead of it, and not Azure DevOps Server.
    pub fn is_hosted(&self) -> bool {
        self.kind != Kind::Server
    }

    /// The page where a person adds SSH keys.
    pub fn keys_page(&self) -> String {
        format!("{}/_usersSettings/keys", self.url)
    }

    /// The page where a person sees and revokes personal access tokens.
    pub fn tokens_page(&self) -> String {
        format!("{}/_usersSettings/tokens", self.url)
    }

    /// The host of [`Organization::url`], with its port where it has one: what git's credential protocol calls `host`.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }

    /// `https://contoso.visualstudio.com`, the older address of a hosted organization; none for any other.
    pub fn own_host_url(&self) -> Option<String> {
        (self.kind == Kind::Hosted)
            .then(|| format!("https://{}{OWN_HOST_SUFFIX}", self.name.to_ascii_lowercase()))
    }

    /// Whether a URL's scheme, host and port are this one's, or the same host's SSH.
    fn is_at(&self, cut: &Cut<'_>) -> bool {
        if cut.scheme == Scheme::Ssh {
            return self.bare_host().eq_ignore_ascii_case(cut.host)
                && matches!(cut.port, None | Some("22"));
        }
        self.scheme().eq_ignore_ascii_case(cut.scheme_name)
            && self.host().eq_ignore_ascii_case(&cut.authority())
    }

    fn scheme(&self) -> &str {
        self.url.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// The host without a port; an IPv6 address keeps its brackets.
    fn bare_host(&self) -> &str {
        split_port(self.host()).0
    }

    /// The URL's path, with its first slash.
    fn path(&self) -> &str {
        let after_scheme = self.url.find("://").map_or(0, |at| at + 3);
        self.url[after_scheme..].find('/').map_or("", |at| &self.url[after_scheme + at..])
    }

    fn covers(&self, url: &Url) -> bool {
        Url::parse(&self.url).is_ok_and(|base| is_below(url, &base))
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(if self.is_hosted() { &self.name } else { &self.url })
    }
}

impl fmt::Debug for Organization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Organization({})", self.url)
    }
}

impl PartialEq for Organization {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Organization {}

impl Hash for Organization {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for Organization {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Organization {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// How a remote's URL travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// https, or http to a loopback base.
    Https,
    /// SSH, which git itself speaks.
    Ssh,
}

impl fmt::Display for Protocol {
    /// As in `status --json`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Https => "https",
            Self::Ssh => "ssh",
        })
    }
}

/// A repository of Azure DevOps, as a remote's URL names it. It holds no secret, and not the text that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUrl {
    /// The organization or collection.
    pub organization: Organization,
    /// The project.
    pub project: ProjectName,
    /// The repository.
    pub repository: RepositoryName,
    /// What the URL that was read travels by.
    pub protocol: Protocol,
    /// The user part that the URL had, decoded: an account, the organization, or `git`. Nothing here writes it again.
    pub user: Option<String>,
}

impl RemoteUrl {
    /// A repository whose parts are known, as by https.
    pub fn new(
        organization: &Organization,
        project: &ProjectName,
        repository: &RepositoryName,
    ) -> Self {
        Self {
            organization: organization.clone(),
            project: project.clone(),
            repository: repository.clone(),
            protocol: Protocol::Https,
            user: None,
        }
    }

    /// What is written as a remote: `https://dev.azure.com/ORG/PROJECT/_git/REPO`, each name percent-encoded once.
    pub fn https(&self) -> String {
        let (project, repository) =
            (escape(self.project.as_str()), escape(self.repository.as_str()));
        format!("{}/{project}/_git/{repository}", self.organization.url)
    }

    /// What is written as a remote for SSH: `git@ssh.dev.azure.com:v3/ORG/PROJECT/REPO`, escaped as the service's own
    /// `sshUrl` is (git sends the path of this form as it stands, and the service decodes it).
    ///
    /// For a collection `ssh://HOST:22/COLLECTION/PROJECT/_ssh/REPO`: prefer what the Server says as `sshUrl`.
    pub fn ssh(&self) -> String {
        let (project, repository) =
            (escape(self.project.as_str()), escape(self.repository.as_str()));
        let (organization, name) = (&self.organization, self.organization.name());
        match organization.kind {
            Kind::Hosted => format!("git@{HOSTED_SSH_HOST}:v3/{name}/{project}/{repository}"),
            Kind::Instead => {
                format!("git@{}:v3/{name}/{project}/{repository}", organization.bare_host())
            }
            Kind::Server => {
                format!(
                    "ssh://{}:22{}/{project}/_ssh/{repository}",
                    organization.bare_host(),
                    organization.path()
                )
            }
        }
    }

    /// [`RemoteUrl::https`] or [`RemoteUrl::ssh`].
    pub fn url(&self, protocol: Protocol) -> String {
        match protocol {
            Protocol::Https => self.https(),
            Protocol::Ssh => self.ssh(),
        }
    }

    /// The repository's web page.
    pub fn web(&self) -> String {
        self.https()
    }

    /// The web page of a branch, named short or in full (`refs/heads/…`).
    pub fn web_branch(&self, branch: &str) -> String {
        format!("{}?version=GB{}", self.web(), escape(short_branch(branch)))
    }

    /// The web page that makes a pull request; the service chooses the target where none is given.
    pub fn pull_request_create(&self, source: &str, target: Option<&str>) -> String {
        let mut page =
            format!("{}/pullrequestcreate?sourceRef={}", self.web(), escape(short_branch(source)));
        if let Some(target) = target {
            page.push_str("&targetRef=");
            page.push_str(&escape(short_branch(target)));
        }
        page
    }

    /// Whether both are the same repository, however they are spelled and travel.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.organization == other.organization
            && self.project == other.project
            && self.repository == other.repository
    }
}

/// A repository as a person names it; what is missing is found elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The organization, if it was named.
    pub organization: Option<Organization>,
    /// The project, if it was named.
    pub project: Option<ProjectName>,
    /// The repository.
    pub repository: RepositoryName,
}

fn escape(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

fn short_branch(branch: &str) -> &str {
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
}
