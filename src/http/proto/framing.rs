//! Message framing: the fields that determine the length of a body and whether the connection persists.
//!
//! All lines of these fields are evaluated. A map's `get` returns only the first line, and a recipient that uses it may
//! find another end of the message than the sender, which makes request smuggling possible.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use super::error::{Fault, ProtocolErrorKind};
use super::fields::members;
use super::grammar::{decimal, is_token, leading};

/// The framing of a body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body, regardless of the fields.
    None,
    /// A body of this length, possibly 0.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// All bytes until the server closes the connection. Truncation of such a body cannot be detected.
    UntilClose,
}

impl BodyFraming {
    /// Returns whether the framing detects truncation of the body.
    pub fn is_self_delimited(self) -> bool {
        self != BodyFraming::UntilClose
    }
}

/// Returns the framing of a response body, by the rules of RFC 9112 §6.3, and whether the connection persists after it.
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
    // The connection becomes a tunnel.
    if method == Method::CONNECT && status.is_success() {
        return Ok((BodyFraming::None, false));
    }
    let length = agreed_content_length(fields)?;
    match transfer_coding(fields) {
        TransferCoding::Absent => match length {
            Some(length) => Ok((BodyFraming::Length(length), persistent)),
            None => Ok((BodyFraming::UntilClose, false)),
        },
        // `identity` means no coding (RFC 2616 §3.6). To a recipient that follows RFC 9112 §6.3 it is an unknown
        // coding, and it may find another end of the body, so the connection is not reused.
        TransferCoding::Identity => match length {
            Some(length) => Ok((BodyFraming::Length(length), false)),
            None => Ok((BodyFraming::UntilClose, false)),
        },
        // HTTP/1.0 has no transfer codings, so an intermediary must have garbled the framing (RFC 9112 §6.1).
        TransferCoding::Chunked { .. } if version == Version::HTTP_10 => Err(ProtocolErrorKind::BadTransferEncoding),
        // `chunked` is repeated by proxies that add a line of their own. If there is also a Content-Length, chunked
        // takes precedence (§6.3). In both cases an intermediary may have found another end of the body.
        TransferCoding::Chunked { is_repeated, .. } => {
            Ok((BodyFraming::Chunked, persistent && length.is_none() && !is_repeated))
        }
        TransferCoding::Malformed | TransferCoding::Unknown => Err(ProtocolErrorKind::BadTransferEncoding),
    }
}

/// Returns the framing of a request body, and whether the connection persists after it. This is stricter than for a
/// response wherever RFC 9112 §6.3 permits it.
pub(super) fn of_request(version: Version, fields: &HeaderMap) -> Result<(BodyFraming, bool), Fault> {
    let has_length = fields.contains_key(CONTENT_LENGTH);
    let framing = match transfer_coding(fields) {
        TransferCoding::Absent if has_length => BodyFraming::Length(single_content_length(fields)?),
        TransferCoding::Absent => BodyFraming::None,
        _ if has_length => return Err(ProtocolErrorKind::ClAndTe.into()),
        TransferCoding::Chunked { is_plain: true, .. } if version == Version::HTTP_11 => BodyFraming::Chunked,
        TransferCoding::Unknown | TransferCoding::Identity if version == Version::HTTP_11 => {
            let fault = Fault::from(ProtocolErrorKind::BadTransferEncoding);
            return Err(fault.with_status(StatusCode::NOT_IMPLEMENTED));
        }
        _ => return Err(ProtocolErrorKind::BadTransferEncoding.into()),
    };
    Ok((framing, is_persistent(version, fields)))
}

/// Returns whether the connection persists after this message (RFC 9112 §9.3). `close` takes precedence.
fn is_persistent(version: Version, fields: &HeaderMap) -> bool {
    let has_option = |option| members(fields, CONNECTION).any(|member| member.eq_ignore_ascii_case(option));
    !has_option(b"close") && (version == Version::HTTP_11 || has_option(b"keep-alive"))
}

/// Returns the length in the `Content-Length` lines, if there are any. All members of all lines must be the same.
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

