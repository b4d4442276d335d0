//! Findings about time: slow polls, late polls, and whether the machine is the reason.
//!
//! | finding | exact condition |
//! | --- | --- |
//! | `slow_poll` | a poll took longer than the limit, not counting the time spent in the observer |
//! | `loop_lag` | the time from a wake to its poll was longer than the limit; once until the ready queue has been empty |
//! | `busy_machine` | replaces one of the two, once per run: without the time for which the thread was ready to run but had no processor, the limit would have been kept |
//!
//! The times of the thread are read only if the loop is observed, and at intervals, since each reading is a system call.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use super::observed_for;

/// The number of readings that are stored.
const READINGS: usize = 256;

/// The number of readings in the time of the limit.
const READINGS_PER_LIMIT: u32 = 10;

/// The times of polls, and of the waits for them.
pub(super) struct Lateness {
    /// The limit on the time of a poll, or of the wait for one.
    limit: Duration,
    /// When the poll began, and the time that the observer had taken until then.
    began: Cell<(Duration, Duration)>,
    /// The last readings, oldest first.
    readings: RefCell<VecDeque<(Duration, ThreadTimes)>>,
    source: RefCell<TimesSource>,
    /// Whether a `loop_lag` was reported since the ready queue was last empty. The next tasks are late for the same reason.
    is_lag_reported: Cell<bool>,
    is_busy_reported: Cell<bool>,
}

/// What a thread has done until an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ThreadTimes {
    /// The time on a processor.
    worked: Duration,
    /// The time in the run queue. `None` on systems that do not measure it.
    queued: Option<Queued>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Queued {
    time: Duration,
    /// The number of times that it has blocked.
    blocked: u64,
}

/// What a thread has done in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    took: Duration,
    times: ThreadTimes,
}

impl Spent {
    /// Computes it from a reading shortly before the span began, and one at its end.
    fn since(before: ThreadTimes, now: ThreadTimes, took: Duration) -> Spent {
        let queued = before.queued.zip(now.queued).map(|(before, now)| Queued {
            time: now.time.saturating_sub(before.time).min(took),
            blocked: now.blocked.saturating_sub(before.blocked),
        });
        Spent { took, times: ThreadTimes { worked: now.worked.saturating_sub(before.worked).min(took), queued } }
    }

    /// Returns whether it would have been within the limit if the thread had always had a processor.
    fn is_machine_at_fault(&self, limit: Duration) -> bool {
        let Some(queued) = self.times.queued else { return false };
        // The kernel measures only its own run queue. If the thread has not blocked, a hypervisor has taken the rest of the time.
        let without_a_processor =
            if queued.blocked == 0 { self.took.saturating_sub(self.times.worked) } else { queued.time };
        self.took.saturating_sub(without_a_processor) <= limit
    }
}

impl Lateness {
    pub(super) fn new(limit: Duration) -> Lateness {
        Lateness {
            limit,
            began: Cell::default(),
            readings: RefCell::default(),
            source: RefCell::default(),
            is_lag_reported: Cell::default(),
            is_busy_reported: Cell::default(),
        }
    }

    /// Reads the times of the thread, if the last reading is not recent.
    fn read_times(&self, now: Duration) {
        let mut readings = self.readings.borrow_mut();
        let is_recent = readings.back().is_some_and(|(at, _)| *at + self.limit / READINGS_PER_LIMIT > now);
        if !is_recent && let Some(times) = self.source.borrow_mut().read() {
            if readings.len() == READINGS {
                readings.pop_front();
            }
            readings.push_back((now, times));
        }
    }

    /// Returns what the thread has done in the time that ends now, if it is known.
    fn spent(&self, took: Duration, now: Duration) -> Option<Spent> {
        let began = now.saturating_sub(took);
        let readings = self.readings.borrow();
        let (_, before) = readings.iter().rev().find(|(at, _)| *at <= began)?;
        Some(Spent::since(*before, self.source.borrow_mut().read()?, took))
    }
}

impl Lateness {
    /// Called when the ready queue is empty: a task that is late from here on is late for a new reason.
    pub(super) fn end_lag(&self) {
        self.is_lag_reported.set(false);
    }

    /// Called before a poll, with the time since its wake.
    pub(super) fn begin_poll(&self, now: Duration, delay: Duration) -> Option<Late> {
        self.began.set((now, observed_for()));
        self.read_times(now);
        if delay <= self.limit || self.is_lag_reported.replace(true) {
            return None;
        }
        let advice = "look for a slow poll before it, or for more tasks than one thread can poll in time";
        self.late("loop_lag", "from its wake to its poll it took", delay, now, advice)
    }

    /// Called after a poll.
    pub(super) fn end_poll(&self, now: Duration) -> Option<Late> {
        let (began, observed_before) = self.began.get();
        // The time of the observer is not the task's. A recorder may wait for a lock that its writer holds.
        let observed = observed_for().saturating_sub(observed_before);
        let took = now.saturating_sub(began).saturating_sub(observed);
        if took <= self.limit {
            return None;
        }
        let advice = "move blocking operations and computations to `run_in_executor`, or call `yield_now`";
        self.late("slow_poll", "the poll took", took, now, advice)
    }

    /// Returns what to report about a time that is over the limit. `None` if it was reported before.
    fn late(
        &self,
        what: &'static str,
        span: &str,
        took: Duration,
        now: Duration,
        advice: &'static str,
    ) -> Option<Late> {
        let spent = self.spent(took, now);
        let mut evidence = format!("{span} {}; the limit is {}", milliseconds(took), milliseconds(self.limit));
        if let Some(spent) = spent {
            let worked = milliseconds(spent.times.worked);
            evidence += &format!("; the loop's thread was on a processor for {worked} of it at most");
        }
        if !spent.is_some_and(|spent| spent.is_machine_at_fault(self.limit)) {
            return Some(Late { what, is_of_task: true, evidence, advice });
        }
        evidence += ", and ready to run for the rest";
        let advice = "measure again on an idle machine; the task is not the reason";
        let is_new = !self.is_busy_reported.replace(true);
        is_new.then_some(Late { what: "busy_machine", is_of_task: false, evidence, advice })
    }
}

