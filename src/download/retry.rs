//! When a failed transfer is tried again, and after how long.
//!
//! The wait is random between nothing and a bound that doubles: "full jitter", which keeps clients that failed together
//! from coming back together (Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::StatusCode;

/// The bound of the first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The bound that no later one exceeds.
const LONGEST: Duration = Duration::from_secs(30);

/// Whether a server that answers so may answer otherwise soon.
///
/// ```
/// use glassloop::download::is_worth_retrying;
/// use http::StatusCode;
///
/// assert!(is_worth_retrying(StatusCode::SERVICE_UNAVAILABLE));
/// assert!(!is_worth_retrying(StatusCode::NOT_FOUND));
/// ```
pub fn is_worth_retrying(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504 | 522 | 524)
}

/// The waits of one transfer between its attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// Attempts that have failed.
    failures: u32,
    /// Attempts that may still be made.
    left: u32,
}

impl Backoff {
    /// A transfer that may be tried again this often.
    pub fn new(retries: u32) -> Backoff {
        Backoff { failures: 0, left: retries }
    }

    /// An attempt has failed: how long to wait before the next, or `None` if there is none. `least` is what the server
    /// asked for with `Retry-After`.
    pub fn next_wait(&mut self, least: Option<Duration>) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let bound = FIRST.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures += 1;
        let wait = bound.mul_f64(random_fraction());
        Some(wait.max(least.unwrap_or(Duration::ZERO)))
    }
}

/// A number in [0, 1), different each time: the standard library seeds its hash maps from the system's randomness.
fn random_fraction() -> f64 {
    let random = RandomState::new().hash_one(0);
    // The 53 bits that an f64 can hold.
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_the_wait_doubles_and_ends_at_thirty_seconds() {
        let mut backoff = Backoff::new(20);
        for attempt in 0..20 {
            let bound = (0.5 * f64::from(2u32.pow(attempt))).min(30.0);
            let wait = backoff.next_wait(None).expect("a retry is left");
            assert!(wait.as_secs_f64() <= bound, "{wait:?} after attempt {attempt}");
        }
        assert_eq!(backoff.next_wait(None), None);
    }

    #[test]
    fn the_server_s_own_wait_is_the_least() {
        let asked = Duration::from_secs(77);
        assert_eq!(Backoff::new(1).next_wait(Some(asked)), Some(asked));
    }
}
