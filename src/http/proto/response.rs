//! The client's decoder: decodes the response of one exchange.
//!
//! ```text
//!              1xx: Interim
//!               ┌────────┐
//!               ▼        │
//!  new ───────▶ Head ────┘
//!               │ Head
//!               ▼
//!               Body ──▶ Body (Data, Trailers)
//!               │ End                   after an error: the same error in every call
//!               ▼
//!               Done
//! ```
//!
//! | state when the peer closes | result of [`on_eof`](ResponseDecoder::on_eof) |
//! | --- | --- |
//! | `Head`, before the first byte of the exchange | `EmptyReply` |
//! | `Head`, later | `TruncatedHead` |
//! | `Body`, delimited by close | `End` |
//! | `Body` otherwise | `TruncatedBody` |
//! | `Done` | `End`, not reusable |

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};

use super::body::BodyDecoder;
use super::error::{Fault, ProtocolError, ProtocolErrorKind};
use super::fields::Section;
use super::framing::{self, BodyFraming};
use super::head::HeadReader;
use super::limits::MAX_INTERIM_RESPONSES;
use super::status_line::StatusLine;
use super::step::{BodyEvent, Step};

/// An event of a response.
#[derive(Debug)]
pub enum ResponseEvent<'input> {
    /// All of the input is consumed. Read more, or call [`on_eof`](ResponseDecoder::on_eof) at EOF.
    NeedMore,
    /// An interim response, 100 or 102 to 199. Its fields are validated and discarded, since they do not apply to the
    /// final response (RFC 9110 §15.2).
    Interim(StatusCode),
    /// The head of the final response.
    Head(ResponseHead),
    /// Content of the body: a slice of the input, never empty.
    Data(&'input [u8]),
    /// The trailer section of a chunked body. Its fields must not be merged into those of the head (RFC 9110 §6.5.1).
    Trailers(HeaderMap),
    /// The response is complete.
    End {
        /// Whether the connection may be reused. It is `false` if there is more input, since unsolicited data would be
        /// taken for the response to the next request. The caller has to check for data that arrives later.
        reusable: bool,
    },
}

/// The head of a final response.
#[derive(Debug)]
pub struct ResponseHead {
    /// Status, version and fields. The version is the sender's: 1.0 or 1.1.
    pub response: Response<()>,
    /// The reason phrase as received. It may contain control characters and bytes above 0x7f: escape it for display.
    pub reason: Bytes,
    /// The framing of the body.
    pub framing: BodyFraming,
    /// Whether the connection persists after the body.
    pub keep_alive: bool,
}

/// Decodes the response to one request.
///
/// Pass the bytes that were read, without those that each step has [consumed](Step::consumed), until the event is
/// [`NeedMore`](ResponseEvent::NeedMore) or [`End`](ResponseEvent::End). After `NeedMore` all of the input is consumed,
/// so its buffer can be used for other connections. The events do not depend on where the input is split, except that
/// `Data` may be split as well.
///
/// ```
/// use glassloop::http::proto::{ResponseDecoder, ResponseEvent};
///
/// let mut decoder = ResponseDecoder::new(&http::Method::GET);
/// let mut input: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
/// let mut body = Vec::new();
/// let reusable = loop {
///     let step = decoder.decode(input)?;
///     input = &input[step.consumed..];
///     match step.event {
///         ResponseEvent::Head(head) => assert_eq!(head.response.status(), 200),
///         ResponseEvent::Data(bytes) => body.extend_from_slice(bytes),
///         ResponseEvent::End { reusable } => break reusable,
///         ResponseEvent::NeedMore => panic!("the whole response was there"),
///         ResponseEvent::Interim(_) | ResponseEvent::Trailers(_) => {}
///     }
/// };
/// assert_eq!(body, b"hello");
/// assert!(reusable);
/// # Ok::<(), glassloop::http::proto::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct ResponseDecoder {
    /// The method of the request, which determines whether the response can have a body.
    method: Method,
    state: State,
    /// The number of interim responses received.
    interim_responses: usize,
    /// The number of bytes consumed.
    position: u64,
    /// The error, if one has occurred.
    failure: Option<ProtocolError>,
}

