//! Converts a recording to a timeline for [Perfetto](https://ui.perfetto.dev), in Chrome's trace event format.
//!
//! Process 1 contains the loop and its workers: turns, and inside them waits, dispatches, timers and polls. Process 2
//! has a track for each task: the task, the states of its futures, and its waits. A flow, drawn as an arrow, leads from
//! the slice in which a waker was called to the poll that followed.
//!
//! The slices of a track must nest, and a flow must start and end strictly inside slices. The resolution of the clock
//! is too low for this, so events with the same timestamp are drawn one nanosecond apart.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Write};

use super::error::ReadError;
use super::loop_state::{LoopState, readiness_text};
use super::phrases::spaced;
use super::reader::Reader;
use super::record::{Record, RecordKind};
use super::task_tracks::TaskTracks;
use super::trace_events::{TraceEventWriter, TrackId};
use super::values::{RecordedCause, RecordedIoOutcome};
use crate::observe::{LoopMetrics, WakeOutcome};

/// The track of the loop's thread.
const LOOP: TrackId = TrackId { process: 1, thread: 1 };

/// Writes the timeline of a recording, up to the first error in the recording. Returns that error, if there is one.
///
/// # Errors
/// If `out` cannot be written to.
pub fn write_perfetto<R: BufRead>(reader: &mut Reader<R>, out: impl Write) -> io::Result<Option<ReadError>> {
    let mut timeline = Timeline::new(TraceEventWriter::new(out)?)?;
    for record in reader {
        match record {
            Ok(record) => timeline.add(&record)?,
            Err(error) => return timeline.finish().map(|()| Some(error)),
        }
    }
    timeline.finish().map(|()| None)
}

struct Timeline<W> {
    out: TraceEventWriter<W>,
    state: LoopState,
    tasks: TaskTracks,
    /// The time of the last event on the loop's track.
    now: u64,
    /// The beginning of the current turn.
    turn: Option<u64>,
    /// The current slice inside the turn.
    slice: Option<LoopSlice>,
    workers: HashMap<u32, Worker>,
    /// The job whose end was recorded last, and the start of a flow from its slice.
    ended_job: Option<(u32, FlowStart)>,
    /// The starts of flows to the next poll of each task.
    flow_starts: HashMap<u32, Vec<FlowStart>>,
    metrics: Option<LoopMetrics>,
}

/// A slice on the loop's track that has not ended.
struct LoopSlice {
    kind: LoopSliceKind,
    name: String,
    began: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LoopSliceKind {
    Wait,
    /// The dispatch of a readiness event or a timer. It ends with the first event that is not one of its wakes.
    Dispatch,
    Poll,
    /// The end of a task: its future is dropped.
    End,
}

/// The track of a worker.
#[derive(Default)]
struct Worker {
    /// The time of the last event on the track.
    now: u64,
    /// The current job, and its beginning.
    job: Option<(u32, u64)>,
}

/// The start of a flow, for one wake.
#[derive(Clone, Copy)]
struct FlowStart {
    wake: u64,
    track: TrackId,
    at: u64,
}

impl<W: Write> Timeline<W> {
    fn new(mut out: TraceEventWriter<W>) -> io::Result<Timeline<W>> {
        out.name_process(1, "the loop and its workers")?;
        out.name_process(2, "tasks")?;
        out.name_track(LOOP, "the loop", 0)?;
        Ok(Timeline {
            out,
            state: LoopState::default(),
            tasks: TaskTracks::default(),
            now: 0,
            turn: None,
            slice: None,
            workers: HashMap::new(),
            ended_job: None,
            flow_starts: HashMap::new(),
            metrics: None,
        })
    }

    fn add(&mut self, record: &Record) -> io::Result<()> {
        self.state.apply(record);
        match &record.kind {
            RecordKind::JobStart { job, .. } => self.job_start(record, *job),
            RecordKind::JobEnd { job, .. } if record.thread > 0 => self.job_end(record, *job),
            _ => self.add_loop_event(record),
        }
    }

