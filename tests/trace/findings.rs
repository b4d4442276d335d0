//! Findings: each is reported for a program with the bug, and not for the same program without it.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::{Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use glassloop::event_loop::{Direction, InitialReadiness, PollEvented, SourceMetadata};
use glassloop::futures::{as_completed, yield_now};
use glassloop::observe::{NamedState, TracedState};
use glassloop::sync::{channel, oneshot};
use glassloop::trace::{Follow, Reader, Record, RecordKind, Recorder, Tee, check};
use glassloop::{EventLoop, sleep, spawn_named};

use crate::programs::{everything, hello, siblings};

/// Runs a program and returns its findings, each with the name of the task.
pub fn findings(program: impl FnOnce(&mut EventLoop)) -> Vec<(String, String)> {
    findings_below(Duration::from_secs(3600), program)
}

/// Runs a program with this threshold for slow polls, and returns its findings.
pub fn findings_below(limit: Duration, program: impl FnOnce(&mut EventLoop)) -> Vec<(String, String)> {
    crate::watchdog::watch();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.jsonl");
    let found = Rc::new(RefCell::new(vec![]));
    let mut tee = Tee::new();
    tee.add(Recorder::create(&path).expect("a recorder"));
    let mut names = std::collections::HashMap::from([(0, "root".to_owned())]);
    let keep = found.clone();
    tee.add(Follow::new(move |record: &Record| match &record.kind {
        RecordKind::Spawn { task, name, .. } => _ = names.insert(*task, name.to_string()),
        RecordKind::Finding { finding } => {
            let task = finding.task.map_or(String::new(), |task| names[&task].clone());
            keep.borrow_mut().push((finding.what.to_string(), task));
        }
        _ => {}
    }));
    let mut event_loop = EventLoop::builder().slow_poll_threshold(limit).observer(tee).build().expect("a loop");
    program(&mut event_loop);
    drop(event_loop);
    let recording = std::fs::read_to_string(&path).expect("a recording");
    check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("a consistent recording");
    found.take()
}

pub fn found(what: &str, task: &str) -> Vec<(String, String)> {
    vec![(what.to_owned(), task.to_owned())]
}

/// Runs a task while the root future sleeps for 5 ms.
fn for_a_moment<F: Future + 'static>(event_loop: &mut EventLoop, name: &str, task: F) {
    event_loop
        .block_on(async {
            spawn_named(name, task);
            sleep(Duration::from_millis(5)).await;
        })
        .expect("a timer is set");
}

#[test]
fn programs_without_bugs_have_no_findings() {
    assert_eq!(findings(hello), []);
    assert_eq!(findings(siblings), []);
    assert_eq!(findings(everything), []);
}

#[test]
fn lost_waker_is_reported_if_no_waker_is_stored_after_a_poll() {
    let forgets = |event_loop: &mut EventLoop| {
        // Each poll creates and drops a sleep, and with it the waker.
        let forgets = poll_fn(|cx| Pin::new(&mut sleep(Duration::from_millis(1))).poll(cx));
        for_a_moment(event_loop, "forgets", forgets);
    };
    assert_eq!(findings(forgets), found("lost_waker", "forgets"));
    let keeps = |event_loop: &mut EventLoop| {
        let mut sleep = None;
        let keeps = poll_fn(move |cx| {
            Pin::new(sleep.get_or_insert_with(|| glassloop::sleep(Duration::from_millis(1)))).poll(cx)
        });
        for_a_moment(event_loop, "keeps", keeps);
    };
    assert_eq!(findings(keeps), []);
}

#[test]
fn lost_waker_is_reported_for_the_root_of_block_on_but_not_with_manual_turns() {
    let root = |event_loop: &mut EventLoop| {
        let root = async {
            spawn_named("works", sleep(Duration::from_millis(1)));
            pending::<()>().await;
        };
        event_loop.block_on(root).expect_err("a deadlock, in the end");
    };
    assert_eq!(findings(root)[..1], found("lost_waker", "root"));
    let by_hand = |event_loop: &mut EventLoop| {
        let mut polls = 0;
        let mut root = std::pin::pin!(poll_fn(move |_| {
            polls += 1;
            if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
        }));
        event_loop.wake_root();
        while event_loop.turn(root.as_mut()).is_pending() {
            event_loop.wake_root();
        }
    };
    // A turn that would block for ever returns an error.
    assert_eq!(findings(by_hand).iter().filter(|(what, _)| what != "deadlock").count(), 0);
}

#[test]
fn lost_waker_is_not_reported_if_another_thread_has_the_waker() {
    let waits_for_a_thread = |event_loop: &mut EventLoop| {
        let (sender, receiver) = crossbeam_channel::unbounded::<Waker>();
        let thread = std::thread::spawn(move || receiver.recv().expect("a waker").wake());
        let mut polls = 0;
        event_loop
            .block_on(poll_fn(move |cx| {
                polls += 1;
                if polls == 2 {
                    return Poll::Ready(());
                }
                sender.send(cx.waker().clone()).expect("the thread is waiting");
                Poll::Pending
            }))
            .expect("no deadlock");
        thread.join().expect("no panic");
    };
    for _ in 0..100 {
        assert_eq!(findings(waits_for_a_thread), []);
    }
}

