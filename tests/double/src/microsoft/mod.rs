//! Microsoft's sign-in: what `login.microsoftonline.com` serves, below [`Double::url`](crate::Double::url)
//! as well (`GIT_VSTS_LOGIN_URL`).
//!
//! Whoever is a member of an organization has an account in that organization's tenant, at home in
//! the first one and as a guest in the others; members of organizations of personal accounts alone
//! have a personal account. Passwords are not looked at.

mod authorize;
mod browser;
mod device;
mod fault;
mod jwt;
mod page;
mod request;
mod state;
mod token;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::request::Parts;
use axum::response::Response;
use serde_json::json;

use crate::names::same;
use crate::refusal::empty;
use crate::server::unserved;
use crate::state::Shared;
use crate::token::Kind;
use crate::upload::Upload;

use request::Part;
use state::{Account, Script, Trouble};

pub use browser::Landing;
pub(crate) use fault::Fault;
pub(crate) use request::Address;
pub(crate) use state::MicrosoftState;

/// Largest form that is read.
const BODY_LIMIT: u64 = 64 * 1024;

/// Where a sign-in can fail, for [`Microsoft::refuse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The person sends the form, and Microsoft's page says no: the program hears nothing.
    SignIn,
    /// The person has signed in, and the redirect gets the error.
    Answer,
    /// The program redeems the authorization code.
    Code,
    /// The program asks for a device code.
    DeviceCode,
    /// The program asks whether the person at the other device is ready.
    Poll,
    /// The program renews.
    Renewal,
}

/// One request to the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redemption {
    /// `authorization_code`, `device_code` (by either of its names), `refresh_token`, or what came.
    pub grant: String,
    /// Whose tokens were handed out; none if none were.
    pub account: Option<String>,
    /// The number behind AADSTS if it was refused, 70016 for a device that is to wait.
    pub error: Option<u32>,
}

/// Microsoft's side, see [`Double::microsoft`](crate::Double::microsoft). Methods that only change
/// it give the handle back.
#[derive(Clone)]
pub struct Microsoft {
    shared: Arc<Shared>,
}

impl Microsoft {
    pub(crate) fn open(shared: Arc<Shared>) -> Microsoft {
        Microsoft { shared }
    }

    fn changed(&self, change: impl FnOnce(&mut MicrosoftState)) -> Microsoft {
        change(&mut self.shared.lock().microsoft);
        self.clone()
    }

    /// A tenant (a GUID) that no organization is backed by; those of organizations are known.
    pub fn tenant(&self, tenant: &str) -> Microsoft {
        self.changed(|microsoft| microsoft.tenants.push(tenant.to_lowercase()))
    }

    /// An account at home in that tenant, whether or not it is a member of any organization; one that
    /// is known moves there.
    pub fn account(&self, address: &str, display_name: &str, tenant: &str) -> Microsoft {
        self.tenant(tenant).with_account(address, display_name, Some(tenant.to_lowercase()))
    }

    /// A personal account. It signs in at `organizations`, and its access tokens can't be read.
    pub fn personal_account(&self, address: &str, display_name: &str) -> Microsoft {
        self.with_account(address, display_name, None)
    }

    fn with_account(&self, address: &str, name: &str, home: Option<String>) -> Microsoft {
        let (address, display_name) = (address.to_owned(), name.to_owned());
        self.changed(|microsoft| {
            microsoft.accounts.retain(|account| !same(&account.address, &address));
            microsoft.accounts.push(Account { address, display_name, home });
        })
    }

    /// One more public client, beside Visual Studio's 872cd9fa-d31f-45e0-9eab-6e460a02d1f1.
    pub fn client(&self, client: &str) -> Microsoft {
        self.changed(|microsoft| microsoft.clients.push(client.to_owned()))
    }

    /// One more redirect, beside `http://localhost`, for every client; its port is not looked at.
    pub fn redirect(&self, redirect: &str) -> Microsoft {
        self.changed(|microsoft| microsoft.redirects.push(redirect.to_owned()))
    }

    /// The answer at the redirect names its issuer (RFC 9207), which Microsoft does not.
    pub fn names_issuer(&self) -> Microsoft {
        self.names_other_issuer("")
    }

    /// The answer at the redirect names that issuer, as one of another server's would.
    pub fn names_other_issuer(&self, issuer: &str) -> Microsoft {
        self.changed(|microsoft| microsoft.issuer = Some(issuer.to_owned()))
    }

