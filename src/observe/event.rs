//! The events of a run, and the types of their fields.

use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use super::{Cause, FutureId, JobId, SemaphoreId, SourceId, TaskId, TimerId, WakeId, WakeOutcome};

/// An event of a run.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The sequence number: 0, 1, 2, … without gaps, in the order in which the loop emitted the events.
    pub seq: u64,
    /// The time of the event by the loop's clock, since the loop was built. Monotonic per thread.
    pub time: Duration,
    /// The thread: 0 is the loop's, 1 and up are workers.
    pub thread: u32,
    /// The turn in which the loop emitted the event.
    pub turn: u64,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// The kind of an event, with the fields of that kind.
///
/// The variants are in this order: the run, turns, waits, sources, timers, tasks, wakes, semaphores, jobs, HTTP, and the
/// others.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// `block_on` starts.
    RunBegin {
        /// The maximum number of threads of the default pool.
        pool_threads: usize,
        /// The seed that shuffles the ready queue; 0 if the queue is first-in first-out.
        seed: u64,
    },
    /// `block_on` ends.
    RunEnd {
        /// The reason: `finished`, `deadlock` or `failed`.
        reason: &'static str,
    },
    /// A turn starts.
    TurnBegin(LoopMetrics),
    /// A turn ends.
    TurnEnd(LoopMetrics),
    /// The loop starts to wait in the reactor.
    WaitBegin {
        /// The timeout, if there is one.
        timeout: Option<Duration>,
        /// The reason for this timeout.
        why: TimeoutReason,
    },
    /// The wait ends.
    WaitEnd {
        /// The number of readiness events.
        events: usize,
        /// Whether another thread woke the loop.
        woken: bool,
    },
    /// The reactor delivers a readiness event.
    Readiness {
        /// The source. For a stale event, the source that had this token before.
        source: SourceId,
        /// Whether the source is readable.
        readable: bool,
        /// Whether the source is writable.
        writable: bool,
        /// Whether the peer has closed its write half.
        read_closed: bool,
        /// Whether the peer has closed its read half.
        write_closed: bool,
        /// Whether the source has an error.
        error: bool,
        /// Whether the source no longer exists. The event is ignored.
        stale: bool,
    },
    /// A source is registered.
    SourceAdd {
        /// The id of the source, from which its token is computed.
        source: SourceId,
        /// The task that registered it.
        task: Option<TaskId>,
        /// The type of source: `connection`, `listener`, `signals`.
        what: &'static str,
        /// The file descriptor, on platforms that have them.
        descriptor: Option<i32>,
        /// The address of the peer, if it is known.
        peer: Option<SocketAddr>,
    },
    /// A source is deregistered.
    SourceDel {
        /// The source.
        source: SourceId,
    },
    /// A system call on a source returned.
    Io {
        /// The task that made the call.
        task: Option<TaskId>,
        /// The source.
        source: SourceId,
        /// The call.
        operation: Operation,
        /// The result of the call.
        outcome: IoOutcome,
    },
    /// A timer is set or reset.
    TimerSet {
        /// The timer.
        timer: TimerId,
        /// The task that set it.
        task: Option<TaskId>,
        /// The deadline, on the scale of [`Event::time`].
        deadline: Duration,
    },
    /// A timer fires.
    TimerFire {
        /// The timer.
        timer: TimerId,
        /// The time since the deadline.
        late: Duration,
    },
    /// A timer is cancelled.
    TimerDel {
        /// The timer.
        timer: TimerId,
    },
    /// A task is spawned.
    Spawn {
        /// The task.
        task: TaskId,
        /// The task that spawned it.
        parent: Option<TaskId>,
        /// The name, which is given or derived from the type of the future.
        name: &'a str,
        /// The type of its future.
        future: &'static str,
        /// The location in the source code that spawned it.
        location: &'static Location<'static>,
    },
    /// A poll of a task begins.
    PollBegin {
        /// The task.
        task: TaskId,
        /// The number of earlier polls of the task.
        number: u64,
        /// The time that the task spent in the ready queue.
        delay: Duration,
        /// The wakes that led to this poll, in order. The first of them queued the task.
        wakes: &'a [WakeId],
    },
    /// The poll ends.
    PollEnd {
        /// The task.
        task: TaskId,
        /// Whether the poll returned `Ready`.
        ready: bool,
        /// What the task waits for, as reported by the last future that returned `Pending`; empty if none did.
        waiting_for: &'static str,
        /// The number of clones of the task's waker, apart from the loop's own.
        wakers: usize,
    },
    /// A hand-written future changes its state.
    State {
        /// The task that polls the future.
        task: Option<TaskId>,
        /// The future.
        future: FutureId,
        /// The type of the future, for example `Exchange`.
        type_name: &'static str,
        /// The hand-written future that was being polled when this one was created, if there was one.
        parent: Option<FutureId>,
        /// The previous state.
        from: &'static str,
        /// The new state.
        to: &'static str,
    },
    /// A task has ended.
    Done {
        /// The task.
        task: TaskId,
        /// How it ended.
        outcome: TaskOutcome,
    },
    /// A task's future is dropped before it has completed.
    Drop {
        /// The task.
        task: TaskId,
    },
    /// A waker is called.
    Wake {
        /// The id of this wake.
        wake: WakeId,
        /// The task that is woken.
        task: TaskId,
        /// The cause of the wake.
        cause: Cause,
        /// The effect of the wake.
        effect: WakeOutcome,
    },
    /// A task starts to wait for a permit.
    SemaphoreWait {
        /// The semaphore.
        semaphore: SemaphoreId,
        /// The task that waits.
        task: Option<TaskId>,
        /// The number of available permits.
        free: usize,
    },
    /// A permit is acquired.
    SemaphoreTake {
        /// The semaphore.
        semaphore: SemaphoreId,
        /// The task that acquires it.
        task: Option<TaskId>,
        /// The number of permits that remain available.
        free: usize,
    },
    /// A permit is released.
    SemaphoreFree {
        /// The semaphore.
        semaphore: SemaphoreId,
        /// The task that releases it.
        task: Option<TaskId>,
        /// The number of available permits after the release.
        free: usize,
    },
    /// A job is queued on a pool.
    JobAdd {
        /// The job.
        job: JobId,
        /// The task that queues it.
        task: Option<TaskId>,
        /// The label: a word or two about what the job does.
        label: &'static str,
        /// The number of bytes that the job reads or writes; 0 if that is unknown.
        bytes: u64,
    },
    /// A worker starts a job.
    JobStart {
        /// The job.
        job: JobId,
        /// The time that it spent in the queue.
        wait: Duration,
    },
    /// A job has ended.
    JobEnd {
        /// The job.
        job: JobId,
        /// How it ended.
        outcome: JobOutcome,
    },
    /// An HTTP exchange makes progress.
    Http {
        /// The task that polls the exchange.
        task: Option<TaskId>,
        /// The exchange, which is a hand-written future.
        exchange: FutureId,
        /// The step that it has reached.
        step: HttpStep,
    },
    /// The loop has detected a bug in the program.
    Finding {
        /// The name of the finding, for example `deadlock`.
        what: &'static str,
        /// The task that the finding is about.
        task: Option<TaskId>,
        /// What the task waits for.
        state: &'a str,
        /// The evidence for the finding.
        evidence: &'a str,
        /// What to look at, or how to fix it.
        advice: &'a str,
    },
    /// A line of text. The loop does not emit it; an observer may add it to a recording.
    Mark {
        /// The text.
        text: &'a str,
    },
    /// Events are missing from a recording, because they could not be written fast enough. The loop does not emit it.
    Dropped {
        /// The number of events.
        number: u64,
    },
}

