#![forbid(unsafe_code)]
//! glassloop: an event loop you can see through.

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

pub use event_loop::{
    EventLoop, Job, JobError, JobHandle, JoinError, JoinHandle, JoinSet, LoopError, ThreadPool, now, run_in_executor,
    sleep, sleep_until, spawn, spawn_named,
};
