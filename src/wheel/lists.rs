//! The timers of a wheel, and the doubly linked lists that contain them. The wheel decides which list a timer belongs to.
//!
//! Timers are linked by their index in a table, so that a timer is removed from the middle of its list in constant time.
//! The lists are in groups of 64. Each group has a word with one bit per list, which is set if the list is not empty.

use super::{DUE, LEVELS, SLOTS};
use crate::observe::TimerId;
use crate::table::Table;

/// Marks the end of a list. No entry has this index.
const NIL: u32 = u32::MAX;

struct Entry<T> {
    /// The neighbours in the list, or [`NIL`].
    previous: u32,
    next: u32,
    deadline_tick: u64,
    value: T,
}

/// The two ends of a doubly linked list of entries. Either both are [`NIL`] or neither is.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: List = List { first: NIL, last: NIL };
}

/// The table of timers, and the lists in which they are linked.
///
/// Invariant: between two calls of the wheel's methods, each timer is in exactly one list, and a bit of `occupied`
/// is set exactly if its list is not empty.
pub(super) struct Lists<T> {
    timers: Table<TimerId, Entry<T>>,
    lists: [List; DUE + 1],
    /// The lists that are not empty: one word for each group of 64.
    occupied: [u64; LEVELS + 1],
}

impl<T> Lists<T> {
    pub(super) const fn new() -> Self {
        Lists { timers: Table::new(), lists: [List::EMPTY; DUE + 1], occupied: [0; LEVELS + 1] }
    }

    /// Returns the number of timers.
    pub(super) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Adds a timer to the table, but not to a list.
    pub(super) fn insert(&mut self, deadline_tick: u64, value: T) -> TimerId {
        self.timers.insert(Entry { previous: NIL, next: NIL, deadline_tick, value })
    }

    /// Removes a timer that is in no list, and returns its value.
    pub(super) fn remove(&mut self, id: TimerId) -> Option<T> {
        self.timers.remove(id).map(|entry| entry.value)
    }

    /// Returns the deadline and the value of a timer, unless the id is stale.
    pub(super) fn get(&self, id: TimerId) -> Option<(u64, &T)> {
        self.timers.get(id).map(|entry| (entry.deadline_tick, &entry.value))
    }

    /// Returns the value of a timer for modification, unless the id is stale.
    pub(super) fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.timers.get_mut(id).map(|entry| &mut entry.value)
    }

    /// Changes the deadline of a timer that is in no list.
    pub(super) fn set_deadline(&mut self, id: TimerId, deadline_tick: u64) {
        if let Some(entry) = self.timers.get_mut(id) {
            entry.deadline_tick = deadline_tick;
        }
    }

    /// Returns all timers, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TimerId, u64, &T)> {
        self.timers.iter().map(|(id, entry)| (id, entry.deadline_tick, &entry.value))
    }

    /// Removes all timers and returns their values.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.lists = [List::EMPTY; DUE + 1];
        self.occupied = [0; LEVELS + 1];
        self.timers.drain().into_iter().map(|entry| entry.value).collect()
    }

    /// Returns the word of a group, in which the bits of the lists that are not empty are set.
    pub(super) fn occupied(&self, group: usize) -> u64 {
        self.occupied[group]
    }

    /// Returns the first timer of a list and its deadline.
    pub(super) fn first(&self, list: usize) -> Option<(TimerId, u64)> {
        let (id, entry) = self.timers.at(self.lists[list].first as usize)?;
        Some((id, entry.deadline_tick))
    }

    /// Returns the deadlines of a list, from front to back.
    pub(super) fn deadlines_in(&self, list: usize) -> impl Iterator<Item = u64> {
        let mut next = self.at(self.lists[list].first);
        std::iter::from_fn(move || {
            let (index, deadline_tick) = next?;
            next = self.after(index);
            Some(deadline_tick)
        })
    }

    /// Empties a list and returns its first entry. The entries stay linked: [`after`](Self::after) returns the others.
    pub(super) fn take_list(&mut self, list: usize) -> Option<(u32, u64)> {
        let first = std::mem::replace(&mut self.lists[list], List::EMPTY).first;
        self.mark_empty(list);
        self.at(first)
    }

    /// Returns the entry after another one, and its deadline.
    pub(super) fn after(&self, index: u32) -> Option<(u32, u64)> {
        let (_, entry) = self.timers.at(index as usize)?;
        self.at(entry.next)
    }

    fn at(&self, index: u32) -> Option<(u32, u64)> {
        self.timers.at(index as usize).map(|(_, entry)| (index, entry.deadline_tick))
    }

    /// Appends an entry to a list. The entry must not be in any list.
    pub(super) fn append(&mut self, list: usize, index: u32) {
        let last = std::mem::replace(&mut self.lists[list].last, index);
        if let Some(entry) = self.timers.at_mut(index as usize) {
            entry.previous = last;
            entry.next = NIL;
        }
        match self.timers.at_mut(last as usize) {
            Some(entry) => entry.next = index,
            None => {
                self.lists[list].first = index;
                self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
            }
        }
    }

    /// Removes an entry from the list that contains it.
    pub(super) fn unlink(&mut self, list: usize, index: u32) {
        let Some((_, entry)) = self.timers.at(index as usize) else { return };
        let (previous, next) = (entry.previous, entry.next);
        match self.timers.at_mut(previous as usize) {
            Some(entry) => entry.next = next,
            None => self.lists[list].first = next,
        }
        match self.timers.at_mut(next as usize) {
            Some(entry) => entry.previous = previous,
            None => self.lists[list].last = previous,
        }
        if self.lists[list].first == NIL {
            self.mark_empty(list);
        }
    }

    fn mark_empty(&mut self, list: usize) {
        self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
    }
}
