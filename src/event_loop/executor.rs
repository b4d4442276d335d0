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
use super::pool::{NewJob, ThreadPool, Work};
use crate::observe::{JobId, JobOutcome, Kind, current_task, note_waiting, polled_after_ready, tell};
use crate::sync::{Acquire, Permit};

/// A function for a pool to run, with what is to be known about it.
///
/// A plain closure is a mandatory job: once it is queued it always runs, also when nobody waits for it any more and
/// when the loop shuts down. That is what a file write should be. An *abandonable* one is dropped if it has not
/// started when its [`JobHandle`] is dropped or the loop shuts down: a DNS look-up, a cached file's check.
///
/// ```
/// use glassloop::{Job, run_in_executor};
///
/// # let mut event_loop = glassloop::EventLoop::new()?;
/// let length = event_loop.block_on(async {
///     let job = Job::new(|| std::fs::read("Cargo.toml").map(|bytes| bytes.len())).label("read Cargo.toml").abandonable();
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
    pub fn abandonable(mut self) -> Job<T> {
        self.mandatory = false;
        self
    }
}

impl<T, F: FnOnce() -> T + Send + 'static> From<F> for Job<T> {
    fn from(call: F) -> Job<T> {
        Job::new(call)
    }
}

/// Hands a job to a pool (`None` is the loop's own) and gives a future of its result.
///
/// The job is queued at once if the pool has room for it, awaited or not. If the pool is full, it is queued when the
/// handle is polled and there is room: that wait is the back-pressure. A handle that is dropped before then takes its
/// job with it, and a mandatory one is missed loudly, in the log.
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn run_in_executor<T: Send + 'static>(pool: Option<&ThreadPool>, job: impl Into<Job<T>>) -> JobHandle<T> {
    let core = current::core();
    let pool = pool.unwrap_or(&core.default_pool).clone();
    let job = job.into();
    let state = match pool.room().try_acquire() {
        Some(room) => submit(&core, &pool, job, room),
        None => {
            let room = pool.room().acquire();
            HandleState::Room { room, pool, job }
        }
    };
    JobHandle { core, state }
}

/// What a worker runs: the function, and the place for its result.
struct Assignment<T> {
    call: Box<dyn FnOnce() -> T + Send>,
    place: Arc<Place<T>>,
    state: Arc<JobState>,
    id: JobId,
    /// The loop that waits for it.
    shared: Arc<Shared>,
    /// Whether the loop wants to hear that the job has started.
    observed: bool,
}

/// Where the worker leaves the result and the handle takes it.
struct Place<T> {
    result: Mutex<Option<Result<T, JobError>>>,
}

impl<T> Place<T> {
    fn put(&self, result: Result<T, JobError>) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Option<Result<T, JobError>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T: Send> Work for Assignment<T> {
    fn run(self: Box<Self>, worker: u32) {
        if !self.state.begin() {
            return; // cancelled, and the loop knows
        }
        if self.observed {
            self.shared.notifier.push(Remote::JobStarted { job: self.id, worker, at: Instant::now() });
        }
        let mut ending = Ending { state: self.state, job: self.id, worker, shared: self.shared, panicked: true };
        // I12: the worker survives.
        let result = catch_unwind(AssertUnwindSafe(self.call));
        ending.panicked = result.is_err();
        // If the handle is gone, the result is dropped here, before the loop hears that the job is done with it.
        let place = self.place;
        place.put(result.map_err(|payload| JobError::Panicked(panic_text(&*payload))));
    }
}

/// Tells the loop that the job has ended when it is dropped: also if the drop of what the job left behind panics.
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

fn submit<T: Send + 'static>(core: &Rc<Core>, pool: &ThreadPool, job: Job<T>, room: Permit) -> HandleState<T> {
    let state = Arc::new(JobState::new());
    let place = Arc::new(Place { result: Mutex::new(None) });
    let (label, bytes, mandatory) = (job.label, job.bytes, job.mandatory);
    let new = NewJob { label, mandatory, state: state.clone(), room };
    let id = core.jobs.borrow_mut().insert(new);
    let assignment = Assignment {
        call: job.call,
        place: place.clone(),
        state: state.clone(),
        id,
        shared: core.shared.clone(),
        observed: crate::observe::listening(),
    };
    tell!(Kind::JobAdd { job: id, task: current_task(), label, bytes });
    if let Err(error) = pool.submit(Box::new(assignment)) {
        let entry = core.jobs.borrow_mut().remove(id);
        tell!(Kind::JobEnd { job: id, outcome: JobOutcome::Cancelled });
        drop(entry);
        return HandleState::Refused(error);
    }
    HandleState::Queued { id, state, place, mandatory }
}

