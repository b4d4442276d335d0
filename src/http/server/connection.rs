//! One connection, from its first byte to its last.
//!
//! ```text
//!            ┌───────────────────────── kept ──────────────────────────┐
//!            ▼                                                         │
//!   ──▶ ReadHead ──▶ Dispatch ──▶ (Delay) ──▶ WriteHead ──▶ WriteBody ─┤
//!         │  │          ▲                         ▲                    ├──▶ HalfClose ──▶ Drain ──▶ Close
//!         │  └▶ (WriteContinue) ─▶ ReadBody ──────┤                    └──▶ Stall ────────────────▶ Close
//!         └────────── not a request, or too late ─┘
//! ```
//!
//! One request at a time: the next one, though it may have come already (RFC 9112 §9.3.2), is looked at when the answer
//! is out. Every state in which the client is waited for has a limit on time.
//!
//! A connection that the server wants to end is closed in two steps (RFC 9112 §9.6). Closing a socket that still has
//! something to be read sends a reset, and a reset can take the answer away from a client that has not read it. So the
//! server ends its own direction first, and reads for a moment what still comes.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, StatusCode, Version};

use super::Shared;
use super::faults::{Break, Plan};
use super::input::{Input, Received};
use super::members::Membership;
use super::outgoing::Outgoing;
use super::service::{Answer, Answered, Body, Response, text};
use crate::event_loop::{Sleep, now, sleep};
use crate::http::deadline::Deadline;
use crate::http::proto::{BodyFraming, ProtocolError, RequestHead, encode_response_head};
use crate::net::TcpStream;
use crate::observe::{State, Stateful};

/// The future of one connection.
pub(super) struct Connection {
    state: Stateful<ConnectionState>,
    wire: Wire,
}

/// What a connection waits for. A time is the limit.
enum ConnectionState {
    /// The head of a request.
    ReadHead(Awaited, Instant),
    /// Room for the rest of `100 Continue`.
    WriteContinue(&'static [u8], Instant),
    /// The end of the request's body.
    ReadBody(Instant),
    /// The service's answer.
    Dispatch(Answer),
    /// Nothing but time: a fault.
    Delay(Sleep),
    /// Room for the answer's head.
    WriteHead,
    /// Room for the answer's body, or a piece of the file that it is in.
    WriteBody,
    /// The client to give up, for nothing more comes: a fault.
    Stall(Instant),
    /// Nothing: our direction is about to be ended.
    HalfClose,
    /// The client to end its own, or so many bytes.
    Drain(u64, Instant),
    /// Nothing any more.
    Close,
}

/// Which head it is that has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The first on this connection, or the rest of it.
    First,
    /// The next, of which there is no byte yet: the connection is idle.
    Next,
    /// The rest of the next.
    Rest,
}

impl State for ConnectionState {
    const OF: &'static str = "Connection";

    fn name(&self) -> &'static str {
        match self {
            ConnectionState::ReadHead(..) => "ReadHead",
            ConnectionState::WriteContinue(..) => "WriteContinue",
            ConnectionState::ReadBody(_) => "ReadBody",
            ConnectionState::Dispatch(_) => "Dispatch",
            ConnectionState::Delay(_) => "Delay",
            ConnectionState::WriteHead => "WriteHead",
            ConnectionState::WriteBody => "WriteBody",
            ConnectionState::Stall(_) => "Stall",
            ConnectionState::HalfClose => "HalfClose",
            ConnectionState::Drain(..) => "Drain",
            ConnectionState::Close => "Close",
        }
    }
}

/// What is still read of a client whose connection ends, in bytes.
const DRAIN_BYTES: u64 = 64 * 1024;

