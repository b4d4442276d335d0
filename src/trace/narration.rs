//! A recording as prose: one plain sentence an event.

use std::fmt::Write;

use super::line::{Cause, Fact, Finding, HttpStep, IoOutcome, JobOutcome, Line, LoopMetrics, Operation, WakeOutcome};
use super::line::{TaskOutcome, TimeoutReason};
use super::words::{bytes, capitalised, due_in, duration, how_many, list, spaced, there_are, waits_for};
use super::world::{World, news};

/// Puts a recording into words. What was told before is what things are called by.
///
/// ```
/// use glassloop::trace::{Cause, Fact, Line, Narrator};
/// use glassloop::observe::WakeOutcome;
///
/// let mut narrator = Narrator::default();
/// let fact = Fact::Wake { wake: 0, task: 0, cause: Cause::Timer(3), effect: WakeOutcome::Queued };
/// let sentence = narrator.tell(&Line { seq: 0, time: 20_000_000, thread: 0, turn: 1, fact });
/// assert_eq!(sentence, "The root future is woken because timer 3 fired.");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Narrator {
    world: World,
    /// How long the loop meant to sleep.
    wait: Option<u64>,
}

impl Narrator {
    /// The sentence for the next line of a recording.
    pub fn tell(&mut self, line: &Line) -> String {
        let is_again = matches!(&line.fact, Fact::TimerSet { timer, .. } if self.world.timers.contains_key(timer));
        self.pass(line);
        let sentence = self.sentence(line, is_again);
        capitalised(&sentence.replace(char::is_control, " "))
    }

    /// Goes on by a line without a sentence.
    pub fn pass(&mut self, line: &Line) {
        self.world.apply(line);
        if let Fact::WaitBegin { timeout, .. } = line.fact {
            self.wait = timeout;
        }
    }

    /// The state that has been told of so far.
    pub fn world(&self) -> &World {
        &self.world
    }

