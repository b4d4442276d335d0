//! Several futures inside one task, each polled only when it was itself woken.
//!
//! Each child is polled with a waker of its own, which notes the child's number and wakes the task. Without that, every
//! wake of the task would mean a poll of every child: ten thousand of them would cost a hundred million polls.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::observe::{TaskId, contain, current_task, listening, notes};
use crate::sync::{Hold, HoldId, Polled};

/// Futures of one type, and which of them have been woken.
pub(super) struct Children<F> {
    children: Vec<Child<F>>,
    group: Arc<Group>,
    /// Children that are not done.
    left: usize,
    /// Counts the clone of the task's waker that lies in the group.
    hold: Hold,
    /// The numbers of woken children, taken from the group, the first to be woken first.
    woken: VecDeque<usize>,
    /// The task that polled them last; kept only for an observer.
    task: Option<TaskId>,
}

struct Child<F> {
    /// `None` when it is done.
    future: Option<Pin<Box<F>>>,
    shared: Arc<ChildWaker>,
    waker: Waker,
    /// Where the clones of its waker are counted.
    hold: HoldId,
}

/// How many clones of a child's waker lie in [`Child`] itself.
const OWN_CLONES: usize = 2;

/// What the children's wakers share. They may be called from any thread.
struct Group {
    woken: Mutex<Vec<usize>>,
    /// What an observer may ask about.
    watched: Mutex<Watched>,
    /// Wakes that are going on: the child is on the list, and the task perhaps not woken yet.
    waking: AtomicUsize,
    /// The task's waker. Taken back when the children are dropped: what it is counted by goes then, too (I16).
    /// Behind an `Arc`, since cloning a waker may run anything, and must not be done while this is locked (I4).
    task: Mutex<Option<Arc<Waker>>>,
}

/// What is kept only for an observer.
#[derive(Default)]
struct Watched {
    /// The task that polled the group last.
    task: Option<TaskId>,
    /// How many were taken off the list of the woken and not polled, since another one was done.
    left_over: usize,
    /// Children that are done: a wake of one of those is of no interest.
    done: HashSet<usize>,
}

/// What one child's waker owns.
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
            // I4: nothing is locked. I2: this is a waker too, and must not panic.
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
        // Read last: if no wake is going on now, those that were counted have reached the task.
        if watched.task == Some(task) && self.waking.load(Ordering::Acquire) == 0 { woken } else { 0 }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Future> Children<F> {
    /// The children, all to be polled.
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

    /// How many are not done.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    pub(super) fn is_done(&self, number: usize) -> bool {
        self.children[number].future.is_none()
    }

    /// Polls the children that have been woken, one after the other, until one is done or all have been polled.
    ///
    /// One that wakes itself meanwhile has woken the task, too, and is polled at the task's next turn: a child that
    /// yields lets the other tasks pass (I11).
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(usize, F::Output)> {
        let polled = self.poll_woken(cx);
        if listening() {
            self.note_watched(&polled);
        }
        polled
    }

    fn poll_woken(&mut self, cx: &mut Context<'_>) -> Poll<(usize, F::Output)> {
        // First the waker, then the look at who was woken: the other way round a wake could be missed (I6).
        self.register(cx.waker());
        self.woken.extend(lock(&self.group.woken).drain(..));
        while let Some(number) = self.woken.pop_front() {
            let child = &mut self.children[number];
            // Before the poll: a wake during it counts. A swap, to see what the last waker has done.
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

    /// Leaves word for an observer, who will ask whether woken children are polled.
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
            notes::children(task, group);
        }
    }

    fn register(&mut self, waker: &Waker) {
        notes::registered();
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
        // It stands on the list of the woken from the start.
        let shared = Arc::new(ChildWaker { number, is_woken: AtomicBool::new(true), group: group.clone() });
        let hold = HoldId::open_sub_waker(&shared, OWN_CLONES);
        Child { future: Some(Box::pin(future)), waker: Waker::from(shared.clone()), shared, hold }
    }
}

impl<F> Drop for Child<F> {
    fn drop(&mut self) {
        self.hold.close();
        // Two children that panic when they are dropped would abort the program (I12).
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
