//! Client errors: why a request failed, and in which phase.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
#[cfg(feature = "tls")]
use http::StatusCode;
use http::header::HOST;

use crate::http::proto::ProtocolError;
#[cfg(feature = "tls")]
use crate::net::tls::TlsError;
use crate::net::{ConnectError, ResolveError};

/// The phase that an exchange had reached when it failed. Whether the request may be sent again depends on this, on the
/// method, and on whether the connection [had been used before](ClientError::is_reused) (RFC 9110 §9.2.2, RFC 9112
/// §9.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestPhase {
    /// No byte of the request was written, so the server cannot have processed it.
    NothingSent,
    /// Some or all of the request was written, and nothing was received: the server may have processed it.
    RequestSent,
    /// The response head was partly received.
    ReadingHead,
    /// The response head is complete, but not the body.
    ReadingBody,
}

/// The kinds of client errors.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The URL is invalid, for this reason.
    InvalidUri(&'static str),
    /// The URL's scheme is neither `http` nor, if built with TLS, `https`.
    UnsupportedScheme,
    /// `CONNECT` is not supported as a request method, since it opens a tunnel instead of returning a resource.
    UnsupportedMethod,
    /// This header of the request is rejected: `Content-Length` or `Transfer-Encoding`, since requests have no body, or
    /// `Host`, since its value is invalid.
    InvalidHeader(HeaderName),
    /// The proxy setting for the request is invalid, for this reason.
    UnusableProxy(String),
    /// The host name could not be resolved.
    Resolve(ResolveError),
    /// Resolving the host name exceeded the time limit for connecting.
    ResolveTimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// All connection attempts failed.
    Connect(ConnectError),
    /// The proxy did not establish a tunnel to the server.
    #[cfg(feature = "tls")]
    Tunnel(TunnelError),
    /// The TLS handshake failed.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// The request could not be written.
    Write(io::Error),
    /// The connection failed while the response was being read, for example by a reset.
    Read(io::Error),
    /// The response is not valid HTTP/1.1, or is truncated.
    Protocol(ProtocolError),
    /// The response head was not complete within the time limit.
    HeadTimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// No data of the body was received within the read timeout.
    BodyTimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// The body is larger than the caller permits.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// The error of an exchange: what failed, in which phase, and with which peer.
///
/// Cloning is cheap. The URL in the error never contains userinfo.
///
/// ```
/// use glassloop::{EventLoop, http::client::{Client, ClientErrorKind, RequestPhase}};
///
/// let mut event_loop = EventLoop::new()?;
/// let error = event_loop.block_on(Client::new().get("ftp://user:secret@a.test/x"))?.unwrap_err();
/// assert!(matches!(error.kind(), ClientErrorKind::UnsupportedScheme));
/// assert_eq!(error.phase(), RequestPhase::NothingSent);
/// assert!(error.to_string().starts_with("requesting ftp://a.test/x: only http"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientError {
    failure: Arc<Failure>,
}

/// The content of a [`ClientError`], which its clones share.
pub(super) struct Failure {
    pub(super) kind: ClientErrorKind,
    pub(super) phase: RequestPhase,
    /// The URL without userinfo; empty if it could not be parsed.
    pub(super) url: String,
    /// The address of the peer, if there was a connection.
    pub(super) peer: Option<SocketAddr>,
    /// The proxy of the request, if any.
    pub(super) proxy: Option<String>,
    pub(super) is_reused: bool,
}

impl ClientError {
    pub(super) fn new(failure: Failure) -> ClientError {
        ClientError { failure: Arc::new(failure) }
    }

    /// Creates the error of a request that is rejected before a connection is established.
    pub(super) fn invalid_request(kind: ClientErrorKind, url: String) -> ClientError {
        let phase = RequestPhase::NothingSent;
        ClientError::new(Failure { kind, phase, url, peer: None, proxy: None, is_reused: false })
    }

    /// Returns the kind of error.
    pub fn kind(&self) -> &ClientErrorKind {
        &self.failure.kind
    }

    /// Returns the phase that the exchange had reached when it failed.
    pub fn phase(&self) -> RequestPhase {
        self.failure.phase
    }

