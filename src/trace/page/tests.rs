//! Tests of the data in a replay page, and of its template.

use super::rows::{PLACEHOLDER, split_numbers};
use super::{COLUMNS, MAX_PAGE_EVENTS, PageReport, Reader, SCRIPTS, STYLE, TEMPLATE, write_page};
use crate::trace::field::FieldWriter;
use crate::trace::{Record, RecordKind};

const HEADER: &str = r#"{"format":"glassloop-trace","version":1,"glassloop":"0.1.0","argv":["glassloop","</script>"],"pid":1,"started":"2026-11-23T06:00:00Z","clock":"real"}"#;

/// Writes a page of these events, to which `seq`, `t`, `thread` and `turn` are added.
fn page_of(events: &[&str]) -> (String, PageReport) {
    let mut recording = format!("{HEADER}\n");
    for (seq, event) in events.iter().enumerate() {
        recording.push_str(&format!("{{\"seq\":{seq},\"t\":{},\"thread\":0,\"turn\":1,{event}}}\n", seq * 10));
    }
    let mut reader = Reader::open(recording.as_bytes()).expect("a valid header");
    let mut page = vec![];
    let report = write_page(&mut reader, &mut page).expect("a written Vec");
    (String::from_utf8(page).expect("UTF-8"), report)
}

/// Parses the data elements with this attribute.
fn data(page: &str, attribute: &str) -> Vec<serde_json::Value> {
    page.split(&format!("<script type=\"application/json\" {attribute}>"))
        .skip(1)
        .map(|rest| {
            let (json, _) = rest.split_once("</script>").expect("an end tag");
            serde_json::from_str(json).expect("JSON")
        })
        .collect()
}

/// Collects the names of the fields that a record writes.
#[derive(Default)]
struct FieldNames(Vec<String>);

impl FieldWriter for FieldNames {
    fn number(&mut self, name: &'static str, _: u64) {
        self.0.push(name.to_owned());
    }

    fn signed(&mut self, name: &'static str, _: i64) {
        self.0.push(name.to_owned());
    }

    fn text(&mut self, name: &'static str, _: &str) {
        self.0.push(name.to_owned());
    }

    fn flag(&mut self, name: &'static str, _: bool) {
        self.0.push(name.to_owned());
    }

    fn numbers(&mut self, name: &'static str, _: &[u64]) {
        self.0.push(name.to_owned());
    }

    fn reference(&mut self, name: &'static str, _: &'static str, _: Option<u32>) {
        self.0.extend([name.to_owned(), "by".to_owned()]);
    }

    fn absent(&mut self, name: &'static str) {
        self.0.push(name.to_owned());
    }
}

/// Parses one event, to which `seq`, `t`, `thread` and `turn` are added.
fn parse(event: &str) -> Record {
    let recording = format!("{HEADER}\n{{\"seq\":0,\"t\":0,\"thread\":0,\"turn\":1,{event}}}\n");
    let mut reader = Reader::open(recording.as_bytes()).expect("a valid header");
    reader.next().expect("one record").expect("a valid record")
}

#[test]
fn the_columns_of_a_row_are_the_fields_of_the_record() {
    for event in [
        r#""kind":"turn_begin","ready":0,"tasks":0,"timers":0,"sources":0,"jobs_queued":0,"jobs_running":0"#,
        r#""kind":"source_add","source":1,"what":"connection""#,
        r#""kind":"io","source":3,"operation":"read","would_block":true"#,
        r#""kind":"poll_begin","task":2,"number":0,"delay":5,"wakes":[3]"#,
        r#""kind":"state","future":1,"of":"Exchange","from":"A","to":"B""#,
        r#""kind":"wake","wake":7,"task":2,"cause":{"self":true},"effect":"queued""#,
        r#""kind":"http","exchange":1,"step":"request""#,
        r#""kind":"diagnosis","what":"spin","state":"","evidence":"","advice":"""#,
    ] {
        let kind = parse(event).kind;
        let mut names = FieldNames::default();
        kind.write(&mut names);
        let columns = COLUMNS.iter().find(|(name, _)| *name == kind.name()).expect("a kind with columns").1;
        assert_eq!(names.0.join(" "), columns.replace(['$', '*'], ""), "{event}");
    }
}

#[test]
fn every_kind_of_event_has_columns() {
    let kinds: Vec<&str> = COLUMNS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, RecordKind::NAMES);
}

