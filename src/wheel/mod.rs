//! A hierarchical timer wheel: stores timers by deadline, and returns those that are due.
//!
//! The wheel is only a data structure. It has no clock: [`Wheel::advance`] is passed the time, in *ticks* of one
//! millisecond. It has no wakers either: a timer carries a value of any type.
//!
//! # Why a wheel
//!
//! A server sets a timer for nearly every wait, and cancels nearly all of them because the response came in time. So
//! setting and cancelling must be cheap; expiry is the exception. In a binary heap, setting a timer takes O(log n)
//! steps, and cancelling one takes a search, or leaves a tombstone until the deadline. In a wheel both take constant
//! time, because timers are only sorted into slots.
//!
//! A wheel with one slot per tick would need 69 billion slots to cover two years. A *hierarchical* wheel (Varghese and
//! Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987) has several levels of 64 slots each, and the slots of each
//! level cover 64 times as many ticks as those of the level below:
//!
//! | level | one slot covers | the 64 slots cover |
//! | ----- | --------------- | ------------------ |
//! | 0     | 1 ms            | 64 ms              |
//! | 1     | 64 ms           | 4.1 s              |
//! | 2     | 4.1 s           | 4.4 min            |
//! | 3     | 4.4 min         | 4.7 h              |
//! | 4     | 4.7 h           | 12.4 days          |
//! | 5     | 12.4 days       | 2.2 years          |
//!
//! # Where a timer is
//!
//! Write the tick numbers in base 64, so that each level is one digit. A timer's level is the highest digit in which its
//! deadline differs from now, and its slot is the value of that digit in the deadline:
//!
//! ```text
//!     level         2  1  0
//!     now           0: 3:10
//!     deadline      0: 3:40    differs first at level 0: level 0, slot 40
//!     deadline      0: 7:05    differs first at level 1: level 1, slot 7
//!     deadline      2: 0:00    differs first at level 2: level 2, slot 2
//! ```
//!
//! When now reaches `0:7:00`, the timers of slot 7 of level 1 are moved to lower levels: `0:7:05` goes to level 0, slot
//! 5. This is called a *cascade*, and happens to a timer at most once per level. Two more lists are outside the levels:
//! *due* contains the timers whose deadline is not later than now, and *far* those whose deadline differs from now above
//! the highest digit. The far timers cascade when that part of now changes, once in 2.2 years.
//!
//! The implementation relies on four consequences:
//!
//! * The list of a timer is a function of now and its deadline, so it need not be stored: cancelling computes it.
//! * An occupied slot of a level always lies ahead of now's own digit, so the lowest occupied slot of a level is its
//!   earliest. One 64-bit word per level has a bit for each occupied slot; gaps are skipped by counting zero bits.
//! * All timers of a level are earlier than all timers of the levels above, because the latter differ from now in a
//!   higher digit. The first level that is not empty has the next timer.
//! * Timers with equal deadlines are always in the same list. Lists are filled at the back and emptied from the front,
//!   so such timers expire in the order in which they were set.

mod lists;

use std::fmt;

use lists::Lists;

use crate::observe::TimerId;

/// The number of bits of a tick number that form one digit, and so one level.
const DIGIT_BITS: u32 = 6;
/// The number of slots in a level: the values of one digit.
const SLOTS: usize = 1 << DIGIT_BITS;
/// The number of levels.
const LEVELS: usize = 6;
/// The number of low bits of a tick number that the levels cover: the wheel's *span*, 2³⁶ ms or 2.2 years.
const SPAN_BITS: u32 = DIGIT_BITS * LEVELS as u32;

/// The list of timers beyond the span. It follows the slots: slot s of level l is `l * SLOTS + s`.
const FAR: usize = LEVELS * SLOTS;
/// The list of timers that are due and are returned by [`Wheel::pop_expired`].
const DUE: usize = FAR + 1;

