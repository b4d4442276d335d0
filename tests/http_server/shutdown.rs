//! Graceful shutdown.

use std::net::TcpStream;

use glassloop::http::server::Limits;

use crate::raw::{Client, start};

#[test]
fn a_shutdown_completes_responses_in_progress_and_closes_idle_connections() {
    // The shutdown may come before the server has received the request, or after it has sent the response: then another
    // attempt is made, and later ones take longer.
    assert!([200, 200, 200, 1_000, 1_000, 3_000].into_iter().any(completes_a_response_that_takes));
}

/// Shuts a server down during a response that takes `delay` milliseconds. Returns whether the response was in progress.
fn completes_a_response_that_takes(delay: u32) -> bool {
    let server = start(Limits::default());
    let mut idle = Client::connect(&server);
    assert_eq!(idle.get("/a").status, 200);
    let mut silent = Client::connect(&server);
    let mut busy = Client::connect(&server);
    // A response on a later connection shows that `silent` has been accepted.
    assert_eq!(busy.get("/a").status, 200);
    busy.send_get(&format!("/b?gl-delay={delay}"));
    let address = server.address();
    drop(server);
    let reply = busy.rest().unwrap_or_default();
    idle.assert_ended();
    silent.assert_ended();
    assert!(TcpStream::connect(address).is_err());
    let reply = String::from_utf8(reply).expect("UTF-8").to_lowercase();
    assert!(reply.is_empty() || (reply.starts_with("http/1.1 200") && reply.ends_with("\r\n\r\n/b")), "{reply}");
    reply.contains("\r\nconnection: close\r\n")
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
