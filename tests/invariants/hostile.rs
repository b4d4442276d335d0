//! I4, I12, I14: wakers, futures, jobs and panics of others that panic, or call back into the loop, wherever they are
//! called. Whatever they do, the other tasks go on, the next job runs, and no queued write is lost.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use cooked_waker::{IntoWaker, Wake, WakeRef};
use glassloop::event_loop::{Direction, InitialReadiness, PollEvented, SourceMetadata};
use glassloop::futures::{as_completed, join_all};
use glassloop::sync::{OnceEvent, Semaphore, channel, oneshot};
use glassloop::{Job, JoinSet, ThreadPool, run_in_executor, sleep, spawn};

use crate::support::*;

/// A panic's payload whose drop panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("the drop of a payload");
        }
    }
}

fn explode() {
    panic_any(Bomb);
}

/// When a waker does what it should not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Clone,
    Wake,
    Drop,
}

/// When, and what.
type Action = (At, fn());

thread_local! {
    /// What a hostile waker does, and how often it has.
    static ACTION: Cell<Option<Action>> = const { Cell::new(None) };
    static ACTED: Cell<u32> = const { Cell::new(0) };
}

/// Does what is to be done at this moment; not again while it is being done.
fn act(now: At) {
    if let Some((at, action)) = ACTION.get()
        && at == now
    {
        ACTION.set(None);
        ACTED.set(ACTED.get() + 1);
        let again = OnDrop::new(move || ACTION.set(Some((at, action))));
        action();
        drop(again);
    }
}

struct Hostile;

impl Clone for Hostile {
    fn clone(&self) -> Hostile {
        act(At::Clone);
        Hostile
    }
}

impl WakeRef for Hostile {
    fn wake_by_ref(&self) {
        act(At::Wake);
    }
}

impl Wake for Hostile {}

impl Drop for Hostile {
    fn drop(&mut self) {
        act(At::Drop);
    }
}

/// Calls back into the loop in every way.
fn call_back() {
    let noop = &mut Context::from_waker(Waker::noop());
    drop(spawn(yield_times(1)));
    spawn(pending::<()>()).abort();
    drop(run_in_executor(None, || ()));
    drop(run_in_executor(None, Job::new(|| ()).cancellable()));
    let mut timer = Box::pin(sleep(Duration::from_secs(3600)));
    assert!(timer.as_mut().poll(noop).is_pending());
    timer.reset(glassloop::now());
    let semaphore = Semaphore::new(1);
    drop((semaphore.try_acquire(), semaphore.acquire()));
    let (sender, mut receiver) = channel::channel(1);
    assert!(sender.push(1).is_ok() && receiver.try_recv() == Ok(Some(1)));
    let inner = catch_unwind(AssertUnwindSafe(|| event_loop().block_on(async {})));
    std::mem::forget(inner.map(drop)); // a loop inside a loop is refused
}

/// Takes a result that is of no interest.
fn ignore<T>(_result: T) {}

/// Something that waits, and what ends its wait.
type Place = (Pin<Box<dyn Future<Output = ()>>>, Box<dyn FnOnce()>);

