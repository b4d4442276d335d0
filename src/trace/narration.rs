//! The narration of a recording: one English sentence per event.

use std::fmt::Write;
use std::net::SocketAddr;

use super::loop_state::{LoopState, readiness_text};
use super::phrases::{bytes, capitalised, due_in, duration, how_many, list, spaced, there_are, waits_for};
use super::record::{Record, RecordKind};
use super::values::{Finding, RecordedCause, RecordedIoOutcome};
use crate::observe::{HttpStep, JobOutcome, LoopMetrics, Operation, TaskOutcome, TimeoutReason, WakeOutcome};

/// Turns records into sentences. Earlier records provide the names that the sentences use.
///
/// ```
/// use glassloop::observe::WakeOutcome;
/// use glassloop::trace::{RecordedCause, Narrator, Record, RecordKind};
///
/// let mut narrator = Narrator::default();
/// let kind = RecordKind::Wake { wake: 0, task: 0, cause: RecordedCause::Timer(3), effect: WakeOutcome::Queued };
/// let sentence = narrator.sentence(&Record { seq: 0, time: 20_000_000, thread: 0, turn: 1, kind });
/// assert_eq!(sentence, "The root future is woken because timer 3 fired.");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Narrator {
    /// The state of the loop after the last record.
    state: LoopState,
    /// The timeout of the current or last wait.
    timeout: Option<u64>,
    /// The beginning of this wait.
    wait_began: u64,
}

impl Narrator {
    /// Returns the sentence for the next record.
    pub fn sentence(&mut self, record: &Record) -> String {
        let is_reset =
            matches!(&record.kind, RecordKind::TimerSet { timer, .. } if self.state.timers.contains_key(timer));
        self.update(record);
        let sentence = self.describe(record, is_reset);
        capitalised(&sentence.replace(char::is_control, " "))
    }

    /// Processes the next record without making a sentence.
    pub fn update(&mut self, record: &Record) {
        self.state.apply(record);
        if let RecordKind::WaitBegin { timeout, .. } = record.kind {
            self.timeout = timeout;
            self.wait_began = record.time;
        }
    }

    /// Returns the state of the loop after the last record.
    pub fn loop_state(&self) -> &LoopState {
        &self.state
    }

    fn describe(&self, record: &Record, is_reset: bool) -> String {
        match &record.kind {
            RecordKind::RunBegin { pool_threads, seed } => run_begin(*pool_threads, *seed),
            RecordKind::RunEnd { reason } => run_end(reason),
            RecordKind::TurnBegin { metrics } => turn_begin(record.turn, metrics),
            RecordKind::TurnEnd { .. } => format!("turn {} ends.", record.turn),
            RecordKind::WaitBegin { timeout, why } => self.wait_begin(*timeout, *why),
            RecordKind::WaitEnd { events, woken } => self.wait_end(*events, *woken),
            RecordKind::Readiness { source, stale, .. } => self.readiness(*source, *stale, &record.kind),
            RecordKind::SourceAdd { source, task, what, descriptor, peer } => {
                self.source_add(*source, *task, what, *descriptor, *peer)
            }
            RecordKind::SourceDel { source } => format!("source {source} is deregistered."),
            RecordKind::Io { source, task, operation, outcome } => self.io(*source, *task, *operation, outcome),
            RecordKind::TimerSet { timer, task, deadline } => {
                let verb = if is_reset { "resets" } else { "sets" };
                format!("{} {verb} timer {timer}, {}.", self.subject(*task), due_in(*deadline, record.time))
            }
            RecordKind::TimerFire { timer, late } => timer_fire(*timer, *late),
            RecordKind::TimerDel { timer } => format!("timer {timer} is cancelled."),
            RecordKind::Spawn { task, parent, location, .. } => {
                format!("{} spawns {} at {location}.", self.subject(*parent), self.state.task_name(*task))
            }
            RecordKind::PollBegin { task, number, delay, wakes } => {
                self.poll_begin(*task, *number, *delay, wakes.as_slice().len())
            }
            RecordKind::PollEnd { task, ready, waiting_for, .. } => self.poll_end(*task, *ready, waiting_for),
            RecordKind::State { future, of, task, from, to, .. } => self.state_change(*future, of, *task, from, to),
            RecordKind::Done { task, outcome } => self.done(*task, *outcome),
            RecordKind::Drop { task } => format!("{} is dropped before it has completed.", self.state.task_name(*task)),
            RecordKind::Wake { task, cause, effect, .. } => self.wake(*task, *cause, *effect),
            RecordKind::SemaphoreWait { semaphore, task, free } => {
                format!(
                    "{} waits for a permit of semaphore {semaphore}: {} free.",
                    self.subject(*task),
                    how_many(*free)
                )
            }
            RecordKind::SemaphoreTake { semaphore, task, free } => {
                format!("{} acquires a permit of semaphore {semaphore}: {} left.", self.subject(*task), how_many(*free))
            }
            RecordKind::SemaphoreFree { semaphore, task, free } => {
                format!("{} releases a permit of semaphore {semaphore}: {} free.", self.subject(*task), how_many(*free))
            }
            RecordKind::JobAdd { job, task, bytes, .. } => self.job_add(*job, *task, *bytes),
            RecordKind::JobStart { job, wait } => self.job_start(*job, record.thread, *wait),
            RecordKind::JobEnd { job, outcome } => self.job_end(*job, record.thread, *outcome),
            RecordKind::Http { exchange, task, step } => self.http(*exchange, *task, *step),
            RecordKind::Finding { finding } => self.finding(finding),
            RecordKind::Mark { text } => format!("“{text}”"),
            RecordKind::Dropped { number: 1 } => "one event is missing here.".to_owned(),
            RecordKind::Dropped { number } => format!("{number} events are missing here."),
        }
    }

