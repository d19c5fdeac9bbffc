//! The identity side of the service: the tokens of a person, and the organizations that an account may use.
//!
//! It has hosts of its own, and takes the tokens of a Microsoft sign-in alone ("PAT lifecycle management REST API",
//! learn.microsoft.com).

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Error, VERSION, model, passing_through};
use crate::credential::{Credential, Pat};
use crate::http::{self, CONTENT_TYPE, Client, HeaderName, Method, Request, Wait};
use crate::remote::Organization;
use crate::text::visible_within;

/// The newest version; the call never left preview. It names the newer policies in its refusals.
const TOKENS_VERSION: &str = "7.2-preview.1";
/// What a token of ours may do: read and write code and make repositories, and see projects.
pub const TOKEN_SCOPES: &str = "vso.code_manage vso.project";
/// The most characters of what the service says that are shown.
const SHOWN: usize = 200;
/// The most pages of a person's tokens that are looked through.
const PAGES: usize = 20;
/// How far this computer's clock and the service's may be apart for a token to be taken for one that was made just now.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

/// Why no token was made.
#[derive(Debug, Error)]
pub enum NotMade {
    /// There was no answer, or the sign-in is no good.
    #[error(transparent)]
    Failed(#[from] Error),
    /// A policy of the organization's or of its directory's.
    #[error("the policies of {organization} forbid personal access tokens ({reason})")]
    Forbidden {
        /// Where.
        organization: Organization,
        /// The service's name of the policy, made visible.
        reason: String,
    },
    /// A policy caps how long a token may last.
    #[error("the policies of {organization} want a token that ends sooner")]
    TooLong {
        /// Where.
        organization: Organization,
    },
    /// The answer was lost, and so is a token that was made all the same: it could not be found and revoked.
    #[error("whether {organization} made a token is not known")]
    Lost {
        /// Where.
        organization: Organization,
        /// What became of the answer.
        #[source]
        error: Error,
    },
    /// The service makes none for this kind of account, or did not say why not.
    #[error("{organization} makes no personal access token for this account ({reason})")]
    Unable {
        /// Where.
        organization: Organization,
        /// What it said, made visible.
        reason: String,
    },
}

/// The identity side, asked with one credential.
pub struct Identity<'a> {
    /// Who sends.
    pub client: &'a Client,
    /// `https://vssps.dev.azure.com`, or what stands in its place.
    pub base: &'a Url,
    /// `https://app.vssps.visualstudio.com`, or what stands in its place.
    pub accounts: &'a Url,
    /// What signs the requests.
    pub credential: &'a Credential,
    /// Further headers of the user's own settings, none of which signs.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// Waits where the service needs time.
    pub wait: Wait<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenAnswer {
    #[serde(default)]
    pat_token: Option<TokenMade>,
    #[serde(default)]
    pat_token_error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenMade {
    #[serde(default)]
    token: Option<SecretString>,
    #[serde(default)]
    authorization_id: Option<String>,
    #[serde(default)]
    valid_to: Option<serde_json::Value>,
}

impl TokenMade {
    /// None for a date that can't be read: the token is made, and lost if the answer is given up for
    /// that.
    fn expires(&self) -> Option<Timestamp> {
        self.valid_to.as_ref()?.as_str()?.parse().ok()
    }
}

/// Not the envelope of other lists, and without the tokens themselves.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenList {
    pat_tokens: Vec<TokenListed>,
    #[serde(default)]
    continuation_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenListed {
    #[serde(default)]
    display_name: String,
    authorization_id: String,
    #[serde(default)]
    valid_from: Option<String>,
    #[serde(default)]
    valid_to: Option<String>,
}

/// A token that is to be made.
struct Wanted<'w> {
    organization: &'w Organization,
    name: &'w str,
    from: Timestamp,
    until: Timestamp,
}

#[derive(Deserialize)]
struct Profile {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    account_name: String,
    #[serde(default)]
    account_status: Option<String>,
}

/// An older form of the service answers without the envelope.
#[derive(Deserialize)]
#[serde(untagged)]
enum Accounts {
    List(model::List<Account>),
    Bare(Vec<Account>),
}

impl Identity<'_> {
    /// Makes a token for one organization, `from` now `until` then. It may end sooner than was asked for.
    ///
    /// Where the answer is lost the token is looked for in the list of the account's tokens and revoked: nobody would know
    /// of it.
    ///
    /// # Errors
    /// [`NotMade`]; a failure of the service's comes with status 200.
    pub fn make_token(
        &self,
        organization: &Organization,
        name: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Pat, NotMade> {
        let body = json!({
            "displayName": name,
            "scope": TOKEN_SCOPES,
            "validTo": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "allOrgs": false,
        });
        let mut request = self.tokens(Method::POST, organization, &[]);
        request = request.header(CONTENT_TYPE, "application/json");
        request.body = body.to_string().into();
        let wanted = Wanted { organization, name, from, until };
        let answer: TokenAnswer = match self.send(&request) {
            Ok(answer) => answer,
            // Of some kinds of account the service sends a sign-in page.
            Err(Error::Http(http::Error::Refused(refusal))) if refusal.is_about_sign_in() => {
                return Err(self.meaning(organization, refusal));
            }
            Err(Error::Http(error)) if may_be_done(&error) => {
                return Err(self.lost(&wanted, error.into()));
            }
            Err(error) => return Err(NotMade::Failed(error)),
        };
        let reason = answer.pat_token_error.as_deref().unwrap_or("none");
        match (answer.pat_token, reason) {
            (Some(made), _) => {
                let expires = made.expires();
                let Some(token) = made.token else {
                    let host = self.base.host_str().unwrap_or_default().to_owned();
                    return Err(self.lost(&wanted, http::Error::Unreadable { host }.into()));
                };
                Ok(Pat { token, expires, id: made.authorization_id })
            }
            (None, "patLifespanPolicyViolation" | "invalidValidTo") => {
                Err(NotMade::TooLong { organization: organization.clone() })
            }
            (None, reason) if is_policy(reason) => Err(NotMade::Forbidden {
                organization: organization.clone(),
                reason: visible_within(reason, SHOWN),
            }),
            (None, reason) => Err(NotMade::Unable {
                organization: organization.clone(),
                reason: visible_within(reason, SHOWN),
            }),
        }
    }

    /// What it comes to that an answer was lost.
    fn lost(&self, wanted: &Wanted<'_>, error: Error) -> NotMade {
        match self.is_undone(wanted) {
            Ok(true) => NotMade::Failed(error),
            Ok(false) | Err(_) => {
                NotMade::Lost { organization: wanted.organization.clone(), error }
            }
        }
    }

    /// Revokes what was made of a wish, and says whether nothing can be left of it.
    ///
    /// It is known by its name and by the end that was asked for, to the second: the name alone is that of every token of
    /// this computer, and the clocks need not agree. What only looks like it may be in use elsewhere.
    fn is_undone(&self, wanted: &Wanted<'_>) -> Result<bool, Error> {
        let read = |date: &Option<String>| date.as_ref()?.parse::<Timestamp>().ok();
        let (mut found, mut looks_like_it) = (false, false);
        for token in self.listed(wanted.organization)? {
            if token.display_name != wanted.name {
                continue;
            }
            if read(&token.valid_to).is_some_and(|end| end.as_second() == wanted.until.as_second())
            {
                self.revoke_token(wanted.organization, &token.authorization_id)?;
                found = true;
            } else {
                let earliest = wanted.from - SKEW;
                looks_like_it |= read(&token.valid_from).is_none_or(|from| from >= earliest);
            }
        }
        Ok(found || !looks_like_it)
    }

    /// The account's tokens that are good.
    fn listed(&self, organization: &Organization) -> Result<Vec<TokenListed>, Error> {
        let mut tokens = Vec::new();
        let mut next = String::new();
        for _ in 0..PAGES {
            let mut query = vec![("displayFilterOption", "active")];
            if !next.is_empty() {
                query.push(("continuationToken", &next));
            }
            let page: TokenList = self.send(&self.tokens(Method::GET, organization, &query))?;
            tokens.extend(page.pat_tokens);
            next = page.continuation_token.unwrap_or_default();
            if next.is_empty() {
                break;
            }
        }
        Ok(tokens)
    }

    /// An account that may not use the organization has no use for another kind of credential either.
    fn meaning(&self, organization: &Organization, refusal: Box<http::Refusal>) -> NotMade {
        match refusal.reason {
            http::Reason::NotAMember | http::Reason::NeverSeen => {
                let organization = organization.clone();
                NotMade::Failed(Error::SignedOut { organization, refusal })
            }
            _ => NotMade::Unable {
                organization: organization.clone(),
                reason: visible_within(&refusal.to_string(), SHOWN),
            },
        }
    }

    /// Revokes a token that was made here; one that is not there any more is as good as revoked.
    ///
    /// # Errors
    /// [`Error::Http`]
    pub fn revoke_token(&self, organization: &Organization, id: &str) -> Result<(), Error> {
        let request = self.tokens(Method::DELETE, organization, &[("authorizationId", id)]);
        let ask = || {
            let answer = self.client.send(request.clone())?;
            match answer.status() {
                http::StatusCode::OK
                | http::StatusCode::NO_CONTENT
                | http::StatusCode::NOT_FOUND => Ok(()),
                _ => Err(answer.refusal()),
            }
        };
        Ok(self.client.patiently(self.wait, ask)?)
    }

    /// The names of the organizations that the account may use, in order.
    ///
    /// # Errors
    /// [`Error::Http`]
    pub fn organizations(&self) -> Result<Vec<String>, Error> {
        let of = |path: &[&str], query: &[(&str, &str)]| {
            let mut url = self.accounts.clone();
            url.path_segments_mut()
                .expect("its scheme is http or https")
                .pop_if_empty()
                .extend(path);
            url.query_pairs_mut().extend_pairs(query).append_pair("api-version", VERSION);
            self.signed(Request::new(Method::GET, url))
        };
        let profile: Profile = self.send(&of(&["_apis", "profile", "profiles", "me"], &[]))?;
        let accounts = self.send(&of(&["_apis", "accounts"], &[("memberId", &profile.id)]))?;
        let (Accounts::List(model::List { value: accounts }) | Accounts::Bare(accounts)) = accounts;
        let is_there = |account: &Account| {
            !matches!(account.account_status.as_deref(), Some("disabled" | "deleted" | "moved"))
        };
        let mut names: Vec<String> = accounts
            .into_iter()
            .filter(is_there)
            .map(|account| account.account_name)
            .filter(|name| crate::remote::organization_name(name).is_ok())
            .collect();
        names.sort_by_key(|name| name.to_lowercase());
        Ok(names)
    }

    fn tokens(
        &self,
        method: Method,
        organization: &Organization,
        query: &[(&str, &str)],
    ) -> Request {
        let mut url = self.base.clone();
        let path = [organization.name(), "_apis", "tokens", "pats"];
        url.path_segments_mut().expect("its scheme is http or https").pop_if_empty().extend(path);
        url.query_pairs_mut().append_pair("api-version", TOKENS_VERSION).extend_pairs(query);
        self.signed(Request::new(method, url))
    }

    fn signed(&self, request: Request) -> Request {
        let mut request = request.authorization(self.credential.authorization());
        request.headers.clone_from(&self.headers);
        passing_through(request, self.credential)
    }

    fn send<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        Ok(self.client.json(request, self.wait)?.0)
    }
}

