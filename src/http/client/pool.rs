//! Connections between two exchanges.
//!
//! A connection is worth keeping for the round trips that a new one costs, and only if it is beyond doubt that both sides
//! agree where the next message begins. So one comes here after an exchange that ended as it should, with nothing left
//! over, and it stays only while it is silent: a server has nothing to say to a client that has not asked. Bytes on an
//! idle connection would be taken for the answer to the next request; the end of it would be met in the middle of one.
//!
//! Two things see to that:
//!
//! * the watch ([`IdleWatch`](super::watch::IdleWatch)) waits for all idle connections at once and closes what speaks or ends;
//! * whoever takes a connection out asks the kernel itself, since the reactor may not have looked in this turn. That is a
//!   system call a request, and it has its reason: without it, bytes that came in the last microseconds would become
//!   the answer to somebody else's question.
//!
//! Under TLS there are bytes that say nothing: session tickets come when the server likes, often behind the first
//! response. They are taken in, and the connection counts as silent.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::task::Context;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::target::Way;
use crate::sync::WakerSlot;

/// How long a connection may be idle. Many servers close after 5 s: earlier is better than at the same moment.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(4);

/// How old a connection may be. Load balancers and changed addresses are noticed this way.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Idle connections, by server. The last one in is the first one out: the warmest, and the others may grow old.
pub(super) struct Pool {
    idle: RefCell<HashMap<Rc<Way>, Vec<Idle>>>,
    /// How many there are.
    count: Cell<usize>,
    /// At most so many.
    limit: usize,
    /// At most so many for one server.
    limit_per_host: usize,
    /// The waker of the watch.
    watcher: Cell<WakerSlot>,
    /// Whether there is a watch.
    pub(super) is_watched: Cell<bool>,
}

/// A connection that waits to be used again.
struct Idle {
    connection: Connection,
    /// When the last exchange ended.
    since: Instant,
}

impl Idle {
    fn expires_at(&self) -> Instant {
        (self.since + MAX_IDLE).min(self.connection.opened_at() + MAX_AGE)
    }
}

impl Pool {
    pub(super) fn new(limit: usize, limit_per_host: usize) -> Pool {
        Pool {
            idle: RefCell::default(),
            count: Cell::new(0),
            limit,
            limit_per_host,
            watcher: Cell::default(),
            is_watched: Cell::new(false),
        }
    }

    /// A connection to this server, if there is one that can be used.
    pub(super) fn take(&self, way: &Way, now: Instant) -> Option<Connection> {
        loop {
            let mut idle = self.idle.borrow_mut().get_mut(way)?.pop()?;
            self.count.set(self.count.get() - 1);
            if now < idle.expires_at() && idle.connection.transport().is_silent() {
                idle.connection.transport().set_background(false);
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection whose exchange has ended. If there are too many, for its server or in all, the oldest makes way.
    pub(super) fn put(&self, mut connection: Connection, now: Instant) {
        if self.limit == 0 || self.limit_per_host == 0 {
            return;
        }
        connection.set_background(true);
        let mut idle = self.idle.borrow_mut();
        let connections = match idle.get_mut(connection.way()) {
            Some(connections) => connections,
            None => idle.entry(connection.way().clone()).or_default(),
        };
        connections.push(Idle { connection, since: now });
        let oldest = if connections.len() > self.limit_per_host {
            Some(connections.remove(0))
        } else if self.count.get() >= self.limit {
            take_oldest(&mut idle)
        } else {
            None
        };
        drop(idle);
        if oldest.is_none() {
            self.count.set(self.count.get() + 1);
        }
        drop(oldest); // I4: a closed connection drops wakers
        // Out of its cell while it is used (I4).
        let watcher = self.watcher.take();
        watcher.wake_by_ref();
        self.watcher.set(watcher);
    }

    /// The watch looks after all connections: it closes what has spoken, ended or grown old, and is woken when another
    /// one does.
    pub(super) fn sweep(&self, cx: &mut Context<'_>, now: Instant) {
        // Taken out meanwhile: to wait for a connection may drop the waker of whoever used it before (I4).
        let mut swept = self.idle.take();
        self.count.set(0);
        for connections in swept.values_mut() {
            connections.retain_mut(|idle| {
                let is_silent = idle.connection.transport().poll_unasked(cx).is_pending();
                is_silent && now < idle.expires_at()
            });
        }
        let left = swept.values().map(Vec::len).sum();
        let newcomers = self.idle.replace(swept);
        self.count.set(left);
        for idle in newcomers.into_values().flatten() {
            self.put(idle.connection, idle.since);
        }
    }

    /// When the first connection will have grown old. Forgets servers to which there is none.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|_, connections| !connections.is_empty());
        idle.values().flatten().map(Idle::expires_at).min()
    }

    /// Whoever watches leaves its waker.
    pub(super) fn register_watcher(&self, cx: &Context<'_>) {
        let mut watcher = self.watcher.take();
        let replaced = watcher.register(cx.waker());
        self.watcher.set(watcher);
        drop(replaced);
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        let all = self.idle.take();
        self.count.set(0);
        drop(all);
    }

    /// How many connections are idle.
    pub(super) fn len(&self) -> usize {
        self.count.get()
    }
}

/// Takes out the connection that has been idle for longest, and forgets its server if that was the last one. Each
/// server's are in order, so one look at each server is enough.
fn take_oldest(idle: &mut HashMap<Rc<Way>, Vec<Idle>>) -> Option<Idle> {
    let first = |connections: &Vec<Idle>| connections.first().map(|idle| idle.since);
    let ways = idle.iter().filter_map(|(way, connections)| Some((first(connections)?, way)));
    let way = ways.min_by_key(|&(since, _)| since)?.1.clone();
    let connections = idle.get_mut(&way)?;
    let oldest = connections.remove(0);
    if connections.is_empty() {
        idle.remove(&way);
    }
    Some(oldest)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.len()).finish_non_exhaustive()
    }
}
