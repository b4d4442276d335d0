//! One exchange, from the request to the head of the response.
//!
//! ```text
//!   Checkout ──▶ Resolve ──▶ Connect ──▶ Tunnel ──▶ Handshake ──▶ WriteHead ──▶ ReadHead ──▶ Done, continued by `Body`
//!      │            ▲           └─────── without TLS ───────┘ ▲  │          │
//!      └── reuse ───┼─────────────────────────────────────────┘  │          │
//!                   └────── the reused connection was stale ─────┴──────────┘
//! ```
//!
//! `Tunnel` is for https through a proxy; https without a proxy goes from `Connect` to `Handshake`.
//!
//! A response may arrive while the request is still being written, since a server that rejects a request need not read
//! all of it. So `WriteHead` also reads.
//!
//! `poll` is one `match`, with one function for each state:
//!
//! | file | states |
//! | --- | --- |
//! | `mod.rs` | `Checkout`, `WriteHead`, `ReadHead` |
//! | `establish.rs` | `Resolve`, `Connect`, `Tunnel`, `Handshake` |

mod establish;

use std::fmt;
use std::future::Future;
#[cfg(feature = "tls")]
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{Method, Request, Response};

use super::ClientContext;
use super::body::Body;
use super::connection::{ConnectTimestamps, Connection};
use super::error::ClientError;
use super::head::Head;
use super::in_flight::{HeadResult, InFlight};
use super::target::{Target, redacted_url};
#[cfg(feature = "tls")]
use super::tunnel::Tunnel;
use crate::event_loop::now;
use crate::http::deadline::Deadline;
#[cfg(feature = "tls")]
use crate::net::tls::Handshake;
use crate::net::{Connect, Lookup};
use crate::observe::{FutureId, NamedState, TracedState, polled_after_ready};

/// The future that [`Client::request`](super::Client::request) returns. It resolves to a response whose body has not
/// been read.
///
/// Dropping it closes its connection.
#[must_use = "nothing is sent before it is polled"]
pub struct Exchange {
    state: TracedState<ExchangeState>,
    /// The data that all states need, or the error if the request is invalid.
    parts: Result<ExchangeParts, ClientError>,
}

/// The states of an exchange.
enum ExchangeState {
    /// Looking for a pooled connection. This does not wait.
    Checkout,
    /// Waiting for the addresses of the server, requested at this time.
    Resolve(Lookup, Instant),
    /// Waiting for a connection to one of the addresses.
    Connect(Box<Connect>, ConnectTimestamps),
    /// Waiting for the proxy at this address to establish a tunnel to the server.
    #[cfg(feature = "tls")]
    Tunnel(Box<Tunnel>, ConnectTimestamps, Option<SocketAddr>),
    /// Waiting for the TLS handshake with the server, over a connection to this address.
    #[cfg(feature = "tls")]
    Handshake(Box<Handshake>, ConnectTimestamps, Option<SocketAddr>),
    /// Waiting until the request can be written, or for a response before it has been written.
    WriteHead,
    /// Waiting for the head of the response.
    ReadHead,
    /// Completed.
    Done,
}

/// The result of polling a state: the next state, or the end of the exchange.
type ExchangeTransition = Poll<ControlFlow<ExchangeEnd, ExchangeState>>;

/// The end of an exchange: the connection with the response head or the error of reading it, or the error that
/// prevented a connection.
type ExchangeEnd = Result<(Box<InFlight>, HeadResult), ClientError>;

/// The data of an exchange that all states need.
struct ExchangeParts {
    client: Rc<ClientContext>,
    target: Rc<Target>,
    /// The request head, which may be sent twice.
    head: Head,
    /// The exchange in progress on the connection, in `WriteHead` and `ReadHead`.
    in_flight: Option<Box<InFlight>>,
    /// The timer for the connect timeout.
    deadline: Deadline,
    /// The id of the exchange in observer events.
    id: FutureId,
}

impl NamedState for ExchangeState {
    const TYPE_NAME: &'static str = "Exchange";

    fn name(&self) -> &'static str {
        match self {
            ExchangeState::Checkout => "Checkout",
            ExchangeState::Resolve(..) => "Resolve",
            ExchangeState::Connect(..) => "Connect",
            #[cfg(feature = "tls")]
            ExchangeState::Tunnel(..) => "Tunnel",
            #[cfg(feature = "tls")]
            ExchangeState::Handshake(..) => "Handshake",
            ExchangeState::WriteHead => "WriteHead",
            ExchangeState::ReadHead => "ReadHead",
            ExchangeState::Done => "Done",
        }
    }
}

