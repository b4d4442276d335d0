//! Types of fields that are particular to recordings: the cause of a wake, the outcome of a system call, and so on.
//!
//! The types in the second half of this file take up several fields of a record.

use serde_json::Value;

use super::error::FormatError;
use super::field::{Field, FieldWriter, Object};
use super::text::Text;
use crate::observe::{HttpStep, JobOutcome, LoopMetrics, Operation, TaskOutcome, TimeoutReason, WakeOutcome};

/// What caused a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordedCause {
    /// The reactor delivered a readiness event of this source.
    Source(u32),
    /// This timer fired.
    Timer(u32),
    /// This job ended.
    Job(u32),
    /// This task woke it during its own poll.
    Task(u32),
    /// The task woke itself.
    SelfWake,
    /// The task was spawned.
    Spawn,
    /// Code that the loop does not run: another thread, or the program between two calls of `turn`.
    External,
}

impl RecordedCause {
    /// Returns the word for the cause in recordings and statistics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            RecordedCause::Source(_) => "source",
            RecordedCause::Timer(_) => "timer",
            RecordedCause::Job(_) => "job",
            RecordedCause::Task(_) => "task",
            RecordedCause::SelfWake => "self",
            RecordedCause::Spawn => "spawn",
            RecordedCause::External => "outside",
        }
    }
}

impl Field for RecordedCause {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        let number = match *self {
            RecordedCause::Source(number)
            | RecordedCause::Timer(number)
            | RecordedCause::Job(number)
            | RecordedCause::Task(number) => Some(number),
            RecordedCause::SelfWake | RecordedCause::Spawn | RecordedCause::External => None,
        };
        out.reference(name, self.as_str(), number);
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<RecordedCause, FormatError> {
        let value = object.value(name)?;
        let only = value.as_object().filter(|cause| cause.len() == 1).and_then(|cause| cause.iter().next());
        let cause = only.and_then(|(word, value)| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            match (word.as_str(), number, value.as_bool()) {
                ("source", Some(source), _) => Some(RecordedCause::Source(source)),
                ("timer", Some(timer), _) => Some(RecordedCause::Timer(timer)),
                ("job", Some(job), _) => Some(RecordedCause::Job(job)),
                ("task", Some(task), _) => Some(RecordedCause::Task(task)),
                ("self", _, Some(true)) => Some(RecordedCause::SelfWake),
                ("spawn", _, Some(true)) => Some(RecordedCause::Spawn),
                ("outside", _, Some(true)) => Some(RecordedCause::External),
                _ => None,
            }
        });
        cause.ok_or(FormatError::Invalid { field: name, expected: "one cause, for example {\"source\":3}" })
    }
}

/// The numbers of the wakes that led to a poll. In nearly all records there is one, which needs no allocation.
#[derive(Clone)]
pub enum WakeList {
    /// Up to two wakes: the array, and how many of its elements are used.
    Inline([u64; 2], usize),
    /// More than two wakes.
    Heap(Box<[u64]>),
}

impl WakeList {
    /// Returns the numbers in the order of the wakes.
    pub fn as_slice(&self) -> &[u64] {
        match self {
            WakeList::Inline(wakes, length) => &wakes[..*length],
            WakeList::Heap(wakes) => wakes,
        }
    }
}

impl FromIterator<u64> for WakeList {
    fn from_iter<I: IntoIterator<Item = u64>>(wakes: I) -> WakeList {
        let mut wakes = wakes.into_iter();
        let mut inline = [0; 2];
        for length in 0..inline.len() {
            match wakes.next() {
                Some(wake) => inline[length] = wake,
                None => return WakeList::Inline(inline, length),
            }
        }
        match wakes.next() {
            None => WakeList::Inline(inline, inline.len()),
            Some(third) => WakeList::Heap(inline.into_iter().chain([third]).chain(wakes).collect()),
        }
    }
}

impl PartialEq for WakeList {
    fn eq(&self, other: &WakeList) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl std::fmt::Debug for WakeList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl Field for WakeList {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        out.numbers(name, self.as_slice());
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<WakeList, FormatError> {
        let wakes = match object.value(name)? {
            Value::Array(wakes) => wakes.iter().map(Value::as_u64).collect(),
            _ => None,
        };
        wakes.ok_or(FormatError::Invalid { field: name, expected: "a list of numbers" })
    }
}

/// Implements [`Field`] for enumerations, each of which is written as one word.
macro_rules! enumerations {
    ($($type:ident, $expected:literal { $($word:literal $name:ident),* })*) => {$(
        impl $type {
            /// Returns the word for this value in recordings.
            pub(super) fn as_str(self) -> &'static str {
                match self {
                    $($type::$name => $word,)*
                }
            }
        }

        impl Field for $type {
            fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
                out.text(name, self.as_str());
            }

            fn take(name: &'static str, object: &mut Object<'_>) -> Result<$type, FormatError> {
                match object.string(name)?.as_str() {
                    $($word => Ok($type::$name),)*
                    _ => Err(FormatError::Invalid { field: name, expected: $expected }),
                }
            }
        }
    )*};
}

enumerations! {
    WakeOutcome, "queued, coalesced or stale" { "queued" Queued, "coalesced" Coalesced, "stale" Stale }
    TimeoutReason, "ready, timer, forever or recheck" {
        "ready" Ready, "timer" Timer, "forever" Forever, "recheck" Recheck
    }
    Operation, "connect, accept, read or write" {
        "connect" Connect, "accept" Accept, "read" Read, "write" Write
    }
    TaskOutcome, "finished, panicked or aborted" { "finished" Finished, "panicked" Panicked, "aborted" Aborted }
    JobOutcome, "finished, panicked or cancelled" { "finished" Finished, "panicked" Panicked, "cancelled" Cancelled }
}

