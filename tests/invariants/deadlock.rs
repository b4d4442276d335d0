//! I16: when the loop reports a deadlock, and when it must not.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::io::Write;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::Duration;

use glassloop::futures::{as_completed, join_all};
use glassloop::observe::{Event, EventKind};
use glassloop::sync::{Semaphore, channel, oneshot};
use glassloop::{EventLoop, JoinHandle, run_in_executor, sleep, spawn, spawn_named};

use crate::support::*;

// -- A deadlock is reported --------------------------------------------------------------------------------------------

#[test]
fn i16_a_oneshot_that_is_never_sent() {
    let mut event_loop = event_loop();
    let result = event_loop.block_on(async {
        let (_sender, receiver) = oneshot::<()>();
        receiver.await.ok()
    });
    assert_eq!(stuck(result), [("root".to_owned(), "a oneshot")]);
}

#[test]
fn i16_the_report_names_every_task_and_what_it_waits_for() {
    let mut event_loop = event_loop();
    let result = event_loop.block_on(async {
        let semaphore = Semaphore::new(1);
        let (sender, mut receiver) = channel::channel::<()>(1);
        let held = semaphore.acquire().await;
        let wants = semaphore.clone();
        let first = spawn_named("wants a permit", async move { drop(wants.acquire().await) });
        spawn_named("wants a message", async move {
            let _kept = held;
            receiver.recv().await;
        });
        let result = first.await;
        drop(sender);
        result
    });
    let Err(error) = &result else { panic!("no deadlock was reported") };
    let text = error.to_string();
    assert!(
        text.contains("`wants a permit` waits for a permit (spawned at ") && text.contains("deadlock.rs"),
        "{text}"
    );
    let expected = [("root", "a task"), ("wants a permit", "a permit"), ("wants a message", "a message")];
    assert_eq!(stuck(result), expected.map(|(name, what)| (name.to_owned(), what)));
}

#[test]
fn i16_a_future_without_a_wait_reason_waits_for_something() {
    let mut event_loop = event_loop();
    let error = event_loop.block_on(pending::<()>()).expect_err("nothing can happen");
    assert!(error.to_string().ends_with("`root` waits for something"), "{error}");
}

#[test]
fn i16_tasks_that_wait_for_each_other() {
    let mut event_loop = event_loop();
    let result = event_loop.block_on(async {
        let other: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let first = {
            let other = other.clone();
            spawn_named("first", async move {
                yield_times(1).await;
                let second = other.take();
                if let Some(second) = second {
                    second.await.ok();
                }
            })
        };
        let second = spawn_named("second", async move { drop(first.await) });
        other.replace(Some(second));
        pending::<()>().await;
    });
    let stuck = stuck(result);
    assert_eq!(stuck[1..], [("first".to_owned(), "a task"), ("second".to_owned(), "a task")]);
}

#[test]
fn i16_children_of_join_all_and_as_completed() {
    for as_they_come in [false, true] {
        let mut event_loop = event_loop();
        let result = event_loop.block_on(async {
            let (_senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::<()>()).unzip();
            if as_they_come {
                as_completed(receivers).next().await;
            } else {
                join_all(receivers).await;
            }
        });
        assert_eq!(stuck(result), [("root".to_owned(), "a oneshot")]);
    }
}

#[test]
fn i16_children_within_children() {
    let mut event_loop = event_loop();
    let result = event_loop.block_on(async {
        let (_senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| oneshot::<()>()).unzip();
        let mut receivers = receivers.into_iter();
        let pairs: Vec<_> = std::iter::from_fn(|| Some(join_all([receivers.next()?, receivers.next()?]))).collect();
        join_all(pairs).await;
    });
    assert_eq!(stuck(result).len(), 1);
}

