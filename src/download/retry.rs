//! Retry policy: which errors are transient, and how long to wait before the next attempt.
//!
//! The wait is random between zero and a bound that doubles. This is "full jitter": it keeps clients that failed at the
//! same time from all retrying at the same time (Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog,
//! 2015).

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

#[cfg(feature = "tls")]
use crate::http::client::TunnelError;
use crate::http::client::{ClientError, ClientErrorKind};
use crate::http::proto::ProtocolErrorKind;
use crate::net::ConnectError;

/// The initial bound of the backoff.
pub(super) const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
/// The maximum bound of the backoff.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Returns whether a response status is likely to be transient, so that a retry may succeed.
///
/// ```
/// use glassloop::download::is_retryable_status;
/// use http::StatusCode;
///
/// assert!(is_retryable_status(StatusCode::SERVICE_UNAVAILABLE));
/// assert!(!is_retryable_status(StatusCode::NOT_FOUND));
/// ```
pub fn is_retryable_status(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504 | 522 | 524)
}

/// Returns whether an error is transient: timeouts, connection resets, refused connections and unreachable hosts,
/// temporary DNS failures, and responses that end too early. Protocol violations are permanent.
fn is_transient(error: &ClientError) -> bool {
    match error.kind() {
        ClientErrorKind::Resolve(error) => error.is_temporary,
        ClientErrorKind::Connect(ConnectError::NoAddress) => false,
        #[cfg(feature = "tls")]
        ClientErrorKind::Tunnel(error) => match error {
            TunnelError::Rejected(status) => is_retryable_status(*status),
            TunnelError::Protocol(error) => is_truncated_message(error.kind),
            TunnelError::UnexpectedData => false,
            TunnelError::Write(_) | TunnelError::Read(_) | TunnelError::TimedOut { .. } => true,
        },
        // An untrusted certificate, or a server that aborts the handshake, will lead to the same error next time.
        #[cfg(feature = "tls")]
        ClientErrorKind::Tls(error) => error.is_disconnect() || error.is_timeout(),
        ClientErrorKind::ResolveTimedOut { .. }
        | ClientErrorKind::Connect(_)
        | ClientErrorKind::Write(_)
        | ClientErrorKind::Read(_)
        | ClientErrorKind::HeadTimedOut { .. }
        | ClientErrorKind::BodyTimedOut { .. } => true,
        ClientErrorKind::Protocol(error) => is_truncated_message(error.kind),
        _ => false,
    }
}

/// Returns whether the peer closed the connection in the middle of a message. That is usually a network failure, not a
/// protocol error.
pub(super) fn is_truncated_message(kind: ProtocolErrorKind) -> bool {
    matches!(kind, ProtocolErrorKind::EmptyReply | ProtocolErrorKind::TruncatedHead | ProtocolErrorKind::TruncatedBody)
}

/// Returns the delay that a `Retry-After` header requests (RFC 9110 §10.2.3): a number of seconds, or the time until a
/// date. A date is compared with the response's own `Date`, so that a wrong server clock does not matter, or with `now`
/// if there is none.
///
/// If there are several header lines, the longest delay counts; values that are neither a number nor a date are
/// ignored. A date in the past is a delay of zero.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use glassloop::download::retry_after;
/// use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(RETRY_AFTER, HeaderValue::from_static("120"));
/// assert_eq!(retry_after(&headers, SystemTime::now()), Some(Duration::from_secs(120)));
/// ```
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let values = headers.get_all(RETRY_AFTER).iter().filter_map(|value| Some(value.to_str().ok()?.trim()));
    values.filter_map(|value| wait_in(value, server_time(headers).unwrap_or(now))).max()
}

