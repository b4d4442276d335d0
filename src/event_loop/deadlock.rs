//! Deadlock detection: the loop detects that no task can ever be woken again (I16).
//!
//! Most event loops block for ever if the last waker is lost. This one keeps track of everything that can wake it:
//! timers, sources that tasks wait for, jobs, and wakers. A waker is either in a waker slot, where only code of this
//! thread can call it, or it is external: held by another thread, or in a struct of the program. If there are no
//! timers, waits, jobs or external wakers, blocking would never end.
//!
//! There are no false positives. While an external waker exists, the loop blocks like any other, but checks again at
//! intervals, since a waker can be dropped without being called. The wakers are counted before the notifier is checked: a
//! thread that woke a task and dropped its waker in between has set `NOTIFIED`, which the second step finds.
//!
//! The virtual clock uses the same check before it jumps to a deadline.

use std::fmt;
use std::sync::atomic::{Ordering, fence};

use super::core::Core;
use super::task::Task;
use crate::observe::{EventKind, TaskId, emit};
use crate::sync::is_any_child_waker_external;

/// A deadlock: no pending task can ever be woken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// All pending tasks, the root task first.
    pub tasks: Vec<StuckTask>,
}

/// A pending task that can never be woken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckTask {
    /// The id of the task; [`TaskId::ROOT`] for the root task.
    pub id: TaskId,
    /// The name of the task.
    pub name: String,
    /// What the task waits for.
    pub waiting_for: &'static str,
    /// Where the task was spawned; `None` for the root task.
    pub spawned_at: Option<String>,
}

/// What may wake the loop, other than a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PendingWake {
    /// Nothing.
    None,
    /// An external waker, which may be dropped without being called.
    ExternalWaker,
    /// A source for which it is not known whether a task still waits: see `waiting.rs`.
    UnverifiedWait,
    /// A job, or a source that a task waits for.
    JobOrSource,
}

impl Core {
    /// Returns what may wake the loop, if no task is ready.
    pub(super) fn pending_wake(&self) -> PendingWake {
        let waits = self.reactor.waits();
        if self.jobs.outstanding() > 0 || waits.is_confirmed() {
            return PendingWake::JobOrSource;
        }
        if waits.is_any_armed() {
            return PendingWake::UnverifiedWait;
        }
        if self.is_any_task_waker_external() || is_any_child_waker_external() {
            return PendingWake::ExternalWaker;
        }
        // If another thread sent a message before it dropped its waker, the message is visible from here on.
        fence(Ordering::Acquire);
        if !self.remote.notifier.begin_park() {
            return PendingWake::ExternalWaker; // a waker has been called
        }
        self.remote.notifier.end_park();
        PendingWake::None
    }

    fn is_any_task_waker_external(&self) -> bool {
        // The task that was found last is checked first, so that a loop that is woken by other threads need not check all
        // of its tasks each time.
        let tasks = self.tasks.borrow();
        if tasks.get(self.last_with_external_waker.get()).is_some_and(Task::has_external_waker) {
            return true;
        }
        let found = tasks.iter().find(|(_, task)| task.has_external_waker());
        self.last_with_external_waker.set(found.map_or(TaskId::ROOT, |(id, _)| id));
        found.is_some()
    }

    /// Returns the pending tasks and what they wait for, and emits a finding for each.
    pub(super) fn deadlock_report(&self) -> Deadlock {
        let stuck = |(id, task): (TaskId, &Task)| StuckTask {
            id,
            name: task.name.to_string(),
            waiting_for: task.waiting_for,
            spawned_at: task.location.map(ToString::to_string),
        };
        let tasks: Vec<StuckTask> = self.tasks.borrow().iter().map(stuck).collect();
        for stuck in &tasks {
            emit!(EventKind::Finding {
                what: "deadlock",
                task: Some(stuck.id),
                state: stuck.waiting_for,
                evidence: "no task is ready, no timer is set, no task waits for a source, no job is queued or running, and no waker is held outside the loop",
                advice: "find the sender, waker or permit holder that this task waits for: it was dropped or has not run",
            });
        }
        Deadlock { tasks }
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock: no task can ever be woken again")?;
        for task in &self.tasks {
            // User-defined futures need not set a wait reason.
            let waiting_for = if task.waiting_for.is_empty() { "something" } else { task.waiting_for };
            write!(f, "; `{}` waits for {waiting_for}", task.name)?;
            if let Some(location) = &task.spawned_at {
                write!(f, " (spawned at {location})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Deadlock {}
