//! The command against programs that people use: nginx as its server, curl as its client.
//!
//! They are ignored by plain `cargo test`, which needs nothing but a toolchain; `.ci/run` installs what they need.

#[cfg(feature = "tls")]
#[path = "../support/certificates.rs"]
mod certificates;
mod clients;
mod curl_fetches;
mod flags_folder;
mod from_httpbin;
mod from_nginx;
mod load;
mod nginx;
mod processes;
mod python;
#[cfg(feature = "tls")]
mod secured_nginx;
mod system_calls;
