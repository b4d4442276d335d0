//! A fair semaphore: limits concurrency in FIFO order (I15).
//!
//! While there are waiters, a released permit is granted to the first of them, and to no other caller. So there is no
//! barging, and no waiter is woken without its permits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::SharedSlot;
use crate::observe::{
    EventKind, SemaphoreId, contain, current_task, emit, next_semaphore, polled_after_ready, set_wait_reason,
};

/// A semaphore with a number of permits. Each holder acquires one or more and releases them when it is done.
///
/// It is a handle: clones share the permits.
///
/// ```
/// use glassloop::{EventLoop, futures::join_all, sync::Semaphore};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let limit = Semaphore::new(2);
///     join_all((0..10).map(|_| async {
///         let _permit = limit.acquire().await;
///         // at most two of the ten futures are between this line and the end of the block
///     })).await;
///     assert_eq!(limit.available(), 2);
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    semaphore: Rc<SemaphoreState>,
}

struct SemaphoreState {
    id: SemaphoreId,
    free: Cell<usize>,
    /// The waiters in FIFO order. A cancelled waiter stays in the queue as [`WaiterState::Cancelled`] until it is first, or
    /// until more than half of the waiters are cancelled.
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
    /// The number of cancelled waiters in the queue.
    cancelled: Cell<usize>,
    /// Whether `serve` is running. Permits that are released during the call are granted by it.
    is_serving: Cell<bool>,
}

struct Waiter {
    /// The number of permits requested.
    wanted: usize,
    state: Cell<WaiterState>,
    notify: Notify,
}

/// The action that notifies a waiter when its permits are granted.
enum Notify {
    /// Wakes a task, which takes the permits when it is polled.
    Waker(SharedSlot),
    /// Calls a function, to which the permits are passed. `None` after it was called or dropped.
    Call(Cell<Option<OnGranted>>),
}

type OnGranted = Box<dyn FnOnce(Permit)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum WaiterState {
    Waiting,
    /// The waiter owns the permits, but has not been polled since they were granted.
    Granted,
    Cancelled,
}

impl Semaphore {
    /// Creates a semaphore with this number of permits.
    pub fn new(permits: usize) -> Semaphore {
        Semaphore {
            semaphore: Rc::new(SemaphoreState {
                id: next_semaphore(),
                free: Cell::new(permits),
                waiting: RefCell::default(),
                cancelled: Cell::new(0),
                is_serving: Cell::new(false),
            }),
        }
    }

    /// Returns the id of the semaphore in observer events.
    pub fn id(&self) -> SemaphoreId {
        self.semaphore.id
    }

    /// Returns the number of available permits.
    pub fn available(&self) -> usize {
        self.semaphore.free.get()
    }

    /// Returns a future that resolves to one permit, after all earlier waiters have been served.
    pub fn acquire(&self) -> Acquire {
        self.acquire_many(1)
    }

    /// Returns a future that resolves to several permits. It waits for ever if `permits` exceeds the total.
    pub fn acquire_many(&self, permits: usize) -> Acquire {
        Acquire { semaphore: self.semaphore.clone(), state: AcquireState::New { wanted: permits } }
    }

    /// Returns the permits if they are available and there are no waiters.
    pub fn try_acquire_many(&self, permits: usize) -> Option<Permit> {
        self.semaphore.try_take(permits).then(|| Permit { semaphore: self.semaphore.clone(), permits })
    }

    /// Returns one permit if it is available and there are no waiters.
    pub fn try_acquire(&self) -> Option<Permit> {
        self.try_acquire_many(1)
    }

    /// Calls `call` with one permit, after all earlier waiters have been served. Dropping the request cancels it.
    ///
    /// The function uses the permit immediately. A task, in contrast, keeps a granted permit unused until it is polled.
    pub(crate) fn acquire_then(&self, call: impl FnOnce(Permit) + 'static) -> PermitRequest {
        let notify = Notify::Call(Cell::new(Some(Box::new(call))));
        let waiter = self.semaphore.enqueue(1, notify);
        self.semaphore.serve();
        PermitRequest { semaphore: self.semaphore.clone(), waiter }
    }

    /// Adds permits.
    pub fn add_permits(&self, permits: usize) {
        self.semaphore.release(permits);
    }
}

impl SemaphoreState {
    /// Takes permits if they are available and there are no waiters.
    fn try_take(&self, wanted: usize) -> bool {
        let has_no_waiters = self.waiting.borrow().len() == self.cancelled.get();
        if !has_no_waiters || self.free.get() < wanted {
            return false;
        }
        self.free.set(self.free.get() - wanted);
        emit!(EventKind::SemaphoreTake { semaphore: self.id, task: current_task(), free: self.free.get() });
        true
    }

    /// Appends a waiter to the queue.
    fn enqueue(&self, wanted: usize, notify: Notify) -> Rc<Waiter> {
        let waiter = Rc::new(Waiter { wanted, state: Cell::new(WaiterState::Waiting), notify });
        self.waiting.borrow_mut().push_back(waiter.clone());
        emit!(EventKind::SemaphoreWait { semaphore: self.id, task: current_task(), free: self.free.get() });
        waiter
    }

    /// Cancels a waiter that is dropped. Permits that were granted to it but not used go to the next waiter.
    fn cancel(self: &Rc<Self>, waiter: &Waiter) {
        let before = waiter.state.replace(WaiterState::Cancelled);
        match &waiter.notify {
            Notify::Waker(slot) => slot.clear(),
            Notify::Call(call) => {
                let call = call.take();
                // Dropping what the function captured may run arbitrary code (I12).
                contain("dropping a function that waited for a permit", || drop(call));
            }
        }
        match (before, &waiter.notify) {
            // The waiter has not been polled since the permits were granted, so they are released again (I15).
            (WaiterState::Granted, Notify::Waker(_)) => self.release(waiter.wanted),
            // This waiter may have blocked later ones that request fewer permits.
            (WaiterState::Waiting, _) => {
                self.count_cancelled();
                self.serve();
            }
            (WaiterState::Granted, Notify::Call(_)) | (WaiterState::Cancelled, _) => {}
        }
    }

