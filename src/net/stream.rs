//! TCP streams: connected sockets that are read and written.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll};

use crate::event_loop::{Direction, InitialReadiness, PollEvented, SourceMetadata};
use crate::observe::{Operation, SourceId};

/// The maximum number of buffers per `writev` call (`IOV_MAX`, which is 1,024 on Linux). The standard library passes at
/// most this many to the kernel.
const MAX_SLICES_PER_CALL: usize = 1024;

/// A TCP connection, registered with the current loop. Dropping it closes it.
///
/// The methods are poll functions, from which futures can be written by hand. At most one task at a time may wait in
/// each direction.
#[derive(Debug)]
pub struct TcpStream {
    source: PollEvented<mio::net::TcpStream>,
    /// The address of the peer, if it is known from connecting or accepting, which saves a system call.
    peer: Option<SocketAddr>,
}

impl TcpStream {
    /// Wraps a connected stream of the standard library, and sets `TCP_NODELAY`. Other descriptors, such as those from
    /// `try_clone`, may refer to the same socket.
    ///
    /// # Errors
    /// If the stream cannot be made non-blocking or registered.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        let peer = stream.peer_addr().ok();
        let mut stream = TcpStream::register(mio::net::TcpStream::from_std(stream), InitialReadiness::Ready, peer)?;
        stream.source.deregister_on_drop();
        Ok(stream)
    }

    /// Registers a socket whose descriptor is not duplicated.
    pub(super) fn register(
        stream: mio::net::TcpStream,
        readiness: InitialReadiness,
        peer: Option<SocketAddr>,
    ) -> io::Result<TcpStream> {
        // A request is a single write, so Nagle's algorithm (RFC 896) would only add latency.
        stream.set_nodelay(true)?;
        let metadata = SourceMetadata { what: "connection", descriptor: descriptor(&stream), peer };
        Ok(TcpStream { source: PollEvented::tcp_stream(stream, readiness, metadata)?, peer })
    }

    /// Reads available data, at most as much as fits in `buffer`. Returns 0 at the end of the stream.
    ///
    /// # Errors
    /// The error of the system call, for example a connection reset.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, Operation::Read, buffer.len(), |stream| stream.read(buffer))
    }

    /// Writes as much as possible without blocking.
    ///
    /// # Errors
    /// The error of the system call, for example a broken pipe.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, Operation::Write, bytes.len(), |stream| stream.write(bytes))
    }

    /// Writes several buffers in one system call, as much as possible without blocking. One call takes at most 1,024
    /// buffers.
    ///
    /// # Errors
    /// As for [`poll_write`](Self::poll_write).
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total = pieces.iter().take(MAX_SLICES_PER_CALL).map(|piece| piece.len()).sum();
        self.source.poll_io(cx, Operation::Write, total, |stream| stream.write_vectored(pieces))
    }

    /// Polls until data or EOF can be read.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_ready(cx, Direction::Read)
    }

    /// Returns whether a read would block: there is no data, no EOF and no error. This is a system call (`recv` with
    /// `MSG_PEEK`), since the cached readiness may be stale by one turn of the loop.
    pub fn has_no_input(&self) -> bool {
        let peeked = self.source.io().peek(&mut [0]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads without consulting the cached readiness. Returns `Pending` if there is no data, without registering a
    /// waker.
    #[cfg(feature = "tls")]
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.source.io_mut().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    /// Writes without consulting the cached readiness or registering a waker: a best-effort write, for close_notify.
    #[cfg(feature = "tls")]
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.source.io_mut().write(bytes)
    }

    /// Shuts down one direction or both. Data that has been written is still sent.
    ///
    /// # Errors
    /// If the connection is already closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.source.io().shutdown(how)
    }

    /// Makes dropping the stream reset the connection and discard unsent data (`SO_LINGER` with a timeout of zero).
    ///
    /// # Errors
    /// If the system call fails.
    pub fn reset_on_drop(&self) -> io::Result<()> {
        set_linger_zero(self.source.io())
    }

    /// Returns the address of the peer. It is cached when the stream is created.
    ///
    /// # Errors
    /// If it is not cached and the system call fails, for example because the stream is no longer connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer.map_or_else(|| self.source.io().peer_addr(), Ok)
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// If the system call fails.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.io().local_addr()
    }

    /// Returns the id of this stream as an event source, which is also its mio `Token`.
    pub fn id(&self) -> SourceId {
        self.source.id()
    }

    /// Returns whether the peer is known to have closed its side of the connection. `false` may be stale.
    pub fn is_read_closed(&self) -> bool {
        self.source.is_read_closed()
    }

    /// Sets whether deadlock detection ignores tasks that wait on this stream, as for an idle pooled connection.
    pub fn set_unref(&self, is_unref: bool) {
        self.source.set_unref(is_unref);
    }

    /// Polls until the TCP handshake has succeeded or failed. [`Connect`](super::Connect) uses it.
    pub(super) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source
            .poll_io(cx, Operation::Connect, 0, |stream| {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                match stream.peer_addr() {
                    Ok(_) => Ok(0),
                    // A spurious wakeup: the TCP handshake is still in progress.
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::event_loop::{EventLoop, sleep};
    use crate::observe::{Event, EventKind, Observer};

    /// The peer's end of a connection, with blocking I/O.
    type Peer = std::net::TcpStream;

    /// Returns both ends of a connection, neither of which is registered.
    fn pair() -> (std::net::TcpStream, Peer) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (stream, listener.accept().unwrap().0)
    }

    /// Runs a test on a connection.
    fn run(test: impl AsyncFnOnce(TcpStream, Peer)) {
        let mut event_loop = EventLoop::new().unwrap();
        let ended = event_loop.block_on(async {
            let (stream, peer) = pair();
            test(TcpStream::from_std(stream).unwrap(), peer).await;
        });
        ended.unwrap();
    }

    async fn poll_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll_fn(|cx| Poll::Ready(poll(cx))).await
    }

    async fn read(stream: &mut TcpStream) -> Vec<u8> {
        let mut buffer = [0; 64];
        let read = poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.unwrap();
        buffer[..read].to_vec()
    }

    #[test]
    fn poll_readable_waits_for_data_and_for_eof() {
        run(async |mut stream, mut peer| {
            // A new source is assumed to be ready; this read finds that there is no data yet.
            assert!(poll_once(|cx| stream.poll_read(cx, &mut [0; 64])).await.is_pending());
            assert!(poll_once(|cx| stream.poll_readable(cx)).await.is_pending(), "no data was sent");
            peer.write_all(b"x").unwrap();
            poll_fn(|cx| stream.poll_readable(cx)).await;
            assert_eq!(read(&mut stream).await, b"x");
            assert!(poll_once(|cx| stream.poll_read(cx, &mut [0; 64])).await.is_pending());
            assert!(poll_once(|cx| stream.poll_readable(cx)).await.is_pending(), "all has been read");
            drop(peer);
            poll_fn(|cx| stream.poll_readable(cx)).await;
            assert_eq!(read(&mut stream).await, b"");
        });
    }

    #[test]
    fn a_vectored_write_writes_all_buffers_in_order() {
        run(async |mut stream, mut peer| {
            let pieces = [&b"one "[..], b"", b"two"].map(IoSlice::new);
            assert_eq!(poll_fn(|cx| stream.poll_write_vectored(cx, &pieces)).await.unwrap(), 7);
            assert_eq!(poll_fn(|cx| stream.poll_write(cx, b" three")).await.unwrap(), 6);
            let mut read = [0; 13];
            peer.read_exact(&mut read).unwrap();
            assert_eq!(&read, b"one two three");
        });
    }

    #[test]
    fn has_no_input_peeks_at_the_socket_for_data_and_eof() {
        for send in
            [|mut peer: &Peer| peer.write_all(b"x").unwrap(), |peer: &Peer| peer.shutdown(Shutdown::Write).unwrap()]
        {
            run(async |stream, peer| {
                assert!(stream.has_no_input());
                send(&peer);
                // The reactor has not polled in between, so the result cannot come from the cached readiness.
                assert!(!stream.has_no_input());
            });
        }
    }

    #[test]
    fn is_read_closed_is_true_after_the_loop_has_received_the_eof() {
        run(async |mut stream, peer| {
            assert!(!stream.is_read_closed());
            peer.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read(&mut stream).await, b"");
            while !stream.is_read_closed() {
                sleep(Duration::from_millis(1)).await;
            }
        });
    }

    #[test]
    fn shutting_down_one_direction_keeps_the_other_open() {
        run(async |mut stream, mut peer| {
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
            peer.write_all(b"x").unwrap();
            assert_eq!(read(&mut stream).await, b"x");
        });
    }

    #[test]
    fn dropping_a_stream_closes_it_and_resets_it_only_on_request() {
        run(async |stream, mut peer| {
            drop(stream);
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        });
        run(async |stream, mut peer| {
            stream.reset_on_drop().unwrap();
            drop(stream);
            assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        });
    }

    #[cfg(feature = "tls")]
    #[test]
    fn try_read_and_try_write_do_not_wait() {
        run(async |mut stream, mut peer| {
            assert!(stream.try_read(&mut [0; 64]).is_pending());
            assert_eq!(stream.try_write(b"abc").unwrap(), 3);
            let mut read = [0; 3];
            peer.read_exact(&mut read).unwrap();
            assert_eq!(&read, b"abc");

            peer.write_all(b"de").unwrap();
            let mut buffer = [0; 64];
            assert!(matches!(stream.try_read(&mut buffer), Poll::Ready(Ok(2))));
            assert_eq!(&buffer[..2], b"de");
            drop(peer);
            assert!(matches!(stream.try_read(&mut buffer), Poll::Ready(Ok(0))));
        });
        run(async |mut stream, peer| {
            socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
            drop(peer);
            let read = stream.try_read(&mut [0; 64]);
            assert!(
                matches!(&read, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset),
                "{read:?}"
            );
        });
    }

    #[test]
    fn an_unref_stream_does_not_prevent_deadlock_detection() {
        let mut event_loop = EventLoop::new().unwrap();
        let (stream, _peer) = pair();
        let ended = event_loop.block_on(async {
            let mut stream = TcpStream::from_std(stream).unwrap();
            stream.set_unref(true);
            read(&mut stream).await
        });
        assert!(ended.is_err(), "this is a deadlock");
    }

    /// An observer that records the id, the descriptor and the peer of each source that is added.
    #[derive(Clone, Default)]
    struct Added(Rc<RefCell<Vec<AddedSource>>>);

    type AddedSource = (SourceId, Option<i32>, Option<SocketAddr>);

    impl Observer for Added {
        fn event(&mut self, event: &Event<'_>) {
            if let EventKind::SourceAdd { source, what: "connection", descriptor, peer, .. } = event.kind {
                self.0.borrow_mut().push((source, descriptor, peer));
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_observer_receives_the_descriptor_and_the_peer_of_a_connection() {
        use std::os::fd::AsRawFd;
        let added = Added::default();
        let mut event_loop = EventLoop::builder().observer(added.clone()).build().unwrap();
        let ended = event_loop.block_on(async {
            let (first, second) = (pair(), pair());
            let expected = [&first, &second].map(|(stream, _)| (Some(stream.as_raw_fd()), stream.peer_addr().ok()));
            let (local, peers) = (first.0.local_addr().unwrap(), [first.1, second.1]);
            let streams = [first.0, second.0].map(|stream| TcpStream::from_std(stream).unwrap());
            let seen = added.0.borrow();
            assert_eq!(seen.iter().map(|&(_, descriptor, peer)| (descriptor, peer)).collect::<Vec<_>>(), expected);
            assert_eq!(seen.iter().map(|&(id, ..)| id).collect::<Vec<_>>(), streams.each_ref().map(TcpStream::id));
            assert_ne!(streams[0].id(), streams[1].id());
            assert_eq!(streams[0].local_addr().unwrap(), local);
            assert_eq!(streams[0].peer_addr().unwrap(), peers[0].local_addr().unwrap());
        });
        ended.unwrap();
    }
}
