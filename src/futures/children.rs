//! Several child futures inside one task, each of which is polled only after it was itself woken.
//!
//! Each child is polled with its own waker, which records the child's index and wakes the task. Without that, every
//! wake of the task would require polling every child: ten thousand children would cost a hundred million polls.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::observe::{TaskId, contain, current_task, is_observed, notes};
use crate::sync::{Hold, HoldId, Polled};

/// Child futures of one type, and the list of those that have been woken.
pub(super) struct Children<F> {
    children: Vec<Child<F>>,
    group: Arc<Group>,
    /// The number of children that are still pending.
    left: usize,
    /// The registration of the clone of the task's waker that is stored in the group.
    hold: Hold,
    /// The indices of woken children, taken from the group, in the order of their wakes.
    woken: VecDeque<usize>,
    /// The task that last polled the children; only used for an observer.
    task: Option<TaskId>,
}

struct Child<F> {
    /// The future; `None` when it has completed.
    future: Option<Pin<Box<F>>>,
    shared: Arc<ChildWaker>,
    waker: Waker,
    /// The key under which the clones of the child's waker are counted.
    hold: HoldId,
}

/// The number of clones of a child's waker that are stored in [`Child`] itself.
const OWN_CLONES: usize = 2;

/// The state that the children's wakers share. They may be called from any thread.
struct Group {
    woken: Mutex<Vec<usize>>,
    /// State that is only used for an observer.
    watched: Mutex<Watched>,
    /// The number of wakes in progress: the child is already in the list, but the task may not have been woken yet.
    waking: AtomicUsize,
    /// The task's waker. It is taken back when the children are dropped, since its registration is dropped at the same
    /// time (I16). It is in an `Arc` because cloning a waker may run arbitrary code, which must not happen while the
    /// mutex is locked (I4).
    task: Mutex<Option<Arc<Waker>>>,
}

/// State that is only kept for an observer.
#[derive(Default)]
struct Watched {
    /// The task that last polled the group.
    task: Option<TaskId>,
    /// The number of woken children that were taken from the list but not polled, because an earlier one completed.
    left_over: usize,
    /// The children that have completed, whose wakes are ignored.
    done: HashSet<usize>,
}

/// The `Arc` behind a child's waker.
struct ChildWaker {
    number: usize,
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
        self.group.waking.fetch_add(1, Ordering::AcqRel);
        lock(&self.group.woken).push(self.number);
        let task = lock(&self.group.task).clone();
        if let Some(task) = task {
            // I4: nothing is locked. I2: this is a waker itself, so it must not panic.
            contain("a waker", move || task.wake_by_ref());
        }
        self.group.waking.fetch_sub(1, Ordering::AcqRel);
    }
}

impl notes::WokenChildren for Group {
    fn woken(&self, task: TaskId) -> usize {
        let watched = lock(&self.watched);
        let on_the_list = lock(&self.woken);
        let woken = on_the_list.iter().filter(|number| !watched.done.contains(number)).count() + watched.left_over;
        // Read last: if no wake is in progress now, all wakes that were counted have reached the task.
        if watched.task == Some(task) && self.waking.load(Ordering::Acquire) == 0 { woken } else { 0 }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Future> Children<F> {
    /// Creates the children; initially, all of them count as woken.
    pub(super) fn new(futures: impl IntoIterator<Item = F>) -> Children<F> {
        let group = Arc::new(Group {
            woken: Mutex::default(),
            watched: Mutex::default(),
            waking: AtomicUsize::new(0),
            task: Mutex::default(),
        });
        let children: Vec<Child<F>> =
            futures.into_iter().enumerate().map(|(number, future)| Child::new(number, future, &group)).collect();
        let left = children.len();
        *lock(&group.woken) = (0..left).collect();
        Children { children, group, left, hold: Hold::none(), woken: VecDeque::new(), task: None }
    }

    /// Returns the number of children that are still pending.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    pub(super) fn is_done(&self, number: usize) -> bool {
        self.children[number].future.is_none()
    }

    /// Polls the woken children one after the other, until one completes or all have been polled.
    ///
    /// A child that is woken meanwhile has also woken the task, and is polled the next time the task is polled: a child
    /// that yields lets other tasks run first (I11).
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(usize, F::Output)> {
        let polled = self.poll_woken(cx);
        if is_observed() {
            self.note_watched(&polled);
        }
        polled
    }

    fn poll_woken(&mut self, cx: &mut Context<'_>) -> Poll<(usize, F::Output)> {
        // Register the waker before draining the list of woken children; otherwise a wake could be lost (I6).
        self.register(cx.waker());
        self.woken.extend(lock(&self.group.woken).drain(..));
        while let Some(number) = self.woken.pop_front() {
            let child = &mut self.children[number];
            // Cleared before the poll, so that a wake during the poll counts. A swap, unlike a
            // store, synchronizes with the thread that last woke the child.
            child.shared.is_woken.swap(false, Ordering::AcqRel);
            let Some(future) = child.future.as_mut() else { continue };
            let polled = {
                let _polled = Polled::new(&child.waker, child.hold).enter();
                future.as_mut().poll(&mut Context::from_waker(&child.waker))
            };
            if let Poll::Ready(output) = polled {
                // Counted before the drop, which may panic.
                let done = child.future.take();
                self.left -= 1;
                drop(done);
                return Poll::Ready((number, output));
            }
        }
        Poll::Pending
    }

    /// Records the state that the observer needs to check whether woken children are polled.
    #[cold]
    fn note_watched<T>(&mut self, polled: &Poll<(usize, T)>) {
        let task = current_task();
        let mut watched = lock(&self.group.watched);
        watched.task = task;
        watched.left_over = self.woken.iter().filter(|number| self.children[**number].future.is_some()).count();
        if let Poll::Ready((number, _)) = polled {
            watched.done.insert(*number);
        }
        drop(watched);
        if let Some(task) = task
            && self.task.replace(task) != Some(task)
        {
            let group = Arc::downgrade(&self.group);
            notes::add_children(task, group);
        }
    }

    fn register(&mut self, waker: &Waker) {
        notes::record_waker_stored();
        if lock(&self.group.task).as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            return;
        }
        // I4: nothing is locked while a waker is cloned or dropped.
        let clone = Arc::new(waker.clone());
        self.hold = Hold::of(waker);
        let replaced = lock(&self.group.task).replace(clone);
        contain("dropping a waker", || drop(replaced));
    }
}

impl<F> Child<F> {
    fn new(number: usize, future: F, group: &Arc<Group>) -> Child<F> {
        // A new child is in the list of woken children from the start.
        let shared = Arc::new(ChildWaker { number, is_woken: AtomicBool::new(true), group: group.clone() });
        let hold = HoldId::open_sub_waker(&shared, OWN_CLONES);
        Child { future: Some(Box::pin(future)), waker: Waker::from(shared.clone()), shared, hold }
    }
}

impl<F> Drop for Child<F> {
    fn drop(&mut self) {
        self.hold.close();
        // Two children that panic in their destructors would abort the program (I12).
        let future = self.future.take();
        contain("dropping a future", || drop(future));
    }
}

impl<F> Drop for Children<F> {
    fn drop(&mut self) {
        let task = lock(&self.group.task).take();
        contain("dropping a waker", || drop(task));
    }
}
