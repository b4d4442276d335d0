//! The policy of "Happy Eyeballs" (RFC 8305 §§4–5), as a sans-I/O state machine without a clock: which address to try,
//! and when. [`Connect`](super::Connect) has the sockets and the timer.
//!
//! A name often has several addresses of two families, and any of them may be unreachable without an error. Waiting for
//! each one to time out takes too long, and connecting to all at once would burden the server, which would have to
//! accept connections that are then closed. So the attempts start a quarter of a second apart and run concurrently: a
//! user ("eyeballs") hardly notices a broken address family. The first connection wins.
//!
//! ```text
//!                 ┌──▶ Start(i)    start an attempt with address i, then call `next` again
//!   next(now) ────┼──▶ Wait(t)     call `next` again at t, or when an attempt has failed
//!                 └──▶ Fail        all attempts have failed, or the time limit is reached
//! ```
//!
//! The caller reports only failures. On success, it drops the state machine.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The time between the starts of two attempts, unless one fails: the Connection Attempt Delay of RFC 8305 §5.
pub(super) const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The state of a race between several addresses.
#[derive(Debug)]
pub(super) struct HappyEyeballs {
    /// The number of addresses.
    addresses: usize,
    /// The number of addresses tried so far. They are tried in order.
    started: usize,
    /// The number of attempts that have not failed yet.
    running: usize,
    /// The time at which the next attempt may start; `None` means immediately.
    next_start: Option<Instant>,
    /// The time limit for all attempts together.
    deadline: Instant,
}

/// The next action of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Start an attempt with the address of this index, then call [`HappyEyeballs::next`] again.
    Start(usize),
    /// Call [`HappyEyeballs::next`] again at this time, or as soon as an attempt has failed.
    Wait(Instant),
    /// Give up: all attempts have failed, or the time limit is reached.
    Fail,
}

impl HappyEyeballs {
    /// Creates a race between this number of addresses, until `deadline`.
    pub(super) fn new(addresses: usize, deadline: Instant) -> HappyEyeballs {
        HappyEyeballs { addresses, started: 0, running: 0, next_start: None, deadline }
    }

    /// Returns the next action.
    pub(super) fn next(&mut self, now: Instant) -> Action {
        // At least one address is tried, however little time is left, so that the error can name an address.
        let is_timed_out = now >= self.deadline && self.started > 0;
        let all_started = self.started == self.addresses;
        if is_timed_out || (all_started && self.running == 0) {
            return Action::Fail;
        }
        match self.next_start {
            _ if all_started => Action::Wait(self.deadline),
            Some(next_start) if now < next_start => Action::Wait(next_start.min(self.deadline)),
            _ => {
                let next = self.started;
                self.started += 1;
                self.running += 1;
                self.next_start = Some(now + CONNECTION_ATTEMPT_DELAY);
                Action::Start(next)
            }
        }
    }

    /// Records that an attempt has failed. If it was the latest, the next one may start immediately.
    pub(super) fn record_failure(&mut self, attempt: usize) {
        self.running -= 1;
        if attempt + 1 == self.started {
            self.next_start = None;
        }
    }

    /// Returns the number of addresses tried.
    pub(super) fn started(&self) -> usize {
        self.started
    }
}

