//! A credential: what signs a request, what git is told ([`protocol`]), what the keychain holds.

pub mod protocol;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::remote::Organization;
use protocol::Description;

/// The version of the record that [`Kept`] writes. A record with a higher one was written by a
/// newer program and is left alone.
const VERSION: u32 = 1;

/// How long before its end an access token is renewed at the earliest.
const EARLY: SignedDuration = SignedDuration::from_mins(5);

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
    /// Renews the access token (RFC 6749, section 6); a renewal may bring a new one. Empty where git
    /// had an access token alone, from elsewhere.
    #[serde(serialize_with = "exposed")]
    pub refresh_token: SecretString,
    /// Signs requests (RFC 6750), for about an hour.
    #[serde(default, serialize_with = "exposed_if_any", skip_serializing_if = "Option::is_none")]
    pub access_token: Option<SecretString>,
    /// When the access token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When the access token was issued, by the clock here, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Timestamp>,
    /// The fingerprint of the access token before this one. git may come to approve it when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Where they were issued, where that is not Microsoft's own sign-in (`GIT_VSTS_LOGIN_URL`): a refresh token goes
    /// nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The tenant that issued them.
    pub tenant: String,
    /// Whether they are of a personal account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// The public client that they were issued to; empty where it is not ours.
    pub client: String,
}

impl Entra {
    /// Whether the access token can be renewed here: it was issued to a client that is known.
    pub fn is_renewable(&self) -> bool {
        !self.client.is_empty() && !self.refresh_token.expose_secret().is_empty()
    }

    /// The same without its access token, which is known again.
    fn without_access_token(self) -> Self {
        let previous = self.access_token.as_ref().map(fingerprint).or(self.previous);
        Self { access_token: None, expires: None, issued: None, previous, ..self }
    }

    /// From when on the access token is to be renewed: before its end, so that it is good as long as a request takes, and
    /// not at once where it lives for minutes alone. None where it does not end.
    pub fn due(&self) -> Option<Timestamp> {
        let expires = self.expires?;
        let lifetime = self.issued.map(|issued| expires.duration_since(issued));
        let tenth = lifetime.map(|lifetime| (lifetime / 10).max(SignedDuration::ZERO));
        let early = tenth.map_or(EARLY, |tenth| tenth.min(EARLY));
        Some(expires.checked_sub(early).unwrap_or(Timestamp::MIN))
    }

    /// The same with what a renewal brought: a refresh token that comes takes the place of the old one, which else
    /// goes on being good (RFC 6749, section 6).
    #[must_use]
    pub fn renewed(
        self,
        access_token: SecretString,
        (issued, expires): (Timestamp, Timestamp),
        refresh_token: Option<SecretString>,
    ) -> Self {
        let before = self.without_access_token();
        Self {
            access_token: Some(access_token),
            expires: Some(expires),
            issued: Some(issued),
            refresh_token: refresh_token.unwrap_or(before.refresh_token),
            ..before
        }
    }

    /// What git said would renew it, for git to hear again; nothing of a sign-in of our own, which
    /// git would hand to its other helpers.
    pub fn refresh_token_of_git(&self) -> Option<&SecretString> {
        let token = Some(&self.refresh_token).filter(|token| !token.expose_secret().is_empty());
        token.filter(|_| self.client.is_empty())
    }
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

    /// The secret that signs a request, and when it ends. `None` for an Entra credential whose access
    /// token has yet to be renewed.
    pub fn signing_secret(&self) -> Option<(&SecretString, Option<Timestamp>)> {
        match self {
            Self::Pat(pat) => Some((&pat.token, pat.expires)),
            Self::Entra(entra) => Some((entra.access_token.as_ref()?, entra.expires)),
        }
    }

    /// Whether it is a sign-in of a personal account.
    pub fn is_personal(&self) -> bool {
        matches!(self, Self::Entra(entra) if entra.personal)
    }

    /// Whether this is the secret that signs its requests.
    pub fn is_signed_by(&self, secret: &SecretString) -> bool {
        self.signing_secret().is_some_and(|(own, _)| same_text(own, secret))
    }

    /// Whether it is renewed by the same token as another: they are one sign-in, whatever access token each has.
    pub fn is_renewed_by(&self, other: &Entra) -> bool {
        let Self::Entra(own) = self else { return false };
        own.is_renewable() && same_text(&own.refresh_token, &other.refresh_token)
    }

    /// Whether this was the access token before the one that signs now.
    pub fn was_signed_by(&self, secret: &SecretString) -> bool {
        let previous = match self {
            Self::Pat(_) => None,
            Self::Entra(entra) => entra.previous.as_ref(),
        };
        previous.is_some_and(|previous| *previous == fingerprint(secret))
    }

