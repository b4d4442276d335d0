//! Catches panics of user code that the loop calls: wakers, destructors, observers (I12).

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls user code. If it panics, the panic is caught and logged as "`what` panicked", and `None` is returned.
#[inline]
pub(crate) fn contain<T>(what: impl fmt::Display, call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Some(result),
        Err(payload) => {
            discard(payload);
            log_error(format_args!("{what} panicked"));
            None
        }
    }
}

/// Drops the payload of a panic. Its destructor may panic too. The payload of this second panic is leaked, since dropping it
/// could panic as well.
#[cold]
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Logs an error. A panic of the logger is caught and ignored: otherwise it could interrupt the loop during a state change.
#[cold]
pub(crate) fn log_error(message: fmt::Arguments<'_>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| log::error!("{message}"))) {
        discard(payload);
    }
}
