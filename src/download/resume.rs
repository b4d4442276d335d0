//! Decides whether a partial download can be resumed, and builds and checks the range request for the rest.
//!
//! A partial download is resumed only if the server provably still has the same version: by a strong `ETag`, or else by
//! `Last-Modified`, sent as `If-Range` (RFC 9110 §13.1.5), and by checking all metadata of the response.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The resource and the version that a partial download belongs to. This is the content of its state file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartState {
    /// The URL, without userinfo.
    pub(super) url: String,
    /// The `ETag` header, unmodified.
    pub(super) etag: Option<String>,
    /// The `Last-Modified` header, unmodified.
    pub(super) last_modified: Option<String>,
    /// The size of the whole file in bytes, if it is known.
    pub(super) total: Option<u64>,
    /// The URL at the end of the redirect chain, without userinfo; `None` if there were no redirects.
    pub(super) source: Option<String>,
}

/// The inode numbers of a part and of the state file that describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartIdentity {
    pub(super) part: u64,
    pub(super) state: u64,
}

impl PartState {
    /// Creates the state from the response to a plain `GET`.
    pub(super) fn of(url: &str, source: Option<&str>, headers: &HeaderMap, total: Option<u64>) -> PartState {
        let last_modified = text(headers, &LAST_MODIFIED).filter(|date| !is_weak_last_modified(date, headers));
        let (url, source) = (url.to_owned(), source.map(str::to_owned));
        PartState { url, etag: text(headers, &ETAG), last_modified, total, source }
    }

    /// Returns the validator that proves that the server still has this version. Weak validators do not, since they
    /// permit different bytes.
    pub(super) fn validator(&self) -> Option<&str> {
        self.strong_etag().or(self.last_modified.as_deref())
    }

    fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| is_strong(etag))
    }

    /// Returns whether both states are known to be of the same version, so that their bytes are identical.
    pub(super) fn is_same_version(&self, other: &PartState) -> bool {
        self.strong_etag().is_some()
            && self.total.is_some()
            && (&self.url, &self.source, &self.etag, self.total)
                == (&other.url, &other.source, &other.etag, other.total)
    }

    /// Returns whether a download of `url` may request the rest of this file. With a strong `ETag` and a known length,
    /// a URL that differs only in its query, such as one with a new signature, counts as the same resource.
    pub(super) fn is_of(&self, url: &str) -> bool {
        self.validator().is_some() && self.is_same_resource(&self.url, url)
    }

    /// Returns whether the bytes came from this URL, as in [`is_of`](Self::is_of). A validator must not be sent for
    /// another resource, where the same `ETag` may mean something else.
    pub(super) fn came_from(&self, here: &str) -> bool {
        self.is_same_resource(self.source.as_ref().unwrap_or(&self.url), here)
    }

    fn is_same_resource(&self, ours: &str, theirs: &str) -> bool {
        let without_query = |url: &str| url.split('?').next().map(str::to_owned);
        ours == theirs
            || (self.strong_etag().is_some() && self.total.is_some() && without_query(ours) == without_query(theirs))
    }

    /// Returns the state without validators, so that the part can never be resumed.
    pub(super) fn without_validators(self) -> PartState {
        PartState { etag: None, last_modified: None, ..self }
    }

    pub(super) fn to_json(&self, identity: Option<PartIdentity>) -> String {
        json!({
            "v": 1, "url": self.url, "etag": self.etag, "last_modified": self.last_modified, "total": self.total,
            "source": self.source,
            "inode": identity.map(|identity| identity.part), "state_inode": identity.map(|identity| identity.state),
        })
        .to_string()
    }

    pub(super) fn from_json(text: &str) -> Option<(PartState, Option<PartIdentity>)> {
        let state: Value = serde_json::from_str(text).ok()?;
        let optional = |key: &str| state[key].as_str().map(str::to_owned);
        (state["v"] == 1).then_some(())?;
        let identity = state["inode"].as_u64().zip(state["state_inode"].as_u64());
        let state = PartState {
            url: optional("url")?,
            etag: optional("etag"),
            last_modified: optional("last_modified"),
            total: state["total"].as_u64(),
            source: optional("source"),
        };
        Some((state, identity.map(|(part, state)| PartIdentity { part, state })))
    }

    /// Checks that a 206 response continues this version after `written` bytes, up to its end. Returns the size of the
    /// whole file.
    ///
    /// # Errors
    /// A description of the mismatch.
    pub(super) fn validate_partial_response(&self, headers: &HeaderMap, written: u64) -> Result<u64, &'static str> {
        let range = single(headers, &CONTENT_RANGE).and_then(ContentRange::parse);
        let Some(ContentRange::Part { first, last, total }) = range else {
            return Err("no valid Content-Range");
        };
        if first != written {
            return Err("Content-Range starts at the wrong offset");
        }
        if self.total.is_some_and(|known| total.is_some_and(|total| total != known)) {
            return Err("the size of the file has changed");
        }
        let Some(total) = total.or(self.total) else { return Err("the size of the file is unknown") };
        if last + 1 != total {
            return Err("Content-Range does not extend to the end of the file");
        }
        if content_length(headers).is_some_and(|length| length != last - first + 1) {
            return Err("Content-Length does not match Content-Range");
        }
        // A server that ignores `If-Range` may send a range of another version, so the response must repeat the
        // validator.
        if !self.is_repeated(headers) {
            return Err("the validator (ETag or Last-Modified) is missing or differs");
        }
        if self.is_contradicted(headers) {
            return Err("the remote file has changed");
        }
        Ok(total)
    }

    /// Returns whether a validator in the response shows that the remote file has changed.
    fn is_contradicted(&self, headers: &HeaderMap) -> bool {
        let other_date = self.last_modified.is_some()
            && text(headers, &LAST_MODIFIED).is_some_and(|date| Some(date) != self.last_modified);
        other_date || text(headers, &ETAG).is_some_and(|etag| Some(etag) != self.etag)
    }

    /// Returns whether a 416 response confirms that the `written` bytes are the complete file. If the length of this
    /// version is not known, the response must repeat the validator: another version may have just this length.
    pub(super) fn is_complete(&self, headers: &HeaderMap, written: u64) -> bool {
        let range = single(headers, &CONTENT_RANGE).and_then(ContentRange::parse);
        range == Some(ContentRange::Unsatisfied { total: written })
            && self.total.map_or_else(|| self.is_repeated(headers), |total| total == written)
            && !self.is_contradicted(headers)
    }

    /// Returns whether the response repeats the validator that was sent.
    fn is_repeated(&self, headers: &HeaderMap) -> bool {
        let (name, ours) = match self.strong_etag() {
            Some(etag) => (&ETAG, Some(etag)),
            None => (&LAST_MODIFIED, self.last_modified.as_deref()),
        };
        ours.is_some() && text(headers, name).as_deref() == ours
    }
}

