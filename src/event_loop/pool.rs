//! A pool of threads for what must not be done on the loop's thread: file input and output, DNS look-ups, long
//! computations.
//!
//! Why there is one at all: a regular file is always "ready" to epoll, and reading it may still take as long as the
//! disk takes. So the only way not to wait for a disk is to let another thread wait.
//!
//! Jobs reach the workers through a crossbeam channel that has no bound of its own: the loop must never block on it
//! (I7). The bound is a semaphore on the loop's side, whose permits are awaited before a job is queued. What a worker
//! has to say comes back through the notifier, like any wake from another thread.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::observe::contain;
use crate::sync::Semaphore;

thread_local! {
    static NEXT_WORKER: Cell<u32> = const { Cell::new(1) };
}

/// Something for a worker to run.
pub(crate) trait Work: Send {
    fn run(self: Box<Self>, worker: u32);
}

/// Worker threads, started as they are needed. A handle: clones share the threads.
///
/// The default pool has four and is what [`run_in_executor`](super::run_in_executor) uses for `None`. A pool of one's
/// own keeps one kind of work from holding up another: the DNS look-ups have theirs, so that four stuck ones cannot
/// hold up the files.
///
/// Jobs that were queued are run to their end even if the pool's last handle is dropped, and the loop that queued them
/// waits for them when it shuts down (I14).
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
    most: usize,
    started: Cell<usize>,
    /// `None` once the pool is closed.
    queue: RefCell<Option<Sender<Box<dyn Work>>>>,
    /// What the workers take jobs from; kept to start more of them.
    jobs: Receiver<Box<dyn Work>>,
    /// Places in the queue, and how many there are in all.
    room: Semaphore,
    places: usize,
    /// Never used to send: it is closed when the last worker has ended.
    alive: RefCell<Option<Sender<()>>>,
    ended: Receiver<()>,
}

/// Jobs that may be queued or running at once, unless set otherwise.
pub(crate) const DEFAULT_ROOM: usize = 256;

impl ThreadPool {
    /// A pool of at most this many threads (at least one), with room for 256 jobs.
    pub fn new(name: &str, threads: usize) -> ThreadPool {
        ThreadPool::with_queue_capacity(name, threads, DEFAULT_ROOM)
    }

    /// The same with room for so many jobs, queued and running; more of them wait on the loop's side.
    pub fn with_queue_capacity(name: &str, threads: usize, room: usize) -> ThreadPool {
        let (queue, jobs) = unbounded();
        let (alive, ended) = unbounded();
        ThreadPool {
            inner: Rc::new(Inner {
                name: name.to_owned(),
                most: threads.max(1),
                started: Cell::new(0),
                queue: RefCell::new(Some(queue)),
                jobs,
                room: Semaphore::new(room.max(1)),
                places: room.max(1),
                alive: RefCell::new(Some(alive)),
                ended,
            }),
        }
    }

    /// The pool's name; its threads are called `name-1`, `name-2`, ….
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The most threads it will have.
    pub fn threads(&self) -> usize {
        self.inner.most
    }

    /// Threads that have been started.
    pub fn threads_started(&self) -> usize {
        self.inner.started.get()
    }

    /// Places in the queue, to be awaited before [`submit`](Self::submit).
    pub(crate) fn room(&self) -> &Semaphore {
        &self.inner.room
    }

    /// Queues a job for which there is room.
    ///
    /// # Errors
    /// Gives it back if there is no thread to run it and none can be started, or if the pool is closed.
    pub(crate) fn submit(&self, work: Box<dyn Work>) -> Result<(), Refusal> {
        let inner = &*self.inner;
        // Every job holds a place until the loop has heard of its end. So while there are more places taken than threads
        // started, somebody may be waiting for a thread; a count kept by the threads themselves could be out of date.
        let at_work = inner.places.saturating_sub(inner.room.available());
        if at_work > inner.started.get() && inner.started.get() < inner.most {
            match self.start_worker() {
                Ok(()) => inner.started.set(inner.started.get() + 1),
                // I12: a smaller pool will do, as long as there is one.
                Err(error) if inner.started.get() > 0 => {
                    log::warn!("the pool `{}` stays at {} threads: {error}", inner.name, inner.started.get());
                }
                Err(error) => return Err(Refusal { error, work }),
            }
        }
        match &*inner.queue.borrow() {
            // The channel has no bound, and `jobs` keeps its other end open.
            Some(queue) => queue.send(work).map_err(|unsent| Refusal { error: closed(), work: unsent.into_inner() }),
            None => Err(Refusal { error: closed(), work }),
        }
    }

    fn start_worker(&self) -> io::Result<()> {
        let inner = &*self.inner;
        let Some(alive) = inner.alive.borrow().clone() else { return Err(closed()) };
        let (jobs, number) = (inner.jobs.clone(), inner.started.get() + 1);
        let worker = next_worker();
        thread::Builder::new().name(format!("{}-{number}", inner.name)).spawn(move || {
            let _alive = alive;
            // Until the queue is closed and empty.
            while let Ok(work) = jobs.recv() {
                // I12: the job's own panics are caught inside; what it captured may still panic when it is dropped.
                contain("dropping what a job captured", || work.run(worker));
            }
        })?;
        Ok(())
    }

    /// Takes no more jobs. The workers run what is queued and end.
    pub(crate) fn close(&self) {
        let closed = (self.inner.queue.take(), self.inner.alive.take());
        drop(closed);
    }

    /// Waits until all workers have ended, at most so long. Whether they have.
    pub(crate) fn wait_ended(&self, at_most: Duration) -> bool {
        self.inner.ended.recv_timeout(at_most) == Err(RecvTimeoutError::Disconnected)
    }
}

/// Work that a pool does not take, and why.
pub(crate) struct Refusal {
    pub(crate) error: io::Error,
    pub(crate) work: Box<dyn Work>,
}

/// The next worker's number: for an observer, each worker of any pool of this thread is a thread of its own.
pub(crate) fn next_worker() -> u32 {
    NEXT_WORKER.replace(NEXT_WORKER.get() + 1)
}

fn closed() -> io::Error {
    io::Error::other("the pool is closed")
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadPool")
            .field("name", &self.inner.name)
            .field("threads", &self.inner.most)
            .field("started", &self.inner.started.get())
            .finish()
    }
}
