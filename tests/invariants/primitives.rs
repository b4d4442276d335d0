//! The counts of the primitives and combinators, and the limits of the loop's budget.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use glassloop::futures::{as_completed, join_all};
use glassloop::observe::{Event as Observed, EventKind};
use glassloop::sync::{OnceEvent, oneshot};
use glassloop::{EventLoop, spawn};

use crate::support::*;

#[test]
fn a_once_event_wakes_all_waiters() {
    for (waiting, leaving_between) in [(1, 0), (4, 0), (5, 0), (9, 1), (40, 1), (20, 7)] {
        run(async {
            let (event, woken) = (OnceEvent::new(), Counter::new());
            let mut tasks = vec![];
            for _ in 0..waiting {
                for _ in 0..leaving_between {
                    let mut wait = Box::pin(event.wait());
                    let is_pending = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await;
                    assert!(is_pending);
                }
                let (wait, woken) = (event.wait(), woken.clone());
                tasks.push(spawn(async move {
                    wait.await;
                    woken.add();
                }));
                yield_times(1).await;
            }
            assert_eq!(woken.get(), 0);
            event.set();
            // However few of them fit into one turn's budget. A lost wake is a deadlock.
            join_all(tasks).await;
            assert_eq!(woken.get(), waiting, "{leaving_between} have left before each");
        });
    }
}

#[test]
fn as_completed_returns_how_many_are_left_and_which_are_done() {
    run(async {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::<usize>()).unzip();
        let mut results = as_completed(receivers);
        let mut is_done = [false; 3];
        assert_eq!(results.left(), 3);
        let mut senders: Vec<_> = senders.into_iter().map(Some).collect();
        for (taken, number) in [1, 2, 0].into_iter().enumerate() {
            senders[number].take().expect("once").send(number).expect("it is waited for");
            assert_eq!(results.next().await, Some((number, Ok(number))));
            is_done[number] = true;
            assert_eq!(results.left(), 2 - taken);
            assert_eq!([0, 1, 2].map(|number| results.is_done(number)), is_done);
        }
        assert_eq!(results.next().await, None);
    });
}

#[test]
fn join_all_of_nothing_is_ready() {
    assert!(run(join_all(Vec::<std::future::Ready<()>>::new())).is_empty());
}

/// The maximum number of polls between two polls of the reactor, for a loop whose tasks are always ready.
fn max_polls_between_reactor_polls(polls: u32, time: Duration) -> u32 {
    let (most, count) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (m, c) = (most.clone(), count.clone());
    let watch = Watch(move |event: &Observed<'_>| match event.kind {
        EventKind::PollBegin { .. } => {
            c.set(c.get() + 1);
            m.set(m.get().max(c.get()));
        }
        EventKind::WaitBegin { .. } => c.set(0),
        _ => {}
    });
    let mut event_loop = build(EventLoop::builder().budget(polls, time).observer(watch));
    event_loop
        .block_on(async {
            let _a_source_to_look_at = connection();
            join_handles((0..50).map(|_| spawn(yield_times(20)))).await;
        })
        .expect("it runs");
    most.get()
}

async fn join_handles(tasks: impl Iterator<Item = glassloop::JoinHandle<()>>) {
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
}

#[test]
fn the_budget_limits_the_polls_between_two_polls_of_the_reactor() {
    let an_hour = Duration::from_secs(3600);
    for polls in [1, 2, 7, 61] {
        let most = max_polls_between_reactor_polls(polls, an_hour);
        // The root is polled before the budget is checked.
        assert!((polls..=polls + 1).contains(&most), "{most} polls with a budget of {polls}");
    }
    assert!(max_polls_between_reactor_polls(0, an_hour) <= 2, "at least one");
    // The clock is read every 16 polls.
    let most = max_polls_between_reactor_polls(u32::MAX, Duration::ZERO);
    assert!((16..=17).contains(&most), "{most} polls with no time");
}
