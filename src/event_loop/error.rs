//! The errors that stop a loop.

use std::fmt;
use std::io;

use super::deadlock::Deadlock;

/// An error that stops a loop.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoopError {
    /// No pending task can ever be woken.
    Deadlock(Deadlock),
    /// The system call that waits for events failed.
    Reactor(io::Error),
}

impl LoopError {
    /// Returns the reason in the event `RunEnd`.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            LoopError::Deadlock(_) => "deadlock",
            LoopError::Reactor(_) => "failed",
        }
    }
}

impl fmt::Display for LoopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoopError::Deadlock(deadlock) => deadlock.fmt(f),
            LoopError::Reactor(_) => f.write_str("waiting for events failed"),
        }
    }
}

impl std::error::Error for LoopError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoopError::Deadlock(_) => None,
            LoopError::Reactor(error) => Some(error),
        }
    }
}
