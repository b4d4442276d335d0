//! Storage for the waker that a leaf future calls when it is ready, counted for deadlock detection.

use std::cell::RefCell;
use std::fmt;
use std::task::Waker;

use super::waker_count::{CountedClone, WakerCountId};
use crate::observe::{contain, notes};

/// Storage for at most one waker, which is counted for deadlock detection while it is stored.
///
/// A custom leaf future should store its waker in a `WakerSlot` and not in a plain `Option<Waker>`. Deadlock detection
/// then relies on the fact that only code on this thread can call the waker.
///
/// Calling a waker may run arbitrary code, so it must not be called while the `RefCell` that contains its slot is
/// borrowed: [`take`](Self::take) it, end the borrow, then call it (I4).
///
/// A slot is not `Send`. For another thread to wake the task, pass it a clone of the waker instead.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use glassloop::sync::WakerSlot;
///
/// let mut slot = WakerSlot::new();
/// slot.register(Waker::noop());      // in `poll`, before `Pending`
/// assert!(slot.is_set());
/// if let Some(waker) = slot.take() { // when the awaited event has happened
///     waker.wake();
/// }
/// ```
#[derive(Default)]
pub struct WakerSlot {
    waker: Option<Waker>,
    /// Counts the clone.
    counted: CountedClone,
}

impl WakerSlot {
    /// Creates an empty slot.
    pub const fn new() -> WakerSlot {
        WakerSlot { waker: None, counted: CountedClone::none() }
    }

    /// Creates a slot with a clone of `waker`. Cloning may run arbitrary code, so the caller must not hold a borrow (I4).
    pub(crate) fn containing(waker: &Waker) -> WakerSlot {
        notes::record_waker_stored();
        let waker = waker.clone();
        let counted = CountedClone::of(&waker);
        WakerSlot { waker: Some(waker), counted }
    }

    /// Stores a clone of `waker`, unless the stored one already wakes the same task.
    ///
    /// Returns the replaced waker. Dropping a waker may run arbitrary code too, so the caller must drop it when it holds
    /// no borrow.
    #[inline]
    pub fn register(&mut self, waker: &Waker) -> Option<Waker> {
        if self.will_wake(waker) {
            return None;
        }
        std::mem::replace(self, WakerSlot::containing(waker)).take()
    }

    /// Returns whether the stored waker wakes the same task. The caller stores `waker` if it does not.
    #[inline]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        notes::record_waker_stored(); // after this, the slot contains the waker in either case
        // `Waker::will_wake` may return `false` for equivalent wakers, which only costs a clone.
        self.waker.as_ref().is_some_and(|stored| stored.will_wake(waker))
    }

    /// Takes the waker out of the slot.
    #[inline]
    pub fn take(&mut self) -> Option<Waker> {
        self.counted = CountedClone::none();
        let waker = self.waker.take();
        if waker.is_some() {
            notes::record_progress(); // usually the caller is about to wake a task
        }
        waker
    }

    /// Returns the key under which the stored waker is counted. `None` if there is no waker, or if it counts as
    /// external.
    pub(crate) fn count_id(&self) -> Option<WakerCountId> {
        self.counted.id()
    }

    /// Returns whether a waker is stored.
    pub fn is_set(&self) -> bool {
        self.waker.is_some()
    }

    /// Calls the stored waker without taking it out. Only for slots that the code of the waker cannot access.
    #[inline]
    pub(crate) fn wake_by_ref(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl Drop for WakerSlot {
    fn drop(&mut self) {
        if let Some(waker) = self.take() {
            // A slot is part of a future, a timer or a source, which may be dropped while unwinding (I12).
            contain("dropping a waker", || drop(waker));
        }
    }
}

/// A [`WakerSlot`] with interior mutability, shared by both sides of a primitive.
///
/// Cloning, calling and dropping a waker may run arbitrary code, so none of this happens while the slot is borrowed
/// (I4).
#[derive(Default)]
pub(crate) struct SharedSlot(RefCell<WakerSlot>);

impl SharedSlot {
    /// Stores a clone of `waker`, unless the stored one already wakes the same task.
    ///
    /// Returns whether the waker was cloned. If so, the caller must check again whether it has to wait, since cloning
    /// may have run arbitrary code (I6).
    #[inline]
    #[must_use = "cloning the waker may have run code that made the future ready: check again"]
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        if self.0.borrow().will_wake(waker) {
            return false;
        }
        let replaced = self.0.replace(WakerSlot::containing(waker));
        drop(replaced);
        true
    }

    /// Takes the waker out and calls it. A panic of the waker is contained (I12).
    #[inline]
    pub(crate) fn wake(&self) {
        let waker = self.0.borrow_mut().take();
        if let Some(waker) = waker {
            contain("a waker", || waker.wake());
        }
    }

    /// Returns the key under which the stored waker is counted.
    pub(crate) fn count_id(&self) -> Option<WakerCountId> {
        self.0.borrow().count_id()
    }

    /// Drops the stored waker.
    pub(crate) fn clear(&self) {
        let waker = self.0.take();
        drop(waker);
    }
}

impl fmt::Debug for WakerSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakerSlot").field("is_set", &self.is_set()).finish()
    }
}
