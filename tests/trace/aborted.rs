//! The finding `lost_waker` for tasks without a waker that can, or cannot, still be aborted.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use glassloop::event_loop::{Direction, InitialReadiness, PollEvented, SourceMetadata};
use glassloop::futures::{timeout, yield_now};
use glassloop::{EventLoop, JoinHandle, JoinSet, spawn_named};

use crate::findings::{findings, found};

/// Aborts a task when it is dropped.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Future for AbortOnDrop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|result| assert!(result.is_err()))
    }
}

/// Runs a root future and returns the findings.
fn aborts<F: Future<Output = ()>>(root: impl FnOnce() -> F) -> Vec<(String, String)> {
    findings(|event_loop: &mut EventLoop| event_loop.block_on(async { root().await }).expect("no deadlock"))
}

/// Yields several times, so that all other tasks are polled.
async fn some_polls() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[test]
fn lost_waker_is_not_reported_for_a_task_that_can_be_aborted() {
    let aborted = aborts(|| async move {
        let waits = spawn_named("waits", pending::<()>());
        some_polls().await;
        waits.abort();
        assert!(waits.await.is_err());
    });
    assert_eq!(aborted, []);
    let aborted_after_a_time_limit = aborts(|| async move {
        let mut waits = spawn_named("waits", pending::<()>());
        timeout(Duration::from_millis(2), &mut waits).await.expect_err("a timeout");
        waits.abort();
        assert!(waits.await.is_err());
    });
    assert_eq!(aborted_after_a_time_limit, []);
    let aborted_by_a_set = aborts(|| async move {
        let mut set = JoinSet::new();
        set.spawn_named("waits", pending::<()>());
        set.spawn_named("ends", some_polls());
        set.join_next().await.expect("one of two").expect("no panic");
        drop(set);
        some_polls().await;
    });
    assert_eq!(aborted_by_a_set, []);
    let aborted_with_the_one_that_awaits_it = aborts(|| async move {
        let supervisor = spawn_named("supervisor", async { AbortOnDrop(spawn_named("waits", pending::<()>())).await });
        some_polls().await;
        supervisor.abort();
        assert!(supervisor.await.is_err());
    });
    assert_eq!(aborted_with_the_one_that_awaits_it, []);
}

#[test]
fn lost_waker_is_reported_for_a_task_that_can_no_longer_be_aborted() {
    let its_handle_is_dropped = aborts(|| async {
        let waits = spawn_named("waits", pending::<()>());
        some_polls().await;
        drop(waits);
        some_polls().await;
    });
    assert_eq!(its_handle_is_dropped, found("lost_waker", "waits"));
    let it_is_awaited_and_nothing_else_is = aborts(|| async {
        let first = spawn_named("first", pending::<()>());
        let second = spawn_named("second", first);
        spawn_named("third", second);
        some_polls().await;
    });
    assert_eq!(it_is_awaited_and_nothing_else_is, found("lost_waker", "first"));
    let it_is_awaited_later = aborts(|| async {
        spawn_named("second", async {
            let first = spawn_named("first", pending::<()>());
            yield_now().await;
            assert!(first.await.is_err());
        });
        some_polls().await;
    });
    assert_eq!(it_is_awaited_later, found("lost_waker", "first"));
}

#[test]
fn lost_waker_is_reported_when_the_waker_is_replaced_after_the_poll() {
    let pair = || {
        let (ours, theirs) = mio::net::UnixStream::pair().expect("sockets");
        let described = SourceMetadata { what: "socket", descriptor: None, peer: None };
        (
            Rc::new(RefCell::new(Some(
                PollEvented::new(ours, InitialReadiness::NotReady, described).expect("registered"),
            ))),
            theirs,
        )
    };
    let wait = |name: &str, source: &Rc<RefCell<Option<PollEvented<mio::net::UnixStream>>>>| {
        let source = source.clone();
        spawn_named(
            name,
            poll_fn(move |cx| match &*source.borrow() {
                Some(source) => source.poll_ready(cx, Direction::Read),
                None => Poll::Ready(()),
            }),
        )
    };
    let another_task_waits_for_the_same_source = aborts(|| async move {
        let (source, mut theirs) = pair();
        let (first, second) = (wait("first", &source), wait("second", &source));
        some_polls().await;
        theirs.write_all(b"x").expect("a write");
        second.await.expect("no panic");
        spawn_named("awaits", first);
        some_polls().await;
    });
    assert_eq!(another_task_waits_for_the_same_source, found("lost_waker", "first"));
}

#[test]
fn lost_waker_is_not_reported_after_a_panic() {
    let root_panics = |event_loop: &mut EventLoop| {
        let run = AssertUnwindSafe(|| event_loop.block_on(async { panic!("on purpose") }));
        std::panic::catch_unwind(run).expect_err("it panics");
    };
    assert_eq!(findings(root_panics), []);
    let task_panics = aborts(|| async {
        let panics = spawn_named("panics", async { panic!("on purpose") });
        let awaits = spawn_named("awaits", async { panics.await.expect("it panics") });
        awaits.await.expect_err("it panics as well");
    });
    assert_eq!(task_panics, []);
}
