//! Reading recordings: a round trip for every kind of line, and errors with line numbers.

use std::collections::HashSet;

use glassloop::EventLoop;
use glassloop::trace::{FormatError, OutputFormat, ReadError, Reader, RecordKind, check};

use crate::programs::{everything, parse, record};

const EVERY_KIND: &str = include_str!("recordings/every_kind.jsonl");

/// Reads a recording and returns it as written again.
fn rewrite(recording: &str) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (from, to) = (directory.path().join("from.jsonl"), directory.path().join("to.jsonl"));
    std::fs::write(&from, recording).expect("a file");
    let error = OutputFormat::Jsonl.convert(&from, &to).expect("readable and writable files");
    assert!(error.is_none(), "{error:?}");
    std::fs::read_to_string(&to).expect("a copy")
}

fn check_text(recording: &str) -> Result<(), ReadError> {
    let mut reader = Reader::open(recording.as_bytes())?;
    check(&mut reader).map(|_| ())
}

#[test]
fn every_kind_of_line_survives_a_round_trip() {
    let present: HashSet<&str> = parse(EVERY_KIND).iter().map(|record| record.kind.name()).collect();
    assert_eq!(RecordKind::NAMES.iter().filter(|kind| !present.contains(*kind)).count(), 0);
    assert_eq!(rewrite(EVERY_KIND), EVERY_KIND);
    check_text(EVERY_KIND).expect("a consistent recording");
}

#[test]
fn a_real_recording_survives_a_round_trip() {
    let recording = record(everything);
    assert_eq!(rewrite(&recording), recording);
}

/// Returns the recording with every kind of line, with `what` replaced in one line.
fn changed(line: usize, what: &str, by: &str) -> String {
    let mut lines: Vec<String> = EVERY_KIND.lines().map(str::to_owned).collect();
    assert!(lines[line - 1].contains(what), "line {line} has no {what}: {}", lines[line - 1]);
    lines[line - 1] = lines[line - 1].replace(what, by);
    lines.join("\n") + "\n"
}

