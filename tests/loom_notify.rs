//! I8: loom checks all interleavings of the loop and the threads that notify it.

mod primitive {
    pub(crate) use loom::sync::atomic::{AtomicU8, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}
#[path = "../src/event_loop/notify.rs"]
mod notify;

use std::collections::VecDeque;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use notify::{Notifier, OsWaker};

/// A model of an eventfd that is registered with epoll: a write interrupts the current sleep, or the next one.
#[derive(Clone, Default)]
struct Eventfd(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    is_readable: bool,
    times: usize,
}

impl OsWaker for Eventfd {
    fn wake(&self) {
        let mut written = self.0.0.lock().unwrap();
        written.is_readable = true;
        written.times += 1;
        self.0.1.notify_one();
    }
}

impl Eventfd {
    fn sleep(&self) {
        let mut written = self.0.0.lock().unwrap();
        while !written.is_readable {
            written = self.0.1.wait(written).unwrap();
        }
        written.is_readable = false;
    }

    fn times_written(&self) -> usize {
        self.0.0.lock().unwrap().times
    }
}

/// The loop's side, as in `EventLoop::park` and `drain_inbox`. Returns the messages, and the number of sleeps.
fn receive(notifier: &Notifier<u32, Eventfd>, os_waker: &Eventfd, wanted: usize) -> (Vec<u32>, usize) {
    let (mut received, mut queue, mut sleeps) = (Vec::new(), VecDeque::new(), 0);
    while received.len() < wanted {
        if notifier.begin_park() {
            sleeps += 1;
            os_waker.sleep(); // if a message is lost, loom reports a deadlock here
        }
        if notifier.end_park() {
            notifier.drain(&mut queue);
            received.extend(queue.drain(..));
        }
    }
    (received, sleeps)
}

fn bounded(preemptions: usize) -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model
}

#[test]
fn i08_no_message_is_lost_and_a_sleep_needs_at_most_one_write() {
    bounded(3).check(|| {
        let os_waker = Eventfd::default();
        let notifier = Arc::new(Notifier::new(os_waker.clone()));
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let notifier = notifier.clone();
                thread::spawn(move || notifier.notify(number))
            })
            .collect();
        let (mut received, sleeps) = receive(&notifier, &os_waker, 2);
        received.sort_unstable();
        assert_eq!(received, [0, 1]);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(os_waker.times_written() <= sleeps, "{} writes in {sleeps} sleeps", os_waker.times_written());
    });
}

#[test]
fn i08_messages_of_one_thread_are_received_in_order() {
    bounded(3).check(|| {
        let os_waker = Eventfd::default();
        let notifier = Arc::new(Notifier::new(os_waker.clone()));
        let theirs = notifier.clone();
        let thread = thread::spawn(move || {
            theirs.push(1); // is received when the loop next drains the queue
            theirs.notify(2);
        });
        assert_eq!(receive(&notifier, &os_waker, 2).0, [1, 2]);
        thread.join().unwrap();
    });
}

#[test]
fn i02_a_message_to_a_closing_loop_is_dropped_without_a_write() {
    bounded(3).check(|| {
        let os_waker = Eventfd::default();
        let notifier = Arc::new(Notifier::new(os_waker.clone()));
        let theirs = notifier.clone();
        let thread = thread::spawn(move || theirs.notify(1));
        notifier.close();
        thread.join().unwrap();
        notifier.notify(2);
        assert_eq!(os_waker.times_written(), 0);
    });
}
