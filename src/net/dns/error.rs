//! The error of a lookup.

use std::fmt;

/// The error of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveError {
    /// The name.
    pub name: String,
    /// The message of the system, or another reason.
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
