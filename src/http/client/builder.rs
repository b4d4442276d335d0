//! How a client is made.

use std::rc::Rc;
use std::time::Duration;

use http::HeaderValue;

use super::pool::Pool;
use super::proxy::Proxies;
use super::{Client, Shared};
use crate::net::Resolver;
#[cfg(feature = "tls")]
use crate::net::tls::{TlsConnector, Trust};

/// Sets up a [`Client`].
///
/// ```
/// use std::time::Duration;
/// use glassloop::http::client::Client;
/// use http::HeaderValue;
///
/// let client = Client::builder()
///     .connect_timeout(Duration::from_secs(3))
///     .head_timeout(Duration::from_secs(5))
///     .idle_timeout(Duration::from_secs(5))
///     .user_agent(HeaderValue::from_static("example/1.0"))
///     .idle_connections(16)
///     .idle_connections_per_host(4)
///     .build();
/// ```
#[derive(Debug)]
pub struct Builder {
    limits: Limits,
    user_agent: HeaderValue,
    idle_connections: Option<usize>,
    idle_connections_per_host: usize,
    resolver: Option<Resolver>,
    proxies: Proxies,
    #[cfg(feature = "tls")]
    trust: Trust,
}

/// The limits on time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) head: Duration,
    pub(super) idle: Duration,
}

/// How many idle connections are kept in all if nobody says otherwise.
const USUAL_IDLE_CONNECTIONS: usize = 256;

impl Default for Builder {
    fn default() -> Self {
        let limits =
            Limits { connect: Duration::from_secs(10), head: Duration::from_secs(30), idle: Duration::from_secs(30) };
        let user_agent = HeaderValue::from_static(concat!("glassloop/", env!("CARGO_PKG_VERSION")));
        Builder {
            limits,
            user_agent,
            idle_connections: None,
            idle_connections_per_host: 64,
            resolver: None,
            proxies: Proxies::none(),
            #[cfg(feature = "tls")]
            trust: Trust::default(),
        }
    }
}

impl Builder {
    /// How long it may take to find the server's addresses, to connect to one of them, and to agree on TLS with it. 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Builder {
        self.limits.connect = limit;
        self
    }

    /// How long it may take to write the request and to read the head of the response. 30 s. Neither an interim response
    /// nor a byte that trickles in extends it.
    pub fn head_timeout(mut self, limit: Duration) -> Builder {
        self.limits.head = limit;
        self
    }

    /// How long a body that somebody waits for may be silent. 30 s. There is no limit on the whole.
    pub fn idle_timeout(mut self, limit: Duration) -> Builder {
        self.limits.idle = limit;
        self
    }

    /// What `User-Agent` says where the request does not: `glassloop/VERSION`.
    pub fn user_agent(mut self, name: HeaderValue) -> Builder {
        self.user_agent = name;
        self
    }

    /// How many idle connections are kept in all: the oldest is closed to make room for another one. 256, or as many as
    /// for one server if that is more.
    pub fn idle_connections(mut self, limit: usize) -> Builder {
        self.idle_connections = Some(limit);
        self
    }

    /// How many idle connections to one server are kept. 64; with 0 none is ever used again.
    pub fn idle_connections_per_host(mut self, limit: usize) -> Builder {
        self.idle_connections_per_host = limit;
        self
    }

    /// Who looks names up: a resolver that others use too shares what it knows.
    pub fn resolver(mut self, resolver: Resolver) -> Builder {
        self.resolver = Some(resolver);
        self
    }

    /// Through which proxies requests go: none. The environment is not looked at here.
    pub fn proxies(mut self, proxies: Proxies) -> Builder {
        self.proxies = proxies;
        self
    }

    /// Whose certificates of `https` servers are believed: those of the system's authorities.
    #[cfg(feature = "tls")]
    pub fn trust(mut self, trust: Trust) -> Builder {
        self.trust = trust;
        self
    }

    /// The client.
    pub fn build(self) -> Client {
        let per_host = self.idle_connections_per_host;
        let idle_connections = self.idle_connections.unwrap_or(USUAL_IDLE_CONNECTIONS.max(per_host));
        let shared = Shared {
            limits: self.limits,
            user_agent: self.user_agent,
            resolver: self.resolver.unwrap_or_default(),
            proxies: self.proxies,
            #[cfg(feature = "tls")]
            tls: TlsConnector::new(self.trust, &["http/1.1"]),
            pool: Pool::new(idle_connections, per_host),
            buffers: Rc::default(),
            opened: 0.into(),
            reused: 0.into(),
        };
        Client { shared: Rc::new(shared) }
    }
}
