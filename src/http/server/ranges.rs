//! The `Range` field (RFC 9110 §14).

/// The result of evaluating a `Range` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// The full representation: the field is invalid or requests several ranges, and is ignored (RFC 9110 §14.2).
    Whole,
    /// A single range.
    Part {
        /// The offset of the first byte.
        from: u64,
        /// The length, at least 1.
        length: u64,
    },
    /// The range is outside of the representation: 416.
    Unsatisfiable,
}

/// Evaluates a `Range` field for a representation of `length` bytes.
pub(super) fn select(range: &[u8], length: u64) -> Selected {
    let Some(spec) = parse(range) else { return Selected::Whole };
    let (from, to) = match spec {
        Spec::Between(from, to) if from <= to => (from, to.saturating_add(1).min(length)),
        Spec::Between(..) => return Selected::Whole,
        Spec::From(from) => (from, length),
        Spec::Last(bytes) => (length.saturating_sub(bytes), length),
    };
    if from < to { Selected::Part { from, length: to - from } } else { Selected::Unsatisfiable }
}

/// A range specifier.
enum Spec {
    /// `2-4`: the first and the last byte.
    Between(u64, u64),
    /// `2-`: from this byte to the end.
    From(u64),
    /// `-3`: the last bytes, of this number.
    Last(u64),
}

fn parse(range: &[u8]) -> Option<Spec> {
    let (unit, spec) = range.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let spec = spec.trim_ascii();
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    match (&spec[..dash], &spec[dash + 1..]) {
        (b"", last) => number(last).map(Spec::Last),
        (from, b"") => number(from).map(Spec::From),
        (from, to) => Some(Spec::Between(number(from)?, number(to)?)),
    }
}

/// Parses a number, which must consist of digits only. A number that is too large becomes `u64::MAX`, which is beyond
/// the end of any representation.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn part(from: u64, length: u64) -> Selected {
        Selected::Part { from, length }
    }

    #[test]
    fn a_single_range_selects_that_part() {
        for (range, selected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 3)),
            ("Bytes= 2-4\t", part(2, 3)),
            ("bytes=5-", part(5, 5)),
            ("bytes=5-99999999999999999999999", part(5, 5)),
            ("bytes=9-9", part(9, 1)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-99", part(0, 10)),
        ] {
            assert_eq!(select(range.as_bytes(), 10), selected, "{range}");
        }
    }

    #[test]
    fn a_range_beyond_the_end_is_unsatisfiable() {
        for range in ["bytes=10-", "bytes=10-20", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(select(range.as_bytes(), 10), Selected::Unsatisfiable, "{range}");
        }
        assert_eq!(select(b"bytes=0-", 0), Selected::Unsatisfiable);
        assert_eq!(select(b"bytes=-1", 0), Selected::Unsatisfiable);
    }

    #[test]
    fn several_ranges_and_invalid_fields_are_ignored() {
        for range in
            ["bytes=0-1,3-4", "bytes=4-2", "bytes=", "bytes=-", "bytes=+1-2", "bytes=a-b", "lines=0-1", "bytes", ""]
        {
            assert_eq!(select(range.as_bytes(), 10), Selected::Whole, "{range}");
        }
    }
}
