//! Fault injection, for testing clients.
//!
//! The faults of a response are reproducible: they are computed with a hash from the seed, the path, and the number of
//! earlier requests for the same path, without the shared state of a random number generator. So with the same seed the
//! same faults occur, independent of the order and concurrency of the requests. A retry counts as a further request and
//! may succeed.
//!
//! A request can also select its faults with query parameters: `gl-delay=MS`, `gl-status=N`, `gl-retry-after=S`,
//! `gl-rate=BYTES`, and `gl-cut=N`, `gl-reset=N` and `gl-stall=N`, where N is a position in the body. The configured
//! rates do not apply to such a request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::time::Duration;

use http::{StatusCode, Uri};

/// The configuration of fault injection. A rate is a probability from 0 (never) to 1 (always). By default there are no
/// faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// The seed that determines which requests are affected.
    pub seed: u64,
    /// Delays of responses.
    pub delay: Option<Delay>,
    /// The rate of error responses, and their status code.
    pub error: Option<(f64, StatusCode)>,
    /// The rate of truncated bodies: the connection is closed before the end, as if the server had crashed.
    pub truncate_rate: f64,
    /// The rate of connections that are reset in the middle of the body.
    pub reset_rate: f64,
    /// The rate of bodies that stall: sending stops, but the connection stays open.
    pub stall_rate: f64,
    /// The maximum rate at which a body is sent.
    pub bytes_per_second: Option<NonZeroU64>,
}

impl Faults {
    /// Returns whether the result depends on the seed.
    pub fn depend_on_seed(&self) -> bool {
        let is_random = |rate: f64| rate > 0.0 && rate < 1.0;
        let delay =
            self.delay.is_some_and(|delay| is_random(delay.rate) || (delay.rate > 0.0 && delay.min < delay.max));
        // The position of an interruption depends on the seed, too.
        let interrupted = [self.truncate_rate, self.reset_rate, self.stall_rate].iter().any(|&rate| rate > 0.0);
        delay || interrupted || self.error.is_some_and(|(rate, _)| is_random(rate))
    }
}

/// Delays of responses, of a random duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// The shortest delay.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
    /// The rate of delayed responses.
    pub rate: f64,
}

/// The faults of one response.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PlannedFaults {
    pub(super) delay: Option<Duration>,
    /// The status of an error response that replaces the one of the service.
    pub(super) error: Option<StatusCode>,
    /// The value of `Retry-After` in seconds.
    pub(super) retry_after: Option<u32>,
    pub(super) interruption: Option<BodyInterruption>,
    /// The maximum rate of the body in bytes per second.
    pub(super) rate: Option<NonZeroU64>,
}

/// An interruption of a response body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BodyInterruption {
    pub(super) position: BodyPosition,
    pub(super) kind: InterruptionKind,
}

/// A position in a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BodyPosition {
    /// After this number of bytes.
    Bytes(u64),
    /// After this fraction of the body, from 0 to 1.
    Fraction(f64),
}

/// How a body is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InterruptionKind {
    /// The connection is closed.
    Truncate,
    /// The connection is reset.
    Reset,
    /// Sending stops, but the connection stays open.
    Stall,
}

impl BodyPosition {
    /// Returns the position in bytes, in a body of this length.
    pub(super) fn in_body_of(self, length: u64) -> u64 {
        match self {
            BodyPosition::Bytes(bytes) => bytes.min(length),
            BodyPosition::Fraction(fraction) => (length as f64 * fraction) as u64,
        }
    }
}

/// Computes the faults of each response of a server.
#[derive(Debug)]
pub(super) struct FaultInjector {
    faults: Faults,
    /// The number of requests for each path, by the hash of the path.
    attempts: RefCell<HashMap<u64, u32>>,
}

/// The maximum number of paths whose requests are counted. When it is reached, all counts restart from 0.
const MAX_PATHS: usize = 1 << 20;

/// The purposes of the random numbers of one request. Each has a number of its own, so that the draws are independent.
#[derive(Clone, Copy, Debug)]
enum Draw {
    IsDelayed,
    Delay,
    Error,
    Reset,
    Stall,
    Truncate,
    Position,
}

