//! The loop's table of jobs, on any pool: those that wait for capacity in a pool's queue, are queued, or are running.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::job_state::JobState;
use super::pool::{Rejected, Runnable, ThreadPool};
use crate::observe::{
    Cause, CauseGuard, EventKind, JobId, JobOutcome, contain, current_task, emit, emit_event_at, is_observed,
    log_error, next_worker,
};
use crate::sync::{Permit, PermitRequest, WakerSlot};
use crate::table::Table;

/// The jobs that have not ended.
#[derive(Default)]
pub(crate) struct Jobs {
    table: RefCell<JobTable>,
}

#[derive(Default)]
struct JobTable {
    entries: Table<JobId, JobEntry>,
    /// The number of jobs that are known to be running. Only known if the loop is observed.
    running: usize,
    /// The number of jobs that no thread could be started for.
    rejected: usize,
}

/// The entry of a job that has not ended.
pub(crate) struct JobEntry {
    label: &'static str,
    is_mandatory: bool,
    state: Arc<JobState>,
    queued_at: Instant,
    is_running: bool,
    stage: JobStage,
    /// The waker of the task that awaits the result.
    waker: WakerSlot,
}

/// The stages of a job on its way to a worker thread.
enum JobStage {
    New,
    /// Waits for capacity in the pool's queue. Dropping the request drops the job.
    Waiting {
        _request: PermitRequest,
    },
    /// In the queue, or with a worker thread, until the loop is notified of its end.
    Queued {
        _permit: Permit,
    },
    /// The pool has no thread for it.
    Rejected(Rejected),
    /// The loop runs it itself, during shutdown.
    RunByLoop,
}

impl JobTable {
    fn remove(&mut self, id: JobId) -> Option<JobEntry> {
        let entry = self.entries.remove(id)?;
        self.running -= usize::from(entry.is_running);
        self.rejected -= usize::from(matches!(entry.stage, JobStage::Rejected(_)));
        Some(entry)
    }

    fn set_stage(&mut self, id: JobId, next: JobStage) -> JobStage {
        let is_rejected = matches!(next, JobStage::Rejected(_));
        let Some(entry) = self.entries.get_mut(id) else { return next };
        let before = std::mem::replace(&mut entry.stage, next);
        self.rejected += usize::from(is_rejected);
        self.rejected -= usize::from(matches!(before, JobStage::Rejected(_)));
        before
    }

    fn is_rejected(&self, id: JobId) -> bool {
        self.entries.get(id).is_some_and(|entry| matches!(entry.stage, JobStage::Rejected(_)))
    }
}

// I4: values that the methods of the table return are dropped only after the borrow of the table has ended.
impl Jobs {
    /// Adds a job.
    pub(super) fn insert(&self, label: &'static str, is_mandatory: bool, bytes: u64, state: Arc<JobState>) -> JobId {
        let (stage, waker) = (JobStage::New, WakerSlot::new());
        let entry = JobEntry { label, is_mandatory, state, queued_at: Instant::now(), is_running: false, stage, waker };
        let id = self.table.borrow_mut().entries.insert(entry);
        emit!(EventKind::JobAdd { job: id, task: current_task(), label, bytes });
        id
    }

    /// Adds a job to a pool's queue, immediately or as soon as there is capacity.
    pub(super) fn submit(self: &Rc<Self>, id: JobId, pool: &ThreadPool, work: Box<dyn Runnable>) {
        if let Some(permit) = pool.capacity().try_acquire() {
            return self.queue(id, pool, work, permit);
        }
        // The loop queues the job later, and not the handle: a handle that is not polled would keep its permit unused.
        let (jobs, target) = (Rc::downgrade(self), pool.clone());
        let request = pool.capacity().acquire_then(move |permit| {
            if let Some(jobs) = jobs.upgrade() {
                jobs.queue(id, &target, work, permit);
            }
        });
        let is_waiting = self.table.borrow().entries.get(id).is_some_and(|entry| matches!(entry.stage, JobStage::New));
        if is_waiting {
            let _new = self.table.borrow_mut().set_stage(id, JobStage::Waiting { _request: request });
        }
    }

    fn queue(&self, id: JobId, pool: &ThreadPool, work: Box<dyn Runnable>, permit: Permit) {
        if let Some(entry) = self.table.borrow_mut().entries.get_mut(id) {
            entry.queued_at = Instant::now();
        }
        // The permit is held during this call: from the number of permits, the pool computes how many threads it needs.
        let next = match pool.submit(work) {
            Ok(()) => JobStage::Queued { _permit: permit },
            Err(rejected) => JobStage::Rejected(rejected),
        };
        let is_rejected = matches!(next, JobStage::Rejected(_));
        let before = self.table.borrow_mut().set_stage(id, next);
        drop(before);
        if is_rejected {
            let waker = self.table.borrow_mut().entries.get_mut(id).and_then(|entry| entry.waker.take());
            if let Some(waker) = waker {
                contain("a waker", || waker.wake());
            }
        }
    }

    /// Processes the message that a worker thread has started a job.
    pub(super) fn start(&self, id: JobId, time: Duration, worker: u32, at: Instant) {
        let wait = {
            let mut table = self.table.borrow_mut();
            let Some(entry) = table.entries.get_mut(id) else { return };
            let newly_started = !std::mem::replace(&mut entry.is_running, true);
            let wait = at.saturating_duration_since(entry.queued_at);
            table.running += usize::from(newly_started);
            wait
        };
        if is_observed() {
            emit_event_at(Some((time, worker)), EventKind::JobStart { job: id, wait });
        }
    }

