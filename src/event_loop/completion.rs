//! The result of a task, which the task and its `JoinHandle` share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::executor::panic_text;
use super::join_error::{JoinError, PanicPayload};
use super::task::{HandleStatus, OnComplete, TaskName};
use crate::observe::{TaskOutcome, log_error};
use crate::sync::SharedSlot;

/// The result slot of a task.
///
/// Unlike the result slot of a job (`executor.rs`), it is used by only one thread, so it needs no lock.
pub(super) struct TaskResult<T> {
    pub(super) result: Cell<Option<Result<T, JoinError>>>,
    pub(super) is_finished: Cell<bool>,
    /// Whether the handle has been dropped.
    pub(super) is_detached: Cell<bool>,
    /// The waker of the task that awaits the handle.
    pub(super) waker: SharedSlot,
    /// For a task of a `JoinSet`: its queue, and the key of the task in the set.
    pub(super) completed: Option<(Rc<CompletionQueue>, usize)>,
}

impl<T> TaskResult<T> {
    pub(super) fn new(completed: Option<(Rc<CompletionQueue>, usize)>) -> TaskResult<T> {
        TaskResult {
            result: Cell::new(None),
            is_finished: Cell::new(false),
            is_detached: Cell::new(false),
            waker: SharedSlot::default(),
            completed,
        }
    }

    fn finish(&self, result: Result<T, JoinError>) {
        self.result.set(Some(result));
        self.is_finished.set(true);
        self.waker.wake();
        if let Some((queue, key)) = &self.completed {
            queue.push(*key);
        }
    }
}

/// Stores the result when the task completes, panics or is dropped.
pub(super) struct StoreResult<T> {
    pub(super) slot: Rc<TaskResult<T>>,
    pub(super) name: TaskName,
}

impl<T> OnComplete<T> for StoreResult<T> {
    fn complete(&mut self, result: std::thread::Result<T>) -> TaskOutcome {
        match result {
            Ok(output) => {
                self.slot.finish(Ok(output));
                TaskOutcome::Finished
            }
            Err(payload) => {
                let (task, message) = (self.name.to_string(), panic_text(&*payload));
                let error = JoinError::Panicked { task, message, payload: PanicPayload::new(payload) };
                // I12: without a handle, the panic is logged.
                if Rc::strong_count(&self.slot) == 1 {
                    log_error(format_args!("{error}"));
                }
                self.slot.finish(Err(error));
                TaskOutcome::Panicked
            }
        }
    }

    fn handle_status(&self) -> HandleStatus {
        if self.slot.is_detached.get() {
            return HandleStatus::Dropped;
        }
        self.slot.waker.count_id().map_or(HandleStatus::Kept, HandleStatus::AwaitedBy)
    }
}

impl<T> Drop for StoreResult<T> {
    fn drop(&mut self) {
        if !self.slot.is_finished.get() {
            self.slot.finish(Err(JoinError::Aborted));
        }
    }
}

/// The completed tasks of a `JoinSet`, in the order of completion.
#[derive(Default)]
pub(super) struct CompletionQueue {
    keys: RefCell<VecDeque<usize>>,
    /// The waker of the task that waits for the next completion.
    pub(super) waker: SharedSlot,
}

impl CompletionQueue {
    fn push(&self, key: usize) {
        self.keys.borrow_mut().push_back(key);
        self.waker.wake();
    }

    pub(super) fn pop(&self) -> Option<usize> {
        self.keys.borrow_mut().pop_front()
    }
}
