//! The error of a task that has no result.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::observe::discard;

/// The error of a task that has no result.
///
/// The `?` operator converts it to a `Box<dyn Error + Send + Sync>`.
///
/// ```
/// use glassloop::{EventLoop, spawn_named};
///
/// fn answer() -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
///     let mut event_loop = EventLoop::new()?;
///     event_loop.block_on(async { Ok(spawn_named("oracle", async { panic!("no") }).await?) })?
/// }
/// assert_eq!(answer().unwrap_err().to_string(), "the task `oracle` panicked: no");
/// ```
pub enum JoinError {
    /// The task panicked.
    Panicked {
        /// The name of the task.
        task: String,
        /// The panic message, if the payload is a string.
        message: String,
        /// The payload of the panic.
        payload: PanicPayload,
    },
    /// The task was aborted, or the loop was shut down.
    Aborted,
}

/// The payload of a task's panic.
///
/// The payload is `Send`, but most programs need errors that are also `Sync`. The mutex makes it `Sync`; it is never locked.
///
/// Dropping it does not panic, even if the drop of the payload does.
pub struct PanicPayload(Mutex<Option<Box<dyn Any + Send>>>);

impl PanicPayload {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> PanicPayload {
        PanicPayload(Mutex::new(Some(payload)))
    }

    /// Returns the payload, for example for [`std::panic::resume_unwind`].
    pub fn into_inner(mut self) -> Box<dyn Any + Send> {
        self.take().expect("only `into_inner` and the drop take the payload")
    }

    fn take(&mut self) -> Option<Box<dyn Any + Send>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for PanicPayload {
    fn drop(&mut self) {
        if let Some(payload) = self.take() {
            discard(payload);
        }
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicPayload").finish_non_exhaustive()
    }
}

impl JoinError {
    /// Returns whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked { .. })
    }

    /// Returns whether the task was aborted.
    pub fn is_aborted(&self) -> bool {
        matches!(self, JoinError::Aborted)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked { task, message, .. } => write!(f, "the task `{task}` panicked: {message}"),
            JoinError::Aborted => f.write_str("the task was aborted"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}
