//! Which directory an organization's accounts are in: what it says to somebody who is not signed in.

use std::cell::Cell;

use url::Url;

use super::{CONNECTION_VERSION, Error};
use crate::http::{
    self, Client, HeaderMap, HeaderName, HeaderValue, Method, Reason, Request, Response,
    StatusCode, WWW_AUTHENTICATE, Wait,
};
use crate::remote::Organization;

/// What an organization says of where its accounts sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `X-VSS-ResourceTenant`.
    pub resource_tenant: Option<String>,
    /// Each `WWW-Authenticate`.
    pub challenges: Vec<String>,
}

/// Why an organization did not say it.
#[derive(Debug, Error)]
pub enum NotTold {
    /// There is no such organization, or there was no answer.
    #[error(transparent)]
    Failed(#[from] Error),
    /// An answer that is none to this question: that of a proxy or of the network's own sign-in, or a fault.
    #[error(
        "{host} does not say where its accounts sign in: it answered with status {status}{said}"
    )]
    Unexpected {
        /// Who was asked.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What it said, made visible, or nothing.
        said: String,
    },
}

/// Asks an organization without a credential: in one request, unless it is busy and says for how long.
///
/// # Errors
/// [`NotTold`]
pub fn challenge(
    client: &Client,
    organization: &Organization,
    wait: Wait<'_>,
) -> Result<Challenge, NotTold> {
    let mut url = Url::parse(&organization.url())
        .expect("an organization is made from a URL that was parsed");
    let path = ["_apis", "connectionData"];
    url.path_segments_mut().expect("its scheme is http or https").extend(path);
    url.query_pairs_mut().append_pair("api-version", CONNECTION_VERSION);
    let is_the_services = Cell::new(false);
    let ask = || {
        let answer = client.send(Request::new(Method::GET, url.clone()))?;
        is_the_services.set(is_marked(answer.headers()));
        told(&answer).ok_or_else(|| answer.refusal())
    };
    client
        .patiently(wait, ask)
        .map_err(|error| not_told(organization, is_the_services.get(), error))
}

/// What an answer says, if it is one of those that the service gives to somebody who is not signed in.
fn told(answer: &Response) -> Option<Challenge> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = answer.headers();
    let tenant = HeaderName::from_static("x-vss-resourcetenant");
    let challenge = Challenge {
        resource_tenant: headers.get(tenant).and_then(text),
        challenges: headers.get_all(WWW_AUTHENTICATE).iter().filter_map(text).collect(),
    };
    // A proxy or a network that wants a sign-in of its own answers with the same statuses. Taken for
    // the service's, its answer would lead to a directory that is not the organization's.
    let is_of_the_service = match answer.status() {
        StatusCode::UNAUTHORIZED => is_marked(headers) || challenge.offers_microsoft(),
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION | StatusCode::FOUND => {
            is_marked(headers)
        }
        _ => false,
    };
    is_of_the_service.then_some(challenge)
}

impl Challenge {
    fn offers_microsoft(&self) -> bool {
        let offers = |challenge: &String| {
            let challenge = challenge.to_ascii_lowercase();
            challenge.contains("bearer") || challenge.contains("tfs-federated")
        };
        self.challenges.iter().any(offers)
    }
}

/// Whether an answer has one of the headers that all of the service's have and nobody else's.
fn is_marked(headers: &HeaderMap) -> bool {
    let is_mark = |name: &HeaderName| {
        let name = name.as_str();
        name == "activityid" || name.starts_with("x-tfs-") || name.starts_with("x-vss-")
    };
    headers.keys().any(is_mark)
}

