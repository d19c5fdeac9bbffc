//! What the environment says, read once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use secrecy::SecretString;

use crate::credential::same_text;

/// The variables that hold a token, in the order in which they are believed. Children don't get
/// them, and none of them is ever stored.
pub const TOKENS: [&str; 3] = ["GIT_VSTS_PAT", "AZURE_DEVOPS_EXT_PAT", "SYSTEM_ACCESSTOKEN"];

/// A token that nothing keeps, as a run of ours hands it to the helper below the git that it starts;
/// nobody sets it by hand. Unlike [`TOKENS`] it is for one organization alone, that of
/// [`HANDED_TO`]: a hook or a submodule of that clone could ask for any other.
pub const HANDED_TOKEN: &str = "_GIT_VSTS_HANDED_TOKEN";

/// The key of the organization ([`Organization::key`](crate::remote::Organization::key)) that
/// [`HANDED_TOKEN`] is for.
pub const HANDED_TO: &str = "_GIT_VSTS_HANDED_TO";

/// Set where a run of ours has started the git that asks: what that git proves or finds refused the run settles itself.
pub const ANSWERS_ONLY: &str = "_GIT_VSTS_ANSWERS_ONLY";

/// Every variable that holds a secret, which no child gets unless it is handed it by name.
pub const SECRETS: [&str; 4] = [TOKENS[0], TOKENS[1], TOKENS[2], HANDED_TOKEN];

/// The variables that change where the service is looked for.
pub const OVERRIDES: [&str; 4] =
    ["GIT_VSTS_AZURE_URL", "GIT_VSTS_SPS_URL", "GIT_VSTS_LOGIN_URL", "GIT_VSTS_CLIENT_ID"];

/// The environment of this process, or one that a test made up.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

/// A token of the environment.
#[derive(Clone, Debug)]
pub struct Token {
    /// The variable that it comes from.
    pub variable: &'static str,
    /// The token.
    pub token: SecretString,
}

impl Environment {
    /// The environment of this process.
    pub fn process() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    /// An environment of these variables. One that is empty counts as unset.
    pub fn from_pairs<N: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let named = |(name, value): (N, V)| {
            let name = name.into().into_string().ok()?;
            Some((folded(&name), value.into()))
        };
        Self { variables: pairs.into_iter().filter_map(named).collect() }
    }

    /// A variable as text; one that is no text is lost on everybody here.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw(name)?.to_str()
    }

    /// A variable as the system has it.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(&folded(name)).map(OsString::as_os_str).filter(|it| !it.is_empty())
    }

    /// Whether a variable is set, and to nothing: to git that is now and then another thing than one
    /// that is not set.
    pub fn is_empty(&self, name: &str) -> bool {
        self.variables.get(&folded(name)).is_some_and(|value| value.is_empty())
    }

    /// A variable that is an absolute path; a relative one counts as unset (XDG Base Directory
    /// Specification).
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The user's home. git for Windows takes the profile where `HOME` is not set.
    pub fn home(&self) -> Option<PathBuf> {
        let profile = || self.path("USERPROFILE").filter(|_| cfg!(windows));
        self.path("HOME").or_else(profile)
    }

    /// The token that stands instead of what is kept, if one is set.
    ///
    /// # Errors
    /// The name of a variable that a pipeline should have replaced and did not: `$(…)`.
    pub fn token(&self) -> Result<Option<Token>, &'static str> {
        for variable in TOKENS {
            let Some(value) = self.get(variable) else { continue };
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            if value.starts_with("$(") && value.ends_with(')') {
                return Err(variable);
            }
            return Ok(Some(Token { variable, token: value.to_owned().into() }));
        }
        Ok(None)
    }

    /// The token that another run of ours handed on for the organization of this key. Where its
    /// organization is not said it is for none.
    pub fn handed_on(&self, organization: &str) -> Option<Token> {
        self.get(HANDED_TO).filter(|key| *key == organization)?;
        let token = self.get(HANDED_TOKEN)?.into();
        Some(Token { variable: HANDED_TOKEN, token })
    }

    /// Whether a variable for tokens holds this one, be it the one that is used or not.
    pub fn holds(&self, token: &SecretString) -> bool {
        let set = SECRETS.iter().filter_map(|variable| self.get(variable));
        set.map(|value| value.trim().into()).any(|value| same_text(&value, token))
    }

    /// Whether the environment says that nobody is there to answer.
    pub fn is_unattended(&self) -> bool {
        let continuous = self.get("CI").is_some_and(|ci| !matches!(ci, "0" | "false"));
        continuous || self.get("GIT_TERMINAL_PROMPT").is_some_and(|prompt| prompt == "0")
    }

    /// The proxy that the environment names for a scheme, as curl(1) reads it: `http_proxy` only in
    /// lower case, since a CGI program's caller can set the other.
    pub fn proxy(&self, scheme: &str) -> Option<&str> {
        let own = match scheme {
            "http" => self.get("http_proxy"),
            _ => self.get("https_proxy").or_else(|| self.get("HTTPS_PROXY")),
        };
        own.or_else(|| self.get("all_proxy")).or_else(|| self.get("ALL_PROXY"))
    }

    /// Hosts that are reached without the proxy.
    pub fn no_proxy(&self) -> Option<&str> {
        self.get("no_proxy").or_else(|| self.get("NO_PROXY"))
    }
}

/// A variable's name as the system compares it: on Windows without case, where `PATH` is `Path`.
fn folded(name: &str) -> String {
    if cfg!(windows) { name.to_uppercase() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_first_token_that_is_set_is_believed() {
        let environment = Environment::from_pairs([
            ("GIT_VSTS_PAT", " "),
            ("AZURE_DEVOPS_EXT_PAT", " two \n"),
            ("SYSTEM_ACCESSTOKEN", "three"),
        ]);
        let token = environment.token().unwrap().unwrap();
        assert_eq!((token.variable, token.token.expose_secret()), ("AZURE_DEVOPS_EXT_PAT", "two"));
    }

    #[test]
    fn every_token_of_the_environment_is_known_as_such() {
        let environment =
            Environment::from_pairs([("GIT_VSTS_PAT", "one"), ("SYSTEM_ACCESSTOKEN", " two\n")]);
        for (token, holds) in [("one", true), ("two", true), ("three", false), ("", false)] {
            assert_eq!(environment.holds(&token.into()), holds, "{token}");
        }
        let handed_on = Environment::from_pairs([(HANDED_TOKEN, "one")]);
        assert!(handed_on.holds(&"one".into()), "what came so would be kept");
    }

    #[test]
    fn a_variable_that_a_pipeline_did_not_replace_is_named() {
        let environment =
            Environment::from_pairs([("SYSTEM_ACCESSTOKEN", "$(System.AccessToken)")]);
        assert_eq!(environment.token().unwrap_err(), "SYSTEM_ACCESSTOKEN");
    }

    #[test]
    fn an_unattended_run_is_known() {
        for (name, value, unattended) in [
            ("CI", "true", true),
            ("CI", "1", true),
            ("CI", "", false),
            ("CI", "0", false),
            ("CI", "false", false),
            ("GIT_TERMINAL_PROMPT", "0", true),
            ("GIT_TERMINAL_PROMPT", "1", false),
        ] {
            let environment = Environment::from_pairs([(name, value)]);
            assert_eq!(environment.is_unattended(), unattended, "{name}={value}");
        }
    }
}
