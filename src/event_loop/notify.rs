//! How other threads wake the loop: the only scheduling code that several threads run.
//!
//! The messages are in a queue under a mutex (the loop's inbox). An atomic state determines whether the operating system's
//! waker must be called:
//!
//! | state | the loop | a thread that notifies |
//! | --- | --- | --- |
//! | `RUNNING` | is running, and checks the queue before it blocks | does nothing more |
//! | `PARKED` | is blocked in the reactor, or about to block | calls the operating system's waker |
//! | `NOTIFIED` | has been notified since it last checked | does nothing more |
//!
//! A notifying thread first pushes its message, then swaps the state to `NOTIFIED`, and calls the waker only if the state
//! was `PARKED`. The loop changes the state from `RUNNING` to `PARKED` by compare-exchange before it blocks, swaps it to
//! `RUNNING` afterwards, and drains the queue if the state was `NOTIFIED` in one of the two steps. So the waker is not
//! called while the loop is running, at most once while it blocks, and no message is lost: a message that was pushed before
//! the thread's swap is visible after the loop's swap, since all of these are read-modify-writes of one atomic.
//! `tests/loom_notify.rs` checks all interleavings.

use std::collections::VecDeque;
use std::sync::PoisonError;

use super::primitive::{AtomicU8, Mutex, MutexGuard, Ordering};

const RUNNING: u8 = 0;
const PARKED: u8 = 1;
const NOTIFIED: u8 = 2;

/// The waker of the operating system: that of mio, or a model of it in tests.
pub(crate) trait OsWaker {
    /// Interrupts the current park, or the next one.
    fn wake(&self);
}

/// A queue of messages from other threads, which wakes the loop if it is parked.
///
/// Invariant: while the queue contains a message that was pushed by `notify`, the loop is not blocked, or the operating
/// system's waker has been called or is about to be called (I8).
pub(crate) struct Notifier<T, W> {
    state: AtomicU8,
    /// `None` after the loop has ended.
    queue: Mutex<Option<VecDeque<T>>>,
    os_waker: W,
}

impl<T, W: OsWaker> Notifier<T, W> {
    pub(crate) fn new(os_waker: W) -> Notifier<T, W> {
        Notifier { state: AtomicU8::new(RUNNING), queue: Mutex::new(Some(VecDeque::new())), os_waker }
    }

    /// Sends a message to the loop, and wakes it. Called from any thread. Does nothing after the loop has ended (I2).
    pub(crate) fn notify(&self, message: T) {
        if self.push(message) && self.state.swap(NOTIFIED, Ordering::AcqRel) == PARKED {
            self.os_waker.wake();
        }
    }

    /// Sends a message that the loop receives when it next drains the queue. Called from any thread. Returns whether the
    /// loop exists.
    pub(crate) fn push(&self, message: T) -> bool {
        let mut queue = self.lock();
        let is_open = queue.is_some();
        if let Some(queue) = queue.as_mut() {
            queue.push_back(message);
        }
        is_open
    }

    /// Called by the loop before it blocks. Returns `false` if it must not block, because it has been notified.
    pub(crate) fn begin_park(&self) -> bool {
        self.state.compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Called by the loop after it has blocked, or if it did not block. Returns whether it has been notified.
    pub(crate) fn end_park(&self) -> bool {
        self.state.swap(RUNNING, Ordering::AcqRel) == NOTIFIED
    }

    /// Moves the messages to the end of `into`. If possible the two buffers are swapped, so that other threads do not wait
    /// for the lock while messages are copied.
    pub(crate) fn drain(&self, into: &mut VecDeque<T>) {
        match self.lock().as_mut() {
            Some(queue) if into.is_empty() => std::mem::swap(queue, into),
            Some(queue) => into.append(queue),
            None => {}
        }
    }

    /// Called when the loop ends. Drops the messages that were not received.
    pub(crate) fn close(&self) {
        let undelivered = self.lock().take();
        drop(undelivered);
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<T>>> {
        // A thread that panicked while it pushed has left the queue valid.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
