//! The builder of a loop.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::clock::Clock;
use super::core::Core;
use super::io_budget::IoBudget;
use super::notify::Notifier;
use super::park::Budget;
use super::pause::ClockPause;
use super::pool::{DEFAULT_QUEUE_CAPACITY, ThreadPool};
use super::reactor::Reactor;
use super::ready::ReadyQueue;
use super::remote::RemoteHandle;
use super::timers::Timers;
use super::token::WAKER_TOKEN;
use super::{EventLoop, task};
use crate::observe::{ClockKind, FindingDetector, IdleObserver, Observer, ObserverContext, TaskId};

/// The maximum number of events that one system call returns.
const MAX_EVENTS: usize = 1024;

/// Sets up an [`EventLoop`].
///
/// ```
/// use std::time::Duration;
/// use glassloop::EventLoop;
///
/// let event_loop = EventLoop::builder()
///     .virtual_time()                           // timers without waiting, for tests
///     .shuffle_seed(7)                          // tasks in random order
///     .pool_threads(2)
///     .budget(10, Duration::from_micros(100))
///     .build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    observer: Option<Box<dyn Observer>>,
    virtual_time: bool,
    shuffle_seed: u64,
    pool_threads: usize,
    pool_queue_capacity: usize,
    budget_polls: u32,
    budget_time: Duration,
    force_shutdown: Arc<AtomicBool>,
    pause: Option<ClockPause>,
    slow_poll_threshold: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            observer: None,
            virtual_time: false,
            shuffle_seed: 0,
            pool_threads: 4,
            pool_queue_capacity: DEFAULT_QUEUE_CAPACITY,
            // The number of polls is tokio's. The limit on the time bounds the delay of I/O if polls take long.
            budget_polls: 61,
            budget_time: Duration::from_micros(200),
            force_shutdown: Arc::default(),
            pause: None,
            slow_poll_threshold: Duration::from_millis(10),
        }
    }
}

impl Builder {
    /// Sets the observer, which receives all events.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Builder {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Uses a virtual clock, for tests: it jumps to the next deadline when there is nothing else to wait for: no job, no
    /// source, and no waker that is held outside the loop, for example by another thread.
    pub fn virtual_time(mut self) -> Builder {
        self.virtual_time = true;
        self
    }

    /// Polls ready tasks in a random order, to expose code that depends on FIFO order. The seed 0 selects FIFO order.
    pub fn shuffle_seed(mut self, seed: u64) -> Builder {
        self.shuffle_seed = seed;
        self
    }

    /// Sets the maximum number of threads of the default pool, at least 1. The default is 4.
    pub fn pool_threads(mut self, threads: usize) -> Builder {
        self.pool_threads = threads;
        self
    }

    /// Sets the maximum number of jobs that are queued or running on the default pool. The default is 256.
    pub fn pool_queue_capacity(mut self, jobs: usize) -> Builder {
        self.pool_queue_capacity = jobs;
        self
    }

    /// Sets the maximum number of task polls between two polls of the reactor, and the time after which the reactor is
    /// polled even if the number is not reached. The defaults are 61 and 200 µs.
    pub fn budget(mut self, polls: u32, time: Duration) -> Builder {
        self.budget_polls = polls.max(1);
        self.budget_time = time;
        self
    }

    /// Sets the flag with which another thread or a signal handler can force the shutdown, so that it stops waiting for jobs.
    pub fn forced_shutdown_flag(mut self, flag: Arc<AtomicBool>) -> Builder {
        self.force_shutdown = flag;
        self
    }

    /// Makes the clock pausable, for a debugger that steps through a run. A virtual clock does not need this.
    pub fn pausable(mut self, pause: ClockPause) -> Builder {
        self.pause = Some(pause);
        self
    }

    /// Sets the limit above which the duration of a poll is reported as `slow_poll`, and the time from a wake to its poll as
    /// `loop_lag`, if the loop has an observer. The default is 10 ms.
    pub fn slow_poll_threshold(mut self, limit: Duration) -> Builder {
        self.slow_poll_threshold = limit;
        self
    }

    /// Builds the loop.
    ///
    /// # Errors
    /// If the process has too few file descriptors left.
    pub fn build(self) -> io::Result<EventLoop> {
        #[cfg(test)]
        crate::watchdog::watch();
        let poll = mio::Poll::new()?;
        let os_waker = mio::Waker::new(poll.registry(), WAKER_TOKEN)?;
        let remote = Arc::new(RemoteHandle { notifier: Notifier::new(os_waker) });
        let clock = Rc::new(if self.virtual_time { Clock::virtual_time() } else { Clock::real(self.pause) });
        let observer = self.observer.map(|mut observer| {
            let clock = clock.clone();
            observer.attach(if clock.is_virtual() { ClockKind::Virtual } else { ClockKind::Real });
            ObserverContext::new(observer, Box::new(move || clock.elapsed()))
        });
        let (mut tasks, root_waker) = task::new_table(&remote);
        if let Some(root) = tasks.get_mut(TaskId::ROOT).filter(|_| observer.is_some()) {
            root.observed = Some(Box::default());
        }
        let core = Core {
            reactor: Reactor::new(poll.registry().try_clone()?),
            remote,
            tasks: RefCell::new(tasks),
            ready: RefCell::new(ReadyQueue::new(self.shuffle_seed)),
            timers: Timers::new(),
            clock,
            io_budget: IoBudget::new(),
            jobs: Rc::default(),
            default_pool: ThreadPool::with_queue_capacity("pool", self.pool_threads, self.pool_queue_capacity),
            idle_observer: Cell::new(observer.and_then(IdleObserver::store)),
            findings: FindingDetector::new(self.slow_poll_threshold),
            next_wake: Cell::new(0),
            last_with_external_waker: Cell::new(TaskId::ROOT),
            is_closing: Cell::new(false),
        };
        Ok(EventLoop {
            core: Rc::new(core),
            root_waker,
            poll,
            events: mio::Events::with_capacity(MAX_EVENTS),
            messages: Default::default(),
            is_notified: false,
            budget: Budget {
                max_polls: self.budget_polls,
                max_time: self.budget_time,
                polls_done: 0,
                last_reactor_poll: Duration::ZERO,
            },
            turn: 0,
            is_quiet: false,
            error: None,
            force_shutdown: self.force_shutdown,
        })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("observed", &self.observer.is_some()).finish_non_exhaustive()
    }
}