    /// Adds an event of the loop's thread.
    fn add_loop_event(&mut self, record: &Record) -> io::Result<()> {
        self.now = record.time.max(self.now + 1);
        let now = self.now;
        let is_inside = matches!(record.kind, RecordKind::Wake { .. } | RecordKind::Finding { .. });
        if !is_inside && self.slice.as_ref().is_some_and(|slice| slice.kind == LoopSliceKind::Dispatch) {
            self.end_slice()?;
        }
        match &record.kind {
            RecordKind::RunBegin { .. } => self.tasks.begin(&mut self.out, 0, "the root future", now),
            RecordKind::RunEnd { .. } => self.tasks.end(&mut self.out, 0, now),
            RecordKind::TurnBegin { metrics } => {
                self.turn = Some(now);
                self.count(*metrics)
            }
            RecordKind::TurnEnd { .. } => self.turn_end(record.turn),
            RecordKind::WaitBegin { .. } => self.begin_slice(LoopSliceKind::Wait, "wait".to_owned()),
            RecordKind::WaitEnd { .. } => self.end_slice(),
            RecordKind::Readiness { source, .. } => {
                let readiness = readiness_text(&record.kind).unwrap_or_default();
                self.begin_slice(LoopSliceKind::Dispatch, format!("source {source} {readiness}"))
            }
            RecordKind::TimerFire { timer, .. } => self.begin_slice(LoopSliceKind::Dispatch, format!("timer {timer}")),
            RecordKind::Spawn { task, name, .. } => self.tasks.begin(&mut self.out, *task, name, now),
            RecordKind::PollBegin { task, wakes, .. } => self.poll_begin(*task, wakes.as_slice()),
            RecordKind::PollEnd { task, ready: true, .. } if *task != 0 => self.begin_end_of_task(*task),
            RecordKind::PollEnd { task, waiting_for, .. } => {
                self.end_slice()?;
                self.tasks.begin_wait(&mut self.out, *task, waiting_for, now)
            }
            RecordKind::Drop { task } => self.begin_end_of_task(*task),
            RecordKind::Done { task, .. } => {
                self.end_slice()?;
                self.flow_starts.remove(task);
                self.tasks.end(&mut self.out, *task, now)
            }
            RecordKind::State { future, of, task, to, .. } => {
                let next_state = (&**to != "Done").then(|| format!("{of} {to}"));
                self.tasks.change_state(&mut self.out, *future, *task, next_state, now)
            }
            RecordKind::Wake { effect: WakeOutcome::Stale, .. } => Ok(()),
            RecordKind::Wake { wake, task, cause, .. } => {
                self.start_flow(*wake, *task, *cause);
                Ok(())
            }
            _ => self.instant(record),
        }
    }

    /// Adds an event without a duration.
    fn instant(&mut self, record: &Record) -> io::Result<()> {
        let (task, text) = match &record.kind {
            RecordKind::Io { task, operation, outcome, source } => {
                let outcome = match outcome {
                    RecordedIoOutcome::Bytes(bytes) => format!("{bytes} bytes"),
                    RecordedIoOutcome::WouldBlock => "would block".to_owned(),
                    RecordedIoOutcome::EndOfFile => "end of stream".to_owned(),
                    RecordedIoOutcome::Failed(error) => spaced(error),
                };
                (*task, format!("{} source {source}: {outcome}", operation.as_str()))
            }
            RecordKind::Http { task, exchange, step } => (*task, format!("exchange {exchange}: {}", step.as_str())),
            RecordKind::Finding { finding } => {
                (finding.task, format!("{}: {}", spaced(&finding.what), finding.evidence))
            }
            RecordKind::Mark { text } => (None, text.to_string()),
            RecordKind::Dropped { number } => (None, format!("{number} events are missing")),
            _ => return Ok(()),
        };
        let track = task.filter(|task| self.tasks.contains(*task)).map_or(LOOP, TaskTracks::id_of);
        self.out.instant(track, record.kind.name(), &text, self.now)
    }

    fn begin_slice(&mut self, kind: LoopSliceKind, name: String) -> io::Result<()> {
        self.end_slice()?;
        self.slice = Some(LoopSlice { kind, name, began: self.now });
        Ok(())
    }

    fn end_slice(&mut self) -> io::Result<()> {
        let Some(LoopSlice { kind, name, began }) = self.slice.take() else { return Ok(()) };
        let category = match kind {
            LoopSliceKind::Wait => "wait",
            LoopSliceKind::Dispatch => "dispatch",
            LoopSliceKind::Poll => "poll",
            LoopSliceKind::End => "end",
        };
        self.out.slice(LOOP, category, &name, began, self.now)
    }

