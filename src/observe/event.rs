//! The events, one variant a fact.

use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use super::{Cause, FutureId, JobId, SemaphoreId, SourceId, TaskId, TimerId, WakeId, WakeOutcome};

/// One fact about a run.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Its number: dense, from 0, in the order in which the loop learnt of the facts.
    pub seq: u64,
    /// When it happened, since the loop was built, by the loop's clock. Rises within a thread.
    pub time: Duration,
    /// Where it happened: 0 is the loop's thread, 1 and up are workers.
    pub thread: u32,
    /// The turn of the loop in which the loop learnt of it.
    pub turn: u64,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// What happened.
///
/// The variants come in the order in which a run meets them: the run, its turns, the waits, the sources, the
/// timers, the tasks, the wakes, and what higher rooms add.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// `block_on` starts.
    RunBegin {
        /// Threads of the default pool.
        pool_threads: usize,
        /// The seed that shuffles the ready queue; 0 when it is first-in first-out.
        seed: u64,
    },
    /// `block_on` ends.
    RunEnd {
        /// Why: `finished`, `deadlock`, `failed`.
        reason: &'static str,
    },
    /// A turn starts.
    TurnBegin(LoopMetrics),
    /// A turn ends.
    TurnEnd(LoopMetrics),
    /// The loop goes to sleep in the reactor.
    WaitBegin {
        /// The longest it will sleep; `None` is for ever.
        timeout: Option<Duration>,
        /// Why that long.
        why: TimeoutReason,
    },
    /// The loop is awake.
    WaitEnd {
        /// Readiness events that came.
        events: usize,
        /// Whether another thread woke it.
        woken: bool,
    },
    /// The reactor delivers readiness.
    Readiness {
        /// For which source. If it is stale, the one that used to have this token.
        source: SourceId,
        /// There is something to read.
        readable: bool,
        /// There is room to write.
        writable: bool,
        /// The other side will send nothing more.
        read_closed: bool,
        /// The other side takes nothing more.
        write_closed: bool,
        /// The source has failed.
        error: bool,
        /// The source is gone: the event is dropped.
        stale: bool,
    },
    /// A source is registered.
    SourceAdd {
        /// Its id: also its token.
        source: SourceId,
        /// The task that did it.
        task: Option<TaskId>,
        /// What it is: `connection`, `listener`, `signals`.
        what: &'static str,
        /// The descriptor, where the platform has them.
        descriptor: Option<i32>,
        /// The other side, if it is known.
        peer: Option<SocketAddr>,
    },
    /// A source is deregistered.
    SourceDel {
        /// Which.
        source: SourceId,
    },
    /// A system call was made on a source.
    Io {
        /// By which task.
        task: Option<TaskId>,
        /// On which source.
        source: SourceId,
        /// Which call.
        operation: Operation,
        /// What came of it.
        outcome: IoOutcome,
    },
    /// A timer is armed, or armed anew.
    TimerSet {
        /// Its id.
        timer: TimerId,
        /// The task that did it.
        task: Option<TaskId>,
        /// When it is due, on the scale of [`Event::time`].
        deadline: Duration,
    },
    /// A timer fires.
    TimerFire {
        /// Which.
        timer: TimerId,
        /// How long after its deadline.
        late: Duration,
    },
    /// A timer is cancelled.
    TimerDel {
        /// Which.
        timer: TimerId,
    },
    /// A task begins its life.
    Spawn {
        /// Its id.
        task: TaskId,
        /// The task that spawned it.
        parent: Option<TaskId>,
        /// Its name: given, or made from its type.
        name: &'a str,
        /// The type of its future.
        future: &'static str,
        /// The line that spawned it.
        location: &'static Location<'static>,
    },
    /// A task is polled.
    PollBegin {
        /// Which.
        task: TaskId,
        /// How often it has been polled before.
        number: u64,
        /// How long it stood on the ready queue.
        delay: Duration,
        /// The wakes that led to this poll, in their order. The first one queued the task.
        wakes: &'a [WakeId],
    },
    /// The poll is over.
    PollEnd {
        /// Which task.
        task: TaskId,
        /// Whether the task is done.
        ready: bool,
        /// What the task waits for, if it does, in the words of the future that said so last.
        waiting_for: &'static str,
        /// Wakers of this task that are alive beside the loop's own.
        wakers: usize,
    },
    /// A hand-written future goes from one state to the next.
    State {
        /// The task in which it lives.
        task: Option<TaskId>,
        /// Which future.
        future: FutureId,
        /// Its type, in one word.
        type_name: &'static str,
        /// The hand-written future that polls it, if any.
        parent: Option<FutureId>,
        /// The state it leaves.
        from: &'static str,
        /// The state it enters.
        to: &'static str,
    },
    /// A task has ended.
    Done {
        /// Which.
        task: TaskId,
        /// How.
        outcome: TaskOutcome,
    },
    /// A task's future has been dropped before it was done.
    Drop {
        /// Which.
        task: TaskId,
    },
    /// A waker was called.
    Wake {
        /// The number of this wake.
        wake: WakeId,
        /// Whom it wakes.
        task: TaskId,
        /// Why.
        cause: Cause,
        /// What it did.
        effect: WakeOutcome,
    },
    /// A task starts to wait for a permit.
    SemaphoreWait {
        /// Of which semaphore.
        semaphore: SemaphoreId,
        /// Which task.
        task: Option<TaskId>,
        /// Permits that are free.
        free: usize,
    },
    /// A permit is taken.
    SemaphoreTake {
        /// Of which semaphore.
        semaphore: SemaphoreId,
        /// By which task.
        task: Option<TaskId>,
        /// Permits that are left.
        free: usize,
    },
    /// A permit is given back.
    SemaphoreFree {
        /// To which semaphore.
        semaphore: SemaphoreId,
        /// By which task.
        task: Option<TaskId>,
        /// Permits that are free now.
        free: usize,
    },
    /// A job is queued on a pool.
    JobAdd {
        /// Its id.
        job: JobId,
        /// By which task.
        task: Option<TaskId>,
        /// What it does, in a word or two.
        label: &'static str,
        /// How much it writes or reads, if that is known.
        bytes: u64,
    },
    /// A worker takes a job.
    JobStart {
        /// Which job.
        job: JobId,
        /// How long it was queued.
        wait: Duration,
    },
    /// A job has ended.
    JobEnd {
        /// Which job.
        job: JobId,
        /// How.
        outcome: JobOutcome,
    },
    /// An HTTP exchange comes a step further.
    Http {
        /// In which task.
        task: Option<TaskId>,
        /// The exchange: a hand-written future.
        exchange: FutureId,
        /// Which step.
        step: HttpStep,
    },
    /// Something is wrong with the program that runs, and this is what.
    Finding {
        /// The finding's name, for example `deadlock`.
        what: &'static str,
        /// The task it is about.
        task: Option<TaskId>,
        /// The state the task is in.
        state: &'a str,
        /// What shows it.
        evidence: &'a str,
        /// What to look at.
        advice: &'a str,
    },
    /// A line of text from the program that runs.
    Mark {
        /// The line.
        text: &'a str,
    },
    /// Events were lost.
    Dropped {
        /// How many.
        number: u64,
    },
}

