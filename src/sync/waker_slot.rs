//! The one place where a leaf future leaves the waker of the task that waits for it.

use std::cell::RefCell;
use std::fmt;
use std::task::Waker;

use super::hold::{Hold, HoldId};
use crate::observe::{contain, notes};

/// Keeps at most one waker, counted for the deadlock verdict while it is here.
///
/// A leaf future that the loop's own primitives do not cover should keep its waker in one of these, not in a bare
/// `Option<Waker>`: then a task that waits for it is known to wait for something on this thread.
///
/// Waking may run anything, so nothing that lies in a `RefCell` should be woken in place: [`take`](Self::take) it,
/// end the borrow, then wake (I4).
///
/// A slot stays on its thread, as the loop's tasks do: from another thread a waker is called, not looked for.
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
    /// Counts this clone.
    hold: Hold,
}

impl WakerSlot {
    /// An empty slot.
    pub const fn new() -> WakerSlot {
        WakerSlot { waker: None, hold: Hold::none() }
    }

    /// A slot with a clone of `waker`. The clone may run anything: nothing may be borrowed here (I4).
    pub(crate) fn holding(waker: &Waker) -> WakerSlot {
        notes::registered();
        let waker = waker.clone();
        let hold = Hold::of(&waker);
        WakerSlot { waker: Some(waker), hold }
    }

    /// Keeps a clone of `waker`, unless the one that is here wakes the same task already.
    ///
    /// Returns the waker that was replaced. Dropping one may run anything too, so the caller drops it, when nothing is
    /// borrowed.
    #[inline]
    pub fn register(&mut self, waker: &Waker) -> Option<Waker> {
        if self.will_wake(waker) {
            return None;
        }
        let fresh = WakerSlot::holding(waker);
        std::mem::replace(self, fresh).take()
    }

    /// Whether the waker that is here wakes the same task.
    #[inline]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        notes::registered();
        // `will_wake` may say no for equal wakers, at the price of one clone.
        self.waker.as_ref().is_some_and(|kept| kept.will_wake(waker))
    }

    /// Takes the waker out.
    #[inline]
    pub fn take(&mut self) -> Option<Waker> {
        self.hold = Hold::none();
        let waker = self.waker.take();
        if waker.is_some() {
            notes::progresses(); // somebody has what another one waited for
        }
        waker
    }

    /// Whether the waker that is here is the one whose clones are counted there.
    pub(crate) fn is_at(&self, id: HoldId) -> bool {
        self.hold.is_at(id)
    }

    /// Where clones of the waker that is here are counted. `None` if there is no waker, or if nobody polled with it.
    pub(crate) fn hold_id(&self) -> Option<HoldId> {
        self.hold.id()
    }

    /// Whether a waker is here.
    pub fn is_set(&self) -> bool {
        self.waker.is_some()
    }

    /// Wakes in place and keeps the waker. Only for slots that nobody can reach while they are being woken.
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
            // A slot is dropped with the future, the timer or the source that it belongs to, perhaps while unwinding (I12).
            contain("dropping a waker", || drop(waker));
        }
    }
}

/// A [`WakerSlot`] that both sides of a primitive can reach.
///
/// Cloning, waking and dropping a waker may run anything, so none of it is done while the slot is borrowed (I4).
#[derive(Default)]
pub(crate) struct SharedSlot(RefCell<WakerSlot>);

impl SharedSlot {
    /// Keeps a clone of `waker`, unless the one that is here wakes the same task already.
    ///
    /// Returns whether it was cloned. Then the caller looks again at what it waits for: the clone may have run anything
    /// (I6).
    #[inline]
    #[must_use = "the clone may have changed what is waited for"]
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        if self.0.borrow().will_wake(waker) {
            return false;
        }
        let replaced = self.0.replace(WakerSlot::holding(waker));
        drop(replaced);
        true
    }

    /// Takes the waker out and calls it. If it panics, that is no affair of whoever wakes (I12).
    #[inline]
    pub(crate) fn wake(&self) {
        let waker = self.0.borrow_mut().take();
        if let Some(waker) = waker {
            contain("a waker", || waker.wake());
        }
    }

    /// Where clones of the waker that is here are counted.
    pub(crate) fn hold_id(&self) -> Option<HoldId> {
        self.0.borrow().hold_id()
    }

    /// Drops the waker.
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
