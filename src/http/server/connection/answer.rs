//! Finding the answer to a request, and writing it.

use std::io;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, Version};

use super::{Awaited, ConnectionState, Then, Wire};
use crate::event_loop::{now, sleep};
use crate::http::proto::encode_response_head;
use crate::http::server::faults::Break;
use crate::http::server::outgoing::Outgoing;
use crate::http::server::service::{Answer, Answered, Body, Response, text};

impl Wire {
    /// The request is complete. Faults are chosen before anything is looked up.
    pub(super) fn ask_service(&mut self) -> ConnectionState {
        let request = self.exchange.request.take().expect("a request has come");
        let answer = match self.server.faults.plan(request.uri()) {
            Err(words) => text(StatusCode::BAD_REQUEST, words).into(),
            Ok(plan) => {
                self.exchange.plan = plan;
                match self.exchange.plan.error {
                    Some(status) => text(status, "a fault, on purpose\n").into(),
                    None => self.server.service.answer(&request),
                }
            }
        };
        if self.server.on_answer.is_some() {
            self.exchange.request = Some(request);
        }
        ConnectionState::Dispatch(answer)
    }

    pub(super) fn poll_dispatch(&mut self, cx: &mut Context<'_>, answer: &mut Answer) -> Poll<ConnectionState> {
        let response = match answer {
            Answer::Ready(response) => std::mem::take(response),
            Answer::Later(future) => ready!(future.as_mut().poll(cx)),
        };
        self.begin_answer(response);
        Poll::Ready(match self.exchange.plan.delay {
            Some(delay) => ConnectionState::Delay(sleep(delay)),
            None => ConnectionState::WriteHead,
        })
    }

    /// Puts in what is the server's to say, and writes the head down.
    pub(super) fn begin_answer(&mut self, response: Response) {
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
        if let Some(seconds) = exchange.plan.retry_after {
            head.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.server.is_stopping.get() && exchange.then == Then::NextRequest {
            exchange.then = Then::HalfClose;
        }
        match exchange.then {
            Then::NextRequest if exchange.is_1_0 => {
                head.headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            }
            Then::NextRequest => {}
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
            .expect("the version is 1.1, and the reason is the usual one");
        let mut outgoing = Outgoing::new(bytes, body, exchange.plan.rate);
        if let Some(interruption) = exchange.plan.interruption {
            outgoing.cut_at(interruption.place.in_body_of(exchange.body_bytes));
            exchange.then = match interruption.how {
                Break::Cut => Then::HalfClose,
                Break::Reset => Then::Reset,
                Break::Stall => Then::Stall,
            };
        }
        self.outgoing = Some(outgoing);
        self.progress = None;
    }

    pub(super) fn poll_write_head(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let outgoing = self.outgoing.as_mut().expect("there is an answer to write");
        match outgoing.poll_write_head(cx, &mut self.stream) {
            Poll::Ready(Ok(())) if outgoing.is_out() => Poll::Ready(self.end_answer()),
            Poll::Ready(Ok(())) => Poll::Ready(ConnectionState::WriteBody),
            Poll::Ready(Err(error)) => Poll::Ready(self.break_off(&error)),
            Poll::Pending => self.poll_progress(cx),
        }
    }

    pub(super) fn poll_write_body(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let outgoing = self.outgoing.as_mut().expect("there is an answer to write");
        match outgoing.poll_write_body(cx, &mut self.stream) {
            Poll::Ready(Ok(())) => Poll::Ready(self.end_answer()),
            Poll::Ready(Err(error)) => Poll::Ready(self.break_off(&error)),
            Poll::Pending => self.poll_progress(cx),
        }
    }

    /// An answer that does not go on for too long is given up, with a reset: what is in the kernel is not waited for.
    pub(super) fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let sent = self.outgoing.as_ref().map_or(0, Outgoing::sent);
        let due = match self.progress {
            Some((before, due)) if before == sent => due,
            _ => now() + self.server.limits.write,
        };
        self.progress = Some((sent, due));
        ready!(self.deadline.poll_until(cx, due));
        self.reset();
        Poll::Ready(self.break_off(&io::ErrorKind::TimedOut.into()))
    }

    /// The answer is out, as far as it was meant to go.
    pub(super) fn end_answer(&mut self) -> ConnectionState {
        self.tell_answered();
        if let Some(outgoing) = self.outgoing.take() {
            self.server.head_buffer.set(outgoing.into_head_buffer());
        }
        match self.exchange.then {
            Then::NextRequest => ConnectionState::ReadHead(Awaited::Next, now() + self.server.limits.idle),
            Then::HalfClose => ConnectionState::HalfClose,
            Then::Close => ConnectionState::Close,
            Then::Reset => {
                self.reset();
                ConnectionState::Close
            }
            Then::Stall => self.stall(),
        }
    }

    pub(super) fn tell_answered(&self) {
        let Some(on_answer) = &self.server.on_answer else { return };
        let body_bytes = self.outgoing.as_ref().map_or(0, Outgoing::body_sent);
        on_answer(&Answered {
            peer: self.peer,
            request: self.exchange.request.as_ref(),
            status: self.exchange.status,
            body_bytes,
            is_complete: body_bytes == self.exchange.body_bytes,
        });
    }
}
