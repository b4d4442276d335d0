//! Reads a recording, line by line, as far as it is sound.

use std::fmt;
use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

use super::field::{Field, Object};
use super::header::Header;
use super::json::{put_name, put_number, put_string};
use super::line::{Fact, Line};
use super::text::Interner;

/// No line that we write comes near this. One that is longer is not ours, and memory is not for filling.
const LONGEST_LINE: u64 = 1 << 20;

/// The lines of a recording. After the first fault there are no more.
///
/// ```
/// use glassloop::trace::Reader;
///
/// let recording = r#"{"format":"glassloop-trace","version":1,"glassloop":"0.1.0","argv":["x"],"pid":1,"started":"2026-11-23T06:00:00Z","clock":"real"}
/// {"seq":0,"t":41,"thread":0,"turn":1,"kind":"mark","text":"hello"}
/// {"seq":1,"t":57,"thr"#;
/// let mut lines = Reader::open(recording.as_bytes())?;
/// assert_eq!(lines.next().expect("there are two lines")?.fact.kind(), "mark");
/// let fault = lines.next().expect("there are two lines").unwrap_err();
/// assert_eq!(fault.to_string(), "line 3: it is cut off in the middle");
/// # Ok::<(), glassloop::trace::ReadError>(())
/// ```
pub struct Reader<R> {
    input: R,
    header: Header,
    /// The number of the last line read, from 1 as editors count.
    number: u64,
    /// The line, kept for its room.
    line: Vec<u8>,
    interner: Interner,
    is_over: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the input cannot be read, is not a recording, or one of another version.
    pub fn open(input: R) -> Result<Reader<R>, ReadError> {
        let header = Header {
            glassloop: String::new(),
            argv: vec![],
            pid: 0,
            started: String::new(),
            clock: crate::observe::ClockKind::Real,
        };
        let mut reader =
            Reader { input, header, number: 0, line: vec![], interner: Interner::default(), is_over: false };
        reader.header = match reader.read_line() {
            Ok(true) => reader.text().and_then(Header::parse),
            Ok(false) => Err(Fault::NotARecording),
            Err(Fault::CutOff | Fault::TooLong) => Err(Fault::NotARecording),
            Err(fault) => Err(fault),
        }
        .map_err(|fault| ReadError { line: 1, fault })?;
        Ok(reader)
    }

    /// What the recording says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The number of the line that was read last, from 1 as editors count: the header is line 1.
    pub fn line_number(&self) -> u64 {
        self.number
    }

    /// Writes the recording anew, as far as it is sound. What comes back is the fault at which it ends, if it has one.
    pub(super) fn copy(&mut self, out: &mut impl Write) -> io::Result<Option<ReadError>> {
        let mut text = vec![];
        self.header.put(&mut text);
        for line in self {
            match line {
                Ok(line) => line.put(&mut text),
                Err(fault) => return Ok(Some(fault)),
            }
            out.write_all(&text)?;
            text.clear();
        }
        out.write_all(&text)?;
        Ok(None)
    }

    /// Reads up to a line's end. `false`: there is nothing more.
    fn read_line(&mut self) -> Result<bool, Fault> {
        self.line.clear();
        self.number += 1;
        let read = (&mut self.input).take(LONGEST_LINE).read_until(b'\n', &mut self.line).map_err(Fault::Unreadable)?;
        match self.line.last() {
            None => Ok(false),
            Some(b'\n') => Ok(true),
            Some(_) if read as u64 == LONGEST_LINE => Err(Fault::TooLong),
            Some(_) => Err(Fault::CutOff),
        }
    }

    fn text(&self) -> Result<&str, Fault> {
        std::str::from_utf8(&self.line).map_err(|_| Fault::NotJson("it is not UTF-8".to_owned()))
    }

    fn read_event(&mut self) -> Result<Option<Line>, Fault> {
        if !self.read_line()? {
            return Ok(None);
        }
        let fields = match serde_json::from_str(self.text()?) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(Fault::NotJson("it is not an object".to_owned())),
            Err(error) => return Err(Fault::NotJson(format!("{error}"))),
        };
        let mut object = Object { fields, interner: &mut self.interner };
        Line::take(&mut object).map(Some)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let read = self.read_event();
        self.is_over = !matches!(read, Ok(Some(_)));
        read.map_err(|fault| ReadError { line: self.number, fault }).transpose()
    }
}

impl Line {
    fn take(object: &mut Object<'_>) -> Result<Line, Fault> {
        let seq = Field::take("seq", object)?;
        let time = Field::take("t", object)?;
        let thread = Field::take("thread", object)?;
        let turn = Field::take("turn", object)?;
        let kind: super::text::Text = Field::take("kind", object)?;
        let fact = Fact::take(&kind, object)?;
        match object.fields.keys().next() {
            None => Ok(Line { seq, time, thread, turn, fact }),
            Some(unknown) => Err(Fault::UnknownField(unknown.clone())),
        }
    }

    /// Writes it, with the line's end.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"seq\":");
        put_number(self.seq, out);
        self.time.put("t", out);
        self.thread.put("thread", out);
        self.turn.put("turn", out);
        put_name("kind", out);
        put_string(self.fact.kind(), out);
        self.fact.put(out);
        out.extend_from_slice(b"}\n");
    }
}

/// Where a recording stops being sound, and why.
#[derive(Debug)]
pub struct ReadError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The input could not be read.
    Unreadable(io::Error),
    /// The first line is not a recording's.
    NotARecording,
    /// It is a recording in another version of the format.
    Version(u64),
    /// The file ends in the middle of it.
    CutOff,
    /// It is longer than any line of a recording.
    TooLong,
    /// It is not JSON.
    NotJson(String),
    /// A field is missing.
    Missing(&'static str),
    /// A field is something else than it should be.
    Wrong {
        /// The field.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// There is no such kind of event.
    UnknownKind(String),
    /// An event of this kind has no such field.
    UnknownField(String),
    /// It contradicts the lines before it.
    Contradiction(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Fault::NotARecording => f.write_str("this is not a recording of glassloop (--trace FILE.jsonl makes one)"),
            Fault::Version(version) => {
                write!(f, "the recording is in version {version} of the format, and this program reads version 1")
            }
            Fault::CutOff => f.write_str("it is cut off in the middle"),
            Fault::TooLong => f.write_str("it is longer than any line of a recording"),
            Fault::NotJson(reason) => write!(f, "it is not JSON: {reason}"),
            Fault::Missing(field) => write!(f, "`{field}` is missing"),
            Fault::Wrong { field, wanted } => write!(f, "`{field}` must be {wanted}"),
            Fault::UnknownKind(kind) => write!(f, "there is no kind of event called `{kind}`"),
            Fault::UnknownField(field) => write!(f, "an event of this kind has no `{field}`"),
            Fault::Contradiction(what) => f.write_str(what),
        }
    }
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("header", &self.header).field("line", &self.number).finish_non_exhaustive()
    }
}
