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

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Method, Request, Response};

use super::Shared;
use super::body::Body;
use super::connection::{Connection, InFlight, Opening};
use super::error::{ClientError, ClientErrorKind, RequestPhase};
use super::head::Head;
use super::target::{Target, shown};
use super::transport::Transport;
#[cfg(feature = "tls")]
use super::{
    proxy::Proxy,
    tunnel::{Tunnel, TunnelError},
};
use crate::event_loop::now;
use crate::http::deadline::Deadline;
use crate::net::{Connect, Lookup};
#[cfg(feature = "tls")]
use crate::net::{
    TcpStream,
    tls::{Handshake, TlsError},
};
use crate::observe::{FutureId, State, TracedState, polled_after_ready};

/// The future that [`Client::request`](super::Client::request) returns. It resolves to a response whose body has not
/// been read.
///
/// Dropping it closes its connection.
#[must_use = "nothing is sent before it is polled"]
pub struct Exchange {
    state: TracedState<ExchangeState>,
    /// The prepared request, or the error if it is invalid.
    order: Result<Order, ClientError>,
    /// The exchange in progress on the connection, in `WriteHead` and `ReadHead`.
    flight: Option<Box<InFlight>>,
    /// The timer for the time limit while there is no connection.
    deadline: Deadline,
}

/// The states of an exchange.
enum ExchangeState {
    /// Looking for a pooled connection. This does not wait.
    Checkout,
    /// Waiting for the addresses of the server, requested at this time.
    Resolve(Lookup, Instant),
    /// Waiting for a connection to one of the addresses.
    Connect(Box<Connect>, Opening),
    /// Waiting for the proxy at this address to establish a tunnel to the server.
    #[cfg(feature = "tls")]
    Tunnel(Box<Tunnel>, Opening, Option<SocketAddr>),
    /// Waiting for the TLS handshake with the server, over a connection to this address.
    #[cfg(feature = "tls")]
    Handshake(Box<Handshake>, Opening, Option<SocketAddr>),
    /// Waiting until the request can be written.
    WriteHead,
    /// Waiting for the head of the response.
    ReadHead,
    /// Completed.
    Done,
}

impl State for ExchangeState {
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
    pub(super) fn new(client: Rc<Shared>, request: Request<()>) -> Exchange {
        let (parts, ()) = request.into_parts();
        let url = parts.uri.clone();
        let order = Target::new(&parts.method, parts.uri, &client.proxies).and_then(|target| {
            let head = Head::new(&target, parts.headers, &client.user_agent)?;
            Ok(Order { client, target: Rc::new(target), head })
        });
        Exchange::in_first_state(order.map_err(|kind| ClientError::refused(kind, shown(&url))))
    }

    /// Creates an exchange that fails on the first poll.
    pub(super) fn refused(error: ClientError) -> Exchange {
        Exchange::in_first_state(Err(error))
    }

    fn in_first_state(order: Result<Order, ClientError>) -> Exchange {
        Exchange {
            state: TracedState::new(ExchangeState::Checkout),
            order,
            flight: None,
            deadline: Deadline::default(),
        }
    }
}

