//! At most so many at once, first come first served (I15).
//!
//! Fairness costs nothing here: a permit that is given back goes straight to whoever has waited longest. It is
//! never put back for all to grab, so nobody can be overtaken, and nobody is woken in vain.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::SharedSlot;
use crate::observe::{Kind, SemaphoreId, contain, current_task, note_waiting, polled_after_ready, tell};

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(1) };
}

/// A number of permits, of which each holder takes one or more and gives them back when it is done.
///
/// A `Semaphore` is a handle: clones share the permits.
///
/// ```
/// use glassloop::{EventLoop, futures::join_all, sync::Semaphore};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let at_once = Semaphore::new(2);
///     join_all((0..10).map(|_| async {
///         let _permit = at_once.acquire().await;
///         // never more than two of the ten are here
///     })).await;
///     assert_eq!(at_once.available(), 2);
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    shared: Rc<Shared>,
}

struct Shared {
    id: SemaphoreId,
    free: Cell<usize>,
    /// In the order in which they came. One that gave up stays in its place as [`Stand::GaveUp`] until it is first, or
    /// until half of them are such.
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
    /// How many of them gave up.
    gave_up: Cell<usize>,
    /// Permits are being handed out: those that are given back meanwhile are handed out by the same loop.
    is_serving: Cell<bool>,
}

struct Waiter {
    /// How many permits it wants.
    wanted: usize,
    stand: Cell<Stand>,
    notify: Notify,
}

/// What is called when a waiter is granted its permits.
enum Notify {
    /// A task, which takes them when it is polled.
    Waker(SharedSlot),
    /// A function, which is handed them at once. `None` once it was called or dropped.
    Call(Cell<Option<GrantedCall>>),
}

type GrantedCall = Box<dyn FnOnce(Permit)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Waits,
    /// The permits are its own; it has not been polled since.
    Granted,
    GaveUp,
}

impl Semaphore {
    /// A semaphore with this many permits.
    pub fn new(permits: usize) -> Semaphore {
        let id = NEXT.get();
        NEXT.set(id + 1);
        Semaphore {
            shared: Rc::new(Shared {
                id: SemaphoreId(id),
                free: Cell::new(permits),
                waiting: RefCell::default(),
                gave_up: Cell::new(0),
                is_serving: Cell::new(false),
            }),
        }
    }

    /// Its number in events.
    pub fn id(&self) -> SemaphoreId {
        self.shared.id
    }

    /// Permits that are free now.
    pub fn available(&self) -> usize {
        self.shared.free.get()
    }

    /// One permit, as soon as everyone who came before has theirs.
    pub fn acquire(&self) -> Acquire {
        self.acquire_many(1)
    }

    /// Several permits at once. Who wants more than there ever are waits for ever.
    pub fn acquire_many(&self, permits: usize) -> Acquire {
        Acquire { shared: self.shared.clone(), state: AcquireState::New { wanted: permits } }
    }

    /// Permits, if they are free and nobody waits.
    pub fn try_acquire_many(&self, permits: usize) -> Option<Permit> {
        self.shared.take_at_once(permits).then(|| Permit { shared: self.shared.clone(), permits })
    }

    /// One permit, if it is free and nobody waits.
    pub fn try_acquire(&self) -> Option<Permit> {
        self.try_acquire_many(1)
    }

    /// Calls `call` with one permit, as soon as everyone who came before has theirs. Dropping the request withdraws it.
    ///
    /// Unlike a task that was woken, a function cannot keep the permit without making use of it.
    pub(crate) fn acquire_then(&self, call: impl FnOnce(Permit) + 'static) -> PermitRequest {
        let notify = Notify::Call(Cell::new(Some(Box::new(call))));
        let waiter = self.shared.wait(1, notify);
        self.shared.serve();
        PermitRequest { shared: self.shared.clone(), waiter }
    }

    /// Puts more permits in.
    pub fn add_permits(&self, permits: usize) {
        self.shared.give(permits);
    }
}

impl Shared {
    /// Takes permits if nobody came first.
    fn take_at_once(&self, wanted: usize) -> bool {
        let nobody_waits = self.waiting.borrow().len() == self.gave_up.get();
        if !nobody_waits || self.free.get() < wanted {
            return false;
        }
        self.free.set(self.free.get() - wanted);
        tell!(Kind::SemaphoreTake { semaphore: self.id, task: current_task(), free: self.free.get() });
        true
    }

    /// Puts a waiter at the end of the queue.
    fn wait(&self, wanted: usize, notify: Notify) -> Rc<Waiter> {
        let waiter = Rc::new(Waiter { wanted, stand: Cell::new(Stand::Waits), notify });
        self.waiting.borrow_mut().push_back(waiter.clone());
        tell!(Kind::SemaphoreWait { semaphore: self.id, task: current_task(), free: self.free.get() });
        waiter
    }

