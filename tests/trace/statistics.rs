//! Statistics of recordings.

use glassloop::trace::Statistics;

use crate::programs::parse;

fn count(recording: &str) -> Statistics {
    let mut statistics = Statistics::default();
    parse(recording).iter().for_each(|record| statistics.add(record));
    statistics
}

#[test]
fn wakes_are_counted_by_cause_and_effect() {
    let counted = count(include_str!("recordings/every_kind.jsonl"));
    assert_eq!((counted.events, counted.turns, counted.waits, counted.tasks), (63, 2, 2, 2));
    assert_eq!(counted.polls(), 4);
    let wakes: Vec<_> = counted.wakes.into_iter().collect();
    let expected = [("job", 1), ("outside", 2), ("self", 1), ("source", 1), ("spawn", 1), ("task", 1), ("timer", 1)];
    assert_eq!(wakes, expected);
    assert_eq!((counted.coalesced, counted.stale, counted.findings, counted.dropped), (2, 1, 1, 312));
    assert_eq!((counted.poll_time.max(), counted.loop_lag.max(), counted.pool_wait.max()), (27, 26, 29));
}

/// Returns a recording of a task that a source wakes; `io` and `ready` describe the following poll.
fn woken(io: &str, ready: &str) -> String {
    let header = include_str!("recordings/every_kind.jsonl").lines().next().expect("a header");
    let events = [
        r#""kind":"source_add","source":1,"task":0,"what":"connection""#.to_owned(),
        r#""kind":"io","source":1,"task":0,"operation":"read","would_block":true"#.to_owned(),
        r#""kind":"wake","wake":0,"task":0,"cause":{"source":1},"effect":"queued""#.to_owned(),
        r#""kind":"poll_begin","task":0,"number":1,"delay":7,"wakes":[0]"#.to_owned(),
        format!(r#""kind":"io","source":1,"task":0,"operation":"read",{io}"#),
        format!(r#""kind":"poll_end","task":0{ready},"waiting_for":"input","wakers":1"#),
    ];
    let numbered = events
        .iter()
        .enumerate()
        .map(|(seq, event)| format!("{{\"seq\":{seq},\"t\":{seq},\"thread\":0,\"turn\":1,{event}}}\n"));
    format!("{header}\n{}", numbered.collect::<String>())
}

#[test]
fn a_wake_by_a_source_without_data_is_spurious() {
    assert_eq!(count(&woken(r#""would_block":true"#, "")).spurious, 1);
    for something in [r#""bytes":5"#, r#""eof":true"#, r#""error":"ConnectionReset""#] {
        assert_eq!(count(&woken(something, "")).spurious, 0, "{something}");
    }
    assert_eq!(count(&woken(r#""would_block":true"#, r#","ready":true"#)).spurious, 0);
}
