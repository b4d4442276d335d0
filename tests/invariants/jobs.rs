//! I7, I13: jobs, and who waits for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use glassloop::futures::join_all;
use glassloop::{EventLoop, Job, JobError, ThreadPool, run_in_executor, sleep};

use crate::support::*;

#[test]
fn i07_a_full_queue_stops_whoever_submits_and_not_the_loop() {
    let mut event_loop = build(EventLoop::builder().pool_threads(1).pool_room(2));
    event_loop
        .block_on(async {
            let (release, gate) = mpsc::channel::<()>();
            let stuck = run_in_executor(None, move || gate.recv().is_ok());
            let others: Vec<_> = (0..10).map(|n| run_in_executor(None, move || n)).collect();
            // One runs, one is queued, nine wait for room: timers and tasks go on.
            sleep(Duration::from_millis(2)).await;
            release.send(()).expect("the job waits");
            assert!(stuck.await.expect("it does not panic"));
            let results: Vec<i32> = join_all(others).await.into_iter().map(|n| n.expect("no panic")).collect();
            assert_eq!(results, (0..10).collect::<Vec<_>>());
        })
        .expect("it runs");
}

#[test]
fn i07_jobs_wait_for_no_busy_thread_while_more_may_be_started() {
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
fn i07_stuck_look_ups_do_not_hold_up_files() {
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
fn i13_dropping_the_handle_of_an_abandonable_job_that_waits_cancels_it() {
    run(async {
        let (pool, release, busy) = busy_pool();
        let ran = Arc::new(AtomicBool::new(false));
        let flag = ran.clone();
        let job = Job::new(move || flag.store(true, Ordering::SeqCst)).abandonable();
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
        let handle = run_in_executor(None, job.abandonable());
        has_started.recv().expect("it starts");
        drop(handle);
        release.send(()).expect("the job waits");
        is_done.recv().expect("it came to its end");
    });
}

#[test]
fn i13_a_job_whose_handle_never_got_room_does_not_run() {
    let mut event_loop = build(EventLoop::builder().pool_threads(1).pool_room(1));
    event_loop
        .block_on(async {
            let (release, gate) = mpsc::channel::<()>();
            let first = run_in_executor(None, move || gate.recv().is_ok());
            let ran = Arc::new(AtomicBool::new(false));
            let flag = ran.clone();
            drop(run_in_executor(None, Job::new(move || flag.store(true, Ordering::SeqCst)).abandonable()));
            drop(release);
            first.await.expect("no panic");
            run_in_executor(None, || ()).await.expect("no panic");
            assert!(!ran.load(Ordering::SeqCst));
        })
        .expect("it runs");
}

#[test]
fn i13_an_abandonable_job_says_that_it_was_cancelled() {
    let mut event_loop = event_loop();
    let (release, handle) = event_loop
        .block_on(async {
            let (pool, release, busy) = busy_pool();
            let handle = run_in_executor(Some(&pool), Job::new(|| ()).abandonable());
            drop(busy);
            (release, handle)
        })
        .expect("it runs");
    // The busy one is mandatory: the shutdown waits for it, and so it is let go from elsewhere.
    let thread = std::thread::spawn(move || drop(release));
    event_loop.shutdown();
    thread.join().expect("it only drops");
    let outcome = run(handle);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
}
