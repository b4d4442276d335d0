//! Reading recordings: a round trip for every kind of line, and errors with line numbers.

use std::collections::HashSet;

use glassloop::EventLoop;
use glassloop::trace::{Fact, Fault, Form, ReadError, Reader, check};

use crate::programs::{everything, lines, record};

const EVERY_KIND: &str = include_str!("recordings/every_kind.jsonl");

/// Reads a recording and returns it as written again.
fn rewrite(recording: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (from, to) = (folder.path().join("from.jsonl"), folder.path().join("to.jsonl"));
    std::fs::write(&from, recording).expect("a file");
    let fault = Form::Lines.convert(&from, &to).expect("readable and writable files");
    assert!(fault.is_none(), "{fault:?}");
    std::fs::read_to_string(&to).expect("a copy")
}

fn check_text(recording: &str) -> Result<(), ReadError> {
    let mut reader = Reader::open(recording.as_bytes())?;
    check(&mut reader).map(|_| ())
}

#[test]
fn every_kind_of_line_survives_a_round_trip() {
    let present: HashSet<&str> = lines(EVERY_KIND).iter().map(|line| line.fact.kind()).collect();
    assert_eq!(Fact::KINDS.iter().filter(|kind| !present.contains(*kind)).count(), 0);
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
        (1, "glassloop-trace", "another", "this is not a recording"),
        (1, r#""version":1"#, r#""version":2"#, "version 2 of the format, and this program reads version 1"),
        (1, r#""pid":123,"#, "", "`pid` is missing"),
        (1, "virtual", "wrong", "`clock` must be real or virtual"),
        (2, r#""seq":0"#, r#""seq":1"#, "`seq` is 1 where 0 should come"),
        (3, r#""kind":"#, r#""kin":"#, "`kind` is missing"),
        (3, r#""turn_begin""#, r#""turn_start""#, "there is no kind of event called `turn_start`"),
        (3, r#""turn":1"#, r#""turn":2"#, "`turn` is 2 where 1 should come"),
        (3, "}", "", "it is not JSON"),
        (3, r#""tasks":2"#, r#""tasks":-2"#, "`tasks` must be a number, 0 or more"),
        (4, r#""number":0"#, r#""number":1"#, "task 0 is polled, by its number, 1 times before"),
        (4, r#""delay":7,"#, "", "`delay` is missing"),
        (5, r#""task":1"#, r#""task":0"#, "task 0 is spawned a second time"),
        (5, r#""location""#, r#""place""#, "`location` is missing"),
        (6, r#""t":4,"#, r#""t":2,"#, "`t` falls from 3 to 2 in thread 0"),
        (6, r#""wake":0"#, r#""wake":5"#, "the wake's number is 5 where 0 should come"),
        (6, r#"{"spawn":true}"#, r#"{"moon":true}"#, "`cause` must be one cause"),
        (6, r#"{"spawn":true}"#, r#"{"source":4}"#, "woken by source 4, never there"),
        (6, r#""queued""#, r#""stale""#, "a wake of task 1 is stale, and the task is alive"),
        (7, "127.0.0.1:8001", "127.0.0.1", "`peer` must be an address and a port"),
        (8, r#""source":2"#, r#""source":1"#, "source 1 is added a second time"),
        (12, r#""timer":2"#, r#""timer":3"#, "timer 3 ends and is not set"),
        (13, r#""thread":0"#, r#""thread":1"#, "a `job_add` on a worker"),
        (21, r#""reusable":true"#, r#""reusable":null"#, "`reusable` must be `true`, or left out"),
        (24, r#""bytes":1"#, r#""bytes":1,"eof":true"#, "`bytes` must be there alone"),
        (25, r#""eof":true"#, r#""eof":true,"note":1"#, "has no `note`"),
        (31, r#""task":0"#, r#""task":1"#, "a poll of task 1 ends and has not begun"),
        (32, r#""wakes":[0]"#, r#""wakes":[]"#, "since the last one are [0]"),
        (32, r#""turn":1"#, r#""turn":0"#, "`turn` is 0 where 1 should come"),
        (34, r#""wait_begin""#, r#""mark""#, "`text` is missing"),
        (
            35,
            r#""kind":"wait_end","events":2,"woken":true"#,
            r#""kind":"mark","text":"""#,
            "a `mark` while the loop is asleep",
        ),
        (36, r#""source":1"#, r#""source":7"#, "source 7 is ready and was never there"),
        (36, r#""error":true"#, r#""error":true,"stale":true"#, "stale and the source is there"),
        (39, r#","stale":true"#, "", "source 3 is ready and not there any more"),
        (41, r#""coalesced""#, r#""queued""#, "task 1 is queued a second time"),
        (43, "turn_begin", "turn_end", "`turn` is 2 where 1 should come"),
        (44, r#""thread":3"#, r#""thread":0"#, "`t` falls from 20000058 to 40 in thread 0"),
        (45, r#""thread":3"#, r#""thread":2"#, "job 1 ends on worker 2, which has not taken it"),
        (45, "panicked", "cancelled", "job 1 is cancelled and not queued"),
        (54, r#""task":1"#, r#""task":0"#, "task 0 ends panicked, which does not follow"),
        (55, r#""stale""#, r#""queued""#, "task 1 is queued and not alive"),
        (58, r#""aborted""#, r#""finished""#, "task 2 ends finished, which does not follow"),
        (63, r#""turn":2"#, r#""turn":3"#, "`turn` is 3 where 2 should come"),
        (64, r#""number":312"#, r#""number":0"#, "`dropped` says that nothing was"),
    ];
    for (line, what, by, wanted) in table {
        let fault = check_text(&changed(line, what, by)).expect_err(wanted);
        assert_eq!((fault.line as usize, fault.fault.to_string().contains(wanted)), (line, true), "{wanted}: {fault}");
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
    let fault = check_text(&chain(&second.replace("\"B\"", "\"X\""))).expect_err("an inconsistent recording");
    assert_eq!(fault.to_string(), "line 3: future 1 leaves `X` and is in `B`");
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
            Some(Err(ReadError { line, fault: Fault::CutOff })) => assert_eq!(*line as usize, whole_lines + 1),
            Some(Err(other)) => panic!("{other}"),
            _ => assert_eq!(text.last(), Some(&b'\n')),
        }
    }
}

#[test]
fn a_recording_of_a_killed_run_does_not_pass_the_check() {
    let recording = record(everything);
    let last_poll = recording.lines().position(|line| line.contains(r#""number":1"#)).expect("there are polls");
    for (lines, wanted) in
        [(last_poll + 1, "in the middle of a poll"), (3, "in the middle of turn 1"), (2, "before the run does")]
    {
        let text: String = recording.lines().take(lines).flat_map(|line| [line, "\n"]).collect();
        let fault = check_text(&text).expect_err("an incomplete recording");
        assert!(fault.to_string().contains(wanted), "{fault}");
    }
}

#[test]
fn other_files_are_rejected() {
    for other in ["", "\n", "hello", "{}\n", "[1,2]\n", "{\"format\":\"another\"}\n", "\u{0}\u{1}\u{2}\n"] {
        let fault = Reader::open(other.as_bytes()).expect_err("not a recording");
        assert_eq!((fault.line, matches!(fault.fault, Fault::NotARecording)), (1, true), "{other:?}: {fault}");
    }
    // A file without line breaks is not read into memory completely.
    let fault = Reader::open(std::io::BufReader::new(std::io::repeat(b'x'))).expect_err("not a recording");
    assert!(matches!(fault.fault, Fault::NotARecording));
}

#[test]
fn a_line_without_an_end_is_an_error_and_uses_bounded_memory() {
    use std::io::Read;
    let header = EVERY_KIND.lines().next().expect("a header").to_owned() + "\n";
    let endless = std::io::BufReader::new(std::io::Cursor::new(header).chain(std::io::repeat(b'x')));
    let fault = Reader::open(endless).expect("a header").next().expect("a line").expect_err("a line that is too long");
    assert!(matches!(fault.fault, Fault::TooLong), "{fault}");
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
