//! Facts become advice: the one place where an error of a module turns into what a person reads
//! and into an exit status. Reading it is reading the voice of the whole program.

mod microsoft;
mod reference;

use std::error::Error as StdError;
use std::fmt;

use crate::azure::{self, Scope};
use crate::configuration;
use crate::credential;
use crate::http::{self, Reason, Refusal, TlsFault};
use crate::installation;
use crate::keychain;
use crate::remote::{self, Noun, Organization};
use crate::repository::{
    self, CommitError, GitError, HookError, Id, PackError, PlanError, PushError,
};
use crate::signin::{askpass, pat};
use crate::ui::{self, Signal, Ui};
use crate::wiring;

pub use microsoft::Attempted;
pub use reference::{
    Trouble, held_reference, refused_reference, unchanged_reference, unknown_reference,
    withheld_reference,
};

/// What kind of end this is; scripts act on its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It could not be done.
    Failed,
    /// A bad or missing name, URL or flag.
    Usage,
    /// The server refused a reference that was asked for.
    RefusedReference,
    /// Not signed in, refused, or not allowed.
    SignedOut,
    /// Network, TLS, or a service that is down or too busy.
    Network,
    /// Interrupted by a signal.
    Interrupted(Signal),
    /// Whoever read our standard output has closed it: no error, but an end.
    BrokenPipe,
}

impl Kind {
    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::RefusedReference => 3,
            Self::SignedOut => 4,
            Self::Network => 5,
            Self::Interrupted(signal) => signal.exit_status(),
        }
    }
}

/// What a person reads: what happened, why, and what to do.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    /// What happened, and below it what caused it.
    chain: Vec<String>,
    hints: Vec<String>,
    missing_repository: bool,
    refused_sign_in: bool,
    beyond_libgit2: bool,
}

impl Error {
    /// An error and its causes.
    pub fn new(kind: Kind, error: impl StdError) -> Self {
        let mut chain = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // A transparent error repeats its cause, and others end with it.
            if !chain.last().is_some_and(|last| last.ends_with(&text)) {
                chain.push(text);
            }
            cause = error.source();
        }
        Self { chain, ..Self::printed(kind) }
    }

    /// An error that a command states itself.
    pub fn message(kind: Kind, message: impl Into<String>) -> Self {
        Self { chain: vec![message.into()], ..Self::printed(kind) }
    }

    /// An end whose reasons were printed already.
    pub fn printed(kind: Kind) -> Self {
        Self {
            kind,
            chain: Vec::new(),
            hints: Vec::new(),
            missing_repository: false,
            refused_sign_in: false,
            beyond_libgit2: false,
        }
    }

    /// Says above the error what was being done.
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.chain.insert(0, context.into());
        self
    }

    /// Says what to do; the first one said is the first one read.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what to do before all that was said of it.
    pub fn first_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.insert(0, hint.into());
        self
    }

    /// The same as an end of another kind: the caller knows better.
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Leaves out what was said to do: the caller knows better.
    pub fn without_hints(mut self) -> Self {
        self.hints.clear();
        self
    }

    /// Says that the repository at the service is what is missing, which a command can make.
    pub fn missing_repository(mut self) -> Self {
        self.missing_repository = true;
        self
    }

    /// Whether the repository at the service is what is missing.
    pub fn is_missing_repository(&self) -> bool {
        self.missing_repository
    }

    /// Whether the service refused the credential itself.
    pub fn is_refused_sign_in(&self) -> bool {
        self.refused_sign_in
    }

    /// Whether the repository is one that git may read though libgit2 can't.
    pub fn is_beyond_libgit2(&self) -> bool {
        self.beyond_libgit2
    }

    /// Whether a signal ended the work.
    pub fn is_interrupted(&self) -> bool {
        matches!(self.kind, Kind::Interrupted(_))
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Prints it, in git's voice.
    pub fn print(&self, ui: &Ui) {
        if self.kind == Kind::BrokenPipe {
            return;
        }
        if let Some((first, causes)) = self.chain.split_first() {
            ui.error(format_args!("{first}"));
            self.print_below(causes, ui);
        }
    }

    /// Prints it where the command succeeds all the same.
    pub fn warn(&self, ui: &Ui) {
        if let Some((first, causes)) = self.chain.split_first() {
            ui.warning(format_args!("{first}"));
            self.print_below(causes, ui);
        }
    }

    /// The same in one line, for a helper, whose words stand among git's own.
    pub fn warn_in_one_line(&self, ui: &Ui) {
        let hints: String = self.hints.iter().map(|hint| format!("; {hint}")).collect();
        ui.warning(format_args!("{self}{hints}"));
    }

    fn print_below(&self, causes: &[String], ui: &Ui) {
        for cause in causes {
            ui.cause(format_args!("{cause}"));
        }
        for hint in &self.hints {
            ui.hint(format_args!("{hint}"));
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.chain.join(": "))
    }
}

