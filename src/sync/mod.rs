//! Synchronization primitives for the tasks of one thread. They need only wakers, not the event loop.
//!
//! * [`oneshot()`]: a channel for a single value;
//! * [`channel()`]: a multi-producer, single-consumer channel, bounded or not;
//! * [`OnceEvent`]: a one-shot event that any number of tasks can wait for;
//! * [`Semaphore`]: limits concurrency, in FIFO order;
//! * [`WakerSlot`]: storage for the waker of a waiting task, used by all primitives and leaf futures.
//!
//! The primitives are single-threaded, so they use `Rc` and `Cell` where a multi-threaded library has `Arc` and locks.
//! Only wakers and the results of jobs ([`run_in_executor`](crate::event_loop::run_in_executor)) cross threads.

pub mod channel;
mod once_event;
pub mod oneshot;
mod semaphore;
mod waker_count;
mod waker_slot;

pub use channel::channel;
pub use once_event::{OnceEvent, Wait};
pub use oneshot::oneshot;
pub(crate) use semaphore::PermitRequest;
pub use semaphore::{Acquire, Permit, Semaphore};
pub(crate) use waker_count::{CountedClone, CurrentWaker, WakerCountId, is_any_child_waker_external};
pub(crate) use waker_slot::SharedSlot;
pub use waker_slot::WakerSlot;
