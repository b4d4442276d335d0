//! I7, I13: jobs, and the tasks that wait for them.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use glassloop::futures::{join_all, race};
use glassloop::{EventLoop, Job, JobError, ThreadPool, run_in_executor, sleep, spawn};

use crate::support::*;

#[test]
fn i07_a_full_queue_delays_the_task_that_submits_and_not_the_loop() {
    let mut event_loop = build(EventLoop::builder().pool_threads(1).pool_queue_capacity(2));
    event_loop
        .block_on(async {
            let (release, gate) = mpsc::channel::<()>();
            let stuck = run_in_executor(None, move || gate.recv().is_ok());
            let others: Vec<_> = (0..10).map(|n| run_in_executor(None, move || n)).collect();
            // One runs, one is queued, nine wait for capacity. Timers and tasks continue.
            sleep(Duration::from_millis(2)).await;
            release.send(()).expect("the job waits");
            assert!(stuck.await.expect("it does not panic"));
            let results: Vec<i32> = join_all(others).await.into_iter().map(|n| n.expect("no panic")).collect();
            assert_eq!(results, (0..10).collect::<Vec<_>>());
        })
        .expect("it runs");
}

#[test]
fn i07_a_job_does_not_wait_for_a_busy_thread_if_another_can_be_started() {
    // Each needs the next one to run at the same time.
    let mut event_loop = build(EventLoop::builder().pool_threads(4));
    event_loop
        .block_on(async {
            for _ in 0..50 {
                let (first, second) = (mpsc::channel::<()>(), mpsc::channel::<()>());
                let one = run_in_executor(None, move || {
                    first.0.send(()).expect("the other waits");
                    second.1.recv().is_ok()
                });
                let other = run_in_executor(None, move || {
                    second.0.send(()).expect("the other waits");
                    first.1.recv().is_ok()
                });
                assert!(one.await.expect("no panic") && other.await.expect("no panic"));
            }
        })
        .expect("it runs");
}

#[test]
fn i07_stuck_lookups_do_not_delay_file_jobs() {
    run(async {
        let look_ups = ThreadPool::new("dns", 1);
        let (release, gate) = mpsc::channel::<()>();
        let stuck = run_in_executor(Some(&look_ups), move || gate.recv().is_ok());
        assert_eq!(run_in_executor(None, || 1).await.expect("no panic"), 1);
        release.send(()).expect("the job waits");
        assert!(stuck.await.expect("no panic"));
    });
}

/// A pool of one thread that is busy until the sender is used or dropped.
fn busy_pool() -> (ThreadPool, mpsc::Sender<()>, glassloop::JobHandle<bool>) {
    let pool = ThreadPool::new("busy", 1);
    let (release, gate) = mpsc::channel::<()>();
    let job = run_in_executor(Some(&pool), move || gate.recv().is_ok());
    (pool, release, job)
}

#[test]
fn the_threads_of_a_pool_have_its_name_and_a_number_from_one() {
    run(async {
        let pool = ThreadPool::new("files", 2);
        let both = Arc::new(std::sync::Barrier::new(2));
        let jobs = [both.clone(), both].map(|both| {
            run_in_executor(Some(&pool), move || {
                both.wait();
                std::thread::current().name().map(str::to_owned)
            })
        });
        let mut names: Vec<_> = join_all(jobs).await.into_iter().map(|name| name.expect("no panic")).collect();
        names.sort();
        assert_eq!(names, [Some("files-1".to_owned()), Some("files-2".to_owned())]);
    });
}

#[test]
fn dropping_the_handle_of_a_job_drops_the_waker_that_it_was_polled_with() {
    struct NoOp;
    impl std::task::Wake for NoOp {
        fn wake(self: Arc<Self>) {}
    }
    run(async {
        let (pool, release, busy) = busy_pool();
        let mut handle = run_in_executor(Some(&pool), || ());
        let wakes = Arc::new(NoOp);
        let is_pending = {
            let waker = Waker::from(wakes.clone());
            Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending()
        };
        assert!(is_pending && Arc::strong_count(&wakes) > 1);
        drop(handle);
        assert_eq!(Arc::strong_count(&wakes), 1);
        drop(release);
        busy.await.expect("no panic");
    });
}

