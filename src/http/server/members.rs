//! Who is connected, so that a connection can be asked to leave.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use crate::sync::WakerSlot;

/// The connections of a server, in the order in which they came.
#[derive(Default)]
pub(super) struct Members {
    all: RefCell<BTreeMap<u64, Rc<Member>>>,
    /// How many there have been.
    so_far: Cell<u64>,
}

/// One connection, as the others see it.
struct Member {
    /// Its first request has not come yet.
    is_new: Cell<bool>,
    is_asked_to_leave: Cell<bool>,
    /// Its task's.
    waker: RefCell<WakerSlot>,
}

/// A connection's place among the others, until it is dropped.
pub(super) struct Membership {
    members: Rc<Members>,
    member: Rc<Member>,
    number: u64,
}

impl Members {
    /// A new one.
    pub(super) fn join(self: &Rc<Members>) -> Membership {
        let number = self.so_far.get();
        self.so_far.set(number + 1);
        let member =
            Rc::new(Member { is_new: Cell::new(true), is_asked_to_leave: Cell::new(false), waker: RefCell::default() });
        self.all.borrow_mut().insert(number, member.clone());
        Membership { members: self.clone(), member, number }
    }

    /// Asks the connection to leave that has been waiting longest for its first request: the most likely to be one
    /// that wants nothing but the place. Whether there is one.
    pub(super) fn ask_oldest_new_to_leave(&self) -> bool {
        let oldest =
            self.all.borrow().values().find(|member| member.is_new.get() && !member.is_asked_to_leave.get()).cloned();
        match oldest {
            Some(member) => {
                member.ask_to_leave();
                true
            }
            None => false,
        }
    }

    /// Asks all of them.
    pub(super) fn ask_all_to_leave(&self) {
        let all: Vec<Rc<Member>> = self.all.borrow().values().cloned().collect();
        for member in all {
            member.ask_to_leave();
        }
    }
}

impl Member {
    fn ask_to_leave(&self) {
        self.is_asked_to_leave.set(true);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake(); // I4
        }
    }
}

impl Membership {
    /// Says that the first request has come.
    pub(super) fn is_no_longer_new(&self) {
        self.member.is_new.set(false);
    }

    /// Whether somebody wants this connection to leave; if not yet, `waker` is called when it is wanted.
    pub(super) fn is_asked_to_leave(&self, waker: &Waker) -> bool {
        if !self.member.is_asked_to_leave.get() {
            let replaced = self.member.waker.borrow_mut().register(waker);
            drop(replaced);
        }
        self.member.is_asked_to_leave.get()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.members.all.borrow_mut().remove(&self.number);
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("now", &self.all.borrow().len()).field("so_far", &self.so_far.get()).finish()
    }
}
