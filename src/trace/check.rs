//! Whether a recording can be true: each line is held against those before it.
//!
//! | what | the rule |
//! | --- | --- |
//! | `seq` | dense from 0 |
//! | `t` | never falls within a thread |
//! | threads | only jobs run on workers, and a worker is heard of first when it takes a job |
//! | runs, turns, waits, polls | each is ended before the next begins; waits and polls lie in a turn; nothing happens in a wait |
//! | `turn` | rises by one at each `turn_begin` and nowhere else |
//! | tasks, sources, timers, jobs | have begun before they are mentioned, and do nothing once they have ended |
//! | polls | are numbered, and name exactly the wakes of their task since the last one |
//! | wakes | are numbered; the cause is known; a task is queued once, and an ended one not at all |
//! | states | each is left from where it was gone to |
//! | the end | does not come inside a poll, a turn or a run |
//!
//! Where a recording says that events are missing, nothing is known any more, and only the first three rules go on.

use std::collections::{HashMap, HashSet, hash_map::Entry};
use std::io::BufRead;

use super::line::{Cause, Fact, JobOutcome, Line, TaskOutcome, WakeOutcome};
use super::reader::{Fault, ReadError, Reader};
use super::text::Text;

/// A recording that can be true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sound {
    /// Lines, beside the header.
    pub lines: u64,
    /// Events that it says are missing.
    pub dropped: u64,
}

/// Reads a recording to its end.
///
/// # Errors
/// The first fault, and the line it is in.
pub fn check<R: BufRead>(reader: &mut Reader<R>) -> Result<Sound, ReadError> {
    let mut check = Check::default();
    while let Some(line) = reader.next() {
        let line = line?;
        check.line(&line).map_err(|what| contradiction(reader, what))?;
    }
    check.end().map_err(|what| contradiction(reader, what))?;
    Ok(Sound { lines: check.seq, dropped: check.dropped })
}

fn contradiction<R>(reader: &Reader<R>, what: String) -> ReadError
where
    R: BufRead,
{
    ReadError { line: reader.line_number(), fault: Fault::Contradiction(what) }
}

/// What is known after some lines.
#[derive(Default)]
struct Check {
    seq: u64,
    dropped: u64,
    /// The last time heard from each thread.
    times: HashMap<u32, u64>,
    /// Workers, and the job each is at.
    workers: HashMap<u32, Option<u32>>,
    turn: u64,
    is_running: bool,
    is_in_turn: bool,
    is_waiting: bool,
    polled: Option<u32>,
    tasks: HashMap<u32, Task>,
    next_wake: u64,
    sources: Things,
    timers: Things,
    jobs: HashMap<u32, Job>,
    /// The state each hand-written future is in.
    states: HashMap<u64, Text>,
}

#[derive(Default)]
struct Task {
    stage: Stage,
    polls: u64,
    /// It is on the ready queue.
    is_queued: bool,
    /// The wakes since its last poll.
    wakes: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Alive,
    /// Its last poll was ready: it is done next.
    Ready,
    /// It is dropped: it is done next.
    Dropped,
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Queued,
    Running(u32),
    Ended,
}

/// Sources or timers: those that are there, and all there have been.
#[derive(Default)]
struct Things {
    alive: HashSet<u32>,
    known: HashSet<u32>,
}

type Checked = Result<(), String>;

/// A rule: what must hold, and what is said if it does not.
macro_rules! must {
    ($holds:expr, $($otherwise:tt)*) => {
        if !$holds {
            return Err(format!($($otherwise)*));
        }
    };
}

impl Check {
    fn line(&mut self, line: &Line) -> Checked {
        must!(line.seq == self.seq, "`seq` is {} where {} should come", line.seq, self.seq);
        self.seq += 1;
        let last = self.times.entry(line.thread).or_default();
        must!(line.time >= *last, "`t` falls from {last} to {} in thread {}", line.time, line.thread);
        *last = line.time;
        let is_at_work = matches!(&line.fact, Fact::JobStart { .. } | Fact::JobEnd { .. });
        must!(line.thread == 0 || is_at_work, "a `{}` on a worker, where only jobs run", line.fact.kind());
        if let Fact::Dropped { number } = line.fact {
            must!(number > 0, "`dropped` says that nothing was");
            self.dropped += number;
        }
        // From here on the rules need all that came before.
        if self.dropped > 0 { Ok(()) } else { self.order(line).and_then(|()| self.fact(line)) }
    }

    /// The end of the file.
    fn end(&self) -> Checked {
        must!(self.dropped > 0 || self.polled.is_none(), "the recording ends in the middle of a poll");
        must!(self.dropped > 0 || !self.is_in_turn, "the recording ends in the middle of turn {}", self.turn);
        must!(self.dropped > 0 || !self.is_running, "the recording ends before the run does");
        Ok(())
    }

