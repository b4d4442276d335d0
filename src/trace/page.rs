//! The replay page: a recording as one HTML file that needs nothing else, neither network nor server.
//!
//! The page itself is in `page/`: a template, a style sheet and plain scripts, one subject each, put into the program
//! when it is built. What is written here is the recording inside it: blocks of rows, one row an event, with a table of
//! strings, in `<script type="application/json">` elements, which the browser does not run. `page/recording.js` is the
//! other side of this file, and says the same.
//!
//! Sentences would be most of the page, each with numbers of its own. So a sentence is split into a template, which goes
//! into the table of strings, and the numbers that were cut out of it, which go into the row.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use serde_json::json;

use super::header::Header;
use super::line::{
    Cause, Effect, Fact, HttpStep, IoOutcome, JobOutcome, Line, LoopCounts, Operation, TaskOutcome, WaitReason,
};
use super::narration::Narrator;
use super::reader::{ReadError, Reader};
use crate::observe::ClockKind;

/// How many events a page holds. The browser keeps all of them in memory, and more than this make it slow.
pub const MOST_EVENTS: u64 = 300_000;

/// Events in a block. A block of sentences is read as a whole when one of them is looked at.
const BLOCK: u64 = 1024;

/// Where numbers were cut out of a sentence. No recording holds this character.
const HOLE: char = '\u{1}';

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
                    rows.write_block(out)?;
                }
            }
        }
    }
    if !report.events.is_multiple_of(BLOCK) {
        rows.write_block(out)?;
    }
    let header = header_json(recording.header(), report, rows.cells);
    write_json("id=\"recording-header\"", &header.to_string(), out)?;
    write_json("id=\"recording-strings\"", &json!(rows.strings.in_order).to_string(), out)
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

/// The kinds of events and their columns, in the order of the cells that [`Rows::put_fact`] writes. `$` marks text,
/// `*` a list that takes all that is left of a row.
const COLUMNS: &[(&str, &str)] = &[
    ("run_begin", "pool_threads seed"),
    ("run_end", "$reason"),
    ("turn_begin", "ready tasks timers sources jobs_queued jobs_running"),
    ("turn_end", "ready tasks timers sources jobs_queued jobs_running"),
    ("wait_begin", "timeout $why"),
    ("wait_end", "events woken"),
    ("readiness", "source readable writable read_closed write_closed error stale"),
    ("source_add", "source task $what descriptor $peer"),
    ("source_del", "source"),
    ("io", "source task $operation bytes would_block eof $error"),
    ("timer_set", "timer task deadline"),
    ("timer_fire", "timer late"),
    ("timer_del", "timer"),
    ("spawn", "task parent $name $future $location"),
    ("drop", "task"),
    ("done", "task $outcome"),
    ("poll_begin", "task number delay *wakes"),
    ("poll_end", "task ready $waiting_for wakers"),
    ("state", "future $of parent task $from $to"),
    ("wake", "wake task $cause by $effect"),
    ("semaphore_wait", "semaphore task free"),
    ("semaphore_take", "semaphore task free"),
    ("semaphore_free", "semaphore task free"),
    ("job_add", "job task $label bytes"),
    ("job_start", "job wait"),
    ("job_end", "job $outcome"),
    ("http", "exchange task $step status bytes reusable"),
    ("diagnosis", "$what task $state $evidence $advice"),
    ("mark", "$text"),
    ("dropped", "number"),
];

/// Texts, each once, with their numbers.
#[derive(Default)]
struct Strings {
    numbers: HashMap<String, usize>,
    in_order: Vec<String>,
}

impl Strings {
    fn number(&mut self, text: &str) -> usize {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.in_order.len();
        self.numbers.insert(text.to_owned(), number);
        self.in_order.push(text.to_owned());
        number
    }
}

/// The block that is being put together.
#[derive(Default)]
struct Rows {
    strings: Strings,
    /// Rows of events, as JSON without the outer brackets.
    events: String,
    /// Rows of sentences, the same way.
    sentences: String,
    /// Cells without a value that are written only if one with a value follows.
    absent: usize,
    /// How many cells there are in all rows so far.
    cells: usize,
    /// Time and turn of the row before.
    before: (u64, u64),
}