type NamedPlace = (&'static str, fn() -> Place);

/// Everything that keeps a waker.
fn places() -> Vec<NamedPlace> {
    fn place(waits: impl Future<Output = ()> + 'static, end: impl FnOnce() + 'static) -> Place {
        (Box::pin(waits), Box::new(end))
    }
    vec![
        ("a timer", || place(sleep(Duration::from_millis(1)), || ())),
        ("a oneshot", || {
            let (sender, receiver) = oneshot();
            place(async { ignore(receiver.await) }, || ignore(sender.send(1)))
        }),
        ("a channel", || {
            let (sender, mut receiver) = channel::channel(1);
            place(async move { ignore(receiver.recv().await) }, move || ignore(sender.push(1)))
        }),
        ("a full channel", || {
            let (sender, mut receiver) = channel::channel(1);
            sender.push(1).expect("it is empty");
            place(async move { ignore(sender.send(2).await) }, move || ignore(receiver.try_recv()))
        }),
        ("an event", || {
            let event = OnceEvent::new();
            place(event.wait(), move || event.set())
        }),
        ("a semaphore", || {
            let semaphore = Semaphore::new(0);
            let acquire = semaphore.acquire();
            place(async { ignore(acquire.await) }, move || semaphore.add_permits(1))
        }),
        ("a task", || {
            let (sender, receiver) = oneshot();
            let task = spawn(receiver);
            place(async { ignore(task.await) }, || ignore(sender.send(1)))
        }),
        ("a set of tasks", || {
            let (sender, receiver) = oneshot();
            let mut set = JoinSet::new();
            set.spawn(receiver);
            place(async move { ignore(set.join_next().await) }, || ignore(sender.send(1)))
        }),
        ("a job", || {
            let (release, gate) = mpsc::channel::<()>();
            let job = run_in_executor(None, move || gate.recv().is_ok());
            place(async { ignore(job.await) }, || drop(release))
        }),
        ("a job that waits for capacity", || {
            let (release, gate) = mpsc::channel::<()>();
            let pool = ThreadPool::with_queue_capacity("full", 1, 1);
            drop(run_in_executor(Some(&pool), Job::new(move || gate.recv().is_ok())));
            let job = run_in_executor(Some(&pool), || ());
            place(async { ignore(job.await) }, || drop(release))
        }),
        ("a source", || {
            let (ours, mut theirs) = mio::net::UnixStream::pair().expect("a pair");
            let described = SourceMetadata { what: "pair", descriptor: None, peer: None };
            let source = PollEvented::new(ours, InitialReadiness::NotReady, described).expect("registered");
            let end = move || {
                std::io::Write::write_all(&mut theirs, b"!").expect("the buffer is not full");
                std::mem::forget(theirs);
            };
            place(poll_fn(move |cx| source.poll_ready(cx, Direction::Read)), end)
        }),
        ("join_all", || {
            let (sender, receiver) = oneshot();
            place(async { ignore(join_all([receiver]).await) }, || ignore(sender.send(1)))
        }),
        ("as_completed inside join_all", || {
            let (sender, receiver) = oneshot();
            let inner = async { ignore(as_completed([receiver]).next().await) };
            place(async { ignore(join_all([inner]).await) }, || ignore(sender.send(1)))
        }),
    ]
}

/// Polls once with this waker. A panic of the waker's clone propagates to the caller.
fn poll_with(waker: &Waker, future: &mut Pin<Box<dyn Future<Output = ()>>>) {
    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(waker))));
    match polled {
        Ok(polled) => assert!(polled.is_pending()),
        Err(payload) => std::mem::forget(payload),
    }
}

/// Runs something hostile in a task, and shows that everything else goes on.
fn everything_else_goes_on<F: Future + 'static>(what: &str, hostile: impl FnOnce() -> F) {
    let is_written = Arc::new(AtomicBool::new(false));
    let mut event_loop = build(glassloop::EventLoop::builder().pool_threads(1));
    let result = event_loop.block_on(async {
        let (sender, receiver) = oneshot();
        let other = spawn(async move {
            sleep(Duration::from_millis(1)).await;
            sender.send(1)
        });
        std::mem::forget(spawn(hostile()).await);
        assert_eq!(receiver.await, Ok(1), "{what}: another task");
        other.await.expect("no panic").expect("received");
        assert_eq!(run_in_executor(None, || 2).await.expect("the next job runs"), 2, "{what}");
        let flag = is_written.clone();
        drop(run_in_executor(None, move || flag.store(true, Ordering::SeqCst)));
    });
    result.expect(what);
    drop(event_loop);
    assert!(is_written.load(Ordering::SeqCst), "{what}: a queued write was lost");
}

