//! A registered source: the handle through which a task does input and output.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use mio::Interest;

use super::core::Core;
use super::current;
use super::reactor::{Direction, InitialReadiness, Reactor, SourceSlot};
use crate::observe::{EventKind, IoOutcome, Operation, SourceId, current_task, emit, notes, set_wait_reason};

/// Anything mio can register, registered with the current loop until it is dropped.
///
/// One task at a time may wait in each direction: the last to ask is the one that is woken. A task that waits when another
/// one drops the source is woken, too.
pub struct PollEvented<S: mio::event::Source> {
    io: S,
    slot: Rc<SourceSlot>,
    core: Rc<Core>,
    /// Dropping `io` closes the descriptor. The kernel forgets a closed one by itself: that saves a system call a
    /// connection.
    closes_itself: bool,
    /// A short transfer means that the kernel has no more data, or no more space (I5).
    is_tcp_stream: bool,
}

/// The interests of any source.
const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The interests of a TCP stream: urgent data is announced, since reads stop short of it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const OF_TCP_STREAM: Interest = BOTH_WAYS.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const OF_TCP_STREAM: Interest = BOTH_WAYS;

/// Whether urgent data is announced here. Where it is not, a short read proves nothing.
const IS_URGENT_DATA_ANNOUNCED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The most bytes that one call transfers: `MAX_RW_COUNT` of Linux.
const MOST_BYTES_PER_CALL: usize = 0x7fff_f000;

/// What a source is, for events.
#[derive(Clone, Copy, Debug)]
pub struct SourceMetadata {
    /// In one word: `connection`, `listener`.
    pub what: &'static str,
    /// The descriptor, where the platform has them.
    pub descriptor: Option<i32>,
    /// The other side, if it is known.
    pub peer: Option<SocketAddr>,
}

impl<S: mio::event::Source> PollEvented<S> {
    /// Registers `io` with the current loop.
    ///
    /// # Errors
    /// What the system says to the registration: a regular file, for example, cannot be registered.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn new(io: S, initially: InitialReadiness, described: SourceMetadata) -> io::Result<PollEvented<S>> {
        PollEvented::register(io, initially, described, BOTH_WAYS)
    }

    fn register(
        mut io: S,
        initially: InitialReadiness,
        described: SourceMetadata,
        interests: Interest,
    ) -> io::Result<PollEvented<S>> {
        let core = current::core();
        let slot = core.reactor.add(&mut io, initially, interests)?;
        Reactor::emit_added(&slot, described.what, described.descriptor, described.peer);
        Ok(PollEvented { io, slot, core, closes_itself: false, is_tcp_stream: false })
    }

    /// The same for an `io` that owns its descriptor alone and closes it when it is dropped.
    pub(crate) fn owning(io: S, initially: InitialReadiness, described: SourceMetadata) -> io::Result<PollEvented<S>> {
        let mut source = PollEvented::new(io, initially, described)?;
        source.closes_itself = true;
        Ok(source)
    }

    /// Registers a TCP stream that owns its descriptor alone: the only kind of source for which
    /// [`poll_io`](Self::poll_io) draws a conclusion from a short read or write (I5).
    pub(crate) fn tcp_stream(
        io: S,
        initially: InitialReadiness,
        described: SourceMetadata,
    ) -> io::Result<PollEvented<S>> {
        let mut source = PollEvented::register(io, initially, described, OF_TCP_STREAM)?;
        source.closes_itself = true;
        source.is_tcp_stream = true;
        Ok(source)
    }

    /// Others may have descriptors of the same thing: closing this one does not make the kernel forget it.
    pub(crate) fn deregister_on_drop(&mut self) {
        self.closes_itself = false;
    }

    /// The source itself, for calls that do not depend on readiness.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// The source itself, for calls that do not depend on readiness.
    pub fn io_mut(&mut self) -> &mut S {
        &mut self.io
    }

    /// Its id: also its token.
    pub fn id(&self) -> SourceId {
        self.slot.id
    }

    /// Whether the other side is known to have ended its stream. `false` may be out of date.
    pub fn is_read_closed(&self) -> bool {
        self.slot.is_read_closed()
    }

    /// A background source does not keep the loop from seeing a deadlock, nor virtual time from jumping: signals, idle
    /// connections.
    pub fn set_unref(&self, background: bool) {
        self.core.reactor.set_unref(&self.slot, background);
    }

    /// Waits until the source is ready in a direction.
    ///
    /// Like any poll it is repeated at every poll of the future that waits. Where it is not, the wait counts as cancelled:
    /// an event still wakes the task, but it does not hold up the virtual clock or the report of a deadlock (I16).
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<()> {
        if self.slot.is_ready(direction) {
            notes::record_ready(self.slot.id, direction == Direction::Read);
            return Poll::Ready(());
        }
        self.core.reactor.arm(&self.slot, direction, cx.waker());
        if self.slot.is_ready(direction) {
            return Poll::Ready(()); // I6
        }
        set_wait_reason(match direction {
            Direction::Read => "input",
            Direction::Write => "room to write",
        });
        Poll::Pending
    }

    /// Forgets the readiness in a direction, after an operation outside [`poll_io`](Self::poll_io) has found that there
    /// is none left (I5).
    pub fn clear_ready(&self, direction: Direction) {
        self.slot.clear_readiness(direction);
    }

    /// Does one operation as soon as the source is ready for it.
    ///
    /// `call` makes the system call once and returns the number of bytes moved; `wanted` is the most that this one call
    /// could have moved (0 where bytes are not what counts). A call that would block clears the cached readiness, so
    /// that the next one waits for the kernel to report the source again (I5). Everything else leaves it: a short read
    /// says little about a datagram socket, a pipe, or a socket over which descriptors are passed.
    ///
    /// # Errors
    /// Those of `call`, except that it would block or was interrupted.
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
                // I11: the others' turn.
                cx.waker().wake_by_ref();
                set_wait_reason("its next turn");
                return Poll::Pending;
            }
            match call(&mut self.io) {
                Ok(moved) => {
                    self.core.io_budget.take_bytes(moved);
                    if self.is_tcp_stream
                        && IS_URGENT_DATA_ANNOUNCED
                        && 0 < moved
                        && moved < wanted.min(MOST_BYTES_PER_CALL)
                    {
                        self.slot.clear_readiness_after_short(direction); // I5
                    }
                    // An empty datagram is no end.
                    let can_have_ended = self.is_tcp_stream || self.slot.is_read_closed();
                    let is_end = moved == 0 && wanted > 0 && operation == Operation::Read && can_have_ended;
                    self.emit(operation, if is_end { IoOutcome::EndOfFile } else { IoOutcome::Done(moved) });
                    return Poll::Ready(Ok(moved));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.slot.clear_readiness(direction); // I5
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
        emit!(EventKind::Io { task: current_task(), source: self.slot.id, operation, outcome });
    }
}

impl<S: mio::event::Source> Drop for PollEvented<S> {
    fn drop(&mut self) {
        if !self.closes_itself
            && let Err(error) = self.core.reactor.deregister(&mut self.io)
        {
            log::debug!("deregistering {}: {error}", self.slot.id);
        }
        self.core.reactor.remove(&self.slot);
    }
}

impl<S: mio::event::Source + fmt::Debug> fmt::Debug for PollEvented<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollEvented").field("id", &self.slot.id).field("io", &self.io).finish()
    }
}
