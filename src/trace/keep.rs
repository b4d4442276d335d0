//! From an event, which borrows what it says, to a line, which owns it.

use std::time::Duration;

use super::line::{Cause, Fact, Finding, IoOutcome, Line};
use super::text::Interner;
use crate::observe::{self, Event, Kind, TaskId};

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

    fn fact(&mut self, kind: &Kind<'_>) -> Fact {
        match *kind {
            Kind::RunBegin { pool_threads, seed } => Fact::RunBegin { pool_threads: pool_threads as u64, seed },
            Kind::RunEnd { reason } => Fact::RunEnd { reason: reason.into() },
            Kind::TurnBegin(counts) => Fact::TurnBegin { counts },
            Kind::TurnEnd(counts) => Fact::TurnEnd { counts },
            Kind::WaitBegin { timeout, why } => Fact::WaitBegin { timeout: timeout.map(nanoseconds), why },
            Kind::WaitEnd { events, woken } => Fact::WaitEnd { events: events as u64, woken },
            Kind::Readiness { source, readable, writable, read_closed, write_closed, error, stale } => {
                let source = source.generation;
                Fact::Readiness { source, readable, writable, read_closed, write_closed, error, stale }
            }
            Kind::SourceAdd { source, task: by, what, descriptor, peer } => {
                Fact::SourceAdd { source: source.generation, task: task(by), what: what.into(), descriptor, peer }
            }
            Kind::SourceDel { source } => Fact::SourceDel { source: source.generation },
            Kind::Io { task: by, source, operation, outcome } => {
                let outcome = self.io_outcome(outcome);
                Fact::Io { source: source.generation, task: task(by), operation, outcome }
            }
            Kind::TimerSet { timer, task: by, deadline } => {
                Fact::TimerSet { timer: timer.generation, task: task(by), deadline: nanoseconds(deadline) }
            }
            Kind::TimerFire { timer, late } => Fact::TimerFire { timer: timer.generation, late: nanoseconds(late) },
            Kind::TimerDel { timer } => Fact::TimerDel { timer: timer.generation },
            Kind::Spawn { task: new, parent, name, future, location } => Fact::Spawn {
                task: new.generation,
                parent: task(parent),
                name: self.interner.text(name),
                future: future.into(),
                location: self.interner.place(location),
            },
            Kind::PollBegin { task, number, delay, wakes } => Fact::PollBegin {
                task: task.generation,
                number,
                delay: nanoseconds(delay),
                wakes: wakes.iter().map(|wake| wake.0).collect(),
            },
            Kind::PollEnd { task, ready, waiting_for, wakers } => {
                Fact::PollEnd { task: task.generation, ready, waiting_for: waiting_for.into(), wakers: wakers as u64 }
            }
            Kind::State { task: inside, future, of, parent, from, to } => Fact::State {
                future: future.0,
                of: of.into(),
                parent: parent.map(|parent| parent.0),
                task: task(inside),
                from: from.into(),
                to: to.into(),
            },
            Kind::Done { task, outcome } => Fact::Done { task: task.generation, outcome },
            Kind::Drop { task } => Fact::Drop { task: task.generation },
            Kind::Wake { wake, task, cause, effect } => {
                Fact::Wake { wake: wake.0, task: task.generation, cause: cause.into(), effect }
            }
            Kind::SemaphoreWait { semaphore, task: by, free } => {
                Fact::SemaphoreWait { semaphore: semaphore.0, task: task(by), free: free as u64 }
            }
            Kind::SemaphoreTake { semaphore, task: by, free } => {
                Fact::SemaphoreTake { semaphore: semaphore.0, task: task(by), free: free as u64 }
            }
            Kind::SemaphoreFree { semaphore, task: by, free } => {
                Fact::SemaphoreFree { semaphore: semaphore.0, task: task(by), free: free as u64 }
            }
            Kind::JobAdd { job, task: by, label, bytes } => {
                Fact::JobAdd { job: job.generation, task: task(by), label: label.into(), bytes }
            }
            Kind::JobStart { job, wait } => Fact::JobStart { job: job.generation, wait: nanoseconds(wait) },
            Kind::JobEnd { job, outcome } => Fact::JobEnd { job: job.generation, outcome },
            Kind::Http { task: by, exchange, step } => Fact::Http { exchange: exchange.0, task: task(by), step },
            Kind::Diagnosis { what, task: about, state, evidence, advice } => Fact::Diagnosis {
                finding: Box::new(Finding {
                    what: what.into(),
                    task: task(about),
                    state: self.interner.text(state),
                    evidence: self.interner.text(evidence),
                    advice: self.interner.text(advice),
                }),
            },
            Kind::Mark { text } => Fact::Mark { text: self.interner.text(text) },
            Kind::Dropped { number } => Fact::Dropped { number },
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
            observe::Cause::Myself => Cause::Myself,
            observe::Cause::Spawn => Cause::Spawn,
            observe::Cause::Outside => Cause::Outside,
        }
    }
}
