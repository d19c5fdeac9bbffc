//! Tokens: how they look, what they allow, until when.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a token is to be, for [`Organization::token`](crate::Organization::token) and
/// [`Organization::bearer`](crate::Organization::bearer).
#[derive(Clone, Debug)]
pub struct Token {
    scopes: String,
    account: Option<String>,
    days: u32,
    is_expired: bool,
    everywhere: bool,
    secret: Option<String>,
}

impl Token {
    /// All scopes (`app_token`), valid for 30 days, of the organization's first person.
    pub fn new() -> Token {
        let scopes = "app_token".to_owned();
        Token {
            scopes,
            account: None,
            days: 30,
            is_expired: false,
            everywhere: false,
            secret: None,
        }
    }

    /// Only these scopes, parted by blanks, such as `vso.code_manage vso.project`. A higher scope
    /// holds the lower ones: `vso.code_manage` → `vso.code_write` → `vso.code`.
    pub fn scopes(mut self, scopes: &str) -> Token {
        scopes.clone_into(&mut self.scopes);
        self
    }

    /// The token of that account (its address) instead of the organization's first person.
    pub fn account(mut self, account: &str) -> Token {
        self.account = Some(account.to_owned());
        self
    }

    /// It expired yesterday.
    pub fn expires_in_past(mut self) -> Token {
        self.is_expired = true;
        self
    }

    /// It is valid for so many days from now.
    pub fn valid_days(mut self, days: u32) -> Token {
        (self.days, self.is_expired) = (days, false);
        self
    }

    /// A personal access token for "all accessible organizations" of its account.
    pub fn everywhere(mut self) -> Token {
        self.everywhere = true;
        self
    }

    /// Somebody else has made it, and it reads so.
    pub fn reads(mut self, secret: &str) -> Token {
        self.secret = Some(secret.to_owned());
        self
    }

    pub(crate) fn owner(&self) -> Option<&str> {
        self.account.as_deref()
    }

    pub(crate) fn issue(
        self,
        kind: Kind,
        organization: &str,
        account: &str,
        now: SystemTime,
    ) -> Issued {
        let valid_until = if self.is_expired { now - DAY } else { now + self.days * DAY };
        let secret = self.secret.unwrap_or_else(|| match kind {
            Kind::Personal => personal_access_token(),
            Kind::Entra => access_token(),
        });
        let bound = kind == Kind::Personal && !self.everywhere;
        Issued {
            organization: bound.then(|| organization.to_owned()),
            scopes: self.scopes.split_whitespace().map(str::to_owned).collect(),
            ..Issued::new(&secret, kind, account, valid_until)
        }
    }
}

impl Default for Token {
    fn default() -> Token {
        Token::new()
    }
}

/// Whose word a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A personal access token.
    Personal,
    /// An access token of Microsoft Entra.
    Entra,
}

/// A token that was handed out.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) secret: String,
    pub(crate) kind: Kind,
    /// The one organization that takes it; none: wherever its account is a member.
    pub(crate) organization: Option<String>,
    pub(crate) account: String,
    /// The tenant whose word it is; none: that of a test, which every tenant believes.
    pub(crate) tenant: Option<String>,
    /// It is for another resource than Azure DevOps.
    pub(crate) is_foreign: bool,
    pub(crate) scopes: Vec<String>,
    pub(crate) valid_until: SystemTime,
    pub(crate) revoked: bool,
    /// If the token API made it.
    pub(crate) made: Option<Made>,
}

/// What the token API knows of a token that it made.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) from: SystemTime,
}

impl Issued {
    /// Without scopes, and bound to no organization.
    pub(crate) fn new(secret: &str, kind: Kind, account: &str, valid_until: SystemTime) -> Issued {
        Issued {
            secret: secret.to_owned(),
            kind,
            organization: None,
            account: account.to_owned(),
            tenant: None,
            is_foreign: false,
            scopes: Vec::new(),
            valid_until,
            revoked: false,
            made: None,
        }
    }

    pub(crate) fn is_expired(&self, now: SystemTime) -> bool {
        self.valid_until <= now
    }

    /// Whether one of the scopes that are asked for is among those it has, or below one of them.
    pub(crate) fn allows_any(&self, wanted: &[&str]) -> bool {
        wanted.is_empty()
            || self.scopes.iter().any(|held| wanted.iter().any(|wanted| covers(held, wanted)))
    }
}

fn covers(held: &str, wanted: &str) -> bool {
    if matches!(held, "app_token" | "user_impersonation") {
        return true;
    }
    let (held_area, held_level) = level(held);
    let (wanted_area, wanted_level) = level(wanted);
    held_area == wanted_area && held_level >= wanted_level
}

fn level(scope: &str) -> (&str, u8) {
    let levels = [("_write", 1), ("_manage", 2), ("_full", 3)];
    let split = |(suffix, level)| Some((scope.strip_suffix(suffix)?, level));
    levels.into_iter().find_map(split).unwrap_or((scope, 0))
}

/// The form since 2024: 84 letters and digits, `AZDO` at offset 76 ("PAT format" in Microsoft's
/// documentation of personal access tokens).
pub(crate) fn personal_access_token() -> String {
    format!("{}JQQJ99{}AZDO{}", random(52), random(18), random(4))
}

/// As long as real ones, since a header of that size is part of what must work.
fn access_token() -> String {
    format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{}.{}", random(1_500), random(342))
}

pub(crate) fn random(length: usize) -> String {
    random_of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
}

pub(crate) fn random_of(letters: &[u8], length: usize) -> String {
    // Each RandomState has other keys, so that its hash of nothing is a random number.
    let letter = |_| {
        let number = RandomState::new().build_hasher().finish() as usize;
        char::from(letters[number % letters.len()])
    };
    (0..length).map(letter).collect()
}
