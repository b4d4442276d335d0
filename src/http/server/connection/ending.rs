//! How a connection ends: with a refusal, in two steps, or because the client is gone.

use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::{Awaited, ConnectionState, Exchange, Then, Wire};
use crate::event_loop::now;
use crate::http::proto::ProtocolError;
use crate::http::server::service::text;

/// What is still read of a client whose connection ends, in bytes.
const DRAIN_BYTES: u64 = 64 * 1024;

/// How long a client may be left with half an answer when it does not give up.
const STALL: Duration = Duration::from_secs(600);

impl Wire {
    /// Answers what is no request, if there is somebody to answer, and ends the connection.
    pub(super) fn answer_fault(&mut self, fault: ProtocolError) -> ConnectionState {
        match fault.status() {
            Some(status) => self.refuse(status, &fault.to_string(), Then::HalfClose),
            None => {
                log::debug!("{}: {fault}", self.peer);
                ConnectionState::Close
            }
        }
    }

    pub(super) fn refuse_body(&mut self) -> ConnectionState {
        let words = format!("a request body of more than {} bytes is not read", self.server.limits.body_bytes);
        self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &words, Then::HalfClose)
    }

    /// Answers without asking the service; the connection ends.
    pub(super) fn refuse(&mut self, status: StatusCode, why: &str, then: Then) -> ConnectionState {
        self.exchange = Exchange { request: self.exchange.request.take(), then, ..Exchange::default() };
        self.begin_answer(text(status, format!("{why}\n")));
        ConnectionState::WriteHead
    }

    /// Makes room: for another connection, or because the server stops.
    pub(super) fn leave(&mut self, awaited: Awaited) -> ConnectionState {
        if self.server.is_stopping.get() || awaited == Awaited::Next {
            return ConnectionState::Close;
        }
        // Closed at once, for it is the place that is wanted.
        self.refuse(StatusCode::REQUEST_TIMEOUT, "the server is full, and others wait", Then::Close)
    }

    /// The client is gone, or as good as gone.
    pub(super) fn break_off(&mut self, error: &io::Error) -> ConnectionState {
        log::debug!("{}: {error}", self.peer);
        if self.outgoing.is_some() {
            self.tell_answered();
        }
        ConnectionState::Close
    }

    pub(super) fn reset(&self) {
        if let Err(error) = self.stream.reset_on_drop() {
            log::debug!("{}: resetting: {error}", self.peer);
        }
    }

    /// Leaves the client with what it has.
    pub(super) fn stall(&self) -> ConnectionState {
        ConnectionState::Stall(now() + STALL)
    }

    pub(super) fn half_close(&mut self) -> ConnectionState {
        match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => ConnectionState::Drain(DRAIN_BYTES, now() + self.server.limits.drain),
            Err(error) => self.break_off(&error),
        }
    }

    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>, left: &mut u64, due: Instant) -> Poll<ConnectionState> {
        if self.poll_discard(cx, left).is_pending() {
            ready!(self.deadline.poll_until(cx, due));
        }
        Poll::Ready(ConnectionState::Close)
    }

    pub(super) fn poll_stall(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<ConnectionState> {
        let mut without_end = u64::MAX;
        if self.poll_discard(cx, &mut without_end).is_pending() && !self.membership.is_asked_to_leave(cx.waker()) {
            ready!(self.deadline.poll_until(cx, due));
        }
        Poll::Ready(ConnectionState::Close)
    }

    /// Reads and throws away, until the client ends its direction or `left` bytes have come.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>, left: &mut u64) -> Poll<()> {
        while *left > 0 {
            let mut buffer = self.server.buffers.lend();
            match ready!(self.stream.poll_read(cx, buffer.room())) {
                Ok(0) | Err(_) => break,
                Ok(read) => *left = left.saturating_sub(read as u64),
            }
        }
        Poll::Ready(())
    }
}
