//! `glassloop flags`, run as a user runs it, on servers of its own and on bad ones.

mod bad_input;
mod bad_servers;
mod interrupted;
mod proxies;
mod run;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "other tests ask for more than an answer")]
mod server;
#[path = "../support/watchdog.rs"]
mod watchdog;
mod well;
