//! Quantities, lists and other phrases for sentences.

/// Formats a time given in nanoseconds: `640 ns`, `12 µs`, `1.5 ms`, `2.3 s`.
pub(super) fn duration(nanoseconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    match UNITS.iter().find(|(unit, _)| nanoseconds >= *unit) {
        None => format!("{nanoseconds} ns"),
        Some((unit, name)) => format!("{} {name}", in_units(nanoseconds, *unit)),
    }
}

/// Formats a number of bytes: `312 bytes`, `13.2 KB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} KB", in_units(bytes, 1_000)),
        _ => format!("{} MB", in_units(bytes, 1_000_000)),
    }
}

/// Divides an amount by a unit, with one decimal if the result is below 100 and the decimal is not 0.
fn in_units(amount: u64, unit: u64) -> String {
    let tenths = (amount.saturating_add(unit / 20)) / (unit / 10);
    if tenths >= 1_000 {
        (amount.saturating_add(unit / 2) / unit).to_string()
    } else if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// Returns `1 timer is` or `2 timers are`.
pub(super) fn there_are(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what} is"),
        _ => format!("{number} {what}s are"),
    }
}

/// Returns `none is`, `1 is` or `2 are`.
pub(super) fn how_many(number: u64) -> String {
    match number {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        _ => format!("{number} are"),
    }
}

/// Joins parts to `a, b and c`.
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// Splits a name into words: `ConnectionReset` becomes `connection reset`.
pub(super) fn spaced(camel_case: &str) -> String {
    let mut words = String::new();
    for character in camel_case.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words.replace('_', " ")
}

/// Returns the predicate for a task that is waiting. The names of states begin with a capital letter.
pub(super) fn waits_for(what: &str) -> String {
    match what.chars().next() {
        None => "waits (reason unknown)".to_owned(),
        Some(first) if first.is_uppercase() => format!("waits in `{what}`"),
        Some(_) => format!("waits for {what}"),
    }
}

/// Describes the deadline of a timer.
pub(super) fn due_in(deadline: u64, now: u64) -> String {
    match deadline.saturating_sub(now) {
        0 => "due now".to_owned(),
        // A deadline centuries away stands for "never".
        left if deadline == u64::MAX || left > 400 * 365 * 86_400 * 1_000_000_000 => "never due".to_owned(),
        left => format!("due in {}", duration(left)),
    }
}

/// Capitalises the first letter of a sentence.
pub(super) fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, capitalised, duration, list, spaced};

    #[test]
    fn quantities_have_a_suitable_unit_and_at_most_three_digits() {
        let durations = [0, 640, 1_000, 12_345, 1_500_000, 20_000_000, 150_900_000, 2_345_000_000, 90_000_000_000];
        let texts = durations.map(duration).join(", ");
        assert_eq!(texts, "0 ns, 640 ns, 1 µs, 12.3 µs, 1.5 ms, 20 ms, 151 ms, 2.3 s, 90 s");
        assert_eq!([1, 312, 13_250, 2_000_000_000].map(bytes).join(", "), "1 byte, 312 bytes, 13.3 KB, 2000 MB");
    }

    #[test]
    fn names_and_lists_become_phrases() {
        assert_eq!(spaced("ConnectionReset"), "connection reset");
        assert_eq!(spaced("lost_waker"), "lost waker");
        assert_eq!(capitalised("the loop"), "The loop");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
