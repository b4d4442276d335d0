//! The server's decoder: decodes the requests of one connection.
//!
//! ```text
//!                       bytes              Head
//!  new ──▶ BetweenRequests ──▶ Head ─────────────────▶ Body ──▶ Body (Data, Trailers)
//!             ▲                                         │
//!             │ End, keep_alive                         │ End, not keep_alive
//!             └─────────────────────────────────────────┴──────────▶ Closing (drains)
//!
//!  after an error: the same error in every call
//! ```
//!
//! | state when the peer closes | result of [`on_eof`](RequestDecoder::on_eof) |
//! | --- | --- |
//! | `BetweenRequests` | `IdleClose`: the normal end of a connection |
//! | `Head` | `TruncatedHead` |
//! | `Body` | `End` if the request is complete; otherwise `TruncatedBody`: the request must not be handled |
//! | `Closing` | `IdleClose` |

use http::header::{EXPECT, HOST};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Request, Uri, Version};

use super::body::BodyDecoder;
use super::error::{Fault, ProtocolError, ProtocolErrorKind};
use super::fields::{Section, members};
use super::framing::{self, BodyFraming};
use super::grammar::is_host_and_port;
use super::head::HeadReader;
use super::limits::MAX_HEAD_BYTES;
use super::request_line::RequestLine;
use super::step::{BodyEvent, Step};

/// An event of a request.
#[derive(Debug)]
pub enum RequestEvent<'input> {
    /// All of the input is consumed. Read more, or call [`on_eof`](RequestDecoder::on_eof) at EOF.
    NeedMore,
    /// The head of a request.
    Head(RequestHead),
    /// Content of the body: a slice of the input, never empty.
    Data(&'input [u8]),
    /// The trailer section of a chunked body. Its fields must not be merged into those of the head (RFC 9110 §6.5.1).
    Trailers(HeaderMap),
    /// The request is complete. With `keep_alive`, the rest of the input belongs to the next request (RFC 9112 §9.3.2).
    End {
        /// Whether the connection persists. If not, all further input is consumed and ignored (§9.6).
        keep_alive: bool,
    },
}

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target, version and fields. If the target is in absolute form, its authority replaces `Host` (RFC 9112
    /// §3.2.2). The path is not decoded, and not safe to join to a directory.
    pub request: Request<()>,
    /// The framing of the body; never [`UntilClose`](BodyFraming::UntilClose).
    pub framing: BodyFraming,
    /// Whether the connection persists after this request.
    pub keep_alive: bool,
    /// Whether the client may be waiting for `100 Continue` (RFC 9110 §10.1.1).
    pub expect_continue: bool,
}

/// Decodes the requests of one connection.
///
/// Pass the bytes that were read, without those that each step has [consumed](Step::consumed), until the event is
/// [`NeedMore`](RequestEvent::NeedMore), or [`End`](RequestEvent::End), after which the server has to respond first.
/// The decoder is strict wherever RFC 9112 leaves a choice, since request smuggling exploits servers that are lenient
/// in different ways.
///
/// ```
/// use glassloop::http::proto::{RequestDecoder, RequestEvent};
///
/// let mut decoder = RequestDecoder::new();
/// let input = b"GET /flags/is.gif HTTP/1.1\r\nHost: a.test\r\n\r\n";
/// let step = decoder.decode(input)?;
/// assert_eq!(step.consumed, input.len());
/// let RequestEvent::Head(head) = step.event else { panic!("the whole head was there") };
/// assert_eq!(head.request.uri().path(), "/flags/is.gif");
/// assert!(matches!(decoder.decode(b"")?.event, RequestEvent::End { keep_alive: true }));
///
/// let error = decoder.decode(b"GET /a b HTTP/1.1\r\n").unwrap_err();
/// assert_eq!(error.status(), Some(http::StatusCode::BAD_REQUEST));
/// # Ok::<(), glassloop::http::proto::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct RequestDecoder {
    state: State,
    /// The number of bytes consumed.
    position: u64,
    /// The error, if one has occurred.
    failure: Option<ProtocolError>,
}

/// The state of a request decoder.
#[derive(Debug)]
enum State {
    /// Waiting for the first byte of a request.
    BetweenRequests(EmptyLines),
    /// Reading a head.
    Head(HeadReader<RequestLine>),
    /// Reading a body.
    Body { body: BodyDecoder, keep_alive: bool },
    /// Waiting for EOF.
    Closing,
}

/// Empty lines before a request, which are skipped (RFC 9112 §2.2) and count towards the limit of its head.
#[derive(Debug, Default)]
struct EmptyLines {
    /// The number of bytes.
    length: usize,
    /// Whether the last byte was a CR.
    line_feed_is_due: bool,
}

