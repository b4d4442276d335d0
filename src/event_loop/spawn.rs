//! `spawn`, and the handle that it returns.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use super::completion::{CompletionQueue, StoreResult, TaskResult};
use super::core::Core;
use super::current;
use super::join_error::JoinError;
use super::task::{NewTask, TaskName};
use crate::observe::{TaskId, is_observed, log_error, notes, polled_after_ready, set_wait_reason};

/// Spawns a future as a new task, which is added to the ready queue. It is not polled inside this call.
///
/// The task is named after the future's type; use [`spawn_named`] to choose a name. If the [`JoinHandle`] is dropped, the
/// task continues in the background.
///
/// ```
/// use glassloop::{EventLoop, spawn};
///
/// let mut event_loop = EventLoop::new()?;
/// let sum = event_loop.block_on(async {
///     let task = spawn(async { 1 + 1 });
///     task.await
/// })??;
/// assert_eq!(sum, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If no loop is running on this thread.
#[track_caller]
pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    let name = TaskName::Type(std::any::type_name::<F>());
    spawn_on(&current::core(), future, name, Location::caller(), None)
}

/// Spawns a future as a new task with a name, which appears in recordings and error messages.
///
/// # Panics
/// If no loop is running on this thread.
#[track_caller]
pub fn spawn_named<F: Future + 'static>(name: &str, future: F) -> JoinHandle<F::Output> {
    spawn_on(&current::core(), future, TaskName::Given(name.into()), Location::caller(), None)
}

/// Spawns a future. `completed` is the queue to which a task of a `JoinSet` adds its key when it completes, and that key.
pub(super) fn spawn_on<F: Future + 'static>(
    core: &Rc<Core>,
    future: F,
    name: TaskName,
    location: &'static Location<'static>,
    completed: Option<(Rc<CompletionQueue>, usize)>,
) -> JoinHandle<F::Output> {
    let slot = Rc::new(TaskResult::new(completed));
    let on_complete = StoreResult { slot: slot.clone(), name: name.clone() };
    // A loop that is shutting down returns the task. Dropping it stores `JoinError::Aborted`.
    let id = core.spawn(NewTask { future, on_complete, name, location }).ok();
    JoinHandle { slot, id, core: Rc::downgrade(core) }
}

/// A handle to a spawned task. Await it for the result, drop it to detach the task, or abort the task.
pub struct JoinHandle<T> {
    slot: Rc<TaskResult<T>>,
    /// `None` if the loop rejected the task.
    id: Option<TaskId>,
    core: Weak<Core>,
}

impl<T> JoinHandle<T> {
    /// Aborts the task: its future is dropped when the task is next dequeued, not inside this call (I13). Operations that
    /// it has started elsewhere, such as a job on a pool, are not undone.
    pub fn abort(&self) {
        if let (Some(core), Some(id)) = (self.core.upgrade(), self.id) {
            core.abort(id);
        }
    }

    /// Returns whether the task has ended: completed, panicked, or aborted.
    pub fn is_finished(&self) -> bool {
        self.slot.is_finished.get()
    }

    /// Returns the task's id. `None` if the loop was shutting down and rejected the task.
    pub fn id(&self) -> Option<TaskId> {
        self.id
    }

    /// Returns the result if the task has ended and the result was not returned before.
    pub(super) fn try_take(&self) -> Option<Result<T, JoinError>> {
        self.slot.result.take()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.try_take() {
            return Poll::Ready(result);
        }
        if self.is_finished() {
            polled_after_ready("JoinHandle");
        }
        if self.slot.waker.register(cx.waker())
            && let Some(result) = self.try_take()
        {
            return Poll::Ready(result); // I6
        }
        if let Some(task) = self.id {
            notes::record_awaited(task);
        }
        set_wait_reason("a task");
        Poll::Pending
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.slot.is_detached.set(true);
        if is_observed()
            && let Some(core) = current::try_core()
        {
            core.findings.check_undecided(&*core);
        }
        self.slot.waker.clear();
        // I12: a panic that the program has not received is logged.
        if let Some(Err(error @ JoinError::Panicked { .. })) = self.try_take() {
            log_error(format_args!("{error}"));
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id).field("finished", &self.is_finished()).finish()
    }
}
