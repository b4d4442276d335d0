//! Pausing the clocks of loops, for a debugger that stops a loop.
//!
//! Without a pause, all timers would be due and all timeouts would have passed when the stopped loop continues.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pauses the clocks of the loops that were built with [`Builder::pausable`](super::Builder::pausable). It is a handle:
/// clones pause the same clocks, from any thread.
///
/// ```
/// use std::time::Duration;
/// use glassloop::{EventLoop, event_loop::ClockPause, now};
///
/// let pause = ClockPause::new();
/// let mut event_loop = EventLoop::builder().pausable(pause.clone()).build()?;
/// event_loop.block_on(async {
///     let before = now();
///     let guard = pause.pause();
///     std::thread::sleep(Duration::from_millis(1));
///     drop(guard);
///     assert!(now() - before < Duration::from_millis(1));
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClockPause {
    times: Arc<Mutex<Times>>,
}

#[derive(Debug, Default)]
struct Times {
    /// The pauses that have ended.
    ended: Vec<PausedInterval>,
    /// When the current pause began.
    since: Option<Instant>,
    /// The number of guards of the current pause.
    guards: usize,
}

#[derive(Debug)]
struct PausedInterval {
    began: Instant,
    ended: Instant,
    /// The duration of this pause and all pauses before it.
    total: Duration,
}

impl ClockPause {
    /// Creates a handle. The clocks are running.
    pub fn new() -> ClockPause {
        ClockPause::default()
    }

    /// Pauses the clocks until the returned guard is dropped.
    pub fn pause(&self) -> PauseGuard {
        let mut times = self.lock();
        times.guards += 1;
        times.since.get_or_insert_with(Instant::now);
        PauseGuard { pause: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the duration of all pauses before an instant.
    pub(super) fn total_at(&self, at: Instant) -> Duration {
        let times = self.lock();
        let now = times.since.map_or(Duration::ZERO, |since| at.saturating_duration_since(since));
        // Nearly all calls are for recent instants.
        let before = times.ended.iter().rev().find(|pause| pause.began <= at);
        let before = before.map_or(Duration::ZERO, |pause| pause.total - pause.ended.saturating_duration_since(at));
        before + now
    }
}

/// A guard: while it exists, the clocks are paused.
#[derive(Debug)]
pub struct PauseGuard {
    pause: ClockPause,
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        let mut times = self.pause.lock();
        times.guards -= 1;
        if times.guards == 0
            && let Some(began) = times.since.take()
        {
            let ended = Instant::now();
            let before = times.ended.last().map_or(Duration::ZERO, |pause| pause.total);
            times.ended.push(PausedInterval { began, ended, total: before + (ended - began) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{ClockPause, PausedInterval, Times};

    #[test]
    fn the_pauses_before_an_instant_are_added() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let interval = |began, ended, total| PausedInterval {
            began: at(began),
            ended: at(ended),
            total: Duration::from_secs(total),
        };
        let pause = ClockPause::new();
        *pause.lock() =
            Times { ended: vec![interval(10, 20, 10), interval(30, 45, 25)], since: Some(at(60)), guards: 1 };
        let expected =
            [(5, 0), (10, 0), (15, 5), (20, 10), (25, 10), (30, 10), (40, 20), (45, 25), (50, 25), (60, 25), (70, 35)];
        for (moment, total) in expected {
            assert_eq!(pause.total_at(at(moment)), Duration::from_secs(total), "at {moment}");
        }
    }

    #[test]
    fn the_clocks_are_paused_until_the_last_guard_is_dropped() {
        let pause = ClockPause::new();
        let (first, second) = (pause.pause(), pause.clone().pause());
        assert_eq!(pause.lock().guards, 2);
        drop(first);
        assert!(pause.lock().since.is_some() && pause.lock().ended.is_empty());
        drop(second);
        drop(pause.pause());
        let times = pause.lock();
        assert_eq!((times.guards, times.since, times.ended.len()), (0, None, 2));
        let lengths: Vec<Duration> = times.ended.iter().map(|pause| pause.ended - pause.began).collect();
        assert_eq!(times.ended[0].total, lengths[0]);
        assert_eq!(times.ended[1].total, lengths[0] + lengths[1]);
    }

    #[test]
    fn the_total_at_an_instant_is_the_duration_of_the_pauses_before_it() {
        let pause = ClockPause::new();
        let start = Instant::now();
        let first = pause.pause();
        drop(pause.pause()); // inside: it counts once
        drop(first);
        let second = pause.pause();
        let (one, two) = {
            let times = pause.lock();
            let ended = &times.ended[0];
            ((ended.began, ended.ended), times.since.expect("it is held"))
        };
        assert_eq!(pause.total_at(start), Duration::ZERO);
        assert_eq!(pause.total_at(one.0), Duration::ZERO);
        assert_eq!(pause.total_at(one.1), one.1 - one.0);
        assert_eq!(pause.total_at(two), one.1 - one.0);
        assert_eq!(pause.total_at(two + Duration::from_secs(5)), one.1 - one.0 + Duration::from_secs(5));
        drop(second);
        assert!(pause.total_at(Instant::now()) < start.elapsed());
    }
}
