//! The end of a body: framing, `close_notify` and truncation.

use std::io::ErrorKind;

use glassloop::http::client::{ClientErrorKind, RequestPhase};

use crate::peer::{read_head, send};
use crate::secured::Secured;
use crate::site::{client, fetch, run, start, url, usual};

/// Sends `response`, closes the connection with or without `close_notify`, and returns what the client received.
fn content(response: &'static str, close_notify: bool) -> Result<Vec<u8>, (ErrorKind, RequestPhase)> {
    let server = start(usual(), move |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, response);
        if close_notify {
            send_close_notify(&mut connection);
        }
    });
    let result = run(async { fetch(&client(), &url(&server)).await });
    server.join();
    result.map_err(|error| match error.kind() {
        ClientErrorKind::Read(cause) => (cause.kind(), error.phase()),
        other => panic!("{other:?} is not a read error"),
    })
}

fn send_close_notify(connection: &mut Secured) {
    connection.conn.send_close_notify();
    connection.conn.complete_io(&mut connection.sock).expect("the client is connected");
}

#[test]
fn a_close_delimited_body_is_complete_only_with_close_notify() {
    let response = "HTTP/1.1 200 OK\r\n\r\nhello";
    assert_eq!(content(response, true).unwrap(), b"hello");
    assert_eq!(content(response, false), Err((ErrorKind::UnexpectedEof, RequestPhase::ReadingBody)));
}

#[test]
fn a_self_delimited_body_is_complete_without_close_notify() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        assert_eq!(content(response, false).unwrap(), b"hello");
    }
}

#[test]
fn a_truncated_body_is_an_error_with_and_without_close_notify() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhello",
    ] {
        assert_eq!(content(response, false), Err((ErrorKind::UnexpectedEof, RequestPhase::ReadingBody)));
        let server = start(usual(), move |connection| {
            let mut connection = connection();
            read_head(&mut connection);
            send(&mut connection, response);
            send_close_notify(&mut connection);
        });
        let error = run(async { fetch(&client(), &url(&server)).await }).unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Protocol(_)), "{error}");
        server.join();
    }
}

#[test]
fn a_connection_that_ends_before_the_response_is_an_unexpected_eof() {
    let error = content("", false).unwrap_err();
    assert_eq!(error, (ErrorKind::UnexpectedEof, RequestPhase::RequestSent));
}

#[test]
fn plaintext_injected_into_a_body_is_an_error() {
    use std::io::Write;
    let server = start(usual(), |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello");
        connection.sock.write_all(b"unencrypted bytes of an attacker").expect("the client is connected");
    });
    let error = run(async { fetch(&client(), &url(&server)).await }).unwrap_err();
    assert!(matches!(error.kind(), ClientErrorKind::Read(cause) if cause.kind() == ErrorKind::InvalidData), "{error}");
    server.join();
}
