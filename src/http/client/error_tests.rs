//! Tests of the messages of client errors.

use std::error::Error;

use http::{Method, Uri};

use super::*;
use crate::http::client::ProxyConfig;
use crate::http::client::target::Target;
use crate::http::proto::ResponseDecoder;

const LIMIT: Duration = Duration::from_secs(7);

/// An error with its expected message and properties.
struct Example {
    kind: ClientErrorKind,
    phase: RequestPhase,
    /// The expected description of the operation, without a proxy and with one.
    operation: [&'static str; 2],
    /// The expected description of the failure, which is the message of the source if there is one.
    cause: &'static str,
    has_source: bool,
    is_timeout: bool,
}

impl Example {
    fn new(kind: ClientErrorKind, phase: RequestPhase, operation: [&'static str; 2], cause: &'static str) -> Example {
        Example { kind, phase, operation, cause, has_source: false, is_timeout: false }
    }

    fn with_source(self) -> Example {
        Example { has_source: true, ..self }
    }

    fn timeout(self) -> Example {
        Example { is_timeout: true, ..self }
    }
}

/// Returns errors of every kind that does not require TLS.
fn examples() -> Vec<Example> {
    use ClientErrorKind::*;
    use RequestPhase::*;
    const REQUESTING: [&str; 2] = ["requesting http://a.test/x: "; 2];
    const INVALID: [&str; 2] = ["invalid URL http://a.test/x: "; 2];
    const REACHING: [&str; 2] = ["", "reaching the proxy p.test:3128: "];
    const LOOKING_UP: [&str; 2] = ["looking up the host of http://a.test/x: ", "looking up the proxy p.test:3128: "];
    const WRITING: [&str; 2] =
        ["writing the request to 192.0.2.1:80: ", "writing the request to the proxy p.test:3128: "];
    const READING_HEAD: [&str; 2] =
        ["reading the response head from 192.0.2.1:80: ", "reading the response head from the proxy p.test:3128: "];
    const READING_BODY: [&str; 2] =
        ["reading the response body from 192.0.2.1:80: ", "reading the response body from the proxy p.test:3128: "];

    let io = |kind: io::ErrorKind| io::Error::new(kind, "io");
    let address = "192.0.2.1:80".parse().unwrap();
    let refused = |kind| Connect(ConnectError::Failed { address, tried: 1, error: io(kind) });
    let timed_out = Connect(ConnectError::TimedOut { address, tried: 1, limit: LIMIT });
    let unknown = ResolveError { name: "a.test".to_owned(), reason: "no".to_owned(), is_temporary: true };
    let protocol = ResponseDecoder::new(&Method::GET).decode(b"x").unwrap_err();
    let no_http = "the protocol version is not HTTP/1.0 or HTTP/1.1 (at byte 0)";
    let bad_host = "the value of the header `host` is invalid";
    let body_header = "the header `content-length` is not allowed without a body";
    let example = Example::new;
    vec![
        example(InvalidUri("why"), NothingSent, INVALID, "why"),
        example(UnsupportedMethod, NothingSent, REQUESTING, "CONNECT is not supported as a request method"),
        example(InvalidHeader(HOST), NothingSent, REQUESTING, bad_host),
        example(InvalidHeader(http::header::CONTENT_LENGTH), NothingSent, REQUESTING, body_header),
        example(Resolve(unknown), NothingSent, REACHING, "looking up `a.test`: no").with_source(),
        example(ResolveTimedOut { limit: LIMIT }, NothingSent, LOOKING_UP, "timed out after 7s").timeout(),
        example(refused(io::ErrorKind::TimedOut), NothingSent, REACHING, "connecting to 192.0.2.1:80: io")
            .with_source()
            .timeout(),
        example(refused(io::ErrorKind::Other), NothingSent, REACHING, "connecting to 192.0.2.1:80: io").with_source(),
        example(timed_out, NothingSent, REACHING, "connecting to 192.0.2.1:80: timed out after 7.0s")
            .with_source()
            .timeout(),
        example(Connect(ConnectError::NoAddress), NothingSent, REACHING, "no address to connect to").with_source(),
        example(Write(io(io::ErrorKind::BrokenPipe)), RequestSent, WRITING, "io").with_source(),
        example(Read(io(io::ErrorKind::TimedOut)), ReadingHead, READING_HEAD, "io").with_source().timeout(),
        example(Protocol(protocol), ReadingHead, READING_HEAD, no_http).with_source(),
        example(HeadTimedOut { limit: LIMIT }, ReadingHead, READING_HEAD, "timed out after 7s").timeout(),
        example(BodyTimedOut { limit: LIMIT }, ReadingBody, READING_BODY, "timed out: no data for 7s").timeout(),
        example(TooLarge { limit: 7 }, ReadingBody, READING_BODY, "the body is larger than 7 bytes"),
    ]
}

#[test]
fn every_message_names_the_operation_the_peer_and_the_cause() {
    let proxy = "http://you:hidden@p.test:3128".parse().unwrap();
    for (number, proxies) in [ProxyConfig::none(), ProxyConfig::none().http(proxy)].iter().enumerate() {
        let target = Target::new(&Method::GET, Uri::from_static("http://me:secret@a.test/x"), proxies).unwrap();
        let peer = Some("192.0.2.1:80".parse().unwrap());
        for Example { kind, phase, operation, cause, has_source, is_timeout } in examples() {
            let error = target.error(kind, phase, peer, true);
            assert_eq!(error.to_string(), format!("{}{cause}", operation[number]));
            assert_eq!(error.is_timeout(), is_timeout, "{error}");
            assert_eq!(error.source().map(ToString::to_string), has_source.then(|| cause.to_owned()), "{error}");
            assert_eq!((error.phase(), error.url(), error.is_reused()), (phase, "http://a.test/x", true));
            assert_eq!((error.peer(), error.proxy()), (peer, [None, Some("p.test:3128")][number]));
            let debug = format!("{error:?}");
            assert!(!debug.contains("secret") && !debug.contains("hidden"), "{debug}");
        }
    }
}

#[test]
fn an_invalid_request_has_no_peer() {
    let error = ClientError::invalid_request(ClientErrorKind::UnsupportedScheme, "ftp://a.test/".to_owned());
    assert_eq!((error.phase(), error.peer(), error.proxy()), (RequestPhase::NothingSent, None, None));
    assert!(!error.is_reused() && !error.is_timeout() && error.source().is_none());
    assert!(error.to_string().starts_with("requesting ftp://a.test/: only http"), "{error}");
}

#[test]
fn only_io_and_protocol_errors_are_broken_connections() {
    use ClientErrorKind::*;
    for Example { kind, .. } in examples() {
        assert_eq!(kind.is_broken_connection(), matches!(kind, Write(_) | Read(_) | Protocol(_)), "{kind:?}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_tunnel_error_describes_the_response_of_the_proxy() {
    let io = || io::Error::other("io");
    let protocol = ResponseDecoder::new(&Method::CONNECT).decode(b"x").unwrap_err();
    let no_http = "the protocol version is not HTTP/1.0 or HTTP/1.1 (at byte 0)";
    for (error, message, source) in [
        (TunnelError::Rejected(StatusCode::FORBIDDEN), "the proxy responded with 403 Forbidden", None),
        (TunnelError::Protocol(protocol), no_http, Some(no_http)),
        (TunnelError::Write(io()), "io", Some("io")),
        (TunnelError::Read(io()), "io", Some("io")),
        (TunnelError::TimedOut { limit: Duration::from_secs(7) }, "timed out after 7s", None),
    ] {
        assert_eq!(error.to_string(), message);
        assert_eq!(error.source().map(ToString::to_string), source.map(str::to_owned));
    }
    let unauthorized = TunnelError::Rejected(StatusCode::PROXY_AUTHENTICATION_REQUIRED).to_string();
    assert!(unauthorized.contains("(407)") && unauthorized.contains("password"), "{unauthorized}");
}