#[test]
fn i13_dropping_the_handle_of_a_cancellable_job_that_waits_cancels_it() {
    run(async {
        let (pool, release, busy) = busy_pool();
        let ran = Arc::new(AtomicBool::new(false));
        let flag = ran.clone();
        let job = Job::new(move || flag.store(true, Ordering::SeqCst)).cancellable();
        drop(run_in_executor(Some(&pool), job));
        drop(release);
        busy.await.expect("no panic");
        // Whatever was queued before this one has been taken or left.
        run_in_executor(Some(&pool), || ()).await.expect("no panic");
        assert!(!ran.load(Ordering::SeqCst));
    });
}

#[test]
fn i13_dropping_the_handle_of_a_mandatory_job_lets_it_run() {
    run(async {
        let (pool, release, busy) = busy_pool();
        let ran = Arc::new(AtomicBool::new(false));
        let flag = ran.clone();
        drop(run_in_executor(Some(&pool), move || flag.store(true, Ordering::SeqCst)));
        drop(release);
        busy.await.expect("no panic");
        run_in_executor(Some(&pool), || ()).await.expect("no panic");
        assert!(ran.load(Ordering::SeqCst));
    });
}

#[test]
fn i13_a_job_that_runs_is_never_interrupted() {
    run(async {
        let (started, has_started) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel();
        let job = Job::new(move || {
            started.send(()).expect("the test listens");
            gate.recv().expect("the test sends");
            done.send(()).expect("the test listens");
        });
        let handle = run_in_executor(None, job.cancellable());
        has_started.recv().expect("it starts");
        drop(handle);
        release.send(()).expect("the job waits");
        is_done.recv().expect("it came to its end");
    });
}

#[test]
fn i13_a_cancellable_job_whose_handle_is_dropped_before_there_is_capacity_does_not_run() {
    let mut event_loop = build(EventLoop::builder().pool_threads(1).pool_queue_capacity(1));
    event_loop
        .block_on(async {
            let (release, gate) = mpsc::channel::<()>();
            let first = run_in_executor(None, move || gate.recv().is_ok());
            let ran = Arc::new(AtomicBool::new(false));
            let flag = ran.clone();
            drop(run_in_executor(None, Job::new(move || flag.store(true, Ordering::SeqCst)).cancellable()));
            drop(release);
            first.await.expect("no panic");
            run_in_executor(None, || ()).await.expect("no panic");
            assert!(!ran.load(Ordering::SeqCst));
        })
        .expect("it runs");
}

#[test]
fn i13_a_cancelled_job_returns_an_error() {
    let mut event_loop = event_loop();
    // The busy job is cancellable too: the shutdown does not wait for it, and it cannot end before the other is cancelled.
    let (gate_is_open, gate) = mpsc::channel::<()>();
    let handles = event_loop
        .block_on(async {
            let pool = ThreadPool::new("busy", 1);
            let busy = run_in_executor(Some(&pool), Job::new(move || gate.recv().is_ok()).cancellable());
            (busy, run_in_executor(Some(&pool), Job::new(|| ()).cancellable()))
        })
        .expect("it runs");
    event_loop.shutdown();
    drop(gate_is_open);
    let outcome = run(handles.1);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
}

/// A pool with one thread and a capacity of one job, which is busy until the sender is dropped.
fn full_pool() -> (ThreadPool, mpsc::Sender<()>, glassloop::JobHandle<bool>) {
    let pool = ThreadPool::with_queue_capacity("full", 1, 1);
    let (release, gate) = mpsc::channel::<()>();
    let job = run_in_executor(Some(&pool), move || gate.recv().is_ok());
    (pool, release, job)
}

/// What jobs have run, in their order.
type Ran = Arc<std::sync::Mutex<Vec<&'static str>>>;

fn job_that_records(ran: &Ran, what: &'static str) -> Job<()> {
    let ran = ran.clone();
    Job::new(move || ran.lock().unwrap().push(what)).label(what)
}

