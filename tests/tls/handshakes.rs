//! Who is believed, and what is said of the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glassloop::EventLoop;
use glassloop::http::client::{Client, ClientError, Stage};
use glassloop::net::Connect;
use glassloop::net::tls::{TlsConnector, TlsError, Trust};
use glassloop::observe::{Event, IoOutcome, Kind, Observer, Operation};
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
            assert!(is_closed(&mut connection), "and the client says goodbye");
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
fn the_server_is_told_its_name_and_what_will_be_spoken() {
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

/// How many writes there were on connections.
struct Writes(Arc<Mutex<u32>>);

impl Observer for Writes {
    fn event(&mut self, event: &Event<'_>) {
        if let Kind::Io { operation: Operation::Write, outcome: IoOutcome::Done(_), .. } = event.kind {
            *self.0.lock().expect("nobody panics with it") += 1;
        }
    }
}

#[test]
fn the_last_words_of_the_handshake_go_out_with_the_request() {
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

// -- Certificates that are not believed ----------------------------------------------------------------------------

/// What a client says of a server that it does not believe, and tells it.
#[track_caller]
fn refused(configuration: Arc<ServerConfig>, client: &Client, says: &str) -> ClientError {
    let server = start(configuration, |connection| {
        let refused = connection().read(&mut [0]).expect_err("the client refuses");
        assert!(refused.to_string().contains("alert"), "{refused}");
    });
    let error = run(async { fetch(client, &url(&server)).await }).unwrap_err();
    server.join();
    assert_eq!(error.stage(), Stage::NothingWritten);
    let said = error.to_string();
    assert!(said.starts_with("agreeing on TLS with 127.0.0.1:") && said.contains(says), "{said}");
    assert!(tls_error(&error).is_certificate());
    error
}

#[test]
fn a_certificate_for_others_is_refused_and_they_are_named() {
    let identity = AUTHORITY.issue(&["b.test", "*.c.test", "127.0.0.2"], |_| {});
    let says = "the certificate is for b.test, *.c.test, 127.0.0.2 and not for 127.0.0.1";
    let error = refused(configuration(&identity, ALL_VERSIONS), &client(), says);
    assert!(matches!(tls_error(&error), TlsError::WrongHost { expected, .. } if expected == "127.0.0.1"));
}

#[test]
fn a_name_in_a_certificate_cannot_reach_the_terminal_as_more_than_text() {
    let identity = AUTHORITY.issue(&[], |params| {
        let name = "\u{1b}]0;b\u{7}.test".try_into().expect("it is ASCII");
        params.subject_alt_names = vec![SanType::DnsName(name)];
    });
    refused(configuration(&identity, ALL_VERSIONS), &client(), "is for \\u{1b}]0;b\\u{7}.test and not");
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let identity = AUTHORITY.issue(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let error = refused(configuration(&identity, ALL_VERSIONS), &client(), "the certificate expired ");
    assert!(matches!(tls_error(&error), TlsError::Expired { since: Some(_) }));
    let identity = AUTHORITY.issue(&["127.0.0.1"], |params| params.not_before = date_time_ymd(4000, 1, 1));
    let error = refused(configuration(&identity, ALL_VERSIONS), &client(), "is the clock right?");
    assert!(matches!(tls_error(&error), TlsError::NotYetValid { until: Some(_) }));
}

#[test]
fn a_certificate_from_nobody_known_is_refused() {
    // Nor is one that only bears the name of one who is known.
    for name in ["a stranger", "the authority"] {
        let identity = Authority::new(name).issue(&["127.0.0.1"], |_| {});
        let says = "issued by nobody who is trusted here";
        let error = refused(configuration(&identity, ALL_VERSIONS), &client(), says);
        assert!(matches!(tls_error(&error), TlsError::UnknownIssuer));
    }
}

#[test]
fn who_believes_anyone_believes_them_all() {
    let stranger = Authority::new("a stranger");
    let identity = stranger.issue(&["b.test"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    for version in ALL_VERSIONS {
        let server = start(configuration(&identity, &[version]), |connection| {
            let mut connection = connection();
            read_head(&mut connection);
            send(&mut connection, HELLO);
        });
        let client = Client::builder().trust(Trust::Anyone).build();
        assert_eq!(run(async { fetch(&client, &url(&server)).await }).unwrap(), b"hello");
        server.join();
    }
}

#[test]
fn a_certificate_that_takes_several_records_is_read_to_its_end() {
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
    connection.read_exact(&mut vec![0; length.into()]).expect("all of it");
}

// -- Servers that do not agree -------------------------------------------------------------------------------------

/// What a client says of a server that does this with the connection.
fn fetch_from(script: impl FnOnce(TcpStream) + Send + 'static) -> ClientError {
    let server = Peer::start(|listener| script(accept(listener)));
    let error = run(async { fetch(&client(), &url(&server)).await }).unwrap_err();
    server.join();
    assert_eq!((error.stage(), error.peer().is_some()), (Stage::NothingWritten, true));
    error
}

#[test]
fn plain_http_on_the_port_is_told_from_bad_tls() {
    let error = fetch_from(|mut connection| {
        read_hello(&mut connection);
        send(&mut connection, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    });
    assert!(matches!(tls_error(&error), TlsError::NotTls), "{error}");
    assert!(error.to_string().ends_with("the server does not speak TLS on this port"), "{error}");
}

#[test]
fn an_alert_is_told_by_its_name() {
    let mut configuration = Arc::unwrap_or_clone(usual());
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    let configuration = Arc::new(configuration);
    let error = fetch_from(move |connection| _ = secure(&configuration, connection).read(&mut [0]));
    assert!(matches!(tls_error(&error), TlsError::Alert { number: 120, .. }), "{error}");
    assert!(error.to_string().ends_with("the server refuses: NoApplicationProtocol (alert 120)"), "{error}");
}

#[test]
fn a_connection_that_breaks_in_the_handshake_is_told_from_one_that_ends() {
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
fn a_server_that_does_not_answer_the_hello_uses_up_the_time_for_the_connection() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        read_hello(&mut connection);
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = builder().connect_timeout(Duration::from_millis(100)).build();
        let error = fetch(&client, &url(&server)).await.unwrap_err();
        assert!(matches!(tls_error(&error), TlsError::TimedOut { .. }) && error.is_timeout(), "{error}");
        assert!(error.to_string().ends_with("it was not complete after 100ms"), "{error}");
        assert_eq!(client.connections_opened(), 0);
    });
    server.join();
}

#[test]
fn a_handshake_that_trickles_in_uses_up_the_same_time() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        // The head of a record of 16 KiB, and then a byte of it now and again.
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
fn a_host_that_no_certificate_can_be_for_is_refused_without_a_word() {
    let server = Peer::start(|listener| assert!(is_closed(&mut accept(listener)), "it was said hello"));
    let address = server.address();
    let error = run(async {
        let socket = Connect::new(vec![address], Duration::from_secs(10)).await.unwrap();
        TlsConnector::new(Trust::Anyone, &[]).connect(socket, "no name").await.unwrap_err()
    });
    assert!(matches!(error, TlsError::InvalidHost), "{error}");
    server.join();
}
