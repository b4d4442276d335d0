//! Awaits two futures until the first of them completes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project_lite::pin_project! {
    /// The future returned by [`race`].
    #[derive(Debug)]
    pub struct Race<A, B> {
        #[pin]
        first: A,
        #[pin]
        second: B,
    }
}

/// The output of [`race`]: that of the future that completed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The output of the first future.
    First(A),
    /// The output of the second future.
    Second(B),
}

/// Polls two futures concurrently until one completes; the other is dropped with the `Race`. If both are ready in the
/// same poll, the first one wins.
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
