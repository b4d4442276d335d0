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

use std::fmt;

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

/// No entry: the end of a list.
const NIL: u32 = u32::MAX;

/// Names one timer of one [`Wheel`].
///
/// An id that is kept for too long finds nothing, and not the next timer that uses the same entry:
/// the generation tells them apart (until one entry has been used 2³² times).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

impl TimerId {
    /// The id as one number: the generation in the upper half, the index of the entry in the lower.
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }
}

/// A timer, or a free entry (`value` is `None`, and `next` leads to the next free one).
struct Entry<T> {
    /// How often this entry has been freed.
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
    const EMPTY: List = List {
        first: NIL,
        last: NIL,
    };

    fn is_empty(self) -> bool {
        self.first == NIL
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
    /// Every timer, at an index that does not change while it is armed.
    entries: Vec<Entry<T>>,
    /// The first free entry, or [`NIL`].
    free: u32,
    /// How many entries are timers.
    armed: usize,
    /// The slots of all levels, then [`FAR`], then [`DUE`].
    lists: [List; DUE + 1],
    /// Which lists are not empty: one word for each level, and one for [`FAR`] and [`DUE`].
    occupied: [u64; LEVELS + 1],
}

impl<T> Wheel<T> {
    /// An empty wheel at tick 0. It allocates nothing before the first timer.
    pub const fn new() -> Self {
        Wheel {
            now: 0,
            entries: Vec::new(),
            free: NIL,
            armed: 0,
            lists: [List::EMPTY; DUE + 1],
            occupied: [0; LEVELS + 1],
        }
    }

    /// Arms a timer for a tick; if that is not later than [`now`](Self::now), it is due at once.
    ///
    /// Whoever turns an instant into a tick rounds up, so that nothing fires early (I9).
    ///
    /// # Panics
    ///
    /// When 2³² − 1 timers are armed already.
    pub fn insert(&mut self, deadline_tick: u64, value: T) -> TimerId {
        let index = self.take_free_entry();
        let entry = &mut self.entries[index as usize];
        entry.deadline_tick = deadline_tick;
        entry.value = Some(value);
        let generation = entry.generation;
        self.armed += 1;
        self.link(index);
        TimerId { index, generation }
    }

    /// Disarms a timer and gives its value back, also when it is due but has not been popped.
    ///
    /// `None` if the timer has been popped or cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        self.entry(id)?;
        self.unlink(id.index);
        self.release(id.index)
    }

    /// Gives a timer a new deadline, as cancelling and inserting would, but keeps its id and value.
    ///
    /// One that is due but has not been popped is taken back. False if it was popped or cancelled.
    pub fn rearm(&mut self, id: TimerId, deadline_tick: u64) -> bool {
        if self.entry(id).is_none() {
            return false;
        }
        self.unlink(id.index);
        self.entries[id.index as usize].deadline_tick = deadline_tick;
        self.link(id.index);
        true
    }

    /// The value of a timer that has been neither popped nor cancelled.
    pub fn get(&self, id: TimerId) -> Option<&T> {
        self.entry(id)?.value.as_ref()
    }

