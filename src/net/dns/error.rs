//! The error of a lookup.

use std::fmt;

/// The error that [`Resolver::resolve`](super::Resolver::resolve) returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveError {
    /// The name that was looked up.
    pub name: String,
    /// The system's error message, or another reason, such as a timeout.
    pub reason: String,
    /// Whether the error is temporary, so that a retry may succeed.
    pub is_temporary: bool,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "looking up `{}`: {}", self.name, self.reason)
    }
}

impl std::error::Error for ResolveError {}
