//! Bodies: the bytes between a head and the next message, framed in one of four ways.

use super::chunked::ChunkedDecoder;
use super::error::{Fault, ProtocolErrorKind};
use super::framing::BodyFraming;
use super::step::{BodyEvent, Step};

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum BodyDecoder {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(ChunkedDecoder),
    /// Whatever comes until the peer closes.
    UntilClose,
}

impl BodyDecoder {
    /// Returns a decoder for the body of a response that is framed so.
    pub(super) fn of_response(framing: BodyFraming) -> BodyDecoder {
        BodyDecoder::new(framing, ChunkedDecoder::of_response)
    }

    /// Returns a decoder for the body of a request that is framed so.
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

    /// Takes in the front of `input`, up to the next event.
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

    /// What it means that the peer closes here (RFC 9112 §8).
    pub(super) fn on_eof(&self) -> Result<(), ProtocolErrorKind> {
        match self {
            BodyDecoder::Length(0) | BodyDecoder::UntilClose => Ok(()),
            BodyDecoder::Chunked(chunked) if chunked.is_complete() => Ok(()),
            BodyDecoder::Length(_) | BodyDecoder::Chunked(_) => Err(ProtocolErrorKind::TruncatedBody),
        }
    }
}

/// The step for bytes that are content all through.
fn content(bytes: &[u8]) -> Step<BodyEvent<'_>> {
    let event = if bytes.is_empty() { BodyEvent::NeedMore } else { BodyEvent::Data(bytes) };
    Step::new(bytes.len(), event)
}
