//! The tasks that wait for a source, and how the loop finds out whether they still wait.
//!
//! A task that waits for a source stores its waker here. The source is not notified when the task stops waiting, for
//! example because the future was dropped after a timeout. But deadlock detection (I16) and the virtual clock need to know
//! whether any task waits for a source. So they do not rely on an armed wait, but probe one: its waker is called without an
//! event, and a task that still waits polls the source again. If it does not, the wait is abandoned, and the next one is
//! probed. The result is valid until a task is polled for another reason.
//!
//! ```text
//!            arm           probe          the task does not poll the source again
//!   None ─────────▶ Armed ───────▶ Probed ─────────────────────────────────────▶ Abandoned
//!    ▲                ▲              │ arm: the wait is confirmed                    │
//!    │                └──────────────┘                                               │
//!    └──────────── an event calls the waker, from any state ◀────────────────────────┘
//! ```
//!
//! The waker of an abandoned wait stays in its slot, and an event still calls it.

use std::cell::Cell;
use std::task::Waker;

use super::readiness::Direction;
use crate::observe::{contain, current_task};
use crate::sync::{WakerCountId, WakerSlot};

/// The state of a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WaitState {
    /// No task waits.
    #[default]
    None,
    /// A task waits, or has dropped the future that waited.
    Armed,
    /// The waker has been called without an event, and the task has not polled the source since.
    Probed,
    /// The task was polled, and did not poll the source.
    Abandoned,
}

impl WaitState {
    /// Returns whether the task may still wait.
    fn is_armed(self) -> bool {
        matches!(self, WaitState::Armed | WaitState::Probed)
    }
}

/// A waiter in one direction.
#[derive(Default)]
struct DirectionWaiter {
    /// Stays here between waits, so that steady I/O changes no reference counts.
    waker: Cell<WakerSlot>,
    wait: Cell<WaitState>,
}

impl DirectionWaiter {
    /// Calls a function with the slot.
    fn with_waker<T>(&self, call: impl FnOnce(&WakerSlot) -> T) -> T {
        let waker = self.waker.take();
        let result = call(&waker);
        self.waker.set(waker);
        result
    }

    /// Stores a clone of `waker`, unless the stored one wakes the same task.
    fn store(&self, waker: &Waker) {
        if self.with_waker(|stored| stored.will_wake(waker)) {
            return;
        }
        // I4: cloning and dropping a waker may run user code. The cell contains the old slot during the clone, and the new
        // one during the drop.
        let replaced = self.waker.replace(WakerSlot::containing(waker));
        drop(replaced);
    }

    /// Calls the waker and stores it again, unless it was replaced in the meantime (I4).
    fn call(&self) {
        let waker = self.waker.take();
        contain("a waker", || waker.wake_by_ref());
        let newer = self.waker.take();
        let (kept, dropped) = if newer.is_set() { (newer, waker) } else { (waker, newer) };
        self.waker.set(kept);
        drop(dropped);
    }
}

/// The waiters of one source.
#[derive(Default)]
pub(super) struct Waiters {
    reader: DirectionWaiter,
    writer: DirectionWaiter,
    /// Whether waits for this source are ignored.
    is_unref: Cell<bool>,
}

impl Waiters {
    fn in_direction(&self, direction: Direction) -> &DirectionWaiter {
        match direction {
            Direction::Read => &self.reader,
            Direction::Write => &self.writer,
        }
    }

    fn both(&self) -> [&DirectionWaiter; 2] {
        [&self.reader, &self.writer]
    }

    /// Returns whether an event in this direction would call a waker.
    pub(super) fn is_waited_for(&self, direction: Direction) -> bool {
        self.in_direction(direction).wait.get() != WaitState::None
    }

    /// Returns whether a task may be waiting for the source, and the source is not unref'd.
    pub(super) fn is_any_armed(&self) -> bool {
        !self.is_unref.get() && self.both().into_iter().any(|waiter| waiter.wait.get().is_armed())
    }

    /// Returns the number of clones of a waker that are left from earlier waits.
    pub(super) fn count_disarmed(&self, count: WakerCountId) -> usize {
        let is_idle = |waiter: &&DirectionWaiter| {
            waiter.wait.get() == WaitState::None && waiter.with_waker(|stored| stored.count_id() == Some(count))
        };
        self.both().into_iter().filter(is_idle).count()
    }
}

