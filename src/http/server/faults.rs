//! Answers that go wrong on purpose, so that clients can be tried out.
//!
//! Which request meets which fault is no accident: it follows from the seed, the path, and how often the path has been
//! asked for, through a hash and without a generator that requests would have to share. So a run with the same seed
//! meets the same faults, in whatever order and however many at once the requests come; and a client that tries again
//! makes another attempt, which may succeed.
//!
//! A request can also ask for a fault: `?gl-delay=MS`, `gl-status=N`, `gl-retry-after=S`, `gl-cut=N`, `gl-reset=N`,
//! `gl-stall=N`, `gl-rate=BYTES`, the three in the middle after so many bytes of the body. Then nothing is left to
//! the hash.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::time::Duration;

use http::{StatusCode, Uri};

/// How often answers go wrong, and how. A rate is a probability: 0 is never, 1 always. The default is no fault at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Decides which requests are met.
    pub seed: u64,
    /// How long answers are held back.
    pub delay: Option<Delay>,
    /// How many answers are an error, and which.
    pub error: Option<(f64, StatusCode)>,
    /// How many bodies end early, as if the server had crashed.
    pub truncate_rate: f64,
    /// How many connections are reset in the middle of the body.
    pub reset_rate: f64,
    /// How many bodies stop in the middle, without an end.
    pub stall_rate: f64,
    /// How many bytes of body a second, at most.
    pub bytes_per_second: Option<NonZeroU64>,
}

impl Faults {
    /// Whether the seed decides anything.
    pub fn are_drawn(&self) -> bool {
        let is_drawn = |rate: f64| rate > 0.0 && rate < 1.0;
        let delay =
            self.delay.is_some_and(|delay| is_drawn(delay.rate) || (delay.rate > 0.0 && delay.least < delay.most));
        // Where a body is interrupted is drawn, too.
        let interrupted = [self.truncate_rate, self.reset_rate, self.stall_rate].iter().any(|&rate| rate > 0.0);
        delay || interrupted || self.error.is_some_and(|(rate, _)| is_drawn(rate))
    }
}

/// How long answers are held back: a time between two bounds, in so many cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
    /// How many answers are held back.
    pub rate: f64,
}

/// What is in store for one answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) delay: Option<Duration>,
    /// An error, instead of asking the service.
    pub(super) error: Option<StatusCode>,
    /// Seconds for `Retry-After`.
    pub(super) retry_after: Option<u32>,
    pub(super) interruption: Option<Interruption>,
    pub(super) rate: Option<NonZeroU64>,
}

/// Where the body ends before its end, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interruption {
    pub(super) place: Place,
    pub(super) how: Break,
}

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// Behind so many bytes.
    Bytes(u64),
    /// Behind this part of it, between 0 and 1.
    Part(f64),
}

/// How a body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// The connection is closed.
    Cut,
    /// It is reset.
    Reset,
    /// Nothing more comes.
    Stall,
}

impl Place {
    /// Where that is in a body of this length.
    pub(super) fn in_body_of(self, length: u64) -> u64 {
        match self {
            Place::Bytes(bytes) => bytes.min(length),
            Place::Part(part) => (length as f64 * part) as u64,
        }
    }
}

/// Chooses the faults of a server.
#[derive(Debug)]
pub(super) struct Chooser {
    faults: Faults,
    /// How often each path has been asked for, by the path's hash.
    attempts: RefCell<HashMap<u64, u32>>,
}

/// Paths whose attempts are counted. A client that makes up more of them than this starts the count anew.
const MOST_PATHS: usize = 1 << 20;

/// What each of a request's draws is for: every one has a number of its own.
#[derive(Clone, Copy, Debug)]
enum Draw {
    IsDelayed,
    Delay,
    Error,
    Reset,
    Stall,
    Truncate,
    Place,
}

impl Chooser {
    pub(super) fn new(faults: Faults) -> Chooser {
        Chooser { faults, attempts: RefCell::default() }
    }

    /// What is in store for a request for `target`.
    ///
    /// # Errors
    /// Says which of the faults that the request itself asks for is not understood.
    pub(super) fn plan(&self, target: &Uri) -> Result<Plan, String> {
        if let Some(query) = target.query()
            && query.contains("gl-")
        {
            return asked_for(query);
        }
        if self.faults == Faults::default() {
            return Ok(Plan::default());
        }
        let path = hash_of(target.path());
        Ok(self.plan_for(path, self.count_attempt(path)))
    }

    fn count_attempt(&self, path: u64) -> u32 {
        let mut attempts = self.attempts.borrow_mut();
        if attempts.len() >= MOST_PATHS {
            attempts.clear();
        }
        let count = attempts.entry(path).or_default();
        *count = count.wrapping_add(1);
        *count
    }

    fn plan_for(&self, path: u64, attempt: u32) -> Plan {
        let faults = &self.faults;
        let base = mixed(mixed(faults.seed ^ path).wrapping_add(u64::from(attempt)));
        let draw = |what: Draw| part_of_one(mixed(base.wrapping_add(what as u64)));
        let delay = faults.delay.filter(|delay| draw(Draw::IsDelayed) < delay.rate).map(|delay| {
            let range = delay.most.saturating_sub(delay.least);
            delay.least + range.mul_f64(draw(Draw::Delay))
        });
        let error = faults.error.filter(|(rate, _)| draw(Draw::Error) < *rate).map(|(_, status)| status);
        let breaks = [
            (Draw::Reset, faults.reset_rate, Break::Reset),
            (Draw::Stall, faults.stall_rate, Break::Stall),
            (Draw::Truncate, faults.truncate_rate, Break::Cut),
        ];
        let interruption = breaks
            .iter()
            .find(|(what, rate, _)| draw(*what) < *rate)
            .map(|(_, _, how)| Interruption { place: Place::Part(draw(Draw::Place)), how: *how });
        Plan { delay, error, retry_after: None, interruption, rate: faults.bytes_per_second }
    }
}

