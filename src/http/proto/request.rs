//! The server's side: the requests of one connection, decoded one after the other.
//!
//! ```text
//!                       bytes              Head
//!  new ──▶ BetweenRequests ──▶ Head ─────────────────▶ Body ──▶ Body (Data, Trailers)
//!             ▲                                         │
//!             │ End, keep_alive                         │ End, not keep_alive
//!             └─────────────────────────────────────────┴──────────▶ Closing (drains)
//!
//!  after an error: the same error for ever
//! ```
//!
//! | the peer closes in | answer of [`on_eof`](RequestDecoder::on_eof) |
//! | --- | --- |
//! | `BetweenRequests` | `IdleClose`: the usual end of a connection |
//! | `Head` | `TruncatedHead` |
//! | `Body` | `TruncatedBody`: the request must not be acted on; `End` if nothing of it is missing |
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

/// What happened in the requests.
#[derive(Debug)]
pub enum RequestEvent<'input> {
    /// The input is used up and nothing can be said yet: read more, or report the end with
    /// [`on_eof`](RequestDecoder::on_eof).
    NeedMore,
    /// The head of a request.
    Head(RequestHead),
    /// Bytes of the body: a slice of the input, never empty.
    Data(&'input [u8]),
    /// The fields behind a chunked body. They must not be merged into those of the head (RFC 9110 §6.5.1).
    Trailers(HeaderMap),
    /// The request is complete. What is left of the input belongs to the next one (RFC 9112 §9.3.2) if `keep_alive`.
    End {
        /// Whether the client lets the connection live on. If not, all further bytes are consumed and ignored (§9.6).
        keep_alive: bool,
    },
}

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target, version and fields. A target in absolute form has its authority in the URI, and that one counts,
    /// not `Host` (RFC 9112 §3.2.2). The path is as it came: not decoded, and not safe to join to a directory.
    pub request: Request<()>,
    /// How the end of the body will be known; never [`UntilClose`](BodyFraming::UntilClose).
    pub framing: BodyFraming,
    /// Whether the client lets the connection live on behind this request.
    pub keep_alive: bool,
    /// Whether the client may be waiting for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub expect_continue: bool,
}

/// Decodes the requests of one connection, from the first byte to the last.
///
/// Feed it what was read, taking off what each step has [consumed](Step::consumed), until it says
/// [`NeedMore`](RequestEvent::NeedMore), or [`End`](RequestEvent::End) and the answer has to be given first. The rules
/// are the strict ones wherever RFC 9112 leaves a choice: two servers that are lenient in different ways are how
/// requests are smuggled.
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
    /// Bytes consumed in all calls.
    position: u64,
    /// The error that ended the connection, if one did.
    failure: Option<ProtocolError>,
}

/// What is being waited for.
#[derive(Debug)]
enum State {
    /// The first byte of a request.
    BetweenRequests(EmptyLines),
    /// The end of a head.
    Head(HeadReader<RequestLine>),
    /// The end of the body.
    Body { body: BodyDecoder, keep_alive: bool },
    /// Nothing but the end of the connection.
    Closing,
}

/// The empty lines in front of a request, which are skipped (RFC 9112 §2.2) and charged to its head.
#[derive(Debug, Default)]
struct EmptyLines {
    /// How many bytes they have.
    length: usize,
    /// Whether a CR has come, and its LF has not.
    line_feed_is_due: bool,
}

impl EmptyLines {
    /// Looks for the first byte of a request: `Some` of its place, or `None` if `input` is all empty lines.
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
    /// A decoder for a connection on which nothing has been said.
    pub fn new() -> RequestDecoder {
        RequestDecoder { state: State::BetweenRequests(EmptyLines::default()), position: 0, failure: None }
    }

    /// Whether no request is under way, so that the connection may be closed without taking an answer from anybody.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::BetweenRequests(_) | State::Closing)
    }

    /// How many bytes have been consumed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes in the front of `input`, up to the next event.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] as soon as the bytes can no longer become a request; the same one at every later call. Answer it
    /// with its [status](ProtocolError::status), and close.
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

    /// Takes in the news that nothing more will come. A client may close its half of the connection behind a complete
    /// request and still wait for the answer.
    ///
    /// # Errors
    ///
    /// [`IdleClose`](ProtocolErrorKind::IdleClose) where a connection may end, and another kind where a request is cut
    /// short. `Ok` is only for a request that is complete and whose [`End`](RequestEvent::End) was still to be fetched.
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

    /// Ends the connection for good: where the next request would begin is no longer known.
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

/// Takes a head apart and judges it as a whole.
fn complete_head(head: &mut HeadReader<RequestLine>, last: &[u8]) -> Result<RequestHead, Fault> {
    let raw = head.finish(last);
    let version = head.line().version();
    let method = head.line().method().ok_or(ProtocolErrorKind::UnknownMethod)?;
    let target = raw.bytes().slice(head.line().target());
    let uri = Uri::from_maybe_shared(target).map_err(|_| ProtocolErrorKind::BadTarget)?;
    if !has_proper_form(&uri) {
        return Err(ProtocolErrorKind::BadTarget.into());
    }
    let fields = raw.cut_fields()?;
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

/// Whether a target is in origin or asterisk form, or in absolute form with a scheme and an authority that a server can
/// have (RFC 9112 §3.2). Userinfo in it is a disguise (RFC 9110 §4.2.4).
fn has_proper_form(target: &Uri) -> bool {
    match (target.scheme(), target.authority()) {
        (None, None) => true,
        (Some(scheme), Some(authority)) => {
            (*scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) && is_host_and_port(authority.as_str().as_bytes())
        }
        _ => false,
    }
}

/// Whether there is exactly one `Host`, with a host in it, or nothing for a target that has no authority. HTTP/1.0 knows
/// no such field and may leave it out (RFC 9112 §3.2).
fn has_proper_host(version: Version, fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(HOST).iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (Some(host), None) => host.is_empty() || is_host_and_port(host),
        (None, _) => version == Version::HTTP_10,
        (Some(_), Some(_)) => false,
    }
}

/// Whether the client expects `100 Continue`. An HTTP/1.0 client cannot (RFC 9110 §10.1.1).
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
    fn a_client_may_close_its_half_behind_a_complete_request() {
        let mut decoder = RequestDecoder::new();
        decoder.decode(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(matches!(decoder.on_eof(), Ok(RequestEvent::End { keep_alive: false })));
        assert_eq!(decoder.on_eof().unwrap_err().kind, ProtocolErrorKind::IdleClose);
    }

    #[test]
    fn a_connection_is_idle_between_two_requests_only() {
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
    fn only_a_client_with_a_body_to_send_waits_for_continue() {
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
    fn empty_lines_in_front_of_a_request_are_charged_to_its_head() {
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
