//! The chunked transfer coding (RFC 9112 §7.1), one byte at a time except where it matters.
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
//! `httparse` has a chunk size parser too; it takes an empty line for a size of 0, which ends a body early, and any byte
//! in an extension, which hides line ends from the next reader.

use super::error::{Fault, ProtocolErrorKind};
use super::fields::Section;
use super::grammar::is_text;
use super::head::{HeadReader, NoStartLine};
use super::limits::{MAX_CHUNK_EXTENSION_BYTES, MAX_LENGTH};
use super::step::{BodyEvent, Step};

/// Hexadecimal digits in a chunk size, leading zeros included: what 64 bits need.
const MAX_SIZE_DIGITS: u8 = 16;

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The size, of which so many digits have come.
    Size(u8),
    /// White space behind the size, in responses only: some servers pad, and the grammar allows it in front of an
    /// extension. In a request it would be one more thing in which two servers can disagree.
    Padding,
    /// Extensions, which are read over (§7.1.1). No byte in them can hide a line end.
    Extension,
    /// The LF of the size line.
    SizeLineFeed,
    /// The content, of which so many bytes are missing.
    Content(u64),
    /// The CR behind the content.
    ContentCarriageReturn,
    /// The LF behind that.
    ContentLineFeed,
    /// The trailer section, which may be just its closing empty line.
    Trailers,
    /// Nothing: the coding is complete.
    Complete,
}

/// Takes the chunked coding off a body.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// The size of the present chunk.
    size: u64,
    /// Bytes of padding and extensions that this body may still have.
    extension_budget: usize,
    /// Whether white space may follow a size.
    may_be_padded: bool,
    trailers: HeadReader<NoStartLine>,
}

impl ChunkedDecoder {
    /// Returns a decoder for the body of a response, which waits for the first chunk.
    pub(super) fn of_response() -> ChunkedDecoder {
        ChunkedDecoder::new(Section::ResponseTrailers)
    }

    /// Returns a decoder for the body of a request, which accepts less.
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

    /// Whether the last chunk and the trailer section behind it have been seen.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Takes in the front of `input`, up to the next event.
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

    /// One byte of framing.
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

    /// One digit more of the size, checked: a size that wraps around would let the sender choose where the next chunk
    /// seems to begin.
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

    /// Goes to `state` by way of one byte that counts against the extensions.
    fn spend(&mut self, state: State) -> Result<State, ProtocolErrorKind> {
        self.extension_budget = self.extension_budget.checked_sub(1).ok_or(ProtocolErrorKind::ChunkExtTooLarge)?;
        Ok(state)
    }

    /// Takes in the trailer section, which begins or goes on at `at`.
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
        let fields = self.trailers.finish(&rest[..length]).cut_fields();
        let fields = fields.map_err(|_| Fault::new(ProtocolErrorKind::BadTrailer, end))?;
        Ok(Step::new(end, BodyEvent::Trailers(fields)))
    }
}
