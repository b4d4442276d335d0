//! A source that is registered with the loop, through which tasks do I/O.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use mio::Interest;

use super::core::Core;
use super::current;
use super::reactor::SourceEntry;
use super::readiness::{Direction, InitialReadiness};
use crate::observe::{EventKind, IoOutcome, Operation, SourceId, current_task, emit, notes, set_wait_reason};

/// A source of I/O events (any type that mio can register), registered with a loop until it is dropped. The name is tokio's.
///
/// One task at a time can wait in each direction: a later one replaces an earlier one. If a task drops the source, the
/// other tasks that wait for it are woken.
pub struct PollEvented<S: mio::event::Source> {
    io: S,
    source: Rc<SourceEntry>,
    core: Rc<Core>,
    /// Whether dropping `io` closes the descriptor, which deregisters it. This saves one system call per connection.
    skip_deregister: bool,
    /// Whether a short read or write means that the kernel has no more data, or no more space (I5).
    is_tcp_stream: bool,
}

/// The interests of all sources.
const READ_AND_WRITE: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The interests of a TCP stream. They include urgent data, since reads stop before it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READ_WRITE_AND_URGENT: Interest = READ_AND_WRITE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READ_WRITE_AND_URGENT: Interest = READ_AND_WRITE;

/// Whether urgent data is reported on this platform. If it is not, a short read proves nothing.
const IS_URGENT_DATA_REPORTED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The maximum number of bytes that one call transfers: `MAX_RW_COUNT` of Linux.
const MAX_BYTES_PER_CALL: usize = 0x7fff_f000;

/// The description of a source in events.
#[derive(Clone, Copy, Debug)]
pub struct SourceMetadata {
    /// The kind of source, in one word: `connection`, `listener`.
    pub what: &'static str,
    /// The file descriptor, on platforms that have them.
    pub descriptor: Option<i32>,
    /// The address of the peer, if it is known.
    pub peer: Option<SocketAddr>,
}

impl<S: mio::event::Source> PollEvented<S> {
    /// Registers `io` with the current loop.
    ///
    /// # Errors
    /// The error of the system call, such as `epoll_ctl`: a regular file, for example, cannot be registered.
    ///
    /// # Panics
    /// If no loop is running on this thread.
    pub fn new(io: S, initial: InitialReadiness, metadata: SourceMetadata) -> io::Result<PollEvented<S>> {
        PollEvented::register(io, initial, metadata, READ_AND_WRITE)
    }

    fn register(
        mut io: S,
        initial: InitialReadiness,
        metadata: SourceMetadata,
        interests: Interest,
    ) -> io::Result<PollEvented<S>> {
        let core = current::core();
        let source = core.reactor.add(&mut io, initial, interests)?;
        let SourceMetadata { what, descriptor, peer } = metadata;
        emit!(EventKind::SourceAdd { source: source.id, task: current_task(), what, descriptor, peer });
        Ok(PollEvented { io, source, core, skip_deregister: false, is_tcp_stream: false })
    }

    /// Registers an `io` that is the only owner of its descriptor, and closes it when it is dropped.
    pub(crate) fn owning(io: S, initial: InitialReadiness, metadata: SourceMetadata) -> io::Result<PollEvented<S>> {
        let mut source = PollEvented::new(io, initial, metadata)?;
        source.skip_deregister = true;
        Ok(source)
    }

    /// Registers a TCP stream that is the only owner of its descriptor. Only for such a source, [`poll_io`](Self::poll_io)
    /// clears the readiness after a short read or write (I5).
    pub(crate) fn tcp_stream(io: S, initial: InitialReadiness, metadata: SourceMetadata) -> io::Result<PollEvented<S>> {
        let mut source = PollEvented::register(io, initial, metadata, READ_WRITE_AND_URGENT)?;
        source.skip_deregister = true;
        source.is_tcp_stream = true;
        Ok(source)
    }

    /// Makes the drop of the source deregister it. Needed if the descriptor may have duplicates: closing it is not sufficient.
    pub(crate) fn deregister_on_drop(&mut self) {
        self.skip_deregister = false;
    }

    /// Returns the `io`, for calls that do not depend on readiness.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// Returns the `io` for modification, for calls that do not depend on readiness.
    pub fn io_mut(&mut self) -> &mut S {
        &mut self.io
    }

