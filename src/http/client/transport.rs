//! The transport of a connection: TCP with or without TLS.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::net::TcpStream;
#[cfg(feature = "tls")]
use crate::net::tls::TlsStream;

/// A TCP or TLS stream, to a server or a proxy.
#[derive(Debug)]
pub(super) enum Transport {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

impl Transport {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(stream) => stream.poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.poll_read(cx, buffer),
        }
    }

    /// Writes as much as possible without blocking. After `Pending`, the same bytes must be passed again.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(stream) => stream.poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.poll_write(cx, bytes),
        }
    }

    /// Completes when data, EOF or an error is received on an idle connection.
    pub(super) fn poll_unexpected_input(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // An actual read distinguishes data from stale readiness. One byte is enough, and it may be discarded,
            // since the connection is closed if there is any.
            Transport::Plain(stream) => stream.poll_read(cx, &mut [0]).map(|_| ()),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.poll_unexpected_input(cx),
        }
    }

    /// Returns whether a read would block, without using the cached readiness. This is a system call.
    pub(super) fn has_no_input(&mut self) -> bool {
        match self {
            Transport::Plain(stream) => stream.has_no_input(),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.has_no_input(),
        }
    }

    /// Returns whether the peer is known to have closed its side of the connection.
    pub(super) fn is_read_closed(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_read_closed(),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.socket().is_read_closed() || stream.has_unread_input(),
        }
    }

    /// Sets whether deadlock detection ignores tasks that wait on the connection (I16).
    pub(super) fn set_unref(&mut self, is_unref: bool) {
        match self {
            Transport::Plain(stream) => stream.set_unref(is_unref),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.set_unref(is_unref),
        }
    }

    /// Returns the address of the peer.
    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Transport::Plain(stream) => stream.peer_addr(),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.socket().peer_addr(),
        }
    }
}
