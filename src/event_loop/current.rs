//! The loop that runs on this thread, for the free functions: `spawn`, `sleep`, `run_in_executor`.
//!
//! A waker asks the same question at every wake, "is the loop I belong to the one of this thread?", and has it answered
//! by comparing two addresses.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::core::{Core, Shared};
use crate::observe::{put_stage, take_stage};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
    /// The address of the current loop's shared half.
    static SHARED: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

/// While it lives, a loop is the current one of this thread.
pub(crate) struct Entered(());

/// Makes `core` current.
///
/// # Panics
/// If another loop runs on this thread: a loop inside a loop would stop the outer one.
pub(crate) fn enter(core: &Rc<Core>) -> Entered {
    CURRENT.with_borrow_mut(|current| {
        assert!(
            current.is_none(),
            "an event loop runs on this thread already: await the future there, or use another thread"
        );
        *current = Some(core.clone());
    });
    SHARED.set(Arc::as_ptr(&core.shared));
    put_stage(core.stage.take());
    Entered(())
}

impl Drop for Entered {
    fn drop(&mut self) {
        SHARED.set(std::ptr::null());
        if let Some(core) = CURRENT.take() {
            core.stage.set(take_stage());
        }
    }
}

/// The current loop, if it is the one with this shared half. Never panics, also while the thread ends (I2).
#[inline]
pub(crate) fn if_loop_is(shared: &Arc<Shared>) -> Option<Rc<Core>> {
    match SHARED.try_with(Cell::get) {
        Ok(address) if std::ptr::eq(address, Arc::as_ptr(shared)) => {
            CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
        }
        _ => None,
    }
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
    CURRENT.with_borrow(Clone::clone)
}
