//! The event loop: a single thread that polls ready tasks, and blocks in one system call (such as `epoll_wait`) when there
//! are none.
//!
//! [`EventLoop::turn`] is one complete iteration. Read the files in this order:
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | a turn, and `block_on`, which repeats it |
//! | `park.rs` | how long a turn blocks |
//! | `task.rs` | a task, its header and its waker |
//! | `core.rs` | the state that the parts of a loop share |
//! | `ready.rs` | the queue of ready tasks |
//! | `scheduling.rs` | how a task becomes ready, is polled, and ends |
//! | `current.rs` | the loop that is running on this thread |
//! | `notify.rs`, `remote.rs` | how other threads wake the loop, and what they send to it |
//! | `readiness.rs` | the cached readiness of a source |
//! | `reactor.rs`, `token.rs` | the registered sources, and the number that the kernel returns for each |
//! | `source.rs`, `io_budget.rs` | I/O on a source, and how much of it one poll may do |
//! | `waiting.rs` | which tasks wait for a source |
//! | `clock.rs`, `pause.rs` | the clock, which may be virtual or paused |
//! | `timers.rs`, `sleep.rs` | timers (on the data structure in [`wheel`](crate::wheel)), and the future that waits for one |
//! | `pool.rs` | the threads for blocking operations |
//! | `jobs.rs`, `job_state.rs` | the jobs for these threads |
//! | `executor.rs` | `run_in_executor` |
//! | `spawn.rs`, `join_error.rs`, `completion.rs`, `join_set.rs` | `spawn`, and awaiting tasks |
//! | `deadlock.rs`, `error.rs` | deadlock detection, and the errors of a loop |
//! | `emit.rs` | the events about tasks and turns, and the state from which findings are detected (`observe/findings.rs`) |
//! | `primitive.rs` | the atomics and locks of std, which tests replace by those of loom |
//! | `builder.rs`, `shutdown.rs` | how a loop is built, and how it ends |
//!
//! DESIGN.md lists the invariants that comments refer to (`I3`). Three files depend on each other in a cycle, because a
//! waker schedules its task through the current loop: `task.rs` (the waker), `current.rs` (the current loop) and
//! `core.rs` (its tasks).

mod builder;
mod clock;
mod completion;
mod core;
mod current;
mod deadlock;
mod emit;
mod error;
mod executor;
mod io_budget;
mod job_state;
mod jobs;
mod join_error;
mod join_set;
mod notify;
mod park;
mod pause;
mod pool;
mod primitive;
mod reactor;
mod readiness;
mod ready;
mod remote;
mod scheduling;
mod shutdown;
mod sleep;
mod source;
mod spawn;
mod task;
mod timers;
mod token;
mod waiting;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;

use self::core::Core;
use self::park::{Budget, ParkTimeout};
use self::remote::RemoteMessage;
use self::scheduling::OnUnwind;
use self::task::TaskWaker;

pub use builder::Builder;
pub use deadlock::{Deadlock, StuckTask};
pub use error::LoopError;
pub use executor::{Job, JobError, JobHandle, run_in_executor};
pub use join_error::{JoinError, PanicPayload};
pub use join_set::{JoinNext, JoinSet};
pub use pause::{ClockPause, PauseGuard};
pub use pool::ThreadPool;
pub use readiness::{Direction, InitialReadiness};
pub use shutdown::ShutdownReport;
pub use sleep::{Sleep, now, sleep, sleep_until};
pub use source::{PollEvented, SourceMetadata};
pub use spawn::{JoinHandle, spawn, spawn_named};

/// A single-threaded event loop. It polls the tasks that are ready, and blocks when there are none.
///
/// ```
/// use std::time::Duration;
/// use glassloop::{EventLoop, sleep, spawn};
///
/// let mut event_loop = EventLoop::new()?;
/// let answer = event_loop.block_on(async {
///     let other = spawn(async { sleep(Duration::from_millis(2)).await; 40 });
///     sleep(Duration::from_millis(1)).await;
///     2 + other.await.expect("the task does not panic")
/// })?;
/// assert_eq!(answer, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventLoop {
    core: Rc<Core>,
    root_waker: TaskWaker,
    poll: mio::Poll,
    events: mio::Events,
    /// The messages that were taken from the inbox and have not been processed.
    messages: VecDeque<RemoteMessage>,
    /// Whether the state of the notifier was `NOTIFIED`, so that the inbox must be drained.
    is_notified: bool,
    budget: Budget,
    turn: u64,
    /// Whether the last park lasted for the whole interval of a [recheck](park::RECHECK), without an event.
    is_quiet: bool,
    /// The error of the last turn.
    error: Option<LoopError>,
    /// Set by another thread or a signal handler, to make the shutdown stop waiting.
    force_shutdown: Arc<AtomicBool>,
}

impl EventLoop {
    /// Creates an event loop with default settings.
    ///
    /// # Errors
    /// If the process has too few file descriptors left.
    pub fn new() -> io::Result<EventLoop> {
        EventLoop::builder().build()
    }

