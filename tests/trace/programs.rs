//! Programs to record, which together cause every kind of event that the loop emits.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use glassloop::futures::{join_all, yield_now};
use glassloop::net::{Connect, TcpListener, TcpStream};
use glassloop::sync::{Semaphore, oneshot};
use glassloop::trace::{Reader, Record, Recorder};
use glassloop::{EventLoop, Job, JoinSet, run_in_executor, sleep, spawn, spawn_named};

/// Records a run of `program` and returns the recording.
pub fn record(program: impl FnOnce(&mut EventLoop)) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.jsonl");
    record_into(&path, program);
    std::fs::read_to_string(&path).expect("the recording")
}

/// Records a run of `program` into this file.
pub fn record_into(path: &Path, program: impl FnOnce(&mut EventLoop)) {
    crate::watchdog::watch();
    let recorder = Recorder::create(path).expect("a recorder");
    let mut event_loop = EventLoop::builder().observer(recorder).build().expect("a loop");
    program(&mut event_loop);
}

/// Records a run of `program` in virtual time and returns the recording.
pub fn record_virtual(program: impl FnOnce(&mut EventLoop)) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.jsonl");
    crate::watchdog::watch();
    let recorder = Recorder::create(&path).expect("a recorder");
    let mut event_loop = EventLoop::builder().virtual_time().observer(recorder).build().expect("a loop");
    program(&mut event_loop);
    drop(event_loop);
    std::fs::read_to_string(&path).expect("the recording")
}

/// Parses a recording.
pub fn parse(recording: &str) -> Vec<Record> {
    Reader::open(recording.as_bytes()).expect("a header").collect::<Result<_, _>>().expect("valid lines")
}

/// Runs two tasks and a timer.
pub fn hello(event_loop: &mut EventLoop) {
    event_loop
        .block_on(async {
            let (sender, receiver) = oneshot();
            let hello = spawn_named("hello", async {
                sleep(Duration::from_millis(2)).await;
                sender.send(7)
            });
            let listener = spawn_named("listener", receiver);
            hello.await.expect("no panic").expect("the listener still holds the receiver");
            listener.await.expect("no panic").expect("a message");
        })
        .expect("no deadlock");
}

/// Causes most kinds of events.
pub fn everything(event_loop: &mut EventLoop) {
    event_loop
        .block_on(async {
            hello_again().await;
            echo().await;
            jobs().await;
            permits().await;
            ends().await;
            external_wake().await;
        })
        .expect("no deadlock");
}

async fn hello_again() {
    let never = spawn_named("never", sleep(Duration::from_secs(60)));
    join_all((1..=3).map(|number| async move {
        sleep(Duration::from_millis(number)).await;
        yield_now().await;
    }))
    .await;
    drop(never);
}

/// Sends and receives data over a connection between two tasks.
async fn echo() {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = spawn_named("server", async move {
        let (mut stream, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection");
        let mut buffer = [0; 16];
        let read = std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("input");
        std::future::poll_fn(|cx| stream.poll_write(cx, &buffer[..read])).await.expect("a write");
    });
    let mut stream: TcpStream = Connect::new(vec![address], Duration::from_secs(10)).await.expect("a connection");
    sleep(Duration::from_millis(2)).await;
    std::future::poll_fn(|cx| stream.poll_write(cx, b"hello")).await.expect("a write");
    let mut buffer = [0; 16];
    loop {
        let read = std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("input");
        if read == 0 {
            break;
        }
    }
    server.await.expect("no panic");
    // The listener is closed.
    Connect::new(vec![address], Duration::from_secs(10)).await.expect_err("refused");
}

async fn jobs() {
    let add = run_in_executor(None, Job::new(|| 1 + 1).label("add").bytes(2));
    assert_eq!(add.await.expect("no panic"), 2);
    run_in_executor::<()>(None, || panic!("on purpose")).await.expect_err("a panic");
}

async fn permits() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.acquire().await;
    let waits = semaphore.clone();
    let waiting = spawn_named("waiting", async move { drop(waits.acquire().await) });
    yield_now().await;
    drop(held);
    waiting.await.expect("no panic");
}

/// Spawns tasks that panic or are aborted.
async fn ends() {
    let panics = spawn(async { panic!("on purpose") });
    panics.await.expect_err("a panic");
    let mut set = JoinSet::new();
    set.spawn_named("aborted", std::future::pending::<()>());
    yield_now().await;
    set.abort_all();
    set.join_next().await.expect("one").expect_err("aborted");
}

/// Lets another thread wake the task.
async fn external_wake() {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let mut sender = Some(sender);
    let thread = std::thread::spawn(move || {
        let waker: std::task::Waker = receiver.recv().expect("a waker");
        waker.wake();
    });
    std::future::poll_fn(move |cx| match sender.take() {
        None => Poll::Ready(()),
        Some(sender) => {
            sender.send(cx.waker().clone()).expect("the thread is waiting");
            Poll::Pending
        }
    })
    .await;
    thread.join().expect("no panic");
}

/// A future that wakes another task while it is dropped.
pub struct WakesWhenDropped(pub Option<glassloop::sync::oneshot::Sender<()>>);

impl Future for WakesWhenDropped {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        assert!(self.0.is_some(), "polled twice");
        Poll::Ready(())
    }
}

/// Runs hand-written futures concurrently in one task, whose states overlap in various ways.
pub fn siblings(event_loop: &mut EventLoop) {
    event_loop
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a listener");
            let address = listener.local_addr().expect("an address");
            join_all((0..20).map(|number| async move {
                sleep(Duration::from_micros(number * 300)).await;
                let stream = Connect::new(vec![address], Duration::from_secs(10)).await.expect("a connection");
                sleep(Duration::from_micros((20 - number) * 300)).await;
                drop(stream);
            }))
            .await;
        })
        .expect("no deadlock");
}
