//! Implements hyper's `Timer`. hyper requires sleeps that are `Send`, and this loop's timers are not. So a
//! [`LoopSleep`] only stores its deadline and waker in a shared list, and one task on the loop owns a real timer and
//! wakes the sleeps that are due.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use glassloop::{now, sleep, spawn_named};
use hyper::rt::{Sleep, Timer};

/// Creates sleeps for hyper.
#[derive(Clone)]
pub struct LoopTimer {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    waiting: Vec<Waiting>,
    /// The waker of the task that owns the real timer.
    driver: Option<Waker>,
    last_number: u64,
}

/// A sleep that has been polled and is not due yet.
struct Waiting {
    number: u64,
    deadline: Instant,
    waker: Waker,
}

impl LoopTimer {
    /// Starts the task that owns the real timer. It ends with the loop.
    pub fn start() -> LoopTimer {
        let timer = LoopTimer { shared: Arc::default() };
        let _detached = spawn_named("hyper's timers", timer.clone().drive());
        timer
    }

    /// Repeatedly sleeps until the next deadline and wakes the sleeps that are due.
    async fn drive(self) {
        let mut next = pin!(sleep(Duration::ZERO));
        poll_fn(|cx| -> Poll<()> {
            loop {
                let mut shared = lock(&self.shared);
                // The waker is stored before the list is checked, so a sleep added in between is not missed.
                shared.driver = Some(cx.waker().clone());
                let due = shared.waiting.extract_if(.., |waiting| waiting.deadline <= now()).collect::<Vec<_>>();
                let deadline = shared.waiting.iter().map(|waiting| waiting.deadline).min();
                drop(shared);
                due.into_iter().for_each(|waiting| waiting.waker.wake());
                let Some(deadline) = deadline else { return Poll::Pending };
                next.reset(deadline);
                if next.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Timer for LoopTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut shared = lock(&self.shared);
        shared.last_number += 1;
        Box::pin(LoopSleep { number: shared.last_number, deadline, shared: self.shared.clone() })
    }

    fn now(&self) -> Instant {
        now()
    }
}

/// The sleep that hyper polls. It is `Send`, since it holds only a number, a deadline and the shared list.
struct LoopSleep {
    number: u64,
    deadline: Instant,
    shared: Arc<Mutex<Shared>>,
}

impl Sleep for LoopSleep {}

impl Future for LoopSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = lock(&self.shared);
        shared.waiting.retain(|waiting| waiting.number != self.number);
        if now() >= self.deadline {
            return Poll::Ready(());
        }
        shared.waiting.push(Waiting { number: self.number, deadline: self.deadline, waker: cx.waker().clone() });
        if let Some(driver) = &shared.driver {
            driver.wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for LoopSleep {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.waiting.retain(|waiting| waiting.number != self.number);
    }
}
