//! Errors of the decoders.

use std::fmt;

use http::StatusCode;

/// A violation of the grammar, the framing rules or a limit.
///
/// After an error every further call of the decoder returns the same error, since the start of the next message is
/// unknown.
///
/// ```
/// use glassloop::http::proto::{ProtocolErrorKind, ResponseDecoder};
///
/// let mut decoder = ResponseDecoder::new(&http::Method::GET);
/// let error = decoder.decode(b"HTTP/1.1 2x0 OK").unwrap_err();
/// assert_eq!(error.kind, ProtocolErrorKind::BadStatusLine);
/// assert_eq!(error.position, 10);
/// assert_eq!(error.to_string(), "the status line is not HTTP-version SP 3DIGIT SP reason (at byte 10)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// The kind of error.
    pub kind: ProtocolErrorKind,
    /// The position in all bytes that were passed to the decoder. It is the offset of the invalid byte, or, if a line
    /// or a head is invalid as a whole, the offset of its end.
    pub position: u64,
    /// The status code that a server responds with.
    status: Option<StatusCode>,
}

impl ProtocolError {
    /// Returns the status code that a server should respond with before it closes the connection. `None` if no response
    /// is possible: the peer has closed the connection, or this is an error in a response.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (at byte {})", self.kind, self.position)
    }
}

impl std::error::Error for ProtocolError {}

/// The kinds of error, named for the invalid part of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolErrorKind {
    /// The peer closed the connection without sending a response. The request may be retried (RFC 9112 §9.3.1).
    EmptyReply,
    /// The peer closed the connection between two requests, which is not an error.
    IdleClose,
    /// The peer closed the connection before the head was complete.
    TruncatedHead,
    /// The peer closed the connection before the body was complete (RFC 9112 §8).
    TruncatedBody,
    /// The status line does not follow RFC 9112 §4.
    BadStatusLine,
    /// A status code below 100.
    BadStatus,
    /// An invalid protocol version, or one whose major version is not 1 (RFC 9112 §2.3).
    BadVersion,
    /// 101 without an `Upgrade` in the request (RFC 9110 §15.2.2).
    UnexpectedUpgrade,
    /// More interim responses than [`MAX_INTERIM_RESPONSES`](super::limits::MAX_INTERIM_RESPONSES).
    TooManyInterim,
    /// The request line does not follow RFC 9112 §3.
    BadRequestLine,
    /// A method that is not implemented (RFC 9110 §9.1).
    UnknownMethod,
    /// An invalid request target, or one in a form that the method does not permit (RFC 9112 §3.2).
    BadTarget,
    /// A request target longer than [`MAX_TARGET_BYTES`](super::limits::MAX_TARGET_BYTES).
    UriTooLong,
    /// A missing, repeated or invalid `Host` field (RFC 9112 §3.2).
    BadHost,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    BadExpect,
    /// A field line with a missing or invalid name (RFC 9112 §5.1).
    BadHeaderName,
    /// A control character in a field value (RFC 9110 §5.5). In a response only NUL and a bare CR are errors, except in
    /// fields that determine the framing, the range or the target of a redirect.
    BadHeaderValue,
    /// A folded field line in a request (RFC 9112 §5.2).
    ObsFold,
    /// A line of a request that ends in LF alone (RFC 9112 §2.2).
    BareLf,
    /// More fields than [`MAX_FIELDS`](super::limits::MAX_FIELDS).
    TooManyHeaders,
    /// Heads larger than [`MAX_HEAD_BYTES`](super::limits::MAX_HEAD_BYTES).
    HeadTooLarge,
    /// A `Content-Length` that is not a number, too large, or ambiguous (RFC 9112 §6.3).
    BadContentLength,
    /// A malformed `Transfer-Encoding`, or one with a coding other than `chunked` (RFC 9112 §6.1).
    BadTransferEncoding,
    /// A request with both `Content-Length` and `Transfer-Encoding` (RFC 9112 §6.1).
    ClAndTe,
    /// Invalid chunk framing (RFC 9112 §7.1).
    BadChunk,
    /// Chunk extensions larger than [`MAX_CHUNK_EXTENSION_BYTES`](super::limits::MAX_CHUNK_EXTENSION_BYTES).
    ChunkExtTooLarge,
    /// An invalid trailer section (RFC 9112 §7.1.2).
    BadTrailer,
    /// A trailer section larger than [`MAX_TRAILER_BYTES`](super::limits::MAX_TRAILER_BYTES) or
    /// [`MAX_FIELDS`](super::limits::MAX_FIELDS).
    TrailersTooLarge,
}