    /// A waiter is dropped.
    fn leave(self: &Rc<Self>, waiter: &Waiter) {
        let before = waiter.stand.replace(Stand::GaveUp);
        match &waiter.notify {
            Notify::Waker(slot) => slot.clear(),
            Notify::Call(call) => {
                let call = call.take();
                // What the function captured may be anybody's (I12).
                contain("dropping what waited for a permit", || drop(call));
            }
        }
        match (before, &waiter.notify) {
            // It had been handed permits that it never saw: they go to the next (I15).
            (Stand::Granted, Notify::Waker(_)) => self.give(waiter.wanted),
            // It may have stood in the way of those behind who want less.
            (Stand::Waits, _) => {
                self.give_up();
                self.serve();
            }
            (Stand::Granted, Notify::Call(_)) | (Stand::GaveUp, _) => {}
        }
    }

    /// One that waits does so no longer. Whoever asks again and again with a time limit, behind one who waits long, must
    /// not fill the queue.
    fn give_up(&self) {
        self.gave_up.set(self.gave_up.get() + 1);
        let mut waiting = self.waiting.borrow_mut();
        if self.gave_up.get() * 2 > waiting.len() {
            waiting.retain(|waiter| waiter.stand.get() == Stand::Waits);
            self.gave_up.set(0);
        }
    }

    fn give(self: &Rc<Self>, permits: usize) {
        self.free.set(self.free.get().saturating_add(permits));
        tell!(Kind::SemaphoreFree { semaphore: self.id, task: current_task(), free: self.free.get() });
        self.serve();
    }

    /// Hands free permits to those who wait, as far as they go.
    fn serve(self: &Rc<Self>) {
        if self.is_serving.replace(true) {
            return;
        }
        // I4: nothing is borrowed while a waiter is notified. I12: and what it does when it panics ends there.
        while let Some(waiter) = self.grant_first() {
            match &waiter.notify {
                Notify::Waker(slot) => slot.wake(),
                Notify::Call(call) => {
                    tell!(Kind::SemaphoreTake { semaphore: self.id, task: current_task(), free: self.free.get() });
                    let permit = Permit { shared: self.clone(), permits: waiter.wanted };
                    if let Some(call) = call.take() {
                        contain("whoever waited for a permit", || call(permit));
                    }
                }
            }
        }
        self.is_serving.set(false);
    }

    /// Takes the first waiter out of the queue if there are permits for it, and makes them its own.
    fn grant_first(&self) -> Option<Rc<Waiter>> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(first) = waiting.front() {
            if first.stand.get() == Stand::GaveUp {
                self.gave_up.set(self.gave_up.get() - 1);
                waiting.pop_front();
                continue;
            }
            if first.wanted > self.free.get() {
                return None;
            }
            self.free.set(self.free.get() - first.wanted);
            first.stand.set(Stand::Granted);
            return waiting.pop_front();
        }
        None
    }
}

/// A function's place in the queue: see [`Semaphore::acquire_then`].
pub(crate) struct PermitRequest {
    shared: Rc<Shared>,
    waiter: Rc<Waiter>,
}

impl Drop for PermitRequest {
    fn drop(&mut self) {
        self.shared.leave(&self.waiter);
    }
}

/// The future of a [`Permit`].
pub struct Acquire {
    shared: Rc<Shared>,
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
                let mut is_taken = self.shared.take_at_once(wanted);
                let slot = SharedSlot::default();
                if !is_taken && slot.register(cx.waker()) {
                    is_taken = self.shared.take_at_once(wanted); // I6
                }
                if is_taken {
                    self.state = AcquireState::Done;
                    return Poll::Ready(Permit { shared: self.shared.clone(), permits: wanted });
                }
                let waiter = self.shared.wait(wanted, Notify::Waker(slot));
                self.state = AcquireState::Waiting(waiter);
                note_waiting("a permit");
                Poll::Pending
            }
            AcquireState::Waiting(waiter) => {
                if waiter.stand.get() == Stand::Waits
                    && let Notify::Waker(slot) = &waiter.notify
                {
                    let is_cloned = slot.register(cx.waker());
                    if !is_cloned || waiter.stand.get() == Stand::Waits {
                        note_waiting("a permit");
                        return Poll::Pending;
                    }
                }
                let permits = waiter.wanted;
                self.state = AcquireState::Done;
                tell!(Kind::SemaphoreTake {
                    semaphore: self.shared.id,
                    task: current_task(),
                    free: self.shared.free.get(),
                });
                Poll::Ready(Permit { shared: self.shared.clone(), permits })
            }
            AcquireState::Done => polled_after_ready("Acquire"),
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let AcquireState::Waiting(waiter) = &self.state {
            self.shared.leave(waiter);
        }
    }
}

/// The right to be one of those at work. Dropping it gives it back.
pub struct Permit {
    shared: Rc<Shared>,
    permits: usize,
}

impl Permit {
    /// How many permits it stands for.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Makes one permit of two of the same semaphore.
    ///
    /// # Panics
    /// If they are of different semaphores.
    pub fn merge(&mut self, mut other: Permit) {
        assert!(Rc::ptr_eq(&self.shared, &other.shared), "permits of two semaphores cannot be merged");
        self.permits += std::mem::take(&mut other.permits);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.shared.give(self.permits);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("free", &self.shared.free.get())
            .field("waiting", &self.shared.waiting.borrow().len())
            .finish()
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("of", &self.shared.id).finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("of", &self.shared.id).field("permits", &self.permits).finish()
    }
}