    /// Processes the message that a job has ended.
    pub(super) fn end(&self, id: JobId, time: Duration, worker: u32, panicked: bool) {
        let outcome = if panicked { JobOutcome::Panicked } else { JobOutcome::Finished };
        if is_observed() {
            emit_event_at(Some((time, worker)), EventKind::JobEnd { job: id, outcome });
        }
        let removed = self.table.borrow_mut().remove(id);
        if let Some(mut entry) = removed {
            let _cause = CauseGuard::set(Cause::Job(id));
            if let Some(waker) = entry.waker.take() {
                contain("a waker", || waker.wake());
            }
            // Releases the permit, which may queue the next job. The cause of that is the end of this job, too.
            drop(entry);
        }
    }

    /// Returns what a job's handle waits for; `None` if it need not wait any longer.
    pub(super) fn waits_for(&self, id: JobId) -> Option<&'static str> {
        match self.table.borrow().entries.get(id)?.stage {
            JobStage::Rejected(_) => None,
            JobStage::New | JobStage::Waiting { .. } => Some("capacity in the pool's queue"),
            JobStage::Queued { .. } | JobStage::RunByLoop => Some("a job"),
        }
    }

    /// Stores the waker that is called when a job ends.
    pub(super) fn register(&self, id: JobId, waker: &Waker) {
        let is_stored = self.table.borrow().entries.get(id).is_none_or(|entry| entry.waker.will_wake(waker));
        if !is_stored {
            let mut slot = WakerSlot::containing(waker);
            if let Some(entry) = self.table.borrow_mut().entries.get_mut(id) {
                std::mem::swap(&mut entry.waker, &mut slot);
            }
            drop(slot);
        }
    }

    /// Drops the waker of a job whose handle was dropped. The job still runs.
    pub(super) fn detach(&self, id: JobId) {
        let slot = self.table.borrow_mut().entries.get_mut(id).map(|entry| std::mem::take(&mut entry.waker));
        drop(slot);
        let table = self.table.borrow();
        if let Some(JobEntry { label, stage: JobStage::Rejected(Rejected { error, .. }), .. }) = table.entries.get(id) {
            log_error(format_args!(
                "no thread could be started for the job `{label}`, which will run when the loop shuts down: {error}"
            ));
        }
    }

    /// Removes a job that was cancelled before it started.
    pub(super) fn remove_cancelled(&self, id: JobId) {
        let removed = self.table.borrow_mut().remove(id);
        if let Some(entry) = removed {
            emit!(EventKind::JobEnd { job: id, outcome: JobOutcome::Cancelled });
            drop(entry);
        }
    }

    /// Cancels all cancellable jobs that have not started.
    pub(super) fn cancel_all(&self) {
        for id in self.ids(|entry| !entry.is_mandatory && entry.state.cancel()) {
            self.remove_cancelled(id);
        }
    }

    /// Removes a job that no thread could be started for, and returns the error. It will not run.
    pub(super) fn take_rejected(&self, id: JobId) -> Option<io::Error> {
        let entry = {
            let mut table = self.table.borrow_mut();
            if table.is_rejected(id) { table.remove(id) } else { None }
        }?;
        emit!(EventKind::JobEnd { job: id, outcome: JobOutcome::Cancelled });
        let JobStage::Rejected(Rejected { error, work }) = entry.stage else { return None };
        if entry.is_mandatory {
            log_error(format_args!("the job `{}` did not run, since no thread could be started: {error}", entry.label));
        }
        contain("dropping what a job captured", || drop(work));
        Some(error)
    }

    /// Runs one job that no thread could be started for. Only for the shutdown, when the loop has nothing else to do (I14).
    /// Returns whether there was one.
    pub(super) fn run_rejected(&self) -> bool {
        let rejected = self.ids(|entry| matches!(entry.stage, JobStage::Rejected(_)));
        let Some(id) = rejected.into_iter().next() else { return false };
        let before = self.table.borrow_mut().set_stage(id, JobStage::RunByLoop);
        if let JobStage::Rejected(Rejected { work, .. }) = before {
            contain("dropping what a job captured", || work.run(next_worker()));
        }
        true
    }

    fn ids(&self, is_included: impl Fn(&JobEntry) -> bool) -> Vec<JobId> {
        self.table.borrow().entries.iter().filter(|(_, entry)| is_included(entry)).map(|(id, _)| id).collect()
    }

    /// Returns the number of jobs that are known to be running.
    pub(super) fn running(&self) -> usize {
        self.table.borrow().running
    }

    pub(super) fn len(&self) -> usize {
        self.table.borrow().entries.len()
    }

    /// Returns the number of jobs that will end without the loop's help.
    pub(super) fn outstanding(&self) -> usize {
        let table = self.table.borrow();
        table.entries.len() - table.rejected
    }

    /// Returns whether a job waits for capacity in a pool's queue.
    pub(super) fn is_any_waiting(&self) -> bool {
        self.table.borrow().entries.iter().any(|(_, entry)| matches!(entry.stage, JobStage::Waiting { .. }))
    }

    /// Returns the labels of the mandatory jobs, or of the cancellable ones.
    pub(super) fn labels(&self, is_mandatory: bool) -> Vec<&'static str> {
        let table = self.table.borrow();
        let entries = table.entries.iter().filter(|(_, entry)| entry.is_mandatory == is_mandatory);
        entries.map(|(_, entry)| entry.label).collect()
    }
}
