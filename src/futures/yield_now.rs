//! Yields to other tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::observe::{notes, set_wait_reason};

/// Yields once: wakes the current task and returns `Pending`, so that other ready tasks can run first.
///
/// A long computation should do this now and then, or run on a thread pool.
///
/// ```
/// use glassloop::{EventLoop, futures::yield_now};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     for part in 0..3 {
///         // … a part of the work …
///         yield_now().await;
///     }
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow::Fresh
}

/// The future returned by [`yield_now`].
#[derive(Debug)]
pub enum YieldNow {
    /// Not polled yet.
    Fresh,
    /// Has yielded.
    Yielded,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match *self {
            YieldNow::Fresh => {
                *self = YieldNow::Yielded;
                cx.waker().wake_by_ref();
                notes::record_progress();
                set_wait_reason("its next poll");
                Poll::Pending
            }
            YieldNow::Yielded => Poll::Ready(()),
        }
    }
}
