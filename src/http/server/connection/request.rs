//! Reading a request: its head, and its body, which is thrown away.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{Method, StatusCode, Version};

use super::{Awaited, ConnectionState, Exchange, Then, Wire};
use crate::event_loop::now;
use crate::http::proto::{BodyFraming, RequestHead};
use crate::http::server::input::Received;

impl Wire {
    pub(super) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        awaited: &mut Awaited,
        due: &mut Instant,
    ) -> Poll<ConnectionState> {
        match self.input.poll_next(cx, &mut self.stream, &self.server.buffers) {
            Poll::Ready(Received::Head(head)) => return Poll::Ready(self.take_request(*head)),
            Poll::Ready(Received::Fault(fault)) => return Poll::Ready(self.answer_fault(fault)),
            Poll::Ready(Received::Broken(error)) => return Poll::Ready(self.break_off(&error)),
            Poll::Ready(Received::Body(_) | Received::End) => unreachable!("a request begins with its head"),
            Poll::Pending => {}
        }
        if self.membership.is_asked_to_leave(cx.waker()) {
            return Poll::Ready(self.leave(*awaited));
        }
        if *awaited == Awaited::Next && !self.input.is_idle() {
            *awaited = Awaited::Rest;
            *due = now() + self.server.limits.head;
        }
        ready!(self.deadline.poll_until(cx, *due));
        Poll::Ready(match awaited {
            Awaited::Next => ConnectionState::Close,
            Awaited::First | Awaited::Rest => {
                self.refuse(StatusCode::REQUEST_TIMEOUT, "the head of the request took too long", Then::HalfClose)
            }
        })
    }

    /// A request has come: what is to be done before it is answered?
    pub(super) fn take_request(&mut self, head: RequestHead) -> ConnectionState {
        self.requests += 1;
        self.membership.is_no_longer_new();
        let limits = &self.server.limits;
        let is_kept = head.keep_alive && self.requests < limits.requests;
        self.exchange = Exchange {
            body_left: limits.body_bytes,
            is_head: head.request.method() == Method::HEAD,
            is_1_0: head.request.version() == Version::HTTP_10,
            then: if is_kept { Then::NextRequest } else { Then::HalfClose },
            request: Some(head.request),
            ..Exchange::default()
        };
        match head.framing {
            BodyFraming::None | BodyFraming::Length(0) => {
                self.input.end_without_body();
                self.ask_service()
            }
            BodyFraming::Length(length) if length > limits.body_bytes => self.refuse_body(),
            // Who has sent some of the body already is not waiting to be told (RFC 9110 §10.1.1).
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
                Poll::Ready(Err(error)) => return Poll::Ready(self.break_off(&error)),
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
                Poll::Ready(Received::Body(bytes)) => match self.exchange.body_left.checked_sub(bytes) {
                    Some(left) => self.exchange.body_left = left,
                    None => return Poll::Ready(self.refuse_body()),
                },
                Poll::Ready(Received::End) => return Poll::Ready(self.ask_service()),
                Poll::Ready(Received::Fault(fault)) => return Poll::Ready(self.answer_fault(fault)),
                Poll::Ready(Received::Broken(error)) => return Poll::Ready(self.break_off(&error)),
                Poll::Ready(Received::Head(_)) => unreachable!("a request ends before the next one begins"),
                Poll::Pending => {
                    ready!(self.deadline.poll_until(cx, due));
                    let words = "the body of the request took too long";
                    return Poll::Ready(self.refuse(StatusCode::REQUEST_TIMEOUT, words, Then::HalfClose));
                }
            }
        }
    }
}
