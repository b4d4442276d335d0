//! The reactor: the registered sources, and the dispatch of the kernel's events to them.
//!
//! A source is registered once, for reading and writing, and edge-triggered.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use mio::event::Event;
use mio::{Interest, Registry};

use super::readiness::{Direction, InitialReadiness, Readiness};
use super::token::{MAX_SOURCES, id_of_removed, index_of, token_of};
use super::waiting::{Waiters, Waits};
use crate::observe::{Cause, CauseGuard, EventKind, SourceId, emit, is_observed};
use crate::sync::WakerCountId;
use crate::table::Table;

/// The sources of a loop.
pub(crate) struct Reactor {
    registry: Registry,
    sources: RefCell<Table<SourceId, Rc<SourceEntry>>>,
    /// The waits for the sources (I16).
    waits: Waits,
    /// The source whose waits are being probed.
    probed: RefCell<Option<Rc<SourceEntry>>>,
}

/// A registered source.
pub(crate) struct SourceEntry {
    pub(super) id: SourceId,
    pub(super) readiness: Readiness,
    waiters: Waiters,
}

impl Reactor {
    pub(crate) fn new(registry: Registry) -> Reactor {
        Reactor { registry, sources: RefCell::default(), waits: Waits::default(), probed: RefCell::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.sources.borrow().len()
    }

    /// Returns the waits for the sources that are not unref'd.
    pub(super) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Starts to find out whether a task waits for any source: see `waiting.rs`.
    pub(super) fn probe(&self) {
        let armed = {
            let sources = self.sources.borrow();
            sources.iter().find(|(_, source)| source.waiters.is_any_armed()).map(|(_, source)| source.clone())
        };
        if let Some(source) = armed {
            self.probed.replace(Some(source.clone()));
            self.waits.probe(&source.waiters); // I4: nothing is borrowed while wakers are called
        }
    }

    /// Returns whether a probe is in progress.
    pub(super) fn is_probing(&self) -> bool {
        self.probed.borrow().is_some()
    }

    /// Ends the probe in progress, after the tasks have been polled. If there is none, discards the result of the last one.
    pub(super) fn settle_probe(&self) {
        let probed = self.probed.take();
        match probed {
            Some(source) => self.waits.settle(&source.waiters),
            None => self.waits.forget_confirmed(),
        }
    }

    /// Registers a source.
    pub(super) fn add(
        &self,
        io: &mut impl mio::event::Source,
        initial: InitialReadiness,
        interests: Interest,
    ) -> io::Result<Rc<SourceEntry>> {
        if self.len() >= MAX_SOURCES {
            return Err(io::Error::other(format!("a loop can have at most {MAX_SOURCES} sources")));
        }
        let new = |id| Rc::new(SourceEntry { id, readiness: Readiness::new(initial), waiters: Waiters::default() });
        let id = self.sources.borrow_mut().insert_with(new);
        let source = self.sources.borrow().get(id).cloned().expect("it was inserted just now");
        // I4: nothing is borrowed, since `register` may run user code.
        if let Err(error) = self.registry.register(io, token_of(id), interests) {
            self.sources.borrow_mut().remove(id);
            return Err(error);
        }
        Ok(source)
    }

    /// Removes a source from the table. From the kernel's set, it is removed by [`deregister`](Self::deregister), or when its
    /// descriptor is closed.
    pub(super) fn remove(&self, source: &SourceEntry) {
        let removed = self.sources.borrow_mut().remove(source.id);
        if removed.is_some() {
            emit!(EventKind::SourceDel { source: source.id });
        }
        self.waits.close(&source.waiters);
    }

    /// Removes a source from the kernel's set. Not necessary if its descriptor is closed.
    pub(super) fn deregister(&self, io: &mut impl mio::event::Source) -> io::Result<()> {
        self.registry.deregister(io)
    }

    /// Removes all sources (I14). Their `PollEvented` may outlive the loop.
    pub(super) fn clear(&self) {
        let all = self.sources.borrow_mut().drain();
        for source in &all {
            self.waits.clear(&source.waiters);
        }
    }

    /// Caches the readiness that an event reports, and wakes the tasks that wait for it.
    pub(super) fn dispatch(&self, event: &Event) {
        let token = event.token();
        let at_index = self.sources.borrow().at(index_of(token)).map(|(_, source)| source.clone());
        let (source, successor) = match at_index {
            Some(source) if token_of(source.id) == token => (Some(source), None),
            other => (None, other),
        };
        let id = source.as_ref().map_or_else(|| id_of_removed(token), |source| source.id);
        emit_readiness(event, id, source.is_none());
        if let Some(successor) = successor {
            emit_stale_event(id, successor.id);
        }
        let Some(source) = source else { return };
        source.readiness.add(event);
        let _cause = CauseGuard::set(Cause::Source(id));
        for direction in Direction::BOTH {
            if source.readiness.is_ready(direction) {
                self.waits.wake(&source.waiters, direction);
            }
        }
    }

    /// Returns the number of clones of a waker that are left in the slots of sources from earlier waits. They are not called
    /// before the next wait.
    pub(super) fn count_disarmed_wakers(&self, count: WakerCountId) -> usize {
        self.sources.borrow().iter().map(|(_, source)| source.waiters.count_disarmed(count)).sum()
    }

    /// Returns whether a source is ready and no task waits for it.
    pub(super) fn is_ready_and_disarmed(&self, id: SourceId, for_reading: bool) -> bool {
        let direction = if for_reading { Direction::Read } else { Direction::Write };
        let sources = self.sources.borrow();
        let is_disarmed = |source: &&Rc<SourceEntry>| !source.waiters.is_waited_for(direction);
        sources.get(id).filter(is_disarmed).is_some_and(|source| source.readiness.is_ready(direction))
    }

    /// Stores the waker that is called when the source is next ready in this direction. It replaces that of another task.
    pub(super) fn arm(&self, source: &SourceEntry, direction: Direction, waker: &Waker) {
        self.waits.arm(&source.waiters, direction, waker);
    }

    /// Sets whether deadlock detection and virtual time ignore waits for this source.
    pub(super) fn set_unref(&self, source: &SourceEntry, is_unref: bool) {
        self.waits.set_unref(&source.waiters, is_unref);
    }
}

fn emit_readiness(event: &Event, source: SourceId, stale: bool) {
    emit!(EventKind::Readiness {
        source,
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_closed: event.is_read_closed(),
        write_closed: event.is_write_closed(),
        error: event.is_error(),
        stale,
    });
}

#[cold]
fn emit_stale_event(id: SourceId, successor: SourceId) {
    if is_observed() {
        emit!(EventKind::Finding {
            what: "stale_event",
            task: None,
            state: "",
            evidence: &format!("an event of {id} arrived after it was removed, when {successor} already had its index"),
            advice: "deregister a source before you close its descriptor, or close all duplicates of the descriptor as well",
        });
    }
}
