//! From an event, which borrows what it says, to a line, which owns it.

use std::time::Duration;

use super::line::{Cause, Fact, Finding, IoOutcome, Line};
use super::text::Interner;
use crate::observe::{self, Event, EventKind, TaskId};

/// Makes lines of events.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    interner: Interner,
}

/// Nanoseconds. What does not fit is five hundred years away.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A task's serial number.
fn task(id: Option<TaskId>) -> Option<u32> {
    id.map(|id| id.generation)
}

impl Keeper {
    /// The line of this event.
    pub(super) fn keep(&mut self, event: &Event<'_>) -> Line {
        Line {
            seq: event.seq,
            time: nanoseconds(event.time),
            thread: event.thread,
            turn: event.turn,
            fact: self.fact(&event.kind),
        }
    }

    fn fact(&mut self, kind: &EventKind<'_>) -> Fact {
        match *kind {
            EventKind::RunBegin { pool_threads, seed } => Fact::RunBegin { pool_threads: pool_threads as u64, seed },
            EventKind::RunEnd { reason } => Fact::RunEnd { reason: reason.into() },
            EventKind::TurnBegin(counts) => Fact::TurnBegin { counts },
            EventKind::TurnEnd(counts) => Fact::TurnEnd { counts },
            EventKind::WaitBegin { timeout, why } => Fact::WaitBegin { timeout: timeout.map(nanoseconds), why },
            EventKind::WaitEnd { events, woken } => Fact::WaitEnd { events: events as u64, woken },
            EventKind::Readiness { source, readable, writable, read_closed, write_closed, error, stale } => {
                let source = source.generation;
                Fact::Readiness { source, readable, writable, read_closed, write_closed, error, stale }
            }
            EventKind::SourceAdd { source, task: by, what, descriptor, peer } => {
                Fact::SourceAdd { source: source.generation, task: task(by), what: what.into(), descriptor, peer }
            }
            EventKind::SourceDel { source } => Fact::SourceDel { source: source.generation },
            EventKind::Io { task: by, source, operation, outcome } => {
                let outcome = self.io_outcome(outcome);
                Fact::Io { source: source.generation, task: task(by), operation, outcome }
            }
            EventKind::TimerSet { timer, task: by, deadline } => {
                Fact::TimerSet { timer: timer.generation, task: task(by), deadline: nanoseconds(deadline) }
            }
            EventKind::TimerFire { timer, late } => {
                Fact::TimerFire { timer: timer.generation, late: nanoseconds(late) }
            }
            EventKind::TimerDel { timer } => Fact::TimerDel { timer: timer.generation },
            EventKind::Spawn { task: new, parent, name, future, location } => Fact::Spawn {
                task: new.generation,
                parent: task(parent),
                name: self.interner.text(name),
                future: future.into(),
                location: self.interner.place(location),
            },
            EventKind::PollBegin { task, number, delay, wakes } => Fact::PollBegin {
                task: task.generation,
                number,
                delay: nanoseconds(delay),
                wakes: wakes.iter().map(|wake| wake.0).collect(),
            },
            EventKind::PollEnd { task, ready, waiting_for, wakers } => {
                Fact::PollEnd { task: task.generation, ready, waiting_for: waiting_for.into(), wakers: wakers as u64 }
            }
            EventKind::State { task: inside, future, type_name, parent, from, to } => Fact::State {
                future: future.0,
                of: type_name.into(),
                parent: parent.map(|parent| parent.0),
                task: task(inside),
                from: from.into(),
                to: to.into(),
            },
            EventKind::Done { task, outcome } => Fact::Done { task: task.generation, outcome },
            EventKind::Drop { task } => Fact::Drop { task: task.generation },
            EventKind::Wake { wake, task, cause, effect } => {
                Fact::Wake { wake: wake.0, task: task.generation, cause: cause.into(), effect }
            }
            EventKind::SemaphoreWait { semaphore, task: by, free } => {
                Fact::SemaphoreWait { semaphore: semaphore.0, task: task(by), free: free as u64 }
            }
            EventKind::SemaphoreTake { semaphore, task: by, free } => {
                Fact::SemaphoreTake { semaphore: semaphore.0, task: task(by), free: free as u64 }
            }
            EventKind::SemaphoreFree { semaphore, task: by, free } => {
                Fact::SemaphoreFree { semaphore: semaphore.0, task: task(by), free: free as u64 }
            }
            EventKind::JobAdd { job, task: by, label, bytes } => {
                Fact::JobAdd { job: job.generation, task: task(by), label: label.into(), bytes }
            }
            EventKind::JobStart { job, wait } => Fact::JobStart { job: job.generation, wait: nanoseconds(wait) },
            EventKind::JobEnd { job, outcome } => Fact::JobEnd { job: job.generation, outcome },
            EventKind::Http { task: by, exchange, step } => Fact::Http { exchange: exchange.0, task: task(by), step },
            EventKind::Finding { what, task: about, state, evidence, advice } => Fact::Finding {
                finding: Box::new(Finding {
                    what: what.into(),
                    task: task(about),
                    state: self.interner.text(state),
                    evidence: self.interner.text(evidence),
                    advice: self.interner.text(advice),
                }),
            },
            EventKind::Mark { text } => Fact::Mark { text: self.interner.text(text) },
            EventKind::Dropped { number } => Fact::Dropped { number },
        }
    }

    fn io_outcome(&mut self, outcome: observe::IoOutcome) -> IoOutcome {
        match outcome {
            observe::IoOutcome::Done(bytes) => IoOutcome::Bytes(bytes as u64),
            observe::IoOutcome::WouldBlock => IoOutcome::WouldBlock,
            observe::IoOutcome::EndOfFile => IoOutcome::EndOfFile,
            observe::IoOutcome::Failed(kind) => IoOutcome::Failed(self.interner.text(&format!("{kind:?}"))),
        }
    }
}

impl From<observe::Cause> for Cause {
    fn from(cause: observe::Cause) -> Cause {
        match cause {
            observe::Cause::Source(source) => Cause::Source(source.generation),
            observe::Cause::Timer(timer) => Cause::Timer(timer.generation),
            observe::Cause::Job(job) => Cause::Job(job.generation),
            observe::Cause::Task(task) => Cause::Task(task.generation),
            observe::Cause::SelfWake => Cause::SelfWake,
            observe::Cause::Spawn => Cause::Spawn,
            observe::Cause::External => Cause::External,
        }
    }
}
