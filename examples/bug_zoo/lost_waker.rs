//! A future returns Pending without storing its waker.
//!
//! The contract of `poll` is that a future that returns Pending has arranged for its waker to be called. `Letter`, a
//! future that resolves when a letter has been put into a letterbox, only checks the letterbox. When the letter
//! arrives, there is no waker to call, so the future is never polled again.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use glassloop::observe::set_wait_reason;
use glassloop::sync::WakerSlot;
use glassloop::{sleep, spawn_named};

use super::support::{self, Error};

#[derive(Default)]
struct Letterbox {
    letter: Option<&'static str>,
    waiting: WakerSlot,
}

struct Letter {
    letterbox: Rc<RefCell<Letterbox>>,
    is_fixed: bool,
}

impl Future for Letter {
    type Output = &'static str;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
        let mut letterbox = self.letterbox.borrow_mut();
        if let Some(letter) = letterbox.letter.take() {
            return Poll::Ready(letter);
        }
        if self.is_fixed {
            let _replaced = letterbox.waiting.register(cx.waker());
        }
        set_wait_reason("a letter");
        Poll::Pending
    }
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let letterbox = Rc::new(RefCell::new(Letterbox::default()));
        let reader = spawn_named("reader", Letter { letterbox: letterbox.clone(), is_fixed });
        sleep(Duration::from_millis(20)).await;

        letterbox.borrow_mut().letter = Some("a letter");
        let waker = letterbox.borrow_mut().waiting.take();
        if let Some(waker) = waker {
            waker.wake();
        }
        sleep(Duration::from_millis(20)).await;
        if reader.is_finished() {
            println!("the reader received {}", reader.await?);
        } else {
            println!("the letter has arrived, but the reader is still waiting; giving up");
        }
        Ok(())
    })?
}
