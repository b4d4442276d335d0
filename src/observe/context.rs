//! Who is watching, and what is happening at this moment on this thread.
//!
//! All of it is thread-local, so that a semaphore or a future can report without being handed the loop. The loop
//! puts its [`ObserverContext`] here while it runs and takes it back when it returns.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Event, EventKind, Observer, TaskId, contain, discard, log_error, notes};

/// Tells the observer, if there is one. The event is built only then: with nobody watching, this is one branch.
macro_rules! emit {
    ($kind:expr) => {
        if $crate::observe::is_observed() {
            $crate::observe::emit_event($kind);
        }
    };
}
pub(crate) use emit;

thread_local! {
    /// Whether a context with an observer is on this thread.
    static IS_OBSERVED: Cell<bool> = const { Cell::new(false) };
    /// The observer and what it needs. Empty while the observer runs, so that it is never entered twice.
    static CONTEXT: RefCell<Option<ObserverContext>> = const { RefCell::new(None) };
    /// Those of the loops that do not run.
    static IDLE: RefCell<IdleObservers> = RefCell::default();
    /// The task being polled.
    static TASK: Cell<Option<TaskId>> = const { Cell::new(None) };
    /// What the future that returned `Pending` last was waiting for.
    static WAIT_REASON: Cell<&'static str> = const { Cell::new("") };
}

/// One loop's observer, with the numbers that go into every event.
pub(crate) struct ObserverContext {
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

impl ObserverContext {
    pub(crate) fn new(observer: Box<dyn Observer>, elapsed: Box<dyn Fn() -> Duration>) -> ObserverContext {
        ObserverContext { observer, elapsed, seq: 0, turn: 0, observed_for: Duration::ZERO }
    }

    /// Hands one event to the observer. `false` if it panicked.
    fn deliver(&mut self, at: Option<(Duration, u32)>, kind: EventKind<'_>) -> bool {
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

/// Puts a loop's context on this thread, or none. Returns the one that was here.
pub(crate) fn swap_observer(context: Option<ObserverContext>) -> Option<ObserverContext> {
    // While the thread ends there may be no place for one.
    let is_some = context.is_some();
    let replaced = CONTEXT.try_with(|place| place.replace(context));
    IS_OBSERVED.set(is_some && replaced.is_ok());
    replaced.ok().flatten()
}

/// A context of a loop that does not run.
///
/// It is kept with the thread and not in the loop: `process::exit` drops what a thread keeps (with most C libraries), but
/// no variable of a function. A recorder that is not dropped leaves out the end of its recording, or all of it.
#[derive(Debug)]
pub(crate) struct IdleObserver {
    key: u64,
}

/// The idle contexts of a thread's loops.
#[derive(Default)]
struct IdleObservers {
    contexts: Vec<(u64, ObserverContext)>,
    next_key: u64,
}

impl Drop for IdleObservers {
    fn drop(&mut self) {
        for (_, context) in self.contexts.drain(..) {
            drop_observer(context);
        }
    }
}

impl IdleObserver {
    /// Keeps a context until its loop runs again, or ends. `None` while the thread ends: the context is dropped.
    pub(crate) fn keep(context: ObserverContext) -> Option<IdleObserver> {
        let kept = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            let key = idle.next_key;
            idle.next_key += 1;
            idle.contexts.push((key, context));
            key
        });
        kept.ok().map(|key| IdleObserver { key })
    }

    /// Takes it out again. `None` if the thread ends and has dropped it.
    pub(crate) fn take(self) -> Option<ObserverContext> {
        let taken = IDLE.try_with(|idle| {
            let contexts = &mut idle.borrow_mut().contexts;
            let place = contexts.iter().position(|(key, _)| *key == self.key)?;
            Some(contexts.swap_remove(place).1)
        });
        taken.ok().flatten()
    }
}

/// Ends an observer. Its drop may panic (I12).
pub(crate) fn drop_observer(context: ObserverContext) {
    contain("dropping the observer", || drop(context));
}

/// Whether anybody is watching.
#[inline]
pub(crate) fn is_observed() -> bool {
    IS_OBSERVED.get()
}

/// Numbers the turn.
pub(crate) fn set_turn(turn: u64) {
    CONTEXT.with_borrow_mut(|context| {
        if let Some(context) = context {
            context.turn = turn;
        }
    });
}

/// How long the observer of this loop has taken so far.
pub(crate) fn observed_for() -> Duration {
    CONTEXT.with_borrow(|context| context.as_ref().map_or(Duration::ZERO, |context| context.observed_for))
}

/// Reports an event of the loop's thread, now.
pub(crate) fn emit_event(kind: EventKind<'_>) {
    emit_event_at(None, kind);
}

/// Reports an event that happened at another time on another thread.
pub(crate) fn emit_event_at(at: Option<(Duration, u32)>, kind: EventKind<'_>) {
    // Taken out and put back: nothing is borrowed while the observer runs (I4), and what it does is not told.
    let Some(mut context) = CONTEXT.take() else { return };
    IS_OBSERVED.set(false);
    notes::record_event(&kind);
    if context.deliver(at, kind) {
        swap_observer(Some(context));
    } else {
        log_error(format_args!("the observer panicked and was removed; the run goes on unobserved"));
        drop_observer(context);
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
/// the error when nothing can ever wake it. A future whose states are [`TracedState`](super::TracedState) has a method for it.
///
/// ```
/// use std::{future::poll_fn, task::Poll};
/// use glassloop::{EventLoop, observe::set_wait_reason};
///
/// let stuck = EventLoop::new()?.block_on(poll_fn(|_| -> Poll<()> {
///     set_wait_reason("a letter");
///     Poll::Pending
/// }));
/// assert!(stuck.unwrap_err().to_string().contains("a letter"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn set_wait_reason(what: &'static str) {
    WAIT_REASON.set(what);
}

/// What was said last; forgets it.
#[inline]
pub(crate) fn take_wait_reason() -> &'static str {
    WAIT_REASON.replace("")
}
