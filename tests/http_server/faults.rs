//! Fault injection, by query parameters and by rates.

use std::io::ErrorKind;
use std::time::Duration;

use glassloop::flags::site::EmbeddedServer;
use glassloop::http::server::{Faults, Limits, StaticFiles};
use http::StatusCode;

use crate::raw::{Client, start, start_with};

#[test]
fn gl_status_and_gl_retry_after_set_the_status_and_the_field() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    let reply = client.get("/a?gl-status=429&gl-retry-after=7");
    assert_eq!((reply.status, reply.field("retry-after")), (429, Some("7")));
    assert_eq!(client.get("/a").status, 200);
}

#[test]
fn invalid_and_unknown_fault_parameters_are_rejected_with_400() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    for query in ["gl-status=abc", "gl-typo=1"] {
        assert_eq!(client.get(&format!("/a?{query}")).status, 400, "{query}");
    }
}

#[test]
fn gl_cut_truncates_the_body_at_this_position() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/abcdef?gl-cut=3");
    assert_eq!(client.head().field("content-length"), Some("7"));
    assert_eq!(client.rest().expect("an end, not a reset"), b"/ab");
}

#[test]
fn gl_reset_resets_the_connection_at_this_position() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/abcdef?gl-reset=3");
    assert_eq!((client.head().status, client.bytes(3)), (200, b"/ab".to_vec()));
    assert_eq!(client.rest().expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn gl_stall_stops_sending_at_this_position() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/abcdef?gl-stall=3");
    assert_eq!((client.head().status, client.bytes(3)), (200, b"/ab".to_vec()));
    client.stream().set_read_timeout(Some(Duration::from_millis(50))).expect("the option");
    assert_eq!(client.rest().expect_err("a timeout").kind(), ErrorKind::WouldBlock);
}

#[test]
fn gl_rate_sends_the_complete_body() {
    let server = start(Limits::default());
    let mut client = Client::connect(&server);
    let path = format!("/{}?gl-rate=10000", "x".repeat(2000));
    assert_eq!(client.get(&path).body.len(), 2001);
    assert_eq!(client.get("/a").text(), "/a");
}

/// Requests each path twice, in this order and over this number of connections, and returns the statuses by path.
fn statuses(faults: &Faults, paths: impl Iterator<Item = usize>, connections: usize) -> Vec<(usize, [u16; 2])> {
    let server = start_with(Limits::default(), faults.clone());
    let mut clients: Vec<Client> = (0..connections).map(|_| Client::connect(&server)).collect();
    let paths: Vec<usize> = paths.collect();
    let mut statuses = Vec::new();
    for group in paths.chunks(connections) {
        let mut group_statuses = vec![[0; 2]; group.len()];
        for attempt in 0..2 {
            for (client, path) in clients.iter_mut().zip(group) {
                client.send_get(&format!("/{path}"));
            }
            for (client, status) in clients.iter_mut().zip(&mut group_statuses) {
                status[attempt] = client.reply().status;
            }
        }
        statuses.extend(group.iter().copied().zip(group_statuses));
    }
    statuses.sort_unstable();
    statuses
}

#[test]
fn a_seed_affects_the_same_requests_in_any_order_and_concurrency() {
    let faults = Faults { seed: 5, error: Some((0.25, StatusCode::SERVICE_UNAVAILABLE)), ..Faults::default() };
    let one_by_one = statuses(&faults, 0..100, 1);
    assert_eq!(one_by_one, statuses(&faults, (0..100).rev(), 7));
    let failed_first = one_by_one.iter().filter(|(_, [first, _])| *first == 503).count();
    let then_succeeded = one_by_one.iter().filter(|(_, both)| *both == [503, 200]).count();
    assert!((10..40).contains(&failed_first) && (1..failed_first).contains(&then_succeeded), "{one_by_one:?}");
    assert_ne!(one_by_one, statuses(&Faults { seed: 6, ..faults }, 0..100, 1));
}

#[test]
fn an_injected_error_replaces_a_404() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().to_owned();
    let faults = Faults { error: Some((1.0, StatusCode::BAD_GATEWAY)), ..Faults::default() };
    let server = EmbeddedServer::serve(Limits::default(), faults, move || StaticFiles::open(&root)).expect("a server");
    assert_eq!(Client::connect(&server).get("/not-there").status, 502);
}
