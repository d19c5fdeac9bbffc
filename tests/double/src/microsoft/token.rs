//! The token endpoint.

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use super::fault::{Fault, json_response};
use super::jwt::{AZURE_DEVOPS, access_token, client_info, id_token};
use super::page::not_kept;
use super::request::{Parameters, audience};
use super::state::{Authority, Grant, RefreshToken};
use super::{Redemption, Step, device};
use crate::state::{Shared, State};
use crate::token::{Issued, Kind, random};

/// Both names of the grant: the standard's and the one that Microsoft had before.
const DEVICE_GRANTS: [&str; 2] = ["urn:ietf:params:oauth:grant-type:device_code", "device_code"];

pub(super) fn serve(shared: &Shared, parts: &Parts, tenant: &str, body: &[u8]) -> Response {
    let parameters = Parameters::of_form(parts, body);
    let mut state = shared.lock();
    state.learn(parameters.get("code_verifier"));
    let redeemed = redeem(&mut state, parts, tenant, &parameters);
    let name = parameters.get("grant_type").unwrap_or_default();
    let grant = if DEVICE_GRANTS.contains(&name) { "device_code" } else { name };
    state.microsoft.redemptions.push(Redemption {
        grant: grant.to_owned(),
        account: redeemed.as_ref().ok().map(|grant| grant.account.address.clone()),
        error: redeemed.as_ref().err().map(|fault| fault.code),
    });
    if let Some(name) = &state.microsoft.echoes {
        let said = format!("AADSTS99999: This is odd: {}", parameters.get(name).unwrap_or("-"));
        let fault = json!({"error": "invalid_grant", "error_description": said});
        return not_kept(json_response(400, &fault));
    }
    match redeemed {
        Ok(grant) => not_kept(tokens(shared, &mut state, &grant)),
        Err(fault) => not_kept(fault.response()),
    }
}

fn redeem(
    state: &mut State,
    parts: &Parts,
    tenant: &str,
    parameters: &Parameters,
) -> Result<Grant, Fault> {
    parameters.check()?;
    let authority = state.authority(tenant)?;
    let grant_type = parameters.need("grant_type")?.to_owned();
    let client = parameters.client(state)?;
    let has_secret =
        ["client_secret", "client_assertion"].map(|name| parameters.get(name).is_some());
    if has_secret.contains(&true) || parts.headers.contains_key(AUTHORIZATION) {
        return Err(Fault::new(700_025));
    }
    match grant_type.as_str() {
        "authorization_code" => of_code(state, parameters, &client),
        "refresh_token" => of_refresh_token(state, parameters, &client, &authority),
        name if DEVICE_GRANTS.contains(&name) => device::poll(state, parameters),
        other => Err(Fault::about(70_003, other)),
    }
}

fn of_code(state: &mut State, parameters: &Parameters, client: &str) -> Result<Grant, Fault> {
    state.microsoft.trouble(Step::Code)?;
    let secret = parameters.need("code")?;
    let redirect = parameters.need("redirect_uri")?;
    let verifier = parameters.need("code_verifier")?;
    let now = state.now();
    let found = state.microsoft.codes.iter_mut().find(|code| code.secret == secret);
    let code = found.ok_or_else(|| Fault::named(9_002_313, "invalid_grant"))?;
    if code.grant.client != client {
        return Err(Fault::new(70_000));
    }
    if code.until <= now {
        return Err(Fault::new(70_008));
    }
    if code.used {
        return Err(Fault::new(54_005));
    }
    if code.redirect != redirect {
        return Err(Fault::named(50_011, "invalid_grant"));
    }
    code.used = true;
    if !is_verifier(verifier) || challenge(verifier) != code.challenge {
        return Err(Fault::new(501_481));
    }
    Ok(code.grant.clone())
}

/// RFC 7636 section 4.1.
fn is_verifier(verifier: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved)
}

/// RFC 7636 section 4.2, S256.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

fn of_refresh_token(
    state: &mut State,
    parameters: &Parameters,
    client: &str,
    authority: &Authority,
) -> Result<Grant, Fault> {
    state.microsoft.trouble(Step::Renewal)?;
    let secret = parameters.need("refresh_token")?;
    let rotates = state.microsoft.rotates;
    let mut tokens = state.microsoft.refresh_tokens.iter_mut();
    let found = tokens.find(|token| token.secret == secret && token.grant.client == client);
    let token = found.ok_or_else(|| Fault::named(9_002_313, "invalid_grant"))?;
    if token.revoked {
        return Err(Fault::new(50_173));
    }
    if token.spent {
        let family = token.grant.family;
        state.microsoft.end_family(family);
        return Err(Fault::new(70_000));
    }
    token.spent = rotates;
    let mut grant = token.grant.clone();
    grant.tenant = state.tenant_for(&grant.account, authority)?;
    // No more than was agreed to, but perhaps less.
    if parameters.get("scope").is_some() {
        grant.scopes = parameters.scopes()?;
    }
    grant.client_info = parameters.get("client_info") == Some("1");
    Ok(grant)
}

fn tokens(shared: &Shared, state: &mut State, grant: &Grant) -> Response {
    let (resource, held) = audience(&grant.scopes).expect("they were looked at when they came");
    let now = state.now();
    let until = now + state.microsoft.access_lifetime;
    let seconds = state.microsoft.access_lifetime.as_secs();
    let access = access_token(grant, resource, &held, now..until);
    state.learn(Some(&access));
    state.tokens.push(Issued {
        tenant: Some(grant.tenant.clone()),
        is_foreign: resource != AZURE_DEVOPS,
        scopes: held.split(' ').map(str::to_owned).collect(),
        ..Issued::new(&access, Kind::Entra, &grant.account.address, until)
    });
    let shown: Vec<String> = held.split(' ').map(|scope| format!("{resource}/{scope}")).collect();
    let mut answer = Map::new();
    for (name, value) in [
        ("token_type", json!("Bearer")),
        ("scope", json!(format!("{} {resource}/.default", shown.join(" ")))),
        ("expires_in", json!(seconds)),
        ("ext_expires_in", json!(seconds)),
        ("access_token", json!(access)),
    ] {
        answer.insert(name.to_owned(), value);
    }
    let asked = |name: &str| grant.scopes.iter().any(|scope| scope == name);
    if asked("offline_access") && !state.microsoft.withholds_refresh_tokens {
        let refresh = format!("1.AX{}", random(900));
        state.learn(Some(&refresh));
        answer.insert("refresh_token".to_owned(), json!(refresh));
        answer.insert("foci".to_owned(), json!("1"));
        let token =
            RefreshToken { secret: refresh, grant: grant.clone(), spent: false, revoked: false };
        state.microsoft.refresh_tokens.push(token);
    }
    if asked("openid") {
        let id = id_token(grant, &shared.url, now..until);
        state.learn(Some(&id));
        answer.insert("id_token".to_owned(), json!(id));
    }
    if grant.client_info {
        answer.insert("client_info".to_owned(), json!(client_info(grant)));
    }
    json_response(200, &answer.into())
}
