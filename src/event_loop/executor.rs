//! `run_in_executor`: runs a blocking function on a thread of a pool, and returns a future that resolves to its result.
//!
//! It is modelled on asyncio's `loop.run_in_executor(None, func)`, and named after it. In Rust, "executor" usually means
//! the part that polls tasks; here that part is the event loop. tokio's name for this function is `spawn_blocking`.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use super::current;
use super::job_state::JobState;
use super::jobs::Jobs;
use super::pool::{Runnable, ThreadPool};
use super::remote::{RemoteHandle, RemoteMessage};
use crate::observe::{JobId, discard, is_observed, polled_after_ready, set_wait_reason};

/// A function that a pool runs, with a label, a number of bytes, and whether it may be cancelled.
///
/// A plain closure is a mandatory job: once it is queued it always runs, even if its [`JobHandle`] is dropped or the loop
/// shuts down. Writing a file should be mandatory. A *cancellable* job, for example a DNS lookup, is dropped if it
/// has not started when its handle is dropped or the loop shuts down.
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
    is_mandatory: bool,
}

impl<T> Job<T> {
    /// Creates a mandatory job.
    pub fn new(call: impl FnOnce() -> T + Send + 'static) -> Job<T> {
        Job { call: Box::new(call), label: "job", bytes: 0, is_mandatory: true }
    }

    /// Sets a label of one or two words, for events and for the report of aborted jobs.
    pub fn label(mut self, label: &'static str) -> Job<T> {
        self.label = label;
        self
    }

    /// Sets the number of bytes that the job transfers, for events.
    pub fn bytes(mut self, bytes: u64) -> Job<T> {
        self.bytes = bytes;
        self
    }

    /// Lets the job be cancelled while it has not started.
    pub fn cancellable(mut self) -> Job<T> {
        self.is_mandatory = false;
        self
    }
}

impl<T, F: FnOnce() -> T + Send + 'static> From<F> for Job<T> {
    fn from(call: F) -> Job<T> {
        Job::new(call)
    }
}

/// Runs a job on a pool (`None` for the loop's own), and returns a future that resolves to its result.
///
/// The job is queued immediately if the pool's queue has capacity. If not, the loop queues it as soon as there is capacity,
/// in the order of the calls, even if the handle is not polled. Awaiting the handle provides backpressure: a program that
/// drops the handles of mandatory jobs may submit them faster than the pool runs them, and exhaust the memory.
///
/// # Panics
/// If no loop is running on this thread.
#[track_caller]
pub fn run_in_executor<T: Send + 'static>(pool: Option<&ThreadPool>, job: impl Into<Job<T>>) -> JobHandle<T> {
    let core = current::core();
    let pool = pool.unwrap_or(&core.default_pool).clone();
    let Job { call, label, bytes, is_mandatory } = job.into();
    let (state, slot) = (Arc::new(JobState::new()), Arc::new(JobResult { result: Mutex::new(None) }));
    let id = core.jobs.insert(label, is_mandatory, bytes, state.clone());
    let remote = core.remote.clone();
    let job = QueuedJob { call, slot: slot.clone(), state: state.clone(), id, remote, is_observed: is_observed() };
    core.jobs.submit(id, &pool, Box::new(job));
    JobHandle { jobs: core.jobs.clone(), id, state, slot, is_mandatory, is_done: false }
}

/// A job in the queue of a pool.
struct QueuedJob<T> {
    call: Box<dyn FnOnce() -> T + Send>,
    slot: Arc<JobResult<T>>,
    state: Arc<JobState>,
    id: JobId,
    /// The loop that is notified.
    remote: Arc<RemoteHandle>,
    /// Whether the loop is also notified when the job starts.
    is_observed: bool,
}

/// The result slot of a job, which the worker and the handle share.
///
/// The state is not in it because the loop's table also needs the state, and must not keep the result: if the handle has
/// been dropped, the worker drops the result, and not the loop.
struct JobResult<T> {
    result: Mutex<Option<Result<T, JobError>>>,
}

impl<T> JobResult<T> {
    fn put(&self, result: Result<T, JobError>) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Option<Result<T, JobError>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T: Send> Runnable for QueuedJob<T> {
    fn run(self: Box<Self>, worker: u32) {
        if !self.state.begin() {
            return; // it was cancelled by the loop
        }
        if self.is_observed {
            self.remote.notifier.push(RemoteMessage::JobStarted { job: self.id, worker, at: Instant::now() });
        }
        let mut guard = CompletionGuard { job: self.id, worker, remote: self.remote, panicked: true };
        // I12: the worker survives a panic.
        let result = catch_unwind(AssertUnwindSafe(self.call)).map_err(|payload| {
            let text = panic_text(&*payload);
            discard(payload); // the drop of the payload may panic as well
            JobError::Panicked(text)
        });
        guard.panicked = result.is_err();
        // If the handle has been dropped, the result is dropped here, before the loop is notified.
        let slot = self.slot;
        slot.put(result);
        self.state.end();
    }
}

/// On drop, notifies the loop that the job has ended. This also happens if dropping what the job captured panics.
struct CompletionGuard {
    job: JobId,
    worker: u32,
    remote: Arc<RemoteHandle>,
    panicked: bool,
}

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        let (job, worker, panicked) = (self.job, self.worker, self.panicked);
        self.remote.notifier.notify(RemoteMessage::JobEnded { job, worker, at: Instant::now(), panicked });
    }
}

/// Returns the message of a panic, if the payload is a string.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "non-string panic payload".to_owned(),
    }
}

/// A handle to a job: a future that resolves to its result. Dropping it cancels the job only if it is cancellable and has
/// not started.
pub struct JobHandle<T> {
    jobs: Rc<Jobs>,
    id: JobId,
    state: Arc<JobState>,
    slot: Arc<JobResult<T>>,
    is_mandatory: bool,
    is_done: bool,
}

impl<T> JobHandle<T> {
    /// Returns the job's id. `None` after the result has been returned.
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
        // When the loop is notified that a job has ended, it removes the entry and calls the waker in it. So while the entry
        // exists, the waker will be called. This is checked after the waker is stored (I6).
        self.jobs.register(self.id, cx.waker());
        let waits_for = self.jobs.waits_for(self.id);
        if let Some(what) = waits_for {
            set_wait_reason(what);
            return Poll::Pending;
        }
        self.is_done = true;
        if let Some(error) = self.jobs.take_rejected(self.id) {
            return Poll::Ready(Err(JobError::SpawnThread(error)));
        }
        Poll::Ready(self.slot.take().unwrap_or(Err(JobError::Cancelled)))
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        if !self.is_mandatory && self.state.cancel() {
            self.jobs.remove_cancelled(self.id);
        } else {
            self.jobs.detach(self.id);
        }
    }
}

/// The error of a job that has no result.
#[derive(Debug)]
pub enum JobError {
    /// The job panicked with this message.
    Panicked(String),
    /// The job was cancellable, and the loop was shut down before it started.
    Cancelled,
    /// The pool has no thread, and could not start one.
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
        f.debug_struct("Job").field("label", &self.label).field("mandatory", &self.is_mandatory).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}
