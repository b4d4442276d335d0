//! The timers and the lists they are in: which list a timer belongs to is for the wheel to say.
//!
//! The entries lie in one vector and are linked by index, so that a timer is taken out of the middle of its list in a
//! constant number of steps, and a freed entry is used again. Lists come in groups of 64, and a word for each group says
//! which of its lists are not empty.

use super::{DUE, LEVELS, SLOTS, TimerId};

/// No entry: the end of a list.
const NIL: u32 = u32::MAX;

/// A timer, or a free entry (`value` is `None`, and `next` leads to the next free one).
struct Entry<T> {
    /// The number of the timer that is here, or was last.
    generation: u32,
    /// The neighbours in the list, or [`NIL`].
    previous: u32,
    next: u32,
    deadline_tick: u64,
    value: Option<T>,
}

/// The two ends of a doubly linked list through the entries: [`NIL`] both, or neither.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: List = List { first: NIL, last: NIL };
}

/// Timers in lists.
pub(super) struct Lists<T> {
    /// Every timer, at an index that does not change while it is armed.
    entries: Vec<Entry<T>>,
    /// The first free entry, or [`NIL`].
    free: u32,
    /// How many entries are timers.
    in_use: usize,
    /// How many timers there have been.
    taken: u32,
    lists: [List; DUE + 1],
    /// Which lists are not empty: one word for each group of 64.
    occupied: [u64; LEVELS + 1],
}

impl<T> Lists<T> {
    pub(super) const fn new() -> Self {
        Lists {
            entries: Vec::new(),
            free: NIL,
            in_use: 0,
            taken: 0,
            lists: [List::EMPTY; DUE + 1],
            occupied: [0; LEVELS + 1],
        }
    }

    // -- Entries ------------------------------------------------------------------------------------------------

    /// How many entries are timers.
    pub(super) const fn in_use(&self) -> usize {
        self.in_use
    }

    /// How many entries there are, used and free.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Puts a timer into an entry that is free, or new. It is in no list yet.
    pub(super) fn take_entry(&mut self, deadline_tick: u64, value: T) -> TimerId {
        self.taken = self.taken.wrapping_add(1);
        self.in_use += 1;
        let generation = self.taken;
        let new = Entry { generation, previous: NIL, next: NIL, deadline_tick, value: Some(value) };
        if self.free != NIL {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            self.free = entry.next;
            *entry = new;
            return TimerId { index, generation };
        }
        let index = self.entries.len() as u32;
        assert!(index < NIL, "arming a timer: no index is left to name it");
        self.entries.push(new);
        TimerId { index, generation }
    }

    /// Frees an unlinked entry and returns its value; `None`, and no change, if it was free.
    pub(super) fn release(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        let value = entry.value.take()?;
        entry.next = self.free;
        self.free = index;
        self.in_use -= 1;
        Some(value)
    }

    /// A timer's deadline and value, if the id is not stale.
    pub(super) fn get(&self, id: TimerId) -> Option<(u64, &T)> {
        let entry = self.entries.get(id.index as usize)?;
        let value = entry.value.as_ref()?;
        (entry.generation == id.generation).then_some((entry.deadline_tick, value))
    }

    /// A timer's value, if the id is not stale.
    pub(super) fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.generation == id.generation { entry.value.as_mut() } else { None }
    }

    /// Changes the deadline of an unlinked timer.
    pub(super) fn set_deadline(&mut self, index: u32, deadline_tick: u64) {
        self.entries[index as usize].deadline_tick = deadline_tick;
    }

    /// Every timer, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TimerId, u64, &T)> {
        self.entries.iter().zip(0..).filter_map(|(entry, index)| {
            let id = TimerId { index, generation: entry.generation };
            Some((id, entry.deadline_tick, entry.value.as_ref()?))
        })
    }

    /// Empties all lists and entries and returns the values.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.lists = [List::EMPTY; DUE + 1];
        self.occupied = [0; LEVELS + 1];
        (0..self.entries.len() as u32).filter_map(|index| self.release(index)).collect()
    }

    // -- Lists --------------------------------------------------------------------------------------------------

    /// Which lists of a group are not empty.
    pub(super) fn occupied(&self, group: usize) -> u64 {
        self.occupied[group]
    }

    /// The timer at the front of a list, and its deadline.
    pub(super) fn first(&self, list: usize) -> Option<(TimerId, u64)> {
        let index = self.lists[list].first;
        let entry = self.entries.get(index as usize)?;
        Some((TimerId { index, generation: entry.generation }, entry.deadline_tick))
    }

    /// The deadlines in a list, from front to back.
    pub(super) fn deadlines_in(&self, list: usize) -> impl Iterator<Item = u64> {
        let mut next = self.at(self.lists[list].first);
        std::iter::from_fn(move || {
            let (index, deadline_tick) = next?;
            next = self.after(index);
            Some(deadline_tick)
        })
    }

    /// Makes a list empty. Its entries stay linked to each other: the first, and [`after`](Self::after) it the others.
    pub(super) fn cut_off(&mut self, list: usize) -> Option<(u32, u64)> {
        let first = std::mem::replace(&mut self.lists[list], List::EMPTY).first;
        self.mark_empty(list);
        self.at(first)
    }

    /// The entry behind another, and its deadline.
    pub(super) fn after(&self, index: u32) -> Option<(u32, u64)> {
        self.at(self.entries[index as usize].next)
    }

    fn at(&self, index: u32) -> Option<(u32, u64)> {
        self.entries.get(index as usize).map(|entry| (index, entry.deadline_tick))
    }

    /// Puts an entry that is in no list at the back of one.
    pub(super) fn append(&mut self, list: usize, index: u32) {
        let last = std::mem::replace(&mut self.lists[list].last, index);
        let entry = &mut self.entries[index as usize];
        entry.previous = last;
        entry.next = NIL;
        if last == NIL {
            self.lists[list].first = index;
            self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
        } else {
            self.entries[last as usize].next = index;
        }
    }

    /// Takes an entry out of the list it is in.
    pub(super) fn unlink(&mut self, list: usize, index: u32) {
        let entry = &self.entries[index as usize];
        let (previous, next) = (entry.previous, entry.next);
        match previous {
            NIL => self.lists[list].first = next,
            _ => self.entries[previous as usize].next = next,
        }
        match next {
            NIL => self.lists[list].last = previous,
            _ => self.entries[next as usize].previous = previous,
        }
        if self.lists[list].first == NIL {
            self.mark_empty(list);
        }
    }

    fn mark_empty(&mut self, list: usize) {
        self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
    }
}