    fn begin_end_of_task(&mut self, task: u32) -> io::Result<()> {
        self.begin_slice(LoopSliceKind::End, format!("end of {}", self.state.task_name(task)))
    }

    fn turn_end(&mut self, turn: u64) -> io::Result<()> {
        self.end_slice()?;
        match self.turn.take() {
            Some(began) => self.out.slice(LOOP, "turn", &format!("turn {turn}"), began, self.now),
            None => Ok(()),
        }
    }

    /// Remembers the start of a flow, if there is a slice to start in.
    fn start_flow(&mut self, wake: u64, task: u32, cause: RecordedCause) {
        let start = match cause {
            RecordedCause::External => None,
            RecordedCause::Job(job) => {
                self.ended_job.filter(|(ended, _)| *ended == job).map(|(_, start)| FlowStart { wake, ..start })
            }
            _ => self.slice.is_some().then_some(FlowStart { wake, track: LOOP, at: self.now }),
        };
        self.flow_starts.entry(task).or_default().extend(start);
    }

    fn poll_begin(&mut self, task: u32, wakes: &[u64]) -> io::Result<()> {
        self.end_slice()?;
        let starts = self.flow_starts.remove(&task).unwrap_or_default();
        let matching = || starts.iter().filter(|start| wakes.contains(&start.wake));
        // A flow must not end before it starts, and a worker's track may be a little ahead of the loop's.
        self.now = matching().map(|start| start.at + 1).fold(self.now, u64::max);
        self.tasks.end_wait(&mut self.out, task, self.now)?;
        let name = self.state.task_name(task);
        self.begin_slice(LoopSliceKind::Poll, name)?;
        self.now += 1; // strictly inside the poll
        for start in matching() {
            self.out.flow(start.track, start.at, LOOP, self.now)?;
        }
        Ok(())
    }

    fn job_start(&mut self, record: &Record, job: u32) -> io::Result<()> {
        let worker = self.workers.entry(record.thread).or_default();
        worker.now = record.time.max(worker.now);
        worker.job = Some((job, worker.now));
        self.out.name_track(worker_track(record.thread), &format!("worker {}", record.thread), record.thread.into())
    }

    fn job_end(&mut self, record: &Record, job: u32) -> io::Result<()> {
        let track = worker_track(record.thread);
        let worker = self.workers.entry(record.thread).or_default();
        let Some((_, began)) = worker.job.take() else { return Ok(()) };
        // A slice must be long enough for a flow to start strictly inside it.
        worker.now = record.time.max(began + 2);
        self.ended_job = Some((job, FlowStart { wake: 0, track, at: worker.now - 1 }));
        self.out.slice(track, "job", &self.state.job_name(job), began, worker.now)
    }

    fn count(&mut self, metrics: LoopMetrics) -> io::Result<()> {
        if self.metrics.replace(metrics) == Some(metrics) {
            return Ok(());
        }
        let now = self.now;
        let LoopMetrics { ready, tasks, timers, sources, jobs_queued, jobs_running } = metrics;
        self.out.counter(LOOP, "tasks", &[("alive", tasks), ("ready", ready)], now)?;
        self.out.counter(LOOP, "waited for", &[("sources", sources), ("timers", timers)], now)?;
        self.out.counter(LOOP, "jobs", &[("queued", jobs_queued), ("running", jobs_running)], now)
    }

    /// Ends all open slices at the time of the last event.
    fn finish(mut self) -> io::Result<()> {
        self.now += 1;
        self.end_slice()?;
        if let Some(began) = self.turn.take() {
            self.out.slice(LOOP, "turn", "turn, cut off", began, self.now)?;
        }
        for (thread, worker) in &self.workers {
            if let Some((job, began)) = worker.job {
                let name = format!("{}, cut off", self.state.job_name(job));
                self.out.slice(worker_track(*thread), "job", &name, began, self.now.max(began + 1))?;
            }
        }
        let tasks: HashSet<u32> = self.tasks.tasks().collect();
        for task in tasks {
            self.tasks.end(&mut self.out, task, self.now)?;
        }
        self.out.finish()
    }
}

fn worker_track(thread: u32) -> TrackId {
    TrackId { process: 1, thread: u64::from(thread) + 1 }
}
