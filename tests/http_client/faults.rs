//! Invalid, truncated and slow responses, and the timeouts of the client.

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
use crate::run::{fetch, poll_the_reactor, protocol_error, request, run, run_in_virtual_time};

#[test]
fn slowly_arriving_bytes_do_not_extend_the_head_timeout() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        let head = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10) + "HTTP/1.1 200 OK\r\nx: " + &"x".repeat(300);
        // Sending all of it would take 5 s; then the connection is closed, which would be another error.
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
        let expected = format!("reading the response head from {}: timed out after 100ms", server.address());
        assert_eq!(error.to_string(), expected);
    });
    server.join();
}

#[test]
fn a_stalled_body_exceeds_the_read_timeout() {
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
fn every_received_byte_restarts_the_read_timeout() {
    let (release, until_released) = mpsc::channel();
    let (has_sent, sent) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
        while let Ok(()) = until_released.recv() {
            send(&mut connection, "x");
            has_sent.send(()).unwrap();
        }
    });
    run_in_virtual_time(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        for _ in 0..4 {
            let is_waiting = poll_fn(|cx| Poll::Ready(body.poll_chunk(cx, |_| ()).is_pending())).await;
            assert!(is_waiting);
            release.send(()).unwrap();
            sent.recv().unwrap();
            poll_the_reactor().await;
            // The data waits to be read, so virtual time may jump: 80 s in total, with a limit of 30 s.
            sleep(Duration::from_secs(20)).await;
            assert_eq!(body.chunk().await.unwrap().unwrap(), "x");
        }
    });
    drop(release);
    server.join();
}

#[test]
fn the_read_timeout_does_not_run_while_the_caller_does_not_read() {
    let (release, until_released) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe");
        until_released.recv().unwrap();
        send(&mut connection, "llo");
    });
    run_in_virtual_time(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "he");
        sleep(Duration::from_secs(3600)).await;
        release.send(()).unwrap();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "llo");
    });
    server.join();
}

#[test]
fn a_closed_port_is_a_connect_error_without_userinfo_in_its_url() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(async {
        let error = Client::new().get(&format!("http://me:secret@{address}/x")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Connect(ConnectError::Failed { .. })), "{error:?}");
        assert_eq!((error.phase(), error.is_timeout()), (RequestPhase::NothingSent, false));
        assert_eq!(error.url(), format!("http://{address}/x"));
    });
}

/// Returns the error that this response causes, after which the server closes the connection.
fn error_of(response: &'static str) -> ClientError {
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, response);
    });
    let error = run(async { fetch(&Client::new(), &server.url("/")).await.unwrap_err() });
    server.join();
    error
}

#[test]
fn a_truncated_response_is_an_error_with_its_phase() {
    for (response, kind, phase) in [
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
        let error = error_of(response);
        assert_eq!((protocol_error(&error), error.phase()), (kind, phase), "{response:?}");
    }
}

#[test]
fn a_reset_is_an_error_even_in_a_close_delimited_body() {
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
        // A further call does not report the end of the body.
        assert!(body.chunk().await.is_err());
    });
    server.join();
}

#[test]
fn an_invalid_response_is_rejected_before_its_end() {
    let server = Peer::start(|listener| {
        for response in ["SSH-2.0-OpenSSH_9.9\r\n".to_owned(), format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(70_000))]
        {
            let mut connection = accept_request(listener);
            send(&mut connection, response);
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
fn an_invalid_url_is_an_error_without_a_connection() {
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
