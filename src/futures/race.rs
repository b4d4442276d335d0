//! The first of two.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project_lite::pin_project! {
    /// The future of [`race`].
    #[derive(Debug)]
    pub struct Race<A, B> {
        #[pin]
        first: A,
        #[pin]
        second: B,
    }
}

/// One thing or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

/// Runs two futures until one is done; the other is dropped with the race. If both are, the first has won.
///
/// ```
/// use std::time::Duration;
/// use glassloop::{EventLoop, futures::{Either, race}, sleep};
///
/// let mut event_loop = EventLoop::builder().virtual_time().build()?;
/// let winner = event_loop.block_on(async {
///     let (hare, tortoise) = (sleep(Duration::from_secs(9)), sleep(Duration::from_secs(8)));
///     race(hare, tortoise).await
/// })?;
/// assert_eq!(winner, Either::Second(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn race<A: Future, B: Future>(first: A, second: B) -> Race<A, B> {
    Race { first, second }
}

impl<A: Future, B: Future> Future for Race<A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.first.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Either::First(output)),
            Poll::Pending => this.second.poll(cx).map(Either::Second),
        }
    }
}
