//! One line of a recording, as a value. The table below *is* the format: the words, the fields and their order.
//!
//! The facts are those of [`EventKind`](crate::observe::EventKind), with two differences: a line owns what it says, and it names
//! tasks, sources, timers and jobs by their serial numbers alone, which are unique within a run (0 is the root task).
//! All times are nanoseconds since the loop was built.

use std::net::SocketAddr;

use super::field::{Field, Object};
use super::reader::Fault;
use super::text::Text;
pub use crate::observe::{HttpStep, JobOutcome, LoopMetrics, Operation, TaskOutcome, TimeoutReason, WakeOutcome};

/// One line of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number: dense, from 0.
    pub seq: u64,
    /// When it happened. Never falls within a thread.
    pub time: u64,
    /// Where: 0 is the loop's thread, 1 and up are workers.
    pub thread: u32,
    /// The turn of the loop in which the loop learnt of it.
    pub turn: u64,
    /// What happened.
    pub fact: Fact,
}

/// Makes the type of a fact, and how it is written and read, from one table.
macro_rules! facts {
    ($($(#[$doc:meta])* $word:literal $name:ident { $($field:ident: $type:ty),* })*) => {
        /// What happened. What each field means is said at [`EventKind`](crate::observe::EventKind), where it has the same name.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // of the fields
        pub enum Fact {
            $($(#[$doc])* $name { $($field: $type),* },)*
        }

        impl Fact {
            /// All the words for kinds, in the order of a run.
            pub const KINDS: &'static [&'static str] = &[$($word),*];

            /// The word for this kind of fact.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Fact::$name { .. } => $word,)*
                }
            }

            /// Writes the fields.
            pub(super) fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Fact::$name { $($field),* } => { $($field.put(stringify!($field), out);)* })*
                }
            }

            /// Takes the fields of a fact of this kind out of a line.
            pub(super) fn take(kind: &str, line: &mut Object<'_>) -> Result<Fact, Fault> {
                match kind {
                    $($word => Ok(Fact::$name { $($field: Field::take(stringify!($field), line)?),* }),)*
                    _ => Err(Fault::UnknownKind(kind.to_owned())),
                }
            }
        }
    };
}

facts! {
    /// `block_on` starts.
    "run_begin" RunBegin { pool_threads: u64, seed: u64 }
    /// `block_on` ends: `finished`, `deadlock` or `failed`.
    "run_end" RunEnd { reason: Text }
    /// A turn starts.
    "turn_begin" TurnBegin { counts: LoopMetrics }
    /// A turn ends.
    "turn_end" TurnEnd { counts: LoopMetrics }
    /// The loop goes to sleep in the reactor.
    "wait_begin" WaitBegin { timeout: Option<u64>, why: TimeoutReason }
    /// The loop is awake.
    "wait_end" WaitEnd { events: u64, woken: bool }
    /// The reactor delivers readiness.
    "readiness" Readiness {
        source: u32, readable: bool, writable: bool, read_closed: bool, write_closed: bool, error: bool, stale: bool
    }
    /// A source is registered.
    "source_add" SourceAdd {
        source: u32, task: Option<u32>, what: Text, descriptor: Option<i32>, peer: Option<SocketAddr>
    }
    /// A source is deregistered.
    "source_del" SourceDel { source: u32 }
    /// A system call was made on a source.
    "io" Io { source: u32, task: Option<u32>, operation: Operation, outcome: IoOutcome }
    /// A timer is armed, or armed anew.
    "timer_set" TimerSet { timer: u32, task: Option<u32>, deadline: u64 }
    /// A timer fires.
    "timer_fire" TimerFire { timer: u32, late: u64 }
    /// A timer is cancelled.
    "timer_del" TimerDel { timer: u32 }
    /// A task begins its life.
    "spawn" Spawn { task: u32, parent: Option<u32>, name: Text, future: Text, location: Text }
    /// A task's future has been dropped before it was done.
    "drop" Drop { task: u32 }
    /// A task has ended.
    "done" Done { task: u32, outcome: TaskOutcome }
    /// A task is polled.
    "poll_begin" PollBegin { task: u32, number: u64, delay: u64, wakes: Wakes }
    /// The poll is over.
    "poll_end" PollEnd { task: u32, ready: bool, waiting_for: Text, wakers: u64 }
    /// A hand-written future goes from one state to the next.
    "state" State { future: u64, of: Text, parent: Option<u64>, task: Option<u32>, from: Text, to: Text }
    /// A waker was called.
    "wake" Wake { wake: u64, task: u32, cause: Cause, effect: WakeOutcome }
    /// A task starts to wait for a permit.
    "semaphore_wait" SemaphoreWait { semaphore: u64, task: Option<u32>, free: u64 }
    /// A permit is taken.
    "semaphore_take" SemaphoreTake { semaphore: u64, task: Option<u32>, free: u64 }
    /// A permit is given back.
    "semaphore_free" SemaphoreFree { semaphore: u64, task: Option<u32>, free: u64 }
    /// A job is queued on a pool.
    "job_add" JobAdd { job: u32, task: Option<u32>, label: Text, bytes: u64 }
    /// A worker takes a job.
    "job_start" JobStart { job: u32, wait: u64 }
    /// A job has ended.
    "job_end" JobEnd { job: u32, outcome: JobOutcome }
    /// An HTTP exchange comes a step further.
    "http" Http { exchange: u64, task: Option<u32>, step: HttpStep }
    /// Something is wrong with the program that runs, and this is what.
    "diagnosis" Finding { finding: Box<Finding> }
    /// A line of text from the program that runs.
    "mark" Mark { text: Text }
    /// Events were lost here.
    "dropped" Dropped { number: u64 }
}

