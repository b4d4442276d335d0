//! A flag that many tasks can wait for.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use super::SharedSlot;
use crate::observe::note_waiting;

/// Something that happens once, and that any number of tasks may wait for. A handle: clones share the flag.
///
/// The name and the use are those of `asyncio.Event`, without the way back.
///
/// ```
/// use glassloop::{EventLoop, spawn, sync::Event};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let stop = Event::new();
///     let waiting = [spawn(stop.wait()), spawn(stop.wait())];
///     stop.set();
///     for task in waiting {
///         task.await.expect("it does not panic");
///     }
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Event {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_set: Cell<bool>,
    /// The slots of those who wait; they leave when they are dropped.
    waiting: RefCell<Vec<Weak<SharedSlot>>>,
}

impl Event {
    /// An event that has not happened.
    pub fn new() -> Event {
        Event::default()
    }

    /// It happens: everyone who waits is woken.
    pub fn set(&self) {
        self.shared.is_set.set(true);
        let waiting = self.shared.waiting.take();
        for slot in waiting.iter().filter_map(Weak::upgrade) {
            slot.wake(); // I4: the list is not borrowed
        }
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        self.shared.is_set.get()
    }

    /// Waits until it has happened.
    pub fn wait(&self) -> Wait {
        Wait { shared: self.shared.clone(), slot: None }
    }
}

/// The future of [`Event::wait`].
pub struct Wait {
    shared: Rc<Shared>,
    /// Made at the first poll that finds nothing to have happened.
    slot: Option<Rc<SharedSlot>>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.shared.is_set.get() {
            return Poll::Ready(());
        }
        let slot = this.slot.get_or_insert_with(|| {
            let slot = Rc::default();
            let mut waiting = this.shared.waiting.borrow_mut();
            // Those that were dropped leave their places when there are many of them.
            if waiting.len() == waiting.capacity() {
                waiting.retain(|slot| slot.strong_count() > 0);
            }
            waiting.push(Rc::downgrade(&slot));
            slot
        });
        if slot.register(cx.waker()) && this.shared.is_set.get() {
            return Poll::Ready(()); // I6
        }
        note_waiting("an event");
        Poll::Pending
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish()
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("is_set", &self.shared.is_set.get()).finish()
    }
}
