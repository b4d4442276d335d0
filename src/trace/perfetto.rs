//! A recording as a timeline for [Perfetto](https://ui.perfetto.dev), in the trace event format of Chrome.
//!
//! Process 1 is the loop, with its workers: turns, and in them waits, dispatches, timers and polls. Process 2 has a
//! thread for each task: its life, the states of the futures in it, and what it waits for. An arrow leads from the slice
//! in which a waker was called to the poll that this led to.
//!
//! Slices of one thread must lie inside each other or apart, and an arrow must begin strictly inside a slice and end
//! inside one. A clock is too coarse for that: what happens within a nanosecond of it is drawn a nanosecond apart.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Write};

use super::events::{Events, Place};
use super::line::{Cause, Fact, IoOutcome, Line, LoopMetrics, WakeOutcome};
use super::reader::{ReadError, Reader};
use super::tracks::Tracks;
use super::words::spaced;
use super::world::{World, news};

/// The loop's thread.
const LOOP: Place = Place { process: 1, thread: 1 };

/// Writes the timeline of a recording, as far as that is sound.
///
/// What comes back is the fault that ended it, if one did.
///
/// # Errors
/// If `out` cannot be written to.
pub fn perfetto<R: BufRead>(reader: &mut Reader<R>, out: impl Write) -> io::Result<Option<ReadError>> {
    let mut timeline = Timeline::new(Events::new(out)?)?;
    for line in reader {
        match line {
            Ok(line) => timeline.line(&line)?,
            Err(fault) => return timeline.end().map(|()| Some(fault)),
        }
    }
    timeline.end().map(|()| None)
}

struct Timeline<W> {
    events: Events<W>,
    world: World,
    tracks: Tracks,
    /// The time at which the last event of the loop's thread was drawn.
    now: u64,
    /// When the turn began.
    turn: Option<u64>,
    /// What the loop is at within the turn.
    step: Option<Step>,
    /// The time at which the last event of each worker was drawn, and the job it is at.
    workers: HashMap<u32, Worker>,
    /// The job whose end was heard of last, and where an arrow from it begins.
    job: Option<(u32, Departure)>,
    /// Where the wakes came from that no poll has answered, by task.
    wakes: HashMap<u32, Vec<Departure>>,
    counts: Option<LoopMetrics>,
}

/// A slice that is open on the loop's thread, inside the turn.
struct Step {
    kind: StepKind,
    name: String,
    began: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepKind {
    Wait,
    /// A source or a timer: it is over when something else than a wake happens.
    Dispatch,
    Poll,
    /// The end of a task: what it held is dropped.
    End,
}

#[derive(Default)]
struct Worker {
    now: u64,
    job: Option<(u32, u64)>,
}

/// Where an arrow begins.
#[derive(Clone, Copy)]
struct Departure {
    wake: u64,
    from: Place,
    at: u64,
}

impl<W: Write> Timeline<W> {
    fn new(mut events: Events<W>) -> io::Result<Timeline<W>> {
        events.name_process(1, "the loop and its workers")?;
        events.name_process(2, "tasks")?;
        events.name_thread(LOOP, "the loop", 0)?;
        Ok(Timeline {
            events,
            world: World::default(),
            tracks: Tracks::default(),
            now: 0,
            turn: None,
            step: None,
            workers: HashMap::new(),
            job: None,
            wakes: HashMap::new(),
            counts: None,
        })
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.world.apply(line);
        match &line.fact {
            Fact::JobStart { job, .. } => self.job_starts(line, *job),
            Fact::JobEnd { job, .. } if line.thread > 0 => self.job_ends(line, *job),
            _ => self.loop_line(line),
        }
    }

