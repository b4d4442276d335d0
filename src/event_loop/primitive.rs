//! The primitives of synchronization between threads, from std. The tests `tests/loom_*.rs` use loom's in their place.

pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
