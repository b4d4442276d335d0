//! Results of several futures in completion order.
//!
//! Modelled on `asyncio.as_completed`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::children::Children;

/// Returns the outputs of several futures, each with the index of its future, as soon as they are available. All futures
/// are polled concurrently within the task that calls [`next`](AsCompleted::next).
///
/// ```
/// use std::time::Duration;
/// use glassloop::{EventLoop, futures::as_completed, sleep};
///
/// let mut event_loop = EventLoop::builder().virtual_time().build()?;
/// let order = event_loop.block_on(async {
///     let mut results = as_completed([3, 1, 2].map(|seconds| async move {
///         sleep(Duration::from_secs(seconds)).await;
///         seconds
///     }));
///     let mut order = vec![];
///     while let Some((index, seconds)) = results.next().await {
///         order.push((index, seconds));
///     }
///     order
/// })?;
/// assert_eq!(order, [(1, 1), (2, 2), (0, 3)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<F: Future>(futures: impl IntoIterator<Item = F>) -> AsCompleted<F> {
    AsCompleted { children: Children::new(futures) }
}

/// A set of futures whose outputs are returned in completion order. Returned by [`as_completed`].
pub struct AsCompleted<F> {
    children: Children<F>,
}

impl<F: Future> AsCompleted<F> {
    /// Returns a future that resolves to the next output; `None` when there are no more.
    // Not `Iterator::next`, although it has the same name: it returns a future.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next<'_, F> {
        Next { children: &mut self.children }
    }

    /// Returns the number of futures that are still pending.
    pub fn left(&self) -> usize {
        self.children.left()
    }

    /// Returns whether the future with this index has completed.
    ///
    /// # Panics
    /// If the index is out of range.
    pub fn is_done(&self, index: usize) -> bool {
        self.children.is_done(index)
    }
}

/// The future returned by [`AsCompleted::next`].
pub struct Next<'a, F> {
    children: &'a mut Children<F>,
}

impl<F: Future> Future for Next<'_, F> {
    type Output = Option<(usize, F::Output)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.children.left() == 0 {
            return Poll::Ready(None);
        }
        self.children.poll_next(cx).map(Some)
    }
}

impl<F: Future> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left()).finish()
    }
}

impl<F: Future> fmt::Debug for Next<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("left", &self.children.left()).finish()
    }
}
