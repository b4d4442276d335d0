//! The causes of wakes.
//!
//! `wake()` has no parameter for its cause. So the loop stores the cause in a thread-local (`thread.rs`) while it does
//! something that may call wakers: while it dispatches a readiness event, fires a timer, or delivers the result of a job.
//! During a poll, the cause is the task that is polled. `wake()` reads the thread-local. The cause of a wake from another
//! thread is [`Cause::External`].

use super::{JobId, SourceId, TaskId, TimerId};

/// What caused a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The reactor delivered a readiness event of this source.
    Source(SourceId),
    /// This timer fired.
    Timer(TimerId),
    /// This job on a thread pool ended.
    Job(JobId),
    /// This task called the waker during its own poll: it sent a message, released a permit, or completed.
    Task(TaskId),
    /// The task woke itself, for example to yield.
    SelfWake,
    /// The task was spawned.
    Spawn,
    /// Code that the loop does not run: another thread, or the program between two calls of `turn`.
    External,
}

/// The effect of a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WakeOutcome {
    /// The task was added to the ready queue.
    Queued,
    /// The task was already in the ready queue: one poll follows both wakes.
    Coalesced,
    /// The task had ended: the wake had no effect.
    Stale,
}
