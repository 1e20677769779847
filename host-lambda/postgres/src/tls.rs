//! `sslmode` and `sslrootcert`, with libpq's meaning and a safer default.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::ConnectionError;
use crate::url::bad;

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectionError> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return Err(bad("sslmode is none of disable, allow, prefer, require, verify-ca, verify-full")),
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Where trusted certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    System,
    File(PathBuf),
}

/// What of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    roots: Option<Roots>,
}

impl TlsSettings {
    /// Decides from `sslmode` and `sslrootcert`, either of which may be unset.
    pub(crate) fn decide(mode: Option<&str>, roots: Option<&str>, local: bool) -> Result<Self, ConnectionError> {
        let roots = roots.map(|roots| if roots == "system" { Roots::System } else { Roots::File(roots.into()) });
        let mode = match mode {
            Some(mode) => SslMode::parse(mode)?,
            None if local => SslMode::Prefer,
            None => SslMode::VerifyFull,
        };
        if roots == Some(Roots::System) && mode != SslMode::VerifyFull && mode != SslMode::Disable {
            // As libpq: with public authorities anybody has a certificate, so the name must count.
            return Err(bad("sslrootcert=system needs sslmode=verify-full"));
        }
        Ok(Self { mode, roots })
    }

    /// What is checked of the server's certificate.
    pub(crate) fn check(&self) -> Check {
        match (self.mode, &self.roots) {
            (SslMode::VerifyFull, _) => Check::ChainAndName,
            (SslMode::VerifyCa, _) | (SslMode::Require, Some(_)) => Check::Chain,
            _ => Check::Nothing,
        }
    }

    /// The rustls configuration for this.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, ConnectionError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match self.check() {
            Check::Nothing => Arc::new(AnyCertificate { provider: Arc::clone(&provider) }),
            Check::Chain => Arc::new(AnyName { chain: self.verifier(&provider)? }),
            Check::ChainAndName => self.verifier(&provider)?,
        };
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| bad("this build has no usable TLS version"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth())
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, ConnectionError> {
        let (path, found) = match &self.roots {
            Some(Roots::File(path)) => (path.clone(), rustls_native_certs::load_certs_from_paths(Some(path), None)),
            Some(Roots::System) | None => ("the system's store".into(), rustls_native_certs::load_native_certs()),
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let source = match found.errors.into_iter().next() {
                Some(error) => Box::new(error) as Box<dyn std::error::Error + Send + Sync>,
                None => "it holds no certificate".into(),
            };
            return Err(ConnectionError::Certificates { path, source });
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| ConnectionError::Certificates { path, source: Box::new(error) })
    }
}

/// Encryption without identity: the certificate may be anybody's, but the server must own its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The chain is checked in full, the name is not (`verify-ca`).
#[derive(Debug)]
struct AnyName {
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is what webpki checks last: a complaint about it means that all else was in order.
        match self.chain.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_follow_libpq_and_the_default_is_safe() {
        use Check::{Chain, ChainAndName, Nothing};
        use SslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};
        for (mode, roots, local, expected) in [
            (None, None, false, Some((VerifyFull, ChainAndName))),
            (None, None, true, Some((Prefer, Nothing))),
            (None, Some("ca.pem"), false, Some((VerifyFull, ChainAndName))),
            (Some("disable"), None, false, Some((Disable, Nothing))),
            (Some("allow"), None, false, Some((Allow, Nothing))),
            (Some("prefer"), Some("ca.pem"), false, Some((Prefer, Nothing))),
            (Some("require"), None, false, Some((Require, Nothing))),
            (Some("require"), Some("ca.pem"), false, Some((Require, Chain))),
            (Some("verify-ca"), None, false, Some((VerifyCa, Chain))),
            (Some("verify-full"), Some("system"), true, Some((VerifyFull, ChainAndName))),
            (Some("require"), Some("system"), false, None),
            (Some("VERIFY"), None, false, None),
        ] {
            let decided = TlsSettings::decide(mode, roots, local).ok().map(|tls| (tls.mode, tls.check()));
            assert_eq!(decided, expected, "{mode:?} {roots:?} {local}");
        }
    }

    #[test]
    fn a_missing_root_file_is_named() {
        let tls = TlsSettings::decide(Some("verify-full"), Some("/nowhere/ca.pem"), false).unwrap();
        let error = tls.client_config().unwrap_err();
        assert_eq!(error.to_string(), "no certificate can be read from /nowhere/ca.pem");
    }

    #[test]
    fn modes_without_identity_need_no_certificates() {
        for mode in ["allow", "prefer", "require"] {
            assert!(TlsSettings::decide(Some(mode), None, false).unwrap().client_config().is_ok());
        }
    }
}