    /// Runs, turns, waits and polls.
    fn order(&mut self, line: &Line) -> Checked {
        let kind = line.fact.kind();
        must!(!self.is_waiting || kind == "wait_end", "a `{kind}` while the loop is asleep");
        let turn = self.turn + u64::from(kind == "turn_begin");
        must!(line.turn == turn, "`turn` is {} where {turn} should come", line.turn);
        self.turn = turn;
        match &line.fact {
            Fact::RunBegin { .. } => {
                must!(!self.is_running, "a run begins inside another");
                must!(!self.is_in_turn, "a run begins inside a turn");
                self.is_running = true;
            }
            Fact::RunEnd { .. } => {
                must!(self.is_running, "a run ends that has not begun");
                must!(!self.is_in_turn, "a run ends inside a turn");
                self.is_running = false;
            }
            Fact::TurnBegin { .. } => {
                must!(!self.is_in_turn, "a turn begins inside another");
                self.is_in_turn = true;
            }
            Fact::TurnEnd { .. } => {
                must!(self.is_in_turn, "a turn ends that has not begun");
                must!(self.polled.is_none(), "a turn ends inside a poll");
                self.is_in_turn = false;
            }
            Fact::WaitBegin { .. } => {
                must!(self.is_in_turn && self.polled.is_none(), "the loop sleeps outside a turn, or inside a poll");
                self.is_waiting = true;
            }
            Fact::WaitEnd { .. } => {
                must!(self.is_waiting, "the loop wakes and has not slept");
                self.is_waiting = false;
            }
            Fact::PollBegin { .. } => {
                must!(self.is_in_turn, "a poll outside a turn");
                must!(self.polled.is_none(), "a poll begins inside another");
            }
            Fact::Readiness { .. } | Fact::TimerFire { .. } => {
                must!(self.is_in_turn && self.polled.is_none(), "a `{kind}` outside a turn, or inside a poll");
            }
            _ => {}
        }
        Ok(())
    }

    /// Tasks, sources, timers, jobs and states.
    fn fact(&mut self, line: &Line) -> Checked {
        match &line.fact {
            Fact::Spawn { task, parent, .. } => {
                self.known(*parent)?;
                must!(*task != 0 && !self.tasks.contains_key(task), "task {task} is spawned a second time");
                self.tasks.insert(*task, Task::default());
            }
            Fact::PollBegin { task, number, wakes, .. } => self.poll_begin(*task, *number, wakes.as_slice())?,
            Fact::PollEnd { task, ready, .. } => self.poll_end(*task, *ready)?,
            Fact::Drop { task } => {
                let ended = self.task(*task)?;
                must!(ended.stage == Stage::Alive, "task {task} is dropped and is not alive");
                ended.stage = Stage::Dropped;
            }
            Fact::Done { task, outcome } => self.done(*task, *outcome)?,
            Fact::Wake { wake, task, cause, effect } => self.wake(*wake, *task, *cause, *effect)?,
            Fact::State { future, task, from, to, .. } => {
                self.known(*task)?;
                let left = self.states.insert(*future, to.clone());
                must!(
                    left.as_ref().is_none_or(|state| state == from),
                    "future {future} leaves `{from}` and is in `{}`",
                    left.unwrap_or_default()
                );
            }
            Fact::SourceAdd { source, task, .. } => {
                self.known(*task)?;
                must!(self.sources.known.insert(*source), "source {source} is added a second time");
                self.sources.alive.insert(*source);
            }
            Fact::SourceDel { source } => {
                must!(self.sources.alive.remove(source), "source {source} is deregistered and not registered");
            }
            Fact::Readiness { source, stale, .. } => {
                must!(self.sources.known.contains(source), "source {source} is ready and was never there");
                let is_alive = self.sources.alive.contains(source);
                must!(!stale || !is_alive, "readiness of source {source} is stale and the source is there");
                must!(*stale || is_alive, "source {source} is ready and not there any more");
            }
            Fact::Io { source, task, .. } => {
                self.known(*task)?;
                must!(self.sources.alive.contains(source), "input or output on source {source}, which is not there");
            }
            Fact::TimerSet { timer, task, .. } => {
                self.known(*task)?;
                let is_new = self.timers.known.insert(*timer);
                must!(is_new || self.timers.alive.contains(timer), "timer {timer} is set again after its end");
                self.timers.alive.insert(*timer);
            }
            Fact::TimerFire { timer, .. } | Fact::TimerDel { timer } => {
                must!(self.timers.alive.remove(timer), "timer {timer} ends and is not set");
            }
            Fact::SemaphoreWait { task, .. }
            | Fact::SemaphoreTake { task, .. }
            | Fact::SemaphoreFree { task, .. }
            | Fact::Http { task, .. } => self.known(*task)?,
            Fact::Finding { finding } => self.known(finding.task)?,
            Fact::JobAdd { job, task, .. } => {
                self.known(*task)?;
                must!(self.jobs.insert(*job, Job::Queued).is_none(), "job {job} is added a second time");
            }
            Fact::JobStart { job, .. } => self.job_start(*job, line.thread)?,
            Fact::JobEnd { job, outcome } => self.job_end(*job, *outcome, line.thread)?,
            _ => {}
        }
        Ok(())
    }

