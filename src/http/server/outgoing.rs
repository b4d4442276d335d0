//! An answer on its way out: its head, then its body, from memory or from a file.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use super::service::{Body, FilePart};
use crate::event_loop::{Job, JobHandle, Sleep, now, run_in_executor, sleep};
use crate::net::TcpStream;

/// How much of a file is read, and held, at once.
const PIECE_BYTES: u64 = 64 * 1024;

/// What is left of an answer.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The bytes of the head, in a lent buffer.
    head: Vec<u8>,
    /// How many of them are out.
    head_sent: usize,
    content: Content,
    /// Bytes of the body that are still to go out. Those of `content` behind them never do.
    left: u64,
    /// Those that are out.
    sent: u64,
    pace: Option<Pace>,
}

/// Where the next bytes of the body come from.
#[derive(Debug)]
enum Content {
    Memory(Bytes),
    File { part: FilePart, piece: Piece },
}

/// The piece of a file that is being sent. One at a time: a client that does not read stops the reading, too.
#[derive(Debug)]
enum Piece {
    /// It is being read.
    Job(JobHandle<io::Result<Vec<u8>>>),
    /// It is here, and so much of it is out.
    Here(Vec<u8>, usize),
}

impl Outgoing {
    /// An answer of which nothing is out.
    pub(super) fn new(head: Vec<u8>, body: Body, rate: Option<NonZeroU64>) -> Outgoing {
        let left = body.length();
        let content = match body {
            Body::Empty => Content::Memory(Bytes::new()),
            Body::Bytes(bytes) => Content::Memory(bytes),
            Body::File(part) => Content::File { part, piece: Piece::Here(Vec::new(), 0) },
        };
        Outgoing { head, head_sent: 0, content, left, sent: 0, pace: rate.map(Pace::new) }
    }

    /// Ends the body early.
    pub(super) fn cut_at(&mut self, bytes: u64) {
        self.left = self.left.min(bytes);
    }

    /// Whether everything is out that is to go out.
    pub(super) fn is_out(&self) -> bool {
        self.head_sent == self.head.len() && self.left == 0
    }

    /// How many bytes are out, the head's and the body's.
    pub(super) fn sent(&self) -> u64 {
        self.head_sent as u64 + self.sent
    }

    /// How many bytes of the body are out.
    pub(super) fn body_sent(&self) -> u64 {
        self.sent
    }

    /// The head's buffer, to be used again.
    pub(super) fn into_head_buffer(mut self) -> Vec<u8> {
        self.head.clear();
        self.head
    }

    /// Writes until the head is out. As much of the body as is in memory goes with it, in the same system call.
    pub(super) fn poll_write_head(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        while self.head_sent < self.head.len() {
            let pieces = [IoSlice::new(&self.head[self.head_sent..]), IoSlice::new(self.at_hand())];
            let written = match ready!(stream.poll_write_vectored(cx, &pieces)) {
                Ok(written) => written,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let of_head = written.min(self.head.len() - self.head_sent);
            self.head_sent += of_head;
            self.consume(written - of_head);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes until the body is out.
    pub(super) fn poll_write_body(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        while self.left > 0 {
            if let Some(pace) = &mut self.pace {
                ready!(pace.poll_allowed(cx));
            }
            if let Err(error) = ready!(self.content.poll_at_hand(cx)) {
                return Poll::Ready(Err(error));
            }
            match ready!(stream.poll_write(cx, self.at_hand())) {
                Ok(written) => self.consume(written),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The bytes of the body that may go out now.
    fn at_hand(&self) -> &[u8] {
        let bytes: &[u8] = match &self.content {
            Content::Memory(bytes) => bytes,
            Content::File { piece: Piece::Here(bytes, sent), .. } => &bytes[*sent..],
            Content::File { piece: Piece::Job(_), .. } => &[],
        };
        let allowed = self.pace.as_ref().map_or(self.left, |pace| self.left.min(pace.allowed));
        &bytes[..bytes.len().min(usize::try_from(allowed).unwrap_or(usize::MAX))]
    }

    fn consume(&mut self, written: usize) {
        match &mut self.content {
            Content::Memory(bytes) => *bytes = bytes.slice(written..),
            Content::File { piece: Piece::Here(_, sent), .. } => *sent += written,
            Content::File { piece: Piece::Job(_), .. } => {}
        }
        self.left -= written as u64;
        self.sent += written as u64;
        if let Some(pace) = &mut self.pace {
            pace.allowed -= written as u64;
        }
    }
}

impl Content {
    /// Waits until there are bytes to send.
    fn poll_at_hand(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Content::File { part, piece } = self else { return Poll::Ready(Ok(())) };
        loop {
            match piece {
                Piece::Here(bytes, sent) if *sent < bytes.len() => return Poll::Ready(Ok(())),
                Piece::Here(bytes, _) => *piece = Piece::Job(read_piece(part, std::mem::take(bytes))),
                Piece::Job(job) => {
                    let bytes = match ready!(Pin::new(job).poll(cx)) {
                        Ok(Ok(bytes)) => bytes,
                        Ok(Err(error)) => return Poll::Ready(Err(error)),
                        Err(error) => return Poll::Ready(Err(io::Error::other(error))),
                    };
                    part.from += bytes.len() as u64;
                    part.length -= bytes.len() as u64;
                    *piece = Piece::Here(bytes, 0);
                }
            }
        }
    }
}

/// Reads the next piece of a file on the pool (I7), into a buffer that is used again.
fn read_piece(part: &FilePart, mut buffer: Vec<u8>) -> JobHandle<io::Result<Vec<u8>>> {
    let (file, from, length) = (part.file.clone(), part.from, part.length.min(PIECE_BYTES));
    let read = move || {
        // At most `PIECE_BYTES`.
        buffer.resize(length as usize, 0);
        read_exactly_at(&file, &mut buffer, from)?;
        Ok(buffer)
    };
    run_in_executor(None, Job::new(read).label("read").bytes(length).abandonable())
}

/// Several answers may share the file, so its own position is left alone.
fn read_exactly_at(file: &Arc<File>, buffer: &mut [u8], from: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(&**file, buffer, from)
}

/// How often bytes are let go when there is a rate.
const SLICES_PER_SECOND: u64 = 20;

/// Lets so many bytes a second go.
#[derive(Debug)]
struct Pace {
    /// Until the next slice.
    sleep: Sleep,
    slice_bytes: u64,
    interval: Duration,
    /// Bytes that may go out now.
    allowed: u64,
}

impl Pace {
    fn new(rate: NonZeroU64) -> Pace {
        let slice_bytes = (rate.get() / SLICES_PER_SECOND).max(1);
        let interval = Duration::from_secs_f64(slice_bytes as f64 / rate.get() as f64);
        Pace { sleep: sleep(interval), slice_bytes, interval, allowed: 0 }
    }

    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.allowed == 0 {
            ready!(Pin::new(&mut self.sleep).poll(cx));
            self.allowed = self.slice_bytes;
            // From when it was due, not from when it was heard of; but what was missed is not made up for.
            let next = (self.sleep.deadline() + self.interval).max(now());
            self.sleep.reset(next);
        }
        Poll::Ready(())
    }
}
