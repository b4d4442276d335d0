//! The life of a job, in one byte that two threads may change: the loop that may cancel it, the worker that runs it.
//!
//! ```text
//!            worker: begin()            worker: end()
//!   QUEUED ───────────────────▶ RUNNING ──────────────▶ ENDED
//!      │
//!      └──────────────────────▶ CANCELLED
//!            loop: cancel()
//! ```
//!
//! Exactly one of `begin` and `cancel` succeeds, so a job never both runs and is reported as cancelled, and one that
//! runs is never interrupted (I13). `tests/loom_jobs.rs` tries every interleaving.

use super::atomics::{AtomicU8, Ordering};

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const ENDED: u8 = 2;
const CANCELLED: u8 = 3;

/// Where a job stands.
pub(crate) struct JobState(AtomicU8);

impl JobState {
    pub(crate) fn new() -> JobState {
        JobState(AtomicU8::new(QUEUED))
    }

    /// The worker takes the job. `false`: it has been cancelled.
    pub(crate) fn begin(&self) -> bool {
        self.go(QUEUED, RUNNING)
    }

    /// The worker has stored the result.
    pub(crate) fn end(&self) {
        self.0.store(ENDED, Ordering::Release);
    }

    /// The loop does not want it any more. `false`: it runs, or has run.
    pub(crate) fn cancel(&self) -> bool {
        self.go(QUEUED, CANCELLED)
    }

    fn go(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
