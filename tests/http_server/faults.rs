//! Faults: asked for by a request, or drawn by the seed.

use std::io::ErrorKind;
use std::time::Duration;

use glassloop::flags::site::EmbeddedServer;
use glassloop::http::server::{Faults, Limits, StaticFiles};
use http::StatusCode;

use crate::raw::{Client, words, words_with};

#[test]
fn a_request_gets_the_status_it_asks_for() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    let reply = client.get("/a?gl-status=429&gl-retry-after=7");
    assert_eq!((reply.status, reply.field("retry-after")), (429, Some("7")));
    assert_eq!(client.get("/a").status, 200);
}

#[test]
fn a_fault_that_nobody_knows_is_said_to_be_none() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    for query in ["gl-status=abc", "gl-typo=1"] {
        assert_eq!(client.get(&format!("/a?{query}")).status, 400, "{query}");
    }
}

#[test]
fn a_body_is_cut_where_the_request_says() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/abcdef?gl-cut=3");
    assert_eq!(client.head().field("content-length"), Some("7"));
    assert_eq!(client.rest().expect("an end, not a reset"), b"/ab");
}

#[test]
fn a_connection_is_reset_where_the_request_says() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/abcdef?gl-reset=3");
    assert_eq!((client.head().status, client.bytes(3)), (200, b"/ab".to_vec()));
    assert_eq!(client.rest().expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_body_stalls_where_the_request_says() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    client.send_get("/abcdef?gl-stall=3");
    assert_eq!((client.head().status, client.bytes(3)), (200, b"/ab".to_vec()));
    client.stream().set_read_timeout(Some(Duration::from_millis(50))).expect("the option");
    assert_eq!(client.rest().expect_err("nothing comes").kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_body_at_a_rate_is_whole_in_the_end() {
    let server = words(Limits::default());
    let mut client = Client::connect(&server);
    let path = format!("/{}?gl-rate=10000", "x".repeat(2000));
    assert_eq!(client.get(&path).body.len(), 2001);
    assert_eq!(client.get("/a").text(), "/a");
}

/// The statuses of a hundred paths, two attempts each, asked for in this order over so many connections.
fn statuses(faults: &Faults, paths: impl Iterator<Item = usize>, connections: usize) -> Vec<(usize, [u16; 2])> {
    let server = words_with(Limits::default(), faults.clone());
    let mut clients: Vec<Client> = (0..connections).map(|_| Client::connect(&server)).collect();
    let paths: Vec<usize> = paths.collect();
    let mut statuses = Vec::new();
    for group in paths.chunks(connections) {
        let mut of_group = vec![[0; 2]; group.len()];
        for attempt in 0..2 {
            for (client, path) in clients.iter_mut().zip(group) {
                client.send_get(&format!("/{path}"));
            }
            for (client, status) in clients.iter_mut().zip(&mut of_group) {
                status[attempt] = client.reply().status;
            }
        }
        statuses.extend(group.iter().copied().zip(of_group));
    }
    statuses.sort_unstable();
    statuses
}

#[test]
fn the_same_seed_meets_the_same_requests_in_any_order_and_number() {
    let faults = Faults { seed: 5, error: Some((0.25, StatusCode::SERVICE_UNAVAILABLE)), ..Faults::default() };
    let one_by_one = statuses(&faults, 0..100, 1);
    assert_eq!(one_by_one, statuses(&faults, (0..100).rev(), 7));
    let failed_first = one_by_one.iter().filter(|(_, [first, _])| *first == 503).count();
    let then_well = one_by_one.iter().filter(|(_, both)| *both == [503, 200]).count();
    assert!((10..40).contains(&failed_first) && (1..failed_first).contains(&then_well), "{one_by_one:?}");
    assert_ne!(one_by_one, statuses(&Faults { seed: 6, ..faults }, 0..100, 1));
}

#[test]
fn faults_are_chosen_before_anything_is_looked_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().to_owned();
    let faults = Faults { error: Some((1.0, StatusCode::BAD_GATEWAY)), ..Faults::default() };
    let server = EmbeddedServer::serve(Limits::default(), faults, move || StaticFiles::open(&root)).expect("a server");
    assert_eq!(Client::connect(&server).get("/not-there").status, 502);
}
