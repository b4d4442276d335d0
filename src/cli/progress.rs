//! The layout of progress displays, which `flags` and `get` share: rows with aligned columns on a terminal, and one
//! line per second elsewhere.
//!
//! ```text
//!  45%    61.2 MiB                 10.2 MiB/s  eta 00:07    12 of 60 files [==========            ]
//!  12%     1.2 MiB of   10.0 MiB    1.2 MiB/s  eta 00:07    large.iso
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::terminal::{Size, truncated};

/// A row of the display: a transfer, or all of them together.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// The completed fraction, from 0 to 1, if the total is known.
    pub(super) fraction: Option<f64>,
    /// The completed amount, such as `1.2 MiB of 10.0 MiB`.
    pub(super) amount: String,
    pub(super) rate: String,
    pub(super) time_left: Option<Duration>,
    pub(super) label: String,
}

/// Columns in front of the label, with the spaces between them.
const COLUMNS_BEFORE_LABEL: usize = 4 + 2 + 24 + 1 + 12 + 2 + 11 + 2;

/// The minimum number of columns for a label. Narrower terminals show the percentage and the label only.
const LABEL_COLUMNS: usize = 15;

/// The number of columns that a bar may have, with its brackets.
const BAR_COLUMNS: std::ops::RangeInclusive<usize> = 12..=42;

impl Row {
    /// Formats the row for a terminal.
    pub(super) fn line(&self, size: Size) -> String {
        truncated(&self.columns(size), size.columns.saturating_sub(1)).trim_end().to_owned()
    }

    /// Formats the row for a terminal, with a bar that fills the rest of the line.
    pub(super) fn line_with_bar(&self, size: Size) -> String {
        let text = self.columns(size);
        let space = if text.ends_with(' ') { "" } else { " " };
        // The text is formatted by this file, from ASCII characters only.
        let columns = size.columns.saturating_sub(text.len() + space.len() + 1).min(*BAR_COLUMNS.end());
        let Some(fraction) = self.fraction.filter(|_| columns >= *BAR_COLUMNS.start()) else { return self.line(size) };
        let inside = columns - 2;
        let complete = (fraction.clamp(0.0, 1.0) * inside as f64) as usize;
        format!("{text}{space}[{:<inside$}]", "=".repeat(complete))
    }

    fn columns(&self, size: Size) -> String {
        let percent = self.fraction.map(|fraction| format!("{}%", percent(fraction))).unwrap_or_default();
        if size.columns < COLUMNS_BEFORE_LABEL + LABEL_COLUMNS {
            let text = if self.label.is_empty() { &self.amount } else { &self.label };
            return format!("{percent:>4}  {text}");
        }
        let left = self.time_left.map(|left| format!("eta {}", clock(left))).unwrap_or_default();
        format!("{percent:>4}  {:<24} {:>12}  {left:<11}  {}", self.amount, self.rate, self.label)
    }

    /// Formats the row for a file or a pipe.
    pub(super) fn plain_line(&self) -> String {
        let percent = self.fraction.map(|fraction| format!("{}%", percent(fraction)));
        let left = self.time_left.map(|left| format!("eta {}", clock(left)));
        let parts =
            [Some(self.label.clone()), percent, Some(self.amount.trim().to_owned()), Some(self.rate.clone()), left];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}

/// Returns a percentage. It is 100 only when all is complete.
fn percent(fraction: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * 100.0) as u32
}

/// Formats a duration as `03:25` or `7:03:25`, from 10 hours as `12 h`, and from 100 hours as `4 d`.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes:02}:{seconds:02}"),
        (hours @ 1..=9, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
        (hours @ 10..=99, ..) => format!("{hours} h"),
        (hours, ..) => format!("{} d", (hours / 24).min(999)),
    }
}

/// A number of bytes in binary units, such as `1.2 MiB`.
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = self.0 as f64;
        for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
            // 1023.95 would be rounded to `1024.0`.
            if number < 1023.95 || unit == "TiB" {
                let places = if unit == "B" { 0 } else { 1 };
                return write!(f, "{number:.places$} {unit}");
            }
            number /= 1024.0;
        }
        Ok(())
    }
}

/// How many bytes have been received, aligned for [`Row::amount`].
pub(super) fn received(bytes: u64, total: Option<u64>) -> String {
    let received = Bytes(bytes).to_string();
    match total {
        Some(total) => format!("{received:>10} of {:>10}", Bytes(total).to_string()),
        None => format!("{received:>10}"),
    }
}

/// Measures how fast a number grows, over the last few seconds.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// The samples: the time and the value.
    samples: VecDeque<(Instant, f64)>,
}

