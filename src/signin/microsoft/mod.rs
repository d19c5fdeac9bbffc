//! A sign-in at Microsoft: OAuth 2.0 as Entra speaks it ("Microsoft identity platform and OAuth 2.0", learn.microsoft.com).
//!
//! The flows are the oauth2 crate's, over our own HTTP client. A secret is a `secrecy` type as soon as it leaves the
//! crate's. What a token says is nobody's business here but for the account's name, which is shown.

mod device;
mod refusal;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oauth2::basic::{
    BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, CsrfToken, DeviceAuthorizationUrl,
    EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use super::loopback::{self, Listener};
use crate::http::{self, Client, Method, Request, StatusCode};
use crate::text::{visible, visible_within};

pub use device::{DeviceCode, Progress};
pub use refusal::{Meaning, Refused};

/// The public client of Microsoft's own tools for git, which every tenant knows.
pub const CLIENT: &str = "872cd9fa-d31f-45e0-9eab-6e460a02d1f1";
/// Where Microsoft's sign-in is.
pub const LOGIN_URL: &str = "https://login.microsoftonline.com";
/// The tenant of whoever signs in, where the organization names none.
const ANY_TENANT: &str = "organizations";
/// How a service says that it is of no tenant: one of personal accounts.
const NO_TENANT: &str = "00000000-0000-0000-0000-000000000000";
/// The directory of personal accounts, and the one that gives them tokens for services of companies ("OpenID Connect on
/// the Microsoft identity platform", learn.microsoft.com; Git Credential Manager's sources).
const PERSONAL_TENANTS: [&str; 2] =
    ["9188040d-6c67-4c5b-b112-36a304b66dad", "f8cdef31-a31e-4b4a-93e4-5f571e91255a"];
/// Azure DevOps, in all that the account may do there; what is kept is narrower where it can be. The others bring a
/// refresh token and the account's name.
const SCOPES: [&str; 4] =
    ["499b84ac-1321-427f-aa17-267ca6975798/.default", "offline_access", "openid", "profile"];
/// Where Microsoft's own headers say that a sign-in is.
const HOSTS: [&str; 4] =
    ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"];
/// The most bytes of an answer.
const LARGEST: usize = 1 << 20;
/// The most characters of an account's name that are shown.
const SHOWN: usize = 200;

/// Why nobody was signed in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There was no answer, or none that can be read.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// Microsoft refused.
    #[error("Microsoft refused the sign-in: {0}")]
    Refused(Refused),
    /// What came is no token that signs requests (RFC 6750).
    #[error("{host} answered without a token that can be used")]
    NoToken {
        /// Who answered.
        host: String,
    },
    /// What came is no code that a person can type (RFC 8628, section 3.2).
    #[error("{host} answered without a code for another device that can be used")]
    NoCode {
        /// Who answered.
        host: String,
    },
    /// Somebody else says to have issued the code (RFC 9207).
    #[error("the answer in the browser is of another sign-in, {issuer}")]
    OtherIssuer {
        /// Who, made visible.
        issuer: String,
    },
    /// The tokens are of another sign-in than the one in use, and go nowhere else.
    #[error("the sign-in was made at {issued}, and {used} is in use")]
    OtherAuthority {
        /// Where it was made.
        issued: String,
        /// What is in use.
        used: String,
    },
    /// A host that is none of Microsoft's.
    #[error("{host} is no host of Microsoft's sign-in")]
    UnknownHost {
        /// It, made visible.
        host: String,
    },
    /// The page for a code is none of Microsoft's.
    #[error("{host}, where the code is to be typed, is no host of Microsoft's sign-in")]
    UnknownPage {
        /// Its host, made visible.
        host: String,
    },
    /// A name of a tenant that is none.
    #[error("{tenant} is no tenant: it is an id or a domain")]
    Tenant {
        /// What it is, made visible.
        tenant: String,
    },
    /// Nothing came from the browser.
    #[error(transparent)]
    Loopback(#[from] loopback::Error),
    /// Nobody used the code.
    #[error("nobody used the code within {minutes} minutes")]
    CodeEnded {
        /// How long it was good for.
        minutes: u64,
    },
}

impl Error {
    /// Whether a renewal that failed so will fail again: the person has to sign in anew (RFC 6749, section 5.2; "Handling
    /// errors", learn.microsoft.com).
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.is_end())
    }
}

/// Whose accounts sign in, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Without a slash at its end.
    base: String,
    tenant: String,
}

