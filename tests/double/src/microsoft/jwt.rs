//! Tokens as Microsoft Entra makes them, but for the signature, which nobody checks here.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::state::{Grant, PERSONAL_TENANT, TRANSFER_TENANT};
use crate::names::stable_id;
use crate::token::random;

/// Azure DevOps as a resource.
pub(crate) const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// Microsoft Graph, for which a token is that names no resource.
pub(crate) const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// Groups in an access token, so that it is of the usual size: 1.5 to 3 KB. A keychain that cannot
/// hold more than 2,560 bytes must meet that here.
const GROUPS: usize = 24;

pub(crate) fn access_token(
    grant: &Grant,
    audience: &str,
    scopes: &str,
    life: Range<SystemTime>,
) -> String {
    if grant.tenant == TRANSFER_TENANT {
        // Of a personal account it is encrypted, and no client can read it.
        return format!("EwB{}", random(1_600));
    }
    let account = &grant.account;
    let groups: Vec<String> =
        (0..GROUPS).map(|number| stable_id(&["group", &number.to_string()])).collect();
    token(&json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{}/", grant.tenant),
        "iat": seconds(life.start),
        "nbf": seconds(life.start),
        "exp": seconds(life.end),
        "appid": grant.client,
        "groups": groups,
        "name": account.display_name,
        "oid": account.id(),
        "scp": scopes,
        "tid": grant.tenant,
        "unique_name": account.address,
        "upn": account.address,
        "uti": random(22),
        "ver": "1.0",
    }))
}

pub(crate) fn id_token(grant: &Grant, url: &str, life: Range<SystemTime>) -> String {
    let account = &grant.account;
    let mut claims = json!({
        "aud": grant.client,
        "iss": issuer(url, home(grant)),
        "iat": seconds(life.start),
        "nbf": seconds(life.start),
        "exp": seconds(life.end),
        "oid": account.id(),
        "sub": stable_id(&["subject", &account.address]),
        "tid": home(grant),
        "uti": random(22),
        "ver": "2.0",
    });
    if grant.scopes.iter().any(|scope| scope == "profile") {
        claims["name"] = json!(account.display_name);
        claims["preferred_username"] = json!(account.address);
    }
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = json!(nonce);
    }
    token(&claims)
}

/// What a client that asks for it is told of the account beside the tokens.
pub(crate) fn client_info(grant: &Grant) -> String {
    encode(&json!({"uid": grant.account.id(), "utid": home(grant)}))
}

/// Who signed an id token.
pub(crate) fn issuer(url: &str, tenant: &str) -> String {
    format!("{url}/{tenant}/v2.0")
}

fn home(grant: &Grant) -> &str {
    if grant.tenant == TRANSFER_TENANT { PERSONAL_TENANT } else { &grant.tenant }
}

fn token(claims: &Value) -> String {
    let head = json!({"typ": "JWT", "alg": "RS256", "kid": "HS23b7Do7TcaU1RoLHwpIq24VYg"});
    format!("{}.{}.{}", encode(&head), encode(claims), random(342))
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).expect("times are after 1970").as_secs()
}
