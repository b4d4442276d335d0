//! How long a body is and whether the connection survives it: the fields that decide where the next message begins.
//!
//! Every line of these fields is looked at. A map's `get` returns the first of several, and whoever believes it can be
//! made to see another end of the message than the peer does; that is all that request smuggling is.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use super::error::{Fault, ProtocolErrorKind};
use super::fields::members;
use super::grammar::{decimal, is_token, leading};

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body, whatever the fields say.
    None,
    /// So many bytes, possibly none.
    Length(u64),
    /// Chunks, up to one of no bytes.
    Chunked,
    /// Everything until the server closes. Such a body cannot be told from one that was cut off cleanly.
    UntilClose,
}

impl BodyFraming {
    /// Whether the framing itself can tell a complete body from one that was cut short.
    pub fn length_known(self) -> bool {
        self != BodyFraming::UntilClose
    }
}

/// What a response's head says of its body, in the order of RFC 9112 §6.3, and whether the connection persists behind it.
pub(super) fn of_response(
    method: &Method,
    status: StatusCode,
    version: Version,
    fields: &HeaderMap,
) -> Result<(BodyFraming, bool), ProtocolErrorKind> {
    let persistent = is_persistent(version, fields);
    let bodyless_status = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if method == Method::HEAD || bodyless_status {
        return Ok((BodyFraming::None, persistent));
    }
    // What follows is a tunnel: neither a body nor another message.
    if method == Method::CONNECT && status.is_success() {
        return Ok((BodyFraming::None, false));
    }
    let length = agreed_content_length(fields)?;
    match transfer_coding(fields) {
        TransferCoding::Absent => match length {
            Some(length) => Ok((BodyFraming::Length(length), persistent)),
            None => Ok((BodyFraming::UntilClose, false)),
        },
        // A 1.0 sender knows no transfer codings, so something between has mixed up the framing (RFC 9112 §6.1).
        TransferCoding::Chunked if version == Version::HTTP_10 => Err(ProtocolErrorKind::BadTransferEncoding),
        // With a Content-Length beside it chunked wins, but somebody on the way may have thought otherwise (§6.3).
        TransferCoding::Chunked => Ok((BodyFraming::Chunked, persistent && length.is_none())),
        TransferCoding::Malformed | TransferCoding::Unknown => Err(ProtocolErrorKind::BadTransferEncoding),
    }
}

/// What a request's head says of its body, and whether the connection persists behind it. Stricter than for a response
/// in every way that RFC 9112 §6.3 allows.
pub(super) fn of_request(version: Version, fields: &HeaderMap) -> Result<(BodyFraming, bool), Fault> {
    let has_length = fields.contains_key(CONTENT_LENGTH);
    let framing = match transfer_coding(fields) {
        TransferCoding::Absent if has_length => BodyFraming::Length(single_content_length(fields)?),
        TransferCoding::Absent => BodyFraming::None,
        _ if has_length => return Err(ProtocolErrorKind::ClAndTe.into()),
        TransferCoding::Chunked if version == Version::HTTP_11 => BodyFraming::Chunked,
        TransferCoding::Unknown if version == Version::HTTP_11 => {
            let fault = Fault::from(ProtocolErrorKind::BadTransferEncoding);
            return Err(fault.answered_with(StatusCode::NOT_IMPLEMENTED));
        }
        _ => return Err(ProtocolErrorKind::BadTransferEncoding.into()),
    };
    Ok((framing, is_persistent(version, fields)))
}

/// Whether the connection stays open behind this message (RFC 9112 §9.3). `close` on any line beats everything else.
fn is_persistent(version: Version, fields: &HeaderMap) -> bool {
    let has_option = |option| members(fields, CONNECTION).any(|member| member.eq_ignore_ascii_case(option));
    !has_option(b"close") && (version == Version::HTTP_11 || has_option(b"keep-alive"))
}

/// The length on which all members of all `Content-Length` lines agree, if there are any.
fn agreed_content_length(fields: &HeaderMap) -> Result<Option<u64>, ProtocolErrorKind> {
    let mut agreed = None;
    for member in members(fields, CONTENT_LENGTH) {
        let length = decimal(member).ok_or(ProtocolErrorKind::BadContentLength)?;
        if agreed.is_some_and(|agreed| agreed != length) {
            return Err(ProtocolErrorKind::BadContentLength);
        }
        agreed = Some(length);
    }
    Ok(agreed)
}

