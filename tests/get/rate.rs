//! `--limit-rate`, which applies to all transfers together.

use std::fs;

use crate::run::{TestDirectory, content};
use crate::server::{Reply, Server};

#[test]
fn transfers_share_the_rate() {
    const MEBIBYTE: u64 = 1 << 20;
    let body = content(1, 8 * MEBIBYTE as usize);
    let server = Server::start(move |request| Reply::file(request, &body, "\"1\""));
    let place = TestDirectory::new();
    let names = ["a", "b", "c", "d"];
    let list: String = names.iter().map(|name| format!("{}\n", server.url(&format!("/{name}")))).collect();
    place.get_list(&list, &["--limit-rate", "1m", "--max-time", "1", "--retry", "0"]).assert(4, "--max-time");
    let parts = names.map(|name| fs::metadata(place.path(&format!("{name}.part"))).map_or(0, |part| part.len()));
    // 1 MiB in a second, and as much again for a slow machine. Without the limit, all 32 would have arrived.
    let sum: u64 = parts.iter().sum();
    assert!((1..4 * MEBIBYTE).contains(&sum), "{parts:?}");
}

#[test]
fn a_rate_limit_above_the_actual_rate_has_no_effect() {
    let body = content(2, 300_000);
    let served = body.clone();
    let server = Server::start(move |_| Reply::ok(served.clone()));
    let place = TestDirectory::new();
    place.get(["--limit-rate", "1g", &server.url("/a")]).assert(0, "1 saved");
    assert!(place.read("a") == body);
}