impl FaultInjector {
    pub(super) fn new(faults: Faults) -> FaultInjector {
        FaultInjector { faults, attempts: RefCell::default() }
    }

    /// Returns the faults of the response to a request for `target`.
    ///
    /// # Errors
    /// A message, if one of the request's own fault parameters is invalid.
    pub(super) fn plan(&self, target: &Uri) -> Result<PlannedFaults, String> {
        if let Some(query) = target.query()
            && query.contains("gl-")
        {
            return requested_faults(query);
        }
        if self.faults == Faults::default() {
            return Ok(PlannedFaults::default());
        }
        let path = hash(target.path());
        Ok(self.plan_attempt(path, self.count_attempt(path)))
    }

    fn count_attempt(&self, path: u64) -> u32 {
        let mut attempts = self.attempts.borrow_mut();
        if attempts.len() >= MAX_PATHS {
            attempts.clear();
        }
        let count = attempts.entry(path).or_default();
        *count = count.wrapping_add(1);
        *count
    }

    fn plan_attempt(&self, path: u64, attempt: u32) -> PlannedFaults {
        let faults = &self.faults;
        let base = splitmix(splitmix(faults.seed ^ path).wrapping_add(u64::from(attempt)));
        let draw = |purpose: Draw| unit_interval(splitmix(base.wrapping_add(purpose as u64)));
        let delay = faults.delay.filter(|delay| draw(Draw::IsDelayed) < delay.rate).map(|delay| {
            let range = delay.max.saturating_sub(delay.min);
            delay.min + range.mul_f64(draw(Draw::Delay))
        });
        let error = faults.error.filter(|(rate, _)| draw(Draw::Error) < *rate).map(|(_, status)| status);
        let kinds = [
            (Draw::Reset, faults.reset_rate, InterruptionKind::Reset),
            (Draw::Stall, faults.stall_rate, InterruptionKind::Stall),
            (Draw::Truncate, faults.truncate_rate, InterruptionKind::Truncate),
        ];
        let interruption = kinds.iter().find(|(purpose, rate, _)| draw(*purpose) < *rate).map(|(_, _, kind)| {
            BodyInterruption { position: BodyPosition::Fraction(draw(Draw::Position)), kind: *kind }
        });
        PlannedFaults { delay, error, retry_after: None, interruption, rate: faults.bytes_per_second }
    }
}

/// Parses the fault parameters of a query.
fn requested_faults(query: &str) -> Result<PlannedFaults, String> {
    let mut faults = PlannedFaults::default();
    for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        let invalid = || format!("{name} needs a valid number; see `glassloop serve --help`\n");
        let number = || value.parse::<u32>().map_err(|_| invalid());
        let interruption = |kind| {
            let position = BodyPosition::Bytes(value.parse().map_err(|_| invalid())?);
            Ok::<_, String>(Some(BodyInterruption { position, kind }))
        };
        match name {
            "gl-delay" => faults.delay = Some(Duration::from_millis(number()?.into())),
            "gl-status" => faults.error = Some(final_status(value).ok_or_else(invalid)?),
            "gl-retry-after" => faults.retry_after = Some(number()?),
            "gl-cut" => faults.interruption = interruption(InterruptionKind::Truncate)?,
            "gl-reset" => faults.interruption = interruption(InterruptionKind::Reset)?,
            "gl-stall" => faults.interruption = interruption(InterruptionKind::Stall)?,
            "gl-rate" => faults.rate = Some(value.parse().map_err(|_| invalid())?),
            name if name.starts_with("gl-") => return Err(format!("unknown fault parameter {name}\n")),
            _ => {}
        }
    }
    Ok(faults)
}

/// Parses a final status code (2xx to 5xx).
fn final_status(text: &str) -> Option<StatusCode> {
    let status = text.parse().ok().filter(|status| (200..600).contains(status))?;
    StatusCode::from_u16(status).ok()
}

