//! Who is watching, and what is happening at this moment on this thread.
//!
//! All of it is thread-local, so that a semaphore or a future can report without being handed the loop. The loop
//! puts its [`Stage`] here while it runs and takes it back when it returns.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Event, Kind, Observer, TaskId, contain, discard, log_error, notes};

/// Tells the observer, if there is one. The event is built only then: with nobody watching, this is one branch.
macro_rules! tell {
    ($kind:expr) => {
        if $crate::observe::listening() {
            $crate::observe::report($kind);
        }
    };
}
pub(crate) use tell;

thread_local! {
    /// Whether a stage with an observer is on this thread.
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    /// The observer and what it needs. Empty while the observer runs, so that it is never entered twice.
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
    /// Those of the loops that do not run.
    static IDLE: RefCell<IdleStages> = RefCell::default();
    /// The task being polled.
    static TASK: Cell<Option<TaskId>> = const { Cell::new(None) };
    /// What the future that returned `Pending` last was waiting for.
    static WAITING_FOR: Cell<&'static str> = const { Cell::new("") };
}

/// One loop's observer, with the numbers that go into every event.
pub(crate) struct Stage {
    observer: Box<dyn Observer>,
    /// Reads the loop's clock, as time since the loop was built.
    elapsed: Box<dyn Fn() -> Duration>,
    /// The number of the next event.
    seq: u64,
    /// The number of the turn.
    turn: u64,
    /// How long the observer has taken: that is no task's fault.
    observed_for: Duration,
}

impl Stage {
    pub(crate) fn new(observer: Box<dyn Observer>, elapsed: Box<dyn Fn() -> Duration>) -> Stage {
        Stage { observer, elapsed, seq: 0, turn: 0, observed_for: Duration::ZERO }
    }

    /// Hands one event to the observer. `false` if it panicked.
    fn deliver(&mut self, at: Option<(Duration, u32)>, kind: Kind<'_>) -> bool {
        let (time, thread) = at.unwrap_or_else(|| ((self.elapsed)(), 0));
        let event = Event { seq: self.seq, time, thread, turn: self.turn, kind };
        self.seq += 1;
        match catch_unwind(AssertUnwindSafe(|| self.observer.event(&event))) {
            Ok(()) => {
                if at.is_none() {
                    self.observed_for += (self.elapsed)().saturating_sub(time);
                }
                true
            }
            Err(payload) => {
                discard(payload);
                false
            }
        }
    }
}

/// Puts a loop's stage on this thread, or none. Returns the one that was here.
pub(crate) fn put_stage(stage: Option<Stage>) -> Option<Stage> {
    // While the thread ends there may be no place for one.
    let is_some = stage.is_some();
    let replaced = STAGE.try_with(|place| place.replace(stage));
    LISTENING.set(is_some && replaced.is_ok());
    replaced.ok().flatten()
}

/// A stage of a loop that does not run.
///
/// It is kept with the thread and not in the loop: `process::exit` drops what a thread keeps (with most C libraries), but
/// no variable of a function. A recorder that is not dropped leaves out the end of its recording, or all of it.
#[derive(Debug)]
pub(crate) struct IdleStage {
    key: u64,
}

/// The idle stages of a thread's loops.
#[derive(Default)]
struct IdleStages {
    stages: Vec<(u64, Stage)>,
    next_key: u64,
}

impl Drop for IdleStages {
    fn drop(&mut self) {
        for (_, stage) in self.stages.drain(..) {
            drop_stage(stage);
        }
    }
}

impl IdleStage {
    /// Keeps a stage until its loop runs again, or ends. `None` while the thread ends: the stage is dropped.
    pub(crate) fn keep(stage: Stage) -> Option<IdleStage> {
        let kept = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            let key = idle.next_key;
            idle.next_key += 1;
            idle.stages.push((key, stage));
            key
        });
        kept.ok().map(|key| IdleStage { key })
    }

    /// Takes it out again. `None` if the thread ends and has dropped it.
    pub(crate) fn take(self) -> Option<Stage> {
        let taken = IDLE.try_with(|idle| {
            let stages = &mut idle.borrow_mut().stages;
            let place = stages.iter().position(|(key, _)| *key == self.key)?;
            Some(stages.swap_remove(place).1)
        });
        taken.ok().flatten()
    }
}

/// Ends an observer. Its drop may panic (I12).
pub(crate) fn drop_stage(stage: Stage) {
    contain("dropping the observer", || drop(stage));
}

/// Whether anybody is watching.
#[inline]
pub(crate) fn listening() -> bool {
    LISTENING.get()
}

/// Numbers the turn.
pub(crate) fn set_turn(turn: u64) {
    STAGE.with_borrow_mut(|stage| {
        if let Some(stage) = stage {
            stage.turn = turn;
        }
    });
}

/// How long the observer of this loop has taken so far.
pub(crate) fn observed_for() -> Duration {
    STAGE.with_borrow(|stage| stage.as_ref().map_or(Duration::ZERO, |stage| stage.observed_for))
}

/// Reports an event of the loop's thread, now.
pub(crate) fn report(kind: Kind<'_>) {
    report_at(None, kind);
}

/// Reports an event that happened at another time on another thread.
pub(crate) fn report_at(at: Option<(Duration, u32)>, kind: Kind<'_>) {
    // Taken out and put back: nothing is borrowed while the observer runs (I4), and what it does is not told.
    let Some(mut stage) = STAGE.take() else { return };
    LISTENING.set(false);
    notes::heard(&kind);
    if stage.deliver(at, kind) {
        put_stage(Some(stage));
    } else {
        log_error(format_args!("the observer panicked and was removed; the run goes on unobserved"));
        drop_stage(stage);
    }
}

/// The task being polled, if any.
#[inline]
pub(crate) fn current_task() -> Option<TaskId> {
    TASK.get()
}

/// Says which task is being polled, or dropped, until it is dropped itself.
pub(crate) struct CurrentTask {
    outer: Option<TaskId>,
}

impl CurrentTask {
    #[inline]
    pub(crate) fn set(task: TaskId) -> CurrentTask {
        CurrentTask { outer: TASK.replace(Some(task)) }
    }
}

impl Drop for CurrentTask {
    #[inline]
    fn drop(&mut self) {
        TASK.set(self.outer);
    }
}

/// A future that is about to return `Pending` says what it waits for, in a few words: they stand in the trace, and in
/// the error when nothing can ever wake it. A future whose states are [`Stateful`](super::Stateful) has a method for it.
///
/// ```
/// use std::{future::poll_fn, task::Poll};
/// use glassloop::{EventLoop, observe::note_waiting};
///
/// let stuck = EventLoop::new()?.block_on(poll_fn(|_| -> Poll<()> {
///     note_waiting("a letter");
///     Poll::Pending
/// }));
/// assert!(stuck.unwrap_err().to_string().contains("a letter"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn note_waiting(what: &'static str) {
    WAITING_FOR.set(what);
}

/// What was said last; forgets it.
#[inline]
pub(crate) fn waiting_for() -> &'static str {
    WAITING_FOR.replace("")
}