fn not_told(organization: &Organization, is_the_services: bool, error: http::Error) -> NotTold {
    let http::Error::Refused(refusal) = error else { return Error::Http(error).into() };
    let names_itself = || refusal.message.as_deref().is_some_and(|it| it.contains("Azure DevOps"));
    match refusal.reason {
        Reason::NotFound if is_the_services || names_itself() => {
            Error::NoOrganization { organization: organization.clone() }.into()
        }
        Reason::Throttled
        | Reason::Unavailable
        | Reason::Redirected
        | Reason::ProxySignIn
        | Reason::NetworkPolicy => Error::Http(http::Error::Refused(refusal)).into(),
        _ => {
            NotTold::Unexpected { said: refusal.said(), status: refusal.status, host: refusal.host }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use double::{Answer, Double, Rule};

    use super::*;
    use crate::http::Settings;
    use crate::remote::Service;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    /// What comes of an answer, and the waits for it in seconds. The double's address stands as
    /// HOST.
    fn ask(answer: Option<Answer>) -> (Result<Challenge, String>, Vec<u64>) {
        let double = Double::start();
        double.organization("contoso").tenant(TENANT);
        if let Some(answer) = answer {
            double.answer(Rule::any("/contoso/_apis/connectionData").times(1), answer);
        }
        let client = Client::new(&Settings { plain: true, ..Settings::default() }).unwrap();
        let service = Service::at(double.url()).unwrap();
        let organization = service.organization("contoso").unwrap();
        let waits: RefCell<Vec<u64>> = RefCell::default();
        let wait = |_: &str, pause: std::time::Duration| waits.borrow_mut().push(pause.as_secs());
        let told = challenge(&client, &organization, &wait);
        let host = double.url().trim_start_matches("http://").to_owned();
        (told.map_err(|error| error.to_string().replace(&host, "HOST")), waits.into_inner())
    }

    #[test]
    fn the_tenant_is_read_from_an_answer_of_the_services_alone() {
        let told = ask(None).0.unwrap();
        assert_eq!(told.resource_tenant.as_deref(), Some(TENANT));
        let marked = |answer: Answer| answer.header("X-VSS-ResourceTenant", TENANT);
        for answer in [
            Answer::status(401),
            Answer::sign_in_page(),
            Answer::html_page(),
            Answer::redirect("https://spsprodeus1.vssps.visualstudio.com/_signin"),
        ] {
            let told = ask(Some(marked(answer))).0.unwrap();
            assert_eq!(told.resource_tenant.as_deref(), Some(TENANT));
        }
        // Of personal accounts some answers say no more than this.
        let told = ask(Some(Answer::status(401).header("WWW-Authenticate", "Bearer"))).0.unwrap();
        assert_eq!(told, Challenge { resource_tenant: None, challenges: vec!["Bearer".into()] });
        for (answer, expected) in [
            (
                Answer::status(401).header("WWW-Authenticate", "Basic realm=\"Proxy\""),
                "HOST does not say where its accounts sign in: it answered with status 401",
            ),
            (
                Answer::html_page(),
                "HOST does not say where its accounts sign in: it answered with status 200",
            ),
            (
                Answer::redirect("https://hotel.example/welcome"),
                "HOST sends the request on to https://hotel.example",
            ),
            (
                Answer::title("Blocked by \u{1b}[2JExample's proxy"),
                "HOST does not say where its accounts sign in: it answered with status 403: Blocked by \\x1b[2JExample&#39;s proxy",
            ),
            (
                marked(Answer::status(400)),
                "HOST does not say where its accounts sign in: it answered with status 400",
            ),
            (Answer::status(407), "the proxy wants a user name and a password"),
            (
                Answer::conditional_access(),
                "a policy forbids access from this network or device: The conditional access policy defined by your Microsoft Entra administrator has failed (VS403463)",
            ),
            (marked(Answer::status(503)), "HOST is unavailable (status 503)"),
        ] {
            assert_eq!(ask(Some(answer)), (Err(expected.to_owned()), vec![]));
        }
    }

    #[test]
    fn only_the_service_says_that_an_organization_is_not_there() {
        for (answer, expected) in [
            (Answer::status(404).header("ActivityId", TENANT), "there is no organization contoso"),
            (
                Answer::title("Azure DevOps Services | 404 Not Found").with_status(404),
                "there is no organization contoso",
            ),
            (
                Answer::title("Nothing here").with_status(404),
                "HOST does not say where its accounts sign in: it answered with status 404: Nothing here",
            ),
            (
                Answer::status(404),
                "HOST does not say where its accounts sign in: it answered with status 404",
            ),
        ] {
            assert_eq!(ask(Some(answer)).0, Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_service_that_is_busy_is_asked_again() {
        let (told, waits) = ask(Some(Answer::throttled(7)));
        assert_eq!(told.unwrap().resource_tenant.as_deref(), Some(TENANT));
        assert_eq!(waits, [7]);
        let (told, waits) = ask(Some(Answer::throttled(600)));
        assert!(told.unwrap_err().starts_with("HOST asks for fewer requests"));
        assert!(waits.is_empty(), "{waits:?}");
    }
}
