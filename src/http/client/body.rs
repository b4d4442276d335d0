//! The body of a response, read on demand.
//!
//! There is no read-ahead, so a slow consumer throttles the server: the socket's receive window fills, and TCP flow
//! control stops the sender. Bytes that arrived together with the head stay in the buffer they were read into, which
//! the body keeps until it is used up; from there they are copied once, to the caller's buffer.
//!
//! The decoder is always one event ahead of the caller. So the end of the body is detected by the call that takes the
//! last byte, and an empty body has ended before the first call: the connection is immediately available for the next
//! exchange.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::connection::ConnectTimings;
use super::error::{ClientError, ClientErrorKind};
use super::in_flight::InFlight;
use crate::http::buffers::ReadBuffer;
use crate::http::proto::{BodyFraming, ResponseEvent};
use crate::observe::{HttpStep, NamedState, TracedState};

/// The body of a response.
///
/// It owns the connection until the end of the body, and then returns it to the pool automatically. Dropping a body
/// before its end closes the connection.
///
/// ```
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let url = format!("http://{}/", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let (mut stream, _) = listener.accept().unwrap();
/// #     stream.read(&mut [0; 1024]).unwrap();
/// #     stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
/// # });
/// use glassloop::{EventLoop, http::client::Client};
///
/// let mut event_loop = EventLoop::new()?;
/// let content = event_loop.block_on(async {
///     let mut body = Client::new().get(&url).await?.into_body();
///     let mut content = Vec::new();
///     while let Some(chunk) = body.chunk().await? {
///         content.extend_from_slice(&chunk);
///     }
///     Ok::<_, glassloop::http::client::ClientError>(content)
/// })??;
/// assert_eq!(content, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Body {
    state: TracedState<BodyState>,
    framing: BodyFraming,
    /// The number of content bytes received.
    received: u64,
    is_reused: bool,
    keeps_connection: bool,
    connect_timings: Option<ConnectTimings>,
    peer: Option<SocketAddr>,
}

/// The states of a body.
enum BodyState {
    /// Waiting for data, or for the caller to consume `buffered`.
    Read { in_flight: Box<InFlight>, buffered: Option<BufferedData> },
    /// Complete.
    Ended,
    /// Failed; the error is returned by every further call.
    Failed(ClientError),
}

/// A decoded chunk of content, in the read buffer.
struct BufferedData {
    buffer: ReadBuffer,
    /// The length of the chunk, which is at the start of the unread bytes. Framing may follow it.
    content_bytes: usize,
}

impl NamedState for BodyState {
    const TYPE_NAME: &'static str = "Body";

    fn name(&self) -> &'static str {
        match self {
            BodyState::Read { .. } => "Read",
            BodyState::Ended => "Ended",
            BodyState::Failed(_) => "Failed",
        }
    }
}

impl Body {
    /// Creates the body whose first bytes are in `buffer`.
    pub(super) fn new(in_flight: Box<InFlight>, framing: BodyFraming, buffer: ReadBuffer) -> Body {
        let (is_reused, keeps_connection) = (in_flight.is_reused(), in_flight.is_persistent());
        let (connect_timings, peer) = (in_flight.connect_timings(), in_flight.peer());
        let state = TracedState::new(BodyState::Read { in_flight, buffered: None });
        let mut body = Body { state, framing, received: 0, is_reused, keeps_connection, connect_timings, peer };
        body.decode_next(buffer);
        body
    }

    /// Returns the total length in bytes, if the head specifies it.
    pub fn length(&self) -> Option<u64> {
        match self.framing {
            BodyFraming::None => Some(0),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked | BodyFraming::UntilClose => None,
        }
    }

    /// Returns whether the framing distinguishes a complete body from a truncated one. It is `false` for a body that
    /// ends when the server closes the connection: such a body may be truncated without any indication (RFC 9112 §8).
    pub fn is_self_delimited(&self) -> bool {
        self.framing.is_self_delimited()
    }

    /// Returns the number of bytes received so far, of which the caller may have taken fewer.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns whether the body is complete and the caller has taken all of it.
    pub fn is_end_stream(&self) -> bool {
        matches!(self.state.get(), BodyState::Ended)
    }

    /// Returns whether the connection had served an earlier exchange.
    pub fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Returns whether the connection can serve another exchange after this body. If not, there is no reason to drain
    /// an unwanted body: drop it instead.
    pub fn keeps_connection(&self) -> bool {
        self.keeps_connection
    }

    /// Returns how long it took to open the connection, if it was opened for this exchange.
    pub fn connect_timings(&self) -> Option<ConnectTimings> {
        self.connect_timings
    }

    /// Returns the address of the peer of the connection: the server, or the proxy.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    // -- Reading ---------------------------------------------------------------------------------------------------

    /// Calls `take` with the next chunk of content, borrowed from the read buffer; returns `None` when the body is
    /// complete. A chunk is never empty, and the whole chunk is consumed, whatever `take` does with it.
    ///
    /// # Errors
    /// The error that ended the body: a connection reset, invalid framing, a truncated body, or a read timeout. Later
    /// calls return the same error.
    pub fn poll_chunk<R>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Poll<Result<Option<R>, ClientError>> {
        self.poll_part(cx, usize::MAX, take)
    }

    /// Copies content into `buffer`, at most as much as fits. Returns 0 when the body is complete.
    ///
    /// # Errors
    /// As for [`poll_chunk`](Self::poll_chunk).
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, ClientError>> {
        let capacity = buffer.len();
        let copy = |content: &[u8]| {
            buffer[..content.len()].copy_from_slice(content);
            content.len()
        };
        self.poll_part(cx, capacity, copy).map_ok(Option::unwrap_or_default)
    }

