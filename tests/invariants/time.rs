//! I9, and virtual time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use glassloop::futures::{join_all, timeout};
use glassloop::observe::{Event, EventKind};
use glassloop::{EventLoop, now, run_in_executor, sleep, sleep_until, spawn};

use crate::support::*;

fn virtual_loop() -> EventLoop {
    build(EventLoop::builder().virtual_time())
}

#[test]
fn i09_a_sleep_never_ends_early() {
    run(async {
        let sleeps = (0..200u64).map(|number| async move {
            let (wanted, started) = (Duration::from_micros(number * 137), Instant::now());
            sleep(wanted).await;
            assert!(started.elapsed() >= wanted, "{:?} instead of {wanted:?}", started.elapsed());
        });
        join_all(sleeps).await;
    });
}

#[test]
fn i09_a_sleep_never_ends_early_in_virtual_time() {
    virtual_loop()
        .block_on(async {
            for micros in [1, 999, 1_000, 1_001, 63_999, 64_001, 5_000_000_001] {
                let (wanted, started) = (Duration::from_micros(micros), now());
                sleep(wanted).await;
                assert!(now() - started >= wanted);
                assert!(now() - started < wanted + Duration::from_millis(2), "a tick late at most: {micros} us");
            }
        })
        .expect("it runs");
}

#[test]
fn i09_timers_fire_in_the_order_of_their_deadlines_and_time_never_goes_backwards() {
    let times = Log::new();
    let log = times.clone();
    let watch = Watch(move |event: &Event<'_>| log.push(event.time));
    let mut event_loop = build(EventLoop::builder().virtual_time().observer(watch));
    let order = event_loop
        .block_on(async {
            let order = Log::new();
            let tasks: Vec<_> = [500u64, 3, 70_000, 64, 4_096, 63, 65]
                .map(|millis| {
                    let order = order.clone();
                    spawn(async move {
                        sleep(Duration::from_millis(millis)).await;
                        order.push(millis);
                    })
                })
                .into();
            join_all(tasks).await;
            order.take()
        })
        .expect("it runs");
    assert_eq!(order, [3, 63, 64, 65, 500, 4_096, 70_000]);
    assert!(times.take().is_sorted());
}

#[test]
fn i09_a_timer_can_be_polled_by_another_task_than_the_one_that_set_it() {
    virtual_loop()
        .block_on(async {
            let mut timer = Box::pin(sleep(Duration::from_secs(1)));
            poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_pending())).await;
            spawn(timer).await.expect("the new task is woken, not this one");
        })
        .expect("it runs");
}

#[test]
fn i09_a_timer_that_is_reset_fires_at_its_new_deadline_and_can_be_used_again() {
    virtual_loop()
        .block_on(async {
            let started = now();
            let mut timer = pin!(sleep(Duration::from_secs(1)));
            assert!(poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_pending())).await);
            timer.as_mut().get_mut().reset(started + Duration::from_secs(5));
            timer.as_mut().await;
            assert!(now() - started >= Duration::from_secs(5));
            timer.as_mut().get_mut().reset(started + Duration::from_secs(9));
            timer.await;
            assert!(now() - started >= Duration::from_secs(9));
        })
        .expect("it runs");
}

#[test]
fn a_sleep_for_ever_is_no_overflow() {
    run(async {
        let mut forever = pin!(sleep(Duration::MAX));
        assert!(forever.deadline() > Instant::now() + Duration::from_secs(1_000_000));
        assert!(poll_fn(|cx| Poll::Ready(forever.as_mut().poll(cx).is_pending())).await);
        assert!(timeout(Duration::MAX, async { 1 }).await.is_ok());
        sleep_until(Instant::now() - Duration::from_millis(1)).await; // and the past is over
    });
}

#[test]
fn virtual_time_jumps_to_deadlines() {
    let started = Instant::now();
    virtual_loop().block_on(sleep_a_year()).expect("it runs");
    assert!(started.elapsed() < Duration::from_secs(3600), "a year in virtual time is no hour in the real one");
}

async fn sleep_a_year() {
    let before = now();
    sleep(Duration::from_secs(365 * 86_400)).await;
    assert!(now() - before >= Duration::from_secs(365 * 86_400));
}

#[test]
fn virtual_time_goes_at_real_speed_while_a_job_runs() {
    virtual_loop()
        .block_on(async {
            let (done, is_done) = std::sync::mpsc::channel();
            let job = run_in_executor(None, move || is_done.recv().expect("the loop sends"));
            let hour = spawn(sleep(Duration::from_secs(3600)));
            // The job ends only when this timer has fired, by real time, since the job is there.
            let (real, wanted) = (Instant::now(), Duration::from_millis(10));
            sleep(wanted).await;
            assert!(real.elapsed() >= wanted, "virtual time jumped while a job ran");
            assert!(!hour.is_finished());
            done.send(()).expect("the job waits");
            job.await.expect("it does not panic");
            // Nothing is left that virtual time would have to wait for.
            hour.await.expect("it does not panic");
        })
        .expect("it runs");
}

#[test]
fn virtual_time_goes_at_real_speed_while_a_socket_is_waited_for() {
    virtual_loop()
        .block_on(async {
            let (mut ours, theirs) = connection();
            let reader = spawn(async move {
                let mut buffer = [0; 8];
                poll_fn(|cx| ours.poll_read(cx, &mut buffer)).await.expect("loopback does not fail")
            });
            yield_times(1).await;
            let (real, wanted) = (Instant::now(), Duration::from_millis(10));
            sleep(wanted).await;
            assert!(real.elapsed() >= wanted, "virtual time jumped while a socket was waited for");
            drop(theirs);
            assert_eq!(reader.await.expect("it does not panic"), 0);
        })
        .expect("it runs");
}

#[test]
fn a_dropped_sleep_leaves_no_timer_and_one_never_polled_never_had_one() {
    let (set, cancelled) = (Counter::new(), Counter::new());
    let (s, c) = (set.clone(), cancelled.clone());
    let watch = Watch(move |event: &Event<'_>| match event.kind {
        EventKind::TimerSet { .. } => s.add(),
        EventKind::TimerDel { .. } => c.add(),
        EventKind::TimerFire { .. } => panic!("a dropped timer fired"),
        _ => {}
    });
    let mut event_loop = build(EventLoop::builder().observer(watch));
    let run = async {
        drop(sleep(Duration::from_secs(1)));
        let answer = timeout(Duration::from_secs(1), yield_times(1)).await;
        assert!(answer.is_ok());
    };
    event_loop.block_on(run).expect("it runs");
    assert_eq!((set.get(), cancelled.get()), (1, 1));
}
