//! Ways for tasks of one loop to wait for each other: wakers only, no loop.
//!
//! * [`oneshot()`]: one value, once;
//! * [`channel()`]: a queue of values, bounded or not;
//! * [`Event`]: something that happens once, for all who wait;
//! * [`Semaphore`]: at most so many at once, first come first served;
//! * [`WakerSlot`]: where all of them, and every leaf future above, keep the waker of whoever waits.
//!
//! They are for one thread, so there is an `Rc` and a `Cell` where a threaded library has an `Arc` and a lock. What
//! crosses threads is a job's result ([`run_in_executor`](crate::event_loop::run_in_executor)) or a waker.

pub mod channel;
mod event;
mod hold;
pub mod oneshot;
mod semaphore;
mod waker_slot;

pub use channel::channel;
pub use event::{Event, Wait};
pub(crate) use hold::{Hold, HoldId, Polled, any_foreign_sub_waker};
pub use oneshot::oneshot;
pub(crate) use semaphore::PermitRequest;
pub use semaphore::{Acquire, Permit, Semaphore};
pub(crate) use waker_slot::SharedSlot;
pub use waker_slot::WakerSlot;
