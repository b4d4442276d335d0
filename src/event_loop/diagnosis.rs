//! Findings: what is wrong with the program that runs, by name and with what shows it.
//!
//! | finding | exactly when |
//! | --- | --- |
//! | `lost_waker` | a poll was not ready, the task is not about to be polled, and no waker of it is left that could be called |
//! | `undrained` | the same, and a source that had said in this poll that it is ready still is: there is no news of old news |
//! | `stale_waker` | a wake reached a task that has ended; it had polled a future that is another task's now, which has no waker left |
//! | `snooze` | a poll was not ready and the task is not about to be polled, and a child that was woken has not been |
//! | `spin` | a task woke itself a thousand times and did nothing else: no input or output, no timer, no change of state |
//! | `slow_poll`, `loop_lag` | a poll, or the time from a wake to its poll, took longer than the limit |
//!
//! `deadlock` is given in `verdict.rs`, `stale_event` in `reactor.rs`, and `poll_after_ready` by the future itself. All
//! cost nothing unless somebody observes. In doubt none is given: whoever reads one may rely on it.
//!
//! "A waker that could be called" is any clone but those of the loop itself, and those that lie in a source's place
//! from an earlier wait: the source will call these only when the task has waited there again.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::core::Core;
use crate::observe::{Cause, FutureId, Kind, TaskId, notes, tell};
use crate::sync::HoldId;

/// Wakes of a task by itself, in a row and to no effect, that are a finding.
const SPINS: u32 = 1_000;

/// Polls of which it is remembered when they began.
const POLLS: usize = 256;

/// What is known of the polls so far.
pub(crate) struct Diagnosis {
    /// How long a poll, or the wait for one, may take.
    limit: Duration,
    /// When the poll began, and how much the thread had worked by then.
    began: Cell<(Duration, Option<Duration>)>,
    /// The last polls: when each began, and how much the thread had worked by then.
    before: RefCell<VecDeque<(Duration, Duration)>>,
    /// Whether the task has woken itself during the poll.
    woke_itself: Cell<bool>,
    /// How often each task has woken itself in a row.
    spins: RefCell<HashMap<TaskId, u32>>,
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
            limit,
            began: Cell::default(),
            before: RefCell::default(),
            woke_itself: Cell::default(),
            spins: RefCell::default(),
            moved: RefCell::default(),
        }
    }

    fn note_worked(&self, now: Duration, worked: Duration) {
        let mut before = self.before.borrow_mut();
        if before.len() == POLLS {
            before.pop_front();
        }
        before.push_back((now, worked));
    }

    /// How much the thread had worked at the last poll to begin before a moment, if that is remembered.
    fn worked_before(&self, moment: Duration) -> Option<Duration> {
        self.before.borrow().iter().rev().find(|(began, _)| *began <= moment).map(|(_, worked)| *worked)
    }

    /// The task has ended.
    pub(super) fn forget(&self, task: TaskId) {
        self.spins.borrow_mut().remove(&task);
        notes::forget(task);
    }
}

impl Core {
    /// A poll begins, so long after its wake.
    pub(super) fn diagnose_poll_begin(&self, task: TaskId, delay: Duration) {
        notes::clear();
        let diagnosis = &self.diagnosis;
        diagnosis.woke_itself.set(false);
        let (now, worked) = (self.clock.elapsed(), thread_time());
        diagnosis.began.set((now, worked));
        if delay > diagnosis.limit {
            let mut evidence = format!(
                "{} passed between its wake and its poll; the limit is {}",
                milliseconds(delay),
                milliseconds(diagnosis.limit)
            );
            if let Some(worked) = worked
                && let Some(before) = diagnosis.worked_before(now.saturating_sub(delay))
            {
                let worked = milliseconds(worked.saturating_sub(before).min(delay));
                evidence += &format!("; the loop's thread was on a processor for at most {worked} of it");
            }
            self.find("loop_lag", task, &evidence, "look for a slow poll before it, or for a machine that is busy");
        }
        if let Some(worked) = worked {
            diagnosis.note_worked(now, worked);
        }
    }

    /// A task is woken.
    pub(super) fn diagnose_wake(&self, task: TaskId, cause: Cause, is_stale: bool) {
        let diagnosis = &self.diagnosis;
        if cause == Cause::Myself {
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
        let (began, worked) = self.diagnosis.began.get();
        let took = self.clock.elapsed().saturating_sub(began);
        if took > self.diagnosis.limit {
            self.find_slow_poll(task, took, worked);
        }
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
        standing.wakers == 0
            || (!notes::is_registered() && standing.wakers == self.reactor.unarmed_holds(standing.hold))
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
                if let Some((future, before)) = notes::last_moved() {
                    self.diagnosis.moved.borrow_mut().insert(before, (future, task));
                }
                let evidence = "its poll was not ready, and no waker of the task is left that anybody could call";
                let advice = "before `Pending`, let the future keep `cx.waker()` where what it waits for can call it";
                self.find("lost_waker", task, evidence, advice);
            }
        }
    }

    fn count_spins(&self, task: TaskId) {
        let spins = {
            let mut all = self.diagnosis.spins.borrow_mut();
            let spins = all.entry(task).or_default();
            *spins = if self.diagnosis.woke_itself.get() && !notes::is_active() { *spins + 1 } else { 0 };
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

    fn find_slow_poll(&self, task: TaskId, took: Duration, worked: Option<Duration>) {
        let mut evidence =
            format!("the poll took {}; the limit is {}", milliseconds(took), milliseconds(self.diagnosis.limit));
        if let (Some(before), Some(after)) = (worked, thread_time()) {
            let worked = milliseconds(after.saturating_sub(before));
            evidence += &format!("; the thread was on a processor for {worked} of it");
        }
        let advice = "hand what blocks or computes to `run_in_executor`, or yield now and then";
        self.find("slow_poll", task, &evidence, advice);
    }

    fn find(&self, what: &'static str, task: TaskId, evidence: &str, advice: &str) {
        let state = self.standing(task).map_or("", |standing| standing.waiting_for);
        tell!(Kind::Diagnosis { what, task: Some(task), state, evidence, advice });
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

/// A time, in milliseconds.
fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// How much this thread has worked, where the system says.
#[cfg(all(feature = "trace", unix))]
fn thread_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(all(feature = "trace", unix)))]
fn thread_time() -> Option<Duration> {
    None
}
