//! Conditional requests (RFC 9110 §13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::date::http_date;

/// The validators of a representation (RFC 9110 §8.8): an entity tag and a modification date.
#[derive(Clone, Debug)]
pub struct Validators {
    /// A strong entity tag: it changes whenever the content changes.
    pub(super) tag: HeaderValue,
    /// The modification date, in seconds since 1970 and as a field value.
    pub(super) modified: Option<(u64, HeaderValue)>,
}

/// The outcome of evaluating the preconditions of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreconditionOutcome {
    /// All preconditions are true, or there are none.
    Proceed,
    /// The client's copy is current: 304.
    NotModified,
    /// A precondition is false: 412.
    Failed,
}

impl Validators {
    /// Creates validators. `tag` is a strong entity tag without its quotes, and may contain letters, digits and dashes.
    ///
    /// # Panics
    /// If `tag` contains other characters.
    pub fn new(tag: &str, modified: Option<SystemTime>) -> Validators {
        assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "invalid entity tag `{tag}`");
        let tag = HeaderValue::try_from(format!("\"{tag}\"")).expect("letters, digits and dashes are visible ASCII");
        // A date in the future must not be sent (RFC 9110 §8.8.2.1).
        let modified = modified.filter(|modified| *modified <= SystemTime::now());
        Validators { tag, modified: modified.map(|modified| (seconds(modified), http_date(modified))) }
    }

    /// Evaluates the preconditions of a GET or HEAD request in the order of RFC 9110 §13.2.2. Entity tags take
    /// precedence over dates, which have a resolution of one second.
    pub(super) fn evaluate(&self, fields: &HeaderMap) -> PreconditionOutcome {
        let modified = self.modified.as_ref().map(|(seconds, _)| *seconds);
        if fields.contains_key(IF_MATCH) {
            if !self.is_among(fields, IF_MATCH, Comparison::Strong) {
                return PreconditionOutcome::Failed;
            }
        } else if let (Some(modified), Some(since)) = (modified, date(fields, IF_UNMODIFIED_SINCE))
            && modified > since
        {
            return PreconditionOutcome::Failed;
        }
        if fields.contains_key(IF_NONE_MATCH) {
            if self.is_among(fields, IF_NONE_MATCH, Comparison::Weak) {
                return PreconditionOutcome::NotModified;
            }
        } else if let (Some(modified), Some(since)) = (modified, date(fields, IF_MODIFIED_SINCE))
            && modified <= since
        {
            return PreconditionOutcome::NotModified;
        }
        PreconditionOutcome::Proceed
    }

    /// Returns whether a range may be sent: there is no `If-Range`, or its validator matches (RFC 9110 §13.1.5).
    /// Otherwise the client would combine parts of different representations.
    pub(super) fn allow_range(&self, fields: &HeaderMap) -> bool {
        let mut lines = fields.get_all(IF_RANGE).iter();
        let Some(validator) = lines.next() else { return true };
        if lines.next().is_some() {
            return false;
        }
        if validator.as_bytes().contains(&b'"') {
            return validator == self.tag;
        }
        // A date is a strong validator only if it is in the past (§8.8.2.2).
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

/// How entity tags are compared (RFC 9110 §8.8.3.2). The server's tags are strong, the client's may be weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// An iterator over the entity tags of a list, each with whether it is weak. It ends at the first invalid tag. Tags may
/// contain commas.
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

/// Returns the date in a field, or `None` if there is no such field, more than one, or its value is invalid.
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

    fn evaluate(lines: &[(HeaderName, &str)]) -> PreconditionOutcome {
        validators().evaluate(&fields(lines))
    }

    #[test]
    fn if_none_match_compares_each_tag_of_the_list_weakly() {
        for list in ["\"v-1\"", "*", "\"a\", \"v-1\"", "\"a,\"\t,,W/\"v-1\"", "\"a\",\"v-1\" \"b\""] {
            assert_eq!(evaluate(&[(IF_NONE_MATCH, list)]), PreconditionOutcome::NotModified, "{list}");
        }
        for list in ["\"v-2\"", "v-1", "\"x, v-1\"", "", "\"v-1"] {
            assert_eq!(evaluate(&[(IF_NONE_MATCH, list)]), PreconditionOutcome::Proceed, "{list}");
        }
        assert_eq!(evaluate(&[(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, "\"v-1\"")]), PreconditionOutcome::NotModified);
    }

    #[test]
    fn if_match_compares_strongly() {
        assert_eq!(evaluate(&[(IF_MATCH, "\"v-1\"")]), PreconditionOutcome::Proceed);
        assert_eq!(evaluate(&[(IF_MATCH, "*")]), PreconditionOutcome::Proceed);
        assert_eq!(evaluate(&[(IF_MATCH, "W/\"v-1\"")]), PreconditionOutcome::Failed);
        assert_eq!(evaluate(&[(IF_MATCH, "\"v-2\"")]), PreconditionOutcome::Failed);
    }

    #[test]
    fn dates_are_ignored_if_there_are_entity_tags() {
        assert_eq!(evaluate(&[(IF_MODIFIED_SINCE, MODIFIED)]), PreconditionOutcome::NotModified);
        assert_eq!(evaluate(&[(IF_MODIFIED_SINCE, BEFORE)]), PreconditionOutcome::Proceed);
        assert_eq!(
            evaluate(&[(IF_NONE_MATCH, "\"v-2\""), (IF_MODIFIED_SINCE, MODIFIED)]),
            PreconditionOutcome::Proceed
        );
        assert_eq!(evaluate(&[(IF_UNMODIFIED_SINCE, BEFORE)]), PreconditionOutcome::Failed);
        assert_eq!(evaluate(&[(IF_MATCH, "\"v-1\""), (IF_UNMODIFIED_SINCE, BEFORE)]), PreconditionOutcome::Proceed);
        assert_eq!(evaluate(&[(IF_MODIFIED_SINCE, "yesterday")]), PreconditionOutcome::Proceed);
    }

    #[test]
    fn if_range_requires_an_exact_match() {
        let allow = |value| validators().allow_range(&fields(&[(IF_RANGE, value)]));
        assert!(validators().allow_range(&HeaderMap::new()));
        assert!(allow("\"v-1\"") && allow(MODIFIED));
        for other in ["W/\"v-1\"", "\"v-2\"", BEFORE, "Mon, 07 Nov 1994 08:49:37 GMT", "v-1", ""] {
            assert!(!allow(other), "{other}");
        }
    }

    #[test]
    fn if_range_with_a_date_in_the_current_second_does_not_match() {
        let now = SystemTime::now();
        let validators = Validators::new("v-1", Some(now));
        let value = http_date(now);
        let mut fields = HeaderMap::new();
        fields.insert(IF_RANGE, value);
        // If the second is over by now, a match is correct.
        assert!(!validators.allow_range(&fields) || seconds(SystemTime::now()) > seconds(now));
    }
}
