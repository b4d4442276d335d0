//! Writes a response: its head, then its body, which is in memory or in a file.

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

/// The size of the chunks in which a file is read.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A response that is being written.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The encoded head, in the server's shared buffer.
    head: Vec<u8>,
    /// The number of bytes of the head that are written.
    head_sent: usize,
    content: Content,
    /// The number of body bytes that are still to be written. It is less than the rest of `content` if the body is
    /// truncated as a fault.
    left: u64,
    /// The number of body bytes that are written.
    sent: u64,
    rate_limiter: Option<RateLimiter>,
}

/// The source of the body.
#[derive(Debug)]
enum Content {
    Memory(Bytes),
    File { part: FilePart, chunk: FileChunk },
}

/// The current chunk of a file. The next chunk is read when this one is written, so that backpressure from the client
/// also stops the reading.
#[derive(Debug)]
enum FileChunk {
    /// Being read on the pool.
    Reading(JobHandle<io::Result<Vec<u8>>>),
    /// In memory, with the number of bytes that are written.
    Ready(Vec<u8>, usize),
}

impl Outgoing {
    /// Creates the state for a response of which nothing is written.
    pub(super) fn new(head: Vec<u8>, body: Body, rate: Option<NonZeroU64>) -> Outgoing {
        let left = body.length();
        let content = match body {
            Body::Empty => Content::Memory(Bytes::new()),
            Body::Bytes(bytes) => Content::Memory(bytes),
            Body::File(part) => Content::File { part, chunk: FileChunk::Ready(Vec::new(), 0) },
        };
        Outgoing { head, head_sent: 0, content, left, sent: 0, rate_limiter: rate.map(RateLimiter::new) }
    }

    /// Truncates the body to this length.
    pub(super) fn truncate(&mut self, bytes: u64) {
        self.left = self.left.min(bytes);
    }

    /// Returns whether the response is written.
    pub(super) fn is_complete(&self) -> bool {
        self.head_sent == self.head.len() && self.left == 0
    }

    /// Returns the number of bytes written, of head and body.
    pub(super) fn sent(&self) -> u64 {
        self.head_sent as u64 + self.sent
    }

    /// Returns the number of body bytes written.
    pub(super) fn body_sent(&self) -> u64 {
        self.sent
    }

    /// Returns the head's buffer for reuse.
    pub(super) fn into_head_buffer(mut self) -> Vec<u8> {
        self.head.clear();
        self.head
    }

    /// Writes the head, together with the body bytes that are in memory, in one `writev` if possible.
    pub(super) fn poll_write_head(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        while self.head_sent < self.head.len() {
            let slices = [IoSlice::new(&self.head[self.head_sent..]), IoSlice::new(self.available())];
            let written = match ready!(stream.poll_write_vectored(cx, &slices)) {
                Ok(written) => written,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let of_head = written.min(self.head.len() - self.head_sent);
            self.head_sent += of_head;
            self.consume(written - of_head);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the body.
    pub(super) fn poll_write_body(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        while self.left > 0 {
            if let Some(rate_limiter) = &mut self.rate_limiter {
                ready!(rate_limiter.poll_allowed(cx));
            }
            if let Err(error) = ready!(self.content.poll_available(cx)) {
                return Poll::Ready(Err(error));
            }
            match ready!(stream.poll_write(cx, self.available())) {
                Ok(written) => self.consume(written),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Returns the body bytes that are in memory and may be written now.
    fn available(&self) -> &[u8] {
        let bytes: &[u8] = match &self.content {
            Content::Memory(bytes) => bytes,
            Content::File { chunk: FileChunk::Ready(bytes, sent), .. } => &bytes[*sent..],
            Content::File { chunk: FileChunk::Reading(_), .. } => &[],
        };
        let allowed = self.rate_limiter.as_ref().map_or(self.left, |limiter| self.left.min(limiter.allowed));
        &bytes[..bytes.len().min(usize::try_from(allowed).unwrap_or(usize::MAX))]
    }

    fn consume(&mut self, written: usize) {
        match &mut self.content {
            Content::Memory(bytes) => *bytes = bytes.slice(written..),
            Content::File { chunk: FileChunk::Ready(_, sent), .. } => *sent += written,
            Content::File { chunk: FileChunk::Reading(_), .. } => {}
        }
        self.left -= written as u64;
        self.sent += written as u64;
        if let Some(rate_limiter) = &mut self.rate_limiter {
            rate_limiter.allowed -= written as u64;
        }
    }
}

impl Content {
    /// Waits until the next bytes are in memory.
    fn poll_available(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Content::File { part, chunk } = self else { return Poll::Ready(Ok(())) };
        loop {
            match chunk {
                FileChunk::Ready(bytes, sent) if *sent < bytes.len() => return Poll::Ready(Ok(())),
                FileChunk::Ready(bytes, _) => *chunk = FileChunk::Reading(read_chunk(part, std::mem::take(bytes))),
                FileChunk::Reading(job) => {
                    let bytes = match ready!(Pin::new(job).poll(cx)) {
                        Ok(Ok(bytes)) => bytes,
                        Ok(Err(error)) => return Poll::Ready(Err(error)),
                        Err(error) => return Poll::Ready(Err(io::Error::other(error))),
                    };
                    part.from += bytes.len() as u64;
                    part.length -= bytes.len() as u64;
                    *chunk = FileChunk::Ready(bytes, 0);
                }
            }
        }
    }
}

/// Reads the next chunk of a file on the thread pool (I7), into a reused buffer.
fn read_chunk(part: &FilePart, mut buffer: Vec<u8>) -> JobHandle<io::Result<Vec<u8>>> {
    let (file, from, length) = (part.file.clone(), part.from, part.length.min(CHUNK_BYTES));
    let read = move || {
        // At most `CHUNK_BYTES`, so it fits into `usize`.
        buffer.resize(length as usize, 0);
        read_exactly_at(&file, &mut buffer, from)?;
        Ok(buffer)
    };
    run_in_executor(None, Job::new(read).label("read").bytes(length).cancellable())
}

/// Reads with `pread`, since several responses may share the file and so its position.
fn read_exactly_at(file: &Arc<File>, buffer: &mut [u8], from: u64) -> io::Result<()> {
    crate::platform::read_exact_at(file, buffer, from)
}

/// The number of times per second that a rate limiter permits further bytes.
const BURSTS_PER_SECOND: u64 = 20;

/// Limits the rate at which a body is written.
#[derive(Debug)]
struct RateLimiter {
    /// Ends when the next burst is due.
    sleep: Sleep,
    burst_bytes: u64,
    interval: Duration,
    /// The number of bytes that may be written now.
    allowed: u64,
}

impl RateLimiter {
    fn new(bytes_per_second: NonZeroU64) -> RateLimiter {
        let burst_bytes = (bytes_per_second.get() / BURSTS_PER_SECOND).max(1);
        let interval = Duration::from_secs_f64(burst_bytes as f64 / bytes_per_second.get() as f64);
        RateLimiter { sleep: sleep(interval), burst_bytes, interval, allowed: 0 }
    }

    fn poll_allowed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.allowed == 0 {
            ready!(Pin::new(&mut self.sleep).poll(cx));
            self.allowed = self.burst_bytes;
            // Relative to the deadline, so that small delays do not add up; missed bursts are not made up for.
            let next = (self.sleep.deadline() + self.interval).max(now());
            self.sleep.reset(next);
        }
        Poll::Ready(())
    }
}
