//! The events that the loop emits about its tasks and turns, so that the other files need one line for each.
//!
//! Without an observer, each of these is one branch. Methods marked `cold` must be called only if there is an observer.
//! At the end is the implementation of `TaskInspector`, with which findings are detected (`observe/findings.rs`).

use std::panic::Location;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::EventLoop;
use super::core::Core;
use super::task::{HandleStatus, TaskFuture};
use crate::observe::{
    Aborter, Cause, EventKind, SourceId, TaskId, TaskInspector, TaskOutcome, TaskStatus, TimeoutReason, WakeId,
    WakeOutcome, current_task, emit, is_observed, set_turn,
};

impl EventLoop {
    pub(super) fn emit_run_begin(&self) {
        let (pool_threads, seed) = (self.core.default_pool.threads(), self.core.ready.borrow().seed());
        emit!(EventKind::RunBegin { pool_threads, seed });
    }

    pub(super) fn emit_turn_begin(&self) {
        if is_observed() {
            set_turn(self.turn);
            emit!(EventKind::TurnBegin(self.core.metrics()));
        }
    }

    pub(super) fn emit_wait_end(&self) {
        let is_from_source = |event: &&mio::event::Event| event.token() != super::token::WAKER_TOKEN;
        emit!(EventKind::WaitEnd {
            events: self.events.iter().filter(is_from_source).count(),
            woken: self.is_notified
        });
    }
}

pub(super) fn emit_run_end(reason: &'static str) {
    emit!(EventKind::RunEnd { reason });
}

pub(super) fn emit_wait_begin(timeout: Option<Duration>, why: TimeoutReason) {
    emit!(EventKind::WaitBegin { timeout, why });
}

impl Core {
    pub(super) fn emit_turn_end(&self) {
        emit!(EventKind::TurnEnd(self.metrics()));
    }

    pub(super) fn emit_spawn(&self, id: TaskId, future: &'static str, location: &'static Location<'static>) {
        if is_observed() {
            let name = self.tasks.borrow().get(id).map(|task| task.name.clone());
            let name = name.as_ref().map_or("", |name| name.as_str());
            emit!(EventKind::Spawn { task: id, parent: current_task(), name, future, location });
        }
    }

    /// Emits a wake, and stores it for the event of the next poll.
    #[cold]
    pub(super) fn emit_wake(&self, id: TaskId, cause: Cause, outcome: WakeOutcome) {
        let wake = WakeId(self.next_wake.get());
        self.next_wake.set(wake.0 + 1);
        if let Some(task) = self.tasks.borrow_mut().get_mut(id) {
            let observed = task.observed.get_or_insert_default();
            observed.wakes.push(wake);
            if outcome == WakeOutcome::Queued {
                observed.queued_at = self.clock.elapsed();
            }
        }
        emit!(EventKind::Wake { wake, task: id, cause, effect: outcome });
        self.findings.wake(self, id, cause, outcome == WakeOutcome::Stale);
    }

    #[cold]
    pub(super) fn emit_poll_begin(&self, id: TaskId) {
        let now = self.clock.elapsed();
        let taken = self.tasks.borrow_mut().get_mut(id).map(|task| {
            let observed = task.observed.get_or_insert_default();
            observed.polls += 1;
            (observed.polls - 1, observed.queued_at, std::mem::take(&mut observed.wakes))
        });
        let Some((number, queued_at, mut wakes)) = taken else { return };
        let delay = now.saturating_sub(queued_at);
        emit!(EventKind::PollBegin { task: id, number, delay, wakes: &wakes });
        // The buffer is used again, unless the observer has woken the task in the meantime.
        wakes.clear();
        if let Some(task) = self.tasks.borrow_mut().get_mut(id)
            && let Some(observed) = task.observed.as_mut().filter(|observed| observed.wakes.is_empty())
        {
            observed.wakes = wakes;
        }
        self.findings.begin_poll(self, id, delay);
    }

    #[cold]
    pub(super) fn emit_poll_end(&self, id: TaskId, is_ready: bool) {
        self.emit_poll_end_event(id, is_ready);
        self.findings.end_poll(self, id, is_ready);
    }

    fn emit_poll_end_event(&self, id: TaskId, is_ready: bool) {
        let state = |task: &super::task::Task| (task.waiting_for, task.waker_clones());
        let pending = if is_ready { None } else { self.tasks.borrow().get(id).map(state) };
        let (waiting_for, wakers) = pending.unwrap_or_default();
        emit!(EventKind::PollEnd { task: id, ready: is_ready, waiting_for, wakers });
    }

    /// Emits the end of the poll and of the turn in which the root future panicked. Findings are not detected: the future is
    /// not polled again.
    pub(super) fn emit_unwinding_root(&self) {
        self.emit_poll_end_event(TaskId::ROOT, false);
        self.emit_turn_end();
    }

    pub(super) fn emit_drop(&self, id: TaskId, outcome: Option<TaskOutcome>) {
        if outcome.is_none() {
            emit!(EventKind::Drop { task: id });
        }
    }

    pub(super) fn emit_done(&self, id: TaskId, outcome: TaskOutcome) {
        if is_observed() {
            emit!(EventKind::Done { task: id, outcome });
            self.findings.forget(id);
        }
    }
}

impl TaskInspector for Core {
    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    fn status(&self, task: TaskId) -> Option<TaskStatus> {
        let tasks = self.tasks.borrow();
        let task = tasks.get(task)?;
        // The wakers are counted before the flag is read. If another thread has called and dropped its clone, the clone is
        // not counted, but then the flag is set (I16).
        let (waiting_for, wakers) = (task.waiting_for, task.waker_clones());
        fence(Ordering::Acquire);
        let is_about_to_be_polled =
            task.scheduled.get() || task.is_driven_by_turn.get() || task.header.is_remote_pending();
        Some(TaskStatus { waiting_for, wakers, is_about_to_be_polled })
    }

    fn disarmed_wakers(&self, task: TaskId) -> usize {
        let count = self.tasks.borrow().get(task).map(|task| task.waker_count);
        count.map_or(0, |count| self.reactor.count_disarmed_wakers(count))
    }

    fn is_ready_and_disarmed(&self, source: SourceId, for_reading: bool) -> bool {
        self.reactor.is_ready_and_disarmed(source, for_reading)
    }

    fn aborter(&self, task: TaskId) -> Aborter {
        let tasks = self.tasks.borrow();
        let status = match tasks.get(task).map(|task| &task.future) {
            None | Some(TaskFuture::Polling) => return Aborter::Unknown, // it has ended, or is being polled and may end
            Some(TaskFuture::OnCallersStack) => return Aborter::None,
            Some(TaskFuture::Stored(future)) => future.handle_status(),
        };
        match status {
            HandleStatus::Dropped => Aborter::None,
            HandleStatus::Kept => Aborter::Unknown,
            HandleStatus::AwaitedBy(count) => {
                let awaiting = tasks.iter().find(|(_, task)| task.waker_count == count);
                awaiting.map_or(Aborter::Unknown, |(id, _)| Aborter::Task(id))
            }
        }
    }
}
