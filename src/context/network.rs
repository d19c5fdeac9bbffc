//! How the network is reached: what the environment and git's configuration say of proxies,
//! certificates and headers, and the clients that come of it.

use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::Context;
use crate::configuration::Trust;
use crate::error::{Error, Kind};
use crate::http::{
    AUTHORIZATION, COOKIE, Client, HeaderName, Limits, PROXY_AUTHORIZATION, Settings,
};
use crate::remote::Organization;

impl Context {
    /// The client for REST, which nothing of a repository's own configuration touches.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub fn rest_client(&self, organization: &Organization) -> Result<Client, Error> {
        let url = Url::parse(&organization.url()).expect("an organization's URL was parsed before");
        self.client(&url, Trust::TrustedOnly)
    }

    /// The client for a host of Microsoft's that is neither an organization's nor git's.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub fn trusted_client(&self, url: &Url) -> Result<Client, Error> {
        self.client(url, Trust::TrustedOnly)
    }

    /// The client for git's requests, as git's configuration would have it for that URL.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub fn git_client(&self, url: &Url) -> Result<Client, Error> {
        self.client(url, Trust::Everyone)
    }

    /// The headers of `http.extraHeader` for a URL, as git would send them.
    ///
    /// # Errors
    /// git could not be asked.
    pub fn extra_headers(
        &self,
        url: &Url,
        trust: Trust,
    ) -> Result<Vec<(HeaderName, SecretString)>, Error> {
        let lines = self.configuration()?.all_for_url("http", "extraHeader", url, trust);
        let headers: Vec<_> = lines.into_iter().filter_map(crate::http::header_line).collect();
        // Of the others an address may be part, which is to be read.
        let signs = |name: &HeaderName| [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name);
        headers
            .iter()
            .filter(|(name, _)| signs(name))
            .for_each(|(_, value)| self.ui.conceal(value));
        Ok(headers)
    }

    /// [`Context::trusted_client`] with other limits.
    ///
    /// # Errors
    /// As there.
    pub(super) fn client_within(&self, url: &Url, limits: Limits) -> Result<Client, Error> {
        self.client_of(Settings { limits, ..self.network(url, Trust::TrustedOnly)? })
    }

    fn client(&self, url: &Url, trust: Trust) -> Result<Client, Error> {
        self.client_of(self.network(url, trust)?)
    }

    fn client_of(&self, settings: Settings) -> Result<Client, Error> {
        let mut clients = self.clients.borrow_mut();
        if let Some((_, client)) = clients.iter().find(|(met, _)| *met == settings) {
            return Ok(client.clone());
        }
        let ui = self.ui.clone();
        let client = Client::traced(&settings, Some(Arc::new(move |line| ui.detail(line))))?;
        clients.push((settings, client.clone()));
        Ok(client)
    }

    fn network(&self, url: &Url, trust: Trust) -> Result<Settings, Error> {
        let configuration = self.configuration()?;
        let verify = configuration.boolean_for_url("http", "sslVerify", url, trust)?;
        let switched_off = [
            (verify == Some(false), "http.sslVerify=false"),
            (self.environment.get("GIT_SSL_NO_VERIFY").is_some(), "GIT_SSL_NO_VERIFY"),
        ];
        if let Some((_, switch)) = switched_off.iter().find(|(is_set, _)| *is_set) {
            let message = format!("{switch} would send a credential to whoever answers");
            return Err(Error::message(Kind::Usage, message).hint(
                "name the certificate authority instead: `git config --global http.sslCAInfo FILE`",
            ));
        }
        // An empty value switches a proxy of the environment off, as with git.
        let proxy = configuration
            .for_url("http", "proxy", url, trust)
            .or_else(|| self.environment.proxy(url.scheme()));
        let certificates = self
            .environment
            .get("GIT_SSL_CAINFO")
            .or_else(|| configuration.for_url("http", "sslCAInfo", url, Trust::TrustedOnly));
        Ok(Settings {
            // Plain http is for loopback alone, and a proxy would read the credential in it.
            proxy: proxy
                .filter(|it| !it.is_empty() && url.scheme() == "https")
                .map(|it| SecretString::from(it.to_owned())),
            no_proxy: self.environment.no_proxy().map(str::to_owned),
            plain: url.scheme() == "http",
            certificates: certificates.filter(|it| !it.is_empty()).map(|it| self.home_path(it)),
            ..Settings::default()
        })
    }
}
