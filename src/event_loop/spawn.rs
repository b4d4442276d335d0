//! `spawn` and what it gives back.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use super::core::Core;
use super::current;
use super::executor::panic_text;
use super::join_set::Arrivals;
use super::task::{Handle, Name, NewTask, Sink};
use crate::observe::{
    TaskId, TaskOutcome, discard, is_observed, log_error, notes, polled_after_ready, set_wait_reason,
};
use crate::sync::SharedSlot;

/// Runs a future as a task of its own, beside the others, from the next time the loop has a moment.
///
/// The task is named after the future's type; [`spawn_named`] gives it a name. Dropping the [`JoinHandle`] lets the
/// task run on by itself.
///
/// ```
/// use glassloop::{EventLoop, spawn};
///
/// let mut event_loop = EventLoop::new()?;
/// let sum = event_loop.block_on(async {
///     let task = spawn(async { 1 + 1 });
///     task.await
/// })??;
/// assert_eq!(sum, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    let name = Name::Type(std::any::type_name::<F>());
    spawn_on(&current::core(), future, name, Location::caller(), None)
}

/// The same with a name, for those who watch and for error messages.
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn spawn_named<F: Future + 'static>(name: &str, future: F) -> JoinHandle<F::Output> {
    spawn_on(&current::core(), future, Name::Given(name.into()), Location::caller(), None)
}

pub(super) fn spawn_on<F: Future + 'static>(
    core: &Rc<Core>,
    future: F,
    name: Name,
    location: &'static Location<'static>,
    arrivals: Option<(Rc<Arrivals>, usize)>,
) -> JoinHandle<F::Output> {
    let join = Rc::new(Join {
        result: Cell::new(None),
        is_finished: Cell::new(false),
        is_detached: Cell::new(false),
        waker: SharedSlot::default(),
        arrivals,
    });
    let sink = JoinSink { join: join.clone(), name: name.clone() };
    // A loop that shuts down gives the task back, and dropping it says to the handle that it was aborted.
    let id = core.spawn(NewTask { future, sink, name, location }).ok();
    JoinHandle { join, id, core: Rc::downgrade(core) }
}

/// What the task and its handle share.
struct Join<T> {
    result: Cell<Option<Result<T, JoinError>>>,
    is_finished: Cell<bool>,
    /// The handle has been dropped.
    is_detached: Cell<bool>,
    waker: SharedSlot,
    /// If it belongs to a `JoinSet`: where to say that it is done, and as whom.
    arrivals: Option<(Rc<Arrivals>, usize)>,
}

impl<T> Join<T> {
    fn finish(&self, result: Result<T, JoinError>) {
        self.result.set(Some(result));
        self.is_finished.set(true);
        self.waker.wake();
        if let Some((arrivals, key)) = &self.arrivals {
            arrivals.arrive(*key);
        }
    }
}

/// The task's end of it.
struct JoinSink<T> {
    join: Rc<Join<T>>,
    name: Name,
}

impl<T> Sink<T> for JoinSink<T> {
    fn finish(&mut self, result: std::thread::Result<T>) -> TaskOutcome {
        match result {
            Ok(output) => {
                self.join.finish(Ok(output));
                TaskOutcome::Finished
            }
            Err(payload) => {
                let (task, message) = (self.name.to_string(), panic_text(&*payload));
                let error = JoinError::Panicked { task, message, payload: PanicPayload(Mutex::new(Some(payload))) };
                // I12: if the handle is gone, nobody will ever look at it.
                if Rc::strong_count(&self.join) == 1 {
                    log_error(format_args!("{error}"));
                }
                self.join.finish(Err(error));
                TaskOutcome::Panicked
            }
        }
    }

    fn handle(&self) -> Handle {
        if self.join.is_detached.get() {
            return Handle::Dropped;
        }
        self.join.waker.hold_id().map_or(Handle::Kept, Handle::AwaitedBy)
    }
}