    /// Returns the subject of a sentence: the task that acts, if the code runs inside a task.
    fn subject(&self, task: Option<u32>) -> String {
        task.map_or_else(|| "code outside any task".to_owned(), |task| self.state.task_name(task))
    }

    /// Returns ` of task …`, or nothing if there is no task.
    fn of_task(&self, task: Option<u32>) -> String {
        task.map_or_else(String::new, |task| format!(" of {}", self.state.task_name(task)))
    }

    fn wait_begin(&self, timeout: Option<u64>, why: TimeoutReason) -> String {
        match (why, timeout, self.state.next_timer()) {
            (TimeoutReason::Ready, ..) => {
                "the loop polls the reactor without waiting, because tasks are ready.".to_owned()
            }
            (TimeoutReason::Forever, None, _) => "the loop waits: no task is ready, and no timer is set.".to_owned(),
            (TimeoutReason::Recheck, Some(timeout @ 1..), _) => format!(
                "the loop waits for at most {}: no task is ready. Then it checks whether anything can still wake it.",
                duration(timeout)
            ),
            (_, Some(0), Some((timer, deadline))) if deadline <= self.state.now => {
                format!("the loop polls the reactor without waiting, because timer {timer} is due.")
            }
            (_, Some(0), _) => {
                "the loop polls the reactor without waiting, because another thread has just woken it.".to_owned()
            }
            // The loop also wakes up to move a distant timer to a finer level of the timer wheel.
            (_, Some(timeout), Some((timer, deadline))) if self.state.now + timeout < deadline => {
                let (timeout, due) = (duration(timeout), due_in(deadline, self.state.now));
                format!("the loop waits for at most {timeout}: no task is ready, and timer {timer} is {due}.")
            }
            (_, Some(_), Some((timer, deadline))) => {
                let due = due_in(deadline, self.state.now);
                format!("the loop waits: no task is ready, and timer {timer} is {due}.")
            }
            (_, Some(timeout), None) => {
                format!("the loop waits for at most {}: no task is ready.", duration(timeout))
            }
            (_, None, _) => "the loop waits: no task is ready.".to_owned(),
        }
    }

    fn wait_end(&self, events: u64, woken: bool) -> String {
        let events = match events {
            0 => None,
            1 => Some("one readiness event".to_owned()),
            _ => Some(format!("{events} readiness events")),
        };
        let waited = self.state.now.saturating_sub(self.wait_began);
        match (events, woken, self.timeout) {
            (Some(events), true, _) => format!("the wait ends: {events}, and a wakeup from another thread."),
            (Some(events), false, _) => format!("the wait ends: {events}."),
            (None, true, _) => "the wait ends: a wakeup from another thread.".to_owned(),
            (None, false, Some(0)) => "the wait ends: no events.".to_owned(),
            (None, false, Some(timeout)) if waited >= timeout => "the wait ends: timeout.".to_owned(),
            (None, false, _) => "the wait ends: interrupted by a signal (EINTR).".to_owned(),
        }
    }

