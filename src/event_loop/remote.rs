//! What other threads say to the loop, and what comes of it.

use std::time::{Duration, Instant};

use super::core::{Core, call_waker};
use super::notify::OsWaker;
use crate::observe::{Cause, CauseGuard, JobId, JobOutcome, Kind, TaskId, report_at};

/// What other threads have to say to the loop.
pub(crate) enum Remote {
    Wake {
        task: TaskId,
    },
    /// A worker has taken a job; said only if somebody observes.
    JobStarted {
        job: JobId,
        worker: u32,
        at: Instant,
    },
    JobEnded {
        job: JobId,
        worker: u32,
        at: Instant,
        panicked: bool,
    },
}

impl OsWaker for mio::Waker {
    fn wake(&self) {
        // It fails only where the descriptor is gone, and with it the loop. Nothing may be said here (I2).
        let _gone = mio::Waker::wake(self);
    }
}

impl Core {
    /// One thing that another thread has said.
    pub(super) fn hear(&self, said: Remote) {
        match said {
            Remote::Wake { task } => {
                self.clear_remote_pending(task);
                self.wake_local(task, Cause::Outside);
            }
            Remote::JobStarted { job, worker, at } => {
                let queued_at = self.jobs.borrow_mut().get_mut(job).map(|entry| entry.queued_at);
                let wait = queued_at.map_or(Duration::ZERO, |queued_at| at.saturating_duration_since(queued_at));
                report_at(Some((self.clock.since_base(at), worker)), Kind::JobStart { job, wait });
            }
            Remote::JobEnded { job, worker, at, panicked } => {
                let outcome = if panicked { JobOutcome::Panicked } else { JobOutcome::Finished };
                if crate::observe::listening() {
                    report_at(Some((self.clock.since_base(at), worker)), Kind::JobEnd { job, outcome });
                }
                let entry = self.jobs.borrow_mut().remove(job);
                if let Some(mut entry) = entry {
                    let _cause = CauseGuard::set(Cause::Job(job));
                    if let Some(waker) = entry.waker.take() {
                        call_waker(|| waker.wake());
                    }
                    // Its place in the pool's queue goes to the next: still caused by this job.
                    drop(entry);
                }
            }
        }
    }

    /// So that the next wake from another thread is pushed again. Before the poll: a wake during it counts.
    fn clear_remote_pending(&self, task: TaskId) {
        if task.is_root() {
            self.root.header.clear_remote_pending();
        } else if let Some(slot) = self.tasks.borrow().get(task) {
            slot.header.clear_remote_pending();
        }
    }
}
