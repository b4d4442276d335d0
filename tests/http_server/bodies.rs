//! Request bodies, which the server discards and limits.

use glassloop::http::server::Limits;

use crate::raw::{Client, start};

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
fn a_request_after_a_body_is_decoded() {
    let server = start(SMALL);
    let mut client = Client::connect(&server);
    let body = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    client.send(format!("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(client.reply().text(), "/a");
    client.send("POST /b HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.reply().text(), "/b");
    assert_eq!(client.get("/c").text(), "/c");
}

#[test]
fn a_content_length_above_the_limit_is_rejected_with_413_without_100_continue() {
    let server = start(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().status, 413);
    client.assert_ended();
}

#[test]
fn a_chunked_body_above_the_limit_is_rejected_with_413() {
    let server = start(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("3e8\r\n{}\r\n", "x".repeat(1000)));
    client.send("1\r\nx\r\n");
    assert_eq!(client.reply().status, 413);
    client.assert_ended();
}

#[test]
fn expect_100_continue_gets_a_100_response() {
    let server = start(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("hello");
    assert_eq!(client.reply().text(), "/a");
}

#[test]
fn there_is_no_100_response_if_the_body_has_arrived_or_there_is_none() {
    let server = start(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    assert_eq!(client.reply().status, 200);
    client.send("GET /b HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().status, 200);
}

#[test]
fn a_request_with_a_truncated_body_is_not_handled() {
    let server = start(SMALL);
    let mut client = Client::connect(&server);
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhell");
    client.half_close();
    client.assert_ended();
}
