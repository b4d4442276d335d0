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

use super::core::call_waker;
use super::token::{self, MAX_SOURCES, index_of, token_of};
use crate::observe::{Cause, CauseGuard, Kind, SourceId, current_task, listening, tell};
use crate::sync::{HoldId, WakerSlot};

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
pub enum Initially {
    /// Everything: try first, wait when it would block. An accepted socket can be written to at once, and often read.
    Ready,
    /// Nothing: a connecting socket.
    Waiting,
}

/// The loop's table of sources.
pub(crate) struct Reactor {
    registry: Registry,
    slots: RefCell<Slab<Rc<SourceSlot>>>,
    /// How many sources there have been: the next one's generation.
    registered: Cell<u32>,
    /// Directions in which a task waits, on sources that are not in the background (I16).
    armed: Cell<usize>,
}

/// One source's place.
pub(crate) struct SourceSlot {
    pub(crate) id: SourceId,
    readiness: Cell<u8>,
    reader: Waiter,
    writer: Waiter,
    /// Whether waiting for it counts as something that can still happen.
    background: Cell<bool>,
}

/// Whoever waits in one direction.
#[derive(Default)]
struct Waiter {
    /// Stays in place between waits, so that steady input and output moves no reference counts.
    waker: Cell<WakerSlot>,
    /// Whether it is waited for now.
    armed: Cell<bool>,
}

impl Waiter {
    /// Whether the waker that lies here is the one whose clones are counted there.
    fn is_at(&self, id: HoldId) -> bool {
        let waker = self.waker.take();
        let is_at = waker.is_at(id);
        self.waker.set(waker);
        is_at
    }
}

impl Reactor {
    pub(crate) fn new(registry: Registry) -> Reactor {
        Reactor { registry, slots: RefCell::default(), registered: Cell::new(0), armed: Cell::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Whether a task waits for a source, other than in the background.
    pub(crate) fn is_armed(&self) -> bool {
        self.armed.get() > 0
    }

    /// Registers a source, once and for all that it is ever interested in.
    pub(crate) fn add(
        &self,
        io: &mut impl mio::event::Source,
        initially: Initially,
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

    fn insert(&self, initially: Initially) -> io::Result<Rc<SourceSlot>> {
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
                Initially::Ready => READABLE | WRITABLE,
                Initially::Waiting => 0,
            }),
            reader: Waiter::default(),
            writer: Waiter::default(),
            background: Cell::new(false),
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
    pub(crate) fn tell_added(slot: &SourceSlot, what: &'static str, descriptor: Option<i32>, peer: Option<SocketAddr>) {
        tell!(Kind::SourceAdd { source: slot.id, task: current_task(), what, descriptor, peer });
    }

    /// Forgets a source whose descriptor is about to be closed, which takes it out of the kernel's set.
    pub(crate) fn remove(&self, slot: &SourceSlot) {
        self.disarm(slot, &slot.reader);
        self.disarm(slot, &slot.writer);
        if self.take_out(slot.id).is_some() {
            tell!(Kind::SourceDel { source: slot.id });
        }
    }

    /// Takes a source out of the kernel's set, for one whose descriptor lives on.
    pub(crate) fn deregister(&self, io: &mut impl mio::event::Source) -> io::Result<()> {
        self.registry.deregister(io)
    }

    /// Forgets all sources (I14). Their handles may outlive the loop.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.slots.borrow_mut());
        for (_, slot) in &all {
            for waiter in [&slot.reader, &slot.writer] {
                self.disarm(slot, waiter);
                drop(waiter.waker.take());
            }
        }
    }

    /// Notes what an event says and wakes who waits for it.
    pub(crate) fn dispatch(&self, event: &Event) {
        let token = event.token();
        let in_its_place = self.slots.borrow().get(index_of(token)).cloned();
        let successor = in_its_place.as_ref().map(|slot| slot.id).filter(|other| token_of(*other) != token);
        let slot = in_its_place.filter(|_| successor.is_none());
        let id = slot.as_ref().map_or_else(|| token::gone(token), |slot| slot.id);
        tell!(Kind::Readiness {
            source: id,
            readable: event.is_readable(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed(),
            write_closed: event.is_write_closed(),
            error: event.is_error(),
            stale: slot.is_none(),
        });
        if let Some(successor) = successor {
            self.tell_stale(id, successor);
        }
        let Some(slot) = slot else { return };
        slot.readiness.set(slot.readiness.get() | bits_of(event));
        let _cause = CauseGuard::set(Cause::Source(id));
        for direction in [Direction::Read, Direction::Write] {
            if slot.is_ready(direction) {
                self.wake(&slot, slot.waiter(direction));
            }
        }
    }

    #[cold]
    fn tell_stale(&self, id: SourceId, successor: SourceId) {
        if listening() {
            tell!(Kind::Diagnosis {
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
        let waiters = slots.iter().flat_map(|(_, slot)| [&slot.reader, &slot.writer]);
        waiters.filter(|waiter| !waiter.armed.get() && waiter.is_at(id)).count()
    }

    /// Whether a source is still ready, and nobody waits for it.
    pub(crate) fn is_ready_and_unarmed(&self, id: SourceId, for_reading: bool) -> bool {
        let direction = if for_reading { Direction::Read } else { Direction::Write };
        let slots = self.slots.borrow();
        let slot = slots.get(id.index as usize).filter(|slot| slot.id == id);
        slot.is_some_and(|slot| slot.is_ready(direction) && !slot.waiter(direction).armed.get())
    }

    /// Lets `waker` be woken when the source is next ready in this direction. One task at a time can wait so.
    pub(crate) fn arm(&self, slot: &SourceSlot, direction: Direction, waker: &Waker) {
        let waiter = slot.waiter(direction);
        let mut kept = waiter.waker.take();
        let replaced = kept.register(waker);
        waiter.waker.set(kept);
        if !waiter.armed.replace(true) && !slot.background.get() {
            self.armed.set(self.armed.get() + 1);
        }
        drop(replaced);
    }

    fn disarm(&self, slot: &SourceSlot, waiter: &Waiter) -> bool {
        let was_armed = waiter.armed.replace(false);
        if was_armed && !slot.background.get() {
            self.armed.set(self.armed.get() - 1);
        }
        was_armed
    }

    fn wake(&self, slot: &SourceSlot, waiter: &Waiter) {
        if self.disarm(slot, waiter) {
            // Out of its cell while it is used, and back again unless another has taken its place (I4).
            let waker = waiter.waker.take();
            call_waker(|| waker.wake_by_ref());
            let newer = waiter.waker.take();
            waiter.waker.set(if newer.is_set() { newer } else { waker });
        }
    }

    /// Whether waiting for this source counts for the deadlock verdict and for virtual time.
    pub(crate) fn set_background(&self, slot: &SourceSlot, background: bool) {
        if slot.background.replace(background) != background {
            let armed = usize::from(slot.reader.armed.get()) + usize::from(slot.writer.armed.get());
            self.armed.set(if background { self.armed.get() - armed } else { self.armed.get() + armed });
        }
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

    fn waiter(&self, direction: Direction) -> &Waiter {
        match direction {
            Direction::Read => &self.reader,
            Direction::Write => &self.writer,
        }
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
