//! One exchange, from the request to the head of the response.
//!
//! ```text
//!   Checkout ──▶ Resolve ──▶ Connect ──▶ Tunnel ──▶ Handshake ──▶ WriteHead ──▶ ReadHead ──▶ Done, and on with `Body`
//!      │            ▲           └─────── without TLS ───────┘ ▲  │          │
//!      └── reuse ───┼─────────────────────────────────────────┘  │          │
//!                   └── the reused connection was of no use ─────┴──────────┘
//! ```
//!
//! `Tunnel` is for https through a proxy; https without one goes on to `Handshake`.
//!
//! A response may come while the request is still being written: a server that refuses it need not read it to its end.
//! So `WriteHead` reads, too.

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
use super::error::{ClientError, ClientErrorKind, Stage};
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
use crate::observe::{FutureId, State, Stateful, polled_after_ready};

/// The future of [`Client::request`](super::Client::request): a response whose body has not been read.
///
/// Dropping it closes the connection that it has.
#[must_use = "nothing is sent before it is polled"]
pub struct Exchange {
    state: Stateful<ExchangeState>,
    /// What to send and where to; the error if that is impossible.
    order: Result<Order, ClientError>,
    /// What goes on over the connection, in `WriteHead` and `ReadHead`.
    flight: Option<Box<InFlight>>,
    /// The timer while there is no connection.
    deadline: Deadline,
}

/// What an exchange waits for.
enum ExchangeState {
    /// Nothing: a kept connection is there, or it is not.
    Checkout,
    /// The server's addresses, asked for at this time.
    Resolve(Lookup, Instant),
    /// One of the addresses to answer.
    Connect(Box<Connect>, Opening),
    /// The proxy, at this address, to make a tunnel to the server.
    #[cfg(feature = "tls")]
    Tunnel(Box<Tunnel>, Opening, Option<SocketAddr>),
    /// The server, at this address, to agree on TLS.
    #[cfg(feature = "tls")]
    Handshake(Box<Handshake>, Opening, Option<SocketAddr>),
    /// Room for the request.
    WriteHead,
    /// The head of the response.
    ReadHead,
    /// Nothing any more.
    Done,
}

impl State for ExchangeState {
    const OF: &'static str = "Exchange";

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

    /// One that can only fail.
    pub(super) fn refused(error: ClientError) -> Exchange {
        Exchange::in_first_state(Err(error))
    }

    fn in_first_state(order: Result<Order, ClientError>) -> Exchange {
        Exchange { state: Stateful::new(ExchangeState::Checkout), order, flight: None, deadline: Deadline::default() }
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
            // Each state either goes to another one, or says how far its wait for the head has come.
            let head = match state.get_mut() {
                ExchangeState::Checkout => {
                    match order.client.pool.take(&order.target.way, now()) {
                        Some(connection) => {
                            order.client.count_reused();
                            *flight = Some(order.begin(connection, true, state.id()));
                            state.go(ExchangeState::WriteHead);
                        }
                        None => state.go(order.look_up()),
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
                            state.go(ExchangeState::Connect(connect, opening));
                            continue;
                        }
                        Poll::Ready(Err(error)) => ClientErrorKind::Resolve(error),
                        Poll::Pending if deadline.poll_until(cx, *asked_at + limit).is_ready() => {
                            ClientErrorKind::ResolveTimedOut { limit }
                        }
                        Poll::Pending => {
                            state.note_waiting();
                            return Poll::Pending;
                        }
                    };
                    state.go(ExchangeState::Done);
                    return Poll::Ready(Err(order.unconnected(error, None)));
                }
                ExchangeState::Connect(connect, opening) => match Pin::new(connect).poll(cx) {
                    #[cfg(feature = "tls")]
                    Poll::Ready(Ok(stream)) if order.target.way.origin.is_https() => {
                        let next = match &order.target.way.tunnel {
                            None => order.secure(stream, *opening),
                            Some(proxy) => order.tunnel(stream, proxy, *opening),
                        };
                        state.go(next);
                        continue;
                    }
                    Poll::Ready(Ok(stream)) => {
                        *flight = Some(order.begin_anew(Transport::Plain(stream), *opening, state.id()));
                        state.go(ExchangeState::WriteHead);
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        state.go(ExchangeState::Done);
                        return Poll::Ready(Err(order.unconnected(ClientErrorKind::Connect(error), None)));
                    }
                    Poll::Pending => {
                        state.note_waiting();
                        return Poll::Pending;
                    }
                },
                #[cfg(feature = "tls")]
                ExchangeState::Tunnel(tunnel, opening, peer) => {
                    let limit = order.client.limits.connect;
                    let error = match Pin::new(tunnel).poll(cx) {
                        Poll::Ready(Ok(stream)) => {
                            let next = order.secure(stream, *opening);
                            state.go(next);
                            continue;
                        }
                        Poll::Ready(Err(error)) => error,
                        Poll::Pending if deadline.poll_until(cx, opening.asked_at + limit).is_ready() => {
                            TunnelError::TimedOut { limit }
                        }
                        Poll::Pending => {
                            state.note_waiting();
                            return Poll::Pending;
                        }
                    };
                    let error = order.unconnected(ClientErrorKind::Tunnel(error), *peer);
                    state.go(ExchangeState::Done);
                    return Poll::Ready(Err(error));
                }
                #[cfg(feature = "tls")]
                ExchangeState::Handshake(handshake, opening, peer) => {
                    let limit = order.client.limits.connect;
                    let error = match Pin::new(handshake).poll(cx) {
                        Poll::Ready(Ok(stream)) => {
                            *flight = Some(order.begin_anew(Transport::Tls(stream), *opening, state.id()));
                            state.go(ExchangeState::WriteHead);
                            continue;
                        }
                        Poll::Ready(Err(error)) => error,
                        Poll::Pending if deadline.poll_until(cx, opening.asked_at + limit).is_ready() => {
                            TlsError::TimedOut { limit }
                        }
                        Poll::Pending => {
                            state.note_waiting();
                            return Poll::Pending;
                        }
                    };
                    let error = order.unconnected(ClientErrorKind::Tls(error), *peer);
                    state.go(ExchangeState::Done);
                    return Poll::Ready(Err(error));
                }
                ExchangeState::WriteHead => {
                    let flight = in_flight(flight);
                    if flight.poll_write(cx, &order.head.bytes).is_ready() {
                        state.go(ExchangeState::ReadHead);
                        continue;
                    }
                    flight.poll_head(cx)
                }
                ExchangeState::ReadHead => in_flight(flight).poll_head(cx),
                ExchangeState::Done => polled_after_ready("Exchange"),
            };
            let Poll::Ready(head) = head else {
                state.note_waiting();
                return Poll::Pending;
            };
            let flight = flight.take().expect("a head came, so there was a connection");
            if flight.is_stale(&head) && order.may_be_repeated() {
                // Once more, on a new connection. That one is not reused, so it is the last (RFC 9112 §9.3.1).
                drop((flight, head));
                state.go(order.look_up());
                continue;
            }
            match head {
                Ok((head, buffer)) => {
                    state.go(ExchangeState::Done);
                    let body = Body::new(flight, head.framing, buffer);
                    return Poll::Ready(Ok(head.response.map(|()| body)));
                }
                Err(kind) => {
                    state.go(ExchangeState::Done);
                    return Poll::Ready(Err(flight.fail(kind)));
                }
            }
        }
    }
}

