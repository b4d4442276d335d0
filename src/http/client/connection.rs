//! A connection, and an exchange that is on its way over one.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::Shared;
use super::error::{ClientError, ClientErrorKind, Stage};
use super::target::{Target, Way};
use super::transport::Transport;
use crate::event_loop::now;
use crate::http::buffers::ReadBuffer;
use crate::http::deadline::Deadline;
use crate::http::proto::{ResponseDecoder, ResponseEvent, ResponseHead};
use crate::observe::{FutureId, HttpStep, Kind, current_task, tell};

/// A connection to a server, or to a proxy. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    transport: Transport,
    way: Rc<Way>,
    peer: Option<SocketAddr>,
    opened_at: Instant,
    setup: SetupTimes,
}

/// How long it took until a connection could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupTimes {
    /// Until the addresses of the host were known.
    pub look_up: Duration,
    /// From then until the connection was ready for a request.
    pub connect: Duration,
}

/// A connection is being made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) asked_at: Instant,
    pub(super) looked_up_at: Instant,
}

impl Connection {
    /// A connection that has just been made.
    pub(super) fn new(transport: Transport, way: Way, opening: Opening) -> Connection {
        let peer = transport.peer_addr().ok();
        let opened_at = now();
        let Opening { asked_at, looked_up_at } = opening;
        let setup = SetupTimes {
            look_up: looked_up_at.saturating_duration_since(asked_at),
            connect: opened_at.saturating_duration_since(looked_up_at),
        };
        Connection { transport, way: Rc::new(way), peer, opened_at, setup }
    }

    pub(super) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    pub(super) fn set_background(&mut self, background: bool) {
        self.transport.set_background(background);
    }

    pub(super) fn way(&self) -> &Rc<Way> {
        &self.way
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }
}

/// An exchange under way on a connection: what the future of the head hands on to the body.
#[derive(Debug)]
pub(super) struct InFlight {
    client: Rc<Shared>,
    target: Rc<Target>,
    connection: Connection,
    decoder: ResponseDecoder,
    /// The one timer for all limits.
    deadline: Deadline,
    /// When the head has to be complete.
    head_due: Instant,
    /// Since when nothing has come, if somebody waits for it.
    quiet_since: Option<Instant>,
    progress: Progress,
    /// Why the request could not be written to its end.
    write_error: Option<io::Error>,
    /// Whether the connection had served another exchange.
    is_reused: bool,
    /// Whether the request, and the response's head as soon as it is there, leave the connection open.
    is_persistent: bool,
    /// The number under which the exchange is observed.
    exchange: FutureId,
}

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Bytes of the request that are written.
    written: usize,
    /// Whether that is all of it.
    is_written: bool,
    /// Bytes that have come.
    read: u64,
    /// Whether the response's head is complete.
    has_head: bool,
}

impl InFlight {
    /// An exchange that is about to begin on `connection`.
    pub(super) fn new(
        client: Rc<Shared>,
        target: Rc<Target>,
        connection: Connection,
        is_reused: bool,
        is_persistent: bool,
        exchange: FutureId,
    ) -> InFlight {
        let decoder = ResponseDecoder::new(&target.method);
        let head_due = now() + client.limits.head;
        let flight = InFlight {
            client,
            target,
            connection,
            decoder,
            deadline: Deadline::default(),
            head_due,
            quiet_since: None,
            progress: Progress::default(),
            write_error: None,
            is_reused,
            is_persistent,
            exchange,
        };
        flight.tell(HttpStep::Request);
        flight
    }

    pub(super) fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Returns whether the connection can be kept once the response is complete, as far as is known now.
    pub(super) fn is_persistent(&self) -> bool {
        self.is_persistent && self.progress.is_written
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.connection.peer
    }

    /// How long it took to get the connection, if it was made for this exchange.
    pub(super) fn setup_times(&self) -> Option<SetupTimes> {
        (!self.is_reused).then_some(self.connection.setup)
    }

    pub(super) fn decoder(&mut self) -> &mut ResponseDecoder {
        &mut self.decoder
    }

