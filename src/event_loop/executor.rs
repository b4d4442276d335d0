//! `run_in_executor`: a blocking function, run by a thread of a pool, awaited like anything else.
//!
//! The name and the manner are asyncio's `loop.run_in_executor(None, func)`.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use super::core::{Core, Remote, Shared};
use super::current;
use super::job_state::JobState;
use super::pool::{ThreadPool, Work};
use crate::observe::{EventKind, JobId, current_task, discard, emit, polled_after_ready, set_wait_reason};

/// A function for a pool to run, with what is to be known about it.
///
/// A plain closure is a mandatory job: once it is queued it always runs, also when nobody waits for it any more and
/// when the loop shuts down. That is what a file write should be. An *cancellable* one is dropped if it has not
/// started when its [`JobHandle`] is dropped or the loop shuts down: a DNS look-up, a cached file's check.
///
/// ```
/// use glassloop::{Job, run_in_executor};
///
/// # let mut event_loop = glassloop::EventLoop::new()?;
/// let length = event_loop.block_on(async {
///     let job = Job::new(|| std::fs::read("Cargo.toml").map(|bytes| bytes.len())).label("read Cargo.toml").cancellable();
///     run_in_executor(None, job).await
/// })???;
/// assert!(length > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Job<T> {
    call: Box<dyn FnOnce() -> T + Send>,
    label: &'static str,
    bytes: u64,
    mandatory: bool,
}

impl<T> Job<T> {
    /// A mandatory job.
    pub fn new(call: impl FnOnce() -> T + Send + 'static) -> Job<T> {
        Job { call: Box::new(call), label: "job", bytes: 0, mandatory: true }
    }

    /// What it does, in a word or two, for events and for the report of what was lost.
    pub fn label(mut self, label: &'static str) -> Job<T> {
        self.label = label;
        self
    }

    /// How many bytes it moves, for events.
    pub fn bytes(mut self, bytes: u64) -> Job<T> {
        self.bytes = bytes;
        self
    }

    /// It need not run if nobody waits for it any more.
    pub fn cancellable(mut self) -> Job<T> {
        self.mandatory = false;
        self
    }
}

impl<T, F: FnOnce() -> T + Send + 'static> From<F> for Job<T> {
    fn from(call: F) -> Job<T> {
        Job::new(call)
    }
}

/// Hands a job to a pool (`None` is the loop's own) and returns a future of its result.
///
/// The job is queued at once if the pool's queue has capacity for it, and otherwise by the loop as soon as it has, in the
/// order of the calls, whether the handle is polled or not. Awaiting the handle is the backpressure: whoever drops handles
/// of mandatory jobs faster than the pool runs them fills the memory.
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn run_in_executor<T: Send + 'static>(pool: Option<&ThreadPool>, job: impl Into<Job<T>>) -> JobHandle<T> {
    let core = current::core();
    let pool = pool.unwrap_or(&core.default_pool).clone();
    let Job { call, label, bytes, mandatory } = job.into();
    let state = Arc::new(JobState::new());
    let result = Arc::new(ResultSlot { result: Mutex::new(None) });
    let id = core.jobs.borrow_mut().insert(label, mandatory, state.clone());
    let work = QueuedJob {
        call,
        result: result.clone(),
        state: state.clone(),
        id,
        shared: core.shared.clone(),
        observed: crate::observe::is_observed(),
    };
    emit!(EventKind::JobAdd { job: id, task: current_task(), label, bytes });
    core.submit_job(id, &pool, Box::new(work));
    JobHandle { core, id, state, result, mandatory, is_done: false }
}

/// What a worker runs: the function, and where its result goes.
struct QueuedJob<T> {
    call: Box<dyn FnOnce() -> T + Send>,
    result: Arc<ResultSlot<T>>,
    state: Arc<JobState>,
    id: JobId,
    /// The loop that waits for it.
    shared: Arc<Shared>,
    /// Whether the loop is to learn that the job has started.
    observed: bool,
}

