//! Conversion to Perfetto timelines that follow the rules of the format, and tests of the validator itself.

use glassloop::EventLoop;
use glassloop::trace::{Reader, write_perfetto};

use crate::programs::{everything, hello, record, record_virtual, siblings};
use crate::timeline::validate;

fn timeline(recording: &str) -> String {
    let mut out = vec![];
    let mut reader = Reader::open(recording.as_bytes()).expect("a header");
    write_perfetto(&mut reader, &mut out).expect("a written Vec");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn timelines_of_real_runs_are_valid() {
    for program in [hello as fn(&mut EventLoop), everything, siblings] {
        let timeline = timeline(&record(program));
        let counted = validate(&timeline).expect("a valid timeline");
        assert!(counted.slices > 10 && counted.arrows > 3, "{counted:?}");
    }
}

#[test]
fn a_timeline_of_a_run_in_virtual_time_is_valid() {
    let recording = record_virtual(hello);
    validate(&timeline(&recording)).expect("a valid timeline");
}

#[test]
fn every_wake_that_led_to_a_poll_is_an_arrow_except_external_wakes() {
    let recording = record(everything);
    let lines = crate::programs::parse(&recording);
    let polled = lines.iter().map(|line| match &line.kind {
        glassloop::trace::RecordKind::PollBegin { wakes, .. } => wakes.as_slice().len(),
        _ => 0,
    });
    let external = recording.matches(r#""cause":{"outside":true},"effect":"queued""#).count();
    let counted = validate(&timeline(&recording)).expect("a valid timeline");
    assert_eq!(external, 1);
    assert_eq!(counted.arrows, polled.sum::<usize>() - external);
}

#[test]
fn a_truncated_recording_becomes_a_valid_timeline() {
    let recording = record(everything);
    let mut cut = 1;
    while cut < recording.lines().count() {
        let text: String = recording.lines().take(cut).flat_map(|line| [line, "\n"]).collect();
        validate(&timeline(&text)).unwrap_or_else(|rule| panic!("after {cut} lines: {rule}"));
        cut += 7;
    }
    let last_line = recording.trim_end().rfind('\n').expect("there are lines");
    let half = &recording[..last_line + 9];
    let mut reader = Reader::open(half.as_bytes()).expect("a header");
    let error = write_perfetto(&mut reader, std::io::sink())
        .expect("a written sink")
        .expect("an error for the incomplete line");
    assert_eq!(error.line as usize, half.lines().count());
}

#[test]
fn special_characters_in_task_names_give_a_valid_timeline() {
    let recording = record(|event_loop| {
        event_loop
            .block_on(async {
                glassloop::spawn_named("\"</script>\\\u{1}\u{7f}\u{85}\n\t\u{2028}é", async {})
                    .await
                    .expect("no panic");
            })
            .expect("no deadlock");
    });
    validate(&timeline(&recording)).expect("a valid timeline");
}

#[test]
fn the_validator_detects_a_violation_of_each_rule() {
    let good = timeline(&record(everything));
    validate(&good).expect("a valid timeline");
    let replace_first = |what: &str, by: &str| good.replacen(what, by, 1);
    let a_slice = good.lines().find(|line| line.contains(r#""cat":"wait""#)).expect("a slice");
    let an_arrow = good.lines().find(|line| line.contains(r#""ph":"f""#)).expect("an arrow");
    let a_start = good.lines().find(|line| line.contains(r#""ph":"s""#)).expect("an arrow");
    let broken = [
        ("not JSON", good[..good.len() / 2].to_owned()),
        ("other things than events", replace_first("{\"traceEvents\"", "{\"displayTimeUnit\":\"ns\",\"traceEvents\"")),
        ("not one event a line", replace_first(",\n", ",")),
        ("another escape", replace_first("the loop\"", "the \\u0041 loop\"")),
        ("the control character", replace_first("the loop\"", "the \u{7f} loop\"")),
        ("a field is null", replace_first(r#""tid":1,"name":"thread"#, r#""x":null,"tid":1,"name":"thread"#)),
        ("`pid`", replace_first(r#""pid":1,"#, r#""pid":0,"#)),
        ("`tid`", replace_first(r#""tid":1,"#, r#""tid":"1","#)),
        ("`name`", replace_first(r#""name":"turn 1""#, r#""name":"""#)),
        ("a name with a time", replace_first(r#""ph":"M","#, r#""ph":"M","ts":1.000,"#)),
        ("a name that is none", replace_first(r#""sort_index":0"#, r#""sort_index":"0""#)),
        ("has no name", replace_first(r#""tid":2,"name":"thread_name""#, r#""tid":999,"name":"thread_name""#)),
        ("three digits", good.replacen(a_slice, &a_slice.replace("\"dur\":", "\"dur\":1.5,\"x\":"), 1)),
        ("overlaps", good.replacen(a_slice, &lengthened(a_slice), 1)),
        ("a counter's value", replace_first(r#""alive":"#, r#""alive":"","was":"#)),
        ("an arrow's end without", replace_first(r#","bp":"e""#, "")),
        ("an arrow's id is used again", replace_first(r#""id":2,"#, r#""id":1,"#)),
        ("an arrow with one end", good.replacen(&format!("{an_arrow}\n"), "", 1)),
        ("begins in no slice", good.replacen(a_start, &at(a_start, "0.001"), 1)),
        ("leads backwards", good.replacen(an_arrow, &at(an_arrow, "0.001"), 1)),
        ("at the start of a poll", good.replacen(an_arrow, &at(an_arrow, "99999999.000"), 1)),
        ("an unknown phase", replace_first(r#""ph":"i""#, r#""ph":"B""#)),
    ];
    for (rule, text) in broken {
        assert_ne!(text, good, "{rule}: nothing was changed");
        let error = validate(&text).expect_err(rule);
        assert!(error.contains(rule), "{rule}: {error}");
    }
}

/// Returns the slice with a longer duration.
fn lengthened(slice: &str) -> String {
    slice.replace("\"dur\":", "\"dur\":100000")
}

/// Returns the event with another timestamp.
fn at(event: &str, time: &str) -> String {
    let (before, rest) = event.split_once("\"ts\":").expect("a timestamp");
    let end = rest.find([',', '}']).expect("the end of the timestamp");
    format!("{before}\"ts\":{time}{}", &rest[end..])
}
