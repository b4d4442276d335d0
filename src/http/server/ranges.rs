//! Which part of a resource a `Range` field asks for (RFC 9110 §14).

/// The answer to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// All of it: the field asks for several parts, or is not understood, and may then be ignored.
    Whole,
    /// One part.
    Part {
        /// Its first byte.
        from: u64,
        /// How many bytes; at least one.
        length: u64,
    },
    /// Nothing of it is there: 416.
    Unsatisfiable,
}

/// The part that `range` asks for of something that is `length` bytes long.
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

/// One range, as it is written.
enum Spec {
    /// From this byte to that one, both included.
    Between(u64, u64),
    /// From this byte to the end.
    From(u64),
    /// So many at the end.
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

/// Digits and nothing else. A number that is too large is as large as can be: it lies behind every end.
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
    fn one_range_selects_one_part() {
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
    fn what_lies_behind_the_end_is_not_satisfiable() {
        for range in ["bytes=10-", "bytes=10-20", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(select(range.as_bytes(), 10), Selected::Unsatisfiable, "{range}");
        }
        assert_eq!(select(b"bytes=0-", 0), Selected::Unsatisfiable);
        assert_eq!(select(b"bytes=-1", 0), Selected::Unsatisfiable);
    }

    #[test]
    fn several_parts_or_something_else_is_all_of_it() {
        for range in
            ["bytes=0-1,3-4", "bytes=4-2", "bytes=", "bytes=-", "bytes=+1-2", "bytes=a-b", "lines=0-1", "bytes", ""]
        {
            assert_eq!(select(range.as_bytes(), 10), Selected::Whole, "{range}");
        }
    }
}
