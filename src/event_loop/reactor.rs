//! The reactor: which sources are registered, what they are ready for, and who waits for them.
//!
//! A source is registered once, for reading and writing, edge-triggered: the kernel reports changes only. What it
//! reported is cached as bits:
//!
//! | bit | set by an event that says | cleared by |
//! | --- | --- | --- |
//! | `READABLE` | readable, read closed, or error | a read that would block; for TCP streams also a short read (I5) |
//! | `WRITABLE` | writable, write closed, or error | a write that would block; for TCP streams also a short write (I5) |
//! | `READ_CLOSED`, `WRITE_CLOSED` | the same | nothing: they are sticky (I5) |
//! | `ERROR` | error | an operation that would block: the error has been taken |
//! | `URGENT` | urgent data (`EPOLLPRI`) | nothing: short reads prove nothing from then on (I5) |
//!
//! Only the first two decide whether an operation is tried. "Closed" is not enough: a FIFO whose last writer has left is
//! closed, and once it has a new writer its reads block again.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;

use mio::event::Event;
use mio::{Interest, Registry};
use slab::Slab;

use super::token::{self, MAX_SOURCES, index_of, token_of};
use super::waiting::{Waiters, Waits};
use crate::observe::{Cause, CauseGuard, EventKind, SourceId, current_task, emit, is_observed};
use crate::sync::HoldId;

const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
const READ_CLOSED: u8 = 4;
const WRITE_CLOSED: u8 = 8;
const ERROR: u8 = 16;
const URGENT: u8 = 32;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the source: reading, accepting.
    Read,
    /// To the source: writing, connecting.
    Write,
}

/// What a source is taken to be ready for before the kernel has said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialReadiness {
    /// Everything: try first, wait when it would block. An accepted socket can be written to at once, and often read.
    Ready,
    /// Nothing: a connecting socket.
    NotReady,
}

/// The loop's table of sources.
pub(crate) struct Reactor {
    registry: Registry,
    slots: RefCell<Slab<Rc<SourceSlot>>>,
    /// How many sources there have been: the next one's generation.
    registered: Cell<u32>,
    /// Who waits for them (I16).
    waits: Waits,
    /// The source whose waits are being probed.
    probed: RefCell<Option<Rc<SourceSlot>>>,
}

/// One source's place.
pub(crate) struct SourceSlot {
    pub(crate) id: SourceId,
    readiness: Cell<u8>,
    waiters: Waiters,
}

