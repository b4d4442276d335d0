//! Conditional requests: is what the client has still what there is (RFC 9110 §13)?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::date::http_date;

/// What tells one state of a resource from another.
#[derive(Clone, Debug)]
pub struct Validators {
    /// A strong entity tag: it changes with every byte.
    pub(super) tag: HeaderValue,
    /// When the resource last changed, in whole seconds since 1970, and the same as a field value.
    pub(super) modified: Option<(u64, HeaderValue)>,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request is to be answered as if it had none.
    Proceed,
    /// The client has it already: 304.
    NotModified,
    /// The client meant another state of it: 412.
    Failed,
}

impl Validators {
    /// Validators with a strong entity tag, which is given without its quotes and may hold letters, digits and dashes.
    ///
    /// # Panics
    /// If there is anything else in it.
    pub fn new(tag: &str, modified: Option<SystemTime>) -> Validators {
        assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "`{tag}` is no entity tag");
        let tag = HeaderValue::try_from(format!("\"{tag}\"")).expect("letters, digits and dashes are visible");
        // A time that is still to come would not be believed (RFC 9110 §8.8.2.1).
        let modified = modified.filter(|modified| *modified <= SystemTime::now());
        Validators { tag, modified: modified.map(|modified| (seconds(modified), http_date(modified))) }
    }

    /// Evaluates the conditions of a GET or HEAD, in the order of RFC 9110 §13.2.2: tags before dates, since a date
    /// cannot tell two changes in one second apart.
    pub(super) fn judge(&self, fields: &HeaderMap) -> Verdict {
        let modified = self.modified.as_ref().map(|(seconds, _)| *seconds);
        if fields.contains_key(IF_MATCH) {
            if !self.is_among(fields, IF_MATCH, Comparison::Strong) {
                return Verdict::Failed;
            }
        } else if let (Some(modified), Some(since)) = (modified, date(fields, IF_UNMODIFIED_SINCE))
            && modified > since
        {
            return Verdict::Failed;
        }
        if fields.contains_key(IF_NONE_MATCH) {
            if self.is_among(fields, IF_NONE_MATCH, Comparison::Weak) {
                return Verdict::NotModified;
            }
        } else if let (Some(modified), Some(since)) = (modified, date(fields, IF_MODIFIED_SINCE))
            && modified <= since
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Whether a range may be sent: the client has none of it, or the state that it has a part of is still the one
    /// (RFC 9110 §13.1.5). Everything else would mix two states in one file.
    pub(super) fn allow_range(&self, fields: &HeaderMap) -> bool {
        let mut lines = fields.get_all(IF_RANGE).iter();
        let Some(validator) = lines.next() else { return true };
        if lines.next().is_some() {
            return false;
        }
        if validator.as_bytes().contains(&b'"') {
            return validator == self.tag;
        }
        // A date is strong only when the second that it names is over (§8.8.2.2).
        let Some((modified, _)) = &self.modified else { return false };
        date(fields, IF_RANGE) == Some(*modified) && seconds(SystemTime::now()) > *modified
    }

    fn is_among(&self, fields: &HeaderMap, name: HeaderName, comparison: Comparison) -> bool {
        fields.get_all(name).iter().any(|line| {
            let line = line.as_bytes().trim_ascii();
            line == b"*"
                || Tags { rest: line }
                    .any(|(weak, tag)| tag == self.tag.as_bytes() && !(weak && comparison == Comparison::Strong))
        })
    }
}

/// How tags are compared (RFC 9110 §8.8.3.2). Ours are strong, so it is about the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// The tags of a list, each with whether it is weak, up to the first thing that is none. A tag may have commas in it.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = (bool, &'a [u8]);

    fn next(&mut self) -> Option<(bool, &'a [u8])> {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let (is_weak, tag) = match self.rest.strip_prefix(b"W/") {
            Some(tag) => (true, tag),
            None => (false, self.rest),
        };
        let inner = tag.strip_prefix(b"\"")?;
        let length = inner.iter().position(|&byte| byte == b'"')? + 2;
        self.rest = &tag[length..];
        Some((is_weak, &tag[..length]))
    }
}

