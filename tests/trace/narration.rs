//! Narration: recordings as text.

use glassloop::observe::TimeoutReason;
use glassloop::trace::{Narrator, Reader, Record, RecordKind, explain};

use crate::programs::parse;

/// A recording of two tasks and a timer.
const RECORDING: &str = include_str!("recordings/hello_turns.jsonl");

#[test]
fn the_narration_of_two_tasks_and_a_timer_is_as_expected() {
    let mut text = vec![];
    let mut reader = Reader::open(RECORDING.as_bytes()).expect("a header");
    let error = explain(&mut reader, &mut text).expect("a written Vec");
    assert!(error.is_none(), "{error:?}");
    assert_eq!(String::from_utf8(text).expect("UTF-8"), include_str!("recordings/hello_turns.txt"));
}

#[test]
fn every_kind_of_event_has_a_sentence() {
    let mut narrator = Narrator::default();
    let sentences: String =
        parse(include_str!("recordings/every_kind.jsonl")).iter().map(|line| narrator.sentence(line) + "\n").collect();
    assert_eq!(sentences, include_str!("recordings/every_kind.txt"));
}

#[test]
fn a_wait_that_ends_before_its_timeout_without_an_event_was_interrupted() {
    let end_of_wait = |waited: u64| {
        let mut narrator = Narrator::default();
        let record = |time, kind| Record { seq: 0, time, thread: 0, turn: 1, kind };
        let begin = RecordKind::WaitBegin { timeout: Some(20_000), why: TimeoutReason::Timer };
        narrator.sentence(&record(1_000, begin));
        narrator.sentence(&record(1_000 + waited, RecordKind::WaitEnd { events: 0, woken: false }))
    };
    assert_eq!(end_of_wait(20_000), "The wait ends: timeout.");
    assert_eq!(end_of_wait(19_999), "The wait ends: interrupted by a signal (EINTR).");
}
