//! The event loop: one thread, one queue of tasks that are ready, one call that waits for everything else.
//!
//! [`EventLoop::turn`] is the whole of it, on one screen. Read in this order:
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | a turn, and `block_on` round it |
//! | `task.rs` | a task, its waker, and what a waker may own |
//! | `core.rs`, `ready.rs` | the tables; how a task becomes ready and is polled |
//! | `notify.rs` | how other threads reach the loop |
//! | `reactor.rs`, `token.rs`, `source.rs` | readiness: cached, edge-triggered, one registration a source |
//! | `io_budget.rs` | how much input and output one poll may do |
//! | `waiting.rs` | who waits for a source, and whether they still do |
//! | `clock.rs`, `pause.rs`, `wheel/`, `sleep.rs` | time |
//! | `pool.rs`, `jobs.rs`, `job_state.rs`, `executor.rs` | threads for what would block |
//! | `spawn.rs`, `join_set.rs`, `current.rs` | what programs call |
//! | `root.rs`, `error.rs` | the future that `block_on` was given; why it may not come to its end |
//! | `diagnosis.rs`, `lateness.rs` | what is wrong with the program, told to whoever observes |
//! | `verdict.rs` | when nothing can ever happen again |
//! | `shutdown.rs`, `builder.rs` | the end, and the beginning |
//!
//! The invariants that the comments name (`I3`) are listed in DESIGN.md.

mod atomics;
mod builder;
mod clock;
mod core;
mod current;
mod diagnosis;
mod error;
mod executor;
mod io_budget;
mod job_state;
mod jobs;
mod join_set;
mod lateness;
mod notify;
mod pause;
mod pool;
mod reactor;
mod ready;
mod root;
mod shutdown;
mod sleep;
mod source;
mod spawn;
mod task;
mod token;
mod verdict;
mod waiting;
pub mod wheel;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use self::core::{Core, Remote, observed};
use self::verdict::Outside;
use crate::observe::{Cause, CauseGuard, EventKind, TimeoutReason, contain, emit, set_turn};

pub use builder::Builder;
pub use error::LoopError;
pub use executor::{Job, JobError, JobHandle, run_in_executor};
pub use join_set::{JoinNext, JoinSet};
pub use pause::{ClockPause, PauseGuard};
pub use pool::ThreadPool;
pub use reactor::{Direction, InitialReadiness};
pub use shutdown::ShutdownReport;
pub use sleep::{Sleep, now, sleep, sleep_until};
pub use source::{PollEvented, SourceMetadata};
pub use spawn::{JoinError, JoinHandle, PanicPayload, spawn, spawn_named};
pub use verdict::{Deadlock, StuckTask};

/// An event loop: it polls the tasks that are ready and, when none is, sleeps until one is.
///
/// ```
/// use std::time::Duration;
/// use glassloop::{EventLoop, sleep, spawn};
///
/// let mut event_loop = EventLoop::new()?;
/// let answer = event_loop.block_on(async {
///     let other = spawn(async { sleep(Duration::from_millis(2)).await; 40 });
///     sleep(Duration::from_millis(1)).await;
///     2 + other.await.expect("it does not panic")
/// })?;
/// assert_eq!(answer, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventLoop {
    core: Rc<Core>,
    poll: mio::Poll,
    events: mio::Events,
    /// Where the notifier's list is emptied into; kept for its room.
    heard: VecDeque<Remote>,
    /// Whether a swap has answered that there is something to hear.
    is_notified: bool,
    /// How much may be polled between two looks at the reactor.
    budget: Budget,
    turn: u64,
    /// The last wait was a whole [`RECHECK`], and nothing happened.
    is_quiet: bool,
    /// Why the loop cannot go on.
    stopped: Option<LoopError>,
    /// Set from outside to make the shutdown give up waiting.
    give_up: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

/// How much may be polled since the last look at the reactor: both are limits.
#[derive(Clone, Copy, Debug)]
struct Budget {
    polls: u32,
    time: Duration,
    /// Polls since the last look.
    spent: u32,
    /// When that was, since the loop was built.
    looked_at: Duration,
}

