//! Encodes heads and chunks into a buffer.
//!
//! The functions allocate only to grow the buffer. The types of the `http` crate guarantee that names and values
//! contain no CR, LF or NUL; other arguments are validated or percent-encoded here, so that no argument can inject a
//! line.

use std::fmt;
use std::io::Write as _;

use http::header::HOST;
use http::{HeaderMap, Method, StatusCode, Version};

use super::grammar::{is_host_and_port, is_path_or_query, is_text};

/// A request target, in one of the forms of RFC 9112 §3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTarget<'a> {
    /// Path and query, for an origin server. For `OPTIONS` it may be `*`.
    Origin(&'a str),
    /// An `http` URL, for a proxy that forwards the request.
    Absolute {
        /// The host, with its port unless it is 80.
        authority: &'a str,
        /// Path and query.
        path_and_query: &'a str,
    },
    /// Host and port, for `CONNECT`.
    Authority(&'a str),
}

/// An invalid argument of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The host is not a host with an optional port.
    BadHost,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    BadVersion,
    /// The reason phrase contains a control character.
    BadReason,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            EncodeError::BadHost => "cannot encode the request: the host is not a host with an optional port",
            EncodeError::BadVersion => "cannot encode the response: the version is neither HTTP/1.0 nor HTTP/1.1",
            EncodeError::BadReason => "cannot encode the response: the reason phrase contains a control character",
        })
    }
}

impl std::error::Error for EncodeError {}

