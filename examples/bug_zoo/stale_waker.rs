//! A future keeps its old waker after moving to another task.
//!
//! A waker belongs to a task, not to a future. If a future is polled by one task and then moved to another, it has to
//! replace the stored waker with that of the new task. `Ring` keeps the first waker, so when the bell rings, the first
//! task is woken, which no longer owns the future, and the second task waits for ever. The types do not prevent this
//! mistake: each call of `poll` may pass a `Context` with a different waker.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use glassloop::observe::{NamedState, TracedState};
use glassloop::sync::WakerSlot;
use glassloop::{sleep, spawn_named};

use super::support::{self, Error};

#[derive(Default)]
struct Bell {
    has_rung: bool,
    waiting: WakerSlot,
}

struct Ring {
    /// Identifies the future, and the task that polls it, for the observer.
    state: TracedState<Waiting>,
    bell: Rc<RefCell<Bell>>,
    is_fixed: bool,
}

struct Waiting;

impl NamedState for Waiting {
    const TYPE_NAME: &'static str = "Ring";

    fn name(&self) -> &'static str {
        "Waiting"
    }
}

impl Future for Ring {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _parent = self.state.enter();
        let mut bell = self.bell.borrow_mut();
        if bell.has_rung {
            return Poll::Ready(());
        }
        if self.is_fixed || !bell.waiting.is_set() {
            let _replaced = bell.waiting.register(cx.waker());
        }
        self.state.set_wait_reason();
        Poll::Pending
    }
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let bell = Rc::new(RefCell::new(Bell::default()));
        let mut ring = Some(Ring { state: TracedState::new(Waiting), bell: bell.clone(), is_fixed });
        // The first task polls the future once and returns it.
        let first = spawn_named(
            "first",
            poll_fn(move |cx| {
                let _pending = Pin::new(ring.as_mut().expect("taken only once")).poll(cx);
                Poll::Ready(ring.take().expect("taken only once"))
            }),
        );
        let second = spawn_named("second", first.await?);
        sleep(Duration::from_millis(20)).await;

        bell.borrow_mut().has_rung = true;
        let waker = bell.borrow_mut().waiting.take();
        if let Some(waker) = waker {
            waker.wake();
        }
        sleep(Duration::from_millis(20)).await;
        match second.is_finished() {
            true => println!("the bell has rung, and the second task was woken"),
            false => println!("the bell woke the first task, which has finished; the second still waits"),
        }
        Ok(())
    })?
}
