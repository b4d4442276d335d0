//! Tests of the messages of client errors.

use std::error::Error;

use http::{Method, Uri};

use super::*;
use crate::http::client::ProxyConfig;
use crate::http::proto::ResponseDecoder;

const LIMIT: Duration = Duration::from_secs(7);

/// An error with its expected message and properties.
struct Example {
    kind: ClientErrorKind,
    phase: RequestPhase,
    /// The expected description of the operation, without a proxy and with one.
    doing: [&'static str; 2],
    /// The expected description of the failure, which is the message of the source if there is one.
    says: &'static str,
    has_source: bool,
    is_timeout: bool,
}

impl Example {
    fn new(kind: ClientErrorKind, phase: RequestPhase, doing: [&'static str; 2], says: &'static str) -> Example {
        Example { kind, phase, doing, says, has_source: false, is_timeout: false }
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
    let bad_host = "the field `host` does not fit the request";
    let example = Example::new;
    vec![
        example(InvalidUri("why"), NothingSent, REQUESTING, "why"),
        example(UnsupportedMethod, NothingSent, REQUESTING, "CONNECT asks for a tunnel"),
        example(InvalidHeader(http::header::HOST), NothingSent, REQUESTING, bad_host),
        example(Resolve(unknown), NothingSent, REACHING, "looking up `a.test`: no").with_source(),
        example(ResolveTimedOut { limit: LIMIT }, NothingSent, LOOKING_UP, "no answer for 7s").timeout(),
        example(refused(io::ErrorKind::TimedOut), NothingSent, REACHING, "connecting to 192.0.2.1:80: io")
            .with_source()
            .timeout(),
        example(refused(io::ErrorKind::Other), NothingSent, REACHING, "connecting to 192.0.2.1:80: io").with_source(),
        example(timed_out, NothingSent, REACHING, "connecting to 192.0.2.1:80: no answer for 7.0s")
            .with_source()
            .timeout(),
        example(Connect(ConnectError::NoAddress), NothingSent, REACHING, "there is no address to connect to")
            .with_source(),
        example(Write(io(io::ErrorKind::BrokenPipe)), RequestSent, WRITING, "io").with_source(),
        example(Read(io(io::ErrorKind::TimedOut)), ReadingHead, READING_HEAD, "io").with_source().timeout(),
        example(Protocol(protocol), ReadingHead, READING_HEAD, no_http).with_source(),
        example(HeadTimedOut { limit: LIMIT }, ReadingHead, READING_HEAD, "it was not complete after 7s").timeout(),
        example(BodyTimedOut { limit: LIMIT }, ReadingBody, READING_BODY, "nothing came for 7s").timeout(),
        example(TooLarge { limit: 7 }, ReadingBody, READING_BODY, "it is larger than 7 bytes"),
    ]
}

#[test]
fn every_kind_says_what_was_done_with_whom_and_what_went_wrong() {
    let proxy = "http://you:hidden@p.test:3128".parse().unwrap();
    for (number, proxies) in [ProxyConfig::none(), ProxyConfig::none().http(proxy)].iter().enumerate() {
        let target = Target::new(&Method::GET, Uri::from_static("http://me:secret@a.test/x"), proxies).unwrap();
        let peer = Some("192.0.2.1:80".parse().unwrap());
        for Example { kind, phase, doing, says, has_source, is_timeout } in examples() {
            let error = ClientError::on_the_way(kind, &target, phase, peer, true);
            assert_eq!(error.to_string(), format!("{}{says}", doing[number]));
            assert_eq!(error.is_timeout(), is_timeout, "{error}");
            assert_eq!(error.source().map(ToString::to_string), has_source.then(|| says.to_owned()), "{error}");
            assert_eq!((error.phase(), error.url(), error.is_reused()), (phase, "http://a.test/x", true));
            assert_eq!((error.peer(), error.proxy()), (peer, [None, Some("p.test:3128")][number]));
            let debug = format!("{error:?}");
            assert!(!debug.contains("secret") && !debug.contains("hidden"), "{debug}");
        }
    }
}

#[test]
fn a_request_that_cannot_begin_was_written_to_nobody() {
    let error = ClientError::refused(ClientErrorKind::UnsupportedScheme, "ftp://a.test/".to_owned());
    assert_eq!((error.phase(), error.peer(), error.proxy()), (RequestPhase::NothingSent, None, None));
    assert!(!error.is_reused() && !error.is_timeout() && error.source().is_none());
    assert!(error.to_string().starts_with("requesting ftp://a.test/: only http"), "{error}");
}

#[test]
fn only_what_ends_or_spoils_a_connection_is_a_broken_connection() {
    use ClientErrorKind::*;
    for Example { kind, .. } in examples() {
        assert_eq!(kind.is_broken_connection(), matches!(kind, Write(_) | Read(_) | Protocol(_)), "{kind:?}");
    }
}
