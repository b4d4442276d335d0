//! The root future: the one that `block_on` was given. It has no slot, for it lives on the caller's stack.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::clock::Clock;
use super::task::Header;
use crate::observe::{Kind, TaskId, WakeId, tell};
use crate::sync::HoldId;

/// What the loop keeps for it.
pub(crate) struct Root {
    pub(crate) woken: Cell<bool>,
    pub(crate) waker: Waker,
    pub(crate) header: Arc<Header>,
    pub(crate) hold: HoldId,
    pub(crate) waiting_for: Cell<&'static str>,
    pub(crate) polls: Cell<u64>,
    pub(crate) queued_at: Cell<Duration>,
    pub(crate) wakes: RefCell<Vec<WakeId>>,
}

impl Root {
    pub(super) fn wakers_alive(&self) -> usize {
        // The header is counted once for itself, once for the waker beside it.
        Arc::strong_count(&self.header).saturating_sub(2)
    }

    pub(super) fn is_waker_foreign(&self) -> bool {
        self.wakers_alive() > self.hold.count()
    }

    pub(super) fn tell_poll_begin(&self, clock: &Clock) {
        if crate::observe::listening() {
            let delay = clock.elapsed().saturating_sub(self.queued_at.get());
            let number = self.polls.replace(self.polls.get() + 1);
            let wakes = self.wakes.take();
            tell!(Kind::PollBegin { task: TaskId::ROOT, number, delay, wakes: &wakes });
        }
    }

    pub(super) fn tell_poll_end(&self, ready: bool) {
        tell!(Kind::PollEnd {
            task: TaskId::ROOT,
            ready,
            waiting_for: self.waiting_for.get(),
            wakers: self.wakers_alive(),
        });
    }
}
