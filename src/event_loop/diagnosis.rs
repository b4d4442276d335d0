//! Findings: bugs of the program that runs on the loop, with the evidence for them.
//!
//! | finding | exactly when |
//! | --- | --- |
//! | `lost_waker` | a poll was not ready, the task is not about to be polled, no waker of it is left that could be called, and it cannot be aborted |
//! | `undrained` | no such waker is left, and a source that was found ready in this poll is still ready: an edge-triggered source does not report the same readiness twice |
//! | `stale_waker` | a wake reached a task that has ended; it had polled a future that another task polls now, which has no waker left |
//! | `snooze` | a poll was not ready and the task is not about to be polled, and a child that was woken was not polled |
//! | `spin` | a task woke itself a thousand times and did nothing else: no I/O, no timer, no change of state, no `yield_now`, no wake of another task |
//!
//! `slow_poll`, `loop_lag` and `busy_machine` are in `lateness.rs`, `deadlock` is in `deadlock.rs`, `stale_event` in
//! `reactor.rs`, and `poll_after_ready` is emitted by the future itself. All of this is only done for an observer. Only
//! certain cases are reported: there are no false positives.
//!
//! A task that can still be aborted may not need a waker. So it counts as lost only if its `JoinHandle` has been dropped, or
//! is awaited by a task that only this task can wake: then `abort` cannot be called.
//!
//! "A waker that could be called" is any clone other than the loop's own, and those that are left in the slots of sources
//! from earlier waits: a source calls these only after the task has waited for it again.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::core::Core;
use super::lateness::Lateness;
use super::task::{HandleStatus, TaskFuture};
use crate::observe::{Cause, EventKind, FutureId, TaskId, emit, notes};
use crate::sync::WakerCountId;

/// The number of successive wakes of a task by itself, without effect, that are reported.
const SPIN_THRESHOLD: u32 = 1_000;

/// The maximum length of a chain of tasks that await each other which is followed.
const MAX_AWAITING: usize = 64;

/// The maximum number of undecided tasks. If there are more, they are not checked again.
const MAX_UNDECIDED: usize = 64;

/// What the findings need to know of earlier polls.
pub(crate) struct Diagnosis {
    pub(super) lateness: Lateness,
    /// Whether the task has woken itself during this poll.
    woke_itself: Cell<bool>,
    /// The number of successive wakes of each task by itself.
    spins: RefCell<HashMap<TaskId, u32>>,
    /// Tasks that can only be aborted, if anything.
    undecided: RefCell<HashSet<TaskId>>,
    /// Futures without a waker, and the tasks that poll them now, by the task that polled them before.
    migrated_futures: RefCell<HashMap<TaskId, (FutureId, TaskId)>>,
}

/// The status of a task between two polls.
struct TaskStatus {
    waiting_for: &'static str,
    /// The number of clones of its waker, other than its own.
    wakers: usize,
    /// The key of the count of those that are in waker slots.
    waker_count: WakerCountId,
    is_about_to_be_polled: bool,
}

impl Diagnosis {
    pub(super) fn new(limit: Duration) -> Diagnosis {
        Diagnosis {
            lateness: Lateness::new(limit),
            woke_itself: Cell::default(),
            spins: RefCell::default(),
            undecided: RefCell::default(),
            migrated_futures: RefCell::default(),
        }
    }

    /// Called when a task has ended.
    pub(super) fn forget(&self, task: TaskId) {
        self.spins.borrow_mut().remove(&task);
        self.undecided.borrow_mut().remove(&task);
        notes::forget(task);
    }
}

impl Core {
    /// Called before a poll, with the time since its wake.
    pub(super) fn diagnose_poll_begin(&self, task: TaskId, now: Duration, delay: Duration) {
        notes::clear();
        let diagnosis = &self.diagnosis;
        diagnosis.woke_itself.set(false);
        self.diagnose_delay(task, now, delay);
    }

    /// Called when a task is woken.
    pub(super) fn diagnose_wake(&self, task: TaskId, cause: Cause, is_stale: bool) {
        let diagnosis = &self.diagnosis;
        if cause == Cause::SelfWake {
            diagnosis.woke_itself.set(true);
        } else if let Some(spins) = diagnosis.spins.borrow_mut().get_mut(&task) {
            *spins = 0;
        }
        let migrated = if is_stale { diagnosis.migrated_futures.borrow_mut().remove(&task) } else { None };
        if let Some((future, victim)) = migrated
            && self.status(victim).is_some_and(|status| self.is_lost(&status))
        {
            let evidence = format!(
                "a wake reached {task}, which has ended and had polled {future} before; {future} is polled by \
                 {victim} now, which has no waker left"
            );
            let advice = "store `cx.waker()` at each poll, in place of the one that was stored before";
            self.report_finding("stale_waker", victim, &evidence, advice);
        }
    }

    /// Called after a poll.
    pub(super) fn diagnose_poll_end(&self, task: TaskId, ready: bool) {
        self.diagnose_duration(task);
        if ready {
            self.diagnosis.spins.borrow_mut().remove(&task);
            return;
        }
        self.count_spins(task);
        // The wakers are counted before the check whether it is about to be polled: see `deadlock.rs`.
        let Some(status) = self.status(task) else { return };
        if status.is_about_to_be_polled {
            return;
        }
        if self.is_lost(&status) {
            self.report_lost(task);
        }
        if let Some(awaited) = notes::last_awaited() {
            // It may have lost its waker since its own poll: to another task, or with a source that was dropped.
            if self.is_left_without_wakers(awaited) {
                self.diagnosis.undecided.borrow_mut().insert(awaited);
            }
            self.decide_lost();
        }
        let woken = notes::woken_children(task);
        // Checked again: another thread may have woken a child in the meantime, and then also the task.
        if woken > 0 && self.status(task).is_some_and(|status| !status.is_about_to_be_polled) {
            let evidence = format!("{woken} of its child futures had been woken, and this poll did not poll them");
            let advice = "poll them to completion, or spawn them: a child future must not wait while its task does something else";
            self.report_finding("snooze", task, &evidence, advice);
        }
    }

