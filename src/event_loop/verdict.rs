//! The deadlock verdict: nothing can ever wake the loop (I16).
//!
//! Most loops sleep for ever when the last thing that could wake them has been forgotten. This one knows what it waits
//! for: timers, sources that somebody waits on, jobs. If there is none of those, only a waker could wake it, and the
//! only wakers that are not lying in one of its own slots are those that somebody else keeps. When there is none of
//! those either, sleeping would be for ever.
//!
//! A deadlock is never reported in doubt. While one clone of a waker is held outside the loop, by another thread or in a
//! struct of the program's own, the loop sleeps as loops do, and checks again now and then, since a waker can be dropped
//! without being called. The clones are counted first, and then the notifier is asked: a thread that woke a task and
//! dropped its clone in between has left a notice, which the second step finds.
//!
//! The virtual clock asks the same question before it jumps to a deadline.

use std::fmt;
use std::sync::atomic::{Ordering, fence};

use super::core::Core;
use super::task::Slot;
use crate::observe::{EventKind, TaskId, emit};
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

/// What may still wake the loop, other than a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    /// Nothing: it is left to its timers.
    Nothing,
    /// A waker that is held outside the loop, which can be dropped without being called.
    Waker,
    /// A source of which it is not known whether a task still waits for it: see `waiting.rs`.
    UnverifiedWait,
    /// A job, or a source that a task waits for.
    JobOrSource,
}

impl Core {
    /// What may still wake the loop. The caller has seen that no task is ready.
    pub(super) fn outside(&self) -> Outside {
        let waits = self.reactor.waits();
        if self.jobs.borrow().outstanding() > 0 || waits.is_confirmed() {
            return Outside::JobOrSource;
        }
        if waits.is_any_armed() {
            return Outside::UnverifiedWait;
        }
        if self.is_any_waker_foreign() {
            return Outside::Waker;
        }
        // What another thread pushed before it dropped its waker is visible from here on.
        fence(Ordering::Acquire);
        if !self.shared.notifier.start_polling() {
            return Outside::Waker; // it has been called
        }
        // Nobody has said anything, and nobody is left who could.
        self.shared.notifier.stop_polling();
        Outside::Nothing
    }

    /// Whether no timer is set, other than in the background.
    pub(super) fn is_no_timer_set(&self) -> bool {
        self.wheel.borrow().len() == self.background_timers.get()
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
            emit!(EventKind::Finding {
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
            // A future of the program's own need not say what it waits for.
            let waiting_for = if task.waiting_for.is_empty() { "something" } else { task.waiting_for };
            write!(f, "; `{}` waits for {waiting_for}", task.name)?;
            if let Some(place) = &task.spawned_at {
                write!(f, " (spawned at {place})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Deadlock {}
