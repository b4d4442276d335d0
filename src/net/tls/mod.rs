//! TLS 1.3 (RFC 8446) and TLS 1.2 (RFC 5246) over the loop's TCP streams.
//!
//! rustls implements the protocol. It is used sans-I/O, through its unbuffered API: bytes in, bytes out, without access
//! to the socket. This module does the reading, writing and waiting, in a future and a stream like those of plain TCP.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | [`TlsConnector`]: what the connections of one client share |
//! | `trust.rs` | verification of the server's certificate |
//! | `session.rs` | one session of the protocol, sans-I/O |
//! | `handshake.rs` | the future that performs the handshake |
//! | `stream.rs` | the encrypted stream |
//! | `error.rs` | errors |

mod error;
mod handshake;
mod session;
mod stream;
mod trust;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use self::trust::configure;
use super::TcpStream;
use crate::event_loop::{Job, JobHandle, run_in_executor};

pub use error::TlsError;
pub use handshake::Handshake;
pub use stream::TlsStream;
pub use trust::{Roots, Trust};

/// Creates TLS connections. Clones are cheap and share the configuration and the cache of sessions, so that a further
/// connection to a server can resume a session.
///
/// ```no_run
/// use std::time::Duration;
/// use glassloop::{EventLoop, net::{Connect, tls::{TlsConnector, Trust}}};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let connector = TlsConnector::new(Trust::System, &["http/1.1"]);
///     let socket = Connect::new(vec!["192.0.2.1:443".parse().expect("an address")], Duration::from_secs(10)).await?;
///     let stream = connector.connect(socket, "example.org").await?;
///     println!("secure connection to {}", stream.socket().peer_addr()?);
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsConnector {
    shared: Rc<ConnectorContext>,
}

struct ConnectorContext {
    trust: Trust,
    /// The application protocols offered in the handshake (ALPN).
    protocols: Vec<&'static str>,
    /// Created on first use, so that a client without `https` requests does not load certificates.
    configuration: Arc<OnceLock<Configuration>>,
    /// The buffer for records between the socket and the session. It is used only within a poll, so all connections can
    /// share one.
    scratch: Cell<Vec<u8>>,
}

/// The configuration of rustls, or the reason why it could not be created.
type Configuration = Result<Arc<ClientConfig>, String>;

impl TlsConnector {
    /// Creates a connector that verifies servers according to `trust` and offers these application protocols (ALPN, RFC
    /// 7301).
    pub fn new(trust: Trust, protocols: &[&'static str]) -> TlsConnector {
        let (configuration, scratch) = (Arc::default(), Cell::default());
        TlsConnector {
            shared: Rc::new(ConnectorContext { trust, protocols: protocols.to_vec(), configuration, scratch }),
        }
    }

    /// Starts a handshake over `socket` and returns a future that resolves to the encrypted stream. The server's
    /// certificate must be valid for `host`, a name or an IP address; an IPv6 address may be in brackets.
    pub fn connect(&self, socket: TcpStream, host: &str) -> Handshake {
        Handshake::new(self.clone(), socket, host)
    }

    /// Returns the configuration if it exists or can be created without blocking.
    fn configuration(&self) -> Option<Configuration> {
        let ConnectorContext { trust, protocols, configuration, .. } = &*self.shared;
        match trust {
            Trust::System => configuration.get().cloned(),
            Trust::Roots(_) | Trust::DangerAcceptInvalidCerts => {
                Some(configuration.get_or_init(|| configure(trust, protocols)).clone())
            }
        }
    }

    /// Creates the configuration on the thread pool (I7), since loading the system's certificates blocks: 145 files
    /// took 8 ms, and 70 ms without the page cache. If several jobs run, only the first does the work.
    fn load_configuration(&self) -> JobHandle<Configuration> {
        let ConnectorContext { trust, protocols, configuration, .. } = &*self.shared;
        let (trust, protocols, configuration) = (trust.clone(), protocols.clone(), configuration.clone());
        let load = move || configuration.get_or_init(|| configure(&trust, &protocols)).clone();
        run_in_executor(None, Job::new(load).label("read root certificates").cancellable())
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").field("trust", &self.shared.trust).finish_non_exhaustive()
    }
}
