//! A record: one line of a recording, as a value. The table below *is* the format: the names of the kinds, their fields
//! and the order of the fields.
//!
//! The kinds are those of [`EventKind`](crate::observe::EventKind), with two differences: a record owns its texts, and it
//! identifies tasks, sources, timers and jobs by their serial numbers alone, which are unique within a run (0 is the root
//! task). All times are in nanoseconds; a time without another reference is the time since the loop was built.

use std::net::SocketAddr;

use super::error::FormatError;
use super::field::{Field, FieldWriter, Object};
use super::json::{JsonFields, put_name, put_number, put_string};
use super::text::Text;
use super::values::{Finding, RecordedCause, RecordedIoOutcome, WakeList};
use crate::observe::{HttpStep, JobOutcome, LoopMetrics, Operation, TaskOutcome, TimeoutReason, WakeOutcome};

/// One event of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The sequence number: 0, 1, 2, … without gaps.
    pub seq: u64,
    /// The time of the event. Monotonic per thread.
    pub time: u64,
    /// The thread: 0 is the loop's, 1 and up are workers.
    pub thread: u32,
    /// The turn in which the loop recorded the event.
    pub turn: u64,
    /// What happened.
    pub kind: RecordKind,
}

impl Record {
    /// Removes all fields of a record from a parsed line.
    pub(super) fn take(object: &mut Object<'_>) -> Result<Record, FormatError> {
        let seq = Field::take("seq", object)?;
        let time = Field::take("t", object)?;
        let thread = Field::take("thread", object)?;
        let turn = Field::take("turn", object)?;
        let kind: Text = Field::take("kind", object)?;
        let kind = RecordKind::take(&kind, object)?;
        match object.fields.keys().next() {
            None => Ok(Record { seq, time, thread, turn, kind }),
            Some(unknown) => Err(FormatError::UnknownField(unknown.clone())),
        }
    }

    /// Writes the record as a line of JSON.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"seq\":");
        put_number(self.seq, out);
        let mut fields = JsonFields { out };
        self.time.write("t", &mut fields);
        self.thread.write("thread", &mut fields);
        self.turn.write("turn", &mut fields);
        put_name("kind", fields.out);
        put_string(self.kind.name(), fields.out);
        self.kind.write(&mut fields);
        out.extend_from_slice(b"}\n");
    }
}

/// Defines the kinds of records, and how they are written and read, from one table.
macro_rules! record_kinds {
    ($($(#[$doc:meta])* $word:literal $name:ident { $($field:ident: $type:ty),* })*) => {
        /// What happened. The fields have the meaning of those of the same name in
        /// [`EventKind`](crate::observe::EventKind).
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // of the fields
        pub enum RecordKind {
            $($(#[$doc])* $name { $($field: $type),* },)*
        }

        impl RecordKind {
            /// The names of all kinds.
            pub const NAMES: &'static [&'static str] = &[$($word),*];

            /// Returns the name of this kind.
            pub fn name(&self) -> &'static str {
                match self {
                    $(RecordKind::$name { .. } => $word,)*
                }
            }

            /// Writes the fields of this kind.
            pub(super) fn write(&self, out: &mut impl FieldWriter) {
                match self {
                    $(RecordKind::$name { $($field),* } => { $($field.write(stringify!($field), out);)* })*
                }
            }

            /// Removes the fields of this kind from a parsed line.
            fn take(kind: &str, object: &mut Object<'_>) -> Result<RecordKind, FormatError> {
                match kind {
                    $($word => Ok(RecordKind::$name { $($field: Field::take(stringify!($field), object)?),* }),)*
                    _ => Err(FormatError::UnknownKind(kind.to_owned())),
                }
            }
        }
    };
}

record_kinds! {
    /// `block_on` starts.
    "run_begin" RunBegin { pool_threads: u64, seed: u64 }
    /// `block_on` ends: `finished`, `deadlock` or `failed`.
    "run_end" RunEnd { reason: Text }
    /// A turn starts.
    "turn_begin" TurnBegin { metrics: LoopMetrics }
    /// A turn ends.
    "turn_end" TurnEnd { metrics: LoopMetrics }
    /// The loop starts to wait in the reactor.
    "wait_begin" WaitBegin { timeout: Option<u64>, why: TimeoutReason }
    /// The wait ends.
    "wait_end" WaitEnd { events: u64, woken: bool }
    /// The reactor delivers a readiness event.
    "readiness" Readiness {
        source: u32, readable: bool, writable: bool, read_closed: bool, write_closed: bool, error: bool, stale: bool
    }
    /// A source is registered.
    "source_add" SourceAdd {
        source: u32, task: Option<u32>, what: Text, descriptor: Option<i32>, peer: Option<SocketAddr>
    }
    /// A source is deregistered.
    "source_del" SourceDel { source: u32 }
    /// A system call on a source returned.
    "io" Io { source: u32, task: Option<u32>, operation: Operation, outcome: RecordedIoOutcome }
    /// A timer is set or reset.
    "timer_set" TimerSet { timer: u32, task: Option<u32>, deadline: u64 }
    /// A timer fires.
    "timer_fire" TimerFire { timer: u32, late: u64 }
    /// A timer is cancelled.
    "timer_del" TimerDel { timer: u32 }
    /// A task is spawned.
    "spawn" Spawn { task: u32, parent: Option<u32>, name: Text, future: Text, location: Text }
    /// A task's future is dropped before it has completed.
    "drop" Drop { task: u32 }
    /// A task has ended.
    "done" Done { task: u32, outcome: TaskOutcome }
    /// A poll of a task begins.
    "poll_begin" PollBegin { task: u32, number: u64, delay: u64, wakes: WakeList }
    /// The poll ends.
    "poll_end" PollEnd { task: u32, ready: bool, waiting_for: Text, wakers: u64 }
    /// A hand-written future changes its state.
    "state" State { future: u64, of: Text, parent: Option<u64>, task: Option<u32>, from: Text, to: Text }
    /// A waker is called.
    "wake" Wake { wake: u64, task: u32, cause: RecordedCause, effect: WakeOutcome }
    /// A task starts to wait for a permit.
    "semaphore_wait" SemaphoreWait { semaphore: u64, task: Option<u32>, free: u64 }
    /// A task acquires a permit.
    "semaphore_take" SemaphoreTake { semaphore: u64, task: Option<u32>, free: u64 }
    /// A task releases a permit.
    "semaphore_free" SemaphoreFree { semaphore: u64, task: Option<u32>, free: u64 }
    /// A job is queued on a pool.
    "job_add" JobAdd { job: u32, task: Option<u32>, label: Text, bytes: u64 }
    /// A worker starts a job.
    "job_start" JobStart { job: u32, wait: u64 }
    /// A job has ended.
    "job_end" JobEnd { job: u32, outcome: JobOutcome }
    /// An HTTP exchange makes progress.
    "http" Http { exchange: u64, task: Option<u32>, step: HttpStep }
    /// The loop has detected a bug in the program.
    "diagnosis" Finding { finding: Box<Finding> }
    /// A line of text from the program.
    "mark" Mark { text: Text }
    /// Events are missing here.
    "dropped" Dropped { number: u64 }
}
