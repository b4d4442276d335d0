//! How other threads reach the loop: the only cross-thread scheduling code.
//!
//! A list under a mutex holds what they have to say, and one atomic says whether the loop must be shaken awake:
//!
//! | state | the loop | a thread that notifies |
//! | --- | --- | --- |
//! | `RUNNING` | is at work and will look at the list before it sleeps | need do nothing more |
//! | `POLLING` | sleeps in the reactor, or is about to | writes to the operating system's waker |
//! | `NOTIFIED` | has been told since it last looked | need do nothing more |
//!
//! The order is all there is to it (I8). A notifier pushes first, then swaps in `NOTIFIED`, and writes only if it
//! found `POLLING`. The loop goes from `RUNNING` to `POLLING` by compare-exchange before it sleeps, swaps `RUNNING`
//! in when it is awake, and drains the list if either answered `NOTIFIED`. So there is no write while the loop is
//! busy, at most one a sleep, and none is lost: whatever was pushed before a swap is seen after the loop's own,
//! since all of them are read-modify-writes of one atomic. `tests/loom_notify.rs` tries every interleaving.

use super::atomics::MutexGuard;
use super::atomics::{AtomicU8, Mutex, Ordering};
use std::collections::VecDeque;
use std::sync::PoisonError;

const RUNNING: u8 = 0;
const POLLING: u8 = 1;
const NOTIFIED: u8 = 2;

/// What ends the loop's sleep: mio's waker, or a model of it.
pub(crate) trait OsWaker {
    /// Makes the sleep that is going on, or else the next one, end at once.
    fn wake(&self);
}

/// The list, the state and the waker.
pub(crate) struct Notifier<T, W> {
    state: AtomicU8,
    /// `None` once the loop is gone.
    list: Mutex<Option<VecDeque<T>>>,
    os_waker: W,
}

impl<T, W: OsWaker> Notifier<T, W> {
    pub(crate) fn new(os_waker: W) -> Notifier<T, W> {
        Notifier { state: AtomicU8::new(RUNNING), list: Mutex::new(Some(VecDeque::new())), os_waker }
    }

    /// From any thread: says something to the loop. After the loop is gone this does nothing (I2).
    pub(crate) fn notify(&self, item: T) {
        if self.push(item) && self.state.swap(NOTIFIED, Ordering::AcqRel) == POLLING {
            self.os_waker.wake();
        }
    }

    /// From any thread: adds something to the list that the loop may read whenever it next looks.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut list = self.lock();
        let open = list.is_some();
        if let Some(list) = list.as_mut() {
            list.push_back(item);
        }
        open
    }

    /// The loop is about to sleep. If `false`, it must not: it has been told something.
    pub(crate) fn start_polling(&self) -> bool {
        self.state.compare_exchange(RUNNING, POLLING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The loop is awake, or did not sleep at all. Whether it has been told something.
    pub(crate) fn stop_polling(&self) -> bool {
        self.state.swap(RUNNING, Ordering::AcqRel) == NOTIFIED
    }

    /// Moves the list's content to the end of `into`. The two swap their room if they can, so that nothing is copied
    /// while other threads wait for the lock.
    pub(crate) fn drain(&self, into: &mut VecDeque<T>) {
        match self.lock().as_mut() {
            Some(list) if into.is_empty() => std::mem::swap(list, into),
            Some(list) => into.append(list),
            None => {}
        }
    }

    /// The loop is gone. What was said and not heard is dropped.
    pub(crate) fn close(&self) {
        let unheard = self.lock().take();
        drop(unheard);
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<T>>> {
        // A thread that panicked while it pushed has left the list whole.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
