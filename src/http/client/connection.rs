//! A connection, and the times that it took to establish it.

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

/// The times it took to set up a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTimings {
    /// The time until the addresses of the host were known.
    pub dns: Duration,
    /// The time from then until the connection was ready for a request.
    pub connect: Duration,
}

/// The timestamps of a connection that is being established.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectTimestamps {
    pub(super) requested_at: Instant,
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
