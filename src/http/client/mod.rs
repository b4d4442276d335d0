//! The HTTP client: sends requests over pooled connections and returns responses.
//!
//! An exchange, that is, one request and its response, consists of two state machines. The future [`Exchange`] obtains
//! a connection, writes the request, and completes when the response head has been received. [`Body`] then owns the
//! connection, and returns it to the pool when the last byte has been received.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs`, `builder.rs` | the client and its builder |
//! | `origin.rs`, `target.rs`, `head.rs` | scheme, host and port; where a request is sent; its head |
//! | `exchange/` | the future that resolves to the response |
//! | `body.rs` | the response body |
//! | `connection.rs`, `in_flight.rs` | a connection, and an exchange in progress on it |
//! | `pool.rs`, `idle_reaper.rs` | the connection pool and its idle reaper |
//! | `proxy.rs`, `no_proxy.rs`, `tunnel.rs` | proxy selection, `no_proxy`, and tunnels for https |
//! | `transport.rs` | a connection with or without TLS |
//! | `error.rs` | errors, and the phase in which they occurred |
//!
//! A request on a pooled connection costs one peek (see `pool.rs`), one write, one read, and its share of one
//! `epoll_wait`. This module does not handle redirects, retries (except on stale connections) or files.

mod body;
mod builder;
mod connection;
mod error;
mod exchange;
mod head;
mod idle_reaper;
mod in_flight;
mod no_proxy;
mod origin;
mod pool;
mod proxy;
mod target;
mod transport;
#[cfg(feature = "tls")]
mod tunnel;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use http::{HeaderValue, Request, Uri};

use self::builder::Timeouts;
use self::connection::Connection;
use self::idle_reaper::IdleReaper;
use self::pool::Pool;
use crate::event_loop::{now, spawn_named};
use crate::http::buffers::Buffers;
use crate::net::Resolver;
#[cfg(feature = "tls")]
use crate::net::tls::TlsConnector;

pub use body::{Body, Chunk, Collect};
pub use builder::Builder;
pub use connection::ConnectTimings;
#[cfg(feature = "tls")]
pub use error::TunnelError;
pub use error::{ClientError, ClientErrorKind, RequestPhase};
pub use exchange::Exchange;
pub use proxy::{Proxy, ProxyConfig, ProxyError};

/// An HTTP client with a connection pool. It is a handle: clones share one pool. All requests must be made on the same
/// event loop.
///
/// ```
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let (mut stream, _) = listener.accept().unwrap();
/// #     while let Ok(1..) = stream.read(&mut [0; 1024]) {
/// #         stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
/// #     }
/// # });
/// use glassloop::{EventLoop, http::client::Client};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let client = Client::new();
///     for _ in 0..3 {
///         let response = client.get(&url).await?;
///         assert_eq!(response.status(), 200);
///         assert_eq!(response.into_body().collect(1024).await?, b"hello");
///     }
///     assert_eq!((client.connections_opened(), client.connections_reused()), (1, 2));
///     Ok::<(), glassloop::http::client::ClientError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Rc<ClientContext>,
}

/// The state that the clones of a client share.
#[derive(Debug)]
struct ClientContext {
    timeouts: Timeouts,
    user_agent: HeaderValue,
    resolver: Resolver,
    proxies: ProxyConfig,
    #[cfg(feature = "tls")]
    tls: TlsConnector,
    pool: Pool,
    buffers: Rc<Buffers>,
    /// The number of connections opened.
    opened: Cell<u64>,
    /// The number of exchanges that were started on a reused connection.
    reused: Cell<u64>,
}

impl Client {
    /// Creates a client with default settings.
    pub fn new() -> Client {
        Client::builder().build()
    }

    /// Returns a builder for a client with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Sends a request without a body and waits for the head of the response. The URL must be absolute.
    ///
    /// `Host` is derived from the URL. `User-Agent`, `Accept` and `Accept-Encoding` are added if the request does not
    /// have them. Redirects and error statuses are returned as responses, not as errors.
    ///
    /// # Errors
    /// [`ClientError`], which states what failed, and in which phase. If a pooled connection turns out to be stale, a
    /// GET or HEAD is first resent once on a new connection.
    pub fn request(&self, request: Request<()>) -> Exchange {
        Exchange::new(self.shared.clone(), request)
    }

    /// Sends a GET request without additional headers.
    ///
    /// # Errors
    /// As for [`request`](Self::request), and if `url` is not a valid URL.
    pub fn get(&self, url: &str) -> Exchange {
        let uri = match url.parse::<Uri>() {
            Ok(uri) => uri,
            Err(_) => {
                let kind = ClientErrorKind::InvalidUri(
                    "not a URL; expected http://HOST/PATH, with non-ASCII characters percent-encoded",
                );
                return Exchange::failed(ClientError::invalid_request(kind, String::new()));
            }
        };
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        self.request(request)
    }

    /// Returns the number of connections opened.
    pub fn connections_opened(&self) -> u64 {
        self.shared.opened.get()
    }

    /// Returns the number of exchanges that were started on a reused connection.
    pub fn connections_reused(&self) -> u64 {
        self.shared.reused.get()
    }

    /// Closes all idle connections, to free their file descriptors.
    pub fn close_idle_connections(&self) {
        self.shared.pool.clear();
    }

    /// Returns the number of connections that are currently idle.
    pub fn connections_idle(&self) -> usize {
        self.shared.pool.len()
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl ClientContext {
    /// Returns a connection to the pool after its exchange has ended, and starts the idle reaper if it is not running.
    fn return_to_pool(self: &Rc<Self>, connection: Connection) {
        self.pool.put(connection, now());
        if !self.pool.has_reaper.replace(true) {
            spawn_named("idle connections", IdleReaper::new(Rc::downgrade(self)));
        }
    }

    fn count_opened(&self) {
        self.opened.set(self.opened.get() + 1);
    }

    fn count_reused(&self) {
        self.reused.set(self.reused.get() + 1);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("opened", &self.shared.opened.get())
            .field("reused", &self.shared.reused.get())
            .field("idle", &self.shared.pool.len())
            .finish_non_exhaustive()
    }
}