    /// Returns the id of the source, from which its token is computed.
    pub fn id(&self) -> SourceId {
        self.source.id
    }

    /// Returns whether the peer is known to have ended its stream. `false` may be out of date.
    pub fn is_read_closed(&self) -> bool {
        self.source.readiness.is_read_closed()
    }

    /// Sets whether the source is unref'd: deadlock detection and virtual time ignore tasks that wait for it. Examples are
    /// signals and idle connections.
    ///
    /// The term is libuv's and Node's, in which an unref'd handle does not keep the loop running.
    pub fn set_unref(&self, is_unref: bool) {
        self.core.reactor.set_unref(&self.source, is_unref);
    }

    /// Polls whether the source is ready in a direction.
    ///
    /// A future that waits must call this in each of its polls. If it does not, its wait counts as cancelled: an event still
    /// wakes the task, but deadlock detection and the virtual clock ignore the wait (I16).
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<()> {
        if self.source.readiness.is_ready(direction) {
            notes::record_ready(self.source.id, direction == Direction::Read);
            return Poll::Ready(());
        }
        // The readiness need not be checked again: only the loop changes it, between two polls.
        self.core.reactor.arm(&self.source, direction, cx.waker());
        set_wait_reason(match direction {
            Direction::Read => "a source to be readable",
            Direction::Write => "a source to be writable",
        });
        Poll::Pending
    }

    /// Clears the readiness in a direction, after an operation outside [`poll_io`](Self::poll_io) would have blocked (I5).
    pub fn clear_ready(&self, direction: Direction) {
        self.source.readiness.clear(direction);
    }

    /// Polls one I/O operation, which is tried when the source is ready for it.
    ///
    /// `call` makes one system call and returns the number of bytes transferred. `wanted` is the maximum for this call, such
    /// as the size of the buffer, or 0 for operations that do not transfer bytes. A call that would block clears the cached
    /// readiness, so that the next one waits for the kernel's next event (I5). No other result does so, except on the TCP
    /// streams of `net`: a short read proves nothing about a datagram socket, a pipe, or a socket through which descriptors
    /// are sent.
    ///
    /// # Errors
    /// The errors of `call`, except `WouldBlock` and `Interrupted`.
    pub fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        operation: Operation,
        wanted: usize,
        mut call: impl FnMut(&mut S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let direction = match operation {
            Operation::Read | Operation::Accept => Direction::Read,
            Operation::Write | Operation::Connect => Direction::Write,
        };
        loop {
            if self.poll_ready(cx, direction).is_pending() {
                return Poll::Pending;
            }
            if !self.core.io_budget.take_operation() {
                // I11: yield to the other tasks.
                cx.waker().wake_by_ref();
                set_wait_reason("its next poll");
                return Poll::Pending;
            }
            match call(&mut self.io) {
                Ok(transferred) => {
                    self.core.io_budget.take_bytes(transferred);
                    if self.is_tcp_stream
                        && IS_URGENT_DATA_REPORTED
                        && 0 < transferred
                        && transferred < wanted.min(MAX_BYTES_PER_CALL)
                    {
                        self.source.readiness.clear_after_short(direction); // I5
                    }
                    // An empty datagram is not the end of a stream.
                    let can_have_ended = self.is_tcp_stream || self.source.readiness.is_read_closed();
                    let is_end = transferred == 0 && wanted > 0 && operation == Operation::Read && can_have_ended;
                    self.emit(operation, if is_end { IoOutcome::EndOfFile } else { IoOutcome::Done(transferred) });
                    return Poll::Ready(Ok(transferred));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.source.readiness.clear(direction); // I5
                    self.emit(operation, IoOutcome::WouldBlock);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.emit(operation, IoOutcome::Failed(error.kind()));
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn emit(&self, operation: Operation, outcome: IoOutcome) {
        emit!(EventKind::Io { task: current_task(), source: self.source.id, operation, outcome });
    }
}

impl<S: mio::event::Source> Drop for PollEvented<S> {
    fn drop(&mut self) {
        if !self.skip_deregister
            && let Err(error) = self.core.reactor.deregister(&mut self.io)
        {
            log::debug!("deregistering {}: {error}", self.source.id);
        }
        self.core.reactor.remove(&self.source);
    }
}

impl<S: mio::event::Source + fmt::Debug> fmt::Debug for PollEvented<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollEvented").field("id", &self.source.id).field("io", &self.io).finish()
    }
}
