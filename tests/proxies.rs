//! The client with a forward proxy. (Tunnels are tested together with TLS.)

#[path = "support/peer.rs"]
#[expect(dead_code, reason = "these proxies follow other scripts")]
mod peer;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::future::Future;
use std::net::TcpListener;

use glassloop::EventLoop;
use glassloop::http::client::{Client, ClientError, ClientErrorKind, ProxyConfig, RequestPhase};
use glassloop::net::ConnectError;
use peer::{Peer, accept, is_closed, read_head, send};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn run<F: Future>(future: F) -> F::Output {
    watchdog::watch();
    EventLoop::new().expect("a loop").block_on(future).expect("no deadlock")
}

/// Returns a client that uses this server as its proxy, with credentials.
fn client_of(proxy: &Peer, except: &str) -> Client {
    let proxy = format!("http://me:secret@{}", proxy.address()).parse().expect("a proxy");
    Client::builder().proxies(ProxyConfig::none().http(proxy).no_proxy(except)).build()
}

async fn fetch(client: &Client, url: &str) -> Result<Vec<u8>, ClientError> {
    client.get(url).await?.into_body().collect(1 << 20).await
}

#[test]
fn one_connection_to_the_proxy_serves_requests_to_many_servers() {
    let proxy = Peer::start(|listener| {
        let mut connection = accept(listener);
        for (url, host) in
            [("http://a.test/1", "a.test"), ("http://a.test:81/2?x", "a.test:81"), ("http://b.test/", "b.test")]
        {
            let head = read_head(&mut connection);
            assert!(head.starts_with(&format!("GET {url} HTTP/1.1\r\nhost: {host}\r\n")), "{head}");
            assert!(head.contains("\r\nproxy-authorization: Basic bWU6c2VjcmV0\r\n"), "{head}");
            send(&mut connection, HELLO);
        }
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = client_of(&proxy, "");
        // These names do not exist: only the proxy would look them up.
        for url in ["http://a.test/1#y", "http://A.test:81/2?x", "http://b.test"] {
            assert_eq!(fetch(&client, url).await.unwrap(), b"hello");
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (1, 2));
    });
    proxy.join();
}

#[test]
fn a_host_in_no_proxy_is_reached_directly() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        let head = read_head(&mut connection);
        assert!(head.starts_with("GET /x HTTP/1.1\r\n") && !head.contains("proxy-authorization"), "{head}");
        send(&mut connection, HELLO);
    });
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    run(async {
        let proxy = proxy.local_addr().unwrap().to_string().parse().unwrap();
        let proxies = ProxyConfig::none().http(proxy).no_proxy("a.test, 127.0.0.0/8");
        let client = Client::builder().proxies(proxies).build();
        assert_eq!(fetch(&client, &server.url("/x")).await.unwrap(), b"hello");
    });
    server.join();
    proxy.set_nonblocking(true).unwrap();
    assert!(proxy.accept().is_err(), "the proxy received a connection");
}

#[test]
fn stray_bytes_on_a_pooled_connection_to_a_proxy_do_not_fail_the_next_request() {
    let proxy = Peer::start(|listener| {
        for strays in [&["", "\r\n"][..], &[""]] {
            let mut connection = accept(listener);
            for stray in strays {
                read_head(&mut connection);
                send(&mut connection, format!("{stray}{HELLO}"));
            }
            assert!(is_closed(&mut connection));
        }
    });
    run(async {
        let client = client_of(&proxy, "");
        for url in ["http://a.test/", "http://b.test/"] {
            assert_eq!(fetch(&client, url).await.unwrap(), b"hello");
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
    });
    proxy.join();
}

#[test]
fn an_error_of_the_connection_to_a_proxy_names_the_proxy() {
    for (response, prefix) in [
        ("", "reading the response head from the proxy "),
        ("HTTP/1.1 200 OK\r\ncontent-le", "reading the response head from the proxy "),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "reading the response body from the proxy "),
    ] {
        let proxy = Peer::start(move |listener| {
            let mut connection = accept(listener);
            read_head(&mut connection);
            send(&mut connection, response);
        });
        let error = run(async { fetch(&client_of(&proxy, ""), "http://a.test/").await }).unwrap_err();
        let name = proxy.address().to_string();
        assert!(error.to_string().starts_with(&format!("{prefix}{name}: ")), "{error}");
        assert_eq!((error.proxy(), error.url()), (Some(&*name), "http://a.test/"));
        proxy.join();
    }
}

#[test]
fn an_unreachable_proxy_is_distinguished_from_the_server() {
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound");
    run(async {
        let proxies = ProxyConfig::none().http(address.to_string().parse().unwrap());
        let error = fetch(&Client::builder().proxies(proxies).build(), "http://a.test/").await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Connect(ConnectError::Failed { .. })), "{error:?}");
        assert_eq!(error.phase(), RequestPhase::NothingSent);
        let prefix = format!("reaching the proxy {address}: connecting to {address}: ");
        assert!(error.to_string().starts_with(&prefix), "{error}");

        let proxies = ProxyConfig::none().http("proxy.invalid:3128".parse().unwrap());
        let error = fetch(&Client::builder().proxies(proxies).build(), "http://a.test/").await.unwrap_err();
        let prefix = "reaching the proxy proxy.invalid:3128: looking up `proxy.invalid`: ";
        assert!(error.to_string().starts_with(prefix), "{error}");
    });
}
