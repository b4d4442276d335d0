//! Containing the panics of code that the loop calls and did not write: wakers, drops, observers (I12).

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls code that is not the loop's own. If it panics, the panic ends here and is logged as "`what` panicked".
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

/// Drops what somebody panicked with. Its drop may panic as well, with something whose drop may panic, and so on: the
/// second of them is leaked.
#[cold]
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Logs an error from where a panic of the program's logger would leave the loop in the middle of a state change.
#[cold]
pub(crate) fn log_error(message: fmt::Arguments<'_>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| log::error!("{message}"))) {
        discard(payload);
    }
}
