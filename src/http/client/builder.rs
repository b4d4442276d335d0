//! The builder of clients.

use std::rc::Rc;
use std::time::Duration;

use http::HeaderValue;

use super::pool::Pool;
use super::proxy::ProxyConfig;
use super::{Client, ClientContext};
use crate::net::Resolver;
#[cfg(feature = "tls")]
use crate::net::tls::{TlsConnector, Trust};

/// A builder of [`Client`]s.
///
/// ```
/// use std::time::Duration;
/// use glassloop::http::client::Client;
/// use http::HeaderValue;
///
/// let client = Client::builder()
///     .connect_timeout(Duration::from_secs(3))
///     .head_timeout(Duration::from_secs(5))
///     .read_timeout(Duration::from_secs(5))
///     .user_agent(HeaderValue::from_static("example/1.0"))
///     .pool_max_idle(16)
///     .pool_max_idle_per_host(4)
///     .build();
/// ```
#[derive(Debug)]
pub struct Builder {
    timeouts: Timeouts,
    user_agent: HeaderValue,
    pool_max_idle: Option<usize>,
    pool_max_idle_per_host: usize,
    resolver: Option<Resolver>,
    proxies: ProxyConfig,
    #[cfg(feature = "tls")]
    trust: Trust,
}

/// The timeouts of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) head: Duration,
    pub(super) read: Duration,
}

/// The default limit on the total number of idle connections.
const DEFAULT_POOL_MAX_IDLE: usize = 256;

impl Default for Builder {
    fn default() -> Self {
        let timeouts =
            Timeouts { connect: Duration::from_secs(10), head: Duration::from_secs(30), read: Duration::from_secs(30) };
        let user_agent = HeaderValue::from_static(concat!("glassloop/", env!("CARGO_PKG_VERSION")));
        Builder {
            timeouts,
            user_agent,
            pool_max_idle: None,
            pool_max_idle_per_host: 64,
            resolver: None,
            proxies: ProxyConfig::none(),
            #[cfg(feature = "tls")]
            trust: Trust::default(),
        }
    }
}

impl Builder {
    /// Sets the time limit for DNS resolution, connecting, a tunnel through a proxy, and the TLS handshake, all
    /// together. Default: 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Builder {
        self.timeouts.connect = limit;
        self
    }

    /// Sets the time limit from the start of writing the request until the response head is complete. Neither interim
    /// (1xx) responses nor partial data extend it. Default: 30 s.
    pub fn head_timeout(mut self, limit: Duration) -> Builder {
        self.timeouts.head = limit;
        self
    }

    /// Sets the read timeout: the maximum time without new data while the caller waits for a body. The total time of a
    /// body is not limited. Default: 30 s. (The idle timeout of pooled connections is always 4 s.)
    pub fn read_timeout(mut self, limit: Duration) -> Builder {
        self.timeouts.read = limit;
        self
    }

    /// Sets the `User-Agent` of requests that do not have one. Default: `glassloop/VERSION`.
    pub fn user_agent(mut self, name: HeaderValue) -> Builder {
        self.user_agent = name;
        self
    }

    /// Sets the limit on the total number of idle connections. If it is exceeded, the one that has been idle longest is
    /// closed. Default: 256, or the limit per host if that is larger.
    pub fn pool_max_idle(mut self, limit: usize) -> Builder {
        self.pool_max_idle = Some(limit);
        self
    }

    /// Sets the limit on the number of idle connections per host. With 0, connections are never reused. Default: 64.
    pub fn pool_max_idle_per_host(mut self, limit: usize) -> Builder {
        self.pool_max_idle_per_host = limit;
        self
    }

    /// Sets the DNS resolver. Clients that use the same resolver share its cache. Default: a new resolver.
    pub fn resolver(mut self, resolver: Resolver) -> Builder {
        self.resolver = Some(resolver);
        self
    }

    /// Sets the proxies. Environment variables such as `http_proxy` are not read here. Default: no proxies.
    pub fn proxies(mut self, proxies: ProxyConfig) -> Builder {
        self.proxies = proxies;
        self
    }

    /// Sets how the certificates of `https` servers are verified. Default: against the system's certificate store.
    #[cfg(feature = "tls")]
    pub fn trust(mut self, trust: Trust) -> Builder {
        self.trust = trust;
        self
    }

    /// Builds the client.
    pub fn build(self) -> Client {
        let per_host = self.pool_max_idle_per_host;
        let pool_max_idle = self.pool_max_idle.unwrap_or(DEFAULT_POOL_MAX_IDLE.max(per_host));
        let shared = ClientContext {
            timeouts: self.timeouts,
            user_agent: self.user_agent,
            resolver: self.resolver.unwrap_or_default(),
            proxies: self.proxies,
            #[cfg(feature = "tls")]
            tls: TlsConnector::new(self.trust, &["http/1.1"]),
            pool: Pool::new(pool_max_idle, per_host),
            buffers: Rc::default(),
            opened: 0.into(),
            reused: 0.into(),
        };
        Client { shared: Rc::new(shared) }
    }
}
