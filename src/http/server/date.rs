//! The `Date` of an answer (RFC 9110 §6.6.1), written out once a second.

use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The last second's value.
#[derive(Debug, Default)]
pub(super) struct DateLine {
    /// The second, since 1970.
    second: Cell<u64>,
    value: RefCell<Option<HeaderValue>>,
}

impl DateLine {
    /// The value for this moment. A copy costs a reference count.
    pub(super) fn value(&self) -> HeaderValue {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second.replace(second) != second {
            self.value.take();
        }
        self.value.borrow_mut().get_or_insert_with(|| http_date(now)).clone()
    }
}

/// A point in time in the form that HTTP prefers (RFC 9110 §5.6.7).
pub(super) fn http_date(time: SystemTime) -> HeaderValue {
    // The crate panics for years above 9999, which a file's time may well be.
    const LAST: u64 = 253_402_300_799;
    let second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(second));
    HeaderValue::try_from(text).expect("a date is letters, digits, spaces, commas and colons")
}
