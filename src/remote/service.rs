//! Where Azure DevOps answers, and the reading of URLs by that.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::error::{BaseFault, Error};
use super::hosts::{
    HOSTED_HOST, HOSTED_SSH_HOST, OLD_SSH_LABEL, OWN_HOST_SUFFIX, not_ours, own_label,
};
use super::names::{RepositoryName, is_keyword, organization_name};
use super::spelling::{
    Cut, Scheme, check_text, decode, password_host, read_user, shown, shown_url, split,
    strip_prefix_path,
};
use super::{Kind, Organization, Protocol, RemoteUrl, Target};

/// The hosted service, as a base of organizations.
const HOSTED_URL: &str = "https://dev.azure.com";

/// Where Azure DevOps answers.
///
/// The hosted service, or a base that stands **instead** of it (`GIT_VSTS_AZURE_URL`): then `BASE/contoso` is an
/// organization, `git@HOST:v3/…` of the base's host is its SSH form, and dev.azure.com and visualstudio.com are
/// foreign hosts. Server collections are read only where they were named with [`Service::with_collection`], since
/// their URLs look like anyone's.
#[derive(Clone, Debug)]
pub struct Service {
    /// What stands instead of the hosted service.
    instead: Option<Base>,
    collections: Vec<Organization>,
}

/// An https origin (http on loopback) and a path without a slash at its end.
#[derive(Clone, Debug)]
struct Base {
    url: Url,
    /// The URL's text without a slash at its end.
    text: String,
}

impl Default for Service {
    fn default() -> Self {
        Self::hosted()
    }
}

impl Service {
    /// `https://dev.azure.com` and its other hosts.
    pub fn hosted() -> Self {
        Self { instead: None, collections: Vec::new() }
    }

    /// A base that stands instead of the hosted service: https on any host, http only on loopback (127.0.0.0/8, ::1,
    /// localhost); it may have a port and a path.
    ///
    /// `https://dev.azure.com` itself is [`Service::hosted`].
    ///
    /// # Errors
    /// [`Error::Base`], [`Error::PasswordInUrl`], [`Error::Empty`].
    pub fn at(base: &str) -> Result<Self, Error> {
        let base = Base::parse(base)?;
        let instead = (base.text != HOSTED_URL).then_some(base);
        Ok(Self { instead, collections: Vec::new() })
    }

    /// Adds an Azure DevOps Server collection, so that URLs below it are read.
    ///
    /// # Errors
    /// [`Error::Base`] when it is no https URL (http only on loopback), has no path, or is hosted;
    /// [`Error::PasswordInUrl`].
    pub fn with_collection(mut self, collection: &str) -> Result<Self, Error> {
        let base = Base::parse(collection)?;
        let fault = |fault| Error::Base { text: shown_url(collection), fault };
        if self.place_of_base(&base) {
            return Err(fault(BaseFault::Hosted));
        }
        let name = base
            .url
            .path_segments()
            .and_then(|mut segments| segments.rfind(|segment| !segment.is_empty()));
        let name = decode(name.ok_or_else(|| fault(BaseFault::NoCollection))?)?;
        let organization = Organization::new(name, base.text, Kind::Server);
        if !self.collections.contains(&organization) {
            self.collections.push(organization);
        }
        Ok(self)
    }

    /// The URLs of the hosts where every organization of the service is, as patterns of git's configuration.
    pub fn host_patterns(&self) -> Vec<String> {
        match &self.instead {
            Some(base) => vec![base.text.clone()],
            None => vec![HOSTED_URL.to_owned(), format!("https://*{OWN_HOST_SUFFIX}")],
        }
    }

    /// The organization that a person or a setting names: `contoso`, `https://dev.azure.com/contoso` and any page
    /// below it, `https://contoso.visualstudio.com` and any page, a known collection's URL, or a remote's URL. The
    /// scheme may be missing, as address bars hide it.
    ///
    /// # Errors
    /// [`Error::Name`] for a bare name that can't be one; for URLs as [`Service::remote`].
    pub fn organization(&self, text: &str) -> Result<Organization, Error> {
        let text = text.trim_matches(' ');
        let url = match address_without_scheme(text) {
            Some(url) => url,
            None if is_url_like(text) => text.to_owned(),
            None => return self.organization_named(text),
        };
        let parts = self.parts(&url)?;
        match &parts.place {
            Place::CloudSsh
            | Place::OldSsh
            | Place::OwnHostSsh(_)
            | Place::InsteadSsh
            | Place::CollectionSsh(_) => {
                Ok(self.repository_at(&parts, &url, Strictness::Page)?.organization)
            }
            _ => Ok(self.organization_at(&parts, &url)?.0),
        }
    }

