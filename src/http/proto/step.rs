//! What every call of a decoder returns.

use http::HeaderMap;

/// How far one call came, and the one thing that it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<Event> {
    /// How many bytes at the front of the input are used up. They must not be given again.
    pub consumed: usize,
    /// What they amounted to.
    pub event: Event,
}

impl<Event> Step<Event> {
    /// A step over `consumed` bytes that ended in `event`.
    pub(super) fn new(consumed: usize, event: Event) -> Step<Event> {
        Step { consumed, event }
    }
}

/// What a body decoder sees; the decoders of whole messages give it on under names of their own.
#[derive(Debug)]
pub(super) enum BodyEvent<'input> {
    /// All of the input is used up, and the body is not complete.
    NeedMore,
    /// Bytes of content, at least one.
    Data(&'input [u8]),
    /// The fields behind the last chunk, if there are any.
    Trailers(HeaderMap),
    /// The body is complete.
    End,
}