    /// Returns a future that resolves to the next chunk of content; `None` when the body is complete.
    pub fn chunk(&mut self) -> Chunk<'_> {
        Chunk { body: self }
    }

    /// Returns a future that resolves to all remaining content. It fails if that is more than `limit` bytes.
    pub fn collect(self, limit: usize) -> Collect {
        Collect { body: self, content: Vec::new(), limit }
    }

    /// Implements [`poll_chunk`](Self::poll_chunk), but passes at most `limit` bytes to `take`.
    fn poll_part<R>(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Poll<Result<Option<R>, ClientError>> {
        loop {
            match self.state.get_mut() {
                BodyState::Read { buffered: Some(buffered), .. } => {
                    let taken = buffered.content_bytes.min(limit);
                    let result = take(&buffered.buffer.unread()[..taken]);
                    self.consume(taken);
                    return Poll::Ready(Ok(Some(result)));
                }
                BodyState::Read { buffered: None, .. } => ready!(self.poll_data(cx)),
                BodyState::Ended => return Poll::Ready(Ok(None)),
                BodyState::Failed(error) => return Poll::Ready(Err(error.clone())),
            }
        }
    }

    /// Reads once and decodes the data. EOF, an error and the read timeout end the body.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let BodyState::Read { in_flight, .. } = self.state.get_mut() else { return Poll::Ready(()) };
        match in_flight.poll_read(cx) {
            Poll::Ready(Ok(Some(buffer))) => self.decode_next(buffer),
            Poll::Ready(Ok(None)) => match in_flight.decoder().on_eof() {
                Ok(_) => self.end(false),
                Err(error) => self.fail(ClientErrorKind::Protocol(error)),
            },
            Poll::Ready(Err(error)) => self.fail(ClientErrorKind::Read(error)),
            Poll::Pending => match in_flight.poll_read_timeout(cx) {
                Poll::Ready(kind) => self.fail(kind),
                Poll::Pending => {
                    self.state.set_wait_reason();
                    return Poll::Pending;
                }
            },
        }
        Poll::Ready(())
    }

    /// Consumes `taken` bytes of the current chunk.
    fn consume(&mut self, taken: usize) {
        let BodyState::Read { buffered, .. } = self.state.get_mut() else { return };
        let Some(mut chunk) = buffered.take() else { return };
        chunk.buffer.consume(taken);
        chunk.content_bytes -= taken;
        if chunk.content_bytes == 0 {
            self.decode_next(chunk.buffer);
        } else {
            *buffered = Some(chunk);
        }
    }

    /// Decodes up to the next content, the end of the body, or the end of the buffer, whichever comes first.
    fn decode_next(&mut self, mut buffer: ReadBuffer) {
        loop {
            let BodyState::Read { in_flight, buffered } = self.state.get_mut() else { return };
            let step = match in_flight.decoder().decode(buffer.unread()) {
                Ok(step) => step,
                Err(error) => return self.fail(ClientErrorKind::Protocol(error)),
            };
            let consumed = step.consumed;
            match step.event {
                ResponseEvent::Data(content) => {
                    let content_bytes = content.len();
                    self.received += content_bytes as u64;
                    in_flight.emit(HttpStep::Body(self.received));
                    // The consumed bytes end with the content; there may be framing before it.
                    buffer.consume(consumed - content_bytes);
                    *buffered = Some(BufferedData { buffer, content_bytes });
                    return;
                }
                ResponseEvent::Trailers(_) => buffer.consume(consumed),
                ResponseEvent::NeedMore => return,
                ResponseEvent::End { reusable } => return self.end(reusable),
                ResponseEvent::Interim(_) | ResponseEvent::Head(_) => unreachable!("these come before the body"),
            }
        }
    }

    fn end(&mut self, is_reusable: bool) {
        if let BodyState::Read { in_flight, .. } = self.state.replace(BodyState::Ended) {
            in_flight.finish(is_reusable);
        }
    }

    fn fail(&mut self, kind: ClientErrorKind) {
        let BodyState::Read { in_flight, .. } = self.state.get_mut() else { return };
        let error = in_flight.fail(kind);
        self.state.transition_to(BodyState::Failed(error)); // drops `in_flight`, which closes the connection
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("state", &self.state.name())
            .field("framing", &self.framing)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

/// The future returned by [`Body::chunk`].
#[derive(Debug)]
#[must_use = "nothing is read before it is polled"]
pub struct Chunk<'body> {
    body: &'body mut Body,
}

impl Future for Chunk<'_> {
    type Output = Result<Option<Bytes>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.body.poll_chunk(cx, Bytes::copy_from_slice)
    }
}

/// The future returned by [`Body::collect`].
#[derive(Debug)]
#[must_use = "nothing is read before it is polled"]
pub struct Collect {
    body: Body,
    content: Vec<u8>,
    limit: usize,
}

impl Future for Collect {
    type Output = Result<Vec<u8>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Collect { body, content, limit } = &mut *self;
        if content.capacity() == 0 {
            match usize::try_from(body.length().unwrap_or_default()) {
                Ok(length) if length <= *limit => content.reserve_exact(length),
                _ => body.fail(ClientErrorKind::TooLarge { limit: *limit }),
            }
        }
        loop {
            let remaining = *limit - content.len();
            let take = |chunk: &[u8]| {
                let fits = chunk.len() <= remaining;
                if fits {
                    content.extend_from_slice(chunk);
                }
                fits
            };
            match ready!(body.poll_chunk(cx, take)?) {
                Some(true) => {}
                Some(false) => body.fail(ClientErrorKind::TooLarge { limit: *limit }),
                None => return Poll::Ready(Ok(std::mem::take(content))),
            }
        }
    }
}
