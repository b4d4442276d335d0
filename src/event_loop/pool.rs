//! A pool of threads for operations that would block the loop's thread: file I/O, DNS lookups, long computations.
//!
//! Files need threads because epoll reports a regular file as always ready, although reading it may have to wait for the
//! disk.
//!
//! Jobs are sent to the workers through an unbounded crossbeam channel, so that the loop never blocks on it (I7). A
//! semaphore on the loop's side limits the number of jobs: each needs a permit before it is queued. Workers notify the loop
//! through its inbox, like any wake from another thread.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::observe::{contain, next_worker};
use crate::sync::Semaphore;

/// A job that a worker can run.
pub(crate) trait Runnable: Send {
    fn run(self: Box<Self>, worker: u32);
}

/// A pool of worker threads, which are started when they are needed. It is a handle: clones share the threads.
///
/// [`run_in_executor`](super::run_in_executor) uses the loop's default pool for `None`, which has four threads. A separate
/// pool keeps one kind of job from delaying another: DNS lookups have their own, so that stuck ones cannot delay file I/O.
///
/// Queued jobs run even if the last handle of the pool is dropped, and the loop that queued them waits for them when it
/// shuts down (I14).
///
/// ```
/// use glassloop::{EventLoop, ThreadPool, run_in_executor};
///
/// let pool = ThreadPool::new("primes", 2);
/// let mut event_loop = EventLoop::new()?;
/// let sum = event_loop.block_on(async { run_in_executor(Some(&pool), || (1..=1000u32).sum::<u32>()).await })??;
/// assert_eq!(sum, 500_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ThreadPool {
    inner: Rc<Inner>,
}

struct Inner {
    name: String,
    max_threads: usize,
    started: Cell<usize>,
    /// `None` once the pool is closed.
    queue: RefCell<Option<Sender<Box<dyn Runnable>>>>,
    /// The receiver of the queue, for new workers.
    jobs: Receiver<Box<dyn Runnable>>,
    /// Has a permit for each further job that may be queued or running.
    capacity: Semaphore,
    /// The total number of permits.
    max_jobs: usize,
    /// Each worker has a clone. Nothing is sent: the channel is closed when the last worker has ended.
    worker_alive: RefCell<Option<Sender<()>>>,
    all_ended: Receiver<()>,
}

/// The default number of jobs that may be queued or running.
pub(crate) const DEFAULT_QUEUE_CAPACITY: usize = 256;

impl ThreadPool {
    /// Creates a pool of at most `threads` threads, at least one, with a queue capacity of 256 jobs.
    pub fn new(name: &str, threads: usize) -> ThreadPool {
        ThreadPool::with_queue_capacity(name, threads, DEFAULT_QUEUE_CAPACITY)
    }

    /// Creates a pool in which at most `capacity` jobs are queued or running. More jobs wait on the loop's side.
    pub fn with_queue_capacity(name: &str, threads: usize, capacity: usize) -> ThreadPool {
        let (queue, jobs) = unbounded();
        let (worker_alive, all_ended) = unbounded();
        ThreadPool {
            inner: Rc::new(Inner {
                name: name.to_owned(),
                max_threads: threads.max(1),
                started: Cell::new(0),
                queue: RefCell::new(Some(queue)),
                jobs,
                capacity: Semaphore::new(capacity.max(1)),
                max_jobs: capacity.max(1),
                worker_alive: RefCell::new(Some(worker_alive)),
                all_ended,
            }),
        }
    }

    /// Returns the pool's name. Its threads are named `name-1`, `name-2`, ….
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the maximum number of threads.
    pub fn threads(&self) -> usize {
        self.inner.max_threads
    }

    /// Returns the number of threads that have been started.
    pub fn threads_started(&self) -> usize {
        self.inner.started.get()
    }

    /// Returns the semaphore that limits the number of jobs. A job needs a permit before it is passed to
    /// [`submit`](Self::submit).
    pub(crate) fn capacity(&self) -> &Semaphore {
        &self.inner.capacity
    }

    /// Queues a job that has a permit.
    ///
    /// # Errors
    /// Returns the job if the pool has no thread and cannot start one, or if it is closed.
    pub(crate) fn submit(&self, work: Box<dyn Runnable>) -> Result<(), Rejected> {
        let inner = &*self.inner;
        // Each job holds a permit until the loop is notified of its end. So if more permits are held than threads have been
        // started, a job may be waiting for a thread. A count of idle threads, kept by the threads, could be out of date.
        let in_flight = inner.max_jobs.saturating_sub(inner.capacity.available());
        if in_flight > inner.started.get() && inner.started.get() < inner.max_threads {
            match self.start_worker() {
                Ok(()) => inner.started.set(inner.started.get() + 1),
                // I12: a pool with fewer threads is sufficient.
                Err(error) if inner.started.get() > 0 => {
                    log::warn!(
                        "the pool `{}` cannot start another thread and continues with {}: {error}",
                        inner.name,
                        inner.started.get()
                    );
                }
                Err(error) => return Err(Rejected { error, work }),
            }
        }
        match &*inner.queue.borrow() {
            // The channel is unbounded, and `jobs` keeps it open.
            Some(queue) => queue.send(work).map_err(|unsent| Rejected { error: closed(), work: unsent.into_inner() }),
            None => Err(Rejected { error: closed(), work }),
        }
    }

    fn start_worker(&self) -> io::Result<()> {
        let inner = &*self.inner;
        let Some(alive) = inner.worker_alive.borrow().clone() else { return Err(closed()) };
        let (jobs, number) = (inner.jobs.clone(), inner.started.get() + 1);
        let worker = next_worker();
        thread::Builder::new().name(format!("{}-{number}", inner.name)).spawn(move || {
            let _alive = alive;
            // Until the queue is closed and empty.
            while let Ok(work) = jobs.recv() {
                // I12: the panics of the job are caught inside. The drop of what it captured may panic as well.
                contain("dropping what a job captured", || work.run(worker));
            }
        })?;
        Ok(())
    }

    /// Rejects further jobs. The workers run those that are queued, and end.
    pub(crate) fn close(&self) {
        let closed = (self.inner.queue.take(), self.inner.worker_alive.take());
        drop(closed);
    }

    /// Waits until all workers have ended, for at most `timeout`.
    pub(crate) fn join_timeout(&self, timeout: Duration) {
        let _timeout_or_disconnected = self.inner.all_ended.recv_timeout(timeout);
    }
}

/// A job that a pool has rejected, and the reason.
pub(crate) struct Rejected {
    pub(crate) error: io::Error,
    pub(crate) work: Box<dyn Runnable>,
}

fn closed() -> io::Error {
    io::Error::other("the pool is closed")
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadPool")
            .field("name", &self.inner.name)
            .field("threads", &self.inner.max_threads)
            .field("started", &self.inner.started.get())
            .finish()
    }
}
