//! The cached readiness of a source.
//!
//! A source is registered edge-triggered: the kernel reports only changes. What it has reported is cached in bits, until an
//! operation shows that it is out of date:
//!
//! | bit | set by an event that reports | cleared by |
//! | --- | --- | --- |
//! | `READABLE` | readable, read closed, or error | a read that would block; for TCP streams also a short read (I5) |
//! | `WRITABLE` | writable, write closed, or error | a write that would block; for TCP streams also a short write (I5) |
//! | `READ_CLOSED`, `WRITE_CLOSED` | read closed, write closed | nothing: they are sticky (I5) |
//! | `ERROR` | error | an operation that would block: the error has been returned |
//! | `URGENT` | urgent data (`EPOLLPRI`) | nothing: from then on, a short read proves nothing (I5) |
//!
//! Only the first two decide whether an operation is tried. "Closed" is not sufficient: a FIFO without a writer is reported
//! as closed, and when it has a new writer, its reads block again.

use std::cell::Cell;

use mio::event::Event;

const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
const READ_CLOSED: u8 = 4;
const WRITE_CLOSED: u8 = 8;
const ERROR: u8 = 16;
const URGENT: u8 = 32;

/// The direction of I/O. (The term is tokio's. In mio, an `Interest` may contain both.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the source: reading, accepting.
    Read,
    /// To the source: writing, connecting.
    Write,
}

impl Direction {
    pub(super) const BOTH: [Direction; 2] = [Direction::Read, Direction::Write];

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

/// The readiness of a source before its first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialReadiness {
    /// Ready: the first operation is tried without waiting for an event. An accepted socket can be written immediately, and
    /// often read.
    Ready,
    /// Not ready: a connecting socket.
    NotReady,
}

/// The cached readiness of a source.
///
/// Invariant: if a direction is not ready, then since the last event that reported it as ready, an operation would have
/// blocked, or there was a short read or write (I5). So the kernel will report the direction again when it is ready.
pub(super) struct Readiness(Cell<u8>);

impl Readiness {
    pub(super) fn new(initial: InitialReadiness) -> Readiness {
        Readiness(Cell::new(match initial {
            InitialReadiness::Ready => READABLE | WRITABLE,
            InitialReadiness::NotReady => 0,
        }))
    }

    /// Adds what an event reports.
    pub(super) fn add(&self, event: &Event) {
        // "Closed" and "error" count as ready: the next operation returns the end of the stream or the error.
        let reported = [
            (event.is_readable(), READABLE),
            (event.is_writable(), WRITABLE),
            (event.is_read_closed(), READ_CLOSED | READABLE),
            (event.is_write_closed(), WRITE_CLOSED | WRITABLE),
            (event.is_error(), ERROR | READABLE | WRITABLE),
            (event.is_priority(), URGENT),
        ];
        let bits = reported.iter().filter(|(is_set, _)| *is_set).fold(0, |sum, (_, bits)| sum | bits);
        self.0.set(self.0.get() | bits);
    }

    pub(super) fn is_ready(&self, direction: Direction) -> bool {
        self.0.get() & direction.ready_bit() != 0
    }

    /// Clears the readiness after an operation that would have blocked, even if the source is closed (I5).
    pub(super) fn clear(&self, direction: Direction) {
        self.0.set(self.0.get() & !(direction.ready_bit() | ERROR));
    }

    /// Clears the readiness after a short read or write of a TCP stream: the kernel has no more data, or no more space.
    ///
    /// Does nothing if the next call may return something else: the end of the stream, an error, or the data after an
    /// urgent mark, at which every read stops.
    pub(super) fn clear_after_short(&self, direction: Direction) {
        let bits = self.0.get();
        if bits & (direction.closed_bit() | ERROR | URGENT) == 0 {
            self.0.set(bits & !direction.ready_bit()); // I5
        }
    }

    /// Returns whether the peer has ended its stream, or the connection is broken.
    pub(super) fn is_read_closed(&self) -> bool {
        self.0.get() & (READ_CLOSED | ERROR) != 0
    }
}
