//! Handshakes: verification of certificates, negotiation, and errors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glassloop::EventLoop;
use glassloop::http::client::{Client, ClientError, RequestPhase};
use glassloop::net::Connect;
use glassloop::net::tls::{TlsConnector, TlsError, Trust};
use glassloop::observe::{Event, EventKind, IoOutcome, Observer, Operation};
use rcgen::{SanType, date_time_ymd};
use rustls::{ALL_VERSIONS, HandshakeKind, ServerConfig};

use crate::certificates::Authority;
use crate::peer::{Peer, accept, is_closed, read_head, reset, send};
use crate::secured::{configuration, secure};
use crate::site::{AUTHORITY, HELLO, builder, client, fetch, run, start, tls_error, url, usual};

#[test]
fn one_connection_serves_many_requests_in_either_version() {
    for version in ALL_VERSIONS {
        let identity = AUTHORITY.issue(&["127.0.0.1"], |_| {});
        let server = start(configuration(&identity, &[version]), |connection| {
            let mut connection = connection();
            for _ in 0..5 {
                read_head(&mut connection);
                send(&mut connection, HELLO);
            }
            assert!(is_closed(&mut connection), "the client closes with close_notify");
        });
        run(async {
            let client = client();
            for _ in 0..5 {
                assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
            }
            assert_eq!((client.connections_opened(), client.connections_reused()), (1, 4), "{version:?}");
        });
        server.join();
    }
}

