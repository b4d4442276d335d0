//! Scans the first line of a response: `HTTP/1.1 200 OK` (RFC 9112 §4).
//!
//! ```text
//!  Version(0…7) ──▶ SpaceBeforeCode ──▶ Code(0…2) ──▶ BehindCode ── SP ──▶ Reason ── CR ──▶ LineFeed ──▶ complete
//! ```

use std::ops::Range;

use http::Version;

use super::error::{Fault, ProtocolErrorKind};
use super::grammar::{is_lenient_text, leading};
use super::head::StartLine;

/// The part of the line that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `HTTP/1.1`, with the number of bytes received.
    Version(u8),
    /// The space before the status code.
    SpaceBeforeCode,
    /// The three digits, with the number of digits received. More white space is accepted before the first (RFC 9112
    /// §4).
    Code(u8),
    /// The space, or other white space, in front of the reason phrase. Servers that leave out an empty phrase leave out
    /// this space as well.
    BehindCode,
    /// The reason phrase.
    Reason,
    /// The LF that ends the line.
    LineFeed,
}

/// A scanner for a status line, which stores its parts.
#[derive(Debug)]
pub(super) struct StatusLine {
    state: State,
    version: Version,
    code: u16,
    /// The position of the reason phrase in the head.
    reason: Range<usize>,
    /// The number of bytes of the line scanned in earlier calls.
    seen: usize,
    /// Whether another interim response exceeds the limit.
    interim_is_too_many: bool,
}

impl StatusLine {
    /// Creates a scanner. `interim_is_too_many` makes a 1xx status code an error.
    pub(super) fn new(interim_is_too_many: bool) -> StatusLine {
        StatusLine {
            state: State::Version(0),
            version: Version::HTTP_11,
            code: 0,
            reason: 0..0,
            seen: 0,
            interim_is_too_many,
        }
    }

    /// Returns the protocol version, 1.0 or 1.1. Later minor versions count as 1.1.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Returns the status code, 100 to 999.
    pub(super) fn code(&self) -> u16 {
        self.code
    }

    /// Returns the position of the reason phrase in the head.
    pub(super) fn reason(&self) -> Range<usize> {
        self.reason.clone()
    }

    /// Adds a digit to the status code, which must start with 1 to 9.
    fn push_digit(&mut self, place: u8, byte: u8) -> Result<State, ProtocolErrorKind> {
        if place == 0 && byte == b'0' {
            return Err(ProtocolErrorKind::BadStatus);
        }
        self.code = self.code * 10 + u16::from(byte - b'0');
        if place < 2 {
            return Ok(State::Code(place + 1));
        }
        match self.code {
            101 => Err(ProtocolErrorKind::UnexpectedUpgrade),
            100..=199 if self.interim_is_too_many => Err(ProtocolErrorKind::TooManyInterim),
            _ => Ok(State::BehindCode),
        }
    }
}

impl StartLine for StatusLine {
    fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let mut at = 0;
        loop {
            if self.state == State::Reason {
                at += leading(&input[at..], is_lenient_text);
            }
            let Some(&byte) = input.get(at) else {
                self.seen += at;
                return Ok(None);
            };
            self.state = match (self.state, byte) {
                (State::Version(place @ 0..7), byte) if byte == b"HTTP/1."[usize::from(place)] => {
                    State::Version(place + 1)
                }
                (State::Version(7), b'0') => {
                    self.version = Version::HTTP_10;
                    State::SpaceBeforeCode
                }
                // A minor version above 1 is treated as 1.1 (RFC 9110 §2.5).
                (State::Version(7), b'1'..=b'9') => State::SpaceBeforeCode,
                (State::SpaceBeforeCode | State::Code(0), b' ' | b'\t') => State::Code(0),
                (State::Code(place), b'0'..=b'9') => {
                    self.push_digit(place, byte).map_err(|kind| Fault::new(kind, at))?
                }
                (State::BehindCode, b' ' | b'\t') => {
                    self.reason.start = self.seen + at + 1;
                    State::Reason
                }
                (State::BehindCode, b'\r') => State::LineFeed,
                (State::Reason, b'\r') => {
                    self.reason.end = self.seen + at;
                    State::LineFeed
                }
                (State::BehindCode | State::LineFeed, b'\n') => return Ok(Some(at + 1)),
                (State::Reason, b'\n') => {
                    self.reason.end = self.seen + at;
                    return Ok(Some(at + 1));
                }
                (State::Version(_), _) => {
                    return Err(Fault::new(ProtocolErrorKind::BadVersion, at));
                }
                _ => return Err(Fault::new(ProtocolErrorKind::BadStatusLine, at)),
            };
            at += 1;
        }
    }
}
