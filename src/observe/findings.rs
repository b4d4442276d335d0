//! Detects findings: bugs in the program that runs on the loop, with the evidence for them.
//!
//! In this table, a task is *scheduled* if it is in the ready queue, if a wake from another thread is in the inbox, or if it
//! is the root task and [`EventLoop::turn`](crate::EventLoop::turn) is used, whose caller may wake it. A clone of a task's
//! waker can be *called* unless it belongs to the loop itself, or is stored in a source for which the task no longer waits.
//! A task is *lost* if its last poll returned `Pending`, it is not scheduled, and no clone of its waker can be called.
//!
//! | finding | exact condition |
//! | --- | --- |
//! | `lost_waker` | a task is lost, and it cannot be aborted either: its `JoinHandle` has been dropped, or is awaited by a task that nothing else can wake |
//! | `undrained` | a task is lost, and a source that its last poll found ready is still ready: readiness is edge-triggered, so there may be no further event until an operation returns `WouldBlock` |
//! | `stale_waker` | a wake reached a task that has ended, and a future that this task had polled is now polled by another task, which is lost |
//! | `snooze` | a child future was woken, but its task's poll returned `Pending` without polling the child, and the task is not scheduled |
//! | `spin` | a task woke itself 1,000 times in a row without I/O, a timer, a state change, `yield_now`, or a wake through a channel, semaphore or the like |
//!
//! `slow_poll`, `loop_lag` and `busy_machine` are in `lateness.rs`, `deadlock` is in `event_loop/deadlock.rs`, `stale_event` in
//! `event_loop/reactor.rs`, and `poll_after_ready` is emitted by the future itself. Findings are detected only while the loop
//! is observed. Uncertain cases are not reported, so there are no false positives.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::lateness::{Lateness, TimeFinding};
use super::{Cause, EventKind, FutureId, SourceId, TaskId, emit, notes};

/// The number of times in a row that a task must wake itself without progress for `spin` to be reported.
const SPIN_THRESHOLD: u32 = 1_000;

/// The maximum number of tasks, each of which awaits the one before, that are checked.
const MAX_AWAIT_CHAIN: usize = 64;

/// The maximum number of undecided tasks. If there are more, they are not checked again.
const MAX_UNDECIDED: usize = 64;

/// Detects findings. It stores the necessary state from earlier polls.
pub(crate) struct FindingDetector {
    lateness: Lateness,
    /// Whether the task has woken itself during this poll.
    woke_itself: Cell<bool>,
    /// The number of times in a row that each task has woken itself without progress.
    spins: RefCell<HashMap<TaskId, u32>>,
    /// Tasks that are lost, but may still be aborted. They are checked again when a handle is awaited or dropped.
    undecided: RefCell<HashSet<TaskId>>,
    /// For a task that has polled a future before: the future, and the task that polls it now and is lost.
    migrated_futures: RefCell<HashMap<TaskId, (FutureId, TaskId)>>,
}

/// Access to the state of tasks and sources from which findings are detected. Implemented in `event_loop/emit.rs`.
pub(crate) trait TaskInspector {
    /// Returns the time since the loop was built.
    fn elapsed(&self) -> Duration;

    /// Returns whether the loop is shutting down.
    fn is_closing(&self) -> bool;

    /// Returns the status of a task. `None` if it has ended.
    fn status(&self, task: TaskId) -> Option<TaskStatus>;

    /// Returns the number of clones of a task's waker that are left in the slots of sources from earlier waits.
    fn disarmed_wakers(&self, task: TaskId) -> usize;

    /// Returns whether a source is ready and no task waits for it.
    fn is_ready_and_disarmed(&self, source: SourceId, for_reading: bool) -> bool;

    /// Returns what can still abort a task.
    fn aborter(&self, task: TaskId) -> Aborter;
}

/// The status of a task between two polls.
pub(crate) struct TaskStatus {
    pub(crate) waiting_for: &'static str,
    /// The number of clones of the task's waker, apart from the loop's own.
    pub(crate) wakers: usize,
    /// Whether the task is scheduled, as defined at the top of this file.
    pub(crate) is_about_to_be_polled: bool,
}