/// A finding about time.
pub(super) struct Late {
    pub(super) what: &'static str,
    /// Whether the task is the reason, and not the machine.
    pub(super) is_of_task: bool,
    pub(super) evidence: String,
    pub(super) advice: &'static str,
}

/// Formats a time in milliseconds.
fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// The files from which the times of the thread are read.
#[derive(Default)]
struct TimesSource {
    /// Opened by the first reading, which is on the loop's thread. `Some(None)` if they do not exist.
    #[cfg(all(feature = "trace", target_os = "linux"))]
    files: Option<Option<[std::fs::File; 2]>>,
}

impl TimesSource {
    /// Reads the times of this thread.
    #[cfg(feature = "trace")]
    fn read(&mut self) -> Option<ThreadTimes> {
        let worked = cpu_time::ThreadTime::try_now().ok()?.as_duration();
        Some(ThreadTimes { worked, queued: self.read_queued() })
    }

    #[cfg(not(feature = "trace"))]
    fn read(&mut self) -> Option<ThreadTimes> {
        None
    }

    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn read_queued(&mut self) -> Option<Queued> {
        use std::os::unix::fs::FileExt;
        let open = |name| std::fs::File::open(format!("/proc/thread-self/{name}")).ok();
        let open_both = || Some([open("schedstat")?, open("status")?]);
        let [schedstat, status] = self.files.get_or_insert_with(open_both).as_ref()?;
        let mut text = [0; 4096];
        let length = schedstat.read_at(&mut text, 0).ok()?;
        let time = parse_schedstat(std::str::from_utf8(&text[..length]).ok()?)?;
        let length = status.read_at(&mut text, 0).ok()?;
        // The name of a thread may be truncated within a character.
        let blocked = parse_status(&String::from_utf8_lossy(&text[..length]))?;
        Some(Queued { time, blocked })
    }

    #[cfg(all(feature = "trace", not(target_os = "linux")))]
    fn read_queued(&mut self) -> Option<Queued> {
        None
    }
}

/// Returns the time for which a thread was ready to run, from `/proc/PID/schedstat`: nanoseconds on a processor, nanoseconds
/// in the run queue, and how often it was put on one (Documentation/scheduler/sched-stats.rst of Linux).
#[cfg(all(feature = "trace", target_os = "linux"))]
fn parse_schedstat(text: &str) -> Option<Duration> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (_worked, queued, _runs) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Duration::from_nanos(queued))
}

/// Returns how often a thread has blocked, from `/proc/PID/status` (proc_pid_status(5)).
#[cfg(all(feature = "trace", target_os = "linux"))]
fn parse_status(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Queued, Spent, ThreadTimes};

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn spent(took: u64, worked: u64, queued: Option<(u64, u64)>) -> Spent {
        let before = ThreadTimes { worked: ms(1000), queued: Some(Queued { time: ms(500), blocked: 7 }) };
        let after = queued.map(|(time, blocked)| Queued { time: ms(500 + time), blocked: 7 + blocked });
        Spent::since(before, ThreadTimes { worked: ms(1000 + worked), queued: after }, ms(took))
    }

    #[test]
    fn the_machine_is_at_fault_if_the_thread_had_no_processor_for_the_time_over_the_limit() {
        for (spent, expected) in [
            (spent(21, 1, Some((20, 3))), true),
            (spent(21, 10, Some((11, 1))), true),
            // A computation, or a call that blocks.
            (spent(21, 21, Some((0, 0))), false),
            (spent(21, 0, Some((0, 1))), false),
            // Both: without the wait for a processor it would still have taken 11 ms.
            (spent(21, 11, Some((10, 2))), false),
            (spent(21, 1, Some((10, 2))), false),
            // It neither blocked nor had a processor: the whole machine was stopped.
            (spent(21, 1, Some((0, 0))), true),
            (spent(21, 11, Some((0, 0))), false),
            // The time in the run queue is unknown.
            (spent(21, 1, None), false),
        ] {
            assert_eq!(spent.is_machine_at_fault(ms(10)), expected, "{spent:?}");
        }
    }

    #[test]
    fn no_part_of_a_span_is_longer_than_the_span() {
        let times = spent(5, 9, Some((8, 2))).times;
        assert_eq!(times, ThreadTimes { worked: ms(5), queued: Some(Queued { time: ms(5), blocked: 2 }) });
    }

    #[test]
    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn the_files_about_a_thread_are_parsed() {
        let queued = super::parse_schedstat("58161887 31901300 24\n");
        assert_eq!(queued, Some(Duration::from_nanos(31_901_300)));
        let status = "Name:\tloop\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(super::parse_status(status), Some(150));
        assert_eq!(super::parse_status("Name:\tloop\nnonvoluntary_ctxt_switches:\t545\n"), None);
        for text in ["", "1 2", "1 two 3", "1 2 three"] {
            assert_eq!(super::parse_schedstat(text), None, "{text}");
        }
    }

    #[test]
    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn the_cpu_time_of_a_thread_is_measured() {
        let mut source = super::TimesSource::default();
        let before = source.read().expect("the times of this thread");
        let mut after = before;
        while after.worked < before.worked + ms(2) {
            after = source.read().expect("the times of this thread");
        }
        let worked = Spent::since(before, after, ms(1_000)).times.worked;
        assert!(worked >= ms(2), "{worked:?}");
    }
}
