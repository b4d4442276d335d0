//! A registered source: the handle through which a task does input and output.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::core::Core;
use super::current;
use super::reactor::{Direction, Initially, Reactor, SourceSlot};
use crate::observe::{IoOutcome, Kind, Operation, SourceId, current_task, note_waiting, notes, tell};

/// Anything mio can register, registered with the current loop until it is dropped.
///
/// One task at a time may wait in each direction: the last to ask is the one that is woken.
pub struct Source<S: mio::event::Source> {
    io: S,
    slot: Rc<SourceSlot>,
    core: Rc<Core>,
    /// Dropping `io` closes the descriptor. The kernel forgets a closed one by itself: that saves a system call a
    /// connection.
    closes_itself: bool,
}

/// What a source is, for events.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// In one word: `connection`, `listener`.
    pub what: &'static str,
    /// The descriptor, where the platform has them.
    pub descriptor: Option<i32>,
    /// The other side, if it is known.
    pub peer: Option<SocketAddr>,
}

impl<S: mio::event::Source> Source<S> {
    /// Registers `io` with the current loop.
    ///
    /// # Errors
    /// What the system says to the registration: a regular file, for example, cannot be registered.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn new(mut io: S, initially: Initially, described: Described) -> io::Result<Source<S>> {
        let core = current::core();
        let slot = core.reactor.add(&mut io, initially)?;
        Reactor::tell_added(&slot, described.what, described.descriptor, described.peer);
        Ok(Source { io, slot, core, closes_itself: false })
    }

    /// The same for an `io` that owns its descriptor alone and closes it when it is dropped.
    pub(crate) fn owning(io: S, initially: Initially, described: Described) -> io::Result<Source<S>> {
        let mut source = Source::new(io, initially, described)?;
        source.closes_itself = true;
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
    pub fn set_background(&self, background: bool) {
        self.core.reactor.set_background(&self.slot, background);
    }

    /// Waits until the source is ready in a direction.
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<()> {
        if self.slot.is_ready(direction) {
            notes::ready(self.slot.id, direction == Direction::Read);
            return Poll::Ready(());
        }
        self.core.reactor.arm(&self.slot, direction, cx.waker());
        if self.slot.is_ready(direction) {
            return Poll::Ready(()); // I6
        }
        note_waiting(match direction {
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
    /// `call` makes the system call once and answers with the number of bytes moved; `wanted` is how many there was
    /// room for (0 where bytes are not what counts). A call that would block, or that comes short, clears the cached
    /// readiness (I5), so that the next one waits without asking the kernel in vain.
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
                note_waiting("its next turn");
                return Poll::Pending;
            }
            match call(&mut self.io) {
                Ok(moved) => {
                    self.core.io_budget.take_bytes(moved);
                    if cfg!(any(target_os = "linux", target_os = "android", target_vendor = "apple"))
                        && 0 < moved
                        && moved < wanted
                    {
                        self.slot.clear_readiness(direction); // I5
                    }
                    let is_end = moved == 0 && wanted > 0 && operation == Operation::Read;
                    self.tell(operation, if is_end { IoOutcome::EndOfFile } else { IoOutcome::Done(moved) });
                    return Poll::Ready(Ok(moved));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.slot.clear_readiness(direction); // I5
                    self.tell(operation, IoOutcome::WouldBlock);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.tell(operation, IoOutcome::Failed(error.kind()));
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn tell(&self, operation: Operation, outcome: IoOutcome) {
        tell!(Kind::Io { task: current_task(), source: self.slot.id, operation, outcome });
    }
}

impl<S: mio::event::Source> Drop for Source<S> {
    fn drop(&mut self) {
        if !self.closes_itself
            && let Err(error) = self.core.reactor.deregister(&mut self.io)
        {
            log::debug!("deregistering {}: {error}", self.slot.id);
        }
        self.core.reactor.remove(&self.slot);
    }
}

impl<S: mio::event::Source + fmt::Debug> fmt::Debug for Source<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("id", &self.slot.id).field("io", &self.io).finish()
    }
}
