//! Recordings, of real runs: what is written can be read, checked, narrated and converted.
#![cfg(feature = "trace")]

mod perfetto;
mod programs;
mod recorder;
mod timeline;
