//! Whether what is on disk and what the server has are the same thing, and how to ask for the rest of it.
//!
//! A part is continued only if that is proven: by a strong `ETag`, else by `Last-Modified`, sent as `If-Range` (RFC 9110
//! §13.1.5), and by everything that the answer then says of itself.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// Which version of which resource a part is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartState {
    /// Without a user name or a password.
    pub(super) url: String,
    /// As it came.
    pub(super) etag: Option<String>,
    /// As it came.
    pub(super) last_modified: Option<String>,
    /// How many bytes the whole has, if that was said.
    pub(super) total: Option<u64>,
}

impl PartState {
    /// The version that this answer to a plain GET is of.
    pub(super) fn of(url: &str, headers: &HeaderMap, total: Option<u64>) -> PartState {
        let last_modified = text(headers, &LAST_MODIFIED).filter(|date| !is_recent(date, headers));
        PartState { url: url.to_owned(), etag: text(headers, &ETAG), last_modified, total }
    }

    /// What proves that the server still has this version. Weak validators do not: they allow for other bytes.
    pub(super) fn validator(&self) -> Option<&str> {
        let is_strong = |etag: &&str| etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"');
        let strong = self.etag.as_deref().filter(is_strong);
        strong.or(self.last_modified.as_deref())
    }

    /// The same, to be continued by nobody.
    pub(super) fn without_validators(self) -> PartState {
        PartState { etag: None, last_modified: None, ..self }
    }

    pub(super) fn to_json(&self) -> String {
        json!({
            "v": 1, "url": self.url, "etag": self.etag, "last_modified": self.last_modified, "total": self.total,
        })
        .to_string()
    }

    pub(super) fn from_json(text: &str) -> Option<PartState> {
        let state: Value = serde_json::from_str(text).ok()?;
        let optional = |key: &str| state[key].as_str().map(str::to_owned);
        (state["v"] == 1).then_some(())?;
        Some(PartState {
            url: optional("url")?,
            etag: optional("etag"),
            last_modified: optional("last_modified"),
            total: state["total"].as_u64(),
        })
    }

    /// Whether a 206 carries on where `written` bytes of this version end, and to the end of it.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn check_continues(&self, headers: &HeaderMap, written: u64) -> Result<(), &'static str> {
        let range = single(headers, &CONTENT_RANGE).and_then(ContentRange::parse);
        let Some(ContentRange::Part { first, last, total }) = range else {
            return Err("it does not say which part of the file it is");
        };
        if first != written {
            return Err("it begins somewhere else");
        }
        if self.total.is_some_and(|known| total.is_some_and(|total| total != known)) {
            return Err("the file has another size now");
        }
        if total.or(self.total).is_some_and(|total| last + 1 != total) {
            return Err("it does not go to the end of the file");
        }
        if content_length(headers).is_some_and(|length| length != last - first + 1) {
            return Err("its length is not that of the part");
        }
        let differs =
            |name, ours: &Option<String>| text(headers, name).is_some_and(|theirs| Some(&theirs) != ours.as_ref());
        if differs(&ETAG, &self.etag) || (self.etag.is_none() && differs(&LAST_MODIFIED, &self.last_modified)) {
            return Err("it is of another version");
        }
        Ok(())
    }

    /// Whether a 416 says that the `written` bytes are all there are.
    pub(super) fn is_complete(&self, headers: &HeaderMap, written: u64) -> bool {
        let range = single(headers, &CONTENT_RANGE).and_then(ContentRange::parse);
        range == Some(ContentRange::Unsatisfied { total: written }) && self.total.is_none_or(|total| total == written)
    }
}

/// RFC 9110 §14.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentRange {
    Part { first: u64, last: u64, total: Option<u64> },
    Unsatisfied { total: u64 },
}

impl ContentRange {
    fn parse(value: &str) -> Option<ContentRange> {
        let (unit, rest) = value.trim().split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, total) = rest.trim().split_once('/')?;
        if range == "*" {
            return Some(ContentRange::Unsatisfied { total: digits(total)? });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (digits(first)?, digits(last)?);
        let total = if total == "*" { None } else { Some(digits(total)?) };
        let fits = first <= last && total.is_none_or(|total| last < total);
        fits.then_some(ContentRange::Part { first, last, total })
    }
}

