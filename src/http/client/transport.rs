//! What carries the bytes of a connection: one place for what is above TCP.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::net::TcpStream;
#[cfg(feature = "tls")]
use crate::net::tls::TlsStream;

/// A stream to a server. Nothing above this file looks inside.
#[derive(Debug)]
pub(super) enum Transport {
    /// The bytes as they are.
    Plain(TcpStream),
    /// The bytes in encrypted records.
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

    /// Writes as much as there is room for. After `Pending` the same bytes have to be offered again.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(stream) => stream.poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.poll_write(cx, bytes),
        }
    }

    /// Waits for what nobody has asked for: a byte, or the end.
    pub(super) fn poll_unasked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // A byte is enough to know, and the rest is of no interest. To try tells a byte from readiness that is out of
            // date.
            Transport::Plain(stream) => stream.poll_read(cx, &mut [0]).map(|_| ()),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.poll_unsolicited(cx),
        }
    }

    /// Whether nothing has come, not even the end, as far as the kernel knows. A system call.
    pub(super) fn is_silent(&mut self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_silent(),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.is_drained(),
        }
    }

    /// Whether the other side is known to have ended its stream.
    pub(super) fn is_read_closed(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_read_closed(),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.socket().is_read_closed() || stream.has_unread_input(),
        }
    }

    /// Whether waiting for it counts as something that may still happen (I16).
    pub(super) fn set_background(&mut self, background: bool) {
        match self {
            Transport::Plain(stream) => stream.set_background(background),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.set_background(background),
        }
    }

    /// The other side's address.
    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Transport::Plain(stream) => stream.peer_addr(),
            #[cfg(feature = "tls")]
            Transport::Tls(stream) => stream.socket().peer_addr(),
        }
    }
}