/// The faults that a query asks for.
fn asked_for(query: &str) -> Result<Plan, String> {
    let mut plan = Plan::default();
    for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        let wrong = || format!("{name} needs a number in range; see `glassloop serve --help`\n");
        let number = || value.parse::<u32>().map_err(|_| wrong());
        let interrupted = |how| {
            let place = Place::Bytes(value.parse().map_err(|_| wrong())?);
            Ok::<_, String>(Some(Interruption { place, how }))
        };
        match name {
            "gl-delay" => plan.delay = Some(Duration::from_millis(number()?.into())),
            "gl-status" => plan.error = Some(final_status(value).ok_or_else(wrong)?),
            "gl-retry-after" => plan.retry_after = Some(number()?),
            "gl-cut" => plan.interruption = interrupted(Break::Cut)?,
            "gl-reset" => plan.interruption = interrupted(Break::Reset)?,
            "gl-stall" => plan.interruption = interrupted(Break::Stall)?,
            "gl-rate" => plan.rate = Some(value.parse().map_err(|_| wrong())?),
            name if name.starts_with("gl-") => return Err(format!("{name} is no fault\n")),
            _ => {}
        }
    }
    Ok(plan)
}

/// A status that can end an exchange: not 1xx.
fn final_status(text: &str) -> Option<StatusCode> {
    let status = text.parse().ok().filter(|status| (200..600).contains(status))?;
    StatusCode::from_u16(status).ok()
}

/// FNV-1a. A fixed function, unlike the standard library's hasher, so that a seed means the same to every build.
fn hash_of(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), as a function.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number from 0 up to, but not including, 1.
fn part_of_one(number: u64) -> f64 {
    // As many bits as a float has room for.
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(faults: &Faults, paths: impl Iterator<Item = u32>) -> Vec<Plan> {
        let chooser = Chooser::new(faults.clone());
        paths.map(|path| chooser.plan(&format!("/flags/{path}").parse().unwrap()).unwrap()).collect()
    }

    fn a_quarter_fails() -> Faults {
        Faults { seed: 7, error: Some((0.25, StatusCode::SERVICE_UNAVAILABLE)), ..Faults::default() }
    }

    #[test]
    fn the_order_of_requests_does_not_change_what_each_of_them_meets() {
        let faults = Faults {
            delay: Some(Delay { least: Duration::ZERO, most: Duration::from_secs(1), rate: 0.5 }),
            stall_rate: 0.1,
            ..a_quarter_fails()
        };
        let forwards = plans(&faults, 0..1000);
        let mut backwards = plans(&faults, (0..1000).rev());
        backwards.reverse();
        assert_eq!(forwards, backwards);
    }

    #[test]
    fn rates_are_met_and_draws_do_not_depend_on_each_other() {
        let delay = Delay { least: Duration::from_millis(500), most: Duration::from_millis(500), rate: 0.5 };
        let plans = plans(&Faults { delay: Some(delay), ..a_quarter_fails() }, 0..10_000);
        let count = |is: fn(&Plan) -> bool| plans.iter().filter(|plan| is(plan)).count();
        let near = |count: usize, expected: usize| assert!(count.abs_diff(expected) < 200, "{count} for {expected}");
        near(count(|plan| plan.error.is_some()), 2_500);
        near(count(|plan| plan.delay == Some(Duration::from_millis(500))), 5_000);
        near(count(|plan| plan.delay.is_some() && plan.error.is_some()), 1_250);
    }

    #[test]
    fn another_attempt_may_succeed_and_another_seed_fails_elsewhere() {
        let attempts = plans(&a_quarter_fails(), std::iter::repeat_n(1, 100));
        let failed = attempts.iter().filter(|plan| plan.error.is_some()).count();
        assert!((1..100).contains(&failed));
        assert_ne!(plans(&a_quarter_fails(), 0..100), plans(&Faults { seed: 8, ..a_quarter_fails() }, 0..100));
    }

    #[test]
    fn a_seed_means_the_same_to_every_build() {
        let plans = plans(&a_quarter_fails(), 0..50);
        let failing: Vec<usize> = (0..50).filter(|&path| plans[path].error.is_some()).collect();
        assert_eq!(failing, [22, 23, 33, 39, 40, 45, 47]);
    }

    #[test]
    fn a_request_gets_what_it_asks_for() {
        let chooser = Chooser::new(Faults { reset_rate: 1.0, ..Faults::default() });
        let plan = |target: &str| chooser.plan(&target.parse().unwrap());
        let asked = plan("/x?a=b&gl-delay=20&gl-status=503&gl-retry-after=1&gl-cut=5&gl-rate=100").unwrap();
        assert_eq!(
            asked,
            Plan {
                delay: Some(Duration::from_millis(20)),
                error: Some(StatusCode::SERVICE_UNAVAILABLE),
                retry_after: Some(1),
                interruption: Some(Interruption { place: Place::Bytes(5), how: Break::Cut }),
                rate: NonZeroU64::new(100),
            }
        );
        for bad in ["gl-delay=x", "gl-status=101", "gl-status=1000", "gl-rate=0", "gl-cut=-1", "gl-oops=1"] {
            assert!(plan(&format!("/x?{bad}")).is_err(), "{bad}");
        }
    }
}
