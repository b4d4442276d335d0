//! The server's side of TLS, over a blocking stream.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::certificates::Identity;

/// The server's side of a TLS connection.
pub type Secured = StreamOwned<ServerConnection, TcpStream>;

/// Returns the configuration of a server with this certificate.
pub fn configuration(identity: &Identity, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions that ring has cipher suites for")
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .expect("the key belongs to the certificate");
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(configuration)
}

/// Wraps an accepted connection. The handshake is performed by the first read.
pub fn secure(configuration: &Arc<ServerConfig>, stream: TcpStream) -> Secured {
    let connection = ServerConnection::new(configuration.clone()).expect("a configuration that can be used");
    StreamOwned::new(connection, stream)
}
