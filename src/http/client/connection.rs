//! A connection, and how long it took to open it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::target::PoolKey;
use super::transport::Transport;
use crate::event_loop::now;

/// A connection to a server or to a proxy. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    transport: Transport,
    pool_key: Rc<PoolKey>,
    peer: Option<SocketAddr>,
    opened_at: Instant,
    timings: ConnectTimings,
}

/// How long the steps of opening a connection took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTimings {
    /// The duration of the DNS lookup.
    pub dns: Duration,
    /// The duration of TCP connect, of the tunnel through a proxy, and of the TLS handshake, as far as they were
    /// needed.
    pub connect: Duration,
}

/// The timestamps of a connection that is being opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectTimestamps {
    /// The start of the DNS lookup.
    pub(super) requested_at: Instant,
    /// The end of the DNS lookup.
    pub(super) resolved_at: Instant,
}

impl Connection {
    /// Creates a connection from a transport that has just been established.
    pub(super) fn new(transport: Transport, pool_key: PoolKey, timestamps: ConnectTimestamps) -> Connection {
        let peer = transport.peer_addr().ok();
        let opened_at = now();
        let ConnectTimestamps { requested_at, resolved_at } = timestamps;
        let timings = ConnectTimings {
            dns: resolved_at.saturating_duration_since(requested_at),
            connect: opened_at.saturating_duration_since(resolved_at),
        };
        Connection { transport, pool_key: Rc::new(pool_key), peer, opened_at, timings }
    }

    pub(super) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    pub(super) fn set_unref(&mut self, is_unref: bool) {
        self.transport.set_unref(is_unref);
    }

    pub(super) fn pool_key(&self) -> &Rc<PoolKey> {
        &self.pool_key
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// Returns whether the peer is known to have closed its side of the connection.
    pub(super) fn is_read_closed(&self) -> bool {
        self.transport.is_read_closed()
    }

    /// Returns the address of the peer: the server, or the proxy.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub(super) fn timings(&self) -> ConnectTimings {
        self.timings
    }
}