#[test]
fn errors_have_the_line_number_and_the_cause() {
    let table = [
        (1, "glassloop-trace", "another", "not a glassloop recording"),
        (1, r#""version":1"#, r#""version":2"#, "version 2 of the format; this program reads version 1"),
        (1, r#""pid":123,"#, "", "`pid` is missing"),
        (1, "virtual", "wrong", "`clock` must be real or virtual"),
        (2, r#""seq":0"#, r#""seq":1"#, "expected `seq` 0, found 1"),
        (3, r#""kind":"#, r#""kin":"#, "`kind` is missing"),
        (3, r#""turn_begin""#, r#""turn_start""#, "unknown kind of event `turn_start`"),
        (3, r#""turn":1"#, r#""turn":2"#, "expected `turn` 1, found 2"),
        (3, "}", "", "invalid JSON"),
        (3, r#""tasks":2"#, r#""tasks":-2"#, "`tasks` must be a number, 0 or more"),
        (4, r#""number":0"#, r#""number":1"#, "expected `number` 0 for the poll of task 0, found 1"),
        (4, r#""delay":7,"#, "", "`delay` is missing"),
        (5, r#""task":1"#, r#""task":0"#, "task 0 is spawned twice"),
        (5, r#""location""#, r#""place""#, "`location` is missing"),
        (6, r#""t":4,"#, r#""t":2,"#, "`t` decreases from 3 to 2 in thread 0"),
        (6, r#""wake":0"#, r#""wake":5"#, "expected `wake` 0, found 5"),
        (6, r#"{"spawn":true}"#, r#"{"moon":true}"#, "`cause` must be one cause"),
        (6, r#"{"spawn":true}"#, r#"{"source":4}"#, "wake by source 4, which has never been registered"),
        (6, r#""queued""#, r#""stale""#, "stale wake of task 1, which is alive"),
        (7, "127.0.0.1:8001", "127.0.0.1", "`peer` must be an address and a port"),
        (8, r#""source":2"#, r#""source":1"#, "source 1 is added twice"),
        (12, r#""timer":2"#, r#""timer":3"#, "timer 3 fires or is cancelled, but is not set"),
        (13, r#""thread":0"#, r#""thread":1"#, "`job_add` on a worker thread"),
        (21, r#""reusable":true"#, r#""reusable":null"#, "`reusable` must be `true` or absent"),
        (24, r#""bytes":1"#, r#""bytes":1,"eof":true"#, "`bytes` must be present, or exactly one of"),
        (25, r#""eof":true"#, r#""eof":true,"note":1"#, "no field `note`"),
        (31, r#""task":0"#, r#""task":1"#, "`poll_end` of task 1 without `poll_begin`"),
        (32, r#""wakes":[0]"#, r#""wakes":[]"#, "expected `wakes` [0] for the poll of task 1, found []"),
        (32, r#""turn":1"#, r#""turn":0"#, "expected `turn` 1, found 0"),
        (34, r#""wait_begin""#, r#""mark""#, "`text` is missing"),
        (35, r#""kind":"wait_end","events":2,"woken":true"#, r#""kind":"mark","text":"""#, "`mark` during a wait"),
        (36, r#""source":1"#, r#""source":7"#, "readiness of source 7, which has never been registered"),
        (36, r#""error":true"#, r#""error":true,"stale":true"#, "stale readiness of source 1, which is registered"),
        (39, r#","stale":true"#, "", "readiness of source 3, which is no longer registered"),
        (41, r#""coalesced""#, r#""queued""#, "task 1 is queued twice"),
        (43, "turn_begin", "turn_end", "expected `turn` 1, found 2"),
        (44, r#""thread":3"#, r#""thread":0"#, "`t` decreases from 20000058 to 40 in thread 0"),
        (45, r#""thread":3"#, r#""thread":2"#, "job 1 ends on worker 2, which has not started it"),
        (45, "panicked", "cancelled", "job 1 is cancelled, but is not queued"),
        (54, r#""task":1"#, r#""task":0"#, "task 0 ends with `panicked`, which does not match"),
        (55, r#""stale""#, r#""queued""#, "task 1 is queued, but is not alive"),
        (58, r#""aborted""#, r#""finished""#, "task 2 ends with `finished`, which does not match"),
        (63, r#""turn":2"#, r#""turn":3"#, "expected `turn` 2, found 3"),
        (64, r#""number":312"#, r#""number":0"#, "`dropped` with `number` 0"),
    ];
    for (line, what, by, expected) in table {
        let error = check_text(&changed(line, what, by)).expect_err(expected);
        assert_eq!(
            (error.line as usize, error.reason.to_string().contains(expected)),
            (line, true),
            "{expected}: {error}"
        );
    }
}

#[test]
fn a_state_change_must_start_from_the_current_state() {
    let chain = |second: &str| {
        let first = r#"{"seq":0,"t":0,"thread":0,"turn":0,"kind":"state","future":1,"of":"F","from":"A","to":"B"}"#;
        format!("{}\n{first}\n{second}\n", EVERY_KIND.lines().next().expect("a header"))
    };
    let second = r#"{"seq":1,"t":0,"thread":0,"turn":0,"kind":"state","future":1,"of":"F","from":"B","to":"C"}"#;
    check_text(&chain(second)).expect("a consistent recording");
    let error = check_text(&chain(&second.replace("\"B\"", "\"X\""))).expect_err("an inconsistent recording");
    assert_eq!(error.to_string(), "line 3: future 1 leaves state `X`, but is in state `B`");
}

#[test]
fn missing_and_duplicate_lines_are_errors() {
    let all: Vec<&str> = EVERY_KIND.lines().collect();
    for line in 1..all.len() {
        let mut fewer = all.clone();
        fewer.remove(line);
        // A recording without its last line is still consistent.
        assert_eq!(check_text(&(fewer.join("\n") + "\n")).is_err(), line + 1 < all.len(), "without line {}", line + 1);
        let mut more = all.clone();
        more.insert(line, all[line]);
        check_text(&(more.join("\n") + "\n")).expect_err("a duplicate line");
    }
}

#[test]
fn a_recording_truncated_anywhere_is_read_up_to_the_last_complete_line() {
    for end in (1..EVERY_KIND.len()).step_by(17) {
        let text = &EVERY_KIND.as_bytes()[..end];
        let whole_lines = text.iter().filter(|byte| **byte == b'\n').count();
        let Ok(reader) = Reader::open(text) else {
            assert_eq!(whole_lines, 0, "the header is complete");
            continue;
        };
        let read: Vec<_> = reader.collect();
        let valid = read.iter().filter(|line| line.is_ok()).count();
        assert_eq!(valid, whole_lines - 1);
        match read.last() {
            Some(Err(ReadError { line, reason: FormatError::Truncated })) => {
                assert_eq!(*line as usize, whole_lines + 1)
            }
            Some(Err(other)) => panic!("{other}"),
            _ => assert_eq!(text.last(), Some(&b'\n')),
        }
    }
}

#[test]
fn a_recording_of_a_killed_run_does_not_pass_the_check() {
    let recording = record(everything);
    let last_poll = recording.lines().position(|line| line.contains(r#""number":1"#)).expect("there are polls");
    for (lines, expected) in [(last_poll + 1, "inside a poll"), (3, "inside turn 1"), (2, "inside a run")] {
        let text: String = recording.lines().take(lines).flat_map(|line| [line, "\n"]).collect();
        let error = check_text(&text).expect_err("an incomplete recording");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn other_files_are_rejected() {
    for other in ["", "\n", "hello", "{}\n", "[1,2]\n", "{\"format\":\"another\"}\n", "\u{0}\u{1}\u{2}\n"] {
        let error = Reader::open(other.as_bytes()).expect_err("not a recording");
        assert_eq!((error.line, matches!(error.reason, FormatError::NotARecording)), (1, true), "{other:?}: {error}");
    }
    for (made, expected) in [
        ("<!doctype html>\n<html lang=\"en\">\n", "line 1: this is a replay page made from a recording"),
        ("{\"traceEvents\":[\n", "line 1: this is a Perfetto timeline made from a recording"),
    ] {
        let error = Reader::open(made.as_bytes()).expect_err("not a recording").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    // A file without line breaks is not read into memory completely.
    let error = Reader::open(std::io::BufReader::new(std::io::repeat(b'x'))).expect_err("not a recording");
    assert!(matches!(error.reason, FormatError::NotARecording));
}

#[test]
fn a_line_without_an_end_is_an_error_and_uses_bounded_memory() {
    use std::io::Read;
    let header = EVERY_KIND.lines().next().expect("a header").to_owned() + "\n";
    let endless = std::io::BufReader::new(std::io::Cursor::new(header).chain(std::io::repeat(b'x')));
    let error = Reader::open(endless).expect("a header").next().expect("a line").expect_err("a line that is too long");
    assert!(matches!(error.reason, FormatError::TooLong), "{error}");
}

#[test]
fn a_recording_of_manual_turns_passes_the_check() {
    let recording = record(|event_loop: &mut EventLoop| {
        let mut root = std::pin::pin!(glassloop::futures::yield_now());
        event_loop.wake_root();
        while event_loop.turn(root.as_mut()).is_pending() {}
    });
    check_text(&recording).expect("a consistent recording");
}

#[test]
fn a_panic_in_the_root_future_ends_the_run_with_failed() {
    let recording = record(|event_loop: &mut EventLoop| {
        let run = std::panic::AssertUnwindSafe(|| event_loop.block_on(async { panic!("on purpose") }));
        std::panic::catch_unwind(run).map(|_: Result<(), _>| ()).expect_err("a panic");
        event_loop.block_on(async {}).expect("the loop is still usable");
    });
    check_text(&recording).expect("a consistent recording");
    assert!(recording.contains(r#""reason":"failed""#));
}
