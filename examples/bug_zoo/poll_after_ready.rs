//! A future is polled after it returned Ready.
//!
//! After a future has returned Ready, another poll may panic, block for ever or return anything. So a combinator has to
//! remember which of its child futures are done. The combinator `Both` does not: each time it is polled, it polls both
//! children, and discards the result of the first.

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
            *first = None; // done: not polled again
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
