//! The loop's clock: the real one, or a virtual one for tests.
//!
//! Virtual time does not pass while tasks run. If the loop has only to wait for a timer, it does not block: the clock jumps
//! to the deadline. While a job is running, a task waits for a socket, or a waker is held outside the loop, the clock runs
//! at real speed, since virtual time cannot make these faster. The idea is trio's `MockClock(autojump_threshold=0)`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::pause::ClockPause;

/// Measures the time since the loop was built.
///
/// Invariant: time never goes backwards (I9).
#[derive(Debug)]
pub(crate) struct Clock {
    base: Instant,
    /// The virtual time since `base`; `None` on the real clock.
    virtual_elapsed: Option<Cell<Duration>>,
    /// The pauses of the real clock, and their total at `base`.
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

    /// Returns the time since the loop was built.
    pub(crate) fn elapsed(&self) -> Duration {
        match &self.virtual_elapsed {
            None => self.elapsed_at(Instant::now()),
            Some(elapsed) => elapsed.get(),
        }
    }

    /// Converts an instant of an event on another thread to the time since the loop was built. With virtual time this is the
    /// time at which the loop receives the event.
    pub(crate) fn elapsed_at(&self, at: Instant) -> Duration {
        let real = at.saturating_duration_since(self.base);
        match (&self.virtual_elapsed, &self.pause) {
            (Some(elapsed), _) => elapsed.get(),
            (None, None) => real,
            (None, Some((pause, before))) => (real + *before).saturating_sub(pause.total_at(at)),
        }
    }

    /// Returns the current instant.
    pub(crate) fn now(&self) -> Instant {
        self.instant_at(self.elapsed())
    }

    /// Converts the time since the loop was built to an instant. Times that overflow an `Instant`, such as the deadline of
    /// `sleep(Duration::MAX)`, are clamped to a thousand years.
    pub(crate) fn instant_at(&self, elapsed: Duration) -> Instant {
        self.base.checked_add(elapsed).unwrap_or(self.base + FAR_FUTURE)
    }

    /// Converts an instant of this clock to the time since the loop was built.
    pub(crate) fn since_base(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.base)
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_elapsed.is_some()
    }

    /// Advances virtual time. Does nothing to the real clock.
    pub(crate) fn advance(&self, by: Duration) {
        if let Some(elapsed) = &self.virtual_elapsed {
            elapsed.set(elapsed.get().saturating_add(by));
        }
    }
}

/// A thousand years, which an `Instant` can represent.
const FAR_FUTURE: Duration = Duration::from_secs(1000 * 365 * 86_400);

/// The resolution of the timer wheel.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Returns the first tick at or after a time, so that no timer is early (I9).
pub(crate) fn tick_at_or_after(elapsed: Duration) -> u64 {
    let ticks = elapsed.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Returns the last tick that has begun at a time.
pub(crate) fn tick_at(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the time at which a tick begins.
pub(crate) fn tick_to_duration(tick: u64) -> Duration {
    Duration::from_millis(tick)
}