    /// What git has approved, as a credential that can be kept.
    ///
    /// `None` for what is of no use later: what git calls ephemeral or has ended, a scheme that is none
    /// of ours, and an access token of Microsoft (RFC 7519), which ends within the hour and which nobody
    /// here can renew.
    pub fn from_git(description: &Description, now: Timestamp) -> Option<Self> {
        let is_bearer = |authtype: &String| authtype.eq_ignore_ascii_case("bearer");
        let (secret, is_token) = match (&description.credential, &description.password) {
            (Some(credential), _) if description.authtype.as_ref().is_some_and(is_bearer) => {
                (credential, true)
            }
            (None, Some(password)) => (password, description.refresh_token.is_some()),
            _ => return None,
        };
        let is_over = description.expires.is_some_and(|expires| expires <= now);
        let text = secret.expose_secret();
        if description.ephemeral || is_over || text.is_empty() || is_web_token(text) {
            return None;
        }
        let expires = description.expires;
        Some(match is_token {
            false => Self::Pat(Pat { token: secret.clone(), expires, id: None }),
            true => Self::Entra(Entra {
                refresh_token: description.refresh_token.clone().unwrap_or_default(),
                access_token: Some(secret.clone()),
                expires,
                issued: None,
                previous: None,
                authority: None,
                tenant: String::new(),
                personal: false,
                client: String::new(),
            }),
        })
    }

    /// Whether what signs can be renewed here.
    pub fn is_renewable(&self) -> bool {
        matches!(self, Self::Entra(entra) if entra.is_renewable())
    }

    /// Whether it goes on being of use when what signs has ended, or has no end that is near.
    pub fn lasts(&self, now: Timestamp) -> bool {
        match self {
            Self::Pat(_) => !self.is_expired(now),
            Self::Entra(entra) => entra.is_renewable(),
        }
    }

    /// The same with another end of what signs.
    #[must_use]
    pub fn ending(mut self, at: Timestamp) -> Self {
        match &mut self {
            Self::Pat(pat) => pat.expires = Some(at),
            Self::Entra(entra) => entra.expires = Some(at),
        }
        self
    }

    /// What is left when the service refuses what signs: of what can be renewed, all but the access
    /// token.
    #[must_use]
    pub fn without_refused(self) -> Option<Self> {
        match self {
            Self::Entra(entra) if entra.is_renewable() => {
                Some(Self::Entra(entra.without_access_token()))
            }
            _ => None,
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
                Credential::Entra(entra) => Secret::Entra(kept_of(entra)),
            },
        };
        serde_json::to_string(&record).expect("strings and dates always have a JSON form").into()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`enum@Error`], which never quotes it: serde_json's own errors do.
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

/// What is kept of a sign-in. Credential Manager takes 2,560 bytes, and what can be renewed is made anew where it is
/// needed.
fn kept_of(entra: &Entra) -> Entra {
    match cfg!(windows) && entra.is_renewable() {
        true => entra.clone().without_access_token(),
        false => entra.clone(),
    }
}

/// What a keychain's own program calls the item of an organization.
pub fn label(organization: &Organization) -> String {
    format!("Azure DevOps: {organization} (git vsts)")
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

/// By which a secret is known again, and from which nobody gets it: half of its SHA-256 (FIPS 180-4).
/// It is for whoever has the secret as well, since a short one could be guessed from it.
pub fn fingerprint(secret: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(secret.expose_secret())[..16])
}

