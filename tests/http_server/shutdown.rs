//! Graceful shutdown.

use std::net::TcpStream;

use glassloop::http::server::Limits;

use crate::raw::{Client, start};

#[test]
fn a_shutdown_completes_responses_in_progress_and_closes_idle_connections() {
    let server = start(Limits::default());
    let mut idle = Client::connect(&server);
    assert_eq!(idle.get("/a").status, 200);
    let mut silent = Client::connect(&server);
    let mut busy = Client::connect(&server);
    // A response on a later connection shows that `silent` has been accepted.
    assert_eq!(busy.get("/a").status, 200);
    busy.send_get("/b?gl-delay=200");
    // What arrives first is read first: after this response, the request of `busy` has been read, and its response begun.
    assert_eq!(idle.get("/a").status, 200);
    let address = server.address();
    drop(server);
    let reply = busy.reply();
    assert_eq!((reply.status, reply.text()), (200, "/b"));
    busy.assert_ended();
    idle.assert_ended();
    silent.assert_ended();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_shutdown_does_not_wait_longer_than_its_timeout() {
    let limits = Limits { stop: std::time::Duration::from_millis(50), ..Limits::default() };
    let server = start(limits);
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
