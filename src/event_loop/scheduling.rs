//! The life of a task: how it becomes ready, is polled, and ends.
//!
//! The root task takes the same steps as the others, except that its future is on the stack of the caller of `block_on`.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use super::core::Core;
use super::remote::RemoteMessage;
use super::task::{self, ErasedTask, NewTask, OnComplete, TaskFuture, TaskWaker};
use crate::observe::{Cause, CurrentTask, TaskId, TaskOutcome, WakeOutcome, contain, is_observed, take_wait_reason};

impl Core {
    /// Adds a task and makes it ready. Returns the parameters if the loop is shutting down.
    pub(crate) fn spawn<F, C>(&self, new: NewTask<F, C>) -> Result<TaskId, NewTask<F, C>>
    where
        F: Future + 'static,
        C: OnComplete<F::Output> + 'static,
    {
        if self.is_closing.get() {
            return Err(new);
        }
        let location = new.location;
        let id = task::insert(&mut self.tasks.borrow_mut(), new, &self.remote);
        self.emit_spawn(id, std::any::type_name::<F>(), location);
        self.wake(id, Cause::Spawn);
        Ok(id)
    }

    /// Makes a task ready, and emits the wake.
    pub(crate) fn wake(&self, id: TaskId, cause: Cause) {
        let outcome = self.schedule(id);
        if is_observed() {
            self.emit_wake(id, cause, outcome);
        }
    }

    /// Makes a task ready by setting a flag and adding it to the queue, unless it is there already (I3). Runs no user code.
    #[inline]
    pub(crate) fn schedule(&self, id: TaskId) -> WakeOutcome {
        match self.tasks.borrow().get(id) {
            None => WakeOutcome::Stale,
            Some(task) if task.scheduled.replace(true) => WakeOutcome::Coalesced,
            Some(_) => {
                self.ready.borrow_mut().push(id);
                WakeOutcome::Queued
            }
        }
    }

    /// Makes the root task ready.
    pub(crate) fn wake_root(&self) {
        if let Some(observed) = self.tasks.borrow_mut().get_mut(TaskId::ROOT).and_then(|root| root.observed.as_mut()) {
            observed.queued_at = self.clock.elapsed();
        }
        self.schedule(TaskId::ROOT);
    }

    /// Sets whether the program drives the loop with `turn`, and not with `block_on`.
    pub(crate) fn set_driven_by_turn(&self, is_driven_by_turn: bool) {
        if let Some(root) = self.tasks.borrow().get(TaskId::ROOT) {
            root.is_driven_by_turn.set(is_driven_by_turn);
        }
    }

    /// Marks a task as aborted, and makes it ready so that the loop drops it (I13).
    pub(crate) fn abort(&self, id: TaskId) {
        let is_marked = self.tasks.borrow().get(id).is_some_and(|task| !task.aborted.replace(true));
        if is_marked {
            self.schedule(id);
        }
    }

    /// Processes a message from another thread.
    pub(crate) fn handle_message(&self, message: RemoteMessage) {
        match message {
            RemoteMessage::Wake { task } => {
                if let Some(task) = self.tasks.borrow().get(task) {
                    task.header.clear_remote_pending();
                }
                self.wake(task, Cause::External);
            }
            RemoteMessage::JobStarted { job, worker, at } => {
                self.jobs.start(job, self.clock.elapsed_at(at), worker, at);
            }
            RemoteMessage::JobEnded { job, worker, at, panicked } => {
                self.jobs.end(job, self.clock.elapsed_at(at), worker, panicked);
            }
        }
    }

    /// Polls a task that was dequeued, or drops it if it was aborted. Returns whether the task still existed.
    pub(crate) fn run_task(&self, id: TaskId) -> bool {
        let Some((mut future, is_aborted)) = self.dequeue(id) else { return false };
        let _current = CurrentTask::set(id);
        if is_aborted {
            self.remove_task(id, future, None);
            return true;
        }
        self.begin_poll(id);
        match future.as_mut().poll() {
            Poll::Pending => self.end_poll(id, Some(TaskFuture::Stored(future))),
            Poll::Ready(outcome) => {
                self.end_poll(id, None);
                self.remove_task(id, future, Some(outcome));
            }
        }
        true
    }

    /// Polls the future of the root task. Its panics propagate to the caller of `block_on`, which can use the loop again.
    pub(crate) fn poll_root<F: Future>(&self, root: Pin<&mut F>, waker: &TaskWaker) -> Poll<F::Output> {
        self.dequeue(TaskId::ROOT);
        let _current = CurrentTask::set(TaskId::ROOT);
        self.begin_poll(TaskId::ROOT);
        let unwinding = OnUnwind(|| self.emit_unwinding_root());
        let polled = waker.poll(root);
        std::mem::forget(unwinding);
        self.end_poll(TaskId::ROOT, polled.is_pending().then_some(TaskFuture::OnCallersStack));
        polled
    }

    /// Clears the `scheduled` flag, before the poll: a wake during the poll schedules the task again (I3). Returns the
    /// future, if it is in the table, and whether the task was aborted.
    #[inline]
    fn dequeue(&self, id: TaskId) -> Option<(Pin<Box<dyn ErasedTask>>, bool)> {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.get_mut(id)?; // `None`: the task has ended
        task.scheduled.set(false);
        match std::mem::replace(&mut task.future, TaskFuture::Polling) {
            TaskFuture::Stored(future) => Some((future, task.aborted.get())),
            other => {
                task.future = other;
                None
            }
        }
    }

    #[inline]
    fn begin_poll(&self, id: TaskId) {
        if is_observed() {
            self.emit_poll_begin(id);
        }
        self.io_budget.refill();
    }

    /// Stores what is needed for the next poll. `pending` is `None` if the future has completed.
    #[inline]
    fn end_poll(&self, id: TaskId, pending: Option<TaskFuture>) {
        let (is_ready, waiting_for) = (pending.is_none(), take_wait_reason());
        // Only the loop removes tasks, and not the one that it is polling.
        if let Some(future) = pending
            && let Some(task) = self.tasks.borrow_mut().get_mut(id)
        {
            task.future = future;
            task.waiting_for = waiting_for;
        }
        if is_observed() {
            self.emit_poll_end(id, is_ready);
        }
    }

    /// Removes a task, and drops its future on the loop's thread, with nothing borrowed (I1, I4). `outcome` is `None` if the
    /// task was aborted.
    fn remove_task(&self, id: TaskId, future: Pin<Box<dyn ErasedTask>>, outcome: Option<TaskOutcome>) {
        let removed = self.tasks.borrow_mut().remove(id);
        if let Some(task) = &removed {
            // When the future drops a source, the source must not wake this task, which has ended.
            task.waker_count.remove();
        }
        self.emit_drop(id, outcome);
        // The drop of a future may panic. This must not affect other tasks (I12).
        let name = removed.as_ref().map_or("", |task| task.name.as_str());
        contain(format_args!("dropping the task `{name}`"), || drop(future));
        drop(removed);
        self.emit_done(id, outcome.unwrap_or(TaskOutcome::Aborted));
    }
}

/// Runs a function if a panic unwinds through its scope. Without a panic, it must be passed to `mem::forget`.
pub(crate) struct OnUnwind<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnUnwind<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
