//! The device authorization grant (RFC 8628; v2-oauth2-device-code in Microsoft's documentation).

use std::time::{Duration, SystemTime};

use axum::http::{Method, request::Parts};
use axum::response::Response;
use serde_json::{Map, json};

use super::Step;
use super::authorize::{grant, sign_in};
use super::fault::{Fault, json_response};
use super::page::{self, SignIn, not_kept};
use super::request::Parameters;
use super::state::{Authority, Device, DeviceAnswer, Grant, Script};
use crate::state::{Shared, State};
use crate::token::{random, random_of};

const LIFETIME: u64 = 900;
/// Without letters and digits that look alike.
const USER_CODE: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

pub(super) fn begin(shared: &Shared, parts: &Parts, tenant: &str, body: &[u8]) -> Response {
    let parameters = Parameters::of_form(parts, body);
    let mut state = shared.lock();
    match hand_out(shared, &mut state, tenant, &parameters) {
        Ok(response) => not_kept(response),
        Err(fault) => not_kept(fault.response()),
    }
}

fn hand_out(
    shared: &Shared,
    state: &mut State,
    tenant: &str,
    parameters: &Parameters,
) -> Result<Response, Fault> {
    parameters.check()?;
    let authority = state.authority(tenant)?;
    let client = parameters.client(state)?;
    let scopes = parameters.scopes()?;
    state.microsoft.trouble(Step::DeviceCode)?;
    let secret = format!("DAQ{}", random(160));
    state.learn(Some(&secret));
    let next = state.microsoft.next_user_code.take();
    let user_code = next.unwrap_or_else(|| random_of(USER_CODE, 9));
    let standard = format!("{}/common/oauth2/deviceauth", shared.url);
    let uri = state.microsoft.verification_uri.clone().unwrap_or(standard);
    let message = format!(
        "To sign in, use a web browser to open the page {uri} and enter the code {user_code} to \
         authenticate."
    );
    let mut answer = Map::new();
    answer.insert("user_code".to_owned(), json!(user_code));
    answer.insert("device_code".to_owned(), json!(secret));
    answer.insert("verification_uri".to_owned(), json!(uri));
    answer.insert("expires_in".to_owned(), json!(LIFETIME));
    if let Some(interval) = state.microsoft.poll_interval {
        answer.insert("interval".to_owned(), json!(interval));
    }
    answer.insert("message".to_owned(), json!(message));
    let until = state.now() + Duration::from_secs(LIFETIME);
    state.microsoft.devices.push(Device {
        secret,
        user_code,
        authority,
        client,
        scopes,
        until,
        polls: 0,
        slowed: false,
        answer: DeviceAnswer::Pending,
    });
    Ok(json_response(200, &answer.into()))
}

/// The page on which a person types the code.
pub(super) fn type_code(shared: &Shared, parts: &Parts, body: &[u8]) -> Response {
    let mut state = shared.lock();
    if parts.method != Method::POST {
        return form(&state, "", None);
    }
    let parameters = Parameters::of_form(parts, body);
    let code = parameters.get("code").unwrap_or_default().trim().to_uppercase();
    if parameters.get("answer") == Some("cancel") {
        return match decline(&mut state, &code) {
            Ok(()) => page::done("You have declined. You may close this window."),
            Err(fault) => form(&state, &code, Some(&fault)),
        };
    }
    let signed_in = sign_in(&mut state, &parameters, &Authority::Any);
    let address = match signed_in {
        Ok(grant) => grant.account.address,
        Err(fault) => return form(&state, &code, Some(&fault)),
    };
    match approve(&mut state, &code, &address) {
        Ok(()) => page::done(
            "You have signed in to Visual Studio on your device. You may now close this window.",
        ),
        Err(fault) if fault.code == 530_033 => page::dead_end(&fault),
        Err(fault) => form(&state, &code, Some(&fault)),
    }
}

fn form(state: &State, code: &str, fault: Option<&Fault>) -> Response {
    SignIn {
        heading: "Enter code to allow access",
        action: "/common/oauth2/deviceauth",
        context: None,
        code: Some(code),
        accounts: &state.accounts(),
        hint: None,
        fault,
    }
    .page()
}

fn pending<'a>(state: &'a mut State, user_code: &str) -> Result<&'a mut Device, Fault> {
    let now = state.now();
    let mut devices = state.microsoft.devices.iter_mut();
    let found = devices.find(|device| {
        device.user_code.eq_ignore_ascii_case(user_code)
            && matches!(device.answer, DeviceAnswer::Pending)
            && device.until > now
    });
    found.ok_or_else(|| Fault::new(70_018))
}

/// The account signs in for the device that shows that code.
pub(super) fn approve(state: &mut State, user_code: &str, address: &str) -> Result<(), Fault> {
    if state.microsoft.blocks_devices {
        // Said to the person at the browser alone: the device waits to the end.
        return Err(Fault::new(530_033));
    }
    let authority = pending(state, user_code)?.authority.clone();
    let grant = grant(state, address, &authority)?;
    let device = pending(state, user_code)?;
    let (client, scopes) = (device.client.clone(), device.scopes.clone());
    device.answer = DeviceAnswer::Approved(Box::new(Grant { client, scopes, ..grant }));
    Ok(())
}

pub(super) fn decline(state: &mut State, user_code: &str) -> Result<(), Fault> {
    pending(state, user_code)?.answer = DeviceAnswer::Declined;
    Ok(())
}

/// A device asks whether the person is ready.
pub(super) fn poll(state: &mut State, parameters: &Parameters) -> Result<Grant, Fault> {
    state.microsoft.trouble(Step::Poll)?;
    // `code` is what Microsoft called it before the standard.
    let secret = parameters.get("device_code").or(parameters.get("code"));
    let secret = secret.ok_or_else(|| Fault::about(900_144, "device_code"))?;
    let client = parameters.client(state)?;
    let slows_down = state.microsoft.slows_down;
    let script = state.microsoft.script.clone();
    let mut devices = state.microsoft.devices.iter_mut();
    let found = devices.find(|device| device.secret == secret && device.client == client);
    let device = found.ok_or_else(|| Fault::named(70_018, "bad_verification_code"))?;
    device.polls += 1;
    if slows_down && !device.slowed {
        device.slowed = true;
        return Err(Fault::named(90_033, "slow_down"));
    }
    let (polls, code) = (device.polls, device.user_code.clone());
    if let Some((_, script)) = script.filter(|(after, _)| polls > *after) {
        // Once somebody has answered by hand, there is nothing left to do.
        let _ = play(state, &code, script);
    }
    let now = state.now();
    let mut devices = state.microsoft.devices.iter_mut();
    let device = devices.find(|device| device.secret == secret).expect("devices stay");
    match device.answer.clone() {
        DeviceAnswer::Approved(grant) => {
            device.answer = DeviceAnswer::Spent;
            Ok(*grant)
        }
        DeviceAnswer::Declined => Err(Fault::named(65_004, "authorization_declined")),
        DeviceAnswer::Spent => Err(Fault::new(54_005)),
        DeviceAnswer::Pending if device.until <= now => Err(Fault::new(70_020)),
        DeviceAnswer::Pending => Err(Fault::new(70_016)),
    }
}

fn play(state: &mut State, code: &str, script: Script) -> Result<(), Fault> {
    match script {
        Script::Approve(address) => approve(state, code, &address),
        Script::Decline => decline(state, code),
        Script::Expire => {
            pending(state, code)?.until = SystemTime::UNIX_EPOCH;
            Ok(())
        }
    }
}
