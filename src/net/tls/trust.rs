//! Verification of the server's certificate, and the root certificates it is based on.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{Configuration, TlsError};

/// How the certificates of servers are verified.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// With the system's root certificates. The environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` override them.
    /// They are loaded for the first connection.
    #[default]
    System,
    /// With these root certificates only.
    Roots(Roots),
    /// Not at all: every certificate is accepted. The connection is encrypted, but the server may be anyone's. (The
    /// name is that of reqwest's option.)
    DangerAcceptInvalidCerts,
}

/// A set of root certificates.
#[derive(Clone)]
pub struct Roots {
    store: Arc<RootCertStore>,
}

impl Roots {
    /// Parses the certificates of a PEM file (RFC 7468).
    ///
    /// # Errors
    /// [`TlsError::Roots`], if there is no certificate, or if one of them cannot be parsed.
    ///
    /// ```
    /// use glassloop::net::tls::Roots;
    ///
    /// let error = Roots::from_pem(b"not quite").unwrap_err();
    /// assert_eq!(error.to_string(), "no PEM certificate (-----BEGIN CERTIFICATE-----) in the file");
    /// ```
    pub fn from_pem(pem: &[u8]) -> Result<Roots, TlsError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let number = index + 1;
            let invalid = |reason: String| {
                TlsError::Roots(format!("invalid certificate (number {number} in the file): {reason}"))
            };
            let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
            store.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(TlsError::Roots("no PEM certificate (-----BEGIN CERTIFICATE-----) in the file".to_owned()));
        }
        Ok(Roots { store: Arc::new(store) })
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("certificates", &self.store.len()).finish()
    }
}

/// Creates the configuration that a client's connections share. For [`Trust::System`] this reads files.
pub(super) fn configure(trust: &Trust, protocols: &[&str]) -> Configuration {
    let provider = ring::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3");
    let builder = match trust {
        Trust::System => builder.with_root_certificates(read_system_roots()?),
        Trust::Roots(roots) => builder.with_root_certificates(roots.store.clone()),
        Trust::DangerAcceptInvalidCerts => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate { algorithms }))
        }
    };
    let mut configuration = builder.with_no_client_auth();
    configuration.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(configuration))
}

fn read_system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Certificates in unsupported formats, such as old ones, are skipped.
    let (_, skipped) = store.add_parsable_certificates(found.certs);
    if skipped > 0 {
        log::debug!("skipped {skipped} of the system's root certificates, which cannot be parsed");
    }
    if store.is_empty() {
        let reason = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "no root certificates found on this system{reason}; install them (on Debian the package ca-certificates), or \
             set SSL_CERT_FILE to a file of them"
        ));
    }
    Ok(store)
}

/// A verifier that accepts every certificate, and checks only that the server has the certificate's private key.
#[derive(Debug)]
struct AcceptAnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
