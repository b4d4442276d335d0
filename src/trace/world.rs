//! What there is at a moment of a run: folded, line by line, from the recording.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use super::line::{Fact, Line, WakeOutcome};
use super::text::Text;

/// The loop's state after some lines.
///
/// ```
/// use glassloop::trace::{Fact, Line, World};
///
/// let mut world = World::default();
/// let spawn = Fact::Spawn { task: 1, parent: Some(0), name: "hello".into(), future: "Hello".into(), location: "a.rs:1:1".into() };
/// world.apply(&Line { seq: 0, time: 5, thread: 0, turn: 1, fact: spawn });
/// assert_eq!(world.task(1), "task `hello`");
/// assert_eq!(world.task(0), "the root future");
/// ```
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The time of the last line.
    pub now: u64,
    /// The tasks that are alive, without the root.
    pub tasks: BTreeMap<u32, Task>,
    /// The root future.
    pub root: Task,
    /// The tasks that will be polled, in their order, as far as they are known.
    pub ready: VecDeque<u32>,
    /// The sources that are registered.
    pub sources: BTreeMap<u32, Source>,
    /// The timers that are set.
    pub timers: BTreeMap<u32, Timer>,
    /// The jobs that are queued or running.
    pub jobs: BTreeMap<u32, Job>,
    /// Names that were given to more than one task.
    names: HashMap<Text, usize>,
    /// What ended last is remembered for a while: a wake may come too late, an event may.
    ended_tasks: Ended<Task>,
    ended_jobs: Ended<Job>,
}

/// A task.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its name.
    pub name: Text,
    /// Another task had the name before it.
    pub is_namesake: bool,
    /// Polls that have begun.
    pub polls: u64,
    /// It is being polled.
    pub is_polled: bool,
    /// What it waits for, in the words of the future that said so last.
    pub waiting_for: Text,
}

/// A source.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is.
    pub what: Text,
    /// The other side, if it is known.
    pub peer: Option<SocketAddr>,
    /// What it was last told to be ready for, in words.
    pub news: &'static str,
}

/// A timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// When it is due.
    pub deadline: u64,
    /// Whose it is.
    pub task: Option<u32>,
}

/// A job.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// What it does.
    pub label: Text,
    /// The worker that has taken it.
    pub worker: Option<u32>,
}

impl World {
    /// Goes on by one line.
    pub fn apply(&mut self, line: &Line) {
        self.now = self.now.max(line.time);
        match &line.fact {
            // `block_on` wakes its future without a word.
            Fact::RunBegin { .. } => self.ready.push_back(0),
            Fact::Spawn { task, name, .. } => self.spawn(*task, name),
            Fact::Done { task, .. } => {
                self.ready.retain(|ready| ready != task);
                if let Some(ended) = self.tasks.remove(task) {
                    self.ended_tasks.keep(*task, ended);
                }
            }
            Fact::Wake { task, effect: WakeOutcome::Queued, .. } => {
                self.ready.retain(|ready| ready != task);
                self.ready.push_back(*task);
            }
            Fact::PollBegin { task, number, .. } => {
                self.ready.retain(|ready| ready != task);
                if let Some(task) = self.task_mut(*task) {
                    task.polls = number + 1;
                    task.is_polled = true;
                }
            }
            Fact::PollEnd { task, waiting_for, .. } => {
                if let Some(task) = self.task_mut(*task) {
                    task.waiting_for = waiting_for.clone();
                    task.is_polled = false;
                }
            }
            Fact::SourceAdd { source, what, peer, .. } => {
                let new = Source { what: what.clone(), peer: *peer, news: "registered" };
                self.sources.insert(*source, new);
            }
            Fact::SourceDel { source } => {
                self.sources.remove(source);
            }
            Fact::Readiness { source, .. } => {
                if let (Some(source), Some(news)) = (self.sources.get_mut(source), news(&line.fact)) {
                    source.news = news;
                }
            }
            Fact::TimerSet { timer, task, deadline } => {
                self.timers.insert(*timer, Timer { deadline: *deadline, task: *task });
            }
            Fact::TimerFire { timer, .. } | Fact::TimerDel { timer } => {
                self.timers.remove(timer);
            }
            Fact::JobAdd { job, label, .. } => {
                self.jobs.insert(*job, Job { label: label.clone(), worker: None });
            }
            Fact::JobStart { job, .. } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.worker = Some(line.thread);
                }
            }
            Fact::JobEnd { job, .. } => {
                if let Some(ended) = self.jobs.remove(job) {
                    self.ended_jobs.keep(*job, ended);
                }
            }
            _ => {}
        }
    }

    fn spawn(&mut self, id: u32, name: &Text) {
        // Names that each belong to one task of a million are not all remembered.
        if self.names.len() > Ended::<Task>::MOST {
            self.names.clear();
        }
        let others = self.names.entry(name.clone()).or_default();
        let new = Task { name: name.clone(), is_namesake: *others > 0, ..Task::default() };
        *others += 1;
        self.tasks.insert(id, new);
    }

    fn task_mut(&mut self, id: u32) -> Option<&mut Task> {
        if id == 0 { Some(&mut self.root) } else { self.tasks.get_mut(&id) }
    }

    /// What a task is called in a sentence.
    pub fn task(&self, id: u32) -> String {
        if id == 0 {
            return "the root future".to_owned();
        }
        match self.tasks.get(&id).or_else(|| self.ended_tasks.get(id)) {
            None => format!("task {id}"),
            Some(Task { name, is_namesake: true, .. }) => format!("task `{name}` ({id})"),
            Some(Task { name, .. }) => format!("task `{name}`"),
        }
    }

    /// What a job is called in a sentence.
    pub fn job(&self, id: u32) -> String {
        match self.jobs.get(&id).or_else(|| self.ended_jobs.get(id)) {
            None => format!("job {id}"),
            Some(job) => format!("job {id} (`{}`)", job.label),
        }
    }

    /// The timer that is due first, and when.
    pub fn next_timer(&self) -> Option<(u32, u64)> {
        self.timers.iter().map(|(id, timer)| (*id, timer.deadline)).min_by_key(|(_, deadline)| *deadline)
    }
}

/// What readiness says, as the end of "source 3 …".
pub(super) fn news(readiness: &Fact) -> Option<&'static str> {
    let Fact::Readiness { readable, writable, read_closed, write_closed, error, .. } = *readiness else { return None };
    Some(match (error, read_closed, write_closed, readable, writable) {
        (true, ..) => "failed",
        (_, true, true, ..) => "was closed by both sides",
        (_, true, ..) => "was ended by the other side",
        (_, _, true, ..) => "takes nothing more",
        (_, _, _, true, true) => "became readable and writable",
        (_, _, _, true, false) => "became readable",
        (_, _, _, false, true) => "became writable",
        _ => "was looked at",
    })
}

/// The last things of a kind that have ended.
#[derive(Clone, Debug)]
struct Ended<T> {
    things: HashMap<u32, T>,
    order: VecDeque<u32>,
}

impl<T> Ended<T> {
    const MOST: usize = 4096;

    fn keep(&mut self, id: u32, thing: T) {
        if self.order.len() == Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.things.remove(&oldest);
        }
        self.order.push_back(id);
        self.things.insert(id, thing);
    }

    fn get(&self, id: u32) -> Option<&T> {
        self.things.get(&id)
    }
}

impl<T> Default for Ended<T> {
    fn default() -> Ended<T> {
        Ended { things: HashMap::new(), order: VecDeque::new() }
    }
}
