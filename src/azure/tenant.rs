//! Which directory an organization's accounts are in: what it says to somebody who is not signed in.

use url::Url;

use super::{CONNECTION_VERSION, Error};
use crate::http::{Client, HeaderName, Method, Request, StatusCode, WWW_AUTHENTICATE};
use crate::remote::Organization;

/// What an organization says of where its accounts sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `X-VSS-ResourceTenant`.
    pub resource_tenant: Option<String>,
    /// Each `WWW-Authenticate`.
    pub challenges: Vec<String>,
}

/// Asks an organization, in one request without a credential.
///
/// # Errors
/// [`Error::NoOrganization`], or that there was no answer.
pub fn challenge(client: &Client, organization: &Organization) -> Result<Challenge, Error> {
    let mut url = Url::parse(&organization.url())
        .expect("an organization is made from a URL that was parsed");
    let path = ["_apis", "connectionData"];
    url.path_segments_mut().expect("its scheme is http or https").extend(path);
    url.query_pairs_mut().append_pair("api-version", CONNECTION_VERSION);
    let answer = client.send(Request::new(Method::GET, url))?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Err(Error::NoOrganization { organization: organization.clone() });
    }
    let text = |value: &crate::http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let tenant = HeaderName::from_static("x-vss-resourcetenant");
    Ok(Challenge {
        resource_tenant: answer.headers().get(tenant).and_then(text),
        challenges: answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(text).collect(),
    })
}
