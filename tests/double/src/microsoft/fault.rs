//! How Microsoft Entra says no (reference-error-codes and v2-oauth2-auth-code-flow in Microsoft's
//! documentation of the identity platform).

use std::time::SystemTime;

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::names::stable_id;
use crate::refusal::respond;

/// A row for each code that this double itself gives or that a client has words for: the number,
/// `error`, `suberror` (`-`: none) and the text. The documentation has the numbers and the names of
/// the errors; which goes with which is common knowledge where it does not say, so no client may
/// lean on a pair.
const KNOWN: &[(u32, &str, &str, &str)] = &[
    (
        16000,
        "interaction_required",
        "-",
        "Either multiple user identities are available for the current request or selected account is not supported for the scenario.",
    ),
    (
        28002,
        "invalid_scope",
        "-",
        "Provided value for the input parameter scope is not valid when requesting an access token.",
    ),
    (
        50011,
        "invalid_request",
        "-",
        "The redirect URI specified in the request does not match the redirect URIs configured for the application.",
    ),
    (
        50020,
        "invalid_request",
        "-",
        "User account from identity provider 'live.com' does not exist in tenant and cannot access the application in that tenant. The account needs to be added as an external user in the tenant first.",
    ),
    (50034, "invalid_grant", "-", "The user account does not exist in the directory."),
    (
        50053,
        "invalid_grant",
        "-",
        "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
    ),
    (50055, "invalid_grant", "user_password_expired", "The password is expired."),
    (50057, "invalid_grant", "-", "The user account is disabled."),
    (50058, "login_required", "-", "A silent sign-in request was sent but no user is signed in."),
    (50074, "interaction_required", "basic_action", "Strong Authentication is required."),
    (
        50076,
        "interaction_required",
        "basic_action",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '499b84ac-1321-427f-aa17-267ca6975798'.",
    ),
    (
        50079,
        "interaction_required",
        "basic_action",
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access '499b84ac-1321-427f-aa17-267ca6975798'.",
    ),
    (
        50105,
        "access_denied",
        "-",
        "Your administrator has configured the application to block users unless they are specifically granted access to the application.",
    ),
    (
        50126,
        "invalid_grant",
        "-",
        "Error validating credentials due to invalid username or password.",
    ),
    (
        50132,
        "invalid_grant",
        "bad_token",
        "The session is not valid due to password expiration or recent password change.",
    ),
    (
        50133,
        "invalid_grant",
        "bad_token",
        "The session is not valid due to password expiration or recent password change.",
    ),
    (50147, "invalid_request", "-", "Invalid size of Code_Challenge parameter."),
    (
        50173,
        "invalid_grant",
        "bad_token",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.",
    ),
    (
        53000,
        "interaction_required",
        "message_only",
        "Device is not in required device state. Conditional Access policy requires a compliant device, and the device is not compliant.",
    ),
    (
        53003,
        "interaction_required",
        "message_only",
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
    ),
    (
        54005,
        "invalid_grant",
        "-",
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
    ),
    (
        65001,
        "consent_required",
        "consent_required",
        "The user or administrator has not consented to use the application with ID '872cd9fa-d31f-45e0-9eab-6e460a02d1f1' named 'Visual Studio'. Send an interactive authorization request for this user and resource.",
    ),
    (
        65002,
        "invalid_request",
        "-",
        "Consent between first party application and first party resource must be configured via preauthorization.",
    ),
    (65004, "access_denied", "-", "User declined to consent to access the app."),
    (70000, "invalid_grant", "bad_token", "Provided grant is invalid or malformed."),
    (70003, "unsupported_grant_type", "-", "The app requested an unsupported grant type."),
    (
        70008,
        "invalid_grant",
        "token_expired",
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
    ),
    (
        70011,
        "invalid_scope",
        "-",
        "The provided value for the input parameter 'scope' is not valid.",
    ),
    (
        70016,
        "authorization_pending",
        "-",
        "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
    ),
    (
        70018,
        "bad_verification_code",
        "-",
        "Invalid verification code. The user code is mistyped or was never given.",
    ),
    (70019, "expired_token", "-", "Verification code expired."),
    (
        70020,
        "expired_token",
        "-",
        "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
    ),
    (
        70043,
        "invalid_grant",
        "bad_token",
        "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.",
    ),
    (
        90002,
        "invalid_request",
        "-",
        "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
    ),
    (90014, "invalid_request", "-", "A required field is missing from the credential."),
    (90023, "invalid_request", "-", "Unsupported value of a parameter of the request."),
    (90033, "temporarily_unavailable", "-", "A transient error has occurred. Please try again."),
    (90094, "consent_required", "-", "Admin consent is required."),
    (165_004, "invalid_request", "-", "Invalid request."),
    (500_011, "invalid_resource", "-", "The resource principal named was not found in the tenant."),
    (
        501_481,
        "invalid_grant",
        "-",
        "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
    ),
    (
        530_033,
        "interaction_required",
        "message_only",
        "The device code flow is blocked by a device policy of the organization.",
    ),
    (
        650_052,
        "invalid_client",
        "-",
        "The app needs access to a service that your organization has not subscribed to or enabled.",
    ),
    (
        700_016,
        "unauthorized_client",
        "-",
        "Application with that identifier was not found in the directory.",
    ),
    (
        700_025,
        "invalid_client",
        "-",
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    ),
    (
        700_054,
        "unsupported_response_type",
        "-",
        "response_type is not enabled for the application.",
    ),
    (
        700_082,
        "invalid_grant",
        "bad_token",
        "The refresh token has expired due to inactivity. The token was issued on 2026-01-02T03:04:05.0000000Z and was inactive for 90.00:00:00.",
    ),
    (
        900_021,
        "invalid_request",
        "-",
        "Requested tenant identifier '00000000-0000-0000-0000-000000000000' is not valid. Tenant identifiers may not be an empty GUID.",
    ),
    (
        900_023,
        "invalid_request",
        "-",
        "Specified tenant identifier is neither a valid DNS name, nor a valid external domain.",
    ),
    (900_144, "invalid_request", "-", "The request body must contain a parameter that it lacks."),
    (
        9_000_411,
        "invalid_request",
        "-",
        "The request is not properly formatted. A parameter is duplicated.",
    ),
    (9_002_313, "invalid_request", "-", "Invalid request. Request is malformed or invalid."),
    (
        9_002_332,
        "invalid_request",
        "-",
        "Application '872cd9fa-d31f-45e0-9eab-6e460a02d1f1'(Visual Studio) is configured for use by Azure Active Directory users only. Please do not use the /consumers endpoint to serve this request.",
    ),
];

