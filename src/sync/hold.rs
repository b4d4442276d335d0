//! Counts, for each waker of this thread, how many clones of it are in waker slots.
//!
//! For every pending task, deadlock detection (I16) needs to know whether there is an *external* clone of its waker:
//! one outside the waker slots of this thread, for example in another thread, a library, or a user-defined struct. An
//! external clone may be woken at any time, so while one exists, no deadlock can be reported. The reference count of an
//! `Arc` is the total number of clones; every [`WakerSlot`](super::WakerSlot) is counted here while it contains a
//! clone, and the difference is the number of external clones.
//!
//! A slot is passed a `&Waker`, and must find out which task it belongs to. `Waker` has no API for that. So the code
//! that polls a task or a child future registers its waker here, and slots compare their waker's data pointer with it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

/// A key in this thread's table of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldId {
    index: u32,
    generation: u32,
}

#[derive(Default)]
struct Entry {
    generation: u32,
    /// The number of slots that contain this waker.
    holds: u32,
    /// For the waker that a combinator creates for a child future: the `Arc` behind it, and the number of clones that
    /// the combinator itself keeps.
    sub_waker: Option<(Weak<dyn AnyWaker>, usize)>,
}

/// The `Arc` behind any waker, of which only the reference count is used.
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
    /// Creates a count of zero for a task's waker.
    pub(crate) fn open() -> HoldId {
        TABLE.with_borrow_mut(|table| table.open(None))
    }

    /// Creates a count for a waker that a combinator has created, and of which it keeps `own` clones outside of slots.
    pub(crate) fn open_sub_waker<W: Wake + Send + Sync + 'static>(waker: &Arc<W>, own: usize) -> HoldId {
        let weak: Weak<W> = Arc::downgrade(waker);
        TABLE.with_borrow_mut(|table| table.open(Some((weak, own))))
    }

    /// Removes the count. Slots that still contain the waker then have no effect when they are emptied: their
    /// generation is out of date.
    pub(crate) fn close(self) {
        // The table may have been destroyed while the thread exits.
        let weak = TABLE.try_with(|table| table.borrow_mut().close(self));
        drop(weak);
    }

    /// Returns whether waking this waker would wake something other than what is being polled now: another task, or
    /// another child future of a combinator, that still exists.
    pub(crate) fn is_of_another(self) -> bool {
        let is_open = TABLE.with_borrow(|table| table.get(self).is_some());
        is_open && POLLED.get().is_none_or(|polled| polled.hold != self)
    }

    /// Returns the number of slots that contain the waker.
    pub(crate) fn count(self) -> usize {
        TABLE.with_borrow(|table| table.get(self).map_or(0, |entry| entry.holds as usize))
    }

    fn add(self) {
        // The table, and everything that reads it, may have been destroyed while the thread exits.
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

/// Returns whether there is an external clone of any waker that a combinator on this thread has created.
pub(crate) fn any_foreign_sub_waker() -> bool {
    TABLE.with_borrow(|table| {
        table.entries.iter().any(|entry| {
            entry.sub_waker.as_ref().is_some_and(|(weak, own)| weak.strong_count() > own + entry.holds as usize)
        })
    })
}

/// A registration of one clone of a waker, which is counted while this value exists.
///
/// It is not `Send`: on another thread the clone would count as external, and the table is thread-local.
#[derive(Default)]
pub(crate) struct Hold {
    /// The count; `None` if the waker was not the one that is being polled with. Such a clone counts as external.
    at: Option<HoldId>,
    _stays_here: PhantomData<*const ()>,
}

impl Hold {
    /// Creates a registration that counts nothing.
    pub(crate) const fn none() -> Hold {
        Hold { at: None, _stays_here: PhantomData }
    }

    /// Returns whether this registration is counted under `id`.
    pub(crate) fn is_at(&self, id: HoldId) -> bool {
        self.at == Some(id)
    }

    /// Returns the key under which this registration is counted.
    pub(crate) fn id(&self) -> Option<HoldId> {
        self.at
    }

    /// Registers a clone of `waker`.
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

/// The waker that is being polled with, identified by its data pointer, and the key under which its clones are counted.
#[derive(Clone, Copy)]
pub(crate) struct Polled {
    address: *const (),
    hold: HoldId,
}

impl Polled {
    /// Associates a waker with the key under which its clones are counted.
    pub(crate) fn new(waker: &Waker, hold: HoldId) -> Polled {
        Polled { address: waker.data(), hold }
    }

    /// Declares that polls on this thread use this waker, until the guard is dropped.
    #[inline]
    pub(crate) fn enter(self) -> PolledGuard {
        PolledGuard { outer: POLLED.replace(Some(self)) }
    }

    /// Returns the key of this waker, if it is the one that is being polled with.
    #[inline]
    fn hold_of(waker: &Waker) -> Option<HoldId> {
        POLLED.get().filter(|polled| polled.address == waker.data()).map(|polled| polled.hold)
    }
}

/// The guard of [`Polled::enter`], which restores the previous waker on drop.
pub(crate) struct PolledGuard {
    outer: Option<Polled>,
}

impl Drop for PolledGuard {
    #[inline]
    fn drop(&mut self) {
        POLLED.set(self.outer);
    }
}
