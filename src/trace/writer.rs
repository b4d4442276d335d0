//! The writer thread of a recorder: writes records to the file. When the disk is full, it ends the recording with a
//! `dropped` record.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender};

use super::header::RecordingHeader;
use super::record::{Record, RecordKind};
use crate::observe::ClockKind;

/// The approximate size of a write.
const CHUNK_BYTES: usize = 64 * 1024;

/// When the disk is full, at least this much of the end of the file is overwritten by the `dropped` record.
const DROPPED_RECORD_BYTES: usize = 256;

/// A command to the writer thread.
#[derive(Debug)]
pub(super) enum WriterCommand {
    /// Writes the header.
    Begin(RecordingHeader),
    /// Writes records, and returns the buffer.
    Write(Vec<Record>),
}

/// The numbers of events in a complete recording, and of those missing from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// The number of records in the file.
    pub records: u64,
    /// The number of events that are missing, because the writer could not keep up with the loop.
    pub dropped: u64,
}

/// Writes the records of one recording.
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    /// Complete lines that have not been written yet.
    out: Vec<u8>,
    has_begun: bool,
    /// The length of the header; 0 before it has been written.
    header_bytes: u64,
    /// The number of bytes that were written before `out`.
    position: u64,
    /// The sequence number of the next record.
    seq: u64,
    /// The number of events that the recorder dropped.
    dropped: u64,
    /// The time and the turn of the last record of the loop's thread.
    last: (u64, u64),
    failure: Option<WriteFailure>,
}

/// A failed write, after which nothing more is written except one `dropped` record.
struct WriteFailure {
    error: io::Error,
    /// The position of the `dropped` record in the file, and its sequence number.
    position: u64,
    seq: u64,
    /// The number of events that are missing in the file.
    dropped: u64,
}

impl Writer {
    pub(super) fn new(file: File, path: PathBuf) -> Writer {
        let out = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        Writer {
            file,
            path,
            out,
            has_begun: false,
            header_bytes: 0,
            position: 0,
            seq: 0,
            dropped: 0,
            last: (0, 0),
            failure: None,
        }
    }

    /// Executes commands until the recorder drops its end of the channel.
    pub(super) fn run(
        mut self,
        commands: &Receiver<WriterCommand>,
        return_buffer: &Sender<Vec<Record>>,
    ) -> io::Result<WriteReport> {
        for command in commands {
            match command {
                WriterCommand::Begin(header) => self.begin(&header),
                WriterCommand::Write(mut records) => {
                    if !self.has_begun {
                        // A recorder that is not attached to a loop, as in tests, does not know the clock.
                        self.begin(&RecordingHeader::now(ClockKind::Real));
                    }
                    for record in &mut records {
                        self.write(record);
                    }
                    records.clear();
                    let _recorder_is_dropped = return_buffer.send(records);
                }
            }
            // Before this thread waits, the file is up to date.
            if commands.is_empty() {
                self.flush();
            }
        }
        self.flush();
        self.end()
    }

    fn begin(&mut self, header: &RecordingHeader) {
        self.has_begun = true;
        header.put(&mut self.out);
        self.flush();
        self.header_bytes = self.position;
    }

    fn write(&mut self, record: &mut Record) {
        if record.thread == 0 {
            self.last = (record.time, record.turn);
        }
        if let Some(failure) = &mut self.failure {
            failure.dropped += 1;
            return;
        }
        if let RecordKind::Dropped { number } = record.kind {
            self.dropped += number;
        }
        record.seq = self.seq; // without gaps, even if events were dropped
        self.seq += 1;
        record.put(&mut self.out);
        if self.out.len() >= CHUNK_BYTES {
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

    /// Handles a write that failed after the first `done` bytes of `out`.
    fn fail(&mut self, done: usize, error: io::Error) {
        log::warn!("recording to {} stopped: {error}; the run continues", self.path.display());
        let first = self.seq - count_lines(&self.out).min(self.seq);
        let written = first + count_lines(&self.out[..done]);
        let (position, cut_off) = self.find_cut(self.position + done as u64).unwrap_or((self.position, 0));
        let seq = written.saturating_sub(cut_off);
        self.failure = Some(WriteFailure { error, position, seq, dropped: self.seq - seq });
        self.write_dropped_record();
    }

    /// Finds the end of a line a little before the end of the file, to make space for the `dropped` record. Returns its
    /// position and the number of lines after it.
    fn find_cut(&mut self, end: u64) -> io::Result<(u64, u64)> {
        let from = end.saturating_sub(CHUNK_BYTES as u64).max(self.header_bytes);
        let mut tail = Vec::new();
        self.file.seek(SeekFrom::Start(from))?;
        (&mut self.file).take(end - from).read_to_end(&mut tail)?;
        let kept = tail.len().saturating_sub(DROPPED_RECORD_BYTES);
        let cut = tail[..kept].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Ok((from + cut as u64, count_lines(&tail[cut..])))
    }

    /// Replaces the end of the file by a record that states how many events are missing.
    fn write_dropped_record(&mut self) {
        let Some(WriteFailure { position, seq, dropped, .. }) = self.failure else { return };
        let (time, turn) = self.last;
        let mut out = Vec::new();
        // If not even the header could be written, the file stays empty.
        if self.header_bytes > 0 {
            Record { seq, time, thread: 0, turn, kind: RecordKind::Dropped { number: dropped } }.put(&mut out);
        }
        let written = self
            .file
            .set_len(position)
            .and_then(|()| self.file.seek(SeekFrom::Start(position)))
            .and_then(|_| self.file.write_all(&out));
        if written.is_err() {
            // At least the file ends with a complete line.
            let _ignored = self.file.set_len(position);
        }
    }

    fn end(mut self) -> io::Result<WriteReport> {
        self.write_dropped_record();
        match self.failure {
            None => Ok(WriteReport { records: self.seq, dropped: self.dropped }),
            Some(WriteFailure { error, dropped, .. }) => {
                let path = self.path.display();
                Err(io::Error::new(
                    error.kind(),
                    format!("the recording {path} is incomplete: {error}; {dropped} events are missing"),
                ))
            }
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
