//! Detects findings: bugs of the program that runs on the loop, with the evidence for them.
//!
//! | finding | exact condition |
//! | --- | --- |
//! | `lost_waker` | a poll returned `Pending`, the task is not about to be polled, no waker of it is left that could be called, and it cannot be aborted |
//! | `undrained` | no such waker is left, and a source that was found ready in this poll is still ready: an edge-triggered source does not report the same readiness twice |
//! | `stale_waker` | a wake reached a task that has ended; a future that this task had polled is now polled by another task, which has no waker left |
//! | `snooze` | a poll returned `Pending`, the task is not about to be polled, and a child future that was woken was not polled |
//! | `spin` | a task woke itself a thousand times without I/O, a timer, a change of state, `yield_now`, or a wake of another task |
//!
//! `slow_poll`, `loop_lag` and `busy_machine` are in `lateness.rs`, `deadlock` is in `event_loop/deadlock.rs`, `stale_event` in
//! `event_loop/reactor.rs`, and `poll_after_ready` is emitted by the future itself. All of this is only done for an observer.
//! Only certain cases are reported: there are no false positives.
//!
//! A task that can still be aborted may not need a waker. So it counts as lost only if its `JoinHandle` has been dropped, or
//! is awaited by a task that only this task can wake: then `abort` cannot be called.
//!
//! "A waker that could be called" is any clone other than the loop's own, and those that are left in the slots of sources
//! from earlier waits: a source calls these only after the task has waited for it again.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::lateness::{Late, Lateness};
use super::{Cause, EventKind, FutureId, SourceId, TaskId, emit, notes};

/// The number of successive wakes of a task by itself, without effect, that are reported.
const SPIN_THRESHOLD: u32 = 1_000;

/// The maximum length of a chain of tasks that await each other which is followed.
const MAX_AWAITING: usize = 64;

/// The maximum number of undecided tasks. If there are more, they are not checked again.
const MAX_UNDECIDED: usize = 64;

/// Detects findings. It stores what it needs to know about earlier polls.
pub(crate) struct FindingDetector {
    lateness: Lateness,
    /// Whether the task has woken itself during this poll.
    woke_itself: Cell<bool>,
    /// The number of successive wakes of each task by itself.
    spins: RefCell<HashMap<TaskId, u32>>,
    /// The tasks without wakers that may still be aborted.
    undecided: RefCell<HashSet<TaskId>>,
    /// Futures without a waker, and the tasks that poll them now, by the task that polled them before.
    migrated_futures: RefCell<HashMap<TaskId, (FutureId, TaskId)>>,
}

/// The questions about tasks and sources on which findings depend. The loop implements it.
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
    /// The number of clones of its waker, other than its own.
    pub(crate) wakers: usize,
    pub(crate) is_about_to_be_polled: bool,
}

/// What can abort a task.
pub(crate) enum Aborter {
    /// Nothing: it has no handle, or its handle was dropped.
    None,
    /// A task that awaits its handle.
    Task(TaskId),
    /// Something else, as far as is known.
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
        self.report_late(tasks, task, self.lateness.begin_poll(tasks.elapsed(), delay));
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
                "a wake reached {task}, which has ended and had polled {future} before; {future} is polled by \
                 {victim} now, which has no waker left"
            );
            let advice = "store `cx.waker()` at each poll, in place of the one that was stored before";
            report(tasks, "stale_waker", victim, &evidence, advice);
        }
    }

    /// Called after a poll.
    pub(crate) fn end_poll(&self, tasks: &dyn TaskInspector, task: TaskId, ready: bool) {
        self.report_late(tasks, task, self.lateness.end_poll(tasks.elapsed()));
        if ready {
            self.spins.borrow_mut().remove(&task);
            return;
        }
        self.count_spins(tasks, task);
        // The wakers are counted before the check whether it is about to be polled: see `deadlock.rs`.
        if tasks.status(task).is_none_or(|status| status.is_about_to_be_polled) {
            return;
        }
        if is_lost(tasks, task) {
            self.report_lost(tasks, task);
        }
        if let Some(awaited) = notes::last_awaited() {
            // It may have lost its waker since its own poll: to another task, or with a source that was dropped.
            if has_no_wakers(tasks, awaited) {
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

    fn report_late(&self, tasks: &dyn TaskInspector, task: TaskId, late: Option<Late>) {
        match late {
            None => {}
            Some(late) if late.is_of_task => report(tasks, late.what, task, &late.evidence, late.advice),
            Some(Late { what, evidence, advice, .. }) => {
                emit!(EventKind::Finding { what, task: None, state: "", evidence: &evidence, advice });
            }
        }
    }

    fn report_lost(&self, tasks: &dyn TaskInspector, task: TaskId) {
        match notes::last_ready() {
            Some((source, for_reading)) if tasks.is_ready_and_disarmed(source, for_reading) => {
                let evidence = format!(
                    "{source} was found ready in this poll, and still is; it is edge-triggered, and no other waker of the \
                     task is left"
                );
                let advice = "read or write until it would block, or wait for it once more with `poll_ready`";
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
            let is_lost = has_no_wakers(tasks, task);
            if !is_lost || !can_be_aborted(tasks, task) {
                self.undecided.borrow_mut().remove(&task);
                if is_lost {
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

/// Returns whether a task has no waker left that could be called, directly after its poll.
fn is_lost(tasks: &dyn TaskInspector, task: TaskId) -> bool {
    let Some(status) = tasks.status(task).filter(|status| !status.is_about_to_be_polled) else { return false };
    // A waker that was stored in this poll will be called. Older ones may be left in sources from earlier waits.
    status.wakers == 0 || (!notes::stored_waker() && status.wakers == tasks.disarmed_wakers(task))
}

/// Returns whether a task that is not being polled has no waker that could be called.
fn has_no_wakers(tasks: &dyn TaskInspector, task: TaskId) -> bool {
    let status = tasks.status(task).filter(|status| !status.is_about_to_be_polled);
    status.is_some_and(|status| status.wakers == tasks.disarmed_wakers(task))
}

/// Returns whether a task can perhaps be aborted.
fn can_be_aborted(tasks: &dyn TaskInspector, task: TaskId) -> bool {
    let mut task = task;
    for _ in 0..MAX_AWAITING {
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
    let evidence = "its poll returned `Pending`, and no waker of the task is left that could be called";
    let advice = "before it returns `Pending`, a future must store `cx.waker()` where what it waits for can call it; of two \
                  tasks that wait for one source in the same direction, only the last is woken";
    report(tasks, "lost_waker", task, evidence, advice);
}

fn report(tasks: &dyn TaskInspector, what: &'static str, task: TaskId, evidence: &str, advice: &str) {
    let waiting_for = tasks.status(task).map_or("", |status| status.waiting_for);
    emit!(EventKind::Finding { what, task: Some(task), state: waiting_for, evidence, advice });
}
