//! The server's side: the requests of one connection, decoded one after the other.
//!
//! ```text
//!                       bytes              Head
//!  new ──▶ BetweenRequests ──▶ Head ─────────────────▶ Body ──▶ Body (Data, Trailers)
//!             ▲                                         │
//!             │ End, keep_alive                         │ End, not keep_alive
//!             └─────────────────────────────────────────┴──────────▶ Closing (drains)
//!
//!  any state ── error ──▶ Failed
//! ```
//!
//! | the peer closes in | answer of [`on_eof`](RequestDecoder::on_eof) |
//! | --- | --- |
//! | `BetweenRequests` | `IdleClose`: the usual end of a connection |
//! | `Head` | `TruncatedHead` |
//! | `Body` | `TruncatedBody`: the request must not be acted on |
//! | `Closing` | `Closed` |

use http::header::{EXPECT, HOST};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Request, Uri, Version};

use super::body::BodyDecoder;
use super::error::{Fault, ProtocolError, ProtocolErrorKind};
use super::fields::Section;
use super::framing::{self, BodyFraming};
use super::grammar::{is_host_and_port, list_members};
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
}

/// What is being waited for.
#[derive(Debug)]
enum State {
    /// The first byte of a request. Empty lines in front of it are skipped (RFC 9112 §2.2) and charged to its head.
    BetweenRequests { skipped: usize, line_feed_is_due: bool },
    /// The end of a head.
    Head(HeadReader<RequestLine>),
    /// The end of the body.
    Body { body: BodyDecoder, keep_alive: bool },
    /// Nothing but the end of the connection.
    Closing,
    /// Nothing, after this error.
    Failed(ProtocolError),
}

/// Where a connection starts, and where each request that keeps it alive leads back to.
const BETWEEN_REQUESTS: State = State::BetweenRequests { skipped: 0, line_feed_is_due: false };

impl RequestDecoder {
    /// A decoder for a connection on which nothing has been said.
    pub fn new() -> RequestDecoder {
        RequestDecoder { state: BETWEEN_REQUESTS, position: 0 }
    }

    /// Whether no request is under way, so that the connection may be closed without taking an answer from anybody.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::BetweenRequests { .. } | State::Closing)
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
        if let State::Failed(error) = &self.state {
            return Err(*error);
        }
        let step = self.advance(input).map_err(|fault| self.fail(fault))?;
        self.position += step.consumed as u64;
        Ok(step)
    }

    fn advance<'input>(&mut self, input: &'input [u8]) -> Result<Step<RequestEvent<'input>>, Fault> {
        let mut at = 0;
        while let State::BetweenRequests { skipped, line_feed_is_due } = &mut self.state {
            let Some(&byte) = input.get(at) else {
                return Ok(Step::new(at, RequestEvent::NeedMore));
            };
            match byte {
                b'\r' | b'\n' if *skipped == MAX_HEAD_BYTES => {
                    return Err(Fault::new(ProtocolErrorKind::HeadTooLarge, at));
                }
                b'\n' if *line_feed_is_due => *line_feed_is_due = false,
                b'\n' => return Err(Fault::new(ProtocolErrorKind::BareLf, at)),
                _ if *line_feed_is_due => {
                    return Err(Fault::new(ProtocolErrorKind::BadRequestLine, at));
                }
                b'\r' => *line_feed_is_due = true,
                _ => {
                    self.state = State::Head(HeadReader::new(RequestLine::new(), Section::Request, *skipped));
                    break;
                }
            }
            *skipped += 1;
            at += 1;
        }
        self.advance_in_request(&input[at..])
            .map(|step| Step::new(at + step.consumed, step.event))
            .map_err(|fault| fault.shifted_by(at))
    }

    fn advance_in_request<'input>(&mut self, input: &'input [u8]) -> Result<Step<RequestEvent<'input>>, Fault> {
        match &mut self.state {
            State::Head(head) => {
                let Some(end) = head.read(input)? else {
                    return Ok(Step::new(input.len(), RequestEvent::NeedMore));
                };
                let head = complete_head(head, &input[..end]).map_err(|fault| fault.shifted_by(end))?;
                self.state = State::Body { body: BodyDecoder::new(head.framing), keep_alive: head.keep_alive };
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
                        self.state = if keep_alive { BETWEEN_REQUESTS } else { State::Closing };
                        RequestEvent::End { keep_alive }
                    }
                };
                Ok(Step::new(step.consumed, event))
            }
            State::BetweenRequests { .. } | State::Closing | State::Failed(_) => {
                Ok(Step::new(input.len(), RequestEvent::NeedMore))
            }
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
        let end = match &self.state {
            State::BetweenRequests { .. } | State::Closing => Err(ProtocolErrorKind::IdleClose),
            State::Head(_) => Err(ProtocolErrorKind::TruncatedHead),
            State::Body { body, .. } => body.on_eof(),
            State::Failed(error) => return Err(*error),
        };
        end.map_err(|kind| self.fail(kind.into()))?;
        self.state = State::Closing;
        Ok(RequestEvent::End { keep_alive: false })
    }

    /// Enters the state that nothing leaves.
    fn fail(&mut self, fault: Fault) -> ProtocolError {
        let error = fault.in_request(self.position);
        self.state = State::Failed(error);
        error
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
    for member in fields.get_all(EXPECT).iter().flat_map(|line| list_members(line.as_bytes())) {
        if !member.eq_ignore_ascii_case(b"100-continue") {
            return Err(ProtocolErrorKind::BadExpect);
        }
        expects = version == Version::HTTP_11;
    }
    Ok(expects)
}
