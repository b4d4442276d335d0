//! One timer for all timeouts of an exchange or of a connection.
//!
//! The timeouts follow each other (connect, response head, body), and few of them ever elapse. So they share one entry
//! in the timer wheel, which is not changed when the deadline moves further away: the timer then fires too early, and is
//! set again for the rest of the time. Received data does not cause any work here.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::event_loop::{Sleep, sleep_until};

/// A timer whose deadline may change while it is running.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    /// The timer, with the time for which it is set. `None` before the first call.
    timer: Option<(Sleep, Instant)>,
}

impl Deadline {
    /// Waits until `deadline`, which may be different in each call.
    pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let (sleep, due) = self.timer.get_or_insert_with(|| (sleep_until(deadline), deadline));
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;
    use crate::event_loop::{EventLoop, now, sleep};

    #[test]
    fn it_expires_at_the_time_of_the_last_call() {
        let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
        event_loop
            .block_on(async {
                let started = now();
                let mut deadline = Deadline::default();
                let mut poll_once = async |at: Instant| poll_fn(|cx| Poll::Ready(deadline.poll_until(cx, at))).await;
                // Further away: the entry in the wheel stays where it is.
                assert!(poll_once(started + Duration::from_secs(10)).await.is_pending());
                sleep(Duration::from_secs(5)).await;
                assert!(poll_once(started + Duration::from_secs(30)).await.is_pending());
                sleep(Duration::from_secs(10)).await;
                assert!(poll_once(started + Duration::from_secs(30)).await.is_pending());
                // Nearer.
                let nearer = started + Duration::from_secs(20);
                poll_fn(|cx| deadline.poll_until(cx, nearer)).await;
                assert!((nearer..started + Duration::from_secs(30)).contains(&now()));
            })
            .unwrap();
    }
}
