//! The first line of a request: `GET /path?query HTTP/1.1` (RFC 9112 §3).
//!
//! ```text
//!  Method ── SP ──▶ Target ── SP ──▶ Version(0…7) ──▶ CarriageReturn ──▶ LineFeed ──▶ complete
//! ```
//!
//! The RFC lets a server be lenient about the white space here; this one is not, because two servers that are lenient in
//! different ways are how requests get smuggled past the first of them.

use std::ops::Range;

use http::{Method, StatusCode, Version};

use super::error::{Fault, ProtocolErrorKind};
use super::grammar::{is_target, is_token, leading};
use super::head::StartLine;
use super::limits::MAX_TARGET_BYTES;

/// The methods that a server here implements, at least by refusing them with a status of its own. `CONNECT` is not one.
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

/// The length of the longest of them, `OPTIONS`. A longer method is refused before it ends (RFC 9112 §3).
const LONGEST_METHOD: usize = 7;

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The method.
    Method,
    /// The request target.
    Target,
    /// `HTTP/1.1`, of which so many bytes have come.
    Version(u8),
    /// The CR that ends the line.
    CarriageReturn,
    /// The LF behind it.
    LineFeed,
}

/// Scans a request line and keeps what it says.
#[derive(Debug)]
pub(super) struct RequestLine {
    state: State,
    /// The method's bytes, and how many of them there are.
    method: ([u8; LONGEST_METHOD], usize),
    /// Where the target stands in the head.
    target: Range<usize>,
    /// The first byte of the target, which tells its form.
    target_form: u8,
    version: Version,
    /// Bytes of the line seen in earlier calls.
    seen: usize,
}

impl RequestLine {
    /// Waits for the first byte of the method.
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

    /// Returns the protocol version to go by: 1.0 or 1.1.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Where the target stands in the head.
    pub(super) fn target(&self) -> Range<usize> {
        self.target.clone()
    }

    /// The method, if it is one of those that are implemented. Methods are case-sensitive (RFC 9110 §9.1).
    pub(super) fn method(&self) -> Option<Method> {
        let (bytes, length) = &self.method;
        METHODS.into_iter().find(|method| method.as_str().as_bytes() == &bytes[..*length])
    }

    /// What can be said of method and target once the line is complete. The version comes first, because it has been
    /// read first: the preface of HTTP/2, `PRI * HTTP/2.0`, is a wrong version and not an unknown method.
    fn judge(&self) -> Result<(), ProtocolErrorKind> {
        let method = self.method().ok_or(ProtocolErrorKind::UnknownMethod)?;
        match self.target_form {
            b'/' => Ok(()),
            b'*' if self.target.len() == 1 && method == Method::OPTIONS => Ok(()),
            // The absolute form; its parts are judged with the whole head.
            byte if byte.is_ascii_alphabetic() => Ok(()),
            _ => Err(ProtocolErrorKind::BadTarget),
        }
    }

    /// The fault for a byte that cannot stand where it stands.
    fn fault_at(&self, byte: u8, offset: usize) -> Fault {
        use ProtocolErrorKind::*;
        match (self.state, byte) {
            (_, b'\n') => Fault::new(BareLf, offset),
            (State::Method, byte) if is_token(byte) => Fault::new(UnknownMethod, offset),
            (State::Target, b'#') => Fault::new(BadTarget, offset),
            (State::Target, byte) if is_target(byte) => Fault::new(UriTooLong, offset),
            // A third word that begins like no version at all means that the target had a space in it.
            (State::Version(place @ 0..5), byte) if !byte.eq_ignore_ascii_case(&b"HTTP/"[usize::from(place)]) => {
                Fault::new(BadRequestLine, offset)
            }
            (State::Version(5), b'0'..=b'9') => {
                Fault::new(BadVersion, offset).answered_with(StatusCode::HTTP_VERSION_NOT_SUPPORTED)
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