/// Returns the length in the `Content-Length` line, which must be the only one and have a single number.
fn single_content_length(fields: &HeaderMap) -> Result<u64, ProtocolErrorKind> {
    let mut lines = fields.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (Some(line), None) => decimal(line).ok_or(ProtocolErrorKind::BadContentLength),
        _ => Err(ProtocolErrorKind::BadContentLength),
    }
}

/// The transfer coding according to all `Transfer-Encoding` lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransferCoding {
    /// There is no such line.
    Absent,
    /// `identity`, and nothing else.
    Identity,
    /// `chunked`, possibly after `identity`.
    Chunked {
        /// Whether it occurs more than once.
        is_repeated: bool,
        /// Whether `chunked` is all there is: no repetition, no `identity`, no empty list member.
        is_plain: bool,
    },
    /// A coding that is not implemented, possibly followed by `chunked`.
    Unknown,
    /// An invalid or empty list, or one in which `chunked` has parameters or is followed by another coding.
    Malformed,
}

fn transfer_coding(fields: &HeaderMap) -> TransferCoding {
    let (mut empty, mut identity, mut chunked, mut unknown) = (0, 0, 0, 0);
    for member in members(fields, TRANSFER_ENCODING) {
        match coding(member) {
            // A recipient has to ignore these (RFC 9110 §5.6.1.2).
            Some(Coding::Empty) => empty += 1,
            Some(Coding::Chunked) => chunked += 1,
            Some(Coding::Identity) if chunked == 0 => identity += 1,
            Some(Coding::Unknown) if chunked == 0 => unknown += 1,
            _ => return TransferCoding::Malformed,
        }
    }
    match (unknown, chunked, identity, empty) {
        (0, 0, 0, 0) => TransferCoding::Absent,
        (0, 0, 0, _) => TransferCoding::Malformed,
        (0, 0, _, _) => TransferCoding::Identity,
        (0, ..) => {
            TransferCoding::Chunked { is_repeated: chunked > 1, is_plain: (chunked, identity, empty) == (1, 0, 0) }
        }
        _ => TransferCoding::Unknown,
    }
}

/// A member of a `Transfer-Encoding` list.
enum Coding {
    Empty,
    Identity,
    Chunked,
    Unknown,
}

