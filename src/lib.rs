#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// `println!` and `eprintln!` panic if the stream cannot be written, and block if it is a pipe that is not read: use
// `cli/output.rs` instead.
#![deny(clippy::print_stdout, clippy::print_stderr)]
//! glassloop: an observable event loop, with HTTP/1.1 and a downloader.
//!
//! The crate contains a single-threaded reactor and executor, written from scratch on [`mio`], HTTP/1.1 state machines
//! that run on it, and a downloader. It uses no other async runtime and no `unsafe`.
//!
//! ```
//! use std::time::Duration;
//! use glassloop::{EventLoop, run_in_executor, sleep, spawn};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut event_loop = EventLoop::new()?;
//!     let text = event_loop.block_on(async {
//!         // A thread of the pool reads the file; meanwhile the loop runs other tasks.
//!         let reading = run_in_executor(None, || std::fs::read_to_string("Cargo.toml"));
//!         let ticking = spawn(async {
//!             for tick in 1..=3 {
//!                 sleep(Duration::from_millis(1)).await;
//!                 println!("tick {tick}");
//!             }
//!         });
//!         let text = reading.await?; // an error if the job panicked
//!         ticking.await?; // an error if the task panicked
//!         Ok::<_, Box<dyn std::error::Error>>(text?)
//!     })??; // the first `?`: an error if the loop is deadlocked
//!     println!("{} bytes", text.len());
//!     Ok(())
//! }
//! ```
//!
//! # Layers
//!
//! Each module uses only modules below it in this diagram. Arrows are the exceptions: `net` also uses `futures`, and `sync`
//! and `wheel` also use `observe`. All of them may use `table`, an internal module.
//!
//! ```text
//!                   cli                    the glassloop command
//!              ┌─────┴─────┐
//!            flags         │               the sample application: country flags
//!              │           │
//!           download     trace             atomic file downloads · recordings of runs
//!              │           │
//!             http         │               HTTP/1.1: codec, client, server
//!         ┌────┴────┐      │
//!      futures ◀── net     │               combinators · sockets, DNS, TLS
//!         └────┬────┘      │
//!          event_loop ─────┘               turns, tasks, readiness, timers, threads
//!         ┌────┴────┐
//!  sync, wheel ──▶ observe                 channels, semaphores, timer wheel · the events that a loop emits
//! ```
//!
//! | module | purpose | prerequisites |
//! | --- | --- | --- |
//! | [`observe`] | the events that a loop emits, and the `Observer` trait | |
//! | [`sync`] | synchronization of tasks on one loop: oneshot, channel, semaphore, event | what a `Waker` is |
//! | [`wheel`] | a hierarchical timer wheel: which timers are set, and which are due | |
//! | [`event_loop`] | the loop itself: turns, tasks, I/O readiness, timers, the thread pool | `observe`, `sync`, `wheel` |
//! | [`mod@futures`] | combinators: join, race, as_completed, timeout | `event_loop` |
//! | [`net`] | TCP streams and listeners, connecting, DNS resolution, TLS | `event_loop` |
//! | [`http::proto`] | an HTTP/1.1 codec, sans-I/O | |
//! | [`http::client`], `http::server` | the HTTP client and server, as hand-written futures | `net`, `http::proto` |
//! | `download` | atomic file downloads, with resume and retries | `http::client` |
//! | `flags` | a downloader of country flags, and a server for them | `download` |
//! | `trace` | recordings of a loop's events, and their conversion and analysis | `observe`, `event_loop` |
//! | `cli` | the `glassloop` command | all other modules |
//!
//! A turn is one iteration of the loop. In the layers up to `http`, futures are written by hand: the states of a future
//! are the variants of an `enum`, and its `poll` is one `match` on them. In `download` and above, `async fn` is used.
//!
//! Suggested reading order: [`EventLoop::turn`], then the files that [`event_loop`] lists, then [`http::client`] as an
//! example of a state machine. DESIGN.md follows one request from the command line to the disk.
//!
//! # Features
//!
//! * `server`: the module `http::server`.
//! * `trace`: the module `trace`.
//! * `tls` (default): `https`, with rustls and the system's root certificates.
//! * `cli` (default): the command, with the modules `cli`, `download` and `flags`. It includes `server` and `trace`.
//!
//! Without the default features the crate contains only the loop and the HTTP client, and depends on fewer than twenty
//! crates.

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
#[cfg(feature = "server")]
mod platform;
pub mod sync;
mod table;
#[cfg(feature = "trace")]
pub mod trace;
#[cfg(test)]
#[path = "../tests/support/watchdog.rs"]
mod watchdog;
pub mod wheel;

/// Makes `cargo test` compile and run the sample in README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeSample;

pub use event_loop::{
    EventLoop, Job, JobError, JobHandle, JoinError, JoinHandle, JoinSet, LoopError, ThreadPool, now, run_in_executor,
    sleep, sleep_until, spawn, spawn_named,
};