    fn sentence(&self, line: &Line, is_again: bool) -> String {
        match &line.fact {
            Fact::RunBegin { pool_threads, seed } => run_begins(*pool_threads, *seed),
            Fact::RunEnd { reason } => match &**reason {
                "finished" => "the run ends: the root future is done.".to_owned(),
                "deadlock" => "the run ends: nothing could ever wake it again.".to_owned(),
                _ => "the run ends before the root future is done.".to_owned(),
            },
            Fact::TurnBegin { counts } => turn_begins(line.turn, counts),
            Fact::TurnEnd { .. } => format!("turn {} ends.", line.turn),
            Fact::WaitBegin { timeout, why } => self.wait_begins(*timeout, *why),
            Fact::WaitEnd { events, woken } => self.wait_ends(*events, *woken),
            Fact::Readiness { source, stale: true, .. } => {
                format!("news of source {source} comes too late: it is gone.")
            }
            Fact::Readiness { source, .. } => {
                format!("source {source}{} {}.", self.peer(*source), news(&line.fact).unwrap_or_default())
            }
            Fact::SourceAdd { source, task, what, descriptor, peer } => {
                let article = if what.ends_with('s') { "" } else { "a " };
                let mut sentence = format!("{} registers {article}{what}", self.who(*task));
                let _ = peer.map(|peer| write!(sentence, " with {peer}"));
                let _ = write!(sentence, " as source {source}");
                let _ = descriptor.map(|descriptor| write!(sentence, " (descriptor {descriptor})"));
                sentence + "."
            }
            Fact::SourceDel { source } => format!("source {source} is closed."),
            Fact::Io { source, task, operation, outcome } => self.io(*source, *task, *operation, outcome),
            Fact::TimerSet { timer, task, deadline } => {
                let verb = if is_again { "moves" } else { "sets" };
                let due = due_in(*deadline, line.time);
                format!("{} {verb} timer {timer}, {due}.", self.who(*task))
            }
            Fact::TimerFire { timer, late: 0..1_000 } => format!("timer {timer} fires."),
            Fact::TimerFire { timer, late } => format!("timer {timer} fires, {} late.", duration(*late)),
            Fact::TimerDel { timer } => format!("timer {timer} is cancelled."),
            Fact::Spawn { task, parent, location, .. } => {
                format!("{} spawns {} at {location}.", self.who(*parent), self.world.task(*task))
            }
            Fact::PollBegin { task, number, delay, wakes } => {
                self.poll_begins(*task, *number, *delay, wakes.as_slice().len())
            }
            Fact::PollEnd { task, ready: true, .. } => format!("{} is ready.", self.world.task(*task)),
            Fact::PollEnd { task, waiting_for, .. } => {
                format!("{} {}.", self.world.task(*task), waits_for(waiting_for))
            }
            Fact::State { future, of, task, from, to, .. } => {
                let whose = task.map_or(String::new(), |task| format!(" of {}", self.world.task(task)));
                format!("{of} {future}{whose} goes from `{from}` to `{to}`.")
            }
            Fact::Done { task, outcome } => match outcome {
                TaskOutcome::Finished => format!("{} is done.", self.world.task(*task)),
                TaskOutcome::Panicked => format!("{} has panicked.", self.world.task(*task)),
                TaskOutcome::Aborted => format!("{} is over: it was aborted.", self.world.task(*task)),
            },
            Fact::Drop { task } => format!("{} is dropped before it is done.", self.world.task(*task)),
            Fact::Wake { task, cause, effect, .. } => self.wake(*task, *cause, *effect),
            Fact::SemaphoreWait { semaphore, task, free } => {
                format!("{} waits for a permit of semaphore {semaphore}: {} free.", self.who(*task), how_many(*free))
            }
            Fact::SemaphoreTake { semaphore, task, free } => {
                format!("{} takes a permit of semaphore {semaphore}: {} left.", self.who(*task), how_many(*free))
            }
            Fact::SemaphoreFree { semaphore, task, free } => {
                format!("{} gives a permit back to semaphore {semaphore}: {} free.", self.who(*task), how_many(*free))
            }
            Fact::JobAdd { job, task, bytes: amount, .. } => {
                let amount = if *amount > 0 { format!(", {}", bytes(*amount)) } else { String::new() };
                format!("{} queues {}{amount}.", self.who(*task), self.world.job(*job))
            }
            Fact::JobStart { job, wait } => {
                let wait = duration(*wait);
                format!("worker {} takes {}, which was queued for {wait}.", line.thread, self.world.job(*job))
            }
            Fact::JobEnd { job, outcome } => match outcome {
                JobOutcome::Finished => format!("worker {} has finished {}.", line.thread, self.world.job(*job)),
                JobOutcome::Panicked => format!("{} has panicked on worker {}.", self.world.job(*job), line.thread),
                JobOutcome::Cancelled => format!("{} is cancelled before a worker takes it.", self.world.job(*job)),
            },
            Fact::Http { exchange, task, step } => self.http(*exchange, *task, *step),
            Fact::Finding { finding } => self.diagnosis(finding),
            Fact::Mark { text } => format!("“{text}”"),
            Fact::Dropped { number: 1 } => "one event is missing here.".to_owned(),
            Fact::Dropped { number } => format!("{number} events are missing here."),
        }
    }

    /// Who does something.
    fn who(&self, task: Option<u32>) -> String {
        task.map_or_else(|| "code outside the tasks".to_owned(), |task| self.world.task(task))
    }

    /// The other side of a source.
    fn peer(&self, source: u32) -> String {
        let peer = self.world.sources.get(&source).and_then(|source| source.peer);
        peer.map_or(String::new(), |peer| format!(", with {peer},"))
    }

