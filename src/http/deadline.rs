//! One timer for all the limits of an exchange, or of a connection.
//!
//! The limits follow each other (connect, head, silence in the body), and nearly none is ever reached. So there is one
//! entry in the wheel, and a limit that moves further away does not touch it: the entry fires too early, finds that
//! there is time left, and is armed anew. A byte that arrives costs no work here at all.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::event_loop::{Sleep, sleep_until};

/// A timer whose time may move while it runs.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    /// The timer, with the time for which it is set. Nothing until somebody has had to wait.
    set: Option<(Sleep, Instant)>,
}

impl Deadline {
    /// Waits until `deadline`, which may be another one at every call.
    pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let (sleep, due) = self.set.get_or_insert_with(|| (sleep_until(deadline), deadline));
        if deadline < *due {
            sleep.reset(deadline);
            *due = deadline;
        }
        loop {
            ready!(Pin::new(&mut *sleep).poll(cx));
            if *due >= deadline {
                return Poll::Ready(());
            }
            sleep.reset(deadline);
            *due = deadline;
        }
    }
}
