//! Awaits several futures concurrently.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::children::Children;
use crate::observe::polled_after_ready;

/// Polls all futures concurrently within this task, and returns their outputs in the order of the futures.
///
/// ```
/// use glassloop::{EventLoop, futures::join_all};
///
/// let mut event_loop = EventLoop::new()?;
/// let squares = event_loop.block_on(join_all((1..=3).map(|n| async move { n * n })))?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> JoinAll<F> {
    let children = Children::new(futures);
    let outputs = (0..children.len()).map(|_| None).collect();
    JoinAll { children, outputs }
}

/// The future returned by [`join_all`].
pub struct JoinAll<F: Future> {
    children: Children<F>,
    /// The outputs so far, in the order of the futures.
    outputs: Vec<Option<F::Output>>,
}

// The children are boxed, and the outputs are moved, never pinned.
impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while this.children.left() > 0 {
            match this.children.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready((index, output)) => this.outputs[index] = Some(output),
            }
        }
        let outputs = std::mem::take(&mut this.outputs);
        if outputs.len() < this.children.len() {
            polled_after_ready("JoinAll");
        }
        Poll::Ready(outputs.into_iter().flatten().collect())
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("left", &self.children.left()).finish()
    }
}