/// Appends the head of an HTTP/1.1 request to `out`: request line, `Host`, then `fields` without any `Host`, since
/// there must be exactly one (RFC 9112 §3.2), which should be the first field (RFC 9110 §7.2).
///
/// Characters that are invalid in a path or a query are percent-encoded (see [`encode_target`]).
///
/// # Errors
///
/// [`EncodeError::BadHost`], with nothing appended.
///
/// ```
/// use glassloop::http::proto::{RequestTarget, encode_request_head};
/// use http::{HeaderMap, HeaderValue, Method, header};
///
/// let mut fields = HeaderMap::new();
/// fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
/// let mut out = Vec::new();
/// let target = RequestTarget::Origin("/île?q=a b");
/// encode_request_head(&mut out, &Method::GET, target, "a.test:8080", &fields)?;
/// assert_eq!(out, b"GET /%C3%AEle?q=a%20b HTTP/1.1\r\nhost: a.test:8080\r\naccept: */*\r\n\r\n");
///
/// out.clear();
/// let target = RequestTarget::Absolute { authority: "a.test:8080", path_and_query: "/x" };
/// encode_request_head(&mut out, &Method::GET, target, "a.test:8080", &HeaderMap::new())?;
/// assert_eq!(out, b"GET http://a.test:8080/x HTTP/1.1\r\nhost: a.test:8080\r\n\r\n");
/// # Ok::<(), glassloop::http::proto::EncodeError>(())
/// ```
pub fn encode_request_head(
    out: &mut Vec<u8>,
    method: &Method,
    target: RequestTarget<'_>,
    host: &str,
    fields: &HeaderMap,
) -> Result<(), EncodeError> {
    let authority = match target {
        RequestTarget::Origin(_) => host,
        RequestTarget::Absolute { authority, .. } | RequestTarget::Authority(authority) => authority,
    };
    if !is_host_and_port(host.as_bytes()) || !is_host_and_port(authority.as_bytes()) {
        return Err(EncodeError::BadHost);
    }
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    match target {
        RequestTarget::Origin("*") if *method == Method::OPTIONS => out.push(b'*'),
        RequestTarget::Origin(path_and_query) => encode_target(out, path_and_query),
        RequestTarget::Absolute { authority, path_and_query } => {
            out.extend_from_slice(b"http://");
            out.extend_from_slice(authority.as_bytes());
            encode_target(out, path_and_query);
        }
        RequestTarget::Authority(authority) => out.extend_from_slice(authority.as_bytes()),
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in fields.iter().filter(|(name, _)| *name != HOST) {
        encode_field(out, name.as_str(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends `path_and_query` in origin form (RFC 9112 §3.2.1): with a leading `/`, and with percent-encoding of bytes
/// that RFC 3986 does not permit in a path or a query, and of any `%` that is not followed by two hexadecimal digits.
/// Existing percent-encodings are not changed.
///
/// ```
/// use glassloop::http::proto::encode_target;
///
/// let mut out = Vec::new();
/// encode_target(&mut out, "/a%20b/100%/\"[x]\"#\r\n");
/// assert_eq!(out, b"/a%20b/100%25/%22%5Bx%5D%22%23%0D%0A");
/// ```
pub fn encode_target(out: &mut Vec<u8>, path_and_query: &str) {
    if !path_and_query.starts_with('/') {
        out.push(b'/');
    }
    let mut rest = path_and_query.as_bytes();
    while let [byte, following @ ..] = rest {
        rest = following;
        let begins_an_encoding = *byte == b'%'
            && matches!(following, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        if is_path_or_query(*byte) || begins_an_encoding {
            out.push(*byte);
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Appends the head of a response to `out`: status line, then `fields`. Without a `reason` the standard phrase for the
/// status is used, or an empty one (RFC 9112 §4).
///
/// # Errors
///
/// [`EncodeError::BadVersion`] or [`EncodeError::BadReason`], with nothing appended.
///
/// ```
/// use glassloop::http::proto::encode_response_head;
/// use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
///
/// let mut fields = HeaderMap::new();
/// fields.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
/// let mut out = Vec::new();
/// encode_response_head(&mut out, Version::HTTP_11, StatusCode::NOT_FOUND, None, &fields)?;
/// assert_eq!(out, b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
/// # Ok::<(), glassloop::http::proto::EncodeError>(())
/// ```
pub fn encode_response_head(
    out: &mut Vec<u8>,
    version: Version,
    status: StatusCode,
    reason: Option<&str>,
    fields: &HeaderMap,
) -> Result<(), EncodeError> {
    let version: &[u8] = match version {
        Version::HTTP_11 => b"HTTP/1.1 ",
        Version::HTTP_10 => b"HTTP/1.0 ",
        _ => return Err(EncodeError::BadVersion),
    };
    let reason = reason.or(status.canonical_reason()).unwrap_or_default();
    if !reason.bytes().all(is_text) {
        return Err(EncodeError::BadReason);
    }
    out.extend_from_slice(version);
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    encode_fields(out, fields);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends `content` as one chunk (RFC 9112 §7.1), or nothing if it is empty, since a chunk of size 0 ends the body.
///
/// ```
/// use glassloop::http::proto::{encode_chunk, encode_last_chunk};
///
/// let mut out = Vec::new();
/// encode_chunk(&mut out, b"hello, world");
/// encode_chunk(&mut out, b"");
/// encode_last_chunk(&mut out, &http::HeaderMap::new());
/// assert_eq!(out, b"c\r\nhello, world\r\n0\r\n\r\n");
/// ```
pub fn encode_chunk(out: &mut Vec<u8>, content: &[u8]) {
    if content.is_empty() {
        return;
    }
    write!(out, "{:x}\r\n", content.len()).expect("writing to a Vec cannot fail");
    out.extend_from_slice(content);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk of a chunked body, and the trailer section.
pub fn encode_last_chunk(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    encode_fields(out, trailers);
    out.extend_from_slice(b"\r\n");
}

fn encode_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        encode_field(out, name.as_str(), value.as_bytes());
    }
}

fn encode_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_host_is_written_once_and_first() {
        let mut fields = HeaderMap::new();
        fields.insert("x-a", HeaderValue::from_static("1"));
        fields.insert(HOST, HeaderValue::from_static("evil.test"));
        let mut out = Vec::new();
        encode_request_head(&mut out, &Method::OPTIONS, RequestTarget::Origin("*"), "[::1]:80", &fields).unwrap();
        assert_eq!(out, b"OPTIONS * HTTP/1.1\r\nhost: [::1]:80\r\nx-a: 1\r\n\r\n");
    }

    #[test]
    fn values_with_line_breaks_are_rejected_without_output() {
        let mut out = Vec::new();
        let fields = HeaderMap::new();
        for host in ["", "a\r\nx: y", "a b", "user@a"] {
            let absolute = RequestTarget::Absolute { authority: host, path_and_query: "/" };
            for (target, host) in
                [(RequestTarget::Origin("/"), host), (absolute, "a.test"), (RequestTarget::Authority(host), "a.test")]
            {
                let rejected = encode_request_head(&mut out, &Method::GET, target, host, &fields);
                assert_eq!(rejected, Err(EncodeError::BadHost), "{target:?}");
            }
        }
        let rejected = encode_response_head(&mut out, Version::HTTP_11, StatusCode::OK, Some("a\nb"), &fields);
        assert_eq!(rejected, Err(EncodeError::BadReason));
        let rejected = encode_response_head(&mut out, Version::HTTP_2, StatusCode::OK, None, &fields);
        assert_eq!(rejected, Err(EncodeError::BadVersion));
        assert!(out.is_empty());
    }

    #[test]
    fn a_target_always_begins_with_a_slash() {
        for (given, written) in
            [("", "/"), ("?q", "/?q"), ("//x", "//x"), ("*", "/*"), ("/%2", "/%252"), ("/%zz", "/%25zz")]
        {
            let mut out = Vec::new();
            encode_target(&mut out, given);
            assert_eq!(out, written.as_bytes());
        }
    }
}