impl Authority {
    /// A tenant by its id or domain. `base` is [`LOGIN_URL`] or what stands in its place.
    ///
    /// # Errors
    /// [`Error::Tenant`]
    pub fn new(base: &str, tenant: &str) -> Result<Self, Error> {
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let is_name = !tenant.is_empty() && tenant.len() <= 255 && !tenant.starts_with('.');
        if !is_name || !tenant.bytes().all(may_be) {
            return Err(Error::Tenant { tenant: visible_within(tenant, 80) });
        }
        let tenant = if tenant == NO_TENANT { ANY_TENANT } else { tenant };
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { base, tenant: tenant.to_ascii_lowercase() })
    }

    /// The tenant that an organization's headers name: `X-VSS-ResourceTenant`, else the `authorization_uri` of
    /// `WWW-Authenticate: Bearer`.
    ///
    /// # Errors
    /// [`Error::UnknownHost`] if the latter is no host of Microsoft's: what is typed there would be somebody else's.
    pub fn of_organization(
        base: &str,
        resource_tenant: Option<&str>,
        challenges: &[&str],
    ) -> Result<Self, Error> {
        if let Some(tenant) = resource_tenant.map(str::trim).filter(|tenant| !tenant.is_empty()) {
            return Self::new(base, tenant);
        }
        for challenge in challenges {
            let Some(uri) = authorization_uri(challenge) else { continue };
            let Some(host) = uri.host_str().map(str::to_owned) else { continue };
            let is_own = Url::parse(base).is_ok_and(|base| base.host_str() == Some(&host));
            if !is_own && !HOSTS.contains(&&*host) {
                return Err(Error::UnknownHost { host: visible_within(&host, 100) });
            }
            let tenant = uri.path_segments().and_then(|mut segments| segments.next());
            return Self::new(base, tenant.unwrap_or(ANY_TENANT));
        }
        Self::new(base, ANY_TENANT)
    }

    /// The tenant's id or domain; `organizations` where the account decides.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Whether the account decides in which tenant it signs in.
    pub fn is_any(&self) -> bool {
        self.tenant == ANY_TENANT
    }

    /// Whether a sign-in of the tenant with that id is one of this authority: any is where the account decides, or where
    /// only a domain is known.
    pub fn admits(&self, tenant: &str) -> bool {
        !is_id(&self.tenant) || self.tenant == tenant
    }

    /// The URL below which all of it is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether an answer of this authority may name that issuer, which is compared as it is written (RFC 9207, section
    /// 2.4). Microsoft's has the tenant's id in it ("OpenID Connect on the Microsoft identity platform",
    /// learn.microsoft.com), which is not known where the account decides, or a domain was named.
    fn issues_as(&self, issuer: &str) -> bool {
        let tenant = issuer
            .strip_prefix(&*self.base)
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| rest.strip_suffix("/v2.0"));
        tenant.is_some_and(|tenant| is_id(tenant) && self.admits(tenant))
    }

    fn endpoint(&self, name: &str) -> String {
        format!("{}/{}/oauth2/v2.0/{name}", self.base, self.tenant)
    }
}

/// Whether a tenant is named by its id, 8-4-4-4-12 digits of 16, and not by a domain or as `organizations`.
fn is_id(tenant: &str) -> bool {
    let groups = tenant.split('-');
    let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    groups.clone().all(is_hex) && groups.map(str::len).eq([8, 4, 4, 4, 12])
}

/// The `authorization_uri` of one challenge, or of several in one line.
fn authorization_uri(challenge: &str) -> Option<Url> {
    const NAME: &str = "authorization_uri=";
    // Only ASCII is made lower, so the places stay.
    let at = challenge.to_ascii_lowercase().find(NAME)? + NAME.len();
    let value = challenge[at..].trim_start_matches(['"', '\'']);
    let end = value.find(['"', '\'', ',', ' ']).unwrap_or(value.len());
    Url::parse(&value[..end]).ok().filter(|url| url.scheme() == "https")
}

/// What a sign-in or its renewal brought.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Signs requests.
    pub access_token: SecretString,
    /// Renews the other, if Microsoft gave one.
    pub refresh_token: Option<SecretString>,
    /// When the access token ends.
    pub expires: Timestamp,
    /// How Microsoft names the account, if it did.
    pub account: Option<String>,
    /// The id of the tenant in which it was signed in, if that was said.
    pub tenant: Option<String>,
}

