//! A server that stops: what is being answered is answered, and everybody else is let go.

use std::net::TcpStream;

use glassloop::http::server::Limits;

use crate::raw::{Client, words};

#[test]
fn what_is_being_answered_is_answered_and_idle_connections_are_closed() {
    let server = words(Limits::default());
    let mut idle = Client::connect(&server);
    assert_eq!(idle.get("/a").status, 200);
    let mut silent = Client::connect(&server);
    let mut busy = Client::connect(&server);
    // Accepted after the silent one, so that one has been accepted, too.
    assert_eq!(busy.get("/a").status, 200);
    busy.send_get("/b?gl-delay=200");
    let address = server.address();
    drop(server);
    let reply = busy.reply();
    assert_eq!((reply.text(), reply.field("connection")), ("/b", Some("close")));
    busy.assert_ended();
    idle.assert_ended();
    silent.assert_ended();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn answers_that_never_end_do_not_keep_a_server_from_ending() {
    let limits = Limits { stop: std::time::Duration::from_millis(50), ..Limits::default() };
    let server = words(limits);
    let mut stalled = Client::connect(&server);
    stalled.send_get("/a?gl-stall=1");
    assert_eq!((stalled.head().status, stalled.bytes(1)), (200, b"/".to_vec()));
    let mut delayed = Client::connect(&server);
    delayed.send_get("/b?gl-delay=3600000");
    let mut unread = Client::connect(&server);
    unread.send_get("/large");
    assert_eq!(unread.head().status, 200);
    drop(server);
    stalled.assert_ended();
    assert!(delayed.rest().is_ok_and(|rest| rest.is_empty()));
}
