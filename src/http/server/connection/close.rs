//! Ends a connection: after an error response, in two steps, or because it has failed.

use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::{AfterResponse, AwaitedHead, ConnectionParts, ConnectionState, CurrentExchange};
use crate::event_loop::now;
use crate::http::proto::ProtocolError;
use crate::http::server::service::text;

/// The maximum number of bytes that are discarded before a connection is closed.
const DRAIN_BYTES: u64 = 64 * 1024;

/// The maximum time for which an injected stall keeps the connection open.
const STALL: Duration = Duration::from_secs(600);

impl ConnectionParts {
    /// Responds to an invalid request, unless the client has closed the connection, and ends the connection.
    pub(super) fn reject_invalid(&mut self, error: ProtocolError) -> ConnectionState {
        match error.status() {
            Some(status) => self.reject(status, &error.to_string(), AfterResponse::HalfClose),
            None => {
                log::debug!("{}: {error}", self.peer);
                ConnectionState::Close
            }
        }
    }

    pub(super) fn reject_body(&mut self) -> ConnectionState {
        let message = format!("the request body is larger than {} bytes", self.server.limits.body_bytes);
        self.reject(StatusCode::PAYLOAD_TOO_LARGE, &message, AfterResponse::HalfClose)
    }

    /// Sends an error response without calling the service, and ends the connection.
    pub(super) fn reject(
        &mut self,
        status: StatusCode,
        message: &str,
        after_response: AfterResponse,
    ) -> ConnectionState {
        self.exchange =
            CurrentExchange { request: self.exchange.request.take(), after_response, ..CurrentExchange::default() };
        self.start_response(text(status, format!("{message}\n")))
    }

    /// Ends the connection because of a shutdown, or to free its slot for another connection.
    pub(super) fn close_on_request(&mut self, awaited: AwaitedHead) -> ConnectionState {
        if self.server.is_stopping.get() || awaited == AwaitedHead::Next {
            return ConnectionState::Close;
        }
        // `AfterResponse::Close` frees the connection's slot at once.
        self.reject(StatusCode::REQUEST_TIMEOUT, "the server has too many connections", AfterResponse::Close)
    }

    /// Closes a connection that has failed.
    pub(super) fn abandon(&mut self, error: &io::Error) -> ConnectionState {
        log::debug!("{}: {error}", self.peer);
        if self.outgoing.is_some() {
            self.call_on_response();
        }
        ConnectionState::Close
    }

    pub(super) fn reset(&self) {
        if let Err(error) = self.stream.reset_on_drop() {
            log::debug!("{}: cannot reset the connection: {error}", self.peer);
        }
    }

    /// Stops sending, without closing the connection.
    pub(super) fn stall(&self) -> ConnectionState {
        ConnectionState::Stall(now() + STALL)
    }

    pub(super) fn half_close(&mut self) -> ConnectionState {
        match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => ConnectionState::Drain(DRAIN_BYTES, now() + self.server.limits.drain),
            Err(error) => self.abandon(&error),
        }
    }

    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>, left: &mut u64, due: Instant) -> Poll<ConnectionState> {
        if self.poll_discard(cx, left).is_pending() {
            ready!(self.deadline.poll_until(cx, due));
        }
        Poll::Ready(ConnectionState::Close)
    }

    pub(super) fn poll_stall(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<ConnectionState> {
        let mut unlimited = u64::MAX;
        if self.poll_discard(cx, &mut unlimited).is_pending() && !self.registration.is_close_requested(cx.waker()) {
            ready!(self.deadline.poll_until(cx, due));
        }
        Poll::Ready(ConnectionState::Close)
    }

    /// Reads and discards input until EOF, an error, or `left` bytes.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>, left: &mut u64) -> Poll<()> {
        while *left > 0 {
            let mut buffer = self.server.buffers.take();
            match ready!(self.stream.poll_read(cx, buffer.as_mut_slice())) {
                Ok(0) | Err(_) => break,
                Ok(read) => *left = left.saturating_sub(read as u64),
            }
        }
        Poll::Ready(())
    }
}
