//! `glassloop serve` under the load that wrk makes.

use std::process::Command;

use crate::flags_folder::FlagsFolder;
use crate::processes::serve;

/// Ten seconds of it; gives what wrk says.
fn load(arguments: &[&str]) -> String {
    let originals = FlagsFolder::make();
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

/// wrk tells of errors in lines of their own, and only if there are any.
fn assert_no_error(said: &str) {
    assert!(!said.contains("Socket errors"), "{said}");
    assert!(!said.contains("Non-2xx"), "{said}");
    let requests = said.lines().find_map(|line| line.trim().split_once(" requests in ")).expect("a total").0;
    println!("{requests} requests in ten seconds");
    assert!(requests.parse::<u64>().expect("a number") > 0);
}

#[test]
#[ignore = "needs wrk and python3"]
fn ten_seconds_of_load_over_kept_connections_end_without_an_error() {
    assert_no_error(&load(&[]));
}

#[test]
#[ignore = "needs wrk and python3"]
fn ten_seconds_of_load_over_new_connections_end_without_an_error() {
    assert_no_error(&load(&["-H", "Connection: close"]));
}