    /// Counts a cancelled waiter. Removes cancelled waiters when they are more than half of the queue, so that repeated
    /// requests with a timeout, queued after a long-waiting one, cannot grow the queue without bound.
    fn count_cancelled(&self) {
        self.cancelled.set(self.cancelled.get() + 1);
        let mut waiting = self.waiting.borrow_mut();
        if self.cancelled.get() * 2 > waiting.len() {
            waiting.retain(|waiter| waiter.state.get() == WaiterState::Waiting);
            self.cancelled.set(0);
        }
    }

    fn release(self: &Rc<Self>, permits: usize) {
        self.free.set(self.free.get().saturating_add(permits));
        emit!(EventKind::SemaphoreFree { semaphore: self.id, task: current_task(), free: self.free.get() });
        self.serve();
    }

    /// Grants available permits to the waiters in order, until there are too few for the next one.
    fn serve(self: &Rc<Self>) {
        if self.is_serving.replace(true) {
            return;
        }
        // I4: nothing is borrowed while a waiter is notified. I12: panics of a waiter are contained.
        while let Some(waiter) = self.grant_first() {
            match &waiter.notify {
                Notify::Waker(slot) => slot.wake(),
                Notify::Call(call) => {
                    emit!(EventKind::SemaphoreTake { semaphore: self.id, task: current_task(), free: self.free.get() });
                    let permit = Permit { semaphore: self.clone(), permits: waiter.wanted };
                    if let Some(call) = call.take() {
                        contain("a function that waited for a permit", || call(permit));
                    }
                }
            }
        }
        self.is_serving.set(false);
    }

    /// Grants the first waiter its permits and removes it from the queue, if enough permits are available.
    fn grant_first(&self) -> Option<Rc<Waiter>> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(first) = waiting.front() {
            if first.state.get() == WaiterState::Cancelled {
                self.cancelled.set(self.cancelled.get() - 1);
                waiting.pop_front();
                continue;
            }
            if first.wanted > self.free.get() {
                return None;
            }
            self.free.set(self.free.get() - first.wanted);
            first.state.set(WaiterState::Granted);
            return waiting.pop_front();
        }
        None
    }
}

/// A queued request of [`Semaphore::acquire_then`].
pub(crate) struct PermitRequest {
    semaphore: Rc<SemaphoreState>,
    waiter: Rc<Waiter>,
}

impl Drop for PermitRequest {
    fn drop(&mut self) {
        self.semaphore.cancel(&self.waiter);
    }
}

/// A future that resolves to a [`Permit`].
pub struct Acquire {
    semaphore: Rc<SemaphoreState>,
    state: AcquireState,
}

enum AcquireState {
    New { wanted: usize },
    Waiting(Rc<Waiter>),
    Done,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        match &self.state {
            AcquireState::New { wanted } => {
                let wanted = *wanted;
                let mut is_taken = self.semaphore.try_take(wanted);
                let slot = SharedSlot::default();
                if !is_taken && slot.register(cx.waker()) {
                    is_taken = self.semaphore.try_take(wanted); // I6
                }
                if is_taken {
                    self.state = AcquireState::Done;
                    return Poll::Ready(Permit { semaphore: self.semaphore.clone(), permits: wanted });
                }
                let waiter = self.semaphore.enqueue(wanted, Notify::Waker(slot));
                self.state = AcquireState::Waiting(waiter);
                set_wait_reason("a permit");
                Poll::Pending
            }
            AcquireState::Waiting(waiter) => {
                if waiter.state.get() == WaiterState::Waiting
                    && let Notify::Waker(slot) = &waiter.notify
                {
                    let is_cloned = slot.register(cx.waker());
                    if !is_cloned || waiter.state.get() == WaiterState::Waiting {
                        set_wait_reason("a permit");
                        return Poll::Pending;
                    }
                }
                let permits = waiter.wanted;
                self.state = AcquireState::Done;
                emit!(EventKind::SemaphoreTake {
                    semaphore: self.semaphore.id,
                    task: current_task(),
                    free: self.semaphore.free.get(),
                });
                Poll::Ready(Permit { semaphore: self.semaphore.clone(), permits })
            }
            AcquireState::Done => polled_after_ready("Acquire"),
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let AcquireState::Waiting(waiter) = &self.state {
            self.semaphore.cancel(waiter);
        }
    }
}

/// A permit, or several of them. Dropping it releases them.
pub struct Permit {
    semaphore: Rc<SemaphoreState>,
    permits: usize,
}

impl Permit {
    /// Returns the number of permits.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Merges another permit of the same semaphore into this one.
    ///
    /// # Panics
    /// If the permits belong to different semaphores.
    pub fn merge(&mut self, mut other: Permit) {
        assert!(Rc::ptr_eq(&self.semaphore, &other.semaphore), "permits of two semaphores cannot be merged");
        self.permits += std::mem::take(&mut other.permits);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.release(self.permits);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("free", &self.semaphore.free.get())
            .field("waiting", &self.semaphore.waiting.borrow().len())
            .finish()
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("semaphore", &self.semaphore.id).finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("semaphore", &self.semaphore.id).field("permits", &self.permits).finish()
    }
}
