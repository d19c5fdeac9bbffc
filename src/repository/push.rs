//! A push: plan, hook, pack, report.

use std::cell::RefCell;
use std::path::Path;

use git2::{PushOptions, RemoteCallbacks, RemoteRedirect};
use secrecy::SecretString;
use thiserror::Error;
use url::Url;

use super::advertisement;
use super::hooks::{self, Call};
use super::plan::{self, Refspecs, Update};
use super::report::Report;
use super::transport::Session;
use super::{Git, Repository};
use crate::http::{self, Client, HeaderName, Wait};
use crate::text::visible;

/// The most bytes of one line of the server that are kept.
const LINE_LIMIT: usize = 4096;

/// What is pushed where.
pub struct Push<'a> {
    /// The remote, if it has a name.
    pub remote: Option<&'a str>,
    /// Its URL as it is configured, after rewriting.
    pub url: &'a str,
    /// What is pushed.
    pub refspecs: &'a Refspecs,
    /// Finds out what would happen, and sends nothing.
    pub dry_run: bool,
    /// Runs no hook.
    pub no_verify: bool,
    /// Runs the hook.
    pub git: Option<&'a Git>,
    /// Where hooks are, if not where they usually are: `core.hooksPath`, as git has it.
    pub hooks: Option<&'a Path>,
    /// Waits where the server asks for patience before it says what it has.
    pub wait: Wait<'a>,
}

/// How the server is reached.
pub struct Access {
    /// Who sends.
    pub client: Client,
    /// The URL that was judged, which must be the one that the push arrives at.
    pub url: Url,
    /// The value of `Authorization`.
    pub authorization: Option<SecretString>,
    /// Further headers.
    pub headers: Vec<(HeaderName, SecretString)>,
}

/// What happens during a push.
pub enum Event<'a> {
    /// Objects are being counted and compressed.
    Packing {
        /// How many so far.
        done: usize,
        /// Of how many, if that is known.
        total: usize,
    },
    /// Objects are on their way.
    Sending {
        /// How many so far.
        done: usize,
        /// Of how many.
        total: usize,
        /// The bytes so far.
        bytes: usize,
    },
    /// A line of the server's, as it came.
    Remote(&'a str),
}

/// What became of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has it as it was to be; nothing had to be done if that is its kind.
    Done,
    /// It would have been sent, but for `dry_run`.
    Planned,
    /// The server refused it; its own words.
    Refused(String),
    /// It was refused here; the update's kind says why.
    Held,
    /// The server said nothing of it that can be understood.
    Unknown,
}

/// A reference of a push, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What was to be.
    pub update: Update,
    /// What became of it.
    pub outcome: Outcome,
}

impl Pushed {
    /// Whether the server has it as it was to be.
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }
}

