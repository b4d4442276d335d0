//! The state of a hand-written future, with an event for each change.

use std::cell::Cell;

use super::thread::{THREAD, next_future};
use super::{EventKind, FutureId, TaskId, current_task, emit, is_observed, notes, set_wait_reason};

/// The names of the states of a hand-written future, and of its type.
pub trait NamedState {
    /// The name of the future's type, for example `Exchange`.
    const TYPE_NAME: &'static str;

    /// Returns the name of the state, for example `ReadHead`.
    fn name(&self) -> &'static str;
}

/// Contains the state of a hand-written future, and emits an event for each transition.
///
/// ```
/// use glassloop::observe::{NamedState, TracedState};
///
/// enum Light { Red, Green }
/// impl NamedState for Light {
///     const TYPE_NAME: &'static str = "Light";
///     fn name(&self) -> &'static str {
///         match self { Light::Red => "Red", Light::Green => "Green" }
///     }
/// }
///
/// let mut light = TracedState::new(Light::Red);
/// light.transition_to(Light::Green);
/// assert_eq!(light.name(), "Green");
/// ```
#[derive(Debug)]
pub struct TracedState<S> {
    state: S,
    id: FutureId,
    /// The future that was being polled when this one was created.
    parent: Option<FutureId>,
    /// The task that polled the future last, if there is an observer.
    polled_by: Cell<Option<TaskId>>,
}

impl<S: NamedState> TracedState<S> {
    /// Creates the state of a new future, in its first variant.
    pub fn new(state: S) -> TracedState<S> {
        let parent = THREAD.with(|thread| thread.innermost.get());
        TracedState { state, id: next_future(), parent, polled_by: Cell::new(None) }
    }

    /// Returns the id of the future.
    pub fn id(&self) -> FutureId {
        self.id
    }

    /// Changes the state, and drops the previous one.
    pub fn transition_to(&mut self, next: S) {
        drop(self.replace(next));
    }

    /// Changes the state, and returns the previous one.
    pub fn replace(&mut self, next: S) -> S {
        emit!(EventKind::State {
            task: current_task(),
            future: self.id,
            type_name: S::TYPE_NAME,
            parent: self.parent,
            from: self.state.name(),
            to: next.name(),
        });
        std::mem::replace(&mut self.state, next)
    }

    /// Returns the state.
    pub fn get(&self) -> &S {
        &self.state
    }

    /// Returns the state mutably, to change the fields of the variant. Use [`transition_to`](Self::transition_to) to change
    /// the variant.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.state
    }

    /// Returns the name of the state.
    pub fn name(&self) -> &'static str {
        self.state.name()
    }

    /// Sets the name of the state as what the current task waits for; see [`set_wait_reason`].
    pub fn set_wait_reason(&self) {
        set_wait_reason(self.state.name());
    }

    /// Marks this future as the one that is being polled, until the guard is dropped. It is the parent of the futures that
    /// are created in this time.
    pub fn enter(&self) -> FutureScope {
        if is_observed() {
            self.note_task();
        }
        FutureScope { outer: THREAD.with(|thread| thread.innermost.replace(Some(self.id))) }
    }
}

impl<S> TracedState<S> {
    /// Notes that this task polls the future, if another task polled it before.
    #[cold]
    fn note_task(&self) {
        let before = self.polled_by.replace(current_task());
        if let (Some(before), Some(now)) = (before, current_task())
            && before != now
        {
            notes::record_task_change(self.id, before);
        }
    }
}

/// Marks a future as the one that is being polled. Created by [`TracedState::enter`].
#[derive(Debug)]
pub struct FutureScope {
    outer: Option<FutureId>,
}

impl Drop for FutureScope {
    fn drop(&mut self) {
        THREAD.with(|thread| thread.innermost.set(self.outer));
    }
}
