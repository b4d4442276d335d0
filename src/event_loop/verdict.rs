//! The deadlock verdict: nothing can ever wake the loop (I16).
//!
//! Most loops sleep for ever when the last thing that could wake them has been forgotten. This one knows what it waits
//! for: timers, sources that somebody waits on, jobs. If there is none of those, only a waker could wake it, and the
//! only wakers that are not lying in one of its own slots are those that somebody else keeps. When there is none of
//! those either, sleeping would be for ever.
//!
//! The verdict is never given in doubt: one clone of a waker in strange hands, in another thread or in a struct of the
//! program's own, and the loop sleeps as loops do. In that order: the clones are counted first, and then the notifier
//! is asked. A thread that woke and dropped its clone in between has left a notice that is found by the next step.

use std::fmt;
use std::sync::atomic::{Ordering, fence};

use super::core::Core;
use super::task::Slot;
use crate::observe::{Kind, TaskId, tell};
use crate::sync::any_foreign_sub_waker;

/// Why the loop gave up waiting: no task can ever be woken again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// All that were pending, the root first.
    pub tasks: Vec<StuckTask>,
}

/// A task that nothing will wake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckTask {
    /// Its id; the root's is [`TaskId::ROOT`].
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// What it waits for.
    pub waiting_for: &'static str,
    /// Where it was spawned; nothing for the root.
    pub spawned_at: Option<String>,
}

impl Core {
    /// Whether nothing can happen any more. The caller has seen that no task is ready.
    pub(super) fn is_deadlocked(&self) -> bool {
        let nothing_to_come = self.wheel.borrow().len() == self.background_timers.get()
            && !self.reactor.is_armed()
            && self.jobs.borrow().len() == 0;
        nothing_to_come && !self.is_any_waker_foreign() && {
            // What another thread pushed before it dropped its waker is visible from here on.
            fence(Ordering::Acquire);
            let is_unnotified = self.shared.notifier.start_polling();
            if is_unnotified {
                // Nobody has said anything, and nobody is left who could.
                self.shared.notifier.stop_polling();
            }
            is_unnotified
        }
    }

    fn is_any_waker_foreign(&self) -> bool {
        self.root.is_waker_foreign() || self.is_any_tasks_waker_foreign() || any_foreign_sub_waker()
    }

    fn is_any_tasks_waker_foreign(&self) -> bool {
        // The one that was found last time is the likeliest: a loop that lives on other threads' wakes need not look at
        // all its tasks before every sleep.
        let tasks = self.tasks.borrow();
        let is_foreign = |id| tasks.get(id).is_some_and(Slot::is_waker_foreign);
        if is_foreign(self.seen_foreign.get()) {
            return true;
        }
        let found = tasks.iter().find(|(_, slot)| slot.is_waker_foreign());
        self.seen_foreign.set(found.map_or(TaskId::ROOT, |(id, _)| id));
        found.is_some()
    }

    /// Who is stuck, and in what.
    pub(super) fn verdict(&self) -> Deadlock {
        let root = StuckTask {
            id: TaskId::ROOT,
            name: "root".to_owned(),
            waiting_for: self.root.waiting_for.get(),
            spawned_at: None,
        };
        let tasks = self.tasks.borrow();
        let others = tasks.iter().map(|(id, slot)| StuckTask {
            id,
            name: slot.name.to_string(),
            waiting_for: slot.waiting_for,
            spawned_at: Some(slot.location.to_string()),
        });
        let tasks: Vec<StuckTask> = std::iter::once(root).chain(others).collect();
        for stuck in &tasks {
            tell!(Kind::Diagnosis {
                what: "deadlock",
                task: Some(stuck.id),
                state: stuck.waiting_for,
                evidence: "no task is ready, no timer is set, no source is waited for, no job runs, and nobody holds a waker",
                advice: "look for whoever should have sent, woken or released what this task waits for",
            });
        }
        Deadlock { tasks }
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock: nothing can ever wake the loop again")?;
        for task in &self.tasks {
            write!(f, "; `{}` waits for {}", task.name, task.waiting_for)?;
            if let Some(place) = &task.spawned_at {
                write!(f, " (spawned at {place})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Deadlock {}
