//! A future that waits by waking itself.
//!
//! "Not yet? Then ask me again." That works: the flag is seen at last. Meanwhile the loop never sleeps, and a whole
//! processor is busy asking. It is the busy wait of threads in new clothes, and harder to see, since everything else goes
//! on. Note that `yield_now` does the same once, which is what it is for.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use glassloop::sync::Event;
use glassloop::{sleep, spawn_named};

use super::support::{self, Error};

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let (done, polls) = (Event::new(), Rc::new(Cell::new(0u32)));
        let (setter, seen) = (done.clone(), polls.clone());
        let other = spawn_named("other", async move {
            sleep(Duration::from_millis(100)).await;
            while !is_fixed && seen.get() < 3_000 {
                sleep(Duration::from_millis(10)).await; // on a slow machine it takes longer to be impressive
            }
            setter.set();
        });
        if is_fixed {
            polls.set(1);
            done.wait().await; // keeps the waker where the other task finds it
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
            1 => println!("it is done; the loop slept until then"),
            polls => println!("it is done; until then we asked {polls} times whether it was"),
        }
        Ok(())
    })?
}