/// How long a client may be left with half an answer when it does not give up.
const STALL: Duration = Duration::from_secs(600);

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, server: Rc<Shared>) -> Connection {
        let first = ConnectionState::ReadHead(Awaited::First, now() + server.limits.head);
        let wire = Wire {
            stream,
            peer,
            input: Input::default(),
            membership: server.members.join(),
            server,
            requests: 0,
            exchange: Exchange::default(),
            outgoing: None,
            deadline: Deadline::default(),
            progress: None,
        };
        Connection { state: Stateful::new(first), wire }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Connection { state, wire } = &mut *self;
        let _parent = state.enter();
        loop {
            let next = match state.get_mut() {
                ConnectionState::ReadHead(awaited, due) => wire.poll_read_head(cx, awaited, due),
                ConnectionState::WriteContinue(rest, due) => wire.poll_write_continue(cx, rest, *due),
                ConnectionState::ReadBody(due) => wire.poll_read_body(cx, *due),
                ConnectionState::Dispatch(answer) => wire.poll_dispatch(cx, answer),
                ConnectionState::Delay(sleep) => Pin::new(sleep).poll(cx).map(|()| ConnectionState::WriteHead),
                ConnectionState::WriteHead => wire.poll_write_head(cx),
                ConnectionState::WriteBody => wire.poll_write_body(cx),
                ConnectionState::Stall(due) => wire.poll_stall(cx, *due),
                ConnectionState::HalfClose => Poll::Ready(wire.half_close()),
                ConnectionState::Drain(left, due) => wire.poll_drain(cx, left, *due),
                ConnectionState::Close => return Poll::Ready(()),
            };
            match next {
                Poll::Ready(next) => state.go(next),
                Poll::Pending => {
                    state.note_waiting();
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Everything of a connection that outlives a state.
struct Wire {
    stream: TcpStream,
    peer: SocketAddr,
    input: Input,
    server: Rc<Shared>,
    membership: Membership,
    /// How many requests have come.
    requests: u32,
    exchange: Exchange,
    /// The answer, while it goes out.
    outgoing: Option<Outgoing>,
    /// The one timer for all the limits.
    deadline: Deadline,
    /// How much of the answer was out when it last went on, and until when it has to go on again.
    progress: Option<(u64, Instant)>,
}

/// The request that is being answered.
struct Exchange {
    request: Option<Request<()>>,
    /// Bytes of the request's body that may still come.
    body_left: u64,
    /// The answer has no body, for that was the request.
    is_head: bool,
    /// The client speaks HTTP/1.0, and expects to be told that the connection is kept.
    is_1_0: bool,
    plan: Plan,
    status: StatusCode,
    /// The length of the answer's body.
    body_bytes: u64,
    then: Then,
}

/// What comes behind an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    NextRequest,
    HalfClose,
    Close,
    Reset,
    Stall,
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange {
            request: None,
            body_left: 0,
            is_head: false,
            is_1_0: false,
            plan: Plan::default(),
            status: StatusCode::OK,
            body_bytes: 0,
            then: Then::HalfClose,
        }
    }
}

impl Wire {
    // -- The request ---------------------------------------------------------------------------------------------

    fn poll_read_head(
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
    fn take_request(&mut self, head: RequestHead) -> ConnectionState {
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

    fn poll_write_continue(
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

    fn poll_read_body(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<ConnectionState> {
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

    // -- The answer ----------------------------------------------------------------------------------------------

    /// The request is complete. Faults are chosen before anything is looked up.
    fn ask_service(&mut self) -> ConnectionState {
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

    fn poll_dispatch(&mut self, cx: &mut Context<'_>, answer: &mut Answer) -> Poll<ConnectionState> {
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
    fn begin_answer(&mut self, response: Response) {
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

    fn poll_write_head(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let outgoing = self.outgoing.as_mut().expect("there is an answer to write");
        match outgoing.poll_write_head(cx, &mut self.stream) {
            Poll::Ready(Ok(())) if outgoing.is_out() => Poll::Ready(self.end_answer()),
            Poll::Ready(Ok(())) => Poll::Ready(ConnectionState::WriteBody),
            Poll::Ready(Err(error)) => Poll::Ready(self.break_off(&error)),
            Poll::Pending => self.poll_progress(cx),
        }
    }

    fn poll_write_body(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
        let outgoing = self.outgoing.as_mut().expect("there is an answer to write");
        match outgoing.poll_write_body(cx, &mut self.stream) {
            Poll::Ready(Ok(())) => Poll::Ready(self.end_answer()),
            Poll::Ready(Err(error)) => Poll::Ready(self.break_off(&error)),
            Poll::Pending => self.poll_progress(cx),
        }
    }

    /// An answer that does not go on for too long is given up, with a reset: what is in the kernel is not waited for.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionState> {
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
    fn end_answer(&mut self) -> ConnectionState {
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
            Then::Stall => ConnectionState::Stall(now() + STALL),
        }
    }

    fn tell_answered(&self) {
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

    // -- Refusals and ends ---------------------------------------------------------------------------------------

    /// Answers what is no request, if there is somebody to answer, and ends the connection.
    fn answer_fault(&mut self, fault: ProtocolError) -> ConnectionState {
        match fault.status() {
            Some(status) => self.refuse(status, &fault.to_string(), Then::HalfClose),
            None => {
                log::debug!("{}: {fault}", self.peer);
                ConnectionState::Close
            }
        }
    }

    fn refuse_body(&mut self) -> ConnectionState {
        let words = format!("a request body of more than {} bytes is not read", self.server.limits.body_bytes);
        self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &words, Then::HalfClose)
    }

    /// Answers without asking the service; the connection ends.
    fn refuse(&mut self, status: StatusCode, why: &str, then: Then) -> ConnectionState {
        self.exchange = Exchange { request: self.exchange.request.take(), then, ..Exchange::default() };
        self.begin_answer(text(status, format!("{why}\n")));
        ConnectionState::WriteHead
    }

    /// Makes room: for another connection, or because the server stops.
    fn leave(&mut self, awaited: Awaited) -> ConnectionState {
        if self.server.is_stopping.get() || awaited == Awaited::Next {
            return ConnectionState::Close;
        }
        // Closed at once, for it is the place that is wanted.
        self.refuse(StatusCode::REQUEST_TIMEOUT, "the server is full, and others wait", Then::Close)
    }

    /// The client is gone, or as good as gone.
    fn break_off(&mut self, error: &io::Error) -> ConnectionState {
        log::debug!("{}: {error}", self.peer);
        if self.outgoing.is_some() {
            self.tell_answered();
        }
        ConnectionState::Close
    }

    fn reset(&self) {
        if let Err(error) = self.stream.reset_on_drop() {
            log::debug!("{}: resetting: {error}", self.peer);
        }
    }

    fn half_close(&mut self) -> ConnectionState {
        match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => ConnectionState::Drain(DRAIN_BYTES, now() + self.server.limits.drain),
            Err(error) => self.break_off(&error),
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, left: &mut u64, due: Instant) -> Poll<ConnectionState> {
        if self.poll_discard(cx, left).is_pending() {
            ready!(self.deadline.poll_until(cx, due));
        }
        Poll::Ready(ConnectionState::Close)
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<ConnectionState> {
        let mut without_end = u64::MAX;
        if self.poll_discard(cx, &mut without_end).is_pending() && !self.membership.is_asked_to_leave(cx.waker()) {
            ready!(self.deadline.poll_until(cx, due));
        }
        Poll::Ready(ConnectionState::Close)
    }

    /// Reads and throws away, until the client ends its direction or `left` bytes have come.
    fn poll_discard(&mut self, cx: &mut Context<'_>, left: &mut u64) -> Poll<()> {
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
