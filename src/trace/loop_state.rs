//! The state of the loop at some point of a run, computed from the records up to that point.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use super::record::{Record, RecordKind};
use super::text::Text;
use crate::observe::WakeOutcome;

/// The state of the loop after some records. `Display` prints it as text.
///
/// ```
/// use glassloop::trace::{LoopState, Record, RecordKind};
///
/// let mut state = LoopState::default(); let kind = RecordKind::Spawn { task: 1, parent: Some(0), name: "hello".into(),
/// future: "Hello".into(), location: "a.rs:1:1".into() }; state.apply(&Record { seq: 0, time: 5, thread: 0, turn: 1,
/// kind }); assert_eq!(state.task_name(1), "task `hello`"); assert_eq!(state.task_name(0), "the root future");
/// ```
#[derive(Clone, Debug, Default)]
pub struct LoopState {
    /// The time of the last record.
    pub now: u64,
    /// The tasks that have not ended, without the root.
    pub tasks: BTreeMap<u32, TaskSnapshot>,
    /// The root future.
    pub root: TaskSnapshot,
    /// The ready queue, as far as the records show its order.
    pub ready: VecDeque<u32>,
    /// The registered sources.
    pub sources: BTreeMap<u32, SourceSnapshot>,
    /// The timers that are set.
    pub timers: BTreeMap<u32, TimerSnapshot>,
    /// The jobs that are queued or running.
    pub jobs: BTreeMap<u32, JobSnapshot>,
    /// How many tasks have been spawned with each name.
    names: HashMap<Text, usize>,
    /// The last tasks and jobs that ended, because later records may refer to them, for example a stale wake.
    ended_tasks: RecentlyEnded<TaskSnapshot>,
    ended_jobs: RecentlyEnded<JobSnapshot>,
}

/// The state of a task.
#[derive(Clone, Debug, Default)]
pub struct TaskSnapshot {
    /// The name.
    pub name: Text,
    /// Whether an earlier task had the same name.
    pub is_namesake: bool,
    /// The number of polls that have begun.
    pub polls: u64,
    /// Whether the task is being polled.
    pub is_polled: bool,
    /// What the task waits for, as reported by the last future that returned `Pending`.
    pub waiting_for: Text,
}

/// The state of a source.
#[derive(Clone, Debug)]
pub struct SourceSnapshot {
    /// The type of the source, for example `connection`.
    pub what: Text,
    /// The address of the peer, if it is known.
    pub peer: Option<SocketAddr>,
    /// The last readiness event, as a predicate: `became readable`.
    pub readiness: &'static str,
}

/// The state of a timer.
#[derive(Clone, Copy, Debug)]
pub struct TimerSnapshot {
    /// The time at which it fires.
    pub deadline: u64,
    /// The task that set it.
    pub task: Option<u32>,
}

/// The state of a job.
#[derive(Clone, Debug, Default)]
pub struct JobSnapshot {
    /// The label.
    pub label: Text,
    /// The worker that runs it.
    pub worker: Option<u32>,
}

