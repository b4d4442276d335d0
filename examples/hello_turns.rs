//! The loop at work: two tasks and a timer, with a sentence for each step of every turn (one iteration of the loop).
//!
//!     cargo run --release --example hello_turns
//!
//! One task sends a message after a short sleep, the other waits for it. Note that the loop polls the ready tasks, then
//! sleeps until the next timer is due, and that every poll follows a wake, whose cause is printed.
//!
//! To try next: let `hello` sleep twice; spawn a third task that yields ten times, and find out why this takes fewer
//! than ten turns; remove the `send` and read the error that the loop returns.

mod support;

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use glassloop::observe::{Cause, Event, EventKind, Observer, TaskId, TimeoutReason, WakeOutcome};
use glassloop::sync::oneshot;
use glassloop::trace::{self, Tee};
use glassloop::{EventLoop, sleep, spawn_named};

use support::Error;

/// An observer that prints a sentence for each event.
#[derive(Default)]
struct Narrator {
    names: HashMap<TaskId, String>,
}

impl Narrator {
    fn name(&self, task: TaskId) -> &str {
        self.names.get(&task).map_or("the root future", String::as_str)
    }

    fn cause(&self, cause: Cause) -> String {
        match cause {
            Cause::Timer(timer) => format!("because {timer} fired"),
            Cause::Task(task) => format!("by {}", self.name(task)),
            Cause::Source(source) => format!("because {source} is ready"),
            Cause::Job(job) => format!("because {job} is done"),
            Cause::SelfWake => "by itself".to_owned(),
            Cause::Spawn => "because it was just spawned".to_owned(),
            Cause::External => "from outside the loop".to_owned(),
        }
    }
}

impl Observer for Narrator {
    fn event(&mut self, event: &Event<'_>) {
        let sentence = match event.kind {
            EventKind::TurnBegin(counts) => {
                println!("\nTurn {}: {} ready, {} timers set.", event.turn, counts.ready, counts.timers);
                return;
            }
            EventKind::Spawn { task, name, .. } => {
                self.names.insert(task, format!("`{name}`"));
                format!("Task `{name}` is spawned.")
            }
            EventKind::PollBegin { task, number, .. } => {
                format!("{} is polled (poll {}).", self.name(task), number + 1)
            }
            EventKind::PollEnd { task, ready: true, .. } => format!("{} is done.", self.name(task)),
            EventKind::PollEnd { task, waiting_for, .. } => format!("{} waits for {waiting_for}.", self.name(task)),
            EventKind::TimerSet { timer, deadline, .. } => format!("{timer} is set for {} ms.", deadline.as_millis()),
            EventKind::TimerFire { timer, .. } => format!("{timer} fires."),
            EventKind::Wake { task, cause, effect: WakeOutcome::Queued, .. } => {
                format!("{} is woken {}.", self.name(task), self.cause(cause))
            }
            EventKind::WaitBegin { timeout: Some(timeout), why: TimeoutReason::Timer } => {
                format!("No task is ready: the loop sleeps for at most {} ms.", timeout.as_millis())
            }
            EventKind::WaitEnd { .. } => "The loop wakes up.".to_owned(),
            _ => return,
        };
        println!("  {:7.3} ms  {sentence}", event.time.as_secs_f64() * 1000.0);
    }
}

fn main() -> ExitCode {
    support::main(include_str!("hello_turns.rs"), &[], |_| {
        let mut observers = Tee::new();
        observers.add(Narrator::default());
        if let Some(recording) = trace::from_env()? {
            observers.add(recording); // with GLASSLOOP_TRACE=hello.html
        }
        let mut event_loop = EventLoop::builder().observer(observers).build()?;
        let greeting = event_loop.block_on(async {
            let (sender, receiver) = oneshot();
            let hello = spawn_named("hello", async {
                sleep(Duration::from_millis(20)).await;
                sender.send("hello, turns").expect("the listener still holds the receiver");
            });
            let listener = spawn_named("listener", receiver);
            hello.await?;
            listener.await?.map_err(Error::from)
        })??;
        println!("\nThe message was: {greeting}.");
        Ok(())
    })
}
