//! Faults of servers, and limits on time.

use std::future::poll_fn;
use std::io::Write;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use glassloop::http::client::{Client, ClientError, ClientErrorKind, RequestPhase};
use glassloop::http::proto::ProtocolErrorKind;
use glassloop::net::ConnectError;
use glassloop::sleep;
use http::Method;

use crate::peer::{Peer, accept_request, is_closed, reset, send};
use crate::run::{fetch, let_the_loop_look, protocol_error, request, run, run_in_virtual_time};

#[test]
fn bytes_that_trickle_in_do_not_extend_the_time_for_the_head() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        let head = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10) + "HTTP/1.1 200 OK\r\nx: " + &"x".repeat(300);
        // It would take 5 s to send all of it; and then it closes, which is another error.
        for byte in head.as_bytes() {
            if connection.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    run(async {
        let client = Client::builder().head_timeout(Duration::from_millis(100)).build();
        let error = client.get(&server.url("/")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::HeadTimedOut { .. }), "{error:?}");
        assert!(error.is_timeout());
        let expected = format!("reading the response head from {}: it was not complete after 100ms", server.address());
        assert_eq!(error.to_string(), expected);
    });
    server.join();
}

#[test]
fn a_body_that_falls_silent_is_an_error() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe");
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::builder().read_timeout(Duration::from_millis(50)).build();
        let error = fetch(&client, &server.url("/")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::BodyTimedOut { .. }), "{error:?}");
        assert_eq!((error.is_timeout(), error.phase()), (true, RequestPhase::ReadingBody));
    });
    server.join();
}

#[test]
fn every_byte_starts_the_time_for_silence_anew() {
    let (go_on, until_told) = mpsc::channel();
    let (has_sent, sent) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
        while let Ok(()) = until_told.recv() {
            send(&mut connection, "x");
            has_sent.send(()).unwrap();
        }
    });
    run_in_virtual_time(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        for _ in 0..4 {
            let is_waiting = poll_fn(|cx| Poll::Ready(body.poll_chunk(cx, |_| ()).is_pending())).await;
            assert!(is_waiting);
            go_on.send(()).unwrap();
            sent.recv().unwrap();
            let_the_loop_look().await;
            // What has come waits to be read, and virtual time may jump: 80 s in all, with a limit of 30 s.
            sleep(Duration::from_secs(20)).await;
            assert_eq!(body.chunk().await.unwrap().unwrap(), "x");
        }
    });
    drop(go_on);
    server.join();
}

#[test]
fn a_reader_that_takes_its_time_is_no_silence_of_the_server() {
    let (go_on, until_told) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe");
        until_told.recv().unwrap();
        send(&mut connection, "llo");
    });
    run_in_virtual_time(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "he");
        sleep(Duration::from_secs(3600)).await;
        go_on.send(()).unwrap();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "llo");
    });
    server.join();
}

#[test]
fn a_port_where_nobody_listens_is_told_as_such() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(async {
        let error = Client::new().get(&format!("http://me:secret@{address}/x")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Connect(ConnectError::Failed { .. })), "{error:?}");
        assert_eq!((error.phase(), error.is_timeout()), (RequestPhase::NothingSent, false));
        assert_eq!(error.url(), format!("http://{address}/x"));
    });
}

/// What comes of a first answer, after which the server closes.
fn fault(answer: &'static str) -> ClientError {
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, answer);
    });
    let error = run(async { fetch(&Client::new(), &server.url("/")).await.unwrap_err() });
    server.join();
    error
}

#[test]
fn a_response_that_is_cut_off_is_an_error_that_says_where() {
    for (answer, kind, phase) in [
        ("HTTP/1.1 200 OK\r\ncontent-le", ProtocolErrorKind::TruncatedHead, RequestPhase::ReadingHead),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
            ProtocolErrorKind::TruncatedBody,
            RequestPhase::ReadingBody,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            ProtocolErrorKind::TruncatedBody,
            RequestPhase::ReadingBody,
        ),
    ] {
        let error = fault(answer);
        assert_eq!((protocol_error(&error), error.phase()), (kind, phase), "{answer:?}");
    }
}

#[test]
fn a_reset_is_an_error_even_where_an_end_would_not_be() {
    let (received, until_received) = mpsc::channel::<()>();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\n\r\nhello");
        until_received.recv().unwrap();
        reset(connection);
    });
    run(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
        received.send(()).unwrap();
        let error = body.chunk().await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Read(_)), "{error:?}");
        assert_eq!(error.phase(), RequestPhase::ReadingBody);
        // It does not pass for an end when asked again.
        assert!(body.chunk().await.is_err());
    });
    server.join();
}

#[test]
fn what_is_not_http_is_refused_before_it_ends() {
    let server = Peer::start(|listener| {
        for answer in ["SSH-2.0-OpenSSH_9.9\r\n".to_owned(), format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(70_000))] {
            let mut connection = accept_request(listener);
            send(&mut connection, answer);
            assert!(is_closed(&mut connection));
        }
    });
    run(async {
        let client = Client::new();
        for kind in [ProtocolErrorKind::BadVersion, ProtocolErrorKind::HeadTooLarge] {
            let error = client.get(&server.url("/")).await.unwrap_err();
            assert_eq!((protocol_error(&error), error.phase()), (kind, RequestPhase::ReadingHead));
        }
    });
    server.join();
}

#[test]
fn what_is_no_url_is_an_error_without_a_connection() {
    run(async {
        let client = Client::new();
        for url in ["", "/x", "a b", "http://", "http://a:99999/"] {
            let error = client.get(url).await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::InvalidUri(_)), "{url}: {error:?}");
        }
        let error = client.request(request(Method::CONNECT, "http://a.test/")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::UnsupportedMethod), "{error:?}");
    });
}