/// Parses a member of a `Transfer-Encoding` list. Returns `None` if it is malformed, or `chunked` or `identity` with
/// parameters.
fn coding(member: &[u8]) -> Option<Coding> {
    let (name, parameters) = member.split_at(leading(member, is_token));
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match parameters {
        [] if name.is_empty() => Some(Coding::Empty),
        [] if is(b"chunked") => Some(Coding::Chunked),
        [] if is(b"identity") => Some(Coding::Identity),
        [] => Some(Coding::Unknown),
        [b';' | b' ' | b'\t', ..] if !name.is_empty() && !is(b"chunked") && !is(b"identity") => Some(Coding::Unknown),
        _ => None,
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

    fn transfer_encoding(values: &[&'static str]) -> HeaderMap {
        let lines: Vec<_> = values.iter().map(|value| ("transfer-encoding", *value)).collect();
        fields(&lines)
    }

    #[test]
    fn the_members_of_all_transfer_encoding_lines_are_one_list() {
        use TransferCoding::*;
        const PLAIN: TransferCoding = Chunked { is_repeated: false, is_plain: true };
        const NOT_PLAIN: TransferCoding = Chunked { is_repeated: false, is_plain: false };
        const REPEATED: TransferCoding = Chunked { is_repeated: true, is_plain: false };
        for (lines, coding) in [
            (&[][..], Absent),
            (&["chunked"], PLAIN),
            (&["CHUNKED"], PLAIN),
            (&["chunked,"], NOT_PLAIN),
            (&[" , ,chunked"], NOT_PLAIN),
            (&["", "chunked"], NOT_PLAIN),
            (&["identity, chunked"], NOT_PLAIN),
            (&["identity", "chunked"], NOT_PLAIN),
            (&["chunked, Chunked"], REPEATED),
            (&["chunked", "chunked"], REPEATED),
            (&["identity", ",chunked", "chunked,"], REPEATED),
            (&["identity"], Identity),
            (&["Identity, identity,"], Identity),
            (&["gzip;level=9, chunked"], Unknown),
            (&["gzip", "identity, chunked"], Unknown),
            (&["gzip ;q=1"], Unknown),
            (&["xchunked"], Unknown),
        ] {
            assert_eq!(transfer_coding(&transfer_encoding(lines)), coding, "{lines:?}");
        }
        for bad in [
            "",
            ",",
            " , ",
            "chunked, gzip",
            "chunked, identity",
            "chunked chunked",
            "chunked;foo",
            "chunked ;foo",
            "identity;q=1",
            "\"chunked\"",
            ";chunked",
            "gzip=",
            "gzip=, chunked",
        ] {
            assert_eq!(transfer_coding(&transfer_encoding(&[bad])), Malformed, "{bad:?}");
        }
    }

    #[test]
    fn a_client_accepts_ambiguous_framing_but_does_not_reuse_the_connection() {
        let of = |values: &[&'static str], length: Option<&'static str>| {
            let mut fields = transfer_encoding(values);
            fields.extend(length.map(|length| (CONTENT_LENGTH, HeaderValue::from_static(length))));
            of_response(&Method::GET, StatusCode::OK, Version::HTTP_11, &fields)
        };
        assert_eq!(of(&["chunked"], None), Ok((BodyFraming::Chunked, true)));
        assert_eq!(of(&["chunked,"], None), Ok((BodyFraming::Chunked, true)));
        assert_eq!(of(&["identity, chunked"], None), Ok((BodyFraming::Chunked, true)));
        assert_eq!(of(&["chunked", "chunked"], None), Ok((BodyFraming::Chunked, false)));
        assert_eq!(of(&["chunked"], Some("5")), Ok((BodyFraming::Chunked, false)));
        assert_eq!(of(&["identity"], Some("5")), Ok((BodyFraming::Length(5), false)));
        assert_eq!(of(&["identity"], None), Ok((BodyFraming::UntilClose, false)));
        for bad in ["", "gzip, chunked", "chunked, gzip"] {
            assert_eq!(of(&[bad], Some("5")), Err(ProtocolErrorKind::BadTransferEncoding), "{bad:?}");
        }
        let fields = transfer_encoding(&["identity, chunked"]);
        let of_1_0 = of_response(&Method::GET, StatusCode::OK, Version::HTTP_10, &fields);
        assert_eq!(of_1_0, Err(ProtocolErrorKind::BadTransferEncoding));
    }

    #[test]
    fn a_server_accepts_only_chunked_as_transfer_encoding() {
        let of = |values: &[&'static str]| {
            of_request(Version::HTTP_11, &transfer_encoding(values)).map_err(|fault| fault.in_request(0).status())
        };
        assert_eq!(of(&["chunked"]), Ok((BodyFraming::Chunked, true)));
        for bad in [&["chunked,"][..], &[",chunked"], &["identity, chunked"], &["chunked", "chunked"], &["chunked", ""]]
        {
            assert_eq!(of(bad), Err(Some(StatusCode::BAD_REQUEST)), "{bad:?}");
        }
        assert_eq!(of(&["identity"]), Err(Some(StatusCode::NOT_IMPLEMENTED)));
        assert_eq!(of(&["gzip, chunked"]), Err(Some(StatusCode::NOT_IMPLEMENTED)));
    }

    #[test]
    fn connection_close_on_any_line_prevents_reuse() {
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
    fn a_2xx_response_to_connect_has_no_body_and_no_next_message() {
        let fields = fields(&[("content-length", "5")]);
        let of = |status| of_response(&Method::CONNECT, status, Version::HTTP_11, &fields);
        assert_eq!(of(StatusCode::OK), Ok((BodyFraming::None, false)));
        assert_eq!(of(StatusCode::FORBIDDEN), Ok((BodyFraming::Length(5), true)));
    }
}
