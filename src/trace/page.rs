//! The replay page: a recording as one HTML file that needs nothing else, neither network nor server.
//!
//! The page itself is in `page/`: a template, a style sheet and plain scripts, one subject each, put into the program
//! when it is built. What is written here is the recording inside it: blocks of rows, one row an event, with a table of
//! strings, in `<script type="application/json">` elements, which the browser does not run. `page/recording.js` is the
//! other side of this file, and says the same.

mod rows;

use std::io::{self, BufRead, Write};

use serde_json::json;

use super::header::Header;
use super::narration::Narrator;
use super::reader::{ReadError, Reader};
use crate::observe::ClockKind;
use rows::{COLUMNS, Rows};

/// How many events a page holds. The browser keeps all of them in memory, and more than this make it slow.
pub const MOST_EVENTS: u64 = 300_000;

/// Events in a block. A block of sentences is read as a whole when one of them is looked at.
const BLOCK: u64 = 1024;

const TEMPLATE: &str = include_str!("page/template.html");
const STYLE: &str = include_str!("page/style.css");

/// The page's scripts, in the order in which they build on one another.
const SCRIPTS: &[(&str, &str)] = &[
    ("kinds", include_str!("page/kinds.js")),
    ("dom", include_str!("page/dom.js")),
    ("canvas", include_str!("page/canvas.js")),
    ("recording", include_str!("page/recording.js")),
    ("graphs", include_str!("page/graphs.js")),
    ("fold", include_str!("page/fold.js")),
    ("history", include_str!("page/history.js")),
    ("index", include_str!("page/index.js")),
    ("player", include_str!("page/player.js")),
    ("transport", include_str!("page/transport.js")),
    ("now", include_str!("page/now.js")),
    ("machine", include_str!("page/machine.js")),
    ("diagram", include_str!("page/diagram.js")),
    ("tasks", include_str!("page/tasks.js")),
    ("lanes", include_str!("page/lanes.js")),
    ("timeline", include_str!("page/timeline.js")),
    ("log", include_str!("page/log.js")),
    ("findings", include_str!("page/findings.js")),
    ("keyboard", include_str!("page/keyboard.js")),
    ("main", include_str!("page/main.js")),
];

/// What became of a recording on its way into a page.
#[derive(Debug)]
pub struct PageReport {
    /// Events in the page.
    pub events: u64,
    /// Events that it has no room for.
    pub left_out: u64,
    /// Where the recording stops being sound, if it does. The page says so too.
    pub fault: Option<ReadError>,
}

/// Writes the page of a recording, as far as the recording is sound.
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
/// If `out` cannot be written. A recording that cannot be read any further is no error: the page holds what could be
/// read, and says where it stopped.
pub fn write_page<R: BufRead>(recording: &mut Reader<R>, out: &mut impl Write) -> io::Result<PageReport> {
    let mut report = PageReport { events: 0, left_out: 0, fault: None };
    // Each piece but the first begins with the name of what is to be put in before it.
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
        // The name is what a browser's debugger shows.
        write!(out, "<script>\n{script}//# sourceURL=glassloop/{name}.js\n</script>\n")?;
    }
    Ok(())
}

/// Writes the recording's blocks; the header and the strings come last, when they are known.
fn write_recording<R: BufRead>(
    recording: &mut Reader<R>,
    report: &mut PageReport,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut rows = Rows::default();
    let mut narrator = Narrator::default();
    for line in recording.by_ref() {
        match line {
            Err(fault) => report.fault = Some(fault),
            Ok(_) if report.events == MOST_EVENTS => report.left_out += 1,
            Ok(line) => {
                rows.put_sentence(&narrator.tell(&line));
                rows.put_event(&line);
                report.events += 1;
                if report.events.is_multiple_of(BLOCK) {
                    write_block(&mut rows, out)?;
                }
            }
        }
    }
    if !report.events.is_multiple_of(BLOCK) {
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

/// Writes a block of data. A `<` could end the element or begin a comment in it: none is left.
fn write_json(attribute: &str, json: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<script type=\"application/json\" {attribute}>{}</script>", json.replace('<', "\\u003c"))
}

fn header_json(header: &Header, report: &PageReport, cells: usize) -> serde_json::Value {
    let kinds: Vec<Vec<&str>> =
        COLUMNS.iter().map(|(kind, columns)| [*kind].into_iter().chain(columns.split_whitespace()).collect()).collect();
    let notes: Vec<String> = report
        .fault
        .iter()
        .map(|fault| format!("The recording is not sound to its end: {fault}. This is what comes before."))
        .collect();
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
        "block": BLOCK,
    })
}

#[cfg(test)]
mod tests;
