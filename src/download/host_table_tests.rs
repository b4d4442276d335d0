//! Tests of the host table, in virtual time and without sockets.

use std::collections::BTreeMap;

use super::super::host::HostSignal::{Accepted, ConnectionFailed, Throttled, Unavailable};
use super::*;

const LIMITS: HostLimits = HostLimits { jobs: 100, per_host: 6, max_wait: Duration::from_secs(120), pauses: true };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A table with a virtual clock, which only the test advances.
struct Table {
    hosts: HostTable<u32>,
    now: Instant,
}

impl Table {
    fn new(limits: HostLimits) -> Table {
        crate::watchdog::watch();
        Table { hosts: HostTable::new(limits), now: Instant::now() }
    }

    /// Creates a table with tickets for one host, and starts those that may start.
    fn started(limits: HostLimits, tickets: u32) -> (Table, Vec<(u32, HostSlot)>) {
        let mut table = Table::new(limits);
        table.queue("a", 0..tickets);
        let started = table.start_all();
        (table, started)
    }

    fn queue(&mut self, origin: &str, tickets: std::ops::Range<u32>) {
        tickets.for_each(|ticket| self.hosts.queue(origin, ticket));
    }

    fn start(&mut self) -> Option<(u32, HostSlot)> {
        match self.hosts.next(self.now) {
            NextTicket::Start(ticket, slot) => Some((ticket, slot)),
            NextTicket::Refuse(_) | NextTicket::Idle(_) => None,
        }
    }

    fn start_all(&mut self) -> Vec<(u32, HostSlot)> {
        std::iter::from_fn(|| self.start()).collect()
    }

    /// Records the result of a request and releases its slot.
    fn answered(&mut self, slot: HostSlot, answer: HostSignal) -> RetryCost {
        self.answered_with(slot, answer, 0.5)
    }

    fn answered_with(&mut self, slot: HostSlot, answer: HostSignal, random: f64) -> RetryCost {
        let outcome = self.hosts.record_result(slot, answer, self.now, random);
        self.hosts.end(slot);
        outcome.cost
    }

    fn pause_of(&self, slot: HostSlot) -> Option<Duration> {
        self.hosts.paused_until(slot).map(|until| until - self.now)
    }

    /// Advances the clock to the end of the pause and starts the probe.
    fn probe(&mut self, slot: HostSlot) -> (u32, HostSlot) {
        self.now += self.pause_of(slot).expect("a pause");
        let started = self.start_all();
        assert_eq!(started.len(), 1, "one probe");
        started[0]
    }

    /// Pauses the host by rejecting the requests of all these slots.
    fn reject_all(&mut self, started: &[(u32, HostSlot)], answer: HostSignal) {
        for &(ticket, slot) in started {
            self.answered(slot, answer);
            self.hosts.queue_rejected("a", ticket);
        }
    }
}

#[test]
fn slots_are_handed_out_round_robin_within_the_limits() {
    let mut table = Table::new(HostLimits { jobs: 5, per_host: 2, ..LIMITS });
    table.queue("a", 0..10);
    table.queue("b", 10..20);
    table.queue("c", 20..30);
    let started = table.start_all();
    assert_eq!(started.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [0, 10, 20, 1, 11]);
    table.hosts.end(started[0].1); // a slot of host `a` is released
    assert_eq!(table.start().map(|(ticket, _)| ticket), Some(21));
    assert_eq!(table.start(), None);
}

#[test]
fn returning_tickets_come_before_new_ones() {
    let (mut table, started) = Table::started(HostLimits { per_host: 1, ..LIMITS }, 3);
    table.hosts.queue_returning("a", 0);
    table.hosts.end(started[0].1);
    assert_eq!(table.start().map(|(ticket, _)| ticket), Some(0));
}

#[test]
fn a_429_pauses_the_host_until_a_probe_is_answered() {
    let (mut table, started) = Table::started(LIMITS, 20);
    assert_eq!(started.len(), 6);
    let slot = started[0].1;
    assert_eq!(table.answered(slot, Throttled(Some(seconds(7)))), RetryCost::Host);
    assert_eq!(table.pause_of(slot), Some(seconds(7)));
    for &(_, slot) in &started[1..] {
        assert_eq!(table.answered(slot, Unavailable), RetryCost::Host);
    }
    assert_eq!(table.start(), None);
    assert_eq!(table.hosts.next(table.now), NextTicket::Idle(Some(table.now + seconds(7))));
    let (_, probe) = table.probe(slot);
    table.answered(probe, Accepted);
    assert_eq!(table.start_all().len(), 6);
}

