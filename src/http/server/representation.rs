//! Responses for a representation of a resource: conditional requests, range requests and their fields.

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, ALLOW, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE};
use http::{HeaderValue, Method, Request, StatusCode};

use super::preconditions::{PreconditionOutcome, Validators};
use super::ranges::{Selected, select};
use super::service::{Body, FilePart, Response, text};

/// A representation of a resource (RFC 9110 §3.2): content, media type and validators. Clones share the content.
///
/// ```
/// use glassloop::http::server::{Representation, Validators};
/// use http::{Request, StatusCode};
///
/// let tea = Representation::new("Darjeeling", "text/plain", Validators::new("v1", None));
/// let request = Request::get("/tea").header("range", "bytes=-4").body(()).expect("a request");
/// let response = tea.respond(&request);
/// assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
/// assert_eq!(response.headers()["content-range"], "bytes 6-9/10");
/// ```
#[derive(Clone, Debug)]
pub struct Representation {
    body: Body,
    media_type: HeaderValue,
    validators: Validators,
}

impl Representation {
    /// Creates a representation.
    pub fn new(body: impl Into<Body>, media_type: &'static str, validators: Validators) -> Representation {
        Representation { body: body.into(), media_type: HeaderValue::from_static(media_type), validators }
    }

    /// Returns the response to a GET or HEAD request: 200, 206, 304, 412 or 416.
    pub fn respond(&self, request: &Request<()>) -> Response {
        let mut response = match self.validators.evaluate(request.headers()) {
            PreconditionOutcome::Proceed => self.content(request),
            PreconditionOutcome::NotModified => status(StatusCode::NOT_MODIFIED),
            PreconditionOutcome::Failed => return text(StatusCode::PRECONDITION_FAILED, "precondition failed\n"),
        };
        let fields = response.headers_mut();
        fields.insert(ETAG, self.validators.tag.clone());
        if let Some((_, modified)) = &self.validators.modified {
            fields.insert(LAST_MODIFIED, modified.clone());
        }
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }

    /// Returns the response with the full content or the requested range. Ranges are defined only for GET (RFC 9110
    /// §14.2).
    fn content(&self, request: &Request<()>) -> Response {
        let length = self.body.length();
        let mut ranges = request.headers().get_all(RANGE).iter();
        let selected = match (ranges.next(), ranges.next()) {
            (Some(range), None) if *request.method() == Method::GET => {
                if self.validators.allow_range(request.headers()) {
                    select(range.as_bytes(), length)
                } else {
                    Selected::Whole
                }
            }
            _ => Selected::Whole,
        };
        let mut response = match selected {
            Selected::Whole => Response::new(self.body.clone()),
            Selected::Part { from, length: part } => {
                let mut response = Response::new(part_of(&self.body, from, part));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let range = format!("bytes {from}-{}/{length}", from + part - 1);
                response.headers_mut().insert(CONTENT_RANGE, field_value(range));
                response
            }
            Selected::Unsatisfiable => {
                let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, "range not satisfiable\n");
                response.headers_mut().insert(CONTENT_RANGE, field_value(format!("bytes */{length}")));
                return response;
            }
        };
        response.headers_mut().insert(CONTENT_TYPE, self.media_type.clone());
        response
    }
}

/// Returns the response of a read-only resource to a method other than GET and HEAD, for which it returns `None`.
pub fn method_not_allowed(method: &Method) -> Option<Response> {
    let mut response = match *method {
        Method::GET | Method::HEAD => return None,
        Method::OPTIONS => status(StatusCode::OK),
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS are allowed\n"),
    };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    Some(response)
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

fn field_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("a content range consists of visible ASCII characters")
}

fn part_of(body: &Body, from: u64, length: u64) -> Body {
    match body {
        Body::Empty => Body::Empty,
        Body::Bytes(bytes) => Body::Bytes(slice(bytes, from, length)),
        Body::File(part) => Body::File(FilePart { file: part.file.clone(), from: part.from + from, length }),
    }
}

fn slice(bytes: &Bytes, from: u64, length: u64) -> Bytes {
    // The range is within a slice, so both numbers fit into `usize`.
    bytes.slice(from as usize..(from + length) as usize)
}