impl Tokens {
    /// Whether they are of a personal account; none if that was not said.
    pub fn is_personal(&self) -> Option<bool> {
        self.tenant.as_deref().map(|tenant| PERSONAL_TENANTS.contains(&tenant))
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Extra {
    #[serde(default)]
    id_token: Option<String>,
}

impl ExtraTokenFields for Extra {}

type EntraTokens = StandardTokenResponse<Extra, BasicTokenType>;
type Entra = oauth2::Client<
    refusal::Body,
    EntraTokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Microsoft's sign-in, as one client asks it.
pub struct Microsoft<'m> {
    client: &'m Client,
    authority: &'m Authority,
    entra: Entra,
    now: &'m dyn Fn() -> Timestamp,
    conceal: &'m dyn Fn(&SecretString),
}

impl<'m> Microsoft<'m> {
    /// `client_id` is [`CLIENT`] or what stands in its place.
    ///
    /// # Errors
    /// [`Error::UnknownHost`] for a base that is no URL.
    pub fn new(
        client: &'m Client,
        authority: &'m Authority,
        client_id: &str,
        now: &'m dyn Fn() -> Timestamp,
    ) -> Result<Self, Error> {
        let bad = |_| Error::UnknownHost { host: visible(&authority.base) };
        let entra = oauth2::Client::new(ClientId::new(client_id.to_owned()))
            // A public client has no secret, and its id stands in the body (RFC 6749, section 3.2.1).
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::new(authority.endpoint("authorize")).map_err(bad)?)
            .set_token_uri(TokenUrl::new(authority.endpoint("token")).map_err(bad)?)
            .set_device_authorization_url(
                DeviceAuthorizationUrl::new(authority.endpoint("devicecode")).map_err(bad)?,
            );
        Ok(Self { client, authority, entra, now, conceal: &|_| {} })
    }

    /// Tells of each secret before it is sent, or as soon as it comes: a server may repeat it in an error, which is shown.
    #[must_use]
    pub fn concealing(self, conceal: &'m dyn Fn(&SecretString)) -> Self {
        Self { conceal, ..self }
    }

    /// Begins a sign-in in the browser: listens for the answer, and says which page asks the person.
    ///
    /// # Errors
    /// [`Error::Loopback`]
    pub fn begin(&self) -> Result<Attempt, Error> {
        // Each try has its own, and a verifier too (RFC 9700, section 2.1.1); both are 32 bytes of the system's generator.
        let state = random();
        let listener = Listener::open(state.clone())?;
        let redirect = RedirectUrl::new(listener.redirect_uri())
            .map_err(|_| Error::UnknownHost { host: listener.redirect_uri() })?;
        let (url, verifier) = self.question(&redirect, &state);
        (self.conceal)(&verifier);
        Ok(Attempt { url, listener, redirect, verifier })
    }