/// Whether two secrets are the same. How long that takes tells their lengths at most.
pub fn same_text(one: &SecretString, other: &SecretString) -> bool {
    let (one, other) = (one.expose_secret().as_bytes(), other.expose_secret().as_bytes());
    let differences = one.iter().zip(other).fold(0, |met, (one, other)| met | (one ^ other));
    // Or the comparison is ended at the first difference after all.
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

/// Whether a text has the form of a JSON Web Token (RFC 7519, section 3.1): three parts, the first a
/// JSON object in base64url.
fn is_web_token(text: &str) -> bool {
    // One that is encrypted has five parts (RFC 7516).
    text.starts_with("eyJ") && matches!(text.split('.').count(), 3 | 5)
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
            issued: None,
            previous: None,
            authority: None,
            tenant: "tenant".into(),
            personal: true,
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

    fn entra(refresh_token: &str, client: &str) -> Credential {
        Credential::Entra(Entra {
            refresh_token: refresh_token.into(),
            access_token: Some("access".into()),
            expires: Some("2026-12-25T00:00:00Z".parse().unwrap()),
            issued: None,
            previous: None,
            authority: None,
            tenant: String::new(),
            personal: false,
            client: client.into(),
        })
    }

    #[test]
    fn what_git_approved_is_kept_if_it_is_of_use_later() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let token = "eyJ0eXAiOiJKV1QifQ.eyJ4IjoxfQ.c2ln";
        for (said, kept) in [
            ("password=abc", Some(r#""kind":"pat","token":"abc"}"#)),
            ("password=abc\npassword_expiry_utc=1782000000\n", None),
            (
                "password=abc\npassword_expiry_utc=1798156800\n",
                Some(r#""kind":"pat","token":"abc","expires":"2026-12-25T00:00:00Z"}"#),
            ),
            (
                "password=abc\noauth_refresh_token=r\n",
                Some(
                    r#""kind":"entra","refresh_token":"r","access_token":"abc","tenant":"","client":""}"#,
                ),
            ),
            (
                "authtype=bearer\ncredential=abc\n",
                Some(
                    r#""kind":"entra","refresh_token":"","access_token":"abc","tenant":"","client":""}"#,
                ),
            ),
            ("authtype=Bearer\ncredential=abc\nephemeral=1\n", None),
            ("authtype=Basic\ncredential=OmFiYw==\n", None),
            ("credential=abc\n", None),
            ("authtype=Digest\ncredential=abc\npassword=abc\n", None),
            ("password=\n", None),
            ("username=ada\n", None),
            (&*format!("password={token}\n"), None),
            (&*format!("password={token}\noauth_refresh_token=r\n"), None),
            (&*format!("authtype=Bearer\ncredential={token}\n"), None),
        ] {
            let description = Description::read(&mut said.as_bytes()).unwrap();
            let credential = Credential::from_git(&description, now);
            let record = credential.map(|credential| self::kept(credential).to_record());
            let record = record
                .as_ref()
                .map(|record| record.expose_secret().split_once("contoso.com\",").unwrap().1);
            assert_eq!(record, kept, "{said}");
        }
    }

    #[test]
    fn of_what_can_be_renewed_a_refusal_takes_the_access_token_alone() {
        let left = |credential: Credential| {
            let left = kept(credential.without_refused()?).to_record();
            Some(left.expose_secret().split_once("\"kind\":").unwrap().1.to_owned())
        };
        assert_eq!(left(Credential::pat("abc".into())), None);
        assert_eq!(left(entra("", "")), None);
        assert_eq!(left(entra("refresh", "")), None);
        assert_eq!(
            left(entra("refresh", "client")).as_deref(),
            Some(
                r#""entra","refresh_token":"refresh","previous":"oFYf1knNtrqnhAVfBRuteQ","tenant":"","client":"client"}"#
            )
        );
    }

    #[test]
    fn the_access_token_before_is_known_again_until_the_next_renewal() {
        let Credential::Entra(first) = entra("refresh", "client") else { unreachable!() };
        let times = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let second = first.renewed("second".into(), times, None);
        assert_eq!(second.refresh_token.expose_secret(), "refresh");
        let third = second.clone().without_access_token();
        let third = third.renewed("third".into(), times, Some("rotated".into()));
        assert_eq!(third.refresh_token.expose_secret(), "rotated");
        let (second, third) = (Credential::Entra(second), Credential::Entra(third));
        for (credential, token, was) in [
            (&second, "access", true),
            (&second, "second", false),
            (&third, "second", true),
            (&third, "access", false),
            (&Credential::pat("access".into()), "access", false),
        ] {
            assert_eq!(credential.was_signed_by(&token.into()), was, "{token}");
        }
    }

    #[test]
    fn git_hears_a_refresh_token_again_only_if_it_was_git_who_told() {
        for (refresh_token, client, heard) in
            [("r", "", true), ("", "", false), ("r", "client", false)]
        {
            let Credential::Entra(entra) = entra(refresh_token, client) else { unreachable!() };
            assert_eq!(entra.refresh_token_of_git().is_some(), heard, "{refresh_token} {client}");
        }
    }

    #[test]
    fn a_fingerprint_is_half_of_the_sum_that_others_make() {
        // `printf abc | sha256sum`: ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 …
        assert_eq!(fingerprint(&"abc".into()), "ungWv48Bz-pBQUDeXa4iIw");
        assert_ne!(fingerprint(&"abd".into()), fingerprint(&"abc".into()));
    }

    #[test]
    fn secrets_are_the_same_to_the_last_byte() {
        for (one, other, same) in [
            ("", "", true),
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("abc", "ab", false),
            ("ab", "abc", false),
            ("", "a", false),
        ] {
            assert_eq!(same_text(&one.into(), &other.into()), same, "{one} {other}");
        }
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
