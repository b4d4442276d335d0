//! Counts, for each waker of this thread, how many clones of it are in waker slots.
//!
//! For every pending task, deadlock detection (I16) needs to know whether there is an *external* clone of its waker:
//! one outside the waker slots of this thread, for example in another thread, a library, or a user-defined struct. An
//! external clone may be called at any time, so while one exists, no deadlock can be reported. The reference count of
//! the `Arc` behind the waker is the total number of clones. Without those that the loop or the combinator itself keeps,
//! and those in a [`WakerSlot`](super::WakerSlot), which are counted here, this is the number of external clones.
//!
//! A slot is passed a `&Waker`, and must find out which task that waker wakes. `Waker` has no API for that. So the code
//! that polls a task or a child future declares its waker here as the current one, and a slot compares the data pointers
//! of the two.
//!
//! Storing a waker costs one lookup in the table of counts, and so does removing it. A slot that already contains the
//! waker does not access the table.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use crate::table::{Table, TableId};

/// The key of a count in this thread's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WakerCountId {
    index: u32,
    generation: u32,
}

impl TableId for WakerCountId {
    fn from_parts(index: u32, generation: u32) -> WakerCountId {
        WakerCountId { index, generation }
    }

    fn parts(self) -> (u32, u32) {
        (self.index, self.generation)
    }
}

/// The count for one waker.
///
/// Invariant: `in_slots` is the number of [`CountedClone`]s with this key (I16).
struct WakerCount {
    in_slots: usize,
    child: Option<CountedWaker>,
}

/// A waker that a combinator has created for a child future.
struct CountedWaker {
    /// The `Arc` behind the waker, for its reference count.
    waker: Weak<dyn AnyWaker>,
    /// The number of clones that the combinator itself keeps.
    own_clones: usize,
}

/// A type-erased waker, of which only the reference count is used.
trait AnyWaker: Send + Sync {}
impl<W: Wake + Send + Sync> AnyWaker for W {}

/// The wakers of this thread.
struct Wakers {
    counts: RefCell<Table<WakerCountId, WakerCount>>,
    /// The number of counts for child futures.
    children: Cell<usize>,
}

thread_local! {
    /// The waker that was passed to the running poll. It is not in `WAKERS`, since access to a thread-local without a destructor
    /// is faster, and each poll needs it.
    static CURRENT: Cell<Option<CurrentWaker>> = const { Cell::new(None) };
    // While the thread exits, this may already be destroyed. Then nothing is counted, and no loop reads the counts.
    static WAKERS: Wakers =
        const { Wakers { counts: RefCell::new(Table::new()), children: Cell::new(0) } };
}

impl WakerCountId {
    /// Creates a count of zero for a task's waker.
    pub(crate) fn new() -> WakerCountId {
        WAKERS.with(|wakers| wakers.counts.borrow_mut().insert(WakerCount { in_slots: 0, child: None }))
    }

    /// Creates a count for a waker that a combinator has created, and of which it keeps `own_clones` outside of slots.
    pub(crate) fn for_child<W: Wake + Send + Sync + 'static>(waker: &Arc<W>, own_clones: usize) -> WakerCountId {
        let waker: Weak<W> = Arc::downgrade(waker);
        let child = Some(CountedWaker { waker, own_clones });
        WAKERS.with(|wakers| {
            wakers.children.set(wakers.children.get() + 1);
            wakers.counts.borrow_mut().insert(WakerCount { in_slots: 0, child })
        })
    }

    /// Removes the count. Emptying a slot that still contains the waker then changes no count.
    pub(crate) fn remove(self) {
        let removed = WAKERS.try_with(|wakers| {
            let removed = wakers.counts.borrow_mut().remove(self);
            let is_child = removed.as_ref().is_some_and(|count| count.child.is_some());
            wakers.children.set(wakers.children.get() - usize::from(is_child));
            removed
        });
        drop(removed);
    }

    /// Returns whether the waker belongs to a task, or to a child future of a combinator, that still exists and is not the
    /// one being polled now.
    pub(crate) fn belongs_to_another(self) -> bool {
        WAKERS.with(|wakers| {
            let is_present = wakers.counts.borrow().get(self).is_some();
            is_present && CURRENT.get().is_none_or(|current| current.count != self)
        })
    }

    /// Adds to the number of slots that contain the waker.
    #[inline]
    fn add(self, difference: isize) {
        let _destroyed = WAKERS.try_with(|wakers| {
            if let Some(count) = wakers.counts.borrow_mut().get_mut(self) {
                count.in_slots = count.in_slots.wrapping_add_signed(difference);
            }
        });
    }

    /// Returns the number of slots that contain the waker.
    pub(crate) fn in_slots(self) -> usize {
        WAKERS.with(|wakers| wakers.counts.borrow().get(self).map_or(0, |count| count.in_slots))
    }
}

/// Returns whether there is an external clone of any waker that a combinator on this thread has created.
pub(crate) fn is_any_child_waker_external() -> bool {
    WAKERS.with(|wakers| {
        wakers.children.get() > 0
            && wakers.counts.borrow().iter().any(|(_, count)| {
                let is_external = |child: &CountedWaker| child.waker.strong_count() > child.own_clones + count.in_slots;
                count.child.as_ref().is_some_and(is_external)
            })
    })
}

/// One clone of a waker, which is counted while this value exists.
///
/// It is not `Send`: on another thread the clone would count as external, and the table is thread-local.
#[derive(Default)]
pub(crate) struct CountedClone {
    /// The key of the count. `None` if the slot is empty, or if the waker was not that of the running poll: then the clone
    /// counts as external.
    count: Option<WakerCountId>,
    not_send: PhantomData<*const ()>,
}

impl CountedClone {
    /// Creates a value for an empty slot, which counts nothing.
    pub(crate) const fn none() -> CountedClone {
        CountedClone { count: None, not_send: PhantomData }
    }

    /// Returns the key of the count. `None` if nothing is counted.
    pub(crate) fn id(&self) -> Option<WakerCountId> {
        self.count
    }

    /// Counts a clone of `waker`.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> CountedClone {
        let count = CURRENT.get().filter(|current| current.address == waker.data()).map(|current| current.count);
        if let Some(id) = count {
            id.add(1);
        }
        CountedClone { count, not_send: PhantomData }
    }
}

impl Drop for CountedClone {
    #[inline]
    fn drop(&mut self) {
        if let Some(id) = self.count {
            id.add(-1);
        }
    }
}

/// A waker that futures are polled with, identified by its data pointer, and the key of its count.
#[derive(Clone, Copy)]
pub(crate) struct CurrentWaker {
    address: *const (),
    count: WakerCountId,
}

impl CurrentWaker {
    /// Associates a waker with the key of its count.
    pub(crate) fn new(waker: &Waker, count: WakerCountId) -> CurrentWaker {
        CurrentWaker { address: waker.data(), count }
    }

    /// Declares that polls on this thread use this waker, until the guard is dropped.
    #[inline]
    pub(crate) fn enter(self) -> CurrentWakerGuard {
        CurrentWakerGuard { outer: CURRENT.replace(Some(self)) }
    }
}

/// The guard of [`CurrentWaker::enter`], which restores the previous waker on drop.
pub(crate) struct CurrentWakerGuard {
    outer: Option<CurrentWaker>,
}

impl Drop for CurrentWakerGuard {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}
