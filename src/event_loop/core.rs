//! What the parts of one loop share: the tables, and how a task becomes ready.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::clock::{Clock, tick_at_or_after};
use super::diagnosis::Diagnosis;
use super::io_budget::IoBudget;
use super::jobs::Jobs;
use super::notify::{Notifier, OsWaker};
use super::pool::ThreadPool;
use super::reactor::Reactor;
use super::ready::ReadyQueue;
use super::root::Root;
use super::task::{Name, NewTask, Run, Sink, Slot, Tasks};
use super::wheel::{self, Wheel};
use crate::observe::{
    Cause, CauseGuard, CurrentTask, EventKind, IdleObserver, JobId, JobOutcome, LoopMetrics, TaskId, TaskOutcome,
    TimerId, WakeId, WakeOutcome, contain, current_task, emit, emit_event_at, is_observed, take_wait_reason,
};
use crate::sync::WakerSlot;

/// The half of a loop that other threads may touch. Wakers keep it alive.
pub(crate) struct Shared {
    pub(crate) notifier: Notifier<Remote, mio::Waker>,
}

/// What other threads have to say to the loop.
pub(crate) enum Remote {
    Wake {
        task: TaskId,
    },
    /// A worker has taken a job; said only if somebody observes.
    JobStarted {
        job: JobId,
        worker: u32,
        at: std::time::Instant,
    },
    JobEnded {
        job: JobId,
        worker: u32,
        at: std::time::Instant,
        panicked: bool,
    },
}

impl OsWaker for mio::Waker {
    fn wake(&self) {
        // It fails only where the descriptor is gone, and with it the loop. Nothing may be said here (I2).
        let _gone = mio::Waker::wake(self);
    }
}

/// A timer's place in the wheel.
pub(crate) struct Timer {
    pub(crate) waker: WakerSlot,
    /// When it is due, to the nanosecond: the wheel knows only the tick.
    pub(crate) deadline: Duration,
    /// It does not keep the loop from seeing a deadlock, nor virtual time from jumping.
    pub(crate) background: bool,
}

/// One loop, as its own thread sees it.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) root: Root,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) ready: RefCell<ReadyQueue>,
    pub(crate) reactor: Reactor,
    pub(crate) wheel: RefCell<Wheel<Timer>>,
    pub(crate) background_timers: Cell<usize>,
    pub(crate) clock: Rc<Clock>,
    pub(crate) io_budget: IoBudget,
    pub(crate) jobs: RefCell<Jobs>,
    pub(crate) default_pool: ThreadPool,
    /// The observer, while the loop is not running.
    pub(crate) idle_observer: Cell<Option<IdleObserver>>,
    /// What is wrong with the program; asked only while somebody observes.
    pub(crate) diagnosis: Diagnosis,
    pub(crate) next_wake: Cell<u64>,
    /// A task whose waker was held outside the loop when the verdict was last asked for (I16).
    pub(crate) seen_foreign: Cell<TaskId>,
    /// Tasks are refused: the loop is shutting down (I14).
    pub(crate) closing: Cell<bool>,
}

impl Core {
    // -- Becoming ready ------------------------------------------------------------------------------------------

    /// Wakes a task of this loop from the loop's thread, and tells of it.
    pub(crate) fn wake_local(&self, id: TaskId, cause: Cause) {
        let effect = self.schedule(id);
        if is_observed() {
            self.emit_wake(id, cause, effect);
        }
    }

    /// Makes a task ready: a flag and a push, and only once (I3). It runs nothing that a user wrote.
    #[inline]
    pub(crate) fn schedule(&self, id: TaskId) -> WakeOutcome {
        if id.is_root() {
            return if self.root.woken.replace(true) { WakeOutcome::Coalesced } else { WakeOutcome::Queued };
        }
        let tasks = self.tasks.borrow();
        match tasks.get(id) {
            None => WakeOutcome::Stale,
            Some(slot) if slot.scheduled.replace(true) => WakeOutcome::Coalesced,
            Some(_) => {
                self.ready.borrow_mut().push(id);
                WakeOutcome::Queued
            }
        }
    }

    /// Keeps what the coming poll's event will say, and tells of the wake.
    #[cold]
    pub(crate) fn emit_wake(&self, id: TaskId, cause: Cause, effect: WakeOutcome) {
        let wake = WakeId(self.next_wake.get());
        self.next_wake.set(wake.0 + 1);
        let now = self.clock.elapsed();
        if id.is_root() {
            if effect == WakeOutcome::Queued {
                self.root.queued_at.set(now);
            }
            self.root.wakes.borrow_mut().push(wake);
        } else if let Some(slot) = self.tasks.borrow_mut().get_mut(id) {
            if effect == WakeOutcome::Queued {
                slot.queued_at = now;
            }
            slot.wakes.push(wake);
        }
        emit!(EventKind::Wake { wake, task: id, cause, effect });
        self.diagnose_wake(id, cause, effect == WakeOutcome::Stale);
    }

