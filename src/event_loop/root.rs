//! The root: the future that `block_on` was given. It is a task without a slot, since it lives on the caller's stack.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::core::{Core, Shared};
use super::diagnosis::Standing;
use super::task::Header;
use super::{EventLoop, OnUnwind};
use crate::observe::{CurrentTask, EventKind, TaskId, WakeId, emit, take_wait_reason};
use crate::sync::{HoldId, Polled};

/// What a slot is to a task.
pub(crate) struct Root {
    /// To be polled in the next turn: what `scheduled` is in a slot (I3).
    pub(crate) woken: Cell<bool>,
    waker: Waker,
    /// Counted once here and once for `waker`.
    pub(crate) header: Arc<Header>,
    /// Where the clones of its waker are counted.
    hold: HoldId,
    pub(crate) waiting_for: Cell<&'static str>,
    /// `block_on` runs it, and nobody can call `wake_root`.
    pub(super) is_blocked_on: Cell<bool>,
    polls: Cell<u64>,
    /// When it was woken; kept only for an observer.
    pub(crate) queued_at: Cell<Duration>,
    /// The wakes since the last poll; kept only for an observer.
    pub(crate) wakes: RefCell<Vec<WakeId>>,
}

impl Root {
    pub(super) fn new(shared: Arc<Shared>) -> Root {
        let header = Header::new(TaskId::ROOT, shared);
        Root {
            woken: Cell::new(true),
            waker: Waker::from(header.clone()),
            header,
            hold: HoldId::open(),
            waiting_for: Cell::new(""),
            is_blocked_on: Cell::new(false),
            polls: Cell::new(0),
            queued_at: Cell::new(Duration::ZERO),
            wakes: RefCell::default(),
        }
    }

    /// Clones of the waker beside its own: everybody's.
    fn wakers_alive(&self) -> usize {
        Arc::strong_count(&self.header).saturating_sub(2)
    }

    /// How it stands, for a finding. Between two turns that somebody takes by hand, anybody may wake it.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            waiting_for: self.waiting_for.get(),
            wakers: self.wakers_alive(),
            hold: self.hold,
            is_about_to_be_polled: self.woken.get() || !self.is_blocked_on.get(),
        }
    }

    /// Whether a clone of the waker is in hands that the loop cannot see (I16).
    pub(super) fn is_waker_foreign(&self) -> bool {
        self.wakers_alive() > self.hold.count()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.hold.close();
    }
}

impl EventLoop {
    /// A panic of the root is the caller's: it goes through the loop, which can be used again.
    pub(super) fn poll_root<F: Future>(&mut self, root: Pin<&mut F>) -> Poll<F::Output> {
        let core = &*self.core;
        core.emit_root_poll_begin();
        core.io_budget.refill();
        self.budget.spent += 1;
        let _task = CurrentTask::set(TaskId::ROOT);
        let _polled = Polled::new(&core.root.waker, core.root.hold).enter();
        let unwinding = OnUnwind(|| {
            core.emit_root_poll_end(false); // nothing is diagnosed: it will not be polled again
            core.emit_turn_end();
        });
        let polled = root.poll(&mut Context::from_waker(&core.root.waker));
        std::mem::forget(unwinding);
        core.root.waiting_for.set(take_wait_reason());
        core.emit_root_poll_end(polled.is_ready());
        if crate::observe::is_observed() {
            core.diagnose_poll_end(TaskId::ROOT, polled.is_ready());
        }
        polled
    }
}

impl Core {
    fn emit_root_poll_begin(&self) {
        if crate::observe::is_observed() {
            let now = self.clock.elapsed();
            let delay = now.saturating_sub(self.root.queued_at.get());
            let number = self.root.polls.replace(self.root.polls.get() + 1);
            let wakes = self.root.wakes.take();
            emit!(EventKind::PollBegin { task: TaskId::ROOT, number, delay, wakes: &wakes });
            self.diagnose_poll_begin(TaskId::ROOT, now, delay);
        }
    }

    fn emit_root_poll_end(&self, ready: bool) {
        if crate::observe::is_observed() {
            emit!(EventKind::PollEnd {
                task: TaskId::ROOT,
                ready,
                waiting_for: self.root.waiting_for.get(),
                wakers: self.root.wakers_alive(),
            });
        }
    }
}
