//! The loop's table of jobs, on whatever pool: those that wait for capacity in a pool's queue, are queued, or run.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::core::Core;
use super::job_state::JobState;
use super::pool::{Refusal, ThreadPool, Work, next_worker};
use crate::observe::{EventKind, JobId, JobOutcome, contain, emit, log_error};
use crate::sync::{Permit, PermitRequest, WakerSlot};

/// The jobs that have not ended.
#[derive(Default)]
pub(crate) struct Jobs {
    slots: slab::Slab<JobEntry>,
    /// Those that a worker is known to run; known only while somebody observes.
    running: usize,
    /// Those that no thread could be started for.
    refused: usize,
    /// How many there have been.
    submitted: u32,
}

/// What the loop knows of a job until it ends.
pub(crate) struct JobEntry {
    label: &'static str,
    mandatory: bool,
    state: Arc<JobState>,
    queued_at: Instant,
    /// A worker is known to run it.
    is_running: bool,
    stage: Stage,
    /// Whoever awaits the result.
    pub(crate) waker: WakerSlot,
    generation: u32,
}

/// How far a job has come on its way to a worker.
enum Stage {
    New,
    /// Waits for capacity in the pool's queue. Dropping the request drops the job.
    Waiting {
        _request: PermitRequest,
    },
    /// In the queue, or in a worker's hands, until the loop learns of its end.
    Queued {
        _permit: Permit,
    },
    /// The pool has no thread for it.
    Refused(Refusal),
    /// The loop runs it itself, while it shuts down.
    RunByLoop,
}

impl Jobs {
    pub(crate) fn insert(&mut self, label: &'static str, mandatory: bool, state: Arc<JobState>) -> JobId {
        self.submitted = self.submitted.checked_add(1).unwrap_or(1);
        let index = self.slots.insert(JobEntry {
            label,
            mandatory,
            state,
            queued_at: Instant::now(),
            is_running: false,
            stage: Stage::New,
            waker: WakerSlot::new(),
            generation: self.submitted,
        });
        JobId { index: index as u32, generation: self.submitted }
    }

    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut JobEntry> {
        self.slots.get_mut(id.index as usize).filter(|entry| entry.generation == id.generation)
    }

    fn get(&self, id: JobId) -> Option<&JobEntry> {
        self.slots.get(id.index as usize).filter(|entry| entry.generation == id.generation)
    }

    /// Takes a job out. What comes back is to be dropped when the table is not borrowed.
    pub(crate) fn remove(&mut self, id: JobId) -> Option<JobEntry> {
        self.get(id)?;
        let entry = self.slots.remove(id.index as usize);
        self.running -= usize::from(entry.is_running);
        self.refused -= usize::from(matches!(entry.stage, Stage::Refused(_)));
        Some(entry)
    }

    /// Moves a job on. What comes back, the stage before, is to be dropped when the table is not borrowed.
    fn set_stage(&mut self, id: JobId, next: Stage) -> Stage {
        let is_refused = matches!(next, Stage::Refused(_));
        let Some(entry) = self.get_mut(id) else { return next };
        let before = std::mem::replace(&mut entry.stage, next);
        self.refused += usize::from(is_refused);
        self.refused -= usize::from(matches!(before, Stage::Refused(_)));
        before
    }

    /// A worker has taken the job. How long it was queued.
    pub(crate) fn start(&mut self, id: JobId, at: Instant) -> Option<Duration> {
        let entry = self.get_mut(id)?;
        let is_news = !std::mem::replace(&mut entry.is_running, true);
        let wait = at.saturating_duration_since(entry.queued_at);
        self.running += usize::from(is_news);
        Some(wait)
    }

    /// Those that a worker is known to run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Those that will end without the loop's help.
    pub(crate) fn outstanding(&self) -> usize {
        self.slots.len() - self.refused
    }

    /// What a job's handle waits for; `None` if it need not wait any longer.
    pub(crate) fn waits_for(&self, id: JobId) -> Option<&'static str> {
        match self.get(id)?.stage {
            Stage::Refused(_) => None,
            Stage::New | Stage::Waiting { .. } => Some("capacity in the pool's queue"),
            Stage::Queued { .. } | Stage::RunByLoop => Some("a job"),
        }
    }

    /// Whether a job waits for capacity in a pool's queue.
    pub(crate) fn is_any_waiting(&self) -> bool {
        self.slots.iter().any(|(_, entry)| matches!(entry.stage, Stage::Waiting { .. }))
    }

    /// The labels of the mandatory jobs, or of the others.
    pub(crate) fn labels(&self, mandatory: bool) -> Vec<&'static str> {
        self.slots.iter().filter(|(_, entry)| entry.mandatory == mandatory).map(|(_, entry)| entry.label).collect()
    }

    /// Cancels the cancellable ones that no worker has begun, and takes them out.
    pub(crate) fn remove_cancelled(&mut self) -> Vec<(JobId, JobEntry)> {
        let is_cancelled = |entry: &JobEntry| !entry.mandatory && entry.state.cancel();
        let cancelled = self.ids(is_cancelled);
        cancelled.into_iter().filter_map(|id| self.remove(id).map(|entry| (id, entry))).collect()
    }

    fn ids(&self, is_one: impl Fn(&JobEntry) -> bool) -> Vec<JobId> {
        let found = self.slots.iter().filter(|(_, entry)| is_one(entry));
        found.map(|(index, entry)| JobId { index: index as u32, generation: entry.generation }).collect()
    }
}

