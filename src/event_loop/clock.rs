//! The loop's clock: the real one, or one that tests can run ahead of.
//!
//! Virtual time stands still while tasks run. When the loop has nothing to do but wait for a timer, it does not wait:
//! the clock jumps to the deadline. While a job runs, a task waits for a socket or a waker is held outside the loop,
//! something else is at work, which virtual time cannot hurry, and the clock goes at real speed. The idea is trio's `MockClock(autojump_threshold=0)`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::pause::ClockPause;

/// Tells the time since the loop was built.
#[derive(Debug)]
pub(crate) struct Clock {
    base: Instant,
    /// The virtual time since `base`; `None` on the real clock.
    virtual_elapsed: Option<Cell<Duration>>,
    /// Who may stop the real clock, and how long it had stood still at `base`.
    pause: Option<(ClockPause, Duration)>,
}

impl Clock {
    pub(crate) fn real(pause: Option<ClockPause>) -> Clock {
        let base = Instant::now();
        let pause = pause.map(|pause| {
            let before = pause.total_at(base);
            (pause, before)
        });
        Clock { base, virtual_elapsed: None, pause }
    }

    pub(crate) fn virtual_time() -> Clock {
        Clock { base: Instant::now(), virtual_elapsed: Some(Cell::new(Duration::ZERO)), pause: None }
    }

    /// The time since the loop was built.
    pub(crate) fn elapsed(&self) -> Duration {
        match &self.virtual_elapsed {
            None => self.happened(Instant::now()),
            Some(elapsed) => elapsed.get(),
        }
    }

    /// When something happened on another thread, as time since the loop was built. Virtual time does not know: for it,
    /// all happens when the loop hears of it.
    pub(crate) fn happened(&self, at: Instant) -> Duration {
        let real = at.saturating_duration_since(self.base);
        match (&self.virtual_elapsed, &self.pause) {
            (Some(elapsed), _) => elapsed.get(),
            (None, None) => real,
            (None, Some((pause, before))) => (real + *before).saturating_sub(pause.total_at(at)),
        }
    }

    /// The same as a point in time.
    pub(crate) fn now(&self) -> Instant {
        self.moment(self.elapsed())
    }

    /// Time since the loop was built as a point in time. `sleep(Duration::MAX)` is a way to say "for ever", and no reason
    /// to panic: what no `Instant` can say is a thousand years away.
    pub(crate) fn moment(&self, elapsed: Duration) -> Instant {
        self.base.checked_add(elapsed).unwrap_or(self.base + LONG)
    }

    /// A point in time on the loop's own scale, as [`now`](Self::now) tells it, as time since the loop was built.
    pub(crate) fn since_base(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.base)
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_elapsed.is_some()
    }

    /// Virtual time goes on by as much as the loop really slept, or jumps; the real clock needs no telling.
    pub(crate) fn advance(&self, by: Duration) {
        if let Some(elapsed) = &self.virtual_elapsed {
            elapsed.set(elapsed.get().saturating_add(by));
        }
    }
}

/// Later than anybody will wait, and yet within what an `Instant` can say: a thousand years.
const LONG: Duration = Duration::from_secs(1000 * 365 * 86_400);

/// The wheel's unit.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The first tick at or after a moment: a timer is never early (I9).
pub(crate) fn tick_at_or_after(elapsed: Duration) -> u64 {
    let ticks = elapsed.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The last tick that has begun.
pub(crate) fn tick_at(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment at which a tick begins.
pub(crate) fn moment_of(tick: u64) -> Duration {
    Duration::from_millis(tick)
}
