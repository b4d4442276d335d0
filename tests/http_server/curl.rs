//! The server with curl as the client.

use std::fs;
use std::process::{Command, Output};

use glassloop::flags::site::{EmbeddedServer, ServerKind};
use glassloop::http::server::{Faults, Limits, StaticFiles};

fn curl(arguments: &[&str]) -> Output {
    Command::new("curl").args(["--silent", "--show-error", "--max-time", "30"]).args(arguments).output().expect("curl")
}

#[test]
#[ignore = "needs curl"]
fn curl_requests_many_flags_over_one_connection() {
    let server = EmbeddedServer::start(ServerKind::Local).expect("a server");
    let url = format!("{}/{{br,jp,us,xx}}/{{br,jp,us,xx}}.gif", server.base_url());
    let output = curl(&["--write-out", "%{http_code} %{num_connects}\n", "--output", "/dev/null", &url]);
    let stdout = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<&str> = stdout.lines().collect();
    let found = lines.iter().filter(|line| line.starts_with("200 ")).count();
    let connects: u32 = lines.iter().map(|line| line[4..].parse::<u32>().expect("a number")).sum();
    assert_eq!((lines.len(), found, connects), (16, 3, 1), "{stdout}");
}

#[test]
#[ignore = "needs curl"]
fn curl_resumes_a_truncated_download() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let content: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    fs::write(place.path().join("file"), &content).expect("a file");
    let root = place.path().to_owned();
    let server = EmbeddedServer::serve(Limits::default(), Faults::default(), move || StaticFiles::open(&root));
    let server = server.expect("a server");
    let url = format!("http://{}/file", server.address());
    let target = place.path().join("target");
    let target = target.to_str().expect("UTF-8");
    let cut = curl(&["--output", target, &format!("{url}?gl-cut=300000")]);
    assert_eq!(cut.status.code(), Some(18), "a partial file");
    let resumed = curl(&["--continue-at", "-", "--output", target, "--write-out", "%{http_code}", &url]);
    assert_eq!(resumed.stdout, b"206");
    assert!(fs::read(target).expect("a file") == content);
}

#[test]
#[ignore = "needs curl"]
fn curl_waits_for_100_continue_and_then_sends_its_body() {
    let server = EmbeddedServer::start(ServerKind::Local).expect("a server");
    let url = format!("{}/br/br.gif", server.base_url());
    let body = "x".repeat(100_000);
    let headers = ["--header", "Expect: 100-continue"];
    let output = curl(&[&headers[..], &["--include", "--data", &body, &url]].concat());
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 405 "), "{stdout}");
}
