//! The state of one loop, which its parts share. Each part has a file of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::io_budget::IoBudget;
use super::jobs::Jobs;
use super::pool::ThreadPool;
use super::reactor::Reactor;
use super::ready::ReadyQueue;
use super::remote::RemoteHandle;
use super::task::Tasks;
use super::timers::Timers;
use crate::observe::{FindingDetector, IdleObserver, LoopMetrics, TaskId};

/// The state of one loop. It never leaves the loop's thread.
///
/// Invariant: no `RefCell` in it is borrowed while user code may run (I4).
pub(crate) struct Core {
    pub(crate) remote: Arc<RemoteHandle>,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) ready: RefCell<ReadyQueue>,
    pub(crate) reactor: Reactor,
    pub(crate) timers: Timers,
    pub(crate) clock: Rc<Clock>,
    pub(crate) io_budget: IoBudget,
    pub(crate) jobs: Rc<Jobs>,
    pub(crate) default_pool: ThreadPool,
    /// The observer, while the loop is not running.
    pub(crate) idle_observer: Cell<Option<IdleObserver>>,
    /// Only used while the loop is observed.
    pub(crate) findings: FindingDetector,
    pub(crate) next_wake: Cell<u64>,
    /// The task that was found to have an external waker when this was last checked (I16).
    pub(crate) last_with_external_waker: Cell<TaskId>,
    /// Whether the loop is shutting down, and rejects new tasks (I14).
    pub(crate) is_closing: Cell<bool>,
}

impl Core {
    /// Returns whether a task is ready to be polled.
    pub(crate) fn is_any_task_ready(&self) -> bool {
        !self.ready.borrow().is_empty()
    }

    /// Returns the time until a deadline, which is zero if it has passed.
    pub(crate) fn time_until(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.clock.elapsed())
    }

    /// Returns the numbers of tasks, timers, sources and jobs, for events.
    pub(crate) fn metrics(&self) -> LoopMetrics {
        LoopMetrics {
            ready: self.ready.borrow().len(),
            tasks: self.tasks.borrow().len() - 1, // without the root task
            timers: self.timers.len(),
            sources: self.reactor.len(),
            jobs_queued: self.jobs.len() - self.jobs.running(),
            jobs_running: self.jobs.running(),
        }
    }
}
