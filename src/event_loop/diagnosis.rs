//! Findings: what is wrong with the program that runs, by name and with what shows it.
//!
//! | finding | exactly when |
//! | --- | --- |
//! | `lost_waker` | a poll was not ready, the task is not about to be polled, no waker of it is left that could be called, and nobody can abort it |
//! | `undrained` | no such waker is left, and a source that had said in this poll that it is ready still is: the kernel reports changes only |
//! | `stale_waker` | a wake reached a task that has ended; it had polled a future that is another task's now, which has no waker left |
//! | `snooze` | a poll was not ready and the task is not about to be polled, and a child that was woken has not been |
//! | `spin` | a task woke itself a thousand times and did nothing else: no input or output, no timer, no change of state, no `yield_now`, no waiter of a primitive woken |
//!
//! `slow_poll`, `loop_lag` and `busy_machine` are given in `lateness.rs`, `deadlock` is given in `verdict.rs`, `stale_event` in `reactor.rs`, and `poll_after_ready` by the future itself. All
//! cost nothing unless somebody observes. In doubt none is given: whoever reads one may rely on it.
//!
//! A task that is waiting to be aborted needs no waker. So it counts as lost only when its `JoinHandle` has been dropped,
//! or is awaited by a task that can itself be woken by nothing else: only then is there nobody who could call `abort`.
//!
//! "A waker that could be called" is any clone but those of the loop itself, and those that lie in a source's place
//! from an earlier wait: the source will call these only when the task has waited there again.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::core::Core;
use super::lateness::Lateness;
use super::task::Handle;
use crate::observe::{Cause, EventKind, FutureId, TaskId, emit, notes};
use crate::sync::HoldId;

/// Wakes of a task by itself, in a row and to no effect, that are a finding.
const SPINS: u32 = 1_000;

/// How many tasks may wait for one another, in a row, until nobody looks further.
const MOST_AWAITING: usize = 64;

/// How many tasks may be undecided until nobody looks at them again.
const MOST_UNDECIDED: usize = 64;

/// What is known of the polls so far.
pub(crate) struct Diagnosis {
    pub(super) lateness: Lateness,
    /// Whether the task has woken itself during the poll.
    woke_itself: Cell<bool>,
    /// How often each task has woken itself in a row.
    spins: RefCell<HashMap<TaskId, u32>>,
    /// Tasks that are lost unless somebody aborts them.
    undecided: RefCell<HashSet<TaskId>>,
    /// Futures without a waker, with the task that polls them now, by the task that polled them before.
    moved: RefCell<HashMap<TaskId, (FutureId, TaskId)>>,
}

/// How a task stands after a poll.
pub(super) struct Standing {
    pub(super) waiting_for: &'static str,
    /// Clones of its waker beside the loop's own.
    pub(super) wakers: usize,
    /// Where those of them are counted that lie where the loop can see them.
    pub(super) hold: HoldId,
    pub(super) is_about_to_be_polled: bool,
}

impl Diagnosis {
    pub(super) fn new(limit: Duration) -> Diagnosis {
        Diagnosis {
            lateness: Lateness::new(limit),
            woke_itself: Cell::default(),
            spins: RefCell::default(),
            undecided: RefCell::default(),
            moved: RefCell::default(),
        }
    }

    /// The task has ended.
    pub(super) fn forget(&self, task: TaskId) {
        self.spins.borrow_mut().remove(&task);
        self.undecided.borrow_mut().remove(&task);
        notes::forget(task);
    }
}

impl Core {
    /// A poll begins now, so long after its wake.
    pub(super) fn diagnose_poll_begin(&self, task: TaskId, now: Duration, delay: Duration) {
        notes::clear();
        let diagnosis = &self.diagnosis;
        diagnosis.woke_itself.set(false);
        self.diagnose_delay(task, now, delay);
    }

    /// A task is woken.
    pub(super) fn diagnose_wake(&self, task: TaskId, cause: Cause, is_stale: bool) {
        let diagnosis = &self.diagnosis;
        if cause == Cause::SelfWake {
            diagnosis.woke_itself.set(true);
        } else if let Some(spins) = diagnosis.spins.borrow_mut().get_mut(&task) {
            *spins = 0;
        }
        let moved = if is_stale { diagnosis.moved.borrow_mut().remove(&task) } else { None };
        if let Some((future, victim)) = moved
            && self.standing(victim).is_some_and(|standing| self.is_lost(&standing))
        {
            let evidence = format!(
                "a wake reached {task}, which has ended and had polled {future} before; {future} is polled by \
                 {victim} now, of which nobody holds a waker"
            );
            let advice = "at each poll, let the future keep the waker that it is polled with, in place of an older one";
            self.find("stale_waker", victim, &evidence, advice);
        }
    }

    /// A poll is over.
    pub(super) fn diagnose_poll_end(&self, task: TaskId, ready: bool) {
        self.diagnose_duration(task);
        if ready {
            self.diagnosis.spins.borrow_mut().remove(&task);
            return;
        }
        self.count_spins(task);
        // Counted first, and only then looked whether it is about to be polled: see `verdict.rs`.
        let Some(standing) = self.standing(task) else { return };
        if standing.is_about_to_be_polled {
            return;
        }
        if self.is_lost(&standing) {
            self.find_lost(task);
        }
        if let Some(awaited) = notes::last_awaited() {
            // It may have lost its waker since its own poll: to another task, or with the source that it waits for.
            if self.is_left_without_wakers(awaited) {
                self.diagnosis.undecided.borrow_mut().insert(awaited);
            }
            self.decide_lost();
        }
        let woken = notes::woken_children(task);
        // Asked again: another thread may have woken a child since, and then it has woken the task.
        if woken > 0 && self.standing(task).is_some_and(|standing| !standing.is_about_to_be_polled) {
            let evidence = format!("{woken} of the futures inside it had been woken, and this poll did not poll them");
            let advice =
                "poll them to their end, or spawn them: what waits inside a task must not wait for its other work";
            self.find("snooze", task, &evidence, advice);
        }
    }

