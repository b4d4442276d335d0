//! The states of an exchange in which a connection is established: DNS, TCP, a tunnel through a proxy, and TLS.
//!
//! All of them together have one time limit. Each function polls the future of its state, and returns the next state or
//! the error of the exchange.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::{ExchangeParts, ExchangeState, ExchangeTransition};
use crate::event_loop::now;
use crate::http::client::connection::{ConnectTimestamps, Connection};
use crate::http::client::error::{ClientErrorKind, RequestPhase};
use crate::http::client::transport::Transport;
#[cfg(feature = "tls")]
use crate::http::client::{error::TunnelError, proxy::Proxy, tunnel::Tunnel};
use crate::net::{Connect, Lookup};
#[cfg(feature = "tls")]
use crate::net::{
    TcpStream,
    tls::{Handshake, TlsError},
};

impl ExchangeParts {
    /// Starts the DNS lookup of the server or, if there is one, of the proxy.
    pub(super) fn resolve(&self) -> ExchangeTransition {
        let host = self.target.pool_key.first_hop();
        let lookup = self.client.resolver.resolve(host.host(), host.port());
        proceed(ExchangeState::Resolve(lookup, now()))
    }

    pub(super) fn poll_resolve(
        &mut self,
        cx: &mut Context<'_>,
        lookup: &mut Lookup,
        requested_at: Instant,
    ) -> ExchangeTransition {
        let limit = self.client.timeouts.connect;
        let kind = match Pin::new(lookup).poll(cx) {
            Poll::Ready(Ok(addresses)) => {
                let timestamps = ConnectTimestamps { requested_at, resolved_at: now() };
                let left = limit.saturating_sub(timestamps.resolved_at - requested_at);
                return proceed(ExchangeState::Connect(Box::new(Connect::new(addresses, left)), timestamps));
            }
            Poll::Ready(Err(error)) => ClientErrorKind::Resolve(error),
            Poll::Pending => {
                ready!(self.poll_connect_timeout(cx, requested_at));
                ClientErrorKind::ResolveTimedOut { limit }
            }
        };
        self.fail(kind, None)
    }

    pub(super) fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        connect: &mut Connect,
        timestamps: ConnectTimestamps,
    ) -> ExchangeTransition {
        match ready!(Pin::new(connect).poll(cx)) {
            #[cfg(feature = "tls")]
            Ok(stream) if self.target.pool_key.origin.is_https() => match &self.target.pool_key.tunnel {
                None => self.start_tls(stream, timestamps),
                Some(proxy) => self.start_tunnel(stream, proxy, timestamps),
            },
            Ok(stream) => self.start_on_new_connection(Transport::Plain(stream), timestamps),
            Err(error) => self.fail(ClientErrorKind::Connect(error), None),
        }
    }

    /// Starts to open a tunnel to the server through a proxy.
    #[cfg(feature = "tls")]
    fn start_tunnel(&self, stream: TcpStream, proxy: &Proxy, timestamps: ConnectTimestamps) -> ExchangeTransition {
        let peer = stream.peer_addr().ok();
        let (origin, client) = (&self.target.pool_key.origin, &self.client);
        let tunnel = Tunnel::new(stream, proxy, origin, &client.user_agent, client.buffers.clone());
        proceed(ExchangeState::Tunnel(Box::new(tunnel), timestamps, peer))
    }

    #[cfg(feature = "tls")]
    pub(super) fn poll_tunnel(
        &mut self,
        cx: &mut Context<'_>,
        tunnel: &mut Tunnel,
        timestamps: ConnectTimestamps,
        peer: Option<SocketAddr>,
    ) -> ExchangeTransition {
        let error = match Pin::new(tunnel).poll(cx) {
            Poll::Ready(Ok(stream)) => return self.start_tls(stream, timestamps),
            Poll::Ready(Err(error)) => error,
            Poll::Pending => {
                ready!(self.poll_connect_timeout(cx, timestamps.requested_at));
                TunnelError::TimedOut { limit: self.client.timeouts.connect }
            }
        };
        self.fail(ClientErrorKind::Tunnel(error), peer)
    }

    /// Starts the TLS handshake with the server.
    #[cfg(feature = "tls")]
    fn start_tls(&self, stream: TcpStream, timestamps: ConnectTimestamps) -> ExchangeTransition {
        let peer = stream.peer_addr().ok();
        let handshake = self.client.tls.connect(stream, self.target.pool_key.origin.host());
        proceed(ExchangeState::Handshake(Box::new(handshake), timestamps, peer))
    }

    #[cfg(feature = "tls")]
    pub(super) fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
        handshake: &mut Handshake,
        timestamps: ConnectTimestamps,
        peer: Option<SocketAddr>,
    ) -> ExchangeTransition {
        let error = match Pin::new(handshake).poll(cx) {
            Poll::Ready(Ok(stream)) => return self.start_on_new_connection(Transport::Tls(stream), timestamps),
            Poll::Ready(Err(error)) => error,
            Poll::Pending => {
                ready!(self.poll_connect_timeout(cx, timestamps.requested_at));
                TlsError::TimedOut { limit: self.client.timeouts.connect }
            }
        };
        self.fail(ClientErrorKind::Tls(error), peer)
    }

    /// Starts the exchange on a connection that has just been established.
    fn start_on_new_connection(&mut self, transport: Transport, timestamps: ConnectTimestamps) -> ExchangeTransition {
        self.client.count_opened();
        let connection = Connection::new(transport, self.target.pool_key.clone(), timestamps);
        self.start(connection, false)
    }

    /// Polls the connect timeout, which started with the DNS lookup. (`Connect` has its own timer.)
    fn poll_connect_timeout(&mut self, cx: &mut Context<'_>, requested_at: Instant) -> Poll<()> {
        self.deadline.poll_until(cx, requested_at + self.client.timeouts.connect)
    }

    /// Returns the end of the exchange with an error. No byte of the request has been sent.
    fn fail(&self, kind: ClientErrorKind, peer: Option<SocketAddr>) -> ExchangeTransition {
        let error = self.target.error(kind, RequestPhase::NothingSent, peer, false);
        Poll::Ready(ControlFlow::Break(Err(error)))
    }
}

fn proceed(next: ExchangeState) -> ExchangeTransition {
    Poll::Ready(ControlFlow::Continue(next))
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
    fn a_lookup_that_hangs_uses_up_the_connect_timeout() {
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
            matches!(error.kind(), ClientErrorKind::ResolveTimedOut { limit: reported } if *reported == limit),
            "{error:?}"
        );
        assert_eq!((error.phase(), error.peer()), (RequestPhase::NothingSent, None));
    }

    #[test]
    fn a_slow_lookup_is_awaited() {
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
