//! Progress counters of a run, updated by the transfers and read by the progress display.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use slab::Slab;

use crate::event_loop::now;

/// The progress counters of a run. It is a handle: clones share the same counters.
#[derive(Clone, Debug, Default)]
pub struct ProgressCounters {
    shared: Rc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    bytes: Cell<u64>,
    ended: Cell<u64>,
    planned: Cell<u64>,
    is_plan_complete: Cell<bool>,
    active: RefCell<Slab<Rc<ActiveTransfer>>>,
}

/// A running transfer.
#[derive(Debug)]
pub struct ActiveTransfer {
    /// The file name.
    pub name: String,
    /// The time at which the transfer started.
    pub since: Instant,
    received: Cell<u64>,
    total: Cell<Option<u64>>,
}

impl ActiveTransfer {
    /// Returns the number of bytes that are available, including those of an earlier run.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Returns the size of the file, if it is known.
    pub fn total(&self) -> Option<u64> {
        self.total.get()
    }
}

impl ProgressCounters {
    /// Returns the number of bytes received, not counting bytes that were discarded and had to be downloaded again.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.get()
    }

    /// Returns the number of files whose transfers have ended, successfully or not, or that were kept without one.
    pub fn ended(&self) -> u64 {
        self.shared.ended.get()
    }

    /// Returns the number of files that have been planned so far, and whether the plan has been read completely.
    pub fn planned(&self) -> (u64, bool) {
        (self.shared.planned.get(), self.shared.is_plan_complete.get())
    }

    /// Returns the transfers that have been running for the longest time, at most `at_most` of them.
    pub fn slowest(&self, at_most: usize) -> Vec<Rc<ActiveTransfer>> {
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

    pub(super) fn begin(&self, name: &str) -> TransferProgress {
        let active =
            ActiveTransfer { name: name.to_owned(), since: now(), received: Cell::new(0), total: Cell::new(None) };
        let active = Rc::new(active);
        let key = self.shared.active.borrow_mut().insert(active.clone());
        TransferProgress { counters: self.clone(), key, active, counted: 0 }
    }
}

/// The contribution of one transfer to the counters.
#[derive(Debug)]
pub(super) struct TransferProgress {
    counters: ProgressCounters,
    key: usize,
    active: Rc<ActiveTransfer>,
    /// The number of bytes that this transfer has added to the total of the run.
    counted: u64,
}

impl TransferProgress {
    /// Records that bytes were received.
    pub(super) fn add(&mut self, bytes: u64) {
        self.counted += bytes;
        self.active.received.set(self.active.received.get() + bytes);
        let all = &self.counters.shared.bytes;
        all.set(all.get() + bytes);
    }

    /// Resets the progress to `kept` bytes: the others have to be downloaded again, and would otherwise be counted
    /// twice.
    pub(super) fn reset_to(&mut self, kept: u64) {
        let lost = self.active.received.get().saturating_sub(kept).min(self.counted);
        self.counted -= lost;
        self.active.received.set(kept);
        let all = &self.counters.shared.bytes;
        all.set(all.get() - lost);
    }

    pub(super) fn set_total(&self, total: Option<u64>) {
        self.active.total.set(total);
    }

    /// Returns the time at which the transfer started.
    pub(super) fn since(&self) -> Instant {
        self.active.since
    }
}

impl Drop for TransferProgress {
    fn drop(&mut self) {
        let ended = self.counters.shared.active.borrow_mut().try_remove(self.key);
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::EventLoop;

    #[test]
    fn files_are_counted_when_they_are_planned_and_when_they_end() {
        let counters = ProgressCounters::default();
        assert_eq!((counters.planned(), counters.ended()), ((0, false), 0));
        counters.add_planned(2);
        counters.add_planned(3);
        counters.one_more_ended();
        counters.one_more_ended();
        assert_eq!((counters.planned(), counters.ended()), ((5, false), 2));
        counters.plan_is_complete();
        assert_eq!(counters.planned(), (5, true));
    }

    #[test]
    fn the_oldest_transfers_are_listed_first() {
        let list = async {
            let counters = ProgressCounters::default();
            let mut transfers = vec![];
            for name in ["first", "second", "third"] {
                transfers.push(counters.begin(name));
                crate::event_loop::sleep(std::time::Duration::from_secs(1)).await;
            }
            transfers[1].set_total(Some(7));
            drop(transfers.remove(0));
            counters.slowest(1).iter().map(|active| (active.name.clone(), active.total())).collect::<Vec<_>>()
        };
        let mut event_loop = EventLoop::builder().virtual_time().build().expect("a loop");
        assert_eq!(event_loop.block_on(list).expect("no deadlock"), [("second".to_owned(), Some(7))]);
    }

    #[test]
    fn bytes_that_are_downloaded_again_are_not_counted_twice() {
        let mut event_loop = EventLoop::new().expect("a loop");
        event_loop
            .block_on(async {
                let counters = ProgressCounters::default();
                let mut reading = counters.begin("x");
                reading.reset_to(1000); // downloaded by an earlier run
                reading.add(500);
                reading.reset_to(1200);
                assert_eq!((counters.bytes(), counters.slowest(9)[0].received()), (200, 1200));
                reading.reset_to(0);
                assert_eq!((counters.bytes(), counters.slowest(9)[0].received()), (0, 0));
                drop(reading);
                assert!(counters.slowest(9).is_empty());
            })
            .expect("no deadlock");
    }
}