    /// The organization of a bare name; see [`Service::organization`].
    fn organization_named(&self, name: &str) -> Result<Organization, Error> {
        organization_name(name)?;
        let base = self.instead.as_ref().map_or(HOSTED_URL, |base| &base.text);
        let kind = if self.instead.is_some() { Kind::Instead } else { Kind::Hosted };
        Ok(Organization::new(name.to_owned(), format!("{base}/{name}"), kind))
    }

    /// The repository that a remote's URL is for: every form of https and SSH.
    ///
    /// Judge the URL that git uses, after `url.<base>.insteadOf`.
    ///
    /// # Errors
    /// One for which [`Error::is_foreign`] holds when the URL is simply not Azure DevOps'; any other when it is Azure
    /// DevOps' and malformed, or tries to look like it. [`Error::PasswordInUrl`] goes before all others.
    pub fn remote(&self, url: &str) -> Result<RemoteUrl, Error> {
        let parts = self.parts(url)?;
        if parts.cut.decorated {
            return Err(Error::Query { text: shown_url(url) });
        }
        self.repository_at(&parts, url, Strictness::Remote)
    }

    /// The repository that a person names: `REPO`, `PROJECT/REPO`, `ORG/PROJECT/REPO` with any spelling of ORG, a clone
    /// URL, or a page of the repository from a browser (`?path=…&version=GB…`, `/pullrequest/7`, `/commit/…`).
    ///
    /// # Errors
    /// As [`Service::remote`]; [`Error::NoRepository`] for the page of an organization or a project.
    pub fn target(&self, text: &str) -> Result<Target, Error> {
        let text = text.trim_matches(' ');
        let url = match address_without_scheme(text) {
            Some(url) => url,
            None if is_url_like(text) => text.to_owned(),
            None => return self.target_named(text),
        };
        let parts = self.parts(&url)?;
        let remote = self.repository_at(&parts, &url, Strictness::Page)?;
        Ok(Target {
            organization: Some(remote.organization),
            project: Some(remote.project),
            repository: remote.repository,
        })
    }

    fn target_named(&self, text: &str) -> Result<Target, Error> {
        check_text(text)?;
        if text.starts_with('/') {
            return Err(Error::Local { path: shown(text) });
        }
        let names = split(text, text)?;
        let (organization, project, repository) = match names[..] {
            [repository] => (None, None, repository),
            [project, repository] => (None, Some(project), repository),
            [project, git, repository] if git.eq_ignore_ascii_case("_git") => {
                (None, Some(project), repository)
            }
            [organization, project, repository] => (Some(organization), Some(project), repository),
            [organization, project, git, repository] if git.eq_ignore_ascii_case("_git") => {
                (Some(organization), Some(project), repository)
            }
            _ => return Err(Error::TooManyParts { text: shown(text) }),
        };
        Ok(Target {
            organization: organization.map(|name| self.organization_named(name)).transpose()?,
            project: project.map(str::parse).transpose()?,
            repository: repository.parse()?,
        })
    }

    /// Whether a request to this URL goes to the service: exactly its https origin (or the base that stands instead
    /// of it, or a known collection), on no other port and without a user part.
    pub fn serves(&self, url: &Url) -> bool {
        if !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        if self.collections.iter().any(|collection| collection.covers(url)) {
            return true;
        }
        match &self.instead {
            Some(base) => is_below(url, &base.url),
            None => {
                let host = url.host_str().unwrap_or_default();
                url.scheme() == "https"
                    && url.port().is_none()
                    && (host == HOSTED_HOST
                        || own_label(host).is_some_and(|label| label != OLD_SSH_LABEL))
            }
        }
    }