    /// Adds a task and makes it ready. `Err` gives it back if the loop is shutting down.
    pub(crate) fn spawn<F: Future + 'static, S: Sink<F::Output> + 'static>(
        &self,
        new: NewTask<F, S>,
    ) -> Result<TaskId, NewTask<F, S>> {
        if self.closing.get() {
            return Err(new);
        }
        let location = new.location;
        // Nobody's future is dropped or polled here: it is moved (I4).
        let id = self.tasks.borrow_mut().insert(new, &self.shared);
        if is_observed() {
            let name = self.tasks.borrow().get(id).map(|slot| slot.name.clone());
            let (name, future) = (name.as_ref().map_or("", Name::as_str), std::any::type_name::<F>());
            emit!(EventKind::Spawn { task: id, parent: current_task(), name, future, location });
        }
        self.wake_local(id, Cause::Spawn);
        Ok(id)
    }

    /// Marks a task as aborted and lets the loop drop it (I13).
    pub(crate) fn abort(&self, id: TaskId) {
        let marked = self.tasks.borrow().get(id).is_some_and(|slot| !slot.aborted.replace(true));
        if marked {
            self.schedule(id);
        }
    }

    // -- Hearing other threads -------------------------------------------------------------------------------------

    /// One thing that another thread has said.
    pub(crate) fn hear(&self, said: Remote) {
        match said {
            Remote::Wake { task } => {
                self.clear_remote_pending(task);
                self.wake_local(task, Cause::External);
            }
            Remote::JobStarted { job, worker, at } => {
                let wait = self.jobs.borrow_mut().start(job, at).unwrap_or_default();
                if crate::observe::is_observed() {
                    emit_event_at(Some((self.clock.happened(at), worker)), EventKind::JobStart { job, wait });
                }
            }
            Remote::JobEnded { job, worker, at, panicked } => {
                let outcome = if panicked { JobOutcome::Panicked } else { JobOutcome::Finished };
                if crate::observe::is_observed() {
                    emit_event_at(Some((self.clock.happened(at), worker)), EventKind::JobEnd { job, outcome });
                }
                let entry = self.jobs.borrow_mut().remove(job);
                if let Some(mut entry) = entry {
                    let _cause = CauseGuard::set(Cause::Job(job));
                    if let Some(waker) = entry.waker.take() {
                        contain("a waker", || waker.wake());
                    }
                    // Its place in the pool's queue goes to the next: still caused by this job.
                    drop(entry);
                }
            }
        }
    }

    /// So that the next wake from another thread is pushed again. Before the poll: a wake during it counts.
    fn clear_remote_pending(&self, task: TaskId) {
        if task.is_root() {
            self.root.header.clear_remote_pending();
        } else if let Some(slot) = self.tasks.borrow().get(task) {
            slot.header.clear_remote_pending();
        }
    }

    // -- Being polled --------------------------------------------------------------------------------------------

    /// Polls a task that was on the ready queue, or drops it if it was aborted. Whether there was one to poll.
    pub(crate) fn run_task(&self, id: TaskId) -> bool {
        let (mut future, aborted) = {
            let mut tasks = self.tasks.borrow_mut();
            // A task that has ended leaves entries behind that mean nothing (I3).
            let Some(slot) = tasks.get_mut(id) else { return false };
            slot.scheduled.set(false);
            let Some(future) = slot.future.take() else { return false };
            slot.polls += 1;
            (future, slot.aborted.get())
        };
        let _task = CurrentTask::set(id);
        if aborted {
            self.remove_task(id, future, None);
            return true;
        }
        if is_observed() {
            self.emit_poll_begin(id);
        }
        self.io_budget.refill();
        match future.as_mut().poll() {
            Poll::Pending => {
                let mut tasks = self.tasks.borrow_mut();
                // Only the loop removes tasks, and never the one it polls.
                if let Some(slot) = tasks.get_mut(id) {
                    slot.future = Some(future);
                    slot.waiting_for = take_wait_reason();
                    if is_observed() {
                        let (waiting_for, wakers) = (slot.waiting_for, slot.wakers_alive());
                        drop(tasks);
                        emit!(EventKind::PollEnd { task: id, ready: false, waiting_for, wakers });
                        self.diagnose_poll_end(id, false);
                    }
                }
            }
            Poll::Ready(outcome) => {
                if is_observed() {
                    emit!(EventKind::PollEnd { task: id, ready: true, waiting_for: "", wakers: 0 });
                    self.diagnose_poll_end(id, true);
                }
                self.remove_task(id, future, Some(outcome));
            }
        }
        true
    }

