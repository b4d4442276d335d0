//! A server of `https`, and a client that believes the one who vouches for it.

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

/// Who vouches for the servers of all tests.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("the authority"));

/// A server that has a certificate for `localhost` and `127.0.0.1`.
pub fn usual() -> Arc<ServerConfig> {
    configuration(&AUTHORITY.issue(&["localhost", "127.0.0.1"], |_| {}), ALL_VERSIONS)
}

/// A server of one connection after the other.
pub fn start(configuration: Arc<ServerConfig>, script: impl FnOnce(&dyn Fn() -> Secured) + Send + 'static) -> Peer {
    Peer::start(move |listener: &TcpListener| script(&|| secure(&configuration, accept(listener))))
}

/// Where it is.
pub fn url(server: &Peer) -> String {
    format!("https://{}/", server.address())
}

/// A client that believes the authority of the tests.
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

/// Gets the whole of a small thing.
pub async fn fetch(client: &Client, url: &str) -> Result<Vec<u8>, ClientError> {
    client.get(url).await?.into_body().collect(1 << 20).await
}

/// What kept the connection from being secure.
pub fn tls_error(error: &ClientError) -> &TlsError {
    match error.kind() {
        ClientErrorKind::Tls(error) => error,
        other => panic!("{other:?} is no error of TLS"),
    }
}