/// A hierarchical timer wheel of six levels; see the [module](self) for how it works.
///
/// Setting, cancelling and resetting a timer take constant time, and allocate only when more timers are set than ever
/// before.
///
/// Invariant: `now` never decreases, and each timer is in the list that `list_for` computes (I9).
///
/// ```
/// use glassloop::wheel::Wheel;
///
/// let mut wheel = Wheel::new();
/// let request = wheel.insert(30_000, "the request took 30 s");
/// wheel.insert(500, "half a second");
/// wheel.insert(100, "a tenth of a second");
///
/// assert!(wheel.cancel(request).is_some()); // the response came in time
/// assert_eq!(wheel.next_deadline(), Some(100));
///
/// wheel.advance(750);
/// let fired = std::iter::from_fn(|| wheel.pop_expired()).map(|(_, _, what)| what);
/// assert_eq!(fired.collect::<Vec<_>>(), ["a tenth of a second", "half a second"]);
/// ```
pub struct Wheel<T> {
    /// The current tick. Only `advance` changes it; it also moves the timers that then belong to another list.
    now: u64,
    /// The timers in their lists: the slots of all levels, then [`FAR`], then [`DUE`].
    lists: Lists<T>,
}

impl<T> Wheel<T> {
    /// Creates an empty wheel at tick 0. It allocates nothing before the first timer.
    pub const fn new() -> Self {
        Wheel { now: 0, lists: Lists::new() }
    }

    /// Sets a timer for a tick; if that is not later than [`now`](Self::now), it is due at once.
    ///
    /// A caller that converts an instant to a tick must round up, so that no timer expires early (I9).
    ///
    /// # Panics
    ///
    /// If 2³² timers are set.
    pub fn insert(&mut self, deadline_tick: u64, value: T) -> TimerId {
        let id = self.lists.insert(deadline_tick, value);
        self.lists.append(list_for(self.now, deadline_tick), id.index);
        id
    }

