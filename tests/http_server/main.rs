//! Tests of the HTTP server, with raw sockets as clients.
#![cfg(unix)]

mod bodies;
mod connections;
mod curl;
mod faults;
mod files;
mod limits;
mod raw;
mod shutdown;
#[path = "../support/watchdog.rs"]
mod watchdog;
