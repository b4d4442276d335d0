//! Utilities for several of the tests.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use glassloop::event_loop::{Builder, LoopError};
use glassloop::observe::{Event, Observer};
use glassloop::{EventLoop, JoinHandle, spawn};

/// An observer made of a closure.
pub struct Watch<F>(pub F);

impl<F: FnMut(&Event<'_>)> Observer for Watch<F> {
    fn event(&mut self, event: &Event<'_>) {
        (self.0)(event);
    }
}

/// Calls a closure when it is dropped.
pub struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub fn new(call: F) -> OnDrop<F> {
        OnDrop(Some(call))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// A counter that clones share.
#[derive(Clone, Default)]
pub struct Counter(Rc<Cell<u32>>);

impl Counter {
    pub fn new() -> Counter {
        Counter::default()
    }

    pub fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    pub fn get(&self) -> u32 {
        self.0.get()
    }
}

/// A list that clones share.
pub struct Log<T>(Rc<RefCell<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Log<T> {
        Log(self.0.clone())
    }
}

impl<T> Log<T> {
    pub fn new() -> Log<T> {
        Log(Rc::default())
    }

    pub fn push(&self, item: T) {
        self.0.borrow_mut().push(item);
    }

    pub fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

/// Returns a loop whose turns are limited by the number of polls only. With the usual limit of 200 µs, how many tasks a turn
/// polls would depend on how busy the machine is.
pub fn event_loop() -> EventLoop {
    build(EventLoop::builder().budget(61, Duration::from_secs(3600)))
}

pub fn build(builder: Builder) -> EventLoop {
    crate::watchdog::watch();
    builder.build().expect("a loop")
}

/// Runs a future on a loop of its own.
pub fn run<F: Future>(future: F) -> F::Output {
    event_loop().block_on(future).expect("the loop can go on")
}

/// The waker of the task that awaits this.
pub fn own_waker() -> impl Future<Output = Waker> {
    poll_fn(|cx| Poll::Ready(cx.waker().clone()))
}

/// Pending, and counts its polls.
pub fn count_polls(polls: &Counter) -> impl Future<Output = ()> + use<> {
    let polls = polls.clone();
    poll_fn(move |_| {
        polls.add();
        Poll::Pending
    })
}

/// A task that is never done: its polls are counted, and the waker of each is kept.
pub fn spawn_waiting() -> (JoinHandle<()>, Counter, Log<Waker>) {
    let (polls, wakers) = (Counter::new(), Log::new());
    let (p, w) = (polls.clone(), wakers.clone());
    let task = spawn(poll_fn(move |cx| {
        p.add();
        w.push(cx.waker().clone());
        Poll::Pending
    }));
    (task, polls, wakers)
}

/// Lets every task that is ready have a turn, `times` times.
pub async fn yield_times(times: usize) {
    for _ in 0..times {
        glassloop::futures::yield_now().await;
    }
}

/// A connection on loopback: the loop's end, and the other one, which blocks.
pub fn connection() -> (glassloop::net::TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let theirs = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let (ours, _) = listener.accept().expect("the other end");
    theirs.set_nodelay(true).expect("no delay");
    (glassloop::net::TcpStream::from_std(ours).expect("registered"), theirs)
}

/// The names of what is stuck, and what for.
pub fn stuck<T>(result: Result<T, LoopError>) -> Vec<(String, &'static str)> {
    match result {
        Ok(_) => panic!("the loop did not see the deadlock"),
        Err(LoopError::Deadlock(deadlock)) => {
            deadlock.tasks.into_iter().map(|task| (task.name, task.waiting_for)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}
