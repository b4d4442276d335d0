//! I16 against a model: random programs of tasks, and whether they complete.
//!
//! The model is the loop itself with a timer that keeps it from reporting a deadlock: after a (virtual) day, the tasks that
//! have not ended are those that are stuck. The same program without that timer must report exactly these. There are no jobs
//! in it: virtual time goes at real speed while one runs, and then two runs of a program need not take the same course.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use glassloop::futures::{join_all, timeout};
use glassloop::sync::{OnceEvent, Semaphore, channel};
use glassloop::{EventLoop, LoopError, sleep, spawn_named};
use proptest::prelude::*;

use crate::support::*;

const A_DAY: Duration = Duration::from_secs(86_400);

/// One step of a task.
#[derive(Clone, Debug)]
enum Step {
    /// Takes a permit, and keeps it until the task releases all or ends.
    Acquire(usize),
    Release,
    Send(usize),
    Receive(usize),
    ReceiveWithin(usize, u64),
    Set(usize),
    WaitFor(usize),
    Sleep(u64),
    SleepInTheBackground(u64),
    Yield,
    /// Another thread wakes the task.
    BeWoken,
    /// Two receive at once, inside one task.
    ReceiveBoth(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..2usize).prop_map(Step::Acquire),
        1 => Just(Step::Release),
        3 => (0..3usize).prop_map(Step::Send),
        3 => (0..3usize).prop_map(Step::Receive),
        1 => (0..3usize, 0..5u64).prop_map(|(channel, time)| Step::ReceiveWithin(channel, time)),
        1 => (0..2usize).prop_map(Step::Set),
        1 => (0..2usize).prop_map(Step::WaitFor),
        2 => (0..4u64).prop_map(Step::Sleep),
        1 => (0..4u64).prop_map(Step::SleepInTheBackground),
        1 => Just(Step::Yield),
        1 => Just(Step::BeWoken),
        1 => (0..3usize, 0..3usize).prop_map(|(one, other)| Step::ReceiveBoth(one, other)),
    ]
}

/// What the tasks of a program share. It lives as long as the program, so that no end of a channel goes.
struct World {
    semaphores: Vec<Semaphore>,
    channels: Vec<(channel::Sender<()>, RefCell<channel::Receiver<()>>)>,
    events: Vec<OnceEvent>,
}

impl World {
    fn new() -> Rc<World> {
        let channels = (1..=3).map(channel::channel);
        Rc::new(World {
            semaphores: (1..=2).map(Semaphore::new).collect(),
            channels: channels.map(|(sender, receiver)| (sender, RefCell::new(receiver))).collect(),
            events: (0..2).map(|_| OnceEvent::new()).collect(),
        })
    }

    /// Takes a message. Of several tasks that wait for one channel, only the last to be polled is woken.
    fn receive(&self, number: usize) -> impl Future<Output = ()> + '_ {
        poll_fn(move |cx| {
            let mut receiver = self.channels[number].1.borrow_mut();
            std::pin::pin!(receiver.recv()).poll(cx).map(drop)
        })
    }
}

async fn woken_by_another_thread() {
    let mut is_woken = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_woken, true) {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        // Joined, so that the order of events is the same in both runs.
        std::thread::spawn(move || waker.wake()).join().expect("a wake never panics");
        Poll::Pending
    })
    .await;
}

async fn run_task(world: Rc<World>, steps: Vec<Step>) {
    let mut permits = Vec::new();
    for step in steps {
        match step {
            Step::Acquire(number) => permits.push(world.semaphores[number].acquire().await),
            Step::Release => permits.clear(),
            Step::Send(number) => drop(world.channels[number].0.send(()).await),
            Step::Receive(number) => world.receive(number).await,
            Step::ReceiveWithin(number, time) => {
                let _either = timeout(Duration::from_millis(time), world.receive(number)).await;
            }
            Step::Set(number) => world.events[number].set(),
            Step::WaitFor(number) => world.events[number].wait().await,
            Step::Sleep(time) => sleep(Duration::from_millis(time)).await,
            Step::SleepInTheBackground(time) => {
                let _either = timeout(Duration::from_millis(time), sleep(A_DAY * 2).unref()).await;
            }
            Step::Yield => yield_times(1).await,
            Step::BeWoken => woken_by_another_thread().await,
            Step::ReceiveBoth(one, other) => {
                join_all([world.receive(one), world.receive(other)]).await;
            }
        }
    }
}

/// The names of the tasks that have not ended, what the tasks share, and their handles.
type Started = (Rc<RefCell<BTreeSet<String>>>, Rc<World>, Vec<glassloop::JoinHandle<()>>);

fn start(program: &[Vec<Step>]) -> Started {
    let (unfinished, world) = (Rc::new(RefCell::new(BTreeSet::new())), World::new());
    let tasks = program.iter().enumerate().map(|(number, steps)| {
        let name = number.to_string();
        unfinished.borrow_mut().insert(name.clone());
        let (left, task) = (unfinished.clone(), run_task(world.clone(), steps.clone()));
        spawn_named(&number.to_string(), async move {
            task.await;
            left.borrow_mut().remove(&name);
        })
    });
    let tasks = tasks.collect();
    (unfinished, world, tasks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i16_a_deadlock_is_reported_exactly_when_tasks_are_stuck_and_names_them(
        program in proptest::collection::vec(proptest::collection::vec(step(), 0..7), 1..6),
    ) {
        let mut event_loop = build(EventLoop::builder().virtual_time());
        let stuck = event_loop.block_on(async {
            let (unfinished, _world, _tasks) = start(&program);
            sleep(A_DAY).await;
            unfinished.take()
        });
        let expected = stuck.expect("a timer is set");
        let mut event_loop = build(EventLoop::builder().virtual_time());
        let result = event_loop.block_on(async {
            let (_unfinished, _world, tasks) = start(&program);
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        let reported: BTreeSet<String> = match result {
            Ok(()) => BTreeSet::new(),
            Err(LoopError::Deadlock(deadlock)) => {
                deadlock.tasks.into_iter().map(|task| task.name).filter(|name| name != "root").collect()
            }
            Err(error) => panic!("{error}"),
        };
        prop_assert_eq!(reported, expected);
    }
}
