//! Loops inside loops, and what outlives its loop.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use glassloop::sync::oneshot;
use glassloop::{EventLoop, run_in_executor, sleep, spawn};

use crate::support::*;

/// A loop with a task that waits, whose drop spawns.
fn loop_with_a_task(drops: &Counter) -> EventLoop {
    let mut event_loop = event_loop();
    let drops = drops.clone();
    event_loop
        .block_on(async {
            spawn(async move {
                let _probe = OnDrop::new(move || {
                    drops.add();
                    spawn(async {});
                });
                sleep(Duration::from_secs(3600)).await;
            });
            yield_times(1).await;
        })
        .expect("it runs");
    event_loop
}

#[test]
fn a_loop_may_be_dropped_inside_a_task_of_another_loop() {
    let drops = Counter::new();
    let inner = loop_with_a_task(&drops);
    run(async {
        drop(inner);
        // This loop is the current one again, and works.
        sleep(Duration::from_millis(1)).await;
        spawn(yield_times(1)).await.expect("no panic");
    });
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_loop_may_be_dropped_by_another_ones_observer() {
    let drops = Counter::new();
    let mut inner = Some(loop_with_a_task(&drops));
    let events = Counter::new();
    let counted = events.clone();
    let mut event_loop = build(EventLoop::builder().observer(Watch(move |_: &glassloop::observe::Event<'_>| {
        drop(inner.take());
        counted.add();
    })));
    event_loop.block_on(yield_times(2)).expect("it runs");
    assert_eq!(drops.get(), 1);
    assert!(events.get() > 5, "the observer goes on watching");
}

#[test]
fn a_loop_may_be_dropped_while_unwinding() {
    let drops = Counter::new();
    let event_loop = loop_with_a_task(&drops);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _dropped_by_the_panic = event_loop;
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_loop_may_be_dropped_with_its_thread() {
    thread_local! {
        static KEPT: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    }
    let thread = std::thread::spawn(|| {
        KEPT.with(|_touched_before_the_loops_own| ());
        let mut event_loop = event_loop();
        event_loop
            .block_on(async {
                spawn(sleep(Duration::from_secs(3600)));
                spawn(async {
                    let (_sender, receiver) = oneshot::<()>();
                    receiver.await.ok();
                });
                drop(run_in_executor(None, || ()));
                yield_times(1).await;
            })
            .expect("it runs");
        KEPT.with(|kept| kept.replace(Some(event_loop)));
    });
    thread.join().expect("the thread ends in peace");
}

#[test]
fn a_loop_inside_a_loop_is_refused_in_words() {
    let message = run(async {
        let mut inner = event_loop();
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| inner.block_on(async {})));
        let payload = refused.map(|_| ()).expect_err("a loop inside a loop would stop the outer one");
        // Both are as they were.
        spawn(yield_times(1)).await.expect("no panic");
        *payload.downcast::<&str>().expect("a message")
    });
    assert!(message.contains("is already running on this thread"), "{message}");
}

#[test]
fn handles_may_outlive_their_loop() {
    let mut event_loop = event_loop();
    let kept = Rc::new(RefCell::new(None));
    let task = event_loop
        .block_on(async {
            let (mut stream, theirs) = connection();
            let mut timer = Box::pin(sleep(Duration::from_secs(3600)));
            let mut job = run_in_executor(None, || 1);
            let mut queued = run_in_executor(None, || 2);
            let into = kept.clone();
            let task = spawn(async move {
                poll_fn(|cx| {
                    assert!(timer.as_mut().poll(cx).is_pending());
                    assert!(stream.poll_read(cx, &mut [0; 1]).is_pending());
                    let _either = std::pin::Pin::new(&mut job).poll(cx);
                    Poll::Ready(())
                })
                .await;
                into.replace(Some((stream, theirs, timer, job)));
                pending::<()>().await;
            });
            yield_times(1).await;
            let _either = poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut queued).poll(cx).is_ready())).await;
            (task, queued)
        })
        .expect("it runs");
    drop(event_loop);
    let (mut stream, theirs, mut timer, job) = kept.take().expect("the task left them");
    let mut cx = Context::from_waker(Waker::noop());
    // Nothing comes of them any more, and nothing breaks.
    assert!(timer.as_mut().poll(&mut cx).is_ready() || timer.as_mut().poll(&mut cx).is_pending());
    let _either = stream.poll_read(&mut cx, &mut [0; 1]);
    task.0.abort();
    assert!(task.0.is_finished());
    drop((stream, theirs, timer, job, task));
}

#[test]
fn a_root_that_is_dropped_unfinished_is_dropped_while_its_loop_is_current() {
    let mut event_loop = event_loop();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let probe = OnDrop::new(|| drop(spawn(async {})));
        // Written by hand, so that the panic does not drop what it holds.
        event_loop.block_on(poll_fn(move |_| {
            let _held = &probe;
            panic!("in the root");
            #[allow(unreachable_code)]
            Poll::<()>::Pending
        }))
    }));
    assert!(unwound.is_err());
}

#[test]
fn two_loops_may_take_turns_on_one_thread() {
    let (mut first, mut second) = (event_loop(), event_loop());
    let (sender, receiver) = oneshot();
    let mut sends = Box::pin(async move {
        yield_times(3).await;
        sender.send(1)
    });
    let mut receives = Box::pin(receiver);
    first.wake_root();
    second.wake_root();
    let mut turns = 0;
    let got = loop {
        if turns < 4 {
            let _pending_or_done = first.turn(sends.as_mut());
        }
        if let Poll::Ready(got) = second.turn(receives.as_mut()) {
            break got;
        }
        turns += 1;
        assert!(turns < 10);
    };
    assert_eq!(got, Ok(1));
}
