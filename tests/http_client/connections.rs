//! Connections: which are kept, and what a kept one may cost the next request.

use std::io::Write;
use std::sync::mpsc;

use glassloop::http::client::{Client, RequestPhase};
use glassloop::http::proto::ProtocolErrorKind;
use glassloop::spawn;
use http::Method;

use crate::peer::{Peer, accept, accept_request, is_closed, read_head, send};
use crate::run::{HELLO, fetch, hear, protocol_error, request, run};

#[test]
fn a_connection_that_the_server_gives_up_is_not_kept() {
    let server = Peer::start(|listener| {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            // A byte too many: where would the next response begin?
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello!",
        ] {
            let mut connection = accept_request(listener);
            send(&mut connection, answer);
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
fn a_body_says_from_the_start_whether_its_connection_can_be_kept() {
    for (answer, keeps) in [
        (HELLO, true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\n\r\nhello", false),
    ] {
        let server = Peer::start(move |listener| send(&mut accept_request(listener), answer));
        run(async {
            let body = Client::new().get(&server.url("/")).await.unwrap().into_body();
            assert_eq!(body.keeps_connection(), keeps, "{answer}");
            assert_eq!(body.collect(5).await.unwrap(), b"hello");
        });
        server.join();
    }
}

#[test]
fn a_connection_that_the_request_gives_up_is_not_kept() {
    let server = Peer::answering(&[HELLO]);
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
fn a_connection_whose_end_came_with_the_response_is_not_kept() {
    let (asked, until_asked) = mpsc::channel();
    let (answer, until_told) = mpsc::channel::<()>();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        asked.send(()).unwrap();
        until_told.recv().unwrap();
        send(&mut connection, HELLO);
    });
    run(async {
        let client = Client::new();
        let exchange = spawn(client.get(&server.url("/")));
        hear(until_asked).await;
        // The loop stands still until response and end are both there.
        answer.send(()).unwrap();
        server.join();
        let body = exchange.await.unwrap().unwrap().into_body();
        assert_eq!(body.collect(10).await.unwrap(), b"hello");
        assert_eq!(client.connections_idle(), 0);
    });
}

/// A server that answers once, closes the connection when the second request has come, and answers on the next.
fn closing_late() -> Peer {
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
fn a_kept_connection_that_turns_out_to_be_dead_costs_one_free_retry() {
    for method in [Method::GET, Method::HEAD] {
        let server = closing_late();
        run(async {
            let client = Client::new();
            fetch(&client, &server.url("/")).await.unwrap();
            assert_eq!(client.request(request(method, &server.url("/"))).await.unwrap().status(), 200);
            assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
        });
        server.join();
    }
}

/// A server that answers the first request, sends this instead of an answer to the second, closes the connection if it is
/// told to, and answers on the next connection.
fn leaving_bytes(stray: &'static [u8], pieces: usize, closes: bool) -> Peer {
    Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        read_head(&mut connection);
        for piece in stray.chunks(pieces) {
            // A client that has seen enough need not take the rest.
            if connection.write_all(piece).is_err() {
                break;
            }
        }
        if closes {
            drop(connection);
        } else {
            assert!(is_closed(&mut connection), "the client goes on");
        }
        let mut connection = accept(listener);
        if !read_head(&mut connection).is_empty() {
            send(&mut connection, HELLO);
        }
    })
}

/// What may be left on a connection after a response, and whether the server then closes it.
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
fn stray_bytes_on_a_kept_connection_cost_that_connection_and_not_the_next_request() {
    for (number, (stray, closes)) in STRAY.into_iter().enumerate() {
        for (method, pieces) in [(Method::GET, usize::MAX), (Method::HEAD, 1)] {
            let server = leaving_bytes(stray, pieces, closes);
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
fn stray_bytes_are_reported_for_a_request_that_may_have_changed_something() {
    let server = leaving_bytes(b"0\r\n\r\n", usize::MAX, false);
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
fn what_is_wrong_with_the_first_response_on_a_connection_is_the_answer() {
    let server = Peer::start(|listener| {
        for answer in ["HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "0\r\n\r\n"] {
            send(&mut accept_request(listener), answer);
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
fn what_may_have_changed_something_is_not_sent_twice() {
    let server = closing_late();
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
fn a_new_connection_that_gives_no_answer_is_not_tried_again() {
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