    fn readiness(&self, source: u32, is_stale: bool, readiness: &RecordKind) -> String {
        if is_stale {
            return format!("a stale readiness event arrives for source {source}, which is deregistered.");
        }
        let peer = self.state.sources.get(&source).and_then(|source| source.peer);
        let peer = peer.map_or(String::new(), |peer| format!(" ({peer})"));
        format!("source {source}{peer} {}.", readiness_text(readiness).unwrap_or_default())
    }

    fn source_add(
        &self,
        source: u32,
        task: Option<u32>,
        what: &str,
        descriptor: Option<i32>,
        peer: Option<SocketAddr>,
    ) -> String {
        let article = if what.ends_with('s') { "" } else { "a " };
        let mut sentence = format!("{} registers {article}{what}", self.subject(task));
        let _ = peer.map(|peer| write!(sentence, " with {peer}"));
        let _ = write!(sentence, " as source {source}");
        let _ = descriptor.map(|descriptor| write!(sentence, " (descriptor {descriptor})"));
        sentence + "."
    }

    fn io(&self, source: u32, task: Option<u32>, operation: Operation, outcome: &RecordedIoOutcome) -> String {
        let subject = self.subject(task);
        let predicate = match (operation, outcome) {
            (Operation::Connect, RecordedIoOutcome::WouldBlock) => format!("finds source {source} not connected yet"),
            (Operation::Connect, RecordedIoOutcome::Failed(error)) => {
                format!("fails to connect source {source}: {}", spaced(error))
            }
            (Operation::Connect, _) => format!("finds source {source} connected"),
            (Operation::Accept, RecordedIoOutcome::WouldBlock) => {
                format!("finds no pending connection on source {source}")
            }
            (Operation::Accept, RecordedIoOutcome::Failed(error)) => {
                format!("fails to accept a connection on source {source}: {}", spaced(error))
            }
            (Operation::Accept, _) => format!("accepts a connection on source {source}"),
            (Operation::Read, RecordedIoOutcome::Bytes(amount)) => {
                format!("reads {} from source {source}", bytes(*amount))
            }
            (Operation::Read, RecordedIoOutcome::WouldBlock) => format!("finds nothing to read on source {source}"),
            (Operation::Read, RecordedIoOutcome::EndOfFile) => {
                format!("reads the end of the stream from source {source}")
            }
            (Operation::Read, RecordedIoOutcome::Failed(error)) => {
                format!("fails to read from source {source}: {}", spaced(error))
            }
            (Operation::Write, RecordedIoOutcome::Bytes(amount)) => {
                format!("writes {} to source {source}", bytes(*amount))
            }
            (Operation::Write, RecordedIoOutcome::Failed(error)) => {
                format!("fails to write to source {source}: {}", spaced(error))
            }
            (Operation::Write, _) => format!("finds the send buffer of source {source} full"),
        };
        format!("{subject} {predicate}.")
    }

    fn poll_begin(&self, task: u32, number: u64, delay: u64, wakes: usize) -> String {
        let task = self.state.task_name(task);
        match (number, wakes) {
            (0, _) => format!("{task} is polled for the first time."),
            (_, 0) => format!("{task} is polled again."),
            (_, 1) => format!("{task} is polled again, {} after its wake.", duration(delay)),
            (_, 2) => format!("{task} is polled again, {} after the first of two wakes.", duration(delay)),
            _ => format!("{task} is polled again, {} after the first of {wakes} wakes.", duration(delay)),
        }
    }

    fn poll_end(&self, task: u32, is_ready: bool, waiting_for: &str) -> String {
        let task = self.state.task_name(task);
        if is_ready { format!("{task} completes.") } else { format!("{task} {}.", waits_for(waiting_for)) }
    }

    fn state_change(&self, future: u64, type_name: &str, task: Option<u32>, from: &str, to: &str) -> String {
        format!("{type_name} {future}{} goes from `{from}` to `{to}`.", self.of_task(task))
    }

    fn done(&self, task: u32, outcome: TaskOutcome) -> String {
        let task = self.state.task_name(task);
        match outcome {
            TaskOutcome::Finished => format!("{task} has finished."),
            TaskOutcome::Panicked => format!("{task} has panicked."),
            TaskOutcome::Aborted => format!("{task} has been aborted."),
        }
    }

