//! The result of a call of a decoder.

use http::HeaderMap;

/// The result of one call of a decoder: the bytes consumed and an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<Event> {
    /// The number of bytes consumed at the front of the input. They must not be passed again.
    pub consumed: usize,
    /// The event.
    pub event: Event,
}

impl<Event> Step<Event> {
    /// Creates a step.
    pub(super) fn new(consumed: usize, event: Event) -> Step<Event> {
        Step { consumed, event }
    }
}

/// An event of a body decoder, which the message decoders convert to events of their own.
#[derive(Debug)]
pub(super) enum BodyEvent<'input> {
    /// All of the input is consumed, and the body is not complete.
    NeedMore,
    /// Content, at least one byte.
    Data(&'input [u8]),
    /// The trailer section, if it is not empty.
    Trailers(HeaderMap),
    /// The body is complete.
    End,
}
