//! The timer wheel: which timers are armed, and which of them are due.
//!
//! It is a data structure and nothing else: it has no clock, for [`Wheel::advance`] is told the time
//! in *ticks* of one millisecond, and no wakers, for a timer carries a value of any type.
//!
//! # Why a wheel
//!
//! A server arms a timer for nearly everything it waits for, and cancels nearly all of them because
//! the answer came in time. So *arm* and *cancel* are what to make cheap; firing is the exception. A
//! binary heap takes O(log n) steps to arm, and to cancel a search, or a tombstone that stays until
//! its time comes. A wheel takes a constant number of steps: it does not sort timers, it files them.
//!
//! The simplest wheel has a list for each tick to come, and would need 69 billion of them to look
//! two years ahead. The *hierarchical* wheel (Varghese and Lauck, "Hashed and Hierarchical Timing
//! Wheels", SOSP 1987) files what is near by the millisecond and what is far ever more coarsely,
//! like a diary with a page for each hour of today, each day of this month, each month of this year:
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
//! Write the tick numbers in base 64, so that each level is one digit. A timer's level is the
//! highest digit in which its deadline differs from now, and its slot is the value of that digit in
//! the deadline:
//!
//! ```text
//!     level         2  1  0
//!     now           0: 3:10
//!     deadline      0: 3:40    differs first at level 0: level 0, slot 40
//!     deadline      0: 7:05    differs first at level 1: level 1, slot 7
//!     deadline      2: 0:00    differs first at level 2: level 2, slot 2
//! ```
//!
//! When now reaches `0:7:00`, slot 7 of level 1 is emptied and its timers are filed again: `0:7:05`
//! goes to level 0, slot 5. That is a *cascade*, and it happens to a timer at most once a level. Two
//! lists stand outside the levels: *due* has the timers whose deadline is not later than now, *far*
//! those that differ from now above the highest digit, to be filed again when the top level is over.
//!
//! Four things follow, and the rest of this file lives on them:
//!
//! * A timer's list is a function of now and its deadline, so it need not be stored: cancelling
//!   unlinks the timer from a list that is computed.
//! * A slot of a level that holds a timer always lies ahead of now's own digit, so the lowest
//!   occupied slot of a level is its earliest. One 64-bit word a level says which slots are
//!   occupied; a gap is skipped by counting zero bits.
//! * All timers of a level are earlier than all timers of the levels above, because the latter
//!   differ from now in a higher digit. The first level that is not empty has the next timer.
//! * Timers with equal deadlines are always in the same list. Lists are filed in at the back and
//!   emptied from the front, so such timers fire in the order in which they were armed.

mod lists;

use std::fmt;

use lists::Lists;

/// How many bits of a tick number make one digit: one level.
const DIGIT_BITS: u32 = 6;
/// Slots in a level: the values of one digit.
const SLOTS: usize = 1 << DIGIT_BITS;
/// Levels: digits of a tick number that the wheel tells apart.
const LEVELS: usize = 6;
/// How many low bits of a tick number the levels cover: the wheel's *span*, 2³⁶ ms or 2.2 years.
const SPAN_BITS: u32 = DIGIT_BITS * LEVELS as u32;

/// The list of timers beyond the span. It follows the slots: slot s of level l is `l * SLOTS + s`.
const FAR: usize = LEVELS * SLOTS;
/// The list of timers that are due and wait for [`Wheel::pop_expired`].
const DUE: usize = FAR + 1;

/// Names one timer of one [`Wheel`].
///
/// An id that is kept for too long finds nothing, and not the next timer that uses the same entry:
/// the generation tells them apart (until the wheel has had 2³² timers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    /// The entry.
    pub index: u32,
    /// The number of the timer among all that the wheel has had.
    pub generation: u32,
}

impl TimerId {
    /// The id as one number: the generation in the upper half, the index of the entry in the lower.
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }
}

