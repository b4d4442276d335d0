//! The loop's timers: a timer wheel with wakers.

use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::Duration;

use super::clock::{tick_at, tick_at_or_after, tick_to_duration};
use crate::observe::{Cause, CauseGuard, EventKind, TimerId, contain, current_task, emit};
use crate::sync::WakerSlot;
use crate::wheel::Wheel;

/// The timers that are set.
pub(crate) struct Timers {
    wheel: RefCell<Wheel<Timer>>,
    /// The number of timers that are unref'd.
    unref: Cell<usize>,
}

struct Timer {
    waker: WakerSlot,
    /// The exact deadline. The wheel stores it rounded up to a tick.
    deadline: Duration,
    is_unref: bool,
}

impl Timers {
    pub(super) fn new() -> Timers {
        Timers { wheel: RefCell::new(Wheel::new()), unref: Cell::new(0) }
    }

    /// Sets a timer that will call `waker`.
    pub(super) fn set(&self, deadline: Duration, waker: &Waker, is_unref: bool) -> TimerId {
        let timer = Timer { waker: WakerSlot::containing(waker), deadline, is_unref };
        self.unref.set(self.unref.get() + usize::from(is_unref));
        let id = self.wheel.borrow_mut().insert(tick_at_or_after(deadline), timer);
        emit!(EventKind::TimerSet { timer: id, task: current_task(), deadline });
        id
    }

    /// Changes a timer's deadline. Returns `false` if it has fired.
    pub(super) fn reset(&self, id: TimerId, deadline: Duration) -> bool {
        let is_reset = {
            let mut wheel = self.wheel.borrow_mut();
            if let Some(timer) = wheel.get_mut(id) {
                timer.deadline = deadline;
            }
            wheel.rearm(id, tick_at_or_after(deadline))
        };
        if is_reset {
            emit!(EventKind::TimerSet { timer: id, task: current_task(), deadline });
        }
        is_reset
    }

    /// Stores the waker that a timer calls. Returns `false` if the timer has fired.
    pub(super) fn register(&self, id: TimerId, waker: &Waker) -> bool {
        let is_stored = self.wheel.borrow().get(id).map(|timer| timer.waker.will_wake(waker));
        if is_stored != Some(false) {
            return is_stored.is_some();
        }
        // I4: cloning and dropping a waker may run user code, so the wheel must not be borrowed.
        let mut slot = WakerSlot::containing(waker);
        let is_stored = match self.wheel.borrow_mut().get_mut(id) {
            Some(timer) => {
                std::mem::swap(&mut timer.waker, &mut slot);
                true
            }
            None => false, // it was cancelled or has fired in the meantime (I6)
        };
        drop(slot);
        is_stored
    }

    /// Cancels a timer, unless it has fired.
    pub(super) fn cancel(&self, id: TimerId) {
        let cancelled = self.wheel.borrow_mut().cancel(id);
        if let Some(timer) = cancelled {
            self.unref.set(self.unref.get() - usize::from(timer.is_unref));
            emit!(EventKind::TimerDel { timer: id });
        }
    }

    /// Calls the wakers of the timers that are due.
    pub(super) fn fire(&self, now: Duration) {
        self.wheel.borrow_mut().advance(tick_at(now));
        loop {
            let due = self.wheel.borrow_mut().pop_expired();
            let Some((id, _tick, mut timer)) = due else { return };
            self.unref.set(self.unref.get() - usize::from(timer.is_unref));
            emit!(EventKind::TimerFire { timer: id, late: now.saturating_sub(timer.deadline) });
            let _cause = CauseGuard::set(Cause::Timer(id));
            if let Some(waker) = timer.waker.take() {
                contain("a waker", || waker.wake()); // I4: the wheel is not borrowed
            }
        }
    }

    /// Removes all timers without calling their wakers.
    pub(super) fn clear(&self) {
        let timers = self.wheel.borrow_mut().drain();
        self.unref.set(0);
        drop(timers);
    }

    /// Returns the time until which the loop may block. Possibly no timer is due then, and the wheel only moves timers.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.wheel.borrow().next_expiry().map(tick_to_duration)
    }

    /// Returns the next deadline, rounded up to a tick.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.wheel.borrow().next_deadline().map(tick_to_duration)
    }

    pub(super) fn len(&self) -> usize {
        self.wheel.borrow().len()
    }

    /// Returns whether all timers are unref'd, or there are none.
    pub(super) fn are_all_unref(&self) -> bool {
        self.len() == self.unref.get()
    }
}
