//! A table whose entries are identified by an index and a generation, so that an id that outlives its entry matches nothing.
//!
//! The event loop keeps its tasks, sources, jobs and timers in such tables, and [`sync`](crate::sync) its waker counts.
//! An index is used again after its entry has been removed; the generation distinguishes the entries that have had the
//! same index. It counts the insertions into the table, and is the number that is displayed ("task 7").
//!
//! After 2³² − 1 insertions the generations start again at 1. An id from before would then match an entry that has the
//! same index and was inserted exactly 2³² − 1 insertions later; nothing in this crate keeps ids for so long.

use std::marker::PhantomData;

use slab::Slab;

/// An id that consists of an index and a generation.
pub(crate) trait TableId: Copy {
    /// Combines an index and a generation.
    fn from_parts(index: u32, generation: u32) -> Self;

    /// Returns the index and the generation.
    fn parts(self) -> (u32, u32);
}

/// A table of values of type `T`, identified by ids of type `Id`.
pub(crate) struct Table<Id, T> {
    entries: Slab<Entry<T>>,
    /// The generation of the next entry.
    next_generation: u32,
    ids: PhantomData<Id>,
}

struct Entry<T> {
    generation: u32,
    value: T,
}

impl<Id: TableId, T> Table<Id, T> {
    /// Creates an empty table, which allocates nothing before its first entry. The first generation is 1.
    pub(crate) const fn new() -> Table<Id, T> {
        Table::starting_at(1)
    }

    /// Creates an empty table with this first generation.
    pub(crate) const fn starting_at(generation: u32) -> Table<Id, T> {
        Table { entries: Slab::new(), next_generation: generation, ids: PhantomData }
    }

    /// Inserts a value that may depend on its own id.
    ///
    /// # Panics
    /// If there are 2³² entries.
    #[inline]
    pub(crate) fn insert_with(&mut self, value: impl FnOnce(Id) -> T) -> Id {
        let generation = self.next_generation;
        let vacant = self.entries.vacant_entry();
        let index = u32::try_from(vacant.key()).expect("a table has at most 2³² entries");
        let id = Id::from_parts(index, generation);
        vacant.insert(Entry { generation, value: value(id) });
        self.next_generation = generation.checked_add(1).unwrap_or(1);
        id
    }

    /// Inserts a value.
    pub(crate) fn insert(&mut self, value: T) -> Id {
        self.insert_with(|_| value)
    }

    /// Returns the value, unless the entry has been removed.
    #[inline]
    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        let (index, generation) = id.parts();
        self.entries.get(index as usize).filter(|entry| entry.generation == generation).map(|entry| &entry.value)
    }

    /// Returns the value for modification, unless the entry has been removed.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (index, generation) = id.parts();
        let entry = self.entries.get_mut(index as usize).filter(|entry| entry.generation == generation);
        entry.map(|entry| &mut entry.value)
    }

    /// Removes an entry and returns its value, unless it has been removed before.
    ///
    /// If dropping the value may run arbitrary code, end the borrow of the table first (I4).
    #[inline]
    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        self.get(id)?;
        Some(self.entries.remove(id.parts().0 as usize).value)
    }

    /// Returns the entry that has this index now, whatever its generation, with its id.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> Option<(Id, &T)> {
        self.entries.get(index).map(|entry| (Id::from_parts(index as u32, entry.generation), &entry.value))
    }

    /// Returns the value that has this index now, for modification.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<&mut T> {
        self.entries.get_mut(index).map(|entry| &mut entry.value)
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns all entries, in the order of their indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.entries.iter().map(|(index, entry)| (Id::from_parts(index as u32, entry.generation), &entry.value))
    }

    /// Removes all entries and returns their values. The generations continue, so ids from before match nothing.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        std::mem::take(&mut self.entries).into_iter().map(|(_, entry)| entry.value).collect()
    }
}

impl<Id: TableId, T> Default for Table<Id, T> {
    fn default() -> Self {
        Table::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, TableId};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Id(u32, u32);

    impl TableId for Id {
        fn from_parts(index: u32, generation: u32) -> Id {
            Id(index, generation)
        }

        fn parts(self) -> (u32, u32) {
            (self.0, self.1)
        }
    }

    #[test]
    fn an_id_matches_nothing_after_its_entry_was_removed() {
        let mut table: Table<Id, &str> = Table::new();
        let first = table.insert("first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!((first, second), (Id(0, 1), Id(0, 2)));
        assert!(table.get(first).is_none() && table.get_mut(first).is_none() && table.remove(first).is_none());
        assert_eq!((table.get(second), table.at(0)), (Some(&"second"), Some((second, &"second"))));
    }

    #[test]
    fn generations_start_again_at_1() {
        let mut table: Table<Id, ()> = Table::starting_at(u32::MAX);
        let generations = [(); 2].map(|()| table.insert(()).1);
        assert_eq!(generations, [u32::MAX, 1]);
    }

    #[test]
    fn a_table_that_was_drained_continues_with_the_next_generation() {
        let mut table: Table<Id, u8> = Table::new();
        let (first, _) = (table.insert(1), table.insert(2));
        assert_eq!((table.drain(), table.len()), (vec![1, 2], 0));
        assert_eq!(table.get(first), None);
        assert_eq!(table.insert_with(|id| id.1 as u8), Id(0, 3));
    }
}