    /// Returns whether no waker is left that could be called.
    fn is_lost(&self, status: &TaskStatus) -> bool {
        if status.is_about_to_be_polled {
            return false;
        }
        // A waker that was stored in this poll will be called. Older ones may be left in sources from earlier waits.
        status.wakers == 0
            || (!notes::stored_waker() && status.wakers == self.reactor.count_disarmed_wakers(status.waker_count))
    }

    fn report_lost(&self, task: TaskId) {
        match notes::last_ready() {
            Some((source, for_reading)) if self.reactor.is_ready_and_disarmed(source, for_reading) => {
                let evidence = format!(
                    "{source} was found ready in this poll, and still is; it is edge-triggered, and no other waker of the \
                     task is left"
                );
                let advice = "read or write until it would block, or wait for it once more with `poll_ready`";
                self.report_finding("undrained", task, &evidence, advice);
            }
            _ => {
                if let Some((future, before)) = notes::last_task_change() {
                    self.diagnosis.migrated_futures.borrow_mut().insert(before, (future, task));
                }
                if self.can_be_aborted(task) {
                    self.diagnosis.undecided.borrow_mut().insert(task);
                } else {
                    self.report_lost_waker(task);
                }
            }
        }
    }

    fn report_lost_waker(&self, task: TaskId) {
        let evidence = "its poll was not ready, and no waker of the task is left that could be called";
        let advice = "before it returns `Pending`, a future must store `cx.waker()` where what it waits for can call it; of two \
                      tasks that wait for one source in the same direction, only the last is woken";
        self.report_finding("lost_waker", task, evidence, advice);
    }

    /// Called when a handle is awaited or dropped: checks the undecided tasks again.
    pub(super) fn decide_lost(&self) {
        let undecided: Vec<TaskId> = self.diagnosis.undecided.borrow().iter().copied().collect();
        if undecided.len() > MAX_UNDECIDED || self.is_closing.get() {
            return;
        }
        for task in undecided {
            let is_lost = self.is_left_without_wakers(task);
            if !is_lost || !self.can_be_aborted(task) {
                self.diagnosis.undecided.borrow_mut().remove(&task);
                if is_lost {
                    self.report_lost_waker(task);
                }
            }
        }
    }

    /// Returns whether a task that is not being polled has no waker that could be called.
    fn is_left_without_wakers(&self, task: TaskId) -> bool {
        self.status(task).is_some_and(|status| {
            !status.is_about_to_be_polled && status.wakers == self.reactor.count_disarmed_wakers(status.waker_count)
        })
    }

    /// Returns whether the task can perhaps be aborted.
    fn can_be_aborted(&self, task: TaskId) -> bool {
        let mut task = task;
        for _ in 0..MAX_AWAITING {
            let status = match self.tasks.borrow().get(task).map(|task| &task.future) {
                None | Some(TaskFuture::Polling) => return true, // it is being polled, and may end
                Some(TaskFuture::OnCallersStack) => return false,
                Some(TaskFuture::Stored(future)) => future.handle_status(),
            };
            let awaiting = match status {
                HandleStatus::Dropped => return false,
                HandleStatus::Kept => return true,
                HandleStatus::AwaitedBy(count) => self.task_with(count),
            };
            // If the awaiting task has a second waker, something else may wake it, and then it may abort the task.
            match awaiting.and_then(|awaiting| Some((awaiting, self.status(awaiting)?))) {
                Some((awaiting, status)) if status.wakers == 1 && !status.is_about_to_be_polled => task = awaiting,
                _ => return true,
            }
        }
        true
    }

    /// Returns the task whose waker has this count.
    fn task_with(&self, count: WakerCountId) -> Option<TaskId> {
        self.tasks.borrow().iter().find(|(_, task)| task.waker_count == count).map(|(id, _)| id)
    }

    fn count_spins(&self, task: TaskId) {
        let spins = {
            let mut all = self.diagnosis.spins.borrow_mut();
            let spins = all.entry(task).or_default();
            *spins = if self.diagnosis.woke_itself.get() && !notes::made_progress() { *spins + 1 } else { 0 };
            *spins
        };
        if spins == SPIN_THRESHOLD {
            let evidence = format!(
                "it woke itself {SPIN_THRESHOLD} times in a row, without I/O, a timer or a change of its state"
            );
            let advice = "wait for the event, instead of checking for it repeatedly";
            self.report_finding("spin", task, &evidence, advice);
        }
    }

    pub(super) fn report_finding(&self, what: &'static str, task: TaskId, evidence: &str, advice: &str) {
        let state = self.status(task).map_or("", |status| status.waiting_for);
        emit!(EventKind::Finding { what, task: Some(task), state, evidence, advice });
    }

    fn status(&self, id: TaskId) -> Option<TaskStatus> {
        let tasks = self.tasks.borrow();
        let task = tasks.get(id)?;
        let (waiting_for, wakers, waker_count) = (task.waiting_for, task.waker_clones(), task.waker_count);
        // A thread that woke the task before it dropped its clone, so that it is not counted, has set the flag (I16).
        fence(Ordering::Acquire);
        let is_about_to_be_polled =
            task.scheduled.get() || task.is_woken_by_hand.get() || task.header.is_remote_pending();
        Some(TaskStatus { waiting_for, wakers, waker_count, is_about_to_be_polled })
    }
}
