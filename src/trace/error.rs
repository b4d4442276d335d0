//! Errors of the recording format: what can be wrong with a line, and with which line it is.

use std::{fmt, io};

/// The first error in a recording. The lines before it are valid and have been read.
#[derive(Debug)]
pub struct ReadError {
    /// The number of the line, from 1: the header is line 1.
    pub line: u64,
    /// What is wrong with the line.
    pub reason: FormatError,
}

/// What is wrong with a line of a recording.
#[derive(Debug)]
#[non_exhaustive]
pub enum FormatError {
    /// The input could not be read.
    Unreadable(io::Error),
    /// The first line is not the header of a recording.
    NotARecording,
    /// The file is one that glassloop makes from a recording: a page or a timeline.
    Converted(&'static str),
    /// The recording has another version of the format.
    Version(u64),
    /// The file ends in the middle of the line.
    Truncated,
    /// The line is longer than any line of a recording.
    TooLong,
    /// The line is not JSON.
    NotJson(String),
    /// A field is missing.
    Missing(&'static str),
    /// A field has a value of the wrong type or out of range.
    Invalid {
        /// The field.
        field: &'static str,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// The kind of event does not exist.
    UnknownKind(String),
    /// Events of this kind have no such field.
    UnknownField(String),
    /// The line contradicts the lines before it.
    Inconsistent(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            FormatError::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Unreadable(error) => write!(f, "the input cannot be read: {error}"),
            FormatError::NotARecording => {
                f.write_str("not a glassloop recording; expected a .jsonl file made with --trace FILE.jsonl")
            }
            FormatError::Converted(what) => {
                write!(f, "this is {what} made from a recording; pass the recording itself, the .jsonl file next to it")
            }
            FormatError::Version(version) => {
                write!(f, "the recording has version {version} of the format; this program reads version 1")
            }
            FormatError::Truncated => f.write_str("the line is cut off"),
            FormatError::TooLong => f.write_str("the line is longer than any line of a recording"),
            FormatError::NotJson(reason) => write!(f, "invalid JSON: {reason}"),
            FormatError::Missing(field) => write!(f, "`{field}` is missing"),
            FormatError::Invalid { field, expected } => write!(f, "`{field}` must be {expected}"),
            FormatError::UnknownKind(kind) => write!(f, "unknown kind of event `{kind}`"),
            FormatError::UnknownField(field) => write!(f, "events of this kind have no field `{field}`"),
            FormatError::Inconsistent(what) => f.write_str(what),
        }
    }
}
