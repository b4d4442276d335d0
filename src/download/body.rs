//! Receives a response body and writes it to disk, with backpressure and bounded memory.
//!
//! The socket is read into a chunk. When the chunk is full, a thread of the pool writes it to disk while the next chunk
//! is filled. A body never has more than two chunks, so a disk that is slower than the network slows the transfer down:
//! the socket is not read, its receive window closes, and the server is throttled.
//!
//! All bodies share [`WRITE_BACKLOG_BYTES`], the backlog limit. A socket is read only if the backlog has capacity for
//! one read. When the capacity is used up, a transfer that holds bytes writes them, and a transfer that holds none
//! waits for capacity. No transfer waits for capacity while it holds some, so there is no deadlock. A socket that
//! delivers nothing takes no capacity, however long the transfer waits for it. Memory therefore depends on the number
//! of transfers, not on the size of the files or the speed of the disk.
//!
//! A body that ends within its first chunk is returned in memory as one buffer, before any file is created.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::StatusCode;

use super::error::FetchError;
use super::progress::TransferProgress;
use super::rate_limit::RateLimit;
use super::save_error::SaveError;
use super::sink::BodySink;
use crate::event_loop::{Job, JobError, JobHandle, ThreadPool, run_in_executor};
use crate::http::client::{Body, ClientError};
use crate::sync::{Acquire, Permit, Semaphore};

/// The backlog limit: how many bytes of all bodies together may wait to be written. Bytes that arrived together with
/// the head of a response are not counted while they are in the connection's buffer; they are at most 32 KiB per
/// transfer.
pub(super) const WRITE_BACKLOG_BYTES: usize = 8 << 20;

/// The size at which a chunk is written: large enough for efficient writes, and small enough that losing two chunks in
/// a crash costs little.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// The maximum number of bytes per read.
const READ_BYTES: usize = 64 * 1024;

/// The inputs for receiving a body.
pub(super) struct BodyReceiver<'a> {
    pub(super) body: Body,
    pub(super) progress: &'a mut TransferProgress,
    /// The file or stream that chunks are written to; `None` until there is more than one chunk.
    pub(super) sink: Option<BodySink>,
    /// The backlog limit.
    pub(super) disk: &'a Semaphore,
    /// The pool whose threads write; `None` for the loop's default pool.
    pub(super) pool: Option<&'a ThreadPool>,
    pub(super) limit: Option<&'a RateLimit>,
    /// The exact size of the body in bytes, if it is known.
    pub(super) expected: Option<u64>,
    /// The maximum size of the body in bytes, if there is one.
    pub(super) at_most: Option<u64>,
}

/// The result of receiving a body.
pub(super) enum ReceivedBody {
    /// The whole body, small enough for one write, with its share of the backlog.
    Small(Vec<u8>, Option<Permit>),
    /// The whole body has been received and written.
    Written(BodySink),
    /// The first chunk is full, or there is no capacity for more of it. The caller must provide a sink before it
    /// continues.
    Large(Chunks),
}

/// The error of receiving a body, with the sink, from which the next attempt can resume.
pub(super) struct ReceiveError {
    pub(super) error: FetchError,
    pub(super) sink: Option<BodySink>,
    /// The bytes that were received while there was no sink.
    pub(super) unwritten: Vec<u8>,
}

/// The chunks between the socket and the disk.
#[derive(Default)]
pub(super) struct Chunks {
    /// The chunk that is being filled.
    filling: Vec<u8>,
    /// The backlog permit for the bytes in that chunk.
    permit: Option<Permit>,
    /// The pending request for backlog capacity.
    waiting: Option<Acquire>,
    /// The chunk that is being written.
    writing: Option<WriteJob>,
    /// The buffer of the last chunk that was written, kept to reuse its allocation.
    spare: Vec<u8>,
    received: u64,
}

struct WriteJob {
    job: JobHandle<WriteResult>,
    _permit: Option<Permit>,
}

/// The result of a write job: the sink and the buffer, which it owned, and the outcome.
type WriteResult = (BodySink, Vec<u8>, Result<(), SaveError>);

/// The next event of a body. It lives on the stack only briefly, so the size of its largest variant does not matter.
#[allow(clippy::large_enum_variant)]
enum ReceiveEvent {
    Bytes(usize),
    End,
    Failed(ClientError),
    /// The write job has completed.
    Written(Result<WriteResult, JobError>),
    /// The socket has no data and no write is in flight, so the partly filled chunk should be written now.
    SocketIdle,
    /// There is no capacity for another read until the chunk is written.
    NoCapacity,
}

