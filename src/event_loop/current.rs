//! The loop that runs on this thread, for the free functions: `spawn`, `sleep`, `run_in_executor`.
//!
//! A waker asks the same question at every wake, "is the loop I belong to the one of this thread?", and has it answered
//! by comparing two addresses.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::core::{Core, Shared};
use crate::observe::{IdleObserver, TaskId, WakeOutcome, swap_observer};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
    /// The address of the current loop's shared half.
    static SHARED: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

/// While it lives, a loop is the current one of this thread.
pub(crate) struct Entered {
    /// The one that was current before, and will be again.
    outer: Option<Rc<Core>>,
}

/// Makes `core` current, to run it.
///
/// # Panics
/// If another loop runs on this thread: a loop inside a loop would stop the outer one.
pub(crate) fn enter(core: &Rc<Core>) -> Entered {
    assert!(
        try_core().is_none(),
        "an event loop runs on this thread already: await the future there, or use another thread"
    );
    enter_over(core)
}

/// Makes `core` current, to end it, in place of whichever is: a loop may be dropped inside another one's task.
pub(crate) fn enter_over(core: &Rc<Core>) -> Entered {
    Entered { outer: make_current(Some(core.clone())) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = make_current(self.outer.take());
        drop(left);
    }
}

/// Puts a loop and its observer on this thread, and takes away those that were there.
fn make_current(core: Option<Rc<Core>>) -> Option<Rc<Core>> {
    SHARED.set(core.as_ref().map_or(std::ptr::null(), |core| Arc::as_ptr(&core.shared)));
    let observer = core.as_ref().and_then(|core| core.idle_observer.take()).and_then(IdleObserver::take);
    // A loop may be dropped with its thread, when this is gone already. Then it ends without being current.
    let left = CURRENT.try_with(|current| current.replace(core)).ok().flatten();
    let observer_left = swap_observer(observer);
    if let Some(left) = &left {
        left.idle_observer.set(observer_left.and_then(IdleObserver::store));
    }
    left
}

/// Makes a task ready if its loop, the one with this shared half, is the current one. Never panics, also while the
/// thread ends (I2).
#[inline]
pub(crate) fn schedule_if_loop_is(shared: &Arc<Shared>, task: TaskId) -> Option<WakeOutcome> {
    if !std::ptr::eq(SHARED.get(), Arc::as_ptr(shared)) {
        return None;
    }
    CURRENT.try_with(|current| current.borrow().as_ref().map(|core| core.schedule(task))).ok().flatten()
}

/// The current loop.
///
/// # Panics
/// If there is none.
#[track_caller]
pub(crate) fn core() -> Rc<Core> {
    try_core().expect("no event loop runs on this thread: call this from a future inside `EventLoop::block_on`")
}

/// The current loop, if there is one.
pub(crate) fn try_core() -> Option<Rc<Core>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}