fn wait_in(value: &str, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is clamped to the maximum.
        let seconds = value.parse().unwrap_or(u64::MAX).min(u64::from(u32::MAX));
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Returns the time by the server's clock, if the response has exactly one valid `Date`.
pub(super) fn server_time(headers: &HeaderMap) -> Option<SystemTime> {
    let mut dates = headers.get_all(DATE).iter();
    let date = dates.next().filter(|_| dates.next().is_none())?;
    httpdate::parse_http_date(date.to_str().ok()?.trim()).ok()
}

/// Whether a request is retried after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The transfer is not retried: the error is permanent, or `Retry-After` exceeds the limit.
    Never,
    /// The transfer is retried after a backoff, of at least this duration if there is one.
    After(Option<Duration>),
}

impl Retry {
    /// Decides whether to retry after an error of the HTTP client.
    pub fn after_error(error: &ClientError) -> Retry {
        if is_transient(error) { Retry::After(None) } else { Retry::Never }
    }

    /// Decides whether to retry after an error status. `requested` is the duration of `Retry-After`; if it exceeds
    /// `max_wait`, there is no retry.
    pub fn after_status(is_retryable: bool, requested: Option<Duration>, max_wait: Duration) -> Retry {
        match requested {
            Some(requested) if requested > max_wait => Retry::Never,
            requested if is_retryable => Retry::After(requested),
            _ => Retry::Never,
        }
    }
}

/// The backoff of one transfer: how long to wait between attempts, and how many retries are left.
///
/// Up to 32 retries after attempts with progress are free: they do not reduce the number of retries that are left.
/// Progress of 64 KiB restores all retries, including the free ones.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// The number of retries of a transfer.
    retries: u32,
    /// The number of retries that are left.
    left: u32,
    /// The number of consecutive failed attempts without progress.
    failures: u32,
    /// The number of bytes of the file that were available after the last attempt.
    reached: u64,
    /// The number of bytes that were available when all retries were last restored.
    milestone: u64,
    /// The number of free retries that are left, for attempts with progress.
    left_after_progress: u32,
    /// How many more times an attempt may end with fewer bytes than the previous one.
    left_after_loss: u32,
    has_progressed: bool,
}

/// The progress, in bytes, that restores all retries.
const MIN_PROGRESS_BYTES: u64 = 64 * 1024;

/// The number of free retries after attempts with less progress than [`MIN_PROGRESS_BYTES`]: a server may close each
/// connection after a few KiB.
const RETRIES_AFTER_PROGRESS: u32 = 32;

impl Backoff {
    /// Creates the backoff of a transfer with this number of retries.
    pub fn new(retries: u32) -> Backoff {
        Backoff::starting_at(0, retries)
    }

    /// Creates the backoff of a transfer that starts with `bytes` bytes of the file available.
    pub fn starting_at(bytes: u64, retries: u32) -> Backoff {
        Backoff {
            retries,
            left: retries,
            failures: 0,
            reached: bytes,
            milestone: bytes,
            left_after_progress: RETRIES_AFTER_PROGRESS,
            left_after_loss: retries,
            has_progressed: false,
        }
    }

    /// Records the number of bytes of the file that are available after a failed attempt.
    pub fn reached(&mut self, bytes: u64) {
        self.has_progressed = bytes > self.reached;
        if bytes >= self.milestone.saturating_add(MIN_PROGRESS_BYTES) {
            self.milestone = bytes;
            (self.left, self.failures, self.left_after_progress) = (self.retries, 0, RETRIES_AFTER_PROGRESS);
        } else if bytes < self.reached {
            // The file was restarted from zero. Progress is measured from the new size, but only a limited number of
            // times.
            match self.left_after_loss.checked_sub(1) {
                Some(left) => (self.left_after_loss, self.milestone) = (left, bytes),
                None => self.left = 0,
            }
        }
        self.reached = bytes;
    }

