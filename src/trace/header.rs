//! The header, which is the first line of a recording: the program, the time, and the version of the format.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::error::FormatError;
use super::json::{put_name, put_number, put_string};
use super::redact::redact_arguments;
use crate::observe::ClockKind;

/// The value of `format` in every header.
const FORMAT: &str = "glassloop-trace";

/// The version of the format, the only one that is written and read.
const VERSION: u64 = 1;

/// The header of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingHeader {
    /// The version of glassloop that made the recording.
    pub glassloop: String,
    /// The program and its arguments, with secrets redacted.
    pub argv: Vec<String>,
    /// The process id.
    pub pid: u32,
    /// The start of the recording in UTC, for example `2026-11-23T06:00:00Z`.
    pub started: String,
    /// The loop's clock.
    pub clock: ClockKind,
}

impl RecordingHeader {
    /// Returns the header for a recording that this process starts now.
    pub(super) fn now(clock: ClockKind) -> RecordingHeader {
        RecordingHeader {
            glassloop: env!("CARGO_PKG_VERSION").to_owned(),
            argv: redact_arguments(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned())),
            pid: std::process::id(),
            started: utc(SystemTime::now()),
            clock,
        }
    }

    /// Writes the header as a line of JSON.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"format\":");
        put_string(FORMAT, out);
        put_name("version", out);
        put_number(VERSION, out);
        put_name("glassloop", out);
        put_string(&self.glassloop, out);
        put_name("argv", out);
        out.push(b'[');
        for (index, argument) in self.argv.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_string(argument, out);
        }
        out.push(b']');
        put_name("pid", out);
        put_number(self.pid.into(), out);
        put_name("started", out);
        put_string(&self.started, out);
        put_name("clock", out);
        put_string(if self.clock == ClockKind::Virtual { "virtual" } else { "real" }, out);
        out.extend_from_slice(b"}\n");
    }

    /// Parses the first line of a recording.
    ///
    /// # Errors
    /// If the line is not a header, or has another version of the format.
    pub(super) fn parse(line: &str) -> Result<RecordingHeader, FormatError> {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else {
            return Err(FormatError::NotARecording);
        };
        if fields.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(FormatError::NotARecording);
        }
        let number = |name| fields.get(name).and_then(Value::as_u64).ok_or(FormatError::Missing(name));
        let text = |name| fields.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(FormatError::Missing(name));
        match number("version")? {
            VERSION => {}
            other => return Err(FormatError::Version(other)),
        }
        let argv = fields.get("argv").and_then(Value::as_array).ok_or(FormatError::Missing("argv"))?;
        Ok(RecordingHeader {
            glassloop: text("glassloop")?,
            argv: argv.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            pid: u32::try_from(number("pid")?)
                .map_err(|_| FormatError::Invalid { field: "pid", expected: "a process id" })?,
            started: text("started")?,
            clock: match text("clock")?.as_str() {
                "real" => ClockKind::Real,
                "virtual" => ClockKind::Virtual,
                _ => return Err(FormatError::Invalid { field: "clock", expected: "real or virtual" }),
            },
        })
    }
}

/// Formats a time in UTC as in RFC 3339, to the second.
fn utc(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::utc;

    #[test]
    fn times_are_written_as_utc_calendar_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_413_600, "2026-11-23T06:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
