//! The part of a loop that other threads use: its inbox, and the messages in it.

use std::time::Instant;

use super::notify::{Notifier, OsWaker};
use crate::observe::{JobId, TaskId};

/// The thread-safe part of a loop. Wakers keep it alive.
pub(crate) struct RemoteHandle {
    pub(crate) notifier: Notifier<RemoteMessage, mio::Waker>,
}

/// A message from another thread to the loop.
pub(crate) enum RemoteMessage {
    Wake {
        task: TaskId,
    },
    /// A worker thread has started a job. Only sent if the loop is observed.
    JobStarted {
        job: JobId,
        worker: u32,
        at: Instant,
    },
    JobEnded {
        job: JobId,
        worker: u32,
        at: Instant,
        panicked: bool,
    },
}

impl OsWaker for mio::Waker {
    fn wake(&self) {
        // It fails only if the descriptor has been closed with the loop. Nothing is logged here (I2).
        let _closed = mio::Waker::wake(self);
    }
}
