//! A loopback Azure DevOps with real `git http-backend` behind it, and Git LFS.
//!
//! [`Double::start`] serves on 127.0.0.1 what `dev.azure.com`, `vssps.dev.azure.com`,
//! `app.vssps.visualstudio.com` and `login.microsoftonline.com` serve, all four below
//! [`Double::url`]: organization `contoso` is `{url}/contoso`, and a person signs in below
//! `{url}/TENANT/oauth2` ([`Double::microsoft`]). A test makes an [`Organization`], gives it people, projects and repositories,
//! hands out tokens, and afterwards reads what was asked of the service ([`Double::requests`]) and
//! what arrived in the bare repositories.
//!
//! It is meant to be as unkind as the service: it answers a refused call with a redirect or with a
//! page of HTML, gives reasons only in headers, refuses a push inside a 200, and lets a list lag
//! behind. What it doesn't serve it remembers, and dropping it then fails the test.
//!
//! ```no_run
//! use double::{Answer, Double, Rule, Token};
//!
//! let double = Double::start();
//! let contoso = double.organization("contoso").person("ada@contoso.com", "Ada Lovelace");
//! contoso.project("shop");
//! let bare = contoso.repository("shop", "web");
//! let token = contoso.token(Token::new().scopes("vso.code_manage vso.project"));
//! double.answer(Rule::any("…/info/refs").times(1), Answer::throttled(1));
//! // … run the program under test with `token` against `double.url()` …
//! assert!(double.requests().iter().all(|request| request.status != 500));
//! # drop((bare, token));
//! ```

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod answer;
mod authentication;
mod git;
mod hosts;
mod json;
mod lfs;
mod log;
mod microsoft;
mod names;
mod organization;
mod packet;
mod refusal;
mod rest;
mod server;
mod state;
mod token;
mod upload;

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::server::Server;
use crate::state::Shared;

pub use crate::answer::{Answer, Rule};
pub use crate::hosts::Hosts;
pub use crate::log::Request;
pub use crate::microsoft::{Landing, Microsoft, Redemption, Step};
pub use crate::organization::{MadeToken, Organization, SignedOut};
pub use crate::token::Token;

/// A running stand-in for Azure DevOps; it stops when it is dropped.
///
/// # Panics
///
/// Dropping it panics (unless the thread is already panicking) when it was asked for something
/// that it doesn't serve, see [`Double::expect_unserved`].
pub struct Double {
    shared: Arc<Shared>,
    server: Option<Server>,
    // Behind the server, so that no git still writes there when it is removed.
    _folder: Option<tempfile::TempDir>,
}

impl Double {
    /// Starts on a free port of 127.0.0.1, with its repositories in a temporary folder.
    ///
    /// # Panics
    ///
    /// When no port can be had or git is not installed: no test can go on without them.
    pub fn start() -> Double {
        let folder = tempfile::tempdir().expect("a temporary folder for the bare repositories");
        let root = folder.path().to_owned();
        Double::start_with(&root, Some(folder))
    }

    /// Like [`Double::start`], with the bare repositories at `root/ORGANIZATION/PROJECT/REPOSITORY.git`.
    /// A repository that is already there is served as it is, once its name is given to
    /// [`Organization::repository`].
    ///
    /// # Panics
    ///
    /// As [`Double::start`].
    pub fn start_in(root: &Path) -> Double {
        Double::start_with(root, None)
    }

    fn start_with(root: &Path, folder: Option<tempfile::TempDir>) -> Double {
        let listener = server::listen();
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::new(address.port(), root.to_owned(), git::http_backend()));
        let server = Server::start(listener, Arc::clone(&shared));
        Double { shared, server: Some(server), _folder: folder }
    }

    /// `http://127.0.0.1:PORT`, which stands instead of `https://dev.azure.com` and of the two
    /// identity hosts; without a slash at the end.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// From now on it is the real hosts as well: `dev.azure.com`, `vssps.dev.azure.com`,
    /// `app.vssps.visualstudio.com`, every `ORGANIZATION.visualstudio.com` and
    /// `login.microsoftonline.com`, over TLS and behind a proxy that leads nowhere else. What
    /// comes that way is logged with the organization in front of the path; the header `host` tells
    /// the hosts apart. Addresses in the answers stay those below [`Double::url`], and
    /// [`Answer::reset`], [`Answer::silent`] and [`Answer::raw`] are 500 there.
    ///
    /// # Panics
    ///
    /// As [`Double::start`].
    pub fn hosts(&self) -> Hosts {
        let listener = server::listen();
        let (hosts, settings) = Hosts::new(&listener, &self.shared.root);
        let server = self.server.as_ref().expect("it is stopped only when it is dropped");
        server.spawn(hosts::accept(listener, settings, Arc::clone(&self.shared)));
        hosts
    }

    /// The organization of that name, made if there is none yet (the name without regard to case).
    /// A new one is backed by a Microsoft Entra tenant and has nobody in it.
    pub fn organization(&self, name: &str) -> Organization {
        Organization::open(Arc::clone(&self.shared), name)
    }

    /// Microsoft's sign-in, which is served at [`Double::url`] as well.
    pub fn microsoft(&self) -> Microsoft {
        Microsoft::open(Arc::clone(&self.shared))
    }

    /// Replaces what the service would answer. Of several rules that fit, the oldest that is not
    /// used up holds.
    pub fn answer(&self, rule: Rule, answer: Answer) {
        self.shared.lock().rules.push(rule.live(answer));
    }

    /// Takes all replaced answers back.
    pub fn clear_answers(&self) {
        self.shared.lock().rules.clear();
    }

    /// From now on it is that time at the service and at Microsoft, and no time passes there until
    /// another one is given. Without this its clock is the system's.
    pub fn clock_stands_at(&self, time: SystemTime) {
        self.shared.lock().clock = Some(time);
    }

    /// Every request so far, in the order in which their heads came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.iter().map(log::Entry::request).collect()
    }

    /// Forgets the requests so far (not what was asked and is unserved).
    pub fn clear_requests(&self) {
        self.shared.lock().forget_requests();
    }

    /// From now on writes a line of JSON a request, `{"method":…,"path":…,"status":…}`, to the end
    /// of that file, before the answer goes out. `status` is 0 where there is no answer; `path` is
    /// as it was sent, without the query.
    ///
    /// # Panics
    ///
    /// When the file cannot be opened.
    pub fn log_to(&self, path: &Path) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        self.shared.lock().log_file = Some(file.expect("the log can be opened"));
    }

    /// Every token and every code that was ever handed out, and the verifiers that came. No output of
    /// the program under test may hold one. The code that a device shows to its person is none.
    pub fn secrets(&self) -> Vec<String> {
        self.shared.lock().secrets.clone()
    }

    /// The requests so far that nothing serves, as `METHOD path`.
    pub fn unserved(&self) -> Vec<String> {
        self.shared.lock().unserved.clone()
    }

    /// This test asks for what the double doesn't serve, and means to.
    pub fn expect_unserved(&self) {
        self.shared.lock().unserved_is_expected = true;
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        let state = self.shared.lock();
        let unserved = state.unserved.join("\n  ");
        if !unserved.is_empty() && !state.unserved_is_expected && !std::thread::panicking() {
            drop(state);
            panic!("asked for what this Azure DevOps does not serve:\n  {unserved}");
        }
    }
}
