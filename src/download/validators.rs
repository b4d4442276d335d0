//! What files were when they were downloaded, so that the server can be asked whether they still are (RFC 9110 §13).
//!
//! One file in the folder holds the validators of all: a line of JSON each. It is read before the run and written after
//! it. What is in it is believed only as long as the file it speaks of has the size that it had.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::resume::{is_recent, text};
use super::save::{Existing, Folder, Fsync, SaveError};

/// The name of the file.
pub(super) const FILE: &str = ".glassloop-validators";

/// Validators, by the path of the file.
#[derive(Debug, Default)]
pub(super) struct Validators {
    by_path: HashMap<String, Known>,
    is_changed: bool,
}

/// What one file was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
    bytes: u64,
}

impl Validators {
    /// Reads what an earlier run knew. What cannot be read is not known. It blocks.
    pub(super) fn load(folder: &Folder) -> Validators {
        let mut validators = Validators::default();
        let Ok(file) = std::fs::File::open(folder.path().join(FILE)) else { return validators };
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            let optional = |key: &str| line[key].as_str().map(str::to_owned);
            if let (Some(path), Some(url), Some(bytes)) = (optional("path"), optional("url"), line["bytes"].as_u64()) {
                let (etag, last_modified) = (optional("etag"), optional("last_modified"));
                validators.by_path.insert(path, Known { url, etag, last_modified, bytes });
            }
        }
        validators
    }

    /// Asks for a file only if it is not what it was.
    pub(super) fn conditions(&self, path: &str, url: &str, bytes: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(known) = self.by_path.get(path).filter(|known| known.url == url && known.bytes == bytes) else {
            return headers;
        };
        for (name, value) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)] {
            if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// Remembers what a file is now.
    pub(super) fn note(&mut self, path: String, url: &str, answer: &HeaderMap, bytes: u64) {
        let etag = text(answer, &ETAG);
        // A file that is changed again within the same second keeps its date: without an ETag, only asking for all of it
        // can tell.
        let last_modified = text(answer, &LAST_MODIFIED).filter(|date| etag.is_some() || !is_recent(date, answer));
        self.by_path.insert(path, Known { url: url.to_owned(), etag, last_modified, bytes });
        self.is_changed = true;
    }

    /// Writes all down for the next run. It blocks.
    pub(super) fn save(&self, folder: &Folder) -> Result<(), SaveError> {
        if !self.is_changed {
            return Ok(());
        }
        let mut paths: Vec<&String> = self.by_path.keys().collect();
        paths.sort();
        let mut content = Vec::new();
        for path in paths {
            let Known { url, etag, last_modified, bytes } = &self.by_path[path];
            let line = json!({
                "path": path, "url": url, "etag": etag, "last_modified": last_modified, "bytes": bytes,
            });
            // Writing to memory cannot fail.
            let _infallible = writeln!(content, "{line}");
        }
        folder.save(FILE, &content, 1, Existing::Replace, Fsync::None)
    }
}

#[cfg(test)]
mod tests {
    use http::header::DATE;

    use super::*;

    #[test]
    fn a_date_of_the_very_second_of_the_answer_is_noted_only_beside_an_etag() {
        const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (date, etag, is_noted) in [
            (MODIFIED, None, false),
            ("Sun, 06 Nov 1994 08:49:36 GMT", None, false),
            ("Sun, 06 Nov 1994 08:49:38 GMT", None, true),
            (MODIFIED, Some("\"1\""), true),
        ] {
            let mut answer: HeaderMap = [(DATE, date), (LAST_MODIFIED, MODIFIED)]
                .into_iter()
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .collect();
            answer.extend(etag.map(|etag| (ETAG, HeaderValue::from_static(etag))));
            let mut validators = Validators::default();
            validators.note("x".to_owned(), "http://a.test/x", &answer, 3);
            let conditions = validators.conditions("x", "http://a.test/x", 3);
            assert_eq!(conditions.contains_key(IF_MODIFIED_SINCE), is_noted, "{date} {etag:?}");
        }
    }

    #[test]
    fn what_was_noted_is_asked_for_by_the_next_run_if_the_file_is_the_same() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(place.path()).expect("a folder");
        let answer: HeaderMap = [(ETAG, HeaderValue::from_static("\"1\""))].into_iter().collect();
        let mut validators = Validators::load(&folder);
        validators.note("x".to_owned(), "http://a.test/x", &answer, 3);
        validators.save(&folder).expect("saved");
        let next = Validators::load(&folder);
        assert_eq!(next.conditions("x", "http://a.test/x", 3)[IF_NONE_MATCH], "\"1\"");
        for (path, url, bytes) in
            [("y", "http://a.test/x", 3), ("x", "http://a.test/y", 3), ("x", "http://a.test/x", 4)]
        {
            assert!(next.conditions(path, url, bytes).is_empty());
        }
    }
}