impl Reactor {
    pub(crate) fn new(registry: Registry) -> Reactor {
        Reactor {
            registry,
            slots: RefCell::default(),
            registered: Cell::new(0),
            waits: Waits::default(),
            probed: RefCell::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    /// What is known of the waits for sources that are not in the background.
    pub(super) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Begins to find out whether a task waits for any source: see `waiting.rs`.
    pub(super) fn probe(&self) {
        let armed =
            self.slots.borrow().iter().find(|(_, slot)| slot.waiters.is_any_armed()).map(|(_, slot)| slot.clone());
        if let Some(slot) = armed {
            self.probed.replace(Some(slot.clone()));
            self.waits.probe(&slot.waiters); // nothing is borrowed while wakers are called (I4)
        }
    }

    /// Whether that is going on.
    pub(super) fn is_probing(&self) -> bool {
        self.probed.borrow().is_some()
    }

    /// Ends it, when the tasks have been polled.
    pub(super) fn settle_probe(&self) {
        let probed = self.probed.take();
        match probed {
            Some(slot) => self.waits.settle(&slot.waiters),
            None => self.waits.forget_confirmed(),
        }
    }

    /// Registers a source, once and for all that it is ever interested in.
    pub(crate) fn add(
        &self,
        io: &mut impl mio::event::Source,
        initially: InitialReadiness,
        interests: Interest,
    ) -> io::Result<Rc<SourceSlot>> {
        let slot = self.insert(initially)?;
        // Nothing is borrowed: how a source registers itself may be anybody's code (I4).
        let registered = self.registry.register(io, token_of(slot.id), interests);
        match registered {
            Ok(()) => Ok(slot),
            Err(error) => {
                self.take_out(slot.id);
                Err(error)
            }
        }
    }

    fn insert(&self, initially: InitialReadiness) -> io::Result<Rc<SourceSlot>> {
        let mut slots = self.slots.borrow_mut();
        if slots.len() >= MAX_SOURCES {
            return Err(io::Error::other(format!("a loop can have {MAX_SOURCES} sources and has them")));
        }
        let entry = slots.vacant_entry();
        let generation = self.registered.get().checked_add(1).unwrap_or(1);
        self.registered.set(generation);
        let slot = Rc::new(SourceSlot {
            id: SourceId { index: entry.key() as u32, generation },
            readiness: Cell::new(match initially {
                InitialReadiness::Ready => READABLE | WRITABLE,
                InitialReadiness::NotReady => 0,
            }),
            waiters: Waiters::default(),
        });
        entry.insert(slot.clone());
        Ok(slot)
    }

    /// Takes a source out of the table, if it is there.
    fn take_out(&self, id: SourceId) -> Option<Rc<SourceSlot>> {
        let mut slots = self.slots.borrow_mut();
        let index = id.index as usize;
        slots.get(index).is_some_and(|slot| slot.id == id).then(|| slots.remove(index))
    }

    /// Tells of a source that has been added, with what is known of it.
    pub(crate) fn emit_added(slot: &SourceSlot, what: &'static str, descriptor: Option<i32>, peer: Option<SocketAddr>) {
        emit!(EventKind::SourceAdd { source: slot.id, task: current_task(), what, descriptor, peer });
    }

    /// Forgets a source whose descriptor is about to be closed, which takes it out of the kernel's set.
    pub(crate) fn remove(&self, slot: &SourceSlot) {
        if self.take_out(slot.id).is_some() {
            emit!(EventKind::SourceDel { source: slot.id });
        }
        self.waits.close(&slot.waiters);
    }

    /// Takes a source out of the kernel's set, for one whose descriptor lives on.
    pub(crate) fn deregister(&self, io: &mut impl mio::event::Source) -> io::Result<()> {
        self.registry.deregister(io)
    }

    /// Forgets all sources (I14). Their handles may outlive the loop.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.slots.borrow_mut());
        for (_, slot) in &all {
            self.waits.clear(&slot.waiters);
        }
    }

    /// Notes what an event says and wakes who waits for it.
    pub(crate) fn dispatch(&self, event: &Event) {
        let token = event.token();
        let in_its_place = self.slots.borrow().get(index_of(token)).cloned();
        let successor = in_its_place.as_ref().map(|slot| slot.id).filter(|other| token_of(*other) != token);
        let slot = in_its_place.filter(|_| successor.is_none());
        let id = slot.as_ref().map_or_else(|| token::gone(token), |slot| slot.id);
        emit!(EventKind::Readiness {
            source: id,
            readable: event.is_readable(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed(),
            write_closed: event.is_write_closed(),
            error: event.is_error(),
            stale: slot.is_none(),
        });
        if let Some(successor) = successor {
            self.emit_stale(id, successor);
        }
        let Some(slot) = slot else { return };
        slot.readiness.set(slot.readiness.get() | bits_of(event));
        let _cause = CauseGuard::set(Cause::Source(id));
        for direction in [Direction::Read, Direction::Write] {
            if slot.is_ready(direction) {
                self.waits.wake(&slot.waiters, direction);
            }
        }
    }

    #[cold]
    fn emit_stale(&self, id: SourceId, successor: SourceId) {
        if is_observed() {
            emit!(EventKind::Finding {
                what: "stale_event",
                task: None,
                state: "",
                evidence: &format!("readiness of {id} came after its end, when {successor} had its place in the table"),
                advice: "deregister a source before its descriptor is closed, and all copies of the descriptor with it",
            });
        }
    }

    /// Clones of a waker that lie in sources' places from earlier waits: they are not called before the next one.
    pub(crate) fn unarmed_holds(&self, id: HoldId) -> usize {
        let slots = self.slots.borrow();
        slots.iter().map(|(_, slot)| slot.waiters.idle_holds(id)).sum()
    }

    /// Whether a source is still ready, and nobody waits for it.
    pub(crate) fn is_ready_and_unarmed(&self, id: SourceId, for_reading: bool) -> bool {
        let direction = if for_reading { Direction::Read } else { Direction::Write };
        let slots = self.slots.borrow();
        let slot = slots.get(id.index as usize).filter(|slot| slot.id == id);
        slot.is_some_and(|slot| slot.is_ready(direction) && !slot.waiters.is_waited_for(direction))
    }

    /// Lets `waker` be woken when the source is next ready in this direction. One task at a time can wait so.
    pub(crate) fn arm(&self, slot: &SourceSlot, direction: Direction, waker: &Waker) {
        self.waits.arm(&slot.waiters, direction, waker);
    }

    /// Whether waiting for this source counts for the deadlock verdict and for virtual time.
    pub(crate) fn set_unref(&self, slot: &SourceSlot, background: bool) {
        self.waits.set_unref(&slot.waiters, background);
    }
}

impl SourceSlot {
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.readiness.get() & direction.ready_bit() != 0
    }

    /// Clears the readiness after an operation that would have blocked, whatever has been closed (I5).
    pub(crate) fn clear_readiness(&self, direction: Direction) {
        self.readiness.set(self.readiness.get() & !(direction.ready_bit() | ERROR));
    }

    /// Clears the readiness after a short read or write of a TCP stream: the kernel has no more data, or no more space.
    ///
    /// Unless there is more to learn from the next call. It would return the end of the stream, the error, or the data
    /// behind an urgent mark, at which every read stops.
    pub(crate) fn clear_readiness_after_short(&self, direction: Direction) {
        let bits = self.readiness.get();
        if bits & (direction.closed_bit() | ERROR | URGENT) == 0 {
            self.readiness.set(bits & !direction.ready_bit()); // I5
        }
    }

    /// The other side has ended its stream, or the connection is broken.
    pub(crate) fn is_read_closed(&self) -> bool {
        self.readiness.get() & (READ_CLOSED | ERROR) != 0
    }
}

impl Direction {
    fn ready_bit(self) -> u8 {
        match self {
            Direction::Read => READABLE,
            Direction::Write => WRITABLE,
        }
    }

    fn closed_bit(self) -> u8 {
        match self {
            Direction::Read => READ_CLOSED,
            Direction::Write => WRITE_CLOSED,
        }
    }
}

/// The bits that an event sets.
fn bits_of(event: &Event) -> u8 {
    // "Closed" and "error" count as ready: the next operation returns the end of the stream, or the error.
    let facts = [
        (event.is_readable(), READABLE),
        (event.is_writable(), WRITABLE),
        (event.is_read_closed(), READ_CLOSED | READABLE),
        (event.is_write_closed(), WRITE_CLOSED | WRITABLE),
        (event.is_error(), ERROR | READABLE | WRITABLE),
        (event.is_priority(), URGENT),
    ];
    facts.iter().filter(|(is_set, _)| *is_set).fold(0, |sum, (_, bits)| sum | bits)
}
