//! Tests of the validators that `-N` keeps on disk.

use std::time::SystemTime;

use http::header::{DATE, HeaderName};

use super::*;
use crate::event_loop::EventLoop;

struct TestDirectory {
    directory: Directory,
    _place: tempfile::TempDir,
}

fn place() -> TestDirectory {
    let place = tempfile::tempdir().expect("a temporary directory");
    TestDirectory { directory: Directory::open(place.path()).expect("a directory"), _place: place }
}

/// Records files like one run does, all with the same response headers.
fn note(directory: &Directory, files: impl IntoIterator<Item = (String, u64)>, answer: &HeaderMap) {
    let run = async {
        let mut validators = ValidatorCache::new(directory.clone(), ValidatorIndex::load(directory));
        for (path, bytes) in files {
            validators.note(path.clone(), &format!("http://a.test/{path}"), answer, bytes);
        }
        for write in validators.finish() {
            write.await.expect("it runs").expect("it is written");
        }
    };
    EventLoop::new().expect("a loop").block_on(run).expect("it ends");
}

/// Returns the conditional headers for a file.
fn conditions(directory: &Directory, path: &str, url: &str, bytes: u64) -> HeaderMap {
    let index = ValidatorIndex::load(directory);
    index.known(path, url, &whole(bytes)).map(|known| fields(&known)).unwrap_or_default()
}

/// A file that was modified just now.
fn whole(bytes: u64) -> ExistingFile {
    ExistingFile { bytes, modified: SystemTime::now(), changed: SystemTime::now() }
}

/// Records a file whose response had these headers, and returns the conditional headers for it.
fn noted<'a>(fields: impl Iterator<Item = (HeaderName, &'a str)>) -> HeaderMap {
    let place = place();
    let value = |value| HeaderValue::from_str(value).expect("a legal field");
    note(&place.directory, [("x".to_owned(), 3)], &fields.map(|(name, text)| (name, value(text))).collect());
    conditions(&place.directory, "x", "http://a.test/x", 3)
}

fn etag(value: &'static str) -> HeaderMap {
    [(ETAG, HeaderValue::from_static(value))].into_iter().collect()
}

#[test]
fn a_date_of_the_same_second_as_the_response_is_recorded_only_with_a_strong_etag() {
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (date, etag, is_noted) in [
        (MODIFIED, None, false),
        ("Sun, 06 Nov 1994 08:49:36 GMT", None, false),
        ("Sun, 06 Nov 1994 08:49:38 GMT", None, true),
        (MODIFIED, Some("\"1\""), true),
        (MODIFIED, Some("W/\"1\""), false),
        ("Sun, 06 Nov 1994 08:49:38 GMT", Some("W/\"1\""), true),
    ] {
        let fields = [(DATE, date), (LAST_MODIFIED, MODIFIED)];
        let conditions = noted(fields.into_iter().chain(etag.map(|etag| (ETAG, etag))));
        assert_eq!(conditions.contains_key(IF_MODIFIED_SINCE), is_noted, "{date} {etag:?}");
        assert_eq!(conditions.contains_key(IF_NONE_MATCH), is_noted && etag.is_some(), "{date} {etag:?}");
    }
}

#[test]
fn without_a_date_header_the_local_clock_is_used() {
    let now = httpdate::fmt_http_date(SystemTime::now());
    for date in [None, Some("yesterday")] {
        for (modified, is_noted) in [(&*now, false), ("Sun, 06 Nov 1994 08:49:37 GMT", true)] {
            let fields = [(LAST_MODIFIED, modified)];
            let conditions = noted(fields.into_iter().chain(date.map(|date| (DATE, date))));
            assert_eq!(conditions.contains_key(IF_MODIFIED_SINCE), is_noted, "{date:?} {modified}");
        }
    }
}

#[test]
fn validators_are_ignored_for_a_file_that_is_older_than_they_are() {
    let (place, modified) = (place(), SystemTime::now() - Duration::from_secs(3600));
    let date = HeaderValue::try_from(httpdate::fmt_http_date(modified)).expect("a legal field");
    let mut answer = etag("\"2\"");
    answer.insert(LAST_MODIFIED, date);
    note(&place.directory, [("x".to_owned(), 3)], &answer);
    let index = ValidatorIndex::load(&place.directory);
    for (earlier, is_known) in [(0, true), (1, true), (100, false)] {
        let whole =
            ExistingFile { bytes: 3, modified: modified - Duration::from_secs(earlier), changed: SystemTime::now() };
        let known = index.known("x", "http://a.test/x", &whole);
        assert_eq!(known.is_some(), is_known, "{earlier} s earlier");
    }
}

#[test]
fn recorded_validators_are_used_by_the_next_run_if_the_file_is_the_same() {
    let place = place();
    let directory = &place.directory;
    note(directory, [("x".to_owned(), 3)], &etag("\"1\""));
    assert_eq!(conditions(directory, "x", "http://a.test/x", 3)[IF_NONE_MATCH], "\"1\"");
    for (path, url, bytes) in [("y", "http://a.test/x", 3), ("x", "http://a.test/y", 3), ("x", "http://a.test/x", 4)] {
        assert!(conditions(directory, path, url, bytes).is_empty());
    }
    note(directory, [("x".to_owned(), 4)], &etag("\"2\""));
    assert_eq!(conditions(directory, "x", "http://a.test/x", 4)[IF_NONE_MATCH], "\"2\"", "the last line counts");
}

#[test]
fn a_truncated_line_does_not_affect_other_lines() {
    let place = place();
    let directory = &place.directory;
    note(directory, [("x".to_owned(), 3)], &etag("\"1\""));
    let file = std::fs::OpenOptions::new().append(true).open(path_in(directory)).expect("it is there");
    (&file).write_all(b"\xff\n{\"path\":\"y\",\"ur").expect("written");
    note(directory, [("z".to_owned(), 3)], &etag("\"2\""));
    for (path, is_known) in [("x", true), ("y", false), ("z", true)] {
        assert_eq!(!conditions(directory, path, &format!("http://a.test/{path}"), 3).is_empty(), is_known, "{path}");
    }
}

#[test]
fn the_index_takes_sixteen_bytes_per_file_and_superseded_lines_are_removed() {
    let place = place();
    let directory = &place.directory;
    let files = || (0..3000).map(|number| (format!("directory/{number}.gif"), number));
    for _ in 0..4 {
        note(directory, files(), &etag("\"1\""));
    }
    let index = ValidatorIndex::load(directory);
    assert_eq!((index.entries.len(), index.entries.capacity()), (3000, 3000));
    assert_eq!(std::mem::size_of_val(&index.entries[0]), 16);
    let lines = std::fs::read_to_string(path_in(directory)).expect("it is there").lines().count();
    assert!(lines <= 6000, "{lines} lines");
    for (path, bytes) in files() {
        assert!(!conditions_in(&index, &path, bytes).is_empty(), "{path}");
    }
}

fn conditions_in(index: &ValidatorIndex, path: &str, bytes: u64) -> HeaderMap {
    index.known(path, &format!("http://a.test/{path}"), &whole(bytes)).map(|known| fields(&known)).unwrap_or_default()
}
