//! The authorization endpoint and the page on which a person signs in
//! (v2-oauth2-auth-code-flow in Microsoft's documentation of the identity platform).

use std::time::Duration;

use axum::http::{Method, request::Parts};
use axum::response::Response;
use url::Url;

use super::Step;
use super::fault::Fault;
use super::jwt::{client_info, issuer};
use super::page::{self, SignIn};
use super::request::Parameters;
use super::state::{Attempt, Authority, Code, Grant, Mode};
use crate::names::{encode, stable_id};
use crate::state::{Shared, State};
use crate::token::random;

const CODE_LIFETIME: Duration = Duration::from_secs(600);

/// An attempt that can't be told to the redirect, or one that must be.
enum Refused {
    /// Nobody knows whether the redirect is the client's.
    Page(Fault),
    Redirect {
        mode: Mode,
        redirect: String,
        state: Option<String>,
        fault: Fault,
    },
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused::Page(fault)
    }
}

pub(super) fn authorize(shared: &Shared, parts: &Parts, tenant: &str, body: &[u8]) -> Response {
    let parameters = match parts.method {
        Method::POST => Parameters::of_form(parts, body),
        _ => Parameters::of_query(parts),
    };
    let mut state = shared.lock();
    match begin(&state, tenant, &parameters) {
        Ok(attempt) => {
            let page = form(&state, tenant, &attempt, None);
            state.microsoft.attempts.push(attempt);
            page
        }
        Err(Refused::Page(fault)) => page::dead_end(&fault),
        Err(Refused::Redirect { mode, redirect, state, fault }) => {
            answer_fault(mode, &redirect, state, &fault)
        }
    }
}

fn begin(state: &State, tenant: &str, parameters: &Parameters) -> Result<Attempt, Refused> {
    parameters.check()?;
    let authority = state.authority(tenant)?;
    let client = parameters.client(state)?;
    let redirect = parameters.need("redirect_uri")?.to_owned();
    let is_registered = |registered: &String| without_port(registered) == without_port(&redirect);
    if !state.microsoft.redirects.iter().any(is_registered) {
        return Err(Fault::about(50_011, &redirect).into());
    }
    let mode = match parameters.get("response_mode") {
        None | Some("query") => Mode::Query,
        Some("fragment") => Mode::Fragment,
        Some("form_post") => Mode::FormPost,
        Some(other) => return Err(Fault::about(90_023, other).into()),
    };
    let echo = parameters.get("state").map(str::to_owned);
    let checked = check(parameters);
    let refuse =
        |fault| Refused::Redirect { mode, redirect: redirect.clone(), state: echo.clone(), fault };
    let (challenge, scopes) = checked.map_err(refuse)?;
    Ok(Attempt {
        id: random(40),
        authority,
        client,
        redirect,
        mode,
        state: echo,
        challenge,
        scopes,
        nonce: parameters.get("nonce").map(str::to_owned),
        client_info: parameters.get("client_info") == Some("1"),
        hint: parameters.get("login_hint").map(str::to_owned),
    })
}

/// What is told to the redirect if it is wrong: the challenge and the scopes, if it is not.
fn check(parameters: &Parameters) -> Result<(String, Vec<String>), Fault> {
    match parameters.need("response_type")? {
        "code" => {}
        other => return Err(Fault::about(700_054, other)),
    }
    let scopes = parameters.scopes()?;
    match parameters.get("prompt") {
        None | Some("login" | "consent" | "select_account") => {}
        Some("none") => return Err(Fault::new(50_058)),
        Some(other) => return Err(Fault::about(90_023, other)),
    }
    // Stricter than Microsoft, which takes `plain` and does without: a client that fell back to
    // either would never be noticed there.
    let challenge = parameters.get("code_challenge").unwrap_or_default();
    let is_sound = parameters.get("code_challenge_method") == Some("S256") && challenge.len() == 43;
    if !is_sound {
        return Err(Fault::new(50_147));
    }
    Ok((challenge.to_owned(), scopes))
}

/// A redirect to loopback may have any port (reply-url in Microsoft's documentation); all else of it
/// is compared as it is written.
fn without_port(redirect: &str) -> String {
    let port = Url::parse(redirect).ok().and_then(|url| url.port());
    match port {
        Some(port) => redirect.replacen(&format!(":{port}"), "", 1),
        None => redirect.to_owned(),
    }
}

