//! I8, counted: the number of writes to the operating system's waker. `loom_notify.rs` checks the interleavings.

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
fn i08_nothing_is_written_while_the_loop_is_running() {
    let writes = Writes::default();
    let notifier = Notifier::new(&writes);
    (0..5).for_each(|n| notifier.notify(n));
    assert_eq!(writes.0.get(), 0);
    assert!(!notifier.begin_park(), "it must not block: it has been notified");
    assert!(notifier.end_park());
    let mut received = VecDeque::new();
    notifier.drain(&mut received);
    assert_eq!(received, [0, 1, 2, 3, 4]);
}

#[test]
fn i08_one_write_interrupts_a_park() {
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
fn i02_a_closed_notifier_stores_and_writes_nothing() {
    let writes = Writes::default();
    let notifier = Notifier::new(&writes);
    assert!(notifier.begin_park());
    notifier.close();
    notifier.notify(1);
    assert!(!notifier.push(2));
    assert_eq!(writes.0.get(), 0);
    let mut received = VecDeque::new();
    notifier.drain(&mut received);
    assert!(received.is_empty());
}

#[test]
fn i08_a_manual_turn_receives_the_messages_that_were_sent_before() {
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
        assert!(turns < 5, "the wake was not received");
    }
    assert_eq!(polls.get(), 2);
}
