//! Who may ask which host when: turns, limits, pauses and budgets, as a machine without input, output or a clock.
//!
//! Whatever wants to send a request queues a ticket for its host. [`Hosts::next`] hands out the tickets: one host after
//! the other, so that a long run of lines for one host does not hold up the rest; never more at once than `jobs` in all
//! and `per_host` to one. Those that had a turn before come before those that did not, so that what was begun is ended.
//!
//! ```text
//!            refused                          the wait is over
//!   Open ───────────────▶ Paused { until } ───────────────────▶ Probing
//!    ▲                       ▲                                   │   │
//!    │                       └────────── refused, or broken ─────┘   │
//!    └───────────────────────────────── answered ────────────────────┘
//!            paused for too long in a row ──▶ GivenUp
//! ```
//!
//! A server that says "not now" says it to all of us: so the host pauses, one ticket probes it when the wait is over, and
//! only when that one is answered do the others go on. What is refused while the host pauses has not failed; it was sent
//! too early.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use slab::Slab;

use super::retry::{FIRST, LONGEST};

/// How many turns there are, and how long a host may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Turns at once.
    pub jobs: usize,
    /// Turns at once for one host.
    pub per_host: usize,
    /// The longest that a host may pause in a row, and the longest wait that it may ask for.
    pub max_wait: Duration,
    /// Whether refusals pause a host. Without retries there is nothing to pause for.
    pub pauses: bool,
}

/// A host in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostId(usize);

/// What a host has said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Something, be it an error.
    Fine,
    /// 503 without a time.
    Unavailable,
    /// 429, or 503 with a time.
    Wait(Option<Duration>),
    /// Nothing, or not all of it: the connection failed.
    Broken,
}

/// Who pays for a request that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The transfer: it has used up one of its attempts.
    Transfer,
    /// The host: the transfer queues again as if nothing had been.
    Host,
}

/// What [`Hosts::next`] has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// This ticket has its turn.
    Start(T, HostId),
    /// This ticket will never have one: the host has paused for too long.
    Refuse(T),
    /// Nobody before then; `None` if that depends on turns that end, or on new tickets.
    Nobody(Option<Instant>),
}

/// The table of hosts, with a queue of tickets for each.
#[derive(Debug)]
pub struct Hosts<T> {
    limits: Limits,
    hosts: Slab<Host<T>>,
    by_origin: HashMap<String, usize>,
    /// Hosts that may have a ticket to give, each once: the next turn is the first one's.
    ring: VecDeque<usize>,
    /// Hosts that wait for a time.
    paused: Vec<usize>,
    /// Turns that are being had.
    running: usize,
}

#[derive(Debug)]
struct Host<T> {
    origin: String,
    /// Tickets that had a turn before.
    again: VecDeque<T>,
    fresh: VecDeque<T>,
    /// Turns that are being had.
    running: usize,
    is_in_ring: bool,
    state: State,
    /// The last eight answers, the latest lowest: a bit for each that was a 503.
    unavailable: u8,
    requests: u64,
    retries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Paused {
        since: Instant,
        until: Instant,
        times: u32,
    },
    /// One ticket has its turn or may have it; the others wait for what it is told.
    Probing {
        since: Instant,
        times: u32,
        is_sent: bool,
    },
    GivenUp,
}

/// Hosts that are kept for their counts alone; more of them are forgotten.
const MANY: usize = 8192;

