//! An event as a row of a page, and a sentence as a template with numbers.
//!
//! Sentences would be most of the page, each with numbers of its own. So a sentence is split into a template, which goes
//! into the table of strings, and the numbers that were cut out of it, which go into the row.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::trace::line::{
    Cause, Fact, HttpStep, IoOutcome, JobOutcome, Line, LoopMetrics, Operation, TaskOutcome, TimeoutReason, WakeOutcome,
};

/// Where numbers were cut out of a sentence. No recording holds this character.
pub(super) const HOLE: char = '\u{1}';

/// The kinds of events and their columns, in the order of the cells that [`Rows::put_fact`] writes. `$` marks text,
/// `*` a list that takes all that is left of a row.
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
pub(super) struct Rows {
    strings: Strings,
    /// Rows of events, as JSON without the outer brackets.
    events: String,
    /// Rows of sentences, the same way.
    sentences: String,
    /// Cells without a value that are written only if one with a value follows.
    absent: usize,
    /// How many cells there are in all rows so far.
    pub(super) cells: usize,
    /// Time and turn of the row before.
    before: (u64, u64),
}

impl Rows {
    /// The block as two JSON texts, one of events and one of sentences. The next block begins empty.
    pub(super) fn take_block(&mut self) -> [String; 2] {
        [&mut self.events, &mut self.sentences].map(|rows| {
            let block = format!("[{rows}]");
            rows.clear();
            block
        })
    }

    /// All texts so far, in the order of their numbers.
    pub(super) fn strings(&self) -> &[String] {
        &self.strings.in_order
    }

    /// Adds the sentence of an event to the block.
    pub(super) fn put_sentence(&mut self, sentence: &str) {
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

    /// Adds an event to the block.
    pub(super) fn put_event(&mut self, line: &Line) {
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
                TimeoutReason::Ready => "ready",
                TimeoutReason::Timer => "timer",
                TimeoutReason::Forever => "forever",
                TimeoutReason::Recheck => "recheck",
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
                    Cause::SelfWake => ("self", None),
                    Cause::Spawn => ("spawn", None),
                    Cause::External => ("outside", None),
                };
                self.text(word).maybe(by).text(match effect {
                    WakeOutcome::Queued => "queued",
                    WakeOutcome::Coalesced => "coalesced",
                    WakeOutcome::Stale => "stale",
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
            Fact::Finding { finding } => self
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

    fn counts(&mut self, counts: &LoopMetrics) -> &mut Rows {
        let LoopMetrics { ready, tasks, timers, sources, jobs_queued, jobs_running } = counts;
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
pub(super) fn cut_numbers(sentence: &str) -> (String, Vec<&str>) {
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
