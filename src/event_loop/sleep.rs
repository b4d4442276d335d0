//! `sleep` and `sleep_until`: the timer wheel as a future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::core::{Core, observed};
use super::wheel::TimerId;
use super::{clock, current};
use crate::observe::{EventKind, current_task, emit, set_wait_reason};

/// Waits for a time. It never ends early, and on an idle machine at most a millisecond and one turn late (I9).
///
/// Nothing happens before it is first polled; dropping one that was never polled costs nothing. The time counts from
/// this call.
///
/// ```
/// use std::time::{Duration, Instant};
/// use glassloop::{EventLoop, now, sleep};
///
/// let mut event_loop = EventLoop::builder().virtual_time().build()?;
/// let started = Instant::now();
/// event_loop.block_on(async {
///     let before = now();
///     sleep(Duration::from_secs(3600)).await;
///     assert!(now() - before >= Duration::from_secs(3600));
/// })?;
/// assert!(started.elapsed() < Duration::from_secs(3600)); // virtual time does not make you wait
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let core = current::core();
    let deadline = core.clock.elapsed().saturating_add(duration);
    Sleep { core, deadline, state: SleepState::New, background: false }
}

/// Waits until a point in time, by the loop's clock ([`now`]).
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    let core = current::core();
    let deadline = core.clock.since_base(deadline);
    Sleep { core, deadline, state: SleepState::New, background: false }
}

/// The time by the clock of the current loop, which may be virtual.
///
/// # Panics
/// If no loop runs on this thread.
#[track_caller]
pub fn now() -> Instant {
    current::core().clock.now()
}

/// The future of [`sleep`] and [`sleep_until`].
pub struct Sleep {
    core: Rc<Core>,
    /// Since the loop was built.
    deadline: Duration,
    state: SleepState,
    background: bool,
}

#[derive(Clone, Copy)]
enum SleepState {
    /// Not polled yet: there is nothing in the wheel.
    New,
    Armed(TimerId),
    Done,
}

impl Sleep {
    /// When it ends, by the loop's clock. Where that is beyond what an [`Instant`] can say, as far as it can.
    pub fn deadline(&self) -> Instant {
        self.core.clock.moment(self.deadline)
    }

    /// Lets it end at another time. One that is armed is moved in the wheel, which is cheap; one that has ended can be
    /// used again.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = self.core.clock.since_base(deadline);
        self.state = match self.state {
            SleepState::Armed(id) => {
                let tick = clock::tick_at_or_after(self.deadline);
                let is_moved = self.core.wheel.borrow_mut().rearm(id, tick);
                if is_moved {
                    if let Some(timer) = self.core.wheel.borrow_mut().get_mut(id) {
                        timer.deadline = self.deadline;
                    }
                    let (timer, deadline) = (observed(id), self.deadline);
                    emit!(EventKind::TimerSet { timer, task: current_task(), deadline });
                    SleepState::Armed(id)
                } else {
                    SleepState::New
                }
            }
            SleepState::New | SleepState::Done => SleepState::New,
        };
    }

    /// Makes it a timer that does not keep the loop from seeing a deadlock, nor virtual time from jumping over it.
    pub fn unref(mut self) -> Sleep {
        self.background = true;
        self
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.state {
            SleepState::New => {
                let id = self.core.set_timer(self.deadline, cx.waker(), self.background);
                self.state = SleepState::Armed(id);
                set_wait_reason("a timer");
                Poll::Pending
            }
            SleepState::Armed(id) => {
                // The entry is there until the timer fires.
                if self.core.keep_timers_waker(id, cx.waker()) {
                    set_wait_reason("a timer");
                    return Poll::Pending;
                }
                self.state = SleepState::Done;
                Poll::Ready(())
            }
            SleepState::Done => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let SleepState::Armed(id) = self.state {
            self.core.cancel_timer(id);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
