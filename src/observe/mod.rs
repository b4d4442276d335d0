//! Events of the loop, and the trait for observers that receive them.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | [`Observer`], the trait for receivers of events |
//! | `event.rs`, `ids.rs` | [`Event`] and [`EventKind`], what happens in a run; the identifiers of tasks, sources and so on |
//! | `cause.rs` | [`Cause`], why a task was woken: the socket, the timer, the job or the task |
//! | `state.rs` | [`TracedState`], the state of a hand-written future, with an event for each change |
//! | `context.rs`, `thread.rs` | the observer of the running loop; the task that is polled on this thread, what it waits for, and the cause of wakes |
//! | `findings.rs`, `notes.rs`, `lateness.rs` | how bugs in the program are detected |
//! | `panics.rs` | how panics of user code, such as observers, are caught |
//!
//! This module uses no other module than the internal `table`. The other modules call `emit!` where something happens;
//! without an observer, the cost is one branch on a thread-local flag. The design follows
//! [trio's instruments](https://trio.readthedocs.io/en/stable/reference-lowlevel.html#instrument-api): the observer is
//! called synchronously, and one that panics is removed.
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
mod findings;
mod ids;
mod lateness;
pub(crate) mod notes;
mod panics;
mod state;
mod thread;

pub use cause::{Cause, WakeOutcome};
pub(crate) use context::{
    IdleObserver, ObserverContext, drop_observer, emit, emit_event, emit_event_at, set_turn, swap_observer,
    time_in_observer,
};
pub use event::{
    ClockKind, Event, EventKind, HttpStep, IoOutcome, JobOutcome, LoopMetrics, Operation, TaskOutcome, TimeoutReason,
};
pub(crate) use findings::{Aborter, FindingDetector, TaskInspector, TaskStatus};
pub use ids::{FutureId, JobId, SemaphoreId, SourceId, TaskId, TimerId, WakeId};
pub use notes::polled_after_ready;
pub(crate) use panics::{contain, discard, log_error};
pub use state::{NamedState, TracedState};
pub use thread::set_wait_reason;
pub(crate) use thread::{
    CauseGuard, CurrentTask, current_cause, current_task, is_observed, next_semaphore, next_worker, take_wait_reason,
};

/// Receives every event of a run, in order, on the loop's thread.
///
/// The event is borrowed, so an observer must copy what it keeps. It may wake tasks, but its own actions are not observed.
/// An observer that panics is removed, the panic is logged, and the run continues.
pub trait Observer {
    /// Called once, before the first event, with the clock of the loop.
    fn attach(&mut self, clock: ClockKind) {
        let _ignored_by_default = clock;
    }

    /// Called for each event.
    fn event(&mut self, event: &Event<'_>);
}