/// Creates a pair of connected sockets, of which the first is registered.
fn pair() -> (PollEvented<mio::net::UnixStream>, std::os::unix::net::UnixStream) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("sockets");
    ours.set_nonblocking(true).expect("a socket");
    let described = SourceMetadata { what: "socket", descriptor: None, peer: None };
    let ours = mio::net::UnixStream::from_std(ours);
    (PollEvented::new(ours, InitialReadiness::NotReady, described).expect("a source"), theirs)
}

/// Reads two bytes that arrive separately; only with `drains` until WouldBlock.
async fn read_two(drains: bool) {
    let (mut ours, mut theirs) = pair();
    let mut bytes = 0;
    theirs.write_all(b"1").expect("a write");
    spawn_named("writer", async move {
        sleep(Duration::from_millis(2)).await;
        theirs.write_all(b"2").expect("a write");
        sleep(Duration::from_millis(20)).await;
    });
    poll_fn(move |cx| {
        while ours.poll_ready(cx, Direction::Read).is_ready() {
            match ours.io_mut().read(&mut [0]) {
                Ok(read) => bytes += read,
                Err(_) => ours.clear_ready(Direction::Read),
            }
            if bytes == 2 {
                return Poll::Ready(());
            }
            if !drains {
                return Poll::Pending;
            }
        }
        Poll::Pending
    })
    .await;
}

#[test]
fn undrained_is_reported_if_a_source_is_left_ready_without_a_waker() {
    let run = |drains| {
        findings(move |event_loop: &mut EventLoop| {
            event_loop
                .block_on(async {
                    spawn_named("reader", read_two(drains));
                    sleep(Duration::from_millis(10)).await;
                })
                .expect("a timer is set");
        })
    };
    assert_eq!(run(false), found("undrained", "reader"));
    assert_eq!(run(true), []);
}

/// A future that can be moved to another task.
struct Relay {
    state: TracedState<RelayState>,
    shared: Rc<RelayShared>,
    /// Whether each poll stores its waker, or only the first.
    keeps_all: bool,
}

#[derive(Default)]
struct RelayShared {
    waker: Cell<Option<Waker>>,
    is_done: Cell<bool>,
}

enum RelayState {
    Waits,
}

impl NamedState for RelayState {
    const TYPE_NAME: &'static str = "Relay";

    fn name(&self) -> &'static str {
        match self {
            RelayState::Waits => "Waits",
        }
    }
}

impl Future for Relay {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _entered = self.state.enter();
        if self.shared.is_done.get() {
            return Poll::Ready(());
        }
        let kept = self.shared.waker.take();
        let keeps_new = self.keeps_all || kept.is_none();
        self.shared.waker.set(if keeps_new { Some(cx.waker().clone()) } else { kept });
        Poll::Pending
    }
}

#[test]
fn stale_waker_is_reported_if_a_moved_future_wakes_its_old_task() {
    let run = |keeps_all| {
        findings(move |event_loop: &mut EventLoop| {
            event_loop
                .block_on(async {
                    let shared = Rc::new(RelayShared::default());
                    let state = TracedState::new(RelayState::Waits);
                    let mut relay = Some(Relay { state, shared: shared.clone(), keeps_all });
                    let (sender, receiver) = oneshot();
                    let mut sender = Some(sender);
                    spawn_named(
                        "first",
                        poll_fn(move |cx| {
                            let mut relay = relay.take().expect("polled once");
                            assert!(Pin::new(&mut relay).poll(cx).is_pending());
                            _ = sender.take().expect("polled once").send(relay);
                            Poll::Ready(())
                        }),
                    );
                    spawn_named("second", async move { receiver.await.expect("a relay").await });
                    sleep(Duration::from_millis(2)).await;
                    shared.is_done.set(true);
                    shared.waker.take().expect("a stored waker").wake();
                    sleep(Duration::from_millis(2)).await;
                })
                .expect("a timer is set");
        })
    };
    let names = |what: &str| (what.to_owned(), "second".to_owned());
    assert_eq!(run(false), [names("lost_waker"), names("stale_waker")]);
    assert_eq!(run(true), []);
}

