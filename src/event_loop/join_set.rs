//! A set of tasks, and their results as they come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use slab::Slab;

use super::current;
use super::spawn::{JoinError, JoinHandle, spawn_on};
use super::task::Name;
use crate::observe::set_wait_reason;
use crate::sync::SharedSlot;

/// Tasks of one kind, whose results are taken in the order in which they finish. Dropping it aborts those that run.
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
///         order.push(result.expect("none of them panics"));
///     }
///     order
/// })?;
/// assert_eq!(order, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinSet<T> {
    handles: Slab<JoinHandle<T>>,
    arrivals: Rc<Arrivals>,
}

/// Where tasks of a set say that they are done.
#[derive(Default)]
pub(super) struct Arrivals {
    finished: RefCell<VecDeque<usize>>,
    waker: SharedSlot,
}

impl Arrivals {
    pub(super) fn arrive(&self, key: usize) {
        self.finished.borrow_mut().push_back(key);
        self.waker.wake();
    }
}

impl<T: 'static> JoinSet<T> {
    /// An empty set.
    pub fn new() -> JoinSet<T> {
        JoinSet { handles: Slab::new(), arrivals: Rc::default() }
    }

    /// Spawns a future into the set.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn<F: Future<Output = T> + 'static>(&mut self, future: F) {
        self.add(future, Name::Type(std::any::type_name::<F>()), Location::caller());
    }

    /// The same with a name.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn_named<F: Future<Output = T> + 'static>(&mut self, name: &str, future: F) {
        self.add(future, Name::Given(name.into()), Location::caller());
    }

    fn add<F: Future<Output = T> + 'static>(&mut self, future: F, name: Name, location: &'static Location<'static>) {
        let core = current::core();
        let entry = self.handles.vacant_entry();
        let arrivals = Some((self.arrivals.clone(), entry.key()));
        entry.insert(spawn_on(&core, future, name, location, arrivals));
    }

    /// The result of the task that finishes next; `None` when the set is empty.
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext { set: self }
    }

    /// A result that is there already.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let key = self.arrivals.finished.borrow_mut().pop_front()?;
        self.handles.try_remove(key)?.try_take()
    }

    /// Aborts all. They remain in the set, each with [`JoinError::Aborted`] to come.
    pub fn abort_all(&self) {
        for (_, handle) in &self.handles {
            handle.abort();
        }
    }

    /// Tasks whose results have not been taken.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether all results have been taken.
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

/// The future of [`JoinSet::join_next`].
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
        if self.set.arrivals.waker.register(cx.waker())
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
