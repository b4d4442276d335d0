//! Counts a loop's polls and measures its stalls.
//!
//! A stall is the time between two polls of the reactor: until the second one, the loop sees no readiness and fires no
//! timer. (tokio-metrics has no such value; its "busy duration" is per worker, not per iteration.)

use std::cell::RefCell;
use std::time::Duration;

use glassloop::observe::{Event, EventKind, Observer};

/// The environment variable that `compare` sets for the runs that it measures.
const VARIABLE: &str = "GLASSLOOP_MEASURE";

/// The measurements of this thread's loops.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// The number of polls of all tasks.
    pub polls: u64,
    /// The length of every stall.
    pub stalls: Vec<Duration>,
    /// The time at which the current stall began.
    awake_since: Duration,
}

impl Measurements {
    /// Returns the longest stall.
    pub fn longest_stall(&self) -> Duration {
        self.stalls.iter().max().copied().unwrap_or_default()
    }
}

thread_local! {
    static MEASUREMENTS: RefCell<Measurements> = RefCell::default();
}

/// The observer that adds to this thread's measurements.
#[derive(Debug)]
pub struct Meter;

impl Observer for Meter {
    fn event(&mut self, event: &Event<'_>) {
        MEASUREMENTS.with_borrow_mut(|measurements| match event.kind {
            EventKind::RunBegin { .. } | EventKind::WaitEnd { .. } => measurements.awake_since = event.time,
            EventKind::RunEnd { .. } | EventKind::WaitBegin { .. } => {
                measurements.stalls.push(event.time.saturating_sub(measurements.awake_since));
            }
            EventKind::PollBegin { .. } => measurements.polls += 1,
            _ => {}
        });
    }
}

/// Returns and resets this thread's measurements.
pub fn take() -> Measurements {
    MEASUREMENTS.take()
}

/// Returns whether the parent process requested a measurement.
pub fn is_requested() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Returns the environment variable, with its value, that requests a measurement from a child process.
pub fn request() -> (&'static str, &'static str) {
    (VARIABLE, "1")
}

/// Returns the CPU time of this process.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Prints one line for the parent process, if it requested it: CPU time and longest stall in µs, and the polls.
pub fn report_if_requested() {
    if is_requested() {
        let measurements = take();
        let (cpu, stall) = (cpu_time().as_micros(), measurements.longest_stall().as_micros());
        eprintln!("measured: {cpu} {stall} {}", measurements.polls);
    }
}
