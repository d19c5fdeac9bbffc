//! A credential: what signs a request, what git is told, what the keychain holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// The version of the record that [`Kept`] writes. A record with a higher one was written by a
/// newer program and is left alone.
const VERSION: u32 = 1;

/// What proves to Azure DevOps who asks.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A personal access token, pasted or made by us.
    Pat(Pat),
    /// Tokens of a Microsoft sign-in, where personal access tokens are forbidden.
    Entra(Entra),
}

/// A personal access token.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Pat {
    /// The token itself; its length and form are the service's business.
    #[serde(serialize_with = "exposed")]
    pub token: SecretString,
    /// When the service ends it, if that is known. A pasted token does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Its `authorizationId` at the service, if we made it and so may revoke it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// The tokens of a Microsoft sign-in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Entra {
    /// Renews the access token (RFC 6749, section 6); a renewal may bring a new one.
    #[serde(serialize_with = "exposed")]
    pub refresh_token: SecretString,
    /// Signs requests (RFC 6750), for about an hour.
    #[serde(default, serialize_with = "exposed_if_any", skip_serializing_if = "Option::is_none")]
    pub access_token: Option<SecretString>,
    /// When the access token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The tenant that issued them.
    pub tenant: String,
    /// The public client that they were issued to.
    pub client: String,
}

/// Why a kept record can't be used. It never quotes the record.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// It is not a record that we write.
    #[error("the record in the store can't be read")]
    Unreadable,
    /// It was written by a later version of this program.
    #[error("the record in the store has version {version}, and this program knows {VERSION}")]
    Newer {
        /// The version that it names.
        version: u32,
    },
}

impl Credential {
    /// A personal access token of which nothing but itself is known.
    pub fn pat(token: SecretString) -> Self {
        Self::Pat(Pat { token, expires: None, id: None })
    }

    /// `pat` or `entra`, as `status --json` says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pat(_) => "pat",
            Self::Entra(_) => "entra",
        }
    }

    /// The kind of the credential in an `Authorization` header: Azure DevOps takes Entra tokens as
    /// Bearer only, and personal access tokens as Basic only.
    pub fn kind_of_header(authorization: &SecretString) -> &'static str {
        let scheme = authorization.expose_secret().split_whitespace().next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") { "entra" } else { "pat" }
    }

    /// When a person has to sign in again, if that is known: an Entra credential renews itself.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Pat(pat) => pat.expires,
            Self::Entra(_) => None,
        }
    }

    /// Whether it is known to have ended. The service has the last word where it is not.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires().is_some_and(|expires| expires <= now)
    }

    /// The value of the `Authorization` header, for REST and git alike.
    ///
    /// A personal access token is a Basic password beside any user name ("Use personal access
    /// tokens", learn.microsoft.com), an access token a Bearer (RFC 6750, section 2.1). `None`
    /// for an Entra credential whose access token has yet to be renewed.
    pub fn authorization(&self) -> Option<SecretString> {
        match self {
            Self::Pat(pat) => {
                let pair = SecretString::from(format!(":{}", pat.token.expose_secret()));
                Some(format!("Basic {}", STANDARD.encode(pair.expose_secret())).into())
            }
            Self::Entra(entra) => {
                let token = entra.access_token.as_ref()?;
                Some(format!("Bearer {}", token.expose_secret()).into())
            }
        }
    }

    /// Every secret in it, to be kept out of what is printed.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        match self {
            Self::Pat(pat) => [Some(&pat.token), None],
            Self::Entra(entra) => [Some(&entra.refresh_token), entra.access_token.as_ref()],
        }
        .into_iter()
        .flatten()
    }

    /// Whether both hold the same secret, whatever else is known of them.
    pub fn same_secret(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pat(a), Self::Pat(b)) => a.token.expose_secret() == b.token.expose_secret(),
            (Self::Entra(a), Self::Entra(b)) => {
                a.refresh_token.expose_secret() == b.refresh_token.expose_secret()
            }
            _ => false,
        }
    }
}

/// A credential as the keychain holds it: with the account that it belongs to and the spelling
/// of the organization that the person used.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The organization's URL in its own spelling; the keychain's key is that in lower case.
    pub organization: String,
    /// Who is signed in, as the organization names the account; empty when it did not say.
    pub account: String,
    /// What signs requests.
    pub credential: Credential,
}

