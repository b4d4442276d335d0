#![forbid(unsafe_code)]
// They panic if the stream cannot be written, and block if nobody reads it: see `cli/output.rs`.
#![deny(clippy::print_stdout, clippy::print_stderr)]
//! glassloop: an event loop you can see through.
//!
//! A single-threaded reactor and executor written by hand on [`mio`], HTTP/1.1 state machines on top of it, and a
//! downloader on top of those. There is no other runtime underneath and no `unsafe`. The source is meant to be read,
//! from the bottom up:
//!
//! | room | what it is for | what to know before |
//! | --- | --- | --- |
//! | [`observe`] | the vocabulary in which a run is told: events, causes, states | nothing |
//! | [`sync`] | how tasks of one loop wait for each other: oneshot, channel, semaphore, event | what a `Waker` is |
//! | [`event_loop`] | the loop itself: a turn, tasks, readiness, timers, the thread pool | the two above |
//! | [`mod@futures`] | futures made of futures: join, race, as_completed, timeout | `event_loop` |
//! | [`net`] | TCP streams and listeners, connecting, names and addresses; TLS over them | `event_loop` |
//! | [`http::proto`] | HTTP/1.1 as bytes in and events out, without any input or output | nothing: it stands alone |
//! | [`http::client`], `http::server` | the exchange and the connection, as hand-written futures | `net`, `http::proto` |
//! | `download` | files that are whole or not there; when to try again | from here up: coroutines |
//! | `flags` | the downloader of country flags, and a server that draws them | everything |
//! | `cli` | the command | everything |
//!
//! Each room uses those above it in the table and none below. Up to `http`, every future is written by hand, as an
//! `enum` of states and one `match`; from `download` on, `async fn` runs on the loop that the rooms before have built.
//!
//! The evening's tour: [`EventLoop::turn`] first, then `task.rs`, `core.rs`, `notify.rs`, `reactor.rs` as
//! [`event_loop`] lists them, and then [`http::client`] to see a state machine at work. DESIGN.md walks one flag from
//! the command line to the disk through all of them.
//!
//! ```
//! use std::time::Duration;
//! use glassloop::{EventLoop, run_in_executor, sleep, spawn};
//!
//! let mut event_loop = EventLoop::new()?;
//! let text = event_loop.block_on(async {
//!     let reading = spawn(async { run_in_executor(None, || std::fs::read_to_string("Cargo.toml")).await });
//!     sleep(Duration::from_millis(1)).await; // meanwhile a thread of the pool reads
//!     reading.await
//! })????;
//! assert!(text.contains("glassloop"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! * `server`: the HTTP server.
//! * `trace`: recordings.
//! * `tls` (default): `https`, with rustls and the system's root certificates.
//! * `cli` (default): the command, with `server`, `download` and `flags`. A program that only wants the loop and the
//!   HTTP client turns the default features off, and is left with fewer than twenty crates.

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod download;
pub mod event_loop;
#[cfg(feature = "cli")]
pub mod flags;
pub mod futures;
pub mod http;
pub mod net;
pub mod observe;
pub mod sync;
#[cfg(feature = "trace")]
pub mod trace;
#[cfg(test)]
#[path = "../tests/support/watchdog.rs"]
mod watchdog;

pub use event_loop::{
    EventLoop, Job, JobError, JobHandle, JoinError, JoinHandle, JoinSet, LoopError, ThreadPool, now, run_in_executor,
    sleep, sleep_until, spawn, spawn_named,
};
