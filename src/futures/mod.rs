//! Combinators: futures that are composed of other futures, all written by hand.
//!
//! | function | completes |
//! | --- | --- |
//! | [`join_all`] | when all futures have completed |
//! | [`as_completed`] | each time one of the futures completes |
//! | [`race`] | when one of two futures completes; the other is dropped |
//! | [`timeout`] | when the future completes or the time limit is reached |
//! | [`yield_now`] | at the second poll, after other ready tasks |
//!
//! All of them run inside the task that awaits them. [`spawn`](crate::spawn) and [`JoinSet`](crate::JoinSet) create
//! separate tasks instead.

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