#[test]
fn a_pause_ends_when_the_head_of_the_probe_s_response_arrives() {
    let (mut table, started) = Table::started(LIMITS, 20);
    table.reject_all(&started, Throttled(None));
    let (_, probe) = table.probe(started[0].1);
    let outcome = table.hosts.record_result(probe, Accepted, table.now, 0.5);
    assert!(outcome.has_changed, "those who wait have to be woken");
    assert_eq!(table.start_all().len(), 5, "beside the probe, whose body is still coming");
}

#[test]
fn results_of_requests_sent_before_the_pause_are_not_taken_for_the_probe_s() {
    let (mut table, started) = Table::started(LIMITS, 20);
    let slot = started[0].1;
    table.answered(slot, Throttled(None));
    let (_, probe) = table.probe(slot);
    assert_eq!(table.answered(started[1].1, Throttled(None)), RetryCost::Host);
    table.answered(started[2].1, Accepted);
    table.answered(started[3].1, ConnectionFailed);
    assert_eq!((table.pause_of(slot), table.start()), (None, None), "the probe is still under way");
    // The probe is cancelled, while other requests that were sent before the pause continue.
    table.hosts.end(probe);
    assert_eq!(table.start_all().len(), 1, "another probe");
}

#[test]
fn a_retry_after_of_zero_is_replaced_by_the_backoff() {
    let (mut table, started) = Table::started(LIMITS, 20);
    table.reject_all(&started, Throttled(Some(Duration::ZERO)));
    let slot = started[0].1;
    let mut pauses = vec![];
    for _ in 0..4 {
        pauses.push(table.pause_of(slot).expect("a pause").as_millis());
        let (ticket, probe) = table.probe(slot);
        table.reject_all(&[(ticket, probe)], Throttled(Some(Duration::ZERO)));
    }
    assert_eq!(pauses, [375, 750, 1500, 3000]);
}

#[test]
fn a_host_is_paused_after_more_than_four_503s_in_eight_responses() {
    let (mut table, mut started) = Table::started(LIMITS, 100);
    let slot = started[0].1;
    let mut next = |table: &mut Table| {
        started.extend(table.start_all());
        started.remove(0).1
    };
    for _ in 0..20 {
        let slot = next(&mut table);
        assert_eq!(table.answered(slot, Unavailable), RetryCost::Transfer);
        let slot = next(&mut table);
        table.answered(slot, Accepted);
    }
    assert_eq!(table.pause_of(slot), None);
    for _ in 0..2 {
        let slot = next(&mut table);
        table.answered(slot, Unavailable);
    }
    assert!(table.pause_of(slot).is_some());
}

#[test]
fn pauses_double_until_the_host_is_given_up() {
    let (mut table, started) = Table::started(LIMITS, 1000);
    let slot = started[0].1;
    started.iter().for_each(|&(_, slot)| _ = table.answered(slot, Throttled(None)));
    let began = table.now;
    let mut pauses = vec![];
    while let Some(pause) = table.pause_of(slot) {
        pauses.push(pause.as_millis());
        let (_, probe) = table.probe(slot);
        table.answered(probe, Unavailable);
    }
    // Each pause is three quarters of its bound: 0.5 s, 1 s, 2 s … 30 s.
    assert_eq!(pauses, [375, 750, 1500, 3000, 6000, 12000, 22500, 22500, 22500, 22500]);
    assert!(table.now - began <= LIMITS.max_wait);
    let refused = std::iter::from_fn(|| match table.hosts.next(table.now) {
        NextTicket::Refuse(ticket) => Some(ticket),
        _ => None,
    });
    assert_eq!(refused.count(), 1000 - 6 - 10);
}

#[test]
fn a_retry_after_above_the_limit_fails_the_transfer_and_starts_a_pause() {
    let (mut table, started) = Table::started(LIMITS, 10);
    let slot = started[0].1;
    assert_eq!(table.answered(slot, Throttled(Some(seconds(99_999_999)))), RetryCost::Transfer);
    assert_eq!(table.pause_of(slot), Some(Duration::from_millis(375)));
}

#[test]
fn a_probe_without_a_result_is_followed_by_another() {
    let (mut table, started) = Table::started(LIMITS, 10);
    let slot = started[0].1;
    started.iter().for_each(|&(_, slot)| _ = table.answered(slot, Throttled(None)));
    let (_, probe) = table.probe(slot);
    table.hosts.end(probe);
    let second = table.start_all();
    assert_eq!(second.len(), 1);
    table.answered(second[0].1, ConnectionFailed);
    assert!(table.pause_of(slot).is_some(), "a host that cannot be reached is not well");
}

