//! I8: every interleaving of the loop and the threads that notify it, tried by loom.

mod atomics {
    pub(crate) use loom::sync::atomic::{AtomicU8, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}
#[path = "../src/event_loop/notify.rs"]
mod notify;

use std::collections::VecDeque;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use notify::{Notifier, OsWaker};

/// An eventfd under epoll: a write ends the sleep that is going on, or else the next one.
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

/// The loop's side, as `EventLoop::park` and `hear_other_threads` have it. Returns what was heard, and the sleeps.
fn hear(notifier: &Notifier<u32, Eventfd>, os_waker: &Eventfd, wanted: usize) -> (Vec<u32>, usize) {
    let (mut heard, mut list, mut sleeps) = (Vec::new(), VecDeque::new(), 0);
    while heard.len() < wanted {
        if notifier.start_polling() {
            sleeps += 1;
            os_waker.sleep(); // if a notice is lost, loom says here that nobody will ever go on
        }
        if notifier.stop_polling() {
            notifier.drain(&mut list);
            heard.extend(list.drain(..));
        }
    }
    (heard, sleeps)
}

fn bounded(preemptions: usize) -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model
}

#[test]
fn i08_no_notice_is_lost_and_a_sleep_costs_one_write() {
    bounded(3).check(|| {
        let os_waker = Eventfd::default();
        let notifier = Arc::new(Notifier::new(os_waker.clone()));
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let notifier = notifier.clone();
                thread::spawn(move || notifier.notify(number))
            })
            .collect();
        let (mut heard, sleeps) = hear(&notifier, &os_waker, 2);
        heard.sort_unstable();
        assert_eq!(heard, [0, 1]);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(os_waker.times_written() <= sleeps, "{} writes in {sleeps} sleeps", os_waker.times_written());
    });
}

#[test]
fn i08_two_notices_of_one_thread_come_in_their_order() {
    bounded(3).check(|| {
        let os_waker = Eventfd::default();
        let notifier = Arc::new(Notifier::new(os_waker.clone()));
        let theirs = notifier.clone();
        let thread = thread::spawn(move || {
            theirs.push(1); // may be read whenever the loop next looks
            theirs.notify(2);
        });
        assert_eq!(hear(&notifier, &os_waker, 2).0, [1, 2]);
        thread.join().unwrap();
    });
}

#[test]
fn i02_a_notice_to_a_loop_that_closes_is_heard_or_dropped_and_writes_nothing_afterwards() {
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
