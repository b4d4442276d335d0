//! A future keeps its first waker and moves to another task.
//!
//! A waker belongs to the task, not to the future. A future that is polled once here and then moved there has to take the
//! new task's waker; "I have one already" wakes a task that is not interested any more. Nothing in the types says so: the
//! next `poll` simply comes with another `Context`.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use glassloop::observe::{State, Stateful};
use glassloop::sync::WakerSlot;
use glassloop::{sleep, spawn_named};

use super::support::{self, Error};

#[derive(Default)]
struct Bell {
    has_rung: bool,
    waiting: WakerSlot,
}

struct Ring {
    /// Tells the observer which future it is, and who polls it.
    state: Stateful<Waiting>,
    bell: Rc<RefCell<Bell>>,
    is_fixed: bool,
}

struct Waiting;

impl State for Waiting {
    const OF: &'static str = "Ring";

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
        self.state.note_waiting();
        Poll::Pending
    }
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let bell = Rc::new(RefCell::new(Bell::default()));
        let mut ring = Some(Ring { state: Stateful::new(Waiting), bell: bell.clone(), is_fixed });
        // One task looks, once, and gives the future away when it ends.
        let first = spawn_named(
            "first",
            poll_fn(move |cx| {
                let _pending = Pin::new(ring.as_mut().expect("it is there until it is given away")).poll(cx);
                Poll::Ready(ring.take().expect("it is there until it is given away"))
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
            true => println!("the bell has rung, and the second task has heard it"),
            false => println!("the bell has rung for the first task, which is gone; the second one waits on"),
        }
        Ok(())
    })?
}
