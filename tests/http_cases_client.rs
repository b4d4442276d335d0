//! Every client case of the tables, over sockets: in one piece, byte by byte, and in random pieces.
//!
//! After each valid response, a second request shows whether the connection is reused.

#[path = "support/cases.rs"]
#[expect(dead_code, reason = "the server's half of the table is for others")]
mod cases;
#[path = "support/peer.rs"]
#[expect(dead_code, reason = "other tests use longer scripts")]
mod peer;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::sync::mpsc;
use std::time::Duration;

use cases::{Case, Expected, read};
use glassloop::EventLoop;
use glassloop::http::client::{Client, ClientError, ClientErrorKind};
use http::{Method, Request};
use peer::{Peer, accept, accept_request, read_head, send};

/// How the response is split: lengths of pieces, which are repeated. The last ones are random, from a fixed seed.
const CUTTINGS: [&[usize]; 3] = [&[usize::MAX], &[1], &[3, 17, 1, 39, 2, 2, 28, 11, 1, 7, 33, 5, 24]];

#[test]
fn every_case_of_the_first_table_has_the_expected_outcome_however_it_is_split() {
    run(include_str!("data/http_cases.json"), 100);
}

#[test]
fn every_case_of_the_second_table_has_the_expected_outcome_however_it_is_split() {
    run(include_str!("data/http_cases_more.json"), 50);
}

fn run(json: &str, at_least: usize) {
    let mut cases = read(json);
    // The client does not support CONNECT as a request method.
    cases.retain(|case| case.client && case.method != "CONNECT");
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let mut mismatches = Vec::new();
    for case in &cases {
        for lengths in CUTTINGS {
            if let Err(difference) = compare(case, &play(case, lengths)) {
                mismatches.push(format!("{} ({}) in pieces of {lengths:?}: {difference}", case.id, case.level));
            }
        }
    }
    assert!(mismatches.is_empty(), "{} mismatches:\n{}", mismatches.len(), mismatches.join("\n"));
}

/// The outcome of a case.
#[derive(Debug)]
struct Outcome {
    result: Result<(u16, Vec<u8>), ClientError>,
    /// The number of connections after a second request, if the first one succeeded.
    connections: u64,
}

fn play(case: &Case, lengths: &'static [usize]) -> Outcome {
    let (bytes, close_after) = (case.bytes.clone(), case.close_after);
    let (has_sent, until_sent) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send_in_pieces(&mut connection, &bytes, lengths);
        if close_after {
            drop(connection);
            let _client_gone = has_sent.send(());
        } else {
            let _client_gone = has_sent.send(());
            if !read_head(&mut connection).is_empty() {
                return send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond");
            }
        }
        let mut connection = accept(listener);
        if !read_head(&mut connection).is_empty() {
            send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond");
        }
    });
    let outcome = EventLoop::new().unwrap().block_on(async {
        let client = Client::new();
        let request = |method| Request::builder().method(method).uri(server.url("/x")).body(()).unwrap();
        let result = fetch(&client, request(case.method.as_str())).await;
        if result.is_ok() {
            // The server has sent everything before the second request, so the check at checkout sees excess data.
            until_sent.recv().unwrap();
            std::thread::sleep(Duration::from_millis(1));
            let second = fetch(&client, request(Method::GET.as_str())).await;
            assert_eq!(second.expect("the second response is valid").1, b"second", "{}", case.id);
        }
        Outcome { result, connections: client.connections_opened() }
    });
    if outcome.as_ref().is_ok_and(|outcome| outcome.result.is_err()) {
        drop(std::net::TcpStream::connect(server.address())); // the second connection, which the client does not open
    }
    server.join();
    outcome.expect("no deadlock")
}

/// Sends pieces of these lengths, until the client closes the connection.
fn send_in_pieces(connection: &mut std::net::TcpStream, mut bytes: &[u8], lengths: &[usize]) {
    use std::io::Write;
    for length in lengths.iter().cycle() {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        if piece.is_empty() || connection.write_all(piece).is_err() {
            return;
        }
        bytes = rest;
    }
}

async fn fetch(client: &Client, request: Request<()>) -> Result<(u16, Vec<u8>), ClientError> {
    let response = client.request(request).await?;
    let status = response.status().as_u16();
    let (mut body, mut content) = (response.into_body(), Vec::new());
    while let Some(chunk) = body.chunk().await? {
        content.extend_from_slice(&chunk);
    }
    Ok((status, content))
}

fn compare(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let is_as_expected = match (&case.expected, &outcome.result) {
        (Expected::Ok { status, body, reuse, .. }, Ok((got, content))) => {
            let must_reuse = *reuse == Some(true) && !case.close_after;
            let connections = if must_reuse { 1 } else { 2 };
            got == status && content == body && outcome.connections == connections
        }
        (Expected::Error { class, .. }, Err(error)) => {
            matches!(error.kind(), ClientErrorKind::Protocol(error) if format!("{:?}", error.kind) == *class)
        }
        _ => false,
    };
    if is_as_expected { Ok(()) } else { Err(format!("expected {:?}, got {outcome:?}", case.expected)) }
}
