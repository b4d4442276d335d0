//! Who waits for a source, and whether they still do.
//!
//! A task that waits for a source leaves its waker here. Nothing says when it stops waiting: the future that waited is
//! dropped, after a time limit for example, and the source cannot know. That matters to the two who ask whether anything
//! can still happen, the deadlock detection (I16) and the virtual clock. So before armed waits count as an answer, one of
//! them is probed: its waker is called for nothing, and a task that still waits polls the source again. If it does not,
//! the wait is abandoned, and the next one is probed. The answer holds until a task is polled for another reason.
//!
//! ```text
//!            arm           probe          the task does not poll the source again
//!   None ─────────▶ Armed ───────▶ Probed ─────────────────────────────────────▶ Abandoned
//!    ▲                ▲              │ arm: the wait is confirmed                    │
//!    │                └──────────────┘                                               │
//!    └──────────── an event calls the waker, from any state ◀────────────────────────┘
//! ```
//!
//! The waker of an abandoned wait stays in its place, and an event still calls it.

use std::cell::Cell;
use std::task::Waker;

use super::reactor::Direction;
use crate::observe::{contain, current_task};
use crate::sync::{HoldId, WakerSlot};

/// What is known of one wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wait {
    /// Nobody waits.
    #[default]
    None,
    /// A task waits, or has waited and dropped its future.
    Armed,
    /// The waker has been called for nothing, and the task has not polled the source since.
    Probed,
    /// Nor did it later.
    Abandoned,
}

impl Wait {
    /// Whether an event may make a task go on.
    fn is_armed(self) -> bool {
        matches!(self, Wait::Armed | Wait::Probed)
    }
}

/// Whoever waits in one direction.
#[derive(Default)]
struct Waiter {
    /// Stays in place between waits, so that steady input and output moves no reference counts.
    waker: Cell<WakerSlot>,
    wait: Cell<Wait>,
}

impl Waiter {
    /// Looks at the slot in its cell.
    fn with_waker<T>(&self, look: impl FnOnce(&WakerSlot) -> T) -> T {
        let waker = self.waker.take();
        let answer = look(&waker);
        self.waker.set(waker);
        answer
    }

    /// Keeps a clone of `waker`, unless the one that is here wakes the same task.
    fn keep(&self, waker: &Waker) {
        if self.with_waker(|kept| kept.will_wake(waker)) {
            return;
        }
        // The clone and the drop of a waker may run anything: the cell is full meanwhile (I4).
        let replaced = self.waker.replace(WakerSlot::holding(waker));
        drop(replaced);
    }

    /// Calls the waker and keeps it, unless another has taken its place in the meantime (I4).
    fn call(&self) {
        let waker = self.waker.take();
        contain("a waker", || waker.wake_by_ref());
        let newer = self.waker.take();
        let (kept, dropped) = if newer.is_set() { (newer, waker) } else { (waker, newer) };
        self.waker.set(kept);
        drop(dropped);
    }
}

/// Those who wait for one source.
#[derive(Default)]
pub(super) struct Waiters {
    reader: Waiter,
    writer: Waiter,
    /// Waiting for this source does not count as something that can still happen.
    background: Cell<bool>,
}

impl Waiters {
    fn in_direction(&self, direction: Direction) -> &Waiter {
        match direction {
            Direction::Read => &self.reader,
            Direction::Write => &self.writer,
        }
    }

    fn both(&self) -> [&Waiter; 2] {
        [&self.reader, &self.writer]
    }

    /// Whether an event in this direction would call a waker.
    pub(super) fn is_waited_for(&self, direction: Direction) -> bool {
        self.in_direction(direction).wait.get() != Wait::None
    }

    /// Whether a task may wait for it, other than in the background.
    pub(super) fn is_any_armed(&self) -> bool {
        !self.background.get() && self.both().into_iter().any(|waiter| waiter.wait.get().is_armed())
    }

