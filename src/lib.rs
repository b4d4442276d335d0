#![forbid(unsafe_code)]
//! glassloop: an event loop you can see through.

pub mod event_loop;
pub mod futures;
pub mod http;
pub mod net;
pub mod observe;
pub mod sync;

pub use event_loop::{
    EventLoop, Job, JobError, JobHandle, JoinError, JoinHandle, JoinSet, LoopError, ThreadPool, now, run_in_executor,
    sleep, sleep_until, spawn, spawn_named,
};
