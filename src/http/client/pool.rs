//! The connection pool: idle connections between two exchanges.
//!
//! Reusing a connection saves the round trips of opening one, but it is only safe if client and server agree on where
//! the next message begins. So a connection is pooled only after an exchange that ended properly, without excess data,
//! and it stays in the pool only as long as nothing is received on it: a server must not send data without a request.
//! Bytes on an idle connection would be parsed as the response to the next request (response splitting), and an EOF
//! would make that request fail.
//!
//! Two mechanisms ensure this:
//!
//! * the idle reaper ([`IdleReaper`](super::idle_reaper::IdleReaper)) waits on all idle connections at once, and closes any on
//!   which data or EOF is received;
//! * taking a connection out of the pool checks the socket with a system call, since the reactor may not have polled
//!   yet in this turn of the loop. This costs one system call per request. Without it, unsolicited bytes that arrived
//!   within the last microseconds would become the response to another caller's request.
//!
//! With TLS, some received bytes are not application data: a server may send session tickets at any time, often after
//! the first response. They are processed, and do not count as received data.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::task::Context;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::target::PoolKey;
use crate::sync::WakerSlot;

/// The maximum idle time of a connection. Many servers close idle connections after 5 s; closing earlier than the
/// server avoids the race with its close.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// The maximum age of a connection. Without it, a busy client would never use changed DNS records, or new servers
/// behind a load balancer.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The idle connections, grouped by pool key. Reuse is LIFO: the connection that was used most recently is taken first,
/// and the others can expire.
pub(super) struct Pool {
    idle: RefCell<HashMap<Rc<PoolKey>, Vec<Idle>>>,
    /// The number of idle connections.
    count: Cell<usize>,
    /// The maximum number of idle connections in total.
    limit: usize,
    /// The maximum number of idle connections per pool key.
    limit_per_host: usize,
    /// The waker of the idle reaper.
    reaper_waker: Cell<WakerSlot>,
    /// Whether the idle reaper is running.
    pub(super) has_reaper: Cell<bool>,
}

/// An idle connection.
struct Idle {
    connection: Connection,
    /// When its last exchange ended.
    since: Instant,
}

impl Idle {
    fn expires_at(&self) -> Instant {
        (self.since + IDLE_TIMEOUT).min(self.connection.opened_at() + MAX_LIFETIME)
    }
}

impl Pool {
    pub(super) fn new(limit: usize, limit_per_host: usize) -> Pool {
        Pool {
            idle: RefCell::default(),
            count: Cell::new(0),
            limit,
            limit_per_host,
            reaper_waker: Cell::default(),
            has_reaper: Cell::new(false),
        }
    }

    /// Takes a usable connection with this key out of the pool, if there is one. Closes those that are not usable.
    pub(super) fn take(&self, pool_key: &PoolKey, now: Instant) -> Option<Connection> {
        loop {
            let mut idle = self.idle.borrow_mut().get_mut(pool_key)?.pop()?;
            self.count.set(self.count.get() - 1);
            if now < idle.expires_at() && idle.connection.transport().has_no_input() {
                idle.connection.transport().set_unref(false);
                return Some(idle.connection);
            }
        }
    }

    /// Adds a connection whose exchange has ended. If a limit is exceeded, per host or in total, the connection that
    /// has been idle longest is closed.
    pub(super) fn put(&self, mut connection: Connection, now: Instant) {
        if self.limit == 0 || self.limit_per_host == 0 {
            return;
        }
        connection.set_unref(true);
        let mut idle = self.idle.borrow_mut();
        let connections = match idle.get_mut(connection.pool_key()) {
            Some(connections) => connections,
            None => idle.entry(connection.pool_key().clone()).or_default(),
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
        drop(oldest); // I4: closing a connection drops wakers
        // The slot is taken out of its cell while its waker is called (I4).
        let reaper_waker = self.reaper_waker.take();
        reaper_waker.wake_by_ref();
        self.reaper_waker.set(reaper_waker);
    }

    /// Closes all idle connections on which data or EOF was received or that have expired, and registers the reaper's
    /// waker for the others.
    pub(super) fn evict(&self, cx: &mut Context<'_>, now: Instant) {
        // No borrow is held meanwhile (I4): polling a connection may drop the waker that its previous user registered.
        let mut checked = self.idle.take();
        self.count.set(0);
        for connections in checked.values_mut() {
            connections.retain_mut(|idle| {
                let has_no_input = idle.connection.transport().poll_unexpected_input(cx).is_pending();
                has_no_input && now < idle.expires_at()
            });
        }
        let remaining = checked.values().map(Vec::len).sum();
        // Dropping a waker may have run code that returned connections to the pool.
        let added_meanwhile = self.idle.replace(checked);
        self.count.set(remaining);
        for idle in added_meanwhile.into_values().flatten() {
            self.put(idle.connection, idle.since);
        }
    }

    /// Returns the time at which the next connection expires. Also removes empty entries.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|_, connections| !connections.is_empty());
        idle.values().flatten().map(Idle::expires_at).min()
    }

    /// Registers the waker of the idle reaper.
    pub(super) fn register_reaper(&self, cx: &Context<'_>) {
        let mut reaper_waker = self.reaper_waker.take();
        let replaced = reaper_waker.register(cx.waker());
        self.reaper_waker.set(reaper_waker);
        drop(replaced);
    }

    /// Closes all idle connections.
    pub(super) fn clear(&self) {
        let all = self.idle.take();
        self.count.set(0);
        drop(all);
    }

    /// Returns the number of idle connections.
    pub(super) fn len(&self) -> usize {
        self.count.get()
    }
}

/// Removes the connection that has been idle for the longest time, and its entry if that becomes empty. The connections
/// of each entry are in order, so only the first one of each entry has to be compared.
fn take_oldest(idle: &mut HashMap<Rc<PoolKey>, Vec<Idle>>) -> Option<Idle> {
    let first = |connections: &Vec<Idle>| connections.first().map(|idle| idle.since);
    let pool_keys = idle.iter().filter_map(|(pool_key, connections)| Some((first(connections)?, pool_key)));
    let pool_key = pool_keys.min_by_key(|&(since, _)| since)?.1.clone();
    let connections = idle.get_mut(&pool_key)?;
    let oldest = connections.remove(0);
    if connections.is_empty() {
        idle.remove(&pool_key);
    }
    Some(oldest)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.len()).finish_non_exhaustive()
    }
}
