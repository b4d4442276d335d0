//! `glassloop get` against servers that do what a test says. No other program is needed, but for what is ignored.

mod bad_input;
mod files;
mod interrupted;
mod network;
mod output;
mod parts;
mod redirects;
mod retries;
mod run;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "other tests answer with rubbish")]
mod server;
mod watched;
mod with_others;