impl Core {
    /// Puts a job into a pool's queue, at once or as soon as there is capacity.
    pub(super) fn submit_job(self: &std::rc::Rc<Self>, id: JobId, pool: &ThreadPool, work: Box<dyn Work>) {
        if let Some(permit) = pool.room().try_acquire() {
            return self.queue_job(id, pool, work, permit);
        }
        // By the loop, and not by the handle: a handle that is kept and not polled must not keep the permit from others.
        let (core, to) = (std::rc::Rc::downgrade(self), pool.clone());
        let request = pool.room().acquire_then(move |permit| {
            if let Some(core) = core.upgrade() {
                core.queue_job(id, &to, work, permit);
            }
        });
        let is_granted = self.jobs.borrow().get(id).is_none_or(|entry| !matches!(entry.stage, Stage::New));
        if !is_granted {
            let _new = self.jobs.borrow_mut().set_stage(id, Stage::Waiting { _request: request });
        }
    }

    fn queue_job(&self, id: JobId, pool: &ThreadPool, work: Box<dyn Work>, permit: Permit) {
        if let Some(entry) = self.jobs.borrow_mut().get_mut(id) {
            entry.queued_at = Instant::now();
        }
        // The permit is held meanwhile: the pool counts them to know how many threads it needs.
        let next = match pool.submit(work) {
            Ok(()) => Stage::Queued { _permit: permit },
            Err(refusal) => Stage::Refused(refusal),
        };
        let is_refused = matches!(next, Stage::Refused(_));
        let before = self.jobs.borrow_mut().set_stage(id, next);
        drop(before);
        if is_refused {
            let unheard = self.jobs.borrow_mut().get_mut(id).and_then(|entry| entry.waker.take());
            if let Some(waker) = unheard {
                contain("a waker", || waker.wake());
            }
        }
    }

    /// Lets the end of a job wake the task that `waker` belongs to.
    pub(super) fn keep_jobs_waker(&self, id: JobId, waker: &Waker) {
        let is_kept = self.jobs.borrow().get(id).is_none_or(|entry| entry.waker.will_wake(waker));
        if !is_kept {
            // I4: the clone and the drop of a waker may run anything, and the table is not borrowed.
            let mut slot = WakerSlot::holding(waker);
            if let Some(entry) = self.jobs.borrow_mut().get_mut(id) {
                std::mem::swap(&mut entry.waker, &mut slot);
            }
            drop(slot);
        }
    }

    /// Nobody awaits the job any more.
    pub(super) fn forget_jobs_waker(&self, id: JobId) {
        let slot = self.jobs.borrow_mut().get_mut(id).map(|entry| std::mem::take(&mut entry.waker));
        drop(slot);
        let jobs = self.jobs.borrow();
        if let Some(JobEntry { label, stage: Stage::Refused(Refusal { error, .. }), .. }) = jobs.get(id) {
            log_error(format_args!(
                "no thread for the job `{label}`, which will run when the loop shuts down: {error}"
            ));
        }
    }

    /// Takes out a job that no thread could be started for, and says why. It will not run.
    pub(super) fn take_refused_job(&self, id: JobId) -> Option<io::Error> {
        let is_refused = self.jobs.borrow().get(id).is_some_and(|entry| matches!(entry.stage, Stage::Refused(_)));
        let entry = if is_refused { self.jobs.borrow_mut().remove(id) } else { None }?;
        emit!(EventKind::JobEnd { job: id, outcome: JobOutcome::Cancelled });
        let Stage::Refused(Refusal { error, work }) = entry.stage else { return None };
        if entry.mandatory {
            log_error(format_args!("the job `{}` did not run, since no thread could be started: {error}", entry.label));
        }
        contain("dropping what a job captured", || drop(work));
        Some(error)
    }

    /// Cancels a job that is cancellable and that no worker has begun, or else lets it run unheard.
    pub(super) fn cancel_job(&self, id: JobId) {
        let entry = self.jobs.borrow_mut().remove(id);
        if let Some(entry) = entry {
            emit!(EventKind::JobEnd { job: id, outcome: JobOutcome::Cancelled });
            drop(entry);
        }
    }

    /// Runs one mandatory job that no thread could be started for: for the shutdown, when the loop has nothing else to do
    /// (I14). Returns whether there was one.
    pub(super) fn run_refused_job(&self) -> bool {
        let refused = self.jobs.borrow().ids(|entry| matches!(entry.stage, Stage::Refused(_)));
        let Some(id) = refused.into_iter().next() else { return false };
        let before = self.jobs.borrow_mut().set_stage(id, Stage::RunByLoop);
        if let Stage::Refused(Refusal { work, .. }) = before {
            contain("dropping what a job captured", || work.run(next_worker()));
        }
        true
    }
}
