//! Storage for the waker of a task that waits for a leaf future, counted for deadlock detection.

use std::cell::RefCell;
use std::fmt;
use std::task::Waker;

use super::waker_count::{CountedClone, WakerCountId};
use crate::observe::{contain, notes};

/// Storage for at most one waker, which is counted for deadlock detection while it is stored.
///
/// A custom leaf future should store its waker in a `WakerSlot` and not in a plain `Option<Waker>`. Then it is known
/// that a task that waits for it can only be woken from this thread.
///
/// Waking may run arbitrary code, so a waker must not be woken while the `RefCell` that contains its slot is borrowed:
/// [`take`](Self::take) it, end the borrow, then wake it (I4).
///
/// A slot is not `Send`. Another thread may wake a waker, but must not access the slot.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use glassloop::sync::WakerSlot;
///
/// let mut slot = WakerSlot::new();
/// slot.register(Waker::noop());      // in `poll`, before `Pending`
/// assert!(slot.is_set());
/// if let Some(waker) = slot.take() { // when the time has come
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

    /// Creates a slot with a clone of `waker`. Cloning may run arbitrary code, so nothing may be borrowed here (I4).
    pub(crate) fn containing(waker: &Waker) -> WakerSlot {
        notes::record_waker_stored();
        let waker = waker.clone();
        let counted = CountedClone::of(&waker);
        WakerSlot { waker: Some(waker), counted }
    }

    /// Stores a clone of `waker`, unless the stored one already wakes the same task.
    ///
    /// Returns the replaced waker. Dropping a waker may run arbitrary code too, so the caller must drop it when nothing
    /// is borrowed.
    #[inline]
    pub fn register(&mut self, waker: &Waker) -> Option<Waker> {
        if self.will_wake(waker) {
            return None;
        }
        std::mem::replace(self, WakerSlot::containing(waker)).take()
    }

    /// Returns whether the stored waker wakes the same task.
    #[inline]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        notes::record_waker_stored();
        // `Waker::will_wake` may return `false` for equivalent wakers, which only costs a clone.
        self.waker.as_ref().is_some_and(|stored| stored.will_wake(waker))
    }

    /// Takes the waker out of the slot.
    #[inline]
    pub fn take(&mut self) -> Option<Waker> {
        self.counted = CountedClone::none();
        let waker = self.waker.take();
        if waker.is_some() {
            notes::record_progress(); // another task's wait is about to end
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

    /// Wakes the stored waker without taking it out. Only for slots that cannot be accessed by the code that waking
    /// runs.
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
            // A slot is dropped with the future, the timer or the source that it belongs to, possibly while unwinding
            // (I12).
            contain("dropping a waker", || drop(waker));
        }
    }
}

/// A [`WakerSlot`] with interior mutability, which both halves of a primitive can share.
///
/// Cloning, waking and dropping a waker may run arbitrary code, so none of this happens while the slot is borrowed
/// (I4).
#[derive(Default)]
pub(crate) struct SharedSlot(RefCell<WakerSlot>);

impl SharedSlot {
    /// Stores a clone of `waker`, unless the stored one already wakes the same task.
    ///
    /// Returns whether the waker was cloned. If so, the caller must check again whether it has to wait, since cloning
    /// may have run arbitrary code (I6).
    #[inline]
    #[must_use = "the clone may have changed what is waited for"]
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        if self.0.borrow().will_wake(waker) {
            return false;
        }
        let replaced = self.0.replace(WakerSlot::containing(waker));
        drop(replaced);
        true
    }

    /// Takes the waker out and wakes it. A panic of the waker is contained (I12).
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
