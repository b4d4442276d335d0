//! Closed connections, truncated responses and invalid responses fail only the flag concerned.

use crate::run::{assert_complete_images, flags, names_in};
use crate::server::{Reply, Server};

/// Asserts that only `br` fails, with this message, if its response consists of these bytes and the connection is then
/// closed.
fn assert_only_br_fails(bytes: &'static str, message: &str) {
    let server = Server::start(move |request| match request.path.starts_with("/flags/br/") {
        true => Reply::raw(bytes),
        false => Reply::ok("GIF89a\x3b"),
    });
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = flags(place.path(), &format!("BR US IN CN -v --base-url {}", server.url("/flags")));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.counts(), [3, 0, 1, 0], "{}", run.stderr);
    let line = run.stderr.lines().find(|line| line.starts_with("*** Error for BR: ")).expect("a line for BR");
    assert!(line.contains(message), "{line}");
    assert_eq!(names_in(place.path()), ["cn.gif", "in.gif", "us.gif"]);
    assert_complete_images(place.path());
}

#[test]
fn a_connection_closed_without_a_response() {
    assert_only_br_fails("", "closed");
}

#[test]
fn a_truncated_response_head() {
    assert_only_br_fails("HTTP/1.1 200 OK\r\nContent-Le", "head");
}

#[test]
fn a_truncated_response_body() {
    assert_only_br_fails("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nGIF89a", "body");
}

#[test]
fn a_response_that_is_not_http() {
    assert_only_br_fails("rubbish, and not HTTP at all\r\n\r\n", "version");
}

#[test]
fn an_unexpected_status() {
    assert_only_br_fails("HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n", "418");
}

#[test]
fn a_retry_after_of_years_fails_without_a_retry() {
    for retry_after in ["99999999", "99999999999999999999999", "Wed, 06 Nov 2999 08:49:37 GMT"] {
        let server = Server::start(move |_| Reply::status(503).field("Retry-After", retry_after));
        let place = tempfile::tempdir().expect("a temporary directory");
        let run = flags(place.path(), &format!("BR --retry 3 --base-url {}", server.url("/flags")));
        assert_eq!((run.code, run.counts()), (Some(1), [0, 0, 1, 0]), "{retry_after}: {}", run.stderr);
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_retry_after_of_zero_does_not_change_the_number_of_retries() {
    for retry_after in ["0", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let server = Server::start(move |_| Reply::status(503).field("Retry-After", retry_after));
        let place = tempfile::tempdir().expect("a temporary directory");
        let run = flags(place.path(), &format!("BR --retry 2 --base-url {}", server.url("/flags")));
        assert_eq!((run.code, server.requests().len()), (Some(1), 3), "{}", run.stderr);
    }
}
