//! One host: who waits for it, and whether it may be asked, as a state machine without input, output or a clock.
//!
//! ```text
//!           rejected                           the wait is over
//!   Open ───────────────▶ Paused { until } ───────────────────▶ Probing
//!    ▲                       ▲                                   │   │
//!    │                       └───── rejected, or broken ─────────┘   │
//!    └────────────── the head of its response is there ──────────────┘
//!            paused for too long in a row ──▶ GivenUp
//! ```
//!
//! After a 429 or 503 the host is paused: when the wait is over, one ticket probes it, and when that one is answered the
//! others go on. A request that is rejected meanwhile does not count against its transfer.
//!
//! A rejection may also be about one URL only. So probes alternate between tickets that were rejected before and tickets
//! that were not, the controls. The controls show how long the host has to be left alone before it accepts a request. If
//! it then rejects a ticket that it has rejected before, that is due to the URL, and uses up one of the transfer's retries.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::retry::{FIRST, LONGEST, RetryBudget};

/// What a host has answered to a request.
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

/// What a request that was rejected counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The transfer: it has used up one of its attempts.
    Transfer,
    /// The host: the transfer queues again and has used up nothing.
    Host,
}

/// How long pauses are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// The longest that a host may pause in a row, and the longest wait that it may ask for.
    pub(super) longest: Duration,
    /// From 0 to 1: where between half of a pause's bound and all of it the pause ends.
    pub(super) random: f64,
}

/// A host, with queues of tickets.
#[derive(Debug)]
pub(super) struct Host<T> {
    pub(super) origin: String,
    pub(super) queues: Queues<T>,
    /// Slots in use.
    pub(super) running: usize,
    pub(super) is_in_ring: bool,
    pub(super) state: State,
    /// The last eight answers, the latest lowest: a bit for each that was a 503.
    unavailable: u8,
    /// Whether any request was accepted.
    has_accepted: bool,
    /// How long after the beginning of a pause the host accepts a request, as far as the controls have shown.
    accepts_after: Option<Duration>,
    pub(super) budget: RetryBudget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Paused {
        since: Instant,
        until: Instant,
        /// How many probes have failed.
        times: u32,
    },
    /// The probe is under way, or one is to be sent. The others wait for its answer.
    Probing {
        since: Instant,
        times: u32,
        probe: Option<Probe>,
    },
    GivenUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// The number of its slot.
    number: u64,
    /// From the beginning of the pause to its start.
    after: Duration,
    /// Whether the host has not rejected the last request for the same URL.
    is_control: bool,
}

/// Tickets that wait for a host.
#[derive(Debug)]
pub(super) struct Queues<T> {
    /// Those that had a slot before.
    pub(super) again: VecDeque<T>,
    pub(super) fresh: VecDeque<T>,
    /// Those whose last request was rejected.
    pub(super) rejected: VecDeque<T>,
    /// Whether the last probe was taken from `rejected`.
    probe_was_rejected: bool,
    /// Whether the first probe of the last pause was to be one of `rejected`.
    first_probe_was_rejected: bool,
}

impl<T> Queues<T> {
    fn new() -> Queues<T> {
        Queues {
            again: VecDeque::new(),
            fresh: VecDeque::new(),
            rejected: VecDeque::new(),
            probe_was_rejected: false,
            first_probe_was_rejected: true,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rejected.is_empty() && self.has_no_control()
    }

    fn has_no_control(&self) -> bool {
        self.again.is_empty() && self.fresh.is_empty()
    }

    /// Takes the next ticket. Those whose last request was rejected come last: if that is due to their URLs, they would
    /// only pause the host once more for all of them.
    pub(super) fn take(&mut self) -> Option<T> {
        let other = self.again.pop_front().or_else(|| self.fresh.pop_front());
        other.or_else(|| self.rejected.pop_front())
    }

    /// Takes a ticket for a probe, and whether it is a control. `number` is another one each time.
    fn take_probe(&mut self, number: u64) -> Option<(T, bool)> {
        self.probe_was_rejected = !self.rejected.is_empty() && (self.has_no_control() || !self.probe_was_rejected);
        let ticket = match self.probe_was_rejected {
            true => self.rejected.pop_front(),
            // From anywhere: many URLs in a row may be of the kind that is rejected.
            false => self.again.pop_front().or_else(|| {
                let at = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
                self.fresh.remove(at as usize % self.fresh.len().max(1))
            }),
        };
        Some((ticket?, !self.probe_was_rejected))
    }

    /// A pause begins: every other one is probed by a control first.
    fn pause_begins(&mut self) {
        self.probe_was_rejected = self.first_probe_was_rejected;
        self.first_probe_was_rejected = !self.first_probe_was_rejected;
    }
}

impl<T> Host<T> {
    pub(super) fn new(origin: String) -> Host<T> {
        Host {
            origin,
            queues: Queues::new(),
            running: 0,
            is_in_ring: false,
            state: State::Open,
            unavailable: 0,
            has_accepted: false,
            accepts_after: None,
            budget: RetryBudget::default(),
        }
    }

