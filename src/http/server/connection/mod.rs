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
//!
//! | file | states |
//! | --- | --- |
//! | `mod.rs` | all of them, and the `match` |
//! | `request.rs` | `ReadHead`, `WriteContinue`, `ReadBody` |
//! | `answer.rs` | `Dispatch`, `WriteHead`, `WriteBody` |
//! | `ending.rs` | `Stall`, `HalfClose`, `Drain`, and how a request is refused |

mod answer;
mod ending;
mod request;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, StatusCode};

use super::Shared;
use super::faults::Plan;
use super::input::Input;
use super::members::Membership;
use super::outgoing::Outgoing;
use super::service::Answer;
use crate::event_loop::{Sleep, now};
use crate::http::deadline::Deadline;
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