/// What made a task ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The reactor saw readiness on this source.
    Source(u32),
    /// This timer fired.
    Timer(u32),
    /// This job ended.
    Job(u32),
    /// This task woke it while it was polled.
    Task(u32),
    /// It woke itself.
    SelfWake,
    /// It is new.
    Spawn,
    /// Code that is not run by the loop.
    External,
}

/// What came of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IoOutcome {
    /// It moved so many bytes; an accepted connection counts as 1, a finished connect as 0.
    Bytes(u64),
    /// Nothing to read, or no room to write.
    WouldBlock,
    /// The other side has ended its stream.
    EndOfFile,
    /// It failed, with an error of this kind.
    Failed(Text),
}

/// What is wrong with the program that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name, for example `deadlock`.
    pub what: Text,
    /// The task it is about.
    pub task: Option<u32>,
    /// The state the task is in.
    pub state: Text,
    /// What shows it.
    pub evidence: Text,
    /// What to look at.
    pub advice: Text,
}

/// The numbers of the wakes that led to a poll. Nearly always there is one, and that takes no memory of its own.
#[derive(Clone)]
pub enum Wakes {
    /// At most two: the numbers, and how many of them count.
    Few([u64; 2], usize),
    /// More.
    Many(Box<[u64]>),
}

impl Wakes {
    /// The numbers, in the order of the wakes.
    pub fn as_slice(&self) -> &[u64] {
        match self {
            Wakes::Few(wakes, number) => &wakes[..*number],
            Wakes::Many(wakes) => wakes,
        }
    }
}

impl FromIterator<u64> for Wakes {
    fn from_iter<I: IntoIterator<Item = u64>>(wakes: I) -> Wakes {
        let mut wakes = wakes.into_iter();
        let mut few = [0; 2];
        for number in 0..few.len() {
            match wakes.next() {
                Some(wake) => few[number] = wake,
                None => return Wakes::Few(few, number),
            }
        }
        match wakes.next() {
            None => Wakes::Few(few, few.len()),
            Some(third) => Wakes::Many(few.into_iter().chain([third]).chain(wakes).collect()),
        }
    }
}

impl PartialEq for Wakes {
    fn eq(&self, other: &Wakes) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl std::fmt::Debug for Wakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}