impl Future for Exchange {
    type Output = Result<Response<Body>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Exchange { state, order, flight, deadline } = &mut *self;
        let order = match order {
            Ok(order) => order,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        let _parent = state.enter();
        loop {
            // Each arm either moves to another state, or yields the result of polling for the head.
            let head = match state.get_mut() {
                ExchangeState::Checkout => {
                    match order.client.pool.take(&order.target.way, now()) {
                        Some(connection) => {
                            order.client.count_reused();
                            *flight = Some(order.begin(connection, true, state.id()));
                            state.transition_to(ExchangeState::WriteHead);
                        }
                        None => state.transition_to(order.look_up()),
                    }
                    continue;
                }
                ExchangeState::Resolve(lookup, asked_at) => {
                    let limit = order.client.limits.connect;
                    let error = match Pin::new(lookup).poll(cx) {
                        Poll::Ready(Ok(addresses)) => {
                            let opening = Opening { asked_at: *asked_at, looked_up_at: now() };
                            let left = limit.saturating_sub(opening.looked_up_at - *asked_at);
                            let connect = Box::new(Connect::new(addresses, left));
                            state.transition_to(ExchangeState::Connect(connect, opening));
                            continue;
                        }
                        Poll::Ready(Err(error)) => ClientErrorKind::Resolve(error),
                        Poll::Pending if deadline.poll_until(cx, *asked_at + limit).is_ready() => {
                            ClientErrorKind::ResolveTimedOut { limit }
                        }
                        Poll::Pending => {
                            state.set_wait_reason();
                            return Poll::Pending;
                        }
                    };
                    state.transition_to(ExchangeState::Done);
                    return Poll::Ready(Err(order.unconnected(error, None)));
                }
                ExchangeState::Connect(connect, opening) => match Pin::new(connect).poll(cx) {
                    #[cfg(feature = "tls")]
                    Poll::Ready(Ok(stream)) if order.target.way.origin.is_https() => {
                        let next = match &order.target.way.tunnel {
                            None => order.secure(stream, *opening),
                            Some(proxy) => order.tunnel(stream, proxy, *opening),
                        };
                        state.transition_to(next);
                        continue;
                    }
                    Poll::Ready(Ok(stream)) => {
                        *flight = Some(order.begin_anew(Transport::Plain(stream), *opening, state.id()));
                        state.transition_to(ExchangeState::WriteHead);
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        state.transition_to(ExchangeState::Done);
                        return Poll::Ready(Err(order.unconnected(ClientErrorKind::Connect(error), None)));
                    }
                    Poll::Pending => {
                        state.set_wait_reason();
                        return Poll::Pending;
                    }
                },
                #[cfg(feature = "tls")]
                ExchangeState::Tunnel(tunnel, opening, peer) => {
                    let limit = order.client.limits.connect;
                    let error = match Pin::new(tunnel).poll(cx) {
                        Poll::Ready(Ok(stream)) => {
                            let next = order.secure(stream, *opening);
                            state.transition_to(next);
                            continue;
                        }
                        Poll::Ready(Err(error)) => error,
                        Poll::Pending if deadline.poll_until(cx, opening.asked_at + limit).is_ready() => {
                            TunnelError::TimedOut { limit }
                        }
                        Poll::Pending => {
                            state.set_wait_reason();
                            return Poll::Pending;
                        }
                    };
                    let error = order.unconnected(ClientErrorKind::Tunnel(error), *peer);
                    state.transition_to(ExchangeState::Done);
                    return Poll::Ready(Err(error));
                }
                #[cfg(feature = "tls")]
                ExchangeState::Handshake(handshake, opening, peer) => {
                    let limit = order.client.limits.connect;
                    let error = match Pin::new(handshake).poll(cx) {
                        Poll::Ready(Ok(stream)) => {
                            *flight = Some(order.begin_anew(Transport::Tls(stream), *opening, state.id()));
                            state.transition_to(ExchangeState::WriteHead);
                            continue;
                        }
                        Poll::Ready(Err(error)) => error,
                        Poll::Pending if deadline.poll_until(cx, opening.asked_at + limit).is_ready() => {
                            TlsError::TimedOut { limit }
                        }
                        Poll::Pending => {
                            state.set_wait_reason();
                            return Poll::Pending;
                        }
                    };
                    let error = order.unconnected(ClientErrorKind::Tls(error), *peer);
                    state.transition_to(ExchangeState::Done);
                    return Poll::Ready(Err(error));
                }
                ExchangeState::WriteHead => {
                    let flight = in_flight(flight);
                    if flight.poll_write(cx, &order.head.bytes).is_ready() {
                        state.transition_to(ExchangeState::ReadHead);
                        continue;
                    }
                    flight.poll_head(cx)
                }
                ExchangeState::ReadHead => in_flight(flight).poll_head(cx),
                ExchangeState::Done => polled_after_ready("Exchange"),
            };
            let Poll::Ready(head) = head else {
                state.set_wait_reason();
                return Poll::Pending;
            };
            let flight = flight.take().expect("a head came, so there was a connection");
            if flight.is_stale(&head) && order.may_be_repeated() {
                // Retry once on a new connection. That connection is not reused, so there is no second retry (RFC 9112
                // §9.3.1).
                drop((flight, head));
                state.transition_to(order.look_up());
                continue;
            }
            match head {
                Ok((head, buffer)) => {
                    state.transition_to(ExchangeState::Done);
                    let body = Body::new(flight, head.framing, buffer);
                    return Poll::Ready(Ok(head.response.map(|()| body)));
                }
                Err(kind) => {
                    state.transition_to(ExchangeState::Done);
                    return Poll::Ready(Err(flight.fail(kind)));
                }
            }
        }
    }
}

