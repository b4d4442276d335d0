//! Tests of `glassloop get` against servers that are controlled by the tests. Only the ignored tests need other programs.
#![cfg(unix)]

mod bad_input;
#[cfg(feature = "tls")]
#[path = "../support/certificates.rs"]
mod certificates;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod denied;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod disks;
mod files;
#[cfg(target_os = "linux")]
mod full_disks;
mod interrupted;
mod names;
mod network;
mod output;
mod parts;
mod proxies;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod races;
mod rate;
mod redirects;
#[cfg(feature = "tls")]
#[path = "../support/relay.rs"]
mod relay;
mod retries;
mod run;
#[cfg(feature = "tls")]
#[path = "../support/secured.rs"]
mod secured;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "other tests send invalid responses")]
mod server;
#[cfg(feature = "tls")]
mod tls;
#[path = "../support/watchdog.rs"]
mod watchdog;
mod watched;
mod with_others;
