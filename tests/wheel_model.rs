//! The timer wheel against a model that is too simple to be wrong: a sorted map.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use glassloop::observe::TimerId;
use glassloop::wheel::Wheel;

/// What a test does to the wheel and to the model alike.
#[derive(Clone, Debug)]
enum Step {
    Insert(Tick),
    /// The index picks one of all ids ever handed out, so stale ones too.
    Cancel(Index),
    Rearm(Index, Tick),
    Advance(Tick),
    /// Advances to what `next_expiry` says, as a loop does that sleeps until then.
    AdvanceToNextExpiry,
    Pop(usize),
    Drain,
}

/// A tick in relation to now, chosen to fall on and next to the borders of slots, levels and spans.
#[derive(Clone, Debug)]
enum Tick {
    /// That many ticks before now.
    Past(u64),
    Ahead(u64),
    /// A multiple of 2^shift, the first after now, give or take an offset.
    Border {
        shift: u32,
        offset: i64,
    },
    /// The deadline of one of the timers of the model, so that deadlines are often equal.
    SameAs(Index),
    Last,
}

fn any_tick() -> impl Strategy<Value = Tick> {
    prop_oneof![
        1 => (0u64..100).prop_map(Tick::Past),
        4 => (0u64..200).prop_map(Tick::Ahead),
        4 => (0u32..64, any::<u64>()).prop_map(|(shift, bits)| Tick::Ahead(bits >> shift)),
        4 => (0u32..=40, -2i64..=2).prop_map(|(shift, offset)| Tick::Border { shift, offset }),
        3 => any::<Index>().prop_map(Tick::SameAs),
        1 => Just(Tick::Last),
    ]
}

/// A move of time: mostly short, so that a run is not over at once, but now and then across levels
/// and spans.
fn any_advance() -> impl Strategy<Value = Tick> {
    prop_oneof![
        1 => (0u64..100).prop_map(Tick::Past),
        6 => (0u64..200).prop_map(Tick::Ahead),
        4 => (24u32..64, any::<u64>()).prop_map(|(shift, bits)| Tick::Ahead(bits >> shift)),
        4 => (0u32..=38, -2i64..=2).prop_map(|(shift, offset)| Tick::Border { shift, offset }),
        1 => any::<Index>().prop_map(Tick::SameAs),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => any_tick().prop_map(Step::Insert),
        8 => any::<Index>().prop_map(Step::Cancel),
        8 => (any::<Index>(), any_tick()).prop_map(|(index, tick)| Step::Rearm(index, tick)),
        8 => any_advance().prop_map(Step::Advance),
        8 => Just(Step::AdvanceToNextExpiry),
        8 => (1usize..6).prop_map(Step::Pop),
        1 => Just(Step::Drain),
    ]
}

/// A timer of the model: its id in the wheel and its deadline. The value in the wheel is its
/// number.
#[derive(Clone, Copy, Debug)]
struct Timer {
    id: TimerId,
    deadline: u64,
    number: u64,
}

/// The wheel as a sorted map. The key is the promised order: the deadline, or the tick of arming if
/// that is later; then the order of arming.
#[derive(Default)]
struct Model {
    now: u64,
    timers: BTreeMap<(u64, u64), Timer>,
    /// Every id ever handed out, with the key of its timer as long as that is armed.
    ids: Vec<(TimerId, Option<(u64, u64)>)>,
    /// How often anything was armed.
    armings: u64,
}

impl Model {
    fn arm(&mut self, id: TimerId, deadline: u64, number: u64) -> (u64, u64) {
        self.armings += 1;
        let key = (deadline.max(self.now), self.armings);
        self.timers.insert(key, Timer { id, deadline, number });
        key
    }

    fn disarm(&mut self, key: (u64, u64)) -> Timer {
        for (_, armed) in &mut self.ids {
            if *armed == Some(key) {
                *armed = None;
            }
        }
        self.timers.remove(&key).expect("the key is that of an armed timer")
    }

    fn tick(&self, tick: &Tick) -> u64 {
        match *tick {
            Tick::Past(ticks) => self.now.saturating_sub(ticks),
            Tick::Ahead(ticks) => self.now.saturating_add(ticks),
            Tick::Border { shift, offset } => {
                let border = (self.now >> shift).saturating_add(1).saturating_mul(1 << shift);
                border.saturating_add_signed(offset)
            }
            Tick::SameAs(_) if self.timers.is_empty() => self.now,
            Tick::SameAs(index) => {
                let position = index.index(self.timers.len());
                self.timers.values().nth(position).map_or(self.now, |timer| timer.deadline)
            }
            Tick::Last => u64::MAX,
        }
    }
}

/// Pops one timer from the wheel and checks that it is the one that the model says, if any.
fn pop_and_compare(wheel: &mut Wheel<u64>, model: &mut Model) -> bool {
    watchdog::watch();
    let expected = match model.timers.first_key_value() {
        Some((&key, _)) if key.0 <= model.now => Some(model.disarm(key)),
        _ => None,
    };
    assert_eq!(wheel.pop_expired(), expected.map(|timer| (timer.id, timer.deadline, timer.number)));
    expected.is_some()
}

