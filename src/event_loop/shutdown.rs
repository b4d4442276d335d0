//! The shutdown of a loop, in an order that completes every queued write (I14):
//!
//! 1. reject new tasks;
//! 2. drop all tasks, on the loop's thread and with the loop current, since their drop may wake others;
//! 3. remove all timers and sources;
//! 4. cancel the cancellable jobs that have not started;
//! 5. close the loop's own pool as soon as no job waits for capacity in its queue, so that its threads end when the queue
//!    is empty;
//! 6. wait for the mandatory jobs without a limit, and for the others up to 500 ms; if no thread could be started for a job,
//!    run it on this thread;
//! 7. drop the observer, and return a report.
//!
//! If a step panics, the following steps are executed nevertheless.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::task::{Task, TaskFuture};
use super::{EventLoop, current};
use crate::observe::{IdleObserver, TaskId, contain, drop_observer, log_error};

/// The jobs that had not ended when the loop was shut down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// The labels of the mandatory jobs that were aborted by a forced shutdown. What they write may be lost.
    pub aborted_jobs: Vec<&'static str>,
    /// The labels of the cancellable jobs that were still running. Their threads end with the process.
    pub left_running: Vec<&'static str>,
}

/// The time limit for cancellable jobs that are running.
const SHUTDOWN_GRACE_PERIOD: Duration = Duration::from_millis(500);

/// The interval of checks for a forced shutdown.
const SHUTDOWN_POLL_INTERVAL: Duration = Duration::from_millis(50);

impl EventLoop {
    /// Shuts the loop down. Dropping the loop does the same, and logs aborted jobs.
    pub fn shutdown(mut self) -> ShutdownReport {
        self.end()
    }

    fn end(&mut self) -> ShutdownReport {
        if self.core.is_closing.replace(true) {
            return ShutdownReport::default();
        }
        let entered = current::enter_nested(&self.core);
        contain("dropping the tasks", || self.drop_tasks());
        contain("dropping the timers", || self.core.timers.clear());
        contain("dropping the sources", || self.core.reactor.clear());
        let report = self.end_jobs();
        self.core.remote.notifier.close();
        drop(entered);
        // Handles may keep the core alive. The observer is dropped now, so that a recording is complete.
        if let Some(observer) = self.core.idle_observer.take().and_then(IdleObserver::take) {
            drop_observer(observer);
        }
        report
    }

    fn drop_tasks(&mut self) {
        // No task is added during this: new ones are rejected.
        let is_stored = |task: &Task| matches!(task.future, TaskFuture::Stored(_));
        let tasks = self.core.tasks.borrow();
        let all: Vec<TaskId> = tasks.iter().filter(|(_, task)| is_stored(task)).map(|(id, _)| id).collect();
        drop(tasks);
        for id in all {
            self.core.abort(id);
            self.core.run_task(id);
        }
        self.core.ready.borrow_mut().clear();
        if let Some(root) = self.core.tasks.borrow().get(TaskId::ROOT) {
            root.waker_count.remove();
        }
    }

    fn end_jobs(&mut self) -> ShutdownReport {
        self.core.jobs.cancel_all();
        let started = Instant::now();
        loop {
            self.is_notified = true;
            self.drain_inbox();
            if !self.core.jobs.is_any_waiting() {
                self.core.default_pool.close();
            }
            let report = self.unfinished_jobs();
            let have_all_ended = report == ShutdownReport::default();
            if have_all_ended {
                // The threads are about to end. None should outlive the loop.
                self.core.default_pool.join_timeout(SHUTDOWN_GRACE_PERIOD);
            }
            let is_grace_period_over = report.aborted_jobs.is_empty() && started.elapsed() >= SHUTDOWN_GRACE_PERIOD;
            if have_all_ended || is_grace_period_over || self.force_shutdown.load(Ordering::Acquire) {
                self.core.default_pool.close();
                return report;
            }
            if !self.core.jobs.run_rejected() {
                self.wait_for_message();
            }
        }
    }

    fn unfinished_jobs(&self) -> ShutdownReport {
        let jobs = &self.core.jobs;
        ShutdownReport { aborted_jobs: jobs.labels(true), left_running: jobs.labels(false) }
    }

    /// Waits until a message arrives, for at most 50 ms.
    fn wait_for_message(&mut self) {
        let timeout = if self.core.remote.notifier.begin_park() { SHUTDOWN_POLL_INTERVAL } else { Duration::ZERO };
        let waited = self.poll.poll(&mut self.events, Some(timeout));
        self.core.remote.notifier.end_park();
        if let Err(error) = waited
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            std::thread::sleep(SHUTDOWN_POLL_INTERVAL); // the reactor is broken, but the inbox is still drained
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        let report = self.end();
        if !report.aborted_jobs.is_empty() {
            log_error(format_args!(
                "these jobs were aborted when the loop was shut down: {}",
                report.aborted_jobs.join(", ")
            ));
        }
    }
}