    /// What git's credential protocol asks about: `protocol`, `host` (with a port where there is one) and `path`,
    /// which git has already decoded and which is not decoded again (git-credential(1)).
    ///
    /// The answer is for exact hosts only; a path that names no organization leaves the organization open.
    pub fn asked(&self, protocol: &str, host: &str, path: Option<&str>) -> Asked {
        let path = path.unwrap_or_default().trim_start_matches('/');
        let unclear = |text: &str| {
            text.chars().any(|character| character.is_control() || "\\@/?#% ".contains(character))
        };
        if unclear(host) || unclear(protocol) {
            return Asked::Elsewhere;
        }
        let url = format!("{protocol}://{host}/");
        let Ok(parts) = self.parts(&url) else { return Asked::Elsewhere };
        let first =
            |path: &str| self.organization_named(path.split('/').next().unwrap_or_default()).ok();
        match parts.place {
            Place::Cloud => Asked::Azure(first(path)),
            Place::OwnHost(label) => match self.organization_named(label) {
                Ok(organization) => Asked::Azure(Some(organization)),
                Err(_) => Asked::Elsewhere,
            },
            Place::Instead | Place::Collections if path.is_empty() => Asked::Azure(None),
            Place::Instead => {
                let base = self.instead.as_ref().map_or("", |base| base.url.path());
                match strip_prefix_path(path, base.trim_matches('/')) {
                    Some(rest) => Asked::Azure(first(rest.trim_start_matches('/'))),
                    None => self.asked_of_collection(&parts.cut, path),
                }
            }
            Place::Collections => self.asked_of_collection(&parts.cut, path),
            _ => Asked::Elsewhere,
        }
    }

    /// The closest collection that a decoded path is below.
    fn asked_of_collection(&self, cut: &Cut<'_>, path: &str) -> Asked {
        let path = path.to_lowercase();
        let below = |collection: &&Organization| {
            let prefix = percent_decode_str(collection.path()).decode_utf8_lossy().to_lowercase();
            strip_prefix_path(&path, prefix.trim_matches('/')).is_some()
        };
        let on_host = self.collections.iter().filter(|collection| collection.is_at(cut));
        match on_host.filter(below).max_by_key(|collection| collection.path().len()) {
            Some(collection) => Asked::Azure(Some(collection.clone())),
            None => Asked::Elsewhere,
        }
    }

    /// Whether a base is a part of the service that organizations without a collection live in.
    fn place_of_base(&self, base: &Base) -> bool {
        let without_collections = Self { instead: self.instead.clone(), collections: Vec::new() };
        without_collections.serves(&base.url)
    }

    /// Cuts a URL and finds which of the service's hosts it is for, or why it is for none.
    fn parts<'a>(&'a self, url: &'a str) -> Result<Parts<'a>, Error> {
        if let Some(host) = password_host(url) {
            let azure = match Cut::of(url).and_then(|cut| self.place(&cut).map(|_| ())) {
                Ok(())
                | Err(Error::PlainHttp { .. } | Error::Port { .. } | Error::Scheme { .. }) => true,
                Err(_) => false,
            };
            return Err(Error::PasswordInUrl { host: shown(host), azure });
        }
        let cut = Cut::of(url)?;
        let place = self.place(&cut)?;
        // From here on the host is the service's, so whatever is odd about the rest is an error and not foreign.
        check_text(url)?;
        let user = cut.user.map(|user| read_user(user, cut.host)).transpose()?;
        Ok(Parts { cut, place, user })
    }

    fn place<'a>(&'a self, cut: &Cut<'a>) -> Result<Place<'a>, Error> {
        let on_host = || self.collections.iter().filter(|collection| collection.is_at(cut));
        let below =
            |collection: &&Organization| strip_prefix_path(cut.path, collection.path()).is_some();
        if let Some(collection) =
            on_host().filter(below).max_by_key(|collection| collection.path().len())
        {
            return Ok(match cut.scheme {
                Scheme::Ssh => Place::CollectionSsh(collection),
                _ => Place::Collection(collection),
            });
        }
        let place = match &self.instead {
            Some(base) => place_instead(base, cut),
            None => place_hosted(cut),
        };
        // A Server's host may serve the base that stands instead too, so that one is asked first.
        match place {
            Err(_) if cut.scheme != Scheme::Ssh && on_host().next().is_some() => {
                Ok(Place::Collections)
            }
            other => other,
        }
    }

