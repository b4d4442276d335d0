//! How a loop is made.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::clock::Clock;
use super::core::{Core, Shared};
use super::diagnosis::Diagnosis;
use super::io_budget::IoBudget;
use super::notify::Notifier;
use super::pause::ClockPause;
use super::pool::{DEFAULT_ROOM, ThreadPool};
use super::reactor::Reactor;
use super::ready::ReadyQueue;
use super::root::Root;
use super::token::WAKER_TOKEN;
use super::wheel::Wheel;
use super::{Budget, EventLoop};
use crate::observe::{ClockKind, IdleObserver, Observer, ObserverContext, TaskId};

/// Readiness events taken from the kernel at once.
const EVENTS: usize = 1024;

/// Sets up an [`EventLoop`].
///
/// ```
/// use std::time::Duration;
/// use glassloop::EventLoop;
///
/// let event_loop = EventLoop::builder()
///     .virtual_time()                           // tests that wait an hour in no time
///     .shuffle_seed(7)                               // tasks in another order at every seed
///     .pool_threads(2)
///     .budget(10, Duration::from_micros(100))
///     .build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    observer: Option<Box<dyn Observer>>,
    virtual_time: bool,
    seed: u64,
    pool_threads: usize,
    pool_room: usize,
    budget_polls: u32,
    budget_time: Duration,
    give_up: Arc<AtomicBool>,
    pause: Option<ClockPause>,
    slow_poll: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            observer: None,
            virtual_time: false,
            seed: 0,
            pool_threads: 4,
            pool_room: DEFAULT_ROOM,
            // tokio's number for the first; the second keeps sockets from waiting behind long polls.
            budget_polls: 61,
            budget_time: Duration::from_micros(200),
            give_up: Arc::default(),
            pause: None,
            slow_poll: Duration::from_millis(10),
        }
    }
}

impl Builder {
    /// Tells this observer everything.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Builder {
        self.observer = Some(Box::new(observer));
        self
    }

    /// A clock that jumps to the next deadline when there is nothing else to wait for: no job, no source, and no waker held
    /// outside the loop, by another thread for example. For tests.
    pub fn virtual_time(mut self) -> Builder {
        self.virtual_time = true;
        self
    }

    /// Takes ready tasks in an order that this seed decides, to find code that leans on first-in first-out. 0: not.
    pub fn shuffle_seed(mut self, seed: u64) -> Builder {
        self.seed = seed;
        self
    }

    /// The most threads of the default pool: 4 unless set, at least 1.
    pub fn pool_threads(mut self, threads: usize) -> Builder {
        self.pool_threads = threads;
        self
    }

    /// Jobs that may be queued or running on the default pool at once: 256 unless set.
    pub fn pool_queue_capacity(mut self, jobs: usize) -> Builder {
        self.pool_room = jobs;
        self
    }

    /// How many polls, and for how long, before the reactor is looked at again: 61 and 200 µs unless set.
    pub fn budget(mut self, polls: u32, time: Duration) -> Builder {
        self.budget_polls = polls.max(1);
        self.budget_time = time;
        self
    }

    /// A flag that somebody sets, a signal handler for example, when the shutdown shall no longer wait for jobs.
    pub fn forced_shutdown_flag(mut self, flag: Arc<AtomicBool>) -> Builder {
        self.give_up = flag;
        self
    }

    /// Lets the clock be stopped, in order to look. A virtual one stands still by itself.
    pub fn pausable(mut self, pause: ClockPause) -> Builder {
        self.pause = Some(pause);
        self
    }

    /// The time above which a poll, or the wait for one, is worth a finding: 10 ms unless set. Only an observed loop looks.
    pub fn slow_poll_threshold(mut self, limit: Duration) -> Builder {
        self.slow_poll = limit;
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    /// If the system has no descriptors left for the reactor.
    pub fn build(self) -> io::Result<EventLoop> {
        #[cfg(test)]
        crate::watchdog::watch();
        let poll = mio::Poll::new()?;
        let os_waker = mio::Waker::new(poll.registry(), WAKER_TOKEN)?;
        let shared = Arc::new(Shared { notifier: Notifier::new(os_waker) });
        let clock = Rc::new(if self.virtual_time { Clock::virtual_time() } else { Clock::real(self.pause) });
        let observer = self.observer.map(|mut observer| {
            let clock = clock.clone();
            observer.attach(if clock.is_virtual() { ClockKind::Virtual } else { ClockKind::Real });
            ObserverContext::new(observer, Box::new(move || clock.elapsed()))
        });
        let core = Core {
            root: Root::new(shared.clone()),
            reactor: Reactor::new(poll.registry().try_clone()?),
            shared,
            tasks: RefCell::default(),
            ready: RefCell::new(ReadyQueue::new(self.seed)),
            wheel: RefCell::new(Wheel::new()),
            background_timers: Cell::new(0),
            clock,
            io_budget: IoBudget::new(),
            jobs: RefCell::default(),
            default_pool: ThreadPool::with_queue_capacity("pool", self.pool_threads, self.pool_room),
            idle_observer: Cell::new(observer.and_then(IdleObserver::store)),
            diagnosis: Diagnosis::new(self.slow_poll),
            next_wake: Cell::new(0),
            seen_foreign: Cell::new(TaskId::ROOT),
            closing: Cell::new(false),
        };
        Ok(EventLoop {
            core: Rc::new(core),
            poll,
            events: mio::Events::with_capacity(EVENTS),
            heard: Default::default(),
            is_notified: false,
            budget: Budget { polls: self.budget_polls, time: self.budget_time, spent: 0, looked_at: Duration::ZERO },
            turn: 0,
            is_quiet: false,
            stopped: None,
            give_up: self.give_up,
        })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("observed", &self.observer.is_some()).finish_non_exhaustive()
    }
}
