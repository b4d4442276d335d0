//! Tests of the command and the library with other programs: nginx and httpbin as servers, curl, wget and others as
//! clients.
//!
//! Plain `cargo test` ignores these tests, since it requires only a toolchain. `.ci/run` installs the programs and runs
//! them.
#![cfg(unix)]

#[cfg(feature = "tls")]
#[path = "../support/certificates.rs"]
mod certificates;
mod clients;
mod curl_fetches;
mod flags_directory;
mod from_httpbin;
mod from_nginx;
mod load;
mod nginx;
mod processes;
mod python;
#[cfg(feature = "tls")]
mod secured_nginx;
mod system_calls;