    /// A task that has begun. The root is known from the first time it is mentioned.
    fn task(&mut self, task: u32) -> Result<&mut Task, String> {
        match self.tasks.entry(task) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) if task == 0 => Ok(entry.insert(Task::default())),
            Entry::Vacant(_) => Err(format!("task {task} is mentioned and was never spawned")),
        }
    }

    fn known(&mut self, task: Option<u32>) -> Checked {
        task.map_or(Ok(()), |task| self.task(task).map(|_| ()))
    }

    fn poll_begin(&mut self, id: u32, number: u64, wakes: &[u64]) -> Checked {
        self.polled = Some(id);
        let task = self.task(id)?;
        must!(task.stage == Stage::Alive, "task {id} is polled and is not alive");
        must!(task.polls == number, "task {id} is polled, by its number, {number} times before: it was {}", task.polls);
        must!(
            task.wakes == wakes,
            "the poll of task {id} is said to come of the wakes {wakes:?}: those since the last one are {:?}",
            task.wakes
        );
        task.polls += 1;
        task.is_queued = false;
        task.wakes.clear();
        Ok(())
    }

    fn poll_end(&mut self, id: u32, ready: bool) -> Checked {
        must!(self.polled.take() == Some(id), "a poll of task {id} ends and has not begun");
        // The root may be followed by another one.
        if ready && id != 0 {
            self.task(id)?.stage = Stage::Ready;
        }
        Ok(())
    }

    fn done(&mut self, id: u32, outcome: TaskOutcome) -> Checked {
        let task = self.task(id)?;
        let wanted = if outcome == TaskOutcome::Aborted { Stage::Dropped } else { Stage::Ready };
        must!(task.stage == wanted, "task {id} ends {}, which does not follow", outcome.word());
        *task = Task { stage: Stage::Ended, ..Task::default() };
        Ok(())
    }

    fn wake(&mut self, wake: u64, id: u32, cause: Cause, effect: WakeOutcome) -> Checked {
        must!(wake == self.next_wake, "the wake's number is {wake} where {} should come", self.next_wake);
        self.next_wake += 1;
        match cause {
            Cause::Source(source) => {
                must!(self.sources.known.contains(&source), "woken by source {source}, never there")
            }
            Cause::Timer(timer) => must!(self.timers.known.contains(&timer), "woken by timer {timer}, never set"),
            Cause::Job(job) => must!(self.jobs.contains_key(&job), "woken by job {job}, never added"),
            Cause::Task(task) => self.known(Some(task))?,
            Cause::SelfWake | Cause::Spawn | Cause::External => {}
        }
        let task = self.task(id)?;
        let is_alive = task.stage == Stage::Alive;
        match effect {
            WakeOutcome::Queued => {
                must!(is_alive, "task {id} is queued and not alive");
                must!(!task.is_queued, "task {id} is queued a second time");
                task.is_queued = true;
            }
            // It may have been queued without a word: to be dropped, or by whoever observed.
            WakeOutcome::Coalesced => must!(is_alive, "a wake of task {id} is coalesced, and the task is not alive"),
            WakeOutcome::Stale => must!(!is_alive, "a wake of task {id} is stale, and the task is alive"),
        }
        if is_alive {
            task.wakes.push(wake);
        }
        Ok(())
    }

    fn job_start(&mut self, id: u32, worker: u32) -> Checked {
        must!(worker > 0, "job {id} starts on the loop's thread");
        must!(self.jobs.get(&id) == Some(&Job::Queued), "job {id} starts and is not queued");
        must!(
            self.workers.insert(worker, Some(id)).flatten().is_none(),
            "worker {worker} takes job {id} and is not done with its last one"
        );
        self.jobs.insert(id, Job::Running(worker));
        Ok(())
    }

    fn job_end(&mut self, id: u32, outcome: JobOutcome, worker: u32) -> Checked {
        let was = self.jobs.insert(id, Job::Ended);
        if outcome == JobOutcome::Cancelled {
            must!(worker == 0 && was == Some(Job::Queued), "job {id} is cancelled and not queued");
            return Ok(());
        }
        must!(was == Some(Job::Running(worker)), "job {id} ends on worker {worker}, which has not taken it");
        self.workers.insert(worker, None);
        Ok(())
    }
}
