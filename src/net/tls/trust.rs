//! Whose certificates are believed.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{Configuration, TlsError};

/// Whose word is taken for it that a server is the one it says it is.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// That of the authorities of which the system has certificates; `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment
    /// name others. They are read when the first connection is made.
    #[default]
    System,
    /// That of these authorities and no others.
    Roots(Roots),
    /// That of the server itself. What is said is encrypted, and may be said to anyone.
    Anyone,
}

/// Certificates of authorities.
#[derive(Clone)]
pub struct Roots {
    store: Arc<RootCertStore>,
}

impl Roots {
    /// All the certificates in a file in PEM form (RFC 7468), of which there has to be one at least.
    ///
    /// # Errors
    /// [`TlsError::Roots`], if there is none, or if one of them cannot be read.
    ///
    /// ```
    /// use glassloop::net::tls::Roots;
    ///
    /// let error = Roots::from_pem(b"not quite").unwrap_err();
    /// assert_eq!(error.to_string(), "there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)");
    /// ```
    pub fn from_pem(pem: &[u8]) -> Result<Roots, TlsError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let number = index + 1;
            let unreadable = |why: String| TlsError::Roots(format!("certificate {number} in it cannot be read: {why}"));
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            store.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(TlsError::Roots("there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)".to_owned()));
        }
        Ok(Roots { store: Arc::new(store) })
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("certificates", &self.store.len()).finish()
    }
}

/// What the connections of a client share. It may read files.
pub(super) fn configure(trust: &Trust, protocols: &[&str]) -> Configuration {
    let provider = ring::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3");
    let builder = match trust {
        Trust::System => builder.with_root_certificates(read_system_roots()?),
        Trust::Roots(roots) => builder.with_root_certificates(roots.store.clone()),
        Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(BelieveAnyone { algorithms })),
    };
    let mut configuration = builder.with_no_client_auth();
    configuration.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(configuration))
}

fn read_system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Among many there may be one that is too old to be understood. The others serve all the same.
    let (_, not_understood) = store.add_parsable_certificates(found.certs);
    if not_understood > 0 {
        log::debug!("{not_understood} of the system's root certificates are not understood");
    }
    if store.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "no root certificates are found on this system{why}; install them (Debian: ca-certificates), or name a file \
             of them in SSL_CERT_FILE"
        ));
    }
    Ok(store)
}

/// Believes every certificate, and checks only that the server has the key that belongs to it.
#[derive(Debug)]
struct BelieveAnyone {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for BelieveAnyone {
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
