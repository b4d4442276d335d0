//! TCP listeners: sockets that accept connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TcpStream;
use super::stream::descriptor;
use crate::event_loop::{InitialReadiness, PollEvented, SourceMetadata};
use crate::observe::Operation;

/// A listening TCP socket.
///
/// ```
/// use glassloop::{EventLoop, net::TcpListener};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address"))?;
///     let _client = std::net::TcpStream::connect(listener.local_addr()?)?;
///     let (_stream, peer) = listener.accept().await?;
///     assert!(peer.ip().is_loopback());
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TcpListener {
    source: PollEvented<mio::net::TcpListener>,
}

impl TcpListener {
    /// Binds a listener to an address. With port 0, the system chooses a port.
    ///
    /// # Errors
    /// If the address is in use or not permitted.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::register(mio::net::TcpListener::bind(address)?)
    }

    /// Wraps a listener of the standard library.
    ///
    /// # Errors
    /// If it cannot be made non-blocking or registered.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::register(mio::net::TcpListener::from_std(listener))?;
        listener.source.deregister_on_drop();
        Ok(listener)
    }

    fn register(listener: mio::net::TcpListener) -> io::Result<TcpListener> {
        let metadata = SourceMetadata { what: "listener", descriptor: descriptor(&listener), peer: None };
        // Connections may already be waiting, so the source starts as ready.
        Ok(TcpListener { source: PollEvented::owning(listener, InitialReadiness::Ready, metadata)? })
    }

    /// Polls for the next connection.
    ///
    /// # Errors
    /// If `accept` fails, or the connection cannot be registered. After `EMFILE` or `ENFILE`, wait before the next
    /// call: the connection remains in the kernel's queue, so an immediate retry would fail in the same way and spin
    /// (I11).
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut accepted = None;
        match self.source.poll_io(cx, Operation::Accept, 0, |listener| {
            accepted = Some(listener.accept()?);
            Ok(1)
        }) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(_)) => {
                let (stream, peer) = accepted.expect("a successful `accept` returns a connection");
                Poll::Ready(
                    TcpStream::register(stream, InitialReadiness::Ready, Some(peer)).map(|stream| (stream, peer)),
                )
            }
        }
    }

    /// Returns a future that resolves to the next connection.
    pub fn accept(&mut self) -> Accept<'_> {
        Accept { listener: self }
    }

    /// Returns the local address, with the port that the system has chosen.
    ///
    /// # Errors
    /// If the system call fails.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.io().local_addr()
    }

    /// Sets whether deadlock detection ignores tasks that wait for connections on this listener. Default: `false`.
    pub fn set_unref(&self, is_unref: bool) {
        self.source.set_unref(is_unref);
    }
}

/// The future returned by [`TcpListener::accept`].
#[derive(Debug)]
pub struct Accept<'a> {
    listener: &'a mut TcpListener,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.listener.poll_accept(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::EventLoop;

    #[test]
    fn connections_are_accepted_in_order_with_their_addresses() {
        let standard = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let expected = standard.local_addr().unwrap();
        let mut event_loop = EventLoop::new().unwrap();
        let ended = event_loop.block_on(async {
            let mut listener = TcpListener::from_std(standard).unwrap();
            assert_eq!(listener.local_addr().unwrap(), expected);
            for _ in 0..2 {
                let client = std::net::TcpStream::connect(expected).unwrap();
                let (stream, peer) = listener.accept().await.unwrap();
                assert_eq!(peer, client.local_addr().unwrap());
                assert_eq!((stream.peer_addr().unwrap(), stream.local_addr().unwrap()), (peer, expected));
            }
        });
        ended.unwrap();
    }

    #[test]
    fn an_unref_listener_does_not_prevent_deadlock_detection() {
        let mut event_loop = EventLoop::new().unwrap();
        let ended = event_loop.block_on(async {
            let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            listener.set_unref(true);
            listener.accept().await.map(|_| ())
        });
        assert!(ended.is_err(), "this is a deadlock");
    }

    #[test]
    fn binding_to_a_used_address_fails() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut event_loop = EventLoop::new().unwrap();
        let bound = event_loop.block_on(async { TcpListener::bind(taken.local_addr().unwrap()).map(|_| ()) });
        assert_eq!(bound.unwrap().unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
