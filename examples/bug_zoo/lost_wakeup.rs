//! A notification arrives between the check of a condition and the registration of the waker.
//!
//! If a future first checks its condition and then registers its waker, a notification in between finds no waker, and
//! the future waits for ever. This can happen even on one thread, if there is an `await` between the two steps. In the
//! fixed version, the future checks the condition again after it has registered its waker (I6).
//!
//! Most event loops would sleep for ever after this bug. This one detects that nothing can wake it any more, and
//! returns an error.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use glassloop::futures::yield_now;
use glassloop::observe::set_wait_reason;
use glassloop::sync::WakerSlot;
use glassloop::{LoopError, spawn_named};

use super::support::{self, Error};

#[derive(Default)]
struct Gate {
    is_open: Cell<bool>,
    waiting: RefCell<WakerSlot>,
}

impl Gate {
    fn open(&self) {
        self.is_open.set(true);
        let waker = self.waiting.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn pass(&self, is_fixed: bool) {
        if self.is_open.get() {
            return;
        }
        yield_now().await; // stands for any other work before the wait
        let mut is_registered = false;
        poll_fn(|cx| {
            let is_woken = std::mem::replace(&mut is_registered, true);
            let _replaced = self.waiting.borrow_mut().register(cx.waker());
            // The fix checks again after registering; the bug waits for the wake alone.
            if is_woken || (is_fixed && self.is_open.get()) {
                return Poll::Ready(());
            }
            set_wait_reason("the gate");
            Poll::Pending
        })
        .await;
    }
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    let result = support::event_loop()?.block_on(async {
        let gate = Rc::new(Gate::default());
        let visitor = gate.clone();
        let passing = spawn_named("visitor", async move { visitor.pass(is_fixed).await });
        let opener = spawn_named("opener", async move { gate.open() });
        opener.await?;
        passing.await
    });
    match result {
        Ok(passed) => println!("{}", passed.map(|()| "the visitor has passed the gate")?),
        Err(LoopError::Deadlock(report)) => println!("{report}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
