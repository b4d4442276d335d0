//! What is noted during one poll of a task, for the findings: only while somebody observes.
//!
//! The loop clears the notes before the poll and looks at them after it. Between the two, the places where something
//! happens leave a word here: a waker was kept, a source said that it was ready, a future moved in from another task.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Weak;

use super::{EventKind, FutureId, SourceId, TaskId, current_task, emit_event, is_observed};

/// Futures of one task that are woken one by one.
pub(crate) trait WokenChildren {
    /// How many have been woken and not polled since, if this task polled them last and it can be said for certain.
    fn woken(&self, task: TaskId) -> usize;
}

#[derive(Default)]
struct Notes {
    /// Something was read or written, a timer was touched, a state changed.
    made_progress: Cell<bool>,
    /// A waker was kept somewhere.
    stored_waker: Cell<bool>,
    /// The source that said last that it is ready, and whether for reading.
    ready: Cell<Option<(SourceId, bool)>>,
    /// The task that was awaited last.
    awaited: Cell<Option<TaskId>>,
    /// Futures that another task polled before.
    task_changes: RefCell<Vec<(FutureId, TaskId)>>,
    /// Groups of children, by the tasks that have polled them.
    groups: RefCell<HashMap<TaskId, Vec<Weak<dyn WokenChildren>>>>,
}

thread_local! {
    static NOTES: Notes = Notes::default();
}

/// A poll begins.
pub(crate) fn clear() {
    NOTES.with(|notes| {
        notes.made_progress.set(false);
        notes.stored_waker.set(false);
        notes.ready.set(None);
        notes.awaited.set(None);
        notes.task_changes.borrow_mut().clear();
    });
}

/// An event is told: some kinds show that the task is getting on.
pub(super) fn record_event(kind: &EventKind<'_>) {
    let made_progress = matches!(
        kind,
        EventKind::Io { .. } | EventKind::TimerSet { .. } | EventKind::TimerDel { .. } | EventKind::State { .. }
    );
    if made_progress {
        NOTES.with(|notes| notes.made_progress.set(true));
    }
}

/// A waker is kept.
#[inline]
pub(crate) fn record_waker_stored() {
    if is_observed() {
        NOTES.with(|notes| notes.stored_waker.set(true));
    }
}

/// A source is ready, and says so to whoever asks.
#[inline]
pub(crate) fn record_ready(source: SourceId, for_reading: bool) {
    if is_observed() {
        NOTES.with(|notes| notes.ready.set(Some((source, for_reading))));
    }
}

/// The task yields to the others to go on with its work later, or has woken a waiter.
#[inline]
pub(crate) fn record_progress() {
    if is_observed() {
        NOTES.with(|notes| notes.made_progress.set(true));
    }
}

/// The end of a task is awaited.
#[inline]
pub(crate) fn record_awaited(task: TaskId) {
    if is_observed() {
        NOTES.with(|notes| notes.awaited.set(Some(task)));
    }
}

/// A future is polled by another task than before.
pub(super) fn record_task_change(future: FutureId, from: TaskId) {
    NOTES.with(|notes| notes.task_changes.borrow_mut().push((future, from)));
}

/// A group of children is polled by this task for the first time.
pub(crate) fn add_children(task: TaskId, group: Weak<dyn WokenChildren>) {
    NOTES.with(|notes| notes.groups.borrow_mut().entry(task).or_default().push(group));
}

/// The task has ended.
pub(crate) fn forget(task: TaskId) {
    let groups = NOTES.with(|notes| notes.groups.borrow_mut().remove(&task));
    drop(groups);
}

/// Whether the task was getting on.
pub(crate) fn made_progress() -> bool {
    NOTES.with(|notes| notes.made_progress.get())
}

/// Whether a waker was kept.
pub(crate) fn stored_waker() -> bool {
    NOTES.with(|notes| notes.stored_waker.get())
}

/// The source that said last that it is ready, and whether for reading.
pub(crate) fn last_ready() -> Option<(SourceId, bool)> {
    NOTES.with(|notes| notes.ready.get())
}

/// The task that was awaited last.
pub(crate) fn last_awaited() -> Option<TaskId> {
    NOTES.with(|notes| notes.awaited.get())
}

/// The future that moved in from another task, and which.
pub(crate) fn last_task_change() -> Option<(FutureId, TaskId)> {
    NOTES.with(|notes| notes.task_changes.borrow().last().copied())
}

/// Children of this task that were woken and not polled since.
pub(crate) fn woken_children(task: TaskId) -> usize {
    NOTES.with(|notes| {
        let mut groups = notes.groups.borrow_mut();
        let Some(groups) = groups.get_mut(&task) else { return 0 };
        groups.retain(|group| group.strong_count() > 0);
        groups.iter().filter_map(Weak::upgrade).map(|group| group.woken(task)).sum()
    })
}

/// A future was polled that had answered already: says so to whoever observes, and panics.
///
/// For the last state of a hand-written future.
///
/// # Panics
/// Always.
#[cold]
#[track_caller]
pub fn polled_after_ready(future: &'static str) -> ! {
    if is_observed() {
        emit_event(EventKind::Finding {
            what: "poll_after_ready",
            task: current_task(),
            state: "Done",
            evidence: &format!("`{future}` had answered that it is ready, and was polled again"),
            advice: "drop a future when it is ready, or keep it in something that remembers that it is",
        });
    }
    panic!("`{future}` polled after it was ready");
}
