//! I13: loom checks all interleavings of the worker that begins a job and the loop that cancels it.

mod primitive {
    pub(crate) use loom::sync::atomic::{AtomicU8, Ordering};
}
#[path = "../src/event_loop/job_state.rs"]
mod job_state;

use job_state::JobState;
use loom::sync::Arc;
use loom::thread;

#[test]
fn i13_a_job_either_runs_or_is_cancelled() {
    loom::model(|| {
        let state = Arc::new(JobState::new());
        let worker = state.clone();
        let worker = thread::spawn(move || {
            let runs = worker.begin();
            if runs {
                worker.end();
            }
            runs
        });
        let is_cancelled = state.cancel();
        assert_ne!(worker.join().unwrap(), is_cancelled);
    });
}

#[test]
fn i13_of_two_cancellations_one_succeeds_and_only_before_the_job_begins() {
    loom::model(|| {
        let state = Arc::new(JobState::new());
        let other = state.clone();
        let other = thread::spawn(move || other.cancel());
        let successes = usize::from(state.cancel()) + usize::from(other.join().unwrap());
        assert_eq!(successes, 1);
        assert!(!state.begin(), "a cancelled job began");
    });
}
