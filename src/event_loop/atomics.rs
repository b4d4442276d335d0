//! The atomics that cross threads, from one place: the models in `tests/` put loom's here instead.

pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
