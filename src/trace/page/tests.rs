//! Tests of the replay page's data and its template.

use super::rows::{HOLE, cut_numbers};
use super::{COLUMNS, MOST_EVENTS, PageReport, Reader, SCRIPTS, STYLE, TEMPLATE, write_page};
use crate::trace::Fact;

const HEADER: &str = r#"{"format":"glassloop-trace","version":1,"glassloop":"0.1.0","argv":["glassloop","</script>"],"pid":1,"started":"2026-11-23T06:00:00Z","clock":"real"}"#;

/// The page of a recording of these lines, which lack `seq`, `t`, `thread` and `turn`.
fn page_of(events: &[&str]) -> (String, PageReport) {
    let mut recording = format!("{HEADER}\n");
    for (seq, event) in events.iter().enumerate() {
        recording.push_str(&format!("{{\"seq\":{seq},\"t\":{},\"thread\":0,\"turn\":1,{event}}}\n", seq * 10));
    }
    let mut reader = Reader::open(recording.as_bytes()).expect("the header is sound");
    let mut page = vec![];
    let report = write_page(&mut reader, &mut page).expect("a vector takes everything");
    (String::from_utf8(page).expect("a page is UTF-8"), report)
}

/// What stands in the data elements with this attribute.
fn data(page: &str, attribute: &str) -> Vec<serde_json::Value> {
    page.split(&format!("<script type=\"application/json\" {attribute}>"))
        .skip(1)
        .map(|rest| {
            let (json, _) = rest.split_once("</script>").expect("the element ends");
            serde_json::from_str(json).expect("it is JSON")
        })
        .collect()
}

#[test]
fn every_kind_of_event_has_columns() {
    let kinds: Vec<&str> = COLUMNS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, Fact::KINDS);
}

#[test]
fn a_row_is_kind_time_turn_thread_and_the_fields_that_are_there() {
    let (page, report) = page_of(&[
        r#""kind":"mark","text":"a""#,
        r#""kind":"io","source":3,"operation":"read","would_block":true"#,
        r#""kind":"poll_begin","task":2,"number":0,"delay":5,"wakes":[3,4]"#,
        r#""kind":"wake","wake":7,"task":2,"cause":{"self":true},"effect":"queued""#,
    ]);
    assert!(report.fault.is_none(), "{:?}", report.fault);
    let strings = &data(&page, "id=\"recording-strings\"")[0];
    let number =
        |text: &str| strings.as_array().and_then(|all| all.iter().position(|one| one == text)).expect("it is there");
    let position = |kind: &str| COLUMNS.iter().position(|(name, _)| *name == kind).expect("it is there");
    assert_eq!(
        data(&page, "class=\"recording-events\"")[0],
        serde_json::json!([
            [position("mark"), 0, 1, 0, number("a")],
            [position("io"), 10, 0, 0, 3, null, number("read"), null, 1],
            [position("poll_begin"), 10, 0, 0, 2, 0, 5, 3, 4],
            [position("wake"), 10, 0, 0, 7, 2, number("self"), null, number("queued")],
        ])
    );
    assert_eq!(data(&page, "id=\"recording-header\"")[0]["cells"], 1 + 5 + 5 + 5);
}

#[test]
fn nothing_in_a_recording_can_end_its_element() {
    let (page, _) =
        page_of(&[r#""kind":"mark","text":"</script><script>alert(1)</script>--><img src=x onerror=alert(1)>""#]);
    let plain = page_of(&[r#""kind":"mark","text":"nothing""#]).0;
    for markup in ["</script", "<script", "<!--", "<img"] {
        assert_eq!(page.matches(markup).count(), plain.matches(markup).count(), "{markup}");
    }
    assert_eq!(data(&page, "id=\"recording-header\"")[0]["run"]["argv"][1], "</script>");
}

#[test]
fn the_page_fetches_nothing() {
    let (page, _) = page_of(&[]);
    assert!(page.contains("default-src 'none'"));
    for address in ["http://", "https://", "src=", "@import", "url(", "import("] {
        // The one address is the name of a vocabulary, the one `url` a part of the drawing itself.
        let without = page.replace("http://www.w3.org/2000/svg", "").replace("url(#head", "");
        let found = without.matches(address).count();
        assert_eq!(found, 0, "{address}");
    }
}

#[test]
fn no_part_of_the_page_can_end_its_own_element() {
    for (name, script) in SCRIPTS {
        assert!(!script.contains("</script") && !script.contains("<!--"), "{name}.js");
        assert!(script.starts_with("\"use strict\";\n"), "{name}.js");
    }
    assert!(!STYLE.contains("</style"));
    assert_eq!(TEMPLATE.matches("{{").count(), 3);
}

#[test]
fn numbers_are_cut_out_of_sentences_and_fit_back_in() {
    for (sentence, wanted) in [
        ("task 7 waits 12.50 ms", vec!["7", "12", "50"]),
        ("no number", vec![]),
        ("0", vec!["0"]),
        ("12.05 ms, 007, 1234567890123456", vec!["12"]),
        ("3", vec!["3"]),
    ] {
        let (template, numbers) = cut_numbers(sentence);
        assert_eq!(numbers, wanted);
        let mut parts = template.split(HOLE);
        let mut whole = parts.next().expect("a split has a first part").to_owned();
        for (number, part) in numbers.iter().zip(parts) {
            whole.push_str(number);
            whole.push_str(part);
        }
        assert_eq!(whole, sentence);
    }
}

#[test]
fn a_page_of_a_broken_recording_says_where_it_breaks() {
    let recording = format!(
        "{HEADER}\n{{\"seq\":0,\"t\":1,\"thread\":0,\"turn\":1,\"kind\":\"mark\",\"text\":\"a\"}}\n{{\"seq\":1,\"t\""
    );
    let mut reader = Reader::open(recording.as_bytes()).expect("the header is sound");
    let mut page = vec![];
    let report = write_page(&mut reader, &mut page).expect("a vector takes everything");
    assert_eq!((report.events, report.fault.map(|fault| fault.line)), (1, Some(3)));
    let header = &data(&String::from_utf8(page).expect("a page is UTF-8"), "id=\"recording-header\"")[0];
    assert!(header["notes"][0].as_str().is_some_and(|note| note.contains("line 3")), "{header}");
}

#[test]
fn beyond_the_cap_events_are_counted_and_left_out() {
    let over = 5;
    let mut recording = format!("{HEADER}\n");
    for seq in 0..MOST_EVENTS + over {
        recording.push_str(&format!(
            "{{\"seq\":{seq},\"t\":{seq},\"thread\":0,\"turn\":1,\"kind\":\"source_del\",\"source\":1}}\n"
        ));
    }
    let mut reader = Reader::open(recording.as_bytes()).expect("the header is sound");
    let report = write_page(&mut reader, &mut std::io::sink()).expect("a sink takes everything");
    assert_eq!((report.events, report.left_out), (MOST_EVENTS, over));
}