#[derive(Deserialize, Serialize)]
struct Record {
    version: u32,
    organization: String,
    account: String,
    #[serde(flatten)]
    secret: Secret,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Secret {
    Pat(Pat),
    Entra(Entra),
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Kept {
    /// The record as the keychain holds it: one versioned JSON object.
    pub fn to_record(&self) -> SecretString {
        let record = Record {
            version: VERSION,
            organization: self.organization.clone(),
            account: self.account.clone(),
            secret: match &self.credential {
                Credential::Pat(pat) => Secret::Pat(pat.clone()),
                Credential::Entra(entra) => Secret::Entra(entra.clone()),
            },
        };
        serde_json::to_string(&record).expect("strings and dates always have a JSON form").into()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error`], which never quotes it: serde_json's own errors do.
    pub fn from_record(record: &SecretString) -> Result<Self, Error> {
        let text = record.expose_secret();
        let Version { version } = serde_json::from_str(text).map_err(|_| Error::Unreadable)?;
        if version > VERSION {
            return Err(Error::Newer { version });
        }
        let record: Record = serde_json::from_str(text).map_err(|_| Error::Unreadable)?;
        Ok(Self {
            organization: record.organization,
            account: record.account,
            credential: match record.secret {
                Secret::Pat(pat) => Credential::Pat(pat),
                Secret::Entra(entra) => Credential::Entra(entra),
            },
        })
    }
}

/// Whether a text has one of the two forms of a personal access token: 84 characters with `AZDO` at
/// 76, or 52 of base32 with a digit ("Use personal access tokens", learn.microsoft.com). It is for
/// what may be a token by mistake, in an argument or a URL; never to refuse one as a token.
pub fn looks_like_token(text: &str) -> bool {
    let base32 = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    match text.len() {
        84 => text.get(76..80) == Some("AZDO"),
        52 => base32 && text.bytes().any(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn exposed_if_any<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => exposed(secret, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(credential: Credential) -> Kept {
        Kept {
            organization: "https://dev.azure.com/Contoso".into(),
            account: "ada@contoso.com".into(),
            credential,
        }
    }

    #[test]
    fn a_pasted_token_is_kept_as_a_versioned_record() {
        let record = kept(Credential::pat("secret".to_owned().into())).to_record();
        assert_eq!(
            record.expose_secret(),
            r#"{"version":1,"organization":"https://dev.azure.com/Contoso","account":"ada@contoso.com","kind":"pat","token":"secret"}"#
        );
    }

    #[test]
    fn what_was_kept_comes_back_whole() {
        let entra = Credential::Entra(Entra {
            refresh_token: "refresh".to_owned().into(),
            access_token: Some("access".to_owned().into()),
            expires: Some("2026-12-25T00:00:00Z".parse().unwrap()),
            tenant: "tenant".into(),
            client: "client".into(),
        });
        let record = kept(entra).to_record();
        let back = Kept::from_record(&record).unwrap();
        assert_eq!(back.to_record().expose_secret(), record.expose_secret());
        assert_eq!(back.credential.kind(), "entra");
    }

    #[test]
    fn a_record_that_can_not_be_used_is_not_quoted() {
        for (record, error) in [
            ("hunter2", Error::Unreadable),
            (r#"{"version":1,"token":"hunter2"}"#, Error::Unreadable),
            (r#"{"version":"hunter2"}"#, Error::Unreadable),
            (r#"{"version":2,"new":"hunter2"}"#, Error::Newer { version: 2 }),
        ] {
            let met = Kept::from_record(&record.to_owned().into()).unwrap_err();
            assert_eq!(met, error, "{record}");
            assert!(!format!("{met} {met:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_token_signs_as_a_basic_password_and_an_access_token_as_a_bearer() {
        let pat = Credential::pat("abc".to_owned().into());
        assert_eq!(pat.authorization().unwrap().expose_secret(), "Basic OmFiYw==");
        assert!(!format!("{pat:?}").contains("abc"));
    }

    #[test]
    fn an_ended_token_is_known_to_have_ended() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        for (expires, ended) in [
            (None, false),
            (Some("2026-11-25T12:00:01Z"), false),
            (Some("2026-11-25T12:00:00Z"), true),
        ] {
            let pat = Credential::Pat(Pat {
                token: "abc".to_owned().into(),
                expires: expires.map(|at| at.parse().unwrap()),
                id: None,
            });
            assert_eq!(pat.is_expired(now), ended, "{expires:?}");
        }
    }
}
