//! An exchange in progress on a connection: reading, writing, decoding and timeouts, for both `Exchange` and `Body`.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::StatusCode;

use super::ClientContext;
use super::connection::{ConnectTimings, Connection};
use super::error::{ClientError, ClientErrorKind, RequestPhase};
use super::target::Target;
use crate::event_loop::now;
use crate::http::buffers::ReadBuffer;
use crate::http::deadline::Deadline;
use crate::http::proto::{ResponseDecoder, ResponseEvent, ResponseHead};
use crate::observe::{EventKind, FutureId, HttpStep, current_task, emit};

/// An exchange in progress: the state that is passed from `Exchange` to `Body`.
#[derive(Debug)]
pub(super) struct InFlight {
    client: Rc<ClientContext>,
    target: Rc<Target>,
    connection: Connection,
    decoder: ResponseDecoder,
    /// The timer, which all timeouts share.
    deadline: Deadline,
    /// The time by which the head must be complete.
    head_due: Instant,
    /// When the caller began to wait for body data; `None` if it is not waiting.
    waiting_since: Option<Instant>,
    progress: Progress,
    /// The error of writing the request, if it could not be written completely.
    write_error: Option<io::Error>,
    /// Whether the connection had served an earlier exchange.
    is_reused: bool,
    /// Whether the request and, once it is known, the response head allow the connection to be reused.
    is_persistent: bool,
    /// The id of the exchange in observer events.
    exchange: FutureId,
}

/// The final response head and the buffer with the body bytes that were received with it, or the reason why there is no
/// head.
pub(super) type HeadResult = Result<(ResponseHead, ReadBuffer), ClientErrorKind>;

/// The progress of an exchange.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The number of bytes of the request that have been written.
    written: usize,
    /// Whether the request has been written completely.
    is_written: bool,
    /// The number of bytes read.
    read: u64,
    /// Whether the response head is complete.
    has_head: bool,
}

impl InFlight {
    /// Starts an exchange on `connection`, and the time limit for its response head.
    pub(super) fn new(
        client: Rc<ClientContext>,
        target: Rc<Target>,
        connection: Connection,
        is_reused: bool,
        is_persistent: bool,
        exchange: FutureId,
    ) -> InFlight {
        let decoder = ResponseDecoder::new(&target.method);
        let head_due = now() + client.timeouts.head;
        let in_flight = InFlight {
            client,
            target,
            connection,
            decoder,
            deadline: Deadline::default(),
            head_due,
            waiting_since: None,
            progress: Progress::default(),
            write_error: None,
            is_reused,
            is_persistent,
            exchange,
        };
        in_flight.emit(HttpStep::Request);
        in_flight
    }

    pub(super) fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Returns whether the connection may be reused: the request has been written completely, and neither it nor the
    /// response head, if already received, forbids it.
    pub(super) fn is_persistent(&self) -> bool {
        self.is_persistent && self.progress.is_written
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connection.peer()
    }

    /// Returns how long it took to open the connection, if it was opened for this exchange.
    pub(super) fn connect_timings(&self) -> Option<ConnectTimings> {
        (!self.is_reused).then_some(self.connection.timings())
    }

    pub(super) fn decoder(&mut self) -> &mut ResponseDecoder {
        &mut self.decoder
    }

