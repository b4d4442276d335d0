//! A body on its way to the disk.
//!
//! The socket is read into a chunk; when that is full, a thread of the pool writes it while the next one is filled. There
//! are never more than two chunks of a body, so a disk that is slower than the network slows the network down: nobody
//! reads the socket, its window fills, and the server waits. All bodies together share [`DISK_ROOM`]; when that is used
//! up, each goes on with what one read brings, written before the next. So memory depends on how many transfers there
//! are, and not on how large they are.
//!
//! A body that ends within its first chunk never sees any of this: it is handed over whole.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::error::FetchError;
use super::gauge::Reading;
use super::limit::RateLimit;
use super::save::SaveError;
use super::sink::Sink;
use crate::event_loop::{Job, JobError, JobHandle, ThreadPool, run_in_executor};
use crate::http::client::{Body, ClientError};
use crate::sync::{Permit, Semaphore};

/// How much of all bodies together may wait for the disk.
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
    /// The most bytes that are wanted from this body.
    pub(super) at_most: Option<u64>,
}

/// What has been received.
pub(super) enum Received {
    /// All of it, small enough for one write.
    Whole(Vec<u8>),
    /// All of it, and all is written.
    Written(Sink),
    /// The first chunk is full. A sink is needed to go on.
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
    /// Its bytes' share of the room, as far as there was any.
    permit: Option<Permit>,
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
}

impl Receiving<'_> {
    /// Receives until the end, or until there is more than one chunk and nowhere to put it.
    pub(super) async fn receive(&mut self, mut chunks: Chunks) -> Result<Received, Broken> {
        match self.receive_all(&mut chunks).await {
            Ok(true) => {}
            Ok(false) => return Ok(Received::Large(chunks)),
            Err(error) => {
                // What is here is good: it need not come again.
                let _first_error_counts = self.write_all(&mut chunks).await;
                return Err(Broken { error, sink: self.sink.take() });
            }
        }
        if self.sink.is_none() && chunks.writing.is_none() {
            return Ok(Received::Whole(chunks.filling));
        }
        match self.write_all(&mut chunks).await {
            Ok(()) => Ok(Received::Written(self.sink.take().expect("all writes have ended"))),
            Err(error) => Err(Broken { error, sink: self.sink.take() }),
        }
    }

    /// Whether that was the end.
    async fn receive_all(&mut self, chunks: &mut Chunks) -> Result<bool, FetchError> {
        self.make_room(chunks);
        loop {
            let is_sinking = self.sink.is_some() || chunks.writing.is_some();
            match self.next_arrival(chunks).await {
                Arrival::Bytes(bytes) => {
                    self.count(chunks, bytes)?;
                    if let Some(limit) = self.limit {
                        limit.take(bytes).await;
                    }
                    if !is_sinking {
                        if chunks.filling.len() > CHUNK_BYTES {
                            return Ok(false);
                        }
                    } else if !self.account(chunks, bytes) {
                        self.write_all(chunks).await?;
                    } else if chunks.filling.len() >= CHUNK_BYTES {
                        self.write(chunks).await?;
                    }
                }
                Arrival::End => return Ok(true),
                Arrival::Broken(error) => return Err(error.into()),
                Arrival::Written(written) => self.take_back(chunks, written)?,
                Arrival::Quiet => self.write(chunks).await?,
            }
        }
    }

    /// The first bytes of a small body need no more room than they say, and those of a large one two chunks.
    fn make_room(&self, chunks: &mut Chunks) {
        let length = self.body.length().and_then(|length| usize::try_from(length).ok());
        let wanted = length.map_or(READ_BYTES, |length| length.min(CHUNK_BYTES + READ_BYTES));
        chunks.filling.reserve(wanted.saturating_sub(chunks.filling.len()));
    }

    async fn next_arrival(&mut self, chunks: &mut Chunks) -> Arrival {
        let Receiving { body, sink, .. } = self;
        poll_fn(|cx| {
            let take = |bytes: &[u8]| {
                chunks.filling.extend_from_slice(bytes);
                bytes.len()
            };
            match body.poll_chunk(cx, take) {
                Poll::Ready(Ok(Some(bytes))) => return Poll::Ready(Arrival::Bytes(bytes)),
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
            Some(limit) if chunks.received > limit => Err(FetchError::TooLarge { limit }),
            _ => Ok(()),
        }
    }

    /// Books bytes that wait for the disk. `false` if there is no room for them.
    fn account(&mut self, chunks: &mut Chunks, bytes: usize) -> bool {
        let Some(permit) = self.disk.try_acquire_many(bytes) else { return false };
        match &mut chunks.permit {
            Some(booked) => booked.merge(permit),
            None => chunks.permit = Some(permit),
        }
        true
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
        let job = run_in_executor(self.pool, Job::new(write).label("write").bytes(bytes));
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
