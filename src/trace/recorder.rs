//! The recorder's half on the loop's thread: it copies each event into a buffer, and hands buffers to the writer.
//!
//! Nothing here waits (I7). The writer gives buffers back when they are written, and there are only so many of them: if
//! it falls that far behind, events are lost, and a line says how many.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::claim::claim;
use super::header::Header;
use super::keep::Keeper;
use super::line::{Fact, Line};
use super::writer::Writer;
pub use super::writer::Written;
use crate::observe::{ClockKind, Event, EventKind, Observer};

/// Lines in a buffer.
const ROOM: usize = 1024;

/// Buffers, which bounds the memory to some twenty megabytes.
const BUFFERS: usize = 128;

/// A buffer that is not full is handed over when the loop goes to sleep, so that a run that is killed in its sleep has
/// left everything in the file; but no more often than once in this time, in nanoseconds, on the average …
const BETWEEN_SLEEPS: u64 = 1_000_000;

/// … with so many in advance.
const IN_ADVANCE: u64 = 8;

/// Records a run into a file, a line an event.
///
/// ```
/// use glassloop::{EventLoop, trace::{Reader, Recorder}};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run.jsonl");
/// let mut event_loop = EventLoop::builder().observer(Recorder::create(&path)?).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// drop(event_loop); // and with it the recorder: now all is in the file
///
/// let recording = Reader::open(std::io::BufReader::new(std::fs::File::open(&path)?))?;
/// let kinds: Vec<&str> = recording.map(|line| Ok(line?.fact.kind())).collect::<Result<_, glassloop::trace::ReadError>>()?;
/// assert_eq!(kinds[..3], ["run_begin", "turn_begin", "poll_begin"]);
/// assert_eq!(kinds.last(), Some(&"run_end"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorder {
    keeper: Keeper,
    /// The buffer that is being filled.
    filling: Vec<Line>,
    /// Buffers that have been made.
    made: usize,
    /// Events lost since the last one that was kept.
    lost: u64,
    /// How much time has been saved for handing over at a sleep, and up to when it was counted.
    credit: u64,
    credited_at: u64,
    written: Receiver<Vec<Line>>,
    writer: Option<Thread>,
}

/// The writer's thread.
#[derive(Debug)]
struct Thread {
    orders: Sender<Order>,
    handle: JoinHandle<io::Result<Written>>,
}

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Order {
    /// To begin the file.
    Begin(Header),
    /// To write lines, and to give the buffer back.
    Write(Vec<Line>),
}

impl Recorder {
    /// Creates the file, or empties it, and starts the thread that writes to it.
    ///
    /// # Errors
    /// If the file cannot be created, if another recording is being written to it, or if the thread cannot be started.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Recorder> {
        let path = path.as_ref();
        Recorder::to(claim(path)?, path)
    }

    /// Starts the thread that writes to a file that has been claimed.
    pub(super) fn to(file: File, path: &Path) -> io::Result<Recorder> {
        let (orders, to_do) = unbounded();
        let (give_back, written) = unbounded();
        let writer = Writer::new(file, path.to_owned());
        let handle = thread::Builder::new().name("trace".to_owned()).spawn(move || writer.run(&to_do, &give_back))?;
        Ok(Recorder {
            keeper: Keeper::default(),
            filling: Vec::with_capacity(ROOM),
            made: 1,
            lost: 0,
            credit: IN_ADVANCE * BETWEEN_SLEEPS,
            credited_at: 0,
            written,
            writer: Some(Thread { orders, handle }),
        })
    }

    /// Ends the recording and waits until it is written. Dropping the recorder does the same.
    ///
    /// # Errors
    /// What kept the recording from being complete: a full disk, for example.
    pub fn finish(mut self) -> io::Result<Written> {
        self.end()
    }

    fn end(&mut self) -> io::Result<Written> {
        let Some(Thread { orders, handle }) = self.writer.take() else { return Ok(Written::default()) };
        if self.lost > 0
            && let Some(last) = self.filling.last().cloned()
        {
            self.filling.push(Line { thread: 0, fact: Fact::Dropped { number: self.lost }, ..last });
        }
        let _gone = orders.send(Order::Write(std::mem::take(&mut self.filling)));
        drop(orders);
        handle.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes the recording panicked")))
    }

    fn order(&self, order: Order) {
        if let Some(writer) = &self.writer {
            // A writer that is gone takes no more orders; `end` will say why.
            let _gone = writer.orders.send(order);
        }
    }

    /// Hands the buffer over if there is another to go on with.
    fn hand_over(&mut self) -> bool {
        let next = match self.written.try_recv() {
            Ok(empty) => empty,
            Err(_) if self.made < BUFFERS => {
                self.made += 1;
                Vec::with_capacity(ROOM)
            }
            Err(_) => return false,
        };
        let full = std::mem::replace(&mut self.filling, next);
        self.order(Order::Write(full));
        true
    }

    /// Whether a sleep that begins now is worth a hand-over.
    fn is_sleep_worth_it(&mut self, now: u64) -> bool {
        let saved = now.saturating_sub(self.credited_at);
        self.credited_at = now;
        self.credit = self.credit.saturating_add(saved).min(IN_ADVANCE * BETWEEN_SLEEPS);
        let is_worth_it = self.credit >= BETWEEN_SLEEPS;
        self.credit -= if is_worth_it { BETWEEN_SLEEPS } else { 0 };
        is_worth_it
    }
}

impl Observer for Recorder {
    fn attach(&mut self, clock: ClockKind) {
        self.order(Order::Begin(Header::now(clock)));
    }

    fn event(&mut self, event: &Event<'_>) {
        // Room for two: this event, and the number of those that were lost before it.
        if self.filling.len() + 2 > ROOM && !self.hand_over() {
            self.lost += 1;
            return;
        }
        let line = self.keeper.keep(event);
        if self.lost > 0 {
            let number = std::mem::take(&mut self.lost);
            self.filling.push(Line { thread: 0, fact: Fact::Dropped { number }, ..line.clone() });
        }
        let now = line.time;
        self.filling.push(line);
        if matches!(event.kind, EventKind::WaitBegin { .. }) && self.is_sleep_worth_it(now) {
            self.hand_over();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.writer.is_some()
            && let Err(error) = self.end()
        {
            log::warn!("{error}");
        }
    }
}
