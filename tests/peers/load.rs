//! `glassloop serve` under load from wrk.

use std::process::Command;

use crate::flags_directory::FlagsDirectory;
use crate::processes::serve;

/// Runs wrk for ten seconds and returns its output.
fn load(arguments: &[&str]) -> String {
    let originals = FlagsDirectory::create();
    let (_server, url) = serve(originals.root());
    let output = Command::new("wrk")
        .args(["-t", "1", "-c", "100", "-d", "10"])
        .args(arguments)
        .arg(format!("{url}/flags/br/br.gif"))
        .output()
        .expect("wrk runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Asserts that wrk reports no error. It prints a line for each kind of error that has occurred.
fn assert_no_error(output: &str) {
    assert!(!output.contains("Socket errors"), "{output}");
    assert!(!output.contains("Non-2xx"), "{output}");
    let requests = output.lines().find_map(|line| line.trim().split_once(" requests in ")).expect("a total").0;
    println!("{requests} requests in ten seconds");
    assert!(requests.parse::<u64>().expect("a number") > 0);
}

#[test]
#[ignore = "needs wrk"]
fn ten_seconds_of_load_with_keep_alive_cause_no_error() {
    assert_no_error(&load(&[]));
}

#[test]
#[ignore = "needs wrk"]
fn ten_seconds_of_load_without_keep_alive_cause_no_error() {
    assert_no_error(&load(&["-H", "Connection: close"]));
}
