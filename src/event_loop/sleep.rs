//! `sleep` and `sleep_until`: the future that waits for a timer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::core::Core;
use super::current;
use crate::observe::{TimerId, set_wait_reason};

/// Waits for a duration, which is measured from this call, not from the first poll. The future never completes early, and
/// on an idle machine at most a millisecond and one turn late (I9).
///
/// The timer is set when the future is first polled.
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
/// assert!(started.elapsed() < Duration::from_secs(3600)); // virtual time jumps to the deadline
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If no loop is running on this thread.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let core = current::core();
    let deadline = core.clock.elapsed().saturating_add(duration);
    Sleep { core, deadline, state: SleepState::New, is_unref: false }
}

/// Waits until an instant of the loop's clock ([`now`]).
///
/// # Panics
/// If no loop is running on this thread.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    let core = current::core();
    let deadline = core.clock.since_base(deadline);
    Sleep { core, deadline, state: SleepState::New, is_unref: false }
}

/// Returns the current instant of the current loop's clock, which may be virtual.
///
/// # Panics
/// If no loop is running on this thread.
#[track_caller]
pub fn now() -> Instant {
    current::core().clock.now()
}

/// The future returned by [`sleep`] and [`sleep_until`].
pub struct Sleep {
    core: Rc<Core>,
    /// The deadline, as the time since the loop was built.
    deadline: Duration,
    state: SleepState,
    is_unref: bool,
}

#[derive(Clone, Copy)]
enum SleepState {
    /// Not polled yet: the timer is not set.
    New,
    Set(TimerId),
    Done,
}

impl Sleep {
    /// Returns the deadline, by the loop's clock. It is clamped to what an [`Instant`] can represent.
    pub fn deadline(&self) -> Instant {
        self.core.clock.instant_at(self.deadline)
    }

    /// Changes the deadline. If the timer is set, it is moved, in constant time. If the future has completed, it can be
    /// polled again.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = self.core.clock.since_base(deadline);
        self.state = match self.state {
            SleepState::Set(id) if self.core.timers.reset(id, self.deadline) => SleepState::Set(id),
            _ => SleepState::New,
        };
    }

    /// Makes the timer unref'd: deadlock detection and virtual time ignore it. (The term is libuv's and Node's.)
    pub fn unref(mut self) -> Sleep {
        self.is_unref = true;
        self
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.state {
            SleepState::New => {
                let id = self.core.timers.set(self.deadline, cx.waker(), self.is_unref);
                self.state = SleepState::Set(id);
                set_wait_reason("a timer");
                Poll::Pending
            }
            SleepState::Set(id) => {
                if self.core.timers.register(id, cx.waker()) {
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
        if let SleepState::Set(id) = self.state {
            self.core.timers.cancel(id);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
