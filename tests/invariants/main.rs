//! Tests of the invariants of the event loop. Their names contain the number: `i05_…` tests I5.
//!
//! The models of I8 and I13 are in `loom_notify.rs` and `loom_jobs.rs`, I10 is in `signals.rs`.

mod support;

mod deadlock;
mod deadlock_model;
mod ends;
#[cfg(unix)]
mod hostile;
mod jobs;
mod lifetimes;
mod load;
mod notifier;
mod panics;
mod permits;
mod primitives;
mod readiness;
mod scheduling;
#[cfg(unix)]
mod sources;
mod time;
#[cfg(unix)]
mod waits;
mod wakers;
#[path = "../support/watchdog.rs"]
mod watchdog;
