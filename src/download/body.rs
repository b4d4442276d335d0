//! A body on its way to the disk.
//!
//! The socket is read into a chunk; when that is full, a thread of the pool writes it while the next one is filled. There
//! are never more than two chunks of a body, so a disk that is slower than the network slows the network down: nobody
//! reads the socket, its window fills, and the server waits. All bodies together share [`DISK_ROOM`], from the first byte on:
//! a socket is read only if there is room for what the read may bring. When it is used up, whoever holds bytes writes them,
//! and whoever holds none waits. (Nobody waits for room and holds some, so somebody always gets on.) A socket that
//! brings nothing takes no room, however long it is waited for. So memory depends on how many transfers there are, and
//! not on how large they are or how slow the disk is.
//!
//! A body that ends within its first chunk needs no file before: it is handed over whole.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::StatusCode;

use super::error::FetchError;
use super::gauge::Reading;
use super::limit::RateLimit;
use super::save::SaveError;
use super::sink::Sink;
use crate::event_loop::{Job, JobError, JobHandle, ThreadPool, run_in_executor};
use crate::http::client::{Body, ClientError};
use crate::sync::{Acquire, Permit, Semaphore};

/// How much of all bodies together may wait for the disk. What has come in one read with the head of a response is not counted
/// while the connection's buffer holds it: at most 32 KiB for each transfer.
pub(super) const DISK_ROOM: usize = 8 << 20;

/// A chunk is written when it has this many bytes: large enough for the disk, and two of them are not much to lose.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// What one read brings at most.
const READ_BYTES: usize = 64 * 1024;

/// What a body is received with.
pub(super) struct Receiving<'a> {
    pub(super) body: Body,
    pub(super) reading: &'a mut Reading,
    /// Where chunks go. `None` until there is more than one.
    pub(super) sink: Option<Sink>,
    /// Room for what waits for the disk.
    pub(super) disk: &'a Semaphore,
    /// The threads that write; `None` is the loop's own pool.
    pub(super) pool: Option<&'a ThreadPool>,
    pub(super) limit: Option<&'a RateLimit>,
    /// How many bytes there have to be, if that is known.
    pub(super) expected: Option<u64>,
    /// The most bytes that are wanted from this body.
    pub(super) at_most: Option<u64>,
}

/// What has been received.
pub(super) enum Received {
    /// All of it, small enough for one write, with its share of the room.
    Whole(Vec<u8>, Option<Permit>),
    /// All of it, and all is written.
    Written(Sink),
    /// The first chunk is full, or there is no room for more of it. A sink is needed to go on.
    Large(Chunks),
}

/// Why a body was not received; and what it was written to, for the next attempt.
pub(super) struct Broken {
    pub(super) error: FetchError,
    pub(super) sink: Option<Sink>,
}

/// The bytes between the socket and the disk.
#[derive(Default)]
pub(super) struct Chunks {
    /// Being filled.
    filling: Vec<u8>,
    /// Its bytes' share of the room.
    permit: Option<Permit>,
    /// The place in the queue for room.
    waiting: Option<Acquire>,
    /// Being written.
    writing: Option<Writing>,
    /// The one that was written last, for its room.
    spare: Vec<u8>,
    received: u64,
}

struct Writing {
    job: JobHandle<Written>,
    _permit: Option<Permit>,
}

/// What a thread gives back.
type Written = (Sink, Vec<u8>, Result<(), SaveError>);

/// What may come next. It lies on the stack for a moment.
#[allow(clippy::large_enum_variant)]
enum Arrival {
    Bytes(usize),
    End,
    Broken(ClientError),
    /// The thread has written its chunk.
    Written(Result<Written, JobError>),
    /// Nothing comes just now, and nobody writes: a moment to write what there is.
    Quiet,
    /// There is no room for what comes before the chunk is written.
    NoRoom,
}

