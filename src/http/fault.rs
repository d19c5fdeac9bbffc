//! What keeps a request from being answered, told apart by name.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use url::Url;

use super::{Refusal, Settings};
use crate::text::visible;

/// Why there is no answer that can be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The name has no address.
    #[error("{host} could not be found")]
    UnknownHost {
        /// The host that was looked up, or the proxy's request for it.
        host: String,
    },
    /// Nobody listens there.
    #[error("{host} refused the connection")]
    ConnectionRefused {
        /// Host and port.
        host: String,
    },
    /// No connection within the limit, or none for another reason.
    #[error("{host} can't be reached: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// TLS could not be agreed on, so nothing was sent.
    #[error("the connection to {host} is not secure: {fault}")]
    Tls {
        /// Host and port.
        host: String,
        /// What is wrong.
        fault: TlsFault,
    },
    /// The proxy itself is not there.
    #[error("the proxy {proxy} can't be reached: {reason}")]
    NoProxy {
        /// The proxy's host and port.
        proxy: String,
        /// What is wrong.
        reason: String,
    },
    /// The proxy does not connect to the host.
    #[error("the proxy {proxy} did not connect to {host}")]
    ProxyRefused {
        /// The proxy's host and port.
        proxy: String,
        /// The host behind the proxy.
        host: String,
    },
    /// The proxy wants a sign-in of its own (407).
    #[error("the proxy wants a user name and a password before it lets {host} be reached")]
    ProxySignIn {
        /// The host behind the proxy.
        host: String,
    },
    /// No byte in either direction for too long.
    #[error("{host} was silent for {seconds} s")]
    Silent {
        /// Host and port.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// Too little moved for too long.
    #[error("the connection to {host} hardly moves: fewer than {} KiB in {seconds} s", .bytes >> 10)]
    Stalled {
        /// Host and port.
        host: String,
        /// How many bytes would have been enough.
        bytes: u64,
        /// How long it was watched.
        seconds: u64,
    },
    /// An answer that came, but never to its end.
    #[error("the answer of {host} was not complete after {seconds} s")]
    Slow {
        /// Host and port.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// The connection ended in the middle.
    #[error("the connection to {host} was cut")]
    Cut {
        /// Host and port.
        host: String,
    },
    /// An answer larger than any that makes sense.
    #[error("{host} answered with more than {limit} bytes")]
    TooLong {
        /// Host and port.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// An answer of the right kind in a form that is not known.
    #[error("{host} answered in a form that is not known")]
    Unreadable {
        /// Host and port.
        host: String,
    },
    /// The server answered, and it was no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The proxy's address can't be used.
    #[error("the proxy's address can't be used: {reason}")]
    Proxy {
        /// Why not; it never holds the address, which may hold a password.
        reason: String,
    },
    /// The file of certificates can't be used.
    #[error("no certificate could be read from {}", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What the system said, if it was not its content.
        source: Option<io::Error>,
    },
    /// The client could not be built.
    #[error("the HTTP client can't be set up: {0}")]
    Setup(String),
}

/// What is wrong with a server's certificate or its TLS.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TlsFault {
    /// Issued by nobody that this system trusts.
    #[error("nobody that this system trusts issued its certificate")]
    UnknownIssuer,
    /// Past its date.
    #[error("its certificate has expired")]
    Expired,
    /// Before its date.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// The connection ended before TLS was agreed on.
    #[error("it was cut before that was agreed on")]
    Cut,
    /// What answered was no TLS.
    #[error("what answers there speaks no TLS")]
    NoTls,
    /// The server has nothing newer than TLS 1.1, or no cipher that is sound.
    #[error("the server speaks only versions or ciphers of TLS that are no longer safe")]
    Outdated,
    /// Made out to another name.
    #[error("its certificate is for another name")]
    WrongName,
    /// Self-signed and marked as a certificate authority, which rustls takes for no server even
    /// where it is trusted; git takes it.
    #[error("its certificate is marked as that of a certificate authority")]
    AuthorityAsServer,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// The refusal, if there was an answer.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the connection ended by itself, which may be mended by another.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Tls { fault: TlsFault::Cut, .. })
    }

    /// `proxy` is the proxy's host, if one is set; `silence` is when the system gives up on a
    /// connection of which nothing is heard.
    pub(super) fn from_reqwest(
        error: &reqwest::Error,
        host: &str,
        proxy: &str,
        silence: Duration,
    ) -> Self {
        let (host, proxy) = (host.to_owned(), proxy.to_owned());
        let text = chain(error);
        if text.contains("tunnel error") {
            return through_proxy(error, &text, host, proxy);
        }
        if let Some(tls) = tls(error) {
            return Self::Tls { host, fault: TlsFault::from(tls) };
        }
        if text.contains("invalid HTTP") || text.contains("message head is too large") {
            return Self::Unreadable { host };
        }
        if error.is_dns() {
            return Self::UnknownHost { host };
        }
        if error.is_timeout() {
            return match error.is_connect() {
                true => Self::Unreachable { host, reason: "no connection in time".to_owned() },
                false => Self::Silent { host, seconds: silence.as_secs() },
            };
        }
        if error.is_connect() {
            return match io_kind(error) {
                Some(io::ErrorKind::ConnectionRefused) => Self::ConnectionRefused { host },
                // Before it was connected it could not be cut, so it was TLS.
                Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => {
                    Self::Tls { host, fault: TlsFault::Cut }
                }
                _ => Self::Unreachable { host, reason: innermost(error) },
            };
        }
        if error.is_builder() {
            return Self::Setup(text);
        }
        Self::Cut { host }
    }
}

