//! Timeouts, and the limit on connections.

use std::io::ErrorKind;
use std::time::Duration;

use glassloop::http::server::Limits;

use crate::raw::{Client, LARGE_BYTES, start};

/// The value of the timeout under test; all others keep their defaults.
const SHORT: Duration = Duration::from_millis(50);

#[test]
fn the_head_timeout_causes_a_408() {
    let server = start(Limits { head: SHORT, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("GET / HTTP/1.1\r\nHost:");
    let reply = client.reply();
    assert_eq!((reply.status, reply.field("connection")), (408, Some("close")));
    client.assert_ended();
}

#[test]
fn slowly_arriving_bytes_do_not_extend_the_head_timeout() {
    let server = start(Limits { head: SHORT, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("GET / HTTP/1.1\r\nX: ");
    // Sends for up to a thousand times the timeout.
    for _ in 0..50_000 {
        if client.try_send("x").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        client.stream().set_nonblocking(true).expect("the option");
        let has_response = client.stream().peek(&mut [0]).is_ok();
        client.stream().set_nonblocking(false).expect("the option");
        if has_response {
            break;
        }
    }
    assert_eq!(client.reply().status, 408);
}

#[test]
fn the_head_timeout_applies_to_later_requests() {
    let server = start(Limits { head: SHORT, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/a").status, 200);
    client.send("GET /b");
    assert_eq!(client.reply().status, 408);
    client.assert_ended();
}

#[test]
fn an_idle_connection_is_closed_without_a_response() {
    let server = start(Limits { idle: SHORT, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/a").status, 200);
    client.assert_ended();
}

#[test]
fn the_body_timeout_causes_a_408() {
    let server = start(Limits { body: SHORT, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhell");
    assert_eq!(client.reply().status, 408);
    client.assert_ended();
}

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let server = start(Limits { write: SHORT, connections: 1, ..Limits::default() });
    let mut idler = Client::connect(&server);
    idler.send_get("/large");
    assert_eq!(idler.head().status, 200);
    // Accepted only when the first connection is closed.
    assert_eq!(Client::connect(&server).get("/a").status, 200);
    match idler.rest() {
        Ok(body) => assert!(body.len() < LARGE_BYTES, "the whole body arrived"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn at_the_limit_the_oldest_connection_without_a_request_is_closed() {
    let server = start(Limits { connections: 3, ..Limits::default() });
    let mut busy = Client::connect(&server);
    assert_eq!(busy.get("/a").status, 200);
    let mut oldest = Client::connect(&server);
    oldest.send("GET / HT");
    let mut younger = Client::connect(&server);
    let mut newcomer = Client::connect(&server);
    assert_eq!(newcomer.get("/b").status, 200);
    assert_eq!(oldest.reply().status, 408);
    oldest.assert_ended();
    assert_eq!(younger.get("/c").status, 200);
    assert_eq!(busy.get("/d").status, 200);
}

#[test]
fn at_the_limit_a_new_connection_waits_if_all_others_have_sent_requests() {
    let server = start(Limits { connections: 2, ..Limits::default() });
    let (mut first, mut second) = (Client::connect(&server), Client::connect(&server));
    assert_eq!((first.get("/a").status, second.get("/b").status), (200, 200));
    let mut newcomer = Client::connect(&server);
    newcomer.send_get("/c");
    assert_eq!(second.get("/d").status, 200);
    newcomer.stream().set_nonblocking(true).expect("the option");
    assert_eq!(newcomer.stream().peek(&mut [0]).expect_err("no response yet").kind(), ErrorKind::WouldBlock);
    newcomer.stream().set_nonblocking(false).expect("the option");
    drop(first);
    assert_eq!(newcomer.reply().text(), "/c");
}

#[test]
fn hundreds_of_concurrent_connections_are_served() {
    let server = start(Limits::default());
    let mut clients: Vec<Client> = (0..400).map(|_| Client::connect(&server)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send_get(&format!("/{number}"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply().text(), format!("/{number}"));
    }
}