    /// Clones of a waker that are here from earlier waits: they are not called before the next one.
    pub(super) fn idle_holds(&self, id: HoldId) -> usize {
        let is_idle = |waiter: &&Waiter| waiter.wait.get() == Wait::None && waiter.with_waker(|kept| kept.is_at(id));
        self.both().into_iter().filter(is_idle).count()
    }
}

/// What the waits of all sources come to; those of background sources are not counted.
#[derive(Default)]
pub(super) struct Waits {
    armed: Cell<usize>,
    /// A task was found to wait, and none has been polled since for another reason.
    is_confirmed: Cell<bool>,
}

impl Waits {
    /// Whether any wait is armed.
    pub(super) fn is_any_armed(&self) -> bool {
        self.armed.get() > 0
    }

    /// Whether a task is known to wait.
    pub(super) fn is_confirmed(&self) -> bool {
        self.is_any_armed() && self.is_confirmed.get()
    }

    /// Tasks have been polled, which may have cancelled what was confirmed.
    pub(super) fn forget_confirmed(&self) {
        self.is_confirmed.set(false);
    }

    /// Lets `waker` be called at the next event in this direction. The last one to ask is the one that is woken.
    pub(super) fn arm(&self, waiters: &Waiters, direction: Direction, waker: &Waker) {
        let waiter = waiters.in_direction(direction);
        waiter.keep(waker);
        if self.change(waiters, waiter, Wait::Armed) == Wait::Probed {
            self.is_confirmed.set(true);
        }
    }

    /// Calls the waker of whoever waits in this direction.
    pub(super) fn wake(&self, waiters: &Waiters, direction: Direction) {
        let waiter = waiters.in_direction(direction);
        if self.change(waiters, waiter, Wait::None) != Wait::None {
            waiter.call();
        }
    }

    /// Ends the waits for a source that is gone. Others than whoever drops it are woken, since no event will do that: they
    /// find out when they ask for it again.
    pub(super) fn close(&self, waiters: &Waiters) {
        // Without a task nobody drops it on purpose: the loop, or the root future, has ended.
        let is_dropped_by_a_task = current_task().is_some();
        for waiter in waiters.both() {
            let was_armed = self.change(waiters, waiter, Wait::None).is_armed();
            let is_of_another = || waiter.with_waker(|kept| kept.hold_id().is_none_or(HoldId::is_of_another));
            if was_armed && is_dropped_by_a_task && is_of_another() {
                waiter.call();
            }
        }
    }

    fn disarm(&self, waiters: &Waiters) {
        for waiter in waiters.both() {
            self.change(waiters, waiter, Wait::None);
        }
    }

    /// Drops the wakers of a source that will see no more events.
    pub(super) fn clear(&self, waiters: &Waiters) {
        self.disarm(waiters);
        for waiter in waiters.both() {
            drop(waiter.waker.take());
        }
    }

    /// Makes a source a background one, or an ordinary one.
    pub(super) fn set_unref(&self, waiters: &Waiters, background: bool) {
        let waits = waiters.both().map(|waiter| self.change(waiters, waiter, Wait::None));
        waiters.background.set(background);
        for (waiter, wait) in waiters.both().into_iter().zip(waits) {
            self.change(waiters, waiter, wait);
        }
    }

    /// Calls the wakers of those who wait for a source for nothing.
    pub(super) fn probe(&self, waiters: &Waiters) {
        for waiter in waiters.both() {
            if waiter.wait.get() == Wait::Armed {
                self.change(waiters, waiter, Wait::Probed);
                waiter.call();
            }
        }
    }

    /// Ends a probe, when the tasks have been polled.
    pub(super) fn settle(&self, waiters: &Waiters) {
        for waiter in waiters.both() {
            if waiter.wait.get() == Wait::Probed {
                self.change(waiters, waiter, Wait::Abandoned);
            }
        }
    }

    /// Sets what is known of a wait, and returns what was.
    fn change(&self, waiters: &Waiters, waiter: &Waiter, next: Wait) -> Wait {
        let before = waiter.wait.replace(next);
        if !waiters.background.get() {
            self.armed.set(self.armed.get() + usize::from(next.is_armed()) - usize::from(before.is_armed()));
        }
        before
    }
}
