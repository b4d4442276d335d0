//! Statistics of a run: counts of events and percentiles of durations.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::histogram::Histogram;
use super::phrases::duration;
use super::record::{Record, RecordKind};
use super::values::{RecordedCause, RecordedIoOutcome};
use crate::observe::{Operation, WakeOutcome};

/// The statistics of a run, computed from its records.
///
/// A wake is *coalesced* if the task was already in the ready queue, and *stale* if the task had ended. A wake by a
/// source is *spurious* if the poll that it led to returned `Pending` and every operation on that source returned
/// `WouldBlock`. For other causes, and for sources whose operations are not recorded (such as signals), a recording
/// does not show whether a wake was spurious.
///
/// ```
/// use glassloop::trace::{RecordKind, Record, Statistics};
///
/// let mut statistics = Statistics::default(); statistics.add(&Record { seq: 0, time: 0, thread: 0, turn: 0, kind:
/// RecordKind::RunBegin { pool_threads: 4, seed: 0 } }); assert_eq!(statistics.polls(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// The number of records.
    pub events: u64,
    /// The number of turns.
    pub turns: u64,
    /// The number of times that the loop polled the reactor.
    pub waits: u64,
    /// The number of tasks that were spawned.
    pub tasks: u64,
    /// The number of wakes by cause. The key is one word, for example `timer`.
    pub wakes: BTreeMap<&'static str, u64>,
    /// The number of wakes of tasks that were already in the ready queue.
    pub coalesced: u64,
    /// The number of wakes of tasks that had ended.
    pub stale: u64,
    /// The number of wakes by a source on which every operation returned `WouldBlock`.
    pub spurious: u64,
    /// The durations of polls.
    pub poll_time: Histogram,
    /// The durations from a wake to the poll that it led to.
    pub loop_lag: Histogram,
    /// The durations for which jobs were queued.
    pub pool_wait: Histogram,
    /// The number of bytes read from sources.
    pub bytes_read: u64,
    /// The number of bytes written to sources.
    pub bytes_written: u64,
    /// The number of findings.
    pub findings: u64,
    /// The number of events that are missing in the recording.
    pub dropped: u64,
    /// The current poll.
    poll: Option<Poll>,
    /// The sources that caused wakes, by the number of the wake, until the poll that the wake leads to.
    woken_by: HashMap<u64, u32>,
    /// The sources whose operations are recorded.
    sources_with_io: HashSet<u32>,
}

/// A poll that has not ended.
#[derive(Clone, Debug)]
struct Poll {
    began: u64,
    /// The sources that caused it.
    sources: Vec<u32>,
    /// The sources on which an operation returned something other than `WouldBlock`.
    ready_sources: HashSet<u32>,
}

impl Statistics {
    /// Adds the next record.
    pub fn add(&mut self, record: &Record) {
        self.events += 1;
        match &record.kind {
            RecordKind::TurnBegin { .. } => self.turns += 1,
            RecordKind::WaitBegin { .. } => self.waits += 1,
            RecordKind::Spawn { .. } => self.tasks += 1,
            RecordKind::Wake { wake, cause, effect, .. } => self.wake(*wake, *cause, *effect),
            RecordKind::PollBegin { delay, wakes, .. } => {
                self.loop_lag.add(*delay);
                let sources = wakes.as_slice().iter().filter_map(|wake| self.woken_by.remove(wake)).collect();
                self.poll = Some(Poll { began: record.time, sources, ready_sources: HashSet::new() });
            }
            RecordKind::Io { source, operation, outcome, .. } => self.io(*source, *operation, outcome),
            RecordKind::PollEnd { ready, .. } => {
                if let Some(poll) = self.poll.take() {
                    self.poll_time.add(record.time.saturating_sub(poll.began));
                    let is_spurious =
                        |source: &&u32| self.sources_with_io.contains(source) && !poll.ready_sources.contains(source);
                    let spurious = poll.sources.iter().filter(is_spurious).count();
                    self.spurious += if *ready { 0 } else { spurious as u64 };
                }
            }
            RecordKind::SourceDel { source } => _ = self.sources_with_io.remove(source),
            RecordKind::JobStart { wait, .. } => self.pool_wait.add(*wait),
            RecordKind::Finding { .. } => self.findings += 1,
            RecordKind::Dropped { number } => {
                self.dropped += number;
                // The end of the current poll may be among the missing events.
                self.poll = None;
                self.woken_by.clear();
            }
            _ => {}
        }
    }

    /// Returns the number of polls that have begun.
    pub fn polls(&self) -> u64 {
        self.loop_lag.count()
    }

    fn wake(&mut self, wake: u64, cause: RecordedCause, effect: WakeOutcome) {
        *self.wakes.entry(cause.as_str()).or_default() += 1;
        self.coalesced += u64::from(effect == WakeOutcome::Coalesced);
        self.stale += u64::from(effect == WakeOutcome::Stale);
        if let RecordedCause::Source(source) = cause
            && effect != WakeOutcome::Stale
        {
            self.woken_by.insert(wake, source);
        }
    }

    fn io(&mut self, source: u32, operation: Operation, outcome: &RecordedIoOutcome) {
        self.sources_with_io.insert(source);
        if *outcome != RecordedIoOutcome::WouldBlock
            && let Some(poll) = &mut self.poll
        {
            poll.ready_sources.insert(source);
        }
        match (operation, outcome) {
            (Operation::Read, RecordedIoOutcome::Bytes(bytes)) => self.bytes_read += bytes,
            (Operation::Write, RecordedIoOutcome::Bytes(bytes)) => self.bytes_written += bytes,
            _ => {}
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wakes: u64 = self.wakes.values().sum();
        let causes: Vec<String> = self.wakes.iter().map(|(cause, number)| format!("{cause} {number}")).collect();
        writeln!(f, "events      {}", self.events)?;
        writeln!(f, "turns       {}, of which {} polled the reactor", self.turns, self.waits)?;
        writeln!(f, "tasks       {}", self.tasks)?;
        writeln!(f, "polls       {}", self.polls())?;
        writeln!(f, "wakes       {wakes}: {}", if wakes > 0 { causes.join(", ") } else { "none".to_owned() })?;
        writeln!(f, "effects     {} coalesced, {} stale, {} spurious", self.coalesced, self.stale, self.spurious)?;
        writeln!(f, "read        {} bytes", self.bytes_read)?;
        writeln!(f, "written     {} bytes", self.bytes_written)?;
        writeln!(f, "poll time   {}", Percentiles(&self.poll_time))?;
        writeln!(f, "loop lag    {}", Percentiles(&self.loop_lag))?;
        writeln!(f, "pool wait   {}", Percentiles(&self.pool_wait))?;
        writeln!(f, "findings    {}", self.findings)?;
        if self.dropped > 0 {
            writeln!(f, "missing     {} events", self.dropped)?;
        }
        Ok(())
    }
}

/// Formats percentiles of a histogram.
struct Percentiles<'a>(&'a Histogram);

impl fmt::Display for Percentiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles(histogram) = self;
        if histogram.count() == 0 {
            return f.write_str("none");
        }
        let [p50, p99, max] = [histogram.percentile(50), histogram.percentile(99), histogram.max()].map(duration);
        write!(f, "p50 {p50}, p99 {p99}, max {max} ({})", histogram.count())
    }
}