    /// The organization of an https URL, and the raw segments after it.
    fn organization_at<'a>(
        &self,
        parts: &Parts<'a>,
        url: &str,
    ) -> Result<(Organization, Vec<&'a str>), Error> {
        let path = parts.cut.path;
        match parts.place {
            Place::OwnHost(label) | Place::OwnHostSsh(label) => {
                Ok((self.organization_named(label)?, without_default_collection(split(path, url)?)))
            }
            Place::Collection(collection) | Place::CollectionSsh(collection) => {
                let rest = strip_prefix_path(path, collection.path()).unwrap_or_default();
                Ok((collection.clone(), split(rest, url)?))
            }
            Place::Collections => Err(Error::UnknownCollection { text: shown_url(url) }),
            Place::Instead => {
                let base = self.instead.as_ref().map_or("", |base| base.url.path());
                let rest = strip_prefix_path(path, base).unwrap_or_default();
                self.first_is_organization(split(rest, url)?, url)
            }
            _ => self.first_is_organization(split(path, url)?, url),
        }
    }

    fn first_is_organization<'a>(
        &self,
        mut segments: Vec<&'a str>,
        url: &str,
    ) -> Result<(Organization, Vec<&'a str>), Error> {
        if segments.is_empty() || segments[0].starts_with('_') {
            return Err(Error::NoOrganization { text: shown_url(url) });
        }
        let organization = self.organization_named(&decode(segments.remove(0))?)?;
        Ok((organization, segments))
    }

    fn repository_at(
        &self,
        parts: &Parts<'_>,
        url: &str,
        strictness: Strictness,
    ) -> Result<RemoteUrl, Error> {
        let form = || Error::Form { text: shown_url(url) };
        let (organization, found, protocol) = match parts.place {
            Place::CloudSsh | Place::InsteadSsh => {
                let (organization, found) = self.third_version(split(parts.cut.path, url)?, url)?;
                (organization, found, Protocol::Ssh)
            }
            Place::OldSsh => {
                let segments = split(parts.cut.path, url)?;
                let (organization, found) = if segments.first() == Some(&"v3") {
                    self.third_version(segments, url)?
                } else {
                    let user = parts
                        .user
                        .as_deref()
                        .ok_or_else(|| Error::NoOrganization { text: shown_url(url) })?;
                    let segments = without_default_collection(segments);
                    (self.organization_named(user)?, OLD_SSH.find(&segments).ok_or_else(form)?)
                };
                (organization, found, Protocol::Ssh)
            }
            Place::OwnHostSsh(_) | Place::CollectionSsh(_) => {
                let (organization, segments) = self.organization_at(parts, url)?;
                (organization, OLD_SSH.find(&segments).ok_or_else(form)?, Protocol::Ssh)
            }
            Place::Cloud
            | Place::Instead
            | Place::OwnHost(_)
            | Place::Collection(_)
            | Place::Collections => {
                let (organization, segments) = self.organization_at(parts, url)?;
                let shape = match parts.place {
                    Place::OwnHost(_) | Place::Collection(_) => OWN,
                    _ => SHARED,
                };
                let found = match shape.find(&segments) {
                    Some(found) => found,
                    None if strictness == Strictness::Remote
                        || shape.position(&segments).is_some() =>
                    {
                        return Err(form());
                    }
                    // `https://dev.azure.com/contoso/shop/web`: TARGET with a URL for its ORG.
                    None => plain_pair(&segments)
                        .ok_or_else(|| Error::NoRepository { text: shown_url(url) })?,
                };
                (organization, found, Protocol::Https)
            }
        };
        if found.tail && strictness == Strictness::Remote {
            return Err(form());
        }
        let repository: RepositoryName = decode(found.repository)?.parse()?;
        let project = decode(found.project)?.parse()?;
        Ok(RemoteUrl { organization, project, repository, protocol, user: parts.user.clone() })
    }

    /// `v3/ORG/PROJECT/[TEAM/][_full/]REPO`.
    fn third_version<'a>(
        &self,
        segments: Vec<&'a str>,
        url: &str,
    ) -> Result<(Organization, Found<'a>), Error> {
        let form = || Error::Form { text: shown_url(url) };
        let ["v3", organization, project, rest @ ..] = &segments[..] else { return Err(form()) };
        let (repository, between) = rest.split_last().ok_or_else(form)?;
        let between = match between.split_last() {
            Some((last, before)) if is_variant(last) => before,
            _ => between,
        };
        if between.len() > 1 || between.iter().any(|team| is_keyword(team)) {
            return Err(form());
        }
        let organization = self.organization_named(&decode(organization)?)?;
        Ok((organization, Found { project, repository, tail: false }))
    }
}

