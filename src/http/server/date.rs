//! The `Date` field of responses (RFC 9110 §6.6.1), formatted once per second.

use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// A cache for the formatted date.
#[derive(Debug, Default)]
pub(super) struct DateCache {
    /// The time of `value`, in seconds since 1970.
    second: Cell<u64>,
    value: RefCell<Option<HeaderValue>>,
}

impl DateCache {
    /// Returns the current date. Cloning the value is cheap.
    pub(super) fn value(&self) -> HeaderValue {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second.replace(second) != second {
            self.value.take();
        }
        self.value.borrow_mut().get_or_insert_with(|| http_date(now)).clone()
    }
}

/// Formats a time as an IMF-fixdate (RFC 9110 §5.6.7).
pub(super) fn http_date(time: SystemTime) -> HeaderValue {
    // `httpdate` panics for years above 9999, which can occur in the timestamps of files.
    const LAST: u64 = 253_402_300_799;
    let second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(second));
    HeaderValue::try_from(text).expect("a date consists of visible ASCII characters")
}
