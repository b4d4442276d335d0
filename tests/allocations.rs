//! What is on the hot path allocates nothing: a poll, a wake, a timer, a readiness event, a permit, a message.
//!
//! A loop that does nothing allocates nothing either. So each program counts what it does, and the tests compare the
//! count with the number of turns.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use glassloop::futures::{join_all, yield_now};
use glassloop::net::TcpStream;
use glassloop::sync::channel;
use glassloop::{EventLoop, now, sleep, spawn};

/// Turns that are measured, after as many to warm up.
const TURNS: usize = 500;

/// Counts what a program does.
#[derive(Clone, Default)]
struct Work(Rc<Cell<usize>>);

impl Work {
    fn add(&self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Runs a loop, and returns the allocations and the work of [`TURNS`] turns.
fn measure<F: Future<Output = ()>>(root: impl FnOnce(Work) -> F) -> (u64, usize) {
    watchdog::watch();
    let work = Work::default();
    let mut event_loop = EventLoop::new().expect("a loop");
    let mut root = std::pin::pin!(root(work.clone()));
    event_loop.wake_root();
    let mut turns = || {
        for _ in 0..TURNS {
            assert!(event_loop.turn(root.as_mut()).is_pending());
        }
    };
    turns();
    let before = work.0.get();
    let allocations = allocation_counter::measure(turns).count_total;
    (allocations, work.0.get() - before)
}

#[test]
fn allocations_are_counted() {
    let allocates = |work: Work| async move {
        loop {
            work.add();
            drop(Box::new(work.clone()));
            yield_now().await;
        }
    };
    assert_eq!(measure(allocates), (TURNS as u64, TURNS));
}

#[test]
fn a_poll_and_a_wake_allocate_nothing() {
    let tasks = |work: Work| async move {
        for _ in 0..100 {
            let work = work.clone();
            spawn(async move {
                loop {
                    work.add();
                    yield_now().await;
                }
            });
        }
        loop {
            yield_now().await;
        }
    };
    let (allocations, polls) = measure(tasks);
    assert_eq!(allocations, 0);
    // A turn's budget is 61 polls, one of which is the root's; it may be cut short by the clock.
    assert!(polls >= 10 * TURNS, "{polls} polls");
}

#[test]
fn a_child_of_join_all_allocates_nothing_when_it_is_polled() {
    let child = |work: Work| async move {
        loop {
            work.add();
            yield_now().await;
        }
    };
    let children = |work: Work| async move {
        join_all([child(work.clone()), child(work.clone()), child(work)]).await;
    };
    assert_eq!(measure(children), (0, 3 * TURNS));
}

#[test]
fn a_timer_that_is_armed_and_cancelled_or_put_off_allocates_nothing() {
    let timers = |work: Work| async move {
        let mut idle = Box::pin(sleep(Duration::from_secs(60)));
        loop {
            let mut timer = std::pin::pin!(sleep(Duration::from_secs(30)));
            let is_armed = poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_pending())).await;
            idle.as_mut().get_mut().reset(now() + Duration::from_secs(60));
            let is_put_off = poll_fn(|cx| Poll::Ready(idle.as_mut().poll(cx).is_pending())).await;
            if is_armed && is_put_off {
                work.add();
            }
            yield_now().await;
        }
    };
    assert_eq!(measure(timers), (0, TURNS));
}

#[test]
fn a_message_through_a_bounded_channel_allocates_nothing() {
    let messages = |work: Work| async move {
        let (sender, mut receiver) = channel::channel(8);
        spawn(async move {
            loop {
                let _full_now_and_then = sender.push(7u64);
                yield_now().await;
            }
        });
        while let Some(message) = receiver.recv().await {
            assert_eq!(message, 7);
            work.add();
        }
    };
    // The sender is polled often in a turn, and fills the channel.
    assert_eq!(measure(messages), (0, 8 * TURNS));
}

#[test]
fn readiness_reads_and_writes_allocate_nothing() {
    watchdog::watch();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let mut theirs = std::net::TcpStream::connect(listener.local_addr().expect("its address")).expect("connected");
    let (ours, _) = listener.accept().expect("the other end");
    let mut stream = None;
    let mut ours = Some(ours);
    let root = poll_fn(move |cx| {
        let stream = stream.get_or_insert_with(|| TcpStream::from_std(ours.take().expect("once")).expect("registered"));
        let mut buffer = [0; 16];
        while let Poll::Ready(read) = stream.poll_read(cx, &mut buffer) {
            // Two may have come together, if the first turns met them late.
            let read = read.expect("it is connected");
            assert!(read > 0 && read.is_multiple_of(4));
            assert!(
                matches!(stream.poll_write(cx, &b"pongpongpongpong"[..read]), Poll::Ready(Ok(written)) if written == read)
            );
        }
        Poll::<()>::Pending
    });
    // Each turn ends with readiness, and the next one reads, writes and waits.
    let mut root = Box::pin(root);
    let mut event_loop = EventLoop::new().expect("a loop");
    event_loop.wake_root();
    theirs.write_all(b"ping").expect("there is room");
    let mut answered = 0;
    let mut round = || {
        for _ in 0..TURNS {
            assert!(event_loop.turn(Pin::new(&mut root)).is_pending());
            theirs.write_all(b"ping").expect("there is room");
            let mut buffer = [0; 4];
            if event_loop.turns() > 2 {
                std::io::Read::read_exact(&mut theirs, &mut buffer).expect("it answers");
                assert_eq!(&buffer, b"pong");
                answered += 1;
            }
        }
    };
    round();
    assert_eq!(allocation_counter::measure(round).count_total, 0);
    assert_eq!(answered, 2 * TURNS - 2);
}
