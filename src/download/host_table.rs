//! The per-host scheduler: concurrency limits and fairness between hosts, as a sans-I/O state machine. The caller
//! passes the current time to it.
//!
//! A *ticket* is the queue entry of a transfer that waits, and a *slot* is the right to send requests to one host.
//! [`HostTable::next`] hands out slots to the tickets, round-robin over the hosts, so that a long sequence of URLs of
//! one host does not delay the other hosts. At most `jobs` slots are in use in total, and at most `per_host` for one
//! host. Among the tickets of a host, those that had a slot before take precedence, so that transfers that have started
//! are completed first. [`host`](super::host) decides when a host is paused.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use slab::Slab;

use super::host::{Circuit, Host, HostSignal, Pauses, RetryCost};

/// The limits on slots and on pauses.
#[derive(Clone, Copy, Debug)]
pub struct HostLimits {
    /// The maximum number of slots in use.
    pub jobs: usize,
    /// The maximum number of slots in use for one host.
    pub per_host: usize,
    /// The longest time for which a host may stay paused, and the longest `Retry-After` that is honoured.
    pub max_wait: Duration,
    /// Whether rejections pause a host. Without retries, no transfer would benefit from a pause.
    pub pauses: bool,
}

/// A slot: the right of one ticket to send requests to one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostSlot {
    host: usize,
    /// The number of the slot, unique among all that are handed out.
    number: u64,
}

/// The result of [`HostTable::next`].
#[derive(Debug, PartialEq, Eq)]
pub enum NextTicket<T> {
    /// The ticket gets a slot.
    Start(T, HostSlot),
    /// The ticket will never get a slot: its host has been paused for too long.
    Refuse(T),
    /// No ticket may start now. Call again after a slot was released, a result was recorded or a ticket was queued, and
    /// at this time, when the next pause ends; `None` if no host is paused.
    Idle(Option<Instant>),
}

/// The effects of a result on the transfer and on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultEffects {
    /// Whether the request, if it failed, uses up one of its transfer's retries.
    pub cost: RetryCost,
    /// Whether the state of the host has changed, so that [`HostTable::next`] may return a different result.
    pub has_changed: bool,
}

/// The table of hosts, each with its queues of tickets.
#[derive(Debug)]
pub struct HostTable<T> {
    limits: HostLimits,
    hosts: Slab<Host<T>>,
    by_origin: HashMap<String, usize>,
    /// The round-robin queue of the hosts that may have a ticket to start. Each host is in it at most once.
    ring: VecDeque<usize>,
    /// The hosts that are paused.
    paused: Vec<usize>,
    /// The number of slots in use.
    running: usize,
    /// The current limit on slots: lower than `limits.jobs` after a shortage of file descriptors.
    jobs: usize,
    /// The number of slots that have to be released before the current limit grows by one.
    until_growth: u32,
    /// The number of transfers that wait for a file descriptor for a complete file. As long as there is one, no slot is
    /// handed out, since another connection would take the descriptor.
    saves_waiting: usize,
    next_number: u64,
}

/// The number of hosts above which idle hosts, which are only kept for their statistics, are removed.
const MAX_TRACKED_HOSTS: usize = 1024;

/// The number of slots that have to be released for each step by which the limit grows again after a shortage of file
/// descriptors.
const ENDS_PER_GROWTH: u32 = 8;

impl<T> HostTable<T> {
    /// Creates a table without hosts.
    pub fn new(limits: HostLimits) -> HostTable<T> {
        HostTable {
            limits,
            hosts: Slab::new(),
            by_origin: HashMap::new(),
            ring: VecDeque::new(),
            paused: Vec::new(),
            running: 0,
            jobs: limits.jobs,
            until_growth: ENDS_PER_GROWTH,
            saves_waiting: 0,
            next_number: 0,
        }
    }

