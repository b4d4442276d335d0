//! Copies events, which borrow their texts from the loop, into records, which own them.

use std::time::Duration;

use super::record::{Record, RecordKind};
use super::text::{Interner, Text};
use super::values::{Finding, RecordedCause, RecordedIoOutcome, WakeList};
use crate::observe::{
    self, Event, EventKind, FutureId, HttpStep, JobId, JobOutcome, SemaphoreId, SourceId, TaskId, TaskOutcome,
    TimeoutReason, TimerId, WakeId, WakeOutcome,
};

/// Copies events into records. Equal texts share one allocation.
#[derive(Debug, Default)]
pub(super) struct EventCopier {
    interner: Interner,
}

/// A field of an event, and the type that it has in a record.
trait EventField {
    type InRecord;

    fn copy(self) -> Self::InRecord;
}

/// Copies an event of one of the listed kinds field by field: the names are the same in the event and in the record. The
/// kinds in the second block have fields that need the interner, or have other names.
macro_rules! copy_fields {
    ($event:expr, { $($name:ident { $($field:ident),* })* } $($pattern:pat => $copy:expr,)*) => {
        match $event {
            $(EventKind::$name { $($field),* } => RecordKind::$name { $($field: $field.copy()),* },)*
            $($pattern => $copy,)*
        }
    };
}

impl EventCopier {
    /// Returns the record of an event.
    pub(super) fn copy(&mut self, event: &Event<'_>) -> Record {
        Record {
            seq: event.seq,
            time: event.time.copy(),
            thread: event.thread,
            turn: event.turn,
            kind: self.copy_kind(&event.kind),
        }
    }

    fn copy_kind(&mut self, kind: &EventKind<'_>) -> RecordKind {
        copy_fields!(*kind, {
            RunBegin { pool_threads, seed }
            RunEnd { reason }
            WaitBegin { timeout, why }
            WaitEnd { events, woken }
            Readiness { source, readable, writable, read_closed, write_closed, error, stale }
            SourceAdd { source, task, what, descriptor, peer }
            SourceDel { source }
            TimerSet { timer, task, deadline }
            TimerFire { timer, late }
            TimerDel { timer }
            PollBegin { task, number, delay, wakes }
            PollEnd { task, ready, waiting_for, wakers }
            Done { task, outcome }
            Drop { task }
            Wake { wake, task, cause, effect }
            SemaphoreWait { semaphore, task, free }
            SemaphoreTake { semaphore, task, free }
            SemaphoreFree { semaphore, task, free }
            JobAdd { job, task, label, bytes }
            JobStart { job, wait }
            JobEnd { job, outcome }
            Http { exchange, task, step }
            Dropped { number }
        }
            EventKind::TurnBegin(metrics) => RecordKind::TurnBegin { metrics },
            EventKind::TurnEnd(metrics) => RecordKind::TurnEnd { metrics },
            EventKind::Io { task, source, operation, outcome } => {
                let outcome = self.io_outcome(outcome);
                RecordKind::Io { source: source.copy(), task: task.copy(), operation, outcome }
            },
            EventKind::Spawn { task, parent, name, future, location } => RecordKind::Spawn {
                task: task.copy(),
                parent: parent.copy(),
                name: self.interner.text(name),
                future: future.copy(),
                location: self.interner.location(location),
            },
            EventKind::State { task, future, type_name, parent, from, to } => RecordKind::State {
                future: future.copy(),
                of: type_name.copy(),
                parent: parent.copy(),
                task: task.copy(),
                from: from.copy(),
                to: to.copy(),
            },
            EventKind::Finding { what, task, state, evidence, advice } => RecordKind::Finding {
                finding: Box::new(Finding {
                    what: what.copy(),
                    task: task.copy(),
                    state: self.interner.text(state),
                    evidence: self.interner.text(evidence),
                    advice: self.interner.text(advice),
                }),
            },
            EventKind::Mark { text } => RecordKind::Mark { text: self.interner.text(text) },
        )
    }

    fn io_outcome(&mut self, outcome: observe::IoOutcome) -> RecordedIoOutcome {
        match outcome {
            observe::IoOutcome::Done(bytes) => RecordedIoOutcome::Bytes(bytes as u64),
            observe::IoOutcome::WouldBlock => RecordedIoOutcome::WouldBlock,
            observe::IoOutcome::EndOfFile => RecordedIoOutcome::EndOfFile,
            observe::IoOutcome::Failed(kind) => RecordedIoOutcome::Failed(self.interner.text(&format!("{kind:?}"))),
        }
    }
}

/// Fields that are the same in a record.
macro_rules! same_in_record {
    ($($type:ty),*) => {$(
        impl EventField for $type {
            type InRecord = $type;

            fn copy(self) -> $type {
                self
            }
        }
    )*};
}

same_in_record!(u64, i32, bool, std::net::SocketAddr, TimeoutReason, TaskOutcome, WakeOutcome, JobOutcome, HttpStep);

/// Identifiers are recorded as their serial numbers.
macro_rules! serial_numbers {
    ($($type:ty => $number:ty, $part:tt;)*) => {$(
        impl EventField for $type {
            type InRecord = $number;

            fn copy(self) -> $number {
                self.$part
            }
        }
    )*};
}

serial_numbers! {
    TaskId => u32, generation;
    SourceId => u32, generation;
    TimerId => u32, generation;
    JobId => u32, generation;
    SemaphoreId => u64, 0;
    FutureId => u64, 0;
    WakeId => u64, 0;
}

impl EventField for usize {
    type InRecord = u64;

    fn copy(self) -> u64 {
        self as u64
    }
}

impl EventField for Duration {
    type InRecord = u64;

    /// Returns the nanoseconds. A `u64` overflows after 584 years; a longer time stands for "never".
    fn copy(self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl EventField for &'static str {
    type InRecord = Text;

    fn copy(self) -> Text {
        self.into()
    }
}

impl EventField for &[WakeId] {
    type InRecord = WakeList;

    fn copy(self) -> WakeList {
        self.iter().map(|wake| wake.0).collect()
    }
}

impl<T: EventField> EventField for Option<T> {
    type InRecord = Option<T::InRecord>;

    fn copy(self) -> Option<T::InRecord> {
        self.map(T::copy)
    }
}

impl EventField for observe::Cause {
    type InRecord = RecordedCause;

    fn copy(self) -> RecordedCause {
        match self {
            observe::Cause::Source(source) => RecordedCause::Source(source.copy()),
            observe::Cause::Timer(timer) => RecordedCause::Timer(timer.copy()),
            observe::Cause::Job(job) => RecordedCause::Job(job.copy()),
            observe::Cause::Task(task) => RecordedCause::Task(task.copy()),
            observe::Cause::SelfWake => RecordedCause::SelfWake,
            observe::Cause::Spawn => RecordedCause::Spawn,
            observe::Cause::External => RecordedCause::External,
        }
    }
}
