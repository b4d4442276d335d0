//! The thread-local context of the running loop: its observer.
//!
//! Because it is thread-local, a semaphore or a future can emit events without a reference to the loop. The loop installs
//! its [`ObserverContext`] while it runs, and removes it when it returns.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::thread::THREAD;
use super::{Event, EventKind, Observer, contain, discard, log_error, notes};

/// Emits an event, if there is an observer. Otherwise the event is not even created, and the cost is one branch.
macro_rules! emit {
    ($kind:expr) => {
        if $crate::observe::is_observed() {
            $crate::observe::emit_event($kind);
        }
    };
}
pub(crate) use emit;

thread_local! {
    static OBSERVERS: Observers = Observers::default();
}

/// The observers of the loops of a thread.
#[derive(Default)]
struct Observers {
    /// The context of the running loop. `None` while the observer is called.
    running: RefCell<Option<ObserverContext>>,
    /// The contexts of the loops that are not running.
    idle: RefCell<IdleObservers>,
}

/// The observer of a loop, with the numbers that are part of every event.
pub(crate) struct ObserverContext {
    observer: Box<dyn Observer>,
    /// Returns the time since the loop was built, by the loop's clock.
    elapsed: Box<dyn Fn() -> Duration>,
    /// The sequence number of the next event.
    seq: u64,
    /// The number of the current turn.
    turn: u64,
    /// The total time spent in the observer. It does not count as time of the task being polled.
    time_in_observer: Duration,
}

impl ObserverContext {
    pub(crate) fn new(observer: Box<dyn Observer>, elapsed: Box<dyn Fn() -> Duration>) -> ObserverContext {
        ObserverContext { observer, elapsed, seq: 0, turn: 0, time_in_observer: Duration::ZERO }
    }

    /// Passes an event to the observer. `at` is the time and the thread of the event, if not the current time on the loop's
    /// thread. Returns `false` if the observer panicked.
    fn deliver(&mut self, at: Option<(Duration, u32)>, kind: EventKind<'_>) -> bool {
        let (time, thread) = at.unwrap_or_else(|| ((self.elapsed)(), 0));
        let event = Event { seq: self.seq, time, thread, turn: self.turn, kind };
        self.seq += 1;
        match catch_unwind(AssertUnwindSafe(|| self.observer.event(&event))) {
            Ok(()) => {
                if at.is_none() {
                    self.time_in_observer += (self.elapsed)().saturating_sub(time);
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

/// Replaces the context of the running loop, and returns the previous one.
pub(crate) fn swap_observer(context: Option<ObserverContext>) -> Option<ObserverContext> {
    // The thread-local may already have been destroyed, if the thread is ending.
    let is_some = context.is_some();
    let replaced = OBSERVERS.try_with(|observers| observers.running.replace(context));
    THREAD.with(|thread| thread.is_observed.set(is_some && replaced.is_ok()));
    replaced.ok().flatten()
}

/// Refers to the context of a loop that is not running.
///
/// The context is stored in a thread-local and not in the loop, because `process::exit` runs the destructors of
/// thread-locals (with most C libraries), but not those of local variables. A recorder that is not dropped loses the end of
/// its recording.
#[derive(Debug)]
pub(crate) struct IdleObserver {
    key: u64,
}

/// The contexts of the loops of a thread that are not running.
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
    /// Stores a context until its loop runs again or is dropped. If the thread is ending, drops the context and returns
    /// `None`.
    pub(crate) fn store(context: ObserverContext) -> Option<IdleObserver> {
        let stored = OBSERVERS.try_with(|observers| {
            let mut idle = observers.idle.borrow_mut();
            let key = idle.next_key;
            idle.next_key += 1;
            idle.contexts.push((key, context));
            key
        });
        stored.ok().map(|key| IdleObserver { key })
    }

    /// Returns the context. `None` if the thread is ending and has dropped it.
    pub(crate) fn take(self) -> Option<ObserverContext> {
        let taken = OBSERVERS.try_with(|observers| {
            let contexts = &mut observers.idle.borrow_mut().contexts;
            let index = contexts.iter().position(|(key, _)| *key == self.key)?;
            Some(contexts.swap_remove(index).1)
        });
        taken.ok().flatten()
    }
}

/// Drops an observer, whose destructor may panic (I12).
pub(crate) fn drop_observer(context: ObserverContext) {
    contain("dropping the observer", || drop(context));
}

/// Sets the number of the current turn.
pub(crate) fn set_turn(turn: u64) {
    OBSERVERS.with(|observers| {
        if let Some(context) = observers.running.borrow_mut().as_mut() {
            context.turn = turn;
        }
    });
}

/// Returns the total time spent in the observer of this loop.
pub(crate) fn time_in_observer() -> Duration {
    OBSERVERS.with(|observers| {
        observers.running.borrow().as_ref().map_or(Duration::ZERO, |context| context.time_in_observer)
    })
}

/// Emits an event of the loop's thread with the current time.
pub(crate) fn emit_event(kind: EventKind<'_>) {
    emit_event_at(None, kind);
}

/// Emits an event with the time and the thread where it happened. `None` is the current time on the loop's thread.
pub(crate) fn emit_event_at(at: Option<(Duration, u32)>, kind: EventKind<'_>) {
    // Removed during the call: nothing is borrowed while the observer runs (I4), and its own actions are not observed.
    let Some(mut context) = OBSERVERS.with(|observers| observers.running.take()) else { return };
    THREAD.with(|thread| thread.is_observed.set(false));
    notes::record_event(&kind);
    if context.deliver(at, kind) {
        swap_observer(Some(context));
    } else {
        log_error(format_args!("the observer panicked and was removed; the run continues without it"));
        drop_observer(context);
    }
}