/// Whether what was asked for may be done though the answer says otherwise, or none came.
fn may_be_done(error: &http::Error) -> bool {
    use http::Error as E;
    match error {
        E::Silent { .. }
        | E::Stalled { .. }
        | E::Slow { .. }
        | E::Cut { .. }
        | E::TooLong { .. }
        | E::Unreadable { .. } => true,
        E::Refused(refusal) => refusal.status >= 500 || refusal.status < 300,
        _ => false,
    }
}

/// Whether a refusal is a policy's ("Manage personal access tokens with policies", learn.microsoft.com). New ones are
/// named in the same way.
fn is_policy(reason: &str) -> bool {
    reason.ends_with("PolicyViolation") || reason.eq_ignore_ascii_case("globalPATCreationBlocked")
}

#[cfg(test)]
mod tests {
    use double::{Answer, Double, Rule};
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::http::Settings;
    use crate::remote::Service;

    #[test]
    fn a_token_with_a_date_that_can_not_be_read_is_not_lost() {
        for (valid_to, expires) in [
            (json!("2026-12-25T00:00:00Z"), Some("2026-12-25T00:00:00Z")),
            (json!("2026-12-25T00:00:00.1234567Z"), Some("2026-12-25T00:00:00.1234567Z")),
            (json!("2026-12-25T01:00:00+01:00"), Some("2026-12-25T00:00:00Z")),
            (json!("25/12/2026"), None),
            (json!("0001-01-01T00:00:00"), None),
            (json!(1_798_156_800), None),
            (json!(null), None),
        ] {
            let double = Double::start();
            let made = json!({"patTokenError": "none", "patToken":
                {"token": "made", "authorizationId": "id", "validTo": valid_to}});
            double.answer(Rule::any("/contoso/_apis/tokens/pats"), Answer::json(200, &made));
            let base = Url::parse(double.url()).unwrap();
            let client = Client::new(&Settings { plain: true, ..Settings::default() }).unwrap();
            let maker = Pat { token: "maker".into(), expires: None, id: None };
            let identity = Identity {
                client: &client,
                base: &base,
                accounts: &base,
                credential: &Credential::Pat(maker),
                headers: Vec::new(),
                wait: &|_, _| {},
            };
            let contoso = Service::at(double.url()).unwrap().organization("contoso").unwrap();
            let pat = identity
                .make_token(&contoso, "name", Timestamp::UNIX_EPOCH, Timestamp::MAX)
                .unwrap();
            assert_eq!((pat.token.expose_secret(), pat.id.as_deref()), ("made", Some("id")));
            assert_eq!(pat.expires, expires.map(|it| it.parse().unwrap()), "{valid_to}");
        }
    }
}
