//! Why a task was woken.
//!
//! A call of `wake()` carries no reason. So the loop keeps one in a thread-local while it does something that
//! may wake: round the dispatch of a readiness event, a timer that fires, a job that ends. Inside a poll, the
//! reason is the task being polled. `wake()` reads it, and a wake from another thread carries it along.

use std::cell::Cell;

use super::{JobId, SourceId, TaskId, TimerId, current_task};

/// What made a task ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The reactor saw readiness on a source.
    Source(SourceId),
    /// A timer fired.
    Timer(TimerId),
    /// A job on a thread pool ended.
    Job(JobId),
    /// Another task woke it while it was polled: a message, a permit, a finished task.
    Task(TaskId),
    /// It woke itself: it yielded.
    SelfWake,
    /// It is new.
    Spawn,
    /// Code that is not run by the loop: another thread, or the program between two turns.
    External,
}

/// What a wake did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WakeOutcome {
    /// The task was put on the ready queue.
    Queued,
    /// The task was on the ready queue already: one poll will serve both wakes.
    Coalesced,
    /// The task had ended: nothing happened.
    Stale,
}

thread_local! {
    static CAUSE: Cell<Option<Cause>> = const { Cell::new(None) };
}

/// Says why whatever is woken is woken, until it is dropped.
pub(crate) struct CauseGuard {
    /// What was said before.
    outer: Option<Cause>,
}

impl CauseGuard {
    /// From here on, wakes on this thread are caused by `cause`.
    pub(crate) fn set(cause: Cause) -> CauseGuard {
        CauseGuard { outer: CAUSE.replace(Some(cause)) }
    }
}

impl Drop for CauseGuard {
    fn drop(&mut self) {
        CAUSE.set(self.outer);
    }
}

/// The cause of a wake of `target` that happens now, on this thread.
pub(crate) fn current_cause(target: TaskId) -> Cause {
    match (CAUSE.get(), current_task()) {
        (Some(cause), _) => cause,
        (None, Some(task)) if task == target => Cause::SelfWake,
        (None, Some(task)) => Cause::Task(task),
        (None, None) => Cause::External,
    }
}
