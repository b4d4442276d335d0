//! Tests of recordings: writing, reading, checking, narrating and converting them.
#![cfg(feature = "trace")]

#[cfg(unix)]
mod aborted;
#[cfg(unix)]
mod findings;
#[cfg(unix)]
mod late;
mod narration;
mod perfetto;
#[cfg(unix)]
mod processes;
mod programs;
mod reading;
mod recorder;
mod statistics;
mod timeline;
#[path = "../support/watchdog.rs"]
mod watchdog;