impl<T> Drop for JoinSink<T> {
    fn drop(&mut self) {
        if !self.join.is_finished.get() {
            self.join.finish(Err(JoinError::Aborted));
        }
    }
}

/// A task's result, awaited; or the task let go, or ended before its time.
pub struct JoinHandle<T> {
    join: Rc<Join<T>>,
    /// `None` if the loop refused it.
    id: Option<TaskId>,
    core: Weak<Core>,
}

impl<T> JoinHandle<T> {
    /// Ends the task: its future is dropped when its turn comes, not here (I13). What it has begun elsewhere, a job on
    /// a pool for example, is not undone.
    pub fn abort(&self) {
        if let (Some(core), Some(id)) = (self.core.upgrade(), self.id) {
            core.abort(id);
        }
    }

    /// Whether it has ended, one way or another.
    pub fn is_finished(&self) -> bool {
        self.join.is_finished.get()
    }

    /// The task's id. `None` if the loop was shutting down and refused it.
    pub fn id(&self) -> Option<TaskId> {
        self.id
    }

    /// The result, if it is there and has not been taken.
    pub(super) fn try_take(&self) -> Option<Result<T, JoinError>> {
        self.join.result.take()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.join.result.take() {
            return Poll::Ready(result);
        }
        if self.is_finished() {
            polled_after_ready("JoinHandle");
        }
        if self.join.waker.register(cx.waker())
            && let Some(result) = self.join.result.take()
        {
            return Poll::Ready(result); // I6
        }
        if let Some(task) = self.id {
            notes::record_awaited(task);
        }
        set_wait_reason("a task");
        Poll::Pending
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.join.is_detached.set(true);
        if is_observed()
            && let Some(core) = current::try_core()
        {
            core.decide_lost();
        }
        self.join.waker.clear();
        // I12: a panic that nobody looked at.
        if let Some(Err(error @ JoinError::Panicked { .. })) = self.join.result.take() {
            log_error(format_args!("{error}"));
        }
    }
}

/// Why a task has no result.
///
/// It is one of the errors that `?` makes a `Box<dyn Error + Send + Sync>` of.
///
/// ```
/// use glassloop::{EventLoop, spawn_named};
///
/// fn answer() -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
///     let mut event_loop = EventLoop::new()?;
///     event_loop.block_on(async { Ok(spawn_named("oracle", async { panic!("no") }).await?) })?
/// }
/// assert_eq!(answer().unwrap_err().to_string(), "the task `oracle` panicked: no");
/// ```
pub enum JoinError {
    /// It panicked.
    Panicked {
        /// The task's name.
        task: String,
        /// What it said, if it said it in words.
        message: String,
        /// What it panicked with.
        payload: PanicPayload,
    },
    /// It was aborted, or the loop shut down.
    Aborted,
}

/// What a task panicked with.
///
/// A panic may carry anything that is `Send`; an error has to be `Sync` as well to be of use to most programs. What lies
/// behind a lock is, and this lock is never taken.
///
/// Dropping it does not panic, even if the drop of what it carries does.
pub struct PanicPayload(Mutex<Option<Box<dyn Any + Send>>>);

impl PanicPayload {
    /// For [`std::panic::resume_unwind`].
    pub fn into_inner(mut self) -> Box<dyn Any + Send> {
        self.take().expect("only this and the drop take it, and both end it")
    }

    fn take(&mut self) -> Option<Box<dyn Any + Send>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for PanicPayload {
    fn drop(&mut self) {
        if let Some(payload) = self.take() {
            discard(payload);
        }
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicPayload").finish_non_exhaustive()
    }
}

impl JoinError {
    /// Whether it panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked { .. })
    }

    /// Whether it was aborted.
    pub fn is_aborted(&self) -> bool {
        matches!(self, JoinError::Aborted)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked { task, message, .. } => write!(f, "the task `{task}` panicked: {message}"),
            JoinError::Aborted => f.write_str("the task was aborted"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id).field("finished", &self.is_finished()).finish()
    }
}