// From here on: types that take up several fields of a record, which is why they ignore the name.

impl Field for LoopMetrics {
    fn write(&self, _name: &'static str, out: &mut impl FieldWriter) {
        out.number("ready", self.ready as u64);
        out.number("tasks", self.tasks as u64);
        out.number("timers", self.timers as u64);
        out.number("sources", self.sources as u64);
        out.number("jobs_queued", self.jobs_queued as u64);
        out.number("jobs_running", self.jobs_running as u64);
    }

    fn take(_name: &'static str, object: &mut Object<'_>) -> Result<LoopMetrics, FormatError> {
        Ok(LoopMetrics {
            ready: object.number("ready")? as usize,
            tasks: object.number("tasks")? as usize,
            timers: object.number("timers")? as usize,
            sources: object.number("sources")? as usize,
            jobs_queued: object.number("jobs_queued")? as usize,
            jobs_running: object.number("jobs_running")? as usize,
        })
    }
}

/// The outcome of a system call on a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedIoOutcome {
    /// The number of bytes that were transferred; 1 for an accepted connection, 0 for an outgoing connection.
    Bytes(u64),
    /// Nothing to read, or no space to write.
    WouldBlock,
    /// The peer has closed its side of the connection.
    EndOfFile,
    /// The call failed with an error of this kind.
    Failed(Text),
}

impl Field for RecordedIoOutcome {
    fn write(&self, _name: &'static str, out: &mut impl FieldWriter) {
        let (bytes, error) = match self {
            RecordedIoOutcome::Bytes(bytes) => (Some(*bytes), None),
            RecordedIoOutcome::Failed(error) => (None, Some(error.clone())),
            RecordedIoOutcome::WouldBlock | RecordedIoOutcome::EndOfFile => (None, None),
        };
        bytes.write("bytes", out);
        out.flag("would_block", *self == RecordedIoOutcome::WouldBlock);
        out.flag("eof", *self == RecordedIoOutcome::EndOfFile);
        error.write("error", out);
    }

    fn take(_name: &'static str, object: &mut Object<'_>) -> Result<RecordedIoOutcome, FormatError> {
        let bytes: Option<u64> = Field::take("bytes", object)?;
        let error: Option<Text> = Field::take("error", object)?;
        match (bytes, object.flag("would_block")?, object.flag("eof")?, error) {
            (Some(bytes), false, false, None) => Ok(RecordedIoOutcome::Bytes(bytes)),
            (None, true, false, None) => Ok(RecordedIoOutcome::WouldBlock),
            (None, false, true, None) => Ok(RecordedIoOutcome::EndOfFile),
            (None, false, false, Some(error)) => Ok(RecordedIoOutcome::Failed(error)),
            _ => Err(FormatError::Invalid {
                field: "bytes",
                expected: "present, or exactly one of would_block, eof and error instead of it",
            }),
        }
    }
}

impl HttpStep {
    /// Returns the word for the step in recordings.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            HttpStep::Request => "request",
            HttpStep::Head(_) => "head",
            HttpStep::Body(_) => "body",
            HttpStep::Done { .. } => "done",
        }
    }
}

impl Field for HttpStep {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        let (status, bytes) = match *self {
            HttpStep::Head(status) => (Some(u64::from(status)), None),
            HttpStep::Body(bytes) => (None, Some(bytes)),
            HttpStep::Request | HttpStep::Done { .. } => (None, None),
        };
        out.text(name, self.as_str());
        status.write("status", out);
        bytes.write("bytes", out);
        out.flag("reusable", *self == HttpStep::Done { reusable: true });
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<HttpStep, FormatError> {
        match object.string(name)?.as_str() {
            "request" => Ok(HttpStep::Request),
            "head" => match u16::try_from(object.number("status")?) {
                Ok(status) => Ok(HttpStep::Head(status)),
                Err(_) => Err(FormatError::Invalid { field: "status", expected: "an HTTP status" }),
            },
            "body" => Ok(HttpStep::Body(object.number("bytes")?)),
            "done" => Ok(HttpStep::Done { reusable: object.flag("reusable")? }),
            _ => Err(FormatError::Invalid { field: name, expected: "request, head, body or done" }),
        }
    }
}

/// A bug that the loop has detected in the program that it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of the finding, for example `deadlock`.
    pub what: Text,
    /// The task that the finding is about.
    pub task: Option<u32>,
    /// The state of the task.
    pub state: Text,
    /// The evidence for the finding.
    pub evidence: Text,
    /// What to check or to change in the program.
    pub advice: Text,
}

impl Field for Box<Finding> {
    fn write(&self, _name: &'static str, out: &mut impl FieldWriter) {
        self.what.write("what", out);
        self.task.write("task", out);
        self.state.write("state", out);
        self.evidence.write("evidence", out);
        self.advice.write("advice", out);
    }

    fn take(_name: &'static str, object: &mut Object<'_>) -> Result<Box<Finding>, FormatError> {
        Ok(Box::new(Finding {
            what: Field::take("what", object)?,
            task: Field::take("task", object)?,
            state: Field::take("state", object)?,
            evidence: Field::take("evidence", object)?,
            advice: Field::take("advice", object)?,
        }))
    }
}
