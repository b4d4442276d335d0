//! The body of a response, read as it is asked for.
//!
//! Nothing is read ahead of the caller, so a slow disk slows the server down: the socket's window fills, and TCP does the
//! rest. What came together with the head stays in the buffer in which it came, which the body keeps until it is used
//! up; from there it is copied once, to where the caller wants it.
//!
//! The decoder is always one event ahead of the caller. So the end is seen in the very call that takes the last byte, and
//! a body without a byte has ended before anybody asks: the connection is free at once for the next exchange.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::connection::{InFlight, SetupTimes};
use super::error::{ClientError, ClientErrorKind};
use crate::http::buffers::ReadBuffer;
use crate::http::proto::{BodyFraming, ResponseEvent};
use crate::observe::{HttpStep, State, Stateful};

/// The body of a response.
///
/// It owns the connection until its end has come, and then gives it back by itself. Dropping one whose end has not come
/// closes the connection.
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
    state: Stateful<BodyState>,
    framing: BodyFraming,
    /// Bytes of content that have come.
    received: u64,
    is_reused: bool,
    keeps_connection: bool,
    setup_times: Option<SetupTimes>,
    peer: Option<SocketAddr>,
}

/// What a body waits for.
enum BodyState {
    /// More of it; or somebody to take what is held.
    Read { flight: Box<InFlight>, held: Option<Held> },
    /// Nothing any more: it is complete.
    Ended,
    /// Nothing any more.
    Failed(ClientError),
}

/// A piece of content in the buffer into which it was read.
struct Held {
    buffer: ReadBuffer,
    /// How much at the front of what is unread is content.
    content_bytes: usize,
}

impl State for BodyState {
    const OF: &'static str = "Body";

    fn name(&self) -> &'static str {
        match self {
            BodyState::Read { .. } => "Read",
            BodyState::Ended => "Ended",
            BodyState::Failed(_) => "Failed",
        }
    }
}

impl Body {
    /// The body that begins in `buffer`.
    pub(super) fn new(flight: Box<InFlight>, framing: BodyFraming, buffer: ReadBuffer) -> Body {
        let (is_reused, keeps_connection) = (flight.is_reused(), flight.is_persistent());
        let (setup_times, peer) = (flight.setup_times(), flight.peer());
        let state = Stateful::new(BodyState::Read { flight, held: None });
        let mut body = Body { state, framing, received: 0, is_reused, keeps_connection, setup_times, peer };
        body.look_ahead(buffer);
        body
    }

    /// How many bytes there will be in all, if the head says so.
    pub fn length(&self) -> Option<u64> {
        match self.framing {
            BodyFraming::None => Some(0),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked | BodyFraming::UntilClose => None,
        }
    }

    /// Whether the framing can tell a complete body from one that was cut off. `false` for one that ends when the server
    /// closes: such a body may have lost its end, and nothing would show it (RFC 9112 §8).
    pub fn length_known(&self) -> bool {
        self.framing.length_known()
    }

    /// Bytes that have come so far; the caller may have taken fewer.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the body is complete and has been taken to its end.
    pub fn is_ended(&self) -> bool {
        matches!(self.state.get(), BodyState::Ended)
    }

    /// Whether the connection had served an exchange before.
    pub fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Returns whether the connection can serve another exchange once the body is complete. If not, there is no reason to
    /// read a body that nobody wants: drop it.
    pub fn keeps_connection(&self) -> bool {
        self.keeps_connection
    }

    /// How long it took to get the connection, if it was made for this exchange.
    pub fn setup_times(&self) -> Option<SetupTimes> {
        self.setup_times
    }

    /// The server's address.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    // -- Taking ----------------------------------------------------------------------------------------------------

    /// Lends the next piece of content to `take`, as it lies in the buffer into which it was read; `None` when the body
    /// is complete. A piece is never empty and belongs to the caller as a whole: what `take` ignores is lost.
    ///
    /// # Errors
    /// What broke the body: a reset, bad framing, an end that came too early, silence for too long. The same one at every
    /// later call.
    pub fn poll_chunk<R>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Poll<Result<Option<R>, ClientError>> {
        self.poll_part(cx, usize::MAX, take)
    }