    /// The page that asks the person, and what proves later that it was asked for here (RFC 7636).
    fn question(&self, redirect: &RedirectUrl, state: &SecretString) -> (Url, SecretString) {
        let verifier = random();
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(
            verifier.expose_secret().to_owned(),
        ));
        let (url, _) = self
            .entra
            .authorize_url(|| CsrfToken::new(state.expose_secret().to_owned()))
            .add_scopes(scopes())
            .set_pkce_challenge(challenge)
            .set_redirect_uri(std::borrow::Cow::Borrowed(redirect))
            // In a form the code is in no address, and so in no history (RFC 9700, section 4.3.1).
            .add_extra_param("response_mode", "form_post")
            .add_extra_param("prompt", "select_account")
            .url();
        (url, verifier)
    }

    /// Waits for the browser's answer and exchanges it. The page in the browser waits for [`Landed::show`].
    ///
    /// # Errors
    /// [`enum@Error`]; the page in the browser says that nobody was signed in then.
    pub fn end(&self, attempt: Attempt, limit: Duration) -> Result<(Tokens, Landed), Error> {
        let Attempt { listener, redirect, verifier, .. } = attempt;
        let landed = Landed(listener);
        let tokens = match landed.0.wait(limit)? {
            loopback::Answer::Refused { error, description } => {
                Err(Error::Refused(Refused::read(&error, &description, &[])))
            }
            loopback::Answer::Code { code, issuer } => {
                (self.conceal)(&code);
                self.check_issuer(issuer).and_then(|()| self.redeem(&code, &redirect, &verifier))
            }
        };
        match tokens {
            Ok(tokens) => Ok((tokens, landed)),
            Err(error) => {
                // Nothing that came in is repeated: whoever sent it may not be Microsoft.
                landed.show("Not signed in", "The terminal says why, and what to do.");
                Err(error)
            }
        }
    }

    /// A code of another authority, brought here by whoever mixed the two up, is not sent to this one (RFC 9207).
    fn check_issuer(&self, issuer: Option<String>) -> Result<(), Error> {
        match issuer {
            Some(issuer) if !self.authority.issues_as(&issuer) => {
                Err(Error::OtherIssuer { issuer: visible_within(&issuer, SHOWN) })
            }
            _ => Ok(()),
        }
    }

    fn redeem(
        &self,
        code: &SecretString,
        redirect: &RedirectUrl,
        verifier: &SecretString,
    ) -> Result<Tokens, Error> {
        let answer = self
            .entra
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(std::borrow::Cow::Borrowed(redirect))
            .add_extra_param("scope", SCOPES.join(" "))
            .request(&|request| self.send(request));
        self.tokens(answer)
    }

    /// Renews an access token. What comes with it is to be kept before it is used: the refresh token may be a new one.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be renewed any more.
    pub fn renew(&self, refresh_token: &SecretString) -> Result<Tokens, Error> {
        let refresh_token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let answer = self
            .entra
            .exchange_refresh_token(&refresh_token)
            .add_scopes(scopes())
            .request(&|request| self.send(request));
        self.tokens(answer)
    }

    fn tokens(
        &self,
        answer: Result<EntraTokens, RequestTokenError<http::Error, refusal::Body>>,
    ) -> Result<Tokens, Error> {
        let no_token = || Error::NoToken { host: self.host() };
        let answer = answer.map_err(|error| match error {
            RequestTokenError::Request(error) => Error::Http(error),
            RequestTokenError::ServerResponse(body) => Error::Refused((&body).into()),
            // The others hold the answer, tokens and all.
            _ => no_token(),
        })?;
        self.read(&answer).ok_or_else(no_token)
    }

    /// None for what can't sign a request: one of another kind, or with what would end a header.
    fn read(&self, answer: &EntraTokens) -> Option<Tokens> {
        let may_be =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let access_token = answer.access_token().secret();
        if !matches!(answer.token_type(), BasicTokenType::Bearer) || !may_be(access_token) {
            return None;
        }
        let refresh_token = answer.refresh_token().map(RefreshToken::secret);
        let (account, tenant) =
            answer.extra_fields().id_token.as_deref().and_then(whose).unwrap_or_default();
        let lifetime = answer.expires_in().unwrap_or(Duration::from_secs(3600));
        Some(Tokens {
            access_token: access_token.clone().into(),
            refresh_token: refresh_token.filter(|it| may_be(it)).map(|it| it.clone().into()),
            expires: (self.now)().checked_add(lifetime).unwrap_or(Timestamp::MAX),
            account,
            tenant,
        })
    }

    /// Sends what the oauth2 crate made, and looks at the status, which the crate loses.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, http::Error> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|_| http::Error::Unreadable { host: self.host() })?;
        let mut asked = Request::new(Method::POST, url);
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                asked.headers.push((name.clone(), value.to_owned().into()));
            }
        }
        asked.body = body.into();
        let answer = self.client.send(asked)?;
        let status = answer.status();
        let is_said =
            matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
        if !is_said || !answer.is("application/json") {
            return Err(answer.refusal());
        }
        let mut response = HttpResponse::new(answer.bytes(LARGEST)?);
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(http::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        Ok(response)
    }

    fn host(&self) -> String {
        let base = Url::parse(&self.authority.base).ok();
        base.and_then(|base| base.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// A sign-in in the browser that has begun.
pub struct Attempt {
    /// The page that asks the person.
    pub url: Url,
    listener: Listener,
    redirect: RedirectUrl,
    verifier: SecretString,
}

/// The page in the browser, which waits for what came of the sign-in.
pub struct Landed(Listener);

impl Landed {
    /// Shows it, and stops listening.
    pub fn show(self, title: &str, text: &str) {
        self.0.show(title, text);
    }
}

fn scopes() -> impl Iterator<Item = Scope> {
    SCOPES.into_iter().map(|scope| Scope::new(scope.to_owned()))
}

/// 43 characters that stand for 256 bits (RFC 7636, section 7.1).
fn random() -> SecretString {
    let mut bytes = secrecy::zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).expect("a running system has random numbers");
    URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()
}

/// The account that an id token is of, and the id of its tenant. It came from the token endpoint itself, so its signature need not be looked at
/// (OpenID Connect Core 1.0, section 3.1.3.7, rule 6), and what it says opens nothing.
fn whose(id_token: &str) -> Option<(Option<String>, Option<String>)> {
    #[derive(Deserialize)]
    struct Claims {
        preferred_username: Option<String>,
        upn: Option<String>,
        email: Option<String>,
        tid: Option<String>,
    }
    let claims = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let name = claims.preferred_username.or(claims.upn).or(claims.email);
    let name = name.map(|name| visible_within(&name, SHOWN)).filter(|name| !name.is_empty());
    let tenant = claims.tid.map(|id| id.to_ascii_lowercase()).filter(|id| is_id(id));
    Some((name, tenant))
}

#[cfg(test)]
mod tests;