    /// Writes what is missing of the request's head.
    ///
    /// Ready also if that is impossible: a server that has refused the request and closed may have said so before, and
    /// what it said is worth more than the news that it does not listen.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, head: &[u8]) -> Poll<()> {
        while self.progress.written < head.len() {
            match ready!(self.connection.transport.poll_write(cx, &head[self.progress.written..])) {
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

    /// Reads once, into a buffer that is given back when it is used up. `None` is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<ReadBuffer>>> {
        let mut buffer = self.client.buffers.lend();
        match self.connection.transport.poll_read(cx, buffer.room()) {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(None)),
            Poll::Ready(Ok(read)) => {
                self.quiet_since = None;
                self.progress.read += read as u64;
                buffer.fill(read);
                Poll::Ready(Ok(Some(buffer)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Reads until the head of the final response is complete. What has come behind it is still in the buffer.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, ReadBuffer), ClientErrorKind>> {
        loop {
            match self.poll_read(cx) {
                Poll::Ready(Ok(Some(mut buffer))) => {
                    if let Some(head) = self.decode_head(&mut buffer)? {
                        return Poll::Ready(Ok((head, buffer)));
                    }
                }
                Poll::Ready(Ok(None)) => {
                    let error = self.decoder.on_eof().expect_err("an exchange without a head cannot end well");
                    return Poll::Ready(Err(self.blame(ClientErrorKind::Protocol(error))));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.blame(ClientErrorKind::Read(error)))),
                Poll::Pending => return self.check_head_limit(cx).map(Err),
            }
        }
    }

    /// The end of a connection that could not be written to is an error of writing.
    fn blame(&mut self, kind: ClientErrorKind) -> ClientErrorKind {
        match self.write_error.take() {
            Some(error) if self.progress.read == 0 => ClientErrorKind::Write(error),
            _ => kind,
        }
    }

    /// Takes from the buffer what belongs to heads. `None` when it is used up before the final one is complete.
    fn decode_head(&mut self, buffer: &mut ReadBuffer) -> Result<Option<ResponseHead>, ClientErrorKind> {
        loop {
            let step = self.decoder.decode(buffer.unread()).map_err(ClientErrorKind::Protocol)?;
            let consumed = step.consumed;
            let head = match step.event {
                ResponseEvent::NeedMore => return Ok(None),
                ResponseEvent::Interim(status) => {
                    self.tell(HttpStep::Head(status.as_u16()));
                    None
                }
                ResponseEvent::Head(head) => Some(head),
                ResponseEvent::Data(_) | ResponseEvent::Trailers(_) | ResponseEvent::End { .. } => {
                    unreachable!("these come behind the head")
                }
            };
            buffer.consume(consumed);
            if let Some(head) = head {
                self.progress.has_head = true;
                self.is_persistent &= head.keep_alive;
                self.tell(HttpStep::Head(head.response.status().as_u16()));
                return Ok(Some(head));
            }
        }
    }

    /// Waits for the end of the time that the head may take. It is the same for all bytes and all interim responses.
    fn check_head_limit(&mut self, cx: &mut Context<'_>) -> Poll<ClientErrorKind> {
        let limit = self.client.limits.head;
        self.deadline.poll_until(cx, self.head_due).map(|()| ClientErrorKind::HeadTimedOut { limit })
    }

    /// Waits for the end of the time for which a body may be silent.
    pub(super) fn check_idle_limit(&mut self, cx: &mut Context<'_>) -> Poll<ClientErrorKind> {
        let limit = self.client.limits.idle;
        let quiet_since = *self.quiet_since.get_or_insert_with(now);
        self.deadline.poll_until(cx, quiet_since + limit).map(|()| ClientErrorKind::BodyIdle { limit })
    }

    /// Ends an exchange whose response is complete, and keeps the connection if it can be used again.
    pub(super) fn finish(self, is_reusable: bool) {
        let reusable = is_reusable && self.is_persistent() && !self.connection.transport.is_read_closed();
        self.tell(HttpStep::Done { reusable });
        if reusable {
            self.client.give_back(self.connection);
        }
    }

    /// The error of an exchange that has failed. The connection is of no use any more.
    pub(super) fn fail(&self, kind: ClientErrorKind) -> ClientError {
        self.tell(HttpStep::Done { reusable: false });
        ClientError::on_the_way(kind, &self.target, self.progress.stage(), self.connection.peer, self.is_reused)
    }

    /// Returns whether what came instead of a good head may be due to the connection's earlier use, so that a new one
    /// deserves a try: the server has closed it meanwhile, or has sent more than the response before.
    pub(super) fn is_stale(&self, head: &Result<(ResponseHead, ReadBuffer), ClientErrorKind>) -> bool {
        self.is_reused
            && match head {
                // A server that gives up an idle connection may say so first (RFC 9110 §15.5.9), and cross the request.
                Ok((head, _)) => head.response.status() == StatusCode::REQUEST_TIMEOUT,
                Err(kind) => kind.is_broken_connection(),
            }
    }

    pub(super) fn tell(&self, step: HttpStep) {
        tell!(Kind::Http { task: current_task(), exchange: self.exchange, step });
    }
}

impl Progress {
    fn stage(&self) -> Stage {
        match self {
            Progress { has_head: true, .. } => Stage::InBody,
            Progress { read: 1.., .. } => Stage::InHead,
            Progress { written: 1.., .. } => Stage::WrittenNoByteRead,
            _ => Stage::NothingWritten,
        }
    }
}