/// How long the loop sleeps at most when it cannot know whether anything will ever wake it (I16).
const RECHECK: Duration = Duration::from_millis(500);

/// Polls between two readings of the clock.
const POLLS_PER_CLOCK: u32 = 16;

impl EventLoop {
    /// A loop with everything as usual.
    ///
    /// # Errors
    /// If the system has no descriptors left for the reactor.
    pub fn new() -> io::Result<EventLoop> {
        EventLoop::builder().build()
    }

    /// A loop that is watched, tested or tuned.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs the loop until `future` is done. Tasks that it spawned and did not wait for stay, and go on at the next call.
    ///
    /// # Errors
    /// [`LoopError::Deadlock`] if nothing can ever wake anything again (I16); [`LoopError::Reactor`] if the system
    /// refuses to wait.
    ///
    /// # Panics
    /// If a loop runs on this thread already.
    pub fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output, LoopError> {
        let _entered = current::enter(&self.core);
        // Dropped while the loop is still current, also when it is stuck or panics: what it drops may wake.
        let mut future = pin!(future);
        let (pool_threads, seed) = (self.core.default_pool.threads(), self.core.ready.borrow().seed());
        emit!(EventKind::RunBegin { pool_threads, seed });
        let unwinding = OnUnwind(|| emit!(EventKind::RunEnd { reason: "failed" }));
        self.wake_root();
        self.core.root.is_blocked_on.set(true);
        loop {
            if let Poll::Ready(output) = self.turn_entered(future.as_mut()) {
                std::mem::forget(unwinding);
                emit!(EventKind::RunEnd { reason: "finished" });
                return Ok(output);
            }
            match self.stopped.take() {
                // Whoever watched has woken somebody: there is life in it.
                Some(LoopError::Deadlock(_)) if self.core.is_work_ready() => {}
                Some(error) => {
                    std::mem::forget(unwinding);
                    emit!(EventKind::RunEnd { reason: error.in_one_word() });
                    return Err(error);
                }
                None => {}
            }
        }
    }

    /// One turn of the loop: everything that is ready, then one wait for what is not. [`block_on`](Self::block_on) is
    /// this, over and over.
    ///
    /// A root future that has not been polled yet needs [`wake_root`](Self::wake_root) first. When nothing can ever
    /// happen inside the loop, a turn does not sleep, and [`take_error`](Self::take_error) says why; whoever calls `turn`
    /// may still make something happen between two of them.
    ///
    /// # Panics
    /// If a loop runs on this thread already.
    pub fn turn<F: Future>(&mut self, root: Pin<&mut F>) -> Poll<F::Output> {
        let _entered = current::enter(&self.core);
        self.core.root.is_blocked_on.set(false);
        self.turn_entered(root)
    }

    fn turn_entered<F: Future>(&mut self, root: Pin<&mut F>) -> Poll<F::Output> {
        self.stopped = None;
        self.begin_turn();
        self.hear_other_threads(); // 1
        if self.core.root.woken.replace(false)
            && let Poll::Ready(output) = self.poll_root(root)
        // 2
        {
            self.core.emit_turn_end();
            return Poll::Ready(output);
        }
        self.run_ready_tasks(); // 3
        let wait = self.choose_wait(); // 4
        self.park(wait); // 5
        self.dispatch_readiness(); // 6
        self.fire_timers(); // 7
        if let Wait::Deadlocked = wait
            && !self.core.is_work_ready()
        {
            self.stopped = Some(LoopError::Deadlock(self.core.verdict()));
        }
        self.core.emit_turn_end(); // 8
        Poll::Pending
    }

    /// Lets the next turn poll the root future.
    pub fn wake_root(&mut self) {
        self.core.root.queued_at.set(self.core.clock.elapsed());
        self.core.root.woken.set(true);
    }

    /// Why the loop could not go on after the last turn, if it could not.
    pub fn take_error(&mut self) -> Option<LoopError> {
        self.stopped.take()
    }