    /// Queues a ticket that has not had a slot yet.
    pub fn queue(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].queues.new.push_back(ticket);
        self.add_to_ring(host);
    }

    /// Queues a ticket that had a slot before.
    pub fn queue_returning(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].queues.returning.push_back(ticket);
        self.add_to_ring(host);
    }

    /// Queues a ticket whose last request was rejected.
    pub fn queue_rejected(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].queues.rejected.push_back(ticket);
        self.add_to_ring(host);
    }

    /// Removes all tickets that have not had a slot yet, and returns their number.
    pub fn remove_queued(&mut self) -> usize {
        let queued = self.hosts.iter_mut().map(|(_, host)| std::mem::take(&mut host.queues.new).len());
        queued.sum()
    }

    /// Returns the number of slots in use.
    pub fn running(&self) -> usize {
        self.running
    }

    fn find(&mut self, origin: &str) -> usize {
        if let Some(&host) = self.by_origin.get(origin) {
            return host;
        }
        if self.hosts.len() >= MAX_TRACKED_HOSTS {
            self.remove_idle();
        }
        let host = self.hosts.insert(Host::new(origin.to_owned()));
        self.by_origin.insert(origin.to_owned(), host);
        host
    }

    fn remove_idle(&mut self) {
        let by_origin = &mut self.by_origin;
        self.hosts.retain(|_, host| {
            let is_idle =
                !host.is_in_ring && host.running == 0 && host.state == Circuit::Closed && host.queues.is_empty();
            if is_idle {
                by_origin.remove(&host.origin);
            }
            !is_idle
        });
    }

    fn add_to_ring(&mut self, host: usize) {
        if !self.hosts[host].is_in_ring {
            self.hosts[host].is_in_ring = true;
            self.ring.push_back(host);
        }
    }

    // -- Slots -----------------------------------------------------------------------------------------------------

    /// Returns the next ticket that may start or must fail, or else [`NextTicket::Idle`].
    pub fn next(&mut self, now: Instant) -> NextTicket<T> {
        self.end_due_pauses(now);
        if self.running < self.jobs && self.saves_waiting == 0 {
            while let Some(id) = self.ring.pop_front() {
                let host = &mut self.hosts[id];
                host.is_in_ring = false;
                if host.state == Circuit::GivenUp {
                    if let Some(ticket) = host.queues.take() {
                        self.add_to_ring(id);
                        return NextTicket::Refuse(ticket);
                    }
                } else if let Some(ticket) = host.start(self.next_number, self.limits.per_host, now) {
                    let slot = HostSlot { host: id, number: self.next_number };
                    self.next_number += 1;
                    self.running += 1;
                    if !self.hosts[id].queues.is_empty() {
                        self.add_to_ring(id);
                    }
                    return NextTicket::Start(ticket, slot);
                }
            }
        }
        let waits = self.paused.iter().filter_map(|&host| match self.hosts[host].state {
            Circuit::Open { until, .. } => Some(until),
            _ => None,
        });
        NextTicket::Idle(waits.min())
    }

    fn end_due_pauses(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(&id) = self.paused.get(at) {
            match self.hosts[id].state {
                Circuit::Open { until, .. } if until > now => at += 1,
                Circuit::Open { pause, .. } => {
                    self.hosts[id].state = Circuit::HalfOpen { pause, probe: None };
                    self.paused.swap_remove(at);
                    self.add_to_ring(id);
                }
                _ => _ = self.paused.swap_remove(at),
            }
        }
    }

    /// Releases a slot.
    pub fn end(&mut self, slot: HostSlot) {
        self.running -= 1;
        self.hosts[slot.host].end(slot.number);
        self.add_to_ring(slot.host);
        if self.jobs < self.limits.jobs {
            self.until_growth -= 1;
            if self.until_growth == 0 {
                self.jobs += 1;
                self.until_growth = ENDS_PER_GROWTH;
            }
        }
    }

    /// Lowers the limit to the number of slots in use, because there was no file descriptor for another connection or
    /// file.
    pub fn shrink(&mut self) {
        self.jobs = self.running.max(1);
        self.until_growth = ENDS_PER_GROWTH;
    }

    /// Stops handing out slots until [`save_continues`](Self::save_continues) has been called as often as this.
    pub fn save_waits(&mut self) {
        self.saves_waiting += 1;
    }

    /// Ends the wait of one transfer for a file descriptor.
    pub fn save_continues(&mut self) {
        self.saves_waiting -= 1;
    }

    // -- Results ---------------------------------------------------------------------------------------------------

    /// Records the result of a request. `random`, from 0 to 1, adds jitter to the length of a pause.
    pub fn record_result(&mut self, slot: HostSlot, signal: HostSignal, now: Instant, random: f64) -> ResultEffects {
        let host = &mut self.hosts[slot.host];
        host.count(signal);
        if !self.limits.pauses {
            return ResultEffects { cost: RetryCost::Transfer, has_changed: false };
        }
        let before = host.state;
        let cost = host.record_result(slot.number, signal, now, Pauses { longest: self.limits.max_wait, random });
        let has_changed = host.state != before;
        if has_changed {
            if matches!(host.state, Circuit::Open { .. }) && !matches!(before, Circuit::Open { .. }) {
                self.paused.push(slot.host);
            }
            self.add_to_ring(slot.host);
        }
        ResultEffects { cost, has_changed }
    }

    /// Counts a retry, and returns the additional delay that the host's retry budget imposes on it.
    pub fn retry_delay(&mut self, slot: HostSlot, now: Instant) -> Duration {
        self.hosts[slot.host].budget.delay(now)
    }

    /// Returns the time until which a host is paused; `None` if it is not paused.
    pub fn paused_until(&self, slot: HostSlot) -> Option<Instant> {
        match self.hosts[slot.host].state {
            Circuit::Open { until, .. } => Some(until),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "host_table_tests.rs"]
mod tests;
