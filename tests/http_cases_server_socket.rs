//! Every server case of the tables, over sockets: in one piece, byte by byte, and in random pieces.

#[path = "support/cases.rs"]
#[expect(dead_code, reason = "bodies and reuse are for the tests of the codec and of the client")]
mod cases;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use cases::{Case, Expected, read};
use glassloop::flags::site::EmbeddedServer;
use glassloop::http::server::{Faults, Limits, StaticFiles, text};
use http::StatusCode;

/// How the input is split.
const CUTTINGS: [&str; 3] = ["whole", "byte by byte", "random pieces"];

/// The class of cases that only a file service can reject.
const BAD_PATH: &str = "BadPath";

#[test]
fn every_case_of_the_first_table_has_the_expected_outcome_however_it_is_split() {
    run(include_str!("data/http_cases.json"), 73);
}

#[test]
fn every_case_of_the_second_table_has_the_expected_outcome_however_it_is_split() {
    run(include_str!("data/http_cases_more.json"), 70);
}

fn run(json: &str, at_least: usize) {
    watchdog::watch();
    let cases: Vec<Case> = read(json).into_iter().filter(|case| !case.client).collect();
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().to_owned();
    let of_words = serve(|| Ok(|request: &http::Request<()>| text(StatusCode::OK, request.uri().path().to_owned())));
    let of_files = serve(move || StaticFiles::open(&root));
    let mut mismatches = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let is_about_files = matches!(&case.expected, Expected::Error { class, .. } if class == BAD_PATH);
        let server = if is_about_files { &of_files } else { &of_words };
        for cutting in CUTTINGS {
            let statuses = play(server.address(), case, cutting, number as u64);
            if let Err(difference) = compare(case, &statuses, is_about_files) {
                mismatches.push(format!("{} ({cutting}): {difference}; got {statuses:?}", case.id));
            }
        }
    }
    assert!(mismatches.is_empty(), "{} mismatches:\n{}", mismatches.len(), mismatches.join("\n"));
}

fn serve<S: glassloop::http::server::Service + 'static>(
    make: impl FnOnce() -> std::io::Result<S> + Send + 'static,
) -> EmbeddedServer {
    // No timeout of the server may hide a missing response.
    let forever = Duration::from_secs(3600);
    let limits = Limits { head: forever, idle: forever, body: forever, ..Limits::default() };
    EmbeddedServer::serve(limits, Faults::default(), make).expect("a server")
}

/// Sends a case and returns the statuses of all final responses until the connection is closed.
fn play(address: SocketAddr, case: &Case, cutting: &str, seed: u64) -> Vec<u16> {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("the option");
    // Makes the test fail if the server never responds.
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("the option");
    for piece in pieces(&case.bytes, cutting, seed) {
        // The server may close the connection before it has read everything.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let must_end_by_itself = matches!(&case.expected, Expected::Error { class, .. } if class != BAD_PATH);
    let mut received = Vec::new();
    if !must_end_by_itself || case.close_after {
        let _gone = stream.shutdown(Shutdown::Write);
    }
    if let Err(error) = stream.read_to_end(&mut received) {
        panic!("{} ({cutting}): {error} after {}", case.id, received.escape_ascii());
    }
    statuses(&received)
}

fn pieces<'a>(bytes: &'a [u8], cutting: &str, seed: u64) -> Vec<&'a [u8]> {
    match cutting {
        "whole" => vec![bytes],
        "byte by byte" => bytes.chunks(1).collect(),
        _ => {
            let mut rest = bytes;
            let mut pieces = Vec::new();
            let mut state = seed;
            while !rest.is_empty() {
                // Random lengths from 1 to 40 (splitmix64).
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let length = ((mixed ^ (mixed >> 27)) % 40 + 1) as usize;
                let (piece, following) = rest.split_at(length.min(rest.len()));
                pieces.push(piece);
                rest = following;
            }
            pieces
        }
    }
}

/// Parses complete responses, all of which have a `Content-Length`.
fn statuses(mut received: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !received.is_empty() {
        let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a whole head") + 4;
        let head = std::str::from_utf8(&received[..end]).expect("a head in ASCII");
        let status: u16 = head.strip_prefix("HTTP/1.1 ").expect("a status line")[..3].parse().expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        received = &received[end + length..];
        if status >= 200 {
            statuses.push(status);
        }
    }
    statuses
}

fn compare(case: &Case, statuses: &[u16], is_about_files: bool) -> Result<(), String> {
    match &case.expected {
        Expected::Ok { status, requests, .. } => {
            let requests = requests.expect("a server case has a number of requests") as usize;
            let is_as_written = statuses.len() == requests && statuses.iter().all(|given| given == status);
            if is_as_written { Ok(()) } else { Err(format!("expected {requests} times {status}")) }
        }
        Expected::Error { status: 0, .. } if statuses.is_empty() => Ok(()),
        Expected::Error { status: 0, .. } => Err("expected no response".to_owned()),
        Expected::Error { status, .. } => {
            let (last, before) = statuses.split_last().ok_or("no response")?;
            let is_as_written = last == status && before.iter().all(|given| *given == 200);
            if is_as_written || (is_about_files && *last == 400) { Ok(()) } else { Err(format!("expected {status}")) }
        }
    }
}