    /// Turns so far.
    pub fn turns(&self) -> u64 {
        self.turn
    }

    fn begin_turn(&mut self) {
        self.turn += 1;
        if crate::observe::is_observed() {
            set_turn(self.turn);
            emit!(EventKind::TurnBegin(self.core.counts()));
        }
    }

    /// Takes what other threads have said: wakes, and jobs that have ended. Skipped unless a swap said there is
    /// something (I8).
    fn hear_other_threads(&mut self) {
        if !self.is_notified {
            return;
        }
        self.core.shared.notifier.drain(&mut self.heard);
        while let Some(said) = self.heard.pop_front() {
            self.core.hear(said);
        }
        // Only now: had something panicked, the next turn would hear the rest.
        self.is_notified = false;
    }

    /// Polls ready tasks, first-in first-out, until the queue is empty or the budget is spent.
    fn run_ready_tasks(&mut self) {
        while !self.is_budget_spent() {
            let next = self.core.ready.borrow_mut().pop();
            let Some(id) = next else { return };
            if self.core.run_task(id) {
                self.budget.spent += 1;
            }
        }
    }

    /// Whether it is time to look at the reactor again, however much is ready.
    #[inline]
    fn is_budget_spent(&self) -> bool {
        let budget = &self.budget;
        budget.spent >= budget.polls
            || (budget.spent > 0
                && budget.spent.is_multiple_of(POLLS_PER_CLOCK)
                && self.core.clock.elapsed().saturating_sub(budget.looked_at) >= budget.time)
    }

    /// How long to wait, and why.
    fn choose_wait(&mut self) -> Wait {
        let core = &*self.core;
        if core.is_work_ready() {
            return Wait::Zero;
        }
        core.diagnosis.lateness.caught_up();
        if core.reactor.is_probing() || self.budget.spent > 0 {
            core.reactor.settle_probe();
        }
        let is_no_timer_set = core.is_no_timer_set();
        if !core.clock.is_virtual() && !is_no_timer_set {
            // At the tick where the wheel has something to do, be it only to cascade timers towards their deadline.
            return core.wheel.borrow().next_expiry().map_or(Wait::Forever, |tick| Wait::Until(clock::moment_of(tick)));
        }
        let next = core.wheel.borrow().next_deadline().map(clock::moment_of);
        match (core.outside(), next) {
            (Outside::Nothing, _) if is_no_timer_set => Wait::Deadlocked,
            (Outside::Nothing, Some(deadline)) => Wait::Jump(deadline),
            (Outside::UnverifiedWait, _) if core.clock.is_virtual() || self.is_quiet => {
                core.reactor.probe();
                Wait::Zero
            }
            (Outside::UnverifiedWait | Outside::Waker, next) => {
                let recheck = core.clock.elapsed() + RECHECK;
                Wait::Recheck(next.map_or(recheck, |deadline| deadline.min(recheck)))
            }
            (_, Some(deadline)) => Wait::Until(deadline),
            (_, None) => Wait::Forever,
        }
    }

