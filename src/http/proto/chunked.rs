//! Decodes the chunked transfer coding (RFC 9112 §7.1): the framing byte by byte, the content as slices.
//!
//! ```text
//!            hex digits          padding, extensions
//!              ┌──┐                  ┌──────┐
//!              ▼  │                  ▼      │
//!  ──────────▶ Size ──▶ Padding ──▶ Extension
//!    ▲          │ CR       │ CR       │ CR
//!    │          └──────────┴──────────┴──▶ SizeLineFeed ── size 0 ──▶ Trailers ──▶ Complete
//!    │                                          │ size > 0
//!    └── ContentLineFeed ◀── ContentCarriageReturn ◀── Content
//! ```
//!
//! `httparse` has a parser for chunk sizes as well, but that accepts an empty line as a size of 0, which ends a body
//! early, and any byte in an extension, including line ends that the next recipient may interpret.

use super::error::{Fault, ProtocolErrorKind};
use super::fields::Section;
use super::grammar::is_text;
use super::head::{HeadReader, NoStartLine};
use super::limits::{MAX_CHUNK_EXTENSION_BYTES, MAX_LENGTH};
use super::step::{BodyEvent, Step};

/// The maximum number of hexadecimal digits in a chunk size, including leading zeros. 64 bits need 16 digits.
const MAX_SIZE_DIGITS: u8 = 16;

/// The part of the coding that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The size, with the number of digits received.
    Size(u8),
    /// White space after the size. It is accepted only in responses, since some servers pad the size, and the grammar
    /// permits it in front of an extension. In requests, servers could interpret it differently.
    Padding,
    /// Extensions, which are ignored (§7.1.1). Control characters in them are rejected.
    Extension,
    /// The LF of the size line.
    SizeLineFeed,
    /// The content, with the number of bytes that are missing.
    Content(u64),
    /// The CR after the content.
    ContentCarriageReturn,
    /// The LF after the content.
    ContentLineFeed,
    /// The trailer section, which may be empty except for the empty line at its end.
    Trailers,
    /// Complete.
    Complete,
}

/// A decoder for the chunked transfer coding.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// The size of the current chunk.
    size: u64,
    /// The number of bytes of padding and extensions that are still allowed in this body.
    extension_budget: usize,
    /// Whether white space is accepted after a size.
    may_be_padded: bool,
    trailers: HeadReader<NoStartLine>,
}

impl ChunkedDecoder {
    /// Returns a decoder for the body of a response.
    pub(super) fn of_response() -> ChunkedDecoder {
        ChunkedDecoder::new(Section::ResponseTrailers)
    }

    /// Returns a decoder for the body of a request, which is stricter.
    pub(super) fn of_request() -> ChunkedDecoder {
        ChunkedDecoder::new(Section::RequestTrailers)
    }

    fn new(trailers: Section) -> ChunkedDecoder {
        ChunkedDecoder {
            state: State::Size(0),
            size: 0,
            extension_budget: MAX_CHUNK_EXTENSION_BYTES,
            may_be_padded: trailers == Section::ResponseTrailers,
            trailers: HeadReader::new(NoStartLine, trailers, 0),
        }
    }

    /// Returns whether the last chunk and the trailer section have been decoded.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Decodes `input` up to the next event.
    pub(super) fn decode<'input>(&mut self, input: &'input [u8]) -> Result<Step<BodyEvent<'input>>, Fault> {
        let mut at = 0;
        loop {
            match self.state {
                State::Content(missing) => {
                    let rest = &input[at..];
                    let taken = usize::try_from(missing).unwrap_or(usize::MAX).min(rest.len());
                    if taken == 0 {
                        return Ok(Step::new(at, BodyEvent::NeedMore));
                    }
                    self.state = match missing - taken as u64 {
                        0 => State::ContentCarriageReturn,
                        missing => State::Content(missing),
                    };
                    return Ok(Step::new(at + taken, BodyEvent::Data(&rest[..taken])));
                }
                State::Trailers => return self.read_trailers(input, at),
                State::Complete => return Ok(Step::new(at, BodyEvent::End)),
                _ => {
                    let Some(&byte) = input.get(at) else {
                        return Ok(Step::new(at, BodyEvent::NeedMore));
                    };
                    self.state = self.advance(byte).map_err(|kind| Fault::new(kind, at))?;
                    at += 1;
                }
            }
        }
    }

    /// Processes one byte of framing and returns the next state.
    fn advance(&mut self, byte: u8) -> Result<State, ProtocolErrorKind> {
        match (self.state, byte) {
            (State::Size(digits), byte) if byte.is_ascii_hexdigit() => self.push_digit(digits, byte),
            (State::Size(1..) | State::Padding | State::Extension, b'\r') => Ok(State::SizeLineFeed),
            (State::Size(1..) | State::Padding, b' ' | b'\t') if self.may_be_padded => self.spend(State::Padding),
            (State::Size(1..) | State::Padding, b';') => self.spend(State::Extension),
            (State::Extension, byte) if is_text(byte) => self.spend(State::Extension),
            (State::SizeLineFeed, b'\n') if self.size == 0 => Ok(State::Trailers),
            (State::SizeLineFeed, b'\n') => Ok(State::Content(self.size)),
            (State::ContentCarriageReturn, b'\r') => Ok(State::ContentLineFeed),
            (State::ContentLineFeed, b'\n') => {
                self.size = 0;
                Ok(State::Size(0))
            }
            _ => Err(ProtocolErrorKind::BadChunk),
        }
    }

    /// Adds a digit to the size, with checks for overflow: a size that wraps around would let the sender choose where
    /// the next chunk seems to begin.
    fn push_digit(&mut self, digits: u8, byte: u8) -> Result<State, ProtocolErrorKind> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        let size = self.size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
        self.size = size.filter(|&size| size <= MAX_LENGTH).ok_or(ProtocolErrorKind::BadChunk)?;
        if digits == MAX_SIZE_DIGITS {
            return Err(ProtocolErrorKind::BadChunk);
        }
        Ok(State::Size(digits + 1))
    }

    /// Returns `state`, after subtracting one byte from the extension budget.
    fn spend(&mut self, state: State) -> Result<State, ProtocolErrorKind> {
        self.extension_budget = self.extension_budget.checked_sub(1).ok_or(ProtocolErrorKind::ChunkExtTooLarge)?;
        Ok(state)
    }

    /// Reads the trailer section, or the rest of it, which starts at `at`.
    fn read_trailers<'input>(&mut self, input: &'input [u8], at: usize) -> Result<Step<BodyEvent<'input>>, Fault> {
        let rest = &input[at..];
        let Some(length) = self.trailers.read(rest).map_err(|fault| fault.shifted_by(at))? else {
            return Ok(Step::new(input.len(), BodyEvent::NeedMore));
        };
        let end = at + length;
        self.state = State::Complete;
        if self.trailers.fields() == 0 {
            return Ok(Step::new(end, BodyEvent::End));
        }
        let fields = self.trailers.finish(&rest[..length]).parse_fields();
        let fields = fields.map_err(|_| Fault::new(ProtocolErrorKind::BadTrailer, end))?;
        Ok(Step::new(end, BodyEvent::Trailers(fields)))
    }
}
