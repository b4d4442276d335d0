//! Reuse of connections: which ones are returned to the pool, and what happens if a pooled one is stale.

use std::io::Write;
use std::sync::mpsc;

use glassloop::http::client::{Client, RequestPhase};
use glassloop::http::proto::ProtocolErrorKind;
use glassloop::spawn;
use http::Method;

use crate::peer::{Peer, accept, accept_request, is_closed, read_head, send};
use crate::run::{HELLO, fetch, protocol_error, receive, request, run};

#[test]
fn a_connection_that_the_server_closes_is_not_returned_to_the_pool() {
    let server = Peer::start(|listener| {
        for response in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            // One byte too many: the start of the next response would be unknown.
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello!",
        ] {
            let mut connection = accept_request(listener);
            send(&mut connection, response);
            assert!(is_closed(&mut connection));
        }
    });
    run(async {
        let client = Client::new();
        for _ in 0..3 {
            assert_eq!(fetch(&client, &server.url("/")).await.unwrap().1, b"hello");
            assert_eq!(client.connections_idle(), 0);
        }
    });
    server.join();
}

#[test]
fn keeps_connection_is_known_before_the_body_is_read() {
    for (response, keeps) in [
        (HELLO, true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\n\r\nhello", false),
    ] {
        let server = Peer::start(move |listener| send(&mut accept_request(listener), response));
        run(async {
            let body = Client::new().get(&server.url("/")).await.unwrap().into_body();
            assert_eq!(body.keeps_connection(), keeps, "{response}");
            assert_eq!(body.collect(5).await.unwrap(), b"hello");
        });
        server.join();
    }
}

#[test]
fn connection_close_in_the_request_prevents_reuse() {
    let server = Peer::responding(&[HELLO]);
    run(async {
        let client = Client::new();
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("connection", "close".parse().unwrap());
        let body = client.request(request).await.unwrap().into_body();
        assert!(!body.keeps_connection());
        assert_eq!(body.collect(10).await.unwrap(), b"hello");
        assert_eq!(client.connections_idle(), 0);
    });
    server.join();
}

#[test]
fn a_connection_closed_together_with_the_response_is_not_returned_to_the_pool() {
    let (requested, until_requested) = mpsc::channel();
    let (respond, until_released) = mpsc::channel::<()>();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        requested.send(()).unwrap();
        until_released.recv().unwrap();
        send(&mut connection, HELLO);
    });
    run(async {
        let client = Client::new();
        let exchange = spawn(client.get(&server.url("/")));
        receive(until_requested).await;
        // The loop is blocked until both the response and the EOF have arrived.
        respond.send(()).unwrap();
        server.join();
        let body = exchange.await.unwrap().unwrap().into_body();
        assert_eq!(body.collect(10).await.unwrap(), b"hello");
        assert_eq!(client.connections_idle(), 0);
    });
}

/// Starts a server that responds once, closes the connection after it has received the second request, and responds on
/// the next connection.
fn start_closing_late() -> Peer {
    Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        read_head(&mut connection);
        drop(connection);
        let mut connection = accept(listener);
        if !read_head(&mut connection).is_empty() {
            send(&mut connection, HELLO);
        }
    })
}

#[test]
fn a_get_or_head_on_a_stale_connection_is_retried_once_on_a_new_one() {
    for method in [Method::GET, Method::HEAD] {
        let server = start_closing_late();
        run(async {
            let client = Client::new();
            fetch(&client, &server.url("/")).await.unwrap();
            assert_eq!(client.request(request(method, &server.url("/"))).await.unwrap().status(), 200);
            assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
        });
        server.join();
    }
}

/// Starts a server that responds to the first request, sends `stray` instead of a response to the second, closes the
/// connection if `closes` is set, and responds on the next connection.
fn start_sending_stray_bytes(stray: &'static [u8], pieces: usize, closes: bool) -> Peer {
    Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        read_head(&mut connection);
        for piece in stray.chunks(pieces) {
            // The client may close the connection before it has read everything.
            if connection.write_all(piece).is_err() {
                break;
            }
        }
        if closes {
            drop(connection);
        } else {
            assert!(is_closed(&mut connection), "the client continues to use the connection");
        }
        let mut connection = accept(listener);
        if !read_head(&mut connection).is_empty() {
            send(&mut connection, HELLO);
        }
    })
}

/// Stray bytes after a response, and whether the server then closes the connection.
const STRAY: [(&[u8], bool); 12] = [
    (b"\r\n", false),
    (b"\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", false),
    (b"0\r\n\r\n", false),
    (b"</html>", false),
    (b"\0", false),
    (b"HTTP/1.1 000", false),
    (b"HTTP/1.1 200 OK\r\nbroken", true),
    (b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", false),
    (b"HTTP/1.1 200 OK\r\nx: \0", false),
    (b"HTTP/1.1 100 Continue\r\n\r\n", true),
    (b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n", true),
    (b"HTTP/1.0 408 Request Time-out\r\n\r\n<html><body><h1>408 Request Time-out</h1></body></html>\n", true),
];

#[test]
fn stray_bytes_on_a_pooled_connection_close_it_and_do_not_fail_the_next_request() {
    for (number, (stray, closes)) in STRAY.into_iter().enumerate() {
        for (method, pieces) in [(Method::GET, usize::MAX), (Method::HEAD, 1)] {
            let server = start_sending_stray_bytes(stray, pieces, closes);
            run(async {
                let client = Client::new();
                fetch(&client, &server.url("/")).await.unwrap();
                let response = client.request(request(method, &server.url("/"))).await;
                assert_eq!(response.unwrap_or_else(|error| panic!("{number}: {error}")).status(), 200);
                assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
            });
            server.join();
        }
    }
}

#[test]
fn stray_bytes_fail_a_request_that_is_not_safe_to_repeat() {
    let server = start_sending_stray_bytes(b"0\r\n\r\n", usize::MAX, false);
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        let error = client.request(request(Method::POST, &server.url("/"))).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::BadVersion);
        assert_eq!((error.phase(), error.is_reused()), (RequestPhase::ReadingHead, true));
        assert_eq!(client.connections_opened(), 1);
    });
    drop(std::net::TcpStream::connect(server.address()));
    server.join();
}

#[test]
fn a_408_or_an_invalid_response_on_a_new_connection_is_not_retried() {
    let server = Peer::start(|listener| {
        for response in ["HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "0\r\n\r\n"]
        {
            send(&mut accept_request(listener), response);
        }
    });
    run(async {
        let client = Client::new();
        assert_eq!(client.get(&server.url("/")).await.unwrap().status(), 408);
        let error = client.get(&server.url("/")).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::BadVersion);
        assert_eq!(client.connections_opened(), 2);
    });
    server.join();
}

#[test]
fn a_post_on_a_stale_connection_is_not_retried() {
    let server = start_closing_late();
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        let error = client.request(request(Method::POST, &server.url("/"))).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::EmptyReply);
        assert_eq!((error.phase(), error.is_reused()), (RequestPhase::RequestSent, true));
        assert_eq!(client.connections_opened(), 1);
    });
    drop(std::net::TcpStream::connect(server.address()));
    server.join();
}

#[test]
fn a_new_connection_closed_without_a_response_is_not_retried() {
    let server = Peer::start(|listener| {
        accept_request(listener);
    });
    run(async {
        let client = Client::new();
        let error = client.get(&server.url("/")).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::EmptyReply);
        assert_eq!((error.phase(), error.is_reused()), (RequestPhase::RequestSent, false));
        assert_eq!(client.connections_opened(), 1);
    });
    server.join();
}
