//! The consistency check of a recording: each record is compared with those before it.
//!
//! | subject | rule |
//! | --- | --- |
//! | `seq` | counts from 0 without gaps |
//! | `t` | never decreases within a thread |
//! | threads | workers only run jobs, one at a time |
//! | runs, turns, waits, polls | each ends before the next of its kind begins; waits and polls are inside a turn; there are no records during a wait |
//! | `turn` | increases by one at each `turn_begin`, and only there |
//! | tasks, sources, timers, jobs | are not used before they are created, nor after they have ended |
//! | polls | are numbered, and list exactly the wakes of the task since its previous poll |
//! | wakes | are numbered; the cause exists; a task is in the ready queue at most once, and never after its end |
//! | states | each transition starts in the state in which the previous one ended |
//! | end of the file | not inside a poll, a turn or a run |
//!
//! After a `dropped` record, only the first three rules are checked, because the others depend on the missing events.

use std::collections::{HashMap, HashSet, hash_map::Entry};
use std::io::BufRead;

use super::error::{FormatError, ReadError};
use super::reader::Reader;
use super::record::{Record, RecordKind};
use super::text::Text;
use super::values::RecordedCause;
use crate::observe::{JobOutcome, TaskOutcome, WakeOutcome};

/// The result of a successful check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// The number of records.
    pub records: u64,
    /// The number of events that are missing, according to the recording.
    pub dropped: u64,
}

/// Reads a recording to its end and checks that it is valid and consistent.
///
/// # Errors
/// The first error, and the line that it is in.
pub fn check<R: BufRead>(reader: &mut Reader<R>) -> Result<CheckReport, ReadError> {
    let mut checker = Checker::default();
    while let Some(record) = reader.next() {
        let record = record?;
        checker.check(&record).map_err(|what| inconsistent(reader, what))?;
    }
    checker.check_end().map_err(|what| inconsistent(reader, what))?;
    Ok(CheckReport { records: checker.seq, dropped: checker.dropped })
}

fn inconsistent<R: BufRead>(reader: &Reader<R>, what: String) -> ReadError {
    ReadError { line: reader.line_number(), reason: FormatError::Inconsistent(what) }
}

/// The state of the run after some records.
#[derive(Default)]
struct Checker {
    seq: u64,
    dropped: u64,
    /// The time of the last record of each thread.
    times: HashMap<u32, u64>,
    /// The workers, and the job that each of them runs.
    workers: HashMap<u32, Option<u32>>,
    turn: u64,
    is_running: bool,
    is_in_turn: bool,
    is_waiting: bool,
    polled: Option<u32>,
    tasks: HashMap<u32, TrackedTask>,
    next_wake: u64,
    sources: IdSet,
    timers: IdSet,
    jobs: HashMap<u32, JobPhase>,
    /// The state of each hand-written future.
    states: HashMap<u64, Text>,
}

#[derive(Default)]
struct TrackedTask {
    phase: TaskPhase,
    polls: u64,
    /// Whether the task is in the ready queue.
    is_queued: bool,
    /// The wakes since the last poll.
    wakes: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TaskPhase {
    #[default]
    Alive,
    /// The last poll returned `Ready`; `done` follows.
    Ready,
    /// The future has been dropped; `done` follows.
    Dropped,
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum JobPhase {
    Queued,
    Running(u32),
    Ended,
}

/// The ids of sources or timers.
#[derive(Default)]
struct IdSet {
    /// The ids that exist now.
    alive: HashSet<u32>,
    /// All ids that have ever existed.
    seen: HashSet<u32>,
}

type CheckResult = Result<(), String>;

/// Returns an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            return Err(format!($($message)*));
        }
    };
}

impl Checker {
    fn check(&mut self, record: &Record) -> CheckResult {
        ensure!(record.seq == self.seq, "expected `seq` {}, found {}", self.seq, record.seq);
        self.seq += 1;
        let last = self.times.entry(record.thread).or_default();
        ensure!(record.time >= *last, "`t` decreases from {last} to {} in thread {}", record.time, record.thread);
        *last = record.time;
        let is_job = matches!(&record.kind, RecordKind::JobStart { .. } | RecordKind::JobEnd { .. });
        ensure!(record.thread == 0 || is_job, "`{}` on a worker thread, which only runs jobs", record.kind.name());
        if let RecordKind::Dropped { number } = record.kind {
            ensure!(number > 0, "`dropped` with `number` 0");
            self.dropped += number;
        }
        // The other rules depend on all earlier events.
        if self.dropped > 0 { Ok(()) } else { self.check_nesting(record).and_then(|()| self.check_kind(record)) }
    }