/// What can abort a task.
pub(crate) enum Aborter {
    /// Nothing: it has no handle, or its handle was dropped.
    None,
    /// A task that awaits its handle.
    Task(TaskId),
    /// Unknown code: the handle exists, and no task is known to await it.
    Unknown,
}

impl FindingDetector {
    pub(crate) fn new(limit: Duration) -> FindingDetector {
        FindingDetector {
            lateness: Lateness::new(limit),
            woke_itself: Cell::default(),
            spins: RefCell::default(),
            undecided: RefCell::default(),
            migrated_futures: RefCell::default(),
        }
    }

    /// Called when the ready queue is empty.
    pub(crate) fn end_lag(&self) {
        self.lateness.end_lag();
    }

    /// Called when a task has ended.
    pub(crate) fn forget(&self, task: TaskId) {
        self.spins.borrow_mut().remove(&task);
        self.undecided.borrow_mut().remove(&task);
        notes::forget(task);
    }

    /// Called before a poll, with the time since its wake.
    pub(crate) fn begin_poll(&self, tasks: &dyn TaskInspector, task: TaskId, delay: Duration) {
        notes::clear();
        self.woke_itself.set(false);
        self.report_time(tasks, task, self.lateness.begin_poll(tasks.elapsed(), delay));
    }

    /// Called when a task is woken.
    pub(crate) fn wake(&self, tasks: &dyn TaskInspector, task: TaskId, cause: Cause, is_stale: bool) {
        if cause == Cause::SelfWake {
            self.woke_itself.set(true);
        } else if let Some(spins) = self.spins.borrow_mut().get_mut(&task) {
            *spins = 0;
        }
        let migrated = if is_stale { self.migrated_futures.borrow_mut().remove(&task) } else { None };
        if let Some((future, victim)) = migrated
            && is_lost(tasks, victim)
        {
            let evidence = format!(
                "a wake reached {task}, which has ended; it had polled {future}, which is now polled by {victim}, and no \
                 waker of {victim} is left that can be called"
            );
            let advice = "store `cx.waker()` at each poll, in place of the one that was stored before";
            report(tasks, "stale_waker", victim, &evidence, advice);
        }
    }

    /// Called after a poll.
    pub(crate) fn end_poll(&self, tasks: &dyn TaskInspector, task: TaskId, ready: bool) {
        self.report_time(tasks, task, self.lateness.end_poll(tasks.elapsed()));
        if ready {
            self.spins.borrow_mut().remove(&task);
            return;
        }
        self.count_spins(tasks, task);
        // `status` counts the wakers before it reads whether the task is scheduled: see `deadlock.rs`.
        if tasks.status(task).is_none_or(|status| status.is_about_to_be_polled) {
            return;
        }
        if is_lost(tasks, task) {
            self.report_lost(tasks, task);
        }
        if let Some(awaited) = notes::last_awaited() {
            // The awaited task may have lost its waker after its own poll: another task has replaced it, or a source that
            // contained it was dropped.
            if is_lost_between_polls(tasks, awaited) {
                self.undecided.borrow_mut().insert(awaited);
            }
            self.check_undecided(tasks);
        }
        let woken = notes::woken_children(task);
        // Checked again: another thread may have woken a child in the meantime, and then also the task.
        if woken > 0 && tasks.status(task).is_some_and(|status| !status.is_about_to_be_polled) {
            let evidence = format!("{woken} of its child futures had been woken, and this poll did not poll them");
            let advice = "poll them to completion, or spawn them: a child future must not wait while its task does something else";
            report(tasks, "snooze", task, &evidence, advice);
        }
    }

    fn report_time(&self, tasks: &dyn TaskInspector, task: TaskId, finding: Option<TimeFinding>) {
        match finding {
            None => {}
            Some(finding) if finding.is_task_at_fault => {
                report(tasks, finding.what, task, &finding.evidence, finding.advice);
            }
            Some(TimeFinding { what, evidence, advice, .. }) => {
                emit!(EventKind::Finding { what, task: None, state: "", evidence: &evidence, advice });
            }
        }
    }

