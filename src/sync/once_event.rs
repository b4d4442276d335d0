//! A one-shot event that any number of tasks can wait for.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use super::SharedSlot;
use crate::observe::set_wait_reason;

/// A one-shot event that any number of tasks can wait for. It is a handle: clones refer to the same event.
///
/// It is like `asyncio.Event`, but it cannot be cleared.
///
/// ```
/// use glassloop::{EventLoop, spawn, sync::OnceEvent};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let stop = OnceEvent::new();
///     let waiting = [spawn(stop.wait()), spawn(stop.wait())];
///     stop.set();
///     for task in waiting {
///         task.await.expect("the task does not panic");
///     }
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct OnceEvent {
    state: Rc<EventState>,
}

#[derive(Default)]
struct EventState {
    is_set: Cell<bool>,
    /// The waker slots of the waiters. The references are weak: a slot is freed when its waiter is dropped.
    waiting: RefCell<Vec<Weak<SharedSlot>>>,
}

impl OnceEvent {
    /// Creates an event that is not set.
    pub fn new() -> OnceEvent {
        OnceEvent::default()
    }

    /// Sets the event and wakes all waiters.
    pub fn set(&self) {
        self.state.is_set.set(true);
        let waiting = self.state.waiting.take();
        for slot in waiting.iter().filter_map(Weak::upgrade) {
            slot.wake(); // I4: the list is not borrowed
        }
    }

    /// Returns whether the event is set.
    pub fn is_set(&self) -> bool {
        self.state.is_set.get()
    }

    /// Returns a future that completes when the event is set.
    pub fn wait(&self) -> Wait {
        Wait { state: self.state.clone(), slot: None }
    }
}

/// The future returned by [`OnceEvent::wait`].
pub struct Wait {
    state: Rc<EventState>,
    /// The waker slot, created by the first poll that finds the event not set.
    slot: Option<Rc<SharedSlot>>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.state.is_set.get() {
            return Poll::Ready(());
        }
        let slot = this.slot.get_or_insert_with(|| {
            let slot = Rc::default();
            let mut waiting = this.state.waiting.borrow_mut();
            // Remove dropped waiters when the list is full, so that it cannot grow without bound.
            if waiting.len() == waiting.capacity() {
                waiting.retain(|slot| slot.strong_count() > 0);
            }
            waiting.push(Rc::downgrade(&slot));
            slot
        });
        if slot.register(cx.waker()) && this.state.is_set.get() {
            return Poll::Ready(()); // I6
        }
        set_wait_reason("an event");
        Poll::Pending
    }
}

impl fmt::Debug for OnceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceEvent").field("is_set", &self.is_set()).finish()
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("is_set", &self.state.is_set.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll(wait: &mut Wait) -> Poll<()> {
        Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn waiting_completes_once_the_event_is_set() {
        let event = OnceEvent::new();
        let mut wait = event.wait();
        assert!(!event.is_set());
        assert_eq!(poll(&mut wait), Poll::Pending);
        event.set();
        assert!(event.is_set());
        assert_eq!(poll(&mut wait), Poll::Ready(()));
    }

    #[test]
    fn waiters_that_are_dropped_leave_the_list() {
        let event = OnceEvent::new();
        let mut kept = event.wait();
        assert_eq!(poll(&mut kept), Poll::Pending);
        for _ in 0..1_000 {
            assert_eq!(poll(&mut event.wait()), Poll::Pending);
        }
        let listed = event.state.waiting.borrow().len();
        assert!(listed < 16, "{listed} waiters are listed, but only one has not been dropped");
        event.set();
        assert_eq!(poll(&mut kept), Poll::Ready(()));
    }
}