/// Where the worker leaves the result and the handle takes it.
struct ResultSlot<T> {
    result: Mutex<Option<Result<T, JobError>>>,
}

impl<T> ResultSlot<T> {
    fn put(&self, result: Result<T, JobError>) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Option<Result<T, JobError>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T: Send> Work for QueuedJob<T> {
    fn run(self: Box<Self>, worker: u32) {
        if !self.state.begin() {
            return; // cancelled, and the loop knows
        }
        if self.observed {
            self.shared.notifier.push(Remote::JobStarted { job: self.id, worker, at: Instant::now() });
        }
        let mut ending = Ending { state: self.state, job: self.id, worker, shared: self.shared, panicked: true };
        // I12: the worker survives.
        let result = catch_unwind(AssertUnwindSafe(self.call)).map_err(|payload| {
            let text = panic_text(&*payload);
            discard(payload); // its drop may panic as well
            JobError::Panicked(text)
        });
        ending.panicked = result.is_err();
        // If the handle is gone, the result is dropped here, before the loop learns that the job has ended.
        let slot = self.result;
        slot.put(result);
    }
}

/// Notifies the loop that the job has ended when it is dropped: also if the drop of what the job captured panics.
struct Ending {
    state: Arc<JobState>,
    job: JobId,
    worker: u32,
    shared: Arc<Shared>,
    panicked: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (job, worker, panicked) = (self.job, self.worker, self.panicked);
        self.state.end();
        self.shared.notifier.notify(Remote::JobEnded { job, worker, at: Instant::now(), panicked });
    }
}

/// What a panic said, if it said it in words.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "it did not say why".to_owned(),
    }
}

/// The future of a job's result. Dropping it cancels the job only if it is cancellable and has not started.
pub struct JobHandle<T> {
    core: Rc<Core>,
    id: JobId,
    state: Arc<JobState>,
    result: Arc<ResultSlot<T>>,
    mandatory: bool,
    is_done: bool,
}

impl<T> JobHandle<T> {
    /// The job's number, until its result has been taken.
    pub fn id(&self) -> Option<JobId> {
        (!self.is_done).then_some(self.id)
    }
}

// The result is moved, never pinned.
impl<T> Unpin for JobHandle<T> {}

impl<T: Send + 'static> Future for JobHandle<T> {
    type Output = Result<T, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_done {
            polled_after_ready("JobHandle");
        }
        // When the loop learns that a job has ended, it takes the entry out and calls the waker in it. So as long as the
        // entry is there, that is still to come. The look follows the registration (I6).
        self.core.keep_jobs_waker(self.id, cx.waker());
        let waits_for = self.core.jobs.borrow().waits_for(self.id);
        if let Some(what) = waits_for {
            set_wait_reason(what);
            return Poll::Pending;
        }
        self.is_done = true;
        if let Some(error) = self.core.take_refused_job(self.id) {
            return Poll::Ready(Err(JobError::SpawnThread(error)));
        }
        Poll::Ready(self.result.take().unwrap_or(Err(JobError::Cancelled)))
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        if !self.mandatory && self.state.cancel() {
            self.core.cancel_job(self.id);
        } else {
            self.core.forget_jobs_waker(self.id);
        }
    }
}

/// Why a job has no result.
#[derive(Debug)]
pub enum JobError {
    /// It panicked, with these words.
    Panicked(String),
    /// It was cancellable, and the loop shut down before it started.
    Cancelled,
    /// The pool has no thread, and none could be started.
    SpawnThread(io::Error),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Panicked(text) => write!(f, "the job panicked: {text}"),
            JobError::Cancelled => f.write_str("the job was cancelled before it started"),
            JobError::SpawnThread(_) => f.write_str("there is no thread to run the job"),
        }
    }
}

impl std::error::Error for JobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JobError::SpawnThread(error) => Some(error),
            _ => None,
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("label", &self.label).field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}
