//! Standard output and standard error, which may be full, closed, or connected to a reader that has stopped.
//!
//! A write to a pipe or a terminal blocks until there is space. If it blocked the thread that runs the loop, no signal
//! would be handled any more (I7). So each of the two has a queue and a thread that writes its content:
//!
//! * [`print_message`] and [`Output::push`] never block.
//! * [`Paced`] blocks while much is queued, until a signal arrives.
//! * [`Output::flush`] waits until the queue is written. After a signal, it gives up if the reader makes no progress.
//!
//! Output that cannot be written to standard error is dropped: there is no place to report it, and no requested output
//! is lost. If standard output cannot be written, the command fails with exit code 3.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::signals;
use super::terminal::{ProgressFrame, Size, size};
use crate::download::ErrorClass;

/// The number of queued bytes above which [`Paced`] and [`Output::wait_for_capacity`] block.
const MANY_BYTES: usize = 1 << 20;

/// The number of queued bytes above which `push` drops its argument. Paced output does not reach it.
const MAX_BYTES: usize = 16 << 20;

/// How often a wait checks whether a signal has arrived: a signal handler must not notify a condition variable.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The number of checks without progress after which `flush` gives up once a signal has arrived.
const CHECKS_AFTER_A_SIGNAL: u32 = 10;

/// A stream that is written by its own thread. It is a handle: clones share the stream.
#[derive(Clone)]
pub(super) struct Output {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    bytes: Vec<u8>,
    /// Whether the thread is writing bytes that it has taken from the queue.
    is_writing: bool,
    /// The number of pushes that were dropped and are not reported yet.
    dropped: u64,
    /// The number of completed writes, which grows while the reader makes progress.
    progress: u64,
    error: Option<io::Error>,
    /// The target of the writes, until the thread takes it.
    target: Option<Box<dyn Write + Send>>,
}

static STDERR: LazyLock<Output> = LazyLock::new(|| Output::new(Box::new(io::stderr())));

/// Returns standard error.
pub(super) fn stderr() -> &'static Output {
    &STDERR
}

/// Writes a line to standard error, above the progress. This never blocks and never fails.
pub(super) fn print_message(line: impl Display) {
    push_message(&format!("{line}\n"));
}

/// The progress on the terminal. It is locked until what has to be written is queued, so that no two writes overlap.
static FRAME: Mutex<ProgressFrame> = Mutex::new(ProgressFrame::new());

fn frame() -> MutexGuard<'static, ProgressFrame> {
    FRAME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the progress at the bottom of the terminal, instead of what was shown there before.
pub(super) fn show_frame(lines: &[String], size: Size) {
    let mut frame = frame();
    // A frame that cannot be shown in time is out of date.
    if !stderr().is_behind() {
        let output = frame.show(lines, size);
        stderr().push(output.as_bytes());
    }
}

/// Removes the progress from the terminal.
pub(super) fn hide_frame() {
    let mut frame = frame();
    if !frame.is_empty()
        && let Some(size) = size()
    {
        let output = frame.erase(size);
        stderr().push(output.as_bytes());
    }
}

/// Queues complete lines for standard error, above the progress.
fn push_message(lines: &str) {
    let mut frame = frame();
    let size = if frame.is_empty() { None } else { size() };
    match size {
        Some(size) => stderr().push(frame.write_above(lines, size).as_bytes()),
        None => stderr().push(lines.as_bytes()),
    }
}

/// Reports that standard output cannot be written, and returns the exit code for it.
pub(super) fn stdout_failed(error: &io::Error) -> ExitCode {
    super::fail(ErrorClass::File.exit_code(), format_args!("writing to standard output: {error}"))
}

/// Writes the rest of the queue of standard error. If a signal arrives during this, after the loop has ended, it
/// determines the exit code.
pub(super) fn finish(code: ExitCode) -> ExitCode {
    let _dropped = stderr().flush();
    signals::unhandled().map_or(code, |interruption| ExitCode::from(interruption.exit_code()))
}

