//! What a run did, in numbers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::line::{Cause, Fact, IoOutcome, Line, Operation, WakeOutcome};
use super::spread::Spread;
use super::words::duration;

/// Counts a recording.
///
/// A wake is *coalesced* if its task was on the ready queue already, *stale* if the task had ended. A wake by a source is
/// *spurious* if the poll that it led to was not ready and had nothing of that source: no bytes, no end, no error, no
/// connection. (Of other causes a recording cannot tell whether they were in vain, nor of sources that are read
/// without telling, as signals are.)
///
/// ```
/// use glassloop::trace::{Fact, Line, Statistics};
///
/// let mut statistics = Statistics::default();
/// statistics.add(&Line { seq: 0, time: 0, thread: 0, turn: 0, fact: Fact::RunBegin { pool_threads: 4, seed: 0 } });
/// assert_eq!(statistics.polls(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Lines.
    pub events: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Times the loop waited in the reactor.
    pub waits: u64,
    /// Tasks that were spawned.
    pub tasks: u64,
    /// Wakes by cause, in one word.
    pub wakes: BTreeMap<&'static str, u64>,
    /// Wakes of tasks that were on the ready queue.
    pub coalesced: u64,
    /// Wakes of tasks that had ended.
    pub stale: u64,
    /// Wakes by a source that had nothing for the task.
    pub spurious: u64,
    /// How long polls took.
    pub poll_time: Spread,
    /// The time from a wake to the poll it led to.
    pub loop_lag: Spread,
    /// How long jobs were queued.
    pub pool_wait: Spread,
    /// Bytes read from sources.
    pub bytes_read: u64,
    /// Bytes written to sources.
    pub bytes_written: u64,
    /// Findings.
    pub findings: u64,
    /// Events that the recording says are missing.
    pub dropped: u64,
    /// The poll that is going on.
    poll: Option<Poll>,
    /// The sources behind wakes that no poll has answered.
    woken_by: HashMap<u64, u32>,
    /// Sources of which input or output is told.
    telling: HashSet<u32>,
}

/// A poll that has begun.
#[derive(Clone, Debug)]
struct Poll {
    began: u64,
    /// The sources that led to it.
    sources: Vec<u32>,
    /// Those of which it had something.
    served: HashSet<u32>,
}

impl Statistics {
    /// One more line of the recording.
    pub fn add(&mut self, line: &Line) {
        self.events += 1;
        match &line.fact {
            Fact::TurnBegin { .. } => self.turns += 1,
            Fact::WaitBegin { .. } => self.waits += 1,
            Fact::Spawn { .. } => self.tasks += 1,
            Fact::Wake { wake, cause, effect, .. } => self.wake(*wake, *cause, *effect),
            Fact::PollBegin { delay, wakes, .. } => {
                self.loop_lag.add(*delay);
                let sources = wakes.as_slice().iter().filter_map(|wake| self.woken_by.remove(wake)).collect();
                self.poll = Some(Poll { began: line.time, sources, served: HashSet::new() });
            }
            Fact::Io { source, operation, outcome, .. } => self.io(*source, *operation, outcome),
            Fact::PollEnd { ready, .. } => {
                if let Some(poll) = self.poll.take() {
                    self.poll_time.add(line.time.saturating_sub(poll.began));
                    let is_in_vain = |source: &&u32| self.telling.contains(source) && !poll.served.contains(source);
                    let in_vain = poll.sources.iter().filter(is_in_vain).count();
                    self.spurious += if *ready { 0 } else { in_vain as u64 };
                }
            }
            Fact::SourceDel { source } => _ = self.telling.remove(source),
            Fact::JobStart { wait, .. } => self.pool_wait.add(*wait),
            Fact::Finding { .. } => self.findings += 1,
            Fact::Dropped { number } => {
                self.dropped += number;
                // What was going on may be over.
                self.poll = None;
                self.woken_by.clear();
            }
            _ => {}
        }
    }

    /// Polls that have begun.
    pub fn polls(&self) -> u64 {
        self.loop_lag.count()
    }

    fn wake(&mut self, wake: u64, cause: Cause, effect: WakeOutcome) {
        *self.wakes.entry(cause.word()).or_default() += 1;
        self.coalesced += u64::from(effect == WakeOutcome::Coalesced);
        self.stale += u64::from(effect == WakeOutcome::Stale);
        if let Cause::Source(source) = cause
            && effect != WakeOutcome::Stale
        {
            self.woken_by.insert(wake, source);
        }
    }

    fn io(&mut self, source: u32, operation: Operation, outcome: &IoOutcome) {
        self.telling.insert(source);
        if *outcome != IoOutcome::WouldBlock
            && let Some(poll) = &mut self.poll
        {
            poll.served.insert(source);
        }
        match (operation, outcome) {
            (Operation::Read, IoOutcome::Bytes(bytes)) => self.bytes_read += bytes,
            (Operation::Write, IoOutcome::Bytes(bytes)) => self.bytes_written += bytes,
            _ => {}
        }
    }
}

impl Cause {
    /// The cause in one word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Cause::Source(_) => "source",
            Cause::Timer(_) => "timer",
            Cause::Job(_) => "job",
            Cause::Task(_) => "task",
            Cause::SelfWake => "itself",
            Cause::Spawn => "spawn",
            Cause::External => "outside",
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wakes: u64 = self.wakes.values().sum();
        let causes: Vec<String> = self.wakes.iter().map(|(cause, number)| format!("{cause} {number}")).collect();
        writeln!(f, "events      {}", self.events)?;
        writeln!(f, "turns       {}, {} of them waited for news", self.turns, self.waits)?;
        writeln!(f, "tasks       {}", self.tasks)?;
        writeln!(f, "polls       {}", self.polls())?;
        writeln!(f, "wakes       {wakes}: {}", if wakes > 0 { causes.join(", ") } else { "none".to_owned() })?;
        writeln!(f, "in vain     {} coalesced, {} stale, {} spurious", self.coalesced, self.stale, self.spurious)?;
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

struct Percentiles<'a>(&'a Spread);

impl fmt::Display for Percentiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles(spread) = self;
        if spread.count() == 0 {
            return f.write_str("none");
        }
        let [half, most, longest] = [spread.percentile(50), spread.percentile(99), spread.longest()].map(duration);
        write!(f, "p50 {half}, p99 {most}, longest {longest} ({})", spread.count())
    }
}