#[test]
fn i16_a_loop_can_be_used_again_after_a_deadlock() {
    let mut event_loop = event_loop();
    let drops = Counter::new();
    let probe = drops.clone();
    let result = event_loop.block_on(async move {
        let _probe = OnDrop::new(move || {
            probe.add();
            spawn(async {}); // the loop is still current when the root is dropped
        });
        pending::<()>().await;
    });
    stuck(result);
    assert_eq!(drops.get(), 1);
    event_loop.block_on(async { spawn(yield_times(1)).await }).expect("it runs").expect("no panic");
}

#[test]
fn i16_unref_timers_and_sources_do_not_count() {
    let mut event_loop = event_loop();
    let result = event_loop.block_on(async {
        let (mut ours, _theirs) = connection();
        ours.set_unref(true);
        spawn_named("idle connection", async move { drop(poll_fn(|cx| ours.poll_read(cx, &mut [0; 1])).await) });
        spawn_named("progress", async { sleep(Duration::from_secs(3600)).unref().await });
        yield_times(1).await;
        let (_sender, receiver) = oneshot::<()>();
        receiver.await.ok()
    });
    assert_eq!(stuck(result).len(), 3);
}

#[test]
fn i16_a_manual_turn_does_not_block_and_returns_the_deadlock() {
    let mut event_loop = event_loop();
    let (sender, mut receiver) = oneshot();
    let mut root = Box::pin(async move { poll_fn(|cx| std::pin::Pin::new(&mut receiver).poll(cx)).await });
    event_loop.wake_root();
    assert!(event_loop.turn(root.as_mut()).is_pending());
    assert!(event_loop.take_error().is_some());
    // The caller may wake the task between two turns.
    assert!(event_loop.turn(root.as_mut()).is_pending());
    sender.send(1).expect("the receiver exists");
    event_loop.block_on(async {}).expect("the error of an earlier turn is not returned again");
    event_loop.wake_root();
    assert_eq!(event_loop.turn(root.as_mut()), Poll::Ready(Ok(1)));
    assert!(event_loop.take_error().is_none());
}

// -- No deadlock is reported -------------------------------------------------------------------------------------------

/// A loop, and a receiver that is notified when the loop is about to block for long.
fn loop_that_reports_its_parks() -> (EventLoop, mpsc::Receiver<()>) {
    let (sleeps, parks) = mpsc::channel();
    let watch = Watch(move |event: &Event<'_>| {
        if matches!(event.kind, EventKind::WaitBegin { timeout, .. } if timeout != Some(Duration::ZERO)) {
            let _receiver_dropped = sleeps.send(());
        }
    });
    (build(EventLoop::builder().observer(watch)), parks)
}

