//! A TCP connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll};

use crate::event_loop::{Described, Direction, Initially, Source};
use crate::observe::{Operation, SourceId};

/// The most pieces that one `writev` takes: `UIO_MAXIOV` of Linux. The standard library passes no more.
const MOST_PIECES_PER_CALL: usize = 1024;

/// A TCP connection, registered with the current loop. Dropping it closes it.
///
/// The methods are the poll functions from which futures are written by hand; one task at a time may wait in each
/// direction.
#[derive(Debug)]
pub struct TcpStream {
    source: Source<mio::net::TcpStream>,
    /// The other side, if somebody has said who it is: that saves a system call.
    peer: Option<SocketAddr>,
}

impl TcpStream {
    /// A connection that the kernel has made: accepted, or connected already. `TCP_NODELAY` is set. The descriptor may be
    /// one of several of the same socket.
    ///
    /// # Errors
    /// If the stream cannot be made non-blocking or registered.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        let peer = stream.peer_addr().ok();
        let mut stream = TcpStream::register(mio::net::TcpStream::from_std(stream), Initially::Ready, peer)?;
        stream.source.deregister_on_drop();
        Ok(stream)
    }

    /// A socket that nobody else has a descriptor of.
    pub(super) fn register(
        stream: mio::net::TcpStream,
        initially: Initially,
        peer: Option<SocketAddr>,
    ) -> io::Result<TcpStream> {
        // A request is one write: there is nothing for Nagle's algorithm to gather (RFC 896), only time to lose.
        stream.set_nodelay(true)?;
        let described = Described { what: "connection", descriptor: descriptor(&stream), peer };
        Ok(TcpStream { source: Source::tcp_stream(stream, initially, described)?, peer })
    }

    /// Reads what has come, at most as much as `buffer` holds. 0 is the end of the stream.
    ///
    /// # Errors
    /// What the system says: a reset, for example.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, Operation::Read, buffer.len(), |stream| stream.read(buffer))
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// What the system says: a broken pipe, for example.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, Operation::Write, bytes.len(), |stream| stream.write(bytes))
    }

    /// Writes several pieces in one system call, as much as there is room for. One call takes at most 1,024 of them.
    ///
    /// # Errors
    /// As for [`poll_write`](Self::poll_write).
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total = pieces.iter().take(MOST_PIECES_PER_CALL).map(|piece| piece.len()).sum();
        self.source.poll_io(cx, Operation::Write, total, |stream| stream.write_vectored(pieces))
    }

    /// Waits until there is something to read, be it the end of the stream.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_ready(cx, Direction::Read)
    }

    /// Whether there is nothing to read, not even the end, by the word of the kernel: what the reactor has cached may be
    /// a turn old.
    pub fn is_silent(&self) -> bool {
        let peeked = self.source.io().peek(&mut [0]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what has come by the word of the kernel, which is what [`is_silent`](Self::is_silent) goes by. `Pending` if
    /// there is nothing; nobody is woken when there is.
    #[cfg(feature = "tls")]
    pub(super) fn read_now(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.source.io_mut().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    /// Writes as much as there is room for at this moment: for last words, for which nobody waits.
    #[cfg(feature = "tls")]
    pub(super) fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.source.io_mut().write(bytes)
    }

    /// Ends one direction or both; what has been written still goes out.
    ///
    /// # Errors
    /// If the connection is broken already.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.source.io().shutdown(how)
    }

    /// Makes the drop a reset: what has been written and not sent is thrown away (`SO_LINGER` of zero).
    ///
    /// # Errors
    /// If the system refuses the option.
    pub fn reset_on_drop(&self) -> io::Result<()> {
        set_linger_zero(self.source.io())
    }

    /// The other side's address, as it was when the connection was made.
    ///
    /// # Errors
    /// If it was not known then, and the connection is not, or no longer, connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer.map_or_else(|| self.source.io().peer_addr(), Ok)
    }

    /// This side's address.
    ///
    /// # Errors
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.io().local_addr()
    }

    /// Its name in events, and its token.
    pub fn id(&self) -> SourceId {
        self.source.id()
    }

    /// Whether the other side is known to have ended its stream. `false` may be out of date.
    pub fn is_read_closed(&self) -> bool {
        self.source.is_read_closed()
    }

    /// Whether waiting on it counts as something that may still happen. An idle pooled connection does not.
    pub fn set_background(&self, background: bool) {
        self.source.set_background(background);
    }

    /// Whether `connect` has ended, for [`Connect`](super::Connect).
    pub(super) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source
            .poll_io(cx, Operation::Connect, 0, |stream| {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                match stream.peer_addr() {
                    Ok(_) => Ok(0),
                    // Woken too early: the handshake goes on.
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
                    Err(error) => Err(error),
                }
            })
            .map_ok(|_| ())
    }
}

#[cfg(unix)]
pub(super) fn descriptor(io: &impl std::os::fd::AsRawFd) -> Option<i32> {
    Some(io.as_raw_fd())
}

#[cfg(not(unix))]
pub(super) fn descriptor<S>(_io: &S) -> Option<i32> {
    None
}

fn set_linger_zero(stream: &mio::net::TcpStream) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        socket2::SockRef::from(&stream.as_fd()).set_linger(Some(std::time::Duration::ZERO))
    }
    #[cfg(not(unix))]
    {
        let _unsupported = stream;
        Ok(())
    }
}