fn wakers_that(action: fn()) {
    for (name, place) in places() {
        for at in [At::Clone, At::Wake, At::Drop] {
            ACTED.set(0);
            for end in ["replaced", "woken", "dropped", "left to the loop's end"] {
                everything_else_goes_on(&format!("{name}, {end}, {at:?}"), move || async move {
                    let (mut waits, wake) = place();
                    yield_times(1).await;
                    ACTION.set(Some((at, action)));
                    let hostile = std::mem::ManuallyDrop::new(Box::new(Hostile).into_waker());
                    poll_with(&hostile, &mut waits);
                    match end {
                        "replaced" => poll_with(Waker::noop(), &mut waits),
                        "woken" => {
                            let before = ACTED.get();
                            wake();
                            while at == At::Wake && ACTED.get() == before {
                                yield_times(1).await;
                            }
                            return waits.await;
                        }
                        "dropped" => drop(waits),
                        _ => std::mem::forget(spawn(async {
                            let _waits = waits;
                            pending::<()>().await;
                        })),
                    }
                    wake(); // jobs have to end
                });
                ACTION.set(None);
            }
            assert!(ACTED.get() > 0, "{name}, {at:?}: it was never called");
        }
    }
}

#[test]
fn i12_wakers_that_panic_when_they_are_cloned_called_or_dropped() {
    wakers_that(explode);
}

#[test]
fn i04_wakers_that_call_back_into_the_loop_when_they_are_cloned_called_or_dropped() {
    wakers_that(call_back);
}

#[test]
fn i06_an_event_while_a_waker_is_cloned_is_not_missed() {
    thread_local! {
        static WAKE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    }
    for (name, place) in places() {
        if matches!(
            name,
            "a timer" | "a task" | "a set of tasks" | "a job" | "a job that waits for capacity" | "a source"
        ) {
            continue; // they end only at the loop's next turn
        }
        run(async move {
            let (mut waits, wake) = place();
            WAKE.replace(Some(wake));
            ACTION.set(Some((At::Clone, || {
                if let Some(wake) = WAKE.take() {
                    wake();
                }
            })));
            let hostile = std::mem::ManuallyDrop::new(Box::new(Hostile).into_waker());
            let polled = waits.as_mut().poll(&mut Context::from_waker(&hostile));
            ACTION.set(None);
            if name.contains("join_all") {
                return; // its own waker is cloned, and then it looks
            }
            assert!(polled.is_ready(), "{name}: it happened while the waker was cloned");
        });
    }
}

/// Explodes when it is dropped.
fn bomb_in_a_drop() -> OnDrop<fn()> {
    OnDrop::new(explode as fn())
}

async fn breaks_when_dropped() {
    let _bomb = bomb_in_a_drop();
    pending::<()>().await;
}