/// Pending once. Its waker is handed to `take`.
fn woken_by(take: impl FnOnce(Waker)) -> impl Future<Output = ()> {
    let mut take = Some(take);
    poll_fn(move |cx| match take.take() {
        Some(take) => {
            take(cx.waker().clone());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
}

/// On another thread: waits until the loop sleeps, then wakes.
fn wake_when_it_sleeps(sleeps: mpsc::Receiver<()>) -> impl FnOnce(Waker) {
    move |waker| {
        std::thread::spawn(move || {
            sleeps.recv().expect("the loop sleeps, and does not despair");
            waker.wake();
        });
    }
}

#[test]
fn i16_no_deadlock_while_another_thread_holds_the_roots_waker() {
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    event_loop.block_on(woken_by(wake_when_it_sleeps(sleeps))).expect("no deadlock");
}

#[test]
fn i16_no_deadlock_while_another_thread_holds_a_tasks_waker() {
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    event_loop
        .block_on(async { spawn(woken_by(wake_when_it_sleeps(sleeps))).await })
        .expect("no deadlock")
        .expect("no panic");
}

#[test]
fn i16_no_deadlock_while_another_thread_holds_a_childs_waker() {
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    let children = join_all([woken_by(wake_when_it_sleeps(sleeps))]);
    event_loop.block_on(children).expect("no deadlock");
}

#[test]
fn i16_no_deadlock_while_a_grandchilds_waker_is_held() {
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    let children = join_all([join_all([woken_by(wake_when_it_sleeps(sleeps))])]);
    event_loop.block_on(async { spawn(children).await }).expect("no deadlock").expect("no panic");
}

#[test]
fn i16_no_deadlock_while_a_waker_was_taken_out_of_its_slot() {
    // A slot that gives its waker away no longer answers for it.
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    let take = wake_when_it_sleeps(sleeps);
    let through_a_slot = move |waker: Waker| {
        let mut slot = glassloop::sync::WakerSlot::new();
        slot.register(&waker);
        drop(waker);
        take(slot.take().expect("it was put there"));
    };
    event_loop.block_on(woken_by(through_a_slot)).expect("no deadlock");
}

#[test]
fn i16_no_deadlock_while_a_job_runs() {
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    let result = event_loop.block_on(async { run_in_executor(None, move || sleeps.recv().is_ok()).await });
    assert!(result.expect("no deadlock").expect("no panic"));
}

#[test]
fn i16_no_deadlock_while_a_detached_job_holds_a_waker() {
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    event_loop
        .block_on(async {
            woken_by(|waker| {
                drop(run_in_executor(None, move || {
                    sleeps.recv().expect("the loop sleeps");
                    waker.wake();
                }));
            })
            .await;
        })
        .expect("no deadlock");
}

#[test]
fn i16_no_deadlock_while_a_socket_is_waited_for() {
    let (mut event_loop, sleeps) = loop_that_reports_its_parks();
    event_loop
        .block_on(async {
            let (mut ours, mut theirs) = connection();
            std::thread::spawn(move || {
                sleeps.recv().expect("the loop sleeps");
                theirs.write_all(b"!").expect("the buffer is not full");
            });
            poll_fn(|cx| ours.poll_read(cx, &mut [0; 1])).await.expect("loopback does not fail");
        })
        .expect("no deadlock");
}

#[test]
fn i16_no_deadlock_while_a_timer_is_set() {
    let mut event_loop = build(EventLoop::builder().virtual_time());
    event_loop
        .block_on(async {
            let (sender, receiver) = oneshot();
            spawn(async move {
                sleep(Duration::from_secs(3600)).await;
                sender.send(())
            });
            receiver.await.expect("it was sent");
        })
        .expect("no deadlock");
}

#[test]
fn i16_no_deadlock_when_a_thread_wakes_and_drops_its_waker_at_any_moment() {
    // The clones are counted before the notifier is checked: otherwise this would fail now and then.
    for _ in 0..300 {
        let mut event_loop = event_loop();
        let woken = woken_by(|waker| drop(std::thread::spawn(move || waker.wake())));
        event_loop.block_on(async { spawn(woken).await }).expect("no deadlock").expect("no panic");
    }
}

#[test]
fn i16_no_deadlock_while_an_observer_still_wakes() {
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let seen = waker.clone();
    let watch = Watch(move |event: &Event<'_>| {
        if matches!(event.kind, EventKind::Finding { what: "deadlock", .. })
            && let Some(waker) = seen.take()
        {
            waker.wake();
        }
    });
    let mut event_loop = build(EventLoop::builder().observer(watch));
    let (sender, receiver) = oneshot::<()>();
    // The observer holds no waker that the loop could count: it lies in a slot of the loop's kind, and it may be sent to.
    let sender = RefCell::new(Some(sender));
    let wakes = struct_waker(move || drop(sender.take()));
    waker.replace(Some(wakes));
    assert!(event_loop.block_on(receiver).expect("the observer has ended the wait").is_err());
}

/// A waker of the test's own that calls a closure, on this thread.
fn struct_waker(call: impl FnOnce() + 'static) -> Waker {
    thread_local! {
        static CALL: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    }
    struct Calls;
    impl std::task::Wake for Calls {
        fn wake(self: std::sync::Arc<Self>) {
            let call = CALL.take();
            if let Some(call) = call {
                call();
            }
        }
    }
    CALL.replace(Some(Box::new(call)));
    Waker::from(std::sync::Arc::new(Calls))
}