/// Whether there is room for one read. `Some(Some)` if it has been waited for, `Some(None)` if it is to be taken. Who holds
/// nothing waits for it.
fn poll_room(disk: &Semaphore, chunks: &mut Chunks, cx: &mut Context<'_>) -> Option<Option<Permit>> {
    if let Some(waiting) = &mut chunks.waiting {
        let Poll::Ready(room) = Pin::new(waiting).poll(cx) else { return None };
        chunks.waiting = None;
        return Some(Some(room));
    }
    // All who wait want as much. So if there is enough, nobody waits.
    if disk.available() >= READ_BYTES {
        return Some(None);
    }
    if chunks.filling.is_empty() && chunks.writing.is_none() {
        chunks.waiting = Some(disk.acquire_many(READ_BYTES));
        return poll_room(disk, chunks, cx);
    }
    None
}

/// Makes the chunk larger for so many bytes, of `left` that are still to come: to what a small body needs, or to twice its
/// size. Memory that is not filled yet is not counted, so there must not be much of it.
fn grow(chunk: &mut Vec<u8>, bytes: usize, left: u64) {
    if chunk.capacity() - chunk.len() < bytes {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len().max(READ_BYTES));
        chunk.reserve_exact(wanted.max(bytes));
    }
}

/// Adds room to that of the bytes in the chunk.
fn book(chunks: &mut Chunks, room: Option<Permit>) {
    match (&mut chunks.permit, room) {
        (Some(booked), Some(room)) => booked.merge(room),
        (none @ None, room) => *none = room,
        (Some(_), None) => {}
    }
}

