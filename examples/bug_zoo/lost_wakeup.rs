//! Between the look and the wait, somebody signals.
//!
//! First look whether it has happened, then sign up to be told: what happens in between is told to nobody. On one thread
//! the gap is as wide as an `await` between the two. The cure is the order: sign up first, then look (I6).
//!
//! Most loops would now sleep for ever. This one knows that nothing is left that could wake it, and says so.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use glassloop::futures::yield_now;
use glassloop::observe::note_waiting;
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
        yield_now().await; // something else that has to be done first
        let mut is_signed_up = false;
        poll_fn(|cx| {
            let is_woken = std::mem::replace(&mut is_signed_up, true);
            let _replaced = self.waiting.borrow_mut().register(cx.waker());
            // Without the second half it relies on being told.
            if is_woken || (is_fixed && self.is_open.get()) {
                return Poll::Ready(());
            }
            note_waiting("the gate");
            Poll::Pending
        })
        .await;
    }
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    let ended = support::event_loop()?.block_on(async {
        let gate = Rc::new(Gate::default());
        let visitor = gate.clone();
        let passing = spawn_named("visitor", async move { visitor.pass(is_fixed).await });
        let porter = spawn_named("porter", async move { gate.open() });
        porter.await?;
        passing.await
    });
    match ended {
        Ok(passed) => println!("{}", passed.map(|()| "the visitor is in")?),
        Err(LoopError::Deadlock(verdict)) => println!("{verdict}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
