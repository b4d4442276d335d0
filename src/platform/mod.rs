//! The file system calls that differ between operating systems, with one interface for all of them.
//!
//! Files are accessed relative to an open directory, as with `openat`. On Unix systems,
//! [rustix](https://docs.rs/rustix) has these calls under these names; `windows/` implements them with paths.

// Without the command, only the server uses this module, and it writes no files.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

mod attributes;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub(crate) use attributes::{attribute, set_attribute};
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
