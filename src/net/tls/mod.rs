//! TLS over the loop's streams (RFC 8446; RFC 5246 for servers that are older).
//!
//! The protocol is rustls', and nothing but the protocol: it is handed bytes and hands bytes back, and never sees a
//! socket. When to read and when to write, and what to wait for meanwhile, is decided here, by a future and a stream that
//! are no different from those of plain TCP.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | what the connections of one client share |
//! | `trust.rs` | whose certificates are believed |
//! | `session.rs` | the protocol: bytes in, bytes out |
//! | `handshake.rs` | the future of a connection on which both sides have agreed |
//! | `stream.rs` | that connection |
//! | `error.rs` | why there is none |

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

/// Secures connections. A handle: clones share all, also the sessions that servers allow to be resumed, so that a second
/// connection to a server costs less than the first.
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
///     println!("{} is who it says it is", stream.socket().peer_addr()?);
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsConnector {
    shared: Rc<Shared>,
}

struct Shared {
    trust: Trust,
    /// What is offered to be spoken inside.
    protocols: Vec<&'static str>,
    /// Made when it is first needed: a client that meets no `https` reads no certificates.
    configuration: Arc<OnceLock<Configuration>>,
    /// Where records lie between the socket and the session. It is used within a poll only, so one is enough for all
    /// connections.
    scratch: Cell<Vec<u8>>,
}

/// rustls' half of what connections share, or why there is none.
type Configuration = Result<Arc<ClientConfig>, String>;

impl TlsConnector {
    /// Connections to servers that `trust` believes, on which one of these protocols will be spoken (ALPN, RFC 7301).
    pub fn new(trust: Trust, protocols: &[&'static str]) -> TlsConnector {
        let (configuration, scratch) = (Arc::default(), Cell::default());
        TlsConnector { shared: Rc::new(Shared { trust, protocols: protocols.to_vec(), configuration, scratch }) }
    }

    /// A future of the secured connection, to be made over `socket`. `host` is the name or the address that the server's
    /// certificate has to be for; an IPv6 address may be in brackets.
    pub fn connect(&self, socket: TcpStream, host: &str) -> Handshake {
        Handshake::new(self.clone(), socket, host)
    }

    /// What connections share, if it is known or can be made at once.
    fn configuration(&self) -> Option<Configuration> {
        let Shared { trust, protocols, configuration, .. } = &*self.shared;
        match trust {
            Trust::System => configuration.get().cloned(),
            Trust::Roots(_) | Trust::Anyone => Some(configuration.get_or_init(|| configure(trust, protocols)).clone()),
        }
    }

    /// Makes it on the pool (I7): 145 certificates, in as many files, took 8 ms to read, and 70 ms when no other program had
    /// just done so. Of several jobs, the first does the work.
    fn make_configuration(&self) -> JobHandle<Configuration> {
        let Shared { trust, protocols, configuration, .. } = &*self.shared;
        let (trust, protocols, configuration) = (trust.clone(), protocols.clone(), configuration.clone());
        let make = move || configuration.get_or_init(|| configure(&trust, &protocols)).clone();
        run_in_executor(None, Job::new(make).label("read root certificates").abandonable())
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").field("trust", &self.shared.trust).finish_non_exhaustive()
    }
}