fn in_flight(flight: &mut Option<Box<InFlight>>) -> &mut InFlight {
    flight.as_mut().expect("a head is written to a connection and read from it")
}

/// A request in the form in which it is sent, and sent again.
struct Order {
    client: Rc<Shared>,
    target: Rc<Target>,
    head: Head,
}

impl Order {
    /// Starts to find a server to connect to.
    fn look_up(&self) -> ExchangeState {
        let first_hop = self.target.way.first_hop();
        let lookup = self.client.resolver.resolve(first_hop.host(), first_hop.port());
        ExchangeState::Resolve(lookup, now())
    }

    /// Starts to ask a proxy for a tunnel to the server.
    #[cfg(feature = "tls")]
    fn tunnel(&self, stream: TcpStream, proxy: &Proxy, opening: Opening) -> ExchangeState {
        let peer = stream.peer_addr().ok();
        let (origin, client) = (&self.target.way.origin, &self.client);
        let tunnel = Tunnel::new(stream, proxy, origin, &client.user_agent, client.buffers.clone());
        ExchangeState::Tunnel(Box::new(tunnel), opening, peer)
    }

    /// Starts to agree on TLS with the server.
    #[cfg(feature = "tls")]
    fn secure(&self, stream: TcpStream, opening: Opening) -> ExchangeState {
        let peer = stream.peer_addr().ok();
        let handshake = self.client.tls.connect(stream, self.target.way.origin.host());
        ExchangeState::Handshake(Box::new(handshake), opening, peer)
    }

    /// Starts the exchange on a connection that has just been made.
    fn begin_anew(&self, transport: Transport, opening: Opening, exchange: FutureId) -> Box<InFlight> {
        self.client.count_opened();
        self.begin(Connection::new(transport, self.target.way.clone(), opening), false, exchange)
    }

    /// Starts the exchange on a connection.
    fn begin(&self, connection: Connection, is_reused: bool, exchange: FutureId) -> Box<InFlight> {
        let (client, target) = (self.client.clone(), self.target.clone());
        Box::new(InFlight::new(client, target, connection, is_reused, self.head.is_persistent, exchange))
    }

    /// Whether the client may send it a second time without being asked: it changes nothing on the server.
    fn may_be_repeated(&self) -> bool {
        matches!(self.target.method, Method::GET | Method::HEAD)
    }

    fn unconnected(&self, kind: ClientErrorKind, peer: Option<SocketAddr>) -> ClientError {
        ClientError::on_the_way(kind, &self.target, Stage::NothingWritten, peer, false)
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
        assert_eq!((error.stage(), error.peer()), (Stage::NothingWritten, None));
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
