//! The recorder's other half: a thread that writes lines to a file, and makes the best of a full disk.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender};

use super::header::Header;
use super::line::{Fact, Line};
use super::recorder::Order;
use crate::observe::ClockKind;

/// What is written at once, about.
const CHUNK: usize = 64 * 1024;

/// When the disk is full, so much of the end is given up for a line that says so.
const SLACK: usize = 256;

/// What a recording has become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines in the file, beside the header.
    pub lines: u64,
    /// Events that are not in the file.
    pub dropped: u64,
}

/// Writes the lines of one recording.
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    /// Lines that are ready to be written, whole ones only.
    out: Vec<u8>,
    is_begun: bool,
    /// How long the header is; 0 if there is none.
    header: u64,
    /// How much has been written before `out`.
    position: u64,
    /// The number of the next line.
    seq: u64,
    /// Events that were lost before they came here.
    lost: u64,
    /// The time and the turn of the last line from the loop's thread.
    last: (u64, u64),
    failure: Option<Failure>,
}

/// The file takes no more.
struct Failure {
    error: io::Error,
    /// Where in the file it is said, and as which line.
    position: u64,
    seq: u64,
    /// Events that are not in the file.
    lost: u64,
}

impl Writer {
    pub(super) fn new(file: File, path: PathBuf) -> Writer {
        let out = Vec::with_capacity(CHUNK + CHUNK / 4);
        Writer {
            file,
            path,
            out,
            is_begun: false,
            header: 0,
            position: 0,
            seq: 0,
            lost: 0,
            last: (0, 0),
            failure: None,
        }
    }

    /// Does as it is told until there is nobody left to tell it anything.
    pub(super) fn run(mut self, orders: &Receiver<Order>, give_back: &Sender<Vec<Line>>) -> io::Result<Written> {
        for order in orders {
            match order {
                Order::Begin(header) => self.begin(&header),
                Order::Write(mut lines) => {
                    if !self.is_begun {
                        // Whoever feeds the recorder by hand need not say which clock it is.
                        self.begin(&Header::now(ClockKind::Real));
                    }
                    for line in &mut lines {
                        self.write(line);
                    }
                    lines.clear();
                    let _recorder_is_gone = give_back.send(lines);
                }
            }
            // What is here now goes to the file before this thread waits for more.
            if orders.is_empty() {
                self.flush();
            }
        }
        self.flush();
        self.end()
    }

    fn begin(&mut self, header: &Header) {
        self.is_begun = true;
        header.put(&mut self.out);
        self.flush();
        self.header = self.position;
    }

    fn write(&mut self, line: &mut Line) {
        if line.thread == 0 {
            self.last = (line.time, line.turn);
        }
        if let Some(failure) = &mut self.failure {
            failure.lost += 1;
            return;
        }
        if let Fact::Dropped { number } = line.fact {
            self.lost += number;
        }
        line.seq = self.seq; // dense, whatever was lost
        self.seq += 1;
        line.put(&mut self.out);
        if self.out.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let mut done = 0;
        while done < self.out.len() && self.failure.is_none() {
            match self.file.write(&self.out[done..]) {
                Ok(0) => self.fail(done, ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(done, error),
            }
        }
        self.position += done as u64;
        self.out.clear();
    }

    /// After so many bytes of `out`, the file took no more.
    fn fail(&mut self, done: usize, error: io::Error) {
        log::warn!("recording to {}: {error}; the run goes on, the recording does not", self.path.display());
        let first = self.seq - count_lines(&self.out).min(self.seq);
        let written = first + count_lines(&self.out[..done]);
        let (position, cut_off) = self.find_cut(self.position + done as u64).unwrap_or((self.position, 0));
        let seq = written.saturating_sub(cut_off);
        self.failure = Some(Failure { error, position, seq, lost: self.seq - seq });
        self.say_what_is_missing();
    }

    /// A place between two lines, a little before the end: where it is, and how many lines come after it.
    fn find_cut(&mut self, end: u64) -> io::Result<(u64, u64)> {
        let from = end.saturating_sub(CHUNK as u64).max(self.header);
        let mut tail = Vec::new();
        self.file.seek(SeekFrom::Start(from))?;
        (&mut self.file).take(end - from).read_to_end(&mut tail)?;
        let kept = tail.len().saturating_sub(SLACK);
        let cut = tail[..kept].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Ok((from + cut as u64, count_lines(&tail[cut..])))
    }

    /// Writes, in place of what did not fit, how much that is.
    fn say_what_is_missing(&mut self) {
        let Some(Failure { position, seq, lost, .. }) = self.failure else { return };
        let (time, turn) = self.last;
        let mut out = Vec::new();
        // Without a header it is no recording, and the file stays empty.
        if self.header > 0 {
            Line { seq, time, thread: 0, turn, fact: Fact::Dropped { number: lost } }.put(&mut out);
        }
        let said = self
            .file
            .set_len(position)
            .and_then(|()| self.file.seek(SeekFrom::Start(position)))
            .and_then(|_| self.file.write_all(&out));
        if said.is_err() {
            // Not even that: then at least no half of a line.
            let _nothing_more_to_try = self.file.set_len(position);
        }
    }

    fn end(mut self) -> io::Result<Written> {
        self.say_what_is_missing();
        match self.failure {
            None => Ok(Written { lines: self.seq, dropped: self.lost }),
            Some(Failure { error, lost, .. }) => {
                let path = self.path.display();
                Err(io::Error::new(
                    error.kind(),
                    format!("the recording {path} is incomplete, {lost} events are missing: {error}"),
                ))
            }
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
