//! Responses: heads, framings, and the ways of reading a body.

use std::future::poll_fn;
use std::sync::mpsc;
use std::time::Duration;

use glassloop::http::client::{Client, ClientErrorKind, RequestPhase};
use http::{Method, StatusCode};

use crate::peer::{Peer, accept, accept_request, is_closed, read_head, reset, send};
use crate::run::{HELLO, fetch, request, run};

#[test]
fn one_connection_serves_many_requests() {
    let server = Peer::responding(&[HELLO; 5]);
    run(async {
        let client = Client::new();
        for _ in 0..5 {
            assert_eq!(fetch(&client, &server.url("/")).await.unwrap(), (StatusCode::OK, b"hello".to_vec()));
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (1, 4));
    });
    server.join();
}

#[test]
fn localhost_and_its_subdomains_are_loopback_and_every_address_is_tried() {
    for host in ["LOCALHOST", "a.b.localhost"] {
        let server = Peer::responding(&[HELLO]);
        run(async {
            // Nothing listens on ::1, which is tried first.
            let url = format!("http://{host}:{}/", server.address().port());
            assert_eq!(fetch(&Client::new(), &url).await.unwrap().1, b"hello");
        });
        server.join();
    }
}

#[test]
fn a_chunked_body_is_decoded_from_fragments_of_any_size() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        for pieces in [1, 7, 1000] {
            read_head(&mut connection);
            let response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1;x\r\n,\r\n6\r\n world\r\n0\r\na: b\r\n\r\n";
            response.chunks(pieces).for_each(|piece| send(&mut connection, piece));
        }
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::new();
        for _ in 0..3 {
            let body = client.get(&server.url("/")).await.unwrap().into_body();
            assert_eq!((body.length(), body.is_self_delimited()), (None, true));
            assert_eq!(body.collect(100).await.unwrap(), b"hello, world");
        }
        assert_eq!(client.connections_opened(), 1);
    });
    server.join();
}

#[test]
fn a_close_delimited_body_ends_with_the_connection() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\n\r\nhello");
    });
    run(async {
        let client = Client::new();
        let body = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!((body.length(), body.is_self_delimited()), (None, false));
        assert_eq!(body.collect(100).await.unwrap(), b"hello");
        assert_eq!(client.connections_idle(), 0);
    });
    server.join();
}

#[test]
fn a_response_without_a_body_returns_its_connection_immediately() {
    let server = Peer::responding(&[
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ]);
    run(async {
        let client = Client::new();
        for method in [Method::HEAD, Method::GET, Method::GET, Method::GET, Method::GET] {
            let response = client.request(request(method, &server.url("/"))).await.unwrap();
            assert!(response.body().is_end_stream());
            assert_eq!(client.connections_idle(), 1);
        }
        assert_eq!(client.connections_opened(), 1);
    });
    server.join();
}

#[test]
fn reading_the_last_chunk_returns_the_connection() {
    let server = Peer::responding(&[HELLO]);
    run(async {
        let client = Client::new();
        let mut body = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(client.connections_idle(), 0);
        assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
        assert_eq!((client.connections_idle(), body.is_end_stream()), (1, true));
        assert_eq!(body.chunk().await.unwrap(), None);
    });
    server.join();
}

#[test]
fn interim_responses_are_skipped() {
    let server = Peer::responding(&[
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ]);
    run(async {
        assert_eq!(fetch(&Client::new(), &server.url("/")).await.unwrap().1, b"hello");
    });
    server.join();
}

#[test]
fn an_error_response_is_received_while_the_request_is_being_written() {
    let (done, until_done) = mpsc::channel::<()>();
    let server = Peer::start(move |listener| {
        let mut connection = accept(listener);
        // The server has not read anything, so the request cannot have been written completely.
        send(&mut connection, "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 2\r\n\r\nno");
        until_done.recv().unwrap();
    });
    run(async {
        let client = Client::new();
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("x", "x".repeat(32 << 20).parse().unwrap());
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), 431);
        assert_eq!(response.into_body().collect(10).await.unwrap(), b"no");
        // The rest of the request was never sent, so the server could not tell where another one starts.
        assert_eq!(client.connections_idle(), 0);
    });
    done.send(()).unwrap();
    server.join();
}

