//! git's smart HTTP protocol over our own HTTP client (gitprotocol-http(5)).
//!
//! libgit2 has a transport of its own, and is not asked to talk: so REST and git share proxy, certificates, limits and the
//! reading of refusals, the credential goes out with the first request, to one origin, and no redirect is followed.

use secrecy::SecretString;
use url::Url;

use super::advertisement;
use crate::http::{self, ACCEPT, CACHE_CONTROL, CONTENT_TYPE, Client, HeaderName, Method};
use crate::http::{Request, Response, Upload, Wait};

/// The most bytes of the list of references: a million of them are well below it.
const ADVERTISEMENT_LIMIT: usize = 256 << 20;

/// A repository at a server, and how it is reached.
pub struct Access {
    /// Who sends.
    pub client: Client,
    /// Where the repository is, without a user part: nothing is sent elsewhere.
    pub url: Url,
    /// The value of `Authorization`.
    pub authorization: Option<SecretString>,
    /// Further headers, of `http.extraHeader`.
    pub headers: Vec<(HeaderName, SecretString)>,
}

impl Access {
    /// Asks what the server has: `GET …/info/refs?service=git-receive-pack`
    /// (gitprotocol-http(5)), as often as it may be asked where the server wants patience first.
    ///
    /// # Errors
    /// It did not answer, or said no.
    pub(super) fn ask(&self, wait: Wait<'_>) -> Result<Vec<u8>, http::Error> {
        self.client.patiently(wait, || {
            let request = self
                .request(Method::GET, "info/refs", Some("service=git-receive-pack"))
                .header(CACHE_CONTROL, "no-cache");
            let answer = self.client.send(request)?;
            let is_one = answer.is("application/x-git-receive-pack-advertisement");
            match answer.status() == 200 && is_one {
                true => answer.bytes(ADVERTISEMENT_LIMIT),
                false => Err(answer.refusal()),
            }
        })
    }

    /// Looks whether the server lets somebody push there.
    ///
    /// # Errors
    /// As of a push that ends so.
    pub fn check(&self, wait: Wait<'_>) -> Result<(), super::PushError> {
        advertisement::read(&self.ask(wait)?)?;
        Ok(())
    }

    /// Begins to send: `POST …/git-receive-pack`.
    ///
    /// # Errors
    /// It can't be asked so.
    pub(super) fn start(&self) -> Result<Upload, http::Error> {
        let request = self
            .request(Method::POST, "git-receive-pack", None)
            .header(CONTENT_TYPE, "application/x-git-receive-pack-request")
            .header(ACCEPT, "application/x-git-receive-pack-result");
        self.client.upload(request)
    }

    /// Ends what was sent, and waits for the head of the answer.
    ///
    /// # Errors
    /// It did not come, or is no answer to a push.
    pub(super) fn end(&self, upload: &mut Upload) -> Result<Response, http::Error> {
        let answer = upload.finish()?;
        match answer.status() == 200 && answer.is("application/x-git-receive-pack-result") {
            true => Ok(answer),
            false => Err(answer.refusal()),
        }
    }

    fn request(&self, method: Method, path: &str, query: Option<&str>) -> Request {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url.set_query(query);
        let mut request = Request::new(method, url).authorization(self.authorization.clone());
        request.headers.clone_from(&self.headers);
        request
    }
}
