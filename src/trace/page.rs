//! Converts a recording to a replay page: one HTML file that needs neither a network nor a server.
//!
//! The page itself is in `page/`: a template, a style sheet and plain scripts, which are compiled into the program. This
//! file writes the recording into it: blocks of rows, one row per event, and a table of strings, all in
//! `<script type="application/json">` elements, which browsers do not execute. `page/recording.js` reads them.

mod rows;

use std::io::{self, BufRead, Write};

use serde_json::json;

use super::error::ReadError;
use super::header::RecordingHeader;
use super::narration::Narrator;
use super::reader::Reader;
use crate::observe::ClockKind;
use rows::{COLUMNS, Rows};

/// The maximum number of events in a page. The browser keeps all of them in memory, and with more it becomes slow.
pub const MAX_PAGE_EVENTS: u64 = 300_000;

/// The number of events in a block. The page parses a block of sentences when it first shows one of them.
const EVENTS_PER_BLOCK: u64 = 1024;

const TEMPLATE: &str = include_str!("page/template.html");
const STYLE: &str = include_str!("page/style.css");

/// The scripts of the page. Each may use those before it.
const SCRIPTS: &[(&str, &str)] = &[
    ("kinds", include_str!("page/kinds.js")),
    ("dom", include_str!("page/dom.js")),
    ("canvas", include_str!("page/canvas.js")),
    ("recording", include_str!("page/recording.js")),
    ("graphs", include_str!("page/graphs.js")),
    ("loop_state", include_str!("page/loop_state.js")),
    ("history", include_str!("page/history.js")),
    ("index", include_str!("page/index.js")),
    ("player", include_str!("page/player.js")),
    ("transport", include_str!("page/transport.js")),
    ("now", include_str!("page/now.js")),
    ("state_panel", include_str!("page/state_panel.js")),
    ("diagram", include_str!("page/diagram.js")),
    ("tasks", include_str!("page/tasks.js")),
    ("lanes", include_str!("page/lanes.js")),
    ("timeline", include_str!("page/timeline.js")),
    ("log", include_str!("page/log.js")),
    ("findings", include_str!("page/findings.js")),
    ("keyboard", include_str!("page/keyboard.js")),
    ("main", include_str!("page/main.js")),
];

/// The result of writing a page.
#[derive(Debug)]
pub struct PageReport {
    /// The number of events in the page.
    pub events: u64,
    /// The number of events that were left out because of [`MAX_PAGE_EVENTS`].
    pub left_out: u64,
    /// The first error in the recording, if there is one. The page shows it.
    pub error: Option<ReadError>,
}

/// Writes the replay page of a recording, up to the first error in the recording.
///
/// ```
/// use glassloop::trace::{Reader, write_page};
///
/// let recording = r#"{"format":"glassloop-trace","version":1,"glassloop":"0.1.0","argv":["x"],"pid":1,"started":"2026-11-23T06:00:00Z","clock":"real"}
/// {"seq":0,"t":41,"thread":0,"turn":1,"kind":"mark","text":"hello"}
/// "#;
/// let mut page = vec![];
/// let report = write_page(&mut Reader::open(recording.as_bytes())?, &mut page)?;
/// assert_eq!((report.events, report.left_out), (1, 0));
/// assert!(page.starts_with(b"<!doctype html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If `out` cannot be written to. An error in the recording is returned in the report, and the page shows the events
/// before it.
pub fn write_page<R: BufRead>(recording: &mut Reader<R>, out: &mut impl Write) -> io::Result<PageReport> {
    let mut report = PageReport { events: 0, left_out: 0, error: None };
    // Each piece except the first begins with a marker, which stands for the content to insert before the piece.
    for piece in TEMPLATE.split("{{") {
        let (marker, text) = piece.split_once("}}").unwrap_or(("", piece));
        match marker {
            "style" => out.write_all(STYLE.as_bytes())?,
            "recording" => write_recording(recording, &mut report, out)?,
            "scripts" => write_scripts(out)?,
            _ => {}
        }
        out.write_all(text.as_bytes())?;
    }
    Ok(report)
}

fn write_scripts(out: &mut impl Write) -> io::Result<()> {
    for (name, script) in SCRIPTS {
        // The URL is what a browser's debugger shows as the name of the script.
        write!(out, "<script>\n{script}//# sourceURL=glassloop/{name}.js\n</script>\n")?;
    }
    Ok(())
}

/// Writes the blocks of the recording, then the header and the table of strings, which are complete only at the end.
fn write_recording<R: BufRead>(
    recording: &mut Reader<R>,
    report: &mut PageReport,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut rows = Rows::default();
    let mut narrator = Narrator::default();
    for record in recording.by_ref() {
        match record {
            Err(error) => report.error = Some(error),
            Ok(_) if report.events == MAX_PAGE_EVENTS => report.left_out += 1,
            Ok(record) => {
                rows.put_sentence(&narrator.sentence(&record));
                rows.put_event(&record);
                report.events += 1;
                if report.events.is_multiple_of(EVENTS_PER_BLOCK) {
                    write_block(&mut rows, out)?;
                }
            }
        }
    }
    if !report.events.is_multiple_of(EVENTS_PER_BLOCK) {
        write_block(&mut rows, out)?;
    }
    let header = header_json(recording.header(), report, rows.cells);
    write_json("id=\"recording-header\"", &header.to_string(), out)?;
    write_json("id=\"recording-strings\"", &json!(rows.strings()).to_string(), out)
}

fn write_block(rows: &mut Rows, out: &mut impl Write) -> io::Result<()> {
    let [events, sentences] = rows.take_block();
    write_json("class=\"recording-events\"", &events, out)?;
    write_json("class=\"recording-sentences\"", &sentences, out)
}

/// Writes an element with data. Every `<` is escaped, because it could end the element or begin a comment.
fn write_json(attribute: &str, json: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<script type=\"application/json\" {attribute}>{}</script>", json.replace('<', "\\u003c"))
}

fn header_json(header: &RecordingHeader, report: &PageReport, cells: usize) -> serde_json::Value {
    let kinds: Vec<Vec<&str>> =
        COLUMNS.iter().map(|(kind, columns)| [*kind].into_iter().chain(columns.split_whitespace()).collect()).collect();
    let note = |error| format!("The recording is damaged: {error}. This page shows the events before the error.");
    let notes: Vec<String> = report.error.iter().map(note).collect();
    json!({
        "run": {
            "glassloop": header.glassloop,
            "argv": header.argv,
            "pid": header.pid,
            "started": header.started,
            "clock": if header.clock == ClockKind::Virtual { "virtual" } else { "real" },
        },
        "kinds": kinds,
        "events": report.events,
        "cells": cells,
        "left_out": report.left_out,
        "notes": notes,
        "block": EVENTS_PER_BLOCK,
    })
}

#[cfg(test)]
mod tests;
