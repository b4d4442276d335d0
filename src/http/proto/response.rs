//! The client's side: the bytes of one exchange's answer, decoded.
//!
//! ```text
//!              1xx: Interim
//!               ┌────────┐
//!               ▼        │
//!  new ───────▶ Head ────┘
//!               │ Head
//!               ▼
//!               Body ──▶ Body (Data, Trailers)
//!               │ End                   after an error: the same error for ever
//!               ▼
//!               Done
//! ```
//!
//! | the peer closes in | answer of [`on_eof`](ResponseDecoder::on_eof) |
//! | --- | --- |
//! | `Head`, before the first byte of the exchange | `EmptyReply` |
//! | `Head`, later | `TruncatedHead` |
//! | `Body` that only the close can end | `End` |
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

/// What happened in the answer.
#[derive(Debug)]
pub enum ResponseEvent<'input> {
    /// The input is used up and nothing can be said yet: read more, or report the end with
    /// [`on_eof`](ResponseDecoder::on_eof).
    NeedMore,
    /// An interim response, 100 or 102 to 199. Its fields are checked but not kept, for they say nothing about the final
    /// response (RFC 9110 §15.2).
    Interim(StatusCode),
    /// The head of the final response.
    Head(ResponseHead),
    /// Bytes of the body: a slice of the input, never empty.
    Data(&'input [u8]),
    /// The fields behind a chunked body. They must not be merged into those of the head (RFC 9110 §6.5.1).
    Trailers(HeaderMap),
    /// The response is complete.
    End {
        /// Whether the connection may carry another exchange. Bytes of the input that are left over make it `false`: a
        /// server that speaks without having been asked could be answering the next request in advance. Bytes that come
        /// later must have the same consequence, so an idle connection has to be watched.
        reusable: bool,
    },
}

/// The head of a final response.
#[derive(Debug)]
pub struct ResponseHead {
    /// Status, version and fields. The version is the sender's: 1.0 or 1.1.
    pub response: Response<()>,
    /// The reason phrase as it came. It may hold bytes above 0x7f; escape it before showing it to anybody.
    pub reason: Bytes,
    /// How the end of the body will be known.
    pub framing: BodyFraming,
    /// Whether the server lets the connection live on after the body.
    pub keep_alive: bool,
}

/// Decodes the answer to one request, from the first byte to the end of the body.
///
/// Feed it what was read, taking off what each step has [consumed](Step::consumed), until it says
/// [`NeedMore`](ResponseEvent::NeedMore) or [`End`](ResponseEvent::End); only then read again. After `NeedMore` all of
/// the input is consumed, so the buffer it was in can serve another connection meanwhile. The steps, put together, are
/// the same wherever the input is cut.
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
    /// The request's method: it decides whether there can be a body at all.
    method: Method,
    state: State,
    /// Interim responses seen.
    interim_responses: usize,
    /// Bytes consumed in all calls.
    position: u64,
    /// The error that ended the exchange, if one did.
    failure: Option<ProtocolError>,
}

/// What is being waited for.
#[derive(Debug)]
enum State {
    /// The end of a head.
    Head(HeadReader<StatusLine>),
    /// The end of the body; whether the connection persists behind it is known already.
    Body { body: BodyDecoder, persistent: bool },
    /// Nothing.
    Done { reusable: bool },
}

impl ResponseDecoder {
    /// A decoder for the answer to a request with this method.
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

    /// How many bytes have been consumed: 0 until the server has said anything.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes in the front of `input`, up to the next event.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] as soon as the bytes can no longer become a response; the same one at every later call.
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

    /// Takes in the news that nothing more will come. The event is [`End`](ResponseEvent::End), never reusable.
    ///
    /// A connection that was reset, or a TLS one that closed without saying so, has not ended in this sense: treat a
    /// body that only the close can end as cut short then.
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

    /// Ends the exchange for good: where the next message would begin is no longer known.
    fn fail(&mut self, fault: Fault) -> ProtocolError {
        let failure = fault.in_response(self.position);
        self.failure = Some(failure);
        failure
    }
}

/// Takes a final head apart and judges it as a whole.
fn final_head(
    method: &Method,
    status: StatusCode,
    head: &mut HeadReader<StatusLine>,
    last: &[u8],
) -> Result<ResponseHead, ProtocolErrorKind> {
    let raw = head.finish(last);
    let version = head.line().version();
    let fields = raw.cut_fields()?;
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
    fn a_byte_that_cannot_stand_where_it_stands_is_reported_at_once_and_by_its_place() {
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
            assert_eq!(error.status(), None, "a client answers nothing");
        }
    }

    #[test]
    fn the_reason_phrase_is_kept_as_it_came() {
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
    fn a_body_that_only_the_close_can_end_says_so() {
        let mut decoder = ResponseDecoder::new(&Method::GET);
        let step = decoder.decode(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let ResponseEvent::Head(head) = step.event else { panic!("a whole head") };
        assert_eq!(head.framing, BodyFraming::UntilClose);
        assert!(!head.framing.length_known());
        assert!(matches!(decoder.on_eof(), Ok(ResponseEvent::End { reusable: false })));
    }

    #[test]
    fn bytes_behind_the_end_forbid_reuse_whenever_they_are_shown() {
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
    fn a_body_that_is_complete_is_not_cut_short_by_the_close_behind_it() {
        let mut decoder = ResponseDecoder::new(&Method::GET);
        decoder.decode(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let step = decoder.decode(b"0\r\nA: 1\r\n\r\n").unwrap();
        assert!(matches!(step.event, ResponseEvent::Trailers(_)));
        assert!(matches!(decoder.on_eof(), Ok(ResponseEvent::End { reusable: false })));
    }
}