#[test]
fn without_retries_nothing_pauses() {
    let (mut table, started) = Table::started(HostLimits { pauses: false, ..LIMITS }, 10);
    assert_eq!(table.answered(started[0].1, Throttled(None)), RetryCost::Transfer);
    assert_eq!(table.start_all().len(), 1);
}

#[test]
fn a_shortage_of_descriptors_leaves_fewer_slots_for_a_while() {
    let mut table = Table::new(LIMITS);
    for host in 0..5 {
        table.queue(&host.to_string(), 0..100);
    }
    let mut started = table.start_all();
    assert_eq!(started.len(), 30);
    table.hosts.end(started.remove(0).1);
    table.hosts.shrink();
    assert_eq!(table.start(), None, "until another one ends");
    table.hosts.end(started.remove(0).1);
    started.extend(table.start());
    assert_eq!((started.len(), table.start()), (29, None));
    // The limit grows again, up to `jobs`.
    for _ in 0..200 {
        table.hosts.end(started.remove(0).1);
        started.extend(table.start_all());
    }
    assert_eq!(started.len(), 30);
    started.drain(..).for_each(|(_, slot)| table.hosts.end(slot));
    table.hosts.shrink();
    assert_eq!(table.start_all().len(), 1, "at least one");
}

#[test]
fn no_slot_is_handed_out_while_a_complete_file_waits_for_a_descriptor() {
    let mut table = Table::new(LIMITS);
    table.queue("a", 0..10);
    table.hosts.save_waits();
    table.hosts.save_waits();
    assert_eq!(table.start(), None);
    table.hosts.save_continues();
    assert_eq!(table.start(), None);
    table.hosts.save_continues();
    assert_eq!(table.start_all().len(), 6);
}

#[test]
fn idle_hosts_are_forgotten_when_there_are_many() {
    let mut table = Table::new(LIMITS);
    for number in 0..3 * MAX_TRACKED_HOSTS as u32 {
        table.queue(&number.to_string(), number..number + 1);
        let (_, slot) = table.start().expect("its slot");
        table.answered(slot, Accepted);
        table.start();
    }
    assert!(table.hosts.hosts.len() <= MAX_TRACKED_HOSTS && table.hosts.by_origin.len() <= MAX_TRACKED_HOSTS);
}

#[test]
fn the_statistics_of_an_idle_host_are_kept_if_there_are_few_hosts() {
    let mut table = Table::new(LIMITS);
    for number in 0..MAX_TRACKED_HOSTS as u32 {
        table.queue(&number.to_string(), number..number + 1);
        let (_, slot) = table.start().expect("its slot");
        table.answered(slot, Accepted);
        table.start();
    }
    assert_eq!(table.hosts.hosts.len(), MAX_TRACKED_HOSTS);
}

// -- Rejections of single URLs -------------------------------------------------------------------------------------

/// The outcome of a simulated run: the number of requests per ticket, the tickets that were accepted, and those that
/// failed.
#[derive(Default)]
struct Course {
    requests: BTreeMap<u32, usize>,
    answered: usize,
    failed: Vec<u32>,
    given_up: usize,
    took: Duration,
}

/// Simulates a run: processes all tickets of one host against a server, like transfers with three retries each. Every
/// response takes `latency`. `answer` maps a ticket and the time since the start of the run to a result.
fn run(tickets: u32, latency: Duration, mut answer: impl FnMut(u32, Duration) -> HostSignal) -> Course {
    let (mut table, mut course) = (Table::new(LIMITS), Course::default());
    let mut state = u64::from(tickets);
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    table.queue("a", 0..tickets);
    let began = table.now;
    let mut retries = BTreeMap::new();
    // Responses in flight with their arrival times, and tickets in backoff with their end.
    let mut under_way: Vec<(Instant, u32, HostSlot, HostSignal)> = vec![];
    let mut waiting: Vec<(Instant, u32)> = vec![];
    loop {
        let until = loop {
            match table.hosts.next(table.now) {
                NextTicket::Start(ticket, slot) => {
                    *course.requests.entry(ticket).or_default() += 1;
                    under_way.push((table.now + latency, ticket, slot, answer(ticket, table.now - began)));
                }
                NextTicket::Refuse(_) => course.given_up += 1,
                NextTicket::Idle(until) => break until,
            }
        };
        let times = under_way.iter().map(|next| next.0).chain(waiting.iter().map(|next| next.0)).chain(until);
        let Some(next) = times.min() else { break };
        table.now = next;
        for (_, ticket) in waiting.extract_if(.., |next| next.0 <= table.now) {
            table.hosts.queue_rejected("a", ticket);
        }
        let due: Vec<_> = under_way.extract_if(.., |next| next.0 <= table.now).collect();
        for (_, ticket, slot, answer) in due {
            let cost = table.answered_with(slot, answer, random());
            match (answer, cost) {
                (Accepted, _) => course.answered += 1,
                (_, RetryCost::Host) => table.hosts.queue_rejected("a", ticket),
                (_, RetryCost::Transfer) => {
                    let retries = retries.entry(ticket).or_insert(3);
                    match *retries {
                        0 => course.failed.push(ticket),
                        _ => {
                            *retries -= 1;
                            waiting.push((table.now + Duration::from_millis(250), ticket));
                        }
                    }
                }
            }
        }
    }
    course.took = table.now - began;
    course
}