impl EmptyLines {
    /// Returns the position of the first byte of a request, or `None` if `input` contains only empty lines.
    fn skip(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        for (at, &byte) in input.iter().enumerate() {
            let fault = match (byte, self.line_feed_is_due) {
                (b'\r' | b'\n', _) if self.length == MAX_HEAD_BYTES => ProtocolErrorKind::HeadTooLarge,
                (b'\r', false) | (b'\n', true) => {
                    self.line_feed_is_due = !self.line_feed_is_due;
                    self.length += 1;
                    continue;
                }
                (b'\n', false) => ProtocolErrorKind::BareLf,
                (_, true) => ProtocolErrorKind::BadRequestLine,
                (_, false) => return Ok(Some(at)),
            };
            return Err(Fault::new(fault, at));
        }
        Ok(None)
    }
}

impl RequestDecoder {
    /// Creates a decoder for a new connection.
    pub fn new() -> RequestDecoder {
        RequestDecoder { state: State::BetweenRequests(EmptyLines::default()), position: 0, failure: None }
    }

    /// Returns whether no request is in progress, so that the connection can be closed.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::BetweenRequests(_) | State::Closing)
    }

    /// Returns the number of bytes consumed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Decodes `input` up to the next event.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] as soon as the bytes cannot become a valid request, and in every later call. The server should
    /// respond with its [status](ProtocolError::status) and close the connection.
    pub fn decode<'input>(&mut self, input: &'input [u8]) -> Result<Step<RequestEvent<'input>>, ProtocolError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let step = self.advance(input).map_err(|fault| self.fail(fault))?;
        self.position += step.consumed as u64;
        Ok(step)
    }

    fn advance<'input>(&mut self, input: &'input [u8]) -> Result<Step<RequestEvent<'input>>, Fault> {
        match &mut self.state {
            State::BetweenRequests(empty_lines) => {
                let Some(start) = empty_lines.skip(input)? else {
                    return Ok(Step::new(input.len(), RequestEvent::NeedMore));
                };
                let head = HeadReader::new(RequestLine::new(), Section::Request, empty_lines.length);
                self.state = State::Head(head);
                let step = self.advance(&input[start..]).map_err(|fault| fault.shifted_by(start))?;
                Ok(Step::new(start + step.consumed, step.event))
            }
            State::Head(head) => {
                let Some(end) = head.read(input)? else {
                    return Ok(Step::new(input.len(), RequestEvent::NeedMore));
                };
                let head = complete_head(head, &input[..end]).map_err(|fault| fault.shifted_by(end))?;
                self.state = State::Body { body: BodyDecoder::of_request(head.framing), keep_alive: head.keep_alive };
                Ok(Step::new(end, RequestEvent::Head(head)))
            }
            State::Body { body, keep_alive } => {
                let step = body.decode(input)?;
                let event = match step.event {
                    BodyEvent::NeedMore => RequestEvent::NeedMore,
                    BodyEvent::Data(bytes) => RequestEvent::Data(bytes),
                    BodyEvent::Trailers(fields) => RequestEvent::Trailers(fields),
                    BodyEvent::End => {
                        let keep_alive = *keep_alive;
                        self.state = match keep_alive {
                            true => State::BetweenRequests(EmptyLines::default()),
                            false => State::Closing,
                        };
                        RequestEvent::End { keep_alive }
                    }
                };
                Ok(Step::new(step.consumed, event))
            }
            State::Closing => Ok(Step::new(input.len(), RequestEvent::NeedMore)),
        }
    }

    /// Handles EOF. A client may close its sending direction after a complete request and still wait for the response.
    ///
    /// # Errors
    ///
    /// [`IdleClose`](ProtocolErrorKind::IdleClose) between requests, and another kind if a request is truncated. `Ok`
    /// is returned only for a complete request whose [`End`](RequestEvent::End) event has not been returned yet.
    pub fn on_eof(&mut self) -> Result<RequestEvent<'static>, ProtocolError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let end = match &self.state {
            State::BetweenRequests(_) | State::Closing => Err(ProtocolErrorKind::IdleClose),
            State::Head(_) => Err(ProtocolErrorKind::TruncatedHead),
            State::Body { body, .. } => body.on_eof(),
        };
        end.map_err(|kind| self.fail(kind.into()))?;
        self.state = State::Closing;
        Ok(RequestEvent::End { keep_alive: false })
    }

    /// Stores and returns the error, which all later calls return as well.
    fn fail(&mut self, fault: Fault) -> ProtocolError {
        let failure = fault.in_request(self.position);
        self.failure = Some(failure);
        failure
    }
}

impl Default for RequestDecoder {
    fn default() -> RequestDecoder {
        RequestDecoder::new()
    }
}