    fn wait_begins(&self, timeout: Option<u64>, why: TimeoutReason) -> String {
        let next = self.world.next_timer();
        match (why, timeout, next) {
            (TimeoutReason::Ready, ..) => "the loop looks for news without sleeping, since there is work.".to_owned(),
            (TimeoutReason::Forever, None, _) => "the loop sleeps: nothing is ready, and no timer is set.".to_owned(),
            (TimeoutReason::Recheck, Some(timeout @ 1..), _) => format!(
                "the loop sleeps for {} at most: nothing is ready, and then it checks whether anything can still wake it.",
                duration(timeout)
            ),
            (_, Some(0), Some((timer, deadline))) if deadline <= self.world.now => {
                format!("the loop looks for news without sleeping: timer {timer} is due.")
            }
            (_, Some(0), _) => "the loop looks for news without sleeping: something has just called it.".to_owned(),
            // Timers far off are sorted anew on the way to them.
            (_, Some(timeout), Some((timer, deadline))) if self.world.now + timeout < deadline => {
                let due = due_in(deadline, self.world.now);
                format!(
                    "the loop sleeps for {} at most: nothing is ready, and timer {timer} is {due}.",
                    duration(timeout)
                )
            }
            (_, Some(_), Some((timer, deadline))) => {
                let due = due_in(deadline, self.world.now);
                format!("the loop sleeps: nothing is ready, and timer {timer} is {due}.")
            }
            (_, Some(timeout), None) => {
                format!("the loop sleeps for {} at most: nothing is ready.", duration(timeout))
            }
            (_, None, _) => "the loop sleeps: nothing is ready.".to_owned(),
        }
    }

    fn wait_ends(&self, events: u64, woken: bool) -> String {
        let news = match events {
            0 => None,
            1 => Some("one source has news".to_owned()),
            _ => Some(format!("{events} sources have news")),
        };
        match (news, woken, self.wait) {
            (Some(news), true, _) => format!("the loop goes on: {news}, and another thread has called."),
            (Some(news), false, _) => format!("the loop goes on: {news}."),
            (None, true, _) => "the loop goes on: another thread has called.".to_owned(),
            (None, false, Some(0)) => "the loop goes on: there is no news.".to_owned(),
            (None, false, Some(_)) => "the loop goes on: the time is up.".to_owned(),
            (None, false, None) => {
                "the loop goes on, and nobody has called: a signal interrupted its sleep.".to_owned()
            }
        }
    }

    fn io(&self, source: u32, task: Option<u32>, operation: Operation, outcome: &IoOutcome) -> String {
        let who = self.who(task);
        match (operation, outcome) {
            (Operation::Connect, IoOutcome::WouldBlock) => format!("{who} finds source {source} not connected yet."),
            (Operation::Connect, IoOutcome::Failed(error)) => {
                format!("{who} cannot connect source {source}: {}.", spaced(error))
            }
            (Operation::Connect, _) => format!("{who} finds source {source} connected."),
            (Operation::Accept, IoOutcome::WouldBlock) => format!("{who} finds nobody at source {source}."),
            (Operation::Accept, IoOutcome::Failed(error)) => {
                format!("{who} cannot accept a connection from source {source}: {}.", spaced(error))
            }
            (Operation::Accept, _) => format!("{who} accepts a connection from source {source}."),
            (Operation::Read, IoOutcome::Bytes(amount)) => {
                format!("{who} reads {} from source {source}.", bytes(*amount))
            }
            (Operation::Read, IoOutcome::WouldBlock) => format!("{who} finds nothing to read on source {source}."),
            (Operation::Read, IoOutcome::EndOfFile) => format!("{who} reads the end of source {source}."),
            (Operation::Read, IoOutcome::Failed(error)) => {
                format!("{who} cannot read from source {source}: {}.", spaced(error))
            }
            (Operation::Write, IoOutcome::Bytes(amount)) => {
                format!("{who} writes {} to source {source}.", bytes(*amount))
            }
            (Operation::Write, IoOutcome::Failed(error)) => {
                format!("{who} cannot write to source {source}: {}.", spaced(error))
            }
            (Operation::Write, _) => format!("{who} finds no room to write on source {source}."),
        }
    }

