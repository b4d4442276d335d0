//! How long a turn blocks in the reactor.

use std::io;
use std::time::{Duration, Instant};

use super::deadlock::PendingWake;
use super::{EventLoop, LoopError, emit};
use crate::observe::TimeoutReason;

/// The interval at which the loop checks for a deadlock while it is unknown whether it can ever be woken (I16).
pub(super) const RECHECK: Duration = Duration::from_millis(500);

/// The number of polls between two readings of the clock.
const POLLS_PER_CLOCK_READING: u32 = 16;

/// The limits on polling tasks between two polls of the reactor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) max_polls: u32,
    pub(super) max_time: Duration,
    /// The number of polls since the reactor was last polled.
    pub(super) polls_done: u32,
    /// When the reactor was last polled.
    pub(super) last_reactor_poll: Duration,
}

/// How long the loop blocks. Times are those of the loop's clock.
#[derive(Clone, Copy)]
pub(super) enum ParkTimeout {
    /// Does not block: a task is ready.
    Zero,
    /// Blocks until this time, at which the next timer is due, or the wheel has to move timers.
    Until(Duration),
    /// Blocks until this time, at which the loop checks again whether it can ever be woken.
    Recheck(Duration),
    /// Does not block: virtual time jumps to this deadline.
    Jump(Duration),
    /// Blocks until there is an event.
    Forever,
    /// Does not block: no event can happen.
    Deadlocked,
}

impl EventLoop {
    /// Returns whether the reactor must be polled before further tasks.
    #[inline]
    pub(super) fn is_budget_spent(&self) -> bool {
        let budget = &self.budget;
        budget.polls_done >= budget.max_polls
            || (budget.polls_done > 0
                && budget.polls_done.is_multiple_of(POLLS_PER_CLOCK_READING)
                && self.core.clock.elapsed().saturating_sub(budget.last_reactor_poll) >= budget.max_time)
    }

    fn renew_budget(&mut self) {
        self.budget.polls_done = 0;
        self.budget.last_reactor_poll = self.core.clock.elapsed();
    }

    /// Decides how long to block.
    pub(super) fn park_timeout(&mut self) -> ParkTimeout {
        let core = &*self.core;
        if core.is_any_task_ready() {
            return ParkTimeout::Zero;
        }
        core.findings.end_lag();
        if core.reactor.is_probing() || self.budget.polls_done > 0 {
            core.reactor.settle_probe();
        }
        let has_only_unref_timers = core.timers.are_all_unref();
        if !core.clock.is_virtual() && !has_only_unref_timers {
            return core.timers.next_expiry().map_or(ParkTimeout::Forever, ParkTimeout::Until);
        }
        let next = core.timers.next_deadline();
        match (core.pending_wake(), next) {
            (PendingWake::None, _) if has_only_unref_timers => ParkTimeout::Deadlocked,
            (PendingWake::None, Some(deadline)) => ParkTimeout::Jump(deadline),
            (PendingWake::UnverifiedWait, _) if core.clock.is_virtual() || self.is_quiet => {
                core.reactor.probe();
                ParkTimeout::Zero
            }
            (PendingWake::UnverifiedWait | PendingWake::ExternalWaker, next) => {
                let recheck = core.clock.elapsed() + RECHECK;
                ParkTimeout::Recheck(next.map_or(recheck, |deadline| deadline.min(recheck)))
            }
            (_, Some(deadline)) => ParkTimeout::Until(deadline),
            (_, None) => ParkTimeout::Forever,
        }
    }

    /// Waits for readiness, a message, or the next timer.
    pub(super) fn park(&mut self, park: ParkTimeout) {
        self.events.clear();
        self.is_quiet &= self.core.reactor.is_probing();
        let Some((timeout, why)) = self.mio_timeout(park) else { return self.skip_park() };
        // I8: from here on, a thread that notifies the loop also writes to the operating system's waker.
        let timeout = if self.core.remote.notifier.begin_park() { timeout } else { Some(Duration::ZERO) };
        emit::emit_wait_begin(timeout, why);
        // The observer may have woken a task on this thread, without the notifier.
        let timeout = if self.core.is_any_task_ready() { Some(Duration::ZERO) } else { timeout };
        // A poll that does not block takes no virtual time, so that a program runs in the same way every time.
        let is_timed = self.core.clock.is_virtual() && timeout != Some(Duration::ZERO);
        let before = is_timed.then(Instant::now);
        let result = self.poll.poll(&mut self.events, timeout);
        self.is_notified |= self.core.remote.notifier.end_park();
        if let Some(before) = before {
            self.core.clock.advance(before.elapsed());
        }
        self.is_quiet = matches!(park, ParkTimeout::Recheck(_)) && self.events.is_empty() && !self.is_notified;
        self.renew_budget();
        match result {
            Ok(()) => {}
            // I10: there are no events. The next turn computes the timeout again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.error = Some(LoopError::Reactor(error)),
        }
        self.emit_wait_end();
    }

    /// Returns the timeout of the system call, and the reason for it. `None` if no system call is needed.
    fn mio_timeout(&self, park: ParkTimeout) -> Option<(Option<Duration>, TimeoutReason)> {
        let has_sources = self.core.reactor.len() > 0;
        match park {
            // While tasks are ready, the reactor is polled only when the budget is spent.
            ParkTimeout::Zero if !has_sources || !self.is_budget_spent() => None,
            ParkTimeout::Zero => Some((Some(Duration::ZERO), TimeoutReason::Ready)),
            ParkTimeout::Until(deadline) => Some((Some(self.core.time_until(deadline)), TimeoutReason::Timer)),
            ParkTimeout::Recheck(at) => Some((Some(self.core.time_until(at)), TimeoutReason::Recheck)),
            ParkTimeout::Jump(deadline) => {
                self.core.clock.advance(self.core.time_until(deadline));
                Some((Some(Duration::ZERO), TimeoutReason::Timer))
            }
            ParkTimeout::Forever => Some((None, TimeoutReason::Forever)),
            // Unref'd sources may be ready.
            ParkTimeout::Deadlocked if !has_sources => None,
            ParkTimeout::Deadlocked => Some((Some(Duration::ZERO), TimeoutReason::Ready)),
        }
    }

    /// Does the part of [`park`](Self::park) that is necessary without a system call.
    fn skip_park(&mut self) {
        self.is_notified |= self.core.remote.notifier.end_park();
        if self.core.reactor.len() == 0 {
            self.renew_budget();
        }
    }
}