    /// Returns the wait before the next attempt; `None` if there is no next attempt, because the error is permanent or
    /// no retries are left.
    pub fn next_wait(&mut self, retry: Retry) -> Option<Duration> {
        let Retry::After(least) = retry else { return None };
        let bound = INITIAL_BACKOFF.saturating_mul(2u32.saturating_pow(self.failures)).min(MAX_BACKOFF);
        let is_free = std::mem::take(&mut self.has_progressed) && self.retries > 0 && self.left_after_progress > 0;
        if is_free {
            self.left_after_progress -= 1;
        } else {
            self.left = self.left.checked_sub(1)?;
            self.failures += 1;
        }
        let wait = bound.mul_f64(random_fraction());
        Some(wait.max(least.unwrap_or(Duration::ZERO)))
    }
}

/// The number of retries of a host that are not delayed, in addition to one for every [`REQUESTS_PER_RETRY`] requests.
const FREE_RETRIES: u64 = 10;
const REQUESTS_PER_RETRY: u64 = 5;

/// The minimum interval between retries that exceed the budget.
const BETWEEN_RETRIES: Duration = Duration::from_millis(50);

/// The retry budget of one host. It spreads out retries, so that a failing host does not receive twice as many requests
/// as a healthy one.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    requests: u64,
    retries: u64,
    /// The earliest start of the next retry that exceeds the budget.
    next: Option<Instant>,
}

impl RetryBudget {
    pub(super) fn count_request(&mut self) {
        self.requests += 1;
    }

    /// Counts a retry, and returns the minimum delay before it.
    pub(super) fn delay(&mut self, now: Instant) -> Duration {
        if self.retries < FREE_RETRIES + self.requests / REQUESTS_PER_RETRY {
            self.retries += 1;
            return Duration::ZERO;
        }
        let start = self.next.map_or(now, |next| next.max(now));
        self.next = Some(start + BETWEEN_RETRIES);
        start - now
    }
}

