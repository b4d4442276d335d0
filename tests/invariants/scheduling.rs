//! I3, I4, and the order of tasks.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use glassloop::observe::EventKind;
use glassloop::sync::{channel, oneshot};
use glassloop::{EventLoop, JoinHandle, JoinSet, spawn};

use crate::support::*;

#[test]
fn i03_many_wakes_are_one_poll() {
    run(async {
        let (_task, polls, wakers) = spawn_waiting();
        yield_times(1).await;
        let waker = wakers.take().remove(0);
        for _ in 0..10 {
            waker.wake_by_ref();
        }
        yield_times(3).await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn i03_many_wakes_from_another_thread_are_one_poll() {
    run(async {
        let (_task, polls, wakers) = spawn_waiting();
        yield_times(1).await;
        let waker = wakers.take().remove(0);
        let thread = std::thread::spawn(move || (0..10).for_each(|_| waker.wake_by_ref()));
        thread.join().expect("a wake never panics");
        yield_times(3).await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn i03_a_task_that_wakes_itself_twice_is_polled_once_more() {
    run(async {
        let polls = Counter::new();
        let p = polls.clone();
        spawn(poll_fn(move |cx| {
            p.add();
            if p.get() == 1 {
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }));
        yield_times(4).await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn i03_a_task_that_woke_itself_and_is_woken_again_before_its_poll_is_polled_once() {
    run(async {
        let (polls, wakers) = (Counter::new(), Log::new());
        let (p, w) = (polls.clone(), wakers.clone());
        spawn(poll_fn(move |cx| {
            p.add();
            if p.get() == 1 {
                w.push(cx.waker().clone());
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }));
        // Stands behind it in the queue, and before its second turn.
        spawn(async move { wakers.take().remove(0).wake() });
        yield_times(4).await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn i03_a_stale_waker_does_not_affect_the_next_task_with_its_index() {
    run(async {
        let first = spawn(own_waker());
        let slot = first.id().expect("it was taken").index;
        let stale = first.await.expect("it does not panic");
        let (second, polls, wakers) = spawn_waiting();
        assert_eq!(second.id().expect("it was taken").index, slot, "the slot is used again");
        yield_times(1).await;
        stale.wake();
        yield_times(2).await;
        assert_eq!(polls.get(), 1);
        wakers.take().remove(0).wake();
        yield_times(1).await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn i03_a_task_that_was_woken_and_then_aborted_is_removed_from_the_ready_queue() {
    run(async {
        let task = spawn(pending::<()>());
        let slot = task.id().expect("it was taken").index;
        yield_times(1).await;
        task.abort();
        task.abort();
        assert!(task.await.is_err());
        let polls = Counter::new();
        let next = spawn(count_polls(&polls));
        assert_eq!(next.id().expect("it was taken").index, slot);
        yield_times(3).await;
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn i04_the_drop_of_a_future_may_wake_spawn_abort_and_send() {
    let ran = run(async {
        let ran = Log::new();
        let (sender, receiver) = oneshot();
        let victim = Rc::new(spawn(pending::<()>()));
        let task = {
            let (ran, victim) = (ran.clone(), victim.clone());
            spawn(async move {
                let _probe = OnDrop::new(move || {
                    victim.abort();
                    let inner = ran.clone();
                    spawn(async move { inner.push("spawned from a drop") });
                    sender.send("sent from a drop").expect("the receiver exists");
                });
                pending::<()>().await;
            })
        };
        yield_times(1).await;
        task.abort();
        ran.push(receiver.await.expect("the drop sends"));
        yield_times(2).await;
        assert!(victim.is_finished(), "aborted from a drop");
        ran.take()
    });
    assert_eq!(ran, ["spawned from a drop", "sent from a drop"]);
}

#[test]
fn i04_the_drop_of_an_output_may_wake_spawn_and_abort() {
    run(async {
        let drops = Counter::new();
        let victim = Rc::new(spawn(pending::<()>()));
        let mut set = JoinSet::new();
        for _ in 0..3 {
            let (drops, victim) = (drops.clone(), victim.clone());
            set.spawn(async move {
                OnDrop::new(move || {
                    drops.add();
                    victim.abort();
                    spawn(async {});
                })
            });
        }
        let unread = {
            let (drops, victim) = (drops.clone(), victim.clone());
            spawn(async move {
                OnDrop::new(move || {
                    drops.add();
                    victim.abort();
                    spawn(async {});
                })
            })
        };
        drop(unread); // its output has no taker: the loop drops it
        yield_times(1).await;
        drop(set);
        yield_times(2).await;
        assert_eq!(drops.get(), 4);
    });
}

#[test]
fn i04_a_message_that_is_dropped_unread_may_use_its_channel() {
    run(async {
        let (sender, receiver) = channel::channel(4);
        let drops = Counter::new();
        for _ in 0..2 {
            let (drops, again) = (drops.clone(), sender.clone());
            let message: OnDrop<Box<dyn FnOnce()>> = OnDrop::new(Box::new(move || {
                drops.add();
                assert!(format!("{again:?}").contains("queued"), "the queue can be looked at");
                let answer: OnDrop<Box<dyn FnOnce()>> = OnDrop::new(Box::new(|| ()));
                assert!(again.push(answer).is_err(), "nobody receives any more");
            }));
            assert!(sender.push(message).is_ok());
        }
        drop(receiver);
        assert_eq!(drops.get(), 2);
    });
}

#[test]
fn i04_an_observer_may_wake_at_every_event() {
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let seen = waker.clone();
    let mut event_loop = build(EventLoop::builder().observer(Watch(move |_: &glassloop::observe::Event<'_>| {
        if let Some(waker) = &*seen.borrow() {
            waker.wake_by_ref();
        }
    })));
    event_loop
        .block_on(async {
            let waker = waker.clone();
            let polls = Counter::new();
            poll_fn(move |cx| {
                waker.replace(Some(cx.waker().clone()));
                polls.add();
                if polls.get() < 100 { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        })
        .expect("it runs");
}

#[test]
fn i04_an_observer_that_wakes_when_the_loop_is_about_to_sleep_keeps_it_awake() {
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let seen = waker.clone();
    let mut event_loop = build(EventLoop::builder().observer(Watch(move |event: &glassloop::observe::Event<'_>| {
        if matches!(event.kind, EventKind::WaitBegin { .. })
            && let Some(waker) = seen.take()
        {
            waker.wake();
        }
    })));
    let mut is_first = true;
    event_loop
        .block_on(poll_fn(move |cx| {
            if std::mem::take(&mut is_first) {
                waker.replace(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            Poll::Ready(())
        }))
        .expect("it runs");
}

#[test]
fn i04_a_task_may_hold_and_drop_the_handles_of_others_and_its_own() {
    run(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let inside = own.clone();
        let task = spawn(async move {
            let handle = inside.take().expect("it was put there");
            handle.abort(); // takes effect when this poll is over
            handle.await.expect("never: it is its own");
        });
        own.replace(Some(task));
        yield_times(3).await;
        assert!(own.borrow().is_none());
    });
}

fn order_of(event_loop: &mut EventLoop) -> Vec<usize> {
    event_loop
        .block_on(async {
            let order = Log::new();
            for number in 0..8 {
                let order = order.clone();
                spawn(async move { order.push(number) });
            }
            yield_times(2).await;
            order.take()
        })
        .expect("it runs")
}

#[test]
fn tasks_are_polled_in_fifo_order() {
    assert_eq!(order_of(&mut event_loop()), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn the_shuffled_queue_runs_every_task() {
    let orders: Vec<Vec<usize>> =
        (1..=5).map(|seed| order_of(&mut build(EventLoop::builder().shuffle_seed(seed)))).collect();
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
    assert!(orders.iter().any(|order| order != &orders[0]), "five seeds, one order");
}

#[test]
fn a_seed_means_the_same_order_in_every_version() {
    let order = |seed| order_of(&mut build(EventLoop::builder().shuffle_seed(seed)));
    assert_eq!(order(1), [1, 7, 5, 3, 2, 6, 0, 4]);
    assert_eq!(order(7), [7, 1, 5, 2, 6, 4, 0, 3]);
}

#[test]
fn coordination_does_not_lean_on_the_order() {
    for seed in 0..8 {
        let mut event_loop = build(EventLoop::builder().shuffle_seed(seed));
        let sum = event_loop
            .block_on(async {
                let (sender, mut receiver) = channel::channel(2);
                let gate = glassloop::sync::Semaphore::new(3);
                let mut set = JoinSet::new();
                for n in 1..=50u32 {
                    let (sender, gate) = (sender.clone(), gate.clone());
                    set.spawn(async move {
                        let _permit = gate.acquire().await;
                        yield_times(n as usize % 3).await;
                        sender.send(n).await.expect("somebody receives");
                    });
                }
                drop(sender);
                let mut sum = 0;
                while let Some(n) = receiver.recv().await {
                    sum += n;
                }
                while let Some(result) = set.join_next().await {
                    result.expect("none panics");
                }
                assert_eq!(gate.available(), 3);
                sum
            })
            .expect("it runs");
        assert_eq!(sum, 50 * 51 / 2, "seed {seed}");
    }
}