    /// Takes the next ticket, if one may start now, for the slot of this number.
    pub(super) fn start(&mut self, number: u64, per_host: usize, now: Instant) -> Option<T> {
        let is_allowed = match self.state {
            State::Open => self.running < per_host,
            State::Probing { probe, .. } => probe.is_none() && self.running < per_host,
            State::Paused { .. } | State::GivenUp => false,
        };
        if !is_allowed {
            return None;
        }
        let ticket = if let State::Probing { since, probe, .. } = &mut self.state {
            let (ticket, is_control) = self.queues.take_probe(number)?;
            *probe = Some(Probe { number, after: now.saturating_duration_since(*since), is_control });
            ticket
        } else {
            self.queues.take()?
        };
        self.running += 1;
        Some(ticket)
    }

    /// The slot of this number is free again.
    pub(super) fn end(&mut self, number: u64) {
        self.running -= 1;
        // A probe that ended without an answer: another one has to go.
        if let State::Probing { probe, .. } = &mut self.state
            && probe.is_some_and(|probe| probe.number == number)
        {
            *probe = None;
        }
    }

    /// Notes the answer to a request, and begins and ends pauses.
    pub(super) fn answered(&mut self, number: u64, answer: Answer, now: Instant, pauses: Pauses) -> Blame {
        let probe = match self.state {
            State::Probing { probe, .. } => probe.filter(|probe| probe.number == number),
            _ => None,
        };
        match (answer, probe) {
            (Answer::Fine, probe) => {
                self.accepted(probe);
                Blame::Transfer
            }
            (Answer::Broken, probe) => {
                if probe.is_some() {
                    self.pause_on(Duration::ZERO, true, now, pauses);
                }
                Blame::Transfer
            }
            // It asks for more than it may: this transfer fails. Whether that is meant for all is left to the probe.
            (Answer::Wait(Some(asked)), probe) if asked > pauses.longest => {
                self.rejected(probe, Duration::ZERO, now, pauses);
                Blame::Transfer
            }
            (Answer::Wait(asked), probe) => self.rejected(probe, asked.unwrap_or_default(), now, pauses),
            (Answer::Unavailable, None) if self.state == State::Open && self.unavailable.count_ones() <= 4 => {
                Blame::Transfer
            }
            (Answer::Unavailable, probe) => self.rejected(probe, Duration::ZERO, now, pauses),
        }
    }

    /// Counts an answer.
    pub(super) fn count(&mut self, answer: Answer) {
        self.budget.count_request();
        self.has_accepted |= answer == Answer::Fine;
        let is_503 = matches!(answer, Answer::Unavailable | Answer::Wait(_));
        self.unavailable = self.unavailable << 1 | u8::from(is_503);
    }

    fn accepted(&mut self, probe: Option<Probe>) {
        match (probe, self.state) {
            (Some(Probe { after, is_control: true, .. }), _) => {
                // It may have been luck: a host that accepts so many requests a second has just begun a new one.
                let known = self.accepts_after.unwrap_or(after);
                self.accepts_after = Some(known - known.saturating_sub(after) / 4);
            }
            (Some(_), _) => {}
            // A request of before the pause: the host answers after all.
            (None, State::GivenUp) => {}
            (None, _) => return,
        }
        self.state = State::Open;
        self.unavailable = 0;
    }

    /// A 429, or a 503. `asked` is zero if the server does not say how long to wait.
    fn rejected(&mut self, probe: Option<Probe>, asked: Duration, now: Instant, pauses: Pauses) -> Blame {
        match (probe, &mut self.state) {
            (Some(probe), _) => {
                let is_due_to_url = self.would_accept_others(probe);
                if probe.is_control && !is_due_to_url {
                    self.accepts_after = self.accepts_after.map(|known| known.max(probe.after * 2));
                }
                // Then it says nothing of the host, which need not pause for longer than before.
                self.pause_on(asked, !is_due_to_url, now, pauses);
                if is_due_to_url { Blame::Transfer } else { Blame::Host }
            }
            (None, State::Open) => {
                self.queues.pause_begins();
                self.pause(now, 0, asked, now, pauses);
                Blame::Host
            }
            // It was sent before the pause began.
            (None, State::Paused { until, .. }) => {
                *until = (*until).max(now + asked);
                Blame::Host
            }
            (None, State::Probing { .. } | State::GivenUp) => Blame::Host,
        }
    }

    /// Whether this probe would have been accepted if it had been for another URL.
    fn would_accept_others(&self, probe: Probe) -> bool {
        match self.accepts_after {
            // Pauses are random between half and all of a bound.
            Some(known) => !probe.is_control && probe.after.mul_f64(1.6) >= known,
            // There is nothing else left that could be tried in its place.
            None => self.has_accepted && self.queues.has_no_control(),
        }
    }

    /// Pauses again after a probe that has failed.
    fn pause_on(&mut self, asked: Duration, has_failed: bool, now: Instant, pauses: Pauses) {
        if let State::Probing { since, times, .. } = self.state {
            self.pause(since, times + u32::from(has_failed), asked, now, pauses);
        }
    }

    fn pause(&mut self, since: Instant, times: u32, asked: Duration, now: Instant, pauses: Pauses) {
        let bound = FIRST.saturating_mul(2u32.saturating_pow(times)).min(LONGEST);
        // A server that asks for no wait, or for one that is over, would be asked again at once, for ever.
        let wait = if asked.is_zero() { bound.mul_f64(0.5 + pauses.random / 2.0) } else { asked };
        let until = now + wait;
        self.state = match until - since > pauses.longest {
            true => State::GivenUp,
            false => State::Paused { since, until, times },
        };
    }
}
