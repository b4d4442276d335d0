//! Recordings, narrations and statistics of runs.

use std::process::Command;

use serde_json::Value;

use crate::run::{Run, TestDirectory};
use crate::server::{Reply, Server};

/// Returns the states of a file's transfer, in order.
fn states(recording: &str, file: &str) -> Vec<String> {
    let lines: Vec<Value> =
        recording.lines().map(|line| serde_json::from_str(line).expect("a line of the recording")).collect();
    let name = format!("get {file}");
    let is_its_task = |line: &&Value| line["kind"] == "spawn" && line["name"] == name.as_str();
    let task = &lines.iter().find(is_its_task).expect("its task was spawned")["task"];
    let is_its_state = |line: &&Value| line["kind"] == "state" && line["of"] == "Transfer" && line["task"] == *task;
    lines.iter().filter(is_its_state).map(|line| line["to"].as_str().expect("a name").to_owned()).collect()
}

fn trace(arguments: &[&str]) -> Run {
    Command::new(env!("CARGO_BIN_EXE_glassloop")).arg("trace").args(arguments).output().expect("it runs").into()
}

#[test]
fn a_recording_shows_retries_and_pauses() {
    let server = Server::start(|request| match (request.path.as_str(), request.earlier) {
        ("/again", 0) => Reply::status(500),
        ("/later", 0) => Reply::status(503).field("Retry-After", "1"),
        _ => Reply::ok("content"),
    });
    let place = TestDirectory::new();
    let recording = place.path("run.jsonl");
    let recording = recording.to_str().expect("a path in UTF-8");
    // One after the other, so that the pause does not delay the retry.
    place.get(["--jobs", "1", "--trace", recording, &server.url("/again")]).assert(0, "1 saved");
    let states_again = states(&place.text("run.jsonl"), "again");
    assert_eq!(states_again, ["Request", "Wait", "Permit", "Request", "Body", "Save", "Done"]);
    place.get(["--trace", recording, &server.url("/later")]).assert(0, "1 saved");
    assert_eq!(states(&place.text("run.jsonl"), "later"), ["Request", "Pause", "Request", "Body", "Save", "Done"]);
    trace(&["check", recording]).assert(0, "");
}

#[test]
fn recordings_and_narrations_contain_no_password() {
    let server = Server::start(|_| Reply::ok("content"));
    let place = TestDirectory::new();
    for form in ["run.jsonl", "run.json", "run.html"] {
        let recording = place.path(form);
        let recording = recording.to_str().expect("a path in UTF-8");
        let url = server.url_with_password(&format!("/{form}.file"));
        let arguments = ["--explain", "-u", "a:geheim", "-H", "Cookie: geheim", "--trace", recording, &url];
        let run = place.get(arguments);
        run.assert(0, "1 saved");
        for text in [&run.stderr, &place.text(form)] {
            assert!(text.contains("Transfer") && !text.contains("hunter2") && !text.contains("geheim"), "{form}");
        }
    }
    assert!(server.requests()[0].contains("authorization: Basic"), "{:?}", server.requests());
}

#[test]
fn summary_and_explain_write_to_stderr_only() {
    let server = Server::start(|_| Reply::ok("content"));
    let run = TestDirectory::new().get(["--summary", "--explain", "--turns", "1..2", "--json", &server.url("/x")]);
    run.assert(0, "Turn 2 begins");
    run.assert(0, "polls ");
    assert_eq!(run.events()["done"], 1);
}

#[test]
fn step_and_the_list_cannot_both_read_standard_input() {
    TestDirectory::new().get_list("http://a.test/x\n", &["--step"]).assert(2, "put the list in a file");
}