/// Whether the file was changed in the very second of the answer, so that its date may stay the same when it is changed
/// once more (RFC 9110 §8.8.2.2).
fn is_recent(last_modified: &str, headers: &HeaderMap) -> bool {
    let date = single(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let modified = httpdate::parse_http_date(last_modified).ok();
    date.zip(modified).is_some_and(|(date, modified)| modified >= date)
}

/// Digits and nothing else: `parse` would take a sign.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    digits(single(headers, &CONTENT_LENGTH)?)
}

/// The value of a field that comes once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value: &HeaderValue = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    single(headers, name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> PartState {
        PartState {
            url: "http://a.test/".to_owned(),
            etag: Some("\"1\"".to_owned()),
            last_modified: Some("then".to_owned()),
            total: Some(100),
        }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields =
            fields.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        fields.collect()
    }

    #[test]
    fn a_part_is_continued_only_by_what_fits_in_every_way() {
        let range = ("content-range", "bytes 40-99/100");
        for (fields, fits) in [
            (vec![range], true),
            (vec![range, ("content-length", "60"), ("etag", "\"1\"")], true),
            (vec![("content-range", "bytes 40-99/*")], true),
            (vec![("content-range", "Bytes 40-99/100"), ("last-modified", "now")], true),
            (vec![], false),
            (vec![range, range], false),
            (vec![("content-range", "bytes 0-99/100")], false),
            (vec![("content-range", "bytes 40-98/100")], false),
            (vec![("content-range", "bytes 40-99/101")], false),
            (vec![("content-range", "bytes 40-100/101")], false),
            (vec![("content-range", "bytes +40-99/100")], false),
            (vec![("content-range", "bytes 99-40/100")], false),
            (vec![("content-range", "lines 40-99/100")], false),
            (vec![range, ("content-length", "61")], false),
            (vec![range, ("etag", "\"2\"")], false),
        ] {
            assert_eq!(state().check_continues(&headers(&fields), 40).is_ok(), fits, "{fields:?}");
        }
    }

    #[test]
    fn without_an_etag_the_date_has_to_be_the_same() {
        let state = PartState { etag: None, ..state() };
        let with_date = |date| headers(&[("content-range", "bytes 40-99/100"), ("last-modified", date)]);
        assert!(state.check_continues(&with_date("then"), 40).is_ok());
        assert!(state.check_continues(&with_date("now"), 40).is_err());
    }

    #[test]
    fn a_416_is_the_end_if_it_says_that_there_is_no_more() {
        let says = |range| headers(&[("content-range", range)]);
        assert!(state().is_complete(&says("bytes */100"), 100));
        assert!(!state().is_complete(&says("bytes */100"), 99));
        assert!(!PartState { total: Some(99), ..state() }.is_complete(&says("bytes */100"), 100));
        assert!(!state().is_complete(&headers(&[]), 100));
    }

    #[test]
    fn a_date_that_may_stay_the_same_proves_nothing() {
        let answered = |date| {
            let fields = headers(&[("date", date), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
            PartState::of("http://a.test/", &fields, None)
        };
        assert!(answered("Sun, 06 Nov 1994 08:49:38 GMT").validator().is_some());
        assert!(answered("Sun, 06 Nov 1994 08:49:37 GMT").validator().is_none());
    }

    #[test]
    fn a_weak_etag_proves_nothing() {
        let weak = PartState { etag: Some("W/\"1\"".to_owned()), ..state() };
        assert_eq!((state().validator(), weak.validator()), (Some("\"1\""), Some("then")));
        assert_eq!(PartState { last_modified: None, ..weak }.validator(), None);
        let broken = PartState { etag: Some(String::new()), last_modified: None, ..state() };
        assert_eq!(broken.validator(), None);
        assert_eq!(state().without_validators().validator(), None);
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for state in [state(), PartState::default(), state().without_validators()] {
            assert_eq!(PartState::from_json(&state.to_json()), Some(state));
        }
        for broken in ["", "{}", "[1]", "{\"v\":2,\"url\":\"x\"}", "{\"v\":1}"] {
            assert_eq!(PartState::from_json(broken), None, "{broken}");
        }
    }
}