/// What git's credential protocol asks about; see [`Service::asked`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Another host, port or protocol: none of our business.
    Elsewhere,
    /// A host of the service; the organization where host or path tell it.
    Azure(Option<Organization>),
}

/// How exactly a URL must be a remote's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Exactly a remote's URL.
    Remote,
    /// Also a web page of the repository.
    Page,
}

/// What may stand before a repository's name in a path.
#[derive(Clone, Copy)]
struct Form {
    keywords: &'static [&'static str],
    /// Whether a team may follow the project.
    team: bool,
}

/// https on a host that all organizations share.
const SHARED: Form = Form { keywords: &["_git"], team: false };
/// https on a host or below a collection of one's own.
const OWN: Form = Form { keywords: &["_git"], team: true };
/// The SSH forms older than v3.
const OLD_SSH: Form = Form { keywords: &["_ssh", "_git"], team: true };

impl Base {
    fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if let Some(host) = password_host(text) {
            return Err(Error::PasswordInUrl { host: shown(host), azure: false });
        }
        let fault = |fault| Error::Base { text: shown_url(text), fault };
        // What the parser would drop or rewrite must not be there to be dropped.
        let plain = |character: char| character.is_ascii_graphic() && character != '\\';
        if !text.chars().all(plain) {
            return Err(fault(BaseFault::NotAUrl));
        }
        if text.contains(['@', '?', '#']) {
            return Err(fault(BaseFault::Decorated));
        }
        let cut = Cut::of(text).map_err(|_| fault(BaseFault::NotAUrl))?;
        let secure = match cut.scheme {
            Scheme::Https => true,
            Scheme::Http => false,
            _ => return Err(fault(BaseFault::Scheme)),
        };
        if cut.host.contains('%') || cut.host.ends_with('.') {
            return Err(fault(BaseFault::NotAUrl));
        }
        for segment in split(cut.path, text).map_err(|_| fault(BaseFault::NotAUrl))? {
            decode(segment).map_err(|_| fault(BaseFault::NotAUrl))?;
        }
        let url = Url::parse(text).map_err(|_| fault(BaseFault::NotAUrl))?;
        if !secure && !is_loopback(&url) {
            return Err(fault(BaseFault::Http));
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, text })
    }
}

/// Whether a URL's host is this computer (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether `url` is `base` or below it, at a slash.
pub(super) fn is_below(url: &Url, base: &Url) -> bool {
    url.origin() == base.origin() && strip_prefix_path(url.path(), base.path()).is_some()
}

/// A URL for one of the service's hosts.
struct Parts<'a> {
    cut: Cut<'a>,
    place: Place<'a>,
    user: Option<String>,
}

