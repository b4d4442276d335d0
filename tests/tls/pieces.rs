//! Fragmented records, large bodies, and their use of memory.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use glassloop::http::client::Client;
use glassloop::net::Connect;
use glassloop::net::tls::{Roots, TlsConnector, Trust};
use rustls::ALL_VERSIONS;

use crate::peer::{Peer, accept, read_head, send};
use crate::secured::configuration;
use crate::site::{AUTHORITY, client, fetch, run, start, url, usual};

/// Forwards data one byte at a time.
fn trickle(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if buffer[..read].iter().any(|&byte| to.write_all(&[byte]).is_err()) {
            return;
        }
    }
    let _may_be_closed = to.shutdown(Shutdown::Write);
}

/// Starts a relay to the server that forwards one byte at a time in both directions.
fn start_trickle(server: &Peer) -> Peer {
    let address = server.address();
    Peer::start(move |listener: &TcpListener| {
        let client = accept(listener);
        let server = TcpStream::connect(address).expect("the server listens");
        server.set_nodelay(true).expect("a TCP option");
        let (client_clone, server_clone) = (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
        let up = thread::spawn(move || trickle(client_clone, server_clone));
        trickle(server, client);
        up.join().expect("no panic");
    })
}

#[test]
fn records_may_arrive_one_byte_at_a_time() {
    for version in ALL_VERSIONS {
        let identity = AUTHORITY.issue(&["127.0.0.1"], |_| {});
        let server = start(configuration(&identity, &[version]), |connection| {
            let mut connection = connection();
            for _ in 0..2 {
                read_head(&mut connection);
                send(&mut connection, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
                send(&mut connection, "6\r\n world\r\n0\r\n\r\n");
            }
        });
        let relay = start_trickle(&server);
        run(async {
            let client = client();
            for _ in 0..2 {
                assert_eq!(fetch(&client, &url(&relay)).await.unwrap(), b"hello world", "{version:?}");
            }
            assert_eq!(client.connections_opened(), 1);
        });
        relay.join();
        server.join();
    }
}

/// Returns the byte at a position of the test body, which does not repeat with a short period.
fn byte_at(position: usize) -> u8 {
    (position ^ position >> 8 ^ position >> 16) as u8
}

/// Starts a server that sends one body of this length, in records of various sizes.
fn serve_body(length: usize) -> Peer {
    start(usual(), move |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"));
        let content: Vec<u8> = (0..length).map(byte_at).collect();
        // Pieces of many sizes, so that records end at many positions.
        let mut rest = &content[..];
        for size in (1..).step_by(997) {
            let piece = rest.len().min(size % 40_000);
            // The client may have closed the connection.
            if connection.write_all(&rest[..piece]).is_err() || piece == rest.len() {
                return;
            }
            rest = &rest[piece..];
        }
    })
}

#[test]
fn a_large_body_is_received_completely_with_any_size_of_buffer() {
    const LENGTH: usize = 3 << 20;
    for capacity in [1_000, 20_000, 1 << 20] {
        let server = serve_body(LENGTH);
        run(async {
            let mut body = client().get(&url(&server)).await.unwrap().into_body();
            let (mut buffer, mut position) = (vec![0; capacity], 0);
            loop {
                let read = poll_fn(|cx| body.poll_read(cx, &mut buffer)).await.unwrap();
                if read == 0 {
                    break;
                }
                assert!((position..).zip(&buffer[..read]).all(|(at, &byte)| byte == byte_at(at)), "near {position}");
                position += read;
            }
            assert_eq!(position, LENGTH);
        });
        server.join();
    }
}

#[test]
fn a_record_may_be_read_with_a_buffer_of_seven_bytes() {
    let server = serve_body(30_000);
    let address = server.address();
    let content = run(async {
        let roots = Roots::from_pem(AUTHORITY.pem().as_bytes()).expect("a certificate");
        let connector = TlsConnector::new(Trust::Roots(roots), &["http/1.1"]);
        let socket = Connect::new(vec![address], Duration::from_secs(10)).await.expect("the server listens");
        let mut stream = connector.connect(socket, "127.0.0.1").await.expect("a handshake");
        let mut request = &b"GET / HTTP/1.1\r\n\r\n"[..];
        while !request.is_empty() {
            let written = poll_fn(|cx| stream.poll_write(cx, request)).await.expect("an open connection");
            request = &request[written..];
        }
        let (mut content, mut buffer) = (Vec::new(), [0; 7]);
        while !content.ends_with(&[byte_at(29_998), byte_at(29_999)]) || content.len() < 30_000 {
            let read = poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("more content");
            content.extend_from_slice(&buffer[..read]);
        }
        content
    });
    server.join();
    let head = content.len() - 30_000;
    assert!((0..).zip(&content[head..]).all(|(at, &byte)| byte == byte_at(at)));
}

/// Reads and discards the body, and returns its length.
async fn discard_body(client: &Client, url: &str) -> u64 {
    let mut body = client.get(url).await.unwrap().into_body();
    while body.chunk().await.unwrap().is_some() {}
    body.received()
}

#[test]
fn the_use_of_memory_does_not_depend_on_the_length_of_the_body() {
    let peak = |length: usize| {
        let server = serve_body(length);
        let memory = allocation_counter::measure(|| {
            let received = run(async { discard_body(&client(), &url(&server)).await });
            assert_eq!(received, length as u64);
        });
        server.join();
        memory.bytes_max
    };
    let small = peak(1 << 20);
    let large = peak(32 << 20);
    assert!(large < small + (256 << 10), "a peak of {large} bytes for 32 MiB, of {small} bytes for 1 MiB");
}
