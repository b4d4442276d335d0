//! Tests of `glassloop flags`, with its embedded servers and with faulty ones.

mod bad_input;
mod bad_servers;
mod downloads;
#[cfg(unix)]
mod interrupted;
mod proxies;
mod run;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod server;
#[path = "../support/watchdog.rs"]
mod watchdog;
