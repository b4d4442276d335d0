//! How many clones of each waker are in slots that the loop knows.
//!
//! The deadlock verdict (I16) asks, for every pending task: does anybody hold its waker whom we cannot see? An
//! `Arc` tells how many clones there are, not where. So every [`WakerSlot`](super::WakerSlot) counts itself here
//! while it is full, and the difference is the number of clones in strange hands: another thread, a library, a
//! `Waker` in somebody's own struct. One of those may call `wake` at any time, so there is no verdict while one lives.
//!
//! A slot is handed a `&Waker` and must find out whose it is. A waker does not say; but its address does, and
//! whoever polls says here which waker it polls with.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

/// A place in this thread's table of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldId {
    index: u32,
    generation: u32,
}

#[derive(Default)]
struct Entry {
    generation: u32,
    /// Slots that are full with this waker.
    holds: u32,
    /// The shared half of a waker that a combinator made, and how many clones of it the combinator itself keeps.
    sub_waker: Option<(Weak<dyn AnyWaker>, usize)>,
}

/// Any shared half of a waker: only its reference count is of interest.
trait AnyWaker: Send + Sync {}
impl<W: Wake + Send + Sync> AnyWaker for W {}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
    static POLLED: Cell<Option<Polled>> = const { Cell::new(None) };
}

impl HoldId {
    /// A new count, of zero, for a task's waker.
    pub(crate) fn open() -> HoldId {
        TABLE.with_borrow_mut(|table| table.open(None))
    }

    /// A new count for a waker that a combinator made, of which it keeps `own` clones outside any slot.
    pub(crate) fn open_sub_waker<W: Wake + Send + Sync + 'static>(waker: &Arc<W>, own: usize) -> HoldId {
        let weak: Weak<W> = Arc::downgrade(waker);
        TABLE.with_borrow_mut(|table| table.open(Some((weak, own))))
    }

    /// Gives the count up. Slots that are still full forget it when they are emptied.
    pub(crate) fn close(self) {
        // The table may be gone when the thread ends.
        let weak = TABLE.try_with(|table| table.borrow_mut().close(self));
        drop(weak);
    }

    /// Whether somebody else than the one that is being polled now would be woken: a task, or a future that a combinator
    /// polls, that lives and is not being polled.
    pub(crate) fn is_of_another(self) -> bool {
        let is_open = TABLE.with_borrow(|table| table.get(self).is_some());
        is_open && POLLED.get().is_none_or(|polled| polled.hold != self)
    }

    /// How many slots are full.
    pub(crate) fn count(self) -> usize {
        TABLE.with_borrow(|table| table.get(self).map_or(0, |entry| entry.holds as usize))
    }

    fn add(self) {
        // While the thread ends the table may be gone, and with it everyone who reads it.
        let _gone_with_the_thread = TABLE.try_with(|table| {
            if let Some(entry) = table.borrow_mut().get_mut(self) {
                entry.holds += 1;
            }
        });
    }

    fn subtract(self) {
        let _gone_with_the_thread = TABLE.try_with(|table| {
            if let Some(entry) = table.borrow_mut().get_mut(self) {
                entry.holds -= 1;
            }
        });
    }
}

impl Table {
    fn open(&mut self, sub_waker: Option<(Weak<dyn AnyWaker>, usize)>) -> HoldId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        entry.holds = 0;
        entry.sub_waker = sub_waker;
        HoldId { index, generation: entry.generation }
    }

    fn close(&mut self, id: HoldId) -> Option<(Weak<dyn AnyWaker>, usize)> {
        let entry = self.get_mut(id)?;
        entry.generation = entry.generation.wrapping_add(1);
        let weak = entry.sub_waker.take();
        self.free.push(id.index);
        weak
    }

    fn get(&self, id: HoldId) -> Option<&Entry> {
        self.entries.get(id.index as usize).filter(|entry| entry.generation == id.generation)
    }

    fn get_mut(&mut self, id: HoldId) -> Option<&mut Entry> {
        self.entries.get_mut(id.index as usize).filter(|entry| entry.generation == id.generation)
    }
}

/// Whether a waker that a combinator made on this thread is in strange hands.
pub(crate) fn any_foreign_sub_waker() -> bool {
    TABLE.with_borrow(|table| {
        table.entries.iter().any(|entry| {
            entry.sub_waker.as_ref().is_some_and(|(weak, own)| weak.strong_count() > own + entry.holds as usize)
        })
    })
}

/// One clone of a waker in a place that the loop knows: counted while this lives.
///
/// It stays on its thread. In the hands of another one the waker beside it would be a strange one, and the table that
/// counts it is this thread's.
#[derive(Default)]
pub(crate) struct Hold {
    /// `None` if the waker was not the one being polled with: then it counts as strange.
    at: Option<HoldId>,
    _stays_here: PhantomData<*const ()>,
}

impl Hold {
    /// Counts nothing.
    pub(crate) const fn none() -> Hold {
        Hold { at: None, _stays_here: PhantomData }
    }

    /// Whether it counts a clone of the waker whose clones are counted there.
    pub(crate) fn is_at(&self, id: HoldId) -> bool {
        self.at == Some(id)
    }

    /// Where it counts.
    pub(crate) fn id(&self) -> Option<HoldId> {
        self.at
    }

    /// Counts a clone of `waker`.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Hold {
        let at = Polled::hold_of(waker);
        if let Some(id) = at {
            id.add();
        }
        Hold { at, _stays_here: PhantomData }
    }
}

impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        if let Some(id) = self.at {
            id.subtract();
        }
    }
}

/// The waker that somebody polls with, by its address, and where its clones are counted.
#[derive(Clone, Copy)]
pub(crate) struct Polled {
    address: *const (),
    hold: HoldId,
}

impl Polled {
    /// `waker`'s clones are counted at `hold`.
    pub(crate) fn new(waker: &Waker, hold: HoldId) -> Polled {
        Polled { address: waker.data(), hold }
    }

    /// From here on, and until the guard is dropped, polls on this thread are made with this waker.
    #[inline]
    pub(crate) fn enter(self) -> PolledGuard {
        PolledGuard { outer: POLLED.replace(Some(self)) }
    }

    /// Where clones of this waker are counted, if it is the one being polled with.
    #[inline]
    fn hold_of(waker: &Waker) -> Option<HoldId> {
        POLLED.get().filter(|polled| polled.address == waker.data()).map(|polled| polled.hold)
    }
}

/// While it lives, a poll is going on.
pub(crate) struct PolledGuard {
    outer: Option<Polled>,
}

impl Drop for PolledGuard {
    #[inline]
    fn drop(&mut self) {
        POLLED.set(self.outer);
    }
}