    /// A line of the loop's own thread.
    fn loop_line(&mut self, line: &Line) -> io::Result<()> {
        self.now = line.time.max(self.now + 1);
        let now = self.now;
        let is_inside = matches!(line.fact, Fact::Wake { .. } | Fact::Finding { .. });
        if !is_inside && self.step.as_ref().is_some_and(|step| step.kind == StepKind::Dispatch) {
            self.end_step()?;
        }
        match &line.fact {
            Fact::RunBegin { .. } => self.tracks.begin(&mut self.events, 0, "the root future", now),
            Fact::RunEnd { .. } => self.tracks.end(&mut self.events, 0, now),
            Fact::TurnBegin { counts } => {
                self.turn = Some(now);
                self.count(*counts)
            }
            Fact::TurnEnd { .. } => {
                self.end_step()?;
                match self.turn.take() {
                    Some(began) => self.events.slice(LOOP, "turn", &format!("turn {}", line.turn), began, now),
                    None => Ok(()),
                }
            }
            Fact::WaitBegin { .. } => self.begin_step(StepKind::Wait, "wait".to_owned()),
            Fact::WaitEnd { .. } => self.end_step(),
            Fact::Readiness { source, .. } => {
                let news = news(&line.fact).unwrap_or_default();
                self.begin_step(StepKind::Dispatch, format!("source {source} {news}"))
            }
            Fact::TimerFire { timer, .. } => self.begin_step(StepKind::Dispatch, format!("timer {timer}")),
            Fact::Spawn { task, name, .. } => self.tracks.begin(&mut self.events, *task, name, now),
            Fact::PollBegin { task, wakes, .. } => self.poll_begins(*task, wakes.as_slice()),
            Fact::PollEnd { task, ready, waiting_for, .. } => {
                self.end_step()?;
                if *ready && *task != 0 {
                    self.begin_step(StepKind::End, format!("end of {}", self.world.task(*task)))
                } else {
                    self.tracks.waits(&mut self.events, *task, waiting_for, now)
                }
            }
            Fact::Drop { task } => {
                self.end_step()?;
                self.begin_step(StepKind::End, format!("end of {}", self.world.task(*task)))
            }
            Fact::Done { task, .. } => {
                self.end_step()?;
                self.wakes.remove(task);
                self.tracks.end(&mut self.events, *task, now)
            }
            Fact::State { future, of, task, to, .. } => {
                self.tracks.state(&mut self.events, *future, *task, &format!("{of} {to}"), &**to != "Done", now)
            }
            Fact::Wake { wake, task, cause, effect } => {
                if *effect != WakeOutcome::Stale {
                    self.wake(*wake, *task, *cause);
                }
                Ok(())
            }
            _ => self.instant(line),
        }
    }

    /// What has no duration.
    fn instant(&mut self, line: &Line) -> io::Result<()> {
        let (task, text) = match &line.fact {
            Fact::Io { task, operation, outcome, source } => {
                let outcome = match outcome {
                    IoOutcome::Bytes(bytes) => format!("{bytes} bytes"),
                    IoOutcome::WouldBlock => "would block".to_owned(),
                    IoOutcome::EndOfFile => "the end".to_owned(),
                    IoOutcome::Failed(error) => spaced(error),
                };
                (*task, format!("{} source {source}: {outcome}", operation.word()))
            }
            Fact::Http { task, exchange, step } => (*task, format!("exchange {exchange}: {}", step.word())),
            Fact::Finding { finding } => (finding.task, format!("{}: {}", spaced(&finding.what), finding.evidence)),
            Fact::Mark { text } => (None, text.to_string()),
            Fact::Dropped { number } => (None, format!("{number} events are missing")),
            _ => return Ok(()),
        };
        let place = task.filter(|task| self.tracks.is_open(*task)).map_or(LOOP, Tracks::place);
        self.events.instant(place, line.fact.kind(), &text, self.now)
    }

    fn begin_step(&mut self, kind: StepKind, name: String) -> io::Result<()> {
        self.end_step()?;
        self.step = Some(Step { kind, name, began: self.now });
        Ok(())
    }

