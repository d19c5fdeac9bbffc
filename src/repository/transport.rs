//! libgit2 over our own HTTP client.
//!
//! libgit2 has an HTTP transport of its own. This one stands in its place so that REST and git
//! share proxy, certificates, limits and the reading of refusals; so that the credential goes out
//! with the first request, to one origin; and so that no redirect is followed.

use std::cell::RefCell;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex, Once, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use secrecy::SecretString;
use url::Url;

use super::report::{Reader, Report};
use crate::http::{self, ACCEPT, CACHE_CONTROL, CONTENT_TYPE, Client, HeaderName, Method};
use crate::http::{Request, Response, Upload, Wait};
use crate::text::visible;

/// The most bytes of the list of references: a million of them are well below it.
const ADVERTISEMENT_LIMIT: usize = 256 << 20;

/// What a connection of libgit2 needs from us, and what it leaves behind.
pub struct Session {
    /// Who sends.
    pub client: Client,
    /// The one repository that is talked to, without a user part.
    pub url: Url,
    /// The value of `Authorization`.
    pub authorization: Option<SecretString>,
    /// Further headers, of `http.extraHeader`.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// What the server answered when it was asked what it has; libgit2 reads it again.
    advertisement: Mutex<Vec<u8>>,
    /// What failed beneath libgit2, which keeps the text of an error only.
    failure: Mutex<Option<http::Error>>,
    /// The answer to the pack, read beside libgit2.
    report: Mutex<Reader>,
    /// Whether any of the pack went to the server.
    sent: Mutex<bool>,
}

thread_local! {
    /// The session of the push that runs in this thread. libgit2 makes its transports in the
    /// thread that asks for them, and gives them nothing but the remote.
    static CURRENT: RefCell<Option<Arc<Session>>> = const { RefCell::new(None) };
}

impl Session {
    /// A session that has yet to be used.
    pub fn new(
        client: Client,
        url: Url,
        authorization: Option<SecretString>,
        headers: Vec<(HeaderName, SecretString)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            url,
            authorization,
            headers,
            advertisement: Mutex::default(),
            failure: Mutex::default(),
            report: Mutex::default(),
            sent: Mutex::default(),
        })
    }

    /// Asks what the server has: `GET …/info/refs?service=git-receive-pack`
    /// (gitprotocol-http(5)), as often as it may be asked where the server wants patience first.
    ///
    /// # Errors
    /// It did not answer, or said no.
    pub fn ask(&self, wait: Wait<'_>) -> Result<Vec<u8>, http::Error> {
        let bytes = self.client.patiently(wait, || {
            let request = self
                .request(Method::GET, "info/refs", Some("service=git-receive-pack"))
                .header(CACHE_CONTROL, "no-cache");
            let answer = self.client.send(request)?;
            let is_one = answer.is("application/x-git-receive-pack-advertisement");
            match answer.status() == 200 && is_one {
                true => answer.bytes(ADVERTISEMENT_LIMIT),
                false => Err(answer.refusal()),
            }
        })?;
        self.advertisement.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bytes);
        Ok(bytes)
    }

    /// Runs `work`, in which libgit2 talks through this session.
    pub fn run<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        register();
        let before = CURRENT.replace(Some(Arc::clone(self)));
        let result = work();
        CURRENT.set(before);
        result
    }

    /// What failed beneath libgit2, once.
    pub fn take_failure(&self) -> Option<http::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the server said of the pack.
    pub fn take_report(&self) -> Report {
        std::mem::take(&mut *self.report.lock().unwrap_or_else(PoisonError::into_inner)).finish()
    }

    /// Whether any of the pack went to the server, so that it may have done something.
    pub fn has_sent(&self) -> bool {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: http::Error) -> io::Error {
        // A NUL in the text of an error aborts the process inside git2; `visible` leaves none.
        let text = visible(&error.to_string());
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::other(text)
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

/// Puts our transport in the place of libgit2's, once in a process.
fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        for scheme in ["http", "https"] {
            // SAFETY: `register` must not run beside any other use of libgit2's list of
            // transports. Only a connection reads the list, and every connection of this program
            // is made inside `Session::run`, which waits for this.
            #[allow(unsafe_code)]
            let registered = unsafe {
                git2::transport::register(scheme, |remote| {
                    let session = CURRENT.with_borrow(Clone::clone);
                    Transport::smart(remote, true, Subtransport { session })
                })
            };
            // It fails for a scheme that is taken, which nobody else in this process does. A
            // connection would then go through libgit2's own transport, which was built without.
            debug_assert!(registered.is_ok(), "{scheme} is registered once");
        }
    });
}