#[test]
fn stale_event_is_reported_for_an_event_of_a_dropped_source_whose_slot_is_reused() {
    let run = |closes_the_copy| {
        findings(move |event_loop: &mut EventLoop| {
            event_loop
                .block_on(async {
                    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("sockets");
                    ours.set_nonblocking(true).expect("a socket");
                    // The kernel keeps reporting events of a socket that has another descriptor.
                    let copy = ours.try_clone().expect("a copy");
                    let described = SourceMetadata { what: "socket", descriptor: None, peer: None };
                    let registered = Forgotten(mio::net::UnixStream::from_std(ours));
                    let source = PollEvented::new(registered, InitialReadiness::NotReady, described).expect("a source");
                    drop(source);
                    let copy = if closes_the_copy {
                        drop(copy);
                        None
                    } else {
                        Some(copy)
                    };
                    let (successor, _other_end) = pair();
                    let mut theirs = theirs;
                    _ = theirs.write_all(b"1");
                    sleep(Duration::from_millis(2)).await;
                    drop((successor, copy));
                })
                .expect("a timer is set");
        })
    };
    let given = run(false);
    assert!(
        !given.is_empty() && given.iter().all(|finding| *finding == ("stale_event".to_owned(), String::new())),
        "{given:?}"
    );
    assert_eq!(run(true), []);
}

/// A source that is not deregistered, as if its descriptor had been closed while a duplicate exists.
struct Forgotten(mio::net::UnixStream);

impl mio::event::Source for Forgotten {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> std::io::Result<()> {
        self.0.register(registry, token, interests)
    }

    fn reregister(&mut self, _: &mio::Registry, _: mio::Token, _: mio::Interest) -> std::io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &mio::Registry) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn spin_is_reported_after_a_thousand_self_wakes_without_progress() {
    /// Returns Pending once and wakes the task at once.
    async fn wake_self() {
        let mut is_woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut is_woken, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
    let spins = |event_loop: &mut EventLoop, times: usize, works: bool| {
        let spins = async move {
            for _ in 0..times {
                if works {
                    let mut timer = sleep(Duration::from_secs(1));
                    let _later = poll_fn(|cx| Poll::Ready(Pin::new(&mut timer).poll(cx))).await;
                }
                wake_self().await;
            }
        };
        event_loop.block_on(async { spawn_named("spins", spins).await.expect("no panic") }).expect("no deadlock");
    };
    assert_eq!(findings(|event_loop| spins(event_loop, 1_000, false)), found("spin", "spins"));
    assert_eq!(findings(|event_loop| spins(event_loop, 999, false)), []);
    assert_eq!(findings(|event_loop| spins(event_loop, 3_000, true)), []);
}

#[test]
fn spin_is_not_reported_for_yields() {
    let computes = |event_loop: &mut EventLoop| {
        let computes = async {
            for _ in 0..3_000 {
                yield_now().await;
            }
        };
        event_loop.block_on(async { spawn_named("computes", computes).await.expect("no panic") }).expect("no deadlock");
    };
    assert_eq!(findings(computes), []);
}

#[test]
fn two_futures_of_one_task_that_wake_each_other_do_not_spin() {
    let exchanges = |event_loop: &mut EventLoop| {
        let (sender, mut receiver) = channel::channel(1);
        let sends = async move {
            for number in 0..3_000 {
                sender.send(number).await.expect("somebody receives");
            }
        };
        let receives = async move { while receiver.recv().await.is_some() {} };
        let both: [Pin<Box<dyn Future<Output = ()>>>; 2] = [Box::pin(sends), Box::pin(receives)];
        event_loop.block_on(glassloop::futures::join_all(both)).expect("no deadlock");
    };
    assert_eq!(findings(exchanges), []);
}

#[test]
fn poll_after_ready_is_reported_if_a_completed_future_is_polled_again() {
    let polls = |event_loop: &mut EventLoop, times: usize| {
        for_a_moment(event_loop, "polls", async move {
            let mut all = glassloop::futures::join_all([async {}]);
            for _ in 0..times {
                poll_fn(|cx| Pin::new(&mut all).poll(cx)).await;
            }
        });
    };
    assert_eq!(findings(|event_loop| polls(event_loop, 2)), found("poll_after_ready", "polls"));
    assert_eq!(findings(|event_loop| polls(event_loop, 1)), []);
}

#[test]
fn snooze_is_reported_if_a_woken_child_is_not_polled() {
    let run = |waits_elsewhere: bool| {
        findings(move |event_loop: &mut EventLoop| {
            event_loop
                .block_on(async {
                    spawn_named("parent", async move {
                        let mut results =
                            as_completed([1, 2, 3].map(|milliseconds| sleep(Duration::from_millis(2 * milliseconds))));
                        while results.next().await.is_some() {
                            if waits_elsewhere {
                                sleep(Duration::from_millis(30)).await;
                            }
                        }
                    })
                    .await
                    .expect("no panic");
                })
                .expect("timers are set");
        })
    };
    let found = run(true);
    assert!(!found.is_empty(), "no findings");
    assert!(found.iter().all(|finding| *finding == ("snooze".to_owned(), "parent".to_owned())), "{found:?}");
    assert_eq!(run(false), []);
}
