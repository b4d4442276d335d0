//! How far a run has come: numbers that transfers keep and whoever shows progress looks at.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use slab::Slab;

use crate::event_loop::now;

/// The numbers of a run. A handle: clones share them.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: Cell<u64>,
    ended: Cell<u64>,
    planned: Cell<u64>,
    is_plan_complete: Cell<bool>,
    active: RefCell<Slab<Rc<Active>>>,
}

/// A transfer that is under way.
#[derive(Debug)]
pub struct Active {
    /// The file's name.
    pub name: String,
    /// When it had its first turn.
    pub since: Instant,
    received: Cell<u64>,
    total: Cell<Option<u64>>,
}

impl Active {
    /// Bytes that are there, with those that an earlier run left.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// How many there will be, if that is known.
    pub fn total(&self) -> Option<u64> {
        self.total.get()
    }
}

impl Gauge {
    /// Bytes that were received and have not had to be received again.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.get()
    }

    /// Transfers that have ended, well or not.
    pub fn ended(&self) -> u64 {
        self.shared.ended.get()
    }

    /// Transfers that are known, and whether those are all.
    pub fn planned(&self) -> (u64, bool) {
        (self.shared.planned.get(), self.shared.is_plan_complete.get())
    }

    /// Those that are under way for the longest, at most so many.
    pub fn slowest(&self, at_most: usize) -> Vec<Rc<Active>> {
        let mut active: Vec<_> = self.shared.active.borrow().iter().map(|(_, active)| active.clone()).collect();
        active.sort_by_key(|active| active.since);
        active.truncate(at_most);
        active
    }

    pub(super) fn add_planned(&self, number: u64) {
        self.shared.planned.set(self.shared.planned.get() + number);
    }

    pub(super) fn plan_is_complete(&self) {
        self.shared.is_plan_complete.set(true);
    }

    pub(super) fn one_more_ended(&self) {
        self.shared.ended.set(self.shared.ended.get() + 1);
    }

    pub(super) fn begin(&self, name: &str) -> Reading {
        let active = Active { name: name.to_owned(), since: now(), received: Cell::new(0), total: Cell::new(None) };
        let active = Rc::new(active);
        let key = self.shared.active.borrow_mut().insert(active.clone());
        Reading { gauge: self.clone(), key, active, counted: 0 }
    }
}

/// What one transfer adds to the numbers.
#[derive(Debug)]
pub(super) struct Reading {
    gauge: Gauge,
    key: usize,
    active: Rc<Active>,
    /// What it has added to the bytes of the run.
    counted: u64,
}

impl Reading {
    /// So many bytes have come.
    pub(super) fn add(&mut self, bytes: u64) {
        self.counted += bytes;
        self.active.received.set(self.active.received.get() + bytes);
        let all = &self.gauge.shared.bytes;
        all.set(all.get() + bytes);
    }

    /// Only so many bytes of the file are left: the others have to come again, and would be counted twice.
    pub(super) fn fall_back_to(&mut self, kept: u64) {
        let lost = self.active.received.get().saturating_sub(kept).min(self.counted);
        self.counted -= lost;
        self.active.received.set(kept);
        let all = &self.gauge.shared.bytes;
        all.set(all.get() - lost);
    }

    pub(super) fn set_total(&self, total: Option<u64>) {
        self.active.total.set(total);
    }

    /// When the transfer had its first turn.
    pub(super) fn since(&self) -> Instant {
        self.active.since
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let ended = self.gauge.shared.active.borrow_mut().try_remove(self.key);
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::EventLoop;

    #[test]
    fn bytes_that_have_to_come_again_are_not_counted_twice() {
        let mut event_loop = EventLoop::new().expect("a loop");
        event_loop
            .block_on(async {
                let gauge = Gauge::default();
                let mut reading = gauge.begin("x");
                reading.fall_back_to(1000); // an earlier run left them
                reading.add(500);
                reading.fall_back_to(1200);
                assert_eq!((gauge.bytes(), gauge.slowest(9)[0].received()), (200, 1200));
                reading.fall_back_to(0);
                assert_eq!((gauge.bytes(), gauge.slowest(9)[0].received()), (0, 0));
                drop(reading);
                assert!(gauge.slowest(9).is_empty());
            })
            .expect("no deadlock");
    }
}
