//! I13, I14: tasks that are aborted, and the shutdown of the loop.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;

use glassloop::event_loop::ShutdownReport;
use glassloop::observe::{Event, EventKind};
use glassloop::sync::oneshot;
use glassloop::{EventLoop, Job, JoinSet, run_in_executor, spawn};

use crate::support::*;

#[test]
fn i13_dropping_a_handle_detaches_the_task() {
    run(async {
        let (sender, receiver) = oneshot();
        drop(spawn(async move {
            yield_times(2).await;
            sender.send(1)
        }));
        assert_eq!(receiver.await, Ok(1));
    });
}

#[test]
fn i13_abort_drops_the_future_when_it_is_dequeued_and_not_inside_abort() {
    run(async {
        let (drops, polls) = (Counter::new(), Counter::new());
        let (d, p) = (drops.clone(), polls.clone());
        let task = spawn(async move {
            let _probe = OnDrop::new(move || d.add());
            count_polls(&p).await;
        });
        yield_times(1).await;
        task.abort();
        assert_eq!(drops.get(), 0, "dropped inside `abort`");
        yield_times(1).await;
        assert_eq!((drops.get(), polls.get()), (1, 1));
        assert!(task.await.is_err_and(|error| error.is_aborted()));
    });
}

#[test]
fn i13_a_task_aborted_before_its_first_poll_is_never_polled() {
    run(async {
        let polls = Counter::new();
        let task = spawn(count_polls(&polls));
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(polls.get(), 0);
    });
}

#[test]
fn i13_a_completed_task_cannot_be_aborted() {
    run(async {
        let task = spawn(async { 1 });
        yield_times(1).await;
        task.abort();
        assert_eq!(task.await.expect("it was done"), 1);
    });
}

#[test]
fn i13_a_task_that_completes_in_the_poll_in_which_it_aborts_itself_has_completed() {
    run(async {
        let own = Rc::new(std::cell::RefCell::new(None::<glassloop::JoinHandle<i32>>));
        let inside = own.clone();
        let task = spawn(async move {
            if let Some(task) = &*inside.borrow() {
                task.abort();
            }
            1
        });
        own.replace(Some(task));
        yield_times(1).await;
        let task = own.take().expect("it is there");
        assert_eq!(task.await.expect("it finished"), 1);
    });
}

#[test]
fn i13_a_join_set_aborts_what_it_holds_when_it_is_dropped() {
    run(async {
        let drops = Counter::new();
        let mut set = JoinSet::new();
        for _ in 0..3 {
            let drops = drops.clone();
            set.spawn(async move {
                let _probe = OnDrop::new(move || drops.add());
                pending::<()>().await;
            });
        }
        yield_times(1).await;
        drop(set);
        assert_eq!(drops.get(), 0, "dropped inside the set's drop");
        yield_times(1).await;
        assert_eq!(drops.get(), 3);
    });
}

#[test]
fn i14_no_queued_write_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut event_loop = build(EventLoop::builder().pool_threads(2));
    event_loop
        .block_on(async {
            for number in 0..200 {
                let path = folder.path().join(number.to_string());
                drop(run_in_executor(None, move || std::fs::write(path, b"queued").expect("written")));
            }
        })
        .expect("it runs");
    drop(event_loop);
    for number in 0..200 {
        assert_eq!(std::fs::read(folder.path().join(number.to_string())).expect("it is there"), b"queued");
    }
}

#[test]
fn i14_jobs_on_a_separate_pool_are_waited_for_as_well() {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    let mut event_loop = event_loop();
    let (release, gate) = mpsc::channel::<()>();
    event_loop
        .block_on(async {
            let pool = glassloop::ThreadPool::new("own", 1);
            drop(run_in_executor(Some(&pool), move || gate.recv().is_ok()));
            drop(run_in_executor(Some(&pool), move || flag.store(true, Ordering::SeqCst)));
        })
        .expect("it runs");
    let thread = std::thread::spawn(move || drop(release));
    assert_eq!(event_loop.shutdown(), ShutdownReport::default());
    assert!(ran.load(Ordering::SeqCst));
    thread.join().expect("it only drops");
}

