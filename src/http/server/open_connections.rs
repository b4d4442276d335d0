//! The set of open connections, through which the server requests that a connection close.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use crate::sync::WakerSlot;

/// The open connections of a server, in the order of their creation.
#[derive(Default)]
pub(super) struct OpenConnections {
    all: RefCell<BTreeMap<u64, Rc<Entry>>>,
    /// The number of connections accepted so far.
    accepted: Cell<u64>,
}

/// The state of one connection that is shared with the server.
struct Entry {
    /// Whether no request has been received yet.
    is_new: Cell<bool>,
    is_close_requested: Cell<bool>,
    /// The waker of the connection's task.
    waker: RefCell<WakerSlot>,
}

/// The registration of an open connection, which ends on drop.
pub(super) struct Registration {
    open_connections: Rc<OpenConnections>,
    entry: Rc<Entry>,
    number: u64,
}

impl OpenConnections {
    /// Registers a new connection.
    pub(super) fn register(self: &Rc<OpenConnections>) -> Registration {
        let number = self.accepted.get();
        self.accepted.set(number + 1);
        let entry =
            Rc::new(Entry { is_new: Cell::new(true), is_close_requested: Cell::new(false), waker: RefCell::default() });
        self.all.borrow_mut().insert(number, entry.clone());
        Registration { open_connections: self.clone(), entry, number }
    }

    /// Requests that the oldest connection without a request close, since it is the one most likely to be abusive.
    /// Returns whether there is one.
    pub(super) fn request_close_of_oldest_new(&self) -> bool {
        let oldest =
            self.all.borrow().values().find(|entry| entry.is_new.get() && !entry.is_close_requested.get()).cloned();
        match oldest {
            Some(entry) => {
                entry.request_close();
                true
            }
            None => false,
        }
    }

    /// Requests that all connections close.
    pub(super) fn request_close_of_all(&self) {
        let all: Vec<Rc<Entry>> = self.all.borrow().values().cloned().collect();
        for entry in all {
            entry.request_close();
        }
    }
}

impl Entry {
    fn request_close(&self) {
        self.is_close_requested.set(true);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake(); // I4
        }
    }
}

impl Registration {
    /// Records that a request has been received.
    pub(super) fn set_not_new(&self) {
        self.entry.is_new.set(false);
    }

    /// Returns whether the close of the connection has been requested. If not, registers `waker` to be woken when it is.
    pub(super) fn is_close_requested(&self, waker: &Waker) -> bool {
        if !self.entry.is_close_requested.get() {
            let replaced = self.entry.waker.borrow_mut().register(waker);
            drop(replaced);
        }
        self.entry.is_close_requested.get()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.open_connections.all.borrow_mut().remove(&self.number);
    }
}

impl fmt::Debug for OpenConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, accepted) = (self.all.borrow().len(), self.accepted.get());
        f.debug_struct("OpenConnections").field("open", &open).field("accepted", &accepted).finish()
    }
}
