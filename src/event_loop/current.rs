//! The loop that is running on this thread. The free functions `spawn`, `sleep` and `run_in_executor` use it.
//!
//! A wake compares the current loop with the loop of the task, to find out whether it happens on that loop's thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::core::Core;
use super::remote::RemoteHandle;
use crate::observe::{IdleObserver, TaskId, current_cause, is_observed, swap_observer};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// A guard: while it exists, a loop is the current one of this thread.
pub(crate) struct EnterGuard {
    /// The loop that was current before.
    outer: Option<Rc<Core>>,
}

/// Makes a loop the current one, to run it.
///
/// # Panics
/// If there is a current loop: running a loop inside another one would block the outer one.
pub(crate) fn enter(core: &Rc<Core>) -> EnterGuard {
    assert!(
        try_core().is_none(),
        "an event loop is already running on this thread: await the future instead of blocking on it, or use another thread"
    );
    enter_nested(core)
}

/// Makes a loop the current one, to shut it down. It may replace another one, since a task may drop a loop.
pub(crate) fn enter_nested(core: &Rc<Core>) -> EnterGuard {
    EnterGuard { outer: replace_current(Some(core.clone())) }
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let previous = replace_current(self.outer.take());
        drop(previous);
    }
}

/// Replaces the current loop and its observer, and returns the loop that was current before.
fn replace_current(core: Option<Rc<Core>>) -> Option<Rc<Core>> {
    let observer = core.as_ref().and_then(|core| core.idle_observer.take()).and_then(IdleObserver::take);
    // If a loop is dropped while the thread exits, the thread-local may have been destroyed. Then it is shut down
    // without being current.
    let previous = CURRENT.try_with(|current| current.replace(core)).ok().flatten();
    let previous_observer = swap_observer(observer);
    if let Some(previous) = &previous {
        previous.idle_observer.set(previous_observer.and_then(IdleObserver::store));
    }
    previous
}

/// Wakes a task if its loop is the current one, and returns whether it is. Never panics, even while the thread exits (I2).
#[inline]
pub(crate) fn try_wake_local(remote: &Arc<RemoteHandle>, task: TaskId) -> bool {
    let schedule = |current: &RefCell<Option<Rc<Core>>>| {
        let current = current.borrow();
        current.as_ref().filter(|core| Arc::ptr_eq(&core.remote, remote)).map(|core| core.schedule(task))
    };
    let Some(outcome) = CURRENT.try_with(schedule).ok().flatten() else { return false };
    // I4: nothing is borrowed while an event is emitted.
    if is_observed()
        && let Some(core) = try_core()
    {
        core.emit_wake(task, current_cause(task), outcome);
    }
    true
}

/// Returns the current loop.
///
/// # Panics
/// If there is none.
#[track_caller]
pub(crate) fn core() -> Rc<Core> {
    try_core().expect("no event loop is running on this thread: call this from a future inside `EventLoop::block_on`")
}

/// Returns the current loop, if there is one.
pub(crate) fn try_core() -> Option<Rc<Core>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}