/// Returns a random number in [0, 1). The source is [`RandomState`], which the standard library seeds randomly.
pub(super) fn random_fraction() -> f64 {
    let random = RandomState::new().hash_one(0);
    // An `f64` has 53 bits of precision.
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_bound_of_the_backoff_doubles_up_to_thirty_seconds() {
        let mut backoff = Backoff::new(20);
        for attempt in 0..20 {
            let bound = (0.5 * f64::from(2u32.pow(attempt))).min(30.0);
            let wait = backoff.next_wait(Retry::After(None)).expect("a retry is left");
            assert!(wait.as_secs_f64() <= bound, "{wait:?} after attempt {attempt}");
        }
        assert_eq!(backoff.next_wait(Retry::After(None)), None);
    }

    #[test]
    fn the_wait_is_at_least_that_of_retry_after() {
        let asked = Duration::from_secs(77);
        assert_eq!(Backoff::new(1).next_wait(Retry::After(Some(asked))), Some(asked));
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        for (value, seconds) in [
            ("7", Some(7)),
            ("99999999", Some(99_999_999)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::from(u32::MAX))),
            ("+7", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Sun, 06 Nov 1994 08:50:37", None),
            ("\u{e9}", None),
        ] {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            let headers: HeaderMap = [(RETRY_AFTER, value.clone())].into_iter().collect();
            assert_eq!(retry_after(&headers, now).map(|wait| wait.as_secs()), seconds, "{value:?}");
        }
    }

    #[test]
    fn the_longest_of_several_retry_after_headers_counts() {
        let now = SystemTime::now();
        for (values, seconds) in
            [(&["3", "7", "5"][..], Some(7)), (&["soon", "5"], Some(5)), (&["0", "0"], Some(0)), (&[], None)]
        {
            let headers: HeaderMap =
                values.iter().map(|value| (RETRY_AFTER, HeaderValue::from_static(value))).collect();
            assert_eq!(retry_after(&headers, now).map(|wait| wait.as_secs()), seconds, "{values:?}");
        }
    }

    #[test]
    fn retry_after_dates_are_relative_to_the_date_header() {
        let ours = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        let until = "Sun, 06 Nov 1994 08:50:07 GMT";
        for (dates, seconds) in [
            (&["Sun, 06 Nov 1994 08:49:57 GMT"][..], 10),
            (&["Fri, 04 Nov 1994 08:50:00 GMT"], 2 * 24 * 3600 + 7),
            (&["Sun, 06 Nov 1994 08:50:07 GMT"], 0),
            (&["Wed, 09 Nov 1994 08:49:37 GMT"], 0),
            // Our own time is used if that of the server is unknown.
            (&[], 30),
            (&["now"], 30),
            (&["Sun, 06 Nov 1994 08:49:57 GMT", "Sun, 06 Nov 1994 08:49:58 GMT"], 30),
        ] {
            let mut headers: HeaderMap = [(RETRY_AFTER, HeaderValue::from_static(until))].into_iter().collect();
            headers.extend(dates.iter().map(|date| (DATE, HeaderValue::from_static(date))));
            assert_eq!(retry_after(&headers, ours), Some(Duration::from_secs(seconds)), "{dates:?}");
        }
    }

    /// Returns how many attempts a transfer makes if `left` returns the number of bytes available after each attempt.
    fn attempts(backoff: &mut Backoff, mut left: impl FnMut(u32) -> u64, at_most: u32) -> u32 {
        (1..at_most)
            .find(|&attempt| {
                backoff.reached(left(attempt));
                backoff.next_wait(Retry::After(None)).is_none()
            })
            .unwrap_or(at_most)
    }

    #[test]
    fn attempts_with_progress_do_not_use_up_retries() {
        const KIB: u64 = 1024;
        assert_eq!(attempts(&mut Backoff::new(3), |n| u64::from(n) * 300 * KIB, 1000), 1000);
        assert_eq!(attempts(&mut Backoff::new(3), |n| u64::from(n) * 10 * KIB, 1000), 1000);
        assert_eq!(attempts(&mut Backoff::new(1), |n| u64::from(n / 2) * 64 * KIB, 1000), 1000, "every other one");
        assert_eq!(attempts(&mut Backoff::starting_at(KIB * KIB, 3), |n| (u64::from(n) + 1024) * KIB, 1000), 36);
        // A transfer that never makes progress, and one that is always interrupted at the same offset.
        assert_eq!(attempts(&mut Backoff::new(3), |_| 0, 1000), 4);
        assert_eq!(attempts(&mut Backoff::new(3), |_| 300 * KIB, 1000), 5);
        assert_eq!(attempts(&mut Backoff::new(0), |n| u64::from(n) * 300 * KIB, 1000), 1, "no retries are none");
    }

    #[test]
    fn a_restarted_file_makes_progress_again_but_only_a_limited_number_of_times() {
        let sizes = [900_000, 300_000, 600_000, 900_000, 1_200_000];
        let mut backoff = Backoff::starting_at(2_000_000, 3);
        assert_eq!(attempts(&mut backoff, |n| sizes[n as usize % sizes.len()], 6), 6);
        let always_less_and_more = |n: u32| if n.is_multiple_of(2) { 300_000 } else { 600_000 };
        assert!(attempts(&mut Backoff::new(3), always_less_and_more, 1000) < 20);
    }

    #[test]
    fn retries_beyond_the_budget_are_spread_out_and_not_denied() {
        let (now, mut budget) = (Instant::now(), RetryBudget::default());
        (0..100).for_each(|_| budget.count_request());
        let delays: Vec<Duration> = (0..130).map(|_| budget.delay(now)).collect();
        assert_eq!(delays[..30], [Duration::ZERO; 30], "ten and a fifth of the requests");
        let later = &delays[30..];
        assert!(later.windows(2).all(|pair| pair[1] - pair[0] == BETWEEN_RETRIES), "{later:?}");
        // A retry that has waited need not wait again.
        let then = now + Duration::from_secs(60);
        assert_eq!((budget.delay(then), budget.delay(then)), (Duration::ZERO, BETWEEN_RETRIES));
    }
}
