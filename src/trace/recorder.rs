//! The recorder: copies each event into a buffer on the loop's thread and sends full buffers to the writer thread.
//!
//! Nothing here blocks (I7). The writer returns the buffers after writing them, and the number of buffers is limited:
//! if none is free, events are dropped, and a `dropped` record states how many.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::copy::EventCopier;
use super::header::RecordingHeader;
use super::lock::open_locked;
use super::record::{Record, RecordKind};
use super::writer::{WriteReport, Writer, WriterCommand};
use crate::observe::{ClockKind, Event, EventKind, Observer};

/// The number of records in a buffer.
const RECORDS_PER_BUFFER: usize = 1024;

/// The number of buffers. It limits the memory to about 20 MB.
const MAX_BUFFERS: usize = 128;

/// The cost of flushing a buffer that is not full, in nanoseconds of budget; see [`Recorder::may_flush`].
const FLUSH_COST: u64 = 1_000_000;

/// The budget that can be saved up: this many flushes may follow each other without a pause.
const FLUSH_BURST: u64 = 8;

/// Records a run into a `.jsonl` file, with one line per event.
///
/// ```
/// use glassloop::{EventLoop, trace::{Reader, Recorder}};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("run.jsonl");
/// let mut event_loop = EventLoop::builder().observer(Recorder::create(&path)?).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// drop(event_loop); // drops the recorder, which completes the file
///
/// let recording = Reader::open(std::io::BufReader::new(std::fs::File::open(&path)?))?;
/// let records = recording.collect::<Result<Vec<_>, _>>()?;
/// let kinds: Vec<&str> = records.iter().map(|record| record.kind.name()).collect();
/// assert_eq!(kinds[..3], ["run_begin", "turn_begin", "poll_begin"]);
/// assert_eq!(kinds.last(), Some(&"run_end"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorder {
    copier: EventCopier,
    /// The buffer that is being filled.
    filling: Vec<Record>,
    /// The number of buffers that have been allocated.
    allocated: usize,
    /// The number of events dropped since the last one that was recorded.
    dropped: u64,
    /// The budget for flushes in nanoseconds, and the time of its last update.
    flush_budget: u64,
    budget_updated: u64,
    /// Buffers that the writer has returned.
    written: Receiver<Vec<Record>>,
    /// `None` after the end of the recording.
    writer: Option<WriterThread>,
}

#[derive(Debug)]
struct WriterThread {
    commands: Sender<WriterCommand>,
    handle: JoinHandle<io::Result<WriteReport>>,
}

impl Recorder {
    /// Creates or truncates the file, and starts the thread that writes to it.
    ///
    /// # Errors
    /// If the file cannot be created, if another recording is being written to it, or if the thread cannot be started.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Recorder> {
        let path = path.as_ref();
        Recorder::to_locked(open_locked(path)?, path)
    }

    /// Starts the thread that writes to a file which this process has locked.
    pub(super) fn to_locked(file: File, path: &Path) -> io::Result<Recorder> {
        let (commands, received_commands) = unbounded();
        let (return_buffer, written) = unbounded();
        let writer = Writer::new(file, path.to_owned());
        let run = move || writer.run(&received_commands, &return_buffer);
        let handle = thread::Builder::new().name("trace".to_owned()).spawn(run)?;
        Ok(Recorder {
            copier: EventCopier::default(),
            filling: Vec::with_capacity(RECORDS_PER_BUFFER),
            allocated: 1,
            dropped: 0,
            flush_budget: FLUSH_BURST * FLUSH_COST,
            budget_updated: 0,
            written,
            writer: Some(WriterThread { commands, handle }),
        })
    }

    /// Ends the recording and waits until the file is complete. Dropping the recorder does the same.
    ///
    /// # Errors
    /// The error that kept the recording from being complete, for example a full disk.
    pub fn finish(mut self) -> io::Result<WriteReport> {
        self.end()
    }

    fn end(&mut self) -> io::Result<WriteReport> {
        let Some(WriterThread { commands, handle }) = self.writer.take() else { return Ok(WriteReport::default()) };
        if self.dropped > 0
            && let Some(last) = self.filling.last().cloned()
        {
            self.filling.push(Record { thread: 0, kind: RecordKind::Dropped { number: self.dropped }, ..last });
        }
        let _writer_panicked = commands.send(WriterCommand::Write(std::mem::take(&mut self.filling)));
        drop(commands);
        handle.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes the recording panicked")))
    }

    fn send(&self, command: WriterCommand) {
        if let Some(writer) = &self.writer {
            // If the writer has panicked, `end` reports it.
            let _writer_panicked = writer.commands.send(command);
        }
    }

    /// Sends the buffer to the writer. Returns `false` if there is no free buffer to replace it.
    fn flush(&mut self) -> bool {
        let next = match self.written.try_recv() {
            Ok(empty) => empty,
            Err(_) if self.allocated < MAX_BUFFERS => {
                self.allocated += 1;
                Vec::with_capacity(RECORDS_PER_BUFFER)
            }
            Err(_) => return false,
        };
        let full = std::mem::replace(&mut self.filling, next);
        self.send(WriterCommand::Write(full));
        true
    }

    /// Returns whether a buffer that is not full may be flushed now.
    ///
    /// The recorder flushes when the loop starts to wait, so that the file is up to date if the process is killed
    /// during the wait. A token bucket limits these flushes to one per [`FLUSH_COST`] on average: a loop that waits
    /// after every event would otherwise wake the writer thread each time.
    fn may_flush(&mut self, now: u64) -> bool {
        let earned = now.saturating_sub(self.budget_updated);
        self.budget_updated = now;
        self.flush_budget = self.flush_budget.saturating_add(earned).min(FLUSH_BURST * FLUSH_COST);
        let is_allowed = self.flush_budget >= FLUSH_COST;
        self.flush_budget -= if is_allowed { FLUSH_COST } else { 0 };
        is_allowed
    }
}

impl Observer for Recorder {
    fn attach(&mut self, clock: ClockKind) {
        self.send(WriterCommand::Begin(RecordingHeader::now(clock)));
    }

    fn event(&mut self, event: &Event<'_>) {
        // Up to two records are pushed: this event, and the number of events dropped before it.
        if self.filling.len() + 2 > RECORDS_PER_BUFFER && !self.flush() {
            self.dropped += 1;
            return;
        }
        let record = self.copier.copy(event);
        if self.dropped > 0 {
            let number = std::mem::take(&mut self.dropped);
            self.filling.push(Record { thread: 0, kind: RecordKind::Dropped { number }, ..record.clone() });
        }
        let now = record.time;
        self.filling.push(record);
        if matches!(event.kind, EventKind::WaitBegin { .. }) && self.may_flush(now) {
            self.flush();
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