    fn poll_begins(&self, task: u32, number: u64, delay: u64, wakes: usize) -> String {
        let task = self.world.task(task);
        match (number, wakes) {
            (0, _) => format!("{task} is polled for the first time."),
            (_, 0) => format!("{task} is polled again."),
            (_, 1) => format!("{task} is polled again, {} after its wake.", duration(delay)),
            (_, 2) => format!("{task} is polled again, once for two wakes, {} after the first.", duration(delay)),
            _ => format!("{task} is polled again, once for {wakes} wakes, {} after the first.", duration(delay)),
        }
    }

    fn wake(&self, task: u32, cause: Cause, effect: WakeOutcome) -> String {
        let task = self.world.task(task);
        let cause = match cause {
            Cause::Source(source) => match self.world.sources.get(&source) {
                Some(known) => format!("because source {source} {}", known.news),
                None => format!("because of source {source}"),
            },
            Cause::Timer(timer) => format!("because timer {timer} fired"),
            Cause::Job(job) => format!("because {} ended", self.world.job(job)),
            Cause::Task(by) => format!("by {}", self.world.task(by)),
            Cause::SelfWake => "by itself".to_owned(),
            Cause::Spawn => "because it is new".to_owned(),
            Cause::External => "from outside the loop".to_owned(),
        };
        match effect {
            WakeOutcome::Queued => format!("{task} is woken {cause}."),
            WakeOutcome::Coalesced => format!("{task} is woken once more, {cause}: one poll will serve both."),
            WakeOutcome::Stale => format!("{task} is woken too late, {cause}: it has ended."),
        }
    }

    fn http(&self, exchange: u64, task: Option<u32>, step: HttpStep) -> String {
        let who = task.map_or_else(String::new, |task| format!(" of {}", self.world.task(task)));
        match step {
            HttpStep::Request => format!("exchange {exchange}{who} sends its request."),
            HttpStep::Head(status) => format!("exchange {exchange}{who} has a response: its status is {status}."),
            HttpStep::Body(amount) => format!("exchange {exchange}{who} has {} of the body.", bytes(amount)),
            HttpStep::Done { reusable: true } => {
                format!("exchange {exchange}{who} is over, and its connection can be used again.")
            }
            HttpStep::Done { reusable: false } => {
                format!("exchange {exchange}{who} is over, and its connection cannot be used again.")
            }
        }
    }

    fn diagnosis(&self, finding: &Finding) -> String {
        let about = match finding.task {
            Some(task) => format!("{} {}", self.world.task(task), waits_for(&finding.state)),
            None => "the loop".to_owned(),
        };
        format!(
            "{}: {about}. What shows it: {}. What to do: {}.",
            spaced(&finding.what),
            finding.evidence,
            finding.advice
        )
    }
}

fn run_begins(pool_threads: u64, seed: u64) -> String {
    let threads = if pool_threads == 1 { "one thread".to_owned() } else { format!("{pool_threads} threads") };
    let order = if seed > 0 { format!(", and the seed {seed} shuffles the tasks") } else { String::new() };
    format!("the run begins: the pool may have {threads}{order}.")
}

fn turn_begins(turn: u64, counts: &LoopMetrics) -> String {
    let mut parts = vec![];
    let mut part = |number: usize, what: &str, doing: &str| {
        if number > 0 {
            parts.push(format!("{} {doing}", there_are(number, what)));
        }
    };
    part(counts.ready, "task", "ready");
    part(counts.timers, "timer", "set");
    part(counts.sources, "source", "registered");
    part(counts.jobs_queued, "job", "queued");
    part(counts.jobs_running, "job", "running");
    match parts.is_empty() {
        true => format!("turn {turn} begins with nothing to do."),
        false => format!("turn {turn} begins: {}.", list(&parts)),
    }
}