    fn report_lost(&self, tasks: &dyn TaskInspector, task: TaskId) {
        match notes::last_ready() {
            Some((source, for_reading)) if tasks.is_ready_and_disarmed(source, for_reading) => {
                let evidence = format!(
                    "{source} was found ready in this poll and is still ready; its readiness is edge-triggered, and no \
                     waker of the task is left that can be called"
                );
                let advice =
                    "read or write until the operation would block, or wait for the source again with `poll_ready`";
                report(tasks, "undrained", task, &evidence, advice);
            }
            _ => {
                if let Some((future, before)) = notes::last_task_change() {
                    self.migrated_futures.borrow_mut().insert(before, (future, task));
                }
                if can_be_aborted(tasks, task) {
                    self.undecided.borrow_mut().insert(task);
                } else {
                    report_lost_waker(tasks, task);
                }
            }
        }
    }

    /// Called when a handle is awaited or dropped: checks the undecided tasks again.
    pub(crate) fn check_undecided(&self, tasks: &dyn TaskInspector) {
        let undecided: Vec<TaskId> = self.undecided.borrow().iter().copied().collect();
        if undecided.len() > MAX_UNDECIDED || tasks.is_closing() {
            return;
        }
        for task in undecided {
            let is_still_lost = is_lost_between_polls(tasks, task);
            if !is_still_lost || !can_be_aborted(tasks, task) {
                self.undecided.borrow_mut().remove(&task);
                if is_still_lost {
                    report_lost_waker(tasks, task);
                }
            }
        }
    }

    fn count_spins(&self, tasks: &dyn TaskInspector, task: TaskId) {
        let spins = {
            let mut all = self.spins.borrow_mut();
            let spins = all.entry(task).or_default();
            *spins = if self.woke_itself.get() && !notes::made_progress() { *spins + 1 } else { 0 };
            *spins
        };
        if spins == SPIN_THRESHOLD {
            let evidence = format!(
                "it woke itself {SPIN_THRESHOLD} times in a row, without I/O, a timer or a change of its state"
            );
            let advice = "wait for the event, instead of checking for it repeatedly";
            report(tasks, "spin", task, &evidence, advice);
        }
    }
}

/// Returns whether a task is certainly lost. If it has wakers, and a waker was stored since the last poll began, that may be
/// one of them: then the result is `false`.
fn is_lost(tasks: &dyn TaskInspector, task: TaskId) -> bool {
    let Some(status) = tasks.status(task).filter(|status| !status.is_about_to_be_polled) else { return false };
    // Clones from before the poll cannot be called if all of them are left in sources from earlier waits.
    status.wakers == 0 || (!notes::stored_waker() && status.wakers == tasks.disarmed_wakers(task))
}

/// Returns whether a task is lost. Unlike [`is_lost`], it does not depend on the last poll of any task.
fn is_lost_between_polls(tasks: &dyn TaskInspector, task: TaskId) -> bool {
    let status = tasks.status(task).filter(|status| !status.is_about_to_be_polled);
    status.is_some_and(|status| status.wakers == tasks.disarmed_wakers(task))
}

/// Returns whether a task may still be aborted.
fn can_be_aborted(tasks: &dyn TaskInspector, task: TaskId) -> bool {
    let mut task = task;
    for _ in 0..MAX_AWAIT_CHAIN {
        task = match tasks.aborter(task) {
            Aborter::None => return false,
            Aborter::Unknown => return true,
            Aborter::Task(awaiting) => awaiting,
        };
        // If the awaiting task has a second waker, something else may wake it, and then it may abort the task.
        let status = tasks.status(task);
        if !status.is_some_and(|status| status.wakers == 1 && !status.is_about_to_be_polled) {
            return true;
        }
    }
    true
}

fn report_lost_waker(tasks: &dyn TaskInspector, task: TaskId) {
    let evidence = "its poll returned `Pending`, and no waker of the task is left that can be called";
    let advice = "a future must store `cx.waker()` before it returns `Pending`, so that the event it waits for can call it; if two \
                  tasks wait for one source in the same direction, only the last one is woken";
    report(tasks, "lost_waker", task, evidence, advice);
}

fn report(tasks: &dyn TaskInspector, what: &'static str, task: TaskId, evidence: &str, advice: &str) {
    let waiting_for = tasks.status(task).map_or("", |status| status.waiting_for);
    emit!(EventKind::Finding { what, task: Some(task), state: waiting_for, evidence, advice });
}