    /// The value of a timer that has been neither popped nor cancelled, to change it.
    pub fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        let is_same = entry.generation == id.generation;
        entry.value.as_mut().filter(|_| is_same)
    }

    /// The tick for which a timer was armed, if it has been neither popped nor cancelled.
    pub fn deadline(&self, id: TimerId) -> Option<u64> {
        self.entry(id).map(|entry| entry.deadline_tick)
    }

    /// The tick at which [`advance`](Self::advance) has something to do: how long the loop may
    /// sleep. Constant time.
    ///
    /// It is never later than the earliest deadline: it is that deadline when now lies in the same
    /// block of 64 ticks, and else a cascade on the way there. Whoever sleeps until this tick,
    /// advances and asks again reaches any timer of the span after at most six sleeps. `Some(now)`
    /// when a timer is due.
    pub fn next_expiry(&self) -> Option<u64> {
        if self.lists[DUE].is_empty() {
            self.next_stop().map(|(tick, _)| tick)
        } else {
            Some(self.now)
        }
    }

    /// The deadline of the timer that [`pop_expired`](Self::pop_expired) will hand out next, now or
    /// when its time has come.
    ///
    /// Unlike [`next_expiry`](Self::next_expiry) it is exact, and for that looks at every timer of
    /// one slot unless that slot is in the lowest level. A virtual clock jumps to it.
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.lists[DUE].is_empty() {
            return self.deadlines_in(DUE).next();
        }
        match self.next_stop()? {
            (tick, list) if list < SLOTS => Some(tick),
            (_, list) => self.deadlines_in(list).min(),
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
                let first = self.deadlines_in(FAR).fold(now_tick, u64::min);
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
        let index = self.lists[DUE].first;
        let entry = self.entries.get(index as usize)?;
        let (generation, deadline_tick) = (entry.generation, entry.deadline_tick);
        self.unlink(index);
        let value = self.release(index)?;
        Some((TimerId { index, generation }, deadline_tick, value))
    }

    /// How many timers are armed, with those that are due but have not been popped.
    pub const fn len(&self) -> usize {
        self.armed
    }

    /// Whether no timer is armed.
    pub const fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// The tick up to which time has moved.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Every timer that [`len`](Self::len) counts, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (TimerId, u64, &T)> {
        self.entries.iter().zip(0..).filter_map(|(entry, index)| {
            let generation = entry.generation;
            let value = entry.value.as_ref()?;
            Some((TimerId { index, generation }, entry.deadline_tick, value))
        })
    }

    /// Disarms every timer and returns the values, in no particular order; all ids are stale
    /// afterwards.
    ///
    /// They are returned and not dropped so that the caller can first end its borrow of the wheel:
    /// the drop of a value may run code that wants the wheel (I4).
    #[must_use = "drop the values where no borrow of the wheel is held"]
    pub fn drain(&mut self) -> Vec<T> {
        self.lists = [List::EMPTY; DUE + 1];
        self.occupied = [0; LEVELS + 1];
        (0..self.entries.len() as u32)
            .filter_map(|index| self.release(index))
            .collect()
    }

    fn entry(&self, id: TimerId) -> Option<&Entry<T>> {
        let entry = self.entries.get(id.index as usize)?;
        (entry.generation == id.generation && entry.value.is_some()).then_some(entry)
    }

    /// The deadlines in a list, from front to back.
    fn deadlines_in(&self, list: usize) -> impl Iterator<Item = u64> {
        let mut next = self.lists[list].first;
        std::iter::from_fn(move || {
            let entry = self.entries.get(next as usize)?;
            next = entry.next;
            Some(entry.deadline_tick)
        })
    }

    /// The next tick, always later than now, at which a list has to be filed again, and that list.
    fn next_stop(&self) -> Option<(u64, usize)> {
        // The first level that is not empty has the next timer, in its lowest occupied slot.
        for (level, &word) in self.occupied[..LEVELS].iter().enumerate() {
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
        (!self.lists[FAR].is_empty()).then(|| (((self.now >> SPAN_BITS) + 1) << SPAN_BITS, FAR))
    }

    /// Empties a list and links its timers, in their order, where they belong now.
    fn file_again(&mut self, list: usize) {
        let mut next = self.lists[list].first;
        self.lists[list] = List::EMPTY;
        self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        while next != NIL {
            let index = next;
            next = self.entries[index as usize].next;
            self.link(index);
        }
    }

    /// Appends an entry to the list where its deadline belongs.
    fn link(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let list = list_for(self.now, entry.deadline_tick);
        let last = self.lists[list].last;
        entry.previous = last;
        entry.next = NIL;
        self.lists[list].last = index;
        if last == NIL {
            self.lists[list].first = index;
            self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
        } else {
            self.entries[last as usize].next = index;
        }
    }

    /// Takes an entry out of the list it is in.
    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let list = list_for(self.now, entry.deadline_tick);
        let (previous, next) = (entry.previous, entry.next);
        match previous {
            NIL => self.lists[list].first = next,
            _ => self.entries[previous as usize].next = next,
        }
        match next {
            NIL => self.lists[list].last = previous,
            _ => self.entries[next as usize].previous = previous,
        }
        if self.lists[list].is_empty() {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    /// An entry that is not in use and in no list: one that was freed, or a new one.
    fn take_free_entry(&mut self) -> u32 {
        if self.free != NIL {
            let index = self.free;
            self.free = self.entries[index as usize].next;
            return index;
        }
        assert!(
            self.entries.len() < NIL as usize,
            "arming a timer: no index is left to name it"
        );
        self.entries.push(Entry {
            generation: 0,
            previous: NIL,
            next: NIL,
            deadline_tick: 0,
            value: None,
        });
        (self.entries.len() - 1) as u32
    }

    /// Frees an unlinked entry and returns its value; `None`, and no change, if it was free.
    fn release(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        self.armed -= 1;
        Some(value)
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
            .field("armed", &self.armed)
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
mod tests {
    use super::*;

    const SPAN: u64 = 1 << SPAN_BITS;

    /// The values that are due, in the order in which they are handed out.
    fn pop_all<T>(wheel: &mut Wheel<T>) -> Vec<T> {
        std::iter::from_fn(|| wheel.pop_expired())
            .map(|(_, _, value)| value)
            .collect()
    }

    #[test]
    fn a_timer_is_filed_by_the_highest_digit_that_differs() {
        let at = |level2: u64, level1: u64, level0: u64| (level2 * 64 + level1) * 64 + level0;
        let now = at(0, 3, 10);
        assert_eq!(list_for(now, at(0, 3, 40)), 40);
        assert_eq!(list_for(now, at(0, 7, 5)), SLOTS + 7);
        assert_eq!(list_for(now, at(2, 0, 0)), 2 * SLOTS + 2);
        assert_eq!(list_for(now, now), DUE);
        assert_eq!(list_for(now, SPAN - 1), 5 * SLOTS + 63);
        assert_eq!(list_for(now, SPAN), FAR);
    }

    #[test]
    fn i09_a_timer_fires_at_its_tick_and_not_before() {
        for deadline in [
            1,
            63,
            64,
            65,
            4_095,
            4_096,
            262_145,
            SPAN - 1,
            SPAN,
            SPAN + 1,
            5 * SPAN + 77,
            u64::MAX,
        ] {
            let mut wheel = Wheel::new();
            wheel.insert(deadline, ());
            wheel.advance(deadline - 1);
            assert!(
                wheel.pop_expired().is_none(),
                "the timer for {deadline} fired early"
            );
            wheel.advance(deadline);
            assert!(
                wheel.pop_expired().is_some(),
                "the timer for {deadline} did not fire"
            );
        }
    }

    #[test]
    fn i09_time_never_goes_backwards() {
        let mut wheel = Wheel::new();
        wheel.advance(100);
        wheel.insert(120, ());
        wheel.advance(50);
        assert_eq!((wheel.now(), wheel.next_expiry()), (100, Some(120)));
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_arming_across_levels() {
        let mut wheel = Wheel::new();
        wheel.insert(5_000, "armed when the deadline was at level 2");
        wheel.advance(4_999);
        wheel.insert(5_000, "armed when it was at level 0");
        wheel.advance(5_000);
        wheel.insert(5_000, "armed when it was due");
        assert_eq!(
            pop_all(&mut wheel),
            [
                "armed when the deadline was at level 2",
                "armed when it was at level 0",
                "armed when it was due"
            ]
        );
    }

    #[test]
    fn far_timers_come_out_sorted_when_time_jumps_over_all_of_them() {
        let mut wheel = Wheel::new();
        for spans in [9, 3, 1_000_000, 7, 3] {
            wheel.insert(spans * SPAN + 5, spans);
        }
        wheel.advance(u64::MAX);
        assert_eq!(pop_all(&mut wheel), [3, 3, 7, 9, 1_000_000]);
    }

    #[test]
    fn a_timer_that_is_due_can_still_be_cancelled_or_put_off() {
        let mut wheel = Wheel::new();
        let cancelled = wheel.insert(10, "cancelled");
        let put_off = wheel.insert(10, "put off");
        wheel.insert(10, "neither");
        wheel.advance(10);
        assert_eq!(wheel.cancel(cancelled), Some("cancelled"));
        assert!(wheel.rearm(put_off, 11));
        assert_eq!(pop_all(&mut wheel), ["neither"]);
        wheel.advance(11);
        assert_eq!(pop_all(&mut wheel), ["put off"]);
    }

    #[test]
    fn an_id_does_not_name_the_next_user_of_its_entry() {
        let mut wheel = Wheel::new();
        let stale = wheel.insert(10, "first");
        wheel.cancel(stale);
        let fresh = wheel.insert(20, "second");
        assert_eq!(stale.index, fresh.index);
        assert_eq!(wheel.cancel(stale), None);
        assert!(!wheel.rearm(stale, 5));
        assert!(wheel.get(stale).is_none() && wheel.get_mut(stale).is_none());
        assert_eq!(wheel.deadline(stale), None);
        assert_eq!(
            (wheel.get(fresh), wheel.deadline(fresh)),
            (Some(&"second"), Some(20))
        );
        assert_ne!(stale.as_u64(), fresh.as_u64());
    }

    #[test]
    fn entries_are_used_again() {
        let mut wheel = Wheel::new();
        for tick in 0..1_000 {
            let cancelled = wheel.insert(tick + 90, ());
            wheel.insert(tick + 1, ());
            wheel.cancel(cancelled);
            wheel.advance(tick + 1);
            assert!(wheel.pop_expired().is_some());
        }
        assert_eq!(wheel.entries.len(), 2);
    }

    #[test]
    fn a_sleeper_wakes_at_most_once_a_level() {
        let mut wheel = Wheel::new();
        wheel.advance(SPAN - 2_000_000_000);
        wheel.insert(SPAN - 1, ());
        let mut sleeps = 0;
        while wheel.pop_expired().is_none() {
            assert!(sleeps < LEVELS, "still asleep at tick {}", wheel.now());
            let tick = wheel.next_expiry().expect("a timer is armed");
            wheel.advance(tick);
            sleeps += 1;
        }
        assert_eq!(wheel.now(), SPAN - 1);
    }

    #[test]
    fn draining_gives_back_every_value_and_makes_every_id_stale() {
        let mut wheel = Wheel::new();
        let ids = [5, 500, 50_000, u64::MAX].map(|tick| wheel.insert(tick, tick));
        wheel.advance(5);
        let mut values = wheel.drain();
        values.sort_unstable();
        assert_eq!(values, [5, 500, 50_000, u64::MAX]);
        assert!(ids.iter().all(|&id| wheel.cancel(id).is_none()));
        assert_eq!((wheel.len(), wheel.next_expiry()), (0, None));
        wheel.insert(6, 6);
        wheel.advance(u64::MAX);
        assert_eq!(pop_all(&mut wheel), [6]);
    }
}