const LATENCY: Duration = Duration::from_millis(20);

#[test]
fn urls_that_are_always_rejected_do_not_make_others_fail() {
    for asked in [None, Some(seconds(1)), Some(Duration::ZERO)] {
        for bad in [1, 2, 3, 10, 20, 40] {
            // The rejected URLs are at the beginning, at the end, or among the others.
            for is_bad in [|n: u32, bad| n < bad, |n, _| n >= 300, |n, bad| n % 7 == 0 && n / 7 < bad] {
                let course = run(300 + bad, LATENCY, |n, _| if is_bad(n, bad) { Throttled(asked) } else { Accepted });
                assert_eq!((course.answered, course.failed.len() + course.given_up), (300, bad as usize), "{asked:?}");
                assert!(course.requests.values().all(|&requests| requests < 10), "{:?}", course.requests);
            }
        }
    }
}

#[test]
fn many_urls_that_are_always_rejected_do_not_keep_the_run_waiting_for_long() {
    for (good, bad) in [(30, 30), (300, 30)] {
        // The rejected URLs are at the beginning, alternate with the others, or are anywhere among them.
        for is_bad in
            [|n, bad, _| n < bad, |n: u32, bad, _| n.is_multiple_of(2) && n < 2 * bad, |n, bad, all| n * 37 % all < bad]
        {
            let course =
                run(good + bad, LATENCY, |n, _| if is_bad(n, bad, good + bad) { Throttled(None) } else { Accepted });
            assert_eq!((course.answered, course.failed.len()), (good as usize, bad as usize));
            assert!(course.took < seconds(90), "{:?} with {good} others", course.took);
            let requests: usize = course.requests.values().sum();
            assert!(requests < (good + 8 * bad) as usize, "{requests} for {good} and {bad}");
        }
    }
}

#[test]
fn one_url_that_is_always_rejected_does_not_keep_the_run_waiting_for_long() {
    for good in [1, 3, 300] {
        let course = run(good + 1, LATENCY, |n, _| if n == 0 { Throttled(None) } else { Accepted });
        assert_eq!((course.answered, course.failed), (good as usize, vec![0]));
        assert!(course.took < seconds(20), "{:?} with {good} others", course.took);
    }
}

#[test]
fn all_requests_to_a_host_with_a_rate_limit_are_accepted_in_the_end() {
    for (burst, every) in [(1, 1000), (1, 100), (3, 1000), (10, 1000), (1, 10_000), (5, 5000)] {
        for asked in [None, Some(Duration::from_millis(every).max(seconds(1)))] {
            for tickets in 100..104 {
                let mut window = (0, 0);
                let course = run(tickets, LATENCY, |_, at| {
                    let number = at.as_millis() / u128::from(every);
                    window = if window.0 == number { (number, window.1 + 1) } else { (number, 1) };
                    if window.1 <= burst { Accepted } else { Throttled(asked) }
                });
                let counts = (course.answered, course.failed.len());
                assert_eq!(counts, (tickets as usize, 0), "{burst} every {every} ms, {asked:?}");
            }
        }
    }
}

#[test]
fn a_host_that_rejects_everything_for_a_minute_receives_few_requests() {
    for tickets in [1, 2, 500] {
        let mut rejected = 0;
        let course = run(tickets, LATENCY, |_, at| {
            let is_rejected = at < seconds(60);
            rejected += u32::from(is_rejected);
            if is_rejected { Throttled(None) } else { Accepted }
        });
        assert_eq!((course.answered, course.failed.len()), (tickets as usize, 0));
        assert!(rejected < 20, "{rejected} of {tickets}");
    }
}

#[test]
fn a_host_that_alternates_between_503_and_200_is_not_paused() {
    let mut number = 0;
    let course = run(100, LATENCY, |_, _| {
        number += 1;
        if number % 2 == 0 { Accepted } else { Unavailable }
    });
    assert!(course.given_up == 0 && course.took < seconds(60), "{:?}", course.took);
}
