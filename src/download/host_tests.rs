use super::*;

const LIMITS: Limits = Limits { jobs: 100, per_host: 6, max_wait: Duration::from_secs(120), pauses: true };

/// A table and a clock that moves when it is told to.
struct Table {
    hosts: Hosts<u32>,
    now: Instant,
}

impl Table {
    fn new(limits: Limits) -> Table {
        Table { hosts: Hosts::new(limits), now: Instant::now() }
    }

    fn queue(&mut self, origin: &str, tickets: std::ops::Range<u32>) {
        tickets.for_each(|ticket| self.hosts.queue(origin, ticket));
    }

    fn start(&mut self) -> Option<(u32, HostId)> {
        match self.hosts.next(self.now) {
            Next::Start(ticket, host) => Some((ticket, host)),
            Next::Refuse(_) | Next::Nobody(_) => None,
        }
    }

    fn start_all(&mut self) -> Vec<(u32, HostId)> {
        std::iter::from_fn(|| self.start()).collect()
    }

    fn answered(&mut self, host: HostId, answer: Answer) -> Blame {
        let blame = self.hosts.answered(host, answer, self.now, 0.5);
        self.hosts.end(host);
        blame
    }

    fn pause_of(&self, host: HostId) -> Option<Duration> {
        self.hosts.paused_until(host).map(|until| until - self.now)
    }
}

#[test]
fn hosts_take_turns_and_no_limit_is_passed() {
    let mut table = Table::new(Limits { jobs: 5, per_host: 2, ..LIMITS });
    table.queue("a", 0..10);
    table.queue("b", 10..20);
    table.queue("c", 20..30);
    let started = table.start_all();
    assert_eq!(started.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [0, 10, 20, 1, 11]);
    table.hosts.end(started[0].1); // one of `a` has ended
    assert_eq!(table.start().map(|(ticket, _)| ticket), Some(21));
    assert_eq!(table.start(), None);
}

#[test]
fn what_had_a_turn_comes_before_what_had_none() {
    let mut table = Table::new(Limits { per_host: 1, ..LIMITS });
    table.queue("a", 0..3);
    let (_, host) = table.start().expect("the first");
    table.hosts.queue_again("a", 0);
    table.hosts.end(host);
    assert_eq!(table.start().map(|(ticket, _)| ticket), Some(0));
}

#[test]
fn a_429_pauses_the_host_until_a_probe_is_answered() {
    let mut table = Table::new(LIMITS);
    table.queue("a", 0..20);
    let started = table.start_all();
    assert_eq!(started.len(), 6);
    let host = started[0].1;
    assert_eq!(table.answered(host, Answer::Wait(Some(Duration::from_secs(7)))), Blame::Host);
    assert_eq!(table.pause_of(host), Some(Duration::from_secs(7)));
    for _ in 1..6 {
        assert_eq!(table.answered(host, Answer::Unavailable), Blame::Host);
    }
    assert_eq!(table.start(), None);
    assert_eq!(table.hosts.next(table.now), Next::Nobody(Some(table.now + Duration::from_secs(7))));
    table.now += Duration::from_secs(7);
    assert_eq!(table.start_all().len(), 1);
    table.answered(host, Answer::Fine);
    assert_eq!(table.start_all().len(), 6);
}

#[test]
fn more_than_half_of_eight_answers_have_to_be_503() {
    let mut table = Table::new(LIMITS);
    table.queue("a", 0..100);
    let host = table.start_all()[0].1;
    for _ in 0..4 {
        assert_eq!(table.answered(host, Answer::Unavailable), Blame::Transfer);
        table.answered(host, Answer::Fine);
        table.start_all();
    }
    assert_eq!(table.pause_of(host), None);
    table.answered(host, Answer::Unavailable);
    table.answered(host, Answer::Unavailable);
    assert!(table.pause_of(host).is_some());
}

#[test]
fn pauses_double_until_the_host_is_given_up() {
    let mut table = Table::new(LIMITS);
    table.queue("a", 0..1000);
    let host = table.start_all()[0].1;
    (0..5).for_each(|_| _ = table.answered(host, Answer::Wait(None)));
    table.hosts.end(host);
    let began = table.now;
    let mut pauses = vec![];
    while let Some(pause) = table.pause_of(host) {
        pauses.push(pause.as_millis());
        table.now += pause;
        assert_eq!(table.start_all().len(), 1);
        table.answered(host, Answer::Unavailable);
    }
    // Three quarters of 0.5 s, 1 s, 2 s … 30 s.
    assert_eq!(pauses, [375, 750, 1500, 3000, 6000, 12000, 22500, 22500, 22500, 22500]);
    assert!(table.now - began <= LIMITS.max_wait);
    let refused = std::iter::from_fn(|| match table.hosts.next(table.now) {
        Next::Refuse(ticket) => Some(ticket),
        _ => None,
    });
    assert_eq!(refused.count(), 1000 - 6 - 10);
}

#[test]
fn a_wait_that_is_too_long_fails_the_transfer_and_lets_the_probe_decide_for_the_rest() {
    let mut table = Table::new(LIMITS);
    table.queue("a", 0..10);
    let host = table.start_all()[0].1;
    assert_eq!(table.answered(host, Answer::Wait(Some(Duration::from_secs(99_999_999)))), Blame::Transfer);
    assert_eq!(table.pause_of(host), Some(Duration::from_millis(375)));
}

#[test]
fn a_probe_that_ends_without_an_answer_is_followed_by_another() {
    let mut table = Table::new(LIMITS);
    table.queue("a", 0..10);
    let started = table.start_all();
    let host = started[0].1;
    started.iter().for_each(|_| _ = table.answered(host, Answer::Wait(None)));
    table.now += Duration::from_secs(1);
    assert_eq!(table.start_all().len(), 1);
    table.hosts.end(host);
    assert_eq!(table.start_all().len(), 1);
    table.answered(host, Answer::Broken);
    assert!(table.pause_of(host).is_some(), "a host that cannot be reached is not well");
}

#[test]
fn without_retries_nothing_pauses() {
    let mut table = Table::new(Limits { pauses: false, ..LIMITS });
    table.queue("a", 0..10);
    let host = table.start_all()[0].1;
    assert_eq!(table.answered(host, Answer::Wait(None)), Blame::Transfer);
    assert_eq!(table.start_all().len(), 1);
}

#[test]
fn retries_are_ten_and_a_fifth_of_the_requests() {
    let mut table = Table::new(LIMITS);
    table.queue("a", 0..200);
    let host = table.start_all()[0].1;
    for _ in 0..100 {
        table.answered(host, Answer::Fine);
        table.start_all();
    }
    let granted = (0..100).filter(|_| table.hosts.may_retry(host)).count();
    assert_eq!(granted, 10 + 100 / 5);
}

#[test]
fn idle_hosts_are_forgotten_when_there_are_many() {
    let mut table = Table::new(LIMITS);
    for number in 0..3 * MANY as u32 {
        table.queue(&number.to_string(), number..number + 1);
        let (_, host) = table.start().expect("its turn");
        table.answered(host, Answer::Fine);
        table.start();
    }
    assert!(table.hosts.hosts.len() <= MANY && table.hosts.by_origin.len() <= MANY);
}
