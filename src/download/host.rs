//! The scheduling state of one host: its queues and its circuit breaker, as a sans-I/O state machine. The caller passes
//! the current time to it.
//!
//! ```text
//!             rejected                  the pause is over
//!   Closed ────────────▶ Open { until } ────────────────▶ HalfOpen
//!     ▲                      ▲                              │   │
//!     │                      └─── rejected, or no response ─┘   │
//!     └──────── the head of another response was received ──────┘
//!              unavailable for too long ──▶ GivenUp
//! ```
//!
//! These are the states of the circuit breaker pattern. A request is *rejected* if the response is a 429 or 503. The
//! circuit opens, which pauses the host, after a 429, after a 503 with `Retry-After`, or when more than half of the
//! last eight requests were rejected. When the pause is over, the circuit is half-open: a single ticket, the probe, may
//! send a request, and if it succeeds, all others may continue. A rejection that opens the circuit, or that arrives
//! while the circuit is not closed, does not use up a retry of its transfer, with the exception below.
//!
//! A rejection may also concern a single URL. So probes alternate between tickets whose last request was rejected, and
//! *controls*, which are all other tickets. The controls show how long a pause has to be before the host accepts a
//! request. If a probe that is not a control is rejected after a pause of that length, the rejection is attributed to
//! its URL, and uses up one of the transfer's retries. The next probe then follows after a short, constant wait
//! ([`WAIT_AFTER_URL`]), so that many URLs that are always rejected do not delay a run.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::retry::{INITIAL_BACKOFF, MAX_BACKOFF, RetryBudget};

/// The result of a request, as far as it matters for scheduling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSignal {
    /// A response other than 429 and 503, including errors such as 404 or 500; or a permanent error, such as an
    /// untrusted certificate, which is no reason to pause the host.
    Accepted,
    /// 503 without `Retry-After`.
    Unavailable,
    /// 429, or 503 with `Retry-After`; the duration is that of `Retry-After`.
    Throttled(Option<Duration>),
    /// A transient error before the head of a response: for example, a failed connection or a timeout.
    ConnectionFailed,
}

/// Whether a failed request uses up one of its transfer's retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCost {
    /// The error is attributed to the transfer, so a retry uses up one of its retries.
    Transfer,
    /// The error is attributed to the host, so the transfer is queued again without using up a retry.
    Host,
}

/// The parameters for the length of pauses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// The longest time for which a host may stay paused, and the longest `Retry-After` that is honoured.
    pub(super) longest: Duration,
    /// The jitter: a random number from 0 to 1, which selects a length between half of the bound and the full bound.
    pub(super) random: f64,
}

/// The wait before the next probe after a rejection that is attributed to its URL.
const WAIT_AFTER_URL: Duration = Duration::from_millis(125);

/// A host with its queues of tickets.
#[derive(Debug)]
pub(super) struct Host<T> {
    pub(super) origin: String,
    pub(super) queues: Queues<T>,
    /// The number of slots in use.
    pub(super) running: usize,
    pub(super) is_in_ring: bool,
    pub(super) state: Circuit,
    /// The last eight results as bits, the latest in the lowest bit; a bit is set for each rejection.
    unavailable: u8,
    /// Whether any request has been accepted.
    has_accepted: bool,
    /// The time after the start of a pause at which the host accepts a request, as estimated from the controls.
    accepts_after: Option<Duration>,
    pub(super) budget: RetryBudget,
}

/// The states of a host's circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circuit {
    /// Requests are sent.
    Closed,
    /// No requests are sent until the pause is over.
    Open { pause: PauseHistory, until: Instant },
    /// The probe is in flight, or about to be sent. All other tickets wait for its result.
    HalfOpen { pause: PauseHistory, probe: Option<Probe> },
    /// The host was unavailable for too long. Transfers that wait for it fail.
    GivenUp,
}

/// The history of a pause. A failed probe extends the pause and keeps this history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PauseHistory {
    since: Instant,
    /// The time from which the maximum length of a pause is measured: the start of the pause, or later the last time
    /// that a rejection was attributed to its URL, since that suggests that the host is available.
    unavailable_since: Instant,
    /// The number of failed probes, which determines the length of the next wait.
    failed_probes: u32,
}

impl PauseHistory {
    fn starting_at(now: Instant) -> PauseHistory {
        PauseHistory { since: now, unavailable_since: now, failed_probes: 0 }
    }
}

