//! Rows of the replay page: one for each event, and one for each sentence.
//!
//! Most sentences differ only in their numbers, and would make up most of the page. So a sentence is split into a template,
//! which goes into the table of strings, and the numbers, which go into the row.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::trace::field::FieldWriter;
use crate::trace::record::Record;

/// Marks the position of a number in a template. No recording contains this character.
pub(super) const PLACEHOLDER: char = '\u{1}';

/// The kinds of events and the columns of their rows, in the order in which
/// [`RecordKind::write`](crate::trace::record::RecordKind::write) writes the fields. `$` marks a text, and `*` a list, which
/// takes up the rest of the row.
pub(super) const COLUMNS: &[(&str, &str)] = &[
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

/// The table of strings: each text is stored once, and rows contain its number.
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

/// The rows of the current block, and the table of strings of the whole page.
#[derive(Default)]
pub(super) struct Rows {
    strings: Strings,
    /// Rows of events, as JSON without the outer brackets.
    events: String,
    /// Rows of sentences, in the same form.
    sentences: String,
    /// The number of cells without a value that are written only if a cell with a value follows.
    absent: usize,
    /// The number of cells in all rows of events so far.
    pub(super) cells: usize,
    /// The time and the turn of the previous row.
    previous: (u64, u64),
}

impl Rows {
    /// Returns the block as two JSON texts, one of events and one of sentences, and starts an empty block.
    pub(super) fn take_block(&mut self) -> [String; 2] {
        [&mut self.events, &mut self.sentences].map(|rows| {
            let block = format!("[{rows}]");
            rows.clear();
            block
        })
    }

    /// Returns the table of strings, in the order of their numbers.
    pub(super) fn strings(&self) -> &[String] {
        &self.strings.in_order
    }

    /// Adds the sentence of an event to the block.
    pub(super) fn put_sentence(&mut self, sentence: &str) {
        let (template, numbers) = split_numbers(sentence);
        let template = self.strings.number(&template);
        separate(&mut self.sentences);
        write!(self.sentences, "[{template}").expect("writing to a string cannot fail");
        for number in numbers {
            self.sentences.push(',');
            self.sentences.push_str(number);
        }
        self.sentences.push(']');
    }

    /// Adds an event to the block.
    pub(super) fn put_event(&mut self, record: &Record) {
        let kind = COLUMNS.iter().position(|(name, _)| *name == record.kind.name()).unwrap_or_default();
        let (time, turn) = self.previous;
        self.previous = (record.time, record.turn);
        separate(&mut self.events);
        write!(
            self.events,
            "[{kind},{},{},{}",
            i128::from(record.time) - i128::from(time),
            i128::from(record.turn) - i128::from(turn),
            record.thread,
        )
        .expect("writing to a string cannot fail");
        self.absent = 0;
        record.kind.write(self);
        self.events.push(']');
    }

    /// Writes a cell, and before it the cells without a value that were left out so far.
    fn cell(&mut self, cell: impl std::fmt::Display) {
        self.cells += 1 + self.absent;
        for _ in 0..std::mem::take(&mut self.absent) {
            self.events.push_str(",null");
        }
        write!(self.events, ",{cell}").expect("writing to a string cannot fail");
    }
}

/// Writes the fields of a record as cells of its row.
impl FieldWriter for Rows {
    fn number(&mut self, _name: &'static str, number: u64) {
        self.cell(number);
    }

    fn signed(&mut self, _name: &'static str, number: i64) {
        self.cell(number);
    }

    fn text(&mut self, _name: &'static str, text: &str) {
        let number = self.strings.number(text);
        self.cell(number);
    }

    fn flag(&mut self, name: &'static str, is_set: bool) {
        if is_set { self.cell(1) } else { self.absent(name) }
    }

    fn numbers(&mut self, _name: &'static str, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.cell(number));
    }

    fn reference(&mut self, name: &'static str, word: &'static str, number: Option<u32>) {
        self.text(name, word);
        match number {
            Some(number) => self.cell(number),
            None => self.absent(name),
        }
    }

    /// Counts a cell without a value. Such cells at the end of a row are left out.
    fn absent(&mut self, _name: &'static str) {
        self.absent += 1;
    }
}

/// Writes the comma between two rows.
fn separate(rows: &mut String) {
    if !rows.is_empty() {
        rows.push(',');
    }
}

/// Splits a sentence into a template and its numbers. Numbers that JavaScript would format differently stay in the template:
/// those with leading zeros, and those with more digits than its numbers have.
pub(super) fn split_numbers(sentence: &str) -> (String, Vec<&str>) {
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
            template.push(PLACEHOLDER);
            numbers.push(number);
        }
        rest = after;
    }
    template.push_str(rest);
    (template, numbers)
}