    /// Writes the rest of the request head.
    ///
    /// Also returns `Ready` after a write error: a server that rejects a request may have sent an error response before
    /// it closed the connection, and that response is more useful than `EPIPE`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, head: &[u8]) -> Poll<()> {
        while self.progress.written < head.len() {
            match ready!(self.connection.transport().poll_write(cx, &head[self.progress.written..])) {
                Ok(written) => self.progress.written += written,
                Err(error) => {
                    self.write_error = Some(error);
                    return Poll::Ready(());
                }
            }
        }
        self.progress.is_written = true;
        Poll::Ready(())
    }

    /// Reads once, into a buffer that is returned to the buffer pool when it is dropped. Returns `None` at the end of
    /// the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<ReadBuffer>>> {
        let mut buffer = self.client.buffers.take();
        match self.connection.transport().poll_read(cx, buffer.as_mut_slice()) {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(None)),
            Poll::Ready(Ok(read)) => {
                self.waiting_since = None;
                self.progress.read += read as u64;
                buffer.fill(read);
                Poll::Ready(Ok(Some(buffer)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Reads until the head of the final response is complete. Body bytes that were received with it stay in the
    /// buffer.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<HeadResult> {
        loop {
            match self.poll_read(cx) {
                Poll::Ready(Ok(Some(mut buffer))) => {
                    if let Some(head) = self.decode_head(&mut buffer)? {
                        return Poll::Ready(Ok((head, buffer)));
                    }
                }
                Poll::Ready(Ok(None)) => {
                    let error = self.decoder.on_eof().expect_err("EOF before the response head is an error");
                    return Poll::Ready(Err(self.prefer_write_error(ClientErrorKind::Protocol(error))));
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(self.prefer_write_error(ClientErrorKind::Read(error))));
                }
                Poll::Pending => return self.poll_head_timeout(cx).map(Err),
            }
        }
    }

    /// Returns the write error instead of `kind` if the request could not be written and nothing was read.
    fn prefer_write_error(&mut self, kind: ClientErrorKind) -> ClientErrorKind {
        match self.write_error.take() {
            Some(error) if self.progress.read == 0 => ClientErrorKind::Write(error),
            _ => kind,
        }
    }

    /// Decodes heads from the buffer. Returns `None` if the buffer is used up before the final head is complete.
    fn decode_head(&mut self, buffer: &mut ReadBuffer) -> Result<Option<ResponseHead>, ClientErrorKind> {
        loop {
            let step = self.decoder.decode(buffer.unread()).map_err(ClientErrorKind::Protocol)?;
            let consumed = step.consumed;
            let head = match step.event {
                ResponseEvent::NeedMore => return Ok(None),
                ResponseEvent::Interim(status) => {
                    self.emit(HttpStep::Head(status.as_u16()));
                    None
                }
                ResponseEvent::Head(head) => Some(head),
                ResponseEvent::Data(_) | ResponseEvent::Trailers(_) | ResponseEvent::End { .. } => {
                    unreachable!("these come after the head")
                }
            };
            buffer.consume(consumed);
            if let Some(head) = head {
                self.progress.has_head = true;
                self.is_persistent &= head.keep_alive;
                self.emit(HttpStep::Head(head.response.status().as_u16()));
                return Ok(Some(head));
            }
        }
    }

    /// Polls the time limit for the response head. It is not extended by interim responses or partial data.
    fn poll_head_timeout(&mut self, cx: &mut Context<'_>) -> Poll<ClientErrorKind> {
        let limit = self.client.timeouts.head;
        self.deadline.poll_until(cx, self.head_due).map(|()| ClientErrorKind::HeadTimedOut { limit })
    }

    /// Polls the read timeout of the body.
    pub(super) fn poll_read_timeout(&mut self, cx: &mut Context<'_>) -> Poll<ClientErrorKind> {
        let limit = self.client.timeouts.read;
        let waiting_since = *self.waiting_since.get_or_insert_with(now);
        self.deadline.poll_until(cx, waiting_since + limit).map(|()| ClientErrorKind::BodyTimedOut { limit })
    }

    /// Ends an exchange whose response is complete, and returns the connection to the pool if it can be reused.
    pub(super) fn finish(self, is_reusable: bool) {
        let reusable = is_reusable && self.is_persistent() && !self.connection.is_read_closed();
        self.emit(HttpStep::Done { reusable });
        if reusable {
            self.client.return_to_pool(self.connection);
        }
    }

    /// Reports the end of the exchange to the observer, and returns its error. The caller must close the connection.
    pub(super) fn fail(&self, kind: ClientErrorKind) -> ClientError {
        self.emit(HttpStep::Done { reusable: false });
        self.target.error(kind, self.progress.phase(), self.connection.peer(), self.is_reused)
    }

    /// Returns whether the request should be resent on a new connection, because this one may have been stale: the
    /// server may have closed it while it was idle, or have sent more than the previous response.
    pub(super) fn is_stale(&self, head: &HeadResult) -> bool {
        self.is_reused
            && match head {
                // A server may send a 408 before it closes an idle connection (RFC 9110 §15.5.9), while the request is
                // on its way.
                Ok((head, _)) => head.response.status() == StatusCode::REQUEST_TIMEOUT,
                Err(kind) => kind.is_broken_connection(),
            }
    }

    pub(super) fn emit(&self, step: HttpStep) {
        emit!(EventKind::Http { task: current_task(), exchange: self.exchange, step });
    }
}

impl Progress {
    fn phase(&self) -> RequestPhase {
        match self {
            Progress { has_head: true, .. } => RequestPhase::ReadingBody,
            Progress { read: 1.., .. } => RequestPhase::ReadingHead,
            Progress { written: 1.., .. } => RequestPhase::RequestSent,
            _ => RequestPhase::NothingSent,
        }
    }
}