/// Why the hosted service's own hosts are none.
pub const REPLACED: &str =
    "`GIT_VSTS_AZURE_URL` says what stands instead of https://dev.azure.com: unset it";

/// How to sign in again.
pub fn sign_in_hint(organization: &Organization) -> String {
    format!("sign in with `git vsts login {organization}`")
}

impl From<azure::Error> for Error {
    fn from(error: azure::Error) -> Self {
        use azure::Error as E;
        match &error {
            E::Http(_) => {
                let E::Http(error) = error else { unreachable!("matched above") };
                error.into()
            }
            E::SignedOut { organization, refusal } => {
                let hint = sign_in_again(organization, refusal);
                let refused = Self::new(Kind::SignedOut, error).hint(hint);
                Self { refused_sign_in: true, ..refused }
            }
            E::MissingScope { organization, scope } => {
                let hint = scope_hint(organization, *scope);
                Self::new(Kind::SignedOut, error).hint(hint)
            }
            E::MissingPermission { refusal, .. } => {
                let hint = permission_hint(refusal);
                Self::new(Kind::SignedOut, error).hint(hint)
            }
            E::NoOrganization { .. } => Self::new(Kind::Failed, error)
                .hint("check its spelling: it is the part after https://dev.azure.com/ in the browser"),
            E::NoProject { .. } => Self::new(Kind::Failed, error)
                .hint("check its spelling, or make it with `git vsts init … --create-project`"),
            E::ProjectNotReady { state, .. } => {
                let hint = match &**state {
                    "new" | "createPending" => "it is being made: run the same command again in a minute",
                    _ => "choose another project",
                };
                Self::new(Kind::Failed, error).hint(hint)
            }
            E::ProjectFailed { .. } => Self::new(Kind::Failed, error),
            E::Disabled { .. } => Self::new(Kind::Failed, error)
                .hint("a project administrator can switch it on in the project's settings, under Repositories"),
            E::NameTaken { .. } => Self::new(Kind::Failed, error)
                .hint("it may be out of your sight or in the recycle bin: choose another name"),
            E::NotTaken { .. } => Self::new(Kind::Failed, error),
        }
    }
}

fn sign_in_again(organization: &Organization, refusal: &Refusal) -> String {
    match refusal.reason {
        Reason::NotAMember => format!(
            "sign in with an account that has access, `git vsts login {organization}`, or ask to be added to {organization}"
        ),
        Reason::NeverSeen => {
            format!("open {} in a browser once, then try again", organization.url())
        }
        Reason::KindForbidden => {
            format!("make a token for {organization} alone: {}", organization.tokens_page())
        }
        _ => sign_in_hint(organization),
    }
}

fn scope_hint(organization: &Organization, scope: Scope) -> String {
    // Whoever has to make a token makes one that does for what comes next too.
    let enough = match scope {
        Scope::CodeRead => Scope::CodeManage,
        scope => scope,
    };
    format!(
        "make a token with \"{}\" at {} and sign in with it: `git vsts login {organization} --pat`",
        enough.title(),
        organization.tokens_page()
    )
}