/// A summary of the waits for all sources that are not unref'd.
///
/// Invariant: `armed` is the number of these waits that are armed or probed (I16).
#[derive(Default)]
pub(super) struct Waits {
    armed: Cell<usize>,
    /// Whether a probe has shown that a task waits, and no task was polled since for another reason.
    is_confirmed: Cell<bool>,
}

impl Waits {
    /// Returns whether any wait is armed.
    pub(super) fn is_any_armed(&self) -> bool {
        self.armed.get() > 0
    }

    /// Returns whether a task is known to wait.
    pub(super) fn is_confirmed(&self) -> bool {
        self.is_any_armed() && self.is_confirmed.get()
    }

    /// Discards the result of the last probe, after tasks were polled: they may have stopped waiting.
    pub(super) fn forget_confirmed(&self) {
        self.is_confirmed.set(false);
    }

    /// Stores the waker that is called at the next event in this direction.
    pub(super) fn arm(&self, waiters: &Waiters, direction: Direction, waker: &Waker) {
        let waiter = waiters.in_direction(direction);
        waiter.store(waker);
        if self.change(waiters, waiter, WaitState::Armed) == WaitState::Probed {
            self.is_confirmed.set(true);
        }
    }

    /// Calls the waker of the task that waits in this direction.
    pub(super) fn wake(&self, waiters: &Waiters, direction: Direction) {
        let waiter = waiters.in_direction(direction);
        if self.change(waiters, waiter, WaitState::None) != WaitState::None {
            waiter.call();
        }
    }

    /// Ends the waits for a source that is dropped. Wakes the tasks that wait for it, since no event will wake them any more,
    /// except the task that drops it.
    pub(super) fn close(&self, waiters: &Waiters) {
        // If no task drops the source, it is dropped because the loop or the root future has ended.
        let is_dropped_by_a_task = current_task().is_some();
        for waiter in waiters.both() {
            let was_armed = self.change(waiters, waiter, WaitState::None).is_armed();
            let belongs_to_another =
                || waiter.with_waker(|stored| stored.count_id().is_none_or(WakerCountId::belongs_to_another));
            if was_armed && is_dropped_by_a_task && belongs_to_another() {
                waiter.call();
            }
        }
    }

    fn disarm(&self, waiters: &Waiters) {
        for waiter in waiters.both() {
            self.change(waiters, waiter, WaitState::None);
        }
    }

    /// Drops the wakers of a source that gets no more events.
    pub(super) fn clear(&self, waiters: &Waiters) {
        self.disarm(waiters);
        for waiter in waiters.both() {
            drop(waiter.waker.take());
        }
    }

    /// Sets whether waits for a source are ignored.
    pub(super) fn set_unref(&self, waiters: &Waiters, is_unref: bool) {
        let waits = waiters.both().map(|waiter| self.change(waiters, waiter, WaitState::None));
        waiters.is_unref.set(is_unref);
        for (waiter, wait) in waiters.both().into_iter().zip(waits) {
            self.change(waiters, waiter, wait);
        }
    }

    /// Calls the wakers of the armed waits for a source, without an event.
    pub(super) fn probe(&self, waiters: &Waiters) {
        for waiter in waiters.both() {
            if waiter.wait.get() == WaitState::Armed {
                self.change(waiters, waiter, WaitState::Probed);
                waiter.call();
            }
        }
    }

    /// Ends a probe after the tasks have been polled: waits that were not confirmed are abandoned.
    pub(super) fn settle(&self, waiters: &Waiters) {
        for waiter in waiters.both() {
            if waiter.wait.get() == WaitState::Probed {
                self.change(waiters, waiter, WaitState::Abandoned);
            }
        }
    }

    /// Changes the state of a wait, and returns the state before.
    fn change(&self, waiters: &Waiters, waiter: &DirectionWaiter, next: WaitState) -> WaitState {
        let before = waiter.wait.replace(next);
        if !waiters.is_unref.get() {
            self.armed.set(self.armed.get() + usize::from(next.is_armed()) - usize::from(before.is_armed()));
        }
        before
    }
}