impl Output {
    /// Creates a stream that writes to `target`. Its thread starts with the first write.
    pub(super) fn new(target: Box<dyn Write + Send>) -> Output {
        let queue =
            Queue { bytes: Vec::new(), is_writing: false, dropped: 0, progress: 0, error: None, target: Some(target) };
        Output { shared: Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new() }) }
    }

    /// Queues one or more complete lines. This never blocks: after an error, and while more than `MAX_BYTES` are
    /// queued, they are dropped.
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut queue = self.shared.lock();
        if queue.error.is_some() {
            return;
        }
        if queue.bytes.len() + bytes.len() > MAX_BYTES {
            queue.dropped += 1;
            return;
        }
        queue.bytes.extend_from_slice(bytes);
        if let Some(target) = queue.target.take() {
            let shared = self.shared.clone();
            let started = std::thread::Builder::new().name("output".to_owned()).spawn(move || shared.write(target));
            if let Err(error) = started {
                queue.fail(error);
            }
        }
        self.shared.changed.notify_all();
    }

    /// Blocks while much is queued, unless a signal arrives.
    pub(super) fn wait_for_capacity(&self) {
        let mut queue = self.shared.lock();
        while queue.bytes.len() > MANY_BYTES && signals::arrived().is_none() {
            queue = self.shared.wait(queue);
        }
    }

    /// Returns whether so much is queued that optional output should be left out.
    pub(super) fn is_behind(&self) -> bool {
        self.shared.lock().bytes.len() > MANY_BYTES / 16
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// If a write has failed, or if a signal has arrived and the reader does not read.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut queue = self.shared.lock();
        let (mut progress, mut idle_checks) = (queue.progress, 0);
        while queue.error.is_none() && (queue.is_writing || !queue.bytes.is_empty()) {
            if signals::arrived().is_some() {
                idle_checks = if queue.progress == progress { idle_checks + 1 } else { 0 };
                progress = queue.progress;
                if idle_checks > CHECKS_AFTER_A_SIGNAL {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "timed out, because the reader does not read"));
                }
            }
            queue = self.shared.wait(queue);
        }
        queue.error.take().map_or(Ok(()), Err)
    }
}

impl Shared {
    /// Writes the queue until a write fails. This is the body of the thread, which ends with the process.
    fn write(&self, mut target: Box<dyn Write + Send>) {
        let mut queue = self.lock();
        while queue.error.is_none() {
            if queue.bytes.is_empty() {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let mut bytes = std::mem::take(&mut queue.bytes);
            if queue.dropped > 0 {
                let dropped = std::mem::take(&mut queue.dropped);
                bytes.extend_from_slice(
                    format!("glassloop: {dropped} lines dropped because they were not read\n").as_bytes(),
                );
            }
            queue.is_writing = true;
            drop(queue);
            let written = self.write_pieces(&mut *target, &bytes);
            queue = self.lock();
            queue.is_writing = false;
            if let Err(error) = written {
                queue.fail(error);
            }
            self.changed.notify_all();
        }
    }

    /// Writes in pieces, so that a slow reader can be distinguished from one that has stopped.
    fn write_pieces(&self, target: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(4096) {
            target.write_all(piece)?;
            self.lock().progress += 1;
        }
        target.flush()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait_timeout(queue, CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Queue {
    fn fail(&mut self, error: io::Error) {
        self.bytes = Vec::new();
        self.error = Some(error);
    }
}

/// A writer to standard error with backpressure: it blocks while much is queued, unless a signal has arrived. It is for
/// output that is produced faster than it can be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paced;

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        stderr().wait_for_capacity();
        push_message(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn flush_returns_the_first_error_and_what_follows_is_dropped() {
        let output = Output::new(Box::new(Full));
        output.push(b"one\n");
        assert_eq!(output.flush().expect_err("it is full").kind(), io::ErrorKind::StorageFull);
        output.push(b"two\n");
        output.wait_for_capacity();
    }

    #[test]
    fn everything_is_written_in_order() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let output = Output::new(Box::new(writer));
        let lines: Vec<String> = (0..10_000).map(|number| format!("line {number}\n")).collect();
        lines.iter().for_each(|line| output.push(line.as_bytes()));
        let mut read = vec![0; lines.concat().len()];
        io::Read::read_exact(&mut reader, &mut read).expect("all of it");
        assert_eq!(String::from_utf8(read).expect("text"), lines.concat());
        output.flush().expect("written");
    }

    #[test]
    fn without_a_reader_the_queue_is_bounded_and_the_dropped_lines_are_counted() {
        crate::watchdog::watch();
        let (reader, writer) = io::pipe().expect("a pipe");
        let output = Output::new(Box::new(writer));
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        (0..40_000).for_each(|_| output.push(&line));
        assert!(output.shared.lock().bytes.len() <= MAX_BYTES);
        output.push(b"");
        // The thread may have taken the queue before or while lines were dropped: then they are reported twice.
        let (mut written, mut dropped, mut lines) = (0, 0, io::BufRead::lines(io::BufReader::new(reader)));
        while written + dropped < 40_000 {
            let line = lines.next().expect("more lines").expect("text");
            match line
                .strip_prefix("glassloop: ")
                .and_then(|line| line.strip_suffix(" lines dropped because they were not read"))
            {
                Some(number) => dropped += number.parse::<u32>().expect("a number"),
                None => written += 1,
            }
        }
        assert_eq!(written + dropped, 40_000);
        assert!(dropped > 0);
    }
}