/// The state of a response decoder.
#[derive(Debug)]
enum State {
    /// Reading a head.
    Head(HeadReader<StatusLine>),
    /// Reading the body.
    Body { body: BodyDecoder, persistent: bool },
    /// Complete.
    Done { reusable: bool },
}

impl ResponseDecoder {
    /// Creates a decoder for the response to a request with this method.
    pub fn new(method: &Method) -> ResponseDecoder {
        let head = HeadReader::new(StatusLine::new(false), Section::Response, 0);
        ResponseDecoder {
            method: method.clone(),
            state: State::Head(head),
            interim_responses: 0,
            position: 0,
            failure: None,
        }
    }

    /// Returns the number of bytes consumed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Decodes `input` up to the next event.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] as soon as the bytes cannot become a valid response, and in every later call.
    pub fn decode<'input>(&mut self, input: &'input [u8]) -> Result<Step<ResponseEvent<'input>>, ProtocolError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let step = self.advance(input).map_err(|fault| self.fail(fault))?;
        self.position += step.consumed as u64;
        Ok(step)
    }

    fn advance<'input>(&mut self, input: &'input [u8]) -> Result<Step<ResponseEvent<'input>>, Fault> {
        match &mut self.state {
            State::Head(head) => {
                let Some(end) = head.read(input)? else {
                    return Ok(Step::new(input.len(), ResponseEvent::NeedMore));
                };
                let status = StatusCode::from_u16(head.line().code())
                    .map_err(|_| Fault::new(ProtocolErrorKind::BadStatus, end))?;
                if status.is_informational() {
                    let spent = head.spent();
                    self.interim_responses += 1;
                    let line = StatusLine::new(self.interim_responses == MAX_INTERIM_RESPONSES);
                    self.state = State::Head(HeadReader::new(line, Section::Response, spent));
                    return Ok(Step::new(end, ResponseEvent::Interim(status)));
                }
                let head =
                    final_head(&self.method, status, head, &input[..end]).map_err(|kind| Fault::new(kind, end))?;
                let body = BodyDecoder::of_response(head.framing);
                self.state = State::Body { body, persistent: head.keep_alive };
                Ok(Step::new(end, ResponseEvent::Head(head)))
            }
            State::Body { body, persistent } => {
                let step = body.decode(input)?;
                let event = match step.event {
                    BodyEvent::NeedMore => ResponseEvent::NeedMore,
                    BodyEvent::Data(bytes) => ResponseEvent::Data(bytes),
                    BodyEvent::Trailers(fields) => ResponseEvent::Trailers(fields),
                    BodyEvent::End => {
                        let reusable = *persistent && step.consumed == input.len();
                        self.state = State::Done { reusable };
                        ResponseEvent::End { reusable }
                    }
                };
                Ok(Step::new(step.consumed, event))
            }
            State::Done { reusable } => {
                *reusable &= input.is_empty();
                Ok(Step::new(0, ResponseEvent::End { reusable: *reusable }))
            }
        }
    }

    /// Handles EOF. The event is [`End`](ResponseEvent::End), which is not reusable.
    ///
    /// Do not call this after a reset, or if a TLS connection ends without `close_notify`: a body that is delimited by
    /// close may be truncated then.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the response is not complete.
    pub fn on_eof(&mut self) -> Result<ResponseEvent<'static>, ProtocolError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let end = match &self.state {
            State::Head(_) if self.position == 0 => Err(ProtocolErrorKind::EmptyReply),
            State::Head(_) => Err(ProtocolErrorKind::TruncatedHead),
            State::Body { body, .. } => body.on_eof(),
            State::Done { .. } => Ok(()),
        };
        end.map_err(|kind| self.fail(Fault::new(kind, 0)))?;
        self.state = State::Done { reusable: false };
        Ok(ResponseEvent::End { reusable: false })
    }

    /// Stores and returns the error, which all later calls return as well.
    fn fail(&mut self, fault: Fault) -> ProtocolError {
        let failure = fault.in_response(self.position);
        self.failure = Some(failure);
        failure
    }
}

