//! Keep-alive, pipelining, and the end of a connection.

use std::time::Duration;

use glassloop::http::server::Limits;

use crate::raw::{Client, start};

#[test]
fn a_connection_is_kept_alive() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    for path in ["/a", "/b", "/c"] {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.text()), (200, path));
        assert_eq!(reply.field("connection"), None);
        assert!(reply.field("date").expect("a date").ends_with(" GMT"));
    }
}

#[test]
fn pipelined_requests_get_their_responses_in_order() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    let paths: Vec<String> = (0..200).map(|number| format!("/{number}")).collect();
    let requests: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")).collect();
    client.send(requests);
    for path in paths {
        assert_eq!(client.reply().text(), path);
    }
}

#[test]
fn the_response_to_head_has_the_fields_of_get_and_no_body() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    client.send("HEAD /abc HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("content-length")), (200, Some("4")));
    // A body would be parsed as the beginning of this response.
    assert_eq!(client.get("/next").text(), "/next");
}

#[test]
fn a_204_has_no_content_length() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    let reply = client.get("/nothing");
    assert_eq!((reply.status, reply.field("content-length")), (204, None));
    assert_eq!(client.get("/next").text(), "/next");
}

#[test]
fn after_connection_close_further_requests_are_ignored() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    client.send("GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.text(), reply.field("connection")), ("/a", Some("close")));
    client.assert_ended();
}

#[test]
fn an_http_1_0_connection_is_kept_alive_only_if_the_client_requests_it() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.reply().field("connection"), Some("keep-alive"));
    client.send("GET /b HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().field("connection"), Some("close"));
    client.assert_ended();
}

#[test]
fn the_response_to_the_last_allowed_request_has_connection_close() {
    let server = start(Limits { requests: 2, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/a").field("connection"), None);
    assert_eq!(client.get("/b").field("connection"), Some("close"));
    client.assert_ended();
}

#[test]
fn a_half_closed_connection_still_gets_its_responses() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/a");
    client.send_get("/b");
    client.half_close();
    assert_eq!(client.reply().text(), "/a");
    assert_eq!(client.reply().text(), "/b");
    client.assert_ended();
}

#[test]
fn a_panic_in_the_service_closes_only_that_connection() {
    let server = start(Limits::default());
    let (mut panicking, mut other) = (Client::connect(&server), Client::connect(&server));
    assert_eq!(other.get("/a").status, 200);
    panicking.send_get("/panic");
    panicking.assert_ended();
    assert_eq!(other.get("/b").status, 200);
    assert_eq!(Client::connect(&server).get("/c").status, 200);
}

#[test]
fn after_an_error_response_further_input_does_not_cause_a_reset() {
    let server = start(Limits { drain: Duration::from_secs(3600), ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("NONSENSE\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.field("connection")), (501, Some("close")));
    client.assert_ended();
    // If the server had closed its socket, the first of these would cause a RST and the next would fail. A RST could
    // destroy the response before the client reads it.
    for _ in 0..30 {
        client.send([b'x'; 1024]);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn after_an_error_response_the_discarded_input_is_limited() {
    let server = start(Limits { drain: Duration::from_secs(3600), ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("NONSENSE\r\n");
    assert_eq!(client.reply().status, 501);
    client.assert_ended();
    // Far more than the server discards and the kernel buffers.
    let sent = (0..100_000).take_while(|_| client.try_send([b'x'; 1024]).is_ok()).count();
    assert!(sent < 100_000);
}