/// The `Content-Range` header (RFC 9110 §14.4).
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

/// Returns whether an `ETag` is a strong validator, which changes whenever the content does.
pub(super) fn is_strong(etag: &str) -> bool {
    etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')
}

/// The assumed maximum by which the clock of a server is behind ours, if the server sends no `Date`.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Returns whether the file was modified in the same second in which the response was sent, or later. If the file is
/// modified again in that second, its date stays the same, so the date is not a strong validator (RFC 9110 §8.8.2.2).
/// Without a valid `Date`, the time of the response is estimated with our own clock, minus [`CLOCK_SKEW`].
pub(super) fn is_weak_last_modified(last_modified: &str, headers: &HeaderMap) -> bool {
    let date = single(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let date = date.unwrap_or_else(|| SystemTime::now() - CLOCK_SKEW);
    httpdate::parse_http_date(last_modified).is_ok_and(|modified| modified >= date)
}

/// Parses a number that consists of digits only: `parse` would accept a sign.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    digits(single(headers, &CONTENT_LENGTH)?)
}

/// Returns the value of a header that occurs exactly once.
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
            source: None,
        }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields =
            fields.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        fields.collect()
    }

    #[test]
    fn a_206_must_match_the_part_in_every_respect() {
        let (range, same) = (("content-range", "bytes 40-99/100"), ("etag", "\"1\""));
        for (fields, fits) in [
            (vec![range, same], true),
            (vec![range, same, ("content-length", "60"), ("last-modified", "then")], true),
            (vec![("content-range", "bytes 40-99/*"), same], true),
            (vec![("content-range", "Bytes 40-99/100"), same], true),
            (vec![same], false),
            (vec![range, range, same], false),
            (vec![("content-range", "bytes 0-99/100"), same], false),
            (vec![("content-range", "bytes 40-98/100"), same], false),
            (vec![("content-range", "bytes 40-99/101"), same], false),
            (vec![("content-range", "bytes 40-100/101"), same], false),
            (vec![("content-range", "bytes +40-99/100"), same], false),
            (vec![("content-range", "bytes 99-40/100"), same], false),
            (vec![("content-range", "lines 40-99/100"), same], false),
            (vec![range, same, ("content-length", "61")], false),
            (vec![range, ("etag", "\"2\"")], false),
            (vec![range, same, ("last-modified", "now")], false),
            // A server that ignores `If-Range` may send no validator.
            (vec![range], false),
            (vec![range, ("last-modified", "then")], false),
        ] {
            assert_eq!(
                state().validate_partial_response(&headers(&fields), 40).ok(),
                fits.then_some(100),
                "{fields:?}"
            );
        }
        let unknown = PartState { total: None, ..state() };
        assert_eq!(unknown.validate_partial_response(&headers(&[range, same]), 40), Ok(100));
        assert!(unknown.validate_partial_response(&headers(&[("content-range", "bytes 40-99/*"), same]), 40).is_err());
    }

    #[test]
    fn a_url_may_differ_in_its_query_if_a_strong_etag_and_the_length_are_known() {
        let state = PartState { url: "http://a.test/f?sig=1".to_owned(), ..state() };
        let dated = PartState { etag: None, ..state.clone() };
        let endless = PartState { total: None, ..state.clone() };
        for (url, fits) in [("http://a.test/f?sig=1", [true; 3]), ("http://a.test/f?sig=2", [true, false, false])] {
            assert_eq!([&state, &dated, &endless].map(|state| state.is_of(url)), fits, "{url}");
            assert_eq!([&state, &dated, &endless].map(|state| state.came_from(url)), fits, "{url}");
        }
        for other in ["http://a.test/g?sig=1", "http://b.test/f?sig=1"] {
            assert!(!state.is_of(other) && !state.came_from(other), "{other}");
        }
        let redirected = PartState { source: Some("http://b.test/g".to_owned()), ..state };
        assert!(redirected.is_of("http://a.test/f") && redirected.came_from("http://b.test/g?x"));
        assert!(!redirected.came_from("http://a.test/f"));
    }

    #[test]
    fn the_same_version_means_the_same_strong_etag_length_and_url() {
        assert!(state().is_same_version(&state()));
        let weak = PartState { etag: Some("W/\"1\"".to_owned()), ..state() };
        let endless = PartState { total: None, ..state() };
        let elsewhere = PartState { source: Some("http://b.test/".to_owned()), ..state() };
        let signed = PartState { url: "http://a.test/?2".to_owned(), ..state() };
        for other in [&weak, &endless, &elsewhere, &signed] {
            assert!(!state().is_same_version(other) && !other.is_same_version(&state()), "{other:?}");
        }
        assert!(!weak.is_same_version(&weak) && !endless.is_same_version(&endless));
    }

    #[test]
    fn without_an_etag_the_date_must_be_the_same() {
        let state = PartState { etag: None, ..state() };
        let with_date = |date| headers(&[("content-range", "bytes 40-99/100"), ("last-modified", date)]);
        assert!(state.validate_partial_response(&with_date("then"), 40).is_ok());
        assert!(state.validate_partial_response(&with_date("now"), 40).is_err());
    }

    #[test]
    fn a_416_completes_a_part_whose_length_it_confirms() {
        let says = |range| headers(&[("content-range", range)]);
        assert!(state().is_complete(&says("bytes */100"), 100));
        assert!(!state().is_complete(&says("bytes */100"), 99));
        assert!(!PartState { total: Some(99), ..state() }.is_complete(&says("bytes */100"), 100));
        assert!(!state().is_complete(&headers(&[]), 100));
        // Without a known length, the number alone may be that of another version.
        let unknown = PartState { total: None, ..state() };
        assert!(!unknown.is_complete(&says("bytes */100"), 100));
        assert!(unknown.is_complete(&headers(&[("content-range", "bytes */100"), ("etag", "\"1\"")]), 100));
        for (field, is_ours) in
            [(("etag", "\"1\""), true), (("etag", "\"2\""), false), (("last-modified", "now"), false)]
        {
            let answer = headers(&[("content-range", "bytes */100"), field]);
            assert_eq!(state().is_complete(&answer, 100), is_ours, "{field:?}");
        }
    }

    #[test]
    fn a_last_modified_of_the_same_second_as_the_response_is_no_validator() {
        let answered = |date| {
            let fields = headers(&[("date", date), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
            PartState::of("http://a.test/", None, &fields, None)
        };
        assert!(answered("Sun, 06 Nov 1994 08:49:38 GMT").validator().is_some());
        assert!(answered("Sun, 06 Nov 1994 08:49:37 GMT").validator().is_none());
    }

    #[test]
    fn a_weak_etag_is_no_validator() {
        let weak = PartState { etag: Some("W/\"1\"".to_owned()), ..state() };
        assert_eq!((state().validator(), weak.validator()), (Some("\"1\""), Some("then")));
        assert_eq!(PartState { last_modified: None, ..weak }.validator(), None);
        let broken = PartState { etag: Some(String::new()), last_modified: None, ..state() };
        assert_eq!(broken.validator(), None);
        assert_eq!(state().without_validators().validator(), None);
    }

    #[test]
    fn a_state_file_round_trips() {
        for state in [state(), PartState::default(), state().without_validators()] {
            for identity in [None, Some(PartIdentity { part: 7, state: u64::MAX })] {
                assert_eq!(PartState::from_json(&state.to_json(identity)), Some((state.clone(), identity)));
            }
        }
        for broken in ["", "{}", "[1]", "{\"v\":2,\"url\":\"x\"}", "{\"v\":1}"] {
            assert_eq!(PartState::from_json(broken), None, "{broken}");
        }
    }
}