    /// Checks the end of the file.
    fn check_end(&self) -> CheckResult {
        ensure!(self.dropped > 0 || self.polled.is_none(), "the recording ends inside a poll");
        ensure!(self.dropped > 0 || !self.is_in_turn, "the recording ends inside turn {}", self.turn);
        ensure!(self.dropped > 0 || !self.is_running, "the recording ends inside a run");
        Ok(())
    }

    /// Checks runs, turns, waits and polls.
    fn check_nesting(&mut self, record: &Record) -> CheckResult {
        let kind = record.kind.name();
        ensure!(!self.is_waiting || kind == "wait_end", "`{kind}` during a wait");
        let turn = self.turn + u64::from(kind == "turn_begin");
        ensure!(record.turn == turn, "expected `turn` {turn}, found {}", record.turn);
        self.turn = turn;
        match &record.kind {
            RecordKind::RunBegin { .. } => {
                ensure!(!self.is_running, "`run_begin` inside a run");
                ensure!(!self.is_in_turn, "`run_begin` inside a turn");
                self.is_running = true;
            }
            RecordKind::RunEnd { .. } => {
                ensure!(self.is_running, "`run_end` outside a run");
                ensure!(!self.is_in_turn, "`run_end` inside a turn");
                self.is_running = false;
            }
            RecordKind::TurnBegin { .. } => {
                ensure!(!self.is_in_turn, "`turn_begin` inside a turn");
                self.is_in_turn = true;
            }
            RecordKind::TurnEnd { .. } => {
                ensure!(self.is_in_turn, "`turn_end` outside a turn");
                ensure!(self.polled.is_none(), "`turn_end` inside a poll");
                self.is_in_turn = false;
            }
            RecordKind::WaitBegin { .. } => {
                ensure!(self.is_in_turn && self.polled.is_none(), "`wait_begin` outside a turn, or inside a poll");
                self.is_waiting = true;
            }
            RecordKind::WaitEnd { .. } => {
                ensure!(self.is_waiting, "`wait_end` without `wait_begin`");
                self.is_waiting = false;
            }
            RecordKind::PollBegin { .. } => {
                ensure!(self.is_in_turn, "`poll_begin` outside a turn");
                ensure!(self.polled.is_none(), "`poll_begin` inside a poll");
            }
            RecordKind::Readiness { .. } | RecordKind::TimerFire { .. } => {
                ensure!(self.is_in_turn && self.polled.is_none(), "`{kind}` outside a turn, or inside a poll");
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks tasks, sources, timers, jobs and states.
    fn check_kind(&mut self, record: &Record) -> CheckResult {
        match &record.kind {
            RecordKind::Spawn { task, parent, .. } => self.spawn(*task, *parent),
            RecordKind::PollBegin { task, number, wakes, .. } => self.poll_begin(*task, *number, wakes.as_slice()),
            RecordKind::PollEnd { task, ready, .. } => self.poll_end(*task, *ready),
            RecordKind::Drop { task } => self.future_drop(*task),
            RecordKind::Done { task, outcome } => self.done(*task, *outcome),
            RecordKind::Wake { wake, task, cause, effect } => self.wake(*wake, *task, *cause, *effect),
            RecordKind::State { future, task, from, to, .. } => self.state_change(*future, *task, from, to),
            RecordKind::SourceAdd { source, task, .. } => self.source_add(*source, *task),
            RecordKind::SourceDel { source } => self.source_del(*source),
            RecordKind::Readiness { source, stale, .. } => self.readiness(*source, *stale),
            RecordKind::Io { source, task, .. } => self.io(*source, *task),
            RecordKind::TimerSet { timer, task, .. } => self.timer_set(*timer, *task),
            RecordKind::TimerFire { timer, .. } | RecordKind::TimerDel { timer } => self.timer_end(*timer),
            RecordKind::SemaphoreWait { task, .. }
            | RecordKind::SemaphoreTake { task, .. }
            | RecordKind::SemaphoreFree { task, .. }
            | RecordKind::Http { task, .. } => self.expect_task(*task),
            RecordKind::Finding { finding } => self.expect_task(finding.task),
            RecordKind::JobAdd { job, task, .. } => self.job_add(*job, *task),
            RecordKind::JobStart { job, .. } => self.job_start(*job, record.thread),
            RecordKind::JobEnd { job, outcome } => self.job_end(*job, *outcome, record.thread),
            _ => Ok(()),
        }
    }

    /// Returns a task that has been spawned. The root is never spawned.
    fn task(&mut self, task: u32) -> Result<&mut TrackedTask, String> {
        match self.tasks.entry(task) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) if task == 0 => Ok(entry.insert(TrackedTask::default())),
            Entry::Vacant(_) => Err(format!("task {task} has never been spawned")),
        }
    }

    fn expect_task(&mut self, task: Option<u32>) -> CheckResult {
        task.map_or(Ok(()), |task| self.task(task).map(|_| ()))
    }

    fn spawn(&mut self, task: u32, parent: Option<u32>) -> CheckResult {
        self.expect_task(parent)?;
        ensure!(task != 0 && !self.tasks.contains_key(&task), "task {task} is spawned twice");
        self.tasks.insert(task, TrackedTask::default());
        Ok(())
    }

    fn poll_begin(&mut self, id: u32, number: u64, wakes: &[u64]) -> CheckResult {
        self.polled = Some(id);
        let task = self.task(id)?;
        ensure!(task.phase == TaskPhase::Alive, "task {id} is polled, but is not alive");
        ensure!(task.polls == number, "expected `number` {} for the poll of task {id}, found {number}", task.polls);
        ensure!(task.wakes == wakes, "expected `wakes` {:?} for the poll of task {id}, found {wakes:?}", task.wakes);
        task.polls += 1;
        task.is_queued = false;
        task.wakes.clear();
        Ok(())
    }

    fn poll_end(&mut self, id: u32, ready: bool) -> CheckResult {
        ensure!(self.polled.take() == Some(id), "`poll_end` of task {id} without `poll_begin`");
        // `block_on` may be called again, with another root future.
        if ready && id != 0 {
            self.task(id)?.phase = TaskPhase::Ready;
        }
        Ok(())
    }

    fn future_drop(&mut self, id: u32) -> CheckResult {
        let task = self.task(id)?;
        ensure!(task.phase == TaskPhase::Alive, "task {id} is dropped, but is not alive");
        task.phase = TaskPhase::Dropped;
        Ok(())
    }

    fn done(&mut self, id: u32, outcome: TaskOutcome) -> CheckResult {
        let task = self.task(id)?;
        let expected = if outcome == TaskOutcome::Aborted { TaskPhase::Dropped } else { TaskPhase::Ready };
        ensure!(
            task.phase == expected,
            "task {id} ends with `{}`, which does not match its last poll or drop",
            outcome.as_str()
        );
        *task = TrackedTask { phase: TaskPhase::Ended, ..TrackedTask::default() };
        Ok(())
    }

    fn wake(&mut self, wake: u64, id: u32, cause: RecordedCause, effect: WakeOutcome) -> CheckResult {
        ensure!(wake == self.next_wake, "expected `wake` {}, found {wake}", self.next_wake);
        self.next_wake += 1;
        match cause {
            RecordedCause::Source(source) => {
                ensure!(self.sources.seen.contains(&source), "wake by source {source}, which has never been registered")
            }
            RecordedCause::Timer(timer) => {
                ensure!(self.timers.seen.contains(&timer), "wake by timer {timer}, which has never been set")
            }
            RecordedCause::Job(job) => {
                ensure!(self.jobs.contains_key(&job), "wake by job {job}, which has never been added")
            }
            RecordedCause::Task(task) => self.expect_task(Some(task))?,
            RecordedCause::SelfWake | RecordedCause::Spawn | RecordedCause::External => {}
        }
        let task = self.task(id)?;
        let is_alive = task.phase == TaskPhase::Alive;
        match effect {
            WakeOutcome::Queued => {
                ensure!(is_alive, "task {id} is queued, but is not alive");
                ensure!(!task.is_queued, "task {id} is queued twice");
                task.is_queued = true;
            }
            // There may be no `queued` wake before: the loop also queues tasks to be dropped, and observers can wake
            // tasks.
            WakeOutcome::Coalesced => ensure!(is_alive, "coalesced wake of task {id}, which is not alive"),
            WakeOutcome::Stale => ensure!(!is_alive, "stale wake of task {id}, which is alive"),
        }
        if is_alive {
            task.wakes.push(wake);
        }
        Ok(())
    }

    fn state_change(&mut self, future: u64, task: Option<u32>, from: &Text, to: &Text) -> CheckResult {
        self.expect_task(task)?;
        match self.states.insert(future, to.clone()) {
            Some(current) if current != *from => {
                Err(format!("future {future} leaves state `{from}`, but is in state `{current}`"))
            }
            _ => Ok(()),
        }
    }

    fn source_add(&mut self, source: u32, task: Option<u32>) -> CheckResult {
        self.expect_task(task)?;
        ensure!(self.sources.seen.insert(source), "source {source} is added twice");
        self.sources.alive.insert(source);
        Ok(())
    }

    fn source_del(&mut self, source: u32) -> CheckResult {
        ensure!(self.sources.alive.remove(&source), "source {source} is deregistered, but is not registered");
        Ok(())
    }

    fn readiness(&self, source: u32, is_stale: bool) -> CheckResult {
        ensure!(self.sources.seen.contains(&source), "readiness of source {source}, which has never been registered");
        match (self.sources.alive.contains(&source), is_stale) {
            (true, true) => Err(format!("stale readiness of source {source}, which is registered")),
            (false, false) => Err(format!("readiness of source {source}, which is no longer registered")),
            (true, false) | (false, true) => Ok(()),
        }
    }

    fn io(&mut self, source: u32, task: Option<u32>) -> CheckResult {
        self.expect_task(task)?;
        ensure!(self.sources.alive.contains(&source), "I/O on source {source}, which is not registered");
        Ok(())
    }

    fn timer_set(&mut self, timer: u32, task: Option<u32>) -> CheckResult {
        self.expect_task(task)?;
        let is_new = self.timers.seen.insert(timer);
        let is_allowed = is_new || self.timers.alive.contains(&timer);
        ensure!(is_allowed, "timer {timer} is set after it has fired or been cancelled");
        self.timers.alive.insert(timer);
        Ok(())
    }

    fn timer_end(&mut self, timer: u32) -> CheckResult {
        ensure!(self.timers.alive.remove(&timer), "timer {timer} fires or is cancelled, but is not set");
        Ok(())
    }

    fn job_add(&mut self, job: u32, task: Option<u32>) -> CheckResult {
        self.expect_task(task)?;
        ensure!(self.jobs.insert(job, JobPhase::Queued).is_none(), "job {job} is added twice");
        Ok(())
    }

    fn job_start(&mut self, id: u32, worker: u32) -> CheckResult {
        ensure!(worker > 0, "job {id} starts on the loop's thread");
        ensure!(self.jobs.get(&id) == Some(&JobPhase::Queued), "job {id} starts, but is not queued");
        ensure!(
            self.workers.insert(worker, Some(id)).flatten().is_none(),
            "worker {worker} starts job {id} before the end of its previous job"
        );
        self.jobs.insert(id, JobPhase::Running(worker));
        Ok(())
    }

    fn job_end(&mut self, id: u32, outcome: JobOutcome, worker: u32) -> CheckResult {
        let was = self.jobs.insert(id, JobPhase::Ended);
        if outcome == JobOutcome::Cancelled {
            ensure!(worker == 0 && was == Some(JobPhase::Queued), "job {id} is cancelled, but is not queued");
            return Ok(());
        }
        ensure!(was == Some(JobPhase::Running(worker)), "job {id} ends on worker {worker}, which has not started it");
        self.workers.insert(worker, None);
        Ok(())
    }
}