/// Parses and validates a complete head.
fn final_head(
    method: &Method,
    status: StatusCode,
    head: &mut HeadReader<StatusLine>,
    last: &[u8],
) -> Result<ResponseHead, ProtocolErrorKind> {
    let raw = head.finish(last);
    let version = head.line().version();
    let fields = raw.parse_fields()?;
    let (framing, keep_alive) = framing::of_response(method, status, version, &fields)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = fields;
    let reason = raw.bytes().slice(head.line().reason());
    Ok(ResponseHead { response, reason, framing, keep_alive })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_byte_is_reported_immediately_with_its_position() {
        use ProtocolErrorKind::*;
        for (input, kind) in [
            ("HTTQ", BadVersion),
            ("HTTP/1.1 0", BadStatus),
            ("HTTP/1.1 101", UnexpectedUpgrade),
            ("HTTP/1.1 200 a\0", BadStatusLine),
            ("HTTP/1.1 200 OK\r\nA ", BadHeaderName),
            ("HTTP/1.1 200 OK\r\nA: b\0", BadHeaderValue),
            ("HTTP/1.1 200 OK\r\nA: b\rc", BadHeaderValue),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\n", BadChunk),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n:", BadTrailer),
        ] {
            let mut decoder = ResponseDecoder::new(&Method::GET);
            let error = input.bytes().find_map(|byte| decoder.decode(&[byte]).err());
            let error = error.unwrap_or_else(|| panic!("{input:?} was taken"));
            assert_eq!((error.kind, error.position), (kind, input.len() as u64 - 1), "{input:?}");
            assert_eq!(error.status(), None, "a client sends no error response");
        }
    }

    #[test]
    fn the_reason_phrase_is_preserved() {
        for (line, reason) in [
            (&b"HTTP/1.1 200 All \xe9 well \r\n"[..], &b"All \xe9 well "[..]),
            (b"HTTP/1.1 200 lf\n", b"lf"),
            (b"HTTP/1.1 200 \r\n", b""),
            (b"HTTP/1.1 200\r\n", b""),
        ] {
            let mut decoder = ResponseDecoder::new(&Method::HEAD);
            decoder.decode(line).unwrap();
            let ResponseEvent::Head(head) = decoder.decode(b"\r\n").unwrap().event else { panic!("{line:?}") };
            assert_eq!(head.reason, reason);
        }
    }

    #[test]
    fn a_close_delimited_body_is_not_self_delimited() {
        let mut decoder = ResponseDecoder::new(&Method::GET);
        let step = decoder.decode(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let ResponseEvent::Head(head) = step.event else { panic!("a whole head") };
        assert_eq!(head.framing, BodyFraming::UntilClose);
        assert!(!head.framing.is_self_delimited());
        assert!(matches!(decoder.on_eof(), Ok(ResponseEvent::End { reusable: false })));
    }

    #[test]
    fn bytes_after_the_end_prevent_reuse_whenever_they_arrive() {
        let mut decoder = ResponseDecoder::new(&Method::GET);
        let head = decoder.decode(b"HTTP/1.1 204 \r\n\r\n").unwrap();
        assert!(matches!(head.event, ResponseEvent::Head(_)));
        assert!(matches!(decoder.decode(b"").unwrap().event, ResponseEvent::End { reusable: true }));
        let late = decoder.decode(b"x").unwrap();
        assert_eq!(late.consumed, 0);
        assert!(matches!(late.event, ResponseEvent::End { reusable: false }));
        assert!(matches!(decoder.decode(b"").unwrap().event, ResponseEvent::End { reusable: false }));
    }

    #[test]
    fn a_complete_body_is_not_truncated_by_a_later_eof() {
        let mut decoder = ResponseDecoder::new(&Method::GET);
        decoder.decode(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let step = decoder.decode(b"0\r\nA: 1\r\n\r\n").unwrap();
        assert!(matches!(step.event, ResponseEvent::Trailers(_)));
        assert!(matches!(decoder.on_eof(), Ok(ResponseEvent::End { reusable: false })));
    }
}
