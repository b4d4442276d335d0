//! What differs between operating systems, so that nothing else has to ask on which one it runs.
//!
//! Files are reached through the directory they are in, as `openat` and its relatives do. The Unix systems have these calls, and
//! [rustix](https://docs.rs/rustix) offers them under these names; `windows.rs` does the same with paths.

// The server alone writes nothing.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
