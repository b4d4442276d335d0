//! A channel for a single value between two tasks.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::SharedSlot;
use crate::observe::set_wait_reason;

/// Creates a channel for a single value. The receiver is a future.
///
/// ```
/// use glassloop::{EventLoop, spawn, sync::oneshot};
///
/// let mut event_loop = EventLoop::new()?;
/// let answer = event_loop.block_on(async {
///     let (sender, receiver) = oneshot();
///     spawn(async move { sender.send(42) });
///     receiver.await
/// })?;
/// assert_eq!(answer, Ok(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let state =
        Rc::new(OneshotState { value: Cell::new(None), closed: Cell::new(false), waker: SharedSlot::default() });
    (Sender { state: state.clone() }, Receiver { state })
}

struct OneshotState<T> {
    value: Cell<Option<T>>,
    /// Whether either half has been dropped.
    closed: Cell<bool>,
    /// The waker of the receiver.
    waker: SharedSlot,
}

impl<T> OneshotState<T> {
    fn poll_receive(&self) -> Poll<Result<T, Closed>> {
        match self.value.take() {
            Some(value) => Poll::Ready(Ok(value)),
            None if self.closed.get() => Poll::Ready(Err(Closed)),
            None => Poll::Pending,
        }
    }
}

/// The sending half. If it is dropped without sending, the receiver returns [`Closed`].
pub struct Sender<T> {
    state: Rc<OneshotState<T>>,
}

impl<T> Sender<T> {
    /// Sends the value and wakes the receiver.
    ///
    /// # Errors
    /// Returns the value if the receiver has been dropped.
    pub fn send(self, value: T) -> Result<(), T> {
        if self.state.closed.get() {
            return Err(value);
        }
        self.state.value.set(Some(value));
        Ok(()) // dropping `self` wakes the receiver
    }

    /// Returns whether the receiver has been dropped, so that the value need not be computed.
    pub fn is_closed(&self) -> bool {
        self.state.closed.get()
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.state.closed.set(true);
        self.state.waker.wake();
    }
}

/// The receiving half: a future that resolves to the value.
pub struct Receiver<T> {
    state: Rc<OneshotState<T>>,
}

impl<T> Receiver<T> {
    /// Returns the value if it has been sent, without waiting.
    pub fn try_recv(&mut self) -> Option<T> {
        self.state.value.take()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut received = self.state.poll_receive();
        if received.is_pending() && self.state.waker.register(cx.waker()) {
            received = self.state.poll_receive(); // I6
        }
        if received.is_pending() {
            set_wait_reason("a oneshot");
        }
        received
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.state.closed.set(true);
        self.state.waker.clear();
    }
}

/// The error of receiving from a channel that is empty and has no sender left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed: no sender is left")
    }
}

impl std::error::Error for Closed {}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("closed", &self.state.closed.get()).finish()
    }
}