#[test]
fn i14_cancellable_jobs_that_wait_are_cancelled_and_those_that_run_are_reported() {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    let mut event_loop = build(EventLoop::builder().pool_threads(1));
    let (release, gate) = mpsc::channel::<()>();
    event_loop
        .block_on(async {
            let (started, has_started) = oneshot_from_thread();
            let stuck = Job::new(move || {
                started();
                let _let_go = gate.recv();
            });
            let stuck = run_in_executor(None, stuck.label("stuck").cancellable());
            has_started.await;
            let queued = Job::new(move || flag.store(true, Ordering::SeqCst)).label("queued").cancellable();
            let queued = run_in_executor(None, queued);
            std::mem::forget((stuck, queued)); // the shutdown is to cancel them, not their handles' drop
        })
        .expect("it runs");
    let report = event_loop.shutdown();
    assert_eq!(report, ShutdownReport { aborted_jobs: vec![], left_running: vec!["stuck"] });
    drop(release);
    assert!(!ran.load(Ordering::SeqCst));
}

/// A function for another thread, and a future that is ready when it was called.
fn oneshot_from_thread() -> (impl FnOnce() + Send, impl Future<Output = ()>) {
    let shared = Arc::new(std::sync::Mutex::new((false, None::<std::task::Waker>)));
    let theirs = shared.clone();
    let call = move || {
        let mut shared = theirs.lock().unwrap();
        shared.0 = true;
        if let Some(waker) = shared.1.take() {
            waker.wake();
        }
    };
    let called = poll_fn(move |cx| {
        let mut shared = shared.lock().unwrap();
        shared.1 = Some(cx.waker().clone());
        if shared.0 { Poll::Ready(()) } else { Poll::Pending }
    });
    (call, called)
}

#[test]
fn i14_a_forced_shutdown_reports_the_aborted_jobs() {
    let give_up = Arc::new(AtomicBool::new(false));
    let mut event_loop = build(EventLoop::builder().forced_shutdown_flag(give_up.clone()));
    let (release, gate) = mpsc::channel::<()>();
    event_loop
        .block_on(async { drop(run_in_executor(None, Job::new(move || gate.recv().is_ok()).label("save"))) })
        .expect("it runs");
    give_up.store(true, Ordering::Release);
    assert_eq!(event_loop.shutdown(), ShutdownReport { aborted_jobs: vec!["save"], left_running: vec![] });
    drop(release);
}

#[test]
fn i14_tasks_are_dropped_with_the_loop_still_current_and_may_wake_and_spawn() {
    let (refused, ends) = (Log::new(), Log::new());
    let (r, e) = (refused.clone(), ends.clone());
    let watch = Watch(move |event: &Event<'_>| {
        if let EventKind::Done { .. } = event.kind {
            e.push(());
        }
    });
    let mut event_loop = build(EventLoop::builder().observer(watch));
    event_loop
        .block_on(async {
            let (sender, receiver) = oneshot::<()>();
            spawn(async move { receiver.await.ok() });
            spawn(async move {
                let _probe = OnDrop::new(move || {
                    drop(sender); // wakes the first task, which is gone or about to be
                    r.push(spawn(async {}).id());
                });
                pending::<()>().await;
            });
            yield_times(1).await;
        })
        .expect("it runs");
    drop(event_loop);
    assert_eq!(refused.take(), [None], "a loop that ends takes no new task");
    assert_eq!(ends.take().len(), 2);
}

#[test]
fn i14_a_job_submitted_while_tasks_are_dropped_still_runs() {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    let mut event_loop = event_loop();
    event_loop
        .block_on(async {
            spawn(async move {
                let _save_what_is_left = OnDrop::new(move || {
                    drop(run_in_executor(None, move || flag.store(true, Ordering::SeqCst)));
                });
                pending::<()>().await;
            });
            yield_times(1).await;
        })
        .expect("it runs");
    drop(event_loop);
    assert!(ran.load(Ordering::SeqCst));
}
