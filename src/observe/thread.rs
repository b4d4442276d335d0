//! What is happening on this thread: the task that is polled, what it waits for, and the cause of wakes.
//!
//! All of it is in one thread-local. It has no destructor, so it can be used even while the thread exits.

use std::cell::Cell;

use super::{Cause, FutureId, SemaphoreId, TaskId};

/// The state of a thread that runs a loop.
pub(super) struct ThreadState {
    /// Whether the running loop has an observer. `false` while the observer is called, so that calls do not nest.
    pub(super) is_observed: Cell<bool>,
    /// The task being polled.
    task: Cell<Option<TaskId>>,
    /// What the last future that returned `Pending` waits for.
    wait_reason: Cell<&'static str>,
    /// The cause of wakes, if it is not the task being polled.
    cause: Cell<Option<Cause>>,
    /// The innermost hand-written future that is being polled.
    pub(super) innermost: Cell<Option<FutureId>>,
    /// The numbers of the next future, semaphore and worker thread.
    next_future: Cell<u64>,
    next_semaphore: Cell<u64>,
    next_worker: Cell<u32>,
}

thread_local! {
    pub(super) static THREAD: ThreadState = const {
        ThreadState {
            is_observed: Cell::new(false),
            task: Cell::new(None),
            wait_reason: Cell::new(""),
            cause: Cell::new(None),
            innermost: Cell::new(None),
            next_future: Cell::new(1),
            next_semaphore: Cell::new(1),
            next_worker: Cell::new(1),
        }
    };
}

/// Returns whether there is an observer.
#[inline]
pub(crate) fn is_observed() -> bool {
    THREAD.with(|thread| thread.is_observed.get())
}

/// Returns an id for a hand-written future.
pub(super) fn next_future() -> FutureId {
    THREAD.with(|thread| FutureId(thread.next_future.replace(thread.next_future.get() + 1)))
}

/// Returns an id for a semaphore.
pub(crate) fn next_semaphore() -> SemaphoreId {
    THREAD.with(|thread| SemaphoreId(thread.next_semaphore.replace(thread.next_semaphore.get() + 1)))
}

/// Returns a number for a worker thread, which is unique among the pools of this thread. It is the thread number in events.
pub(crate) fn next_worker() -> u32 {
    THREAD.with(|thread| thread.next_worker.replace(thread.next_worker.get() + 1))
}

/// Returns the task that is being polled, if there is one.
#[inline]
pub(crate) fn current_task() -> Option<TaskId> {
    THREAD.with(|thread| thread.task.get())
}

/// Sets the task that is being polled (or whose future is being dropped), until this guard is dropped.
pub(crate) struct CurrentTask {
    outer: Option<TaskId>,
}

impl CurrentTask {
    #[inline]
    pub(crate) fn set(task: TaskId) -> CurrentTask {
        CurrentTask { outer: THREAD.with(|thread| thread.task.replace(Some(task))) }
    }
}

impl Drop for CurrentTask {
    #[inline]
    fn drop(&mut self) {
        THREAD.with(|thread| thread.task.set(self.outer));
    }
}

/// Sets what the current task waits for, in a few words, which appear in traces and in deadlock errors.
///
/// A future calls this when it is about to return `Pending`. [`TracedState`](super::TracedState) has a method for it.
///
/// ```
/// use std::{future::poll_fn, task::Poll};
/// use glassloop::{EventLoop, observe::set_wait_reason};
///
/// let stuck = EventLoop::new()?.block_on(poll_fn(|_| -> Poll<()> {
///     set_wait_reason("a letter");
///     Poll::Pending
/// }));
/// assert!(stuck.unwrap_err().to_string().contains("a letter"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn set_wait_reason(what: &'static str) {
    THREAD.with(|thread| thread.wait_reason.set(what));
}

/// Returns and clears what the current task waits for.
#[inline]
pub(crate) fn take_wait_reason() -> &'static str {
    THREAD.with(|thread| thread.wait_reason.replace(""))
}

/// Sets the cause of all wakes on this thread until it is dropped.
pub(crate) struct CauseGuard {
    /// The cause to restore.
    outer: Option<Cause>,
}

impl CauseGuard {
    /// Sets the cause.
    pub(crate) fn set(cause: Cause) -> CauseGuard {
        CauseGuard { outer: THREAD.with(|thread| thread.cause.replace(Some(cause))) }
    }
}

impl Drop for CauseGuard {
    fn drop(&mut self) {
        THREAD.with(|thread| thread.cause.set(self.outer));
    }
}

/// Returns the cause of a wake of `target` that happens now, on this thread.
pub(crate) fn current_cause(target: TaskId) -> Cause {
    match (THREAD.with(|thread| thread.cause.get()), current_task()) {
        (Some(cause), _) => cause,
        (None, Some(task)) if task == target => Cause::SelfWake,
        (None, Some(task)) => Cause::Task(task),
        (None, None) => Cause::External,
    }
}