#[test]
fn i13_a_job_that_waits_for_capacity_is_queued_whether_its_handle_is_polled_or_not() {
    run(async {
        let (ran, (pool, release, busy)) = (Ran::default(), full_pool());
        // Raced against a time limit, and then kept; never polled; and one that is awaited behind both.
        let mut raced = run_in_executor(Some(&pool), job_that_records(&ran, "raced"));
        race(&mut raced, yield_times(1)).await;
        let kept = run_in_executor(Some(&pool), job_that_records(&ran, "kept"));
        let last = run_in_executor(Some(&pool), job_that_records(&ran, "last"));
        drop(release);
        busy.await.expect("no panic");
        last.await.expect("no panic");
        assert_eq!(*ran.lock().unwrap(), ["raced", "kept", "last"]);
        kept.await.expect("no panic");
        raced.await.expect("no panic");
    });
}

#[test]
fn i13_a_mandatory_job_runs_even_if_its_handle_is_dropped_before_there_is_capacity() {
    let ran = Ran::default();
    run(async {
        let (pool, release, busy) = full_pool();
        drop(run_in_executor(Some(&pool), job_that_records(&ran, "mandatory")));
        drop(run_in_executor(Some(&pool), job_that_records(&ran, "cancellable").cancellable()));
        drop(release);
        busy.await.expect("no panic");
        run_in_executor(Some(&pool), || ()).await.expect("no panic");
    });
    assert_eq!(*ran.lock().unwrap(), ["mandatory"]);
}

#[test]
fn i13_a_cancelled_job_releases_its_permit_and_drops_what_it_captured() {
    run(async {
        let (ran, (pool, release, busy)) = (Ran::default(), full_pool());
        let captured = Arc::new(());
        let inside = captured.clone();
        let cancelled = run_in_executor(Some(&pool), Job::new(move || drop(inside)).cancellable());
        let next = run_in_executor(Some(&pool), job_that_records(&ran, "next"));
        drop(cancelled);
        assert_eq!(Arc::strong_count(&captured), 1, "dropped with the handle, and not when it would have been queued");
        drop(release);
        busy.await.expect("no panic");
        next.await.expect("no panic");
        assert_eq!(*ran.lock().unwrap(), ["next"]);
    });
}

#[test]
fn i14_jobs_that_wait_for_capacity_when_the_loop_ends_run_or_are_cancelled() {
    for on_the_loops_own_pool in [true, false] {
        let ran = Ran::default();
        let mut event_loop = build(EventLoop::builder().pool_threads(1).pool_queue_capacity(1));
        let (release, gate) = mpsc::channel::<()>();
        let handles = event_loop
            .block_on(async {
                let own = ThreadPool::with_queue_capacity("own", 1, 1);
                let pool = if on_the_loops_own_pool { None } else { Some(&own) };
                let busy = run_in_executor(pool, move || gate.recv().is_ok());
                let first = run_in_executor(pool, job_that_records(&ran, "first"));
                let cancelled = run_in_executor(pool, job_that_records(&ran, "cancelled").cancellable());
                drop(run_in_executor(pool, job_that_records(&ran, "last")));
                (busy, first, cancelled)
            })
            .expect("it runs");
        let thread = std::thread::spawn(move || drop(release));
        let report = event_loop.shutdown();
        thread.join().expect("it only drops");
        assert_eq!((report.aborted_jobs.len(), report.left_running.len()), (0, 0));
        assert_eq!(*ran.lock().unwrap(), ["first", "last"]);
        run(async {
            assert!(handles.0.await.is_ok() && handles.1.await.is_ok());
            assert!(matches!(handles.2.await, Err(JobError::Cancelled)));
        });
    }
}

#[test]
fn i16_a_job_that_waits_for_capacity_prevents_a_deadlock_report() {
    let mut event_loop = event_loop();
    let result = event_loop.block_on(async {
        let (pool, release, busy) = full_pool();
        let (sender, receiver) = glassloop::sync::oneshot();
        let waits = run_in_executor(Some(&pool), || 1);
        spawn(async move { sender.send(waits.await) });
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            drop(release);
        });
        drop(busy);
        receiver.await.expect("it is sent")
    });
    assert_eq!(result.expect("no deadlock").expect("no panic"), 1);
}
