//! Requests on one connection: after each other, behind each other, and the last one.

use std::time::Duration;

use glassloop::http::server::Limits;

use crate::raw::{Client, words};

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    for path in ["/a", "/b", "/c"] {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.text()), (200, path));
        assert_eq!(reply.field("connection"), None);
        assert!(reply.field("date").expect("a date").ends_with(" GMT"));
    }
}

#[test]
fn requests_that_come_at_once_are_answered_in_order() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    let paths: Vec<String> = (0..200).map(|number| format!("/{number}")).collect();
    let requests: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")).collect();
    client.send(requests);
    for path in paths {
        assert_eq!(client.reply().text(), path);
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    client.send("HEAD /abc HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("content-length")), (200, Some("4")));
    // Were there a body, it would stand in front of this answer.
    assert_eq!(client.get("/next").text(), "/next");
}

#[test]
fn an_answer_without_content_has_no_length() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    let reply = client.get("/nothing");
    assert_eq!((reply.status, reply.field("content-length")), (204, None));
    assert_eq!(client.get("/next").text(), "/next");
}

#[test]
fn close_is_said_and_done_and_what_comes_behind_it_is_ignored() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    client.send("GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.text(), reply.field("connection")), ("/a", Some("close")));
    client.assert_ended();
}

#[test]
fn an_old_client_is_told_that_its_connection_is_kept_and_otherwise_it_is_not() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.reply().field("connection"), Some("keep-alive"));
    client.send("GET /b HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().field("connection"), Some("close"));
    client.assert_ended();
}

#[test]
fn the_last_request_of_a_connection_is_told_so() {
    let server = words(Limits { requests: 2, ..Limits::default() });
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/a").field("connection"), None);
    assert_eq!(client.get("/b").field("connection"), Some("close"));
    client.assert_ended();
}

#[test]
fn a_client_that_ends_its_direction_still_gets_its_answers() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/a");
    client.send_get("/b");
    client.end();
    assert_eq!(client.reply().text(), "/a");
    assert_eq!(client.reply().text(), "/b");
    client.assert_ended();
}

#[test]
fn a_service_that_panics_costs_the_connection_that_asked() {
    let server = words(Limits::default());
    let (mut unlucky, mut other) = (Client::connect(&server), Client::connect(&server));
    assert_eq!(other.get("/a").status, 200);
    unlucky.send_get("/panic");
    unlucky.assert_ended();
    assert_eq!(other.get("/b").status, 200);
    assert_eq!(Client::connect(&server).get("/c").status, 200);
}

#[test]
fn a_client_that_is_refused_may_go_on_sending_for_a_while() {
    let server = words(Limits { drain: Duration::from_secs(3600), ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("NONSENSE\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.field("connection")), (501, Some("close")));
    client.assert_ended();
    // A socket that was closed would answer the first of these with a reset, and the next could not be sent. On a
    // slower network that reset could overtake the answer.
    for _ in 0..30 {
        client.send([b'x'; 1024]);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_client_that_is_refused_may_not_go_on_sending_for_ever() {
    let server = words(Limits { drain: Duration::from_secs(3600), ..Limits::default() });
    let mut client = Client::connect(&server);
    client.send("NONSENSE\r\n");
    assert_eq!(client.reply().status, 501);
    client.assert_ended();
    // Far more than is read, and than the kernel would keep.
    let sent = (0..100_000).take_while(|_| client.try_send([b'x'; 1024]).is_ok()).count();
    assert!(sent < 100_000);
}
