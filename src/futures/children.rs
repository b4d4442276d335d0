//! Several child futures inside one task, each of which is polled only when its own waker has been called.
//!
//! Each child is polled with its own waker, which records the child's index and wakes the task. Without that, every
//! wake of the task would require polling every child: ten thousand children would cost a hundred million polls.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::observe::{TaskId, contain, current_task, is_observed, notes};
use crate::sync::{CountedClone, CurrentWaker, WakerCountId};

/// Child futures of one type, and the list of those that have been woken.
///
/// Invariant: a pending child is polled after each of its wakes. The `is_woken` flag of a child is set exactly while the
/// child's index is in `Wakes::woken` or `to_poll`, and is cleared before the poll (I6).
pub(super) struct Children<F> {
    children: Vec<Child<F>>,
    group: Arc<Group>,
    /// The number of children that are still pending.
    left: usize,
    /// Counts the clone of the task's waker that is stored in the group.
    counted: CountedClone,
    /// The indices of woken children that were taken from `Wakes::woken`, in the order of their wakes.
    to_poll: VecDeque<usize>,
    /// `None` until the children are polled while the loop is observed.
    observed: Option<Rc<ObservedChildren>>,
}

struct Child<F> {
    /// The future; `None` when it has completed.
    future: Option<Pin<Box<F>>>,
    shared: Arc<ChildWaker>,
    waker: Waker,
    /// The key under which the clones of the child's waker are counted.
    count: WakerCountId,
}

/// The number of clones of a child's waker that are stored in [`Child`] itself.
const OWN_CLONES: usize = 2;

/// The state that the children's wakers share.
///
/// A `Waker` is `Send` and `Sync`, so this state is behind a lock, although nearly all wakes come from the loop's thread.
struct Group {
    wakes: Mutex<Wakes>,
}

#[derive(Default)]
struct Wakes {
    /// The indices of woken children, in the order of their wakes.
    woken: Vec<usize>,
    /// The number of wakes in progress: the child is already in the list, but the task may not have been woken yet.
    in_progress: usize,
    /// The task's waker. It is removed when `Children` is dropped, even if wakers of children still exist: from then on,
    /// `Children::counted` no longer counts it (I16). It is in an `Arc` because cloning a waker may run arbitrary code,
    /// which must not happen while the mutex is locked (I4).
    task: Option<Arc<Waker>>,
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Wakes> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `Arc` behind a child's waker.
struct ChildWaker {
    index: usize,
    /// Whether the child is in the list already: then further wakes are coalesced. Atomic because a waker is `Sync`.
    is_woken: AtomicBool,
    group: Arc<Group>,
}

impl Wake for ChildWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = {
            let mut wakes = self.group.lock();
            wakes.woken.push(self.index);
            wakes.in_progress += 1;
            wakes.task.clone()
        };
        if let Some(task) = task {
            // I4: nothing is locked. I2: `wake_by_ref` is itself part of a waker, so it must not panic.
            contain("a waker", move || task.wake_by_ref());
        }
        self.group.lock().in_progress -= 1;
    }
}

/// State that is kept only while the loop is observed, to check that a task polls its woken children.
struct ObservedChildren {
    group: Arc<Group>,
    /// The task that last polled the children.
    task: Cell<Option<TaskId>>,
    /// The number of woken children that were taken from the list but not polled, because an earlier one completed.
    left_over: Cell<usize>,
    /// The children that have completed, whose wakes are ignored.
    done: RefCell<HashSet<usize>>,
}

impl notes::WokenChildren for ObservedChildren {
    fn woken(&self, task: TaskId) -> usize {
        let (done, wakes) = (self.done.borrow(), self.group.lock());
        // A wake that is in progress may not have reached the task yet.
        if self.task.get() != Some(task) || wakes.in_progress > 0 {
            return 0;
        }
        wakes.woken.iter().filter(|index| !done.contains(index)).count() + self.left_over.get()
    }
}