fn in_flight(flight: &mut Option<Box<InFlight>>) -> &mut InFlight {
    flight.as_mut().expect("a head is written to a connection and read from it")
}

/// A prepared request, which can be sent more than once.
struct Order {
    client: Rc<Shared>,
    target: Rc<Target>,
    head: Head,
}

impl Order {
    /// Starts resolving the host to connect to.
    fn look_up(&self) -> ExchangeState {
        let first_hop = self.target.way.first_hop();
        let lookup = self.client.resolver.resolve(first_hop.host(), first_hop.port());
        ExchangeState::Resolve(lookup, now())
    }

    /// Starts to request a tunnel to the server from a proxy.
    #[cfg(feature = "tls")]
    fn tunnel(&self, stream: TcpStream, proxy: &Proxy, opening: Opening) -> ExchangeState {
        let peer = stream.peer_addr().ok();
        let (origin, client) = (&self.target.way.origin, &self.client);
        let tunnel = Tunnel::new(stream, proxy, origin, &client.user_agent, client.buffers.clone());
        ExchangeState::Tunnel(Box::new(tunnel), opening, peer)
    }

    /// Starts the TLS handshake with the server.
    #[cfg(feature = "tls")]
    fn secure(&self, stream: TcpStream, opening: Opening) -> ExchangeState {
        let peer = stream.peer_addr().ok();
        let handshake = self.client.tls.connect(stream, self.target.way.origin.host());
        ExchangeState::Handshake(Box::new(handshake), opening, peer)
    }

    /// Starts the exchange on a new connection.
    fn begin_anew(&self, transport: Transport, opening: Opening, exchange: FutureId) -> Box<InFlight> {
        self.client.count_opened();
        self.begin(Connection::new(transport, self.target.way.clone(), opening), false, exchange)
    }

    /// Starts the exchange on a connection.
    fn begin(&self, connection: Connection, is_reused: bool, exchange: FutureId) -> Box<InFlight> {
        let (client, target) = (self.client.clone(), self.target.clone());
        Box::new(InFlight::new(client, target, connection, is_reused, self.head.is_persistent, exchange))
    }

    /// Returns whether the client may resend the request transparently: GET and HEAD are safe methods, which change
    /// nothing on the server.
    fn may_be_repeated(&self) -> bool {
        matches!(self.target.method, Method::GET | Method::HEAD)
    }

    fn unconnected(&self, kind: ClientErrorKind, peer: Option<SocketAddr>) -> ClientError {
        ClientError::on_the_way(kind, &self.target, RequestPhase::NothingSent, peer, false)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.order.as_ref().map(|order| order.target.url());
        f.debug_struct("Exchange").field("url", &url).field("state", &self.state.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::event_loop::EventLoop;
    use crate::http::client::Client;
    use crate::net::Resolver;

    #[test]
    fn a_look_up_without_an_answer_uses_up_the_time_for_the_connection() {
        let resolver = Resolver::calling(|_, _| {
            loop {
                thread::park();
            }
        });
        let limit = Duration::from_millis(20);
        let client = Client::builder().resolver(resolver).connect_timeout(limit).build();
        let mut event_loop = EventLoop::new().unwrap();
        let error = event_loop.block_on(client.get("http://a.test/")).unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), ClientErrorKind::ResolveTimedOut { limit: told } if *told == limit),
            "{error:?}"
        );
        assert_eq!((error.phase(), error.peer()), (RequestPhase::NothingSent, None));
    }

    #[test]
    fn a_name_that_takes_a_moment_to_look_up_is_waited_for() {
        let resolver = Resolver::calling(|_, _| {
            thread::sleep(Duration::from_millis(20));
            Ok(vec![])
        });
        let client = Client::builder().resolver(resolver).build();
        let mut event_loop = EventLoop::new().unwrap();
        let error = event_loop.block_on(client.get("http://a.test/")).unwrap().unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Connect(_)), "{error:?}");
    }
}
