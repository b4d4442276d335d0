//! A way to ask a server to stop, from any thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Stops a [`Server`](super::Server) from any thread: it takes no more connections, ends what is being answered, and is
/// done.
#[derive(Clone, Default)]
pub struct Stopper {
    wish: Arc<Wish>,
}

#[derive(Default)]
struct Wish {
    is_there: AtomicBool,
    /// The server's. Another thread may call it, so it is no `WakerSlot`: the loop must not take the server for stuck.
    waker: Mutex<Option<Waker>>,
}

impl Stopper {
    /// Asks it to stop. Asking twice is asking once.
    pub fn stop(&self) {
        self.wish.is_there.store(true, Ordering::Release);
        let waker = self.wish.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until somebody asks.
    pub(super) fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_asked() {
            return Poll::Ready(());
        }
        let mut kept = self.wish.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
            let replaced = kept.replace(cx.waker().clone());
            drop(kept);
            drop(replaced);
        } else {
            drop(kept);
        }
        // Asked between the look and the lock: nobody will call the waker.
        if self.is_asked() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn is_asked(&self) -> bool {
        self.wish.is_there.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").field("asked", &self.is_asked()).finish()
    }
}