    fn wake(&self, task: u32, cause: RecordedCause, outcome: WakeOutcome) -> String {
        let task = self.state.task_name(task);
        let cause = match cause {
            RecordedCause::Source(source) => match self.state.sources.get(&source) {
                Some(known) => format!("because source {source} {}", known.readiness),
                None => format!("because of source {source}"),
            },
            RecordedCause::Timer(timer) => format!("because timer {timer} fired"),
            RecordedCause::Job(job) => format!("because {} ended", self.state.job_name(job)),
            RecordedCause::Task(by) => format!("by {}", self.state.task_name(by)),
            RecordedCause::SelfWake => "by itself".to_owned(),
            RecordedCause::Spawn => "because it has been spawned".to_owned(),
            RecordedCause::External => "from outside the loop".to_owned(),
        };
        match outcome {
            WakeOutcome::Queued => format!("{task} is woken {cause}."),
            WakeOutcome::Coalesced => format!("{task} is woken {cause}, but it is already in the ready queue."),
            WakeOutcome::Stale => format!("{task} is woken {cause}, but it has already ended."),
        }
    }

    fn job_add(&self, job: u32, task: Option<u32>, amount: u64) -> String {
        let amount = if amount > 0 { format!(", {}", bytes(amount)) } else { String::new() };
        format!("{} queues {}{amount}.", self.subject(task), self.state.job_name(job))
    }

    fn job_start(&self, job: u32, worker: u32, wait: u64) -> String {
        let job = self.state.job_name(job);
        format!("worker {worker} starts {job}, which was queued for {}.", duration(wait))
    }

    fn job_end(&self, job: u32, worker: u32, outcome: JobOutcome) -> String {
        let job = self.state.job_name(job);
        match outcome {
            JobOutcome::Finished => format!("worker {worker} has finished {job}."),
            JobOutcome::Panicked => format!("{job} has panicked on worker {worker}."),
            JobOutcome::Cancelled => format!("{job} is cancelled before a worker starts it."),
        }
    }

    fn http(&self, exchange: u64, task: Option<u32>, step: HttpStep) -> String {
        let exchange = format!("exchange {exchange}{}", self.of_task(task));
        match step {
            HttpStep::Request => format!("{exchange} sends its request."),
            HttpStep::Head(status) => format!("{exchange} receives a response with status {status}."),
            HttpStep::Body(amount) => format!("{exchange} has received {} of the body.", bytes(amount)),
            HttpStep::Done { reusable: true } => format!("{exchange} ends: its connection can be reused."),
            HttpStep::Done { reusable: false } => format!("{exchange} ends: its connection cannot be reused."),
        }
    }

    fn finding(&self, finding: &Finding) -> String {
        let about = match finding.task {
            Some(task) => format!("{} {}", self.state.task_name(task), waits_for(&finding.state)),
            None => "the loop".to_owned(),
        };
        format!("{}: {about}. Evidence: {}. Advice: {}.", spaced(&finding.what), finding.evidence, finding.advice)
    }
}

fn run_begin(pool_threads: u64, seed: u64) -> String {
    let threads = if pool_threads == 1 { "one thread".to_owned() } else { format!("{pool_threads} threads") };
    let order = if seed > 0 { format!(", and the seed {seed} shuffles the ready queue") } else { String::new() };
    format!("the run begins: the pool has up to {threads}{order}.")
}

fn run_end(reason: &str) -> String {
    match reason {
        "finished" => "the run ends: the root future has completed.".to_owned(),
        "deadlock" => "the run ends: deadlock.".to_owned(),
        _ => "the run ends before the root future has completed.".to_owned(),
    }
}

fn turn_begin(turn: u64, metrics: &LoopMetrics) -> String {
    let mut parts = vec![];
    let mut part = |number: usize, what: &str, state: &str| {
        if number > 0 {
            parts.push(format!("{} {state}", there_are(number, what)));
        }
    };
    part(metrics.ready, "task", "ready");
    part(metrics.timers, "timer", "set");
    part(metrics.sources, "source", "registered");
    part(metrics.jobs_queued, "job", "queued");
    part(metrics.jobs_running, "job", "running");
    match parts.is_empty() {
        true => format!("turn {turn} begins with nothing to do."),
        false => format!("turn {turn} begins: {}.", list(&parts)),
    }
}

fn timer_fire(timer: u32, late: u64) -> String {
    match late {
        0..1_000 => format!("timer {timer} fires."),
        _ => format!("timer {timer} fires, {} late.", duration(late)),
    }
}