/// An error of Microsoft Entra, by its number.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: u32,
    error: Option<&'static str>,
    detail: String,
}

impl Fault {
    pub(crate) fn new(code: u32) -> Fault {
        Fault { code, error: None, detail: String::new() }
    }

    /// Under another `error` than that number usually has.
    pub(crate) fn named(code: u32, error: &'static str) -> Fault {
        Fault { error: Some(error), ..Fault::new(code) }
    }

    /// With a name behind the text.
    pub(crate) fn about(code: u32, detail: &str) -> Fault {
        Fault { detail: format!(" ({detail})"), ..Fault::new(code) }
    }

    fn row(&self) -> (&'static str, &'static str, &'static str) {
        let known = KNOWN.iter().find(|(code, ..)| *code == self.code);
        let (_, error, suberror, text) =
            known.unwrap_or(&(0, "invalid_grant", "-", "The sign-in was not successful."));
        (self.error.unwrap_or(error), suberror, text)
    }

    pub(crate) fn error(&self) -> &'static str {
        self.row().0
    }

    /// What every answer calls `error_description`: four lines, parted by CR LF.
    pub(crate) fn description(&self) -> String {
        format!(
            "AADSTS{}: {}{}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
            self.code,
            self.row().2,
            self.detail,
            self.id("trace"),
            self.id("correlation"),
            timestamp()
        )
    }

    fn id(&self, what: &str) -> String {
        stable_id(&[what, &self.code.to_string()])
    }

    pub(crate) fn status(&self) -> u16 {
        match self.error() {
            "invalid_client" => 401,
            "temporarily_unavailable" => 503,
            _ => 400,
        }
    }

    /// The answer of the token endpoint and of the one for device codes.
    pub(crate) fn response(&self) -> Response {
        json_response(self.status(), &self.body())
    }

    pub(crate) fn body(&self) -> Value {
        let (error, suberror, _) = self.row();
        let mut body = Map::new();
        for (name, value) in [
            ("error", json!(error)),
            ("error_description", json!(self.description())),
            ("error_codes", json!([self.code])),
            ("timestamp", json!(timestamp())),
            ("trace_id", json!(self.id("trace"))),
            ("correlation_id", json!(self.id("correlation"))),
            (
                "error_uri",
                json!(format!("https://login.microsoftonline.com/error?code={}", self.code)),
            ),
        ] {
            body.insert(name.to_owned(), value);
        }
        if suberror != "-" {
            body.insert("suberror".to_owned(), json!(suberror));
        }
        if error == "interaction_required" {
            let claims =
                "{\"access_token\":{\"capolids\":{\"essential\":true,\"values\":[\"c1\"]}}}";
            body.insert("claims".to_owned(), json!(claims));
        }
        Value::Object(body)
    }
}

/// JSON as Microsoft Entra sends it.
pub(crate) fn json_response(status: u16, body: &Value) -> Response {
    respond(status, "application/json; charset=utf-8", body.to_string())
}

/// As in `2026-11-25 12:00:00Z`.
fn timestamp() -> String {
    let now = Timestamp::try_from(SystemTime::now()).expect("now is a time");
    now.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
