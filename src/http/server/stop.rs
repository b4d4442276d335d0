//! A handle that stops a server, from any thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Stops a [`Server`](super::Server) gracefully, from any thread: the server accepts no more connections, completes the
/// responses in progress, and then its future completes. A response whose head has not been written yet announces the
/// end of its connection with `Connection: close`.
#[derive(Clone, Default)]
pub struct Stopper {
    request: Arc<StopRequest>,
}

#[derive(Default)]
struct StopRequest {
    is_requested: AtomicBool,
    /// The waker of the server's task. It is not in a `WakerSlot`, since deadlock detection must assume that another
    /// thread can wake the server.
    waker: Mutex<Option<Waker>>,
}

impl Stopper {
    /// Requests a graceful shutdown. Further calls have no effect.
    pub fn stop(&self) {
        self.request.is_requested.store(true, Ordering::Release);
        let waker = self.request.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until a shutdown is requested.
    pub(super) fn poll_requested(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_requested() {
            return Poll::Ready(());
        }
        let mut stored = self.request.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !stored.as_ref().is_some_and(|stored| stored.will_wake(cx.waker())) {
            let replaced = stored.replace(cx.waker().clone());
            drop(stored);
            drop(replaced);
        } else {
            drop(stored);
        }
        // Checked again after the waker is stored, since `stop` may have been called in between (I6).
        if self.is_requested() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn is_requested(&self) -> bool {
        self.request.is_requested.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").field("is_requested", &self.is_requested()).finish()
    }
}
