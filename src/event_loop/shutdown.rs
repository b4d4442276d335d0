//! The end of a loop, in an order in which nothing that was queued is lost (I14):
//!
//! 1. refuse new tasks;
//! 2. drop all tasks, on the loop's thread, with the loop still current, since what they drop may wake;
//! 3. forget timers and sources;
//! 4. cancel the cancellable jobs that have not started;
//! 5. close the loop's own pool as soon as no job waits for capacity in its queue, so that its threads end when the queue
//!    is empty;
//! 6. wait for the mandatory jobs, for as long as they take, and a moment for the others; run those on this thread that no
//!    other could be started for;
//! 7. end the observer, and report what was left.
//!
//! Whatever panics on the way, the next step is taken.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{EventLoop, current};
use crate::observe::{EventKind, IdleObserver, JobOutcome, TaskId, contain, drop_observer, emit, log_error};

/// What the shutdown could not wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Mandatory jobs that were given up because somebody asked for it: what they write may be lost.
    pub aborted_jobs: Vec<&'static str>,
    /// Abandonable jobs that were still running: their threads end with the process.
    pub left_running: Vec<&'static str>,
}

/// How long running jobs that nobody needs are waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often the wait looks whether it should give up.
const GLANCE: Duration = Duration::from_millis(50);

impl EventLoop {
    /// Ends the loop and says what was left. Dropping the loop does the same and logs it.
    pub fn shutdown(mut self) -> ShutdownReport {
        self.end()
    }

    fn end(&mut self) -> ShutdownReport {
        if self.core.closing.replace(true) {
            return ShutdownReport::default();
        }
        let entered = current::enter_over(&self.core);
        contain("dropping the tasks", || self.drop_tasks());
        contain("dropping the timers", || self.drop_timers());
        contain("dropping the sources", || self.core.reactor.clear());
        let report = self.end_jobs();
        self.core.shared.notifier.close();
        drop(entered);
        // The observer ends with the loop, though handles may live on and keep the tables: a recording is complete now.
        if let Some(observer) = self.core.idle_observer.take().and_then(IdleObserver::take) {
            drop_observer(observer);
        }
        report
    }

    fn drop_tasks(&mut self) {
        // None is added meanwhile: new ones are refused.
        let all: Vec<TaskId> = self.core.tasks.borrow().iter().map(|(id, _)| id).collect();
        for id in all {
            self.core.abort(id);
            self.core.run_task(id);
        }
        self.core.ready.borrow_mut().clear();
    }

    fn drop_timers(&mut self) {
        let timers = self.core.wheel.borrow_mut().drain();
        self.core.background_timers.set(0);
        drop(timers);
    }

    fn end_jobs(&mut self) -> ShutdownReport {
        self.cancel_cancellable();
        let started = Instant::now();
        loop {
            self.is_notified = true;
            self.hear_other_threads();
            if !self.core.jobs.borrow().is_any_waiting() {
                self.core.default_pool.close();
            }
            let report = self.jobs_left();
            let is_nothing_left = report == ShutdownReport::default();
            if is_nothing_left {
                // Their threads are on their way out: a moment, so that none outlives the loop.
                self.core.default_pool.wait_ended(PATIENCE);
            }
            let is_patience_over = report.aborted_jobs.is_empty() && started.elapsed() >= PATIENCE;
            if is_nothing_left || is_patience_over || self.give_up.load(Ordering::Acquire) {
                self.core.default_pool.close();
                return report;
            }
            if !self.core.run_refused_job() {
                self.wait_for_news();
            }
        }
    }

    /// Takes back what nobody needs and no worker has begun.
    fn cancel_cancellable(&mut self) {
        let cancelled = self.core.jobs.borrow_mut().remove_cancelled();
        for (job, entry) in cancelled {
            emit!(EventKind::JobEnd { job, outcome: JobOutcome::Cancelled });
            drop(entry);
        }
    }

    fn jobs_left(&self) -> ShutdownReport {
        let jobs = self.core.jobs.borrow();
        ShutdownReport { aborted_jobs: jobs.labels(true), left_running: jobs.labels(false) }
    }

    /// Sleeps until a job has ended, or for a glance.
    fn wait_for_news(&mut self) {
        let timeout = if self.core.shared.notifier.start_polling() { GLANCE } else { Duration::ZERO };
        let waited = self.poll.poll(&mut self.events, Some(timeout));
        self.core.shared.notifier.stop_polling();
        if let Err(error) = waited
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            std::thread::sleep(GLANCE); // the reactor is broken: the list is still read
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        let report = self.end();
        if !report.aborted_jobs.is_empty() {
            log_error(format_args!("the loop ended without these jobs: {}", report.aborted_jobs.join(", ")));
        }
    }
}
