//! Narration: recordings as text.

use glassloop::trace::{Narrator, Reader, explain};

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