/// The length in the only `Content-Length` line, which has only one number.
fn single_content_length(fields: &HeaderMap) -> Result<u64, ProtocolErrorKind> {
    let mut lines = fields.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (Some(line), None) => decimal(line).ok_or(ProtocolErrorKind::BadContentLength),
        _ => Err(ProtocolErrorKind::BadContentLength),
    }
}

/// What all `Transfer-Encoding` lines say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransferCoding {
    /// There is no such line.
    Absent,
    /// `chunked`, once, and nothing else.
    Chunked,
    /// A coding that is not spoken here; `chunked` may follow it.
    Unknown,
    /// No list of codings; or one where `chunked` is not last, comes twice, or has parameters.
    Malformed,
}

fn transfer_coding(fields: &HeaderMap) -> TransferCoding {
    let (mut chunked, mut unknown) = (false, false);
    for member in members(fields, TRANSFER_ENCODING) {
        let name = &member[..leading(member, is_token)];
        let parameters = &member[name.len()..];
        let is_chunked = name.eq_ignore_ascii_case(b"chunked");
        let is_well_formed = !name.is_empty() && matches!(parameters, [] | [b';' | b' ' | b'\t', ..]);
        if chunked || !is_well_formed || (is_chunked && !parameters.is_empty()) {
            return TransferCoding::Malformed;
        }
        chunked |= is_chunked;
        unknown |= !is_chunked;
    }
    match (chunked, unknown) {
        (false, false) => TransferCoding::Absent,
        (true, false) => TransferCoding::Chunked,
        (_, true) => TransferCoding::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn chunked_counts_only_alone() {
        let coding = |values: &[&'static str]| {
            let lines: Vec<_> = values.iter().map(|value| ("transfer-encoding", *value)).collect();
            transfer_coding(&fields(&lines))
        };
        assert_eq!(coding(&[]), TransferCoding::Absent);
        assert_eq!(coding(&["chunked"]), TransferCoding::Chunked);
        assert_eq!(coding(&["CHUNKED"]), TransferCoding::Chunked);
        assert_eq!(coding(&["gzip;level=9, chunked"]), TransferCoding::Unknown);
        assert_eq!(coding(&["gzip", "chunked"]), TransferCoding::Unknown);
        assert_eq!(coding(&["xchunked"]), TransferCoding::Unknown);
        for bad in
            ["", ",", "chunked,", ",chunked", "chunked, gzip", "chunked chunked", "chunked;foo", "\"chunked\"", "gzip="]
        {
            assert_eq!(coding(&[bad]), TransferCoding::Malformed, "{bad:?}");
        }
        assert_eq!(coding(&["chunked", "chunked"]), TransferCoding::Malformed);
    }

    #[test]
    fn close_on_any_line_ends_persistence() {
        let persists = |version, values: &[&'static str]| {
            let lines: Vec<_> = values.iter().map(|value| ("connection", *value)).collect();
            is_persistent(version, &fields(&lines))
        };
        assert!(persists(Version::HTTP_11, &[]));
        assert!(persists(Version::HTTP_11, &["closed", "x-close"]));
        assert!(!persists(Version::HTTP_11, &["keep-alive, Close"]));
        assert!(!persists(Version::HTTP_11, &["keep-alive", "x", "close"]));
        assert!(!persists(Version::HTTP_10, &[]));
        assert!(persists(Version::HTTP_10, &["x, Keep-Alive"]));
        assert!(!persists(Version::HTTP_10, &["keep-alive", "close"]));
    }

    #[test]
    fn a_tunnel_has_no_body_and_no_next_message() {
        let fields = fields(&[("content-length", "5")]);
        let of = |status| of_response(&Method::CONNECT, status, Version::HTTP_11, &fields);
        assert_eq!(of(StatusCode::OK), Ok((BodyFraming::None, false)));
        assert_eq!(of(StatusCode::FORBIDDEN), Ok((BodyFraming::Length(5), true)));
    }
}