    /// Returns a builder, to set an observer, virtual time, or limits.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs the loop until `future` completes. Spawned tasks that are still running are kept, and continue in the next
    /// call.
    ///
    /// # Errors
    /// [`LoopError::Deadlock`] if no task can ever be woken again (I16); [`LoopError::Reactor`] if the system call that
    /// waits for events fails.
    ///
    /// # Panics
    /// If an event loop is running on this thread.
    pub fn block_on<F: Future>(&mut self, future: F) -> Result<F::Output, LoopError> {
        let _entered = current::enter(&self.core);
        // Dropped while the loop is current, even after an error or a panic: its drop may wake tasks.
        let mut future = pin!(future);
        self.emit_run_begin();
        let unwinding = OnUnwind(|| emit::emit_run_end("failed"));
        self.wake_root();
        self.core.set_driven_by_turn(false);
        let result = loop {
            if let Poll::Ready(output) = self.run_once(future.as_mut()) {
                break Ok(output);
            }
            match self.error.take() {
                // The observer has woken a task, so there is no deadlock.
                Some(LoopError::Deadlock(_)) if self.core.is_any_task_ready() => {}
                Some(error) => break Err(error),
                None => {}
            }
        };
        std::mem::forget(unwinding);
        emit::emit_run_end(result.as_ref().map_or_else(LoopError::as_str, |_| "finished"));
        result
    }

    /// Runs one turn of the loop: polls the ready tasks, then waits once for events. [`block_on`](Self::block_on) repeats
    /// this.
    ///
    /// Before the first turn of a root future, call [`wake_root`](Self::wake_root). If no task can ever be woken, the turn
    /// does not block, and [`take_error`](Self::take_error) returns the deadlock. The caller may still wake a task between
    /// two turns.
    ///
    /// # Panics
    /// If an event loop is running on this thread.
    pub fn turn<F: Future>(&mut self, root: Pin<&mut F>) -> Poll<F::Output> {
        let _entered = current::enter(&self.core);
        self.core.set_driven_by_turn(true);
        self.run_once(root)
    }

    /// The numbers are those of the steps in DESIGN.md, "One turn of the loop".
    fn run_once<F: Future>(&mut self, root: Pin<&mut F>) -> Poll<F::Output> {
        self.begin_turn();
        self.drain_inbox(); // 1
        let polled = self.poll_root(root); // 2
        if polled.is_pending() {
            self.run_ready_tasks(); // 3
            let timeout = self.park_timeout(); // 4
            self.park(timeout); // 5
            self.dispatch_readiness(); // 6
            self.fire_timers(); // 7
            self.check_deadlock(timeout);
        }
        self.core.emit_turn_end(); // 8
        polled
    }

    /// Makes the root future ready: the next turn polls it.
    pub fn wake_root(&mut self) {
        self.core.wake_root();
    }

    /// Returns the error of the last turn, if there was one.
    pub fn take_error(&mut self) -> Option<LoopError> {
        self.error.take()
    }

    /// Returns the number of turns so far.
    pub fn turns(&self) -> u64 {
        self.turn
    }

    fn begin_turn(&mut self) {
        self.error = None;
        self.turn += 1;
        self.emit_turn_begin();
    }

    /// Processes the messages of other threads: wakes, and jobs that have started or ended. The inbox is locked only if the
    /// notifier's state says that it is not empty (I8).
    fn drain_inbox(&mut self) {
        if !self.is_notified {
            return;
        }
        self.core.remote.notifier.drain(&mut self.messages);
        while let Some(message) = self.messages.pop_front() {
            self.core.handle_message(message);
        }
        // Cleared last: if processing a message panics, the next turn processes the others.
        self.is_notified = false;
    }

    /// Polls the root future if it was woken.
    fn poll_root<F: Future>(&mut self, root: Pin<&mut F>) -> Poll<F::Output> {
        if !self.core.ready.borrow_mut().pop_root() {
            return Poll::Pending;
        }
        self.budget.polls_done += 1;
        self.core.poll_root(root, &self.root_waker)
    }

    /// Polls ready tasks in the order of the queue, until it is empty or the budget is spent.
    fn run_ready_tasks(&mut self) {
        while !self.is_budget_spent() {
            let next = self.core.ready.borrow_mut().pop();
            let Some(id) = next else { return };
            if self.core.run_task(id) {
                self.budget.polls_done += 1;
            }
        }
    }

    fn dispatch_readiness(&mut self) {
        for event in &self.events {
            if event.token() != token::WAKER_TOKEN {
                self.core.reactor.dispatch(event);
            }
        }
    }

    fn fire_timers(&mut self) {
        if self.core.timers.len() > 0 {
            self.core.timers.fire(self.core.clock.elapsed());
        }
    }

    fn check_deadlock(&mut self, timeout: ParkTimeout) {
        if matches!(timeout, ParkTimeout::Deadlocked) && !self.core.is_any_task_ready() {
            self.error = Some(LoopError::Deadlock(self.core.deadlock_report()));
        }
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").field("turns", &self.turn).field("metrics", &self.core.metrics()).finish()
    }
}