#[test]
fn i12_futures_outputs_and_payloads_that_panic_when_they_are_dropped() {
    type Case = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);
    let cases: Vec<Case> = vec![
        ("a panic of a task that is detached", || Box::pin(async { drop(spawn(async { explode() })) })),
        ("a panic that is not returned", || {
            Box::pin(async {
                let task = spawn(async { explode() });
                yield_times(1).await;
                drop(task);
            })
        }),
        ("a panic that is returned and dropped", || Box::pin(async { drop(spawn(async { explode() }).await) })),
        ("a panic in a set that is dropped", || {
            Box::pin(async {
                let mut set = JoinSet::new();
                set.spawn(async { explode() });
                yield_times(1).await;
                drop(set);
            })
        }),
        ("a task that is aborted", || {
            Box::pin(async {
                let task = spawn(breaks_when_dropped());
                yield_times(1).await;
                task.abort();
                assert!(task.await.is_err_and(|error| error.is_aborted()));
            })
        }),
        ("tasks that are left to the loop's end", || {
            Box::pin(async {
                (0..3).for_each(|_| std::mem::forget(spawn(breaks_when_dropped())));
                yield_times(1).await;
            })
        }),
        ("an output that is not returned", || Box::pin(async { drop(spawn(async { bomb_in_a_drop() })) })),
        ("two children of join_all", || {
            Box::pin(async {
                let children = join_all([breaks_when_dropped(), breaks_when_dropped()]);
                glassloop::futures::timeout(Duration::from_millis(1), children).await.expect_err("they wait for ever");
            })
        }),
        ("a job that panics", || Box::pin(async { assert!(run_in_executor(None, explode).await.is_err()) })),
        ("a job that panics and that is not awaited", || Box::pin(async { drop(run_in_executor(None, explode)) })),
        ("a job's result that is not returned", || Box::pin(async { drop(run_in_executor(None, bomb_in_a_drop)) })),
        ("what a job captured", || {
            Box::pin(async {
                let bomb = bomb_in_a_drop();
                let ended = run_in_executor(None, move || {
                    let _captured = &bomb;
                });
                assert!(ended.await.is_err());
            })
        }),
        ("what a cancelled job captured", || {
            Box::pin(async {
                let (release, gate) = mpsc::channel::<()>();
                let pool = ThreadPool::with_queue_capacity("full", 1, 2);
                let busy = run_in_executor(Some(&pool), move || gate.recv().is_ok());
                for _ in 0..2 {
                    // One is in the queue, the other waits for capacity.
                    let bomb = bomb_in_a_drop();
                    let job = Job::new(move || {
                        let _captured = &bomb;
                    });
                    drop(run_in_executor(Some(&pool), job.cancellable()));
                }
                drop(release);
                busy.await.expect("no panic");
                run_in_executor(Some(&pool), || ()).await.expect("the worker lives");
            })
        }),
    ];
    for (name, case) in cases {
        everything_else_goes_on(name, case);
    }
}

#[test]
fn i12_the_message_of_a_panic_is_in_the_error_of_the_handle() {
    run(async {
        let number = 7;
        for (message, job, task) in [
            (
                "number 7",
                run_in_executor(None, move || panic!("number {number}")),
                spawn(async move { panic!("number {number}") }),
            ),
            ("in words", run_in_executor(None, || panic!("in words")), spawn(async { panic!("in words") })),
            ("non-string panic payload", run_in_executor(None, || panic_any(7)), spawn(async { panic_any(7) })),
        ] {
            let job: Result<(), _> = job.await;
            assert_eq!(job.unwrap_err().to_string(), format!("the job panicked: {message}"));
            let task: Result<(), _> = task.await;
            assert!(task.unwrap_err().to_string().ends_with(&format!("panicked: {message}")));
        }
    });
}

#[test]
fn i04_the_drop_of_a_future_may_call_back_into_the_loop() {
    everything_else_goes_on("dropped by the loop", || async {
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        let task = spawn(async move {
            let _probe = OnDrop::new(move || {
                count.set(count.get() + 1);
                call_back();
            });
            pending::<()>().await;
        });
        yield_times(1).await;
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(calls.get(), 1);
    });
}

/// A waker of which only the number of clones matters.
struct Inert;

impl std::task::Wake for Inert {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn one_clone_of_a_waker_is_kept_and_dropped_with_the_future_that_was_polled_with_it() {
    for (name, place) in places() {
        run(async move {
            let (mut future, end) = place();
            let inert = Arc::new(Inert);
            let waker = Waker::from(inert.clone());
            for _ in 0..3 {
                poll_with(&waker, &mut future);
                assert_eq!(Arc::strong_count(&inert), 3, "{name}: one clone is kept");
            }
            drop(future);
            // Tasks that are aborted by it are dropped in the next turn.
            yield_times(2).await;
            assert_eq!(Arc::strong_count(&inert), 2, "{name}: the future was dropped");
            drop(end);
        });
    }
}
