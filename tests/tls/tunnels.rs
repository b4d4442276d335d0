//! TLS connections through `CONNECT` tunnels.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use glassloop::http::client::{Client, ClientErrorKind, ProxyConfig, RequestPhase, TunnelError};
use glassloop::http::proto::ProtocolErrorKind;

use crate::peer::{Peer, accept, is_closed, read_head, reset, send};
use crate::secured::secure;
use crate::site::{HELLO, builder, fetch, run, tls_error, usual};

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// Returns a client that trusts the authority of the tests and uses this proxy.
fn client_with_proxy(proxy: &Peer) -> Client {
    builder().proxies(proxies(proxy)).build()
}

fn proxies(proxy: &Peer) -> ProxyConfig {
    ProxyConfig::none().https(format!("http://me:secret@{}", proxy.address()).parse().expect("a proxy URL"))
}

#[test]
fn each_server_has_its_own_tunnel_which_is_reused() {
    let proxy = Peer::start(|listener| {
        let configuration = usual();
        for (host, requests) in [("localhost:443", 3), ("localhost:444", 1)] {
            let mut connection = accept(listener);
            let head = read_head(&mut connection);
            assert!(head.starts_with(&format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\nuser-agent: ")), "{head}");
            assert!(head.ends_with("\r\nproxy-authorization: Basic bWU6c2VjcmV0\r\n\r\n"), "{head}");
            send(&mut connection, ESTABLISHED);
            let mut connection = secure(&configuration, connection);
            for _ in 0..requests {
                let head = read_head(&mut connection);
                assert!(head.starts_with("GET /x HTTP/1.1\r\nhost: localhost"), "{head}");
                assert!(!head.contains("proxy-authorization"), "{head}");
                send(&mut connection, HELLO);
            }
        }
    });
    run(async {
        let client = client_with_proxy(&proxy);
        for url in ["https://localhost/x"; 3].iter().chain(&["https://LOCALHOST:444/x"]) {
            assert_eq!(fetch(&client, url).await.unwrap(), b"hello");
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (2, 2));
    });
    proxy.join();
}

#[test]
fn a_request_is_retried_on_a_new_tunnel_after_stray_bytes() {
    let proxy = Peer::start(|listener| {
        let configuration = usual();
        for strays in [&["", "\r\n"][..], &[""]] {
            let mut connection = accept(listener);
            read_head(&mut connection);
            send(&mut connection, ESTABLISHED);
            let mut connection = secure(&configuration, connection);
            for stray in strays {
                read_head(&mut connection);
                send(&mut connection, format!("{stray}{HELLO}"));
            }
        }
    });
    run(async {
        let client = client_with_proxy(&proxy);
        for _ in 0..2 {
            assert_eq!(fetch(&client, "https://localhost/x").await.unwrap(), b"hello");
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
    });
    proxy.join();
}

#[test]
fn a_connect_response_may_be_fragmented_and_preceded_by_interim_responses() {
    for response in [ESTABLISHED, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.0 204 \r\ncontent-length: 7\r\n\r\n"] {
        let proxy = Peer::start(move |listener| {
            let mut connection = accept(listener);
            read_head(&mut connection);
            for byte in response.as_bytes() {
                send(&mut connection, [*byte]);
            }
            let mut connection = secure(&usual(), connection);
            read_head(&mut connection);
            send(&mut connection, HELLO);
        });
        let content = run(async { fetch(&client_with_proxy(&proxy), "https://localhost/").await });
        assert_eq!(content.unwrap(), b"hello");
        proxy.join();
    }
}

/// Runs a script on the proxy after it has received `CONNECT`, and passes the client's error and its message to
/// `check`.
fn tunnel_fails(script: impl FnOnce(TcpStream) + Send + 'static, check: impl FnOnce(&TunnelError, &str)) {
    let proxy = Peer::start(|listener| {
        let mut connection = accept(listener);
        read_head(&mut connection);
        script(connection);
    });
    let name = proxy.address().to_string();
    let error = run(async {
        let client = builder().proxies(proxies(&proxy)).connect_timeout(Duration::from_millis(500)).build();
        let error = fetch(&client, "https://a.test/x").await.unwrap_err();
        assert_eq!((client.connections_opened(), client.connections_idle()), (0, 0));
        error
    });
    proxy.join();
    assert_eq!((error.phase(), error.proxy()), (RequestPhase::NothingSent, Some(&*name)));
    let prefix = format!("requesting a tunnel to the host of https://a.test/x from the proxy {name}: ");
    let message = error.to_string();
    let reason = message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{message}"));
    match error.kind() {
        ClientErrorKind::Tunnel(error) => check(error, reason),
        other => panic!("{other:?} is not a tunnel error"),
    }
}

/// Returns a script that sends a response and expects the client to close the connection.
fn responding(response: &'static str) -> impl FnOnce(TcpStream) + Send {
    move |mut connection| {
        send(&mut connection, response);
        assert!(is_closed(&mut connection), "the client sent more data");
    }
}

#[test]
fn a_status_other_than_2xx_to_connect_is_an_error_with_that_status() {
    // The message does not contain the reason phrase, which may have control characters.
    tunnel_fails(responding("HTTP/1.1 403 No\x1b[2J\r\ncontent-length: 100\r\n\r\n"), |error, reason| {
        assert!(matches!(error, TunnelError::Rejected(status) if *status == 403), "{error:?}");
        assert_eq!(reason, "the proxy responded with 403 Forbidden");
    });
    tunnel_fails(responding("HTTP/1.1 403 No\0\r\ncontent-length: 100\r\n\r\n"), |error, reason| {
        assert!(matches!(error, TunnelError::Protocol(_)), "{error:?}: {reason}");
    });
    tunnel_fails(responding("HTTP/1.1 403 No\r\ncontent-length: 100\r\n\r\nbecause"), |error, reason| {
        assert!(matches!(error, TunnelError::Rejected(status) if *status == 403), "{error:?}");
        assert_eq!(reason, "the proxy responded with 403 Forbidden");
    });
    tunnel_fails(responding("HTTP/1.1 407 Who?\r\nproxy-authenticate: Basic realm=x\r\n\r\n"), |error, reason| {
        assert!(matches!(error, TunnelError::Rejected(status) if *status == 407), "{error:?}");
        assert!(reason.contains("407") && reason.contains("user name or password"), "{reason}");
    });
    tunnel_fails(responding("HTTP/1.1 302 There\r\nlocation: http://b.test/\r\n\r\n"), |error, _| {
        assert!(matches!(error, TunnelError::Rejected(status) if *status == 302), "{error:?}");
    });
}

#[test]
fn data_after_the_connect_response_is_an_error() {
    tunnel_fails(responding("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), |error, _| {
        assert!(matches!(error, TunnelError::UnexpectedData), "{error:?}");
    });
}

#[test]
fn a_closed_or_reset_connection_and_an_invalid_response_are_different_errors() {
    let protocol = |kind: ProtocolErrorKind| {
        move |error: &TunnelError, _: &str| {
            assert!(matches!(error, TunnelError::Protocol(error) if error.kind == kind), "{error:?}");
        }
    };
    tunnel_fails(drop, protocol(ProtocolErrorKind::EmptyReply));
    tunnel_fails(|mut connection| send(&mut connection, "HTTP/1.1 200 O"), protocol(ProtocolErrorKind::TruncatedHead));
    tunnel_fails(responding("SSH-2.0-x\r\n"), protocol(ProtocolErrorKind::BadVersion));
    tunnel_fails(reset, |error, _| assert!(matches!(error, TunnelError::Read(_)), "{error:?}"));
}

#[test]
fn the_connect_timeout_covers_the_connect_request() {
    tunnel_fails(responding("HTTP/1.1 200"), |error, reason| {
        assert!(matches!(error, TunnelError::TimedOut { .. }), "{error:?}");
        assert_eq!(reason, "timed out after 500ms");
    });
}

#[test]
fn the_certificate_is_verified_in_a_tunnel() {
    let proxy = Peer::start(|listener| {
        let mut connection = accept(listener);
        read_head(&mut connection);
        send(&mut connection, ESTABLISHED);
        secure(&usual(), connection).read(&mut [0]).expect_err("the client aborts the handshake");
    });
    let error = run(async { fetch(&client_with_proxy(&proxy), "https://b.test/").await }).unwrap_err();
    assert!(tls_error(&error).is_certificate());
    let prefix = format!("TLS handshake with the host of https://b.test/ through the proxy {}: ", proxy.address());
    assert!(error.to_string().starts_with(&prefix), "{error}");
    proxy.join();
}
