//! Reads a recording line by line, up to the first error.

use std::fmt;
use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

use super::error::{FormatError, ReadError};
use super::field::Object;
use super::header::RecordingHeader;
use super::record::Record;
use super::text::Interner;

/// The limit on the length of a line, so that a file which is not a recording cannot fill the memory. The lines that the
/// recorder writes are far shorter.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Reads the records of a recording. The iterator ends after the first error.
///
/// ```
/// use glassloop::trace::Reader;
///
/// let recording = r#"{"format":"glassloop-trace","version":1,"glassloop":"0.1.0","argv":["x"],"pid":1,"started":"2026-11-23T06:00:00Z","clock":"real"}
/// {"seq":0,"t":41,"thread":0,"turn":1,"kind":"mark","text":"hello"}
/// {"seq":1,"t":57,"thr"#;
/// let mut records = Reader::open(recording.as_bytes())?;
/// assert_eq!(records.next().expect("two records")?.kind.name(), "mark");
/// let error = records.next().expect("two records").unwrap_err();
/// assert_eq!(error.to_string(), "line 3: the line is cut off");
/// # Ok::<(), glassloop::trace::ReadError>(())
/// ```
pub struct Reader<R> {
    lines: LineReader<R>,
    header: RecordingHeader,
    interner: Interner,
    has_ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Opens a recording and reads its header.
    ///
    /// # Errors
    /// If the input cannot be read, is not a recording, or has another version of the format.
    pub fn open(input: R) -> Result<Reader<R>, ReadError> {
        let mut lines = LineReader { input, number: 0, line: vec![] };
        let header = lines.read_header().map_err(|reason| ReadError { line: 1, reason })?;
        Ok(Reader { lines, header, interner: Interner::default(), has_ended: false })
    }

    /// Returns the header of the recording.
    pub fn header(&self) -> &RecordingHeader {
        &self.header
    }

    /// Returns the number of the line that was read last. The header is line 1.
    pub fn line_number(&self) -> u64 {
        self.lines.number
    }

    /// Copies the recording up to the first error. Returns that error, if there is one.
    pub(super) fn copy(&mut self, out: &mut impl Write) -> io::Result<Option<ReadError>> {
        let mut text = vec![];
        self.header.put(&mut text);
        for record in self {
            match record {
                Ok(record) => record.put(&mut text),
                Err(error) => return Ok(Some(error)),
            }
            out.write_all(&text)?;
            text.clear();
        }
        out.write_all(&text)?;
        Ok(None)
    }

    fn read_record(&mut self) -> Result<Option<Record>, FormatError> {
        let Some(text) = self.lines.read()? else { return Ok(None) };
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(FormatError::NotJson("expected an object".to_owned())),
            Err(error) => return Err(FormatError::NotJson(error.to_string())),
        };
        let mut object = Object { fields, interner: &mut self.interner };
        Record::take(&mut object).map(Some)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let read = self.read_record();
        self.has_ended = !matches!(read, Ok(Some(_)));
        read.map_err(|reason| ReadError { line: self.lines.number, reason }).transpose()
    }
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("header", &self.header).field("line", &self.lines.number).finish_non_exhaustive()
    }
}

/// The lines of the input.
struct LineReader<R> {
    input: R,
    /// The number of the line that was read last, from 1.
    number: u64,
    /// The line that was read last. The buffer is reused.
    line: Vec<u8>,
}

impl<R: BufRead> LineReader<R> {
    /// Reads the next line. `None` at the end of the input.
    fn read(&mut self) -> Result<Option<&str>, FormatError> {
        self.line.clear();
        self.number += 1;
        let limited = (&mut self.input).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line);
        let length = limited.map_err(FormatError::Unreadable)?;
        match self.line.last() {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) if length as u64 == MAX_LINE_BYTES => return Err(FormatError::TooLong),
            Some(_) => return Err(FormatError::Truncated),
        }
        let text = std::str::from_utf8(&self.line);
        text.map(Some).map_err(|_| FormatError::NotJson("invalid UTF-8".to_owned()))
    }

    fn read_header(&mut self) -> Result<RecordingHeader, FormatError> {
        let read = match self.read() {
            Ok(Some(line)) => RecordingHeader::parse(line),
            Err(error @ FormatError::Unreadable(_)) => return Err(error),
            Ok(None) | Err(_) => Err(FormatError::NotARecording),
        };
        match read {
            Err(FormatError::NotARecording) => Err(converted(&self.line).unwrap_or(FormatError::NotARecording)),
            other => other,
        }
    }
}

/// Recognises a file that was made from a recording, by its first line.
fn converted(first_line: &[u8]) -> Option<FormatError> {
    match first_line {
        line if line.starts_with(b"<!doctype html>") => Some(FormatError::Converted("a replay page")),
        line if line.starts_with(b"{\"traceEvents\":[") => Some(FormatError::Converted("a Perfetto timeline")),
        _ => None,
    }
}
