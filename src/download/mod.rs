//! What every download needs beyond HTTP: when to try again, and how a file comes to be, whole or not at all.
//!
//! From here up, what waits is written as coroutines.

mod retry;
mod save;

pub use retry::{Backoff, is_worth_retrying};
pub use save::{Folder, SaveError};
