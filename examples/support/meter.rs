//! How a loop was kept busy: polls, and stalls. A stall is the time from one wait to the next, in which no socket is
//! looked at and no timer fires.

use std::cell::RefCell;
use std::time::Duration;

use glassloop::observe::{Event, Kind, Observer};

/// Set by `compare` for the runs that it measures.
const ASKED: &str = "GLASSLOOP_MEASURE";

/// What has been seen on this thread.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Polls of all tasks.
    pub polls: u64,
    /// How long the loop was away from its wait, each time.
    pub stalls: Vec<Duration>,
    /// When it woke up last.
    awake_since: Duration,
}

impl Measured {
    /// The longest stall.
    pub fn longest_stall(&self) -> Duration {
        self.stalls.iter().max().copied().unwrap_or_default()
    }
}

thread_local! {
    static MEASURED: RefCell<Measured> = RefCell::default();
}

/// Watches a loop.
#[derive(Debug)]
pub struct Meter;

impl Observer for Meter {
    fn event(&mut self, event: &Event<'_>) {
        MEASURED.with_borrow_mut(|measured| match event.kind {
            Kind::RunBegin { .. } | Kind::WaitEnd { .. } => measured.awake_since = event.time,
            Kind::RunEnd { .. } | Kind::WaitBegin { .. } => {
                measured.stalls.push(event.time.saturating_sub(measured.awake_since));
            }
            Kind::PollBegin { .. } => measured.polls += 1,
            _ => {}
        });
    }
}

/// What has been seen since the last call.
pub fn take() -> Measured {
    MEASURED.take()
}

/// Whether this run is to be measured.
pub fn is_asked() -> bool {
    std::env::var_os(ASKED).is_some()
}

/// The variable for the environment of a process that is to be measured, and its value.
pub fn question() -> (&'static str, &'static str) {
    (ASKED, "1")
}

/// Processor time of this process so far.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// One line for whoever started this process: processor time and longest stall in µs, and polls.
pub fn report_if_asked() {
    if is_asked() {
        let measured = take();
        let (processor, stall) = (processor_time().as_micros(), measured.longest_stall().as_micros());
        eprintln!("measured: {processor} {stall} {}", measured.polls);
    }
}
