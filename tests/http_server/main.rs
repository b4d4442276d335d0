//! The HTTP server, seen from the other end of raw sockets.

mod bodies;
mod connections;
mod curl;
mod ends;
mod faults;
mod files;
mod limits;
mod raw;
#[path = "../support/watchdog.rs"]
mod watchdog;
