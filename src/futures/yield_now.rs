//! Lets the others have their turn.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::observe::{note_waiting, notes};

/// Goes to the end of the ready queue, once.
///
/// A computation that takes long should do this now and then, or be handed to a pool.
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

/// The future of [`yield_now`].
#[derive(Debug)]
pub enum YieldNow {
    /// Not polled yet.
    Fresh,
    /// It has let the others pass.
    Yielded,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match *self {
            YieldNow::Fresh => {
                *self = YieldNow::Yielded;
                cx.waker().wake_by_ref();
                notes::progresses();
                note_waiting("its next turn");
                Poll::Pending
            }
            YieldNow::Yielded => Poll::Ready(()),
        }
    }
}
