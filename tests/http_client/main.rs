//! The client against servers that do as they are told.

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
