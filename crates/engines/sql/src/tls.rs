//! TLS to a PostgreSQL server, with the libraries that object stores are reached by (rustls, ring).
//!
//! As libpq has it: `require` encrypts and asks no questions (with `sslrootcert` it is `verify-ca`), `verify-ca`
//! wants a chain to a known authority, `verify-full` the server's name besides. Authorities are those of
//! `sslrootcert`, a file of PEM certificates, or the system's. A certificate that is in that file itself
//! (self-signed) is trusted as it stands. Client certificates are not offered.

use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

/// What is asked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

/// Makes the driver's connections secure.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    pub fn new(check: Check, roots: Option<&str>) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (mut store, mut listed) = (RootCertStore::empty(), Vec::new());
        match (check, roots) {
            (Check::Nothing, _) => {}
            (_, Some("system") | None) => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            (_, Some(file)) => {
                let bad = |why: String| {
                    format!("the certificates of sslrootcert `{file}` cannot be read: {why}")
                };
                let all = CertificateDer::pem_file_iter(file).map_err(|e| bad(e.to_string()))?;
                listed = all.collect::<Result<Vec<_>, _>>().map_err(|e| bad(e.to_string()))?;
                store.add_parsable_certificates(listed.iter().cloned());
            }
        }
        if check != Check::Nothing && store.is_empty() {
            return Err("no authority's certificate is known to check the server's by; name a file in sslrootcert".into());
        }
        let trust = Trust { check, store, listed, provider: provider.clone() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Who is believed.
#[derive(Debug)]
struct Trust {
    check: Check,
    store: RootCertStore,
    listed: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end)?;
        if !self.listed.contains(end) {
            let known = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.store, between, now, known)?;
        }
        if self.check == Check::ChainAndName {
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// One connection on its way.
pub struct Handshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// A socket inside TLS, as the driver wants it.
pub struct Wrapped<S>(tokio_rustls::client::TlsStream<S>);

type Stream<S> = Pin<Box<dyn Future<Output = io::Result<Wrapped<S>>> + Send>>;

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Wrapped<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        // A socket in a folder has no name, and no TLS.
        let host = if host.is_empty() || host.starts_with('/') { "localhost" } else { host };
        let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
        Ok(Handshake { config: self.0.clone(), name })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Wrapped<S>;
    type Error = io::Error;
    type Future = Stream<S>;

    fn connect(self, stream: S) -> Stream<S> {
        let connect = TlsConnector::from(self.config).connect(self.name, stream);
        Box::pin(async move { connect.await.map(Wrapped) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Wrapped<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wrapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wrapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