#[test]
fn an_error_response_is_received_even_if_writing_the_request_fails() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        send(&mut connection, "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 2\r\n\r\nno");
        // The server closes the connection with unread input, which sends a reset.
        assert_eq!(connection.peek(&mut [0]).unwrap(), 1);
    });
    run(async {
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("x", "x".repeat(32 << 20).parse().unwrap());
        let response = Client::new().request(request).await.unwrap();
        assert_eq!(response.status(), 431);
    });
    server.join();
}

#[test]
fn a_request_that_cannot_be_written_is_a_write_error() {
    let server = Peer::start(|listener| {
        let connection = accept(listener);
        assert_eq!(connection.peek(&mut [0]).unwrap(), 1);
        reset(connection);
    });
    run(async {
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("x", "x".repeat(32 << 20).parse().unwrap());
        let error = Client::new().request(request).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Write(_)), "{error:?}");
        assert_eq!(error.phase(), RequestPhase::RequestSent);
    });
    server.join();
}

#[test]
fn a_body_can_be_read_with_any_size_of_buffer() {
    let content: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    let response = content.clone();
    let server = Peer::start(move |listener| {
        let mut connection = accept(listener);
        for _ in 0..2 {
            read_head(&mut connection);
            send(&mut connection, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", response.len()));
            send(&mut connection, &response);
        }
    });
    run(async {
        let client = Client::new();
        let mut body = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(body.length(), Some(300_000));
        let mut whole = Vec::new();
        while let Some(chunk) = body.chunk().await.unwrap() {
            whole.extend_from_slice(&chunk);
        }
        assert!(whole == content);

        let mut body = client.get(&server.url("/")).await.unwrap().into_body();
        let (mut whole, mut buffer) = (Vec::new(), [0; 1001]);
        loop {
            let read = poll_fn(|cx| body.poll_read(cx, &mut buffer)).await.unwrap();
            if read == 0 {
                break;
            }
            whole.extend_from_slice(&buffer[..read]);
        }
        assert!(whole == content);
    });
    server.join();
}

#[test]
fn collect_fails_as_soon_as_the_limit_is_exceeded() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let responses = [
        HELLO.to_owned(),
        // The announced length is enough: the body is never sent.
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_owned(),
        format!("{CHUNKED}5\r\nhello\r\n"),
        format!("{CHUNKED}2\r\nhe\r\n3\r\nllo\r\n"),
    ];
    let requests = responses.len();
    let server = Peer::start(move |listener| {
        for response in responses {
            let mut connection = accept_request(listener);
            send(&mut connection, response);
            assert!(is_closed(&mut connection));
        }
    });
    run(async {
        let client = Client::new();
        for _ in 0..requests {
            let body = client.get(&server.url("/")).await.unwrap().into_body();
            let error = body.collect(4).await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::TooLarge { limit: 4 }), "{error:?}");
        }
    });
    server.join();
}

#[test]
fn collect_accepts_a_body_as_large_as_the_limit() {
    let server = Peer::responding(&[
        HELLO,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ]);
    run(async {
        let client = Client::new();
        for _ in 0..2 {
            let body = client.get(&server.url("/")).await.unwrap().into_body();
            assert_eq!(body.collect(5).await.unwrap(), b"hello");
        }
    });
    server.join();
}

#[test]
fn a_body_counts_received_bytes_and_knows_its_peer() {
    let server =
        Peer::responding(&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"]);
    run(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        assert_eq!((body.peer(), body.is_reused(), body.length()), (Some(server.address()), false, None));
        assert_eq!((body.received(), body.is_end_stream()), (2, false));
        assert_eq!(body.chunk().await.unwrap().unwrap(), "he");
        assert_eq!((body.received(), body.is_end_stream()), (5, false));
        assert_eq!(body.chunk().await.unwrap().unwrap(), "llo");
        assert_eq!((body.received(), body.is_end_stream()), (5, true));
    });
    server.join();
}

#[test]
fn connect_timings_exist_only_for_a_new_connection() {
    let server = Peer::responding(&[HELLO; 2]);
    run(async {
        let client = Client::new();
        let first = client.get(&server.url("/")).await.unwrap().into_body();
        assert!(first.connect_timings().is_some_and(|times| times.connect > Duration::ZERO));
        first.collect(100).await.unwrap();
        let second = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!((second.connect_timings(), second.is_reused()), (None, true));
    });
    server.join();
}