    /// Copies content into `buffer`, at most as much as it holds. 0 when the body is complete.
    ///
    /// # Errors
    /// As for [`poll_chunk`](Self::poll_chunk).
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, ClientError>> {
        let room = buffer.len();
        let copy = |content: &[u8]| {
            buffer[..content.len()].copy_from_slice(content);
            content.len()
        };
        self.poll_part(cx, room, copy).map_ok(Option::unwrap_or_default)
    }

    /// A future of the next piece of content; `None` when the body is complete.
    pub fn chunk(&mut self) -> Chunk<'_> {
        Chunk { body: self }
    }

    /// A future of all content that is left, if it is not more than `limit` bytes.
    pub fn collect(self, limit: usize) -> Collect {
        Collect { body: self, content: Vec::new(), limit }
    }

    /// Lends at most `limit` bytes of content.
    fn poll_part<R>(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Poll<Result<Option<R>, ClientError>> {
        loop {
            match self.state.get_mut() {
                BodyState::Read { held: Some(held), .. } => {
                    let taken = held.content_bytes.min(limit);
                    let result = take(&held.buffer.unread()[..taken]);
                    self.release(taken);
                    return Poll::Ready(Ok(Some(result)));
                }
                BodyState::Read { flight, held: None } => match flight.poll_read(cx) {
                    Poll::Ready(Ok(Some(buffer))) => self.look_ahead(buffer),
                    Poll::Ready(Ok(None)) => match flight.decoder().on_eof() {
                        Ok(_) => self.end(false),
                        Err(error) => self.fail(ClientErrorKind::Protocol(error)),
                    },
                    Poll::Ready(Err(error)) => self.fail(ClientErrorKind::Read(error)),
                    Poll::Pending => match flight.check_idle_limit(cx) {
                        Poll::Ready(kind) => self.fail(kind),
                        Poll::Pending => {
                            self.state.note_waiting();
                            return Poll::Pending;
                        }
                    },
                },
                BodyState::Ended => return Poll::Ready(Ok(None)),
                BodyState::Failed(error) => return Poll::Ready(Err(error.clone())),
            }
        }
    }

    /// So much of what is held has been taken.
    fn release(&mut self, taken: usize) {
        let BodyState::Read { held, .. } = self.state.get_mut() else { return };
        let Some(mut piece) = held.take() else { return };
        piece.buffer.consume(taken);
        piece.content_bytes -= taken;
        if piece.content_bytes == 0 {
            self.look_ahead(piece.buffer);
        } else {
            *held = Some(piece);
        }
    }

    /// Goes on to the next content in the buffer, or to the end of the body or of the buffer.
    fn look_ahead(&mut self, mut buffer: ReadBuffer) {
        loop {
            let BodyState::Read { flight, held } = self.state.get_mut() else { return };
            let step = match flight.decoder().decode(buffer.unread()) {
                Ok(step) => step,
                Err(error) => return self.fail(ClientErrorKind::Protocol(error)),
            };
            let consumed = step.consumed;
            match step.event {
                ResponseEvent::Data(content) => {
                    let content_bytes = content.len();
                    self.received += content_bytes as u64;
                    flight.tell(HttpStep::Body(self.received));
                    // What is consumed ends with the content; in front of it there may be framing.
                    buffer.consume(consumed - content_bytes);
                    *held = Some(Held { buffer, content_bytes });
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
        if let BodyState::Read { flight, .. } = self.state.replace(BodyState::Ended) {
            flight.finish(is_reusable);
        }
    }

    fn fail(&mut self, kind: ClientErrorKind) {
        let BodyState::Read { flight, .. } = self.state.get_mut() else { return };
        let error = flight.fail(kind);
        self.state.go(BodyState::Failed(error)); // and the connection is closed
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

/// The future of [`Body::chunk`].
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

/// The future of [`Body::collect`].
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
            let room = *limit - content.len();
            let take = |chunk: &[u8]| {
                let fits = chunk.len() <= room;
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
