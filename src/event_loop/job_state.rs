//! The state of a job, an atomic that two threads change: the loop, which may cancel the job, and the worker that runs it.
//!
//! ```text
//!            worker: begin()            worker: end()
//!   QUEUED ───────────────────▶ RUNNING ──────────────▶ ENDED
//!      │
//!      └──────────────────────▶ CANCELLED
//!            loop: cancel()
//! ```
//!
//! `tests/loom_jobs.rs` checks all interleavings.

use super::primitive::{AtomicU8, Ordering};

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const ENDED: u8 = 2;
const CANCELLED: u8 = 3;

/// The state of a job.
///
/// Invariant: exactly one of `begin` and `cancel` succeeds. So a job never both runs and is reported as cancelled, and one
/// that runs is never interrupted (I13).
pub(crate) struct JobState(AtomicU8);

impl JobState {
    pub(crate) fn new() -> JobState {
        JobState(AtomicU8::new(QUEUED))
    }

    /// Called by the worker, before it runs the job. Returns `false` if the job has been cancelled.
    pub(crate) fn begin(&self) -> bool {
        self.transition(QUEUED, RUNNING)
    }

    /// Called by the worker, when it has stored the result.
    pub(crate) fn end(&self) {
        self.0.store(ENDED, Ordering::Release);
    }

    /// Called by the loop. Returns `false` if the job is running or has ended.
    pub(crate) fn cancel(&self) -> bool {
        self.transition(QUEUED, CANCELLED)
    }

    fn transition(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