    /// Returns the URL with userinfo removed, in printable ASCII.
    pub fn url(&self) -> &str {
        &self.failure.url
    }

    /// Returns the address of the peer, which is the server or the proxy, if there was a connection.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.failure.peer
    }

    /// Returns the host and port of the proxy, if the request used one.
    pub fn proxy(&self) -> Option<&str> {
        self.failure.proxy.as_deref()
    }

    /// Returns whether the connection had served an earlier exchange. A server may close an idle connection at the
    /// moment when it is reused, so a retry on a new connection may succeed.
    pub fn is_reused(&self) -> bool {
        self.failure.is_reused
    }

    /// Returns whether a time limit was exceeded: while connecting (including TLS), or waiting for the head or for data
    /// of the body.
    pub fn is_timeout(&self) -> bool {
        match self.kind() {
            ClientErrorKind::ResolveTimedOut { .. }
            | ClientErrorKind::HeadTimedOut { .. }
            | ClientErrorKind::BodyTimedOut { .. } => true,
            ClientErrorKind::Connect(error) => match error {
                ConnectError::TimedOut { .. } => true,
                ConnectError::Failed { error, .. } => error.kind() == io::ErrorKind::TimedOut,
                ConnectError::NoAddress => false,
            },
            ClientErrorKind::Read(error) | ClientErrorKind::Write(error) => error.kind() == io::ErrorKind::TimedOut,
            #[cfg(feature = "tls")]
            ClientErrorKind::Tls(error) => error.is_timeout(),
            #[cfg(feature = "tls")]
            ClientErrorKind::Tunnel(error) => matches!(error, TunnelError::TimedOut { .. }),
            _ => false,
        }
    }
}