/// Which of the service's hosts.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// `dev.azure.com`.
    Cloud,
    /// `LABEL.visualstudio.com`.
    OwnHost(&'a str),
    /// `ssh.dev.azure.com`.
    CloudSsh,
    /// `vs-ssh.visualstudio.com`.
    OldSsh,
    /// `ssh://LABEL.visualstudio.com`.
    OwnHostSsh(&'a str),
    /// The base that stands instead.
    Instead,
    InsteadSsh,
    /// Below a known collection.
    Collection(&'a Organization),
    CollectionSsh(&'a Organization),
    /// The host of a known collection, but not below one.
    Collections,
}

fn place_hosted<'a>(cut: &Cut<'a>) -> Result<Place<'a>, Error> {
    let host = cut.host;
    let own = own_label(host);
    let ssh_host = host.eq_ignore_ascii_case(HOSTED_SSH_HOST)
        || own.is_some_and(|label| label.eq_ignore_ascii_case(OLD_SSH_LABEL));
    let is_ours = host.eq_ignore_ascii_case(HOSTED_HOST) || ssh_host || own.is_some();
    if !is_ours {
        return Err(not_ours(cut));
    }
    match cut.scheme {
        Scheme::Http => return Err(Error::PlainHttp { host: shown(host) }),
        Scheme::Https if !ssh_host => {
            if !matches!(cut.port, None | Some("443")) {
                return Err(Error::Port { host: shown(host) });
            }
        }
        Scheme::Ssh if ssh_host || own.is_some() => {
            if !matches!(cut.port, None | Some("22")) {
                return Err(Error::Port { host: shown(host) });
            }
        }
        _ => return Err(Error::Scheme { host: shown(host), scheme: shown(cut.scheme_name) }),
    }
    Ok(match (cut.scheme, own) {
        (Scheme::Https, Some(label)) => Place::OwnHost(label),
        (Scheme::Https, None) => Place::Cloud,
        (_, Some(label)) if label.eq_ignore_ascii_case(OLD_SSH_LABEL) => Place::OldSsh,
        (_, Some(label)) => Place::OwnHostSsh(label),
        (_, None) => Place::CloudSsh,
    })
}

fn place_instead<'a>(base: &Base, cut: &Cut<'a>) -> Result<Place<'a>, Error> {
    let foreign = || Error::Foreign { host: shown(cut.host) };
    let host = base.url.host_str().unwrap_or_default();
    if !host.eq_ignore_ascii_case(cut.host) {
        return Err(foreign());
    }
    if cut.scheme == Scheme::Ssh {
        return if matches!(cut.port, None | Some("22")) {
            Ok(Place::InsteadSsh)
        } else {
            Err(foreign())
        };
    }
    let default = base.url.port_or_known_default().map(|port| port.to_string());
    let own_port = match (cut.scheme, cut.port) {
        (Scheme::Https, None) => Some("443"),
        (Scheme::Http, None) => Some("80"),
        (_, port) => port,
    };
    let same_origin =
        cut.scheme_name.eq_ignore_ascii_case(base.url.scheme()) && own_port == default.as_deref();
    let below = cut.path.is_empty()
        || cut.path == "/"
        || strip_prefix_path(cut.path, base.url.path()).is_some();
    if same_origin && below { Ok(Place::Instead) } else { Err(foreign()) }
}

/// A project and a repository, raw.
#[derive(Clone, Copy)]
struct Found<'a> {
    project: &'a str,
    repository: &'a str,
    /// Whether more of the path follows, as on a web page.
    tail: bool,
}

impl Form {
    /// `[PROJECT/[TEAM/]]_git/[_full/]REPO[/…]`, `_ssh` likewise. Without a project the two share a name.
    fn find<'a>(self, segments: &[&'a str]) -> Option<Found<'a>> {
        let at = self.position(segments)?;
        let (before, after) = (&segments[..at], &segments[at + 1..]);
        let after = match after {
            [variant, rest @ ..] if is_variant(variant) => rest,
            _ => after,
        };
        let (repository, tail) = after.split_first()?;
        let project = match before {
            [] => repository,
            [project] => project,
            [project, _team] if self.team => project,
            _ => return None,
        };
        Some(Found { project, repository, tail: !tail.is_empty() })
    }

    fn position(self, segments: &[&str]) -> Option<usize> {
        let is_keyword = |segment: &str| {
            self.keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(segment))
        };
        segments.iter().position(|segment| is_keyword(segment))
    }
}

fn plain_pair<'a>(segments: &[&'a str]) -> Option<Found<'a>> {
    match segments {
        [project, repository] if !project.starts_with('_') && !repository.starts_with('_') => {
            Some(Found { project, repository, tail: false })
        }
        _ => None,
    }
}

fn is_variant(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("_full") || segment.eq_ignore_ascii_case("_optimized")
}

/// `DefaultCollection` is what every hosted organization has one of, so it says nothing.
fn without_default_collection(mut segments: Vec<&str>) -> Vec<&str> {
    if segments.first().is_some_and(|first| first.eq_ignore_ascii_case("DefaultCollection")) {
        segments.remove(0);
    }
    segments
}

/// Whether a person's text is meant as a URL rather than as names.
fn is_url_like(text: &str) -> bool {
    let before_slash = text.split('/').next().unwrap_or_default();
    text.contains("://") || before_slash.contains(':')
}

/// `https://` before what an address bar shows without it. The host is compared exactly, so that a project with a dot
/// in its name stays one.
fn address_without_scheme(text: &str) -> Option<String> {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let label = own_label(host).is_some_and(|label| !label.eq_ignore_ascii_case(OLD_SSH_LABEL));
    (host.eq_ignore_ascii_case(HOSTED_HOST) || label).then(|| format!("https://{text}"))
}