/// Parses and validates a complete head.
fn complete_head(head: &mut HeadReader<RequestLine>, last: &[u8]) -> Result<RequestHead, Fault> {
    let raw = head.finish(last);
    let version = head.line().version();
    let method = head.line().method().ok_or(ProtocolErrorKind::UnknownMethod)?;
    let target = raw.bytes().slice(head.line().target());
    let uri = Uri::from_maybe_shared(target).map_err(|_| ProtocolErrorKind::BadTarget)?;
    if !has_proper_form(&uri) {
        return Err(ProtocolErrorKind::BadTarget.into());
    }
    let fields = raw.parse_fields()?;
    if !has_proper_host(version, &fields) {
        return Err(ProtocolErrorKind::BadHost.into());
    }
    let (framing, keep_alive) = framing::of_request(version, &fields)?;
    let expects = expects_continue(version, &fields)?;
    let has_body = !matches!(framing, BodyFraming::None | BodyFraming::Length(0));

    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = version;
    *request.headers_mut() = fields;
    Ok(RequestHead { request, framing, keep_alive, expect_continue: expects && has_body })
}

/// Returns whether a target is in origin or asterisk form, or in absolute form with an HTTP scheme and a valid
/// authority (RFC 9112 §3.2). Userinfo is rejected, since it can be used to disguise the host (RFC 9110 §4.2.4).
fn has_proper_form(target: &Uri) -> bool {
    match (target.scheme(), target.authority()) {
        (None, None) => true,
        (Some(scheme), Some(authority)) => {
            (*scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) && is_host_and_port(authority.as_str().as_bytes())
        }
        _ => false,
    }
}

/// Returns whether there is exactly one `Host` field, with a valid host or an empty value (for a target without an
/// authority). HTTP/1.0 requests may omit it (RFC 9112 §3.2).
fn has_proper_host(version: Version, fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(HOST).iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (Some(host), None) => host.is_empty() || is_host_and_port(host),
        (None, _) => version == Version::HTTP_10,
        (Some(_), Some(_)) => false,
    }
}

/// Returns whether the client expects `100 Continue`, which is ignored for HTTP/1.0 (RFC 9110 §10.1.1).
fn expects_continue(version: Version, fields: &HeaderMap) -> Result<bool, ProtocolErrorKind> {
    let mut expects = false;
    for member in members(fields, EXPECT) {
        if !member.eq_ignore_ascii_case(b"100-continue") {
            return Err(ProtocolErrorKind::BadExpect);
        }
        expects = version == Version::HTTP_11;
    }
    Ok(expects)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a head that is wholly in `input`.
    fn head_of(input: &str) -> RequestHead {
        match RequestDecoder::new().decode(input.as_bytes()).unwrap().event {
            RequestEvent::Head(head) => head,
            event => panic!("{event:?}"),
        }
    }

    #[test]
    fn a_client_may_shut_down_its_sending_side_after_a_complete_request() {
        let mut decoder = RequestDecoder::new();
        decoder.decode(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(matches!(decoder.on_eof(), Ok(RequestEvent::End { keep_alive: false })));
        assert_eq!(decoder.on_eof().unwrap_err().kind, ProtocolErrorKind::IdleClose);
    }

    #[test]
    fn is_idle_is_true_only_between_requests() {
        let mut decoder = RequestDecoder::new();
        assert!(decoder.is_idle());
        decoder.decode(b"\r\nG").unwrap();
        assert!(!decoder.is_idle());
        decoder.decode(b"ET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(!decoder.is_idle());
        decoder.decode(b"").unwrap();
        assert!(decoder.is_idle());
    }

    #[test]
    fn expect_continue_is_ignored_without_a_body() {
        let expecting = |version, length| {
            let head = head_of(&format!(
                "POST / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: {length}\r\n\r\n"
            ));
            head.expect_continue
        };
        assert!(expecting("1.1", 5));
        assert!(!expecting("1.1", 0));
        assert!(!expecting("1.0", 5));
    }

    #[test]
    fn the_authority_of_an_absolute_target_is_in_the_uri() {
        let head = head_of("GET http://b.test:81/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(head.request.uri().authority().unwrap().as_str(), "b.test:81");
        assert_eq!(head.request.uri().path_and_query().unwrap().as_str(), "/x?y");
    }

    #[test]
    fn empty_lines_before_a_request_count_towards_its_head_limit() {
        let mut decoder = RequestDecoder::new();
        let endless = "\r\n".repeat(MAX_HEAD_BYTES);
        let error = decoder.decode(endless.as_bytes()).unwrap_err();
        assert_eq!((error.kind, error.position), (ProtocolErrorKind::HeadTooLarge, MAX_HEAD_BYTES as u64));

        let mut decoder = RequestDecoder::new();
        decoder.decode(&endless.as_bytes()[..MAX_HEAD_BYTES - 10]).unwrap();
        let error = decoder.decode(b"GET / HTTP/1.1\r\n").unwrap_err();
        assert_eq!((error.kind, error.position), (ProtocolErrorKind::HeadTooLarge, MAX_HEAD_BYTES as u64));
    }
}
