//! I16: waits that have been cancelled, and wakers that are dropped without being called.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use glassloop::event_loop::{Direction, InitialReadiness, PollEvented, SourceMetadata};
use glassloop::futures::{join_all, race, timeout};
use glassloop::net::TcpListener;
use glassloop::observe::{Event, EventKind};
use glassloop::sync::oneshot;
use glassloop::{EventLoop, now, sleep, spawn, spawn_named};

use crate::support::*;

const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

/// A loop, and a receiver of the timeouts with which it goes to sleep.
fn watched_loop(builder: glassloop::event_loop::Builder) -> (EventLoop, mpsc::Receiver<Option<Duration>>) {
    let (sleeps, timeouts) = mpsc::channel();
    let watch = Watch(move |event: &Event<'_>| {
        if let EventKind::WaitBegin { timeout, .. } = event.kind
            && timeout != Some(Duration::ZERO)
        {
            let _nobody_listens_any_more = sleeps.send(timeout);
        }
    });
    (build(builder.observer(watch)), timeouts)
}

// -- Wakers that are dropped uncalled ----------------------------------------------------------------------------------

/// Pending for ever. Its waker goes to another thread, which drops it when the loop sleeps.
fn forsaken(sleeps: mpsc::Receiver<Option<Duration>>) -> impl Future<Output = ()> {
    let mut sleeps = Some(sleeps);
    poll_fn(move |cx| {
        if let Some(sleeps) = sleeps.take() {
            let waker = cx.waker().clone();
            std::thread::spawn(move || {
                sleeps.recv().expect("the loop sleeps");
                drop(waker);
            });
        }
        Poll::Pending
    })
}

#[test]
fn i16_the_last_waker_of_the_root_is_dropped_without_a_call_while_the_loop_is_parked() {
    let (mut event_loop, sleeps) = watched_loop(EventLoop::builder());
    assert_eq!(stuck(event_loop.block_on(forsaken(sleeps))).len(), 1);
}

#[test]
fn i16_the_last_waker_of_a_task_or_a_child_is_dropped_without_a_call_while_the_loop_is_parked() {
    let (mut event_loop, sleeps) = watched_loop(EventLoop::builder());
    let result = event_loop.block_on(async { spawn(join_all([forsaken(sleeps)])).await });
    assert_eq!(stuck(result).len(), 2);
}

#[test]
fn i16_virtual_time_waits_for_another_thread_and_then_jumps() {
    for is_called in [true, false] {
        let (mut event_loop, sleeps) = watched_loop(EventLoop::builder().virtual_time());
        let slept = event_loop.block_on(async {
            let before = now();
            let mut sleeps = Some(sleeps);
            let outside = poll_fn(move |cx| match sleeps.take() {
                Some(sleeps) => {
                    let waker = cx.waker().clone();
                    std::thread::spawn(move || {
                        sleeps.recv().expect("the loop sleeps, in real time");
                        if is_called {
                            waker.wake();
                        }
                    });
                    Poll::Pending
                }
                None => Poll::Ready(()),
            });
            race(outside, sleep(A_YEAR)).await;
            now() - before
        });
        assert_eq!(slept.expect("a timer is set") >= A_YEAR, !is_called, "called: {is_called}");
    }
}

// -- Waits that are cancelled ------------------------------------------------------------------------------------------

/// A source that is never ready, and its other end.
fn silent_source() -> (Rc<PollEvented<mio::net::UnixStream>>, mio::net::UnixStream) {
    let (ours, theirs) = mio::net::UnixStream::pair().expect("a pair");
    let described = SourceMetadata { what: "pair", descriptor: None, peer: None };
    (Rc::new(PollEvented::new(ours, InitialReadiness::NotReady, described).expect("registered")), theirs)
}

fn readable(source: &Rc<PollEvented<mio::net::UnixStream>>) -> impl Future<Output = ()> + use<> {
    let source = source.clone();
    poll_fn(move |cx| source.poll_ready(cx, Direction::Read))
}

type Cancelled = Pin<Box<dyn Future<Output = ()>>>;

