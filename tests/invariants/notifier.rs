//! I8, counted: how often the operating system's waker is written to. `loom_notify.rs` tries the interleavings.

mod primitive {
    pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
    pub(crate) use std::sync::{Mutex, MutexGuard};
}
#[path = "../../src/event_loop/notify.rs"]
mod notify;

use std::cell::Cell;
use std::collections::VecDeque;

use notify::{Notifier, OsWaker};

use crate::support::*;

#[derive(Default)]
struct Writes(Cell<u32>);

impl OsWaker for &Writes {
    fn wake(&self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn i08_nothing_is_written_while_the_loop_is_at_work() {
    let writes = Writes::default();
    let notifier = Notifier::new(&writes);
    (0..5).for_each(|n| notifier.notify(n));
    assert_eq!(writes.0.get(), 0);
    assert!(!notifier.begin_park(), "it must not block: it has been notified");
    assert!(notifier.end_park());
    let mut heard = VecDeque::new();
    notifier.drain(&mut heard);
    assert_eq!(heard, [0, 1, 2, 3, 4]);
}

#[test]
fn i08_a_sleep_is_ended_by_one_write() {
    let writes = Writes::default();
    let notifier = Notifier::new(&writes);
    for sleeps in 1..=3 {
        assert!(notifier.begin_park());
        (0..5).for_each(|n| notifier.notify(n));
        assert_eq!(writes.0.get(), sleeps);
        assert!(notifier.end_park());
        assert!(!notifier.end_park(), "it is reported once");
    }
}

#[test]
fn i02_after_the_end_nothing_is_kept_or_written() {
    let writes = Writes::default();
    let notifier = Notifier::new(&writes);
    assert!(notifier.begin_park());
    notifier.close();
    notifier.notify(1);
    assert!(!notifier.push(2));
    assert_eq!(writes.0.get(), 0);
    let mut heard = VecDeque::new();
    notifier.drain(&mut heard);
    assert!(heard.is_empty());
}

#[test]
fn i08_a_loop_that_polls_by_hand_hears_what_was_said_before() {
    let mut event_loop = event_loop();
    let polls = Counter::new();
    let counted = polls.clone();
    let mut root = std::pin::pin!(std::future::poll_fn(|cx: &mut std::task::Context<'_>| {
        counted.add();
        if counted.get() == 2 {
            return std::task::Poll::Ready(());
        }
        let waker = cx.waker().clone();
        std::thread::spawn(move || waker.wake()).join().expect("a wake never panics");
        std::task::Poll::Pending
    }));
    event_loop.wake_root();
    let mut turns = 0;
    while event_loop.turn(root.as_mut()).is_pending() {
        turns += 1;
        assert!(turns < 5, "the wake was not heard");
    }
    assert_eq!(polls.get(), 2);
}
