#![forbid(unsafe_code)]
//! glassloop: an event loop you can see through.

pub mod http;

#[cfg(feature = "cli")]
pub mod flags;