fn apply(wheel: &mut Wheel<u64>, model: &mut Model, step: &Step) {
    match step {
        Step::Insert(tick) => {
            let deadline = model.tick(tick);
            let number = model.ids.len() as u64;
            let id = wheel.insert(deadline, number);
            assert!(model.ids.iter().all(|&(earlier, _)| earlier != id), "an id was handed out twice");
            let key = model.arm(id, deadline, number);
            model.ids.push((id, Some(key)));
        }
        Step::Cancel(_) | Step::Rearm(..) if model.ids.is_empty() => {}
        Step::Cancel(index) => {
            let (id, key) = *index.get(&model.ids);
            let expected = key.map(|key| model.disarm(key).number);
            assert_eq!(wheel.cancel(id), expected);
        }
        Step::Rearm(index, tick) => {
            let deadline = model.tick(tick);
            let position = index.index(model.ids.len());
            let (id, key) = model.ids[position];
            assert_eq!(wheel.rearm(id, deadline), key.is_some());
            if let Some(key) = key {
                let timer = model.disarm(key);
                model.ids[position].1 = Some(model.arm(id, deadline, timer.number));
            }
        }
        Step::Advance(tick) => {
            let tick = model.tick(tick);
            wheel.advance(tick);
            model.now = model.now.max(tick);
        }
        Step::AdvanceToNextExpiry => {
            if let Some(tick) = wheel.next_expiry() {
                wheel.advance(tick);
                model.now = model.now.max(tick);
            }
        }
        Step::Pop(count) => {
            for _ in 0..*count {
                pop_and_compare(wheel, model);
            }
        }
        Step::Drain => {
            let mut numbers = wheel.drain();
            let mut expected: Vec<u64> = model.timers.values().map(|timer| timer.number).collect();
            numbers.sort_unstable();
            expected.sort_unstable();
            assert_eq!(numbers, expected);
            model.timers.clear();
            model.ids.iter_mut().for_each(|(_, key)| *key = None);
        }
    }
}

/// Everything that the wheel shows without being changed.
fn compare(wheel: &mut Wheel<u64>, model: &Model) {
    assert_eq!(wheel.now(), model.now);
    assert_eq!(wheel.len(), model.timers.len());
    assert_eq!(wheel.is_empty(), model.timers.is_empty());

    let first = model.timers.first_key_value();
    assert_eq!(wheel.next_deadline(), first.map(|(_, timer)| timer.deadline));
    match (wheel.next_expiry(), first) {
        (None, None) => {}
        (Some(expiry), Some((&(due, _), _))) if due == model.now || due / 64 == model.now / 64 => {
            assert_eq!(expiry, due.max(model.now), "in the lowest level the expiry is exact");
        }
        (Some(expiry), Some((&(due, _), _))) if due < model.now => assert_eq!(expiry, model.now),
        (Some(expiry), Some((&(due, _), _))) => {
            assert!(model.now < expiry && expiry <= due, "{} < {expiry} <= {due}", model.now);
        }
        (expiry, first) => {
            panic!("the next expiry is {expiry:?}, but the model's first timer {first:?}")
        }
    }

    for &(id, key) in &model.ids {
        let timer = key.map(|key| model.timers[&key]);
        let mut number = timer.map(|timer| timer.number);
        assert_eq!(wheel.get(id).copied(), number);
        assert_eq!(wheel.get_mut(id), number.as_mut());
        assert_eq!(wheel.deadline(id), timer.map(|timer| timer.deadline));
    }

    let by_number = |&(_, _, number): &(TimerId, u64, u64)| number;
    let mut listed: Vec<_> = wheel.iter().map(|(id, deadline, &number)| (id, deadline, number)).collect();
    let mut expected: Vec<_> = model.timers.values().map(|timer| (timer.id, timer.deadline, timer.number)).collect();
    listed.sort_unstable_by_key(by_number);
    expected.sort_unstable_by_key(by_number);
    assert_eq!(listed, expected);
}

proptest! {
    #[test]
    fn the_wheel_does_what_a_sorted_map_does(steps in vec(any_step(), 1..120)) {
        watchdog::watch();
        let mut wheel = Wheel::new();
        let mut model = Model::default();
        for step in &steps {
            apply(&mut wheel, &mut model, step);
            compare(&mut wheel, &model);
        }
        // At the end of time everything has come out, in the promised order.
        apply(&mut wheel, &mut model, &Step::Advance(Tick::Last));
        while pop_and_compare(&mut wheel, &mut model) {}
        prop_assert!(wheel.is_empty());
    }

    #[test]
    fn a_loop_that_sleeps_until_the_next_expiry_is_never_late(
        start in any_tick(),
        ticks in vec(any_tick(), 1..40),
    ) {
        watchdog::watch();
        let mut wheel = Wheel::default();
        let mut model = Model::default();
        apply(&mut wheel, &mut model, &Step::Advance(start));
        for tick in &ticks {
            apply(&mut wheel, &mut model, &Step::Insert(tick.clone()));
        }
        while let Some((&(due, _), _)) = model.timers.first_key_value() {
            // Empty spans cost a sleep each: a deadline at the end of time is not worth waiting
            // for.
            if due - model.now > 1 << 40 {
                break;
            }
            apply(&mut wheel, &mut model, &Step::AdvanceToNextExpiry);
            prop_assert!(wheel.now() <= due);
            while pop_and_compare(&mut wheel, &mut model) {}
            prop_assert!(wheel.is_empty() || wheel.next_expiry() > Some(wheel.now()));
        }
    }
}