/// A hierarchical timer wheel of six levels; see the [module](self) for how it works.
///
/// Arming, cancelling and re-arming take constant time, and allocate only when more timers are armed
/// than ever before.
///
/// ```
/// use glassloop::event_loop::wheel::Wheel;
///
/// let mut wheel = Wheel::new();
/// let request = wheel.insert(30_000, "the request took 30 s");
/// wheel.insert(500, "half a second");
/// wheel.insert(100, "a tenth of a second");
///
/// assert!(wheel.cancel(request).is_some()); // the answer came
/// assert_eq!(wheel.next_deadline(), Some(100));
///
/// wheel.advance(750);
/// let fired = std::iter::from_fn(|| wheel.pop_expired()).map(|(_, _, what)| what);
/// assert_eq!(fired.collect::<Vec<_>>(), ["a tenth of a second", "half a second"]);
/// ```
pub struct Wheel<T> {
    /// The current tick. Only `advance` changes it, and files again what then belongs elsewhere.
    now: u64,
    /// The timers, and the lists they are in: the slots of all levels, then [`FAR`], then [`DUE`].
    filed: Lists<T>,
}

impl<T> Wheel<T> {
    /// An empty wheel at tick 0. It allocates nothing before the first timer.
    pub const fn new() -> Self {
        Wheel { now: 0, filed: Lists::new() }
    }

    /// Arms a timer for a tick; if that is not later than [`now`](Self::now), it is due at once.
    ///
    /// Whoever turns an instant into a tick rounds up, so that nothing fires early (I9).
    ///
    /// # Panics
    ///
    /// When 2³² − 1 timers are armed already.
    pub fn insert(&mut self, deadline_tick: u64, value: T) -> TimerId {
        let id = self.filed.take_entry(deadline_tick, value);
        self.filed.append(list_for(self.now, deadline_tick), id.index);
        id
    }

