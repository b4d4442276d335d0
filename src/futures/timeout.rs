//! Awaits a future with a time limit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::event_loop::{Sleep, sleep};

pin_project_lite::pin_project! {
    /// The future returned by [`timeout`].
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
        limit: Duration,
    }
}

/// Limits the time for a future to complete, from this call on: if it takes longer than `limit`, the output is the error
/// [`Elapsed`]. The future is dropped with the `Timeout`.
///
/// ```
/// use std::{future::pending, time::Duration};
/// use glassloop::{EventLoop, futures::timeout};
///
/// let mut event_loop = EventLoop::builder().virtual_time().build()?;
/// let result = event_loop.block_on(async { timeout(Duration::from_secs(1), pending::<()>()).await })?;
/// assert_eq!(result.unwrap_err().to_string(), "not done in 1 s");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep(limit), limit }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed { limit: *this.limit })),
        }
    }
}

/// The error of a future that did not complete within the time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// The time limit.
    pub limit: Duration,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done in {} s", self.limit.as_secs_f64())
    }
}

impl std::error::Error for Elapsed {}