    /// Access tokens last so many seconds; 3599 if nothing is said.
    pub fn access_tokens_last(&self, seconds: u64) -> Microsoft {
        self.changed(|microsoft| microsoft.access_lifetime = Duration::from_secs(seconds))
    }

    /// Every access token of a sign-in so far is expired.
    pub fn expire_access_tokens(&self) -> Microsoft {
        let mut state = self.shared.lock();
        let of_sign_ins = state.tokens.iter_mut().filter(|token| token.tenant.is_some());
        of_sign_ins.filter(|token| token.kind == Kind::Entra).for_each(|token| {
            token.valid_until = SystemTime::UNIX_EPOCH;
        });
        drop(state);
        self.clone()
    }

    /// No code that was handed out can be redeemed any more, neither at the redirect nor a device's.
    pub fn expire_codes(&self) -> Microsoft {
        self.changed(|microsoft| {
            microsoft.codes.iter_mut().for_each(|code| code.until = SystemTime::UNIX_EPOCH);
            microsoft.devices.iter_mut().for_each(|device| device.until = SystemTime::UNIX_EPOCH);
        })
    }

    /// Every refresh token so far is refused with AADSTS50173, as after a change of the password.
    pub fn revoke_refresh_tokens(&self) -> Microsoft {
        self.changed(|microsoft| {
            microsoft.refresh_tokens.iter_mut().for_each(|token| token.revoked = true);
        })
    }

    /// A refresh token can be used once. Whoever uses one twice loses all that came of the same
    /// sign-in (RFC 9700 section 4.14.2), which Microsoft does not do.
    pub fn rotates(&self) -> Microsoft {
        self.changed(|microsoft| microsoft.rotates = true)
    }

    /// Answers hold no refresh token.
    pub fn withholds_refresh_tokens(&self) -> Microsoft {
        self.changed(|microsoft| microsoft.withholds_refresh_tokens = true)
    }

    /// From now on a step fails with that AADSTS number.
    pub fn refuse(&self, step: Step, code: u32) -> Microsoft {
        self.refuse_times(step, code, usize::MAX)
    }

    /// The next so many times a step fails with that AADSTS number.
    pub fn refuse_times(&self, step: Step, code: u32, times: usize) -> Microsoft {
        self.changed(|microsoft| microsoft.troubles.push(Trouble { step, code, times }))
    }

    /// From now on the token endpoint refuses whatever comes, and repeats that parameter of it in its
    /// words for people.
    pub fn echoes(&self, parameter: &str) -> Microsoft {
        self.changed(|microsoft| microsoft.echoes = Some(parameter.to_owned()))
    }

    /// Takes all of [`Microsoft::refuse`] back.
    pub fn permit(&self) -> Microsoft {
        self.changed(|microsoft| microsoft.troubles.clear())
    }

    /// Seconds between two polls; 5 if nothing is said. None: the answer does not say.
    pub fn poll_interval(&self, seconds: Option<u64>) -> Microsoft {
        self.changed(|microsoft| microsoft.poll_interval = seconds)
    }

    /// The first poll of every device is answered `slow_down`.
    pub fn slows_down(&self) -> Microsoft {
        self.changed(|microsoft| microsoft.slows_down = true)
    }

    /// Devices are told that address instead of the double's own.
    pub fn verification_uri(&self, address: &str) -> Microsoft {
        self.changed(|microsoft| microsoft.verification_uri = Some(address.to_owned()))
    }

    /// The next device is told that code.
    pub fn next_user_code(&self, code: &str) -> Microsoft {
        self.changed(|microsoft| microsoft.next_user_code = Some(code.to_owned()))
    }

    /// A policy forbids device codes. As at Microsoft only the person's browser is told
    /// (AADSTS530033); the device is left waiting to the end.
    pub fn blocks_devices(&self) -> Microsoft {
        self.changed(|microsoft| microsoft.blocks_devices = true)
    }

    /// At every device the account signs in by itself when so many polls were told to wait.
    pub fn approves_after(&self, polls: usize, account: &str) -> Microsoft {
        self.play(polls, Script::Approve(account.to_owned()))
    }

    /// At every device the person declines when so many polls were told to wait.
    pub fn declines_after(&self, polls: usize) -> Microsoft {
        self.play(polls, Script::Decline)
    }

    /// Every device's code ends when so many polls were told to wait.
    pub fn expires_after(&self, polls: usize) -> Microsoft {
        self.play(polls, Script::Expire)
    }

    fn play(&self, polls: usize, script: Script) -> Microsoft {
        self.changed(|microsoft| microsoft.script = Some((polls, script)))
    }