/// Returns `None` if the backlog has no capacity for one read. Returns `Some(Some(permit))` if this body has waited for
/// the capacity and has now acquired it, and `Some(None)` if the capacity is available but not yet acquired: the caller
/// then acquires a permit for the bytes that it reads. Only a body that holds no bytes waits for capacity.
fn poll_capacity(disk: &Semaphore, chunks: &mut Chunks, cx: &mut Context<'_>) -> Option<Option<Permit>> {
    if let Some(waiting) = &mut chunks.waiting {
        let Poll::Ready(permit) = Pin::new(waiting).poll(cx) else { return None };
        chunks.waiting = None;
        return Some(Some(permit));
    }
    // All waiters request `READ_BYTES`, so if that much is available, there are no waiters, and none is overtaken.
    if disk.available() >= READ_BYTES {
        return Some(None);
    }
    if chunks.filling.is_empty() && chunks.writing.is_none() {
        chunks.waiting = Some(disk.acquire_many(READ_BYTES));
        return poll_capacity(disk, chunks, cx);
    }
    None
}

/// Makes space for `bytes` more bytes in the chunk. If it has to grow, it grows by `left`, the number of bytes that the
/// body still has, but at most to twice its size (or by [`READ_BYTES`], if that is more). Allocated memory that is not
/// yet filled does not count towards the backlog limit, so there must be little of it.
fn grow(chunk: &mut Vec<u8>, bytes: usize, left: u64) {
    if chunk.capacity() - chunk.len() < bytes {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len().max(READ_BYTES));
        chunk.reserve_exact(wanted.max(bytes));
    }
}

/// Merges a backlog permit into that of the chunk.
fn merge_permit(chunks: &mut Chunks, permit: Option<Permit>) {
    match (&mut chunks.permit, permit) {
        (Some(merged), Some(permit)) => merged.merge(permit),
        (none @ None, permit) => *none = permit,
        (Some(_), None) => {}
    }
}