/// The future of a job's result. Dropping it cancels the job only if it is abandonable and has not started.
pub struct JobHandle<T> {
    core: Rc<Core>,
    state: HandleState<T>,
}

enum HandleState<T> {
    /// Waits for room in the pool's queue.
    Room {
        room: Acquire,
        pool: ThreadPool,
        job: Job<T>,
    },
    /// Waits for a worker to have run it.
    Queued {
        id: JobId,
        state: Arc<JobState>,
        place: Arc<Place<T>>,
        mandatory: bool,
    },
    /// There is no thread to run it.
    Refused(io::Error),
    Done,
}

impl<T> JobHandle<T> {
    /// The job's number, once it is queued.
    pub fn id(&self) -> Option<JobId> {
        match &self.state {
            HandleState::Queued { id, .. } => Some(*id),
            _ => None,
        }
    }
}

// The result is moved, never pinned.
impl<T> Unpin for JobHandle<T> {}

impl<T: Send + 'static> Future for JobHandle<T> {
    type Output = Result<T, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.state, HandleState::Done) {
                HandleState::Room { mut room, pool, job } => match Pin::new(&mut room).poll(cx) {
                    Poll::Pending => {
                        self.state = HandleState::Room { room, pool, job };
                        note_waiting("room in the pool's queue");
                        return Poll::Pending;
                    }
                    Poll::Ready(room) => self.state = submit(&self.core, &pool, job, room),
                },
                HandleState::Queued { id, state, place, mandatory } => {
                    // The loop, when it hears that a job has ended, wakes whom it finds in the job's entry. If the entry
                    // is still there, the news is still to come.
                    let replaced =
                        self.core.jobs.borrow_mut().get_mut(id).map(|entry| entry.waker.register(cx.waker()));
                    if replaced.is_some() {
                        self.state = HandleState::Queued { id, state, place, mandatory };
                        note_waiting("a job");
                        return Poll::Pending;
                    }
                    return Poll::Ready(place.take().unwrap_or(Err(JobError::Cancelled)));
                }
                HandleState::Refused(error) => return Poll::Ready(Err(JobError::NoThread(error))),
                HandleState::Done => polled_after_ready("JobHandle"),
            }
        }
    }
}

impl<T> Drop for JobHandle<T> {
    fn drop(&mut self) {
        match &self.state {
            HandleState::Queued { id, state, mandatory: false, .. } if state.cancel() => {
                let entry = self.core.jobs.borrow_mut().remove(*id);
                if entry.is_some() {
                    tell!(Kind::JobEnd { job: *id, outcome: JobOutcome::Cancelled });
                }
            }
            HandleState::Queued { id, .. } => {
                let unheard = self.core.jobs.borrow_mut().get_mut(*id).and_then(|entry| entry.waker.take());
                drop(unheard);
            }
            HandleState::Room { job, .. } if job.mandatory => {
                log::error!("the job `{}` was dropped before the pool had room for it: it did not run", job.label);
            }
            _ => {}
        }
    }
}

/// Why a job has no result.
#[derive(Debug)]
pub enum JobError {
    /// It panicked, with these words.
    Panicked(String),
    /// It was abandonable, and the loop shut down before it started.
    Cancelled,
    /// The pool has no thread, and none could be started.
    NoThread(io::Error),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Panicked(text) => write!(f, "the job panicked: {text}"),
            JobError::Cancelled => f.write_str("the job was cancelled before it started"),
            JobError::NoThread(_) => f.write_str("there is no thread to run the job"),
        }
    }
}

impl std::error::Error for JobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JobError::NoThread(error) => Some(error),
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