struct Subtransport {
    session: Option<Arc<Session>>,
}

impl SmartSubtransport for Subtransport {
    fn action(
        &self,
        url: &str,
        action: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let refused = |text: &str| git2::Error::from_str(text);
        let session =
            self.session.clone().ok_or_else(|| refused("nothing was prepared for this host"))?;
        // libgit2 rewrites URLs (`url.*.insteadOf`). The one that it arrives at must be the one
        // that was judged, or the credential would go elsewhere.
        if without_user(url) != Some(without_user(session.url.as_str()).unwrap_or_default()) {
            return Err(refused("the address changed after it was checked"));
        }
        match action {
            Service::ReceivePackLs => {
                let asked = &session.advertisement;
                let bytes = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Ok(Box::new(Advertisement(Cursor::new(bytes))))
            }
            Service::ReceivePack => Ok(Box::new(Exchange { session, state: State::Idle })),
            Service::UploadPackLs | Service::UploadPack => {
                Err(refused("only pushing goes through this transport"))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

fn without_user(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// What the server has, as it answered already.
struct Advertisement(Cursor<Vec<u8>>);

impl Read for Advertisement {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Advertisement {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("an advertisement is read only"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `POST …/git-receive-pack`: libgit2 writes all of the request, then reads the answer.
struct Exchange {
    session: Arc<Session>,
    state: State,
}

enum State {
    Idle,
    Sending(Box<Upload>),
    Reading(Box<Response>),
    Over,
}

impl Exchange {
    fn start(&self) -> Result<Upload, http::Error> {
        let request = self
            .session
            .request(Method::POST, "git-receive-pack", None)
            .header(CONTENT_TYPE, "application/x-git-receive-pack-request")
            .header(ACCEPT, "application/x-git-receive-pack-result");
        self.session.client.upload(request)
    }

    fn answered(upload: Upload) -> Result<Response, http::Error> {
        let answer = upload.finish()?;
        match answer.status() == 200 && answer.is("application/x-git-receive-pack-result") {
            true => Ok(answer),
            false => Err(answer.refusal()),
        }
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if matches!(self.state, State::Idle) {
            self.state =
                State::Sending(Box::new(self.start().map_err(|error| self.session.fail(error))?));
        }
        let State::Sending(upload) = &mut self.state else {
            return Err(io::Error::other("the request has ended"));
        };
        upload.write(bytes).map_err(|error| self.session.fail(error))?;
        Ok(bytes.len())
    }

    // libgit2 never calls it: the first `read` ends the request.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.state, State::Sending(_)) {
            let State::Sending(upload) = std::mem::replace(&mut self.state, State::Over) else {
                unreachable!("matched above");
            };
            *self.session.sent.lock().unwrap_or_else(PoisonError::into_inner) = true;
            let answer = Self::answered(*upload).map_err(|error| self.session.fail(error))?;
            self.state = State::Reading(Box::new(answer));
        }
        let State::Reading(answer) = &mut self.state else {
            return Err(io::Error::other("nothing was asked"));
        };
        let count = answer.read(buffer).map_err(|error| self.session.fail(error))?;
        let mut report = self.session.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.feed(&buffer[..count]);
        Ok(count)
    }
}
