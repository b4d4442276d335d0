//! Why there is no response, or not all of it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::target::Target;
#[cfg(feature = "tls")]
use super::tunnel::TunnelError;
use crate::http::proto::ProtocolError;
#[cfg(feature = "tls")]
use crate::net::tls::TlsError;
use crate::net::{ConnectError, ResolveError};

/// How far the exchange had come. Whether a request may be sent again depends on this, on the method, and on whether
/// the connection [had been used before](ClientError::is_reused) (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No byte of the request was written: the server cannot know of it.
    NothingWritten,
    /// Some or all of the request was written, and no byte came back: the server may have acted on it.
    WrittenNoByteRead,
    /// The response's head had begun.
    InHead,
    /// The response's head is complete, its body is not.
    InBody,
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The URL cannot be asked, and why.
    InvalidUri(&'static str),
    /// The URL's scheme is neither `http` nor, in a build with TLS, `https`.
    UnsupportedScheme,
    /// `CONNECT` asks for a tunnel, not for a response.
    UnsupportedMethod,
    /// The request has a field that contradicts what is sent: it announces a body, or its `Host` is no host.
    ForbiddenField(HeaderName),
    /// The proxy for the request cannot be used, and why.
    UnusableProxy(String),
    /// The host has no address, or the name servers did not answer.
    Resolve(ResolveError),
    /// The name servers took as long as the whole connection may.
    ResolveTimedOut {
        /// The limit.
        limit: Duration,
    },
    /// No address of the host took the connection.
    Connect(ConnectError),
    /// The proxy made no tunnel to the server.
    #[cfg(feature = "tls")]
    Tunnel(TunnelError),
    /// The server took the connection, and it could not be secured.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// The request could not be written.
    Write(io::Error),
    /// The connection broke while the response was read: a reset, for example.
    Read(io::Error),
    /// What the server sent is not HTTP/1.1, or ends too early.
    Protocol(ProtocolError),
    /// The response's head was not complete in time.
    HeadTimedOut {
        /// The limit.
        limit: Duration,
    },
    /// No byte of the body came for too long.
    BodyIdle {
        /// The limit.
        limit: Duration,
    },
    /// The body is larger than the caller wants.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Why an exchange failed: what went wrong, how far it had come, with whom.
///
/// A clone shares everything. The URL it names never contains userinfo.
///
/// ```
/// use glassloop::{EventLoop, http::client::{Client, ClientErrorKind, Stage}};
///
/// let mut event_loop = EventLoop::new()?;
/// let error = event_loop.block_on(Client::new().get("ftp://user:secret@a.test/x"))?.unwrap_err();
/// assert!(matches!(error.kind(), ClientErrorKind::UnsupportedScheme));
/// assert_eq!(error.stage(), Stage::NothingWritten);
/// assert!(error.to_string().starts_with("requesting ftp://a.test/x: only http"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientError {
    failure: Arc<Failure>,
}

/// What a [`ClientError`] and its clones share.
struct Failure {
    kind: ClientErrorKind,
    stage: Stage,
    url: String,
    /// The other side's address, if there was a connection.
    peer: Option<SocketAddr>,
    /// The proxy on the way.
    proxy: Option<String>,
    is_reused: bool,
}

impl ClientError {
    /// An exchange that cannot begin.
    pub(super) fn refused(kind: ClientErrorKind, url: String) -> ClientError {
        let failure = Failure { kind, stage: Stage::NothingWritten, url, peer: None, proxy: None, is_reused: false };
        ClientError { failure: Arc::new(failure) }
    }

    /// An exchange that failed on the way to a server, or on a connection.
    pub(super) fn on_the_way(
        kind: ClientErrorKind,
        target: &Target,
        stage: Stage,
        peer: Option<SocketAddr>,
        is_reused: bool,
    ) -> ClientError {
        let proxy = target.proxy().map(ToString::to_string);
        ClientError { failure: Arc::new(Failure { kind, stage, url: target.url(), peer, proxy, is_reused }) }
    }

    /// What went wrong.
    pub fn kind(&self) -> &ClientErrorKind {
        &self.failure.kind
    }

    /// How far the exchange had come.
    pub fn stage(&self) -> Stage {
        self.failure.stage
    }

