//! Who may send requests to which host when: slots, limits and fairness, as a machine without input, output or a clock.
//!
//! Whatever wants to send a request queues a ticket for its host. [`Hosts::next`] hands out slots to the tickets: one host
//! after the other, so that a long run of lines for one host does not hold up the rest; never more at once than `jobs` in
//! all and `per_host` to one. Tickets that had a slot before come before those that did not, so that what was begun is
//! ended. When a host is paused is in [`host`](super::host).

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use slab::Slab;

use super::host::{Answer, Blame, Host, Pauses, State};

/// How many slots there are, and how long a host may keep transfers waiting.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Slots at once.
    pub jobs: usize,
    /// Slots at once for one host.
    pub per_host: usize,
    /// The longest that a host may pause in a row, and the longest wait that it may ask for.
    pub max_wait: Duration,
    /// Whether rejections pause a host. Without retries there is nothing to pause for.
    pub pauses: bool,
}

/// The right of one ticket to send requests to one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    host: usize,
    /// Different for each slot that is handed out.
    number: u64,
}

/// What [`Hosts::next`] has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// This ticket has a slot.
    Start(T, Slot),
    /// This ticket will never have one: the host has paused for too long.
    Refuse(T),
    /// Nobody before then; `None` if that depends on slots that end, on answers, or on new tickets.
    Nobody(Option<Instant>),
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the request counts against, if it was rejected.
    pub blame: Blame,
    /// Whether the state of the host has changed, so that [`Hosts::next`] may say something else than before.
    pub is_news: bool,
}

/// The table of hosts, with queues of tickets for each.
#[derive(Debug)]
pub struct Hosts<T> {
    limits: Limits,
    hosts: Slab<Host<T>>,
    by_origin: HashMap<String, usize>,
    /// Hosts that may have a ticket to give, each once: the next slot is the first one's.
    ring: VecDeque<usize>,
    /// Hosts that wait for a time.
    paused: Vec<usize>,
    /// Slots in use.
    running: usize,
    /// Slots that are allowed at once: fewer than the limit after a shortage of descriptors.
    jobs: usize,
    /// Slots that have to end before one more is allowed at once.
    until_growth: u32,
    next_number: u64,
}

/// Hosts that are kept for their counts alone; more of them are forgotten.
const MANY: usize = 1024;

/// After a shortage of descriptors, one more slot at once is allowed whenever so many have ended.
const ENDS_PER_GROWTH: u32 = 8;

impl<T> Hosts<T> {
    /// A table without hosts.
    pub fn new(limits: Limits) -> Hosts<T> {
        Hosts {
            limits,
            hosts: Slab::new(),
            by_origin: HashMap::new(),
            ring: VecDeque::new(),
            paused: Vec::new(),
            running: 0,
            jobs: limits.jobs,
            until_growth: ENDS_PER_GROWTH,
            next_number: 0,
        }
    }

