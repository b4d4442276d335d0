//! The setter through which a hand-written future changes its state.

use std::cell::Cell;

use super::{EventKind, FutureId, TaskId, current_task, emit, is_observed, notes, set_wait_reason};

/// A state of a hand-written future.
pub trait State {
    /// The future's name, in one word: `Exchange`.
    const TYPE_NAME: &'static str;

    /// The state's name: `ReadHead`.
    fn name(&self) -> &'static str;
}

thread_local! {
    /// The number of the next future.
    static NEXT: Cell<u64> = const { Cell::new(1) };
    /// The hand-written future that is being polled.
    static INNERMOST: Cell<Option<FutureId>> = const { Cell::new(None) };
}

/// Holds the state of a hand-written future and reports each change.
///
/// ```
/// use glassloop::observe::{State, TracedState};
///
/// enum Light { Red, Green }
/// impl State for Light {
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
    /// The future that polled this one when it first changed.
    parent: Option<FutureId>,
    /// The task that polled it last; kept only for an observer.
    polled_by: Cell<Option<TaskId>>,
}

impl<S: State> TracedState<S> {
    /// A future in its first state.
    pub fn new(state: S) -> TracedState<S> {
        let id = NEXT.get();
        NEXT.set(id + 1);
        TracedState { state, id: FutureId(id), parent: INNERMOST.get(), polled_by: Cell::new(None) }
    }

    /// The future's number.
    pub fn id(&self) -> FutureId {
        self.id
    }

    /// Goes to another state.
    pub fn transition_to(&mut self, next: S) {
        let left = self.replace(next);
        drop(left);
    }

    /// Goes to another state and gives back the one that was left, with what is inside it.
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

    /// The state, to look at.
    pub fn get(&self) -> &S {
        &self.state
    }

    /// The state, to change what is inside it. Another variant is gone to with [`transition_to`](Self::transition_to).
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.state
    }

    /// The state's name.
    pub fn name(&self) -> &'static str {
        self.state.name()
    }

    /// Says, when the future is about to return `Pending`, that its task waits in this state.
    pub fn set_wait_reason(&self) {
        set_wait_reason(self.state.name());
    }

    /// Marks this future as the one being polled until the guard is dropped, so that those it polls know their parent.
    pub fn enter(&self) -> FutureScope {
        if is_observed() {
            self.note_task();
        }
        FutureScope { outer: INNERMOST.replace(Some(self.id)) }
    }
}

impl<S> TracedState<S> {
    /// Notes by which task it is polled, and whether it was another one's before.
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

/// While it lives, the future that made it is the one being polled.
#[derive(Debug)]
pub struct FutureScope {
    outer: Option<FutureId>,
}

impl Drop for FutureScope {
    fn drop(&mut self) {
        INNERMOST.set(self.outer);
    }
}