/// What it is, and how it is made.
type Case = (&'static str, fn() -> Cancelled);

/// Waits for a source that are cancelled in different ways, while the source lives on for ever.
fn cancelled_waits() -> Vec<Case> {
    fn keep<T>(source: T) {
        std::mem::forget(source);
    }
    vec![
        ("accept with a time limit", || {
            Box::pin(async {
                let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).expect("a listener");
                assert!(timeout(Duration::from_millis(1), listener.accept()).await.is_err());
                keep(listener);
            })
        }),
        ("a read with a time limit", || {
            Box::pin(async {
                let (mut ours, theirs) = connection();
                let mut buffer = [0; 1];
                let read = timeout(Duration::from_millis(1), poll_fn(|cx| ours.poll_read(cx, &mut buffer))).await;
                assert!(read.is_err());
                keep((ours, theirs));
            })
        }),
        ("dropped in the poll in which it began", || {
            Box::pin(async {
                let (source, theirs) = silent_source();
                race(readable(&source), std::future::ready(())).await;
                keep((source, theirs));
            })
        }),
        ("the loser of a race that is kept and not polled", || {
            Box::pin(async {
                let (source, theirs) = silent_source();
                let mut wait = Box::pin(readable(&source));
                race(&mut wait, sleep(Duration::from_millis(1))).await;
                keep((source, theirs, wait));
            })
        }),
        ("in a task that was aborted", || {
            Box::pin(async {
                let (source, theirs) = silent_source();
                let task = spawn(readable(&source));
                yield_times(1).await;
                task.abort();
                task.await.expect_err("it was aborted");
                keep((source, theirs));
            })
        }),
        ("in a task that went on to something else", || {
            Box::pin(async {
                let (source, theirs) = silent_source();
                let wait = readable(&source);
                spawn_named("other", async move {
                    timeout(Duration::from_millis(1), wait).await.expect_err("nothing comes");
                    let (_sender, receiver) = oneshot::<()>();
                    receiver.await.ok();
                });
                sleep(Duration::from_millis(2)).await;
                keep((source, theirs));
            })
        }),
        ("in children of join_all", || {
            Box::pin(async {
                let (source, theirs) = silent_source();
                let both = join_all((0..2).map(|_| readable(&source)));
                timeout(Duration::from_millis(1), both).await.expect_err("nothing comes");
                keep((source, theirs));
            })
        }),
        ("polled with a waker that wakes nobody", || {
            Box::pin(async {
                let (source, theirs) = silent_source();
                let cx = &mut std::task::Context::from_waker(Waker::noop());
                assert!(source.poll_ready(cx, Direction::Read).is_pending());
                keep((source, theirs));
            })
        }),
    ]
}

#[test]
fn i16_a_cancelled_wait_hides_no_deadlock() {
    // Each on a thread of its own: the loop takes half a second to be sure.
    std::thread::scope(|scope| {
        for (name, wait) in cancelled_waits() {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn_scoped(scope, move || {
                    let mut event_loop = event_loop();
                    let result = event_loop.block_on(async {
                        wait().await;
                        let (_sender, receiver) = oneshot::<()>();
                        receiver.await.ok();
                    });
                    assert_eq!(stuck(result)[0].1, "a oneshot", "{name}");
                })
                .expect("a thread");
        }
    });
}

#[test]
fn i16_virtual_time_jumps_over_a_cancelled_wait() {
    for (name, wait) in cancelled_waits() {
        let started = Instant::now();
        let mut event_loop = build(EventLoop::builder().virtual_time());
        event_loop
            .block_on(async {
                wait().await;
                sleep(A_YEAR).await;
            })
            .expect(name);
        assert!(started.elapsed() < A_YEAR / 365, "{name}");
    }
}

#[test]
fn i16_a_wait_that_continues_is_probed_once_and_then_the_loop_blocks_without_a_timeout() {
    let (mut event_loop, sleeps) = watched_loop(EventLoop::builder());
    event_loop
        .block_on(async {
            let (mut ours, mut theirs) = connection();
            let thread = std::thread::spawn(move || {
                // The loop goes to sleep with a limit, looks whether it is waited for, and sleeps without one.
                let with_a_limit = sleeps.iter().take_while(Option::is_some).count();
                assert!(
                    (1..=3).contains(&with_a_limit),
                    "{with_a_limit}: the first ones may end early, by what the kernel says of a new socket"
                );
                theirs.write_all(b"!").expect("the buffer is not full");
                assert!(sleeps.try_recv().is_err(), "it woke again and again");
                theirs
            });
            poll_fn(|cx| ours.poll_read(cx, &mut [0; 1])).await.expect("it is connected");
            thread.join().expect("it sleeps as it should");
        })
        .expect("no deadlock");
}

