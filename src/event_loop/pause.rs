//! A hand on the clocks of loops: while it is held, they stand still.
//!
//! For a debugger of any kind that stops a loop to let somebody look. Without it, every timer would be due when the loop
//! goes on, and every time limit over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Stops the clocks of the loops that were built with [`Builder::pausable`](super::Builder::pausable). A handle: clones
/// stop the same clocks, from any thread.
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
    /// The pauses that are over.
    over: Vec<Over>,
    /// When the clocks were stopped, if they stand still; and by how many.
    since: Option<Instant>,
    holders: usize,
}

#[derive(Debug)]
struct Over {
    began: Instant,
    ended: Instant,
    /// How long this and all before it took.
    total: Duration,
}

impl ClockPause {
    /// The clocks run.
    pub fn new() -> ClockPause {
        ClockPause::default()
    }

    /// Stops the clocks until what comes back is dropped.
    pub fn pause(&self) -> PauseGuard {
        let mut times = self.lock();
        times.holders += 1;
        times.since.get_or_insert_with(Instant::now);
        PauseGuard { pause: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the clocks had stood still at this point in time.
    pub(super) fn total_at(&self, at: Instant) -> Duration {
        let times = self.lock();
        let now = times.since.map_or(Duration::ZERO, |since| at.saturating_duration_since(since));
        // The moments that are asked for are nearly always the latest.
        let before = times.over.iter().rev().find(|over| over.began <= at);
        let before = before.map_or(Duration::ZERO, |over| over.total - over.ended.saturating_duration_since(at));
        before + now
    }
}

/// While it lives, the clocks stand still.
#[derive(Debug)]
pub struct PauseGuard {
    pause: ClockPause,
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        let mut times = self.pause.lock();
        times.holders -= 1;
        if times.holders == 0
            && let Some(began) = times.since.take()
        {
            let ended = Instant::now();
            let before = times.over.last().map_or(Duration::ZERO, |over| over.total);
            times.over.push(Over { began, ended, total: before + (ended - began) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{ClockPause, Over, Times};

    #[test]
    fn the_pauses_before_a_point_in_time_add_up() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let over = |began, ended, total| Over { began: at(began), ended: at(ended), total: Duration::from_secs(total) };
        let pause = ClockPause::new();
        *pause.lock() = Times { over: vec![over(10, 20, 10), over(30, 45, 25)], since: Some(at(60)), holders: 1 };
        let expected =
            [(5, 0), (10, 0), (15, 5), (20, 10), (25, 10), (30, 10), (40, 20), (45, 25), (50, 25), (60, 25), (70, 35)];
        for (moment, total) in expected {
            assert_eq!(pause.total_at(at(moment)), Duration::from_secs(total), "at {moment}");
        }
    }

    #[test]
    fn the_clocks_stand_still_until_the_last_guard_is_dropped() {
        let pause = ClockPause::new();
        let (first, second) = (pause.pause(), pause.clone().pause());
        assert_eq!(pause.lock().holders, 2);
        drop(first);
        assert!(pause.lock().since.is_some() && pause.lock().over.is_empty());
        drop(second);
        drop(pause.pause());
        let times = pause.lock();
        assert_eq!((times.holders, times.since, times.over.len()), (0, None, 2));
        let lengths: Vec<Duration> = times.over.iter().map(|over| over.ended - over.began).collect();
        assert_eq!(times.over[0].total, lengths[0]);
        assert_eq!(times.over[1].total, lengths[0] + lengths[1]);
    }

    #[test]
    fn a_point_in_time_is_as_much_later_as_the_clocks_stood_still_before_it() {
        let pause = ClockPause::new();
        let start = Instant::now();
        let first = pause.pause();
        drop(pause.pause()); // inside: it counts once
        drop(first);
        let second = pause.pause();
        let (one, two) = {
            let times = pause.lock();
            let over = &times.over[0];
            ((over.began, over.ended), times.since.expect("it is held"))
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