impl BodyReceiver<'_> {
    /// Receives until the end of the body, or until a sink is needed and there is none.
    pub(super) async fn receive(&mut self, mut chunks: Chunks) -> Result<ReceivedBody, ReceiveError> {
        match self.receive_all(&mut chunks).await {
            Ok(true) => {}
            Ok(false) => return Ok(ReceivedBody::Large(chunks)),
            Err(error) => {
                // Keep what was received, so that the next attempt can resume after it. But not after a failed write,
                // since the file would then have a gap.
                if !matches!(error, FetchError::Save(_) | FetchError::Job(_)) {
                    let _first_error_counts = self.write_all(&mut chunks).await;
                }
                let unwritten = if self.sink.is_none() { chunks.filling } else { Vec::new() };
                return Err(ReceiveError { error, sink: self.sink.take(), unwritten });
            }
        }
        if self.sink.is_none() && chunks.writing.is_none() {
            return Ok(ReceivedBody::Small(chunks.filling, chunks.permit));
        }
        match self.write_all(&mut chunks).await {
            Ok(()) => Ok(ReceivedBody::Written(self.sink.take().expect("all writes have ended"))),
            Err(error) => Err(ReceiveError { error, sink: self.sink.take(), unwritten: Vec::new() }),
        }
    }

    /// Returns `true` at the end of the body, and `false` if a sink is needed to continue.
    async fn receive_all(&mut self, chunks: &mut Chunks) -> Result<bool, FetchError> {
        loop {
            let is_sinking = self.sink.is_some() || chunks.writing.is_some();
            match self.next_event(chunks).await {
                ReceiveEvent::Bytes(bytes) => {
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
                ReceiveEvent::End => return Ok(true),
                ReceiveEvent::Failed(error) => return Err(error.into()),
                ReceiveEvent::Written(written) => self.take_back(chunks, written)?,
                ReceiveEvent::NoCapacity if !is_sinking => return Ok(false),
                ReceiveEvent::SocketIdle | ReceiveEvent::NoCapacity => self.write(chunks).await?,
            }
        }
    }

    async fn next_event(&mut self, chunks: &mut Chunks) -> ReceiveEvent {
        let BodyReceiver { body, sink, disk, .. } = self;
        poll_fn(|cx| {
            // Reaching the end of the body needs no capacity.
            let reserved = if body.is_end_stream() { Some(None) } else { poll_capacity(disk, chunks, cx) };
            let Some(reserved) = reserved else {
                return match &mut chunks.writing {
                    Some(writing) => Pin::new(&mut writing.job).poll(cx).map(ReceiveEvent::Written),
                    None if chunks.filling.is_empty() => Poll::Pending,
                    None => Poll::Ready(ReceiveEvent::NoCapacity),
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
                    merge_permit(chunks, reserved.or_else(|| disk.try_acquire_many(bytes)));
                    return Poll::Ready(ReceiveEvent::Bytes(bytes));
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(ReceiveEvent::End),
                Poll::Ready(Err(error)) => return Poll::Ready(ReceiveEvent::Failed(error)),
                Poll::Pending => {}
            }
            match &mut chunks.writing {
                Some(writing) => Pin::new(&mut writing.job).poll(cx).map(ReceiveEvent::Written),
                None if sink.is_some() && !chunks.filling.is_empty() => Poll::Ready(ReceiveEvent::SocketIdle),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn count(&mut self, chunks: &mut Chunks, bytes: usize) -> Result<(), FetchError> {
        self.progress.add(bytes as u64);
        chunks.received += bytes as u64;
        match self.at_most {
            Some(limit) if chunks.received > limit => return Err(FetchError::TooLarge { limit }),
            _ => {}
        }
        match self.expected {
            Some(expected) if chunks.received > expected => {
                // Drop the excess bytes: they must not be in a file that may be resumed.
                let surplus = usize::try_from(chunks.received - expected).unwrap_or(usize::MAX);
                chunks.filling.truncate(chunks.filling.len().saturating_sub(surplus));
                let reason = "the body is longer than its range";
                Err(FetchError::Unexpected { status: StatusCode::PARTIAL_CONTENT, reason })
            }
            _ => Ok(()),
        }
    }

    /// Starts a job that writes the chunk, after the previous write has completed.
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
            // The process that reads the stream may have stopped reading; that must not keep the run from ending.
            job = job.cancellable();
        }
        let job = run_in_executor(self.pool, job);
        chunks.writing = Some(WriteJob { job, _permit: chunks.permit.take() });
        Ok(())
    }

    /// Writes everything that was received, and waits until it is written.
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

    fn take_back(&mut self, chunks: &mut Chunks, written: Result<WriteResult, JobError>) -> Result<(), FetchError> {
        chunks.writing = None;
        let (sink, chunk, written) = written?;
        self.sink = Some(sink);
        chunks.spare = chunk;
        Ok(written?)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_chunk_grows_to_the_size_of_a_small_body_and_doubles_for_a_large_one() {
        for (filled, bytes, left, capacity) in [
            (0, 10, 10, 10),
            (0, 10, 1000, 1000),
            (0, 10, u64::MAX, READ_BYTES),
            (READ_BYTES, 10, u64::MAX, 2 * READ_BYTES),
            (3 * READ_BYTES, 10, u64::MAX, 6 * READ_BYTES),
            // The length of the body was wrong.
            (0, 10, 5, 10),
        ] {
            let mut chunk = vec![0; filled];
            chunk.shrink_to_fit();
            grow(&mut chunk, bytes, left);
            assert_eq!(chunk.capacity(), capacity, "{filled} {bytes} {left}");
            // There is capacity for that many bytes, so nothing changes.
            grow(&mut chunk, capacity - filled, u64::MAX);
            assert_eq!(chunk.capacity(), capacity, "{filled} {bytes} {left}");
        }
    }

    #[test]
    fn only_a_body_that_holds_no_bytes_waits_for_the_backlog() {
        let cx = &mut Context::from_waker(Waker::noop());
        let disk = Semaphore::new(READ_BYTES);
        let mut chunks = Chunks::default();
        assert!(matches!(poll_capacity(&disk, &mut chunks, cx), Some(None)), "there is just enough");
        let held = disk.try_acquire_many(1).expect("a permit");
        chunks.filling.push(0);
        assert!(poll_capacity(&disk, &mut chunks, cx).is_none() && chunks.waiting.is_none());
        chunks.filling.clear();
        assert!(poll_capacity(&disk, &mut chunks, cx).is_none() && chunks.waiting.is_some());
        drop(held);
        assert!(matches!(poll_capacity(&disk, &mut chunks, cx), Some(Some(_))), "what was waited for");
        assert!(chunks.waiting.is_none());
    }

    #[test]
    fn the_permits_of_a_chunk_add_up() {
        let disk = Semaphore::new(10);
        let mut chunks = Chunks::default();
        for (acquired, available) in [(None, 10), (Some(3), 7), (None, 7), (Some(2), 5)] {
            let permit = acquired.map(|permits| disk.try_acquire_many(permits).expect("permits"));
            merge_permit(&mut chunks, permit);
            assert_eq!(disk.available(), available);
        }
        drop(chunks);
        assert_eq!(disk.available(), 10);
    }
}