/// The date in a field that must have only one line; anything else is as good as none.
fn date(fields: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut lines = fields.get_all(name).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    httpdate::parse_http_date(line.to_str().ok()?).ok().map(seconds)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn validators() -> Validators {
        Validators::new("v-1", Some(httpdate::parse_http_date(MODIFIED).unwrap()))
    }

    fn fields(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(name, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    fn judge(lines: &[(HeaderName, &str)]) -> Verdict {
        validators().judge(&fields(lines))
    }

    #[test]
    fn a_tag_is_found_in_any_list_and_compared_weakly() {
        for list in ["\"v-1\"", "*", "\"a\", \"v-1\"", "\"a,\"\t,,W/\"v-1\"", "\"a\",\"v-1\" \"b\""] {
            assert_eq!(judge(&[(IF_NONE_MATCH, list)]), Verdict::NotModified, "{list}");
        }
        for list in ["\"v-2\"", "v-1", "\"x, v-1\"", "", "\"v-1"] {
            assert_eq!(judge(&[(IF_NONE_MATCH, list)]), Verdict::Proceed, "{list}");
        }
        assert_eq!(judge(&[(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, "\"v-1\"")]), Verdict::NotModified);
    }

    #[test]
    fn if_match_wants_the_very_same() {
        assert_eq!(judge(&[(IF_MATCH, "\"v-1\"")]), Verdict::Proceed);
        assert_eq!(judge(&[(IF_MATCH, "*")]), Verdict::Proceed);
        assert_eq!(judge(&[(IF_MATCH, "W/\"v-1\"")]), Verdict::Failed);
        assert_eq!(judge(&[(IF_MATCH, "\"v-2\"")]), Verdict::Failed);
    }

    #[test]
    fn a_date_counts_only_where_there_is_no_tag() {
        assert_eq!(judge(&[(IF_MODIFIED_SINCE, MODIFIED)]), Verdict::NotModified);
        assert_eq!(judge(&[(IF_MODIFIED_SINCE, BEFORE)]), Verdict::Proceed);
        assert_eq!(judge(&[(IF_NONE_MATCH, "\"v-2\""), (IF_MODIFIED_SINCE, MODIFIED)]), Verdict::Proceed);
        assert_eq!(judge(&[(IF_UNMODIFIED_SINCE, BEFORE)]), Verdict::Failed);
        assert_eq!(judge(&[(IF_MATCH, "\"v-1\""), (IF_UNMODIFIED_SINCE, BEFORE)]), Verdict::Proceed);
        assert_eq!(judge(&[(IF_MODIFIED_SINCE, "yesterday")]), Verdict::Proceed);
    }

    #[test]
    fn a_range_needs_the_same_state_exactly() {
        let allow = |value| validators().allow_range(&fields(&[(IF_RANGE, value)]));
        assert!(validators().allow_range(&HeaderMap::new()));
        assert!(allow("\"v-1\"") && allow(MODIFIED));
        for other in ["W/\"v-1\"", "\"v-2\"", BEFORE, "Mon, 07 Nov 1994 08:49:37 GMT", "v-1", ""] {
            assert!(!allow(other), "{other}");
        }
    }

    #[test]
    fn a_date_within_the_present_second_is_no_reason_to_send_a_range() {
        let now = SystemTime::now();
        let validators = Validators::new("v-1", Some(now));
        let value = http_date(now);
        let mut fields = HeaderMap::new();
        fields.insert(IF_RANGE, value);
        // The second may be over by now: then it is allowed, and rightly so.
        assert!(!validators.allow_range(&fields) || seconds(SystemTime::now()) > seconds(now));
    }
}
