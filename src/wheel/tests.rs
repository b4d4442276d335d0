//! Tests of single properties of the wheel. `tests/wheel_model.rs` compares it with a model.

use crate::watchdog::watch;

use super::*;

const SPAN: u64 = 1 << SPAN_BITS;

/// Pops all values that are due, in order.
fn pop_all<T>(wheel: &mut Wheel<T>) -> Vec<T> {
    std::iter::from_fn(|| wheel.pop_expired()).map(|(_, _, value)| value).collect()
}

#[test]
fn a_timer_is_filed_by_the_highest_digit_that_differs() {
    watch();
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
    watch();
    for deadline in [1, 63, 64, 65, 4_095, 4_096, 262_145, SPAN - 1, SPAN, SPAN + 1, 5 * SPAN + 77, u64::MAX] {
        let mut wheel = Wheel::new();
        wheel.insert(deadline, ());
        wheel.advance(deadline - 1);
        assert!(wheel.pop_expired().is_none(), "the timer for {deadline} fired early");
        wheel.advance(deadline);
        assert!(wheel.pop_expired().is_some(), "the timer for {deadline} did not fire");
    }
}

#[test]
fn i09_time_never_goes_backwards() {
    watch();
    let mut wheel = Wheel::new();
    wheel.advance(100);
    wheel.insert(120, ());
    wheel.advance(50);
    assert_eq!((wheel.now(), wheel.next_expiry()), (100, Some(120)));
}

#[test]
fn equal_deadlines_fire_in_the_order_in_which_they_were_set_across_levels() {
    watch();
    let mut wheel = Wheel::new();
    wheel.insert(5_000, "set when the deadline was at level 2");
    wheel.advance(4_999);
    wheel.insert(5_000, "set when it was at level 0");
    wheel.advance(5_000);
    wheel.insert(5_000, "set when it was due");
    assert_eq!(
        pop_all(&mut wheel),
        ["set when the deadline was at level 2", "set when it was at level 0", "set when it was due"]
    );
}

#[test]
fn far_timers_come_out_sorted_when_time_jumps_over_all_of_them() {
    watch();
    let mut wheel = Wheel::new();
    for spans in [9, 3, 1_000_000, 7, 3] {
        wheel.insert(spans * SPAN + 5, spans);
    }
    wheel.advance(u64::MAX);
    assert_eq!(pop_all(&mut wheel), [3, 3, 7, 9, 1_000_000]);
}

#[test]
fn a_timer_that_is_due_can_still_be_cancelled_or_put_off() {
    watch();
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
    watch();
    let mut wheel = Wheel::new();
    let stale = wheel.insert(10, "first");
    wheel.cancel(stale);
    let fresh = wheel.insert(20, "second");
    assert_eq!(stale.index, fresh.index);
    assert_eq!(wheel.cancel(stale), None);
    assert!(!wheel.rearm(stale, 5));
    assert!(wheel.get(stale).is_none() && wheel.get_mut(stale).is_none());
    assert_eq!(wheel.deadline(stale), None);
    assert_eq!((wheel.get(fresh), wheel.deadline(fresh)), (Some(&"second"), Some(20)));
    assert_ne!(stale.as_u64(), fresh.as_u64());
}

#[test]
fn entries_are_used_again() {
    watch();
    let mut wheel = Wheel::new();
    for tick in 0..1_000 {
        let cancelled = wheel.insert(tick + 90, ());
        let due = wheel.insert(tick + 1, ());
        assert_eq!(cancelled.index + due.index, 1);
        wheel.cancel(cancelled);
        wheel.advance(tick + 1);
        assert!(wheel.pop_expired().is_some());
    }
}

#[test]
fn a_sleeper_wakes_at_most_once_per_level() {
    watch();
    let mut wheel = Wheel::new();
    wheel.advance(SPAN - 2_000_000_000);
    wheel.insert(SPAN - 1, ());
    let mut sleeps = 0;
    while wheel.pop_expired().is_none() {
        assert!(sleeps < LEVELS, "still asleep at tick {}", wheel.now());
        let tick = wheel.next_expiry().expect("a timer is set");
        wheel.advance(tick);
        sleeps += 1;
    }
    assert_eq!(wheel.now(), SPAN - 1);
}

#[test]
fn draining_gives_back_every_value_and_makes_every_id_stale() {
    watch();
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