impl ClientErrorKind {
    /// Returns whether the connection failed, or the received data was not a valid response.
    pub(super) fn is_broken_connection(&self) -> bool {
        matches!(self, ClientErrorKind::Write(_) | ClientErrorKind::Read(_) | ClientErrorKind::Protocol(_))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { kind, phase, url, peer, proxy, .. } = &*self.failure;
        let peer = Peer { address: *peer, proxy: proxy.as_deref() };
        match kind {
            ClientErrorKind::InvalidUri(_) if url.is_empty() => f.write_str("invalid URL: ")?,
            ClientErrorKind::InvalidUri(_) => write!(f, "invalid URL {url}: ")?,
            ClientErrorKind::UnusableProxy(_)
            | ClientErrorKind::UnsupportedScheme
            | ClientErrorKind::UnsupportedMethod
            | ClientErrorKind::InvalidHeader(_) => write!(f, "requesting {url}: ")?,
            // These two errors name the operation and its object themselves.
            ClientErrorKind::Resolve(_) | ClientErrorKind::Connect(_) => {
                if let Some(proxy) = proxy {
                    write!(f, "reaching the proxy {proxy}: ")?;
                }
            }
            ClientErrorKind::ResolveTimedOut { .. } => match proxy {
                Some(proxy) => write!(f, "looking up the proxy {proxy}: ")?,
                None => write!(f, "looking up the host of {url}: ")?,
            },
            #[cfg(feature = "tls")]
            ClientErrorKind::Tunnel(_) => write!(f, "requesting a tunnel to the host of {url} from {peer}: ")?,
            #[cfg(feature = "tls")]
            ClientErrorKind::Tls(_) => match proxy {
                Some(proxy) => write!(f, "TLS handshake with the host of {url} through the proxy {proxy}: ")?,
                None => write!(f, "TLS handshake with {peer}: ")?,
            },
            ClientErrorKind::Write(_) => write!(f, "writing the request to {peer}: ")?,
            _ if *phase == RequestPhase::ReadingBody => write!(f, "reading the response body from {peer}: ")?,
            _ => write!(f, "reading the response head from {peer}: ")?,
        }
        match kind {
            ClientErrorKind::InvalidUri(reason) => f.write_str(reason),
            ClientErrorKind::UnusableProxy(reason) => f.write_str(reason),
            ClientErrorKind::UnsupportedScheme if cfg!(feature = "tls") => {
                f.write_str("only http and https are supported")
            }
            ClientErrorKind::UnsupportedScheme => f.write_str("only http is supported, because this build has no TLS"),
            ClientErrorKind::UnsupportedMethod => f.write_str("CONNECT is not supported as a request method"),
            ClientErrorKind::InvalidHeader(name) if name == HOST => {
                f.write_str("the value of the header `host` is invalid")
            }
            ClientErrorKind::InvalidHeader(name) => write!(f, "the header `{name}` is not allowed without a body"),
            ClientErrorKind::Resolve(error) => error.fmt(f),
            ClientErrorKind::Connect(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            ClientErrorKind::Tunnel(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            ClientErrorKind::Tls(error) => error.fmt(f),
            ClientErrorKind::Write(error) | ClientErrorKind::Read(error) => error.fmt(f),
            ClientErrorKind::Protocol(error) => error.fmt(f),
            ClientErrorKind::ResolveTimedOut { limit } | ClientErrorKind::HeadTimedOut { limit } => {
                write!(f, "timed out after {limit:?}")
            }
            ClientErrorKind::BodyTimedOut { limit } => write!(f, "timed out: no data for {limit:?}"),
            ClientErrorKind::TooLarge { limit } => write!(f, "the body is larger than {limit} bytes"),
        }
    }
}

/// The peer of a connection for messages: the proxy, or the address of the server, or `the server` if it is unknown.
struct Peer<'a> {
    address: Option<SocketAddr>,
    proxy: Option<&'a str>,
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.proxy, self.address) {
            (Some(proxy), _) => write!(f, "the proxy {proxy}"),
            (None, Some(address)) => address.fmt(f),
            (None, None) => f.write_str("the server"),
        }
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { kind, phase, url, peer, proxy, is_reused } = &*self.failure;
        f.debug_struct("ClientError")
            .field("kind", kind)
            .field("phase", phase)
            .field("url", url)
            .field("peer", peer)
            .field("proxy", proxy)
            .field("is_reused", is_reused)
            .finish()
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ClientErrorKind::Resolve(error) => Some(error),
            ClientErrorKind::Connect(error) => Some(error),
            #[cfg(feature = "tls")]
            ClientErrorKind::Tunnel(error) => Some(error),
            #[cfg(feature = "tls")]
            ClientErrorKind::Tls(error) => Some(error),
            ClientErrorKind::Write(error) | ClientErrorKind::Read(error) => Some(error),
            ClientErrorKind::Protocol(error) => Some(error),
            _ => None,
        }
    }
}

/// The reason why a proxy did not establish a tunnel.
#[cfg(feature = "tls")]
#[derive(Debug)]
pub enum TunnelError {
    /// The proxy responded with this status instead of a 2xx. 407 requires proxy authentication.
    Rejected(StatusCode),
    /// The proxy sent data after its response.
    UnexpectedData,
    /// The response is not valid HTTP/1.1, or is truncated.
    Protocol(ProtocolError),
    /// The request could not be written.
    Write(io::Error),
    /// The connection failed before there was a response.
    Read(io::Error),
    /// There was no response within the time limit for connecting.
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
}

#[cfg(feature = "tls")]
impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelError::Rejected(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                f.write_str("the proxy requires authentication (407): the user name or password is missing or wrong")
            }
            TunnelError::Rejected(status) => write!(f, "the proxy responded with {status}"),
            TunnelError::UnexpectedData => f.write_str("unexpected data after the response to CONNECT"),
            TunnelError::Protocol(error) => error.fmt(f),
            TunnelError::Write(error) | TunnelError::Read(error) => error.fmt(f),
            TunnelError::TimedOut { limit } => write!(f, "timed out after {limit:?}"),
        }
    }
}

#[cfg(feature = "tls")]
impl std::error::Error for TunnelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TunnelError::Protocol(error) => Some(error),
            TunnelError::Write(error) | TunnelError::Read(error) => Some(error),
            TunnelError::Rejected(_) | TunnelError::UnexpectedData | TunnelError::TimedOut { .. } => None,
        }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