/// Counts at the beginning or the end of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopMetrics {
    /// The number of tasks in the ready queue.
    pub ready: usize,
    /// The number of tasks that have not ended.
    pub tasks: usize,
    /// The number of timers that are set.
    pub timers: usize,
    /// The number of registered sources.
    pub sources: usize,
    /// The number of jobs that no worker has started yet, according to the messages that the loop has processed.
    pub jobs_queued: usize,
    /// The number of jobs that workers are running, according to the messages that the loop has processed.
    pub jobs_running: usize,
}

/// The clock of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// The system's monotonic clock.
    Real,
    /// Virtual time, which stands still while tasks run and jumps to the next deadline when the loop would wait.
    Virtual,
}

/// The reason for the timeout of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReason {
    /// The timeout is zero, because a task is ready, or because unref'd sources are checked before a deadlock is reported.
    Ready,
    /// The loop waits for the next timer.
    Timer,
    /// No timer is set: there is no timeout.
    Forever,
    /// A short timeout, after which the loop checks whether anything can still wake it.
    Recheck,
}

/// A system call on a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `connect`, or the check whether it has completed.
    Connect,
    /// `accept`.
    Accept,
    /// `read`, `recv` or a similar call.
    Read,
    /// `write`, `send` or a similar call.
    Write,
}

/// The outcome of a system call on a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoOutcome {
    /// The number of bytes that were transferred; 1 for an accepted connection, 0 for an established one.
    Done(usize),
    /// Nothing to read, or no space to write.
    WouldBlock,
    /// The peer has ended its stream.
    EndOfFile,
    /// The call failed.
    Failed(std::io::ErrorKind),
}

/// The outcome of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It returned a result.
    Finished,
    /// It panicked.
    Panicked,
    /// It was aborted.
    Aborted,
}

/// The outcome of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It returned a result.
    Finished,
    /// It panicked.
    Panicked,
    /// It was cancelled before a worker started it, or no worker could be started for it.
    Cancelled,
}

/// A step of an HTTP exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpStep {
    /// The request is being written.
    Request,
    /// The head of an interim or final response has been received, with this status.
    Head(u16),
    /// This number of bytes of the body has been received.
    Body(u64),
    /// The exchange is complete.
    Done {
        /// Whether the connection can be reused.
        reusable: bool,
    },
}