impl LoopState {
    /// Applies the next record.
    pub fn apply(&mut self, record: &Record) {
        self.now = self.now.max(record.time);
        match &record.kind {
            // No `wake` record precedes the first poll of the root future.
            RecordKind::RunBegin { .. } => self.ready.push_back(0),
            RecordKind::Spawn { task, name, .. } => self.spawn(*task, name),
            RecordKind::Done { task, .. } => {
                self.ready.retain(|ready| ready != task);
                if let Some(ended) = self.tasks.remove(task) {
                    self.ended_tasks.insert(*task, ended);
                }
            }
            RecordKind::Wake { task, effect: WakeOutcome::Queued, .. } => {
                self.ready.retain(|ready| ready != task);
                self.ready.push_back(*task);
            }
            RecordKind::PollBegin { task, number, .. } => {
                self.ready.retain(|ready| ready != task);
                if let Some(task) = self.task_mut(*task) {
                    task.polls = number + 1;
                    task.is_polled = true;
                }
            }
            RecordKind::PollEnd { task, waiting_for, .. } => {
                if let Some(task) = self.task_mut(*task) {
                    task.waiting_for = waiting_for.clone();
                    task.is_polled = false;
                }
            }
            RecordKind::SourceAdd { source, what, peer, .. } => {
                let new = SourceSnapshot { what: what.clone(), peer: *peer, readiness: "registered" };
                self.sources.insert(*source, new);
            }
            RecordKind::SourceDel { source } => {
                self.sources.remove(source);
            }
            RecordKind::Readiness { source, .. } => {
                if let (Some(source), Some(readiness)) = (self.sources.get_mut(source), readiness_text(&record.kind)) {
                    source.readiness = readiness;
                }
            }
            RecordKind::TimerSet { timer, task, deadline } => {
                self.timers.insert(*timer, TimerSnapshot { deadline: *deadline, task: *task });
            }
            RecordKind::TimerFire { timer, .. } | RecordKind::TimerDel { timer } => {
                self.timers.remove(timer);
            }
            RecordKind::JobAdd { job, label, .. } => {
                self.jobs.insert(*job, JobSnapshot { label: label.clone(), worker: None });
            }
            RecordKind::JobStart { job, .. } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.worker = Some(record.thread);
                }
            }
            RecordKind::JobEnd { job, .. } => {
                if let Some(ended) = self.jobs.remove(job) {
                    self.ended_jobs.insert(*job, ended);
                }
            }
            _ => {}
        }
    }

    fn spawn(&mut self, id: u32, name: &Text) {
        // The table is limited, since a run may give each of a million tasks its own name.
        if self.names.len() > RecentlyEnded::<TaskSnapshot>::CAPACITY {
            self.names.clear();
        }
        let others = self.names.entry(name.clone()).or_default();
        let new = TaskSnapshot { name: name.clone(), is_namesake: *others > 0, ..TaskSnapshot::default() };
        *others += 1;
        self.tasks.insert(id, new);
    }

    fn task_mut(&mut self, id: u32) -> Option<&mut TaskSnapshot> {
        if id == 0 { Some(&mut self.root) } else { self.tasks.get_mut(&id) }
    }

    /// Returns the name of a task in a sentence. The id is added if an earlier task had the same name.
    pub fn task_name(&self, id: u32) -> String {
        if id == 0 {
            return "the root future".to_owned();
        }
        match self.tasks.get(&id).or_else(|| self.ended_tasks.get(id)) {
            None => format!("task {id}"),
            Some(TaskSnapshot { name, is_namesake: true, .. }) => format!("task `{name}` ({id})"),
            Some(TaskSnapshot { name, .. }) => format!("task `{name}`"),
        }
    }

    /// Returns the name of a job in a sentence.
    pub fn job_name(&self, id: u32) -> String {
        match self.jobs.get(&id).or_else(|| self.ended_jobs.get(id)) {
            None => format!("job {id}"),
            Some(job) => format!("job {id} (`{}`)", job.label),
        }
    }

    /// Returns the timer with the earliest deadline, and the deadline.
    pub fn next_timer(&self) -> Option<(u32, u64)> {
        self.timers.iter().map(|(id, timer)| (*id, timer.deadline)).min_by_key(|(_, deadline)| *deadline)
    }
}

/// Returns a readiness event as the predicate of a sentence: "source 3 became readable".
pub(super) fn readiness_text(readiness: &RecordKind) -> Option<&'static str> {
    let RecordKind::Readiness { readable, writable, read_closed, write_closed, error, .. } = *readiness else {
        return None;
    };
    Some(match (error, read_closed, write_closed, readable, writable) {
        (true, ..) => "reported an error",
        (_, true, true, ..) => "was closed in both directions",
        (_, true, ..) => "was closed for reading by the peer",
        (_, _, true, ..) => "was closed for writing",
        (_, _, _, true, true) => "became readable and writable",
        (_, _, _, true, false) => "became readable",
        (_, _, _, false, true) => "became writable",
        _ => "reported no new readiness",
    })
}

/// The tasks or jobs that ended last.
#[derive(Clone, Debug)]
struct RecentlyEnded<T> {
    by_id: HashMap<u32, T>,
    /// The ids in the order in which they ended.
    order: VecDeque<u32>,
}

impl<T> RecentlyEnded<T> {
    const CAPACITY: usize = 4096;

    fn insert(&mut self, id: u32, ended: T) {
        if self.order.len() == Self::CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(id);
        self.by_id.insert(id, ended);
    }

    fn get(&self, id: u32) -> Option<&T> {
        self.by_id.get(&id)
    }
}

impl<T> Default for RecentlyEnded<T> {
    fn default() -> RecentlyEnded<T> {
        RecentlyEnded { by_id: HashMap::new(), order: VecDeque::new() }
    }
}