    /// Whether nobody is left who could wake the task.
    fn is_lost(&self, standing: &Standing) -> bool {
        if standing.is_about_to_be_polled {
            return false;
        }
        // A waker kept in this poll lies where somebody waits. Of older ones, some may lie where nobody does.
        standing.wakers == 0 || (!notes::stored_waker() && standing.wakers == self.reactor.unarmed_holds(standing.hold))
    }

    fn find_lost(&self, task: TaskId) {
        match notes::last_ready() {
            Some((source, for_reading)) if self.reactor.is_ready_and_unarmed(source, for_reading) => {
                let evidence = format!(
                    "{source} said in this poll that it is ready, and still is; it tells of changes only, and nobody \
                     else holds a waker of the task"
                );
                let advice = "read or write until it would block, or wait for it once more with `poll_ready`";
                self.find("undrained", task, &evidence, advice);
            }
            _ => {
                if let Some((future, before)) = notes::last_task_change() {
                    self.diagnosis.moved.borrow_mut().insert(before, (future, task));
                }
                if self.can_be_aborted(task) {
                    self.diagnosis.undecided.borrow_mut().insert(task);
                } else {
                    self.find_lost_waker(task);
                }
            }
        }
    }

    fn find_lost_waker(&self, task: TaskId) {
        let evidence = "its poll was not ready, and no waker of the task is left that anybody could call";
        let advice = "before `Pending`, let the future keep `cx.waker()` where what it waits for can call it; of two tasks \
                      that wait for one source in the same direction, only the last is woken";
        self.find("lost_waker", task, evidence, advice);
    }

    /// A handle is awaited or dropped: looks again at the tasks that are lost unless somebody aborts them.
    pub(super) fn decide_lost(&self) {
        let undecided: Vec<TaskId> = self.diagnosis.undecided.borrow().iter().copied().collect();
        if undecided.len() > MOST_UNDECIDED || self.closing.get() {
            return;
        }
        for task in undecided {
            let is_lost = self.is_left_without_wakers(task);
            if !is_lost || !self.can_be_aborted(task) {
                self.diagnosis.undecided.borrow_mut().remove(&task);
                if is_lost {
                    self.find_lost_waker(task);
                }
            }
        }
    }

    /// Whether nobody is left who could wake a task that is not being polled.
    fn is_left_without_wakers(&self, task: TaskId) -> bool {
        self.standing(task).is_some_and(|standing| {
            !standing.is_about_to_be_polled && standing.wakers == self.reactor.unarmed_holds(standing.hold)
        })
    }

    /// Whether anybody may still abort the task, as far as can be known.
    fn can_be_aborted(&self, task: TaskId) -> bool {
        let mut task = task;
        for _ in 0..MOST_AWAITING {
            if task.is_root() {
                return false;
            }
            let awaiting = match self.tasks.borrow().get(task).and_then(|slot| slot.future.as_ref()) {
                None => return true, // it is being polled, and may end
                Some(future) => match future.handle() {
                    Handle::Dropped => return false,
                    Handle::Kept => return true,
                    Handle::AwaitedBy(hold) => self.task_at(hold),
                },
            };
            // With a second waker, something else may wake it, and then it may abort the task.
            match awaiting.and_then(|awaiting| Some((awaiting, self.standing(awaiting)?))) {
                Some((awaiting, standing)) if standing.wakers == 1 && !standing.is_about_to_be_polled => {
                    task = awaiting
                }
                _ => return true,
            }
        }
        true
    }

    /// The task whose waker's clones are counted there.
    fn task_at(&self, hold: HoldId) -> Option<TaskId> {
        if self.root.standing().hold == hold {
            return Some(TaskId::ROOT);
        }
        self.tasks.borrow().iter().find(|(_, slot)| slot.hold == hold).map(|(id, _)| id)
    }

    fn count_spins(&self, task: TaskId) {
        let spins = {
            let mut all = self.diagnosis.spins.borrow_mut();
            let spins = all.entry(task).or_default();
            *spins = if self.diagnosis.woke_itself.get() && !notes::made_progress() { *spins + 1 } else { 0 };
            *spins
        };
        if spins == SPINS {
            let evidence = format!(
                "it woke itself {SPINS} times in a row, without input or output, a timer or a change of its state"
            );
            let advice = "wait for what it is looking for to happen, instead of looking again and again";
            self.find("spin", task, &evidence, advice);
        }
    }

    pub(super) fn find(&self, what: &'static str, task: TaskId, evidence: &str, advice: &str) {
        let state = self.standing(task).map_or("", |standing| standing.waiting_for);
        emit!(EventKind::Finding { what, task: Some(task), state, evidence, advice });
    }

    fn standing(&self, task: TaskId) -> Option<Standing> {
        let mut standing = if task.is_root() {
            self.root.standing()
        } else {
            let tasks = self.tasks.borrow();
            let slot = tasks.get(task)?;
            Standing {
                waiting_for: slot.waiting_for,
                wakers: slot.wakers_alive(),
                hold: slot.hold,
                is_about_to_be_polled: slot.scheduled.get(),
            }
        };
        // A thread that woke the task and dropped its clone, so that it is not counted, has left its word before (I16).
        fence(Ordering::Acquire);
        standing.is_about_to_be_polled |= if task.is_root() {
            self.root.header.is_remote_pending()
        } else {
            self.tasks.borrow().get(task).is_some_and(|slot| slot.header.is_remote_pending())
        };
        Some(standing)
    }
}