/// Interleaves the address families, starting with that of the first address (RFC 8305 §4). Within a family the order
/// is kept, since it is the system's preference (RFC 6724).
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    // Two addresses are already interleaved.
    if addresses.len() <= 2 {
        return addresses;
    }
    let begins_with_v6 = addresses[0].is_ipv6();
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == begins_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut interleaved = Vec::with_capacity(first.len() + second.len());
    while first.len() + second.len() > 0 {
        interleaved.extend(first.next());
        interleaved.extend(second.next());
    }
    interleaved
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn attempts_start_250_ms_apart() {
        let start = Instant::now();
        let mut race = HappyEyeballs::new(3, at(start, 10_000));
        assert_eq!(race.next(start), Action::Start(0));
        assert_eq!(race.next(start), Action::Wait(at(start, 250)));
        assert_eq!(race.next(at(start, 249)), Action::Wait(at(start, 250)));
        assert_eq!(race.next(at(start, 260)), Action::Start(1));
        assert_eq!(race.next(at(start, 260)), Action::Wait(at(start, 510)));
        assert_eq!(race.next(at(start, 510)), Action::Start(2));
        assert_eq!(race.next(at(start, 510)), Action::Wait(at(start, 10_000)));
        assert_eq!(race.next(at(start, 10_000)), Action::Fail);
    }

    #[test]
    fn only_a_failure_of_the_latest_attempt_starts_the_next_one_immediately() {
        let start = Instant::now();
        let mut race = HappyEyeballs::new(4, at(start, 10_000));
        assert_eq!(race.next(start), Action::Start(0));
        assert_eq!(race.next(at(start, 250)), Action::Start(1));
        race.record_failure(0);
        assert_eq!(race.next(at(start, 300)), Action::Wait(at(start, 500)));
        race.record_failure(1);
        assert_eq!(race.next(at(start, 300)), Action::Start(2));
        assert_eq!(race.next(at(start, 300)), Action::Wait(at(start, 550)));
    }

    #[test]
    fn it_fails_when_all_attempts_have_failed() {
        let start = Instant::now();
        assert_eq!(HappyEyeballs::new(0, at(start, 1)).next(start), Action::Fail);
        let mut race = HappyEyeballs::new(2, at(start, 10_000));
        for attempt in 0..2 {
            assert_eq!(race.next(start), Action::Start(attempt));
            race.record_failure(attempt);
        }
        assert_eq!(race.next(start), Action::Fail);
    }

    #[test]
    fn one_address_is_tried_even_if_no_time_is_left() {
        let start = Instant::now();
        let mut race = HappyEyeballs::new(2, start);
        assert_eq!(race.next(start), Action::Start(0));
        assert_eq!(race.next(start), Action::Fail);
    }

    #[test]
    fn address_families_are_interleaved() {
        let addresses = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 80)).collect()
        };
        for (given, tried) in [
            ("::1 ::2 ::3 1.1.1.1 2.2.2.2", "::1 1.1.1.1 ::2 2.2.2.2 ::3"),
            ("1.1.1.1 2.2.2.2 ::1", "1.1.1.1 ::1 2.2.2.2"),
            ("::1 1.1.1.1 2.2.2.2 3.3.3.3", "::1 1.1.1.1 2.2.2.2 3.3.3.3"),
            ("2.2.2.2 1.1.1.1 3.3.3.3", "2.2.2.2 1.1.1.1 3.3.3.3"),
            ("1.1.1.1 ::1", "1.1.1.1 ::1"),
        ] {
            assert_eq!(interleave(addresses(given)), addresses(tried));
        }
    }

    /// The simulated behaviour of an address, with the delay in milliseconds.
    #[derive(Clone, Copy, Debug)]
    enum Behaviour {
        Connects(u64),
        Fails(u64),
        Hangs,
    }

    fn behaviour() -> impl Strategy<Value = Behaviour> {
        prop_oneof![
            (0..2000u64).prop_map(Behaviour::Connects),
            (0..2000u64).prop_map(Behaviour::Fails),
            Just(Behaviour::Fails(0)),
            Just(Behaviour::Hangs),
        ]
    }

    /// The course of a simulated race, with times in milliseconds.
    #[derive(Debug, PartialEq)]
    struct Course {
        starts: Vec<u64>,
        winner: Option<usize>,
        ended: u64,
    }

    /// Simulates a race with a virtual clock, which jumps to the next event.
    fn run(behaviours: &[Behaviour], limit: u64) -> Course {
        let start = Instant::now();
        let mut race = HappyEyeballs::new(behaviours.len(), at(start, limit));
        let (mut now, mut starts, mut is_failed) = (0, Vec::new(), vec![false; behaviours.len()]);
        loop {
            let wait_until = match race.next(at(start, now)) {
                Action::Start(attempt) => {
                    assert_eq!(attempt, starts.len(), "each once, in order");
                    starts.push(now);
                    continue;
                }
                Action::Fail => return Course { starts, winner: None, ended: now },
                Action::Wait(until) => u64::try_from((until - start).as_millis()).unwrap(),
            };
            // The next event; if two occur at the same time, the connection takes precedence.
            let events = starts.iter().enumerate().filter_map(|(attempt, &began)| match behaviours[attempt] {
                Behaviour::Connects(after) => Some((began + after, false, attempt)),
                Behaviour::Fails(after) if !is_failed[attempt] => Some((began + after, true, attempt)),
                _ => None,
            });
            match events.min() {
                Some((at, false, winner)) if at <= wait_until => {
                    return Course { starts, winner: Some(winner), ended: at };
                }
                Some((at, true, loser)) if at <= wait_until => {
                    now = at;
                    is_failed[loser] = true;
                    race.record_failure(loser);
                }
                _ => now = wait_until,
            }
        }
    }

    /// Computes the expected course directly: when each address would start, and which one connects first.
    fn expected(behaviours: &[Behaviour], limit: u64) -> Course {
        let mut starts = vec![0];
        for behaviour in &behaviours[..behaviours.len() - 1] {
            let after = if let Behaviour::Fails(after @ ..=250) = behaviour { *after } else { 250 };
            starts.push(starts[starts.len() - 1] + after);
        }
        let arrivals =
            starts.iter().zip(behaviours).enumerate().filter_map(|(attempt, (&began, behaviour))| match behaviour {
                Behaviour::Connects(after) if began < limit => Some((began + after, attempt)),
                _ => None,
            });
        let first = arrivals.min().filter(|&(at, _)| at <= limit);
        let have_all_failed = starts.iter().zip(behaviours).map(|(&began, behaviour)| match behaviour {
            Behaviour::Fails(after) => Some(began + after),
            _ => None,
        });
        let all_failed = have_all_failed.collect::<Option<Vec<u64>>>().and_then(|ends| ends.into_iter().max());
        let (winner, ended) = match (first, all_failed) {
            (Some((at, winner)), _) => (Some(winner), at),
            (None, Some(at)) => (None, at.min(limit)),
            (None, None) => (None, limit),
        };
        starts.retain(|&began| began == 0 || if winner.is_some() { began <= ended } else { began < limit });
        Course { starts, winner, ended }
    }

    proptest! {
        #[test]
        fn the_first_to_connect_wins_whatever_the_addresses_do(
            behaviours in proptest::collection::vec(behaviour(), 1..12),
            limit in 1..4000u64,
        ) {
            let course = run(&behaviours, limit);
            for (attempt, pair) in course.starts.windows(2).enumerate() {
                let has_failed = matches!(behaviours[attempt], Behaviour::Fails(after) if pair[0] + after <= pair[1]);
                prop_assert!(pair[1] - pair[0] >= 250 || has_failed, "{course:?}");
            }
            if course.winner.is_none() && course.ended < limit {
                prop_assert_eq!(course.starts.len(), behaviours.len(), "given up before all were tried");
            }
            // It does not matter whether another attempt starts at the exact time at which the winner connects.
            let expected = expected(&behaviours, limit);
            prop_assert_eq!((course.winner, course.ended), (expected.winner, expected.ended));
            prop_assert!(expected.starts.starts_with(&course.starts));
        }
    }
}
