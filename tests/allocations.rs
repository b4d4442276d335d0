//! What is on the hot path allocates nothing: a poll, a wake, a timer, a readiness event, a permit, a message.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use glassloop::futures::{join_all, yield_now};
use glassloop::net::TcpStream;
use glassloop::sync::channel;
use glassloop::{EventLoop, now, sleep, spawn};

/// Allocations in 500 turns of a loop that runs `root`, after 500 to warm up.
fn allocations_of(root: impl Future<Output = ()>, mut between: impl FnMut()) -> u64 {
    watchdog::watch();
    let mut event_loop = EventLoop::new().expect("a loop");
    let mut root = std::pin::pin!(root);
    event_loop.wake_root();
    let mut turns = || {
        for _ in 0..500 {
            assert!(event_loop.turn(root.as_mut()).is_pending());
            between();
        }
    };
    turns();
    allocation_counter::measure(turns).count_total
}

#[test]
fn a_poll_and_a_wake_allocate_nothing() {
    let root = async {
        for _ in 0..100 {
            spawn(async {
                loop {
                    yield_now().await;
                }
            });
        }
        loop {
            yield_now().await;
        }
    };
    assert_eq!(allocations_of(root, || ()), 0);
}

#[test]
fn a_child_of_join_all_allocates_nothing_when_it_is_polled() {
    let child = || async {
        loop {
            yield_now().await;
        }
    };
    let root = async {
        join_all([child(), child(), child()]).await;
    };
    assert_eq!(allocations_of(root, || ()), 0);
}

#[test]
fn a_timer_that_is_armed_and_cancelled_or_put_off_allocates_nothing() {
    let root = async {
        let mut idle = Box::pin(sleep(Duration::from_secs(60)));
        loop {
            let mut timer = std::pin::pin!(sleep(Duration::from_secs(30)));
            poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_pending())).await;
            idle.as_mut().get_mut().reset(now() + Duration::from_secs(60));
            poll_fn(|cx| Poll::Ready(idle.as_mut().poll(cx).is_pending())).await;
            yield_now().await;
        }
    };
    assert_eq!(allocations_of(root, || ()), 0);
}

#[test]
fn a_message_through_a_bounded_channel_allocates_nothing() {
    let root = async {
        let (sender, mut receiver) = channel::channel(8);
        spawn(async move {
            loop {
                let _full_now_and_then = sender.push(7u64);
                yield_now().await;
            }
        });
        while let Some(message) = receiver.recv().await {
            assert_eq!(message, 7);
        }
    };
    assert_eq!(allocations_of(root, || ()), 0);
}

#[test]
fn readiness_reads_and_writes_allocate_nothing() {
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
    let mut round = || {
        for _ in 0..500 {
            assert!(event_loop.turn(Pin::new(&mut root)).is_pending());
            theirs.write_all(b"ping").expect("there is room");
            let mut buffer = [0; 4];
            if event_loop.turns() > 2 {
                std::io::Read::read_exact(&mut theirs, &mut buffer).expect("it answers");
            }
        }
    };
    round();
    assert_eq!(allocation_counter::measure(round).count_total, 0);
}
