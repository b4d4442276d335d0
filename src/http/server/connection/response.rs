//! Calls the service and writes its response.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, Version};

use super::{AfterResponse, AwaitedHead, ConnectionParts, ConnectionState};
use crate::event_loop::{Sleep, now, sleep};
use crate::http::proto::encode_response_head;
use crate::http::server::faults::InterruptionKind;
use crate::http::server::outgoing::Outgoing;
use crate::http::server::service::{Answer, Body, CompletedResponse, Response, text};

impl ConnectionParts {
    /// Calls the service for a request that is complete, unless an injected fault replaces its response.
    pub(super) fn call_service(&mut self) -> ConnectionState {
        let request = self.exchange.request.take().expect("a request has been received");
        let answer = match self.server.faults.plan(request.uri()) {
            Err(message) => text(StatusCode::BAD_REQUEST, message).into(),
            Ok(faults) => {
                self.exchange.faults = faults;
                match self.exchange.faults.error {
                    Some(status) => text(status, "injected fault\n").into(),
                    None => self.server.service.answer(&request),
                }
            }
        };
        if self.server.on_response.is_some() {
            self.exchange.request = Some(request);
        }
        ConnectionState::Dispatch(answer)
    }

    pub(super) fn poll_dispatch(&mut self, cx: &mut Context<'_>, answer: &mut Answer) -> Poll<ConnectionState> {
        let response = match answer {
            Answer::Ready(response) => std::mem::take(response),
            Answer::Later(future) => ready!(future.as_mut().poll(cx)),
        };
        Poll::Ready(match self.exchange.faults.delay {
            Some(delay) => ConnectionState::Delay(sleep(delay), response),
            None => self.start_response(response),
        })
    }

    pub(super) fn poll_delay(
        &mut self,
        cx: &mut Context<'_>,
        sleep: &mut Sleep,
        response: &mut Response,
    ) -> Poll<ConnectionState> {
        ready!(Pin::new(sleep).poll(cx));
        Poll::Ready(self.start_response(std::mem::take(response)))
    }

    /// Starts to write a response: sets the fields that the server is responsible for, and encodes the head.
    ///
    /// This happens immediately before the head is written, and not when the request is received, since a shutdown that
    /// begins in between has to be announced with `Connection: close` (RFC 9112 §9.6).
    pub(super) fn start_response(&mut self, response: Response) -> ConnectionState {
        let exchange = &mut self.exchange;
        let (mut head, mut body) = response.into_parts();
        head.headers.insert(DATE, self.server.date.value());
        head.headers.remove(TRANSFER_ENCODING);
        if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            body = Body::Empty;
            head.headers.remove(CONTENT_LENGTH);
        } else {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.length()));
        }
        if let Some(seconds) = exchange.faults.retry_after {
            head.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.server.is_stopping.get() && exchange.after_response == AfterResponse::NextRequest {
            exchange.after_response = AfterResponse::HalfClose;
        }
        match exchange.after_response {
            AfterResponse::NextRequest if exchange.is_1_0 => {
                head.headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            }
            AfterResponse::NextRequest => {}
            _ => {
                head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        if exchange.is_head {
            body = Body::Empty;
        }
        exchange.status = head.status;
        exchange.body_bytes = body.length();

        let mut bytes = self.server.head_buffer.take();
        encode_response_head(&mut bytes, Version::HTTP_11, head.status, None, &head.headers)
            .expect("HTTP/1.1 and the standard reason phrase can be encoded");
        let mut outgoing = Outgoing::new(bytes, body, exchange.faults.rate);
        if let Some(interruption) = exchange.faults.interruption {
            outgoing.truncate(interruption.position.in_body_of(exchange.body_bytes));
            exchange.after_response = match interruption.kind {
                InterruptionKind::Truncate => AfterResponse::HalfClose,
                InterruptionKind::Reset => AfterResponse::Reset,
                InterruptionKind::Stall => AfterResponse::Stall,
            };
        }
        self.outgoing = Some(outgoing);
        self.progress = None;
        ConnectionState::WriteHead
    }

    pub(super) fn poll_write_head(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let outgoing = self.outgoing.as_mut().expect("a response to write");
        match outgoing.poll_write_head(cx, &mut self.stream) {
            Poll::Ready(Ok(())) if outgoing.is_complete() => Poll::Ready(self.end_response()),
            Poll::Ready(Ok(())) => Poll::Ready(ConnectionState::WriteBody),
            Poll::Ready(Err(error)) => Poll::Ready(self.abandon(&error)),
            Poll::Pending => self.poll_progress(cx),
        }
    }

    pub(super) fn poll_write_body(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let outgoing = self.outgoing.as_mut().expect("a response to write");
        match outgoing.poll_write_body(cx, &mut self.stream) {
            Poll::Ready(Ok(())) => Poll::Ready(self.end_response()),
            Poll::Ready(Err(error)) => Poll::Ready(self.abandon(&error)),
            Poll::Pending => self.poll_progress(cx),
        }
    }

    /// Checks the write timeout. When it elapses the connection is reset, so that the kernel discards unsent data.
    pub(super) fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let sent = self.outgoing.as_ref().map_or(0, Outgoing::sent);
        let due = match self.progress {
            Some((before, due)) if before == sent => due,
            _ => now() + self.server.limits.write,
        };
        self.progress = Some((sent, due));
        ready!(self.deadline.poll_until(cx, due));
        self.reset();
        Poll::Ready(self.abandon(&io::ErrorKind::TimedOut.into()))
    }

    /// Ends the response, which is written or, as a fault, truncated.
    pub(super) fn end_response(&mut self) -> ConnectionState {
        self.call_on_response();
        if let Some(outgoing) = self.outgoing.take() {
            self.server.head_buffer.set(outgoing.into_head_buffer());
        }
        match self.exchange.after_response {
            AfterResponse::NextRequest => ConnectionState::ReadHead(AwaitedHead::Next, now() + self.server.limits.idle),
            AfterResponse::HalfClose => ConnectionState::HalfClose,
            AfterResponse::Close => ConnectionState::Close,
            AfterResponse::Reset => {
                self.reset();
                ConnectionState::Close
            }
            AfterResponse::Stall => self.stall(),
        }
    }

    pub(super) fn call_on_response(&self) {
        let Some(on_response) = &self.server.on_response else { return };
        let body_bytes = self.outgoing.as_ref().map_or(0, Outgoing::body_sent);
        on_response(&CompletedResponse {
            peer: self.peer,
            request: self.exchange.request.as_ref(),
            status: self.exchange.status,
            body_bytes,
            is_complete: body_bytes == self.exchange.body_bytes,
        });
    }
}