    fn end_step(&mut self) -> io::Result<()> {
        let Some(Step { kind, name, began }) = self.step.take() else { return Ok(()) };
        let category = match kind {
            StepKind::Wait => "wait",
            StepKind::Dispatch => "dispatch",
            StepKind::Poll => "poll",
            StepKind::End => "end",
        };
        self.events.slice(LOOP, category, &name, began, self.now)
    }

    /// Notes where an arrow would begin, if there is a slice for it to begin in.
    fn wake(&mut self, wake: u64, task: u32, cause: Cause) {
        let departure = match cause {
            Cause::External => None,
            Cause::Job(job) => {
                self.job.filter(|(ended, _)| *ended == job).map(|(_, departure)| Departure { wake, ..departure })
            }
            _ => self.step.is_some().then_some(Departure { wake, from: LOOP, at: self.now }),
        };
        self.wakes.entry(task).or_default().extend(departure);
    }

    fn poll_begins(&mut self, task: u32, wakes: &[u64]) -> io::Result<()> {
        self.end_step()?;
        let departures = self.wakes.remove(&task).unwrap_or_default();
        let answered = || departures.iter().filter(|departure| wakes.contains(&departure.wake));
        // A worker's clock may be drawn a little ahead; an arrow leads forwards.
        self.now = answered().map(|departure| departure.at + 1).fold(self.now, u64::max);
        self.tracks.goes_on(&mut self.events, task, self.now)?;
        let name = self.world.task(task);
        self.begin_step(StepKind::Poll, name)?;
        self.now += 1; // inside the poll
        for departure in answered() {
            self.events.arrow(departure.from, departure.at, LOOP, self.now)?;
        }
        Ok(())
    }

    fn job_starts(&mut self, line: &Line, job: u32) -> io::Result<()> {
        let worker = self.workers.entry(line.thread).or_default();
        worker.now = line.time.max(worker.now);
        worker.job = Some((job, worker.now));
        self.events.name_thread(worker_place(line.thread), &format!("worker {}", line.thread), line.thread.into())
    }

    fn job_ends(&mut self, line: &Line, job: u32) -> io::Result<()> {
        let place = worker_place(line.thread);
        let worker = self.workers.entry(line.thread).or_default();
        let Some((_, began)) = worker.job.take() else { return Ok(()) };
        // Room for an arrow to begin strictly inside.
        worker.now = line.time.max(began + 2);
        self.job = Some((job, Departure { wake: 0, from: place, at: worker.now - 1 }));
        self.events.slice(place, "job", &self.world.job(job), began, worker.now)
    }

    fn count(&mut self, counts: LoopMetrics) -> io::Result<()> {
        if self.counts.replace(counts) == Some(counts) {
            return Ok(());
        }
        let now = self.now;
        self.events.counter(LOOP, "tasks", &[("alive", counts.tasks), ("ready", counts.ready)], now)?;
        self.events.counter(LOOP, "waited for", &[("sources", counts.sources), ("timers", counts.timers)], now)?;
        self.events.counter(LOOP, "jobs", &[("queued", counts.jobs_queued), ("running", counts.jobs_running)], now)
    }

    /// Closes what is open, at the last moment that is known.
    fn end(mut self) -> io::Result<()> {
        self.now += 1;
        self.end_step()?;
        if let Some(began) = self.turn.take() {
            self.events.slice(LOOP, "turn", "turn, cut off", began, self.now)?;
        }
        for (thread, worker) in &self.workers {
            if let Some((job, began)) = worker.job {
                let name = format!("{}, cut off", self.world.job(job));
                self.events.slice(worker_place(*thread), "job", &name, began, self.now.max(began + 1))?;
            }
        }
        let open: HashSet<u32> = self.tracks.open().collect();
        for task in open {
            self.tracks.end(&mut self.events, task, self.now)?;
        }
        self.events.finish()
    }
}

fn worker_place(thread: u32) -> Place {
    Place { process: 1, thread: u64::from(thread) + 1 }
}