    /// The account signs in for the device that shows that code.
    ///
    /// # Errors
    ///
    /// The AADSTS number that the person sees: 70018 for a code that no device shows, 530033 after
    /// [`Microsoft::blocks_devices`], 50020 and 50034 for an account that has no business there.
    pub fn approve(&self, user_code: &str, account: &str) -> Result<(), u32> {
        device::approve(&mut self.shared.lock(), user_code, account).map_err(|fault| fault.code)
    }

    /// The person declines what the device that shows that code asks for.
    ///
    /// # Errors
    ///
    /// 70018 for a code that no device shows.
    pub fn decline(&self, user_code: &str) -> Result<(), u32> {
        device::decline(&mut self.shared.lock(), user_code).map_err(|fault| fault.code)
    }

    /// The codes that devices were told, the newest last.
    pub fn user_codes(&self) -> Vec<String> {
        let state = self.shared.lock();
        state.microsoft.devices.iter().map(|device| device.user_code.clone()).collect()
    }

    /// Every request to the token endpoint so far.
    pub fn redemptions(&self) -> Vec<Redemption> {
        self.shared.lock().microsoft.redemptions.clone()
    }

    /// How many requests of that grant (see [`Redemption::grant`]) got tokens.
    pub fn accepted(&self, grant: &str) -> usize {
        let state = self.shared.lock();
        let of_grant = state.microsoft.redemptions.iter().filter(|one| one.grant == grant);
        of_grant.filter(|one| one.error.is_none()).count()
    }

    /// Plays the person and the browser: opens the address that a program wants opened, signs in as
    /// that account, and carries the answer to where the program listens. Gives the page where that
    /// ends, which is Microsoft's own if it did not let the person on. What it asks is among
    /// [`Double::requests`](crate::Double::requests), with `browser` as its `user-agent`.
    ///
    /// # Panics
    ///
    /// When a connection fails or what answers is no page with a form: there is nobody to go on.
    pub fn sign_in_at(&self, address: &str, account: &str) -> Landing {
        self.visit(address, &[("login", account), ("password", "any")])
    }

    /// Like [`Microsoft::sign_in_at`], but the person cancels.
    ///
    /// # Panics
    ///
    /// As [`Microsoft::sign_in_at`].
    pub fn cancel_at(&self, address: &str) -> Landing {
        self.visit(address, &[("answer", "cancel")])
    }

    /// An address at the real host leads here as well, see [`Double::hosts`](crate::Double::hosts).
    fn visit(&self, address: &str, words: &[(&str, &str)]) -> Landing {
        match address.strip_prefix("https://login.microsoftonline.com") {
            Some(path) => browser::visit(&format!("{}{path}", self.shared.url), words),
            None => browser::visit(address, words),
        }
    }
}

/// Answers a request to Microsoft's host.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    parts: &Parts,
    address: &Address,
    mut upload: Upload,
) -> Response {
    let Ok(body) = upload.read(BODY_LIMIT).await else { return empty(400) };
    let tenant = address.tenant.as_str();
    match (address.part, parts.method.as_str()) {
        (Part::Authorize, "GET" | "POST") => authorize::authorize(shared, parts, tenant, &body),
        (Part::Login, "POST") => authorize::login(shared, parts, tenant, &body),
        (Part::Token, "POST") => token::serve(shared, parts, tenant, &body),
        (Part::DeviceCode, "POST") => device::begin(shared, parts, tenant, &body),
        (Part::DeviceLogin, "GET" | "POST") => device::type_code(shared, parts, &body),
        (Part::Configuration, "GET") => configuration(shared, tenant),
        _ => unserved(shared, parts),
    }
}

/// OpenID Connect Discovery 1.0. Where no tenant is named Microsoft writes `{tenantid}` into the
/// issuer, which is therefore not the address that was asked for.
fn configuration(shared: &Shared, tenant: &str) -> Response {
    let issuer = match shared.lock().authority(tenant) {
        Err(fault) => return fault.response(),
        Ok(state::Authority::Any) => jwt::issuer(&shared.url, "{tenantid}"),
        Ok(state::Authority::Tenant(tenant)) => jwt::issuer(&shared.url, &tenant),
    };
    let endpoint = |name: &str| format!("{}/{tenant}/oauth2/v2.0/{name}", shared.url);
    let configuration = json!({
        "issuer": issuer,
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("token"),
        "device_authorization_endpoint": endpoint("devicecode"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
    });
    fault::json_response(200, &configuration)
}
