//! I15: semaphores.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use glassloop::sync::{Acquire, Permit, Semaphore};
use glassloop::{EventLoop, spawn};

use crate::support::*;

/// Polls once.
async fn poll_once(acquire: &mut Acquire) -> Option<Permit> {
    poll_fn(|cx| match Pin::new(&mut *acquire).poll(cx) {
        Poll::Ready(permit) => Poll::Ready(Some(permit)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn i15_first_come_first_served_in_any_order_of_polls() {
    for seed in 0..4 {
        let mut event_loop = build(EventLoop::builder().shuffle_seed(seed));
        event_loop
            .block_on(async {
                let semaphore = Semaphore::new(0);
                let mut waiting: Vec<Acquire> = (0..3).map(|_| semaphore.acquire()).collect();
                for acquire in &mut waiting {
                    assert!(poll_once(acquire).await.is_none());
                }
                semaphore.add_permits(1);
                let mut got = Vec::new();
                for acquire in waiting.iter_mut().rev() {
                    got.push(poll_once(acquire).await);
                }
                assert_eq!(got.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true]);
            })
            .expect("it runs");
    }
}

#[test]
fn i15_no_waiter_is_overtaken() {
    run(async {
        let semaphore = Semaphore::new(1);
        let mut many = semaphore.acquire_many(2);
        assert!(poll_once(&mut many).await.is_none());
        assert!(semaphore.try_acquire().is_none(), "one is available, but another waiter came first");
        let mut one = semaphore.acquire();
        assert!(poll_once(&mut one).await.is_none());
        semaphore.add_permits(1);
        assert_eq!(poll_once(&mut many).await.expect("both are there").permits(), 2);
        // They were dropped immediately, so the other one gets its permit.
        assert!(poll_once(&mut one).await.is_some());
    });
}

#[test]
fn i15_a_permit_granted_to_a_waiter_that_is_dropped_goes_to_the_next() {
    run(async {
        let semaphore = Semaphore::new(0);
        let (mut first, mut second) = (semaphore.acquire(), semaphore.acquire());
        assert!(poll_once(&mut first).await.is_none());
        let waiter = spawn(async move {
            let permit = poll_fn(|cx| Pin::new(&mut second).poll(cx)).await;
            permit.permits()
        });
        yield_times(1).await;
        semaphore.add_permits(1);
        assert_eq!(semaphore.available(), 0, "it was granted to the first waiter");
        drop(first);
        assert_eq!(waiter.await.expect("no panic"), 1);
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn i15_a_cancelled_waiter_for_many_permits_does_not_block_others() {
    run(async {
        let semaphore = Semaphore::new(1);
        let (mut many, mut one) = (semaphore.acquire_many(5), semaphore.acquire());
        assert!(poll_once(&mut many).await.is_none());
        assert!(poll_once(&mut one).await.is_none());
        drop(many);
        assert!(poll_once(&mut one).await.is_some());
    });
}

#[test]
fn i15_cancelled_waiters_do_not_fill_the_queue() {
    run(async {
        let semaphore = Semaphore::new(0);
        let mut first = semaphore.acquire();
        assert!(poll_once(&mut first).await.is_none());
        for _ in 0..100 {
            let mut impatient = semaphore.acquire();
            assert!(poll_once(&mut impatient).await.is_none());
        }
        let text = format!("{semaphore:?}");
        let waiting: usize = text
            .split("waiting: ")
            .nth(1)
            .and_then(|rest| rest.trim_end_matches(" }").parse().ok())
            .unwrap_or_else(|| panic!("no number in {text}"));
        assert!(waiting <= 2, "{waiting} waiters are in the queue");
    });
}