impl Exchange {
    pub(super) fn new(client: Rc<ClientContext>, request: Request<()>) -> Exchange {
        let state = TracedState::new(ExchangeState::Checkout);
        let (request, ()) = request.into_parts();
        let url = request.uri.clone();
        let parts = Target::new(&request.method, request.uri, &client.proxies).and_then(|target| {
            let head = Head::new(&target, request.headers, &client.user_agent)?;
            let (target, deadline, id) = (Rc::new(target), Deadline::default(), state.id());
            Ok(ExchangeParts { client, target, head, in_flight: None, deadline, id })
        });
        Exchange { state, parts: parts.map_err(|kind| ClientError::invalid_request(kind, redacted_url(&url))) }
    }

    /// Creates an exchange that fails on the first poll.
    pub(super) fn failed(error: ClientError) -> Exchange {
        Exchange { state: TracedState::new(ExchangeState::Checkout), parts: Err(error) }
    }
}

impl Future for Exchange {
    type Output = Result<Response<Body>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Exchange { state, parts } = &mut *self;
        let parts = match parts {
            Ok(parts) => parts,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        let _parent = state.enter();
        loop {
            let transition = match state.get_mut() {
                ExchangeState::Checkout => parts.check_out(),
                ExchangeState::Resolve(lookup, requested_at) => parts.poll_resolve(cx, lookup, *requested_at),
                ExchangeState::Connect(connect, timestamps) => parts.poll_connect(cx, connect, *timestamps),
                #[cfg(feature = "tls")]
                ExchangeState::Tunnel(tunnel, timestamps, peer) => parts.poll_tunnel(cx, tunnel, *timestamps, *peer),
                #[cfg(feature = "tls")]
                ExchangeState::Handshake(handshake, timestamps, peer) => {
                    parts.poll_handshake(cx, handshake, *timestamps, *peer)
                }
                ExchangeState::WriteHead => parts.poll_write_head(cx),
                ExchangeState::ReadHead => parts.poll_read_head(cx),
                ExchangeState::Done => polled_after_ready("Exchange"),
            };
            match transition {
                Poll::Ready(ControlFlow::Continue(next)) => state.transition_to(next),
                Poll::Ready(ControlFlow::Break(end)) => {
                    state.transition_to(ExchangeState::Done);
                    return Poll::Ready(respond(end));
                }
                Poll::Pending => {
                    state.set_wait_reason();
                    return Poll::Pending;
                }
            }
        }
    }
}

impl ExchangeParts {
    /// Takes a connection from the pool, or starts to establish one.
    fn check_out(&mut self) -> ExchangeTransition {
        match self.client.pool.take(&self.target.pool_key, now()) {
            Some(connection) => {
                self.client.count_reused();
                self.start(connection, true)
            }
            None => self.resolve(),
        }
    }

    /// Starts the exchange on a connection.
    fn start(&mut self, connection: Connection, is_reused: bool) -> ExchangeTransition {
        let (client, target, is_persistent) = (self.client.clone(), self.target.clone(), self.head.is_persistent);
        let in_flight = InFlight::new(client, target, connection, is_reused, is_persistent, self.id);
        self.in_flight = Some(Box::new(in_flight));
        Poll::Ready(ControlFlow::Continue(ExchangeState::WriteHead))
    }

    fn poll_write_head(&mut self, cx: &mut Context<'_>) -> ExchangeTransition {
        let in_flight = self.in_flight.as_mut().expect(HAS_CONNECTION);
        match in_flight.poll_write(cx, &self.head.bytes) {
            Poll::Ready(()) => Poll::Ready(ControlFlow::Continue(ExchangeState::ReadHead)),
            Poll::Pending => self.poll_read_head(cx),
        }
    }

    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> ExchangeTransition {
        let head = ready!(self.in_flight.as_mut().expect(HAS_CONNECTION).poll_head(cx));
        let in_flight = self.in_flight.take().expect(HAS_CONNECTION);
        if in_flight.is_stale(&head) && self.is_safe_to_repeat() {
            // Retry once on a new connection. That connection is not reused, so there is no second retry (RFC 9112
            // §9.3.1).
            drop((in_flight, head));
            return self.resolve();
        }
        Poll::Ready(ControlFlow::Break(Ok((in_flight, head))))
    }

    /// Returns whether the client may resend the request transparently: GET and HEAD are safe methods, which change
    /// nothing on the server.
    fn is_safe_to_repeat(&self) -> bool {
        matches!(self.target.method, Method::GET | Method::HEAD)
    }
}

/// Returns the result of an exchange that has ended.
fn respond(end: ExchangeEnd) -> Result<Response<Body>, ClientError> {
    let (in_flight, head) = end?;
    match head {
        Ok((head, buffer)) => {
            let body = Body::new(in_flight, head.framing, buffer);
            Ok(head.response.map(|()| body))
        }
        Err(kind) => Err(in_flight.fail(kind)),
    }
}

/// The message of `expect` for the connection in `WriteHead` and `ReadHead`: the invariant that it relies on.
const HAS_CONNECTION: &str = "both states are entered with a connection";

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.parts.as_ref().map(|parts| parts.target.url());
        f.debug_struct("Exchange").field("url", &url).field("state", &self.state.name()).finish_non_exhaustive()
    }
}