    /// Cancels a timer and returns its value, even if it is due but has not been popped.
    ///
    /// Returns `None` if the timer has been popped or cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        self.unlink(id)?;
        self.lists.remove(id)
    }

    /// Changes the deadline of a timer, as cancelling and inserting would, but keeps its id and value.
    ///
    /// This includes a timer that is due but has not been popped. Returns `false` if it was popped or cancelled.
    pub fn rearm(&mut self, id: TimerId, deadline_tick: u64) -> bool {
        if self.unlink(id).is_none() {
            return false;
        }
        self.lists.set_deadline(id, deadline_tick);
        self.lists.append(list_for(self.now, deadline_tick), id.index);
        true
    }

    /// Removes a timer from its list, which is a function of now and the deadline.
    fn unlink(&mut self, id: TimerId) -> Option<()> {
        let deadline_tick = self.deadline(id)?;
        self.lists.unlink(list_for(self.now, deadline_tick), id.index);
        Some(())
    }

    /// Returns the value of a timer that has been neither popped nor cancelled.
    pub fn get(&self, id: TimerId) -> Option<&T> {
        self.lists.get(id).map(|(_, value)| value)
    }

    /// Returns the value of a timer that has been neither popped nor cancelled, for modification.
    pub fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.lists.get_mut(id)
    }

    /// Returns the deadline of a timer that has been neither popped nor cancelled.
    pub fn deadline(&self, id: TimerId) -> Option<u64> {
        self.lists.get(id).map(|(deadline_tick, _)| deadline_tick)
    }

    /// Returns the next tick at which [`advance`](Self::advance) moves a timer: until then the loop may block. Takes
    /// constant time.
    ///
    /// The tick is never later than the earliest deadline. If that deadline is in the same block of 64 ticks as now, the
    /// two are equal; otherwise it is the tick of the next cascade. A loop that blocks until this tick, advances, and
    /// repeats reaches any timer within the span after blocking at most six times. Returns `Some(now)` if a timer is due.
    pub fn next_expiry(&self) -> Option<u64> {
        match self.lists.first(DUE) {
            Some(_) => Some(self.now),
            None => self.next_nonempty_list().map(|(tick, _)| tick),
        }
    }

    /// Returns the deadline of the timer that [`pop_expired`](Self::pop_expired) will return next, now or later.
    ///
    /// Unlike [`next_expiry`](Self::next_expiry) it is exact, so it has to read all timers of one list, unless that list is a
    /// slot of the lowest level. A virtual clock jumps to this deadline.
    pub fn next_deadline(&self) -> Option<u64> {
        if let Some((_, deadline_tick)) = self.lists.first(DUE) {
            return Some(deadline_tick);
        }
        match self.next_nonempty_list()? {
            (tick, list) if list < SLOTS => Some(tick),
            (_, list) => self.lists.deadlines_in(list).min(),
        }
    }

    /// Moves time forward to `now_tick`. Timers that become due can then be [popped](Self::pop_expired).
    ///
    /// Time never goes backwards: a tick before [`now`](Self::now) changes nothing (I9). The work depends on the number
    /// of timers that become due or cascade, not on how far time moves.
    pub fn advance(&mut self, now_tick: u64) {
        while let Some((tick, list)) = self.next_nonempty_list()
            && tick <= now_tick
        {
            debug_assert!(tick > self.now, "a timer was missed at tick {tick}");
            // Spans without a timer are skipped. To find the next one, all far timers are read, once in 2.2 years.
            self.now = if list == FAR {
                let first = self.lists.deadlines_in(FAR).fold(now_tick, u64::min);
                first >> SPAN_BITS << SPAN_BITS
            } else {
                tick
            };
            self.cascade(list);
        }
        self.now = self.now.max(now_tick);
    }

    /// Removes one timer that is due, and returns its id (which is stale from now on), its deadline and its value.
    ///
    /// It returns one at a time, so that the caller can end its borrow of the wheel before it calls a waker (I4). Timers
    /// are returned in the order of their deadlines, and those with equal deadlines in the order in which they were set
    /// or last reset. A timer whose deadline is in the past is ordered as if its deadline were the tick at which it was
    /// set. If the caller sets such timers between two calls, they are returned as well.
    pub fn pop_expired(&mut self) -> Option<(TimerId, u64, T)> {
        let (id, deadline_tick) = self.lists.first(DUE)?;
        self.lists.unlink(DUE, id.index);
        let value = self.lists.remove(id)?;
        Some((id, deadline_tick, value))
    }

    /// Returns the number of timers, including those that are due but have not been popped.
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Returns whether there are no timers.
    pub fn is_empty(&self) -> bool {
        self.lists.len() == 0
    }

    /// Returns the current tick.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Returns all timers that [`len`](Self::len) counts, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (TimerId, u64, &T)> {
        self.lists.iter()
    }

    /// Cancels all timers and returns their values, in no particular order.
    ///
    /// The values are returned and not dropped, so that the caller can first end its borrow of the wheel: the drop of a
    /// value may run code that borrows the wheel (I4).
    #[must_use = "drop the values where no borrow of the wheel is held"]
    pub fn drain(&mut self) -> Vec<T> {
        self.lists.drain()
    }

    /// Returns the first list whose timers are due or cascade next, and the tick at which they do, which is later than
    /// now.
    fn next_nonempty_list(&self) -> Option<(u64, usize)> {
        // The first level that is not empty has the next timer, in its lowest occupied slot.
        for level in 0..LEVELS {
            let word = self.lists.occupied(level);
            if word != 0 {
                let slot = word.trailing_zeros();
                let shift = DIGIT_BITS * level as u32;
                // Now's digits above this level, then the slot, then zeros.
                let level_start = self.now >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
                let tick = level_start | u64::from(slot) << shift;
                return Some((tick, level * SLOTS + slot as usize));
            }
        }
        // If there is a far timer, there is a later span, so the addition cannot overflow.
        self.lists.first(FAR).map(|_| (((self.now >> SPAN_BITS) + 1) << SPAN_BITS, FAR))
    }

    /// Moves the timers of a list, in their order, to the lists that they belong to now.
    fn cascade(&mut self, list: usize) {
        let mut next = self.lists.take_list(list);
        while let Some((index, deadline_tick)) = next {
            next = self.lists.after(index);
            self.lists.append(list_for(self.now, deadline_tick), index);
        }
    }
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Wheel<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Wheel")
            .field("now", &self.now)
            .field("timers", &self.len())
            .field("next_expiry", &self.next_expiry())
            .finish_non_exhaustive()
    }
}

/// Returns the list that a timer belongs to at the tick `now`: see "Where a timer is" in the [module](self).
fn list_for(now: u64, deadline_tick: u64) -> usize {
    if deadline_tick <= now {
        return DUE;
    }
    let highest_differing_bit = (now ^ deadline_tick).ilog2();
    if highest_differing_bit >= SPAN_BITS {
        return FAR;
    }
    let level = highest_differing_bit / DIGIT_BITS;
    let slot = deadline_tick >> (level * DIGIT_BITS) & (SLOTS as u64 - 1);
    level as usize * SLOTS + slot as usize
}

#[cfg(test)]
mod tests;