/// Retries that a host has from the start, and one more for so many requests.
const FREE_RETRIES: u64 = 10;
const REQUESTS_PER_RETRY: u64 = 5;

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
        }
    }

    /// Queues a ticket that had no turn yet.
    pub fn queue(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].fresh.push_back(ticket);
        self.enter_ring(host);
    }

    /// Queues a ticket that had one.
    pub fn queue_again(&mut self, origin: &str, ticket: T) {
        let host = self.find(origin);
        self.hosts[host].again.push_back(ticket);
        self.enter_ring(host);
    }

    /// Takes out all tickets that had no turn yet.
    pub fn clear_fresh(&mut self) -> usize {
        let queued = self.hosts.iter_mut().map(|(_, host)| std::mem::take(&mut host.fresh).len());
        queued.sum()
    }

    /// Turns that are being had.
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
        let host = self.hosts.insert(Host {
            origin: origin.to_owned(),
            again: VecDeque::new(),
            fresh: VecDeque::new(),
            running: 0,
            is_in_ring: false,
            state: State::Open,
            unavailable: 0,
            requests: 0,
            retries: 0,
        });
        self.by_origin.insert(origin.to_owned(), host);
        host
    }

    fn forget_idle(&mut self) {
        let by_origin = &mut self.by_origin;
        self.hosts.retain(|_, host| {
            let is_kept = host.is_in_ring || host.running > 0 || host.state != State::Open || host.has_ticket();
            if !is_kept {
                by_origin.remove(&host.origin);
            }
            is_kept
        });
    }

    fn enter_ring(&mut self, host: usize) {
        if !self.hosts[host].is_in_ring {
            self.hosts[host].is_in_ring = true;
            self.ring.push_back(host);
        }
    }

    // -- Turns -----------------------------------------------------------------------------------------------------

    /// Who is next.
    pub fn next(&mut self, now: Instant) -> Next<T> {
        self.end_pauses(now);
        if self.running < self.limits.jobs {
            while let Some(id) = self.ring.pop_front() {
                let host = &mut self.hosts[id];
                host.is_in_ring = false;
                if host.state == State::GivenUp {
                    if let Some(ticket) = host.take_ticket() {
                        self.enter_ring(id);
                        return Next::Refuse(ticket);
                    }
                } else if host.may_start(self.limits.per_host)
                    && let Some(ticket) = host.take_ticket()
                {
                    host.running += 1;
                    self.running += 1;
                    if let State::Probing { is_sent, .. } = &mut host.state {
                        *is_sent = true;
                    }
                    if host.has_ticket() {
                        self.enter_ring(id);
                    }
                    return Next::Start(ticket, HostId(id));
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
                State::Paused { since, until, times } if until <= now => {
                    self.hosts[id].state = State::Probing { since, times, is_sent: false };
                    self.paused.swap_remove(at);
                    self.enter_ring(id);
                }
                _ => at += 1,
            }
        }
    }

    /// A turn is over.
    pub fn end(&mut self, host: HostId) {
        self.running -= 1;
        let entry = &mut self.hosts[host.0];
        entry.running -= 1;
        // A probe that ended without an answer: another one has to go.
        if let State::Probing { is_sent, .. } = &mut entry.state
            && entry.running == 0
        {
            *is_sent = false;
        }
        self.enter_ring(host.0);
    }

    // -- Answers ---------------------------------------------------------------------------------------------------

    /// Notes what a host has said during a turn. `random`, from 0 to 1, decides how long a pause is.
    pub fn answered(&mut self, id: HostId, answer: Answer, now: Instant, random: f64) -> Blame {
        let limits = self.limits;
        let host = &mut self.hosts[id.0];
        host.requests += 1;
        let is_503 = matches!(answer, Answer::Unavailable | Answer::Wait(_));
        host.unavailable = host.unavailable << 1 | u8::from(is_503);
        if !limits.pauses {
            return Blame::Transfer;
        }
        let is_probe = matches!(host.state, State::Probing { is_sent: true, .. });
        let asked = match answer {
            // More than it may ask for: this one transfer fails, and whether the host means all is left to the probe.
            Answer::Wait(Some(asked)) => Some(asked).filter(|&asked| asked <= limits.max_wait),
            _ => None,
        };
        let blame = match answer {
            Answer::Wait(Some(long)) if long > limits.max_wait => Blame::Transfer,
            Answer::Wait(_) | Answer::Unavailable => Blame::Host,
            Answer::Fine | Answer::Broken => Blame::Transfer,
        };
        match (&mut host.state, answer) {
            (State::Probing { .. }, Answer::Fine) if is_probe => {
                host.state = State::Open;
                host.unavailable = 0;
                self.enter_ring(id.0);
                Blame::Transfer
            }
            (State::Probing { since, times, .. }, _) if is_probe => {
                let (since, times) = (*since, *times + 1);
                self.pause(id.0, since, times, asked, now, random);
                blame
            }
            // What was under way when the pause began.
            (State::Paused { until, .. }, Answer::Wait(_) | Answer::Unavailable) => {
                *until = (*until).max(now + asked.unwrap_or_default());
                blame
            }
            (State::GivenUp | State::Probing { .. }, Answer::Wait(_) | Answer::Unavailable) => blame,
            (State::Open, Answer::Wait(_)) => {
                self.pause(id.0, now, 0, asked, now, random);
                blame
            }
            (State::Open, Answer::Unavailable) if host.unavailable.count_ones() > 4 => {
                self.pause(id.0, now, 0, asked, now, random);
                blame
            }
            _ => Blame::Transfer,
        }
    }

    fn pause(&mut self, id: usize, since: Instant, times: u32, asked: Option<Duration>, now: Instant, random: f64) {
        let bound = FIRST.saturating_mul(2u32.saturating_pow(times)).min(LONGEST);
        let wait = asked.unwrap_or_else(|| bound.mul_f64(0.5 + random / 2.0));
        let until = now + wait;
        if until - since > self.limits.max_wait {
            self.hosts[id].state = State::GivenUp;
            self.enter_ring(id);
            return;
        }
        self.hosts[id].state = State::Paused { since, until, times };
        self.paused.push(id);
    }

    /// Whether a transfer may try this host again: retries are at most ten and a fifth of its requests, so that a host in
    /// trouble is not asked twice as much as one that is well. Counts the retry if so.
    pub fn may_retry(&mut self, id: HostId) -> bool {
        let host = &mut self.hosts[id.0];
        let is_within = host.retries < FREE_RETRIES + host.requests / REQUESTS_PER_RETRY;
        host.retries += u64::from(is_within);
        is_within
    }

    /// Until when a host pauses, if it does.
    pub fn paused_until(&self, id: HostId) -> Option<Instant> {
        match self.hosts[id.0].state {
            State::Paused { until, .. } => Some(until),
            _ => None,
        }
    }
}

impl<T> Host<T> {
    fn has_ticket(&self) -> bool {
        !self.again.is_empty() || !self.fresh.is_empty()
    }

    fn take_ticket(&mut self) -> Option<T> {
        self.again.pop_front().or_else(|| self.fresh.pop_front())
    }

    fn may_start(&self, per_host: usize) -> bool {
        match self.state {
            State::Open => self.running < per_host,
            State::Probing { is_sent, .. } => !is_sent && self.running < per_host,
            State::Paused { .. } | State::GivenUp => false,
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
