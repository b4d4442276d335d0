//! Recordings, of real runs: what is written can be read, checked, narrated and converted.
#![cfg(feature = "trace")]

mod aborted;
mod findings;
mod late;
mod narration;
mod perfetto;
mod processes;
mod programs;
mod reading;
mod recorder;
mod statistics;
mod timeline;
#[path = "../support/watchdog.rs"]
mod watchdog;
