//! What can be wrong with bytes that claim to be HTTP/1.1.

use std::fmt;

use http::StatusCode;

/// A message that broke the grammar, the framing rules or a limit.
///
/// A decoder that has returned one stays failed: every further call returns the same error, since where the next message
/// would begin is no longer known.
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
    /// The class of the fault.
    pub kind: ProtocolErrorKind,
    /// Where it was found, counted in bytes from the first one that the decoder was given. For a byte that cannot stand
    /// where it stands this is its own offset; for a line or a head that is wrong as a whole, the offset just behind it.
    pub position: u64,
    /// What a server answers.
    status: Option<StatusCode>,
}

impl ProtocolError {
    /// The status with which a server answers before it closes, or `None` where there is nobody or nothing to answer:
    /// the peer left in the middle, or the error was met by a client.
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

/// The classes of fault, each named for the part of the message that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolErrorKind {
    /// The peer closed without having answered at all (RFC 9112 §9.3.1: a reason to retry on a fresh connection).
    EmptyReply,
    /// The peer closed between two requests: no fault, and nothing to answer.
    IdleClose,
    /// The peer closed in the middle of a head.
    TruncatedHead,
    /// The peer closed before the body was complete (RFC 9112 §8).
    TruncatedBody,
    /// The status line does not follow RFC 9112 §4.
    BadStatusLine,
    /// A status code below 100.
    BadStatus,
    /// A protocol version that is misspelt, or whose major version is not 1 (RFC 9112 §2.3).
    BadVersion,
    /// 101 without an `Upgrade` in the request (RFC 9110 §15.2.2).
    UnexpectedUpgrade,
    /// More interim responses than [`MAX_INTERIM_RESPONSES`](super::limits::MAX_INTERIM_RESPONSES).
    TooManyInterim,
    /// The request line does not follow RFC 9112 §3.
    BadRequestLine,
    /// A method that this server does not implement (RFC 9110 §9.1).
    UnknownMethod,
    /// A request target in none of the forms that the method allows (RFC 9112 §3.2).
    BadTarget,
    /// A request target above [`MAX_TARGET_BYTES`](super::limits::MAX_TARGET_BYTES).
    UriTooLong,
    /// `Host` missing, repeated, or not a host (RFC 9112 §3.2).
    BadHost,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    BadExpect,
    /// A field name that is no token, or a field line without one (RFC 9112 §5.1).
    BadHeaderName,
    /// A control character in a field value of a request; in one of a response, NUL or a bare CR, or any control character
    /// in a field that decides about framing or about a redirect (RFC 9110 §5.5).
    BadHeaderValue,
    /// A line folded onto the next in a request (RFC 9112 §5.2).
    ObsFold,
    /// A line ended by LF alone in a request (RFC 9112 §2.2).
    BareLf,
    /// More fields than [`MAX_FIELDS`](super::limits::MAX_FIELDS).
    TooManyHeaders,
    /// Heads above [`MAX_HEAD_BYTES`](super::limits::MAX_HEAD_BYTES).
    HeadTooLarge,
    /// `Content-Length` that is no number, too large, or contradicts itself (RFC 9112 §6.3).
    BadContentLength,
    /// `Transfer-Encoding` with another coding than `chunked`, or one that is malformed (RFC 9112 §6.1).
    BadTransferEncoding,
    /// A request with both `Content-Length` and `Transfer-Encoding` (RFC 9112 §6.1).
    ClAndTe,
    /// Chunk framing that does not follow RFC 9112 §7.1.
    BadChunk,
    /// Chunk extensions above [`MAX_CHUNK_EXTENSION_BYTES`](super::limits::MAX_CHUNK_EXTENSION_BYTES).
    ChunkExtTooLarge,
    /// A trailer section that does not follow the rules of field lines (RFC 9112 §7.1.2).
    BadTrailer,
    /// Trailers above [`MAX_TRAILER_BYTES`](super::limits::MAX_TRAILER_BYTES) or
    /// [`MAX_FIELDS`](super::limits::MAX_FIELDS).
    TrailersTooLarge,
}

impl ProtocolErrorKind {
    /// What a server answers to this fault, unless the place where it was found knows better.
    fn usual_answer(self) -> Option<StatusCode> {
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
            EmptyReply => "the peer closed the connection without an answer",
            IdleClose => "the peer closed the connection between two requests",
            TruncatedHead => "the peer closed the connection in the middle of a head",
            TruncatedBody => "the peer closed the connection before the body was complete",
            BadStatusLine => "the status line is not HTTP-version SP 3DIGIT SP reason",
            BadStatus => "the status code is below 100",
            BadVersion => "the protocol version is not HTTP/1.0 or HTTP/1.1",
            UnexpectedUpgrade => "the server switches protocols without having been asked",
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

/// A fault as a scanner sees it: it knows the input of this call, not what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The class of the fault.
    kind: ProtocolErrorKind,
    /// Offset in the input of the call.
    offset: usize,
    /// The answer, where it is not the usual one for the class.
    answer: Option<StatusCode>,
}

impl Fault {
    /// A fault at `offset` of the present input.
    pub(super) fn new(kind: ProtocolErrorKind, offset: usize) -> Fault {
        Fault { kind, offset, answer: None }
    }

    /// The same fault, to be answered with `status`.
    pub(super) fn answered_with(self, status: StatusCode) -> Fault {
        Fault { answer: Some(status), ..self }
    }

    /// The same fault, found in a slice that begins `bytes` behind the start of the input.
    pub(super) fn shifted_by(self, bytes: usize) -> Fault {
        Fault { offset: self.offset + bytes, ..self }
    }

    /// The error that a client reports, `position` bytes having been consumed before this input.
    pub(super) fn in_response(self, position: u64) -> ProtocolError {
        ProtocolError { kind: self.kind, position: position + self.offset as u64, status: None }
    }

    /// The error that a server reports and answers.
    pub(super) fn in_request(self, position: u64) -> ProtocolError {
        let status = self.answer.or_else(|| self.kind.usual_answer());
        ProtocolError { status, ..self.in_response(position) }
    }
}

/// A fault of what was read as a whole; [`Fault::shifted_by`] then says where that ended.
impl From<ProtocolErrorKind> for Fault {
    fn from(kind: ProtocolErrorKind) -> Fault {
        Fault::new(kind, 0)
    }
}
