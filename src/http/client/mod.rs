//! The client: one request, one response, over a connection that may have served others before.
//!
//! An exchange is two machines in a row. [`Exchange`] is a future: it finds a connection, writes the request, and ends
//! when the head of the response is there. [`Body`] has the connection from then on, and gives it back to the pool when
//! the last byte has come.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs`, `builder.rs` | the client, and its limits |
//! | `target.rs`, `head.rs` | what is asked of whom, and in which words |
//! | `exchange.rs` | the future of the head |
//! | `body.rs` | the body |
//! | `connection.rs` | what both do on a connection |
//! | `pool.rs`, `watch.rs` | connections between exchanges |
//! | `proxy.rs`, `no_proxy.rs`, `tunnel.rs` | which requests go through a proxy, and how https does |
//! | `transport.rs` | where bytes come from |
//! | `error.rs` | what went wrong, and how far it had come |
//!
//! A request on a kept connection costs one write, one read, and its share of one wait. Redirects, retries and files are
//! not for this room.

mod body;
mod builder;
mod connection;
mod error;
mod exchange;
mod head;
mod no_proxy;
mod pool;
mod proxy;
mod target;
mod transport;
#[cfg(feature = "tls")]
mod tunnel;
mod watch;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use http::{HeaderValue, Request, Uri};

use self::builder::Limits;
use self::connection::Connection;
use self::pool::Pool;
use self::watch::IdleWatch;
use crate::event_loop::{now, spawn_named};
use crate::http::buffers::Buffers;
use crate::net::Resolver;
#[cfg(feature = "tls")]
use crate::net::tls::TlsConnector;

pub use body::{Body, Chunk, Collect};
pub use builder::Builder;
pub use connection::SetupTimes;
pub use error::{ClientError, ClientErrorKind, Stage};
pub use exchange::Exchange;
pub use proxy::{Proxies, Proxy, ProxyError};
#[cfg(feature = "tls")]
pub use tunnel::TunnelError;

/// Sends requests and keeps connections. A handle: clones share all. It belongs to the loop in which it is used.
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
    shared: Rc<Shared>,
}

/// What the clones of a client share.
#[derive(Debug)]
struct Shared {
    limits: Limits,
    user_agent: HeaderValue,
    resolver: Resolver,
    proxies: Proxies,
    #[cfg(feature = "tls")]
    tls: TlsConnector,
    pool: Pool,
    buffers: Rc<Buffers>,
    /// Connections made.
    opened: Cell<u64>,
    /// Exchanges begun on a connection that had served another.
    reused: Cell<u64>,
}

impl Client {
    /// A client with everything as usual.
    pub fn new() -> Client {
        Client::builder().build()
    }

    /// A client with other limits.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Sends a request without a body and waits for the head of the response. The URL has to be absolute.
    ///
    /// `Host` comes from the URL. `User-Agent`, `Accept` and `Accept-Encoding` are filled in where the request does not
    /// have them. The response is what the server said: a redirect or an error status is a response like any other.
    ///
    /// # Errors
    /// [`ClientError`], which says what went wrong and how far the exchange had come. A GET or HEAD on a kept connection
    /// that turns out to be dead is sent once more on a new one first.
    pub fn request(&self, request: Request<()>) -> Exchange {
        Exchange::new(self.shared.clone(), request)
    }

    /// The same for a plain GET.
    ///
    /// # Errors
    /// As for [`request`](Self::request); also if `url` is no URL.
    pub fn get(&self, url: &str) -> Exchange {
        let uri = match url.parse::<Uri>() {
            Ok(uri) => uri,
            Err(_) => {
                let kind = ClientErrorKind::InvalidUri("it is no absolute URL in ASCII");
                return Exchange::refused(ClientError::refused(kind, "what was given".to_owned()));
            }
        };
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        self.request(request)
    }

    /// How many connections have been made.
    pub fn connections_opened(&self) -> u64 {
        self.shared.opened.get()
    }

    /// How many exchanges were begun on a connection that had served another.
    pub fn connections_reused(&self) -> u64 {
        self.shared.reused.get()
    }

    /// Closes all connections that are idle, whose descriptors are needed for something else.
    pub fn close_idle_connections(&self) {
        self.shared.pool.clear();
    }

    /// How many connections are idle at the moment.
    pub fn connections_idle(&self) -> usize {
        self.shared.pool.len()
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Shared {
    /// Keeps a connection whose exchange has ended, and sees to it that somebody watches.
    fn give_back(self: &Rc<Self>, connection: Connection) {
        self.pool.put(connection, now());
        if !self.pool.is_watched.replace(true) {
            spawn_named("idle connections", IdleWatch::new(Rc::downgrade(self)));
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