#[test]
fn i16_a_child_that_waits_is_probed_with_its_own_waker() {
    let (mut event_loop, sleeps) = watched_loop(EventLoop::builder());
    event_loop
        .block_on(async {
            let (source, mut theirs) = silent_source();
            let thread = std::thread::spawn(move || {
                while sleeps.recv().expect("the loop sleeps").is_some() {}
                theirs.write_all(b"!").expect("the buffer is not full");
                theirs
            });
            // Each child is polled only when it was woken itself.
            let never = Box::pin(std::future::pending()) as Cancelled;
            join_all([race(never, Box::pin(readable(&source)) as Cancelled)]).await;
            thread.join().expect("no panic");
        })
        .expect("no deadlock");
}

#[test]
fn i06_an_event_calls_the_waker_of_an_abandoned_wait() {
    // A future that waits for two things and polls only one of them when it is woken is odd, but its wake is not lost.
    let mut event_loop = build(EventLoop::builder().virtual_time());
    event_loop
        .block_on(async {
            let (source, mut theirs) = silent_source();
            let polls = Counter::new();
            let (p, odd) = (polls.clone(), readable(&source));
            let task = spawn(async move {
                let mut odd = Box::pin(odd);
                poll_fn(|cx| {
                    p.add();
                    if p.get() == 1 {
                        assert!(odd.as_mut().poll(cx).is_pending());
                    }
                    if p.get() < 3 { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
            });
            // To be sure that nothing holds up the clock it has woken the task for nothing.
            sleep(A_YEAR).await;
            assert_eq!(polls.get(), 2);
            theirs.write_all(b"!").expect("the buffer is not full");
            task.await.expect("no panic");
        })
        .expect("no deadlock");
}

// -- Background ----------------------------------------------------------------------------------------------------------

#[test]
fn i16_an_unref_timer_that_has_fired_does_not_count_any_more() {
    for how_many in 1..4 {
        let mut event_loop = build(EventLoop::builder().virtual_time());
        event_loop
            .block_on(async {
                for _ in 0..how_many {
                    spawn(sleep(Duration::from_millis(1)).unref());
                }
                sleep(Duration::from_millis(2)).await;
                sleep(Duration::from_millis(1)).await; // alone in the wheel
            })
            .expect("a timer is set");
    }
}

#[test]
fn i16_an_unref_timer_that_was_cancelled_does_not_count_any_more() {
    let mut event_loop = build(EventLoop::builder().virtual_time());
    event_loop
        .block_on(async {
            assert!(timeout(Duration::from_millis(1), sleep(A_YEAR).unref()).await.is_err());
            sleep(Duration::from_millis(1)).await;
        })
        .expect("a timer is set");
}

#[test]
fn i16_the_readiness_of_an_unref_source_is_delivered_before_a_deadlock_is_reported() {
    let mut event_loop = event_loop();
    event_loop
        .block_on(async {
            let (source, mut theirs) = silent_source();
            source.set_unref(true);
            let mut is_first = true;
            poll_fn(|cx| {
                let polled = source.poll_ready(cx, Direction::Read);
                if std::mem::take(&mut is_first) {
                    theirs.write_all(b"!").expect("the buffer is not full");
                }
                polled
            })
            .await;
        })
        .expect("the source is ready");
}

#[test]
fn i16_manual_turns_deliver_the_readiness_of_unref_sources() {
    let mut event_loop = event_loop();
    let theirs = Rc::new(RefCell::new(None));
    let kept = theirs.clone();
    let mut root = Box::pin(async move {
        let (source, other_end) = silent_source();
        source.set_unref(true);
        kept.replace(Some(other_end));
        poll_fn(|cx| source.poll_ready(cx, Direction::Read)).await;
    });
    event_loop.wake_root();
    for _ in 0..3 {
        assert!(event_loop.turn(root.as_mut()).is_pending());
        assert!(event_loop.take_error().is_some(), "only an unref'd source is left");
    }
    theirs.borrow_mut().as_mut().expect("it was polled").write_all(b"!").expect("the buffer is not full");
    assert!(event_loop.turn(root.as_mut()).is_pending());
    assert!(event_loop.take_error().is_none(), "the source was ready");
    assert!(event_loop.turn(root.as_mut()).is_ready());
}
