//! The primitives of synchronization between threads: those of std here, and those of loom in `tests/loom_*.rs`.

pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