/// How much there is of everything, at the edge of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopMetrics {
    /// Tasks on the ready queue.
    pub ready: usize,
    /// Tasks alive.
    pub tasks: usize,
    /// Timers armed.
    pub timers: usize,
    /// Sources registered.
    pub sources: usize,
    /// Jobs that no worker is known to have taken.
    pub jobs_queued: usize,
    /// Jobs that a worker runs, as far as the loop has heard.
    pub jobs_running: usize,
}

/// Which clock a loop goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// The real one.
    Real,
    /// One that stands still while tasks run and jumps to the next deadline.
    Virtual,
}

/// Why the loop sleeps as long as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReason {
    /// Tasks are ready: it does not sleep, it only looks.
    Ready,
    /// Until the next timer.
    Timer,
    /// Until something happens.
    Forever,
    /// Until something happens, but not for long: it may be that nothing can, and the loop checks again.
    Recheck,
}

/// A system call on a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `connect`, or the look whether it has ended.
    Connect,
    /// `accept`.
    Accept,
    /// `read` and its like.
    Read,
    /// `write` and its like.
    Write,
}

/// What came of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoOutcome {
    /// It moved so many bytes; an accepted connection counts as 1, a finished connect as 0.
    Done(usize),
    /// Nothing to read, or no room to write.
    WouldBlock,
    /// The other side has ended its stream.
    EndOfFile,
    /// It failed.
    Failed(std::io::ErrorKind),
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// With a result.
    Finished,
    /// With a panic.
    Panicked,
    /// It was aborted.
    Aborted,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// With a result.
    Finished,
    /// With a panic.
    Panicked,
    /// It was cancelled before it started.
    Cancelled,
}

/// How far an HTTP exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpStep {
    /// The request is being written.
    Request,
    /// An interim or final response head has come, with this status.
    Head(u16),
    /// So many bytes of the body have come.
    Body(u64),
    /// The exchange is over; whether the connection can be used again.
    Done {
        /// Whether it can.
        reusable: bool,
    },
}