fn form(state: &State, tenant: &str, attempt: &Attempt, fault: Option<&Fault>) -> Response {
    SignIn {
        heading: "Pick an account",
        action: &format!("/{}/oauth2/v2.0/login", encode(tenant)),
        context: Some(&attempt.id),
        code: None,
        accounts: &state.accounts(),
        hint: attempt.hint.as_deref(),
        fault,
    }
    .page()
}

/// The person sent the form.
pub(super) fn login(shared: &Shared, parts: &Parts, tenant: &str, body: &[u8]) -> Response {
    let parameters = Parameters::of_form(parts, body);
    let mut state = shared.lock();
    let context = parameters.get("ctx").unwrap_or_default();
    let at = state.microsoft.attempts.iter().position(|attempt| attempt.id == context);
    let Some(at) = at else { return page::dead_end(&Fault::new(165_004)) };
    let attempt = state.microsoft.attempts[at].clone();
    let end = |state: &mut State| state.microsoft.attempts.remove(at);
    if parameters.get("answer") == Some("cancel") {
        end(&mut state);
        return answer_fault(attempt.mode, &attempt.redirect, attempt.state, &Fault::new(65_004));
    }
    if let Err(fault) = state.microsoft.trouble(Step::SignIn) {
        return page::dead_end(&fault);
    }
    let grant = match sign_in(&mut state, &parameters, &attempt.authority) {
        Err(fault) => return form(&state, tenant, &attempt, Some(&fault)),
        Ok(grant) => Grant {
            client: attempt.client.clone(),
            scopes: attempt.scopes.clone(),
            nonce: attempt.nonce.clone(),
            client_info: attempt.client_info,
            ..grant
        },
    };
    end(&mut state);
    if let Err(fault) = state.microsoft.trouble(Step::Answer) {
        return answer_fault(attempt.mode, &attempt.redirect, attempt.state, &fault);
    }
    let code = format!("1.AX{}", random(400));
    state.learn(Some(&code));
    let mut answer = vec![("code", code.clone())];
    if grant.client_info {
        answer.push(("client_info", client_info(&grant)));
    }
    answer.extend(attempt.state.map(|state| ("state", state)));
    answer.push(("session_state", stable_id(&["session", &grant.account.address])));
    match state.microsoft.issuer.as_deref() {
        None => {}
        Some("") => answer.push(("iss", issuer(&shared.url, &grant.tenant))),
        Some(other) => answer.push(("iss", other.to_owned())),
    }
    let until = state.now() + CODE_LIFETIME;
    state.microsoft.codes.push(Code {
        secret: code,
        grant,
        redirect: attempt.redirect.clone(),
        challenge: attempt.challenge,
        used: false,
        until,
    });
    page::answer(attempt.mode, &attempt.redirect, &answer)
}

/// The account of the form, if it may sign in there; client and scopes are for the caller to fill in.
pub(super) fn sign_in(
    state: &mut State,
    parameters: &Parameters,
    authority: &Authority,
) -> Result<Grant, Fault> {
    let address = parameters.get("login").ok_or_else(|| Fault::new(50_034))?;
    if parameters.get("password").is_none() {
        return Err(Fault::new(50_126));
    }
    grant(state, address, authority)
}

/// What an account may give to a client, whose name and scopes are for the caller to fill in.
pub(super) fn grant(
    state: &mut State,
    address: &str,
    authority: &Authority,
) -> Result<Grant, Fault> {
    let account = state.account(address).ok_or_else(|| Fault::about(50_034, address))?;
    let tenant = state.tenant_for(&account, authority)?;
    state.microsoft.families += 1;
    Ok(Grant {
        account,
        tenant,
        client: String::new(),
        scopes: Vec::new(),
        nonce: None,
        client_info: false,
        family: state.microsoft.families,
    })
}

fn answer_fault(mode: Mode, redirect: &str, state: Option<String>, fault: &Fault) -> Response {
    let mut answer =
        vec![("error", fault.error().to_owned()), ("error_description", fault.description())];
    if fault.code == 65_004 {
        answer.push(("error_subcode", "cancel".to_owned()));
    }
    answer.extend(state.map(|state| ("state", state)));
    page::answer(mode, redirect, &answer)
}