    /// Disarms a timer and gives its value back, also when it is due but has not been popped.
    ///
    /// `None` if the timer has been popped or cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        self.take_out(id)?;
        self.filed.release(id.index)
    }

    /// Gives a timer a new deadline, as cancelling and inserting would, but keeps its id and value.
    ///
    /// One that is due but has not been popped is taken back. False if it was popped or cancelled.
    pub fn rearm(&mut self, id: TimerId, deadline_tick: u64) -> bool {
        if self.take_out(id).is_none() {
            return false;
        }
        self.filed.set_deadline(id.index, deadline_tick);
        self.filed.append(list_for(self.now, deadline_tick), id.index);
        true
    }

    /// Takes a timer out of its list, which is computed.
    fn take_out(&mut self, id: TimerId) -> Option<()> {
        let deadline_tick = self.deadline(id)?;
        self.filed.unlink(list_for(self.now, deadline_tick), id.index);
        Some(())
    }

    /// The value of a timer that has been neither popped nor cancelled.
    pub fn get(&self, id: TimerId) -> Option<&T> {
        self.filed.get(id).map(|(_, value)| value)
    }

    /// The value of a timer that has been neither popped nor cancelled, to change it.
    pub fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.filed.get_mut(id)
    }

    /// The tick for which a timer was armed, if it has been neither popped nor cancelled.
    pub fn deadline(&self, id: TimerId) -> Option<u64> {
        self.filed.get(id).map(|(deadline_tick, _)| deadline_tick)
    }

    /// The tick at which [`advance`](Self::advance) has something to do: how long the loop may
    /// sleep. Constant time.
    ///
    /// It is never later than the earliest deadline: it is that deadline when now lies in the same
    /// block of 64 ticks, and else a cascade on the way there. Whoever sleeps until this tick,
    /// advances and asks again reaches any timer of the span after at most six sleeps. `Some(now)`
    /// when a timer is due.
    pub fn next_expiry(&self) -> Option<u64> {
        match self.filed.first(DUE) {
            Some(_) => Some(self.now),
            None => self.next_stop().map(|(tick, _)| tick),
        }
    }

    /// The deadline of the timer that [`pop_expired`](Self::pop_expired) will hand out next, now or
    /// when its time has come.
    ///
    /// Unlike [`next_expiry`](Self::next_expiry) it is exact, and for that looks at every timer of
    /// one slot unless that slot is in the lowest level. A virtual clock jumps to it.
    pub fn next_deadline(&self) -> Option<u64> {
        if let Some((_, deadline_tick)) = self.filed.first(DUE) {
            return Some(deadline_tick);
        }
        match self.next_stop()? {
            (tick, list) if list < SLOTS => Some(tick),
            (_, list) => self.filed.deadlines_in(list).min(),
        }
    }

    /// Moves time forward to `now_tick`. What becomes due waits to be [popped](Self::pop_expired).
    ///
    /// Time never goes backwards: a tick before [`now`](Self::now) changes nothing (I9). The work
    /// depends on how many timers become due or cascade, not on how far time moves.
    pub fn advance(&mut self, now_tick: u64) {
        while let Some((tick, list)) = self.next_stop()
            && tick <= now_tick
        {
            debug_assert!(tick > self.now, "a timer was left behind at tick {tick}");
            // Spans without a timer are skipped. That looks at all far timers, once in 2.2 years.
            self.now = if list == FAR {
                let first = self.filed.deadlines_in(FAR).fold(now_tick, u64::min);
                first >> SPAN_BITS << SPAN_BITS
            } else {
                tick
            };
            self.file_again(list);
        }
        self.now = self.now.max(now_tick);
    }

    /// Takes out one timer that is due: its id (stale from now on), its deadline and its value.
    ///
    /// One at a time, so that the caller can end its borrow of the wheel before it wakes anybody
    /// (I4). Timers come in the order of their deadlines, and those with equal deadlines in the
    /// order in which they were armed or last re-armed; a timer armed for the past counts as armed
    /// for the tick at which that was done. A caller that arms such timers while it pops finds them
    /// here as well.
    pub fn pop_expired(&mut self) -> Option<(TimerId, u64, T)> {
        let (id, deadline_tick) = self.filed.first(DUE)?;
        self.filed.unlink(DUE, id.index);
        let value = self.filed.release(id.index)?;
        Some((id, deadline_tick, value))
    }

    /// How many timers are armed, with those that are due but have not been popped.
    pub const fn len(&self) -> usize {
        self.filed.in_use()
    }

    /// Whether no timer is armed.
    pub const fn is_empty(&self) -> bool {
        self.filed.in_use() == 0
    }

    /// The tick up to which time has moved.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Every timer that [`len`](Self::len) counts, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (TimerId, u64, &T)> {
        self.filed.iter()
    }

    /// Disarms every timer and returns the values, in no particular order; all ids are stale
    /// afterwards.
    ///
    /// They are returned and not dropped so that the caller can first end its borrow of the wheel:
    /// the drop of a value may run code that wants the wheel (I4).
    #[must_use = "drop the values where no borrow of the wheel is held"]
    pub fn drain(&mut self) -> Vec<T> {
        self.filed.drain()
    }

    /// The next tick, always later than now, at which a list has to be filed again, and that list.
    fn next_stop(&self) -> Option<(u64, usize)> {
        // The first level that is not empty has the next timer, in its lowest occupied slot.
        for level in 0..LEVELS {
            let word = self.filed.occupied(level);
            if word != 0 {
                let slot = word.trailing_zeros();
                let shift = DIGIT_BITS * level as u32;
                // Now's digits above this level, then the slot, then zeros.
                let level_start = self.now >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
                let tick = level_start | u64::from(slot) << shift;
                return Some((tick, level * SLOTS + slot as usize));
            }
        }
        // There is a next span, since far timers lie beyond this one: the addition cannot overflow.
        self.filed.first(FAR).map(|_| (((self.now >> SPAN_BITS) + 1) << SPAN_BITS, FAR))
    }

    /// Empties a list and links its timers, in their order, where they belong now.
    fn file_again(&mut self, list: usize) {
        let mut next = self.filed.cut_off(list);
        while let Some((index, deadline_tick)) = next {
            next = self.filed.after(index);
            self.filed.append(list_for(self.now, deadline_tick), index);
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
            .field("armed", &self.len())
            .field("next_expiry", &self.next_expiry())
            .finish_non_exhaustive()
    }
}

/// The list in which a timer is, given the tick `now`: see "Where a timer is" in the
/// [module](self).
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
