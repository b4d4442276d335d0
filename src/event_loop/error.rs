//! Why a loop cannot go on.

use std::fmt;
use std::io;

use super::verdict::Deadlock;

/// Why the loop cannot go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoopError {
    /// Nothing can ever wake anything again.
    Deadlock(Deadlock),
    /// The system refused to wait for events.
    Reactor(io::Error),
}

impl LoopError {
    pub(super) fn in_one_word(&self) -> &'static str {
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