/// What kept the proxy from connecting to the host.
fn through_proxy(error: &reqwest::Error, text: &str, host: String, proxy: String) -> Error {
    if text.contains("proxy authorization required") {
        return Error::ProxySignIn { host };
    }
    if !text.contains("failed to create underlying connection") {
        return Error::ProxyRefused { proxy, host };
    }
    let reason = match io_kind(error) {
        _ if error.is_dns() => "no such host".to_owned(),
        Some(io::ErrorKind::ConnectionRefused) => "nobody listens there".to_owned(),
        Some(io::ErrorKind::TimedOut) => "no connection in time".to_owned(),
        _ => innermost(error),
    };
    Error::NoProxy { proxy, reason }
}

impl From<&rustls::Error> for TlsFault {
    fn from(error: &rustls::Error) -> Self {
        use rustls::CertificateError as Certificate;
        let certificate = match error {
            rustls::Error::InvalidCertificate(certificate) => certificate,
            rustls::Error::InvalidMessage(_) => return Self::NoTls,
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(
                rustls::AlertDescription::ProtocolVersion
                | rustls::AlertDescription::HandshakeFailure
                | rustls::AlertDescription::InsufficientSecurity,
            ) => return Self::Outdated,
            other => return Self::Other(visible(&other.to_string())),
        };
        match certificate {
            Certificate::UnknownIssuer => Self::UnknownIssuer,
            Certificate::Expired | Certificate::ExpiredContext { .. } => Self::Expired,
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => Self::NotYetValid,
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            Certificate::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::AuthorityAsServer
            }
            other => Self::Other(visible(&other.to_string())),
        }
    }
}

/// The proxy's URL, from an address that may lack its scheme and may hold a password.
pub(super) fn proxy_url(address: &SecretString) -> Result<Url, Error> {
    let address = address.expose_secret();
    let whole = SecretString::from(match address.contains("://") {
        true => address.to_owned(),
        // curl(1): a proxy without a scheme is an HTTP proxy.
        false => format!("http://{address}"),
    });
    let url = Url::parse(whole.expose_secret())
        .map_err(|error| Error::Proxy { reason: error.to_string() })?;
    if !matches!(url.scheme(), "http" | "https") {
        let reason = format!("{} proxies are not supported", visible(url.scheme()));
        return Err(Error::Proxy { reason });
    }
    Ok(url)
}

pub(super) fn proxy(url: Url, no_proxy: Option<&str>) -> Result<reqwest::Proxy, Error> {
    let proxy = reqwest::Proxy::all(url)
        .map_err(|_| Error::Proxy { reason: "it is no URL of a proxy".to_owned() })?;
    Ok(proxy.no_proxy(no_proxy.and_then(reqwest::NoProxy::from_string)))
}

/// The certificates of a PEM bundle. An empty list is an error: reqwest finds nothing in junk,
/// in an empty file and behind a byte order mark, and says nothing about it.
pub(super) fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, Error> {
    let unusable = |source| Error::Certificates { path: path.to_owned(), source };
    let bundle = std::fs::read(path).map_err(|error| unusable(Some(error)))?;
    let list = reqwest::Certificate::from_pem_bundle(&bundle).unwrap_or_default();
    if list.is_empty() {
        return Err(unusable(None));
    }
    Ok(list)
}

/// Why the client could not be built. A block of the bundle that is no certificate is found then.
pub(super) fn setup(error: &reqwest::Error, settings: &Settings) -> Error {
    let text = chain(error);
    match &settings.certificates {
        Some(path) if text.contains("certificate") => {
            Error::Certificates { path: path.clone(), source: None }
        }
        _ => Error::Setup(text),
    }
}

/// An error and its causes, as one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text = format!("{text}: {cause}");
        at = cause.source();
    }
    visible(&text)
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    visible(&at.to_string())
}

/// The kind of the innermost error of the system: others stand around it, of no kind in particular.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut at = Some(error);
    let mut kind = None;
    while let Some(cause) = at {
        let mut io = cause.downcast_ref::<io::Error>();
        while let Some(met) = io {
            kind = Some(met.kind());
            io = met.get_ref().and_then(|inner| inner.downcast_ref());
        }
        at = cause.source();
    }
    kind
}

/// rustls's error hides in two nested `io::Error`s, and `source()` skips the inner value of one.
fn tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut at = Some(error);
    while let Some(cause) = at {
        let mut io = cause.downcast_ref::<io::Error>();
        while let Some(inner) = io.and_then(io::Error::get_ref) {
            if let Some(tls) = inner.downcast_ref() {
                return Some(tls);
            }
            io = inner.downcast_ref();
        }
        at = cause.source();
    }
    None
}