    /// Waits in the reactor for readiness, another thread, or the next timer.
    fn park(&mut self, wait: Wait) {
        self.events.clear();
        self.is_quiet &= self.core.reactor.is_probing();
        let (timeout, why) = match wait {
            // Ready work goes first, but the reactor gets its look when the budget is spent.
            Wait::Zero if self.core.reactor.len() == 0 || !self.is_budget_spent() => return self.skip_park(),
            Wait::Zero => (Some(Duration::ZERO), TimeoutReason::Ready),
            Wait::Until(deadline) => (Some(self.core.time_until(deadline)), TimeoutReason::Timer),
            Wait::Recheck(at) => (Some(self.core.time_until(at)), TimeoutReason::Recheck),
            Wait::Jump(deadline) => {
                self.core.clock.advance(self.core.time_until(deadline));
                (Some(Duration::ZERO), TimeoutReason::Timer)
            }
            Wait::Forever => (None, TimeoutReason::Forever),
            // Background sources may be ready all the same.
            Wait::Deadlocked if self.core.reactor.len() == 0 => return self.skip_park(),
            Wait::Deadlocked => (Some(Duration::ZERO), TimeoutReason::Ready),
        };
        // I8: from here on, another thread that notifies writes to the operating system's waker.
        let timeout = if self.core.shared.notifier.start_polling() { timeout } else { Some(Duration::ZERO) };
        emit!(EventKind::WaitBegin { timeout, why });
        // Whoever watches may have woken a task just now, from this thread and so without a word to the notifier.
        let timeout = if self.core.is_work_ready() { Some(Duration::ZERO) } else { timeout };
        // A look that does not sleep takes no virtual time: the same program takes the same course every time.
        let is_timed = self.core.clock.is_virtual() && timeout != Some(Duration::ZERO);
        let before = is_timed.then(std::time::Instant::now);
        let result = self.poll.poll(&mut self.events, timeout);
        self.is_notified |= self.core.shared.notifier.stop_polling();
        if let Some(before) = before {
            self.core.clock.advance(before.elapsed());
        }
        self.is_quiet = matches!(wait, Wait::Recheck(_)) && self.events.is_empty() && !self.is_notified;
        self.budget.spent = 0;
        self.budget.looked_at = self.core.clock.elapsed();
        match result {
            Ok(()) => {}
            // I10: no events; the next turn works the timeout out anew.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.stopped = Some(LoopError::Reactor(error)),
        }
        emit!(EventKind::WaitEnd {
            events: self.events.iter().filter(|event| event.token() != token::WAKER_TOKEN).count(),
            woken: self.is_notified,
        });
    }

    /// A park that needs no system call still listens to the notifier.
    fn skip_park(&mut self) {
        self.is_notified |= self.core.shared.notifier.stop_polling();
        if self.core.reactor.len() == 0 {
            self.budget.spent = 0;
            self.budget.looked_at = self.core.clock.elapsed();
        }
    }

    fn dispatch_readiness(&mut self) {
        for event in &self.events {
            if event.token() != token::WAKER_TOKEN {
                self.core.reactor.dispatch(event);
            }
        }
    }

    /// Wakes whoever waits for a timer that is due.
    fn fire_timers(&mut self) {
        if self.core.wheel.borrow().is_empty() {
            return;
        }
        let now = self.core.clock.elapsed();
        self.core.wheel.borrow_mut().advance(clock::tick_at(now));
        loop {
            let due = self.core.wheel.borrow_mut().pop_expired();
            let Some((id, _tick, mut timer)) = due else { return };
            let late = now.saturating_sub(timer.deadline);
            emit!(EventKind::TimerFire { timer: observed(id), late });
            self.core.forget_background(&timer);
            let _cause = CauseGuard::set(Cause::Timer(observed(id)));
            if let Some(waker) = timer.waker.take() {
                contain("a waker", || waker.wake()); // I4: the wheel is not borrowed
            }
        }
    }
}

/// How the loop is to wait.
#[derive(Clone, Copy)]
enum Wait {
    /// Not at all: there is work.
    Zero,
    /// Until a timer is due, on the scale of the loop's clock.
    Until(Duration),
    /// Until then, to see whether anything can still wake it.
    Recheck(Duration),
    /// Not at all: virtual time jumps to a timer's deadline.
    Jump(Duration),
    /// Until something happens.
    Forever,
    /// Nothing can happen: it would be for ever.
    Deadlocked,
}

impl Core {
    pub(crate) fn emit_turn_end(&self) {
        if crate::observe::is_observed() {
            emit!(EventKind::TurnEnd(self.counts()));
        }
    }

    fn time_until(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.clock.elapsed())
    }
}

/// Tells that what was begun is over when a panic of the root future goes through the loop. Forgotten when none does.
struct OnUnwind<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnUnwind<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").field("turns", &self.turn).field("counts", &self.core.counts()).finish()
    }
}