impl Rows {
    fn write_block(&mut self, out: &mut impl Write) -> io::Result<()> {
        write_json("class=\"recording-events\"", &format!("[{}]", self.events), out)?;
        write_json("class=\"recording-sentences\"", &format!("[{}]", self.sentences), out)?;
        self.events.clear();
        self.sentences.clear();
        Ok(())
    }

    fn put_sentence(&mut self, sentence: &str) {
        let (template, numbers) = cut_numbers(sentence);
        let template = self.strings.number(&template);
        separate(&mut self.sentences);
        write!(self.sentences, "[{template}").expect("writing to a string cannot fail");
        for number in numbers {
            self.sentences.push(',');
            self.sentences.push_str(number);
        }
        self.sentences.push(']');
    }

    fn put_event(&mut self, line: &Line) {
        let kind = COLUMNS.iter().position(|(kind, _)| *kind == line.fact.kind()).unwrap_or_default();
        let (time, turn) = self.before;
        self.before = (line.time, line.turn);
        separate(&mut self.events);
        write!(
            self.events,
            "[{kind},{},{},{}",
            i128::from(line.time) - i128::from(time),
            i128::from(line.turn) - i128::from(turn),
            line.thread,
        )
        .expect("writing to a string cannot fail");
        self.absent = 0;
        self.put_fact(&line.fact);
        self.events.push(']');
    }

