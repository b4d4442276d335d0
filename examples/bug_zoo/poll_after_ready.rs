//! Both are polled, also the one that is done.
//!
//! A future that has answered Ready is used up: its next poll may panic, wait for ever or answer nonsense, as it likes.
//! Who combines futures has to remember who is done. This `Both` polls its two children at every wake, and throws the
//! answer of the first away when it comes too early.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use glassloop::event_loop::Sleep;
use glassloop::{run_in_executor, sleep, spawn_named};

use super::support::{self, Error};

struct Both<A> {
    first: Option<A>,
    second: Sleep,
    is_fixed: bool,
}

impl<A: Future + Unpin> Future for Both<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Both { first, second, is_fixed } = &mut *self;
        if let Some(future) = first
            && Pin::new(future).poll(cx).is_ready()
            && *is_fixed
        {
            *first = None; // it is done, and is not polled again
        }
        Pin::new(second).poll(cx)
    }
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let first = Some(run_in_executor(None, || "quick"));
        let second = sleep(Duration::from_millis(50));
        match spawn_named("both", Both { first, second, is_fixed }).await {
            Ok(()) => println!("both are done"),
            Err(error) => println!("{error}"),
        }
        Ok(())
    })?
}