impl Rate {
    /// The time over which the rate is averaged.
    const WINDOW: Duration = Duration::from_secs(5);

    /// Adds a sample. A value below the last one starts the measurement again.
    pub(super) fn add(&mut self, now: Instant, value: f64) {
        if self.samples.back().is_some_and(|&(_, last)| value < last) {
            self.samples.clear();
        }
        self.samples.push_back((now, value));
        // One sample is older than the window, so that the rate is that of the whole window.
        while self.samples.get(1).is_some_and(|&(then, _)| now.duration_since(then) > Rate::WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Returns the growth per second, or `None` if it is not known yet.
    pub(super) fn per_second(&self) -> Option<f64> {
        let (&(began, first), &(ended, last)) = (self.samples.front()?, self.samples.back()?);
        let seconds = ended.duration_since(began).as_secs_f64();
        (seconds >= 0.05).then(|| (last - first) / seconds)
    }

    /// Returns the time until the number has grown by `missing`, or `None` if it does not grow.
    pub(super) fn time_for(&self, missing: f64) -> Option<Duration> {
        let per_second = self.per_second().filter(|per_second| *per_second > 0.0)?;
        Duration::try_from_secs_f64((missing / per_second).max(0.0)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 80, rows: 24 };

    fn row() -> Row {
        Row {
            fraction: Some(0.125),
            amount: received(1_258_291, Some(10 << 20)),
            rate: "1.2 MiB/s".to_owned(),
            time_left: Some(Duration::from_secs(67)),
            label: "name.iso".to_owned(),
        }
    }

    #[test]
    fn the_columns_of_rows_are_aligned() {
        assert_eq!(row().line(SIZE), " 12%     1.2 MiB of   10.0 MiB    1.2 MiB/s  eta 01:07    name.iso");
        let other = Row { fraction: None, amount: received(7, None), rate: String::new(), time_left: None, ..row() };
        assert_eq!(other.line(SIZE).find("name"), row().line(SIZE).find("name"));
        assert_eq!(row().line(SIZE).find("name"), Some(COLUMNS_BEFORE_LABEL));
    }

    #[test]
    fn no_row_is_wider_than_the_terminal() {
        let long = Row { label: "x".repeat(300), ..row() };
        for columns in [1, 10, 40, 79, 80, 200] {
            let size = Size { columns, rows: 24 };
            assert!(long.line(size).len() < columns.max(1), "{columns}");
            for row in [row(), long.clone()] {
                assert!(row.line_with_bar(size).len() < columns.max(1), "{columns}");
            }
        }
    }

    #[test]
    fn a_bar_fills_the_rest_of_a_line_that_is_wide_enough() {
        let wide = row().line_with_bar(Size { columns: 200, rows: 24 });
        assert!(wide.ends_with(&format!("name.iso [====={}]", " ".repeat(35))), "{wide}");
        let narrow = Size { columns: 75, rows: 24 };
        assert_eq!(row().line_with_bar(narrow), row().line(narrow));
    }

    #[test]
    fn a_plain_line_has_no_columns() {
        let row = Row { amount: "1.2 MiB".to_owned(), ..row() };
        assert_eq!(row.plain_line(), "name.iso, 12%, 1.2 MiB, 1.2 MiB/s, eta 01:07");
        assert_eq!(Row { label: "0 of 9 flags".to_owned(), ..Row::default() }.plain_line(), "0 of 9 flags");
    }

    #[test]
    fn times_and_bytes_have_few_digits() {
        let clocks = [0, 59, 3_600, 35_999, 36_000, 359_999, 360_000, u64::MAX].map(|s| clock(Duration::from_secs(s)));
        assert_eq!(clocks, ["00:00", "00:59", "1:00:00", "9:59:59", "10 h", "99 h", "4 d", "999 d"]);
        let bytes = [0, 1023, 1024, (1 << 20) - 1, 1 << 30, 1 << 40].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(bytes, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 GiB", "1.0 TiB"]);
        assert_eq!(percent(0.9999), 99);
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let mut add = |seconds, value| {
            rate.add(start + Duration::from_secs(seconds), value);
            (rate.per_second(), rate.time_for(10.0))
        };
        assert_eq!(add(0, 0.0), (None, None));
        assert_eq!(add(1, 0.0), (Some(0.0), None));
        assert_eq!(add(2, 20.0), (Some(10.0), Some(Duration::from_secs(1))));
        assert_eq!(add(10, 20.0).0, Some(0.0));
        // Progress was rolled back.
        assert_eq!(add(11, 5.0), (None, None));
        assert_eq!(add(12, 7.0).0, Some(2.0));
    }
}