fn permission_hint(refusal: &Refusal) -> String {
    match (refusal.permission(), refusal.code.as_deref()) {
        (Some(permission), _) => ask_for(permission),
        (None, Some("TF50309")) => {
            "ask an administrator of the organization for the permission to make projects"
                .to_owned()
        }
        _ => "ask a project administrator for the permission".to_owned(),
    }
}

/// Whom to ask for a permission, which the settings call otherwise than the service's messages do
/// ("Git repository permissions", learn.microsoft.com).
fn ask_for(permission: &str) -> String {
    let title = match permission {
        "GenericRead" => "Read",
        "GenericContribute" => "Contribute",
        "ForcePush" => "Force push",
        "CreateBranch" => "Create branch",
        "CreateTag" => "Create tag",
        "CreateRepository" => "Create repository",
        other => &crate::text::visible_within(other, 60),
    };
    format!("ask a project administrator for the permission \"{title}\"")
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        use http::Error as E;
        let (kind, hint) = match &error {
            E::Refused(refusal) => (refusal_kind(refusal), refusal_hint(refusal)),
            E::UnknownHost { .. } => {
                (Kind::Network, Some("check the network, and the proxy if you need one: `HTTPS_PROXY`".to_owned()))
            }
            E::ConnectionRefused { .. } | E::Unreachable { .. } | E::Silent { .. } | E::Stalled { .. } | E::Slow { .. } | E::Cut { .. } => {
                (Kind::Network, Some("check the network, then run the same command again".to_owned()))
            }
            E::Tls { fault, .. } => (Kind::Network, Some(tls_hint(fault))),
            E::NoProxy { .. } => (
                Kind::Network,
                Some("check its address: `HTTPS_PROXY`, and `git config --show-origin --get-all http.proxy`".to_owned()),
            ),
            E::ProxyRefused { host, .. } => (
                Kind::Network,
                Some(format!("ask whoever runs it to let {host} through, or go without it: `NO_PROXY={host}`")),
            ),
            E::ProxySignIn { .. } => (
                Kind::Network,
                Some("put them into the proxy's address: `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`".to_owned()),
            ),
            E::Proxy { .. } => (
                Kind::Usage,
                Some("see `HTTPS_PROXY` and `git config --show-origin --get-all http.proxy`".to_owned()),
            ),
            E::Certificates { .. } => (
                Kind::Usage,
                Some("it must hold certificates in PEM form: see `GIT_SSL_CAINFO` and `git config --show-origin http.sslCAInfo`".to_owned()),
            ),
            E::TooLong { .. } | E::Unreadable { .. } => (
                Kind::Network,
                Some("something on the way may have answered in its place: check the proxy".to_owned()),
            ),
            E::Setup(_) => (Kind::Failed, None),
        };
        let error = Self::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

fn refusal_kind(refusal: &Refusal) -> Kind {
    match refusal.reason {
        Reason::Throttled | Reason::Unavailable | Reason::Redirected | Reason::ProxySignIn => {
            Kind::Network
        }
        Reason::MissingPermission | Reason::NetworkPolicy => Kind::SignedOut,
        _ if refusal.is_about_sign_in() => Kind::SignedOut,
        _ => Kind::Failed,
    }
}

fn refusal_hint(refusal: &Refusal) -> Option<String> {
    let hint = match refusal.reason {
        Reason::Throttled | Reason::Unavailable => match refusal.retry_after {
            Some(wait) if !wait.is_zero() => format!("try again in {} s", wait.as_secs()),
            _ => "try again in a minute; https://status.dev.azure.com says how the service is".to_owned(),
        },
        Reason::MissingPermission => permission_hint(refusal),
        Reason::NetworkPolicy => {
            "use the network or the device that your administrator allows, such as the company's VPN".to_owned()
        }
        Reason::Redirected => "something on the way answered in its place: check the proxy and the address".to_owned(),
        Reason::ProxySignIn => "put them into the proxy's address: `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`".to_owned(),
        Reason::TooLarge => "push it in parts: `git push REMOTE COMMIT:BRANCH` for an older commit first".to_owned(),
        Reason::NoRepository | Reason::NoProject => {
            "check the spelling, and that this account may see it".to_owned()
        }
        _ if refusal.is_about_sign_in() => "sign in with `git vsts login`".to_owned(),
        _ => return None,
    };
    Some(hint)
}

fn tls_hint(fault: &TlsFault) -> String {
    match fault {
        TlsFault::UnknownIssuer => {
            "if your company's proxy issues certificates of its own, name its file: `git config --global http.sslCAInfo FILE`"
        }
        TlsFault::Cut | TlsFault::NoTls => "a proxy or a firewall on the way may do that: check `HTTPS_PROXY`",
        TlsFault::Outdated => "a proxy on the way may do that, or the server needs to be updated",
        TlsFault::Expired | TlsFault::NotYetValid => "check this computer's date and time",
        TlsFault::WrongName => "something on the way may have answered in its place: check the proxy",
        TlsFault::AuthorityAsServer => {
            "make a certificate for the server that is not one of an authority; trusting this one is not enough"
        }
        TlsFault::Other(_) => "check the proxy, and this computer's date and time",
    }
    .to_owned()
}

impl From<keychain::Error> for Error {
    fn from(error: keychain::Error) -> Self {
        use keychain::Error as E;
        const ELSEWHERE: &str = "set `GIT_VSTS_PAT` for one run, or keep the credential in a file that only you can read: `git vsts login --insecure-storage`";
        if let E::Broken { account } | E::DifferentAfterWrite { account } = &error {
            let account = crate::text::visible(account);
            let hint = format!("sign in again, which replaces it: `git vsts login {account}`");
            return Self::new(Kind::Failed, error).hint(hint);
        }
        let hints: &[&str] = match &error {
            E::NoBus { .. } | E::NoService { .. } | E::NoDefaultCollection => &[
                ELSEWHERE,
                "a desktop's keychain, such as gnome-keyring or KWallet, keeps it safer",
            ],
            E::Locked | E::Dismissed => {
                &["unlock the keychain, for instance by signing in to the desktop", ELSEWHERE]
            }
            E::TimedOut { .. } => {
                &["look whether the keychain waits for an answer in a window", ELSEWHERE]
            }
            E::Denied { .. } => &["allow git-vsts to use the keychain", ELSEWHERE],
            E::BrokenFile { .. } => &["move the file away, then sign in again"],
            E::NotPrivate { .. } | E::NotOurs { .. } | E::Symlink { .. } | E::WrongType { .. } => {
                &[
                    "nothing was read or written: look who made it so, then set it right or remove it",
                ]
            }
            E::Unreadable { .. } | E::Unwritable { .. } => {
                &["check the folder's permissions and the free space"]
            }
            E::Busy { .. } => &["another git vsts may be at work: run the same command again"],
            _ => &[ELSEWHERE],
        };
        hints.iter().fold(Self::new(Kind::Failed, error), |error, hint| error.hint(*hint))
    }
}

/// A record that was kept and is none that can be used.
pub fn unusable_sign_in(organization: &Organization, error: credential::Error) -> Error {
    let newer = matches!(error, credential::Error::Newer { .. });
    let error = Error::new(Kind::Failed, error)
        .context(format!("the sign-in to {organization} can't be used"));
    let error = if newer { error.hint("update git vsts") } else { error };
    error.hint(format!("sign in again, which replaces it: `git vsts login {organization}`"))
}

impl From<remote::Error> for Error {
    fn from(error: remote::Error) -> Self {
        use remote::Error as E;
        let hint = match &error {
            E::PasswordInUrl { .. } => Some(
                "whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL",
            ),
            E::PlainHttp { .. } => Some("use https"),
            error if error.is_replaced() => Some(REPLACED),
            E::Name { noun: Noun::Organization, .. } | E::NoOrganization { .. } => Some(
                "the organization is the first part of the address in the browser: https://dev.azure.com/contoso/…",
            ),
            E::Lookalike { .. } => {
                Some("the hosts are dev.azure.com and ORG.visualstudio.com, and no others")
            }
            _ => None,
        };
        let error = Self::new(Kind::Usage, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<configuration::Error> for Error {
    fn from(error: configuration::Error) -> Self {
        Self::new(Kind::Failed, error).hint("look at `git config --list --show-origin`")
    }
}

impl From<pat::Error> for Error {
    fn from(error: pat::Error) -> Self {
        let hint = match error {
            pat::Error::Empty | pat::Error::Url => {
                "paste the token that the page shows once, when it is made"
            }
            _ => "paste the token alone, as the page shows it once, when it is made",
        };
        Self::new(Kind::Usage, error).hint(hint)
    }
}

impl From<askpass::Error> for Error {
    fn from(error: askpass::Error) -> Self {
        Self::new(Kind::Usage, error).hint(
            "pipe the token in, `git vsts login ORG --pat-stdin < FILE`, or set `GIT_VSTS_PAT`",
        )
    }
}

impl From<repository::Error> for Error {
    fn from(error: repository::Error) -> Self {
        use repository::Error as E;
        let hint = match &error {
            E::SomebodyElses { path } => Some(format!(
                "if you trust it: `git config --global --add safe.directory {}`",
                crate::text::quoted(&path.display().to_string())
            )),
            E::Unsupported { .. } => Some("push it with `git push`".to_owned()),
            E::NotWritten { .. } => {
                Some("check the file's permissions and the free space".to_owned())
            }
            E::Overridden { key } => Some(format!(
                "`git config --show-origin --get-all {}` says where",
                crate::text::quoted(key)
            )),
            E::Locked { path } => Some(format!(
                "if no other git is at work, remove {}.lock",
                crate::text::visible(&path.display().to_string())
            )),
            E::Bare => Some("run it in a clone with files".to_owned()),
            E::Unusable { .. } | E::NotMade { .. } | E::Unreadable(_) => None,
        };
        let beyond_libgit2 = matches!(error, E::SomebodyElses { .. } | E::Unsupported { .. });
        let error = Self { beyond_libgit2, ..Self::new(Kind::Failed, error) };
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<GitError> for Error {
    fn from(error: GitError) -> Self {
        let said = match &error {
            GitError::Failed { said, .. } => said.clone(),
            _ => String::new(),
        };
        let missing = matches!(error, GitError::Missing);
        let mut error = Self::new(Kind::Failed, error);
        if !said.is_empty() {
            error.chain.push(said);
        }
        if missing { error.hint("install git, https://git-scm.com") } else { error }
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Repository(error) => error.into(),
            CommitError::Git(error) => error.into(),
            error @ CommitError::Nobody { .. } => Self::new(Kind::Failed, error).hint(
                "say who you are: `git config --global user.name NAME` and `git config --global user.email ADDRESS`",
            ),
        }
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        not_planned(error, "REMOTE")
    }
}

/// That it can't be told what to push to that remote.
pub fn not_planned(error: PlanError, remote: &str) -> Error {
    use PlanError as E;
    let (kind, hint) = match &error {
        E::Unborn(_) => (
            Kind::Failed,
            Some(
                "commit something first, or let `git vsts init --commit MESSAGE` do it".to_owned(),
            ),
        ),
        E::Detached => (
            Kind::Failed,
            Some(format!("say where it goes: `git vsts push {remote} HEAD:refs/heads/BRANCH`")),
        ),
        E::NoSource(_) => {
            (Kind::Failed, Some("`git branch --all` and `git tag` list what there is".to_owned()))
        }
        E::Ambiguous(name) => {
            (Kind::Usage, Some(format!("name it in full: refs/heads/{name} or refs/tags/{name}")))
        }
        E::Several(_) => {
            (Kind::Usage, Some("name it in full; `git for-each-ref` lists them".to_owned()))
        }
        E::SeveralThere(_) => {
            (Kind::Usage, Some(format!("name it in full; `git ls-remote {remote}` lists them")))
        }
        E::NoneInCommon => (
            Kind::Failed,
            Some(format!("name one that is new there: `git vsts push {remote} BRANCH`")),
        ),
        E::NoMatch(_) => (
            Kind::Failed,
            Some(
                "a pattern is for whole names, `refs/heads/*`; `git for-each-ref` lists them"
                    .to_owned(),
            ),
        ),
        E::NoDestination(_) => (Kind::Failed, Some("it may be gone already".to_owned())),
        E::NoName(source) => (
            Kind::Usage,
            Some(format!("give it one: `git vsts push {remote} {source}:refs/heads/NAME`")),
        ),
        E::NoKind(name) => {
            (Kind::Usage, Some(format!("name it in full: refs/heads/{name} or refs/tags/{name}")))
        }
        E::Malformed(_) => (
            Kind::Usage,
            Some(
                "a refspec is `SOURCE`, `SOURCE:DESTINATION`, or `:DESTINATION` to delete"
                    .to_owned(),
            ),
        ),
        E::MalformedSetting { key, .. } => (
            Kind::Usage,
            Some(format!(
                "see where it stands: `git config --show-origin --get-all {}`",
                crate::text::quoted(key)
            )),
        ),
        E::Mirror(name) => (
            Kind::Usage,
            Some(format!(
                "`git push {remote}` does it; if that is not meant: `git config --unset remote.{name}.mirror`"
            )),
        ),
        E::NoDefault(_) => (
            Kind::Usage,
            Some("it is `simple`, `current`, `upstream`, `matching` or `nothing`".to_owned()),
        ),
        E::Twice(_) => (Kind::Usage, None),
        E::OtherName { branch, upstream } => (
            Kind::Usage,
            Some(format!(
                "say which you mean: `git vsts push {remote} HEAD:{upstream}` or `git vsts push {remote} {branch}`"
            )),
        ),
        E::NoUpstream(_) | E::SeveralUpstreams(_) | E::NothingByDefault => {
            (Kind::Usage, Some(format!("name what to push: `git vsts push {remote} BRANCH`")))
        }
        E::Nothing | E::Unreadable(_) => (Kind::Failed, None),
    };
    let error = Error::new(kind, error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl From<HookError> for Error {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Git(error) => error.into(),
            error => Self::new(Kind::Failed, error)
                .hint("nothing was sent; `--no-verify` pushes without the hook"),
        }
    }
}

impl From<PushError> for Error {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Http(error) => error.into(),
            PushError::Plan(error) => error.into(),
            PushError::Hook(error) => error.into(),
            PushError::Handover(error)
            | PushError::Pack(PackError::Git(
                error @ (GitError::Missing | GitError::Unusable { .. }),
            )) => error.into(),
            error @ PushError::Pack(PackError::Shallow) => Self::new(Kind::Failed, error)
                .hint("leave out `--engine git2`; see `git config vsts.engine`"),
            PushError::Pack(error) => match error {
                PackError::Git(error) => Self::from(error),
                error => Self::new(Kind::Failed, error),
            }
            .hint("nothing was sent; `git fsck` tells whether the repository is whole"),
            error @ PushError::Advertisement(_) => Self::new(Kind::Network, error)
                .hint("something on the way may have answered in its place: check the proxy"),
            error @ PushError::NotAtomic => {
                Self::new(Kind::Failed, error).hint("nothing was sent; push without `--atomic`")
            }
            error @ PushError::NoOptions => Self::new(Kind::Failed, error).hint(
                "nothing was sent; `git config --show-origin push.pushOption` says who set one",
            ),
            error @ PushError::TooLarge { .. } => too_large(error, "REMOTE", None),
            error @ PushError::Unknown(_) => Self::new(Kind::Network, error)
                .hint("see what is there with `git ls-remote`, then push again"),
        }
    }
}

/// That a push is too large for one request, and the commit that is pushed first then.
pub fn too_large(error: PushError, remote: &str, part: Option<(Id, String)>) -> Error {
    Error::new(Kind::Failed, error).hint(match part {
        Some((commit, reference)) => format!(
            "push it in parts: `git vsts push {} {}`, then the same command again",
            crate::text::quoted(remote),
            crate::text::quoted(&format!("{:.12}:{reference}", commit.to_string())),
        ),
        None => {
            "one commit alone is too large: keep its large files with Git LFS, https://git-lfs.com"
                .to_owned()
        }
    })
}

impl From<wiring::Error> for Error {
    fn from(error: wiring::Error) -> Self {
        use wiring::Error as E;
        const BY_HAND: &str =
            "put the lines there in another way: `git vsts setup --dry-run` shows them";
        let hint = match &error {
            E::NoHome => "set `HOME`".to_owned(),
            E::NoFile { .. } => "move away what is there, so that git can write a file".to_owned(),
            E::NamedNoFile { .. } | E::SwitchedOff => {
                "unset `GIT_CONFIG_GLOBAL`, or let it name a file".to_owned()
            }
            E::Unreadable { .. } | E::Unwritable { .. } => {
                "check the permissions and the free space".to_owned()
            }
            E::ReadOnly { .. } => BY_HAND.to_owned(),
            E::Locked { path } => format!("if no other git is at work, remove {path}.lock"),
            E::Encoding { .. } => "save it as UTF-8".to_owned(),
            E::Malformed { .. } => "mend that line, then run `git vsts setup`".to_owned(),
            E::Unfinished { .. } => "end its last line".to_owned(),
            E::Character { .. } | E::Gone { .. } => {
                "install git vsts in another folder, then run `git vsts setup`".to_owned()
            }
            E::WritableByOthers { path } => format!(
                "take that right from others, `chmod go-w {}`, or install git vsts in another folder",
                crate::text::quoted(path)
            ),
            E::SomebodyElses { .. } => {
                "install git vsts in a folder of your own or of root's, then run `git vsts setup`"
                    .to_owned()
            }
        };
        let said = match &error {
            E::Malformed { said, .. } => Some(said.clone()),
            _ => None,
        };
        let mut error = Self::new(Kind::Failed, error);
        error.chain.extend(said);
        error.hint(hint)
    }
}

impl From<installation::Error> for Error {
    fn from(error: installation::Error) -> Self {
        use installation::Error as E;
        let hint = match &error {
            E::Damaged { path } => format!(
                "update git vsts, or remove {} and what it names",
                crate::text::visible(&path.display().to_string())
            ),
            _ => "check the permissions and the free space".to_owned(),
        };
        Self::new(Kind::Failed, error).hint(hint)
    }
}

impl From<ui::Error> for Error {
    fn from(error: ui::Error) -> Self {
        use ui::Error as E;
        match &error {
            E::NotATerminal { flag, .. } => {
                let hint = format!("give {flag}");
                Self::new(Kind::Usage, error).hint(hint)
            }
            E::Forbidden { flag, .. } => {
                let hint = format!(
                    "give {flag}; it is `--no-input`, `CI` or `GIT_TERMINAL_PROMPT=0` that forbids questions"
                );
                Self::new(Kind::Usage, error).hint(hint)
            }
            E::StdinEmpty | E::StdinIsTerminal => Self::new(Kind::Usage, error).hint(
                "the token comes from a file or a pipe: `git vsts login ORG --pat-stdin < FILE`",
            ),
            E::Interrupted(signal) => {
                let signal = *signal;
                Self::new(Kind::Interrupted(signal), error)
            }
            E::BrokenPipe => Self::new(Kind::BrokenPipe, error),
            E::NotText | E::TooLong { .. } => Self::new(Kind::Usage, error),
            _ => Self::new(Kind::Failed, error),
        }
    }
}