#[test]
fn a_row_contains_kind_time_turn_thread_and_the_fields_of_the_event() {
    let (page, report) = page_of(&[
        r#""kind":"mark","text":"a""#,
        r#""kind":"io","source":3,"operation":"read","would_block":true"#,
        r#""kind":"poll_begin","task":2,"number":0,"delay":5,"wakes":[3,4]"#,
        r#""kind":"wake","wake":7,"task":2,"cause":{"self":true},"effect":"queued""#,
    ]);
    assert!(report.error.is_none(), "{:?}", report.error);
    let strings = &data(&page, "id=\"recording-strings\"")[0];
    let number = |text: &str| {
        strings.as_array().and_then(|all| all.iter().position(|one| one == text)).expect("an element of the list")
    };
    let position = |kind: &str| COLUMNS.iter().position(|(name, _)| *name == kind).expect("an element of the list");
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
fn no_text_of_a_recording_can_end_its_element() {
    let (page, _) =
        page_of(&[r#""kind":"mark","text":"</script><script>alert(1)</script>--><img src=x onerror=alert(1)>""#]);
    let plain = page_of(&[r#""kind":"mark","text":"nothing""#]).0;
    for markup in ["</script", "<script", "<!--", "<img"] {
        assert_eq!(page.matches(markup).count(), plain.matches(markup).count(), "{markup}");
    }
    assert_eq!(data(&page, "id=\"recording-header\"")[0]["run"]["argv"][1], "</script>");
}

#[test]
fn the_page_makes_no_requests() {
    let (page, _) = page_of(&[]);
    assert!(page.contains("default-src 'none'"));
    for address in ["http://", "https://", "src=", "@import", "url(", "import("] {
        // The only address is the namespace of SVG, and the only `url` refers to a part of the drawing itself.
        let without = page.replace("http://www.w3.org/2000/svg", "").replace("url(#head", "");
        let found = without.matches(address).count();
        assert_eq!(found, 0, "{address}");
    }
}

#[test]
fn no_script_and_no_style_sheet_can_end_its_own_element() {
    for (name, script) in SCRIPTS {
        assert!(!script.contains("</script") && !script.contains("<!--"), "{name}.js");
        assert!(script.starts_with("\"use strict\";\n"), "{name}.js");
    }
    assert!(!STYLE.contains("</style"));
    assert_eq!(TEMPLATE.matches("{{").count(), 3);
}

#[test]
fn a_sentence_can_be_restored_from_its_template_and_numbers() {
    for (sentence, expected) in [
        ("task 7 waits 12.50 ms", vec!["7", "12", "50"]),
        ("no number", vec![]),
        ("0", vec!["0"]),
        ("12.05 ms, 007, 1234567890123456", vec!["12"]),
        ("3", vec!["3"]),
    ] {
        let (template, numbers) = split_numbers(sentence);
        assert_eq!(numbers, expected);
        let mut parts = template.split(PLACEHOLDER);
        let mut whole = parts.next().expect("a first part").to_owned();
        for (number, part) in numbers.iter().zip(parts) {
            whole.push_str(number);
            whole.push_str(part);
        }
        assert_eq!(whole, sentence);
    }
}

#[test]
fn a_page_of_a_damaged_recording_shows_the_error() {
    let recording = format!(
        "{HEADER}\n{{\"seq\":0,\"t\":1,\"thread\":0,\"turn\":1,\"kind\":\"mark\",\"text\":\"a\"}}\n{{\"seq\":1,\"t\""
    );
    let mut reader = Reader::open(recording.as_bytes()).expect("a valid header");
    let mut page = vec![];
    let report = write_page(&mut reader, &mut page).expect("a written Vec");
    assert_eq!((report.events, report.error.map(|error| error.line)), (1, Some(3)));
    let header = &data(&String::from_utf8(page).expect("UTF-8"), "id=\"recording-header\"")[0];
    assert!(header["notes"][0].as_str().is_some_and(|note| note.contains("line 3")), "{header}");
}

#[test]
fn events_beyond_the_maximum_are_counted_and_left_out() {
    let over = 5;
    let mut recording = format!("{HEADER}\n");
    for seq in 0..MAX_PAGE_EVENTS + over {
        recording.push_str(&format!(
            "{{\"seq\":{seq},\"t\":{seq},\"thread\":0,\"turn\":1,\"kind\":\"source_del\",\"source\":1}}\n"
        ));
    }
    let mut reader = Reader::open(recording.as_bytes()).expect("a valid header");
    let report = write_page(&mut reader, &mut std::io::sink()).expect("a written sink");
    assert_eq!((report.events, report.left_out), (MAX_PAGE_EVENTS, over));
}
