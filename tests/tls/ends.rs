//! Where a body ends, and whether that is believed.

use std::io::ErrorKind;

use glassloop::http::client::{ClientErrorKind, Stage};

use crate::peer::{read_head, send};
use crate::secured::Secured;
use crate::site::{client, fetch, run, start, url, usual};

/// The content of a response that is sent as it stands, and the connection closed: with a farewell or without.
fn content(response: &'static str, farewell: bool) -> Result<Vec<u8>, (ErrorKind, Stage)> {
    let server = start(usual(), move |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, response);
        if farewell {
            say_goodbye(&mut connection);
        }
    });
    let result = run(async { fetch(&client(), &url(&server)).await });
    server.join();
    result.map_err(|error| match error.kind() {
        ClientErrorKind::Read(cause) => (cause.kind(), error.stage()),
        other => panic!("{other:?} is no error of reading"),
    })
}

fn say_goodbye(connection: &mut Secured) {
    connection.conn.send_close_notify();
    connection.conn.complete_io(&mut connection.sock).expect("the client listens");
}

#[test]
fn a_body_that_ends_with_the_connection_ends_well_only_with_a_farewell() {
    let response = "HTTP/1.1 200 OK\r\n\r\nhello";
    assert_eq!(content(response, true).unwrap(), b"hello");
    assert_eq!(content(response, false), Err((ErrorKind::UnexpectedEof, Stage::InBody)));
}

#[test]
fn a_body_that_says_its_length_needs_no_farewell() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        assert_eq!(content(response, false).unwrap(), b"hello");
    }
}

#[test]
fn a_body_that_is_too_short_is_an_error_with_a_farewell_and_without() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhello",
    ] {
        assert_eq!(content(response, false), Err((ErrorKind::UnexpectedEof, Stage::InBody)));
        let server = start(usual(), move |connection| {
            let mut connection = connection();
            read_head(&mut connection);
            send(&mut connection, response);
            say_goodbye(&mut connection);
        });
        let error = run(async { fetch(&client(), &url(&server)).await }).unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Protocol(_)), "{error}");
        server.join();
    }
}

#[test]
fn a_connection_that_ends_before_the_response_is_told_as_cut() {
    let error = content("", false).unwrap_err();
    assert_eq!(error, (ErrorKind::UnexpectedEof, Stage::WrittenNoByteRead));
}

#[test]
fn what_is_not_encrypted_in_the_middle_of_a_body_breaks_it() {
    use std::io::Write;
    let server = start(usual(), |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello");
        connection.sock.write_all(b"an attacker's bytes, as they are").expect("the client listens");
    });
    let error = run(async { fetch(&client(), &url(&server)).await }).unwrap_err();
    assert!(matches!(error.kind(), ClientErrorKind::Read(cause) if cause.kind() == ErrorKind::InvalidData), "{error}");
    server.join();
}