    /// Ends a task: its future is dropped here, on the loop's thread, with nothing borrowed (I1, I4).
    pub(crate) fn remove_task(&self, id: TaskId, future: Pin<Box<dyn Run>>, outcome: Option<TaskOutcome>) {
        let slot: Option<Slot> = self.tasks.borrow_mut().remove(id);
        if outcome.is_none() {
            emit!(EventKind::Drop { task: id });
        }
        // What a future drops may panic: that is this task's affair alone (I12).
        let name = slot.as_ref().map_or("", |slot| slot.name.as_str());
        contain(format_args!("dropping the task `{name}`"), || drop(future));
        drop(slot);
        if is_observed() {
            emit!(EventKind::Done { task: id, outcome: outcome.unwrap_or(TaskOutcome::Aborted) });
            self.diagnosis.forget(id);
        }
    }

    #[cold]
    fn emit_poll_begin(&self, id: TaskId) {
        let now = self.clock.elapsed();
        let taken = self
            .tasks
            .borrow_mut()
            .get_mut(id)
            .map(|slot| (slot.polls - 1, slot.queued_at, std::mem::take(&mut slot.wakes)));
        if let Some((number, queued_at, mut wakes)) = taken {
            let delay = now.saturating_sub(queued_at);
            emit!(EventKind::PollBegin { task: id, number, delay, wakes: &wakes });
            wakes.clear();
            // The buffer goes back, unless new wakes came in from the observer.
            if let Some(slot) = self.tasks.borrow_mut().get_mut(id)
                && slot.wakes.is_empty()
            {
                slot.wakes = wakes;
            }
            self.diagnose_poll_begin(id, now, delay);
        }
    }

    // -- Timers --------------------------------------------------------------------------------------------------

    /// Arms a timer for the task that `waker` belongs to.
    pub(crate) fn set_timer(&self, deadline: Duration, waker: &Waker, background: bool) -> wheel::TimerId {
        let timer = Timer { waker: WakerSlot::holding(waker), deadline, background };
        let id = self.wheel.borrow_mut().insert(tick_at_or_after(deadline), timer);
        if background {
            self.background_timers.set(self.background_timers.get() + 1);
        }
        emit!(EventKind::TimerSet { timer: observed(id), task: current_task(), deadline });
        id
    }

    /// Lets a timer wake the task that `waker` belongs to. `false` if it has fired.
    pub(crate) fn keep_timers_waker(&self, id: wheel::TimerId, waker: &Waker) -> bool {
        let is_kept = self.wheel.borrow().get(id).map(|timer| timer.waker.will_wake(waker));
        if is_kept != Some(false) {
            return is_kept.is_some();
        }
        // I4: the clone and the drop of a waker may run anything, and the wheel is not borrowed.
        let mut slot = WakerSlot::holding(waker);
        let is_set = match self.wheel.borrow_mut().get_mut(id) {
            Some(timer) => {
                std::mem::swap(&mut timer.waker, &mut slot);
                true
            }
            None => false, // it fired meanwhile (I6)
        };
        drop(slot);
        is_set
    }

    /// Cancels a timer. `false` if it has fired.
    pub(crate) fn cancel_timer(&self, id: wheel::TimerId) -> bool {
        let cancelled = self.wheel.borrow_mut().cancel(id);
        let Some(timer) = cancelled else { return false };
        self.forget_background(&timer);
        emit!(EventKind::TimerDel { timer: observed(id) });
        true
    }

    pub(crate) fn forget_background(&self, timer: &Timer) {
        if timer.background {
            self.background_timers.set(self.background_timers.get() - 1);
        }
    }

    // -- Counting ------------------------------------------------------------------------------------------------

    pub(crate) fn counts(&self) -> LoopMetrics {
        let jobs = self.jobs.borrow();
        LoopMetrics {
            ready: self.ready.borrow().len() + usize::from(self.root.woken.get()),
            tasks: self.tasks.borrow().len(),
            timers: self.wheel.borrow().len(),
            sources: self.reactor.len(),
            jobs_queued: jobs.len() - jobs.running(),
            jobs_running: jobs.running(),
        }
    }

    pub(crate) fn is_work_ready(&self) -> bool {
        self.root.woken.get() || !self.ready.borrow().is_empty()
    }
}

/// The wheel's id in the words of the observer.
pub(crate) fn observed(id: wheel::TimerId) -> TimerId {
    TimerId { index: id.index, generation: id.generation }
}
