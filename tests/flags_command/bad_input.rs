//! Invalid arguments and failures: the message is one line with the cause and a remedy.

use std::fs;

use crate::run::{Run, flags, names_in};

fn usage_error(arguments: &str, message: &str) -> Run {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = flags(place.path(), arguments);
    run.assert_usage_error(message);
    assert!(names_in(place.path()).is_empty());
    run
}

#[test]
fn an_invalid_code_is_quoted_in_the_message() {
    let message =
        "`BRA` is not a country code; use two letters (BR), or one letter for all codes that begin with it (B)";
    let run = usage_error("BR BRA", message);
    assert_eq!(run.stderr.lines().count(), 1);
}

#[test]
fn an_invalid_server_label_lists_the_valid_ones() {
    usage_error("-s NEAR", "LOCAL, DELAY, ERROR, REMOTE");
}

#[test]
fn numbers_out_of_range_are_rejected_with_the_range() {
    usage_error("-m 0", "1..=1000");
    usage_error("-m 1001", "1..=1000");
    usage_error("-l x", "invalid digit");
    usage_error("-l 0", "1");
    usage_error("--scale 0", "1..");
}

#[test]
fn an_invalid_base_url_is_rejected() {
    usage_error("--base-url http:///flags", "host");
    usage_error("--base-url ftp://127.0.0.1/flags", "http://");
    #[cfg(not(feature = "tls"))]
    usage_error("--base-url https://127.0.0.1/flags", "this build has no TLS");
    usage_error("--base-url flags", "http://127.0.0.1");
    usage_error("--base-url http://127.0.0.1/flags?x=1", "/cc/cc.gif");
}

#[test]
fn a_directory_that_cannot_be_created_fails_before_any_request() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let file = place.path().join("file");
    fs::write(&file, "in the way").expect("a file");
    for directory in [file.clone(), file.join("below")] {
        let run = flags(&directory, "");
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains("--dest"), "{}", run.stderr);
    }
}

#[test]
fn a_directory_with_the_name_of_a_flag_fails_only_that_flag() {
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(place.path().join("br.gif")).expect("a directory");
    let run = flags(place.path(), "BR US IN -v");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.counts(), [2, 0, 1, 0], "{}", run.stderr);
    assert!(run.stderr.contains("*** Error for BR: saving "), "{}", run.stderr);
    assert_eq!(names_in(place.path()), ["br.gif", "in.gif", "us.gif"]);
}

#[test]
fn a_refused_connection_fails_every_flag() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    drop(taken);
    let run = flags(place.path(), &format!("--base-url http://127.0.0.1:{port}/flags"));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.counts(), [0, 0, 20, 0], "{}", run.stderr);
    assert!(run.stderr.contains(&format!("connecting to 127.0.0.1:{port}")), "{}", run.stderr);
    assert!(names_in(place.path()).is_empty());
}
