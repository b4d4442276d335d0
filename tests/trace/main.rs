//! Tests of recordings: writing, reading, checking, narrating and converting them.
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
