//! Futures made of futures, all written by hand.
//!
//! | function | is ready |
//! | --- | --- |
//! | [`join_all`] | when all are |
//! | [`as_completed`] | each time one is |
//! | [`race`] | when one of two is; the other is dropped |
//! | [`timeout`] | when the future is, or the time is over |
//! | [`yield_now`] | at the task's next turn |
//!
//! All run inside the task that awaits them. [`spawn`](crate::spawn) and [`JoinSet`](crate::JoinSet) make tasks of
//! their own instead.

mod as_completed;
mod children;
mod join_all;
mod race;
mod timeout;
mod yield_now;

pub use as_completed::{AsCompleted, Next, as_completed};
pub use join_all::{JoinAll, join_all};
pub use race::{Either, Race, race};
pub use timeout::{Elapsed, Timeout, timeout};
pub use yield_now::{YieldNow, yield_now};
