//! Programs to record. Between them they make every kind of event that the loop tells of.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use glassloop::futures::{join_all, yield_now};
use glassloop::net::{Connect, TcpListener, TcpStream};
use glassloop::sync::{Semaphore, oneshot};
use glassloop::trace::{Line, Reader, Recorder};
use glassloop::{EventLoop, Job, JoinSet, run_in_executor, sleep, spawn, spawn_named};

/// Records a run of `program` into a file and gives its text.
pub fn record(program: impl FnOnce(&mut EventLoop)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
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

/// The same on a virtual clock.
pub fn record_virtual(program: impl FnOnce(&mut EventLoop)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    crate::watchdog::watch();
    let recorder = Recorder::create(&path).expect("a recorder");
    let mut event_loop = EventLoop::builder().virtual_time().observer(recorder).build().expect("a loop");
    program(&mut event_loop);
    drop(event_loop);
    std::fs::read_to_string(&path).expect("the recording")
}

/// The lines of a recording.
pub fn lines(recording: &str) -> Vec<Line> {
    Reader::open(recording.as_bytes()).expect("a header").collect::<Result<_, _>>().expect("sound lines")
}

/// Two tasks and a timer.
pub fn hello(event_loop: &mut EventLoop) {
    event_loop
        .block_on(async {
            let (sender, receiver) = oneshot();
            let hello = spawn_named("hello", async {
                sleep(Duration::from_millis(2)).await;
                sender.send(7)
            });
            let listener = spawn_named("listener", receiver);
            hello.await.expect("no panic").expect("it listens");
            listener.await.expect("no panic").expect("it sends");
        })
        .expect("no deadlock");
}

/// A bit of everything.
pub fn everything(event_loop: &mut EventLoop) {
    event_loop
        .block_on(async {
            hello_again().await;
            echo().await;
            jobs().await;
            permits().await;
            ends().await;
            from_outside().await;
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

/// A connection to ourselves.
async fn echo() {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = spawn_named("server", async move {
        let (mut stream, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection");
        let mut buffer = [0; 16];
        let read = std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("input");
        std::future::poll_fn(|cx| stream.poll_write(cx, &buffer[..read])).await.expect("room");
    });
    let mut stream: TcpStream = Connect::new(vec![address], Duration::from_secs(10)).await.expect("a connection");
    sleep(Duration::from_millis(2)).await;
    std::future::poll_fn(|cx| stream.poll_write(cx, b"hello")).await.expect("room");
    let mut buffer = [0; 16];
    loop {
        let read = std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("input");
        if read == 0 {
            break;
        }
    }
    server.await.expect("no panic");
    // Nobody listens any more.
    Connect::new(vec![address], Duration::from_secs(10)).await.expect_err("refused");
}

async fn jobs() {
    let add = run_in_executor(None, Job::new(|| 1 + 1).label("add").bytes(2));
    assert_eq!(add.await.expect("no panic"), 2);
    run_in_executor::<()>(None, || panic!("on purpose")).await.expect_err("it panics");
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

/// Tasks that end in all ways.
async fn ends() {
    let panics = spawn(async { panic!("on purpose") });
    panics.await.expect_err("it panics");
    let mut set = JoinSet::new();
    set.spawn_named("aborted", std::future::pending::<()>());
    yield_now().await;
    set.abort_all();
    set.join_next().await.expect("one").expect_err("aborted");
}

/// A thread that is not the loop's wakes a task.
async fn from_outside() {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let mut sender = Some(sender);
    let thread = std::thread::spawn(move || {
        let waker: std::task::Waker = receiver.recv().expect("a waker");
        waker.wake();
    });
    std::future::poll_fn(move |cx| match sender.take() {
        None => Poll::Ready(()),
        Some(sender) => {
            sender.send(cx.waker().clone()).expect("the thread waits");
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
        assert!(self.0.is_some(), "it is polled once");
        Poll::Ready(())
    }
}

/// Hand-written futures side by side in one task, whose states overlap in all ways.
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
