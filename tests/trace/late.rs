//! The findings `slow_poll` and `loop_lag`.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use glassloop::futures::yield_now;
use glassloop::observe::{Event, EventKind, Observer};
use glassloop::trace::{Follow, Record, RecordKind};
use glassloop::{EventLoop, now, sleep, spawn_named};

use crate::findings::{findings, findings_below};

#[test]
fn loop_lag_does_not_include_the_time_between_two_runs() {
    let delays = Rc::new(RefCell::new(vec![]));
    let keep = delays.clone();
    let follow = Follow::new(move |record: &Record| {
        if let RecordKind::PollBegin { task: 0, delay, .. } = &record.kind {
            keep.borrow_mut().push(*delay);
        }
    });
    let mut event_loop = EventLoop::builder().virtual_time().observer(follow).build().expect("a loop");
    event_loop.block_on(async { drop(spawn_named("sleeper", sleep(Duration::from_secs(60)))) }).expect("no deadlock");
    // No future awaits the task, so its minute passes at once.
    let mut nothing = std::pin::pin!(pending::<()>());
    while event_loop.take_error().is_none() {
        assert!(event_loop.turn(nothing.as_mut()).is_pending());
    }
    event_loop.block_on(async { assert!(now() > std::time::Instant::now()) }).expect("no deadlock");
    assert_eq!(*delays.borrow(), [0, 0]);
}

/// Uses this much CPU time. The wall time may be longer.
fn compute(time: Duration) {
    let worked = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let began = worked();
    while worked() - began < time {
        std::hint::spin_loop();
    }
}

#[test]
fn slow_poll_and_loop_lag_are_reported_for_a_long_poll() {
    let blocks = |event_loop: &mut EventLoop| {
        event_loop
            .block_on(async {
                spawn_named("late", async {});
                compute(Duration::from_millis(5));
                yield_now().await;
                yield_now().await;
            })
            .expect("no deadlock");
    };
    // On a busy machine the finding blames the machine: then another run shows it.
    let blames_the_machine = |found: &[(String, String)]| found.iter().any(|(what, _)| what == "busy_machine");
    let found = std::iter::repeat_with(|| findings_below(Duration::from_millis(2), blocks))
        .find(|found| !blames_the_machine(found))
        .expect("there is no last run");
    assert!(found.contains(&("slow_poll".to_owned(), "root".to_owned())), "{found:?}");
    assert!(found.contains(&("loop_lag".to_owned(), "late".to_owned())), "{found:?}");
    assert_eq!(findings(blocks), []);
}

#[test]
fn loop_lag_is_reported_once_until_the_loop_has_caught_up() {
    let blocks = |event_loop: &mut EventLoop| {
        event_loop
            .block_on(async {
                for _ in 0..2 {
                    let late: Vec<_> = (0..200).map(|_| spawn_named("late", async {})).collect();
                    compute(Duration::from_millis(5));
                    for late in late {
                        late.await.expect("no panic");
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            })
            .expect("no deadlock");
    };
    let found = findings_below(Duration::from_millis(2), blocks);
    let lags = found.iter().filter(|(what, _)| what == "loop_lag").count();
    // On a busy machine there may be other long waits, or the finding blames the machine.
    assert!(lags <= 8, "{lags} findings for two long polls");
}

#[test]
fn an_observer_that_takes_long_makes_no_poll_slow() {
    struct Slow(Rc<RefCell<Vec<&'static str>>>);
    impl Observer for Slow {
        fn event(&mut self, event: &Event<'_>) {
            match event.kind {
                EventKind::TimerSet { .. } => compute(Duration::from_millis(5)),
                EventKind::Finding { what, .. } => self.0.borrow_mut().push(what),
                _ => {}
            }
        }
    }
    let found = Rc::new(RefCell::default());
    let builder = EventLoop::builder().slow_poll_threshold(Duration::from_millis(4)).observer(Slow(Rc::clone(&found)));
    let mut event_loop = builder.build().expect("a loop");
    event_loop.block_on(async { sleep(Duration::from_millis(1)).await }).expect("no deadlock");
    assert!(!found.borrow().contains(&"slow_poll"), "{found:?}");
}
