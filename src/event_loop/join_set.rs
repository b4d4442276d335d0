//! A set of tasks, whose results are returned in completion order.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use slab::Slab;

use super::completion::CompletionQueue;
use super::current;
use super::join_error::JoinError;
use super::spawn::{JoinHandle, spawn_on};
use super::task::TaskName;
use crate::observe::set_wait_reason;

/// A set of tasks with one type of result. The results are returned in completion order. Dropping the set aborts its tasks.
///
/// ```
/// use std::time::Duration;
/// use glassloop::{EventLoop, JoinSet, sleep};
///
/// let mut event_loop = EventLoop::builder().virtual_time().build()?;
/// let order = event_loop.block_on(async {
///     let mut set = JoinSet::new();
///     for seconds in [3, 1, 2] {
///         set.spawn(async move { sleep(Duration::from_secs(seconds)).await; seconds });
///     }
///     let mut order = vec![];
///     while let Some(result) = set.join_next().await {
///         order.push(result.expect("no task panics"));
///     }
///     order
/// })?;
/// assert_eq!(order, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinSet<T> {
    handles: Slab<JoinHandle<T>>,
    completed: Rc<CompletionQueue>,
}

impl<T: 'static> JoinSet<T> {
    /// Creates an empty set.
    pub fn new() -> JoinSet<T> {
        JoinSet { handles: Slab::new(), completed: Rc::default() }
    }

    /// Spawns a future as a task of the set.
    ///
    /// # Panics
    /// If no loop is running on this thread.
    #[track_caller]
    pub fn spawn<F: Future<Output = T> + 'static>(&mut self, future: F) {
        self.add(future, TaskName::Type(std::any::type_name::<F>()), Location::caller());
    }

    /// Spawns a future as a task of the set, with a name.
    ///
    /// # Panics
    /// If no loop is running on this thread.
    #[track_caller]
    pub fn spawn_named<F: Future<Output = T> + 'static>(&mut self, name: &str, future: F) {
        self.add(future, TaskName::Given(name.into()), Location::caller());
    }

    fn add<F: Future<Output = T> + 'static>(
        &mut self,
        future: F,
        name: TaskName,
        location: &'static Location<'static>,
    ) {
        let core = current::core();
        let entry = self.handles.vacant_entry();
        let completed = Some((self.completed.clone(), entry.key()));
        entry.insert(spawn_on(&core, future, name, location, completed));
    }

    /// Returns a future that resolves to the result of the task that completes next; `None` if the set is empty.
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext { set: self }
    }

    /// Returns the next result if a task has completed.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let key = self.completed.pop()?;
        self.handles.try_remove(key)?.try_take()
    }

    /// Aborts all tasks. They stay in the set, and each yields [`JoinError::Aborted`].
    pub fn abort_all(&self) {
        for (_, handle) in &self.handles {
            handle.abort();
        }
    }

    /// Returns the number of tasks whose results have not been returned.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Returns whether all results have been returned.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }
}

impl<T: 'static> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        for (_, handle) in &self.handles {
            handle.abort();
        }
    }
}

/// The future returned by [`JoinSet::join_next`].
pub struct JoinNext<'a, T> {
    set: &'a mut JoinSet<T>,
}

impl<T: 'static> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.set.try_join_next() {
            return Poll::Ready(Some(result));
        }
        if self.set.is_empty() {
            return Poll::Ready(None);
        }
        if self.set.completed.waker.register(cx.waker())
            && let Some(result) = self.set.try_join_next()
        {
            return Poll::Ready(Some(result)); // I6
        }
        set_wait_reason("the next task of a set");
        Poll::Pending
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("tasks", &self.handles.len()).finish()
    }
}

impl<T> fmt::Debug for JoinNext<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinNext").field("tasks", &self.set.handles.len()).finish()
    }
}
