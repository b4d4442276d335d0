//! An HTTPS server, and a client that trusts its certificate authority.

use std::future::Future;
use std::net::TcpListener;
use std::sync::{Arc, LazyLock};

use glassloop::EventLoop;
use glassloop::http::client::{Builder, Client, ClientError, ClientErrorKind};
use glassloop::net::tls::{Roots, TlsError, Trust};
use rustls::{ALL_VERSIONS, ServerConfig};

use crate::certificates::Authority;
use crate::peer::{Peer, accept};
use crate::secured::{Secured, configuration, secure};

pub const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// The certificate authority of all test servers.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("the authority"));

/// Returns the configuration of a server with a valid certificate for `localhost` and `127.0.0.1`.
pub fn usual() -> Arc<ServerConfig> {
    configuration(&AUTHORITY.issue(&["localhost", "127.0.0.1"], |_| {}), ALL_VERSIONS)
}

/// Starts a server. The script calls its argument to accept the next connection.
pub fn start(configuration: Arc<ServerConfig>, script: impl FnOnce(&dyn Fn() -> Secured) + Send + 'static) -> Peer {
    Peer::start(move |listener: &TcpListener| script(&|| secure(&configuration, accept(listener))))
}

/// Returns the server's URL.
pub fn url(server: &Peer) -> String {
    format!("https://{}/", server.address())
}

/// Returns a builder for a client that trusts the authority of the tests.
pub fn builder() -> Builder {
    Client::builder().trust(Trust::Roots(Roots::from_pem(AUTHORITY.pem().as_bytes()).expect("a certificate")))
}

pub fn client() -> Client {
    builder().build()
}

pub fn run<F: Future>(future: F) -> F::Output {
    crate::watchdog::watch();
    EventLoop::new().expect("a loop").block_on(future).expect("no deadlock")
}

/// Requests a URL and returns the body, of up to 1 MiB.
pub async fn fetch(client: &Client, url: &str) -> Result<Vec<u8>, ClientError> {
    client.get(url).await?.into_body().collect(1 << 20).await
}

/// Returns the TLS error in a client error.
pub fn tls_error(error: &ClientError) -> &TlsError {
    match error.kind() {
        ClientErrorKind::Tls(error) => error,
        other => panic!("{other:?} is not a TLS error"),
    }
}
