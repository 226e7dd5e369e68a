//! TLS to a PostgreSQL server, with the libraries that object stores are reached by (rustls, ring).
//!
//! As libpq has it: `require` encrypts and asks no questions (with `sslrootcert` it is `verify-ca`), `verify-ca`
//! wants a chain to a known authority, `verify-full` the server's name besides. Authorities are those of
//! `sslrootcert`, a file of PEM certificates, or the system's. A certificate that is in that file itself
//! (self-signed) is trusted as it stands. Client certificates are not offered.

use postgres::config::{Config, SslMode};
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
enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

/// A connection string without what is ours, and how to connect.
pub struct Secured {
    pub config: Config,
    pub tls: Tls,
}

impl Secured {
    /// - errors: one line, without the string, which may hold a password
    pub fn read(url: &str) -> Result<Self, String> {
        let (rest, options) = without_ssl(url);
        let option =
            |name: &str| options.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let mut config: Config =
            rest.parse().map_err(|e: postgres::Error| match e.source_text() {
                Some(why) => format!("its connection string is not understood: {why}"),
                None => "its connection string is not understood".to_string(),
            })?;
        let roots = option("sslrootcert");
        let (mode, check) = match (option("sslmode").unwrap_or("prefer"), roots) {
            ("disable", _) => (SslMode::Disable, Check::Nothing),
            ("allow" | "prefer", _) => (SslMode::Prefer, Check::Nothing),
            ("require", None) => (SslMode::Require, Check::Nothing),
            ("require" | "verify-ca", _) => (SslMode::Require, Check::Chain),
            ("verify-full", _) => (SslMode::Require, Check::ChainAndName),
            (other, _) => {
                return Err(format!(
                    "sslmode is `{other}`; there are disable, prefer, require, verify-ca, verify-full"
                ));
            }
        };
        config.ssl_mode(mode);
        Ok(Self { config, tls: Tls::new(check, roots)? })
    }
}

trait SourceText {
    fn source_text(&self) -> Option<String>;
}

impl SourceText for postgres::Error {
    fn source_text(&self) -> Option<String> {
        std::error::Error::source(self).map(ToString::to_string)
    }
}

/// The string without `sslmode` and `sslrootcert`, which the driver knows in part, and those two.
fn without_ssl(url: &str) -> (String, Vec<(String, String)>) {
    let mut found = Vec::new();
    let mut ours = |part: &str, decode: bool| {
        let Some((name, value)) = part.split_once('=') else { return false };
        if !["sslmode", "sslrootcert"].contains(&name) {
            return false;
        }
        let value =
            if decode { percent_decoded(value) } else { value.trim_matches('\'').to_string() };
        found.push((name.to_string(), value));
        true
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let Some((head, query)) = url.split_once('?') else { return (url.to_string(), found) };
        let rest: Vec<&str> = query.split('&').filter(|p| !ours(p, true)).collect();
        let mark = if rest.is_empty() { "" } else { "?" };
        return (format!("{head}{mark}{}", rest.join("&")), found);
    }
    let rest: Vec<&str> = url.split_whitespace().filter(|p| !ours(p, false)).collect();
    (if found.is_empty() { url.to_string() } else { rest.join(" ") }, found)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match code.and_then(|d| u8::from_str_radix(d, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Makes the driver's connections secure.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    fn new(check: Check, roots: Option<&str>) -> Result<Self, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_strings() {
        let ssl = |name: &str, value: &str| (name.to_string(), value.to_string());
        let (rest, ours) = without_ssl(
            "postgresql://u@h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fa%20b",
        );
        assert_eq!(rest, "postgresql://u@h/d?connect_timeout=3");
        assert_eq!(ours, [ssl("sslmode", "verify-full"), ssl("sslrootcert", "/a b")]);
        let (rest, ours) = without_ssl("host=h sslmode=require user=u");
        assert_eq!((rest.as_str(), ours), ("host=h user=u", vec![ssl("sslmode", "require")]));
        assert_eq!(without_ssl("host=h password='a  b'").0, "host=h password='a  b'");
        assert_eq!(without_ssl("postgres://h/d?sslmode=disable").0, "postgres://h/d");
        for (url, why) in [
            ("host=h sslmode=always", "verify-full"),
            ("host=h sslmode=verify-full sslrootcert=/no/such", "/no/such"),
            ("host=h port=secret", "not understood"),
        ] {
            let text = Secured::read(url).err().unwrap();
            assert!(text.contains(why) && !text.contains("secret"), "{text}");
        }
    }
}
