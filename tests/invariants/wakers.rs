//! I1, I2, I6: what a waker owns, what waking does, and that no wake is lost.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use glassloop::futures::{as_completed, join_all};
use glassloop::sync::oneshot::{self, oneshot};
use glassloop::{EventLoop, spawn};

use crate::support::*;

#[test]
fn i01_a_future_is_dropped_on_the_loops_thread_while_others_hold_its_waker() {
    let (to_thread, wakers) = mpsc::channel::<Waker>();
    let (let_go, may_let_go) = mpsc::channel::<()>();
    let holder = thread::spawn(move || {
        let waker = wakers.recv().expect("a waker");
        may_let_go.recv().expect("the word");
        drop(waker);
    });
    let dropped_on = Log::new();
    let mut event_loop = event_loop();
    event_loop
        .block_on(async {
            let dropped_on = dropped_on.clone();
            let task = spawn(async move {
                let _probe = OnDrop::new(move || dropped_on.push(thread::current().id()));
                to_thread.send(own_waker().await).expect("the thread listens");
                pending::<()>().await;
            });
            yield_times(1).await;
            task.abort();
            assert!(task.await.is_err());
        })
        .expect("it runs");
    assert_eq!(dropped_on.take(), [thread::current().id()]);
    let_go.send(()).expect("the thread waits");
    holder.join().expect("dropping the last waker does nothing");
}

#[test]
fn i01_a_completed_future_is_dropped_immediately_and_its_output_stays_on_the_thread() {
    run(async {
        let drops = Counter::new();
        let probe = drops.clone();
        let task = spawn(async move {
            let _waker_outlives_the_future = own_waker().await;
            OnDrop::new(move || probe.add())
        });
        yield_times(1).await;
        assert_eq!(drops.get(), 0, "the output waits for whoever joins");
        drop(task);
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn i02_a_wake_after_the_loop_was_dropped_does_nothing() {
    let waker = event_loop().block_on(own_waker()).expect("it runs");
    let of_task = event_loop().block_on(async { spawn(own_waker()).await }).expect("it runs").expect("no panic");
    for waker in [waker, of_task] {
        let theirs = waker.clone();
        thread::spawn(move || theirs.wake()).join().expect("a wake never panics");
        waker.wake();
    }
}

#[test]
fn i02_a_wake_does_not_wait_for_a_busy_loop() {
    run(async {
        let (done, is_done) = mpsc::channel();
        let waker = own_waker().await;
        thread::spawn(move || {
            waker.wake();
            done.send(()).expect("the loop listens");
        });
        // The loop is inside a poll all the while.
        is_done.recv().expect("the wake returned");
    });
}

#[test]
fn i02_a_wake_while_the_thread_exits_does_not_panic() {
    struct WakesLate(RefCell<Option<Waker>>);
    impl Drop for WakesLate {
        fn drop(&mut self) {
            if let Some(waker) = self.0.take() {
                waker.wake();
            }
        }
    }
    thread_local! {
        static LATE: WakesLate = const { WakesLate(RefCell::new(None)) };
    }
    let thread = thread::spawn(|| {
        LATE.with(|_touched_before_the_loops_own| ());
        let waker = run(own_waker());
        LATE.with(|late| late.0.replace(Some(waker)));
    });
    thread.join().expect("the thread ends in peace");
}

#[test]
fn i02_a_wake_polls_no_task() {
    run(async {
        let (_task, polls, wakers) = spawn_waiting();
        yield_times(1).await;
        let waker = wakers.take().remove(0);
        waker.wake();
        assert_eq!(polls.get(), 1, "polled inside `wake`");
        yield_times(1).await;
        assert_eq!(polls.get(), 2);
    });
}

/// Pending once; before it says so, another thread has woken it and let go of the waker.
#[derive(Default)]
struct WokenWhilePolled {
    is_woken: bool,
}

impl Future for WokenWhilePolled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_woken {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        thread::spawn(move || waker.wake()).join().expect("a wake never panics");
        self.is_woken = true;
        Poll::Pending
    }
}

#[test]
fn i06_the_root_is_not_lost_when_it_is_woken_while_polled() {
    run(WokenWhilePolled::default());
}

#[test]
fn i06_a_task_is_not_lost_when_it_is_woken_while_polled() {
    run(async { spawn(WokenWhilePolled::default()).await }).expect("it does not panic");
}

#[test]
fn i06_a_child_is_not_lost_when_it_is_woken_while_polled() {
    run(async { join_all((0..3).map(|_| WokenWhilePolled::default())).await });
}

#[test]
fn i06_a_second_wake_from_another_thread_is_received() {
    /// Pending, and woken by another thread, three times over.
    async fn be_woken() {
        for _ in 0..3 {
            WokenWhilePolled::default().await;
        }
    }
    run(async {
        be_woken().await;
        spawn(be_woken()).await.expect("it does not panic");
        join_all((0..2).map(|_| be_woken())).await;
    });
}

#[test]
fn i06_a_wake_between_two_calls_of_block_on_is_not_lost() {
    let mut event_loop = EventLoop::new().expect("a loop");
    let is_open = Counter::new();
    let (waker, task) = event_loop
        .block_on(async {
            let (wakers, open) = (Log::new(), is_open.clone());
            let to = wakers.clone();
            let task = spawn(poll_fn(move |cx| {
                to.push(cx.waker().clone());
                if open.get() > 0 { Poll::Ready(()) } else { Poll::Pending }
            }));
            yield_times(1).await;
            (wakers.take().remove(0), task)
        })
        .expect("it runs");
    is_open.add();
    waker.wake();
    event_loop.block_on(task).expect("the wake was heard").expect("it does not panic");
}

#[test]
fn i06_a_child_that_is_woken_while_the_task_does_something_else_is_polled_next() {
    run(async {
        let (first, one) = oneshot();
        let (third, three) = oneshot();
        let wakers = Log::new();
        let to = wakers.clone();
        let never = poll_fn(move |cx| {
            to.push(cx.waker().clone());
            Poll::<Result<i32, oneshot::Closed>>::Pending
        });
        type Child = Pin<Box<dyn Future<Output = Result<i32, oneshot::Closed>>>>;
        let children: [Child; 3] = [Box::pin(one), Box::pin(never), Box::pin(three)];
        let mut results = as_completed(children);
        poll_fn(|cx| {
            assert!(Pin::new(&mut results.next()).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // The first is taken, the second stands on the list of the woken, and then the third is woken while the task is
        // polled for something else: that takes the wake with it.
        first.send(1).expect("the receiver exists");
        wakers.take().remove(0).wake();
        assert_eq!(results.next().await, Some((0, Ok(1))));
        spawn(async move { third.send(3) });
        yield_times(3).await;
        assert_eq!(results.next().await, Some((2, Ok(3))));
    });
}
