//! The future of one connection.
//!
//! ```text
//!            ┌─────────────────────── keep-alive ──────────────────────┐
//!            ▼                                                         │
//!   ──▶ ReadHead ──▶ Dispatch ──▶ (Delay) ──▶ WriteHead ──▶ WriteBody ─┤
//!         │  │          ▲                         ▲                    ├──▶ HalfClose ──▶ Drain ──▶ Close
//!         │  └▶ (WriteContinue) ─▶ ReadBody ──────┤                    └──▶ Stall ────────────────▶ Close
//!         └────── invalid request, or timeout ────┘
//! ```
//!
//! Requests are handled one at a time: a pipelined request (RFC 9112 §9.3.2) is decoded after the response to the one
//! before is written. Every state that waits for the client has a timeout.
//!
//! When the server ends a connection, it closes it in two steps (RFC 9112 §9.6). Closing a socket with unread input
//! sends a RST, which can destroy a response that the client has not read yet. So the server first closes only its
//! sending direction, and then reads and discards input for a short time.
//!
//! | file | states |
//! | --- | --- |
//! | `mod.rs` | the enum of all states, and `poll` |
//! | `request.rs` | `ReadHead`, `WriteContinue`, `ReadBody` |
//! | `response.rs` | `Dispatch`, `Delay`, `WriteHead`, `WriteBody` |
//! | `close.rs` | `Stall`, `HalfClose`, `Drain`, and error responses of the server itself |

mod close;
mod request;
mod response;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, StatusCode};

use super::ServerContext;
use super::faults::PlannedFaults;
use super::input::Input;
use super::open_connections::Registration;
use super::outgoing::Outgoing;
use super::service::{Answer, Response};
use crate::event_loop::{Sleep, now};
use crate::http::deadline::Deadline;
use crate::net::TcpStream;
use crate::observe::{NamedState, TracedState};

/// The future of one connection.
pub(super) struct Connection {
    state: TracedState<ConnectionState>,
    parts: ConnectionParts,
}

/// The states of a connection. An `Instant` is the deadline of the state.
enum ConnectionState {
    /// Waiting for a request head.
    ReadHead(AwaitedHead, Instant),
    /// Writing the rest of `100 Continue`.
    WriteContinue(&'static [u8], Instant),
    /// Reading and discarding the request body.
    ReadBody(Instant),
    /// Waiting for the response of the service.
    Dispatch(Answer),
    /// Delaying this response, as a fault.
    Delay(Sleep, Response),
    /// Writing the response head.
    WriteHead,
    /// Writing the response body, or waiting for the next chunk of its file.
    WriteBody,
    /// Sending nothing more until the client closes the connection, as a fault.
    Stall(Instant),
    /// About to shut down the sending direction.
    HalfClose,
    /// Discarding input, at most this number of bytes, until the client closes its direction.
    Drain(u64, Instant),
    /// Complete.
    Close,
}

/// The request head that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AwaitedHead {
    /// The first on this connection.
    First,
    /// A further one, of which no byte has been received: the connection is idle.
    Next,
    /// The rest of a further one.
    Rest,
}

impl NamedState for ConnectionState {
    const TYPE_NAME: &'static str = "Connection";

    fn name(&self) -> &'static str {
        match self {
            ConnectionState::ReadHead(..) => "ReadHead",
            ConnectionState::WriteContinue(..) => "WriteContinue",
            ConnectionState::ReadBody(_) => "ReadBody",
            ConnectionState::Dispatch(_) => "Dispatch",
            ConnectionState::Delay(..) => "Delay",
            ConnectionState::WriteHead => "WriteHead",
            ConnectionState::WriteBody => "WriteBody",
            ConnectionState::Stall(_) => "Stall",
            ConnectionState::HalfClose => "HalfClose",
            ConnectionState::Drain(..) => "Drain",
            ConnectionState::Close => "Close",
        }
    }
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, server: Rc<ServerContext>) -> Connection {
        let first = ConnectionState::ReadHead(AwaitedHead::First, now() + server.limits.head);
        let parts = ConnectionParts {
            stream,
            peer,
            input: Input::default(),
            registration: server.open_connections.register(),
            server,
            requests: 0,
            exchange: CurrentExchange::default(),
            outgoing: None,
            deadline: Deadline::default(),
            progress: None,
        };
        Connection { state: TracedState::new(first), parts }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Connection { state, parts } = &mut *self;
        let _parent = state.enter();
        loop {
            let next = match state.get_mut() {
                ConnectionState::ReadHead(awaited, due) => parts.poll_read_head(cx, awaited, due),
                ConnectionState::WriteContinue(rest, due) => parts.poll_write_continue(cx, rest, *due),
                ConnectionState::ReadBody(due) => parts.poll_read_body(cx, *due),
                ConnectionState::Dispatch(answer) => parts.poll_dispatch(cx, answer),
                ConnectionState::Delay(sleep, response) => parts.poll_delay(cx, sleep, response),
                ConnectionState::WriteHead => parts.poll_write_head(cx),
                ConnectionState::WriteBody => parts.poll_write_body(cx),
                ConnectionState::Stall(due) => parts.poll_stall(cx, *due),
                ConnectionState::HalfClose => Poll::Ready(parts.half_close()),
                ConnectionState::Drain(left, due) => parts.poll_drain(cx, left, *due),
                ConnectionState::Close => return Poll::Ready(()),
            };
            match next {
                Poll::Ready(next) => state.transition_to(next),
                Poll::Pending => {
                    state.set_wait_reason();
                    return Poll::Pending;
                }
            }
        }
    }
}

/// The parts of a connection that exist in every state.
struct ConnectionParts {
    stream: TcpStream,
    peer: SocketAddr,
    input: Input,
    server: Rc<ServerContext>,
    registration: Registration,
    /// The number of requests received.
    requests: u32,
    exchange: CurrentExchange,
    /// The response, while it is being written.
    outgoing: Option<Outgoing>,
    /// The timer for the deadlines of all states.
    deadline: Deadline,
    /// The number of bytes of the response written at the last progress, and the write deadline that started then.
    progress: Option<(u64, Instant)>,
}

/// The request in progress and its response.
struct CurrentExchange {
    request: Option<Request<()>>,
    /// The number of bytes of the request body that are still allowed.
    body_left: u64,
    /// Whether the request method is HEAD, so the response has no body.
    is_head: bool,
    /// Whether the client uses HTTP/1.0, and so needs `Connection: keep-alive` in the response.
    is_1_0: bool,
    faults: PlannedFaults,
    status: StatusCode,
    /// The length of the response body.
    body_bytes: u64,
    after_response: AfterResponse,
}

/// What the connection does after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterResponse {
    NextRequest,
    HalfClose,
    Close,
    Reset,
    Stall,
}

impl Default for CurrentExchange {
    fn default() -> Self {
        CurrentExchange {
            request: None,
            body_left: 0,
            is_head: false,
            is_1_0: false,
            faults: PlannedFaults::default(),
            status: StatusCode::OK,
            body_bytes: 0,
            after_response: AfterResponse::HalfClose,
        }
    }
}
