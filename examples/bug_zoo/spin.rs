//! A future waits by waking itself.
//!
//! The future checks a flag and, if the flag is not set, wakes its own task, so that it is polled and checks again. It
//! completes when the flag is set, but until then the loop never sleeps and uses a whole CPU. This busy wait is hard to
//! notice, since all other tasks still run. (`yield_now` wakes its own task, too, but only once.)

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use glassloop::sync::OnceEvent;
use glassloop::{sleep, spawn_named};

use super::support::{self, Error};

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let (done, polls) = (OnceEvent::new(), Rc::new(Cell::new(0u32)));
        let (setter, seen) = (done.clone(), polls.clone());
        let other = spawn_named("other", async move {
            sleep(Duration::from_millis(100)).await;
            while !is_fixed && seen.get() < 3_000 {
                sleep(Duration::from_millis(10)).await; // a slow machine needs longer for that many polls
            }
            setter.set();
        });
        if is_fixed {
            polls.set(1);
            done.wait().await; // stores the waker, which `set` calls
        } else {
            poll_fn(|cx| {
                polls.set(polls.get() + 1);
                if done.is_set() {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        other.await?;
        match polls.get() {
            1 => println!("the flag is set; the loop slept until then"),
            polls => println!("the flag is set; it was checked {polls} times until then"),
        }
        Ok(())
    })?
}