impl ProtocolErrorKind {
    /// Returns the status code that a server responds with by default.
    fn default_status(self) -> Option<StatusCode> {
        use ProtocolErrorKind::*;
        match self {
            EmptyReply | IdleClose | TruncatedHead | TruncatedBody => None,
            UnknownMethod => Some(StatusCode::NOT_IMPLEMENTED),
            UriTooLong => Some(StatusCode::URI_TOO_LONG),
            BadExpect => Some(StatusCode::EXPECTATION_FAILED),
            TooManyHeaders | HeadTooLarge | TrailersTooLarge => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            _ => Some(StatusCode::BAD_REQUEST),
        }
    }
}

impl fmt::Display for ProtocolErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ProtocolErrorKind::*;
        formatter.write_str(match self {
            EmptyReply => "the peer closed the connection without a response",
            IdleClose => "the peer closed the connection between two requests",
            TruncatedHead => "the peer closed the connection in the middle of a head",
            TruncatedBody => "the peer closed the connection before the body was complete",
            BadStatusLine => "the status line is not HTTP-version SP 3DIGIT SP reason",
            BadStatus => "the status code is below 100",
            BadVersion => "the protocol version is not HTTP/1.0 or HTTP/1.1",
            UnexpectedUpgrade => "the server switched protocols, which the request did not ask for",
            TooManyInterim => "too many interim responses before the final one",
            BadRequestLine => "the request line is not method SP target SP HTTP-version",
            UnknownMethod => "the method is not implemented",
            BadTarget => "the request target has no form that the method allows",
            UriTooLong => "the request target is too long",
            BadHost => "Host is missing, repeated or not a host",
            BadExpect => "the expectation is not 100-continue",
            BadHeaderName => "a field line has no valid name",
            BadHeaderValue => "a field value contains a control character",
            ObsFold => "a field line is folded in a request",
            BareLf => "a line of a request ends in LF alone",
            TooManyHeaders => "the head has too many fields",
            HeadTooLarge => "the head is too large",
            BadContentLength => "Content-Length is not one number in range",
            BadTransferEncoding => {
                "Transfer-Encoding is malformed, has another coding than chunked, or comes with HTTP/1.0"
            }
            ClAndTe => "a request has both Content-Length and Transfer-Encoding",
            BadChunk => "the chunk framing is broken",
            ChunkExtTooLarge => "the chunk extensions are too large",
            BadTrailer => "a trailer field line is malformed",
            TrailersTooLarge => "the trailer section is too large",
        })
    }
}

/// An error of a scanner, whose position is relative to the input of the current call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The kind of error.
    kind: ProtocolErrorKind,
    /// The offset in the input of the current call.
    offset: usize,
    /// The status code to respond with, if it is not the default for the kind.
    answer: Option<StatusCode>,
}

impl Fault {
    /// Creates an error at `offset` of the current input.
    pub(super) fn new(kind: ProtocolErrorKind, offset: usize) -> Fault {
        Fault { kind, offset, answer: None }
    }

    /// Sets the status code to respond with.
    pub(super) fn with_status(self, status: StatusCode) -> Fault {
        Fault { answer: Some(status), ..self }
    }

    /// Adds `bytes` to the offset, for an error in a slice that starts at that offset of the input.
    pub(super) fn shifted_by(self, bytes: usize) -> Fault {
        Fault { offset: self.offset + bytes, ..self }
    }

    /// Converts this to the error of a response decoder. `position` is the number of bytes consumed before this input.
    pub(super) fn in_response(self, position: u64) -> ProtocolError {
        ProtocolError { kind: self.kind, position: position + self.offset as u64, status: None }
    }

    /// Converts this to the error of a request decoder, with a status code to respond with.
    pub(super) fn in_request(self, position: u64) -> ProtocolError {
        let status = self.answer.or_else(|| self.kind.default_status());
        ProtocolError { status, ..self.in_response(position) }
    }
}

/// Creates an error at offset 0, for which the caller sets the offset with [`Fault::shifted_by`].
impl From<ProtocolErrorKind> for Fault {
    fn from(kind: ProtocolErrorKind) -> Fault {
        Fault::new(kind, 0)
    }
}