impl Receiving<'_> {
    /// Receives until the end, or until there is more than one chunk and nowhere to put it.
    pub(super) async fn receive(&mut self, mut chunks: Chunks) -> Result<Received, Broken> {
        match self.receive_all(&mut chunks).await {
            Ok(true) => {}
            Ok(false) => return Ok(Received::Large(chunks)),
            Err(error) => {
                // What is here is good: it need not come again. But after a failed write it would leave a gap.
                if !matches!(error, FetchError::Save(_) | FetchError::Job(_)) {
                    let _first_error_counts = self.write_all(&mut chunks).await;
                }
                return Err(Broken { error, sink: self.sink.take() });
            }
        }
        if self.sink.is_none() && chunks.writing.is_none() {
            return Ok(Received::Whole(chunks.filling, chunks.permit));
        }
        match self.write_all(&mut chunks).await {
            Ok(()) => Ok(Received::Written(self.sink.take().expect("all writes have ended"))),
            Err(error) => Err(Broken { error, sink: self.sink.take() }),
        }
    }

    /// Whether that was the end.
    async fn receive_all(&mut self, chunks: &mut Chunks) -> Result<bool, FetchError> {
        loop {
            let is_sinking = self.sink.is_some() || chunks.writing.is_some();
            match self.next_arrival(chunks).await {
                Arrival::Bytes(bytes) => {
                    self.count(chunks, bytes)?;
                    if let Some(limit) = self.limit {
                        limit.take(bytes).await;
                    }
                    if !is_sinking && chunks.filling.len() > CHUNK_BYTES {
                        return Ok(false);
                    }
                    if is_sinking && chunks.filling.len() >= CHUNK_BYTES {
                        self.write(chunks).await?;
                    }
                }
                Arrival::End => return Ok(true),
                Arrival::Broken(error) => return Err(error.into()),
                Arrival::Written(written) => self.take_back(chunks, written)?,
                Arrival::NoRoom if !is_sinking => return Ok(false),
                Arrival::Quiet | Arrival::NoRoom => self.write(chunks).await?,
            }
        }
    }

    async fn next_arrival(&mut self, chunks: &mut Chunks) -> Arrival {
        let Receiving { body, sink, disk, .. } = self;
        poll_fn(|cx| {
            // An end brings no bytes.
            let room = if body.is_ended() { Some(None) } else { poll_room(disk, chunks, cx) };
            let Some(room) = room else {
                return match &mut chunks.writing {
                    Some(writing) => Pin::new(&mut writing.job).poll(cx).map(Arrival::Written),
                    None if chunks.filling.is_empty() => Poll::Pending,
                    None => Poll::Ready(Arrival::NoRoom),
                };
            };
            let left = body.length().map_or(u64::MAX, |length| length.saturating_sub(chunks.received));
            let take = |bytes: &[u8]| {
                grow(&mut chunks.filling, bytes.len(), left);
                chunks.filling.extend_from_slice(bytes);
                bytes.len()
            };
            match body.poll_chunk(cx, take) {
                Poll::Ready(Ok(Some(bytes))) => {
                    book(chunks, room.or_else(|| disk.try_acquire_many(bytes)));
                    return Poll::Ready(Arrival::Bytes(bytes));
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(Arrival::End),
                Poll::Ready(Err(error)) => return Poll::Ready(Arrival::Broken(error)),
                Poll::Pending => {}
            }
            match &mut chunks.writing {
                Some(writing) => Pin::new(&mut writing.job).poll(cx).map(Arrival::Written),
                None if sink.is_some() && !chunks.filling.is_empty() => Poll::Ready(Arrival::Quiet),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn count(&mut self, chunks: &mut Chunks, bytes: usize) -> Result<(), FetchError> {
        self.reading.add(bytes as u64);
        chunks.received += bytes as u64;
        match self.at_most {
            Some(limit) if chunks.received > limit => return Err(FetchError::TooLarge { limit }),
            _ => {}
        }
        match self.expected {
            Some(expected) if chunks.received > expected => {
                // What is too much must not get into a file that may be continued.
                let surplus = usize::try_from(chunks.received - expected).unwrap_or(usize::MAX);
                chunks.filling.truncate(chunks.filling.len().saturating_sub(surplus));
                let why = "its body is longer than it says";
                Err(FetchError::Unexpected { status: StatusCode::PARTIAL_CONTENT, why })
            }
            _ => Ok(()),
        }
    }

    /// Hands the chunk to a thread, as soon as the one before is written.
    async fn write(&mut self, chunks: &mut Chunks) -> Result<(), FetchError> {
        self.await_write(chunks).await?;
        if chunks.filling.is_empty() {
            return Ok(());
        }
        let Some(mut sink) = self.sink.take() else { return Ok(()) };
        let mut chunk = std::mem::replace(&mut chunks.filling, std::mem::take(&mut chunks.spare));
        let bytes = chunk.len() as u64;
        let write = move || {
            let written = sink.write(&chunk);
            chunk.clear();
            (sink, chunk, written)
        };
        let mut job = Job::new(write).label("write").bytes(bytes);
        if self.pool.is_some() {
            // Whoever reads the stream may have stopped: that must not keep the run from ending.
            job = job.abandonable();
        }
        let job = run_in_executor(self.pool, job);
        chunks.writing = Some(Writing { job, _permit: chunks.permit.take() });
        Ok(())
    }

    /// Writes all there is, and waits for it.
    async fn write_all(&mut self, chunks: &mut Chunks) -> Result<(), FetchError> {
        self.write(chunks).await?;
        self.await_write(chunks).await
    }

    async fn await_write(&mut self, chunks: &mut Chunks) -> Result<(), FetchError> {
        match &mut chunks.writing {
            Some(writing) => {
                let written = (&mut writing.job).await;
                self.take_back(chunks, written)
            }
            None => Ok(()),
        }
    }

    fn take_back(&mut self, chunks: &mut Chunks, written: Result<Written, JobError>) -> Result<(), FetchError> {
        chunks.writing = None;
        let (sink, chunk, written) = written?;
        self.sink = Some(sink);
        chunks.spare = chunk;
        Ok(written?)
    }
}
