//! What the loop tells whoever watches: the vocabulary, and nothing else.
//!
//! * [`Event`] and [`EventKind`]: every fact worth knowing about a run, one event a fact;
//! * [`Cause`]: why a task was woken, down to the socket, the timer, the job or the task;
//! * [`Observer`]: the one method that receives events;
//! * [`TracedState`]: the setter through which every hand-written future changes its state.
//!
//! The room depends on nothing. The rooms above call `emit!` at the places where
//! something happens; with nobody watching, that is one branch on a thread-local flag. The design follows
//! [trio's instruments](https://trio.readthedocs.io/en/stable/reference-lowlevel.html#instrument-api):
//! the watcher is called synchronously, from the places themselves, and a watcher that panics is removed.
//!
//! ```
//! use std::{cell::RefCell, rc::Rc};
//! use glassloop::{EventLoop, observe::{Event, EventKind, Observer}};
//!
//! struct Polls(Rc<RefCell<u32>>);
//! impl Observer for Polls {
//!     fn event(&mut self, event: &Event<'_>) {
//!         if matches!(event.kind, EventKind::PollBegin { .. }) {
//!             *self.0.borrow_mut() += 1;
//!         }
//!     }
//! }
//! let polls = Rc::new(RefCell::new(0));
//! let mut event_loop = EventLoop::builder().observer(Polls(polls.clone())).build()?;
//! event_loop.block_on(glassloop::futures::yield_now())?;
//! assert_eq!(*polls.borrow(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cause;
mod context;
mod event;
mod ids;
pub(crate) mod notes;
mod panics;
mod state;

pub use cause::{Cause, WakeOutcome};
pub(crate) use cause::{CauseGuard, current_cause};
pub use context::set_wait_reason;
pub(crate) use context::{
    CurrentTask, IdleObserver, ObserverContext, current_task, drop_observer, emit, emit_event, emit_event_at,
    is_observed, observed_for, set_turn, swap_observer, take_wait_reason,
};
pub use event::{
    ClockKind, Event, EventKind, HttpStep, IoOutcome, JobOutcome, LoopMetrics, Operation, TaskOutcome, TimeoutReason,
};
pub use ids::{FutureId, JobId, SemaphoreId, SourceId, TaskId, TimerId, WakeId};
pub use notes::polled_after_ready;
pub(crate) use panics::{contain, discard, log_error};
pub use state::{State, TracedState};

/// Receives every event of a run, in order, on the loop's thread.
///
/// The event is borrowed: what must outlive the call is copied. An observer may wake tasks and may read
/// its own shared state, but what it does is not itself observed. One that panics is removed, and the
/// panic is logged; the run goes on.
pub trait Observer {
    /// The loop has been built, and goes by this clock. Called once, before the first event.
    fn attach(&mut self, clock: ClockKind) {
        let _the_same_to_most = clock;
    }

    /// Something happened.
    fn event(&mut self, event: &Event<'_>);
}
