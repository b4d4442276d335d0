//! Reads a request: its head, and its body, which is discarded.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{Method, StatusCode, Version};

use super::{AfterResponse, AwaitedHead, ConnectionParts, ConnectionState, CurrentExchange};
use crate::event_loop::now;
use crate::http::proto::{BodyFraming, RequestHead};
use crate::http::server::input::InputEvent;

impl ConnectionParts {
    pub(super) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        awaited: &mut AwaitedHead,
        due: &mut Instant,
    ) -> Poll<ConnectionState> {
        match self.input.poll_next(cx, &mut self.stream, &self.server.buffers) {
            Poll::Ready(InputEvent::Head(head)) => return Poll::Ready(self.start_exchange(*head)),
            Poll::Ready(InputEvent::Invalid(error)) => return Poll::Ready(self.reject_invalid(error)),
            Poll::Ready(InputEvent::Failed(error)) => return Poll::Ready(self.abandon(&error)),
            Poll::Ready(InputEvent::Body(_) | InputEvent::End) => unreachable!("a request begins with its head"),
            Poll::Pending => {}
        }
        if self.registration.is_close_requested(cx.waker()) {
            return Poll::Ready(self.close_on_request(*awaited));
        }
        if *awaited == AwaitedHead::Next && !self.input.is_idle() {
            *awaited = AwaitedHead::Rest;
            *due = now() + self.server.limits.head;
        }
        ready!(self.deadline.poll_until(cx, *due));
        Poll::Ready(match awaited {
            AwaitedHead::Next => ConnectionState::Close,
            AwaitedHead::First | AwaitedHead::Rest => self.reject(
                StatusCode::REQUEST_TIMEOUT,
                "timed out waiting for the request head",
                AfterResponse::HalfClose,
            ),
        })
    }

    /// Starts the exchange for a request head.
    pub(super) fn start_exchange(&mut self, head: RequestHead) -> ConnectionState {
        self.requests += 1;
        self.registration.set_not_new();
        let limits = &self.server.limits;
        let keep_alive = head.keep_alive && self.requests < limits.requests;
        self.exchange = CurrentExchange {
            body_left: limits.body_bytes,
            is_head: head.request.method() == Method::HEAD,
            is_1_0: head.request.version() == Version::HTTP_10,
            after_response: if keep_alive { AfterResponse::NextRequest } else { AfterResponse::HalfClose },
            request: Some(head.request),
            ..CurrentExchange::default()
        };
        match head.framing {
            BodyFraming::None | BodyFraming::Length(0) => {
                self.input.end_without_body();
                self.call_service()
            }
            BodyFraming::Length(length) if length > limits.body_bytes => self.reject_body(),
            // Not needed if the client has already sent some of the body (RFC 9110 §10.1.1).
            _ if head.expect_continue && !self.input.has_unread() => {
                ConnectionState::WriteContinue(b"HTTP/1.1 100 Continue\r\n\r\n", now() + limits.write)
            }
            _ => ConnectionState::ReadBody(now() + limits.body),
        }
    }

    pub(super) fn poll_write_continue(
        &mut self,
        cx: &mut Context<'_>,
        rest: &mut &'static [u8],
        due: Instant,
    ) -> Poll<ConnectionState> {
        while !rest.is_empty() {
            match self.stream.poll_write(cx, rest) {
                Poll::Ready(Ok(written)) => *rest = &rest[written..],
                Poll::Ready(Err(error)) => return Poll::Ready(self.abandon(&error)),
                Poll::Pending => {
                    ready!(self.deadline.poll_until(cx, due));
                    return Poll::Ready(ConnectionState::Close);
                }
            }
        }
        Poll::Ready(ConnectionState::ReadBody(now() + self.server.limits.body))
    }

    pub(super) fn poll_read_body(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<ConnectionState> {
        loop {
            match self.input.poll_next(cx, &mut self.stream, &self.server.buffers) {
                Poll::Ready(InputEvent::Body(bytes)) => match self.exchange.body_left.checked_sub(bytes) {
                    Some(left) => self.exchange.body_left = left,
                    None => return Poll::Ready(self.reject_body()),
                },
                Poll::Ready(InputEvent::End) => return Poll::Ready(self.call_service()),
                Poll::Ready(InputEvent::Invalid(error)) => return Poll::Ready(self.reject_invalid(error)),
                Poll::Ready(InputEvent::Failed(error)) => return Poll::Ready(self.abandon(&error)),
                Poll::Ready(InputEvent::Head(_)) => unreachable!("a request ends before the next one begins"),
                Poll::Pending => {
                    ready!(self.deadline.poll_until(cx, due));
                    let message = "timed out waiting for the request body";
                    return Poll::Ready(self.reject(StatusCode::REQUEST_TIMEOUT, message, AfterResponse::HalfClose));
                }
            }
        }
    }
}
