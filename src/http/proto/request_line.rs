//! Scans the first line of a request: `GET /path?query HTTP/1.1` (RFC 9112 §3).
//!
//! ```text
//!  Method ── SP ──▶ Target ── SP ──▶ Version(0…7) ──▶ CarriageReturn ──▶ LineFeed ──▶ complete
//! ```
//!
//! The RFC permits servers to be lenient about white space. This scanner is strict, since request smuggling exploits
//! servers that are lenient in different ways.

use std::ops::Range;

use http::{Method, StatusCode, Version};

use super::error::{Fault, ProtocolErrorKind};
use super::grammar::{is_target, is_token, leading};
use super::head::StartLine;
use super::limits::MAX_TARGET_BYTES;

/// The methods that the server passes to its service. `CONNECT` is not implemented.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// The length of the longest method, `OPTIONS`. A longer one is rejected before its end (RFC 9112 §3).
const LONGEST_METHOD: usize = 7;

/// The part of the line that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The method.
    Method,
    /// The request target.
    Target,
    /// `HTTP/1.1`, with the number of bytes received.
    Version(u8),
    /// The CR at the end of the line.
    CarriageReturn,
    /// The LF at the end of the line.
    LineFeed,
}

/// A scanner for a request line, which stores its parts.
#[derive(Debug)]
pub(super) struct RequestLine {
    state: State,
    /// The method and its length.
    method: ([u8; LONGEST_METHOD], usize),
    /// The position of the target in the head.
    target: Range<usize>,
    /// The first byte of the target, which determines its form.
    target_form: u8,
    version: Version,
    /// The number of bytes of the line scanned in earlier calls.
    seen: usize,
}

impl RequestLine {
    /// Creates a scanner.
    pub(super) fn new() -> RequestLine {
        RequestLine {
            state: State::Method,
            method: ([0; LONGEST_METHOD], 0),
            target: 0..0,
            target_form: 0,
            version: Version::HTTP_11,
            seen: 0,
        }
    }

    /// Returns the protocol version, 1.0 or 1.1. Later minor versions count as 1.1.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Returns the position of the target in the head.
    pub(super) fn target(&self) -> Range<usize> {
        self.target.clone()
    }

    /// Returns the method if it is implemented. Methods are case-sensitive (RFC 9110 §9.1).
    pub(super) fn method(&self) -> Option<Method> {
        let (bytes, length) = &self.method;
        METHODS.into_iter().find(|method| method.as_str().as_bytes() == &bytes[..*length])
    }

    /// Checks method and target of a complete line. Version errors are found earlier, so the preface of HTTP/2,
    /// `PRI * HTTP/2.0`, is an unsupported version and not an unknown method.
    fn judge(&self) -> Result<(), ProtocolErrorKind> {
        let method = self.method().ok_or(ProtocolErrorKind::UnknownMethod)?;
        match self.target_form {
            b'/' => Ok(()),
            b'*' if self.target.len() == 1 && method == Method::OPTIONS => Ok(()),
            // The absolute form; its parts are checked when the head is complete.
            byte if byte.is_ascii_alphabetic() => Ok(()),
            _ => Err(ProtocolErrorKind::BadTarget),
        }
    }

    /// Returns the error for an invalid byte.
    fn fault_at(&self, byte: u8, offset: usize) -> Fault {
        use ProtocolErrorKind::*;
        match (self.state, byte) {
            (_, b'\n') => Fault::new(BareLf, offset),
            (State::Method, byte) if is_token(byte) => Fault::new(UnknownMethod, offset),
            (State::Target, b'#') => Fault::new(BadTarget, offset),
            (State::Target, byte) if is_target(byte) => Fault::new(UriTooLong, offset),
            // If the third word does not look like a version, the target contains a space.
            (State::Version(place @ 0..5), byte) if !byte.eq_ignore_ascii_case(&b"HTTP/"[usize::from(place)]) => {
                Fault::new(BadRequestLine, offset)
            }
            (State::Version(5), b'0'..=b'9') => {
                Fault::new(BadVersion, offset).with_status(StatusCode::HTTP_VERSION_NOT_SUPPORTED)
            }
            (State::Version(_), _) => Fault::new(BadVersion, offset),
            _ => Fault::new(BadRequestLine, offset),
        }
    }
}

impl StartLine for RequestLine {
    fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let mut at = 0;
        loop {
            if self.state == State::Target {
                if self.seen + at == self.target.start {
                    self.target_form = input.get(at).copied().unwrap_or_default();
                }
                let room = MAX_TARGET_BYTES - (self.seen + at - self.target.start);
                let within = &input[at..input.len().min(at + room)];
                at += leading(within, |byte| is_target(byte) && byte != b'#');
            }
            let Some(&byte) = input.get(at) else {
                self.seen += at;
                return Ok(None);
            };
            let place_in_head = self.seen + at;
            self.state = match (self.state, byte) {
                (State::Method, byte) if is_token(byte) && self.method.1 < LONGEST_METHOD => {
                    self.method.0[self.method.1] = byte;
                    self.method.1 += 1;
                    State::Method
                }
                (State::Method, b' ') if self.method.1 > 0 => {
                    self.target.start = place_in_head + 1;
                    State::Target
                }
                (State::Target, b' ') if place_in_head > self.target.start => {
                    self.target.end = place_in_head;
                    State::Version(0)
                }
                (State::Version(place @ 0..7), byte) if byte == b"HTTP/1."[usize::from(place)] => {
                    State::Version(place + 1)
                }
                (State::Version(7), b'0') => {
                    self.version = Version::HTTP_10;
                    State::CarriageReturn
                }
                // A minor version above 1 is treated as 1.1 (RFC 9110 §2.5).
                (State::Version(7), b'1'..=b'9') => State::CarriageReturn,
                (State::CarriageReturn, b'\r') => State::LineFeed,
                (State::LineFeed, b'\n') => {
                    return self.judge().map(|()| Some(at + 1)).map_err(|kind| Fault::new(kind, at + 1));
                }
                (_, byte) => return Err(self.fault_at(byte, at)),
            };
            at += 1;
        }
    }
}
