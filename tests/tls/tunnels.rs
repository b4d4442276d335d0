//! Tunnels through a proxy, and what goes through them.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use glassloop::http::client::{Client, ClientErrorKind, Proxies, Stage, TunnelError};
use glassloop::http::proto::ProtocolErrorKind;

use crate::peer::{Peer, accept, is_closed, read_head, reset, send};
use crate::secured::secure;
use crate::site::{HELLO, builder, fetch, run, tls_error, usual};

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A client that believes the authority of the tests, behind this proxy.
fn client_behind(proxy: &Peer) -> Client {
    builder().proxies(proxies(proxy)).build()
}

fn proxies(proxy: &Peer) -> Proxies {
    Proxies::none().https(format!("http://me:secret@{}", proxy.address()).parse().expect("a proxy"))
}

#[test]
fn a_tunnel_serves_many_requests_to_its_server_and_another_server_has_its_own() {
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
        let client = client_behind(&proxy);
        for url in ["https://localhost/x"; 3].iter().chain(&["https://LOCALHOST:444/x"]) {
            assert_eq!(fetch(&client, url).await.unwrap(), b"hello");
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (2, 2));
    });
    proxy.join();
}

#[test]
fn stray_bytes_in_a_tunnel_cost_the_tunnel_and_not_the_next_request() {
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
        let client = client_behind(&proxy);
        for _ in 0..2 {
            assert_eq!(fetch(&client, "https://localhost/x").await.unwrap(), b"hello");
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
    });
    proxy.join();
}

#[test]
fn an_answer_in_pieces_and_one_in_several_parts_are_answers() {
    for answer in [ESTABLISHED, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.0 204 \r\ncontent-length: 7\r\n\r\n"] {
        let proxy = Peer::start(move |listener| {
            let mut connection = accept(listener);
            read_head(&mut connection);
            for byte in answer.as_bytes() {
                send(&mut connection, [*byte]);
            }
            let mut connection = secure(&usual(), connection);
            read_head(&mut connection);
            send(&mut connection, HELLO);
        });
        let content = run(async { fetch(&client_behind(&proxy), "https://localhost/").await });
        assert_eq!(content.unwrap(), b"hello");
        proxy.join();
    }
}

/// What a client says of a proxy that does this when it is asked for a tunnel.
fn refused(script: impl FnOnce(TcpStream) + Send + 'static, check: impl FnOnce(&TunnelError, &str)) {
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
    assert_eq!((error.stage(), error.proxy()), (Stage::NothingWritten, Some(&*name)));
    let begins = format!("asking the proxy {name} for a tunnel to the host of https://a.test/x: ");
    let said = error.to_string();
    let why = said.strip_prefix(&begins).unwrap_or_else(|| panic!("{said}"));
    match error.kind() {
        ClientErrorKind::Tunnel(error) => check(error, why),
        other => panic!("{other:?} is no error of a tunnel"),
    }
}

/// Sends this, and waits for the client to close.
fn answering(answer: &'static str) -> impl FnOnce(TcpStream) + Send {
    move |mut connection| {
        send(&mut connection, answer);
        assert!(is_closed(&mut connection), "the client goes on");
    }
}

#[test]
fn a_proxy_that_refuses_is_quoted() {
    // Its own words are not repeated: they may contain control characters.
    refused(answering("HTTP/1.1 403 No\x1b[2J\r\ncontent-length: 100\r\n\r\n"), |error, why| {
        assert!(matches!(error, TunnelError::Refused(status) if *status == 403), "{error:?}");
        assert_eq!(why, "it answered 403 Forbidden");
    });
    refused(answering("HTTP/1.1 403 No\0\r\ncontent-length: 100\r\n\r\n"), |error, why| {
        assert!(matches!(error, TunnelError::Protocol(_)), "{error:?}: {why}");
    });
    refused(answering("HTTP/1.1 403 No\r\ncontent-length: 100\r\n\r\nbecause"), |error, why| {
        assert!(matches!(error, TunnelError::Refused(status) if *status == 403), "{error:?}");
        assert_eq!(why, "it answered 403 Forbidden");
    });
    refused(answering("HTTP/1.1 407 Who?\r\nproxy-authenticate: Basic realm=x\r\n\r\n"), |error, why| {
        assert!(matches!(error, TunnelError::Refused(status) if *status == 407), "{error:?}");
        assert!(why.contains("407") && why.contains("user name and a password"), "{why}");
    });
    refused(answering("HTTP/1.1 302 There\r\nlocation: http://b.test/\r\n\r\n"), |error, _| {
        assert!(matches!(error, TunnelError::Refused(status) if *status == 302), "{error:?}");
    });
}

#[test]
fn a_proxy_that_says_more_than_yes_is_not_trusted() {
    refused(answering("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), |error, _| {
        assert!(matches!(error, TunnelError::Unasked), "{error:?}");
    });
}

#[test]
fn a_proxy_that_goes_away_or_talks_of_something_else_is_told_apart() {
    let protocol = |kind: ProtocolErrorKind| {
        move |error: &TunnelError, _: &str| {
            assert!(matches!(error, TunnelError::Protocol(error) if error.kind == kind), "{error:?}");
        }
    };
    refused(drop, protocol(ProtocolErrorKind::EmptyReply));
    refused(|mut connection| send(&mut connection, "HTTP/1.1 200 O"), protocol(ProtocolErrorKind::TruncatedHead));
    refused(answering("SSH-2.0-x\r\n"), protocol(ProtocolErrorKind::BadVersion));
    refused(reset, |error, _| assert!(matches!(error, TunnelError::Read(_)), "{error:?}"));
}

#[test]
fn a_proxy_that_does_not_answer_uses_up_the_time_for_the_connection() {
    refused(answering("HTTP/1.1 200"), |error, why| {
        assert!(matches!(error, TunnelError::TimedOut { .. }), "{error:?}");
        assert_eq!(why, "no answer for 500ms");
    });
}

#[test]
fn a_tunnel_to_the_wrong_server_is_noticed() {
    let proxy = Peer::start(|listener| {
        let mut connection = accept(listener);
        read_head(&mut connection);
        send(&mut connection, ESTABLISHED);
        secure(&usual(), connection).read(&mut [0]).expect_err("the client refuses");
    });
    let error = run(async { fetch(&client_behind(&proxy), "https://b.test/").await }).unwrap_err();
    assert!(tls_error(&error).is_certificate());
    let begins = format!("agreeing on TLS with the host of https://b.test/ through the proxy {}: ", proxy.address());
    assert!(error.to_string().starts_with(&begins), "{error}");
    proxy.join();
}
