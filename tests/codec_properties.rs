//! Properties of the codec that hold for every input (property-based tests).

#[path = "support/codec.rs"]
#[expect(unreachable_pub, reason = "the fuzz package shares this file, and there they are public")]
mod codec;

use codec::{Record, cut, play_requests, play_response};
use glassloop::http::proto::limits::{MAX_HEAD_BYTES, MAX_TRAILER_BYTES};
use glassloop::http::proto::{
    RequestTarget, encode_chunk, encode_last_chunk, encode_request_head, encode_response_head,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use proptest::prelude::*;

/// Fragments of valid and invalid messages. Random sequences of them reach much more of the codec than random bytes
/// would.
const FRAGMENTS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.2  \t200 OK\x07\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 204 \r\n",
    "HTTP/1.1 304\n",
    "GET / HTTP/1.1\r\n",
    "POST /x?y HTTP/1.0\r\n",
    "POST /x HTTP/1.3\r\n",
    "GET http://a.test/x HTTP/1.1\r\n",
    "Host: a.test\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: ,chunked,\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\n",
    "Expect: 100-continue\r\n",
    "X:\t a b \t\r\n",
    "X: \u{e9}\r\n",
    "X: \x01\x1b\x7f\r\n",
    "ETag: \"\x02\"\r\n",
    "Location: \x02\r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    " ",
    ":",
    "hello",
    "5\r\nhello\r\n",
    "a;b=\"c\"\r\n0123456789\r\n",
    "5 \t;b \r\nhello\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "0",
    "\0",
];

/// Generates an input of fragments, in which a few bytes may be replaced.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let fragments = prop::collection::vec(prop::sample::select(FRAGMENTS), 0..14);
    let replacements = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (fragments, prop::bool::weighted(0.3), replacements).prop_map(|(fragments, replace, replacements)| {
        let mut bytes = fragments.concat().into_bytes();
        if replace && !bytes.is_empty() {
            for (index, byte) in replacements {
                let place = index.index(bytes.len());
                bytes[place] = byte;
            }
        }
        bytes
    })
}

fn inputs() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => messages(), 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1_usize..40, 1..20)]
}

fn methods() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::CONNECT])
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    let field = ("x-[a-z0-9]{1,8}", "([!-~]([ -~]{0,20}[!-~])?)?");
    prop::collection::vec(field, 0..8).prop_map(|lines| {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a token");
            fields.append(name, HeaderValue::from_str(&value).expect("visible ASCII"));
        }
        fields
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The driver also checks at every step that no more than the input is consumed, and that errors are permanent.
    #[test]
    fn a_response_means_the_same_in_any_cut(
        input in inputs(), lengths in lengths(), method in methods(), close_after: bool,
    ) {
        let whole = play_response(&method, &[&input], close_after);
        let pieces = play_response(&method, &cut(&input, &lengths), close_after);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn requests_mean_the_same_in_any_cut(input in inputs(), lengths in lengths(), close_after: bool) {
        let whole = play_requests(&[&input], close_after);
        let pieces = play_requests(&cut(&input, &lengths), close_after);
        prop_assert_eq!(whole, pieces);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_chunked_comes_out_as_it_went_in(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..10),
        trailers in fields(),
        lengths in lengths(),
    ) {
        let mut wire = Vec::new();
        let head = HeaderMap::from_iter([(http::header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))]);
        encode_response_head(&mut wire, Version::HTTP_11, StatusCode::OK, None, &head).unwrap();
        for chunk in &chunks {
            encode_chunk(&mut wire, chunk);
        }
        encode_last_chunk(&mut wire, &trailers);

        let transcript = play_response(&Method::GET, &cut(&wire, &lengths), false);
        prop_assert_eq!(transcript.error, None);
        prop_assert_eq!(transcript.status(), Some(200));
        prop_assert_eq!(transcript.body(), chunks.concat());
        prop_assert_eq!(transcript.ends(), [true]);
        let seen = transcript.records.iter().find_map(|record| match record {
            Record::Trailers(fields) => Some(fields.clone()),
            _ => None,
        });
        prop_assert_eq!(seen, (!trailers.is_empty()).then(|| format!("{trailers:?}")));
    }

    #[test]
    fn a_request_head_that_we_write_is_one_that_we_read(target in "\\PC{0,40}", fields in fields(), lengths in lengths()) {
        let mut wire = Vec::new();
        encode_request_head(&mut wire, &Method::GET, RequestTarget::Origin(&target), "a.test:8080", &fields).unwrap();
        let transcript = play_requests(&cut(&wire, &lengths), false);
        prop_assert_eq!(transcript.error, None);
        prop_assert_eq!(transcript.ends(), [true]);
    }

    /// Every head is complete or rejected before it exceeds the limit.
    #[test]
    fn no_head_and_no_trailer_section_outgrows_its_limit(
        line in prop::sample::select(vec!["a", "A: b\r\n", "\r\n", "A: ", " b\r\n", "A:\n", "HTTP/1.1 102 \r\nA: b\r\n\r\n"]),
        in_requests: bool,
        in_trailers: bool,
    ) {
        let start = match (in_requests, in_trailers) {
            (false, false) => "HTTP/1.1 200 OK\r\nX: y",
            (true, false) => "GET / HTTP/1.1\r\nX: y",
            (false, true) => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
            (true, true) => "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
        };
        let input = [start, &line.repeat(2 * MAX_HEAD_BYTES / line.len())].concat().into_bytes();
        let transcript = if in_requests {
            play_requests(&[&input], false)
        } else {
            play_response(&Method::GET, &[&input], false)
        };
        let limit = if in_trailers { start.len() + MAX_TRAILER_BYTES } else { MAX_HEAD_BYTES };
        let refused_in_time = transcript.error.is_some_and(|error| error.position <= limit as u64);
        let over = transcript.records.iter().any(|record| match record {
            Record::Interim(_) | Record::Head(..) => !in_trailers,
            Record::End(_) => in_trailers,
            Record::Data(_) | Record::Trailers(_) => false,
        });
        prop_assert!(refused_in_time || over, "{:?}", transcript.error);
    }
}
