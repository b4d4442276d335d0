//! Request bodies: read, thrown away, and bounded.

use glassloop::http::server::Limits;

use crate::raw::{Client, words};

const SMALL: Limits = Limits {
    head: std::time::Duration::from_secs(10),
    idle: std::time::Duration::from_secs(15),
    body: std::time::Duration::from_secs(30),
    write: std::time::Duration::from_secs(30),
    drain: std::time::Duration::from_secs(1),
    stop: std::time::Duration::from_secs(5),
    body_bytes: 1000,
    requests: 1000,
    connections: 100,
};

#[test]
fn a_body_is_skipped_and_the_next_request_is_found_behind_it() {
    let server = words(SMALL);
    let mut client = Client::connect(&server);
    let body = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    client.send(format!("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(client.reply().text(), "/a");
    client.send("POST /b HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.reply().text(), "/b");
    assert_eq!(client.get("/c").text(), "/c");
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let server = words(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().status, 413);
    client.assert_ended();
}

#[test]
fn a_body_that_turns_out_too_large_is_refused_when_it_does() {
    let server = words(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("3e8\r\n{}\r\n", "x".repeat(1000)));
    client.send("1\r\nx\r\n");
    assert_eq!(client.reply().status, 413);
    client.assert_ended();
}

#[test]
fn a_client_that_waits_for_it_is_told_to_continue() {
    let server = words(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("hello");
    assert_eq!(client.reply().text(), "/a");
}

#[test]
fn a_client_that_does_not_wait_is_not_told() {
    let server = words(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    assert_eq!(client.reply().status, 200);
    client.send("GET /b HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().status, 200);
}

#[test]
fn a_body_that_is_cut_off_is_not_acted_on() {
    let server = words(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhell");
    client.end();
    client.assert_ended();
}