/// Computes the FNV-1a hash. The standard library's hasher is not guaranteed to be the same in every build.
fn hash(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Computes one step of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn splitmix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Maps a number to the interval from 0 (inclusive) to 1 (exclusive).
fn unit_interval(number: u64) -> f64 {
    // An `f64` has 53 bits of precision.
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(faults: &Faults, paths: impl Iterator<Item = u32>) -> Vec<PlannedFaults> {
        let injector = FaultInjector::new(faults.clone());
        paths.map(|path| injector.plan(&format!("/flags/{path}").parse().unwrap()).unwrap()).collect()
    }

    fn error_rate_of_a_quarter() -> Faults {
        Faults { seed: 7, error: Some((0.25, StatusCode::SERVICE_UNAVAILABLE)), ..Faults::default() }
    }

    #[test]
    fn faults_do_not_depend_on_the_order_of_requests() {
        let faults = Faults {
            delay: Some(Delay { min: Duration::ZERO, max: Duration::from_secs(1), rate: 0.5 }),
            stall_rate: 0.1,
            ..error_rate_of_a_quarter()
        };
        let forwards = plans(&faults, 0..1000);
        let mut backwards = plans(&faults, (0..1000).rev());
        backwards.reverse();
        assert_eq!(forwards, backwards);
    }

    #[test]
    fn faults_occur_at_their_rates_and_independently() {
        let delay = Delay { min: Duration::from_millis(500), max: Duration::from_millis(500), rate: 0.5 };
        let plans = plans(&Faults { delay: Some(delay), ..error_rate_of_a_quarter() }, 0..10_000);
        let count = |is: fn(&PlannedFaults) -> bool| plans.iter().filter(|plan| is(plan)).count();
        let near = |count: usize, expected: usize| assert!(count.abs_diff(expected) < 200, "{count} for {expected}");
        near(count(|plan| plan.error.is_some()), 2_500);
        near(count(|plan| plan.delay == Some(Duration::from_millis(500))), 5_000);
        near(count(|plan| plan.delay.is_some() && plan.error.is_some()), 1_250);
    }

    #[test]
    fn a_retry_may_succeed_and_another_seed_affects_other_requests() {
        let attempts = plans(&error_rate_of_a_quarter(), std::iter::repeat_n(1, 100));
        let failed = attempts.iter().filter(|plan| plan.error.is_some()).count();
        assert!((1..100).contains(&failed));
        assert_ne!(
            plans(&error_rate_of_a_quarter(), 0..100),
            plans(&Faults { seed: 8, ..error_rate_of_a_quarter() }, 0..100)
        );
    }

    #[test]
    fn a_seed_gives_the_same_faults_in_every_build() {
        let plans = plans(&error_rate_of_a_quarter(), 0..50);
        let failing: Vec<usize> = (0..50).filter(|&path| plans[path].error.is_some()).collect();
        assert_eq!(failing, [22, 23, 33, 39, 40, 45, 47]);
    }

    #[test]
    fn a_request_can_select_its_faults() {
        let injector = FaultInjector::new(Faults { reset_rate: 1.0, ..Faults::default() });
        let plan = |target: &str| injector.plan(&target.parse().unwrap());
        let requested = plan("/x?a=b&gl-delay=20&gl-status=503&gl-retry-after=1&gl-cut=5&gl-rate=100").unwrap();
        assert_eq!(
            requested,
            PlannedFaults {
                delay: Some(Duration::from_millis(20)),
                error: Some(StatusCode::SERVICE_UNAVAILABLE),
                retry_after: Some(1),
                interruption: Some(BodyInterruption {
                    position: BodyPosition::Bytes(5),
                    kind: InterruptionKind::Truncate
                }),
                rate: NonZeroU64::new(100),
            }
        );
        for bad in ["gl-delay=x", "gl-status=101", "gl-status=1000", "gl-rate=0", "gl-cut=-1", "gl-oops=1"] {
            assert!(plan(&format!("/x?{bad}")).is_err(), "{bad}");
        }
    }
}
