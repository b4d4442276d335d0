//! What carries the bytes of a connection: one place for what is above TCP.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::net::TcpStream;

/// A stream to a server. What TLS adds becomes a second variant; nothing above this file looks inside.
#[derive(Debug)]
pub(super) enum Transport {
    /// The bytes as they are.
    Plain(TcpStream),
}

impl Transport {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(stream) => stream.poll_read(cx, buffer),
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(stream) => stream.poll_write(cx, bytes),
        }
    }

    /// Whether nothing has come, not even the end, as far as the kernel knows. A system call.
    pub(super) fn is_silent(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_silent(),
        }
    }

    /// Whether the other side is known to have ended its stream.
    pub(super) fn is_read_closed(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_read_closed(),
        }
    }

    /// Whether waiting for it counts as something that may still happen (I16).
    pub(super) fn set_background(&self, background: bool) {
        match self {
            Transport::Plain(stream) => stream.set_background(background),
        }
    }

    /// The other side's address.
    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Transport::Plain(stream) => stream.peer_addr(),
        }
    }
}
