//! The service's real hosts, played behind a proxy.
//!
//! git and the program under test are told of a proxy and of a certificate authority and of nothing
//! else: they speak TLS with `dev.azure.com`, its identity hosts, every `ORGANIZATION.visualstudio.com`
//! and `login.microsoftonline.com`, and all of it ends here.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::uri::PathAndQuery;
use axum::http::{Uri, uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::refusal::empty;
use crate::server::dispatch;
use crate::state::Shared;

const CLOUD: [&str; 4] = [
    "dev.azure.com",
    "vssps.dev.azure.com",
    "app.vssps.visualstudio.com",
    "login.microsoftonline.com",
];
const OWN: &str = ".visualstudio.com";
/// More than any client says before it speaks TLS.
const LONGEST_HEAD: usize = 16 * 1024;

/// The way to the real hosts, see [`Double::hosts`](crate::Double::hosts).
#[derive(Clone, Debug)]
pub struct Hosts {
    /// `http://127.0.0.1:PORT`, for `HTTPS_PROXY` or git's `http.proxy`.
    pub proxy: String,
    /// A PEM file with the authority that signed their certificate, for `SSL_CERT_FILE` and
    /// `GIT_SSL_CAINFO`.
    pub authority: PathBuf,
}

impl Hosts {
    pub(crate) fn new(listener: &TcpListener, root: &Path) -> (Hosts, ServerConfig) {
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let authority = root.join("authority.pem");
        let (pem, settings) = certificates().expect("certificates of the hosts");
        std::fs::write(&authority, pem).expect("a file for the authority");
        (Hosts { proxy: format!("http://127.0.0.1:{port}"), authority }, settings)
    }
}

/// An authority as PEM, and what a server of all the hosts needs.
fn certificates() -> Result<(String, ServerConfig), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "double");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let names = CLOUD.map(str::to_owned).into_iter().chain([format!("*{OWN}")]);
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(names.collect::<Vec<_>>())?;
    let certificate = params.signed_by(&key, &authority)?;
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    // Named, since a process that has not chosen a provider has none.
    let settings = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key.into())?;
    Ok((authority.pem(), settings))
}

pub(crate) async fn accept(listener: TcpListener, settings: ServerConfig, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener for tokio");
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // How it ends is the client's affair, and seen there.
            tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&shared)));
        }
    }
}

async fn connection(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let head = head(&mut stream).await?;
    let host = head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(":443 "));
    let Some((host, _)) = host.filter(|(host, _)| is_played(host)) else {
        return stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let stream = acceptor.accept(stream).await?;
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        *request.uri_mut() = below_organization(host, request.uri());
        let shared = Arc::clone(&shared);
        async move {
            let answer = dispatch(shared, request).await;
            // Faults of a connection are for the double's plain address.
            Ok::<_, Infallible>(answer.unwrap_or_else(|_| empty(500)))
        }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

/// What a client says to the proxy.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        // One at a time: what follows the head is TLS, and not for here.
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn is_played(host: &str) -> bool {
    let label = host.strip_suffix(OWN);
    CLOUD.contains(&host) || label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
}

/// The address on `dev.azure.com` of one on the organization's own host, which has the organization
/// in front and not in the path, and perhaps `DefaultCollection` there.
fn below_organization(host: &str, uri: &Uri) -> Uri {
    let organization = host.strip_suffix(OWN).filter(|_| !CLOUD.contains(&host));
    let Some(organization) = organization else { return uri.clone() };
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = path.strip_prefix("/DefaultCollection").unwrap_or(path);
    uri::Builder::new()
        .path_and_query(format!("/{organization}{path}"))
        .build()
        .unwrap_or_else(|_| uri.clone())
}