/// A probe in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// The number of the probe's slot.
    number: u64,
    /// The time from the start of the pause to the start of the probe.
    after: Duration,
    /// Whether this is a control: the last request of its ticket, if any, was not rejected.
    is_control: bool,
}

/// The tickets that wait for a slot of one host.
#[derive(Debug)]
pub(super) struct Queues<T> {
    /// Tickets that had a slot before.
    pub(super) returning: VecDeque<T>,
    pub(super) new: VecDeque<T>,
    /// Tickets whose last request was rejected.
    pub(super) rejected: VecDeque<T>,
    /// Whether the last probe was taken from `rejected`.
    probe_was_rejected: bool,
    /// Whether the first probe of the previous pause was to be taken from `rejected`.
    first_probe_was_rejected: bool,
}

impl<T> Queues<T> {
    fn new() -> Queues<T> {
        Queues {
            returning: VecDeque::new(),
            new: VecDeque::new(),
            rejected: VecDeque::new(),
            probe_was_rejected: false,
            first_probe_was_rejected: true,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rejected.is_empty() && self.has_no_control()
    }

    fn has_no_control(&self) -> bool {
        self.returning.is_empty() && self.new.is_empty()
    }

    /// Takes the next ticket. Tickets whose last request was rejected come last: if the rejections are due to their
    /// URLs, another one would pause the host again, which delays all other tickets.
    pub(super) fn take(&mut self) -> Option<T> {
        let other = self.returning.pop_front().or_else(|| self.new.pop_front());
        other.or_else(|| self.rejected.pop_front())
    }

    /// Takes a ticket for a probe, and returns it with whether it is a control. `number` must differ between calls.
    fn take_probe(&mut self, number: u64) -> Option<(T, bool)> {
        self.probe_was_rejected = !self.rejected.is_empty() && (self.has_no_control() || !self.probe_was_rejected);
        let ticket = match self.probe_was_rejected {
            true => self.rejected.pop_front(),
            // Choose pseudo-randomly from the whole queue, since many consecutive URLs may be of the kind that is
            // rejected.
            false => self.returning.pop_front().or_else(|| {
                let at = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
                self.new.remove(at as usize % self.new.len().max(1))
            }),
        };
        Some((ticket?, !self.probe_was_rejected))
    }

    /// Starts a pause. The first probe of every other pause is a control.
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
            state: Circuit::Closed,
            unavailable: 0,
            has_accepted: false,
            accepts_after: None,
            budget: RetryBudget::default(),
        }
    }

    /// Takes the next ticket for the slot with this number, if one may start now.
    pub(super) fn start(&mut self, number: u64, per_host: usize, now: Instant) -> Option<T> {
        let is_allowed = match self.state {
            Circuit::Closed => self.running < per_host,
            Circuit::HalfOpen { probe, .. } => probe.is_none() && self.running < per_host,
            Circuit::Open { .. } | Circuit::GivenUp => false,
        };
        if !is_allowed {
            return None;
        }
        let ticket = if let Circuit::HalfOpen { pause, probe } = &mut self.state {
            let (ticket, is_control) = self.queues.take_probe(number)?;
            *probe = Some(Probe { number, after: now.saturating_duration_since(pause.since), is_control });
            ticket
        } else {
            self.queues.take()?
        };
        self.running += 1;
        Some(ticket)
    }

    /// Releases the slot with this number.
    pub(super) fn end(&mut self, number: u64) {
        self.running -= 1;
        // The probe ended without a result, for example because it was cancelled, so another one has to be sent.
        if let Circuit::HalfOpen { probe, .. } = &mut self.state
            && probe.is_some_and(|probe| probe.number == number)
        {
            *probe = None;
        }
    }

    /// Records the result of a request, and starts or ends a pause accordingly.
    pub(super) fn record_result(&mut self, number: u64, signal: HostSignal, now: Instant, pauses: Pauses) -> RetryCost {
        let probe = match self.state {
            Circuit::HalfOpen { probe, .. } => probe.filter(|probe| probe.number == number),
            _ => None,
        };
        match (signal, probe) {
            (HostSignal::Accepted, probe) => {
                self.accepted(probe);
                RetryCost::Transfer
            }
            (HostSignal::ConnectionFailed, probe) => {
                if probe.is_some() {
                    self.extend_pause(Duration::ZERO, true, now, pauses);
                }
                RetryCost::Transfer
            }
            // `Retry-After` is above the limit, so this transfer fails. The probe will show whether other URLs are
            // affected too.
            (HostSignal::Throttled(Some(requested)), probe) if requested > pauses.longest => {
                self.rejected(probe, Duration::ZERO, now, pauses);
                RetryCost::Transfer
            }
            (HostSignal::Throttled(requested), probe) => {
                self.rejected(probe, requested.unwrap_or_default(), now, pauses)
            }
            (HostSignal::Unavailable, None) if self.state == Circuit::Closed && self.unavailable.count_ones() <= 4 => {
                RetryCost::Transfer
            }
            (HostSignal::Unavailable, probe) => self.rejected(probe, Duration::ZERO, now, pauses),
        }
    }

    /// Counts a result, for the retry budget and for the share of rejections.
    pub(super) fn count(&mut self, signal: HostSignal) {
        self.budget.count_request();
        self.has_accepted |= signal == HostSignal::Accepted;
        let is_503 = matches!(signal, HostSignal::Unavailable | HostSignal::Throttled(_));
        self.unavailable = self.unavailable << 1 | u8::from(is_503);
    }

    fn accepted(&mut self, probe: Option<Probe>) {
        match (probe, self.state) {
            (Some(Probe { after, is_control: true, .. }), _) => {
                // Reduce the estimate only gradually. The probe may have succeeded by chance: if the host limits the
                // rate per time window, a new window may just have started.
                let known = self.accepts_after.unwrap_or(after);
                self.accepts_after = Some(known - known.saturating_sub(after) / 4);
            }
            (Some(_), _) => {}
            // The request was sent before the pause; its success shows that the host is available again.
            (None, Circuit::GivenUp) => {}
            (None, _) => return,
        }
        self.state = Circuit::Closed;
        self.unavailable = 0;
    }

    /// Handles a 429 or 503. `requested` is zero if there is no `Retry-After`.
    fn rejected(&mut self, probe: Option<Probe>, requested: Duration, now: Instant, pauses: Pauses) -> RetryCost {
        match (probe, &mut self.state) {
            (Some(probe), _) => {
                let is_due_to_url = self.would_accept_others(probe);
                if probe.is_control && !is_due_to_url {
                    self.accepts_after = self.accepts_after.map(|known| known.max(probe.after * 2));
                }
                if is_due_to_url {
                    self.pause_after_url(now);
                    return RetryCost::Transfer;
                }
                // A rejected control shows that the host needs a longer pause. Another ticket shows this only if the
                // host has never accepted a request or no controls are left; otherwise its URL may be the reason.
                let has_failed = probe.is_control || !self.has_accepted || self.queues.has_no_control();
                self.extend_pause(requested, has_failed, now, pauses);
                RetryCost::Host
            }
            (None, Circuit::Closed) => {
                self.queues.pause_begins();
                self.pause(PauseHistory::starting_at(now), requested, now, pauses);
                RetryCost::Host
            }
            // The request was sent before the pause began.
            (None, Circuit::Open { until, .. }) => {
                *until = (*until).max(now + requested);
                RetryCost::Host
            }
            (None, Circuit::HalfOpen { .. } | Circuit::GivenUp) => RetryCost::Host,
        }
    }

    /// Returns whether the host would probably have accepted this probe if it had been for another URL.
    fn would_accept_others(&self, probe: Probe) -> bool {
        match self.accepts_after {
            // 1.6 allows for jitter: the end of a pause is random between half of its bound and all of it.
            Some(known) => !probe.is_control && probe.after.mul_f64(1.6) >= known,
            // There is no control left that could be tried instead.
            None => self.has_accepted && self.queues.has_no_control(),
        }
    }

    /// Starts a short, constant wait before the next probe, after a rejection that is attributed to its URL. The
    /// rejection is not evidence that the host is overloaded. But the circuit stays open until a probe succeeds, since
    /// the next URL may be rejected as well.
    fn pause_after_url(&mut self, now: Instant) {
        if let Circuit::HalfOpen { pause, .. } = self.state {
            let pause = PauseHistory { unavailable_since: now, failed_probes: 0, ..pause };
            self.state = Circuit::Open { pause, until: now + WAIT_AFTER_URL };
        }
    }

    /// Pauses the host again after an unsuccessful probe. `has_failed` states whether the bound of the wait doubles,
    /// because the probe shows that the host needs a longer pause.
    fn extend_pause(&mut self, requested: Duration, has_failed: bool, now: Instant, pauses: Pauses) {
        if let Circuit::HalfOpen { pause, .. } = self.state {
            let failed_probes = pause.failed_probes + u32::from(has_failed);
            self.pause(PauseHistory { failed_probes, ..pause }, requested, now, pauses);
        }
    }

    fn pause(&mut self, pause: PauseHistory, requested: Duration, now: Instant, pauses: Pauses) {
        let bound = INITIAL_BACKOFF.saturating_mul(2u32.saturating_pow(pause.failed_probes)).min(MAX_BACKOFF);
        // A `Retry-After` of zero, or with a date in the past, must not lead to immediate requests in an endless loop.
        let wait = if requested.is_zero() { bound.mul_f64(0.5 + pauses.random / 2.0) } else { requested };
        let until = now + wait;
        self.state = match until - pause.unavailable_since > pauses.longest {
            true => Circuit::GivenUp,
            false => Circuit::Open { pause, until },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses = Pauses { longest: Duration::from_secs(120), random: 0.5 };

    /// Creates a host that was paused some seconds ago, and whose probe is in flight in slot 0.
    fn half_open(after: u64, is_control: bool, accepts_after: Option<u64>) -> (Host<u32>, Instant) {
        let (mut host, since) = (Host::new("a".to_owned()), Instant::now());
        let after = Duration::from_secs(after);
        host.accepts_after = accepts_after.map(Duration::from_secs);
        host.has_accepted = accepts_after.is_some();
        let probe = Some(Probe { number: 0, after, is_control });
        host.state = Circuit::HalfOpen { pause: PauseHistory::starting_at(since), probe };
        (host, since + after)
    }

    #[test]
    fn an_accepted_control_lowers_the_estimate_gradually_and_a_rejected_one_raises_it() {
        for (signal, known, after, expected) in [
            (HostSignal::Accepted, None, 4, Some(4)),
            (HostSignal::Accepted, Some(8), 4, Some(7)),
            (HostSignal::Accepted, Some(8), 9, Some(8)),
            (HostSignal::Throttled(None), Some(8), 5, Some(10)),
            (HostSignal::Throttled(None), Some(8), 3, Some(8)),
            (HostSignal::Throttled(None), None, 3, None),
        ] {
            let (mut host, now) = half_open(after, true, known);
            host.record_result(0, signal, now, PAUSES);
            assert_eq!(host.accepts_after, expected.map(Duration::from_secs), "{signal:?} {known:?} {after}");
        }
        // Only controls count.
        let (mut host, now) = half_open(4, false, Some(8));
        host.record_result(0, HostSignal::Accepted, now, PAUSES);
        assert_eq!((host.accepts_after, host.state), (Some(Duration::from_secs(8)), Circuit::Closed));
    }

    #[test]
    fn a_rejection_is_due_to_the_url_if_the_host_would_have_accepted_a_control() {
        for (after, is_control, known, cost) in [
            (8, false, Some(8), RetryCost::Transfer),
            (5, false, Some(8), RetryCost::Transfer),
            (4, false, Some(8), RetryCost::Host),
            (8, true, Some(8), RetryCost::Host),
            (8, false, None, RetryCost::Host),
        ] {
            let (mut host, now) = half_open(after, is_control, known);
            host.queues.new.push_back(1);
            assert_eq!(host.record_result(0, HostSignal::Throttled(None), now, PAUSES), cost, "{after} {known:?}");
            // The wait is short if it is due to the URL. Otherwise it is three quarters of the bound.
            let wait = if cost == RetryCost::Transfer { WAIT_AFTER_URL } else { INITIAL_BACKOFF.mul_f64(0.75) };
            let Circuit::Open { until, pause } = host.state else { panic!("{:?}", host.state) };
            let factor = if is_control || known.is_none() { 2 } else { 1 };
            assert_eq!(
                (until - now, pause.failed_probes),
                (wait * factor, factor - 1),
                "{after} {is_control} {known:?}"
            );
        }
    }

    #[test]
    fn the_first_probe_of_every_other_pause_is_a_control() {
        let mut queues = Queues::new();
        queues.new.extend(0..4);
        queues.rejected.extend(10..14);
        let mut probes = vec![];
        for _ in 0..2 {
            queues.pause_begins();
            probes.extend([queues.take_probe(0).expect("a ticket").1, queues.take_probe(1).expect("a ticket").1]);
        }
        assert_eq!(probes, [true, false, false, true]);
    }
}
