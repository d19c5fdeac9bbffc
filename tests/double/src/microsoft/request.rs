//! The parameters of a request, and which parts of Microsoft Entra there are.

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;

use super::fault::Fault;
use super::jwt::{AZURE_DEVOPS, GRAPH};
use crate::rest::decode_query;
use crate::state::State;

/// What an address below Microsoft's sign-in host stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Authorize,
    /// Where the form of the page behind `authorize` goes.
    Login,
    Token,
    DeviceCode,
    /// Where a person types the code of another device.
    DeviceLogin,
    Configuration,
}

/// `/TENANT/oauth2/…`, which no address of Azure DevOps is: that has `_apis`, `_git` or nothing
/// behind the organization.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) tenant: String,
    pub(crate) part: Part,
}

impl Address {
    pub(crate) fn new(segments: &[String]) -> Option<Address> {
        let (tenant, rest) = segments.split_first()?;
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let part = match rest.as_slice() {
            ["oauth2", "v2.0", "authorize"] => Part::Authorize,
            ["oauth2", "v2.0", "login"] => Part::Login,
            ["oauth2", "v2.0", "token"] => Part::Token,
            ["oauth2", "v2.0", "devicecode"] => Part::DeviceCode,
            ["oauth2", "deviceauth"] => Part::DeviceLogin,
            ["v2.0", ".well-known", "openid-configuration"] => Part::Configuration,
            _ => return None,
        };
        Some(Address { tenant: tenant.clone(), part })
    }
}

/// The parameters of one request.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of_query(parts: &Parts) -> Parameters {
        Parameters(decode_query(parts.uri.query().unwrap_or_default()))
    }

    /// Of a form; without the content type of one there are none.
    pub(crate) fn of_form(parts: &Parts, body: &[u8]) -> Parameters {
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
            true => Parameters(decode_query(&String::from_utf8_lossy(body))),
            false => Parameters(Vec::new()),
        }
    }

    /// RFC 6749 section 3.1: no parameter twice.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let names = self.0.iter().map(|(name, _)| name);
        let mut twice = names
            .enumerate()
            .filter(|(at, name)| self.0[..*at].iter().any(|(earlier, _)| earlier == *name));
        twice.next().map_or(Ok(()), |(_, name)| Err(Fault::about(9_000_411, name)))
    }

    /// A parameter; one without a value counts as omitted (RFC 6749 section 3.1).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, Fault> {
        self.get(name).ok_or_else(|| Fault::about(900_144, name))
    }

    /// The client, if it is one that is known.
    pub(crate) fn client(&self, state: &State) -> Result<String, Fault> {
        let client = self.need("client_id")?;
        let known = state.microsoft.clients.iter().find(|known| known.eq_ignore_ascii_case(client));
        known.cloned().ok_or_else(|| Fault::about(700_016, client))
    }

    pub(crate) fn scopes(&self) -> Result<Vec<String>, Fault> {
        let scopes: Vec<String> =
            self.need("scope")?.split_whitespace().map(str::to_owned).collect();
        audience(&scopes)?;
        Ok(scopes)
    }
}

/// The resource that scopes are of, and what the token may do there.
pub(crate) fn audience(scopes: &[String]) -> Result<(&'static str, String), Fault> {
    const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];
    let mut held = Vec::new();
    for scope in scopes.iter().filter(|scope| !OPENID.contains(&scope.as_str())) {
        let (resource, name) = scope.rsplit_once('/').ok_or_else(|| Fault::about(70_011, scope))?;
        let is_azure = resource.eq_ignore_ascii_case(AZURE_DEVOPS)
            || resource.trim_end_matches('/') == "https://app.vssps.visualstudio.com";
        if !is_azure {
            return Err(Fault::about(65_002, resource));
        }
        held.push(if name == ".default" { "user_impersonation" } else { name });
    }
    match held.is_empty() {
        true => Ok((GRAPH, "openid profile".to_owned())),
        false => Ok((AZURE_DEVOPS, held.join(" "))),
    }
}
