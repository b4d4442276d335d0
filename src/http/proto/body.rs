//! Decodes bodies, in each of the four framings.

use super::chunked::ChunkedDecoder;
use super::error::{Fault, ProtocolErrorKind};
use super::framing::BodyFraming;
use super::step::{BodyEvent, Step};

/// The state of a body that is being received.
#[derive(Debug)]
pub(super) enum BodyDecoder {
    /// The number of bytes that are missing.
    Length(u64),
    /// The chunked transfer coding.
    Chunked(ChunkedDecoder),
    /// All bytes until the peer closes the connection.
    UntilClose,
}

impl BodyDecoder {
    /// Returns a decoder for the body of a response with this framing.
    pub(super) fn of_response(framing: BodyFraming) -> BodyDecoder {
        BodyDecoder::new(framing, ChunkedDecoder::of_response)
    }

    /// Returns a decoder for the body of a request with this framing.
    pub(super) fn of_request(framing: BodyFraming) -> BodyDecoder {
        BodyDecoder::new(framing, ChunkedDecoder::of_request)
    }

    fn new(framing: BodyFraming, chunked: fn() -> ChunkedDecoder) -> BodyDecoder {
        match framing {
            BodyFraming::None => BodyDecoder::Length(0),
            BodyFraming::Length(length) => BodyDecoder::Length(length),
            BodyFraming::Chunked => BodyDecoder::Chunked(chunked()),
            BodyFraming::UntilClose => BodyDecoder::UntilClose,
        }
    }

    /// Decodes `input` up to the next event.
    pub(super) fn decode<'input>(&mut self, input: &'input [u8]) -> Result<Step<BodyEvent<'input>>, Fault> {
        match self {
            BodyDecoder::Length(0) => Ok(Step::new(0, BodyEvent::End)),
            BodyDecoder::Length(missing) => {
                let taken = usize::try_from(*missing).unwrap_or(usize::MAX).min(input.len());
                *missing -= taken as u64;
                Ok(content(&input[..taken]))
            }
            BodyDecoder::Chunked(chunked) => chunked.decode(input),
            BodyDecoder::UntilClose => Ok(content(input)),
        }
    }

    /// Returns whether the body is complete if the peer closes the connection now (RFC 9112 §8).
    pub(super) fn on_eof(&self) -> Result<(), ProtocolErrorKind> {
        match self {
            BodyDecoder::Length(0) | BodyDecoder::UntilClose => Ok(()),
            BodyDecoder::Chunked(chunked) if chunked.is_complete() => Ok(()),
            BodyDecoder::Length(_) | BodyDecoder::Chunked(_) => Err(ProtocolErrorKind::TruncatedBody),
        }
    }
}

/// Returns the step for bytes that consist of content only.
fn content(bytes: &[u8]) -> Step<BodyEvent<'_>> {
    let event = if bytes.is_empty() { BodyEvent::NeedMore } else { BodyEvent::Data(bytes) };
    Step::new(bytes.len(), event)
}
