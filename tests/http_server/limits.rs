//! Clients that take their time, and more of them than there are places.

use std::io::ErrorKind;
use std::time::Duration;

use glassloop::http::server::Limits;

use crate::raw::{Client, LARGE_BYTES, words};

/// So short that a test need not wait, and only the one that is meant.
const SOON: Duration = Duration::from_millis(50);

#[test]
fn a_head_that_takes_too_long_is_answered_with_408() {
    let server = words(Limits { head: SOON, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("GET / HTTP/1.1\r\nHost:");
    let reply = client.reply();
    assert_eq!((reply.status, reply.field("connection")), (408, Some("close")));
    client.assert_ended();
}

#[test]
fn single_bytes_do_not_extend_the_time_for_a_head() {
    let server = words(Limits { head: SOON, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("GET / HTTP/1.1\r\nX: ");
    // Long enough for a thousand times the limit, if each byte bought another millisecond.
    for _ in 0..50_000 {
        if client.try_send("x").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        client.stream().set_nonblocking(true).expect("the option");
        let is_answered = client.stream().peek(&mut [0]).is_ok();
        client.stream().set_nonblocking(false).expect("the option");
        if is_answered {
            break;
        }
    }
    assert_eq!(client.reply().status, 408);
}

#[test]
fn the_head_of_a_later_request_has_its_limit_too() {
    let server = words(Limits { head: SOON, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/a").status, 200);
    client.send("GET /b");
    assert_eq!(client.reply().status, 408);
    client.assert_ended();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = words(Limits { idle: SOON, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/a").status, 200);
    client.assert_ended();
}

#[test]
fn a_body_that_takes_too_long_is_answered_with_408() {
    let server = words(Limits { body: SOON, ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhell");
    assert_eq!(client.reply().status, 408);
    client.assert_ended();
}

#[test]
fn a_client_that_does_not_read_loses_its_place() {
    let server = words(Limits { write: SOON, connections: 1, ..Limits::default() });
    let mut idler = Client::connect(&server);
    idler.send_get("/large");
    assert_eq!(idler.head().status, 200);
    // Answered only when the first is gone.
    assert_eq!(Client::connect(&server).get("/a").status, 200);
    match idler.rest() {
        Ok(body) => assert!(body.len() < LARGE_BYTES, "all of it came"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn at_the_limit_the_one_that_has_asked_for_nothing_longest_makes_room() {
    let server = words(Limits { connections: 3, ..Limits::default() });
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
fn if_everybody_has_asked_for_something_the_newcomer_waits_for_a_place() {
    let server = words(Limits { connections: 2, ..Limits::default() });
    let (mut first, mut second) = (Client::connect(&server), Client::connect(&server));
    assert_eq!((first.get("/a").status, second.get("/b").status), (200, 200));
    let mut newcomer = Client::connect(&server);
    newcomer.send_get("/c");
    assert_eq!(second.get("/d").status, 200);
    newcomer.stream().set_nonblocking(true).expect("the option");
    assert_eq!(newcomer.stream().peek(&mut [0]).expect_err("no answer yet").kind(), ErrorKind::WouldBlock);
    newcomer.stream().set_nonblocking(false).expect("the option");
    drop(first);
    assert_eq!(newcomer.reply().text(), "/c");
}

#[test]
fn hundreds_of_connections_at_once_are_all_served() {
    let server = words(Limits::default());
    let mut clients: Vec<Client> = (0..400).map(|_| Client::connect(&server)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send_get(&format!("/{number}"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.reply().text(), format!("/{number}"));
    }
}