    /// Queues a ticket that had no slot yet.
    pub fn queue(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].queues.fresh.push_back(ticket);
        self.enter_ring(host);
    }

    /// Queues a ticket that had one.
    pub fn queue_again(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].queues.again.push_back(ticket);
        self.enter_ring(host);
    }

    /// Queues a ticket whose last request was rejected.
    pub fn queue_rejected(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].queues.rejected.push_back(ticket);
        self.enter_ring(host);
    }

    /// Takes out all tickets that had no slot yet.
    pub fn clear_fresh(&mut self) -> usize {
        let queued = self.hosts.iter_mut().map(|(_, host)| std::mem::take(&mut host.queues.fresh).len());
        queued.sum()
    }

    /// Slots in use.
    pub fn running(&self) -> usize {
        self.running
    }

    fn find(&mut self, origin: &str) -> usize {
        if let Some(&host) = self.by_origin.get(origin) {
            return host;
        }
        if self.hosts.len() >= MANY {
            self.forget_idle();
        }
        let host = self.hosts.insert(Host::new(origin.to_owned()));
        self.by_origin.insert(origin.to_owned(), host);
        host
    }

    fn forget_idle(&mut self) {
        let by_origin = &mut self.by_origin;
        self.hosts.retain(|_, host| {
            let is_idle = !host.is_in_ring && host.running == 0 && host.state == State::Open && host.queues.is_empty();
            if is_idle {
                by_origin.remove(&host.origin);
            }
            !is_idle
        });
    }

    fn enter_ring(&mut self, host: usize) {
        if !self.hosts[host].is_in_ring {
            self.hosts[host].is_in_ring = true;
            self.ring.push_back(host);
        }
    }

    // -- Slots -----------------------------------------------------------------------------------------------------

    /// Who is next.
    pub fn next(&mut self, now: Instant) -> Next<T> {
        self.end_pauses(now);
        if self.running < self.jobs {
            while let Some(id) = self.ring.pop_front() {
                let host = &mut self.hosts[id];
                host.is_in_ring = false;
                if host.state == State::GivenUp {
                    if let Some(ticket) = host.queues.take() {
                        self.enter_ring(id);
                        return Next::Refuse(ticket);
                    }
                } else if let Some(ticket) = host.start(self.next_number, self.limits.per_host, now) {
                    let slot = Slot { host: id, number: self.next_number };
                    self.next_number += 1;
                    self.running += 1;
                    if !self.hosts[id].queues.is_empty() {
                        self.enter_ring(id);
                    }
                    return Next::Start(ticket, slot);
                }
            }
        }
        let waits = self.paused.iter().filter_map(|&host| match self.hosts[host].state {
            State::Paused { until, .. } => Some(until),
            _ => None,
        });
        Next::Nobody(waits.min())
    }

    fn end_pauses(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(&id) = self.paused.get(at) {
            match self.hosts[id].state {
                State::Paused { until, .. } if until > now => at += 1,
                State::Paused { since, times, .. } => {
                    self.hosts[id].state = State::Probing { since, times, probe: None };
                    self.paused.swap_remove(at);
                    self.enter_ring(id);
                }
                _ => _ = self.paused.swap_remove(at),
            }
        }
    }

    /// A slot is free again.
    pub fn end(&mut self, slot: Slot) {
        self.running -= 1;
        self.hosts[slot.host].end(slot.number);
        self.enter_ring(slot.host);
        if self.jobs < self.limits.jobs {
            self.until_growth -= 1;
            if self.until_growth == 0 {
                self.jobs += 1;
                self.until_growth = ENDS_PER_GROWTH;
            }
        }
    }

    /// Allows only as many slots at once as are in use, since there was no file descriptor for another connection or file.
    /// `false` if none is in use, whose end could release one.
    pub fn shrink(&mut self) -> bool {
        self.jobs = self.running.max(1);
        self.until_growth = ENDS_PER_GROWTH;
        self.running > 0
    }

    // -- Answers ---------------------------------------------------------------------------------------------------

    /// Notes the answer to a request. `random`, from 0 to 1, decides how long a pause is.
    pub fn answered(&mut self, slot: Slot, answer: Answer, now: Instant, random: f64) -> Outcome {
        let host = &mut self.hosts[slot.host];
        host.count(answer);
        if !self.limits.pauses {
            return Outcome { blame: Blame::Transfer, is_news: false };
        }
        let before = host.state;
        let blame = host.answered(slot.number, answer, now, Pauses { longest: self.limits.max_wait, random });
        let is_news = host.state != before;
        if is_news {
            if matches!(host.state, State::Paused { .. }) && !matches!(before, State::Paused { .. }) {
                self.paused.push(slot.host);
            }
            self.enter_ring(slot.host);
        }
        Outcome { blame, is_news }
    }

    /// How much longer than its own wait a transfer has to wait before it tries this host again. Counts the retry.
    pub fn retry_delay(&mut self, slot: Slot, now: Instant) -> Duration {
        self.hosts[slot.host].budget.delay(now)
    }

    /// Until when a host pauses, if it does.
    pub fn paused_until(&self, slot: Slot) -> Option<Instant> {
        match self.hosts[slot.host].state {
            State::Paused { until, .. } => Some(until),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