    /// What was asked for, without userinfo, in printable ASCII.
    pub fn url(&self) -> &str {
        &self.failure.url
    }

    /// The other side's address, if there was a connection: the server's, or that of the proxy on the way.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.failure.peer
    }

    /// Host and port of the proxy on the way, if there is one.
    pub fn proxy(&self) -> Option<&str> {
        self.failure.proxy.as_deref()
    }

    /// Whether the connection had served an exchange before. A server may close an idle connection at the very moment
    /// at which it is used again, so a failure of such a one says little.
    pub fn is_reused(&self) -> bool {
        self.failure.is_reused
    }

    /// Whether a limit on time was reached: for the connection and its security, the head, or the silence in a body.
    pub fn is_timeout(&self) -> bool {
        match self.kind() {
            ClientErrorKind::ResolveTimedOut { .. }
            | ClientErrorKind::HeadTimedOut { .. }
            | ClientErrorKind::BodyIdle { .. } => true,
            ClientErrorKind::Connect(error) => match error {
                ConnectError::TimedOut { .. } => true,
                ConnectError::Refused { error, .. } => error.kind() == io::ErrorKind::TimedOut,
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
    /// Returns whether the connection ended, or what came over it is no response.
    pub(super) fn is_broken_connection(&self) -> bool {
        matches!(self, ClientErrorKind::Write(_) | ClientErrorKind::Read(_) | ClientErrorKind::Protocol(_))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { kind, stage, url, peer, proxy, .. } = &*self.failure;
        let peer = Peer { address: *peer, proxy: proxy.as_deref() };
        match kind {
            ClientErrorKind::InvalidUri(_)
            | ClientErrorKind::UnusableProxy(_)
            | ClientErrorKind::UnsupportedScheme
            | ClientErrorKind::UnsupportedMethod
            | ClientErrorKind::ForbiddenField(_) => write!(f, "requesting {url}: ")?,
            // These two say themselves what was being done to what.
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
            ClientErrorKind::Tunnel(_) => write!(f, "asking {peer} for a tunnel to the host of {url}: ")?,
            #[cfg(feature = "tls")]
            ClientErrorKind::Tls(_) => match proxy {
                Some(proxy) => write!(f, "agreeing on TLS with the host of {url} through the proxy {proxy}: ")?,
                None => write!(f, "agreeing on TLS with {peer}: ")?,
            },
            ClientErrorKind::Write(_) => write!(f, "writing the request to {peer}: ")?,
            _ if *stage == Stage::InBody => write!(f, "reading the response body from {peer}: ")?,
            _ => write!(f, "reading the response head from {peer}: ")?,
        }
        match kind {
            ClientErrorKind::InvalidUri(why) => f.write_str(why),
            ClientErrorKind::UnusableProxy(why) => f.write_str(why),
            ClientErrorKind::UnsupportedScheme if cfg!(feature = "tls") => {
                f.write_str("only http and https are spoken here")
            }
            ClientErrorKind::UnsupportedScheme => f.write_str("only http is spoken here: this build has no TLS"),
            ClientErrorKind::UnsupportedMethod => f.write_str("CONNECT asks for a tunnel"),
            ClientErrorKind::ForbiddenField(name) => write!(f, "the field `{name}` does not fit the request"),
            ClientErrorKind::Resolve(error) => error.fmt(f),
            ClientErrorKind::Connect(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            ClientErrorKind::Tunnel(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            ClientErrorKind::Tls(error) => error.fmt(f),
            ClientErrorKind::Write(error) | ClientErrorKind::Read(error) => error.fmt(f),
            ClientErrorKind::Protocol(error) => error.fmt(f),
            ClientErrorKind::ResolveTimedOut { limit } => write!(f, "no answer for {limit:?}"),
            ClientErrorKind::HeadTimedOut { limit } => write!(f, "it was not complete after {limit:?}"),
            ClientErrorKind::BodyIdle { limit } => write!(f, "nothing came for {limit:?}"),
            ClientErrorKind::TooLarge { limit } => write!(f, "it is larger than {limit} bytes"),
        }
    }
}

/// The other side of a connection, or a word for it.
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
        let Failure { kind, stage, url, peer, proxy, is_reused } = &*self.failure;
        f.debug_struct("ClientError")
            .field("kind", kind)
            .field("stage", stage)
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

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
