//! Why a text is refused.

use std::fmt;

use thiserror::Error;

use super::hosts::{HOSTED_HOST, HOSTED_SSH_HOST, own_label};

/// Why a text is no URL, organization or name of Azure DevOps. Facts only; never a user part or a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to read.
    #[error("nothing is named")]
    Empty,
    /// A program that is given the text as an argument could take it for an option (CVE-2017-1000117).
    #[error("`{text}` starts with a dash")]
    LeadingDash {
        /// The text, made visible.
        text: String,
    },
    /// The URL has a password, or a token as its user: it is leaked, wherever it came from.
    #[error("the URL for {host} holds a password")]
    PasswordInUrl {
        /// The host that the URL is for, made visible.
        host: String,
        /// Whether that host is Azure DevOps'.
        azure: bool,
    },
    /// An ordinary URL of somebody else's host.
    #[error("{host} is not a host of Azure DevOps")]
    Foreign {
        /// The host, made visible.
        host: String,
    },
    /// A path or a `file:` URL.
    #[error("`{path}` is a path on this computer, not a URL of Azure DevOps")]
    Local {
        /// The path, made visible.
        path: String,
    },
    /// `NAME::…`, which makes git run `git-remote-NAME`; `ext::` runs any command (gitremote-helpers(7)).
    #[error("`{helper}::` names a program for git to run, not a URL")]
    RemoteHelper {
        /// The part before `::`, made visible.
        helper: String,
    },
    /// A host that a person would take for Azure DevOps and that is not.
    #[error("{host} resembles a host of Azure DevOps, and is none")]
    Lookalike {
        /// The host, made visible.
        host: String,
    },
    /// Plain http, where anyone on the way reads the credential.
    #[error("the URL for {host} is plain http")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// Neither https nor SSH.
    #[error("the URL for {host} has the scheme {scheme}, where https or ssh is read")]
    Scheme {
        /// The host.
        host: String,
        /// The scheme, made visible.
        scheme: String,
    },
    /// Neither no port nor the protocol's own.
    #[error("the URL for {host} names another port than the service has")]
    Port {
        /// The host.
        host: String,
    },
    /// A host that can't be one: `%`, or a control character, which readers decode differently.
    #[error("`{host}` can't be a host's name")]
    Host {
        /// The host, made visible.
        host: String,
    },
    /// A user part with a second `@`, a `%` other than `%40`, or a control character.
    #[error("the user part of the URL for {host} is malformed")]
    User {
        /// The host.
        host: String,
    },
    /// A control character, raw or as a percent-escape (CVE-2024-53263).
    #[error("`{text}` has a control character in it")]
    Control {
        /// The URL or name, made visible.
        text: String,
    },
    /// A backslash, which some readers take for a slash.
    #[error("`{text}` has a backslash in it")]
    Backslash {
        /// The URL or name, made visible.
        text: String,
    },
    /// `%` not followed by two hexadecimal digits, or escapes that are no UTF-8.
    #[error("`{text}` has a percent-escape that can't be decoded")]
    Escape {
        /// The part of the path, made visible.
        text: String,
    },
    /// `%2F`, which would make one name two when decoded by someone else.
    #[error("`{text}` has an escaped slash in it")]
    EncodedSlash {
        /// The part of the path, made visible.
        text: String,
    },
    /// Two slashes with nothing between.
    #[error("`{text}` has an empty part in its path")]
    EmptySegment {
        /// The URL, made visible.
        text: String,
    },
    /// `.` or `..`, escaped or not.
    #[error("`{text}` has `.` or `..` in its path")]
    DotSegment {
        /// The URL or name, made visible.
        text: String,
    },
    /// A query or a fragment where git would send it on.
    #[error("`{text}` has a query or a fragment, which no remote has")]
    Query {
        /// The URL, made visible.
        text: String,
    },
    /// Azure DevOps' host, but none of the forms of a repository.
    #[error("`{text}` is not the URL of a repository")]
    Form {
        /// The URL, made visible.
        text: String,
    },
    /// More parts than a target has.
    #[error("`{text}` has more parts than ORG/PROJECT/REPO")]
    TooManyParts {
        /// The text, made visible.
        text: String,
    },
    /// Azure DevOps' host, but no organization.
    #[error("`{text}` names no organization")]
    NoOrganization {
        /// The URL, made visible.
        text: String,
    },
    /// The host of a known Server, but below none of the known collections.
    #[error("`{text}` is below no known collection of Azure DevOps Server")]
    UnknownCollection {
        /// The URL, made visible.
        text: String,
    },
    /// An organization or a project, but no repository.
    #[error("`{text}` names no repository")]
    NoRepository {
        /// The text, made visible.
        text: String,
    },
    /// A name that breaks a rule.
    #[error("{noun} name `{name}` {fault}")]
    Name {
        /// What the name is of.
        noun: Noun,
        /// The name, made visible.
        name: String,
        /// The rule that it breaks.
        fault: NameFault,
    },
    /// A base or collection URL that can't be one.
    #[error("`{text}` can't stand for Azure DevOps: {fault}")]
    Base {
        /// The URL, made visible, without a user part.
        text: String,
        /// What is wrong with it.
        fault: BaseFault,
    },
    /// A remote's name that git, or caution, refuses.
    #[error("remote name `{name}` {fault}")]
    RemoteName {
        /// The name, made visible.
        name: String,
        /// The rule that it breaks.
        fault: NameFault,
    },
}