impl<F: Future> Children<F> {
    /// Creates the children; initially, all of them count as woken.
    pub(super) fn new(futures: impl IntoIterator<Item = F>) -> Children<F> {
        let group = Arc::new(Group { wakes: Mutex::default() });
        let children: Vec<Child<F>> =
            futures.into_iter().enumerate().map(|(index, future)| Child::new(index, future, &group)).collect();
        let left = children.len();
        let to_poll = (0..left).collect();
        Children { children, group, left, counted: CountedClone::none(), to_poll, observed: None }
    }

    /// Returns the number of children that are still pending.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    pub(super) fn is_done(&self, index: usize) -> bool {
        self.children[index].future.is_none()
    }

    /// Polls the woken children one after the other, until one completes or all have been polled.
    ///
    /// A child that is woken during this call has also woken the task, and is polled with the task's next poll. So if a
    /// child yields, other tasks run first (I11).
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(usize, F::Output)> {
        let polled = self.poll_woken(cx);
        if is_observed() {
            self.record_poll(&polled);
        }
        polled
    }

    fn poll_woken(&mut self, cx: &mut Context<'_>) -> Poll<(usize, F::Output)> {
        // Register the waker before draining the list of woken children; otherwise a wake could be lost (I6).
        self.register(cx.waker());
        self.to_poll.extend(self.group.lock().woken.drain(..));
        while let Some(index) = self.to_poll.pop_front() {
            let child = &mut self.children[index];
            // Cleared before the poll, so that a wake during the poll queues the child again. A swap, unlike a store,
            // synchronizes with the thread that last woke the child.
            child.shared.is_woken.swap(false, Ordering::AcqRel);
            let Some(future) = child.future.as_mut() else { continue };
            let polled = {
                let _current = CurrentWaker::new(&child.waker, child.count).enter();
                future.as_mut().poll(&mut Context::from_waker(&child.waker))
            };
            if let Poll::Ready(output) = polled {
                // `left` is updated before the future is dropped, which may panic.
                let done = child.future.take();
                self.left -= 1;
                drop(done);
                return Poll::Ready((index, output));
            }
        }
        Poll::Pending
    }

    /// Updates [`ObservedChildren`] after a poll.
    #[cold]
    fn record_poll<T>(&mut self, polled: &Poll<(usize, T)>) {
        let observed = self.observed.get_or_insert_with(|| {
            let (group, task, left_over, done) =
                (self.group.clone(), Cell::default(), Cell::default(), RefCell::default());
            Rc::new(ObservedChildren { group, task, left_over, done })
        });
        let is_pending = |index: &&usize| self.children[**index].future.is_some();
        observed.left_over.set(self.to_poll.iter().filter(is_pending).count());
        if let Poll::Ready((index, _)) = polled {
            observed.done.borrow_mut().insert(*index);
        }
        let task = current_task();
        if observed.task.replace(task) != task
            && let Some(task) = task
        {
            let children = Rc::downgrade(observed);
            notes::add_children(task, children);
        }
    }

    fn register(&mut self, waker: &Waker) {
        notes::record_waker_stored();
        if self.group.lock().task.as_ref().is_some_and(|stored| stored.will_wake(waker)) {
            return;
        }
        // I4: nothing is locked while a waker is cloned or dropped.
        let clone = Arc::new(waker.clone());
        self.counted = CountedClone::of(waker);
        let replaced = self.group.lock().task.replace(clone);
        contain("dropping a waker", || drop(replaced));
    }
}

impl<F> Child<F> {
    fn new(index: usize, future: F, group: &Arc<Group>) -> Child<F> {
        // A new child is in the list of woken children from the start.
        let shared = Arc::new(ChildWaker { index, is_woken: AtomicBool::new(true), group: group.clone() });
        let count = WakerCountId::for_child(&shared, OWN_CLONES);
        Child { future: Some(Box::pin(future)), waker: Waker::from(shared.clone()), shared, count }
    }
}

impl<F> Drop for Child<F> {
    fn drop(&mut self) {
        self.count.remove();
        // Two children that panic in their destructors would abort the program (I12).
        let future = self.future.take();
        contain("dropping a future", || drop(future));
    }
}

impl<F> Drop for Children<F> {
    fn drop(&mut self) {
        let task = self.group.lock().task.take();
        contain("dropping a waker", || drop(task));
    }
}