#[test]
fn the_hello_contains_the_server_name_and_the_protocol() {
    let server = start(usual(), |connection| {
        let mut connection = connection();
        let head = read_head(&mut connection);
        assert!(head.contains("\r\nhost: localhost:"), "{head}");
        assert_eq!(connection.conn.server_name(), Some("localhost"));
        assert_eq!(connection.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        send(&mut connection, HELLO);
    });
    run(async { fetch(&client(), &format!("https://LOCALHOST:{}/", server.address().port())).await }).unwrap();
    server.join();
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    let server = start(usual(), |connection| {
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut connection = connection();
            read_head(&mut connection);
            assert_eq!(connection.conn.handshake_kind(), Some(kind));
            send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    run(async {
        let client = client();
        for _ in 0..2 {
            fetch(&client, &url(&server)).await.unwrap();
        }
    });
    server.join();
}

/// An observer that counts the writes to sockets.
struct Writes(Arc<Mutex<u32>>);

impl Observer for Writes {
    fn event(&mut self, event: &Event<'_>) {
        if let EventKind::Io { operation: Operation::Write, outcome: IoOutcome::Done(_), .. } = event.kind {
            *self.0.lock().expect("not poisoned") += 1;
        }
    }
}

#[test]
fn the_last_flight_of_the_handshake_and_the_request_are_one_write() {
    let server = start(usual(), |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, HELLO);
        assert!(is_closed(&mut connection));
    });
    let writes = Arc::default();
    let mut event_loop = EventLoop::builder().observer(Writes(Arc::clone(&writes))).build().unwrap();
    event_loop.block_on(async { fetch(&client(), &url(&server)).await }).unwrap().unwrap();
    assert_eq!(*writes.lock().unwrap(), 2);
    server.join();
}

// -- Rejected certificates -----------------------------------------------------------------------------------------

/// Asserts that the client rejects the server's certificate with this message, and sends an alert. Returns the error.
#[track_caller]
fn rejected(configuration: Arc<ServerConfig>, client: &Client, expected: &str) -> ClientError {
    let server = start(configuration, |connection| {
        let error = connection().read(&mut [0]).expect_err("the client aborts the handshake");
        assert!(error.to_string().contains("alert"), "{error}");
    });
    let error = run(async { fetch(client, &url(&server)).await }).unwrap_err();
    server.join();
    assert_eq!(error.phase(), RequestPhase::NothingSent);
    let message = error.to_string();
    assert!(message.starts_with("TLS handshake with 127.0.0.1:") && message.contains(expected), "{message}");
    assert!(tls_error(&error).is_certificate());
    error
}

#[test]
fn a_certificate_for_other_hosts_is_rejected_and_the_message_lists_them() {
    let identity = AUTHORITY.issue(&["b.test", "*.c.test", "127.0.0.2"], |_| {});
    let message = "the certificate is valid for b.test, *.c.test, 127.0.0.2, not for 127.0.0.1";
    let error = rejected(configuration(&identity, ALL_VERSIONS), &client(), message);
    assert!(matches!(tls_error(&error), TlsError::WrongHost { expected, .. } if expected == "127.0.0.1"));
}

#[test]
fn control_characters_in_the_names_of_a_certificate_are_escaped() {
    let identity = AUTHORITY.issue(&[], |params| {
        let name = "\u{1b}]0;b\u{7}.test".try_into().expect("ASCII");
        params.subject_alt_names = vec![SanType::DnsName(name)];
    });
    rejected(configuration(&identity, ALL_VERSIONS), &client(), "is valid for \\u{1b}]0;b\\u{7}.test, not");
}

#[test]
fn an_expired_or_not_yet_valid_certificate_is_rejected() {
    let identity = AUTHORITY.issue(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let error = rejected(configuration(&identity, ALL_VERSIONS), &client(), "the certificate expired ");
    assert!(matches!(tls_error(&error), TlsError::Expired { since: Some(_) }));
    let identity = AUTHORITY.issue(&["127.0.0.1"], |params| params.not_before = date_time_ymd(4000, 1, 1));
    let error = rejected(configuration(&identity, ALL_VERSIONS), &client(), "check the system clock");
    assert!(matches!(tls_error(&error), TlsError::NotYetValid { until: Some(_) }));
}

#[test]
fn a_certificate_from_an_unknown_authority_is_rejected() {
    // The second has the name of the trusted authority, but another key.
    for name in ["unknown", "the authority"] {
        let identity = Authority::new(name).issue(&["127.0.0.1"], |_| {});
        let message = "the certificate was not issued by a trusted authority";
        let error = rejected(configuration(&identity, ALL_VERSIONS), &client(), message);
        assert!(matches!(tls_error(&error), TlsError::UnknownIssuer));
    }
}

#[test]
fn danger_accept_invalid_certs_accepts_every_certificate() {
    let unknown = Authority::new("unknown");
    let identity = unknown.issue(&["b.test"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    for version in ALL_VERSIONS {
        let server = start(configuration(&identity, &[version]), |connection| {
            let mut connection = connection();
            read_head(&mut connection);
            send(&mut connection, HELLO);
        });
        let client = Client::builder().trust(Trust::DangerAcceptInvalidCerts).build();
        assert_eq!(run(async { fetch(&client, &url(&server)).await }).unwrap(), b"hello");
        server.join();
    }
}

#[test]
fn a_certificate_may_span_several_records() {
    let names: Vec<String> = (0..2_000).map(|number| format!("host-number-{number}.of-many.test")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("127.0.0.1");
    let server = start(configuration(&AUTHORITY.issue(&names, |_| {}), ALL_VERSIONS), |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, HELLO);
    });
    assert_eq!(run(async { fetch(&client(), &url(&server)).await }).unwrap(), b"hello");
    server.join();
}

/// Reads the client's first record (RFC 8446 §5.1).
fn read_hello(connection: &mut TcpStream) {
    let mut head = [0; 5];
    connection.read_exact(&mut head).expect("a hello");
    let length = u16::from_be_bytes([head[3], head[4]]);
    connection.read_exact(&mut vec![0; length.into()]).expect("a complete record");
}

// -- Failed handshakes ---------------------------------------------------------------------------------------------

/// Returns the client's error if the server runs this script.
fn fetch_from(script: impl FnOnce(TcpStream) + Send + 'static) -> ClientError {
    let server = Peer::start(|listener| script(accept(listener)));
    let error = run(async { fetch(&client(), &url(&server)).await }).unwrap_err();
    server.join();
    assert_eq!((error.phase(), error.peer().is_some()), (RequestPhase::NothingSent, true));
    error
}

#[test]
fn a_plain_http_response_is_reported_as_not_tls() {
    let error = fetch_from(|mut connection| {
        read_hello(&mut connection);
        send(&mut connection, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    });
    assert!(matches!(tls_error(&error), TlsError::NotTls), "{error}");
    assert!(error.to_string().ends_with("the server does not speak TLS on this port"), "{error}");
}

#[test]
fn an_alert_is_reported_with_its_name_and_number() {
    let mut configuration = Arc::unwrap_or_clone(usual());
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    let configuration = Arc::new(configuration);
    let error = fetch_from(move |connection| _ = secure(&configuration, connection).read(&mut [0]));
    assert!(matches!(tls_error(&error), TlsError::Alert { number: 120, .. }), "{error}");
    assert!(error.to_string().ends_with("the server sent a fatal alert: NoApplicationProtocol (120)"), "{error}");
}

#[test]
fn a_reset_and_a_close_during_the_handshake_are_different_errors() {
    let error = fetch_from(|mut connection| {
        connection.read_exact(&mut [0]).expect("a hello");
        reset(connection);
    });
    assert!(matches!(tls_error(&error), TlsError::Connection(_)), "{error}");
    let error = fetch_from(|mut connection| {
        read_hello(&mut connection);
    });
    assert!(matches!(tls_error(&error), TlsError::Closed), "{error}");
    assert!(error.to_string().contains("it may not speak TLS on this port"), "{error}");
}

#[test]
fn the_connect_timeout_covers_the_handshake() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        read_hello(&mut connection);
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = builder().connect_timeout(Duration::from_millis(100)).build();
        let error = fetch(&client, &url(&server)).await.unwrap_err();
        assert!(matches!(tls_error(&error), TlsError::TimedOut { .. }) && error.is_timeout(), "{error}");
        assert!(error.to_string().ends_with("timed out after 100ms"), "{error}");
        assert_eq!(client.connections_opened(), 0);
    });
    server.join();
}

#[test]
fn a_slowly_arriving_handshake_does_not_extend_the_connect_timeout() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        // The header of a record of 16 KiB, then one byte of it every 10 ms.
        send(&mut connection, [22, 3, 3, 0x40, 0]);
        while connection.write_all(&[2]).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    run(async {
        let client = builder().connect_timeout(Duration::from_millis(100)).build();
        let error = fetch(&client, &url(&server)).await.unwrap_err();
        assert!(matches!(tls_error(&error), TlsError::TimedOut { .. }), "{error}");
    });
    server.join();
}

#[test]
fn an_invalid_host_name_fails_before_anything_is_sent() {
    let server = Peer::start(|listener| assert!(is_closed(&mut accept(listener)), "the client sent data"));
    let address = server.address();
    let error = run(async {
        let socket = Connect::new(vec![address], Duration::from_secs(10)).await.unwrap();
        TlsConnector::new(Trust::DangerAcceptInvalidCerts, &[]).connect(socket, "no name").await.unwrap_err()
    });
    assert!(matches!(error, TlsError::InvalidHost), "{error}");
    server.join();
}
