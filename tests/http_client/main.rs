//! Tests of the HTTP client, against servers that follow a script.

mod connections;
mod dropping;
mod faults;
mod idle;
#[path = "../support/peer.rs"]
mod peer;
mod responses;
mod run;
#[path = "../support/watchdog.rs"]
mod watchdog;
mod watched;
