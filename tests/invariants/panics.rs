//! I12: panics, and what continues after them.

use std::future::{Future, pending, poll_fn};
use std::sync::{Arc, Mutex, Once};
use std::task::{Poll, Wake, Waker};

use glassloop::observe::{Event, EventKind};
use glassloop::{EventLoop, JobError, JoinError, JoinSet, ThreadPool, run_in_executor, spawn, spawn_named};

use crate::support::*;

/// Keeps what is logged, by all tests of this program.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

fn was_logged(text: &str) -> bool {
    LINES.0.lock().unwrap().iter().any(|line| line.contains(text))
}

fn listen_to_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LINES).expect("there is no other logger");
        log::set_max_level(log::LevelFilter::Warn);
    });
}

#[test]
fn i12_a_panic_is_returned_by_the_handle_and_the_other_tasks_continue() {
    run(async {
        let other = spawn(yield_times(3));
        let error = spawn_named("clumsy", async { panic!("fell over") }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "the task `clumsy` panicked: fell over");
        let error = spawn(async { std::panic::panic_any(7u8) }).await.map(|(): ()| ()).unwrap_err();
        let JoinError::Panicked { payload, .. } = error else { panic!("it was not aborted") };
        assert_eq!(payload.into_inner().downcast_ref::<u8>(), Some(&7));
        other.await.expect("it had nothing to do with it");
    });
}

#[test]
fn i12_a_panicked_future_is_dropped_and_not_polled_again() {
    run(async {
        let (polls, drops) = (Counter::new(), Counter::new());
        let (p, d) = (polls.clone(), drops.clone());
        let task = spawn(async move {
            let _probe = OnDrop::new(move || d.add());
            poll_fn(move |cx| {
                p.add();
                cx.waker().wake_by_ref();
                panic!("once");
                #[allow(unreachable_code)]
                Poll::<()>::Pending
            })
            .await;
        });
        assert!(task.await.is_err_and(|error| error.is_panic()));
        yield_times(2).await;
        assert_eq!((polls.get(), drops.get()), (1, 1));
    });
}

#[test]
fn i12_a_panic_that_is_not_returned_is_logged_with_the_tasks_name() {
    listen_to_the_log();
    run(async {
        drop(spawn_named("dropped before", async { panic!("not returned") }));
        let kept = spawn_named("dropped after", async { panic!("not returned") });
        let mut set = JoinSet::new();
        set.spawn_named("in a set", async { panic!("not returned") });
        let seen = spawn_named("looked at", async { panic!("returned") });
        yield_times(1).await;
        drop(kept);
        drop::<JoinSet<()>>(set);
        assert!(seen.await.is_err());
    });
    for name in ["dropped before", "dropped after", "in a set"] {
        assert!(was_logged(&format!("the task `{name}` panicked: not returned")), "{name}");
    }
    assert!(!was_logged("looked at"));
}

#[test]
fn i12_a_panic_in_the_drop_of_a_future_is_only_logged() {
    listen_to_the_log();
    run(async {
        let task = spawn_named("breaks when dropped", async {
            let _probe = OnDrop::new(|| panic!("in a drop"));
            pending::<()>().await;
        });
        yield_times(1).await;
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_aborted()));
    });
    assert!(was_logged("dropping the task `breaks when dropped` panicked"));
}

#[test]
fn i12_a_panic_in_a_job_is_caught_and_the_worker_survives() {
    run(async {
        let pool = ThreadPool::new("robust", 1);
        let error = run_in_executor(Some(&pool), || panic!("in a job")).await.map(|(): ()| ()).unwrap_err();
        assert!(matches!(&error, JobError::Panicked(text) if text == "in a job"), "{error}");
        assert_eq!(run_in_executor(Some(&pool), || 1).await.expect("the worker lives"), 1);
        assert_eq!(pool.threads_started(), 1);
    });
}

#[test]
fn i12_a_worker_survives_results_and_captures_that_panic_when_they_are_dropped() {
    run(async {
        let pool = ThreadPool::new("very robust", 1);
        let breaks = || OnDrop::new(|| panic!("in a drop"));
        // The result has no taker, and the capture of a job that is cancelled is dropped by the worker as well.
        drop(run_in_executor(Some(&pool), breaks));
        let captured = breaks();
        let job = glassloop::Job::new(move || drop::<OnDrop<_>>(captured)).cancellable();
        drop(run_in_executor(Some(&pool), job));
        assert_eq!(run_in_executor(Some(&pool), || 1).await.expect("the worker lives"), 1);
    });
}

#[test]
fn i12_after_a_panic_in_the_root_future_the_loop_can_be_used() {
    let mut event_loop = event_loop();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        event_loop.block_on(async {
            spawn(yield_times(2));
            yield_times(1).await;
            panic!("the root");
        })
    }));
    assert!(panicked.is_err());
    event_loop.block_on(async { spawn(yield_times(2)).await }).expect("it runs").expect("no panic");
}

#[test]
fn i12_an_observer_that_panics_is_removed() {
    listen_to_the_log();
    let calls = Counter::new();
    let counted = calls.clone();
    let breaks_when_dropped = OnDrop::new(|| panic!("also in its drop"));
    let mut event_loop = build(EventLoop::builder().observer(Watch(move |event: &Event<'_>| {
        let _moved_in = &breaks_when_dropped;
        counted.add();
        if matches!(event.kind, EventKind::Spawn { .. }) {
            panic!("the observer");
        }
    })));
    event_loop.block_on(async { spawn(yield_times(2)).await }).expect("it runs").expect("no panic");
    let before = calls.get();
    event_loop.block_on(yield_times(2)).expect("it runs");
    assert_eq!(calls.get(), before);
    assert!(was_logged("the observer panicked and was removed"));
}

/// A waker that panics.
struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("in a waker");
    }
}

#[test]
fn i12_a_waker_that_panics_stops_neither_the_loop_nor_a_task() {
    let mut event_loop = event_loop();
    event_loop
        .block_on(async {
            let bad = Waker::from(Arc::new(BadWaker));
            let cx = &mut std::task::Context::from_waker(&bad);
            let (mut ours, theirs) = connection();
            assert!(ours.poll_readable(cx).is_ready(), "it is taken to be ready until tried");
            let mut buffer = [0; 1];
            assert!(ours.poll_read(cx, &mut buffer).is_pending());
            let mut timer = Box::pin(glassloop::sleep(std::time::Duration::ZERO));
            assert!(timer.as_mut().poll(cx).is_pending());
            let mut task = Box::pin(spawn(yield_times(1)));
            assert!(task.as_mut().poll(cx).is_pending());
            let mut job = Box::pin(run_in_executor(None, || ()));
            assert!(job.as_mut().poll(cx).is_pending());
            drop(theirs);
            // Each of the four wakes its bad waker in the meantime.
            task.await.expect("the task itself did nothing wrong");
            job.await.expect("nor the job");
            timer.await;
            assert_eq!(poll_fn(|cx| ours.poll_read(cx, &mut buffer)).await.expect("the end"), 0);
        })
        .expect("it runs");
}