/// Why nothing is known of any reference.
#[derive(Debug, Error)]
pub enum Error {
    /// The server was not reached, or refused to talk.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// It can't be told what to push.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// The hook did not let it happen.
    #[error(transparent)]
    Hook(#[from] hooks::Error),
    /// What the server has can't be read.
    #[error("the server's answer can't be understood: {0}")]
    Advertisement(#[from] advertisement::Error),
    /// What the server said is not git's protocol.
    #[error("the server's answer can't be understood: {0}")]
    Garbled(String),
    /// libgit2 could not do it.
    #[error("the push failed: {0}")]
    Failed(String),
    /// The connection ended after the pack was sent, so the server may have taken it.
    #[error("it is not known what the server did with the push")]
    Unknown(#[source] http::Error),
}

impl Repository {
    /// Pushes. Every reference that was asked for is accounted for.
    ///
    /// # Errors
    /// [`enum@Error`], if nothing was changed at the server or nothing is known of it.
    pub fn push(
        &self,
        push: &Push<'_>,
        access: Access,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Pushed>, Error> {
        let session = Session::new(access.client, access.url, access.authorization, access.headers);
        session.run(|| self.push_through(&session, push, on))
    }

    fn push_through(
        &self,
        session: &Session,
        push: &Push<'_>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Pushed>, Error> {
        let advertised = advertisement::read(&session.ask(push.wait)?)?;
        let updates = self.plan(push.refspecs, push.remote, &advertised)?;
        let sent: Vec<&Update> = updates.iter().filter(|update| update.kind.is_sent()).collect();
        if !push.no_verify {
            let name = push.remote.unwrap_or(push.url);
            let call = Call { git: push.git, folder: push.hooks, name, url: push.url };
            self.pre_push(&call, &sent)?;
        }
        if sent.is_empty() || push.dry_run {
            return Ok(unsent(updates));
        }
        let refspecs: Vec<String> = sent.iter().map(|update| refspec(update)).collect();
        let result = self.remote_to(push).and_then(|mut remote| send(&mut remote, &refspecs, on));
        let report = session.take_report();
        match result {
            // What the server said is the truth, where it said something.
            Err(error) if report.unpack.is_none() && report.fatal.is_none() => {
                match failed(session, &error) {
                    Error::Http(error) if session.has_sent() && may_have_done(&error) => {
                        Err(Error::Unknown(error))
                    }
                    error @ Error::Http(_) => Err(error),
                    _ if session.has_sent() => Ok(judged(updates, &report)),
                    error => Err(error),
                }
            }
            _ => Ok(judged(updates, &report)),
        }
    }

    /// The remote as libgit2 knows it, if it still leads to where the push was judged to go.
    fn remote_to(&self, push: &Push<'_>) -> Result<git2::Remote<'_>, git2::Error> {
        let Some(name) = push.remote else { return self.inner.remote_anonymous(push.url) };
        let remote = self.inner.find_remote(name)?;
        let url = remote.pushurl_bytes().unwrap_or(remote.url_bytes());
        match url == push.url.as_bytes() {
            true => Ok(remote),
            false => Err(git2::Error::from_str("the remote's URL changed after it was checked")),
        }
    }
}

/// Whether a server may have taken a pack whose answer is missing: the connection was cut, it broke
/// down over it, or what stands before it lost patience (RFC 9110, section 15.6). A 503 is said
/// before any work is done.
fn may_have_done(error: &http::Error) -> bool {
    error.refusal().is_none_or(|refusal| matches!(refusal.status, 500 | 502 | 504))
}

/// Sends the pack. The reference is named by its object: a branch that moves meanwhile is not
/// pushed as something that nobody looked at.
fn send(
    remote: &mut git2::Remote<'_>,
    refspecs: &[String],
    on: &mut dyn FnMut(Event<'_>),
) -> Result<(), git2::Error> {
    let on = RefCell::new(on);
    let lines = RefCell::new(Vec::new());
    let mut callbacks = RemoteCallbacks::new();
    callbacks.pack_progress(|_, done, total| on.borrow_mut()(Event::Packing { done, total }));
    callbacks.push_transfer_progress(|done, total, bytes| {
        on.borrow_mut()(Event::Sending { done, total, bytes });
    });
    callbacks.sideband_progress(|data| {
        split_lines(&mut lines.borrow_mut(), data, &mut |line| {
            on.borrow_mut()(Event::Remote(line))
        });
        true
    });
    let mut options = PushOptions::new();
    options
        .remote_callbacks(callbacks)
        .packbuilder_parallelism(0)
        .follow_redirects(RemoteRedirect::None);
    let result = remote.push(refspecs, Some(&mut options));
    drop(options);
    if !lines.borrow().is_empty() {
        let rest = String::from_utf8_lossy(&lines.borrow()).into_owned();
        on.borrow_mut()(Event::Remote(&rest));
    }
    result
}

/// Cuts the server's text into lines. One that ends with CR alone is overwritten by the next on a
/// terminal, as git's own progress is, so it is left out.
fn split_lines(pending: &mut Vec<u8>, data: &[u8], take: &mut dyn FnMut(&str)) {
    for &byte in data {
        match byte {
            b'\n' => {
                if pending.last() == Some(&b'\r') {
                    pending.pop();
                }
                take(&String::from_utf8_lossy(pending));
                pending.clear();
            }
            _ => {
                if pending.last() == Some(&b'\r') {
                    pending.clear();
                }
                pending.push(byte);
                if pending.len() >= LINE_LIMIT {
                    take(&String::from_utf8_lossy(pending));
                    pending.clear();
                }
            }
        }
    }
}

fn refspec(update: &Update) -> String {
    match &update.source {
        None => format!(":{}", update.reference),
        // The check for lost history is ours, made above against the same advertisement.
        Some(_) => format!("+{}:{}", update.new, update.reference),
    }
}

fn unsent(updates: Vec<Update>) -> Vec<Pushed> {
    updates
        .into_iter()
        .map(|update| {
            let outcome = match update.kind {
                plan::Kind::UpToDate => Outcome::Done,
                kind if kind.is_sent() => Outcome::Planned,
                _ => Outcome::Held,
            };
            Pushed { update, outcome }
        })
        .collect()
}

fn judged(updates: Vec<Update>, report: &Report) -> Vec<Pushed> {
    unsent(updates)
        .into_iter()
        .map(|pushed| match pushed.outcome {
            Outcome::Planned => {
                let outcome = outcome(&pushed.update.reference, report);
                Pushed { outcome, ..pushed }
            }
            _ => pushed,
        })
        .collect()
}

/// What the report says of one reference. Where unpacking failed, that is the reason: the lines of
/// the references repeat it at best.
fn outcome(reference: &str, report: &Report) -> Outcome {
    if let Some(Err(reason)) = &report.unpack {
        return Outcome::Refused(reason.clone());
    }
    match (report.of(reference), &report.fatal) {
        (Some(Err(reason)), _) => Outcome::Refused(reason.clone()),
        (Some(Ok(())), _) if report.unpack == Some(Ok(())) => Outcome::Done,
        (_, Some(reason)) => Outcome::Refused(reason.clone()),
        _ => Outcome::Unknown,
    }
}

fn failed(session: &Session, error: &git2::Error) -> Error {
    match session.take_failure() {
        Some(error) => Error::Http(error),
        None if error.class() == git2::ErrorClass::Net => Error::Garbled(visible(error.message())),
        None => Error::Failed(visible(error.message())),
    }
}
