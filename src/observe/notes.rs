//! Notes about the current poll of a task, from which findings are computed. Taken only while the loop is observed.
//!
//! The notes are cleared before a poll and evaluated after it. During the poll, other modules note for example that a waker
//! was stored, that a source was found ready, or that a future was polled by another task before.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Weak;

use super::{EventKind, FutureId, SourceId, TaskId, current_task, emit_event, is_observed};

/// A group of child futures of a task, each of which has its own waker.
pub(crate) trait WokenChildren {
    /// Returns the number of children that have been woken and not polled since. Returns 0 if another task has polled the
    /// group last, or while a wake is in progress.
    fn woken(&self, task: TaskId) -> usize;
}

#[derive(Default)]
struct Notes {
    /// Whether the task did I/O, set or cancelled a timer, changed a state, yielded, or took a waker to wake a waiter.
    made_progress: Cell<bool>,
    /// Whether a waker was stored.
    stored_waker: Cell<bool>,
    /// The source that was last found ready, and whether it was ready for reading (or else for writing).
    ready: Cell<Option<(SourceId, bool)>>,
    /// The task that was last awaited.
    awaited: Cell<Option<TaskId>>,
    /// The futures that this task polls, but another task polled before, each with that other task.
    task_changes: RefCell<Vec<(FutureId, TaskId)>>,
    /// The groups of children that each task has polled.
    groups: RefCell<HashMap<TaskId, Vec<Weak<dyn WokenChildren>>>>,
}

thread_local! {
    static NOTES: Notes = Notes::default();
}

/// Clears the notes at the beginning of a poll.
pub(crate) fn clear() {
    NOTES.with(|notes| {
        notes.made_progress.set(false);
        notes.stored_waker.set(false);
        notes.ready.set(None);
        notes.awaited.set(None);
        notes.task_changes.borrow_mut().clear();
    });
}

/// Notes an event: some kinds count as progress.
pub(super) fn record_event(kind: &EventKind<'_>) {
    let made_progress = matches!(
        kind,
        EventKind::Io { .. } | EventKind::TimerSet { .. } | EventKind::TimerDel { .. } | EventKind::State { .. }
    );
    if made_progress {
        NOTES.with(|notes| notes.made_progress.set(true));
    }
}

/// Notes that a waker was stored.
#[inline]
pub(crate) fn record_waker_stored() {
    if is_observed() {
        NOTES.with(|notes| notes.stored_waker.set(true));
    }
}

/// Notes that a source was found ready.
#[inline]
pub(crate) fn record_ready(source: SourceId, for_reading: bool) {
    if is_observed() {
        NOTES.with(|notes| notes.ready.set(Some((source, for_reading))));
    }
}

/// Notes progress for which there is no event: the task yields, or takes a waker to wake a waiter.
#[inline]
pub(crate) fn record_progress() {
    if is_observed() {
        NOTES.with(|notes| notes.made_progress.set(true));
    }
}

/// Notes that this task is awaited.
#[inline]
pub(crate) fn record_awaited(task: TaskId) {
    if is_observed() {
        NOTES.with(|notes| notes.awaited.set(Some(task)));
    }
}

/// Notes that the last task to poll a future, before this one, was `from`.
pub(super) fn record_task_change(future: FutureId, from: TaskId) {
    NOTES.with(|notes| notes.task_changes.borrow_mut().push((future, from)));
}

/// Adds a group of children that this task polls for the first time.
pub(crate) fn add_children(task: TaskId, group: Weak<dyn WokenChildren>) {
    NOTES.with(|notes| notes.groups.borrow_mut().entry(task).or_default().push(group));
}

/// Forgets the groups of children of a task that has ended.
pub(crate) fn forget(task: TaskId) {
    let groups = NOTES.with(|notes| notes.groups.borrow_mut().remove(&task));
    drop(groups);
}

/// Returns whether the task made progress during the poll.
pub(crate) fn made_progress() -> bool {
    NOTES.with(|notes| notes.made_progress.get())
}

/// Returns whether a waker was stored during the poll.
pub(crate) fn stored_waker() -> bool {
    NOTES.with(|notes| notes.stored_waker.get())
}

/// Returns the source that was last found ready, and whether it was ready for reading (or else for writing).
pub(crate) fn last_ready() -> Option<(SourceId, bool)> {
    NOTES.with(|notes| notes.ready.get())
}

/// Returns the task that was last awaited.
pub(crate) fn last_awaited() -> Option<TaskId> {
    NOTES.with(|notes| notes.awaited.get())
}

/// Returns the last future that was polled in this poll but by another task before, and that other task.
pub(crate) fn last_task_change() -> Option<(FutureId, TaskId)> {
    NOTES.with(|notes| notes.task_changes.borrow().last().copied())
}

/// Returns the number of children of this task that have been woken and not polled since.
pub(crate) fn woken_children(task: TaskId) -> usize {
    NOTES.with(|notes| {
        let mut groups = notes.groups.borrow_mut();
        let Some(groups) = groups.get_mut(&task) else { return 0 };
        groups.retain(|group| group.strong_count() > 0);
        groups.iter().filter_map(Weak::upgrade).map(|group| group.woken(task)).sum()
    })
}

/// Emits the finding `poll_after_ready`, and panics. A hand-written future calls this when it is polled in its final state.
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
            evidence: &format!("`{future}` was polled after it had returned `Ready`"),
            advice: "drop a future when it is ready, or wrap it in one that may be polled again, such as `Fuse` or `MaybeDone`",
        });
    }
    panic!("`{future}` polled after it was ready");
}