impl Error {
    /// Whether the URL plainly leads elsewhere, so that the remote is somebody else's and none of our business.
    /// A look-alike does not: it is an attack or a slip, and worth a word.
    pub fn is_foreign(&self) -> bool {
        matches!(
            self,
            Self::Foreign { .. }
                | Self::Local { .. }
                | Self::RemoteHelper { .. }
                | Self::PasswordInUrl { azure: false, .. }
        )
    }

    /// Whether the host is the hosted service's own, refused because another address stands instead of it: where none
    /// does, what resembles a host of the service is never [`Foreign`](Self::Foreign).
    pub fn is_replaced(&self) -> bool {
        let Self::Foreign { host } = self else { return false };
        let host = host.to_ascii_lowercase();
        [HOSTED_HOST, HOSTED_SSH_HOST].contains(&&*host) || own_label(&host).is_some()
    }
}

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// An organization.
    Organization,
    /// A project.
    Project,
    /// A repository.
    Repository,
}

impl fmt::Display for Noun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Repository => "repository",
        })
    }
}

/// The rule that a name breaks; reads on after the name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// Nothing, or only blanks.
    #[error("is empty")]
    Empty,
    /// See the limit; for a service's name in UTF-16 units, which are characters but for emoji and the like.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// A character that is not allowed.
    #[error("has {} in it", match .0 { ' ' => "a blank".to_owned(), other => format!("`{other}`") })]
    Character(char),
    /// A control or invisible character.
    #[error("has a control character in it")]
    Control,
    /// A character beyond U+FFFF, which is two surrogates in UTF-16.
    #[error("has `{0}` in it, which is a surrogate pair in UTF-16")]
    Surrogate(char),
    /// The first character is not allowed there.
    #[error("starts with `{0}`")]
    Start(char),
    /// The last character is not allowed there.
    #[error("ends with `{0}`")]
    End(char),
    /// A name that the service keeps for itself.
    #[error("is reserved")]
    Reserved,
    /// `..`, or a name of dots.
    #[error("has `..` in it or is `.`")]
    Dots,
    /// `@{` or a part that ends in `.lock`, which git keeps for itself (git-check-ref-format(1)).
    #[error("is not allowed by git")]
    Git,
}

/// Why a URL can't be a base.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaseFault {
    /// Not a URL at all, or one that readers read differently.
    #[error("it is not a plain URL")]
    NotAUrl,
    /// Plain http to somewhere else than this computer.
    #[error("http is only for loopback")]
    Http,
    /// Neither http nor https.
    #[error("it is neither https nor http")]
    Scheme,
    /// A user, a query or a fragment.
    #[error("it has a user, a query or a fragment")]
    Decorated,
    /// A collection without a name in the path.
    #[error("it names no collection")]
    NoCollection,
    /// A collection URL that is the hosted service's.
    #[error("it is a hosted organization, not a Server collection")]
    Hosted,
}
