//! When a failed transfer is tried again, and after how long.
//!
//! The wait is random between nothing and a bound that doubles: "full jitter", which keeps clients that failed together
//! from coming back together (Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

#[cfg(feature = "tls")]
use crate::http::client::TunnelError;
use crate::http::client::{ClientError, ClientErrorKind};
use crate::http::proto::ProtocolErrorKind;
use crate::net::ConnectError;

/// The bound of the first wait.
pub(super) const FIRST: Duration = Duration::from_millis(500);
/// The bound that no later one exceeds.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

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

/// Whether what broke an exchange may not break the next one: limits on time, resets, hosts that refuse or cannot be
/// reached, names that cannot be looked up just now, heads and bodies that end too early. Not what a server says on
/// purpose, be it ever so wrong.
pub fn may_heal(error: &ClientError) -> bool {
    match error.kind() {
        ClientErrorKind::Resolve(error) => error.is_temporary,
        ClientErrorKind::Connect(ConnectError::NoAddress) => false,
        #[cfg(feature = "tls")]
        ClientErrorKind::Tunnel(error) => match error {
            TunnelError::Refused(status) => is_worth_retrying(*status),
            TunnelError::Protocol(error) => is_cut_off(error.kind),
            TunnelError::Unasked => false,
            TunnelError::Write(_) | TunnelError::Read(_) | TunnelError::TimedOut { .. } => true,
        },
        // A certificate, or a server that refuses, will be the same the next time.
        #[cfg(feature = "tls")]
        ClientErrorKind::Tls(error) => error.is_disconnect() || error.is_timeout(),
        ClientErrorKind::ResolveTimedOut { .. }
        | ClientErrorKind::Connect(_)
        | ClientErrorKind::Write(_)
        | ClientErrorKind::Read(_)
        | ClientErrorKind::HeadTimedOut { .. }
        | ClientErrorKind::BodyIdle { .. } => true,
        ClientErrorKind::Protocol(error) => is_cut_off(error.kind),
        _ => false,
    }
}

/// Whether the peer went away in the middle: a fault of the network as a rule, and not of what was said.
pub(super) fn is_cut_off(kind: ProtocolErrorKind) -> bool {
    matches!(kind, ProtocolErrorKind::EmptyReply | ProtocolErrorKind::TruncatedHead | ProtocolErrorKind::TruncatedBody)
}

/// How long a server asks to wait (RFC 9110 §10.2.3): seconds, or a date.
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
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is a very long time all the same.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
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
pub(super) fn random_fraction() -> f64 {
    let random = RandomState::new().hash_one(0);
    // The 53 bits that an f64 can hold.
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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

    #[test]
    fn a_server_asks_for_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        for (value, seconds) in [
            ("7", Some(7)),
            ("99999999", Some(99_999_999)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("+7", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let headers: HeaderMap = [(RETRY_AFTER, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(retry_after(&headers, now).map(|wait| wait.as_secs()), seconds, "{value}");
        }
    }
}