    /// The cells of a fact, in the order of [`COLUMNS`].
    fn put_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::RunBegin { pool_threads, seed } => self.number(*pool_threads).number(*seed),
            Fact::RunEnd { reason } => self.text(reason),
            Fact::TurnBegin { counts } | Fact::TurnEnd { counts } => self.counts(counts),
            Fact::WaitBegin { timeout, why } => self.maybe(*timeout).text(match why {
                WaitReason::Ready => "ready",
                WaitReason::Timer => "timer",
                WaitReason::Forever => "forever",
            }),
            Fact::WaitEnd { events, woken } => self.number(*events).flag(*woken),
            Fact::Readiness { source, readable, writable, read_closed, write_closed, error, stale } => self
                .number(*source)
                .flag(*readable)
                .flag(*writable)
                .flag(*read_closed)
                .flag(*write_closed)
                .flag(*error)
                .flag(*stale),
            Fact::SourceAdd { source, task, what, descriptor, peer } => {
                self.number(*source).maybe(*task).text(what).maybe(*descriptor);
                match peer {
                    Some(peer) => self.text(&peer.to_string()),
                    None => self.nothing(),
                }
            }
            Fact::SourceDel { source } => self.number(*source),
            Fact::Io { source, task, operation, outcome } => {
                self.number(*source).maybe(*task).text(match operation {
                    Operation::Connect => "connect",
                    Operation::Accept => "accept",
                    Operation::Read => "read",
                    Operation::Write => "write",
                });
                match outcome {
                    IoOutcome::Bytes(bytes) => self.number(*bytes),
                    IoOutcome::WouldBlock => self.nothing().flag(true),
                    IoOutcome::EndOfFile => self.nothing().nothing().flag(true),
                    IoOutcome::Failed(error) => self.nothing().nothing().nothing().text(error),
                }
            }
            Fact::TimerSet { timer, task, deadline } => self.number(*timer).maybe(*task).number(*deadline),
            Fact::TimerFire { timer, late } => self.number(*timer).number(*late),
            Fact::TimerDel { timer } => self.number(*timer),
            Fact::Spawn { task, parent, name, future, location } => {
                self.number(*task).maybe(*parent).text(name).text(future).text(location)
            }
            Fact::Drop { task } => self.number(*task),
            Fact::Done { task, outcome } => self.number(*task).text(match outcome {
                TaskOutcome::Finished => "finished",
                TaskOutcome::Panicked => "panicked",
                TaskOutcome::Aborted => "aborted",
            }),
            Fact::PollBegin { task, number, delay, wakes } => {
                self.number(*task).number(*number).number(*delay).list(wakes.as_slice())
            }
            Fact::PollEnd { task, ready, waiting_for, wakers } => {
                self.number(*task).flag(*ready).text(waiting_for).number(*wakers)
            }
            Fact::State { future, of, parent, task, from, to } => {
                self.number(*future).text(of).maybe(*parent).maybe(*task).text(from).text(to)
            }
            Fact::Wake { wake, task, cause, effect } => {
                self.number(*wake).number(*task);
                let (word, by) = match cause {
                    Cause::Source(source) => ("source", Some(*source)),
                    Cause::Timer(timer) => ("timer", Some(*timer)),
                    Cause::Job(job) => ("job", Some(*job)),
                    Cause::Task(task) => ("task", Some(*task)),
                    Cause::Myself => ("myself", None),
                    Cause::Spawn => ("spawn", None),
                    Cause::Outside => ("outside", None),
                };
                self.text(word).maybe(by).text(match effect {
                    Effect::Queued => "queued",
                    Effect::Coalesced => "coalesced",
                    Effect::Stale => "stale",
                })
            }
            Fact::SemaphoreWait { semaphore, task, free }
            | Fact::SemaphoreTake { semaphore, task, free }
            | Fact::SemaphoreFree { semaphore, task, free } => self.number(*semaphore).maybe(*task).number(*free),
            Fact::JobAdd { job, task, label, bytes } => self.number(*job).maybe(*task).text(label).number(*bytes),
            Fact::JobStart { job, wait } => self.number(*job).number(*wait),
            Fact::JobEnd { job, outcome } => self.number(*job).text(match outcome {
                JobOutcome::Finished => "finished",
                JobOutcome::Panicked => "panicked",
                JobOutcome::Cancelled => "cancelled",
            }),
            Fact::Http { exchange, task, step } => {
                self.number(*exchange).maybe(*task);
                match step {
                    HttpStep::Request => self.text("request"),
                    HttpStep::Head(status) => self.text("head").number(*status),
                    HttpStep::Body(bytes) => self.text("body").nothing().number(*bytes),
                    HttpStep::Done { reusable } => self.text("done").nothing().nothing().flag(*reusable),
                }
            }
            Fact::Diagnosis { finding } => self
                .text(&finding.what)
                .maybe(finding.task)
                .text(&finding.state)
                .text(&finding.evidence)
                .text(&finding.advice),
            Fact::Mark { text } => self.text(text),
            Fact::Dropped { number } => self.number(*number),
        };
    }

    // -- Cells ---------------------------------------------------------------------------------------------------

    fn number(&mut self, number: impl std::fmt::Display) -> &mut Rows {
        self.cells += 1 + self.absent;
        for _ in 0..std::mem::take(&mut self.absent) {
            self.events.push_str(",null");
        }
        write!(self.events, ",{number}").expect("writing to a string cannot fail");
        self
    }

    /// Cells without a value at the end of a row are left out.
    fn nothing(&mut self) -> &mut Rows {
        self.absent += 1;
        self
    }

    fn maybe(&mut self, number: Option<impl std::fmt::Display>) -> &mut Rows {
        match number {
            Some(number) => self.number(number),
            None => self.nothing(),
        }
    }

    fn flag(&mut self, is_set: bool) -> &mut Rows {
        if is_set { self.number(1) } else { self.nothing() }
    }

    fn text(&mut self, text: &str) -> &mut Rows {
        let number = self.strings.number(text);
        self.number(number)
    }

    fn list(&mut self, numbers: &[u64]) -> &mut Rows {
        numbers.iter().fold(self, |row, number| row.number(number))
    }

    fn counts(&mut self, counts: &LoopCounts) -> &mut Rows {
        let LoopCounts { ready, tasks, timers, sources, jobs_queued, jobs_running } = counts;
        self.number(ready).number(tasks).number(timers).number(sources).number(jobs_queued).number(jobs_running)
    }
}

/// Puts a comma between this row and the one before it.
fn separate(rows: &mut String) {
    if !rows.is_empty() {
        rows.push(',');
    }
}

/// Cuts the numbers out of a sentence. Left in are those that JavaScript would write in another way: with a zero in
/// front, or with more digits than its numbers have.
fn cut_numbers(sentence: &str) -> (String, Vec<&str>) {
    let mut template = String::with_capacity(sentence.len());
    let mut numbers = vec![];
    let mut rest = sentence;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (words, tail) = rest.split_at(at);
        let (number, after) = tail.split_at(tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len()));
        template.push_str(words);
        if number.len() > 15 || (number.len() > 1 && number.starts_with('0')) {
            template.push_str(number);
        } else {
            template.push(HOLE);
            numbers.push(number);
        }
        rest = after;
    }
    template.push_str(rest);
    (template, numbers)
}

#[cfg(test)]
mod tests;
