//! A multi-producer, single-consumer channel between tasks.
//!
//! A bounded channel limits its length with a semaphore: each value in the queue holds a permit, which is released when
//! the value is received. So senders are served in FIFO order, and a cancelled send does not block others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::oneshot::Closed;
use super::{Acquire, Permit, Semaphore, SharedSlot};
use crate::observe::{polled_after_ready, set_wait_reason};

/// Creates a bounded channel: when `capacity` values are in the queue, sending waits until one is received.
///
/// ```
/// use glassloop::{EventLoop, spawn, sync::channel};
///
/// let mut event_loop = EventLoop::new()?;
/// let sum = event_loop.block_on(async {
///     let (sender, mut receiver) = channel(2);
///     spawn(async move {
///         for n in 1..=10u32 {
///             if sender.send(n).await.is_err() { return }
///         }
///     });
///     let mut sum = 0;
///     while let Some(n) = receiver.recv().await { sum += n }
///     sum
/// })?;
/// assert_eq!(sum, 55);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    pair(Some(Semaphore::new(capacity.max(1))))
}

/// Creates an unbounded channel: [`Sender::push`] never fails for lack of capacity.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    pair(None)
}

fn pair<T>(capacity: Option<Semaphore>) -> (Sender<T>, Receiver<T>) {
    let state = Rc::new(ChannelState {
        queue: RefCell::default(),
        senders: Cell::new(1),
        receiver_gone: Cell::new(false),
        waker: SharedSlot::default(),
        capacity,
    });
    (Sender { state: state.clone() }, Receiver { state })
}

struct ChannelState<T> {
    /// The values that have not been received, each with its permit.
    queue: RefCell<VecDeque<(T, Option<Permit>)>>,
    senders: Cell<usize>,
    receiver_gone: Cell<bool>,
    /// The waker of the receiver.
    waker: SharedSlot,
    /// Has a permit for each value that can still be queued; `None` if the channel is unbounded.
    capacity: Option<Semaphore>,
}

impl<T> ChannelState<T> {
    fn put(&self, value: T, permit: Option<Permit>) -> Result<(), T> {
        if self.receiver_gone.get() {
            return Err(value);
        }
        self.queue.borrow_mut().push_back((value, permit));
        self.waker.wake();
        Ok(())
    }
}

/// The sending half of a channel. Clones send to the same receiver.
pub struct Sender<T> {
    state: Rc<ChannelState<T>>,
}

impl<T> Sender<T> {
    /// Sends a value, waiting until there is capacity.
    ///
    /// # Errors
    /// The future returns the value if the receiver has been dropped.
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send { sender: self, value: Some(value), permit: self.state.capacity.as_ref().map(Semaphore::acquire) }
    }

    /// Sends a value without waiting (tokio's `try_send`).
    ///
    /// # Errors
    /// Returns the value if the channel is full or the receiver has been dropped.
    pub fn push(&self, value: T) -> Result<(), T> {
        let permit = match &self.state.capacity {
            None => None,
            Some(capacity) => match capacity.try_acquire() {
                None => return Err(value),
                permit => permit,
            },
        };
        self.state.put(value, permit)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.state.senders.set(self.state.senders.get() + 1);
        Sender { state: self.state.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.state.senders.set(self.state.senders.get() - 1);
        if self.state.senders.get() == 0 {
            self.state.waker.wake();
        }
    }
}

/// The future returned by [`Sender::send`].
pub struct Send<'a, T> {
    sender: &'a Sender<T>,
    /// The value; `None` after it is sent.
    value: Option<T>,
    /// Waits for the permit; `None` if the channel is unbounded.
    permit: Option<Acquire>,
}

// The value is moved, never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let permit = match &mut self.permit {
            None => None,
            Some(acquire) => match Pin::new(acquire).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(permit) => Some(permit),
            },
        };
        let Some(value) = self.value.take() else { polled_after_ready("Send") };
        Poll::Ready(self.sender.state.put(value, permit))
    }
}

/// The receiving half of a channel.
pub struct Receiver<T> {
    state: Rc<ChannelState<T>>,
}

impl<T> Receiver<T> {
    /// Returns a future that resolves to the next value; `None` if all senders have been dropped and the queue is
    /// empty.
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiver: self }
    }

    /// Returns the next value if there is one, without waiting.
    ///
    /// # Errors
    /// [`Closed`] if all senders have been dropped and the queue is empty.
    pub fn try_recv(&mut self) -> Result<Option<T>, Closed> {
        let first = self.state.queue.borrow_mut().pop_front();
        match first {
            // Dropping the permit may wake a sender, so nothing may be borrowed here (I4).
            Some((value, _permit)) => Ok(Some(value)),
            None if self.state.senders.get() == 0 => Err(Closed),
            None => Ok(None),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.state.receiver_gone.set(true);
        self.state.waker.clear();
        let unread = std::mem::take(&mut *self.state.queue.borrow_mut());
        drop(unread); // releases the permits, which wakes the waiting senders; they find that the receiver is gone
    }
}

/// The future returned by [`Receiver::recv`].
pub struct Recv<'a, T> {
    receiver: &'a mut Receiver<T>,
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut received = self.receiver.try_recv();
        if let Ok(None) = received
            && self.receiver.state.waker.register(cx.waker())
        {
            received = self.receiver.try_recv(); // I6
        }
        match received {
            Ok(Some(value)) => Poll::Ready(Some(value)),
            Err(Closed) => Poll::Ready(None),
            Ok(None) => {
                set_wait_reason("a message");
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("queued", &self.state.queue.borrow().len()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("queued", &self.state.queue.borrow().len()).finish()
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}
